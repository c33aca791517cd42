/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the floppy disk controller share. */
#pragma once
#include "dev/floppy.h"
#include "dev/i82078.h"

#define FDC_PARAMS 9u  /* a command and its parameters */
#define FDC_RESULT 16u /* bytes of a result at most */

enum fdc_phase { FDC_COMMAND, FDC_EXECUTION, FDC_NON_DMA, FDC_RESULT_PHASE };

/* What the execution phase waits for. */
enum fdc_wait {
    FDC_WAIT_NONE,
    FDC_WAIT_TIMER, /* `step` follows */
    FDC_WAIT_IMAGE,
    FDC_WAIT_HOST, /* the DMA channel, or the FIFO */
};

/* What follows a wait. */
enum fdc_step {
    FDC_STEP_SECTOR,  /* the next sector comes under the head */
    FDC_STEP_READ_ID, /* an address mark is read */
    FDC_STEP_GIVE_UP, /* nothing was found on the disk */
    FDC_STEPS
};

/* Status registers of a result. */
#define ST0_ABNORMAL 0x40u
#define ST0_INVALID  0x80u
#define ST0_POLLED   0xc0u
#define ST0_SEEK     0x20u
#define ST0_CHECK    0x10u
#define ST1_END      0x80u
#define ST1_DATA     0x20u
#define ST1_NO_DATA  0x04u
#define ST1_PROTECT  0x02u
#define ST1_NO_MARK  0x01u
#define ST2_DELETED  0x40u
#define ST2_DATA     0x20u
#define ST2_TRACK    0x10u
#define ST2_BAD      0x02u

/* A command that goes over sectors: READ, WRITE, VERIFY, READ TRACK, FORMAT TRACK. */
struct fdc_transfer {
    u8 kind; /* the low five bits of the command */
    u8 head; /* the one that is selected */
    u8 c, h, r, eot;
    bool multitrack, skip;
    u32 left; /* sectors to go, for VERIFY with a count, READ and FORMAT TRACK */
    u32 at;   /* bytes of the sector moved so far */
    bool tc;  /* the host has had, or given, all */
};

struct i82078 {
    u8 dor, tdr, dsr_rate;
    u8 phase, wait, step;
    u8 command[FDC_PARAMS], len, need;
    u8 result[FDC_RESULT], result_len, result_at;
    u8 unit; /* of the command */
    bool irq_level;
    u8 pending[4];    /* ST0 of interrupts to be sensed, by drive */
    u8 is_pending;    /* bits of them */
    u8 seeking;       /* bits of drives … */
    u8 recalibrating; /* … and of those that go to track 0 */
    u8 target[4];     /* tracks to seek to … */
    u8 pulses[4];     /* … and steps left for a recalibration */
    u8 pcn[4];        /* present cylinders, as the controller counts them */
    u8 srt_hut, hlt_nd, config, pretrk, perpendicular;
    bool locked;
    struct fdc_transfer t;
    u8 buf[FLOPPY_SECTOR];
    struct floppy drive[I82078_DRIVES];
    unsigned drives;                   /* that are there */
    u64 reset_due, step_due, exec_due; /* ns; 0: not set */

    struct timer reset_timer, step_timer, exec_timer;
    struct block_req req;
    bool in_flight;
    bool stale; /* what is in flight was for a command that a reset ended */
    struct irq irq;
    struct i8237 *dma;
    struct clock *clk;
    struct bus *pio;
};

/* i82078.c */
void fdc_raise(struct i82078 *fdc);
void fdc_lower(struct i82078 *fdc);
void fdc_results(struct i82078 *fdc, unsigned n, bool interrupt);
void fdc_idle(struct i82078 *fdc);
/* After a while, `step`. */
void fdc_after(struct i82078 *fdc, u8 step, u64 ns);
struct floppy *fdc_floppy(struct i82078 *fdc, unsigned unit); /* NULL: there is none */
bool fdc_non_dma(const struct i82078 *fdc);
void fdc_arm(struct i82078 *fdc, struct timer *t, u64 *due, u64 ns);

/* i82078_cmd.c */
unsigned fdc_params(u8 command);
void fdc_execute(struct i82078 *fdc);
void fdc_seek_step(void *opaque);

/* i82078_rw.c */
void fdc_start_transfer(struct i82078 *fdc);
void fdc_run_step(struct i82078 *fdc);
void fdc_read_id(struct i82078 *fdc);
void fdc_host_ready(struct i82078 *fdc); /* the DMA channel */
u8 fdc_fifo_read(struct i82078 *fdc);
void fdc_fifo_write(struct i82078 *fdc, u8 val);
int fdc_transfer_loaded(struct i82078 *fdc);
