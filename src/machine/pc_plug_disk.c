/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks of the "pc" board that are plugged in and out: a place in the list of disks, and then the
   bus' own part. A virtio disk leaves when the guest ejects it (pc_virtio.c), others at once. */
#include "machine/pc.h"

#include "dev/pcihotplug.h"
#include "machine/board_virtio.h"
#include "virtio/scsi.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void pc_image_free(struct pc_image *image)
{
    block_on_trouble(image->block, NULL, NULL);
    image->used = false;
}

/* NULL: there is none left. */
static struct pc_disk *free_place(struct pc *pc)
{
    for (unsigned n = 0; n < ARRAY_SIZE(pc->disk); n++)
        if (!pc->disk[n].machine) {
            pc->ndisks = (unsigned)max_u64(pc->ndisks, n + 1);
            return &pc->disk[n];
        }
    return NULL;
}

static int attach(struct machine *m, struct pc_disk *d, const struct plug_config *cfg,
                  struct err *err)
{
    if (d->cfg.bus == DISK_VIRTIO)
        return pc_virtio_plug(m, d, cfg, err);
    return d->cfg.bus == DISK_SCSI ? pc_scsi_plug(m, d, cfg, err)
                                   : pc_usb_plug_disk(m, d, cfg, err);
}

static int fill(struct machine *m, struct pc_disk *d, struct pc_image *image,
                const struct disk_config *kind, const struct plug_config *cfg, struct err *err)
{
    int rc;

    *d = (struct pc_disk){.machine = m, .cfg = *kind, .image = image};
    snprintf(d->id, sizeof(d->id), "%s", cfg->id);
    if (image) {
        d->block = image->block;
        snprintf(d->cfg.path, sizeof(d->cfg.path), "%s", image->path);
        block_on_trouble(d->block, pc_media_trouble, d);
        block_set_lock(d->block, kind->bus == DISK_VIRTIO ? &image->lock : &m->vm.lock);
    }
    pc_media_forget(m->pc, (unsigned)(d - m->pc->disk));
    rc = attach(m, d, cfg, err);
    if (image && rc)
        pc_image_free(image);
    else if (image)
        image->used = true;
    if (rc)
        *d = (struct pc_disk){.machine = NULL};
    return rc;
}

int pc_disk_plug(struct machine *m, struct pc_image *image, const struct disk_config *kind,
                 const struct plug_config *cfg, struct err *err)
{
    struct pc_disk *d;
    int rc;

    pthread_mutex_lock(&m->vm.lock);
    d = free_place(m->pc);
    rc = d ? fill(m, d, image, kind, cfg, err)
           : err_set(err, ENOSPC, "there are %u disks already", PC_MAX_BLOCKS);
    pthread_mutex_unlock(&m->vm.lock);
    return rc;
}

/* Under the machine's lock, held once. 1: it has left its bus. */
static int detach(struct machine *m, struct pc_disk *d, struct err *err)
{
    if (d->gone)
        return -ENOENT;
    if (d->virtio)
        pcihotplug_ask(m->pc->hotplug, d->virtio->devfn >> 3);
    else if (d->msd)
        pc_usb_unplug_disk(d);
    else if (d->cfg.bus == DISK_SCSI)
        virtio_scsi_unplug(m->pc->scsi, d->unit);
    else
        return err_set(err, EINVAL, "'%s' is on a bus where nothing can be unplugged", d->id);
    return d->virtio ? 0 : 1;
}

int pc_disk_unplug(struct machine *m, struct pc_disk *d, struct err *err)
{
    int rc;

    pthread_mutex_lock(&m->vm.lock);
    rc = detach(m, d, err);
    pthread_mutex_unlock(&m->vm.lock);
    if (rc > 0)
        pc_disk_gone(m, d);
    return rc < 0 ? rc : 0;
}

void pc_disk_gone(struct machine *m, struct pc_disk *d)
{
    unsigned n = (unsigned)(d - m->pc->disk);

    if (d->image)
        pc_image_free(d->image);
    else
        block_close(d->block);
    machine_tell(m, MACHINE_UNPLUGGED, MACHINE_MAX_NICS + n, true);
    pthread_mutex_lock(&m->vm.lock);
    *d = (struct pc_disk){.machine = NULL};
    pthread_mutex_unlock(&m->vm.lock);
}
