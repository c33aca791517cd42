/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Far transfers between code segments and through call gates, 32 and 16 bits, with parameters,
 * stack switches and conforming segments (SDM 3A 5.8). Ring 1 has its own segments here, so that
 * faults of its stack can be delivered on ring 0's.
 */
#include "desc.h"
#include "io.h"
#include "trap.h"

#define GATE  FREE_SEL
#define CODE1 (FREE_SEL + 8) /* ring 1 */
#define DATA1 (FREE_SEL + 16)
#define CONF  (FREE_SEL + 24) /* conforming, DPL 0 */
#define SPARE (FREE_SEL + 32)
#define STOP  "int $0x31\n" /* at any CPL */

static u8 stack1[4096] page_aligned;
CODE(gate_target, STOP);
LOW_CODE(".code32", low_target, STOP);
CODE(gate_return, "lret $8");
CODE(user_call, "pushl $0x11\n pushl $0x22\n pushl $0x33\n pushl $0x44\n movl %esp, %esi\n"
                "lcall $0x63, $0x5555\n" EXIT_USER);
CODE(user_call16, "pushw $0x11\n pushw $0x22\n movl %esp, %esi\n lcall $0x63, $0\n" EXIT_USER);
CODE(user_jump, "ljmp $0x63, $0");
CODE(user_call_rpl, "lcall $0x60, $0");
CODE(user_ret, "pushl $1\n pushl $2\n movl %esp, %esi\n lcall $0x63, $0\n" EXIT_USER);

static void gate(u16 sel, const void *to, u32 ar, u8 params)
{
    gdt_gate(GATE, sel, (word)to, ar, params);
}

static void same_level(void)
{
    test("no change of privilege");
    gate(KERNEL_CS, gate_target, AR_CALL32, 3); /* parameters do not count here */
    CHECK_TRAP(0x31, 0,
               asm volatile("movl %%esp, %%esi\n movl $1f, want_ip\n lcall $0x60, $99\n1:"
                            :
                            :
                            : "esi", "memory"));
    CHECK_EQ(last_trap.entry_sp, last_trap.si - 8);
    CHECK_EQ(last_trap.stack[0], want_ip);
    CHECK_EQ((u16)last_trap.stack[1], KERNEL_CS);
    CHECK_EQ(last_trap.ip, (word)gate_target_end);
    CHECK_TRAP(0x31, 0, asm volatile("movl %%esp, %%esi\n ljmp $0x60, $0" : : : "esi", "memory"));
    CHECK_EQ(last_trap.entry_sp, last_trap.si);
    gate(KERNEL_CS, low_target, AR_CALL16, 0);
    CHECK_TRAP(0x31, 0, asm volatile("movl %%esp, %%esi\n lcall $0x60, $0" : : : "esi", "memory"));
    CHECK_EQ(last_trap.entry_sp, last_trap.si - 4);
    CHECK_EQ(last_trap.stack[0] >> 16, KERNEL_CS);
}

static void inward(void)
{
    test("to an inner ring with parameters");
    gate(KERNEL_CS, gate_target, AR_CALL32 | AR_DPL3, 4);
    CHECK_USER(0x31, 0, user_call);
    const word *s = last_trap.stack;
    CHECK_EQ(last_trap.cs, KERNEL_CS);
    CHECK_EQ(last_trap.entry_sp, trap_stack_top - 32);
    CHECK_EQ(s[0], (word)user_call_end - 2);
    CHECK_EQ(s[1], USER_CS32);
    CHECK_EQ(s[2], 0x44);
    CHECK_EQ(s[3], 0x33);
    CHECK_EQ(s[4], 0x22);
    CHECK_EQ(s[5], 0x11);
    CHECK_EQ(s[6], last_trap.si);
    CHECK_EQ(s[7], USER_DS);
    CHECK_EQ(last_trap.entry_ss, KERNEL_DS);
    gate(KERNEL_CS, low_target, AR_CALL16 | AR_DPL3, 2);
    CHECK_USER(0x31, 0, user_call16);
    const u16 *h = (const u16 *)last_trap.stack;
    CHECK_EQ(last_trap.entry_sp, trap_stack_top - 12);
    CHECK_EQ(h[0], (u16)((word)user_call16_end - 2));
    CHECK_EQ(h[1], USER_CS32);
    CHECK_EQ(h[2], 0x22);
    CHECK_EQ(h[3], 0x11);
    CHECK_EQ(h[4], (u16)last_trap.si);
    CHECK_EQ(h[5], USER_DS);
}

static void outward(void)
{
    test("far return to an outer ring");
    gate(KERNEL_CS, gate_return, AR_CALL32 | AR_DPL3, 2);
    CHECK_USER_EXITS(user_ret);
    CHECK_EQ(last_trap.cs, USER_CS32);
    CHECK_EQ(last_trap.sp, last_trap.si + 8); /* LRET 8 on both stacks */
    gdt_set(SPARE, 0, 0xfffff, AR_DATA | AR_DB | AR_G);
    CHECK_TRAP(USER_EXIT, 0,
               asm volatile("movl %0, %%fs\n movl %0, %%gs\n movl %1, %%es\n movl %1, %%ds\n"
                            "pushl %1\n pushl %2\n pushl %3\n pushl %4\n lret"
                            :
                            : "r"(SPARE), "r"(USER_DS), "r"(user_stack_top), "i"(USER_CS32),
                              "r"(user_ret_end - 2)
                            : "memory"));
    CHECK_EQ(last_trap.fs, 0); /* not accessible any more: null */
    CHECK_EQ(last_trap.gs, 0);
    CHECK_EQ(last_trap.ds, USER_DS);
}

static void gate_errors(void)
{
    test("gate checks");
    gate(KERNEL_CS, gate_target, AR_CALL32, 0);
    CHECK_USER(GP, GATE, user_call); /* DPL 0 */
    gate(KERNEL_CS, gate_target, AR_CALL32 | 0x40, 0);
    CHECK_USER(GP, GATE, user_call_rpl);                   /* DPL 2, CPL 3 */
    CHECK_TRAP(GP, GATE, asm volatile("lcall $0x63, $0")); /* RPL 3 */
    gate(KERNEL_CS, gate_target, (AR_CALL32 | AR_DPL3) & 0x7f, 0);
    CHECK_USER(NP, GATE, user_call);
    gate(0, gate_target, AR_CALL32 | AR_DPL3, 0);
    CHECK_USER(GP, 0, user_call);
    gate(KERNEL_DS, gate_target, AR_CALL32 | AR_DPL3, 0);
    CHECK_USER(GP, KERNEL_DS, user_call);
    gate(GDT_SLOTS * 8, gate_target, AR_CALL32 | AR_DPL3, 0);
    CHECK_USER(GP, GDT_SLOTS * 8, user_call);
    gdt_set(SPARE, 0, 0xfffff, 0x1a | AR_DB | AR_G);
    gate(SPARE, gate_target, AR_CALL32 | AR_DPL3, 0);
    CHECK_USER(NP, SPARE, user_call);
    gate(USER_CS32, gate_target, AR_CALL32, 0); /* outward */
    CHECK_TRAP(GP, USER_CS32 & ~3, asm volatile("lcall $0x60, $0"));
    gate(KERNEL_CS, gate_target, AR_CALL32 | AR_DPL3, 0);
    CHECK_USER(GP, KERNEL_CS, user_jump); /* JMP does not change CPL */
    gdt_set(SPARE, 0, 0xff, AR_CODE | AR_DB);
    gate(SPARE, gate_target, AR_CALL32, 0);
    CHECK_TRAP(GP, 0, asm volatile("lcall $0x60, $0")); /* offset past the limit */
    gdt_set(GATE, 0, 0xfff, 0x80);                      /* a reserved system type */
    CHECK_TRAP(GP, GATE, asm volatile("lcall $0x60, $0"));
}

static void conforming(void)
{
    test("conforming code");
    gdt_set(CONF, 0, 0xfffff, 0x9f | AR_DB | AR_G);
    gate(CONF, gate_target, AR_CALL32 | AR_DPL3, 4);
    idt_set(0x31, KERNEL_CS, (word)trap_stubs + 16 * 0x31, AR_INT32 | AR_DPL3, 0);
    CHECK_USER(0x31, 0, user_call);
    CHECK_EQ(last_trap.cs, CONF | 3); /* the caller's privilege and stack */
    CHECK_EQ(last_trap.ss, USER_DS);
    CHECK_EQ(last_trap.sp, last_trap.si - 8);
    CHECK_USER(0x31, 0, user_jump);
    CHECK_EQ(last_trap.cs, CONF | 3);
    gdt_set(CONF, 0, 0xfffff, 0x9f | AR_DPL3 | AR_DB | AR_G); /* DPL above CPL */
    CHECK_TRAP(GP, CONF, asm volatile("lcall %0, $gate_target" : : "i"(CONF)));
    gdt_set(CONF, 0, 0xfffff, 0x9f | AR_DB | AR_G);
    CHECK_TRAP(0x31, 0, asm volatile("lcall %0, $gate_target" : : "i"(CONF | 3)));
    CHECK_EQ(last_trap.cs, CONF);
}

static void direct(void)
{
    test("direct transfers");
    CHECK_TRAP(GP, KERNEL_CS, asm volatile("ljmp $0xb, $gate_target")); /* RPL above CPL */
    CHECK_TRAP(GP, USER_CS32 & ~3, asm volatile("ljmp $0x18, $gate_target"));
    CHECK_TRAP(GP, 0, asm volatile("ljmp $0, $gate_target"));
    CHECK_TRAP(GP, 0, asm volatile("ljmp $3, $gate_target"));
    CHECK_TRAP(GP, KERNEL_DS, asm volatile("ljmp $0x10, $gate_target"));
    gdt_set(SPARE, 0, 0xfffff, 0x1a | AR_DB | AR_G);
    CHECK_TRAP_AT(NP, SPARE, asm volatile(AT "ljmp %0, $gate_target" : : "i"(SPARE)));
    CHECK_TRAP(GP, USER_DS & ~3, asm volatile("pushl $0x20\n pushl $gate_target\n lret"));
    CHECK_TRAP(GP, 0, asm volatile("pushl $0\n pushl $gate_target\n lret"));
    CHECK_TRAP(GP, KERNEL_CS, asm volatile("pushl $0xb\n pushl $gate_target\n lret"));
}

static void bad_stacks(void)
{
    test("stacks of an inner ring");
    static const struct {
        u16 ss;
        u32 ar, vector, error;
    } cases[] = {
        {0, 0, TS, 0},
        {DATA1, 0xb2, TS, DATA1},
        {DATA1 | 1, 0x92, TS, DATA1},
        {DATA1 | 1, 0xb0, TS, DATA1},
        {DATA1 | 1, 0xba, TS, DATA1},
        {DATA1 | 1, 0x32, SS, DATA1},
        {GDT_SLOTS * 8 | 1, 0xb2, TS, GDT_SLOTS * 8},
    };
    gdt_set(CODE1, 0, 0xfffff, 0xbb | AR_DB | AR_G);
    gate(CODE1, gate_target, AR_CALL32 | AR_DPL3, 0);
    task.tss.esp1 = (word)stack1 + sizeof(stack1);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        task.tss.ss1 = cases[i].ss;
        gdt_set(DATA1, 0, 0xfffff, cases[i].ar | AR_DB | AR_G);
        CHECK_USER(cases[i].vector, cases[i].error, user_call);
        CHECK_EQ(last_trap.cs, USER_CS32);
    }
    gdt_set(DATA1, 0, 0xfffff, 0xb3 | AR_DB | AR_G);
    task.tss.ss1 = DATA1 | 1;
    CHECK_USER(0x31, 0, user_call);
    CHECK_EQ(last_trap.cs, CODE1 | 1);
    CHECK_EQ(last_trap.ss, DATA1 | 1);
    CHECK_EQ(last_trap.sp, (word)stack1 + sizeof(stack1) - 16);
    gdt_set(TSS_SEL, (word)&task, 11, AR_TSS32); /* ESP1, SS1 are past the limit */
    asm volatile("ltr %w0" : : "r"(TSS_SEL));
    CHECK_USER(TS, TSS_SEL, user_call);
    tss_load();
    gdt_set(DATA1, 0, ((word)stack1 >> 12) - 1, 0xb3 | AR_DB | AR_G); /* stack past its limit */
    CHECK_USER(SS, DATA1, user_call);
}

GUEST("callgate")
{
    trap_copies_stack = true;
    idt_set(0x31, KERNEL_CS, (word)trap_stubs + 16 * 0x31, AR_INT32 | AR_DPL3, 0);
    same_level();
    inward();
    outward();
    gate_errors();
    conforming();
    direct();
    bad_stacks();
}
