/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What devices and other threads want of the machine is noted in atomics; the loop's thread does
 * it in `settle`, with the CPUs parked and no lock held before. The CPUs are asked to stop at
 * once, so that a guest executes nothing more after it resets or ends the machine.
 */
#include "machine/machine.h"

#include "cpu/engine.h"

#include "bus/clock.h"
#include "dev/acpipm.h"
#include "dev/mc146818.h"
#include "machine/board.h"
#include "machine/board_virtio.h"
#include "machine/pc.h"
#include "os/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CMOS_SHUTDOWN   0x0fu
#define SHUTDOWN_RESUME 0xfeu /* from S3 */

/* A deadline nearer than what the loop sleeps for. The loop itself looks before it sleeps. */
static void earlier_deadline(void *opaque)
{
    struct machine *m = opaque;

    if (!pthread_equal(pthread_self(), m->loop_thread))
        loop_wake(m->loop);
}

bool machine_is_pc(const struct machine_config *cfg)
{
    return cfg->board ? !strcmp(cfg->board, "pc")
                      : cfg->bios || cfg->uefi || cfg->ndisks || cfg->ncdroms || cfg->nfloppies;
}

int machine_new(struct machine **out, const struct machine_config *cfg,
                const struct machine_host *host, struct err *err)
{
    struct machine *m = calloc(1, sizeof(*m));
    int rc;

    if (!m)
        return err_set(err, ENOMEM, "machine: out of memory");
    m->cfg = cfg;
    m->loop = host->loop;
    m->loop_thread = pthread_self();
    m->status = -1;
    m->board = machine_is_pc(cfg) ? &board_pc : &board_micro;
    rc = board_init(m, host, err);
    if (!rc) {
        clock_on_earlier(m->vm.clock, earlier_deadline, m);
        pthread_mutex_lock(&m->vm.lock);
        board_reset(m);
        rc = m->board->boot(m, err);
        pthread_mutex_unlock(&m->vm.lock);
    }
    if (!rc)
        rc = cpu_threads_new(&m->threads, &m->vm, err);
    if (rc) {
        machine_free(m);
        return rc;
    }
    *out = m;
    return 0;
}

void machine_free(struct machine *m)
{
    if (!m)
        return;
    cpu_threads_free(m->threads);
    board_dispose(m);
    free(m);
}

/* Has the loop's thread look at what is wanted, with the CPUs on their way out. */
static void stop_and_look(struct machine *m)
{
    if (m->threads)
        cpu_threads_ask(m->threads);
    loop_wake(m->loop);
}

static void end(struct machine *m, int status, bool guest)
{
    int none = -1;

    if (atomic_compare_exchange_strong(&m->status, &none, status))
        atomic_store(&m->guest_ended, guest);
    stop_and_look(m);
}

void machine_end(struct machine *m, int status)
{
    end(m, status, false);
}

void machine_hold(struct machine *m, bool on)
{
    if (on)
        atomic_fetch_add(&m->holds, 1);
    else
        atomic_fetch_sub(&m->holds, 1);
    if (on)
        stop_and_look(m);
    else
        loop_wake(m->loop);
}

static void want_reset(struct machine *m, bool guest)
{
    if (m->cfg->no_reboot) {
        end(m, MACHINE_OK, guest);
        return;
    }
    atomic_store(&m->guest_reset, guest);
    atomic_store(&m->reset_wanted, true);
    stop_and_look(m);
}

void machine_on_reset(void *opaque, unsigned n, bool level)
{
    if (level)
        want_reset(opaque, true);
}

void machine_reset(struct machine *m)
{
    want_reset(m, false);
}

void machine_on_sleep(void *opaque, unsigned n, bool level)
{
    struct machine *m = opaque;

    if (!level)
        return;
    atomic_store(&m->asleep, true);
    stop_and_look(m);
}

void machine_on_wake(void *opaque, unsigned n, bool level)
{
    struct machine *m = opaque;

    if (!level)
        return;
    atomic_store(&m->wake_wanted, true);
    stop_and_look(m);
}

void machine_on_poweroff(void *opaque, unsigned n, bool level)
{
    if (level)
        end(opaque, MACHINE_OK, true);
}

void machine_on_debug_exit(void *opaque, u32 val)
{
    end(opaque, (int)(val << 1 & 0xff) | 1, true);
}

void machine_on_shutdown(void *opaque)
{
    struct machine *m = opaque;

    if (m->vm.crash)
        end(m, MACHINE_CRASH, true);
    else if (m->cfg->no_reboot)
        end(m, MACHINE_TRIPLE, true);
    else
        machine_on_reset(m, 0, true);
}

static void tell_sleep(struct machine *m, bool asleep)
{
    if (m->sleep_told != asleep)
        machine_tell(m, asleep ? MACHINE_ASLEEP : MACHINE_AWAKE, 0, asleep);
    m->sleep_told = asleep;
}

/* As RESET, but memory, the clock and what the firmware made of the first megabyte stay; the
   firmware learns from CMOS that it has to lead the guest back. */
static void wake(struct machine *m)
{
    int rc;

    cpu_threads_park(m->threads);
    atomic_store(&m->wake_wanted, false);
    if (!atomic_exchange(&m->asleep, false))
        return; /* a reset has done so */
    pthread_mutex_lock(&m->vm.lock);
    m->waking = true;
    board_reset(m);
    rc = m->board->boot(m, m->err);
    mc146818_set_cmos(m->rtc, CMOS_SHUTDOWN, SHUTDOWN_RESUME);
    m->waking = false;
    pthread_mutex_unlock(&m->vm.lock);
    if (rc)
        machine_end(m, MACHINE_SETUP);
    tell_sleep(m, false);
}

static void reset(struct machine *m)
{
    int rc;

    cpu_threads_park(m->threads);
    atomic_store(&m->reset_wanted, false);
    atomic_store(&m->asleep, false);
    m->sleep_told = false;
    pthread_mutex_lock(&m->vm.lock);
    board_reset(m);
    rc = m->board->boot(m, m->err);
    pthread_mutex_unlock(&m->vm.lock);
    if (rc)
        machine_end(m, MACHINE_SETUP);
    else
        machine_tell(m, MACHINE_RESET, 0, atomic_load(&m->guest_reset));
}

static void tell_balloon(struct machine *m)
{
    if (atomic_exchange(&m->balloon_moved, false))
        machine_tell(m, MACHINE_BALLOON, 0, true);
}

static void tell_drives(struct machine *m, _Atomic u64 *which, enum machine_event event)
{
    u64 drives = atomic_exchange(which, 0);

    for (unsigned n = 0; drives; n++, drives >>= 1)
        if (drives & 1)
            machine_tell(m, event, n, true);
}

/* Makes the machine what it is wanted to be: ended, reset, held, asleep or running. */
static void settle(struct machine *m)
{
    tell_drives(m, &m->trays_moved, MACHINE_TRAY);
    tell_drives(m, &m->troubled, MACHINE_TROUBLE);
    tell_balloon(m);
    if (atomic_load(&m->status) < 0 && atomic_load(&m->reset_wanted))
        reset(m);
    if (atomic_load(&m->status) < 0 && atomic_load(&m->wake_wanted))
        wake(m);
    if (atomic_load(&m->status) >= 0) {
        cpu_threads_park(m->threads);
        if (!m->end_told)
            machine_tell(m, MACHINE_ENDED, 0, atomic_load(&m->guest_ended));
        m->end_told = true;
        clock_stop(m->vm.clock);
        loop_stop(m->loop);
    } else if (atomic_load(&m->holds)) {
        cpu_threads_park(m->threads);
        clock_stop(m->vm.clock);
    } else if (atomic_load(&m->asleep)) {
        cpu_threads_park(m->threads);
        clock_start(m->vm.clock);
        tell_sleep(m, true);
    } else if (!cpu_threads_running(m->threads)) {
        clock_start(m->vm.clock);
        cpu_threads_go(m->threads);
    }
}

static u64 before_wait(void *opaque)
{
    struct machine *m = opaque;
    u64 ns;

    settle(m);
    if (m->board->work)
        m->board->work(m);
    pthread_mutex_lock(&m->vm.lock);
    ns = clock_run(m->vm.clock);
    pthread_mutex_unlock(&m->vm.lock);
    return ns;
}

int machine_run(struct machine *m, struct err *err)
{
    int rc;

    err->text[0] = '\0';
    m->err = err;
    m->loop_thread = pthread_self();
    rc = loop_run(m->loop, before_wait, m, err);
    cpu_threads_park(m->threads);
    if (m->cfg->stats && m->vm.engine->report)
        m->vm.engine->report(&m->vm, stderr);
    if (rc)
        return rc;
    rc = atomic_load(&m->status);
    return rc == MACHINE_SETUP && err->text[0] ? -EIO : rc;
}

void machine_power_button(struct machine *m)
{
    pthread_mutex_lock(&m->vm.lock);
    acpipm_power_button(m->pm);
    pthread_mutex_unlock(&m->vm.lock);
    machine_tell(m, MACHINE_BUTTON, 0, false);
}

void machine_pause(struct machine *m, bool on)
{
    if (m->paused == on)
        return;
    m->paused = on;
    pthread_mutex_lock(&m->vm.lock);
    pc_nics_hold(m, on);
    board_virtio_hold(m, on);
    pthread_mutex_unlock(&m->vm.lock);
    machine_hold(m, on);
    settle(m);
    machine_tell(m, on ? MACHINE_STOPPED : MACHINE_RESUMED, 0, false);
}

bool machine_is_paused(const struct machine *m)
{
    return m->paused;
}

bool machine_is_asleep(const struct machine *m)
{
    return atomic_load(&m->asleep);
}

int machine_wake(struct machine *m)
{
    if (!machine_is_asleep(m))
        return -EALREADY;
    pthread_mutex_lock(&m->vm.lock);
    acpipm_wake(m->pm);
    pthread_mutex_unlock(&m->vm.lock);
    return 0;
}

void machine_on_event(struct machine *m, machine_event_fn fn, void *opaque)
{
    m->on_event = fn;
    m->event_opaque = opaque;
}

void machine_tell(struct machine *m, enum machine_event event, unsigned n, bool guest)
{
    if (m->on_event)
        m->on_event(m->event_opaque, event, n, guest);
}

unsigned machine_cpus(const struct machine *m)
{
    return m->cfg->cpus;
}

int machine_cpu_tid(const struct machine *m, unsigned n)
{
    return cpu_threads_tid(m->threads, n);
}

struct ns16550a *machine_uart(struct machine *m, unsigned n)
{
    return m->uart[n];
}

pthread_mutex_t *machine_lock(struct machine *m)
{
    return &m->vm.lock;
}
