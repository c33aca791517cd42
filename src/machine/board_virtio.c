/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine/board_virtio.h"

#include "machine/pc.h"
#include "machine/share_config.h"
#include "machine/vsock_config.h"
#include "virtio/console.h"
#include "virtio/input.h"
#include "virtio/mmio.h"
#include "virtio/pci.h"
#include "virtio/rng.h"
#include "virtio/share.h"
#include "virtio/vsock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int attach_pci(struct machine *m, struct board_virtio *v,
                      const struct board_virtio_place *place)
{
    struct virtio_pci_config cfg = {.rom = place->rom};
    int rc = pc_take_slot(m->pc, place->slot, &v->devfn);

    if (rc)
        return rc;
    rc = virtio_pci_new(&v->pci, m->pci, v->devfn, v->dev, &cfg);
    if (rc)
        pc_free_slot(m->pc, v->devfn);
    return rc;
}

static int attach_mmio(struct machine *m, struct board_virtio *v)
{
    unsigned n = board_virtio_mmio(m);

    return virtio_mmio_new(&v->mmio, &m->vm.mmio, BOARD_VIRTIO_MMIO + n * BOARD_VIRTIO_STEP,
                           board_gsi(m, BOARD_VIRTIO_GSI + n % BOARD_VIRTIO_GSIS), v->dev);
}

unsigned board_virtio_mmio(const struct machine *m)
{
    unsigned count = 0;

    for (unsigned n = 0; m->virtio && n < m->virtio->n; n++)
        count += m->virtio->dev[n].mmio != NULL;
    return count;
}

/* A place for one more; NULL: no memory, or too many. */
static struct board_virtio *take(struct machine *m)
{
    if (!m->virtio)
        m->virtio = calloc(1, sizeof(*m->virtio));
    for (unsigned n = 0; m->virtio && n < m->virtio->n; n++)
        if (!m->virtio->dev[n].dev)
            return &m->virtio->dev[n];
    if (!m->virtio || m->virtio->n == BOARD_VIRTIO_MAX)
        return NULL;
    return &m->virtio->dev[m->virtio->n++];
}

int board_virtio_add(struct machine *m, struct virtio *dev, void *device,
                     void (*free_device)(void *device), const struct board_virtio_place *place,
                     struct board_virtio **out, struct err *err)
{
    struct board_virtio *v = take(m);
    int rc;

    if (!v) {
        free_device(device);
        return err_set(err, ENOSPC, "%s: there is no room for more virtio devices", place->option);
    }
    *v = (struct board_virtio){.dev = dev, .device = device, .free = free_device};
    rc = m->pc ? attach_pci(m, v, place) : attach_mmio(m, v);
    if (rc) {
        err_set(err, -rc, "%s: cannot attach %s: %s", place->option, dev->name,
                rc == -ENOSPC  ? "no PCI slot is left"
                : rc == -EBUSY ? "its PCI slot is taken"
                               : strerror(-rc));
        board_virtio_free(v);
        return rc;
    }
    if (out)
        *out = v;
    return 0;
}

void board_virtio_unplug(struct machine *m, struct board_virtio *v)
{
    virtio_pci_free(v->pci);
    v->pci = NULL;
    pc_free_slot(m->pc, v->devfn);
}

void board_virtio_free(struct board_virtio *v)
{
    virtio_pci_free(v->pci);
    virtio_mmio_free(v->mmio);
    if (v->dev)
        v->free(v->device);
    *v = (struct board_virtio){.dev = NULL};
}

static void free_rng(void *r)
{
    virtio_rng_free(r);
}

static int add_rng(struct machine *m, struct err *err)
{
    struct board_virtio_place place = {.option = "--rng"};
    struct virtio_rng_config cfg = {.rate = 0};
    struct virtio_rng *r;
    int rc = virtio_rng_new(&r, m->vm.mem, m->vm.clock, &cfg);

    if (rc)
        return err_set(err, -rc, "--rng: %s", strerror(-rc));
    return board_virtio_add(m, virtio_rng_dev(r), r, free_rng, &place, NULL, err);
}

static void free_console(void *c)
{
    virtio_console_free(c);
}

static const char *console_name(const char *spec)
{
    const char *name = strstr(spec, ",name=");

    return name ? name + strlen(",name=") : NULL;
}

static int add_console(struct machine *m, const struct machine_host *host, struct err *err)
{
    struct board_virtio_place place = {.option = "--console"};
    struct virtio_console_config cfg = {.nports = m->cfg->nconsoles};
    struct virtio_console *c;
    int rc;

    for (unsigned n = 0; n < cfg.nports; n++) {
        const struct ns16550a_backend *to = &host->console[n];
        cfg.port[n] = (struct virtio_console_port){.name = console_name(m->cfg->console[n]),
                                                   .write = to->write,
                                                   .room = host->console_room,
                                                   .opaque = to->opaque};
    }
    rc = virtio_console_new(&c, m->vm.mem, m->vm.clock, &cfg);
    if (rc)
        return err_set(err, -rc, "--console: %s", strerror(-rc));
    rc = board_virtio_add(m, virtio_console_dev(c), c, free_console, &place, NULL, err);
    if (!rc)
        m->virtio->console = c;
    return rc;
}

static void free_input(void *in)
{
    virtio_input_free(in);
}

static int add_input(struct machine *m, unsigned n, struct err *err)
{
    struct board_virtio_place place = {.option = "--input"};
    struct input *from = machine_input(m);
    enum virtio_input_kind kind;
    struct virtio_input *in;
    int rc;

    if (!from || !virtio_input_parse(m->cfg->input[n], &kind))
        return err_set(err, EINVAL, "--input: the machine micro has no display; --machine pc has");
    rc = virtio_input_new(&in, m->vm.mem, m->vm.clock, kind, from, false);
    if (rc)
        return err_set(err, -rc, "--input: %s", strerror(-rc));
    return board_virtio_add(m, virtio_input_dev(in), in, free_input, &place, NULL, err);
}

static void free_share(void *s)
{
    virtio_share_free(s);
}

static int add_share(struct machine *m, unsigned n, struct err *err)
{
    struct board_virtio_place place = {.option = "--share"};
    struct share_config share;
    struct virtio_share_config cfg = {.tag = share.tag};
    struct virtio_share *s;
    int rc = share_parse(&share, m->cfg->share[n], err);

    cfg.folder = (struct p9_config){.path = share.path, .read_only = share.read_only};
    if (!rc)
        rc = virtio_share_new(&s, m->vm.mem, m->vm.clock, &cfg, err);
    if (rc) {
        err_prefix(err, "--share");
        return rc;
    }
    return board_virtio_add(m, virtio_share_dev(s), s, free_share, &place, NULL, err);
}

static void free_vsock(void *v)
{
    virtio_vsock_free(v);
}

static int add_vsock(struct machine *m, const struct machine_host *host, struct err *err)
{
    struct board_virtio_place place = {.option = "--vsock"};
    struct virtio_vsock_config cfg = {.loop = host->loop, .lock = &m->vm.lock};
    struct vsock_config vsock;
    struct virtio_vsock *v;
    int rc = vsock_parse(&vsock, m->cfg->vsock, err);

    cfg.cid = vsock.cid;
    cfg.path = vsock.path;
    if (!rc)
        rc = virtio_vsock_new(&v, m->vm.mem, m->vm.clock, &cfg, err);
    if (rc) {
        err_prefix(err, "--vsock");
        return rc;
    }
    return board_virtio_add(m, virtio_vsock_dev(v), v, free_vsock, &place, NULL, err);
}

size_t machine_console_room(struct machine *m, unsigned n)
{
    return virtio_console_room(m->virtio->console, n);
}

void machine_console_receive(struct machine *m, unsigned n, const u8 *buf, size_t len)
{
    virtio_console_receive(m->virtio->console, n, buf, len);
}

int board_virtio_init(struct machine *m, const struct machine_host *host, struct err *err)
{
    int rc = m->cfg->rng ? add_rng(m, err) : 0;

    if (!rc && m->cfg->has_balloon)
        rc = board_balloon_init(m, err);
    if (!rc && m->cfg->nconsoles)
        rc = add_console(m, host, err);
    for (unsigned n = 0; n < m->cfg->ninputs && !rc; n++)
        rc = add_input(m, n, err);
    for (unsigned n = 0; n < m->cfg->nshares && !rc; n++)
        rc = add_share(m, n, err);
    if (!rc && m->cfg->vsock)
        rc = add_vsock(m, host, err);
    return rc;
}

void board_virtio_reset(struct machine *m)
{
    for (unsigned n = 0; m->virtio && n < m->virtio->n; n++) {
        struct board_virtio *v = &m->virtio->dev[n];
        if (v->pci)
            virtio_pci_reset(v->pci);
        else if (v->mmio)
            virtio_mmio_reset(v->mmio);
    }
}

void board_virtio_hold(struct machine *m, bool on)
{
    for (unsigned n = 0; m->virtio && n < m->virtio->n; n++) {
        struct virtio *dev = m->virtio->dev[n].dev;
        if (!dev)
            continue;
        virtio_lock(dev);
        virtio_hold(dev, on);
        virtio_unlock(dev);
    }
}

void board_virtio_dispose(struct machine *m)
{
    for (unsigned n = 0; m->virtio && n < m->virtio->n; n++)
        board_virtio_free(&m->virtio->dev[n]);
    free(m->virtio);
    m->virtio = NULL;
}
