/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio/blk.h"
#include "../dev/memdisk.h"
#include "../test.h"
#include "driver.h"

#include <errno.h>

#define SECTORS 2048u
#define HEADER  DRV_DATA
#define STATUS  (DRV_DATA + 0x800)
#define BUFFER  (DRV_DATA + 0x1000)

static struct drv d;
static struct memdisk *disk;
static struct block *blk;
static struct virtio_blk *b;

static void make(unsigned queues)
{
    struct virtio_blk_config cfg = {
        .block = blk, .queues = queues, .serial = "serial-0123456789abcdef", .rings.packed = true};

    BUG_ON(virtio_blk_new(&b, d.p.mem, d.p.rig.clk, &cfg));
}

static void start(u64 features, bool read_only)
{
    drv_open(&d);
    disk = memdisk_new(SECTORS * 512, read_only);
    blk = memdisk_block(disk, &d.p.rig.lock);
    make(2);
    drv_attach(&d, virtio_blk_dev(b), false);
    CHECK(drv_negotiate(&d, DRV_ALL | features));
    drv_add_queue(&d, 0, 64);
    drv_add_queue(&d, 1, 64);
    drv_start(&d);
}

static void stop(void)
{
    block_drain(blk);
    drv_detach(&d);
    pthread_mutex_unlock(&d.p.rig.lock);
    block_close(blk);
    pthread_mutex_lock(&d.p.rig.lock);
    virtio_blk_free(b);
    drv_close(&d);
}

static void header(u32 type, u64 sector)
{
    u8 *h = drv_ram(&d, HEADER);

    memset(h, 0, 16);
    put_le32(h, type);
    put_le64(h + 8, sector);
    *drv_ram(&d, STATUS) = 0xaa;
}

/* One request with `len` bytes in `parts` parts; its status. */
static u8 request(u32 type, u64 sector, u32 len, unsigned parts, u32 *used)
{
    struct drv_seg s[20] = {{HEADER, 16, false}};
    bool in = type == 0 || type == 8;
    u32 each = parts ? len / parts : 0;
    u16 id = 0, got = 0;

    header(type, sector);
    for (unsigned i = 0; i < parts; i++)
        s[1 + i] = (struct drv_seg){BUFFER + i * each, each, in};
    s[1 + parts] = (struct drv_seg){STATUS, 1, true};
    id = drv_add(&d, 0, s, parts + 2);
    drv_kick(&d, 0);
    block_drain(blk);
    CHECK(drv_used(&d, 0, &got, used));
    CHECK_EQ(got, id);
    return *drv_ram(&d, STATUS);
}

static void reads_and_writes(void)
{
    for (unsigned packed = 0; packed < 2; packed++) {
        u32 used = 0;
        start((packed ? BIT64(VIRTIO_F_RING_PACKED) : 0) | BIT64(9), false);
        CHECK_EQ(request(0, 5, 1024, 1, &used), 0);
        CHECK_EQ(used, 1025);
        CHECK(!memcmp(drv_ram(&d, BUFFER), disk->data + 5 * 512, 1024));
        memset(drv_ram(&d, BUFFER), 0, 0x10000);
        CHECK_EQ(request(0, 100, 0x4000, 16, &used), 0); /* small parts: by a buffer */
        CHECK(!memcmp(drv_ram(&d, BUFFER), disk->data + 100 * 512, 0x4000));
        CHECK_EQ(request(0, 0, 0x80000, 2, &used), 0); /* large ones: directly */
        CHECK(!memcmp(drv_ram(&d, BUFFER), disk->data, 0x80000));
        memset(drv_ram(&d, BUFFER), 0x5a, 0x30000);
        CHECK_EQ(request(1, 8, 0x2a000, 14, &used), 0); /* more than one buffer of parts */
        CHECK_EQ(used, 1);
        CHECK_EQ(disk->data[8 * 512 - 1], 0);
        CHECK_EQ(disk->data[8 * 512], 0x5a);
        CHECK_EQ(disk->data[8 * 512 + 0x29fff], 0x5a);
        CHECK(disk->data[8 * 512 + 0x2a000] != 0x5a);
        CHECK_EQ(disk->flushes, 0);
        stop();
    }
}

static void parts_of_odd_length(void)
{
    struct drv_seg s[] = {{HEADER, 10, false},
                          {HEADER + 10, 6, false},
                          {BUFFER, 511, true},
                          {BUFFER + 600, 1, true},
                          {BUFFER + 601, 513, true}};
    u16 id = 0;
    u32 used = 0;

    start(BIT64(9), false);
    header(0, 7);
    drv_add(&d, 0, s, 5); /* the status is the last byte of a longer part */
    drv_kick(&d, 0);
    block_drain(blk);
    CHECK(drv_used(&d, 0, &id, &used));
    CHECK_EQ(used, 1025);
    CHECK(!memcmp(drv_ram(&d, BUFFER), disk->data + 7 * 512, 511));
    CHECK(!memcmp(drv_ram(&d, BUFFER + 600), disk->data + 7 * 512 + 511, 513));
    CHECK_EQ(*drv_ram(&d, BUFFER + 601 + 512), 0);
    stop();
}

static void ends_and_errors(void)
{
    u32 used = 0;

    start(BIT64(9), false);
    CHECK_EQ(request(0, SECTORS - 1, 512, 1, &used), 0);
    CHECK_EQ(request(0, SECTORS - 1, 1024, 1, &used), 1);
    CHECK_EQ(used, 1);
    CHECK_EQ(request(0, UINT64_MAX, 512, 1, &used), 1);
    CHECK_EQ(request(0, UINT64_MAX / 512 + 1, 512, 1, &used), 1);
    CHECK_EQ(request(0, 0, 500, 1, &used), 1); /* no whole sectors */
    CHECK_EQ(request(99, 0, 512, 1, &used), 2);
    disk->fail = -EIO;
    disk->fail_at = 3 * 512;
    CHECK_EQ(request(0, 2, 2048, 4, &used), 1);
    CHECK_EQ(request(1, 2, 2048, 1, &used), 1);
    disk->fail_at = UINT64_MAX;
    CHECK_EQ(request(4, 0, 0, 0, &used), 1);
    stop();
    start(BIT64(5), true);
    CHECK_EQ(request(1, 0, 512, 1, &used), 1);
    CHECK_EQ(request(0, 0, 512, 1, &used), 0);
    CHECK_EQ(request(11, 0, 16, 1, &used), 1);
    stop();
}

static void write_cache(void)
{
    u32 used = 0;

    start(0, false); /* a driver that cannot flush */
    CHECK_EQ(request(1, 0, 512, 1, &used), 0);
    CHECK_EQ(disk->flushes, 1);
    stop();
    start(BIT64(9) | BIT64(11), false);
    CHECK_EQ(drv_get(&d, 0x2000 + 32, 1), 1);
    CHECK_EQ(request(1, 0, 512, 1, &used), 0);
    CHECK_EQ(disk->flushes, 0);
    CHECK_EQ(request(4, 0, 0, 0, &used), 0);
    CHECK_EQ(disk->flushes, 1);
    drv_put(&d, 0x2000 + 32, 1, 0);
    CHECK_EQ(request(1, 0, 512, 1, &used), 0);
    CHECK_EQ(disk->flushes, 2);
    stop();
}

static u8 ranges(u32 type, u64 sector, u32 count, u32 flags, unsigned n)
{
    u32 used = 0;

    for (unsigned i = 0; i < n; i++) {
        u8 *p = drv_ram(&d, BUFFER + 16 * i);
        put_le64(p, sector + 100 * i);
        put_le32(p + 8, count);
        put_le32(p + 12, flags);
    }
    return request(type, 0, 16 * n, 1, &used);
}

static void discard_and_zeros(void)
{
    start(BIT64(9) | BIT64(13) | BIT64(14), false);
    CHECK_EQ(ranges(11, 10, 8, 0, 2), 0);
    CHECK_EQ(disk->discarded, 2 * 8 * 512);
    CHECK_EQ(ranges(11, 10, 8, 1, 1), 2); /* no flags for DISCARD */
    CHECK_EQ(ranges(13, 20, 4, 1, 1), 0);
    CHECK_EQ(disk->data[20 * 512], 0);
    CHECK_EQ(disk->data[24 * 512 - 4], 0);
    CHECK_EQ(disk->data[24 * 512], 24);
    CHECK_EQ(ranges(13, 20, 4, 2, 1), 2);
    CHECK_EQ(ranges(13, SECTORS - 1, 2, 0, 1), 1);
    CHECK_EQ(ranges(11, 0, 0x400000, 0, 1), 1);
    CHECK_EQ(ranges(11, 0, 1, 0, 17), 1);
    stop();
}

static void identity_and_geometry(void)
{
    u32 used = 0;

    start(BIT64(9), false);
    CHECK_EQ(request(8, 0, 20, 1, &used), 0);
    CHECK_EQ(used, 21);
    CHECK(!memcmp(drv_ram(&d, BUFFER), "serial-0123456789abc", 20));
    CHECK_EQ(drv_get(&d, 0x2000, 4), SECTORS);
    CHECK_EQ(drv_get(&d, 0x2000 + 20, 4), 512);
    CHECK_EQ(drv_get(&d, 0x2000 + 34, 2), 2);
    stop();
}

static void the_driver_learns_of_another_size(void)
{
    struct err err;
    u32 used;

    start(BIT64(9), false);
    CHECK_EQ(request(0, SECTORS, 512, 1, &used), 1);
    pthread_mutex_unlock(&d.p.rig.lock);
    CHECK_EQ(block_resize(blk, SECTORS * 1024, &err), 0);
    pthread_mutex_lock(&d.p.rig.lock);
    CHECK_EQ(drv_get(&d, 0x2000, 4), 2 * SECTORS);
    CHECK_EQ(drv_isr(&d) & 2, 2);
    CHECK_EQ(request(0, 2 * SECTORS - 1, 512, 1, &used), 0);
    disk->fail = -ENOSPC;
    pthread_mutex_unlock(&d.p.rig.lock);
    CHECK_EQ(block_resize(blk, 512, &err), -ENOSPC);
    pthread_mutex_lock(&d.p.rig.lock);
    disk->fail = 0;
    CHECK_EQ(drv_isr(&d) & 2, 0);
    CHECK_EQ(drv_get(&d, 0x2000, 4), 2 * SECTORS);
    stop();
}

static void no_header_breaks_it(void)
{
    struct drv_seg s[] = {{HEADER, 8, false}, {STATUS, 1, true}};

    start(BIT64(9), false);
    drv_add(&d, 1, s, 2);
    drv_kick(&d, 1);
    CHECK(drv_status(&d) & VIRTIO_NEEDS_RESET);
    stop();
    start(BIT64(9), false);
    s[0].len = 16;
    drv_add(&d, 1, s, 1);
    drv_kick(&d, 1);
    CHECK(drv_status(&d) & VIRTIO_NEEDS_RESET);
    stop();
}

/* Memory that a request was to reach is the driver's again after a reset. */
/* A request ends before the device may not reach memory any more; the next one waits. */
static void bus_mastering_goes_off(void)
{
    struct drv_seg s[] = {{HEADER, 16, false}, {BUFFER, 512, true}, {STATUS, 1, true}};
    u16 id = 0;
    u32 used = 0;

    start(BIT64(9), false);
    header(0, 5);
    drv_add(&d, 0, s, 3);
    drv_kick(&d, 0);
    CHECK_EQ(*drv_ram(&d, STATUS), 0xaa);
    pci_config_write(d.p.pci, DRV_DEVFN, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEM);
    CHECK_EQ(*drv_ram(&d, STATUS), 0);
    CHECK(drv_used(&d, 0, &id, &used));
    CHECK_EQ(used, 513);
    header(0, 5);
    drv_add(&d, 0, s, 3);
    drv_kick(&d, 0);
    block_drain(blk);
    CHECK(!drv_used(&d, 0, &id, &used));
    pci_config_write(d.p.pci, DRV_DEVFN, PCI_COMMAND, 2,
                     PCI_COMMAND_IO | PCI_COMMAND_MEM | PCI_COMMAND_BME);
    block_drain(blk);
    CHECK(drv_used(&d, 0, &id, &used));
    header(0, 5);
    drv_add(&d, 0, s, 3);
    drv_kick(&d, 0);
    virtio_pci_reset(d.pci); /* gives nothing back */
    CHECK_EQ(*drv_ram(&d, STATUS), 0xaa);
    CHECK(!drv_used(&d, 0, &id, &used));
    stop();
}

static void reset_waits_for_requests(void)
{
    struct drv_seg s[] = {{HEADER, 16, false}, {BUFFER, 512, true}, {STATUS, 1, true}};
    u16 id = 0;
    u32 used = 0;

    start(BIT64(9), false);
    header(0, 5);
    drv_add(&d, 0, s, 3);
    drv_kick(&d, 0);
    drv_set_status(&d, 0);
    *drv_ram(&d, BUFFER) = 0x77;
    block_drain(blk);
    CHECK_EQ(*drv_ram(&d, BUFFER), 0x77);
    CHECK_EQ(*drv_ram(&d, STATUS), 0xaa);
    CHECK(!drv_used(&d, 0, &id, &used));
    CHECK(drv_negotiate(&d, DRV_ALL | BIT64(9)));
    drv_add_queue(&d, 0, 64);
    drv_start(&d);
    CHECK_EQ(request(0, 5, 512, 1, &used), 0);
    stop();
}

static void is_saved(void)
{
    struct state_stream stream = {0};
    struct err err;
    u32 used = 0;

    start(BIT64(9) | BIT64(11), false);
    CHECK_EQ(request(0, 5, 512, 1, &used), 0);
    drv_put(&d, 0x2000 + 32, 1, 0);
    CHECK_EQ(state_save(&stream, &virtio_pci_state, d.pci), 0);
    CHECK_EQ(state_save(&stream, &virtio_blk_state, b), 0);
    drv_detach(&d);
    virtio_blk_free(b);
    make(2);
    drv_attach(&d, virtio_blk_dev(b), false);
    CHECK_EQ(state_load(&stream, &virtio_pci_state, d.pci, &err), 0);
    CHECK_EQ(state_load(&stream, &virtio_blk_state, b, &err), 0);
    CHECK_EQ(request(1, 6, 512, 1, &used), 0);
    CHECK_EQ(disk->flushes, 1);
    state_dispose(&stream);
    stop();
}

int main(void)
{
    TEST_RUN(reads_and_writes);
    TEST_RUN(parts_of_odd_length);
    TEST_RUN(ends_and_errors);
    TEST_RUN(write_cache);
    TEST_RUN(discard_and_zeros);
    TEST_RUN(identity_and_geometry);
    TEST_RUN(the_driver_learns_of_another_size);
    TEST_RUN(no_header_breaks_it);
    TEST_RUN(reset_waits_for_requests);
    TEST_RUN(bus_mastering_goes_off);
    TEST_RUN(is_saved);
    return test_result();
}
