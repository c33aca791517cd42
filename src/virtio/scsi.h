/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SCSI host adapter; see scsi.c. */
#pragma once
#include "dev/scsi.h"
#include "virtio/virtio.h"

#define VIRTIO_SCSI_TARGETS 32u
#define VIRTIO_SCSI_QUEUES  16u /* for requests, at most */

struct virtio_scsi;

struct virtio_scsi_config {
    /* Logical unit 0 of targets 0 … nunits - 1, with a serial number if they have none; blocks are
       not owned: close them first, then free the device. */
    struct scsi_unit_config unit[VIRTIO_SCSI_TARGETS];
    unsigned nunits;
    unsigned queues; /* 1 to VIRTIO_SCSI_QUEUES */
    bool packed;     /* offer packed rings */
};

/* -ENOMEM. */
must_check int virtio_scsi_new(struct virtio_scsi **out, struct mem *mem, struct clock *clk,
                               const struct virtio_scsi_config *cfg);
void virtio_scsi_free(struct virtio_scsi *s);
struct virtio *virtio_scsi_dev(struct virtio_scsi *s);
/* A logical unit that comes to the target, which is free, and one that goes, with what it does at
   the moment waited for: its image is the caller's again then. The driver is told. The machine's
   lock is held, by virtio_scsi_unplug once, and let go of while waiting. */
void virtio_scsi_plug(struct virtio_scsi *s, unsigned target, const struct scsi_unit_config *cfg);
void virtio_scsi_unplug(struct virtio_scsi *s, unsigned target);
/* NULL: the target is free. For its tray and disc; the driver is told with
 * virtio_scsi_medium_changed. */
struct scsi_unit *virtio_scsi_unit(struct virtio_scsi *s, unsigned target);
void virtio_scsi_medium_changed(struct virtio_scsi *s, unsigned target);

/* Saved with nothing in flight: block_drain comes first. */
extern const struct state_table virtio_scsi_state;
