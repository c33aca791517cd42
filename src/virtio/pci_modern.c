/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The modern interface (4.1.4): common configuration, ISR status, device configuration, notify. */
#include "base/le.h"
#include "virtio/pci_priv.h"

enum {
    DEVICE_FEATURE_SELECT = 0x00,
    DEVICE_FEATURE = 0x04,
    DRIVER_FEATURE_SELECT = 0x08,
    DRIVER_FEATURE = 0x0c,
    CONFIG_VECTOR = 0x10,
    NUM_QUEUES = 0x12,
    DEVICE_STATUS = 0x14,
    CONFIG_GENERATION = 0x15,
    QUEUE_SELECT = 0x16,
    QUEUE_SIZE = 0x18,
    QUEUE_VECTOR = 0x1a,
    QUEUE_ENABLE = 0x1c,
    QUEUE_NOTIFY_OFF = 0x1e,
    QUEUE_DESC = 0x20,
    QUEUE_DRIVER = 0x28,
    QUEUE_DEVICE = 0x30,
    QUEUE_NOTIFY_DATA = 0x38,
    QUEUE_RESET = 0x3a,
};

/* All of it, as it is now. Fields of a queue that there is not are 0. */
static void fill_common(struct virtio_pci *v, u8 *c)
{
    const struct virtio *dev = v->dev;
    const struct virtq *q = virtio_pci_queue(v);

    put_le32(c + DEVICE_FEATURE_SELECT, v->device_select);
    put_le32(c + DEVICE_FEATURE, virtio_features(dev, v->device_select, false));
    put_le32(c + DRIVER_FEATURE_SELECT, v->driver_select);
    put_le32(c + DRIVER_FEATURE, virtio_accepted(dev, v->driver_select));
    put_le16(c + CONFIG_VECTOR, v->config_vector);
    put_le16(c + NUM_QUEUES, (u16)dev->nqueues);
    c[DEVICE_STATUS] = dev->status;
    c[CONFIG_GENERATION] = dev->config_generation;
    put_le16(c + QUEUE_SELECT, v->queue_select);
    if (!q)
        return;
    put_le16(c + QUEUE_SIZE, q->size);
    put_le16(c + QUEUE_VECTOR, q->vector);
    put_le16(c + QUEUE_ENABLE, q->ready);
    put_le16(c + QUEUE_NOTIFY_OFF, q->index);
    put_le64(c + QUEUE_DESC, q->desc);
    put_le64(c + QUEUE_DRIVER, q->driver);
    put_le64(c + QUEUE_DEVICE, q->device);
    put_le16(c + QUEUE_NOTIFY_DATA, q->index);
}

static void set_half(u64 *field, unsigned shift, u32 val)
{
    *field = (*field & ~(0xffffffffull << shift)) | (u64)val << shift;
}

static void enable(struct virtio_pci *v, struct virtq *q, u32 val)
{
    if (val != 1 || q->ready || !(v->dev->status & VIRTIO_FEATURES_OK))
        return;
    if (virtq_enable(q)) {
        virtio_break(v->dev, "a queue's size or addresses cannot be");
        return;
    }
    virtio_notify(v->dev, q->index); /* after a queue's reset, the driver is live */
}

static void write_queue(struct virtio_pci *v, struct virtq *q, unsigned off, u32 val)
{
    if (off == QUEUE_VECTOR) {
        q->vector = virtio_pci_vector(v, (u16)val);
    } else if (off == QUEUE_RESET) {
        if (val == 1 && virtio_has(v->dev, VIRTIO_F_RING_RESET))
            virtio_queue_reset(v->dev, q);
    } else if (q->ready) {
        return; /* the rest stays while it is enabled */
    } else if (off == QUEUE_ENABLE) {
        enable(v, q, val);
    } else if (off == QUEUE_SIZE) {
        q->size = (u16)val;
    } else if (off == QUEUE_DESC || off == QUEUE_DESC + 4) {
        set_half(&q->desc, 8 * (off & 4), val);
    } else if (off == QUEUE_DRIVER || off == QUEUE_DRIVER + 4) {
        set_half(&q->driver, 8 * (off & 4), val);
    } else if (off == QUEUE_DEVICE || off == QUEUE_DEVICE + 4) {
        set_half(&q->device, 8 * (off & 4), val);
    }
}

/* Each field in its own width (4.1.3.1); others do nothing. */
static unsigned width_of(unsigned off)
{
    if (off == DEVICE_STATUS || off == CONFIG_GENERATION)
        return 1;
    return off < CONFIG_VECTOR || (off >= QUEUE_DESC && off < QUEUE_NOTIFY_DATA) ? 4 : 2;
}

static void write_common(struct virtio_pci *v, unsigned off, unsigned size, u32 val)
{
    struct virtq *q = virtio_pci_queue(v);

    if (size != width_of(off))
        return;
    switch (off) {
    case DEVICE_FEATURE_SELECT:
        v->device_select = val;
        break;
    case DRIVER_FEATURE_SELECT:
        v->driver_select = val;
        break;
    case DRIVER_FEATURE:
        virtio_accept(v->dev, v->driver_select, val);
        break;
    case CONFIG_VECTOR:
        v->config_vector = virtio_pci_vector(v, (u16)val);
        break;
    case DEVICE_STATUS:
        virtio_pci_set_status(v, (u8)val, false);
        break;
    case QUEUE_SELECT:
        v->queue_select = (u16)val;
        break;
    default:
        if (q)
            write_queue(v, q, off, val);
    }
}

static u64 read_any(struct virtio_pci *v, u64 off, unsigned size)
{
    u8 common[COMMON_CFG_LEN] = {0};
    u32 val = 0;

    if (off >= MODERN_NOTIFY)
        return 0;
    if (off >= MODERN_DEVICE)
        return virtio_config_read(v->dev, off - MODERN_DEVICE, size);
    if (off >= MODERN_ISR)
        return off == MODERN_ISR ? virtio_pci_take_isr(v) : 0;
    if (off + size > sizeof(common))
        return 0;
    fill_common(v, common);
    memcpy(&val, common + off, size);
    return val;
}

/* In front of the modern interface. */
static u64 vga_read(const struct virtio_pci *v, u64 off, unsigned size)
{
    return off < VGA_REGS_LEN ? v->vga.regs->read(v->vga.opaque, off, size) : 0;
}

static u64 modern_read(void *opaque, u64 off, unsigned size)
{
    struct virtio_pci *v = opaque;
    u64 val;

    if (off < v->modern_at)
        return vga_read(v, off, size);
    virtio_lock(v->dev);
    val = read_any(v, off - v->modern_at, size);
    virtio_unlock(v->dev);
    return val;
}

static u32 queue_at(u64 off)
{
    return (u32)(off - MODERN_NOTIFY) / NOTIFY_STRIDE;
}

static void write_any(struct virtio_pci *v, u64 off, unsigned size, u64 val)
{
    if (off >= MODERN_NOTIFY)
        virtio_notify(v->dev, queue_at(off));
    else if (off >= MODERN_DEVICE)
        virtio_config_write(v->dev, off - MODERN_DEVICE, size, (u32)val);
    else if (off + size <= COMMON_CFG_LEN)
        write_common(v, (unsigned)off, size, (u32)val);
}

static void modern_write(void *opaque, u64 off, unsigned size, u64 val)
{
    struct virtio_pci *v = opaque;

    if (off < v->modern_at) {
        if (off < VGA_REGS_LEN)
            v->vga.regs->write(v->vga.opaque, off, size, val);
        return;
    }
    virtio_lock(v->dev);
    write_any(v, off - v->modern_at, size, val);
    virtio_unlock(v->dev);
}

static bool modern_write_unlocked(void *opaque, u64 off, unsigned size, u64 val)
{
    struct virtio_pci *v = opaque;

    return off >= v->modern_at + MODERN_NOTIFY &&
           virtio_notify_unlocked(v->dev, queue_at(off - v->modern_at));
}

const struct bus_ops virtio_pci_modern_ops = {.read = modern_read,
                                              .write = modern_write,
                                              .max_size = 4,
                                              .write_unlocked = modern_write_unlocked};
