/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Model-specific registers: SDM 4, APM 2 appendix A, for AMD's the BIOS and Kernel Developer's
 * Guide of family 0Fh, and KVM's paravirtual ones. One table says which exist for a model, and
 * how each is read and written. Left out: performance counters, and last-branch records, which
 * read as empty. Own thread.
 */
#include "cpu/msr.h"

#include "cpu/access.h"
#include "cpu/excp.h"
#include "dev/lapic.h"

#include <string.h>

#define MSR_P5_MC_ADDR        0x0u
#define MSR_P5_MC_TYPE        0x1u
#define MSR_KVM_OLD_WALL      0x11u
#define MSR_KVM_OLD_TIME      0x12u
#define MSR_PLATFORM_ID       0x17u
#define MSR_EBL_CR_POWERON    0x2au
#define MSR_BIOS_UPDT_TRIG    0x79u
#define MSR_SMBASE            0x9eu
#define MSR_ARCH_CAPABILITIES 0x10au
#define MSR_MCG_CTL           0x17bu
#define MSR_DEBUGCTL          0x1d9u
#define MSR_LAST_BRANCH_FIRST 0x1dbu
#define MSR_LAST_BRANCH_LAST  0x1deu
#define MSR_MTRR_FIX16K       0x258u
#define MSR_MTRR_FIX4K        0x268u
#define MSR_MC0_CTL           0x400u
#define MSR_XSS               0xda0u
#define MSR_KVM_WALL          0x4b564d00u
#define MSR_KVM_TIME          0x4b564d01u
#define MSR_K7_EVNTSEL0       0xc0010000u
#define MSR_K7_PERFCTR3       0xc0010007u
#define MSR_AMD_SYSCFG        0xc0010010u
#define MSR_AMD_HWCR          0xc0010015u
#define MSR_AMD_NB_CFG        0xc001001fu
#define MSR_AMD_PATCH_LOADER  0xc0010020u
#define MSR_AMD_MC0_CTL_MASK  0xc0010044u
#define MSR_AMD_INT_PENDING   0xc0010055u

#define DEBUGCTL_BITS    3u          /* LBR, BTF */
#define SPEC_CTRL_BITS   3u          /* IBRS, STIBP */
#define SYSCFG_BITS      0x007c0000u /* MtrrFixDramEn … Tom2ForceMemTypeWB */
#define HWCR_BITS        0x010401d8u /* TLB cache, INVD, flush filter, lock, IGNNE, McStatus */
#define AMD_PATCH_LEVEL  0x01000065u
#define INTEL_PATCH      BIT64(32) /* in the upper half */
#define MISC_ENABLE_FAST BIT64(0)
#define MISC_ENABLE_MON  BIT64(18)
/* Also thermal control, performance monitoring, prefetchers, SpeedStep, XD disable: kept, without
   effect. */
#define MISC_ENABLE_BITS 0x400d51889ull
#define MISC_ENABLE_RO   (BIT64(11) | BIT64(12)) /* no BTS, no PEBS */
/* No Meltdown, SSB, MDS, TAA, MMIO stale data; no L1D flush needed; no machine check on a change
   of page size. */
#define ARCH_CAPS 0xe179u

static bool field_read(struct vcpu *c, const struct msr_desc *d, u32 index, u64 *val)
{
    *val = *msr_field(c, d, index);
    return true;
}

static bool field_write(struct vcpu *c, const struct msr_desc *d, u32 index, u64 val)
{
    *msr_field(c, d, index) = val;
    return true;
}

/* Bits 63:32 are reserved. */
static bool field32_write(struct vcpu *c, const struct msr_desc *d, u32 index, u64 val)
{
    if (val >> 32)
        return false;
    *msr_field(c, d, index) = val;
    return true;
}

/* Bits 63:32 are not kept. */
static bool low32_write(struct vcpu *c, const struct msr_desc *d, u32 index, u64 val)
{
    *msr_field(c, d, index) = (u32)val;
    return true;
}

static bool canonical_write(struct vcpu *c, const struct msr_desc *d, u32 index, u64 val)
{
    if (vcpu_has(c, X86_LM) && !is_canonical_base(c, val))
        return false;
    *msr_field(c, d, index) = val;
    return true;
}

static bool zero_read(struct vcpu *c, const struct msr_desc *d, u32 index, u64 *val)
{
    *val = 0;
    return true;
}

static bool ignore_write(struct vcpu *c, const struct msr_desc *d, u32 index, u64 val)
{
    return true;
}

static bool zero_write(struct vcpu *c, const struct msr_desc *d, u32 index, u64 val)
{
    return val == 0;
}

u64 cpu_tsc(struct vcpu *c)
{
    return clock_now(c->vm->clock) + c->tsc_offset;
}

/* Whatever was derived from the TSC's old distance to virtual time. */
static void move_tsc(struct vcpu *c, u64 delta)
{
    u64 deadline = c->lapic ? lapic_tsc_deadline(c->lapic) : 0;

    c->tsc_offset += delta;
    if (deadline)
        lapic_set_tsc_deadline(c->lapic, deadline, (s64)c->tsc_offset);
    kvmclock_tsc_changed(c);
}

static bool tsc_read(struct vcpu *c, const struct msr_desc *d, u32 index, u64 *val)
{
    *val = cpu_tsc(c);
    return true;
}

/* SDM 3B 17.17.3: each of TSC and TSC_ADJUST moves by what the other is moved by. */
static bool tsc_write(struct vcpu *c, const struct msr_desc *d, u32 index, u64 val)
{
    u64 delta = val - cpu_tsc(c);

    c->tsc_adjust += delta;
    move_tsc(c, delta);
    return true;
}

static bool tsc_adjust_write(struct vcpu *c, const struct msr_desc *d, u32 index, u64 val)
{
    u64 delta = val - c->tsc_adjust;

    c->tsc_adjust = val;
    move_tsc(c, delta);
    return true;
}

static bool apic_base_read(struct vcpu *c, const struct msr_desc *d, u32 index, u64 *val)
{
    if (!c->lapic)
        return false;
    *val = lapic_base(c->lapic);
    return true;
}

static bool apic_base_write(struct vcpu *c, const struct msr_desc *d, u32 index, u64 val)
{
    u64 phys_mask = BIT64(c->vm->model.phys_bits) - 1;

    if (!c->lapic || !lapic_set_base(c->lapic, val, vcpu_has(c, X86_X2APIC), phys_mask))
        return false;
    c->look = true;
    tlb_flush_all(c); /* RAM comes to light where the register page was, and the reverse */
    return true;
}

static bool x2apic_read(struct vcpu *c, const struct msr_desc *d, u32 index, u64 *val)
{
    return c->lapic && lapic_msr_read(c->lapic, index, val);
}

static bool x2apic_write(struct vcpu *c, const struct msr_desc *d, u32 index, u64 val)
{
    c->look = true;
    return c->lapic && lapic_msr_write(c->lapic, index, val);
}

static bool deadline_read(struct vcpu *c, const struct msr_desc *d, u32 index, u64 *val)
{
    *val = c->lapic ? lapic_tsc_deadline(c->lapic) : 0;
    return true;
}

static bool deadline_write(struct vcpu *c, const struct msr_desc *d, u32 index, u64 val)
{
    if (c->lapic)
        lapic_set_tsc_deadline(c->lapic, val, (s64)c->tsc_offset);
    return true;
}

static bool spec_ctrl_write(struct vcpu *c, const struct msr_desc *d, u32 index, u64 val)
{
    if (val & ~(u64)SPEC_CTRL_BITS)
        return false;
    c->spec_ctrl = val;
    return true;
}

/* IBPB: there is nothing to forget. */
static bool pred_cmd_write(struct vcpu *c, const struct msr_desc *d, u32 index, u64 val)
{
    return (val & ~(u64)1) == 0;
}

static bool patch_level_read(struct vcpu *c, const struct msr_desc *d, u32 index, u64 *val)
{
    *val = vcpu_is_amd(c) ? AMD_PATCH_LEVEL : INTEL_PATCH;
    return true;
}

static bool arch_capabilities_read(struct vcpu *c, const struct msr_desc *d, u32 index, u64 *val)
{
    *val = ARCH_CAPS;
    return true;
}

static bool misc_enable_read(struct vcpu *c, const struct msr_desc *d, u32 index, u64 *val)
{
    *val = c->misc_enable | MISC_ENABLE_RO;
    return true;
}

static bool misc_enable_write(struct vcpu *c, const struct msr_desc *d, u32 index, u64 val)
{
    if (val & ~MISC_ENABLE_BITS)
        return false;
    c->misc_enable = val & ~MISC_ENABLE_RO;
    return true;
}

/* Outside system management mode it is not there. */
static bool smbase_read(struct vcpu *c, const struct msr_desc *d, u32 index, u64 *val)
{
    *val = c->smbase;
    return c->smm;
}

static bool debugctl_write(struct vcpu *c, const struct msr_desc *d, u32 index, u64 val)
{
    if (val & ~(u64)DEBUGCTL_BITS)
        return false;
    c->debugctl = val;
    return true;
}

static bool kvm_time_write(struct vcpu *c, const struct msr_desc *d, u32 index, u64 val)
{
    kvmclock_write_system_time(c, val);
    return true;
}

static bool kvm_wall_write(struct vcpu *c, const struct msr_desc *d, u32 index, u64 val)
{
    kvmclock_write_wall_clock(c, val);
    return true;
}

u64 cpu_efer_offered(const struct vcpu *c)
{
    return (vcpu_has(c, X86_SYSCALL) ? EFER_SCE : 0) | (vcpu_has(c, X86_LM) ? EFER_LME : 0) |
           (vcpu_has(c, X86_NX) ? EFER_NXE : 0) | (vcpu_has(c, X86_FFXSR) ? EFER_FFXSR : 0) |
           (vcpu_has(c, X86_AUTOIBRS) ? EFER_AIBRSE : 0);
}

static bool efer_read(struct vcpu *c, const struct msr_desc *d, u32 index, u64 *val)
{
    *val = c->efer;
    return cpu_efer_offered(c) != 0;
}

/* LMA follows from LME and CR0.PG and is not written. */
static bool efer_write(struct vcpu *c, const struct msr_desc *d, u32 index, u64 val)
{
    u64 ok = cpu_efer_offered(c), changed;

    val = (val & ~EFER_LMA) | (c->efer & EFER_LMA);
    changed = val ^ c->efer;
    if (!ok || (val & ~(ok | EFER_LMA)))
        return false;
    if ((changed & EFER_LME) && (c->cr0 & CR0_PG))
        return false;
    c->efer = val;
    if (changed & EFER_NXE)
        tlb_flush_all(c);
    vcpu_update_mode(c);
    return true;
}

static bool syscfg_write(struct vcpu *c, const struct msr_desc *d, u32 index, u64 val)
{
    if (val & ~(u64)SYSCFG_BITS)
        return false;
    c->syscfg = val;
    return true;
}

static bool hwcr_write(struct vcpu *c, const struct msr_desc *d, u32 index, u64 val)
{
    if (val & ~(u64)HWCR_BITS)
        return false;
    c->hwcr = val;
    return true;
}

#define FIELD(name) (u32) offsetof(struct vcpu, name)

/* By index, without overlap. */
static const struct msr_desc msrs[] = {
    {MSR_P5_MC_ADDR, MSR_P5_MC_TYPE, zero_read, ignore_write, X86_MCE, MSR_ANY, 0},
    {MSR_TSC, MSR_TSC, tsc_read, tsc_write, X86_TSC, MSR_ANY, 0},
    {MSR_KVM_OLD_WALL, MSR_KVM_OLD_WALL, field_read, kvm_wall_write, X86_HYPERVISOR, MSR_ANY,
     FIELD(kvm_wall_clock)},
    {MSR_KVM_OLD_TIME, MSR_KVM_OLD_TIME, field_read, kvm_time_write, X86_HYPERVISOR, MSR_ANY,
     FIELD(kvm_system_time)},
    {MSR_PLATFORM_ID, MSR_PLATFORM_ID, zero_read, NULL, X86_ALWAYS, MSR_INTEL, 0},
    {MSR_APIC_BASE, MSR_APIC_BASE, apic_base_read, apic_base_write, X86_APIC, MSR_ANY, 0},
    {MSR_EBL_CR_POWERON, MSR_EBL_CR_POWERON, zero_read, NULL, X86_ALWAYS, MSR_INTEL, 0},
    {MSR_TSC_ADJUST, MSR_TSC_ADJUST, field_read, tsc_adjust_write, X86_TSC_ADJUST, MSR_ANY,
     FIELD(tsc_adjust)},
    {MSR_SPEC_CTRL, MSR_SPEC_CTRL, field_read, spec_ctrl_write, X86_SPEC_CTRL, MSR_ANY,
     FIELD(spec_ctrl)},
    {MSR_PRED_CMD, MSR_PRED_CMD, NULL, pred_cmd_write, X86_SPEC_CTRL, MSR_ANY, 0},
    {MSR_BIOS_UPDT_TRIG, MSR_BIOS_UPDT_TRIG, NULL, ignore_write, X86_ALWAYS, MSR_INTEL, 0},
    {MSR_BIOS_SIGN_ID, MSR_BIOS_SIGN_ID, patch_level_read, ignore_write, X86_ALWAYS, MSR_ANY, 0},
    {MSR_SMBASE, MSR_SMBASE, smbase_read, NULL, X86_ALWAYS, MSR_INTEL, 0},
    {MSR_MTRRCAP, MSR_MTRRCAP, mtrr_cap_read, NULL, X86_MTRR, MSR_ANY, 0},
    {MSR_ARCH_CAPABILITIES, MSR_ARCH_CAPABILITIES, arch_capabilities_read, NULL,
     X86_ARCH_CAPABILITIES, MSR_ANY, 0},
    {MSR_SYSENTER_CS, MSR_SYSENTER_CS, field_read, low32_write, X86_SEP, MSR_ANY,
     FIELD(sysenter_cs)},
    {MSR_SYSENTER_ESP, MSR_SYSENTER_ESP, field_read, canonical_write, X86_SEP, MSR_ANY,
     FIELD(sysenter_esp)},
    {MSR_SYSENTER_EIP, MSR_SYSENTER_EIP, field_read, canonical_write, X86_SEP, MSR_ANY,
     FIELD(sysenter_eip)},
    {MSR_MCG_CAP, MSR_MCG_CAP, mcg_cap_read, NULL, X86_MCA, MSR_ANY, 0},
    {MSR_MCG_STATUS, MSR_MCG_STATUS, field_read, mcg_status_write, X86_MCA, MSR_ANY,
     FIELD(mcg_status)},
    {MSR_MCG_CTL, MSR_MCG_CTL, field_read, field_write, X86_MCA, MSR_ANY, FIELD(mcg_ctl)},
    {MSR_MISC_ENABLE, MSR_MISC_ENABLE, misc_enable_read, misc_enable_write, X86_ALWAYS, MSR_INTEL,
     0},
    {MSR_DEBUGCTL, MSR_DEBUGCTL, field_read, debugctl_write, X86_ALWAYS, MSR_ANY, FIELD(debugctl)},
    {MSR_LAST_BRANCH_FIRST, MSR_LAST_BRANCH_LAST, zero_read, NULL, X86_ALWAYS, MSR_ANY, 0},
    {MSR_MTRR_PHYSBASE0, MSR_MTRR_PHYSBASE0 + 15, field_read, mtrr_var_write, X86_MTRR, MSR_ANY,
     FIELD(mtrr_var)},
    {MSR_MTRR_FIX64K, MSR_MTRR_FIX64K, field_read, mtrr_fix_write, X86_MTRR, MSR_ANY,
     FIELD(mtrr_fix)},
    {MSR_MTRR_FIX16K, MSR_MTRR_FIX16K + 1, field_read, mtrr_fix_write, X86_MTRR, MSR_ANY,
     FIELD(mtrr_fix[1])},
    {MSR_MTRR_FIX4K, MSR_MTRR_FIX4K + 7, field_read, mtrr_fix_write, X86_MTRR, MSR_ANY,
     FIELD(mtrr_fix[3])},
    {MSR_PAT, MSR_PAT, field_read, pat_write, X86_PAT, MSR_ANY, FIELD(pat)},
    {MSR_MTRR_DEF_TYPE, MSR_MTRR_DEF_TYPE, field_read, mtrr_def_type_write, X86_MTRR, MSR_ANY,
     FIELD(mtrr_def_type)},
    {MSR_MC0_CTL, MSR_MC0_CTL + 4 * MC_BANKS - 1, mc_bank_read, mc_bank_write, X86_MCA, MSR_ANY, 0},
    {MSR_TSC_DEADLINE, MSR_TSC_DEADLINE, deadline_read, deadline_write, X86_TSC_DEADLINE, MSR_ANY,
     0},
    {MSR_X2APIC_FIRST, MSR_X2APIC_LAST, x2apic_read, x2apic_write, X86_X2APIC, MSR_ANY, 0},
    {MSR_XSS, MSR_XSS, zero_read, zero_write, X86_XSAVES, MSR_ANY, 0},
    {MSR_KVM_WALL, MSR_KVM_WALL, field_read, kvm_wall_write, X86_HYPERVISOR, MSR_ANY,
     FIELD(kvm_wall_clock)},
    {MSR_KVM_TIME, MSR_KVM_TIME, field_read, kvm_time_write, X86_HYPERVISOR, MSR_ANY,
     FIELD(kvm_system_time)},
    {MSR_EFER, MSR_EFER, efer_read, efer_write, X86_ALWAYS, MSR_ANY, 0},
    {MSR_STAR, MSR_STAR, field_read, field_write, X86_SYSCALL, MSR_ANY, FIELD(star)},
    {MSR_LSTAR, MSR_LSTAR, field_read, canonical_write, X86_LM, MSR_ANY, FIELD(lstar)},
    {MSR_CSTAR, MSR_CSTAR, field_read, canonical_write, X86_LM, MSR_ANY, FIELD(cstar)},
    {MSR_SFMASK, MSR_SFMASK, field_read, field32_write, X86_LM, MSR_ANY, FIELD(sfmask)},
    {MSR_FS_BASE, MSR_FS_BASE, field_read, canonical_write, X86_LM, MSR_ANY,
     FIELD(seg[SEG_FS].base)},
    {MSR_GS_BASE, MSR_GS_BASE, field_read, canonical_write, X86_LM, MSR_ANY,
     FIELD(seg[SEG_GS].base)},
    {MSR_KERNEL_GS_BASE, MSR_KERNEL_GS_BASE, field_read, canonical_write, X86_LM, MSR_ANY,
     FIELD(kernel_gs_base)},
    {MSR_TSC_AUX, MSR_TSC_AUX, field_read, field32_write, X86_ALWAYS, MSR_ANY, FIELD(tsc_aux)},
    /* Always there on AMD, where no CPUID bit says so: they count nothing. */
    {MSR_K7_EVNTSEL0, MSR_K7_PERFCTR3, zero_read, ignore_write, X86_ALWAYS, MSR_AMD, 0},
    {MSR_AMD_SYSCFG, MSR_AMD_SYSCFG, field_read, syscfg_write, X86_ALWAYS, MSR_AMD, FIELD(syscfg)},
    {MSR_AMD_HWCR, MSR_AMD_HWCR, field_read, hwcr_write, X86_ALWAYS, MSR_AMD, FIELD(hwcr)},
    {MSR_AMD_NB_CFG, MSR_AMD_NB_CFG, zero_read, ignore_write, X86_ALWAYS, MSR_AMD, 0},
    {MSR_AMD_PATCH_LOADER, MSR_AMD_PATCH_LOADER, NULL, ignore_write, X86_ALWAYS, MSR_AMD, 0},
    {MSR_AMD_MC0_CTL_MASK, MSR_AMD_MC0_CTL_MASK + MC_BANKS - 1, mc_mask_read, mc_mask_write,
     X86_MCA, MSR_AMD, 0},
    {MSR_AMD_INT_PENDING, MSR_AMD_INT_PENDING, zero_read, ignore_write, X86_ALWAYS, MSR_AMD, 0},
};

/* TSC_AUX comes with either of two instructions. */
static bool offered(const struct vcpu *c, const struct msr_desc *d)
{
    if (d->first == MSR_TSC_AUX)
        return vcpu_has(c, X86_RDTSCP) || vcpu_has(c, X86_RDPID);
    return vcpu_has(c, d->feature) &&
           (d->vendor == MSR_ANY || (d->vendor == MSR_AMD) == vcpu_is_amd(c));
}

static const struct msr_desc *find(const struct vcpu *c, u32 index)
{
    size_t lo = 0, hi = ARRAY_SIZE(msrs);

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (msrs[mid].last < index)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == ARRAY_SIZE(msrs) || msrs[lo].first > index || !offered(c, &msrs[lo]))
        return NULL;
    return &msrs[lo];
}

static void trace(const struct vcpu *c, const char *what, u32 index, bool ok, u64 val)
{
    if (!trace_on(&c->vm->trace, TRACE_MSR))
        return;
    trace_line(&c->vm->trace, "cpu%u %s %#x %#llx at %#llx%s", c->index, what, index,
               (unsigned long long)val, (unsigned long long)c->ip, ok ? "" : " #GP");
}

u64 cpu_rdmsr(struct vcpu *c, u32 index)
{
    const struct msr_desc *d = find(c, index);
    u64 val = 0;
    bool ok = d && d->read && d->read(c, d, index, &val);

    trace(c, "rdmsr", index, ok, val);
    if (!ok)
        cpu_raise_gp0(c);
    return val;
}

void cpu_wrmsr(struct vcpu *c, u32 index, u64 val)
{
    const struct msr_desc *d = find(c, index);
    bool ok = d && d->write && d->write(c, d, index, val);

    trace(c, "wrmsr", index, ok, val);
    if (!ok)
        cpu_raise_gp0(c);
}

void cpu_reset_msrs(struct vcpu *c)
{
    c->misc_enable = MISC_ENABLE_FAST | (vcpu_has(c, X86_MONITOR) ? MISC_ENABLE_MON : 0);
    c->mcg_status = c->mcg_ctl = 0;
    memset(c->mc, 0, sizeof(c->mc));
    c->debugctl = 0;
    c->syscfg = c->hwcr = 0;
}
