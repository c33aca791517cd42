/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The field's "isa-debug-exit": a write of any width ends the VM with a status that derives from
 * the value. Test programs use it. Reads give 0. Runs under the machine's lock.
 */
#include "dev/debugexit.h"

#include <errno.h>
#include <stdlib.h>

#define PORTS 4u

struct debugexit {
    struct bus *pio;
    void (*exit)(void *opaque, u32 val);
    void *opaque;
};

static u64 debugexit_read(void *dev, u64 off, unsigned size)
{
    return 0;
}

static void debugexit_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct debugexit *d = dev;

    d->exit(d->opaque, (u32)val);
}

static const struct bus_ops debugexit_ops = {
    .read = debugexit_read, .write = debugexit_write, .max_size = PORTS};

/* It has no state. */
void debugexit_reset(struct debugexit *d)
{
}

int debugexit_new(struct debugexit **out, struct bus *pio, u16 port,
                  void (*exit)(void *opaque, u32 val), void *opaque)
{
    struct debugexit *d = calloc(1, sizeof(*d));
    int rc;

    if (!d)
        return -ENOMEM;
    *d = (struct debugexit){.pio = pio, .exit = exit, .opaque = opaque};
    rc = bus_claim(pio, port, port + PORTS - 1ull, &debugexit_ops, d, "debugexit");
    if (rc) {
        debugexit_free(d);
        return rc;
    }
    *out = d;
    return 0;
}

void debugexit_free(struct debugexit *d)
{
    if (!d)
        return;
    bus_release(d->pio, d);
    free(d);
}
