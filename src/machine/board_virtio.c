/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine/board_virtio.h"

#include "machine/pc.h"
#include "virtio/mmio.h"
#include "virtio/pci.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int attach_pci(struct machine *m, struct board_virtio *v,
                      const struct board_virtio_place *place)
{
    struct virtio_pci_config cfg = {.rom = place->rom};
    int rc = pc_take_slot(m->pc, &v->devfn);

    return rc ? rc : virtio_pci_new(&v->pci, m->pci, v->devfn, v->dev, &cfg);
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
    if (rc)
        return err_set(err, -rc, "%s: cannot attach %s: %s", place->option, dev->name,
                       rc == -ENOSPC ? "no PCI slot is left" : strerror(-rc));
    if (out)
        *out = v;
    return 0;
}

void board_virtio_reset(struct machine *m)
{
    for (unsigned n = 0; m->virtio && n < m->virtio->n; n++) {
        struct board_virtio *v = &m->virtio->dev[n];
        if (v->pci)
            virtio_pci_reset(v->pci);
        else
            virtio_mmio_reset(v->mmio);
    }
}

void board_virtio_dispose(struct machine *m)
{
    for (unsigned n = 0; m->virtio && n < m->virtio->n; n++) {
        struct board_virtio *v = &m->virtio->dev[n];
        virtio_pci_free(v->pci);
        virtio_mmio_free(v->mmio);
        v->free(v->device);
    }
    free(m->virtio);
    m->virtio = NULL;
}
