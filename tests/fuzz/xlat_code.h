/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Code for tests/fuzz/xlat.c: eight bytes of input (struct op) become one instruction, or a few:
 * one that the translator has a template for, with operands in registers or memory, a branch to
 * the place of another op, a store into the code, or bytes as they are.
 */
#pragma once
#include "insn_head.h"

#define MAX_OPS 120

struct op {
    u8 kind, a, b, c; /* c: registers and ModRM.reg */
    u8 mem;           /* form of the memory operand */
    u8 place;         /* where it lies */
    u8 disp, imm;
};

struct fix { /* the address of another op, to be filled in */
    u16 at;  /* offset in the code */
    u8 size; /* 1, 4: from the end of the field; 8, or 4 with `abs`: linear */
    u8 op, plus;
    bool abs;
};

struct code {
    u8 bytes[MAX_CODE + 64];
    unsigned n;
    u16 start[MAX_OPS + 1]; /* of each op */
    unsigned nops, nfixes;
    struct fix fix[MAX_OPS * 2];
    gva_t base;
    u8 base_reg; /* of the memory operand before */
    bool wide;
    ZydisDecoder decoder;
};

/* clang-format off */
static const u64 op_places[] = {
    AT_DATA, AT_DATA + 0x40, AT_DATA + 0x80, AT_DATA + 0x100, AT_DATA + 0x108, AT_DATA + 0x200,
    AT_DATA + 0x300, AT_DATA + 0x400, AT_DATA + 0x7f0, AT_DATA + 0x800, AT_DATA + 0xff0,
    AT_DATA + 0xff8, AT_DATA + 0xffc, AT_DATA + 0xffe, AT_DATA + 0xfff, AT_DATA + 0x1000,
    AT_STACK3 - 0x40, AT_STACK0 - 0x40, AT_ODD - 4, AT_ODD, AT_ODD + 0x1000, AT_ODD + 0x1ffd,
    AT_ODD + 0x2000, AT_ODD + 0x2ffc, AT_ODD + 0x3000, AT_ODD + 0x4080, AT_ODD + 0x6000,
    AT_ODD + 0x7ff8, AT_ODD + 0x8010, AT_ODD + 0x8ffa, AT_ODD + 0x9000, AT_ODD + 0xa000,
    AT_ODD + 0xb004, AT_DATA16 + 0x10, AT_CODE + 0x800, AT_CODE0 + 0x800, RAM - 4, RAM + AT_DATA,
    0x40000000 + AT_DATA, 0xc0000000 + AT_DATA, 0xffff800000000000 + AT_DATA,
    0xffffffff80000000 + AT_DATA + 0x20, BIT64(47), BIT64(47) - 4, ~0ull << 47, ~3ull,
    BIT64(63) + AT_DATA, 0xfffffffd, BIT64(32) + AT_DATA, AT_DATA + 0x18,
};

/* Instructions with ModRM: `vary` are the bits of the opcode that the input chooses, `prefix` the
   mandatory prefixes it chooses from (bit 0: none, 1: 66, 2: F3, 3: F2). */
static const struct row {
    u8 map, opcode, vary, prefix;
} rows[] = {
    {0, 0x00, 0x3b, 3}, {0, 0xd8, 0x07, 1}, {0, 0x80, 0x01, 3}, {0, 0x83, 0x00, 3},
    {0, 0x84, 0x03, 3}, {0, 0x88, 0x03, 3}, {0, 0xd8, 0x07, 1}, {0, 0xc0, 0x01, 3},
    {0, 0xd0, 0x03, 3}, {0, 0xf6, 0x01, 3}, {0, 0xf6, 0x01, 3}, {0, 0xfe, 0x01, 3},
    {0, 0x8d, 0x00, 3}, {0, 0x63, 0x00, 3}, {0, 0x69, 0x02, 3}, {0, 0x8f, 0x00, 3},
    {0, 0xc6, 0x01, 3}, {1, 0x40, 0x0f, 3}, {1, 0x90, 0x0f, 1}, {1, 0xa3, 0x18, 3},
    {1, 0xba, 0x00, 3}, {1, 0xa4, 0x09, 3}, {1, 0xaf, 0x00, 3}, {1, 0xb6, 0x09, 3},
    {1, 0xbc, 0x01, 7}, {1, 0xb8, 0x00, 4}, {1, 0xb0, 0x01, 3}, {1, 0xc0, 0x01, 3},
    {1, 0xc7, 0x00, 1}, {1, 0x1f, 0x00, 3}, {1, 0x18, 0x05, 1}, {1, 0xae, 0x00, 1},
    {1, 0x10, 0x07, 15}, {1, 0x28, 0x07, 15}, {1, 0x50, 0x1f, 15}, {1, 0x6e, 0x11, 15},
    {1, 0x60, 0x1f, 3}, {1, 0x70, 0x0f, 15}, {1, 0xc2, 0x00, 15}, {1, 0xc4, 0x03, 3},
    {1, 0xd0, 0x2f, 15}, {2, 0x00, 0x3f, 2}, {2, 0xf0, 0x01, 15}, {2, 0xf6, 0x00, 14},
    {2, 0xdb, 0x07, 2}, {3, 0x08, 0x07, 2}, {3, 0x14, 0x36, 2}, {3, 0x40, 0x03, 2},
    {3, 0x60, 0x03, 2}, {1, 0xe7, 0x00, 15},
}, vex_rows[] = {
    {1, 0x10, 0x07, 15}, {1, 0x28, 0x07, 15}, {1, 0x50, 0x1f, 15}, {1, 0x6e, 0x11, 15},
    {1, 0x60, 0x1f, 3}, {1, 0x70, 0x0f, 15}, {1, 0xc2, 0x04, 15}, {1, 0xd0, 0x2f, 15},
    {2, 0x00, 0x3f, 2}, {2, 0x90, 0x2f, 2}, {2, 0xf2, 0x01, 1}, {2, 0xf7, 0x00, 15},
    {2, 0xf5, 0x03, 15}, {3, 0xf0, 0x00, 8}, {3, 0x00, 0x0f, 2}, {3, 0x14, 0x36, 2},
    {2, 0xf7, 0x00, 15}, {2, 0xf5, 0x03, 15}, {2, 0x58, 0x03, 2}, {3, 0x40, 0x0b, 2},
};

static const u8 one_byte[] = {
    0x90, 0x98, 0x99, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xc9, 0xf4, 0xf5, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc,
    0xfd, 0xcc, 0xf1, 0x60, 0x61, 0x27, 0x37, 0xd7, 0x06, 0x16, 0x1f, 0x98, 0x99, 0x9e, 0x9f, 0xf5,
};
/* clang-format on */

static void c1(struct code *k, unsigned byte)
{
    k->bytes[k->n++] = (u8)byte;
}

static void cn(struct code *k, u64 v, unsigned n)
{
    memcpy(k->bytes + k->n, &v, n);
    k->n += n;
}

static void code_ref(struct code *k, unsigned op, unsigned plus, unsigned size, bool abs)
{
    k->fix[k->nfixes++] =
        (struct fix){(u16)k->n, (u8)size, (u8)(op < MAX_OPS ? op : MAX_OPS), (u8)plus, abs};
    cn(k, 0, size);
}

static void mov_imm(struct code *k, unsigned reg, u64 v)
{
    if (k->wide && v > UINT32_MAX) {
        c1(k, 0x48 | reg >> 3);
        c1(k, 0xb8 | (reg & 7));
        cn(k, v, 8);
        return;
    }
    if (k->wide && reg > 7)
        c1(k, 0x41);
    c1(k, 0xb8 | (reg & 7));
    cn(k, v, 4);
}

/* The address of an op. */
static void mov_ref(struct code *k, unsigned reg, unsigned op, unsigned plus)
{
    if (k->wide)
        c1(k, 0x48 | reg >> 3);
    c1(k, 0xb8 | (reg & 7));
    code_ref(k, op, plus, k->wide ? 8 : 4, true);
}

/* A memory operand, or a register. */
struct ea {
    u8 mod, rm; /* rm, base, index: 0 to 15 */
    bool sib, rip;
    u8 base, index, scale;
    u32 disp;
    u8 prefix; /* segment */
    bool asize;
};

static u64 place_of(const struct code *k, const struct op *o)
{
    u64 va = op_places[o->place % ARRAY_SIZE(op_places)] + (o->place & 0x80 ? o->imm & 15 : 0);

    return k->wide ? va : (u32)va;
}

static unsigned reg_of(const struct code *k, unsigned v)
{
    return v & (k->wide ? 15 : 7);
}

/* By base register, loaded in front unless the form is 5: it is that of the operand before, as it
   is; now and then with a displacement that leads far away. */
static void ea_based(struct code *k, const struct op *o, struct ea *e, unsigned form)
{
    unsigned base = form == 5 ? k->base_reg : reg_of(k, o->disp ^ o->c),
             index = reg_of(k, o->a >> 4);

    if (form == 4 && index == 4)
        index = 1;
    if (form != 5 && base != 4)
        mov_imm(k, base, place_of(k, o));
    if (form == 4 && index != base)
        mov_imm(k, index, o->imm & 0x3f);
    k->base_reg = (u8)base;
    *e = (struct ea){.mod = 1, .rm = (u8)base, .disp = (u32)(s32)(s8)(o->disp & 0xcf)};
    if (form == 5 && (o->place & 0x70) == 0x70) {
        e->mod = 2;
        e->disp ^= 0x7fffff00;
    }
    if (form == 4 || (base & 7) == 4) {
        e->sib = true;
        e->base = (u8)base;
        e->index = (u8)(form == 4 ? index : 4);
        e->scale = o->b >> 6;
        e->rm = 4;
    }
}

static struct ea pick_ea(struct code *k, const struct op *o)
{
    unsigned form = o->mem >> 2 & 7;
    u64 place = place_of(k, o);
    struct ea e = {.mod = 3, .rm = (u8)reg_of(k, o->mem >> 2)};

    if ((o->mem & 3) == 0)
        return e;
    if (place != (u64)(s64)(s32)place && k->wide && (form < 2 || form == 7))
        form = 2;
    switch (form) {
    case 0:
    case 1:
        e = (struct ea){.rm = 5, .disp = (u32)place, .rip = k->wide && form};
        if (k->wide && !form)
            e = (struct ea){.rm = 4, .sib = true, .base = 5, .index = 4, .disp = (u32)place};
        break;
    case 6:
        e = (struct ea){.mod = 1, .rm = 4, .sib = true, .base = 4, .index = 4, .disp = o->disp};
        break;
    case 7:
        mov_imm(k, 1, o->imm & 0x3f);
        e = (struct ea){.rm = 4, .sib = true, .base = 5, .index = 1, .disp = (u32)place};
        e.scale = o->b >> 6;
        break;
    default:
        ea_based(k, o, &e, form);
    }
    e.asize = o->mem >= 0xf0;
    if ((o->mem & 0xe0) == 0xc0)
        e.prefix = o->mem & 4 ? 0x64 : 0x65;
    return e;
}

static void put_ea(struct code *k, const struct ea *e, unsigned reg)
{
    c1(k, (unsigned)e->mod << 6 | (reg & 7) << 3 | (e->rm & 7));
    if (e->sib)
        c1(k, (unsigned)e->scale << 6 | (e->index & 7u) << 3 | (e->base & 7));
    if (e->mod == 1)
        c1(k, e->disp);
    else if (e->mod == 2 || (e->mod == 0 && (e->sib ? e->base : e->rm) == 5))
        cn(k, e->disp, 4);
}

static bool ea_b(const struct ea *e)
{
    return e->sib ? e->base > 7 : e->rm > 7;
}

/* Cuts off what follows the instruction at `from`; drops one that is none. */
static void fit(struct code *k, unsigned from, const struct ea *e)
{
    ZydisDecodedInstruction zi;
    s32 disp;

    cn(k, 0, 8);
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&k->decoder, NULL, k->bytes + from, 15, &zi))) {
        k->n = from;
        return;
    }
    k->n = from + zi.length;
    if (e->rip && zi.raw.disp.size == 32) {
        disp = (s32)(e->disp - (u32)(k->base + k->n));
        memcpy(k->bytes + from + zi.raw.disp.offset, &disp, 4);
    }
}

static unsigned pick_prefix(const struct row *r, unsigned v)
{
    static const u8 prefix[] = {0, 0x66, 0xf3, 0xf2};

    for (unsigned n = 0; n < 4; n++, v++)
        if (r->prefix >> (v & 3) & 1)
            return prefix[v & 3];
    return 0;
}

static void put_map(struct code *k, unsigned map)
{
    if (map)
        c1(k, 0x0f);
    if (map > 1)
        c1(k, map == 2 ? 0x38 : 0x3a);
}

static void put_modrm_insn(struct code *k, const struct op *o)
{
    const struct row *r = &rows[o->a % ARRAY_SIZE(rows)];
    struct ea e = pick_ea(k, o);
    unsigned from = k->n, prefix = pick_prefix(r, o->b & 0x0c ? 0 : o->b), reg = reg_of(k, o->c);

    if (r->prefix == 15 || r->prefix == 7 || r->prefix == 14)
        prefix = pick_prefix(r, o->b);
    if (e.prefix)
        c1(k, e.prefix);
    if (e.asize)
        c1(k, 0x67);
    if (prefix)
        c1(k, prefix);
    if (o->c >= 0xe0 && e.mod != 3)
        c1(k, 0xf0);
    if (k->wide && ((o->b & 0x30) || reg > 7 || ea_b(&e) || e.index > 7))
        c1(k, 0x40u | (o->b & 0x20u) >> 2 | (reg & 8) >> 1 | (e.index & 8u) >> 2 | ea_b(&e));
    put_map(k, r->map);
    c1(k, r->opcode | (r->vary & o->imm));
    put_ea(k, &e, reg);
    c1(k, o->imm);
    c1(k, o->b);
    c1(k, o->c);
    c1(k, o->disp);
    fit(k, from, &e);
}

static void put_vex_insn(struct code *k, const struct op *o)
{
    static const u8 pp[] = {0, 1, 2, 3};
    const struct row *r = &vex_rows[o->a % ARRAY_SIZE(vex_rows)];
    struct ea e = pick_ea(k, o);
    unsigned from = k->n, reg = reg_of(k, o->c), p = o->b;

    for (unsigned n = 0; n < 4 && !(r->prefix >> (p & 3) & 1); n++)
        p++;
    c1(k, 0xc4);
    c1(k, (reg > 7 ? 0 : 0x80u) | (e.index > 7 ? 0 : 0x40u) | (ea_b(&e) ? 0 : 0x20u) | r->map);
    c1(k, (o->b & 0x20u) << 2 | (o->c & 0x10 ? 15u : ~(o->c >> 5 | o->b >> 3) & 15u) << 3 |
              (o->b & 0x04u) | pp[p & 3]);
    c1(k, r->opcode | (r->vary & o->imm));
    put_ea(k, &e, reg);
    c1(k, o->disp);
    fit(k, from, &e);
}
