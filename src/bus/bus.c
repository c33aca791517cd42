/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct bus_claim {
    u64 first, last;
    const struct bus_ops *ops;
    void *dev;
    const char *name;
};

/* Whoever reads what it was before takes the machine's lock where it need not, or finds nothing. */
static void find_unlocked(struct bus *bus)
{
    u64 first = UINT64_MAX, last = 0;

    for (size_t i = 0; i < bus->nclaims; i++)
        if (bus->claims[i].ops->write_unlocked) {
            first = min_u64(first, bus->claims[i].first);
            last = max_u64(last, bus->claims[i].last);
        }
    bus->unlocked_first = first;
    bus->unlocked_last = last;
}

void bus_init(struct bus *bus, const char *name, pthread_mutex_t *lock)
{
    pthread_rwlockattr_t attr;

    memset(bus, 0, sizeof(*bus));
    bus->name = name;
    bus->lock = lock;
    find_unlocked(bus);
    /* CPUs that write all the time must not keep a claim, with the machine's lock, waiting. */
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&bus->moving, &attr);
    pthread_rwlockattr_destroy(&attr);
}

void bus_dispose(struct bus *bus)
{
    free(bus->claims);
    bus->claims = NULL;
    bus->nclaims = bus->cap = 0;
    pthread_rwlock_destroy(&bus->moving);
}

/* The index of the first claim whose last byte is at or above addr. */
static size_t find_slot(const struct bus *bus, u64 addr)
{
    size_t lo = 0, hi = bus->nclaims;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (bus->claims[mid].last < addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static int insert(struct bus *bus, size_t at, const struct bus_claim *claim)
{
    if (bus->nclaims == bus->cap) {
        size_t cap = bus->cap ? bus->cap * 2 : 16;
        struct bus_claim *p = realloc(bus->claims, cap * sizeof(*p));
        if (!p)
            return -ENOMEM;
        bus->claims = p;
        bus->cap = cap;
    }
    memmove(&bus->claims[at + 1], &bus->claims[at], (bus->nclaims - at) * sizeof(*bus->claims));
    bus->claims[at] = *claim;
    bus->nclaims++;
    find_unlocked(bus);
    return 0;
}

int bus_claim(struct bus *bus, u64 first, u64 last, const struct bus_ops *ops, void *dev,
              const char *name)
{
    size_t at;
    int rc;

    BUG_ON(first > last || !ops->max_size);
    at = find_slot(bus, first);
    if (at < bus->nclaims && bus->claims[at].first <= last)
        return -EEXIST;
    pthread_rwlock_wrlock(&bus->moving);
    rc = insert(bus, at, &(struct bus_claim){first, last, ops, dev, name});
    pthread_rwlock_unlock(&bus->moving);
    return rc;
}

void bus_unclaim(struct bus *bus, u64 first)
{
    size_t at = find_slot(bus, first);

    BUG_ON(at == bus->nclaims || bus->claims[at].first != first);
    pthread_rwlock_wrlock(&bus->moving);
    bus->nclaims--;
    memmove(&bus->claims[at], &bus->claims[at + 1], (bus->nclaims - at) * sizeof(*bus->claims));
    find_unlocked(bus);
    pthread_rwlock_unlock(&bus->moving);
}

void bus_release(struct bus *bus, void *dev)
{
    size_t to = 0;

    pthread_rwlock_wrlock(&bus->moving);
    for (size_t i = 0; i < bus->nclaims; i++)
        if (bus->claims[i].dev != dev)
            bus->claims[to++] = bus->claims[i];
    bus->nclaims = to;
    find_unlocked(bus);
    pthread_rwlock_unlock(&bus->moving);
}

static const struct bus_claim *lookup(const struct bus *bus, u64 addr)
{
    size_t at = find_slot(bus, addr);

    if (at < bus->nclaims && bus->claims[at].first <= addr)
        return &bus->claims[at];
    return NULL;
}

/* The widest piece at addr that the claim takes: naturally aligned, within it and within size. */
static unsigned piece_size(const struct bus_claim *claim, u64 addr, unsigned size)
{
    unsigned n = claim ? claim->ops->max_size : 1;

    while (n > size || (claim && (n - 1 > claim->last - addr)) ||
           (n > 1 && n < size && (addr & (n - 1))))
        n /= 2;
    return n;
}

u64 bus_read(struct bus *bus, u64 addr, unsigned size)
{
    u64 val = 0;

    pthread_mutex_lock(bus->lock);
    for (unsigned done = 0; done < size;) {
        const struct bus_claim *c = lookup(bus, addr + done);
        unsigned n = piece_size(c, addr + done, size - done);
        u64 piece = size_mask(n);
        if (c && c->ops->read)
            piece &= c->ops->read(c->dev, addr + done - c->first, n);
        val |= piece << (8 * done);
        done += n;
    }
    if (unlikely(bus->trace)) {
        const struct bus_claim *c = lookup(bus, addr);
        bus->trace(bus->trace_opaque, bus->name, c ? c->name : "unclaimed", addr, size, val, false);
    }
    pthread_mutex_unlock(bus->lock);
    return val;
}

static bool write_unlocked(struct bus *bus, u64 addr, unsigned size, u64 val)
{
    const struct bus_claim *c;
    bool done = false;

    if (addr < bus->unlocked_first || addr > bus->unlocked_last)
        return false;
    pthread_rwlock_rdlock(&bus->moving);
    c = lookup(bus, addr);
    if (c && c->ops->write_unlocked && piece_size(c, addr, size) == size)
        done = c->ops->write_unlocked(c->dev, addr - c->first, size, val & size_mask(size));
    pthread_rwlock_unlock(&bus->moving);
    return done;
}

void bus_write(struct bus *bus, u64 addr, unsigned size, u64 val)
{
    if (likely(!bus->trace) && write_unlocked(bus, addr, size, val))
        return;
    pthread_mutex_lock(bus->lock);
    if (unlikely(bus->trace)) {
        const struct bus_claim *c = lookup(bus, addr);
        bus->trace(bus->trace_opaque, bus->name, c ? c->name : "unclaimed", addr, size, val, true);
    }
    for (unsigned done = 0; done < size;) {
        const struct bus_claim *c = lookup(bus, addr + done);
        unsigned n = piece_size(c, addr + done, size - done);
        if (c && c->ops->write)
            c->ops->write(c->dev, addr + done - c->first, n, val >> (8 * done) & size_mask(n));
        done += n;
    }
    pthread_mutex_unlock(bus->lock);
}
