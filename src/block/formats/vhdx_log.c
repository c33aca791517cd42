/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VHDX's log, 2.3: a ring of entries, each a few pages of metadata that are written together or
 * not at all. What a dead process has left in it is replayed when the image is opened.
 *
 * Of ours each entry is a sequence of its own: an entry is written once the one before is in place
 * and on disk, and never takes its room, so that half an entry does no harm.
 */
#include "base/crc32c.h"
#include "base/le.h"
#include "block/file.h"
#include "block/formats/vhdx.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ENTRY 64u /* header of an entry */
#define DESC  32u
#define NEVER UINT32_MAX

/* What is at a page of the log. */
struct slot {
    u32 pages;    /* of the entry that starts here; 0: none */
    u32 previous; /* the page where the entry in front of it starts, or NEVER */
    u64 sequence;
};

struct scan {
    struct vhdx *v;
    u8 *log; /* all of it */
    u32 pages;
    u64 end; /* of the file, once it is as long as the log says */
    struct slot *slot;
};

/* Page n of the entry at `from`; the log is a ring. */
static const u8 *page_at(const struct scan *s, u32 from, u64 n)
{
    return s->log + (from + n) % s->pages * VHDX_PAGE;
}

static u64 descriptor_pages(u32 count)
{
    return (ENTRY + (u64)count * DESC + VHDX_PAGE - 1) / VHDX_PAGE;
}

static const u8 *descriptor(const struct scan *s, u32 from, u32 i)
{
    u64 at = ENTRY + (u64)i * DESC;

    return page_at(s, from, at / VHDX_PAGE) + at % VHDX_PAGE;
}

static bool checksum_is_right(const struct scan *s, u32 from, u32 pages)
{
    static const u8 zeros[4];
    const u8 *p = page_at(s, from, 0);
    u32 crc = crc32c(crc32c(crc32c(0, p, 4), zeros, 4), p + 8, VHDX_PAGE - 8);

    for (u32 n = 1; n < pages; n++)
        crc = crc32c(crc, page_at(s, from, n), VHDX_PAGE);
    return crc == le32(p + 4);
}

static bool data_is_right(const u8 *p, u64 sequence)
{
    return !memcmp(p, "data", 4) && le32(p + 4) == sequence >> 32 &&
           le32(p + VHDX_PAGE - 4) == (u32)sequence;
}

/* Pages of the entry at `from`; 0: none that is valid. No page of a valid entry looks like the
   start of another, so that all of these together look at each page twice at most. */
static u32 entry_pages(const struct scan *s, u32 from)
{
    const u8 *p = page_at(s, from, 0);
    u32 pages = le32(p + 8) / VHDX_PAGE, count = le32(p + 24);
    u64 sequence = le64(p + 16), at = descriptor_pages(count);

    if (memcmp(p, "loge", 4) || memcmp(p + 32, s->v->header.log_guid, VHDX_GUID) || !sequence ||
        le32(p + 8) % VHDX_PAGE || !pages || pages > s->pages || at > pages)
        return 0;
    for (u32 i = 0; i < count; i++) {
        const u8 *d = descriptor(s, from, i);
        bool data = !memcmp(d, "desc", 4);
        if ((!data && memcmp(d, "zero", 4)) || le64(d + 24) != sequence)
            return 0;
        if (data && (at == pages || !data_is_right(page_at(s, from, at++), sequence)))
            return 0;
    }
    return at == pages && checksum_is_right(s, from, pages) ? pages : 0;
}

/* Whether anything in the log is of this use of it. */
static bool is_used(const struct scan *s)
{
    for (u32 i = 0; i < s->pages; i++)
        if (!memcmp(page_at(s, i, 0), "loge", 4) &&
            !memcmp(page_at(s, i, 0) + 32, s->v->header.log_guid, VHDX_GUID))
            return true;
    return false;
}

static void find_entries(struct scan *s)
{
    for (u32 i = 0; i < s->pages; i++) {
        s->slot[i].pages = entry_pages(s, i);
        s->slot[i].sequence = le64(page_at(s, i, 0) + 16);
        s->slot[i].previous = NEVER;
    }
    for (u32 i = 0; i < s->pages; i++) {
        struct slot *next = &s->slot[(i + s->slot[i].pages) % s->pages];
        if (s->slot[i].pages && next->pages && next->sequence == s->slot[i].sequence + 1)
            next->previous = i;
    }
}

static int damaged(struct scan *s, struct err *err, const char *why, u64 where)
{
    return bat_refuse(s->v->bat.file, "vhdx", err, why, where);
}

static int add_replay(struct scan *s, const u8 *d, const u8 *data, struct err *err)
{
    struct vhdx_log *l = &s->v->log;
    struct vhdx_replay r = {.at = le64(d + 16), .len = data ? VHDX_PAGE : le64(d + 8)};
    u64 log_at = s->v->header.log_at, log_len = s->v->header.log_len;

    if (!r.len)
        return 0;
    if (r.at % VHDX_PAGE || r.len % VHDX_PAGE || r.at < VHDX_REGION_AT || r.at > s->end ||
        r.len > s->end - r.at || (r.at < log_at + log_len && log_at < r.at + r.len))
        return damaged(s, err, "the log writes where it must not", r.at);
    if (l->replays == l->room) {
        u64 room = l->room ? 2 * l->room : 64;
        struct vhdx_replay *more = realloc(l->replay, room * sizeof(*more));
        if (!more)
            return err_set(err, ENOMEM, "%s", strerror(ENOMEM));
        l->replay = more;
        l->room = room;
    }
    if (data) {
        r.data = malloc(VHDX_PAGE);
        if (!r.data)
            return err_set(err, ENOMEM, "%s", strerror(ENOMEM));
        memcpy(r.data, data, VHDX_PAGE);
        memcpy(r.data, d + 8, 8); /* what the signature and the sequence number took */
        memcpy(r.data + VHDX_PAGE - 4, d + 4, 4);
    }
    l->replay[l->replays++] = r;
    return 0;
}

static int add_entry(struct scan *s, u32 from, struct err *err)
{
    u32 count = le32(page_at(s, from, 0) + 24);
    u64 at = descriptor_pages(count);
    int rc = 0;

    for (u32 i = 0; i < count && !rc; i++) {
        const u8 *d = descriptor(s, from, i);
        rc = add_replay(s, d, memcmp(d, "zero", 4) ? page_at(s, from, at++) : NULL, err);
    }
    return rc;
}

static u32 find_newest(const struct scan *s)
{
    u32 head = NEVER;

    for (u32 i = 0; i < s->pages; i++)
        if (s->slot[i].pages && (head == NEVER || s->slot[i].sequence > s->slot[head].sequence))
            head = i;
    return head;
}

/* The sequence that ends with the entry at `head`, from its tail on. */
static int collect(struct scan *s, u32 head, struct err *err)
{
    u32 tail = le32(page_at(s, head, 0) + 12) / VHDX_PAGE, n = 0;
    u32 *row = calloc(s->pages, sizeof(*row));
    int rc = row ? 0 : err_set(err, ENOMEM, "%s", strerror(ENOMEM));

    for (u32 i = head; row && i != NEVER && n < s->pages;
         i = i == tail ? NEVER : s->slot[i].previous)
        row[n++] = i;
    if (row && row[n - 1] != tail)
        rc = damaged(s, err, "the log's last sequence has lost its start", tail * VHDX_PAGE);
    while (n && !rc)
        rc = add_entry(s, row[--n], err);
    free(row);
    return rc;
}

/* *last: how long the file was. */
static int find_sequence(struct scan *s, u64 *last, struct err *err)
{
    u64 size = bfile_size(s->v->bat.file);
    const u8 *p;
    u32 head;

    find_entries(s);
    head = find_newest(s);
    if (head == NEVER)
        return is_used(s) ? damaged(s, err, "no entry of the log is valid", s->v->header.log_at)
                          : 0;
    p = page_at(s, head, 0);
    *last = le64(p + 56);
    if (le64(p + 48) > size)
        return damaged(s, err, "the file was longer when the log was written: it is cut short at",
                       size);
    if (*last > 2 * VHDX_SIZE_MAX)
        return damaged(s, err, "the log asks for a file that is too long", *last);
    s->end = max_u64(align_up(size, MiB), *last);
    return collect(s, head, err);
}

static int scan_log(struct vhdx *v, u64 *last, struct err *err)
{
    struct scan s = {.v = v, .pages = v->header.log_len / VHDX_PAGE};
    int rc;

    if (v->header.log_len > VHDX_LOG_MAX)
        return err_set(err, EFBIG, "'%s': vhdx: a log of %u bytes is too large to be replayed",
                       bfile_path(v->bat.file), v->header.log_len);
    s.log = malloc(v->header.log_len);
    s.slot = calloc(s.pages, sizeof(*s.slot));
    rc = s.log && s.slot ? bfile_read_whole(v->bat.file, v->header.log_at, s.log, v->header.log_len)
                         : -ENOMEM;
    if (rc) {
        err_set(err, -rc, "'%s': vhdx: its log: %s", bfile_path(v->bat.file), strerror(-rc));
    } else {
        rc = find_sequence(&s, last, err);
    }
    free(s.log);
    free(s.slot);
    return rc;
}

/* Into the file; then the log is empty. */
static int write_replays(struct vhdx *v, u64 last)
{
    struct bfile *f = v->bat.file;
    int rc = 0;

    for (u64 i = 0; i < v->log.replays && !rc; i++) {
        const struct vhdx_replay *r = &v->log.replay[i];
        u64 inside = r->at < bfile_size(f) ? min_u64(r->len, bfile_size(f) - r->at) : 0;
        if (r->data)
            rc = bfile_write(f, r->at, r->data, r->len);
        else if (inside)
            rc = bfile_zero(f, r->at, inside);
        if (!rc && r->at + r->len > bfile_size(f))
            rc = bfile_truncate(f, r->at + r->len);
    }
    if (!rc && last > bfile_size(f))
        rc = bfile_truncate(f, last);
    return rc ? rc : bfile_flush(f);
}

void vhdx_free_log(struct vhdx *v)
{
    for (u64 i = 0; i < v->log.replays; i++)
        free(v->log.replay[i].data);
    free(v->log.replay);
    v->log.replay = NULL;
    v->log.replays = v->log.room = 0;
}

int vhdx_replay_log(struct vhdx *v, struct err *err)
{
    static const u8 none[VHDX_GUID];
    u64 last = 0;
    int rc;

    v->log.end = bfile_size(v->bat.file);
    if (!memcmp(v->header.log_guid, none, VHDX_GUID))
        return 0;
    if (v->header.log_version)
        return bat_refuse(v->bat.file, "vhdx", err, "unknown version of the log",
                          v->header.log_version);
    rc = scan_log(v, &last, err);
    v->log.end = max_u64(v->log.end, last);
    if (rc || bfile_read_only(v->bat.file))
        return rc;
    vhdx_new_guid(v->header.file_write);
    rc = vhdx_write_header(v->bat.file, &v->header);
    if (!rc)
        rc = write_replays(v, last);
    if (!rc)
        rc = vhdx_end_log(v);
    vhdx_free_log(v);
    return rc ? err_set(err, -rc, "'%s': vhdx: its log cannot be replayed: %s",
                        bfile_path(v->bat.file), strerror(-rc))
              : 0;
}

int vhdx_read(struct vhdx *v, u64 at, u8 *buf, u64 len)
{
    int rc;

    if (at > v->log.end || len > v->log.end - at)
        return -EIO;
    rc = bfile_read(v->bat.file, at, buf, len);
    for (u64 i = 0; i < v->log.replays && !rc; i++) {
        const struct vhdx_replay *r = &v->log.replay[i];
        u64 from = max_u64(at, r->at), to = min_u64(at + len, r->at + r->len);
        if (from >= to)
            continue;
        if (r->data)
            memcpy(buf + (from - at), r->data + (from - r->at), to - from);
        else
            memset(buf + (from - at), 0, to - from);
    }
    return rc;
}

/* An entry of n pages that is its own tail, in front of the next. */
static int write_entry(struct vhdx *v, const struct vhdx_page *pages, unsigned n)
{
    struct vhdx_log *l = &v->log;
    u64 len = (1 + (u64)n) * VHDX_PAGE, first, file = bfile_size(v->bat.file);
    u8 *e = calloc(1, len);
    int rc;

    if (!e)
        return -ENOMEM;
    l->sequence++;
    memcpy(e, "loge", 4);
    put_le32(e + 8, (u32)len);
    put_le32(e + 12, (u32)l->next);
    put_le64(e + 16, l->sequence);
    put_le32(e + 24, n);
    memcpy(e + 32, v->header.log_guid, VHDX_GUID);
    put_le64(e + 48, file / MiB * MiB);
    put_le64(e + 56, align_up(file, MiB));
    for (unsigned i = 0; i < n; i++) {
        u8 *d = e + ENTRY + DESC * i, *to = e + (i + 1ull) * VHDX_PAGE;
        memcpy(d, "desc", 4);
        memcpy(d + 4, pages[i].data + VHDX_PAGE - 4, 4);
        memcpy(d + 8, pages[i].data, 8);
        put_le64(d + 16, pages[i].at);
        put_le64(d + 24, l->sequence);
        memcpy(to, pages[i].data, VHDX_PAGE);
        memcpy(to, "data", 4);
        put_le32(to + 4, (u32)(l->sequence >> 32));
        put_le32(to + VHDX_PAGE - 4, (u32)l->sequence);
    }
    put_le32(e + 4, crc32c(0, e, len));
    first = min_u64(len, v->header.log_len - l->next);
    rc = bfile_write(v->bat.file, v->header.log_at + l->next, e, first);
    if (!rc && len > first)
        rc = bfile_write(v->bat.file, v->header.log_at, e + first, len - first);
    l->next = (l->next + len) % v->header.log_len;
    free(e);
    return rc ? rc : bfile_flush(v->bat.file);
}

int vhdx_start_log(struct vhdx *v, bool data)
{
    struct vhdx_header *h = &v->header;
    int rc;

    vhdx_new_guid(h->log_guid);
    vhdx_new_guid(h->file_write);
    if (data)
        vhdx_new_guid(h->data_write);
    memcpy(v->bat.node.id, h->data_write, VHDX_GUID);
    v->log.next = 0;
    rc = write_entry(v, NULL, 0); /* says nothing, but a log without a valid entry is damaged */
    if (!rc)
        rc = vhdx_write_header(v->bat.file, h);
    return rc ? rc : vhdx_write_header(v->bat.file, h);
}

int vhdx_end_log(struct vhdx *v)
{
    int rc;

    memset(v->header.log_guid, 0, VHDX_GUID);
    rc = vhdx_write_header(v->bat.file, &v->header);
    return rc ? rc : vhdx_write_header(v->bat.file, &v->header);
}

int vhdx_log_write(struct vhdx *v, const struct vhdx_page *pages, unsigned n)
{
    int rc = write_entry(v, pages, n);

    for (unsigned i = 0; i < n && !rc; i++)
        rc = bfile_write(v->bat.file, pages[i].at, pages[i].data, VHDX_PAGE);
    return rc ? rc : bfile_flush(v->bat.file);
}
