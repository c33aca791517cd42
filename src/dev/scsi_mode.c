/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MODE SENSE and MODE SELECT (SPC-3, sections 6.7 to 6.10 and 7.4; SBC-3, section 6.4; MMC-3,
 * section 7). A disk's write cache can be switched; what a CD-ROM is told to be has no effect.
 */
#include "dev/scsi_priv.h"

#include <string.h>

#define PAGE_ERROR        0x01u
#define PAGE_GEOMETRY     0x04u
#define PAGE_CACHING      0x08u
#define PAGE_CONTROL      0x0au
#define PAGE_AUDIO        0x0eu
#define PAGE_CAPABILITIES 0x2au
#define PAGE_ALL          0x3fu
#define PAGE_MAX          24u

#define WRITE_PROTECT 0x80u
#define DPO_FUA       0x10u
#define WCE           0x04u
#define HEADS         16u
#define SECTORS       63u
#define SPEED_KB      5645u /* 32 times */
#define CD_BUFFER_KB  128u
#define DESC          8u
#define CONTROL_SAVED 3u
#define CHANGEABLE    1u

static unsigned error_page(const struct scsi_unit *unit, u8 *p)
{
    p[3] = 5; /* retries */
    return 8;
}

static unsigned geometry_page(const struct scsi_unit *unit, u8 *p)
{
    scsi_put_be(p + 2, 3, min_u64(unit->blocks / (HEADS * SECTORS), 0xffffff));
    p[5] = HEADS;
    scsi_put_be(p + 20, 2, 5400); /* turns a minute */
    return 24;
}

static unsigned caching_page(const struct scsi_unit *unit, u8 *p)
{
    p[2] = unit->write_through ? 0 : WCE;
    return 20;
}

static unsigned control_page(const struct scsi_unit *unit, u8 *p)
{
    p[3] = 0x10; /* commands may be reordered */
    return 12;
}

static unsigned audio_page(const struct scsi_unit *unit, u8 *p)
{
    static const u8 page[16] = {0, 0, 4, 0, 0, 0, 0, 75, 1, 0xff, 2, 0xff, 0, 0, 0, 0};

    memcpy(p, page, sizeof(page));
    return sizeof(page);
}

static unsigned capabilities_page(const struct scsi_unit *unit, u8 *p)
{
    p[2] = 0x3b;                                /* reads CD-R, CD-RW, DVD-ROM, DVD-R */
    p[4] = 0x70;                                /* mode 2, multi-session */
    p[6] = (u8)(0x29 | (unit->locked ? 2 : 0)); /* a tray that ejects and locks */
    scsi_put_be(p + 8, 2, SPEED_KB);
    scsi_put_be(p + 10, 2, 2);
    scsi_put_be(p + 12, 2, CD_BUFFER_KB);
    scsi_put_be(p + 14, 2, SPEED_KB);
    return 20;
}

struct mode_page {
    u8 code;
    bool disk, cdrom; /* which have it */
    u8 changeable;    /* bits of byte 2 that a disk's guest may change: no other byte has any */
    /* Fills in a page of zeros; its length. */
    unsigned (*fill)(const struct scsi_unit *unit, u8 *p);
};

static const struct mode_page pages[] = {
    {PAGE_ERROR, false, true, 0, error_page},
    {PAGE_GEOMETRY, true, false, 0, geometry_page},
    {PAGE_CACHING, true, false, WCE, caching_page},
    {PAGE_CONTROL, true, false, 0, control_page},
    {PAGE_AUDIO, false, true, 0, audio_page},
    {PAGE_CAPABILITIES, false, true, 0, capabilities_page},
};

static bool has_page(const struct scsi_unit *unit, const struct mode_page *page)
{
    return unit->cdrom ? page->cdrom : page->disk;
}

static unsigned put_page(const struct scsi_unit *unit, const struct mode_page *page,
                         bool changeable, u8 *p)
{
    unsigned len = page->fill(unit, p);

    if (changeable) {
        memset(p, 0, len);
        p[2] = page->changeable;
    }
    p[0] = page->code;
    p[1] = (u8)(len - 2);
    return len;
}

/* A CD's kind is a matter of the medium, a disk's write protection as well. */
static void put_header(const struct scsi_unit *unit, bool ten, unsigned desc, unsigned len, u8 *p)
{
    u8 medium = 0, device = DPO_FUA;

    if (unit->cdrom) {
        medium = unit->tray_open ? 0x71 : unit->block ? 0x01 : 0x70;
        device = 0;
    } else if (unit->block && block_read_only(unit->block)) {
        device |= WRITE_PROTECT;
    }
    if (ten) {
        scsi_put_be(p, 2, len - 2);
        p[2] = medium;
        p[3] = device;
        p[7] = (u8)desc;
    } else {
        p[0] = (u8)(len - 1);
        p[1] = medium;
        p[2] = device;
        p[3] = (u8)desc;
    }
}

void scsi_mode_sense(struct scsi_command *cmd)
{
    const struct scsi_unit *unit = cmd->unit;
    const u8 *cdb = cmd->cdb;
    bool ten = cdb[0] == 0x5a;
    u8 code = cdb[2] & 0x3f, control = cdb[2] >> 6, *p = scsi_params(cmd);
    unsigned header = ten ? 8 : 4, desc = unit->cdrom || cdb[1] & 8 ? 0 : DESC;
    unsigned at = header + desc;

    if (control == CONTROL_SAVED) {
        scsi_finish(cmd, SCSI_NOT_SAVED);
        return;
    }
    for (unsigned n = 0; n < ARRAY_SIZE(pages); n++)
        if (has_page(unit, &pages[n]) && (code == pages[n].code || code == PAGE_ALL))
            at += put_page(unit, &pages[n], control == CHANGEABLE, p + at);
    if (at == header + desc) {
        scsi_finish(cmd, SCSI_BAD_FIELD);
        return;
    }
    if (desc) {
        scsi_put_be(p + header, 4, unit->blocks > 0xffffff ? 0 : unit->blocks);
        scsi_put_be(p + header + 5, 3, BLOCK_SECTOR);
    }
    put_header(unit, ten, desc, at, p);
    scsi_reply(cmd, at, ten ? scsi_be(cdb + 7, 2) : cdb[4]);
}

/* SP: there is nowhere to save pages. */
void scsi_mode_select(struct scsi_command *cmd)
{
    const u8 *cdb = cmd->cdb;

    if (!cmd->unit->cdrom && cdb[1] & 1)
        scsi_finish(cmd, SCSI_BAD_FIELD);
    else
        scsi_take(cmd, cdb[0] == 0x55 ? scsi_be(cdb + 7, 2) : cdb[4]);
}

/* A page of a disk as the guest wants it: it differs only where it may. */
static bool may_be(const struct scsi_unit *unit, const u8 *page, unsigned room)
{
    u8 now[PAGE_MAX] = {0};

    for (unsigned n = 0; n < ARRAY_SIZE(pages); n++) {
        unsigned len;
        if (!has_page(unit, &pages[n]) || pages[n].code != page[0])
            continue;
        len = put_page(unit, &pages[n], false, now);
        if (len > room || page[1] != len - 2)
            return false;
        now[2] = (u8)((now[2] & ~pages[n].changeable) | (page[2] & pages[n].changeable));
        return !memcmp(now, page, len);
    }
    return false;
}

static bool may_be_blocks(const u8 *desc, unsigned len)
{
    return !len || (len == DESC && scsi_be(desc + 5, 3) == BLOCK_SECTOR);
}

/* All pages are looked at before any is obeyed. */
void scsi_perform_select(struct scsi_command *cmd)
{
    struct scsi_unit *unit = cmd->unit;
    const u8 *p = cmd->params;
    unsigned header = cmd->cdb[0] == 0x55 ? 8 : 4, end = cmd->taken, at;
    bool write_through = unit->write_through;
    unsigned desc = header == 8 ? (unsigned)scsi_be(p + 6, 2) : p[3];

    if (unit->cdrom) {
        scsi_good(cmd);
        return;
    }
    if (end < header || end - header < desc) {
        scsi_finish(cmd, SCSI_BAD_LENGTH);
        return;
    }
    if (!may_be_blocks(p + header, desc)) {
        scsi_finish(cmd, SCSI_BAD_PARAMS);
        return;
    }
    for (at = header + desc; at + 2 <= end; at += 2u + p[at + 1]) {
        if (!may_be(unit, p + at, end - at)) {
            scsi_finish(cmd, SCSI_BAD_PARAMS);
            return;
        }
        if (p[at] == PAGE_CACHING)
            write_through = !(p[at + 2] & WCE);
    }
    if (write_through && !unit->write_through) /* what is cached so far */
        scsi_submit(cmd, BLOCK_FLUSH, 0, 0, scsi_done);
    else
        scsi_good(cmd);
    unit->write_through = write_through;
}
