/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For --lockstep, which runs a block twice: blocks that read the page-table entry whose accessed
 * and dirty bits they cause to be set, and a block that stores flags that are undefined. Neither is
 * a difference between the engines, and the guest must not notice.
 */
#include "io.h"
#include "page.h"

static page_aligned u8 page[4096];
static volatile u64 *pte;

static void forget(void)
{
    *pte &= ~(PTE_A | PTE_D);
    invlpg((void *)TEST_BASE);
}

static void accessed(void)
{
    u64 before, after, got;

    test("a block reads the accessed bit that it sets");
    for (u32 i = 0; i < 4; i++) {
        forget();
        asm volatile("movq (%3), %0\n movq (%4), %1\n movq (%3), %2"
                     : "=&r"(before), "=&r"(got), "=&r"(after)
                     : "r"(pte), "r"(TEST_BASE)
                     : "memory");
        CHECK_EQ(before & (PTE_A | PTE_D), 0);
        CHECK_EQ(after & (PTE_A | PTE_D), PTE_A);
    }
}

static void dirty(void)
{
    u64 before, after;

    test("a block reads the dirty bit that it sets");
    for (u64 i = 0; i < 4; i++) {
        forget();
        asm volatile("movq (%2), %0\n movq %4, (%3)\n movq (%2), %1"
                     : "=&r"(before), "=&r"(after)
                     : "r"(pte), "r"(TEST_BASE), "r"(i)
                     : "memory");
        CHECK_EQ(before & (PTE_A | PTE_D), 0);
        CHECK_EQ(after & (PTE_A | PTE_D), PTE_A | PTE_D);
        CHECK_EQ(*(volatile u64 *)page, i);
    }
}

static void stored_flags(void)
{
    test("a block stores undefined flags");
    for (u32 n = 0; n < 256; n++) {
        u8 v = (u8)n;
        asm volatile("leaq -256(%%rsp), %%rsp\n addb $0x1f, %0\n shlb $2, %0\n pushfq\n"
                     "leaq 264(%%rsp), %%rsp"
                     : "+r"(v)
                     :
                     : "cc", "memory");
        CHECK_EQ(v, (u8)((n + 0x1f) << 2));
    }
}

GUEST("trials")
{
    pte = page_map(TEST_BASE, (word)page, PTE_P | PTE_W);
    accessed();
    dirty();
    stored_flags();
}
