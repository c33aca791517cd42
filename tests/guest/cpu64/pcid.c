/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Process-context identifiers and INVPCID (SDM 3A 4.10): two address spaces that share all but one
   page; what each flush must reach, and what faults. A TLB may always forget, so only what must be
   gone is checked. */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"

#define VA      (TEST_BASE + 0x7000)
#define NOFLUSH BIT64(63)

static page_aligned u64 other_pml4[512];
static page_aligned u64 data[4][512];
static volatile u64 *const at = (volatile u64 *)VA;
static u64 root[2];
static volatile u64 *pte[2];
CODE(user_invpcid, "xorl %eax, %eax\n invpcid (%rsp), %rax");

static void use(unsigned space, u64 flags)
{
    set_cr3(root[space] | (space + 1) | flags);
}

static void invpcid(u64 type, u64 pcid, u64 va)
{
    struct {
        u64 pcid, va;
    } d = {pcid, va};
    asm volatile("invpcid %0, %1" : : "m"(d), "r"(type) : "memory");
}

static void build(void)
{
    memcpy(other_pml4, page_root(), 4096);
    root[0] = (word)page_root();
    root[1] = (word)other_pml4;
    pte[0] = page_map(VA, (word)data[0], PTE_P | PTE_W);
    set_cr3(root[1]);
    pte[1] = page_map(VA, (word)data[1], PTE_P | PTE_W);
    set_cr3(root[0]);
    for (u64 i = 0; i < 4; i++)
        data[i][0] = i;
}

static void switches(void)
{
    test("CR4.PCIDE and CR3");
    set_cr3(root[0] | PTE_PCD); /* bits 11:0 must be 0 */
    CHECK_TRAP(GP, 0, set_cr4(get_cr4() | CR4_PCIDE));
    set_cr3(root[0]);
    CHECK_RUNS(set_cr4(get_cr4() | CR4_PCIDE));
    CHECK_TRAP(GP, 0, set_cr0(get_cr0() & ~(word)CR0_PG));
    for (int i = 0; i < 4; i++) {
        use(0, i & 1 ? NOFLUSH : 0);
        CHECK_EQ(get_cr3(), root[0] | 1); /* bit 63 is not kept */
        CHECK_EQ(*at, 0);
        use(1, i & 2 ? NOFLUSH : 0);
        CHECK_EQ(*at, 1);
    }
    use(0, 0);
    *pte[0] = (word)data[2] | PTE_P | PTE_W;
    use(0, 0); /* flushes this PCID */
    CHECK_EQ(*at, 2);
    *pte[0] = (word)data[0] | PTE_P | PTE_W;
    use(1, 0);
    use(0, NOFLUSH);
    u64 v = *at; /* stale or fresh, nothing else */
    CHECK(v == 0 || v == 2);
    invlpg(at);
    CHECK_EQ(*at, 0);
}

static void types(void)
{
    test("INVPCID");
    for (u64 type = 0; type < 4; type++) {
        use(1, 0);
        (void)*at;
        *pte[1] = (word)data[3] | PTE_P | PTE_W;
        use(0, NOFLUSH);
        CHECK_RUNS(invpcid(type, type < 2 ? 2 : 0, VA));
        use(1, NOFLUSH);
        CHECK_EQ(*at << 8 | type, 3 << 8 | type);
        *pte[1] = (word)data[1] | PTE_P | PTE_W;
        invlpg(at);
    }
    use(0, 0);
    set_cr4(get_cr4() | CR4_PGE);
    *pte[0] = (word)data[0] | PTE_P | PTE_W | PTE_G;
    invlpg(at);
    (void)*at;
    *pte[0] = (word)data[2] | PTE_P | PTE_W | PTE_G;
    invpcid(2, 0, 0); /* all, global ones too */
    CHECK_EQ(*at, 2);
    *pte[0] = (word)data[0] | PTE_P | PTE_W;
    invlpg(at);
    CHECK_TRAP(GP, 0, invpcid(4, 0, 0));
    CHECK_TRAP(GP, 0, invpcid(0, 0x1000, 0));
    CHECK_TRAP(GP, 0, invpcid(1, 1 << 20, 0));
    CHECK_TRAP(GP, 0, invpcid(0, 1, BIT64(57)));
    CHECK_RUNS(invpcid(1, 1, BIT64(57))); /* the address counts for type 0 alone */
    CHECK_USER(GP, 0, user_invpcid);
}

GUEST("pcid")
{
    if (!(cpuid(1, 0).ecx & BIT(17))) {
        test("absent");
        CHECK_TRAP(GP, 0, set_cr4(get_cr4() | CR4_PCIDE));
        return;
    }
    build();
    switches();
    if (cpuid(7, 0).ebx & BIT(10))
        types();
    else
        CHECK_TRAP(UD, 0, invpcid(2, 0, 0));
    set_cr3(root[0]);
    set_cr4(get_cr4() & ~(word)CR4_PCIDE);
}
