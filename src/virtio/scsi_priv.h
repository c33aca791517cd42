/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What scsi.c shares with requests (scsi_req.c) and the control queue (scsi_ctrl.c). */
#pragma once
#include "virtio/parts.h"
#include "virtio/scsi.h"

#define SCSI_F_HOTPLUG 1u /* without it Linux gives no buffers for events of any kind */
#define SCSI_F_CHANGE  2u

/* Responses, to requests and to task management. */
enum {
    S_OK = 0,
    S_OVERRUN = 1,
    S_ABORTED = 2,
    S_BAD_TARGET = 3,
    S_RESET = 4,
    S_FAILURE = 9,
    S_FUNCTION_SUCCEEDED = 10,
    S_FUNCTION_REJECTED = 11,
    S_INCORRECT_LUN = 12,
};

#define SCSI_LUN_LEN     8u
#define SCSI_CONTROL_MAX 32u /* functions that wait for requests to end */

#define SCSI_CFG_SENSE 20u /* of configuration space: how long these are in requests */
#define SCSI_CFG_CDB   24u

struct virtio_scsi;

struct scsi_target {
    struct scsi_unit unit;
    struct virtio_scsi *s; /* NULL: there is none */
    u32 subscribed;        /* events */
};

/* A task management function that waits until the requests that it cancels are over. */
struct scsi_function {
    struct virtq_head head;
    u8 *response; /* in guest memory */
    u8 target;
    bool one; /* it is about one request, `id` */
    u64 id;
};

struct scsi_req;

struct virtio_scsi {
    struct virtio virtio;
    struct scsi_target target[VIRTIO_SCSI_TARGETS];
    struct scsi_req *requests; /* in flight */
    struct scsi_function function[SCSI_CONTROL_MAX];
    unsigned nfunctions;
    bool missed; /* an event found no buffer */
    struct virtq_buf buf;
};

/* Which target, and which of its logical units; false: the address is none. */
bool scsi_address(const struct virtio_scsi *s, const u8 lun[SCSI_LUN_LEN], unsigned *target,
                  unsigned *unit);

/* scsi_req.c: starts what is in s->buf. */
void scsi_req_start(struct virtio_scsi *s, struct virtq *q);
/* Whether there is such a request, and making those end early with `response`; NULL: any id. */
bool scsi_req_find(const struct virtio_scsi *s, unsigned target, const u64 *id);
void scsi_req_cancel(struct virtio_scsi *s, unsigned target, const u64 *id, u8 response);
/* One that was cancelled is not over yet. */
bool scsi_req_ending(const struct virtio_scsi *s, unsigned target, const u64 *id);

/* scsi_ctrl.c */
void scsi_ctrl_notify(struct virtio_scsi *s);
/* A cancelled request is over. */
void scsi_ctrl_check(struct virtio_scsi *s);
