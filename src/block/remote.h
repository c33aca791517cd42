/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stands in place of a file: bytes, as many as there are, that another process or machine
 * holds, or that are made when they are read. Any thread; ranges are not empty and within `size`.
 * -errno.
 */
#pragma once
#include "base/base.h"
#include "base/err.h"

struct remote;

struct remote_ops {
    int (*read)(struct remote *r, u64 off, void *buf, u64 len);
    int (*write)(struct remote *r, u64 off, const void *buf, u64 len);
    int (*flush)(struct remote *r);
    int (*discard)(struct remote *r, u64 off, u64 len); /* a hint */
    int (*zero)(struct remote *r, u64 off, u64 len);    /* -EOPNOTSUPP: zeros must be written */
    /* Bytes from off on, at most len and at least 1, of one kind. */
    u64 (*extent)(struct remote *r, u64 off, u64 len, bool *hole);
    void (*close)(struct remote *r);
};

struct remote { /* embedded in the client's own structure */
    const struct remote_ops *ops;
    u64 size;
};

/* Network block device: nbd://HOST[:PORT][/EXPORT], nbd+unix:///[EXPORT]?socket=PATH, nbds… with
   TLS. */
must_check int remote_open_nbd(struct remote **out, const char *uri, bool read_only,
                               struct err *err);
/* fat:[12:|16:|32:][floppy:]FOLDER: a folder of the host as a disk with FAT, to be read only. */
must_check int remote_open_fat(struct remote **out, const char *name, struct err *err);
