/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/ioapic.h"

#include "../test.h"
#include "lapic_cpu.h"

#include <errno.h>
#include <pthread.h>

#define BASE   0xfec00000ull
#define MASKED 0x10000u
#define LEVEL  0x8000u
#define RIRR   0x4000u

struct fixture {
    pthread_mutex_t lock;
    struct bus mmio;
    struct clock *clk;
    struct lapic_bus *bus;
    struct cpu cpu[2];
    struct ioapic *io;
};

static void setup(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    pthread_mutex_init(&f->lock, NULL);
    bus_init(&f->mmio, "mmio", &f->lock);
    CHECK_EQ(clock_new_manual(&f->clk), 0);
    CHECK_EQ(lapic_bus_new(&f->bus), 0);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(lapic_new(&f->cpu[i].l, f->bus, f->clk, i, i == 0, &lapic_cpu_ops, &f->cpu[i]), 0);
        lapic_mmio_write(f->cpu[i].l, 0xf0, 4, 0x1ff);
        lapic_mmio_write(f->cpu[i].l, 0xd0, 4, BIT(24 + i));
    }
    CHECK_EQ(ioapic_new(&f->io, &f->mmio, BASE, f->bus), 0);
}

static void teardown(struct fixture *f)
{
    ioapic_free(f->io);
    for (unsigned i = 0; i < 2; i++)
        lapic_free(f->cpu[i].l);
    lapic_bus_free(f->bus);
    clock_free(f->clk);
    bus_dispose(&f->mmio);
    pthread_mutex_destroy(&f->lock);
}

static u32 rd(struct fixture *f, u32 reg)
{
    bus_write(&f->mmio, BASE, 4, reg);
    return (u32)bus_read(&f->mmio, BASE + 0x10, 4);
}

static void wr(struct fixture *f, u32 reg, u32 val)
{
    bus_write(&f->mmio, BASE, 4, reg);
    bus_write(&f->mmio, BASE + 0x10, 4, val);
}

static void program(struct fixture *f, unsigned pin, u32 low, u32 dest)
{
    wr(f, 0x10 + 2 * pin, MASKED);
    wr(f, 0x11 + 2 * pin, dest << 24);
    wr(f, 0x10 + 2 * pin, low);
}

static int take(struct fixture *f, unsigned n)
{
    int vector = lapic_pending(f->cpu[n].l);

    if (vector >= 0)
        lapic_accept(f->cpu[n].l, (u8)vector);
    return vector;
}

static void eoi(struct fixture *f, unsigned n)
{
    lapic_mmio_write(f->cpu[n].l, 0xb0, 4, 0);
}

static int serve(struct fixture *f, unsigned n)
{
    int vector = take(f, n);

    if (vector >= 0)
        eoi(f, n);
    return vector;
}

static void test_registers(void)
{
    struct fixture f;
    struct ioapic *other;

    setup(&f);
    CHECK_EQ(ioapic_new(&other, &f.mmio, BASE + 0x800, f.bus), -EEXIST);
    CHECK_EQ(rd(&f, 1), 0x00170020);
    wr(&f, 1, 0xffffffff);
    CHECK_EQ(rd(&f, 1), 0x00170020);
    CHECK_EQ(rd(&f, 0), 0);
    wr(&f, 0, 0xffffffff);
    CHECK_EQ(rd(&f, 0), 0x0f000000);
    CHECK_EQ(rd(&f, 2), 0x0f000000);
    wr(&f, 2, 0);
    CHECK_EQ(rd(&f, 2), 0x0f000000);
    for (u32 pin = 0; pin < IOAPIC_PINS; pin++)
        CHECK_EQ(rd(&f, 0x10 + 2 * pin), MASKED);
    wr(&f, 0x12, 0xffffffff);
    wr(&f, 0x13, 0xffffffff);
    CHECK_EQ(rd(&f, 0x12), 0x1afff);
    CHECK_EQ(rd(&f, 0x13), 0xff000000);
    CHECK_EQ(rd(&f, 0x40), 0);
    CHECK_EQ(rd(&f, 0xff), 0);
    ioapic_reset(f.io);
    CHECK_EQ(rd(&f, 0x12), MASKED);
    CHECK_EQ(rd(&f, 0), 0);
    teardown(&f);
}

static void test_narrow_accesses(void)
{
    struct fixture f;

    setup(&f);
    bus_write(&f.mmio, BASE, 1, 0x15);
    CHECK_EQ(bus_read(&f.mmio, BASE, 1), 0x15);
    bus_write(&f.mmio, BASE + 1, 1, 0xff); /* only the low byte exists */
    CHECK_EQ(bus_read(&f.mmio, BASE, 4), 0x15);
    bus_write(&f.mmio, BASE + 0x13, 1, 0xaa);
    CHECK_EQ(bus_read(&f.mmio, BASE + 0x10, 4), 0xaa000000);
    CHECK_EQ(bus_read(&f.mmio, BASE + 0x12, 2), 0xaa00);
    bus_write(&f.mmio, BASE, 1, 0x14);
    bus_write(&f.mmio, BASE + 0x10, 1, 0x77);
    CHECK_EQ(bus_read(&f.mmio, BASE + 0x10, 4), MASKED | 0x77);
    CHECK_EQ(bus_read(&f.mmio, BASE + 0x20, 4), 0);
    CHECK_EQ(bus_read(&f.mmio, BASE + 0xffd, 8) & 0xffffff, 0);
    teardown(&f);
}

static void test_edge(void)
{
    struct fixture f;

    setup(&f);
    program(&f, 4, 0x54, 1);
    ioapic_set(f.io, 4, true);
    ioapic_set(f.io, 4, true);
    CHECK_EQ(serve(&f, 0), -1);
    CHECK_EQ(serve(&f, 1), 0x54);
    CHECK_EQ(serve(&f, 1), -1);
    CHECK_EQ(rd(&f, 0x18), 0x54);
    ioapic_set(f.io, 4, false);
    wr(&f, 0x18, MASKED | 0x54);
    ioapic_set(f.io, 4, true); /* while masked: lost */
    wr(&f, 0x18, 0x54);
    CHECK_EQ(serve(&f, 1), -1);
    ioapic_set(f.io, 4, false);
    ioapic_set(f.io, 4, true);
    CHECK_EQ(serve(&f, 1), 0x54);
    teardown(&f);
}

static void test_level(void)
{
    struct fixture f;

    setup(&f);
    program(&f, 10, LEVEL | 0x5a, 0);
    ioapic_set(f.io, 10, true);
    CHECK_EQ(rd(&f, 0x24), LEVEL | RIRR | 0x5a);
    CHECK_EQ(take(&f, 0), 0x5a);
    ioapic_set(f.io, 10, false);
    ioapic_set(f.io, 10, true); /* one is in service: no more until its EOI */
    CHECK_EQ(rd(&f, 0x24), LEVEL | RIRR | 0x5a);
    CHECK_EQ(lapic_pending(f.cpu[0].l), -1);
    eoi(&f, 0);
    CHECK_EQ(rd(&f, 0x24), LEVEL | RIRR | 0x5a); /* and again */
    CHECK_EQ(take(&f, 0), 0x5a);
    ioapic_set(f.io, 10, false);
    eoi(&f, 0);
    CHECK_EQ(rd(&f, 0x24), LEVEL | 0x5a);
    CHECK_EQ(serve(&f, 0), -1);
    wr(&f, 0x24, MASKED | LEVEL | 0x5a);
    ioapic_set(f.io, 10, true);
    CHECK_EQ(serve(&f, 0), -1);
    wr(&f, 0x24, LEVEL | 0x5a); /* unmasked with the line up */
    CHECK_EQ(take(&f, 0), 0x5a);
    wr(&f, 0x24, MASKED | LEVEL | 0x5a); /* the EOI of a masked pin re-delivers nothing */
    eoi(&f, 0);
    CHECK_EQ(rd(&f, 0x24), MASKED | LEVEL | 0x5a);
    CHECK_EQ(serve(&f, 0), -1);
    teardown(&f);
}

static void test_remote_irr(void)
{
    struct fixture f;

    setup(&f);
    program(&f, 10, LEVEL | 0x5a, 0);
    program(&f, 11, LEVEL | 0x5a, 0); /* shares the vector */
    ioapic_set(f.io, 10, true);
    ioapic_set(f.io, 11, true);
    CHECK_EQ(take(&f, 0), 0x5a);
    ioapic_set(f.io, 10, false);
    ioapic_set(f.io, 11, false);
    wr(&f, 0x24, LEVEL | 0x5a); /* read-only: stays */
    CHECK_EQ(rd(&f, 0x24), LEVEL | RIRR | 0x5a);
    wr(&f, 0x25, 0x01000000);
    CHECK_EQ(rd(&f, 0x24), LEVEL | RIRR | 0x5a);
    eoi(&f, 0);
    CHECK_EQ(rd(&f, 0x24), LEVEL | 0x5a);
    CHECK_EQ(rd(&f, 0x26), LEVEL | 0x5a);
    wr(&f, 0x25, 0);
    ioapic_set(f.io, 10, true);
    ioapic_set(f.io, 10, false);
    CHECK_EQ(rd(&f, 0x24), LEVEL | RIRR | 0x5a);
    wr(&f, 0x24, MASKED | 0x5a); /* edge clears it */
    wr(&f, 0x24, MASKED | LEVEL | 0x5a);
    CHECK_EQ(rd(&f, 0x24), MASKED | LEVEL | 0x5a);
    wr(&f, 0x24, LEVEL | 0x5a);
    CHECK_EQ(serve(&f, 0), 0x5a);
    ioapic_set(f.io, 10, true);
    bus_write(&f.mmio, BASE + 0x40, 4, 0x11); /* EOI register: not this vector */
    CHECK_EQ(rd(&f, 0x24), LEVEL | RIRR | 0x5a);
    ioapic_set(f.io, 10, false);
    bus_write(&f.mmio, BASE + 0x40, 4, 0x5a);
    CHECK_EQ(rd(&f, 0x24), LEVEL | 0x5a);
    CHECK_EQ(serve(&f, 0), 0x5a);
    program(&f, 10, LEVEL | 0x5a, 9); /* nobody there: not accepted */
    ioapic_set(f.io, 10, true);
    CHECK_EQ(rd(&f, 0x24), LEVEL | 0x5a);
    teardown(&f);
}

static void test_destinations_and_modes(void)
{
    struct fixture f;

    setup(&f);
    program(&f, 5, 0x855, 3); /* logical, both */
    ioapic_set(f.io, 5, true);
    CHECK_EQ(serve(&f, 0), 0x55);
    CHECK_EQ(serve(&f, 1), 0x55);
    ioapic_set(f.io, 5, false);
    program(&f, 5, 0x955, 3); /* lowest priority */
    lapic_set_tpr(f.cpu[0].l, 0x20);
    ioapic_set(f.io, 5, true);
    CHECK_EQ(serve(&f, 0), -1);
    CHECK_EQ(serve(&f, 1), 0x55);
    program(&f, 6, LEVEL | 0x400, 1); /* NMI: an edge even if programmed as level */
    ioapic_set(f.io, 6, true);
    CHECK_EQ(f.cpu[1].nmi, 1);
    CHECK_EQ(rd(&f, 0x1c), LEVEL | 0x400);
    ioapic_set(f.io, 6, false);
    ioapic_set(f.io, 6, true);
    CHECK_EQ(f.cpu[1].nmi, 2);
    program(&f, 7, 0x200, 0);
    ioapic_set(f.io, 7, true);
    CHECK_EQ(f.cpu[0].smi, 1);
    program(&f, 8, 0x500, 1);
    ioapic_set(f.io, 8, true);
    CHECK_EQ(f.cpu[1].init, 1);
    program(&f, 9, 0x600, 1); /* reserved */
    ioapic_set(f.io, 9, true);
    program(&f, 9, 0x300, 1);
    ioapic_set(f.io, 9, false);
    ioapic_set(f.io, 9, true);
    CHECK_EQ(f.cpu[1].sipi, 0);
    CHECK_EQ(lapic_pending(f.cpu[1].l), -1);
    teardown(&f);
}

static void test_extint(void)
{
    struct fixture f;
    struct lapic *l;

    setup(&f);
    l = f.cpu[0].l;
    ioapic_set(f.io, 0, true);
    program(&f, 0, 0x700, 0);
    CHECK(lapic_extint_pending(l));
    CHECK(!lapic_extint_pending(f.cpu[1].l));
    ioapic_set(f.io, 0, false);
    CHECK(!lapic_extint_pending(l));
    ioapic_set(f.io, 0, true);
    CHECK(lapic_extint_pending(l));
    wr(&f, 0x11, 0x01000000); /* moves to the other CPU */
    CHECK(!lapic_extint_pending(l));
    CHECK(lapic_extint_pending(f.cpu[1].l));
    wr(&f, 0x10, MASKED | 0x700);
    CHECK(!lapic_extint_pending(f.cpu[1].l));
    wr(&f, 0x10, 0x700);
    ioapic_reset(f.io);
    CHECK(!lapic_extint_pending(f.cpu[1].l));
    teardown(&f);
}

static void *device(void *opaque)
{
    struct fixture *f = opaque;

    for (unsigned i = 0; i < 20000; i++) {
        pthread_mutex_lock(&f->lock);
        ioapic_set(f->io, 10, i & 1);
        ioapic_set(f->io, 11, i & 2);
        pthread_mutex_unlock(&f->lock);
    }
    return NULL;
}

/* EOIs against line changes: a level-triggered pin must never get stuck. */
static void test_threads(void)
{
    struct fixture f;
    pthread_t thread;

    setup(&f);
    program(&f, 10, LEVEL | 0x5a, 0);
    program(&f, 11, 0x6a, 0);
    CHECK_EQ(pthread_create(&thread, NULL, device, &f), 0);
    for (unsigned i = 0; i < 20000; i++)
        serve(&f, 0);
    pthread_join(thread, NULL);
    ioapic_set(f.io, 10, false);
    for (unsigned i = 0; i < 4; i++)
        serve(&f, 0);
    CHECK_EQ(serve(&f, 0), -1);
    CHECK_EQ(rd(&f, 0x24), LEVEL | 0x5a);
    ioapic_set(f.io, 10, true);
    CHECK_EQ(take(&f, 0), 0x5a);
    teardown(&f);
}

int main(void)
{
    TEST_RUN(test_registers);
    TEST_RUN(test_narrow_accesses);
    TEST_RUN(test_edge);
    TEST_RUN(test_level);
    TEST_RUN(test_remote_irr);
    TEST_RUN(test_destinations_and_modes);
    TEST_RUN(test_extint);
    TEST_RUN(test_threads);
    return test_result();
}
