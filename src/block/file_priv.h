/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of host files share. */
#pragma once
#include "block/file.h"
#include "block/remote.h"

#include <stdatomic.h>

struct bfile {
    int fd;
    struct remote *remote;  /* owned; instead of fd, or NULL */
    bool device, read_only; /* device: of a size that is given */
    bool unsynced;
    _Atomic u64 size;
    atomic_bool waits;   /* the host cannot say whether a read would wait */
    _Atomic u64 next;    /* where the last read has ended */
    _Atomic u64 ahead;   /* how far the kernel was asked to read */
    _Atomic u64 written; /* where the last large write has ended */
    _Atomic u64 behind;  /* what is written in a row from there on, the disk has not been given */
    dev_t dev;
    ino_t ino;
    bfile_hook hook;
    void *opaque;
    char *path;
};

static inline int bfile_before(struct bfile *f, enum bfile_op op, u64 off, const void *buf, u64 len)
{
    return f->hook ? f->hook(f->opaque, op, off, buf, len) : 0;
}

static inline void bfile_grown(struct bfile *f, u64 end)
{
    u64 was = f->size;

    while (was < end && !atomic_compare_exchange_weak(&f->size, &was, end))
        ;
}

/* bfile_writev without the hook. */
must_check int bfile_put(struct bfile *f, u64 off, const struct iovec *iov, unsigned n);
