/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A SCSI disk behind whatever carries its commands; see scsidisk.c.
 *
 * A transport starts a command and waits for `ready`. While `left` is not 0 the command has data
 * to move: the transport does it in pieces with scsi_move, each answered by `ready`. At 0 the
 * command is over and `status` counts. `ready` may be called before scsi_start or scsi_move
 * returns. A command that the transport gives up has to come to rest before it is used again:
 * `busy` tells.
 */
#pragma once
#include "base/state.h"
#include "block/block.h"

#define SCSI_GOOD  0x00u
#define SCSI_CHECK 0x02u

#define SCSI_CDB_MAX  16u
#define SCSI_PARAMS   512u /* of data that commands make or take themselves */
#define SCSI_SENSE    18u
#define SCSI_NAME_MAX 36u

enum scsi_dir { SCSI_NONE, SCSI_IN, SCSI_OUT };

struct scsi_disk { /* embedded in the transport's device */
    struct block *block;
    char product[17], serial[SCSI_NAME_MAX + 1];
    bool removable;
    u64 blocks;
    u32 sense; /* of the last command: key << 16 | ASC << 8 | ASCQ */
};

struct scsi_command { /* embedded too; all 0 at first but for these two */
    struct scsi_disk *disk;
    void (*ready)(struct scsi_command *cmd);

    enum scsi_dir dir;
    u64 left; /* bytes of data to move */
    u8 status;
    bool busy; /* `ready` is still to come */
    u32 sense; /* with SCSI_CHECK */

    /* scsidisk.c's. */
    u8 cdb[SCSI_CDB_MAX];
    bool bulk; /* the data is the disk's, not `params` */
    bool fua;
    u64 offset;
    u16 at;
    u8 params[SCSI_PARAMS];
    struct block_req req;
};

/* `serial` is cut at SCSI_NAME_MAX. */
void scsi_disk_init(struct scsi_disk *disk, struct block *block, const char *product,
                    const char *serial, bool removable);
void scsi_start(struct scsi_command *cmd, const u8 *cdb, unsigned len);
/* The next n bytes, 0 < n <= left, into or out of buf, which stays until `ready`. */
void scsi_move(struct scsi_command *cmd, u8 *buf, u64 n);
/* Makes the transport accept less of a reply than the command has. */
void scsi_truncate(struct scsi_command *cmd, u64 left);
/* Fails the command for a logical unit that is not there. */
void scsi_no_unit(struct scsi_command *cmd);
/* Sense data in fixed format. */
void scsi_fill_sense(u32 sense, u8 buf[SCSI_SENSE]);

extern const struct state_field scsi_disk_fields[];
extern const struct state_field scsi_command_fields[];
/* Of a command that is not busy. */
must_check int scsi_command_loaded(struct scsi_command *cmd);

/* Between scsidisk.c and scsidisk_info.c: replies in `params`. Their length, or -sense. */
int scsi_inquiry(const struct scsi_disk *disk, const u8 *cdb, u8 *buf);
int scsi_mode_sense(const struct scsi_disk *disk, const u8 *cdb, u8 *buf);
int scsi_capacity10(const struct scsi_disk *disk, u8 *buf);
int scsi_capacity16(const struct scsi_disk *disk, u8 *buf);
int scsi_format_capacities(const struct scsi_disk *disk, u8 *buf);

#define SCSI_SENSE_CODE(key, asc, ascq) ((u32)(key) << 16 | (u32)(asc) << 8 | (u32)(ascq))
#define SCSI_NO_SENSE                   0u
#define SCSI_NO_MEDIUM                  SCSI_SENSE_CODE(2, 0x3a, 0)
#define SCSI_READ_ERROR                 SCSI_SENSE_CODE(3, 0x11, 0)
#define SCSI_WRITE_ERROR                SCSI_SENSE_CODE(3, 0x0c, 0)
#define SCSI_BAD_OPCODE                 SCSI_SENSE_CODE(5, 0x20, 0)
#define SCSI_BAD_LBA                    SCSI_SENSE_CODE(5, 0x21, 0)
#define SCSI_BAD_FIELD                  SCSI_SENSE_CODE(5, 0x24, 0)
#define SCSI_BAD_UNIT                   SCSI_SENSE_CODE(5, 0x25, 0)
#define SCSI_BAD_PARAMS                 SCSI_SENSE_CODE(5, 0x26, 0)
#define SCSI_NOT_SAVED                  SCSI_SENSE_CODE(5, 0x39, 0)
#define SCSI_PROTECTED                  SCSI_SENSE_CODE(7, 0x27, 0)
#define SCSI_NO_SPACE                   SCSI_SENSE_CODE(7, 0x27, 7)

/* Numbers in commands are big-endian. */
static inline u64 scsi_be(const u8 *p, unsigned n)
{
    u64 v = 0;

    for (unsigned i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

static inline void scsi_put_be(u8 *p, unsigned n, u64 v)
{
    while (n--) {
        p[n] = (u8)v;
        v >>= 8;
    }
}
