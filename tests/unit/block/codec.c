/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "../test.h"
#include "block/formats/qcow2_codec.h"

#include <errno.h>
#include <string.h>

#define CLUSTER 4096u

static struct q2_codecs all;

static void start(bool zstd)
{
    q2_codecs_init(&all);
    all.cluster = CLUSTER;
    all.zstd = zstd;
}

static struct q2_codec *get(u64 entry, bool unpacked)
{
    bool is;
    struct q2_codec *c = q2_codec_get(&all, entry, &is);

    CHECK(c != NULL);
    CHECK_EQ(is, unpacked);
    return c;
}

static u64 pack(struct q2_codec *c, u8 fill)
{
    u8 data[CLUSTER];
    u64 bytes = 0;

    memset(data, fill, sizeof(data));
    CHECK_EQ(q2_codec_pack(&all, c, data, &bytes), 0);
    CHECK(bytes > 0 && bytes < CLUSTER / 8);
    return bytes;
}

static void there_and_back(bool zstd)
{
    u32 noise[CLUSTER / 4], x = 1;
    u64 bytes;
    struct q2_codec *c;

    start(zstd);
    c = get(0, false);
    for (unsigned turn = 1; turn < 4; turn++) { /* a codec is used again */
        bytes = pack(c, (u8)turn);
        memset(q2_codec_packed(c) + bytes, 0xee, 512); /* other data follows */
        CHECK_EQ(q2_codec_unpack(&all, c, bytes + 512), 0);
        CHECK_EQ(q2_codec_cluster(c)[0], turn);
        CHECK_EQ(q2_codec_cluster(c)[CLUSTER - 1], turn);
        CHECK_EQ(q2_codec_unpack(&all, c, bytes / 2), -EIO);
        memset(q2_codec_packed(c), 0xff, bytes);
        CHECK_EQ(q2_codec_unpack(&all, c, bytes), -EIO);
        for (unsigned i = 0; i < ARRAY_SIZE(noise); i++)
            noise[i] = x = x * 1664525 + 1013904223;
        CHECK_EQ(q2_codec_pack(&all, c, (u8 *)noise, &bytes), -ENOSPC);
    }
    q2_codec_put(&all, c);
    q2_codecs_dispose(&all);
}

static void zlib_there_and_back(void)
{
    there_and_back(false);
}

static void zstd_there_and_back(void)
{
    there_and_back(true);
}

static void unpack(u64 entry)
{
    struct q2_codec *c = get(entry, false);
    u64 bytes = pack(c, (u8)entry);

    CHECK_EQ(q2_codec_unpack(&all, c, bytes), 0);
    q2_codec_put(&all, c);
}

static void is_kept(u64 entry, bool kept)
{
    struct q2_codec *c = get(entry, kept);

    if (kept)
        CHECK_EQ(q2_codec_cluster(c)[7], (u8)entry);
    q2_codec_put(&all, c);
}

static void clusters_are_kept(void)
{
    struct q2_codec *c;

    start(false);
    for (u64 entry = 1; entry <= 4; entry++)
        unpack(entry);
    for (u64 entry = 1; entry <= 4; entry++)
        is_kept(entry, true);
    unpack(5); /* in place of 1 */
    is_kept(2, true);
    is_kept(5, true);
    is_kept(1, false);
    q2_codecs_dispose(&all);

    start(true);
    unpack(1);
    c = get(1, true); /* in use when it becomes stale */
    unpack(2);
    q2_codecs_forget(&all);
    q2_codec_put(&all, c);
    is_kept(1, false);
    is_kept(2, false);
    q2_codecs_dispose(&all);
}

static void what_failed_is_not_kept(void)
{
    struct q2_codec *c;

    start(false);
    unpack(1);
    for (u64 entry = 2; entry < 7; entry++) {
        c = get(entry, false);
        memset(q2_codec_packed(c), 0xff, 64);
        CHECK_EQ(q2_codec_unpack(&all, c, 64), -EIO);
        q2_codec_put(&all, c);
        c = get(entry, false); /* could not even be read */
        q2_codec_put(&all, c);
        is_kept(entry, false);
    }
    q2_codecs_dispose(&all);
}

int main(void)
{
    TEST_RUN(zlib_there_and_back);
    TEST_RUN(zstd_there_and_back);
    TEST_RUN(clusters_are_kept);
    TEST_RUN(what_failed_is_not_kept);
    return test_result();
}
