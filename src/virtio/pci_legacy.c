/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The legacy interface in I/O space (4.1.4.10): a header, with two fields more while MSI-X is
   enabled, and the device's configuration behind it. */
#include "virtio/pci_priv.h"

enum {
    DEVICE_FEATURES = 0x00,
    DRIVER_FEATURES = 0x04,
    QUEUE_PFN = 0x08,
    QUEUE_SIZE = 0x0c,
    QUEUE_SELECT = 0x0e,
    QUEUE_NOTIFY = 0x10,
    DEVICE_STATUS = 0x12,
    ISR_STATUS = 0x13,
    CONFIG_VECTOR = 0x14,
    QUEUE_VECTOR = 0x16,
};

static unsigned header(const struct virtio_pci *v)
{
    return pci_msix_enabled(&v->pci) ? 0x18 : 0x14;
}

static u64 read_any(struct virtio_pci *v, u64 off, unsigned size)
{
    const struct virtq *q = virtio_pci_queue(v);

    if (off >= header(v))
        return virtio_config_read(v->dev, off - header(v), size);
    switch (off) {
    case DEVICE_FEATURES:
        return virtio_features(v->dev, 0, true);
    case DRIVER_FEATURES:
        return virtio_accepted(v->dev, 0);
    case QUEUE_PFN:
        return q ? q->desc >> PAGE_SHIFT : 0;
    case QUEUE_SIZE:
        return q ? q->size : 0;
    case QUEUE_SELECT:
        return v->queue_select;
    case DEVICE_STATUS:
        return v->dev->status;
    case ISR_STATUS:
        return virtio_pci_take_isr(v);
    case CONFIG_VECTOR:
        return v->config_vector;
    case QUEUE_VECTOR:
        return q ? q->vector : VIRTIO_NO_VECTOR;
    default:
        return 0;
    }
}

static u64 legacy_read(void *opaque, u64 off, unsigned size)
{
    struct virtio_pci *v = opaque;
    u64 val;

    virtio_lock(v->dev);
    val = read_any(v, off, size);
    virtio_unlock(v->dev);
    return val;
}

/* Page 0 for a queue resets the device, as drivers do when they go. */
static void write_pfn(struct virtio_pci *v, u32 pfn)
{
    struct virtq *q = virtio_pci_queue(v);

    if (!pfn)
        virtio_pci_set_status(v, 0, true);
    else if (q && !(v->dev->status & VIRTIO_FEATURES_OK))
        virtq_set_legacy(q, pfn);
}

static void write_any(struct virtio_pci *v, u64 off, unsigned size, u64 val)
{
    struct virtq *q = virtio_pci_queue(v);

    if (off >= header(v)) {
        virtio_config_write(v->dev, off - header(v), size, (u32)val);
        return;
    }
    switch (off) {
    case DRIVER_FEATURES:
        virtio_accept(v->dev, 0, (u32)val);
        break;
    case QUEUE_PFN:
        write_pfn(v, (u32)val);
        break;
    case QUEUE_SELECT:
        v->queue_select = (u16)val;
        break;
    case QUEUE_NOTIFY:
        virtio_notify(v->dev, (u16)val);
        break;
    case DEVICE_STATUS:
        virtio_pci_set_status(v, (u8)val, true);
        break;
    case CONFIG_VECTOR:
        v->config_vector = virtio_pci_vector(v, (u16)val);
        break;
    case QUEUE_VECTOR:
        if (q)
            q->vector = virtio_pci_vector(v, (u16)val);
        break;
    }
}

static void legacy_write(void *opaque, u64 off, unsigned size, u64 val)
{
    struct virtio_pci *v = opaque;

    virtio_lock(v->dev);
    write_any(v, off, size, val);
    virtio_unlock(v->dev);
}

static bool legacy_write_unlocked(void *opaque, u64 off, unsigned size, u64 val)
{
    struct virtio_pci *v = opaque;

    return off == QUEUE_NOTIFY && virtio_notify_unlocked(v->dev, (u16)val);
}

const struct bus_ops virtio_pci_legacy_ops = {.read = legacy_read,
                                              .write = legacy_write,
                                              .max_size = 4,
                                              .write_unlocked = legacy_write_unlocked};
