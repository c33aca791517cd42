/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio/input.h"
#include "../test.h"
#include "driver.h"

#define EVENTS DRV_DATA
#define STATUS (DRV_DATA + 0x8000)

static struct drv d;
static struct input input;
static struct virtio_input *in;
static unsigned given, taken; /* buffers; how many of them were read */

static void make(enum virtio_input_kind kind)
{
    BUG_ON(virtio_input_new(&in, d.p.mem, d.p.rig.clk, kind, &input, true));
}

static void give(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct drv_seg s = {EVENTS + 8 * given++, 8, true};
        drv_add(&d, 0, &s, 1);
    }
    drv_kick(&d, 0);
}

static void start(enum virtio_input_kind kind, u64 features)
{
    drv_open(&d);
    memset(&input, 0, sizeof(input));
    given = taken = 0;
    make(kind);
    drv_attach(&d, virtio_input_dev(in), false);
    CHECK(drv_negotiate(&d, DRV_ALL | features));
    drv_add_queue(&d, 0, 64);
    drv_add_queue(&d, 1, 64);
    drv_start(&d);
}

static void stop(void)
{
    drv_detach(&d);
    virtio_input_free(in);
    drv_close(&d);
    CHECK(!input.sinks);
}

/* The next event is this one. */
static bool got(u16 type, u16 code, u32 value)
{
    const u8 *p = drv_ram(&d, EVENTS + 8 * taken);
    u16 id;
    u32 len;

    if (!drv_used(&d, 0, &id, &len) || len != 8)
        return false;
    taken++;
    return le16(p) == type && le16(p + 2) == code && le32(p + 4) == value;
}

static bool none(void)
{
    u16 id;
    u32 len;

    return !drv_used(&d, 0, &id, &len);
}

static u8 ask(u8 select, u8 subsel)
{
    drv_put(&d, 0x2000, 1, select);
    drv_put(&d, 0x2001, 1, subsel);
    return (u8)drv_get(&d, 0x2002, 1);
}

static void keys(void)
{
    for (unsigned packed = 0; packed < 2; packed++) {
        start(VIRTIO_KEYBOARD, packed ? BIT64(VIRTIO_F_RING_PACKED) : 0);
        give(8);
        CHECK(input_key(&input, 30, true));
        CHECK(input_key(&input, 30, false));
        CHECK(got(1, 30, 1) && got(0, 0, 0) && got(1, 30, 0) && got(0, 0, 0) && none());
        CHECK(!input_key(&input, 0x110, true)); /* no key of a keyboard */
        stop();
    }
}

static void frames_are_whole(void)
{
    start(VIRTIO_MOUSE, 0);
    give(3);
    input_move(&input, 5, -6, 1, INPUT_LEFT); /* five events */
    CHECK(none());
    give(2);
    CHECK(got(2, 0, 5) && got(2, 1, (u32)-6) && got(2, 8, (u32)-1) && got(1, 0x110, 1));
    CHECK(got(0, 0, 0) && none());
    give(2);
    input_move(&input, 0, 0, 0, 0);
    CHECK(got(1, 0x110, 0) && got(0, 0, 0));
    stop();
}

static void positions(void)
{
    start(VIRTIO_TABLET, 0);
    CHECK(input_is_absolute(&input));
    give(8);
    input_point(&input, 100, INPUT_ABS_MAX, 0, INPUT_EXTRA);
    CHECK(got(3, 0, 100) && got(3, 1, INPUT_ABS_MAX) && got(1, 0x114, 1) && got(0, 0, 0));
    drv_set_status(&d, 0);
    CHECK(!input_is_absolute(&input));
    stop();
}

/* Presses stop before releases do. */
static void full(void)
{
    unsigned presses = 0, releases = 0;

    start(VIRTIO_KEYBOARD, 0);
    while (presses < 1000 && input_key(&input, 30, true))
        presses++;
    while (releases < 1000 && input_key(&input, 30, false))
        releases++;
    CHECK(presses > 30 && presses < 100);
    CHECK(releases > 30 && releases < 100);
    stop();
}

static void tells_what_it_is(void)
{
    start(VIRTIO_TABLET, 0);
    CHECK_EQ(ask(1, 0), 19);
    CHECK_EQ(drv_get(&d, 0x2008, 4), 0x756d6f44);
    CHECK_EQ(ask(3, 0), 8);
    CHECK_EQ(drv_get(&d, 0x2008, 2), 6);
    CHECK_EQ(ask(0x11, 3), 1);
    CHECK_EQ(drv_get(&d, 0x2008, 1), 3);
    CHECK_EQ(ask(0x11, 1), 0x114 / 8 + 1);
    CHECK_EQ(drv_get(&d, 0x2008 + 0x22, 1), 0x1f);
    CHECK_EQ(ask(0x12, 1), 20);
    CHECK_EQ(drv_get(&d, 0x200c, 4), INPUT_ABS_MAX);
    CHECK_EQ(ask(0x12, 2), 0);
    CHECK_EQ(ask(0x11, 0x14), 0);
    CHECK_EQ(ask(0x77, 0), 0);
    stop();
    start(VIRTIO_KEYBOARD, 0);
    CHECK_EQ(ask(0x11, 1), 31);
    CHECK_EQ(drv_get(&d, 0x2008, 4), 0xfffffffe);
    CHECK_EQ(ask(0x11, 0x14), 1);
    CHECK_EQ(ask(0x11, 3), 0);
    stop();
}

static void leds(void)
{
    struct drv_seg s = {STATUS, 8, false};
    u16 id;
    u32 len;

    start(VIRTIO_KEYBOARD, 0);
    put_le16(drv_ram(&d, STATUS), 0x11);
    put_le16(drv_ram(&d, STATUS + 2), 1);
    put_le32(drv_ram(&d, STATUS + 4), 1);
    drv_add(&d, 1, &s, 1);
    drv_kick(&d, 1);
    CHECK(drv_used(&d, 1, &id, &len) && len == 0);
    s.len = 7; /* none that could be */
    drv_add(&d, 1, &s, 1);
    drv_kick(&d, 1);
    CHECK(drv_used(&d, 1, &id, &len) && len == 0);
    CHECK(!(drv_status(&d) & VIRTIO_NEEDS_RESET));
    stop();
}

static void state_moves(void)
{
    struct state_stream stream = {0};
    struct err err = {""};

    start(VIRTIO_TABLET, 0);
    input_point(&input, 1, 2, 0, INPUT_LEFT); /* waits */
    CHECK_EQ(state_save(&stream, &virtio_pci_state, d.pci), 0);
    CHECK_EQ(state_save(&stream, &virtio_input_state, in), 0);
    drv_detach(&d);
    virtio_input_free(in);
    make(VIRTIO_TABLET);
    drv_attach(&d, virtio_input_dev(in), false);
    CHECK_EQ(state_load(&stream, &virtio_pci_state, d.pci, &err), 0);
    CHECK_EQ(state_load(&stream, &virtio_input_state, in, &err), 0);
    CHECK(input_is_absolute(&input));
    give(8);
    CHECK(got(3, 0, 1) && got(3, 1, 2) && got(1, 0x110, 1) && got(0, 0, 0) && none());
    input_point(&input, 1, 2, 0, 0);
    CHECK(got(3, 0, 1) && got(3, 1, 2) && got(1, 0x110, 0));
    state_dispose(&stream);
    stop();
}

int main(void)
{
    TEST_RUN(keys);
    TEST_RUN(frames_are_whole);
    TEST_RUN(positions);
    TEST_RUN(full);
    TEST_RUN(tells_what_it_is);
    TEST_RUN(leds);
    TEST_RUN(state_moves);
    return test_result();
}
