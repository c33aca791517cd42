/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands of a CD-ROM drive that answer from what is known: what it can do (MMC-3, GET
   CONFIGURATION), and what disc is in it (table of contents, capacity, events). */
#include "dev/scsi_priv.h"

#include <string.h>

#define CD_MAX      405000u /* blocks: 90 minutes; what is larger is a DVD */
#define PROFILE_CD  0x0008u
#define PROFILE_DVD 0x0010u
#define LEAD_OUT    0xaau
#define DATA_TRACK  0x14u
#define MEDIA_CLASS 4u

void mmc_read_capacity(struct scsi_command *cmd)
{
    u8 *p = scsi_params(cmd);
    u64 blocks = cmd->unit->blocks;

    scsi_put_be(p, 4, blocks ? blocks - 1 : 0);
    scsi_put_be(p + 4, 4, SCSI_CD_BLOCK);
    scsi_reply(cmd, 8, 8);
}

void mmc_mechanism_status(struct scsi_command *cmd)
{
    u8 *p = scsi_params(cmd);

    p[1] = cmd->unit->tray_open ? 0x10 : 0;
    p[5] = 1; /* slot */
    scsi_reply(cmd, 8, scsi_be(cmd->cdb + 8, 2));
}

void mmc_event_status(struct scsi_command *cmd)
{
    u8 *p = scsi_params(cmd);
    u64 room = scsi_be(cmd->cdb + 7, 2);

    if (!(cmd->cdb[1] & 1)) { /* only polling */
        scsi_finish(cmd, SCSI_BAD_FIELD);
        return;
    }
    p[3] = BIT(MEDIA_CLASS);
    if (!(cmd->cdb[4] & BIT(MEDIA_CLASS))) {
        scsi_put_be(p, 2, 2);
        p[2] = 0x80; /* no such class */
        scsi_reply(cmd, 4, room);
        return;
    }
    scsi_put_be(p, 2, 6);
    p[2] = MEDIA_CLASS;
    p[4] = cmd->unit->event;
    p[5] = (u8)(cmd->unit->tray_open | (cmd->unit->block != NULL) << 1);
    cmd->unit->event = 0;
    scsi_reply(cmd, 8, room);
}

void mmc_disc_information(struct scsi_command *cmd)
{
    u8 *p = scsi_params(cmd);

    scsi_put_be(p, 2, 32);
    p[2] = 0x0e; /* the disc and its last session are complete */
    p[3] = p[4] = p[5] = p[6] = 1;
    p[7] = 0x20;             /* unrestricted use */
    memset(p + 16, 0xff, 8); /* no lead-in, no lead-out to write at */
    scsi_reply(cmd, 34, scsi_be(cmd->cdb + 7, 2));
}

/* Of the one track; asked for by address, by number, or as the one after the last. */
void mmc_track_information(struct scsi_command *cmd)
{
    const u8 *cdb = cmd->cdb;
    u64 number = scsi_be(cdb + 2, 4), blocks = cmd->unit->blocks;
    u8 *p = scsi_params(cmd);

    if ((cdb[1] & 3) == 0 ? number >= blocks : (cdb[1] & 3) == 3 || number != 1) {
        scsi_finish(cmd, SCSI_BAD_FIELD);
        return;
    }
    scsi_put_be(p, 2, 34);
    p[2] = p[3] = 1; /* track and session */
    p[5] = 4;        /* data */
    p[6] = 1;        /* mode 1 */
    scsi_put_be(p + 24, 4, blocks);
    scsi_reply(cmd, 36, scsi_be(cdb + 7, 2));
}

/* Q channel: nothing plays, and there is no catalogue number. */
void mmc_sub_channel(struct scsi_command *cmd)
{
    const u8 *cdb = cmd->cdb;
    bool wanted = cdb[2] & 0x40;
    u8 *p = scsi_params(cmd);

    p[1] = 0x15; /* no audio status */
    if (wanted && (cdb[3] == 0 || cdb[3] > 3)) {
        scsi_finish(cmd, SCSI_BAD_FIELD);
        return;
    }
    if (wanted) {
        scsi_put_be(p + 2, 2, cdb[3] == 1 ? 12 : 20);
        p[4] = cdb[3];
        p[5] = cdb[3] == 1 ? DATA_TRACK : 0;
        p[6] = p[7] = cdb[3] == 1; /* track and index */
    }
    scsi_reply(cmd, !wanted ? 4 : cdb[3] == 1 ? 16 : 24, scsi_be(cdb + 7, 2));
}

/* The structures of a DVD that follow from its size: 00h, what is where; 01h, no copy protection;
   04h, nothing of its manufacturer. */
void mmc_dvd_structure(struct scsi_command *cmd)
{
    const u8 *cdb = cmd->cdb;
    u64 blocks = cmd->unit->blocks, len = 4;
    u8 *p = scsi_params(cmd);

    if (blocks <= CD_MAX) {
        scsi_finish(cmd, SCSI_BAD_MEDIUM);
        return;
    }
    if (cdb[6] || (cdb[7] != 0 && cdb[7] != 1 && cdb[7] != 4)) {
        scsi_finish(cmd, SCSI_BAD_FIELD);
        return;
    }
    if (cdb[7] == 0) {
        p[4] = 0x01; /* DVD-ROM */
        p[5] = 0x0f; /* 12 cm, no limit of speed */
        p[6] = 0x01; /* one layer, embossed */
        scsi_put_be(p + 8, 4, 0x30000);
        scsi_put_be(p + 12, 4, 0x30000 + blocks - 1);
    }
    len += cdb[7] == 1 ? 4 : 2048;
    scsi_put_be(p, 2, len - 2);
    scsi_reply(cmd, len, scsi_be(cdb + 8, 2));
}

/* An address in a table of contents; returns what is after it. */
static u8 *put_address(u8 *p, u64 block, bool msf)
{
    if (msf) {
        block += 150;
        p[0] = 0;
        p[1] = (u8)(block / 75 / 60);
        p[2] = (u8)(block / 75 % 60);
        p[3] = (u8)(block % 75);
    } else {
        scsi_put_be(p, 4, block);
    }
    return p + 4;
}

static u8 *put_track(u8 *p, u8 track, u64 block, bool msf)
{
    p[1] = track == LEAD_OUT ? DATA_TRACK | 2 : DATA_TRACK;
    p[2] = track;
    return put_address(p + 4, block, msf);
}

/* An entry of the full table: its point and what is at it. */
static u8 *put_point(u8 *p, u8 point, const u8 at[3])
{
    p[0] = 1;
    p[1] = DATA_TRACK;
    p[3] = point;
    memcpy(p + 8, at, 3);
    return p + 11;
}

static u8 *full_toc(u64 blocks, u8 *p)
{
    static const u8 first[3] = {1, 0, 0};
    u8 start[4], end[4];

    put_address(start, 0, true);
    put_address(end, blocks, true);
    p = put_point(p, 0xa0, first);
    p = put_point(p, 0xa1, first);
    p = put_point(p, 0xa2, end + 1);
    return put_point(p, 1, start + 1);
}

void mmc_read_toc(struct scsi_command *cmd)
{
    const u8 *cdb = cmd->cdb;
    bool msf = cdb[1] & 2;
    u8 format = cdb[2] & 15 ? cdb[2] & 15 : cdb[9] >> 6, track = cdb[6];
    u8 *p = scsi_params(cmd), *end = p + 4;

    if (format > 2 || (format == 0 && track > 1 && track != LEAD_OUT)) {
        scsi_finish(cmd, SCSI_BAD_FIELD);
        return;
    }
    p[2] = p[3] = 1; /* first and last track, or session */
    if (format == 2) {
        end = full_toc(cmd->unit->blocks, end);
    } else if (format == 1) {
        end = put_track(end, 1, 0, msf);
    } else {
        if (track <= 1)
            end = put_track(end, 1, 0, msf);
        end = put_track(end, LEAD_OUT, cmd->unit->blocks, msf);
    }
    scsi_put_be(p, 2, (u64)(end - p - 2));
    scsi_reply(cmd, (u64)(end - p), scsi_be(cdb + 7, 2));
}

static u32 profile(const struct scsi_unit *unit)
{
    if (scsi_no_medium(unit))
        return 0;
    return unit->blocks > CD_MAX ? PROFILE_DVD : PROFILE_CD;
}

struct feature {
    u16 code;
    u8 version, len;
    u16 profile; /* current with this disc; 0: always; 1: with any */
    u8 data[8];
};

static const struct feature features[] = {
    {0x0000, 0, 8, 0, {0, PROFILE_DVD, 0, 0, 0, PROFILE_CD, 0, 0}},
    {0x0001, 1, 8, 0, {0, 0, 0, 2, 0, 0, 0, 0}}, /* core: ATAPI, or SCSI */
    {0x0002, 1, 4, 0, {2, 0, 0, 0}},             /* morphing: reports operational changes */
    {0x0003, 0, 4, 0, {0x29, 0, 0, 0}},          /* removable: a tray that ejects and locks */
    {0x0010, 0, 8, 1, {0, 0, 8, 0, 0, 1, 0, 0}}, /* random readable: 2,048-byte blocks */
    {0x001e, 1, 4, PROFILE_CD, {0}},
    {0x001f, 0, 4, PROFILE_DVD, {0}},
};

static bool is_current(const struct feature *f, u32 now)
{
    return !f->profile || f->profile == now || (f->profile == 1 && now);
}

static u8 *put_feature(const struct scsi_unit *unit, const struct feature *f, u32 now, u8 *p)
{
    scsi_put_be(p, 2, f->code);
    p[2] = (u8)(f->version << 2 | (f->code < 0x0004 ? 2u : 0) | is_current(f, now));
    p[3] = f->len;
    memcpy(p + 4, f->data, f->len);
    if (f->code == 0) {
        p[6] = now == PROFILE_DVD;
        p[10] = now == PROFILE_CD;
    } else if (f->code == 1 && !unit->atapi) {
        p[7] = 1;
    }
    return p + 4 + f->len;
}

void mmc_get_configuration(struct scsi_command *cmd)
{
    const u8 *cdb = cmd->cdb;
    u8 which = cdb[1] & 3;
    u32 from = (u32)scsi_be(cdb + 2, 2), now = profile(cmd->unit);
    u8 *p = scsi_params(cmd), *end = p + 8;

    if (which == 3) {
        scsi_finish(cmd, SCSI_BAD_FIELD);
        return;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
        const struct feature *f = &features[i];
        if (which == 2 ? f->code == from : f->code >= from && (which == 0 || is_current(f, now)))
            end = put_feature(cmd->unit, f, now, end);
    }
    scsi_put_be(p, 4, (u64)(end - p - 4));
    scsi_put_be(p + 6, 2, now);
    scsi_reply(cmd, (u64)(end - p), scsi_be(cdb + 7, 2));
}
