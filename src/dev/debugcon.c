/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The debug console of Bochs and the field's "isa-debugcon": each byte written goes out, a read
 * gives E9h, by which programs know that it is there. Wherever the port is, the answer is the
 * same, as SeaBIOS and OVMF expect at 402h. Runs under the machine's lock.
 */
#include "dev/debugcon.h"

#include <errno.h>
#include <stdlib.h>

#define PRESENT 0xe9u

struct debugcon {
    struct bus *pio;
    void (*put)(void *opaque, u8 byte);
    void *opaque;
};

static u64 debugcon_read(void *dev, u64 off, unsigned size)
{
    return PRESENT;
}

static void debugcon_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct debugcon *d = dev;

    d->put(d->opaque, (u8)val);
}

static const struct bus_ops debugcon_ops = {
    .read = debugcon_read, .write = debugcon_write, .max_size = 1};

/* It has no state. */
void debugcon_reset(struct debugcon *d)
{
}

int debugcon_new(struct debugcon **out, struct bus *pio, u16 port,
                 void (*put)(void *opaque, u8 byte), void *opaque)
{
    struct debugcon *d = calloc(1, sizeof(*d));
    int rc;

    if (!d)
        return -ENOMEM;
    *d = (struct debugcon){.pio = pio, .put = put, .opaque = opaque};
    rc = bus_claim(pio, port, port, &debugcon_ops, d, "debugcon");
    if (rc) {
        debugcon_free(d);
        return rc;
    }
    *out = d;
    return 0;
}

void debugcon_free(struct debugcon *d)
{
    if (!d)
        return;
    bus_release(d->pio, d);
    free(d);
}
