/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the drive share. */
#pragma once
#include "dev/ata.h"

/* What comes after a data phase. */
enum {
    NEXT_END,    /* nothing: the command is over */
    NEXT_READ,   /* more of a read */
    NEXT_WRITE,  /* what was received is collected or written */
    NEXT_TRIM,   /* the ranges are here */
    NEXT_IGNORE, /* a block received for nothing */
    NEXT_PACKET, /* the command packet is here */
    NEXT_CD_IN,  /* more of a packet's data, or its status */
    NEXT_CD_OUT, /* a packet's parameters are here */
    NEXT_COUNT
};

/* ata.c */
void ata_end(struct ata_drive *d);
void ata_abort(struct ata_drive *d);
void ata_fail(struct ata_drive *d, u8 error);
void ata_phase(struct ata_drive *d, u8 phase, u32 at, u32 end, u8 next, bool last);
/* Starts a request on `len` bytes of the buffer; `then` gets its result. */
void ata_submit(struct ata_drive *d, enum block_op op, u64 offset, u32 len,
                void (*then)(struct ata_drive *d, int rc));

/* ata_rw.c: by the registers. */
void ata_read_pio(struct ata_drive *d);
void ata_read_dma(struct ata_drive *d);
void ata_write_pio(struct ata_drive *d);
void ata_write_dma(struct ata_drive *d);
void ata_verify(struct ata_drive *d);
void ata_read_next(struct ata_drive *d);
void ata_write_next(struct ata_drive *d);
bool ata_is_ext(u8 command);
u64 ata_address(const struct ata_drive *d, bool ext);
void ata_put_address(struct ata_drive *d, u64 lba, bool ext);
u64 ata_sectors(const struct ata_drive *d);

/* ata_identify.c */
void ata_identify(struct ata_drive *d);
void atapi_identify(struct ata_drive *d);

/* ata_cmd.c */
void ata_command(struct ata_drive *d);
void ata_trim_next(struct ata_drive *d);

/* atapi.c */
void atapi_packet(struct ata_drive *d);
void atapi_next(struct ata_drive *d);
void atapi_command(struct ata_drive *d);
/* Answers with the first `len` bytes of the buffer, of which the host has room for `room`. */
void atapi_answer(struct ata_drive *d, u32 len, u32 room);
void atapi_good(struct ata_drive *d);
void atapi_sense(struct ata_drive *d, u8 key, u8 asc, u8 ascq);
void atapi_reset(struct ata_drive *d, bool hard);
/* A disc is in, and the tray closed. */
bool atapi_has_disc(const struct ata_drive *d);
u32 atapi_blocks(const struct ata_drive *d);

/* atapi_mmc.c: commands that answer from what is known. */
void mmc_inquiry(struct ata_drive *d);
void mmc_mode_sense(struct ata_drive *d);
void mmc_read_toc(struct ata_drive *d);
void mmc_get_configuration(struct ata_drive *d);
void mmc_event_status(struct ata_drive *d);
void mmc_disc_information(struct ata_drive *d);
void mmc_track_information(struct ata_drive *d);
void mmc_sub_channel(struct ata_drive *d);
void mmc_dvd_structure(struct ata_drive *d);
void mmc_mechanism_status(struct ata_drive *d);
void mmc_read_capacity(struct ata_drive *d);
void mmc_request_sense(struct ata_drive *d);

#define SENSE_NONE       0x0u
#define SENSE_NOT_READY  0x2u
#define SENSE_MEDIUM     0x3u
#define SENSE_ILLEGAL    0x5u
#define SENSE_ATTENTION  0x6u
#define ASC_READ_ERROR   0x11u
#define ASC_BAD_OPCODE   0x20u
#define ASC_OUT_OF_RANGE 0x21u
#define ASC_BAD_FIELD    0x24u
#define ASC_BAD_PARAM    0x26u
#define ASC_BAD_MEDIUM   0x30u
#define ASC_CHANGED      0x28u
#define ASC_NO_MEDIUM    0x3au
#define ASC_NO_REMOVAL   0x53u
#define ASC_BAD_MODE     0x64u
