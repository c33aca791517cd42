/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/ppm.h"

#include "ui/newfile.h"

static int encode(FILE *f, const struct surface *s)
{
    fprintf(f, "P6\n%u %u\n255\n", s->width, s->height);
    for (size_t n = 0; n < (size_t)s->width * s->height; n++) {
        u8 rgb[3] = {(u8)(s->pixels[n] >> 16), (u8)(s->pixels[n] >> 8), (u8)s->pixels[n]};
        if (fwrite(rgb, sizeof(rgb), 1, f) != 1)
            return -EIO;
    }
    return fflush(f) ? -errno : 0;
}

int ppm_write(const char *path, const struct surface *s, struct err *err)
{
    return picture_write(path, s, encode, err);
}
