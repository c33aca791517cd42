/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Control registers: SDM 3A 2.5 (bits), 4.1 (paging modes), 4.4.1 (PDPTE registers), 4.10.4 (what
 * drops translations), 9.8.5 (IA-32e mode); SDM 1 chapter 13 (XCR0). A write is checked whole,
 * then made with all that follows from it. Own thread.
 */
#include "cpu/access.h"
#include "cpu/excp.h"
#include "cpu/system.h"
#include "dev/lapic.h"

#define CR0_BITS                                                                                   \
    (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD |     \
     CR0_PG)
#define CR3_KEEP BIT64(63) /* with PCIDs: the translations of the new one stay */

#define PDPTE_RESERVED_LOW 0x1e6u /* bits 2:1 and 8:5 */

/* The bits of CR4 and the features they come with. */
static const struct {
    u32 bits;
    u16 feature;
} cr4_bits[] = {
    {CR4_VME | CR4_PVI, X86_VME}, {CR4_TSD, X86_TSC},    {CR4_DE, X86_DE},
    {CR4_PSE, X86_PSE},           {CR4_PAE, X86_PAE},    {CR4_MCE, X86_MCE},
    {CR4_PGE, X86_PGE},           {CR4_PCE, X86_CMOV},   {CR4_OSFXSR, X86_FXSR},
    {CR4_OSXMMEXCPT, X86_SSE},    {CR4_UMIP, X86_UMIP},  {CR4_LA57, X86_LA57},
    {CR4_FSGSBASE, X86_FSGSBASE}, {CR4_PCIDE, X86_PCID}, {CR4_OSXSAVE, X86_XSAVE},
    {CR4_SMEP, X86_SMEP},         {CR4_SMAP, X86_SMAP},
};

static u64 cr4_offered(const struct vcpu *c)
{
    u64 offered = 0;

    for (size_t i = 0; i < ARRAY_SIZE(cr4_bits); i++)
        if (vcpu_has(c, cr4_bits[i].feature))
            offered |= cr4_bits[i].bits;
    return offered;
}

static u64 phys_mask(const struct vcpu *c)
{
    return BIT64(c->vm->model.phys_bits) - 1;
}

/* Reads the four PDPTEs that cr3 points to. False if one of them has a reserved bit set. Where
   there is no memory the bus reads as ones. */
static bool read_pdptes(struct vcpu *c, u64 cr3)
{
    gpa_t gpa = (cr3 & 0xffffffe0) & vcpu_a20_mask(c);
    u64 page = mem_page_for(c->vm->mem, gpa, vcpu_view(c), MEM_READ);
    u64 pdpte[4];

    if (page == MEM_NO_PAGE)
        return false;
    host_copy((u8 *)pdpte, mem_page_host(c->vm->mem, page) + (gpa & (PAGE_SIZE - 1)),
              sizeof(pdpte));
    for (unsigned i = 0; i < 4; i++)
        if ((pdpte[i] & PTE_P) && (pdpte[i] & (PDPTE_RESERVED_LOW | ~phys_mask(c))))
            return false;
    for (unsigned i = 0; i < 4; i++)
        c->pdpte[i] = pdpte[i];
    return true;
}

static void load_pdptes(struct vcpu *c, u64 cr3)
{
    if (!read_pdptes(c, cr3))
        cpu_raise_gp0(c);
}

static bool uses_pdptes(u64 cr0, u64 cr4, u64 efer)
{
    return (cr0 & CR0_PG) && (cr4 & CR4_PAE) && !(efer & EFER_LMA);
}

/* EFER as a write of CR0 with a change of PG leaves it: IA-32e mode begins or ends. */
static u64 efer_after_pg(struct vcpu *c, u64 cr0)
{
    if (!(cr0 & CR0_PG)) {
        if (c->mode == MODE_64 || (c->cr4 & CR4_PCIDE))
            cpu_raise_gp0(c);
        return c->efer & ~EFER_LMA;
    }
    if (!(c->efer & EFER_LME))
        return c->efer;
    if (!(c->cr4 & CR4_PAE) || (c->seg[SEG_CS].ar & AR_L))
        cpu_raise_gp0(c);
    return c->efer | EFER_LMA;
}

static void write_cr0(struct vcpu *c, u64 val)
{
    u64 changed, efer = c->efer;

    if (val >> 32)
        cpu_raise_gp0(c);
    val = (val & CR0_BITS) | CR0_ET;
    if ((val & CR0_PG) && !(val & CR0_PE))
        cpu_raise_gp0(c);
    if ((val & CR0_NW) && !(val & CR0_CD))
        cpu_raise_gp0(c);
    changed = val ^ c->cr0;
    if (changed & CR0_PG)
        efer = efer_after_pg(c, val);
    if (uses_pdptes(val, c->cr4, efer) && (changed & (CR0_CD | CR0_NW | CR0_PG)))
        load_pdptes(c, c->cr3);
    c->cr0 = val;
    c->efer = efer;
    if (changed & (CR0_PG | CR0_WP | CR0_PE))
        tlb_flush_all(c);
    vcpu_update_mode(c);
}

static void write_cr3(struct vcpu *c, u64 val)
{
    bool keep = (c->cr4 & CR4_PCIDE) && (val & CR3_KEEP);

    if (c->cr4 & CR4_PCIDE)
        val &= ~CR3_KEEP;
    if (val & ~phys_mask(c))
        cpu_raise_gp0(c);
    if (uses_pdptes(c->cr0, c->cr4, c->efer))
        load_pdptes(c, val);
    c->cr3 = val;
    tlb_switch(c, val, keep);
    c->leave = true;
}

static void check_cr4(struct vcpu *c, u64 val, u64 offered)
{
    u64 changed = val ^ c->cr4;

    if (val & ~offered)
        cpu_raise_gp0(c);
    if (c->long_mode && (!(val & CR4_PAE) || (changed & CR4_LA57)))
        cpu_raise_gp0(c);
    if ((changed & val & CR4_PCIDE) && (!c->long_mode || (c->cr3 & CR3_PCID)))
        cpu_raise_gp0(c);
}

static void write_cr4(struct vcpu *c, u64 val)
{
    u64 offered = cr4_offered(c), changed = val ^ c->cr4;

    if (!offered) /* the first 486s have no CR4 */
        cpu_raise_ud(c);
    check_cr4(c, val, offered);
    if (uses_pdptes(c->cr0, val, c->efer) && (changed & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP)))
        load_pdptes(c, c->cr3);
    c->cr4 = val;
    if (changed & (CR4_PSE | CR4_PAE | CR4_PGE | CR4_LA57 | CR4_PCIDE | CR4_SMEP | CR4_SMAP))
        tlb_flush_all(c);
    vcpu_update_mode(c);
}

static void write_cr8(struct vcpu *c, u64 val)
{
    if (val & ~(u64)0xf)
        cpu_raise_gp0(c);
    if (c->lapic)
        lapic_set_tpr(c->lapic, (u8)(val << 4));
    c->look = true;
    c->leave = true;
}

void cpu_write_cr(struct vcpu *c, unsigned n, u64 val)
{
    switch (n) {
    case 0:
        write_cr0(c, val);
        break;
    case 2:
        c->cr2 = val;
        break;
    case 3:
        write_cr3(c, val);
        break;
    case 4:
        write_cr4(c, val);
        break;
    case 8:
        write_cr8(c, val);
        break;
    default:
        cpu_raise_ud(c);
    }
}

u64 cpu_read_cr(struct vcpu *c, unsigned n)
{
    switch (n) {
    case 0:
        return c->cr0;
    case 2:
        return c->cr2;
    case 3:
        return c->cr3;
    case 4:
        if (!cr4_offered(c))
            cpu_raise_ud(c);
        return c->cr4;
    case 8:
        return c->lapic ? lapic_tpr(c->lapic) >> 4 : 0;
    default:
        cpu_raise_ud(c);
    }
}

bool cpu_restore_control(struct vcpu *c, u64 cr0, u64 cr3, u64 cr4, u64 efer)
{
    bool lma = (efer & EFER_LME) && (cr0 & CR0_PG);

    if (cr0 >> 32 || ((cr0 & CR0_PG) && !(cr0 & CR0_PE)) || ((cr0 & CR0_NW) && !(cr0 & CR0_CD)))
        return false;
    if ((cr4 & ~cr4_offered(c)) || (efer & ~(cpu_efer_offered(c) | EFER_LMA)))
        return false;
    if ((lma && !(cr4 & CR4_PAE)) || (!lma && (cr4 & CR4_PCIDE)) || (cr3 & ~phys_mask(c)))
        return false;
    efer = lma ? efer | EFER_LMA : efer & ~EFER_LMA;
    if (uses_pdptes(cr0, cr4, efer) && !read_pdptes(c, cr3))
        return false;
    c->cr0 = (cr0 & CR0_BITS) | CR0_ET;
    c->cr3 = cr3;
    c->cr4 = cr4;
    c->efer = efer;
    tlb_flush_all(c);
    return true;
}

/* Loads PE, MP, EM and TS; PE can be set but not cleared. */
void cpu_lmsw(struct vcpu *c, u16 val)
{
    u64 low = CR0_MP | CR0_EM | CR0_TS;

    write_cr0(c, (c->cr0 & ~low) | (val & (low | CR0_PE)));
}

static u64 xcr0_offered(const struct vcpu *c)
{
    return XCR0_X87 | XCR0_SSE | (vcpu_has(c, X86_AVX) ? XCR0_AVX : 0);
}

void cpu_xsetbv(struct vcpu *c, u32 index, u64 val)
{
    if (!(c->cr4 & CR4_OSXSAVE))
        cpu_raise_ud(c);
    if (index || (val & ~xcr0_offered(c)) || !(val & XCR0_X87))
        cpu_raise_gp0(c);
    if ((val & XCR0_AVX) && !(val & XCR0_SSE))
        cpu_raise_gp0(c);
    c->xcr0 = val;
    c->leave = true;
}

static bool any_set(const u8 *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (p[i])
            return true;
    return false;
}

/* The state components that are not in their initial configuration (SDM 1 13.6). */
static u64 xinuse(const struct vcpu *c)
{
    const struct fpu *f = &c->fpu;
    u64 use = 0;

    if (f->fcw != 0x37f || f->fsw || f->ftw || f->fop || f->fip || f->fdp || f->fcs || f->fds ||
        any_set(f->st[0], sizeof(f->st)))
        use |= XCR0_X87;
    for (unsigned n = 0; n < (c->mode == MODE_64 ? 16 : 8); n++) {
        if (any_set(f->ymm[n], 16))
            use |= XCR0_SSE;
        if (any_set(f->ymm[n] + 16, 16))
            use |= XCR0_AVX;
    }
    return use;
}

u64 cpu_xgetbv(struct vcpu *c, u32 index)
{
    if (!(c->cr4 & CR4_OSXSAVE))
        cpu_raise_ud(c);
    if (index == 0)
        return c->xcr0;
    if (index != 1 || !vcpu_has(c, X86_XGETBV1))
        cpu_raise_gp0(c);
    return c->xcr0 & xinuse(c);
}

/* An address that is not canonical has no translation to drop. */
void cpu_invlpg(struct vcpu *c, gva_t va)
{
    if (!c->long_mode || is_canonical(c, va))
        tlb_flush_page(c, va);
}

void cpu_invpcid(struct vcpu *c, u64 type, u64 pcid, u64 va)
{
    bool pcide = c->cr4 & CR4_PCIDE;

    if (type > 3 || (pcid & ~(u64)CR3_PCID))
        cpu_raise_gp0(c);
    if (type < 2 && pcid && !pcide)
        cpu_raise_gp0(c);
    if (type == 0 && c->long_mode && !is_canonical_base(c, va))
        cpu_raise_gp0(c);
    if (type == 0 && (!pcide || (c->cr3 & CR3_PCID) == pcid))
        tlb_flush_page(c, va);
    else if (type < 2 && pcide)
        tlb_flush_pcid(c, (u16)pcid);
    else if (type == 1)
        tlb_flush_nonglobal(c);
    else /* all contexts, with or (3) without global pages: dropping these too is allowed */
        tlb_flush_all(c);
}
