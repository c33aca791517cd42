/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of the VHDX format: headers and regions (vhdx_header.c), the log (vhdx_log.c), the
 * metadata (vhdx_meta.c), new images (vhdx_create.c), and the disk itself (vhdx.c). Little-endian.
 * Sections are those of MS-VHDX 8.0.
 */
#pragma once
#include "block/formats/bat.h"

#define VHDX_HEADER    4096u
#define VHDX_HEADER_AT (64 * KiB) /* the second one is as far behind it */
#define VHDX_TABLE     (64 * KiB) /* of regions, of metadata */
#define VHDX_REGION_AT (192 * KiB)
#define VHDX_PAGE      4096u /* what the log writes */
#define VHDX_LOG_MAX   (64 * MiB)
#define VHDX_SIZE_MAX  (64 * KiB * GiB)
#define VHDX_GUID      16u

/* States of an entry of the BAT, 2.5.1; the offset in MiB is from bit 20 on. */
#define VHDX_NOT_PRESENT 0u
#define VHDX_UNDEFINED   1u
#define VHDX_ZERO        2u
#define VHDX_UNMAPPED    3u
#define VHDX_FULL        6u /* also of a sector bitmap that is there */
#define VHDX_PARTIAL     7u

/* 2.2.2 */
struct vhdx_header {
    u64 sequence;
    u8 file_write[VHDX_GUID], data_write[VHDX_GUID], log_guid[VHDX_GUID];
    u16 log_version;
    u32 log_len;
    u64 log_at;
    unsigned place; /* 0 or 1: which of the two it is */
};

struct vhdx_regions {
    u64 bat_at, bat_len, meta_at, meta_len;
};

/* 2.6.2 */
struct vhdx_meta {
    u64 size, size_at; /* of the disk; where in the file that is said */
    u32 block, sector;
    bool diff, fixed;
    u8 parent[VHDX_GUID]; /* data_write of the image behind it */
    char *parent_name;    /* owned */
    u64 linkage_at;       /* where in the file the text of `parent` is */
};

/* A write that the log asks for. */
struct vhdx_replay {
    u64 at, len;
    u8 *data; /* NULL: zeros */
};

struct vhdx_log {
    u64 next;     /* where in the log the next entry goes */
    u64 sequence; /* of the last one */
    u64 end;      /* of the file when the image is opened, with what the log makes it longer by */
    /* What was not written to the file since it is only read. */
    struct vhdx_replay *replay;
    u64 replays, room;
};

struct vhdx_page {
    u64 at;
    u8 data[VHDX_PAGE];
};

struct vhdx {
    struct bat bat;
    struct vhdx_header header;
    struct vhdx_regions regions;
    struct vhdx_meta meta;
    struct vhdx_log log;
    u64 ratio;    /* blocks for each sector bitmap */
    u64 *bitmaps; /* where those are, or 0 */
    u8 *pages;    /* a bit for each page of the BAT that is to be written; bat.lock */
    u64 entries;
};

bool vhdx_is(const u8 *head);
/* Unique; the layout on disk does not matter. */
void vhdx_new_guid(u8 *guid);
/* Whether it is the GUID whose first fields are these, the rest as bytes. */
struct vhdx_guid {
    u32 a;
    u16 b, c;
    u8 d[8];
};
bool vhdx_is_guid(const u8 *p, const struct vhdx_guid *guid);
void vhdx_put_guid(u8 *p, const struct vhdx_guid *guid);
extern const struct vhdx_guid vhdx_bat_region, vhdx_meta_region, vhdx_item_file, vhdx_item_size,
    vhdx_item_id, vhdx_item_logical, vhdx_item_physical, vhdx_item_parent, vhdx_parent_vhdx;

/* -EINVAL with a message. */
must_check int vhdx_read_header(struct bfile *f, struct vhdx_header *h, struct err *err);
/* The next header, in place of the older one, on disk when it returns. */
must_check int vhdx_write_header(struct bfile *f, struct vhdx_header *h);
/* As text in UTF-16: "{...}", VHDX_GUID_TEXT bytes. */
#define VHDX_GUID_TEXT 76u
void vhdx_put_guid_text(const u8 *guid, u8 *p);
void vhdx_put_header(const struct vhdx_header *h, u8 *p);
/* The rest reads what the log has, too: after vhdx_replay_log. */
must_check int vhdx_read_regions(struct vhdx *v, struct err *err);
void vhdx_put_regions(const struct vhdx_regions *r, u8 *table);
must_check int vhdx_read_meta(struct vhdx *v, struct err *err);

/* Bytes of the file as they are once the log is replayed. -EIO if they are not all in the file. */
must_check int vhdx_read(struct vhdx *v, u64 at, u8 *buf, u64 len);
/* What the log has is written to the file, and the log emptied; of a file that is only read, it is
   kept for vhdx_read. */
must_check int vhdx_replay_log(struct vhdx *v, struct err *err);
/* The log is in use from here on: its first entry, then headers that name it. `data`: what the
   disk reads as will change. */
must_check int vhdx_start_log(struct vhdx *v, bool data);
/* It is empty. */
must_check int vhdx_end_log(struct vhdx *v);
#define VHDX_LOG_PAGES 126u
/* Writes at most VHDX_LOG_PAGES pages all at once: into the log, and then where they go. What was
   written there before is on disk when it returns. */
must_check int vhdx_log_write(struct vhdx *v, const struct vhdx_page *pages, unsigned n);
void vhdx_free_log(struct vhdx *v);

must_check int vhdx_create(const char *path, u64 size, const char *backing,
                           const char *backing_format, const struct format_options *options,
                           struct err *err);
extern const struct format_key vhdx_keys[];
