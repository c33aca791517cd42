/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cpu/far.c: far JMP, CALL and RET to every kind of descriptor. Task switches are in task.c. */
#include "guest.h"

#define GATE32 (AR_P | SYS_CALL_GATE32)
#define GATE16 (AR_P | SYS_CALL_GATE16)

static void real_mode(void)
{
    struct guest *g = guest_new();
    struct vcpu *c = g->c;

    RUNS(c, cpu_far_jmp(c, 0x1234, 0x15678, 2));
    CHECK_EQ(c->seg[SEG_CS].base, 0x12340);
    CHECK_EQ(c->rip, 0x5678);
    RAISES(c, cpu_far_jmp(c, 0x1234, 0x10000, 4), VEC_GP, 0);
    RAISES(c, cpu_far_call(c, 0x1234, 0x10000, 4), VEC_GP, 0);
    seg_load_real(c, SEG_SS, 0x2000);
    c->gpr[RSP] = 0xab0100;
    RUNS(c, cpu_far_call(c, 0x3000, 0x10, 2));
    CHECK_EQ(c->gpr[RSP], 0xab00fc);
    CHECK_EQ(get(g, 0x200fc, 4), 0x12345678);
    RUNS(c, cpu_far_ret(c, 2, 6));
    CHECK_EQ(c->seg[SEG_CS].sel, 0x1234);
    CHECK_EQ(c->rip, 0x5678);
    CHECK_EQ(c->gpr[RSP], 0xab0106);
    c->gpr[RSP] = 3;
    RAISES(c, cpu_far_call(c, 0, 0, 2), VEC_SS, 0);
    c->gpr[RSP] = 0xfffe;
    RUNS(c, cpu_far_ret(c, 2, 0)); /* SP wraps between the words */
    CHECK_EQ(c->gpr[RSP] & 0xffff, 2);
    put(g, 0x20000, 0x10000, 4);
    c->gpr[RSP] = 0;
    RAISES(c, cpu_far_ret(c, 4, 0), VEC_GP, 0);
    guest_free(g);
}

static void jmp_to_code(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;

    RUNS(c, cpu_far_jmp(c, CODE0_16, 0x1234, 4));
    CHECK_EQ(c->mode, MODE_16);
    CHECK(get(g, AT_GDT + CODE0_16 + 5, 1) & AR_ACCESSED);
    RUNS(c, cpu_far_jmp(c, CODE0, 0x12345678, 4));
    CHECK_EQ(c->mode, MODE_32);
    CHECK_EQ(c->rip, 0x12345678);
    RUNS(c, cpu_far_jmp(c, CONF0 | 3, 0x10, 4));
    CHECK_EQ(c->seg[SEG_CS].sel, CONF0); /* RPL is the CPL */
    RAISES(c, cpu_far_jmp(c, 2, 0, 4), VEC_GP, 0);
    RAISES(c, cpu_far_jmp(c, 0x100, 0, 4), VEC_GP, 0x100);
    RAISES(c, cpu_far_jmp(c, DATA0, 0, 4), VEC_GP, DATA0);
    RAISES(c, cpu_far_jmp(c, CODE0 | 1, 0, 4), VEC_GP, CODE0);
    RAISES(c, cpu_far_jmp(c, CODE1, 0, 4), VEC_GP, CODE1 & ~3);
    RAISES(c, cpu_far_jmp(c, ABSENT_CODE, 0, 4), VEC_NP, ABSENT_CODE);
    RAISES(c, cpu_far_jmp(c, SMALL_CODE, 0x1000, 4), VEC_GP, 0);
    RAISES(c, cpu_far_jmp(c, LDT, 0, 4), VEC_GP, LDT);
    RUNS(c, cpu_far_jmp(c, SMALL_CODE, 0x10fff, 2));
    to_level3(g);
    RUNS(c, cpu_far_jmp(c, CONF0, 0x10, 4));
    CHECK_EQ(c->seg[SEG_CS].sel, CONF0 | 3);
    CHECK_EQ(c->cpl, 3);
    RAISES(c, cpu_far_jmp(c, CODE0, 0, 4), VEC_GP, CODE0);
    set_desc(g, CONF0, 0, 0xfffff, A_CODE | A_32 | AR_CONFORMING | DPL(3));
    to_level0(g);
    RAISES(c, cpu_far_jmp(c, CONF0, 0, 4), VEC_GP, CONF0); /* DPL above CPL */
    guest_free(g);
}

static void jmp_through_gate(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;

    set_gate(g, GATE, CODE0, 0x12345678, GATE32, 0);
    RUNS(c, cpu_far_jmp(c, GATE, 0x999, 4));
    CHECK_EQ(c->rip, 0x12345678);
    set_gate(g, GATE, CODE0, 0x12345678, GATE16, 0);
    RUNS(c, cpu_far_jmp(c, GATE, 0x999, 4));
    CHECK_EQ(c->rip, 0x5678);
    RAISES(c, cpu_far_jmp(c, GATE | 1, 0, 4), VEC_GP, GATE);
    set_gate(g, GATE, CODE0, 0, SYS_CALL_GATE32, 0);
    RAISES(c, cpu_far_jmp(c, GATE, 0, 4), VEC_NP, GATE);
    set_gate(g, GATE, 0, 0, GATE32, 0);
    RAISES(c, cpu_far_jmp(c, GATE, 0, 4), VEC_GP, 0);
    set_gate(g, GATE, 0x100, 0, GATE32, 0);
    RAISES(c, cpu_far_jmp(c, GATE, 0, 4), VEC_GP, 0x100);
    set_gate(g, GATE, DATA0, 0, GATE32, 0);
    RAISES(c, cpu_far_jmp(c, GATE, 0, 4), VEC_GP, DATA0);
    set_gate(g, GATE, ABSENT_CODE, 0, GATE32, 0);
    RAISES(c, cpu_far_jmp(c, GATE, 0, 4), VEC_NP, ABSENT_CODE);
    set_gate(g, GATE, SMALL_CODE, 0x1000, GATE32, 0);
    RAISES(c, cpu_far_jmp(c, GATE, 0, 4), VEC_GP, 0);
    set_gate(g, GATE, CODE0, 0, GATE32 | DPL(3), 0);
    to_level3(g);
    RAISES(c, cpu_far_jmp(c, GATE, 0, 4), VEC_GP, CODE0); /* JMP does not change the level */
    guest_free(g);
}

static void call_at_the_same_level(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;

    RUNS(c, cpu_far_call(c, CONF0, 0x6000, 4));
    CHECK_EQ(c->gpr[RSP], AT_STACK0 - 8);
    CHECK_EQ(get(g, AT_STACK0 - 8, 8), (u64)CODE0 << 32 | 0x5002);
    RUNS(c, cpu_far_ret(c, 4, 4));
    CHECK_EQ(c->rip, 0x5002);
    CHECK_EQ(c->gpr[RSP], AT_STACK0 + 4);

    to_level0(g);
    set_gate(g, GATE, CODE0, 0x6000, GATE16, 5);
    RUNS(c, cpu_far_call(c, GATE, 0, 4));
    CHECK_EQ(c->gpr[RSP], AT_STACK0 - 4); /* the gate's size, no parameters */
    CHECK_EQ(get(g, AT_STACK0 - 4, 4), CODE0 << 16 | 0x5002);
    RUNS(c, cpu_far_ret(c, 2, 0));
    CHECK_EQ(c->rip, 0x5002);

    c->seg[SEG_SS].limit = AT_STACK0 - 5;
    c->gpr[RSP] = AT_STACK0;
    RAISES(c, cpu_far_call(c, CODE0, 0, 4), VEC_SS, 0);
    RAISES(c, cpu_far_call(c, GATE, 0, 4), VEC_SS, 0);
    to_level0(g);
    RAISES(c, cpu_far_call(c, SMALL_CODE, 0x1000, 4), VEC_GP, 0);
    guest_free(g);
}

static void call_to_an_inner_level(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;

    set_gate(g, GATE, CODE0, 0x6000, GATE32 | DPL(3), 2);
    to_level3(g);
    put(g, AT_STACK3, 0x11111111, 4);
    put(g, AT_STACK3 + 4, 0x22222222, 4);
    c->gpr[RSP] = AT_STACK3;
    RUNS(c, cpu_far_call(c, GATE | 3, 0, 4));
    CHECK_EQ(c->cpl, 0);
    CHECK_EQ(c->seg[SEG_CS].sel, CODE0);
    CHECK_EQ(c->seg[SEG_SS].sel, DATA0);
    CHECK_EQ(c->gpr[RSP], AT_STACKI - 24);
    CHECK_EQ(get(g, AT_STACKI - 24, 4), 0x5002);
    CHECK_EQ(get(g, AT_STACKI - 20, 4), CODE3);
    CHECK_EQ(get(g, AT_STACKI - 16, 4), 0x11111111);
    CHECK_EQ(get(g, AT_STACKI - 12, 4), 0x22222222);
    CHECK_EQ(get(g, AT_STACKI - 8, 4), AT_STACK3);
    CHECK_EQ(get(g, AT_STACKI - 4, 4), DATA3);

    c->seg[SEG_FS] = seg_of(g, DATA0);
    c->seg[SEG_GS] = seg_of(g, CONF0);
    RUNS(c, cpu_far_ret(c, 4, 8)); /* and back */
    CHECK_EQ(c->cpl, 3);
    CHECK_EQ(c->rip, 0x5002);
    CHECK_EQ(c->gpr[RSP], AT_STACK3 + 8);
    CHECK_EQ(c->seg[SEG_SS].sel, DATA3);
    CHECK_EQ(c->seg[SEG_DS].sel, DATA3);
    CHECK_EQ(c->seg[SEG_FS].sel, 0);
    CHECK_EQ(c->seg[SEG_FS].ar, 0);
    CHECK_EQ(c->seg[SEG_GS].sel, CONF0);

    set_gate(g, GATE, CODE0, 0x6000, GATE32 | DPL(3), 31);
    c->seg[SEG_SS].limit = AT_STACK3 + 30 * 4 + 2;
    c->gpr[RSP] = AT_STACK3;
    RAISES(c, cpu_far_call(c, GATE, 0, 4), VEC_SS, 0); /* parameters past the old stack */
    put(g, AT_TSS + 4, 0x1000, 4);
    put(g, AT_TSS + 8, SMALL_DATA, 4);
    c->seg[SEG_SS].limit = 0xffffffff;
    RUNS(c, cpu_far_call(c, GATE, 0, 4));
    to_level3(g);
    put(g, AT_TSS + 4, 35 * 4 - 1, 4); /* its first bytes would wrap below the segment */
    RAISES(c, cpu_far_call(c, GATE, 0, 4), VEC_SS, SMALL_DATA);
    put(g, AT_TSS + 8, DATA1, 4);
    RAISES(c, cpu_far_call(c, GATE, 0, 4), VEC_TS, DATA1 & ~3);
    put(g, AT_TSS + 8, ABSENT_DATA, 4);
    RAISES(c, cpu_far_call(c, GATE, 0, 4), VEC_SS, ABSENT_DATA);
    set_gate(g, GATE, CODE0, 0x6000, GATE32 | DPL(2), 0);
    RAISES(c, cpu_far_call(c, GATE, 0, 4), VEC_GP, GATE);
    guest_free(g);
}

static void ret_errors(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;
    const struct {
        u16 cs, ss;
        u32 eip;
        u8 vector;
        u16 error;
    } bad[] = {
        {0, 0, 0, VEC_GP, 0},
        {3, 0, 0, VEC_GP, 0},
        {0x100, 0, 0, VEC_GP, 0x100},
        {DATA0, 0, 0, VEC_GP, DATA0},
        {CODE0 | 1, 0, 0, VEC_GP, CODE0},
        {CODE3 & ~3, 0, 0, VEC_GP, CODE3 & ~3},
        {ABSENT_CODE, 0, 0, VEC_NP, ABSENT_CODE},
        {SMALL_CODE, 0, 0x1000, VEC_GP, 0},
        {CODE3, 0, 0, VEC_GP, 0},
        {CODE3, 0x103, 0, VEC_GP, 0x100},
        {CODE3, DATA0 | 3, 0, VEC_GP, DATA0},
        {CODE3, DATA3 & ~3, 0, VEC_GP, DATA3 & ~3},
        {CODE3, CODE3, 0, VEC_GP, CODE3 & ~3},
        {CODE3, ABSENT_DATA3, 0, VEC_SS, ABSENT_DATA3 & ~3},
    };

    for (size_t n = 0; n < ARRAY_SIZE(bad); n++) {
        put(g, AT_STACK0, bad[n].eip, 4);
        put(g, AT_STACK0 + 4, bad[n].cs, 4);
        put(g, AT_STACK0 + 8, AT_STACK3, 4);
        put(g, AT_STACK0 + 12, bad[n].ss, 4);
        to_level0(g);
        RAISES(c, cpu_far_ret(c, 4, 0), bad[n].vector, bad[n].error);
        put(g, AT_STACK0 + 8, EFLAGS_FIXED, 4);
        put(g, AT_STACK0 + 12, AT_STACK3, 4);
        put(g, AT_STACK0 + 16, bad[n].ss, 4);
        RAISES(c, cpu_iret(c, 4), bad[n].vector, bad[n].error);
    }
    put(g, AT_STACK3, 0, 4);
    put(g, AT_STACK3 + 4, CODE0, 4);
    to_level3(g);
    RAISES(c, cpu_far_ret(c, 4, 0), VEC_GP, CODE0); /* inward */
    c->seg[SEG_SS].limit = AT_STACK3 + 6;
    RAISES(c, cpu_far_ret(c, 4, 0), VEC_SS, 0);
    guest_free(g);
}

static void long_mode_jmp_and_call(void)
{
    struct guest *g = guest_long();
    struct vcpu *c = g->c;

    RAISES(c, cpu_far_jmp(c, CODE_LD, 0, 4), VEC_GP, CODE_LD);
    RAISES(c, cpu_far_jmp(c, CODE0_L, 0x800000000000, 8), VEC_GP, 0);
    RAISES(c, cpu_far_jmp(c, CODE0, 0x100000000, 8), VEC_GP, 0);
    RUNS(c, cpu_far_call(c, CODE0, 0x6000, 8));
    CHECK_EQ(c->mode, MODE_32);
    CHECK_EQ(c->gpr[RSP], AT_STACK0 - 16);
    CHECK_EQ(get(g, AT_STACK0 - 16, 8), 0x5002);
    CHECK_EQ(get(g, AT_STACK0 - 8, 8), CODE0_L);
    RUNS(c, cpu_far_jmp(c, CODE0_L, 0x7000, 4));
    CHECK_EQ(c->mode, MODE_64);
    RUNS(c, cpu_far_ret(c, 8, 0));
    CHECK_EQ(c->rip, 0x5002);

    set_desc(g, TSS2, AT_TSS2, 0x67, AR_P | SYS_TSS32_AVAIL);
    RAISES(c, cpu_far_jmp(c, TSS2, 0, 4), VEC_GP, TSS2);
    set_gate(g, GATE, CODE0_L, 0, AR_P | SYS_TASK_GATE, 0);
    RAISES(c, cpu_far_jmp(c, GATE, 0, 4), VEC_GP, GATE);
    set_gate(g, GATE, CODE0_L, 0, GATE16, 0);
    RAISES(c, cpu_far_call(c, GATE, 0, 4), VEC_GP, GATE);
    set_gate(g, GATE, CODE0, 0, GATE32, 0);
    RAISES(c, cpu_far_call(c, GATE, 0, 4), VEC_GP, CODE0);
    set_gate(g, GATE, CODE0_L, 0x800000000000, GATE32, 0);
    RAISES(c, cpu_far_call(c, GATE, 0, 4), VEC_GP, 0);
    set_gate(g, GATE, CODE0_L, 0xffff800000001000, GATE32, 0);
    put(g, AT_GDT + GATE + 13, 1, 1); /* a type in the upper half */
    RAISES(c, cpu_far_call(c, GATE, 0, 4), VEC_GP, GATE);
    put(g, AT_GDT + GATE + 13, 0, 1);
    RUNS(c, cpu_far_call(c, GATE, 0, 4));
    CHECK_EQ(c->rip, 0xffff800000001000);
    CHECK_EQ(c->gpr[RSP], AT_STACK0 - 16);
    guest_free(g);
}

static void long_mode_call_gate_to_level_0(void)
{
    struct guest *g = guest_long();
    struct vcpu *c = g->c;

    set_gate(g, GATE, CODE0_L, 0x6000, GATE32 | DPL(3), 0);
    at_level(g, CODE3, DATA3, AT_STACK3); /* from compatibility mode */
    RUNS(c, cpu_far_call(c, GATE, 0, 4));
    CHECK_EQ(c->mode, MODE_64);
    CHECK_EQ(c->cpl, 0);
    CHECK_EQ(c->seg[SEG_SS].sel, 0);
    CHECK_EQ(c->gpr[RSP], AT_STACKI - 32);
    CHECK_EQ(get(g, AT_STACKI - 32, 8), 0x5002);
    CHECK_EQ(get(g, AT_STACKI - 24, 8), CODE3);
    CHECK_EQ(get(g, AT_STACKI - 16, 8), AT_STACK3);
    CHECK_EQ(get(g, AT_STACKI - 8, 8), DATA3);
    RUNS(c, cpu_far_ret(c, 8, 0));
    CHECK_EQ(c->mode, MODE_32);
    CHECK_EQ(c->cpl, 3);
    CHECK_EQ(c->gpr[RSP], AT_STACK3);

    c->tr.limit = 10;
    RAISES(c, cpu_far_call(c, GATE, 0, 4), VEC_TS, TSS);
    c->tr.limit = 0x67;
    put(g, AT_TSS + 4, 0x800000001000, 8);
    RAISES(c, cpu_far_call(c, GATE, 0, 4), VEC_SS, 0);
    guest_free(g);
}

int main(void)
{
    TEST_RUN(real_mode);
    TEST_RUN(jmp_to_code);
    TEST_RUN(jmp_through_gate);
    TEST_RUN(call_at_the_same_level);
    TEST_RUN(call_to_an_inner_level);
    TEST_RUN(ret_errors);
    TEST_RUN(long_mode_jmp_and_call);
    TEST_RUN(long_mode_call_gate_to_level_0);
    return test_result();
}
