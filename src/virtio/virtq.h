/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtqueue as a device uses it, whatever its layout: split (section 2.7) or packed (2.8). A
 * buffer is taken with virtq_pop, which checks all of it and translates it to host addresses; it
 * is given back with virtq_push, and virtq_interrupt tells the driver where it wants to be told.
 * Notifications by the driver are wanted only after virtq_pop has found nothing.
 *
 * One thread at a time uses a queue. Ring and descriptors are in memory that the guest may change
 * at any moment: each is read once.
 */
#pragma once
#include "base/state.h"
#include "mem/mem.h"

#include <sys/uio.h>

#define VIRTQ_SIZE_MAX  1024u
#define VIRTQ_CHAIN_MAX 1024u /* descriptors of one buffer, with those of its indirect table */
#define VIRTQ_NO_LIMIT  UINT32_MAX
#define VIRTQ_IOV_MAX   (VIRTQ_CHAIN_MAX + 256u)

struct virtio;

struct virtq {
    struct virtio *dev;
    u16 index;
    u16 size, size_max; /* descriptors; the driver may choose fewer */
    bool ready;
    gpa_t desc, driver, device; /* its three areas */
    u16 vector;                 /* MSI-X, or VIRTIO_NO_VECTOR */

    bool packed;
    u16 last_avail, used; /* split: free-running; packed: places in the ring */
    bool avail_wrap, used_wrap;
    u16 signalled; /* `used` when the driver was last told, if … */
    bool signalled_valid;
    u16 in_use;     /* descriptors (packed) or buffers (split) popped, not pushed yet */
    bool quiet;     /* it was told that no notifications are wanted */
    u32 budget;     /* pops left in this turn, see virtio_notify */
    bool starved;   /* … was used up */
    bool unsaid;    /* something was pushed, and virtq_interrupt was not called yet */
    u32 generation; /* counts resets: what was popped before is not pushed after */
};

/* Names a buffer from pop to push. */
struct virtq_head {
    u16 id, slots; /* packed: descriptors of the ring that it takes */
    u32 generation;
};

struct virtq_buf {
    struct virtq_head head;
    u64 out_len, in_len;             /* bytes that the device reads, and may write */
    unsigned nout, nin;              /* iov: first those to read, then those to write */
    struct iovec iov[VIRTQ_IOV_MAX]; /* none is empty */
};

/* False: there is none, or the device is broken, held or not live. */
must_check bool virtq_pop(struct virtq *q, struct virtq_buf *buf);
/* Takes back the last pop; of several, in reverse order. */
void virtq_unpop(struct virtq *q, struct virtq_head head);
/* `written`: bytes from the beginning of the part to be written. */
void virtq_push(struct virtq *q, struct virtq_head head, u32 written);
/* Several at once: the driver sees all or none of them. */
void virtq_push_all(struct virtq *q, const struct virtq_head *heads, const u32 *written,
                    unsigned n);
/* Interrupts, unless the driver does not want it for what was pushed since the last time. */
void virtq_interrupt(struct virtq *q);
/* There is a buffer. Does not take it. */
bool virtq_pending(struct virtq *q);

/* Copies from or to a buffer, from byte `off` on; returns how many there were, at most len. */
u64 virtq_read(const struct virtq_buf *buf, u64 off, void *to, u64 len);
u64 virtq_write(struct virtq *q, const struct virtq_buf *buf, u64 off, const void *from, u64 len);
u64 virtq_fill(struct virtq *q, const struct virtq_buf *buf, u64 off, u8 byte, u64 len);

/* For virtio.c and transports. */
void virtq_reset(struct virtq *q);
/* Makes it ready to be used, as its fields say. -EINVAL: addresses or size cannot be. */
must_check int virtq_enable(struct virtq *q);
/* Where a legacy driver's ring is: page number `pfn`, 0 for none. */
void virtq_set_legacy(struct virtq *q, u32 pfn);

extern const struct state_field virtq_fields[];
must_check int virtq_loaded(struct virtq *q);
