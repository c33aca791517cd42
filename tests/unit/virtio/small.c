/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entropy device and memory balloon. */
#include "../test.h"
#include "driver.h"
#include "virtio/balloon.h"
#include "virtio/rng.h"

static struct drv d;

static void pattern(void *opaque, u8 *to, size_t len)
{
    memset(to, 0x5c, len);
}

static void random_bytes_at_a_rate(void)
{
    struct virtio_rng_config cfg = {.fill = pattern, .rate = 100};
    struct drv_seg s = {DRV_DATA, 64, true};
    struct virtio_rng *r;
    u16 id = 0;
    u32 used = 0;

    drv_open(&d);
    BUG_ON(virtio_rng_new(&r, d.p.mem, d.p.rig.clk, &cfg));
    drv_attach(&d, virtio_rng_dev(r), true);
    CHECK(drv_negotiate(&d, DRV_ALL));
    drv_add_queue(&d, 0, 8);
    drv_start(&d);
    for (unsigned i = 0; i < 3; i++)
        drv_add(&d, 0, &s, 1);
    drv_kick(&d, 0);
    CHECK(drv_used(&d, 0, &id, &used));
    CHECK_EQ(used, 64);
    CHECK_EQ(*drv_ram(&d, DRV_DATA + 63), 0x5c);
    CHECK(drv_used(&d, 0, &id, &used));
    CHECK_EQ(used, 36);
    CHECK(!drv_used(&d, 0, &id, &used)); /* in the next second */
    clock_advance(d.p.rig.clk, 1000 * MS);
    CHECK(drv_used(&d, 0, &id, &used));
    drv_detach(&d);
    virtio_rng_free(r);
    drv_close(&d);
}

static struct virtio_balloon *b;

static unsigned moves;

static void moved(void *opaque)
{
    moves++;
}

static void start_balloon(u64 features)
{
    struct virtio_balloon_config cfg = {.moved = moved};

    drv_open(&d);
    BUG_ON(virtio_balloon_new(&b, d.p.mem, d.p.rig.clk, &cfg));
    drv_attach(&d, virtio_balloon_dev(b), false);
    CHECK(drv_negotiate(&d, DRV_ALL | features));
    for (u16 n = 0; n < 4; n++)
        drv_add_queue(&d, n, 16);
    drv_start(&d);
}

static void stop_balloon(void)
{
    drv_detach(&d);
    virtio_balloon_free(b);
    drv_close(&d);
}

static void pages_are_given_back(void)
{
    struct drv_seg s = {DRV_DATA, 12, false};
    u16 id = 0;
    u32 used = 0;

    start_balloon(0);
    virtio_balloon_set(b, 8192);
    CHECK_EQ(drv_isr(&d), 2);
    CHECK_EQ(drv_get(&d, 0x2000, 4), 2);
    memset(drv_ram(&d, 0x200000), 0x11, 4 * PAGE_SIZE);
    put_le32(drv_ram(&d, DRV_DATA), 0x200);
    put_le32(drv_ram(&d, DRV_DATA + 4), 0x202);
    put_le32(drv_ram(&d, DRV_DATA + 8), 0xfffffff0); /* no memory */
    drv_add(&d, 0, &s, 1);
    drv_kick(&d, 0);
    CHECK(drv_used(&d, 0, &id, &used));
    CHECK_EQ(*drv_ram(&d, 0x200000), 0);
    CHECK_EQ(*drv_ram(&d, 0x200fff), 0);
    CHECK_EQ(*drv_ram(&d, 0x201000), 0x11);
    CHECK_EQ(*drv_ram(&d, 0x202000), 0);
    drv_put(&d, 0x2004, 4, 1);
    drv_put(&d, 0x2004, 4, 2);
    CHECK_EQ(virtio_balloon_actual(b), 8192);
    CHECK_EQ(moves, 0);
    clock_advance(d.p.rig.clk, NSEC_PER_SEC);
    CHECK_EQ(moves, 1); /* for both */
    memset(drv_ram(&d, 0x200000), 0x22, PAGE_SIZE);
    drv_add(&d, 1, &s, 1); /* taken again: what is there stays */
    drv_kick(&d, 1);
    CHECK(drv_used(&d, 1, &id, &used));
    CHECK_EQ(*drv_ram(&d, 0x200000), 0x22);
    stop_balloon();
}

static void free_pages_are_given_back(void)
{
    struct drv_seg s[] = {{0x200100, 0x2000, true}, {0x210000, 0x1000, true}};
    u16 id = 0;
    u32 used = 0;

    start_balloon(BIT64(5)); /* without statistics it is the third queue */
    memset(drv_ram(&d, 0x200000), 0x11, 0x12000);
    drv_add(&d, 2, s, 2);
    drv_kick(&d, 2);
    CHECK(drv_used(&d, 2, &id, &used));
    CHECK_EQ(*drv_ram(&d, 0x200fff), 0x11); /* not a whole page of it */
    CHECK_EQ(*drv_ram(&d, 0x201000), 0);
    CHECK_EQ(*drv_ram(&d, 0x202000), 0x11);
    CHECK_EQ(*drv_ram(&d, 0x210800), 0);
    stop_balloon();
}

static void statistics(void)
{
    struct drv_seg s = {DRV_DATA, 20, false};
    struct state_stream stream = {0};
    struct err err;
    u16 id = 0;
    u32 used = 0;

    start_balloon(BIT64(1));
    CHECK(!virtio_balloon_ask(b));
    clock_advance(d.p.rig.clk, 2 * NSEC_PER_SEC);
    memset(drv_ram(&d, DRV_DATA), 0, 20);
    put_le16(drv_ram(&d, DRV_DATA), 4);
    put_le64(drv_ram(&d, DRV_DATA + 2), 123456);
    put_le16(drv_ram(&d, DRV_DATA + 10), 999);
    drv_add(&d, 2, &s, 1);
    drv_kick(&d, 2);
    CHECK(!drv_used(&d, 2, &id, &used)); /* kept until the next question */
    /* … and the driver shall tell of the answer to that. */
    CHECK_EQ(le16(drv_ram(&d, d.q[2].device + 4 + 8u * d.q[2].size)), 1);
    CHECK(virtio_balloon_stats(b)->known[4]);
    CHECK_EQ(virtio_balloon_stats(b)->value[4], 123456);
    CHECK(virtio_balloon_stats(b)->updated);
    CHECK_EQ(state_save(&stream, &virtio_balloon_state, b), 0);
    virtio_reset(virtio_balloon_dev(b));
    CHECK_EQ(state_load(&stream, &virtio_balloon_state, b, &err), 0);
    CHECK(virtio_balloon_ask(b));
    CHECK(drv_used(&d, 2, &id, &used));
    CHECK(!virtio_balloon_ask(b));
    state_dispose(&stream);
    stop_balloon();
}

int main(void)
{
    TEST_RUN(random_bytes_at_a_rate);
    TEST_RUN(pages_are_given_back);
    TEST_RUN(free_pages_are_given_back);
    TEST_RUN(statistics);
    return test_result();
}
