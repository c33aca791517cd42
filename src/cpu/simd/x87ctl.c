/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87 control instructions, EMMS, LDMXCSR and STMXCSR, VZEROUPPER and VZEROALL. FSTENV and FSAVE
 * images have four layouts, by operand size and mode (SDM 1 8.1.10); the full tag word in them is
 * computed from the registers. In real and virtual-8086 mode the pointers are linear addresses.
 */
#include "base/le.h"
#include "cpu/simd/op.h"

#define FCW_RESET 0x37fu

enum { TAG_VALID, TAG_ZERO, TAG_SPECIAL, TAG_EMPTY };

void x87_set_fcw(struct fpu *f, u16 val)
{
    f->fcw = (u16)((val & FCW_IC) | 0x40);
}

void x87_init(struct fpu *f)
{
    x87_set_top(f, 0);
    f->fcw = FCW_RESET;
    f->fsw = 0;
    f->ftw = 0;
    f->fop = 0;
    f->fip = f->fdp = 0;
    f->fcs = f->fds = 0;
}

static unsigned tag_of(const u8 st[16])
{
    u64 fraction = le64(st);
    unsigned exp = le16(st + 8) & 0x7fff;

    if (exp == 0 && fraction == 0)
        return TAG_ZERO;
    if (exp == 0 || exp == 0x7fff || !(fraction >> 63))
        return TAG_SPECIAL;
    return TAG_VALID;
}

static u16 full_tags(const struct fpu *f)
{
    unsigned tags = 0;

    for (unsigned n = 0; n < 8; n++) {
        unsigned tag = f->ftw & BIT(n) ? tag_of(f->st[(n - x87_top(f)) & 7]) : TAG_EMPTY;
        tags |= tag << (2 * n);
    }
    return (u16)tags;
}

static u8 abridged_tags(u16 full)
{
    u8 tags = 0;

    for (unsigned n = 0; n < 8; n++)
        if ((full >> (2 * n) & 3) != TAG_EMPTY)
            tags |= (u8)BIT(n);
    return tags;
}

/* Real and virtual-8086 mode: 16-bit words of linear addresses, and the opcode among them. */
static void pointers_put_real(const struct fpu *f, u8 *b, unsigned step)
{
    u32 ip = (u32)(f->fip + ((u32)f->fcs << 4)), dp = (u32)(f->fdp + ((u32)f->fds << 4));
    u32 keep = step == 4 ? 0xffffu : 0xfu; /* of the upper half */

    put_le16(b, (u16)ip);
    put_le16(b + 2 * step, (u16)dp);
    if (step == 4) {
        put_le32(b + step, (ip >> 16 & keep) << 12 | f->fop);
        put_le32(b + 3 * step, (dp >> 16 & keep) << 12);
    } else {
        put_le16(b + step, (u16)((ip >> 16 & keep) << 12 | f->fop));
        put_le16(b + 3 * step, (u16)((dp >> 16 & keep) << 12));
    }
}

static void pointers_get_real(struct fpu *f, const u8 *b, unsigned step)
{
    u32 mid = step == 4 ? le32(b + step) : le16(b + step);
    u32 top = step == 4 ? le32(b + 3 * step) : le16(b + 3 * step);

    f->fip = le16(b) | (u64)(mid >> 12 & 0xffff) << 16;
    f->fdp = le16(b + 2 * step) | (u64)(top >> 12 & 0xffff) << 16;
    f->fop = mid & 0x7ff;
    f->fcs = f->fds = 0;
}

static unsigned env_size(unsigned opsize)
{
    return opsize == 2 ? 14 : 28;
}

static void env_put(const struct vcpu *c, u8 *b, unsigned opsize)
{
    const struct fpu *f = &c->fpu;
    unsigned step = opsize == 2 ? 2 : 4;

    memset(b, 0xff, env_size(opsize));
    put_le16(b, f->fcw);
    put_le16(b + step, f->fsw);
    put_le16(b + 2 * step, full_tags(f));
    b += 3 * step;
    if (!is_protected(c)) {
        pointers_put_real(f, b, step);
    } else if (step == 2) {
        put_le16(b, (u16)f->fip);
        put_le16(b + 2, f->fcs);
        put_le16(b + 4, (u16)f->fdp);
        put_le16(b + 6, f->fds);
    } else {
        put_le32(b, (u32)f->fip);
        put_le32(b + 4, f->fcs | (u32)f->fop << 16);
        put_le32(b + 8, (u32)f->fdp);
        put_le16(b + 12, f->fds);
    }
}

static void env_get(struct vcpu *c, const u8 *b, unsigned opsize)
{
    struct fpu *f = &c->fpu;
    unsigned step = opsize == 2 ? 2 : 4;

    x87_set_fcw(f, le16(b));
    x87_set_top(f, le16(b + step) >> 11 & 7);
    f->fsw = le16(b + step);
    f->ftw = abridged_tags(le16(b + 2 * step));
    b += 3 * step;
    if (!is_protected(c)) {
        pointers_get_real(f, b, step);
    } else if (step == 2) {
        f->fip = le16(b);
        f->fcs = le16(b + 2);
        f->fdp = le16(b + 4);
        f->fds = le16(b + 6);
    } else {
        f->fip = le32(b);
        f->fcs = le16(b + 4);
        f->fop = le16(b + 6) & 0x7ff;
        f->fdp = le32(b + 8);
        f->fds = le16(b + 12);
    }
    x87_update_es(c);
}

static void fnstenv(struct vcpu *c, const struct insn *i)
{
    unsigned len = env_size(i->opsize);
    u8 image[28];
    gva_t va;

    x87_check_nm(c);
    va = insn_linear(c, i, len, true);
    env_put(c, image, i->opsize);
    lin_write_bytes(c, va, image, len, insn_how(c, i));
    c->fpu.fcw |= FCW_MASKS;
    x87_update_es(c);
}

static void fldenv(struct vcpu *c, const struct insn *i)
{
    unsigned len = env_size(i->opsize);
    u8 image[28];

    x87_check_nm(c);
    if (!x87_ready(c))
        return;
    lin_read_bytes(c, insn_linear(c, i, len, false), image, len, insn_how(c, i));
    env_get(c, image, i->opsize);
}

static void fnsave(struct vcpu *c, const struct insn *i)
{
    unsigned env = env_size(i->opsize);
    u8 image[28 + 80];
    gva_t va;

    x87_check_nm(c);
    va = insn_linear(c, i, env + 80, true);
    env_put(c, image, i->opsize);
    for (unsigned n = 0; n < 8; n++)
        memcpy(image + env + 10 * n, c->fpu.st[n], 10);
    lin_write_bytes(c, va, image, env + 80, insn_how(c, i));
    c->fpu.fcw = FCW_RESET;
    x87_update_es(c);
    x87_init(&c->fpu);
}

static void frstor(struct vcpu *c, const struct insn *i)
{
    unsigned env = env_size(i->opsize);
    u8 image[28 + 80];

    x87_check_nm(c);
    if (!x87_ready(c))
        return;
    lin_read_bytes(c, insn_linear(c, i, env + 80, false), image, env + 80, insn_how(c, i));
    env_get(c, image, i->opsize);
    for (unsigned n = 0; n < 8; n++)
        memcpy(c->fpu.st[n], image + env + 10 * n, 10);
}

static void fnstsw(struct vcpu *c, const struct insn *i)
{
    x87_check_nm(c);
    if (i->flags & INSN_MEM)
        mem_set(c, i, 2, c->fpu.fsw);
    else
        reg_set(c, RAX * 8, 2, c->fpu.fsw);
}

static void fnstcw(struct vcpu *c, const struct insn *i)
{
    x87_check_nm(c);
    mem_set(c, i, 2, c->fpu.fcw);
}

static void fldcw(struct vcpu *c, const struct insn *i)
{
    x87_check_nm(c);
    if (!x87_ready(c))
        return;
    x87_set_fcw(&c->fpu, (u16)mem_get(c, i, 2));
    x87_update_es(c);
}

static void fninit(struct vcpu *c, const struct insn *i)
{
    x87_check_nm(c);
    c->fpu.fcw = FCW_RESET;
    c->fpu.fsw &= (u16)~FCW_MASKS;
    x87_update_es(c);
    x87_init(&c->fpu);
}

static void fnclex(struct vcpu *c, const struct insn *i)
{
    x87_check_nm(c);
    c->fpu.fsw &= 0xff80; /* flags and stack fault */
    x87_update_es(c);
}

static void fwait(struct vcpu *c, const struct insn *i)
{
    if ((c->cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS))
        cpu_raise(c, VEC_NM);
    (void)!x87_ready(c); /* nothing follows either way */
}

/* FENI, FDISI and FSETPM of the 8087 and 80287: no operations since. */
static void fnop_8087(struct vcpu *c, const struct insn *i)
{
    x87_check_nm(c);
}

static void emms(struct vcpu *c, const struct insn *i)
{
    if (!mmx_ready(c))
        return;
    mmx_enter(&c->fpu);
    c->fpu.ftw = 0;
}

static void load_mxcsr(struct vcpu *c, const struct insn *i)
{
    u32 val = (u32)mem_get(c, i, 4);

    if (val & ~MXCSR_MASK)
        cpu_raise_gp0(c);
    c->fpu.mxcsr = val;
}

static void ldmxcsr(struct vcpu *c, const struct insn *i)
{
    simd_check_sse(c);
    load_mxcsr(c, i);
}

static void stmxcsr(struct vcpu *c, const struct insn *i)
{
    simd_check_sse(c);
    mem_set(c, i, 4, c->fpu.mxcsr);
}

static void vldmxcsr(struct vcpu *c, const struct insn *i)
{
    simd_check_vex(c);
    load_mxcsr(c, i);
}

static void vstmxcsr(struct vcpu *c, const struct insn *i)
{
    simd_check_vex(c);
    mem_set(c, i, 4, c->fpu.mxcsr);
}

/* Code that is not 64-bit reaches the first eight registers only. */
static void clear_ymm(struct vcpu *c, unsigned from)
{
    for (unsigned n = 0; n < (c->mode == MODE_64 ? 16 : 8); n++)
        memset(c->fpu.ymm[n] + from, 0, 32 - from);
}

static void vzeroupper(struct vcpu *c, const struct insn *i)
{
    simd_check_vex(c);
    clear_ymm(c, 16);
}

static void vzeroall(struct vcpu *c, const struct insn *i)
{
    simd_check_vex(c);
    clear_ymm(c, 0);
}

static const struct {
    u16 mnemonic;
    insn_fn *fn;
} controls[] = {
    {ZYDIS_MNEMONIC_EMMS, emms},
    {ZYDIS_MNEMONIC_FDISI8087_NOP, fnop_8087},
    {ZYDIS_MNEMONIC_FENI8087_NOP, fnop_8087},
    {ZYDIS_MNEMONIC_FLDCW, fldcw},
    {ZYDIS_MNEMONIC_FLDENV, fldenv},
    {ZYDIS_MNEMONIC_FNCLEX, fnclex},
    {ZYDIS_MNEMONIC_FNINIT, fninit},
    {ZYDIS_MNEMONIC_FNSAVE, fnsave},
    {ZYDIS_MNEMONIC_FNSTCW, fnstcw},
    {ZYDIS_MNEMONIC_FNSTENV, fnstenv},
    {ZYDIS_MNEMONIC_FNSTSW, fnstsw},
    {ZYDIS_MNEMONIC_FRSTOR, frstor},
    {ZYDIS_MNEMONIC_FSETPM287_NOP, fnop_8087},
    {ZYDIS_MNEMONIC_FWAIT, fwait},
    {ZYDIS_MNEMONIC_LDMXCSR, ldmxcsr},
    {ZYDIS_MNEMONIC_STMXCSR, stmxcsr},
    {ZYDIS_MNEMONIC_VLDMXCSR, vldmxcsr},
    {ZYDIS_MNEMONIC_VSTMXCSR, vstmxcsr},
    {ZYDIS_MNEMONIC_VZEROALL, vzeroall},
    {ZYDIS_MNEMONIC_VZEROUPPER, vzeroupper},
};

insn_fn *x87_control_fn(unsigned mnemonic)
{
    for (unsigned n = 0; n < ARRAY_SIZE(controls); n++)
        if (controls[n].mnemonic == mnemonic)
            return controls[n].fn;
    return NULL;
}
