/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packed virtqueues (section 2.8). Areas: descriptor ring, driver and device event suppression. */
#include "base/le.h"
#include "virtio/virtq_priv.h"

#define DESC_AVAIL 0x0080u
#define DESC_USED  0x8000u
#define DESC_FLAGS 14u /* offset in a descriptor */

#define EVENT_ENABLE  0u
#define EVENT_DISABLE 1u
#define EVENT_DESC    2u

static void advance(const struct virtq *q, u16 *at, bool *wrap, u16 slots)
{
    *at = (u16)(*at + slots);
    if (*at >= q->size) {
        *at = (u16)(*at - q->size);
        *wrap = !*wrap;
    }
}

static gpa_t flags_at(const struct virtq *q, u16 n)
{
    return q->desc + (u64)n * DESC_SIZE + DESC_FLAGS;
}

/* 1: the next descriptor is available, with these flags. */
static int next_flags(struct virtq *q, u16 *flags)
{
    if (!virtq_load16(q, flags_at(q, q->last_avail), flags))
        return -1;
    return !!(*flags & DESC_AVAIL) == q->avail_wrap && !!(*flags & DESC_USED) != q->avail_wrap;
}

bool packed_pending(struct virtq *q)
{
    u16 flags;

    return next_flags(q, &flags) > 0;
}

static bool follow_indirect(struct virtq *q, struct virtq_buf *buf, const struct virtq_desc *table)
{
    u32 entries = virtq_indirect_len(q, table);
    struct virtq_desc d;

    for (u32 n = 0; n < entries; n++) {
        if (!virtq_desc_read(q, table->addr, n, &d))
            return false;
        if (d.flags & DESC_INDIRECT)
            return virtq_wrong(q, "an indirect descriptor is where none may be");
        if (!virtq_add(q, buf, &d))
            return false;
    }
    return entries;
}

/* `flags` of the first were looked at before the rest may be read. */
static bool follow(struct virtq *q, struct virtq_buf *buf, u16 flags)
{
    u16 at = q->last_avail, slots = 0;
    bool wrap = q->avail_wrap;
    struct virtq_desc d;

    do {
        if (slots == q->size)
            return virtq_wrong(q, "a chain of descriptors is longer than the queue");
        if (!virtq_desc_read(q, q->desc, at, &d))
            return false;
        if (slots)
            flags = d.flags;
        d.flags = flags;
        slots++;
        advance(q, &at, &wrap, 1);
        if (flags & DESC_INDIRECT) {
            if (slots > 1 || flags & DESC_NEXT)
                return virtq_wrong(q, "an indirect descriptor is where none may be");
            if (!follow_indirect(q, buf, &d))
                return false;
        } else if (!virtq_add(q, buf, &d)) {
            return false;
        }
    } while (flags & DESC_NEXT);
    buf->head.id = d.next; /* of the last descriptor */
    buf->head.slots = slots;
    return true;
}

int packed_pop(struct virtq *q, struct virtq_buf *buf)
{
    u16 flags = 0;
    int n = next_flags(q, &flags);

    if (n <= 0)
        return n;
    if (!follow(q, buf, flags))
        return -1;
    advance(q, &q->last_avail, &q->avail_wrap, buf->head.slots);
    return 1;
}

void packed_unpop(struct virtq *q, u16 slots)
{
    if (q->last_avail < slots) {
        q->last_avail = (u16)(q->last_avail + q->size);
        q->avail_wrap = !q->avail_wrap;
    }
    q->last_avail = (u16)(q->last_avail - slots);
}

/* Length and buffer ID first; the flags make it used. */
static bool push_one(struct virtq *q, const struct virtq_head *head, u32 written, u16 *flags)
{
    u8 part[6];

    *flags = (u16)((q->used_wrap ? DESC_AVAIL | DESC_USED : 0u) | (written ? DESC_WRITE : 0u));
    put_le32(part, written);
    put_le16(part + 4, head->id);
    if (!mem_write(q->dev->mem, q->desc + (u64)q->used * DESC_SIZE + 8, part, sizeof(part)))
        return true;
    return virtq_wrong(q, "the ring is outside memory");
}

/* The first one's flags come last: the driver sees none before that. */
void packed_push(struct virtq *q, const struct virtq_head *heads, const u32 *written, unsigned n)
{
    bool wrap = q->used_wrap;
    gpa_t first = flags_at(q, q->used);
    u16 flags, first_flags = 0;

    for (unsigned i = 0; i < n; i++) {
        if (!push_one(q, &heads[i], written[i], &flags))
            return;
        if (!i)
            first_flags = flags;
        else if (!virtq_store16(q, flags_at(q, q->used), flags))
            return;
        advance(q, &q->used, &q->used_wrap, heads[i].slots);
    }
    if (!virtq_store16(q, first, first_flags))
        return;
    if (wrap != q->used_wrap)
        q->signalled_valid = false;
}

bool packed_wants_interrupt(struct virtq *q)
{
    u16 old = q->signalled, off, flags;
    bool valid = q->signalled_valid;
    int event;

    atomic_thread_fence(memory_order_seq_cst);
    if (!virtq_load16(q, q->driver + 2, &flags) || !virtq_load16(q, q->driver, &off))
        return false;
    q->signalled = q->used;
    q->signalled_valid = true;
    if (flags == EVENT_DISABLE)
        return false;
    if (flags != EVENT_DESC || !virtio_has(q->dev, VIRTIO_F_EVENT_IDX))
        return true;
    event = off & 0x7fff;
    if (off >> 15 != q->used_wrap)
        event -= q->size; /* a place in the last round */
    return !valid || virtq_passed((u16)event, q->used, old);
}

void packed_want_notify(struct virtq *q, bool on)
{
    u16 flags = (u16)(on ? EVENT_ENABLE : EVENT_DISABLE);

    if (on && virtio_has(q->dev, VIRTIO_F_EVENT_IDX)) {
        if (!virtq_store16(q, q->device, (u16)(q->last_avail + (q->avail_wrap ? 0x8000u : 0u))))
            return;
        flags = EVENT_DESC;
    }
    if (!virtq_store16(q, q->device + 2, flags))
        return;
    atomic_thread_fence(memory_order_seq_cst);
}
