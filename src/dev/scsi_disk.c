/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands of a direct-access SCSI disk of 512-byte blocks (SPC-3, SBC-3), and how they become
 * requests of a disk image.
 *
 * Left out: FORMAT UNIT, comparing VERIFY, WRITE SAME of anything but zeros, reservations
 * (accepted, since there is one initiator).
 */
#include "dev/scsi_priv.h"

#include <errno.h>

#define SA_CAPACITY_16 0x10u
#define CDB_PROTECT    0xe0u /* byte 1 */
#define CDB_FUA        0x08u
#define CDB_BYTCHK     0x06u
#define CDB_ANCHOR     0x01u /* of UNMAP */
#define CDB_SAME_ANY   0xf7u /* of WRITE SAME: protection, ANCHOR, PBDATA, LBDATA, NDOB */
#define UNMAP_HEADER   8u
#define UNMAP_DESC     16u

static bool writable(struct scsi_command *cmd)
{
    if (!block_read_only(cmd->unit->block))
        return true;
    scsi_finish(cmd, SCSI_PROTECTED);
    return false;
}

static void start_bulk(struct scsi_command *cmd, enum scsi_dir dir)
{
    bool six = cmd->cdb[0] < 0x20;
    u64 lba, blocks;

    scsi_decode_range(cmd->cdb, &lba, &blocks);
    if (!six && cmd->cdb[1] & CDB_PROTECT) {
        scsi_finish(cmd, SCSI_BAD_FIELD);
        return;
    }
    if (!scsi_in_range(cmd, lba, blocks) || (dir == SCSI_OUT && !writable(cmd)))
        return;
    cmd->fua = dir == SCSI_OUT && (cmd->unit->write_through || (!six && cmd->cdb[1] & CDB_FUA));
    scsi_bulk(cmd, dir, lba, blocks);
}

static void read_blocks(struct scsi_command *cmd)
{
    start_bulk(cmd, SCSI_IN);
}

static void write_blocks(struct scsi_command *cmd)
{
    start_bulk(cmd, SCSI_OUT);
}

static void verify(struct scsi_command *cmd)
{
    u64 lba, blocks;

    scsi_decode_range(cmd->cdb, &lba, &blocks);
    if (cmd->cdb[1] & (CDB_PROTECT | CDB_BYTCHK))
        scsi_finish(cmd, SCSI_BAD_FIELD);
    else if (scsi_in_range(cmd, lba, blocks))
        scsi_good(cmd);
}

static void flush(struct scsi_command *cmd)
{
    scsi_submit(cmd, BLOCK_FLUSH, 0, 0, scsi_done);
}

static void start_write_same(struct scsi_command *cmd)
{
    u64 lba, blocks;

    scsi_decode_range(cmd->cdb, &lba, &blocks);
    if (cmd->cdb[1] & CDB_SAME_ANY)
        scsi_finish(cmd, SCSI_BAD_FIELD);
    else if (scsi_in_range(cmd, lba, blocks) && writable(cmd))
        scsi_take(cmd, BLOCK_SECTOR);
}

/* No count is as far as the disk goes. */
void scsi_perform_write_same(struct scsi_command *cmd)
{
    u64 lba, blocks;

    for (unsigned i = 0; i < BLOCK_SECTOR; i++)
        if (cmd->params[i]) {
            scsi_finish(cmd, SCSI_BAD_PARAMS);
            return;
        }
    scsi_decode_range(cmd->cdb, &lba, &blocks);
    if (!scsi_in_range(cmd, lba, blocks))
        return;
    if (!blocks)
        blocks = cmd->unit->blocks - lba;
    if (blocks)
        scsi_submit(cmd, BLOCK_ZERO, lba * BLOCK_SECTOR, blocks * BLOCK_SECTOR, scsi_done);
    else
        scsi_good(cmd);
}

static void discarded(struct block_req *req, int rc);

/* The descriptor at `at`, and those after it. */
static void next_discard(struct scsi_command *cmd)
{
    u64 end = min_u64(UNMAP_HEADER + scsi_be(cmd->params + 2, 2), cmd->taken);

    while (cmd->at + UNMAP_DESC <= end) {
        u64 lba = scsi_be(cmd->params + cmd->at, 8), blocks = scsi_be(cmd->params + cmd->at + 8, 4);
        cmd->at += UNMAP_DESC;
        if (!scsi_in_range(cmd, lba, blocks))
            return;
        if (blocks) {
            scsi_submit(cmd, BLOCK_DISCARD, lba * BLOCK_SECTOR, blocks * BLOCK_SECTOR, discarded);
            return;
        }
    }
    scsi_good(cmd);
}

static void discarded(struct block_req *req, int rc)
{
    if (rc && rc != -EOPNOTSUPP) /* it is only a hint */
        scsi_finish(req->opaque, scsi_sense_of(rc, req->op));
    else
        next_discard(req->opaque);
}

static void start_unmap(struct scsi_command *cmd)
{
    u64 n = scsi_be(cmd->cdb + 7, 2);

    if (cmd->cdb[1] & CDB_ANCHOR || (n && n < UNMAP_HEADER))
        scsi_finish(cmd, SCSI_BAD_FIELD);
    else if (writable(cmd))
        scsi_take(cmd, n);
}

void scsi_perform_unmap(struct scsi_command *cmd)
{
    cmd->at = UNMAP_HEADER;
    next_discard(cmd);
}

static void capacity_10(struct scsi_command *cmd)
{
    u8 *p = scsi_params(cmd);

    scsi_put_be(p, 4, min_u64(cmd->unit->blocks - 1, UINT32_MAX));
    scsi_put_be(p + 4, 4, BLOCK_SECTOR);
    scsi_reply(cmd, 8, 8);
}

static void service_action_in_16(struct scsi_command *cmd)
{
    u8 *p = scsi_params(cmd);

    if ((cmd->cdb[1] & 0x1f) != SA_CAPACITY_16) {
        scsi_finish(cmd, SCSI_BAD_FIELD);
        return;
    }
    scsi_put_be(p, 8, cmd->unit->blocks - 1);
    scsi_put_be(p + 8, 4, BLOCK_SECTOR);
    p[14] = block_read_only(cmd->unit->block) ? 0 : 0x80; /* thinly provisioned */
    scsi_reply(cmd, 32, scsi_be(cmd->cdb + 10, 4));
}

/* MMC's READ FORMAT CAPACITIES, with which Windows asks removable disks. */
static void format_capacities(struct scsi_command *cmd)
{
    u8 *p = scsi_params(cmd);

    p[3] = 8;
    scsi_put_be(p + 4, 4, min_u64(cmd->unit->blocks, UINT32_MAX));
    p[8] = 2; /* formatted */
    scsi_put_be(p + 9, 3, BLOCK_SECTOR);
    scsi_reply(cmd, 12, scsi_be(cmd->cdb + 7, 2));
}

const struct scsi_op scsi_disk_ops[256] = {
    [0x00] = {scsi_good, SCSI_MEDIUM}, /* TEST UNIT READY */
    [0x03] = {scsi_request_sense, SCSI_ANYTIME},
    [0x08] = {read_blocks, SCSI_MEDIUM},
    [0x0a] = {write_blocks, SCSI_MEDIUM},
    [0x12] = {scsi_inquiry, SCSI_ANYTIME},
    [0x15] = {scsi_mode_select, 0},
    [0x16] = {scsi_good, 0}, /* RESERVE */
    [0x17] = {scsi_good, 0}, /* RELEASE */
    [0x1a] = {scsi_mode_sense, 0},
    [0x1b] = {flush, 0},     /* START STOP UNIT */
    [0x1e] = {scsi_good, 0}, /* PREVENT ALLOW MEDIUM REMOVAL */
    [0x23] = {format_capacities, SCSI_MEDIUM},
    [0x25] = {capacity_10, SCSI_MEDIUM},
    [0x28] = {read_blocks, SCSI_MEDIUM},
    [0x2a] = {write_blocks, SCSI_MEDIUM},
    [0x2e] = {write_blocks, SCSI_MEDIUM}, /* WRITE AND VERIFY */
    [0x2f] = {verify, SCSI_MEDIUM},
    [0x35] = {flush, 0}, /* SYNCHRONIZE CACHE */
    [0x41] = {start_write_same, SCSI_MEDIUM},
    [0x42] = {start_unmap, SCSI_MEDIUM},
    [0x55] = {scsi_mode_select, 0},
    [0x5a] = {scsi_mode_sense, 0},
    [0x88] = {read_blocks, SCSI_MEDIUM},
    [0x8a] = {write_blocks, SCSI_MEDIUM},
    [0x8e] = {write_blocks, SCSI_MEDIUM}, /* WRITE AND VERIFY */
    [0x8f] = {verify, SCSI_MEDIUM},
    [0x91] = {flush, 0},
    [0x93] = {start_write_same, SCSI_MEDIUM},
    [0x9e] = {service_action_in_16, SCSI_MEDIUM},
    [0xa0] = {scsi_report_luns, SCSI_ANYTIME},
    [0xa8] = {read_blocks, SCSI_MEDIUM},
    [0xaa] = {write_blocks, SCSI_MEDIUM},
    [0xae] = {write_blocks, SCSI_MEDIUM}, /* WRITE AND VERIFY */
    [0xaf] = {verify, SCSI_MEDIUM},
};
