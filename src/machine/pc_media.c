/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine/media.h"

#include "dev/ahci.h"
#include "dev/i82078.h"
#include "dev/piix_ide.h"
#include "machine/pc.h"
#include "os/loop.h"
#include "virtio/scsi.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A CD-ROM drive's. */
static struct scsi_unit *unit_of(struct pc *pc, const struct pc_disk *d)
{
    switch (d->cfg.bus) {
    case DISK_IDE:
        return &piix_ide_drive(pc->ide, d->unit / 2, d->unit % 2)->cd.unit;
    case DISK_AHCI:
        return &ahci_drive(pc->ahci, d->unit)->cd.unit;
    case DISK_SCSI:
        return virtio_scsi_unit(pc->scsi, d->unit);
    default:
        return NULL;
    }
}

void pc_disk_set_place(struct pc_disk *d, unsigned unit)
{
    static const char *const bus[] = {
        [DISK_AHCI] = "ahci0",    [DISK_USB] = "usb",       [DISK_XHCI] = "xhci",
        [DISK_FLOPPY] = "floppy", [DISK_VIRTIO] = "virtio", [DISK_SCSI] = "scsi0"};
    const char *what = d->cfg.cdrom ? "cd" : "hd";

    d->unit = unit;
    if (d->cfg.bus == DISK_IDE)
        snprintf(d->id, sizeof(d->id), "ide%u-%s%u", unit / 2, what, unit % 2);
    else if (d->cfg.bus == DISK_FLOPPY)
        snprintf(d->id, sizeof(d->id), "floppy%u", unit);
    else
        snprintf(d->id, sizeof(d->id), "%s-%s%u", bus[d->cfg.bus], what, unit);
}

static bool is_removable(const struct pc_disk *d)
{
    return d->cfg.cdrom || d->cfg.bus == DISK_FLOPPY;
}

unsigned media_places(const struct machine *m)
{
    return m->pc ? m->pc->ndisks : 0;
}

bool media_at(struct machine *m, unsigned n, struct media_info *out)
{
    const struct pc_disk *d;

    if (n >= media_places(m) || !m->pc->disk[n].machine)
        return false;
    d = &m->pc->disk[n];
    *out = (struct media_info){.cdrom = d->cfg.cdrom, .removable = is_removable(d)};
    snprintf(out->name, sizeof(out->name), "%s", d->id);
    if (d->block) {
        out->path = d->cfg.path;
        out->format = block_format(d->block);
        out->size = block_size(d->block);
        out->encrypted = block_encrypted(d->block);
        out->backing_files = block_backing_files(d->block);
        out->read_only = block_read_only(d->block);
    }
    if (d->cfg.cdrom) {
        pthread_mutex_lock(&m->vm.lock);
        out->tray_open = unit_of(m->pc, d)->tray_open;
        out->locked = unit_of(m->pc, d)->locked;
        pthread_mutex_unlock(&m->vm.lock);
    }
    return true;
}

int media_find(struct machine *m, const char *name, unsigned *n)
{
    struct media_info info;

    for (*n = 0; *n < media_places(m); ++*n)
        if (media_at(m, *n, &info) && !strcmp(name, info.name))
            return 0;
    return -ENOENT;
}

static int check_removable(const struct pc_disk *d, struct err *err)
{
    return is_removable(d) ? 0 : err_set(err, EINVAL, "Device '%s' is not removable", d->id);
}

int media_tray(struct machine *m, unsigned n, bool open, bool force, struct err *err)
{
    struct pc_disk *d = &m->pc->disk[n];
    int rc = check_removable(d, err);

    if (rc || !d->cfg.cdrom)
        return rc;
    pthread_mutex_lock(&m->vm.lock);
    if (open && !force && unit_of(m->pc, d)->locked) {
        scsi_eject(unit_of(m->pc, d));
        rc = err_set(err, EBUSY,
                     "Device '%s' is locked and force was not specified, wait for tray to open and "
                     "try again",
                     d->id);
    } else {
        scsi_move_tray(unit_of(m->pc, d), open);
    }
    pthread_mutex_unlock(&m->vm.lock);
    return rc;
}

/* Under the machine's lock. */
static int put_in(struct pc *pc, struct pc_disk *d, struct block *blk)
{
    if (d->cfg.bus == DISK_FLOPPY)
        return i82078_insert(pc->fdc, d->unit, blk);
    scsi_change_disc(unit_of(pc, d), blk);
    if (d->cfg.bus == DISK_SCSI)
        virtio_scsi_medium_changed(pc->scsi, d->unit);
    return 0;
}

int media_change(struct machine *m, unsigned n, const char *path, const char *format,
                 bool read_only, struct err *err)
{
    struct pc_disk *d = &m->pc->disk[n];
    struct block_config cfg = disk_other_image(&d->cfg, path, format, read_only || d->cfg.cdrom);
    struct block *old = d->block, *new = NULL;
    int rc = check_removable(d, err);

    if (rc)
        return rc;
    if (path && strlen(path) >= sizeof(d->cfg.path))
        return err_set(err, ENAMETOOLONG, "the file's name is longer than %zu bytes",
                       sizeof(d->cfg.path) - 1);
    if (path)
        rc = block_open(&new, &cfg, &m->vm.lock, err);
    if (rc)
        return rc;
    if (new)
        block_on_trouble(new, pc_media_trouble, d);
    pthread_mutex_lock(&m->vm.lock);
    rc = put_in(m->pc, d, new);
    if (!rc && d->image)
        block_drain(old);
    pthread_mutex_unlock(&m->vm.lock);
    if (rc) {
        block_close(new);
        return err_set(err, -rc, "%s: larger than 2.88 MB: no floppy disk", path);
    }
    d->block = new;
    pc_media_forget(m->pc, n);
    snprintf(d->cfg.path, sizeof(d->cfg.path), "%s", path ? path : "");
    if (d->image)
        pc_image_free(d->image); /* it is there still, without a drive */
    else
        block_close(old);
    d->image = NULL;
    return 0;
}

int media_resize(struct machine *m, unsigned n, u64 size, struct err *err)
{
    struct pc_disk *d = &m->pc->disk[n];
    int rc;

    if (!d->block)
        return err_set(err, ENOMEDIUM, "Device '%s' has no medium", d->id);
    if (is_removable(d))
        return err_set(err, EINVAL, "Device '%s' is removable: a medium has the size it has",
                       d->id);
    rc = block_resize(d->block, size, err);
    if (rc)
        err_prefix(err, "Device '%s'", d->id);
    return rc;
}

void pc_media_tray_moved(void *disk, bool open)
{
    struct pc_disk *d = disk;
    struct machine *m = d->machine;
    unsigned n = (unsigned)(d - m->pc->disk);

    if (pthread_equal(pthread_self(), m->loop_thread)) {
        machine_tell(m, MACHINE_TRAY, n, false);
        return;
    }
    atomic_fetch_or(&m->trays_moved, BIT64(n));
    loop_wake(m->loop);
}

/* By any thread that completes a request, with the image's lock. */
void pc_media_trouble(void *disk, const struct block_trouble *t)
{
    struct pc_disk *d = disk;
    struct machine *m = d->machine;
    unsigned n = (unsigned)(d - m->pc->disk);
    struct pc_trouble *all = &m->pc->trouble[n];
    bool say;

    pthread_mutex_lock(&m->pc->trouble_lock);
    say = t->failed && !all->said;
    all->said |= t->failed;
    if (t->failed) {
        all->now.what.failed = true;
        all->now.what.write = t->write;
        all->now.what.rc = t->rc;
    }
    if (t->damage)
        snprintf(all->now.damage, sizeof(all->now.damage), "%s", t->damage);
    pthread_mutex_unlock(&m->pc->trouble_lock);
    if (say)
        fprintf(stderr, "domus: disk '%s': %s fails: %s; the guest is told\r\n", d->id,
                t->write ? "writing" : "reading", strerror(-t->rc));
    atomic_fetch_or(&m->troubled, BIT64(n));
    loop_wake(m->loop);
}

bool media_take_trouble(struct machine *m, unsigned n, struct media_trouble *out)
{
    pthread_mutex_lock(&m->pc->trouble_lock);
    *out = m->pc->trouble[n].now;
    m->pc->trouble[n].now = (struct media_trouble){.damage = ""};
    pthread_mutex_unlock(&m->pc->trouble_lock);
    out->what.damage = out->damage[0] ? out->damage : NULL;
    return out->what.failed || out->what.damage;
}

void pc_media_forget(struct pc *pc, unsigned n)
{
    pthread_mutex_lock(&pc->trouble_lock);
    pc->trouble[n] = (struct pc_trouble){.said = false};
    pthread_mutex_unlock(&pc->trouble_lock);
}
