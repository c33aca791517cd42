/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Segment loads and accesses in 32-bit protected mode: types, DPL, RPL, presence, limits, and the
   error codes (SDM 3A 5.2-5.6, MOV and LLDT/LTR in 2A and 2B). */
#include "desc.h"
#include "io.h"
#include "trap.h"

#define S0 FREE_SEL
#define S1 (FREE_SEL + 8)

static u8 area[0x3000] page_aligned;

#define LOAD_FS(sel) asm volatile("movl %0, %%fs" : : "r"((u32)(sel)) : "memory")
#define LOAD_SS(sel)                                                                               \
    asm volatile("movl %%ss, %%ecx\n movl %0, %%ss\n movl %%ecx, %%ss"                             \
                 :                                                                                 \
                 : "r"((u32)(sel))                                                                 \
                 : "ecx", "memory")

static u16 get_fs(void)
{
    u32 sel;
    asm("movl %%fs, %0" : "=r"(sel));
    return (u16)sel;
}

static void data_loads(void)
{
    static const struct {
        u32 ar, rpl, vector;
    } cases[] = {
        {0x92, 0, NO_TRAP}, {0x90, 0, NO_TRAP}, {0x93 | AR_DPL3, 3, NO_TRAP},
        {0x96, 0, NO_TRAP}, {0x9a, 0, NO_TRAP}, {0x98, 0, GP},
        {0x9c, 0, GP},      {0x12, 0, NP},      {0x1a, 0, NP},
        {0x18, 0, GP}, /* type before presence */
        {0x92, 3, GP},      {0x92, 1, GP},      {0x9a, 3, GP},
        {0x9e, 3, NO_TRAP}, /* conforming: any RPL */
        {0x82, 0, GP},      {0x89, 0, GP},      {0x8e, 0, GP},
        {0x80, 0, GP},      {0x12, 3, GP}, /* privilege before presence */
    };
    test("loads of a data segment register");
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        LOAD_FS(KERNEL_DS);
        gdt_set(S0, 0, 0xfff, cases[i].ar);
        u32 sel = S0 | cases[i].rpl;
        (void)TRAP(LOAD_FS(sel));
        CHECK_EQ(last_trap.vector << 16 | (i << 8), cases[i].vector << 16 | (i << 8));
        if (cases[i].vector == NO_TRAP)
            CHECK_EQ(gdt_access(S0), (cases[i].ar & 0xff) | 1); /* accessed */
        else
            CHECK_EQ(last_trap.error, S0);
    }
}

static void selectors(void)
{
    test("selectors");
    CHECK_RUNS(LOAD_FS(0));
    LOAD_FS(3);
    CHECK_EQ(get_fs(), 3);
    CHECK_TRAP(GP, 0, asm volatile("movb %%fs:0, %%al" : : : "eax"));
    LOAD_FS(0);
    CHECK_TRAP(GP, 0, asm volatile("movb %%al, %%fs:area" : : : "memory"));
    CHECK_TRAP(GP, GDT_SLOTS * 8, LOAD_FS(GDT_SLOTS * 8));
    CHECK_TRAP(GP, 4, LOAD_FS(4));           /* no LDT */
    CHECK_TRAP(GP, 0xfffc, LOAD_FS(0xffff)); /* RPL is not in the error code */
    LOAD_FS(KERNEL_DS);
    struct dtr d = get_gdtr();
    d.limit = S0 + 6; /* the last byte is missing */
    gdt_set(S0, 0, 0xfff, AR_DATA);
    set_gdtr(d);
    CHECK_TRAP(GP, S0, LOAD_FS(S0));
    d.limit = S0 + 7;
    set_gdtr(d);
    CHECK_RUNS(LOAD_FS(S0));
    d.limit = sizeof(gdt) - 1;
    set_gdtr(d);
    CHECK_TRAP_AT(UD, 0, asm volatile(AT ".byte 0x8e, 0xc8" : : "a"(KERNEL_CS)));
}

static void stack_loads(void)
{
    static const struct {
        u32 ar, rpl, vector;
    } cases[] = {
        {0x92 | AR_DB | AR_G, 0, NO_TRAP},
        {0x96, 0, NO_TRAP},
        {0x90, 0, GP},
        {0x9a, 0, GP},
        {0x92, 3, GP},
        {0xf2, 3, GP},
        {0xf2, 0, GP},
        {0x12, 0, SS},
        {0x10, 0, GP},
        {0x12, 1, GP},
        {0x82, 0, GP},
    };
    test("loads of SS");
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        gdt_set(S0, 0, 0xfffff, cases[i].ar);
        u32 sel = S0 | cases[i].rpl;
        (void)TRAP(LOAD_SS(sel));
        CHECK_EQ(last_trap.vector << 16 | (i << 8), cases[i].vector << 16 | (i << 8));
        if (cases[i].vector != NO_TRAP)
            CHECK_EQ(last_trap.error, S0);
    }
    CHECK_TRAP(GP, 0, LOAD_SS(0));
    CHECK_TRAP(GP, 0, LOAD_SS(3));
    CHECK_TRAP(GP, GDT_SLOTS * 8, LOAD_SS(GDT_SLOTS * 8));
}

static void rights(void)
{
    test("access rights");
    gdt_set(S0, (word)area, 0xfff, 0x90); /* read-only */
    LOAD_FS(S0);
    CHECK_RUNS(asm volatile("movl %%fs:4, %%eax" : : : "eax"));
    LOAD_FS(S0);
    CHECK_TRAP_AT(GP, 0, asm volatile(AT "movl %%eax, %%fs:4" : : : "memory"));
    LOAD_FS(S0);
    CHECK_TRAP_AT(GP, 0, asm volatile(AT "orl $0, %%fs:4" : : : "memory"));
    gdt_set(S0, (word)area, 0xfff, 0x9a); /* code, readable */
    LOAD_FS(S0);
    CHECK_RUNS(asm volatile("movl %%fs:4, %%eax" : : : "eax"));
    LOAD_FS(S0);
    CHECK_TRAP_AT(GP, 0, asm volatile(AT "movl %%eax, %%fs:4" : : : "memory"));
    CHECK_TRAP_AT(GP, 0, asm volatile(AT "movl %%eax, %%cs:area" : : : "memory"));
    gdt_set(S0, 0, 0xfffff, 0x98 | AR_DB | AR_G); /* execute-only CS: no reads */
    CHECK_TRAP(GP, 0,
               asm volatile("ljmp %0, $1f\n1: movl $2f, want_ip\n2: movl %%cs:area, %%eax\n"
                            "ljmp $8, $3f\n3:"
                            :
                            : "i"(S0)
                            : "eax"));
    CHECK_EQ(last_trap.ip, want_ip);
    CHECK_EQ(last_trap.cs, S0);
}

static void limits(void)
{
    test("limits");
    gdt_set(S0, (word)area, 0xffe, AR_DATA | AR_DB);
    gdt_set(S1, (word)area, 1, AR_DATA | AR_DB | AR_G); /* 1FFFh */
    area[0xffe] = 0x77;
    LOAD_FS(S0);
    u32 v;
    asm volatile("movzbl %%fs:0xffe, %0" : "=r"(v));
    CHECK_EQ(v, 0x77);
    CHECK_TRAP_AT(GP, 0, asm volatile(AT "movb %%fs:0xfff, %%al" : : : "eax"));
    LOAD_FS(S0);
    CHECK_TRAP_AT(GP, 0, asm volatile(AT "movw %%fs:0xffe, %%ax" : : : "eax"));
    LOAD_FS(S0);
    CHECK_TRAP_AT(GP, 0, asm volatile(AT "movl %%eax, %%fs:0xffc" : : : "memory"));
    LOAD_FS(S0);
    CHECK_RUNS(asm volatile("movl %%eax, %%fs:0xffb" : : : "memory"));
    CHECK_TRAP_AT(GP, 0,
                  asm volatile("movl %0, %%fs\n" AT "movb %%fs:-1, %%al"
                               :
                               : "r"(S0)
                               : "eax"));
    LOAD_FS(S1);
    CHECK_RUNS(asm volatile("movl %%fs:0x1ffc, %%eax" : : : "eax"));
    LOAD_FS(S1);
    CHECK_TRAP_AT(GP, 0, asm volatile(AT "movl %%fs:0x1ffd, %%eax" : : : "eax"));
    gdt_set(S0, 0, ((word)area >> 12) + 2, AR_DATA | AR_DB | AR_G);
    CHECK_TRAP_AT(SS, 0,
                  asm volatile("movl %%ss, %%ecx\n movl %%esp, %%edx\n movl %0, %%ss\n"
                               "leal area + 0x2ffd, %%esp\n" AT "popl %%eax\n"
                               "movl %%ecx, %%ss\n movl %%edx, %%esp"
                               :
                               : "r"(S0)
                               : "eax", "ecx", "edx", "memory"));
    CHECK_EQ(last_trap.entry_ss, S0);
    CHECK_EQ(last_trap.entry_sp, (word)area + 0x2ffd);
}

static void expand_down(void)
{
    test("expand-down");
    gdt_set(S0, 0, 0xfff, 0x96);                     /* 1000h-FFFFh */
    gdt_set(S1, (word)area, 1, 0x96 | AR_DB | AR_G); /* 2000h-FFFFFFFFh */
    static const struct {
        u32 sel, off, size;
        bool ok;
    } cases[] = {
        {S0, 0xfff, 1, false},   {S0, 0x1000, 1, true},  {S0, 0xffe, 4, false},
        {S0, 0xffff, 1, true},   {S0, 0xfffe, 2, true},  {S0, 0xffff, 2, false},
        {S0, 0x10000, 1, false}, {S1, 0x1fff, 1, false}, {S1, 0x2000, 4, true},
        {S1, 0x1ffe, 4, false},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        u32 off = cases[i].off, sel = cases[i].sel;
        LOAD_FS(sel);
        if (cases[i].size == 1)
            (void)TRAP(asm volatile("movb %%fs:(%0), %%al" : : "r"(off) : "eax"));
        else if (cases[i].size == 2)
            (void)TRAP(asm volatile("movw %%fs:(%0), %%ax" : : "r"(off) : "eax"));
        else
            (void)TRAP(asm volatile("movl %%fs:(%0), %%eax" : : "r"(off) : "eax"));
        CHECK_EQ(last_trap.vector << 8 | i, (cases[i].ok ? NO_TRAP : GP) << 8 | i);
    }
}

static void linear_wrap(void)
{
    test("linear address wraps at 4 GiB");
    gdt_set(S0, 0xfffff000, 0xfffff, AR_DATA | AR_DB | AR_G);
    LOAD_FS(S0);
    put32(area, 0xfeedface);
    u32 v;
    asm volatile("movl %%fs:0x1000(%1), %0" : "=r"(v) : "r"(area));
    CHECK_EQ(v, 0xfeedface);
    LOAD_FS(KERNEL_DS);
}

static void unchanged_on_fault(void)
{
    test("a failing load changes nothing");
    static const struct {
        u32 off;
        u16 sel;
    } __attribute__((packed)) bad = {0x1234, GDT_SLOTS * 8};
    u32 off = 7, sel = 7;
    CHECK_TRAP(GP, GDT_SLOTS * 8,
               asm volatile("movl %3, %%fs\n lfsl %2, %0\n"
                            : "+r"(off), "=r"(sel)
                            : "m"(bad), "r"(KERNEL_DS)));
    CHECK_EQ(last_trap.fs, KERNEL_DS);
    CHECK_TRAP(GP, GDT_SLOTS * 8,
               asm volatile("movl %0, %%fs\n pushl %1\n popl %%fs"
                            :
                            : "r"(KERNEL_DS), "i"(GDT_SLOTS * 8)));
    u32 top;
    CHECK_TRAP(GP, GDT_SLOTS * 8,
               asm volatile("pushl %0\n movl %%esp, %%esi\n popl %%fs"
                            :
                            : "i"(GDT_SLOTS * 8)
                            : "esi"));
    top = last_trap.si;
    CHECK_EQ(last_trap.entry_sp, top); /* ESP as before POP */
}

static void ldt_and_tr(void)
{
    static __attribute__((aligned(8))) u64 ldt[2];
    test("LLDT and LTR");
    ldt[1] = descriptor(0, 0xfffff, AR_DATA | AR_DB | AR_G);
    gdt_set(S0, (word)ldt, sizeof(ldt) - 1, AR_LDT);
    CHECK_RUNS(asm volatile("lldt %w0" : : "r"(S0)));
    u32 sel;
    asm volatile("sldt %0" : "=r"(sel));
    CHECK_EQ(sel, S0);
    CHECK_RUNS(LOAD_FS(0xc));
    CHECK_TRAP(GP, 0x14, LOAD_FS(0x17)); /* past its limit */
    CHECK_TRAP(GP, 4, LOAD_FS(4));       /* slot 0 of an LDT is not null: its type is bad */
    CHECK_TRAP(GP, KERNEL_DS, asm volatile("lldt %w0" : : "r"(KERNEL_DS)));
    CHECK_TRAP(GP, 0xc, asm volatile("lldt %w0" : : "r"(0xc)));
    gdt_set(S1, (word)ldt, 15, AR_LDT & 0x7f);
    CHECK_TRAP(NP, S1, asm volatile("lldt %w0" : : "r"(S1)));
    CHECK_RUNS(asm volatile("lldt %w0" : : "r"(0)));
    CHECK_TRAP(GP, 0xc, LOAD_FS(0xc));
    asm volatile("str %0" : "=r"(sel));
    CHECK_EQ(sel, TSS_SEL);
    CHECK_EQ(gdt_access(TSS_SEL), 0x8b); /* busy */
    CHECK_TRAP(GP, TSS_SEL, asm volatile("ltr %w0" : : "r"(TSS_SEL)));
    CHECK_TRAP(GP, 0, asm volatile("ltr %w0" : : "r"(0)));
    CHECK_TRAP(GP, KERNEL_DS, asm volatile("ltr %w0" : : "r"(KERNEL_DS)));
    gdt_set(S1, (word)&task, TSS_LIMIT, AR_TSS32 & 0x7f);
    CHECK_TRAP(NP, S1, asm volatile("ltr %w0" : : "r"(S1)));
    asm volatile("str %0" : "=r"(sel));
    CHECK_EQ(sel, TSS_SEL);
}

GUEST("segment")
{
    data_loads();
    selectors();
    stack_loads();
    rights();
    limits();
    expand_down();
    linear_wrap();
    unchanged_on_fault();
    ldt_and_tr();
}
