/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pixels out of display memory, one line at a time. Pure functions. */
#include "base/le.h"
#include "dev/vga_priv.h"

static u32 *put_dots(u32 *out, u32 colour, u32 n)
{
    for (; n; n--)
        *out++ = colour;
    return out;
}

static bool has_cursor(const struct vga_params *p, u32 counter, u32 row_scan)
{
    return p->cursor_on && (counter & p->counter_mask) == p->cursor &&
           row_scan >= p->cursor_start && row_scan <= p->cursor_end;
}

/* The eight or nine dots of one character on one scan line, the first one in bit 8. */
static u32 text_dots(const struct vga_params *p, const u8 *fonts, u8 ch, u8 attr, u32 row_scan)
{
    u32 dots = (u32)fonts[(attr & 8 ? VGA_FONT_SIZE : 0) + ch * 32u + row_scan] << 1;

    if (p->attr_mode & AMODE_LINE && ch >= 0xc0 && ch <= 0xdf)
        dots |= dots >> 1 & 1;
    if ((attr & 0x77) == 0x01 && row_scan == (p->underline & 0x1f))
        dots = 0x1ff;
    if (p->blink_off && attr & 0x80)
        dots = 0;
    return dots;
}

void vga_render_text(const struct vga_params *p, const u8 *fonts, const u32 *raw,
                     const struct vga_line *l, u32 *out)
{
    for (u32 i = 0; i <= p->chars; i++) {
        u8 ch = (u8)raw[i], attr = (u8)(raw[i] >> 8);
        u32 dots = text_dots(p, fonts, ch, attr, l->row_scan);
        u32 fg = p->ega[attr & 15 & p->planes];
        u32 bg = p->ega[attr >> 4 & (p->attr_mode & AMODE_BLINK ? 7 : 15) & p->planes];
        if (has_cursor(p, l->counter + i, l->row_scan))
            dots = 0x1ff;
        for (u32 d = 0; d < p->dots; d++)
            out = put_dots(out, dots & 0x100u >> d ? fg : bg, p->scale);
    }
}

/* One pixel's bit of each plane. */
void vga_render_planar(const struct vga_params *p, const u32 *raw, u32 *out)
{
    for (u32 i = 0; i <= p->chars; i++)
        for (u32 bit = 8; bit--;) {
            u32 v = raw[i] >> bit & 0x01010101;
            u32 index = (v | v >> 7 | v >> 14 | v >> 21) & 15 & p->planes;
            out = put_dots(out, p->ega[index], p->scale);
        }
}

/* Pairs of bits: four pixels out of planes 0 and 2, then four out of 1 and 3. */
void vga_render_cga(const struct vga_params *p, const u32 *raw, u32 *out)
{
    for (u32 i = 0; i <= p->chars; i++)
        for (u32 n = 0; n < 8; n++) {
            u32 shift = (n < 4 ? 0 : 8) + 6 - 2 * (n % 4);
            u32 index = (raw[i] >> shift & 3) | (raw[i] >> (16 + shift) & 3) << 2;
            out = put_dots(out, p->ega[index & p->planes], p->scale);
        }
}

void vga_render_256(const struct vga_params *p, const u32 *raw, u32 *out)
{
    for (u32 i = 0; i <= p->chars; i++)
        for (u32 plane = 0; plane < 4; plane++)
            out = put_dots(out, p->palette[raw[i] >> 8 * plane & 0xff], 2 * p->scale);
}

static u32 widen_5(u32 v)
{
    v &= 0x1f;
    return v << 3 | v >> 2;
}

static u32 from_15(u16 v)
{
    return widen_5(v >> 10) << 16 | widen_5(v >> 5) << 8 | widen_5(v);
}

static u32 from_16(u16 v)
{
    u32 green = v >> 5 & 0x3f;

    return widen_5(v >> 11) << 16 | (green << 2 | green >> 4) << 8 | widen_5(v);
}

void vga_render_packed(const struct vga_params *p, const u8 *raw, u32 *out)
{
    u32 n = p->width;

    switch (p->lin.bpp) {
    case 8:
        for (u32 i = 0; i < n; i++)
            out[i] = p->palette[raw[i]];
        break;
    case 15:
        for (u32 i = 0; i < n; i++)
            out[i] = from_15(le16(raw + 2 * (size_t)i));
        break;
    case 16:
        for (u32 i = 0; i < n; i++)
            out[i] = from_16(le16(raw + 2 * (size_t)i));
        break;
    case 24:
        for (u32 i = 0; i < n; i++)
            out[i] = raw[3 * i] | (u32)raw[3 * i + 1] << 8 | (u32)raw[3 * i + 2] << 16;
        break;
    default:
        for (u32 i = 0; i < n; i++)
            out[i] = le32(raw + 4 * (size_t)i) & 0xffffff;
    }
}
