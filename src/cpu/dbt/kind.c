/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/dbt/kind.h"

/* ModRM instructions without anything special about them. */
static bool is_general(unsigned mnemonic)
{
    switch (mnemonic) {
    case ZYDIS_MNEMONIC_ADD:
    case ZYDIS_MNEMONIC_ADC:
    case ZYDIS_MNEMONIC_SUB:
    case ZYDIS_MNEMONIC_SBB:
    case ZYDIS_MNEMONIC_AND:
    case ZYDIS_MNEMONIC_OR:
    case ZYDIS_MNEMONIC_XOR:
    case ZYDIS_MNEMONIC_CMP:
    case ZYDIS_MNEMONIC_TEST:
    case ZYDIS_MNEMONIC_INC:
    case ZYDIS_MNEMONIC_DEC:
    case ZYDIS_MNEMONIC_NEG:
    case ZYDIS_MNEMONIC_NOT:
    case ZYDIS_MNEMONIC_MOV:
    case ZYDIS_MNEMONIC_MOVZX:
    case ZYDIS_MNEMONIC_MOVSX:
    case ZYDIS_MNEMONIC_MOVSXD:
    case ZYDIS_MNEMONIC_SHL:
    case ZYDIS_MNEMONIC_SHR:
    case ZYDIS_MNEMONIC_SAR:
    case ZYDIS_MNEMONIC_ROL:
    case ZYDIS_MNEMONIC_ROR:
    case ZYDIS_MNEMONIC_RCL:
    case ZYDIS_MNEMONIC_RCR:
    case ZYDIS_MNEMONIC_SHLD:
    case ZYDIS_MNEMONIC_SHRD:
    case ZYDIS_MNEMONIC_IMUL:
    case ZYDIS_MNEMONIC_MUL:
    case ZYDIS_MNEMONIC_BSF:
    case ZYDIS_MNEMONIC_BSR:
    case ZYDIS_MNEMONIC_POPCNT:
    case ZYDIS_MNEMONIC_ANDN:
    case ZYDIS_MNEMONIC_BEXTR:
    case ZYDIS_MNEMONIC_BLSI:
    case ZYDIS_MNEMONIC_BLSMSK:
    case ZYDIS_MNEMONIC_BLSR:
    case ZYDIS_MNEMONIC_BZHI:
    case ZYDIS_MNEMONIC_PDEP:
    case ZYDIS_MNEMONIC_PEXT:
    case ZYDIS_MNEMONIC_MULX:
    case ZYDIS_MNEMONIC_RORX:
    case ZYDIS_MNEMONIC_SHLX:
    case ZYDIS_MNEMONIC_SHRX:
    case ZYDIS_MNEMONIC_SARX:
    case ZYDIS_MNEMONIC_ADCX:
    case ZYDIS_MNEMONIC_ADOX:
    case ZYDIS_MNEMONIC_CRC32:
    case ZYDIS_MNEMONIC_MOVBE:
    case ZYDIS_MNEMONIC_XADD:
    case ZYDIS_MNEMONIC_CMPXCHG:
        return true;
    default:
        return false;
    }
}

static bool is_cond(unsigned mnemonic, ZydisMnemonic first, ZydisMnemonic last)
{
    return mnemonic >= (unsigned)first && mnemonic <= (unsigned)last;
}

static bool is_setcc(unsigned m)
{
    return is_cond(m, ZYDIS_MNEMONIC_SETB, ZYDIS_MNEMONIC_SETZ) && m != ZYDIS_MNEMONIC_SETSSBSY;
}

static bool is_cmovcc(unsigned m)
{
    return is_cond(m, ZYDIS_MNEMONIC_CMOVB, ZYDIS_MNEMONIC_CMOVZ);
}

static bool is_jcc(unsigned m)
{
    switch (m) {
    case ZYDIS_MNEMONIC_JO:
    case ZYDIS_MNEMONIC_JNO:
    case ZYDIS_MNEMONIC_JB:
    case ZYDIS_MNEMONIC_JNB:
    case ZYDIS_MNEMONIC_JZ:
    case ZYDIS_MNEMONIC_JNZ:
    case ZYDIS_MNEMONIC_JBE:
    case ZYDIS_MNEMONIC_JNBE:
    case ZYDIS_MNEMONIC_JS:
    case ZYDIS_MNEMONIC_JNS:
    case ZYDIS_MNEMONIC_JP:
    case ZYDIS_MNEMONIC_JNP:
    case ZYDIS_MNEMONIC_JL:
    case ZYDIS_MNEMONIC_JNL:
    case ZYDIS_MNEMONIC_JLE:
    case ZYDIS_MNEMONIC_JNLE:
        return true;
    default:
        return false;
    }
}

/* Instructions that address no explicit operand and may run as they are. */
static bool is_plain(unsigned mnemonic)
{
    switch (mnemonic) {
    case ZYDIS_MNEMONIC_CBW:
    case ZYDIS_MNEMONIC_CWDE:
    case ZYDIS_MNEMONIC_CDQE:
    case ZYDIS_MNEMONIC_CWD:
    case ZYDIS_MNEMONIC_CDQ:
    case ZYDIS_MNEMONIC_CQO:
    case ZYDIS_MNEMONIC_CLC:
    case ZYDIS_MNEMONIC_STC:
    case ZYDIS_MNEMONIC_CMC:
    case ZYDIS_MNEMONIC_LAHF:
    case ZYDIS_MNEMONIC_SAHF:
    case ZYDIS_MNEMONIC_MFENCE:
    case ZYDIS_MNEMONIC_LFENCE:
    case ZYDIS_MNEMONIC_SFENCE:
        return true;
    default:
        return false;
    }
}

static bool is_nop(unsigned mnemonic)
{
    switch (mnemonic) {
    case ZYDIS_MNEMONIC_NOP:
    case ZYDIS_MNEMONIC_ENDBR32:
    case ZYDIS_MNEMONIC_ENDBR64:
    case ZYDIS_MNEMONIC_PREFETCHNTA:
    case ZYDIS_MNEMONIC_PREFETCHT0:
    case ZYDIS_MNEMONIC_PREFETCHT1:
    case ZYDIS_MNEMONIC_PREFETCHT2:
    case ZYDIS_MNEMONIC_PREFETCHW:
        return true;
    default:
        return false;
    }
}

static bool set(struct xinsn *x, enum xkind kind)
{
    x->kind = (u8)kind;
    return true;
}

static bool set_end(struct xinsn *x, enum xkind kind)
{
    x->kind = (u8)kind;
    x->end = true;
    return true;
}

/* Branches of the size that the mode has by itself. */
static bool branch(struct xinsn *x, u32 key, const ZydisDecodedInstruction *zi)
{
    bool wide = (key & KEY_MODE) == MODE_64;
    bool full = x->opsize == (wide ? 8 : 4);
    bool relative = zi->raw.imm[0].is_relative;

    if (!full || zi->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
        return false;
    switch (zi->mnemonic) {
    case ZYDIS_MNEMONIC_JMP:
        return set_end(x, relative ? X_JMP : X_JMP_IND);
    case ZYDIS_MNEMONIC_CALL:
        return (key & KEY_STACK) && set_end(x, relative ? X_CALL : X_CALL_IND);
    case ZYDIS_MNEMONIC_RET:
        return (key & KEY_STACK) && set_end(x, X_RET);
    case ZYDIS_MNEMONIC_LOOP:
        return x->mem.asize >= 4 && set_end(x, X_LOOP);
    case ZYDIS_MNEMONIC_JECXZ:
    case ZYDIS_MNEMONIC_JRCXZ:
        return set_end(x, X_JRCXZ);
    default:
        return is_jcc(zi->mnemonic) && set(x, X_JCC);
    }
}

static bool stack(struct xinsn *x, u32 key)
{
    bool wide = (key & KEY_MODE) == MODE_64;

    if (!(key & KEY_STACK) || x->opsize != (wide ? 8 : 4))
        return false;
    switch (x->mnemonic) {
    case ZYDIS_MNEMONIC_PUSH:
        if (x->has_mem)
            return set(x, X_PUSH_M);
        if (x->op.n == NO_REG && x->rm.n == NO_REG && !x->imm_len)
            return false; /* a segment register */
        return set(x, x->op.n == NO_REG && x->rm.n == NO_REG ? X_PUSH_I : X_PUSH_R);
    case ZYDIS_MNEMONIC_POP:
        if (x->has_mem || (x->op.n == NO_REG && x->rm.n == NO_REG))
            return false;
        return set(x, X_POP_R);
    case ZYDIS_MNEMONIC_LEAVE:
        return set(x, X_LEAVE);
    default:
        return false;
    }
}

static bool bit_test(struct xinsn *x)
{
    if (!x->has_mem || x->imm_len)
        return set(x, X_GEN);
    return x->opsize >= 4 && set(x, X_BIT_MEM);
}

static bool move(struct xinsn *x, const ZydisDecodedInstruction *zi)
{
    if (zi->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && zi->opcode >= 0xa0 && zi->opcode <= 0xa3)
        return set(x, X_MOFFS);
    if (x->op.n != NO_REG)
        return set(x, X_MOV_IMM);
    if (zi->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && zi->opcode == 0x8c)
        return set(x, X_MOV_SREG);
    return set(x, X_GEN);
}

static bool exchange(struct xinsn *x)
{
    if (x->op.n != NO_REG)
        return set(x, X_XCHG_ACC);
    if (x->has_mem)
        x->lock = false; /* implied */
    return set(x, X_GEN);
}

static bool access_rights(struct xinsn *x, u32 key)
{
    bool set_ac = x->mnemonic == ZYDIS_MNEMONIC_STAC;

    if ((key & KEY_MODE) != MODE_64 || !(key & KEY_CPL0))
        return false;
    if (set_ac == (KEY_ROW(key) == MMU_SUPER))
        return set(x, X_EFLAG);
    return set_end(x, X_RIGHTS);
}

/* Repeated ones are the interpreter's. */
static bool string(struct xinsn *x, const ZydisDecodedInstruction *zi)
{
    for (unsigned n = 0; n < zi->raw.prefix_count; n++)
        if ((zi->raw.prefixes[n].value & ~1u) == 0xf2)
            return false;
    return set(x, X_STRING);
}

static bool special(struct xinsn *x, u32 key, const ZydisDecodedInstruction *zi)
{
    switch (zi->mnemonic) {
    case ZYDIS_MNEMONIC_MOV:
        return move(x, zi);
    case ZYDIS_MNEMONIC_LEA:
        return x->mem.asize >= 4 && x->opsize >= 4 && set(x, X_LEA);
    case ZYDIS_MNEMONIC_BSWAP:
        return x->opsize >= 4 && set(x, X_BSWAP);
    case ZYDIS_MNEMONIC_XCHG:
        return exchange(x);
    case ZYDIS_MNEMONIC_BT:
    case ZYDIS_MNEMONIC_BTS:
    case ZYDIS_MNEMONIC_BTR:
    case ZYDIS_MNEMONIC_BTC:
        return bit_test(x);
    case ZYDIS_MNEMONIC_DIV:
    case ZYDIS_MNEMONIC_IDIV:
        return x->opsize >= 4 && set(x, X_DIV);
    case ZYDIS_MNEMONIC_CMPXCHG8B:
        return set(x, X_GEN);
    case ZYDIS_MNEMONIC_CMPXCHG16B:
        x->mem.align = 15;
        return set(x, X_GEN);
    case ZYDIS_MNEMONIC_CLI:
        return (key & KEY_CPL0) && set(x, X_EFLAG);
    case ZYDIS_MNEMONIC_CLD:
    case ZYDIS_MNEMONIC_STD:
        return set(x, X_EFLAG);
    case ZYDIS_MNEMONIC_STI:
        return (key & KEY_CPL0) && set(x, X_STI);
    case ZYDIS_MNEMONIC_SWAPGS:
        return (key & KEY_CPL0) && set(x, X_SWAPGS);
    case ZYDIS_MNEMONIC_STAC:
    case ZYDIS_MNEMONIC_CLAC:
        return access_rights(x, key);
    case ZYDIS_MNEMONIC_PUSHFD:
    case ZYDIS_MNEMONIC_PUSHFQ:
        return (key & KEY_STACK) && set(x, X_PUSHF);
    case ZYDIS_MNEMONIC_PUSH:
    case ZYDIS_MNEMONIC_POP:
    case ZYDIS_MNEMONIC_LEAVE:
        return stack(x, key);
    default:
        return branch(x, key, zi);
    }
}

/* INC and DEC in one byte, which is a REX prefix to the host. */
static void long_form(struct xinsn *x)
{
    x->rm = x->op;
    x->op.n = NO_REG;
    x->has_modrm = true;
    x->opcode = 0xff;
    x->modrm_reg = x->mnemonic == ZYDIS_MNEMONIC_DEC;
    x->imm_len = 0;
}

/* Without the feature these are other instructions (an ignored prefix). */
static bool is_count(const struct xinsn *x, const struct vcpu *c)
{
    return (x->mnemonic == ZYDIS_MNEMONIC_LZCNT && vcpu_has(c, X86_LZCNT)) ||
           (x->mnemonic == ZYDIS_MNEMONIC_TZCNT && vcpu_has(c, X86_BMI1));
}

bool xkind_integer(struct xinsn *x, const struct vcpu *c, u32 key,
                   const ZydisDecodedInstruction *zi)
{
    unsigned m = zi->mnemonic;

    if (zi->meta.isa_ext == ZYDIS_ISA_EXT_KNC || zi->meta.isa_ext == ZYDIS_ISA_EXT_KNCE)
        return false;
    if (x->vex && x->opsize != 8 && (x->vex_last & 0x80))
        return false; /* VEX.W outside 64-bit code */
    if (is_nop(m)) {
        x->has_mem = false;
        return set(x, X_NOP);
    }
    if (is_plain(m))
        return set(x, X_PLAIN);
    if (m == ZYDIS_MNEMONIC_BSF || m == ZYDIS_MNEMONIC_BSR)
        x->reg.read = true; /* stays what it is if the source is 0 */
    if (zi->meta.category == ZYDIS_CATEGORY_STRINGOP)
        return string(x, zi);
    if (m == ZYDIS_MNEMONIC_MOV)
        return special(x, key, zi);
    if ((m == ZYDIS_MNEMONIC_INC || m == ZYDIS_MNEMONIC_DEC) && x->op.n != NO_REG)
        long_form(x);
    if (is_general(m) || is_setcc(m) || is_cmovcc(m) || is_count(x, c))
        return set(x, X_GEN);
    return special(x, key, zi);
}

bool xkind_is_vector_twin(const ZydisDecodedInstruction *zi)
{
    return (zi->mnemonic == ZYDIS_MNEMONIC_MOVSD || zi->mnemonic == ZYDIS_MNEMONIC_CMPSD) &&
           zi->meta.category != ZYDIS_CATEGORY_STRINGOP;
}

static bool has_other_memory(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo)
{
    for (unsigned n = zi->operand_count_visible; n < zi->operand_count; n++)
        if (zo[n].type == ZYDIS_OPERAND_TYPE_MEMORY)
            return true;
    return false;
}

/* A register in an immediate, of which only 64-bit code has more than eight. */
static bool has_narrow_is4(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo)
{
    for (unsigned n = 0; n < zi->operand_count; n++)
        if (zo[n].encoding == ZYDIS_OPERAND_ENCODING_IS4)
            return zi->machine_mode != ZYDIS_MACHINE_MODE_LONG_64;
    return false;
}

bool xkind_x87(struct xinsn *x, const ZydisDecodedInstruction *zi)
{
    if (zi->mnemonic == ZYDIS_MNEMONIC_FWAIT)
        return set(x, X_NOP); /* nothing is ever pending */
    if (x->map || (x->opcode & 0xf8) != 0xd8)
        return false;
    switch (zi->mnemonic) {
    case ZYDIS_MNEMONIC_FLDENV:
    case ZYDIS_MNEMONIC_FNSTENV:
    case ZYDIS_MNEMONIC_FRSTOR:
    case ZYDIS_MNEMONIC_FNSAVE:
    case ZYDIS_MNEMONIC_FNINIT:
        return false;
    case ZYDIS_MNEMONIC_FLDCW:
        return set(x, X_FLDCW);
    default:
        return set(x, X_X87);
    }
}

bool xkind_vector_ok(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo)
{
    switch (zi->meta.isa_ext) {
    case ZYDIS_ISA_EXT_X87:
    case ZYDIS_ISA_EXT_AVX2GATHER:
    case ZYDIS_ISA_EXT_XSAVE:
    case ZYDIS_ISA_EXT_XSAVEC:
    case ZYDIS_ISA_EXT_XSAVEOPT:
    case ZYDIS_ISA_EXT_XSAVES:
        return false;
    default:
        break;
    }
    switch (zi->mnemonic) {
    case ZYDIS_MNEMONIC_FXSAVE:
    case ZYDIS_MNEMONIC_FXSAVE64:
    case ZYDIS_MNEMONIC_FXRSTOR:
    case ZYDIS_MNEMONIC_FXRSTOR64:
    case ZYDIS_MNEMONIC_LDMXCSR:
    case ZYDIS_MNEMONIC_STMXCSR:
    case ZYDIS_MNEMONIC_VLDMXCSR:
    case ZYDIS_MNEMONIC_VSTMXCSR:
    case ZYDIS_MNEMONIC_VMASKMOVPS:
    case ZYDIS_MNEMONIC_VMASKMOVPD:
    case ZYDIS_MNEMONIC_VPMASKMOVD:
    case ZYDIS_MNEMONIC_VPMASKMOVQ:
    case ZYDIS_MNEMONIC_VZEROALL:
        return false;
    default:
        break;
    }
    if (zi->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX &&
        zi->machine_mode != ZYDIS_MACHINE_MODE_LONG_64 && zi->raw.vex.W)
        return false; /* ignored there, not here */
    return !has_other_memory(zi, zo) && !has_narrow_is4(zi, zo);
}

bool xkind_reads_all_flags(unsigned mnemonic)
{
    switch (mnemonic) {
    case ZYDIS_MNEMONIC_PUSHF:
    case ZYDIS_MNEMONIC_PUSHFD:
    case ZYDIS_MNEMONIC_PUSHFQ:
        return true;
    default:
        return false;
    }
}

/* What is masked in MXCSR and FCW is part of the translation key. */
bool xkind_vector_ends(unsigned mnemonic)
{
    switch (mnemonic) {
    case ZYDIS_MNEMONIC_LDMXCSR:
    case ZYDIS_MNEMONIC_VLDMXCSR:
    case ZYDIS_MNEMONIC_FLDCW:
    case ZYDIS_MNEMONIC_FLDENV:
    case ZYDIS_MNEMONIC_FNSTENV:
    case ZYDIS_MNEMONIC_FRSTOR:
    case ZYDIS_MNEMONIC_FNSAVE:
    case ZYDIS_MNEMONIC_FNINIT:
    case ZYDIS_MNEMONIC_FXRSTOR:
    case ZYDIS_MNEMONIC_FXRSTOR64:
    case ZYDIS_MNEMONIC_XRSTOR:
    case ZYDIS_MNEMONIC_XRSTOR64:
    case ZYDIS_MNEMONIC_XRSTORS:
    case ZYDIS_MNEMONIC_XRSTORS64:
        return true;
    default:
        return false;
    }
}

static bool writes_system_register(const ZydisDecodedOperand *o)
{
    ZydisRegisterClass k = ZydisRegisterGetClass(o->reg.value);

    return o->type == ZYDIS_OPERAND_TYPE_REGISTER &&
           (k == ZYDIS_REGCLASS_CONTROL || k == ZYDIS_REGCLASS_DEBUG ||
            k == ZYDIS_REGCLASS_SEGMENT);
}

bool xkind_op_ends(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo)
{
    switch (zi->mnemonic) {
    case ZYDIS_MNEMONIC_POPF:
    case ZYDIS_MNEMONIC_POPFD:
    case ZYDIS_MNEMONIC_POPFQ:
    case ZYDIS_MNEMONIC_STAC:
    case ZYDIS_MNEMONIC_CLAC:
    case ZYDIS_MNEMONIC_CLTS:
    case ZYDIS_MNEMONIC_LDS:
    case ZYDIS_MNEMONIC_LES:
    case ZYDIS_MNEMONIC_LFS:
    case ZYDIS_MNEMONIC_LGS:
    case ZYDIS_MNEMONIC_LSS:
        return true;
    default:
        return zi->operand_count_visible && writes_system_register(&zo[0]);
    }
}
