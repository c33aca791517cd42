/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/ide.h"
#include "../test.h"
#include "base/le.h"
#include "dev/piix_ide.h"
#include "memdisk.h"
#include "pcirig.h"

#include <errno.h>

#define DISK_SECTORS 70000u
#define CD_BLOCKS    300u
#define BM           0xc000u
#define DEVFN        PCI_DEVFN(1, 1)

static struct pcirig p;
static struct wire irq14, irq15;
static struct memdisk *disk, *disc;
static struct block *disk_blk, *disc_blk;
static struct piix_ide *ide;

/* A disk as primary master, a CD-ROM as secondary master. */
static void make_ide(struct piix_ide **out)
{
    struct piix_ide_config cfg = {
        .drive = {{{.blk = disk_blk, .serial = "S1"}}, {{.blk = disc_blk, .cdrom = true}}}};

    BUG_ON(piix_ide_new(out, p.pci, DEVFN, &p.rig.pio, wire_irq(&irq14), wire_irq(&irq15), &cfg));
    pci_config_write(p.pci, DEVFN, 0x20, 4, BM);
    pci_config_write(p.pci, DEVFN, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_BME);
}

static struct block *(*new_block)(struct memdisk *m, pthread_mutex_t *lock) = memdisk_block;

static void open_with(bool read_only)
{
    pcirig_open(&p, 4 * MiB);
    pthread_mutex_lock(&p.rig.lock);
    irq14 = irq15 = (struct wire){0};
    disk = memdisk_new((u64)DISK_SECTORS * 512, read_only);
    disc = memdisk_new(CD_BLOCKS * 2048, true);
    disk_blk = new_block(disk, &p.rig.lock);
    disc_blk = new_block(disc, &p.rig.lock);
    make_ide(&ide);
}

static void open_ide(void)
{
    open_with(false);
}

static void close_ide(void)
{
    pthread_mutex_unlock(&p.rig.lock);
    block_close(disk_blk);
    block_close(disc_blk);
    piix_ide_free(ide);
    pcirig_close(&p);
}

static void drain(void)
{
    block_drain(disk_blk);
    block_drain(disc_blk);
}

static void out16(u16 port, u16 val)
{
    bus_write(&p.rig.pio, port, 2, val);
}

static u16 in16(u16 port)
{
    return (u16)bus_read(&p.rig.pio, port, 2);
}

static void registers(u16 base, u8 feature, u8 count, u32 lba)
{
    out8(&p.rig, base + 1u, feature);
    out8(&p.rig, base + 2u, count);
    out8(&p.rig, base + 3u, (u8)lba);
    out8(&p.rig, base + 4u, (u8)(lba >> 8));
    out8(&p.rig, base + 5u, (u8)(lba >> 16));
    out8(&p.rig, base + 6u, (u8)(0xe0 | lba >> 24));
}

static void command(u8 cmd, u8 feature, u8 count, u32 lba)
{
    registers(0x1f0, feature, count, lba);
    out8(&p.rig, 0x1f7, cmd);
}

static void command_ext(u8 cmd, u8 feature, u16 count, u64 lba)
{
    registers(0x1f0, 0, (u8)(count >> 8), (u32)(lba >> 24) & 0xffffff);
    registers(0x1f0, feature, (u8)count, (u32)lba & 0xffffff);
    out8(&p.rig, 0x1f7, cmd);
}

static void read_words(u16 base, u8 *to, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i += 2)
        put_le16(to + i, in16(base));
}

static void identify_says_what_it_is(void)
{
    u8 id[512], sum = 0;

    open_ide();
    command(0xec, 0, 0, 0);
    CHECK_EQ(in8(&p.rig, 0x3f6), 0x58);
    CHECK(irq14.level);
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x58);
    CHECK(!irq14.level);
    read_words(0x1f0, id, 512);
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x50);
    CHECK_EQ(irq14.rises, 1);
    CHECK_EQ(le16(id), 0x40);
    CHECK_EQ(le16(id + 2), DISK_SECTORS / 1008);
    CHECK_EQ(le16(id + 96), 0x4000); /* an ATA8 drive without Trusted Computing */
    CHECK_EQ(le32(id + 120), DISK_SECTORS);
    CHECK_EQ(le64(id + 200), DISK_SECTORS);
    CHECK(!memcmp(id + 20, "1S    ", 6));
    CHECK(!memcmp(id + 54, "ODUM SAHDRIDKS", 14));
    for (unsigned i = 0; i < 512; i++)
        sum = (u8)(sum + id[i]);
    CHECK_EQ(sum, 0);
    command(0xa1, 0, 0, 0);
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x51);
    CHECK_EQ(in8(&p.rig, 0x1f1), ATA_ABRT);
    out8(&p.rig, 0x177, 0xec); /* a CD-ROM shows its signature */
    CHECK_EQ(in8(&p.rig, 0x177) & ATA_ERR, ATA_ERR);
    CHECK_EQ(in8(&p.rig, 0x174), 0x14);
    CHECK_EQ(in8(&p.rig, 0x175), 0xeb);
    out8(&p.rig, 0x177, 0xa1);
    read_words(0x170, id, 512);
    CHECK_EQ(le16(id), 0x85c0);
    CHECK(irq15.level);
    close_ide();
}

static void reads_by_pio(void)
{
    u8 buf[4096];

    open_ide();
    command(0x20, 0, 3, 1000);
    CHECK_EQ(in8(&p.rig, 0x1f7), ATA_BSY);
    drain();
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(irq14.rises, i + 1);
        CHECK_EQ(in8(&p.rig, 0x1f7), 0x58);
        read_words(0x1f0, buf, 512);
        CHECK_EQ(le32(buf), 1000 + i);
        CHECK_EQ(le32(buf + 508), 1000 + i);
    }
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x50);
    command(0xc6, 0, 4, 0); /* four sectors to a block */
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x50);
    irq14.rises = 0;
    command(0xc4, 0, 6, 8);
    drain();
    in8(&p.rig, 0x1f7);
    read_words(0x1f0, buf, 2048);
    CHECK_EQ(le32(buf + 1536), 11);
    CHECK_EQ(irq14.rises, 2);
    in8(&p.rig, 0x1f7);
    for (unsigned i = 0; i < 1024; i += 4) /* 32-bit accesses */
        put_le32(buf + i, (u32)bus_read(&p.rig.pio, 0x1f0, 4));
    CHECK_EQ(le32(buf + 512), 13);
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x50);
    CHECK_EQ(irq14.rises, 2);
    command_ext(0x24, 0, 300, 69000); /* more than a buffer */
    for (unsigned i = 0; i < 300; i++) {
        drain();
        in8(&p.rig, 0x1f7);
        read_words(0x1f0, buf, 512);
        CHECK_EQ(le32(buf), 69000 + i);
    }
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x50);
    close_ide();
}

static void reads_by_chs(void)
{
    u8 buf[512];

    open_ide();
    out8(&p.rig, 0x1f2, 1);
    out8(&p.rig, 0x1f3, 5);
    out8(&p.rig, 0x1f4, 2);
    out8(&p.rig, 0x1f5, 0);
    out8(&p.rig, 0x1f6, 0xa3);
    out8(&p.rig, 0x1f7, 0x20);
    drain();
    read_words(0x1f0, buf, 512);
    CHECK_EQ(le32(buf), (2 * 16 + 3) * 63 + 4);
    out8(&p.rig, 0x1f2, 17); /* 17 sectors, four heads */
    out8(&p.rig, 0x1f6, 0xa3);
    out8(&p.rig, 0x1f7, 0x91);
    out8(&p.rig, 0x1f2, 1);
    out8(&p.rig, 0x1f7, 0x20);
    drain();
    read_words(0x1f0, buf, 512);
    CHECK_EQ(le32(buf), (2 * 4 + 3) * 17 + 4);
    out8(&p.rig, 0x1f3, 18);
    out8(&p.rig, 0x1f7, 0x20);
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x51);
    CHECK_EQ(in8(&p.rig, 0x1f1), ATA_IDNF);
    close_ide();
}

static void writes_by_pio(void)
{
    open_ide();
    command(0x30, 0, 2, 77);
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x58);
    CHECK_EQ(irq14.rises, 0);
    for (unsigned i = 0; i < 256; i++)
        out16(0x1f0, 0x1234);
    CHECK_EQ(irq14.rises, 1);
    for (unsigned i = 0; i < 256; i++)
        out16(0x1f0, 0x5678);
    CHECK_EQ(in8(&p.rig, 0x1f7), ATA_BSY);
    drain();
    CHECK_EQ(irq14.rises, 2);
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x50);
    CHECK_EQ(le16(disk->data + 77 * 512), 0x1234);
    CHECK_EQ(le16(disk->data + 78 * 512 + 510), 0x5678);
    CHECK_EQ(disk->flushes, 0);
    command(0xe7, 0, 0, 0);
    drain();
    CHECK_EQ(disk->flushes, 1);
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x50);
    command(0xef, 0x82, 0, 0); /* no write cache */
    drain();
    command(0x30, 0, 1, 1);
    for (unsigned i = 0; i < 256; i++)
        out16(0x1f0, 1);
    drain();
    CHECK_EQ(disk->flushes, 3);
    close_ide();
}

static void prd(u32 at, u32 addr, u32 len)
{
    u8 d[8];

    put_le32(d, addr);
    put_le32(d + 4, len);
    CHECK_EQ(mem_write(p.mem, at, d, 8), 0);
}

static u32 guest32(u32 at)
{
    u8 d[4];

    CHECK_EQ(mem_read(p.mem, at, d, 4), 0);
    return le32(d);
}

static void start_bm(u32 table, u8 cmd)
{
    bus_write(&p.rig.pio, BM + 4, 4, table);
    out8(&p.rig, BM + 2, 0x06);
    out8(&p.rig, BM, cmd);
}

static void reads_by_dma(void)
{
    open_ide();
    prd(0x1000, 0x10000, 512);
    prd(0x1008, 0x30000, 0); /* 64 KiB */
    prd(0x1010, 0x50200, 260 * 512 - 512 - 65536 - 4096);
    prd(0x1018, 0x80000, 0x80000000 | 4096);
    command_ext(0x25, 0, 260, 500);
    CHECK_EQ(in8(&p.rig, BM + 2), 0);
    start_bm(0x1000, 0x09);
    CHECK_EQ(in8(&p.rig, BM + 2), IDE_BM_ACTIVE);
    drain();
    CHECK_EQ(in8(&p.rig, BM + 2), IDE_BM_INTR);
    CHECK(irq14.level);
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x50);
    CHECK_EQ(guest32(0x10000), 500);
    CHECK_EQ(guest32(0x30000), 501);
    CHECK_EQ(guest32(0x3fffc), 628);
    CHECK_EQ(guest32(0x50200), 629);
    CHECK_EQ(guest32(0x80ffc), 759);
    out8(&p.rig, BM, 0);
    command(0xc8, 0, 1, 9); /* the bus master comes later */
    drain();
    CHECK(!irq14.level);
    prd(0x1000, 0x20000, 0x80000000 | 1024);
    start_bm(0x1000, 0x09);
    drain();
    CHECK_EQ(in8(&p.rig, BM + 2), IDE_BM_INTR | IDE_BM_ACTIVE); /* the list is longer */
    CHECK_EQ(guest32(0x20000), 9);
    out8(&p.rig, BM, 0);
    CHECK_EQ(in8(&p.rig, BM + 2), IDE_BM_INTR);
    close_ide();
}

static void writes_by_dma(void)
{
    u32 val = 0xfeedbeef;

    open_ide();
    CHECK_EQ(mem_write(p.mem, 0x20000, &val, 4), 0);
    prd(0x1000, 0x20000, 0x80000000 | 1024);
    command(0xca, 0, 2, 40);
    start_bm(0x1000, 0x01);
    drain();
    CHECK_EQ(in8(&p.rig, BM + 2), IDE_BM_INTR);
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x50);
    CHECK_EQ(le32(disk->data + 40 * 512), 0xfeedbeef);
    CHECK_EQ(le32(disk->data + 41 * 512), 0);
    out8(&p.rig, BM, 0);
    put_le64(mem_ptr(p.mem, 0x20000), 100 | 8ull << 48);
    put_le64(mem_ptr(p.mem, 0x20008), 1000 | 1ull << 48);
    memset(mem_ptr(p.mem, 0x20010), 0, 496);
    command_ext(0x06, 1, 1, 0);
    start_bm(0x1000, 0x01);
    drain();
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x50);
    CHECK_EQ(disk->discarded, 9 * 512);
    close_ide();
}

/* A list that has memory for all of a command's data, of any length of pieces, makes it one request
   of the image; else it goes through the buffer. */
static void lists_of_many_kinds(void)
{
    open_ide();
    prd(0x1000, 0x10002, 2); /* sectors begin and end anywhere */
    prd(0x1008, 0x20000, 1020);
    prd(0x1010, 0x203fc, 2);
    prd(0x1018, 0x30000, 0x80000000 | 512);
    disk->moves = 0;
    command(0xc8, 0, 3, 70);
    start_bm(0x1000, 0x09);
    drain();
    CHECK_EQ(in8(&p.rig, BM + 2), IDE_BM_INTR);
    CHECK_EQ(disk->moves, 1);
    CHECK_EQ(guest32(0x10000), 70u << 16);
    CHECK_EQ(guest32(0x20000 + 508), 71u << 16);
    CHECK_EQ(guest32(0x30000), 72u << 16 >> 16);
    out8(&p.rig, BM, 0);
    for (u32 i = 0; i < 600; i++) /* more pieces than a request has */
        prd(0x2000 + 8 * i, 0x100000 + 1024 * i, (i == 599 ? 0x80000000 : 0) | 512);
    disk->moves = 0;
    command_ext(0x25, 0, 600, 1000);
    start_bm(0x2000, 0x09);
    drain();
    CHECK_EQ(in8(&p.rig, BM + 2), IDE_BM_INTR);
    CHECK_EQ(disk->moves, 3);
    CHECK_EQ(guest32(0x100000), 1000);
    CHECK_EQ(guest32(0x100000 + 599 * 1024), 1599);
    out8(&p.rig, BM, 0);
    command_ext(0x35, 0, 600, 3000);
    start_bm(0x2000, 0x01);
    drain();
    CHECK_EQ(in8(&p.rig, BM + 2), IDE_BM_INTR);
    CHECK_EQ(le32(disk->data + 3000 * 512), 1000);
    CHECK_EQ(le32(disk->data + 3599 * 512), 1599);
    close_ide();
}

/* One list after the other; and a bus master that is stopped while the image works. */
static void lists_end_early(void)
{
    open_ide();
    prd(0x1000, 0x10000, 0x80000000 | 700);
    prd(0x1008, 0x20000, 0x80000000 | 324);
    command(0xc8, 0, 2, 30);
    start_bm(0x1000, 0x09);
    drain();
    CHECK_EQ(in8(&p.rig, BM + 2), 0);
    CHECK_EQ(in8(&p.rig, 0x3f6), ATA_BSY);
    out8(&p.rig, BM, 0);
    start_bm(0x1008, 0x09);
    CHECK_EQ(in8(&p.rig, BM + 2), IDE_BM_INTR);
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x50);
    CHECK_EQ(guest32(0x10000 + 696), 31);
    CHECK_EQ(guest32(0x20000 + 320), 31);
    out8(&p.rig, BM, 0);
    prd(0x1000, 0x10000, 0x80000000 | 1024);
    command(0xc8, 0, 2, 40);
    start_bm(0x1000, 0x09);
    CHECK_EQ(in8(&p.rig, BM + 2), IDE_BM_ACTIVE);
    out8(&p.rig, BM, 0); /* the memory is the guest's after this */
    CHECK_EQ(guest32(0x10200), 41);
    CHECK_EQ(in8(&p.rig, BM + 2), IDE_BM_INTR);
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x50);
    close_ide();
}

static void errors_of_the_bus_master(void)
{
    open_ide();
    prd(0x1000, 0x40000000, 0x80000000 | 512); /* no memory there */
    command(0xc8, 0, 1, 9);
    start_bm(0x1000, 0x09);
    drain();
    CHECK_EQ(in8(&p.rig, BM + 2), IDE_BM_INTR | IDE_BM_ERROR);
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x51);
    out8(&p.rig, BM, 0);
    prd(0x1000, 0x2000, 0x80000000 | 512); /* a list that is too short */
    command(0xc8, 0, 2, 9);
    start_bm(0x1000, 0x09);
    drain();
    CHECK_EQ(in8(&p.rig, BM + 2), 0);
    CHECK_EQ(in8(&p.rig, 0x1f7), ATA_BSY);
    out8(&p.rig, 0x3f6, 4);
    out8(&p.rig, 0x3f6, 0);
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x50);
    out8(&p.rig, BM, 0);
    pci_config_write(p.pci, DEVFN, PCI_COMMAND, 2, PCI_COMMAND_IO);
    command(0xc8, 0, 1, 9);
    start_bm(0x1000, 0x09);
    drain();
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x51);
    close_ide();
}

static void errors_of_the_image(void)
{
    open_ide();
    disk->fail = -EIO;
    disk->fail_at = 2000 * 512;
    command(0x20, 0, 1, 2000);
    drain();
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x51);
    CHECK_EQ(in8(&p.rig, 0x1f1), ATA_UNC);
    CHECK_EQ(in8(&p.rig, 0x1f3) | in8(&p.rig, 0x1f4) << 8, 2000);
    disk->fail = -ENOSPC;
    prd(0x1000, 0x20000, 0x80000000 | 512);
    command(0xca, 0, 1, 2000);
    start_bm(0x1000, 0x01);
    drain();
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x51);
    CHECK_EQ(in8(&p.rig, 0x1f1), ATA_ABRT);
    out8(&p.rig, BM, 0);
    command(0xc8, 0, 1, 2000);
    start_bm(0x1000, 0x09);
    drain();
    CHECK_EQ(in8(&p.rig, BM + 2), IDE_BM_INTR | IDE_BM_ACTIVE);
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x51);
    CHECK_EQ(in8(&p.rig, 0x1f1), ATA_UNC);
    CHECK_EQ(in8(&p.rig, 0x1f3) | in8(&p.rig, 0x1f4) << 8, 2000);
    out8(&p.rig, BM, 0);
    command(0x20, 0, 2, DISK_SECTORS - 1);
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x51);
    CHECK_EQ(in8(&p.rig, 0x1f1), ATA_IDNF);
    disk->fail_at = UINT64_MAX;
    command(0xea, 0, 0, 0);
    drain();
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x51);
    close_ide();
    open_with(true);
    command(0x30, 0, 1, 1);
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x51);
    CHECK_EQ(in8(&p.rig, 0x1f1), ATA_ABRT | ATA_WP);
    close_ide();
}

static void resets_and_signatures(void)
{
    open_ide();
    command(0x20, 0, 1, 5);
    out8(&p.rig, 0x3f6, 4); /* while the image works */
    out8(&p.rig, 0x3f6, 0);
    CHECK_EQ(in8(&p.rig, 0x1f7), ATA_BSY);
    command(0xec, 0, 0, 0);
    drain();
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x50);
    CHECK_EQ(in8(&p.rig, 0x1f1), 1);
    CHECK_EQ(in8(&p.rig, 0x1f2), 1);
    CHECK_EQ(in8(&p.rig, 0x1f3), 1);
    CHECK_EQ(in8(&p.rig, 0x1f4), 0);
    CHECK(!irq14.level);
    out8(&p.rig, 0x1f6, 0xb0); /* no slave */
    CHECK_EQ(in8(&p.rig, 0x1f7), 0);
    out8(&p.rig, 0x177, 0x08); /* DEVICE RESET */
    CHECK_EQ(in8(&p.rig, 0x177), 0);
    CHECK_EQ(in8(&p.rig, 0x175), 0xeb);
    out8(&p.rig, 0x1f7, 0x90); /* EXECUTE DEVICE DIAGNOSTIC */
    CHECK(irq14.level);
    CHECK_EQ(in8(&p.rig, 0x1f1), 1);
    out8(&p.rig, 0x3f6, 2); /* nIEN */
    CHECK(!irq14.level);
    command(0x27, 0, 0, 0);
    CHECK(!irq14.level);
    out8(&p.rig, 0x3f6, 0x80);
    CHECK_EQ(in8(&p.rig, 0x1f3), 0);
    out8(&p.rig, 0x3f6, 0x00);
    CHECK_EQ(in8(&p.rig, 0x1f3) | in8(&p.rig, 0x1f4) << 8 | in8(&p.rig, 0x1f5) << 16,
             DISK_SECTORS - 1);
    command(0xe5, 0, 0, 0);
    CHECK_EQ(in8(&p.rig, 0x1f2), 0xff);
    command(0xe0, 0, 0, 0);
    command(0xe5, 0, 0, 0);
    CHECK_EQ(in8(&p.rig, 0x1f2), 0);
    command(0xb0, 0xda, 0, 0xc24f00);
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x50);
    CHECK_EQ(in8(&p.rig, 0x1f5), 0xc2);
    command(0xf1, 0, 0, 0); /* security is not there */
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x51);
    command(0x20, 0, 1, 5);
    piix_ide_reset(ide);
    drain();
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x50);
    close_ide();
}

static void packet(const u8 cdb[12], u16 limit, bool dma)
{
    out8(&p.rig, 0x176, 0xa0);
    out8(&p.rig, 0x171, dma);
    out8(&p.rig, 0x174, (u8)limit);
    out8(&p.rig, 0x175, (u8)(limit >> 8));
    out8(&p.rig, 0x177, 0xa0);
    CHECK_EQ(in8(&p.rig, 0x172), 1);
    CHECK_EQ(in8(&p.rig, 0x376) & ATA_DRQ, ATA_DRQ);
    for (unsigned i = 0; i < 12; i += 2)
        out16(0x170, le16(cdb + i));
    drain();
}

/* Takes data phases to their end; returns the bytes, of which at most 8 KiB are kept. */
static u8 taken[8192];
static unsigned take(void)
{
    unsigned total = 0;

    while (in8(&p.rig, 0x177) & ATA_DRQ) {
        unsigned n = in8(&p.rig, 0x174) | in8(&p.rig, 0x175) << 8;
        CHECK_EQ(in8(&p.rig, 0x172), 2);
        for (unsigned i = 0; i < n; i += 2)
            put_le16(taken + (total + i) % 8192, in16(0x170));
        total += n;
        drain();
    }
    CHECK_EQ(in8(&p.rig, 0x172), 3);
    return total;
}

static unsigned ask(u8 op, u8 b1, u8 b2, u8 room)
{
    u8 cdb[12] = {op, b1, b2, 0, 0, 0, 0, 0, room, 0, 0, 0};

    if (op == 0x03 || op == 0x12)
        cdb[4] = room;
    if (op == 0x4a)
        cdb[4] = 0x10;
    packet(cdb, 0xfffe, false);
    return take();
}

static u32 sense(void)
{
    CHECK_EQ(ask(0x03, 0, 0, 18), 18);
    return taken[2] << 16 | taken[12] << 8 | taken[13];
}

/* Firmware waits for BSY to go before it knows that nothing is there. */
static void empty_channels_are_not_busy(void)
{
    static const u16 base[2] = {0x1f0, 0x170};
    struct piix_ide_config cfg = {0};

    open_ide();
    piix_ide_free(ide);
    BUG_ON(piix_ide_new(&ide, p.pci, DEVFN, &p.rig.pio, wire_irq(&irq14), wire_irq(&irq15), &cfg));
    for (unsigned i = 0; i < 4; i++) {
        out8(&p.rig, base[i / 2] + 6u, i & 1 ? 0xb0 : 0xa0);
        CHECK_EQ(in8(&p.rig, base[i / 2] + 7u), 0);
        CHECK_EQ(in8(&p.rig, base[i / 2] + 0x206u), 0);
        out8(&p.rig, base[i / 2] + 7u, 0xec);
        CHECK_EQ(in8(&p.rig, base[i / 2] + 7u), 0);
        CHECK_EQ(in8(&p.rig, base[i / 2] + 2u), 0);
    }
    CHECK(!irq14.level && !irq15.level);
    close_ide();
}

static void packets_by_pio(void)
{
    static const u8 read10[12] = {0x28, 0, 0, 0, 0, 7, 0, 0, 3};
    static const u8 beyond[12] = {0x28, 0, 0, 0, 1, 43, 0, 0, 2};

    open_ide();
    CHECK_EQ(ask(0x12, 0, 0, 36), 36);
    CHECK_EQ(taken[0], 5);
    CHECK(!memcmp(taken + 8, "DOMUS", 5));
    CHECK_EQ(ask(0x12, 0, 0, 5), 5); /* odd lengths are padded */
    CHECK_EQ(ask(0x25, 0, 0, 0), 8);
    CHECK_EQ(taken[2] << 8 | taken[3], CD_BLOCKS - 1);
    packet(read10, 0xfffe, false);
    CHECK_EQ(take(), 3 * 2048);
    CHECK_EQ(le32(taken), 28);
    CHECK_EQ(le32(taken + 6140), 39);
    irq15.rises = 0;
    packet(read10, 1000, false); /* in small phases */
    CHECK_EQ(take(), 3 * 2048);
    CHECK_EQ(irq15.rises, 8);
    CHECK_EQ(le32(taken + 6140), 39);
    packet(beyond, 0xfffe, false);
    CHECK_EQ(in8(&p.rig, 0x377 - 0x200), 0x41);
    CHECK_EQ(in8(&p.rig, 0x171), 0x50);
    CHECK_EQ(sense(), 0x052100);
    CHECK_EQ(sense(), 0);
    CHECK_EQ(ask(0x43, 0, 0, 200), 20);
    CHECK_EQ(taken[12 + 2], 0xaa);
    CHECK_EQ(taken[12 + 6] << 8 | taken[12 + 7], CD_BLOCKS);
    CHECK_EQ(ask(0x43, 2, 0, 200), 20);
    CHECK_EQ(taken[12 + 6], (CD_BLOCKS + 150) / 75);
    CHECK_EQ(ask(0x43, 2, 2, 200), 48);
    CHECK_EQ(ask(0x43, 0, 1, 200), 12);
    CHECK_EQ(ask(0x5a, 0, 0x2a, 200), 28);
    CHECK_EQ(ask(0x5a, 0, 0x3f, 200), 52);
    CHECK_EQ(ask(0x46, 0, 0, 200), 76);
    CHECK_EQ(taken[7], 8);
    CHECK_EQ(ask(0x51, 0, 0, 200), 34);
    packet((const u8[12]){0xb9, 0, 0, 0, 2, 7, 0, 2, 9, 0x10}, 0xfffe, false);
    CHECK_EQ(take(), 2 * 2048);
    CHECK_EQ(le32(taken), 28);
    packet((const u8[12]){0xbe, 0, 0, 0, 0, 3, 0, 0, 1, 0x10}, 0xfffe, false);
    CHECK_EQ(take(), 2048);
    CHECK_EQ(le32(taken), 12);
    packet((const u8[12]){0xbe, 0, 0, 0, 0, 3, 0, 0, 1, 0xf8}, 0xfffe, false);
    CHECK_EQ(take(), 0);
    CHECK_EQ(sense(), 0x052400);
    packet((const u8[12]){0x52, 1, 0, 0, 0, 1, 0, 0, 36}, 0xfffe, false);
    CHECK_EQ(take(), 36);
    CHECK_EQ(taken[26] << 8 | taken[27], CD_BLOCKS);
    packet((const u8[12]){0x42, 0, 0x40, 1, 0, 0, 0, 0, 99}, 0xfffe, false);
    CHECK_EQ(take(), 16);
    packet((const u8[12]){0xad, 0, 0, 0, 0, 0, 0, 0, 8}, 0xfffe, false);
    CHECK_EQ(take(), 0);
    CHECK_EQ(sense(), 0x053002);
    CHECK_EQ(ask(0xee, 0, 0, 0), 0);
    CHECK_EQ(sense(), 0x052000);
    disc->fail = -EIO;
    disc->fail_at = 8 * 2048;
    packet(read10, 0xfffe, false);
    CHECK_EQ(take(), 0);
    CHECK_EQ(sense(), 0x031100);
    close_ide();
}

static void packets_by_dma(void)
{
    static const u8 read12[12] = {0xa8, 0, 0, 0, 0, 2, 0, 0, 0, 100};

    open_ide();
    for (unsigned i = 0; i < 4; i++)
        prd(0x1000 + 8 * i, 0x100000 + 0x10000 * i, i == 3 ? 0x80000000 | (204800 - 196608) : 0);
    bus_write(&p.rig.pio, BM + 12, 4, 0x1000);
    out8(&p.rig, BM + 8, 9);
    packet(read12, 0, true);
    CHECK_EQ(in8(&p.rig, BM + 10), IDE_BM_INTR);
    CHECK_EQ(in8(&p.rig, 0x177), 0x40);
    CHECK_EQ(in8(&p.rig, 0x172), 3);
    CHECK_EQ(guest32(0x100000), 8);
    CHECK_EQ(guest32(0x100000 + 204796), 8 + 399);
    close_ide();
}

/* What the host has in memory is there when the bus master has been started. */
static void reads_at_once(void)
{
    static const u8 read10[12] = {0x28, 0, 0, 0, 0, 7, 0, 0, 2};

    new_block = memdisk_block_now;
    open_ide();
    prd(0x1000, 0x10000, 512);
    prd(0x1008, 0x20000, 0x80000000 | 1024);
    for (u32 i = 0; i < 3; i++) {
        command(0xc8, 0, 3, 70 + i);
        start_bm(0x1000, 0x09);
        CHECK_EQ(in8(&p.rig, BM + 2), IDE_BM_INTR);
        CHECK_EQ(irq14.rises, i + 1);
        CHECK_EQ(in8(&p.rig, 0x1f7), 0x50);
        CHECK_EQ(guest32(0x10000), 70 + i);
        CHECK_EQ(guest32(0x20000 + 512), 72 + i);
        out8(&p.rig, BM, 0);
    }
    command_ext(0x25, 0, 200, 70); /* too much for that, and the list too short */
    start_bm(0x1000, 0x09);
    drain();
    CHECK_EQ(in8(&p.rig, BM + 2), 0);
    out8(&p.rig, 0x3f6, 4);
    out8(&p.rig, 0x3f6, 0);
    prd(0x1000, 0x30000, 0x80000000 | 4096);
    bus_write(&p.rig.pio, BM + 12, 4, 0x1000);
    out8(&p.rig, BM + 8, 9);
    packet(read10, 0, true);
    CHECK_EQ(in8(&p.rig, BM + 10), IDE_BM_INTR);
    CHECK_EQ(guest32(0x30000 + 4092), 35);
    close_ide();
    new_block = memdisk_block;
}

static unsigned tray_moves;
static void on_tray(void *opaque, bool open)
{
    tray_moves += open ? 1 : 16;
}

static void discs_change(void)
{
    struct ata_drive *d;

    open_ide();
    d = piix_ide_drive(ide, 1, 0);
    d->cd.unit.on_tray = on_tray;
    CHECK(piix_ide_drive(ide, 1, 1) == NULL);
    scsi_change_disc(&d->cd.unit, NULL);
    ask(0x00, 0, 0, 0);
    CHECK_EQ(sense(), 0x023a01);
    CHECK_EQ(ask(0x4a, 1, 0, 8), 8);
    CHECK_EQ(taken[4], 3);
    scsi_change_disc(&d->cd.unit, disc_blk);
    ask(0x00, 0, 0, 0);
    CHECK_EQ(in8(&p.rig, 0x171), 0x60);
    CHECK_EQ(sense(), 0x062800);
    ask(0x00, 0, 0, 0);
    CHECK_EQ(in8(&p.rig, 0x177), 0x40);
    CHECK_EQ(ask(0x4a, 1, 0, 8), 8);
    CHECK_EQ(taken[4], 2);
    CHECK_EQ(taken[5], 2);
    packet((const u8[12]){0x1e, 0, 0, 0, 1}, 0, false); /* locked */
    CHECK(d->cd.unit.locked);
    packet((const u8[12]){0x1b, 0, 0, 0, 2}, 0, false);
    CHECK_EQ(sense(), 0x055302);
    scsi_eject(&d->cd.unit);
    CHECK_EQ(ask(0x4a, 1, 0, 8), 8);
    CHECK_EQ(taken[4], 1);
    CHECK_EQ(tray_moves, 0);
    packet((const u8[12]){0x1e}, 0, false);
    packet((const u8[12]){0x1b, 0, 0, 0, 2}, 0, false);
    CHECK_EQ(tray_moves, 1);
    ask(0x00, 0, 0, 0);
    CHECK_EQ(sense(), 0x023a02);
    packet((const u8[12]){0x1b, 0, 0, 0, 3}, 0, false);
    CHECK_EQ(tray_moves, 17);
    ask(0x00, 0, 0, 0);
    CHECK_EQ(sense(), 0x062800);
    close_ide();
}

static void move_state(void)
{
    struct state_stream s = {0};
    struct err err = {""};

    CHECK_EQ(state_save(&s, &piix_ide_state, ide), 0);
    piix_ide_free(ide);
    make_ide(&ide);
    CHECK_EQ(state_load(&s, &piix_ide_state, ide, &err), 0);
    state_dispose(&s);
}

/* Before the bus master begins, and between two lists, in the middle of a sector. */
static void state_moves_amid_dma(void)
{
    u32 val = 0x600df00d;

    open_ide();
    prd(0x1000, 0x10000, 0x80000000 | 700);
    prd(0x1008, 0x20000, 0x80000000 | 324);
    command(0xc8, 0, 2, 30);
    move_state();
    start_bm(0x1000, 0x09);
    drain();
    move_state();
    CHECK_EQ(in8(&p.rig, BM + 2), 0);
    out8(&p.rig, BM, 0);
    start_bm(0x1008, 0x09);
    CHECK_EQ(in8(&p.rig, BM + 2), IDE_BM_INTR);
    CHECK_EQ(guest32(0x10000 + 696), 31);
    CHECK_EQ(guest32(0x20000 + 320), 31);
    out8(&p.rig, BM, 0);
    CHECK_EQ(mem_write(p.mem, 0x20000 + 320, &val, 4), 0);
    command(0xca, 0, 2, 50);
    move_state();
    start_bm(0x1000, 0x01);
    drain();
    move_state();
    out8(&p.rig, BM, 0);
    start_bm(0x1008, 0x01);
    drain();
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x50);
    CHECK_EQ(le32(disk->data + 50 * 512), 30);
    CHECK_EQ(le32(disk->data + 51 * 512 + 508), val);
    close_ide();
}

/* Saves in the middle of a read and goes on in another machine. */
static void state_moves(void)
{
    struct state_stream s = {0};
    struct err err = {""};
    u8 buf[512];

    open_ide();
    command(0x20, 0, 2, 1000);
    drain();
    in8(&p.rig, 0x1f7);
    for (unsigned i = 0; i < 100; i++)
        in16(0x1f0);
    CHECK_EQ(state_save(&s, &piix_ide_state, ide), 0);
    piix_ide_free(ide);
    make_ide(&ide);
    CHECK_EQ(state_load(&s, &piix_ide_state, ide, &err), 0);
    read_words(0x1f0, buf, 512 - 200);
    CHECK_EQ(le32(buf), 1000);
    CHECK(irq14.level);
    read_words(0x1f0, buf, 512);
    CHECK_EQ(le32(buf), 1001);
    CHECK_EQ(in8(&p.rig, 0x1f7), 0x50);
    s.at = 0;
    s.data[s.len - 300] ^= 0xff; /* somewhere in the last drives' registers */
    (void)!state_load(&s, &piix_ide_state, ide, &err);
    piix_ide_reset(ide);
    state_dispose(&s);
    close_ide();
}

int main(void)
{
    TEST_RUN(identify_says_what_it_is);
    TEST_RUN(reads_by_pio);
    TEST_RUN(reads_by_chs);
    TEST_RUN(writes_by_pio);
    TEST_RUN(reads_by_dma);
    TEST_RUN(writes_by_dma);
    TEST_RUN(lists_of_many_kinds);
    TEST_RUN(lists_end_early);
    TEST_RUN(errors_of_the_bus_master);
    TEST_RUN(errors_of_the_image);
    TEST_RUN(resets_and_signatures);
    TEST_RUN(empty_channels_are_not_busy);
    TEST_RUN(packets_by_pio);
    TEST_RUN(packets_by_dma);
    TEST_RUN(reads_at_once);
    TEST_RUN(discs_change);
    TEST_RUN(state_moves);
    TEST_RUN(state_moves_amid_dma);
    return test_result();
}
