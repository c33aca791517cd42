/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cpu/iret.c and cpu/flagsop.c: IRET in every mode, PUSHF, POPF, CLI, STI with IOPL, VME, PVI.
   The faults that IRET shares with far RET are in far.c; nested tasks in task.c. */
#include "guest.h"

#define ALL_FLAGS 0x3f7fd7u

static void frame32(struct guest *g, u32 at, u32 eip, u16 cs, u32 eflags)
{
    put(g, at, eip, 4);
    put(g, at + 4, cs, 4);
    put(g, at + 8, eflags, 4);
}

static void real_mode(void)
{
    struct guest *g = guest_new();
    struct vcpu *c = g->c;
    const u32 kept = EFLAGS_VIF | EFLAGS_VIP;

    seg_load_real(c, SEG_SS, 0x2000);
    frame32(g, 0x20000, 0x1234, 0x3000, ALL_FLAGS & ~kept);
    c->eflags |= kept;
    RUNS(c, cpu_iret(c, 4));
    CHECK_EQ(c->rip, 0x1234);
    CHECK_EQ(c->seg[SEG_CS].base, 0x30000);
    CHECK_EQ(vcpu_eflags(c), ALL_FLAGS & ~EFLAGS_VM);
    CHECK_EQ(c->gpr[RSP], 12);
    put(g, 0x20000, 0x30001234, 4);
    put(g, 0x20004, 0, 2);
    c->gpr[RSP] = 0;
    RUNS(c, cpu_iret(c, 2));
    CHECK_EQ(vcpu_eflags(c), kept | EFLAGS_AC | EFLAGS_ID | EFLAGS_FIXED);
    CHECK_EQ(c->gpr[RSP], 6);
    c->gpr[RSP] = 0;
    frame32(g, 0x20000, 0x10000, 0x3000, 0);
    RAISES(c, cpu_iret(c, 4), VEC_GP, 0);
    c->gpr[RSP] = 0xfff7;
    RAISES(c, cpu_iret(c, 4), VEC_SS, 0);
    guest_free(g);
}

static void same_level(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;

    frame32(g, AT_STACK0, 0x6000, CODE0, ALL_FLAGS & ~(EFLAGS_VM | EFLAGS_NT));
    RUNS(c, cpu_iret(c, 4));
    CHECK_EQ(vcpu_eflags(c), ALL_FLAGS & ~(EFLAGS_VM | EFLAGS_NT));
    CHECK_EQ(c->gpr[RSP], AT_STACK0 + 12);
    CHECK_EQ(c->rip, 0x6000);

    to_level3(g); /* IOPL 0: neither IF nor IOPL, nor VIF and VIP */
    vcpu_set_eflags(c, EFLAGS_IF);
    frame32(g, AT_STACK3, 0x6000, CODE3, ALL_FLAGS & ~(EFLAGS_IF | EFLAGS_VM));
    RUNS(c, cpu_iret(c, 4));
    CHECK_EQ(vcpu_eflags(c), ALL_FLAGS & ~(EFLAGS_IOPL | EFLAGS_VM | EFLAGS_VIF | EFLAGS_VIP));

    to_level3(g);
    vcpu_set_eflags(c, EFLAGS_IF | EFLAGS_IOPL);
    frame32(g, AT_STACK3, 0x6000, CODE3, EFLAGS_FIXED);
    RUNS(c, cpu_iret(c, 4));
    CHECK_EQ(vcpu_eflags(c), EFLAGS_IOPL | EFLAGS_FIXED);
    guest_free(g);
}

static void outer_level(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;

    frame32(g, AT_STACK0, 0x6000, CODE3, EFLAGS_IF | EFLAGS_IOPL);
    put(g, AT_STACK0 + 12, AT_STACK3, 4);
    put(g, AT_STACK0 + 16, DATA3, 4);
    c->seg[SEG_DS] = seg_of(g, DATA3);
    RUNS(c, cpu_iret(c, 4));
    CHECK_EQ(c->cpl, 3);
    CHECK_EQ(vcpu_eflags(c), EFLAGS_IF | EFLAGS_IOPL | EFLAGS_FIXED);
    CHECK_EQ(c->gpr[RSP], AT_STACK3);
    CHECK_EQ(c->seg[SEG_ES].ar, 0);
    CHECK_EQ(c->seg[SEG_DS].sel, DATA3);

    /* a 16-bit stack keeps the upper half of ESP */
    set_desc(g, DATA1, 0, 0xffff, A_DATA | DPL(3));
    to_level0(g);
    c->gpr[RSP] = AT_STACK0;
    put(g, AT_STACK0 + 12, 0x77771234, 4);
    put(g, AT_STACK0 + 16, DATA1 | 3, 4);
    RUNS(c, cpu_iret(c, 4));
    CHECK_EQ(c->gpr[RSP], (AT_STACK0 & 0xffff0000) | 0x1234);
    guest_free(g);
}

static void to_v86(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;
    static const u16 segs[] = {0x3000, 0x2000, 0x2003, 0x2004, 0x2005};

    frame32(g, AT_STACK0, 0x123, 0x1000, EFLAGS_VM | EFLAGS_IF | EFLAGS_IOPL | EFLAGS_VIF);
    put(g, AT_STACK0 + 12, 0x9000, 4);
    for (unsigned n = 0; n < ARRAY_SIZE(segs); n++)
        put(g, AT_STACK0 + 16 + 4 * n, segs[n], 4);
    RUNS(c, cpu_iret(c, 4));
    CHECK(is_v86(c));
    CHECK_EQ(c->cpl, 3);
    CHECK_EQ(c->mode, MODE_16);
    CHECK_EQ(c->ss_size, 2);
    CHECK_EQ(c->rip, 0x123);
    CHECK_EQ(c->gpr[RSP], 0x9000);
    CHECK_EQ(c->seg[SEG_SS].base, 0x30000);
    CHECK_EQ(c->seg[SEG_ES].sel, 0x2000);
    CHECK_EQ(c->seg[SEG_DS].sel, 0x2003);
    CHECK_EQ(c->seg[SEG_FS].sel, 0x2004);
    CHECK_EQ(c->seg[SEG_GS].sel, 0x2005);
    CHECK_EQ(vcpu_eflags(c), EFLAGS_VM | EFLAGS_IF | EFLAGS_IOPL | EFLAGS_VIF | EFLAGS_FIXED);
    guest_free(g);

    g = guest_protected();
    c = g->c;
    frame32(g, AT_STACK0, 0x10000, 0x1000, EFLAGS_VM);
    RAISES(c, cpu_iret(c, 4), VEC_GP, 0);
    to_level3(g); /* VM in the image counts at level 0 only */
    frame32(g, AT_STACK3, 0x6000, CODE3, EFLAGS_VM);
    RUNS(c, cpu_iret(c, 4));
    CHECK(!is_v86(c));
    guest_free(g);
}

static void in_v86(void)
{
    struct guest *g = guest_v86(3, false);
    struct vcpu *c = g->c;
    const u32 fixed = EFLAGS_VM | EFLAGS_FIXED;

    frame32(g, 0x31000, 0x99, 0x4000, ALL_FLAGS & ~(EFLAGS_VM | EFLAGS_IOPL));
    RUNS(c, cpu_iret(c, 4));
    CHECK_EQ(c->seg[SEG_CS].base, 0x40000);
    CHECK_EQ(vcpu_eflags(c), ALL_FLAGS & ~(EFLAGS_VIF | EFLAGS_VIP));
    guest_free(g);

    g = guest_v86(0, false);
    RAISES(g->c, cpu_iret(g->c, 2), VEC_GP, 0);
    guest_free(g);

    g = guest_v86(0, true);
    c = g->c;
    RAISES(c, cpu_iret(c, 4), VEC_GP, 0);
    put(g, 0x31000, 0x40000099, 4);
    put(g, 0x31004, EFLAGS_IF | EFLAGS_IOPL | EFLAGS_DF, 2);
    c->eflags |= EFLAGS_VIP;
    RAISES(c, cpu_iret(c, 2), VEC_GP, 0);
    c->eflags &= ~EFLAGS_VIP;
    c->eflags &= ~EFLAGS_IF;
    RUNS(c, cpu_iret(c, 2));
    CHECK_EQ(vcpu_eflags(c), fixed | EFLAGS_VIF | EFLAGS_DF);
    put(g, 0x31004, EFLAGS_TF, 2);
    c->gpr[RSP] = 0x1000;
    RAISES(c, cpu_iret(c, 2), VEC_GP, 0);
    guest_free(g);
}

static void frame64(struct guest *g, u64 rip, u16 cs, u64 flags, u64 rsp, u16 ss)
{
    const u64 v[] = {rip, cs, flags, rsp, ss};

    for (unsigned n = 0; n < ARRAY_SIZE(v); n++)
        put(g, AT_STACK0 + 8 * n, v[n], 8);
    to_level0(g);
}

static void long_mode(void)
{
    struct guest *g = guest_long();
    struct vcpu *c = g->c;

    frame64(g, 0xffff800000000000, CODE0_L, EFLAGS_IF, 0xffff900000000000, 0);
    RUNS(c, cpu_iret(c, 8)); /* the same level pops the stack too */
    CHECK_EQ(c->rip, 0xffff800000000000);
    CHECK_EQ(c->gpr[RSP], 0xffff900000000000);
    CHECK_EQ(c->seg[SEG_SS].sel, 0);

    frame64(g, 0x7fff12345678, CODE3_L, EFLAGS_IF, 0x7fff00000000, DATA3);
    c->seg[SEG_FS].base = 0x7f0000001000; /* null, with a base of its own */
    RUNS(c, cpu_iret(c, 8));
    CHECK_EQ(c->cpl, 3);
    CHECK_EQ(c->mode, MODE_64);
    CHECK_EQ(c->seg[SEG_FS].base, 0x7f0000001000);
    CHECK_EQ(c->seg[SEG_DS].ar, 0);

    frame64(g, 0x6000, CODE3, EFLAGS_IF, 0x1122334455667788, DATA3);
    RUNS(c, cpu_iret(c, 8)); /* to compatibility mode */
    CHECK_EQ(c->mode, MODE_32);
    CHECK_EQ(c->ss_size, 4);
    CHECK_EQ(c->gpr[RSP], 0x55667788);

    frame64(g, 0x800000000000, CODE0_L, 0, 0, 0);
    RAISES(c, cpu_iret(c, 8), VEC_GP, 0);
    frame64(g, 0x100000000, CODE3, 0, 0, DATA3);
    RAISES(c, cpu_iret(c, 8), VEC_GP, 0);
    frame64(g, 0, CODE3_L, 0, 0, 3);
    RAISES(c, cpu_iret(c, 8), VEC_GP, 0); /* null SS at level 3 */
    frame64(g, 0, CODE0, 0, 0, 0);
    RAISES(c, cpu_iret(c, 8), VEC_GP, 0); /* null SS in compatibility mode */
    frame64(g, 0, CODE0_L, 0, 0, 3);
    RAISES(c, cpu_iret(c, 8), VEC_GP, 0); /* its RPL is not the level */
    frame64(g, 0, CODE_LD, 0, 0, 0);
    RAISES(c, cpu_iret(c, 8), VEC_GP, CODE_LD);
    frame64(g, 0, CODE0_L, 0, 0, 0);
    c->eflags |= EFLAGS_NT;
    RAISES(c, cpu_iret(c, 8), VEC_GP, 0);
    guest_free(g);
}

static void popf_by_level(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;
    const u32 virt = EFLAGS_VM | EFLAGS_VIF | EFLAGS_VIP | EFLAGS_RF;

    vcpu_set_eflags(c, EFLAGS_RF);
    RUNS(c, cpu_popf(c, ~0u, 4));
    CHECK_EQ(vcpu_eflags(c), ALL_FLAGS & ~virt);
    RUNS(c, cpu_popf(c, 0, 2));
    CHECK_EQ(vcpu_eflags(c), EFLAGS_FIXED | EFLAGS_AC | EFLAGS_ID);
    to_level3(g);
    RUNS(c, cpu_popf(c, ~0u, 4));
    CHECK_EQ(vcpu_eflags(c), ALL_FLAGS & ~(virt | EFLAGS_IF | EFLAGS_IOPL));
    vcpu_set_eflags(c, EFLAGS_IOPL | EFLAGS_IF);
    RUNS(c, cpu_popf(c, 0, 4));
    CHECK_EQ(vcpu_eflags(c), EFLAGS_IOPL | EFLAGS_FIXED);
    vcpu_set_eflags(c, EFLAGS_RF | EFLAGS_IF);
    RUNS(c, CHECK_EQ(cpu_pushf_image(c, 4), EFLAGS_IF | EFLAGS_FIXED));
    guest_free(g);
}

static void popf_in_v86(void)
{
    struct guest *g = guest_v86(0, false);
    struct vcpu *c = g->c;

    RAISES(c, cpu_popf(c, 0, 2), VEC_GP, 0);
    RAISES(c, cpu_pushf_image(c, 2), VEC_GP, 0);
    c->cr4 |= CR4_VME;
    RAISES(c, cpu_popf(c, 0, 4), VEC_GP, 0);
    RAISES(c, cpu_pushf_image(c, 4), VEC_GP, 0);
    RAISES(c, cpu_popf(c, EFLAGS_TF, 2), VEC_GP, 0);
    RUNS(c, cpu_popf(c, EFLAGS_IF | EFLAGS_CF, 2));
    CHECK_EQ(vcpu_eflags(c), EFLAGS_VM | EFLAGS_VIF | EFLAGS_IF | EFLAGS_CF | EFLAGS_FIXED);
    RUNS(c, cpu_popf(c, 0, 2));
    CHECK_EQ(vcpu_eflags(c), EFLAGS_VM | EFLAGS_IF | EFLAGS_FIXED);
    RUNS(c, CHECK_EQ(cpu_pushf_image(c, 2) & 0xffff, EFLAGS_IOPL | EFLAGS_FIXED));
    c->eflags |= EFLAGS_VIP;
    RAISES(c, cpu_popf(c, EFLAGS_IF, 2), VEC_GP, 0);
    guest_free(g);

    g = guest_v86(3, false);
    c = g->c;
    RUNS(c, cpu_popf(c, 0, 4));
    CHECK_EQ(vcpu_eflags(c), EFLAGS_VM | EFLAGS_IOPL | EFLAGS_FIXED);
    guest_free(g);
}

static void cli_and_sti(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;

    RUNS(c, cpu_sti(c));
    CHECK_EQ(c->shadow, SHADOW_STI);
    c->shadow = 0;
    RUNS(c, cpu_sti(c)); /* IF was set: no shadow */
    CHECK_EQ(c->shadow, 0);
    RUNS(c, cpu_cli(c));
    CHECK(!(c->eflags & EFLAGS_IF));
    to_level3(g);
    RAISES(c, cpu_cli(c), VEC_GP, 0);
    RAISES(c, cpu_sti(c), VEC_GP, 0);
    c->cr4 |= CR4_PVI;
    RUNS(c, cpu_sti(c));
    CHECK_EQ(vcpu_eflags(c), EFLAGS_VIF | EFLAGS_FIXED);
    CHECK_EQ(c->shadow, 0);
    RUNS(c, cpu_cli(c));
    CHECK_EQ(vcpu_eflags(c), EFLAGS_FIXED);
    c->eflags |= EFLAGS_VIP;
    RAISES(c, cpu_sti(c), VEC_GP, 0);
    vcpu_set_eflags(c, EFLAGS_IOPL);
    RUNS(c, cpu_sti(c));
    CHECK_EQ(c->eflags, EFLAGS_IOPL | EFLAGS_IF | EFLAGS_FIXED);
    at_level(g, CODE1, DATA1, AT_STACK1); /* PVI is for level 3 */
    vcpu_set_eflags(c, 0);
    RAISES(c, cpu_cli(c), VEC_GP, 0);
    guest_free(g);

    g = guest_v86(0, true);
    c = g->c;
    RUNS(c, cpu_sti(c));
    CHECK(c->eflags & EFLAGS_VIF);
    RUNS(c, cpu_cli(c));
    CHECK(!(c->eflags & EFLAGS_VIF) && (c->eflags & EFLAGS_IF));
    c->cr4 = CR4_PVI;
    RAISES(c, cpu_cli(c), VEC_GP, 0);
    guest_free(g);
}

int main(void)
{
    TEST_RUN(real_mode);
    TEST_RUN(same_level);
    TEST_RUN(outer_level);
    TEST_RUN(to_v86);
    TEST_RUN(in_v86);
    TEST_RUN(long_mode);
    TEST_RUN(popf_by_level);
    TEST_RUN(popf_in_v86);
    TEST_RUN(cli_and_sti);
    return test_result();
}
