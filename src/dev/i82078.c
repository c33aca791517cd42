/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 82078 floppy disk controller (data sheet 290468), AT mode: registers, phases of a command,
 * reset, interrupt. Commands are in i82078_cmd.c, those that move data in i82078_rw.c, drives in
 * floppy.c. Disks turn and heads step much faster than real ones, though not in no time.
 * Left out: SCAN commands, SAVE and RESTORE, sectors of other sizes, deleted data marks (nothing
 * in an image keeps them). All of it runs under the machine's lock.
 */
#include "dev/i82078_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DMA_CHANNEL 2u
#define RESET_NS    100000u

#define DOR_UNIT  0x03u
#define DOR_RUN   0x04u /* reset while 0 */
#define DOR_GATE  0x08u /* interrupt and DMA */
#define DSR_RESET 0x80u
#define MSR_RQM   0x80u
#define MSR_DIO   0x40u
#define MSR_NDM   0x20u
#define MSR_CB    0x10u

#define CONFIG_POLL_OFF 0x10u
#define CONFIG_RESET    0x20u /* no FIFO */

enum { REG_DOR, REG_TDR, REG_MSR, REG_FIFO };

static void drive_line(struct i82078 *fdc)
{
    irq_set(&fdc->irq, fdc->irq_level && fdc->dor & DOR_GATE);
}

void fdc_raise(struct i82078 *fdc)
{
    fdc->irq_level = true;
    drive_line(fdc);
}

void fdc_lower(struct i82078 *fdc)
{
    fdc->irq_level = false;
    drive_line(fdc);
}

void fdc_idle(struct i82078 *fdc)
{
    fdc->phase = FDC_COMMAND;
    fdc->wait = FDC_WAIT_NONE;
    fdc->len = fdc->need = 0;
}

void fdc_results(struct i82078 *fdc, unsigned n, bool interrupt)
{
    fdc->phase = FDC_RESULT_PHASE;
    fdc->wait = FDC_WAIT_NONE;
    fdc->result_len = (u8)n;
    fdc->result_at = 0;
    if (interrupt)
        fdc_raise(fdc);
}

void fdc_arm(struct i82078 *fdc, struct timer *t, u64 *due, u64 ns)
{
    *due = clock_now(fdc->clk) + ns;
    timer_set(fdc->clk, t, *due);
}

void fdc_after(struct i82078 *fdc, u8 step, u64 ns)
{
    fdc->phase = FDC_EXECUTION;
    fdc->wait = FDC_WAIT_TIMER;
    fdc->step = step;
    fdc_arm(fdc, &fdc->exec_timer, &fdc->exec_due, ns);
}

struct floppy *fdc_floppy(struct i82078 *fdc, unsigned unit)
{
    return unit < fdc->drives ? &fdc->drive[unit] : NULL;
}

bool fdc_non_dma(const struct i82078 *fdc)
{
    return fdc->hlt_nd & 1;
}

static void exec_due(void *opaque)
{
    struct i82078 *fdc = opaque;

    fdc->exec_due = 0;
    if (fdc->wait == FDC_WAIT_TIMER)
        fdc_run_step(fdc);
}

/* The controller polls its drives and finds all four changed. */
static void reset_over(void *opaque)
{
    struct i82078 *fdc = opaque;

    fdc->reset_due = 0;
    if (fdc->config & CONFIG_POLL_OFF)
        return;
    for (unsigned i = 0; i < 4; i++)
        fdc->pending[i] = (u8)(ST0_POLLED | i);
    fdc->is_pending = 15;
    fdc_raise(fdc);
}

/* What both resets do at once. */
static void stop(struct i82078 *fdc)
{
    timer_cancel(fdc->clk, &fdc->exec_timer);
    timer_cancel(fdc->clk, &fdc->step_timer);
    timer_cancel(fdc->clk, &fdc->reset_timer);
    fdc->exec_due = fdc->step_due = fdc->reset_due = 0;
    fdc->stale = fdc->in_flight;
    fdc->is_pending = fdc->seeking = fdc->recalibrating = 0;
    fdc->perpendicular &= 0x3c;
    if (!fdc->locked) {
        fdc->config = CONFIG_RESET;
        fdc->pretrk = 0;
    }
    i8237_request(fdc->dma, DMA_CHANNEL, false);
    fdc_lower(fdc);
    fdc_idle(fdc);
}

static void write_dor(struct i82078 *fdc, u8 val)
{
    u8 was = fdc->dor;

    fdc->dor = val;
    if (was & DOR_RUN && !(val & DOR_RUN))
        stop(fdc);
    else if (!(was & DOR_RUN) && val & DOR_RUN)
        fdc_arm(fdc, &fdc->reset_timer, &fdc->reset_due, RESET_NS);
    drive_line(fdc);
}

static void write_dsr(struct i82078 *fdc, u8 val)
{
    fdc->dsr_rate = val & 3;
    if (!(val & DSR_RESET))
        return;
    stop(fdc);
    if (fdc->dor & DOR_RUN)
        fdc_arm(fdc, &fdc->reset_timer, &fdc->reset_due, RESET_NS);
}

static bool to_host(const struct i82078 *fdc)
{
    return fdc->t.kind == 0x06 || fdc->t.kind == 0x0c || fdc->t.kind == 0x02;
}

/* Drives that seek, or have and were not asked about it yet. */
static u8 busy_drives(const struct i82078 *fdc)
{
    u8 busy = fdc->seeking;

    for (unsigned i = 0; i < 4; i++)
        if (fdc->is_pending >> i & 1 && (fdc->pending[i] & ST0_POLLED) != ST0_POLLED)
            busy |= (u8)BIT(i);
    return busy;
}

static u8 read_msr(const struct i82078 *fdc)
{
    u8 busy = busy_drives(fdc);

    if (!(fdc->dor & DOR_RUN) || fdc->reset_due)
        return 0;
    switch (fdc->phase) {
    case FDC_COMMAND:
        return (u8)(MSR_RQM | (fdc->len ? MSR_CB : 0) | busy);
    case FDC_NON_DMA:
        return (u8)(MSR_RQM | MSR_NDM | MSR_CB | (to_host(fdc) ? MSR_DIO : 0) | busy);
    case FDC_RESULT_PHASE:
        return (u8)(MSR_RQM | MSR_DIO | MSR_CB | busy);
    default:
        return (u8)(MSR_CB | busy);
    }
}

static u8 read_fifo(struct i82078 *fdc)
{
    u8 val;

    if (fdc->phase == FDC_NON_DMA)
        return fdc_fifo_read(fdc);
    if (fdc->phase != FDC_RESULT_PHASE)
        return 0;
    if (fdc->irq_level && !fdc->is_pending)
        fdc_lower(fdc);
    val = fdc->result[fdc->result_at++];
    if (fdc->result_at == fdc->result_len)
        fdc_idle(fdc);
    return val;
}

static void write_fifo(struct i82078 *fdc, u8 val)
{
    if (!(fdc->dor & DOR_RUN) || fdc->reset_due)
        return;
    if (fdc->phase == FDC_NON_DMA) {
        fdc_fifo_write(fdc, val);
        return;
    }
    if (fdc->phase != FDC_COMMAND)
        return;
    if (!fdc->len)
        fdc->need = (u8)(1 + fdc_params(val));
    fdc->command[fdc->len++] = val;
    if (fdc->len == fdc->need)
        fdc_execute(fdc);
}

static u64 fdc_read(void *dev, u64 off, unsigned size)
{
    struct i82078 *fdc = dev;

    switch (off) {
    case REG_DOR:
        return fdc->dor;
    case REG_TDR:
        return fdc->tdr;
    case REG_MSR:
        return read_msr(fdc);
    default:
        return read_fifo(fdc);
    }
}

static void fdc_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct i82078 *fdc = dev;

    switch (off) {
    case REG_DOR:
        write_dor(fdc, (u8)val);
        break;
    case REG_TDR:
        fdc->tdr = val & 3;
        break;
    case REG_MSR: /* DSR when written */
        write_dsr(fdc, (u8)val);
        break;
    default:
        write_fifo(fdc, (u8)val);
    }
}

/* DIR: the other bits are the hard disk's, which drives none of them. */
static u64 dir_read(void *dev, u64 off, unsigned size)
{
    struct i82078 *fdc = dev;
    const struct floppy *f = fdc_floppy(fdc, fdc->dor & DOR_UNIT);

    return f && f->changed ? 0x80 : 0;
}

static void ccr_write(void *dev, u64 off, unsigned size, u64 val)
{
    ((struct i82078 *)dev)->dsr_rate = val & 3;
}

static const struct bus_ops fdc_ops = {.read = fdc_read, .write = fdc_write, .max_size = 1};
static const struct bus_ops dir_ops = {.read = dir_read, .write = ccr_write, .max_size = 1};

int i82078_insert(struct i82078 *fdc, unsigned drive, struct block *blk)
{
    return floppy_insert(&fdc->drive[drive], blk);
}

u8 i82078_cmos_type(const struct i82078 *fdc, unsigned drive)
{
    return floppy_cmos_type(&fdc->drive[drive]);
}

void i82078_reset(struct i82078 *fdc)
{
    fdc->locked = false;
    fdc->dor = fdc->tdr = 0;
    fdc->dsr_rate = FLOPPY_250K;
    fdc->srt_hut = fdc->hlt_nd = fdc->perpendicular = 0;
    memset(fdc->pcn, 0, sizeof(fdc->pcn));
    memset(&fdc->t, 0, sizeof(fdc->t));
    stop(fdc);
}

static void dma_ready(void *opaque)
{
    fdc_host_ready(opaque);
}

int i82078_new(struct i82078 **out, struct bus *pio, struct irq irq6, struct i8237 *dma,
               struct clock *clk, unsigned drives)
{
    struct i82078 *fdc = calloc(1, sizeof(*fdc));
    int rc;

    BUG_ON(drives > I82078_DRIVES);
    if (!fdc)
        return -ENOMEM;
    fdc->pio = pio;
    fdc->irq = irq6;
    fdc->dma = dma;
    fdc->clk = clk;
    fdc->drives = drives;
    for (unsigned i = 0; i < I82078_DRIVES; i++)
        fdc->drive[i].changed = true;
    timer_init(&fdc->reset_timer, reset_over, fdc);
    timer_init(&fdc->step_timer, fdc_seek_step, fdc);
    timer_init(&fdc->exec_timer, exec_due, fdc);
    i82078_reset(fdc);
    rc = bus_claim(pio, 0x3f2, 0x3f5, &fdc_ops, fdc, "i82078");
    if (!rc)
        rc = bus_claim(pio, 0x3f7, 0x3f7, &dir_ops, fdc, "i82078");
    if (rc) {
        i82078_free(fdc);
        return rc;
    }
    i8237_attach(dma, DMA_CHANNEL, dma_ready, fdc);
    *out = fdc;
    return 0;
}

void i82078_free(struct i82078 *fdc)
{
    if (!fdc)
        return;
    timer_cancel(fdc->clk, &fdc->exec_timer);
    timer_cancel(fdc->clk, &fdc->step_timer);
    timer_cancel(fdc->clk, &fdc->reset_timer);
    bus_release(fdc->pio, fdc);
    free(fdc);
}

#define U(field) STATE_UINT(struct fdc_transfer, field)
#define B(field) STATE_BOOL(struct fdc_transfer, field)
static const struct state_field transfer_fields[] = {
    U(kind),       U(head), U(c),    U(h),  U(r),  U(eot),
    B(multitrack), B(skip), U(left), U(at), B(tc), STATE_END,
};
#undef U
#undef B

#define U(field) STATE_UINT(struct i82078, field)
#define A(field) STATE_ARRAY(struct i82078, field)
static const struct state_field i82078_fields[] = {
    U(dor),
    U(tdr),
    U(dsr_rate),
    U(phase),
    U(wait),
    U(step),
    A(command),
    U(len),
    U(need),
    A(result),
    U(result_len),
    U(result_at),
    U(unit),
    STATE_BOOL(struct i82078, irq_level),
    A(pending),
    U(is_pending),
    U(seeking),
    U(recalibrating),
    A(target),
    A(pulses),
    A(pcn),
    U(srt_hut),
    U(hlt_nd),
    U(config),
    U(pretrk),
    U(perpendicular),
    STATE_BOOL(struct i82078, locked),
    STATE_STRUCTS(struct i82078, t, 1, transfer_fields),
    A(buf),
    STATE_STRUCTS(struct i82078, drive, I82078_DRIVES, floppy_fields),
    U(reset_due),
    U(step_due),
    U(exec_due),
    STATE_END,
};
#undef U
#undef A

static void arm_again(struct i82078 *fdc, struct timer *t, u64 due)
{
    if (due)
        timer_set(fdc->clk, t, due);
    else
        timer_cancel(fdc->clk, t);
}

static bool bad_phase(const struct i82078 *fdc)
{
    switch (fdc->phase) {
    case FDC_COMMAND:
        return fdc->len > FDC_PARAMS ||
               (fdc->len &&
                (fdc->need != 1 + fdc_params(fdc->command[0]) || fdc->len >= fdc->need));
    case FDC_RESULT_PHASE:
        return fdc->result_len > FDC_RESULT || fdc->result_at >= fdc->result_len;
    case FDC_EXECUTION:
        return fdc->wait == FDC_WAIT_NONE || fdc->wait == FDC_WAIT_IMAGE ||
               (fdc->wait == FDC_WAIT_TIMER) != (fdc->exec_due != 0);
    default:
        return fdc->phase != FDC_NON_DMA || fdc->wait != FDC_WAIT_HOST;
    }
}

static int i82078_loaded(void *opaque)
{
    struct i82078 *fdc = opaque;

    if (bad_phase(fdc) || fdc->wait > FDC_WAIT_HOST || fdc->step >= FDC_STEPS || fdc->unit > 3 ||
        fdc->dsr_rate > 3 || (fdc->is_pending | fdc->seeking | fdc->recalibrating) > 15 ||
        fdc->recalibrating & ~fdc->seeking || (fdc->seeking != 0) != (fdc->step_due != 0))
        return -EINVAL;
    for (unsigned i = 0; i < I82078_DRIVES; i++)
        if (floppy_loaded(&fdc->drive[i]))
            return -EINVAL;
    if (fdc_transfer_loaded(fdc))
        return -EINVAL;
    arm_again(fdc, &fdc->reset_timer, fdc->reset_due);
    arm_again(fdc, &fdc->step_timer, fdc->step_due);
    arm_again(fdc, &fdc->exec_timer, fdc->exec_due);
    drive_line(fdc);
    return 0;
}

const struct state_table i82078_state = {
    .name = "i82078", .version = 1, .oldest = 1, .fields = i82078_fields, .loaded = i82078_loaded};
