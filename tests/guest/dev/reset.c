/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ways to reset a PC, one after the other; CMOS memory says how far it got. Run with reboots.
 */
#include "desc.h"
#include "io.h"
#include "time.h"

#define INDEX 0x7e
#define MAGIC 0xa0 /* and the step in the low bits */

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

static void triple_fault(void)
{
    struct dtr none = {0, 0};
    set_idtr(none);
    asm volatile("int3");
}

static void keyboard_controller(void)
{
    for (u32 i = 0; i < 100000 && (inb(0x64) & 2); i++)
        pause_cpu();
    outb(0x64, 0xfe);
}

static void port92(void)
{
    outb(0x92, (u8)(inb(0x92) & 0xfe));
    outb(0x92, (u8)(inb(0x92) | 1));
}

static void reset_control(void)
{
    outb(0xcf9, 2);
    outb(0xcf9, 6);
}

GUEST("reset")
{
    static void (*const ways[])(void) = {keyboard_controller, port92, reset_control, triple_fault};
    static const char *const names[] = {"keyboard controller", "port 92h", "port CF9h",
                                        "triple fault"};
    static u32 canary;
    u8 step = (get(INDEX) & 0xf0) == MAGIC ? get(INDEX) & 15 : 0;
    test("state after reset");
    CHECK_EQ(canary, 0); /* the image is as loaded */
    canary = 1;
    CHECK_EQ(get_cr0() & (CR0_TS | CR0_EM), 0);
    if (step >= ARRAY_SIZE(ways)) {
        put(INDEX, 0);
        return;
    }
    test(names[step]);
    print("reset by %s\n", names[step]);
    put(INDEX, (u8)(MAGIC | (step + 1)));
    ways[step]();
    delay_us(1000000);
    put(INDEX, 0);
    guest_fatal("no reset");
}
