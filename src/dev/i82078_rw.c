/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands of the 82078 that go over the sectors of a track: each waits for its sector to come
 * under the head, moves it between the image, the buffer and the host (by DMA, or by the FIFO
 * register), and goes on until terminal count, the end of the track, or an error.
 */
#include "dev/i82078_priv.h"

#include <string.h>

#define DMA_CHANNEL 2u
#define SECTOR_NS   50000u
#define NOTHING_NS  20000000u /* two turns without an address mark */
#define RETRY_NS    1000000u
#define SIZE_512    2u
#define CONFIG_EIS  0x40u
#define CMD_MT      0x80u
#define CMD_MFM     0x40u
#define CMD_SK      0x20u

enum {
    READ_TRACK = 0x02,
    WRITE = 0x05,
    READ = 0x06,
    WRITE_DELETED = 0x09,
    READ_DELETED = 0x0c,
    FORMAT = 0x0d,
    VERIFY = 0x16,
};

static bool takes_data(const struct i82078 *fdc)
{
    return fdc->t.kind == WRITE || fdc->t.kind == WRITE_DELETED || fdc->t.kind == FORMAT;
}

/* Bytes that the host moves for each sector: of FORMAT, its address. */
static u32 host_bytes(const struct i82078 *fdc)
{
    return fdc->t.kind == FORMAT ? 4 : FLOPPY_SECTOR;
}

static void finish(struct i82078 *fdc, u8 st0, u8 st1, u8 st2)
{
    const struct fdc_transfer *t = &fdc->t;

    i8237_request(fdc->dma, DMA_CHANNEL, false);
    fdc->result[0] = (u8)(st0 | t->head << 2 | fdc->unit);
    fdc->result[1] = st1;
    fdc->result[2] = st2;
    fdc->result[3] = t->c;
    fdc->result[4] = t->h;
    fdc->result[5] = t->r;
    fdc->result[6] = SIZE_512;
    fdc_results(fdc, 7, true);
}

static void fail(struct i82078 *fdc, u8 st1, u8 st2)
{
    finish(fdc, ST0_ABNORMAL, st1, st2);
}

/* There is a disk, and it can be read at this density and rate. */
static bool is_readable(struct i82078 *fdc)
{
    const struct floppy *f = fdc_floppy(fdc, fdc->unit);

    return f && f->blk && fdc->command[0] & CMD_MFM && f->format->rates >> fdc->dsr_rate & 1;
}

/* Heads go where the command says, with no SEEK before it. */
static void implied_seek(struct i82078 *fdc)
{
    struct floppy *f = fdc_floppy(fdc, fdc->unit);

    for (unsigned n = 0; n < 256 && fdc->pcn[fdc->unit] != fdc->t.c; n++) {
        bool inward = fdc->pcn[fdc->unit] < fdc->t.c;
        fdc->pcn[fdc->unit] = (u8)(fdc->pcn[fdc->unit] + (inward ? 1 : -1));
        if (f)
            floppy_step(f, inward);
    }
}

void fdc_start_transfer(struct i82078 *fdc)
{
    struct fdc_transfer *t = &fdc->t;
    const u8 *p = fdc->command;

    *t = (struct fdc_transfer){.kind = p[0] & 0x1f,
                               .head = p[1] >> 2 & 1,
                               .c = p[2],
                               .h = p[3],
                               .r = p[4],
                               .eot = p[6],
                               .multitrack = p[0] & CMD_MT,
                               .skip = p[0] & CMD_SK};
    if (t->kind == FORMAT) {
        t->left = p[3];
        t->multitrack = false;
    } else if (t->kind == READ_TRACK) {
        t->left = t->eot;
        t->r = 1;
        t->multitrack = false;
    } else if (t->kind == VERIFY && p[1] & 0x80) {
        t->left = p[8] ? p[8] : 256;
    }
    if (fdc->config & CONFIG_EIS && t->kind != FORMAT)
        implied_seek(fdc);
    if (is_readable(fdc))
        fdc_after(fdc, FDC_STEP_SECTOR, SECTOR_NS);
    else
        fdc_after(fdc, FDC_STEP_GIVE_UP, NOTHING_NS);
}

void fdc_read_id(struct i82078 *fdc)
{
    fdc->t.head = fdc->command[1] >> 2 & 1;
    if (is_readable(fdc))
        fdc_after(fdc, FDC_STEP_READ_ID, SECTOR_NS);
    else
        fdc_after(fdc, FDC_STEP_GIVE_UP, NOTHING_NS);
}

static void found_id(struct i82078 *fdc)
{
    struct floppy *f = fdc_floppy(fdc, fdc->unit);
    struct fdc_transfer *t = &fdc->t;

    if (!is_readable(fdc) || f->track >= f->format->tracks || t->head >= f->format->heads) {
        fail(fdc, ST1_NO_MARK, 0);
        return;
    }
    f->next_sector = (u8)(f->next_sector % f->format->sectors + 1);
    t->c = f->track;
    t->h = t->head;
    t->r = f->next_sector;
    finish(fdc, 0, 0, 0);
}

/* The address after this one. False: the track, or with multitrack the cylinder, is done. */
static bool advance(struct fdc_transfer *t)
{
    if (t->r != t->eot) {
        t->r++;
        return true;
    }
    t->r = 1;
    if (t->multitrack) {
        t->h ^= 1;
        if (!t->head) {
            t->head = 1;
            return true;
        }
    }
    t->c++;
    return false;
}

static void next_sector(struct i82078 *fdc)
{
    struct fdc_transfer *t = &fdc->t;
    bool more = advance(t), counted = t->left && !--t->left;

    if (t->kind == READ_DELETED && !t->skip) {
        finish(fdc, 0, 0, ST2_DELETED); /* it has an ordinary mark */
        return;
    }
    if (t->tc || counted) {
        finish(fdc, 0, 0, 0);
    } else if (!more && t->kind == VERIFY && !t->left) {
        finish(fdc, 0, 0, 0);
    } else if (!more && t->kind != FORMAT) {
        fail(fdc, ST1_END, 0);
    } else {
        fdc_after(fdc, FDC_STEP_SECTOR, SECTOR_NS);
    }
}

static void image_done(struct block_req *req, int rc)
{
    struct i82078 *fdc = req->opaque;

    fdc->in_flight = false;
    if (fdc->stale) {
        fdc->stale = false;
        return;
    }
    fdc->wait = FDC_WAIT_NONE;
    if (rc && req->op == BLOCK_READ) {
        fail(fdc, ST1_DATA, ST2_DATA);
    } else if (rc) {
        finish(fdc, ST0_ABNORMAL | ST0_CHECK, ST1_DATA, 0);
    } else if (takes_data(fdc) || fdc->t.kind == VERIFY ||
               (fdc->t.kind == READ_DELETED && fdc->t.skip)) {
        next_sector(fdc);
    } else {
        fdc->wait = FDC_WAIT_HOST;
        fdc_host_ready(fdc);
    }
}

/* Where the sector that is to come is in the image. False: the command has ended. */
static bool locate(struct i82078 *fdc, u64 *at)
{
    const struct floppy *f = fdc_floppy(fdc, fdc->unit);
    const struct fdc_transfer *t = &fdc->t;
    u8 size = t->kind == FORMAT ? fdc->command[2] : fdc->command[5];

    if (!is_readable(fdc)) {
        fail(fdc, ST1_NO_MARK, 0);
        return false;
    }
    if (t->c != f->track) {
        fail(fdc, ST1_NO_DATA, (u8)(ST2_TRACK | (t->c == 0xff ? ST2_BAD : 0)));
        return false;
    }
    if (t->h != t->head || size != SIZE_512 || !floppy_find(f, t->head, t->r, at)) {
        fail(fdc, ST1_NO_DATA, 0);
        return false;
    }
    return true;
}

static void submit(struct i82078 *fdc, enum block_op op, u64 at)
{
    fdc->wait = FDC_WAIT_IMAGE;
    fdc->phase = FDC_EXECUTION;
    fdc->in_flight = true;
    fdc->req = (struct block_req){.op = op,
                                  .offset = at,
                                  .len = FLOPPY_SECTOR,
                                  .buf = fdc->buf,
                                  .done = image_done,
                                  .opaque = fdc};
    block_submit(fdc_floppy(fdc, fdc->unit)->blk, &fdc->req);
}

static void sector_comes(struct i82078 *fdc)
{
    u64 at;

    fdc->t.at = 0;
    if (takes_data(fdc)) {
        struct floppy *f = fdc_floppy(fdc, fdc->unit);
        if (f && floppy_write_protected(f)) {
            fail(fdc, ST1_PROTECT, 0);
            return;
        }
        if (fdc->t.kind == FORMAT && !fdc->t.left) {
            finish(fdc, 0, 0, 0);
            return;
        }
        if (fdc->t.kind != FORMAT && !locate(fdc, &at))
            return;
        fdc->wait = FDC_WAIT_HOST;
        fdc_host_ready(fdc);
    } else if (locate(fdc, &at)) {
        submit(fdc, BLOCK_READ, at);
    }
}

/* A sector's worth was moved, or the host has no more. */
static void moved(struct i82078 *fdc)
{
    struct fdc_transfer *t = &fdc->t;
    u64 at;

    fdc->phase = FDC_EXECUTION;
    fdc->wait = FDC_WAIT_NONE;
    if (!takes_data(fdc)) {
        next_sector(fdc);
        return;
    }
    if (t->kind == FORMAT) {
        t->c = fdc->buf[0];
        t->h = fdc->buf[1];
        t->r = fdc->buf[2];
        memset(fdc->buf, fdc->command[5], FLOPPY_SECTOR);
        t->tc = false;
    } else {
        memset(fdc->buf + t->at, 0, FLOPPY_SECTOR - t->at);
    }
    if (locate(fdc, &at))
        submit(fdc, BLOCK_WRITE, at);
}

void fdc_host_ready(struct i82078 *fdc)
{
    struct fdc_transfer *t = &fdc->t;
    u32 n = host_bytes(fdc);

    if (fdc->wait != FDC_WAIT_HOST || fdc->phase == FDC_NON_DMA)
        return;
    if (fdc_non_dma(fdc)) {
        fdc->phase = FDC_NON_DMA;
        fdc_raise(fdc);
        return;
    }
    i8237_request(fdc->dma, DMA_CHANNEL, true);
    t->at += i8237_transfer(fdc->dma, DMA_CHANNEL, fdc->buf + t->at, n - t->at, !takes_data(fdc),
                            &t->tc);
    if (t->at < n && !t->tc)
        return; /* until the channel is unmasked */
    i8237_request(fdc->dma, DMA_CHANNEL, false);
    moved(fdc);
}

/* A byte has gone through the FIFO register: each is told by an edge of the interrupt. */
static void byte_moved(struct i82078 *fdc)
{
    fdc_lower(fdc);
    if (++fdc->t.at < host_bytes(fdc))
        fdc_raise(fdc);
    else
        moved(fdc);
}

u8 fdc_fifo_read(struct i82078 *fdc)
{
    u8 val = fdc->buf[fdc->t.at];

    if (takes_data(fdc))
        return 0;
    byte_moved(fdc);
    return val;
}

void fdc_fifo_write(struct i82078 *fdc, u8 val)
{
    if (!takes_data(fdc))
        return;
    fdc->buf[fdc->t.at] = val;
    byte_moved(fdc);
}

void fdc_run_step(struct i82078 *fdc)
{
    if (fdc->in_flight) { /* of a command that a reset has ended: the buffer is not free */
        fdc_after(fdc, fdc->step, RETRY_NS);
        return;
    }
    fdc->wait = FDC_WAIT_NONE;
    switch (fdc->step) {
    case FDC_STEP_SECTOR:
        sector_comes(fdc);
        break;
    case FDC_STEP_READ_ID:
        found_id(fdc);
        break;
    default:
        fail(fdc, ST1_NO_MARK, 0);
    }
}

int fdc_transfer_loaded(struct i82078 *fdc)
{
    const struct fdc_transfer *t = &fdc->t;
    bool waits = fdc->phase == FDC_EXECUTION || fdc->phase == FDC_NON_DMA;

    if (t->head > 1 || t->at > FLOPPY_SECTOR || t->left > 256)
        return -1;
    if (waits && fdc->wait == FDC_WAIT_HOST &&
        (t->at >= host_bytes(fdc) || t->kind == VERIFY || fdc->unit >= fdc->drives))
        return -1;
    return 0;
}
