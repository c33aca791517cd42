/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VGA's window at A0000h-BFFFFh: four planes of 64 KiB behind latches, the graphics
 * controller's write modes 0-3 and read modes 0-1, odd/even and chain-4 addressing.
 *
 * Byte n of plane p is byte 4n + p of display memory. In chain-4, address a is byte a of display
 * memory, where hardware leaves three of four bytes unused: so packed pixels lie as a linear frame
 * buffer shows them. The two common ways of access, packed pixels and text, have short paths.
 */
#include "base/le.h"
#include "dev/vga_priv.h"

#include <string.h>

#define WRITE_MODE 0x03u

static const u32 lane_masks[16] = {
    0x00000000, 0x000000ff, 0x0000ff00, 0x0000ffff, 0x00ff0000, 0x00ff00ff, 0x00ffff00, 0x00ffffff,
    0xff000000, 0xff0000ff, 0xff00ff00, 0xff00ffff, 0xffff0000, 0xffff00ff, 0xffffff00, 0xffffffff};

/* The bytes of the planes in the low four bits; registers may have more. */
static u32 lanes(u8 planes)
{
    return lane_masks[planes & 15];
}

void vga_written(struct vga *vga, u32 addr, u32 len)
{
    mem_window_written(vga->window, addr, len);
}

static u32 at_all_planes(const struct vga *vga, u32 addr)
{
    return (addr << 2) & (vga->vram_size - 1);
}

static bool write_is_plain(const struct vga *vga)
{
    return !(vga->gfx[GFX_MODE] & (WRITE_MODE | MODE_READ)) &&
           !(vga->gfx[GFX_ENABLE_SET_RESET] & 15) && !vga->gfx[GFX_ROTATE] &&
           vga->gfx[GFX_BIT_MASK] == 0xff;
}

static enum vga_path find_path(const struct vga *vga)
{
    u8 memory = vga->seq[SEQ_MEMORY], planes = vga->seq[SEQ_MAP_MASK];

    if (!(vga->misc & MISC_RAM_ENABLE))
        return VGA_PATH_OFF;
    if (!write_is_plain(vga))
        return VGA_PATH_PLANAR;
    if (memory & MEMORY_CHAIN4)
        return planes == 0x0f ? VGA_PATH_PACKED : VGA_PATH_PLANAR;
    if (!(memory & MEMORY_NOT_ODD) && planes == 0x03 && vga->gfx[GFX_MODE] & MODE_ODD_EVEN &&
        vga->gfx[GFX_MISC] & 0x02 && !vga->gfx[GFX_READ_MAP])
        return VGA_PATH_TEXT;
    return VGA_PATH_PLANAR;
}

void vga_remap(struct vga *vga)
{
    static const u32 base[4] = {0, 0, 0x10000, 0x18000};
    static const u32 span[4] = {0x20000, 0x10000, 0x8000, 0x8000};
    u8 map = vga->gfx[GFX_MISC] >> 2 & 3;

    vga->bank = 0;
    vga->base = base[map];
    vga->span = span[map];
    if (vga->chip && vga->chip->bank && vga->chip->bank(vga->opaque, &vga->bank)) {
        vga->path = VGA_PATH_PACKED;
        vga->base = 0;
        vga->span = 0x10000;
    } else {
        vga->path = find_path(vga);
    }
}

static u8 rotate(u8 val, unsigned by)
{
    return (u8)(val >> by | val << (8 - by));
}

/* The graphics controller's answer to a write: what to store, under which bits. */
static u32 combine(const struct vga *vga, u8 val)
{
    u32 v, latch = le32(vga->latch), mask = vga->gfx[GFX_BIT_MASK] * 0x01010101u, set;
    u8 rot = vga->gfx[GFX_ROTATE];

    switch (vga->gfx[GFX_MODE] & WRITE_MODE) {
    case 0:
        set = lanes(vga->gfx[GFX_ENABLE_SET_RESET]);
        v = rotate(val, rot & 7) * 0x01010101u;
        v = (v & ~set) | (lanes(vga->gfx[GFX_SET_RESET]) & set);
        break;
    case 1:
        return latch;
    case 2:
        v = lanes(val & 15);
        break;
    default:
        mask &= rotate(val, rot & 7) * 0x01010101u;
        v = lanes(vga->gfx[GFX_SET_RESET]);
    }
    switch (rot >> 3) {
    case 1:
        v &= latch;
        break;
    case 2:
        v |= latch;
        break;
    case 3:
        v ^= latch;
        break;
    default:
        break;
    }
    return (v & mask) | (latch & ~mask);
}

void vga_planar_write(struct vga *vga, u32 addr, u8 val)
{
    u8 planes = vga->seq[SEQ_MAP_MASK];
    u32 at, old, mask;

    if (vga->seq[SEQ_MEMORY] & MEMORY_CHAIN4) {
        planes &= (u8)BIT(addr & 3);
        at = addr & (vga->vram_size - 1) & ~3u;
    } else {
        if (!(vga->seq[SEQ_MEMORY] & MEMORY_NOT_ODD)) {
            planes &= addr & 1 ? 0x0a : 0x05;
            if (vga->gfx[GFX_MISC] & 0x02)
                addr &= ~1u;
        }
        at = at_all_planes(vga, addr);
    }
    mask = lanes(planes);
    old = le32(vga->vram + at);
    put_le32(vga->vram + at, (combine(vga, val) & mask) | (old & ~mask));
    vga_written(vga, at, 4);
}

/* Read mode 1: which pixels have the colour of the compare register. */
static u8 compare(const struct vga *vga)
{
    u32 care = lanes(vga->gfx[GFX_DONT_CARE]);
    u32 differs = (le32(vga->latch) ^ lanes(vga->gfx[GFX_COMPARE])) & care;

    return (u8) ~(differs | differs >> 8 | differs >> 16 | differs >> 24);
}

u8 vga_planar_read(struct vga *vga, u32 addr)
{
    u8 plane = vga->gfx[GFX_READ_MAP] & 3;
    u32 at;

    if (vga->seq[SEQ_MEMORY] & MEMORY_CHAIN4) {
        plane = addr & 3;
        at = addr & (vga->vram_size - 1) & ~3u;
    } else {
        if (vga->gfx[GFX_MODE] & MODE_ODD_EVEN) {
            plane = (u8)((plane & 2) | (addr & 1));
            if (vga->gfx[GFX_MISC] & 0x02)
                addr &= ~1u;
        }
        at = at_all_planes(vga, addr);
    }
    memcpy(vga->latch, vga->vram + at, 4);
    return vga->gfx[GFX_MODE] & MODE_READ ? compare(vga) : vga->latch[plane];
}

static u32 text_at(const struct vga *vga, u32 addr)
{
    return (at_all_planes(vga, addr & ~1u)) | (addr & 1);
}

static u8 read_byte(struct vga *vga, u32 addr)
{
    u32 at;

    switch (vga->path) {
    case VGA_PATH_TEXT:
        at = text_at(vga, addr);
        memcpy(vga->latch, vga->vram + (at & ~3u), 4);
        return vga->vram[at];
    case VGA_PATH_PACKED:
        return vga->vram[(vga->bank + addr) & (vga->vram_size - 1)];
    case VGA_PATH_PLANAR:
        return vga_planar_read(vga, vga->bank + addr);
    default:
        return 0xff;
    }
}

static void write_byte(struct vga *vga, u32 addr, u8 val)
{
    u32 at;

    switch (vga->path) {
    case VGA_PATH_TEXT:
        at = text_at(vga, addr);
        break;
    case VGA_PATH_PACKED:
        at = (vga->bank + addr) & (vga->vram_size - 1);
        break;
    case VGA_PATH_PLANAR:
        vga_planar_write(vga, vga->bank + addr, val);
        return;
    default:
        return;
    }
    vga->vram[at] = val;
    vga_written(vga, at, 1);
}

/* Packed bytes that do not go around display memory's end: their place, or NULL. */
static u8 *packed(struct vga *vga, u32 addr, unsigned size)
{
    u32 at = (vga->bank + addr) & (vga->vram_size - 1);

    return vga->path == VGA_PATH_PACKED && addr <= vga->span - size && at <= vga->vram_size - size
               ? vga->vram + at
               : NULL;
}

static u64 window_read(void *dev, u64 off, unsigned size)
{
    struct vga *vga = dev;
    u32 addr = (u32)off - vga->base;
    const u8 *from = packed(vga, addr, size);
    u64 val = 0;

    if (from) {
        memcpy(&val, from, size);
        return val;
    }
    for (unsigned i = 0; i < size; i++)
        val |= (u64)(addr + i < vga->span ? read_byte(vga, addr + i) : 0xff) << 8 * i;
    return val;
}

static void window_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct vga *vga = dev;
    u32 addr = (u32)off - vga->base;
    u8 *to = packed(vga, addr, size);

    if (to) {
        memcpy(to, &val, size);
        vga_written(vga, (u32)(to - vga->vram), size);
        return;
    }
    for (unsigned i = 0; i < size; i++)
        if (addr + i < vga->span)
            write_byte(vga, addr + i, (u8)(val >> 8 * i));
}

const struct bus_ops vga_window_ops = {.read = window_read, .write = window_write, .max_size = 8};
