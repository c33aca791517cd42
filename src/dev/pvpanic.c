/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The field's "pvpanic" as ISA device, which ACPI calls QEMU0001: a read tells which events there
 * are, a write tells which have happened. Runs under the machine's lock.
 */
#include "dev/pvpanic.h"

#include <errno.h>
#include <stdlib.h>

struct pvpanic {
    struct bus *pio;
    void (*event)(void *opaque, u8 events);
    void *opaque;
};

static u64 pvpanic_read(void *dev, u64 off, unsigned size)
{
    return PVPANIC_ALL;
}

static void pvpanic_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct pvpanic *p = dev;

    if (val & PVPANIC_ALL)
        p->event(p->opaque, val & PVPANIC_ALL);
}

static const struct bus_ops pvpanic_ops = {
    .read = pvpanic_read, .write = pvpanic_write, .max_size = 1};

/* It has no state. */
void pvpanic_reset(struct pvpanic *p)
{
}

int pvpanic_new(struct pvpanic **out, struct bus *pio, u16 port,
                void (*event)(void *opaque, u8 events), void *opaque)
{
    struct pvpanic *p = calloc(1, sizeof(*p));
    int rc;

    if (!p)
        return -ENOMEM;
    *p = (struct pvpanic){.pio = pio, .event = event, .opaque = opaque};
    rc = bus_claim(pio, port, port, &pvpanic_ops, p, "pvpanic");
    if (rc) {
        pvpanic_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void pvpanic_free(struct pvpanic *p)
{
    if (!p)
        return;
    bus_release(p->pio, p);
    free(p);
}
