/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Access to the local APIC, at its address after reset. */
#include "apic.h"
#include "io.h"

#define APIC_BASE 0xfee00000u

static bool x2;

u32 apic_read(u32 reg)
{
    if (x2)
        return (u32)rdmsr(0x800 + (reg >> 4));
    return *(volatile u32 *)(word)(APIC_BASE + reg);
}

void apic_write(u32 reg, u32 val)
{
    if (x2)
        wrmsr(0x800 + (reg >> 4), val);
    else
        *(volatile u32 *)(word)(APIC_BASE + reg) = val;
}

void apic_eoi(void)
{
    apic_write(APIC_EOI, 0);
}

void apic_enable(void)
{
    apic_write(APIC_SPIV, 0x100 | SPURIOUS_VECTOR);
    apic_write(APIC_TPR, 0);
    apic_write(APIC_LVT_TIMER, LVT_MASKED);
    apic_write(APIC_LVT_LINT0, LVT_MASKED);
    apic_write(APIC_LVT_LINT1, LVT_MASKED);
    apic_write(APIC_LVT_ERROR, LVT_MASKED);
}

void apic_use_msrs(bool yes)
{
    x2 = yes;
}

void apic_x2(void)
{
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | 0xc00);
    x2 = true;
}

void apic_ipi(u32 dest, u32 mode)
{
    if (x2) {
        wrmsr(0x830, (u64)dest << 32 | mode);
        return;
    }
    apic_write(APIC_ICR2, dest << 24);
    apic_write(APIC_ICR, mode);
    for (u32 i = 0; i < 1000000 && (apic_read(APIC_ICR) & ICR_PENDING); i++)
        pause_cpu();
}

bool apic_bit(u32 reg, u8 vector)
{
    return apic_read(reg + (vector >> 5) * 0x10) >> (vector & 31) & 1;
}
