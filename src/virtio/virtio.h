/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every virtio device is made of (Virtual I/O Device (VIRTIO) 1.2): status, features,
 * configuration space and queues (virtq.h). A device (blk.h …) embeds a struct virtio and has the
 * ops; a transport (pci.h, mmio.h) is put before it and gives the driver access. Neither knows the
 * other. The guest's driver is hostile: one that breaks the rules of a queue finds
 * DEVICE_NEEDS_RESET set, and its queues stand still until it resets the device.
 *
 * Under the machine's lock, but for what says otherwise. A device that is served by threads of its
 * own has a lock that is taken after the machine's and guards all of it; its functions are called
 * under that one, and under the machine's too where they are a transport's or a timer's.
 */
#pragma once
#include "base/state.h"
#include "bus/clock.h"
#include "mem/mem.h"
#include "virtio/virtq.h"

/* Device types, chapter 5. */
#define VIRTIO_NET     1u
#define VIRTIO_BLK     2u
#define VIRTIO_CONSOLE 3u
#define VIRTIO_RNG     4u
#define VIRTIO_BALLOON 5u
#define VIRTIO_SCSI    8u
#define VIRTIO_9P      9u
#define VIRTIO_GPU     16u
#define VIRTIO_INPUT   18u
#define VIRTIO_VSOCK   19u

/* Status, section 2.1. */
#define VIRTIO_ACKNOWLEDGE 0x01u
#define VIRTIO_DRIVER      0x02u
#define VIRTIO_DRIVER_OK   0x04u
#define VIRTIO_FEATURES_OK 0x08u
#define VIRTIO_NEEDS_RESET 0x40u
#define VIRTIO_FAILED      0x80u

/* Features of all types, chapter 6, and the legacy one. */
#define VIRTIO_F_ANY_LAYOUT        27u
#define VIRTIO_F_INDIRECT_DESC     28u
#define VIRTIO_F_EVENT_IDX         29u
#define VIRTIO_F_VERSION_1         32u
#define VIRTIO_F_RING_PACKED       34u
#define VIRTIO_F_IN_ORDER          35u
#define VIRTIO_F_NOTIFICATION_DATA 38u
#define VIRTIO_F_RING_RESET        40u

#define VIRTIO_QUEUES     64u  /* of a device at most */
#define VIRTIO_CONFIG_MAX 256u /* bytes of configuration space */
#define VIRTIO_NO_VECTOR  0xffffu

struct virtio;

/* What a type does; NULL where there is nothing to do. `opaque` is the device. */
struct virtio_ops {
    /* There may be new buffers in a queue. Only while the driver is live. */
    void (*notify)(void *opaque, struct virtq *q);
    /* DRIVER_OK was set; each enabled queue is notified after it. */
    void (*started)(void *opaque);
    /* Gives up everything that it has of queues and driver. Nothing of the guest's memory is used
       any more when it returns. Queues and features are cleared already. */
    void (*reset)(void *opaque);
    /* The same for one queue. */
    void (*queue_reset)(void *opaque, struct virtq *q);
    /* Waits for what is under way to be given back. May let go of the lock meanwhile. */
    void (*drain)(void *opaque);
    /* Before configuration space is read, and after bytes that config_wmask allows were written. */
    void (*config_read)(void *opaque);
    void (*config_written)(void *opaque, unsigned off, unsigned size);
};

/* How the device interrupts: the transport's. Under the device's lock; the machine's may not be
   waited for. */
struct virtio_transport {
    void (*queue_interrupt)(void *opaque, struct virtq *q);
    void (*config_interrupt)(void *opaque);
};

struct virtio { /* embedded in a device */
    const char *name;
    u16 type;
    u16 class; /* of PCI: class << 8 | subclass */
    const struct virtio_ops *ops;
    void *opaque;
    struct mem *mem;
    struct clock *clk;
    pthread_mutex_t *lock;        /* its own; NULL: the machine's is enough */
    struct virtio_worker *worker; /* worker.h; NULL: queues are served by whoever notifies */
    struct timer go_on;

    const struct virtio_transport *transport; /* NULL: none yet */
    void *transport_opaque;
    bool can_dma; /* the transport lets it reach memory */
    bool held;    /* as `virtio_hold` says */
    bool ending;  /* … no more, but for what is under way */

    u64 offered, accepted; /* features */
    u8 status;
    bool legacy;     /* driven by a legacy driver: no VERSION_1 */
    bool broken;     /* until reset */
    const char *why; /* … by what; for tests and people */

    u8 config[VIRTIO_CONFIG_MAX], config_wmask[VIRTIO_CONFIG_MAX];
    unsigned config_len;
    u8 config_generation;

    struct virtq queue[VIRTIO_QUEUES];
    unsigned nqueues;
};

/* What a user may choose of a device's rings. */
struct virtio_rings {
    bool packed; /* is offered: the driver's choice */
    bool no_event_idx, no_indirect;
};

struct virtio_init {
    const char *name;
    u16 type, class;
    const struct virtio_ops *ops;
    void *opaque;
    struct mem *mem;
    struct clock *clk;
    pthread_mutex_t *lock; /* not owned; NULL: it is used under the machine's */
    struct virtio_rings rings;
    u64 features; /* of the type, and VIRTIO_F_IN_ORDER where wanted */
    unsigned config_len;
};

/* Features of all types are added. Queues follow with virtio_add_queue. */
void virtio_init(struct virtio *dev, const struct virtio_init *init);
struct virtq *virtio_add_queue(struct virtio *dev, u16 size);
/* Before it is freed. */
void virtio_dispose(struct virtio *dev);
/* As after power-on, also while requests are in flight. May let go of the machine's lock. */
void virtio_reset(struct virtio *dev);

/* While held, for a machine that is paused, its queues stand still: no buffer is taken from them,
   so what comes from the host waits there. */
void virtio_hold(struct virtio *dev, bool on);

/* Where the machine's lock is not enough, or not held. */
static inline void virtio_lock(struct virtio *dev)
{
    if (dev->lock)
        pthread_mutex_lock(dev->lock);
}

static inline void virtio_unlock(struct virtio *dev)
{
    if (dev->lock)
        pthread_mutex_unlock(dev->lock);
}

static inline bool virtio_has(const struct virtio *dev, unsigned feature)
{
    return dev->accepted >> feature & 1;
}

/* Its driver is live and nothing is broken. */
static inline bool virtio_live(const struct virtio *dev)
{
    return dev->status & VIRTIO_DRIVER_OK && !dev->broken && dev->can_dma;
}

/* … or is no longer, but what it had under way is given back. */
static inline bool virtio_gives_back(const struct virtio *dev)
{
    return virtio_live(dev) || (dev->ending && dev->status & VIRTIO_DRIVER_OK && !dev->broken);
}

/* The driver broke a rule: needs reset. `why` is a literal. */
void virtio_break(struct virtio *dev, const char *why);
/* The device's configuration has changed: a new generation, and an interrupt. */
void virtio_config_changed(struct virtio *dev);

/* For transports. */
void virtio_connect(struct virtio *dev, const struct virtio_transport *t, void *opaque);
/* Whether it may reach memory. What is under way ends before it may not. May let go of the lock. */
void virtio_set_dma(struct virtio *dev, bool can);
void virtio_set_status(struct virtio *dev, u8 status, bool legacy);
/* n: 0 low half, 1 high half, others 0. Accepted until FEATURES_OK. */
u32 virtio_features(const struct virtio *dev, u32 n, bool legacy);
void virtio_accept(struct virtio *dev, u32 n, u32 features);
u32 virtio_accepted(const struct virtio *dev, u32 n);
/* Zeros beyond its end; sizes 1, 2, 4. */
u32 virtio_config_read(struct virtio *dev, u64 off, unsigned size);
void virtio_config_write(struct virtio *dev, u64 off, unsigned size, u32 val);
/* NULL if there is no such queue. */
struct virtq *virtio_queue(struct virtio *dev, u32 n);
/* The device's turn with a queue: it takes at most as many buffers as the queue has descriptors,
   since other CPUs may make new ones available all the while; with the rest it goes on by timer. */
void virtio_notify(struct virtio *dev, u32 n);
/* The same, with no lock held. False: the device wants the machine's. */
bool virtio_notify_unlocked(struct virtio *dev, u32 n);
void virtio_go_on(struct virtq *q);
void virtio_queue_reset(struct virtio *dev, struct virtq *q);

/* Of the table of a device, which begins with STATE_STRUCTS(struct x, virtio, 1, virtio_fields) and
   calls virtio_loaded first. The transport's table is loaded before the device's. */
extern const struct state_field virtio_fields[];
must_check int virtio_loaded(struct virtio *dev);
