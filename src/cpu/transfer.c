/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CS:RIP of control transfers, and the checks that far RET and IRET have in common (SDM 2 RET,
   IRET; 3A 5.8). Own thread. */
#include "cpu/transfer.h"

#include "cpu/access.h"

void code_check_rip(struct vcpu *c, const struct seg *cs, u64 rip)
{
    bool ok = is_code64(c, cs) ? is_canonical(c, rip) : rip <= cs->limit;

    if (unlikely(!ok))
        cpu_raise_gp0(c);
}

void code_commit(struct vcpu *c, const struct seg *cs, unsigned cpl, u64 rip)
{
    c->seg[SEG_CS] = *cs;
    c->seg[SEG_CS].sel = (u16)(sel_error(cs->sel) | cpl);
    c->cpl = (u8)cpl;
    c->rip = rip;
}

void return_code(struct vcpu *c, u16 sel, struct desc *d)
{
    unsigned rpl = sel_rpl(sel);
    bool ok;

    if (sel_null(sel))
        cpu_raise_gp0(c);
    ok = desc_read(c, sel, d) && is_code(d->seg.ar) && rpl >= c->cpl;
    if (ok)
        ok = is_conforming(d->seg.ar) ? AR_DPL(d->seg.ar) <= rpl : AR_DPL(d->seg.ar) == rpl;
    if (!ok || (is_code64(c, &d->seg) && (d->seg.ar & AR_DB)))
        cpu_raise_err(c, VEC_GP, sel_error(sel));
    if (!(d->seg.ar & AR_P))
        cpu_raise_err(c, VEC_NP, sel_error(sel));
    desc_set_accessed(c, d);
}

void return_stack(struct vcpu *c, u16 sel, unsigned cpl, const struct seg *cs, struct seg *ss)
{
    struct desc d;

    if (sel_null(sel)) {
        if (!is_code64(c, cs) || cpl == 3 || sel_rpl(sel) != cpl)
            cpu_raise_gp0(c);
        *ss = (struct seg){.sel = sel};
        return;
    }
    if (!desc_read(c, sel, &d) || sel_rpl(sel) != cpl || !is_writable_data(d.seg.ar) ||
        AR_DPL(d.seg.ar) != cpl)
        cpu_raise_err(c, VEC_GP, sel_error(sel));
    if (!(d.seg.ar & AR_P))
        cpu_raise_err(c, VEC_SS, sel_error(sel));
    desc_set_accessed(c, &d);
    *ss = d.seg;
}

/* SDM 2 RET: a less privileged level must not keep segments that it could not load. */
static void drop_segments(struct vcpu *c)
{
    static const u8 data[] = {SEG_ES, SEG_FS, SEG_GS, SEG_DS};

    for (unsigned n = 0; n < ARRAY_SIZE(data); n++) {
        struct seg *s = &c->seg[data[n]];

        if (!s->ar || (is_code(s->ar) && is_conforming(s->ar)))
            continue;
        if (AR_DPL(s->ar) < c->cpl) {
            s->sel = 0;
            s->ar = 0;
        }
    }
}

void return_commit(struct vcpu *c, const struct seg *cs, u64 rip, const struct seg *ss, u64 sp)
{
    const bool outer = sel_rpl(cs->sel) > c->cpl;
    struct stack st = {.ss = *ss, .sp = sp, .size = ss->ar & AR_DB ? 4 : 2};

    if (is_code64(c, cs))
        st.size = 8;
    stack_commit(c, &st);
    code_commit(c, cs, sel_rpl(cs->sel), rip);
    if (outer)
        drop_segments(c);
}
