/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A folder as a disk: the input says which kind of disk, what is in the folder (names, sizes,
 * depth), what becomes of it afterwards, and what is read. The disk must be one of FAT on which
 * every file is found, and any piece of it must read as it does in another; what has changed is an
 * error, never something else.
 */
#include "dev_input.h"
#include "fat_reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define ITEMS   40u
#define PATTERN (64 * KiB) /* of a file; holes behind it */
#define DEEP    32u        /* as deep as there can be folders in each other */
#define ALL     (1 * GiB)  /* of files at most: tables of more take long to read */
#define PIECE   (96 * KiB)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

struct item {
    char name[256];
    unsigned parent, depth;
    int dir; /* of a folder; -1: it is a file */
    u64 size;
    u32 first; /* its cluster; 0: none */
    bool changed, resized;
};

struct tree {
    struct item item[ITEMS]; /* 0: the folder itself */
    unsigned n, deepest;
    u64 bytes;
};

static const char *const kinds[] = {
    "", "12:", "16:", "32:", "32:", "floppy:", "12:floppy:", "16:floppy:"};

static u8 pattern(unsigned item, u64 at)
{
    return at < PATTERN ? (u8)(at / 512 * 7 + at + item * 31 + 1) : 0;
}

/* Of any bytes, or of few, so that names clash. */
static void take_name(struct input *in, char *name)
{
    static const char few[] = "aAbB.~1 _\xc3\xa4+";
    u8 how = (u8)input_take(in, 1);
    unsigned len = how & 0x40 ? 1 + how % 8 : 1 + (u8)input_take(in, 1) % 60;

    for (unsigned i = 0; i < len; i++) {
        u8 c = (u8)input_take(in, 1);
        c = how & 0x80 ? (u8)few[c % (sizeof(few) - 1)] : c;
        name[i] = (char)(c == '/' || !c ? 'x' : c);
    }
    if ((how & 0x3f) == 0x3f) /* as long as they get */
        memset(name + len, 'l', 255 - len);
    name[(how & 0x3f) == 0x3f ? 255 : len] = '\0';
}

static u64 take_size(struct input *in)
{
    u64 n = input_take(in, 2);

    switch (n & 7) {
    case 0:
        return n >> 3 & 3; /* empty, or next to it */
    case 1:
        return (n >> 3) * 512;
    case 2:
        return n >> 3 < 8 ? (n >> 3) * 80 * MiB + 1 : n; /* mostly a hole */
    default:
        return n;
    }
}

static void fill(int fd, unsigned item, u64 size)
{
    static u8 buf[PATTERN];
    u64 n = min_u64(size, sizeof(buf));

    for (u64 i = 0; i < n; i++)
        buf[i] = pattern(item, i);
    BUG_ON(write(fd, buf, n) != (ssize_t)n || ftruncate(fd, (off_t)size));
}

/* A file or folder, or what is to be left out. */
static void add(struct tree *t, struct input *in)
{
    u8 op = (u8)input_take(in, 1);
    struct item *e = &t->item[t->n], *parent = &t->item[op >> 2 & 31];
    int fd;

    if (op >> 2 >= t->n || parent->dir < 0)
        parent = t->item[t->n - 1].dir < 0 ? &t->item[0] : &t->item[t->n - 1];
    *e = (struct item){
        .parent = (unsigned)(parent - t->item), .depth = parent->depth + 1, .dir = -1};
    take_name(in, e->name);
    if ((op & 3) == 3) { /* neither file nor folder */
        (void)!symlinkat("/etc/passwd", parent->dir, e->name);
        return;
    }
    if (!(op & 3)) {
        if (mkdirat(parent->dir, e->name, 0700))
            return;
        e->dir = openat(parent->dir, e->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        BUG_ON(e->dir < 0);
    } else {
        fd = openat(parent->dir, e->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
            return;
        e->size = take_size(in);
        e->size = t->bytes + e->size > ALL ? 1 : e->size;
        t->bytes += e->size;
        fill(fd, t->n, e->size);
        close(fd);
    }
    t->deepest = e->depth > t->deepest ? e->depth : t->deepest;
    t->n++;
}

/* The file is not what it was. */
static void change(struct tree *t, struct input *in)
{
    u8 op = (u8)input_take(in, 1);
    struct item *e = &t->item[op >> 2];
    int dir, fd;

    if (op >> 2 >= t->n || e->dir >= 0 || e->changed)
        return;
    e->changed = true;
    dir = t->item[e->parent].dir;
    if (op & 2)
        BUG_ON(unlinkat(dir, e->name, 0));
    if ((op & 3) == 3)
        BUG_ON(symlinkat("/etc/passwd", dir, e->name));
    if (op & 2)
        return;
    e->resized = true;
    fd = openat(dir, e->name, O_WRONLY | O_CLOEXEC);
    BUG_ON(fd < 0 || ftruncate(fd, (off_t)(op & 1 || !e->size ? e->size + 1 : e->size / 2)));
    close(fd);
}

/* The next child of the folder by name, after *last (NULL: the first). */
static struct item *next_child(struct tree *t, unsigned folder, const struct item *last)
{
    struct item *best = NULL;

    for (unsigned i = 1; i < t->n; i++) {
        struct item *e = &t->item[i];
        if (e->parent == folder && (!last || strcmp(e->name, last->name) > 0) &&
            (!best || strcmp(e->name, best->name) < 0))
            best = e;
    }
    return best;
}

/* Bytes of a file as the disk has them: at its start, where the pattern ends, at its end. */
static void check_bytes(const struct disk *d, const struct tree *t, const struct item *e)
{
    u64 at[] = {0, PATTERN - 600, e->size > 600 ? e->size - 600 : 0};
    u8 buf[1200];

    for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
        u64 room = align_up(e->size, d->cluster);
        u64 len = at[i] < room ? min_u64(sizeof(buf), room - at[i]) : 0;
        if (!len)
            continue;
        disk_read(d, disk_place(d, e->first) + at[i], buf, len);
        for (u64 b = 0; b < len; b++)
            BUG_ON(buf[b] !=
                   (at[i] + b < e->size ? pattern((unsigned)(e - t->item), at[i] + b) : 0));
    }
}

static u32 cluster_of(const u8 *entry)
{
    return (u32)le16(entry + 20) << 16 | le16(entry + 26);
}

static void check_file(struct disk *d, const struct tree *t, struct item *e, const u8 *at)
{
    u64 left = e->size;

    BUG_ON(at[11] != 0x20 || le32(at + 28) != e->size);
    BUG_ON(!e->size != !e->first);
    for (u32 c = e->first; c;) {
        u32 next = disk_next(d, c);
        BUG_ON(!left || (next && next != c + 1)); /* check_bytes takes it to be in one piece */
        left -= min_u64(left, d->cluster);
        c = next;
    }
    BUG_ON(left);
    if (e->size)
        check_bytes(d, t, e);
}

static u8 sum_of(const u8 *name)
{
    u8 sum = 0;

    for (unsigned i = 0; i < 11; i++)
        sum = (u8)((sum & 1 ? 0x80 : 0) + (sum >> 1) + name[i]);
    return sum;
}

/* The pieces of the long name in front of a short one, n of them, and that they are its own. */
static void check_long(const u8 *at, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        const u8 *piece = at - (i + 1) * DISK_ENTRY;
        BUG_ON(piece[0] != (i + 1) + (i + 1 == n ? 0x40 : 0) || piece[13] != sum_of(at));
        BUG_ON(piece[12] || le16(piece + 26));
    }
}

static void check_short(const u8 *table, const u8 *at)
{
    BUG_ON(at[0] == 0xe5 || at[0] == ' ');
    for (unsigned i = 0; i < 11; i++)
        BUG_ON(at[i] < 0x20 || at[i] > 0x7e || (at[i] >= 'a' && at[i] <= 'z') ||
               strchr("\"*+,./:;<=>?[\\]|", at[i]));
    for (const u8 *other = table; other < at; other += DISK_ENTRY) /* none but it has the name */
        BUG_ON(other[11] != 0x0f && !(other[11] & 8) && !memcmp(other, at, 11));
}

/* The entries of a folder in turn, which are what is in it by name. */
static void check_folder(struct disk *d, struct tree *t, unsigned folder, u32 first)
{
    u64 bytes, at = folder ? 2 * DISK_ENTRY : DISK_ENTRY;
    u8 *table = disk_folder(d, first, &bytes);
    unsigned pieces = 0;
    struct item *e = NULL;

    BUG_ON(bytes < at || (folder ? memcmp(table, ".          \x10", 12) : table[11] != 8));
    BUG_ON(folder && cluster_of(table) != first);
    BUG_ON(folder && cluster_of(table + DISK_ENTRY) != t->item[t->item[folder].parent].first);
    for (; at < bytes && table[at]; at += DISK_ENTRY) {
        const u8 *b = table + at;
        if (b[11] == 0x0f) {
            pieces++;
            continue;
        }
        e = next_child(t, folder, e);
        BUG_ON(!e);
        check_short(table + (folder ? 2 : 1) * DISK_ENTRY, b);
        check_long(b, pieces);
        pieces = 0;
        e->first = cluster_of(b);
        if (e->dir < 0)
            check_file(d, t, e, b);
        else
            BUG_ON(b[11] != 0x10 || !e->first);
    }
    BUG_ON(pieces || next_child(t, folder, e));
    free(table);
}

static void check_disk(struct disk *d, struct tree *t)
{
    for (unsigned i = 0; i < t->n; i++)
        if (t->item[i].dir >= 0)
            check_folder(d, t, i, i ? t->item[i].first : d->root_cluster);
    disk_check_free(d);
}

/* Any range, at once and in two pieces. What has changed may be an error, and then it is that of
   a file. */
static void read_some(struct bfile *f, struct input *in)
{
    static u8 whole[PIECE], parts[PIECE];
    u64 size = bfile_size(f), off = input_take(in, 4) * 512 + input_take(in, 1), len, cut;
    int rc;

    off = off % (size + 4096);
    len = 1 + (input_take(in, 2) * 3) % (PIECE - 1);
    cut = input_take(in, 2) % len;
    rc = bfile_read(f, off, whole, len);
    BUG_ON(rc && rc != -EIO);
    if (rc || (cut && bfile_read(f, off, parts, cut)))
        return;
    BUG_ON(bfile_read(f, off + cut, parts + cut, len - cut));
    BUG_ON(memcmp(whole, parts, len));
    for (u64 i = off < size ? size - off : 0; i < len; i++)
        BUG_ON(whole[i]);
}

/* A file that has changed: an error, or what it was if it is still open. */
static void read_changed(const struct disk *d, const struct tree *t)
{
    for (unsigned i = 1; i < t->n; i++) {
        const struct item *e = &t->item[i];
        u64 len = min_u64(e->size, 700);
        u8 buf[700];
        if (!e->changed || !e->size || bfile_read(d->f, disk_place(d, e->first), buf, len))
            continue;
        BUG_ON(e->resized);
        for (u64 b = 0; b < len; b++)
            BUG_ON(buf[b] != pattern(i, b));
    }
}

static void use(struct bfile *f, struct tree *t, bool floppy, struct input *in)
{
    struct disk d;

    disk_open(&d, f, floppy);
    check_disk(&d, t);
    for (unsigned i = 0; i < 8 && input_left(in); i++)
        read_some(f, in);
    for (unsigned i = 0; i < 8 && input_left(in); i++) {
        change(t, in);
        read_some(f, in);
    }
    read_changed(&d, t);
    disk_close(&d);
}

/* What is in folders comes behind them; by descriptors, since paths get too long. */
static void clean_up(struct tree *t)
{
    for (unsigned i = t->n; i--;) {
        struct item *e = &t->item[i];
        struct dirent *d;
        DIR *dir = e->dir < 0 ? NULL : fdopendir(e->dir);
        while (dir && (d = readdir(dir)))
            (void)!unlinkat(e->dir, d->d_name, 0);
        if (i && dir)
            BUG_ON(unlinkat(t->item[e->parent].dir, e->name, AT_REMOVEDIR));
        if (dir)
            closedir(dir);
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static struct tree t;
    struct input in = {data, size};
    char top[] = "/dev/shm/domus-fat-XXXXXX", name[64];
    const char *kind = kinds[input_take(&in, 1) % ARRAY_SIZE(kinds)];
    unsigned count = (unsigned)input_take(&in, 1) % ITEMS;
    struct bfile *f;
    struct err err;

    BUG_ON(!mkdtemp(top));
    t.n = 1;
    t.deepest = 0;
    t.bytes = 0;
    t.item[0] = (struct item){.dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    for (unsigned i = 0; i < count && t.n < ITEMS && input_left(&in); i++)
        add(&t, &in);
    snprintf(name, sizeof(name), "fat:%s%s", kind, top);
    if (!bfile_open(&f, name, BFILE_READ_ONLY, &err)) {
        use(f, &t, strstr(kind, "floppy:"), &in);
        bfile_close(f);
    } else { /* others are too small for some folders */
        BUG_ON(t.deepest <= DEEP && (!*kind || !strcmp(kind, "32:")));
    }
    clean_up(&t);
    BUG_ON(rmdir(top));
    return 0;
}
