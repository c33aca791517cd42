/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * First pass: guest bytes, by Zydis, to struct xinsn. An instruction that no template fits, that
 * the CPU model lacks or that is not available now becomes an X_OP: the interpreter sees to it.
 */
#include "cpu/dbt/dbt.h"
#include "cpu/dbt/kind.h"
#include "cpu/interp/blocks.h"
#include "cpu/interp/table.h"
#include "cpu/simd/op.h"

static u8 gpr_size(ZydisRegister reg)
{
    switch (ZydisRegisterGetClass(reg)) {
    case ZYDIS_REGCLASS_GPR8:
        return 1;
    case ZYDIS_REGCLASS_GPR16:
        return 2;
    case ZYDIS_REGCLASS_GPR32:
        return 4;
    case ZYDIS_REGCLASS_GPR64:
        return 8;
    default:
        return 0;
    }
}

static u8 gpr_number(ZydisRegister reg, bool *high)
{
    *high = reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH;
    if (*high)
        return (u8)(reg - ZYDIS_REGISTER_AH);
    if (reg >= ZYDIS_REGISTER_AL && reg <= ZYDIS_REGISTER_BL)
        return (u8)(reg - ZYDIS_REGISTER_AL);
    if (reg >= ZYDIS_REGISTER_SPL && reg <= ZYDIS_REGISTER_R15B)
        return (u8)(reg - ZYDIS_REGISTER_SPL + RSP);
    return (u8)ZydisRegisterGetId(reg);
}

static struct xreg make_reg(const ZydisDecodedOperand *o)
{
    struct xreg r = {.size = gpr_size(o->reg.value)};

    r.gpr = r.size != 0;
    r.n = r.gpr ? gpr_number(o->reg.value, &r.high) : (u8)ZydisRegisterGetId(o->reg.value);
    r.read = o->actions & ZYDIS_OPERAND_ACTION_MASK_READ;
    r.write = o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
    if (o->actions & ZYDIS_OPERAND_ACTION_CONDWRITE)
        r.read = true;
    return r;
}

static bool is_plain_register(const ZydisDecodedOperand *o)
{
    ZydisRegisterClass k = ZydisRegisterGetClass(o->reg.value);

    if (k == ZYDIS_REGCLASS_SEGMENT)
        return !(o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE);
    return gpr_size(o->reg.value) || k == ZYDIS_REGCLASS_XMM || k == ZYDIS_REGCLASS_YMM ||
           k == ZYDIS_REGCLASS_MMX || k == ZYDIS_REGCLASS_X87;
}

static bool add_register(struct xinsn *x, const ZydisDecodedOperand *o)
{
    switch (o->encoding) {
    case ZYDIS_OPERAND_ENCODING_MODRM_REG:
        x->reg = make_reg(o);
        break;
    case ZYDIS_OPERAND_ENCODING_MODRM_RM:
        x->rm = make_reg(o);
        break;
    case ZYDIS_OPERAND_ENCODING_NDSNDD:
        x->vvvv = make_reg(o);
        break;
    case ZYDIS_OPERAND_ENCODING_OPCODE:
        x->op = make_reg(o);
        break;
    default: /* fixed, or in an immediate: the same register of the host */
        break;
    }
    return is_plain_register(o);
}

static u8 address_reg(ZydisRegister reg)
{
    bool high;

    if (reg == ZYDIS_REGISTER_NONE)
        return NO_REG;
    if (ZydisRegisterGetClass(reg) == ZYDIS_REGCLASS_IP)
        return BASE_RIP;
    return gpr_number(reg, &high);
}

static bool add_memory(struct xinsn *x, const ZydisDecodedOperand *o)
{
    static const u8 log2_scale[9] = {[1] = 0, [2] = 1, [4] = 2, [8] = 3};
    ZydisRegister index = o->mem.index;

    if (index != ZYDIS_REGISTER_NONE && !gpr_size(index))
        return false; /* a vector of indices */
    x->has_mem = true;
    x->mem.base = address_reg(o->mem.base);
    x->mem.index = address_reg(index);
    x->mem.scale = log2_scale[o->mem.scale & 15 ? o->mem.scale : 1];
    x->mem.disp = o->mem.disp.value;
    x->mem.seg = (u8)ZydisRegisterGetId(o->mem.segment);
    x->mem.size = (u8)(o->size / 8);
    x->mem.read = o->actions & ZYDIS_OPERAND_ACTION_MASK_READ;
    x->mem.write = o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
    return true;
}

/* The operands of string instructions are hidden. Of two it is the one by RSI; `write` is true if
   either is written. */
static void add_string(struct xinsn *x, const ZydisDecodedInstruction *zi,
                       const ZydisDecodedOperand *zo)
{
    bool write = false;

    for (unsigned n = zi->operand_count_visible; n < zi->operand_count; n++) {
        if (zo[n].type != ZYDIS_OPERAND_TYPE_MEMORY)
            continue;
        if (!x->has_mem || address_reg(zo[n].mem.base) == RSI)
            (void)add_memory(x, &zo[n]);
        write |= (zo[n].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
    }
    x->mem.write = write;
}

/* False: an operand that no template handles. */
static bool add_operands(struct xinsn *x, const ZydisDecodedInstruction *zi,
                         const ZydisDecodedOperand *zo)
{
    bool ok = true;

    if (zi->meta.category == ZYDIS_CATEGORY_STRINGOP)
        add_string(x, zi, zo);
    for (unsigned n = 0; n < zi->operand_count_visible; n++) {
        switch (zo[n].type) {
        case ZYDIS_OPERAND_TYPE_REGISTER:
            ok &= add_register(x, &zo[n]);
            break;
        case ZYDIS_OPERAND_TYPE_MEMORY:
            ok &= add_memory(x, &zo[n]);
            break;
        case ZYDIS_OPERAND_TYPE_IMMEDIATE:
            if (n == 0 || zo[n - 1].type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
                x->imm = zo[n].imm.value.s;
            break;
        default:
            ok = false;
        }
    }
    return ok;
}

static void add_encoding(struct xinsn *x, const ZydisDecodedInstruction *zi, const u8 *bytes)
{
    const u8 *vex = bytes + zi->raw.vex.offset;

    x->vex = zi->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
    x->osize = zi->attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE;
    x->lock = zi->attributes & ZYDIS_ATTRIB_HAS_LOCK;
    x->rexw = (zi->attributes & ZYDIS_ATTRIB_HAS_REX) && zi->raw.rex.W;
    x->has_modrm = zi->attributes & ZYDIS_ATTRIB_HAS_MODRM;
    x->map = (u8)zi->opcode_map;
    x->opcode = zi->opcode;
    x->modrm_reg = zi->raw.modrm.reg;
    if (x->map == 0 && x->opcode == 0x82) /* an alias that 64-bit code does not have */
        x->opcode = 0x80;
    if (x->vex)
        x->vex_last = vex[0] == 0xc5 ? vex[1] & 0x07 : vex[2] & 0x87;
    for (unsigned n = 0; n < zi->raw.prefix_count; n++)
        if (zi->raw.prefixes[n].type == ZYDIS_PREFIX_TYPE_MANDATORY)
            x->rep = zi->raw.prefixes[n].value;
    if (x->has_modrm)
        x->imm_at = (u8)(zi->raw.modrm.offset + 1u +
                         (zi->attributes & ZYDIS_ATTRIB_HAS_SIB ? 1 : 0) + zi->raw.disp.size / 8u);
    else
        x->imm_at = zi->raw.imm[0].offset ? zi->raw.imm[0].offset : zi->length;
    x->imm_len = (u8)(zi->length - x->imm_at);
}

static bool is_shift(unsigned mnemonic)
{
    switch (mnemonic) {
    case ZYDIS_MNEMONIC_SHL:
    case ZYDIS_MNEMONIC_SHR:
    case ZYDIS_MNEMONIC_SAR:
    case ZYDIS_MNEMONIC_ROL:
    case ZYDIS_MNEMONIC_ROR:
    case ZYDIS_MNEMONIC_RCL:
    case ZYDIS_MNEMONIC_RCR:
    case ZYDIS_MNEMONIC_SHLD:
    case ZYDIS_MNEMONIC_SHRD:
        return true;
    default:
        return false;
    }
}

/* A count of 0 leaves all flags alone. */
static void shift_flags(struct xinsn *x, const ZydisDecodedInstruction *zi,
                        const ZydisDecodedOperand *zo)
{
    const ZydisDecodedOperand *count = &zo[zi->operand_count_visible - 1];
    unsigned mask = zi->operand_width == 64 ? 63 : 31;

    if (count->type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
        x->fl_kill = 0;
    else if (!(count->imm.value.u & mask))
        x->fl_kill = x->fl_write = 0;
}

static void add_flags(struct xinsn *x, const ZydisDecodedInstruction *zi,
                      const ZydisDecodedOperand *zo)
{
    const ZydisAccessedFlags *f = zi->cpu_flags;

    if (f) {
        x->fl_read = (u32)f->tested & EFLAGS_ARITH;
        x->fl_write = (u32)(f->modified | f->set_0 | f->set_1 | f->undefined) & EFLAGS_ARITH;
        x->fl_kill = x->fl_write;
    }
    if (is_shift(zi->mnemonic))
        shift_flags(x, zi, zo);
    if (zi->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE))
        x->fl_kill = 0;
}

/* What the interpreter's function may look at: all flags. */
static void make_op(struct xinsn *x, bool end)
{
    x->kind = end ? X_OP_END : X_OP;
    x->end = end;
    if (end || xkind_reads_all_flags(x->mnemonic))
        x->fl_read = EFLAGS_ARITH;
    if (end)
        x->fl_kill = 0;
}

static u8 align_mask(const struct xinsn *x, const ZydisDecodedInstruction *zi)
{
    if (x->vex)
        return zi->meta.exception_class == ZYDIS_EXCEPTION_CLASS_AVX1 ? (u8)(x->mem.size - 1) : 0;
    return x->mem.size == 16 && !simd_unaligned_allowed(zi->mnemonic) ? 15 : 0;
}

static bool has_class(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo,
                      ZydisRegisterClass k)
{
    for (unsigned n = 0; n < zi->operand_count_visible; n++)
        if (zo[n].type == ZYDIS_OPERAND_TYPE_REGISTER &&
            ZydisRegisterGetClass(zo[n].reg.value) == k)
            return true;
    return false;
}

static bool x87_template(struct xinsn *x, const struct vcpu *c, const ZydisDecodedInstruction *zi,
                         const ZydisDecodedOperand *zo)
{
    if (!xkind_x87(x, zi) || !simd_gate_open(c, zi, zo))
        return false;
    x->sse = VEC_X87;
    if (x->has_modrm)
        x->imm = x->bytes[zi->raw.modrm.offset];
    return true;
}

/* Vector instructions whose only memory and register operands are those in the encoding. */
static bool vector_template(struct xinsn *x, struct vcpu *c, const ZydisDecodedInstruction *zi,
                            const ZydisDecodedOperand *zo)
{
    bool vex = simd_is_vex(zi);

    if (!xkind_vector_ok(zi, zo) || !simd_gate_open(c, zi, zo))
        return false;
    x->kind = X_VEC;
    x->sse = (u8)((vex ? VEC_AVX : VEC_SSE) | (simd_uses_mxcsr(zi) ? VEC_FP : 0));
    if (has_class(zi, zo, ZYDIS_REGCLASS_MMX) || zi->mnemonic == ZYDIS_MNEMONIC_EMMS) {
        bool both = has_class(zi, zo, ZYDIS_REGCLASS_XMM) || (x->sse & VEC_FP);
        x->sse = (u8)(VEC_X87 | (both ? x->sse : 0));
    }
    if (x->has_mem)
        x->mem.align = align_mask(x, zi);
    return true;
}

static bool available(const struct xinsn *x, u32 key)
{
    if ((x->sse & VEC_SSE) && !(key & KEY_SSE))
        return false;
    if ((x->sse & VEC_AVX) && !(key & KEY_AVX))
        return false;
    if ((x->sse & VEC_X87) && !(key & KEY_X87))
        return false;
    return !(x->sse & VEC_FP) || (key & KEY_FP);
}

/* Segments that translated code can address: flat ones, and FS and GS of 64-bit code. */
static bool memory_ok(const struct xinsn *x, u32 key)
{
    bool wide = (key & KEY_MODE) == MODE_64;

    if (!x->has_mem)
        return true;
    if (x->mem.asize < 4)
        return false;
    return wide || (x->mem.seg < SEG_FS && !(x->mem.seg == SEG_CS && x->mem.write));
}

/* High-byte registers cannot be encoded beside a REX prefix, which RSP wants: it is in R11. */
static bool high_ok(const struct xinsn *x)
{
    if (!x->reg.high && !x->rm.high)
        return true;
    if (x->reg.n == RSP || x->rm.n == RSP)
        return false;
    if (x->mnemonic == ZYDIS_MNEMONIC_CMPXCHG && x->has_mem)
        return false; /* AL and AH cannot change places: AL takes part */
    return x->kind == X_GEN && !x->rexw;
}

/* What is relative to RIP is reached from the start of the page, wherever in it the instruction is.
 */
static bool reach_ok(const struct xinsn *x)
{
    const s64 most = INT32_MAX - PAGE_SIZE - INSN_MAX_BYTES;

    return (x->mem.base != BASE_RIP || x->mem.disp <= most) &&
           (x->kind < X_JMP || x->kind > X_JRCXZ || x->imm <= most);
}

/* A result and an operand may share a scratch register, two results may not (MULX). */
static bool scratch_ok(const struct xinsn *x)
{
    return !is_spilled(&x->reg) || !is_spilled(&x->vvvv) || (!x->reg.read && !x->vvvv.write);
}

static void choose(struct xinsn *x, struct vcpu *c, u32 key, const ZydisDecodedInstruction *zi,
                   const ZydisDecodedOperand *zo, bool plain)
{
    const struct insn_desc *d = insn_desc_for(zi->mnemonic);
    bool twin = xkind_is_vector_twin(zi), end = false, known;

    if (d && !twin) {
        known = cpu_model_has(&c->vm->model, d->feature) && xkind_integer(x, c, key, zi);
        end = (d->flags & DESC_END) || !cpu_model_has(&c->vm->model, d->feature);
    } else {
        known = (x87_template(x, c, zi, zo) || vector_template(x, c, zi, zo)) && available(x, key);
        end = !known && xkind_vector_ends(zi->mnemonic);
    }
    if (known && plain && memory_ok(x, key) && high_ok(x) && scratch_ok(x) && reach_ok(x))
        return;
    x->constant = d && !twin;
    make_op(x, end || xkind_op_ends(zi, zo));
}

bool xlat_decode_insn(struct vcpu *c, u32 key, const u8 *bytes, unsigned avail, struct xinsn *x)
{
    static const u8 none[] = {NO_REG};
    ZydisDecodedInstruction zi;
    ZydisDecodedOperand zo[ZYDIS_MAX_OPERAND_COUNT];
    ZyanStatus st;
    bool plain;

    memset(x, 0, sizeof(*x));
    x->reg.n = x->rm.n = x->vvvv.n = x->op.n = none[0];
    x->mem.base = x->mem.index = none[0];
    st = ZydisDecoderDecodeFull(blocks_zydis(c->blocks, key & KEY_MODE), bytes, avail, &zi, zo);
    if (st == ZYDIS_STATUS_NO_MORE_DATA && avail < INSN_MAX_BYTES)
        return false;
    if (!ZYAN_SUCCESS(st)) {
        x->len = 1; /* as much as the interpreter looks at again */
        x->bytes[0] = bytes[0];
        make_op(x, true);
        return true;
    }
    x->len = zi.length;
    x->mnemonic = (u16)zi.mnemonic;
    x->opsize = zi.operand_width / 8;
    x->cond = zi.opcode & 15;
    x->mem.asize = zi.address_width / 8;
    memcpy(x->bytes, bytes, zi.length);
    plain = add_operands(x, &zi, zo);
    add_encoding(x, &zi, bytes);
    add_flags(x, &zi, zo);
    choose(x, c, key, &zi, zo, plain);
    return true;
}

/* What comes next may be what it has written. */
static bool may_write(const struct xinsn *x)
{
    return x->mem.write || x->kind == X_OP || (x->kind >= X_PUSH_R && x->kind <= X_PUSH_M) ||
           x->kind == X_PUSHF;
}

/* The instruction reaches into the next page, where only `avail` bytes are in this one. */
static void decode_straddling(struct xblock *b, struct xinsn *x, u8 *bytes, unsigned avail)
{
    b->straddles = b->next != NULL;
    for (unsigned n = avail; b->next && n < INSN_MAX_BYTES; n++)
        bytes[n] = host_ld8(b->next + n - avail);
    if (b->next && xlat_decode_insn(b->c, b->key, bytes, INSN_MAX_BYTES, x) && x->len > avail)
        return;
    memset(x, 0, sizeof(*x));
    b->straddles = false;
    x->len = (u8)avail; /* the interpreter fetches the rest */
    memcpy(x->bytes, bytes, avail);
    make_op(x, true);
}

static bool is_known(const struct xblock *b, unsigned off)
{
    return b->known && dbt_find(b->known, (u32)b->page, off, b->key);
}

void xlat_decode(struct xblock *b)
{
    unsigned at = b->off, most = b->checked ? MAX_CHECKED_INSNS : MAX_BLOCK_INSNS;
    unsigned exits = b->lockstep ? MAX_SIDE_EXITS : 0;

    b->n = 0;
    while (b->n < most && at < PAGE_SIZE) {
        struct xinsn *x = &b->insn[b->n];
        unsigned avail = (unsigned)min_u64(PAGE_SIZE - at, INSN_MAX_BYTES);
        u8 bytes[INSN_MAX_BYTES];

        for (unsigned n = 0; n < avail; n++)
            bytes[n] = host_ld8(b->host + at + n);
        if (!xlat_decode_insn(b->c, b->key, bytes, avail, x)) {
            if (b->n)
                break;
            decode_straddling(b, x, bytes, avail);
        }
        if (b->lockstep && x->kind == X_STI) /* an interrupt may end it early */
            make_op(x, false);
        if (b->lockstep && b->n && (x->kind == X_OP || x->kind == X_OP_END))
            break;
        x->off = (u16)at;
        at += x->len;
        b->n++;
        if (x->end || (b->checked && may_write(x)) || (b->lockstep && x->kind == X_OP) ||
            (x->kind == X_JCC && (exits++ == MAX_SIDE_EXITS || is_known(b, at))))
            break;
    }
    b->end = (u16)at;
}
