/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Apple's disk images (UDIF), to be read: chunks of zeros, as they are, or packed by zlib, bzip2 or
 * LZMA. Source: J. Metz, "Mac OS disk image types" (libmodi). Left out: ADC and LZFSE, encrypted
 * and segmented images, checksums. The mark is at the file's end: known by a name in .dmg.
 */
#include "block/formats/dmg.h"
#include "block/file.h"
#include "block/formats/bat.h"
#include "block/formats/formats.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct dmg {
    struct block_node node;
    struct bfile *file;
    struct dmg_table table;
    pthread_mutex_t lock;
    /* The chunk that was unpacked last, or NULL; lock. */
    const struct dmg_chunk *unpacked;
    u8 *data, *packed; /* room for any chunk */
};

static struct dmg *of(struct block_node *n)
{
    return container_of(n, struct dmg, node);
}

/* Lock held. */
static int unpack(struct dmg *d, const struct dmg_chunk *c)
{
    int rc;

    if (d->unpacked == c)
        return 0;
    d->unpacked = NULL;
    rc = bfile_read(d->file, c->at, d->packed, c->packed);
    if (rc)
        return rc;
    if (c->type == DMG_ZLIB)
        rc = dmg_unpack_zlib(d->packed, c->packed, d->data, c->len);
    else if (c->type == DMG_BZIP2)
        rc = dmg_unpack_bzip2(d->packed, c->packed, d->data, c->len);
    else
        rc = dmg_unpack_lzma(d->packed, c->packed, d->data, c->len);
    if (rc == -EINVAL)
        rc = node_fault(&d->node, "the chunk at %#llx of the file cannot be decompressed",
                        (unsigned long long)c->at);
    d->unpacked = rc ? NULL : c;
    return rc;
}

/* The last chunk that starts at `off` or before; NULL: none does. */
static const struct dmg_chunk *find(const struct dmg *d, u64 off)
{
    u64 from = 0, to = d->table.n;

    while (from < to) {
        u64 mid = from + (to - from) / 2;
        if (d->table.chunk[mid].start <= off)
            from = mid + 1;
        else
            to = mid;
    }
    return from ? &d->table.chunk[from - 1] : NULL;
}

/* What is at `off`, and for how many bytes; NULL: zeros. */
static const struct dmg_chunk *run_at(const struct dmg *d, u64 off, u64 *len)
{
    const struct dmg_chunk *c = find(d, off), *next = c ? c + 1 : d->table.chunk;

    if (c && off < c->start + c->len) {
        *len = min_u64(*len, c->start + c->len - off);
        return c->type == DMG_ZERO || c->type == DMG_IGNORE ? NULL : c;
    }
    if (next < d->table.chunk + d->table.n)
        *len = min_u64(*len, next->start - off);
    return NULL;
}

static int read_run(struct dmg *d, const struct dmg_chunk *c, u64 skip, u8 *buf, u64 len)
{
    int rc;

    if (c->type == DMG_RAW)
        return bfile_read(d->file, c->at + skip, buf, len);
    pthread_mutex_lock(&d->lock);
    rc = unpack(d, c);
    if (!rc)
        memcpy(buf, d->data + skip, len);
    pthread_mutex_unlock(&d->lock);
    return rc;
}

static int dmg_read(struct block_node *n, u64 off, u8 *buf, u64 len)
{
    int rc = 0;

    while (len && !rc) {
        u64 run = len;
        const struct dmg_chunk *c = run_at(of(n), off, &run);
        if (c)
            rc = read_run(of(n), c, off - c->start, buf, run);
        else
            memset(buf, 0, run);
        off += run;
        buf += run;
        len -= run;
    }
    return rc;
}

static int dmg_flush(struct block_node *n)
{
    return 0;
}

static int dmg_status(struct block_node *n, u64 off, u64 len, struct block_extent *out)
{
    const struct dmg_chunk *c = run_at(of(n), off, &len);

    out->len = len;
    out->flags = EXTENT_ALLOCATED | EXTENT_ZERO;
    if (c && c->type == DMG_RAW) {
        out->flags = EXTENT_ALLOCATED | EXTENT_DATA | EXTENT_OFFSET;
        out->host = c->at + (off - c->start);
    } else if (c) {
        out->flags = EXTENT_ALLOCATED | EXTENT_DATA | EXTENT_COMPRESSED;
    }
    return 0;
}

static void dmg_close(struct block_node *n)
{
    struct dmg *d = of(n);

    bfile_close(d->file);
    pthread_mutex_destroy(&d->lock);
    free(d->table.chunk);
    free(d->data);
    free(d->packed);
    free(d);
}

static const struct block_driver driver = {
    .name = "dmg", .read = dmg_read, .flush = dmg_flush, .close = dmg_close, .status = dmg_status};

/* Room for the largest chunk; the disk's size. */
static int measure(struct dmg *d, struct err *err)
{
    const struct dmg_chunk *last = &d->table.chunk[d->table.n - 1];
    u64 data = 1, packed = 1;

    for (u64 i = 0; i < d->table.n; i++) {
        const struct dmg_chunk *c = &d->table.chunk[i];
        if (c->type == DMG_ZLIB || c->type == DMG_BZIP2 || c->type == DMG_LZMA) {
            data = max_u64(data, c->len);
            packed = max_u64(packed, c->packed);
        }
    }
    d->node.size = last->start + last->len;
    d->data = malloc(data);
    d->packed = malloc(packed);
    return d->data && d->packed ? 0 : err_set(err, ENOMEM, "%s", strerror(ENOMEM));
}

static int dmg_open(struct block_node **out, struct bfile *f, unsigned flags, struct err *err)
{
    struct dmg *d = calloc(1, sizeof(*d));
    int rc;

    if (!d) {
        bfile_close(f);
        return err_set(err, ENOMEM, "%s", strerror(ENOMEM));
    }
    pthread_mutex_init(&d->lock, NULL);
    d->file = d->node.file = f;
    d->node.ops = &driver;
    d->node.read_only = true;
    rc = bat_only_read(f, "dmg", flags, err);
    if (!rc)
        rc = dmg_read_table(f, &d->table, err);
    if (!rc)
        rc = measure(d, err);
    if (rc) {
        dmg_close(&d->node);
        return rc;
    }
    *out = &d->node;
    return 0;
}

static bool probe(const u8 *head, const char *path)
{
    size_t len = strlen(path);

    return len > 4 && !strcasecmp(path + len - 4, ".dmg");
}

const struct block_format format_dmg = {.name = "dmg", .probe = probe, .open = dmg_open};
