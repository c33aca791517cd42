/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The codec of the AC'97 device: a SigmaTel STAC9700 with variable rates (Audio Codec '97
 * specification 2.1, chapter 6). Volumes of 5 bits; those of the master and of PCM output change
 * what is heard. Registers of other sources are kept and do nothing. Under the machine's lock.
 */
#include "dev/ac97_priv.h"

#include <string.h>

enum {
    RESET = 0x00,
    MASTER = 0x02,
    HEADPHONE = 0x04,
    MONO = 0x06,
    BEEP = 0x0a,
    PHONE = 0x0c,
    MIC = 0x0e,
    LINE_IN = 0x10,
    CD = 0x12,
    VIDEO = 0x14,
    AUX = 0x16,
    PCM_OUT = 0x18,
    RECORD_SELECT = 0x1a,
    RECORD_GAIN = 0x1c,
    MIC_GAIN = 0x1e,
    GENERAL = 0x20,
    POWER = 0x26,
    EXT_ID = 0x28,
    EXT_STATUS = 0x2a,
    DAC_RATE = 0x2c,
    ADC_RATE = 0x32,
    MIC_RATE = 0x34,
    VENDOR_1 = 0x7c,
    VENDOR_2 = 0x7e,
};

#define EXT_VRA  0x0001u /* variable rates of PCM */
#define EXT_VRM  0x0008u /* and of the microphone */
#define MUTE     0x8000u
#define RATE_MIN 8000u
#define RATE_MAX 48000u

#define POWER_READY 0x000fu /* ADC, DAC, mixer, reference */
#define POWER_DOWN  0xff00u

/* What a write may change. */
static const u16 writable[64] = {
    [MASTER / 2] = 0x9f1f,      [HEADPHONE / 2] = 0x9f1f, [MONO / 2] = 0x801f,
    [BEEP / 2] = 0x801e,        [PHONE / 2] = 0x801f,     [MIC / 2] = 0x805f,
    [LINE_IN / 2] = 0x9f1f,     [CD / 2] = 0x9f1f,        [VIDEO / 2] = 0x9f1f,
    [AUX / 2] = 0x9f1f,         [PCM_OUT / 2] = 0x9f1f,   [RECORD_SELECT / 2] = 0x0707,
    [RECORD_GAIN / 2] = 0x8f0f, [MIC_GAIN / 2] = 0x800f,  [GENERAL / 2] = 0x0380,
};

static const u16 reset_value[64] = {
    [MASTER / 2] = 0x8000,      [HEADPHONE / 2] = 0x8000,
    [MONO / 2] = 0x8000,        [PHONE / 2] = 0x8008,
    [MIC / 2] = 0x8008,         [LINE_IN / 2] = 0x8808,
    [CD / 2] = 0x8808,          [VIDEO / 2] = 0x8808,
    [AUX / 2] = 0x8808,         [PCM_OUT / 2] = 0x8808,
    [RECORD_GAIN / 2] = 0x8000, [MIC_GAIN / 2] = 0x8000,
    [POWER / 2] = POWER_READY,  [EXT_ID / 2] = EXT_VRA | EXT_VRM,
    [DAC_RATE / 2] = RATE_MAX,  [ADC_RATE / 2] = RATE_MAX,
    [MIC_RATE / 2] = RATE_MAX,  [VENDOR_1 / 2] = 0x8384,
    [VENDOR_2 / 2] = 0x7600,
};

void ac97_mixer_reset(struct ac97 *a)
{
    memcpy(a->mixer, reset_value, sizeof(a->mixer));
    ac97_dma_rebase(a);
}

/* Of 6 bits a codec with 5 takes what is quieter than it can as the quietest. */
static u16 take_volume(unsigned reg, u16 val)
{
    if (reg < MASTER || reg > MONO)
        return val;
    if (val & 0x0020)
        val |= 0x001f;
    if (val & 0x2000)
        val |= 0x1f00;
    return val;
}

static void write_rate(struct ac97 *a, unsigned reg, u16 val)
{
    u16 need = reg == MIC_RATE ? EXT_VRM : EXT_VRA;

    if (!(a->mixer[EXT_STATUS / 2] & need))
        return;
    a->mixer[reg / 2] = (u16)min_u64(max_u64(val, RATE_MIN), RATE_MAX);
    ac97_dma_rebase(a);
}

static void write_ext_status(struct ac97 *a, u16 val)
{
    a->mixer[EXT_STATUS / 2] = val & (EXT_VRA | EXT_VRM);
    if (!(val & EXT_VRA))
        a->mixer[DAC_RATE / 2] = a->mixer[ADC_RATE / 2] = RATE_MAX;
    if (!(val & EXT_VRM))
        a->mixer[MIC_RATE / 2] = RATE_MAX;
    ac97_dma_rebase(a);
}

void ac97_mixer_write(struct ac97 *a, unsigned reg, u16 val)
{
    u16 *to = &a->mixer[reg / 2];

    switch (reg) {
    case RESET:
        ac97_mixer_reset(a);
        break;
    case POWER:
        *to = (u16)((val & POWER_DOWN) | POWER_READY);
        break;
    case EXT_STATUS:
        write_ext_status(a, val);
        break;
    case DAC_RATE:
    case ADC_RATE:
    case MIC_RATE:
        write_rate(a, reg, val);
        break;
    default:
        *to = (u16)((*to & ~writable[reg / 2]) | (take_volume(reg, val) & writable[reg / 2]));
    }
}

/* Saved state is hostile: the rate is checked where it is used. */
u32 ac97_rate(const struct ac97 *a, unsigned engine)
{
    unsigned reg = engine == ENGINE_PO ? DAC_RATE : engine == ENGINE_PI ? ADC_RATE : MIC_RATE;

    return (u32)min_u64(max_u64(a->mixer[reg / 2], RATE_MIN), RATE_MAX);
}

/* 10^(-1.5 n / 20) in 1/65536: each step of a volume is 1.5 dB. */
static s32 gain(int steps)
{
    s64 g = 65536;

    for (; steps > 0; steps--)
        g = g * 55142 / 65536;
    for (; steps < 0; steps++)
        g = g * 77889 / 65536;
    return (s32)g;
}

static s32 channel_gain(const struct ac97 *a, unsigned shift)
{
    u16 master = a->mixer[MASTER / 2], pcm = a->mixer[PCM_OUT / 2];

    if ((master | pcm) & MUTE)
        return 0;
    return gain((master >> shift & 0x1f) + (pcm >> shift & 0x1f) - 8); /* 8 is 0 dB for PCM */
}

void ac97_mixer_scale(const struct ac97 *a, s16 *samples, size_t n)
{
    s32 by[2] = {channel_gain(a, 8), channel_gain(a, 0)};

    if (by[0] == 65536 && by[1] == 65536)
        return;
    for (size_t i = 0; i < n; i++) {
        s64 v = (s64)samples[i] * by[i & 1] / 65536;
        samples[i] = (s16)(v > INT16_MAX ? INT16_MAX : v < INT16_MIN ? INT16_MIN : v);
    }
}
