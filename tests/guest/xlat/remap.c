/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A page of code replaced by another at the same linear address: seen at the next transfer there,
 * whatever the transfer is (calls, jumps and returns of each kind, running over the page's end, an
 * interrupt gate) and whatever the invalidation (INVLPG, CR3, CR4.PGE, INVPCID, a table above).
 * Code that replaces the page it runs in goes on in the new one.
 */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"
#include "xlat.h"

#define CALLER  (TEST_BASE + 0x7000) /* and the page behind it is the one that changes */
#define VA      (CALLER + 4096)
#define ENTRY   0x100 /* of the function; its first bytes are reached from the page before */
#define NOFLUSH BIT64(63)

static page_aligned u8 caller_page[4096], page[2][4096];
static u8 *const caller = (u8 *)CALLER;
static volatile u64 *pte;
static u64 pcid_flag;

/* In both pages: at 0, JMP to the function; the function: MOV EAX, n; and the way back: JMP RBX */
static void build_pages(void)
{
    for (u32 i = 0; i < 2; i++) {
        memset(page[i], 0xcc, 4096);
        emit_rel32(page[i], 0xe9, page[i] + ENTRY);
        u8 *p = EMIT(page[i] + ENTRY, 0xb8);
        p = emit_le(p, 100 + i, 4);
        EMIT(p, 0xff, 0xe3);
    }
}

struct transfer {
    const char *name;
    u8 *(*build)(u8 *p);
};

static u8 *direct_call(u8 *p)
{
    return emit_rel32(p, 0xe8, (void *)(VA + ENTRY));
}

static u8 *direct_jump(u8 *p)
{
    return emit_rel32(p, 0xe9, (void *)(VA + ENTRY));
}

static u8 *condition(u8 *p)
{
    p = EMIT(p, 0x39, 0xc0, 0x0f, 0x84); /* CMP EAX, EAX; JE */
    return emit_le(p, VA + ENTRY - (word)(p + 4), 4);
}

static u8 *indirect_call(u8 *p)
{
    return EMIT(p, 0xff, 0xd1); /* CALL RCX */
}

static u8 *indirect_jump(u8 *p)
{
    return EMIT(p, 0xff, 0xe1);
}

static u8 *memory_call(u8 *p)
{
    return EMIT(p, 0x51, 0xff, 0x14, 0x24); /* PUSH RCX; CALL [RSP] */
}

static u8 *memory_jump(u8 *p)
{
    return EMIT(p, 0x51, 0xff, 0x24, 0x24);
}

static u8 *by_return(u8 *p)
{
    return EMIT(p, 0x51, 0xc3); /* PUSH RCX; RET */
}

static u8 *far_return(u8 *p)
{
    return EMIT(p, 0x6a, KERNEL_CS, 0x51, 0x48, 0xcb); /* PUSH CS; PUSH RCX; LRETQ */
}

static u8 *interrupt_return(u8 *p)
{
    /* MOV RDX, RSP; PUSH SS; PUSH RDX; PUSHFQ; PUSH CS; PUSH RCX; IRETQ */
    return EMIT(p, 0x48, 0x89, 0xe2, 0x6a, KERNEL_DS, 0x52, 0x9c, 0x6a, KERNEL_CS, 0x51, 0x48,
                0xcf);
}

static u8 *interrupt(u8 *p)
{
    return EMIT(p, 0xcd, 0x41); /* INT 41h: the gate leads there */
}

static u8 *runs_over(u8 *p)
{
    (void)p;
    return EMIT(caller + 4092, 0x66, 0x90, 0x66, 0x90) - 4;
}

static const struct transfer transfers[] = {
    {"direct call", direct_call},
    {"direct jump", direct_jump},
    {"Jcc", condition},
    {"indirect call", indirect_call},
    {"indirect jump", indirect_jump},
    {"call by memory", memory_call},
    {"jump by memory", memory_jump},
    {"RET", by_return},
    {"far RET", far_return},
    {"IRET", interrupt_return},
    {"INT", interrupt},
    {"runs over the end", runs_over},
};

static void by_invlpg(void)
{
    invlpg((void *)(VA + 8));
}

static void by_cr3(void)
{
    set_cr3(get_cr3());
}

static void by_pge(void)
{
    set_cr4(get_cr4() & ~(word)CR4_PGE);
    set_cr4(get_cr4() | CR4_PGE);
}

static void by_invpcid(void)
{
    static const struct {
        u64 pcid, va;
    } d;
    asm volatile("invpcid %0, %1" : : "m"(d), "r"(2ull) : "memory");
}

/* Another address space in between, and back with a flush of this one alone. */
static void by_pcid(void)
{
    word cr3 = get_cr3();
    set_cr3((cr3 & PTE_ADDR) | 5 | NOFLUSH);
    set_cr3(cr3);
}

static const struct {
    const char *name;
    void (*flush)(void);
    u64 pte;
} flushes[] = {
    {"INVLPG", by_invlpg, 0},
    {"CR3", by_cr3, 0},
    {"INVLPG of a global page", by_invlpg, PTE_G},
    {"CR4.PGE", by_pge, PTE_G},
    {"INVPCID", by_invpcid, PTE_G},
    {"CR3 with a PCID", by_pcid, 0},
};

static u32 go(const u8 *at)
{
    u32 v;
    asm volatile("movq %%rsp, %%r12\n leaq 1f(%%rip), %%rbx\n jmp *%1\n1: movq %%r12, %%rsp"
                 : "=a"(v)
                 : "r"(at), "c"(VA + ENTRY)
                 : "rbx", "rdx", "r12", "memory", "cc");
    return v;
}

static void map(u32 which, u64 extra)
{
    *pte = (word)page[which] | PTE_P | PTE_W | extra;
}

static bool can(u32 flush)
{
    if (flushes[flush].flush == by_invpcid)
        return cpuid(7, 0).ebx & BIT(10);
    return flushes[flush].flush != by_pcid || pcid_flag;
}

static void matrix(void)
{
    if (cpuid(1, 0).ecx & BIT(17)) {
        set_cr4(get_cr4() | CR4_PCIDE);
        pcid_flag = 1;
    }
    set_cr4(get_cr4() | CR4_PGE);
    for (u32 f = 0; f < ARRAY_SIZE(flushes); f++) {
        by_pge(); /* the last one's page may be a global one */
        for (u32 t = 0; can(f) && t < ARRAY_SIZE(transfers); t++) {
            test_case(transfers[t].name, flushes[f].name, "next page");
            u8 *p = caller + 0x200 + 64 * t, *end = transfers[t].build(p);
            u8 *start = end >= p && end < p + 64 ? p : end;
            for (u32 i = 0; i < 12; i++) {
                map(i & 1, flushes[f].pte);
                flushes[f].flush();
                for (u32 k = 0; k < 3; k++)
                    CHECK_EQ(go(start), 100 + (i & 1));
            }
        }
    }
    if (pcid_flag) {
        set_cr3(get_cr3() & PTE_ADDR);
        set_cr4(get_cr4() & ~(word)CR4_PCIDE);
    }
}

static void across(void)
{
    test("an instruction of which the second half is in the page that changes");
    by_pge();
    for (u32 split = 1; split <= 9; split++)
        for (u32 i = 0; i < 6; i++) {
            u8 *start = (u8 *)VA - split;
            for (u32 k = 0; k < 2; k++) {
                /* MOV RAX, imm64; JMP RBX */
                static const u8 text[] = {0x48, 0xb8, 1, 1, 1, 1, 1, 1, 1, 1, 0xff, 0xe3};
                memcpy(caller + 4096 - split, text, split);
                memcpy(page[k], text + split, sizeof(text) - split);
                page[k][9 - split] = (u8)(k + 2); /* the last byte of the constant */
            }
            map(i & 1, 0);
            by_invlpg();
            u64 v;
            asm volatile("leaq 1f(%%rip), %%rbx\n jmp *%1\n1:"
                         : "=a"(v)
                         : "r"(start)
                         : "rbx", "memory");
            CHECK_EQ(v >> 56, 2 + (i & 1));
        }
    build_pages();
}

/* In each of two pages: XCHG its entry; INVLPG itself; MOV EAX, n; RET */
CODE(replace_self, "xchgq %rax, (%rdi)\n invlpg (%rsi)\n movl $100, %eax\n ret");
CODE(replace_self_cr3, "xchgq %rax, (%rdi)\n movq %rdx, %cr3\n movl $100, %eax\n ret");

static void self(const u8 *text, const u8 *end, u32 offset)
{
    by_pge();
    for (u32 i = 0; i < 2; i++) {
        memcpy(page[i] + offset, text, (size_t)(end - text));
        put8(page[i] + offset + (end - text) - 5, (u8)(100 + i));
    }
    map(0, 0);
    by_invlpg();
    u64 other = (word)page[1] | PTE_P | PTE_W;
    for (u32 i = 0; i < 50; i++) {
        u32 v;
        asm volatile("call *%3"
                     : "=a"(v), "+m"(other)
                     : "0"(other), "r"(VA + offset), "D"(pte), "S"(VA), "d"(get_cr3())
                     : "memory");
        other = (word)page[i & 1] | PTE_P | PTE_W;
        CHECK_EQ(v, 101 - (i & 1));
    }
}

static void upper_tables(void)
{
    test("another page table above it");
    u64 *tables[2] = {(u64 *)((word)pte & ~4095ull), page_alloc()};
    volatile u64 *pde = page_entry(VA, 2);
    map(0, 0);
    memcpy(tables[1], tables[0], 4096);
    tables[1][VA >> 12 & 511] = (word)page[1] | PTE_P | PTE_W;
    u8 *p = direct_call(caller + 0x200);
    (void)p;
    for (u32 i = 0; i < 40; i++) {
        *pde = (word)tables[i & 1] | PTE_P | PTE_W | PTE_U;
        if (i & 2)
            by_cr3();
        else
            by_invlpg();
        for (u32 k = 0; k < 3; k++)
            CHECK_EQ(go(caller + 0x200), 100 + (i & 1));
    }
    *pde = (word)tables[0] | PTE_P | PTE_W | PTE_U;
    by_cr3();
}

/* 2 MiB at LARGE, all of them in turns: one large page, another, a table of small ones. */
#define LARGE (TEST_BASE + 0x40000000)

static void large_pages(void)
{
    static const u32 offset[] = {0x10, 0x1ff0, 0x100ffe, 0x1ffff0};
    u8 *const memory[2] = {(u8 *)0x1000000, (u8 *)0x1200000};
    volatile u64 *pde = page_entry(LARGE, 2);
    u64 *small = page_alloc();
    test("large pages and small ones");
    for (u32 k = 0; k < 2; k++)
        for (u32 i = 0; i < 4; i++) {
            u8 *p = emit_le(EMIT(memory[k] + offset[i], 0xb8), 10 * k + i, 4);
            EMIT(p, 0xff, 0xe3);
        }
    for (u32 n = 0; n < 60; n++) {
        u32 which = n % 3, k = which == 1;
        for (u32 i = 0; i < 512; i++) /* every second page from the other memory */
            small[i] = ((word)memory[i & 1] + 4096 * i) | PTE_P | PTE_W;
        *pde = which == 2 ? (word)small | PTE_P | PTE_W : (word)memory[k] | PTE_PS | PTE_P | PTE_W;
        for (u32 i = 0; i < 4; i++)
            if (n & 4)
                invlpg((void *)(LARGE + (offset[i] & ~4095u)));
        if (n & 4)
            invlpg((void *)(LARGE + 0x101000)); /* the function there runs over into it */
        else
            by_cr3();
        for (u32 i = 0; i < 4; i++) {
            if (i == 2 && which == 2)
                continue; /* its halves are of two memories */
            u32 small_k = offset[i] >> 12 & 1;
            CHECK_EQ(go((u8 *)LARGE + offset[i]), 10 * (which == 2 ? small_k : k) + i);
        }
    }
    *pde = 0;
    by_cr3();
}

GUEST("remap")
{
    build_pages();
    memset(caller_page, 0xcc, 4096);
    page_map(CALLER, (word)caller_page, PTE_P | PTE_W);
    pte = page_map(VA, (word)page[0], PTE_P | PTE_W);
    idt_set(0x41, KERNEL_CS, VA + ENTRY, AR_INT32, 0);
    for (u32 smap = 0; smap < 2; smap++) {
        regs_use_smap(smap);
        matrix();
        across();
        upper_tables();
        large_pages();
    }
    test("code replaces its own page and goes on in the new one");
    self(replace_self, replace_self_end, 0x300);
    self(replace_self_cr3, replace_self_cr3_end, 0x340);
}
