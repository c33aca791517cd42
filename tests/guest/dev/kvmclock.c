/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The paravirtual clock that CPUID leaf 40000001h offers: the structure a CPU's clock is read from,
   the wall clock, the version protocol; time agrees with the ACPI timer and never goes back. */
#include "acpi.h"
#include "desc.h"
#include "io.h"
#include "time.h"

#define MSR_WALL   0x4b564d00u
#define MSR_SYSTEM 0x4b564d01u

struct system_time {
    u32 version, pad;
    u64 tsc, ns;
    u32 mul;
    signed char shift;
    u8 flags, pad2[2];
};

struct wall_clock {
    u32 version, sec, nsec;
};

static volatile struct system_time clock __attribute__((aligned(64)));
static volatile struct wall_clock wall __attribute__((aligned(64)));

static u64 now(void)
{
    u64 ns;
    u32 version;
    do {
        version = clock.version;
        asm volatile("lfence" : : : "memory");
        u64 delta = rdtsc() - clock.tsc;
        delta = clock.shift >= 0 ? delta << clock.shift : delta >> -clock.shift;
        ns = clock.ns + (u64)((unsigned __int128)delta * clock.mul >> 32);
        asm volatile("lfence" : : : "memory");
    } while ((version & 1) || version != clock.version);
    return ns;
}

/* The ACPI timer's 3.579545 MHz. */
static u64 timer_ns(u32 from, u32 to)
{
    return ((to - from) & 0xffffff) * 1000000000ull / 3579545;
}

GUEST("kvmclock")
{
    struct cpuid c = cpuid(0x40000000, 0), f = cpuid(0x40000001, 0);
    test("presence");
    if (c.ebx != 0x4b4d564b || !(f.eax & BIT(3))) {
        print("no paravirtual clock offered\n");
        CHECK_TRAP(GP, 0, wrmsr(MSR_SYSTEM, 0));
        return;
    }
    test("system time");
    CHECK_RUNS(wrmsr(MSR_SYSTEM, (word)&clock | 1));
    CHECK_EQ(rdmsr(MSR_SYSTEM), (word)&clock | 1);
    CHECK(clock.version != 0);
    CHECK_EQ(clock.version & 1, 0);
    CHECK(clock.mul != 0);
    u64 last = now();
    for (int i = 0; i < 1000; i++) {
        u64 t = now();
        CHECK(t >= last);
        last = t;
    }
    const struct acpi_header *fadt = acpi_find("FACP");
    u16 port = (u16)acpi_u32(fadt, FADT_PM_TMR);
    u32 p0 = inl(port);
    u64 t0 = now();
    u32 p1 = inl(port);
    delay_us(100000);
    u32 p2 = inl(port);
    u64 ns = now() - t0;
    u32 p3 = inl(port);
    CHECK_IN(ns, timer_ns(p1, p2) * 999 / 1000, timer_ns(p0, p3) * 1001 / 1000 + 1000);
    test("wall clock");
    CHECK_RUNS(wrmsr(MSR_WALL, (word)&wall));
    CHECK_EQ(wall.version & 1, 0);
    CHECK(wall.version != 0);
    CHECK(wall.sec > 1700000000u); /* when the machine was started */
    CHECK(wall.nsec < 1000000000u);
    wrmsr(MSR_SYSTEM, 0);
    u32 version = clock.version;
    delay_us(10000);
    CHECK_EQ(clock.version, version); /* off */
}
