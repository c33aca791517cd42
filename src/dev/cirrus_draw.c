/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The CL-GD5446's packed pixels and its hardware cursor of 32x32 or 64x64. */
#include "base/le.h"
#include "dev/cirrus_priv.h"

#define HIDDEN_16     0x80u
#define HIDDEN_FORMAT 0x0fu
#define HIDDEN_565    0x01u
#define PATTERNS      (16 * KiB) /* at display memory's end */
#define INTERLACED    0x01u

static u8 depth(const struct cirrus *dev)
{
    bool is_565 = (dev->hidden_dac & HIDDEN_16) && (dev->hidden_dac & HIDDEN_FORMAT) == HIDDEN_565;

    switch (dev->vga.seq[SR_MODE] & SMODE_DEPTH) {
    case 0x00:
        return 8;
    case 0x04:
        return 24;
    case 0x08:
        return 32;
    default:
        return is_565 ? 16 : 15;
    }
}

bool cirrus_linear(void *opaque, struct vga_linear *out)
{
    const struct cirrus *dev = opaque;
    const u8 *crtc = dev->vga.crtc;
    u32 start = (u32)crtc[CRTC_START_HI] << 8 | crtc[CRTC_START_LO], offset = crtc[CRTC_OFFSET];

    if (!(dev->vga.seq[SR_MODE] & SMODE_PACKED))
        return false;
    start |= (crtc[CR_EXTENDED] & 0x01u) << 16 | (crtc[CR_EXTENDED] & 0x0cu) << 15 |
             (crtc[CR_OVERLAY] & 0x80u) << 12;
    offset |= (crtc[CR_EXTENDED] & 0x10u) << 4;
    *out = (struct vga_linear){.width = (crtc[CRTC_HDISP_END] + 1u) * 8,
                               .start = start * 4,
                               .pitch = offset * 8,
                               .bpp = depth(dev),
                               .double_lines = crtc[CRTC_MAX_SCAN] & 0x9f};
    out->height = (crtc[CRTC_VDISP_END] | (crtc[CRTC_OVERFLOW] & 2u) << 7 |
                   (crtc[CRTC_OVERFLOW] & 0x40u) << 3) +
                  1;
    if (crtc[CR_MISC] & INTERLACED)
        out->height *= 2;
    return true;
}

static u32 cursor_colour(const struct cirrus *dev, unsigned n)
{
    const u8 *c = dev->cursor_dac + n * 3;
    u32 rgb = (u32)c[0] << 16 | (u32)c[1] << 8 | c[2];

    return (rgb << 2 & 0xfcfcfc) | (rgb >> 4 & 0x030303);
}

/* Row `row` of the cursor: the two planes, each with its first pixel in bit 63. */
static void cursor_row(const struct cirrus *dev, u32 row, u64 *plane0, u64 *plane1)
{
    const u8 *base = dev->vga.vram + dev->vga.vram_size - PATTERNS;
    u8 select = dev->vga.seq[SR_PATTERN];

    *plane0 = *plane1 = 0;
    if (dev->vga.seq[SR_CURSOR] & CURSOR_64) {
        base += (select & 0x3cu) * 256 + row * 16;
        for (unsigned i = 0; i < 8; i++) {
            *plane0 = *plane0 << 8 | base[i];
            *plane1 = *plane1 << 8 | base[8 + i];
        }
    } else {
        base += (select & 0x3fu) * 256 + row * 4;
        for (unsigned i = 0; i < 4; i++) {
            *plane0 |= (u64)base[i] << (56 - 8 * i);
            *plane1 |= (u64)base[128 + i] << (56 - 8 * i);
        }
    }
}

/* Planes 0 and 1: 0 0 shows what is there, 1 0 inverts it, 0 1 and 1 1 are the two colours. */
bool cirrus_overlay(void *opaque, u32 y, u32 *line, u32 width)
{
    const struct cirrus *dev = opaque;
    u32 size = dev->vga.seq[SR_CURSOR] & CURSOR_64 ? 64 : 32;
    u32 colour[2] = {cursor_colour(dev, 0), cursor_colour(dev, 15)};
    u64 plane0, plane1;

    if (!(dev->vga.seq[SR_CURSOR] & CURSOR_ON) || y < dev->cursor_y || y - dev->cursor_y >= size)
        return false;
    if (!line)
        return true;
    cursor_row(dev, y - dev->cursor_y, &plane0, &plane1);
    for (u32 i = 0; i < size && dev->cursor_x + i < width; i++) {
        bool bit0 = plane0 >> (63 - i) & 1, bit1 = plane1 >> (63 - i) & 1;
        u32 *at = &line[dev->cursor_x + i];
        if (bit1)
            *at = colour[bit0];
        else if (bit0)
            *at ^= 0xffffff;
    }
    return true;
}
