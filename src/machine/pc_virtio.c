/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio devices of the "pc" board: disks that pc_disks.c has opened. */
#include "machine/pc.h"

#include "machine/board_virtio.h"
#include "virtio/blk.h"

#include <stdio.h>
#include <string.h>

static void free_blk(void *b)
{
    virtio_blk_free(b);
}

static int add_blk(struct machine *m, struct pc_disk *d, struct err *err)
{
    struct board_virtio_place place = {.option = "--disk"};
    struct virtio_blk_config cfg = {.block = d->block,
                                    .lock = &d->lock,
                                    .queues = (unsigned)min_u64(m->cfg->cpus, VIRTIO_BLK_QUEUES)};
    struct board_virtio *at;
    struct virtio_blk *b;
    int rc = virtio_blk_new(&b, m->vm.mem, m->vm.clock, &cfg);

    if (rc)
        return err_set(err, -rc, "--disk: %s", strerror(-rc));
    rc = board_virtio_add(m, virtio_blk_dev(b), b, free_blk, &place, &at, err);
    if (!rc)
        snprintf(d->boot, sizeof(d->boot), "/pci@i0cf8/scsi@%x/disk@0,0", at->devfn >> 3);
    return rc;
}

int pc_virtio_init(struct machine *m, const struct machine_host *host, struct err *err)
{
    struct pc *pc = m->pc;
    unsigned unit = 0;
    int rc = 0;

    for (unsigned n = 0; n < pc->ndisks && !rc; n++)
        if (pc->disk[n].cfg.bus == DISK_VIRTIO) {
            pc->disk[n].unit = unit++;
            rc = add_blk(m, &pc->disk[n], err);
        }
    return rc ? rc : board_virtio_init(m, host, err);
}
