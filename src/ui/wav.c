/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes 16-bit stereo PCM as a RIFF WAVE file (Multimedia Programming Interface and Data
 * Specifications 1.0). What comes at another rate is resampled, linearly. The header tells the
 * length once the file is closed; before, it claims none. The format ends at 4 GiB, and so does
 * what is written. Under the machine's lock, but for opening and closing.
 */
#include "ui/wav.h"
#include "base/le.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define HEADER   44u
#define FRAME    4u
#define DATA_MAX (UINT32_MAX - HEADER - 3u)
#define RATE_MIN 1000u
#define ONE      (1ull << 32)

struct wav {
    FILE *file;
    u32 rate;
    u64 bytes; /* of data */
    int rc;    /* the first error */
    u64 phase; /* of the next frame to write after `last`, in 1/2^32 frames of the input */
    s16 last[2];
};

static void make_header(const struct wav *wav, u8 *h)
{
    memcpy(h, "RIFF", 4);
    put_le32(h + 4, (u32)(HEADER - 8 + wav->bytes));
    memcpy(h + 8, "WAVEfmt ", 8);
    put_le32(h + 16, 16);
    put_le16(h + 20, 1); /* PCM */
    put_le16(h + 22, 2); /* channels */
    put_le32(h + 24, wav->rate);
    put_le32(h + 28, wav->rate * FRAME);
    put_le16(h + 32, FRAME);
    put_le16(h + 34, 16); /* bits */
    memcpy(h + 36, "data", 4);
    put_le32(h + 40, (u32)wav->bytes);
}

static void write_all(struct wav *wav, const void *data, size_t n)
{
    if (!wav->rc && fwrite(data, 1, n, wav->file) != n)
        wav->rc = errno ? -errno : -EIO;
}

static void put_frame(struct wav *wav, const s16 *frame)
{
    u8 raw[FRAME];

    if (wav->bytes + FRAME > DATA_MAX)
        return;
    put_le16(raw, (u16)frame[0]);
    put_le16(raw + 2, (u16)frame[1]);
    write_all(wav, raw, sizeof(raw));
    wav->bytes += FRAME;
}

/* Frames of ours that lie between the last frame of the input and this one. */
static void resample(struct wav *wav, u64 step, const s16 *frame)
{
    for (; wav->phase < ONE; wav->phase += step) {
        s16 mixed[2];
        for (unsigned c = 0; c < 2; c++)
            mixed[c] = (s16)(wav->last[c] +
                             (s64)(frame[c] - wav->last[c]) * (s64)(wav->phase >> 16) / 65536);
        put_frame(wav, mixed);
    }
    wav->phase -= ONE;
    memcpy(wav->last, frame, sizeof(wav->last));
}

static void play(void *opaque, u32 rate, const s16 *samples, size_t frames)
{
    struct wav *wav = opaque;
    u64 step = ((u64)max_u64(rate, RATE_MIN) << 32) / wav->rate;

    for (size_t i = 0; i < frames; i++)
        if (rate == wav->rate)
            put_frame(wav, samples + 2 * i);
        else
            resample(wav, step, samples + 2 * i);
}

int wav_open(struct wav **out, const char *path, u32 rate, struct err *err)
{
    struct wav *wav = calloc(1, sizeof(*wav));
    u8 header[HEADER];

    if (!wav)
        return err_set(err, ENOMEM, "out of memory");
    wav->rate = (u32)max_u64(rate, RATE_MIN);
    wav->file = fopen(path, "wbe");
    if (!wav->file) {
        int rc = err_set(err, errno, "%s: cannot create: %s", path, strerror(errno));
        free(wav);
        return rc;
    }
    make_header(wav, header);
    write_all(wav, header, sizeof(header));
    *out = wav;
    return 0;
}

int wav_close(struct wav *wav)
{
    u8 header[HEADER];
    int rc;

    if (!wav)
        return 0;
    make_header(wav, header);
    if (fseek(wav->file, 0, SEEK_SET) == 0)
        write_all(wav, header, sizeof(header));
    else if (errno != ESPIPE && !wav->rc) /* of a pipe, the first header stays */
        wav->rc = -errno;
    if (fclose(wav->file) && !wav->rc)
        wav->rc = errno ? -errno : -EIO;
    rc = wav->rc;
    free(wav);
    return rc;
}

struct sound_out wav_sound(struct wav *wav)
{
    return (struct sound_out){.play = play, .opaque = wav};
}
