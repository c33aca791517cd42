/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Delays by the interval timer's channel 2 in mode 0: OUT2 rises when the count is over. */
#include "time.h"
#include "io.h"

static void wait_ticks(u16 ticks)
{
    outb(0x61, (u8)((inb(0x61) & ~2) | 1));
    outb(0x43, 0xb0);
    outb(0x42, (u8)ticks);
    outb(0x42, (u8)(ticks >> 8));
    while (!(inb(0x61) & 0x20))
        pause_cpu();
}

void delay_us(u32 us)
{
    for (; us > 50000; us -= 50000)
        wait_ticks(59659);
    wait_ticks((u16)(us * 12 / 10 - us / 150 + 1)); /* 1.1933 a microsecond */
}

u64 tsc_of_us(u32 us)
{
    u64 start = rdtsc();
    delay_us(us);
    return rdtsc() - start;
}
