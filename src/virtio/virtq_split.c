/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Split virtqueues (section 2.7). Areas: descriptor table, available ring, used ring. */
#include "base/le.h"
#include "virtio/virtq_priv.h"

#define AVAIL_NO_INTERRUPT 1u
#define USED_NO_NOTIFY     1u

static gpa_t avail_entry(const struct virtq *q, u16 n)
{
    return q->driver + 4 + 2u * (n % q->size);
}

static gpa_t used_event(const struct virtq *q)
{
    return q->driver + 4 + 2u * q->size;
}

static gpa_t avail_event(const struct virtq *q)
{
    return q->device + 4 + 8u * q->size;
}

/* How many buffers wait; -1: broken. */
static int waiting(struct virtq *q)
{
    u16 idx, n;

    if (!virtq_load16(q, q->driver + 2, &idx))
        return -1;
    n = (u16)(idx - q->last_avail);
    if (n > q->size) {
        virtq_wrong(q, "more buffers are available than the queue has descriptors");
        return -1;
    }
    return n;
}

bool split_pending(struct virtq *q)
{
    return waiting(q) > 0;
}

/* Follows a chain in the queue's table; the last may be an indirect table, in which it goes on. */
static bool follow(struct virtq *q, struct virtq_buf *buf, u16 head)
{
    gpa_t table = q->desc;
    u32 entries = q->size, n = head;
    bool indirect = false;
    struct virtq_desc d;

    for (unsigned count = 0; count < VIRTQ_CHAIN_MAX + 1; count++) {
        if (n >= entries)
            return virtq_wrong(q, "a descriptor is outside its table");
        if (!virtq_desc_read(q, table, n, &d))
            return false;
        if (d.flags & DESC_INDIRECT) {
            if (indirect || d.flags & DESC_NEXT)
                return virtq_wrong(q, "an indirect descriptor is where none may be");
            entries = virtq_indirect_len(q, &d);
            if (!entries)
                return false;
            indirect = true;
            table = d.addr;
            n = 0;
            continue;
        }
        if (!virtq_add(q, buf, &d))
            return false;
        if (!(d.flags & DESC_NEXT))
            return true;
        n = d.next;
    }
    return virtq_wrong(q, "a chain of descriptors is too long, or a loop");
}

int split_pop(struct virtq *q, struct virtq_buf *buf)
{
    int n = waiting(q);
    u16 head;

    if (n <= 0)
        return n;
    if (!virtq_load16(q, avail_entry(q, q->last_avail), &head))
        return -1;
    buf->head.id = head;
    buf->head.slots = 1;
    if (!follow(q, buf, head))
        return -1;
    q->last_avail++;
    return 1;
}

void split_unpop(struct virtq *q)
{
    q->last_avail--;
}

void split_push(struct virtq *q, const struct virtq_head *heads, const u32 *written, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        u8 entry[8];
        put_le32(entry, heads[i].id);
        put_le32(entry + 4, written[i]);
        if (mem_write(q->dev->mem, q->device + 4 + 8u * (q->used++ % q->size), entry,
                      sizeof(entry))) {
            virtq_wrong(q, "the used ring is outside memory");
            return;
        }
    }
    if (!virtq_store16(q, q->device + 2, q->used))
        return;
}

bool split_wants_interrupt(struct virtq *q)
{
    u16 old = q->signalled, flags, event;
    bool valid = q->signalled_valid;

    atomic_thread_fence(memory_order_seq_cst); /* the used index is seen before the event is read */
    if (!virtio_has(q->dev, VIRTIO_F_EVENT_IDX))
        return virtq_load16(q, q->driver, &flags) && !(flags & AVAIL_NO_INTERRUPT);
    if (!virtq_load16(q, used_event(q), &event))
        return false;
    q->signalled = q->used;
    q->signalled_valid = true;
    return !valid || virtq_passed(event, q->used, old);
}

void split_want_notify(struct virtq *q, bool on)
{
    if (!virtio_has(q->dev, VIRTIO_F_EVENT_IDX)) {
        if (!virtq_store16(q, q->device, (u16)(on ? 0 : USED_NO_NOTIFY)))
            return;
    } else if (on && !virtq_store16(q, avail_event(q), q->last_avail)) {
        return;
    }
    atomic_thread_fence(memory_order_seq_cst); /* … before the available index is read again */
}
