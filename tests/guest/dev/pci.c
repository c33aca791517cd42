/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI configuration by mechanism 1 (PCI Local Bus 3.0, 3.2.2.3): the address register, absent
   functions, every function's header, BAR sizing, byte and word accesses. */
#include "desc.h"
#include "io.h"

#define ADDRESS 0xcf8
#define DATA    0xcfc

static void select(u32 dev, u32 fn, u32 reg)
{
    outl(ADDRESS, 0x80000000u | dev << 11 | fn << 8 | (reg & ~3u));
}

static u32 get(u32 dev, u32 fn, u32 reg)
{
    select(dev, fn, reg);
    return inl(DATA);
}

static void put(u32 dev, u32 fn, u32 reg, u32 v)
{
    select(dev, fn, reg);
    outl(DATA, v);
}

static void mechanism(void)
{
    test("mechanism");
    outl(ADDRESS, 0x80000000u);
    CHECK_EQ(inl(ADDRESS), 0x80000000u);
    outl(ADDRESS, 0x8000a5fcu);
    CHECK_EQ(inl(ADDRESS), 0x8000a5fcu);
    outb(ADDRESS, 0x12); /* only doublewords reach the register */
    CHECK_EQ(inl(ADDRESS), 0x8000a5fcu);
    outl(ADDRESS, 0);
    CHECK_EQ(inl(DATA), 0xffffffffu); /* not enabled */
    u32 id = get(0, 0, 0);
    CHECK(id != 0xffffffffu); /* the host bridge */
    CHECK_EQ(inw(DATA), id & 0xffff);
    CHECK_EQ(inw(DATA + 2), id >> 16);
    CHECK_EQ(inb(DATA + 3), id >> 24);
    CHECK_EQ(get(0, 0, 8) >> 16, 0x0600);
    put(0, 0, 0, 0x12345678); /* identification is read-only */
    CHECK_EQ(get(0, 0, 0), id);
}

static void bars(u32 dev, u32 fn)
{
    u32 command = get(dev, fn, 4);
    put(dev, fn, 4, command & ~7u & 0xffff);
    for (u32 reg = 0x10; reg < 0x28; reg += 4) {
        u32 old = get(dev, fn, reg);
        put(dev, fn, reg, 0xffffffff);
        u32 size = get(dev, fn, reg);
        put(dev, fn, reg, old);
        CHECK_EQ(get(dev, fn, reg), old);
        if (size == 0)
            continue;
        u32 mask = size & (size & 1 ? ~3u : ~15u);
        if (size & 1)
            mask |= mask ? 0xffff0000u : 0;      /* 16 bits of decoding are enough */
        CHECK_EQ(mask & (~mask + 1), ~mask + 1); /* ones, then zeroes */
        if (!(size & 1) && (size & 6) == 4)
            reg += 4; /* the upper half of a 64-bit one */
    }
    put(dev, fn, 4, command & 0xffff);
}

static void functions(void)
{
    u32 found = 0;
    test("functions");
    for (u32 dev = 0; dev < 32; dev++) {
        if (get(dev, 0, 0) == 0xffffffffu) {
            CHECK_EQ(get(dev, 0, 0x0c), 0xffffffffu);
            put(dev, 0, 0x10, 0x1234);
            continue;
        }
        bool multi = get(dev, 0, 0x0c) >> 16 & 0x80;
        for (u32 fn = 0; fn < (multi ? 8 : 1); fn++) {
            if (get(dev, fn, 0) == 0xffffffffu)
                continue;
            found++;
            CHECK((get(dev, fn, 0) & 0xffff) != 0);
            if ((get(dev, fn, 0x0c) >> 16 & 0x7f) == 0)
                bars(dev, fn);
        }
    }
    CHECK(found >= 1);
}

static void capabilities(void)
{
    test("capability lists");
    for (u32 dev = 0; dev < 32; dev++) {
        if (get(dev, 0, 0) == 0xffffffffu || !(get(dev, 0, 4) & BIT(20)))
            continue;
        u32 at = get(dev, 0, 0x34) & 0xfc, n = 0;
        for (; at && n < 48; n++)
            at = get(dev, 0, at) >> 8 & 0xfc;
        CHECK_EQ(at, 0); /* it ends */
    }
}

GUEST("pci")
{
    mechanism();
    functions();
    capabilities();
}
