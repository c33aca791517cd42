/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small driver of virtio devices for tests: over PCI (modern) or MMIO, with split or packed
 * rings. Buffers are chains of consecutive descriptors; the test keeps fewer under way than there
 * are.
 */
#pragma once
#include "../dev/pcirig.h"
#include "base/le.h"
#include "virtio/mmio.h"
#include "virtio/pci.h"

#define DRV_DEVFN  PCI_DEVFN(5, 0)
#define DRV_BAR    0xe1000000u /* modern interface … */
#define DRV_MSIX   0xe1010000u
#define DRV_IO     0xc000u
#define DRV_MMIO   0xd0000000u
#define DRV_RINGS  0x10000u /* each queue has 64 KiB from here on */
#define DRV_DATA   0x100000u
#define DRV_QUEUES 8u
#define DRV_ALL                                                                                    \
    (BIT64(VIRTIO_F_INDIRECT_DESC) | BIT64(VIRTIO_F_EVENT_IDX) | BIT64(VIRTIO_F_VERSION_1))

struct drv_seg {
    u32 at, len;
    bool in; /* the device writes it */
};

struct drv_queue {
    u16 index, size;
    u32 desc, driver, device;
    u16 next, avail, seen; /* next: descriptor; avail, seen: split */
    bool wrap, seen_wrap;  /* packed */
    u16 slots[256];        /* packed: by buffer ID */
};

struct drv {
    struct pcirig p;
    struct virtio *dev;
    struct virtio_pci *pci;
    struct virtio_mmio *mmio;
    struct wire wire;
    bool packed;
    struct drv_queue q[DRV_QUEUES];
};

static inline u8 *drv_ram(struct drv *d, u32 at)
{
    u8 *host = mem_ptr(d->p.mem, at);

    BUG_ON(!host);
    return host;
}

static inline u32 drv_get(struct drv *d, u32 off, unsigned size)
{
    return (u32)bus_read(&d->p.rig.mmio, (d->pci ? DRV_BAR : DRV_MMIO) + off, size);
}

static inline void drv_put(struct drv *d, u32 off, unsigned size, u32 val)
{
    bus_write(&d->p.rig.mmio, (d->pci ? DRV_BAR : DRV_MMIO) + off, size, val);
}

/* A rig with memory; the device is made by the test, then drv_attach. */
static inline void drv_open(struct drv *d)
{
    memset(d, 0, sizeof(*d));
    pcirig_open(&d->p, 4 * MiB);
    pthread_mutex_lock(&d->p.rig.lock);
}

static inline void drv_attach(struct drv *d, struct virtio *dev, bool mmio)
{
    struct virtio_pci_config cfg = {.rom = NULL};

    d->dev = dev;
    if (mmio) {
        BUG_ON(virtio_mmio_new(&d->mmio, &d->p.rig.mmio, DRV_MMIO, wire_irq(&d->wire), dev));
        return;
    }
    BUG_ON(virtio_pci_new(&d->pci, d->p.pci, DRV_DEVFN, dev, &cfg));
    pci_config_write(d->p.pci, DRV_DEVFN, PCI_BAR0, 4, DRV_IO);
    pci_config_write(d->p.pci, DRV_DEVFN, PCI_BAR0 + 4, 4, DRV_MSIX);
    pci_config_write(d->p.pci, DRV_DEVFN, PCI_BAR0 + 16, 4, DRV_BAR);
    pci_config_write(d->p.pci, DRV_DEVFN, PCI_COMMAND, 2,
                     PCI_COMMAND_IO | PCI_COMMAND_MEM | PCI_COMMAND_BME);
}

static inline void drv_detach(struct drv *d)
{
    virtio_pci_free(d->pci);
    virtio_mmio_free(d->mmio);
    d->pci = NULL;
    d->mmio = NULL;
}

static inline void drv_close(struct drv *d)
{
    drv_detach(d);
    pthread_mutex_unlock(&d->p.rig.lock);
    pcirig_close(&d->p);
}

static inline u8 drv_status(struct drv *d)
{
    return (u8)(d->pci ? drv_get(d, 0x14, 1) : drv_get(d, 0x70, 4));
}

static inline void drv_set_status(struct drv *d, u8 val)
{
    if (d->pci)
        drv_put(d, 0x14, 1, val);
    else
        drv_put(d, 0x70, 4, val);
}

static inline void drv_accept(struct drv *d, u64 features)
{
    u32 select = d->pci ? 0x08 : 0x24, word = d->pci ? 0x0c : 0x20;

    for (u32 n = 0; n < 2; n++) {
        drv_put(d, select, 4, n);
        drv_put(d, word, 4, (u32)(features >> 32 * n));
    }
}

/* Reset, features; FEATURES_OK or not. */
static inline bool drv_negotiate(struct drv *d, u64 features)
{
    drv_set_status(d, 0);
    drv_set_status(d, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
    drv_accept(d, features);
    drv_set_status(d, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
    d->packed = features >> VIRTIO_F_RING_PACKED & 1;
    return drv_status(d) & VIRTIO_FEATURES_OK;
}

static inline void drv_add_queue(struct drv *d, u16 n, u16 size)
{
    struct drv_queue *q = &d->q[n];
    u32 base = DRV_RINGS + 0x10000 * n;
    u32 words[] = {base, 0, base + 0x4000, 0, base + 0x8000, 0};

    *q = (struct drv_queue){.index = n, .size = size, .wrap = true, .seen_wrap = true};
    q->desc = base;
    q->driver = base + 0x4000;
    q->device = base + 0x8000;
    BUG_ON(mem_fill(d->p.mem, base, 0, 0x10000));
    if (d->pci) {
        drv_put(d, 0x16, 2, n);
        drv_put(d, 0x18, 2, size);
        for (unsigned i = 0; i < 6; i++)
            drv_put(d, 0x20 + 4 * i, 4, words[i]);
        drv_put(d, 0x1c, 2, 1);
    } else {
        static const u32 regs[] = {0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4};
        drv_put(d, 0x30, 4, n);
        drv_put(d, 0x38, 4, size);
        for (unsigned i = 0; i < 6; i++)
            drv_put(d, regs[i], 4, words[i]);
        drv_put(d, 0x44, 4, 1);
    }
}

static inline void drv_start(struct drv *d)
{
    drv_set_status(d, drv_status(d) | VIRTIO_DRIVER_OK);
}

static inline void drv_kick(struct drv *d, u16 n)
{
    if (d->pci)
        drv_put(d, 0x3000 + 4u * n, 2, n);
    else
        drv_put(d, 0x50, 4, n);
}

static inline void drv_write_desc(struct drv *d, u32 at, u64 addr, u32 len, u16 a, u16 b)
{
    u8 *p = drv_ram(d, at);

    put_le64(p, addr);
    put_le32(p + 8, len);
    put_le16(p + 12, a);
    put_le16(p + 14, b);
}

static inline u16 drv_add_split(struct drv *d, struct drv_queue *q, const struct drv_seg *s,
                                unsigned n)
{
    u16 head = q->next;

    for (unsigned i = 0; i < n; i++) {
        u16 at = q->next, next = (u16)((at + 1) % q->size);
        drv_write_desc(d, q->desc + 16u * at, s[i].at, s[i].len,
                       (u16)((s[i].in ? 2 : 0) | (i + 1 < n ? 1 : 0)), next);
        q->next = next;
    }
    put_le16(drv_ram(d, q->driver + 4 + 2u * (q->avail % q->size)), head);
    put_le16(drv_ram(d, q->driver + 2), ++q->avail);
    return head;
}

static inline u16 drv_add_packed(struct drv *d, struct drv_queue *q, const struct drv_seg *s,
                                 unsigned n)
{
    u16 id = q->next, first = q->next, first_flags = 0;

    for (unsigned i = 0; i < n; i++) {
        u16 flags = (u16)((s[i].in ? 2 : 0) | (i + 1 < n ? 1 : 0) | (q->wrap ? 0x80 : 0x8000));
        if (!i)
            first_flags = flags;
        drv_write_desc(d, q->desc + 16u * q->next, s[i].at, s[i].len, id,
                       i ? flags : (u16)(q->wrap ? 0x8000 : 0x80));
        q->next = (u16)((q->next + 1) % q->size);
        q->wrap ^= !q->next;
    }
    q->slots[id] = (u16)n;
    put_le16(drv_ram(d, q->desc + 16u * first + 14), first_flags);
    return id;
}

/* Makes a buffer available; its head or ID. */
static inline u16 drv_add(struct drv *d, u16 n, const struct drv_seg *s, unsigned count)
{
    return d->packed ? drv_add_packed(d, &d->q[n], s, count) : drv_add_split(d, &d->q[n], s, count);
}

/* The next used buffer. */
static inline bool drv_used(struct drv *d, u16 n, u16 *id, u32 *len)
{
    struct drv_queue *q = &d->q[n];
    const u8 *p;

    if (!d->packed) {
        if (le16(drv_ram(d, q->device + 2)) == q->seen)
            return false;
        p = drv_ram(d, q->device + 4 + 8u * (q->seen++ % q->size));
        *id = (u16)le32(p);
        *len = le32(p + 4);
        return true;
    }
    p = drv_ram(d, q->desc + 16u * q->seen);
    if (!!(le16(p + 14) & 0x80) != q->seen_wrap || !!(le16(p + 14) & 0x8000) != q->seen_wrap)
        return false;
    *len = le32(p + 8);
    *id = le16(p + 12);
    q->seen = (u16)(q->seen + q->slots[*id]);
    if (q->seen >= q->size) {
        q->seen = (u16)(q->seen - q->size);
        q->seen_wrap = !q->seen_wrap;
    }
    return true;
}

/* Of INTA# or the wire. */
static inline bool drv_line(const struct drv *d)
{
    return d->pci ? d->p.pirq[(5 - 1) & 3].level : d->wire.level;
}

/* Reads and clears what interrupted. */
static inline u32 drv_isr(struct drv *d)
{
    u32 isr = d->pci ? drv_get(d, 0x1000, 1) : drv_get(d, 0x60, 4);

    if (d->mmio)
        drv_put(d, 0x64, 4, isr);
    return isr;
}
