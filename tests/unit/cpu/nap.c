/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a CPU that reads a timer naps; by a manual clock, so that nothing depends on the host. */
#include "cpu/nap.h"
#include "guest.h"

#define US    1000ull
#define TIMER 0x40
#define LATCH 0x43
#define OTHER 0x61

static struct vcpu *c;
static struct clock *clk;

/* Reads the timer every 5 us for that long; true if the CPU has napped. */
static bool spin(u64 us)
{
    bool napped = false;

    for (u64 t = 0; t < us; t += 5) {
        u64 woke = c->nap.woke;
        clock_advance(clk, 5 * US);
        nap_before_out(c, LATCH);
        nap_before_in(c, TIMER);
        napped |= c->nap.woke != woke && c->nap.woke != c->nap.since;
    }
    return napped;
}

static void wait(u64 us)
{
    clock_advance(clk, us * US);
}

/* Time in which the timer is read now and then, and nothing is held up. */
static void let_pass(u64 until)
{
    while (clock_now(clk) < until) {
        wait(1000);
        nap_before_in(c, TIMER);
    }
}

static void open_cpu(struct guest **g)
{
    *g = guest_new();
    c = (*g)->c;
    clk = (*g)->vm.clock;
    (*g)->vm.timer_port = TIMER;
    (*g)->vm.timer_latch_port = LATCH;
    atomic_store(&c->req, 0);
    clock_advance(clk, 1000 * US);
}

static void test_quiet_host(void)
{
    struct guest *g;

    open_cpu(&g);
    CHECK(!spin(100000));
    wait(500); /* something else */
    CHECK(!spin(1000));
    guest_free(g);
}

static void test_busy_host(void)
{
    struct guest *g;

    open_cpu(&g);
    CHECK(!spin(500));
    wait(3000); /* the thread had no core */
    CHECK(!spin(95));
    CHECK(spin(30));
    CHECK(spin(15)); /* and not only once */
    let_pass(c->nap.allowed_end - 2000 * US);
    CHECK(spin(200));
    let_pass(c->nap.allowed_end);
    CHECK(!spin(1000)); /* it has not been held up for a second */
    guest_free(g);
}

/* Reads with other work between them are no loop, nor are those with other ports between. */
static void test_other_work(void)
{
    struct guest *g;

    open_cpu(&g);
    CHECK(!spin(500));
    wait(3000);
    for (unsigned i = 0; i < 1000; i++) {
        CHECK(!spin(50));
        wait(30);
    }
    for (unsigned i = 0; i < 1000; i++) {
        CHECK(!spin(50));
        nap_before_out(c, OTHER);
        CHECK(!spin(50));
        nap_before_in(c, OTHER);
    }
    wait(3000); /* after another port: not a loop that was held up */
    CHECK(c->nap.allowed_end > clock_now(clk));
    wait(1000000);
    nap_before_in(c, OTHER);
    wait(3000);
    CHECK(!spin(1000));
    guest_free(g);
}

/* A request ends the nap, which otherwise would be one without end here. */
static void test_request(void)
{
    struct guest *g;
    struct timespec never = {.tv_sec = INT64_MAX / 2};

    open_cpu(&g);
    vcpu_request(c, REQ_INTR);
    vcpu_sleep_until(c, &never);
    CHECK_EQ(atomic_load(&c->req), REQ_INTR);
    CHECK(!atomic_load(&c->sleeping));
    guest_free(g);
}

int main(void)
{
    TEST_RUN(test_quiet_host);
    TEST_RUN(test_busy_host);
    TEST_RUN(test_other_work);
    TEST_RUN(test_request);
    return test_result();
}
