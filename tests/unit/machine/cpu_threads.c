/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parking and starting CPU threads, with an engine that only counts: nothing runs while parked,
   whoever asks and however often. */
#include "machine/cpu_threads.h"
#include "../test.h"
#include "cpu/engine.h"
#include "cpu/vcpu.h"
#include "cpu/vm.h"

#include <unistd.h>

#define CPUS   4
#define ROUNDS 200

struct rig {
    struct vm vm;
    struct cpu_threads *threads;
    atomic_ulong runs; /* of all CPUs */
    atomic_uint inside;
    atomic_bool shut_down; /* the engine reports a triple fault */
    atomic_uint shutdowns;
};

static struct rig *rig_of(struct vcpu *c)
{
    return container_of(c->vm, struct rig, vm);
}

static enum vcpu_exit count(struct vcpu *c)
{
    struct rig *r = rig_of(c);

    if (atomic_load(&r->shut_down))
        return VCPU_SHUTDOWN;
    atomic_fetch_add(&r->inside, 1);
    while (!(atomic_load(&c->req) & REQ_EXIT))
        atomic_fetch_add(&r->runs, 1);
    atomic_fetch_sub(&r->inside, 1);
    return VCPU_KICK;
}

static const struct engine_ops engine_count = {.name = "count", .run = count};

static void on_shutdown(void *opaque)
{
    struct rig *r = opaque;

    atomic_fetch_add(&r->shutdowns, 1);
    cpu_threads_ask(r->threads);
}

static void rig_init(struct rig *r)
{
    struct err err;
    struct vcpu *c;

    memset(r, 0, sizeof(*r));
    r->vm.engine = &engine_count;
    r->vm.on_shutdown = on_shutdown;
    r->vm.on_shutdown_opaque = r;
    r->vm.ncpus = CPUS;
    for (unsigned i = 0; i < CPUS; i++)
        CHECK_EQ(vcpu_new(&c, &r->vm, i), 0);
    CHECK_EQ(cpu_threads_new(&r->threads, &r->vm, &err), 0);
}

static void rig_dispose(struct rig *r)
{
    cpu_threads_free(r->threads);
    for (unsigned i = 0; i < CPUS; i++)
        vcpu_free(r->vm.cpu[i]);
}

static void wait_for_runs(struct rig *r)
{
    unsigned long before = atomic_load(&r->runs);

    for (int i = 0; i < 5000 && atomic_load(&r->runs) == before; i++)
        usleep(1000);
    CHECK(atomic_load(&r->runs) != before);
}

static void starts_parked(void)
{
    struct rig r;

    rig_init(&r);
    CHECK(!cpu_threads_running(r.threads));
    usleep(20000);
    CHECK_EQ(atomic_load(&r.runs), 0);
    cpu_threads_go(r.threads);
    CHECK(cpu_threads_running(r.threads));
    wait_for_runs(&r);
    rig_dispose(&r);
}

static void park_and_go(void)
{
    struct rig r;

    rig_init(&r);
    for (int i = 0; i < ROUNDS; i++) {
        unsigned long before;
        cpu_threads_go(r.threads);
        if (i % 16 == 0)
            wait_for_runs(&r);
        cpu_threads_park(r.threads);
        before = atomic_load(&r.runs);
        CHECK_EQ(atomic_load(&r.inside), 0);
        if (i % 16 == 0)
            usleep(500);
        CHECK_EQ(atomic_load(&r.runs), before);
    }
    rig_dispose(&r);
}

static void *ask_often(void *opaque)
{
    struct rig *r = opaque;

    for (int i = 0; i < ROUNDS; i++)
        cpu_threads_ask(r->threads);
    return NULL;
}

static void asked_by_others(void)
{
    struct rig r;
    pthread_t other;

    rig_init(&r);
    pthread_create(&other, NULL, ask_often, &r);
    for (int i = 0; i < ROUNDS; i++)
        cpu_threads_go(r.threads);
    pthread_join(other, NULL);
    cpu_threads_park(r.threads);
    CHECK_EQ(atomic_load(&r.inside), 0);
    cpu_threads_go(r.threads);
    wait_for_runs(&r);
    rig_dispose(&r);
}

static void triple_fault(void)
{
    struct rig r;

    rig_init(&r);
    atomic_store(&r.shut_down, true);
    cpu_threads_go(r.threads);
    for (int i = 0; i < 5000 && !atomic_load(&r.shutdowns); i++)
        usleep(1000);
    cpu_threads_park(r.threads);
    CHECK(atomic_load(&r.shutdowns) >= 1 && atomic_load(&r.shutdowns) <= CPUS);
    atomic_store(&r.shut_down, false);
    cpu_threads_go(r.threads);
    wait_for_runs(&r);
    rig_dispose(&r);
}

int main(void)
{
    TEST_RUN(starts_parked);
    TEST_RUN(park_and_go);
    TEST_RUN(asked_by_others);
    TEST_RUN(triple_fault);
    return test_result();
}
