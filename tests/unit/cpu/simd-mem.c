/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory operands of vector and x87 instructions: gathers and masked moves against the host,
 * alignment, page crossing, and what a fault leaves behind.
 */
#include "simd-native.h" /* first: see there */

#include "simd.h"

#define OPERAND_AT 2048

struct masked {
    struct env *e;
    struct native *n;
    u8 *page;
    u64 rnd;
};

static void fill(struct masked *m, void *to, size_t len)
{
    for (size_t n = 0; n < len; n++)
        ((u8 *)to)[n] = (u8)(env_random(&m->rnd) >> 32);
}

/* Registers at random but for RBX, RDI (the operand) and `index`, with small signed elements. */
static void set_state(struct masked *m, unsigned index, unsigned index_size)
{
    struct vcpu *c = m->e->c;

    fill(m, c->fpu.ymm, sizeof(c->fpu.ymm));
    fill(m, m->page, PAGE_SIZE);
    memset(c->fpu.st, 0, sizeof(c->fpu.st));
    for (unsigned n = 0; n < 8; n++)
        fill(m, c->fpu.st[n], 10);
    c->fpu.fsw = (u16)(env_random(&m->rnd) & 0x3800);
    c->fpu.ftw = 0xff;
    for (unsigned at = 0; index_size && at < 32; at += index_size) {
        s64 v = (s64)(env_random(&m->rnd) >> 56) - 128;
        memcpy(c->fpu.ymm[index] + at, &v, index_size);
    }
    memcpy(env_ram(m->e, AT_DATA), m->page, PAGE_SIZE);
    memcpy(m->n->s.ymm, c->fpu.ymm, sizeof(c->fpu.ymm));
    memset(m->n->s.fx, 0, sizeof(m->n->s.fx));
    put_le16(m->n->s.fx, c->fpu.fcw);
    put_le16(m->n->s.fx + 2, c->fpu.fsw);
    m->n->s.fx[4] = c->fpu.ftw;
    put_le32(m->n->s.fx + 24, 0x1f80);
    memcpy(m->n->s.fx + 32, c->fpu.st, sizeof(c->fpu.st));
    c->gpr[RBX] = c->gpr[RDI] = AT_DATA + OPERAND_AT;
    m->n->s.gpr[RBX] = m->n->s.gpr[RDI] = (uintptr_t)m->page + OPERAND_AT;
    m->n->s.mxcsr = 0x1f80;
    m->n->s.rflags = EFLAGS_FIXED;
}

static void run_both(struct masked *m, const u8 *bytes, unsigned len)
{
    native_set(m->n, bytes, len);
    native_run(&m->n->s);
    CHECK_EQ(env_exec(m->e, bytes, len), NO_FAULT);
    CHECK(!memcmp(m->e->c->fpu.ymm, m->n->s.ymm, sizeof(m->n->s.ymm)));
    CHECK(!memcmp(env_ram(m->e, AT_DATA), m->page, PAGE_SIZE));
    CHECK_EQ(m->e->c->fpu.fsw, le16(m->n->s.fx + 2));
    for (unsigned n = 0; n < 8; n++)
        CHECK(!memcmp(m->e->c->fpu.st[n], m->n->s.fx + 32 + 16 * n, 10));
}

static struct masked masked_new(void)
{
    struct masked m = {.e = env_new(), .n = native_new(), .rnd = 0x1234567};

    m.page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m.page == MAP_FAILED)
        abort();
    return m;
}

static void masked_free(struct masked *m)
{
    munmap(m->page, PAGE_SIZE);
    native_free(m->n);
    env_free(m->e);
}

/* VEX.66.0F38.W op /r, [RBX + vector 1 * scale], mask 2, result 3 */
static void test_gathers(void)
{
    struct masked m = masked_new();

    for (unsigned form = 0; __builtin_cpu_supports("avx2") && form < 4 * 2 * 2 * 4; form++) {
        unsigned op = 0x90 + (form & 3), w = form >> 2 & 1, l = form >> 3 & 1;
        u8 scale = (u8)(form >> 4 & 3);
        u8 bytes[] = {0xc4,   0xe2, (u8)(w << 7 | 0xd << 3 | l << 2 | 1),
                      (u8)op, 0x1c, (u8)(scale << 6 | 1 << 3 | RBX)};
        for (unsigned round = 0; round < 8; round++) {
            set_state(&m, 1, op & 1 ? 8 : 4);
            run_both(&m, bytes, sizeof(bytes));
        }
    }
    masked_free(&m);
}

static void test_masked_moves(void)
{
    struct masked m = masked_new();
    static const u8 avx_ops[] = {0x2c, 0x2d, 0x2e, 0x2f}, avx2_ops[] = {0x8c, 0x8e};

    for (unsigned round = 0; round < 64; round++) {
        bool ymm = round & 1, w = round & 2;
        const u8 maskmovdqu[] = {0x66, 0x0f, 0xf7, 0xca}, maskmovq[] = {0x0f, 0xf7, 0xca};
        for (unsigned n = 0; __builtin_cpu_supports("avx2") && n < 6; n++) {
            u8 op = n < 4 ? avx_ops[n] : avx2_ops[n - 4];
            u8 bytes[] = {0xc4, 0xe2, (u8)((n < 4 ? 0 : w << 7) | 0xd << 3 | ymm << 2 | 1), op,
                          0x1b};
            set_state(&m, 0, 0);
            run_both(&m, bytes, sizeof(bytes));
        }
        set_state(&m, 0, 0);
        run_both(&m, maskmovdqu, sizeof(maskmovdqu));
        set_state(&m, 0, 0);
        run_both(&m, maskmovq, sizeof(maskmovq));
    }
    masked_free(&m);
}

static void put_u32s(u8 *to, const u32 *v, unsigned n)
{
    for (unsigned k = 0; k < n; k++)
        put_le32(to + 4 * k, v[k]);
}

/* Elements 0 and 1 are readable, element 2 is not, element 3 is masked out. */
static void test_gather_fault(void)
{
    struct env *e = env_new();
    struct vcpu *c = e->c;
    u32 result[4] = {9, 9, 9, 9}, left[4] = {0, 0, ~0u, 0};

    put_u32s(c->fpu.ymm[1], (const u32[]){0, 1, 0x1000 / 4, 2}, 4);
    put_u32s(c->fpu.ymm[2], (const u32[]){0x80000000, ~0u, 0xc0000000, 0x7fffffff}, 4);
    put_u32s(c->fpu.ymm[3], result, 4);
    put_u32s(env_ram(e, AT_ABSENT - 0x1000), (const u32[]){0x11, 0x22}, 2);
    c->gpr[RBX] = AT_ABSENT - 0x1000;
    if (vcpu_has(c, X86_AVX2)) {
        CHECK_EQ(EXEC(e, 0xc4, 0xe2, 0x69, 0x90, 0x1c, 0x8b), VEC_PF);
        CHECK_EQ(c->excp.cr2, AT_ABSENT);
        put_u32s((u8 *)result, (const u32[]){0x11, 0x22}, 2);
        CHECK(!memcmp(c->fpu.ymm[3], result, 16));
        CHECK(!memcmp(c->fpu.ymm[2], left, 16));
        CHECK_EQ(EXEC(e, 0xc4, 0xe2, 0x61, 0x90, 0x1c, 0x8b), VEC_UD); /* mask is the result */
    }
    env_free(e);
}

static void test_masked_fault(void)
{
    struct env *e = env_new();
    struct vcpu *c = e->c;
    u64 at = AT_ABSENT - 8; /* elements 0 and 1 before the absent page, 2 and 3 in it */

    if (!vcpu_has(c, X86_AVX2)) {
        env_free(e);
        return;
    }
    put_le64(env_ram(e, at), 0x2222222211111111);
    memset(c->fpu.ymm[3], 0xee, 32);
    put_u32s(c->fpu.ymm[2], (const u32[]){~0u, 0x80000000, 0x7fffffff, 0}, 4);
    c->gpr[RBX] = at;
    CHECK_EQ(EXEC(e, 0xc4, 0xe2, 0x69, 0x2c, 0x1b), NO_FAULT); /* VMASKMOVPS load */
    CHECK_EQ(le64(c->fpu.ymm[3]), 0x2222222211111111);
    CHECK_EQ(le64(c->fpu.ymm[3] + 8) | le64(c->fpu.ymm[3] + 16), 0);
    put_le64(c->fpu.ymm[3], 0x4444444433333333);
    CHECK_EQ(EXEC(e, 0xc4, 0xe2, 0x69, 0x2e, 0x1b), NO_FAULT); /* … store */
    CHECK_EQ(le64(env_ram(e, at)), 0x4444444433333333);
    put_le32(c->fpu.ymm[2] + 12, 0x80000000);
    memset(c->fpu.ymm[3], 0x55, 16);
    CHECK_EQ(EXEC(e, 0xc4, 0xe2, 0x69, 0x2e, 0x1b), VEC_PF);
    CHECK_EQ(le64(env_ram(e, at)), 0x4444444433333333); /* nothing was stored */
    CHECK_EQ(EXEC(e, 0xc4, 0xe2, 0x69, 0x2c, 0x1b), VEC_PF);
    CHECK_EQ(le64(c->fpu.ymm[3]), 0x5555555555555555);
    c->gpr[RDI] = at; /* MASKMOVDQU: the same with bytes */
    CHECK_EQ(EXEC(e, 0x66, 0x0f, 0xf7, 0xda), VEC_PF);
    CHECK_EQ(le64(env_ram(e, at)), 0x4444444433333333);
    memset(c->fpu.ymm[2] + 8, 0, 8);
    CHECK_EQ(EXEC(e, 0x66, 0x0f, 0xf7, 0xda), NO_FAULT);
    CHECK_EQ(le64(env_ram(e, at)), 0x5544444455555555);
    env_free(e);
}

static void test_alignment(void)
{
    struct env *e = env_new();
    bool avx = vcpu_has(e->c, X86_AVX);

    e->c->gpr[RBX] = AT_DATA + 8;
    CHECK_EQ(EXEC(e, 0x0f, 0x10, 0x03), NO_FAULT); /* MOVUPS */
    CHECK_EQ(EXEC(e, 0x0f, 0x11, 0x03), NO_FAULT);
    CHECK_EQ(EXEC(e, 0x0f, 0x28, 0x03), VEC_GP); /* MOVAPS */
    CHECK_EQ(EXEC(e, 0x0f, 0x29, 0x03), VEC_GP);
    CHECK_EQ(EXEC(e, 0x0f, 0x58, 0x03), VEC_GP);         /* ADDPS */
    CHECK_EQ(EXEC(e, 0x66, 0x0f, 0xef, 0x03), VEC_GP);   /* PXOR */
    CHECK_EQ(EXEC(e, 0xf3, 0x0f, 0x58, 0x03), NO_FAULT); /* ADDSS */
    CHECK_EQ(EXEC(e, 0x66, 0x0f, 0x2b, 0x03), VEC_GP);   /* MOVNTPD */
    CHECK_EQ(EXEC(e, 0x66, 0x0f, 0x3a, 0x63, 0x03, 0x00),
             vcpu_has(e->c, X86_SSE4_2) ? NO_FAULT : VEC_UD);           /* PCMPISTRI */
    CHECK_EQ(EXEC(e, 0xc5, 0xf8, 0x58, 0x03), avx ? NO_FAULT : VEC_UD); /* VADDPS */
    CHECK_EQ(EXEC(e, 0xc5, 0xf8, 0x28, 0x03), avx ? VEC_GP : VEC_UD);   /* VMOVAPS */
    e->c->gpr[RBX] = AT_DATA + 16;
    CHECK_EQ(EXEC(e, 0x0f, 0x58, 0x03), NO_FAULT);
    CHECK_EQ(EXEC(e, 0xc5, 0xfc, 0x28, 0x03), avx ? VEC_GP : VEC_UD);   /* 32 bytes */
    CHECK_EQ(EXEC(e, 0xc5, 0xfc, 0x10, 0x03), avx ? NO_FAULT : VEC_UD); /* VMOVUPS */
    env_free(e);
}

static void test_page_crossing(void)
{
    struct env *e = env_new();
    struct vcpu *c = e->c;
    u64 at = AT_READ_ONLY - 8;

    for (unsigned n = 0; n < 32; n++)
        *env_ram(e, at - 16 + n) = (u8)n;
    c->gpr[RBX] = at;
    CHECK_EQ(EXEC(e, 0x0f, 0x10, 0x03), NO_FAULT); /* MOVUPS xmm0, [rbx] */
    CHECK(!memcmp(c->fpu.ymm[0], env_ram(e, at), 16));
    CHECK_EQ(EXEC(e, 0x0f, 0x11, 0x0b), VEC_PF); /* its second half is not writable */
    CHECK_EQ(c->excp.cr2, AT_READ_ONLY);
    CHECK_EQ(*env_ram(e, at), 16);
    c->gpr[RBX] = AT_READ_ONLY - 4;
    CHECK_EQ(EXEC(e, 0x0f, 0x16, 0x0b), NO_FAULT); /* MOVHPS xmm1, [rbx] */
    CHECK(!memcmp(c->fpu.ymm[1] + 8, env_ram(e, AT_READ_ONLY - 4), 8));
    CHECK_EQ(EXEC(e, 0x0f, 0x17, 0x03), VEC_PF); /* … [rbx], xmm0 */
    CHECK_EQ(EXEC(e, 0xdd, 0x03), NO_FAULT);     /* FLD qword */
    CHECK_EQ(c->fpu.fsw, 0x3800);
    CHECK_EQ(EXEC(e, 0xdd, 0x1b), VEC_PF); /* FSTP qword: not popped */
    CHECK_EQ(c->fpu.fsw, 0x3800);
    c->gpr[RBX] = AT_READ_ONLY - 1024;
    CHECK_EQ(EXEC(e, 0xdb, 0x3b), NO_FAULT); /* FSTP tbyte */
    CHECK_EQ(c->fpu.fsw, 0);
    env_free(e);
}

/* A segment limit outside 64-bit mode, and the segment of the address. */
static void test_segment_limit(void)
{
    struct env *e = env_new();
    struct vcpu *c = e->c;

    env_mode(e, MODE_32);
    c->seg[SEG_DS].limit = AT_DATA + 15;
    vcpu_update_mode(c);
    c->gpr[RBX] = AT_DATA;
    CHECK_EQ(EXEC(e, 0x0f, 0x28, 0x03), NO_FAULT);
    c->gpr[RBX] = AT_DATA + 4;
    CHECK_EQ(EXEC(e, 0x0f, 0x10, 0x03), VEC_GP);
    CHECK_EQ(EXEC(e, 0x36, 0x0f, 0x10, 0x03), NO_FAULT); /* SS: */
    if (vcpu_has(c, X86_AVX)) { /* the element beyond the limit is masked out */
        memset(c->fpu.ymm[2], 0, 32);
        put_le64(c->fpu.ymm[2], ~(u64)0);
        CHECK_EQ(EXEC(e, 0xc4, 0xe2, 0x69, 0x2c, 0x1b), NO_FAULT);
        put_le32(c->fpu.ymm[2] + 12, ~0u);
        CHECK_EQ(EXEC(e, 0xc4, 0xe2, 0x69, 0x2c, 0x1b), VEC_GP);
    }
    env_free(e);
}

int main(void)
{
    TEST_RUN(test_gathers);
    TEST_RUN(test_masked_moves);
    TEST_RUN(test_gather_fault);
    TEST_RUN(test_masked_fault);
    TEST_RUN(test_alignment);
    TEST_RUN(test_page_crossing);
    TEST_RUN(test_segment_limit);
    return test_result();
}
