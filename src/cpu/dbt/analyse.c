/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Second pass: which arithmetic flags are live behind each instruction. Behind the block, those
 * that a successor in the same page reads before it writes them; all, if the successor is not
 * known. (Code in another page may be mapped differently in another address space.)
 *
 * A flag that is not live may be lost where a memory access needs the host's flags, so that the
 * image that a fault pushes shows another value there: docs/design/006-translator.md.
 */
#include "cpu/dbt/dbt.h"

#include <Zydis/Zydis.h>

#define PEEK_INSNS 6

/* The flags that code at `off` reads before it writes them. */
static u32 live_at(const struct xblock *b, s64 off)
{
    u32 live = EFLAGS_ARITH, read = 0;

    if (b->exact || b->checked || off < 0 || off >= (s64)PAGE_SIZE)
        return EFLAGS_ARITH; /* wanted all the same, not known, or not for long */
    for (unsigned n = 0; n < PEEK_INSNS && live; n++) {
        unsigned avail = (unsigned)min_u64(PAGE_SIZE - (u64)off, INSN_MAX_BYTES);
        u8 bytes[INSN_MAX_BYTES];
        struct xinsn x;

        for (unsigned k = 0; k < avail; k++)
            bytes[k] = host_ld8(b->host + off + k);
        if (!xlat_decode_insn(b->c, b->key, bytes, avail, &x))
            break;
        read |= live & x.fl_read;
        live &= ~(x.fl_read | x.fl_kill);
        if (x.end || x.kind == X_JCC)
            break;
        off += x.len;
        if (off >= (s64)PAGE_SIZE)
            break;
    }
    return read | live;
}

static u32 live_behind(const struct xblock *b)
{
    const struct xinsn *x = &b->insn[b->n - 1];
    s64 next = x->off + x->len;

    switch (x->kind) {
    case X_JMP:
    case X_CALL:
        return live_at(b, next + x->imm);
    case X_LOOP:
    case X_JRCXZ:
        return live_at(b, next) | live_at(b, next + x->imm);
    case X_JMP_IND:
    case X_CALL_IND:
    case X_RET:
    case X_OP_END:
        return EFLAGS_ARITH;
    default:
        return live_at(b, next);
    }
}

static bool may_fault(const struct xinsn *x)
{
    return x->has_mem || x->kind == X_OP || x->kind == X_DIV || x->kind >= X_PUSH_R;
}

void xlat_analyse(struct xblock *b)
{
    u32 live = live_behind(b);

    for (unsigned n = b->n; n--;) {
        struct xinsn *x = &b->insn[n];
        if (b->exact && may_fault(x))
            x->fl_fault = EFLAGS_ARITH;
        if (x->kind == X_JCC)
            live |= live_at(b, x->off + x->len + x->imm);
        x->live = live;
        live = (live & ~x->fl_kill) | x->fl_read | x->fl_fault;
    }
    b->flags_in = b->checked || live;
}
