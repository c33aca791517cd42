/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Locks of image files, the ones that QEMU uses: a lock at byte 100 + n says "I do n", one at
 * 200 + n says "nobody else may do n"; all are read locks, and a conflict is found by asking
 * whether a write lock could be had at the counterpart.
 */
#include "block/file_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define DOES    100
#define FORBIDS 200

enum { READS, WRITES, WRITES_SAME, RESIZES, PERMISSIONS };

#define READER_DOES BIT(READS)
#define WRITER_DOES (BIT(READS) | BIT(WRITES) | BIT(RESIZES))
#define FORBIDDEN   (BIT(WRITES) | BIT(RESIZES))

static int take(int fd, unsigned bits, int base)
{
    for (int n = 0; n < PERMISSIONS; n++) {
        struct flock lock = {
            .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = base + n, .l_len = 1};
        if ((bits & BIT(n)) && fcntl(fd, F_OFD_SETLK, &lock))
            return -errno;
    }
    return 0;
}

static bool conflict(int fd, unsigned bits, int base)
{
    for (int n = 0; n < PERMISSIONS; n++) {
        struct flock lock = {
            .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = base + n, .l_len = 1};
        if ((bits & BIT(n)) && !fcntl(fd, F_OFD_GETLK, &lock) && lock.l_type != F_UNLCK)
            return true;
    }
    return false;
}

int file_lock(int fd, const char *path, bool read_only, struct err *err)
{
    unsigned does = read_only ? READER_DOES : WRITER_DOES;
    int rc = take(fd, does, DOES);

    if (!rc)
        rc = take(fd, FORBIDDEN, FORBIDS);
    if (rc && rc != -EAGAIN && rc != -EACCES)
        return 0;
    if (!rc && !conflict(fd, does, FORBIDS) && !conflict(fd, FORBIDDEN, DOES))
        return 0;
    return err_set(err, EBUSY,
                   "'%s' is in use%s; stop whatever uses it, or open it read-only "
                   "or as a snapshot everywhere",
                   path, read_only ? " by a writer" : "");
}
