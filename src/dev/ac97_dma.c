/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The DMA engines of the AC'97 controller (82801AA data sheet 290655, sections 13.2 and 5.17):
 * each goes round a ring of 32 buffer descriptors, at the codec's rate by the virtual clock, up
 * to the last valid one. What is recorded is silence. Under the machine's lock.
 */
#include "base/le.h"
#include "dev/ac97_priv.h"

#define BD_IOC BIT(31)

#define CHUNK   2048u       /* samples that are moved at once */
#define STEP_NS 20000000ull /* a long buffer is moved in steps of this */

static bool runs(const struct ac97_engine *e)
{
    return e->cr & CR_RPBM && !(e->sr & SR_DCH);
}

/* Samples a second. */
static u32 pace(const struct ac97 *a, unsigned n)
{
    return ac97_rate(a, n) * (n == ENGINE_MC ? 1 : 2);
}

static void halt(struct ac97_engine *e, u16 why)
{
    e->sr |= SR_DCH | why;
}

static void rebase(struct ac97 *a, struct ac97_engine *e)
{
    e->base = clock_now(a->clk);
    e->count = 0;
}

void ac97_dma_rebase(struct ac97 *a)
{
    for (unsigned n = 0; n < AC97_ENGINES; n++)
        rebase(a, &a->engine[n]);
}

static void next_descriptor(struct ac97 *a, struct ac97_engine *e)
{
    u8 raw[8];

    e->civ = e->piv;
    e->piv = (u8)((e->civ + 1) % DESCRIPTORS);
    if (pci_dma_read(&a->pci, e->bdbar + 8ull * e->civ, raw, sizeof(raw))) {
        halt(e, SR_FIFOE);
        return;
    }
    e->addr = le32(raw) & ~1u;
    e->flags = le32(raw + 4);
    e->picb = (u16)e->flags;
}

static void buffer_done(struct ac97 *a, struct ac97_engine *e)
{
    if (e->flags & BD_IOC)
        e->sr |= SR_BCIS;
    if (e->civ == e->lvi)
        halt(e, SR_LVBCI | SR_CELV);
    else
        next_descriptor(a, e);
}

/* Up to CHUNK samples; false where memory does not answer. */
static bool move_chunk(struct ac97 *a, unsigned n, u32 samples)
{
    struct ac97_engine *e = &a->engine[n];
    u8 raw[2 * CHUNK] = {0};
    s16 pcm[CHUNK];

    if (n != ENGINE_PO)
        return !pci_dma_write(&a->pci, e->addr, raw, 2ull * samples);
    if (pci_dma_read(&a->pci, e->addr, raw, 2ull * samples))
        return false;
    for (u32 i = 0; i < samples; i++)
        pcm[i] = (s16)le16(raw + 2 * i);
    ac97_mixer_scale(a, pcm, samples);
    if (a->sound.play)
        a->sound.play(a->sound.opaque, ac97_rate(a, n), pcm, samples / 2);
    return true;
}

static void advance(struct ac97 *a, unsigned n, u64 due)
{
    struct ac97_engine *e = &a->engine[n];
    unsigned empty = 0;

    while (due && runs(e)) {
        u32 part = (u32)min_u64(min_u64(due, e->picb), CHUNK);
        if (part && !move_chunk(a, n, part)) {
            halt(e, SR_FIFOE);
            return;
        }
        e->picb = (u16)(e->picb - part);
        e->addr += 2 * part;
        due -= part;
        empty = part ? 0 : empty + 1;
        if (empty > DESCRIPTORS) /* a ring of nothing */
            halt(e, SR_FIFOE);
        else if (!e->picb)
            buffer_done(a, e);
    }
}

/* More than a second late: what is lost is lost. */
static void catch_up_one(struct ac97 *a, unsigned n)
{
    struct ac97_engine *e = &a->engine[n];
    u64 now = clock_now(a->clk), due;

    if (!runs(e))
        return;
    if (now - e->base > 2 * NSEC_PER_SEC) {
        u64 skipped = ns_to_ticks(now - e->base, pace(a, n)) - e->count;
        due = min_u64(skipped, pace(a, n)) & ~1ull;
        rebase(a, e);
    } else {
        due = (ns_to_ticks(now - e->base, pace(a, n)) - e->count) & ~1ull;
        e->count += due;
    }
    advance(a, n, due);
}

void ac97_dma_catch_up(struct ac97 *a)
{
    for (unsigned n = 0; n < AC97_ENGINES; n++)
        catch_up_one(a, n);
    ac97_update_irq(a);
}

void ac97_dma_arm(struct ac97 *a)
{
    u64 first = UINT64_MAX;

    for (unsigned n = 0; n < AC97_ENGINES; n++) {
        const struct ac97_engine *e = &a->engine[n];
        u64 samples = (e->picb + 1ull) & ~1ull, step = ns_to_ticks(STEP_NS, pace(a, n));
        u64 at = e->count + max_u64(min_u64(samples, step), 2);
        if (runs(e))
            first = min_u64(first, e->base + ticks_to_ns(at, pace(a, n)));
    }
    if (first == UINT64_MAX)
        timer_cancel(a->clk, &a->timer);
    else
        timer_set(a->clk, &a->timer, first);
}

void ac97_dma_start(struct ac97 *a, unsigned n)
{
    struct ac97_engine *e = &a->engine[n];

    e->sr &= (u16) ~(SR_DCH | SR_CELV);
    rebase(a, e);
    if (!e->picb)
        next_descriptor(a, e);
}
