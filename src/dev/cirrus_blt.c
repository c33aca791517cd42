/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CL-GD5446's blitter (Technical Reference Manual, chapter 9): raster operations from display
 * memory, the CPU, an 8x8 pattern or bits that become two colours.
 *
 * A line at a time: its source bytes are gathered, and which of them count; then they are put. A
 * transfer takes no time, except that one from the CPU waits for the CPU's stores. Every address
 * goes around at display memory's end. Left out: transfers to the CPU (they end at once).
 */
#include "base/le.h"
#include "dev/cirrus_priv.h"

#include <errno.h>
#include <string.h>

#define ADDRESS_MASK 0x3fffffu
#define SIDE         8u /* of a pattern */

struct line {
    u8 src[BLT_MAX_WIDTH + 4];  /* a last pixel may reach over the end */
    u8 keep[BLT_MAX_WIDTH + 4]; /* FFh: the destination stays */
};

static u32 mask_of(const struct cirrus *dev)
{
    return dev->vga.vram_size - 1;
}

static u32 pixel_bytes(const struct cirrus_blt *b)
{
    return (b->mode & BLT_PIXEL) / 0x10 + 1;
}

static bool is_solid(const struct cirrus_blt *b)
{
    return b->extension & BEXT_SOLID &&
           (b->mode & (BLT_TRANSPARENT | BLT_PATTERN | BLT_EXPAND)) == (BLT_PATTERN | BLT_EXPAND);
}

static void copy_from_vram(const struct cirrus *dev, u32 at, u8 *to, u32 n)
{
    at &= mask_of(dev);
    if (n <= dev->vga.vram_size - at) {
        memcpy(to, dev->vga.vram + at, n);
        return;
    }
    for (u32 i = 0; i < n; i++)
        to[i] = dev->vga.vram[(at + i) & mask_of(dev)];
}

static void put_pixel(u8 *to, u32 colour, u32 bytes)
{
    for (u32 i = 0; i < bytes; i++)
        to[i] = (u8)(colour >> 8 * i);
}

/* One bit for each pixel, the first in bit 7 of bits[0]; `period` bytes of them are repeated.
   Transparent: zeros stay, or with INVERT ones stay and zeros become the background. */
static void expand(const struct cirrus_blt *b, struct line *l, const u8 *bits, u32 period)
{
    bool transparent = b->mode & BLT_TRANSPARENT;
    bool invert = transparent && b->extension & BEXT_INVERT;
    u32 bytes = pixel_bytes(b), bit = 0;

    for (u32 x = 0; x < b->width; x += bytes, bit++) {
        bool one = (bits[bit / 8 % period] >> (7 - bit % 8) & 1) != invert;
        put_pixel(l->src + x, one != invert ? b->fg : b->bg, bytes);
        if (transparent && !one)
            put_pixel(l->keep + x, UINT32_MAX, bytes);
    }
}

/* Row `row` of the pattern at `pattern`: pixels over and over. 24-bit rows take 32 bytes. */
static void tile(const struct cirrus_blt *b, struct line *l, const u8 *pattern)
{
    u32 bytes = pixel_bytes(b), pitch = SIDE * (bytes == 3 ? 4 : bytes);
    const u8 *row = pattern + b->row * pitch;

    for (u32 x = 0, n = 0; x < b->width; x += bytes, n++)
        memcpy(l->src + x, row + n % SIDE * bytes, bytes);
}

/* Pixels of the transparent colour stay; in 8 and 16 bits only. */
static void hide_key(const struct cirrus_blt *b, struct line *l)
{
    u32 bytes = pixel_bytes(b);
    u16 care = (u16)~b->key_mask;

    if (bytes > 2)
        return;
    for (u32 x = 0; x < b->width; x += bytes) {
        u16 v = bytes == 2 ? le16(l->src + x) : l->src[x];
        if (!((v ^ b->key) & care & (bytes == 2 ? 0xffff : 0xff)))
            put_pixel(l->keep + x, UINT32_MAX, bytes);
    }
}

/* The left edge that is skipped, in bytes. */
static void hide_left(const struct cirrus_blt *b, struct line *l)
{
    u32 bytes = pixel_bytes(b);
    u32 n = bytes == 3 ? b->skip & 0x1f : (b->skip & 7u) * bytes;

    memset(l->keep, 0xff, min_u64(n, b->width));
}

static u32 pattern_bytes(const struct cirrus_blt *b)
{
    u32 bytes = pixel_bytes(b);

    return b->mode & BLT_EXPAND ? SIDE : SIDE * SIDE * (bytes == 3 ? 4 : bytes);
}

/* The source bytes of the line: from display memory, or from what the CPU has sent. */
static void gather(const struct cirrus *dev, struct line *l)
{
    const struct cirrus_blt *b = &dev->blt;
    bool system = b->mode & BLT_FROM_SYSTEM;
    u8 from[SIDE * SIDE * 4];

    memset(l->keep, 0, b->width + 4);
    if (is_solid(b)) {
        for (u32 x = 0; x < b->width; x += pixel_bytes(b))
            put_pixel(l->src + x, b->fg, pixel_bytes(b));
    } else if (b->mode & BLT_PATTERN) {
        if (system)
            memcpy(from, b->in, pattern_bytes(b));
        else
            copy_from_vram(dev, b->src & ~7u, from, pattern_bytes(b));
        if (b->mode & BLT_EXPAND)
            expand(b, l, from + b->row, 1);
        else
            tile(b, l, from);
    } else if (b->mode & BLT_EXPAND) {
        u8 bits[BLT_MAX_WIDTH / 8];
        u32 n = (b->width / pixel_bytes(b) + 8) / 8;
        n = (u32)min_u64(n, sizeof(bits));
        if (!system)
            copy_from_vram(dev, b->src, bits, n);
        expand(b, l, system ? b->in : bits, BLT_MAX_WIDTH / 8);
    } else {
        if (system)
            memcpy(l->src, b->in, b->width);
        else
            copy_from_vram(dev, b->src, l->src, b->width);
        if (b->mode & BLT_TRANSPARENT)
            hide_key(b, l);
    }
    if (b->skip)
        hide_left(b, l);
}

/* The raster operations as the results for source and destination 0 0, 0 1, 1 0, 1 1, in bits 3
   to 0. */
static u8 truth(u8 rop)
{
    switch (rop) {
    case 0x00:
        return 0x0; /* 0 */
    case 0x05:
        return 0x1; /* S and D */
    case 0x06:
        return 0x5; /* D */
    case 0x09:
        return 0x2; /* S and not D */
    case 0x0b:
        return 0xa; /* not D */
    case 0x0d:
        return 0x3; /* S */
    case 0x0e:
        return 0xf; /* 1 */
    case 0x50:
        return 0x4; /* not S and D */
    case 0x59:
        return 0x6; /* S xor D */
    case 0x6d:
        return 0x7; /* S or D */
    case 0x90:
        return 0x8; /* not (S or D) */
    case 0x95:
        return 0x9; /* not (S xor D) */
    case 0xad:
        return 0xb; /* S or not D */
    case 0xd0:
        return 0xc; /* not S */
    case 0xd6:
        return 0xd; /* not S or D */
    case 0xda:
        return 0xe; /* not (S and D) */
    default:
        return 0x5; /* none of the chip's: nothing happens */
    }
}

static u8 minterm(u8 table, unsigned bit)
{
    return table >> bit & 1 ? 0xff : 0;
}

static void combine(u8 table, const struct line *l, u8 *dst, u32 n)
{
    u8 m0 = minterm(table, 3), m1 = minterm(table, 2), m2 = minterm(table, 1),
       m3 = minterm(table, 0);

    for (u32 i = 0; i < n; i++) {
        u8 s = l->src[i], d = dst[i], keep = l->keep[i];
        u8 r = (u8)((m0 & ~s & ~d) | (m1 & ~s & d) | (m2 & s & ~d) | (m3 & s & d));
        dst[i] = (u8)((r & ~keep) | (d & keep));
    }
}

static void put_line(struct cirrus *dev, const struct line *l)
{
    const struct cirrus_blt *b = &dev->blt;
    u32 at = b->dst & mask_of(dev), n = b->width;
    u8 wrapped[BLT_MAX_WIDTH];

    if (n <= dev->vga.vram_size - at) {
        combine(truth(b->rop), l, dev->vga.vram + at, n);
        vga_written(&dev->vga, at, n);
        return;
    }
    copy_from_vram(dev, at, wrapped, n);
    combine(truth(b->rop), l, wrapped, n);
    for (u32 i = 0; i < n; i++)
        dev->vga.vram[(at + i) & mask_of(dev)] = wrapped[i];
    vga_written(&dev->vga, 0, dev->vga.vram_size);
}

/* In color expansion the source is packed bits, each line from a byte of its own. */
static u32 source_step(const struct cirrus_blt *b)
{
    u32 pixels = (b->width + pixel_bytes(b) - 1) / pixel_bytes(b);

    if (b->mode & BLT_PATTERN)
        return 0;
    if (b->mode & BLT_EXPAND)
        return b->extension & BEXT_DWORDS ? (pixels + 31) / 32 * 4 : (pixels + 7) / 8;
    return b->mode & BLT_BACKWARD ? -b->src_pitch : b->src_pitch;
}

static void one_line(struct cirrus *dev)
{
    struct cirrus_blt *b = &dev->blt;
    struct line l;

    gather(dev, &l);
    put_line(dev, &l);
    b->dst = (b->dst + (b->mode & BLT_BACKWARD ? -b->dst_pitch : b->dst_pitch)) & ADDRESS_MASK;
    b->src = (b->src + source_step(b)) & ADDRESS_MASK;
    b->row = (b->row + 1) % SIDE;
    b->height--;
}

static void finish(struct cirrus *dev)
{
    dev->blt.height = dev->blt.want = dev->blt.got = 0;
    dev->vga.gfx[GR_BLT_STATUS] &= (u8) ~(BSTAT_BUSY | BSTAT_START | BSTAT_FIFO);
    cirrus_map(dev);
}

static u32 number(const struct cirrus *dev, unsigned reg, u8 high_mask)
{
    return dev->vga.gfx[reg] | (u32)(dev->vga.gfx[reg + 1] & high_mask) << 8;
}

static u32 address(const struct cirrus *dev, unsigned reg)
{
    return (dev->vga.gfx[reg] | (u32)dev->vga.gfx[reg + 1] << 8 |
            (u32)dev->vga.gfx[reg + 2] << 16) &
           ADDRESS_MASK;
}

/* The four bytes of foreground (1) or background (0). */
static u32 colour(const struct cirrus *dev, unsigned n)
{
    const u8 *gfx = dev->vga.gfx;

    return gfx[n] | (u32)gfx[0x10 + n] << 8 | (u32)gfx[0x12 + n] << 16 | (u32)gfx[0x14 + n] << 24;
}

static void latch(struct cirrus *dev)
{
    struct cirrus_blt *b = &dev->blt;
    const u8 *gfx = dev->vga.gfx;

    b->mode = gfx[GR_BLT_MODE];
    b->width = number(dev, GR_BLT_WIDTH, 0x1f) + 1;
    b->height = number(dev, GR_BLT_HEIGHT, 0x07) + 1;
    b->dst_pitch = number(dev, GR_BLT_DST_PITCH, 0x1f);
    b->src_pitch = number(dev, GR_BLT_SRC_PITCH, 0x1f);
    b->dst = address(dev, GR_BLT_DST);
    b->src = address(dev, GR_BLT_SRC);
    b->row = b->mode & BLT_FROM_SYSTEM ? 0 : b->src & 7;
    b->fg = colour(dev, 1);
    b->bg = colour(dev, 0);
    b->key = le16(gfx + GR_BLT_KEY);
    b->key_mask = le16(gfx + GR_BLT_KEY_MASK);
    b->rop = gfx[GR_BLT_ROP];
    b->extension = gfx[GR_BLT_EXTENSION];
    b->skip = gfx[GR_BLT_SKIP];
    if (b->mode & BLT_BACKWARD) { /* the addresses are those of the last bytes */
        b->dst = (b->dst - (b->width - 1)) & ADDRESS_MASK;
        b->src = (b->src - (b->width - 1)) & ADDRESS_MASK;
    }
}

/* How many bytes the CPU sends for a line, or for the pattern. */
static u32 bytes_wanted(const struct cirrus_blt *b)
{
    if (!(b->mode & BLT_FROM_SYSTEM) || is_solid(b))
        return 0;
    if (b->mode & BLT_PATTERN)
        return pattern_bytes(b);
    return b->mode & BLT_EXPAND ? source_step(b) : (b->width + 3) & ~3u;
}

void cirrus_blt_start(struct cirrus *dev)
{
    struct cirrus_blt *b = &dev->blt;

    latch(dev);
    b->got = 0;
    b->want = bytes_wanted(b);
    if (b->mode & BLT_TO_SYSTEM) {
        finish(dev);
        return;
    }
    dev->vga.gfx[GR_BLT_STATUS] |= BSTAT_BUSY | BSTAT_START;
    if (b->want) {
        dev->vga.gfx[GR_BLT_STATUS] |= BSTAT_FIFO;
        cirrus_map(dev);
        return;
    }
    while (b->height)
        one_line(dev);
    finish(dev);
}

static void line_is_full(struct cirrus *dev)
{
    struct cirrus_blt *b = &dev->blt;

    b->got = 0;
    do
        one_line(dev);
    while (b->height && b->mode & BLT_PATTERN);
    if (!b->height)
        finish(dev);
}

void cirrus_blt_put(struct cirrus *dev, u64 val, unsigned size)
{
    struct cirrus_blt *b = &dev->blt;

    for (unsigned i = 0; i < size && cirrus_blt_waits(dev); i++) {
        b->in[b->got++] = (u8)(val >> 8 * i);
        if (b->got == b->want)
            line_is_full(dev);
    }
}

/* Taking RESET away stops what is going on; setting START begins. */
void cirrus_blt_status(struct cirrus *dev, u8 val)
{
    u8 *status = &dev->vga.gfx[GR_BLT_STATUS], old = *status;

    *status = (u8)((val & ~(BSTAT_BUSY | BSTAT_FIFO)) | (old & (BSTAT_BUSY | BSTAT_FIFO)));
    if (old & ~val & BSTAT_RESET)
        finish(dev);
    else if (val & ~old & BSTAT_START)
        cirrus_blt_start(dev);
}

const struct state_field cirrus_blt_fields[] = {
    STATE_UINT(struct cirrus_blt, width),
    STATE_UINT(struct cirrus_blt, height),
    STATE_UINT(struct cirrus_blt, dst),
    STATE_UINT(struct cirrus_blt, src),
    STATE_UINT(struct cirrus_blt, dst_pitch),
    STATE_UINT(struct cirrus_blt, src_pitch),
    STATE_UINT(struct cirrus_blt, fg),
    STATE_UINT(struct cirrus_blt, bg),
    STATE_UINT(struct cirrus_blt, key),
    STATE_UINT(struct cirrus_blt, key_mask),
    STATE_UINT(struct cirrus_blt, mode),
    STATE_UINT(struct cirrus_blt, rop),
    STATE_UINT(struct cirrus_blt, extension),
    STATE_UINT(struct cirrus_blt, skip),
    STATE_UINT(struct cirrus_blt, row),
    STATE_UINT(struct cirrus_blt, got),
    STATE_UINT(struct cirrus_blt, want),
    STATE_ARRAY(struct cirrus_blt, in),
    STATE_END,
};

int cirrus_blt_loaded(struct cirrus *dev)
{
    const struct cirrus_blt *b = &dev->blt;

    if (!b->height) /* none: nothing else of it is used */
        return b->want || b->got ? -EINVAL : 0;
    if (!b->width || b->width > BLT_MAX_WIDTH || b->height > BLT_MAX_HEIGHT || b->row >= SIDE ||
        b->mode & BLT_TO_SYSTEM || !b->want || b->want != bytes_wanted(b) || b->got >= b->want)
        return -EINVAL;
    return 0;
}
