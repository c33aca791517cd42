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

#define FIRST_INPUT (MACHINE_MAX_NICS + PC_MAX_BLOCKS) /* for plug_id */

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

static struct pc_usb_input *find_input(struct pc *pc, const char *id)
{
    for (unsigned n = 0; n < ARRAY_SIZE(pc->usb); n++)
        if (!strcmp(pc->usb[n].id, id))
            return &pc->usb[n];
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

static int not_for(const struct plug_config *cfg, const char *what, struct err *err)
{
    return err_set(err, EINVAL, "%s: %s does not go with it", cfg->driver, what);
}

struct driver {
    const char *name;
    int (*add)(struct machine *m, const struct driver *dr, const struct plug_config *cfg,
               struct err *err);
    const char *model;       /* of a card */
    struct disk_config disk; /* of a disk */
    enum usb_kind kind;      /* of an input device */
};

static bool on_pci(const struct plug_config *cfg, struct err *err)
{
    if (!cfg->bus || !strcmp(cfg->bus, "pci.0"))
        return true;
    err_set(err, ENODEV, "Bus '%.40s' not found", cfg->bus);
    return false;
}

static int add_nic(struct machine *m, const struct driver *dr, const struct plug_config *cfg,
                   struct err *err)
{
    struct pc_net *net = cfg->behind && *cfg->behind ? find_net(m->pc, cfg->behind) : NULL;

    if (!net)
        return err_set(err, ENOENT, "there is no network '%s'", cfg->behind ? cfg->behind : "");
    if (net->used)
        return err_set(err, EBUSY, "another card is connected to '%s'", cfg->behind);
    if (cfg->serial || cfg->target >= 0)
        return not_for(cfg, cfg->serial ? "a serial number" : "scsi-id", err);
    if (!on_pci(cfg, err))
        return -ENODEV;
    return pc_nics_plug(m, dr->model, net, cfg, err);
}

static int add_disk(struct machine *m, const struct driver *dr, const struct plug_config *cfg,
                    struct err *err)
{
    struct pc_image *image = cfg->behind && *cfg->behind ? find_image(m->pc, cfg->behind) : NULL;

    if (!image && (cfg->behind || !dr->disk.cdrom))
        return err_set(err, ENOENT, "there is no image '%s'", cfg->behind ? cfg->behind : "");
    if (image && image->used)
        return err_set(err, EBUSY, "another disk has the image '%s'", cfg->behind);
    if (cfg->mac)
        return not_for(cfg, "a MAC address", err);
    if (cfg->target >= 0 && dr->disk.bus != DISK_SCSI)
        return not_for(cfg, "scsi-id", err);
    if (cfg->slot && dr->disk.bus != DISK_VIRTIO)
        return not_for(cfg, "addr", err);
    if (dr->disk.bus == DISK_VIRTIO && !on_pci(cfg, err))
        return -ENODEV;
    return pc_disk_plug(m, image, &dr->disk, cfg, err);
}

static int add_input(struct machine *m, const struct driver *dr, const struct plug_config *cfg,
                     struct err *err)
{
    int rc;

    if (cfg->behind || cfg->mac || cfg->serial || cfg->slot || cfg->target >= 0)
        return not_for(cfg, "what a disk or card has", err);
    pthread_mutex_lock(&m->vm.lock);
    rc = pc_usb_plug_input(m, dr->kind, cfg, err);
    pthread_mutex_unlock(&m->vm.lock);
    return rc;
}

static const struct driver drivers[] = {
    {"virtio-net-pci", add_nic, .model = "virtio"},
    {"e1000", add_nic, .model = "e1000"},
    {"rtl8139", add_nic, .model = "rtl8139"},
    {"ne2k_pci", add_nic, .model = "ne2k_pci"},
    {"pcnet", add_nic, .model = "pcnet"},
    {"virtio-blk-pci", add_disk, .disk = {.bus = DISK_VIRTIO}},
    {"scsi-hd", add_disk, .disk = {.bus = DISK_SCSI}},
    {"scsi-cd", add_disk, .disk = {.bus = DISK_SCSI, .cdrom = true}},
    {"usb-storage", add_disk, .disk = {.bus = DISK_USB}},
    {"usb-tablet", add_input, .kind = USB_TABLET},
    {"usb-mouse", add_input, .kind = USB_MOUSE},
    {"usb-kbd", add_input, .kind = USB_KEYBOARD},
};

int plug_add(struct machine *m, const struct plug_config *cfg, struct err *err)
{
    int rc = check_machine(m, cfg->id, err);

    if (rc)
        return rc;
    if (find_nic(m->pc, cfg->id) || find_disk(m->pc, cfg->id) || find_input(m->pc, cfg->id))
        return err_set(err, EEXIST, "there is a device '%s' already", cfg->id);
    for (size_t n = 0; n < ARRAY_SIZE(drivers); n++)
        if (!strcmp(cfg->driver, drivers[n].name))
            return drivers[n].add(m, &drivers[n], cfg, err);
    return err_set(err, EINVAL,
                   "no driver '%.40s' can be plugged in; there are virtio-net-pci, e1000, rtl8139, "
                   "ne2k_pci, pcnet, virtio-blk-pci, scsi-hd, scsi-cd, usb-storage, usb-tablet, "
                   "usb-mouse and usb-kbd",
                   cfg->driver);
}

static int remove_nic(struct machine *m, const struct pc_nic *nic)
{
    int rc;

    pthread_mutex_lock(&m->vm.lock);
    rc = nic->gone ? -ENOENT : 0;
    if (!rc)
        pcihotplug_ask(m->pc->hotplug, nic->devfn >> 3);
    pthread_mutex_unlock(&m->vm.lock);
    return rc;
}

static int remove_input(struct machine *m, struct pc_usb_input *in)
{
    pthread_mutex_lock(&m->vm.lock);
    pc_usb_unplug_input(m, in);
    pthread_mutex_unlock(&m->vm.lock);
    machine_tell(m, MACHINE_UNPLUGGED, FIRST_INPUT + (unsigned)(in - m->pc->usb), false);
    *in = (struct pc_usb_input){.id = ""};
    return 0;
}

int plug_remove(struct machine *m, const char *id, struct err *err)
{
    int rc = check_machine(m, id, err);
    struct pc_nic *nic = rc ? NULL : find_nic(m->pc, id);
    struct pc_usb_input *in = rc ? NULL : find_input(m->pc, id);
    struct pc_disk *d = rc ? NULL : find_disk(m->pc, id);

    if (rc)
        return rc;
    rc = -ENOENT;
    if (nic)
        rc = remove_nic(m, nic);
    else if (d)
        rc = pc_disk_unplug(m, d, err);
    else if (in)
        rc = remove_input(m, in);
    return rc == -ENOENT ? err_set(err, ENOENT, "there is no device '%s'", id) : rc;
}

/* Cards, disks, input devices. */
const char *plug_id(struct machine *m, unsigned n)
{
    if (n >= FIRST_INPUT)
        return m->pc->usb[n - FIRST_INPUT].id;
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
