/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two i8259s: initialization, masks, IRR and ISR, poll, end of interrupt, priorities, cascade,
   automatic EOI, the spurious interrupt; delivery through LINT0. Sources: PIT (0), COM1 (4), RTC
   (8). */
#include "apic.h"
#include "desc.h"
#include "io.h"
#include "time.h"
#include "trap.h"

#define M    0x20
#define S    0xa0
#define BASE 0x50

static volatile u32 got[16];

static void init_pic(u8 mode)
{
    outb(M, 0x11);
    outb(M + 1, BASE);
    outb(M + 1, 4);
    outb(M + 1, mode);
    outb(S, 0x11);
    outb(S + 1, BASE + 8);
    outb(S + 1, 2);
    outb(S + 1, mode);
    outb(M + 1, 0xff);
    outb(S + 1, 0xff);
}

static u8 irr(u16 port)
{
    outb(port, 0x0a);
    return inb(port);
}

static u8 isr(u16 port)
{
    outb(port, 0x0b);
    return inb(port);
}

static void pit_once(void)
{
    outb(0x43, 0x30); /* channel 0, mode 0: one rising edge */
    outb(0x40, 100);
    outb(0x40, 0);
}

static void uart_line(bool on)
{
    outb(0x3fc, on ? 0x0b : 0x03); /* OUT2 lets the interrupt through */
    outb(0x3f9, on ? 2 : 0);       /* transmitter empty: it is, so the line rises at once */
    if (!on)
        (void)inb(0x3fa);
}

static void masks(void)
{
    test("masks");
    init_pic(1);
    CHECK_EQ(inb(M + 1), 0xff);
    outb(M + 1, 0x5a);
    CHECK_EQ(inb(M + 1), 0x5a);
    CHECK_EQ(inb(S + 1), 0xff);
    outb(M, 0x11); /* ICW1 clears the mask */
    outb(M + 1, BASE);
    outb(M + 1, 4);
    outb(M + 1, 1);
    CHECK_EQ(inb(M + 1), 0);
    init_pic(1);
}

static void requests(void)
{
    test("IRR, ISR and poll");
    init_pic(1);
    pit_once();
    CHECK(WAIT_FOR(irr(M) & 1, 100)); /* also while masked */
    outb(M + 1, 0xfe);
    CHECK_EQ(isr(M) & 1, 0);
    outb(M, 0x0c); /* poll acknowledges */
    CHECK_EQ(inb(M), 0x80);
    CHECK_EQ(isr(M) & 1, 1);
    CHECK_EQ(irr(M) & 1, 0);
    outb(M, 0x0c);
    CHECK_EQ(inb(M) & 0x80, 0);
    outb(M, 0x20);
    CHECK_EQ(isr(M), 0);
    uart_line(true);
    CHECK_EQ(irr(M) & 0x10, 0x10);
    uart_line(false);
}

static void priorities(void)
{
    test("priorities");
    init_pic(1);
    outb(M + 1, 0xee);
    uart_line(true);
    outb(M, 0x0c);
    CHECK_EQ(inb(M), 0x84);
    pit_once();
    CHECK(WAIT_FOR(irr(M) & 1, 100));
    outb(M, 0x0c); /* 0 comes before 4 */
    CHECK_EQ(inb(M), 0x80);
    CHECK_EQ(isr(M), 0x11);
    outb(M, 0x20); /* not specific: the highest */
    CHECK_EQ(isr(M), 0x10);
    outb(M, 0x64); /* specific: 4 */
    CHECK_EQ(isr(M), 0);
    uart_line(false);
    outb(M, 0xc0); /* lowest is 0, so 4 comes before it */
    uart_line(true);
    pit_once();
    CHECK(WAIT_FOR(irr(M) & 1, 100));
    outb(M, 0x0c);
    CHECK_EQ(inb(M), 0x84);
    outb(M, 0x0c);
    CHECK_EQ(inb(M) & 0x80, 0); /* 0 must wait */
    outb(M, 0x20);
    outb(M, 0x0c);
    CHECK_EQ(inb(M), 0x80);
    outb(M, 0x20);
    uart_line(false);
    outb(M, 0xc7);
}

static void on_irq(struct frame *f)
{
    u32 irq = (u32)f->vector - BASE;
    got[irq]++;
    if (irq == 7 && !(isr(M) & 0x80))
        return;
    if (irq >= 8)
        outb(S, 0x20);
    outb(M, 0x20);
}

static void delivery(void)
{
    test("delivery");
    init_pic(1);
    pit_once();
    outb(M + 1, 0xfe);
    CHECK(WAIT_FOR(irr(M) & 1, 100));
    CHECK_EQ(got[0], 0); /* IF is clear */
    sti();
    CHECK(WAIT_FOR(got[0] == 1, 100));
    cli();
    pit_once();
    halt();
    CHECK_EQ(got[0], 2);
    CHECK_EQ(isr(M), 0);
    outb(M + 1, 0xef);
    uart_line(true);
    sti();
    CHECK(WAIT_FOR(got[4] == 1, 100));
    delay_us(2000);
    CHECK_EQ(got[4], 1); /* edge-triggered: a line that stays high is one interrupt */
    cli();
    uart_line(false);
}

static void cascade(void)
{
    test("cascade");
    init_pic(1);
    outb(M + 1, 0xfb);
    outb(S + 1, 0xfe);
    outb(0x70, 0x0a);
    outb(0x71, 0x26); /* 1024 Hz */
    outb(0x70, 0x0b);
    u8 b = inb(0x71);
    outb(0x70, 0x0b);
    outb(0x71, b | 0x40);
    sti();
    CHECK(WAIT_FOR(got[8] == 1, 100));
    delay_us(3000);
    CHECK_EQ(got[8], 1); /* register C was not read: the line stays high */
    outb(0x70, 0x0c);
    (void)inb(0x71);
    CHECK(WAIT_FOR(got[8] == 2, 100));
    cli();
    outb(0x70, 0x0b);
    outb(0x71, b);
    outb(0x70, 0x0c);
    (void)inb(0x71);
    CHECK_EQ(isr(M) | isr(S), 0);
}

static void automatic(void)
{
    test("automatic end of interrupt");
    init_pic(3);
    outb(M + 1, 0xfe);
    pit_once();
    CHECK(WAIT_FOR(irr(M) & 1, 100));
    outb(M, 0x0c);
    CHECK_EQ(inb(M), 0x80);
    CHECK_EQ(isr(M), 0);
    init_pic(1);
}

static void spurious(void)
{
    test("spurious interrupt");
    init_pic(1);
    got[4] = got[7] = 0;
    outb(M + 1, 0xef);
    uart_line(true);  /* INTR is up… */
    uart_line(false); /* …and its reason goes away */
    sti();
    delay_us(1000);
    cli();
    CHECK(got[4] + got[7] <= 1); /* 7 if the request went with the line */
    CHECK_EQ(isr(M), 0);
}

static void elcr(void)
{
    test("edge or level register");
    outb(0x4d0, 0);
    outb(0x4d1, 0x0e);
    CHECK_EQ(inb(0x4d1), 0x0e);
    outb(0x4d0, 0xff);
    CHECK_EQ(inb(0x4d0), 0xf8); /* 0, 1 and 2 are always edge */
    outb(0x4d0, 0);
    outb(0x4d1, 0);
}

GUEST("pic")
{
    apic_enable();
    apic_write(APIC_LVT_LINT0, LVT_EXTINT);
    for (u8 i = 0; i < 16; i++)
        trap_handle((u8)(BASE + i), on_irq);
    masks();
    requests();
    priorities();
    delivery();
    cascade();
    automatic();
    spurious();
    elcr();
}
