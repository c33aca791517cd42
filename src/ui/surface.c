/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/surface.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void surface_dispose(struct surface *s)
{
    free(s->pixels);
    free(s->tile);
    *s = (struct surface){.serial = s->serial};
}

static void change_all(struct surface *s)
{
    for (u32 i = 0; i < s->tiles_x * s->tiles_y; i++)
        s->tile[i] = s->serial;
}

int surface_resize(struct surface *s, u32 width, u32 height)
{
    if (s->pixels && s->width == width && s->height == height)
        return 0;
    surface_dispose(s);
    if (!width || !height || width > SURFACE_MAX || height > SURFACE_MAX ||
        (u64)width * height > SURFACE_PIXELS)
        return -EINVAL;
    s->tiles_x = (width + SURFACE_TILE_W - 1) / SURFACE_TILE_W;
    s->tiles_y = (height + SURFACE_TILE_H - 1) / SURFACE_TILE_H;
    s->pixels = calloc((size_t)width * height, sizeof(*s->pixels));
    s->tile = calloc((size_t)s->tiles_x * s->tiles_y, sizeof(*s->tile));
    if (!s->pixels || !s->tile) {
        surface_dispose(s);
        return -ENOMEM;
    }
    s->width = width;
    s->height = height;
    change_all(s);
    return 0;
}

void surface_put(struct surface *s, u32 x, u32 y, const u32 *pixels, u32 n)
{
    u64 *tile = s->tile + (size_t)(y / SURFACE_TILE_H) * s->tiles_x;
    u32 *row = s->pixels + (size_t)y * s->width;

    BUG_ON(y >= s->height || x > s->width || n > s->width - x);
    while (n) {
        u32 piece = SURFACE_TILE_W - x % SURFACE_TILE_W;
        if (piece > n)
            piece = n;
        if (memcmp(row + x, pixels, piece * sizeof(*row))) {
            memcpy(row + x, pixels, piece * sizeof(*row));
            tile[x / SURFACE_TILE_W] = s->serial;
        }
        x += piece;
        pixels += piece;
        n -= piece;
    }
}

void surface_fill(struct surface *s, u32 colour)
{
    u32 line[SURFACE_TILE_W];

    for (u32 i = 0; i < SURFACE_TILE_W; i++)
        line[i] = colour;
    for (u32 y = 0; y < s->height; y++)
        for (u32 x = 0; x < s->width; x += SURFACE_TILE_W)
            surface_put(s, x, y, line, (u32)min_u64(SURFACE_TILE_W, s->width - x));
}

/* A run of changed tiles of one row of tiles. */
bool surface_next_changed(const struct surface *s, u64 since, u32 *at, struct surface_rect *out)
{
    u32 total = s->tiles_x * s->tiles_y, from = *at, to;

    while (from < total && s->tile[from] <= since)
        from++;
    if (from == total) {
        *at = total;
        return false;
    }
    for (to = from + 1; to % s->tiles_x && s->tile[to] > since;)
        to++;
    out->x = from % s->tiles_x * SURFACE_TILE_W;
    out->y = from / s->tiles_x * SURFACE_TILE_H;
    out->w = (u32)min_u64((to - from) * SURFACE_TILE_W, s->width - out->x);
    out->h = (u32)min_u64(SURFACE_TILE_H, s->height - out->y);
    *at = to;
    return true;
}

int display_refresh(struct display *d)
{
    d->surface.serial++;
    return d->ops->refresh(d->opaque, &d->surface);
}

bool display_text(struct display *d, struct text_screen *t)
{
    return d->ops->text && d->ops->text(d->opaque, t);
}
