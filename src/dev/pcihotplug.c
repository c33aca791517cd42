/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ACPI hot-plug of PCI slots, with the registers that QEMU's PIIX4 power management has (its
 * document acpi_pci_hotplug), which the DSDT's methods use: UP and DOWN tell which slots have a
 * device to be found or to be given up, a write to EJECT takes devices out, REMOVE says which may
 * be. Reading UP clears it; DOWN stays until the slot is ejected. There is one bus: BUS is 0.
 * Under the machine's lock.
 */
#include "dev/pcihotplug.h"

#include <errno.h>
#include <stdlib.h>

#define SLOTS 32u

struct pcihotplug {
    struct pcihotplug_config cfg;
    u32 up, down;
    u32 removable; /* what the board says; not saved */
};

static u32 read_dword(struct pcihotplug *hp, unsigned off)
{
    switch (off) {
    case PCIHOTPLUG_UP:
        return hp->up;
    case PCIHOTPLUG_DOWN:
        return hp->down;
    case PCIHOTPLUG_REMOVE:
        return hp->removable;
    default:
        return 0; /* EJECT: no further features; BUS */
    }
}

static u64 hotplug_read(void *opaque, u64 off, unsigned size)
{
    struct pcihotplug *hp = opaque;
    unsigned shift = 8 * (off & 3);
    u32 mask = (u32)size_mask(size) << shift, val = read_dword(hp, off & ~3u) & mask;

    if ((off & ~3ull) == PCIHOTPLUG_UP)
        hp->up &= ~mask;
    return val >> shift;
}

static void eject(struct pcihotplug *hp, u32 slots)
{
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        if (!(slots & hp->removable & BIT(slot)))
            continue;
        hp->up &= ~BIT(slot);
        hp->down &= ~BIT(slot);
        hp->cfg.eject(hp->cfg.opaque, slot);
    }
}

static void hotplug_write(void *opaque, u64 off, unsigned size, u64 val)
{
    if ((off & ~3ull) == PCIHOTPLUG_EJECT)
        eject(opaque, (u32)val << 8 * (off & 3));
}

static const struct bus_ops hotplug_ops = {
    .read = hotplug_read, .write = hotplug_write, .max_size = 4};

int pcihotplug_new(struct pcihotplug **out, const struct pcihotplug_config *cfg)
{
    struct pcihotplug *hp = calloc(1, sizeof(*hp));
    int rc;

    if (!hp)
        return -ENOMEM;
    hp->cfg = *cfg;
    rc = bus_claim(cfg->pio, PCIHOTPLUG_PORT, PCIHOTPLUG_PORT + PCIHOTPLUG_LEN - 1, &hotplug_ops,
                   hp, "pcihotplug");
    if (rc) {
        free(hp);
        return rc;
    }
    *out = hp;
    return 0;
}

void pcihotplug_reset(struct pcihotplug *hp)
{
    eject(hp, hp->down);
    hp->up = hp->down = 0;
}

void pcihotplug_free(struct pcihotplug *hp)
{
    if (!hp)
        return;
    bus_release(hp->cfg.pio, hp);
    free(hp);
}

void pcihotplug_set_removable(struct pcihotplug *hp, u32 slots)
{
    hp->removable = slots;
    hp->up &= slots;
    hp->down &= slots;
}

void pcihotplug_plugged(struct pcihotplug *hp, unsigned slot)
{
    BUG_ON(slot >= SLOTS);
    hp->up |= BIT(slot);
    irq_pulse(&hp->cfg.event);
}

void pcihotplug_ask(struct pcihotplug *hp, unsigned slot)
{
    BUG_ON(slot >= SLOTS);
    hp->down |= BIT(slot);
    irq_pulse(&hp->cfg.event);
}

static int loaded(void *obj)
{
    struct pcihotplug *hp = obj;

    return (hp->up | hp->down) & ~hp->removable ? -EINVAL : 0;
}

static const struct state_field fields[] = {STATE_UINT(struct pcihotplug, up),
                                            STATE_UINT(struct pcihotplug, down), STATE_END};

const struct state_table pcihotplug_state = {
    .name = "pcihotplug", .version = 1, .oldest = 1, .fields = fields, .loaded = loaded};
