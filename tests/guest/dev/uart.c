/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NS16550A on COM1: registers, loopback, FIFOs, interrupt identification. Reports go the same way,
   so the line is put back before each check. */
#include "desc.h"
#include "io.h"
#include "time.h"

#define COM 0x3f8
enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR };

static u8 get(u16 reg)
{
    return inb((u16)(COM + reg));
}

static void put(u16 reg, u8 v)
{
    outb((u16)(COM + reg), v);
}

static void drain(void)
{
    for (u32 i = 0; i < 1000 && !(get(LSR) & 0x40); i++)
        delay_us(100);
}

static void registers(void)
{
    test("registers");
    drain();
    put(SCR, 0x5a);
    CHECK_EQ(get(SCR), 0x5a);
    put(SCR, 0xa5);
    CHECK_EQ(get(SCR), 0xa5);
    u8 lcr = get(LCR);
    put(LCR, lcr | 0x80); /* divisor latch */
    u8 low = get(DATA), high = get(IER);
    put(DATA, 0x34);
    put(IER, 0x12);
    u8 l = get(DATA), h = get(IER);
    put(DATA, low);
    put(IER, high);
    put(LCR, lcr);
    CHECK_EQ(l, 0x34);
    CHECK_EQ(h, 0x12);
    put(IER, 0xff);
    u8 ier = get(IER);
    put(IER, 0);
    CHECK_EQ(ier, 0x0f);
    (void)get(IIR);
    CHECK_EQ(get(IIR) & 0x0f, 1); /* nothing pending */
    CHECK_EQ(get(LSR) & 0x60, 0x60);
}

static void loopback(void)
{
    test("loopback");
    drain();
    u8 mcr = get(MCR), msr[4], out[8], iir, iir_after, lsr, lsr_empty;
    put(IIR, 0x07); /* FIFOs on and cleared, trigger at 1 */
    put(MCR, 0x10);
    static const u8 lines[4] = {0x10, 0x11, 0x12, 0x1c};
    for (unsigned i = 0; i < 4; i++) {
        put(MCR, lines[i]);
        msr[i] = get(MSR) & 0xf0;
    }
    put(MCR, 0x10);
    for (u8 i = 0; i < 8; i++) {
        put(DATA, (u8)(0x40 + i));
        delay_us(1000);
    }
    lsr = get(LSR);
    put(IER, 1);
    iir = get(IIR);
    for (unsigned i = 0; i < 8; i++)
        out[i] = get(DATA);
    iir_after = get(IIR);
    lsr_empty = get(LSR);
    put(IER, 0);
    put(MCR, mcr);
    CHECK_EQ(msr[0], 0);
    CHECK_EQ(msr[1], 0x20); /* DTR to DSR */
    CHECK_EQ(msr[2], 0x10); /* RTS to CTS */
    CHECK_EQ(msr[3], 0xc0); /* OUT1 to RI, OUT2 to DCD */
    CHECK_EQ(lsr & 1, 1);
    CHECK_EQ(iir & 0x0f, 4);
    CHECK_EQ(iir & 0xc0, 0xc0); /* FIFOs are on */
    for (unsigned i = 0; i < 8; i++)
        CHECK_EQ(out[i], 0x40 + i);
    CHECK_EQ(iir_after & 0x0f, 1);
    CHECK_EQ(lsr_empty & 1, 0);
}

static void identification(void)
{
    test("interrupt identification");
    drain();
    put(IER, 2);
    u8 first = get(IIR), second = get(IIR); /* the read clears this one */
    put(IER, 0);
    CHECK_EQ(first & 0x0f, 2);
    CHECK_EQ(second & 0x0f, 1);
    drain();
    u8 mcr = get(MCR);
    put(MCR, 0x10);
    (void)get(MSR);
    put(IER, 8);
    put(MCR, 0x12);
    u8 modem = get(IIR), delta = get(MSR), after = get(IIR);
    put(IER, 0);
    put(MCR, mcr);
    (void)get(MSR);
    CHECK_EQ(modem & 0x0f, 0);
    CHECK_EQ(delta & 0x0f, 1); /* CTS changed */
    CHECK_EQ(after & 0x0f, 1);
    put(IIR, 0);
    CHECK_EQ(get(IIR) & 0xc0, 0); /* FIFOs off */
    put(IIR, 7);
}

GUEST("uart")
{
    registers();
    loopback();
    identification();
}
