/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared folder; see share.c. */
#pragma once
#include "p9/p9.h"
#include "virtio/virtio.h"

#define VIRTIO_SHARE_TAG_MAX 31u /* as Linux has it */

struct virtio_share;

struct virtio_share_config {
    struct p9_config folder;
    const char *tag; /* what a guest mounts; 1 to VIRTIO_SHARE_TAG_MAX bytes */
    bool no_thread;  /* messages wait for virtio_share_drain: for tests that want each step */
    bool packed;     /* offer packed rings */
};

/* -errno with a message that names the folder. */
must_check int virtio_share_new(struct virtio_share **out, struct mem *mem, struct clock *clk,
                                const struct virtio_share_config *cfg, struct err *err);
void virtio_share_free(struct virtio_share *s);
struct virtio *virtio_share_dev(struct virtio_share *s);
/* Waits until all messages are answered. */
void virtio_share_drain(struct virtio_share *s);

extern const struct state_table virtio_share_state;
