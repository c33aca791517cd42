/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cpu/task.c: hardware task switches, what they save, load and check. */
#include "guest.h"

/* A 32-bit task that runs at level 0. */
static void put_task(struct guest *g)
{
    static const u16 segs[] = {DATA0, CODE0, DATA0, DATA0, 0, 0};

    memset(ram(g, AT_TSS2), 0, 0x100);
    put(g, AT_TSS2 + 0x20, 0x7000, 4);
    put(g, AT_TSS2 + 0x24, EFLAGS_CF | EFLAGS_FIXED, 4);
    for (unsigned n = 0; n < 8; n++)
        put(g, AT_TSS2 + 0x28 + 4 * n, 0x11110000 * (n + 1), 4);
    put(g, AT_TSS2 + 0x38, AT_STACK1, 4);
    for (unsigned n = 0; n < 6; n++)
        put(g, AT_TSS2 + 0x48 + 4 * n, segs[n], 2);
    set_desc(g, TSS2, AT_TSS2, 0x67, AR_P | SYS_TSS32_AVAIL);
}

/* The CPU in the first task, as guest_protected leaves it. */
static struct guest *guest_with_tasks(void)
{
    struct guest *g = guest_protected();

    put_task(g);
    g->c->gpr[RDI] = 0xabcdef01;
    g->c->seg[SEG_GS] = seg_of(g, DATA3);
    vcpu_set_eflags(g->c, EFLAGS_IF | EFLAGS_ZF);
    return g;
}

static unsigned type_of(struct guest *g, u16 sel)
{
    return (unsigned)get(g, AT_GDT + sel + 5, 1) & 0xf;
}

static void jmp_saves_and_loads(void)
{
    struct guest *g = guest_with_tasks();
    struct vcpu *c = g->c;

    c->dr7 = DR7_FIXED | 0x3ff;
    put(g, AT_TSS + 0x22, 0xffff, 2);
    RUNS(c, cpu_far_jmp(c, TSS2, 0x999, 4));
    CHECK_EQ(c->rip, 0x7000);
    CHECK_EQ(c->tr.sel, TSS2);
    CHECK_EQ(c->tr.ar & 0xf, SYS_TSS32_BUSY);
    CHECK_EQ(type_of(g, TSS2), SYS_TSS32_BUSY);
    CHECK_EQ(type_of(g, TSS), SYS_TSS32_AVAIL);
    CHECK(c->cr0 & CR0_TS);
    CHECK_EQ(c->dr7, (DR7_FIXED | 0x3ff) & ~0x155u);
    CHECK_EQ(c->gpr[RBX], 0x44440000);
    CHECK_EQ(c->gpr[RSP], AT_STACK1);
    CHECK_EQ(vcpu_eflags(c), EFLAGS_CF | EFLAGS_FIXED);
    CHECK_EQ(c->ldtr.ar, 0);
    CHECK_EQ(c->seg[SEG_CS].sel, CODE0);
    CHECK_EQ(c->seg[SEG_GS].ar, 0);
    CHECK_EQ(c->pending_db, 0);

    CHECK_EQ(get(g, AT_TSS + 0x20, 4), 0x5002);
    CHECK_EQ(get(g, AT_TSS + 0x24, 4), EFLAGS_IF | EFLAGS_ZF | EFLAGS_FIXED);
    CHECK_EQ(get(g, AT_TSS + 0x38, 4), AT_STACK0);
    CHECK_EQ(get(g, AT_TSS + 0x44, 4), 0xabcdef01);
    CHECK_EQ(get(g, AT_TSS + 0x4c, 2), CODE0);
    CHECK_EQ(get(g, AT_TSS + 0x5c, 2), DATA3);
    CHECK_EQ(get(g, AT_TSS2, 2), 0); /* no back link */
    guest_free(g);
}

static void call_nests_and_iret_returns(void)
{
    struct guest *g = guest_with_tasks();
    struct vcpu *c = g->c;

    RUNS(c, cpu_far_call(c, TSS2, 0, 4));
    CHECK_EQ(get(g, AT_TSS2, 2), TSS);
    CHECK(c->eflags & EFLAGS_NT);
    CHECK_EQ(type_of(g, TSS), SYS_TSS32_BUSY);
    CHECK_EQ(type_of(g, TSS2), SYS_TSS32_BUSY);
    c->ip = 0x7000;
    c->rip = 0x7001;
    put(g, AT_TSS + 0x60, LDT, 2);
    RUNS(c, cpu_iret(c, 4));
    CHECK_EQ(c->tr.sel, TSS);
    CHECK_EQ(c->rip, 0x5002);
    CHECK_EQ(c->gpr[RDI], 0xabcdef01);
    CHECK_EQ(c->ldtr.base, AT_LDT);
    CHECK_EQ(vcpu_eflags(c), EFLAGS_IF | EFLAGS_ZF | EFLAGS_FIXED);
    CHECK_EQ(type_of(g, TSS), SYS_TSS32_BUSY);
    CHECK_EQ(type_of(g, TSS2), SYS_TSS32_AVAIL);
    CHECK_EQ(get(g, AT_TSS2 + 0x20, 4), 0x7001);
    CHECK_EQ(get(g, AT_TSS2 + 0x24, 4) & EFLAGS_NT, 0);
    guest_free(g);
}

static void tss_errors(void)
{
    struct guest *g = guest_with_tasks();
    struct vcpu *c = g->c;

    RAISES(c, cpu_far_jmp(c, TSS, 0, 4), VEC_GP, TSS); /* busy */
    RAISES(c, cpu_far_jmp(c, TSS2 | 1, 0, 4), VEC_GP, TSS2);
    set_desc(g, TSS2, AT_TSS2, 0x67, SYS_TSS32_AVAIL);
    RAISES(c, cpu_far_jmp(c, TSS2, 0, 4), VEC_NP, TSS2);
    set_desc(g, TSS2, AT_TSS2, 0x66, AR_P | SYS_TSS32_AVAIL);
    RAISES(c, cpu_far_jmp(c, TSS2, 0, 4), VEC_TS, TSS2);
    set_desc(g, TSS2, AT_TSS2, 0x2a, AR_P | SYS_TSS16_AVAIL);
    RAISES(c, cpu_far_jmp(c, TSS2, 0, 4), VEC_TS, TSS2);
    put_task(g);

    set_gate(g, GATE, TSS2 | 4, 0, AR_P | SYS_TASK_GATE, 0);
    RAISES(c, cpu_far_call(c, GATE, 0, 4), VEC_GP, TSS2 | 4);
    set_gate(g, GATE, 0x100, 0, AR_P | SYS_TASK_GATE, 0);
    RAISES(c, cpu_far_call(c, GATE, 0, 4), VEC_GP, 0x100);
    set_gate(g, GATE, DATA0, 0, AR_P | SYS_TASK_GATE, 0);
    RAISES(c, cpu_far_call(c, GATE, 0, 4), VEC_GP, DATA0);
    set_gate(g, GATE, TSS, 0, AR_P | SYS_TASK_GATE, 0);
    RAISES(c, cpu_far_call(c, GATE, 0, 4), VEC_GP, TSS);
    set_gate(g, GATE, TSS2, 0, SYS_TASK_GATE, 0);
    RAISES(c, cpu_far_call(c, GATE, 0, 4), VEC_NP, GATE);

    vcpu_set_eflags(c, EFLAGS_NT); /* IRET: #TS where others have #GP */
    put(g, AT_TSS, TSS2, 2);
    RAISES(c, cpu_iret(c, 4), VEC_TS, TSS2); /* not busy */
    put(g, AT_TSS, 0, 2);
    RAISES(c, cpu_iret(c, 4), VEC_TS, 0);
    put(g, AT_TSS, TSS2 | 4, 2);
    RAISES(c, cpu_iret(c, 4), VEC_TS, TSS2 | 4);
    vcpu_set_eflags(c, 0);
    c->tr.limit = 0x5e;
    RAISES(c, cpu_far_jmp(c, TSS2, 0, 4), VEC_TS, TSS);
    CHECK_EQ(type_of(g, TSS), SYS_TSS32_BUSY);
    CHECK_EQ(type_of(g, TSS2), SYS_TSS32_AVAIL);
    guest_free(g);
}

struct bad_word { /* of the new TSS */
    u8 at;
    u16 sel;
    u8 vector;
    u16 error;
};

static void jmp_with_bad_word(const struct bad_word *bad)
{
    struct guest *g = guest_with_tasks();
    struct vcpu *c = g->c;

    put(g, AT_TSS2 + bad->at, bad->sel, 2);
    RAISES_LATE(c, cpu_far_jmp(c, TSS2, 0, 4), bad->vector, bad->error);
    CHECK_EQ(c->tr.sel, TSS2);
    CHECK_EQ(c->ip, 0x7000);
    CHECK_EQ(c->gpr[RBX], 0x44440000);
    CHECK_EQ(c->ldtr.sel, bad->at == 0x60 ? bad->sel : 0);
    guest_free(g);
}

static void segment_errors_are_the_new_tasks(void)
{
    static const struct bad_word bad[] = {
        {0x60, LDT | 4, VEC_TS, LDT | 4},
        {0x60, DATA0, VEC_TS, DATA0},
        {0x60, 0x100, VEC_TS, 0x100},
        {0x4c, 0, VEC_TS, 0},
        {0x4c, DATA0, VEC_TS, DATA0},
        {0x4c, CODE1 & ~3, VEC_TS, CODE1 & ~3},
        {0x4c, ABSENT_CODE, VEC_NP, ABSENT_CODE},
        {0x50, 0, VEC_TS, 0},
        {0x50, DATA3, VEC_TS, DATA3 & ~3},
        {0x50, DATA0 | 1, VEC_TS, DATA0},
        {0x50, READ_ONLY, VEC_TS, READ_ONLY},
        {0x50, ABSENT_DATA, VEC_SS, ABSENT_DATA},
        {0x48, EXEC_ONLY, VEC_TS, EXEC_ONLY},
        {0x54, DATA0 | 3, VEC_TS, DATA0},
        {0x58, 0x100, VEC_TS, 0x100},
        {0x5c, ABSENT_DATA, VEC_NP, ABSENT_DATA},
    };

    for (size_t n = 0; n < ARRAY_SIZE(bad); n++)
        jmp_with_bad_word(&bad[n]);
}

static void eip_limit_and_trap_flag(void)
{
    struct guest *g = guest_with_tasks();
    struct vcpu *c = g->c;

    put(g, AT_TSS2 + 0x4c, SMALL_CODE, 2);
    RAISES_LATE(c, cpu_far_jmp(c, TSS2, 0, 4), VEC_GP, 0);
    CHECK_EQ(c->tr.sel, TSS2);
    guest_free(g);

    g = guest_with_tasks();
    c = g->c;
    put(g, AT_TSS2 + 0x64, 1, 2);
    RUNS(c, cpu_far_jmp(c, TSS2, 0, 4));
    CHECK_EQ(c->pending_db, DR6_BT);
    guest_free(g);
}

static void exception_through_task_gate(void)
{
    struct guest *g = guest_with_tasks();
    struct vcpu *c = g->c;

    set_idt(g, 13, TSS2, 0, AR_P | SYS_TASK_GATE, 0);
    to_level3(g);
    c->excp = (struct excp){.vector = VEC_GP, .has_error = true, .error = 0x1234};
    CHECK(cpu_deliver(c));
    CHECK_EQ(c->tr.sel, TSS2);
    CHECK_EQ(c->cpl, 0);
    CHECK_EQ(c->gpr[RSP], AT_STACK1 - 4);
    CHECK_EQ(get(g, AT_STACK1 - 4, 4), 0x1234);
    CHECK_EQ(get(g, AT_TSS + 0x20, 4), 0x5000); /* a fault */
    CHECK(get(g, AT_TSS + 0x24, 4) & EFLAGS_RF);
    CHECK_EQ(get(g, AT_TSS + 0x4c, 2), CODE3);
    CHECK_EQ(get(g, AT_TSS2, 2), TSS);
    CHECK(c->eflags & EFLAGS_NT);
    guest_free(g);

    g = guest_with_tasks(); /* no room for the error code: #SS in the new task, by its handler */
    c = g->c;
    set_idt(g, 13, TSS2, 0, AR_P | SYS_TASK_GATE, 0);
    set_idt(g, 8, CODE0, 0x800, AR_P | SYS_INT_GATE32, 0);
    put(g, AT_TSS2 + 0x38, 2, 4);
    put(g, AT_TSS2 + 0x50, SMALL_DATA, 2);
    c->excp = (struct excp){.vector = VEC_GP, .has_error = true};
    CHECK(!cpu_deliver(c)); /* #GP + #SS is a double fault, for which the stack has no room */
    CHECK_EQ(c->tr.sel, TSS2);
    guest_free(g);

    g = guest_with_tasks(); /* the #TS of the new task has EXT */
    c = g->c;
    set_idt(g, 0x40, TSS2, 0, AR_P | SYS_TASK_GATE, 0);
    set_idt(g, 10, CODE0, 0xa00, AR_P | SYS_INT_GATE32, 0);
    put(g, AT_TSS2 + 0x54, EXEC_ONLY, 2);
    CHECK(cpu_deliver_event(c, 0x40, INT_EXTERNAL));
    CHECK_EQ(c->rip, 0xa00);
    CHECK_EQ(get(g, c->gpr[RSP], 4), EXEC_ONLY | 1);
    CHECK_EQ(get(g, c->gpr[RSP] + 4, 4), 0x7000);
    guest_free(g);
}

static void to_16_bit_and_back(void)
{
    static const u16 segs[] = {DATA0, CODE0_16, DATA0_16, DATA0};
    struct guest *g = guest_with_tasks();
    struct vcpu *c = g->c;

    memset(ram(g, AT_TSS2), 0, 0x100);
    put(g, AT_TSS2 + 0xe, 0x7000, 2);
    put(g, AT_TSS2 + 0x10, EFLAGS_CF | EFLAGS_FIXED, 2);
    for (unsigned n = 0; n < 8; n++)
        put(g, AT_TSS2 + 0x12 + 2 * n, 0x1111 * (n + 1), 2);
    for (unsigned n = 0; n < 4; n++)
        put(g, AT_TSS2 + 0x22 + 2 * n, segs[n], 2);
    put(g, AT_TSS2 + 0x2a, LDT, 2);
    set_desc(g, TSS2, AT_TSS2, 0x2b, AR_P | SYS_TSS16_AVAIL);
    RUNS(c, cpu_far_call(c, TSS2, 0, 4));
    CHECK_EQ(c->mode, MODE_16);
    CHECK_EQ(c->rip, 0x7000);
    CHECK_EQ(c->gpr[RDI], 0x8888);
    CHECK_EQ(c->seg[SEG_GS].sel, 0);
    CHECK_EQ(c->ldtr.sel, LDT);
    CHECK_EQ(c->tr.ar & 0xf, SYS_TSS16_BUSY);
    CHECK_EQ(type_of(g, TSS2), SYS_TSS16_BUSY);
    c->gpr[RDI] = 0x12345678;
    c->rip = 0x7004;
    RUNS(c, cpu_iret(c, 2));
    CHECK_EQ(c->tr.sel, TSS);
    CHECK_EQ(get(g, AT_TSS2 + 0xe, 2), 0x7004);
    CHECK_EQ(get(g, AT_TSS2 + 0x20, 2), 0x5678);
    CHECK_EQ(get(g, AT_TSS2 + 0x22, 2), DATA0);
    guest_free(g);
}

static void to_v86(void)
{
    struct guest *g = guest_with_tasks();
    struct vcpu *c = g->c;

    put(g, AT_TSS2 + 0x24, EFLAGS_VM | EFLAGS_IOPL, 4);
    put(g, AT_TSS2 + 0x4c, 0x1000, 2);
    put(g, AT_TSS2 + 0x5c, 0x1234, 2);
    RUNS(c, cpu_far_jmp(c, TSS2, 0, 4));
    CHECK(is_v86(c));
    CHECK_EQ(c->cpl, 3);
    CHECK_EQ(c->mode, MODE_16);
    CHECK_EQ(c->seg[SEG_CS].base, 0x10000);
    CHECK_EQ(c->seg[SEG_GS].base, 0x12340);
    guest_free(g);
}

/* 4 MiB pages: 0 to itself; without the second entry, 4 MiB upwards is not there. */
static void put_page_directory(struct guest *g, gpa_t at, bool second)
{
    memset(ram(g, at), 0, PAGE_SIZE);
    put(g, at, PTE_P | PTE_W | PTE_PS, 4);
    put(g, at + 4, second ? PTE_P | PTE_W | PTE_PS : 0, 4);
}

static void with_paging(void)
{
    struct guest *g = guest_with_tasks();
    struct vcpu *c = g->c;

    g->vm.model.word[CPUID_1_EDX] = BIT(X86_PSE % 32);
    put_page_directory(g, AT_PML4, false);
    put_page_directory(g, AT_PDPT, true);
    c->cr3 = AT_PML4;
    c->cr4 = CR4_PSE;
    c->cr0 |= CR0_PG;
    tlb_flush_all(c);
    vcpu_update_mode(c);

    set_desc(g, TSS2, 4 * MiB + AT_TSS2, 0x67, AR_P | SYS_TSS32_AVAIL);
    RAISES(c, cpu_far_jmp(c, TSS2, 0, 4), VEC_PF, 0); /* still the old task's fault */
    CHECK_EQ(c->excp.cr2, 4 * MiB + AT_TSS2);
    CHECK_EQ(type_of(g, TSS), SYS_TSS32_BUSY);

    set_desc(g, TSS2, AT_TSS2, 0x67, AR_P | SYS_TSS32_AVAIL);
    put(g, AT_TSS2 + 0x1c, AT_PDPT, 4);
    set_desc(g, LDT, 4 * MiB + AT_LDT, 0xff, AR_P | SYS_LDT); /* the new task's space has it */
    set_desc(g, 4, 0x1234, 0xffff, A_DATA);
    put(g, AT_TSS2 + 0x60, LDT, 2);
    put(g, AT_TSS2 + 0x54, 4, 2);
    RUNS(c, cpu_far_jmp(c, TSS2, 0, 4));
    CHECK_EQ(c->cr3, AT_PDPT);
    CHECK_EQ(c->seg[SEG_DS].base, 0x1234);
    guest_free(g);
}

int main(void)
{
    TEST_RUN(jmp_saves_and_loads);
    TEST_RUN(call_nests_and_iret_returns);
    TEST_RUN(tss_errors);
    TEST_RUN(segment_errors_are_the_new_tasks);
    TEST_RUN(eip_limit_and_trap_flag);
    TEST_RUN(exception_through_task_gate);
    TEST_RUN(to_16_bit_and_back);
    TEST_RUN(to_v86);
    TEST_RUN(with_paging);
    return test_result();
}
