/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables of folders. Each file has a short name, 8 and 3 upper-case characters, and in front of it
 * a long one in UTF-16 if that says more. A name that cannot be said, or that another one in the
 * folder is but for its case, has the short one only.
 */
#include "base/le.h"
#include "block/fat/fat.h"
#include "block/formats/utf16.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NAME_BYTES 256u /* of the host, with the end */
#define SHORT      11u
#define LONG_MAX   255u
#define LONG_PIECE 13u
#define LONG_LAST  0x40u
#define ATTR_LABEL 0x08u
#define ATTR_DIR   0x10u
#define ATTR_FILE  0x20u
#define ATTR_LONG  0x0fu
#define LABEL      "DOMUS VVFAT"

/* Names that a folder has already, by a hash of their bytes. */
struct names {
    char **slot;
    u32 slots;
};

struct making {
    struct fat *f;
    struct fat_entry *folder;
    u64 room;
    struct names names; /* short and long ones, as they are written in upper case */
};

/* False: it is there already, or there is no memory (*rc). Keeps a copy. */
static bool is_new(struct names *n, const char *name, int *rc)
{
    u32 hash = 2166136261u;

    for (const char *c = name; *c; c++)
        hash = (hash ^ (u8)*c) * 16777619u;
    for (u32 at = hash & (n->slots - 1);; at = (at + 1) & (n->slots - 1)) {
        if (n->slot[at] && !strcmp(n->slot[at], name))
            return false;
        if (n->slot[at])
            continue;
        n->slot[at] = strdup(name);
        *rc = n->slot[at] ? 0 : -ENOMEM;
        return n->slot[at];
    }
}

static int names_init(struct names *n, u32 count)
{
    for (n->slots = 16; n->slots < 4 * count; n->slots *= 2)
        ;
    n->slot = calloc(n->slots, sizeof(*n->slot));
    return n->slot ? 0 : -ENOMEM;
}

static void names_dispose(struct names *n)
{
    for (u32 i = 0; n->slot && i < n->slots; i++)
        free(n->slot[i]);
    free(n->slot);
}

static u8 *room_for(struct making *m, unsigned entries)
{
    struct fat_entry *d = m->folder;
    u64 need = d->size + entries * FAT_ENTRY;

    if (need > m->room) {
        u64 room = max_u64(need, 2 * m->room + 512);
        u8 *more = realloc(d->table, room);
        if (!more)
            return NULL;
        d->table = more;
        m->room = room;
    }
    memset(d->table + d->size, 0, entries * FAT_ENTRY);
    d->size = need;
    return d->table + need - entries * FAT_ENTRY;
}

static bool is_short_char(char c)
{
    return isupper((u8)c) || isdigit((u8)c) || (c && strchr("!#$%&'()-@^_`{}~", c));
}

/* The part of a name in upper-case characters that short names have. */
static void put_part(char *to, size_t max, const char *from, size_t len)
{
    for (size_t i = 0, n = 0; i < len && n < max; i++) {
        char c = (char)toupper((u8)from[i]);
        if (c != ' ' && c != '.')
            to[n++] = is_short_char(c) ? c : '_';
    }
}

/* The short name that is asked for first, padded with spaces. */
static void put_basis(char basis[SHORT + 1], const char *name)
{
    const char *dot = strrchr(name, '.');
    size_t base = dot && dot > name ? (size_t)(dot - name) : strlen(name);

    memset(basis, ' ', SHORT);
    basis[SHORT] = '\0';
    put_part(basis, 8, name, base);
    if (name[base])
        put_part(basis + 8, 3, name + base + 1, strlen(name + base + 1));
    if (basis[0] == ' ')
        basis[0] = '_';
}

/* How a short name is written: "NAME.EXT". */
static void put_written(char out[SHORT + 2], const char *name)
{
    int base = 8, ext = 3;

    while (base && name[base - 1] == ' ')
        base--;
    while (ext && name[8 + ext - 1] == ' ')
        ext--;
    snprintf(out, SHORT + 2, "%.*s%s%.*s", base, name, ext ? "." : "", ext, name + 8);
}

/* Makes the name another one: NAME~1 and so on; by its number in the folder if there are many. */
static void put_tail(char *name, const char *basis, unsigned try, u32 number)
{
    char tail[9];
    size_t n, stem = 8;

    if (try < 10)
        n = (size_t)snprintf(tail, sizeof(tail), "~%u", try);
    else
        n = (size_t)snprintf(tail, sizeof(tail), "%04X~%u", number & 0xffff, try % 10);
    memcpy(name, basis, SHORT + 1);
    while (stem && basis[stem - 1] == ' ')
        stem--;
    memcpy(name + (stem < 8 - n ? stem : 8 - n), tail, n);
}

/* What a file is to be called. */
struct called {
    char text[NAME_BYTES], folded[NAME_BYTES]; /* folded: in upper case */
    char name[SHORT + 1], written[SHORT + 2];
    u8 units[2 * LONG_MAX];
    u64 n; /* units; 0: no long name */
};

static void fold(struct called *c, const char *name)
{
    static const char never[] = "\\/:*?\"<>|\x7f";
    size_t i = 0;

    for (; name[i] && i < NAME_BYTES - 1; i++) {
        c->text[i] = name[i];
        if ((u8)name[i] < 0x20 || strchr(never, name[i]))
            c->text[i] = '_';
        c->folded[i] = (char)toupper((u8)c->text[i]);
    }
}

/* As it is if it is one but for its case, or NAME~1. */
static int short_name(struct making *m, u32 number, struct called *c)
{
    char basis[SHORT + 1];
    int rc = 0;

    put_basis(basis, c->text);
    memcpy(c->name, basis, sizeof(basis));
    put_written(c->written, c->name);
    if (!strcmp(c->written, c->folded) && is_new(&m->names, c->written, &rc))
        return 0;
    for (unsigned try = 1; try < 20 && !rc; try++) {
        put_tail(c->name, basis, try, number);
        put_written(c->written, c->name);
        if (is_new(&m->names, c->written, &rc))
            return 0;
    }
    return rc ? rc : -EEXIST;
}

/* In UTF-16, if it says more than the short one and can be had. */
static int long_name(struct making *m, struct called *c)
{
    size_t len = strlen(c->text);
    int rc = 0;

    if (!strcmp(c->text, c->written) || c->text[len - 1] == '.' || c->text[len - 1] == ' ')
        return 0;
    if (utf16_put(c->units, LONG_MAX, c->text, UTF16_LE, &c->n))
        c->n = 0;
    else if (strcmp(c->folded, c->written) && !is_new(&m->names, c->folded, &rc))
        c->n = 0;
    return rc;
}

/* The pieces, the last one first. */
static void put_long(u8 *at, const u8 *name, u64 units, u8 sum)
{
    static const u8 place[LONG_PIECE] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};
    unsigned pieces = (unsigned)((units + LONG_PIECE - 1) / LONG_PIECE);

    for (unsigned n = pieces; n; n--, at += FAT_ENTRY) {
        at[0] = (u8)(n | (n == pieces ? LONG_LAST : 0));
        at[11] = ATTR_LONG;
        at[13] = sum;
        for (unsigned i = 0; i < LONG_PIECE; i++) {
            u64 u = (n - 1) * LONG_PIECE + i;
            put_le16(at + place[i], u < units ? le16(name + 2 * u) : u == units ? 0 : 0xffff);
        }
    }
}

static u8 sum_of(const char *name)
{
    u8 sum = 0;

    for (unsigned i = 0; i < SHORT; i++)
        sum = (u8)((sum << 7 | sum >> 1) + (u8)name[i]);
    return sum;
}

static void put_time(u8 *e, time_t t)
{
    struct tm tm;
    u16 date = 0x21, time = 0; /* 1980, as early as it goes */

    if (localtime_r(&t, &tm) && tm.tm_year >= 80 && tm.tm_year < 208) {
        date = (u16)((tm.tm_year - 80) << 9 | (tm.tm_mon + 1) << 5 | tm.tm_mday);
        time = (u16)(tm.tm_hour << 11 | tm.tm_min << 5 | (tm.tm_sec / 2));
    }
    put_le16(e + 14, time);
    put_le16(e + 16, date);
    put_le16(e + 18, date);
    put_le16(e + 22, time);
    put_le16(e + 24, date);
}

static void put_entry(u8 *at, const char *name, unsigned attr, const struct fat_entry *e)
{
    memcpy(at, name, SHORT);
    at[11] = (u8)attr;
    put_time(at, e->modified.tv_sec);
    put_le32(at + 28, attr & ATTR_FILE ? (u32)e->size : 0);
}

void fat_put_cluster(u8 *entry, u32 cluster)
{
    put_le16(entry + 20, (u16)(cluster >> 16));
    put_le16(entry + 26, (u16)cluster);
}

static int add_child(struct making *m, u32 number)
{
    struct fat_entry *e = &m->f->entry[m->folder->child + number];
    struct called c = {.n = 0};
    unsigned more;
    u8 *at;
    int rc;

    fold(&c, e->name);
    rc = short_name(m, number, &c);
    if (!rc)
        rc = long_name(m, &c);
    if (rc)
        return rc;
    more = (unsigned)((c.n + LONG_PIECE - 1) / LONG_PIECE);
    at = room_for(m, more + 1);
    if (!at)
        return -ENOMEM;
    put_long(at, c.units, c.n, sum_of(c.name));
    at += more * FAT_ENTRY;
    put_entry(at, c.name, e->folder ? ATTR_DIR : ATTR_FILE, e);
    e->slot = (u32)(at - m->folder->table);
    return m->folder->size > FAT_FOLDER_MAX ? -E2BIG : 0;
}

/* The root has a label, the others themselves and their parent. */
static int add_own(struct making *m, u32 folder)
{
    u8 *at = room_for(m, folder ? 2 : 1);

    if (!at)
        return -ENOMEM;
    if (!folder) {
        put_entry(at, LABEL, ATTR_LABEL, m->folder);
        return 0;
    }
    put_entry(at, ".          ", ATTR_DIR, m->folder);
    put_entry(at + FAT_ENTRY, "..         ", ATTR_DIR, &m->f->entry[m->folder->parent]);
    return 0;
}

int fat_make_table(struct fat *f, u32 folder, struct err *err)
{
    struct making m = {.f = f, .folder = &f->entry[folder]};
    int rc = names_init(&m.names, m.folder->children);

    if (!rc)
        rc = add_own(&m, folder);
    for (u32 i = 0; i < m.folder->children && !rc; i++)
        rc = add_child(&m, i);
    names_dispose(&m.names);
    return rc ? err_set(err, -rc, "'%s': the folder '%s': %s", f->path, m.folder->name,
                        rc == -E2BIG ? "more files than one of FAT can have" : strerror(-rc))
              : 0;
}
