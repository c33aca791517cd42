/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole machine and its life: built, run, held, reset, ended.
 *
 * One thread, that of the event loop, builds, runs and frees it. machine_hold and machine_end may
 * be called by any thread under any lock.
 */
#pragma once
#include "base/base.h"
#include "base/err.h"
#include "dev/ns16550a.h"
#include "machine/config.h"

#include <pthread.h>
#include <stdio.h>

struct display;
struct input;
struct loop;
struct machine;

/* Exit statuses of `domus run`; a guest that ends through --debug-exit gives 2v+1. */
enum machine_status {
    MACHINE_OK = 0,     /* powered off; or reset, with --no-reboot */
    MACHINE_SETUP = 1,  /* options, files, host: nothing was run, or the host failed */
    MACHINE_TRIPLE = 4, /* triple fault, with --no-reboot */
    MACHINE_CRASH = 6,  /* a CPU stopped for good: --lockstep found a difference */
};

/* What happens to a machine, for a monitor. */
enum machine_event {
    MACHINE_STOPPED, /* by machine_pause */
    MACHINE_RESUMED,
    MACHINE_RESET,
    MACHINE_ASLEEP, /* in S3 */
    MACHINE_AWAKE,
    MACHINE_ENDED,
    MACHINE_BUTTON,    /* the power button was pressed */
    MACHINE_TRAY,      /* drive n (machine/media.h) */
    MACHINE_TROUBLE,   /* with what is in drive n: media_take_trouble */
    MACHINE_UNPLUGGED, /* device n (machine/plug.h) is gone */
    MACHINE_BALLOON,   /* the guest gave memory, or took it back */
};

/* guest: it did it itself. By the loop's thread; may not change the machine. */
typedef void (*machine_event_fn)(void *opaque, enum machine_event event, unsigned n, bool guest);

/* What the process lends the machine. */
struct machine_host {
    struct loop *loop;
    struct ns16550a_backend serial[MACHINE_MAX_SERIAL];    /* of cfg->nserial ports */
    struct ns16550a_backend console[MACHINE_MAX_CONSOLES]; /* of cfg->nconsoles ports … */
    void (*console_room)(void *opaque); /* with that port's opaque: it can take input again */
    struct ns16550a_backend debugcon, parallel; /* of cfg's */
    FILE *trace;                                /* where cfg->trace goes */
};

/* Whether cfg asks for the board "pc", with firmware. */
bool machine_is_pc(const struct machine_config *cfg);

/* --boot: "disk,cdrom,floppy,net" in any order, none twice. -EINVAL with a message. */
must_check int machine_boot_check(const char *words, struct err *err);

/* cfg and what it points to must outlive the machine. -errno with a message that names the
   option or file. */
must_check int machine_new(struct machine **out, const struct machine_config *cfg,
                           const struct machine_host *host, struct err *err);
void machine_free(struct machine *m);

/* Powers it on and runs the loop until the machine ends: the exit status. */
must_check int machine_run(struct machine *m, struct err *err);
/* Ends it at once; the first status counts. */
void machine_end(struct machine *m, int status);
/* Holds all CPUs and the clock, or lets them go on. Calls add up. */
void machine_hold(struct machine *m, bool on);
void machine_power_button(struct machine *m);
/* The rest of this paragraph: the loop's thread, without the machine's lock. Pauses it at once, or
   lets it go on: the guest sees no time pass. Unlike machine_hold, calls do not add up. */
void machine_pause(struct machine *m, bool on);
bool machine_is_paused(const struct machine *m);
bool machine_is_asleep(const struct machine *m);
/* Wakes it from S3; -EALREADY: it is awake. */
must_check int machine_wake(struct machine *m);
/* As by the reset button; with --no-reboot it ends. */
void machine_reset(struct machine *m);
void machine_on_event(struct machine *m, machine_event_fn fn, void *opaque);
/* The cable of a network card, called by its id or that of its network (machine/plug.h); -ENOENT.
 */
must_check int machine_set_link(struct machine *m, const char *name, bool up);
unsigned machine_cpus(const struct machine *m);
/* The host's number of the CPU's thread. */
int machine_cpu_tid(const struct machine *m, unsigned n);
/* What the guest shows, NULL without a display adapter, and where a viewer's keys and pointer go;
   both under the machine's lock. */
struct display *machine_display(struct machine *m);
struct input *machine_input(struct machine *m);
/* The same for a virtio console's ports. */
size_t machine_console_room(struct machine *m, unsigned n);
void machine_console_receive(struct machine *m, unsigned n, const u8 *buf, size_t len);
/* For input: the UART, and the lock under which it is used. */
struct ns16550a *machine_uart(struct machine *m, unsigned n);
pthread_mutex_t *machine_lock(struct machine *m);
