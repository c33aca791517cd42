/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/wav.h"
#include "../test.h"
#include "base/le.h"

#include <errno.h>
#include <unistd.h>

static char path[] = "/tmp/domus-wav-XXXXXX";

static size_t read_back(u8 *buf, size_t max)
{
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(buf, 1, max, f) : 0;

    if (f)
        fclose(f);
    return n;
}

static void writes_a_file(void)
{
    static const s16 samples[] = {1, -1, 2, -2, 3, -3};
    struct wav *wav = NULL;
    struct sound_out out;
    struct err err;
    u8 buf[128];

    CHECK_EQ(wav_open(&wav, path, 48000, &err), 0);
    out = wav_sound(wav);
    out.play(out.opaque, 48000, samples, 3);
    CHECK_EQ(wav_close(wav), 0);
    CHECK_EQ(read_back(buf, sizeof(buf)), 44 + 12);
    CHECK(!memcmp(buf, "RIFF", 4));
    CHECK_EQ(le32(buf + 4), 36 + 12);
    CHECK_EQ(le32(buf + 24), 48000);
    CHECK_EQ(le32(buf + 28), 192000);
    CHECK_EQ(le32(buf + 40), 12);
    CHECK(!memcmp(buf + 44, samples, 12));
}

static void resamples(void)
{
    static const s16 samples[] = {0, 0, 100, -100, 200, -200, 300, -300};
    struct wav *wav = NULL;
    struct sound_out out;
    struct err err;
    u8 buf[128];

    CHECK_EQ(wav_open(&wav, path, 48000, &err), 0);
    out = wav_sound(wav);
    out.play(out.opaque, 24000, samples, 4);
    CHECK_EQ(wav_close(wav), 0);
    CHECK_EQ(read_back(buf, sizeof(buf)), 44 + 8 * 4);
    CHECK_EQ((s16)le16(buf + 44 + 3 * 4), 50);
    CHECK_EQ((s16)le16(buf + 44 + 7 * 4 + 2), (s16)-250);
    CHECK_EQ(wav_open(&wav, path, 8000, &err), 0);
    out = wav_sound(wav);
    out.play(out.opaque, 16000, samples, 4);
    CHECK_EQ(wav_close(wav), 0);
    CHECK_EQ(read_back(buf, sizeof(buf)), 44 + 2 * 4);
}

static void tells_of_errors(void)
{
    static const s16 samples[2] = {0};
    struct wav *wav = NULL;
    struct err err;

    CHECK_EQ(wav_open(&wav, "/nonexistent/x.wav", 48000, &err), -ENOENT);
    CHECK(strstr(err.text, "/nonexistent/x.wav"));
    CHECK_EQ(wav_open(&wav, "/dev/full", 48000, &err), 0);
    wav_sound(wav).play(wav, 48000, samples, 1);
    CHECK_EQ(wav_close(wav), -ENOSPC);
}

int main(void)
{
    int fd = mkstemp(path);

    if (fd < 0)
        return 1;
    close(fd);
    TEST_RUN(writes_a_file);
    TEST_RUN(resamples);
    TEST_RUN(tells_of_errors);
    unlink(path);
    return test_result();
}
