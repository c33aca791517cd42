/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compressed clusters: raw deflate streams with a window of 4 KiB, or zstd frames. The cluster
 * inflated last is kept, since guests read in smaller pieces.
 */
#include "block/file.h"
#include "block/formats/qcow2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

static int inflate_zlib(const u8 *from, u64 bytes, u8 *to, u64 size)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)from,
                  .avail_in = (uInt)bytes,
                  .next_out = to,
                  .avail_out = (uInt)size};
    int r;

    if (inflateInit2(&z, -12) != Z_OK)
        return -ENOMEM;
    r = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    /* The stream may be followed by what belongs to others. */
    return (r == Z_STREAM_END || r == Z_BUF_ERROR) && !z.avail_out ? 0 : -EIO;
}

static int inflate_zstd(const u8 *from, u64 bytes, u8 *to, u64 size)
{
    ZSTD_DCtx *z = ZSTD_createDCtx();
    ZSTD_inBuffer in = {from, bytes, 0};
    ZSTD_outBuffer out = {to, size, 0};
    size_t r = 1;

    if (!z)
        return -ENOMEM;
    while (out.pos < out.size) {
        size_t in_was = in.pos, out_was = out.pos;
        r = ZSTD_decompressStream(z, &out, &in);
        if (ZSTD_isError(r) || (in.pos == in_was && out.pos == out_was))
            break;
    }
    ZSTD_freeDCtx(z);
    return out.pos == out.size && !ZSTD_isError(r) ? 0 : -EIO;
}

/* inflate_lock held. */
static int inflate_cluster(struct qcow2 *q, u64 entry)
{
    u64 off, bytes;
    u8 *from;
    int rc;

    q2_compressed_range(q, entry, &off, &bytes);
    if (!q->inflated)
        q->inflated = malloc(q->cluster);
    from = malloc(bytes);
    rc = q->inflated && from ? 0 : -ENOMEM;
    q->inflated_at = 0;
    if (!rc)
        rc = bfile_read(q->file, off, from, bytes);
    if (!rc) {
        rc = q->compression ? inflate_zstd(from, bytes, q->inflated, q->cluster)
                            : inflate_zlib(from, bytes, q->inflated, q->cluster);
        if (rc == -EIO)
            node_fault(&q->node, "compressed data at %#llx cannot be decompressed",
                       (unsigned long long)off);
    }
    if (!rc)
        q->inflated_at = entry;
    free(from);
    return rc;
}

int q2_read_compressed(struct qcow2 *q, u64 entry, u64 skip, u8 *buf, u64 len)
{
    int rc = 0;

    pthread_mutex_lock(&q->inflate_lock);
    if (q->inflated_at != entry)
        rc = inflate_cluster(q, entry);
    if (!rc)
        memcpy(buf, q->inflated + skip, len);
    pthread_mutex_unlock(&q->inflate_lock);
    return rc;
}

static int deflate_zlib(const u8 *from, u8 *to, u64 size, u64 *bytes)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)from,
                  .avail_in = (uInt)size,
                  .next_out = to,
                  .avail_out = (uInt)size};
    int r;

    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -12, 9, Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    r = deflate(&z, Z_FINISH);
    *bytes = size - z.avail_out;
    deflateEnd(&z);
    return r == Z_STREAM_END && *bytes < size ? 0 : -ENOSPC;
}

static int deflate_zstd(const u8 *from, u8 *to, u64 size, u64 *bytes)
{
    size_t r = ZSTD_compress(to, size, from, size, ZSTD_CLEVEL_DEFAULT);

    *bytes = r;
    return ZSTD_isError(r) || r >= size ? -ENOSPC : 0;
}

static u64 make_entry(const struct qcow2 *q, u64 off, u64 bytes)
{
    u64 more = ((off + bytes - 1) >> 9) - (off >> 9);

    return Q2_COMPRESSED | more << (62 - (q->cluster_bits - 8)) | off;
}

static int link_packed(struct qcow2 *q, u64 guest, u64 off, u64 bytes)
{
    u64 index = q2_l2_index(q, guest), old;
    struct q2_table *t;
    int rc = q2_l2_own(q, guest, &t);

    if (rc)
        return rc;
    old = q2_entry(q, t, index);
    q2_set_entry(q, t, index, make_entry(q, off, bytes), 0);
    return q2_free_entry_later(q, old);
}

static int store(struct qcow2 *q, u64 guest, const u8 *packed, u64 bytes)
{
    struct q2_alloc a;
    u64 off;
    int rc;

    pthread_mutex_lock(&q->meta);
    q2_wait_allocs(q, guest >> q->cluster_bits, 1);
    rc = q2_alloc_bytes(q, bytes, &off);
    if (!rc && off + bytes >= BIT64(62 - (q->cluster_bits - 8)))
        rc = -EFBIG;
    if (!rc) {
        q2_bitmaps_mark(q, guest, min_u64(q->cluster, q->node.size - guest));
        q2_alloc_begin(q, &a, guest >> q->cluster_bits, 1);
        pthread_mutex_unlock(&q->meta);
        rc = bfile_write(q->file, off, packed, bytes);
        q->unsynced = true;
        pthread_mutex_lock(&q->meta);
        if (!rc)
            rc = link_packed(q, guest, off, bytes);
        q2_alloc_end(q, &a);
    }
    pthread_mutex_unlock(&q->meta);
    return rc;
}

int q2_write_compressed(struct block_node *n, u64 off, const u8 *buf, u64 len)
{
    struct qcow2 *q = q2_of(n);
    u8 *packed, *whole;
    u64 bytes = 0;
    int rc;

    if (q->data != q->file || (off & (q->cluster - 1)) || len > q->cluster)
        return -ENOTSUP;
    rc = q2_begin(q);
    if (rc)
        return rc;
    whole = calloc(2, q->cluster);
    if (!whole)
        return -ENOMEM;
    packed = whole + q->cluster;
    memcpy(whole, buf, len);
    rc = q->compression ? deflate_zstd(whole, packed, q->cluster, &bytes)
                        : deflate_zlib(whole, packed, q->cluster, &bytes);
    if (!rc) {
        pthread_rwlock_rdlock(&q->io);
        rc = store(q, off, packed, bytes);
        pthread_rwlock_unlock(&q->io);
    }
    free(whole);
    return rc;
}
