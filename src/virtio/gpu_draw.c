/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the graphics adapter shows: the scanout's part of its resource and the cursor over it, or
   the VGA as long as no driver has set a scanout. */
#include "base/le.h"
#include "virtio/gpu_priv.h"

#include <string.h>

#define NO_ALPHA 4u

/* 5.7.6.8, VIRTIO_GPU_FORMAT_*: which byte of a pixel is what. */
struct format {
    u8 id, r, g, b, a;
};

static const struct format formats[] = {
    {1, 2, 1, 0, 3},  {2, 2, 1, 0, NO_ALPHA},  {3, 1, 2, 3, 0},   {4, 1, 2, 3, NO_ALPHA},
    {67, 0, 1, 2, 3}, {68, 3, 2, 1, NO_ALPHA}, {121, 3, 2, 1, 0}, {134, 0, 1, 2, NO_ALPHA},
};

static const struct format *find(u32 id)
{
    for (unsigned n = 0; n < ARRAY_SIZE(formats); n++)
        if (formats[n].id == id)
            return &formats[n];
    return NULL;
}

bool gpu_format_known(u32 format)
{
    return find(format);
}

bool gpu_can_show(const struct gpu_rect *rect, const struct gpu_resource *r)
{
    return rect->w && rect->h && gpu_rect_within(rect, r) &&
           (u64)rect->w * rect->h <= SURFACE_PIXELS;
}

/* n pixels from (x, y) on as XRGB8888. */
static void convert(const struct virtio_gpu *gpu, const struct gpu_resource *r, u32 x, u32 y,
                    u32 *to, u32 n)
{
    const u8 *p = gpu->memory + r->pixels.at + ((u64)y * r->width + x) * GPU_PIXEL;
    const struct format *f = find(r->format);

    if (!f->b && f->r == 2) { /* what nearly all drivers use */
        for (u32 i = 0; i < n; i++)
            to[i] = le32(p + (u64)i * GPU_PIXEL) & 0xffffff;
        return;
    }
    for (u32 i = 0; i < n; i++, p += GPU_PIXEL)
        to[i] = (u32)p[f->r] << 16 | (u32)p[f->g] << 8 | p[f->b];
}

void gpu_cursor_set(struct virtio_gpu *gpu, const struct gpu_resource *r)
{
    const struct format *f = find(r->format);
    const u8 *p = gpu->memory + r->pixels.at;

    for (u32 y = 0; y < GPU_CURSOR_SIZE; y++)
        convert(gpu, r, 0, y, gpu->cursor.pixels + y * GPU_CURSOR_SIZE, GPU_CURSOR_SIZE);
    for (u32 i = 0; i < ARRAY_SIZE(gpu->cursor.pixels); i++, p += GPU_PIXEL)
        gpu->cursor.pixels[i] |= f->a == NO_ALPHA ? 0xff000000u : (u32)p[f->a] << 24;
}

/* One colour of a pixel under the cursor's. */
static u32 blend(u32 under, u32 over, unsigned shift)
{
    u32 through = 255 - (over >> 24);
    u32 sum = (over >> shift & 0xff) + ((under >> shift & 0xff) * through + 127) / 255;

    return (u32)min_u64(sum, 255) << shift;
}

static void draw_cursor(const struct gpu_cursor *c, u32 y, u32 *line, u32 width)
{
    s64 left = (s32)c->x, row = (s64)y - (s32)c->y;
    const u32 *from;

    if (!c->visible || row < 0 || row >= GPU_CURSOR_SIZE)
        return;
    from = c->pixels + row * GPU_CURSOR_SIZE;
    for (s64 i = 0; i < GPU_CURSOR_SIZE; i++) {
        s64 x = left + i;
        if (x >= 0 && x < width)
            line[x] = blend(line[x], from[i], 16) | blend(line[x], from[i], 8) |
                      blend(line[x], from[i], 0);
    }
}

/* The VGA draws on a surface of its own, which it compares with. */
static int show_vga(struct virtio_gpu *gpu, struct surface *s)
{
    const struct surface *from = &gpu->vga->surface;
    int rc = display_refresh(gpu->vga);

    if (!rc)
        rc = surface_resize(s, from->width, from->height);
    for (u32 y = 0; y < s->height && !rc; y++)
        surface_put(s, 0, y, from->pixels + (size_t)y * from->width, from->width);
    return rc;
}

/* A scanout that was switched off keeps its size. */
static int show_nothing(const struct virtio_gpu *gpu, struct surface *s)
{
    int rc = s->pixels ? 0 : surface_resize(s, gpu->width, gpu->height);

    if (!rc)
        surface_fill(s, 0);
    return rc;
}

static int show_resource(struct virtio_gpu *gpu, const struct gpu_resource *r, struct surface *s)
{
    const struct gpu_rect *part = &gpu->shows;
    int rc = surface_resize(s, part->w, part->h);

    for (u32 y = 0; y < part->h && !rc; y++) {
        convert(gpu, r, part->x, part->y + y, gpu->line, part->w);
        draw_cursor(&gpu->cursor, y, gpu->line, part->w);
        surface_put(s, 0, y, gpu->line, part->w);
    }
    return rc;
}

static int refresh(void *opaque, struct surface *s)
{
    struct virtio_gpu *gpu = opaque;
    const struct gpu_resource *r = gpu_resource_find(gpu, gpu->shown);
    int rc;

    if (!gpu->taken && gpu->vga)
        return show_vga(gpu, s);
    if (!gpu->changed)
        return 0;
    rc = r ? show_resource(gpu, r, s) : show_nothing(gpu, s);
    gpu->changed = rc;
    return rc;
}

static bool text(void *opaque, struct text_screen *t)
{
    struct virtio_gpu *gpu = opaque;

    return !gpu->taken && gpu->vga && display_text(gpu->vga, t);
}

const struct display_ops gpu_display_ops = {.refresh = refresh, .text = text};
