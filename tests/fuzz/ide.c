/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A PIIX3 IDE function: registers of both channels, data ports in all widths, packets, bus-master
   lists in guest memory, images that fail, discs that change, saved states. */
#include "dev/ide.h"
#include "dev/piix_ide.h"
#include "disk_input.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define DEVFN PCI_DEVFN(1, 1)
#define BM    0xc000u

struct guest {
    struct pcirig p;
    struct wire irq[2];
    struct memdisk *m[3];
    struct block *blk[3];
    struct piix_ide *ide;
};

static void settle(struct guest *g)
{
    for (unsigned i = 0; i < ARRAY_SIZE(g->blk); i++)
        block_drain(g->blk[i]);
}

static void open_bars(struct guest *g)
{
    pci_config_write(g->p.pci, DEVFN, 0x20, 4, BM);
    pci_config_write(g->p.pci, DEVFN, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_BME);
}

/* A whole packet command, so that few bytes reach deep. */
static void packet(struct guest *g, struct input *in)
{
    out8(&g->p.rig, 0x176, 0xa0);
    out8(&g->p.rig, 0x171, (u8)input_take(in, 1));
    out8(&g->p.rig, 0x174, (u8)input_take(in, 1));
    out8(&g->p.rig, 0x175, (u8)input_take(in, 1));
    out8(&g->p.rig, 0x177, 0xa0);
    for (unsigned i = 0; i < 3; i++)
        bus_write(&g->p.rig.pio, 0x170, 4, input_take(in, 4));
}

/* Reads or writes the data port many times. */
static void pump(struct guest *g, struct input *in, u8 op)
{
    unsigned n = (unsigned)input_take(in, 1) * 16;
    u16 port = op & 8 ? 0x170 : 0x1f0;

    for (unsigned i = 0; i < n; i++)
        if (op & 4)
            bus_write(&g->p.rig.pio, port, 4, i);
        else
            bus_read(&g->p.rig.pio, port, 4);
}

static void host(struct guest *g, struct input *in, u8 op)
{
    struct ata_drive *cd = piix_ide_drive(g->ide, 1, 0);

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
        if (input_state(in, &piix_ide_state, g->ide)) {
            piix_ide_reset(g->ide);
            open_bars(g);
        }
        break;
    case 4:
        piix_ide_reset(g->ide);
        open_bars(g);
        break;
    case 5:
        packet(g, in);
        break;
    case 6:
        pci_config_write(g->p.pci, DEVFN, (unsigned)input_take(in, 1) & 0xfc, 4,
                         (u32)input_take(in, 4));
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
        input_access(in, &g->p.rig.pio, op, 0x1f0, 8);
        break;
    case 1:
        input_access(in, &g->p.rig.pio, op, 0x170, 8);
        break;
    case 2:
        input_access(in, &g->p.rig.pio, op, op & 8 ? 0x3f6 : 0x376, 1);
        break;
    case 3:
        input_access(in, &g->p.rig.pio, op, BM, 16);
        break;
    case 4:
        input_memory(in, g->p.mem);
        break;
    case 5:
        pump(g, in, op);
        break;
    case 6:
        settle(g);
        break;
    default:
        host(g, in, op);
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct input in = {data, size};
    struct guest g = {0};
    struct piix_ide_config cfg = {0};

    pcirig_open_with(&g.p, guest_memory(DISK_INPUT_RAM));
    pthread_mutex_lock(&g.p.rig.lock);
    for (unsigned i = 0; i < 3; i++) {
        g.m[i] = input_disk(i, DISK_INPUT_SIZE, i == 2);
        g.blk[i] = memdisk_block(g.m[i], &g.p.rig.lock);
    }
    cfg.drive[0][0].blk = g.blk[0];
    cfg.drive[0][1].blk = g.blk[1];
    cfg.drive[1][0] = (struct ata_drive_config){.blk = g.blk[2], .cdrom = true};
    BUG_ON(piix_ide_new(&g.ide, g.p.pci, DEVFN, &g.p.rig.pio, wire_irq(&g.irq[0]),
                        wire_irq(&g.irq[1]), &cfg));
    open_bars(&g);
    while (input_left(&in))
        step(&g, &in);
    settle(&g);
    pthread_mutex_unlock(&g.p.rig.lock);
    for (unsigned i = 0; i < 3; i++)
        block_close(g.blk[i]);
    piix_ide_free(g.ide);
    pcirig_close(&g.p);
    return 0;
}
