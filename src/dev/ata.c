/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The drive as a machine of phases: registers, resets, data phases, requests to its image. What
 * commands do is in ata_cmd.c, ata_rw.c, ata_identify.c, and for packets in atapi.c.
 * An image's request in flight outlives a reset: the drive says BSY until it is over.
 */
#include "dev/ata_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DIAGNOSTIC_PASSED 0x01u
#define CMD_DEVICE_RESET  0x08u

static u8 ready_status(const struct ata_drive *d)
{
    return d->cdrom ? ATA_DRDY : ATA_DRDY | ATA_DSC;
}

void ata_signature(struct ata_drive *d)
{
    d->r.count[0] = d->r.lba_low[0] = 1;
    d->r.lba_mid[0] = d->cdrom ? 0x14 : 0;
    d->r.lba_high[0] = d->cdrom ? 0xeb : 0;
    d->r.device &= ATA_DEV;
    d->r.error = DIAGNOSTIC_PASSED;
    d->r.status = d->cdrom ? 0 : ready_status(d); /* a packet device is not DRDY until a command */
}

void ata_finish_reset(struct ata_drive *d)
{
    struct ata_geometry g;

    d->reset_waits = false;
    d->phase = ATA_IDLE;
    d->at = d->end = d->filled = 0;
    d->left = 0;
    d->intrq = d->sleeping = false;
    d->power = 0xff;
    if (d->cdrom)
        atapi_reset(d, d->hard);
    if (d->hard) {
        g = ata_geometry(d->cdrom ? 0 : ata_sectors(d));
        d->cylinders = (u16)g.cylinders;
        d->heads = (u16)g.heads;
        d->spt = (u16)g.sectors;
        d->multiple = 0;
        d->pio_mode = 4;
        d->mdma_mode = 2;
        d->udma_mode = 0xff;
        d->write_cache = d->read_ahead = d->smart = true;
    }
    ata_signature(d);
}

void ata_reset(struct ata_drive *d, bool hard)
{
    if (!d->present)
        return;
    d->hard = d->reset_waits ? d->hard || hard : hard;
    d->intrq = false;
    if (!d->in_flight && !d->cd.cmd.busy) {
        ata_finish_reset(d);
        return;
    }
    d->reset_waits = true;
    d->phase = ATA_BUSY;
    d->r.status = ATA_BSY;
}

static void pad_text(char *to, size_t n, const char *text)
{
    size_t len = strnlen(text, n);

    memset(to, ' ', n);
    memcpy(to, text, len);
    to[n] = 0;
}

void ata_init(struct ata_drive *d, const struct ata_drive_config *cfg, unsigned number,
              struct mem *mem, void (*ready)(void *opaque), void *opaque)
{
    char serial[24];

    d->cfg = *cfg;
    d->blk = cfg->cdrom ? NULL : cfg->blk;
    d->cdrom = cfg->cdrom;
    d->present = cfg->blk || cfg->cdrom;
    d->mem = mem;
    d->ready = ready;
    d->opaque = opaque;
    snprintf(serial, sizeof(serial), "DM%05u", number + 1);
    pad_text(d->serial, 20, cfg->serial ? cfg->serial : serial);
    pad_text(d->model, 40, cfg->model ? cfg->model : d->cdrom ? "DOMUS CD-ROM" : "DOMUS HARDDISK");
    if (d->cdrom)
        atapi_init(d, cfg);
    ata_reset(d, true);
}

/* The command is over, well. */
void ata_end(struct ata_drive *d)
{
    d->phase = ATA_IDLE;
    d->r.status = ready_status(d);
    d->r.error = 0;
    d->intrq = true;
}

void ata_fail(struct ata_drive *d, u8 error)
{
    d->phase = ATA_IDLE;
    d->r.status = ready_status(d) | ATA_ERR;
    d->r.error = error;
    d->intrq = true;
}

void ata_abort(struct ata_drive *d)
{
    ata_fail(d, ATA_ABRT);
}

void ata_phase(struct ata_drive *d, u8 phase, u32 at, u32 end, u8 next, bool last)
{
    BUG_ON(at > end || end > ATA_BUF);
    d->phase = phase;
    d->at = at;
    d->end = end;
    d->next = next;
    d->last = last;
    d->r.status = ready_status(d) | ATA_DRQ;
    if (phase == ATA_DMA_IN || phase == ATA_DMA_OUT)
        d->r.status = ATA_BSY; /* DRQ is for the bus master to see, BSY for the host */
}

static void request_done(struct block_req *req, int rc)
{
    struct ata_drive *d = req->opaque;

    d->in_flight = false;
    if (req->op == BLOCK_READ && req->iov) /* what failed may have come in part */
        mem_pieces_written(d->mem, req->iov, req->niov);
    if (d->reset_waits)
        ata_finish_reset(d);
    else
        d->then(d, rc);
    d->ready(d->opaque);
}

static void submit(struct ata_drive *d, void (*then)(struct ata_drive *d, int rc))
{
    BUG_ON(d->in_flight);
    d->phase = ATA_BUSY;
    d->r.status = ATA_BSY;
    d->in_flight = true;
    d->then = then;
    d->req.done = request_done;
    d->req.opaque = d;
    block_submit(d->blk, &d->req);
}

void ata_submit(struct ata_drive *d, enum block_op op, u64 offset, u32 len,
                void (*then)(struct ata_drive *d, int rc))
{
    BUG_ON(len > ATA_BUF && op != BLOCK_DISCARD);
    d->req = (struct block_req){.op = op, .offset = offset, .len = len, .buf = d->buf};
    submit(d, then);
}

bool ata_submit_direct(struct ata_drive *d, enum block_op op, u64 offset, u64 len, unsigned n,
                       void (*then)(struct ata_drive *d, int rc))
{
    d->req = (struct block_req){.op = op, .offset = offset, .len = len, .iov = d->iov, .niov = n};
    if (op == BLOCK_READ && block_read_now(d->blk, &d->req)) {
        mem_pieces_written(d->mem, d->iov, n);
        return true;
    }
    submit(d, then);
    return false;
}

void ata_execute(struct ata_drive *d, u8 command)
{
    if (!d->present || d->reset_waits)
        return;
    if (command == CMD_DEVICE_RESET && d->cdrom) {
        ata_reset(d, false);
        return;
    }
    if (d->r.status & ATA_BSY || d->sleeping)
        return; /* only a reset wakes it */
    d->command = command;
    d->intrq = false;
    d->phase = ATA_IDLE;
    d->r.status = ready_status(d);
    d->r.error = 0;
    ata_command(d);
}

void ata_data_done(struct ata_drive *d)
{
    static void (*const next[NEXT_COUNT])(struct ata_drive *) = {
        [NEXT_END] = ata_end,        [NEXT_READ] = ata_read_next, [NEXT_WRITE] = ata_write_next,
        [NEXT_TRIM] = ata_trim_next, [NEXT_IGNORE] = ata_end,     [NEXT_PACKET] = atapi_command,
        [NEXT_CD_IN] = atapi_next,   [NEXT_CD_OUT] = atapi_next,
    };

    d->at = d->end;
    if (d->phase == ATA_PIO_IN && d->next == NEXT_END) { /* the host knows: no interrupt */
        d->phase = ATA_IDLE;
        d->r.status = ready_status(d);
        return;
    }
    next[d->next](d);
}

u64 ata_direct_len(const struct ata_drive *d)
{
    bool in = d->phase == ATA_DMA_IN && !d->end, out = d->phase == ATA_DMA_OUT && !d->at;

    return (in && d->next == NEXT_READ) || (out && d->next == NEXT_WRITE)
               ? (u64)d->left * ATA_SECTOR
               : 0;
}

void ata_drain(struct ata_drive *d)
{
    if (d->in_flight)
        block_drain(d->blk);
}

bool ata_wants_packet(const struct ata_drive *d)
{
    return d->phase == ATA_PIO_OUT && d->next == NEXT_PACKET;
}

void ata_data_failed(struct ata_drive *d)
{
    ata_abort(d);
}

#define FIELD(kind, field) STATE_##kind(struct ata_drive, field)

static const struct state_field regs_fields[] = {
    STATE_ARRAY(struct ata_regs, feature),
    STATE_ARRAY(struct ata_regs, count),
    STATE_ARRAY(struct ata_regs, lba_low),
    STATE_ARRAY(struct ata_regs, lba_mid),
    STATE_ARRAY(struct ata_regs, lba_high),
    STATE_UINT(struct ata_regs, device),
    STATE_UINT(struct ata_regs, status),
    STATE_UINT(struct ata_regs, error),
    STATE_END,
};

/* As pages, of which those that are zero take no room. */
static u8 *saved_buf(void *obj, u64 *len)
{
    struct ata_drive *d = obj;

    *len = sizeof(d->buf);
    return d->buf;
}

const struct state_field ata_drive_fields[] = {
    FIELD(BOOL, present),
    FIELD(BOOL, cdrom),
    STATE_STRUCTS(struct ata_drive, r, 1, regs_fields),
    FIELD(UINT, phase),
    FIELD(BOOL, intrq),
    FIELD(BOOL, last),
    FIELD(UINT, command),
    FIELD(UINT, at),
    FIELD(UINT, end),
    FIELD(UINT, filled),
    FIELD(UINT, lba),
    FIELD(UINT, left),
    FIELD(UINT, per_drq),
    FIELD(UINT, next),
    FIELD(UINT, multiple),
    FIELD(UINT, pio_mode),
    FIELD(UINT, mdma_mode),
    FIELD(UINT, udma_mode),
    FIELD(BOOL, write_cache),
    FIELD(BOOL, read_ahead),
    FIELD(BOOL, smart),
    FIELD(BOOL, sleeping),
    FIELD(UINT, power),
    FIELD(BOOL, ncq_failed),
    FIELD(UINT, ncq_tag),
    FIELD(UINT, ncq_error),
    FIELD(UINT, ncq_lba),
    FIELD(UINT, heads),
    FIELD(UINT, spt),
    FIELD(UINT, cylinders),
    STATE_STRUCTS(struct ata_drive, cd, 1, atapi_fields),
    STATE_PAGES("buf", saved_buf, 0),
    STATE_END,
};

static bool bad_disk_phase(const struct ata_drive *d)
{
    u64 sectors = ata_sectors(d);
    bool in = d->phase == ATA_PIO_IN || d->phase == ATA_DMA_IN;

    if (d->end % ATA_SECTOR || d->filled % ATA_SECTOR)
        return true;
    switch (d->next) {
    case NEXT_END:
        return d->phase != ATA_PIO_IN;
    case NEXT_READ:
        return !in || !d->per_drq || d->lba > sectors || d->left > sectors - d->lba;
    case NEXT_WRITE:
        return in || !d->per_drq || d->lba > sectors || d->left > sectors - d->lba || !d->end ||
               d->end / ATA_SECTOR > d->left;
    case NEXT_TRIM:
        return d->phase != ATA_DMA_OUT;
    case NEXT_IGNORE:
        return d->phase != ATA_PIO_OUT;
    default:
        return true;
    }
}

static bool bad_phase(const struct ata_drive *d)
{
    bool in = d->phase == ATA_PIO_IN || d->phase == ATA_DMA_IN;

    if (d->phase == ATA_IDLE)
        return false;
    if (d->phase == ATA_BUSY || d->phase > ATA_DMA_OUT || d->at > d->end || d->end > ATA_BUF ||
        d->filled > ATA_BUF || (in && d->end > d->filled))
        return true;
    return !d->cdrom && bad_disk_phase(d);
}

int ata_loaded(struct ata_drive *d)
{
    if (d->present != (d->cfg.blk || d->cfg.cdrom) || d->cdrom != d->cfg.cdrom)
        return -EINVAL;
    if (!d->present)
        return d->phase == ATA_IDLE ? 0 : -EINVAL;
    if (d->multiple > 16 || d->multiple & (d->multiple - 1) || d->per_drq > 16 || bad_phase(d))
        return -EINVAL;
    if (d->cdrom)
        return atapi_loaded(d);
    return !d->heads || d->heads > 16 || !d->spt || d->spt > 255 ? -EINVAL : 0;
}
