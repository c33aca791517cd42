/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A dmg's tables of chunks. The file's last 512 bytes ("koly") lead to a property list in XML, or
 * to a resource fork in older images; each table ("mish") in it is of a part of the disk.
 */
#include "base/be.h"
#include "block/file.h"
#include "block/formats/bat.h"
#include "block/formats/dmg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TRAILER    512u
#define LISTS_MAX  (64 * MiB)
#define MISH       204u
#define ENTRY      40u
#define COMMENT    0x7ffffffeu
#define TERMINATOR 0xffffffffu
#define ADC        0x80000004u
#define LZFSE      0x80000007u

struct reading {
    struct bfile *f;
    struct dmg_table *t;
    u64 fork; /* where in the file the data starts */
    struct err *err;
};

static int refuse(struct reading *r, const char *why, u64 value)
{
    return bat_refuse(r->f, "dmg", r->err, why, value);
}

static int add_chunk(struct reading *r, const struct dmg_chunk *c)
{
    struct dmg_table *t = r->t;

    if (t->n == DMG_CHUNKS)
        return refuse(r, "there are too many chunks", t->n);
    if (t->n == t->room) {
        u64 room = t->room ? 2 * t->room : 64;
        struct dmg_chunk *more = realloc(t->chunk, room * sizeof(*more));
        if (!more)
            return err_set(r->err, ENOMEM, "%s", strerror(ENOMEM));
        t->chunk = more;
        t->room = room;
    }
    t->chunk[t->n++] = *c;
    return 0;
}

static int refuse_type(struct reading *r, u32 type)
{
    const char *name = type == ADC         ? "ADC"
                       : type == LZFSE     ? "LZFSE"
                       : type == DMG_BZIP2 ? "bzip2 (which Domus was built without)"
                       : type == DMG_LZMA  ? "LZMA (which Domus was built without)"
                                           : "an unknown kind";

    return err_set(r->err, ENOTSUP, "'%s': dmg: chunks of %s (%#x) are not supported",
                   bfile_path(r->f), name, type);
}

static bool is_packed(u32 type)
{
    return type == DMG_ZLIB || type == DMG_BZIP2 || type == DMG_LZMA;
}

/* An entry of a table whose part of the disk starts at sector `first`. */
static int take_entry(struct reading *r, const u8 *e, u64 first, u64 offset)
{
    struct dmg_chunk c = {.type = be32(e), .packed = be64(e + 32)};
    u64 start = be64(e + 8), sectors = be64(e + 16), at = be64(e + 24);

    if (c.type == COMMENT || c.type == TERMINATOR || !sectors)
        return 0;
    if (start > BIT64(50) || sectors > BIT64(50) || first > BIT64(50))
        return refuse(r, "a chunk is beyond any disk, at sector", start);
    c.start = (first + start) * 512;
    c.len = sectors * 512;
    if (c.type == DMG_ZERO || c.type == DMG_IGNORE)
        return add_chunk(r, &c);
    if (c.type != DMG_RAW && !is_packed(c.type))
        return refuse_type(r, c.type);
    if (at > BIT64(61) || offset > BIT64(61) || r->fork + offset + at > bfile_size(r->f) ||
        c.packed > bfile_size(r->f) - (r->fork + offset + at))
        return refuse(r, "a chunk is not in the file, at", at);
    c.at = r->fork + offset + at;
    if (c.type == DMG_RAW ? c.packed < c.len : c.len > DMG_CHUNK_MAX || c.packed > DMG_CHUNK_MAX)
        return refuse(r, "a chunk's length is not possible", c.len);
    return add_chunk(r, &c);
}

static int take_mish(struct reading *r, const u8 *p, u64 len)
{
    u64 count;
    int rc = 0;

    if (len < MISH || memcmp(p, "mish", 4)) /* another resource */
        return 0;
    count = be32(p + 200);
    if (count > (len - MISH) / ENTRY)
        return refuse(r, "a table of chunks is cut short", count);
    for (u64 i = 0; i < count && !rc; i++)
        rc = take_entry(r, p + MISH + ENTRY * i, be64(p + 8), be64(p + 24));
    return rc;
}

/* In place: bytes of base64 up to what is none; how many come of it. */
static u64 decode(u8 *text, const u8 *end)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    u32 value = 0, bits = 0;
    u8 *out = text;

    for (const u8 *c = text; c < end && *c != '=' && *c != '<'; c++) {
        const char *at = *c ? strchr(digits, *c) : NULL;
        if (!at)
            continue;
        value = value << 6 | (u32)(at - digits);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *out++ = (u8)(value >> bits);
        }
    }
    return (u64)(out - text);
}

/* All <data> in the array behind the key blkx. */
static int take_list(struct reading *r, char *xml, u64 len)
{
    char *at = strstr(xml, "<key>blkx</key>"), *end = at ? strstr(at, "</array>") : NULL;
    int rc = 0;

    if (!end)
        return refuse(r, "its property list names no chunks", len);
    while (!rc && (at = strstr(at, "<data>")) && at < end) {
        char *stop = strstr(at, "</data>");
        if (!stop || stop > end)
            return refuse(r, "its property list is not whole", (u64)(at - xml));
        at += strlen("<data>");
        rc = take_mish(r, (u8 *)at, decode((u8 *)at, (u8 *)stop));
        at = stop;
    }
    return rc;
}

/* The data of a resource fork: lengths, each before its bytes. */
static int take_fork(struct reading *r, char *buf, u64 len)
{
    const u8 *p = (u8 *)buf;
    u64 at = len >= 16 ? be32(p) : len, end = len >= 16 ? at + be32(p + 8) : len;
    int rc = 0;

    if (end > len)
        return refuse(r, "its resource fork is not whole", len);
    while (end - at >= 4 && at < end && !rc) {
        u64 n = be32(p + at);
        if (n > end - at - 4)
            return refuse(r, "its resource fork is not whole", at);
        rc = take_mish(r, p + at + 4, n);
        at += 4 + n;
    }
    return rc;
}

static int take_lists(struct reading *r, u64 at, u64 len,
                      int (*take)(struct reading *r, char *buf, u64 len))
{
    char *buf;
    int rc;

    if (len > LISTS_MAX)
        return refuse(r, "its list of chunks is too long", len);
    buf = malloc(len + 1);
    rc = buf ? bfile_read_whole(r->f, at, buf, len) : -ENOMEM;
    if (rc == -ENOMEM) {
        rc = err_set(r->err, ENOMEM, "%s", strerror(ENOMEM));
    } else if (rc) {
        rc = refuse(r, "its list of chunks is not in the file, at", at);
    } else {
        buf[len] = '\0';
        rc = take(r, buf, len);
    }
    free(buf);
    return rc;
}

static int by_start(const void *a, const void *b)
{
    const struct dmg_chunk *x = a, *y = b;

    return x->start < y->start ? -1 : x->start > y->start;
}

static int check_order(struct reading *r)
{
    struct dmg_table *t = r->t;

    if (!t->n)
        return refuse(r, "it has no chunks", 0);
    qsort(t->chunk, t->n, sizeof(*t->chunk), by_start);
    for (u64 i = 1; i < t->n; i++)
        if (t->chunk[i].start < t->chunk[i - 1].start + t->chunk[i - 1].len)
            return refuse(r, "chunks overlap, at byte", t->chunk[i].start);
    return 0;
}

int dmg_read_table(struct bfile *f, struct dmg_table *t, struct err *err)
{
    struct reading r = {.f = f, .t = t, .err = err};
    u64 size = bfile_size(f);
    u8 h[TRAILER];
    int rc = size < TRAILER ? -EINVAL : bfile_read(f, size - TRAILER, h, sizeof(h));

    if (rc || memcmp(h, "koly", 4))
        return refuse(&r, "no trailer at the end of the file", size);
    if (be32(h + 60) > 1)
        return err_set(err, ENOTSUP, "'%s': dmg: images in several files are not supported",
                       bfile_path(f));
    r.fork = be64(h + 24);
    if (r.fork > size)
        return refuse(&r, "its data is not in the file, at", r.fork);
    if (be64(h + 224))
        rc = take_lists(&r, be64(h + 216), be64(h + 224), take_list);
    else
        rc = take_lists(&r, be64(h + 40), be64(h + 48), take_fork);
    return rc ? rc : check_order(&r);
}
