/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A local APIC's saved state. No CPU runs meanwhile, so that nothing of it needs to be atomic. */
#include "dev/lapic_priv.h"

#include <errno.h>

static bool base_valid(u64 base)
{
    return !(base & ~(PAGE_MASK | LAPIC_BASE_BSP | LAPIC_BASE_EN | LAPIC_BASE_EXTD)) &&
           bits(base, 11, 10) != MODE_INVALID;
}

/* Vectors 0 to 15 are never taken. */
static bool vectors_valid(const _Atomic u32 *set)
{
    return !(lapic_ld(&set[0]) & 0xffff);
}

static int loaded(void *dev)
{
    struct lapic *l = dev;

    if (!base_valid(lapic_base(l)) || !lapic_regs_valid(l) || !vectors_valid(l->irr) ||
        !vectors_valid(l->isr) || !vectors_valid(l->tmr) || !lapic_timer_loaded(l))
        return -EINVAL;
    l->ops->intr(l->cpu);
    return 0;
}

static const struct state_field timer_fields[] = {
    STATE_UINT(struct lapic_timer, initial),      STATE_UINT(struct lapic_timer, divide),
    STATE_UINT(struct lapic_timer, zero_at),      STATE_UINT(struct lapic_timer, quiet_until),
    STATE_UINT(struct lapic_timer, tsc_deadline), STATE_END,
};

static const struct state_field fields[] = {
    STATE_UINT(struct lapic, base),
    STATE_UINT(struct lapic, id),
    STATE_UINT(struct lapic, ldr),
    STATE_UINT(struct lapic, dfr),
    STATE_UINT(struct lapic, svr),
    STATE_UINT(struct lapic, tpr),
    STATE_ARRAY(struct lapic, lvt),
    STATE_ARRAY(struct lapic, isr),
    STATE_ARRAY(struct lapic, irr),
    STATE_ARRAY(struct lapic, tmr),
    STATE_UINT(struct lapic, esr_pending),
    STATE_ELEMENTS(struct lapic, lint, 2, STATE_KIND_BOOL, 0),
    STATE_BOOL(struct lapic, lint_remote_irr),
    STATE_BOOL(struct lapic, extint),
    STATE_UINT(struct lapic, esr),
    STATE_UINT(struct lapic, icr),
    STATE_STRUCTS(struct lapic, t, 1, timer_fields),
    STATE_END,
};

const struct state_table lapic_state = {
    .name = "lapic", .version = 1, .oldest = 1, .fields = fields, .loaded = loaded};
