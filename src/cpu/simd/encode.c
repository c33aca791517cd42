/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Re-encodes guest instructions (SDM 2A chapter 2) byte by byte: prefixes that are part of the
 * opcode, REX or VEX, opcode, ModRM and immediates stay what they are; registers, ModRM.mod/rm and
 * the bits that 16- and 32-bit code cannot use are put together anew.
 */
#include "cpu/simd/encode.h"

#include <string.h>

#define HOST_MEM_REG 6u    /* RSI */
#define MODRM_RDI    0x87u /* [RDI + disp32], reg field 0 */

void emit(struct code *e, const void *bytes, unsigned n)
{
    BUG_ON(e->n + n > sizeof(e->buf));
    memcpy(e->buf + e->n, bytes, n);
    e->n += n;
}

static void emit_image_operand(struct code *e, unsigned reg, size_t offset)
{
    u32 disp = (u32)offset;

    EMIT(e, (u8)(MODRM_RDI | (reg & 7) << 3));
    emit(e, &disp, 4);
}

void emit_xmm(struct code *e, bool vex, bool ymm, bool store, unsigned reg)
{
    if (vex)
        EMIT(e, 0xc5, (u8)((reg < 8 ? 0xf8 : 0x78) | (ymm ? 4 : 0)));
    else if (reg >= 8)
        EMIT(e, 0x44, 0x0f);
    else
        EMIT(e, 0x0f);
    EMIT(e, store ? 0x11 : 0x10); /* (V)MOVUPS */
    emit_image_operand(e, reg, offsetof(struct vcpu, fpu.ymm) + 32 * reg);
}

void emit_mm(struct code *e, bool store, unsigned reg)
{
    size_t at = offsetof(struct vcpu, fpu.st) + 16 * reg;

    EMIT(e, 0x0f, store ? 0x7f : 0x6f); /* MOVQ */
    emit_image_operand(e, reg, at);
    if (store) { /* MOV word, FFFFh: sign and exponent of the x87 register */
        EMIT(e, 0x66, 0xc7);
        emit_image_operand(e, 0, at + 8);
        EMIT(e, 0xff, 0xff);
    }
}

void emit_gpr(struct code *e, bool store, unsigned host, unsigned guest)
{
    EMIT(e, 0x48, store ? 0x89 : 0x8b);
    emit_image_operand(e, host, offsetof(struct vcpu, gpr) + 8 * guest);
}

/* What goes into the register fields of the new encoding. */
struct fields {
    unsigned reg, rm, vvvv;
    bool mem;
    bool has_gpr;
    bool is4;
};

static void add_operand(struct fields *f, const ZydisDecodedOperand *o, u8 *gpr)
{
    unsigned id = 0;

    if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        f->mem = true;
        return;
    }
    if (o->type != ZYDIS_OPERAND_TYPE_REGISTER)
        return;
    id = (unsigned)ZydisRegisterGetId(o->reg.value);
    switch (ZydisRegisterGetClass(o->reg.value)) {
    case ZYDIS_REGCLASS_GPR8:
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64:
        *gpr = (u8)id;
        f->has_gpr = true;
        id = RAX;
        break;
    default:
        break;
    }
    switch (o->encoding) {
    case ZYDIS_OPERAND_ENCODING_MODRM_REG:
        f->reg = id;
        break;
    case ZYDIS_OPERAND_ENCODING_MODRM_RM:
        f->rm = id;
        break;
    case ZYDIS_OPERAND_ENCODING_NDSNDD:
        f->vvvv = id;
        break;
    case ZYDIS_OPERAND_ENCODING_IS4:
        f->is4 = true;
        break;
    default:
        break;
    }
}

static u8 mandatory_prefix(const ZydisDecodedInstruction *zi)
{
    for (unsigned i = 0; i < zi->raw.prefix_count; i++)
        if (zi->raw.prefixes[i].type == ZYDIS_PREFIX_TYPE_MANDATORY)
            return zi->raw.prefixes[i].value;
    return 0;
}

static void put_legacy(struct code *e, const ZydisDecodedInstruction *zi, const struct fields *f)
{
    u8 prefix = mandatory_prefix(zi);
    u8 rex = (u8)((zi->attributes & ZYDIS_ATTRIB_HAS_REX) && zi->raw.rex.W ? 8 : 0);

    if (prefix)
        emit(e, &prefix, 1);
    rex |= (u8)((f->reg & 8) >> 1 | (f->mem ? 0 : (f->rm & 8) >> 3));
    if (rex)
        EMIT(e, (u8)(0x40 | rex));
    switch (zi->opcode_map) {
    case ZYDIS_OPCODE_MAP_0F:
        EMIT(e, 0x0f);
        break;
    case ZYDIS_OPCODE_MAP_0F38:
        EMIT(e, 0x0f, 0x38);
        break;
    case ZYDIS_OPCODE_MAP_0F3A:
        EMIT(e, 0x0f, 0x3a);
        break;
    default:
        break;
    }
}

/* VEX.W of these chooses the width of a general register, and counts in 64-bit mode only. */
static bool w_is_ignored(const ZydisDecodedInstruction *zi, const struct fields *f)
{
    if (zi->machine_mode == ZYDIS_MACHINE_MODE_LONG_64)
        return false;
    if (f->has_gpr)
        return true;
    switch (zi->mnemonic) {
    case ZYDIS_MNEMONIC_VMOVD:
    case ZYDIS_MNEMONIC_VCVTSI2SS:
    case ZYDIS_MNEMONIC_VCVTSI2SD:
    case ZYDIS_MNEMONIC_VCVTSS2SI:
    case ZYDIS_MNEMONIC_VCVTSD2SI:
    case ZYDIS_MNEMONIC_VCVTTSS2SI:
    case ZYDIS_MNEMONIC_VCVTTSD2SI:
    case ZYDIS_MNEMONIC_VPEXTRD:
    case ZYDIS_MNEMONIC_VPINSRD:
    case ZYDIS_MNEMONIC_VPCMPESTRI:
    case ZYDIS_MNEMONIC_VPCMPESTRM:
        return true;
    default:
        return false;
    }
}

static void put_vex(struct code *e, const ZydisDecodedInstruction *zi, const u8 *bytes,
                    const struct fields *f)
{
    const u8 *vex = bytes + zi->raw.vex.offset;
    bool two = vex[0] == 0xc5;
    u8 map = two ? 1 : vex[1] & 0x1f;
    u8 last = two ? vex[1] & 0x07 : vex[2] & 0x87; /* W, L, pp */

    if (w_is_ignored(zi, f))
        last &= 0x7f;
    if (!(f->reg & 8))
        map |= 0x80;
    map |= 0x40;
    if (f->mem || !(f->rm & 8))
        map |= 0x20;
    EMIT(e, 0xc4, map, (u8)(last | (~f->vvvv & 15) << 3));
}

/* ModRM and what follows it: SIB and displacement give way, immediates stay. */
static void put_operands(struct code *e, const ZydisDecodedInstruction *zi, const u8 *bytes,
                         const struct fields *f)
{
    unsigned tail = zi->raw.modrm.offset + 1u + (zi->attributes & ZYDIS_ATTRIB_HAS_SIB ? 1 : 0) +
                    zi->raw.disp.size / 8u;
    u8 modrm = (u8)((f->reg & 7) << 3 | (f->mem ? HOST_MEM_REG : 0xc0 | (f->rm & 7)));
    u8 imm;

    emit(e, &modrm, 1);
    for (; tail < zi->length; tail++) {
        imm = bytes[tail];
        if (f->is4 && zi->machine_mode != ZYDIS_MACHINE_MODE_LONG_64)
            imm &= 0x7f;
        emit(e, &imm, 1);
    }
}

unsigned reencode(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo, const u8 *bytes,
                  u8 out[16], u8 *gpr)
{
    struct fields f = {.reg = zi->raw.modrm.reg, .rm = zi->raw.modrm.rm};
    struct code e = {.n = 0};

    *gpr = 0xff;
    for (unsigned i = 0; i < zi->operand_count; i++)
        if (zo[i].visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN)
            add_operand(&f, &zo[i], gpr);
    if (zi->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX)
        put_vex(&e, zi, bytes, &f);
    else
        put_legacy(&e, zi, &f);
    EMIT(&e, zi->opcode);
    if (zi->attributes & ZYDIS_ATTRIB_HAS_MODRM)
        put_operands(&e, zi, bytes, &f);
    BUG_ON(e.n > 15);
    memcpy(out, e.buf, e.n);
    return e.n;
}
