/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The local APIC's registers as memory (xAPIC) and as MSRs (x2APIC): SDM 3A tables 10-1 and 10-6,
 * 10.5.3 (ESR), 10.6.1 (ICR), 10.12.1-10.12.11.
 *
 * A register is a 32-bit word at a multiple of 16. Reads of part of a word give that part, reads
 * between words zero; writes that are not a whole aligned word are ignored. Bits that only the
 * hardware sets are ignored in a write; other undefined ones fault in x2APIC mode.
 *
 * Own thread of the CPU.
 */
#include "dev/lapic_priv.h"

#define VERSION (0x14u | (LVT_COUNT - 1) << 16)

#define ICR_WRITABLE                                                                               \
    (0xffu | 7u << 8 | ICR_LOGICAL | ICR_ASSERT | ICR_LEVEL | 3u << ICR_SHORTHAND_SHIFT)
#define ICR_LOGICAL         BIT(11)
#define ICR_STATUS          BIT(12) /* reads as zero: a send takes no time */
#define ICR_ASSERT          BIT(14)
#define ICR_LEVEL           BIT(15)
#define ICR_SHORTHAND_SHIFT 18

enum shorthand { TO_DEST, TO_SELF, TO_ALL, TO_OTHERS };

#define MR BIT(0) /* xAPIC (memory): can be read */
#define MW BIT(1)
#define XR BIT(2) /* x2APIC: can be read */
#define XW BIT(3)
#define RW (MR | MW | XR | XW)
#define RO (MR | XR)
#define WO (MW | XW)

struct rule {
    u8 access;
    u32 writable; /* bits that a write sets; for EOI and ESR: that may be ones */
    u32 ignored;  /* read-only bits, which may be ones in a write */
};

static const struct rule rules[R_COUNT] = {
    [R_ID] = {MR | MW | XR, 0xff000000, 0},
    [R_VERSION] = {RO, 0, 0},
    [R_TPR] = {RW, 0xff, 0},
    [R_APR] = {MR, 0, 0},
    [R_PPR] = {RO, 0, 0},
    [R_EOI] = {WO, 0, 0},
    [R_RRD] = {MR, 0, 0},
    [R_LDR] = {MR | MW | XR, 0xff000000, 0},
    [R_DFR] = {MR | MW, 0xf0000000, 0},
    [R_SVR] = {RW, 0xff | SVR_ENABLE | SVR_FOCUS, 0},
    [R_ISR... R_IRR + 7] = {RO, 0, 0},
    [R_ESR] = {RW, 0, 0},
    [R_ICR] = {RW, ICR_WRITABLE, ICR_STATUS},
    [R_ICR2] = {MR | MW, 0xff000000, 0},
    [R_LVT + LVT_TIMER] = {RW, 0xff | LVT_MASKED | LVT_TIMER_MODE, LVT_STATUS},
    [R_LVT + LVT_THERMAL... R_LVT + LVT_PERF] = {RW, 0x7ff | LVT_MASKED, LVT_STATUS},
    [R_LVT + LVT_LINT0... R_LVT + LVT_LINT1] = {RW, 0x7ff | LVT_POLARITY | LVT_LEVEL | LVT_MASKED,
                                                LVT_STATUS | LVT_REMOTE_IRR},
    [R_LVT + LVT_ERROR] = {RW, 0xff | LVT_MASKED, LVT_STATUS},
    [R_INITIAL] = {RW, UINT32_MAX, 0},
    [R_CURRENT] = {RO, 0, 0},
    [R_DIVIDE] = {RW, 0xb, 0},
    [R_SELF] = {XW, 0xff, 0},
};

/* Delivery status is pending only while an ExtINT waits for its INTA cycle. */
static u32 read_lvt(const struct lapic *l, enum lapic_lvt n)
{
    u32 val = lapic_ld(&l->lvt[n]);

    if (n != LVT_LINT0)
        return val;
    if (atomic_load(&l->lint_remote_irr))
        val |= LVT_REMOTE_IRR;
    if (!(val & LVT_MASKED) && LVT_DELIVERY(val) == LAPIC_EXTINT && atomic_load(&l->lint[0]))
        val |= LVT_STATUS;
    return val;
}

static u32 read_reg(struct lapic *l, u32 reg)
{
    bool x2 = lapic_is_x2(l);

    switch (reg) {
    case R_ID:
        return x2 ? l->x2id : lapic_ld(&l->id);
    case R_VERSION:
        return VERSION;
    case R_TPR:
        return lapic_tpr(l);
    case R_APR:
        return lapic_apr(l);
    case R_PPR:
        return lapic_ppr(l);
    case R_LDR:
        return x2 ? lapic_x2_ldr(l) : lapic_ld(&l->ldr);
    case R_DFR:
        return lapic_ld(&l->dfr);
    case R_SVR:
        return lapic_ld(&l->svr);
    case R_ISR ... R_ISR + 7:
        return lapic_ld(&l->isr[reg - R_ISR]);
    case R_TMR ... R_TMR + 7:
        return lapic_ld(&l->tmr[reg - R_TMR]);
    case R_IRR ... R_IRR + 7:
        return lapic_ld(&l->irr[reg - R_IRR]);
    case R_ESR:
        return l->esr;
    case R_ICR:
        return (u32)l->icr;
    case R_ICR2:
        return (u32)(l->icr >> 32);
    case R_LVT ... R_LVT + LVT_COUNT - 1:
        return read_lvt(l, reg - R_LVT);
    case R_INITIAL:
    case R_CURRENT:
    case R_DIVIDE:
        return lapic_timer_read(l, reg);
    default: /* R_RRD and what can only be written */
        return 0;
    }
}

static void send_ipi(struct lapic *l, u32 low, u32 dest)
{
    struct lapic_msg msg = {
        .vector = (u8)low,
        .delivery_mode = (u8)(low >> 8 & 7),
        .assert = low & ICR_ASSERT,
        .logical = low & ICR_LOGICAL,
        .dest = dest,
        .x2_dest = lapic_is_x2(l),
    };

    /* IPIs are edges; level matters only to tell an INIT from its ignored de-assertion. */
    msg.level_triggered = msg.delivery_mode == LAPIC_INIT && (low & ICR_LEVEL);
    if (msg.delivery_mode == LAPIC_EXTINT) /* reserved here */
        return;
    if (msg.delivery_mode <= LAPIC_LOWEST && msg.vector < 16) {
        lapic_error(l, ESR_SEND_VECTOR);
        return;
    }
    switch ((enum shorthand)(low >> ICR_SHORTHAND_SHIFT & 3)) {
    case TO_DEST:
        lapic_bus_send(l->bus, &msg);
        break;
    case TO_SELF:
        lapic_receive(l, &msg);
        break;
    case TO_ALL:
        lapic_bus_broadcast(l->bus, &msg, NULL);
        break;
    case TO_OTHERS:
        lapic_bus_broadcast(l->bus, &msg, l);
        break;
    }
}

static void write_icr(struct lapic *l, u32 low, u32 high)
{
    l->icr = (u64)high << 32 | low;
    send_ipi(l, low, lapic_is_x2(l) ? high : high >> 24);
}

/* While the APIC is disabled by software all LVT entries are masked and stay so (10.4.7.2). */
static void write_lvt(struct lapic *l, enum lapic_lvt n, u32 val)
{
    if (!(lapic_ld(&l->svr) & SVR_ENABLE))
        val |= LVT_MASKED;
    if (n == LVT_TIMER)
        lapic_timer_set_lvt(l, val);
    else
        lapic_st(&l->lvt[n], val);
    if (n == LVT_LINT0 || n == LVT_LINT1)
        lapic_lint_changed(l, n - LVT_LINT0);
}

static void write_svr(struct lapic *l, u32 val)
{
    lapic_st(&l->svr, val);
    if (!(val & SVR_ENABLE))
        for (unsigned n = 0; n < LVT_COUNT; n++)
            write_lvt(l, n, lapic_ld(&l->lvt[n]));
    else
        l->ops->intr(l->cpu);
}

static void write_reg(struct lapic *l, u32 reg, u32 val)
{
    switch (reg) {
    case R_ID:
        lapic_st(&l->id, val);
        break;
    case R_TPR:
        lapic_set_tpr(l, (u8)val);
        break;
    case R_EOI:
        lapic_eoi(l);
        break;
    case R_LDR:
        lapic_st(&l->ldr, val);
        break;
    case R_DFR:
        lapic_st(&l->dfr, val | 0x0fffffff);
        break;
    case R_SVR:
        write_svr(l, val);
        break;
    case R_ESR:
        l->esr = atomic_exchange(&l->esr_pending, 0);
        break;
    case R_ICR:
        write_icr(l, val, (u32)(l->icr >> 32));
        break;
    case R_ICR2:
        l->icr = (u64)val << 32 | (u32)l->icr;
        break;
    case R_LVT ... R_LVT + LVT_COUNT - 1:
        write_lvt(l, reg - R_LVT, val);
        break;
    case R_INITIAL:
    case R_DIVIDE:
        lapic_timer_write(l, reg, val);
        break;
    case R_SELF:
        send_ipi(l, val | TO_SELF << ICR_SHORTHAND_SHIFT, 0);
        break;
    default:
        break;
    }
}

/* The register at that place of the page; NULL, with the error noted, where there is none. */
static const struct rule *mmio_rule(struct lapic *l, u32 off)
{
    u32 reg = off >> 4;

    if (reg < R_COUNT && (rules[reg].access & (MR | MW)))
        return &rules[reg];
    lapic_error(l, ESR_REGISTER);
    return NULL;
}

u32 lapic_mmio_read(struct lapic *l, u32 off, unsigned size)
{
    const struct rule *rule;
    u32 val;

    off &= PAGE_SIZE - 1;
    if (!lapic_is_on(l) || lapic_is_x2(l))
        return (u32)size_mask(size < 4 ? size : 4);
    rule = mmio_rule(l, off);
    if (!rule || !(rule->access & MR) || (off & 15) > 3)
        return 0;
    val = read_reg(l, off >> 4) >> 8 * (off & 3);
    return size < 4 ? val & (u32)size_mask(size) : val;
}

void lapic_mmio_write(struct lapic *l, u32 off, unsigned size, u32 val)
{
    const struct rule *rule;

    off &= PAGE_SIZE - 1;
    if (!lapic_is_on(l) || lapic_is_x2(l) || (off & 15) || size < 4)
        return;
    rule = mmio_rule(l, off);
    if (rule && (rule->access & MW))
        write_reg(l, off >> 4, val & rule->writable);
}

bool lapic_msr_read(struct lapic *l, u32 index, u64 *val)
{
    u32 reg = index - 0x800;

    if (!lapic_is_x2(l) || reg >= R_COUNT || !(rules[reg].access & XR))
        return false;
    *val = reg == R_ICR ? l->icr : read_reg(l, reg);
    return true;
}

bool lapic_msr_write(struct lapic *l, u32 index, u64 val)
{
    u32 reg = index - 0x800, low = (u32)val;
    const struct rule *rule = &rules[reg < R_COUNT ? reg : 0];

    if (!lapic_is_x2(l) || !(rule->access & XW) || (low & ~(rule->writable | rule->ignored)) ||
        (val >> 32 && reg != R_ICR))
        return false;
    low &= rule->writable;
    if (reg == R_ICR)
        write_icr(l, low, (u32)(val >> 32));
    else
        write_reg(l, reg, low);
    return true;
}

static bool lvts_valid(const struct lapic *l)
{
    for (unsigned n = 0; n < LVT_COUNT; n++)
        if (lapic_ld(&l->lvt[n]) & ~rules[R_LVT + n].writable)
            return false;
    return true;
}

bool lapic_regs_valid(const struct lapic *l)
{
    return !(lapic_ld(&l->id) & ~rules[R_ID].writable) &&
           !(lapic_ld(&l->ldr) & ~rules[R_LDR].writable) &&
           !(lapic_ld(&l->tpr) & ~rules[R_TPR].writable) &&
           !(lapic_ld(&l->svr) & ~rules[R_SVR].writable) &&
           (lapic_ld(&l->dfr) | rules[R_DFR].writable) == UINT32_MAX &&
           !((u32)l->icr & ~rules[R_ICR].writable) && !(l->t.divide & ~rules[R_DIVIDE].writable) &&
           !((l->esr | lapic_ld(&l->esr_pending)) & ~0xffu) && lvts_valid(l);
}
