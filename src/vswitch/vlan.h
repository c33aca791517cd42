/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtual LANs (IEEE 802.1Q-2018, 6.9): which one a frame belongs to by the port it came in by, and
 * how it leaves by another. Inside the switch a frame has no tag. Pure functions.
 */
#pragma once
#include "base/err.h"

#define VLAN_FIRST 1u
#define VLAN_LAST  4094u
#define VLAN_TAG   4u

struct vlan_port {
    bool trunk;
    u16 vlan;        /* access: the port's; trunk: that of frames without a tag, 0: none */
    u64 allowed[64]; /* trunk: a bit for each */
};

struct vlan_frame {
    const u8 *data; /* without the tag */
    size_t len;
    u16 vlan;
    u16 priority; /* bits 15-12 of the tag that it had */
};

/* "N" or "N-M" with commas between them. -EINVAL. */
must_check int vlan_parse_set(u64 set[64], const char *text, struct err *err);
/* Writes such a text of up to `size` bytes. */
void vlan_print_set(const u64 set[64], char *text, size_t size);

bool vlan_carries(const struct vlan_port *p, u16 vlan);
/* False: the port does not take it. `len` is at least FRAME_HEADER; `buf` has room for the frame
   and must live as long as `out`. */
bool vlan_enter(struct vlan_frame *out, const struct vlan_port *p, const u8 *frame, size_t len,
                u8 *buf);
/* Writes the frame as it leaves by a port that carries its VLAN, at most len + VLAN_TAG bytes.
   Returns its length, 0 if it must not leave there. */
size_t vlan_leave(const struct vlan_port *p, const struct vlan_frame *f, u8 *out);
