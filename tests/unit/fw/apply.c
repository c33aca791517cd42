/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bootstrap CPU's registers at the entry points, against what the protocols say. */
#include "../test.h"
#include "cpu/vcpu.h"
#include "fw/boot.h"

static const struct boot_state entry32 = {
    .protocol = BOOT_PVH,
    .mode = 32,
    .rip = 0x1000080,
    .gpr = {[RAX] = 0x2badb002, [RBX] = 0x9000, [RSI] = 0x7000},
    .cs = 0x10,
    .ds = 0x18,
    .tr = 0x20,
    .gdt_base = 0x8000,
    .gdt_limit = 0x2f,
};

/* A CPU with nothing but registers, in a state far from the one wanted. */
static struct vcpu *dirty_cpu(struct vm *vm)
{
    struct vcpu *c = calloc(1, sizeof(*c));

    memset(c->gpr, 0xff, 16 * sizeof(u64));
    c->vm = vm;
    c->cr0 = CR0_ET | CR0_CD | CR0_NW;
    c->cr4 = CR4_PGE;
    c->eflags = EFLAGS_IF | EFLAGS_TF | EFLAGS_FIXED;
    for (unsigned i = 0; i < 6; i++)
        c->seg[i] = (struct seg){0xf000, 0x93, 0xffff, 0xf0000};
    return c;
}

static void check_flat(const struct seg *s, u16 sel, u16 ar)
{
    CHECK_EQ(s->sel, sel);
    CHECK_EQ(s->base, 0);
    CHECK_EQ(s->limit, UINT32_MAX);
    CHECK_EQ(s->ar, ar);
}

static void test_32bit(void)
{
    struct vm *vm = calloc(1, sizeof(*vm));
    struct vcpu *c = dirty_cpu(vm);

    boot_apply(&entry32, c);
    CHECK_EQ(c->rip, 0x1000080);
    CHECK_EQ(c->gpr[RAX], 0x2badb002);
    CHECK_EQ(c->gpr[RBX], 0x9000);
    CHECK_EQ(c->gpr[RSI], 0x7000);
    CHECK_EQ(c->gpr[RCX] | c->gpr[RDX] | c->gpr[RBP] | c->gpr[RDI] | c->gpr[R15], 0);
    CHECK_EQ(c->cr0, CR0_PE | CR0_ET);
    CHECK_EQ(c->cr4, 0);
    CHECK_EQ(c->efer, 0);
    CHECK_EQ(vcpu_eflags(c) & (EFLAGS_IF | EFLAGS_TF | EFLAGS_VM), 0);
    check_flat(&c->seg[SEG_CS], 0x10, 0xc09b);
    for (unsigned i = 0; i < 6; i++)
        if (i != SEG_CS)
            check_flat(&c->seg[i], 0x18, 0xc093);
    CHECK_EQ(c->tr.sel, 0x20);
    CHECK_EQ(c->tr.ar, 0x8b);
    CHECK_EQ(c->tr.limit, 0x67);
    CHECK_EQ(c->gdtr.base, 0x8000);
    CHECK_EQ(c->gdtr.limit, 0x2f);
    CHECK_EQ(c->mode, MODE_32);
    CHECK_EQ(c->ss_size, 4);
    CHECK(c->flat && !c->long_mode);
    free(c);
    free(vm);
}

static void test_64bit(void)
{
    struct vm *vm = calloc(1, sizeof(*vm));
    struct vcpu *c = dirty_cpu(vm);
    struct boot_state state = entry32;

    state.mode = 64;
    state.rip = 0x100000200;
    state.cr3 = 0x5000;
    boot_apply(&state, c);
    CHECK_EQ(c->rip, 0x100000200);
    CHECK_EQ(c->cr0, CR0_PE | CR0_ET | CR0_PG);
    CHECK_EQ(c->cr3, 0x5000);
    CHECK_EQ(c->cr4, CR4_PAE);
    CHECK_EQ(c->efer, EFER_LME | EFER_LMA);
    check_flat(&c->seg[SEG_CS], 0x10, 0xa09b);
    CHECK_EQ(c->mode, MODE_64);
    CHECK(c->long_mode);
    free(c);
    free(vm);
}

int main(void)
{
    TEST_RUN(test_32bit);
    TEST_RUN(test_64bit);
    return test_result();
}
