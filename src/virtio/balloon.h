/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory balloon; see balloon.c. */
#pragma once
#include "virtio/virtio.h"

struct virtio_balloon;

#define VIRTIO_BALLOON_STATS 10u

struct virtio_balloon_config {
    /* The guest has given or taken back memory; at most once in a second. By a timer; may be NULL.
     */
    void (*moved)(void *opaque);
    void *opaque;
};

struct virtio_balloon_stats {
    u64 updated; /* seconds since 1970; 0: never */
    bool known[VIRTIO_BALLOON_STATS];
    u64 value[VIRTIO_BALLOON_STATS]; /* by the tags of section 5.5.6.4: 0 swap-in, … 4 free memory
                                      */
};

/* -ENOMEM. */
must_check int virtio_balloon_new(struct virtio_balloon **out, struct mem *mem, struct clock *clk,
                                  const struct virtio_balloon_config *cfg);
void virtio_balloon_free(struct virtio_balloon *b);
struct virtio *virtio_balloon_dev(struct virtio_balloon *b);
/* How many bytes the guest shall give back, in all; and how many it has. */
void virtio_balloon_set(struct virtio_balloon *b, u64 bytes);
u64 virtio_balloon_actual(const struct virtio_balloon *b);
/* Asks for new statistics, and what the guest said last. False: it cannot be asked now. */
bool virtio_balloon_ask(struct virtio_balloon *b);
const struct virtio_balloon_stats *virtio_balloon_stats(const struct virtio_balloon *b);

extern const struct state_table virtio_balloon_state;
