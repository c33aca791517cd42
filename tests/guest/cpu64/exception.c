/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each exception in 64-bit mode with its error code and return address, which of two comes first
   (SDM 3A 6.9), and the checks of gates. Page faults, #DB, #AC, #MF and #XM have guests of their
   own. */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"

#define SPARE        FREE_SEL
#define IDT_ERROR(v) ((v)*8 + 2)
#define NONCANONICAL 0x0000800000000000ull

CODE(user_int, "int $0x40");
CODE(user_int3, "int3");
CODE(user_hlt, "hlt");
CODE(user_cli, "cli");
CODE(user_ud, "ud2");

static void vectors(void)
{
    test("vectors");
    CHECK_TRAP_AT(DE, 0, asm volatile(AT "divq %%rcx" : : "c"(0ull), "a"(1), "d"(0) : "cc"));
    CHECK_TRAP_AT(DE, 0, asm volatile(AT "divq %%rcx" : : "c"(1ull), "a"(1), "d"(1) : "cc"));
    CHECK_TRAP_AT(DE, 0,
                  asm volatile(AT "idivq %%rcx"
                               :
                               : "c"(-1ll), "a"(BIT64(63)), "d"(-1ll)
                               : "cc"));
    CHECK_TRAP(BP, 0, asm volatile("movq $1f, want_ip\n int3\n1:"));
    CHECK_EQ(last_trap.ip, want_ip);
    CHECK_TRAP(3, 0, asm volatile("movq $1f, want_ip\n.byte 0xcd, 3\n1:"));
    CHECK_EQ(last_trap.ip, want_ip);
    CHECK_TRAP(0x40, 0, asm volatile("movq $1f, want_ip\n int $0x40\n1:"));
    CHECK_EQ(last_trap.ip, want_ip);
    CHECK_TRAP(DB, 0, asm volatile("movq $1f, want_ip\n.byte 0xf1\n1:"));
    CHECK_EQ(last_trap.ip, want_ip);
    CHECK_TRAP_AT(UD, 0, asm volatile(AT "ud2"));
    CHECK_TRAP_AT(UD, 0, asm volatile(AT ".byte 0x0f, 0xb9, 0xc0")); /* UD1 */
    CHECK_TRAP_AT(UD, 0, asm volatile(AT ".byte 0x0f, 0xff, 0xc0")); /* UD0 */
    CHECK_TRAP_AT(GP, 0, asm volatile(AT "movb (%0), %%al" : : "r"(NONCANONICAL) : "eax"));
    CHECK_TRAP_AT(SS, 0,
                  asm volatile("movq %%rsp, %%rbx\n movq %0, %%rsp\n" AT "popq %%rax"
                               :
                               : "r"(NONCANONICAL)
                               : "eax", "ebx"));
    CHECK_TRAP_AT(PF, 2, asm volatile(AT "movb %%al, (%0)" : : "r"(TEST_BASE) : "memory"));
    CHECK_EQ(last_trap.cr2, TEST_BASE);
    CHECK_TRAP_AT(GP, SPARE, asm volatile(AT "movl %0, %%fs" : : "r"(SPARE | 3)));
    gdt_set(SPARE, 0, 0xfffff, AR_DATA & 0x7f);
    CHECK_TRAP_AT(NP, SPARE, asm volatile(AT "movl %0, %%fs" : : "r"(SPARE)));
    CHECK_TRAP_AT(SS, SPARE, asm volatile(AT "movl %0, %%ss" : : "r"(SPARE)));
    CHECK_USER(GP, 0, user_hlt);
    CHECK_USER(GP, 0, user_cli);
    CHECK_USER(UD, 0, user_ud);
    CHECK_EQ(last_trap.ip, USER(user_ud));
    CHECK_EQ(last_trap.cs, USER_CS64);
    CHECK_EQ(last_trap.ss, USER_DS);
    CHECK_EQ(last_trap.sp, USER(user_stack_top));
}

static void no_coprocessor(void)
{
    test("#NM and #UD by CR0 and CR4");
    word cr0 = get_cr0(), cr4 = get_cr4();
    set_cr0(cr0 | CR0_TS);
    CHECK_TRAP_AT(NM, 0, asm volatile(AT "fld1"));
    CHECK_RUNS(asm volatile("fwait"));
    set_cr4(cr4 | CR4_OSFXSR);
    CHECK_TRAP_AT(NM, 0, asm volatile(AT "xorps %xmm0, %xmm0"));
    set_cr4(cr4 & ~(word)CR4_OSFXSR);
    CHECK_TRAP_AT(UD, 0, asm volatile(AT "xorps %xmm0, %xmm0"));
    set_cr0(cr0 | CR0_TS | CR0_MP);
    CHECK_TRAP_AT(NM, 0, asm volatile(AT "fwait"));
    set_cr0((cr0 & ~(word)(CR0_TS | CR0_MP)) | CR0_EM);
    CHECK_TRAP_AT(NM, 0, asm volatile(AT "fld1"));
    CHECK_TRAP_AT(UD, 0, asm volatile(AT "movd %eax, %mm0"));
    set_cr4(cr4 | CR4_OSFXSR);
    CHECK_TRAP_AT(UD, 0, asm volatile(AT "xorps %xmm0, %xmm0"));
    set_cr0(cr0);
    set_cr4(cr4);
}

static void priorities(void)
{
    test("priorities");
    word cr0 = get_cr0();
    set_cr0(cr0 | CR0_TS);
    CHECK_TRAP(NM, 0, asm volatile("fldl (%0)" : : "r"(NONCANONICAL))); /* before the access */
    set_cr0(cr0);
    CHECK_TRAP(UD, 0, asm volatile(".byte 0xf0, 0x8b, 0x00" : : "a"(TEST_BASE))); /* LOCK MOV */
    CHECK_TRAP(GP, 0, asm volatile("divb (%0)" : : "r"(NONCANONICAL), "a"(1) : "cc"));
    CHECK_TRAP(PF, 0, asm volatile("divb (%0)" : : "r"(TEST_BASE), "a"(1) : "cc"));
    idt_set(0x40, KERNEL_CS, (word)trap_stubs + 16 * 0x40, AR_INT32 & 0x7f, 0);
    CHECK_USER(GP, IDT_ERROR(0x40), user_int); /* DPL before presence */
    CHECK_TRAP(NP, IDT_ERROR(0x40), asm volatile("int $0x40"));
    idt_reset(0x40);
    CHECK_USER(GP, IDT_ERROR(3), user_int3);
    /* 16 bytes are too many: #GP before anything the instruction would do. */
    CHECK_TRAP_AT(GP, 0,
                  asm volatile(AT ".byte 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,"
                                  "0x66,0x66,0x66,0x66,0x66,0x90"));
    CHECK_RUNS(asm volatile(".byte 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,"
                            "0x66,0x66,0x66,0x66,0x90"));
}

static void gates(void)
{
    test("gates");
    static const u8 bad[] = {0x80, 0x81, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x8c, 0x92, 0x9b};
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) { /* no 16-bit gates, no task gates */
        idt_set(0x40, KERNEL_CS, (word)trap_stubs + 16 * 0x40, bad[i], 0);
        CHECK_TRAP(GP, IDT_ERROR(0x40), asm volatile("int $0x40"));
    }
    static const struct {
        u16 sel;
        u32 ar, vector, error;
    } cases[] = {
        {0, 0, GP, 0},
        {SPARE, 0x92, GP, SPARE},
        {SPARE, 0x1a | AR_L, NP, SPARE},
        {SPARE, 0xfa | AR_L, GP, SPARE},
        {SPARE, 0x9a | AR_DB, GP, SPARE}, /* not 64-bit code */
        {SPARE, 0x9a | AR_DB | AR_L, GP, SPARE},
        {SPARE, 0x9a | AR_L, 0x40, 0},
        {GDT_SLOTS * 8, 0, GP, GDT_SLOTS * 8},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        gdt_set(SPARE, 0, 0xfffff, cases[i].ar | AR_G);
        idt_set(0x40, cases[i].sel, (word)trap_stubs + 16 * 0x40, AR_INT32, 0);
        CHECK_TRAP(cases[i].vector, cases[i].error, asm volatile("int $0x40"));
    }
    idt_set(0x40, KERNEL_CS, NONCANONICAL, AR_INT32, 0);
    CHECK_TRAP(GP, 0, asm volatile("int $0x40"));
    idt_reset(0x40);
    struct dtr d = get_idtr(), small = d;
    small.limit = 0x40 * 16 + 14;
    set_idtr(small);
    CHECK_TRAP(GP, IDT_ERROR(0x40), asm volatile("int $0x40"));
    set_idtr(d);
    idt_set(UD, KERNEL_CS, (word)trap_stubs + 16 * UD, AR_INT32 & 0x7f, 0);
    CHECK_TRAP_AT(NP, IDT_ERROR(UD) | 1, asm volatile(AT "ud2")); /* EXT: not by INT n */
    idt_reset(UD);
}

u64 seen_flags; /* written by the handler */
CODE(flags_handler, "pushfq\n popq seen_flags\n iretq");

static void flags(void)
{
    test("flags");
    word all = FLAG_IF | FLAG_NT | FLAG_AC | FLAG_ID | FLAG_DF | FLAG_CF | FLAG_IOPL | 2;
    for (int trap = 0; trap < 2; trap++) {
        word f = all;
        idt_set(0x40, KERNEL_CS, (word)flags_handler, trap ? AR_TRAP32 : AR_INT32, 0);
        asm volatile("pushq %0\n popfq\n int $0x40\n pushfq\n popq %0\n pushq $2\n popfq"
                     : "+r"(f)
                     :
                     : "memory", "cc");
        CHECK_EQ(f, all);
        CHECK_EQ(seen_flags, all & ~(word)(trap ? FLAG_NT : FLAG_NT | FLAG_IF));
    }
    idt_reset(0x40);
}

GUEST("exception")
{
    idt_use_stack(SS);
    idt_use_stack(GP);
    vectors();
    no_coprocessor();
    priorities();
    gates();
    flags();
}
