/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VGA's picture: each line's bytes are compared with what was drawn last and drawn again
 * where they, or what the registers say, have changed. Display memory is read while guest CPUs
 * write to it; a line that is torn by that is drawn again with the next refresh.
 *
 * Under the machine's lock.
 */
#include "base/le.h"
#include "dev/vga_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t line_bytes(const struct vga_params *p)
{
    if (p->kind == VGA_PACKED)
        return (size_t)p->width * ((p->lin.bpp + 7u) / 8);
    return (p->chars + 1) * sizeof(u32);
}

/* Room for the bytes of all lines; *fresh if what it holds is nothing to compare with. */
static int make_room(struct vga_shadow *sh, const struct vga_params *p, bool *fresh)
{
    size_t size = line_bytes(p) * p->height;
    u8 *bytes;

    if (size <= sh->size)
        return 0;
    bytes = realloc(sh->bytes, size);
    if (!bytes)
        return -ENOMEM;
    sh->bytes = bytes;
    sh->size = size;
    *fresh = true;
    return 0;
}

static const u8 *fetch_packed(struct vga *vga, const struct vga_params *p, u32 y)
{
    u32 line = p->lin.double_lines ? y / 2 : y, n = (u32)line_bytes(p);
    u32 at = (p->lin.start + line * p->lin.pitch) & (vga->vram_size - 1);

    if (n <= vga->vram_size - at)
        return vga->vram + at;
    for (u32 i = 0; i < n; i++)
        vga->shadow.raw[i] = vga->vram[(at + i) & (vga->vram_size - 1)];
    return vga->shadow.raw;
}

static const u8 *fetch_chars(struct vga *vga, const struct vga_params *p, const struct vga_line *l)
{
    u32 *raw = (u32 *)(void *)vga->shadow.raw;

    for (u32 i = 0; i <= p->chars; i++) {
        u32 at = vga_char_addr(p, l->counter + i / p->step, l->row_scan);
        raw[i] = le32(vga->vram + (at & (vga->vram_size - 1)));
    }
    return vga->shadow.raw;
}

/* What is in `from` becomes pixels; returns the first one to show. */
static const u32 *render(struct vga *vga, const struct vga_params *p, const struct vga_line *l,
                         const u8 *from)
{
    const u32 *words = (const u32 *)(const void *)from;
    u32 *out = vga->shadow.line;

    switch (p->kind) {
    case VGA_PACKED:
        vga_render_packed(p, from, out);
        return out;
    case VGA_TEXT:
        vga_render_text(p, vga->shadow.fonts, words, l, out);
        break;
    case VGA_PLANAR:
        vga_render_planar(p, words, out);
        break;
    case VGA_CGA:
        vga_render_cga(p, words, out);
        break;
    default:
        vga_render_256(p, words, out);
    }
    return out + l->pan * p->scale;
}

static bool overlays(struct vga *vga, u32 y, u32 *line, u32 width)
{
    return vga->chip && vga->chip->overlay && vga->chip->overlay(vga->opaque, y, line, width);
}

static void draw_line(struct vga *vga, const struct vga_params *p, u32 y, bool all,
                      struct surface *s)
{
    struct vga_shadow *sh = &vga->shadow;
    struct vga_line l = vga_line_at(p, y);
    size_t n = line_bytes(p);
    u8 *before = sh->bytes + y * n;
    const u8 *now = p->kind == VGA_PACKED ? fetch_packed(vga, p, y) : fetch_chars(vga, p, &l);
    bool over = overlays(vga, y, NULL, p->width);
    const u32 *line;

    if (!all && !over && !sh->overlaid[y] && !memcmp(before, now, n))
        return;
    /* Drawn from the copy, so that the two agree whatever the guest does meanwhile. */
    memcpy(before, now, n);
    if (p->kind != VGA_PACKED)
        before = sh->raw; /* aligned */
    line = render(vga, p, &l, before);
    if (over)
        overlays(vga, y, sh->line, p->width);
    sh->overlaid[y] = over;
    surface_put(s, 0, y, line, p->width);
}

/* True if a font in use is not what it was. */
static bool update_fonts(struct vga *vga, const struct vga_params *p)
{
    bool changed = false;

    for (unsigned n = 0; n < 2; n++) {
        const u8 *from = vga->vram + 4u * vga_font_at(p, n) + 2;
        u8 *to = vga->shadow.fonts + n * VGA_FONT_SIZE;
        for (u32 i = 0; i < VGA_FONT_SIZE; i++) {
            changed |= to[i] != from[4 * i];
            to[i] = from[4 * i];
        }
    }
    return changed;
}

int vga_refresh(void *opaque, struct surface *s)
{
    struct vga *vga = opaque;
    struct vga_params p;
    bool all;
    int rc;

    vga_params_read(vga, &p);
    all = !s->pixels || s->width != p.width || s->height != p.height ||
          memcmp(&p, vga->shadow.params, sizeof(p));
    rc = surface_resize(s, p.width, p.height);
    if (!rc && p.kind == VGA_BLANK)
        surface_fill(s, 0);
    else if (!rc)
        rc = make_room(&vga->shadow, &p, &all);
    if (rc) {
        vga->shadow.params->kind = UINT32_MAX;
        return rc;
    }
    memcpy(vga->shadow.params, &p, sizeof(p));
    if (p.kind == VGA_BLANK)
        return 0;
    if (p.kind == VGA_TEXT)
        all |= update_fonts(vga, &p);
    for (u32 y = 0; y < p.height; y++)
        draw_line(vga, &p, y, all, s);
    return 0;
}

static void read_cells(const struct vga *vga, const struct vga_params *p, struct text_screen *t)
{
    for (unsigned row = 0; row < t->rows; row++)
        for (unsigned col = 0; col < t->cols; col++) {
            u32 counter = p->start + row * p->pitch + col / p->step;
            const u8 *from = vga->vram + (vga_char_addr(p, counter, 0) & (vga->vram_size - 1));
            t->cell[row * t->cols + col].ch = from[0];
            t->cell[row * t->cols + col].attr = from[1];
            if ((counter & p->counter_mask) == p->cursor) {
                t->cursor =
                    !(vga->crtc[CRTC_CURSOR_START] & 0x20) && p->cursor_start <= p->cursor_end;
                t->cursor_x = col;
                t->cursor_y = row;
            }
        }
}

bool vga_text(void *opaque, struct text_screen *t)
{
    struct vga *vga = opaque;
    struct vga_params p;
    unsigned scans;

    vga_params_read(vga, &p);
    scans = p.cell_height << p.double_scan;
    if (p.kind != VGA_TEXT || p.height < scans)
        return false;
    t->cols = p.chars;
    t->rows = (unsigned)min_u64(p.height / scans, TEXT_CELLS / p.chars);
    t->cursor = false;
    t->cursor_x = t->cursor_y = 0;
    t->blink = p.attr_mode & AMODE_BLINK;
    memcpy(t->palette, p.ega, sizeof(t->palette));
    read_cells(vga, &p, t);
    return true;
}

const struct display_ops vga_display_ops = {.refresh = vga_refresh, .text = vga_text};
