/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the fuzz targets of virtio devices drive one: registers of either transport, rings and
 * descriptors in guest memory, saved states. `host` is what is the device's own.
 */
#pragma once
#include "../unit/virtio/driver.h"
#include "disk_input.h"

struct virtio_target {
    struct drv d;
    void *device;
    struct virtio *virtio;
    const struct state_table *state;
    unsigned queues;
    void (*host)(struct virtio_target *t, struct input *in, u8 op);
    void (*settle)(struct virtio_target *t); /* nothing is in flight then; NULL: never is */
    void *opaque;
};

/* As a driver leaves it, so that few inputs reach deep: 8 descriptors in each queue. */
static inline void virtio_target_set_up(struct virtio_target *t, u8 how)
{
    u64 features = t->virtio->offered;

    if (!(how & 1))
        features &= ~BIT64(VIRTIO_F_RING_PACKED);
    if (how & 2)
        features &= ~BIT64(VIRTIO_F_EVENT_IDX);
    if (how & 4)
        features &= 0xffffffffull << 24; /* none of the device's own */
    if (t->d.pci)
        pci_config_write(t->d.p.pci, DRV_DEVFN, PCI_COMMAND, 2,
                         PCI_COMMAND_IO | PCI_COMMAND_MEM | PCI_COMMAND_BME);
    drv_negotiate(&t->d, features);
    for (u16 n = 0; n < t->queues; n++)
        drv_add_queue(&t->d, n, 8);
    drv_start(&t->d);
}

/* A buffer of up to four parts, of which the first begins with bytes of the input. */
static inline void virtio_target_buffer(struct virtio_target *t, struct input *in, u8 op)
{
    u16 n = (u16)(input_take(in, 1) % t->queues);
    unsigned count = 1 + (op & 3), bytes = (unsigned)input_take(in, 1) % 80;
    struct drv_seg s[4];

    for (unsigned i = 0; i < bytes; i++)
        *drv_ram(&t->d, DRV_DATA + i) = (u8)input_take(in, 1);
    for (unsigned i = 0; i < count; i++) {
        u64 how = input_take(in, 2);
        s[i] = (struct drv_seg){DRV_DATA + 0x2000 * i, (u32)(how & 0x3fff), how >> 15};
        if (!i && !(how >> 15) && bytes)
            s[i].len = bytes;
    }
    drv_add(&t->d, n, s, count);
    if (op & 4)
        drv_kick(&t->d, n);
}

static inline void virtio_target_ring(struct virtio_target *t, struct input *in)
{
    u32 at = DRV_RINGS + 0x10000 * (u32)(input_take(in, 1) % t->queues) +
             0x4000 * (u32)(input_take(in, 1) % 3) + (u32)input_take(in, 1);
    unsigned size = (unsigned)input_take(in, 1) % 16;

    for (unsigned i = 0; i < size; i++)
        *drv_ram(&t->d, at + i) = (u8)input_take(in, 1);
}

static inline void virtio_target_state(struct virtio_target *t, struct input *in, u8 op)
{
    const struct state_table *transport = t->d.pci ? &virtio_pci_state : &virtio_mmio_state;
    void *obj = t->d.pci ? (void *)t->d.pci : (void *)t->d.mmio;
    int rc;

    if (t->settle)
        t->settle(t);
    rc = op & 1 ? input_state(in, transport, obj) : input_state(in, t->state, t->device);
    if (!rc)
        return;
    if (t->d.pci)
        virtio_pci_reset(t->d.pci);
    else
        virtio_mmio_reset(t->d.mmio);
    if (t->d.pci)
        pci_config_write(t->d.p.pci, DRV_DEVFN, PCI_BAR0 + 16, 4, DRV_BAR);
    virtio_target_set_up(t, op >> 1);
}

static inline void virtio_target_step(struct virtio_target *t, struct input *in)
{
    u8 op = (u8)input_take(in, 1);
    u64 base = t->d.pci ? DRV_BAR : DRV_MMIO;

    switch (op >> 5) {
    case 0:
        input_access(in, &t->d.p.rig.mmio, op, base, t->d.pci ? 0x40 : 0x200);
        break;
    case 1:
        if (op & 0x10)
            input_access(in, &t->d.p.rig.mmio, op, base + (t->d.pci ? 0x2000 : 0x100), 0x80);
        else if (t->d.pci)
            input_access(in, &t->d.p.rig.pio, op, DRV_IO, 0x40);
        break;
    case 2:
        virtio_target_ring(t, in);
        break;
    case 3:
        drv_kick(&t->d, (u16)(op % t->queues));
        break;
    case 4:
    case 5:
        virtio_target_buffer(t, in, op);
        break;
    case 6:
        if (op & 8)
            virtio_target_state(t, in, op);
        else if (op & 0x10)
            virtio_target_set_up(t, op);
        else if (t->settle)
            t->settle(t);
        clock_advance(t->d.p.rig.clk, 1ull << (op & 31));
        break;
    default:
        t->host(t, in, op & 31);
    }
}

/* The device is made, in t->d; detached again at the end. */
static inline void virtio_target_run(struct virtio_target *t, struct input *in)
{
    u8 how = (u8)input_take(in, 1);

    drv_attach(&t->d, t->virtio, how & 0x80);
    virtio_target_set_up(t, how);
    while (input_left(in))
        virtio_target_step(t, in);
    if (t->settle)
        t->settle(t);
    drv_detach(&t->d);
}
