/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Screenshots by libpng: 8-bit RGB, written beside the file and renamed. A caller that must not
 * hold the machine copies the surface first: this waits for the disk.
 */
#include "ui/png.h"

#include "ui/newfile.h"

#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct writer {
    png_structp png;
    png_infop info;
    u8 *line;
};

static void quiet(png_structp png, png_const_charp text)
{
}

static _Noreturn void failed(png_structp png, png_const_charp text)
{
    longjmp(*(jmp_buf *)png_get_error_ptr(png), 1);
}

static void put_line(struct writer *w, const u32 *from, u32 n)
{
    for (u32 x = 0; x < n; x++) {
        w->line[3 * x] = (u8)(from[x] >> 16);
        w->line[3 * x + 1] = (u8)(from[x] >> 8);
        w->line[3 * x + 2] = (u8)from[x];
    }
    png_write_row(w->png, w->line);
}

static int encode(struct writer *w, FILE *f, const struct surface *s)
{
    jmp_buf away;

    w->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &away, failed, quiet);
    w->info = w->png ? png_create_info_struct(w->png) : NULL;
    w->line = malloc((size_t)s->width * 3);
    if (!w->info || !w->line)
        return -ENOMEM;
    errno = 0;
    if (setjmp(away))
        return errno ? -errno : -EIO;
    png_init_io(w->png, f);
    png_set_IHDR(w->png, w->info, s->width, s->height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(w->png, w->info);
    for (u32 y = 0; y < s->height; y++)
        put_line(w, s->pixels + (size_t)y * s->width, s->width);
    png_write_end(w->png, w->info);
    return fflush(f) ? -errno : 0;
}

static int write_to(FILE *f, const struct surface *s)
{
    struct writer w = {0};
    int rc = encode(&w, f, s);

    if (w.png)
        png_destroy_write_struct(&w.png, &w.info);
    free(w.line);
    return rc;
}

int png_write(const char *path, const struct surface *s, struct err *err)
{
    return picture_write(path, s, write_to, err);
}
