/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Accesses and instructions that cross from one page into another: the pages are not neighbours in
   memory, or the second is absent, read-only or not executable. Nothing is written by half. */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"

#define VA (TEST_BASE + 0x40000)
#define RW (PTE_P | PTE_W)

static page_aligned u8 data[3][4096];
static u8 *const low = (u8 *)VA, *const high = (u8 *)VA + 4096;

static void map(u64 second)
{
    page_map(VA, (word)data[2], RW);
    page_map(VA + 4096, (word)data[0], second);
    memset(data, 0x11, sizeof(data));
}

static void accesses(void)
{
    test("data");
    map(RW);
    for (unsigned i = 0; i < 8; i++) {
        data[2][4088 + i] = (u8)(0xa0 + i);
        data[0][i] = (u8)(0xb0 + i);
    }
    u64 v;
    memcpy(&v, high - 3, 8);
    CHECK_EQ(v, 0xb4b3b2b1b0a7a6a5ull);
    CHECK_EQ(*(volatile u16 *)(high - 1), 0xb0a7);
    CHECK_EQ(*(volatile u32 *)(high - 2), 0xb1b0a7a6);
    *(volatile u64 *)(high - 5) = 0x0807060504030201ull;
    CHECK_EQ(data[2][4091], 1);
    CHECK_EQ(data[2][4095], 5);
    CHECK_EQ(data[0][0], 6);
    CHECK_EQ(data[0][3], 0xb3);
    CHECK_EQ(data[1][0], 0x11); /* the neighbour in memory is not touched */
    u32 old = 1;
    asm volatile("lock xaddl %0, (%1)" : "+r"(old) : "r"(high - 2) : "memory");
    CHECK_EQ(old, 0x07060504);
    CHECK_EQ(*(volatile u32 *)(high - 2), 0x07060505);
    asm volatile("movq %%rsp, %%rbx\n movq %1, %%rsp\n pushq $0x1234\n popq %0\n movq %%rbx, %%rsp"
                 : "=r"(v)
                 : "r"(high + 3)
                 : "rbx", "memory");
    CHECK_EQ(v, 0x1234);
}

static void faults(u64 second, u32 error, const char *name)
{
    test(name);
    map(second);
    idt_use_stack(PF);
    CHECK_TRAP(PF, error | PF_W, *(volatile u64 *)(high - 3) = 5);
    CHECK_EQ(last_trap.cr2, (word)high);
    CHECK_EQ(data[2][4095], 0x11);
    CHECK_TRAP(PF, error | PF_W, asm volatile("addl $1, (%0)" : : "r"(high - 2) : "memory", "cc"));
    CHECK_EQ(last_trap.cr2, (word)high);
    CHECK_TRAP(PF, error | PF_W, asm volatile("lock incl (%0)" : : "r"(high - 2) : "memory", "cc"));
    CHECK_TRAP(PF, error | PF_W,
               asm volatile("movq %0, %%rsp\n pushq %%rax"
                            :
                            : "r"(high + 4)
                            : "memory"));
    CHECK_EQ(last_trap.sp, (word)high + 4);
    CHECK_EQ(data[2][4095], 0x11);
    CHECK_TRAP(PF, error | PF_W,
               asm volatile("cld\n rep stosb"
                            :
                            : "D"(high - 2), "c"(9), "a"(7)
                            : "memory"));
    CHECK_EQ(last_trap.di, (word)high);
    CHECK_EQ(last_trap.cx, 7);
    CHECK_EQ(data[2][4095], 7); /* whole elements before it are done */
    CHECK_TRAP(PF, error | PF_W,
               asm volatile("rep stosw"
                            :
                            : "D"(high - 3), "c"(9), "a"(0x909)
                            : "memory"));
    CHECK_EQ(last_trap.di, (word)high - 1);
    CHECK_EQ(data[2][4094], 9);
    CHECK_EQ(data[2][4095], 7);
    idt_reset(PF);
}

static const u8 mov_imm[] = {0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 0xcc}; /* MOV RAX, imm64; INT3 */

static void instructions(void)
{
    test("instructions");
    for (unsigned split = 1; split <= 10; split++) {
        map(RW);
        memcpy(high - split, mov_imm, sizeof(mov_imm));
        CHECK_TRAP(BP, 0, asm volatile("jmp *%0" : : "r"(high - split) : "rax", "memory"));
        CHECK_EQ(last_trap.ax, 0x0807060504030201ull);
        CHECK_EQ(last_trap.ip, (word)high - split + 11);
        page_map(VA + 4096, (word)data[0], RW | PTE_NX);
        CHECK_TRAP(PF, PF_P | PF_I, asm volatile("jmp *%0" : : "r"(high - split) : "rax"));
        CHECK_EQ(last_trap.cr2, (word)high);
        CHECK_EQ(last_trap.ip, split == 10 ? (word)high : (word)high - split);
        page_map(VA + 4096, (word)data[0], 0);
        CHECK_TRAP(PF, PF_I, asm volatile("jmp *%0" : : "r"(high - split) : "rax"));
        CHECK_EQ(last_trap.ip, split == 10 ? (word)high : (word)high - split);
    }
    /* A complete instruction at the end of a page needs nothing of the next one. */
    low[4095] = 0xcc;
    CHECK_TRAP(BP, 0, asm volatile("jmp *%0" : : "r"(low + 4095)));
}

GUEST("pagecross")
{
    accesses();
    faults(0, 0, "second page absent");
    faults(PTE_P, PF_P, "second page read-only");
    instructions();
}
