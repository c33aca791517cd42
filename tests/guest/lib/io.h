/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Instructions C has no words for. */
#pragma once
#include "guest.h"

static inline void outb(u16 port, u8 val)
{
    asm volatile("outb %0, %1" : : "a"(val), "Nd"(port));
}

static inline void outw(u16 port, u16 val)
{
    asm volatile("outw %0, %1" : : "a"(val), "Nd"(port));
}

static inline void outl(u16 port, u32 val)
{
    asm volatile("outl %0, %1" : : "a"(val), "Nd"(port));
}

static inline u8 inb(u16 port)
{
    u8 val;
    asm volatile("inb %1, %0" : "=a"(val) : "Nd"(port));
    return val;
}

static inline u16 inw(u16 port)
{
    u16 val;
    asm volatile("inw %1, %0" : "=a"(val) : "Nd"(port));
    return val;
}

static inline u32 inl(u16 port)
{
    u32 val;
    asm volatile("inl %1, %0" : "=a"(val) : "Nd"(port));
    return val;
}

struct cpuid {
    u32 eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(u32 leaf, u32 sub)
{
    struct cpuid r;
    asm volatile("cpuid"
                 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                 : "0"(leaf), "2"(sub));
    return r;
}

static inline u64 rdmsr(u32 index)
{
    u32 lo, hi;
    asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(index));
    return (u64)hi << 32 | lo;
}

static inline void wrmsr(u32 index, u64 val)
{
    asm volatile("wrmsr" : : "c"(index), "a"((u32)val), "d"((u32)(val >> 32)) : "memory");
}

static inline u64 rdtsc(void)
{
    u32 lo, hi;
    asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (u64)hi << 32 | lo;
}

static inline void sti(void)
{
    asm volatile("sti" : : : "memory");
}

static inline void cli(void)
{
    asm volatile("cli" : : : "memory");
}

static inline void halt(void)
{
    asm volatile("sti; hlt; cli" : : : "memory");
}

static inline void pause_cpu(void)
{
    asm volatile("pause" : : : "memory");
}

static inline word get_flags(void)
{
    word f;
    asm volatile("pushf" WORD_SUFFIX "; pop" WORD_SUFFIX " %0" : "=r"(f));
    return f;
}

static inline void set_flags(word f)
{
    asm volatile("push" WORD_SUFFIX " %0; popf" WORD_SUFFIX : : "r"(f) : "memory", "cc");
}

#define CONTROL_REGISTER(n)                                                                        \
    static inline word get_cr##n(void)                                                             \
    {                                                                                              \
        word v;                                                                                    \
        asm volatile("mov %%cr" #n ", %0" : "=r"(v) : : "memory");                                 \
        return v;                                                                                  \
    }                                                                                              \
    static inline void set_cr##n(word v)                                                           \
    {                                                                                              \
        asm volatile("mov %0, %%cr" #n : : "r"(v) : "memory");                                     \
    }
CONTROL_REGISTER(0)
CONTROL_REGISTER(2)
CONTROL_REGISTER(3)
CONTROL_REGISTER(4)

#define DEBUG_REGISTER(n)                                                                          \
    static inline word get_dr##n(void)                                                             \
    {                                                                                              \
        word v;                                                                                    \
        asm volatile("mov %%dr" #n ", %0" : "=r"(v));                                              \
        return v;                                                                                  \
    }                                                                                              \
    static inline void set_dr##n(word v)                                                           \
    {                                                                                              \
        asm volatile("mov %0, %%dr" #n : : "r"(v) : "memory");                                     \
    }
DEBUG_REGISTER(0)
DEBUG_REGISTER(1)
DEBUG_REGISTER(2)
DEBUG_REGISTER(3)
DEBUG_REGISTER(6)
DEBUG_REGISTER(7)

static inline void invlpg(const volatile void *va)
{
    asm volatile("invlpg (%0)" : : "r"(va) : "memory");
}

struct dtr {
    u16 limit;
    word base;
} __attribute__((packed));

static inline struct dtr get_gdtr(void)
{
    struct dtr d;
    asm volatile("sgdt %0" : "=m"(d));
    return d;
}

static inline struct dtr get_idtr(void)
{
    struct dtr d;
    asm volatile("sidt %0" : "=m"(d));
    return d;
}

static inline void set_gdtr(struct dtr d)
{
    asm volatile("lgdt %0" : : "m"(d) : "memory");
}

static inline void set_idtr(struct dtr d)
{
    asm volatile("lidt %0" : : "m"(d) : "memory");
}

/* Stores the compiler must neither merge nor drop. */
static inline void put8(volatile void *p, u8 v)
{
    *(volatile u8 *)p = v;
}

static inline void put32(volatile void *p, u32 v)
{
    *(volatile u32 *)p = v;
}

static inline u32 get32(const volatile void *p)
{
    return *(const volatile u32 *)p;
}

/* Names by the manuals. */
enum {
    FLAG_CF = BIT(0),
    FLAG_PF = BIT(2),
    FLAG_AF = BIT(4),
    FLAG_ZF = BIT(6),
    FLAG_SF = BIT(7),
    FLAG_TF = BIT(8),
    FLAG_IF = BIT(9),
    FLAG_DF = BIT(10),
    FLAG_OF = BIT(11),
    FLAG_IOPL = 3 << 12,
    FLAG_NT = BIT(14),
    FLAG_RF = BIT(16),
    FLAG_VM = BIT(17),
    FLAG_AC = BIT(18),
    FLAG_VIF = BIT(19),
    FLAG_VIP = BIT(20),
    FLAG_ID = BIT(21),
    FLAG_ARITH = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF,
};
enum {
    CR0_PE = BIT(0),
    CR0_MP = BIT(1),
    CR0_EM = BIT(2),
    CR0_TS = BIT(3),
    CR0_ET = BIT(4),
    CR0_NE = BIT(5),
    CR0_WP = BIT(16),
    CR0_AM = BIT(18),
    CR4_VME = BIT(0),
    CR4_PVI = BIT(1),
    CR4_TSD = BIT(2),
    CR4_DE = BIT(3),
    CR4_PSE = BIT(4),
    CR4_PAE = BIT(5),
    CR4_PGE = BIT(7),
    CR4_OSFXSR = BIT(9),
    CR4_OSXMMEXCPT = BIT(10),
    CR4_UMIP = BIT(11),
    CR4_LA57 = BIT(12),
    CR4_FSGSBASE = BIT(16),
    CR4_PCIDE = BIT(17),
    CR4_OSXSAVE = BIT(18),
    CR4_SMEP = BIT(20),
    CR4_SMAP = BIT(21),
};
#define CR0_PG        BIT(31)
#define MSR_EFER      0xc0000080u
#define MSR_STAR      0xc0000081u
#define MSR_LSTAR     0xc0000082u
#define MSR_CSTAR     0xc0000083u
#define MSR_SFMASK    0xc0000084u
#define MSR_FS_BASE   0xc0000100u
#define MSR_GS_BASE   0xc0000101u
#define MSR_KERNEL_GS 0xc0000102u
#define MSR_TSC_AUX   0xc0000103u
#define MSR_APIC_BASE 0x1bu
