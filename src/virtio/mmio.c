/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio over MMIO, version 2 of the interface (VIRTIO 1.2, section 4.2). Left out: the legacy
 * interface, shared memory regions. Runs under the machine's lock.
 */
#include "virtio/mmio.h"

#include <errno.h>
#include <stdlib.h>

#define MAGIC   0x74726976u /* "virt" */
#define VERSION 2u
#define VENDOR  0x554d4551u /* drivers know QEMU's */

#define IRQ_QUEUE  1u
#define IRQ_CONFIG 2u

enum {
    MAGIC_VALUE = 0x000,
    VERSION_REG = 0x004,
    DEVICE_ID = 0x008,
    VENDOR_ID = 0x00c,
    DEVICE_FEATURES = 0x010,
    DEVICE_FEATURES_SEL = 0x014,
    DRIVER_FEATURES = 0x020,
    DRIVER_FEATURES_SEL = 0x024,
    QUEUE_SEL = 0x030,
    QUEUE_NUM_MAX = 0x034,
    QUEUE_NUM = 0x038,
    QUEUE_READY = 0x044,
    QUEUE_NOTIFY = 0x050,
    INTERRUPT_STATUS = 0x060,
    INTERRUPT_ACK = 0x064,
    STATUS = 0x070,
    QUEUE_DESC = 0x080,
    QUEUE_DRIVER = 0x090,
    QUEUE_DEVICE = 0x0a0,
    SHM_SEL = 0x0ac,
    SHM_LEN = 0x0b0, /* … to the end of SHM_BASE: all ones, there are none */
    SHM_END = 0x0c0,
    QUEUE_RESET = 0x0c0,
    CONFIG_GENERATION = 0x0fc,
    CONFIG = 0x100,
};

struct virtio_mmio {
    struct bus *mmio;
    struct irq irq;
    struct virtio *dev;
    u32 device_select, driver_select, queue_select;
    u32 interrupt;
};

static void drive_line(struct virtio_mmio *v)
{
    irq_set(&v->irq, v->interrupt);
}

static void queue_interrupt(void *opaque, struct virtq *q)
{
    struct virtio_mmio *v = opaque;

    v->interrupt |= IRQ_QUEUE;
    drive_line(v);
}

static void config_interrupt(void *opaque)
{
    struct virtio_mmio *v = opaque;

    v->interrupt |= IRQ_CONFIG;
    drive_line(v);
}

static const struct virtio_transport transport = {.queue_interrupt = queue_interrupt,
                                                  .config_interrupt = config_interrupt};

static u32 read_reg(struct virtio_mmio *v, u64 off)
{
    struct virtio *dev = v->dev;
    const struct virtq *q = virtio_queue(dev, v->queue_select);

    switch (off) {
    case MAGIC_VALUE:
        return MAGIC;
    case VERSION_REG:
        return VERSION;
    case DEVICE_ID:
        return dev->type;
    case VENDOR_ID:
        return VENDOR;
    case DEVICE_FEATURES:
        return virtio_features(dev, v->device_select, false);
    case QUEUE_NUM_MAX:
        return q ? q->size_max : 0;
    case QUEUE_READY:
        return q ? q->ready : 0;
    case INTERRUPT_STATUS:
        return v->interrupt;
    case STATUS:
        return dev->status;
    case CONFIG_GENERATION:
        return dev->config_generation;
    default:
        return off >= SHM_LEN && off < SHM_END ? 0xffffffffu : 0;
    }
}

static void set_half(u64 *field, unsigned shift, u32 val)
{
    *field = (*field & ~(0xffffffffull << shift)) | (u64)val << shift;
}

static void set_ready(struct virtio_mmio *v, struct virtq *q, u32 val)
{
    if (!(val & 1)) {
        if (q->ready) /* stops it; in flight is what was in flight */
            virtio_queue_reset(v->dev, q);
        return;
    }
    if (q->ready || !(v->dev->status & VIRTIO_FEATURES_OK))
        return;
    if (virtq_enable(q)) {
        virtio_break(v->dev, "a queue's size or addresses cannot be");
        return;
    }
    virtio_notify(v->dev, q->index);
}

static void write_queue(struct virtio_mmio *v, struct virtq *q, u64 off, u32 val)
{
    if (off == QUEUE_READY) {
        set_ready(v, q, val);
    } else if (off == QUEUE_RESET) {
        if (val == 1 && virtio_has(v->dev, VIRTIO_F_RING_RESET))
            virtio_queue_reset(v->dev, q);
    } else if (q->ready) {
        return;
    } else if (off == QUEUE_NUM) {
        q->size = val > q->size_max ? 0 : (u16)val;
    } else if ((off & ~4ull) == QUEUE_DESC) {
        set_half(&q->desc, 8 * (off & 4), val);
    } else if ((off & ~4ull) == QUEUE_DRIVER) {
        set_half(&q->driver, 8 * (off & 4), val);
    } else if ((off & ~4ull) == QUEUE_DEVICE) {
        set_half(&q->device, 8 * (off & 4), val);
    }
}

static void reset_registers(struct virtio_mmio *v)
{
    v->device_select = v->driver_select = v->queue_select = 0;
    v->interrupt = 0;
    drive_line(v);
}

static void write_reg(struct virtio_mmio *v, u64 off, u32 val)
{
    struct virtq *q = virtio_queue(v->dev, v->queue_select);

    switch (off) {
    case DEVICE_FEATURES_SEL:
        v->device_select = val;
        break;
    case DRIVER_FEATURES:
        virtio_accept(v->dev, v->driver_select, val);
        break;
    case DRIVER_FEATURES_SEL:
        v->driver_select = val;
        break;
    case QUEUE_SEL:
        v->queue_select = val;
        break;
    case QUEUE_NOTIFY:
        virtio_notify(v->dev, val);
        break;
    case INTERRUPT_ACK:
        v->interrupt &= ~val;
        drive_line(v);
        break;
    case STATUS:
        if (!(u8)val)
            reset_registers(v);
        virtio_set_status(v->dev, (u8)val, false);
        break;
    default:
        if (q)
            write_queue(v, q, off, val);
    }
}

static u64 mmio_read(void *opaque, u64 off, unsigned size)
{
    struct virtio_mmio *v = opaque;

    if (off >= CONFIG)
        return virtio_config_read(v->dev, off - CONFIG, size);
    return size == 4 ? read_reg(v, off) : 0; /* 4.2.2.2: registers are 32 bits wide */
}

static void mmio_write(void *opaque, u64 off, unsigned size, u64 val)
{
    struct virtio_mmio *v = opaque;

    if (off >= CONFIG)
        virtio_config_write(v->dev, off - CONFIG, size, (u32)val);
    else if (size == 4)
        write_reg(v, off, (u32)val);
}

static const struct bus_ops ops = {.read = mmio_read, .write = mmio_write, .max_size = 4};

int virtio_mmio_new(struct virtio_mmio **out, struct bus *mmio, u64 base, struct irq irq,
                    struct virtio *dev)
{
    struct virtio_mmio *v = calloc(1, sizeof(*v));
    int rc;

    if (!v)
        return -ENOMEM;
    *v = (struct virtio_mmio){.mmio = mmio, .irq = irq, .dev = dev};
    rc = bus_claim(mmio, base, base + VIRTIO_MMIO_LEN - 1, &ops, v, "virtio");
    if (rc) {
        free(v);
        return rc;
    }
    virtio_connect(dev, &transport, v);
    virtio_set_dma(dev, true);
    *out = v;
    return 0;
}

void virtio_mmio_reset(struct virtio_mmio *v)
{
    reset_registers(v);
    virtio_reset(v->dev);
}

void virtio_mmio_free(struct virtio_mmio *v)
{
    if (!v)
        return;
    virtio_connect(v->dev, NULL, NULL);
    bus_release(v->mmio, v);
    free(v);
}

static const struct state_field fields[] = {
    STATE_UINT(struct virtio_mmio, device_select),
    STATE_UINT(struct virtio_mmio, driver_select),
    STATE_UINT(struct virtio_mmio, queue_select),
    STATE_UINT(struct virtio_mmio, interrupt),
    STATE_END,
};

static int loaded(void *opaque)
{
    struct virtio_mmio *v = opaque;

    if (v->interrupt & ~(IRQ_QUEUE | IRQ_CONFIG))
        return -EINVAL;
    drive_line(v);
    return 0;
}

const struct state_table virtio_mmio_state = {
    .name = "virtio-mmio", .version = 1, .oldest = 1, .fields = fields, .loaded = loaded};
