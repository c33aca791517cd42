/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Line A20: by system control port A (92h) and by the keyboard controller's output port. */
#include "io.h"
#include "real.h"

#define LOW_OFF 0x600u /* 0000:0600 */
#define MARK    0x11223344u

/* What is at FFFF:0610, which is address 100600h, or 600h while A20 is off. */
static u32 read_high(void)
{
    u32 v;
    asm volatile("movw %w1, %%fs\n movl %%fs:(%%bx), %0\n movw %w2, %%fs"
                 : "=a"(v)
                 : "r"(0xffff), "r"(0), "b"(LOW_OFF + 0x10));
    return v;
}

static void write_high(u32 v)
{
    asm volatile("movw %w1, %%fs\n movl %0, %%fs:(%%bx)\n movw %w2, %%fs"
                 :
                 : "a"(v), "r"(0xffff), "r"(0), "b"(LOW_OFF + 0x10)
                 : "memory");
}

static void check_line(bool on)
{
    volatile u32 *low = (volatile u32 *)LOW_OFF;
    *low = MARK;
    write_high(~MARK);
    CHECK_EQ(*low, on ? MARK : ~MARK);
    *low = 5;
    CHECK_EQ(read_high(), on ? ~MARK : 5);
}

static void port92(void)
{
    test("port 92h");
    u8 v = inb(0x92) & 0xfe;
    outb(0x92, v | 2);
    CHECK_EQ(inb(0x92) & 2, 2);
    check_line(true);
    outb(0x92, (u8)(v & ~2));
    CHECK_EQ(inb(0x92) & 2, 0);
    check_line(false);
    outb(0x92, v | 2);
    check_line(true);
}

static void wait_input_empty(void)
{
    for (u32 i = 0; i < 100000 && (inb(0x64) & 2); i++)
        pause_cpu();
}

static void output_port(u8 v)
{
    wait_input_empty();
    outb(0x64, 0xd1);
    wait_input_empty();
    outb(0x60, v);
    wait_input_empty();
}

static void i8042(void)
{
    test("keyboard controller");
    outb(0x92, inb(0x92) & 0xfc);
    output_port(0xdd); /* bit 0 (no reset) set, bit 1 (A20) clear */
    check_line(false);
    output_port(0xdf);
    check_line(true);
}

/* SeaBIOS leaves port 92h on; HIMEM of DOS then uses the keyboard controller. */
static void last_write_counts(void)
{
    test("last write counts");
    u8 v = inb(0x92) & 0xfc;
    outb(0x92, v | 2);
    output_port(0xdd);
    check_line(false);
    CHECK_EQ(inb(0x92) & 2, 2);
    outb(0x92, v | 2);
    check_line(true);
    outb(0x92, v);
    check_line(false);
    output_port(0xdf);
    check_line(true);
    outb(0x92, v | 2);
    check_line(true);
}

GUEST("a20")
{
    port92();
    i8042();
    last_write_counts();
}
