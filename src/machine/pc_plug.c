/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is behind devices that are plugged in and out, and the way from a driver's name to the file
   that makes the device. A device leaves in two steps: when the guest ejects it, by a CPU's thread,
   it leaves the bus; the loop's thread then frees it. */
#include "machine/plug.h"

#include "dev/pcihotplug.h"
#include "machine/board_virtio.h"
#include "machine/pc.h"
#include "net/backend.h"
#include "os/loop.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* As QEMU has it: a letter, then letters, digits, '-', '.' and '_'. */
static int check_id(const char *id, struct err *err)
{
    size_t len = strlen(id);

    if (!len || len >= PLUG_ID || !isalpha((unsigned char)*id) ||
        strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._") != len)
        return err_set(
            err, EINVAL,
            "'%.40s' is no id: up to %u letters, digits, '-', '.' and '_', a letter first", id,
            PLUG_ID - 1);
    return 0;
}

static int check_machine(const struct machine *m, const char *id, struct err *err)
{
    if (!m->pc)
        return err_set(err, ENOTSUP, "only the machine 'pc' has slots to plug into");
    return check_id(id, err);
}

/* By id; that of a free place is "". NULL: there is none. */
static struct pc_net *find_net(struct pc *pc, const char *id)
{
    for (unsigned n = 0; n < ARRAY_SIZE(pc->net); n++)
        if (!strcmp(pc->net[n].id, id))
            return &pc->net[n];
    return NULL;
}

static struct pc_image *find_image(struct pc *pc, const char *id)
{
    for (unsigned n = 0; n < ARRAY_SIZE(pc->image); n++)
        if (!strcmp(pc->image[n].id, id))
            return &pc->image[n];
    return NULL;
}

static struct pc_nic *find_nic(struct pc *pc, const char *id)
{
    for (unsigned n = 0; n < ARRAY_SIZE(pc->nic); n++)
        if (!strcmp(pc->nic[n].id, id))
            return &pc->nic[n];
    return NULL;
}

static struct pc_disk *find_disk(struct pc *pc, const char *id)
{
    for (unsigned n = 0; n < pc->ndisks; n++)
        if (pc->disk[n].machine && !strcmp(pc->disk[n].id, id))
            return &pc->disk[n];
    return NULL;
}

int plug_net_add(struct machine *m, const char *id, const char *net, struct err *err)
{
    struct net_config cfg;
    struct pc_net *to;
    int rc = check_machine(m, id, err);

    if (rc)
        return rc;
    if (find_net(m->pc, id))
        return err_set(err, EEXIST, "there is a network '%s' already", id);
    to = find_net(m->pc, "");
    if (!to)
        return err_set(err, ENOSPC, "there are %u networks already", MACHINE_MAX_NICS);
    rc = net_parse(&cfg, net, err);
    if (!rc && (*cfg.model || cfg.has_mac))
        rc = err_set(err, EINVAL, "model and mac belong to the card");
    if (!rc)
        rc = net_open(&to->backend, &cfg, m->loop, m->vm.clock, &m->vm.lock, err);
    if (!rc)
        snprintf(to->id, sizeof(to->id), "%s", id);
    return rc;
}

int plug_net_remove(struct machine *m, const char *id, struct err *err)
{
    struct pc_net *net;
    int rc = check_machine(m, id, err);

    if (rc)
        return rc;
    net = find_net(m->pc, id);
    if (!net)
        return err_set(err, ENOENT, "there is no network '%s'", id);
    if (net->used)
        return err_set(err, EBUSY, "a card is connected to '%s'; remove it first", id);
    net_close(net->backend);
    *net = (struct pc_net){.id = ""};
    return 0;
}

int plug_image_add(struct machine *m, const char *id, const struct block_config *image,
                   struct err *err)
{
    struct pc_image *to;
    int rc = check_machine(m, id, err);

    if (rc)
        return rc;
    if (find_image(m->pc, id))
        return err_set(err, EEXIST, "there is an image '%s' already", id);
    to = find_image(m->pc, "");
    if (!to)
        return err_set(err, ENOSPC, "there are %u images already", MACHINE_MAX_DISKS);
    if (strlen(image->path) >= sizeof(to->path))
        return err_set(err, ENAMETOOLONG, "the file's name is longer than %zu bytes",
                       sizeof(to->path) - 1);
    pthread_mutex_init(&to->lock, NULL);
    rc = block_open(&to->block, image, &to->lock, err);
    if (rc)
        return rc;
    snprintf(to->id, sizeof(to->id), "%s", id);
    snprintf(to->path, sizeof(to->path), "%s", image->path);
    return 0;
}

int plug_image_remove(struct machine *m, const char *id, struct err *err)
{
    struct pc_image *image;
    int rc = check_machine(m, id, err);

    if (rc)
        return rc;
    image = find_image(m->pc, id);
    if (!image)
        return err_set(err, ENOENT, "there is no image '%s'", id);
    if (image->used)
        return err_set(err, EBUSY, "a disk has the image '%s'; remove it first", id);
    block_close(image->block);
    *image = (struct pc_image){.id = ""};
    return 0;
}

static int add_nic(struct machine *m, const char *model, const struct plug_config *cfg,
                   struct err *err)
{
    struct pc_net *net = find_net(m->pc, cfg->behind);

    if (!*cfg->behind || !net)
        return err_set(err, ENOENT, "there is no network '%s'", cfg->behind);
    if (net->used)
        return err_set(err, EBUSY, "another card is connected to '%s'", cfg->behind);
    if (cfg->serial)
        return err_set(err, EINVAL, "%s: a card has no serial number", cfg->driver);
    return pc_nics_plug(m, model, net, cfg, err);
}

static int add_disk(struct machine *m, const char *model, const struct plug_config *cfg,
                    struct err *err)
{
    struct pc_image *image = find_image(m->pc, cfg->behind);

    if (!*cfg->behind || !image)
        return err_set(err, ENOENT, "there is no image '%s'", cfg->behind);
    if (image->used)
        return err_set(err, EBUSY, "another disk has the image '%s'", cfg->behind);
    if (cfg->mac)
        return err_set(err, EINVAL, "%s: a disk has no MAC address", cfg->driver);
    return pc_virtio_plug(m, image, cfg, err);
}

int plug_add(struct machine *m, const struct plug_config *cfg, struct err *err)
{
    static const struct {
        const char *driver, *model;
        int (*add)(struct machine *m, const char *model, const struct plug_config *cfg,
                   struct err *err);
    } drivers[] = {
        {"virtio-net-pci", "virtio", add_nic}, {"e1000", "e1000", add_nic},
        {"rtl8139", "rtl8139", add_nic},       {"ne2k_pci", "ne2k_pci", add_nic},
        {"pcnet", "pcnet", add_nic},           {"virtio-blk-pci", NULL, add_disk},
    };
    int rc = check_machine(m, cfg->id, err);

    if (rc)
        return rc;
    if (find_nic(m->pc, cfg->id) || find_disk(m->pc, cfg->id))
        return err_set(err, EEXIST, "there is a device '%s' already", cfg->id);
    for (size_t n = 0; n < ARRAY_SIZE(drivers); n++)
        if (!strcmp(cfg->driver, drivers[n].driver))
            return drivers[n].add(m, drivers[n].model, cfg, err);
    return err_set(err, EINVAL,
                   "no driver '%.40s' can be plugged in; there are virtio-net-pci, e1000, rtl8139, "
                   "ne2k_pci, pcnet and virtio-blk-pci",
                   cfg->driver);
}

/* Where a device is that can be unplugged. Under the machine's lock. */
static int slot_of(struct pc *pc, const char *id, unsigned *slot, struct err *err)
{
    const struct pc_nic *nic = find_nic(pc, id);
    const struct pc_disk *d = find_disk(pc, id);

    if ((nic && nic->gone) || (d && d->gone) || (!nic && !d))
        return err_set(err, ENOENT, "there is no device '%s'", id);
    if (!nic && !d->virtio)
        return err_set(err, EINVAL, "'%s' is on a bus where nothing can be unplugged", id);
    *slot = nic ? nic->devfn >> 3 : d->virtio->devfn >> 3;
    return 0;
}

int plug_remove(struct machine *m, const char *id, struct err *err)
{
    unsigned slot = 0;
    int rc = check_machine(m, id, err);

    if (rc)
        return rc;
    pthread_mutex_lock(&m->vm.lock);
    rc = slot_of(m->pc, id, &slot, err);
    if (!rc)
        pcihotplug_ask(m->pc->hotplug, slot);
    pthread_mutex_unlock(&m->vm.lock);
    return rc;
}

const char *plug_id(struct machine *m, unsigned n)
{
    return n < MACHINE_MAX_NICS ? m->pc->nic[n].id : m->pc->disk[n - MACHINE_MAX_NICS].id;
}

void pc_plug_eject(void *opaque, unsigned slot)
{
    struct machine *m = opaque;

    if (!pc_nics_eject(m->pc, slot) && !pc_virtio_eject(m, slot))
        return;
    atomic_store(&m->pc->gone, true);
    loop_wake(m->loop);
}

void pc_plug_work(struct machine *m)
{
    if (!atomic_exchange(&m->pc->gone, false))
        return;
    pc_nics_work(m);
    pc_virtio_work(m);
}

void pc_plug_close(struct pc *pc)
{
    for (unsigned n = 0; n < ARRAY_SIZE(pc->net); n++)
        net_close(pc->net[n].backend);
    for (unsigned n = 0; n < ARRAY_SIZE(pc->image); n++)
        block_close(pc->image[n].block);
}
