/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening an image and the backing files behind it. What an image names is followed only into
 * the image's own folder or below, unless the caller has said otherwise: an image that a stranger
 * made must not show the guest, or a copy, any file of the host.
 */
#include "block/file.h"
#include "block/format.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has_scheme(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789+-.");

    return n && name[n] == ':' && !strchr(name, '\\');
}

char *path_beside(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    size_t dir = slash ? (size_t)(slash - path) + 1 : 0;
    char *out;

    if (!strncmp(name, "file:", 5))
        name += 5;
    if (name[0] == '/' || bfile_is_uri(name))
        return strdup(name);
    out = malloc(dir + strlen(name) + 1);
    if (out) {
        memcpy(out, path, dir);
        strcpy(out + dir, name);
    }
    return out;
}

/* Whether `to` is in the folder of `path` or below, symbolic links followed. */
static bool is_within(const char *path, const char *to)
{
    char *real = realpath(path, NULL), *real_to = realpath(to, NULL);
    char *slash = real ? strrchr(real, '/') : NULL;
    bool ok = slash && real_to && !strncmp(real, real_to, (size_t)(slash - real) + 1);

    free(real);
    free(real_to);
    return ok;
}

/* Where the name leads, if it may be followed. Freed by the caller. */
static int resolve(char **out, const char *path, const char *name, const char *what, unsigned flags,
                   struct err *err)
{
    char *to;

    if (bfile_is_uri(name) && (flags & OPEN_ANY_BACKING)) {
        *out = strdup(name);
        return *out ? 0 : err_set(err, ENOMEM, "'%s': %s", path, strerror(ENOMEM));
    }
    if (has_scheme(name) && strncmp(name, "file:", 5))
        return err_set(err, ENOTSUP, "'%s': its %s '%.200s' is not a file's name: not supported",
                       path, what, name);
    to = path_beside(path, name);
    if (!to)
        return err_set(err, ENOMEM, "'%s': %s", path, strerror(ENOMEM));
    *out = realpath(to, NULL);
    if (!*out) {
        int rc = err_set(err, errno, "'%s': its %s '%.200s': %s", path, what, to, strerror(errno));
        free(to);
        return rc;
    }
    if (!(flags & OPEN_ANY_BACKING) && !is_within(path, *out)) {
        free(*out);
        *out = NULL;
        err_set(err, EPERM,
                "'%s': its %s '%.120s' is outside of the image's folder, and is opened only with "
                "backing=any (--backing any), if you trust the image",
                path, what, to);
        free(to);
        return -EPERM;
    }
    free(*out);
    *out = to;
    return 0;
}

static unsigned file_flags(unsigned flags)
{
    return (flags & OPEN_READ_ONLY ? BFILE_READ_ONLY : 0) |
           (flags & OPEN_UNLOCKED ? BFILE_UNLOCKED : 0) |
           (flags & OPEN_UNSYNCED ? BFILE_UNSYNCED : 0);
}

int open_beside(struct bfile **out, const struct bfile *file, const char *name, const char *what,
                unsigned flags, struct err *err)
{
    char *path;
    int rc = resolve(&path, bfile_path(file), name, what, flags, err);

    if (rc)
        return rc;
    rc = bfile_open(out, path, file_flags(flags), err);
    free(path);
    if (!rc && bfile_same(*out, file)) {
        bfile_close(*out);
        return err_set(err, ELOOP, "'%s': its %s is itself", bfile_path(file), what);
    }
    return rc;
}

static const struct block_format *find_format(const char *name, const char *path, struct err *err)
{
    const struct block_format *f = format_find(name);
    char names[256];

    if (!f)
        err_set(err, EINVAL, "'%s': image format '%.40s' is not known; there are %s", path, name,
                format_names(names, sizeof(names)));
    return f;
}

int block_node_open(struct block_node **out, struct bfile *file, const char *format, unsigned flags,
                    struct err *err)
{
    const struct block_format *f;
    bool guessed = !format;
    int rc = 0;

    if (!format)
        rc = format_probe(file, &f, err);
    else if (!(f = find_format(format, bfile_path(file), err)))
        rc = -EINVAL;
    if (rc) {
        bfile_close(file);
        return rc;
    }
    if (f == format_find("raw"))
        rc = block_raw_new(out, file, guessed, err);
    else
        rc = f->open(out, file, flags, err);
    if (!rc)
        (*out)->format = f;
    return rc;
}

static int open_one(struct block_node **out, const char *path, const char *format, unsigned flags,
                    struct err *err)
{
    struct bfile *file;
    int rc = bfile_open(&file, path, file_flags(flags), err);

    if (rc)
        return rc;
    if (!bfile_size(file) && !(flags & OPEN_MAY_BE_EMPTY)) {
        bfile_close(file);
        return err_set(err, EINVAL,
                       "'%s' is empty; make it as long as the disk, for example with "
                       "truncate -s 10G",
                       path);
    }
    return block_node_open(out, file, format, flags, err);
}

static int check_loop(struct block_node *top, struct block_node *last, struct err *err)
{
    for (struct block_node *n = top; n != last; n = n->backing)
        if (bfile_same(n->file, last->file))
            return err_set(err, ELOOP, "'%s': '%s' is behind itself in its chain of backing files",
                           bfile_path(top->file), bfile_path(last->file));
    return 0;
}

/* Whether the backing file is still the one that the image was made over. */
static int check_id(const struct block_node *n, struct err *err)
{
    static const u8 any[BLOCK_ID];

    if (!memcmp(n->backing_id, any, BLOCK_ID) || !memcmp(n->backing_id, n->backing->id, BLOCK_ID))
        return 0;
    return err_set(err, ESTALE,
                   "'%s' is not the backing file that '%s' was made over, or was written to since: "
                   "what is in the image does not fit it",
                   bfile_path(n->backing->file), bfile_path(n->file));
}

static int open_backings(struct block_node *top, const char *backing, unsigned flags,
                         struct err *err)
{
    struct block_node *n = top;
    int rc = 0;

    flags = (flags & ~OPEN_FOR_REPAIR) | OPEN_READ_ONLY | OPEN_MAY_BE_EMPTY;
    for (unsigned depth = 0; !rc && (backing || n->backing_name); depth++, n = n->backing) {
        char *path = NULL;
        if (depth == BACKING_DEPTH)
            return err_set(err, ELOOP, "'%s' has more than %u backing files behind it",
                           bfile_path(top->file), BACKING_DEPTH);
        if (backing)
            path = strdup(backing);
        else
            rc = resolve(&path, bfile_path(n->file), n->backing_name, "backing file", flags, err);
        if (!rc && !path)
            rc = err_set(err, ENOMEM, "%s", strerror(ENOMEM));
        if (!rc)
            rc = open_one(&n->backing, path, n->backing_format, flags, err);
        if (rc)
            err_prefix(err, "behind '%s'", bfile_path(n->file));
        else
            rc = check_loop(top, n->backing, err);
        if (!rc)
            n->backing->above = n;
        if (!rc && !backing)
            rc = check_id(n, err);
        free(path);
        backing = NULL;
        if (rc)
            return rc;
    }
    return rc;
}

int block_chain_open(struct block_node **out, const char *path, const char *format,
                     const char *backing, unsigned flags, struct err *err)
{
    struct block_node *n;
    int rc = open_one(&n, path, format, flags, err);

    if (rc)
        return rc;
    if (!(flags & OPEN_NO_BACKING))
        rc = open_backings(n, backing, flags, err);
    if (rc) {
        node_close(n);
        return rc;
    }
    *out = n;
    return 0;
}
