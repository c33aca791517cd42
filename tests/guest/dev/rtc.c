/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MC146818: time in BCD and binary, SET, update in progress, the three interrupts, CMOS memory. */
#include "desc.h"
#include "io.h"
#include "time.h"

static u8 get(u8 index)
{
    outb(0x70, index);
    return inb(0x71);
}

static void put(u8 index, u8 v)
{
    outb(0x70, index);
    outb(0x71, v);
}

static bool is_bcd(u8 v)
{
    return (v & 15) < 10 && v >> 4 < 10;
}

static void memory(void)
{
    test("CMOS memory");
    u8 old[16];
    for (u8 i = 0; i < 16; i++) {
        old[i] = get((u8)(0x70 + i));
        put((u8)(0x70 + i), (u8)(i * 17));
    }
    for (u8 i = 0; i < 16; i++) {
        CHECK_EQ(get((u8)(0x70 + i)), i * 17);
        put((u8)(0x70 + i), old[i]);
    }
    put(0x10 | 0x80, get(0x10));      /* bit 7 is the NMI mask, not part of the index */
    CHECK_EQ(get(0x0d) & 0x80, 0x80); /* VRT: the battery is good */
    outb(0x70, 0x0d);
}

static void time_of_day(void)
{
    test("time");
    CHECK(WAIT_FOR(!(get(10) & 0x80), 10));
    CHECK_EQ(get(11) & 0x80, 0);
    put(11, 2); /* 24 hours, BCD */
    static const u8 index[] = {0, 2, 4, 7, 8, 9};
    static const u8 low[] = {0, 0, 0, 1, 1, 0}, high[] = {0x59, 0x59, 0x23, 0x31, 0x12, 0x99};
    for (unsigned i = 0; i < ARRAY_SIZE(index); i++) {
        u8 v = get(index[i]);
        CHECK(is_bcd(v));
        CHECK_IN(v, low[i], high[i]);
    }
    put(11, 0x82); /* SET */
    static const u8 eve[] = {0x58, 0x59, 0x23, 0x31, 0x12, 0x23};
    for (unsigned i = 0; i < ARRAY_SIZE(index); i++)
        put(index[i], eve[i]);
    delay_us(1100000);
    CHECK_EQ(get(0), 0x58); /* it stands still */
    put(11, 2);
    CHECK(WAIT_FOR(get(9) == 0x24, 4000));
    CHECK_EQ(get(4), 0);
    CHECK_EQ(get(7), 1);
    CHECK_EQ(get(8), 1);
    put(11, 0x84); /* binary, 12 hours */
    put(4, 0x80 | 12);
    put(0, 30);
    put(11, 4);
    CHECK_EQ(get(4), 0x8c); /* noon */
    CHECK_IN(get(0), 30, 33);
    put(11, 2);
}

static void interrupts(void)
{
    test("periodic flag");
    put(10, 0x26); /* 1024 Hz */
    (void)get(12);
    CHECK(WAIT_FOR(get(12) & 0x40, 50));
    u32 n = 0;
    (void)get(12);
    for (u32 i = 0; i < 100; i++) {
        delay_us(1000);
        n += (get(12) & 0x40) != 0;
    }
    CHECK_IN(n, 90, 100);
    CHECK_EQ(get(12) & 0x80, 0); /* IRQF needs an enabled source */
    put(11, 0x42);
    CHECK(WAIT_FOR((get(12) & 0xc0) == 0xc0, 50));
    put(11, 2);
    test("update-ended flag");
    (void)get(12);
    CHECK(WAIT_FOR(get(12) & 0x10, 1500));
    test("alarm flag");
    put(1, 0xc0), put(3, 0xc0), put(5, 0xc0); /* any time will do */
    (void)get(12);
    CHECK(WAIT_FOR(get(12) & 0x20, 1500));
    put(5, 0x99); /* never */
    delay_us(1000);
    (void)get(12);
    delay_us(1100000);
    CHECK_EQ(get(12) & 0x20, 0);
}

GUEST("rtc")
{
    memory();
    time_of_day();
    interrupts();
}
