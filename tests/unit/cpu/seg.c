/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cpu/seg.c, cpu/descop.c, cpu/stack.c: limits and rights, segment loads, descriptor instructions,
   pushes and pops. */
#include "guest.h"

static void linear_checks_limit_and_rights(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;

    c->seg[SEG_DS] = seg_of(g, SMALL_DATA);
    c->seg[SEG_ES] = seg_of(g, EXPAND_DOWN);
    c->seg[SEG_FS] = seg_of(g, READ_ONLY);
    c->seg[SEG_GS] = (struct seg){.sel = 0};
    c->seg[SEG_DS].base = 0xfffffff0;
    RUNS(c, CHECK_EQ(seg_linear(c, SEG_DS, 0x20, 4, true), 0x10));
    RUNS(c, CHECK_EQ(seg_linear(c, SEG_DS, 0xffc, 4, true), 0xfec));
    RAISES(c, seg_linear(c, SEG_DS, 0xffd, 4, false), VEC_GP, 0);
    RAISES(c, seg_linear(c, SEG_DS, 0xffffffff, 2, false), VEC_GP, 0);
    RUNS(c, CHECK_EQ(seg_linear(c, SEG_ES, 0x10000, 4, true), 0x10000));
    RUNS(c, CHECK_EQ(seg_linear(c, SEG_ES, 0xfffffffc, 4, true), 0xfffffffc));
    RAISES(c, seg_linear(c, SEG_ES, 0xffff, 1, false), VEC_GP, 0);
    RAISES(c, seg_linear(c, SEG_ES, 0xfffffffd, 4, false), VEC_GP, 0);
    c->seg[SEG_ES].ar &= (u16)~AR_DB;
    c->seg[SEG_ES].limit = 0xfff;
    RUNS(c, CHECK_EQ(seg_linear(c, SEG_ES, 0xfffe, 2, true), 0xfffe));
    RAISES(c, seg_linear(c, SEG_ES, 0xffff, 2, false), VEC_GP, 0);
    RUNS(c, CHECK_EQ(seg_linear(c, SEG_FS, 5, 1, false), 5));
    RAISES(c, seg_linear(c, SEG_FS, 5, 1, true), VEC_GP, 0);
    RAISES(c, seg_linear(c, SEG_GS, 0, 1, false), VEC_GP, 0);
    RAISES(c, seg_linear(c, SEG_CS, 0, 1, true), VEC_GP, 0);
    RUNS(c, CHECK_EQ(seg_linear(c, SEG_CS, 0, 1, false), 0));
    c->seg[SEG_CS] = seg_of(g, EXEC_ONLY);
    RAISES(c, seg_linear(c, SEG_CS, 0, 1, false), VEC_GP, 0);
    c->seg[SEG_SS] = seg_of(g, SMALL_DATA);
    RAISES(c, seg_linear(c, SEG_SS, 0x1000, 1, false), VEC_SS, 0);
    guest_free(g);
}

static void linear_in_64_bit_mode_has_fs_and_gs_only(void)
{
    struct guest *g = guest_long();
    struct vcpu *c = g->c;

    c->seg[SEG_DS].base = 0x1000;
    c->seg[SEG_GS].base = 0xffff800000000000;
    RUNS(c, CHECK_EQ(seg_linear(c, SEG_DS, 0x123456789abc, 8, true), 0x123456789abc));
    RUNS(c, CHECK_EQ(seg_linear(c, SEG_GS, 0x10, 8, true), 0xffff800000000010));
    guest_free(g);
}

static void load_data_segment(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;

    RUNS(c, seg_load(c, SEG_FS, SMALL_DATA));
    CHECK_EQ(c->seg[SEG_FS].sel, SMALL_DATA);
    CHECK_EQ(c->seg[SEG_FS].limit, 0xfff);
    CHECK(get(g, AT_GDT + SMALL_DATA + 5, 1) & AR_ACCESSED);
    RUNS(c, seg_load(c, SEG_FS, 3));
    CHECK_EQ(c->seg[SEG_FS].sel, 3);
    CHECK_EQ(c->seg[SEG_FS].ar, 0);
    RUNS(c, seg_load(c, SEG_FS, CONF0 | 3)); /* conforming: no privilege check */
    RAISES(c, seg_load(c, SEG_FS, 0x100), VEC_GP, 0x100);
    RAISES(c, seg_load(c, SEG_FS, EXEC_ONLY | 1), VEC_GP, EXEC_ONLY);
    RAISES(c, seg_load(c, SEG_FS, TSS), VEC_GP, TSS);
    RAISES(c, seg_load(c, SEG_FS, DATA0 | 1), VEC_GP, DATA0);
    RAISES(c, seg_load(c, SEG_DS, ABSENT_DATA), VEC_NP, ABSENT_DATA);
    RAISES(c, seg_load(c, SEG_DS, 4), VEC_GP, 4); /* LDT entry 0: not null, empty */
    set_desc(g, 4, 0x1234, 0xffff, A_DATA);
    RUNS(c, seg_load(c, SEG_DS, 4));
    CHECK_EQ(c->seg[SEG_DS].base, 0x1234);
    RUNS(c, cpu_lldt(c, 0));
    RAISES(c, seg_load(c, SEG_ES, 4), VEC_GP, 4);
    to_level3(g);
    RAISES(c, seg_load(c, SEG_ES, DATA0), VEC_GP, DATA0);
    RUNS(c, seg_load(c, SEG_ES, DATA3 & ~3));
    guest_free(g);
}

static void load_stack_segment(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;

    CHECK_EQ(c->ss_size, 4);
    RUNS(c, seg_load(c, SEG_SS, DATA0_16));
    CHECK_EQ(c->ss_size, 2);
    RAISES(c, seg_load(c, SEG_SS, 0), VEC_GP, 0);
    RAISES(c, seg_load(c, SEG_SS, DATA0 | 3), VEC_GP, DATA0);
    RAISES(c, seg_load(c, SEG_SS, DATA3), VEC_GP, DATA3 & ~3);
    RAISES(c, seg_load(c, SEG_SS, READ_ONLY), VEC_GP, READ_ONLY);
    RAISES(c, seg_load(c, SEG_SS, CODE0), VEC_GP, CODE0);
    RAISES(c, seg_load(c, SEG_SS, ABSENT_DATA), VEC_SS, ABSENT_DATA);
    guest_free(g);

    g = guest_long();
    c = g->c;
    RUNS(c, seg_load(c, SEG_SS, 0));
    CHECK_EQ(c->seg[SEG_SS].ar, 0);
    RAISES(c, seg_load(c, SEG_SS, 3), VEC_GP, 0);
    to_level3(g);
    RAISES(c, seg_load(c, SEG_SS, 3), VEC_GP, 0);
    guest_free(g);
}

static void load_in_real_and_v86_mode(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;

    c->cr0 &= ~CR0_PE; /* "unreal": limit and size stay */
    RUNS(c, seg_load(c, SEG_DS, 0x1234));
    CHECK_EQ(c->seg[SEG_DS].base, 0x12340);
    CHECK_EQ(c->seg[SEG_DS].limit, 0xffffffff);
    RUNS(c, CHECK_EQ(seg_linear(c, SEG_DS, 0x100000, 4, true), 0x112340));
    RUNS(c, seg_load(c, SEG_FS, 0x10)); /* was null */
    CHECK_EQ(c->seg[SEG_FS].limit, 0xffff);
    RAISES(c, seg_linear(c, SEG_FS, 0xffff, 2, false), VEC_GP, 0);
    guest_free(g);

    g = guest_v86(0, false);
    c = g->c;
    RUNS(c, seg_load(c, SEG_DS, 0xffff));
    CHECK_EQ(c->seg[SEG_DS].base, 0xffff0);
    CHECK_EQ(c->seg[SEG_DS].limit, 0xffff);
    CHECK_EQ(AR_DPL(c->seg[SEG_DS].ar), 3);
    guest_free(g);
}

static void lldt_and_ltr(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;

    CHECK_EQ(get(g, AT_GDT + TSS + 5, 1) & 0xf, SYS_TSS32_BUSY);
    CHECK_EQ(c->tr.ar & 0xf, SYS_TSS32_BUSY);
    RAISES(c, cpu_ltr(c, TSS), VEC_GP, TSS); /* busy */
    RAISES(c, cpu_ltr(c, 0), VEC_GP, 0);
    RAISES(c, cpu_ltr(c, TSS | 4), VEC_GP, TSS | 4);
    RAISES(c, cpu_lldt(c, LDT | 4), VEC_GP, LDT | 4);
    RAISES(c, cpu_lldt(c, TSS), VEC_GP, TSS);
    set_desc(g, GATE, 0, 0xff, SYS_LDT);
    RAISES(c, cpu_lldt(c, GATE), VEC_NP, GATE);
    set_desc(g, GATE, 0, 0xff, AR_P | SYS_TSS16_AVAIL);
    RUNS(c, cpu_ltr(c, GATE));
    CHECK_EQ(c->tr.ar & 0xf, SYS_TSS16_BUSY);
    to_level3(g);
    RAISES(c, cpu_lldt(c, 0), VEC_GP, 0);
    RAISES(c, cpu_ltr(c, GATE), VEC_GP, 0);
    guest_free(g);

    g = guest_v86(3, false);
    RAISES(g->c, cpu_lldt(g->c, 0), VEC_UD, 0);
    guest_free(g);
}

static void lldt_and_ltr_in_long_mode(void)
{
    struct guest *g = guest_long();
    struct vcpu *c = g->c;

    set_desc(g, GATE, 0x1000, 0xff, AR_P | SYS_LDT);
    put(g, AT_GDT + GATE + 8, 0xffff8000, 8);
    RUNS(c, cpu_lldt(c, GATE));
    CHECK_EQ(c->ldtr.base, 0xffff800000001000);
    put(g, AT_GDT + GATE + 8, 0x00008000, 8);
    RAISES(c, cpu_lldt(c, GATE), VEC_GP, GATE);
    put(g, AT_GDT + GATE + 8, 1ull << 40, 8);
    RAISES(c, cpu_lldt(c, GATE), VEC_GP, GATE);
    set_desc(g, GATE, 0, 0xff, AR_P | SYS_TSS16_AVAIL);
    put(g, AT_GDT + GATE + 8, 0, 8);
    RAISES(c, cpu_ltr(c, GATE), VEC_GP, GATE);
    set_desc(g, 0xf8, 0, 0xff, AR_P | SYS_LDT);
    RAISES(c, cpu_lldt(c, 0xf8), VEC_GP, 0xf8); /* cut off by the limit */
    guest_free(g);
}

static void lar_lsl_verify(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;
    u32 v = 0;

    RUNS(c, CHECK(cpu_lar(c, DATA3, &v)));
    CHECK_EQ(v, 0x00cff200);
    RUNS(c, CHECK(cpu_lar(c, TSS, &v)));
    CHECK_EQ(v, 0x00008b00);
    RUNS(c, CHECK(cpu_lsl(c, DATA0, &v)));
    CHECK_EQ(v, 0xffffffff);
    RUNS(c, CHECK(cpu_lsl(c, LDT, &v)));
    CHECK_EQ(v, 0xff);
    set_gate(g, GATE, CODE0, 0, AR_P | SYS_CALL_GATE16, 0);
    RUNS(c, CHECK(cpu_lar(c, GATE, &v)));
    RUNS(c, CHECK(!cpu_lsl(c, GATE, &v)));
    set_gate(g, GATE, CODE0, 0, AR_P | SYS_INT_GATE32, 0);
    RUNS(c, CHECK(!cpu_lar(c, GATE, &v)));
    RUNS(c, CHECK(!cpu_lar(c, 0, &v)));
    RUNS(c, CHECK(!cpu_lar(c, 0x100, &v)));
    RUNS(c, CHECK(!cpu_lar(c, DATA0 | 3, &v)));
    RUNS(c, CHECK(cpu_lar(c, CONF0 | 3, &v)));
    RUNS(c, CHECK(cpu_verify(c, DATA0, true)));
    RUNS(c, CHECK(!cpu_verify(c, READ_ONLY, true)));
    RUNS(c, CHECK(cpu_verify(c, READ_ONLY, false)));
    RUNS(c, CHECK(!cpu_verify(c, EXEC_ONLY, false)));
    RUNS(c, CHECK(cpu_verify(c, ABSENT_DATA, true))); /* P is not looked at */
    RUNS(c, CHECK(!cpu_verify(c, TSS, false)));
    to_level3(g);
    RUNS(c, CHECK(!cpu_verify(c, DATA0, false)));
    guest_free(g);

    g = guest_long();
    c = g->c;
    set_gate(g, GATE, CODE0, 0, AR_P | SYS_TASK_GATE, 0);
    RUNS(c, CHECK(!cpu_lar(c, GATE, &v)));
    set_gate(g, GATE, CODE0, 0, AR_P | SYS_CALL_GATE32, 0);
    RUNS(c, CHECK(cpu_lar(c, GATE, &v)));
    guest_free(g);

    g = guest_v86(3, false);
    RAISES(g->c, CHECK(cpu_lar(g->c, DATA0, &v)), VEC_UD, 0);
    guest_free(g);
}

static void push_and_peek_at_each_stack_width(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;

    RUNS(c, cpu_push(c, 0x12345678, 4));
    CHECK_EQ(c->gpr[RSP], AT_STACK0 - 4);
    RUNS(c, CHECK_EQ(cpu_peek(c, 2, 2), 0x1234));
    cpu_stack_add(c, 4);
    CHECK_EQ(c->gpr[RSP], AT_STACK0);

    RUNS(c, seg_load(c, SEG_SS, DATA0_16));
    c->gpr[RSP] = 0xabcd0002;
    RUNS(c, cpu_push(c, 0x1111, 2));
    RUNS(c, cpu_push(c, 0x2222, 2));
    CHECK_EQ(c->gpr[RSP], 0xabcdfffe);
    CHECK_EQ(get(g, 0xfffe, 2), 0x2222);
    RUNS(c, CHECK_EQ(cpu_peek(c, 2, 2), 0x1111));
    c->gpr[RSP] = 1;
    RAISES(c, cpu_push(c, 0, 2), VEC_SS, 0);

    RUNS(c, seg_load(c, SEG_SS, EXPAND_DOWN));
    c->gpr[RSP] = 0x10004;
    RUNS(c, cpu_push(c, 1, 4));
    RAISES(c, cpu_push(c, 1, 4), VEC_SS, 0);
    guest_free(g);

    g = guest_long();
    c = g->c;
    RUNS(c, cpu_push(c, 0x1122334455667788, 8));
    RUNS(c, CHECK_EQ(cpu_peek(c, 0, 8), 0x1122334455667788));
    c->gpr[RSP] = 0x0000800000000010;
    RAISES(c, cpu_push(c, 1, 8), VEC_SS, 0);
    guest_free(g);
}

static void near_branch_checks_its_target(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;

    at_level(g, SMALL_CODE, DATA0, AT_STACK0);
    RUNS(c, cpu_near_branch(c, 0x10fff, 2));
    CHECK_EQ(c->rip, 0xfff);
    RAISES(c, cpu_near_branch(c, 0x1000, 2), VEC_GP, 0);
    RAISES(c, cpu_near_branch(c, 0x10fff, 4), VEC_GP, 0);
    guest_free(g);

    g = guest_long();
    c = g->c;
    RUNS(c, cpu_near_branch(c, 0xffff800000000000, 8));
    CHECK_EQ(c->rip, 0xffff800000000000);
    RAISES(c, cpu_near_branch(c, 0x0000800000000000, 8), VEC_GP, 0);
    c->cr4 |= CR4_LA57;
    RUNS(c, cpu_near_branch(c, 0x0000800000000000, 8));
    guest_free(g);
}

int main(void)
{
    TEST_RUN(linear_checks_limit_and_rights);
    TEST_RUN(linear_in_64_bit_mode_has_fs_and_gs_only);
    TEST_RUN(load_data_segment);
    TEST_RUN(load_stack_segment);
    TEST_RUN(load_in_real_and_v86_mode);
    TEST_RUN(lldt_and_ltr);
    TEST_RUN(lldt_and_ltr_in_long_mode);
    TEST_RUN(lar_lsl_verify);
    TEST_RUN(push_and_peek_at_each_stack_width);
    TEST_RUN(near_branch_checks_its_target);
    return test_result();
}
