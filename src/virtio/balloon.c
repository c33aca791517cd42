/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory balloon (VIRTIO 1.2, section 5.5): pages that the guest gives, and those that it reports
 * as free, go back to the host and read as zeros when they are used again. Statistics are kept as
 * the driver reports them. Left out: free page hints, which serve a migration; page poison.
 * Runs under the machine's lock.
 */
#include "virtio/balloon.h"
#include "base/le.h"

#include <errno.h>
#include <stdlib.h>

#define F_MUST_TELL_HOST 0u
#define F_STATS_VQ       1u
#define F_DEFLATE_ON_OOM 2u
#define F_REPORTING      5u

/* Queues by name: which there are depends on what the driver accepts (5.5.2). */
enum { INFLATE, DEFLATE, STATS, REPORTING, KINDS };

#define QUEUE_SIZE    128u
#define CFG_NUM_PAGES 0u
#define CFG_ACTUAL    4u
#define CFG_LEN       8u
#define STAT_LEN      10u
#define PFNS          1024u /* of one buffer that are looked at; drivers send no more */

struct virtio_balloon {
    struct virtio virtio;
    struct virtio_balloon_config cfg;
    struct timer tell;
    struct virtio_balloon_stats stats;
    bool has_stats; /* a buffer of the statistics queue is here */
    struct virtq_head stats_head;
    struct virtq_buf buf;
};

/* Queue 2 is the one for statistics; the others move down where that is not negotiated. */
static unsigned kind_of(const struct virtio_balloon *b, const struct virtq *q)
{
    unsigned n = q->index;

    if (n >= STATS && !virtio_has(&b->virtio, F_STATS_VQ))
        n++;
    return n;
}

static void inflate(struct virtio_balloon *b, struct virtq *q, bool gives)
{
    u8 raw[4 * PFNS];

    while (virtq_pop(q, &b->buf)) {
        u64 n = gives ? virtq_read(&b->buf, 0, raw, sizeof(raw)) : 0;
        for (u64 i = 0; i + 4 <= n; i += 4)
            if (mem_discard(b->virtio.mem, (u64)le32(raw + i) << PAGE_SHIFT))
                continue; /* no RAM there, or the host cannot: nothing is gained */
        virtq_push(q, b->buf.head, 0);
    }
    virtq_interrupt(q);
}

/* Whole pages of what the driver says is free; their contents may be lost (5.5.6.7). */
static void report(struct virtio_balloon *b, struct virtq *q)
{
    struct mem *mem = b->virtio.mem;

    while (virtq_pop(q, &b->buf)) {
        for (unsigned i = 0; i < b->buf.nin; i++) {
            const struct iovec *v = &b->buf.iov[b->buf.nout + i];
            u64 at = (u64)((u8 *)v->iov_base - mem->ram), end = at + v->iov_len;
            mem_discard_host(mem, align_up(at, PAGE_SIZE), end & PAGE_MASK);
        }
        virtq_push(q, b->buf.head, 0);
    }
    virtq_interrupt(q);
}

/* The buffer is kept until there is a question. */
static void read_stats(struct virtio_balloon *b)
{
    u8 raw[STAT_LEN];

    for (u64 at = 0; at < STAT_LEN * VIRTIO_BALLOON_STATS * 4; at += STAT_LEN) {
        u16 tag;
        if (virtq_read(&b->buf, at, raw, STAT_LEN) != STAT_LEN)
            break;
        tag = le16(raw);
        if (tag >= VIRTIO_BALLOON_STATS)
            continue;
        b->stats.known[tag] = true;
        b->stats.value[tag] = le64(raw + 2);
    }
    b->stats.updated = clock_wall(b->virtio.clk) / NSEC_PER_SEC;
    b->stats_head = b->buf.head;
    b->has_stats = true;
}

/* Until there is none: only then does the driver tell of the next one. */
static void take_stats(struct virtio_balloon *b, struct virtq *q)
{
    while (virtq_pop(q, &b->buf)) {
        if (b->has_stats) /* a driver has one; a second one is an answer to nothing */
            virtq_push(q, b->stats_head, 0);
        read_stats(b);
    }
}

static void notify(void *opaque, struct virtq *q)
{
    struct virtio_balloon *b = opaque;

    switch (kind_of(b, q)) {
    case INFLATE:
        inflate(b, q, true);
        break;
    case DEFLATE:
        inflate(b, q, false);
        break;
    case STATS:
        take_stats(b, q);
        break;
    case REPORTING:
        if (virtio_has(&b->virtio, F_REPORTING))
            report(b, q);
        break;
    }
}

static void reset(void *opaque)
{
    struct virtio_balloon *b = opaque;

    b->has_stats = false;
    b->stats = (struct virtio_balloon_stats){.known = {false}};
    put_le32(b->virtio.config + CFG_ACTUAL, 0);
}

/* `actual` may be written as often as the guest likes. */
static void config_written(void *opaque, unsigned off, unsigned size)
{
    struct virtio_balloon *b = opaque;
    struct clock *clk = b->virtio.clk;

    if (b->cfg.moved && !timer_pending(clk, &b->tell))
        timer_set(clk, &b->tell, clock_now(clk) + NSEC_PER_SEC);
}

static void on_tell(void *opaque)
{
    struct virtio_balloon *b = opaque;

    b->cfg.moved(b->cfg.opaque);
}

static const struct virtio_ops ops = {
    .notify = notify, .reset = reset, .config_written = config_written};

int virtio_balloon_new(struct virtio_balloon **out, struct mem *mem, struct clock *clk,
                       const struct virtio_balloon_config *cfg)
{
    struct virtio_balloon *b = calloc(1, sizeof(*b));
    struct virtio_init init = {.name = "virtio-balloon",
                               .type = VIRTIO_BALLOON,
                               .class = 0x00ff,
                               .ops = &ops,
                               .opaque = b,
                               .mem = mem,
                               .clk = clk,
                               .features = BIT64(F_STATS_VQ) | BIT64(F_DEFLATE_ON_OOM) |
                                           BIT64(F_REPORTING) | BIT64(F_MUST_TELL_HOST),
                               .config_len = CFG_LEN};

    if (!b)
        return -ENOMEM;
    virtio_init(&b->virtio, &init);
    for (unsigned n = 0; n < KINDS; n++)
        virtio_add_queue(&b->virtio, QUEUE_SIZE);
    put_le32(b->virtio.config_wmask + CFG_ACTUAL, 0xffffffff);
    b->cfg = *cfg;
    timer_init(&b->tell, on_tell, b);
    *out = b;
    return 0;
}

void virtio_balloon_free(struct virtio_balloon *b)
{
    if (!b)
        return;
    timer_cancel(b->virtio.clk, &b->tell);
    virtio_dispose(&b->virtio);
    free(b);
}

struct virtio *virtio_balloon_dev(struct virtio_balloon *b)
{
    return &b->virtio;
}

void virtio_balloon_set(struct virtio_balloon *b, u64 bytes)
{
    put_le32(b->virtio.config + CFG_NUM_PAGES, (u32)min_u64(bytes >> PAGE_SHIFT, UINT32_MAX));
    virtio_config_changed(&b->virtio);
}

u64 virtio_balloon_actual(const struct virtio_balloon *b)
{
    return (u64)le32(b->virtio.config + CFG_ACTUAL) << PAGE_SHIFT;
}

bool virtio_balloon_ask(struct virtio_balloon *b)
{
    struct virtq *q = &b->virtio.queue[STATS];

    if (!b->has_stats || !virtio_live(&b->virtio))
        return false;
    b->has_stats = false;
    virtq_push(q, b->stats_head, 0);
    virtq_interrupt(q);
    return true;
}

const struct virtio_balloon_stats *virtio_balloon_stats(const struct virtio_balloon *b)
{
    return &b->stats;
}

static const struct state_field head_fields[] = {
    STATE_UINT(struct virtq_head, id),
    STATE_UINT(struct virtq_head, slots),
    STATE_END,
};

static const struct state_field fields[] = {
    STATE_STRUCTS(struct virtio_balloon, virtio, 1, virtio_fields),
    STATE_BOOL(struct virtio_balloon, has_stats),
    STATE_STRUCTS(struct virtio_balloon, stats_head, 1, head_fields),
    STATE_END,
};

static int loaded(void *opaque)
{
    struct virtio_balloon *b = opaque;
    const struct virtq *q = &b->virtio.queue[STATS];
    int rc = virtio_loaded(&b->virtio);

    b->stats_head.generation = q->generation;
    for (unsigned n = 0; n < b->virtio.nqueues && !rc; n++)
        if (b->virtio.queue[n].in_use != (n == STATS && b->has_stats ? b->stats_head.slots : 0))
            rc = -EINVAL;
    if (b->has_stats && (!b->stats_head.slots || (!q->packed && b->stats_head.slots != 1)))
        rc = -EINVAL;
    return rc;
}

const struct state_table virtio_balloon_state = {
    .name = "virtio-balloon", .version = 1, .oldest = 1, .fields = fields, .loaded = loaded};
