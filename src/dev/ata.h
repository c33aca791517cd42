/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A drive of the ATA family, hard disk or CD-ROM, apart from what it is connected by: its command
 * block registers, its commands (ATA8-ACS; MMC-3 and SPC-3 for packets) and its sector buffer.
 *
 * The transport (IDE channel, AHCI port) writes the registers, calls ata_execute, and then looks
 * at `phase`. In a data phase it moves the bytes of [at, end) of the buffer, at its own pace, and
 * calls ata_data_done; or it has guest memory for all that ata_direct_len tells of, and calls
 * ata_move_direct. While the phase is ATA_BUSY an image works; `ready` tells of its end.
 * `intrq` is the drive's interrupt: the transport delivers and clears it.
 * All of it runs under the machine's lock.
 */
#pragma once
#include "base/state.h"
#include "block/block.h"
#include "dev/scsi.h"
#include "mem/mem.h"

#define ATA_SECTOR 512u
#define ATA_BUF    (128u * 1024)
#define ATA_PIECES 512u /* of memory, in one request */

/* Status register. */
#define ATA_BSY  0x80u
#define ATA_DRDY 0x40u
#define ATA_DF   0x20u
#define ATA_DSC  0x10u
#define ATA_DRQ  0x08u
#define ATA_ERR  0x01u
/* Error register. */
#define ATA_UNC  0x40u
#define ATA_WP   0x40u
#define ATA_IDNF 0x10u
#define ATA_ABRT 0x04u
/* Device register. */
#define ATA_LBA 0x40u
#define ATA_DEV 0x10u

enum ata_phase {
    ATA_IDLE,
    ATA_BUSY,    /* an image's request is under way */
    ATA_PIO_IN,  /* the host reads */
    ATA_PIO_OUT, /* the host writes */
    ATA_DMA_IN,
    ATA_DMA_OUT,
};

/* What a register holds and, in the 48-bit feature set, what it held before. */
struct ata_regs {
    u8 feature[2], count[2], lba_low[2], lba_mid[2], lba_high[2];
    u8 device, status, error;
};

/* Cylinders, heads, sectors per track. */
struct ata_geometry {
    u32 cylinders, heads, sectors;
};

/* What a BIOS and a drive tell of a disk of so many sectors: at most 16383/16/63. */
struct ata_geometry ata_geometry(u64 sectors);

struct ata_drive_config {
    struct block *blk; /* NULL: no drive, or no disc in it */
    bool cdrom;
    bool sata;                  /* the transport says */
    const char *model, *serial; /* NULL: chosen */
    /* A CD-ROM's guest has opened or closed the tray; may be NULL. Must not change the disc. */
    void (*on_tray)(void *opaque, bool open);
    void *tray_opaque;
};

struct ata_drive;

struct atapi { /* of a CD-ROM */
    struct scsi_unit unit;
    struct scsi_command cmd;
    u32 limit;   /* bytes that the host takes in one data phase; 0: by DMA */
    bool called; /* by the transport, which looks at the phase itself */
};

struct ata_drive {
    bool present, cdrom;
    struct block *blk; /* of a disk */
    struct ata_regs r;
    u8 phase; /* enum ata_phase */
    bool intrq;
    bool last;    /* the data phase is the command's last */
    u8 command;   /* the one that runs or has run */
    u32 at, end;  /* of the data phase, in the buffer */
    u32 filled;   /* bytes in the buffer */
    u64 lba;      /* the sector after those in the buffer, or the first to write */
    u32 left;     /* sectors after those in the buffer, or still to write */
    u32 per_drq;  /* sectors of a PIO data phase */
    u8 next;      /* what comes after the data phase */
    u8 multiple;  /* SET MULTIPLE MODE */
    u8 pio_mode;  /* as SET FEATURES 03h gave it */
    u8 mdma_mode; /* 0xff: none */
    u8 udma_mode; /* 0xff: none */
    bool write_cache, read_ahead, smart, sleeping;
    u8 power; /* what CHECK POWER MODE answers */
    /* The queued command that failed, for READ LOG EXT. */
    bool ncq_failed;
    u8 ncq_tag, ncq_error;
    u64 ncq_lba;
    u16 heads, spt; /* of INITIALIZE DEVICE PARAMETERS */
    u16 cylinders;
    struct atapi cd;
    u8 buf[ATA_BUF];

    /* Not part of the saved state: nothing is in flight then. */
    struct block_req req;
    struct iovec iov[ATA_PIECES]; /* the transport's, until the drive is not busy any more */
    struct mem *mem;
    bool in_flight;
    bool reset_waits; /* a reset that ends when the request does */
    bool hard;
    void (*then)(struct ata_drive *d, int rc);
    void (*ready)(void *opaque); /* the phase has changed by itself */
    void *opaque;
    struct ata_drive_config cfg;
    char model[41], serial[21];
};

/* `d` is zeroed. `number` makes the serial number of one that has none. `mem` is the guest's. */
void ata_init(struct ata_drive *d, const struct ata_drive_config *cfg, unsigned number,
              struct mem *mem, void (*ready)(void *opaque), void *opaque);
/* Power-on or hardware reset, and software reset: with an image's request under way the drive
   stays busy until it is over, and `ready` is called. */
void ata_reset(struct ata_drive *d, bool hard);
/* EXECUTE DEVICE DIAGNOSTIC's result and the signature in the registers. */
void ata_signature(struct ata_drive *d);
/* The command code is written; the other registers are. */
void ata_execute(struct ata_drive *d, u8 command);
/* The transport has moved [at, end). */
void ata_data_done(struct ata_drive *d);
/* Bytes that a disk can move between image and guest memory by itself in this phase, one by DMA;
   0: none. A read begins with a phase of no bytes for it. */
u64 ata_direct_len(const struct ata_drive *d);
/* Has it do that with `n` pieces in d->iov, of ata_direct_len bytes together. `ready` is called if
   the drive is busy after this. */
void ata_move_direct(struct ata_drive *d, unsigned n);
/* Waits for what the image does for a disk, with the machine's lock, held once, let go of. */
void ata_drain(struct ata_drive *d);
/* The data phase is that of a command packet, of 12 bytes. */
bool ata_wants_packet(const struct ata_drive *d);
/* The transport could not move it; the command ends with an error. */
void ata_data_failed(struct ata_drive *d);

extern const struct state_field ata_drive_fields[];
/* -EINVAL for a state that no drive can be in. */
must_check int ata_loaded(struct ata_drive *d);
