/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes the thunk of an instruction: loads of what it reads, the instruction, stores of what it
 * writes. Legacy SSE instructions are surrounded by legacy loads and stores of XMM registers, VEX
 * ones by VEX ones and VZEROUPPER, so that the host never mixes the two.
 */
#include "cpu/simd/encode.h"

#include <string.h>

#define ACTION_READS                                                                               \
    (ZYDIS_OPERAND_ACTION_READ | ZYDIS_OPERAND_ACTION_CONDREAD | ZYDIS_OPERAND_ACTION_CONDWRITE)
#define ACTION_WRITES (ZYDIS_OPERAND_ACTION_WRITE | ZYDIS_OPERAND_ACTION_CONDWRITE)

/* struct simd_io from R8 on. */
#define IO_MXCSR    ((u8)offsetof(struct simd_io, mxcsr))
#define IO_HOST     ((u8)offsetof(struct simd_io, host_mxcsr))
#define IO_UNMASKED ((u8)offsetof(struct simd_io, unmasked))
#define IO_RFLAGS   ((u8)offsetof(struct simd_io, rflags))
#define IO_IMAGE    ((u8)offsetof(struct simd_io, image))

bool simd_is_vex(const ZydisDecodedInstruction *zi)
{
    return zi->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
}

const ZydisDecodedOperand *simd_mem_operand(const ZydisDecodedInstruction *zi,
                                            const ZydisDecodedOperand *zo)
{
    for (unsigned i = 0; i < zi->operand_count; i++)
        if (zo[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
            return &zo[i];
    return NULL;
}

static ZydisRegisterClass reg_class(const ZydisDecodedOperand *o)
{
    if (o->type != ZYDIS_OPERAND_TYPE_REGISTER)
        return ZYDIS_REGCLASS_INVALID;
    return ZydisRegisterGetClass(o->reg.value);
}

/* Instructions whose results or faults depend on MXCSR. */
bool simd_uses_mxcsr(const ZydisDecodedInstruction *zi)
{
    switch (zi->meta.exception_class) {
    case ZYDIS_EXCEPTION_CLASS_SSE2:
    case ZYDIS_EXCEPTION_CLASS_SSE3:
    case ZYDIS_EXCEPTION_CLASS_AVX2:
    case ZYDIS_EXCEPTION_CLASS_AVX3:
    case ZYDIS_EXCEPTION_CLASS_AVX11:
        return true;
    default:
        break;
    }
    switch (zi->mnemonic) {
    case ZYDIS_MNEMONIC_CVTPI2PS:
    case ZYDIS_MNEMONIC_CVTPS2PI:
    case ZYDIS_MNEMONIC_CVTTPS2PI:
    case ZYDIS_MNEMONIC_CVTPD2PI:
    case ZYDIS_MNEMONIC_CVTTPD2PI:
        return true;
    default:
        return false;
    }
}

bool simd_unaligned_allowed(unsigned mnemonic)
{
    switch (mnemonic) {
    case ZYDIS_MNEMONIC_LDDQU:
    case ZYDIS_MNEMONIC_MOVDQU:
    case ZYDIS_MNEMONIC_MOVUPD:
    case ZYDIS_MNEMONIC_MOVUPS:
    case ZYDIS_MNEMONIC_PCMPESTRI:
    case ZYDIS_MNEMONIC_PCMPESTRM:
    case ZYDIS_MNEMONIC_PCMPISTRI:
    case ZYDIS_MNEMONIC_PCMPISTRM:
        return true;
    default:
        return false;
    }
}

static u16 flags_of_operands(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo)
{
    u16 flags = 0;

    for (unsigned i = 0; i < zi->operand_count; i++) {
        switch (reg_class(&zo[i])) {
        case ZYDIS_REGCLASS_MMX:
            flags |= OP_MMX;
            break;
        case ZYDIS_REGCLASS_XMM:
            flags |= simd_is_vex(zi) ? 0 : OP_XMM;
            break;
        case ZYDIS_REGCLASS_YMM:
            flags |= OP_YMM;
            break;
        default:
            break;
        }
    }
    return flags;
}

static u16 op_flags(const struct vcpu *c, const ZydisDecodedInstruction *zi,
                    const ZydisDecodedOperand *zo)
{
    const ZydisDecodedOperand *mem = simd_mem_operand(zi, zo);
    const ZydisAccessedFlags *f = zi->cpu_flags;
    u16 flags = flags_of_operands(zi, zo);

    if (simd_is_vex(zi))
        flags |= OP_VEX;
    if (zi->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT)
        flags |= OP_X87;
    else if (simd_uses_mxcsr(zi))
        flags |= OP_FP;
    if (zi->mnemonic == ZYDIS_MNEMONIC_VCVTPS2PH)
        flags |= OP_HALF;
    /* Intel: this one goes over to MMX state with a memory operand too. */
    if (zi->mnemonic == ZYDIS_MNEMONIC_CVTPI2PS && strcmp(c->vm->model.vendor, "AuthenticAMD") != 0)
        flags |= OP_MMX;
    if (mem && (mem->actions & ZYDIS_OPERAND_ACTION_MASK_READ))
        flags |= OP_LOAD;
    if (mem && (mem->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
        flags |= OP_STORE;
    if (f && (f->modified | f->set_0 | f->set_1 | f->undefined))
        flags |= OP_EFLAGS;
    if (f && f->tested)
        flags |= OP_EFLAGS_IN;
    return flags;
}

static u8 op_align(const struct simd_op *op, const ZydisDecodedInstruction *zi)
{
    if (op->flags & OP_VEX)
        return (u8)(zi->meta.exception_class == ZYDIS_EXCEPTION_CLASS_AVX1 ? op->size - 1 : 0);
    return op->size == 16 && !simd_unaligned_allowed(zi->mnemonic) ? 15 : 0;
}

static void emit_loads(struct code *e, const struct simd_op *op, const ZydisDecodedInstruction *zi,
                       const ZydisDecodedOperand *zo)
{
    bool vex = op->flags & OP_VEX;

    for (unsigned i = 0; i < zi->operand_count; i++) {
        unsigned id = (unsigned)(zo[i].type == ZYDIS_OPERAND_TYPE_REGISTER
                                     ? ZydisRegisterGetId(zo[i].reg.value)
                                     : 0);
        switch (reg_class(&zo[i])) {
        case ZYDIS_REGCLASS_XMM: /* legacy writes may be partial: load all */
            if (!vex || (zo[i].actions & ACTION_READS))
                emit_xmm(e, vex, op->flags & OP_YMM, false, id); /* XMMn may be used as YMMn too */
            break;
        case ZYDIS_REGCLASS_YMM:
            if (zo[i].actions & ACTION_READS)
                emit_xmm(e, true, true, false, id);
            break;
        case ZYDIS_REGCLASS_MMX:
            emit_mm(e, false, id);
            break;
        case ZYDIS_REGCLASS_GPR32:
        case ZYDIS_REGCLASS_GPR64:
            if (zo[i].visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN)
                emit_gpr(e, false, id, id);
            else
                emit_gpr(e, false, RAX, id);
            break;
        default:
            break;
        }
    }
}

static void emit_stores(struct code *e, const struct simd_op *op, const ZydisDecodedInstruction *zi,
                        const ZydisDecodedOperand *zo)
{
    bool vex = op->flags & OP_VEX;

    for (unsigned i = 0; i < zi->operand_count; i++) {
        unsigned id;
        if (zo[i].type != ZYDIS_OPERAND_TYPE_REGISTER || !(zo[i].actions & ACTION_WRITES))
            continue;
        id = (unsigned)ZydisRegisterGetId(zo[i].reg.value);
        switch (reg_class(&zo[i])) {
        case ZYDIS_REGCLASS_XMM:
        case ZYDIS_REGCLASS_YMM: /* VEX.128 has cleared the upper half: store it too */
            emit_xmm(e, vex, vex, true, id);
            break;
        case ZYDIS_REGCLASS_MMX:
            emit_mm(e, true, id);
            break;
        case ZYDIS_REGCLASS_GPR32:
        case ZYDIS_REGCLASS_GPR64:
            if (zo[i].visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN)
                emit_gpr(e, true, id, id);
            else
                emit_gpr(e, true, RAX, id);
            break;
        default:
            break;
        }
    }
}

static void emit_flags_out(struct code *e)
{
    EMIT(e, 0x9c, 0x41, 0x8f, 0x40, IO_RFLAGS); /* PUSHF; POP [R8 + …] */
}

/* After the instruction: takes MXCSR, gives the host's back. With an unmasked exception, skips the
   stores; returns where the jump's offset is to be put. */
static unsigned emit_fp_check(struct code *e)
{
    EMIT(e, 0x41, 0x0f, 0xae, 0x58, IO_MXCSR); /* STMXCSR [R8 + …] */
    EMIT(e, 0x41, 0x0f, 0xae, 0x50, IO_HOST);  /* LDMXCSR */
    EMIT(e, 0x45, 0x8b, 0x48, IO_MXCSR);       /* MOV R9D, [R8 + …] */
    EMIT(e, 0x45, 0x85, 0x48, IO_UNMASKED);    /* TEST [R8 + …], R9D */
    EMIT(e, 0x75, 0x00);                       /* JNZ */
    return e->n;
}

static void emit_fp_commit(struct code *e)
{
    u32 disp = (u32)offsetof(struct vcpu, fpu.mxcsr);

    EMIT(e, 0x41, 0x83, 0xe1, MXCSR_FLAGS); /* AND R9D, 3Fh */
    EMIT(e, 0x44, 0x09, 0x8f);              /* OR [RDI + …], R9D */
    emit(e, &disp, 4);
}

static void make_vector(struct code *e, const struct simd_op *op, const ZydisDecodedInstruction *zi,
                        const ZydisDecodedOperand *zo)
{
    unsigned skip = 0;

    if (op->flags & (OP_FP | OP_EFLAGS))
        EMIT(e, 0x49, 0x89, 0xd0); /* MOV R8, RDX */
    emit_loads(e, op, zi, zo);
    if (op->flags & OP_FP)
        EMIT(e, 0x41, 0x0f, 0xae, 0x50, IO_MXCSR); /* LDMXCSR [R8 + …] */
    emit(e, op->bytes, op->len);
    if (op->flags & OP_EFLAGS)
        emit_flags_out(e);
    if (op->flags & OP_FP)
        skip = emit_fp_check(e);
    emit_stores(e, op, zi, zo);
    if (skip) {
        emit_fp_commit(e);
        BUG_ON(e->n - skip > 127);
        e->buf[skip - 1] = (u8)(e->n - skip);
    }
    if (op->flags & OP_VEX)
        EMIT(e, 0xc5, 0xf8, 0x77); /* VZEROUPPER */
    if (op->flags & OP_MMX)
        EMIT(e, 0x0f, 0x77); /* EMMS */
}

static void make_x87(struct code *e, const struct simd_op *op)
{
    EMIT(e, 0x49, 0x89, 0xd0);                 /* MOV R8, RDX */
    EMIT(e, 0x49, 0x0f, 0xae, 0x48, IO_IMAGE); /* FXRSTOR64 [R8 + …] */
    if (op->flags & (OP_EFLAGS | OP_EFLAGS_IN))
        EMIT(e, 0x41, 0xff, 0x70, IO_RFLAGS, 0x9d); /* PUSH [R8 + …]; POPF */
    emit(e, op->bytes, op->len);
    if (op->flags & OP_EFLAGS)
        emit_flags_out(e);
    EMIT(e, 0x49, 0x0f, 0xae, 0x40, IO_IMAGE); /* FXSAVE64 [R8 + …] */
    EMIT(e, 0xdb, 0xe3);                       /* FNINIT */
    EMIT(e, 0x41, 0x0f, 0xae, 0x50, IO_HOST);  /* LDMXCSR [R8 + …] */
}

const struct simd_op *simd_thunk(struct simd *s, const struct vcpu *c,
                                 const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo,
                                 const u8 *bytes, bool *flushed)
{
    const ZydisDecodedOperand *mem = simd_mem_operand(zi, zo);
    struct simd_op key = {.flags = op_flags(c, zi, zo)};
    struct code e = {.n = 0};
    const struct simd_op *op;

    key.size = (u8)(mem ? mem->size / 8 : 0);
    key.align = op_align(&key, zi);
    key.len = (u8)reencode(zi, zo, bytes, key.bytes, &key.gpr);
    if (key.flags & OP_X87)
        key.fop = (u16)((zi->opcode & 7) << 8 | bytes[zi->raw.modrm.offset]);
    op = simd_op_find(s, &key);
    if (op)
        return op;
    if (key.flags & OP_HALF)
        key.half_dst = (u8)(mem ? 0 : ZydisRegisterGetId(zo[0].reg.value));
    if (key.flags & OP_X87)
        make_x87(&e, &key);
    else
        make_vector(&e, &key, zi, zo);
    EMIT(&e, 0xc3); /* RET */
    return simd_op_add(s, &key, e.buf, e.n, flushed);
}
