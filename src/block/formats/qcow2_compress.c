/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compressed clusters: where they lie in the file, and how they get there. qcow2_codec.h packs. */
#include "block/file.h"
#include "block/formats/qcow2.h"

#include <errno.h>
#include <string.h>

static int unpack(struct qcow2 *q, struct q2_codec *c, u64 entry)
{
    u64 off, bytes;
    int rc;

    q2_compressed_range(q, entry, &off, &bytes);
    rc = bfile_read(q->file, off, q2_codec_packed(c), bytes);
    if (rc)
        return rc;
    rc = q2_codec_unpack(&q->codecs, c, bytes);
    if (rc == -EIO)
        node_fault(&q->node, "compressed data at %#llx cannot be decompressed",
                   (unsigned long long)off);
    return rc;
}

int q2_read_compressed(struct qcow2 *q, u64 entry, u64 skip, u8 *buf, u64 len)
{
    bool unpacked;
    struct q2_codec *c = q2_codec_get(&q->codecs, entry, &unpacked);
    int rc = !c ? -ENOMEM : unpacked ? 0 : unpack(q, c, entry);

    if (!rc)
        memcpy(buf, q2_codec_cluster(c) + skip, len);
    if (c)
        q2_codec_put(&q->codecs, c);
    return rc;
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
        q2_codecs_forget(&q->codecs);
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
    struct q2_codec *c;
    const u8 *from = buf;
    bool unpacked;
    u64 bytes = 0;
    int rc;

    if (n->encrypted || q->data != q->file || (off & (q->cluster - 1)) || len > q->cluster)
        return -ENOTSUP;
    rc = q2_begin(q);
    if (rc)
        return rc;
    c = q2_codec_get(&q->codecs, 0, &unpacked);
    if (!c)
        return -ENOMEM;
    if (len < q->cluster) {
        from = memcpy(q2_codec_cluster(c), buf, len);
        memset(q2_codec_cluster(c) + len, 0, q->cluster - len);
    }
    rc = q2_codec_pack(&q->codecs, c, from, &bytes);
    if (!rc) {
        pthread_rwlock_rdlock(&q->io);
        rc = store(q, off, q2_codec_packed(c), bytes);
        pthread_rwlock_unlock(&q->io);
    }
    q2_codec_put(&q->codecs, c);
    return rc;
}
