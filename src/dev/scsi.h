/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A SCSI logical unit, disk or CD-ROM, behind whatever carries its commands: USB, ATAPI or virtio.
 *
 * A transport starts a command and waits for `ready`. While `left` is not 0 the command has data
 * to move: the transport does it with scsi_move, at once where it has memory for all of it or bit
 * by bit, each answered by `ready`. At 0 the command is over and `status` counts. `ready` may be
 * called before scsi_start or scsi_move returns. A command that the transport gives up has to come
 * to rest before it is used again: `busy` tells. Under the machine's lock.
 */
#pragma once
#include "base/state.h"
#include "block/block.h"

#define SCSI_GOOD     0x00u
#define SCSI_CHECK    0x02u
#define SCSI_CDB_MAX  16u
#define SCSI_PARAMS   2560u /* of data that commands make or take themselves */
#define SCSI_SENSE    18u
#define SCSI_NAME_MAX 36u
#define SCSI_DATA_MAX (1024 * MiB) /* of one command, which a reset waits for */

enum scsi_dir { SCSI_NONE, SCSI_IN, SCSI_OUT };

struct scsi_unit_config {
    struct block *block; /* NULL: nothing is in the CD-ROM drive. Not owned */
    bool cdrom, removable;
    bool queues; /* the transport starts commands while others run */
    bool atapi;  /* a CD-ROM says that it is one */
    const char *vendor, *product, *revision, *serial; /* cut at 8, 16, 4 and SCSI_NAME_MAX */
    /* A CD-ROM's guest has opened or closed the tray; may be NULL. Must not change the disc. */
    void (*on_tray)(void *opaque, bool open);
    void *tray_opaque;
};

struct scsi_unit { /* embedded in the transport's device */
    struct block *block;
    bool cdrom, removable, queues, atapi;
    char vendor[9], product[17], revision[5], serial[SCSI_NAME_MAX + 1];
    u64 blocks;
    u32 sense;     /* of the last command: key << 16 | ASC << 8 | ASCQ */
    u32 attention; /* what the next command reports; 0: nothing */
    bool write_through;
    bool tray_open, locked; /* of a CD-ROM */
    u8 event;               /* of its medium, for GET EVENT STATUS NOTIFICATION */
    void (*on_tray)(void *opaque, bool open);
    void *tray_opaque;
};

struct scsi_command { /* embedded too; all 0 at first but for these two */
    struct scsi_unit *unit;
    void (*ready)(struct scsi_command *cmd);

    enum scsi_dir dir;
    u64 left; /* bytes of data to move */
    u8 status;
    bool busy; /* `ready` is still to come */
    u32 sense; /* with SCSI_CHECK */

    /* scsi.c's. */
    u8 cdb[SCSI_CDB_MAX];
    bool bulk; /* the data is the medium's, not `params` */
    bool fua;
    u64 offset;
    u16 at, taken; /* in params; how many bytes of them the initiator sends */
    u8 params[SCSI_PARAMS];
    struct iovec whole; /* scsi_move's */
    struct block_req req;
};

void scsi_unit_init(struct scsi_unit *unit, const struct scsi_unit_config *cfg);
void scsi_start(struct scsi_command *cmd, const u8 *cdb, unsigned len);
/* The next n bytes, 0 < n <= left, into or out of buf, which stays until `ready`. */
void scsi_move(struct scsi_command *cmd, u8 *buf, u64 n);
/* The same with memory in pieces, of n bytes together; iov stays, too. */
void scsi_move_pieces(struct scsi_command *cmd, const struct iovec *iov, unsigned count, u64 n);
/* Makes the transport accept less of a reply than the command has. */
void scsi_truncate(struct scsi_command *cmd, u64 left);
/* The same for a logical unit that is not there, beside cmd->unit. */
void scsi_no_unit(struct scsi_command *cmd, const u8 *cdb, unsigned len);
/* Sense data in fixed format. */
void scsi_fill_sense(u32 sense, u8 buf[SCSI_SENSE]);

/* A disk's image has another size now. */
void scsi_resized(struct scsi_unit *unit);

/* Another disc, or none. The old image may still be in use by a request: close it with
   block_close. A locked tray does not keep a person from it; `locked` tells. */
void scsi_change_disc(struct scsi_unit *unit, struct block *block);
/* Moves the tray, whether locked or not. */
void scsi_move_tray(struct scsi_unit *unit, bool open);
/* The eject button: tells the guest. With an unlocked tray, it opens. */
void scsi_eject(struct scsi_unit *unit);

extern const struct state_field scsi_unit_fields[];
extern const struct state_field scsi_command_fields[];
must_check int scsi_unit_loaded(const struct scsi_unit *unit);
/* Of a command that is not busy. */
must_check int scsi_command_loaded(const struct scsi_command *cmd);

#define SCSI_SENSE_CODE(key, asc, ascq) ((u32)(key) << 16 | (u32)(asc) << 8 | (u32)(ascq))
#define SCSI_NO_SENSE                   0u
#define SCSI_NO_MEDIUM                  SCSI_SENSE_CODE(2, 0x3a, 0)
#define SCSI_READ_ERROR                 SCSI_SENSE_CODE(3, 0x11, 0)
#define SCSI_WRITE_ERROR                SCSI_SENSE_CODE(3, 0x0c, 0)
#define SCSI_BAD_LENGTH                 SCSI_SENSE_CODE(5, 0x1a, 0)
#define SCSI_BAD_OPCODE                 SCSI_SENSE_CODE(5, 0x20, 0)
#define SCSI_BAD_LBA                    SCSI_SENSE_CODE(5, 0x21, 0)
#define SCSI_BAD_FIELD                  SCSI_SENSE_CODE(5, 0x24, 0)
#define SCSI_BAD_UNIT                   SCSI_SENSE_CODE(5, 0x25, 0)
#define SCSI_BAD_PARAMS                 SCSI_SENSE_CODE(5, 0x26, 0)
#define SCSI_BAD_MEDIUM                 SCSI_SENSE_CODE(5, 0x30, 2)
#define SCSI_NOT_SAVED                  SCSI_SENSE_CODE(5, 0x39, 0)
#define SCSI_NO_REMOVAL                 SCSI_SENSE_CODE(5, 0x53, 2)
#define SCSI_BAD_MODE                   SCSI_SENSE_CODE(5, 0x64, 0)
#define SCSI_MEDIUM_CHANGED             SCSI_SENSE_CODE(6, 0x28, 0)
#define SCSI_RESET                      SCSI_SENSE_CODE(6, 0x29, 0)
#define SCSI_CAPACITY_CHANGED           SCSI_SENSE_CODE(6, 0x2a, 9)
#define SCSI_PROTECTED                  SCSI_SENSE_CODE(7, 0x27, 0)
#define SCSI_NO_SPACE                   SCSI_SENSE_CODE(7, 0x27, 7)
