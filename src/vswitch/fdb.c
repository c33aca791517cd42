/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/fdb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define BUCKETS    4096u
#define PORTS      64u
#define NONE       UINT16_MAX
#define AGING_NS   (300 * NSEC_PER_SEC) /* the standard's */
#define HASH_PRIME 0x9e3779b97f4a7c15ull

struct entry {
    u64 key; /* VLAN and address; 0: free */
    u64 seen;
    u16 port, next;
};

struct fdb {
    u64 secret; /* so that nobody can choose addresses of one bucket */
    u64 aging;
    bool moves;
    u16 free;
    u16 bucket[BUCKETS];
    u16 count[PORTS];
    struct entry entry[FDB_ENTRIES];
};

static u64 key_of(const u8 mac[6], u16 vlan)
{
    u64 key = vlan;

    for (unsigned i = 0; i < 6; i++)
        key = key << 8 | mac[i];
    return key;
}

static u16 *bucket_of(struct fdb *t, u64 key)
{
    u64 h = (key ^ t->secret) * HASH_PRIME;

    h = (h ^ h >> 29 ^ t->secret) * HASH_PRIME;
    return &t->bucket[h >> 52];
}

static struct entry *look_up(const struct fdb *t, u64 key)
{
    u16 i = *bucket_of((struct fdb *)(uintptr_t)t, key);

    for (; i != NONE; i = t->entry[i].next)
        if (t->entry[i].key == key)
            return (struct entry *)(uintptr_t)&t->entry[i];
    return NULL;
}

int fdb_new(struct fdb **out)
{
    struct fdb *t = calloc(1, sizeof(*t));

    if (!t)
        return -ENOMEM;
    if (getrandom(&t->secret, sizeof(t->secret), 0) != (ssize_t)sizeof(t->secret))
        t->secret = HASH_PRIME;
    t->aging = AGING_NS;
    memset(t->bucket, 0xff, sizeof(t->bucket));
    for (unsigned i = 0; i < FDB_ENTRIES; i++)
        t->entry[i].next = i + 1 < FDB_ENTRIES ? (u16)(i + 1) : NONE;
    *out = t;
    return 0;
}

void fdb_free(struct fdb *t)
{
    free(t);
}

void fdb_set_aging(struct fdb *t, u64 ns)
{
    t->aging = ns;
}

void fdb_set_moves(struct fdb *t, bool allowed)
{
    t->moves = allowed;
}

static bool is_fresh(const struct fdb *t, const struct entry *e, u64 now)
{
    return now - e->seen < t->aging;
}

static enum fdb_result add(struct fdb *t, u64 key, unsigned port, unsigned max, u64 now)
{
    u16 *bucket = bucket_of(t, key), i = t->free;

    if (i == NONE || t->count[port] >= max)
        return FDB_FULL;
    t->free = t->entry[i].next;
    t->entry[i] = (struct entry){.key = key, .seen = now, .port = (u16)port, .next = *bucket};
    *bucket = i;
    t->count[port]++;
    return FDB_NEW;
}

enum fdb_result fdb_learn(struct fdb *t, const u8 mac[6], u16 vlan, unsigned port, unsigned max,
                          u64 now)
{
    u64 key = key_of(mac, vlan);
    struct entry *e = look_up(t, key);

    if (!e)
        return add(t, key, port, max, now);
    if (e->port != port) {
        if (!t->moves && is_fresh(t, e, now))
            return FDB_TAKEN;
        if (t->count[port] >= max)
            return FDB_FULL;
        t->count[e->port]--;
        t->count[port]++;
        e->port = (u16)port;
    }
    e->seen = now;
    return FDB_KNOWN;
}

int fdb_find(const struct fdb *t, const u8 mac[6], u16 vlan, u64 now)
{
    const struct entry *e = look_up(t, key_of(mac, vlan));

    return e && is_fresh(t, e, now) ? e->port : -1;
}

static void drop(struct fdb *t, u16 *link)
{
    u16 i = *link;
    struct entry *e = &t->entry[i];

    *link = e->next;
    t->count[e->port]--;
    *e = (struct entry){.next = t->free};
    t->free = i;
}

void fdb_age(struct fdb *t, u64 now)
{
    for (unsigned b = 0; b < BUCKETS; b++)
        for (u16 *link = &t->bucket[b]; *link != NONE;) {
            if (is_fresh(t, &t->entry[*link], now))
                link = &t->entry[*link].next;
            else
                drop(t, link);
        }
}

void fdb_flush(struct fdb *t, int port)
{
    for (unsigned b = 0; b < BUCKETS; b++)
        for (u16 *link = &t->bucket[b]; *link != NONE;) {
            if (port >= 0 && t->entry[*link].port != port)
                link = &t->entry[*link].next;
            else
                drop(t, link);
        }
}

bool fdb_next(const struct fdb *t, unsigned *at, struct fdb_entry *out)
{
    const struct entry *e = NULL;

    while (*at < FDB_ENTRIES && !e) {
        e = t->entry[*at].key ? &t->entry[*at] : NULL;
        ++*at;
    }
    if (!e)
        return false;
    *out = (struct fdb_entry){.vlan = (u16)(e->key >> 48), .port = e->port, .seen = e->seen};
    for (unsigned i = 0; i < 6; i++)
        out->mac[i] = (u8)(e->key >> (40 - 8 * i));
    return true;
}
