/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An address space of devices: I/O ports or MMIO. A device claims ranges [first, last] and sees
 * offsets inside its claim, in the widths it takes; the bus splits wider accesses (low part
 * first), and answers what nobody claims with ones.
 *
 * Every access and every claim is made under the machine's lock, which the bus takes itself
 * around an access (`lock` given at bus_init; recursive, since a device may write memory that
 * is another device). A device that has a lock of its own may take some writes without it.
 */
#pragma once
#include "base/base.h"

#include <pthread.h>

struct bus_ops {
    /* size is min_size..max_size, a power of two; val is zero-extended. */
    u64 (*read)(void *dev, u64 off, unsigned size);
    void (*write)(void *dev, u64 off, unsigned size, u64 val);
    u8 max_size; /* 1, 2, 4 or 8: the widest access the device takes */
    /* Without the machine's lock, before `write`: true if that was all there is to do. For an
       access within the claim and no wider than max_size. Must not wait for the machine's lock, nor
       claim, nor use a bus; when a claim has been removed, no call is under way any more. NULL:
       none is taken so.
     */
    bool (*write_unlocked)(void *dev, u64 off, unsigned size, u64 val);
};

struct bus_claim;
struct bus {
    const char *name;
    pthread_mutex_t *lock;    /* not owned */
    struct bus_claim *claims; /* sorted by first; lock, and to change them `moving` too */
    size_t nclaims, cap;
    pthread_rwlock_t moving; /* for reading: while a write is made without the lock */
    _Atomic u64 unlocked_first, unlocked_last; /* no claim that takes such is elsewhere */
    /* For --trace io|mmio: called after each access; NULL costs one test. */
    void (*trace)(void *opaque, const char *bus, const char *dev, u64 addr, unsigned size, u64 val,
                  bool write);
    void *trace_opaque;
};

void bus_init(struct bus *bus, const char *name, pthread_mutex_t *lock);
void bus_dispose(struct bus *bus);

/* -EEXIST when the range meets another claim, -ENOMEM. `name` and `dev` are not owned. */
must_check int bus_claim(struct bus *bus, u64 first, u64 last, const struct bus_ops *ops, void *dev,
                         const char *name);
/* Removes the claim that begins at `first`. */
void bus_unclaim(struct bus *bus, u64 first);
/* Removes every claim of `dev`. */
void bus_release(struct bus *bus, void *dev);

/* size is 1..8. Any thread; takes the lock. */
u64 bus_read(struct bus *bus, u64 addr, unsigned size);
void bus_write(struct bus *bus, u64 addr, unsigned size, u64 val);
