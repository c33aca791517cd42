/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the VGA's registers say about the picture: its kind and size, where its lines and
 * characters lie in display memory, its colours. Left out: the CRTC's halving of the vertical
 * counter, the border, blanking within the picture.
 */
#include "dev/vga_priv.h"

#include <string.h>

#define BLINK_NS (16 * NSEC_PER_SEC / 60) /* half a period of attributes; of the cursor: half */

#define CMODE_ROW_SCAN_0 0x01u
#define CMODE_ROW_SCAN_1 0x02u
#define CMODE_BY_TWO     0x08u
#define CMODE_WRAP       0x20u
#define CMODE_BYTE       0x40u
#define UNDERLINE_BY_4   0x20u
#define UNDERLINE_DWORD  0x40u

static u32 dac_colour(const struct vga *vga, u8 index)
{
    const u8 *c = vga->dac + 3u * (index & vga->dac_mask);
    u32 rgb = (u32)c[0] << 16 | (u32)c[1] << 8 | c[2];

    return vga->dac_8bit ? rgb : (rgb << 2 & 0xfcfcfc) | (rgb >> 4 & 0x030303);
}

static void read_colours(const struct vga *vga, struct vga_params *p)
{
    for (unsigned i = 0; i < 256; i++)
        p->palette[i] = dac_colour(vga, (u8)i);
    for (unsigned i = 0; i < 16; i++) {
        u8 pel = vga->attr[i] & 0x3f, select = vga->attr[ATTR_SELECT];
        if (vga->attr[ATTR_MODE] & AMODE_SELECT)
            pel = (u8)((pel & 0x0f) | (select & 3) << 4);
        pel |= (u8)((select & 0x0c) << 4);
        p->ega[i] = p->palette[pel];
    }
}

static void read_addressing(const struct vga *vga, struct vga_params *p)
{
    const u8 *crtc = vga->crtc;

    p->start = (u32)crtc[CRTC_START_HI] << 8 | crtc[CRTC_START_LO];
    p->pitch = crtc[CRTC_OFFSET] * 2u;
    p->counter_mask = 0xffff;
    if (vga->chip && vga->chip->extend && vga->chip->extend(vga->opaque, &p->start, &p->pitch))
        p->counter_mask = vga->vram_size / 4 - 1;
    p->start += crtc[CRTC_PRESET] >> 5 & 3; /* byte panning */
    p->preset = crtc[CRTC_PRESET] & 0x1f;
    p->compare = crtc[CRTC_COMPARE] | (crtc[CRTC_OVERFLOW] & 0x10u) << 4 |
                 (crtc[CRTC_MAX_SCAN] & 0x40u) << 3;
    p->cell_height = (crtc[CRTC_MAX_SCAN] & 0x1f) + 1;
    p->double_scan = crtc[CRTC_MAX_SCAN] >> 7;
    p->crtc_mode = crtc[CRTC_MODE];
    p->underline = crtc[CRTC_UNDERLINE];
    p->step = p->underline & UNDERLINE_BY_4 ? 4 : p->crtc_mode & CMODE_BY_TWO ? 2 : 1;
    p->chain4 = !!(vga->seq[SEQ_MEMORY] & MEMORY_CHAIN4);
}

static void read_text(const struct vga *vga, struct vga_params *p)
{
    u8 start = vga->crtc[CRTC_CURSOR_START];
    u64 now = clock_now(vga->clk);

    p->fonts = vga->seq[SEQ_CHAR_MAP];
    p->blink_off = p->attr_mode & AMODE_BLINK && now / BLINK_NS % 2;
    p->cursor = (u32)vga->crtc[CRTC_CURSOR_HI] << 8 | vga->crtc[CRTC_CURSOR_LO];
    p->cursor_start = start & 0x1f;
    p->cursor_end = vga->crtc[CRTC_CURSOR_END] & 0x1f;
    p->cursor_on = !(start & 0x20) && now / (BLINK_NS / 2) % 2 == 0;
}

static enum vga_kind kind_of(const struct vga *vga)
{
    if (!(vga->gfx[GFX_MISC] & GMISC_GRAPHICS))
        return VGA_TEXT;
    if (vga->gfx[GFX_MODE] & MODE_256)
        return VGA_256;
    return vga->gfx[GFX_MODE] & MODE_SHIFT ? VGA_CGA : VGA_PLANAR;
}

static u8 panning(const struct vga *vga, const struct vga_params *p)
{
    u8 pan = vga->attr[ATTR_PANNING];

    if (p->dots == 9)
        return pan < 8 ? pan + 1 : 0;
    return pan & (p->kind == VGA_256 ? 6 : 7);
}

static void read_vga_mode(const struct vga *vga, struct vga_params *p)
{
    u8 clocking = vga->seq[SEQ_CLOCKING], over = vga->crtc[CRTC_OVERFLOW];

    p->kind = kind_of(vga);
    p->dots = p->kind == VGA_TEXT && !(clocking & CLOCKING_8DOT) ? 9 : 8;
    p->scale = clocking & CLOCKING_HALF ? 2 : 1;
    p->chars = vga->crtc[CRTC_HDISP_END] + 1u;
    p->width = p->chars * p->dots * p->scale;
    p->height = (vga->crtc[CRTC_VDISP_END] | (over & 2u) << 7 | (over & 0x40u) << 3) + 1u;
    read_addressing(vga, p);
    p->pan = panning(vga, p);
    p->chain4 = p->chain4 && p->kind == VGA_256;
    if (p->kind == VGA_TEXT)
        read_text(vga, p);
}

/* Four bits a pixel in the VGA's planes, but of an adapter's size. */
static void read_planar(const struct vga *vga, struct vga_params *p, const struct vga_linear *lin)
{
    p->kind = VGA_PLANAR;
    p->dots = 8;
    p->scale = 1;
    p->chars = (lin->width + 7) / 8;
    p->width = lin->width;
    p->height = lin->height;
    p->start = lin->start / 4;
    p->pitch = lin->pitch / 4;
    p->pan = lin->x & 7;
    p->counter_mask = vga->vram_size / 4 - 1;
    p->compare = UINT32_MAX;
    p->cell_height = 1;
    p->step = 1;
    p->crtc_mode = CMODE_BYTE | CMODE_ROW_SCAN_0 | CMODE_ROW_SCAN_1;
}

/* The clocking register's "screen off" is of the VGA's modes: SeaBIOS' VGA BIOS for Cirrus adapters
   sets it in packed modes that it means to be seen. */
void vga_params_read(struct vga *vga, struct vga_params *p)
{
    struct vga_linear lin = {0};

    memset(p, 0, sizeof(*p)); /* compared as bytes */
    p->attr_mode = vga->attr[ATTR_MODE];
    p->planes = vga->attr[ATTR_PLANES] & 0x0f;
    read_colours(vga, p);
    if (!vga->chip || !vga->chip->linear || !vga->chip->linear(vga->opaque, &lin)) {
        read_vga_mode(vga, p);
        if (vga->seq[SEQ_CLOCKING] & CLOCKING_OFF)
            p->kind = VGA_BLANK;
    } else if (lin.bpp == 4) {
        read_planar(vga, p, &lin);
    } else {
        p->kind = VGA_PACKED;
        p->cell_height = 1;
        p->width = p->lin.width = lin.width;
        p->height = p->lin.height = lin.height;
        p->lin.start = lin.start;
        p->lin.pitch = lin.pitch;
        p->lin.bpp = lin.bpp;
        p->lin.double_lines = lin.double_lines;
    }
    if (!(vga->attr_index & ATTR_PAS))
        p->kind = VGA_BLANK;
}

struct vga_line vga_line_at(const struct vga_params *p, u32 y)
{
    struct vga_line l = {.counter = p->start, .pan = p->pan};
    u32 scan = p->preset;

    if (y > p->compare) {
        y -= p->compare + 1;
        l.counter = scan = 0;
        if (p->attr_mode & AMODE_PAN_SPLIT)
            l.pan = 0;
    }
    scan += y >> p->double_scan;
    l.row_scan = scan % p->cell_height;
    l.counter += scan / p->cell_height * p->pitch;
    return l;
}

u32 vga_char_addr(const struct vga_params *p, u32 counter, u32 row_scan)
{
    u32 c = counter & p->counter_mask, a = c;

    if (p->chain4)
        return c << 2;
    if (p->underline & UNDERLINE_DWORD)
        a = c << 2 | (c >> 14 & 3);
    else if (!(p->crtc_mode & CMODE_BYTE))
        a = c << 1 | (c >> (p->crtc_mode & CMODE_WRAP ? 15 : 13) & 1);
    if (!(p->crtc_mode & CMODE_ROW_SCAN_0))
        a = (a & ~BIT(13)) | (row_scan & 1) << 13;
    if (!(p->crtc_mode & CMODE_ROW_SCAN_1))
        a = (a & ~BIT(14)) | (row_scan & 2) << 13;
    return (a & p->counter_mask) << 2;
}

u32 vga_font_at(const struct vga_params *p, unsigned n)
{
    u8 map = p->fonts;

    if (n)
        return (map >> 2 & 3u) * 0x4000 + (map >> 5 & 1u) * 0x2000;
    return (map & 3u) * 0x4000 + (map >> 4 & 1u) * 0x2000;
}
