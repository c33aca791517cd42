/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several CPUs, each in its own thread: locked accesses that the host cannot make atomic. */
#include "guest.h"

#include "cpu/engine.h"
#include "cpu/exclusive.h"
#include "cpu/interp/interp.h"

#define CPUS   3
#define ROUNDS 2000

enum {
    COUNTER = 0x101ffc, /* 8 bytes across a page */
    CODE = 0x110000,
    DEVICE = 0x10000000,
};

struct crowd {
    struct guest *g;
    struct vcpu *c[CPUS];
    pthread_barrier_t start;
    u64 plain;              /* changed only while alone */
    atomic_uint inside;     /* CPUs in guest code */
    atomic_uint violations; /* somebody was inside while another was alone */
};

static const struct lapic_ops no_ops = {ignore_cpu, ignore_cpu, ignore_cpu, ignore_cpu,
                                        ignore_sipi};

static void open_crowd(struct crowd *w)
{
    memset(w, 0, sizeof(*w));
    w->g = guest_new();
    w->c[0] = w->g->c;
    w->g->vm.ncpus = CPUS;
    pthread_barrier_init(&w->start, NULL, CPUS);
    pthread_mutex_init(&w->g->vm.exclusive_lock, NULL);
    pthread_cond_init(&w->g->vm.exclusive_cond, NULL);
    for (unsigned n = 1; n < CPUS; n++)
        if (vcpu_new(&w->c[n], &w->g->vm, n) ||
            lapic_new(&w->c[n]->lapic, w->g->lapics, w->g->vm.clock, n, false, &no_ops, w->c[n]))
            abort();
    for (unsigned n = 0; n < CPUS; n++) {
        vcpu_reset(w->c[n], false);
        w->c[n]->activity = ACTIVITY_RUN;
        w->c[n]->cr0 |= CR0_PE;
        vcpu_update_mode(w->c[n]);
    }
}

static void close_crowd(struct crowd *w)
{
    for (unsigned n = 1; n < CPUS; n++) {
        lapic_free(w->c[n]->lapic);
        vcpu_free(w->c[n]);
    }
    pthread_barrier_destroy(&w->start);
    pthread_cond_destroy(&w->g->vm.exclusive_cond);
    pthread_mutex_destroy(&w->g->vm.exclusive_lock);
    guest_free(w->g);
}

struct member {
    struct crowd *w;
    struct vcpu *c;
    void (*round)(struct crowd *w, struct vcpu *c, unsigned n);
    bool faulted;
};

/* What an engine does: a round of guest code, and between rounds a look at requests. */
static void *run_member(void *arg)
{
    struct member *m = arg;
    struct vcpu *c = m->c;
    jmp_buf unwind;

    pthread_barrier_wait(&m->w->start);
    vcpu_guest_enter(c);
    c->unwind = &unwind;
    if (setjmp(unwind) == 0)
        for (unsigned n = 0; n < ROUNDS; n++) {
            if (atomic_fetch_and(&c->req, ~(u32)REQ_EXCLUSIVE) & REQ_EXCLUSIVE)
                vcpu_guest_pause(c);
            m->round(m->w, c, n);
        }
    else
        m->faulted = true;
    c->unwind = NULL;
    vcpu_guest_leave(c);
    return NULL;
}

static void run_crowd(struct crowd *w, void (*round)(struct crowd *w, struct vcpu *c, unsigned n))
{
    struct member member[CPUS];
    pthread_t thread[CPUS];

    for (unsigned n = 0; n < CPUS; n++) {
        member[n] = (struct member){.w = w, .c = w->c[n], .round = round};
        if (pthread_create(&thread[n], NULL, run_member, &member[n]))
            abort();
    }
    for (unsigned n = 0; n < CPUS; n++) {
        pthread_join(thread[n], NULL);
        CHECK(!member[n].faulted);
    }
    CHECK_EQ(w->g->vm.running, 0);
    CHECK_EQ(w->g->vm.exclusive_pending, 0);
}

static void alone_round(struct crowd *w, struct vcpu *c, unsigned n)
{
    atomic_fetch_add(&w->inside, 1);
    atomic_fetch_sub(&w->inside, 1);
    if (n % 3)
        return;
    exclusive_begin(c);
    if (atomic_load(&w->inside))
        atomic_fetch_add(&w->violations, 1);
    w->plain++;
    exclusive_end(c);
}

static void one_is_alone_in_the_world(void)
{
    struct crowd w;

    open_crowd(&w);
    run_crowd(&w, alone_round);
    CHECK_EQ(w.plain, CPUS * ((ROUNDS + 2) / 3));
    CHECK_EQ(atomic_load(&w.violations), 0);
    close_crowd(&w);
}

static void increment_round(struct crowd *w, struct vcpu *c, unsigned n)
{
    u64 old = 0, new;

    do {
        new = old + 1;
    } while (!lin_cmpxchg(c, COUNTER, 8, &old, new, MMU_SUPER));
}

static void exchanges_across_pages_are_atomic(void)
{
    struct crowd w;

    open_crowd(&w);
    run_crowd(&w, increment_round);
    CHECK_EQ(get(w.g, COUNTER, 8), CPUS * ROUNDS);
    close_crowd(&w);
}

static u64 device_reg;

static u64 dev_read(void *opaque, u64 off, unsigned size)
{
    return device_reg;
}

static void dev_write(void *opaque, u64 off, unsigned size, u64 val)
{
    device_reg = val;
}

static const struct bus_ops dev_ops = {.read = dev_read, .write = dev_write, .max_size = 8};

static void device_round(struct crowd *w, struct vcpu *c, unsigned n)
{
    u64 old = 0, new;

    do {
        new = old + 1;
    } while (!lin_cmpxchg(c, DEVICE, 8, &old, new, MMU_SUPER));
}

static void exchanges_with_a_device_are_atomic(void)
{
    struct crowd w;

    open_crowd(&w);
    device_reg = 0;
    if (bus_claim(&w.g->vm.mmio, DEVICE, DEVICE + 7, &dev_ops, NULL, "dev"))
        abort();
    run_crowd(&w, device_round);
    CHECK_EQ(device_reg, CPUS * ROUNDS);
    close_crowd(&w);
}

static void a_fault_ends_it(void)
{
    struct crowd w;

    open_crowd(&w);
    vcpu_guest_enter(w.c[0]);
    RAISES(w.c[0], exclusive_begin(w.c[0]); cpu_raise_gp0(w.c[0]), VEC_GP, 0);
    CHECK(!w.c[0]->exclusive);
    CHECK_EQ(w.g->vm.exclusive_pending, 0);
    CHECK_EQ(w.g->vm.running, 1);
    vcpu_guest_leave(w.c[0]);
    close_crowd(&w);
}

/* The whole engine: 32-bit code of all CPUs that counts across a page, with LOCK and without. */
static void *run_engine(void *arg)
{
    struct member *m = arg;
    enum vcpu_exit exit;

    pthread_barrier_wait(&m->w->start);
    do
        exit = engine_interp.run(m->c);
    while (exit == VCPU_KICK);
    m->faulted = exit != VCPU_HALT;
    return NULL;
}

static const char code[] = "\xb9\xd0\x07\x00\x00"             /* mov ecx, 2000 */
                           "\xf0\xff\x05\xfe\x1f\x10\x00"     /* lock inc dword [COUNTER + 2] */
                           "\xb8\x01\x00\x00\x00"             /* mov eax, 1 */
                           "\xf0\x0f\xc1\x05\xfe\x2f\x10\x00" /* lock xadd [COUNTER + 1002h], eax */
                           "\x31\xc0\x86\x05\xff\x4f\x10\x00" /* xor eax, eax; xchg [104fffh], al */
                           "\x00\x05\x00\x60\x10\x00"         /* add [106000h], al */
                           "\x49\x75\xdb"                     /* dec ecx; jnz */
                           "\xf4";

static void engines_count_together(void)
{
    struct member member[CPUS];
    pthread_t thread[CPUS];
    struct crowd w;
    struct err err;

    open_crowd(&w);
    if (mem_write(w.g->vm.mem, CODE, code, sizeof(code) - 1))
        abort();
    for (unsigned n = 0; n < CPUS; n++) {
        struct vcpu *c = w.c[n];
        if (engine_interp.vcpu_attach(c, &err))
            abort();
        for (unsigned s = 0; s < 6; s++)
            c->seg[s] = (struct seg){8, A_DATA | A_32, UINT32_MAX, 0};
        c->seg[SEG_CS].ar = A_CODE | A_32;
        c->rip = CODE;
        vcpu_update_mode(c);
        member[n] = (struct member){.w = &w, .c = c};
        if (pthread_create(&thread[n], NULL, run_engine, &member[n]))
            abort();
    }
    for (unsigned n = 0; n < CPUS; n++) {
        pthread_join(thread[n], NULL);
        CHECK(!member[n].faulted);
        CHECK_EQ(w.c[n]->activity, ACTIVITY_HLT);
        engine_interp.vcpu_detach(w.c[n]);
    }
    CHECK_EQ(get(w.g, COUNTER + 2, 4), CPUS * 2000);
    CHECK_EQ(get(w.g, COUNTER + 0x1002, 4), CPUS * 2000);
    close_crowd(&w);
}

int main(void)
{
    TEST_RUN(one_is_alone_in_the_world);
    TEST_RUN(exchanges_across_pages_are_atomic);
    TEST_RUN(exchanges_with_a_device_are_atomic);
    TEST_RUN(a_fault_ends_it);
    TEST_RUN(engines_count_together);
    return test_result();
}
