/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between ac97.c (PCI and bus master registers), ac97_dma.c (the engines), ac97_mixer.c (the
   codec). */
#pragma once
#include "dev/ac97.h"

#define AC97_ENGINES 3u
enum { ENGINE_PI, ENGINE_PO, ENGINE_MC }; /* PCM in, PCM out, microphone in */

#define DESCRIPTORS 32u

#define SR_DCH   0x01u /* DMA halted */
#define SR_CELV  0x02u
#define SR_LVBCI 0x04u
#define SR_BCIS  0x08u
#define SR_FIFOE 0x10u
#define SR_CLEAR (SR_LVBCI | SR_BCIS | SR_FIFOE)
#define SR_ALL   0x1fu

#define CR_RPBM  0x01u
#define CR_RR    0x02u
#define CR_LVBIE 0x04u
#define CR_FEIE  0x08u
#define CR_IOCE  0x10u
#define CR_ALL   0x1fu

struct ac97_engine {
    u32 bdbar;
    u8 civ, lvi, piv, cr;
    u16 sr;
    u16 picb;  /* samples left in the buffer */
    u32 addr;  /* of the next one */
    u32 flags; /* of the buffer: its descriptor's second word */
    u64 base;  /* ns: the engine's time begins here … */
    u64 count; /* … and so many samples have been moved since */
};

struct ac97 {
    struct pci_device pci;
    struct clock *clk;
    struct timer timer;
    struct sound_out sound;
    struct ac97_engine engine[AC97_ENGINES];
    u32 glob_cnt;
    bool cas;      /* somebody uses the codec */
    u16 mixer[64]; /* by register number / 2 */
};

/* ac97.c: statuses have changed. */
void ac97_update_irq(struct ac97 *a);

/* Moves what is due by now. */
void ac97_dma_catch_up(struct ac97 *a);
/* Sets the timer for what comes next. */
void ac97_dma_arm(struct ac97 *a);
/* RPBM was set, or LVI moved on: goes on where it stopped, or with the next descriptor. */
void ac97_dma_start(struct ac97 *a, unsigned n);
/* A rate changes; what is due by the old one has been moved. */
void ac97_dma_rebase(struct ac97 *a);

void ac97_mixer_reset(struct ac97 *a);
void ac97_mixer_write(struct ac97 *a, unsigned reg, u16 val);
u32 ac97_rate(const struct ac97 *a, unsigned engine);
/* Changes samples, pairs of left and right, as the output volumes say. */
void ac97_mixer_scale(const struct ac97 *a, s16 *samples, size_t n);
