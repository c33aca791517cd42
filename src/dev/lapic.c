/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The local APIC's interrupt state: acceptance, priorities, LINT inputs, errors, IA32_APIC_BASE
 * (SDM 3A 10.4, 10.5, 10.8, 10.12.5; APM 2 16.3-16.6). Registers are in lapic_regs.c, the timer in
 * lapic_timer.c, addressing in lapic_bus.c.
 *
 * Left out: the spurious vector is kept but never dispensed, since a CPU asks and takes in one
 * step; focus processor; CMCI; EOI broadcast suppression; remote read.
 *
 * No lock: other threads set bits of IRR, TMR and the ESR atomically and read what addressing
 * needs; the rest belongs to the CPU's own thread.
 */
#include "dev/lapic.h"

#include "dev/lapic_priv.h"

#include <errno.h>
#include <stdlib.h>

#define BASE_DEFAULT 0xfee00000ull

static void clear_bits(_Atomic u32 *set)
{
    for (unsigned i = 0; i < 8; i++)
        lapic_st(&set[i], 0);
}

/* Table in SDM 3A 10.4.7.1, without the ID. */
static void reset_state(struct lapic *l)
{
    lapic_timer_reset(l);
    for (unsigned i = 0; i < LVT_COUNT; i++)
        if (i != LVT_TIMER)
            lapic_st(&l->lvt[i], LVT_MASKED);
    clear_bits(l->irr);
    clear_bits(l->isr);
    clear_bits(l->tmr);
    lapic_st(&l->tpr, 0);
    lapic_st(&l->ldr, 0);
    lapic_st(&l->dfr, UINT32_MAX);
    lapic_st(&l->svr, 0xff);
    lapic_st(&l->esr_pending, 0);
    atomic_store(&l->lint_remote_irr, false);
    atomic_store(&l->extint, false);
    l->esr = 0;
    l->icr = 0;
}

static void reset_id(struct lapic *l)
{
    lapic_st(&l->id, l->x2id << 24);
}

void lapic_reset(struct lapic *l, bool init)
{
    reset_state(l);
    if (init)
        return;
    reset_id(l);
    atomic_store(&l->base, BASE_DEFAULT | LAPIC_BASE_EN | (l->bsp ? LAPIC_BASE_BSP : 0));
}

int lapic_new(struct lapic **out, struct lapic_bus *bus, struct clock *clk, unsigned id, bool bsp,
              const struct lapic_ops *ops, void *cpu)
{
    struct lapic *l = calloc(1, sizeof(*l));
    int rc;

    if (!l)
        return -ENOMEM;
    l->bus = bus;
    l->clk = clk;
    l->ops = ops;
    l->cpu = cpu;
    l->x2id = id;
    l->bsp = bsp;
    rc = lapic_bus_add(bus, l);
    if (rc) {
        free(l);
        return rc;
    }
    lapic_timer_init(l);
    lapic_reset(l, false);
    *out = l;
    return 0;
}

void lapic_free(struct lapic *l)
{
    if (!l)
        return;
    lapic_bus_remove(l->bus, l);
    lapic_timer_dispose(l);
    free(l);
}

u32 lapic_x2_id(const struct lapic *l)
{
    return l->x2id;
}

u64 lapic_base(const struct lapic *l)
{
    return atomic_load_explicit(&l->base, memory_order_relaxed);
}

bool lapic_set_base(struct lapic *l, u64 val, bool has_x2apic, u64 phys_mask)
{
    u64 legal = (phys_mask & PAGE_MASK) | LAPIC_BASE_BSP | LAPIC_BASE_EN |
                (has_x2apic ? LAPIC_BASE_EXTD : 0);
    unsigned from = (unsigned)bits(lapic_base(l), 11, 10), to = (unsigned)bits(val, 11, 10);

    if ((val & ~legal) || to == MODE_INVALID || (from == MODE_X2APIC && to == MODE_XAPIC) ||
        (from == MODE_OFF && to == MODE_X2APIC))
        return false;
    atomic_store(&l->base, val);
    if (from == to)
        return true;
    if (to == MODE_OFF) {
        u8 tpr = lapic_tpr(l); /* CR8 lives on */
        reset_state(l);
        lapic_set_tpr(l, tpr);
    } else if (to == MODE_XAPIC) {
        reset_state(l);
        reset_id(l);
    } else {
        l->icr = (u32)l->icr;
    }
    l->ops->intr(l->cpu);
    return true;
}

bool lapic_svr_enabled(const struct lapic *l)
{
    return lapic_is_on(l) && (lapic_ld(&l->svr) & SVR_ENABLE);
}

int lapic_highest(const _Atomic u32 *set)
{
    for (int i = 7; i >= 0; i--) {
        u32 word = lapic_ld(&set[i]);
        if (word)
            return 32 * i + 31 - __builtin_clz(word);
    }
    return -1;
}

static bool clear_bit(_Atomic u32 *set, u8 vector)
{
    u32 bit = BIT(vector & 31);

    return atomic_fetch_and(&set[vector / 32], ~bit) & bit;
}

static void set_bit(_Atomic u32 *set, u8 vector)
{
    atomic_fetch_or(&set[vector / 32], BIT(vector & 31));
}

u8 lapic_ppr(const struct lapic *l)
{
    int isrv = lapic_highest(l->isr);
    u8 tpr = lapic_tpr(l);

    return isrv < 0 || tpr >> 4 >= isrv >> 4 ? tpr : (u8)(isrv & 0xf0);
}

/* Arbitration priority: what lowest-priority delivery compares (SDM 3A 10.6.2.4). */
u8 lapic_apr(const struct lapic *l)
{
    int irrv = lapic_highest(l->irr);
    u8 ppr = lapic_ppr(l);

    return irrv < 0 || ppr >> 4 >= irrv >> 4 ? ppr : (u8)(irrv & 0xf0);
}

int lapic_pending(struct lapic *l)
{
    int vector = lapic_highest(l->irr);

    if (vector < 0 || vector >> 4 <= lapic_ppr(l) >> 4 || !lapic_svr_enabled(l))
        return -1;
    return vector;
}

void lapic_accept(struct lapic *l, u8 vector)
{
    BUG_ON(!clear_bit(l->irr, vector));
    set_bit(l->isr, vector);
}

static void look_again(struct lapic *l)
{
    if (lapic_pending(l) >= 0)
        l->ops->intr(l->cpu);
}

u8 lapic_tpr(const struct lapic *l)
{
    return (u8)lapic_ld(&l->tpr);
}

void lapic_set_tpr(struct lapic *l, u8 tpr)
{
    lapic_st(&l->tpr, tpr);
    look_again(l);
}

/* Fixed delivery. False if the APIC does not take it, with the error noted. */
static bool take_vector(struct lapic *l, u8 vector, bool level)
{
    if (!lapic_svr_enabled(l))
        return false;
    if (vector < 16) {
        lapic_error(l, ESR_RECEIVE_VECTOR);
        return false;
    }
    /* TMR first: an EOI must find it once the vector can be taken. */
    if (level)
        set_bit(l->tmr, vector);
    else
        clear_bit(l->tmr, vector);
    set_bit(l->irr, vector);
    l->ops->intr(l->cpu);
    return true;
}

static bool take_extint(struct lapic *l, bool asserted)
{
    atomic_store(&l->extint, asserted);
    if (asserted)
        l->ops->intr(l->cpu);
    return true;
}

bool lapic_receive(struct lapic *l, const struct lapic_msg *msg)
{
    bool deassert = msg->level_triggered && !msg->assert;

    if (deassert && msg->delivery_mode != LAPIC_EXTINT)
        return true;
    switch (msg->delivery_mode) {
    case LAPIC_FIXED:
    case LAPIC_LOWEST:
        return take_vector(l, msg->vector, msg->level_triggered);
    case LAPIC_SMI:
        l->ops->smi(l->cpu);
        return true;
    case LAPIC_NMI:
        l->ops->nmi(l->cpu);
        return true;
    case LAPIC_INIT:
        l->ops->init(l->cpu);
        return true;
    case LAPIC_SIPI:
        l->ops->sipi(l->cpu, msg->vector);
        return true;
    case LAPIC_EXTINT:
        return take_extint(l, !deassert);
    default:
        return false;
    }
}

/* The LVT error interrupt comes once for each write to the ESR (SDM 3A 10.5.3). */
void lapic_error(struct lapic *l, u32 esr_bit)
{
    u32 lvt = lapic_ld(&l->lvt[LVT_ERROR]);

    if (atomic_fetch_or(&l->esr_pending, esr_bit) || (lvt & LVT_MASKED))
        return;
    if ((lvt & 0xff) < 16)
        atomic_fetch_or(&l->esr_pending, ESR_RECEIVE_VECTOR);
    else
        take_vector(l, (u8)lvt, false);
}

/* The LVT entries of timer and error have no delivery mode: zeros there, which is fixed. */
void lapic_local(struct lapic *l, enum lapic_lvt n)
{
    u32 lvt = lapic_ld(&l->lvt[n]);
    struct lapic_msg msg = {.vector = (u8)lvt, .delivery_mode = LVT_DELIVERY(lvt), .assert = true};

    if (lvt & LVT_MASKED || msg.delivery_mode == LAPIC_LOWEST || msg.delivery_mode == LAPIC_SIPI)
        return;
    if (msg.delivery_mode == LAPIC_EXTINT) /* the line itself is looked at */
        l->ops->intr(l->cpu);
    else
        lapic_receive(l, &msg);
}

/* LINT1 is always edge-triggered (SDM 3A 10.5.1, trigger mode). */
static bool is_level_lint0(unsigned n, u32 lvt)
{
    return n == 0 && (lvt & LVT_LEVEL) && LVT_DELIVERY(lvt) == LAPIC_FIXED;
}

static void deliver_level_lint0(struct lapic *l)
{
    u32 lvt = lapic_ld(&l->lvt[LVT_LINT0]);

    if ((lvt & LVT_MASKED) || !atomic_load(&l->lint[0]) ||
        atomic_exchange(&l->lint_remote_irr, true))
        return;
    if (!take_vector(l, (u8)lvt, true))
        atomic_store(&l->lint_remote_irr, false);
}

static void lint_rose(struct lapic *l, unsigned n)
{
    u32 lvt = lapic_ld(&l->lvt[LVT_LINT0 + n]);

    if (!lapic_is_on(l) && n == 0)
        l->ops->intr(l->cpu);
    else if (!lapic_is_on(l))
        l->ops->nmi(l->cpu);
    else if (is_level_lint0(n, lvt))
        deliver_level_lint0(l);
    else
        lapic_local(l, LVT_LINT0 + n);
}

void lapic_set_lint(struct lapic *l, unsigned n, bool level)
{
    BUG_ON(n > 1);
    if (!atomic_exchange(&l->lint[n], level) && level)
        lint_rose(l, n);
}

void lapic_lint_changed(struct lapic *l, unsigned n)
{
    u32 lvt = lapic_ld(&l->lvt[LVT_LINT0 + n]);

    if (n == 0 && !is_level_lint0(n, lvt))
        atomic_store(&l->lint_remote_irr, false);
    if (is_level_lint0(n, lvt))
        deliver_level_lint0(l);
    else if (lapic_extint_pending(l))
        l->ops->intr(l->cpu);
}

static bool lint0_passes_extint(const struct lapic *l)
{
    u32 lvt = lapic_ld(&l->lvt[LVT_LINT0]);

    return !lapic_is_on(l) || (!(lvt & LVT_MASKED) && LVT_DELIVERY(lvt) == LAPIC_EXTINT);
}

bool lapic_accepts_extint(const struct lapic *l)
{
    return lint0_passes_extint(l) || (atomic_load(&l->extint) && lapic_svr_enabled(l));
}

bool lapic_extint_pending(const struct lapic *l)
{
    return (atomic_load(&l->lint[0]) && lint0_passes_extint(l)) ||
           (atomic_load(&l->extint) && lapic_svr_enabled(l));
}

void lapic_eoi(struct lapic *l)
{
    int vector = lapic_highest(l->isr);
    u32 lvt0 = lapic_ld(&l->lvt[LVT_LINT0]);

    if (vector < 0)
        return;
    clear_bit(l->isr, (u8)vector);
    if (lapic_ld(&l->tmr[vector / 32]) & BIT(vector & 31)) {
        if (is_level_lint0(0, lvt0) && (u8)lvt0 == vector) {
            atomic_store(&l->lint_remote_irr, false);
            deliver_level_lint0(l);
        }
        lapic_bus_eoi(l->bus, (u8)vector);
    }
    look_again(l);
}
