/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entropy device (VIRTIO 1.2, section 5.4). A buffer gets at most CHUNK bytes, which the driver
 * allows for; with a rate, what is given is counted by the second. Under the machine's lock.
 */
#include "virtio/rng.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define QUEUE_SIZE 8u
#define CHUNK      4096u

struct virtio_rng {
    struct virtio virtio;
    struct clock *clk;
    struct virtio_rng_config cfg;
    struct timer timer;
    u64 period; /* the second that is counted … */
    u32 given;  /* … and what was given in it */
    u8 bytes[CHUNK];
    struct virtq_buf buf;
};

static void from_host(void *opaque, u8 *to, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t r = getrandom(to + done, len - done, 0);
        if (r > 0)
            done += (size_t)r;
    }
}

/* How much may be given now; arms the timer where that is nothing. */
static u32 allowance(struct virtio_rng *r)
{
    u64 second = clock_now(r->clk) / NSEC_PER_SEC;

    if (!r->cfg.rate)
        return CHUNK;
    if (second != r->period) {
        r->period = second;
        r->given = 0;
    }
    if (r->given < r->cfg.rate)
        return (u32)min_u64(CHUNK, r->cfg.rate - r->given);
    timer_set(r->clk, &r->timer, (second + 1) * NSEC_PER_SEC);
    return 0;
}

static void serve(struct virtio_rng *r)
{
    struct virtq *q = &r->virtio.queue[0];
    u32 allowed;

    while ((allowed = allowance(r)) && virtq_pop(q, &r->buf)) {
        size_t len = min_u64(r->buf.in_len, allowed);
        r->cfg.fill(r->cfg.opaque, r->bytes, len);
        virtq_write(q, &r->buf, 0, r->bytes, len);
        virtq_push(q, r->buf.head, (u32)len);
        r->given += (u32)len;
    }
    virtq_interrupt(q);
}

static void notify(void *opaque, struct virtq *q)
{
    serve(opaque);
}

static void on_timer(void *opaque)
{
    serve(opaque);
}

static void reset(void *opaque)
{
    struct virtio_rng *r = opaque;

    timer_cancel(r->clk, &r->timer);
}

static const struct virtio_ops ops = {.notify = notify, .reset = reset};

int virtio_rng_new(struct virtio_rng **out, struct mem *mem, struct clock *clk,
                   const struct virtio_rng_config *cfg)
{
    struct virtio_rng *r = calloc(1, sizeof(*r));
    struct virtio_init init = {.name = "virtio-rng",
                               .type = VIRTIO_RNG,
                               .class = 0x00ff,
                               .ops = &ops,
                               .opaque = r,
                               .mem = mem,
                               .clk = clk,
                               .features = BIT64(VIRTIO_F_IN_ORDER)};

    if (!r)
        return -ENOMEM;
    r->clk = clk;
    r->cfg = *cfg;
    if (!r->cfg.fill)
        r->cfg.fill = from_host;
    timer_init(&r->timer, on_timer, r);
    virtio_init(&r->virtio, &init);
    virtio_add_queue(&r->virtio, QUEUE_SIZE);
    *out = r;
    return 0;
}

void virtio_rng_free(struct virtio_rng *r)
{
    if (!r)
        return;
    timer_cancel(r->clk, &r->timer);
    virtio_dispose(&r->virtio);
    free(r);
}

struct virtio *virtio_rng_dev(struct virtio_rng *r)
{
    return &r->virtio;
}

static const struct state_field fields[] = {
    STATE_STRUCTS(struct virtio_rng, virtio, 1, virtio_fields),
    STATE_UINT(struct virtio_rng, period),
    STATE_UINT(struct virtio_rng, given),
    STATE_END,
};

static int loaded(void *opaque)
{
    struct virtio_rng *r = opaque;
    int rc = virtio_loaded(&r->virtio);

    if (rc || r->virtio.queue[0].in_use)
        return -EINVAL;
    return 0;
}

const struct state_table virtio_rng_state = {
    .name = "virtio-rng", .version = 1, .oldest = 1, .fields = fields, .loaded = loaded};
