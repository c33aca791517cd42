/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the first bytes of an input of tests/fuzz/insn.c to the state of a CPU that could be: modes
 * are set up by hand, everything that software may change by the functions that instructions use.
 */
#pragma once
#include "cpu/excp.h"
#include "cpu/seg.h"
#include "cpu/system.h"
#include "insn_guest.h"

#include <Zydis/Zydis.h>

struct head {
    u8 mode;
    u8 how; /* H_* */
    u8 cr0, cr4[3], efer, xcr0;
    u8 eflags[3];
    u8 model;
    u8 where; /* the code is */
    u8 event; /* vector of the interrupt that comes every 16 steps */
    u8 fcw, fsw, ftw, mxcsr[2];
    u8 dr7[3];
    u8 seg[4]; /* DS, ES, FS, GS */
    u8 stack[8];
    u8 gpr[16];
};

#define H_DELIVER BIT(0) /* faults go to the guest; else to the next byte */
#define H_RUN     BIT(1) /* by the engine's run, not single steps; with H_DELIVER both ways */
#define H_EVENTS  BIT(2)
#define H_A20     BIT(3) /* A20 is off */
#define H_TASK    BIT(4) /* 32-bit modes: the TSS is a 16-bit one */
#define H_HIGH    BIT(5) /* 64-bit modes: the code is in the upper half */
#define H_FORMED  BIT(6) /* the code is not bytes but struct recipes */

#define MAX_CODE 512

/* An instruction in parts, so that mutations stay instructions. */
struct recipe {
    u8 kind; /* bits 0-2: opcode map; 3-4: prefix; 5: W; 6: LOCK or VEX.L; 7: more prefixes */
    u8 opcode, modrm;
    u8 rest[4]; /* SIB, displacement, immediate: repeated as needed */
};

enum {
    REAL,
    V86,
    P16_0,
    P16_3,
    P32_0,
    P32_3,
    COMPAT16_3,
    COMPAT32_0,
    COMPAT32_3,
    LONG_0,
    LONG_3,
    MODES
};
enum { PAGING_OFF, PAGING_32, PAGING_PAE, PAGINGS };

/* clang-format off */
static const u64 values[] = {
    0, 1, 2, 3, 4, 8, 15, 16, 31, 32, 63, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xfffe, 0xffff,
    0x10000, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff, 0x100000000, BIT64(46), BIT64(47),
    ~0ull << 47, ~0ull, BIT64(63), ~0ull >> 1, ~0ull >> 17, 0x0101010101010101, 0x8000000080000000,
    ~7ull, ~0xfffull,
    /* places */
    AT_CODE,
    AT_CODE + 0x10, AT_CODE + 0xffc, AT_CODE0, AT_CODE0 + 0xff8, AT_DATA, AT_DATA + 0x40,
    AT_DATA + 0xffd, AT_STACK3, AT_STACK0, AT_ODD, AT_ODD - 3, AT_ODD - 0x20, AT_ODD + 0x1000,
    AT_ODD + 0x2000, AT_ODD + 0x3000, AT_ODD + 0x3ffe, AT_ODD + 0x4000, AT_ODD + 0x4080,
    AT_ODD + 0x4ffc, AT_ODD + 0x5080, AT_ODD + 0x50b0, AT_ODD + 0x5300, AT_ODD + 0x6000,
    AT_ODD + 0x7000, AT_ODD + 0x7ffc, AT_ODD + 0x8000, AT_ODD + 0x9000, AT_ODD + 0xa000,
    AT_ODD + 0xb000, RAM - 1, RAM - 2, RAM - 4, RAM - 8, RAM - 16, RAM - 32, RAM, RAM + AT_DATA,
    0x40000000 + AT_DATA, 0xc0000000 + AT_CODE, 0xffff800000000000 + AT_DATA,
    0xffff800000000000 + AT_CODE, 0xffffff8000000000 + AT_DATA, DEVICE_MMIO, LAPIC_MMIO, AT_GDT,
    AT_GDT + CODE32_0, AT_IDT32, AT_IDT64, AT_TSS32, AT_TSS32_OTHER, AT_LDT, AT_PD,
    AT_PT + (AT_CODE >> 12) * 4, AT_PAE_PT + (AT_CODE >> 12) * 8, AT_PAE_PT + (AT_DATA >> 12) * 8,
    AT_PML4, AT_PAE_PDPT, AT_HANDLERS32, AT_HANDLERS64, AT_CODE16, AT_DATA16,
    /* selectors */
    CODE32_0,
    DATA_0, CODE32_3, DATA_3, TSS64, TSS32, TSS32_OTHER, TSS16, LDT, CODE64_0, CODE64_3, CODE16_0,
    DATA16_0, CONFORMING, EXEC_ONLY, READ_ONLY, ABSENT, EXPAND_DOWN, CALL_GATE32, CALL_GATE16,
    TASK_GATE, CALL_GATE64, SMALL_DATA, CODE32_1, 12, 23, 0x8000,
    /* control registers and flags */
    0x80000011,
    0x60000010, 0x80050033, 0x20, 0x620, 0x30, 0x3006f8, 0x202, 0x20202, 0x23202, 0x4002, 0x103,
    0x40002, 0x180202, 0xd01,
    /* MSRs */
    0x10,
    0x1b, 0x3b, 0x174, 0x176, 0x179, 0x1a0, 0x200, 0x250, 0x277, 0x2ff, 0x400, 0x6e0, 0x808, 0x80b,
    0x830, 0x838, 0xc0000080, 0xc0000081, 0xc0000082, 0xc0000100, 0xc0000102, 0x4b564d00,
    0x4b564d01, 0xfee00900, 0xfee00d00, 0xc4500, 0xc4610,
};
/* clang-format on */

static u64 value(u8 index)
{
    return index < ARRAY_SIZE(values) ? values[index] : (u64)(s64)(s8)index;
}

static u64 gather(const u8 *bytes, unsigned n)
{
    u64 v = 0;

    while (n--)
        v = v << 8 | bytes[n];
    return v;
}

/* The CPU's state, from the head. */

static const char *const model_names[] = {"max",    "max,+la57", "486",       "pentium3",
                                          "qemu64", "x86-64-v2", "x86-64-v3", "qemu64,+smap,+smep"};

static void set_model(struct guest *g, const struct head *h)
{
    static struct cpu_model models[ARRAY_SIZE(model_names)];
    static bool have[ARRAY_SIZE(model_names)];
    unsigned n = h->model % ARRAY_SIZE(models);
    struct err err;

    if (!models[0].name[0])
        for (unsigned i = 0; i < ARRAY_SIZE(models); i++)
            have[i] = cpu_model_parse(&models[i], model_names[i], &err) == 0;
    g->vm.model = models[have[n] ? n : 0];
    if (h->mode % MODES >= COMPAT16_3 && !vcpu_has(g->c, X86_LM))
        g->vm.model = models[0];
    g->vm.model.word[X86_RDRAND / 32] &= ~BIT(X86_RDRAND % 32); /* two runs must not differ */
    g->vm.model.word[X86_RDSEED / 32] &= ~BIT(X86_RDSEED % 32);
}

static struct seg flat(u16 sel, u32 ar)
{
    return (struct seg){
        .sel = sel,
        .ar = (u16)(ar | AR_ACCESSED | A_DPL(sel & 3)),
        .limit = ar & AR_G ? UINT32_MAX : 0xffff,
        .base = ar & AR_G      ? 0
                : ar & AR_CODE ? AT_CODE16
                               : AT_DATA16,
    };
}

/* Runs a function of the core, whose faults do not matter. */
#define TRY(c, stmt)                                                                               \
    do {                                                                                           \
        jmp_buf here_;                                                                             \
        (c)->unwind = &here_;                                                                      \
        if (setjmp(here_) == 0)                                                                    \
            stmt;                                                                                  \
        (c)->unwind = NULL;                                                                        \
    } while (0)

static void set_protected_segments(struct vcpu *c, const struct head *h, unsigned mode)
{
    unsigned rpl =
        mode == P16_3 || mode == P32_3 || mode == COMPAT16_3 || mode == COMPAT32_3 || mode == LONG_3
            ? 3
            : 0;
    bool is16 = mode == P16_0 || mode == P16_3 || mode == COMPAT16_3;
    struct seg data = is16 ? flat((u16)(rpl ? DATA16_3 : DATA16_0), A_DATA)
                           : flat((u16)(rpl ? DATA_3 : DATA_0), A_DATA | A_32);

    for (unsigned s = 0; s < 6; s++)
        c->seg[s] = data;
    if (mode == LONG_0 || mode == LONG_3)
        c->seg[SEG_CS] = flat((u16)(rpl ? CODE64_3 : CODE64_0), A_CODE | AR_L | AR_G);
    else if (is16)
        c->seg[SEG_CS] = flat((u16)(rpl ? CODE16_3 : CODE16_0), A_CODE);
    else
        c->seg[SEG_CS] = flat((u16)(rpl ? CODE32_3 : CODE32_0), A_CODE | A_32);
    c->cpl = (u8)rpl;
    c->ldtr = (struct seg){LDT, AR_P | SYS_LDT, 0x3f, AT_LDT};
    c->tr = c->long_mode      ? (struct seg){TSS64, AR_P | SYS_TSS32_BUSY, 0x3ff, AT_TSS64}
            : h->how & H_TASK ? (struct seg){TSS16, AR_P | SYS_TSS16_BUSY, 0x2b, AT_TSS16}
                              : (struct seg){TSS32, AR_P | SYS_TSS32_BUSY, 0x3ff, AT_TSS32};
    c->gdtr = (struct dtr){.base = AT_GDT, .limit = GDT_LIMIT};
    c->idtr = (struct dtr){.base = c->long_mode ? AT_IDT64 : AT_IDT32, .limit = 0xfff};
    c->idtr.limit = c->long_mode ? 0xfff : 0x7ff;
}

static void set_v86(struct vcpu *c, const struct head *h)
{
    set_protected_segments(c, h, P32_0);
    vcpu_set_eflags(c, EFLAGS_VM);
    for (unsigned s = 0; s < 6; s++)
        seg_load_real(c, s, s == SEG_CS ? AT_CODE16 >> 4 : AT_DATA16 >> 4);
    c->cpl = 3;
}

static void set_mode(struct vcpu *c, const struct head *h)
{
    unsigned mode = h->mode % MODES, paging = h->mode / MODES % PAGINGS;

    if (mode >= COMPAT16_3) {
        bool la57 = vcpu_has(c, X86_LA57) && (h->efer & 2);
        c->cr4 = CR4_PAE | (la57 ? CR4_LA57 : 0);
        c->cr3 = la57 ? AT_PML5 : AT_PML4;
        c->efer = EFER_LME | EFER_LMA;
        c->cr0 = CR0_PE | CR0_PG | CR0_ET;
        c->long_mode = true;
    } else if (mode != REAL) {
        c->cr0 = CR0_PE | CR0_ET;
    }
    if (mode == REAL) {
        for (unsigned s = 0; s < 6; s++)
            seg_load_real(c, s, s == SEG_CS ? AT_CODE16 >> 4 : AT_DATA16 >> 4);
        c->seg[SEG_CS].ar |= AR_CODE;
        c->idtr.limit = 0x3ff;
        return;
    }
    if (mode == V86)
        set_v86(c, h);
    else
        set_protected_segments(c, h, mode);
    vcpu_update_mode(c);
    if (mode >= COMPAT16_3 || paging == PAGING_OFF)
        return;
    TRY(c, cpu_write_cr(c, 3, paging == PAGING_PAE ? AT_PAE_PDPT : AT_PD));
    if (paging == PAGING_PAE)
        TRY(c, cpu_write_cr(c, 4, CR4_PAE));
    TRY(c, cpu_write_cr(c, 0, c->cr0 | CR0_PG));
}

static __attribute__((noinline)) void try_cr4_bit(struct vcpu *c, unsigned bit)
{
    TRY(c, cpu_write_cr(c, 4, c->cr4 | BIT64(bit)));
}

/* What software may change, by the functions that instructions use: they know what is legal. */
static void set_control(struct vcpu *c, const struct head *h)
{
    const u64 cr0_bits = CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | CR0_AM;
    u64 cr0 = (u64)(h->cr0 & 0xf) << 1 | (u64)(h->cr0 & 0x10) << 1 | (u64)(h->cr0 & 0x20) << 11 |
              (u64)(h->cr0 & 0x40) << 12;
    u64 cr4 = gather(h->cr4, 3) & 0x3fffff & ~(CR4_PAE | CR4_LA57);

    TRY(c, cpu_write_cr(c, 4, c->cr4 | cr4));
    for (unsigned bit = 0; (cr4 & ~c->cr4) && bit < 22; bit++) /* some of them are not on offer */
        if (cr4 >> bit & 1)
            try_cr4_bit(c, bit);
    TRY(c, cpu_write_cr(c, 0, (c->cr0 & ~cr0_bits) | (cr0 & cr0_bits)));
    TRY(c, cpu_wrmsr(c, MSR_EFER,
                     (c->efer & ~EFER_LMA) | (h->efer & 1 ? EFER_NXE : 0) |
                         (h->efer & 4 ? EFER_SCE : 0)));
    TRY(c, cpu_xsetbv(c, 0, (h->xcr0 & 7) | 1));
    for (unsigned n = 0; n < 4; n++)
        c->dr[n] = c->gpr[n == 0 ? RSI : n == 1 ? RDI : n == 2 ? RBX : RBP];
    c->dr[3] = c->rip + 4;
    TRY(c, cpu_write_dr(c, 7, (h->dr7[0] & 0xff) | (u64)h->dr7[1] << 16 | (u64)h->dr7[2] << 24));
    c->star = (u64)(CODE32_3 - 3) << 48 | (u64)CODE64_0 << 32;
    c->lstar = AT_CODE0;
    c->cstar = AT_HANDLERS64;
    c->sfmask = 0x300;
    c->sysenter_cs = CODE32_0;
    c->sysenter_eip = AT_CODE0;
    c->sysenter_esp = AT_STACK0;
    c->kernel_gs_base = AT_DATA;
}

static void set_fpu(struct vcpu *c, const struct head *h)
{
    struct fpu *f = &c->fpu;

    for (unsigned n = 0; n < 16; n++)
        for (unsigned i = 0; i < 4; i++) {
            u64 v = value((u8)(h->gpr[n] * 7 + i));
            memcpy(f->ymm[n] + 8 * i, &v, 8);
        }
    for (unsigned n = 0; n < 8; n++) {
        u16 exponent = (u16)(0x3fff + (s8)h->gpr[n] * (n + 1));
        memcpy(f->st[n], f->ymm[n], 8);
        memcpy(f->st[n] + 8, &exponent, 2);
    }
    f->fcw = (u16)(0x340 | (h->fcw & 0x3f) | (h->fcw & 0xc0) << 4);
    f->fsw = (u16)((h->fsw & 7) << 11 | (h->fsw & 0xf0) << 4);
    f->ftw = h->ftw;
    f->mxcsr = (u32)gather(h->mxcsr, 2) ^ 0x1f80;
}

static gva_t code_at(const struct vcpu *c, const struct head *h)
{
    static const u16 off[] = {0, 0x10, 0xff0, 0xff8, 0xffb, 0xffd, 0xffe, 0xfff};
    gva_t page = c->cpl == 3 ? AT_CODE : AT_CODE0;

    if (c->mode == MODE_16)
        page = AT_CODE16 + (h->where & 8 ? 0xf000 : 0);
    else if (h->where & 8)
        page = h->where & 16 ? AT_ODD - PAGE_SIZE : AT_ODD + (h->where & 0xe0u) * 0x80;
    return page + off[h->where & 7];
}

static unsigned put_prefixes(u8 *b, const struct recipe *r, bool code64)
{
    static const u8 pp[] = {0, 0x66, 0xf3, 0xf2}, more[] = {0x67, 0x64, 0x65, 0x2e};
    bool vex = (r->kind & 7) >= 4 && (r->kind & 7) < 7;
    unsigned n = 0;

    if (r->kind & 0x80)
        b[n++] = more[r->rest[3] & 3];
    if (vex) {
        b[n++] = 0xc4;
        b[n++] = (u8)((code64 ? r->rest[3] & 0xe0 : 0xe0) | ((r->kind & 7) - 3));
        b[n++] = (u8)((r->kind & 0x20) << 2 | (~r->rest[2] & 15) << 3 | (r->kind & 0x40) >> 4 |
                      (r->kind >> 3 & 3));
        return n;
    }
    if (r->kind & 0x18)
        b[n++] = pp[r->kind >> 3 & 3];
    if (r->kind & 0x40)
        b[n++] = 0xf0;
    if (code64 && (r->kind & 0xa0))
        b[n++] = (u8)(0x40 | (r->kind & 0x20) >> 2 | (r->kind & 0x80 ? r->rest[3] >> 5 : 0));
    if ((r->kind & 7) >= 1 && (r->kind & 7) <= 3)
        b[n++] = 0x0f;
    if ((r->kind & 7) == 2 || (r->kind & 7) == 3)
        b[n++] = (r->kind & 7) == 2 ? 0x38 : 0x3a;
    return n;
}

/* The bytes of the recipes, each as long as the instruction that it makes. */
static size_t form_code(const struct vcpu *c, const u8 *in, size_t size, u8 out[MAX_CODE])
{
    static const ZydisMachineMode modes[] = {
        ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_MACHINE_MODE_LONG_64};
    static const ZydisStackWidth widths[] = {ZYDIS_STACK_WIDTH_16, ZYDIS_STACK_WIDTH_32,
                                             ZYDIS_STACK_WIDTH_64};
    ZydisDecodedInstruction zi;
    ZydisDecoder decoder;
    struct recipe r;
    size_t len = 0;

    ZydisDecoderInit(&decoder, modes[c->mode], widths[c->mode]);
    for (; size >= sizeof(r) && len + 15 <= MAX_CODE; in += sizeof(r), size -= sizeof(r)) {
        u8 b[32];
        unsigned n;
        memcpy(&r, in, sizeof(r));
        n = put_prefixes(b, &r, c->mode == MODE_64);
        b[n++] = r.opcode;
        b[n++] = r.modrm;
        for (unsigned i = 0; i < 16; i++)
            b[n + i] = r.rest[i % sizeof(r.rest)];
        if (ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, b, 15, &zi)))
            n = zi.length;
        memcpy(out + len, b, n);
        len += n;
    }
    return len;
}

static void set_code(struct guest *g, const struct head *h, const u8 *code, size_t size)
{
    struct vcpu *c = g->c;
    gva_t at = code_at(c, h);
    u8 formed[MAX_CODE];

    if (h->how & H_FORMED) {
        size = form_code(c, code, size, formed);
        code = formed;
    }

    if (mem_write(g->vm.mem, at, code, size) || mem_write(g->vm.mem, AT_DATA, code, size) ||
        mem_write(g->vm.mem, AT_DATA16, code, size))
        bug_at(__FILE__, __LINE__, "the code lies in RAM");
    c->rip = c->ip = c->mode == MODE_64 ? at : (u32)(at - c->seg[SEG_CS].base);
    if (c->mode == MODE_64 && (h->how & H_HIGH))
        c->rip = c->ip = at + (c->cpl == 3 ? ~0ull << 39 : ~0ull << 47);
}

static void set_registers(struct guest *g, const struct head *h)
{
    struct vcpu *c = g->c;
    gpa_t stack = c->mode == MODE_16 ? AT_DATA16 + 0x8000 : c->cpl == 3 ? AT_STACK3 : AT_STACK0;
    static const u8 order[] = {SEG_DS, SEG_ES, SEG_FS, SEG_GS};

    for (unsigned n = 0; n < 16; n++)
        c->gpr[n] = value(h->gpr[n]) & (c->long_mode ? ~0ull : UINT32_MAX);
    if (h->gpr[RSP] & 0xc0)
        c->gpr[RSP] = stack - c->seg[SEG_SS].base;
    for (unsigned n = 0; n < 8; n++)
        put(g, stack + n * c->ss_size, value(h->stack[n]), c->ss_size);
    for (unsigned n = 0; n < ARRAY_SIZE(order); n++)
        if (h->seg[n] & 1)
            TRY(c, seg_load(c, order[n], (u16)value(h->seg[n] >> 1)));
}

static void setup(struct guest *g, const struct head *h, const u8 *code, size_t size)
{
    const u32 flags = EFLAGS_ARITH | EFLAGS_TF | EFLAGS_IF | EFLAGS_DF | EFLAGS_IOPL | EFLAGS_NT |
                      EFLAGS_AC | EFLAGS_ID | EFLAGS_RF | EFLAGS_VIF | EFLAGS_VIP;
    struct vcpu *c = g->c;
    u32 eflags = (u32)gather(h->eflags, 3) & flags;

    set_model(g, h);
    guest_reset(g);
    set_mode(c, h);
    vcpu_set_eflags(c, eflags | (c->eflags & EFLAGS_VM));
    set_registers(g, h);
    set_code(g, h, code, size);
    set_control(c, h);
    set_fpu(c, h);
    vcpu_update_mode(c);
    if (h->how & H_A20)
        vm_set_a20(&g->vm, false);
    c->shadow = 0;
    c->pending_db = 0;
    tlb_flush_all(c);
}
