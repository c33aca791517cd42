/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_CHUNK (64 * KiB) /* for files that do not tell their size */

static int too_large(const char *path, u64 max, struct err *err)
{
    return err_set(err, EFBIG, "%s is larger than the %llu KiB that there is room for", path,
                   (unsigned long long)(max / KiB));
}

/* Makes room for one byte more than `len`; the buffer never exceeds max + 1 bytes. */
static int grow(u8 **data, size_t *cap, size_t len, u64 max, struct err *err, const char *path)
{
    u64 want = *cap ? min_u64((u64)*cap * 2, max + 1) : FIRST_CHUNK;
    u8 *p;

    if (len < *cap)
        return 0;
    p = realloc(*data, want);
    if (!p)
        return err_set(err, ENOMEM, "not enough memory on the host to read %s", path);
    *data = p;
    *cap = want;
    return 0;
}

/* Reads to the end of the file; one byte past `max` is asked for, to see that there is none. */
static int read_to_end(int fd, const char *path, u8 **data, size_t *cap, size_t *size, u64 max,
                       struct err *err)
{
    size_t len = 0;

    for (;;) {
        ssize_t r;
        int rc = grow(data, cap, len, max, err, path);
        if (rc)
            return rc;
        r = read(fd, *data + len, *cap - len);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return err_set(err, errno, "cannot read %s: %s", path, strerror(errno));
        if (!r)
            break;
        len += (size_t)r;
        if (len > max)
            return too_large(path, max, err);
    }
    *size = len;
    return len ? 0 : err_set(err, ENODATA, "%s is empty", path);
}

static int open_for_read(const char *path, struct stat *st, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return err_set(err, errno, "cannot open %s: %s", path, strerror(errno));
    if (fstat(fd, st) < 0) {
        int rc = err_set(err, errno, "cannot examine %s: %s", path, strerror(errno));
        close(fd);
        return rc;
    }
    if (S_ISDIR(st->st_mode)) {
        close(fd);
        return err_set(err, EISDIR, "%s is a directory, not a file", path);
    }
    return fd;
}

int file_read_all(const char *path, u8 **data, size_t *size, u64 max, struct err *err)
{
    struct stat st;
    size_t cap = 0;
    int fd, rc;

    *data = NULL;
    *size = 0;
    max = min_u64(max, SIZE_MAX / 2 - 1);
    fd = open_for_read(path, &st, err);
    if (fd < 0)
        return fd;
    if (S_ISREG(st.st_mode) && (u64)st.st_size > max) {
        rc = too_large(path, max, err);
        goto out;
    }
    if (S_ISREG(st.st_mode)) {
        cap = (size_t)st.st_size + 1;
        *data = malloc(cap);
        if (!*data) {
            rc = err_set(err, ENOMEM, "not enough memory on the host to read %s (%llu KiB)", path,
                         (unsigned long long)((u64)st.st_size / KiB));
            goto out;
        }
    }
    rc = read_to_end(fd, path, data, &cap, size, max, err);
out:
    if (rc) {
        free(*data);
        *data = NULL;
        *size = 0;
    }
    close(fd);
    return rc;
}
