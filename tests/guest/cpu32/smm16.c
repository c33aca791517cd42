/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System management mode from real mode and back, with the limits of "unreal mode". */
#include "io.h"
#include "real.h"
#include "smi.h"

#define SMI_SELF 0x44200u /* ICR: to this CPU, assert, SMI */

extern u64 boot_gdt[];

static void load_seg(void)
{
    word cr0 = get_cr0();
    asm volatile("movl %0, %%cr0\n jmp 1f\n1: movw %w2, %%fs\n movl %1, %%cr0\n jmp 2f\n2:"
                 "movw %3, %%fs"
                 :
                 : "r"(cr0 | CR0_PE), "r"(cr0), "r"(0x10), "r"((u16)0x3000)
                 : "memory");
}

static u32 far_get(u32 off)
{
    u32 v;
    asm volatile("addr32 movl %%fs:(%1), %0" : "=r"(v) : "r"(off));
    return v;
}

static void far_put(u32 off, u32 v)
{
    asm volatile("addr32 movl %1, %%fs:(%0)" : : "r"(off), "r"(v) : "memory");
}

GUEST("smm16")
{
    u32 len = (u32)(smi_handler_end - smi_handler);
    load_seg();
    for (u32 at = 0; at < len; at += 4)
        far_put(SMI_ENTRY + at, get32(smi_handler + at));
    for (u32 at = 0; at < sizeof(struct smi); at += 4)
        far_put(SMI_BOX + at, 0);
    test("from real mode");
    CHECK_TRAP_AT(UD, 0, asm volatile(AT "rsm"));
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | 0xc00);
    load_seg();
    static u32 flags;
    static volatile u32 ip;
    asm volatile("stc\n movl $1f, %1\n wrmsr\n1: pushfl\n popl %0"
                 : "=m"(flags), "=m"(ip)
                 : "a"(SMI_SELF), "d"(0), "c"(0x830)
                 : "memory", "cc");
    CHECK_EQ(flags & FLAG_CF, FLAG_CF);
    CHECK_EQ(far_get(SMI_BOX), 1);
    CHECK_EQ(far_get(SMI_BOX + offsetof(struct smi, flags)), 2);
    CHECK_EQ(far_get(0xff78), ip);
    CHECK_EQ(far_get(0xff58), get_cr0());
    CHECK_EQ(far_get(0xfe40) & 0xffff, 0x3000); /* FS */
    CHECK_EQ(far_get(0xfe44), 0xffffffff);
    CHECK_EQ(far_get(0xfe48), 0x30000);
    CHECK_EQ(far_get(0xfe64) & 0xffff, 39); /* GDTR */
    CHECK_EQ(far_get(0xfe84) & 0xffff, 0x3ff);
    test("the limit is still there");
    CHECK_RUNS(CHECK_EQ(far_get(0x100000 - 0x30000), far_get(0x100000 - 0x30000)));
    CHECK_TRAP(0x40, 0, asm volatile("int $0x40"));
}
