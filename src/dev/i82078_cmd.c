/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands of the 82078 that move no data, and the stepping of heads (data sheet, section 5). */
#include "dev/i82078_priv.h"

#include <string.h>

#define STEP_NS    20000u
#define VERSION    0x90u
#define PART_ID    0x41u
#define RECAL_MAX  79u
#define ST3_FIXED  0x28u /* ready, two sides */
#define ST3_WP     0x40u
#define ST3_TRACK0 0x10u

static void invalid(struct i82078 *fdc)
{
    fdc->result[0] = ST0_INVALID;
    fdc_results(fdc, 1, false);
}

static void specify(struct i82078 *fdc)
{
    fdc->srt_hut = fdc->command[1];
    fdc->hlt_nd = fdc->command[2];
    fdc_idle(fdc);
}

static void sense_drive(struct i82078 *fdc)
{
    const struct floppy *f = fdc_floppy(fdc, fdc->unit);
    u8 st3 = (u8)(ST3_FIXED | (fdc->command[1] & 7));

    if (f && !f->track)
        st3 |= ST3_TRACK0;
    if (f && floppy_write_protected(f))
        st3 |= ST3_WP;
    fdc->result[0] = st3;
    fdc_results(fdc, 1, false);
}

static void sense_interrupt(struct i82078 *fdc)
{
    unsigned n = 0;

    if (!fdc->is_pending) {
        invalid(fdc);
        return;
    }
    while (!(fdc->is_pending >> n & 1))
        n++;
    fdc->is_pending &= (u8)~BIT(n);
    fdc->result[0] = fdc->pending[n];
    fdc->result[1] = fdc->pcn[n];
    fdc_lower(fdc);
    fdc_results(fdc, 2, fdc->is_pending && (fdc->result[0] & ST0_POLLED) != ST0_POLLED);
}

/* Heads of `unit` move from now on. */
static void start_seek(struct i82078 *fdc)
{
    if (!fdc->seeking)
        fdc_arm(fdc, &fdc->step_timer, &fdc->step_due, STEP_NS);
    fdc->seeking |= (u8)BIT(fdc->unit);
    fdc->is_pending &= (u8)~BIT(fdc->unit);
    fdc_idle(fdc);
}

static void recalibrate(struct i82078 *fdc)
{
    fdc->recalibrating |= (u8)BIT(fdc->unit);
    fdc->pulses[fdc->unit] = RECAL_MAX;
    start_seek(fdc);
}

static void seek(struct i82078 *fdc)
{
    u8 n = fdc->command[2], *pcn = &fdc->pcn[fdc->unit];

    if (!(fdc->command[0] & 0x80)) /* absolute */
        fdc->target[fdc->unit] = n;
    else if (fdc->command[0] & 0x40)
        fdc->target[fdc->unit] = (u8)min_u64(*pcn + n, 255);
    else
        fdc->target[fdc->unit] = (u8)(*pcn > n ? *pcn - n : 0);
    fdc->recalibrating &= (u8)~BIT(fdc->unit);
    start_seek(fdc);
}

static void seek_ends(struct i82078 *fdc, unsigned unit, u8 st0)
{
    fdc->seeking &= (u8)~BIT(unit);
    fdc->recalibrating &= (u8)~BIT(unit);
    fdc->pending[unit] = (u8)(ST0_SEEK | st0 | unit);
    fdc->is_pending |= (u8)BIT(unit);
    fdc_raise(fdc);
}

static void recalibrate_step(struct i82078 *fdc, unsigned unit)
{
    struct floppy *f = fdc_floppy(fdc, unit);

    if (f && !f->track) {
        fdc->pcn[unit] = 0;
        f->changed = f->changed && !f->blk; /* at least one pulse is given */
        seek_ends(fdc, unit, 0);
    } else if (!fdc->pulses[unit]) {
        fdc->pcn[unit] = 0;
        seek_ends(fdc, unit, ST0_ABNORMAL | ST0_CHECK);
    } else {
        fdc->pulses[unit]--;
        if (f)
            floppy_step(f, false);
    }
}

static void seek_step(struct i82078 *fdc, unsigned unit)
{
    struct floppy *f = fdc_floppy(fdc, unit);
    u8 *pcn = &fdc->pcn[unit];
    bool inward = *pcn < fdc->target[unit];

    if (*pcn == fdc->target[unit]) {
        seek_ends(fdc, unit, 0);
        return;
    }
    *pcn = (u8)(inward ? *pcn + 1 : *pcn - 1);
    if (f)
        floppy_step(f, inward);
}

void fdc_seek_step(void *opaque)
{
    struct i82078 *fdc = opaque;

    for (unsigned unit = 0; unit < 4; unit++) {
        if (!(fdc->seeking >> unit & 1))
            continue;
        if (fdc->recalibrating >> unit & 1)
            recalibrate_step(fdc, unit);
        else
            seek_step(fdc, unit);
    }
    fdc->step_due = 0;
    if (fdc->seeking)
        fdc_arm(fdc, &fdc->step_timer, &fdc->step_due, STEP_NS);
}

static void dump_registers(struct i82078 *fdc)
{
    memcpy(fdc->result, fdc->pcn, 4);
    fdc->result[4] = fdc->srt_hut;
    fdc->result[5] = fdc->hlt_nd;
    fdc->result[6] = fdc->t.eot;
    fdc->result[7] = (u8)(fdc->locked << 7 | (fdc->perpendicular & 0x3f));
    fdc->result[8] = fdc->config;
    fdc->result[9] = fdc->pretrk;
    fdc_results(fdc, 10, false);
}

static void configure(struct i82078 *fdc)
{
    fdc->config = fdc->command[2] & 0x7f;
    fdc->pretrk = fdc->command[3];
    fdc_idle(fdc);
}

static void perpendicular(struct i82078 *fdc)
{
    u8 val = fdc->command[1];

    /* The drives' bits change only with OW. */
    fdc->perpendicular = (u8)((val & 0x80 ? val & 0x3c : fdc->perpendicular & 0x3c) | (val & 3));
    fdc_idle(fdc);
}

static void lock(struct i82078 *fdc)
{
    fdc->locked = fdc->command[0] & 0x80;
    fdc->result[0] = (u8)(fdc->locked << 4);
    fdc_results(fdc, 1, false);
}

static void version(struct i82078 *fdc)
{
    fdc->result[0] = VERSION;
    fdc_results(fdc, 1, false);
}

static void part_id(struct i82078 *fdc)
{
    fdc->result[0] = PART_ID;
    fdc_results(fdc, 1, false);
}

static void power_down(struct i82078 *fdc)
{
    fdc->result[0] = fdc->command[1];
    fdc_results(fdc, 1, false);
}

static void option(struct i82078 *fdc)
{
    fdc_idle(fdc);
}

struct fdc_command {
    u8 params;
    void (*run)(struct i82078 *fdc);
};

/* By the low five bits; the rest are MT, MFM and SK, or a variant. */
static const struct fdc_command commands[32] = {
    [0x02] = {8, fdc_start_transfer}, /* READ TRACK */
    [0x03] = {2, specify},
    [0x04] = {1, sense_drive},
    [0x05] = {8, fdc_start_transfer}, /* WRITE DATA */
    [0x06] = {8, fdc_start_transfer}, /* READ DATA */
    [0x07] = {1, recalibrate},
    [0x08] = {0, sense_interrupt},
    [0x09] = {8, fdc_start_transfer}, /* WRITE DELETED DATA */
    [0x0a] = {1, fdc_read_id},
    [0x0c] = {8, fdc_start_transfer}, /* READ DELETED DATA */
    [0x0d] = {5, fdc_start_transfer}, /* FORMAT TRACK */
    [0x0e] = {0, dump_registers},
    [0x0f] = {2, seek},
    [0x10] = {0, version},
    [0x12] = {1, perpendicular},
    [0x13] = {3, configure},
    [0x14] = {0, lock},
    [0x16] = {8, fdc_start_transfer}, /* VERIFY */
    [0x17] = {1, power_down},
    [0x18] = {0, part_id},
};

/* The variants that mean something else, or nothing. */
static const struct fdc_command *find(u8 command)
{
    static const struct fdc_command none = {0, invalid}, option_33 = {1, option};

    if (command == 0x33)
        return &option_33;
    if (command == 0x2e || command == 0x4e || command == 0x8e || command == 0xcd)
        return &none;
    return commands[command & 0x1f].run ? &commands[command & 0x1f] : &none;
}

unsigned fdc_params(u8 command)
{
    return find(command)->params;
}

void fdc_execute(struct i82078 *fdc)
{
    fdc->unit = fdc->need > 1 ? fdc->command[1] & 3 : 0;
    find(fdc->command[0])->run(fdc);
}
