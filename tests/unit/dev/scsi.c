/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands of SCSI units by themselves; disks also by usb_msd.c, CD-ROMs by ide.c. */
#include "dev/scsi.h"
#include "../test.h"
#include "memdisk.h"

#include <errno.h>

#define CD_BLOCKS 300u

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct memdisk *medium;
static struct block *blk;
static struct scsi_unit unit;
static struct scsi_command cmd;
static u8 data[8192];

static void on_ready(struct scsi_command *c)
{
}

static void open_unit(bool cdrom, u64 size)
{
    struct scsi_unit_config cfg = {.cdrom = cdrom,
                                   .removable = cdrom,
                                   .queues = true,
                                   .vendor = "DOMUS",
                                   .product = "UNIT",
                                   .revision = "1.0",
                                   .serial = "serial"};

    pthread_mutex_lock(&lock);
    medium = memdisk_new(size, cdrom);
    cfg.block = blk = memdisk_block(medium, &lock);
    scsi_unit_init(&unit, &cfg);
    cmd = (struct scsi_command){.unit = &unit, .ready = on_ready};
    memset(data, 0, sizeof(data));
}

static void close_unit(void)
{
    pthread_mutex_unlock(&lock);
    block_close(blk);
}

/* Runs a command with up to `len` bytes of data; its sense code, 0 if it went well. */
static u32 run_with(const char *cdb, unsigned cdb_len, u64 len, u64 *moved)
{
    *moved = 0;
    scsi_start(&cmd, (const u8 *)cdb, cdb_len);
    block_drain(blk);
    scsi_truncate(&cmd, len);
    while (cmd.left) {
        u64 n = min_u64(cmd.left, 1000); /* in pieces */
        scsi_move(&cmd, data + *moved, n);
        *moved += n;
        block_drain(blk);
        CHECK(!cmd.busy);
    }
    return cmd.status == SCSI_GOOD ? 0 : cmd.sense;
}

static u32 run(const char *cdb, unsigned cdb_len)
{
    u64 moved;

    return run_with(cdb, cdb_len, sizeof(data), &moved);
}

static u32 take(const char *cdb, unsigned cdb_len, const char *from, unsigned len)
{
    u64 moved;
    u32 sense;

    memcpy(data, from, len);
    sense = run_with(cdb, cdb_len, len, &moved);
    CHECK_EQ(moved, len);
    return sense;
}

static void attentions_are_told_once(void)
{
    open_unit(false, 64 * KiB);
    unit.attention = SCSI_RESET;
    CHECK_EQ(run("\x12\0\0\0\x24\0", 6), 0); /* INQUIRY leaves it be */
    CHECK_EQ(run("\0\0\0\0\0\0", 6), SCSI_RESET);
    CHECK_EQ(run("\0\0\0\0\0\0", 6), 0);
    unit.attention = SCSI_RESET;
    CHECK_EQ(run("\x03\0\0\0\x12\0", 6), 0); /* REQUEST SENSE takes it */
    CHECK_EQ(data[2], 6);
    CHECK_EQ(data[12], 0x29);
    CHECK_EQ(run("\0\0\0\0\0\0", 6), 0);
    close_unit();
}

static void disk_is_resized(void)
{
    open_unit(false, 64 * KiB);
    CHECK_EQ(run("\x25\0\0\0\0\0\0\0\0\0", 10), 0);
    CHECK_EQ(data[3], 127);
    scsi_resized(&unit);
    CHECK_EQ(run("\x25\0\0\0\0\0\0\0\0\0", 10), SCSI_CAPACITY_CHANGED);
    CHECK_EQ(run("\x25\0\0\0\0\0\0\0\0\0", 10), 0);
    close_unit();
}

/* A caching page without WCE, by either length of the command. */
#define NO_CACHE    "\x08\x12\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define WITH_CACHE  "\x08\x12\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define OTHER_CACHE "\x08\x12\x04\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0"

static void write_cache_is_switched(void)
{
    static const char write_6[] = "\x0a\0\0\1\1\0";

    open_unit(false, 64 * KiB);
    CHECK_EQ(run("\x1a\x08\x48\0\xff\0", 6), 0); /* what can be changed: WCE alone */
    CHECK(!memcmp(data + 4, "\x08\x12\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20));
    CHECK_EQ(run(write_6, 6), 0);
    CHECK_EQ(medium->flushes, 0);
    CHECK_EQ(take("\x15\x10\0\0\x18\0", 6, "\0\0\0\0" NO_CACHE, 24), 0);
    CHECK(unit.write_through);
    CHECK_EQ(medium->flushes, 1);
    CHECK_EQ(run(write_6, 6), 0);
    CHECK_EQ(medium->flushes, 2);
    CHECK_EQ(run("\x1a\x08\x08\0\xff\0", 6), 0);
    CHECK_EQ(data[6], 0);
    /* MODE SELECT(10) with a block descriptor. */
    CHECK_EQ(take("\x55\x10\0\0\0\0\0\0\x24\0", 10,
                  "\0\0\0\0\0\0\0\x08"
                  "\0\0\0\0\0\0\2\0" WITH_CACHE,
                  36),
             0);
    CHECK(!unit.write_through);
    close_unit();
}

static void what_cannot_be_selected(void)
{
    open_unit(false, 64 * KiB);
    CHECK_EQ(take("\x15\x10\0\0\x18\0", 6, "\0\0\0\0" OTHER_CACHE, 24), SCSI_BAD_PARAMS);
    CHECK_EQ(take("\x15\x10\0\0\x2c\0", 6, "\0\0\0\0" NO_CACHE OTHER_CACHE, 44), SCSI_BAD_PARAMS);
    CHECK(!unit.write_through); /* all or nothing */
    CHECK_EQ(take("\x15\x10\0\0\x10\0", 6, "\0\0\0\0" NO_CACHE, 16), SCSI_BAD_PARAMS);
    CHECK_EQ(take("\x15\x10\0\0\x0c\0", 6, "\0\0\0\x08\0\0\0\0\0\0\x08\0", 12), SCSI_BAD_PARAMS);
    CHECK_EQ(take("\x15\x10\0\0\x04\0", 6, "\0\0\0\x08", 4), SCSI_BAD_LENGTH);
    CHECK_EQ(take("\x55\x10\0\0\0\0\0\0\x04\0", 10, "\0\0\0\0", 4), SCSI_BAD_LENGTH);
    CHECK_EQ(run("\x15\x11\0\0\x18\0", 6), SCSI_BAD_FIELD); /* to be saved */
    CHECK_EQ(run("\x15\x10\0\0\0\0", 6), 0);
    CHECK_EQ(run("\x55\x10\0\0\0\0\0\xff\xff\0", 10), SCSI_BAD_FIELD);
    close_unit();
}

static void unmap_and_write_same(void)
{
    static const char two[] = "\0\x26\0\x20\0\0\0\0"
                              "\0\0\0\0\0\0\0\x02\0\0\0\x03\0\0\0\0"
                              "\0\0\0\0\0\0\0\x10\0\0\0\x01\0\0\0\0";
    static const char far[] = "\0\x16\0\x10\0\0\0\0"
                              "\0\0\0\0\0\0\0\x7f\0\0\0\x02\0\0\0\0";
    u64 moved;

    open_unit(false, 64 * KiB);
    CHECK_EQ(take("\x42\0\0\0\0\0\0\0\x28\0", 10, two, 40), 0);
    CHECK_EQ(medium->discarded, 4 * 512);
    CHECK_EQ(take("\x42\0\0\0\0\0\0\0\x18\0", 10, far, 24), SCSI_BAD_LBA);
    memset(data, 0, 512);
    CHECK_EQ(run_with("\x93\0\0\0\0\0\0\0\0\x7e\0\0\0\0\0\0", 16, 512, &moved), 0);
    CHECK_EQ(medium->data[0x7d * 512], 0x7d);
    for (u64 i = 0x7e * 512; i < 64 * KiB; i++) /* no count: to the end */
        CHECK_EQ(medium->data[i], 0);
    data[511] = 1;
    CHECK_EQ(run_with("\x41\0\0\0\0\0\0\0\x01\0", 10, 512, &moved), SCSI_BAD_PARAMS);
    close_unit();
}

static void cdrom_by_scsi(void)
{
    u64 moved;

    open_unit(true, CD_BLOCKS * 2048);
    CHECK_EQ(run_with("\x12\0\0\0\x24\0", 6, 255, &moved), 0);
    CHECK_EQ(moved, 36);
    CHECK(!memcmp(data,
                  "\x05\x80\x05\x02\x1f\0\0\x02"
                  "DOMUS   UNIT            1.0 ",
                  36));
    CHECK_EQ(run_with("\x12\1\0\0\xff\0", 6, 255, &moved), 0);
    CHECK(!memcmp(data, "\5\0\0\3\0\x80\x83", 7));
    CHECK_EQ(run("\x12\1\xb0\0\xff\0", 6), SCSI_BAD_FIELD);
    CHECK_EQ(run_with("\x1a\0\x2a\0\xff\0", 6, 255, &moved), 0);
    CHECK_EQ(moved, 4 + 20);
    CHECK_EQ(data[0], 23);
    CHECK_EQ(run_with("\x46\2\0\1\0\0\0\0\x10\0", 10, 255, &moved), 0); /* core: SCSI */
    CHECK_EQ(data[8 + 7], 1);
    CHECK_EQ(run_with("\xa0\0\0\0\0\0\0\0\0\x10\0\0", 12, 255, &moved), 0);
    CHECK_EQ(moved, 16);
    CHECK_EQ(run_with("\x28\0\0\0\0\2\0\0\2\0", 10, 8192, &moved), 0);
    CHECK_EQ(moved, 4096);
    CHECK(!memcmp(data, medium->data + 4096, 4096));
    CHECK_EQ(run("\x2a\0\0\0\0\2\0\0\2\0", 10), SCSI_BAD_OPCODE);
    close_unit();
}

static void disc_goes_in_the_middle(void)
{
    open_unit(true, CD_BLOCKS * 2048);
    scsi_start(&cmd, (const u8 *)"\x28\0\0\0\0\0\0\0\4\0", 10);
    scsi_move(&cmd, data, 2048);
    block_drain(blk);
    CHECK_EQ(cmd.left, 3 * 2048);
    scsi_change_disc(&unit, NULL);
    scsi_move(&cmd, data, 2048);
    CHECK_EQ(cmd.sense, SCSI_NO_MEDIUM + 1);
    CHECK_EQ(cmd.left, 0);
    scsi_change_disc(&unit, blk);
    CHECK_EQ(run("\0\0\0\0\0\0", 6), SCSI_MEDIUM_CHANGED);
    CHECK_EQ(run("\0\0\0\0\0\0", 6), 0);
    close_unit();
}

int main(void)
{
    TEST_RUN(attentions_are_told_once);
    TEST_RUN(disk_is_resized);
    TEST_RUN(write_cache_is_switched);
    TEST_RUN(what_cannot_be_selected);
    TEST_RUN(unmap_and_write_same);
    TEST_RUN(cdrom_by_scsi);
    TEST_RUN(disc_goes_in_the_middle);
    return test_result();
}
