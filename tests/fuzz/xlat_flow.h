/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rest of tests/fuzz/xlat_code.h: branches, the stack, code that changes, and the whole. */
#pragma once
#include "xlat_code.h"

/* Backwards more rarely: most of those loops have no end. */
static unsigned branch_target(const struct op *o, unsigned self)
{
    unsigned by = 1 + (o->b & 15);

    return o->b >= 0xd0 ? (self > by ? self - by : 0) : self + by;
}

static void put_branch(struct code *k, const struct op *o, unsigned self)
{
    unsigned to = branch_target(o, self);

    switch (o->a % 8) {
    case 0:
    case 1:
    case 2:
        c1(k, 0x0f);
        c1(k, 0x80 | (o->c & 15));
        code_ref(k, to, 0, 4, false);
        break;
    case 3:
        c1(k, 0x70 | (o->c & 15));
        code_ref(k, to, 0, 1, false);
        break;
    case 4:
        mov_imm(k, RCX, o->imm & 7);
        c1(k, 0xe0 | (o->c & 3));
        code_ref(k, to, 0, 1, false);
        break;
    case 5:
        if (o->c & 4)
            c1(k, 0x67);
        c1(k, 0xe0 | (o->c & 3));
        code_ref(k, to, 0, 1, false);
        break;
    default:
        c1(k, o->a & 8 ? 0xe8 : 0xe9);
        code_ref(k, o->a & 8 ? self + 1 + (o->b & 15) : to, 0, 4, false);
    }
}

/* The address of an op in a register, and from there in the places that branches take it from. */
static void put_indirect(struct code *k, const struct op *o, unsigned self)
{
    unsigned reg = reg_of(k, o->c), to = self + 1 + (o->b & 7);

    if (reg == RSP)
        reg = RBX;
    if (o->a >= 0xf0)
        mov_imm(k, reg, place_of(k, o));
    else
        mov_ref(k, reg, to, 0);
    if (o->a & 1) { /* by the stack */
        if (reg > 7)
            c1(k, 0x41);
        c1(k, 0x50 | (reg & 7));
    }
    if ((o->a & 3) == 3) {
        c1(k, o->a & 4 ? 0xc2 : 0xc3);
        if (o->a & 4)
            cn(k, o->imm & 0x18, 2);
        return;
    }
    if (!(o->a & 1) && reg > 7)
        c1(k, 0x41);
    c1(k, 0xff);
    if (o->a & 1) {
        c1(k, o->a & 8 ? 0x14 : 0x24);
        c1(k, 0x24);
    } else {
        c1(k, (o->a & 8 ? 0xd0 : 0xe0) | (reg & 7));
    }
}

static void put_stack(struct code *k, const struct op *o)
{
    unsigned reg = reg_of(k, o->c), from = k->n;
    struct ea e = {.mod = 3};

    switch (o->a & 7) {
    case 0:
    case 1:
    case 2:
    case 3:
        if (o->b > 0xe0)
            c1(k, 0x66);
        if (reg > 7)
            c1(k, 0x41);
        c1(k, (o->a & 1 ? 0x50 : 0x58) | (reg & 7));
        return;
    case 4:
        c1(k, o->b & 1 ? 0x6a : 0x68);
        cn(k, (u64)(s64)(s8)o->imm, 4);
        break;
    case 5: /* push or pop [mem] */
        e = pick_ea(k, o);
        from = k->n;
        if (k->wide && (ea_b(&e) || e.index > 7))
            c1(k, 0x40u | (e.index & 8u) >> 2 | ea_b(&e));
        c1(k, o->b & 1 ? 0xff : 0x8f);
        put_ea(k, &e, o->b & 1 ? 6 : 0);
        break;
    case 6:
        if (o->b & 3) { /* mov ebp, esp */
            c1(k, k->wide ? 0x48 : 0x90);
            cn(k, 0xe589, 2);
            from = k->n;
        }
        c1(k, o->b & 4 ? 0xc8 : 0xc9);
        cn(k, o->imm & 0x1f, 3);
        break;
    default:
        c1(k, o->b & 1 ? 0x9c : 0x9d);
        return;
    }
    fit(k, from, &e);
}

static void put_string(struct code *k, const struct op *o)
{
    static const u8 rep[] = {0, 0xf3, 0xf2, 0xf3}, which[] = {0xa4, 0xa6, 0xaa, 0xac, 0xae};
    static const u8 seg[] = {0x2e, 0x36, 0x64, 0x65};

    mov_imm(k, RCX, o->imm & 0x1f);
    if (o->c & 1)
        mov_imm(k, RSI, AT_DATA + o->disp);
    if (o->c & 6)
        mov_imm(k, RDI, place_of(k, o));
    if (o->c >= 0xe0)
        c1(k, 0x67);
    if ((o->c & 0x18) == 0x18)
        c1(k, seg[o->c >> 5 & 3]);
    if (o->b & 8)
        c1(k, 0x66);
    if (rep[o->b & 3])
        c1(k, rep[o->b & 3]);
    if (k->wide && (o->b & 0x10))
        c1(k, 0x48);
    c1(k, which[o->a % ARRAY_SIZE(which)] | (o->b >> 5 & 1));
}

/* Writes into the code, at its own address or by way of the large page that has it as well. */
static void put_smc(struct code *k, const struct op *o, unsigned self)
{
    static const u8 some[] = {0x90, 0xf4, 0xcc, 0xc3, 0x00, 0x05, 0xff, 0x48};
    unsigned to = o->b & 0x80 ? self + 1 + (o->b & 7) : self - (o->b & 7);
    u8 v = o->imm & 1 ? o->imm : some[o->imm >> 1 & 7];

    if (to > self + 8)
        to = 0;
    if (k->wide && (o->c & 1)) {
        mov_imm(k, RDI,
                0x40000000 + ((k->base + k->start[to < self ? to : self]) & (RAM - 1)) +
                    (o->c >> 4));
    } else {
        mov_ref(k, RDI, to, o->c >> 4 & 7);
    }
    switch (o->a % 8) {
    case 0:
    case 1:
        cn(k, 0x07c6 | (u32)v << 16, 3); /* mov byte [rdi], v */
        break;
    case 2:
        cn(k, 0x0788, 2); /* mov [rdi], al */
        break;
    case 3:
        cn(k, 0x07fe, 2); /* inc byte [rdi] */
        break;
    case 4:
        cn(k, 0x0780f0 | (u32)(v & 7) << 24, 4); /* lock add byte [rdi], v */
        break;
    case 5:
        mov_imm(k, RAX, v);
        mov_imm(k, RCX, 3);
        cn(k, 0xaaf3, 2); /* rep stosb */
        break;
    case 6:
        cn(k, 0x07110f, 3); /* movups [rdi], xmm0 */
        break;
    default:
        cn(k, 0x000007c7 | (u64)v << 16 | 0x9090ull << 24, 6); /* mov dword [rdi], … */
    }
}

static void put_acc(struct code *k, const struct op *o)
{
    unsigned from = k->n, reg = reg_of(k, o->c);
    u64 place = place_of(k, o);

    if (o->b & 1)
        c1(k, 0x66);
    if (k->wide && ((o->b & 6) || reg > 7))
        c1(k, 0x40u | (o->b & 2u) << 2 | reg >> 3);
    switch (o->a % 6) {
    case 0: /* moffs */
        c1(k, 0xa0 | (o->b >> 4 & 3));
        cn(k, place, k->wide ? 8 : 4);
        return;
    case 1:
        c1(k, 0x04 | (o->b & 0x38) | (o->b >> 7));
        break;
    case 2:
        c1(k, 0xb0 | (o->b & 8) | (reg & 7));
        break;
    case 3:
        c1(k, 0x90 | (reg & 7));
        return;
    case 4:
        c1(k, 0x0f);
        c1(k, 0xc8 | (reg & 7));
        return;
    default:
        c1(k, o->b & 8 ? 0xa8 : k->wide ? 0xa9 : 0x40 | (o->c & 15));
    }
    cn(k, (u64)(s64)(s8)o->imm * (o->disp & 1 ? 1 : 0x01010101), 8);
    fit(k, from, &(struct ea){.mod = 3});
}

/* For the supervisor, mostly. */
static void put_system(struct code *k, const struct op *o)
{
    static const u32 insns[] = {
        0x000000a20f, 0x06010f, 0x38010f, 0xc0200f, 0xd8200f, 0xd8220f, 0xd08e,   0xc08e,  0xd88e,
        0x060f,       0xd0010f, 0xf8010f, 0x310f,   0x050f,   0x340f,   0x0b0f,   0x80cd,  0x03cd,
        0xca010f,     0xcb010f, 0xcf,     0x080f,   0x090f,   0xe0220f, 0x17ae0f, 0x1fae0f};
    u32 v = insns[o->a % ARRAY_SIZE(insns)];

    mov_imm(k, RDI, place_of(k, o));
    if (v == 0xd8220f) { /* CR3 as it is */
        cn(k, 0xd8200f, 3);
    } else if (v == 0xe0220f) {
        cn(k, 0xe0200f, 3);
    } else if (v == 0xd08e || v == 0xd88e || v == 0xc08e) {
        mov_imm(k, RAX, o->b & 1 ? DATA_3 : DATA_0);
    }
    cn(k, v, v >> 16 ? 3 : v >> 8 ? 2 : 1);
}

static void put_raw(struct code *k, const struct op *o)
{
    const u8 bytes[] = {o->a, o->b, o->c, o->mem, o->place, o->disp, o->imm};

    for (unsigned n = 0; n < sizeof(bytes) && n <= (o->kind & 7u); n++)
        c1(k, bytes[n]);
}

static void put_op(struct code *k, const struct op *o, unsigned self)
{
    switch (o->kind % 32) {
    case 0:
        put_raw(k, o);
        break;
    case 1:
    case 2:
    case 3:
        put_branch(k, o, self);
        break;
    case 4:
        put_indirect(k, o, self);
        break;
    case 5:
    case 6:
        put_stack(k, o);
        break;
    case 7:
        put_string(k, o);
        break;
    case 8:
        put_smc(k, o, self);
        break;
    case 9:
    case 10:
        put_acc(k, o);
        break;
    case 11:
        put_system(k, o);
        break;
    case 12:
        c1(k, one_byte[o->a % ARRAY_SIZE(one_byte)]);
        break;
    case 13: /* a value that knows no flags: all of them are defined then */
        cn(k, 0xc039 | (o->a & 0x3fu) << 8, 2); /* cmp r, r */
        break;
    case 14:
        mov_imm(k, reg_of(k, o->a), value(o->b));
        break;
    case 15:
    case 16:
    case 17:
    case 18:
        put_vex_insn(k, o);
        break;
    default:
        put_modrm_insn(k, o);
    }
}

static void resolve(struct code *k)
{
    for (unsigned n = 0; n < k->nfixes; n++) {
        const struct fix *f = &k->fix[n];
        s64 to = k->start[f->op < k->nops ? f->op : k->nops] + f->plus, v = to - (f->at + f->size);

        if (f->abs)
            v = (s64)k->base + to;
        if (f->size == 1 && v != (s8)v)
            v = 0;
        memcpy(k->bytes + f->at, &v, f->size);
    }
}

/* The code that the ops make at `base`. */
static void make_code(struct code *k, const u8 *in, size_t size, gva_t base, bool wide)
{
    struct op o;

    *k = (struct code){.base = base, .wide = wide};
    ZydisDecoderInit(&k->decoder, wide ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LEGACY_32,
                     wide ? ZYDIS_STACK_WIDTH_64 : ZYDIS_STACK_WIDTH_32);
    k->nops = (unsigned)min_u64(size / sizeof(o), MAX_OPS);
    for (unsigned n = 0; n < k->nops; n++) {
        memcpy(&o, in + n * sizeof(o), sizeof(o));
        k->start[n] = (u16)k->n;
        if (k->n + 48 > MAX_CODE)
            k->nops = n;
        else
            put_op(k, &o, n);
    }
    k->start[k->nops] = (u16)k->n;
    resolve(k);
}
