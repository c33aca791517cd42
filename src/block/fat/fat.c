/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A folder of the host as a disk: which part of it is where, and files that are read through. */
#include "block/fat/fat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct fat *fat_of(struct remote *r)
{
    return container_of(r, struct fat, remote);
}

/* Whether it is still what it was when the disk was made. */
static bool is_unchanged(const struct fat_entry *e, int fd)
{
    struct stat st;

    return !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_dev == e->dev && st.st_ino == e->ino &&
           (u64)st.st_size == e->size && st.st_mtim.tv_sec == e->modified.tv_sec &&
           st.st_mtim.tv_nsec == e->modified.tv_nsec;
}

static int say_changed(struct fat *f, const struct fat_entry *e)
{
    if (!f->told)
        fprintf(stderr,
                "domus: '%s': '%s' has changed or cannot be read any more; the guest gets an "
                "error for what is like that\r\n",
                f->path, e->name);
    f->told = true;
    return -EIO;
}

/* The file's descriptor, of those that are kept. Lock held. */
static int open_file(struct fat *f, u32 entry, int *fd)
{
    struct fat_file *use = &f->file[0];

    for (unsigned i = 0; i < FAT_OPEN_FILES; i++) {
        struct fat_file *file = &f->file[i];
        if (file->fd >= 0 && file->entry == entry) {
            file->used = ++f->uses;
            *fd = file->fd;
            return 0;
        }
        if (file->used < use->used)
            use = file;
    }
    if (use->fd >= 0)
        close(use->fd);
    *use = (struct fat_file){fat_open_entry(f, entry, 0), entry, ++f->uses};
    if (use->fd < 0)
        return say_changed(f, &f->entry[entry]);
    *fd = use->fd;
    return 0;
}

/* One at a time: what is read comes out of the host's memory as a rule. */
static int read_file(struct fat *f, const struct fat_entry *e, u64 off, u8 *buf, u64 len)
{
    int fd, rc;

    pthread_mutex_lock(&f->lock);
    rc = open_file(f, (u32)(e - f->entry), &fd);
    while (len && !rc) {
        ssize_t r = pread(fd, buf, len, (off_t)off);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0) {
            rc = r ? -errno : say_changed(f, e);
            break;
        }
        off += (u64)r;
        buf += r;
        len -= (u64)r;
    }
    if (!rc && !is_unchanged(e, fd))
        rc = say_changed(f, e);
    pthread_mutex_unlock(&f->lock);
    return rc;
}

/* Bytes of an entry's clusters; behind its end there are zeros. */
static int read_entry(struct fat *f, const struct fat_entry *e, u64 off, u8 *buf, u64 len)
{
    u64 inside = off < e->size ? min_u64(len, e->size - off) : 0;

    memset(buf + inside, 0, len - inside);
    if (!inside)
        return 0;
    if (!e->folder)
        return read_file(f, e, off, buf, inside);
    memcpy(buf, e->table + off, inside);
    return 0;
}

enum region { NOTHING, MBR, RESERVED, TABLES, ROOT, DATA };

/* Which region a byte is in, where that starts, and how many bytes come in it from there on. */
static enum region region_at(const struct fat *f, u64 off, u64 *start, u64 *left)
{
    const struct fat_shape *s = &f->shape;
    u64 volume = (u64)s->start * FAT_SECTOR, data = volume + fat_data_start(s) * FAT_SECTOR;
    const u64 end[] = {
        [NOTHING] = 0,
        [MBR] = s->start ? FAT_SECTOR : 0,
        [RESERVED] = volume + s->reserved * FAT_SECTOR,
        [TABLES] = data - fat_root_sectors(s) * FAT_SECTOR,
        [ROOT] = data,
        [DATA] = data + (u64)(f->next - 2) * s->per_cluster * FAT_SECTOR,
    };
    unsigned r = MBR;

    if (off >= end[MBR] && off < volume) { /* the rest of the first track */
        *start = end[MBR];
        *left = volume - off;
        return NOTHING;
    }
    while (r <= DATA && off >= end[r])
        r++;
    *start = r == RESERVED ? volume : end[r - 1];
    *left = (r > DATA ? f->remote.size : end[r]) - off;
    return r > DATA ? NOTHING : (enum region)r;
}

/* *part: at most so many bytes from `off` of the data on, as many as are of one file. */
static int read_data(struct fat *f, u64 off, u8 *buf, u64 *part)
{
    u64 cluster = (u64)f->shape.per_cluster * FAT_SECTOR;
    const struct fat_entry *e = fat_at_cluster(f, (u32)(off / cluster + 2));
    u64 skip = off - (e->first - 2) * cluster;

    *part = min_u64(*part, e->clusters * cluster - skip);
    return read_entry(f, e, skip, buf, *part);
}

static int fat_read(struct remote *r, u64 off, void *to, u64 len)
{
    struct fat *f = fat_of(r);
    u8 *buf = to, mbr[FAT_SECTOR];
    int rc = 0;

    for (u64 part; len && !rc; off += part, buf += part, len -= part) {
        u64 start, at;
        enum region region = region_at(f, off, &start, &part);
        part = min_u64(part, len);
        at = off - start;
        if (region == NOTHING) {
            memset(buf, 0, part);
        } else if (region == MBR) {
            fat_put_mbr(&f->shape, mbr);
            memcpy(buf, mbr + at, part);
        } else if (region == RESERVED) {
            memcpy(buf, f->reserved + at, part);
        } else if (region == TABLES) {
            u64 bytes = (u64)f->shape.per_fat * FAT_SECTOR; /* of each of the two */
            part = min_u64(part, bytes - at % bytes);
            fat_read_table(f, at % bytes, buf, part);
        } else if (region == ROOT) {
            rc = read_entry(f, &f->entry[0], at, buf, part);
        } else {
            rc = read_data(f, at, buf, &part);
        }
    }
    return rc;
}

static u64 fat_extent(struct remote *r, u64 off, u64 len, bool *hole)
{
    u64 start, left;

    *hole = region_at(fat_of(r), off, &start, &left) == NOTHING;
    return min_u64(len, left);
}

static int fat_write(struct remote *r, u64 off, const void *buf, u64 len)
{
    return -EROFS;
}

static int fat_change(struct remote *r, u64 off, u64 len)
{
    return -EROFS;
}

static int fat_flush(struct remote *r)
{
    return 0;
}

static void fat_close(struct remote *r)
{
    struct fat *f = fat_of(r);

    for (unsigned i = 0; i < FAT_OPEN_FILES; i++)
        if (f->file[i].fd >= 0)
            close(f->file[i].fd);
    if (f->root >= 0)
        close(f->root);
    for (u32 i = 0; i < f->entries; i++) {
        free(f->entry[i].name);
        free(f->entry[i].table);
    }
    free(f->entry);
    free(f->placed);
    free(f->reserved);
    free(f->path);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

static const struct remote_ops fat_ops = {
    .read = fat_read,
    .write = fat_write,
    .flush = fat_flush,
    .discard = fat_change,
    .zero = fat_change,
    .extent = fat_extent,
    .close = fat_close,
};

static bool take(const char **at, const char *word)
{
    size_t n = strlen(word);
    bool is = !strncmp(*at, word, n);

    *at += is ? n : 0;
    return is;
}

/* Takes "16:", "floppy:" and so on off the front, in any order. */
static int parse(const char **name, unsigned *type, bool *floppy, struct err *err)
{
    const char *at = *name;

    for (;;) {
        if (take(&at, "12:"))
            *type = 12;
        else if (take(&at, "16:"))
            *type = 16;
        else if (take(&at, "32:"))
            *type = 32;
        else if (take(&at, "floppy:"))
            *floppy = true;
        else if (take(&at, "rw:"))
            return err_set(err, ENOTSUP,
                           "'fat:%s': a guest cannot write to the folder by rw:; leave that away, "
                           "with the disk's key snapshot if changes are to be made and forgotten, "
                           "or share the folder with --share, which writes to it",
                           *name);
        else
            break;
    }
    *name = at;
    return 0;
}

static int make(struct fat *f, unsigned type, bool floppy, struct err *err)
{
    int rc = fat_scan(f, err);

    for (u32 i = 0; i < f->entries && !rc; i++)
        if (f->entry[i].folder)
            rc = fat_make_table(f, i, err);
    if (!rc)
        rc = fat_place(f, type, floppy, err);
    if (!rc && fat_make_reserved(f))
        rc = err_set(err, ENOMEM, "'%s': %s", f->path, strerror(ENOMEM));
    if (!rc)
        f->remote.size = (u64)f->shape.sectors * FAT_SECTOR;
    return rc;
}

int remote_open_fat(struct remote **out, const char *name, struct err *err)
{
    const char *folder = name + strlen("fat:");
    bool floppy = false;
    unsigned type = 0;
    struct fat *f;
    int rc = parse(&folder, &type, &floppy, err);

    if (rc)
        return rc;
    f = calloc(1, sizeof(*f));
    if (!f)
        return err_set(err, ENOMEM, "'%s': %s", name, strerror(ENOMEM));
    f->remote.ops = &fat_ops;
    f->root = -1;
    pthread_mutex_init(&f->lock, NULL);
    for (unsigned i = 0; i < FAT_OPEN_FILES; i++)
        f->file[i].fd = -1;
    f->path = strdup(folder);
    rc = f->path ? make(f, type, floppy, err) : err_set(err, ENOMEM, "%s", strerror(ENOMEM));
    if (rc) {
        fat_close(&f->remote);
        return rc;
    }
    *out = &f->remote;
    return 0;
}
