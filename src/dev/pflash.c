/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A byte-wide flash chip after Intel's Common Flash Interface, primary command set 0001h (Intel
 * 28F series data sheets; JEDEC JESD68.01), as firmware finds it on QEMU's machines. While the
 * array is read it is plain memory, and only writes come here; in every other mode reads do, too.
 *
 * As on QEMU's chip, which OVMF tells from RAM and ROM by it, a cleared status register reads as 0,
 * and programming and erasing end at once. Left out: locks, suspension. Under the machine's lock.
 */
#include "dev/pflash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum mode { /* what reads give */
            MODE_ARRAY,
            MODE_STATUS,
            MODE_ID,
            MODE_QUERY,
            MODES,
};

enum pending { /* what the next write is the second cycle of */
               PENDING_NONE,
               PENDING_PROGRAM,
               PENDING_ERASE,
               PENDING_COUNT, /* of a buffered write … */
               PENDING_DATA,  /* … then its bytes … */
               PENDING_CONFIRM,
               PENDING_LOCK,
               PENDINGS,
};

#define CMD_PROGRAM     0x10u
#define CMD_ERASE       0x20u
#define CMD_PROGRAM_ALT 0x40u
#define CMD_CLEAR       0x50u
#define CMD_LOCK        0x60u
#define CMD_STATUS      0x70u
#define CMD_ID          0x90u
#define CMD_QUERY       0x98u
#define CMD_CONFIRM     0xd0u
#define CMD_BUFFERED    0xe8u
#define CMD_ARRAY       0xffu

#define STATUS_READY       0x80u
#define STATUS_ERASE_ERR   0x20u
#define STATUS_PROGRAM_ERR 0x10u

#define BUFFER 32u /* bytes of a buffered write */

#define ID_MAKER  0x89u
#define ID_DEVICE 0x18u

struct pflash {
    struct mem_window *window;
    struct bus *mmio;
    gpa_t at;
    void (*changed)(void *opaque, u64 off, u64 len);
    void *opaque;
    u8 mode, pending, status;
    u8 left; /* bytes of a buffered write that are to come, less one */
};

static void enter(struct pflash *f, enum mode mode)
{
    f->mode = (u8)mode;
    f->pending = PENDING_NONE;
    mem_window_place(f->window, mode == MODE_ARRAY ? f->at : MEM_NOWHERE);
}

/* The query structure at 10h: "QRY", command set 1, size, and one region of equal blocks. */
static u8 query(const struct pflash *f, u64 off)
{
    u64 blocks = f->window->size / PFLASH_BLOCK - 1;
    u8 log2 = (u8)(63 - __builtin_clzll(f->window->size));

    switch (off) {
    case 0x10:
        return 'Q';
    case 0x11:
        return 'R';
    case 0x12:
        return 'Y';
    case 0x13:
        return 0x01;
    case 0x15:
        return 0x31; /* where the extended table is */
    case 0x27:
        return log2;
    case 0x2a:
        return 5; /* buffered writes of 2^5 bytes */
    case 0x2c:
        return 1;
    case 0x2d:
        return (u8)blocks;
    case 0x2e:
        return (u8)(blocks >> 8);
    case 0x2f:
        return PFLASH_BLOCK >> 8 & 0xff;
    case 0x30:
        return PFLASH_BLOCK >> 16;
    case 0x31:
        return 'P';
    case 0x32:
        return 'R';
    case 0x33:
        return 'I';
    case 0x34:
    case 0x35:
        return '1';
    default:
        return 0;
    }
}

static u64 pflash_read(void *dev, u64 off, unsigned size)
{
    const struct pflash *f = dev;

    switch (f->mode) {
    case MODE_STATUS:
        return f->status;
    case MODE_ID:
        return off & 1 ? ID_DEVICE : ID_MAKER;
    case MODE_QUERY:
        return query(f, off);
    default:
        return mem_window_host(f->window)[off];
    }
}

static void tell(struct pflash *f, u64 off, u64 len)
{
    mem_window_written(f->window, off, len);
    if (f->changed)
        f->changed(f->opaque, off, len);
}

/* Programming only clears bits; firmware erases first, and QEMU's chip stores what it is given. */
static void program(struct pflash *f, u64 off, u8 val)
{
    mem_window_host(f->window)[off] = val;
    f->status |= STATUS_READY;
    tell(f, off, 1);
}

static void erase(struct pflash *f, u64 off)
{
    u64 block = off & ~(u64)(PFLASH_BLOCK - 1);

    memset(mem_window_host(f->window) + block, 0xff, PFLASH_BLOCK);
    f->status |= STATUS_READY;
    tell(f, block, PFLASH_BLOCK);
}

static void wait_for(struct pflash *f, enum pending pending)
{
    enter(f, MODE_STATUS);
    f->pending = (u8)pending;
}

static void command(struct pflash *f, u8 val)
{
    switch (val) {
    case CMD_PROGRAM:
    case CMD_PROGRAM_ALT:
        wait_for(f, PENDING_PROGRAM);
        break;
    case CMD_ERASE:
        wait_for(f, PENDING_ERASE);
        break;
    case CMD_LOCK:
        wait_for(f, PENDING_LOCK);
        break;
    case CMD_BUFFERED:
        f->status |= STATUS_READY;
        wait_for(f, PENDING_COUNT);
        break;
    case CMD_STATUS:
        enter(f, MODE_STATUS);
        break;
    case CMD_ID:
        enter(f, MODE_ID);
        break;
    case CMD_QUERY:
        enter(f, MODE_QUERY);
        break;
    case CMD_CLEAR:
        f->status = 0;
        enter(f, MODE_ARRAY);
        break;
    default: /* CMD_ARRAY, and what is unknown */
        enter(f, MODE_ARRAY);
    }
}

static void second_cycle(struct pflash *f, u64 off, u8 val)
{
    u8 pending = f->pending;

    f->pending = PENDING_NONE;
    switch (pending) {
    case PENDING_PROGRAM:
        program(f, off, val);
        break;
    case PENDING_ERASE:
        if (val == CMD_CONFIRM)
            erase(f, off);
        else
            f->status |= STATUS_READY | STATUS_ERASE_ERR | STATUS_PROGRAM_ERR;
        break;
    case PENDING_COUNT:
        f->left = val;
        f->pending = val < BUFFER ? PENDING_DATA : PENDING_NONE;
        if (val >= BUFFER)
            f->status |= STATUS_PROGRAM_ERR;
        break;
    case PENDING_DATA:
        program(f, off, val);
        f->pending = f->left-- ? PENDING_DATA : PENDING_CONFIRM;
        break;
    case PENDING_CONFIRM:
        if (val != CMD_CONFIRM)
            f->status |= STATUS_PROGRAM_ERR;
        break;
    default: /* a lock: accepted, without effect */
        f->status |= STATUS_READY;
    }
}

static void pflash_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct pflash *f = dev;

    if (f->pending)
        second_cycle(f, off, (u8)val);
    else
        command(f, (u8)val);
}

static const struct bus_ops ops = {.read = pflash_read, .write = pflash_write, .max_size = 1};

void pflash_reset(struct pflash *f)
{
    f->status = 0;
    enter(f, MODE_ARRAY);
}

static u8 *saved_memory(void *obj, u64 *len)
{
    const struct pflash *f = obj;

    *len = f->window->size;
    return mem_window_host(f->window);
}

static const struct state_field fields[] = {
    STATE_PAGES("contents", saved_memory, 2), STATE_UINT(struct pflash, mode),
    STATE_UINT(struct pflash, pending),       STATE_UINT(struct pflash, status),
    STATE_UINT(struct pflash, left),          STATE_END,
};

static int loaded(void *obj)
{
    struct pflash *f = obj;
    u8 pending = f->pending;

    if (f->mode >= MODES || pending >= PENDINGS || (pending && f->mode != MODE_STATUS) ||
        (pending == PENDING_DATA && f->left >= BUFFER))
        return -EINVAL;
    enter(f, f->mode);
    f->pending = pending;
    tell(f, 0, f->window->size);
    return 0;
}

const struct state_table pflash_state = {"pflash", 2, 1, fields, NULL, loaded};

int pflash_new(struct pflash **out, struct mem_window *window, gpa_t at,
               void (*changed)(void *opaque, u64 off, u64 len), void *opaque)
{
    struct pflash *f = calloc(1, sizeof(*f));
    int rc;

    if (!f)
        return -ENOMEM;
    BUG_ON(!window->size || window->size % PFLASH_BLOCK);
    *f = (struct pflash){.window = window,
                         .mmio = window->mem->mmio,
                         .at = at,
                         .changed = changed,
                         .opaque = opaque};
    rc = bus_claim(f->mmio, at, at + window->size - 1, &ops, f, "pflash");
    if (rc) {
        free(f);
        return rc;
    }
    pflash_reset(f);
    *out = f;
    return 0;
}

void pflash_free(struct pflash *f)
{
    if (!f)
        return;
    mem_window_place(f->window, MEM_NOWHERE);
    bus_release(f->mmio, f);
    free(f);
}
