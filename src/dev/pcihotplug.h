/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers by which ACPI plugs and unplugs PCI slots; see pcihotplug.c. */
#pragma once
#include "base/state.h"
#include "bus/bus.h"
#include "bus/irq.h"

#define PCIHOTPLUG_PORT 0xae00u
#define PCIHOTPLUG_LEN  0x14u
/* Offsets of the dwords, each with a bit for a slot but the last. */
#define PCIHOTPLUG_UP     0x00u
#define PCIHOTPLUG_DOWN   0x04u
#define PCIHOTPLUG_EJECT  0x08u
#define PCIHOTPLUG_REMOVE 0x0cu
#define PCIHOTPLUG_BUS    0x10u
#define PCIHOTPLUG_GPE    1u /* the general-purpose event that says: look at UP and DOWN */

struct pcihotplug;

struct pcihotplug_config {
    struct bus *pio;
    struct irq event; /* pulsed when UP or DOWN has something new */
    /* The guest lets go of what is in the slot, which is removable; or a reset does, after it was
       asked to. */
    void (*eject)(void *opaque, unsigned slot);
    void *opaque;
};

/* -ENOMEM, -EEXIST. */
must_check int pcihotplug_new(struct pcihotplug **out, const struct pcihotplug_config *cfg);
/* Ejects what was to go. */
void pcihotplug_reset(struct pcihotplug *hp);
void pcihotplug_free(struct pcihotplug *hp);

/* Slots whose devices the guest may eject, by bit. */
void pcihotplug_set_removable(struct pcihotplug *hp, u32 slots);
/* A device has come to a slot: the guest is told. */
void pcihotplug_plugged(struct pcihotplug *hp, unsigned slot);
/* Asks the guest to eject what is in a slot. */
void pcihotplug_ask(struct pcihotplug *hp, unsigned slot);

extern const struct state_table pcihotplug_state;
