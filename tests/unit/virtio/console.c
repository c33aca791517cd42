/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Console with two ports: a console, and one with a name. */
#include "virtio/console.h"
#include "../test.h"
#include "driver.h"

#define MULTIPORT BIT64(1)
#define CONTROL   2u /* queues: control messages to the driver, and from it */
#define PORT1     4u

static struct drv d;
static struct virtio_console *c;
static char got[2][64];
static size_t got_len[2];
static unsigned rooms;

static void take(void *opaque, const u8 *buf, size_t n)
{
    size_t port = (size_t)((char(*)[64])opaque - got);

    BUG_ON(n > sizeof(got[0]) - got_len[port]);
    memcpy(got[port] + got_len[port], buf, n);
    got_len[port] += n;
}

static void room(void *opaque)
{
    rooms++;
}

static void start(u64 features)
{
    struct virtio_console_config cfg = {
        .nports = 2,
        .port = {{.write = take, .room = room, .opaque = got[0]},
                 {.name = "agent", .write = take, .room = room, .opaque = got[1]}}};

    memset(got_len, 0, sizeof(got_len));
    rooms = 0;
    drv_open(&d);
    BUG_ON(virtio_console_new(&c, d.p.mem, d.p.rig.clk, &cfg));
    drv_attach(&d, virtio_console_dev(c), false);
    CHECK(drv_negotiate(&d, DRV_ALL | features));
    for (u16 q = 0; q < 6; q++)
        drv_add_queue(&d, q, 16);
    drv_start(&d);
}

static void stop(void)
{
    drv_detach(&d);
    virtio_console_free(c);
    drv_close(&d);
}

static void say(u16 queue, const void *data, u32 len)
{
    struct drv_seg s = {DRV_DATA, len, false};
    u16 id = 0;
    u32 used = 0;

    memcpy(drv_ram(&d, DRV_DATA), data, len);
    drv_add(&d, queue, &s, 1);
    drv_kick(&d, queue);
    CHECK(drv_used(&d, queue, &id, &used));
}

static void tell(u32 port, u16 event, u16 value)
{
    u8 raw[8];

    put_le32(raw, port);
    put_le16(raw + 4, event);
    put_le16(raw + 6, value);
    say(CONTROL + 1, raw, sizeof(raw));
}

/* Whether the next control message is that one, with `text` behind it. */
static bool told(u32 port, u16 event, u16 value, const char *text)
{
    struct drv_seg s = {DRV_DATA + 0x1000, 64, true};
    const u8 *p = drv_ram(&d, DRV_DATA + 0x1000);
    u16 id = 0;
    u32 used = 0;

    drv_add(&d, CONTROL, &s, 1);
    drv_kick(&d, CONTROL);
    return drv_used(&d, CONTROL, &id, &used) && used == 8 + strlen(text) && le32(p) == port &&
           le16(p + 4) == event && le16(p + 6) == value && !memcmp(p + 8, text, strlen(text));
}

/* A machine that is paused: what the host has waits, and so does what the guest has said. */
static void a_held_device_leaves_the_guest_alone(void)
{
    struct drv_seg in = {DRV_DATA + 0x1000, 64, true}, out = {DRV_DATA, 3, false};
    u16 id = 0;
    u32 used = 0;

    start(0);
    drv_add(&d, 0, &in, 1);
    drv_kick(&d, 0);
    memcpy(drv_ram(&d, DRV_DATA), "out", 3);
    CHECK_EQ(virtio_console_room(c, 0), 64);
    virtio_hold(virtio_console_dev(c), true);
    CHECK_EQ(virtio_console_room(c, 0), 0);
    virtio_console_receive(c, 0, (const u8 *)"in", 2);
    drv_add(&d, 1, &out, 1);
    drv_kick(&d, 1);
    CHECK(!drv_used(&d, 0, &id, &used) && !drv_used(&d, 1, &id, &used) && !got_len[0]);
    rooms = 0;
    virtio_hold(virtio_console_dev(c), false);
    CHECK(drv_used(&d, 1, &id, &used) && got_len[0] == 3);
    CHECK(rooms && virtio_console_room(c, 0) == 64);
    stop();
}

static void ports_introduce_themselves(void)
{
    start(MULTIPORT);
    CHECK_EQ(drv_get(&d, 0x2004, 4), 2);
    tell(0, 0, 1); /* DEVICE_READY */
    CHECK(told(0, 1, 1, ""));
    CHECK(told(1, 1, 1, ""));
    tell(1, 3, 1); /* PORT_READY */
    CHECK(told(1, 7, 1, "agent"));
    CHECK(told(1, 6, 1, ""));
    tell(0, 3, 1);
    CHECK(told(0, 4, 1, "")); /* a console */
    CHECK(told(0, 6, 1, ""));
    tell(7, 3, 1); /* there is none */
    virtio_console_opened(c, 1, false);
    CHECK(told(1, 6, 0, ""));
    stop();
}

static void bytes_pass_both_ways(void)
{
    struct drv_seg s = {DRV_DATA + 0x2000, 5, true};
    u16 id = 0;
    u32 used = 0;

    start(MULTIPORT);
    say(PORT1 + 1, "to the host", 11);
    CHECK_EQ(got_len[1], 11);
    CHECK(!memcmp(got[1], "to the host", 11));
    drv_add(&d, PORT1, &s, 1);
    drv_kick(&d, PORT1);
    CHECK_EQ(virtio_console_room(c, 1), 0); /* nobody has it open */
    tell(1, 6, 1);
    CHECK(rooms);
    CHECK_EQ(virtio_console_room(c, 1), 5);
    virtio_console_receive(c, 1, (const u8 *)"guest", 5);
    CHECK(drv_used(&d, PORT1, &id, &used));
    CHECK_EQ(used, 5);
    CHECK(!memcmp(drv_ram(&d, DRV_DATA + 0x2000), "guest", 5));
    CHECK_EQ(virtio_console_room(c, 1), 0);
    stop();
}

static void without_ports_it_is_one_console(void)
{
    start(BIT64(2)); /* EMERG_WRITE */
    say(1, "x", 1);
    drv_put(&d, 0x2008, 4, '!');
    CHECK_EQ(got_len[0], 2);
    CHECK(!memcmp(got[0], "x!", 2));
    virtio_console_opened(c, 1, false); /* nobody to tell */
    stop();
}

int main(void)
{
    TEST_RUN(ports_introduce_themselves);
    TEST_RUN(a_held_device_leaves_the_guest_alone);
    TEST_RUN(bytes_pass_both_ways);
    TEST_RUN(without_ports_it_is_one_console);
    return test_result();
}
