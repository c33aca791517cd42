/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine/micro_virtio.h"

#include "block/block.h"
#include "machine/board_virtio.h"
#include "machine/disk_config.h"
#include "net/backend.h"
#include "virtio/blk.h"
#include "virtio/net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct micro {
    struct block *disk[MACHINE_MAX_DISKS];
    struct net_backend *nic[MACHINE_MAX_NICS];
};

static void free_blk(void *b)
{
    virtio_blk_free(b);
}

static void free_net(void *n)
{
    virtio_net_free(n);
}

static int open_disk(struct machine *m, unsigned n, struct disk_config *disk, struct err *err)
{
    struct block_config image;
    int rc = disk_parse(disk, m->cfg->disk[n], err);

    if (rc)
        return rc;
    if (disk->bus != DISK_VIRTIO)
        return err_set(err, EINVAL,
                       "%s: the machine micro has only the bus virtio; --machine pc has others",
                       disk->path);
    image = disk_image(disk);
    return block_open(&m->micro->disk[n], &image, &m->vm.lock, err);
}

static int add_disk(struct machine *m, unsigned n, struct err *err)
{
    struct board_virtio_place place = {.option = "--disk"};
    struct disk_config disk = {.bus = DISK_VIRTIO};
    struct virtio_blk_config cfg;
    struct virtio_blk *b;
    int rc = open_disk(m, n, &disk, err);

    if (rc) {
        err_prefix(err, "--disk");
        return rc;
    }
    cfg = (struct virtio_blk_config){.block = m->micro->disk[n],
                                     .queues = disk_queues(&disk, m->cfg->cpus),
                                     .rings = disk.rings};
    rc = virtio_blk_new(&b, m->vm.mem, m->vm.clock, &cfg);
    if (rc)
        return err_set(err, -rc, "--disk: %s", strerror(-rc));
    return board_virtio_add(m, virtio_blk_dev(b), b, free_blk, &place, NULL, err);
}

static int parse_net(struct net_config *net, const char *text, struct err *err)
{
    int rc = net_parse(net, text, err);

    if (!rc && *net->model && strcmp(net->model, "virtio") != 0)
        rc = err_set(err, EINVAL,
                     "no card '%s'; the machine micro has virtio, --machine pc has others",
                     net->model);
    if (rc)
        err_prefix(err, "--net");
    return rc;
}

static int add_net(struct machine *m, unsigned n, struct err *err)
{
    struct board_virtio_place place = {.option = "--net"};
    struct virtio_net_config cfg = {.mac = {0x52, 0x54, 0x00, 0x12, 0x34, (u8)(0x56 + n)}};
    struct net_config net;
    struct virtio_net *card;
    int rc = parse_net(&net, m->cfg->net[n], err);

    if (rc)
        return rc;
    if (net.has_mac)
        memcpy(cfg.mac, net.mac, 6);
    cfg.rings = (struct virtio_rings){
        .packed = net.packed, .no_event_idx = net.no_event_idx, .no_indirect = net.no_indirect};
    cfg.pairs = (u16)net.queues;
    rc = virtio_net_new(&card, m->vm.mem, m->vm.clock, &cfg);
    if (rc)
        return err_set(err, -rc, "--net: %s", strerror(-rc));
    rc = board_virtio_add(m, virtio_net_dev(card), card, free_net, &place, NULL, err);
    if (rc)
        return rc;
    rc = net_open(&m->micro->nic[n], &net, m->loop, m->vm.clock, &m->vm.lock, err);
    if (rc) {
        err_prefix(err, "--net");
        return rc;
    }
    pthread_mutex_lock(&m->vm.lock);
    if (net_backend_end(m->micro->nic[n]))
        net_plug(virtio_net_end(card), net_backend_end(m->micro->nic[n]));
    pthread_mutex_unlock(&m->vm.lock);
    return 0;
}

int micro_virtio_init(struct machine *m, const struct machine_host *host, struct err *err)
{
    int rc = 0;

    if (m->cfg->ncdroms || m->cfg->nfloppies)
        return err_set(err, EINVAL,
                       "the machine micro has no CD-ROM and floppy drives; --machine pc has");
    m->micro = calloc(1, sizeof(*m->micro));
    if (!m->micro)
        return err_set(err, ENOMEM, "machine: out of memory");
    for (unsigned n = 0; n < m->cfg->ndisks && !rc; n++)
        rc = add_disk(m, n, err);
    for (unsigned n = 0; n < m->cfg->nnets && !rc; n++)
        rc = add_net(m, n, err);
    return rc ? rc : board_virtio_init(m, host, err);
}

void micro_virtio_close(struct machine *m)
{
    if (!m->micro)
        return;
    for (unsigned n = 0; n < MACHINE_MAX_DISKS; n++)
        block_close(m->micro->disk[n]);
    for (unsigned n = 0; n < MACHINE_MAX_NICS; n++)
        net_close(m->micro->nic[n]);
}

void micro_virtio_dispose(struct machine *m)
{
    board_virtio_dispose(m);
    free(m->micro);
    m->micro = NULL;
}
