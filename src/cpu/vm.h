/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the virtual CPUs of one machine share. The machine (src/machine) fills it in. */
#pragma once
#include "base/base.h"
#include "bus/bus.h"
#include "bus/clock.h"
#include "bus/irq.h"
#include "cpu/cpuid.h"
#include "cpu/trace.h"
#include "mem/mem.h"

#include <pthread.h>
#include <stdatomic.h>

#define VM_MAX_CPUS 64

struct vcpu;
struct engine_ops;
struct i8259;

struct vm {
    struct mem *mem;
    struct bus pio, mmio;
    struct clock *clock;
    u64 power_on;      /* clock_now at the last power-on or reset: where the TSCs are 0 */
    struct i8259 *pic; /* INTR source of a CPU whose local APIC passes LINT0 through; may be NULL */
    /* A counter that guests wait by, and where they write to latch it; both 0 if there is none. */
    u16 timer_port, timer_latch_port;
    struct irq ferr;      /* FERR# of the CPUs, to IRQ 13; unconnected: x87 errors are always #MF */
    pthread_mutex_t lock; /* the machine's lock, recursive: legacy devices and their wiring */
    const struct engine_ops *engine;
    bool lockstep;    /* run each block by the interpreter as well, and compare */
    bool exact_flags; /* translated code: flags that no code reads are right in a fault's image too
                       */
    u32 code_cache;   /* bytes of translated code to keep; 0: the default */
    struct cpu_model model;
    struct trace trace;

    unsigned ncpus;
    unsigned sockets; /* packages they are in; 0 is 1. With more, 2^n CPUs in each */
    struct vcpu *cpu[VM_MAX_CPUS];

    _Atomic u64 a20_mask; /* ANDed to every physical address */

    const char *crash; /* why a CPU stopped for good, if not by a triple fault; NULL: it did not */
    /* A CPU went into the shutdown state (triple fault). From its thread, no lock held. */
    void (*on_shutdown)(void *opaque);
    void *on_shutdown_opaque;

    /* Stop-the-world (cpu/exclusive.c): one CPU works while all others are out of guest code. */
    pthread_mutex_t exclusive_lock;
    pthread_cond_t exclusive_cond;
    _Atomic u32 exclusive_pending; /* exclusive_lock to write */
    unsigned running;              /* CPUs inside guest code; exclusive_lock */
};

/* 64 random bits for the guest: the seam through which entropy enters. Any thread. */
u64 vm_random(struct vm *vm);

/* How many CPUs share a package: its cores. */
static inline unsigned vm_package_cpus(const struct vm *vm)
{
    return vm->sockets > 1 ? vm->ncpus / vm->sockets : vm->ncpus;
}

/* Line A20: off clears bit 20 of physical addresses. Any thread. */
void vm_set_a20(struct vm *vm, bool on);
/* For mem.on_map_changed: every CPU drops its translations. Any thread. */
void vm_map_changed(void *vm);
