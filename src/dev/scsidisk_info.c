/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a SCSI disk tells of itself: INQUIRY with its vital product data (SPC-3, sections 6.4 and
 * 7.6), MODE SENSE (SPC-3, sections 6.9 and 7.4; SBC-3, section 6.4), capacities (SBC-3, sections
 * 5.12 and 5.13). Pure functions of the disk and the command.
 */
#include "dev/scsidisk.h"

#include <string.h>

#define VENDOR   "QEMU    "
#define REVISION "2.5+"

#define INQUIRY_LEN  36u
#define REMOVABLE    0x80u
#define SPC_3        5u
#define CMD_EVPD     0x01u
#define UNMAP_BLOCKS 0x400000u /* in one descriptor */
#define UNMAP_DESCS  31u

#define PAGE_GEOMETRY 0x04u
#define PAGE_CACHING  0x08u
#define PAGE_ALL      0x3fu
#define WRITE_PROTECT 0x80u
#define DPO_FUA       0x10u
#define HEADS         16u
#define SECTORS       63u

static void pad(u8 *to, const char *text, unsigned n)
{
    memset(to, ' ', n);
    memcpy(to, text, min_u64(strlen(text), n));
}

static int inquiry(const struct scsi_disk *disk, u8 *buf)
{
    buf[1] = disk->removable ? REMOVABLE : 0;
    buf[2] = SPC_3;
    buf[3] = 2; /* the format of this */
    buf[4] = INQUIRY_LEN - 5;
    pad(buf + 8, VENDOR, 8);
    pad(buf + 16, disk->product, 16);
    pad(buf + 32, REVISION, 4);
    return INQUIRY_LEN;
}

/* Device identification: vendor, product and serial number as text. */
static unsigned identification(const struct scsi_disk *disk, u8 *buf)
{
    unsigned n = (unsigned)strlen(disk->serial);

    buf[0] = 2; /* ASCII */
    buf[1] = 1; /* T10 vendor identification, of the logical unit */
    buf[3] = (u8)(8 + 16 + n);
    pad(buf + 4, VENDOR, 8);
    pad(buf + 12, disk->product, 16);
    memcpy(buf + 28, disk->serial, n);
    return 28 + n;
}

static unsigned block_limits(u8 *buf)
{
    scsi_put_be(buf + 16, 4, UNMAP_BLOCKS);
    scsi_put_be(buf + 20, 4, UNMAP_DESCS);
    return 60;
}

/* The page's body; false if there is no such page. */
static bool vital_data(const struct scsi_disk *disk, u8 page, u8 *buf, unsigned *len)
{
    static const u8 pages[] = {0x00, 0x80, 0x83, 0xb0, 0xb2};

    switch (page) {
    case 0x00:
        memcpy(buf, pages, sizeof(pages));
        *len = sizeof(pages);
        return true;
    case 0x80:
        *len = (unsigned)strlen(disk->serial);
        memcpy(buf, disk->serial, *len);
        return true;
    case 0x83:
        *len = identification(disk, buf);
        return true;
    case 0xb0:
        *len = block_limits(buf);
        return true;
    case 0xb2: /* thin provisioning by UNMAP and WRITE SAME */
        buf[1] = 0xe0;
        buf[2] = 2;
        *len = 4;
        return true;
    default:
        return false;
    }
}

int scsi_inquiry(const struct scsi_disk *disk, const u8 *cdb, u8 *buf)
{
    unsigned len;

    if (!(cdb[1] & CMD_EVPD))
        return cdb[2] ? -(int)SCSI_BAD_FIELD : inquiry(disk, buf);
    if (!vital_data(disk, cdb[2], buf + 4, &len))
        return -(int)SCSI_BAD_FIELD;
    buf[1] = cdb[2];
    scsi_put_be(buf + 2, 2, len);
    return (int)(4 + len);
}

static unsigned geometry_page(const struct scsi_disk *disk, u8 *buf)
{
    u64 cylinders = min_u64(disk->blocks / (HEADS * SECTORS), 0xffffff);

    scsi_put_be(buf + 2, 3, cylinders);
    buf[5] = HEADS;
    scsi_put_be(buf + 20, 2, 5400); /* turns a minute */
    return 24;
}

static unsigned caching_page(u8 *buf)
{
    buf[2] = 0x04; /* writes are cached */
    return 20;
}

/* Appends the page; with only what may be changed asked for, nothing of it is set. */
static unsigned mode_page(const struct scsi_disk *disk, u8 page, bool changeable, u8 *buf)
{
    unsigned len = page == PAGE_GEOMETRY ? geometry_page(disk, buf) : caching_page(buf);

    if (changeable)
        memset(buf, 0, len);
    buf[0] = page;
    buf[1] = (u8)(len - 2);
    return len;
}

static void mode_header(const struct scsi_disk *disk, bool ten, bool desc, unsigned len, u8 *buf)
{
    u8 device = (u8)(DPO_FUA | (block_read_only(disk->block) ? WRITE_PROTECT : 0));

    if (ten) {
        scsi_put_be(buf, 2, len - 2);
        buf[3] = device;
        buf[7] = desc ? 8 : 0;
    } else {
        buf[0] = (u8)(len - 1);
        buf[2] = device;
        buf[3] = desc ? 8 : 0;
    }
}

int scsi_mode_sense(const struct scsi_disk *disk, const u8 *cdb, u8 *buf)
{
    bool ten = cdb[0] == 0x5a, desc = !(cdb[1] & 0x08);
    u8 page = cdb[2] & 0x3f, control = cdb[2] >> 6;
    unsigned at = ten ? 8 : 4;

    if (control == 3)
        return -(int)SCSI_NOT_SAVED;
    if (page != PAGE_GEOMETRY && page != PAGE_CACHING && page != PAGE_ALL)
        return -(int)SCSI_BAD_FIELD;
    if (desc) {
        scsi_put_be(buf + at, 4, disk->blocks > 0xffffff ? 0 : disk->blocks);
        scsi_put_be(buf + at + 5, 3, BLOCK_SECTOR);
        at += 8;
    }
    if (page != PAGE_CACHING)
        at += mode_page(disk, PAGE_GEOMETRY, control == 1, buf + at);
    if (page != PAGE_GEOMETRY)
        at += mode_page(disk, PAGE_CACHING, control == 1, buf + at);
    mode_header(disk, ten, desc, at, buf);
    return (int)at;
}

int scsi_capacity10(const struct scsi_disk *disk, u8 *buf)
{
    scsi_put_be(buf, 4, min_u64(disk->blocks - 1, UINT32_MAX));
    scsi_put_be(buf + 4, 4, BLOCK_SECTOR);
    return 8;
}

int scsi_capacity16(const struct scsi_disk *disk, u8 *buf)
{
    scsi_put_be(buf, 8, disk->blocks - 1);
    scsi_put_be(buf + 8, 4, BLOCK_SECTOR);
    buf[14] = block_read_only(disk->block) ? 0 : 0x80; /* thinly provisioned */
    return 32;
}

/* MMC's READ FORMAT CAPACITIES, with which Windows asks removable disks. */
int scsi_format_capacities(const struct scsi_disk *disk, u8 *buf)
{
    buf[3] = 8;
    scsi_put_be(buf + 4, 4, min_u64(disk->blocks, UINT32_MAX));
    buf[8] = 2; /* formatted */
    scsi_put_be(buf + 9, 3, BLOCK_SECTOR);
    return 12;
}
