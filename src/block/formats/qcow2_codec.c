/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/formats/qcow2_codec.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#define UNPACKED    4u  /* clusters to keep unpacked */
#define IDLE_MAX    16u /* codecs */
#define WINDOW_BITS 12
#define ZSTD_WINDOW 23 /* 8 MiB: what every decoder is to have */

struct q2_codec {
    struct q2_codec *next;
    u64 entry, epoch; /* of what is in `cluster`; entry 0: nothing of the image */
    u64 wanted;       /* the entry to unpack */
    u8 *cluster, *packed;
    z_stream deflate, inflate; /* `state` NULL: not set up yet */
    ZSTD_CCtx *cctx;
    ZSTD_DCtx *dctx;
};

u8 *q2_codec_cluster(struct q2_codec *c)
{
    return c->cluster;
}

u8 *q2_codec_packed(struct q2_codec *c)
{
    return c->packed;
}

static void codec_free(struct q2_codec *c)
{
    if (c->deflate.state)
        deflateEnd(&c->deflate);
    if (c->inflate.state)
        inflateEnd(&c->inflate);
    ZSTD_freeCCtx(c->cctx);
    ZSTD_freeDCtx(c->dctx);
    free(c->cluster);
    free(c);
}

static struct q2_codec *codec_new(u64 cluster)
{
    struct q2_codec *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    c->cluster = malloc(3 * cluster);
    c->packed = c->cluster + cluster;
    if (c->cluster)
        return c;
    codec_free(c);
    return NULL;
}

void q2_codecs_init(struct q2_codecs *all)
{
    *all = (struct q2_codecs){0};
    pthread_mutex_init(&all->lock, NULL);
}

void q2_codecs_dispose(struct q2_codecs *all)
{
    while (all->idle) {
        struct q2_codec *c = all->idle;
        all->idle = c->next;
        codec_free(c);
    }
    pthread_mutex_destroy(&all->lock);
}

void q2_codecs_forget(struct q2_codecs *all)
{
    pthread_mutex_lock(&all->lock);
    all->epoch++;
    pthread_mutex_unlock(&all->lock);
}

/* Lock held: the one that has the entry, else the one that was used longest ago. */
static struct q2_codec *take(struct q2_codecs *all, u64 entry, bool *unpacked)
{
    struct q2_codec **at = &all->idle, *c;

    *unpacked = false;
    while (*at && !*unpacked) {
        *unpacked = entry && (*at)->entry == entry && (*at)->epoch == all->epoch;
        if (*unpacked || !(*at)->next)
            break;
        at = &(*at)->next;
    }
    c = *at;
    if (!c || (entry && !*unpacked && all->count < UNPACKED))
        return NULL;
    *at = c->next;
    all->count--;
    return c;
}

struct q2_codec *q2_codec_get(struct q2_codecs *all, u64 entry, bool *unpacked)
{
    struct q2_codec *c;
    u64 epoch;

    pthread_mutex_lock(&all->lock);
    c = take(all, entry, unpacked);
    epoch = all->epoch;
    pthread_mutex_unlock(&all->lock);
    if (!c)
        c = codec_new(all->cluster);
    if (c && !*unpacked) {
        c->entry = 0;
        c->wanted = entry;
        c->epoch = epoch;
    }
    return c;
}

void q2_codec_put(struct q2_codecs *all, struct q2_codec *c)
{
    bool keep;

    pthread_mutex_lock(&all->lock);
    keep = all->count < IDLE_MAX;
    if (keep) {
        c->next = all->idle;
        all->idle = c;
        all->count++;
    }
    pthread_mutex_unlock(&all->lock);
    if (!keep)
        codec_free(c);
}

static int deflate_cluster(struct q2_codec *c, const u8 *from, u64 size, u64 *bytes)
{
    z_stream *z = &c->deflate;
    int r = z->state ? deflateReset(z)
                     : deflateInit2(z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -WINDOW_BITS, 9,
                                    Z_DEFAULT_STRATEGY);

    if (r != Z_OK)
        return -ENOMEM;
    z->next_in = (Bytef *)(uintptr_t)from;
    z->avail_in = (uInt)size;
    z->next_out = c->packed;
    z->avail_out = (uInt)size;
    r = deflate(z, Z_FINISH);
    *bytes = size - z->avail_out;
    return r == Z_STREAM_END && *bytes < size ? 0 : -ENOSPC;
}

static int zstd_cluster(struct q2_codec *c, const u8 *from, u64 size, u64 *bytes)
{
    if (!c->cctx)
        c->cctx = ZSTD_createCCtx();
    if (!c->cctx)
        return -ENOMEM;
    *bytes = ZSTD_compressCCtx(c->cctx, c->packed, size, from, size, ZSTD_CLEVEL_DEFAULT);
    return ZSTD_isError(*bytes) || *bytes >= size ? -ENOSPC : 0;
}

int q2_codec_pack(const struct q2_codecs *all, struct q2_codec *c, const u8 *from, u64 *bytes)
{
    return (all->zstd ? zstd_cluster : deflate_cluster)(c, from, all->cluster, bytes);
}

static int inflate_cluster(struct q2_codec *c, u64 bytes, u64 size)
{
    z_stream *z = &c->inflate;
    int r = z->state ? inflateReset(z) : inflateInit2(z, -WINDOW_BITS);

    if (r != Z_OK)
        return -ENOMEM;
    z->next_in = c->packed;
    z->avail_in = (uInt)bytes;
    z->next_out = c->cluster;
    z->avail_out = (uInt)size;
    r = inflate(z, Z_FINISH);
    return (r == Z_STREAM_END || r == Z_BUF_ERROR) && !z->avail_out ? 0 : -EIO;
}

static int unzstd_cluster(struct q2_codec *c, u64 bytes, u64 size)
{
    ZSTD_inBuffer in = {c->packed, bytes, 0};
    ZSTD_outBuffer out = {c->cluster, size, 0};
    size_t r = 1;

    if (!c->dctx)
        c->dctx = ZSTD_createDCtx();
    if (!c->dctx || ZSTD_isError(ZSTD_DCtx_reset(c->dctx, ZSTD_reset_session_only)) ||
        ZSTD_isError(ZSTD_DCtx_setParameter(c->dctx, ZSTD_d_windowLogMax, ZSTD_WINDOW)))
        return -ENOMEM;
    while (out.pos < out.size) {
        size_t in_was = in.pos, out_was = out.pos;
        r = ZSTD_decompressStream(c->dctx, &out, &in);
        if (ZSTD_isError(r) || (in.pos == in_was && out.pos == out_was))
            break;
    }
    return out.pos == out.size && !ZSTD_isError(r) ? 0 : -EIO;
}

int q2_codec_unpack(const struct q2_codecs *all, struct q2_codec *c, u64 bytes)
{
    int rc = (all->zstd ? unzstd_cluster : inflate_cluster)(c, bytes, all->cluster);

    if (!rc)
        c->entry = c->wanted;
    return rc;
}
