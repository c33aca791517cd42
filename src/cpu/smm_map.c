/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/smm_map.h"

#include <string.h>

#define REVISION_AT 0xfefcu
#define REVISION64  0x00020064u /* bit 17: SMBASE can be changed */
#define REVISION32  0x00020000u

struct field {
    u16 at; /* from SMBASE */
    u8 size;
    u16 in; /* struct smm_state: a u64 */
};
#define WIDE(at_, name)                                                                            \
    {                                                                                              \
        (at_), 8, (u16)offsetof(struct smm_state, name)                                            \
    }
#define LOW(at_, name)                                                                             \
    {                                                                                              \
        (at_), 4, (u16)offsetof(struct smm_state, name)                                            \
    }

static const struct field fields64[] = {
    WIDE(0xfed0, efer),     WIDE(0xff48, cr4),       WIDE(0xff50, cr3),      WIDE(0xff58, cr0),
    WIDE(0xff60, dr7),      WIDE(0xff68, dr6),       WIDE(0xff70, rflags),   WIDE(0xff78, rip),
    WIDE(0xff80, gpr[15]),  WIDE(0xff88, gpr[14]),   WIDE(0xff90, gpr[13]),  WIDE(0xff98, gpr[12]),
    WIDE(0xffa0, gpr[11]),  WIDE(0xffa8, gpr[10]),   WIDE(0xffb0, gpr[9]),   WIDE(0xffb8, gpr[8]),
    WIDE(0xffc0, gpr[RDI]), WIDE(0xffc8, gpr[RSI]),  WIDE(0xffd0, gpr[RBP]), WIDE(0xffd8, gpr[RSP]),
    WIDE(0xffe0, gpr[RBX]), WIDE(0xffe8, gpr[RDX]),  WIDE(0xfff0, gpr[RCX]), WIDE(0xfff8, gpr[RAX]),
    LOW(0xff00, smbase),    LOW(0xff08, pending_db),
};

static const struct field fields32[] = {
    LOW(0xfffc, cr0),        LOW(0xfff8, cr3),      LOW(0xfff4, rflags),   LOW(0xfff0, rip),
    LOW(0xffec, gpr[RDI]),   LOW(0xffe8, gpr[RSI]), LOW(0xffe4, gpr[RBP]), LOW(0xffe0, gpr[RSP]),
    LOW(0xffdc, gpr[RBX]),   LOW(0xffd8, gpr[RDX]), LOW(0xffd4, gpr[RCX]), LOW(0xffd0, gpr[RAX]),
    LOW(0xffcc, dr6),        LOW(0xffc8, dr7),      LOW(0xff14, cr4),      LOW(0xfef8, smbase),
    LOW(0xff1c, pending_db),
};

/* Where the parts of a segment register or table register are; 0: it has none of these. */
struct place {
    u16 sel, ar, limit, base;
};

static const struct place segs64[8] = {
    {0xfe00, 0xfe02, 0xfe04, 0xfe08}, {0xfe10, 0xfe12, 0xfe14, 0xfe18},
    {0xfe20, 0xfe22, 0xfe24, 0xfe28}, {0xfe30, 0xfe32, 0xfe34, 0xfe38},
    {0xfe40, 0xfe42, 0xfe44, 0xfe48}, {0xfe50, 0xfe52, 0xfe54, 0xfe58},
    {0xfe70, 0xfe72, 0xfe74, 0xfe78}, {0xfe90, 0xfe92, 0xfe94, 0xfe98},
};
static const struct place segs32[8] = {
    {0xffa8, 0xff84, 0xff88, 0xff8c}, {0xffac, 0xff90, 0xff94, 0xff98},
    {0xffb0, 0xff9c, 0xffa0, 0xffa4}, {0xffb4, 0xff2c, 0xff30, 0xff34},
    {0xffb8, 0xff38, 0xff3c, 0xff40}, {0xffbc, 0xff44, 0xff48, 0xff4c},
    {0xffc0, 0xff78, 0xff7c, 0xff80}, {0xffc4, 0xff5c, 0xff60, 0xff64},
};

static const struct layout {
    const struct field *field;
    unsigned nfields;
    unsigned sel_size, base_size; /* of segments */
    const struct place *seg;      /* in the order of the CPU's registers, then LDTR and TR */
    struct place gdtr, idtr;
    u32 revision;
    u16 restart, halt, halt_size, nmi, cpl; /* I/O and HLT restart */
} layout64 =
    {
        .field = fields64,
        .nfields = ARRAY_SIZE(fields64),
        .sel_size = 2,
        .base_size = 8,
        .seg = segs64,
        .gdtr = {.limit = 0xfe64, .base = 0xfe68},
        .idtr = {.limit = 0xfe84, .base = 0xfe88},
        .revision = REVISION64,
        .restart = 0xfec8,
        .halt = 0xfec9,
        .halt_size = 1,
        .nmi = 0xfeca,
        .cpl = 0xfecb,
},
  layout32 = {
      .field = fields32,
      .nfields = ARRAY_SIZE(fields32),
      .sel_size = 4,
      .base_size = 4,
      .seg = segs32,
      .gdtr = {.limit = 0xff70, .base = 0xff74},
      .idtr = {.limit = 0xff54, .base = 0xff58},
      .revision = REVISION32,
      .restart = 0xff00,
      .halt = 0xff02,
      .halt_size = 2,
      .nmi = 0xff18,
      .cpl = 0xff19,
};

static void put(u8 *area, unsigned at, unsigned size, u64 v)
{
    for (unsigned n = 0; n < size; n++)
        area[at - SMM_AREA + n] = (u8)(v >> 8 * n);
}

static u64 get(const u8 *area, unsigned at, unsigned size)
{
    u64 v = 0;

    for (unsigned n = 0; n < size; n++)
        v |= (u64)area[at - SMM_AREA + n] << 8 * n;
    return v;
}

static void put_seg(u8 *area, const struct layout *l, const struct place *p, const struct seg *s)
{
    put(area, p->sel, l->sel_size, s->sel);
    put(area, p->ar, l->sel_size, s->ar);
    put(area, p->limit, 4, s->limit);
    put(area, p->base, l->base_size, s->base);
}

static struct seg get_seg(const u8 *area, const struct layout *l, const struct place *p)
{
    return (struct seg){
        .sel = (u16)get(area, p->sel, 2),
        .ar = (u16)get(area, p->ar, 2),
        .limit = (u32)get(area, p->limit, 4),
        .base = get(area, p->base, l->base_size),
    };
}

void smm_map_put(u8 *area, const struct smm_state *s, bool wide)
{
    const struct layout *l = wide ? &layout64 : &layout32;

    for (unsigned n = 0; n < l->nfields; n++) {
        const struct field *f = &l->field[n];
        u64 v;

        memcpy(&v, (const u8 *)s + f->in, sizeof(v));
        put(area, f->at, f->size, v);
    }
    for (unsigned n = 0; n < 6; n++)
        put_seg(area, l, &l->seg[n], &s->seg[n]);
    put_seg(area, l, &l->seg[6], &s->ldtr);
    put_seg(area, l, &l->seg[7], &s->tr);
    put(area, l->gdtr.limit, 4, s->gdtr.limit);
    put(area, l->gdtr.base, l->base_size, s->gdtr.base);
    put(area, l->idtr.limit, 4, s->idtr.limit);
    put(area, l->idtr.base, l->base_size, s->idtr.base);
    put(area, REVISION_AT, 4, l->revision);
    put(area, l->restart, l->halt_size, 0);
    put(area, l->halt, l->halt_size, s->halted);
    put(area, l->nmi, 1, s->nmi_blocked);
    put(area, l->cpl, 1, s->cpl);
}

static struct dtr get_dtr(const u8 *area, const struct layout *l, const struct place *p)
{
    return (struct dtr){
        .base = get(area, p->base, l->base_size),
        .limit = (u16)get(area, p->limit, 2),
    };
}

void smm_map_get(const u8 *area, struct smm_state *s, bool wide)
{
    const struct layout *l = wide ? &layout64 : &layout32;

    for (unsigned n = 0; n < l->nfields; n++) {
        const struct field *f = &l->field[n];
        u64 v = get(area, f->at, f->size);

        memcpy((u8 *)s + f->in, &v, sizeof(v));
    }
    for (unsigned n = 0; n < 6; n++)
        s->seg[n] = get_seg(area, l, &l->seg[n]);
    s->ldtr = get_seg(area, l, &l->seg[6]);
    s->tr = get_seg(area, l, &l->seg[7]);
    s->gdtr = get_dtr(area, l, &l->gdtr);
    s->idtr = get_dtr(area, l, &l->idtr);
    s->halted = get(area, l->halt, 1) & 1;
    s->nmi_blocked = get(area, l->nmi, 1) & 1;
    s->cpl = get(area, l->cpl, 1) & 3;
}
