/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names are made, moved and removed. */
#include "p9/p9_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define REMOVE_DIR 0x200u

/* A folder that a fid names; -errno. */
static int dir_of(const struct p9 *p, u32 id, struct p9_fid **fid)
{
    int rc = p9_find_fid(p, id, fid);

    return rc ? rc : p9_at(p, (*fid)->path);
}

/* Tells of what was made; with a mode, gives it that. */
static int put_made(struct p9 *p, struct p9_out *out, const char *dir, const char *name,
                    const u32 *mode)
{
    char path[PATH_MAX];
    struct stat st;
    int rc = p9_join(path, dir, name), fd = rc ? rc : p9_at(p, path);

    if (fd < 0)
        return fd;
    rc = mode ? p9_chmod(fd, *mode) : 0;
    if (!rc && fstat(fd, &st))
        rc = -errno;
    if (!rc)
        p9_put_qid(p, out, &st);
    close(fd);
    return rc;
}

int p9_symlink(struct p9 *p, struct p9_in *in, struct p9_out *out)
{
    u32 id = (u32)p9_get(in, 4);
    char name[P9_NAME], target[PATH_MAX];
    struct p9_fid *fid;
    int dir, rc;

    p9_get_name(in, name);
    p9_get_text(in, target, sizeof(target));
    dir = in->bad ? -EINVAL : dir_of(p, id, &fid);
    if (dir < 0)
        return dir;
    rc = symlinkat(target, dir, name) ? -errno : 0;
    close(dir);
    return rc ? rc : put_made(p, out, fid->path, name, NULL);
}

/* Devices would be the host's: there are none. */
int p9_mknod(struct p9 *p, struct p9_in *in, struct p9_out *out)
{
    u32 id = (u32)p9_get(in, 4), mode;
    char name[P9_NAME];
    struct p9_fid *fid;
    int dir, rc;

    p9_get_name(in, name);
    mode = (u32)p9_get(in, 4);
    if (!in->bad && (S_ISCHR(mode) || S_ISBLK(mode)))
        return -EPERM;
    dir = in->bad ? -EINVAL : dir_of(p, id, &fid);
    if (dir < 0)
        return dir;
    rc = mknodat(dir, name, mode & (S_IFMT | 0777), 0) ? -errno : 0;
    close(dir);
    return rc ? rc : put_made(p, out, fid->path, name, &mode);
}

int p9_mkdir(struct p9 *p, struct p9_in *in, struct p9_out *out)
{
    u32 id = (u32)p9_get(in, 4), mode;
    char name[P9_NAME];
    struct p9_fid *fid;
    int dir, rc;

    p9_get_name(in, name);
    mode = (u32)p9_get(in, 4);
    dir = in->bad ? -EINVAL : dir_of(p, id, &fid);
    if (dir < 0)
        return dir;
    rc = mkdirat(dir, name, mode & 0777) ? -errno : 0;
    close(dir);
    return rc ? rc : put_made(p, out, fid->path, name, &mode);
}

int p9_link(struct p9 *p, struct p9_in *in, struct p9_out *out)
{
    u32 dir_id = (u32)p9_get(in, 4), id = (u32)p9_get(in, 4);
    char name[P9_NAME];
    const char *from_name;
    struct p9_fid *fid, *dir_fid;
    int rc, from, dir;

    p9_get_name(in, name);
    rc = in->bad ? -EINVAL : p9_find_fid(p, id, &fid);
    from = rc ? rc : p9_parent(p, fid->path, &from_name);
    if (from < 0)
        return from;
    dir = dir_of(p, dir_id, &dir_fid);
    rc = dir < 0 ? dir : linkat(from, from_name, dir, name, 0) ? -errno : 0;
    if (dir >= 0)
        close(dir);
    close(from);
    return rc;
}

/* Moves a file, and the fids that are in it. */
static int move(struct p9 *p, const char *from, const char *to)
{
    const char *from_name, *to_name;
    int from_dir = p9_parent(p, from, &from_name), to_dir, rc;

    if (from_dir < 0)
        return from_dir;
    to_dir = p9_parent(p, to, &to_name);
    rc = to_dir < 0 ? to_dir : renameat(from_dir, from_name, to_dir, to_name) ? -errno : 0;
    if (to_dir >= 0)
        close(to_dir);
    close(from_dir);
    if (!rc)
        p9_moved(p, from, to);
    return rc;
}

int p9_rename(struct p9 *p, struct p9_in *in, struct p9_out *out)
{
    u32 id = (u32)p9_get(in, 4), dir_id = (u32)p9_get(in, 4);
    char name[P9_NAME], from[PATH_MAX], to[PATH_MAX];
    struct p9_fid *fid, *dir;
    int rc;

    p9_get_name(in, name);
    rc = in->bad ? -EINVAL : p9_find_fid(p, id, &fid);
    if (!rc)
        rc = p9_find_fid(p, dir_id, &dir);
    if (!rc)
        rc = p9_join(to, dir->path, name);
    if (rc)
        return rc;
    strcpy(from, fid->path);
    return move(p, from, to);
}

int p9_renameat(struct p9 *p, struct p9_in *in, struct p9_out *out)
{
    u32 from_id = (u32)p9_get(in, 4), to_id;
    char from_name[P9_NAME], to_name[P9_NAME], from[PATH_MAX], to[PATH_MAX];
    struct p9_fid *from_dir, *to_dir;
    int rc;

    p9_get_name(in, from_name);
    to_id = (u32)p9_get(in, 4);
    p9_get_name(in, to_name);
    rc = in->bad ? -EINVAL : p9_find_fid(p, from_id, &from_dir);
    if (!rc)
        rc = p9_find_fid(p, to_id, &to_dir);
    if (!rc)
        rc = p9_join(from, from_dir->path, from_name);
    if (!rc)
        rc = p9_join(to, to_dir->path, to_name);
    return rc ? rc : move(p, from, to);
}

int p9_unlinkat(struct p9 *p, struct p9_in *in, struct p9_out *out)
{
    u32 id = (u32)p9_get(in, 4), flags;
    char name[P9_NAME];
    struct p9_fid *fid;
    int dir, rc;

    p9_get_name(in, name);
    flags = (u32)p9_get(in, 4);
    dir = in->bad ? -EINVAL : dir_of(p, id, &fid);
    if (dir < 0)
        return dir;
    rc = unlinkat(dir, name, flags & REMOVE_DIR ? AT_REMOVEDIR : 0) ? -errno : 0;
    close(dir);
    return rc;
}
