/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A disk that is made of parts of other nodes, one behind the other. */
#pragma once
#include "block/format.h"

struct concat;

struct concat_hooks {
    int (*on_change)(struct block_node *n);                    /* NULL, or before the first write */
    int (*adopt)(struct block_node *n, const u8 id[BLOCK_ID]); /* driver.h; NULL: nothing to do */
};

/* Takes nothing of `main` but its name: the file that the user has named. Closed with it. */
must_check int concat_new(struct block_node **out, struct bfile *main, bool owns_main,
                          unsigned flags, const struct concat_hooks *hooks, struct err *err);
/* `len` bytes of the part from `skip` on come next; owns it, also on failure. */
must_check int concat_add(struct block_node *n, struct block_node *part, u64 skip, u64 len,
                          struct err *err);
unsigned concat_parts(struct block_node *n);
struct block_node *concat_part(struct block_node *n, unsigned i);
void concat_dispose(struct block_node *n);
