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
    NEXT_CD_IN,  /* more of a packet command's data, or its status */
    NEXT_CD_OUT, /* its parameters, or some of them, are here */
    NEXT_COUNT
};

/* ata.c */
void ata_finish_reset(struct ata_drive *d);
void ata_end(struct ata_drive *d);
void ata_abort(struct ata_drive *d);
void ata_fail(struct ata_drive *d, u8 error);
void ata_phase(struct ata_drive *d, u8 phase, u32 at, u32 end, u8 next, bool last);
/* Starts a request on `len` bytes of the buffer; `then` gets its result. */
void ata_submit(struct ata_drive *d, enum block_op op, u64 offset, u32 len,
                void (*then)(struct ata_drive *d, int rc));

/* The same, of the n pieces in d->iov. True: it is done already, and well; `then` is not called. */
bool ata_submit_direct(struct ata_drive *d, enum block_op op, u64 offset, u64 len, unsigned n,
                       void (*then)(struct ata_drive *d, int rc));

/* ata_rw.c: by the registers. */
void ata_read_pio(struct ata_drive *d);
void ata_read_dma(struct ata_drive *d);
void ata_write_pio(struct ata_drive *d);
void ata_write_dma(struct ata_drive *d);
void ata_verify(struct ata_drive *d);
void ata_flush(struct ata_drive *d);
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
void atapi_init(struct ata_drive *d, const struct ata_drive_config *cfg);
void atapi_packet(struct ata_drive *d); /* PACKET: its command follows */
void atapi_next(struct ata_drive *d);
void atapi_command(struct ata_drive *d);
void atapi_reset(struct ata_drive *d, bool hard);
extern const struct state_field atapi_fields[];
must_check int atapi_loaded(struct ata_drive *d);
