/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the SCSI target share. */
#pragma once
#include "dev/scsi.h"

#define SCSI_CD_BLOCK 2048u

/* What a command needs. */
#define SCSI_MEDIUM  1u
#define SCSI_ANYTIME 2u /* it works before an attention was reported, and leaves it be */

struct scsi_op {
    void (*run)(struct scsi_command *cmd);
    u8 needs;
};

/* By operation code; run is NULL where there is no such command. */
extern const struct scsi_op scsi_disk_ops[256], scsi_cd_ops[256];

/* scsi.c: how a command ends, or goes on. */
void scsi_finish(struct scsi_command *cmd, u32 sense);
void scsi_good(struct scsi_command *cmd);
void scsi_submit(struct scsi_command *cmd, enum block_op op, u64 offset, u64 len,
                 void (*done)(struct block_req *req, int rc));
/* For scsi_submit: the request is the command's last. */
void scsi_done(struct block_req *req, int rc);
u32 scsi_sense_of(int rc, enum block_op op);
/* params, cleared; then an answer of its first len bytes, of which the initiator has room for
   `room`. */
u8 *scsi_params(struct scsi_command *cmd);
void scsi_reply(struct scsi_command *cmd, u64 len, u64 room);
/* Takes n bytes of parameters, then scsi_perform. */
void scsi_take(struct scsi_command *cmd, u64 n);
/* Where and how much, from a command of 6, 10, 12 or 16 bytes. */
void scsi_decode_range(const u8 *cdb, u64 *lba, u64 *blocks);
/* Checks a range of blocks; where it fails, the command is over. */
bool scsi_in_range(struct scsi_command *cmd, u64 lba, u64 blocks);
/* Moves blocks of the medium, which are in range. */
void scsi_bulk(struct scsi_command *cmd, enum scsi_dir dir, u64 lba, u64 blocks);
static inline u32 scsi_block_len(const struct scsi_unit *unit)
{
    return unit->cdrom ? SCSI_CD_BLOCK : BLOCK_SECTOR;
}
/* 0, or why not. */
u32 scsi_no_medium(const struct scsi_unit *unit);
void scsi_request_sense(struct scsi_command *cmd);
void scsi_report_luns(struct scsi_command *cmd);

/* scsi_info.c */
void scsi_inquiry(struct scsi_command *cmd);

/* scsi_mode.c */
void scsi_mode_sense(struct scsi_command *cmd);
void scsi_mode_select(struct scsi_command *cmd);
void scsi_perform_select(struct scsi_command *cmd);

/* scsi_disk.c: all parameters are there. */
void scsi_perform_unmap(struct scsi_command *cmd);
void scsi_perform_write_same(struct scsi_command *cmd);

/* scsi_mmc.c: answers from what is known of drive and disc. */
void mmc_read_capacity(struct scsi_command *cmd);
void mmc_read_toc(struct scsi_command *cmd);
void mmc_get_configuration(struct scsi_command *cmd);
void mmc_event_status(struct scsi_command *cmd);
void mmc_disc_information(struct scsi_command *cmd);
void mmc_track_information(struct scsi_command *cmd);
void mmc_sub_channel(struct scsi_command *cmd);
void mmc_dvd_structure(struct scsi_command *cmd);
void mmc_mechanism_status(struct scsi_command *cmd);

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
