/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A rig (rig.h) with guest memory and a PCI bus. */
#pragma once
#include "mem/mem.h"
#include "pci/pci.h"
#include "rig.h"

struct pcirig {
    struct rig rig;
    struct mem *mem, *lent; /* lent: by the caller; NULL: none was */
    struct pci_bus *pci;
    struct wire pirq[PCI_PIRQS];
    unsigned msis;
};

static inline void pcirig_msi(void *opaque, u64 addr, u32 data)
{
    (*(unsigned *)opaque)++;
}

static inline void pcirig_open_with(struct pcirig *p, struct mem *mem)
{
    struct pci_bus_config cfg = {.send_msi = pcirig_msi, .msi_opaque = &p->msis};

    *p = (struct pcirig){.mem = mem, .lent = mem};
    rig_open(&p->rig);
    mem->mmio = &p->rig.mmio;
    cfg.pio = &p->rig.pio;
    cfg.mmio = &p->rig.mmio;
    cfg.mem = p->mem;
    for (unsigned i = 0; i < PCI_PIRQS; i++)
        cfg.pirq[i] = (struct irq){.set = wire_set, .opaque = p->pirq, .n = i};
    BUG_ON(pci_bus_new(&p->pci, &cfg) != 0);
}

static inline void pcirig_open(struct pcirig *p, u64 ram)
{
    struct mem *mem;
    struct err err;

    BUG_ON(mem_new(&mem, ram, NULL, &err) != 0);
    pcirig_open_with(p, mem);
    p->lent = NULL;
}

static inline void pcirig_close(struct pcirig *p)
{
    pci_bus_free(p->pci);
    if (!p->lent)
        mem_free(p->mem);
    rig_close(&p->rig);
}
