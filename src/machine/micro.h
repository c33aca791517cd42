/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The "micro" machine: a PC without disks, display and BIOS, that boots a kernel directly. One
 * struct holds all its parts; micro.c makes, connects, resets and frees them, machine.c runs it.
 */
#pragma once
#include "cpu/vm.h"
#include "dev/orgate.h"
#include "fw/boot.h"
#include "machine/cpu_threads.h"
#include "machine/machine.h"

#define MICRO_GSIS 24u

struct micro_gsi { /* a global system interrupt: every device on it, and where it leads */
    struct orgate gate;
    unsigned inputs; /* in use */
};

struct machine {
    struct vm vm;
    const struct machine_config *cfg;
    struct loop *loop;

    struct lapic_bus *lapic_bus;
    struct lapic *lapic[VM_MAX_CPUS];
    struct ioapic *ioapic;
    struct i8259 *pic;
    struct micro_gsi gsi[MICRO_GSIS];
    struct orgate a20;
    struct i8254 *pit;
    struct port61 *port61;
    struct hpet *hpet;
    struct mc146818 *rtc;
    struct ns16550a *uart[MACHINE_MAX_SERIAL];
    struct i8042 *kbc;
    struct port92 *port92;
    struct pcihost *pci;
    struct acpipm *pm;
    struct fwcfg *fwcfg;
    struct debugexit *debugexit;
    struct testdev *testdev;

    struct cpu_threads *threads;
    pthread_t loop_thread;
    atomic_bool reset_wanted;
    atomic_uint holds; /* machine_hold calls in force */
    atomic_int status; /* -1 until the machine ends */
    struct err *err;   /* of machine_run, for a reset that cannot load the kernel again */
};

/* Memory, CPUs and devices, reset, with nothing loaded. What was made is freed by micro_dispose,
   also after a failure. */
must_check int micro_init(struct machine *m, const struct machine_host *host, struct err *err);
void micro_dispose(struct machine *m);
/* All devices and CPUs as after RESET. CPUs are stopped; under the machine's lock. */
void micro_reset(struct machine *m);
/* What firmware would do: CMOS, A20, the kernel in memory, the first CPU at its entry point.
   After micro_reset; under the machine's lock. */
must_check int micro_boot(struct machine *m, struct err *err);

/* Told by devices (wires and callbacks) and CPUs: machine.c. Any thread, machine's lock or none. */
void machine_on_reset(void *m, unsigned n, bool level);
void machine_on_poweroff(void *m, unsigned n, bool level);
void machine_on_debug_exit(void *m, u32 val);
void machine_on_shutdown(void *m);
