/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads a password, and opens what is encrypted in a chain by it. */
#include "block/key_file.h"
#include "block/driver.h"
#include "block/file.h"
#include "block/luks/crypt.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* At most KEY_FILE_MAX bytes; *n: how many there were. */
static int read_all(int fd, u8 *pass, size_t *n)
{
    for (*n = 0; *n < KEY_FILE_MAX;) {
        ssize_t r = read(fd, pass + *n, KEY_FILE_MAX - *n);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return r ? -errno : 0;
        *n += (size_t)r;
    }
    return 0;
}

int key_file_read(const char *path, u8 **pass, size_t *n, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc;

    if (fd < 0)
        return err_set(err, errno, "key file '%s': %s", path, strerror(errno));
    *pass = crypt_secret_new(KEY_FILE_MAX);
    rc = *pass ? read_all(fd, *pass, n) : -ENOMEM;
    close(fd);
    if (rc)
        err_set(err, -rc, "key file '%s': %s", path, strerror(-rc));
    else if (!*n || *n == KEY_FILE_MAX)
        rc = err_set(err, EINVAL, "key file '%s': %s", path,
                     *n ? "a password is shorter than 64 KiB" : "it is empty");
    if (rc) {
        crypt_secret_free(*pass, KEY_FILE_MAX);
        *pass = NULL;
    }
    return rc;
}

bool block_is_encrypted(const struct block_node *top)
{
    for (const struct block_node *n = top; n; n = n->backing)
        if (n->encrypted)
            return true;
    return false;
}

int block_unlock(struct block_node *top, const char *key_file, struct err *err)
{
    u8 *pass = NULL;
    size_t len;
    int rc = 0;

    for (struct block_node *n = top; n && !rc; n = n->backing) {
        if (!n->encrypted)
            continue;
        if (!key_file)
            rc = err_set(err, EACCES,
                         "'%s' is encrypted: name a file that has its password, with key-file= of "
                         "a disk or --key-file",
                         bfile_path(n->file));
        else if (!pass)
            rc = key_file_read(key_file, &pass, &len, err);
        if (!rc)
            rc = n->ops->unlock(n, pass, len, err);
    }
    crypt_secret_free(pass, KEY_FILE_MAX);
    return rc;
}
