/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Knoppix' compressed loop images, version 2.0, to be read: blocks packed by zlib and a table of
 * where they are, one more than there are blocks. Source: cloop-utils. Big-endian.
 */
#include "base/be.h"
#include "block/file.h"
#include "block/formats/bat.h"
#include "block/formats/formats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define HEADER    136u
#define SCRIPT    "#!/bin/sh\n#V2.0 Format\n"
#define BLOCK_MAX (64 * MiB)
#define READ_SIZE (64 * KiB)

struct cloop {
    struct bat bat;
    u32 *packed; /* bytes of each block in the file */
};

static struct cloop *of(struct bat *t)
{
    return container_of(t, struct cloop, bat);
}

static int read_packed(struct bat *t, u64 i, u64 host, u8 *buf)
{
    u64 bytes = of(t)->packed[i];
    u8 *from = malloc(bytes + 1);
    uLongf got = t->block;
    int rc = from ? bfile_read(t->file, host, from, bytes) : -ENOMEM, r = Z_OK;

    if (!rc)
        r = uncompress(buf, &got, from, bytes);
    if (!rc && r == Z_MEM_ERROR)
        rc = -ENOMEM;
    else if (!rc && (r != Z_OK || got != t->block))
        rc = node_fault(&t->node, "block %llu at %#llx cannot be decompressed",
                        (unsigned long long)i, (unsigned long long)host);
    free(from);
    return rc;
}

static void dispose(struct bat *t)
{
    free(of(t)->packed);
    free(of(t));
}

static const struct bat_ops ops = {.read_packed = read_packed, .dispose = dispose};

static int check_header(struct bfile *f, const u8 *h, struct err *err)
{
    u64 block = be32(h + 128), blocks = be32(h + 132);

    if (memcmp(h, SCRIPT, sizeof(SCRIPT) - 1))
        return bat_refuse(f, "cloop", err, "no signature of version 2.0", be32(h));
    if (!block || block % 512 || block > BLOCK_MAX)
        return bat_refuse(f, "cloop", err, "the size of blocks is not possible", block);
    if (!blocks || blocks > BAT_ENTRIES)
        return bat_refuse(f, "cloop", err, "the number of blocks is not possible", blocks);
    return 0;
}

/* The block's place and, from where the next one is, its length. */
static int take_entry(struct cloop *c, u64 i, u64 at, u64 next, struct err *err)
{
    struct bat *t = &c->bat;

    if (next < at || next > bfile_size(t->file) || next - at > compressBound(t->block) + 1024)
        return err_set(err, EINVAL, "'%s': cloop: block %llu from %#llx to %#llx is not possible",
                       bfile_path(t->file), (unsigned long long)i, (unsigned long long)at,
                       (unsigned long long)next);
    c->packed[i] = (u32)(next - at);
    t->host[i] = at | BAT_PACKED;
    return bat_check_host(t, i, at, HEADER + 8 * (t->blocks + 1), err);
}

static int read_table(struct cloop *c, struct err *err)
{
    struct bat *t = &c->bat;
    u8 *buf = malloc(READ_SIZE);
    u64 last = 0, entries = t->blocks + 1;
    int rc = 0;

    c->packed = calloc(t->blocks + 1, sizeof(*c->packed));
    if (!buf || !c->packed)
        rc = err_set(err, ENOMEM, "%s", strerror(ENOMEM));
    for (u64 i = 0; i < entries && !rc; i++) {
        u64 at = 8 * i % READ_SIZE, host;
        if (!at &&
            bfile_read_whole(t->file, HEADER + 8 * i, buf, min_u64(READ_SIZE, 8 * (entries - i))))
            rc = bat_refuse(t->file, "cloop", err, "the table is not all in the file", entries);
        host = be64(buf + at);
        if (!rc && i)
            rc = take_entry(c, i - 1, last, host, err);
        last = host;
    }
    free(buf);
    return rc;
}

static int cloop_open(struct block_node **out, struct bfile *f, unsigned flags, struct err *err)
{
    struct cloop *c = calloc(1, sizeof(*c));
    u8 h[HEADER];
    int rc = bat_read_header(f, c, h, sizeof(h), err);

    if (!rc)
        rc = bat_only_read(f, "cloop", flags, err);
    if (!rc)
        rc = check_header(f, h, err);
    if (rc)
        return bat_give_up(f, c, rc);
    rc = bat_init(&c->bat, &ops, f, flags, be32(h + 128) * (u64)be32(h + 132), be32(h + 128), err);
    if (rc)
        return rc;
    return bat_opened(&c->bat, read_table(c, err), flags, out, err);
}

static bool cloop_probe(const u8 *head, const char *path)
{
    return !memcmp(head, SCRIPT, sizeof(SCRIPT) - 1);
}

const struct block_format format_cloop = {
    .name = "cloop", .probe = cloop_probe, .open = cloop_open};
