/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/i8259.h"

#include "../test.h"

#include <errno.h>
#include <pthread.h>

struct fixture {
    pthread_mutex_t lock;
    struct bus pio;
    struct i8259 *pic;
    bool intr;
    unsigned rises;
};

static void on_intr(void *opaque, unsigned n, bool level)
{
    struct fixture *f = opaque;

    CHECK(f->intr != level); /* only changes */
    f->intr = level;
    f->rises += level;
}

static void out(struct fixture *f, u16 port, u8 val)
{
    bus_write(&f->pio, port, 1, val);
}

static u8 in(struct fixture *f, u16 port)
{
    return (u8)bus_read(&f->pio, port, 1);
}

/* Vectors 20h and 28h, everything unmasked. */
static void init(struct fixture *f, u8 icw4_master, u8 icw4_slave)
{
    out(f, 0x20, 0x11);
    out(f, 0x21, 0x20);
    out(f, 0x21, 0x04);
    out(f, 0x21, icw4_master);
    out(f, 0xa0, 0x11);
    out(f, 0xa1, 0x28);
    out(f, 0xa1, 0x02);
    out(f, 0xa1, icw4_slave);
}

static void setup(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    pthread_mutex_init(&f->lock, NULL);
    bus_init(&f->pio, "pio", &f->lock);
    CHECK_EQ(i8259_new(&f->pic, &f->pio, (struct irq){on_intr, f, 0}), 0);
    init(f, 1, 1);
}

static void teardown(struct fixture *f)
{
    i8259_free(f->pic);
    bus_dispose(&f->pio);
    pthread_mutex_destroy(&f->lock);
}

static void pulse(struct fixture *f, unsigned irq)
{
    i8259_set(f->pic, irq, true);
    i8259_set(f->pic, irq, false);
}

static u8 isr(struct fixture *f, u16 port)
{
    out(f, port, 0x0b);
    return in(f, port);
}

static u8 irr(struct fixture *f, u16 port)
{
    out(f, port, 0x0a);
    return in(f, port);
}

static void test_setup(void)
{
    struct fixture f;
    struct i8259 *other;

    setup(&f);
    CHECK_EQ(i8259_new(&other, &f.pio, (struct irq){0}), -EEXIST);
    CHECK_EQ(in(&f, 0x21), 0);
    out(&f, 0x21, 0xfb);
    CHECK_EQ(in(&f, 0x21), 0xfb);
    i8259_reset(f.pic);
    i8259_set(f.pic, 0, true); /* not programmed: silent */
    CHECK(!f.intr);
    init(&f, 1, 1);
    CHECK(!f.intr); /* the edge was before ICW1 */
    i8259_set(f.pic, 0, false);
    i8259_set(f.pic, 0, true);
    CHECK(f.intr);
    i8259_reset(f.pic);
    CHECK(!f.intr);
    teardown(&f);
}

static void test_priorities(void)
{
    struct fixture f;

    setup(&f);
    pulse(&f, 5);
    pulse(&f, 3);
    CHECK(f.intr);
    CHECK_EQ(irr(&f, 0x20), 0x28);
    CHECK_EQ(i8259_ack(f.pic), 0x23);
    CHECK_EQ(isr(&f, 0x20), 0x08);
    CHECK(!f.intr); /* IRQ 5 waits for IRQ 3's EOI */
    pulse(&f, 1);
    CHECK(f.intr);
    CHECK_EQ(i8259_ack(f.pic), 0x21);
    CHECK_EQ(isr(&f, 0x20), 0x0a);
    out(&f, 0x20, 0x20);
    CHECK_EQ(isr(&f, 0x20), 0x08);
    CHECK(!f.intr);
    out(&f, 0x20, 0x63); /* specific */
    CHECK(f.intr);
    CHECK_EQ(i8259_ack(f.pic), 0x25);
    pulse(&f, 5); /* remembered while it is in service */
    CHECK(!f.intr);
    out(&f, 0x20, 0x20);
    CHECK_EQ(i8259_ack(f.pic), 0x25);
    teardown(&f);
}

static void test_mask(void)
{
    struct fixture f;

    setup(&f);
    out(&f, 0x21, 0x10);
    pulse(&f, 4);
    CHECK(!f.intr);
    CHECK_EQ(irr(&f, 0x20), 0x10);
    out(&f, 0x21, 0);
    CHECK(f.intr);
    out(&f, 0x21, 0x10);
    CHECK(!f.intr);
    CHECK_EQ(i8259_ack(f.pic), 0x27); /* spurious: no ISR bit */
    CHECK_EQ(isr(&f, 0x20), 0);
    teardown(&f);
}

static void test_edge_and_level(void)
{
    struct fixture f;

    setup(&f);
    i8259_set(f.pic, 5, true);
    CHECK_EQ(i8259_ack(f.pic), 0x25);
    out(&f, 0x20, 0x20);
    CHECK(!f.intr); /* needs a new edge */
    i8259_set(f.pic, 5, false);
    out(&f, 0x4d0, 0xff);
    out(&f, 0x4d1, 0xff);
    CHECK_EQ(in(&f, 0x4d0), 0xf8);
    CHECK_EQ(in(&f, 0x4d1), 0xde);
    i8259_set(f.pic, 5, true);
    CHECK(f.intr);
    i8259_set(f.pic, 5, false); /* a level goes away with its line */
    CHECK(!f.intr);
    CHECK_EQ(i8259_ack(f.pic), 0x27);
    i8259_set(f.pic, 5, true);
    CHECK_EQ(i8259_ack(f.pic), 0x25);
    CHECK(!f.intr);
    out(&f, 0x20, 0x20);
    CHECK(f.intr); /* still asserted */
    i8259_reset(f.pic);
    CHECK_EQ(in(&f, 0x4d0), 0);
    teardown(&f);
}

static void test_cascade(void)
{
    struct fixture f;

    setup(&f);
    pulse(&f, 12);
    pulse(&f, 3);
    CHECK_EQ(i8259_ack(f.pic), 0x2c);
    CHECK_EQ(isr(&f, 0x20), 0x04);
    CHECK_EQ(isr(&f, 0xa0), 0x10);
    pulse(&f, 8); /* more urgent in the slave, but IR2 is in service */
    CHECK(!f.intr);
    out(&f, 0xa0, 0x20);
    CHECK(!f.intr);
    out(&f, 0x20, 0x20);
    CHECK(f.intr);
    CHECK_EQ(i8259_ack(f.pic), 0x28);
    out(&f, 0xa0, 0x60);
    out(&f, 0x20, 0x62);
    CHECK_EQ(i8259_ack(f.pic), 0x23);
    out(&f, 0x20, 0x20);
    CHECK(!f.intr);
    i8259_set(f.pic, 2, true); /* not connected */
    CHECK(!f.intr);
    teardown(&f);
}

static void test_spurious_slave(void)
{
    struct fixture f;

    setup(&f);
    out(&f, 0x4d1, 0x02);
    i8259_set(f.pic, 9, true);
    CHECK(f.intr);
    i8259_set(f.pic, 9, false);
    CHECK(!f.intr);
    CHECK_EQ(i8259_ack(f.pic), 0x27);
    out(&f, 0x20, 0x11); /* a slave that answers to another number */
    out(&f, 0x21, 0x20);
    out(&f, 0x21, 0x04);
    out(&f, 0x21, 0x01);
    out(&f, 0xa0, 0x11);
    out(&f, 0xa1, 0x28);
    out(&f, 0xa1, 0x05);
    out(&f, 0xa1, 0x01);
    pulse(&f, 12);
    CHECK_EQ(i8259_ack(f.pic), 0xff);
    teardown(&f);
}

static void test_auto_eoi(void)
{
    struct fixture f;

    setup(&f);
    init(&f, 3, 3);
    pulse(&f, 6);
    pulse(&f, 7);
    pulse(&f, 9);
    pulse(&f, 10);
    f.rises = 0;
    CHECK_EQ(i8259_ack(f.pic), 0x29);
    CHECK_EQ(isr(&f, 0x20), 0);
    CHECK_EQ(isr(&f, 0xa0), 0);
    CHECK_EQ(f.rises, 1); /* INTR went down and up again */
    CHECK_EQ(i8259_ack(f.pic), 0x2a);
    out(&f, 0x20, 0x80); /* rotate in AEOI mode */
    CHECK_EQ(i8259_ack(f.pic), 0x26);
    pulse(&f, 6); /* now the lowest */
    CHECK_EQ(i8259_ack(f.pic), 0x27);
    CHECK_EQ(i8259_ack(f.pic), 0x26);
    CHECK(!f.intr);
    teardown(&f);
}

static void test_rotation(void)
{
    struct fixture f;

    setup(&f);
    out(&f, 0x20, 0xc4); /* IRQ 4 is the lowest, 5 the highest */
    pulse(&f, 4);
    pulse(&f, 0);
    pulse(&f, 5);
    CHECK_EQ(i8259_ack(f.pic), 0x25);
    out(&f, 0x20, 0xa0); /* rotate on non-specific EOI: 5 becomes the lowest */
    CHECK_EQ(isr(&f, 0x20), 0);
    pulse(&f, 5);
    CHECK_EQ(i8259_ack(f.pic), 0x20);
    out(&f, 0x20, 0xe0); /* rotate on specific EOI of 0 */
    pulse(&f, 0);
    CHECK_EQ(i8259_ack(f.pic), 0x24);
    out(&f, 0x20, 0x20);
    CHECK_EQ(i8259_ack(f.pic), 0x25);
    out(&f, 0x20, 0x20);
    CHECK_EQ(i8259_ack(f.pic), 0x20);
    out(&f, 0x20, 0x40); /* no operation */
    CHECK_EQ(isr(&f, 0x20), 0x01);
    teardown(&f);
}

static void test_special_mask(void)
{
    struct fixture f;

    setup(&f);
    pulse(&f, 2 + 1);
    CHECK_EQ(i8259_ack(f.pic), 0x23);
    pulse(&f, 6);
    CHECK(!f.intr);
    out(&f, 0x20, 0x68);
    CHECK(!f.intr);
    out(&f, 0x21, 0x08); /* masked: does not hold up others any more */
    CHECK(f.intr);
    CHECK_EQ(i8259_ack(f.pic), 0x26);
    out(&f, 0x20, 0x20); /* ends 6, not the masked 3 */
    CHECK_EQ(isr(&f, 0x20), 0x08);
    out(&f, 0x20, 0x48);
    pulse(&f, 7);
    CHECK(!f.intr);
    out(&f, 0x20, 0x20);
    CHECK_EQ(isr(&f, 0x20), 0);
    CHECK_EQ(i8259_ack(f.pic), 0x27);
    CHECK_EQ(isr(&f, 0x20), 0x80); /* a real one */
    teardown(&f);
}

static void test_special_fully_nested(void)
{
    struct fixture f;

    setup(&f);
    init(&f, 0x11, 1);
    pulse(&f, 12);
    CHECK_EQ(i8259_ack(f.pic), 0x2c);
    pulse(&f, 14);
    pulse(&f, 3);
    CHECK(!f.intr);
    pulse(&f, 8); /* the slave has something more urgent */
    CHECK(f.intr);
    CHECK_EQ(i8259_ack(f.pic), 0x28);
    CHECK_EQ(isr(&f, 0xa0), 0x11);
    out(&f, 0xa0, 0x20);
    CHECK(!f.intr);
    out(&f, 0xa0, 0x20);
    CHECK(f.intr);
    CHECK_EQ(i8259_ack(f.pic), 0x2e);
    out(&f, 0xa0, 0x20);
    out(&f, 0x20, 0x20);
    CHECK_EQ(i8259_ack(f.pic), 0x23);
    teardown(&f);
}

static void test_poll(void)
{
    struct fixture f;

    setup(&f);
    out(&f, 0x20, 0x0c);
    CHECK_EQ(in(&f, 0x20), 0);
    pulse(&f, 13);
    pulse(&f, 6);
    out(&f, 0x20, 0x0c);
    CHECK_EQ(in(&f, 0x20), 0x82);
    CHECK_EQ(isr(&f, 0x20), 0x04);
    out(&f, 0xa0, 0x0c);
    CHECK_EQ(in(&f, 0xa0), 0x85);
    CHECK_EQ(in(&f, 0xa1), 0); /* only the first read */
    out(&f, 0xa0, 0x20);
    out(&f, 0x20, 0x20);
    CHECK_EQ(i8259_ack(f.pic), 0x26);
    teardown(&f);
}

static void test_single_and_short_init(void)
{
    struct fixture f;

    setup(&f);
    out(&f, 0x20, 0x13); /* single: no ICW3 */
    out(&f, 0x21, 0x43);
    out(&f, 0x21, 0x03);
    out(&f, 0x21, 0x80); /* OCW1 */
    CHECK_EQ(in(&f, 0x21), 0x80);
    pulse(&f, 5);
    CHECK_EQ(i8259_ack(f.pic), 0x45);
    CHECK_EQ(isr(&f, 0x20), 0);
    out(&f, 0x20, 0x10); /* no ICW4 */
    out(&f, 0x21, 0x50);
    out(&f, 0x21, 0x04);
    out(&f, 0x21, 0x01);
    CHECK_EQ(in(&f, 0x21), 0x01);
    pulse(&f, 5);
    CHECK_EQ(i8259_ack(f.pic), 0x55);
    CHECK_EQ(isr(&f, 0x20), 0x20); /* AEOI is off again */
    teardown(&f);
}

int main(void)
{
    TEST_RUN(test_setup);
    TEST_RUN(test_priorities);
    TEST_RUN(test_mask);
    TEST_RUN(test_edge_and_level);
    TEST_RUN(test_cascade);
    TEST_RUN(test_spurious_slave);
    TEST_RUN(test_auto_eoi);
    TEST_RUN(test_rotation);
    TEST_RUN(test_special_mask);
    TEST_RUN(test_special_fully_nested);
    TEST_RUN(test_poll);
    TEST_RUN(test_single_and_short_init);
    return test_result();
}
