/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a SCSI command runs (SPC-3): sense data, unit attention, parameters, data of the medium.
 * The commands of a kind of unit are in its table, in scsi_disk.c and scsi_cd.c.
 */
#include "dev/scsi_priv.h"

#include <errno.h>
#include <string.h>

enum {
    REQUEST_SENSE = 0x03,
    INQUIRY = 0x12,
    WRITE_SAME_10 = 0x41,
    UNMAP = 0x42,
    WRITE_SAME_16 = 0x93,
    REPORT_LUNS = 0xa0,
};

#define INQUIRY_LEN 36u

static void copy_name(char *to, const char *from, size_t max)
{
    memcpy(to, from, min_u64(strlen(from), max));
}

static u64 count_blocks(const struct scsi_unit *unit)
{
    return unit->block ? block_size(unit->block) / scsi_block_len(unit) : 0;
}

void scsi_unit_init(struct scsi_unit *unit, const struct scsi_unit_config *cfg)
{
    *unit = (struct scsi_unit){.block = cfg->block,
                               .cdrom = cfg->cdrom,
                               .removable = cfg->removable,
                               .queues = cfg->queues,
                               .atapi = cfg->atapi,
                               .on_tray = cfg->on_tray,
                               .tray_opaque = cfg->tray_opaque};
    unit->blocks = count_blocks(unit);
    copy_name(unit->vendor, cfg->vendor, sizeof(unit->vendor) - 1);
    copy_name(unit->product, cfg->product, sizeof(unit->product) - 1);
    copy_name(unit->revision, cfg->revision, sizeof(unit->revision) - 1);
    copy_name(unit->serial, cfg->serial, SCSI_NAME_MAX);
}

void scsi_resized(struct scsi_unit *unit)
{
    unit->blocks = count_blocks(unit);
    unit->attention = SCSI_CAPACITY_CHANGED;
}

void scsi_fill_sense(u32 sense, u8 buf[SCSI_SENSE])
{
    memset(buf, 0, SCSI_SENSE);
    buf[0] = 0x70; /* current, fixed format */
    buf[2] = (u8)(sense >> 16);
    buf[7] = SCSI_SENSE - 8;
    buf[12] = (u8)(sense >> 8);
    buf[13] = (u8)sense;
}

static void tell_ready(struct scsi_command *cmd)
{
    cmd->busy = false;
    cmd->ready(cmd);
}

void scsi_finish(struct scsi_command *cmd, u32 sense)
{
    cmd->left = 0;
    cmd->status = sense ? SCSI_CHECK : SCSI_GOOD;
    cmd->sense = cmd->unit->sense = sense;
    tell_ready(cmd);
}

void scsi_good(struct scsi_command *cmd)
{
    scsi_finish(cmd, SCSI_NO_SENSE);
}

u32 scsi_sense_of(int rc, enum block_op op)
{
    switch (rc) {
    case 0:
        return SCSI_NO_SENSE;
    case -EROFS:
        return SCSI_PROTECTED;
    case -ENOSPC:
        return SCSI_NO_SPACE;
    case -EINVAL:
        return SCSI_BAD_LBA;
    default:
        return op == BLOCK_READ ? SCSI_READ_ERROR : SCSI_WRITE_ERROR;
    }
}

u32 scsi_no_medium(const struct scsi_unit *unit)
{
    if (unit->cdrom)
        return unit->tray_open ? SCSI_NO_MEDIUM + 2 : unit->block ? 0 : SCSI_NO_MEDIUM + 1;
    return unit->blocks ? 0 : SCSI_NO_MEDIUM;
}

void scsi_submit(struct scsi_command *cmd, enum block_op op, u64 offset, u64 len,
                 void (*done)(struct block_req *req, int rc))
{
    cmd->req =
        (struct block_req){.op = op, .offset = offset, .len = len, .done = done, .opaque = cmd};
    block_submit(cmd->unit->block, &cmd->req);
}

void scsi_done(struct block_req *req, int rc)
{
    scsi_finish(req->opaque, scsi_sense_of(rc, req->op));
}

static void moved(struct block_req *req, int rc)
{
    struct scsi_command *cmd = req->opaque;

    if (rc) {
        scsi_finish(cmd, scsi_sense_of(rc, req->op));
        return;
    }
    cmd->offset += req->len;
    cmd->left -= req->len;
    if (!cmd->left && cmd->fua && req->op == BLOCK_WRITE)
        scsi_submit(cmd, BLOCK_FLUSH, 0, 0, scsi_done);
    else
        tell_ready(cmd);
}

void scsi_decode_range(const u8 *cdb, u64 *lba, u64 *blocks)
{
    switch (cdb[0] >> 5) {
    case 0:
        *lba = scsi_be(cdb + 1, 3) & 0x1fffff;
        *blocks = cdb[4] ? cdb[4] : 256;
        break;
    case 4:
        *lba = scsi_be(cdb + 2, 8);
        *blocks = scsi_be(cdb + 10, 4);
        break;
    case 5:
        *lba = scsi_be(cdb + 2, 4);
        *blocks = scsi_be(cdb + 6, 4);
        break;
    default:
        *lba = scsi_be(cdb + 2, 4);
        *blocks = scsi_be(cdb + 7, 2);
    }
}

bool scsi_in_range(struct scsi_command *cmd, u64 lba, u64 blocks)
{
    const struct scsi_unit *unit = cmd->unit;

    if (lba <= unit->blocks && blocks <= unit->blocks - lba)
        return true;
    scsi_finish(cmd, SCSI_BAD_LBA);
    return false;
}

void scsi_bulk(struct scsi_command *cmd, enum scsi_dir dir, u64 lba, u64 blocks)
{
    u32 len = scsi_block_len(cmd->unit);

    if (blocks > SCSI_DATA_MAX / len) {
        scsi_finish(cmd, SCSI_BAD_FIELD);
        return;
    }
    cmd->dir = dir;
    cmd->bulk = true;
    cmd->offset = lba * len;
    cmd->left = blocks * len;
    if (cmd->left)
        tell_ready(cmd);
    else
        scsi_good(cmd);
}

u8 *scsi_params(struct scsi_command *cmd)
{
    memset(cmd->params, 0, sizeof(cmd->params));
    return cmd->params;
}

void scsi_reply(struct scsi_command *cmd, u64 len, u64 room)
{
    BUG_ON(len > SCSI_PARAMS);
    cmd->dir = SCSI_IN;
    cmd->left = min_u64(len, room);
    if (cmd->left)
        tell_ready(cmd);
    else
        scsi_good(cmd);
}

void scsi_take(struct scsi_command *cmd, u64 n)
{
    cmd->dir = SCSI_OUT;
    if (n > SCSI_PARAMS) {
        scsi_finish(cmd, SCSI_BAD_FIELD);
        return;
    }
    cmd->left = n;
    cmd->taken = (u16)n;
    if (n)
        tell_ready(cmd);
    else
        scsi_good(cmd);
}

/* An attention that nobody has seen yet counts as reported. */
void scsi_request_sense(struct scsi_command *cmd)
{
    struct scsi_unit *unit = cmd->unit;
    u32 sense = cmd->sense;

    if (cmd->cdb[1] & 1) { /* descriptor format */
        scsi_finish(cmd, SCSI_BAD_FIELD);
        return;
    }
    if (!sense) {
        sense = unit->attention;
        unit->attention = 0;
    }
    cmd->sense = SCSI_NO_SENSE;
    scsi_fill_sense(sense, cmd->params);
    scsi_reply(cmd, SCSI_SENSE, cmd->cdb[4]);
}

void scsi_report_luns(struct scsi_command *cmd)
{
    scsi_params(cmd)[3] = 8; /* bytes of list: LUN 0 */
    scsi_reply(cmd, 16, scsi_be(cmd->cdb + 6, 4));
}

static void begin(struct scsi_command *cmd, const u8 *cdb, unsigned len)
{
    BUG_ON(cmd->busy);
    memset(cmd->cdb, 0, sizeof(cmd->cdb));
    memcpy(cmd->cdb, cdb, min_u64(len, sizeof(cmd->cdb)));
    cmd->dir = SCSI_NONE;
    cmd->left = 0;
    cmd->at = cmd->taken = 0;
    cmd->bulk = cmd->fua = false;
    cmd->status = SCSI_GOOD;
    cmd->sense = cmd->unit->sense; /* for REQUEST SENSE; else there is none yet */
    cmd->unit->sense = SCSI_NO_SENSE;
    cmd->busy = true;
}

static void dispatch(struct scsi_command *cmd)
{
    struct scsi_unit *unit = cmd->unit;
    const struct scsi_op *op = &(unit->cdrom ? scsi_cd_ops : scsi_disk_ops)[cmd->cdb[0]];
    u32 attention = unit->attention;

    if (!op->run) {
        scsi_finish(cmd, SCSI_BAD_OPCODE);
    } else if (attention && !(op->needs & SCSI_ANYTIME)) {
        unit->attention = 0;
        scsi_finish(cmd, attention);
    } else if (op->needs & SCSI_MEDIUM && scsi_no_medium(unit)) {
        scsi_finish(cmd, scsi_no_medium(unit));
    } else {
        op->run(cmd);
    }
}

void scsi_start(struct scsi_command *cmd, const u8 *cdb, unsigned len)
{
    begin(cmd, cdb, len);
    dispatch(cmd);
}

/* SPC-3, section 5.8.4: what answers nevertheless. */
void scsi_no_unit(struct scsi_command *cmd, const u8 *cdb, unsigned len)
{
    begin(cmd, cdb, len);
    switch (cmd->cdb[0]) {
    case INQUIRY:
        scsi_params(cmd)[0] = 0x7f; /* there cannot be one */
        cmd->params[4] = INQUIRY_LEN - 5;
        scsi_reply(cmd, INQUIRY_LEN, scsi_be(cmd->cdb + 3, 2));
        break;
    case REQUEST_SENSE:
        scsi_fill_sense(SCSI_BAD_UNIT, cmd->params);
        scsi_reply(cmd, SCSI_SENSE, cmd->cdb[4]);
        break;
    case REPORT_LUNS:
        scsi_report_luns(cmd);
        break;
    default:
        scsi_finish(cmd, SCSI_BAD_UNIT);
    }
}

/* All parameters are there. */
static void perform(struct scsi_command *cmd)
{
    cmd->at = 0;
    switch (cmd->cdb[0]) {
    case UNMAP:
        scsi_perform_unmap(cmd);
        break;
    case WRITE_SAME_10:
    case WRITE_SAME_16:
        scsi_perform_write_same(cmd);
        break;
    default:
        scsi_perform_select(cmd);
    }
}

static void move_bulk(struct scsi_command *cmd, const struct iovec *iov, unsigned count, u64 n)
{
    struct block *block = cmd->unit->block;

    if (!block) { /* taken away between two bits */
        scsi_finish(cmd, scsi_no_medium(cmd->unit));
        return;
    }
    cmd->req = (struct block_req){.op = cmd->dir == SCSI_IN ? BLOCK_READ : BLOCK_WRITE,
                                  .offset = cmd->offset,
                                  .len = n,
                                  .iov = iov,
                                  .niov = count,
                                  .done = moved,
                                  .opaque = cmd};
    if (cmd->dir == SCSI_IN && block_read_now(block, &cmd->req))
        moved(&cmd->req, 0);
    else
        block_submit(block, &cmd->req);
}

static void move_params(struct scsi_command *cmd, const struct iovec *iov, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        u8 *here = cmd->params + cmd->at;
        if (cmd->dir == SCSI_IN)
            memcpy(iov[i].iov_base, here, iov[i].iov_len);
        else
            memcpy(here, iov[i].iov_base, iov[i].iov_len);
        cmd->at = (u16)(cmd->at + iov[i].iov_len);
        cmd->left -= iov[i].iov_len;
    }
    if (!cmd->left && cmd->dir == SCSI_OUT)
        perform(cmd);
    else
        tell_ready(cmd);
}

void scsi_move_pieces(struct scsi_command *cmd, const struct iovec *iov, unsigned count, u64 n)
{
    BUG_ON(cmd->busy || !n || n > cmd->left);
    cmd->busy = true;
    if (cmd->bulk)
        move_bulk(cmd, iov, count, n);
    else
        move_params(cmd, iov, count);
}

void scsi_move(struct scsi_command *cmd, u8 *buf, u64 n)
{
    cmd->whole = (struct iovec){buf, n};
    scsi_move_pieces(cmd, &cmd->whole, 1, n);
}

void scsi_truncate(struct scsi_command *cmd, u64 left)
{
    cmd->left = min_u64(cmd->left, left);
}

const struct state_field scsi_unit_fields[] = {
    STATE_UINT(struct scsi_unit, sense),
    STATE_UINT(struct scsi_unit, attention),
    STATE_BOOL(struct scsi_unit, write_through),
    STATE_BOOL(struct scsi_unit, tray_open),
    STATE_BOOL(struct scsi_unit, locked),
    STATE_UINT(struct scsi_unit, event),
    STATE_END,
};

const struct state_field scsi_command_fields[] = {
    STATE_UINT(struct scsi_command, dir),     STATE_UINT(struct scsi_command, left),
    STATE_UINT(struct scsi_command, status),  STATE_UINT(struct scsi_command, sense),
    STATE_ARRAY(struct scsi_command, cdb),    STATE_BOOL(struct scsi_command, bulk),
    STATE_BOOL(struct scsi_command, fua),     STATE_UINT(struct scsi_command, offset),
    STATE_UINT(struct scsi_command, at),      STATE_UINT(struct scsi_command, taken),
    STATE_ARRAY(struct scsi_command, params), STATE_END,
};

int scsi_unit_loaded(const struct scsi_unit *unit)
{
    return !unit->cdrom && (unit->tray_open || unit->locked || unit->event) ? -EINVAL : 0;
}

int scsi_command_loaded(const struct scsi_command *cmd)
{
    const struct scsi_unit *unit = cmd->unit;
    u64 size = unit->blocks * scsi_block_len(unit);
    bool out = cmd->dir == SCSI_OUT;

    if (cmd->dir > SCSI_OUT || (cmd->left && cmd->dir == SCSI_NONE) || cmd->taken > SCSI_PARAMS)
        return -EINVAL;
    if (cmd->bulk) {
        if (out && unit->cdrom)
            return -EINVAL;
        return cmd->offset > size || cmd->left > size - cmd->offset ? -EINVAL : 0;
    }
    if (cmd->left && out)
        return cmd->at + cmd->left != cmd->taken ? -EINVAL : 0;
    return cmd->at > SCSI_PARAMS || cmd->left > (u64)(SCSI_PARAMS - cmd->at) ? -EINVAL : 0;
}
