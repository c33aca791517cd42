/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cpu/intr.c, cpu/intr_long.c: gates of every kind, the frames they push, their checks. */
#include "gates.h"

static void same_level_32(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;
    const u32 flags = EFLAGS_IF | EFLAGS_TF | EFLAGS_NT | EFLAGS_CF | EFLAGS_FIXED;

    set_idt(g, 13, CODE0, 0x123456, INT32, 0);
    set_idt(g, 0x30, CODE0, 0x6000, TRAP32, 0);
    vcpu_set_eflags(c, flags);
    CHECK(fault(c, VEC_GP, 0x48));
    CHECK_EQ(c->rip, 0x123456);
    CHECK_EQ(c->gpr[RSP], AT_STACK0 - 16);
    CHECK_EQ(top(g, 0), 0x48);
    CHECK_EQ(top(g, 1), 0x5000);
    CHECK_EQ(top(g, 2), CODE0);
    CHECK_EQ(top(g, 3), flags | EFLAGS_RF);
    CHECK_EQ(vcpu_eflags(c), EFLAGS_CF | EFLAGS_FIXED);
    CHECK_EQ(c->cpl, 0);

    to_level0(g);
    vcpu_set_eflags(c, flags | EFLAGS_RF);
    RUNS(c, cpu_software_interrupt(c, 0x30, INT_SOFT));
    CHECK_EQ(c->gpr[RSP], AT_STACK0 - 12);
    CHECK_EQ(top(g, 0), 0x5002);
    CHECK_EQ(top(g, 2), flags);
    CHECK_EQ(vcpu_eflags(c), EFLAGS_IF | EFLAGS_CF | EFLAGS_FIXED); /* a trap gate keeps IF */

    to_level0(g);
    c->ip = c->rip;
    vcpu_set_eflags(c, EFLAGS_IF | EFLAGS_RF);
    CHECK(cpu_deliver_event(c, 0x30, INT_EXTERNAL));
    CHECK_EQ(top(g, 2), EFLAGS_IF | EFLAGS_RF | EFLAGS_FIXED);
    guest_free(g);
}

static void same_level_16(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;

    set_idt(g, 13, CODE0_16, 0x77776666, INT16, 0);
    at_level(g, CODE0_16, DATA0_16, 0xffff0004);
    CHECK(fault(c, VEC_GP, 0x12345));
    CHECK_EQ(c->rip, 0x6666);
    CHECK_EQ(c->mode, MODE_16);
    CHECK_EQ(c->gpr[RSP], 0xfffffffc);
    CHECK_EQ(get(g, 0xfffc, 2), 0x2345); /* SP wrapped */
    CHECK_EQ(get(g, 0xfffe, 2), 0x5000);
    CHECK_EQ(get(g, 0, 2), CODE0_16);
    guest_free(g);
}

static void inner_level(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;

    set_idt(g, 14, CODE0, 0x6000, INT32, 0);
    to_level3(g);
    c->excp = (struct excp){.vector = VEC_PF, .has_error = true, .error = 7, .cr2 = 0x1234};
    CHECK(cpu_deliver(c));
    CHECK_EQ(c->cr2, 0x1234);
    CHECK_EQ(c->cpl, 0);
    CHECK_EQ(c->seg[SEG_CS].sel, CODE0);
    CHECK_EQ(c->seg[SEG_SS].sel, DATA0);
    CHECK_EQ(c->seg[SEG_DS].sel, DATA3);
    CHECK_EQ(c->gpr[RSP], AT_STACKI - 24);
    CHECK_EQ(top(g, 0), 7);
    CHECK_EQ(top(g, 1), 0x5000);
    CHECK_EQ(top(g, 2), CODE3);
    CHECK_EQ(top(g, 4), AT_STACK3);
    CHECK_EQ(top(g, 5), DATA3);

    /* to level 1, through a 16-bit gate, from a 16-bit TSS */
    set_desc(g, GATE, AT_TSS2, 0x2b, AR_P | SYS_TSS16_AVAIL);
    put(g, AT_TSS2 + 6, 0x8000, 2);
    put(g, AT_TSS2 + 8, DATA1, 2);
    RUNS(c, cpu_ltr(c, GATE));
    set_idt(g, 0x40, CODE1, 0x6000, INT16 | DPL(3), 0);
    to_level3(g);
    RUNS(c, cpu_software_interrupt(c, 0x40, INT_SOFT));
    CHECK_EQ(c->cpl, 1);
    CHECK_EQ(c->gpr[RSP], 0x8000 - 10);
    CHECK_EQ(get(g, 0x8000 - 4, 2), AT_STACK3 & 0xffff);
    CHECK_EQ(get(g, 0x8000 - 10, 2), 0x5002);

    /* a conforming handler runs at the interrupted level */
    set_idt(g, 0x41, CONF0, 0x6000, INT32 | DPL(3), 0);
    to_level3(g);
    RUNS(c, cpu_software_interrupt(c, 0x41, INT_SOFT));
    CHECK_EQ(c->cpl, 3);
    CHECK_EQ(c->seg[SEG_CS].sel, CONF0 | 3);
    CHECK_EQ(c->gpr[RSP], AT_STACK3 - 12);
    guest_free(g);
}

static void gate_errors(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;
    const u8 v = 0x50;
    const u32 error = 0x50 << 3 | 2;

    RAISES(c, cpu_software_interrupt(c, v, INT_SOFT), VEC_GP, error); /* empty */
    set_idt(g, v, CODE0, 0, AR_P | SYS_CALL_GATE32, 0);
    RAISES(c, cpu_software_interrupt(c, v, INT_SOFT), VEC_GP, error);
    set_idt(g, v, CODE0, 0, INT32 | AR_S, 0);
    RAISES(c, cpu_software_interrupt(c, v, INT_SOFT), VEC_GP, error);
    set_idt(g, v, CODE0, 0, SYS_INT_GATE32, 0);
    RAISES(c, cpu_software_interrupt(c, v, INT_SOFT), VEC_NP, error);
    set_idt(g, v, 3, 0, INT32, 0);
    RAISES(c, cpu_software_interrupt(c, v, INT_SOFT), VEC_GP, 0);
    set_idt(g, v, 0x100, 0, INT32, 0);
    RAISES(c, cpu_software_interrupt(c, v, INT_SOFT), VEC_GP, 0x100);
    set_idt(g, v, DATA0, 0, INT32, 0);
    RAISES(c, cpu_software_interrupt(c, v, INT_SOFT), VEC_GP, DATA0);
    set_idt(g, v, CODE1, 0, INT32, 0); /* outward */
    RAISES(c, cpu_software_interrupt(c, v, INT_SOFT), VEC_GP, CODE1 & ~3);
    set_idt(g, v, ABSENT_CODE, 0, INT32, 0);
    RAISES(c, cpu_software_interrupt(c, v, INT_SOFT), VEC_NP, ABSENT_CODE);
    set_idt(g, v, SMALL_CODE, 0x1000, INT32, 0);
    RAISES(c, cpu_software_interrupt(c, v, INT_SOFT), VEC_GP, 0);
    set_idt(g, v, CODE0, 0, INT32, 0);
    c->seg[SEG_SS].limit = AT_STACK0 - 5;
    RAISES(c, cpu_software_interrupt(c, v, INT_SOFT), VEC_SS, 0);
    c->idtr.limit = (u16)(v * 8 + 6);
    RAISES(c, cpu_software_interrupt(c, v, INT_SOFT), VEC_GP, error);
    c->idtr.limit = (u16)(v * 8 + 7);
    to_level3(g);
    RAISES(c, cpu_software_interrupt(c, v, INT_SOFT), VEC_GP, error); /* DPL 0 */
    RAISES(c, cpu_software_interrupt(c, v, INT_SOFT3), VEC_GP, error);
    RUNS(c, cpu_software_interrupt(c, v, INT_ICEBP)); /* no DPL check */
    guest_free(g);
}

static void inner_stack_errors(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;

    set_idt(g, 0x50, CODE0, 0, INT32 | DPL(3), 0);
    to_level3(g);
    put(g, AT_TSS + 8, 0, 4);
    RAISES(c, cpu_software_interrupt(c, 0x50, INT_SOFT), VEC_TS, 0);
    put(g, AT_TSS + 8, 0x100, 4);
    RAISES(c, cpu_software_interrupt(c, 0x50, INT_SOFT), VEC_TS, 0x100);
    put(g, AT_TSS + 8, DATA0 | 1, 4);
    RAISES(c, cpu_software_interrupt(c, 0x50, INT_SOFT), VEC_TS, DATA0);
    put(g, AT_TSS + 8, DATA1 & ~3, 4);
    RAISES(c, cpu_software_interrupt(c, 0x50, INT_SOFT), VEC_TS, DATA1 & ~3);
    put(g, AT_TSS + 8, READ_ONLY, 4);
    RAISES(c, cpu_software_interrupt(c, 0x50, INT_SOFT), VEC_TS, READ_ONLY);
    put(g, AT_TSS + 8, ABSENT_DATA, 4);
    RAISES(c, cpu_software_interrupt(c, 0x50, INT_SOFT), VEC_SS, ABSENT_DATA);
    put(g, AT_TSS + 8, SMALL_DATA, 4);
    RAISES(c, cpu_software_interrupt(c, 0x50, INT_SOFT), VEC_SS, SMALL_DATA);
    c->tr.limit = 8;
    RAISES(c, cpu_software_interrupt(c, 0x50, INT_SOFT), VEC_TS, TSS);
    guest_free(g);
}

static void long_mode_frames(void)
{
    struct guest *g = guest_long();
    struct vcpu *c = g->c;

    set_idt(g, 13, CODE0_L, 0x6000, INT32, 0);
    set_idt(g, 14, CODE0_L, 0xffff800000006000, TRAP32, 1);
    c->gpr[RSP] = AT_STACK0 - 3;
    CHECK(fault(c, VEC_GP, 0x12));
    CHECK_EQ(c->gpr[RSP], AT_STACK0 - 16 - 48);
    CHECK_EQ(top64(g, 0), 0x12);
    CHECK_EQ(top64(g, 1), 0x5000);
    CHECK_EQ(top64(g, 2), CODE0_L);
    CHECK_EQ(top64(g, 4), AT_STACK0 - 3);
    CHECK_EQ(top64(g, 5), DATA0);
    CHECK_EQ(c->seg[SEG_SS].sel, DATA0); /* no change of level */

    at_level(g, CODE3, DATA3, AT_STACK3); /* compatibility mode */
    CHECK_EQ(c->mode, MODE_32);
    CHECK(fault(c, VEC_GP, 0));
    CHECK_EQ(c->mode, MODE_64);
    CHECK_EQ(c->gpr[RSP], AT_STACKI - 48);
    CHECK_EQ(c->seg[SEG_SS].sel, 0);
    CHECK_EQ(c->seg[SEG_SS].ar, 0);
    CHECK_EQ(top64(g, 5), DATA3);

    to_level0(g);
    CHECK(fault(c, VEC_PF, 0)); /* IST without a change of level */
    CHECK_EQ(c->rip, 0xffff800000006000);
    CHECK_EQ(c->gpr[RSP], AT_STACK1 - 48);
    CHECK_EQ(c->seg[SEG_SS].sel, DATA0);
    guest_free(g);
}

static void long_mode_errors(void)
{
    struct guest *g = guest_long();
    struct vcpu *c = g->c;
    const u32 error = 0x50 << 3 | 2;

    set_idt(g, 0x50, CODE0_L, 0, INT16, 0);
    RAISES(c, cpu_software_interrupt(c, 0x50, INT_SOFT), VEC_GP, error);
    set_idt(g, 0x50, TSS2, 0, AR_P | SYS_TASK_GATE, 0);
    RAISES(c, cpu_software_interrupt(c, 0x50, INT_SOFT), VEC_GP, error);
    set_idt(g, 0x50, CODE0_L, 0, SYS_INT_GATE32, 0);
    RAISES(c, cpu_software_interrupt(c, 0x50, INT_SOFT), VEC_NP, error);
    set_idt(g, 0x50, 0, 0, INT32, 0);
    RAISES(c, cpu_software_interrupt(c, 0x50, INT_SOFT), VEC_GP, 0);
    set_desc(g, GATE, 0, 0, (A_CODE | AR_L) & ~AR_P);
    set_idt(g, 0x50, GATE, 0, INT32, 0);
    RAISES(c, cpu_software_interrupt(c, 0x50, INT_SOFT), VEC_NP, GATE);
    set_idt(g, 0x50, CODE0, 0, INT32, 0);
    RAISES(c, cpu_software_interrupt(c, 0x50, INT_SOFT), VEC_GP, CODE0);
    set_idt(g, 0x50, CODE_LD, 0, INT32, 0);
    RAISES(c, cpu_software_interrupt(c, 0x50, INT_SOFT), VEC_GP, CODE_LD);
    set_idt(g, 0x50, CODE0_L, 0x800000000000, INT32, 0);
    RAISES(c, cpu_software_interrupt(c, 0x50, INT_SOFT), VEC_GP, 0);
    set_idt(g, 0x50, CODE0_L, 0, INT32, 7);
    c->tr.limit = 36 + 6 * 8 + 6;
    RAISES(c, cpu_software_interrupt(c, 0x50, INT_SOFT), VEC_TS, TSS);
    c->idtr.limit = 0x50 * 16 + 14;
    RAISES(c, cpu_software_interrupt(c, 0x50, INT_SOFT), VEC_GP, error);
    guest_free(g);
}

static void real_mode(void)
{
    struct guest *g = guest_new();
    struct vcpu *c = g->c;

    c->idtr = (struct dtr){.base = 0, .limit = 0x3ff};
    put(g, 0x21 * 4, 0x12345678, 4);
    put(g, 13 * 4, 0x20001300, 4);
    seg_load_real(c, SEG_SS, 0x2000);
    seg_load_real(c, SEG_CS, 0x1000);
    c->gpr[RSP] = 0x100;
    c->ip = 0x10;
    c->rip = 0x12;
    vcpu_set_eflags(c, EFLAGS_IF | EFLAGS_TF | EFLAGS_AC | EFLAGS_NT);
    RUNS(c, cpu_software_interrupt(c, 0x21, INT_SOFT));
    CHECK_EQ(c->seg[SEG_CS].base, 0x12340);
    CHECK_EQ(c->rip, 0x5678);
    CHECK_EQ(get(g, 0x200fa, 2), 0x12);
    CHECK_EQ(get(g, 0x200fc, 2), 0x1000);
    CHECK_EQ(get(g, 0x200fe, 2), EFLAGS_IF | EFLAGS_TF | EFLAGS_NT | EFLAGS_FIXED);
    CHECK_EQ(vcpu_eflags(c), EFLAGS_NT | EFLAGS_FIXED);

    c->gpr[RSP] = 0x100;
    CHECK(fault(c, VEC_GP, 0)); /* no error code */
    CHECK_EQ(c->gpr[RSP], 0xfa);
    CHECK_EQ(get(g, 0x200fa, 2), 0x10);

    c->gpr[RSP] = 5; /* the third push would wrap in the middle of a word */
    RAISES(c, cpu_software_interrupt(c, 0x21, INT_SOFT), VEC_SS, 0);
    c->gpr[RSP] = 0x100;
    c->idtr.limit = 0x21 * 4 + 2;
    RAISES(c, cpu_software_interrupt(c, 0x21, INT_SOFT), VEC_GP, 0x21 * 8 + 2);
    c->idtr.limit = 0;
    CHECK(!fault(c, VEC_GP, 0));
    CHECK_EQ(c->activity, ACTIVITY_SHUTDOWN);
    guest_free(g);
}

static void from_v86(void)
{
    struct guest *g = guest_v86(3, false);
    struct vcpu *c = g->c;

    set_idt(g, 0x21, CODE0, 0x6000, INT32 | DPL(3), 0);
    RUNS(c, cpu_software_interrupt(c, 0x21, INT_SOFT));
    CHECK_EQ(c->cpl, 0);
    CHECK(!is_v86(c));
    CHECK_EQ(c->gpr[RSP], AT_STACKI - 36);
    CHECK_EQ(top(g, 0), 0x12);
    CHECK_EQ(top(g, 1), 0x1000);
    CHECK(top(g, 2) & EFLAGS_VM);
    CHECK_EQ(top(g, 3), 0x1000);
    CHECK_EQ(top(g, 4), 0x3000);
    CHECK_EQ(top(g, 5), 0x2000 + SEG_ES);
    CHECK_EQ(top(g, 6), 0x2000 + SEG_DS);
    CHECK_EQ(top(g, 7), 0x2000 + SEG_FS);
    CHECK_EQ(top(g, 8), 0x2000 + SEG_GS);
    CHECK_EQ(c->seg[SEG_DS].ar, 0);
    guest_free(g);

    g = guest_v86(0, false);
    c = g->c;
    set_idt(g, 0x21, CODE0, 0x6000, INT32 | DPL(3), 0);
    set_idt(g, 3, CONF0, 0x6000, INT32 | DPL(3), 0);
    RAISES(c, cpu_software_interrupt(c, 0x21, INT_SOFT), VEC_GP, 0); /* IOPL */
    RAISES(c, cpu_software_interrupt(c, 3, INT_SOFT3), VEC_GP, CONF0);
    set_idt(g, 3, CODE1, 0x6000, INT32 | DPL(3), 0);
    RAISES(c, cpu_software_interrupt(c, 3, INT_SOFT3), VEC_GP, CODE1 & ~3);
    set_idt(g, 3, CODE0, 0x6000, INT32, 0);
    RAISES(c, cpu_software_interrupt(c, 3, INT_SOFT3), VEC_GP, 3 << 3 | 2);
    set_idt(g, 3, CODE0, 0x6000, INT32 | DPL(3), 0);
    RUNS(c, cpu_software_interrupt(c, 3, INT_SOFT3));
    CHECK_EQ(c->rip, 0x6000);
    guest_free(g);
}

static void vme_redirection(void)
{
    struct guest *g = guest_v86(0, true);
    struct vcpu *c = g->c;

    put(g, 0x21 * 4, 0x40001234, 4);
    c->eflags |= EFLAGS_VIF;
    c->eflags &= ~EFLAGS_IF;
    RUNS(c, cpu_software_interrupt(c, 0x21, INT_SOFT));
    CHECK(is_v86(c));
    CHECK_EQ(c->seg[SEG_CS].sel, 0x4000);
    CHECK_EQ(c->rip, 0x1234);
    CHECK_EQ(get(g, 0x30ffe, 2), EFLAGS_IF | EFLAGS_IOPL | EFLAGS_FIXED);
    CHECK(!(c->eflags & EFLAGS_VIF));

    put(g, AT_TSS + 0x100 - 32 + 0x21 / 8, 1 << (0x21 % 8), 1); /* not redirected */
    RAISES(c, cpu_software_interrupt(c, 0x21, INT_SOFT), VEC_GP, 0);
    c->tr.limit = 0x100 - 32 + 0x21 / 8 - 1;
    RAISES(c, cpu_software_interrupt(c, 0x21, INT_SOFT), VEC_GP, 0);
    c->tr.limit = 102;
    RAISES(c, cpu_software_interrupt(c, 0x21, INT_SOFT), VEC_GP, 0);
    guest_free(g);

    g = guest_v86(3, true);
    c = g->c;
    set_idt(g, 0x22, CODE0, 0x6000, INT32 | DPL(3), 0);
    put(g, 0x21 * 4, 0x40001234, 4);
    RUNS(c, cpu_software_interrupt(c, 0x21, INT_SOFT));
    CHECK(is_v86(c));
    CHECK_EQ(get(g, 0x30ffe, 2), EFLAGS_IF | EFLAGS_IOPL | EFLAGS_FIXED);
    CHECK(!(c->eflags & EFLAGS_IF));
    put(g, AT_TSS + 0x100 - 32 + 0x22 / 8, 1 << (0x22 % 8), 1);
    RUNS(c, cpu_software_interrupt(c, 0x22, INT_SOFT));
    CHECK_EQ(c->cpl, 0);
    guest_free(g);
}

int main(void)
{
    TEST_RUN(same_level_32);
    TEST_RUN(same_level_16);
    TEST_RUN(inner_level);
    TEST_RUN(gate_errors);
    TEST_RUN(inner_stack_errors);
    TEST_RUN(long_mode_frames);
    TEST_RUN(long_mode_errors);
    TEST_RUN(real_mode);
    TEST_RUN(from_v86);
    TEST_RUN(vme_redirection);
    return test_result();
}
