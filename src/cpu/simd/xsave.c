/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FXSAVE, FXRSTOR and the XSAVE family (SDM 1 chapter 13, 2A): state components x87, SSE and AVX,
 * standard and compacted format, the init optimisation but not the modified optimisation. IA32_XSS
 * is 0. In the compacted format AVX state is at the same place as in the standard one, because no
 * component lies before it. Code that is not 64-bit sees the first eight registers only.
 */
#include "base/le.h"
#include "cpu/simd/op.h"

/* The legacy region. */
#define LEG_FCW        0
#define LEG_FSW        2
#define LEG_FTW        4
#define LEG_FOP        6
#define LEG_FIP        8
#define LEG_FDP        16
#define LEG_MXCSR      24
#define LEG_MXCSR_MASK 28
#define LEG_ST         32
#define LEG_XMM        160
#define LEG_SIZE       512
/* The header and what follows. */
#define HDR_XSTATE_BV 512
#define HDR_XCOMP_BV  520
#define HDR_END       576
#define XSAVE_AVX     HDR_END
#define XSAVE_MAX     (XSAVE_AVX + 256)

#define XCOMP_COMPACTED BIT64(63)
#define XCR0_ALL        (XCR0_X87 | XCR0_SSE | XCR0_AVX)

static unsigned vector_regs(const struct vcpu *c)
{
    return c->mode == MODE_64 ? 16 : 8;
}

/* `wide`: the 64-bit format of the pointers (REX.W). */
static void put_x87(const struct fpu *f, u8 *b, bool wide)
{
    put_le16(b + LEG_FCW, f->fcw);
    put_le16(b + LEG_FSW, f->fsw);
    put_le16(b + LEG_FTW, f->ftw);
    put_le16(b + LEG_FOP, f->fop);
    if (wide) {
        put_le64(b + LEG_FIP, f->fip);
        put_le64(b + LEG_FDP, f->fdp);
    } else {
        put_le64(b + LEG_FIP, (u32)f->fip | (u64)f->fcs << 32);
        put_le64(b + LEG_FDP, (u32)f->fdp | (u64)f->fds << 32);
    }
    memcpy(b + LEG_ST, f->st, sizeof(f->st));
}

static void get_x87(struct vcpu *c, const u8 *b, bool wide)
{
    struct fpu *f = &c->fpu;

    x87_set_fcw(f, le16(b + LEG_FCW));
    f->fsw = le16(b + LEG_FSW);
    f->ftw = b[LEG_FTW];
    f->fop = le16(b + LEG_FOP) & 0x7ff;
    f->fip = wide ? le64(b + LEG_FIP) : le32(b + LEG_FIP);
    f->fdp = wide ? le64(b + LEG_FDP) : le32(b + LEG_FDP);
    f->fcs = wide ? 0 : le16(b + LEG_FIP + 4);
    f->fds = wide ? 0 : le16(b + LEG_FDP + 4);
    for (unsigned n = 0; n < 8; n++)
        memcpy(f->st[n], b + LEG_ST + 16 * n, 10);
    x87_update_es(c);
}

static void put_mxcsr(const struct fpu *f, u8 *b)
{
    put_le32(b + LEG_MXCSR, f->mxcsr);
    put_le32(b + LEG_MXCSR_MASK, MXCSR_MASK);
}

static void put_xmm(const struct vcpu *c, u8 *b)
{
    for (unsigned n = 0; n < vector_regs(c); n++)
        memcpy(b + LEG_XMM + 16 * n, c->fpu.ymm[n], 16);
}

static void get_xmm(struct vcpu *c, const u8 *b)
{
    for (unsigned n = 0; n < vector_regs(c); n++)
        memcpy(c->fpu.ymm[n], b + LEG_XMM + 16 * n, 16);
}

static void put_avx(const struct vcpu *c, u8 *b)
{
    for (unsigned n = 0; n < vector_regs(c); n++)
        memcpy(b + XSAVE_AVX + 16 * n, c->fpu.ymm[n] + 16, 16);
}

static void get_avx(struct vcpu *c, const u8 *b)
{
    for (unsigned n = 0; n < vector_regs(c); n++)
        memcpy(c->fpu.ymm[n] + 16, b + XSAVE_AVX + 16 * n, 16);
}

static bool is_zero(const u8 *b, size_t len) /* a multiple of 8 */
{
    u64 any = 0;

    for (size_t n = 0; n < len; n += 8)
        any |= le64(b + n);
    return any == 0;
}

/* FXSAVE and FXRSTOR. */

static gva_t fx_operand(struct vcpu *c, const struct insn *i, bool write)
{
    gva_t va;

    x87_check_nm(c);
    va = insn_linear(c, i, LEG_SIZE, write);
    if (va & 15)
        cpu_raise_gp0(c);
    return va;
}

/* AMD's fast FXSAVE leaves out the XMM registers at CPL 0. */
static bool fx_is_fast(const struct vcpu *c)
{
    return (c->efer & EFER_FFXSR) && c->cpl == 0 && c->mode == MODE_64;
}

static void fx_save(struct vcpu *c, const struct insn *i, bool wide)
{
    gva_t va = fx_operand(c, i, true);
    u8 image[LEG_SIZE] = {0};
    unsigned len = LEG_XMM;

    put_x87(&c->fpu, image, wide);
    put_mxcsr(&c->fpu, image);
    if (!fx_is_fast(c)) {
        put_xmm(c, image);
        len += 16 * vector_regs(c);
    }
    lin_probe_write(c, va, LEG_SIZE, insn_how(c, i));
    lin_write_bytes(c, va, image, len, insn_how(c, i));
}

static void fx_restore(struct vcpu *c, const struct insn *i, bool wide)
{
    gva_t va = fx_operand(c, i, false);
    u8 image[LEG_SIZE];

    lin_read_bytes(c, va, image, LEG_SIZE, insn_how(c, i));
    if (le32(image + LEG_MXCSR) & ~MXCSR_MASK)
        cpu_raise_gp0(c);
    get_x87(c, image, wide);
    c->fpu.mxcsr = le32(image + LEG_MXCSR);
    if (!fx_is_fast(c))
        get_xmm(c, image);
}

static void fxsave(struct vcpu *c, const struct insn *i)
{
    fx_save(c, i, false);
}

static void fxsave64(struct vcpu *c, const struct insn *i)
{
    fx_save(c, i, true);
}

static void fxrstor(struct vcpu *c, const struct insn *i)
{
    fx_restore(c, i, false);
}

static void fxrstor64(struct vcpu *c, const struct insn *i)
{
    fx_restore(c, i, true);
}

/* The XSAVE family. */

static u64 requested(const struct vcpu *c)
{
    return ((u32)c->gpr[RAX] | c->gpr[RDX] << 32) & c->xcr0 & XCR0_ALL;
}

/* Components not in their initial configuration (SDM 1 13.6). */
static u64 in_use(const struct vcpu *c)
{
    const struct fpu *f = &c->fpu;
    u64 use = 0;

    if (f->fcw != 0x37f || f->fsw || f->ftw || f->fop || f->fip || f->fdp || f->fcs || f->fds ||
        !is_zero(f->st[0], sizeof(f->st)))
        use |= XCR0_X87;
    for (unsigned n = 0; n < vector_regs(c); n++) {
        use |= is_zero(f->ymm[n], 16) ? 0 : XCR0_SSE;
        use |= is_zero(f->ymm[n] + 16, 16) ? 0 : XCR0_AVX;
    }
    return use;
}

/* Availability, address and alignment. The length is that of the components asked for. */
static gva_t xs_operand(struct vcpu *c, const struct insn *i, bool write)
{
    unsigned len = requested(c) & XCR0_AVX ? XSAVE_MAX : HDR_END;
    gva_t va;

    if (!(c->cr4 & CR4_OSXSAVE))
        cpu_raise_ud(c);
    if (c->cr0 & CR0_TS)
        cpu_raise(c, VEC_NM);
    va = insn_linear(c, i, len, write);
    if (va & 63)
        cpu_raise_gp0(c);
    if (write)
        lin_probe_write(c, va, len, insn_how(c, i));
    return va;
}

static void check_supervisor(struct vcpu *c)
{
    if (c->cr4 & CR4_OSXSAVE && c->cpl != 0 && !(c->cr0 & CR0_TS))
        cpu_raise_gp0(c);
}

static void write_part(struct vcpu *c, const struct insn *i, gva_t va, const u8 *image,
                       unsigned first, unsigned len)
{
    va += first;
    lin_write_bytes(c, c->long_mode ? va : (u32)va, image + first, len, insn_how(c, i));
}

/* Writes the components in `save` and, if `mxcsr`, MXCSR; nothing else of the area changes. */
static void write_components(struct vcpu *c, const struct insn *i, gva_t va, u64 save, bool mxcsr)
{
    u8 image[XSAVE_MAX];

    memset(image, 0, sizeof(image));
    if (save & XCR0_X87) {
        put_x87(&c->fpu, image, i->opsize == 8);
        write_part(c, i, va, image, 0, LEG_MXCSR);
        write_part(c, i, va, image, LEG_ST, LEG_XMM - LEG_ST);
    }
    if (mxcsr) {
        put_mxcsr(&c->fpu, image);
        write_part(c, i, va, image, LEG_MXCSR, 8);
    }
    if (save & XCR0_SSE) {
        put_xmm(c, image);
        write_part(c, i, va, image, LEG_XMM, 16 * vector_regs(c));
    }
    if (save & XCR0_AVX) {
        put_avx(c, image);
        write_part(c, i, va, image, XSAVE_AVX, 16 * vector_regs(c));
    }
}

static void write_header(struct vcpu *c, const struct insn *i, gva_t va, u64 xstate, u64 xcomp,
                         unsigned len)
{
    u8 image[HDR_END];

    put_le64(image + HDR_XSTATE_BV, xstate);
    put_le64(image + HDR_XCOMP_BV, xcomp);
    write_part(c, i, va, image, HDR_XSTATE_BV, len);
}

static void save_standard(struct vcpu *c, const struct insn *i, bool optimise)
{
    gva_t va = xs_operand(c, i, true), header = va + HDR_XSTATE_BV;
    u64 rfbm = requested(c), use = in_use(c);
    u64 old = lin_ld64(c, c->long_mode ? header : (u32)header, insn_how(c, i));

    write_components(c, i, va, optimise ? rfbm & use : rfbm, (rfbm & (XCR0_SSE | XCR0_AVX)) != 0);
    write_header(c, i, va, (old & ~rfbm) | (rfbm & use), 0, 8);
}

static void save_compacted(struct vcpu *c, const struct insn *i)
{
    gva_t va = xs_operand(c, i, true);
    u64 rfbm = requested(c), use = in_use(c);

    if (c->fpu.mxcsr != MXCSR_RESET) /* part of the SSE component here */
        use |= XCR0_SSE;
    write_components(c, i, va, rfbm & use, (rfbm & use & XCR0_SSE) != 0);
    write_header(c, i, va, rfbm & use, rfbm | XCOMP_COMPACTED, 16);
}

static void xsave(struct vcpu *c, const struct insn *i)
{
    save_standard(c, i, false);
}

static void xsaveopt(struct vcpu *c, const struct insn *i)
{
    save_standard(c, i, true);
}

static void xsavec(struct vcpu *c, const struct insn *i)
{
    save_compacted(c, i);
}

static void xsaves(struct vcpu *c, const struct insn *i)
{
    check_supervisor(c);
    save_compacted(c, i);
}

static bool header_is_valid(const struct vcpu *c, const u8 *b, bool compacted)
{
    u64 xstate = le64(b + HDR_XSTATE_BV), xcomp = le64(b + HDR_XCOMP_BV);

    if (!compacted)
        return !(xstate & ~c->xcr0) && is_zero(b + HDR_XCOMP_BV, 16);
    return !(xcomp & ~XCOMP_COMPACTED & ~c->xcr0) && !(xstate & ~xcomp) &&
           !(xstate & XCOMP_COMPACTED) && is_zero(b + HDR_XCOMP_BV + 8, HDR_END - HDR_XCOMP_BV - 8);
}

static void restore_x87(struct vcpu *c, const u8 *b, bool wide, bool init)
{
    if (!init) {
        get_x87(c, b, wide);
        return;
    }
    x87_init(&c->fpu);
    memset(c->fpu.st, 0, sizeof(c->fpu.st));
    x87_update_es(c);
}

/* Loads the components of `rfbm` that the header says are there, initialises the others. */
static void load_components(struct vcpu *c, const u8 *b, u64 rfbm, u64 xstate, bool wide)
{
    const u8 zero[XSAVE_MAX] = {0};

    if (rfbm & XCR0_X87)
        restore_x87(c, b, wide, !(xstate & XCR0_X87));
    if (rfbm & XCR0_SSE)
        get_xmm(c, xstate & XCR0_SSE ? b : zero);
    if (rfbm & XCR0_AVX)
        get_avx(c, xstate & XCR0_AVX ? b : zero);
}

static void restore(struct vcpu *c, const struct insn *i, bool supervisor)
{
    gva_t va = xs_operand(c, i, false);
    u64 rfbm = requested(c), xstate;
    bool compacted, loads_mxcsr;
    u8 image[XSAVE_MAX];
    u32 mxcsr;

    lin_read_bytes(c, va, image, rfbm & XCR0_AVX ? XSAVE_MAX : HDR_END, insn_how(c, i));
    xstate = le64(image + HDR_XSTATE_BV);
    compacted = le64(image + HDR_XCOMP_BV) & XCOMP_COMPACTED;
    if (compacted ? !vcpu_has(c, X86_XSAVEC) && !supervisor : supervisor)
        cpu_raise_gp0(c);
    if (!header_is_valid(c, image, compacted))
        cpu_raise_gp0(c);
    mxcsr = le32(image + LEG_MXCSR);
    if (compacted) { /* MXCSR belongs to the SSE component; else to SSE and AVX, always loaded */
        loads_mxcsr = rfbm & XCR0_SSE;
        if (!(xstate & XCR0_SSE))
            mxcsr = MXCSR_RESET;
    } else {
        loads_mxcsr = rfbm & (XCR0_SSE | XCR0_AVX);
    }
    if (loads_mxcsr && (mxcsr & ~MXCSR_MASK))
        cpu_raise_gp0(c);
    if (loads_mxcsr)
        c->fpu.mxcsr = mxcsr;
    load_components(c, image, rfbm, xstate, i->opsize == 8);
}

static void xrstor(struct vcpu *c, const struct insn *i)
{
    restore(c, i, false);
}

static void xrstors(struct vcpu *c, const struct insn *i)
{
    check_supervisor(c);
    restore(c, i, true);
}

static const struct {
    u16 mnemonic;
    insn_fn *fn;
} family[] = {
    {ZYDIS_MNEMONIC_FXSAVE, fxsave},     {ZYDIS_MNEMONIC_FXSAVE64, fxsave64},
    {ZYDIS_MNEMONIC_FXRSTOR, fxrstor},   {ZYDIS_MNEMONIC_FXRSTOR64, fxrstor64},
    {ZYDIS_MNEMONIC_XSAVE, xsave},       {ZYDIS_MNEMONIC_XSAVE64, xsave},
    {ZYDIS_MNEMONIC_XSAVEOPT, xsaveopt}, {ZYDIS_MNEMONIC_XSAVEOPT64, xsaveopt},
    {ZYDIS_MNEMONIC_XSAVEC, xsavec},     {ZYDIS_MNEMONIC_XSAVEC64, xsavec},
    {ZYDIS_MNEMONIC_XSAVES, xsaves},     {ZYDIS_MNEMONIC_XSAVES64, xsaves},
    {ZYDIS_MNEMONIC_XRSTOR, xrstor},     {ZYDIS_MNEMONIC_XRSTOR64, xrstor},
    {ZYDIS_MNEMONIC_XRSTORS, xrstors},   {ZYDIS_MNEMONIC_XRSTORS64, xrstors},
};

insn_fn *simd_xsave_fn(unsigned mnemonic)
{
    for (unsigned n = 0; n < ARRAY_SIZE(family); n++)
        if (family[n].mnemonic == mnemonic)
            return family[n].fn;
    return NULL;
}
