/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/ahci.h"
#include "../test.h"
#include "base/le.h"
#include "memdisk.h"
#include "pcirig.h"

#include <errno.h>

#define SECTORS 4096u
#define DEVFN   PCI_DEVFN(31, 2)
#define ABAR    0xd0000000u
#define LIST    0x10000u /* of port 0; that of port 1 is 1000h further */
#define FIS     0x12000u
#define TABLE   0x14000u /* 400h for each slot */
#define DATA    0x100000u

static struct pcirig p;
static struct memdisk *disk, *disc;
static struct block *disk_blk, *disc_blk;
static struct ahci *hba;

static u32 rd(u32 reg)
{
    return (u32)bus_read(&p.rig.mmio, ABAR + reg, 4);
}

static void wr(u32 reg, u32 val)
{
    bus_write(&p.rig.mmio, ABAR + reg, 4, val);
}

static u32 px(unsigned port, u32 reg)
{
    return 0x100 + 0x80 * port + reg;
}

static u8 *guest(u32 at)
{
    u8 *host = mem_ptr(p.mem, at);

    BUG_ON(!host);
    return host;
}

/* A disk at port 0 and a CD-ROM at port 1. */
static void make_hba(void)
{
    struct ahci_config cfg = {.drive = {{.blk = disk_blk}, {.blk = disc_blk, .cdrom = true}}};

    BUG_ON(ahci_new(&hba, p.pci, DEVFN, &cfg));
    pci_config_write(p.pci, DEVFN, 0x24, 4, ABAR);
    pci_config_write(p.pci, DEVFN, PCI_COMMAND, 2, PCI_COMMAND_MEM | PCI_COMMAND_BME);
}

static void start_port(unsigned port)
{
    wr(px(port, 0x00), LIST + 0x1000 * port);
    wr(px(port, 0x08), FIS + 0x100 * port);
    wr(px(port, 0x18), 0x10);
    CHECK_EQ(rd(px(port, 0x18)), 0x4016);
    wr(px(port, 0x30), 0xffffffff);
    wr(px(port, 0x10), 0xffffffff);
    wr(px(port, 0x14), 0xffffffff);
    wr(px(port, 0x18), 0x11);
    CHECK_EQ(rd(px(port, 0x18)) & 0xc011, 0xc011);
}

static struct block *(*new_block)(struct memdisk *m, pthread_mutex_t *lock) = memdisk_block;

static void open_ahci(void)
{
    pcirig_open(&p, 4 * MiB);
    pthread_mutex_lock(&p.rig.lock);
    disk = memdisk_new(SECTORS * 512, false);
    disc = memdisk_new(300 * 2048, true);
    disk_blk = new_block(disk, &p.rig.lock);
    disc_blk = new_block(disc, &p.rig.lock);
    make_hba();
    wr(0x04, 0x80000002);
    start_port(0);
    start_port(1);
}

static void close_ahci(void)
{
    pthread_mutex_unlock(&p.rig.lock);
    block_close(disk_blk);
    block_close(disc_blk);
    ahci_free(hba);
    pcirig_close(&p);
}

static void drain(void)
{
    block_drain(disk_blk);
    block_drain(disc_blk);
}

/* A command table with one region; returns its FIS. */
static u8 *table(unsigned port, unsigned slot, u32 at, u32 len)
{
    u8 *header = guest(LIST + 0x1000 * port + 32 * slot);
    u32 where = TABLE + 0x400 * slot;
    u8 *t = guest(where);

    memset(header, 0, 32);
    header[0] = 5;
    put_le16(header + 2, len ? 1 : 0);
    put_le32(header + 8, where);
    memset(t, 0, 0x90);
    put_le32(t + 0x80, at);
    put_le32(t + 0x8c, len - 1);
    t[0] = 0x27;
    t[1] = 0x80;
    return t;
}

static void fill(u8 *fis, u8 cmd, u64 lba, u32 count)
{
    fis[2] = cmd;
    fis[4] = (u8)lba;
    fis[5] = (u8)(lba >> 8);
    fis[6] = (u8)(lba >> 16);
    fis[7] = 0x40;
    fis[8] = (u8)(lba >> 24);
    fis[12] = (u8)count;
    fis[13] = (u8)(count >> 8);
}

static void queue(unsigned slot, bool write, u64 lba, u32 count, u32 at)
{
    u8 *fis = table(0, slot, at, count * 512);

    fill(fis, write ? 0x61 : 0x60, lba, slot << 3);
    fis[3] = (u8)count;
    fis[11] = (u8)(count >> 8);
    wr(px(0, 0x34), BIT(slot));
    wr(px(0, 0x38), BIT(slot));
}

static void ports_tell_what_is_there(void)
{
    open_ahci();
    CHECK_EQ(rd(0x00), 0xc1241f05);
    CHECK_EQ(rd(0x0c), 0x3f);
    CHECK_EQ(rd(px(0, 0x28)), 0x123);
    CHECK_EQ(rd(px(0, 0x24)), 0x101);
    CHECK_EQ(rd(px(1, 0x24)), 0xeb140101);
    CHECK_EQ(rd(px(2, 0x28)), 0);
    CHECK_EQ(rd(px(2, 0x20)), 0x7f);
    CHECK_EQ(rd(px(0, 0x20)), 0x150);
    CHECK(!p.pirq[(31 - 1) & 3].level);
    wr(px(0, 0x18), 0x10); /* COMRESET */
    wr(px(0, 0x2c), 0x301);
    CHECK_EQ(rd(px(0, 0x28)), 0);
    wr(px(0, 0x2c), 0x300);
    CHECK_EQ(rd(px(0, 0x28)), 0x123);
    CHECK_EQ(rd(px(0, 0x10)) & 0x40, 0x40);
    CHECK(p.pirq[(31 - 1) & 3].level);
    CHECK_EQ(guest(FIS + 0x40)[0], 0x34);
    wr(px(0, 0x30), 0xffffffff);
    wr(0x08, 1);
    CHECK(!p.pirq[(31 - 1) & 3].level);
    wr(0x04, 1);
    CHECK_EQ(rd(0x04), 0x80000000);
    CHECK_EQ(rd(px(0, 0x14)), 0);
    close_ahci();
}

static void plain_commands(void)
{
    open_ahci();
    fill(table(0, 3, DATA, 512), 0xec, 0, 0);
    wr(px(0, 0x38), BIT(3));
    CHECK_EQ(rd(px(0, 0x38)), 0);
    CHECK_EQ(le32(guest(DATA + 200)), SECTORS);
    CHECK_EQ(le16(guest(DATA + 152)), 0x0106);
    CHECK_EQ(guest(FIS + 0x20)[0], 0x5f);
    CHECK_EQ(le16(guest(FIS + 0x30)), 512);
    CHECK_EQ(rd(px(0, 0x10)), 2);
    CHECK_EQ(rd(px(0, 0x20)), 0x50);
    CHECK_EQ(le32(guest(LIST + 3 * 32 + 4)), 512);
    CHECK_EQ(rd(0x08), 1);
    wr(px(0, 0x10), 2);
    CHECK_EQ(rd(0x08), 1);
    wr(0x08, 1);
    CHECK_EQ(rd(0x08), 0);
    fill(table(0, 0, DATA, 600 * 512), 0x25, 100, 600); /* more than a buffer */
    wr(px(0, 0x38), BIT(0));
    CHECK_EQ(rd(px(0, 0x20)), ATA_BSY);
    drain();
    CHECK_EQ(rd(px(0, 0x38)), 0);
    CHECK_EQ(rd(px(0, 0x10)), 1);
    CHECK_EQ(le32(guest(DATA + 599 * 512)), 699);
    CHECK_EQ(le32(guest(LIST + 4)), 600 * 512);
    CHECK_EQ(disk->moves, 1);
    put_le32(guest(DATA), 0xabcdef01);
    fill(table(0, 0, DATA, 1024), 0x35, 7, 2);
    wr(px(0, 0x38), BIT(0));
    drain();
    CHECK_EQ(le32(disk->data + 7 * 512), 0xabcdef01);
    fill(table(0, 0, DATA, 1024), 0x34, 9, 2); /* by PIO */
    wr(px(0, 0x38), BIT(0));
    drain();
    CHECK_EQ(le32(disk->data + 9 * 512), 0xabcdef01);
    CHECK_EQ(rd(px(0, 0x38)), 0);
    close_ahci();
}

static void queued_commands(void)
{
    open_ahci();
    for (unsigned slot = 0; slot < 8; slot++)
        queue(slot, false, 10 * slot, 5, DATA + 0x10000 * slot);
    CHECK_EQ(rd(px(0, 0x38)), 0); /* all taken */
    CHECK_EQ(rd(px(0, 0x34)), 0xff);
    drain();
    CHECK_EQ(rd(px(0, 0x34)), 0);
    CHECK_EQ(rd(px(0, 0x10)) & 8, 8);
    for (unsigned slot = 0; slot < 8; slot++)
        CHECK_EQ(le32(guest(DATA + 0x10000 * slot + 4 * 512)), 10 * slot + 4);
    put_le32(guest(DATA), 0x11223344);
    queue(31, true, 1000, 300, DATA);
    fill(table(0, 2, 0, 0), 0xea, 0, 0); /* waits for the queued one */
    wr(px(0, 0x38), BIT(2));
    CHECK_EQ(rd(px(0, 0x38)), BIT(2));
    drain();
    CHECK_EQ(rd(px(0, 0x38)), 0);
    CHECK_EQ(disk->flushes, 1);
    CHECK_EQ(le32(disk->data + 1000 * 512), 0x11223344);
    CHECK_EQ(rd(px(0, 0x20)), 0x50);
    close_ahci();
}

/* `n` regions of `len` bytes, 1 KiB apart, for the command in slot 0; returns its FIS. */
static u8 *scattered(u32 n, u32 len)
{
    u8 *t = guest(0x20000);

    table(0, 0, 0, 1);
    put_le16(guest(LIST + 2), (u16)n);
    put_le32(guest(LIST + 8), 0x20000);
    memset(t, 0, 0x80 + 16 * n);
    for (u32 i = 0; i < n; i++) {
        put_le32(t + 0x80 + 16 * i, DATA + 1024 * i);
        put_le32(t + 0x8c + 16 * i, len - 1);
    }
    t[0] = 0x27;
    t[1] = 0x80;
    return t;
}

static unsigned code_changes;
static void on_code_changed(void *opaque, u64 page)
{
    code_changes++;
}

/* As many regions as a command likes; what lands among instructions is told. */
static void regions_of_many_kinds(void)
{
    u8 *fis;

    open_ahci();
    p.mem->on_code_changed = on_code_changed;
    p.mem->pages[mem_page_of(p.mem, DATA + 1024 * 300)].has_code = 1;
    for (unsigned queued = 0; queued < 2; queued++) {
        u32 first = queued ? 700 : 1500;
        memset(guest(DATA), 0, 1024 * 600);
        code_changes = disk->moves = 0;
        fis = scattered(600, 512);
        fill(fis, queued ? 0x60 : 0x25, first, queued ? 0 : 600);
        fis[queued ? 3 : 12] = (u8)600;
        fis[queued ? 11 : 13] = 600 >> 8;
        wr(px(0, 0x34), queued);
        wr(px(0, 0x38), 1);
        drain();
        CHECK_EQ(rd(px(0, 0x38)) | rd(px(0, 0x34)), 0);
        CHECK_EQ(rd(px(0, 0x20)), 0x50);
        CHECK_EQ(disk->moves, queued ? 2 : 3); /* by the buffer, if it is not queued */
        CHECK(code_changes > 0);
        for (u32 i = 0; i < 600; i++)
            CHECK_EQ(le32(guest(DATA + 1024 * i)), first + i);
    }
    code_changes = disk->moves = 0;
    fis = scattered(500, 512);
    fill(fis, 0x25, 3000, 500);
    wr(px(0, 0x38), 1);
    drain();
    CHECK_EQ(rd(px(0, 0x20)), 0x50);
    CHECK_EQ(disk->moves, 1);
    CHECK(code_changes > 0);
    CHECK_EQ(le32(guest(DATA + 1024 * 499)), 3499);
    fis = scattered(300, 6); /* sectors begin and end anywhere */
    fill(fis, 0x61, 9, 0);
    fis[3] = 3;
    put_le32(guest(DATA + 1024 * 85), 0x12345678);
    wr(px(0, 0x34), 1);
    wr(px(0, 0x38), 1);
    drain();
    CHECK_EQ(rd(px(0, 0x20)), 0x50);
    CHECK_EQ(le32(disk->data + 9 * 512 + 85 * 6), 0x12345678);
    close_ahci();
}

/* What the host has in memory is there when the command has been given. */
static void reads_at_once(void)
{
    new_block = memdisk_block_now;
    open_ahci();
    for (unsigned slot = 0; slot < 3; slot++)
        fill(table(0, slot, DATA + 0x10000 * slot, 1024), 0x25, 5 + slot, 2);
    wr(px(0, 0x38), 7);
    CHECK_EQ(rd(px(0, 0x38)), 0);
    CHECK_EQ(rd(px(0, 0x10)), 1);
    CHECK_EQ(rd(px(0, 0x20)), 0x50);
    CHECK_EQ(le32(guest(LIST + 2 * 32 + 4)), 1024);
    for (unsigned slot = 0; slot < 3; slot++)
        CHECK_EQ(le32(guest(DATA + 0x10000 * slot + 512)), 6 + slot);
    queue(4, false, 80, 128, DATA);
    CHECK_EQ(rd(px(0, 0x34)), 0);
    CHECK_EQ(rd(px(0, 0x10)), 9);
    CHECK_EQ(le32(guest(DATA + 127 * 512)), 207);
    queue(5, false, 80, 129, DATA); /* too much for that */
    queue(6, false, 40, 1, DATA + 0x40000);
    CHECK_EQ(rd(px(0, 0x34)), BIT(5));
    drain();
    CHECK_EQ(rd(px(0, 0x34)), 0);
    CHECK_EQ(le32(guest(DATA + 128 * 512)), 208);
    CHECK_EQ(le32(guest(DATA + 0x40000)), 40);
    close_ahci();
    new_block = memdisk_block;
}

static void start_again(void)
{
    wr(px(0, 0x18), 0x10);
    wr(px(0, 0x10), 0xffffffff);
    wr(px(0, 0x18), 0x11);
}

/* Nothing is moved by a queued command whose regions are too few or no memory; a count of bytes
   does not have those of a failed request. */
static void regions_that_are_wrong(void)
{
    open_ahci();
    queue(0, false, 20, 4, DATA);
    drain();
    disk->moves = 0;
    fill(table(0, 0, DATA, 512), 0x60, 30, 0);
    guest(TABLE)[3] = 2;
    wr(px(0, 0x34), 1);
    wr(px(0, 0x38), 1);
    CHECK_EQ(rd(px(0, 0x10)) & (BIT(24) | BIT(30)), BIT(24) | BIT(30));
    CHECK_EQ(le32(guest(DATA)), 20);
    start_again();
    queue(0, true, 30, 4, 0x70000000);
    CHECK_EQ(rd(px(0, 0x10)) & (BIT(29) | BIT(30)), BIT(29) | BIT(30));
    CHECK_EQ(disk->moves, 0);
    start_again();
    disk->fail = -EIO;
    disk->fail_at = 101 * 512;
    fill(table(0, 0, DATA, 4 * 512), 0x25, 100, 4);
    wr(px(0, 0x38), 1);
    drain();
    CHECK_EQ(rd(px(0, 0x20)), 0x4051);
    CHECK_EQ(le32(guest(LIST + 4)), 0);
    close_ahci();
}

static void errors_stop_the_port(void)
{
    open_ahci();
    disk->fail = -EIO;
    disk->fail_at = 50 * 512;
    queue(1, false, 40, 5, DATA);
    queue(4, false, 48, 5, DATA);
    queue(6, false, 60, 5, DATA);
    drain();
    CHECK_EQ(rd(px(0, 0x10)) & BIT(30), BIT(30));
    CHECK_EQ(rd(px(0, 0x34)), BIT(4) | BIT(6));
    CHECK_EQ(rd(px(0, 0x20)), 0x4051);
    wr(px(0, 0x18), 0x10);
    CHECK_EQ(rd(px(0, 0x34)), 0);
    wr(px(0, 0x10), 0xffffffff);
    wr(px(0, 0x18), 0x11);
    fill(table(0, 0, DATA, 512), 0x2f, 0x10, 1); /* READ LOG EXT */
    wr(px(0, 0x38), 1);
    CHECK_EQ(guest(DATA)[0], 4);
    CHECK_EQ(guest(DATA)[3], ATA_UNC);
    CHECK_EQ(guest(DATA)[4], 48);
    fill(table(0, 0, DATA, 512), 0x25, SECTORS, 1);
    wr(px(0, 0x38), 1);
    CHECK_EQ(rd(px(0, 0x38)), 1); /* stays */
    CHECK_EQ(rd(px(0, 0x20)), 0x1051);
    CHECK_EQ(rd(px(0, 0x10)) & BIT(30), BIT(30));
    wr(px(0, 0x18), 0x10);
    wr(px(0, 0x10), 0xffffffff);
    wr(px(0, 0x18), 0x11);
    fill(table(0, 0, 0x70000000, 512), 0x25, 0, 1); /* no memory there */
    wr(px(0, 0x38), 1);
    drain();
    CHECK_EQ(rd(px(0, 0x10)) & BIT(29), BIT(29));
    wr(px(0, 0x18), 0x10);
    wr(px(0, 0x10), 0xffffffff);
    wr(px(0, 0x18), 0x11);
    fill(table(0, 0, DATA, 512), 0x25, 0, 2); /* too little room */
    wr(px(0, 0x38), 1);
    drain();
    CHECK_EQ(rd(px(0, 0x10)) & BIT(24), BIT(24));
    wr(px(0, 0x00), 0x70000000); /* no list */
    wr(px(0, 0x38), 1);
    CHECK_EQ(rd(px(0, 0x10)) & BIT(29), BIT(29));
    close_ahci();
}

static void resets_in_the_middle(void)
{
    u8 *fis;

    open_ahci();
    fill(table(0, 0, DATA, 512), 0x25, 3, 1);
    wr(px(0, 0x38), 1);
    queue(1, false, 40, 5, DATA);
    wr(px(0, 0x18), 0x10); /* the list stops while the image works: once that is done */
    CHECK_EQ(le32(guest(DATA)), 3);
    put_le32(guest(DATA), 0);
    wr(px(0, 0x2c), 1);
    wr(px(0, 0x2c), 0);
    CHECK_EQ(rd(px(0, 0x20)), 0x150);
    wr(px(0, 0x18), 0x11);
    queue(5, false, 40, 5, DATA);
    wr(px(0, 0x10), 0xffffffff);
    wr(px(0, 0x18), 0x10);
    CHECK_EQ(le32(guest(DATA)), 40);
    CHECK_EQ(rd(px(0, 0x10)) & 8, 0); /* nobody is told */
    wr(px(0, 0x18), 0x11);
    queue(5, false, 80, 1, DATA); /* the same tag */
    drain();
    CHECK_EQ(rd(px(0, 0x38)) | rd(px(0, 0x34)), 0);
    CHECK_EQ(le32(guest(DATA)), 80);
    fis = table(0, 0, 0, 0); /* software reset */
    fis[1] = 0;
    fis[15] = 4;
    wr(px(0, 0x38), 1);
    CHECK_EQ(rd(px(0, 0x38)), 0);
    CHECK_EQ(rd(px(0, 0x20)), ATA_BSY);
    fis[15] = 0;
    guest(FIS + 0x40)[0] = 0;
    wr(px(0, 0x38), 1);
    CHECK_EQ(rd(px(0, 0x20)), 0x150);
    CHECK_EQ(guest(FIS + 0x40)[0], 0x34);
    queue(7, false, 1, 1, DATA);
    ahci_reset(hba);
    drain();
    close_ahci();
}

static u32 packet(const u8 *cdb, bool dma, u32 len)
{
    u8 *t = table(1, 0, DATA, len);

    fill(t, 0xa0, 0x00feff00, 0);
    t[3] = dma;
    memcpy(t + 0x40, cdb, 12);
    wr(px(1, 0x38), 1);
    drain();
    return rd(px(1, 0x20));
}

static void packets(void)
{
    static const u8 read10[12] = {0x28, 0, 0, 0, 0, 7, 0, 0, 70};
    static const u8 inquiry[12] = {0x12, 0, 0, 0, 36};
    static const u8 wrong[12] = {0xee};

    open_ahci();
    CHECK_EQ(packet(read10, true, 70 * 2048), 0x40);
    CHECK_EQ(le32(guest(DATA)), 28);
    CHECK_EQ(le32(guest(DATA + 69 * 2048)), 76 * 4);
    CHECK_EQ(rd(px(1, 0x38)), 0);
    CHECK_EQ(packet(read10, false, 70 * 2048), 0x40);
    CHECK_EQ(packet(inquiry, false, 36), 0x40);
    CHECK(!memcmp(guest(DATA + 8), "DOMUS", 5));
    CHECK_EQ(packet(wrong, false, 0), 0x5041);
    CHECK_EQ(rd(px(1, 0x10)) & BIT(30), BIT(30));
    close_ahci();
}

static void tells_by_msi(void)
{
    open_ahci();
    pci_config_write(p.pci, DEVFN, 0x44, 4, 0xfee00000);
    pci_config_write(p.pci, DEVFN, 0x42, 2, 1);
    queue(0, false, 0, 1, DATA);
    drain();
    CHECK_EQ(p.msis, 1);
    CHECK(!p.pirq[(31 - 1) & 3].level);
    close_ahci();
}

static void state_moves(void)
{
    struct state_stream s = {0};
    struct err err = {""};

    open_ahci();
    queue(0, false, 17, 1, DATA);
    drain();
    CHECK_EQ(state_save(&s, &ahci_state, hba), 0);
    ahci_free(hba);
    make_hba();
    CHECK_EQ(state_load(&s, &ahci_state, hba, &err), 0);
    CHECK_EQ(rd(px(0, 0x10)) & 8, 8);
    CHECK(p.pirq[(31 - 1) & 3].level);
    queue(9, false, 23, 1, DATA);
    drain();
    CHECK_EQ(le32(guest(DATA)), 23);
    state_dispose(&s);
    close_ahci();
}

int main(void)
{
    TEST_RUN(ports_tell_what_is_there);
    TEST_RUN(plain_commands);
    TEST_RUN(queued_commands);
    TEST_RUN(regions_of_many_kinds);
    TEST_RUN(reads_at_once);
    TEST_RUN(regions_that_are_wrong);
    TEST_RUN(errors_stop_the_port);
    TEST_RUN(resets_in_the_middle);
    TEST_RUN(packets);
    TEST_RUN(tells_by_msi);
    TEST_RUN(state_moves);
    return test_result();
}
