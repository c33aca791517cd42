/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Bochs display interface of a stdvga; see vbe.c. */
#pragma once
#include "dev/vga.h"

#define VBE_REGS 11u

struct vbe {
    struct vga *vga;
    u16 index;
    u16 reg[VBE_REGS];
};

void vbe_init(struct vbe *vbe, struct vga *vga);
void vbe_reset(struct vbe *vbe);
u16 vbe_read(struct vbe *vbe, u16 index);
void vbe_write(struct vbe *vbe, u16 index, u16 val);
/* Ports 1CEh-1D0h, on the struct vbe. */
extern const struct bus_ops vbe_port_ops;

/* For struct vga_chip. */
bool vbe_linear(const struct vbe *vbe, struct vga_linear *out);
bool vbe_bank(const struct vbe *vbe, u32 *base);

extern const struct state_field vbe_fields[];
must_check int vbe_loaded(struct vbe *vbe);
