/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is in the folder, in the order of names; folders before what is in them. */
#include "block/fat/fat.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX UINT32_MAX

/* The way from the root to an entry, without both. */
int fat_open_entry(const struct fat *f, u32 entry, int flags)
{
    u32 way[FAT_DEPTH_MAX + 1];
    unsigned n = 0;
    int fd = f->root, next = -1;

    flags |= O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    if (!entry)
        return (next = openat(f->root, ".", flags)) < 0 ? -errno : next;
    for (; entry; entry = f->entry[entry].parent)
        way[n++] = entry;
    while (n--) {
        next = openat(fd, f->entry[way[n]].name, n ? flags | O_DIRECTORY : flags);
        if (fd != f->root)
            close(fd);
        if (next < 0)
            return -errno;
        fd = next;
    }
    return fd;
}

static int complain(const struct fat *f, const struct fat_entry *parent, const char *name, int rc,
                    const char *why, struct err *err)
{
    return err_set(err, rc, "'%s': '%s' in the folder '%s' %s", f->path, name, parent->name, why);
}

static int add(struct fat *f, u32 parent, const char *name, const struct stat *st, struct err *err)
{
    struct fat_entry *e;

    if (f->entries == FAT_ENTRIES_MAX)
        return err_set(err, E2BIG, "'%s': more than %u files are in it", f->path, FAT_ENTRIES_MAX);
    if (f->entries == f->room) {
        u32 room = f->room ? 2 * f->room : 64;
        struct fat_entry *more = realloc(f->entry, room * sizeof(*more));
        if (!more)
            return err_set(err, ENOMEM, "'%s': %s", f->path, strerror(ENOMEM));
        f->entry = more;
        f->room = room;
    }
    e = &f->entry[f->entries];
    *e = (struct fat_entry){
        .name = strdup(name),
        .parent = parent,
        .depth = f->entries ? f->entry[parent].depth + 1 : 0,
        .folder = S_ISDIR(st->st_mode),
        .size = S_ISDIR(st->st_mode) ? 0 : (u64)st->st_size,
        .modified = st->st_mtim,
        .dev = st->st_dev,
        .ino = st->st_ino,
    };
    if (!e->name)
        return err_set(err, ENOMEM, "'%s': %s", f->path, strerror(ENOMEM));
    f->entries++;
    if (e->size > FILE_MAX)
        return complain(f, &f->entry[parent], name, EFBIG,
                        "is larger than 4 GiB, which FAT does not have", err);
    if (e->depth > FAT_DEPTH_MAX)
        return complain(f, &f->entry[parent], name, ELOOP, "is too many folders deep", err);
    return 0;
}

/* What went away meanwhile, and what is neither file nor folder, is left out. */
static int add_name(struct fat *f, u32 parent, int dir, const char *name, struct err *err)
{
    struct stat st;

    if (!strcmp(name, ".") || !strcmp(name, "..") || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
        return 0;
    return S_ISDIR(st.st_mode) || S_ISREG(st.st_mode) ? add(f, parent, name, &st, err) : 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct fat_entry *)a)->name, ((const struct fat_entry *)b)->name);
}

static int scan_folder(struct fat *f, u32 folder, struct err *err)
{
    int fd = fat_open_entry(f, folder, O_DIRECTORY), rc = 0;
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *d;
    u32 first = f->entries;

    if (!dir) {
        rc = err_set(err, fd < 0 ? -fd : errno, "'%s': the folder '%s' cannot be read: %s", f->path,
                     f->entry[folder].name, strerror(fd < 0 ? -fd : errno));
        if (fd >= 0)
            close(fd);
        return rc;
    }
    while (!rc && (d = readdir(dir)))
        rc = add_name(f, folder, dirfd(dir), d->d_name, err);
    closedir(dir);
    f->entry[folder].child = first;
    f->entry[folder].children = f->entries - first;
    if (!rc && f->entries > first)
        qsort(&f->entry[first], f->entries - first, sizeof(*f->entry), by_name);
    return rc;
}

int fat_scan(struct fat *f, struct err *err)
{
    struct stat st;
    int rc = 0;

    f->root = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->root < 0 || fstat(f->root, &st))
        return err_set(err, errno, "'%s': %s", f->path, strerror(errno));
    rc = add(f, 0, "", &st, err);
    for (u32 i = 0; i < f->entries && !rc; i++)
        if (f->entry[i].folder)
            rc = scan_folder(f, i, err);
    return rc;
}
