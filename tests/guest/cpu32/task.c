/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Task switches (SDM 3A chapter 7): JMP, CALL, IRET, task gates, exceptions; busy bits, links, NT,
 * TS, T, DR7; 16-bit TSSs; and the checks of the new task's state, which fault in its context. A
 * task here runs INT 31h, which records on its own stack and goes back to the main stack; TR is
 * then still the task's, so every test starts by reset_tasks().
 */
#include "desc.h"
#include "io.h"
#include "trap.h"

#define T2    FREE_SEL
#define T3    (FREE_SEL + 8)
#define T16   (FREE_SEL + 16)
#define GATE  (FREE_SEL + 24)
#define SPARE (FREE_SEL + 32)
#define V     0x40

static struct tss32 t2, t3;
static struct tss16 t16;
static u8 stack2[4096] page_aligned, stack3[4096] page_aligned;

CODE(stop, "int $0x31");
CODE(pop_stop, "popl %edx\n int $0x31");
CODE(iret_loop, "1: iretl\n jmp 1b");
CODE(jump_back, "1: ljmp $0x30, $0\n jmp 1b");
/* The upper half of ESP is undefined after a switch by a 16-bit TSS. */
LOW_CODE(".code32", low_stop, "movzwl %sp, %esp\n int $0x31");
LOW_CODE(".code32", low_iret, "iretl");
CODE(user_jump_task, "ljmp $0x63, $0");

static void init_task(struct tss32 *t, const void *code, const u8 *stack)
{
    *t = (struct tss32){
        .eip = (word)code,
        .esp = (word)stack + 4096,
        .eflags = 2,
        .eax = 0xa1,
        .ecx = 0xa2,
        .edx = 0xa3,
        .ebx = 0xa4,
        .ebp = 0xa6,
        .esi = 0xa7,
        .edi = 0xa8,
        .cs = KERNEL_CS,
        .ss = KERNEL_DS,
        .ds = KERNEL_DS,
        .es = KERNEL_DS,
        .fs = KERNEL_DS,
        .gs = 0,
        .iomap = sizeof(*t),
    };
}

static void reset_tasks(const void *code)
{
    tss_load();
    asm volatile("lldt %w0\n clts" : : "r"(0));
    init_task(&t2, code, stack2);
    init_task(&t3, pop_stop, stack3);
    gdt_set(T2, (word)&t2, sizeof(t2) - 1, AR_TSS32);
    gdt_set(T3, (word)&t3, sizeof(t3) - 1, AR_TSS32);
    t16 = (struct tss16){
        .ip = (u16)(word)low_stop,
        .sp = 0x7000,
        .flags = 2,
        .ax = 0xb1,
        .cx = 0xb2,
        .dx = 0xb3,
        .bx = 0xb4,
        .bp = 0xb6,
        .si = 0xb7,
        .di = 0xb8,
        .es = KERNEL_DS,
        .cs = KERNEL_CS,
        .ss = KERNEL_DS,
        .ds = KERNEL_DS,
    };
    gdt_set(T16, (word)&t16, sizeof(t16) - 1, AR_TSS16);
}

static u16 get_tr(void)
{
    u32 sel;
    asm volatile("str %0" : "=r"(sel));
    return (u16)sel;
}

static void jump(void)
{
    test("JMP to a TSS");
    reset_tasks(stop);
    CHECK_TRAP(0x31, 0,
               asm volatile("movl $0x1234567, %%ecx\n movl $1f, want_ip\n ljmp %0, $99\n1:"
                            :
                            : "i"(T2)
                            : "ecx", "memory"));
    CHECK_EQ(get_tr(), T2);
    CHECK_EQ(get_cr0() & CR0_TS, CR0_TS);
    CHECK_EQ(gdt_access(T2), 0x8b);
    CHECK_EQ(gdt_access(TSS_SEL), 0x89);
    CHECK_EQ(last_trap.flags & FLAG_NT, 0);
    CHECK_EQ(last_trap.ax, 0xa1);
    CHECK_EQ(last_trap.cx, 0xa2);
    CHECK_EQ(last_trap.dx, 0xa3);
    CHECK_EQ(last_trap.bx, 0xa4);
    CHECK_EQ(last_trap.bp, 0xa6);
    CHECK_EQ(last_trap.si, 0xa7);
    CHECK_EQ(last_trap.di, 0xa8);
    CHECK_EQ(last_trap.entry_sp, (word)stack2 + 4096);
    CHECK_EQ(t2.link, 0);
    CHECK_EQ(task.tss.eip, want_ip);
    CHECK_EQ(task.tss.ecx, 0x1234567);
    CHECK_EQ(task.tss.cs, KERNEL_CS);
    CHECK_EQ(task.tss.ss, KERNEL_DS);
    reset_tasks(jump_back);
    CHECK_RUNS(asm volatile("ljmp %0, $0" : : "i"(T2) : "memory"));
    CHECK_EQ(get_tr(), TSS_SEL);
    CHECK_EQ(gdt_access(T2), 0x89);
    CHECK_EQ(gdt_access(TSS_SEL), 0x8b);
    CHECK_EQ(t2.eip, (word)jump_back_end - 2);
}

static void call_and_return(void)
{
    test("CALL and IRET");
    reset_tasks(stop);
    CHECK_TRAP(0x31, 0, asm volatile("lcall %0, $0" : : "i"(T2) : "memory"));
    CHECK_EQ(last_trap.flags & FLAG_NT, FLAG_NT);
    CHECK_EQ(t2.link, TSS_SEL);
    CHECK_EQ(gdt_access(T2), 0x8b);
    CHECK_EQ(gdt_access(TSS_SEL), 0x8b);
    reset_tasks(iret_loop);
    for (int i = 0; i < 2; i++) { /* the second CALL goes on after the IRET */
        CHECK_RUNS(asm volatile("lcall %0, $0" : : "i"(T2) : "memory"));
        CHECK_EQ(get_tr(), TSS_SEL);
        CHECK_EQ(gdt_access(T2), 0x89);
        CHECK_EQ(gdt_access(TSS_SEL), 0x8b);
        CHECK_EQ(t2.eip, (word)iret_loop + 1);
        CHECK_EQ(t2.eflags & FLAG_NT, 0);
        CHECK_EQ(get_flags() & FLAG_NT, 0);
    }
    reset_tasks(stop);
    gdt_gate(GATE, T2, 0, AR_TASK, 0);
    CHECK_TRAP(0x31, 0, asm volatile("lcall %0, $0" : : "i"(GATE) : "memory"));
    CHECK_EQ(t2.link, TSS_SEL);
}

static void interrupts(void)
{
    test("task gates in the IDT");
    reset_tasks(stop);
    idt_set(V, T2, 0, AR_TASK, 0);
    CHECK_TRAP(0x31, 0, asm volatile("movl $1f, want_ip\n int $0x40\n1:"));
    CHECK_EQ(last_trap.flags & FLAG_NT, FLAG_NT);
    CHECK_EQ(last_trap.entry_sp, (word)stack2 + 4096);
    CHECK_EQ(task.tss.eip, want_ip);
    CHECK_EQ(t2.link, TSS_SEL);
    reset_tasks(iret_loop);
    CHECK_RUNS(asm volatile("int $0x40"));
    reset_tasks(pop_stop);
    idt_set(GP, T2, 0, AR_TASK, 0);
    CHECK_TRAP(0x31, 0, asm volatile(AT "movl %0, %%fs" : : "r"(GDT_SLOTS * 8)));
    CHECK_EQ(last_trap.dx, GDT_SLOTS * 8); /* the error code, on the new stack */
    CHECK_EQ(last_trap.entry_sp, (word)stack2 + 4096);
    CHECK_EQ(task.tss.eip, want_ip);
    CHECK_EQ(task.tss.eflags & FLAG_RF, FLAG_RF);
    idt_reset(GP);
    reset_tasks(stop);
    idt_set(V, KERNEL_DS, 0, AR_TASK, 0);
    CHECK_TRAP(GP, KERNEL_DS, asm volatile("int $0x40"));
    idt_set(V, TSS_SEL, 0, AR_TASK, 0); /* busy */
    CHECK_TRAP(GP, TSS_SEL, asm volatile("int $0x40"));
    idt_reset(V);
}

static void tss_checks(void)
{
    test("checks of the TSS descriptor");
    reset_tasks(stop);
    CHECK_TRAP(GP, TSS_SEL, asm volatile("ljmp %0, $0" : : "i"(TSS_SEL))); /* busy */
    CHECK_TRAP(GP, T2, asm volatile("ljmp %0, $0" : : "i"(T2 | 3)));
    CHECK_USER(GP, T2, user_jump_task);
    gdt_set(T2, (word)&t2, sizeof(t2) - 1, AR_TSS32 & 0x7f);
    CHECK_TRAP(NP, T2, asm volatile("ljmp %0, $0" : : "i"(T2)));
    gdt_set(T2, (word)&t2, 0x66, AR_TSS32);
    CHECK_TRAP(TS, T2, asm volatile("ljmp %0, $0" : : "i"(T2)));
    CHECK_EQ(get_tr(), TSS_SEL);
    gdt_gate(GATE, KERNEL_DS, 0, AR_TASK, 0);
    CHECK_TRAP(GP, KERNEL_DS, asm volatile("lcall %0, $0" : : "i"(GATE)));
    gdt_gate(GATE, T2, 0, AR_TASK & 0x7f, 0);
    CHECK_TRAP(NP, GATE, asm volatile("lcall %0, $0" : : "i"(GATE)));
}

static void return_checks(void)
{
    test("checks of the back link");
    static const struct {
        u16 link;
        u32 vector;
    } cases[] = {{0, TS}, {KERNEL_DS, TS}, {T2, TS}, {GDT_SLOTS * 8, TS}, {4, TS}, {T3, NP}};
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        reset_tasks(stop);
        gdt_set(T3, (word)&t3, sizeof(t3) - 1, 0x0b); /* busy, not present */
        task.tss.link = cases[i].link;
        (void)TRAP(set_flags(FLAG_NT); asm volatile("iretl"));
        CHECK_EQ(last_trap.vector << 8 | i, cases[i].vector << 8 | i);
        CHECK_EQ(last_trap.error, cases[i].link);
    }
}

/* Switches to T2 as it is set up and wants the fault in its context. Its segments may not be usable
   then, so a third task handles the fault (SDM 3A 6.15, #TS). */
static void bad_state(u8 vector, u32 error, int line)
{
    idt_set(vector, T3, 0, AR_TASK, 0);
    (void)TRAP(asm volatile("ljmp %0, $0" : : "i"(T2) : "memory"));
    idt_reset(vector);
    check_trap(0x31, 0, "switch to a task with bad state", line);
    check_eq(last_trap.entry_sp, (word)stack3 + 4096, "stack pointer of the handler", line);
    check_eq(last_trap.dx, error, "error code", line);
    check_eq(get_tr(), T3, "TR", line);
    check_eq(t3.link, T2, "link", line);
    reset_tasks(stop);
}

static void state_checks(void)
{
    test("checks of the new task's state");
    reset_tasks(stop);
    t2.cs = KERNEL_DS;
    bad_state(TS, KERNEL_DS, __LINE__);
    t2.cs = 0;
    bad_state(TS, 0, __LINE__);
    t2.cs = SPARE;
    gdt_set(SPARE, 0, 0xfffff, 0x1a | AR_DB | AR_G);
    bad_state(NP, SPARE, __LINE__);
    t2.ds = SPARE;
    gdt_set(SPARE, 0, 0xfffff, 0x98 | AR_DB | AR_G); /* execute-only */
    bad_state(TS, SPARE, __LINE__);
    t2.es = SPARE;
    gdt_set(SPARE, 0, 0xfffff, 0x12 | AR_DB | AR_G);
    bad_state(NP, SPARE, __LINE__);
    t2.fs = GDT_SLOTS * 8;
    bad_state(TS, GDT_SLOTS * 8, __LINE__);
    t2.ldt = KERNEL_DS;
    bad_state(TS, KERNEL_DS, __LINE__);
    t2.ldt = SPARE;
    gdt_set(SPARE, 0, 0xff, AR_LDT & 0x7f);
    bad_state(TS, SPARE, __LINE__);
}

static void stack_checks(void)
{
    test("checks of the new task's stack");
    static const struct {
        u16 ss;
        u32 ar;
        u8 vector;
        u32 error;
    } cases[] = {{0, 0x92, TS, 0},
                 {KERNEL_DS | 3, 0x92, TS, KERNEL_DS},
                 {SPARE, 0x90, TS, SPARE},
                 {SPARE, 0x12, SS, SPARE},
                 {SPARE, 0x9a, TS, SPARE}};
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        gdt_set(SPARE, 0, 0xfffff, cases[i].ar | AR_DB | AR_G);
        t2.ss = cases[i].ss;
        bad_state(cases[i].vector, cases[i].error, __LINE__);
    }
}

static void local_descriptors(void)
{
    static __attribute__((aligned(8))) u64 ldt[2];
    test("LDT of a task");
    reset_tasks(stop);
    ldt[1] = descriptor(0, 0xfffff, AR_CODE | AR_DB | AR_G);
    gdt_set(SPARE, (word)ldt, sizeof(ldt) - 1, AR_LDT);
    t2.ldt = SPARE;
    t2.cs = 0xc;
    CHECK_TRAP(0x31, 0, asm volatile("ljmp %0, $0" : : "i"(T2) : "memory"));
    CHECK_EQ(last_trap.cs, 0xc);
}

static void debug(void)
{
    test("T bit and DR7");
    reset_tasks(stop);
    t2.trap = 1;
    set_dr0(0xffff0000);
    set_dr7(0x30f);
    CHECK_TRAP(DB, 0, asm volatile("ljmp %0, $0" : : "i"(T2) : "memory"));
    CHECK_EQ(last_trap.ip, (word)stop);
    CHECK_EQ(get_dr6() & 0xe00f, BIT(15));
    CHECK_EQ(get_dr7() & 0x3ff, 0x20a); /* the local bits are gone */
    set_dr7(0x400);
    set_dr6(0xffff0ff0);
    reset_tasks(stop);
}

static void tss_16(void)
{
    test("16-bit TSS");
    reset_tasks(stop);
    CHECK_TRAP(0x31, 0, asm volatile("ljmp %0, $0" : : "i"(T16) : "memory"));
    CHECK_EQ(get_tr(), T16);
    CHECK_EQ((u16)last_trap.ax, 0xb1);
    CHECK_EQ((u16)last_trap.di, 0xb8);
    CHECK_EQ(last_trap.ip, (word)low_stop_end);
    CHECK_EQ(last_trap.fs, 0);
    CHECK_EQ(gdt_access(T16), 0x83);
    reset_tasks(stop);
    t16.ip = (u16)(word)low_iret;
    CHECK_RUNS(asm volatile("lcall %0, $0" : : "i"(T16) : "memory"));
    CHECK_EQ(t16.link, TSS_SEL);
    CHECK_EQ(t16.ip, (u16)(word)low_iret_end);
    CHECK_EQ(gdt_access(T16), 0x81);
    gdt_set(T16, (word)&t16, 0x2a, AR_TSS16);
    CHECK_TRAP(TS, T16, asm volatile("ljmp %0, $0" : : "i"(T16) : "memory"));
}

GUEST("task")
{
    jump();
    call_and_return();
    interrupts();
    tss_checks();
    return_checks();
    state_checks();
    stack_checks();
    local_descriptors();
    debug();
    tss_16();
}
