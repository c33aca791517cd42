/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/png.h"
#include "../test.h"

#include <png.h>
#include <unistd.h>

static void written_picture_reads_back(void)
{
    static const u32 row[3] = {0xff0000, 0x00ff00, 0x102030};
    struct surface s = {.serial = 1};
    png_image image = {.version = PNG_IMAGE_VERSION};
    char path[] = "/tmp/domus-png-XXXXXX";
    struct err err;
    u8 rgb[3 * 2 * 3];

    close(mkstemp(path));
    CHECK(!surface_resize(&s, 3, 2));
    surface_put(&s, 0, 1, row, 3);
    CHECK(!png_write(path, &s, &err));
    CHECK(png_image_begin_read_from_file(&image, path));
    CHECK(image.width == 3 && image.height == 2);
    image.format = PNG_FORMAT_RGB;
    CHECK(png_image_finish_read(&image, NULL, rgb, 0, NULL));
    CHECK(!memcmp(rgb + 9, "\xff\0\0\0\xff\0\x10\x20\x30", 9));
    unlink(path);
    surface_dispose(&s);
}

static void failure_names_the_file(void)
{
    struct surface s = {.serial = 1};
    struct err err;

    CHECK(png_write("/tmp/none.png", &s, &err) < 0);
    CHECK(!surface_resize(&s, 8, 8));
    CHECK(png_write("/nowhere/x.png", &s, &err) < 0);
    CHECK(strstr(err.text, "/nowhere/x.png"));
    CHECK(png_write("/dev/full/x", &s, &err) < 0);
    surface_dispose(&s);
}

int main(void)
{
    TEST_RUN(written_picture_reads_back);
    TEST_RUN(failure_names_the_file);
    return test_result();
}
