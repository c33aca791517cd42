/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disks of the "pc" board: images in the order given, on the PIIX3's two IDE channels (primary
 * master, primary slave, …; the first CD-ROM is secondary master if that is free), an AHCI
 * controller, or the floppy controller. USB disks are opened here and plugged in by pc_usb.c.
 */
#include "machine/pc.h"

#include "dev/ahci.h"
#include "dev/i82078.h"
#include "dev/i8237.h"
#include "dev/mc146818.h"
#include "dev/piix_ide.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define IDE_DRIVES 4u
#define IDE_CD     2u /* where a CD-ROM goes first: secondary master */

/* Adds one disk; `defaults` is what the option stands for. */
static int add(struct machine *m, const char *text, struct disk_config defaults, const char *option,
               struct err *err)
{
    struct pc_disk *d = &m->pc->disk[m->pc->ndisks];
    struct block_config image;
    int rc;

    BUG_ON(m->pc->ndisks == ARRAY_SIZE(m->pc->disk));
    d->machine = m;
    pthread_mutex_init(&d->lock, NULL);
    d->cfg = defaults;
    rc = disk_parse(&d->cfg, text, err);
    image = disk_image(&d->cfg);
    if (!rc && d->cfg.path[0])
        rc = block_open(&d->block, &image, d->cfg.bus == DISK_VIRTIO ? &d->lock : &m->vm.lock, err);
    if (rc) {
        err_prefix(err, "%s", option);
        return rc;
    }
    if (d->block)
        block_on_trouble(d->block, pc_media_trouble, d);
    m->pc->ndisks++;
    return 0;
}

static int open_all(struct machine *m, struct err *err)
{
    const struct machine_config *cfg = m->cfg;
    int rc = 0;

    for (unsigned n = 0; n < cfg->ndisks && !rc; n++)
        rc = add(m, cfg->disk[n], (struct disk_config){.bus = DISK_IDE}, "--disk", err);
    for (unsigned n = 0; n < cfg->ncdroms && !rc; n++)
        rc = add(m, cfg->cdrom[n], (struct disk_config){.bus = DISK_IDE, .cdrom = true}, "--cdrom",
                 err);
    for (unsigned n = 0; n < cfg->nfloppies && !rc; n++)
        rc = add(m, cfg->floppy[n], (struct disk_config){.bus = DISK_FLOPPY}, "--floppy", err);
    return rc;
}

static struct ata_drive_config drive_config(struct pc_disk *d)
{
    return (struct ata_drive_config){
        .blk = d->block, .cdrom = d->cfg.cdrom, .on_tray = pc_media_tray_moved, .tray_opaque = d};
}

static unsigned free_ide_place(struct ata_drive_config *const drive[IDE_DRIVES], bool cdrom)
{
    if (cdrom && !drive[IDE_CD]->blk && !drive[IDE_CD]->cdrom)
        return IDE_CD;
    for (unsigned n = 0; n < IDE_DRIVES; n++)
        if (!drive[n]->blk && !drive[n]->cdrom)
            return n;
    return IDE_DRIVES;
}

static int init_ide(struct machine *m, struct err *err)
{
    struct piix_ide_config cfg = {0};
    struct ata_drive_config *place[IDE_DRIVES] = {&cfg.drive[0][0], &cfg.drive[0][1],
                                                  &cfg.drive[1][0], &cfg.drive[1][1]};
    struct pc *pc = m->pc;
    int rc;

    for (unsigned n = 0; n < pc->ndisks; n++) {
        struct pc_disk *d = &pc->disk[n];
        unsigned at = free_ide_place(place, d->cfg.cdrom);
        if (d->cfg.bus != DISK_IDE)
            continue;
        if (at == IDE_DRIVES)
            return err_set(err, ENOSPC,
                           "%s: IDE has room for four drives; put it on another bus with bus=ahci",
                           d->cfg.path);
        pc_disk_set_place(d, at);
        *place[at] = drive_config(d);
        snprintf(d->boot, sizeof(d->boot), "/pci@i0cf8/ide@1,1/drive@%u/disk@%u", at / 2, at % 2);
    }
    rc = piix_ide_new(&pc->ide, m->pci, PC_IDE_DEVFN, &m->vm.pio, board_gsi(m, 14),
                      board_gsi(m, 15), &cfg);
    return rc ? err_set(err, -rc, "machine: IDE: %s", strerror(-rc)) : 0;
}

static int init_ahci(struct machine *m, struct err *err)
{
    struct ahci_config cfg = {0};
    struct pc *pc = m->pc;
    unsigned ports = 0;
    u8 devfn;
    int rc;

    for (unsigned n = 0; n < pc->ndisks; n++)
        ports += pc->disk[n].cfg.bus == DISK_AHCI;
    if (!ports)
        return 0;
    if (ports > AHCI_PORTS)
        return err_set(err, ENOSPC, "--disk: AHCI has room for %u drives", AHCI_PORTS);
    rc = pc_take_slot(pc, 0, &devfn);
    if (rc)
        return err_set(err, -rc, "--disk: no PCI slot is left for AHCI");
    ports = 0;
    for (unsigned n = 0; n < pc->ndisks; n++) {
        struct pc_disk *d = &pc->disk[n];
        if (d->cfg.bus != DISK_AHCI)
            continue;
        pc_disk_set_place(d, ports);
        cfg.drive[ports] = drive_config(d);
        snprintf(d->boot, sizeof(d->boot), "/pci@i0cf8/pci8086,2922@%x/drive@%u/disk@0", devfn >> 3,
                 ports++);
    }
    rc = ahci_new(&pc->ahci, m->pci, devfn, &cfg);
    return rc ? err_set(err, -rc, "machine: AHCI: %s", strerror(-rc)) : 0;
}

static unsigned floppy_drives(const struct pc *pc)
{
    unsigned drives = 0;

    for (unsigned n = 0; n < pc->ndisks; n++)
        drives += pc->disk[n].cfg.bus == DISK_FLOPPY;
    return drives;
}

static int init_floppy(struct machine *m, struct err *err)
{
    struct pc *pc = m->pc;
    unsigned drive = 0, drives = (unsigned)min_u64(floppy_drives(pc), I82078_DRIVES);
    int rc = i8237_new(&pc->dma, &m->vm.pio, m->vm.mem);

    if (!rc)
        rc = i82078_new(&pc->fdc, &m->vm.pio, board_gsi(m, 6), pc->dma, m->vm.clock, drives);
    if (rc)
        return err_set(err, -rc, "machine: floppy controller: %s", strerror(-rc));
    for (unsigned n = 0; n < pc->ndisks; n++) {
        struct pc_disk *d = &pc->disk[n];
        if (d->cfg.bus != DISK_FLOPPY)
            continue;
        if (drive == I82078_DRIVES)
            return err_set(err, ENOSPC, "--floppy: there are two drives");
        pc_disk_set_place(d, drive);
        if (d->block && i82078_insert(pc->fdc, drive, d->block))
            return err_set(err, EINVAL, "--floppy: %s: larger than 2.88 MB: no floppy disk",
                           d->cfg.path);
        snprintf(d->boot, sizeof(d->boot), "/pci@i0cf8/isa@1/fdc@03f0/floppy@%u", drive++);
    }
    return 0;
}

int pc_disks_init(struct machine *m, struct err *err)
{
    int rc = open_all(m, err);

    if (!rc)
        rc = init_ide(m, err);
    if (!rc)
        rc = init_ahci(m, err);
    return rc ? rc : init_floppy(m, err);
}

void pc_disks_reset(struct pc *pc)
{
    piix_ide_reset(pc->ide);
    if (pc->ahci)
        ahci_reset(pc->ahci);
    i82078_reset(pc->fdc);
    i8237_reset(pc->dma);
}

void pc_disks_close(struct pc *pc)
{
    for (unsigned n = 0; n < ARRAY_SIZE(pc->disk); n++) {
        if (!pc->disk[n].image)
            block_close(pc->disk[n].block);
        pc->disk[n].block = NULL;
    }
}

void pc_disks_dispose(struct pc *pc)
{
    i82078_free(pc->fdc);
    i8237_free(pc->dma);
    ahci_free(pc->ahci);
    piix_ide_free(pc->ide);
}

/* 10h: types of drives A and B; 14h: how many there are. */
void pc_disks_fill_cmos(struct machine *m)
{
    struct pc *pc = m->pc;
    unsigned drives = floppy_drives(pc);
    u8 types = 0, equipment = mc146818_cmos(m->rtc, 0x14);

    for (unsigned n = 0; n < drives; n++)
        types |= (u8)(i82078_cmos_type(pc->fdc, n) << (n ? 0 : 4));
    mc146818_set_cmos(m->rtc, 0x10, types);
    if (drives)
        equipment |= (u8)(1 | (drives - 1) << 6);
    mc146818_set_cmos(m->rtc, 0x14, equipment);
}
