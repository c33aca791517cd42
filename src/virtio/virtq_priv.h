/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What virtq.c shares with the two layouts of rings. */
#pragma once
#include "virtio/virtio.h"

#define DESC_SIZE     16u
#define DESC_NEXT     0x0001u
#define DESC_WRITE    0x0002u
#define DESC_INDIRECT 0x0004u

struct virtq_desc {
    gpa_t addr;
    u32 len;
    u16 flags, next; /* packed: buffer ID instead of `next` */
};

/* Single 16-bit words, ordered against what is before (store) or after (load). False, with the
   device broken, where there is no memory. */
must_check bool virtq_load16(struct virtq *q, gpa_t gpa, u16 *out);
must_check bool virtq_store16(struct virtq *q, gpa_t gpa, u16 val);
/* Copies descriptor n of a table. */
must_check bool virtq_desc_read(struct virtq *q, gpa_t table, u32 n, struct virtq_desc *d);
/* One descriptor of data. */
must_check bool virtq_add(struct virtq *q, struct virtq_buf *buf, const struct virtq_desc *d);
/* Checks a descriptor of an indirect table; the number of its entries, 0 with the device broken. */
must_check u32 virtq_indirect_len(struct virtq *q, const struct virtq_desc *d);
/* False, always. */
bool virtq_wrong(struct virtq *q, const char *why);

/* Passed `event` on the way from `old` to `now`. */
static inline bool virtq_passed(u16 event, u16 now, u16 old)
{
    return (u16)(now - event - 1) < (u16)(now - old);
}

/* The layouts. pop: 1 taken, 0 there is none, -1 broken. */
int split_pop(struct virtq *q, struct virtq_buf *buf);
void split_unpop(struct virtq *q);
void split_push(struct virtq *q, const struct virtq_head *heads, const u32 *written, unsigned n);
bool split_wants_interrupt(struct virtq *q);
bool split_pending(struct virtq *q);
void split_want_notify(struct virtq *q, bool on);

int packed_pop(struct virtq *q, struct virtq_buf *buf);
void packed_unpop(struct virtq *q, u16 slots);
void packed_push(struct virtq *q, const struct virtq_head *heads, const u32 *written, unsigned n);
bool packed_wants_interrupt(struct virtq *q);
bool packed_pending(struct virtq *q);
void packed_want_notify(struct virtq *q, bool on);
