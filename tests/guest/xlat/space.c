/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two address spaces with different code at the same linear addresses, switched thousands of times,
 * with and without PCIDs and global pages; a switch in the middle of a block. And the same physical
 * code at two linear addresses: what it computes from RIP, pushes and runs into must differ.
 */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"
#include "xlat.h"

#define VA      (TEST_BASE + 0x40000000) /* differs between the spaces */
#define SHARED  (TEST_BASE + 0x10000)    /* the same in both */
#define TWIN    (TEST_BASE + 0x90000)
#define NOFLUSH BIT64(63)

static page_aligned u64 other_pml4[512];
static page_aligned u8 page[2][3][4096], shared_page[4096], twin_page[4096], neighbour[3][4096];
static word root[2];

/* Its own copy of all tables above VA. */
static void build_spaces(void)
{
    page_map(SHARED, (word)shared_page, PTE_P | PTE_W);
    for (u32 i = 0; i < 3; i++)
        page_map(VA + 4096 * i, (word)page[0][i], PTE_P | PTE_W);
    root[0] = (word)page_root();
    memcpy(other_pml4, page_root(), 4096);
    u64 *pdpt = page_alloc();
    memcpy(pdpt, (u64 *)(page_root()[VA >> 39 & 511] & PTE_ADDR), 4096);
    pdpt[VA >> 30 & 511] = 0;
    other_pml4[VA >> 39 & 511] = (word)pdpt | PTE_P | PTE_W | PTE_U;
    root[1] = (word)other_pml4;
    set_cr3(root[1]);
    for (u32 i = 0; i < 3; i++)
        page_map(VA + 4096 * i, (word)page[1][i], PTE_P | PTE_W);
    set_cr3(root[0]);
}

static u32 call(word at)
{
    u32 v;
    asm volatile("call *%1" : "=a"(v) : "r"(at) : "rcx", "rdx", "memory", "cc");
    return v;
}

/* Functions of the spaces: +0: MOV EAX, n; RET. +100h: calls the one in the next page and adds n.
   +200h: reads data in the third page. */
static void build_code(void)
{
    for (u32 i = 0; i < 2; i++)
        for (u32 k = 0; k < 3; k++) {
            u8 *at = page[i][k];
            u32 n = 1000 * i + 100 * k;
            memset(at, 0xcc, 4096);
            u8 *p = emit_le(EMIT(at, 0xb8), n, 4);
            EMIT(p, 0xc3);
            p = EMIT(at + 0x100, 0xe8);
            p = emit_le(p, 4096 - 0x105 + 0x10 * i, 4);
            p = emit_le(EMIT(p, 0x05), n + 7, 4); /* ADD EAX, imm32 */
            EMIT(p, 0xc3);
            p = EMIT(at + 0x10, 0xb8);
            p = emit_le(p, n + 1, 4);
            EMIT(p, 0xc3);
            p = EMIT(at + 0x200, 0x8b, 0x05); /* MOV EAX, [RIP + …] */
            p = emit_le(p, 4096 - 0x206 + 0x800, 4);
            EMIT(p, 0xc3);
            put32(at + 0x800, n + 5);
        }
}

static void use(u32 i, bool pcid, u32 round)
{
    set_cr3(root[i] | (pcid ? i + 1 : 0) | (pcid && round > 4 ? NOFLUSH : 0));
}

static void switches(const char *name, bool pcid)
{
    test(name);
    for (u32 n = 0; n < 3000; n++) {
        u32 i = n & 1;
        use(i, pcid, n);
        u32 got[3] = {call(VA), call(VA + 0x100), call(VA + 0x200)};
        u32 next = i ? 1101 : 100; /* space 1 calls the second function there */
        if (got[0] != 1000 * i || got[1] != next + 1000 * i + 7 || got[2] != 1000 * i + 105) {
            CHECK_EQ(got[0], 1000 * i);
            CHECK_EQ(got[1], next + 1000 * i + 7);
            CHECK_EQ(got[2], 1000 * i + 105);
            break;
        }
    }
    use(0, pcid, 0);
    CHECK(true);
}

/* In a page of both: MOV CR3, RDI; CALL RSI; MOV EBX, EAX; MOV CR3, RDX; CALL RSI; in one block. */
CODE(both, "pushq %rbx\n pushq %rdx\n movq %rdi, %cr3\n call *%rsi\n movl %eax, %ebx\n popq %rdx\n"
           "movq %rdx, %cr3\n call *%rsi\n shll $16, %ebx\n orl %ebx, %eax\n popq %rbx\n ret");
/* In a page that differs: the instruction behind MOV CR3 is the other page's. */
CODE(leaves, "movq %rdi, %cr3\n movl $0x1111, %eax\n movq %rdx, %cr3\n shll $4, %eax\n ret");

static u32 call_with(word at, word rdi, word rsi, word rdx)
{
    u32 v;
    asm volatile("call *%1"
                 : "=a"(v), "+r"(at), "+D"(rdi), "+S"(rsi), "+d"(rdx)
                 :
                 : "rcx", "memory", "cc");
    return v;
}

static void in_a_block(void)
{
    test("CR3 changes in the middle of a block");
    memcpy(shared_page, both, (size_t)(both_end - both));
    for (u32 n = 0; n < 300; n++) {
        u32 i = n & 1, v = call_with(SHARED, root[i], VA, root[!i]);
        CHECK_EQ(v, (1000 * i) << 16 | (1000 * !i));
    }
    set_cr3(root[0]);
    test("CR3 changes in the middle of a block that is replaced so");
    for (u32 i = 0; i < 2; i++) {
        memcpy(page[i][0] + 0x400, leaves, (size_t)(leaves_end - leaves));
        put32(page[i][0] + 0x404, 0x1111 + i);
        put8(page[i][0] + 0x400 + (leaves_end - leaves) - 2, (u8)(4 + 4 * i));
    }
    for (u32 n = 0; n < 300; n++) {
        u32 i = n & 1;
        /* Enters in space 0; goes to space i, loads there; goes to space !i, shifts there. */
        u32 v = call_with(VA + 0x400, root[i], 0, root[!i]);
        CHECK_EQ(v, (0x1111 + i) << (4 + 4 * !i));
        set_cr3(root[0]);
    }
}

/* A page at SHARED, TWIN and low (identity) addresses; the page behind it differs. */
CODE(rip_data, "movl 0x800(%rip), %eax\n ret");
CODE(rip_lea, "leaq 0(%rip), %rax\n ret");
CODE(pushed, "call 1f\n1: popq %rax\n ret");
CODE(call_on, "call .+0x1000\n ret");
CODE(jump_on, "jmp .+0x1000");
CODE(jcc_on, "cmpl %eax, %eax\n jz .+0x1000\n ret");

static void put(u32 offset, const u8 *text, const u8 *end)
{
    memcpy(twin_page + offset, text, (size_t)(end - text));
}

static word call64(word at)
{
    word v;
    asm volatile("call *%1" : "=a"(v) : "r"(at) : "rcx", "memory", "cc");
    return v;
}

static void check_twin(word base, u32 n)
{
    CHECK_EQ(call64(base), base + 7);           /* LEA */
    CHECK_EQ(call64(base + 0x40), base + 0x45); /* CALL; POP */
    CHECK_EQ(call(base + 0x900), n + 3);        /* data in the next page */
    CHECK_EQ(call(base + 0x180), n);            /* CALL into it */
    CHECK_EQ(call(base + 0x190), n + 1);        /* JMP */
    CHECK_EQ(call(base + 0x1a0), n + 2);        /* JZ */
    CHECK_EQ(call(base + 0xffb), n + 4);        /* runs over into it */
}

static void twins(void)
{
    static const word base[] = {SHARED, TWIN, TWIN + 0x10000};
    test("the same code at three addresses");
    memset(twin_page, 0x90, 4096);
    put(0, rip_lea, rip_lea_end);
    put(0x40, pushed, pushed_end);
    put(0x900, rip_data, rip_data_end);
    put(0x180, call_on, call_on_end);
    put(0x190, jump_on, jump_on_end);
    put(0x1a0, jcc_on, jcc_on_end);
    for (u32 i = 0; i < 3; i++) {
        u32 n = 1000 * (i + 1);
        u8 *next = neighbour[i];
        memset(next, 0xcc, 4096);
        for (u32 k = 0; k < 3; k++) {
            static const u32 where[] = {0x180, 0x190, 0x1a2};
            u8 *p = emit_le(EMIT(next + where[k], 0xb8), n + k, 4);
            EMIT(p, 0xc3);
        }
        put32(next + 0x106, n + 3);
        u8 *p = emit_le(EMIT(next, 0xb8), n + 4, 4);
        EMIT(p, 0xc3);
        page_map(base[i], (word)twin_page, PTE_P | PTE_W);
        page_map(base[i] + 4096, (word)next, PTE_P | PTE_W);
    }
    for (u32 round = 0; round < 100; round++)
        check_twin(base[round % 3], 1000 * (round % 3 + 1));
}

static void global(void)
{
    test("a global caller of code that is not");
    set_cr4(get_cr4() | CR4_PGE);
    memset(shared_page, 0xcc, 4096);
    page_map(SHARED, (word)shared_page, PTE_P | PTE_W | PTE_G);
    u8 *p = EMIT(shared_page, 0x48, 0xb8); /* MOV RAX, VA; JMP RAX */
    p = emit_le(p, VA, 8);
    EMIT(p, 0xff, 0xe0);
    p = EMIT(shared_page + 0x20, 0xe8); /* CALL VA; ADD EAX, 1; RET */
    p = emit_le(p, VA - (SHARED + 0x25), 4);
    EMIT(p, 0x83, 0xc0, 1, 0xc3);
    for (u32 n = 0; n < 400; n++) {
        use(n & 1, false, n);
        CHECK_EQ(call(SHARED), 1000 * (n & 1));
        CHECK_EQ(call(SHARED + 0x20), 1000 * (n & 1) + 1);
    }
    use(0, false, 0);
}

GUEST("space")
{
    build_spaces();
    build_code();
    for (u32 smap = 0; smap < 2; smap++) {
        regs_use_smap(smap);
        switches("two address spaces", false);
        in_a_block();
        global();
        if (cpuid(1, 0).ecx & BIT(17)) {
            set_cr4(get_cr4() | CR4_PCIDE);
            switches("two address spaces with PCIDs", true);
            set_cr3(root[0]);
            set_cr4(get_cr4() & ~(word)CR4_PCIDE);
        }
        build_code();
    }
    twins();
}
