/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Debian's zlib. An operation is 128 KiB of text. */
#include "text.h"
#include "work.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#define SIZE (128 * 1024)

static struct {
    Bytef plain[SIZE], packed[SIZE], back[SIZE];
    uLongf packed_size;
} z;

static void check(int status, const char *what)
{
    if (status == Z_OK)
        return;
    fprintf(stderr, "zlib: %s: %d\n", what, status);
    exit(1);
}

static void run_deflate(void)
{
    z.packed_size = SIZE;
    check(compress2(z.packed, &z.packed_size, z.plain, SIZE, 6), "compress2");
}

static void run_inflate(void)
{
    uLongf size = SIZE;
    check(uncompress(z.back, &size, z.packed, z.packed_size), "uncompress");
}

static void run_adler32(void)
{
    uLong sum = adler32(1, z.plain, SIZE);
    work_used(&sum);
}

static void prepare(void)
{
    text_fill((char *)z.plain, SIZE, 1);
    run_deflate();
}

static void compare(void)
{
    if (memcmp(z.plain, z.back, SIZE) != 0)
        check(Z_DATA_ERROR, "what came back differs");
}

int main(void)
{
    static const struct work works[] = {
        {"deflate", run_deflate, 1, prepare, NULL},
        {"inflate", run_inflate, 1, prepare, compare},
        {"adler32", run_adler32, 1, prepare, NULL},
    };
    work_measure(works, COUNT_OF(works));
    return 0;
}
