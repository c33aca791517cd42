/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When vector and x87 instructions may execute, x87 errors, and the images of their state in
 * memory: FSTENV, FSAVE, FXSAVE and the XSAVE family, compared with the host's where it can be.
 */
#include "simd.h"

static void fill(u8 *to, size_t len, u64 *rnd)
{
    for (size_t n = 0; n < len; n++)
        to[n] = (u8)(env_random(rnd) >> 32);
}

static const u8 addps[] = {0x0f, 0x58, 0xc1}, vaddps[] = {0xc5, 0xf0, 0x58, 0xc2},
                paddb[] = {0x0f, 0xfc, 0xc1}, fld1[] = {0xd9, 0xe8}, fwait[] = {0x9b},
                stmxcsr[] = {0x0f, 0xae, 0x1b}, fxsave[] = {0x0f, 0xae, 0x03},
                xsave[] = {0x0f, 0xae, 0x23}, movnti[] = {0x0f, 0xc3, 0x0b},
                vmovups[] = {0xc5, 0xf8, 0x10, 0x03}, movups[] = {0x0f, 0x10, 0x03};

struct availability {
    const u8 *insn;
    u8 len;
    bool vex, xsave;
    u16 em, ts, no_osfxsr, no_osxsave, no_avx, v86; /* what is raised then */
};

#define INSN(x) x, sizeof(x)
#define OK      NO_FAULT

static const struct availability availability[] = {
    {INSN(addps), false, false, VEC_UD, VEC_NM, VEC_UD, OK, OK, OK},
    {INSN(movups), false, false, VEC_UD, VEC_NM, VEC_UD, OK, OK, OK},
    {INSN(stmxcsr), false, false, VEC_UD, VEC_NM, VEC_UD, OK, OK, OK},
    {INSN(vaddps), true, true, OK, VEC_NM, OK, VEC_UD, VEC_UD, VEC_UD},
    {INSN(vmovups), true, true, OK, VEC_NM, OK, VEC_UD, VEC_UD, VEC_UD},
    {INSN(paddb), false, false, VEC_UD, VEC_NM, OK, OK, OK, OK},
    {INSN(fld1), false, false, VEC_NM, VEC_NM, OK, OK, OK, OK},
    {INSN(fwait), false, false, OK, VEC_NM, OK, OK, OK, OK},
    {INSN(fxsave), false, false, VEC_NM, VEC_NM, OK, OK, OK, OK},
    {INSN(xsave), false, true, OK, VEC_NM, OK, VEC_UD, OK, OK},
    {INSN(movnti), false, false, OK, OK, OK, OK, OK, OK},
};

static void check_available(struct env *e, const struct availability *a)
{
    struct vcpu *c = e->c;
    struct vcpu *fresh = malloc(sizeof(*fresh));

    memcpy(fresh, c, sizeof(*fresh));
    CHECK_EQ(env_exec(e, a->insn, a->len), OK);
    memcpy(c, fresh, sizeof(*c));
    c->cr0 |= CR0_EM;
    CHECK_EQ(env_exec(e, a->insn, a->len), a->em);
    memcpy(c, fresh, sizeof(*c));
    c->cr0 |= CR0_TS;
    CHECK_EQ(env_exec(e, a->insn, a->len), a->ts);
    memcpy(c, fresh, sizeof(*c));
    c->cr4 &= ~CR4_OSFXSR;
    CHECK_EQ(env_exec(e, a->insn, a->len), a->no_osfxsr);
    memcpy(c, fresh, sizeof(*c));
    c->cr4 &= ~CR4_OSXSAVE;
    CHECK_EQ(env_exec(e, a->insn, a->len), a->no_osxsave);
    memcpy(c, fresh, sizeof(*c));
    c->xcr0 = XCR0_X87 | XCR0_SSE;
    CHECK_EQ(env_exec(e, a->insn, a->len), a->no_avx);
    memcpy(c, fresh, sizeof(*c));
    c->eflags |= EFLAGS_VM;
    CHECK_EQ(env_exec(e, a->insn, a->len), a->v86);
    memcpy(c, fresh, sizeof(*c));
    free(fresh);
}

static void test_availability(void)
{
    struct env *e = env_new();

    e->c->gpr[RBX] = AT_DATA;
    for (unsigned n = 0; n < ARRAY_SIZE(availability); n++) {
        const struct availability *a = &availability[n];
        if ((!a->vex || vcpu_has(e->c, X86_AVX)) && (!a->xsave || vcpu_has(e->c, X86_XSAVE)))
            check_available(e, a);
    }
    e->c->cr0 = (e->c->cr0 | CR0_TS) & ~CR0_MP; /* FWAIT looks at MP as well */
    CHECK_EQ(EXEC(e, 0x9b), OK);
    env_free(e);
}

/* What the CPU model lacks is no instruction. */
static void test_features(void)
{
    struct env *e = env_new();
    struct cpu_model *m = &e->vm.model;

    m->word[CPUID_1_EDX] &= ~BIT(26); /* SSE2 */
    CHECK_EQ(EXEC(e, 0x66, 0x0f, 0x58, 0xc1), VEC_UD);
    CHECK_EQ(EXEC(e, 0x0f, 0x58, 0xc1), OK);
    m->word[CPUID_1_ECX] &= ~BIT(28); /* AVX */
    CHECK_EQ(EXEC(e, 0xc5, 0xf0, 0x58, 0xc2), VEC_UD);
    m->word[CPUID_1_EDX] &= ~BIT(15); /* CMOV, so no FCMOV */
    CHECK_EQ(EXEC(e, 0xda, 0xc1), VEC_UD);
    m->word[CPUID_1_EDX] &= ~BIT(25); /* SSE, but AMD's MMX extensions are left */
    m->word[CPUID_8000_0001_EDX] |= BIT(22);
    CHECK_EQ(EXEC(e, 0x0f, 0xe0, 0xc1), OK); /* PAVGB mm */
    m->word[CPUID_8000_0001_EDX] = 0;
    CHECK_EQ(EXEC(e, 0x0f, 0xe0, 0xc1), VEC_UD);
    env_free(e);
}

/* 1 / 0 with divide-by-zero unmasked: the next waiting instruction is told. */
static void divide_by_zero(struct env *e)
{
    CHECK_EQ(EXEC(e, 0xdb, 0xe3), OK); /* FNINIT */
    put_le16(env_ram(e, AT_DATA), 0x37b);
    e->c->gpr[RBX] = AT_DATA;
    CHECK_EQ(EXEC(e, 0xd9, 0x2b), OK); /* FLDCW */
    CHECK_EQ(EXEC(e, 0xd9, 0xe8), OK); /* FLD1 */
    CHECK_EQ(EXEC(e, 0xd9, 0xee), OK); /* FLDZ */
    CHECK_EQ(EXEC(e, 0xde, 0xf9), OK); /* FDIVP */
    CHECK_EQ(e->c->fpu.fsw & 0x8084, 0x8084);
}

static void test_x87_error(void)
{
    struct env *e = env_new();
    struct vcpu *c = e->c;

    divide_by_zero(e);
    CHECK_EQ(c->fpu.fip, 0x5000);
    CHECK_EQ(c->fpu.fop, 0x6f9);
    CHECK_EQ(EXEC(e, 0xd9, 0xe8), VEC_MF);
    CHECK_EQ(EXEC(e, 0x9b), VEC_MF);
    CHECK_EQ(EXEC(e, 0x0f, 0xfc, 0xc1), VEC_MF); /* PADDB mm */
    CHECK_EQ(EXEC(e, 0xdf, 0xe0), OK);           /* FNSTSW AX */
    CHECK_EQ(c->gpr[RAX] & 0x8084, 0x8084);
    CHECK_EQ(EXEC(e, 0xdb, 0xe2), OK); /* FNCLEX */
    CHECK_EQ(c->fpu.fsw & 0x80ff, 0);
    CHECK_EQ(EXEC(e, 0xd9, 0xe8), OK);
    env_free(e);
}

/* Without CR0.NE: FERR# rises, and the instruction waits for what the handler does. */
static void test_ferr(void)
{
    struct env *e = env_new();
    struct vcpu *c = e->c;

    e->vm.ferr = (struct irq){env_ferr, e, 0};
    c->cr0 &= ~CR0_NE;
    divide_by_zero(e);
    CHECK_EQ(e->ferr, 0);
    CHECK_EQ(EXEC(e, 0xd9, 0xe8), OK);
    CHECK_EQ(e->ferr, 1);
    CHECK_EQ(c->rip, c->ip); /* to be executed again */
    CHECK(c->leave);
    CHECK_EQ(EXEC(e, 0xdb, 0xe2), OK); /* FNCLEX */
    CHECK(!e->ferr_level);
    CHECK_EQ(EXEC(e, 0xd9, 0xe8), OK);
    CHECK_EQ(c->rip, c->ip + 2);
    env_free(e);
}

static void test_simd_error(void)
{
    struct env *e = env_new();
    struct vcpu *c = e->c;

    c->fpu.mxcsr = 0x1d80; /* ZM clear */
    put_le64(c->fpu.ymm[0], 0x3f8000003f800000);
    memset(c->fpu.ymm[1], 0, 16);
    CHECK_EQ(EXEC(e, 0x0f, 0x5e, 0xc1), VEC_XM); /* DIVPS */
    CHECK_EQ(c->fpu.mxcsr, 0x1d85);              /* 0/0 in the upper elements, too */
    CHECK_EQ(le64(c->fpu.ymm[0]), 0x3f8000003f800000);
    c->cr4 &= ~CR4_OSXMMEXCPT;
    CHECK_EQ(EXEC(e, 0x0f, 0x5e, 0xc1), VEC_UD);
    put_le32(env_ram(e, AT_DATA), 0x10000);
    c->gpr[RBX] = AT_DATA;
    CHECK_EQ(EXEC(e, 0x0f, 0xae, 0x13), VEC_GP); /* LDMXCSR: reserved bits */
    env_free(e);
}

/* VEX.W chooses the size of a general register in 64-bit mode only. */
static void test_vex_w(void)
{
    struct env *e = env_new();
    struct vcpu *c = e->c;

    if (vcpu_has(c, X86_AVX)) {
        c->gpr[RBX] = AT_DATA;
        put_le64(env_ram(e, AT_DATA), 0x100000002);
        CHECK_EQ(EXEC(e, 0xc4, 0xe1, 0xfb, 0x2a, 0x03), OK); /* VCVTSI2SD xmm0, xmm0, [rbx] */
        CHECK_EQ(le64(c->fpu.ymm[0]), 0x41f0000000200000);
        CHECK_EQ(EXEC(e, 0xc4, 0xe1, 0xf9, 0x7e, 0xc1), OK); /* VMOVQ rcx, xmm0 */
        CHECK_EQ(c->gpr[RCX], 0x41f0000000200000);
        env_mode(e, MODE_32);
        CHECK_EQ(EXEC(e, 0xc4, 0xe1, 0xfb, 0x2a, 0x03), OK);
        CHECK_EQ(le64(c->fpu.ymm[0]), 0x4000000000000000);
        put_le64(c->fpu.ymm[0], 0x1234567887654321);
        CHECK_EQ(EXEC(e, 0xc4, 0xe1, 0xf9, 0x7e, 0xc1), OK); /* VMOVD ecx, xmm0 */
        CHECK_EQ(c->gpr[RCX], 0x87654321);
        memset(c->fpu.ymm, 0xff, sizeof(c->fpu.ymm));
        CHECK_EQ(EXEC(e, 0xc5, 0xfc, 0x77), OK); /* VZEROALL */
        CHECK_EQ(le64(c->fpu.ymm[7] + 24), 0);
        CHECK_EQ(le64(c->fpu.ymm[8]), ~(u64)0);
    }
    env_free(e);
}

static void random_x87(struct fpu *f, u64 *rnd)
{
    f->fcw = 0x37f;
    f->fsw = (u16)(env_random(rnd) & 0x7f7f);
    f->ftw = (u8)env_random(rnd);
    f->fip = 0x12345678;
    f->fdp = 0x9abcdef0;
    f->fcs = 0x1111;
    f->fds = 0x2222;
    f->fop = 0x345;
    for (unsigned n = 0; n < 8; n++) {
        u64 v = env_random(rnd);
        memset(f->st[n], 0, 16);
        fill(f->st[n], 10, rnd);
        if (v & 1)
            memset(f->st[n], 0, 8);
        if (v & 2)
            put_le16(f->st[n] + 8, v & 4 ? 0x7fff : 0);
    }
}

/* FNSAVE against the host, as far as pointers go by ours; FRSTOR brings all of it back. */
static void test_fsave(void)
{
    struct env *e = env_new();
    struct fpu *f = &e->c->fpu, before;
    u8 fx[512] __attribute__((aligned(16))) = {0}, image[108];
    u64 rnd = 77;

    e->c->gpr[RBX] = AT_DATA;
    for (unsigned n = 0; n < 200; n++) {
        random_x87(f, &rnd);
        before = *f;
        put_le16(fx, f->fcw);
        put_le16(fx + 2, f->fsw);
        fx[4] = f->ftw;
        put_le32(fx + 24, 0x1f80);
        memcpy(fx + 32, f->st, sizeof(f->st));
        __asm__ volatile("fxrstor64 %1\n fnsave %0" : "=m"(image) : "m"(fx) : "memory");
        CHECK_EQ(EXEC(e, 0xdd, 0x33), OK);
        CHECK(!memcmp(env_ram(e, AT_DATA), image, 12));
        CHECK(!memcmp(env_ram(e, AT_DATA + 28), image + 28, 80));
        CHECK_EQ(le32(env_ram(e, AT_DATA + 12)), 0x12345678);
        CHECK_EQ(le32(env_ram(e, AT_DATA + 16)), 0x03451111);
        CHECK_EQ(le32(env_ram(e, AT_DATA + 24)), 0xffff2222);
        CHECK_EQ(f->fsw | f->ftw, 0);
        CHECK_EQ(EXEC(e, 0xdd, 0x23), OK); /* FRSTOR */
        CHECK(!memcmp(f, &before, sizeof(before)));
    }
    env_free(e);
}

static void test_fstenv_layouts(void)
{
    struct env *e = env_new();
    struct fpu *f = &e->c->fpu;
    u8 *at = env_ram(e, AT_DATA);
    u64 rnd = 5;

    env_mode(e, MODE_32);
    random_x87(f, &rnd);
    f->fdp = 0x54321;
    e->c->gpr[RBX] = AT_DATA;
    CHECK_EQ(EXEC(e, 0x66, 0xd9, 0x33), OK); /* FNSTENV, 16-bit protected */
    CHECK_EQ(le16(at + 6), 0x5678);
    CHECK_EQ(le16(at + 8), 0x1111);
    CHECK_EQ(le16(at + 10), 0x4321);
    CHECK_EQ(le16(at + 12), 0x2222);
    e->c->eflags |= EFLAGS_VM; /* virtual-8086: linear addresses */
    f->fip = 0x0010;
    CHECK_EQ(EXEC(e, 0x66, 0xd9, 0x33), OK);
    CHECK_EQ(le16(at + 6), 0x1120);
    CHECK_EQ(le16(at + 8), 0x1345);
    CHECK_EQ(le16(at + 10), 0x6541);
    CHECK_EQ(le16(at + 12), 0x7000);
    CHECK_EQ(EXEC(e, 0xd9, 0x33), OK); /* 32-bit */
    CHECK_EQ(le16(at + 12), 0x1120);
    CHECK_EQ(le32(at + 16), 0x1345);
    CHECK_EQ(le32(at + 24), 0x7000);
    CHECK_EQ(EXEC(e, 0xd9, 0x23), OK); /* FLDENV */
    CHECK_EQ(f->fip, 0x11120);
    CHECK_EQ(f->fdp, 0x76541);
    env_free(e);
}

/* A new TOP moves no register: ST(i) changes. */
static void test_fldenv_top(void)
{
    struct env *e = env_new();
    struct fpu *f = &e->c->fpu;

    e->c->gpr[RBX] = AT_DATA;
    CHECK_EQ(EXEC(e, 0xdb, 0xe3), OK);
    CHECK_EQ(EXEC(e, 0xd9, 0xe8), OK); /* FLD1: register 7 */
    CHECK_EQ(EXEC(e, 0xd9, 0x33), OK);
    put_le16(env_ram(e, AT_DATA + 4), 5 << 11);
    CHECK_EQ(EXEC(e, 0xd9, 0x23), OK);
    CHECK_EQ(le16(f->st[2] + 8), 0x3fff);
    CHECK_EQ(f->ftw, 0x80);
    env_free(e);
}

static void random_fpu(struct fpu *f, u64 *rnd)
{
    random_x87(f, rnd);
    fill(f->ymm[0], sizeof(f->ymm), rnd);
    f->mxcsr = (u32)env_random(rnd) & 0xffff;
}

static void test_fxsave(void)
{
    struct env *e = env_new();
    struct fpu *f = &e->c->fpu, before;
    u8 native[512] __attribute__((aligned(16)));
    u64 rnd = 3;

    e->c->gpr[RBX] = AT_DATA;
    random_fpu(f, &rnd);
    f->fcs = f->fds = 0;
    before = *f;
    memset(env_ram(e, AT_DATA), 0xa5, 512);
    CHECK_EQ(EXEC(e, 0x48, 0x0f, 0xae, 0x03), OK); /* FXSAVE64 */
    memcpy(native, env_ram(e, AT_DATA), 512);
    put_le32(native + 28, 0);
    __asm__ volatile("fxrstor64 %0\n fxsave64 %0\n fninit"
                     : "+m"(native)
                     :
                     : "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
                       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    __asm__ volatile("ldmxcsr %0" : : "m"((const u32){0x1f80}));
    CHECK(!memcmp(native, env_ram(e, AT_DATA), 6)); /* AMD does not keep the pointers */
    CHECK(!memcmp(native + 24, env_ram(e, AT_DATA + 24), 4));
    CHECK(!memcmp(native + 32, env_ram(e, AT_DATA + 32), 480));
    CHECK_EQ(le64(env_ram(e, AT_DATA + 8)), before.fip);
    memset(f, 0, sizeof(*f));
    CHECK_EQ(EXEC(e, 0x48, 0x0f, 0xae, 0x0b), OK); /* FXRSTOR64 */
    for (unsigned n = 0; n < 16; n++)
        memset(before.ymm[n] + 16, 0, 16);
    CHECK(!memcmp(f, &before, sizeof(before)));
    e->c->gpr[RBX] = AT_DATA + 8;
    CHECK_EQ(EXEC(e, 0x0f, 0xae, 0x03), VEC_GP); /* alignment */
    e->c->gpr[RBX] = AT_DATA;
    put_le32(env_ram(e, AT_DATA + 24), 0x10000);
    CHECK_EQ(EXEC(e, 0x0f, 0xae, 0x0b), VEC_GP); /* MXCSR */
    env_free(e);
}

static void xsave_area(struct env *e, u64 rfbm)
{
    e->c->gpr[RBX] = AT_DATA;
    e->c->gpr[RAX] = rfbm;
    e->c->gpr[RDX] = 0;
}

static void test_xsave(void)
{
    struct env *e = env_new();
    struct fpu *f = &e->c->fpu, before;
    u8 *at = env_ram(e, AT_DATA);
    u64 rnd = 11;

    if (!vcpu_has(e->c, X86_AVX)) {
        env_free(e);
        return;
    }
    random_fpu(f, &rnd);
    f->fcs = f->fds = 0;
    before = *f;
    memset(at, 0, 1024);
    put_le64(at + 512, 0xf8);
    xsave_area(e, 7);
    CHECK_EQ(EXEC(e, 0x48, 0x0f, 0xae, 0x23), OK); /* XSAVE64 */
    CHECK_EQ(le64(at + 512), 0xff);
    CHECK(!memcmp(at + 160 + 16 * 5, f->ymm[5], 16));
    CHECK(!memcmp(at + 576 + 16 * 9, f->ymm[9] + 16, 16));
    put_le64(at + 512, 7);
    memset(f, 0, sizeof(*f));
    CHECK_EQ(EXEC(e, 0x48, 0x0f, 0xae, 0x2b), OK); /* XRSTOR64 */
    CHECK(!memcmp(f, &before, sizeof(before)));
    put_le64(at + 512, 0); /* nothing there: initial state, but MXCSR is loaded */
    CHECK_EQ(EXEC(e, 0x48, 0x0f, 0xae, 0x2b), OK);
    CHECK_EQ(f->fcw, 0x37f);
    CHECK_EQ(f->mxcsr, before.mxcsr);
    CHECK_EQ(le64(f->ymm[3]) | le64(f->ymm[3] + 16), 0);
    *f = before;
    memset(at, 0, 1024);
    xsave_area(e, 2);
    CHECK_EQ(EXEC(e, 0x0f, 0xae, 0x23), OK); /* XSAVE of SSE alone */
    CHECK_EQ(le16(at), 0);
    CHECK_EQ(le64(at + 576), 0);
    CHECK_EQ(le32(at + 24), f->mxcsr);
    CHECK_EQ(le64(at + 512), 2);
    env_free(e);
}

static void test_xrstor_checks(void)
{
    struct env *e = env_new();
    u8 *at = env_ram(e, AT_DATA);

    if (!vcpu_has(e->c, X86_XSAVE)) {
        env_free(e);
        return;
    }
    xsave_area(e, 7);
    memset(at, 0, 1024);
    CHECK_EQ(EXEC(e, 0x0f, 0xae, 0x2b), OK);
    put_le64(at + 512, 8); /* a component that XCR0 does not have */
    CHECK_EQ(EXEC(e, 0x0f, 0xae, 0x2b), VEC_GP);
    put_le64(at + 512, 0);
    put_le64(at + 520, 1); /* XCOMP_BV without its bit 63 */
    CHECK_EQ(EXEC(e, 0x0f, 0xae, 0x2b), VEC_GP);
    put_le64(at + 520, 0);
    put_le32(at + 24, 0x10000); /* MXCSR */
    CHECK_EQ(EXEC(e, 0x0f, 0xae, 0x2b), VEC_GP);
    xsave_area(e, 1);
    CHECK_EQ(EXEC(e, 0x0f, 0xae, 0x2b), OK); /* not asked for */
    e->c->gpr[RBX] = AT_DATA + 32;
    CHECK_EQ(EXEC(e, 0x0f, 0xae, 0x2b), VEC_GP); /* alignment */
    env_free(e);
}

static void test_xsavec(void)
{
    struct env *e = env_new();
    struct fpu *f = &e->c->fpu;
    u8 *at = env_ram(e, AT_DATA);

    if (!vcpu_has(e->c, X86_XSAVEC) || !vcpu_has(e->c, X86_AVX)) {
        env_free(e);
        return;
    }
    memset(at, 0x5a, 1024);
    memset(f->ymm[1] + 16, 0x77, 16);
    f->mxcsr = 0x1f80;
    xsave_area(e, 6);
    CHECK_EQ(EXEC(e, 0x0f, 0xc7, 0x23), OK); /* XSAVEC: only AVX is in use */
    CHECK_EQ(le64(at + 512), 4);
    CHECK_EQ(le64(at + 520), BIT64(63) | 6);
    CHECK_EQ(le32(at + 24), 0x5a5a5a5a);
    CHECK_EQ(le64(at + 576 + 16), 0x7777777777777777);
    CHECK_EQ(EXEC(e, 0x0f, 0xae, 0x2b), VEC_GP); /* the rest of the header is not zero */
    memset(at + 528, 0, 48);
    memset(f->ymm, 0xff, sizeof(f->ymm));
    f->mxcsr = 0x1f00;
    CHECK_EQ(EXEC(e, 0x0f, 0xae, 0x2b), OK);
    CHECK_EQ(f->mxcsr, 0x1f80); /* with the SSE component, which was not saved */
    CHECK_EQ(le64(f->ymm[1]), 0);
    CHECK_EQ(le64(f->ymm[1] + 16), 0x7777777777777777);
    e->c->cpl = 3;
    CHECK_EQ(EXEC(e, 0x0f, 0xc7, 0x2b), vcpu_has(e->c, X86_XSAVES) ? VEC_GP : VEC_UD);
    env_free(e);
}

int main(void)
{
    TEST_RUN(test_availability);
    TEST_RUN(test_features);
    TEST_RUN(test_x87_error);
    TEST_RUN(test_ferr);
    TEST_RUN(test_simd_error);
    TEST_RUN(test_vex_w);
    TEST_RUN(test_fsave);
    TEST_RUN(test_fstenv_layouts);
    TEST_RUN(test_fldenv_top);
    TEST_RUN(test_fxsave);
    TEST_RUN(test_xsave);
    TEST_RUN(test_xrstor_checks);
    TEST_RUN(test_xsavec);
    return test_result();
}
