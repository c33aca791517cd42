/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host file, block device or NBD export that an image is in: bytes at offsets, no format. What
 * lies beyond its end reads as zeros; writes make a file longer. Any thread; offsets are below
 * 2^63.
 *
 * It is locked as QEMU locks images (OFD locks on bytes 100 and on of the file), so that each
 * refuses what the other has open.
 */
#pragma once
#include "base/base.h"
#include "base/err.h"

#include <sys/uio.h>

#define BFILE_READ_ONLY BIT(0)
#define BFILE_UNLOCKED  BIT(1) /* others may write it at the same time: results may be wrong */
#define BFILE_CREATE    BIT(2) /* made, or emptied once nobody else has it open */
#define BFILE_UNSYNCED  BIT(3) /* flushes do nothing: only the host's memory has what is new */

struct bfile;

enum bfile_op { BFILE_READ, BFILE_WRITE, BFILE_FLUSH, BFILE_TRUNCATE, BFILE_DISCARD, BFILE_ZERO };

/* For tests: called before each operation; what is not 0 is its result and nothing is done. `buf`
   is what a write has. TRUNCATE: the size is in `off`. */
typedef int (*bfile_hook)(void *opaque, enum bfile_op op, u64 off, const u8 *buf, u64 len);

/* -errno with a message that names the file. */
must_check int bfile_open(struct bfile **out, const char *path, unsigned flags, struct err *err);
/* Of an open descriptor, which it owns then (also on failure); no lock. */
must_check int bfile_from_fd(struct bfile **out, int fd, const char *name, bool read_only,
                             struct err *err);
void bfile_close(struct bfile *f); /* NULL is allowed */
void bfile_set_hook(struct bfile *f, bfile_hook hook, void *opaque);

const char *bfile_path(const struct bfile *f);
bool bfile_read_only(const struct bfile *f);
/* Whether a name is a place that is reached by a protocol (NBD's): of a size that is given, like a
   block device, and without a lock. */
bool bfile_is_uri(const char *name);
bool bfile_is_device(const struct bfile *f);
u64 bfile_size(const struct bfile *f);      /* bytes now */
u64 bfile_allocated(const struct bfile *f); /* bytes of the host's disk that it takes */
bool bfile_same(const struct bfile *a, const struct bfile *b);

must_check int bfile_read(struct bfile *f, u64 off, void *buf, u64 len);
/* -EIO if the range is not all there. */
must_check int bfile_read_whole(struct bfile *f, u64 off, void *buf, u64 len);
must_check int bfile_write(struct bfile *f, u64 off, const void *buf, u64 len);
/* The same with n pieces of memory, for what lies one behind the other in the file. */
must_check int bfile_readv(struct bfile *f, u64 off, const struct iovec *iov, unsigned n);
must_check int bfile_writev(struct bfile *f, u64 off, const struct iovec *iov, unsigned n);
/* To read [off, off + len) from, which is all there; -1: not that way. Not to be closed. */
int bfile_plain_fd(const struct bfile *f, u64 off, u64 len);
/* Never waits for a disk: -EAGAIN if the host has not all of it in memory, or cannot tell. */
must_check int bfile_read_now(struct bfile *f, u64 off, const struct iovec *iov, unsigned n);
must_check int bfile_flush(struct bfile *f); /* what was written reaches the disk */
must_check int bfile_truncate(struct bfile *f, u64 size);
must_check int bfile_discard(struct bfile *f, u64 off, u64 len); /* may do nothing */
must_check int bfile_zero(struct bfile *f, u64 off, u64 len);    /* allocated or not */
/* Makes sure of room for [off, off + len), which reads as zeros where nothing was. */
must_check int bfile_allocate(struct bfile *f, u64 off, u64 len);
/* Bytes from off on, at most len and at least 1, that are all in a hole (*hole) or all data. */
u64 bfile_extent(struct bfile *f, u64 off, u64 len, bool *hole);
