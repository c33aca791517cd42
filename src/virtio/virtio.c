/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See virtio.h. Sections 2 and 3 of the specification: status, features, configuration space. */
#include "virtio/virtio.h"
#include "base/le.h"
#include "virtio/worker.h"

#include <errno.h>
#include <string.h>

#define LEGACY_FEATURES 0xffffffffull

/* Those that used their turn up, and after a saved state was loaded all. */
static void on_go_on(void *opaque)
{
    struct virtio *dev = opaque;

    virtio_lock(dev);
    for (unsigned n = 0; n < dev->nqueues; n++)
        if (dev->queue[n].starved) {
            dev->queue[n].starved = false;
            virtio_notify(dev, n);
        }
    virtio_unlock(dev);
}

void virtio_go_on(struct virtq *q)
{
    if (q->dev->worker) {
        virtio_worker_kick(q->dev->worker, q->index);
        return;
    }
    q->starved = true;
    timer_set(q->dev->clk, &q->dev->go_on, clock_now(q->dev->clk));
}

void virtio_dispose(struct virtio *dev)
{
    timer_cancel(dev->clk, &dev->go_on);
}

static u64 ring_features(const struct virtio_rings *rings)
{
    return (u64)rings->packed << VIRTIO_F_RING_PACKED |
           (u64)!rings->no_event_idx << VIRTIO_F_EVENT_IDX |
           (u64)!rings->no_indirect << VIRTIO_F_INDIRECT_DESC;
}

void virtio_init(struct virtio *dev, const struct virtio_init *init)
{
    memset(dev, 0, sizeof(*dev));
    BUG_ON(init->config_len > VIRTIO_CONFIG_MAX);
    dev->name = init->name;
    dev->type = init->type;
    dev->class = init->class;
    dev->ops = init->ops;
    dev->opaque = init->opaque;
    dev->mem = init->mem;
    dev->clk = init->clk;
    dev->lock = init->lock;
    timer_init(&dev->go_on, on_go_on, dev);
    dev->offered = init->features | ring_features(&init->rings) | BIT64(VIRTIO_F_VERSION_1);
    if (init->ops->queue_reset)
        dev->offered |= BIT64(VIRTIO_F_RING_RESET);
    dev->config_len = init->config_len;
}

struct virtq *virtio_add_queue(struct virtio *dev, u16 size)
{
    struct virtq *q = &dev->queue[dev->nqueues];

    BUG_ON(dev->nqueues == VIRTIO_QUEUES || size > VIRTQ_SIZE_MAX);
    *q = (struct virtq){
        .dev = dev, .index = (u16)dev->nqueues++, .size_max = size, .budget = VIRTQ_NO_LIMIT};
    virtq_reset(q);
    return q;
}

void virtio_connect(struct virtio *dev, const struct virtio_transport *t, void *opaque)
{
    dev->transport = t;
    dev->transport_opaque = opaque;
}

static void notify_all(struct virtio *dev)
{
    for (unsigned n = 0; n < dev->nqueues; n++)
        virtio_notify(dev, n);
}

void virtio_hold(struct virtio *dev, bool on)
{
    bool was = dev->held;

    dev->held = on;
    if (was && !on)
        notify_all(dev);
}

void virtio_set_dma(struct virtio *dev, bool can)
{
    bool could = dev->can_dma;

    dev->can_dma = can;
    if (can && !could && virtio_live(dev))
        notify_all(dev);
    if (can || !could || !dev->ops->drain)
        return;
    dev->ending = true; /* nothing new is taken meanwhile */
    dev->ops->drain(dev->opaque);
    dev->ending = false;
}

void virtio_reset(struct virtio *dev)
{
    dev->status = 0;
    dev->accepted = 0;
    dev->legacy = dev->broken = false;
    dev->why = NULL;
    timer_cancel(dev->clk, &dev->go_on);
    for (unsigned n = 0; n < dev->nqueues; n++)
        virtq_reset(&dev->queue[n]);
    if (dev->ops->reset)
        dev->ops->reset(dev->opaque);
}

static void config_interrupt(struct virtio *dev)
{
    if (dev->transport && dev->status & VIRTIO_DRIVER_OK && dev->can_dma)
        dev->transport->config_interrupt(dev->transport_opaque);
}

void virtio_break(struct virtio *dev, const char *why)
{
    if (dev->broken)
        return;
    dev->broken = true;
    dev->why = why;
    if (dev->legacy) /* knows no such bit */
        return;
    dev->status |= VIRTIO_NEEDS_RESET;
    config_interrupt(dev);
}

void virtio_config_changed(struct virtio *dev)
{
    dev->config_generation++;
    config_interrupt(dev);
}

/* Whether the driver may go on with what it has accepted. */
static bool features_agree(const struct virtio *dev)
{
    return !(dev->accepted & ~dev->offered) && virtio_has(dev, VIRTIO_F_VERSION_1);
}

static void start(struct virtio *dev)
{
    if (dev->ops->started)
        dev->ops->started(dev->opaque);
    notify_all(dev);
}

void virtio_set_status(struct virtio *dev, u8 status, bool legacy)
{
    u8 was = dev->status, known = VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_DRIVER_OK |
                                  VIRTIO_FEATURES_OK | VIRTIO_FAILED;

    if (!status) {
        virtio_reset(dev);
        return;
    }
    legacy &= !(was & VIRTIO_FEATURES_OK);
    if (legacy) {
        dev->legacy = true;
        known &= (u8)~VIRTIO_FEATURES_OK;
        dev->accepted &= dev->offered & LEGACY_FEATURES;
    }
    /* Bits are only ever added. */
    status = (u8)((status & known) | was);
    if (status & ~was & VIRTIO_FEATURES_OK && !features_agree(dev))
        status &= (u8)~VIRTIO_FEATURES_OK;
    if (!legacy && !(status & VIRTIO_FEATURES_OK))
        status &= (u8)~VIRTIO_DRIVER_OK;
    dev->status = status;
    if (status & ~was & VIRTIO_DRIVER_OK)
        start(dev);
}

u32 virtio_features(const struct virtio *dev, u32 n, bool legacy)
{
    if (legacy)
        return n ? 0 : (u32)(dev->offered | BIT64(VIRTIO_F_ANY_LAYOUT));
    return n < 2 ? (u32)(dev->offered >> 32 * n) : 0;
}

void virtio_accept(struct virtio *dev, u32 n, u32 features)
{
    if (n > 1 || dev->status & (VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK))
        return;
    dev->accepted &= ~(LEGACY_FEATURES << 32 * n);
    dev->accepted |= (u64)features << 32 * n;
}

u32 virtio_accepted(const struct virtio *dev, u32 n)
{
    return n < 2 ? (u32)(dev->accepted >> 32 * n) : 0;
}

u32 virtio_config_read(struct virtio *dev, u64 off, unsigned size)
{
    u32 val = 0;

    if (dev->ops->config_read)
        dev->ops->config_read(dev->opaque);
    if (off < dev->config_len)
        memcpy(&val, dev->config + off, min_u64(size, dev->config_len - off));
    return val;
}

void virtio_config_write(struct virtio *dev, u64 off, unsigned size, u32 val)
{
    bool any = false;

    for (unsigned i = 0; i < size && off + i < dev->config_len; i++) {
        u8 mask = dev->config_wmask[off + i], *p = &dev->config[off + i];
        *p = (u8)((*p & ~mask) | (u8)(val >> 8 * i & mask));
        any |= mask;
    }
    if (any && dev->ops->config_written)
        dev->ops->config_written(dev->opaque, (unsigned)off, size);
}

struct virtq *virtio_queue(struct virtio *dev, u32 n)
{
    return n < dev->nqueues ? &dev->queue[n] : NULL;
}

void virtio_notify(struct virtio *dev, u32 n)
{
    struct virtq *q = virtio_queue(dev, n);

    if (!q || !q->ready || !virtio_live(dev) || !dev->ops->notify || q->budget != VIRTQ_NO_LIMIT)
        return;
    q->budget = q->size;
    dev->ops->notify(dev->opaque, q);
    q->budget = VIRTQ_NO_LIMIT;
}

bool virtio_notify_unlocked(struct virtio *dev, u32 n)
{
    if (!dev->lock)
        return false;
    if (dev->worker) {
        virtio_worker_kick(dev->worker, n);
        return true;
    }
    pthread_mutex_lock(dev->lock);
    virtio_notify(dev, n);
    pthread_mutex_unlock(dev->lock);
    return true;
}

void virtio_queue_reset(struct virtio *dev, struct virtq *q)
{
    virtq_reset(q);
    if (dev->ops->queue_reset)
        dev->ops->queue_reset(dev->opaque, q);
}

const struct state_field virtio_fields[] = {
    STATE_UINT(struct virtio, accepted),
    STATE_UINT(struct virtio, status),
    STATE_BOOL(struct virtio, legacy),
    STATE_BOOL(struct virtio, broken),
    STATE_ARRAY(struct virtio, config),
    STATE_UINT(struct virtio, config_generation),
    STATE_STRUCTS(struct virtio, queue, VIRTIO_QUEUES, virtq_fields),
    STATE_END,
};

int virtio_loaded(struct virtio *dev)
{
    if (dev->accepted & ~(dev->offered | BIT64(VIRTIO_F_ANY_LAYOUT)) &&
        dev->status & (VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK))
        return -EINVAL;
    if (dev->status & VIRTIO_DRIVER_OK && !dev->legacy && !virtio_has(dev, VIRTIO_F_VERSION_1))
        return -EINVAL;
    if (dev->legacy && dev->accepted >> 32)
        return -EINVAL;
    for (unsigned n = 0; n < VIRTIO_QUEUES; n++) {
        int rc = n < dev->nqueues ? virtq_loaded(&dev->queue[n]) : 0;
        if (rc || (n >= dev->nqueues && dev->queue[n].ready))
            return -EINVAL;
    }
    for (unsigned n = 0; n < dev->nqueues; n++)
        if (dev->queue[n].ready)
            virtio_go_on(&dev->queue[n]);
    if (dev->broken && !dev->why)
        dev->why = "as it was when it was saved";
    return 0;
}
