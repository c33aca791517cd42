/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands of a CD-ROM drive (MMC-3) that read, or move its tray; the others are in scsi_mmc.c. A
 * disc is one data track of 2,048-byte blocks. Left out: audio and raw sectors.
 */
#include "dev/scsi_priv.h"

#define EVENT_EJECT   1u
#define EVENT_NEW     2u
#define EVENT_REMOVED 3u

static void read_blocks(struct scsi_command *cmd, u64 lba, u64 blocks)
{
    if (scsi_in_range(cmd, lba, blocks))
        scsi_bulk(cmd, SCSI_IN, lba, blocks);
}

static void read_any(struct scsi_command *cmd)
{
    u64 lba, blocks;

    scsi_decode_range(cmd->cdb, &lba, &blocks);
    read_blocks(cmd, lba, blocks);
}

/* READ CD, in blocks: the sector's data, or nothing. */
static void read_sectors(struct scsi_command *cmd, u64 lba, u64 blocks)
{
    const u8 *cdb = cmd->cdb;
    u8 type = cdb[1] >> 2 & 7, what = cdb[9] & 0xf8;

    if (type > 2 || type == 1)
        scsi_finish(cmd, SCSI_BAD_MODE);
    else if (!what || !blocks)
        scsi_good(cmd);
    else if (what != 0x10 || cdb[10] & 7)
        scsi_finish(cmd, SCSI_BAD_FIELD);
    else
        read_blocks(cmd, lba, blocks);
}

static void read_cd(struct scsi_command *cmd)
{
    read_sectors(cmd, scsi_be(cmd->cdb + 2, 4), scsi_be(cmd->cdb + 6, 3));
}

static u32 msf(const u8 *p)
{
    return (p[0] * 60u + p[1]) * 75u + p[2];
}

static void read_cd_msf(struct scsi_command *cmd)
{
    u32 from = msf(cmd->cdb + 3), to = msf(cmd->cdb + 6);

    if (from < 150 || to < from)
        scsi_finish(cmd, SCSI_BAD_LBA);
    else
        read_sectors(cmd, from - 150, to - from);
}

static void seek(struct scsi_command *cmd)
{
    scsi_finish(cmd, scsi_be(cmd->cdb + 2, 4) < cmd->unit->blocks ? SCSI_NO_SENSE : SCSI_BAD_LBA);
}

void scsi_move_tray(struct scsi_unit *unit, bool open)
{
    if (unit->tray_open == open)
        return;
    unit->tray_open = open;
    if (unit->block) {
        unit->event = open ? EVENT_REMOVED : EVENT_NEW;
        unit->attention = open ? 0 : SCSI_MEDIUM_CHANGED;
    }
    if (unit->on_tray)
        unit->on_tray(unit->tray_opaque, open);
}

void scsi_change_disc(struct scsi_unit *unit, struct block *block)
{
    BUG_ON(!unit->cdrom);
    unit->block = block;
    unit->blocks = block ? block_size(block) / SCSI_CD_BLOCK : 0;
    unit->attention = block && !unit->tray_open ? SCSI_MEDIUM_CHANGED : 0;
    unit->event = block ? EVENT_NEW : EVENT_REMOVED;
    if (!block)
        unit->locked = false;
}

void scsi_eject(struct scsi_unit *unit)
{
    if (unit->locked)
        unit->event = EVENT_EJECT;
    else
        scsi_move_tray(unit, true);
}

static void start_stop(struct scsi_command *cmd)
{
    struct scsi_unit *unit = cmd->unit;
    bool start = cmd->cdb[4] & 1, load_eject = cmd->cdb[4] & 2;

    if (cmd->cdb[4] & 0xf0 || !load_eject) { /* power conditions, spinning up and down */
        scsi_good(cmd);
    } else if (!start && unit->locked) {
        scsi_finish(cmd, SCSI_NO_REMOVAL);
    } else {
        scsi_move_tray(unit, !start);
        scsi_good(cmd);
    }
}

static void prevent_allow(struct scsi_command *cmd)
{
    cmd->unit->locked = cmd->cdb[4] & 1;
    scsi_good(cmd);
}

const struct scsi_op scsi_cd_ops[256] = {
    [0x00] = {scsi_good, SCSI_MEDIUM}, /* TEST UNIT READY */
    [0x03] = {scsi_request_sense, SCSI_ANYTIME},
    [0x12] = {scsi_inquiry, SCSI_ANYTIME},
    [0x15] = {scsi_mode_select, 0},
    [0x1a] = {scsi_mode_sense, 0},
    [0x1b] = {start_stop, SCSI_ANYTIME},
    [0x1e] = {prevent_allow, SCSI_ANYTIME},
    [0x25] = {mmc_read_capacity, SCSI_MEDIUM},
    [0x28] = {read_any, SCSI_MEDIUM},
    [0x2b] = {seek, SCSI_MEDIUM},
    [0x2f] = {scsi_good, SCSI_MEDIUM}, /* VERIFY */
    [0x35] = {scsi_good, 0},           /* SYNCHRONIZE CACHE */
    [0x42] = {mmc_sub_channel, SCSI_MEDIUM},
    [0x43] = {mmc_read_toc, SCSI_MEDIUM},
    [0x46] = {mmc_get_configuration, SCSI_ANYTIME},
    [0x4a] = {mmc_event_status, SCSI_ANYTIME},
    [0x4b] = {scsi_good, SCSI_MEDIUM}, /* PAUSE/RESUME */
    [0x4e] = {scsi_good, SCSI_MEDIUM}, /* STOP PLAY */
    [0x51] = {mmc_disc_information, SCSI_MEDIUM},
    [0x52] = {mmc_track_information, SCSI_MEDIUM},
    [0x55] = {scsi_mode_select, 0},
    [0x5a] = {scsi_mode_sense, 0},
    [0xa0] = {scsi_report_luns, SCSI_ANYTIME},
    [0xa8] = {read_any, SCSI_MEDIUM},
    [0xad] = {mmc_dvd_structure, SCSI_MEDIUM},
    [0xb9] = {read_cd_msf, SCSI_MEDIUM},
    [0xbb] = {scsi_good, 0}, /* SET CD SPEED */
    [0xbd] = {mmc_mechanism_status, SCSI_ANYTIME},
    [0xbe] = {read_cd, SCSI_MEDIUM},
};
