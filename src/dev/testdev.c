/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The field's "pc-testdev", which kvm-unit-tests drives: a 32-bit latch that ports e0h-e3h access
 * in any width and e8h-ebh byte by byte, a page-flush port e4h, interrupt lines at ports
 * 2000h+n, and 64 KiB of device memory at ff000000h.
 *
 * A page flush asks the host to drop and remake its mapping of a page, without a change the
 * guest could see; no mapping of ours can go stale, so it is accepted and nothing happens.
 * Runs under the machine's lock.
 */
#include "dev/testdev.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define IOMEM_BASE 0xff000000ull
#define IOMEM_SIZE 0x10000u

struct testdev {
    struct bus *pio, *mmio;
    struct irq lines[TESTDEV_LINES];
    u8 latch[4];
    u8 iomem[IOMEM_SIZE];
};

static u64 latch_read(void *dev, u64 off, unsigned size)
{
    struct testdev *t = dev;
    u64 val = 0;

    memcpy(&val, t->latch + off, size);
    return val;
}

static void latch_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct testdev *t = dev;

    memcpy(t->latch + off, &val, size);
}

static void flush_write(void *dev, u64 off, unsigned size, u64 val)
{
}

static void line_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct testdev *t = dev;

    irq_set(&t->lines[off], val != 0);
}

static u64 iomem_read(void *dev, u64 off, unsigned size)
{
    struct testdev *t = dev;
    u64 val = 0;

    memcpy(&val, t->iomem + off, size);
    return val;
}

static void iomem_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct testdev *t = dev;

    memcpy(t->iomem + off, &val, size);
}

static const struct bus_ops latch_ops = {.read = latch_read, .write = latch_write, .max_size = 4};
static const struct bus_ops byte_ops = {.read = latch_read, .write = latch_write, .max_size = 1};
static const struct bus_ops flush_ops = {.write = flush_write, .max_size = 4};
static const struct bus_ops line_ops = {.write = line_write, .max_size = 1};
static const struct bus_ops iomem_ops = {.read = iomem_read, .write = iomem_write, .max_size = 8};

void testdev_reset(struct testdev *t)
{
    memset(t->latch, 0, sizeof(t->latch));
    memset(t->iomem, 0, sizeof(t->iomem));
    for (unsigned i = 0; i < TESTDEV_LINES; i++)
        irq_set(&t->lines[i], false);
}

static int claim_all(struct testdev *t)
{
    int rc = bus_claim(t->pio, 0xe0, 0xe3, &latch_ops, t, "testdev");

    if (!rc)
        rc = bus_claim(t->pio, 0xe4, 0xe7, &flush_ops, t, "testdev");
    if (!rc)
        rc = bus_claim(t->pio, 0xe8, 0xeb, &byte_ops, t, "testdev");
    if (!rc)
        rc = bus_claim(t->pio, 0x2000, 0x2000 + TESTDEV_LINES - 1, &line_ops, t, "testdev");
    if (!rc)
        rc = bus_claim(t->mmio, IOMEM_BASE, IOMEM_BASE + IOMEM_SIZE - 1, &iomem_ops, t, "testdev");
    return rc;
}

static const struct state_field fields[] = {
    STATE_ARRAY(struct testdev, latch),
    STATE_ARRAY(struct testdev, iomem),
    STATE_END,
};

const struct state_table testdev_state = {
    .name = "testdev", .version = 1, .oldest = 1, .fields = fields};

int testdev_new(struct testdev **out, struct bus *pio, struct bus *mmio, const struct irq *lines)
{
    struct testdev *t = calloc(1, sizeof(*t));
    int rc;

    if (!t)
        return -ENOMEM;
    t->pio = pio;
    t->mmio = mmio;
    memcpy(t->lines, lines, sizeof(t->lines));
    rc = claim_all(t);
    if (rc) {
        testdev_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

void testdev_free(struct testdev *t)
{
    if (!t)
        return;
    bus_release(t->pio, t);
    bus_release(t->mmio, t);
    free(t);
}
