/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fids are made and given up: attach, walk, clunk, remove. */
#include "p9/p9_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define WALK_MAX    16u
#define UNAME_MAX   256u
#define QID_DIR     0x80u
#define QID_SYMLINK 0x02u

static u8 qid_type(u32 mode)
{
    return S_ISDIR(mode) ? QID_DIR : S_ISLNK(mode) ? QID_SYMLINK : 0;
}

void p9_put_entry_qid(struct p9_out *out, u64 ino, u8 type)
{
    p9_put(out, 1, qid_type((u32)type << 12)); /* DT_ values are those of st_mode */
    p9_put(out, 4, 0);
    p9_put(out, 8, ino);
}

/* Numbers of another file system mounted in the folder are told apart by their high bits. */
void p9_put_qid(const struct p9 *p, struct p9_out *out, const struct stat *st)
{
    p9_put(out, 1, qid_type(st->st_mode));
    p9_put(out, 4, 0);
    p9_put(out, 8, st->st_ino ^ (u64)(st->st_dev ^ p->dev) << 40);
}

int p9_attach(struct p9 *p, struct p9_in *in, struct p9_out *out)
{
    u32 id = (u32)p9_get(in, 4);
    char user[UNAME_MAX], name[PATH_MAX];
    struct p9_fid *fid;
    struct stat st;
    int rc;

    p9_get(in, 4); /* no fid of an authentication */
    p9_get_text(in, user, sizeof(user));
    p9_get_text(in, name, sizeof(name));
    p9_get(in, 4);
    if (in->bad)
        return -EINVAL;
    rc = p9_add_fid(p, id, "", &fid); /* the folder, whichever the client names */
    if (rc)
        return rc;
    rc = p9_stat(p, fid, &st);
    if (rc)
        p9_drop_fid(p, fid);
    else
        p9_put_qid(p, out, &st);
    return rc;
}

/* One step; at the top, ".." stays. */
static int step(char path[PATH_MAX], const char *name)
{
    char dir[PATH_MAX], *slash = strrchr(path, '/');

    if (!strcmp(name, "..")) {
        *(slash ? slash : path) = '\0';
        return 0;
    }
    strcpy(dir, path);
    return p9_join(path, dir, name);
}

static int stat_path(const struct p9 *p, const char *path, struct stat *st)
{
    struct p9_fid named = {.path = (char *)path, .fd = -1};

    return p9_stat(p, &named, st);
}

static void get_step(struct p9_in *in, char name[P9_NAME])
{
    p9_get_text(in, name, P9_NAME);
    if (!*name || strchr(name, '/') || !strcmp(name, "."))
        in->bad = true;
}

/* As far as it goes; *done steps, `path` is where it ends. An error where the first one fails. */
static int follow(struct p9 *p, struct p9_in *in, struct p9_out *out, u32 count, u32 *done,
                  char path[PATH_MAX])
{
    char name[P9_NAME];
    struct stat st;

    for (*done = 0; *done < count; ++*done) {
        int rc;
        get_step(in, name);
        rc = in->bad ? -EINVAL : step(path, name);
        if (!rc)
            rc = stat_path(p, path, &st);
        if (rc)
            return *done && !in->bad ? 0 : rc;
        p9_put_qid(p, out, &st);
    }
    return 0;
}

int p9_walk(struct p9 *p, struct p9_in *in, struct p9_out *out)
{
    u32 id = (u32)p9_get(in, 4), new_id = (u32)p9_get(in, 4);
    u32 count = (u32)p9_get(in, 2), done;
    u8 *counted = out->at;
    char path[PATH_MAX];
    struct p9_fid *fid, *made;
    int rc;

    if (in->bad || count > WALK_MAX)
        return -EINVAL;
    rc = p9_find_fid(p, id, &fid);
    if (!rc && new_id != id && p9_find(p, new_id))
        rc = -EEXIST;
    if (!rc && new_id == id && fid->fd >= 0)
        rc = -EINVAL;
    if (rc)
        return rc;
    strcpy(path, fid->path);
    p9_put(out, 2, 0);
    rc = follow(p, in, out, count, &done, path);
    if (rc || out->full)
        return rc;
    put_le16(counted, (u16)done);
    if (done < count)
        return 0;
    return new_id == id ? p9_rename_fid(p, fid, path) : p9_add_fid(p, new_id, path, &made);
}

int p9_clunk(struct p9 *p, struct p9_in *in, struct p9_out *out)
{
    struct p9_fid *fid;
    u32 id = (u32)p9_get(in, 4);
    int rc = in->bad ? -EINVAL : p9_find_fid(p, id, &fid);

    if (!rc)
        p9_drop_fid(p, fid);
    return rc;
}

/* The fid is given up in any case. */
int p9_remove(struct p9 *p, struct p9_in *in, struct p9_out *out)
{
    u32 id = (u32)p9_get(in, 4);
    const char *name;
    struct p9_fid *fid;
    struct stat st;
    int rc = in->bad ? -EINVAL : p9_find_fid(p, id, &fid);
    int dir;

    if (rc)
        return rc;
    rc = p9_stat(p, fid, &st);
    dir = rc ? rc : p9_parent(p, fid->path, &name);
    if (dir >= 0) {
        rc = unlinkat(dir, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) ? -errno : 0;
        close(dir);
    } else {
        rc = dir;
    }
    p9_drop_fid(p, fid);
    return rc;
}
