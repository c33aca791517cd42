/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is written is compared with the specification's fields; the checksums are computed anew. */
#include "block/gpt.h"
#include "../dev/memdisk.h"
#include "../test.h"
#include "base/le.h"

#include <errno.h>
#include <zlib.h>

#define DISK_GUID "00112233-4455-6677-8899-aabbccddeeff"
#define TYPE_GUID "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"
#define SECTORS   8192u

static struct memdisk *disk;
static struct err err;

static int write_table(u64 sectors, struct gpt_partition *list, unsigned n, const u8 *boot)
{
    disk = memdisk_new(sectors * BLOCK_SECTOR, false);
    memset(disk->data, 0xa5, sectors * BLOCK_SECTOR);
    return gpt_write(&disk->node, DISK_GUID, list, n, boot, &err);
}

static void check_header(u64 at, u64 other, u64 entries)
{
    u8 h[92], want_id[16] = {0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66,
                             0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
    u32 crc;

    memcpy(h, disk->data + at * BLOCK_SECTOR, sizeof(h));
    crc = le32(h + 16);
    put_le32(h + 16, 0);
    CHECK(!memcmp(h, "EFI PART\0\0\1\0\x5c\0\0\0", 16));
    CHECK_EQ(crc32(0, h, sizeof(h)), crc);
    CHECK_EQ(le64(h + 24), at);
    CHECK_EQ(le64(h + 32), other);
    CHECK_EQ(le64(h + 40), 34);
    CHECK_EQ(le64(h + 48), SECTORS - 34);
    CHECK(!memcmp(h + 56, want_id, 16));
    CHECK_EQ(le64(h + 72), entries);
    CHECK_EQ(le32(h + 80), 128);
    CHECK_EQ(le32(h + 84), 128);
    CHECK_EQ(le32(h + 88), crc32(0, disk->data + entries * BLOCK_SECTOR, 128 * 128));
}

static void table(void)
{
    struct gpt_partition list[] = {{TYPE_GUID, DISK_GUID, "one", 2048, 4095},
                                   {TYPE_GUID, DISK_GUID, "two", 4096, SECTORS - 34}};
    static const u8 type[16] = {0xe3, 0xbc, 0x68, 0x4f, 0xcd, 0xe8, 0xb1, 0x4d,
                                0x96, 0xe7, 0xfb, 0xca, 0xf9, 0x84, 0xb7, 0x09};
    u8 boot[BLOCK_SECTOR];
    const u8 *e, *mbr;

    memset(boot, 0x77, sizeof(boot));
    CHECK_EQ(write_table(SECTORS, list, 2, boot), 0);
    check_header(1, SECTORS - 1, 2);
    check_header(SECTORS - 1, 1, SECTORS - 33);
    e = disk->data + 2 * BLOCK_SECTOR + 128;
    CHECK(!memcmp(e, type, 16));
    CHECK_EQ(le64(e + 32), 4096);
    CHECK_EQ(le64(e + 40), SECTORS - 34);
    CHECK(!memcmp(e + 56, "t\0w\0o\0\0", 8));
    mbr = disk->data;
    CHECK(mbr[0] == 0x77 && mbr[439] == 0x77 && mbr[440] == 0);
    CHECK_EQ(mbr[450], 0xee);
    CHECK_EQ(le32(mbr + 454), 1);
    CHECK_EQ(le32(mbr + 458), SECTORS - 1);
    CHECK_EQ(le16(mbr + 510), 0xaa55);
    /* Nothing else is touched. */
    CHECK(disk->data[34 * BLOCK_SECTOR] == 0xa5);
    CHECK(disk->data[(SECTORS - 33) * BLOCK_SECTOR - 1] == 0xa5);
    node_close(&disk->node);
}

/* One partition from `first` to `last` of a disk is refused. */
static void refused(u64 sectors, u64 first, u64 last)
{
    struct gpt_partition p = {TYPE_GUID, DISK_GUID, "p", first, last};

    CHECK_EQ(write_table(sectors, &p, 1, NULL), -EINVAL);
    CHECK_EQ(disk->data[0], 0xa5);
    node_close(&disk->node);
}

static void wrong(void)
{
    struct gpt_partition list[] = {{TYPE_GUID, DISK_GUID, "one", 2048, 4096},
                                   {TYPE_GUID, DISK_GUID, "two", 4096, 5000}};

    refused(SECTORS, 33, 100);            /* the table is there */
    refused(SECTORS, 2048, SECTORS - 33); /* its copy */
    refused(SECTORS, 2048, 2047);
    refused(SECTORS, SECTORS, SECTORS + 1);
    refused(66, 34, 34);                                    /* too small a disk */
    CHECK_EQ(write_table(SECTORS, list, 2, NULL), -EINVAL); /* they overlap */
    node_close(&disk->node);
    list[0].type = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B70";
    CHECK_EQ(write_table(SECTORS, list, 1, NULL), -EINVAL);
    node_close(&disk->node);
    list[0].type = "4F68BCE3-E8CD-4DB1-96E7xFBCAF984B709";
    CHECK_EQ(write_table(SECTORS, list, 1, NULL), -EINVAL);
    node_close(&disk->node);
}

static void host_error(void)
{
    struct gpt_partition p = {TYPE_GUID, DISK_GUID, "p", 2048, 4095};

    disk = memdisk_new(SECTORS * BLOCK_SECTOR, false);
    disk->fail = -ENOSPC;
    disk->fail_at = (SECTORS - 1) * BLOCK_SECTOR;
    CHECK_EQ(gpt_write(&disk->node, DISK_GUID, &p, 1, NULL, &err), -ENOSPC);
    node_close(&disk->node);
}

int main(void)
{
    TEST_RUN(table);
    TEST_RUN(wrong);
    TEST_RUN(host_error);
    return test_result();
}
