/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An AHCI controller with two disks and a CD-ROM: its registers, command lists and tables in guest
   memory, images that fail, discs that change, saved states. */
#include "dev/ahci.h"
#include "base/le.h"
#include "disk_input.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define DEVFN PCI_DEVFN(31, 2)
#define ABAR  0xd0000000u
#define LIST  0x1000u
#define FIS   0x2000u
#define TABLE 0x3000u

struct guest {
    struct pcirig p;
    struct memdisk *m[3];
    struct block *blk[3];
    struct ahci *hba;
};

static void settle(struct guest *g)
{
    for (unsigned i = 0; i < ARRAY_SIZE(g->blk); i++)
        block_drain(g->blk[i]);
}

static void wr(struct guest *g, u32 reg, u32 val)
{
    bus_write(&g->p.rig.mmio, ABAR + reg, 4, val);
}

/* As drivers leave it, so that few inputs reach deep. */
static void set_up(struct guest *g)
{
    pci_config_write(g->p.pci, DEVFN, 0x24, 4, ABAR);
    pci_config_write(g->p.pci, DEVFN, PCI_COMMAND, 2, PCI_COMMAND_MEM | PCI_COMMAND_BME);
    wr(g, 0x04, 0x80000002);
    for (unsigned port = 0; port < 3; port++) {
        u32 px = 0x100 + 0x80 * port;
        wr(g, px + 0x00, LIST);
        wr(g, px + 0x08, FIS);
        wr(g, px + 0x14, 0xffffffff);
        wr(g, px + 0x18, 0x11);
    }
}

/* A command in a slot whose table has two regions. */
static void command(struct guest *g, struct input *in, u8 op)
{
    u32 px = 0x100 + 0x80 * (op & 3), slot = (u32)input_take(in, 1) % 32;
    u8 header[16] = {5}, table[0xa0] = {0x27, 0x80};

    header[2] = (u8)input_take(in, 1);
    put_le32(header + 8, TABLE);
    table[2] = (u8)input_take(in, 1);
    for (unsigned i = 3; i < 16; i++)
        table[i] = (u8)input_take(in, 1);
    if (table[2] == 0x60 || table[2] == 0x61)
        table[12] = (u8)(slot << 3);
    for (unsigned i = 0; table[2] == 0xa0 && i < 12; i++)
        table[0x40 + i] = (u8)input_take(in, 1);
    put_le32(table + 0x80, (u32)input_take(in, 2));
    put_le32(table + 0x8c, (u32)input_take(in, 2));
    put_le32(table + 0x90, 0x8000);
    put_le32(table + 0x9c, 0xffff);
    BUG_ON(mem_write(g->p.mem, LIST + 32 * slot, header, sizeof(header)) ||
           mem_write(g->p.mem, TABLE, table, sizeof(table)));
    if (op & 4)
        wr(g, px + 0x34, BIT(slot));
    wr(g, px + 0x38, BIT(slot));
}

static void host(struct guest *g, struct input *in, u8 op)
{
    struct ata_drive *cd = ahci_drive(g->hba, 2);

    switch (op & 7) {
    case 0:
        scsi_change_disc(&cd->cd.unit, op & 8 ? g->blk[2] : NULL);
        break;
    case 1:
        scsi_eject(&cd->cd.unit);
        break;
    case 2:
        g->m[op >> 3 & 1]->fail = op & 0x10 ? -EIO : 0;
        g->m[op >> 3 & 1]->fail_at = input_take(in, 2);
        break;
    case 3:
        settle(g); /* nothing is in flight when a state is saved */
        if (!input_state(in, &ahci_state, g->hba))
            break;
        ahci_reset(g->hba);
        set_up(g);
        break;
    case 4:
        ahci_reset(g->hba);
        set_up(g);
        break;
    case 5:
        set_up(g);
        break;
    default:
        settle(g);
    }
}

static void step(struct guest *g, struct input *in)
{
    u8 op = (u8)input_take(in, 1);

    switch (op >> 5) {
    case 0:
        input_access(in, &g->p.rig.mmio, op, ABAR, 0x30);
        break;
    case 1:
        input_access(in, &g->p.rig.mmio, op, ABAR + 0x100, 0x180);
        break;
    case 2:
        input_memory(in, g->p.mem);
        break;
    case 3:
        settle(g);
        break;
    case 4:
    case 5:
    case 6:
        command(g, in, op);
        break;
    default:
        host(g, in, op);
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct input in = {data, size};
    struct guest g = {0};
    struct ahci_config cfg = {0};

    pcirig_open_with(&g.p, guest_memory(DISK_INPUT_RAM));
    pthread_mutex_lock(&g.p.rig.lock);
    for (unsigned i = 0; i < 3; i++) {
        g.m[i] = input_disk(i, DISK_INPUT_SIZE, i == 2);
        g.blk[i] = memdisk_block(g.m[i], &g.p.rig.lock);
    }
    cfg.drive[0].blk = g.blk[0];
    cfg.drive[1].blk = g.blk[1];
    cfg.drive[2] = (struct ata_drive_config){.blk = g.blk[2], .cdrom = true};
    BUG_ON(ahci_new(&g.hba, g.p.pci, DEVFN, &cfg));
    set_up(&g);
    while (input_left(&in))
        step(&g, &in);
    settle(&g);
    pthread_mutex_unlock(&g.p.rig.lock);
    for (unsigned i = 0; i < 3; i++)
        block_close(g.blk[i]);
    ahci_free(g.hba);
    pcirig_close(&g.p);
    return 0;
}
