/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interrupts and exceptions in real mode: the vector table, the frame, IRET, the IDT's limit. */
#include "io.h"
#include "real.h"

extern u8 isr_flags[];
extern volatile u16 seen_flags, seen_sp; /* real-isr.S */

static void software_interrupts(void)
{
    test("INT n");
    static u32 sp;
    CHECK_TRAP(0x40, 0,
               asm volatile("movl $1f, want_ip\n movl %%esp, %0\n int $0x40\n1:"
                            : "=m"(sp)));
    CHECK_EQ(last_trap.ip, want_ip);
    CHECK_EQ(last_trap.cs, 0);
    CHECK_EQ(last_trap.entry_sp, sp - 6);
    ivt_set(0x41, 0, isr_flags);
    set_flags(FLAG_IF | FLAG_CF | FLAG_OF);
    asm volatile("int $0x41" : : : "memory");
    word after = get_flags();
    set_flags(0);
    CHECK_EQ(seen_flags & (FLAG_IF | FLAG_TF), 0);
    CHECK_EQ(seen_flags & (FLAG_CF | FLAG_OF), FLAG_CF | FLAG_OF);
    CHECK_EQ(after & (FLAG_IF | FLAG_CF | FLAG_OF), FLAG_IF | FLAG_CF | FLAG_OF);
    ivt_set(0x41, 0x10, isr_flags - 0x100); /* another segment, the same address */
    seen_sp = 0;
    asm volatile("int $0x41" : : : "memory");
    CHECK(seen_sp != 0);
    ivt_reset(0x41);
}

static void frame_flags(void)
{
    test("flags image");
    (void)TRAP(set_flags(FLAG_IF | FLAG_SF | FLAG_IOPL); asm volatile("int $0x40"));
    CHECK_EQ(last_trap.flags, FLAG_IF | FLAG_SF | FLAG_IOPL | 2);
    (void)TRAP(set_flags(FLAG_NT); asm volatile("int $0x40"));
    CHECK_EQ(last_trap.flags, FLAG_NT | 2);
}

static void exceptions(void)
{
    test("exceptions");
    static const struct {
        u16 low, high;
    } bounds = {10, 20};
    CHECK_TRAP_AT(DE, 0, asm volatile(AT "divb %%cl" : : "c"(0), "a"(5) : "cc"));
    CHECK_TRAP_AT(DE, 0, asm volatile(AT "idivl %%ecx" : : "c"(-1), "a"(0x80000000), "d"(-1)));
    CHECK_TRAP_AT(DE, 0, asm volatile(AT "aam $0" : : "a"(5)));
    CHECK_TRAP(BP, 0, asm volatile("movl $1f, want_ip\n int3\n1:"));
    CHECK_EQ(last_trap.ip, want_ip);
    CHECK_TRAP(OF, 0,
               asm volatile("movl $1f, want_ip\n movb $127, %%al\n incb %%al\n into\n1:"
                            :
                            :
                            : "eax"));
    CHECK_EQ(last_trap.ip, want_ip);
    CHECK_RUNS(asm volatile("xorl %%eax, %%eax\n into" : : : "eax", "cc"));
    CHECK_TRAP_AT(BR, 0, asm volatile(AT "boundw %%cx, %0" : : "m"(bounds), "c"(21)));
    CHECK_TRAP_AT(BR, 0, asm volatile(AT "boundw %%cx, %0" : : "m"(bounds), "c"(9)));
    CHECK_RUNS(asm volatile("boundw %%cx, %0" : : "m"(bounds), "c"(20)));
    CHECK_TRAP_AT(UD, 0, asm volatile(AT "ud2"));
    CHECK_TRAP_AT(UD, 0, asm volatile(AT ".byte 0xf0, 0x90"));               /* LOCK NOP */
    CHECK_TRAP_AT(DB, 0, asm volatile("movl $1f, want_ip\n.byte 0xf1\n1:")); /* INT1: a trap */
}

static void not_in_real_mode(void)
{
    test("protected-mode instructions");
    static volatile u16 m;
    CHECK_TRAP_AT(UD, 0, asm volatile(AT "sldt %0" : "=m"(m)));
    CHECK_TRAP_AT(UD, 0, asm volatile(AT "str %0" : "=m"(m)));
    CHECK_TRAP_AT(UD, 0, asm volatile(AT "lldt %0" : : "m"(m)));
    CHECK_TRAP_AT(UD, 0, asm volatile(AT "ltr %0" : : "m"(m)));
    CHECK_TRAP_AT(UD, 0, asm volatile(AT "verr %0" : : "m"(m)));
    CHECK_TRAP_AT(UD, 0, asm volatile(AT "verw %0" : : "m"(m)));
    CHECK_TRAP_AT(UD, 0, asm volatile(AT "lar %0, %%ax" : : "m"(m) : "eax"));
    CHECK_TRAP_AT(UD, 0, asm volatile(AT "lsl %0, %%ax" : : "m"(m) : "eax"));
    CHECK_TRAP_AT(UD, 0, asm volatile(AT "arpl %%ax, %0" : "=m"(m) : : "eax"));
    CHECK_TRAP_AT(GP, 0, asm volatile(AT "sysenter" : : : "ecx", "edx"));
    CHECK_RUNS(asm volatile("smsw %0" : "=m"(m)));
    CHECK_EQ(m & 1, 0);
}

static void coprocessor(void)
{
    test("#NM");
    word cr0 = get_cr0();
    set_cr0((cr0 & ~CR0_MP) | CR0_EM);
    CHECK_TRAP_AT(NM, 0, asm volatile(AT "fninit"));
    CHECK_RUNS(asm volatile("fwait"));
    set_cr0((cr0 & ~CR0_EM) | CR0_TS | CR0_MP);
    CHECK_TRAP_AT(NM, 0, asm volatile(AT "fwait"));
    CHECK_TRAP_AT(NM, 0, asm volatile(AT "fninit"));
    set_cr0((cr0 & ~(CR0_EM | CR0_MP)) | CR0_TS);
    CHECK_RUNS(asm volatile("fwait"));
    set_cr0(cr0);
}

static void table_limit(void)
{
    test("IDT limit and base");
    static u32 other[256];
    set_idtr((struct dtr){4 * 0x40 - 1, 0});
    CHECK_TRAP_AT(GP, 0, asm volatile(AT "int $0x40"));
    CHECK_TRAP(0x3f, 0, asm volatile("int $0x3f"));
    set_idtr((struct dtr){4 * 0x40 + 2, 0}); /* the entry must be in whole */
    CHECK_TRAP_AT(GP, 0, asm volatile(AT "int $0x40"));
    for (unsigned i = 0; i < 256; i++)
        asm("movl (,%1,4), %0" : "=r"(other[i]) : "r"(i));
    other[0x50] = other[0x51];
    set_idtr((struct dtr){0x3ff, (word)other});
    CHECK_TRAP(0x51, 0, asm volatile("int $0x50"));
    CHECK_TRAP(0x40, 0, asm volatile("int $0x40"));
    set_idtr((struct dtr){0x3ff, 0});
    CHECK_TRAP(0x50, 0, asm volatile("int $0x50"));
}

static void iret_forms(void)
{
    test("IRET");
    static volatile u32 f, sp0, sp1;
    asm volatile("movl %%esp, %1\n pushl $0x200ad7\n pushl $0\n pushl $1f\n iretl\n1: pushfl\n"
                 "popl %0\n movl %%esp, %2\n pushl $2\n popfl"
                 : "=m"(f), "=m"(sp0), "=m"(sp1)
                 :
                 : "cc", "memory");
    CHECK_EQ(f, 0x200ad7);
    CHECK_EQ(sp1, sp0);
    asm volatile(
        "movl %%esp, %1\n pushw $0xd5\n pushw $0\n pushw $1f\n iretw\n1: pushfl\n popl %0\n"
        "movl %%esp, %2"
        : "=m"(f), "=m"(sp0), "=m"(sp1)
        :
        : "cc", "memory");
    CHECK_EQ(f & 0xffff, 0xd7);
    CHECK_EQ(sp1, sp0);
    asm volatile("pushl $0x240002\n popfl\n pushw $0\n popfw\n pushfl\n popl %0\n pushl $2\n popfl"
                 : "=m"(f)
                 :
                 : "cc", "memory"); /* 16 bits leave AC and ID alone */
    CHECK_EQ(f, 0x240002);
}

static void single_step(void)
{
    test("single step");
    CHECK_TRAP(DB, 0, asm volatile("pushl $0x102\n popfl\n nop\n.globl step_at\nstep_at: nop"));
    extern u8 step_at[];
    CHECK_EQ(last_trap.ip, (word)step_at);
    CHECK_EQ(last_trap.flags & FLAG_TF, FLAG_TF);
    CHECK_EQ(get_dr6() & 0xe00f, BIT(14));
    set_dr6(0xffff0ff0);
}

GUEST("real-int")
{
    software_interrupts();
    frame_flags();
    exceptions();
    not_in_real_mode();
    coprocessor();
    table_limit();
    iret_forms();
    single_step();
}
