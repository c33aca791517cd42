/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the server's files share. Operations return 0 or -errno, which becomes an Rlerror. */
#pragma once
#include "base/le.h"
#include "p9/p9.h"

#include <limits.h>
#include <sys/stat.h>

#define P9_HEAD      7u /* size, type, tag */
#define P9_MSIZE_MIN 4096u
#define P9_NAME      (NAME_MAX + 1)
#define P9_OPEN_MAX  512u /* files that are open at once */
#define P9_LOCKS_MAX 1024u
#define P9_BUCKETS   1024u

/* A client's handle of a file; it has a name, and may be open. */
struct p9_fid {
    struct p9_fid *next; /* in its bucket */
    u32 id;
    char *path; /* below the folder; "" is the folder itself */
    int fd;     /* -1: not open */
    u32 flags;  /* it was opened with */
    bool stale; /* it was open, in a machine that was saved */
};

struct p9_lock { /* of a range of bytes */
    u64 dev, ino;
    u64 start, end; /* last */
    u32 fid;        /* by which it was taken */
    u32 owner;
    bool write;
};

struct p9 {
    int root;
    u64 dev;
    bool read_only;
    u32 msize; /* what client and server have agreed on; 0: nothing yet */
    struct p9_fid *bucket[P9_BUCKETS];
    u32 nopen, open_max;
    u64 packed; /* bytes that p9_pack needs */
    struct p9_lock lock[P9_LOCKS_MAX];
    u32 nlocks;
};

/* A message that is being read; `bad` once something was not there. */
struct p9_in {
    const u8 *at;
    u32 left;
    bool bad;
};

/* An answer that is being written; `full` once something did not fit. */
struct p9_out {
    u8 *at;
    u32 left;
    bool full;
};

u64 p9_get(struct p9_in *in, unsigned size);
/* A name of one component, which is none of "", "." and ".."; else `bad`. */
void p9_get_name(struct p9_in *in, char to[P9_NAME]);
/* Any text without zero bytes, of fewer than `max` bytes; else `bad`. */
void p9_get_text(struct p9_in *in, char *to, u32 max);
void p9_put(struct p9_out *out, unsigned size, u64 val);
void p9_put_bytes(struct p9_out *out, const void *from, u32 len);
void p9_put_text(struct p9_out *out, const char *text);
void p9_put_qid(const struct p9 *p, struct p9_out *out, const struct stat *st);
/* The same for what a folder's entry tells of a file. */
void p9_put_entry_qid(struct p9_out *out, u64 ino, u8 type);

/* p9_fid.c */
struct p9_fid *p9_find(const struct p9 *p, u32 id);
/* -EBADF where the client uses what is there, -EEXIST where it makes what is. */
must_check int p9_find_fid(const struct p9 *p, u32 id, struct p9_fid **out);
must_check int p9_add_fid(struct p9 *p, u32 id, const char *path, struct p9_fid **out);
/* -ENOMEM; the old name is kept then. */
must_check int p9_rename_fid(struct p9 *p, struct p9_fid *fid, const char *path);
void p9_drop_fid(struct p9 *p, struct p9_fid *fid);
/* Files that lay at or below `from` are at or below `to` now. */
void p9_moved(struct p9 *p, const char *from, const char *to);
/* Makes a file that was opened the fid's; takes fd, on failure too. */
must_check int p9_set_open(struct p9 *p, struct p9_fid *fid, int fd, u32 flags);
/* -EBADF, -ESTALE. */
must_check int p9_open_fd(const struct p9_fid *fid);

/* p9_path.c: an open descriptor, for the caller to close, or -errno. */
must_check int p9_at(const struct p9 *p, const char *path); /* O_PATH, a symbolic link as well */
must_check int p9_open_file(const struct p9 *p, const char *path, u32 flags);
must_check int p9_create_file(const struct p9 *p, int dir, const char *name, u32 flags, u32 mode);
/* The folder that a path is in, and the last component. -EBUSY for the shared folder itself. */
must_check int p9_parent(const struct p9 *p, const char *path, const char **name);
/* Puts dir/name into `to`. -ENAMETOOLONG. */
must_check int p9_join(char to[PATH_MAX], const char *dir, const char *name);
/* Of an O_PATH descriptor; not through a symbolic link. */
must_check int p9_chmod(int fd, u32 mode);
must_check int p9_stat(const struct p9 *p, const struct p9_fid *fid, struct stat *st);

/* Operations, by file. */
#define P9_OP(name) must_check int p9_##name(struct p9 *p, struct p9_in *in, struct p9_out *out)
P9_OP(attach); /* p9_walk.c */
P9_OP(walk);
P9_OP(clunk);
P9_OP(remove);
P9_OP(open); /* p9_file.c */
P9_OP(create);
P9_OP(read);
P9_OP(write);
P9_OP(fsync);
P9_OP(readdir);
P9_OP(statfs); /* p9_attr.c */
P9_OP(readlink);
P9_OP(getattr);
P9_OP(setattr);
P9_OP(symlink); /* p9_dir.c */
P9_OP(mknod);
P9_OP(rename);
P9_OP(link);
P9_OP(mkdir);
P9_OP(renameat);
P9_OP(unlinkat);
P9_OP(lock); /* p9_lock.c */
P9_OP(getlock);
#undef P9_OP

void p9_unlock_fid(struct p9 *p, u32 fid);
