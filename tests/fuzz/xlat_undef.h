/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Follows, from instruction to instruction, which flags the manuals leave undefined: two engines
 * may differ there. A run that uses such a flag, or another result of that kind, cannot be
 * compared with another one.
 */
#pragma once
#include "cpu/fill.h"
#include "insn_head.h"

#define MAX_REPEATS 20000 /* of string instructions */

struct undef {
    u32 flags;
    bool used;
    bool pushes; /* the instruction at hand is a software interrupt */
    u64 image;   /* where the last exception has pushed the flags */
};

/* Bytes [from, to) of the instruction at RIP; false if they cannot be fetched. */
static __attribute__((noinline)) bool fetch(struct vcpu *c, unsigned from, unsigned to, u8 *bytes)
{
    jmp_buf here;

    c->unwind = &here;
    if (setjmp(here)) {
        c->unwind = NULL;
        return false;
    }
    for (unsigned n = from; n < to; n++) {
        u64 va = c->mode == MODE_64 ? c->rip + n : (u32)(c->seg[SEG_CS].base + c->rip + n);
        struct place p = fetch_place(c, va);
        bytes[n] = p.host ? *p.host : 0xf4;
    }
    c->unwind = NULL;
    return true;
}

static bool decode_next(struct vcpu *c, ZydisDecodedInstruction *zi, ZydisDecodedOperand *zo)
{
    static const ZydisMachineMode modes[] = {
        ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_MACHINE_MODE_LONG_64};
    static const ZydisStackWidth widths[] = {ZYDIS_STACK_WIDTH_16, ZYDIS_STACK_WIDTH_32,
                                             ZYDIS_STACK_WIDTH_64};
    u64 at = c->mode == MODE_64 ? c->rip : (u32)(c->seg[SEG_CS].base + c->rip);
    unsigned here = (unsigned)min_u64(15, PAGE_SIZE - (at & (PAGE_SIZE - 1)));
    u8 bytes[15] = {0};
    ZydisDecoder decoder;
    ZyanStatus st;

    ZydisDecoderInit(&decoder, modes[c->mode], widths[c->mode]);
    if (!fetch(c, 0, here, bytes))
        return false;
    st = ZydisDecoderDecodeFull(&decoder, bytes, here, zi, zo);
    if (st == ZYDIS_STATUS_NO_MORE_DATA && here < 15 && fetch(c, here, 15, bytes))
        st = ZydisDecoderDecodeFull(&decoder, bytes, 15, zi, zo);
    return ZYAN_SUCCESS(st);
}

static bool is_counted(ZydisMnemonic m)
{
    switch (m) {
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

/* Saves flags where Zydis does not say so. */
static bool saves_flags(ZydisMnemonic m)
{
    switch (m) {
    case ZYDIS_MNEMONIC_SYSCALL:
    case ZYDIS_MNEMONIC_PUSHF:
    case ZYDIS_MNEMONIC_PUSHFD:
    case ZYDIS_MNEMONIC_PUSHFQ:
        return true;
    default:
        return false;
    }
}

static void shift_undef(struct undef *u, const struct vcpu *c, const ZydisDecodedInstruction *zi,
                        const ZydisDecodedOperand *zo)
{
    const ZydisDecodedOperand *last = &zo[zi->operand_count_visible - 1];
    u64 count = last->type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? last->imm.value.u : c->gpr[RCX];
    bool twice = zi->mnemonic == ZYDIS_MNEMONIC_SHLD || zi->mnemonic == ZYDIS_MNEMONIC_SHRD;

    count &= zi->operand_width == 64 ? 63 : 31;
    if (!count)
        return;
    u->used |= twice && count > zi->operand_width;
    u->flags &= ~(zi->cpu_flags->modified);
    u->flags |= zi->cpu_flags->undefined;
    if (count >= zi->operand_width)
        u->flags |= EFLAGS_CF;
    if (count > 1)
        u->flags |= EFLAGS_OF;
}

static u64 times(const struct vcpu *c, const ZydisDecodedInstruction *zi)
{
    return c->gpr[RCX] & size_mask(zi->address_width / 8u);
}

/* A repeated instruction that overwrites itself: when that counts is open. */
static bool hits_itself(const struct vcpu *c, const ZydisDecodedInstruction *zi)
{
    u64 bytes = times(c, zi) * 8, from = c->gpr[RDI] - bytes;

    return ((c->rip + 15 - from) & (RAM - 1)) < 2 * bytes + 30;
}

/* Before an instruction executes. */
static void undef_before(struct undef *u, struct vcpu *c)
{
    const u32 rep = ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE;
    ZydisDecodedInstruction zi;
    ZydisDecodedOperand zo[ZYDIS_MAX_OPERAND_COUNT];
    const ZydisAccessedFlags *f;

    u->pushes = false;
    if (!decode_next(c, &zi, zo))
        return;
    u->pushes = zi.meta.category == ZYDIS_CATEGORY_INTERRUPT;
    u->used |= (zi.attributes & rep) && (times(c, &zi) > MAX_REPEATS || hits_itself(c, &zi));
    if (!zi.cpu_flags)
        return;
    f = zi.cpu_flags;
    u->used |= (f->tested & u->flags) || (u->flags && saves_flags(zi.mnemonic));
    if (is_counted(zi.mnemonic)) {
        shift_undef(u, c, &zi, zo);
        return;
    }
    if (!(zi.attributes & rep))
        u->flags &= ~(f->modified | f->set_0 | f->set_1);
    u->flags |= f->undefined;
    u->flags &= EFLAGS_ARITH;
}
