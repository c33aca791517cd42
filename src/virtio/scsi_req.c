/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests of the SCSI host adapter (5.6.6.1). Commands move their data from or to guest memory. */
#include "base/le.h"
#include "virtio/scsi_priv.h"

#include <stdlib.h>

#define HEADER   19u /* before the command */
#define RESPONSE 12u /* before the sense data */

struct scsi_req {
    struct scsi_req *next, **prev;
    struct virtio_scsi *s;
    struct virtq *q;
    struct virtq_head head;
    struct scsi_command cmd;
    unsigned target;
    u64 id;
    bool cancelled;
    u8 response;
    enum scsi_dir dir; /* of the driver's data */
    u64 room;          /* bytes of it */
    struct parts answer, data;
    bool moving; /* the command is at all of `data` */
    u64 moved;
    struct iovec iov[];
};

static bool is_of(const struct scsi_req *r, unsigned target, const u64 *id)
{
    return r->target == target && (!id || r->id == *id);
}

bool scsi_req_find(const struct virtio_scsi *s, unsigned target, const u64 *id)
{
    for (const struct scsi_req *r = s->requests; r; r = r->next)
        if (is_of(r, target, id) && !r->cancelled)
            return true;
    return false;
}

bool scsi_req_ending(const struct virtio_scsi *s, unsigned target, const u64 *id)
{
    for (const struct scsi_req *r = s->requests; r; r = r->next)
        if (is_of(r, target, id) && r->cancelled)
            return true;
    return false;
}

void scsi_req_cancel(struct virtio_scsi *s, unsigned target, const u64 *id, u8 response)
{
    for (struct scsi_req *r = s->requests; r; r = r->next)
        if (is_of(r, target, id) && !r->cancelled) {
            r->cancelled = true;
            r->response = response;
        }
}

static bool stale(const struct scsi_req *r)
{
    return r->head.generation != r->q->generation;
}

/* Fills in the response; how many bytes are written, with the data behind it. */
static u32 respond(struct scsi_req *r)
{
    u8 raw[RESPONSE + SCSI_SENSE] = {0};
    u64 room = r->answer.bytes;

    raw[11] = r->response;
    if (r->response == S_OK) {
        raw[10] = r->cmd.status;
        put_le32(raw + 4, (u32)(r->room - r->moved));
        if (r->cmd.status == SCSI_CHECK) {
            put_le32(raw, (u32)min_u64(SCSI_SENSE, room - RESPONSE));
            scsi_fill_sense(r->cmd.sense, raw + RESPONSE);
            r->cmd.unit->sense = SCSI_NO_SENSE; /* it is told with the response */
        }
    }
    parts_write(&r->answer, r->s->virtio.mem, raw, min_u64(sizeof(raw), room));
    return (u32)(room + (r->dir == SCSI_IN ? r->moved : 0));
}

static void end(struct scsi_req *r)
{
    struct virtio_scsi *s = r->s;
    bool cancelled = r->cancelled;

    if (!stale(r)) {
        virtq_push(r->q, r->head, respond(r));
        virtq_interrupt(r->q);
    }
    if (r->prev)
        *r->prev = r->next;
    if (r->next)
        r->next->prev = r->prev;
    free(r);
    if (cancelled)
        scsi_ctrl_check(s);
}

static void end_with(struct scsi_req *r, u8 response)
{
    r->response = response;
    end(r);
}

static void move(struct scsi_req *r)
{
    struct parts *data = &r->data;

    parts_set(data, data->iov, data->iov, data->n, 0, r->cmd.left);
    r->moving = true;
    scsi_move_pieces(&r->cmd, data->iov, data->n, data->bytes);
}

static void moved(struct scsi_req *r)
{
    const struct parts *data = &r->data;

    if (r->cmd.dir == SCSI_IN) /* what failed may have come in part */
        mem_pieces_written(r->s->virtio.mem, data->iov, data->n);
    if (r->cmd.status == SCSI_GOOD)
        r->moved = data->bytes;
}

/* What the command has to move goes where the driver has room, and there is enough of it. */
static bool data_fits(struct scsi_req *r)
{
    struct scsi_command *cmd = &r->cmd;

    if (cmd->dir != r->dir)
        return false;
    if (cmd->dir == SCSI_IN && !cmd->bulk)
        scsi_truncate(cmd, r->room);
    return cmd->left <= r->room;
}

static void command_ready(struct scsi_command *cmd)
{
    struct scsi_req *r = container_of(cmd, struct scsi_req, cmd);

    if (r->moving)
        moved(r);
    if (stale(r) || r->cancelled || !cmd->left)
        end(r);
    else if (data_fits(r))
        move(r);
    else
        end_with(r, S_OVERRUN);
}

static void start(struct scsi_req *r, const u8 *header, u64 cdb_len)
{
    struct virtio_scsi *s = r->s;
    unsigned unit;

    r->id = le64(header + SCSI_LUN_LEN);
    if (!scsi_address(s, header, &r->target, &unit)) {
        end_with(r, S_BAD_TARGET);
        return;
    }
    r->next = s->requests;
    r->prev = &s->requests;
    if (r->next)
        r->next->prev = &r->next;
    s->requests = r;
    r->cmd = (struct scsi_command){.unit = &s->target[r->target].unit, .ready = command_ready};
    if (unit)
        scsi_no_unit(&r->cmd, header + HEADER, (unsigned)cdb_len);
    else
        scsi_start(&r->cmd, header + HEADER, (unsigned)cdb_len);
}

static void refuse(struct virtio_scsi *s, struct virtq *q)
{
    u8 raw[RESPONSE] = {[11] = S_FAILURE};

    virtq_push(q, s->buf.head, (u32)virtq_write(q, &s->buf, 0, raw, sizeof(raw)));
}

void scsi_req_start(struct virtio_scsi *s, struct virtq *q)
{
    const struct virtq_buf *buf = &s->buf;
    u64 cdb_len = le32(s->virtio.config + SCSI_CFG_CDB);
    u64 answer_len = RESPONSE + le32(s->virtio.config + SCSI_CFG_SENSE);
    u64 header_len = HEADER + cdb_len;
    u8 header[HEADER + SCSI_CDB_MAX] = {0};
    struct scsi_req *r;
    bool in = buf->in_len > answer_len;

    if (buf->out_len < header_len || buf->in_len < answer_len) {
        virtio_break(&s->virtio, "a request has no header or no room for its response");
        return;
    }
    r = calloc(1, sizeof(*r) + (buf->nout + buf->nin + 1) * sizeof(r->iov[0]));
    if (!r || (in && buf->out_len > header_len)) { /* both ways: without INOUT there is none */
        free(r);
        refuse(s, q);
        return;
    }
    r->s = s;
    r->q = q;
    r->head = buf->head;
    r->dir = in ? SCSI_IN : buf->out_len > header_len ? SCSI_OUT : SCSI_NONE;
    parts_set(&r->answer, r->iov, buf->iov + buf->nout, buf->nin, 0, answer_len);
    if (in)
        parts_set(&r->data, r->iov + r->answer.n, buf->iov + buf->nout, buf->nin, answer_len,
                  buf->in_len - answer_len);
    else
        parts_set(&r->data, r->iov + r->answer.n, buf->iov, buf->nout, header_len,
                  buf->out_len - header_len);
    r->room = r->data.bytes;
    cdb_len = min_u64(cdb_len, SCSI_CDB_MAX);
    virtq_read(buf, 0, header, HEADER + cdb_len);
    start(r, header, cdb_len);
}
