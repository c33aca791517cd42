/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI host bridge: configuration mechanism 1 and the reset control register; see pcihost.c. */
#pragma once
#include "bus/bus.h"
#include "bus/irq.h"

#define PCIHOST_RESET_PORT 0xcf9u /* for the FADT's reset register … */
#define PCIHOST_RESET_HARD 0x06u  /* … and the value to write */

#define PCI_DEVFN(dev, fn) (((dev) << 3) | (fn))

struct pcihost;

/* One function's configuration space. Owned by its device, which fills it before pcihost_add. */
struct pci_function {
    u8 config[256];
    const u8 *wmask; /* 256 bytes: the bits a write changes; NULL for none */
    const u8 *w1c;   /* 256 bytes: the bits that writing 1 clears; NULL for none */
    /* After a write has changed [off, off + size); NULL for none. */
    void (*written)(void *opaque, unsigned off, unsigned size);
    /* Before a read of [off, off + size), to bring config up to date; NULL for none. */
    void (*before_read)(void *opaque, unsigned off, unsigned size);
    void *opaque;
};

/* Bus 0 with an i440FX host bridge at 00:00.0. `reset` is pulsed by port CF9h. -ENOMEM, -EEXIST. */
must_check int pcihost_new(struct pcihost **out, struct bus *pio, struct irq reset);
void pcihost_reset(struct pcihost *host);
void pcihost_free(struct pcihost *host);

/* `fn` is not owned. -EINVAL for a devfn above 255, -EEXIST if it is taken. */
must_check int pcihost_add(struct pcihost *host, unsigned devfn, struct pci_function *fn);
void pcihost_remove(struct pcihost *host, unsigned devfn);
