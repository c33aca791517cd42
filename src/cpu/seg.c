/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Segment registers and descriptors: SDM 3A chapters 3 and 5, and the real-mode rules of chapter
 * 20 (a load changes base and selector and leaves limit and D/B, so that "unreal" mode works).
 *
 * A null segment has no access rights at all (AR 0). Intel and later AMD clear the base of FS and
 * GS on a null load; so does this. Own thread.
 */
#include "cpu/seg.h"

#include "cpu/access.h"
#include "cpu/transfer.h"

#define AR_REAL (AR_P | AR_S | AR_WRITABLE | AR_ACCESSED)
#define AR_V86  (AR_REAL | 3u << AR_DPL_SHIFT)

bool seg_in_limit(const struct seg *s, u64 off, unsigned size)
{
    u64 last = off + size - 1;

    if (unlikely(!s->ar))
        return false;
    if (unlikely((s->ar & (AR_CODE | AR_EXPAND_DOWN)) == AR_EXPAND_DOWN))
        return off > s->limit && last <= (s->ar & AR_DB ? UINT32_MAX : UINT16_MAX);
    return last <= s->limit;
}

static bool seg_permits(const struct vcpu *c, const struct seg *s, bool write)
{
    if (!is_protected(c))
        return true;
    if (write)
        return is_writable_data(s->ar);
    return (s->ar & (AR_CODE | AR_READABLE)) != AR_CODE;
}

gva_t seg_linear(struct vcpu *c, unsigned segreg, u64 off, unsigned size, bool write)
{
    const struct seg *s = &c->seg[segreg];

    if (likely(c->mode == MODE_64))
        return segreg >= SEG_FS ? s->base + off : off;
    if (unlikely(!seg_in_limit(s, off, size) || !seg_permits(c, s, write)))
        cpu_raise_err(c, segreg == SEG_SS ? VEC_SS : VEC_GP, 0);
    return (u32)(s->base + off);
}

struct seg desc_unpack(u64 raw)
{
    struct seg s = {
        .ar = (u16)(raw >> 40 & 0xf0ff),
        .limit = (u32)((raw & 0xffff) | (raw >> 32 & 0xf0000)),
        .base = (raw >> 16 & 0xffffff) | (raw >> 32 & 0xff000000),
    };

    if (s.ar & AR_G)
        s.limit = s.limit << 12 | 0xfff;
    return s;
}

struct gate gate_unpack(u64 raw)
{
    struct gate g = {
        .sel = (u16)(raw >> 16),
        .type = raw >> 40 & 0xf,
        .dpl = raw >> 45 & 3,
        .params = raw >> 32 & 0x1f,
        .present = raw >> 47 & 1,
        .off = (raw & 0xffff) | (raw >> 32 & 0xffff0000),
    };

    if (!(g.type & 8))
        g.off &= 0xffff;
    return g;
}

bool desc_read(struct vcpu *c, u16 sel, struct desc *d)
{
    const bool local = sel & 4;
    u64 base = local ? c->ldtr.base : c->gdtr.base;
    u32 limit = local ? c->ldtr.limit : c->gdtr.limit;

    if (sel_null(sel) || (local && !c->ldtr.ar) || (sel | 7u) > limit)
        return false;
    d->addr = sys_linear(c, base + (sel & ~7u));
    d->raw = lin_ld64(c, d->addr, mmu_system(c));
    d->seg = desc_unpack(d->raw);
    d->seg.sel = sel;
    return true;
}

u64 desc_high(struct vcpu *c, u16 sel, const struct desc *d)
{
    u32 limit = sel & 4 ? c->ldtr.limit : c->gdtr.limit;
    u64 high;

    if ((sel | 7u) + 8 > limit)
        cpu_raise_err(c, VEC_GP, sel_error(sel));
    high = lin_ld64(c, d->addr + 8, mmu_system(c));
    if (high >> 40 & 0x1f)
        cpu_raise_err(c, VEC_GP, sel_error(sel));
    return high;
}

void desc_read_high(struct vcpu *c, u16 sel, struct desc *d)
{
    d->seg.base |= desc_high(c, sel, d) << 32;
    if (!is_canonical_base(c, d->seg.base))
        cpu_raise_err(c, VEC_GP, sel_error(sel));
}

/* Changes the byte with type, S, DPL and P; untouched if it is as wanted. */
static u8 change_rights(struct vcpu *c, gva_t desc, u8 set, u8 clear)
{
    gva_t va = sys_linear(c, desc + 5);
    u64 old = lin_ld8(c, va, mmu_system(c));
    u8 now;

    do {
        now = (u8)((old | set) & ~clear);
    } while (now != old && !lin_cmpxchg(c, va, 1, &old, now, mmu_system(c)));
    return now;
}

void desc_set_accessed(struct vcpu *c, struct desc *d)
{
    if (likely(d->seg.ar & AR_ACCESSED))
        return;
    change_rights(c, d->addr, AR_ACCESSED, 0);
    d->seg.ar |= AR_ACCESSED;
    d->raw |= BIT64(40);
}

void desc_set_busy(struct vcpu *c, u16 sel, bool busy)
{
    change_rights(c, c->gdtr.base + (sel & ~7u), busy ? 2 : 0, busy ? 0 : 2);
}

bool dpl_admits(const struct vcpu *c, unsigned dpl, u16 sel)
{
    return c->cpl <= dpl && sel_rpl(sel) <= dpl;
}

void seg_load_real(struct vcpu *c, unsigned segreg, u16 sel)
{
    struct seg *s = &c->seg[segreg];

    if (is_v86(c)) {
        *s = (struct seg){.sel = sel, .ar = AR_V86, .limit = 0xffff, .base = (u64)sel << 4};
        return;
    }
    if (!s->ar) /* was null in protected mode: nothing to keep */
        s->limit = 0xffff;
    s->ar = (u16)((s->ar & (AR_G | AR_DB | AR_AVL)) | AR_REAL);
    s->sel = sel;
    s->base = (u64)sel << 4;
}

static void load_stack(struct vcpu *c, u16 sel)
{
    struct desc d;

    if (sel_null(sel)) {
        if (c->mode != MODE_64 || c->cpl == 3 || sel_rpl(sel) != c->cpl)
            cpu_raise_gp0(c);
        c->seg[SEG_SS] = (struct seg){.sel = sel};
        return;
    }
    if (!desc_read(c, sel, &d) || sel_rpl(sel) != c->cpl || !is_writable_data(d.seg.ar) ||
        AR_DPL(d.seg.ar) != c->cpl)
        cpu_raise_err(c, VEC_GP, sel_error(sel));
    if (!(d.seg.ar & AR_P))
        cpu_raise_err(c, VEC_SS, sel_error(sel));
    desc_set_accessed(c, &d);
    c->seg[SEG_SS] = d.seg;
}

static void load_data(struct vcpu *c, unsigned segreg, u16 sel)
{
    struct desc d;

    if (sel_null(sel)) {
        c->seg[segreg] = (struct seg){.sel = sel};
        return;
    }
    if (!desc_read(c, sel, &d) || !(d.seg.ar & AR_S) ||
        (d.seg.ar & (AR_CODE | AR_READABLE)) == AR_CODE)
        cpu_raise_err(c, VEC_GP, sel_error(sel));
    if (!(is_code(d.seg.ar) && is_conforming(d.seg.ar)) && !dpl_admits(c, AR_DPL(d.seg.ar), sel))
        cpu_raise_err(c, VEC_GP, sel_error(sel));
    if (!(d.seg.ar & AR_P))
        cpu_raise_err(c, VEC_NP, sel_error(sel));
    desc_set_accessed(c, &d);
    c->seg[segreg] = d.seg;
}

void seg_load(struct vcpu *c, unsigned segreg, u16 sel)
{
    if (!is_protected(c))
        seg_load_real(c, segreg, sel);
    else if (segreg == SEG_SS)
        load_stack(c, sel);
    else
        load_data(c, segreg, sel);
    if (c->mode != MODE_64 && segreg < SEG_FS)
        vcpu_update_mode(c);
}

void cpu_near_branch(struct vcpu *c, u64 target, unsigned opsize)
{
    target &= size_mask(opsize);
    code_check_rip(c, &c->seg[SEG_CS], target);
    c->rip = target;
}
