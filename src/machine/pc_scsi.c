/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The virtio SCSI adapter of the "pc" board, if a disk or CD-ROM is on it. */
#include "machine/pc.h"

#include "machine/board_virtio.h"
#include "virtio/scsi.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void free_scsi(void *s)
{
    virtio_scsi_free(s);
}

static struct scsi_unit_config unit_config(struct pc_disk *d)
{
    return (struct scsi_unit_config){.block = d->block,
                                     .cdrom = d->cfg.cdrom,
                                     .removable = d->cfg.cdrom,
                                     .queues = true,
                                     .vendor = "DOMUS",
                                     .product = d->cfg.cdrom ? "CD-ROM" : "HARDDISK",
                                     .revision = "1.0",
                                     .on_tray = pc_media_tray_moved,
                                     .tray_opaque = d};
}

/* Makes disks and CD-ROMs targets of one host adapter. */
static unsigned fill_scsi(struct pc *pc, struct virtio_scsi_config *cfg)
{
    for (unsigned n = 0; n < pc->ndisks; n++) {
        struct pc_disk *d = &pc->disk[n];
        if (d->cfg.bus != DISK_SCSI)
            continue;
        BUG_ON(cfg->nunits == VIRTIO_SCSI_TARGETS);
        pc_disk_set_place(d, cfg->nunits);
        cfg->unit[cfg->nunits++] = unit_config(d);
    }
    return cfg->nunits;
}

int pc_scsi_init(struct machine *m, struct err *err)
{
    struct board_virtio_place place = {.option = "--disk"};
    struct virtio_scsi_config cfg = {.queues = (unsigned)min_u64(m->cfg->cpus, VIRTIO_SCSI_QUEUES)};
    struct pc *pc = m->pc;
    struct board_virtio *at;
    int rc;

    if (!fill_scsi(pc, &cfg))
        return 0;
    rc = virtio_scsi_new(&pc->scsi, m->vm.mem, m->vm.clock, &cfg);
    if (rc)
        return err_set(err, -rc, "--disk: %s", strerror(-rc));
    rc = board_virtio_add(m, virtio_scsi_dev(pc->scsi), pc->scsi, free_scsi, &place, &at, err);
    for (unsigned n = 0; n < pc->ndisks && !rc; n++)
        if (pc->disk[n].cfg.bus == DISK_SCSI)
            snprintf(pc->disk[n].boot, sizeof(pc->disk[n].boot),
                     "/pci@i0cf8/scsi@%x/channel@0/disk@%u,0", at->devfn >> 3, pc->disk[n].unit);
    return rc;
}

static int find_target(struct virtio_scsi *s, int wanted, unsigned *target, struct err *err)
{
    if (wanted >= (int)VIRTIO_SCSI_TARGETS)
        return err_set(err, EINVAL, "scsi-id is 0 to %u", VIRTIO_SCSI_TARGETS - 1);
    for (unsigned n = 0; n < VIRTIO_SCSI_TARGETS; n++)
        if (!virtio_scsi_unit(s, n) && (wanted < 0 || n == (unsigned)wanted)) {
            *target = n;
            return 0;
        }
    return wanted < 0 ? err_set(err, ENOSPC, "no target of the SCSI adapter is free")
                      : err_set(err, EBUSY, "target %d of the SCSI adapter is taken", wanted);
}

int pc_scsi_plug(struct machine *m, struct pc_disk *d, const struct plug_config *cfg,
                 struct err *err)
{
    struct scsi_unit_config unit = unit_config(d);
    int rc;

    if (!m->pc->scsi || (cfg->bus && strcmp(cfg->bus, "scsi0.0") != 0))
        return err_set(err, ENODEV,
                       "there is no SCSI adapter '%.40s'; a machine that is started with a disk or "
                       "CD-ROM on bus=scsi has one, scsi0.0",
                       cfg->bus ? cfg->bus : "");
    rc = find_target(m->pc->scsi, cfg->target, &d->unit, err);
    if (rc)
        return rc;
    unit.serial = cfg->serial;
    virtio_scsi_plug(m->pc->scsi, d->unit, &unit);
    return 0;
}
