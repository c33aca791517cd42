/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of a machine, and the boards that they are put together to: micro.c, a PC without
 * firmware, disks and display that boots a kernel directly; pc.c, with an i440FX and PIIX chipset
 * and a BIOS. What all boards have is in board.c; machine.c runs them.
 */
#pragma once
#include "cpu/vm.h"
#include "dev/orgate.h"
#include "fw/boot.h"
#include "machine/cpu_threads.h"
#include "machine/machine.h"
#include "pci/pci.h"

#define BOARD_GSIS    24u
#define BOARD_PM_BASE 0x600u
#define BOARD_SCI_IRQ 9u

struct board_gsi { /* a global system interrupt: every device on it, and where it leads */
    struct orgate gate;
    unsigned inputs; /* in use */
};

/* What differs between boards. All under the machine's lock but init. */
struct board {
    const char *name;
    /* Its own devices, after those of every board. */
    int (*init)(struct machine *m, const struct machine_host *host, struct err *err);
    void (*dispose)(struct machine *m); /* also after a failure; without the lock */
    void (*reset)(struct machine *m);
    /* After reset: what the first CPU starts with. */
    int (*boot)(struct machine *m, struct err *err);
    /* Each time the loop goes round: what devices left to its thread. Without the lock; may be
       NULL. */
    void (*work)(struct machine *m);
};

extern const struct board board_micro, board_pc;

struct machine {
    struct vm vm;
    const struct board *board;
    const struct machine_config *cfg;
    struct loop *loop;

    struct lapic_bus *lapic_bus;
    struct lapic *lapic[VM_MAX_CPUS];
    struct ioapic *ioapic;
    struct i8259 *pic;
    struct board_gsi gsi[BOARD_GSIS];
    struct orgate a20; /* one input, driven by kbc and port92: the last write counts; loaded last */
    struct i8254 *pit;
    struct port61 *port61;
    struct hpet *hpet;
    struct mc146818 *rtc;
    struct ns16550a *uart[MACHINE_MAX_SERIAL];
    struct i8042 *kbc;
    struct port92 *port92;
    struct pci_bus *pci;
    struct irq pirq[PCI_PIRQS]; /* where the board leads PCI interrupts */
    struct pcihost *pcihost;
    struct i440fx *i440fx;
    struct acpipm *pm;
    struct fwcfg *fwcfg;
    struct debugexit *debugexit;
    struct testdev *testdev;
    struct board_virtios *virtio; /* board_virtio.h; NULL: there are none */
    struct micro *micro;          /* what only board_micro has */
    struct pc *pc;                /* what only board_pc has */

    struct cpu_threads *threads;
    pthread_t loop_thread;
    atomic_bool reset_wanted;
    atomic_bool asleep, wake_wanted; /* in S3; to leave it */
    bool waking;       /* board_reset is for that: what keeps its power is left alone */
    atomic_uint holds; /* machine_hold calls in force */
    atomic_int status; /* -1 until the machine ends */
    atomic_bool guest_ended, guest_reset; /* by the guest itself */
    bool paused, sleep_told, end_told;    /* loop's thread */
    _Atomic u64 trays_moved;              /* drives whose guest moved the tray, not told yet */
    _Atomic u64 troubled;                 /* drives, likewise */
    atomic_bool balloon_moved;            /* likewise */
    machine_event_fn on_event;
    void *event_opaque;
    struct err *err; /* of machine_run, for a reset that cannot load the kernel again */
};

/* Memory, CPUs and devices, with nothing loaded. What was made is freed by board_dispose, also
   after a failure. */
must_check int board_init(struct machine *m, const struct machine_host *host, struct err *err);
void board_dispose(struct machine *m);
/* All devices and CPUs as after RESET. CPUs are stopped; under the machine's lock. */
void board_reset(struct machine *m);

/* For boards. A new input of global system interrupt n, for one device. */
struct irq board_gsi(struct machine *m, unsigned n);
/* Memory sizes where PC firmware leaves them in CMOS or looks for them. */
void board_fill_cmos(struct machine *m);
/* A20 on, as port 92h shows. */
void board_enable_a20(struct machine *m);
struct fw_platform board_platform(const struct machine *m);
/* What --kernel and the options about it ask for, as long as the configuration lives. */
struct board_kernel {
    struct boot_options opt;
    struct boot_module module[MACHINE_MAX_MODULES];
    char *text[MACHINE_MAX_MODULES]; /* of the modules; owned */
};
must_check int board_kernel_init(struct board_kernel *k, const struct machine_config *cfg,
                                 struct err *err);
void board_kernel_dispose(struct board_kernel *k);

/* Puts --kernel with its modules into memory and the first CPU at its entry point. */
must_check int board_load_kernel(struct machine *m, struct err *err);

/* For the monitor. Loop's thread. */
void machine_tell(struct machine *m, enum machine_event event, unsigned n, bool guest);

/* Told by devices (wires and callbacks) and CPUs: machine.c. Any thread, machine's lock or none. */
void machine_on_reset(void *m, unsigned n, bool level);
void machine_on_sleep(void *m, unsigned n, bool level);
void machine_on_wake(void *m, unsigned n, bool level);
void machine_on_poweroff(void *m, unsigned n, bool level);
void machine_on_debug_exit(void *m, u32 val);
void machine_on_shutdown(void *m);
