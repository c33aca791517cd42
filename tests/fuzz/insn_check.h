/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What holds between any two instructions, and after one that faulted. */
#pragma once
#include "cpu/access.h"
#include "insn_guest.h"

static void check_host(void)
{
    u64 rflags;
    u32 mxcsr;
    u16 fcw, fsw;

    __asm__ volatile("stmxcsr %0; fnstcw %1; fnstsw %2; pushf; pop %3"
                     : "=m"(mxcsr), "=m"(fcw), "=m"(fsw), "=r"(rflags));
    BUG_ON((mxcsr & 0xffc0) != 0x1f80 || fcw != 0x37f || (fsw & 0x3800));
    BUG_ON(rflags & (EFLAGS_DF | EFLAGS_AC | EFLAGS_TF | EFLAGS_NT));
}

static void check_derived(struct vcpu *c)
{
    struct vcpu_derived {
        u8 mode, ss_size, mmu;
        bool long_mode, flat, align_check;
    } was = {c->mode, c->ss_size, c->mmu, c->long_mode, c->flat, c->align_check};
    bool leave = c->leave;

    vcpu_update_mode(c);
    c->leave = leave;
    BUG_ON(was.mode != c->mode);
    BUG_ON(was.ss_size != c->ss_size);
    BUG_ON(was.mmu != c->mmu);
    BUG_ON(was.long_mode != c->long_mode);
    BUG_ON(was.flat != c->flat);
    BUG_ON(was.align_check != c->align_check);
}

static void check_control(const struct vcpu *c)
{
    BUG_ON((c->cr0 & CR0_PG) && !(c->cr0 & CR0_PE));
    BUG_ON((c->cr0 & CR0_NW) && !(c->cr0 & CR0_CD));
    BUG_ON(c->cr0 >> 32 || c->dr6 >> 32 || c->dr7 >> 32);
    BUG_ON(((c->efer & EFER_LMA) != 0) != ((c->efer & EFER_LME) && (c->cr0 & CR0_PG)));
    BUG_ON((c->efer & EFER_LMA) && !(c->cr4 & CR4_PAE));
    BUG_ON((c->cr4 & CR4_PCIDE) && !(c->efer & EFER_LMA));
    BUG_ON((c->dr6 & DR6_FIXED & ~(u64)BIT(12)) != (DR6_FIXED & ~(u64)BIT(12)));
    BUG_ON(!(c->dr7 & DR7_FIXED));
    BUG_ON(!(c->xcr0 & XCR0_X87) || ((c->xcr0 & XCR0_AVX) && !(c->xcr0 & XCR0_SSE)));
    BUG_ON(c->fpu.mxcsr >> 16);
}

static bool is_amd_user(const struct vcpu *c)
{
    return c->cpl == 3 && strcmp(c->vm->model.vendor, "AuthenticAMD") == 0;
}

static void check_segments(const struct vcpu *c)
{
    const struct seg *cs = &c->seg[SEG_CS], *ss = &c->seg[SEG_SS];

    BUG_ON(c->cpl > 3 || (c->cpl && !(c->cr0 & CR0_PE)));
    if (is_v86(c)) {
        BUG_ON(c->cpl != 3 || !(c->cr0 & CR0_PE) || c->long_mode);
        for (unsigned s = 0; s < 6; s++)
            BUG_ON(c->seg[s].ar && (c->seg[s].base != (u64)c->seg[s].sel << 4 ||
                                    c->seg[s].limit != 0xffff || AR_DPL(c->seg[s].ar) != 3));
        return;
    }
    if (!(c->cr0 & CR0_PE))
        return;
    if (!is_amd_user(c)) /* its SYSRET leaves SS' rights alone */
        BUG_ON(ss->ar && AR_DPL(ss->ar) != c->cpl);
    BUG_ON((cs->ar & (AR_CODE | AR_CONFORMING)) == AR_CODE && AR_DPL(cs->ar) != c->cpl);
    BUG_ON(c->long_mode && (cs->ar & (AR_L | AR_DB)) == (AR_L | AR_DB));
    BUG_ON(c->tr.ar && (c->tr.ar & (AR_S | 7)) != 3);
    BUG_ON(c->ldtr.ar && (c->ldtr.ar & (AR_S | AR_TYPE)) != SYS_LDT);
}

/* In 64-bit code, RIP may stand where the fetch will fault: behind the last canonical byte, or
   where a SYSRET of AMD's has led. */
static void check_rip(const struct vcpu *c)
{
    if (c->mode != MODE_64)
        BUG_ON(c->rip > UINT32_MAX + 15ull);
    else if (!is_amd_user(c))
        BUG_ON(!is_canonical(c, c->rip) && !is_canonical(c, c->rip - 15));
}

static void check(struct vcpu *c)
{
    BUG_ON(c->gpr[16] || c->unwind || c->exclusive || c->vm->running || c->vm->exclusive_pending);
    BUG_ON((c->eflags & EFLAGS_ARITH) || !(c->eflags & EFLAGS_FIXED) || c->eflags >> 22);
    check_host();
    check_derived(c);
    check_control(c);
    check_segments(c);
    check_rip(c);
}

static void check_tlb(const struct vcpu *c)
{
    const struct mem *mem = c->vm->mem;

    for (unsigned kind = 0; kind < MMU_ROWS; kind++)
        for (unsigned n = 0; n < TLB_ENTRIES; n++) {
            const struct tlb_entry *e = &c->tlb.row[kind][n];
            u64 none = tlb_no_page(n), at = e->page - (uintptr_t)mem->ram;
            if (e->rtag == none && e->wtag == none && e->xtag == none)
                continue;
            BUG_ON(kind == MMU_KINDS);
            BUG_ON(e->rtag != none && tlb_slot(e->rtag) != n);
            BUG_ON(e->wtag != none && tlb_slot(e->wtag) != n);
            BUG_ON(e->xtag != none && tlb_slot(e->xtag) != n);
            BUG_ON(at & (PAGE_SIZE - 1) || at >= RAM);
            BUG_ON(e->wtag != none && mem->pages[at >> PAGE_SHIFT].has_code);
        }
}

/* What an instruction that faulted must have left alone. */
struct kept {
    u64 gpr[16], cr0, cr3, cr4, efer, kernel_gs_base;
    struct seg seg[6], ldtr, tr;
    struct dtr gdtr, idtr;
    u32 eflags;
    u8 cpl;
};

static struct kept keep(const struct vcpu *c)
{
    struct kept k;

    memset(&k, 0, sizeof(k));
    memcpy(k.gpr, c->gpr, sizeof(k.gpr));
    memcpy(k.seg, c->seg, sizeof(k.seg));
    k.cr0 = c->cr0;
    k.cr3 = c->cr3;
    k.cr4 = c->cr4;
    k.efer = c->efer;
    k.kernel_gs_base = c->kernel_gs_base;
    k.ldtr = c->ldtr;
    k.tr = c->tr;
    k.gdtr.base = c->gdtr.base;
    k.gdtr.limit = c->gdtr.limit;
    k.idtr.base = c->idtr.base;
    k.idtr.limit = c->idtr.limit;
    k.eflags = vcpu_eflags(c) & ~EFLAGS_RF;
    k.cpl = c->cpl;
    return k;
}

/* Of repeated instructions the iterations before the fault count; a task switch may fault in the
   new task. */
static void check_kept(const struct vcpu *c, const struct kept *was)
{
    const struct kept now = keep(c);

    if (now.gpr[RCX] == was->gpr[RCX] && now.tr.base == was->tr.base)
        BUG_ON(memcmp(&now, was, sizeof(now)) != 0);
}
