/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine-check registers: SDM 3B 15.3, APM 2 9.3. No machine check happens by itself; the
 * banks hold what the guest writes, under the rules for writing them.
 */
#include "cpu/msr.h"

#include <string.h>

#define MCG_CTL_PRESENT     BIT(8)
#define MCG_STATUS_BITS     7u        /* RIPV, EIPV, MCIP */
#define HWCR_MC_STATUS_WREN BIT64(18) /* AMD: MCi_STATUS takes any value */

bool mcg_cap_read(struct vcpu *c, const struct msr_desc *d, u32 index, u64 *val)
{
    *val = MC_BANKS | MCG_CTL_PRESENT;
    return true;
}

bool mcg_status_write(struct vcpu *c, const struct msr_desc *d, u32 index, u64 val)
{
    if (val & ~(u64)MCG_STATUS_BITS)
        return false;
    c->mcg_status = val;
    return true;
}

bool mc_bank_read(struct vcpu *c, const struct msr_desc *d, u32 index, u64 *val)
{
    *val = c->mc[(index - d->first) / 4][(index - d->first) % 4];
    return true;
}

/* CTL takes all zeros or all ones (SDM 3B 15.3.2.1), but for bits 0 and 10, which kernels clear as
   a remedy for AMD's errata. STATUS may be cleared, and set only where HWCR allows it. ADDR and
   MISC take anything, as with KVM: the SDM allows Intel's CPUs to refuse what is not 0. */
bool mc_bank_write(struct vcpu *c, const struct msr_desc *d, u32 index, u64 val)
{
    unsigned reg = (index - d->first) % 4;
    bool amd = !strcmp(c->vm->model.vendor, "AuthenticAMD");

    if (val && reg == MC_STATUS && !(amd && (c->hwcr & HWCR_MC_STATUS_WREN)))
        return false;
    if (val && reg == MC_CTL && (val | BIT64(0) | BIT64(10)) != ~(u64)0)
        return false;
    c->mc[(index - d->first) / 4][reg] = val;
    return true;
}

bool mc_mask_read(struct vcpu *c, const struct msr_desc *d, u32 index, u64 *val)
{
    *val = c->mc[index - d->first][MC_CTL_MASK];
    return true;
}

bool mc_mask_write(struct vcpu *c, const struct msr_desc *d, u32 index, u64 val)
{
    c->mc[index - d->first][MC_CTL_MASK] = val;
    return true;
}
