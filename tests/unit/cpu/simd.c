/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every MMX, SSE, AVX and x87 instruction that the CPU offers, found by walking through the opcode
 * space: executed on random registers by cpu/simd and natively on the host, the two compared.
 */
#include "simd-native.h" /* first: see there */

#include "simd.h"

#define OPERAND_AT 256 /* within the page of the memory operand */
#define ROUNDS     2

struct bench {
    struct env *e;
    struct native *n;
    struct vcpu *before;
    u8 *page; /* the native memory operand's */
    u64 rnd;
    bool unmask; /* with some exceptions unmasked */
    unsigned instructions, runs, faults, failures;
    ZydisFormatter fmt;
};

static struct native *on_fault; /* for the signal handler */

static void on_sigfpe(int sig, siginfo_t *info, void *context)
{
    const ucontext_t *uc = context;

    on_fault->fault_mxcsr = uc->uc_mcontext.fpregs->mxcsr;
    siglongjmp(on_fault->fault, 1);
}

static void random_bytes(struct bench *b, void *to, size_t len)
{
    for (size_t n = 0; n < len; n++)
        ((u8 *)to)[n] = (u8)(env_random(&b->rnd) >> 32);
}

/* Values that floating-point units find interesting, among random ones. */
static void random_vector(struct bench *b, u8 *to, unsigned len)
{
    static const u32 singles[] = {0,          0x80000000, 0x3f800000, 0xbf800000, 0x7f800000,
                                  0xff800000, 0x7fc00000, 0x7fa00000, 0x00000001, 0x007fffff,
                                  0x00800000, 0x7f7fffff, 0x4f000000, 0x33800000, 0x00c00000};
    static const u64 doubles[] = {0x3ff0000000000000, 0xbff8000000000000, 0x7ff0000000000000,
                                  0x7ff4000000000000, 0xfff8000000000000, 0x0000000000000001,
                                  0x0010000000000000, 0x7fefffffffffffff, 0x41e0000000000000,
                                  0x380fffffffffffff, 0x36a0000000000000, 0x3690000000000000};
    unsigned kind = env_random(&b->rnd) % 4;

    random_bytes(b, to, len);
    for (unsigned at = 0; at < len; at += 8) {
        u64 pick = env_random(&b->rnd) >> 16;
        if (kind == 1)
            put_le64(to + at, doubles[pick % ARRAY_SIZE(doubles)]);
        if (kind == 2) {
            put_le32(to + at, singles[pick % ARRAY_SIZE(singles)]);
            put_le32(to + at + 4, singles[(pick >> 8) % ARRAY_SIZE(singles)]);
        }
        if (kind == 3) /* moderate doubles */
            put_le64(to + at, pick << 16 | 0x4000000000000000 >> (pick & 1));
    }
}

static void random_x87(struct bench *b, struct fpu *f)
{
    u64 r = env_random(&b->rnd) >> 8;

    f->fcw = (u16)(0x40 | (r & 0x1f00) | (b->unmask ? r >> 16 & 0x3f : 0x3f));
    f->fsw = (u16)((r >> 32 & 0x7f00) | (b->unmask ? 0 : r >> 24 & 0x7f));
    f->ftw = (u8)(r >> 40 & 1 ? 0xff : env_random(&b->rnd) >> 20);
    for (unsigned n = 0; n < 8; n++) {
        u64 v = env_random(&b->rnd);
        memset(f->st[n], 0, 16);
        random_bytes(b, f->st[n], 10);
        if (v >> 60 < 12) /* a plain number of moderate size */
            put_le16(f->st[n] + 8, (u16)(0x3ff0 + (v & 31) + (v >> 16 & 0x8000)));
        if (v >> 60 < 14)
            f->st[n][7] |= 0x80;
        if (v >> 60 == 15)
            memset(f->st[n], 0, 9);
    }
}

static void random_state(struct bench *b)
{
    struct vcpu *c = b->e->c;
    struct native_state *s = &b->n->s;
    u32 masks = b->unmask ? (u32)env_random(&b->rnd) & 0x1f80 : 0x1f80;
    u32 eflags;

    for (unsigned n = 0; n < 16; n++) {
        c->gpr[n] = env_random(&b->rnd) >> (n % 3 ? 40 : 0);
        random_vector(b, c->fpu.ymm[n], 32);
    }
    random_x87(b, &c->fpu);
    c->fpu.mxcsr = ((u32)(env_random(&b->rnd) >> 13) & 0xe040) | masks |
                   (b->unmask ? 0 : (u32)env_random(&b->rnd) & 0x3f);
    eflags = (u32)env_random(&b->rnd) & EFLAGS_ARITH;
    flags_set(&c->lf, eflags);
    random_vector(b, b->page + OPERAND_AT - 64, 192);
    memcpy(env_ram(b->e, AT_DATA), b->page, PAGE_SIZE);

    memcpy(s->gpr, c->gpr, sizeof(s->gpr));
    memcpy(s->ymm, c->fpu.ymm, sizeof(s->ymm));
    s->mxcsr = c->fpu.mxcsr;
    s->rflags = eflags | EFLAGS_FIXED;
    memset(s->fx, 0, sizeof(s->fx));
    put_le16(s->fx, c->fpu.fcw);
    put_le16(s->fx + 2, c->fpu.fsw);
    s->fx[4] = c->fpu.ftw;
    put_le32(s->fx + 24, 0x1f80);
    memcpy(s->fx + 32, c->fpu.st, sizeof(c->fpu.st));
}

/* PE beside an unmasked overflow or underflow: see src/cpu/simd/exec.c. */
static bool same_fault_mxcsr(u32 ours, u32 native)
{
    return ours == native || (ours == (native | 0x20) && (ours & ~(ours >> 7) & 0x18));
}

static bool is_dot_product(unsigned mnemonic)
{
    return mnemonic == ZYDIS_MNEMONIC_DPPD || mnemonic == ZYDIS_MNEMONIC_DPPS ||
           mnemonic == ZYDIS_MNEMONIC_VDPPD || mnemonic == ZYDIS_MNEMONIC_VDPPS;
}

/* 64-bit mode takes account of VEX.W, and of all four bits of a register in an immediate. */
static bool same_operands(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *a,
                          const ZydisDecodedOperand *b)
{
    for (unsigned n = 0; n < zi->operand_count_visible; n++)
        if (a[n].size != b[n].size ||
            (a[n].type == ZYDIS_OPERAND_TYPE_REGISTER &&
             ZydisRegisterGetId(a[n].reg.value) != ZydisRegisterGetId(b[n].reg.value)))
            return false;
    return true;
}

static const char *difference(const struct bench *b, const struct vcpu *before, unsigned vector,
                              bool native_fault, unsigned base, bool dot_product)
{
    const struct vcpu *c = b->e->c;
    const struct native_state *s = &b->n->s;
    const struct fpu *f = &c->fpu;

    if ((vector == VEC_XM) != native_fault || (vector != NO_FAULT && vector != VEC_XM))
        return "fault";
    if (native_fault) {
        if (!dot_product && !same_fault_mxcsr(f->mxcsr, b->n->fault_mxcsr))
            return "MXCSR with a fault";
        if (memcmp(f->ymm, before->fpu.ymm, sizeof(f->ymm)) ||
            memcmp(c->gpr, before->gpr, 16 * 8) || memcmp(&c->lf, &before->lf, sizeof(c->lf)))
            return "registers changed by a fault";
        return memcmp(env_ram(b->e, AT_DATA), b->page, PAGE_SIZE) ? "memory" : NULL;
    }
    if (memcmp(f->ymm, s->ymm, sizeof(f->ymm)))
        return "vector registers";
    for (unsigned n = 0; n < 16; n++)
        if (n != base && c->gpr[n] != s->gpr[n] && n != RSP)
            return "general registers";
    if (f->mxcsr != s->mxcsr)
        return "MXCSR";
    if ((s->rflags & EFLAGS_ARITH) != flags_get(&c->lf))
        return "EFLAGS";
    if (f->fcw != le16(s->fx) || f->fsw != le16(s->fx + 2) || f->ftw != s->fx[4])
        return "x87 control, status or tag word";
    for (unsigned n = 0; n < 8; n++)
        if (memcmp(f->st[n], s->fx + 32 + 16 * n, 10))
            return "x87 registers";
    return memcmp(env_ram(b->e, AT_DATA), b->page, PAGE_SIZE) ? "memory" : NULL;
}

static void report(struct bench *b, const ZydisDecodedInstruction *zi,
                   const ZydisDecodedOperand *zo, const u8 *bytes, const char *what,
                   const struct vcpu *before, unsigned vector, bool native_fault)
{
    char text[128];

    ZydisFormatterFormatInstruction(&b->fmt, zi, zo, zi->operand_count_visible, text, sizeof(text),
                                    0, NULL);
    test_failures++;
    if (b->failures++ > 20)
        return;
    fprintf(stderr, "%s (mode %u,", text, b->e->mode);
    for (unsigned n = 0; n < zi->length; n++)
        fprintf(stderr, " %02x", bytes[n]);
    fprintf(stderr,
            "): %s differ; MXCSR %x -> %x, native %x; vector %x, native %d; "
            "FCW %x FSW %x -> %x, native %x; EFLAGS %x, native %llx\n",
            what, before->fpu.mxcsr, b->e->c->fpu.mxcsr,
            native_fault ? b->n->fault_mxcsr : b->n->s.mxcsr, vector, native_fault,
            b->e->c->fpu.fcw, before->fpu.fsw, b->e->c->fpu.fsw, le16(b->n->s.fx + 2),
            flags_get(&b->e->c->lf), (unsigned long long)b->n->s.rflags);
}

static bool run_natively(struct native *n)
{
    if (sigsetjmp(n->fault, 0))
        return true;
    native_run(&n->s);
    return false;
}

static void compare_once(struct bench *b, const ZydisDecodedInstruction *zi,
                         const ZydisDecodedOperand *zo, const u8 *bytes, unsigned base)
{
    struct vcpu *before = b->before;
    const char *what;
    unsigned vector;
    bool fault;

    random_state(b);
    if (base < 16) {
        b->e->c->gpr[base] = AT_DATA + OPERAND_AT;
        b->n->s.gpr[base] = (uintptr_t)b->page + OPERAND_AT;
    }
    memcpy(before, b->e->c, offsetof(struct vcpu, tlb));
    vector = env_exec(b->e, bytes, zi->length);
    fault = run_natively(b->n);
    what = difference(b, before, vector, fault, base, is_dot_product(zi->mnemonic));
    if (what)
        report(b, zi, zo, bytes, what, before, vector, fault);
    b->runs++;
    b->faults += fault;
}

/* Those that the comparison does not suit: tested elsewhere. */
static bool is_excluded(const ZydisDecodedInstruction *zi)
{
    switch (zi->mnemonic) {
    case ZYDIS_MNEMONIC_FLDENV:
    case ZYDIS_MNEMONIC_FNSAVE:
    case ZYDIS_MNEMONIC_FNSTENV:
    case ZYDIS_MNEMONIC_FRSTOR:
    case ZYDIS_MNEMONIC_LDMXCSR:
    case ZYDIS_MNEMONIC_VLDMXCSR:
        return true;
    case ZYDIS_MNEMONIC_VZEROALL:
    case ZYDIS_MNEMONIC_VZEROUPPER: /* other registers than in 64-bit mode */
        return zi->machine_mode != ZYDIS_MACHINE_MODE_LONG_64;
    default:
        break;
    }
    switch (zi->meta.isa_set) {
    case ZYDIS_ISA_SET_FXSAVE:
    case ZYDIS_ISA_SET_FXSAVE64:
    case ZYDIS_ISA_SET_XSAVE:
    case ZYDIS_ISA_SET_XSAVEC:
    case ZYDIS_ISA_SET_XSAVEOPT:
    case ZYDIS_ISA_SET_XSAVES:
        return true;
    default:
        return false;
    }
}

static unsigned simple_base(const ZydisDecodedOperandMem *mem)
{
    ZydisRegisterClass k = ZydisRegisterGetClass(mem->base);
    unsigned id = (unsigned)ZydisRegisterGetId(mem->base);

    if (mem->segment == ZYDIS_REGISTER_CS || mem->segment == ZYDIS_REGISTER_FS ||
        mem->segment == ZYDIS_REGISTER_GS)
        return 17;
    if (mem->index != ZYDIS_REGISTER_NONE || mem->disp.value < -128 || mem->disp.value > 127 ||
        (k != ZYDIS_REGCLASS_GPR64 && k != ZYDIS_REGCLASS_GPR32) || id == RSP)
        return 17;
    return id;
}

/* The number of the memory operand's base register, 16 without, 17 if it cannot be run. */
static unsigned find_base(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo)
{
    unsigned base = 16;

    for (unsigned n = 0; n < zi->operand_count; n++)
        if (zo[n].type == ZYDIS_OPERAND_TYPE_MEMORY)
            base = simple_base(&zo[n].mem);
    if (base == 17)
        return base;
    for (unsigned n = 0; n < zi->operand_count_visible; n++) {
        unsigned id;
        ZydisRegisterClass k;
        if (zo[n].type != ZYDIS_OPERAND_TYPE_REGISTER)
            continue;
        k = ZydisRegisterGetClass(zo[n].reg.value);
        id = (unsigned)ZydisRegisterGetId(zo[n].reg.value);
        if ((k == ZYDIS_REGCLASS_GPR32 || k == ZYDIS_REGCLASS_GPR64) && (id == RSP || id == base))
            return 17;
    }
    return base;
}

static bool is_ours(struct env *e, const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo,
                    const u8 *bytes)
{
    struct insn insn = {.len = 0};
    bool flushed;

    return simd_decode(e->simd, e->c, zi, zo, bytes, &insn, &flushed);
}

static void compare(struct bench *b, const u8 *bytes, unsigned len)
{
    ZydisDecodedInstruction zi, z64;
    ZydisDecodedOperand zo[ZYDIS_MAX_OPERAND_COUNT], zo64[ZYDIS_MAX_OPERAND_COUNT];
    unsigned base;

    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&b->e->dec.mode[b->e->mode], bytes, len, &zi, zo)) ||
        !ZYAN_SUCCESS(ZydisDecoderDecodeFull(&b->e->dec.mode[MODE_64], bytes, len, &z64, zo64)) ||
        zi.mnemonic != z64.mnemonic || zi.length != z64.length || !same_operands(&zi, zo, zo64) ||
        is_excluded(&zi) || !is_ours(b->e, &zi, zo, bytes))
        return;
    base = find_base(&zi, zo);
    if (base == 17)
        return;
    native_set(b->n, bytes, zi.length);
    b->instructions++;
    for (unsigned n = 0; n < ROUNDS; n++)
        compare_once(b, &zi, zo, bytes, base);
}

static void with_modrm(struct bench *b, u8 *bytes, unsigned at, bool all)
{
    for (unsigned reg = 0; reg < 8; reg++) {
        bytes[at] = (u8)(reg << 3 | 3); /* [rBX] */
        compare(b, bytes, 15);
        bytes[at] = (u8)(0xc2 | reg << 3);
        compare(b, bytes, 15);
        for (unsigned rm = 0; all && rm < 8; rm++) {
            bytes[at] = (u8)(0xc0 | reg << 3 | rm);
            compare(b, bytes, 15);
        }
    }
}

static void legacy_opcodes(struct bench *b, unsigned map, u8 prefix, u8 rex)
{
    for (unsigned op = 0; op < 256; op++) {
        u8 bytes[16] = {0};
        unsigned n = 0;
        if (prefix)
            bytes[n++] = prefix;
        if (rex)
            bytes[n++] = rex;
        if (map)
            bytes[n++] = 0x0f;
        if (map > 1)
            bytes[n++] = map == 2 ? 0x38 : 0x3a;
        bytes[n++] = (u8)op;
        bytes[n + 1] = (u8)env_random(&b->rnd); /* an immediate */
        with_modrm(b, bytes, n, !map);
    }
}

static void vex_opcodes(struct bench *b, unsigned map, unsigned w_l_pp, bool high)
{
    for (unsigned op = 0; op < 256; op++) {
        u8 bytes[16] = {0xc4, (u8)((high ? 0x40 : 0xe0) | map)};
        for (unsigned v = 0; v < 2; v++) {
            unsigned vvvv = v == 0 ? 15 : high ? 3 : 13;
            bytes[2] = (u8)(w_l_pp | vvvv << 3);
            bytes[3] = (u8)op;
            bytes[5] = (u8)env_random(&b->rnd);
            with_modrm(b, bytes, 4, false);
        }
    }
}

static void whole_opcode_space(struct bench *b)
{
    static const u8 prefixes[] = {0, 0x66, 0xf2, 0xf3};
    bool m64 = b->e->mode == MODE_64;

    for (unsigned map = 0; map < 4; map++)
        for (unsigned p = 0; p < (map ? 4 : 1); p++)
            for (unsigned rex = 0; rex < (m64 && map ? 3 : 1); rex++)
                legacy_opcodes(b, map, prefixes[p], rex == 0 ? 0 : rex == 1 ? 0x48 : 0x45);
    for (unsigned map = 1; b->n->s.has_avx && map < 4; map++)
        for (unsigned pp = 0; pp < 4; pp++)
            for (unsigned wl = 0; wl < 4; wl++)
                for (unsigned high = 0; high < (m64 ? 2 : 1); high++)
                    vex_opcodes(b, map, (wl >> 1) << 7 | (wl & 1) << 2 | pp, high);
}

static void run_all(unsigned mode, bool unmask)
{
    struct bench b = {.e = env_new(), .n = native_new(), .rnd = 88172645463325252ull + mode};

    b.unmask = unmask;
    b.before = malloc(sizeof(*b.before));
    if (!b.before)
        abort();
    b.page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT,
                  -1, 0);
    ZydisFormatterInit(&b.fmt, ZYDIS_FORMATTER_STYLE_INTEL);
    on_fault = b.n;
    env_mode(b.e, mode);
    whole_opcode_space(&b);
    printf("%u instructions, %u runs, %u faults, %u failures\n", b.instructions, b.runs, b.faults,
           b.failures);
    CHECK(b.instructions > 2000);
    munmap(b.page, PAGE_SIZE);
    free(b.before);
    native_free(b.n);
    env_free(b.e);
}

static void test_64bit(void)
{
    run_all(MODE_64, false);
}

static void test_32bit(void)
{
    run_all(MODE_32, false);
}

static void test_unmasked_exceptions(void)
{
    run_all(MODE_64, true);
}

int main(void)
{
    static u8 stack[64 * 1024];
    stack_t alt = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction sa = {.sa_sigaction = on_sigfpe,
                           .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};

    sigaltstack(&alt, NULL);
    sigaction(SIGFPE, &sa, NULL);
    TEST_RUN(test_64bit);
    TEST_RUN(test_32bit);
    TEST_RUN(test_unmasked_exceptions);
    return test_result();
}
