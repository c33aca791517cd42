/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk image as devices see it: requests that complete later. Worker threads do the I/O, so that
 * a slow disk stops no virtual CPU.
 *
 * block_submit is called under the lock given when it was opened, the machine's or that of a device
 * with one of its own; `done` is called by a worker thread that has taken it. The rest: any thread,
 * without the lock where it says so.
 */
#pragma once
#include "base/base.h"
#include "base/err.h"
#include "block/throttle.h"

#include <pthread.h>
#include <sys/uio.h>

#define BLOCK_SECTOR 512u

struct block;
struct block_node; /* block/driver.h */

enum block_op { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH, BLOCK_DISCARD, BLOCK_ZERO };

/* Owned by the device, untouched by it from submission to `done`, which may submit it again. */
struct block_req {
    enum block_op op;
    u64 offset; /* bytes, any alignment */
    u64 len;
    u8 *buf; /* of len bytes, for READ and WRITE; NULL: they are in pieces, in `iov` */
    const struct iovec *iov;
    unsigned niov;
    /* rc: 0 or -errno as the host gave it; -EINVAL beyond the end, -EROFS. */
    void (*done)(struct block_req *req, int rc);
    void *opaque;
    struct block_req *next; /* the block layer's */
};

struct block_config {
    const char *path; /* a file or a host block device */
    bool read_only;
    bool snapshot;        /* writes go to a temporary file that ends with the process */
    bool copy_on_read;    /* what is read from backing files is written into the image */
    const char *key_file; /* with the password of an encrypted image; NULL: none */
    const char *format;   /* NULL: guessed; what is guessed to be raw must not turn into another */
    bool any_backing;     /* backing files outside of the image's folder, too */
    bool unsynced;        /* flushes do nothing: the host's fall loses what is new */
    struct throttle_limits limits;
};

/* Opens it, locks it against use by others (shared among readers, a writer alone) and starts its
   workers. -errno with a message that names the file. Lock not held. */
must_check int block_open(struct block **out, const struct block_config *cfg, pthread_mutex_t *lock,
                          struct err *err);
/* Ends all requests (`done` is called, and what it submits is done too), flushes, closes. Lock not
   held. A device is freed after its image is closed or drained. NULL is allowed. */
void block_close(struct block *b);

/* That of the image, as `domus img` names it; NULL for one that block_new has made. */
const char *block_format(const struct block *b);
bool block_encrypted(const struct block *b);         /* what is behind it may be */
unsigned block_backing_files(const struct block *b); /* in its chain */
u64 block_size(const struct block *b); /* bytes; a multiple of BLOCK_SECTOR, rounded up */
bool block_read_only(const struct block *b);

/* Requests may run in any order and side by side; a FLUSH covers the writes that were done before
   it was submitted. */
void block_submit(struct block *b, struct block_req *req);
/* A small READ, of pieces, that needs no wait for a disk or another thread: true if it is done, and
   then `done` is not called. Under the lock, like block_submit. */
bool block_read_now(struct block *b, const struct block_req *req);
/* Waits until nothing is in flight, in spite of limits: not even what a `done` has submitted. Lock
   held once by the caller; let go of while waiting. */
void block_drain(struct block *b);

/* Another lock takes the place of the one that it was opened with. Nothing is in flight; the thread
   that resizes. */
void block_set_lock(struct block *b, pthread_mutex_t *lock);

/* Makes the disk shorter or longer, by zeros. Requests that are under way end first, others wait.
   -errno with a message, and then the size is what it was. Lock not held. */
must_check int block_resize(struct block *b, u64 size, struct err *err);
/* `fn` is called under the lock when block_size has become another; a device's, NULL before it is
   freed ahead of the image. */
void block_on_resize(struct block *b, void (*fn)(void *opaque), void *opaque);

/* What is wrong with an image, or was with a request. */
struct block_trouble {
    bool failed;        /* a request did */
    bool write;         /* and changes something, or is a flush */
    int rc;             /* -errno of it */
    const char *damage; /* what of the image is; NULL: nothing new */
};

/* `fn` is called under the lock, before `done`; not for what the guest asks for in vain, beyond the
   end or of what is read-only. NULL: nobody is told. Nothing is in flight. */
void block_on_trouble(struct block *b, void (*fn)(void *opaque, const struct block_trouble *t),
                      void *opaque);

/* An image made of a node, which is then the block's to close; on failure too. With no threads,
   requests wait until block_drain does them, in their order: for tests that want each step. */
must_check int block_new(struct block **out, struct block_node *node, unsigned threads,
                         pthread_mutex_t *lock);
