/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cpu/syscall.c: SYSCALL, SYSRET, SYSENTER, SYSEXIT of both vendors. */
#include "guest.h"

static void be_amd(struct guest *g)
{
    strcpy(g->vm.model.vendor, "AuthenticAMD");
}

static void set_msrs(struct vcpu *c)
{
    c->star = (u64)0x1b << 48 | (u64)0x08 << 32 | 0x12345678;
    c->lstar = 0xffffffff81000000;
    c->cstar = 0xffffffff82000000;
    c->sfmask = EFLAGS_IF | EFLAGS_DF;
    c->efer |= EFER_SCE;
    c->sysenter_cs = 0x0b;
    c->sysenter_esp = 0xffff800000001000;
    c->sysenter_eip = 0xffff800000002000;
}

static void syscall_and_sysret_64(void)
{
    struct guest *g = guest_long();
    struct vcpu *c = g->c;

    set_msrs(c);
    to_level3(g);
    vcpu_set_eflags(c, EFLAGS_IF | EFLAGS_DF | EFLAGS_CF);
    RUNS(c, cpu_syscall(c));
    CHECK_EQ(c->rip, c->lstar);
    CHECK_EQ(c->gpr[RCX], 0x5002);
    CHECK_EQ(c->gpr[R11], EFLAGS_IF | EFLAGS_DF | EFLAGS_CF | EFLAGS_FIXED);
    CHECK_EQ(vcpu_eflags(c), EFLAGS_CF | EFLAGS_FIXED);
    CHECK_EQ(c->cpl, 0);
    CHECK_EQ(c->seg[SEG_CS].sel, 0x08);
    CHECK_EQ(c->seg[SEG_CS].ar, 0xa09b);
    CHECK_EQ(c->seg[SEG_SS].sel, 0x10);
    CHECK_EQ(c->seg[SEG_SS].ar, 0xc093);
    CHECK_EQ(c->gpr[RSP], AT_STACK3);

    c->gpr[R11] |= EFLAGS_RF | EFLAGS_VM | EFLAGS_NT;
    RUNS(c, cpu_sysret(c, 8));
    CHECK_EQ(c->rip, 0x5002);
    CHECK_EQ(c->cpl, 3);
    CHECK_EQ(c->mode, MODE_64);
    CHECK_EQ(c->seg[SEG_CS].sel, 0x2b);
    CHECK_EQ(c->seg[SEG_CS].ar, 0xa0fb);
    CHECK_EQ(c->seg[SEG_SS].sel, 0x23);
    CHECK_EQ(c->seg[SEG_SS].ar, 0xc0f3);
    CHECK_EQ(vcpu_eflags(c), EFLAGS_IF | EFLAGS_DF | EFLAGS_CF | EFLAGS_NT | EFLAGS_FIXED);

    RAISES(c, cpu_sysret(c, 8), VEC_GP, 0); /* not at level 0 */
    to_level0(g);
    c->gpr[RCX] = 0x1234567855667788;
    RAISES(c, cpu_sysret(c, 8), VEC_GP, 0); /* not canonical */
    RUNS(c, cpu_sysret(c, 4));
    CHECK_EQ(c->mode, MODE_32);
    CHECK_EQ(c->rip, 0x55667788);
    CHECK_EQ(c->seg[SEG_CS].sel, 0x1b);
    RAISES(c, cpu_syscall(c), VEC_UD, 0); /* compatibility mode */
    to_level0(g);
    c->efer &= ~EFER_SCE;
    RAISES(c, cpu_syscall(c), VEC_UD, 0);
    RAISES(c, cpu_sysret(c, 8), VEC_UD, 0);
    guest_free(g);
}

static void syscall_of_amd(void)
{
    struct guest *g = guest_long();
    struct vcpu *c = g->c;

    be_amd(g);
    set_msrs(c);
    at_level(g, CODE3, DATA3, AT_STACK3);
    RUNS(c, cpu_syscall(c));
    CHECK_EQ(c->rip, c->cstar);
    CHECK_EQ(c->mode, MODE_64);
    c->gpr[RCX] = 0x1234567855667788;
    c->seg[SEG_SS] = (struct seg){.sel = 0};
    RUNS(c, cpu_sysret(c, 8)); /* RIP is not looked at; SS gets a selector only */
    CHECK_EQ(c->rip, 0x1234567855667788);
    CHECK_EQ(c->seg[SEG_SS].sel, 0x23);
    CHECK_EQ(c->seg[SEG_SS].ar, 0);
    guest_free(g);

    g = guest_protected();
    c = g->c;
    be_amd(g);
    set_msrs(c);
    to_level3(g);
    vcpu_set_eflags(c, EFLAGS_IF | EFLAGS_DF);
    RUNS(c, cpu_syscall(c));
    CHECK_EQ(c->rip, 0x12345678);
    CHECK_EQ(c->gpr[RCX], 0x5002);
    CHECK_EQ(vcpu_eflags(c), EFLAGS_DF | EFLAGS_FIXED);
    CHECK_EQ(c->seg[SEG_CS].ar, 0xc09b);
    RUNS(c, cpu_sysret(c, 4));
    CHECK_EQ(c->rip, 0x5002);
    CHECK_EQ(vcpu_eflags(c), EFLAGS_IF | EFLAGS_DF | EFLAGS_FIXED);
    CHECK_EQ(c->seg[SEG_CS].sel, 0x1b);
    CHECK_EQ(c->mode, MODE_32);
    guest_free(g);
}

static void sysenter_and_sysexit(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;

    set_msrs(c);
    to_level3(g);
    vcpu_set_eflags(c, EFLAGS_IF | EFLAGS_IOPL);
    RUNS(c, cpu_sysenter(c));
    CHECK_EQ(c->rip, 0x2000);
    CHECK_EQ(c->gpr[RSP], 0x1000);
    CHECK_EQ(c->seg[SEG_CS].sel, 0x08);
    CHECK_EQ(c->seg[SEG_SS].sel, 0x10);
    CHECK_EQ(c->cpl, 0);
    CHECK_EQ(vcpu_eflags(c), EFLAGS_IOPL | EFLAGS_FIXED);
    c->gpr[RCX] = 0x3000;
    c->gpr[RDX] = 0x4000;
    RUNS(c, cpu_sysexit(c, 4));
    CHECK_EQ(c->gpr[RSP], 0x3000);
    CHECK_EQ(c->rip, 0x4000);
    CHECK_EQ(c->seg[SEG_CS].sel, 0x1b);
    CHECK_EQ(c->seg[SEG_SS].sel, 0x23);
    CHECK_EQ(c->cpl, 3);
    RAISES(c, cpu_sysexit(c, 4), VEC_GP, 0);
    c->sysenter_cs = 3;
    RAISES(c, cpu_sysenter(c), VEC_GP, 0);
    to_level0(g);
    RAISES(c, cpu_sysexit(c, 4), VEC_GP, 0);
    c->sysenter_cs = 8;
    c->cr0 &= ~CR0_PE;
    RAISES(c, cpu_sysenter(c), VEC_GP, 0);
    guest_free(g);
}

static void sysenter_in_long_mode(void)
{
    struct guest *g = guest_long();
    struct vcpu *c = g->c;

    set_msrs(c);
    at_level(g, CODE3, DATA3, AT_STACK3);
    RUNS(c, cpu_sysenter(c));
    CHECK_EQ(c->mode, MODE_64);
    CHECK_EQ(c->rip, c->sysenter_eip);
    CHECK_EQ(c->gpr[RSP], c->sysenter_esp);
    c->gpr[RCX] = 0x7fff00000000;
    c->gpr[RDX] = 0x800000000000;
    RAISES(c, cpu_sysexit(c, 8), VEC_GP, 0);
    c->gpr[RDX] = 0x7fff00001000;
    RUNS(c, cpu_sysexit(c, 8));
    CHECK_EQ(c->mode, MODE_64);
    CHECK_EQ(c->rip, 0x7fff00001000);
    CHECK_EQ(c->seg[SEG_CS].sel, 0x2b);
    CHECK_EQ(c->seg[SEG_SS].sel, 0x33);
    be_amd(g);
    RAISES(c, cpu_sysenter(c), VEC_UD, 0);
    RAISES(c, cpu_sysexit(c, 8), VEC_UD, 0);
    guest_free(g);
}

int main(void)
{
    TEST_RUN(syscall_and_sysret_64);
    TEST_RUN(syscall_of_amd);
    TEST_RUN(sysenter_and_sysexit);
    TEST_RUN(sysenter_in_long_mode);
    return test_result();
}
