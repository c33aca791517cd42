/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/i82078.h"
#include "../test.h"
#include "base/le.h"
#include "dev/floppy.h"
#include "memdisk.h"
#include "rig.h"

#include <errno.h>

static struct rig rig;
static struct wire irq6;
static struct mem *mem;
static struct i8237 *dma;
static struct i82078 *fdc;
static struct memdisk *disk;
static struct block *blk;

static void open_with(u64 kib, bool read_only)
{
    struct err err;

    rig_open(&rig);
    pthread_mutex_lock(&rig.lock);
    irq6 = (struct wire){0};
    disk = memdisk_new(kib * 1024, read_only);
    blk = memdisk_block(disk, &rig.lock);
    BUG_ON(mem_new(&mem, 1 * MiB, &rig.mmio, &err) || i8237_new(&dma, &rig.pio, mem) ||
           i82078_new(&fdc, &rig.pio, wire_irq(&irq6), dma, rig.clk, 1));
    CHECK_EQ(i82078_insert(fdc, 0, blk), 0);
}

static void close_fdc(void)
{
    pthread_mutex_unlock(&rig.lock);
    block_close(blk);
    i82078_free(fdc);
    i8237_free(dma);
    mem_free(mem);
    CHECK_EQ(clock_run(rig.clk), UINT64_MAX);
    rig_close(&rig);
}

/* Lets time pass and the image work until the controller is done. */
static void settle(void)
{
    for (unsigned i = 0; i < 100; i++) {
        clock_advance(rig.clk, MS);
        block_drain(blk);
    }
}

static void put(const u8 *bytes, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        CHECK_EQ(in8(&rig, 0x3f4) & 0xc0, 0x80);
        out8(&rig, 0x3f5, bytes[i]);
    }
}

#define PUT(...) put((const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__}))

static u8 res[16];
static unsigned get(void)
{
    unsigned n = 0;

    while ((in8(&rig, 0x3f4) & 0xf0) == 0xd0 && n < 16)
        res[n++] = in8(&rig, 0x3f5);
    return n;
}

static void reset_fdc(void)
{
    out8(&rig, 0x3f2, 0x08);
    CHECK_EQ(in8(&rig, 0x3f4), 0);
    out8(&rig, 0x3f2, 0x1c);
    CHECK(!irq6.level);
    settle();
    CHECK(irq6.level);
    for (unsigned i = 0; i < 4; i++) {
        PUT(0x08);
        CHECK_EQ(get(), 2);
        CHECK_EQ(res[0], 0xc0 | i);
        CHECK(!irq6.level);
    }
    PUT(0x08);
    CHECK_EQ(get(), 1);
    CHECK_EQ(res[0], 0x80);
    out8(&rig, 0x3f7, 0); /* 500 kb/s */
    PUT(0x03, 0xdf, 0x02);
}

static void open_fdc(void)
{
    open_with(1440, false);
    reset_fdc();
}

static void program_dma(u8 mode, u16 addr, u16 len)
{
    out8(&rig, 0x0a, 6);
    out8(&rig, 0x0c, 0);
    out8(&rig, 0x0b, mode | 2);
    out8(&rig, 0x04, (u8)addr);
    out8(&rig, 0x04, (u8)(addr >> 8));
    out8(&rig, 0x81, 1);
    out8(&rig, 0x05, (u8)(len - 1));
    out8(&rig, 0x05, (u8)((len - 1) >> 8));
    out8(&rig, 0x0a, 2);
}

static u32 guest32(u32 at)
{
    u8 b[4];

    CHECK_EQ(mem_read(mem, at, b, 4), 0);
    return le32(b);
}

static void seek(u8 unit, u8 track)
{
    PUT(0x0f, unit, track);
    CHECK_EQ(in8(&rig, 0x3f4) & 15, BIT(unit));
    settle();
    CHECK(irq6.level);
    PUT(0x08);
    CHECK_EQ(get(), 2);
    CHECK_EQ(res[0], 0x20 | unit);
    CHECK_EQ(res[1], track);
    CHECK(!irq6.level);
}

static void check_result(u8 st0, u8 st1, u8 st2, u8 c, u8 h, u8 r)
{
    CHECK(irq6.level);
    CHECK_EQ(get(), 7);
    CHECK(!irq6.level);
    CHECK_EQ(res[0], st0);
    CHECK_EQ(res[1], st1);
    CHECK_EQ(res[2], st2);
    CHECK_EQ(res[3], c);
    CHECK_EQ(res[4], h);
    CHECK_EQ(res[5], r);
    CHECK_EQ(res[6], 2);
    CHECK_EQ(in8(&rig, 0x3f4), 0x80);
}

static void finds_the_disk(void)
{
    open_fdc();
    CHECK_EQ(i82078_cmos_type(fdc, 0), 4);
    CHECK_EQ(in8(&rig, 0x3f7), 0x80); /* changed */
    PUT(0x07, 0);
    settle();
    CHECK(irq6.level);
    PUT(0x08);
    CHECK_EQ(get(), 2);
    CHECK_EQ(res[0], 0x20);
    CHECK_EQ(in8(&rig, 0x3f7), 0);
    for (u8 absent = 1; absent < 4; absent++) { /* no drive: no track 0 */
        PUT(0x07, absent);
        settle();
        PUT(0x08);
        CHECK_EQ(get(), 2);
        CHECK_EQ(res[0], 0x70 | absent);
    }
    seek(0, 40);
    PUT(0x4a, 0x04);
    settle();
    check_result(0x04, 0, 0, 40, 1, 1);
    PUT(0x4a, 0x00);
    settle();
    check_result(0x00, 0, 0, 40, 0, 2);
    PUT(0x04, 0x00);
    CHECK_EQ(get(), 1);
    CHECK_EQ(res[0], 0x28);
    PUT(0x10);
    CHECK_EQ(get(), 1);
    CHECK_EQ(res[0], 0x90);
    PUT(0x13, 0, 0x57, 0);
    PUT(0x94);
    CHECK_EQ(get(), 1);
    CHECK_EQ(res[0], 0x10);
    PUT(0x0e);
    CHECK_EQ(get(), 10);
    CHECK_EQ(res[0], 40);
    CHECK_EQ(res[4], 0xdf);
    CHECK_EQ(res[7], 0x80);
    CHECK_EQ(res[8], 0x57);
    PUT(0x1f);
    CHECK_EQ(get(), 1);
    CHECK_EQ(res[0], 0x80);
    PUT(0xcf, 0, 5); /* relative */
    settle();
    PUT(0x08);
    CHECK_EQ(get(), 2);
    CHECK_EQ(res[1], 45);
    close_fdc();
}

static void reads_by_dma(void)
{
    open_fdc();
    seek(0, 2);
    program_dma(0x44, 0x1000, 3 * 512);
    PUT(0xe6, 0x00, 2, 0, 17, 2, 18, 0x1b, 0xff); /* from the end of side 0 to side 1 */
    CHECK_EQ(in8(&rig, 0x3f4), 0x10);
    settle();
    check_result(0x04, 0, 0, 2, 1, 2);
    CHECK_EQ(guest32(0x11000), 2 * 36 + 16);
    CHECK_EQ(guest32(0x11000 + 1024), 2 * 36 + 18);
    program_dma(0x44, 0x1000, 3 * 512); /* past the end of the track */
    PUT(0x46, 0x04, 2, 1, 17, 2, 18, 0x1b, 0xff);
    settle();
    check_result(0x44, 0x80, 0, 3, 1, 1);
    PUT(0x46, 0x00, 3, 0, 1, 2, 18, 0x1b, 0xff); /* the heads are elsewhere */
    settle();
    check_result(0x40, 0x04, 0x10, 3, 0, 1);
    PUT(0x46, 0x00, 2, 0, 19, 2, 20, 0x1b, 0xff);
    settle();
    check_result(0x40, 0x04, 0, 2, 0, 19);
    out8(&rig, 0x0a, 6); /* masked: the controller waits */
    PUT(0x46, 0x00, 2, 0, 1, 2, 18, 0x1b, 0xff);
    settle();
    CHECK_EQ(in8(&rig, 0x3f4), 0x10);
    program_dma(0x44, 0x3000, 512);
    settle();
    check_result(0x00, 0, 0, 2, 0, 2);
    CHECK_EQ(guest32(0x13000), 72);
    PUT(0x56, 0x00, 2, 0, 1, 2, 18, 0x1b, 0xff); /* VERIFY needs no DMA */
    settle();
    check_result(0x00, 0, 0, 3, 0, 1);
    program_dma(0x44, 0x4000, 18 * 512);
    PUT(0x42, 0x00, 2, 0, 1, 2, 18, 0x1b, 0xff); /* READ TRACK */
    settle();
    check_result(0x00, 0, 0, 3, 0, 1);
    CHECK_EQ(guest32(0x14000 + 17 * 512), 72 + 17);
    out8(&rig, 0x3f7, 2); /* 250 kb/s: nothing to be read */
    PUT(0x46, 0x00, 2, 0, 1, 2, 18, 0x1b, 0xff);
    settle();
    check_result(0x40, 0x01, 0, 2, 0, 1);
    close_fdc();
}

static void writes_and_formats(void)
{
    u8 buf[512], ids[8] = {0, 0, 5, 2, 0, 0, 6, 2};

    open_fdc();
    memset(buf, 0x77, sizeof(buf));
    CHECK_EQ(mem_write(mem, 0x12000, buf, 512), 0);
    program_dma(0x48, 0x2000, 512);
    PUT(0x45, 0x00, 0, 0, 4, 2, 18, 0x1b, 0xff);
    settle();
    check_result(0x00, 0, 0, 0, 0, 5);
    CHECK_EQ(disk->data[3 * 512 + 511], 0x77);
    program_dma(0x48, 0x2000, 100); /* the rest is zeros */
    PUT(0x45, 0x00, 0, 0, 4, 2, 18, 0x1b, 0xff);
    settle();
    check_result(0x00, 0, 0, 0, 0, 5);
    CHECK_EQ(disk->data[3 * 512 + 99], 0x77);
    CHECK_EQ(disk->data[3 * 512 + 100], 0);
    CHECK_EQ(mem_write(mem, 0x12000, ids, 8), 0);
    program_dma(0x48, 0x2000, 8);
    PUT(0x4d, 0x00, 2, 2, 0x54, 0xf6);
    settle();
    CHECK(irq6.level);
    CHECK_EQ(get(), 7);
    CHECK_EQ(res[0], 0);
    CHECK_EQ(disk->data[4 * 512], 0xf6);
    CHECK_EQ(disk->data[6 * 512 - 1], 0xf6);
    disk->fail = -ENOSPC;
    disk->fail_at = 512 * 9;
    program_dma(0x48, 0x2000, 512);
    PUT(0x45, 0x00, 0, 0, 10, 2, 18, 0x1b, 0xff);
    settle();
    check_result(0x50, 0x20, 0, 0, 0, 10);
    disk->fail = -EIO;
    program_dma(0x44, 0x2000, 512);
    PUT(0x46, 0x00, 0, 0, 10, 2, 18, 0x1b, 0xff);
    settle();
    check_result(0x40, 0x20, 0x20, 0, 0, 10);
    close_fdc();
    open_with(1440, true);
    reset_fdc();
    program_dma(0x48, 0x2000, 512);
    PUT(0x45, 0x00, 0, 0, 4, 2, 18, 0x1b, 0xff);
    settle();
    check_result(0x40, 0x02, 0, 0, 0, 4);
    PUT(0x04, 0x00);
    CHECK_EQ(get(), 1);
    CHECK_EQ(res[0], 0x78);
    close_fdc();
}

static void moves_without_dma(void)
{
    open_fdc();
    PUT(0x03, 0xdf, 0x03);
    PUT(0x46, 0x00, 0, 0, 17, 2, 18, 0x1b, 0xff);
    settle();
    irq6.rises = 0;
    for (unsigned i = 0; i < 1024; i++) {
        u8 val;
        if (i == 512)
            settle();
        CHECK(irq6.level);
        CHECK_EQ(in8(&rig, 0x3f4), 0xf0);
        val = in8(&rig, 0x3f5);
        if (i % 512 == 0)
            CHECK_EQ(val, 16 + i / 512);
    }
    CHECK_EQ(irq6.rises, 1022 + 2);
    check_result(0x40, 0x80, 0, 1, 0, 1);
    PUT(0x45, 0x00, 0, 0, 3, 2, 3, 0x1b, 0xff);
    settle();
    for (unsigned i = 0; i < 512; i++) {
        CHECK_EQ(in8(&rig, 0x3f4), 0xb0);
        out8(&rig, 0x3f5, 0x99);
    }
    settle();
    check_result(0x40, 0x80, 0, 1, 0, 1);
    CHECK_EQ(disk->data[2 * 512 + 511], 0x99);
    close_fdc();
}

static void disks_change(void)
{
    struct memdisk *big = memdisk_new(3 * MiB, false);
    struct block *large = memdisk_block(big, &rig.lock);

    open_fdc();
    seek(0, 1);
    CHECK_EQ(in8(&rig, 0x3f7), 0);
    CHECK_EQ(i82078_insert(fdc, 0, large), -EINVAL);
    CHECK_EQ(in8(&rig, 0x3f7), 0);
    CHECK_EQ(i82078_insert(fdc, 0, NULL), 0);
    CHECK_EQ(in8(&rig, 0x3f7), 0x80);
    seek(0, 2);
    CHECK_EQ(in8(&rig, 0x3f7), 0x80);
    PUT(0x4a, 0x00);
    settle();
    CHECK_EQ(get(), 7);
    CHECK_EQ(res[0], 0x40);
    CHECK_EQ(res[1], 0x01);
    CHECK_EQ(i82078_insert(fdc, 0, blk), 0);
    CHECK_EQ(in8(&rig, 0x3f7), 0x80);
    seek(0, 1);
    CHECK_EQ(in8(&rig, 0x3f7), 0);
    program_dma(0x44, 0x1000, 512);
    PUT(0x46, 0x00, 1, 0, 1, 2, 18, 0x1b, 0xff);
    clock_advance(rig.clk, 100 * US);
    out8(&rig, 0x3f4, 0x80); /* a reset while the image works */
    settle();
    CHECK_EQ(guest32(0x11000), 0);
    CHECK_EQ(in8(&rig, 0x3f4), 0x80);
    close_fdc();
    block_close(large);
}

static void state_moves(void)
{
    struct state_stream s = {0}, d = {0};
    struct err err = {""};

    open_fdc();
    seek(0, 2);
    program_dma(0x44, 0x1000, 3 * 512);
    PUT(0xe6, 0x00, 2, 0, 17, 2, 18, 0x1b, 0xff);
    clock_advance(rig.clk, 60 * US);
    block_drain(blk);
    CHECK_EQ(in8(&rig, 0x3f4), 0x10);
    CHECK_EQ(state_save(&s, &i82078_state, fdc), 0);
    CHECK_EQ(state_save(&d, &i8237_state, dma), 0);
    i82078_free(fdc);
    i8237_free(dma);
    BUG_ON(i8237_new(&dma, &rig.pio, mem) ||
           i82078_new(&fdc, &rig.pio, wire_irq(&irq6), dma, rig.clk, 1));
    CHECK_EQ(i82078_insert(fdc, 0, blk), 0);
    CHECK_EQ(state_load(&d, &i8237_state, dma, &err), 0);
    CHECK_EQ(state_load(&s, &i82078_state, fdc, &err), 0);
    settle();
    check_result(0x04, 0, 0, 2, 1, 2);
    CHECK_EQ(guest32(0x11000 + 1024), 2 * 36 + 18);
    state_dispose(&s);
    state_dispose(&d);
    close_fdc();
}

/* Each size of image has one format, which ends where the image does. */
static void formats_follow_from_sizes(void)
{
    static const struct {
        u32 kib;
        u8 tracks, heads, sectors, cmos_type;
    } want[] = {{160, 40, 1, 8, 1},   {180, 40, 1, 9, 1},   {320, 40, 2, 8, 1},
                {360, 40, 2, 9, 1},   {640, 80, 2, 8, 3},   {720, 80, 2, 9, 3},
                {1200, 80, 2, 15, 2}, {1440, 80, 2, 18, 4}, {2880, 80, 2, 36, 5}};

    for (unsigned i = 0; i < ARRAY_SIZE(want); i++) {
        struct block *b = memdisk_block(memdisk_new(want[i].kib * KiB, false), &rig.lock);
        struct floppy f = {0};
        u64 at = 0;

        CHECK_EQ(floppy_insert(&f, b), 0);
        CHECK_EQ(f.format->tracks, want[i].tracks);
        f.track = (u8)(want[i].tracks - 1);
        CHECK(floppy_find(&f, want[i].heads - 1u, want[i].sectors, &at));
        CHECK_EQ(at + 512, want[i].kib * KiB);
        CHECK(!floppy_find(&f, want[i].heads - 1u, want[i].sectors + 1u, &at));
        CHECK_EQ(floppy_cmos_type(&f), want[i].cmos_type);
        block_close(b);
    }
}

int main(void)
{
    TEST_RUN(formats_follow_from_sizes);
    TEST_RUN(finds_the_disk);
    TEST_RUN(reads_by_dma);
    TEST_RUN(writes_and_formats);
    TEST_RUN(moves_without_dma);
    TEST_RUN(disks_change);
    TEST_RUN(state_moves);
    return test_result();
}
