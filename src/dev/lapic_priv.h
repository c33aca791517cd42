/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inside of a local APIC, shared by lapic*.c. */
#pragma once
#include "dev/lapic.h"

#include <pthread.h>
#include <stdatomic.h>

/* Registers: offset in the page / 16 = MSR index - 800h (SDM 3A tables 10-1 and 10-6). */
enum lapic_reg {
    R_ID = 0x02,
    R_VERSION = 0x03,
    R_TPR = 0x08,
    R_APR = 0x09,
    R_PPR = 0x0a,
    R_EOI = 0x0b,
    R_RRD = 0x0c,
    R_LDR = 0x0d,
    R_DFR = 0x0e,
    R_SVR = 0x0f,
    R_ISR = 0x10,
    R_TMR = 0x18,
    R_IRR = 0x20,
    R_ESR = 0x28,
    R_ICR = 0x30,
    R_ICR2 = 0x31,
    R_LVT = 0x32,
    R_INITIAL = 0x38,
    R_CURRENT = 0x39,
    R_DIVIDE = 0x3e,
    R_SELF = 0x3f,
    R_COUNT = 0x40,
};

enum lapic_lvt { /* in the order of their registers from R_LVT on */
                 LVT_TIMER,
                 LVT_THERMAL,
                 LVT_PERF,
                 LVT_LINT0,
                 LVT_LINT1,
                 LVT_ERROR,
                 LVT_COUNT
};

#define LVT_DELIVERY(v) ((v) >> 8 & 7)
#define LVT_STATUS      BIT(12)
#define LVT_POLARITY    BIT(13)
#define LVT_REMOTE_IRR  BIT(14)
#define LVT_LEVEL       BIT(15)
#define LVT_MASKED      BIT(16)
#define LVT_TIMER_MODE  (3u << 17)
#define TIMER_ONESHOT   0u
#define TIMER_PERIODIC  (1u << 17)
#define TIMER_DEADLINE  (2u << 17)

#define SVR_ENABLE BIT(8)
#define SVR_FOCUS  BIT(9) /* kept, without effect */

#define ESR_SEND_VECTOR    BIT(5)
#define ESR_RECEIVE_VECTOR BIT(6)
#define ESR_REGISTER       BIT(7)

/* Modes in bits 11..10 of IA32_APIC_BASE (SDM 3A table 10-5). */
enum { MODE_OFF = 0, MODE_INVALID = 1, MODE_XAPIC = 2, MODE_X2APIC = 3 };

#define DFR_FLAT    0xfu /* bits 31..28 */
#define DFR_CLUSTER 0x0u

struct lapic_timer {
    pthread_mutex_t lock; /* guards this struct and writes of lvt[LVT_TIMER]; a leaf but for the
                             clock's own */
    struct timer timer;
    u32 initial, divide;
    u64 zero_at;      /* when the count reaches zero next; UINT64_MAX when it does not run */
    u64 quiet_until;  /* periodic: the host looks no earlier than this */
    u64 tsc_deadline; /* in guest TSC; 0 when not armed */
};

struct lapic {
    struct lapic_bus *bus;
    struct clock *clk;
    const struct lapic_ops *ops;
    void *cpu;
    u32 x2id;
    bool bsp;
    /* Written by the own thread, read by senders. */
    _Atomic u64 base;
    _Atomic u32 id, ldr, dfr, svr, tpr; /* id and ldr in xAPIC format */
    _Atomic u32 lvt[LVT_COUNT];         /* without the read-only bits */
    _Atomic u32 isr[8];
    /* Set by any thread. */
    _Atomic u32 irr[8], tmr[8];
    _Atomic u32 esr_pending; /* errors since the last write to the ESR */
    _Atomic bool lint[2];
    _Atomic bool lint_remote_irr; /* of LINT0 */
    _Atomic bool extint;          /* an I/O APIC's ExtINT pin that points here is asserted */
    /* Own thread only. */
    u32 esr;
    u64 icr;
    struct lapic_timer t;
};

static inline u32 lapic_ld(const _Atomic u32 *p)
{
    return atomic_load_explicit(p, memory_order_relaxed);
}

static inline void lapic_st(_Atomic u32 *p, u32 val)
{
    atomic_store_explicit(p, val, memory_order_relaxed);
}

static inline bool lapic_is_on(const struct lapic *l)
{
    return lapic_base(l) & LAPIC_BASE_EN;
}

static inline bool lapic_is_x2(const struct lapic *l)
{
    return lapic_base(l) & LAPIC_BASE_EXTD;
}

/* lapic.c */
int lapic_highest(const _Atomic u32 *set); /* -1 for none */
u8 lapic_ppr(const struct lapic *l);
u8 lapic_apr(const struct lapic *l);
bool lapic_receive(struct lapic *l, const struct lapic_msg *msg); /* any thread; false: refused */
void lapic_error(struct lapic *l, u32 esr_bit);                   /* any thread */
void lapic_local(struct lapic *l, enum lapic_lvt n);              /* an event of that source */
void lapic_lint_changed(struct lapic *l, unsigned n);             /* its LVT was written */
void lapic_eoi(struct lapic *l);

/* Of a state that was loaded: lapic_regs.c, lapic_timer.c (which arms the timer). */
must_check bool lapic_regs_valid(const struct lapic *l);
must_check bool lapic_timer_loaded(struct lapic *l);

/* lapic_bus.c */
must_check int lapic_bus_add(struct lapic_bus *bus, struct lapic *l);
void lapic_bus_remove(struct lapic_bus *bus, struct lapic *l);
/* All APICs, `but` one if that is not NULL. */
void lapic_bus_broadcast(struct lapic_bus *bus, const struct lapic_msg *msg,
                         const struct lapic *but);
void lapic_bus_eoi(struct lapic_bus *bus, u8 vector);
u32 lapic_x2_ldr(const struct lapic *l);

/* lapic_timer.c: own thread */
void lapic_timer_init(struct lapic *l);
void lapic_timer_dispose(struct lapic *l);
void lapic_timer_reset(struct lapic *l);
u32 lapic_timer_read(struct lapic *l, enum lapic_reg reg); /* R_INITIAL, R_CURRENT, R_DIVIDE */
void lapic_timer_write(struct lapic *l, enum lapic_reg reg, u32 val);
void lapic_timer_set_lvt(struct lapic *l, u32 val);
