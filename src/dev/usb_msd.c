/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A USB disk: the SCSI transparent command set over Bulk-Only Transport (USB Mass Storage Class,
 * Bulk-Only Transport, revision 1.0). A command goes: command wrapper (31 bytes) out, data in or
 * out, status wrapper (13 bytes) in. While the disk works, endpoints NAK.
 *
 * Where host and command differ about the data (section 6.7, thirteen cases), a short packet ends
 * data in, and data out that nobody wants is taken and dropped, rather than a stall: simple boot
 * firmware recovers from that. A command wrapper that is none stalls until reset recovery.
 * Runs under the machine's lock.
 */
#include "dev/usb_msd.h"
#include "base/le.h"
#include "dev/scsi.h"

#include <errno.h>
#include <stdlib.h>

#define CBW_LEN       31u
#define CBW_SIGNATURE 0x43425355u
#define CBW_IN        0x80u
#define CSW_LEN       13u
#define CSW_SIGNATURE 0x53425355u

enum { CSW_PASSED, CSW_FAILED, CSW_PHASE_ERROR };

#define BULK_IN  0x81u
#define BULK_OUT 0x02u

#define BULK_ONLY_RESET USB_REQUEST(0x21, 0xff)
#define GET_MAX_LUN     USB_REQUEST(0xa1, 0xfe)

#define CHUNK (32 * KiB) /* of data that the disk moves at once */

enum stage {
    STAGE_CBW,
    STAGE_STARTED, /* the command is being looked at */
    STAGE_IN,
    STAGE_OUT,
    STAGE_CSW,
    STAGE_DEAD, /* waits for reset recovery */
    STAGES
};

struct usb_msd {
    struct usb_device usb;
    struct scsi_unit unit;
    struct scsi_command cmd;
    u8 stage;         /* enum stage */
    bool dropped;     /* the busy command was given up by a reset */
    bool phase_error; /* host and command cannot agree */
    u32 tag;
    bool host_in;
    u32 host_len;  /* of data, as the host wants it */
    u32 host_left; /* of that, to come */
    u32 residue;   /* host_len without what was of use */
    u32 at, len;   /* in buf: data that came from the disk, or goes there (at is 0) */
    u8 buf[CHUNK + USB_PACKET_MAX];
};

/* clang-format off */
static const u8 full_config[] = {
    9, USB_DESC_CONFIG, 32, 0, 1, 1, 0, 0xc0, 0,
    9, USB_DESC_INTERFACE, 0, 0, 2, 8, 6, 0x50, 0, /* mass storage, SCSI, bulk-only */
    7, USB_DESC_ENDPOINT, BULK_IN, 2, 64, 0, 0,
    7, USB_DESC_ENDPOINT, BULK_OUT, 2, 64, 0, 0,
};

static const u8 high_config[] = {
    9, USB_DESC_CONFIG, 32, 0, 1, 1, 0, 0xc0, 0,
    9, USB_DESC_INTERFACE, 0, 0, 2, 8, 6, 0x50, 0,
    7, USB_DESC_ENDPOINT, BULK_IN, 2, 0, 2, 0,
    7, USB_DESC_ENDPOINT, BULK_OUT, 2, 0, 2, 0,
};

static const u8 super_config[] = {
    9, USB_DESC_CONFIG, 44, 0, 1, 1, 0, 0xc0, 0,
    9, USB_DESC_INTERFACE, 0, 0, 2, 8, 6, 0x50, 0,
    7, USB_DESC_ENDPOINT, BULK_IN, 2, 0, 4, 0,
    6, USB_DESC_COMPANION, 15, 0, 0, 0, /* bursts of 16 */
    7, USB_DESC_ENDPOINT, BULK_OUT, 2, 0, 4, 0,
    6, USB_DESC_COMPANION, 15, 0, 0, 0,
};
/* clang-format on */

static const struct usb_descs descs = {
    .vendor = 0x46f4,
    .product = 0x0001,
    .maker = "QEMU",
    .name = "QEMU USB HARDDRIVE",
    .config = {[USB_FULL] = full_config, [USB_HIGH] = high_config, [USB_SUPER] = super_config},
};

static unsigned packet_size(const struct usb_msd *msd)
{
    return msd->usb.speed == USB_SUPER ? 1024 : msd->usb.speed == USB_HIGH ? 512 : 64;
}

/* The data stage is over for the host. */
static void end_data(struct usb_msd *msd)
{
    msd->stage = STAGE_CSW;
}

/* Cases 2, 3, 7, 8, 10 and 13: the command does not take place. */
static void disagree(struct usb_msd *msd)
{
    msd->phase_error = true;
    scsi_truncate(&msd->cmd, 0);
}

/* The command has looked at itself and knows its data. */
static void begin_data(struct usb_msd *msd)
{
    struct scsi_command *cmd = &msd->cmd;
    bool in = cmd->dir == SCSI_IN;

    if (cmd->left && msd->host_len && in == msd->host_in && in && !cmd->bulk)
        scsi_truncate(cmd, msd->host_len); /* a reply, of which the host wants less */
    if (cmd->left && (in != msd->host_in || cmd->left > msd->host_len))
        disagree(msd);
    if (!msd->host_len)
        end_data(msd);
    else
        msd->stage = msd->host_in ? STAGE_IN : STAGE_OUT;
}

static void command_ready(struct scsi_command *cmd)
{
    struct usb_msd *msd = container_of(cmd, struct usb_msd, cmd);

    if (msd->dropped) {
        msd->dropped = false;
        scsi_truncate(cmd, 0);
        return;
    }
    if (msd->stage == STAGE_STARTED)
        begin_data(msd);
    else if (msd->stage == STAGE_OUT && !msd->host_left)
        end_data(msd);
    if (cmd->status != SCSI_GOOD && msd->stage == STAGE_IN)
        msd->len = msd->at; /* the piece did not come */
    usb_ready(&msd->usb);
}

static int die(struct usb_msd *msd)
{
    msd->stage = STAGE_DEAD;
    usb_halt(&msd->usb, BULK_IN);
    usb_halt(&msd->usb, BULK_OUT);
    return USB_STALL;
}

static int take_cbw(struct usb_msd *msd, const u8 *buf, unsigned len)
{
    u8 cdb_len = len == CBW_LEN ? buf[14] : 0;

    if (!cdb_len || cdb_len > SCSI_CDB_MAX || le32(buf) != CBW_SIGNATURE || buf[13] & 0xf0)
        return die(msd);
    msd->tag = le32(buf + 4);
    msd->host_len = msd->host_left = msd->residue = le32(buf + 8);
    msd->host_in = buf[12] & CBW_IN;
    msd->phase_error = false;
    msd->at = msd->len = 0;
    msd->stage = STAGE_STARTED;
    if (buf[13])
        scsi_no_unit(&msd->cmd, buf + 15, cdb_len);
    else
        scsi_start(&msd->cmd, buf + 15, cdb_len);
    return (int)len;
}

static void account(struct usb_msd *msd, u32 *what, unsigned n)
{
    *what -= (u32)min_u64(*what, n);
}

/* Hands the disk what has come, or fetches more. */
static void move(struct usb_msd *msd, u64 n)
{
    msd->at = 0;
    msd->len = msd->stage == STAGE_IN ? (u32)n : 0;
    scsi_move(&msd->cmd, msd->buf, n);
}

static int take_data(struct usb_msd *msd, const u8 *buf, unsigned len)
{
    struct scsi_command *cmd = &msd->cmd;
    u64 want = min_u64(cmd->left, CHUNK);

    if (want) {
        unsigned n = (unsigned)min_u64(len, cmd->left - msd->len);
        memcpy(msd->buf + msd->len, buf, n);
        msd->len += n;
        account(msd, &msd->residue, n);
    }
    account(msd, &msd->host_left, len);
    if (len < packet_size(msd))
        msd->host_left = 0; /* a short packet ends it, even too early */
    if (want && msd->len >= want)
        move(msd, msd->len);
    if (!msd->host_left && !cmd->busy)
        end_data(msd);
    return (int)len;
}

static int msd_out(void *opaque, unsigned ep, const u8 *buf, unsigned len)
{
    struct usb_msd *msd = opaque;

    if (msd->cmd.busy || msd->stage == STAGE_STARTED)
        return USB_NAK;
    switch (msd->stage) {
    case STAGE_CBW:
        return take_cbw(msd, buf, len);
    case STAGE_OUT:
        return len > USB_PACKET_MAX ? USB_BABBLE : take_data(msd, buf, len);
    default:
        return die(msd);
    }
}

static int give_data(struct usb_msd *msd, u8 *buf, unsigned len)
{
    unsigned packet = (unsigned)min_u64(len, packet_size(msd)), n;

    if (msd->at == msd->len && msd->cmd.left) {
        move(msd, min_u64(msd->cmd.left, CHUNK));
        if (msd->cmd.busy)
            return USB_NAK;
    }
    n = (unsigned)min_u64(min_u64(packet, msd->host_left), msd->len - msd->at);
    memcpy(buf, msd->buf + msd->at, n);
    msd->at += n;
    account(msd, &msd->host_left, n);
    account(msd, &msd->residue, n);
    if (n < packet || !msd->host_left)
        end_data(msd);
    return (int)n;
}

/* A command that still has data to move was not given it. */
static u8 csw_status(const struct usb_msd *msd)
{
    if (msd->phase_error || msd->cmd.left)
        return CSW_PHASE_ERROR;
    return msd->cmd.status == SCSI_GOOD ? CSW_PASSED : CSW_FAILED;
}

static int give_csw(struct usb_msd *msd, u8 *buf, unsigned len)
{
    if (len < CSW_LEN)
        return USB_BABBLE;
    put_le32(buf, CSW_SIGNATURE);
    put_le32(buf + 4, msd->tag);
    put_le32(buf + 8, msd->residue);
    buf[12] = csw_status(msd);
    scsi_truncate(&msd->cmd, 0);
    msd->stage = STAGE_CBW;
    return CSW_LEN;
}

static int msd_in(void *opaque, unsigned ep, u8 *buf, unsigned len)
{
    struct usb_msd *msd = opaque;

    if (msd->cmd.busy)
        return USB_NAK;
    switch (msd->stage) {
    case STAGE_IN:
        return give_data(msd, buf, len);
    case STAGE_CSW:
        return give_csw(msd, buf, len);
    case STAGE_DEAD:
        return die(msd);
    default:
        return USB_NAK;
    }
}

/* Gives up the command. Its request runs on; until it is over, nothing else begins. */
static void abandon(struct usb_msd *msd)
{
    msd->stage = STAGE_CBW;
    msd->dropped = msd->cmd.busy;
    msd->at = msd->len = 0;
    msd->host_left = 0;
    if (!msd->cmd.busy)
        scsi_truncate(&msd->cmd, 0);
}

static int msd_control(void *opaque, const struct usb_setup *req, u8 *buf)
{
    struct usb_msd *msd = opaque;

    if (req->index || !usb_configured(&msd->usb))
        return USB_STALL;
    switch (USB_REQUEST(req->type, req->request)) {
    case BULK_ONLY_RESET:
        abandon(msd);
        return 0;
    case GET_MAX_LUN:
        buf[0] = 0;
        return 1;
    default:
        return USB_STALL;
    }
}

static void msd_configured(void *opaque)
{
    abandon(opaque);
}

static void msd_unhalted(void *opaque, u8 ep)
{
    struct usb_msd *msd = opaque;

    if (msd->stage == STAGE_DEAD)
        usb_halt(&msd->usb, ep);
}

static const struct usb_device_ops usb_ops = {.control = msd_control,
                                              .in = msd_in,
                                              .out = msd_out,
                                              .configured = msd_configured,
                                              .unhalted = msd_unhalted};

static void resized(void *opaque)
{
    struct usb_msd *msd = opaque;

    scsi_resized(&msd->unit);
}

int usb_msd_new(struct usb_msd **out, const struct usb_msd_config *cfg)
{
    struct usb_msd *msd = calloc(1, sizeof(*msd));
    const char *serial = cfg->serial ? cfg->serial : "000000000001";
    struct scsi_unit_config unit = {.block = cfg->block,
                                    .removable = cfg->removable,
                                    .vendor = "QEMU",
                                    .product = "QEMU HARDDISK",
                                    .revision = "2.5+",
                                    .serial = serial};

    if (!msd)
        return -ENOMEM;
    usb_device_init(&msd->usb, &descs, &usb_ops, msd);
    scsi_unit_init(&msd->unit, &unit);
    block_on_resize(cfg->block, resized, msd);
    msd->usb.serial = msd->unit.serial;
    msd->cmd = (struct scsi_command){.unit = &msd->unit, .ready = command_ready};
    usb_device_reset(&msd->usb);
    *out = msd;
    return 0;
}

void usb_msd_free(struct usb_msd *msd)
{
    if (!msd)
        return;
    BUG_ON(msd->usb.port || msd->cmd.busy);
    free(msd);
}

struct usb_device *usb_msd_device(struct usb_msd *msd)
{
    return &msd->usb;
}

static void before_save(void *obj)
{
    struct usb_msd *msd = obj;

    if (msd->cmd.busy)
        block_drain(msd->unit.block);
    BUG_ON(msd->cmd.busy);
}

static int msd_loaded(void *obj)
{
    struct usb_msd *msd = obj;
    int rc = usb_device_loaded(&msd->usb);

    if (rc)
        return rc;
    if (msd->stage >= STAGES || msd->stage == STAGE_STARTED || msd->host_left > msd->host_len ||
        msd->residue > msd->host_len)
        return -EINVAL;
    if (msd->at > msd->len || msd->len > CHUNK)
        return -EINVAL;
    if (msd->stage == STAGE_OUT && (msd->at || msd->len > msd->cmd.left))
        return -EINVAL;
    return scsi_unit_loaded(&msd->unit) ? -EINVAL : scsi_command_loaded(&msd->cmd);
}

static const struct state_field fields[] = {
    STATE_STRUCTS(struct usb_msd, usb, 1, usb_device_fields),
    STATE_STRUCTS(struct usb_msd, unit, 1, scsi_unit_fields),
    STATE_STRUCTS(struct usb_msd, cmd, 1, scsi_command_fields),
    STATE_UINT(struct usb_msd, stage),
    STATE_BOOL(struct usb_msd, phase_error),
    STATE_UINT(struct usb_msd, tag),
    STATE_BOOL(struct usb_msd, host_in),
    STATE_UINT(struct usb_msd, host_len),
    STATE_UINT(struct usb_msd, host_left),
    STATE_UINT(struct usb_msd, residue),
    STATE_UINT(struct usb_msd, at),
    STATE_UINT(struct usb_msd, len),
    STATE_ARRAY(struct usb_msd, buf),
    STATE_END,
};

const struct state_table usb_msd_state = {.name = "usb-msd",
                                          .version = 1,
                                          .oldest = 1,
                                          .fields = fields,
                                          .before_save = before_save,
                                          .loaded = msd_loaded};
