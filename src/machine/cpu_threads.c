/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread parks when it sees `stop`; REQ_EXIT makes it look. The request is cleared before the
 * look, and set after `stop`, so that none is lost.
 */
#include "machine/cpu_threads.h"

#include "cpu/engine.h"
#include "cpu/vcpu.h"
#include "cpu/vm.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cpu_thread {
    struct cpu_threads *all;
    struct vcpu *c;
    pthread_t thread;
    atomic_int tid;
};

struct cpu_threads {
    struct vm *vm;
    pthread_mutex_t lock;
    pthread_cond_t parked_cond, go_cond;
    atomic_bool stop; /* written under lock, but by cpu_threads_ask */
    bool end;         /* lock */
    unsigned parked;  /* lock */
    unsigned n;       /* threads that were started */
    struct cpu_thread cpu[VM_MAX_CPUS];
};

/* Waits while the machine stands still. False when the thread is to end. */
static bool stay_parked(struct cpu_threads *t)
{
    bool end;

    pthread_mutex_lock(&t->lock);
    t->parked++;
    pthread_cond_signal(&t->parked_cond);
    while (atomic_load(&t->stop) && !t->end)
        pthread_cond_wait(&t->go_cond, &t->lock);
    t->parked--;
    end = t->end;
    pthread_mutex_unlock(&t->lock);
    return !end;
}

/* A CPU that triple-faulted executes nothing until somebody resets or ends the machine. */
static void wait_for_stop(struct cpu_threads *t, struct vcpu *c)
{
    while (!atomic_load(&t->stop))
        vcpu_sleep(c);
}

static void run_cpu(struct cpu_threads *t, struct vcpu *c)
{
    switch (c->vm->engine->run(c)) {
    case VCPU_HALT:
        vcpu_sleep(c);
        break;
    case VCPU_KICK:
        break;
    case VCPU_SHUTDOWN:
        c->vm->on_shutdown(c->vm->on_shutdown_opaque);
        wait_for_stop(t, c);
        break;
    }
}

static void *thread_main(void *arg)
{
    struct cpu_thread *self = arg;
    struct cpu_threads *t = self->all;
    struct vcpu *c = self->c;
    char name[16];

    atomic_store(&self->tid, gettid());
    snprintf(name, sizeof(name), "cpu%u", c->index);
    pthread_setname_np(pthread_self(), name);
    for (;;) {
        atomic_fetch_and(&c->req, ~(u32)REQ_EXIT);
        if (atomic_load(&t->stop) && !stay_parked(t))
            return NULL;
        run_cpu(t, c);
    }
}

int cpu_threads_new(struct cpu_threads **out, struct vm *vm, struct err *err)
{
    struct cpu_threads *t = calloc(1, sizeof(*t));
    sigset_t all, old;
    int r = 0;

    if (!t)
        return err_set(err, ENOMEM, "CPU threads: out of memory");
    t->vm = vm;
    t->stop = true;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->parked_cond, NULL);
    pthread_cond_init(&t->go_cond, NULL);
    /* Faults that a thread brings about itself are delivered even so. */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    while (t->n < vm->ncpus && !r) {
        struct cpu_thread *self = &t->cpu[t->n];
        *self = (struct cpu_thread){.all = t, .c = vm->cpu[t->n]};
        r = pthread_create(&self->thread, NULL, thread_main, self);
        t->n += !r;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r) {
        cpu_threads_free(t);
        return err_set(err, r, "cannot start a thread for each CPU: %s", strerror(r));
    }
    *out = t;
    return 0;
}

void cpu_threads_free(struct cpu_threads *t)
{
    if (!t)
        return;
    cpu_threads_park(t);
    pthread_mutex_lock(&t->lock);
    t->end = true;
    pthread_cond_broadcast(&t->go_cond);
    pthread_mutex_unlock(&t->lock);
    for (unsigned i = 0; i < t->n; i++)
        pthread_join(t->cpu[i].thread, NULL);
    pthread_cond_destroy(&t->go_cond);
    pthread_cond_destroy(&t->parked_cond);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

void cpu_threads_ask(struct cpu_threads *t)
{
    atomic_store(&t->stop, true);
    for (unsigned i = 0; i < t->n; i++)
        vcpu_request(t->cpu[i].c, REQ_EXIT);
}

void cpu_threads_park(struct cpu_threads *t)
{
    cpu_threads_ask(t);
    pthread_mutex_lock(&t->lock);
    while (t->parked < t->n)
        pthread_cond_wait(&t->parked_cond, &t->lock);
    pthread_mutex_unlock(&t->lock);
}

void cpu_threads_go(struct cpu_threads *t)
{
    pthread_mutex_lock(&t->lock);
    atomic_store(&t->stop, false);
    pthread_cond_broadcast(&t->go_cond);
    pthread_mutex_unlock(&t->lock);
}

bool cpu_threads_running(const struct cpu_threads *t)
{
    return !atomic_load(&t->stop);
}

int cpu_threads_tid(const struct cpu_threads *t, unsigned n)
{
    return atomic_load(&t->cpu[n].tid);
}
