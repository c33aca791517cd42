/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Console with several ports; see console.c. */
#pragma once
#include "virtio/virtio.h"

#define VIRTIO_CONSOLE_PORTS    8u
#define VIRTIO_CONSOLE_NAME_MAX 32u

struct virtio_console;

struct virtio_console_port {
    const char *name; /* NULL: a console; else a port of that name */
    /* Takes bytes from the guest, all of them. */
    void (*write)(void *opaque, const u8 *buf, size_t n);
    /* The guest has room for input again (virtio_console_room); NULL: does not matter. */
    void (*room)(void *opaque);
    void *opaque;
};

struct virtio_console_config {
    struct virtio_console_port port[VIRTIO_CONSOLE_PORTS];
    unsigned nports; /* 1 to VIRTIO_CONSOLE_PORTS */
};

/* -ENOMEM. */
must_check int virtio_console_new(struct virtio_console **out, struct mem *mem, struct clock *clk,
                                  const struct virtio_console_config *cfg);
void virtio_console_free(struct virtio_console *c);
struct virtio *virtio_console_dev(struct virtio_console *c);

/* How many bytes a port's driver can take now, and giving it that many at most. */
size_t virtio_console_room(struct virtio_console *c, unsigned port);
void virtio_console_receive(struct virtio_console *c, unsigned port, const u8 *buf, size_t n);
/* The host's side of a port was opened or closed. */
void virtio_console_opened(struct virtio_console *c, unsigned port, bool open);
/* The size of a console's screen, where the driver wants to know. */
void virtio_console_resize(struct virtio_console *c, u16 cols, u16 rows);

extern const struct state_table virtio_console_state;
