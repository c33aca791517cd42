/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which clusters hold metadata, so that none is handed out or overwritten as data. */
#include "block/formats/qcow2.h"

#include <errno.h>
#include <stdlib.h>

#define REMOVED (~(u64)0)

static u64 slot_of(const struct q2_set *s, u64 number)
{
    return (number * 0x9e3779b97f4a7c15ull >> 20) & (s->slots - 1);
}

static void place(struct q2_set *s, u64 key)
{
    u64 at = slot_of(s, key - 1);

    while (s->slot[at])
        at = (at + 1) & (s->slots - 1);
    s->slot[at] = key;
    s->used++;
}

static int grow(struct q2_set *s)
{
    struct q2_set old = *s;

    s->slots = max_u64(64, old.slots * 2);
    s->used = 0;
    s->slot = calloc(s->slots, sizeof(u64));
    if (!s->slot) {
        *s = old;
        return -ENOMEM;
    }
    for (u64 i = 0; i < old.slots; i++)
        if (old.slot[i] && old.slot[i] != REMOVED)
            place(s, old.slot[i]);
    free(old.slot);
    return 0;
}

static u64 *find(const struct q2_set *s, u64 number)
{
    if (!s->slots)
        return NULL;
    for (u64 at = slot_of(s, number); s->slot[at]; at = (at + 1) & (s->slots - 1))
        if (s->slot[at] == number + 1)
            return &s->slot[at];
    return NULL;
}

bool q2_set_has(const struct q2_set *s, u64 number)
{
    return find(s, number);
}

int q2_set_add(struct q2_set *s, u64 number)
{
    int rc = 0;

    if (q2_set_has(s, number))
        return -EEXIST;
    if (s->used >= s->slots / 2)
        rc = grow(s);
    if (!rc)
        place(s, number + 1);
    return rc;
}

void q2_set_remove(struct q2_set *s, u64 number)
{
    u64 *slot = find(s, number);

    if (slot)
        *slot = REMOVED;
}

void q2_set_dispose(struct q2_set *s)
{
    free(s->slot);
    *s = (struct q2_set){0};
}

int q2_known_add(struct qcow2 *q, u64 off, u64 clusters)
{
    u64 first = off >> q->cluster_bits;

    for (u64 i = 0; i < clusters; i++) {
        int rc = q2_set_add(&q->known, first + i);
        if (rc) {
            q2_known_remove(q, off, i);
            return rc;
        }
    }
    return 0;
}

void q2_known_remove(struct qcow2 *q, u64 off, u64 clusters)
{
    for (u64 i = 0; i < clusters; i++)
        q2_set_remove(&q->known, (off >> q->cluster_bits) + i);
}
