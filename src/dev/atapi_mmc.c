/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packet commands that answer from what is known: what the drive is (SPC-3 INQUIRY, MMC-3 GET
 * CONFIGURATION, mode pages 01h, 0Eh and 2Ah) and what disc is in it (table of contents, capacity).
 */
#include "dev/ata_priv.h"

#include <string.h>

#define CD_BLOCK     2048u
#define CD_MAX       405000u /* blocks: 90 minutes; what is larger is a DVD */
#define PROFILE_CD   0x0008u
#define PROFILE_DVD  0x0010u
#define LEAD_OUT     0xaau
#define DATA_TRACK   0x14u
#define SPEED_KB     5645u /* 32 times */
#define ANSWER_MAX   2560u
#define MEDIA_CLASS  4u
#define ASC_NO_SAVED 0x39u

static u32 be16(const u8 *p)
{
    return (u32)p[0] << 8 | p[1];
}

static void put16(u8 *p, u32 val)
{
    p[0] = (u8)(val >> 8);
    p[1] = (u8)val;
}

static void put32(u8 *p, u32 val)
{
    put16(p, val >> 16);
    put16(p + 2, val);
}

/* The buffer, cleared for an answer. */
static u8 *answer(struct ata_drive *d)
{
    memset(d->buf, 0, ANSWER_MAX);
    return d->buf;
}

static void bad_field(struct ata_drive *d)
{
    atapi_sense(d, SENSE_ILLEGAL, ASC_BAD_FIELD, 0);
}

void mmc_request_sense(struct ata_drive *d)
{
    u8 *p = answer(d);
    struct atapi *cd = &d->cd;

    if (!cd->sense_key && cd->changed) {
        cd->changed = false;
        cd->sense_key = SENSE_ATTENTION;
        cd->asc = ASC_CHANGED;
        cd->ascq = 0;
    }
    p[0] = 0x70;
    p[2] = cd->sense_key;
    p[7] = 10;
    p[12] = cd->asc;
    p[13] = cd->ascq;
    atapi_answer(d, 18, cd->cdb[4]);
}

void mmc_inquiry(struct ata_drive *d)
{
    u8 *p = answer(d);

    if (d->cd.cdb[1] & 1 || d->cd.cdb[2]) {
        bad_field(d);
        return;
    }
    p[0] = 0x05; /* CD-ROM */
    p[1] = 0x80; /* removable */
    p[3] = 0x21;
    p[4] = 31;
    memcpy(p + 8, "DOMUS   CD-ROM          1.0 ", 28);
    atapi_answer(d, 36, d->cd.cdb[4]);
}

void mmc_read_capacity(struct ata_drive *d)
{
    u8 *p = answer(d);
    u32 blocks = atapi_blocks(d);

    put32(p, blocks ? blocks - 1 : 0);
    put32(p + 4, CD_BLOCK);
    atapi_answer(d, 8, 8);
}

void mmc_mechanism_status(struct ata_drive *d)
{
    u8 *p = answer(d);

    p[1] = d->cd.tray_open ? 0x10 : 0;
    p[5] = 1; /* slot */
    atapi_answer(d, 8, be16(d->cd.cdb + 8));
}

void mmc_event_status(struct ata_drive *d)
{
    u8 *p = answer(d);
    u32 room = be16(d->cd.cdb + 7);

    if (!(d->cd.cdb[1] & 1)) { /* only polling */
        bad_field(d);
        return;
    }
    p[3] = BIT(MEDIA_CLASS);
    if (!(d->cd.cdb[4] & BIT(MEDIA_CLASS))) {
        put16(p, 2);
        p[2] = 0x80; /* no such class */
        atapi_answer(d, 4, room);
        return;
    }
    put16(p, 6);
    p[2] = MEDIA_CLASS;
    p[4] = d->cd.event;
    p[5] = (u8)(d->cd.tray_open | (d->blk != NULL) << 1);
    d->cd.event = 0;
    atapi_answer(d, 8, room);
}

void mmc_disc_information(struct ata_drive *d)
{
    u8 *p = answer(d);

    put16(p, 32);
    p[2] = 0x0e; /* the disc and its last session are complete */
    p[3] = p[4] = p[5] = p[6] = 1;
    p[7] = 0x20;             /* unrestricted use */
    memset(p + 16, 0xff, 8); /* no lead-in, no lead-out to write at */
    atapi_answer(d, 34, be16(d->cd.cdb + 7));
}

/* Of the one track; asked for by address, by number, or as the one after the last. */
void mmc_track_information(struct ata_drive *d)
{
    const u8 *cdb = d->cd.cdb;
    u32 number = be16(cdb + 2) << 16 | be16(cdb + 4), blocks = atapi_blocks(d);
    u8 *p = answer(d);

    if ((cdb[1] & 3) == 0 ? number >= blocks : (cdb[1] & 3) == 3 || number != 1) {
        bad_field(d);
        return;
    }
    put16(p, 34);
    p[2] = p[3] = 1; /* track and session */
    p[5] = 4;        /* data */
    p[6] = 1;        /* mode 1 */
    put32(p + 24, blocks);
    atapi_answer(d, 36, be16(cdb + 7));
}

/* Q channel: nothing plays, and there is no catalogue number. */
void mmc_sub_channel(struct ata_drive *d)
{
    const u8 *cdb = d->cd.cdb;
    bool wanted = cdb[2] & 0x40;
    u8 *p = answer(d);

    p[1] = 0x15; /* no audio status */
    if (wanted && (cdb[3] == 0 || cdb[3] > 3)) {
        bad_field(d);
        return;
    }
    if (wanted) {
        put16(p + 2, cdb[3] == 1 ? 12 : 20);
        p[4] = cdb[3];
        p[5] = cdb[3] == 1 ? DATA_TRACK : 0;
        p[6] = p[7] = cdb[3] == 1; /* track and index */
    }
    atapi_answer(d, !wanted ? 4 : cdb[3] == 1 ? 16 : 24, be16(cdb + 7));
}

/* The structures of a DVD that follow from its size: 00h, what is where; 01h, no copy protection;
   04h, nothing of its manufacturer. */
void mmc_dvd_structure(struct ata_drive *d)
{
    const u8 *cdb = d->cd.cdb;
    u32 blocks = atapi_blocks(d), len = 4;
    u8 *p = answer(d);

    if (blocks <= CD_MAX) {
        atapi_sense(d, SENSE_ILLEGAL, ASC_BAD_MEDIUM, 2); /* cannot be: the medium is a CD */
        return;
    }
    if (cdb[6] || (cdb[7] != 0 && cdb[7] != 1 && cdb[7] != 4)) {
        bad_field(d);
        return;
    }
    if (cdb[7] == 0) {
        p[4] = 0x01; /* DVD-ROM */
        p[5] = 0x0f; /* 12 cm, no limit of speed */
        p[6] = 0x01; /* one layer, embossed */
        put32(p + 8, 0x30000);
        put32(p + 12, 0x30000 + blocks - 1);
    }
    len += cdb[7] == 1 ? 4 : 2048;
    put16(p, len - 2);
    atapi_answer(d, len, be16(cdb + 8));
}

/* An address in a table of contents; returns what is after it. */
static u8 *put_address(u8 *p, u32 block, bool msf)
{
    if (msf) {
        block += 150;
        p[0] = 0;
        p[1] = (u8)(block / 75 / 60);
        p[2] = (u8)(block / 75 % 60);
        p[3] = (u8)(block % 75);
    } else {
        put32(p, block);
    }
    return p + 4;
}

static u8 *put_track(u8 *p, u8 track, u32 block, bool msf)
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

static u8 *full_toc(struct ata_drive *d, u8 *p)
{
    static const u8 first[3] = {1, 0, 0};
    u8 start[4], end[4];

    put_address(start, 0, true);
    put_address(end, atapi_blocks(d), true);
    p = put_point(p, 0xa0, first);
    p = put_point(p, 0xa1, first);
    p = put_point(p, 0xa2, end + 1);
    return put_point(p, 1, start + 1);
}

void mmc_read_toc(struct ata_drive *d)
{
    const u8 *cdb = d->cd.cdb;
    bool msf = cdb[1] & 2;
    u8 format = cdb[2] & 15 ? cdb[2] & 15 : cdb[9] >> 6, track = cdb[6];
    u8 *p = answer(d), *end = p + 4;

    if (format > 2 || (format == 0 && track > 1 && track != LEAD_OUT)) {
        bad_field(d);
        return;
    }
    p[2] = p[3] = 1; /* first and last track, or session */
    if (format == 2) {
        end = full_toc(d, end);
    } else if (format == 1) {
        end = put_track(end, 1, 0, msf);
    } else {
        if (track <= 1)
            end = put_track(end, 1, 0, msf);
        end = put_track(end, LEAD_OUT, atapi_blocks(d), msf);
    }
    put16(p, (u32)(end - p - 2));
    atapi_answer(d, (u32)(end - p), be16(cdb + 7));
}

static u8 *page_error_recovery(u8 *p)
{
    p[0] = 0x01;
    p[1] = 6;
    p[3] = 5; /* retries */
    return p + 8;
}

static u8 *page_audio(u8 *p)
{
    static const u8 page[16] = {0x0e, 14, 4, 0, 0, 0, 0, 75, 1, 0xff, 2, 0xff, 0, 0, 0, 0};

    memcpy(p, page, sizeof(page));
    return p + sizeof(page);
}

static u8 *page_capabilities(const struct ata_drive *d, u8 *p)
{
    p[0] = 0x2a;
    p[1] = 18;
    p[2] = 0x3b;                                 /* reads CD-R, CD-RW, DVD-ROM, DVD-R */
    p[4] = 0x70;                                 /* mode 2, multi-session */
    p[6] = (u8)(0x29 | (d->cd.locked ? 2u : 0)); /* a tray that ejects and locks */
    put16(p + 8, SPEED_KB);
    put16(p + 10, 2);
    put16(p + 12, ATA_BUF / 1024);
    put16(p + 14, SPEED_KB);
    return p + 20;
}

/* Values that a guest may change are none: their mask is all zeros. */
static void keep_heads(u8 *p, const u8 *end)
{
    while (p < end) {
        u8 len = p[1];
        memset(p + 2, 0, len);
        p += 2 + len;
    }
}

void mmc_mode_sense(struct ata_drive *d)
{
    const u8 *cdb = d->cd.cdb;
    u8 page = cdb[2] & 0x3f, control = cdb[2] >> 6;
    u8 *p = answer(d), *end = p + 8;

    if (control == 3) {
        atapi_sense(d, SENSE_ILLEGAL, ASC_NO_SAVED, 0);
        return;
    }
    if (page == 0x01 || page == 0x3f)
        end = page_error_recovery(end);
    if (page == 0x0e || page == 0x3f)
        end = page_audio(end);
    if (page == 0x2a || page == 0x3f)
        end = page_capabilities(d, end);
    if (end == p + 8) {
        bad_field(d);
        return;
    }
    if (control == 1)
        keep_heads(p + 8, end);
    put16(p, (u32)(end - p - 2));
    p[2] = d->cd.tray_open ? 0x71 : d->blk ? 0x01 : 0x70;
    atapi_answer(d, (u32)(end - p), be16(cdb + 7));
}

static u32 profile(const struct ata_drive *d)
{
    if (!atapi_has_disc(d))
        return 0;
    return atapi_blocks(d) > CD_MAX ? PROFILE_DVD : PROFILE_CD;
}

struct feature {
    u16 code;
    u8 version, len;
    u16 profile; /* current with this disc; 0: always; 1: with any */
    u8 data[8];
};

static const struct feature features[] = {
    {0x0000, 0, 8, 0, {0, PROFILE_DVD, 0, 0, 0, PROFILE_CD, 0, 0}},
    {0x0001, 1, 8, 0, {0, 0, 0, 2, 0, 0, 0, 0}}, /* core: ATAPI */
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

static u8 *put_feature(u8 *p, const struct feature *f, u32 now)
{
    put16(p, f->code);
    p[2] = (u8)(f->version << 2 | (f->code < 0x0004 ? 2u : 0) | is_current(f, now));
    p[3] = f->len;
    memcpy(p + 4, f->data, f->len);
    if (f->code == 0) {
        p[6] = now == PROFILE_DVD;
        p[10] = now == PROFILE_CD;
    }
    return p + 4 + f->len;
}

void mmc_get_configuration(struct ata_drive *d)
{
    const u8 *cdb = d->cd.cdb;
    u8 which = cdb[1] & 3;
    u32 from = be16(cdb + 2), now = profile(d);
    u8 *p = answer(d), *end = p + 8;

    if (which == 3) {
        bad_field(d);
        return;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
        const struct feature *f = &features[i];
        if (which == 2 ? f->code == from : f->code >= from && (which == 0 || is_current(f, now)))
            end = put_feature(end, f, now);
    }
    put32(p, (u32)(end - p - 4));
    put16(p + 6, now);
    atapi_answer(d, (u32)(end - p), be16(cdb + 7));
}
