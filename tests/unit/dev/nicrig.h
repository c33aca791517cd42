/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a PCI network card needs around it in a test: a bus, guest memory, a cable. */
#pragma once
#include "../net/rig.h"
#include "base/le.h"
#include "pci/pci.h"
#include "rig.h"

#define NIC_DEVFN PCI_DEVFN(3, 0)
#define NIC_MMIO  0xe0000000u
#define NIC_IO    0xc000u
#define NIC_RAM   (4 * MiB)

struct nicrig {
    struct rig rig;
    struct mem *mem, *lent;
    struct pci_bus *bus;
    struct wire intx[PCI_PIRQS];
    struct far far;
};

static const u8 nic_mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};

/* With guest memory that is lent, or NULL. */
static inline void nic_open_with(struct nicrig *n, struct mem *mem)
{
    struct pci_bus_config cfg = {.pio = &n->rig.pio, .mmio = &n->rig.mmio};
    struct err err;

    memset(n, 0, sizeof(*n));
    rig_open(&n->rig);
    n->lent = mem;
    n->mem = mem;
    if (!mem)
        BUG_ON(mem_new(&n->mem, NIC_RAM, &n->rig.mmio, &err));
    cfg.mem = n->mem;
    for (unsigned i = 0; i < PCI_PIRQS; i++)
        cfg.pirq[i] = wire_irq(&n->intx[i]);
    BUG_ON(pci_bus_new(&n->bus, &cfg));
    far_init(&n->far);
}

static inline void nic_open(struct nicrig *n)
{
    nic_open_with(n, NULL);
}

static inline void nic_close(struct nicrig *n)
{
    pci_bus_free(n->bus);
    if (!n->lent)
        mem_free(n->mem);
    rig_close(&n->rig);
}

/* Places I/O bar `io` and memory bar `mem` (one may be -1) and lets the card be master. */
static inline void nic_map(struct nicrig *n, int io, int mem)
{
    if (io >= 0)
        pci_config_write(n->bus, NIC_DEVFN, PCI_BAR0 + 4u * (unsigned)io, 4, NIC_IO);
    if (mem >= 0)
        pci_config_write(n->bus, NIC_DEVFN, PCI_BAR0 + 4u * (unsigned)mem, 4, NIC_MMIO);
    pci_config_write(n->bus, NIC_DEVFN, PCI_COMMAND, 2,
                     PCI_COMMAND_IO | PCI_COMMAND_MEM | PCI_COMMAND_BME);
}

/* INTA# of NIC_DEVFN. */
static inline bool nic_irq(const struct nicrig *n)
{
    return n->intx[(3 + 0 - 1) & 3].level;
}

static inline u8 *nic_ram(struct nicrig *n, gpa_t gpa)
{
    u8 *p = mem_ptr(n->mem, gpa);

    BUG_ON(!p);
    return p;
}

static inline u64 nic_in(struct nicrig *n, unsigned reg, unsigned size)
{
    return bus_read(&n->rig.pio, NIC_IO + reg, size);
}

static inline void nic_out(struct nicrig *n, unsigned reg, unsigned size, u64 val)
{
    bus_write(&n->rig.pio, NIC_IO + reg, size, val);
}

static inline u32 nic_get(struct nicrig *n, unsigned reg)
{
    return (u32)bus_read(&n->rig.mmio, NIC_MMIO + reg, 4);
}

static inline void nic_put(struct nicrig *n, unsigned reg, u32 val)
{
    bus_write(&n->rig.mmio, NIC_MMIO + reg, 4, val);
}

/* A frame of `len` bytes to `to` (NULL: the card itself), filled with a pattern. */
static inline const u8 *nic_frame(const u8 *to, size_t len)
{
    static u8 frame[65536];

    for (size_t i = 0; i < len; i++)
        frame[i] = (u8)(i * 7 + len);
    memcpy(frame, to ? to : nic_mac, 6);
    memcpy(frame + 6, "\x52\x54\0\0\0\x01\x88\xb5", 8);
    return frame;
}

/* From the far end to the card. */
static inline bool nic_send(struct nicrig *n, const u8 *to, size_t len)
{
    return net_send(&n->far.end, nic_frame(to, len), len);
}
