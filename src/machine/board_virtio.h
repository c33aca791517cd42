/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtio devices of a board, whichever transport it has for them: PCI on "pc", MMIO on
 * "micro". Under the machine's lock but for init.
 */
#pragma once
#include "machine/board.h"
#include "virtio/virtio.h"

#define BOARD_VIRTIO_MAX  48u
#define BOARD_VIRTIO_MMIO 0xfed10000u /* of "micro": the first one … */
#define BOARD_VIRTIO_STEP 0x1000u
#define BOARD_VIRTIO_GSI  20u /* … and their four interrupts, in turn */
#define BOARD_VIRTIO_GSIS 4u

struct virtio_balloon;
struct virtio_console;
struct virtio_pci;
struct virtio_mmio;

struct board_virtio {
    struct virtio *dev; /* NULL: free for another */
    void *device;       /* what `dev` is in */
    void (*free)(void *device);
    struct virtio_pci *pci; /* one of them */
    struct virtio_mmio *mmio;
    u8 devfn; /* on PCI */
};

struct board_virtios {
    struct board_virtio dev[BOARD_VIRTIO_MAX];
    unsigned n;
    struct virtio_console *console; /* NULL: none */
    struct virtio_balloon *balloon;
};

struct board_virtio_place {
    const char *option;     /* for messages */
    struct mem_window *rom; /* PCI: to boot from it; NULL: none */
    unsigned slot;          /* PCI; 0: any */
};

/* Attaches a device, which is freed with the board, and on failure at once. */
must_check int board_virtio_add(struct machine *m, struct virtio *dev, void *device,
                                void (*free_device)(void *device),
                                const struct board_virtio_place *place, struct board_virtio **out,
                                struct err *err);
/* Takes a device on PCI off the bus, and then frees it: what it is connected to is let go of in
   between. */
void board_virtio_unplug(struct machine *m, struct board_virtio *v);
void board_virtio_free(struct board_virtio *v);
void board_virtio_reset(struct machine *m);
/* While the machine is paused. Under the machine's lock. */
void board_virtio_hold(struct machine *m, bool on);
void board_virtio_dispose(struct machine *m);
/* What options ask for beside disks and networks. Before any CPU runs, without the lock. */
must_check int board_virtio_init(struct machine *m, const struct machine_host *host,
                                 struct err *err);
/* --balloon; balloon.c. */
must_check int board_balloon_init(struct machine *m, struct err *err);
/* How many have an MMIO transport. */
unsigned board_virtio_mmio(const struct machine *m);
