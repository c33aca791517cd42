/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PAE paging in 32-bit mode (SDM 3A 4.4): the PDPTE registers, 2 MiB pages, NX, reserved bits. */
#include "desc.h"
#include "io.h"
#include "trap.h"

enum { P = 1, W = 2, U = 4, A = 32, D = 64, PS = 128 };
#define NX      (1ull << 63)
#define VA      0x40000000u
#define PF_P    1u
#define PF_W    2u
#define PF_RSVD 8u
#define PF_I    16u

static __attribute__((aligned(32))) u64 pdpt[4], pdpt2[4];
static u64 dirs[4][512] page_aligned, table[512] page_aligned;
static u8 data[2][4096] page_aligned;
static volatile u64 *const pde = &dirs[1][0], *const pte = &table[0];
static volatile u8 *const at = (volatile u8 *)VA;
static bool have_nx;

#define READ() asm volatile(AT "movb (%0), %%al" : : "r"(at) : "eax")
#define EXEC() asm volatile("call *%0" : : "r"(at) : "memory")

static void start(void)
{
    for (u32 d = 0; d < 4; d++) {
        for (u32 i = 0; i < 512; i++)
            dirs[d][i] = ((u64)d << 30 | i << 21) | PS | W | P;
        pdpt[d] = (word)dirs[d] | P;
    }
    *pde = 0;
    memcpy(pdpt2, pdpt, sizeof(pdpt));
    set_cr3((word)pdpt);
    set_cr4(get_cr4() | CR4_PAE);
    set_cr0(get_cr0() | CR0_PG | CR0_WP);
    if (have_nx)
        wrmsr(MSR_EFER, rdmsr(MSR_EFER) | BIT(11));
}

static void set(u64 d, u64 t)
{
    *pde = (word)table | d;
    *pte = (word)data[0] | t;
    invlpg(at);
}

static void no_execute(void)
{
    test("NX");
    data[0][0] = 0xc3; /* RET */
    set(P | W, P | W);
    CHECK_RUNS(EXEC());
    set(P | W, P | W | NX);
    CHECK_RUNS(READ());
    CHECK_TRAP(PF, PF_P | PF_I, EXEC());
    CHECK_EQ(last_trap.cr2, VA);
    CHECK_EQ(last_trap.ip, VA);
    set(P | W | NX, P | W);
    CHECK_TRAP(PF, PF_P | PF_I, EXEC());
    set(P | W, 0);
    CHECK_TRAP(PF, PF_I, EXEC());
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~(u64)BIT(11));
    set(P | W, P | W | NX); /* reserved now */
    CHECK_TRAP(PF, PF_P | PF_RSVD, READ());
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | BIT(11));
    invlpg(at);
    CHECK_RUNS(READ());
}

static void reserved(void)
{
    test("reserved bits");
    set(P | W, P | W | 1ull << 62); /* bits 62:MAXPHYADDR */
    CHECK_TRAP(PF, PF_P | PF_RSVD, READ());
    set(P | W | 1ull << 55, P | W);
    CHECK_TRAP(PF, PF_P | PF_RSVD, READ());
    *pde = PS | P | W | BIT(13);
    invlpg(at);
    CHECK_TRAP(PF, PF_P | PF_RSVD, READ());
    *pde = (word)data & 0xffe00000;
    *pde |= PS | P | W;
    invlpg(at);
    CHECK_RUNS(READ());
    CHECK_EQ(*pde & (A | D), A);
}

static void table_registers(void)
{
    test("PDPTE registers");
    set(P | W, P | W);
    put32(data[0], 0x1234);
    put32(data[1], 0x5678);
    CHECK_EQ(get32(at), 0x1234);
    pdpt[1] = 0; /* memory alone changes nothing until CR3 is loaded */
    invlpg(at);
    CHECK_RUNS(READ());
    set_cr3((word)pdpt);
    CHECK_TRAP(PF, 0, READ());
    pdpt[1] = (word)dirs[1] | P;
    set_cr3((word)pdpt);
    CHECK_EQ(get32(at), 0x1234);
    pdpt2[1] = (word)dirs[1] | P | W; /* bit 1 is reserved in a PDPTE */
    CHECK_TRAP(GP, 0, set_cr3((word)pdpt2));
    CHECK_EQ(get_cr3(), (word)pdpt);
    CHECK_EQ(get32(at), 0x1234);
    pdpt2[1] = (word)dirs[1] | P | 1ull << 60;
    CHECK_TRAP(GP, 0, set_cr3((word)pdpt2));
    pdpt2[1] = ((word)dirs[1] | W) & ~(u64)P; /* not present: ignored */
    CHECK_RUNS(set_cr3((word)pdpt2));
    CHECK_TRAP(PF, 0, READ());
    set_cr3((word)pdpt);
    pdpt[1] = 0;
    set_cr0(get_cr0() & ~CR0_PG);
    set_cr0(get_cr0() | CR0_PG); /* loads them as well */
    CHECK_TRAP(PF, 0, READ());
    pdpt[1] = (word)dirs[1] | P;
    set_cr4(get_cr4() ^ CR4_PGE); /* so does a change of PGE, PSE or PAE */
    CHECK_EQ(get32(at), 0x1234);
    set_cr4(get_cr4() ^ CR4_PGE);
}

static void switch_modes(void)
{
    test("LME needs paging off");
    if (!have_nx || !(cpuid(0x80000001, 0).edx & BIT(29)))
        return;
    CHECK_TRAP(GP, 0, wrmsr(MSR_EFER, rdmsr(MSR_EFER) | BIT(8)));
    set_cr0(get_cr0() & ~CR0_PG);
    set_cr4(get_cr4() & ~CR4_PAE);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | BIT(8));
    CHECK_TRAP(GP, 0, set_cr0(get_cr0() | CR0_PG)); /* long mode needs PAE */
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~(u64)BIT(8));
    CHECK_TRAP(GP, 0, set_cr0((get_cr0() & ~CR0_PE) | CR0_PG));
    CHECK_TRAP(GP, 0, set_cr0((get_cr0() & ~(u32)BIT(30)) | BIT(29))); /* NW without CD */
}

GUEST("pae")
{
    have_nx = cpuid(0x80000000, 0).eax > 0x80000000 && (cpuid(0x80000001, 0).edx & BIT(20));
    start();
    if (have_nx)
        no_execute();
    reserved();
    table_registers();
    switch_modes();
}
