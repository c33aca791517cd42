/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entropy device; see rng.c. */
#pragma once
#include "bus/clock.h"
#include "virtio/virtio.h"

struct virtio_rng;

struct virtio_rng_config {
    /* Fills it with random bytes; NULL: getrandom(2). */
    void (*fill)(void *opaque, u8 *to, size_t len);
    void *opaque;
    u32 rate; /* bytes a second, at most; 0: no limit */
};

/* -ENOMEM. */
must_check int virtio_rng_new(struct virtio_rng **out, struct mem *mem, struct clock *clk,
                              const struct virtio_rng_config *cfg);
void virtio_rng_free(struct virtio_rng *r);
struct virtio *virtio_rng_dev(struct virtio_rng *r);

extern const struct state_table virtio_rng_state;
