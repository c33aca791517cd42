/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio devices of the "pc" board: disks that pc_disks.c has opened, or that are plugged in while
   the machine runs. */
#include "machine/pc.h"

#include "dev/pcihotplug.h"
#include "machine/board_virtio.h"
#include "virtio/blk.h"
#include "virtio/pci.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void free_blk(void *b)
{
    virtio_blk_free(b);
}

/* Instead of the machine's, the disk's and its image's. */
static pthread_mutex_t *lock_of(struct pc_disk *d)
{
    return d->image ? &d->image->lock : &d->lock;
}

static int add_blk(struct machine *m, struct pc_disk *d, const char *serial,
                   const struct board_virtio_place *place, struct err *err)
{
    struct virtio_blk_config cfg = {.block = d->block,
                                    .lock = lock_of(d),
                                    .queues = disk_queues(&d->cfg, m->cfg->cpus),
                                    .rings = d->cfg.rings,
                                    .serial = serial};
    struct virtio_blk *b;
    int rc = virtio_blk_new(&b, m->vm.mem, m->vm.clock, &cfg);

    if (rc)
        return err_set(err, -rc, "%s: %s", place->option, strerror(-rc));
    return board_virtio_add(m, virtio_blk_dev(b), b, free_blk, place, &d->virtio, err);
}

int pc_virtio_init(struct machine *m, const struct machine_host *host, struct err *err)
{
    const struct board_virtio_place place = {.option = "--disk"};
    struct pc *pc = m->pc;
    unsigned unit = 0;
    int rc;

    for (unsigned n = 0; n < pc->ndisks; n++) {
        struct pc_disk *d = &pc->disk[n];
        if (d->cfg.bus != DISK_VIRTIO)
            continue;
        pc_disk_set_place(d, unit++);
        rc = add_blk(m, d, NULL, &place, err);
        if (rc)
            return rc;
        snprintf(d->boot, sizeof(d->boot), "/pci@i0cf8/scsi@%x/disk@0,0", d->virtio->devfn >> 3);
    }
    rc = pc_scsi_init(m, err);
    return rc ? rc : board_virtio_init(m, host, err);
}

int pc_virtio_plug(struct machine *m, struct pc_disk *d, const struct plug_config *cfg,
                   struct err *err)
{
    const struct board_virtio_place place = {.option = cfg->driver, .slot = cfg->slot};
    int rc = add_blk(m, d, cfg->serial, &place, err);

    if (rc)
        return rc;
    virtio_pci_reset(d->virtio->pci);
    pcihotplug_plugged(m->pc->hotplug, d->virtio->devfn >> 3);
    return 0;
}

bool pc_virtio_eject(struct machine *m, unsigned slot)
{
    struct pc *pc = m->pc;

    for (unsigned n = 0; n < pc->ndisks; n++) {
        struct pc_disk *d = &pc->disk[n];
        if (!d->virtio || d->gone || d->virtio->devfn >> 3 != slot)
            continue;
        board_virtio_unplug(m, d->virtio);
        d->gone = true;
        return true;
    }
    return false;
}

/* What it was doing ends first. */
static bool free_gone(struct machine *m, struct pc_disk *d)
{
    bool gone;

    pthread_mutex_lock(&m->vm.lock);
    gone = d->gone;
    if (gone) {
        pthread_mutex_lock(lock_of(d));
        block_drain(d->block);
        pthread_mutex_unlock(lock_of(d));
        board_virtio_free(d->virtio);
        d->virtio = NULL;
    }
    pthread_mutex_unlock(&m->vm.lock);
    return gone;
}

void pc_virtio_work(struct machine *m)
{
    for (unsigned n = 0; n < m->pc->ndisks; n++)
        if (free_gone(m, &m->pc->disk[n]))
            pc_disk_gone(m, &m->pc->disk[n]);
}
