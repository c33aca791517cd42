/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Control queue of the SCSI host adapter (5.6.6.2): task management, and which events a driver
 * wants. An image's request cannot be called back: a function that cancels requests is answered
 * when the last of them has come to rest.
 */
#include "base/le.h"
#include "virtio/scsi_priv.h"

enum { T_TMF = 0, T_AN_QUERY = 1, T_AN_SUBSCRIBE = 2 };

enum {
    TMF_ABORT_TASK,
    TMF_ABORT_TASK_SET,
    TMF_CLEAR_ACA,
    TMF_CLEAR_TASK_SET,
    TMF_I_T_NEXUS_RESET,
    TMF_LOGICAL_UNIT_RESET,
    TMF_QUERY_TASK,
    TMF_QUERY_TASK_SET,
};

#define TMF_LEN      24u
#define AN_LEN       16u
#define AN_ANSWER    5u
#define EVENT_MEDIUM 0x10u /* the one that there is to subscribe to */

static void answer(struct virtio_scsi *s, const void *from, u64 len)
{
    struct virtq *q = &s->virtio.queue[0];

    virtq_push(q, s->buf.head, (u32)virtq_write(q, &s->buf, 0, from, len));
}

static const u64 *id_of(const struct scsi_function *f)
{
    return f->one ? &f->id : NULL;
}

void scsi_ctrl_check(struct virtio_scsi *s)
{
    struct virtq *q = &s->virtio.queue[0];
    unsigned left = 0;

    for (unsigned n = 0; n < s->nfunctions; n++) {
        struct scsi_function *f = &s->function[n];
        if (scsi_req_ending(s, f->target, id_of(f))) {
            s->function[left++] = *f;
            continue;
        }
        if (f->head.generation == q->generation) {
            *f->response = S_OK;
            mem_host_written(s->virtio.mem, f->response, 1);
        }
        virtq_push(q, f->head, 1);
    }
    if (s->nfunctions == SCSI_CONTROL_MAX && left < SCSI_CONTROL_MAX)
        virtio_go_on(q);
    s->nfunctions = left;
    virtq_interrupt(q);
}

/* What a reset leaves of a unit. */
static void reset_unit(struct scsi_unit *unit)
{
    unit->sense = SCSI_NO_SENSE;
    unit->attention = SCSI_RESET;
    unit->locked = false;
}

/* The function is answered by scsi_ctrl_check, now or later. */
static void cancel(struct virtio_scsi *s, const struct scsi_function *f, u8 response)
{
    scsi_req_cancel(s, f->target, id_of(f), response);
    s->function[s->nfunctions++] = *f;
}

/* What is to be answered at once, or -1. */
static int perform(struct virtio_scsi *s, u32 subtype, const struct scsi_function *f)
{
    switch (subtype) {
    case TMF_ABORT_TASK:
    case TMF_ABORT_TASK_SET:
    case TMF_CLEAR_TASK_SET:
        cancel(s, f, S_ABORTED);
        return -1;
    case TMF_I_T_NEXUS_RESET:
    case TMF_LOGICAL_UNIT_RESET:
        reset_unit(&s->target[f->target].unit);
        cancel(s, f, S_RESET);
        return -1;
    case TMF_QUERY_TASK:
    case TMF_QUERY_TASK_SET:
        return scsi_req_find(s, f->target, id_of(f)) ? S_FUNCTION_SUCCEEDED : S_OK;
    default:
        return S_FUNCTION_REJECTED;
    }
}

static void manage(struct virtio_scsi *s, const u8 *raw)
{
    u32 subtype = le32(raw + 4);
    struct scsi_function f = {.head = s->buf.head,
                              .response = s->buf.iov[s->buf.nout].iov_base,
                              .one = subtype == TMF_ABORT_TASK || subtype == TMF_QUERY_TASK,
                              .id = le64(raw + 16)};
    unsigned target, unit;
    int response;

    if (!scsi_address(s, raw + 8, &target, &unit))
        response = S_BAD_TARGET;
    else if (unit && subtype != TMF_I_T_NEXUS_RESET)
        response = S_INCORRECT_LUN;
    else {
        f.target = (u8)target;
        response = perform(s, subtype, &f);
    }
    if (response >= 0)
        answer(s, &(u8){(u8)response}, 1);
}

static void notification(struct virtio_scsi *s, const u8 *raw, bool subscribe)
{
    u8 reply[AN_ANSWER] = {0};
    u32 events = le32(raw + 12) & EVENT_MEDIUM;
    unsigned target, unit;

    if (!scsi_address(s, raw + 4, &target, &unit)) {
        reply[4] = S_BAD_TARGET;
    } else if (unit) {
        reply[4] = S_INCORRECT_LUN;
    } else {
        put_le32(reply, s->target[target].unit.cdrom ? events : 0);
        if (subscribe)
            s->target[target].subscribed = le32(reply);
    }
    answer(s, reply, sizeof(reply));
}

static void take(struct virtio_scsi *s)
{
    u8 raw[TMF_LEN] = {0};
    u64 len = virtq_read(&s->buf, 0, raw, sizeof(raw));
    u32 type = le32(raw);
    u64 want = type == T_TMF ? TMF_LEN : AN_LEN, room = type == T_TMF ? 1 : AN_ANSWER;

    if (len < want || s->buf.in_len < room || type > T_AN_SUBSCRIBE)
        virtio_break(&s->virtio, "a control request is unknown, or too short");
    else if (type == T_TMF)
        manage(s, raw);
    else
        notification(s, raw, type == T_AN_SUBSCRIBE);
}

void scsi_ctrl_notify(struct virtio_scsi *s)
{
    struct virtq *q = &s->virtio.queue[0];

    while (s->nfunctions < SCSI_CONTROL_MAX && virtq_pop(q, &s->buf))
        take(s);
    scsi_ctrl_check(s);
}
