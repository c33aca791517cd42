/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Local APIC (SDM 3A chapter 10): by memory, or by MSR after apic_x2(). */
#pragma once
#include "guest.h"

enum {
    APIC_ID = 0x20,
    APIC_VERSION = 0x30,
    APIC_TPR = 0x80,
    APIC_PPR = 0xa0,
    APIC_EOI = 0xb0,
    APIC_LDR = 0xd0,
    APIC_DFR = 0xe0,
    APIC_SPIV = 0xf0,
    APIC_ISR = 0x100,
    APIC_TMR = 0x180,
    APIC_IRR = 0x200,
    APIC_ESR = 0x280,
    APIC_ICR = 0x300,
    APIC_ICR2 = 0x310,
    APIC_LVT_TIMER = 0x320,
    APIC_LVT_LINT0 = 0x350,
    APIC_LVT_LINT1 = 0x360,
    APIC_LVT_ERROR = 0x370,
    APIC_TIMER_INITIAL = 0x380,
    APIC_TIMER_CURRENT = 0x390,
    APIC_TIMER_DIVIDE = 0x3e0,
    APIC_SELF_IPI = 0x3f0,
};
enum {
    ICR_FIXED = 0,
    ICR_LOWEST = 0x100,
    ICR_NMI = 0x400,
    ICR_INIT = 0x500,
    ICR_SIPI = 0x600,
    ICR_LOGICAL = 0x800,
    ICR_ASSERT = 0x4000,
    ICR_LEVEL = 0x8000,
    ICR_SELF = 0x40000,
    ICR_ALL = 0x80000,
    ICR_OTHERS = 0xc0000,
    ICR_PENDING = 0x1000,
    LVT_MASKED = 0x10000,
    LVT_PERIODIC = 0x20000,
    LVT_DEADLINE = 0x40000,
    LVT_EXTINT = 0x700,
    LVT_NMI = 0x400,
};
#define SPURIOUS_VECTOR 0xff

u32 apic_read(u32 reg);
void apic_write(u32 reg, u32 val);
void apic_eoi(void);
/* Software-enables it, TPR 0, everything in the LVT masked. */
void apic_enable(void);
void apic_x2(void);           /* to x2APIC mode; this CPU, and all accesses from now on */
void apic_use_msrs(bool yes); /* only how apic_read and apic_write work */
/* mode: ICR_*, with a vector; dest: an APIC ID, or a logical destination. Waits for delivery. */
void apic_ipi(u32 dest, u32 mode);
/* The bit of vector v in one of the 256-bit registers ISR, TMR, IRR. */
bool apic_bit(u32 reg, u8 vector);
