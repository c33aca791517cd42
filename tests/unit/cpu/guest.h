/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small guest for tests of the CPU's core without an engine: tables in guest RAM, one CPU put
 * into a mode, and macros that run a function of the core and look at what it threw.
 */
#pragma once
#include "../test.h"
#include "base/le.h"
#include "cpu/access.h"
#include "cpu/excp.h"
#include "cpu/far.h"
#include "cpu/seg.h"
#include "cpu/vcpu.h"
#include "dev/lapic.h"

enum { /* where things are in guest RAM */
       AT_GDT = 0x1000,
       AT_LDT = 0x1800,
       AT_IDT = 0x2000,
       AT_TSS = 0x3000,
       AT_TSS2 = 0x3400,
       AT_PML4 = 0x10000,
       AT_PDPT = 0x11000,
       AT_PD = 0x12000,
       AT_STACK0 = 0x20000, /* tops of stacks */
       AT_STACK1 = 0x28000,
       AT_STACK3 = 0x30000,
       AT_STACKI = 0x38000,
       RAM = 4 << 20,
};

enum { /* selectors */
       CODE0 = 0x08,
       DATA0 = 0x10,
       CODE3 = 0x18 | 3,
       DATA3 = 0x20 | 3,
       TSS = 0x28, /* 16 bytes in long mode */
       LDT = 0x38, /* 16 bytes in long mode */
       CODE0_16 = 0x48,
       DATA0_16 = 0x50,
       CONF0 = 0x58,       /* conforming, DPL 0 */
       EXEC_ONLY = 0x60,   /* DPL 0 */
       READ_ONLY = 0x68,   /* DPL 0 */
       ABSENT_CODE = 0x70, /* DPL 0 */
       ABSENT_DATA = 0x78, /* DPL 0 */
       EXPAND_DOWN = 0x80, /* DPL 0, above 0xffff */
       CODE1 = 0x88 | 1,
       DATA1 = 0x90 | 1,
       TSS2 = 0x98,
       GATE = 0xa0, /* 16 bytes */
       CODE0_L = 0xb0,
       CODE3_L = 0xb8 | 3,
       SMALL_CODE = 0xc0, /* DPL 0, limit 0xfff */
       SMALL_DATA = 0xc8, /* DPL 0, limit 0xfff */
       CODE_LD = 0xd0,    /* L and D */
       ABSENT_DATA3 = 0xd8 | 3,
       GDT_LIMIT = 0xff,
};

#define A_CODE (AR_P | AR_S | AR_CODE | AR_READABLE)
#define A_DATA (AR_P | AR_S | AR_WRITABLE)
#define A_32   (AR_G | AR_DB)
#define DPL(n) ((u32)(n) << AR_DPL_SHIFT)

struct guest {
    struct vm vm;
    struct vcpu *c;
    struct lapic_bus *lapics;
};

/* What must not change when a function throws. */
struct snapshot {
    u64 gpr[18];
    u32 eflags;
    struct seg seg[6], ldtr, tr;
    u64 cr0, cr3;
    u8 cpl, mode;
};

static inline struct snapshot snapshot(const struct vcpu *c)
{
    struct snapshot s;

    memset(&s, 0, sizeof(s));
    memcpy(s.gpr, c->gpr, sizeof(s.gpr));
    s.eflags = vcpu_eflags(c);
    memcpy(s.seg, c->seg, sizeof(s.seg));
    s.ldtr = c->ldtr;
    s.tr = c->tr;
    s.cr0 = c->cr0;
    s.cr3 = c->cr3;
    s.cpl = c->cpl;
    s.mode = c->mode;
    return s;
}

static inline bool same_state(const struct vcpu *c, const struct snapshot *s)
{
    struct snapshot now = snapshot(c);

    return memcmp(&now, s, sizeof(now)) == 0;
}

#define RAISES_LATE(c, stmt, vec, err)                                                             \
    do {                                                                                           \
        jmp_buf here_;                                                                             \
        (c)->unwind = &here_;                                                                      \
        if (setjmp(here_) == 0) {                                                                  \
            stmt;                                                                                  \
            CHECK(false && "a throw");                                                             \
        } else {                                                                                   \
            CHECK_EQ((c)->excp.vector, vec);                                                       \
            CHECK_EQ((c)->excp.error, err);                                                        \
        }                                                                                          \
        (c)->unwind = NULL;                                                                        \
    } while (0)

/* ... and the CPU is as it was. */
#define RAISES(c, stmt, vec, err)                                                                  \
    do {                                                                                           \
        struct snapshot before_ = snapshot(c);                                                     \
        RAISES_LATE(c, stmt, vec, err);                                                            \
        CHECK(same_state(c, &before_));                                                            \
    } while (0)

#define RUNS(c, stmt)                                                                              \
    do {                                                                                           \
        jmp_buf here_;                                                                             \
        (c)->unwind = &here_;                                                                      \
        if (setjmp(here_) == 0) {                                                                  \
            stmt;                                                                                  \
        } else {                                                                                   \
            CHECK(false && "no throw");                                                            \
            CHECK_EQ((c)->excp.vector, 0x100);                                                     \
            CHECK_EQ((c)->excp.error, 0x10000);                                                    \
        }                                                                                          \
        (c)->unwind = NULL;                                                                        \
    } while (0)

static inline u8 *ram(struct guest *g, gpa_t at)
{
    return g->vm.mem->ram + at;
}

static inline u64 get(struct guest *g, gpa_t at, unsigned size)
{
    u64 v = 0;

    memcpy(&v, ram(g, at), size);
    return v;
}

static inline void put(struct guest *g, gpa_t at, u64 v, unsigned size)
{
    memcpy(ram(g, at), &v, size);
}

/* `ar` as in struct seg; `limit` is the 20-bit field. */
static inline void set_desc(struct guest *g, u16 sel, u32 base, u32 limit, u32 ar)
{
    u64 raw = (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)ar << 40 |
              (u64)(limit & 0xf0000) << 32 | (u64)(base & 0xff000000) << 32;

    put(g, (sel & 4 ? AT_LDT : AT_GDT) + (sel & ~7u), raw, 8);
}

/* `ar`: P, DPL and type. 16 bytes in long mode. */
static inline void set_gate_at(struct guest *g, gpa_t at, u16 sel, u64 off, u32 ar, unsigned params)
{
    u64 raw = (off & 0xffff) | (u64)sel << 16 | (u64)params << 32 | (u64)ar << 40 |
              (off & 0xffff0000) << 32;

    put(g, at, raw, 8);
    if (g->c->long_mode)
        put(g, at + 8, off >> 32, 8);
}

static inline void set_gate(struct guest *g, u16 sel, u16 to, u64 off, u32 ar, unsigned params)
{
    set_gate_at(g, AT_GDT + (sel & ~7u), to, off, ar, params);
}

static inline void set_idt(struct guest *g, u8 vector, u16 sel, u64 off, u32 ar, unsigned ist)
{
    set_gate_at(g, AT_IDT + vector * (g->c->long_mode ? 16u : 8u), sel, off, ar, ist);
}

static inline void set_tables(struct guest *g)
{
    set_desc(g, CODE0, 0, 0xfffff, A_CODE | A_32);
    set_desc(g, DATA0, 0, 0xfffff, A_DATA | A_32);
    set_desc(g, CODE3, 0, 0xfffff, A_CODE | A_32 | DPL(3));
    set_desc(g, DATA3, 0, 0xfffff, A_DATA | A_32 | DPL(3));
    set_desc(g, TSS, AT_TSS, 0x3ff, AR_P | SYS_TSS32_AVAIL);
    set_desc(g, LDT, AT_LDT, 0xff, AR_P | SYS_LDT);
    set_desc(g, CODE0_16, 0, 0xffff, A_CODE);
    set_desc(g, DATA0_16, 0, 0xffff, A_DATA);
    set_desc(g, CONF0, 0, 0xfffff, A_CODE | A_32 | AR_CONFORMING);
    set_desc(g, EXEC_ONLY, 0, 0xfffff, (A_CODE | A_32) & ~AR_READABLE);
    set_desc(g, READ_ONLY, 0, 0xfffff, (A_DATA | A_32) & ~AR_WRITABLE);
    set_desc(g, ABSENT_CODE, 0, 0xfffff, (A_CODE | A_32) & ~AR_P);
    set_desc(g, ABSENT_DATA, 0, 0xfffff, (A_DATA | A_32) & ~AR_P);
    set_desc(g, ABSENT_DATA3, 0, 0xfffff, ((A_DATA | A_32) & ~AR_P) | DPL(3));
    set_desc(g, EXPAND_DOWN, 0, 0xf, A_DATA | A_32 | AR_EXPAND_DOWN);
    set_desc(g, CODE1, 0, 0xfffff, A_CODE | A_32 | DPL(1));
    set_desc(g, DATA1, 0, 0xfffff, A_DATA | A_32 | DPL(1));
    set_desc(g, CODE0_L, 0, 0, A_CODE | AR_L);
    set_desc(g, CODE3_L, 0, 0, A_CODE | AR_L | DPL(3));
    set_desc(g, SMALL_CODE, 0, 0xfff, A_CODE | AR_DB);
    set_desc(g, SMALL_DATA, 0, 0xfff, A_DATA | AR_DB);
    set_desc(g, CODE_LD, 0, 0xfffff, A_CODE | AR_L | AR_DB);
    g->c->gdtr = (struct dtr){.base = AT_GDT, .limit = GDT_LIMIT};
    g->c->idtr = (struct dtr){.base = AT_IDT, .limit = 0xfff};
}

static inline void ignore_cpu(void *cpu)
{
}

static inline void ignore_sipi(void *cpu, u8 vector)
{
}

static inline struct guest *guest_new(void)
{
    static const struct lapic_ops ops = {ignore_cpu, ignore_cpu, ignore_cpu, ignore_cpu,
                                         ignore_sipi};
    struct guest *g = calloc(1, sizeof(*g));
    struct err err = {.text = ""};

    if (!g)
        abort();
    bus_init(&g->vm.mmio, "mmio", &g->vm.lock);
    pthread_mutex_init(&g->vm.lock, NULL);
    g->vm.ncpus = 1;
    g->vm.model = (struct cpu_model){.vendor = "GenuineIntel", .phys_bits = 40, .virt_bits = 48};
    atomic_store(&g->vm.a20_mask, ~(u64)0);
    if (clock_new_manual(&g->vm.clock) || mem_new(&g->vm.mem, RAM, &g->vm.mmio, &err) ||
        vcpu_new(&g->c, &g->vm, 0) || lapic_bus_new(&g->lapics) ||
        lapic_new(&g->c->lapic, g->lapics, g->vm.clock, 0, true, &ops, g->c)) {
        fprintf(stderr, "cannot build a guest: %s\n", err.text);
        abort();
    }
    vcpu_reset(g->c, false);
    return g;
}

static inline void guest_free(struct guest *g)
{
    lapic_free(g->c->lapic);
    lapic_bus_free(g->lapics);
    vcpu_free(g->c);
    mem_free(g->vm.mem);
    clock_free(g->vm.clock);
    bus_dispose(&g->vm.mmio);
    pthread_mutex_destroy(&g->vm.lock);
    free(g);
}

static inline struct seg seg_of(struct guest *g, u16 sel)
{
    struct desc d;

    if (!desc_read(g->c, sel, &d))
        abort();
    d.seg.ar |= AR_ACCESSED;
    return d.seg;
}

/* CS, SS, DS, ES of a level, with its stack; FS and GS null. */
static inline void at_level(struct guest *g, u16 cs, u16 ss, u64 sp)
{
    struct vcpu *c = g->c;

    c->cpl = cs & 3;
    c->seg[SEG_CS] = seg_of(g, cs);
    c->seg[SEG_SS] = c->seg[SEG_DS] = c->seg[SEG_ES] = seg_of(g, ss);
    c->seg[SEG_FS] = c->seg[SEG_GS] = (struct seg){.sel = 0};
    c->gpr[RSP] = sp;
    c->ip = 0x5000;
    c->rip = 0x5002;
    vcpu_update_mode(c);
}

static inline void to_level0(struct guest *g)
{
    at_level(g, g->c->long_mode ? CODE0_L : CODE0, DATA0, AT_STACK0);
}

static inline void to_level3(struct guest *g)
{
    at_level(g, g->c->long_mode ? CODE3_L : CODE3, DATA3, AT_STACK3);
}

/* 32-bit protected mode, no paging, a TSS with stacks for levels 0 and 1. */
static inline struct guest *guest_protected(void)
{
    struct guest *g = guest_new();

    g->c->cr0 |= CR0_PE;
    set_tables(g);
    put(g, AT_TSS + 4, AT_STACKI, 4);
    put(g, AT_TSS + 8, DATA0, 4);
    put(g, AT_TSS + 12, AT_STACK1, 4);
    put(g, AT_TSS + 16, DATA1, 4);
    put(g, AT_TSS + 102, 0x100, 2);
    to_level0(g);
    RUNS(g->c, cpu_ltr(g->c, TSS));
    RUNS(g->c, cpu_lldt(g->c, LDT));
    return g;
}

/* 64-bit mode, the first 4 MiB mapped to themselves for everyone. */
static inline struct guest *guest_long(void)
{
    struct guest *g = guest_new();
    struct vcpu *c = g->c;

    put(g, AT_PML4, AT_PDPT | PTE_P | PTE_W | PTE_U, 8);
    put(g, AT_PDPT, AT_PD | PTE_P | PTE_W | PTE_U, 8);
    for (unsigned n = 0; n < 2; n++)
        put(g, AT_PD + n * 8, n << 21 | PTE_P | PTE_W | PTE_U | PTE_PS, 8);
    c->cr3 = AT_PML4;
    c->cr4 = CR4_PAE;
    c->efer = EFER_LME | EFER_LMA | EFER_SCE;
    c->cr0 |= CR0_PE | CR0_PG | CR0_WP;
    c->long_mode = true;
    tlb_flush_all(c);
    set_tables(g);
    put(g, AT_TSS + 4, AT_STACKI, 8);
    put(g, AT_TSS + 36, AT_STACK1, 8); /* IST 1 */
    to_level0(g);
    RUNS(g->c, cpu_ltr(g->c, TSS));
    RUNS(g->c, cpu_lldt(g->c, LDT));
    return g;
}

/* Virtual-8086 mode at 1000:0010, stack 3000:1000. */
static inline struct guest *guest_v86(unsigned iopl, bool vme)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;

    c->cr4 = vme ? CR4_VME : 0;
    c->cpl = 3;
    vcpu_set_eflags(c, EFLAGS_VM | EFLAGS_IF | iopl << 12);
    for (unsigned s = 0; s < 6; s++)
        seg_load_real(c, s, (u16)(0x2000 + s));
    seg_load_real(c, SEG_CS, 0x1000);
    seg_load_real(c, SEG_SS, 0x3000);
    c->gpr[RSP] = 0x1000;
    c->ip = 0x10;
    c->rip = 0x12;
    vcpu_update_mode(c);
    return g;
}
