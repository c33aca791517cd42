/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages: their heads, which operation they ask for, and Tversion. */
#include "p9/p9_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define RLERROR  7u
#define TVERSION 100u
#define TFLUSH   108u
#define VERSION  "9P2000.L"

struct p9_op {
    int (*run)(struct p9 *p, struct p9_in *in, struct p9_out *out);
    bool writes; /* not in a folder that is shared read-only */
};

/* By type of the message; an answer's type is one more. */
static const struct p9_op ops[256] = {
    [8] = {p9_statfs, false},    [12] = {p9_open, false},    [14] = {p9_create, true},
    [16] = {p9_symlink, true},   [18] = {p9_mknod, true},    [20] = {p9_rename, true},
    [22] = {p9_readlink, false}, [24] = {p9_getattr, false}, [26] = {p9_setattr, true},
    [40] = {p9_readdir, false},  [50] = {p9_fsync, false},   [52] = {p9_lock, false},
    [54] = {p9_getlock, false},  [70] = {p9_link, true},     [72] = {p9_mkdir, true},
    [74] = {p9_renameat, true},  [76] = {p9_unlinkat, true}, [104] = {p9_attach, false},
    [110] = {p9_walk, false},    [116] = {p9_read, false},   [118] = {p9_write, true},
    [120] = {p9_clunk, false},   [122] = {p9_remove, true},
};

u64 p9_get(struct p9_in *in, unsigned size)
{
    u64 val = 0;

    if (in->left < size) {
        in->bad = true;
        return 0;
    }
    memcpy(&val, in->at, size);
    in->at += size;
    in->left -= size;
    return val;
}

void p9_get_text(struct p9_in *in, char *to, u32 max)
{
    u32 len = (u32)p9_get(in, 2);

    to[0] = '\0';
    if (in->left < len || len >= max || memchr(in->at, 0, len)) {
        in->bad = true;
        return;
    }
    memcpy(to, in->at, len);
    to[len] = '\0';
    in->at += len;
    in->left -= len;
}

void p9_get_name(struct p9_in *in, char to[P9_NAME])
{
    p9_get_text(in, to, P9_NAME);
    if (!to[0] || strchr(to, '/') || !strcmp(to, ".") || !strcmp(to, ".."))
        in->bad = true;
}

void p9_put_bytes(struct p9_out *out, const void *from, u32 len)
{
    if (out->left < len) {
        out->full = true;
        return;
    }
    memcpy(out->at, from, len);
    out->at += len;
    out->left -= len;
}

void p9_put(struct p9_out *out, unsigned size, u64 val)
{
    p9_put_bytes(out, &val, size);
}

void p9_put_text(struct p9_out *out, const char *text)
{
    u32 len = (u32)strlen(text);

    p9_put(out, 2, len);
    p9_put_bytes(out, text, len);
}

int p9_new(struct p9 **out, const struct p9_config *cfg, struct err *err)
{
    struct p9 *p = calloc(1, sizeof(*p));
    struct rlimit files;
    struct stat st;
    int fd;

    if (!p)
        return err_set(err, ENOMEM, "%s: out of memory", cfg->path);
    p->read_only = cfg->read_only;
    p->root = open(cfg->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (p->root < 0 || fstat(p->root, &st)) {
        int rc = err_set(err, errno, "%s: %s", cfg->path, strerror(errno));
        p9_free(p);
        return rc;
    }
    p->dev = st.st_dev;
    fd = p9_at(p, "");
    if (fd < 0) {
        p9_free(p);
        return err_set(err, -fd, "%s: %s%s", cfg->path, strerror(-fd),
                       fd == -ENOSYS ? "; sharing a folder needs Linux 5.6 (openat2)" : "");
    }
    close(fd);
    p->open_max = P9_OPEN_MAX;
    if (!getrlimit(RLIMIT_NOFILE, &files))
        p->open_max = (u32)min_u64(files.rlim_cur / 4, P9_OPEN_MAX);
    *out = p;
    return 0;
}

void p9_reset(struct p9 *p)
{
    for (u32 n = 0; n < P9_BUCKETS; n++)
        while (p->bucket[n])
            p9_drop_fid(p, p->bucket[n]);
    p->msize = 0;
    p->nlocks = 0;
}

void p9_free(struct p9 *p)
{
    if (!p)
        return;
    p9_reset(p);
    if (p->root >= 0)
        close(p->root);
    free(p);
}

/* A new session: whatever was there is gone. */
static int version(struct p9 *p, struct p9_in *in, struct p9_out *out)
{
    u32 msize = (u32)p9_get(in, 4);
    char text[32];

    p9_get_text(in, text, sizeof(text));
    if (msize < P9_MSIZE_MIN)
        return -EINVAL;
    p9_reset(p);
    msize = (u32)min_u64(msize, P9_MESSAGE_MAX);
    if (in->bad || strcmp(text, VERSION) != 0) {
        p9_put(out, 4, msize);
        p9_put_text(out, "unknown");
        return 0;
    }
    p->msize = msize;
    p9_put(out, 4, msize);
    p9_put_text(out, VERSION);
    return 0;
}

static int run(struct p9 *p, struct p9_in *in, struct p9_out *out, u8 type)
{
    const struct p9_op *op = &ops[type];

    if (type == TVERSION)
        return version(p, in, out);
    if (type == TFLUSH) /* messages are served in turn: that one is over */
        return 0;
    if (!op->run || !p->msize)
        return -EOPNOTSUPP;
    if (op->writes && p->read_only)
        return -EROFS;
    return op->run(p, in, out);
}

u32 p9_serve(struct p9 *p, const u8 *message, u32 len, u8 *answer, u32 room)
{
    u32 size = len < P9_HEAD ? 0 : le32(message);
    u32 max = p->msize ? p->msize : P9_MESSAGE_MAX;
    struct p9_in in = {.at = message + P9_HEAD};
    struct p9_out out = {.at = answer + P9_HEAD};
    int rc = -EMSGSIZE;

    room = (u32)min_u64(room, max);
    if (len < P9_HEAD || room < P9_HEAD + 4)
        return 0;
    out.left = room - P9_HEAD;
    if (size >= P9_HEAD && size <= len && size <= max) {
        in.left = size - P9_HEAD;
        rc = run(p, &in, &out, message[4]);
    }
    if (!rc && out.full)
        rc = -EMSGSIZE;
    answer[4] = rc ? RLERROR : (u8)(message[4] + 1);
    if (rc) {
        out = (struct p9_out){.at = answer + P9_HEAD, .left = 4};
        p9_put(&out, 4, (u64)-rc);
    }
    put_le32(answer, (u32)(out.at - answer));
    memcpy(answer + 5, message + 5, 2);
    return (u32)(out.at - answer);
}
