/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Segment limits survive the way back to real mode ("unreal mode", SDM 3A 9.9.2 step 6 and 20.1.1):
 * real-mode loads change selector and base only.
 */
#include "io.h"
#include "real.h"

extern u64 boot_gdt[];

static u64 wide_gdt[4] = {0, 0, 0x00cf93000000ffff, 0x00009300000000ff};

/* Loads FS in protected mode from slot 1, 2 or 3 and comes back. */
static void load_fs(u16 sel)
{
    set_gdtr((struct dtr){sizeof(wide_gdt) - 1, (word)wide_gdt});
    word cr0 = get_cr0();
    asm volatile("movl %0, %%cr0\n jmp 1f\n1: movw %w2, %%fs\n movl %1, %%cr0\n jmp 2f\n2:"
                 :
                 : "r"(cr0 | CR0_PE), "r"(cr0), "r"(sel)
                 : "memory");
}

static u32 fs_read(u32 off)
{
    u32 v;
    asm volatile("addr32 movl %%fs:(%1), %0" : "=r"(v) : "r"(off));
    return v;
}

static void fs_write(u32 off, u32 v)
{
    asm volatile("addr32 movl %1, %%fs:(%0)" : : "r"(off), "r"(v) : "memory");
}

static void big(void)
{
    test("4 GiB limit");
    load_fs(0x10);
    CHECK_RUNS(fs_write(0x200000, 0x12345678));
    load_fs(0x10);
    CHECK_EQ(fs_read(0x200000), 0x12345678);
    asm volatile("movw %0, %%fs" : : "r"((u16)0x1000)); /* base moves, limit stays */
    CHECK_EQ(fs_read(0x200000 - 0x10000), 0x12345678);
    CHECK_RUNS(asm volatile("addr32 movl %%fs:(%0), %%eax" : : "r"(0x1f0000) : "eax"));
}

static void small(void)
{
    test("256 byte limit");
    load_fs(0x18);
    CHECK_RUNS(asm volatile("addr32 movb %%fs:(%0), %%al" : : "r"(0xff) : "eax"));
    load_fs(0x18);
    CHECK_TRAP_AT(GP, 0, asm volatile(AT "addr32 movb %%fs:(%0), %%al" : : "r"(0x100) : "eax"));
    load_fs(0x18);
    asm volatile("movw %0, %%fs" : : "r"((u16)0x2000));
    CHECK_TRAP_AT(GP, 0, asm volatile(AT "addr32 movb %%fs:(%0), %%al" : : "r"(0x100) : "eax"));
    load_fs(0x10);
    asm volatile("movw %0, %%fs" : : "r"((u16)0));
}

GUEST("unreal")
{
    big();
    small();
    set_gdtr((struct dtr){39, (word)boot_gdt});
}
