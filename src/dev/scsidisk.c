/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A direct-access SCSI disk of 512-byte blocks (SPC-3, SBC-3): which commands there are, and how
 * they become requests of a disk image. What it tells of itself is scsidisk_info.c's.
 *
 * Left out: MODE SELECT, FORMAT UNIT, comparing VERIFY, WRITE SAME of anything but zeros,
 * reservations (accepted, since there is one initiator). Runs under the machine's lock.
 */
#include "dev/scsidisk.h"

#include <errno.h>
#include <string.h>

enum {
    TEST_UNIT_READY = 0x00,
    REQUEST_SENSE = 0x03,
    READ_6 = 0x08,
    WRITE_6 = 0x0a,
    INQUIRY = 0x12,
    RESERVE_6 = 0x16,
    RELEASE_6 = 0x17,
    MODE_SENSE_6 = 0x1a,
    START_STOP = 0x1b,
    PREVENT_ALLOW = 0x1e,
    FORMAT_CAPACITIES = 0x23,
    READ_CAPACITY_10 = 0x25,
    READ_10 = 0x28,
    WRITE_10 = 0x2a,
    WRITE_VERIFY_10 = 0x2e,
    VERIFY_10 = 0x2f,
    SYNC_CACHE_10 = 0x35,
    WRITE_SAME_10 = 0x41,
    UNMAP = 0x42,
    MODE_SENSE_10 = 0x5a,
    READ_16 = 0x88,
    WRITE_16 = 0x8a,
    VERIFY_16 = 0x8f,
    SYNC_CACHE_16 = 0x91,
    WRITE_SAME_16 = 0x93,
    SERVICE_ACTION_IN_16 = 0x9e,
    REPORT_LUNS = 0xa0,
    READ_12 = 0xa8,
    WRITE_12 = 0xaa,
    VERIFY_12 = 0xaf,
};

#define SA_CAPACITY_16 0x10u
#define CDB_PROTECT    0xe0u /* byte 1 */
#define CDB_FUA        0x08u
#define CDB_BYTCHK     0x06u
#define CDB_ANCHOR     0x01u /* of UNMAP */
#define CDB_SAME_ANY   0xf7u /* of WRITE SAME: protection, ANCHOR, PBDATA, LBDATA, NDOB */
#define UNMAP_HEADER   8u
#define UNMAP_DESC     16u

void scsi_disk_init(struct scsi_disk *disk, struct block *block, const char *product,
                    const char *serial, bool removable)
{
    *disk = (struct scsi_disk){
        .block = block, .removable = removable, .blocks = block_size(block) / BLOCK_SECTOR};
    memcpy(disk->product, product, min_u64(strlen(product), sizeof(disk->product) - 1));
    memcpy(disk->serial, serial, min_u64(strlen(serial), SCSI_NAME_MAX));
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

static void finish(struct scsi_command *cmd, u32 sense)
{
    cmd->left = 0;
    cmd->status = sense ? SCSI_CHECK : SCSI_GOOD;
    cmd->sense = cmd->disk->sense = sense;
    tell_ready(cmd);
}

void scsi_no_unit(struct scsi_command *cmd)
{
    cmd->dir = SCSI_NONE;
    cmd->busy = true;
    finish(cmd, SCSI_BAD_UNIT);
}

static u32 sense_of(int rc, enum block_op op)
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

static void submit(struct scsi_command *cmd, enum block_op op, u64 offset, u64 len, u8 *buf,
                   void (*done)(struct block_req *req, int rc))
{
    cmd->req = (struct block_req){
        .op = op, .offset = offset, .len = len, .buf = buf, .done = done, .opaque = cmd};
    block_submit(cmd->disk->block, &cmd->req);
}

/* The last request of a command is over. */
static void done(struct block_req *req, int rc)
{
    finish(req->opaque, sense_of(rc, req->op));
}

static void moved(struct block_req *req, int rc)
{
    struct scsi_command *cmd = req->opaque;

    if (rc) {
        finish(cmd, sense_of(rc, req->op));
        return;
    }
    cmd->offset += req->len;
    cmd->left -= req->len;
    if (!cmd->left && cmd->fua && req->op == BLOCK_WRITE)
        submit(cmd, BLOCK_FLUSH, 0, 0, NULL, done);
    else
        tell_ready(cmd);
}

/* Checks `blocks` blocks from lba on; where it fails, the command is over. */
static bool in_range(struct scsi_command *cmd, u64 lba, u64 blocks)
{
    const struct scsi_disk *disk = cmd->disk;

    if (lba <= disk->blocks && blocks <= disk->blocks - lba)
        return true;
    finish(cmd, SCSI_BAD_LBA);
    return false;
}

static bool writable(struct scsi_command *cmd)
{
    if (!block_read_only(cmd->disk->block))
        return true;
    finish(cmd, SCSI_PROTECTED);
    return false;
}

/* Where and how much, from any of the four lengths of a command. */
static void decode_range(const u8 *cdb, u64 *lba, u64 *blocks)
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

static void start_bulk(struct scsi_command *cmd, enum scsi_dir dir)
{
    bool six = cmd->cdb[0] < 0x20;
    u64 lba, blocks;

    decode_range(cmd->cdb, &lba, &blocks);
    if (!six && cmd->cdb[1] & CDB_PROTECT) {
        finish(cmd, SCSI_BAD_FIELD);
        return;
    }
    if (!in_range(cmd, lba, blocks) || (dir == SCSI_OUT && !writable(cmd)))
        return;
    cmd->dir = dir;
    cmd->bulk = true;
    cmd->fua = dir == SCSI_OUT && !six && cmd->cdb[1] & CDB_FUA;
    cmd->offset = lba * BLOCK_SECTOR;
    cmd->left = blocks * BLOCK_SECTOR;
    if (cmd->left)
        tell_ready(cmd);
    else
        finish(cmd, SCSI_NO_SENSE);
}

/* A reply in params; n as scsidisk_info.c gives it. */
static void reply(struct scsi_command *cmd, int n, u64 allocated)
{
    if (n < 0) {
        finish(cmd, (u32)-n);
        return;
    }
    BUG_ON((unsigned)n > SCSI_PARAMS);
    cmd->dir = SCSI_IN;
    cmd->left = min_u64((u64)n, allocated);
    if (cmd->left)
        tell_ready(cmd);
    else
        finish(cmd, SCSI_NO_SENSE);
}

/* Takes `n` bytes of parameters, then perform_params. */
static void take_params(struct scsi_command *cmd, u64 n)
{
    cmd->dir = SCSI_OUT;
    cmd->left = n;
    if (n > SCSI_PARAMS)
        finish(cmd, SCSI_BAD_FIELD);
    else if (n)
        tell_ready(cmd);
    else
        finish(cmd, SCSI_NO_SENSE);
}

static void request_sense(struct scsi_command *cmd, u32 sense)
{
    if (cmd->cdb[1] & 1) /* descriptor format */
        reply(cmd, -(int)SCSI_BAD_FIELD, 0);
    else {
        scsi_fill_sense(sense, cmd->params);
        reply(cmd, SCSI_SENSE, cmd->cdb[4]);
    }
}

static void report_luns(struct scsi_command *cmd)
{
    cmd->params[3] = 8; /* bytes of list: LUN 0 */
    reply(cmd, 16, scsi_be(cmd->cdb + 6, 4));
}

static void verify(struct scsi_command *cmd)
{
    u64 lba, blocks;

    decode_range(cmd->cdb, &lba, &blocks);
    if (cmd->cdb[1] & (CDB_PROTECT | CDB_BYTCHK))
        finish(cmd, SCSI_BAD_FIELD);
    else if (in_range(cmd, lba, blocks))
        finish(cmd, SCSI_NO_SENSE);
}

static void start_write_same(struct scsi_command *cmd)
{
    u64 lba, blocks;

    decode_range(cmd->cdb, &lba, &blocks);
    if (cmd->cdb[1] & CDB_SAME_ANY)
        finish(cmd, SCSI_BAD_FIELD);
    else if (in_range(cmd, lba, blocks) && writable(cmd))
        take_params(cmd, BLOCK_SECTOR);
}

/* No count is as far as the disk goes. */
static void write_same(struct scsi_command *cmd)
{
    u64 lba, blocks;

    for (unsigned i = 0; i < BLOCK_SECTOR; i++)
        if (cmd->params[i]) {
            finish(cmd, SCSI_BAD_PARAMS);
            return;
        }
    decode_range(cmd->cdb, &lba, &blocks);
    if (!in_range(cmd, lba, blocks))
        return;
    if (!blocks)
        blocks = cmd->disk->blocks - lba;
    if (blocks)
        submit(cmd, BLOCK_ZERO, lba * BLOCK_SECTOR, blocks * BLOCK_SECTOR, NULL, done);
    else
        finish(cmd, SCSI_NO_SENSE);
}

static void discarded(struct block_req *req, int rc);

static void next_discard(struct scsi_command *cmd)
{
    u64 sent = min_u64(scsi_be(cmd->cdb + 7, 2), SCSI_PARAMS);
    u64 end = min_u64(UNMAP_HEADER + scsi_be(cmd->params + 2, 2), sent);

    while (cmd->at + UNMAP_DESC <= end) {
        u64 lba = scsi_be(cmd->params + cmd->at, 8), blocks = scsi_be(cmd->params + cmd->at + 8, 4);
        cmd->at += UNMAP_DESC;
        if (!in_range(cmd, lba, blocks))
            return;
        if (blocks) {
            submit(cmd, BLOCK_DISCARD, lba * BLOCK_SECTOR, blocks * BLOCK_SECTOR, NULL, discarded);
            return;
        }
    }
    finish(cmd, SCSI_NO_SENSE);
}

static void discarded(struct block_req *req, int rc)
{
    if (rc && rc != -EOPNOTSUPP) /* it is only a hint */
        finish(req->opaque, sense_of(rc, req->op));
    else
        next_discard(req->opaque);
}

static void start_unmap(struct scsi_command *cmd)
{
    u64 n = scsi_be(cmd->cdb + 7, 2);

    if (cmd->cdb[1] & CDB_ANCHOR || (n && n < UNMAP_HEADER))
        finish(cmd, SCSI_BAD_FIELD);
    else if (writable(cmd))
        take_params(cmd, n);
}

/* All parameters are there. */
static void perform_params(struct scsi_command *cmd)
{
    cmd->at = UNMAP_HEADER;
    if (cmd->cdb[0] == UNMAP)
        next_discard(cmd);
    else
        write_same(cmd);
}

/* Commands for which there must be a medium. */
static void start_medium(struct scsi_command *cmd)
{
    u8 *params = cmd->params;

    if (!cmd->disk->blocks) {
        finish(cmd, SCSI_NO_MEDIUM);
        return;
    }
    switch (cmd->cdb[0]) {
    case TEST_UNIT_READY:
        finish(cmd, SCSI_NO_SENSE);
        break;
    case READ_6:
    case READ_10:
    case READ_12:
    case READ_16:
        start_bulk(cmd, SCSI_IN);
        break;
    case WRITE_6:
    case WRITE_10:
    case WRITE_12:
    case WRITE_16:
    case WRITE_VERIFY_10:
        start_bulk(cmd, SCSI_OUT);
        break;
    case FORMAT_CAPACITIES:
        reply(cmd, scsi_format_capacities(cmd->disk, params), scsi_be(cmd->cdb + 7, 2));
        break;
    case READ_CAPACITY_10:
        reply(cmd, scsi_capacity10(cmd->disk, params), SCSI_PARAMS);
        break;
    case SERVICE_ACTION_IN_16:
        reply(cmd,
              (cmd->cdb[1] & 0x1f) == SA_CAPACITY_16 ? scsi_capacity16(cmd->disk, params)
                                                     : -(int)SCSI_BAD_FIELD,
              scsi_be(cmd->cdb + 10, 4));
        break;
    case VERIFY_10:
    case VERIFY_12:
    case VERIFY_16:
        verify(cmd);
        break;
    case WRITE_SAME_10:
    case WRITE_SAME_16:
        start_write_same(cmd);
        break;
    case UNMAP:
        start_unmap(cmd);
        break;
    default:
        finish(cmd, SCSI_BAD_OPCODE);
    }
}

static void dispatch(struct scsi_command *cmd, u32 sense)
{
    const u8 *cdb = cmd->cdb;

    switch (cdb[0]) {
    case REQUEST_SENSE:
        request_sense(cmd, sense);
        break;
    case INQUIRY:
        reply(cmd, scsi_inquiry(cmd->disk, cdb, cmd->params), scsi_be(cdb + 3, 2));
        break;
    case MODE_SENSE_6:
        reply(cmd, scsi_mode_sense(cmd->disk, cdb, cmd->params), cdb[4]);
        break;
    case MODE_SENSE_10:
        reply(cmd, scsi_mode_sense(cmd->disk, cdb, cmd->params), scsi_be(cdb + 7, 2));
        break;
    case REPORT_LUNS:
        report_luns(cmd);
        break;
    case START_STOP:
    case SYNC_CACHE_10:
    case SYNC_CACHE_16:
        submit(cmd, BLOCK_FLUSH, 0, 0, NULL, done);
        break;
    case RESERVE_6:
    case RELEASE_6:
    case PREVENT_ALLOW:
        finish(cmd, SCSI_NO_SENSE);
        break;
    default:
        start_medium(cmd);
    }
}

void scsi_start(struct scsi_command *cmd, const u8 *cdb, unsigned len)
{
    u32 sense = cmd->disk->sense;

    BUG_ON(cmd->busy);
    memset(cmd->cdb, 0, sizeof(cmd->cdb));
    memcpy(cmd->cdb, cdb, min_u64(len, sizeof(cmd->cdb)));
    memset(cmd->params, 0, sizeof(cmd->params));
    cmd->dir = SCSI_NONE;
    cmd->left = 0;
    cmd->at = 0;
    cmd->bulk = cmd->fua = false;
    cmd->status = SCSI_GOOD;
    cmd->sense = cmd->disk->sense = SCSI_NO_SENSE;
    cmd->busy = true;
    cmd->disk->blocks = block_size(cmd->disk->block) / BLOCK_SECTOR; /* it may have been resized */
    dispatch(cmd, sense);
}

void scsi_move(struct scsi_command *cmd, u8 *buf, u64 n)
{
    BUG_ON(cmd->busy || !n || n > cmd->left);
    cmd->busy = true;
    if (cmd->bulk) {
        submit(cmd, cmd->dir == SCSI_IN ? BLOCK_READ : BLOCK_WRITE, cmd->offset, n, buf, moved);
        return;
    }
    if (cmd->dir == SCSI_IN)
        memcpy(buf, cmd->params + cmd->at, n);
    else
        memcpy(cmd->params + cmd->at, buf, n);
    cmd->at = (u16)(cmd->at + n);
    cmd->left -= n;
    if (!cmd->left && cmd->dir == SCSI_OUT)
        perform_params(cmd);
    else
        tell_ready(cmd);
}

void scsi_truncate(struct scsi_command *cmd, u64 left)
{
    cmd->left = min_u64(cmd->left, left);
}

const struct state_field scsi_disk_fields[] = {
    STATE_UINT(struct scsi_disk, sense),
    STATE_END,
};

const struct state_field scsi_command_fields[] = {
    STATE_UINT(struct scsi_command, dir),
    STATE_UINT(struct scsi_command, left),
    STATE_UINT(struct scsi_command, status),
    STATE_UINT(struct scsi_command, sense),
    STATE_ARRAY(struct scsi_command, cdb),
    STATE_BOOL(struct scsi_command, bulk),
    STATE_BOOL(struct scsi_command, fua),
    STATE_UINT(struct scsi_command, offset),
    STATE_UINT(struct scsi_command, at),
    STATE_ARRAY(struct scsi_command, params),
    STATE_END,
};

int scsi_command_loaded(struct scsi_command *cmd)
{
    u64 size = cmd->disk->blocks * BLOCK_SECTOR;

    if (cmd->dir > SCSI_OUT || (cmd->left && cmd->dir == SCSI_NONE))
        return -EINVAL;
    if (cmd->bulk)
        return cmd->offset > size || cmd->left > size - cmd->offset ? -EINVAL : 0;
    return cmd->at > SCSI_PARAMS || cmd->left > (u64)(SCSI_PARAMS - cmd->at) ? -EINVAL : 0;
}
