/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a SCSI unit tells of itself: INQUIRY with its vital product data (SPC-3, sections 6.4 and
   7.6; SBC-3, section 6.5). */
#include "dev/scsi_priv.h"

#include <string.h>

#define INQUIRY_LEN  36u
#define TYPE_CDROM   5u
#define REMOVABLE    0x80u
#define SPC_3        5u
#define CMD_EVPD     0x01u
#define UNMAP_BLOCKS 0x400000u /* in one descriptor */
#define UNMAP_DESCS  31u

static void pad(u8 *to, const char *text, unsigned n)
{
    memset(to, ' ', n);
    memcpy(to, text, min_u64(strlen(text), n));
}

static u64 standard(const struct scsi_unit *unit, u8 *buf)
{
    buf[1] = unit->removable ? REMOVABLE : 0;
    buf[2] = unit->atapi ? 0 : SPC_3;
    buf[3] = unit->atapi ? 0x21 : 2; /* the format of this; packets by ATA */
    buf[4] = INQUIRY_LEN - 5;
    buf[7] = unit->queues ? 2 : 0;
    pad(buf + 8, unit->vendor, 8);
    pad(buf + 16, unit->product, 16);
    pad(buf + 32, unit->revision, 4);
    return INQUIRY_LEN;
}

/* Device identification: vendor, product and serial number as text. */
static unsigned identification(const struct scsi_unit *unit, u8 *buf)
{
    unsigned n = (unsigned)strlen(unit->serial);

    buf[0] = 2; /* ASCII */
    buf[1] = 1; /* T10 vendor identification, of the logical unit */
    buf[3] = (u8)(8 + 16 + n);
    pad(buf + 4, unit->vendor, 8);
    pad(buf + 12, unit->product, 16);
    memcpy(buf + 28, unit->serial, n);
    return 28 + n;
}

static unsigned block_limits(u8 *buf)
{
    scsi_put_be(buf + 4, 4, SCSI_DATA_MAX / BLOCK_SECTOR);
    scsi_put_be(buf + 16, 4, UNMAP_BLOCKS);
    scsi_put_be(buf + 20, 4, UNMAP_DESCS);
    return 60;
}

/* The page's body; false if there is no such page. */
static bool vital_data(const struct scsi_unit *unit, u8 page, u8 *buf, unsigned *len)
{
    static const u8 pages[] = {0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2};

    if (unit->cdrom && page >= 0xb0)
        return false;
    switch (page) {
    case 0x00:
        *len = unit->cdrom ? 3 : sizeof(pages);
        memcpy(buf, pages, *len);
        return true;
    case 0x80:
        *len = (unsigned)strlen(unit->serial);
        memcpy(buf, unit->serial, *len);
        return true;
    case 0x83:
        *len = identification(unit, buf);
        return true;
    case 0xb0:
        *len = block_limits(buf);
        return true;
    case 0xb1: /* nothing rotates */
        buf[1] = 1;
        *len = 60;
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

void scsi_inquiry(struct scsi_command *cmd)
{
    const struct scsi_unit *unit = cmd->unit;
    const u8 *cdb = cmd->cdb;
    u64 room = unit->atapi ? cdb[4] : scsi_be(cdb + 3, 2);
    u8 *p = scsi_params(cmd);
    unsigned len;

    p[0] = unit->cdrom ? TYPE_CDROM : 0;
    if (!(cdb[1] & CMD_EVPD) && !cdb[2]) {
        scsi_reply(cmd, standard(unit, p), room);
    } else if (!(cdb[1] & CMD_EVPD) || unit->atapi || !vital_data(unit, cdb[2], p + 4, &len)) {
        scsi_finish(cmd, SCSI_BAD_FIELD);
    } else {
        p[1] = cdb[2];
        scsi_put_be(p + 2, 2, len);
        scsi_reply(cmd, 4 + len, room);
    }
}
