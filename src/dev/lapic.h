/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Local APICs and what connects them (SDM 3A chapter 10, APM 2 chapter 16): xAPIC and x2APIC.
 *
 * "Own thread" is the thread of the CPU that the APIC belongs to, or any thread while that one
 * does not run. All APICs and EOI listeners are made before the first CPU thread starts.
 */
#pragma once
#include "base/base.h"
#include "base/state.h"
#include "bus/clock.h"

struct lapic;
struct lapic_bus; /* knows all APICs; carries IPIs, MSIs and the messages of I/O APICs */

#define LAPIC_BASE_BSP  BIT64(8)
#define LAPIC_BASE_EXTD BIT64(10)
#define LAPIC_BASE_EN   BIT64(11)

/* How an APIC speaks to its CPU. Called from any thread, possibly with the machine's lock or an
   I/O APIC's lock held: these only leave a request for the CPU and call nothing back. */
struct lapic_ops {
    void (*intr)(void *cpu); /* something may be deliverable: look again */
    void (*nmi)(void *cpu);
    void (*smi)(void *cpu);
    void (*init)(void *cpu);
    void (*sipi)(void *cpu, u8 vector);
};

enum lapic_delivery {
    LAPIC_FIXED = 0,
    LAPIC_LOWEST = 1,
    LAPIC_SMI = 2,
    LAPIC_NMI = 4,
    LAPIC_INIT = 5,
    LAPIC_SIPI = 6,
    LAPIC_EXTINT = 7, /* with level_triggered: `assert` is the state of the line, else a rise */
};

struct lapic_msg {
    u8 vector;
    u8 delivery_mode; /* enum lapic_delivery */
    bool level_triggered;
    bool assert; /* false with level_triggered: the level went away */
    bool logical;
    u32 dest;
    bool x2_dest; /* dest is a 32-bit x2APIC destination, not an 8-bit one */
};

must_check int lapic_bus_new(struct lapic_bus **out); /* -ENOMEM */
void lapic_bus_free(struct lapic_bus *bus);           /* after its APICs */
/* Any thread. */
void lapic_bus_send(struct lapic_bus *bus, const struct lapic_msg *msg);
/* The same; false if no APIC took it. */
bool lapic_bus_deliver(struct lapic_bus *bus, const struct lapic_msg *msg);
/* The bus that an APIC is on; as long-lived as the APIC. */
struct lapic_bus *lapic_bus_of(const struct lapic *l);
/* A write of `data` to FEEx_xxxx (SDM 3A 10.11); other addresses are ignored. Any thread. */
void lapic_bus_msi(struct lapic_bus *bus, u64 addr, u32 data);
/* Calls fn, in the CPU's thread and without a lock, for each EOI of a level-triggered vector. At
   most 8 listeners; a NULL fn removes the one of that opaque. */
void lapic_bus_on_eoi(struct lapic_bus *bus, void (*fn)(void *opaque, u8 vector), void *opaque);

/* -ENOMEM. `id` is the x2APIC ID; its low byte the initial xAPIC ID. */
must_check int lapic_new(struct lapic **out, struct lapic_bus *bus, struct clock *clk, unsigned id,
                         bool bsp, const struct lapic_ops *ops, void *cpu);
/* Under the machine's lock, with no CPU thread running. */
void lapic_free(struct lapic *l);
extern const struct state_table lapic_state;
/* RESET, or with `init` INIT, which keeps the APIC ID and IA32_APIC_BASE. Own thread. */
void lapic_reset(struct lapic *l, bool init);

/* The register page, off 0 … fffh. Own thread. */
u32 lapic_mmio_read(struct lapic *l, u32 off, unsigned size);
void lapic_mmio_write(struct lapic *l, u32 off, unsigned size, u32 val);

/* IA32_APIC_BASE; false means #GP(0). phys_mask has a one for each physical address bit. Setting:
   own thread. */
u64 lapic_base(const struct lapic *l);
must_check bool lapic_set_base(struct lapic *l, u64 val, bool has_x2apic, u64 phys_mask);
/* MSRs 800h … 8ffh; false means #GP(0). Own thread. */
must_check bool lapic_msr_read(struct lapic *l, u32 index, u64 *val);
must_check bool lapic_msr_write(struct lapic *l, u32 index, u64 val);

/* IA32_TSC_DEADLINE. The guest's TSC is clock_now() + tsc_offset; to be set again when the offset
   changes. Ignored unless the timer is in TSC-deadline mode. Own thread. */
u64 lapic_tsc_deadline(struct lapic *l);
void lapic_set_tsc_deadline(struct lapic *l, u64 deadline, s64 tsc_offset);

/* The vector that the CPU would get now, -1 for none. No side effects. Own thread. */
int lapic_pending(struct lapic *l);
/* The CPU takes `vector`, which lapic_pending has returned: IRR to ISR. Own thread. */
void lapic_accept(struct lapic *l, u8 vector);
/* The 8259A's INTR reaches this CPU: through LINT0, an I/O APIC, or because the APIC is off. */
bool lapic_accepts_extint(const struct lapic *l);
/* … and it is asserted: the vector comes from i8259_ack. */
bool lapic_extint_pending(const struct lapic *l);

/* All 8 bits; CR8 is the high half. Works also while the APIC is off. Setting: own thread. */
u8 lapic_tpr(const struct lapic *l);
void lapic_set_tpr(struct lapic *l, u8 tpr);
/* Local interrupt input n: 0 is wired to the 8259A's INTR, 1 to NMI; `level` true is asserted,
   whatever the polarity bit says. Any thread, but each input always under the same lock. */
void lapic_set_lint(struct lapic *l, unsigned n, bool level);

u32 lapic_x2_id(const struct lapic *l);
bool lapic_svr_enabled(const struct lapic *l); /* SVR bit 8, and not off by IA32_APIC_BASE */
