/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stack whose page changes while code runs on it: the code pushes, changes the page's entry or a
 * table above it, invalidates, and goes on with every kind of access by RSP. It must reach the new
 * page, and leave the old one alone; or fault, if the page is read-only or not present now, with
 * all registers as before. CR0.WP; the accessed and dirty bits.
 */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"
#include "xlat.h"

#define STACK_VA (TEST_BASE + 0x7000)
#define TABLE_VA (TEST_BASE + 0x40000000)
#define LARGE_VA (TEST_BASE + 0x80000000)
#define LARGE    0x1000000 /* memory: two large pages, */
#define FRESH    0x1400000 /* and pages that were no code before */
#define RW       (PTE_P | PTE_W)
#define START    0x800 /* RSP, in its page */

/* FORM(kind, offset of the access from RSP, 0, 0, flags that are undefined, text); ROW: several */
enum { READS, WRITES, MODIFIES, ROW };
/* clang-format off */
FORM_TABLE(forms, "READS=0; WRITES=1; MODIFIES=2; ROW=3\n"
           FORM(WRITES, -8, 0, 0, 0, "pushq %rax")
           FORM(WRITES, -8, 0, 0, 0, "pushq %r9")
           FORM(WRITES, -8, 0, 0, 0, "pushq $-9")
           FORM(WRITES, -2, 0, 0, 0, "pushw %ax")
           FORM(WRITES, -8, 0, 0, 0, "call 1f; 1: nop")
           FORM(WRITES, -8, 0, 0, 0, "pushfq")
           FORM(READS, 0, 0, 0, 0, "popq %rax")
           FORM(READS, 0, 0, 0, 0, "popq %r10")
           FORM(READS, 0, 0, 0, 0, "popw %cx")
           FORM(READS, 0, 0, 0, 0, "movq (%rsp), %rax")
           FORM(READS, 9, 0, 0, 0, "movzbl 9(%rsp), %eax")
           FORM(READS, 0x234, 0, 0, 0, "addl 0x234(%rsp), %ecx")
           FORM(READS, -0x400, 0, 0, 0, "cmpq %rax, -0x400(%rsp)")
           FORM(READS, 16, 0, 0, 0, "movups 16(%rsp), %xmm1; movq %xmm1, %rax")
           FORM(ROW, 0, 0, 0, 0, "movq %rsp, %rbp; leaq 8(%rbp), %rbp; movq (%rbp), %rax; movq %rcx, 8(%rbp)")
           FORM(WRITES, 1, 0, 0, 0, "movb %al, 1(%rsp)")
           FORM(WRITES, -0x300, 0, 0, 0, "movq $0x1234567, -0x300(%rsp)")
           FORM(WRITES, 8, 0, 0, 0, "movups %xmm0, 8(%rsp)")
           FORM(WRITES, 2, 0, 0, 0, "setc 2(%rsp)")
           FORM(MODIFIES, 0, 0, 0, 0, "addq %rax, (%rsp)")
           FORM(MODIFIES, 4, 0, 0, 0, "lock xaddl %ecx, 4(%rsp)")
           FORM(MODIFIES, 0, 0, 0, 0, "xchgq %rax, (%rsp)")
           FORM(ROW, 0, 0, 0, 0, "pushq %rax; pushq %rcx; pushq %r9; popq %rbp; popq %r10")
           FORM(ROW, 0, 0, 0, 0, "popq %rax; popq %rcx; popq %r9; pushq %rbp; pushq %r10")
           FORM(ROW, 0, 0, 0, 0, "movq %rax, 8(%rsp); movq 16(%rsp), %rcx; addl %ecx, 24(%rsp); movb $5, (%rsp)")
           FORM(ROW, 0, 0, 0, 0, "pushq 8(%rsp); popq 16(%rsp); popq %rax")
           FORM(ROW, 0, 0, 0, 0, "leaq 1f(%rip), %rax; pushq %rax; ret; ud2; 1: nop")
           FORM(ROW, 0, 0, 0, 0, "call 1f; jmp 2f; 1: movq (%rsp), %rax; ret $8; 2: nop")
           FORM(ROW, 0, 0, 0, 0, "leaq 1f(%rip), %rax; movq %rax, 8(%rsp); call *8(%rsp); 1: popq %rcx")
           FORM(ROW, 0, 0, 0, 0, "pushq %rbp; movq %rsp, %rbp; pushq %rcx; leave; popq %rcx")
           FORM(ROW, 0, 0, 0, 0x810, "pushfq; popq %rcx; shlq $3, %rcx; movq %rcx, -8(%rsp)"));
/* clang-format on */

static page_aligned u8 frame[2][4096];
static u8 *fresh = (u8 *)FRESH;
static u32 start_flags = FLAG_CF;

static void copy(u64 *to, const u64 *from)
{
    for (u32 i = 0; i < 512; i++)
        to[i] = from[i];
}

static bool same(const u64 *a, const u64 *b)
{
    u64 differs = 0;
    for (u32 i = 0; i < 512; i++)
        differs |= a[i] ^ b[i];
    return !differs;
}

/* Two things that the stack's address may lead to. */
struct place {
    const char *name;
    word stack, flush; /* the page; the address to invalidate */
    volatile u64 *entry;
    u64 value[2];
    u64 *memory[2]; /* what is at the stack's address then */
};

/* Code that makes the new entry count, and what it needs in registers. */
struct change {
    const char *name;
    u32 size;
    u8 code[9];
    u64 r12, r13, r15;
};

static struct {
    const struct place *place;
    const struct change *change;
    const struct form *f;
    u8 *start, *form, *end;
    u64 content[2][512]; /* before */
    u64 wanted[512];     /* afterwards, of the page in force */
    struct stop should;
} sc;

static struct regs registers(u32 to)
{
    static struct {
        u64 pcid, va;
    } d;
    struct regs r = {.ip = (word)sc.start, .flags = 2 | start_flags};
    regs_pattern(&r, 77);
    d.va = sc.place->flush;
    r.r[RSP] = sc.place->stack + START;
    r.r[RBX] = (word)sc.place->entry;
    r.r[RDX] = sc.place->value[to];
    r.r[RDI] = sc.place->flush;
    r.r[RSI] = get_cr3();
    r.r[R12] = sc.change->r12, r.r[R13] = sc.change->r13, r.r[R15] = sc.change->r15;
    r.r[R14] = (word)&d;
    return r;
}

/* What the first PUSH writes is there already: so a page stays as it was. */
static void fill(u64 rax)
{
    u64 state = 9;
    for (u32 k = 0; k < 2; k++) {
        for (u32 i = 0; i < 512; i++)
            sc.content[k][i] = random64(&state);
        sc.content[k][START / 8 - 1] = rax;
        copy(sc.place->memory[k], sc.content[k]);
    }
}

static u32 run(u32 from, u32 to, struct stop *s)
{
    static const u64 xmm[2] = {0x1234567812345678, 0x5566778899aabbcc};
    struct regs r = registers(to);
    fill(r.r[RAX]);
    *sc.place->entry = sc.place->value[from];
    invlpg((void *)sc.place->stack);
    asm volatile("movups %0, %%xmm0" : : "m"(xmm));
    return regs_run(&r, s);
}

/* PUSH RAX; POP RAX; MOV [RBX], RDX; the change; the form. */
static void build(void)
{
    sc.start = fresh;
    u8 *p = EMIT(fresh, 0x50, 0x58, 0x48, 0x89, 0x13);
    sc.form = emit(p, sc.change->code, sc.change->size);
    sc.end = emit(sc.form, sc.f->code, sc.f->size);
    fresh = EMIT(sc.end, STOP_BYTES);
}

/* The outcome where nothing changes. */
static void learn(u32 to)
{
    CHECK_EQ(run(to, to, &sc.should), STOP_VECTOR);
    CHECK_EQ(sc.should.regs.ip, (word)sc.end + 2);
    copy(sc.wanted, sc.place->memory[to]);
}

static void compare(struct stop *s, u32 to)
{
    s->regs.flags &= ~(word)sc.f->arg[4];
    sc.should.regs.flags &= ~(word)sc.f->arg[4];
    CHECK_REGS(&s->regs, &sc.should.regs, 0);
    CHECK(same(sc.place->memory[to], sc.wanted));
}

/* Another page. */

static void one_change(const struct place *pl, const struct change *c)
{
    static struct stop s;
    sc.place = pl;
    sc.change = c;
    for (sc.f = forms; sc.f < forms_end; sc.f++) {
        test_case(sc.f->text, c->name, pl->name);
        build();
        for (u32 i = 0; i < 4; i++) {
            u32 to = i & 1;
            learn(to);
            CHECK_EQ(run(!to, to, &s), STOP_VECTOR);
            compare(&s, to);
            CHECK(same(pl->memory[!to], sc.content[!to]));
        }
    }
}

#define BY_INVLPG  .size = 3, .code = {0x0f, 0x01, 0x3f}                   /* [RDI] */
#define BY_CR3     .size = 3, .code = {0x0f, 0x22, 0xde}                   /* RSI */
#define BY_INVPCID .size = 6, .code = {0x66, 0x45, 0x0f, 0x38, 0x82, 0x3e} /* R15, [R14] */
#define BY_CR4     .size = 8, .code = {0x41, 0x0f, 0x22, 0xe4, 0x41, 0x0f, 0x22, 0xe5} /* R12, R13 */

static void local_changes(const struct place *pl)
{
    const struct change all[] = {{"INVLPG", BY_INVLPG},
                                 {"CR3", BY_CR3},
                                 {"INVPCID of an address", BY_INVPCID, .r15 = 0},
                                 {"INVPCID of a space", BY_INVPCID, .r15 = 1},
                                 {"INVPCID but for global pages", BY_INVPCID, .r15 = 3}};
    u32 n = cpuid(7, 0).ebx & BIT(10) ? ARRAY_SIZE(all) : 2;
    for (u32 i = 0; i < n; i++)
        one_change(pl, &all[i]);
}

static void global_changes(struct place *pl)
{
    const struct change all[] = {
        {"INVLPG of a global page", BY_INVLPG},
        {"CR4.PGE", BY_CR4, .r12 = get_cr4() & ~(word)CR4_PGE, .r13 = get_cr4()},
        {"INVPCID of all", BY_INVPCID, .r15 = 2}};
    u32 n = cpuid(7, 0).ebx & BIT(10) ? ARRAY_SIZE(all) : 2;
    pl->value[0] |= PTE_G, pl->value[1] |= PTE_G;
    for (u32 i = 0; i < n; i++)
        one_change(pl, &all[i]);
}

static struct place small_page(u64 first, u64 second)
{
    return (struct place){.name = "another page",
                          .stack = STACK_VA,
                          .flush = STACK_VA,
                          .entry = page_entry(STACK_VA, 1),
                          .value = {first, second},
                          .memory = {(u64 *)(first & PTE_ADDR), (u64 *)(second & PTE_ADDR)}};
}

/* Invalidated by the address of another small page in it. */
static struct place large_page(void)
{
    return (struct place){.name = "another large page",
                          .stack = LARGE_VA + 0x5000,
                          .flush = LARGE_VA + 0x3000,
                          .entry = page_entry(LARGE_VA, 2),
                          .value = {LARGE | PTE_PS | RW, (LARGE + 0x200000) | PTE_PS | RW},
                          .memory = {(u64 *)(LARGE + 0x5000), (u64 *)(LARGE + 0x205000)}};
}

static struct place table(void)
{
    struct place pl = {.name = "another table",
                       .stack = TABLE_VA,
                       .flush = TABLE_VA,
                       .entry = page_entry(TABLE_VA, 2),
                       .memory = {(u64 *)frame[0], (u64 *)frame[1]}};
    for (u32 i = 0; i < 2; i++) {
        u64 *entries = page_alloc();
        entries[TABLE_VA >> 12 & 511] = (word)frame[i] | RW;
        pl.value[i] = (word)entries | RW;
    }
    return pl;
}

static void other_pages(void)
{
    struct place pl[] = {small_page((word)frame[0] | RW, (word)frame[1] | RW), large_page(),
                         table()};
    for (u32 i = 0; i < ARRAY_SIZE(pl); i++) {
        local_changes(&pl[i]);
        if (i < 2)
            global_changes(&pl[i]);
    }
}

/* Invalidated while the other rights are in force: where AC has been changed for that. */
static void under_smap(void)
{
    const struct change stac = {"INVLPG between STAC and CLAC", .size = 9,
                                .code = {0x0f, 0x01, 0xcb, 0x0f, 0x01, 0x3f, 0x0f, 0x01, 0xca}};
    const struct change clac = {"INVLPG between CLAC and STAC", .size = 9,
                                .code = {0x0f, 0x01, 0xca, 0x0f, 0x01, 0x3f, 0x0f, 0x01, 0xcb}};
    struct place pl = small_page((word)frame[0] | RW, (word)frame[1] | RW);
    if (!(cpuid(7, 0).ebx & BIT(20)))
        return;
    one_change(&pl, &stac);
    pl.name = "another page of the user's";
    pl.value[0] |= PTE_U, pl.value[1] |= PTE_U;
    start_flags |= FLAG_AC;
    one_change(&pl, &clac);
    local_changes(&pl);
    start_flags &= ~(u32)FLAG_AC;
}

/* The same page with less rights. */

static struct {
    u32 faults, error, ignore; /* ignore: read-modify-write may read first */
    u64 later;
} want;

static bool on_trap(struct stop *s)
{
    if (s->vector != PF || want.faults++)
        return false;
    struct regs got = s->regs, before = registers(1);
    before.ip = (word)sc.form;
    got.flags = before.flags = 0; /* nobody reads them */
    CHECK_EQ(s->cr2, before.r[RSP] + (word)(long)(int)sc.f->arg[1]);
    CHECK_EQ(s->error & ~want.ignore, want.error & ~want.ignore);
    CHECK_REGS(&got, &before, 0);
    CHECK(same(sc.place->memory[1], sc.content[1]));
    *sc.place->entry = want.later;
    invlpg((void *)sc.place->stack);
    return true;
}

static void expect(bool present)
{
    bool reads = sc.f->arg[0] == READS;
    want.error = (present ? PF_P : 0) | (reads ? 0 : PF_W);
    want.ignore = sc.f->arg[0] == MODIFIES && !present ? PF_W : 0;
    want.later = (word)frame[1] | RW;
    want.faults = 0;
}

static void less(const char *name, u64 rights)
{
    static const struct change invlpg = {"INVLPG", BY_INVLPG};
    static struct stop s;
    word page = (word)frame[1];
    struct place pl = small_page(page | RW, page | RW);
    sc.place = &pl;
    sc.change = &invlpg;
    for (sc.f = forms; sc.f < forms_end; sc.f++) {
        test_case(sc.f->text, "page becomes", name);
        if (sc.f->arg[0] == ROW)
            continue;
        build();
        for (u32 i = 0; i < 3; i++) {
            pl.value[1] = page | RW;
            learn(1);
            pl.value[1] = page | rights;
            expect(rights & PTE_P);
            CHECK_EQ(run(0, 1, &s), STOP_VECTOR);
            CHECK_EQ(want.faults, !(rights & PTE_P) || sc.f->arg[0] != READS);
            sc.should.regs.r[RDX] = pl.value[1];
            compare(&s, 1);
        }
    }
}

/* The entry stays read-only. */
static void write_protect(void)
{
    const word cr0 = get_cr0();
    struct change c = {"CR0", .size = 4, .code = {0x41, 0x0f, 0x22, 0xc4}}; /* R12 */
    static struct stop s;
    word entry = (word)frame[1] | PTE_P;
    struct place pl = small_page(entry, entry);
    sc.place = &pl;
    sc.change = &c;
    for (sc.f = forms; sc.f < forms_end; sc.f++) {
        test_case(sc.f->text, "CR0.WP", "set");
        if (sc.f->arg[0] == ROW)
            continue;
        build();
        for (u32 i = 0; i < 3; i++) {
            set_cr0(cr0 & ~(word)CR0_WP);
            c.r12 = cr0 & ~(word)CR0_WP;
            learn(1);
            c.r12 = cr0;
            expect(true);
            CHECK_EQ(run(0, 1, &s), STOP_VECTOR);
            CHECK_EQ(want.faults, sc.f->arg[0] != READS);
            sc.should.regs.r[R12] = cr0;
            compare(&s, 1);
        }
    }
    set_cr0(cr0);
}

static void dirty(void)
{
    static const struct change invlpg = {"INVLPG", BY_INVLPG};
    static struct stop s;
    word entry = (word)frame[1] | RW;
    struct place pl = small_page(entry, entry);
    sc.place = &pl;
    sc.change = &invlpg;
    for (sc.f = forms; sc.f < forms_end; sc.f++) {
        test_case(sc.f->text, "accessed and dirty bits", "cleared");
        build();
        for (u32 i = 0; i < 3; i++) {
            learn(1);
            CHECK_EQ(run(0, 1, &s), STOP_VECTOR);
            compare(&s, 1);
            CHECK_EQ(*pl.entry & (PTE_A | PTE_D), sc.f->arg[0] == READS ? PTE_A : PTE_A | PTE_D);
        }
    }
}

GUEST("window")
{
    regs_catch_all();
    set_cr4(get_cr4() | CR4_OSFXSR | CR4_PGE);
    asm volatile("fninit");
    for (u32 smap = 0; smap < 2; smap++) {
        regs_use_smap(smap);
        regs_fix = NULL;
        other_pages();
        regs_fix = on_trap;
        less("read-only", PTE_P);
        less("absent", 0);
        write_protect();
        dirty();
    }
    regs_fix = NULL;
    under_smap();
}
