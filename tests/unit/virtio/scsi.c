/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio/scsi.h"
#include "../dev/memdisk.h"
#include "../test.h"
#include "driver.h"

#include <errno.h>

#define SECTORS   2048u
#define CD_BLOCKS 100u
#define REQUEST   DRV_DATA
#define RESPONSE  (DRV_DATA + 0x800)
#define BUFFER    (DRV_DATA + 0x1000)
#define EVENT     (DRV_DATA + 0x80000)
#define ALL       (DRV_ALL | BIT64(2)) /* CHANGE */

static struct drv d;
static struct memdisk *disk;
static struct block *blk, *cd;
static struct virtio_scsi *s;

static void make(void)
{
    struct virtio_scsi_config cfg = {
        .unit = {{.block = blk, .queues = true, .vendor = "DOMUS", .product = "D", .revision = "1"},
                 {.block = cd,
                  .cdrom = true,
                  .removable = true,
                  .vendor = "DOMUS",
                  .product = "C",
                  .revision = "1"}},
        .nunits = 2,
        .queues = 2,
        .packed = true};

    BUG_ON(virtio_scsi_new(&s, d.p.mem, d.p.rig.clk, &cfg));
}

static void add_queues(u64 features)
{
    CHECK(drv_negotiate(&d, ALL | features));
    for (u16 n = 0; n < 4; n++)
        drv_add_queue(&d, n, 64);
    drv_start(&d);
}

static struct block *(*new_block)(struct memdisk *m, pthread_mutex_t *lock) = memdisk_block;

static void start(u64 features)
{
    drv_open(&d);
    disk = memdisk_new(SECTORS * 512, false);
    blk = new_block(disk, &d.p.rig.lock);
    cd = new_block(memdisk_new(CD_BLOCKS * 2048, true), &d.p.rig.lock);
    make();
    drv_attach(&d, virtio_scsi_dev(s), false);
    add_queues(features);
}

static void stop(void)
{
    block_drain(blk);
    drv_detach(&d);
    pthread_mutex_unlock(&d.p.rig.lock);
    block_close(blk);
    block_close(cd);
    pthread_mutex_lock(&d.p.rig.lock);
    virtio_scsi_free(s);
    drv_close(&d);
}

/* Puts a request on queue 2: `len` bytes of data in `parts` parts. */
static void submit(u8 target, u8 unit, u64 id, const char *cdb, unsigned cdb_len, u32 len,
                   unsigned parts, bool in)
{
    struct drv_seg seg[20] = {{REQUEST, 51, false}};
    u8 *h = drv_ram(&d, REQUEST);
    unsigned n = 1;

    memset(h, 0, 51);
    h[0] = 1;
    h[1] = target;
    h[2] = 0x40;
    h[3] = unit;
    put_le64(h + 8, id);
    memcpy(h + 19, cdb, cdb_len);
    memset(drv_ram(&d, RESPONSE), 0xaa, 108);
    for (unsigned i = 0; i < parts && !in; i++)
        seg[n++] = (struct drv_seg){BUFFER + i * (len / parts), len / parts, false};
    seg[n++] = (struct drv_seg){RESPONSE, 108, true};
    for (unsigned i = 0; i < parts && in; i++)
        seg[n++] = (struct drv_seg){BUFFER + i * (len / parts), len / parts, true};
    drv_add(&d, 2, seg, n);
    drv_kick(&d, 2);
}

/* The response's last byte; what of the request counts as used. */
static u8 response(u32 *used)
{
    u16 id;

    block_drain(blk);
    block_drain(cd);
    CHECK(drv_used(&d, 2, &id, used));
    return *drv_ram(&d, RESPONSE + 11);
}

static u8 request(u8 target, const char *cdb, unsigned cdb_len, u32 len, unsigned parts, bool in)
{
    u32 used;

    submit(target, 0, 1, cdb, cdb_len, len, parts, in);
    return response(&used);
}

static u8 status(void)
{
    return *drv_ram(&d, RESPONSE + 10);
}

static u32 residual(void)
{
    return le32(drv_ram(&d, RESPONSE + 4));
}

static u32 sense(void)
{
    const u8 *p = drv_ram(&d, RESPONSE);

    CHECK_EQ(p[10], SCSI_CHECK);
    CHECK_EQ(le32(p), SCSI_SENSE);
    return SCSI_SENSE_CODE(p[12 + 2], p[12 + 12], p[12 + 13]);
}

static void reads_and_writes(void)
{
    for (unsigned packed = 0; packed < 2; packed++) {
        u32 used;
        start(packed ? BIT64(VIRTIO_F_RING_PACKED) : 0);
        CHECK_EQ(request(0, "\0\0\0\0\0\0", 6, 0, 0, false), 0);
        CHECK_EQ(sense(), SCSI_RESET);
        CHECK_EQ(request(0, "\0\0\0\0\0\0", 6, 0, 0, false), 0);
        CHECK_EQ(status(), SCSI_GOOD);
        submit(0, 0, 1, "\x28\0\0\0\0\5\0\0\2\0", 10, 1024, 1, true);
        CHECK_EQ(response(&used), 0);
        CHECK_EQ(used, 108 + 1024);
        CHECK_EQ(residual(), 0);
        CHECK(!memcmp(drv_ram(&d, BUFFER), disk->data + 5 * 512, 1024));
        CHECK_EQ(request(0, "\x28\0\0\0\0\x64\0\0\x20\0", 10, 0x4000, 16, true), 0);
        CHECK(!memcmp(drv_ram(&d, BUFFER), disk->data + 100 * 512, 0x4000));
        CHECK_EQ(request(0, "\x88\0\0\0\0\0\0\0\0\0\0\0\4\0\0\0", 16, 0x80000, 2, true), 0);
        CHECK(!memcmp(drv_ram(&d, BUFFER), disk->data, 0x80000));
        memset(drv_ram(&d, BUFFER), 0x5a, 0x30000);
        CHECK_EQ(request(0, "\x2a\0\0\0\0\x08\0\1\x50\0", 10, 0x2a000, 14, false), 0);
        CHECK_EQ(disk->data[8 * 512 - 1], 0);
        CHECK_EQ(disk->data[8 * 512], 0x5a);
        CHECK_EQ(disk->data[8 * 512 + 0x29fff], 0x5a);
        CHECK(disk->data[8 * 512 + 0x2a000] != 0x5a);
        CHECK_EQ(request(1, "\0\0\0\0\0\0", 6, 0, 0, false), 0);
        CHECK_EQ(request(1, "\x28\0\0\0\0\1\0\0\1\0", 10, 2048, 3, true), 1);
        CHECK_EQ(request(1, "\x28\0\0\0\0\1\0\0\1\0", 10, 2048, 4, true), 0);
        CHECK_EQ(le32(drv_ram(&d, BUFFER)), 4);
        stop();
    }
}

static void lengths_differ(void)
{
    start(0);
    CHECK_EQ(request(0, "\x12\0\0\0\xff\0", 6, 255, 1, true), 0);
    CHECK_EQ(residual(), 255 - 36);
    CHECK_EQ(request(0, "\x12\0\0\0\xff\0", 6, 8, 1, true), 0); /* a reply is cut off */
    CHECK_EQ(residual(), 0);
    CHECK_EQ(request(0, "\0\0\0\0\0\0", 6, 0, 0, false), 0);
    CHECK_EQ(request(0, "\x28\0\0\0\0\5\0\0\2\0", 10, 512, 1, true), 1); /* data is not */
    CHECK_EQ(request(0, "\x28\0\0\0\0\5\0\0\2\0", 10, 1024, 1, false), 1);
    CHECK_EQ(request(0, "\x28\0\0\0\0\5\0\0\2\0", 10, 0, 0, false), 1);
    CHECK_EQ(request(0, "\x28\0\0\0\0\5\0\0\2\0", 10, 2048, 1, true), 0);
    CHECK_EQ(residual(), 1024);
    CHECK_EQ(request(0, "\x2a\0\0\0\x10\0\0\0\2\0", 10, 1024, 1, false), 0);
    CHECK_EQ(sense(), SCSI_BAD_LBA);
    CHECK_EQ(residual(), 1024);
    disk->fail = -EIO;
    disk->fail_at = 6 * 512;
    CHECK_EQ(request(0, "\x28\0\0\0\0\5\0\0\2\0", 10, 1024, 1, true), 0);
    CHECK_EQ(sense(), SCSI_READ_ERROR);
    CHECK_EQ(request(0, "\x03\0\0\0\x12\0", 6, 18, 1, true), 0); /* it was told already */
    CHECK_EQ(*drv_ram(&d, BUFFER + 2), 0);
    stop();
}

/* However many parts the driver gives: what they have together is one request of the image, the
   reply to a command goes into all of them, and more data than a disk takes at once is refused. */
static void commands_move_at_once(void)
{
    start(0);
    CHECK_EQ(request(0, "\0\0\0\0\0\0", 6, 0, 0, false), 0);
    disk->moves = 0;
    CHECK_EQ(request(0, "\x28\0\0\0\0\1\0\0\x30\0", 10, 0x6000, 12, true), 0);
    CHECK_EQ(status(), SCSI_GOOD);
    CHECK_EQ(disk->moves, 1);
    CHECK_EQ(le32(drv_ram(&d, BUFFER + 0x5e00)), 0x30);
    CHECK_EQ(request(0, "\x2a\0\0\0\0\x40\0\0\x2f\0", 10, 0x6000, 12, false), 0);
    CHECK_EQ(status(), SCSI_GOOD);
    CHECK_EQ(residual(), 512); /* of what the driver gives, the command takes less */
    CHECK_EQ(disk->moves, 2);
    CHECK_EQ(le32(disk->data + 0x6e * 512), 0x2f);
    CHECK_EQ(le32(disk->data + 0x6f * 512), 0x6f);
    CHECK_EQ(request(0, "\x12\1\xb0\0\x40\0", 6, 64, 16, true), 0);
    CHECK_EQ(status(), SCSI_GOOD);
    CHECK_EQ(*drv_ram(&d, BUFFER + 9), 0x20); /* the limit: 200000h blocks */
    CHECK_EQ(*drv_ram(&d, BUFFER + 21), 0x40);
    disk->node.size = 0x500000ull * 512;
    scsi_resized(virtio_scsi_unit(s, 0));
    CHECK_EQ(request(0, "\0\0\0\0\0\0", 6, 0, 0, false), 0);
    CHECK_EQ(request(0, "\x88\0\0\0\0\0\0\0\0\0\0\x20\0\1\0\0", 16, 512, 1, true), 0);
    CHECK_EQ(sense(), SCSI_BAD_FIELD);
    disk->node.size = SECTORS * 512;
    stop();
}

/* What the host has in memory is there when the driver has told of its request. */
static void reads_at_once(void)
{
    u16 id;
    u32 used;

    new_block = memdisk_block_now;
    start(0);
    CHECK_EQ(request(0, "\0\0\0\0\0\0", 6, 0, 0, false), 0);
    submit(0, 0, 1, "\x28\0\0\0\0\1\0\0\x30\0", 10, 0x6000, 12, true);
    CHECK(drv_used(&d, 2, &id, &used));
    CHECK_EQ(used, 108 + 0x6000);
    CHECK_EQ(le32(drv_ram(&d, BUFFER + 0x5e00)), 0x30);
    CHECK_EQ(request(0, "\x28\0\0\0\0\1\0\0\x90\0", 10, 0x12000, 2, true), 0);
    CHECK_EQ(le32(drv_ram(&d, BUFFER + 0x11e00)), 0x90);
    stop();
    new_block = memdisk_block;
}

static void addresses(void)
{
    u32 used;

    start(0);
    CHECK_EQ(request(5, "\0\0\0\0\0\0", 6, 0, 0, false), 3); /* no such target */
    CHECK_EQ(request(255, "\0\0\0\0\0\0", 6, 0, 0, false), 3);
    submit(0, 1, 1, "\0\0\0\0\0\0", 6, 0, 0, false); /* no such unit of it */
    CHECK_EQ(response(&used), 0);
    CHECK_EQ(sense(), SCSI_BAD_UNIT);
    submit(0, 1, 1, "\x12\0\0\0\x24\0", 6, 36, 1, true);
    CHECK_EQ(response(&used), 0);
    CHECK_EQ(status(), SCSI_GOOD);
    CHECK_EQ(*drv_ram(&d, BUFFER), 0x7f);
    submit(0, 1, 1, "\xa0\0\0\0\0\0\0\0\0\x10\0\0", 12, 16, 1, true);
    CHECK_EQ(response(&used), 0);
    CHECK_EQ(*drv_ram(&d, BUFFER + 3), 8);
    stop();
}

/* A control request; its last byte. The device's answer may wait. */
static void control(u32 type, u32 subtype, u8 target, u64 id)
{
    struct drv_seg seg[] = {{EVENT + 0x100, type ? 16 : 24, false}, {EVENT + 0x200, 5, true}};
    u8 *p = drv_ram(&d, EVENT + 0x100);

    memset(p, 0, 24);
    put_le32(p, type);
    if (!type)
        put_le32(p + 4, subtype);
    p[type ? 4 : 8] = 1;
    p[type ? 5 : 9] = target;
    if (type)
        put_le32(p + 12, subtype);
    else
        put_le64(p + 16, id);
    seg[1].len = type ? 5 : 1;
    memset(drv_ram(&d, EVENT + 0x200), 0xaa, 5);
    drv_add(&d, 0, seg, 2);
    drv_kick(&d, 0);
}

static bool answered(u8 *answer, unsigned at)
{
    u16 id;
    u32 used;

    *answer = *drv_ram(&d, EVENT + 0x200 + at);
    return drv_used(&d, 0, &id, &used);
}

static void tasks_are_managed(void)
{
    u8 answer;
    u32 used;

    start(0);
    CHECK_EQ(request(0, "\0\0\0\0\0\0", 6, 0, 0, false), 0);
    submit(0, 0, 77, "\x28\0\0\0\0\5\0\0\2\0", 10, 1024, 1, true);
    control(0, 6, 0, 77); /* QUERY TASK */
    CHECK(answered(&answer, 0) && answer == 10);
    control(0, 6, 0, 78);
    CHECK(answered(&answer, 0) && answer == 0);
    control(0, 0, 0, 77); /* ABORT TASK: once its request has come to rest */
    CHECK(!answered(&answer, 0));
    CHECK_EQ(response(&used), 2);
    CHECK(answered(&answer, 0) && answer == 0);
    control(0, 0, 0, 77);
    CHECK(answered(&answer, 0) && answer == 0);
    submit(0, 0, 1, "\x28\0\0\0\0\5\0\0\2\0", 10, 1024, 1, true);
    control(0, 5, 0, 0); /* LOGICAL UNIT RESET */
    control(0, 5, 1, 0); /* of another does not wait */
    CHECK(answered(&answer, 0));
    CHECK_EQ(response(&used), 4);
    CHECK(answered(&answer, 0) && answer == 0);
    CHECK_EQ(request(0, "\0\0\0\0\0\0", 6, 0, 0, false), 0);
    CHECK_EQ(sense(), SCSI_RESET);
    control(0, 2, 0, 0); /* CLEAR ACA */
    CHECK(answered(&answer, 0) && answer == 11);
    control(0, 5, 9, 0);
    CHECK(answered(&answer, 0) && answer == 3);
    stop();
}

static bool event(u32 *what, u32 *reason)
{
    u16 id;
    u32 used;

    *what = le32(drv_ram(&d, EVENT));
    *reason = le32(drv_ram(&d, EVENT + 12));
    return drv_used(&d, 1, &id, &used);
}

static void give_event_buffer(void)
{
    struct drv_seg seg = {EVENT, 16, true};

    drv_add(&d, 1, &seg, 1);
    drv_kick(&d, 1);
}

static void resize(u64 sectors)
{
    struct err err;

    pthread_mutex_unlock(&d.p.rig.lock);
    CHECK_EQ(block_resize(blk, sectors * 512, &err), 0);
    pthread_mutex_lock(&d.p.rig.lock);
}

static void events(void)
{
    u32 what, reason;
    u8 answer;

    start(0);
    give_event_buffer();
    resize(SECTORS / 2);
    CHECK(event(&what, &reason));
    CHECK_EQ(what, 3);
    CHECK_EQ(reason, 0x092a);
    CHECK_EQ(request(0, "\0\0\0\0\0\0", 6, 0, 0, false), 0);
    CHECK_EQ(sense(), SCSI_CAPACITY_CHANGED);
    resize(SECTORS); /* no buffer */
    CHECK(!event(&what, &reason));
    give_event_buffer();
    CHECK(event(&what, &reason));
    CHECK_EQ(what, 0x80000000);
    give_event_buffer();
    virtio_scsi_medium_changed(s, 1); /* nobody asked for it */
    CHECK(!event(&what, &reason));
    control(2, 0x1e, 1, 0);
    CHECK(answered(&answer, 4) && answer == 0);
    CHECK_EQ(le32(drv_ram(&d, EVENT + 0x200)), 0x10);
    virtio_scsi_medium_changed(s, 1);
    CHECK(event(&what, &reason));
    CHECK_EQ(what, 2);
    CHECK_EQ(reason, 0x10);
    stop();
}

static bool transport_event(u8 target, u32 reason)
{
    u32 what, why;

    return event(&what, &why) && what == 1 && why == reason && *drv_ram(&d, EVENT + 5) == target;
}

static void units_come_and_go(void)
{
    struct scsi_unit_config unit = {
        .block = cd, .cdrom = true, .vendor = "DOMUS", .product = "C", .revision = "1"};
    u32 what, reason, used;

    start(BIT64(1)); /* HOTPLUG */
    unit.block = cd;
    CHECK_EQ(request(1, "\0\0\0\0\0\0", 6, 0, 0, false), 0);
    give_event_buffer();
    virtio_scsi_unplug(s, 1);
    CHECK(transport_event(1, 2) && !virtio_scsi_unit(s, 1));
    CHECK_EQ(request(1, "\0\0\0\0\0\0", 6, 0, 0, false), 3);
    virtio_scsi_plug(s, 5, &unit); /* no buffer */
    CHECK(!event(&what, &reason));
    give_event_buffer();
    CHECK(event(&what, &reason) && what == 0x80000000);
    CHECK_EQ(request(5, "\0\0\0\0\0\0", 6, 0, 0, false), 0);
    CHECK_EQ(sense(), SCSI_RESET);
    CHECK_EQ(request(0, "\0\0\0\0\0\0", 6, 0, 0, false), 0);
    submit(0, 0, 1, "\x28\0\0\0\0\0\0\2\0\0", 10, 0x40000, 4, true);
    give_event_buffer();
    virtio_scsi_unplug(s, 0); /* once its request is over */
    CHECK(transport_event(0, 2));
    CHECK_EQ(response(&used), 0);
    CHECK_EQ(status(), SCSI_GOOD);
    resize(SECTORS / 2); /* nobody is told */
    unit = (struct scsi_unit_config){
        .block = blk, .queues = true, .vendor = "DOMUS", .product = "D", .revision = "1"};
    give_event_buffer();
    virtio_scsi_plug(s, 0, &unit);
    CHECK(transport_event(0, 1));
    CHECK_EQ(request(0, "\0\0\0\0\0\0", 6, 0, 0, false), 0);
    CHECK_EQ(sense(), SCSI_RESET);
    CHECK_EQ(request(0, "\x28\0\0\0\0\5\0\0\2\0", 10, 1024, 1, true), 0);
    CHECK_EQ(status(), SCSI_GOOD);
    stop();
}

static void rules_are_kept(void)
{
    struct drv_seg seg[] = {{REQUEST, 40, false}, {RESPONSE, 108, true}};

    start(0);
    drv_add(&d, 2, seg, 2);
    drv_kick(&d, 2);
    CHECK(drv_status(&d) & VIRTIO_NEEDS_RESET);
    add_queues(0);
    seg[0].len = 51;
    seg[1].len = 107;
    drv_add(&d, 2, seg, 2);
    drv_kick(&d, 2);
    CHECK(drv_status(&d) & VIRTIO_NEEDS_RESET);
    add_queues(0);
    drv_put(&d, 0x2000 + 24, 4, 16); /* commands of 16 bytes, sense data of 18 */
    drv_put(&d, 0x2000 + 20, 4, 18);
    memset(drv_ram(&d, REQUEST), 0, 35);
    *drv_ram(&d, REQUEST) = 1;
    seg[0].len = 35;
    seg[1].len = 30;
    drv_add(&d, 2, seg, 2);
    drv_kick(&d, 2);
    CHECK(!(drv_status(&d) & VIRTIO_NEEDS_RESET));
    CHECK_EQ(sense(), SCSI_RESET);
    drv_put(&d, 0x2000 + 20, 4, 0x10000);
    CHECK(drv_status(&d) & VIRTIO_NEEDS_RESET);
    stop();
}

/* A reset in the middle of a request; then it works as ever. */
static void reset_in_flight(void)
{
    start(0);
    CHECK_EQ(request(0, "\0\0\0\0\0\0", 6, 0, 0, false), 0);
    submit(0, 0, 1, "\x28\0\0\0\0\0\0\2\0\0", 10, 0x40000, 4, true);
    control(0, 5, 0, 0);
    add_queues(0);
    CHECK_EQ(request(0, "\0\0\0\0\0\0", 6, 0, 0, false), 0);
    CHECK_EQ(sense(), SCSI_RESET);
    stop();
}

static void state_moves(void)
{
    struct state_stream stream = {0};
    struct err err = {""};
    struct drv_seg seg[] = {{REQUEST, 35, false}, {RESPONSE, 108, true}};

    start(0);
    CHECK_EQ(request(0, "\0\0\0\0\0\0", 6, 0, 0, false), 0);
    CHECK_EQ(request(1, "\x1e\0\0\0\1\0", 6, 0, 0, false), 0);
    drv_put(&d, 0x2000 + 24, 4, 16);
    CHECK_EQ(state_save(&stream, &virtio_pci_state, d.pci), 0);
    CHECK_EQ(state_save(&stream, &virtio_scsi_state, s), 0);
    drv_detach(&d);
    virtio_scsi_free(s);
    make();
    drv_attach(&d, virtio_scsi_dev(s), false);
    CHECK_EQ(state_load(&stream, &virtio_pci_state, d.pci, &err), 0);
    CHECK_EQ(state_load(&stream, &virtio_scsi_state, s, &err), 0);
    CHECK(virtio_scsi_unit(s, 1)->locked);
    CHECK(!virtio_scsi_unit(s, 2));
    memset(drv_ram(&d, REQUEST), 0, 35);
    memcpy(drv_ram(&d, REQUEST), "\1\0\x40", 3);
    drv_add(&d, 2, seg, 2);
    drv_kick(&d, 2);
    CHECK_EQ(status(), SCSI_GOOD);
    state_dispose(&stream);
    stop();
}

int main(void)
{
    TEST_RUN(reads_and_writes);
    TEST_RUN(lengths_differ);
    TEST_RUN(commands_move_at_once);
    TEST_RUN(reads_at_once);
    TEST_RUN(addresses);
    TEST_RUN(tasks_are_managed);
    TEST_RUN(events);
    TEST_RUN(units_come_and_go);
    TEST_RUN(rules_are_kept);
    TEST_RUN(reset_in_flight);
    TEST_RUN(state_moves);
    return test_result();
}
