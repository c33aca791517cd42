/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Locks of byte ranges, among the processes and mounts of the guest: the host's own processes
 * neither see them nor hinder them. Never waits: a client that may wait asks again.
 */
#include "p9/p9_priv.h"

#include <errno.h>

enum { TYPE_READ, TYPE_WRITE, TYPE_UNLOCK };
enum { STATUS_GOOD, STATUS_BLOCKED, STATUS_ERROR };

struct request {
    struct p9_lock lock;
    u8 type;
    u64 start, length;
    u32 owner;
    char client[P9_NAME];
};

static bool overlap(const struct p9_lock *a, const struct p9_lock *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->start <= b->end && b->start <= a->end;
}

static bool same_owner(const struct p9_lock *a, const struct p9_lock *b)
{
    return a->owner == b->owner;
}

static const struct p9_lock *conflict(const struct p9 *p, const struct p9_lock *want)
{
    for (u32 n = 0; n < p->nlocks; n++) {
        const struct p9_lock *l = &p->lock[n];
        if (overlap(l, want) && !same_owner(l, want) && (l->write || want->write))
            return l;
    }
    return NULL;
}

static bool add(struct p9 *p, struct p9_lock lock)
{
    if (p->nlocks == P9_LOCKS_MAX)
        return false;
    p->lock[p->nlocks++] = lock;
    return true;
}

/* Takes a range from what its owner has; a lock in whose middle it is becomes two. */
static bool carve(struct p9 *p, const struct p9_lock *range)
{
    for (u32 n = 0; n < p->nlocks;) {
        struct p9_lock l = p->lock[n];
        struct p9_lock before = l, after = l;
        if (!overlap(&l, range) || !same_owner(&l, range)) {
            n++;
            continue;
        }
        if (l.start < range->start && l.end > range->end && p->nlocks == P9_LOCKS_MAX)
            return false;
        p->lock[n] = p->lock[--p->nlocks];
        before.end = range->start - 1;
        after.start = range->end + 1;
        if (l.start < range->start && !add(p, before))
            return false;
        if (l.end > range->end && !add(p, after))
            return false;
    }
    return true;
}

void p9_unlock_fid(struct p9 *p, u32 fid)
{
    for (u32 n = 0; n < p->nlocks;)
        if (p->lock[n].fid == fid)
            p->lock[n] = p->lock[--p->nlocks];
        else
            n++;
}

/* The arguments that both messages have; flags are only in one. */
static int decode(struct p9 *p, struct p9_in *in, bool flags, struct request *r)
{
    struct p9_fid *fid;
    struct stat st;
    u32 id = (u32)p9_get(in, 4);
    int rc;

    r->type = (u8)p9_get(in, 1);
    if (flags)
        p9_get(in, 4);
    r->start = p9_get(in, 8);
    r->length = p9_get(in, 8);
    r->owner = (u32)p9_get(in, 4);
    p9_get_text(in, r->client, sizeof(r->client));
    if (in->bad || r->type > TYPE_UNLOCK || r->start > INT64_MAX ||
        r->length > INT64_MAX - r->start)
        return -EINVAL;
    rc = p9_find_fid(p, id, &fid);
    if (!rc)
        rc = p9_stat(p, fid, &st);
    if (rc)
        return rc;
    r->lock = (struct p9_lock){.dev = st.st_dev,
                               .ino = st.st_ino,
                               .start = r->start,
                               .end = r->length ? r->start + r->length - 1 : INT64_MAX,
                               .fid = id,
                               .owner = r->owner,
                               .write = r->type == TYPE_WRITE};
    return 0;
}

static u8 apply(struct p9 *p, const struct request *r)
{
    if (r->type != TYPE_UNLOCK && conflict(p, &r->lock))
        return STATUS_BLOCKED;
    if (!carve(p, &r->lock))
        return STATUS_ERROR;
    return r->type == TYPE_UNLOCK || add(p, r->lock) ? STATUS_GOOD : STATUS_ERROR;
}

int p9_lock(struct p9 *p, struct p9_in *in, struct p9_out *out)
{
    struct request r;
    int rc = decode(p, in, true, &r);

    if (!rc)
        p9_put(out, 1, apply(p, &r));
    return rc;
}

/* Tells of one that is in the way. */
int p9_getlock(struct p9 *p, struct p9_in *in, struct p9_out *out)
{
    struct request r;
    const struct p9_lock *l;
    int rc = decode(p, in, false, &r);

    if (rc)
        return rc;
    l = conflict(p, &r.lock);
    p9_put(out, 1, l ? (l->write ? TYPE_WRITE : TYPE_READ) : TYPE_UNLOCK);
    p9_put(out, 8, l ? l->start : r.start);
    p9_put(out, 8, !l ? r.length : l->end == INT64_MAX ? 0 : l->end - l->start + 1);
    p9_put(out, 4, l ? l->owner : r.owner);
    p9_put_text(out, r.client);
    return 0;
}
