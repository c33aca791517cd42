/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packing and unpacking of one cluster: raw deflate streams with a window of 4 KiB, or zstd frames.
 * A codec is what a thread needs for it; an image keeps those that are idle, with the clusters
 * they have unpacked, since guests read in smaller pieces. Any thread.
 */
#pragma once
#include "base/base.h"

#include <pthread.h>

struct q2_codec;

struct q2_codecs {
    pthread_mutex_t lock;
    u64 cluster; /* bytes; it and `zstd` are set before the first is got */
    bool zstd;
    struct q2_codec *idle; /* used last first; lock */
    unsigned count;        /* idle ones; lock */
    u64 epoch;             /* what was unpacked in an earlier one is stale; lock */
};

void q2_codecs_init(struct q2_codecs *all);
void q2_codecs_dispose(struct q2_codecs *all);
/* What is unpacked now may be written over. */
void q2_codecs_forget(struct q2_codecs *all);

/* To read the compressed cluster of an entry: *unpacked says whether it is that already. For
   packing, entry 0. NULL: no memory. Ends with q2_codec_put. */
struct q2_codec *q2_codec_get(struct q2_codecs *all, u64 entry, bool *unpacked);
void q2_codec_put(struct q2_codecs *all, struct q2_codec *c);

u8 *q2_codec_cluster(struct q2_codec *c); /* a cluster's room, where unpacked bytes are */
u8 *q2_codec_packed(struct q2_codec *c);  /* two clusters' room */
/* The cluster at `from` to `packed`. -ENOSPC: it does not get smaller. */
must_check int q2_codec_pack(const struct q2_codecs *all, struct q2_codec *c, const u8 *from,
                             u64 *bytes);
/* `bytes` at `packed`, which others' may follow, to `cluster`. -EIO: they are damaged. */
must_check int q2_codec_unpack(const struct q2_codecs *all, struct q2_codec *c, u64 bytes);
