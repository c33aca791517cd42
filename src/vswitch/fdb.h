/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which station is behind which port (IEEE 802.1Q-2018, 8.8). Bounded, as a whole and for each
 * port, so that no port can push out what others have. Under the switch's lock.
 */
#pragma once
#include "base/base.h"

#define FDB_ENTRIES 8192u

struct fdb;

enum fdb_result {
    FDB_KNOWN,
    FDB_NEW,
    FDB_FULL,  /* not learned: the table or the port's share is full */
    FDB_TAKEN, /* not learned: fresh at another port, and moves are not allowed */
};

struct fdb_entry {
    u8 mac[6];
    u16 vlan;
    unsigned port;
    u64 seen; /* ns */
};

must_check int fdb_new(struct fdb **out); /* -ENOMEM */
void fdb_free(struct fdb *t);
/* For how long an entry is fresh, and whether a fresh one may go to another port. */
void fdb_set_aging(struct fdb *t, u64 ns);
void fdb_set_moves(struct fdb *t, bool allowed);

/* `port` below 64 has at most `max` entries. */
enum fdb_result fdb_learn(struct fdb *t, const u8 mac[6], u16 vlan, unsigned port, unsigned max,
                          u64 now);
/* The port, or -1. */
int fdb_find(const struct fdb *t, const u8 mac[6], u16 vlan, u64 now);
/* Gives up what is not fresh. */
void fdb_age(struct fdb *t, u64 now);
/* Gives up all of a port, or of all: -1. */
void fdb_flush(struct fdb *t, int port);
/* Entries in no order: false past the last. *at begins with 0. */
bool fdb_next(const struct fdb *t, unsigned *at, struct fdb_entry *out);
