/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes instructions: a sweep over opcode maps, opcodes, mandatory prefixes, REX.W or VEX.W and
 * VEX.L, ModRM.reg and register or memory forms; the rest (registers, displacements, immediates,
 * data) is random. Addresses are arranged so that memory operands lie in the data region.
 */
#include "oracle.h"

#include "x86/regs.h"

#include <string.h>

enum { MAP_1, MAP_0F, MAP_0F38, MAP_0F3A, VEX_0F, VEX_0F38, VEX_0F3A, MAPS };
#define PER_MAP (256u * 4 * 2 * 8 * 2) /* opcode, prefix, W, reg field, register or memory */

u64 gen_count(void)
{
    return (u64)MAPS * PER_MAP;
}

u64 rng_next(struct rng *r)
{
    u64 z = r->state += 0x9e3779b97f4a7c15ull;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static void add(struct test_case *t, u8 byte)
{
    t->bytes[t->len++] = byte;
}

static void add_vex(struct test_case *t, unsigned map, unsigned pp, bool w, struct rng *r,
                    bool code32)
{
    unsigned vvvv = (unsigned)rng_next(r) & 15;
    bool l = rng_next(r) & 1;

    if (rng_next(r) & 1)
        vvvv = 15; /* many forms demand it */
    add(t, 0xc4);
    add(t, (u8)((code32 ? 0xe0 : rng_next(r) & 0xe0) | (map - VEX_0F + 1)));
    add(t, (u8)(w << 7 | vvvv << 3 | l << 2 | pp));
}

static void encode(struct test_case *t, u64 n, bool code32, struct rng *r)
{
    static const u8 prefixes[4] = {0, 0x66, 0xf3, 0xf2};
    unsigned map = (unsigned)(n / PER_MAP), opcode, pp, reg;
    bool w, mem;

    n %= PER_MAP;
    mem = n & 1;
    reg = n >> 1 & 7;
    w = n >> 4 & 1;
    pp = n >> 5 & 3;
    opcode = n >> 7 & 255;
    t->len = 0;
    if (map >= VEX_0F) {
        add_vex(t, map, pp, w, r, code32);
    } else {
        if (prefixes[pp])
            add(t, prefixes[pp]);
        if (pp > 1 && rng_next(r) % 4 == 0)
            add(t, 0x66);
        if (mem && rng_next(r) % 8 == 0)
            add(t, 0xf0);
        if (!code32 && (w || rng_next(r) & 1))
            add(t, (u8)(0x40 | w << 3 | (rng_next(r) & 7)));
        if (map != MAP_1)
            add(t, 0x0f);
        if (map == MAP_0F38)
            add(t, 0x38);
        if (map == MAP_0F3A)
            add(t, 0x3a);
    }
    add(t, (u8)opcode);
    add(t, (u8)((mem ? (rng_next(r) % 3) << 6 : 0xc0) | reg << 3 | (rng_next(r) & 7)));
    while (t->len < sizeof(t->bytes))
        add(t, (u8)rng_next(r));
}

static bool excluded_mnemonic(ZydisMnemonic m)
{
    switch (m) {
    case ZYDIS_MNEMONIC_CPUID: /* answers differ by design */
    case ZYDIS_MNEMONIC_RDTSC:
    case ZYDIS_MNEMONIC_RDTSCP:
    case ZYDIS_MNEMONIC_RDPID:
    case ZYDIS_MNEMONIC_RDRAND:
    case ZYDIS_MNEMONIC_RDSEED:
    case ZYDIS_MNEMONIC_RDPRU:
    case ZYDIS_MNEMONIC_XGETBV:
    case ZYDIS_MNEMONIC_SGDT: /* emulated by the host's kernel */
    case ZYDIS_MNEMONIC_SIDT:
    case ZYDIS_MNEMONIC_SLDT:
    case ZYDIS_MNEMONIC_SMSW:
    case ZYDIS_MNEMONIC_STR:
    case ZYDIS_MNEMONIC_LAR: /* read the host's descriptor tables */
    case ZYDIS_MNEMONIC_LSL:
    case ZYDIS_MNEMONIC_VERR:
    case ZYDIS_MNEMONIC_VERW:
    case ZYDIS_MNEMONIC_RDFSBASE: /* the host's thread pointer */
    case ZYDIS_MNEMONIC_RDGSBASE:
    case ZYDIS_MNEMONIC_WRFSBASE:
    case ZYDIS_MNEMONIC_WRGSBASE:
    case ZYDIS_MNEMONIC_RDPKRU:
    case ZYDIS_MNEMONIC_WRPKRU:
    case ZYDIS_MNEMONIC_SERIALIZE:
    case ZYDIS_MNEMONIC_VMMCALL:
    case ZYDIS_MNEMONIC_VMCALL:
    case ZYDIS_MNEMONIC_POPF: /* TF */
    case ZYDIS_MNEMONIC_POPFD:
    case ZYDIS_MNEMONIC_POPFQ:
    case ZYDIS_MNEMONIC_IN:
    case ZYDIS_MNEMONIC_OUT:
    case ZYDIS_MNEMONIC_MONITORX:
    case ZYDIS_MNEMONIC_MWAITX:
    case ZYDIS_MNEMONIC_FNSAVE: /* instruction pointers that some CPUs do not store */
    case ZYDIS_MNEMONIC_FNSTENV:
    case ZYDIS_MNEMONIC_FXSAVE:
    case ZYDIS_MNEMONIC_FXSAVE64:
    case ZYDIS_MNEMONIC_FXRSTOR:
    case ZYDIS_MNEMONIC_FXRSTOR64:
        return true;
    default:
        return false;
    }
}

/* Loads of segment registers, branches, interrupts, state saving: not in isolation. */
static bool excluded(const struct test_case *t)
{
    const ZydisDecodedInstruction *zi = &t->zi;

    switch (zi->meta.category) {
    case ZYDIS_CATEGORY_CALL:
    case ZYDIS_CATEGORY_COND_BR:
    case ZYDIS_CATEGORY_UNCOND_BR:
    case ZYDIS_CATEGORY_RET:
    case ZYDIS_CATEGORY_INTERRUPT:
    case ZYDIS_CATEGORY_SYSCALL:
    case ZYDIS_CATEGORY_SYSRET:
    case ZYDIS_CATEGORY_XSAVE:
    case ZYDIS_CATEGORY_XSAVEOPT:
    case ZYDIS_CATEGORY_SEGOP:
    case ZYDIS_CATEGORY_CET:
    case ZYDIS_CATEGORY_AVX512:
    case ZYDIS_CATEGORY_KMASK:
    case ZYDIS_CATEGORY_MPX:
    case ZYDIS_CATEGORY_WAITPKG:
    case ZYDIS_CATEGORY_RDWRFSGS:
        return true;
    default:
        break;
    }
    switch (zi->meta.isa_ext) { /* not offered to guests */
    case ZYDIS_ISA_EXT_AVX_VNNI:
    case ZYDIS_ISA_EXT_GFNI:
    case ZYDIS_ISA_EXT_VAES:
    case ZYDIS_ISA_EXT_VPCLMULQDQ:
    case ZYDIS_ISA_EXT_MOVDIR:
    case ZYDIS_ISA_EXT_ENQCMD:
    case ZYDIS_ISA_EXT_RTM:
    case ZYDIS_ISA_EXT_UINTR:
    case ZYDIS_ISA_EXT_AMX_TILE:
    case ZYDIS_ISA_EXT_SNP:
    case ZYDIS_ISA_EXT_MCOMMIT:
    case ZYDIS_ISA_EXT_SVM: /* depends on what the host's hypervisor lets through */
        return true;
    default:
        break;
    }
    for (unsigned n = 0; n < zi->operand_count; n++)
        if (t->zo[n].type == ZYDIS_OPERAND_TYPE_REGISTER &&
            (t->zo[n].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) &&
            ZydisRegisterGetClass(t->zo[n].reg.value) == ZYDIS_REGCLASS_SEGMENT)
            return true;
    /* VEX.W outside 64-bit mode: ignored, say the manuals; #UD, say some CPUs. */
    if (t->code32 && zi->raw.vex.W &&
        (zi->mnemonic == ZYDIS_MNEMONIC_VPEXTRD || zi->mnemonic == ZYDIS_MNEMONIC_VPINSRD))
        return true;
    /* 0F 0D with a register: #UD on AMD, a hint on Intel. */
    if (zi->mnemonic == ZYDIS_MNEMONIC_NOP && zi->opcode == 0x0d && zi->raw.modrm.mod == 3)
        return true;
    if (zi->mnemonic == ZYDIS_MNEMONIC_CLZERO &&
        zi->raw.prefix_count) /* #UD, or the prefix ignored */
        return true;
    return excluded_mnemonic(zi->mnemonic) ||
           (zi->attributes & (ZYDIS_ATTRIB_HAS_SEGMENT_FS | ZYDIS_ATTRIB_HAS_SEGMENT_GS));
}

static u64 interesting(struct rng *r)
{
    static const u64 corner[] = {0,
                                 1,
                                 2,
                                 ~(u64)0,
                                 0x7f,
                                 0x80,
                                 0xff,
                                 0x7fff,
                                 0x8000,
                                 0x7fffffff,
                                 0x80000000,
                                 0x7fffffffffffffff,
                                 0x8000000000000000};
    u64 pick = rng_next(r);

    if (pick % 4 == 0)
        return corner[(pick >> 8) % ARRAY_SIZE(corner)];
    if (pick % 4 == 1)
        return (u64)((s64)rng_next(r) >> (pick >> 8) % 64);
    return rng_next(r);
}

/* A double or two floats of moderate size, sometimes special. */
static u64 float_bits(struct rng *r)
{
    union {
        double d;
        float f[2];
        u64 u;
    } v;
    u64 pick = rng_next(r);

    switch (pick % 8) {
    case 0:
        return rng_next(r);
    case 1:
        return (pick >> 8 & 1) << 63;
    case 2:
        return 0x7ff0000000000000ull | (pick >> 8 & 1) << 63 | (pick >> 9 & 1) << 51;
    case 3:
    case 4:
    case 5:
        v.d = (double)(s64)(rng_next(r) >> (pick >> 8) % 64) * (pick >> 14 & 1 ? 1.0 : -0.001);
        return v.u;
    default:
        v.f[0] = (float)(s32)rng_next(r) / 65536.0f;
        v.f[1] = (float)(s32)(rng_next(r) >> (pick >> 8) % 63) * 1.5f;
        return v.u;
    }
}

static void random_state(struct test_case *t, struct rng *r)
{
    struct cpu_image *in = &t->in;
    u64 mode = rng_next(r);

    memset(in, 0, sizeof(*in));
    for (unsigned n = 0; n < 16; n++)
        in->gpr[n] = interesting(r);
    in->eflags = (u32)(rng_next(r) & EFLAGS_ARITH) | EFLAGS_IF | EFLAGS_FIXED;
    if (rng_next(r) % 4 == 0)
        in->eflags |= EFLAGS_DF;
    for (unsigned n = 0; n < 16; n++)
        for (unsigned k = 0; k < 4; k++) {
            u64 v = mode & 1 ? float_bits(r) : interesting(r);
            memcpy(in->ymm[n] + 8 * k, &v, 8);
        }
    in->mxcsr = 0x1f80 | (u32)(rng_next(r) & 0x6000); /* rounding */
    if (rng_next(r) % 4 == 0)
        in->mxcsr |= (u32)rng_next(r) & 0x8040; /* FTZ, DAZ */
    if (rng_next(r) % 8 == 0)
        in->mxcsr &= ~((u32)rng_next(r) & 0x1f80); /* unmasked exceptions */
    in->fcw = (u16)(0x7f | (rng_next(r) & 0xf00));
    if (rng_next(r) % 8 == 0)
        in->fcw = (u16)(in->fcw & ~(rng_next(r) & 0x3f));
    in->fsw = (u16)(rng_next(r) & 0x7f00 & ~0x0080u);
    in->ftw = rng_next(r) % 2 ? 0xff : (u8)rng_next(r);
    for (unsigned n = 0; n < 8; n++) {
        long double v = (long double)(s64)(rng_next(r) >> rng_next(r) % 64) / 1024.0L;
        memcpy(in->st[n], &v, 10);
    }
}

static u64 *gpr_slot(struct cpu_image *in, ZydisRegister reg)
{
    ZydisRegister wide = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

    return &in->gpr[(unsigned)ZydisRegisterGetId(wide) & 15];
}

static void put_disp32(struct test_case *t, s64 disp)
{
    s32 d = (s32)disp;

    memcpy(t->bytes + t->zi.raw.disp.offset, &d, 4);
}

/* Indices 0 to 255, of the element size that the gather uses. */
static void small_indices(struct test_case *t, unsigned xmm)
{
    ZydisMnemonic m = t->zi.mnemonic;
    bool dwords = m == ZYDIS_MNEMONIC_VPGATHERDD || m == ZYDIS_MNEMONIC_VGATHERDPS ||
                  m == ZYDIS_MNEMONIC_VPGATHERDQ || m == ZYDIS_MNEMONIC_VGATHERDPD;

    for (unsigned k = 0; k < 8; k++) {
        u32 v = dwords || !(k & 1) ? t->in.ymm[xmm][4 * k] : 0;
        memcpy(t->in.ymm[xmm] + 4 * k, &v, 4);
    }
}

/* Makes the memory operand lie at `target`; false if its form allows no control. */
static bool aim(struct test_case *t, const ZydisDecodedOperand *op, u64 target)
{
    const ZydisDecodedOperandMem *m = &op->mem;
    struct cpu_image *in = &t->in;
    ZydisRegisterClass vsib = ZydisRegisterGetClass(m->index);

    if (vsib == ZYDIS_REGCLASS_XMM || vsib == ZYDIS_REGCLASS_YMM) {
        if (m->base == ZYDIS_REGISTER_NONE || m->base == ZYDIS_REGISTER_RIP)
            return false;
        small_indices(t, (unsigned)ZydisRegisterGetId(m->index));
        *gpr_slot(in, m->base) = target - (u64)m->disp.value;
        return true;
    }
    if (m->base == ZYDIS_REGISTER_RIP || m->base == ZYDIS_REGISTER_EIP) {
        put_disp32(t, (s64)(target - (in->rip + t->len)));
        return true;
    }
    if (m->base == ZYDIS_REGISTER_NONE && m->index == ZYDIS_REGISTER_NONE) {
        if (t->zi.raw.disp.size != 32)
            return false;
        put_disp32(t, (s64)target);
        return true;
    }
    if (m->base == ZYDIS_REGISTER_NONE) {
        *gpr_slot(in, m->index) = rng_next(&(struct rng){target}) & 0xff;
        put_disp32(t, (s64)(target - *gpr_slot(in, m->index) * m->scale));
        return true;
    }
    if (m->index != ZYDIS_REGISTER_NONE) {
        if (m->index == m->base)
            return false;
        *gpr_slot(in, m->index) &= 0xff;
        target -= *gpr_slot(in, m->index) * m->scale;
    }
    *gpr_slot(in, m->base) = target - (u64)m->disp.value;
    return true;
}

/* Operands in memory, visible or implied: pointers into the middle of the data. */
static bool aim_all(struct test_case *t, struct rng *r)
{
    /* Intel demands alignment of SHA's operands, AMD does not. */
    bool aligned = rng_next(r) % 4 != 0 || t->zi.meta.isa_ext == ZYDIS_ISA_EXT_SHA;

    for (unsigned n = 0; n < t->zi.operand_count; n++) {
        const ZydisDecodedOperand *op = &t->zo[n];
        u64 target = DATA_VA + DATA_SIZE / 2 + (rng_next(r) & 0x3ff);

        if (op->type != ZYDIS_OPERAND_TYPE_MEMORY || op->mem.type == ZYDIS_MEMOP_TYPE_AGEN)
            continue;
        if (t->zi.address_width == 16)
            return false;
        if (aligned)
            target &= ~(u64)63;
        if (!aim(t, op, target))
            return false;
    }
    if (t->zi.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE))
        t->in.gpr[RCX] = rng_next(r) % 20;
    return true;
}

static bool is_bit_string(const ZydisDecodedInstruction *zi)
{
    return zi->mnemonic == ZYDIS_MNEMONIC_BT || zi->mnemonic == ZYDIS_MNEMONIC_BTS ||
           zi->mnemonic == ZYDIS_MNEMONIC_BTR || zi->mnemonic == ZYDIS_MNEMONIC_BTC;
}

bool gen_case(struct test_case *t, u64 n, bool code32, struct rng *r)
{
    ZydisDecoder dec;

    if (code32)
        ZydisDecoderInit(&dec, ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32);
    else
        ZydisDecoderInit(&dec, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    t->code32 = code32;
    encode(t, n, code32, r);
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&dec, t->bytes, t->len, &t->zi, t->zo)) || excluded(t))
        return false;
    t->len = t->zi.length;
    random_state(t, r);
    t->in.rip = CODE_VA + 64 + rng_next(r) % 1024;
    for (unsigned k = 0; k < DATA_SIZE / 8; k++) {
        u64 v = k & 1 ? float_bits(r) : interesting(r);
        memcpy(t->data + 8 * k, &v, 8);
    }
    if (is_bit_string(&t->zi) && t->zo[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
        t->zo[0].type == ZYDIS_OPERAND_TYPE_MEMORY) {
        u64 *bit = gpr_slot(&t->in, t->zo[1].reg.value);
        *bit = (u64)((s64)*bit >> 50);
    }
    if (!aim_all(t, r))
        return false;
    if (code32)
        for (unsigned k = 0; k < 16; k++)
            t->in.gpr[k] = k < 8 ? (u32)t->in.gpr[k] : 0;
    if (code32)
        memset(t->in.ymm[8], 0, 8 * 32);
    /* Decoded again: a displacement may have changed. */
    return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&dec, t->bytes, t->len, &t->zi, t->zo));
}
