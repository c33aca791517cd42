/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/bus.h"
#include "../test.h"

#include <errno.h>

struct access {
    u64 off, val;
    unsigned size;
    bool write;
};

struct dev { /* remembers what reaches it; byte n reads as base + n */
    struct access log[16];
    unsigned n;
    u8 base;
};

struct rig {
    pthread_mutex_t lock;
    struct bus bus;
    struct dev a, b;
};

static u64 dev_read(void *opaque, u64 off, unsigned size)
{
    struct dev *d = opaque;
    u64 val = 0xa5ull << 56;

    for (unsigned n = 0; n < size; n++)
        val = (val & ~(0xffull << 8 * n)) | (u64)(u8)(d->base + off + n) << 8 * n;
    if (d->n < ARRAY_SIZE(d->log))
        d->log[d->n++] = (struct access){off, 0, size, false};
    return val; /* with rubbish above `size` bytes */
}

static void dev_write(void *opaque, u64 off, unsigned size, u64 val)
{
    struct dev *d = opaque;

    if (d->n < ARRAY_SIZE(d->log))
        d->log[d->n++] = (struct access){off, val, size, true};
}

static const struct bus_ops ops1 = {.read = dev_read, .write = dev_write, .max_size = 1};
static const struct bus_ops ops2 = {.read = dev_read, .write = dev_write, .max_size = 2};
static const struct bus_ops ops4 = {.read = dev_read, .write = dev_write, .max_size = 4};
static const struct bus_ops ops8 = {.read = dev_read, .write = dev_write, .max_size = 8};

static void rig_open(struct rig *r)
{
    pthread_mutexattr_t attr;

    memset(r, 0, sizeof(*r));
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&r->lock, &attr);
    pthread_mutexattr_destroy(&attr);
    bus_init(&r->bus, "test", &r->lock);
    r->a.base = 0x10;
    r->b.base = 0x80;
}

static void rig_close(struct rig *r)
{
    bus_dispose(&r->bus);
    pthread_mutex_destroy(&r->lock);
}

static bool logged(const struct dev *d, unsigned n, u64 off, unsigned size, bool write, u64 val)
{
    const struct access *a = &d->log[n];

    return n < d->n && a->off == off && a->size == size && a->write == write && a->val == val;
}

static void nobody_answers_with_ones(void)
{
    struct rig r;

    rig_open(&r);
    CHECK_EQ(bus_read(&r.bus, 0x60, 1), 0xff);
    CHECK_EQ(bus_read(&r.bus, 0x60, 4), 0xffffffff);
    CHECK_EQ(bus_read(&r.bus, ~0ull, 8), ~0ull);
    bus_write(&r.bus, 0x60, 4, 0);
    rig_close(&r);
}

static void overlaps_are_refused(void)
{
    struct rig r;

    rig_open(&r);
    CHECK_EQ(bus_claim(&r.bus, 0x10, 0x1f, &ops4, &r.a, "a"), 0);
    CHECK_EQ(bus_claim(&r.bus, 0x10, 0x1f, &ops4, &r.b, "b"), -EEXIST);
    CHECK_EQ(bus_claim(&r.bus, 0x00, 0x10, &ops4, &r.b, "b"), -EEXIST);
    CHECK_EQ(bus_claim(&r.bus, 0x1f, 0x2f, &ops4, &r.b, "b"), -EEXIST);
    CHECK_EQ(bus_claim(&r.bus, 0x14, 0x15, &ops4, &r.b, "b"), -EEXIST);
    CHECK_EQ(bus_claim(&r.bus, 0x00, 0xff, &ops4, &r.b, "b"), -EEXIST);
    CHECK_EQ(bus_claim(&r.bus, 0x00, 0x0f, &ops4, &r.b, "b"), 0);
    CHECK_EQ(bus_claim(&r.bus, 0x20, ~0ull, &ops4, &r.b, "b"), 0);
    CHECK_EQ(bus_read(&r.bus, ~0ull, 1), 0x80 - 0x21);
    CHECK_EQ(bus_read(&r.bus, 0x10, 1), 0x10);
    CHECK_EQ(bus_read(&r.bus, 0x0f, 1), 0x8f);
    rig_close(&r);
}

static void a_device_sees_offsets_and_plain_values(void)
{
    struct rig r;

    rig_open(&r);
    CHECK_EQ(bus_claim(&r.bus, 0x100, 0x1ff, &ops8, &r.a, "a"), 0);
    CHECK_EQ(bus_read(&r.bus, 0x104, 2), 0x1514);
    CHECK(logged(&r.a, 0, 4, 2, false, 0));
    bus_write(&r.bus, 0x1fc, 4, 0xffffffff11223344);
    CHECK(logged(&r.a, 1, 0xfc, 4, true, 0x11223344));
    CHECK_EQ(bus_read(&r.bus, 0x100, 8), 0x1716151413121110);
    CHECK_EQ(r.a.n, 3);
    rig_close(&r);
}

static void wide_accesses_are_split_low_part_first(void)
{
    struct rig r;

    rig_open(&r);
    CHECK_EQ(bus_claim(&r.bus, 0, 0xf, &ops1, &r.a, "a"), 0);
    CHECK_EQ(bus_claim(&r.bus, 0x10, 0x1f, &ops2, &r.b, "b"), 0);
    bus_write(&r.bus, 4, 4, 0x44332211);
    CHECK_EQ(r.a.n, 4);
    for (unsigned n = 0; n < 4; n++)
        CHECK(logged(&r.a, n, 4 + n, 1, true, 0x11u * (n + 1)));
    CHECK_EQ(bus_read(&r.bus, 4, 4), 0x17161514);
    bus_write(&r.bus, 0x10, 8, 0x7766554433221100);
    CHECK_EQ(r.b.n, 4);
    CHECK(logged(&r.b, 3, 6, 2, true, 0x7766));
    rig_close(&r);
}

/* Parts are aligned, but an access that the device takes whole stays whole. */
static void unaligned_accesses(void)
{
    struct rig r;

    rig_open(&r);
    CHECK_EQ(bus_claim(&r.bus, 0, 0x1f, &ops4, &r.a, "a"), 0);
    CHECK_EQ(bus_read(&r.bus, 1, 4), 0x14131211);
    CHECK(logged(&r.a, 0, 1, 4, false, 0));
    CHECK_EQ(r.a.n, 1);
    CHECK_EQ(bus_read(&r.bus, 2, 8), 0x1918171615141312);
    CHECK(logged(&r.a, 1, 2, 2, false, 0));
    CHECK(logged(&r.a, 2, 4, 4, false, 0));
    CHECK(logged(&r.a, 3, 8, 2, false, 0));
    CHECK_EQ(bus_read(&r.bus, 5, 3), 0x171615);
    CHECK_EQ(r.a.n, 6);
    rig_close(&r);
}

static void an_access_may_reach_several_devices_and_none(void)
{
    struct rig r;

    rig_open(&r);
    CHECK_EQ(bus_claim(&r.bus, 0x10, 0x11, &ops4, &r.a, "a"), 0);
    CHECK_EQ(bus_claim(&r.bus, 0x13, 0x13, &ops4, &r.b, "b"), 0);
    CHECK_EQ(bus_read(&r.bus, 0x0f, 8), 0xffffff80ff1110ff);
    bus_write(&r.bus, 0x10, 4, 0xdd00bbaa);
    CHECK(logged(&r.a, r.a.n - 1, 0, 2, true, 0xbbaa));
    CHECK(logged(&r.b, r.b.n - 1, 0, 1, true, 0xdd));
    rig_close(&r);
}

static void release_takes_all_claims_of_a_device(void)
{
    struct rig r;

    rig_open(&r);
    for (u64 n = 0; n < 100; n++)
        CHECK_EQ(bus_claim(&r.bus, n * 4, n * 4 + 3, &ops4, n & 1 ? &r.a : &r.b, "x"), 0);
    bus_release(&r.bus, &r.a);
    for (u64 n = 0; n < 100; n++)
        CHECK_EQ(bus_read(&r.bus, n * 4, 1), n & 1 ? 0xff : 0x80);
    CHECK_EQ(bus_claim(&r.bus, 4, 7, &ops4, &r.a, "a"), 0);
    rig_close(&r);
}

static void a_missing_direction_reads_ones_and_drops_writes(void)
{
    static const struct bus_ops none = {.max_size = 4};
    struct rig r;

    rig_open(&r);
    CHECK_EQ(bus_claim(&r.bus, 0, 3, &none, &r.a, "a"), 0);
    CHECK_EQ(bus_read(&r.bus, 0, 4), 0xffffffff);
    bus_write(&r.bus, 0, 4, 1);
    rig_close(&r);
}

struct seen {
    const char *dev;
    u64 addr, val;
    unsigned size, calls;
    bool write;
};

static void on_trace(void *opaque, const char *bus, const char *dev, u64 addr, unsigned size,
                     u64 val, bool write)
{
    struct seen *s = opaque;

    *s = (struct seen){dev, addr, val, size, s->calls + 1, write};
}

static void tracing_shows_the_access_as_the_cpu_made_it(void)
{
    struct seen seen = {.calls = 0};
    struct rig r;

    rig_open(&r);
    CHECK_EQ(bus_claim(&r.bus, 0, 7, &ops1, &r.a, "a"), 0);
    r.bus.trace = on_trace;
    r.bus.trace_opaque = &seen;
    (void)bus_read(&r.bus, 0, 4);
    CHECK(seen.calls == 1 && !seen.write && seen.size == 4 && seen.val == 0x13121110);
    CHECK(seen.dev && !strcmp(seen.dev, "a"));
    bus_write(&r.bus, 0x20, 2, 0x1234);
    CHECK(seen.calls == 2 && seen.write && seen.addr == 0x20 && seen.val == 0x1234);
    rig_close(&r);
}

/* A device that is also a bus master: it accesses the bus from within an access. */
static struct bus *loop_bus;

static void loop_write(void *opaque, u64 off, unsigned size, u64 val)
{
    if (val)
        bus_write(loop_bus, off, size, val - 1);
    dev_write(opaque, off, size, val);
}

static void accesses_nest(void)
{
    static const struct bus_ops ops = {.read = dev_read, .write = loop_write, .max_size = 4};
    struct rig r;

    rig_open(&r);
    loop_bus = &r.bus;
    CHECK_EQ(bus_claim(&r.bus, 0, 3, &ops, &r.a, "a"), 0);
    bus_write(&r.bus, 0, 4, 3);
    CHECK_EQ(r.a.n, 4);
    CHECK(logged(&r.a, 0, 0, 4, true, 0));
    CHECK(logged(&r.a, 3, 0, 4, true, 3));
    rig_close(&r);
}

/* A device that takes writes to its upper half without the lock. */
static bool upper_half(void *opaque, u64 off, unsigned size, u64 val)
{
    if (off < 8)
        return false;
    dev_write(opaque, off, size, val);
    return true;
}

static const struct bus_ops quick = {
    .read = dev_read, .write = dev_write, .max_size = 4, .write_unlocked = upper_half};

static void *write_upper(void *opaque)
{
    struct rig *r = opaque;

    bus_write(&r->bus, 0x18, 4, 0xffffffff00000001);
    bus_write(&r->bus, 0x1c, 2, 2);
    return NULL;
}

static void some_writes_need_no_lock(void)
{
    pthread_t other;
    struct rig r;

    rig_open(&r);
    CHECK_EQ(bus_claim(&r.bus, 0x10, 0x1f, &quick, &r.a, "a"), 0);
    pthread_mutex_lock(&r.lock);
    pthread_create(&other, NULL, write_upper, &r);
    pthread_join(other, NULL);
    CHECK(logged(&r.a, 0, 8, 4, true, 1));
    CHECK(logged(&r.a, 1, 12, 2, true, 2));
    pthread_mutex_unlock(&r.lock);
    bus_write(&r.bus, 0x10, 4, 3); /* not taken so */
    CHECK(logged(&r.a, 2, 0, 4, true, 3));
    bus_write(&r.bus, 0x1e, 4, 4); /* beyond its end: in parts */
    CHECK(logged(&r.a, 3, 14, 2, true, 4));
    CHECK_EQ(r.a.n, 4);
    bus_release(&r.bus, &r.a);
    bus_write(&r.bus, 0x18, 4, 5);
    CHECK_EQ(r.a.n, 4);
    rig_close(&r);
}

static void *write_b(void *opaque)
{
    struct rig *r = opaque;

    bus_write(&r->bus, 0x48, 4, 7);
    return NULL;
}

/* Where no device takes writes without the lock, none is delayed by a claim that waits. */
static void other_writes_take_no_lock_more(void)
{
    pthread_t other;
    struct rig r;

    rig_open(&r);
    CHECK_EQ(bus_claim(&r.bus, 0x10, 0x1f, &quick, &r.a, "a"), 0);
    CHECK_EQ(bus_claim(&r.bus, 0x40, 0x4f, &quick, &r.b, "b"), 0);
    CHECK_EQ(bus_claim(&r.bus, 0, 3, &ops4, &r.a, "low"), 0);
    CHECK_EQ(bus_claim(&r.bus, 0x50, 0x53, &ops4, &r.a, "high"), 0);
    pthread_rwlock_wrlock(&r.bus.moving);
    bus_write(&r.bus, 0, 4, 1);
    bus_write(&r.bus, 0x50, 4, 2);
    bus_write(&r.bus, 0x60, 4, 3);
    pthread_rwlock_unlock(&r.bus.moving);
    CHECK(logged(&r.a, 0, 0, 4, true, 1) && logged(&r.a, 1, 0, 4, true, 2) && r.a.n == 2);
    bus_unclaim(&r.bus, 0x10);
    pthread_mutex_lock(&r.lock);
    pthread_create(&other, NULL, write_b, &r);
    pthread_join(other, NULL);
    pthread_mutex_unlock(&r.lock);
    CHECK(logged(&r.b, 0, 8, 4, true, 7));
    bus_release(&r.bus, &r.b);
    pthread_rwlock_wrlock(&r.bus.moving);
    bus_write(&r.bus, 0x48, 4, 8);
    pthread_rwlock_unlock(&r.bus.moving);
    CHECK_EQ(r.b.n, 1);
    rig_close(&r);
}

int main(void)
{
    TEST_RUN(nobody_answers_with_ones);
    TEST_RUN(overlaps_are_refused);
    TEST_RUN(a_device_sees_offsets_and_plain_values);
    TEST_RUN(wide_accesses_are_split_low_part_first);
    TEST_RUN(unaligned_accesses);
    TEST_RUN(an_access_may_reach_several_devices_and_none);
    TEST_RUN(release_takes_all_claims_of_a_device);
    TEST_RUN(a_missing_direction_reads_ones_and_drops_writes);
    TEST_RUN(tracing_shows_the_access_as_the_cpu_made_it);
    TEST_RUN(accesses_nest);
    TEST_RUN(some_writes_need_no_lock);
    TEST_RUN(other_writes_take_no_lock_more);
    return test_result();
}
