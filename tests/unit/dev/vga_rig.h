/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A PCI bus with memory around a graphics adapter, and the BIOS' register values of VGA modes. */
#pragma once
#include "pci/pci.h"
#include "rig.h"
#include "ui/surface.h"

#include <stdlib.h>

struct vga_rig {
    struct rig rig;
    struct mem *mem, *lent; /* lent: by the caller; NULL: none was */
    struct pci_bus *pci;
};

#define VGA_RIG_RAM (2 * MiB)

static inline void vga_rig_open_with(struct vga_rig *r, struct mem *mem)
{
    *r = (struct vga_rig){.mem = mem, .lent = mem};
    rig_open(&r->rig);
    mem->mmio = &r->rig.mmio;
    for (gpa_t gpa = 0xa0000; gpa < 0xc0000; gpa += PAGE_SIZE)
        mem_map_legacy(r->mem, gpa, MEM_NORMAL, MEM_NO_PAGE, MEM_NO_PAGE);
    BUG_ON(pci_bus_new(&r->pci, &(struct pci_bus_config){
                                    .pio = &r->rig.pio, .mmio = &r->rig.mmio, .mem = r->mem}));
}

static inline void vga_rig_open(struct vga_rig *r)
{
    struct mem *mem;
    struct err err;

    BUG_ON(mem_new(&mem, VGA_RIG_RAM, NULL, &err));
    vga_rig_open_with(r, mem);
    r->lent = NULL;
}

static inline void vga_rig_close(struct vga_rig *r)
{
    pci_bus_free(r->pci);
    if (!r->lent)
        mem_free(r->mem);
    rig_close(&r->rig);
}

struct vga_mode {
    u8 misc, seq[5], crtc[25], gfx[9], attr_mode, planes;
};

/* 80x25 text, 720x400 */
static const struct vga_mode mode_03 = {0x67,
                                        {0x03, 0x00, 0x03, 0x00, 0x02},
                                        {0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00,
                                         0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00, 0x9c, 0x8e,
                                         0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff},
                                        {0, 0, 0, 0, 0, 0x10, 0x0e, 0x0f, 0xff},
                                        0x0c,
                                        0x0f};

/* 320x200, four colours */
static const struct vga_mode mode_04 = {0x63,
                                        {0x03, 0x09, 0x03, 0x00, 0x02},
                                        {0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0x00,
                                         0xc1, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x9c, 0x8e,
                                         0x8f, 0x14, 0x00, 0x96, 0xb9, 0xa2, 0xff},
                                        {0, 0, 0, 0, 0, 0x30, 0x0f, 0x0f, 0xff},
                                        0x01,
                                        0x03};

/* 640x200, two colours */
static const struct vga_mode mode_06 = {0x63,
                                        {0x03, 0x01, 0x01, 0x00, 0x06},
                                        {0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0x00,
                                         0xc1, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x9c, 0x8e,
                                         0x8f, 0x28, 0x00, 0x96, 0xb9, 0xc2, 0xff},
                                        {0, 0, 0, 0, 0, 0x00, 0x0d, 0x0f, 0xff},
                                        0x01,
                                        0x01};

/* 640x480, sixteen colours */
static const struct vga_mode mode_12 = {0xe3,
                                        {0x03, 0x01, 0x0f, 0x00, 0x06},
                                        {0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0x00,
                                         0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xea, 0x8c,
                                         0xdf, 0x28, 0x00, 0xe7, 0x04, 0xe3, 0xff},
                                        {0, 0, 0, 0, 0, 0x00, 0x05, 0x0f, 0xff},
                                        0x01,
                                        0x0f};

/* 320x200, 256 colours */
static const struct vga_mode mode_13 = {0x63,
                                        {0x03, 0x01, 0x0f, 0x00, 0x0e},
                                        {0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0x00,
                                         0x41, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x9c, 0x8e,
                                         0x8f, 0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff},
                                        {0, 0, 0, 0, 0, 0x40, 0x05, 0x0f, 0xff},
                                        0x41,
                                        0x0f};

static inline void set_indexed(struct rig *rig, u16 port, u8 index, u8 val)
{
    bus_write(&rig->pio, port, 2, index | val << 8);
}

static inline u8 get_indexed(struct rig *rig, u16 port, u8 index)
{
    out8(rig, port, index);
    return in8(rig, port + 1);
}

static inline void set_attr(struct rig *rig, u8 index, u8 val)
{
    in8(rig, 0x3da);
    out8(rig, 0x3c0, index);
    out8(rig, 0x3c0, val);
    in8(rig, 0x3da);
    out8(rig, 0x3c0, 0x20);
}

static inline void set_dac(struct rig *rig, u8 index, u8 r, u8 g, u8 b)
{
    out8(rig, 0x3c8, index);
    out8(rig, 0x3c9, r);
    out8(rig, 0x3c9, g);
    out8(rig, 0x3c9, b);
}

/* Colour n of the palette is n in red and 2n in green, of six bits. */
static inline u32 test_colour(u8 n)
{
    u32 r = n & 0x3f, g = n * 2 & 0x3f;

    return (r << 2 | r >> 4) << 16 | (g << 2 | g >> 4) << 8;
}

static inline void set_mode(struct rig *rig, const struct vga_mode *m)
{
    out8(rig, 0x3c2, m->misc);
    for (u8 i = 0; i < 5; i++)
        set_indexed(rig, 0x3c4, i, m->seq[i]);
    set_indexed(rig, 0x3d4, 0x11, 0);
    for (u8 i = 0; i < 25; i++)
        set_indexed(rig, 0x3d4, i, m->crtc[i]);
    for (u8 i = 0; i < 9; i++)
        set_indexed(rig, 0x3ce, i, m->gfx[i]);
    for (u8 i = 0; i < 16; i++)
        set_attr(rig, i, i);
    set_attr(rig, 0x10, m->attr_mode);
    set_attr(rig, 0x11, 0);
    set_attr(rig, 0x12, m->planes);
    set_attr(rig, 0x13, m == &mode_03 ? 8 : 0);
    set_attr(rig, 0x14, 0);
    out8(rig, 0x3c6, 0xff);
    for (unsigned i = 0; i < 256; i++)
        set_dac(rig, (u8)i, (u8)i & 0x3f, (u8)(i * 2) & 0x3f, 0);
}

static inline u32 pixel(const struct surface *s, u32 x, u32 y)
{
    return x < s->width && y < s->height ? s->pixels[y * s->width + x] : 0xdeadbeef;
}

static inline unsigned changed_tiles(const struct surface *s, u64 since)
{
    struct surface_rect rect;
    unsigned n = 0;

    for (u32 at = 0; surface_next_changed(s, since, &at, &rect);)
        n += (rect.w + SURFACE_TILE_W - 1) / SURFACE_TILE_W;
    return n;
}
