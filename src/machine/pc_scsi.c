/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The virtio SCSI adapter of the "pc" board, if a disk or CD-ROM is on it. */
#include "machine/pc.h"

#include "machine/board_virtio.h"
#include "virtio/scsi.h"

#include <stdio.h>
#include <string.h>

static void free_scsi(void *s)
{
    virtio_scsi_free(s);
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
        cfg->unit[cfg->nunits++] =
            (struct scsi_unit_config){.block = d->block,
                                      .cdrom = d->cfg.cdrom,
                                      .removable = d->cfg.cdrom,
                                      .queues = true,
                                      .vendor = "DOMUS",
                                      .product = d->cfg.cdrom ? "CD-ROM" : "HARDDISK",
                                      .revision = "1.0",
                                      .on_tray = pc_media_tray_moved,
                                      .tray_opaque = d};
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
