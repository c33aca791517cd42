/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MOVS, CMPS, STOS, LODS, SCAS, INS, OUTS with their REP forms. Each iteration commits by itself,
 * so that faults, interrupts and single steps come between iterations with exact registers.
 * Forward MOVS and STOS on plain memory go a page at a time.
 */
#include "cpu/excp.h"
#include "cpu/fill.h"
#include "cpu/interp/arith.h"
#include "cpu/interp/ops.h"
#include "cpu/system.h"

#define SRC (RSI * 8)
#define DST (RDI * 8)
#define CNT (RCX * 8)

static gva_t string_linear(struct vcpu *c, const struct insn *i, unsigned segreg, u8 reg,
                           bool write)
{
    u64 off = reg_get(c, reg, i->asize);

    if (c->mode == MODE_64 && segreg != SEG_FS && segreg != SEG_GS)
        return off;
    return seg_linear(c, segreg, off, i->size, write);
}

static gva_t src_linear(struct vcpu *c, const struct insn *i)
{
    return string_linear(c, i, i->seg, SRC, false);
}

static gva_t dst_linear(struct vcpu *c, const struct insn *i, bool write)
{
    return string_linear(c, i, SEG_ES, DST, write);
}

static u64 src_read(struct vcpu *c, const struct insn *i)
{
    return lin_read(c, src_linear(c, i), i->size, insn_how(c, i));
}

static void advance(struct vcpu *c, const struct insn *i, u8 reg, u64 elements)
{
    u64 bytes = elements * i->size;

    if (c->eflags & EFLAGS_DF)
        bytes = 0 - bytes;
    reg_set(c, reg, i->asize, reg_get(c, reg, i->asize) + bytes);
}

/* One iteration (or, up to `max`, several at once): returns how many. */
typedef u64 step_fn(struct vcpu *c, const struct insn *i, u64 max);

/* Elements that may be done in one go: forward, with 64-bit or flat addressing that cannot wrap. */
static u64 batch(struct vcpu *c, const struct insn *i, gva_t va, u8 reg, u64 max)
{
    u64 page_left = (PAGE_SIZE - (va & (PAGE_SIZE - 1))) / i->size;

    if ((c->eflags & EFLAGS_DF) || !c->flat || max == 1)
        return 1;
    if (i->seg >= SEG_FS && c->mode != MODE_64)
        return 1;
    if (i->asize != 8 && reg_get(c, reg, i->asize) > size_mask(i->asize) - PAGE_SIZE)
        return 1;
    return page_left < 2 ? 1 : min_u64(max, page_left);
}

/* From so many bytes on the host's string instructions are faster than a loop. */
#define LONG_RUN 256

static void host_rep_movs(u8 *dst, const u8 *src, u64 bytes)
{
    asm volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(bytes) : : "memory");
}

static void host_rep_stos(u8 *dst, u64 pattern, u64 quads)
{
    asm volatile("rep stosq" : "+D"(dst), "+c"(quads) : "a"(pattern) : "memory");
}

static no_tsan void copy_elements(u8 *dst, const u8 *src, u64 n, unsigned size)
{
    u64 bytes = n * size;

    if (bytes >= LONG_RUN && (dst + bytes <= src || dst >= src + bytes)) {
        host_rep_movs(dst, src, bytes);
        return;
    }
    if (dst <= src || dst >= src + bytes) { /* order makes no difference */
        while (bytes >= 8) {
            host_st64(dst, host_ld64(src));
            dst += 8, src += 8, bytes -= 8;
        }
        while (bytes--)
            host_st8(dst++, host_ld8(src++));
        return;
    }
    for (; n; n--, dst += size, src += size) {
        if (size == 8)
            host_st64(dst, host_ld64(src));
        else if (size == 4)
            host_st32(dst, host_ld32(src));
        else if (size == 2)
            host_st16(dst, host_ld16(src));
        else
            host_st8(dst, host_ld8(src));
    }
}

/* Where an access to va leads, valid to the end of its page; raises. NULL where each element has to
   be looked at: devices, code, breakpoints. Source and destination may share a slot of the TLB: so
   this does not rely on what is in it afterwards. */
static u8 *page_run(struct vcpu *c, gva_t va, bool write, unsigned how)
{
    struct place p;

    if ((how & MMU_INDEX_MASK) == MMU_USER_AC || (c->dr7 & 0xff) || c->trial)
        return NULL;
    p = tlb_fill(c, va, write ? PFEC_W : 0, how);
    if (p.host && write && atomic_load(&c->vm->mem->pages[p.page].has_code))
        return NULL;
    return p.host;
}

static u64 step_movs(struct vcpu *c, const struct insn *i, u64 max)
{
    gva_t src = src_linear(c, i), dst = dst_linear(c, i, true);
    u64 n = min_u64(batch(c, i, src, SRC, max), batch(c, i, dst, DST, max));
    const u8 *from = n > 1 ? lin_ptr_read(c, src, (unsigned)n * i->size, c->mmu) : NULL;
    u8 *to = n > 1 ? lin_ptr_write(c, dst, (unsigned)n * i->size, c->mmu) : NULL;

    if (n > 1 && !from)
        from = page_run(c, src, false, insn_how(c, i));
    if (from && !to)
        to = page_run(c, dst, true, c->mmu);
    if (from && to && !(to > from && to < from + 8)) {
        copy_elements(to, from, n, i->size);
    } else {
        n = 1;
        lin_write(c, dst, i->size, lin_read(c, src, i->size, insn_how(c, i)), c->mmu);
    }
    advance(c, i, SRC, n);
    advance(c, i, DST, n);
    return n;
}

static no_tsan u64 step_stos(struct vcpu *c, const struct insn *i, u64 max)
{
    gva_t dst = dst_linear(c, i, true);
    u64 n = batch(c, i, dst, DST, max), val = reg_get(c, RAX * 8, i->size);
    u8 *to = n > 1 ? lin_ptr_write(c, dst, (unsigned)n * i->size, c->mmu) : NULL;

    if (to) {
        u64 pattern = val * (~(u64)0 / size_mask(i->size));
        u64 bytes = n * i->size;
        if (bytes >= LONG_RUN) {
            host_rep_stos(to, pattern, bytes / 8);
            to += bytes & ~(u64)7;
            bytes &= 7;
        }
        for (; bytes >= 8; bytes -= 8, to += 8)
            host_st64(to, pattern);
        for (; bytes; bytes--, to++, pattern = pattern >> 8 | pattern << 56)
            host_st8(to, (u8)pattern);
    } else {
        n = 1;
        lin_write(c, dst, i->size, val, c->mmu);
    }
    advance(c, i, DST, n);
    return n;
}

static u64 step_lods(struct vcpu *c, const struct insn *i, u64 max)
{
    reg_set(c, RAX * 8, i->size, src_read(c, i));
    advance(c, i, SRC, 1);
    return 1;
}

static u64 step_cmps(struct vcpu *c, const struct insn *i, u64 max)
{
    u64 a = src_read(c, i);
    u64 b = lin_read(c, dst_linear(c, i, false), i->size, c->mmu);

    op_sub(&c->lf, a, b, i->size);
    advance(c, i, SRC, 1);
    advance(c, i, DST, 1);
    return 1;
}

static u64 step_scas(struct vcpu *c, const struct insn *i, u64 max)
{
    u64 b = lin_read(c, dst_linear(c, i, false), i->size, c->mmu);

    op_sub(&c->lf, reg_get(c, RAX * 8, i->size), b, i->size);
    advance(c, i, DST, 1);
    return 1;
}

static u64 step_ins(struct vcpu *c, const struct insn *i, u64 max)
{
    u16 port = (u16)c->gpr[RDX];
    gva_t dst;

    dst = dst_linear(c, i, true);
    lin_probe_write(c, dst, i->size, c->mmu);
    lin_write(c, dst, i->size, cpu_in(c, port, i->size), c->mmu);
    advance(c, i, DST, 1);
    return 1;
}

static u64 step_outs(struct vcpu *c, const struct insn *i, u64 max)
{
    u16 port = (u16)c->gpr[RDX];

    cpu_out(c, port, i->size, (u32)src_read(c, i));
    advance(c, i, SRC, 1);
    return 1;
}

/* `until_zf`: -1 never ends early; else ends when ZF has this value after an iteration. */
static void repeat(struct vcpu *c, const struct insn *i, step_fn *step, int until_zf)
{
    if (!(i->flags & (INSN_REP | INSN_REPNE))) {
        step(c, i, 1);
        return;
    }
    c->leave = false;
    for (;;) {
        u64 count = reg_get(c, CNT, i->asize), max = count;
        if (!count)
            return;
        if (c->eflags & EFLAGS_TF)
            max = 1;
        count -= step(c, i, max);
        reg_set(c, CNT, i->asize, count);
        if (!count || (int)flag_zf(&c->lf) == until_zf)
            return;
        if (c->leave || (c->eflags & EFLAGS_TF) ||
            atomic_load_explicit(&c->req, memory_order_relaxed)) {
            c->rip = c->ip; /* the rest after what is pending, which finds RF set */
            c->eflags |= EFLAGS_RF;
            c->leave = true;
            return;
        }
    }
}

void op_movs(struct vcpu *c, const struct insn *i)
{
    repeat(c, i, step_movs, -1);
}

void op_stos(struct vcpu *c, const struct insn *i)
{
    repeat(c, i, step_stos, -1);
}

void op_lods(struct vcpu *c, const struct insn *i)
{
    repeat(c, i, step_lods, -1);
}

void op_cmps(struct vcpu *c, const struct insn *i)
{
    repeat(c, i, step_cmps, i->flags & INSN_REP ? 0 : 1);
}

void op_scas(struct vcpu *c, const struct insn *i)
{
    repeat(c, i, step_scas, i->flags & INSN_REP ? 0 : 1);
}

/* The permission is checked first, also for a count of 0. */
void op_ins(struct vcpu *c, const struct insn *i)
{
    cpu_check_port(c, (u16)c->gpr[RDX], i->size);
    repeat(c, i, step_ins, -1);
}

void op_outs(struct vcpu *c, const struct insn *i)
{
    cpu_check_port(c, (u16)c->gpr[RDX], i->size);
    repeat(c, i, step_outs, -1);
    c->leave = true; /* as after OUT: an SMI or a reset may have been asked for */
}
