/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An I/O APIC with two local APICs under 4-byte commands: register accesses of any width and place,
 * line changes, interrupts taken and ended.
 */
#include "dev/ioapic.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define BASE         0xfec00000ull
#define CPUS         2
#define MAX_COMMANDS 2048

struct machine {
    pthread_mutex_t lock;
    struct bus mmio;
    struct clock *clk;
    struct lapic_bus *bus;
    struct lapic *l[CPUS];
    struct ioapic *io;
};

static void on_event(void *cpu)
{
}

static void on_sipi(void *cpu, u8 vector)
{
    BUG_ON(true); /* an I/O APIC sends none */
}

static const struct lapic_ops ops = {on_event, on_event, on_event, on_event, on_sipi};

static bool setup(struct machine *m)
{
    pthread_mutex_init(&m->lock, NULL);
    bus_init(&m->mmio, "mmio", &m->lock);
    if (clock_new_manual(&m->clk) || lapic_bus_new(&m->bus))
        return false;
    for (unsigned i = 0; i < CPUS; i++) {
        if (lapic_new(&m->l[i], m->bus, m->clk, i, i == 0, &ops, NULL))
            return false;
        lapic_mmio_write(m->l[i], 0xf0, 4, 0x1ff);
        lapic_mmio_write(m->l[i], 0xd0, 4, BIT(24 + i));
    }
    return ioapic_new(&m->io, &m->mmio, BASE, m->bus) == 0;
}

static void teardown(struct machine *m)
{
    ioapic_free(m->io);
    for (unsigned i = 0; i < CPUS; i++)
        lapic_free(m->l[i]);
    lapic_bus_free(m->bus);
    clock_free(m->clk);
    bus_dispose(&m->mmio);
    pthread_mutex_destroy(&m->lock);
}

static u32 get(struct machine *m, u32 reg)
{
    bus_write(&m->mmio, BASE, 4, reg);
    return (u32)bus_read(&m->mmio, BASE + 0x10, 4);
}

static void set(struct machine *m, u32 reg, u32 val)
{
    bus_write(&m->mmio, BASE, 4, reg);
    bus_write(&m->mmio, BASE + 0x10, 4, val);
}

/* b: what, and three bytes of arguments. */
static void command(struct machine *m, const u8 *b)
{
    struct lapic *l = m->l[b[1] % CPUS];
    u32 val = b[2] | (u32)b[3] << 8;
    int vector;

    switch (b[0] % 8) {
    case 0: /* low half of an entry, with the mask bit as b[0] says */
        set(m, 0x10 + 2 * (b[1] % IOAPIC_PINS), val | (b[0] & 0x80u) << 9);
        break;
    case 1:
        set(m, b[1], val << 16 | val);
        break;
    case 2:
        get(m, b[1]);
        break;
    case 3:
        bus_write(&m->mmio, BASE + (val & 0xfff), 1u << (b[1] & 3), b[1] * 0x0101010101010101ull);
        break;
    case 4:
        bus_read(&m->mmio, BASE + (val & 0xfff), 1u << (b[1] & 3));
        break;
    case 5:
        ioapic_set(m->io, b[1] % IOAPIC_PINS, b[2] & 1);
        break;
    case 6:
        vector = lapic_pending(l);
        if (vector >= 0)
            lapic_accept(l, (u8)vector);
        break;
    default:
        if (b[2] == 0xff)
            ioapic_reset(m->io);
        else
            lapic_mmio_write(l, 0xb0, 4, 0);
    }
}

/* Read-only and reserved bits, and Remote IRR only where it can be. */
static void check(struct machine *m)
{
    BUG_ON(get(m, 1) != 0x00170020);
    for (u32 pin = 0; pin < IOAPIC_PINS; pin++) {
        u32 low = get(m, 0x10 + 2 * pin);
        BUG_ON(low & ~0x1efffu);
        BUG_ON((low & BIT(14)) && !(low & BIT(15)));
        BUG_ON(get(m, 0x11 + 2 * pin) & 0xffffff);
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct machine m = {0};

    if (setup(&m)) {
        for (size_t i = 0; i + 4 <= size && i < MAX_COMMANDS * 4; i += 4)
            command(&m, data + i);
        check(&m);
    }
    teardown(&m);
    return 0;
}
