/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SMEP and SMAP (SDM 3A 4.6), with STAC, CLAC and EFLAGS.AC. */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"

#define VA (TEST_BASE + 0x5000)

static page_aligned u8 data[4096];
static volatile u8 *const at = (volatile u8 *)VA;
CODE(user_stac, "stac");
CODE(user_int_ac, "int $0x40");

#define READ()  asm volatile("movb (%0), %%al" : : "r"(at) : "eax")
#define WRITE() asm volatile("movb $0xc3, (%0)" : : "r"(at) : "memory")
#define EXEC()  asm volatile("call *%0" : : "r"(at) : "memory")

static void smep(void)
{
    test("SMEP");
    if (!(cpuid(7, 0).ebx & BIT(7))) {
        CHECK_TRAP(GP, 0, set_cr4(get_cr4() | CR4_SMEP));
        return;
    }
    page_map(VA, (word)data, PTE_P | PTE_W | PTE_U);
    CHECK_RUNS(EXEC());
    set_cr4(get_cr4() | CR4_SMEP);
    CHECK_TRAP(PF, PF_P | PF_I, EXEC());
    CHECK_RUNS(READ());
    CHECK_RUNS(WRITE());
    page_map(VA, (word)data, PTE_P | PTE_W);
    CHECK_RUNS(EXEC());
    page_map(VA, (word)data, PTE_P | PTE_W | PTE_U);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~(u64)BIT(11));
    CHECK_TRAP(PF, PF_P | PF_I, EXEC()); /* the I bit is there for SMEP's sake */
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | BIT(11));
    set_cr4(get_cr4() & ~(word)CR4_SMEP);
    CHECK_RUNS(EXEC());
}

static void smap(void)
{
    test("SMAP");
    page_map(VA, (word)data, PTE_P | PTE_W | PTE_U);
    set_cr4(get_cr4() | CR4_SMAP);
    CHECK_TRAP(PF, PF_P, READ());
    CHECK_TRAP(PF, PF_P | PF_W, WRITE());
    CHECK_RUNS(EXEC()); /* fetches are SMEP's business */
    CHECK_RUNS(asm volatile("stac\n movb (%0), %%al\n movb $0xc3, (%0)\n clac"
                            :
                            : "r"(at)
                            : "eax", "memory"));
    CHECK_TRAP(PF, PF_P, asm volatile("stac\n clac\n movb (%0), %%al" : : "r"(at) : "eax"));
    CHECK_RUNS(set_flags(FLAG_AC | 2); READ(); set_flags(2));
    set_cr0(get_cr0() & ~(word)CR0_WP);
    CHECK_TRAP(PF, PF_P | PF_W, WRITE()); /* whatever WP is */
    set_cr0(get_cr0() | CR0_WP);
    page_map(VA, (word)data, PTE_P | PTE_U);
    CHECK_TRAP(PF, PF_P | PF_W, asm volatile("stac\n movb $0, (%0)" : : "r"(at) : "memory"));
    CHECK_USER(UD, 0, user_stac);
    /* A supervisor page among user tables is a supervisor page. */
    page_map(VA, (word)data, PTE_P | PTE_W);
    CHECK_RUNS(READ());
}

/* An LDT on a user page: the load of a segment from it is a supervisor access whatever AC says.
   (Not the GDT: a handler could not be entered.) */
static void implicit(void)
{
    static page_aligned u64 ldt[512];
    test("implicit accesses ignore AC");
    ldt[1] = descriptor(0, 0xfffff, AR_DATA | AR_DB | AR_G);
    page_map(VA, (word)ldt, PTE_P | PTE_W | PTE_U);
    gdt_set(FREE_SEL, (u32)VA, 15, AR_LDT);
    gdt[(FREE_SEL >> 3) + 1] = VA >> 32;
    asm volatile("lldt %w0" : : "r"(FREE_SEL));
    CHECK_TRAP(PF, PF_P, asm volatile("stac\n movl %0, %%fs" : : "r"(0xc)));
    CHECK_EQ(last_trap.cr2, VA + 8);
    page_map(VA, (word)ldt, PTE_P | PTE_W);
    CHECK_RUNS(asm volatile("movl %0, %%fs" : : "r"(0xc)));
    asm volatile("movl %0, %%fs\n lldt %w0" : : "r"(0));
}

static void in_handlers(void)
{
    test("AC across privilege changes");
    idt_set(0x40, KERNEL_CS, (word)trap_stubs + 16 * 0x40, AR_INT32 | AR_DPL3, 0);
    CHECK_EQ(user_run(user_int_ac, FLAG_AC | 2), 0x40);
    CHECK_EQ(last_trap.flags & FLAG_AC, FLAG_AC);
    set_flags(2);
}

GUEST("smap")
{
    data[0] = 0xc3;
    smep();
    if (!(cpuid(7, 0).ebx & BIT(20))) {
        CHECK_TRAP(GP, 0, set_cr4(get_cr4() | CR4_SMAP));
        CHECK_TRAP(UD, 0, asm volatile("stac"));
        return;
    }
    smap();
    implicit();
    in_handlers();
}
