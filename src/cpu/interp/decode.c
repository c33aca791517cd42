/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/interp/decode.h"

#include "cpu/interp/ops.h"

#include <string.h>

void decoder_init(struct decoder *d, struct simd *simd)
{
    ZydisDecoderInit(&d->mode[MODE_16], ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
    ZydisDecoderInit(&d->mode[MODE_32], ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    ZydisDecoderInit(&d->mode[MODE_64], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    d->simd = simd;
}

/* Offset into vcpu.gpr of a general register; for other classes the register's number. */
static u8 reg_offset(ZydisRegister reg)
{
    if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH)
        return (u8)((reg - ZYDIS_REGISTER_AH) * 8 + 1);
    if (reg >= ZYDIS_REGISTER_AL && reg <= ZYDIS_REGISTER_BL)
        return (u8)((reg - ZYDIS_REGISTER_AL) * 8);
    if (reg >= ZYDIS_REGISTER_SPL && reg <= ZYDIS_REGISTER_R15B)
        return (u8)((reg - ZYDIS_REGISTER_SPL + RSP) * 8);
    switch (ZydisRegisterGetClass(reg)) {
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64:
        return (u8)(ZydisRegisterGetId(reg) * 8);
    case ZYDIS_REGCLASS_IP:
        return REG_RIP;
    default:
        return reg == ZYDIS_REGISTER_NONE ? REG_ZERO : (u8)ZydisRegisterGetId(reg);
    }
}

static void set_memory(struct insn *out, const ZydisDecodedOperandMem *mem)
{
    static const u8 log2_scale[9] = {[1] = 0, [2] = 1, [4] = 2, [8] = 3};

    out->flags |= INSN_MEM;
    out->base = reg_offset(mem->base);
    out->index = ZydisRegisterGetClass(mem->index) == ZYDIS_REGCLASS_XMM ||
                         ZydisRegisterGetClass(mem->index) == ZYDIS_REGCLASS_YMM
                     ? REG_ZERO /* a vector of indices: cpu/simd looks after it */
                     : reg_offset(mem->index);
    out->scale = log2_scale[mem->scale & 15 ? mem->scale : 1];
    out->disp = mem->disp.value;
    out->seg = (u8)ZydisRegisterGetId(mem->segment);
}

/* The segment of instructions with implied memory operands: DS or the override. */
static u8 implied_segment(const ZydisDecodedInstruction *zi)
{
    if (zi->attributes & ZYDIS_ATTRIB_HAS_SEGMENT_FS)
        return SEG_FS;
    if (zi->attributes & ZYDIS_ATTRIB_HAS_SEGMENT_GS)
        return SEG_GS;
    if (zi->machine_mode == ZYDIS_MACHINE_MODE_LONG_64)
        return SEG_DS;
    if (zi->attributes & ZYDIS_ATTRIB_HAS_SEGMENT_CS)
        return SEG_CS;
    if (zi->attributes & ZYDIS_ATTRIB_HAS_SEGMENT_SS)
        return SEG_SS;
    return zi->attributes & ZYDIS_ATTRIB_HAS_SEGMENT_ES ? SEG_ES : SEG_DS;
}

static void set_register(struct insn *out, unsigned *nregs, ZydisRegister reg)
{
    u8 off = reg_offset(reg);

    if (*nregs == 0)
        out->r = off;
    else if (*nregs == 1)
        out->m = off;
    else
        out->v = off;
    (*nregs)++;
}

static void set_operands(struct insn *out, const ZydisDecodedInstruction *zi,
                         const ZydisDecodedOperand *zo)
{
    unsigned nregs = 0, nimms = 0;

    for (unsigned n = 0; n < zi->operand_count_visible; n++) {
        const ZydisDecodedOperand *op = &zo[n];
        switch (op->type) {
        case ZYDIS_OPERAND_TYPE_REGISTER:
            set_register(out, &nregs, op->reg.value);
            if (n && op->reg.value == ZYDIS_REGISTER_CL)
                out->flags |= INSN_CL;
            break;
        case ZYDIS_OPERAND_TYPE_MEMORY:
            set_memory(out, &op->mem);
            out->msize = (u8)(op->size / 8);
            break;
        case ZYDIS_OPERAND_TYPE_POINTER:
            out->imm = op->ptr.offset;
            out->imm2 = op->ptr.segment;
            break;
        default:
            *(nimms++ ? &out->imm2 : &out->imm) = op->imm.value.u;
            out->flags |= INSN_IMM;
        }
    }
}

static enum insn_form form_of(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo)
{
    ZydisOperandType a = ZYDIS_OPERAND_TYPE_UNUSED, b = a;

    if (zi->operand_count_visible > 0)
        a = zo[0].type;
    if (zi->operand_count_visible > 1)
        b = zo[1].type;
    switch (a) {
    case ZYDIS_OPERAND_TYPE_UNUSED:
        return FORM_NONE;
    case ZYDIS_OPERAND_TYPE_REGISTER:
        return b == ZYDIS_OPERAND_TYPE_UNUSED     ? FORM_R
               : b == ZYDIS_OPERAND_TYPE_REGISTER ? FORM_RR
               : b == ZYDIS_OPERAND_TYPE_MEMORY   ? FORM_RM
                                                  : FORM_RI;
    case ZYDIS_OPERAND_TYPE_MEMORY:
        return b == ZYDIS_OPERAND_TYPE_UNUSED     ? FORM_M
               : b == ZYDIS_OPERAND_TYPE_REGISTER ? FORM_MR
                                                  : FORM_MI;
    default:
        return FORM_I;
    }
}

/* The last one counts, also where the manual gives F2 no meaning. */
static u16 repeat_prefix(const ZydisDecodedInstruction *zi)
{
    u16 flag = 0;

    for (unsigned n = 0; n < zi->raw.prefix_count; n++) {
        if (zi->raw.prefixes[n].value == 0xf3)
            flag = INSN_REP;
        else if (zi->raw.prefixes[n].value == 0xf2)
            flag = INSN_REPNE;
    }
    return flag;
}

static void set_flags(struct insn *out, const ZydisDecodedInstruction *zi)
{
    if (zi->machine_mode == ZYDIS_MACHINE_MODE_LONG_64) {
        out->flags |= INSN_MODE64;
        if (out->asize == 8 && out->seg != SEG_FS && out->seg != SEG_GS)
            out->flags |= INSN_FLAT64;
    } else if (zi->machine_mode == ZYDIS_MACHINE_MODE_LEGACY_16) {
        out->flags |= INSN_MODE16;
    }
    if (zi->attributes & ZYDIS_ATTRIB_HAS_LOCK)
        out->flags |= INSN_LOCK;
    if (zi->meta.category == ZYDIS_CATEGORY_STRINGOP ||
        zi->meta.category == ZYDIS_CATEGORY_IOSTRINGOP)
        out->flags |= repeat_prefix(zi);
}

/* Mnemonics that stand for several instructions, told apart by their operands. */
static insn_fn *special(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo,
                        struct insn *out)
{
    ZydisRegisterClass a = ZYDIS_REGCLASS_INVALID, b = a;

    if (zi->operand_count_visible > 0 && zo[0].type == ZYDIS_OPERAND_TYPE_REGISTER)
        a = ZydisRegisterGetClass(zo[0].reg.value);
    if (zi->operand_count_visible > 1 && zo[1].type == ZYDIS_OPERAND_TYPE_REGISTER)
        b = ZydisRegisterGetClass(zo[1].reg.value);
    switch (zi->mnemonic) {
    case ZYDIS_MNEMONIC_MOV:
        return a == ZYDIS_REGCLASS_SEGMENT   ? op_mov_to_sreg
               : b == ZYDIS_REGCLASS_SEGMENT ? op_mov_from_sreg
               : a == ZYDIS_REGCLASS_CONTROL ? op_mov_to_cr
               : b == ZYDIS_REGCLASS_CONTROL ? op_mov_from_cr
               : a == ZYDIS_REGCLASS_DEBUG   ? op_mov_to_dr
               : b == ZYDIS_REGCLASS_DEBUG   ? op_mov_from_dr
                                             : NULL;
    case ZYDIS_MNEMONIC_PUSH:
        return a == ZYDIS_REGCLASS_SEGMENT ? op_push_sreg : NULL;
    case ZYDIS_MNEMONIC_POP:
        return a == ZYDIS_REGCLASS_SEGMENT ? op_pop_sreg : NULL;
    case ZYDIS_MNEMONIC_JMP:
        return zi->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR ? op_jmp_far : NULL;
    case ZYDIS_MNEMONIC_CALL:
        return zi->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR ? op_call_far : NULL;
    case ZYDIS_MNEMONIC_RET:
        return zi->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR ? op_ret_far : NULL;
    case ZYDIS_MNEMONIC_LES:
        out->imm2 = SEG_ES;
        return NULL;
    case ZYDIS_MNEMONIC_LDS:
        out->imm2 = SEG_DS;
        return NULL;
    case ZYDIS_MNEMONIC_LSS:
        out->imm2 = SEG_SS;
        return NULL;
    case ZYDIS_MNEMONIC_LFS:
        out->imm2 = SEG_FS;
        return NULL;
    case ZYDIS_MNEMONIC_LGS:
        out->imm2 = SEG_GS;
        return NULL;
    default:
        return NULL;
    }
}

/* On CPUs without them LZCNT and TZCNT are BSR and BSF with an ignored prefix. */
static ZydisMnemonic effective_mnemonic(const struct vcpu *c, const ZydisDecodedInstruction *zi)
{
    if (zi->mnemonic == ZYDIS_MNEMONIC_LZCNT && !vcpu_has(c, X86_LZCNT))
        return ZYDIS_MNEMONIC_BSR;
    if (zi->mnemonic == ZYDIS_MNEMONIC_TZCNT && !vcpu_has(c, X86_BMI1))
        return ZYDIS_MNEMONIC_BSF;
    return zi->mnemonic;
}

/* Encodings of other processors that share a mnemonic with ours. */
static bool is_foreign(const ZydisDecodedInstruction *zi)
{
    return zi->meta.isa_ext == ZYDIS_ISA_EXT_KNC || zi->meta.isa_ext == ZYDIS_ISA_EXT_KNCE ||
           zi->meta.isa_ext == ZYDIS_ISA_EXT_KNCV;
}

/* F3 90 with REX.B is XCHG rAX, R8 still. */
static void xchg_for_pause(struct insn *out, const ZydisDecodedInstruction *zi)
{
    out->fn = op_xchg;
    out->form = FORM_RR;
    out->size = zi->raw.rex.W ? 8 : zi->attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE ? 2 : 4;
    out->r = RAX * 8;
    out->m = R8 * 8;
}

/* MOVSD and CMPSD name a string instruction and an SSE2 one. */
static bool is_vector_twin(const ZydisDecodedInstruction *zi)
{
    return (zi->mnemonic == ZYDIS_MNEMONIC_MOVSD || zi->mnemonic == ZYDIS_MNEMONIC_CMPSD) &&
           zi->meta.category != ZYDIS_CATEGORY_STRINGOP;
}

static insn_fn *select_fn(const struct insn_desc *d, const struct insn *i)
{
    unsigned log = i->size == 1 ? 0 : i->size == 2 ? 1 : i->size == 4 ? 2 : 3;

    if (d->by_cond)
        return d->by_cond[i->cond];
    if (d->forms && (*d->forms)[i->form][log])
        return (*d->forms)[i->form][log];
    return d->fn ? d->fn : op_ud;
}

static u8 element_size(const ZydisDecodedInstruction *zi)
{
    switch (zi->mnemonic) {
    case ZYDIS_MNEMONIC_MOVSB:
    case ZYDIS_MNEMONIC_STOSB:
    case ZYDIS_MNEMONIC_LODSB:
    case ZYDIS_MNEMONIC_CMPSB:
    case ZYDIS_MNEMONIC_SCASB:
    case ZYDIS_MNEMONIC_INSB:
    case ZYDIS_MNEMONIC_OUTSB:
        return 1;
    case ZYDIS_MNEMONIC_INSD: /* also with a 64-bit operand size */
    case ZYDIS_MNEMONIC_OUTSD:
        return 4;
    default:
        return zi->operand_width / 8;
    }
}

static enum decode_result choose(struct decoder *d, struct vcpu *c,
                                 const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo,
                                 const u8 *bytes, struct insn *out)
{
    const struct insn_desc *desc = NULL;
    bool flushed = false;

    if (!is_vector_twin(zi))
        desc = insn_desc_for(effective_mnemonic(c, zi));
    if (!desc) {
        if (!simd_decode(d->simd, c, zi, zo, bytes, out, &flushed)) {
            out->fn = op_ud;
            return DECODE_END;
        }
        return flushed ? DECODE_SIMD_FULL : DECODE_OK;
    }
    if (!cpu_model_has(&c->vm->model, desc->feature) || is_foreign(zi)) {
        out->fn = op_ud;
        return DECODE_END;
    }
    if (zi->mnemonic == ZYDIS_MNEMONIC_PAUSE && zi->raw.rex.B) {
        xchg_for_pause(out, zi);
        return DECODE_OK;
    }
    out->cond = zi->opcode & 15;
    out->fn = special(zi, zo, out);
    if (out->fn == op_mov_to_cr || out->fn == op_mov_to_dr)
        return DECODE_END;
    if (!out->fn)
        out->fn = select_fn(desc, out);
    return desc->flags & DESC_END ? DECODE_END : DECODE_OK;
}

static enum decode_result raises(struct insn *out, insn_fn *fn)
{
    out->fn = fn;
    out->len = 1;
    return DECODE_END;
}

enum decode_result insn_decode(struct decoder *d, struct vcpu *c, const u8 *bytes, unsigned avail,
                               struct insn *out)
{
    ZydisDecodedInstruction zi;
    ZydisDecodedOperand zo[ZYDIS_MAX_OPERAND_COUNT];
    ZyanStatus st;

    memset(out, 0, sizeof(*out));
    out->base = out->index = REG_ZERO;
    st = ZydisDecoderDecodeFull(&d->mode[c->mode], bytes, avail, &zi, zo);
    if (st == ZYDIS_STATUS_NO_MORE_DATA)
        return avail >= INSN_MAX_BYTES ? raises(out, op_gp) : DECODE_MORE;
    if (st == ZYDIS_STATUS_INSTRUCTION_TOO_LONG)
        return raises(out, op_gp);
    if (!ZYAN_SUCCESS(st))
        return raises(out, op_ud);
    out->len = zi.length;
    out->mnemonic = (u16)zi.mnemonic;
    out->asize = zi.address_width / 8;
    out->opsize = zi.operand_width / 8;
    out->seg = implied_segment(&zi);
    set_operands(out, &zi, zo);
    set_flags(out, &zi);
    out->form = (u8)form_of(&zi, zo);
    out->size = zi.operand_count_visible ? (u8)(zo[0].size / 8) : element_size(&zi);
    if (zi.operand_count_visible > 1 && !(out->flags & INSN_MEM))
        out->msize = (u8)(zo[1].size / 8);
    return choose(d, c, &zi, zo, bytes, out);
}
