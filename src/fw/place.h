/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a loader can put things: RAM of the memory map that nothing was put into yet. */
#pragma once
#include "base/base.h"
#include "base/err.h"
#include "fw/e820.h"

#define PLACE_MAX  256
#define PLACE_NONE UINT64_MAX

struct place {
    const struct e820_map *map; /* not owned */
    struct place_used {
        u64 base, end;
        const char *what; /* not owned */
    } used[PLACE_MAX];
    unsigned n;
};

void place_init(struct place *p, const struct e820_map *map);

/* Takes exactly [base, base + len): false if it is not free RAM throughout. len is not 0. */
must_check bool place_try(struct place *p, u64 base, u64 len, const char *what);
/* The same, with -ENOMEM or -EEXIST and a message that starts with `what`. */
must_check int place_take(struct place *p, u64 base, u64 len, const char *what, struct err *err);

/* Takes the lowest or highest free `len` bytes within [min, max), aligned; PLACE_NONE if there is
   no room. `align` is a power of two. */
u64 place_lowest(struct place *p, u64 len, u64 align, u64 min, u64 max, const char *what);
u64 place_highest(struct place *p, u64 len, u64 align, u64 min, u64 max, const char *what);

/* The end of what lies highest in [1 MiB, 4 GiB), 1 MiB if nothing does. */
u64 place_top(const struct place *p);
