/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A disk that is made of parts of other nodes, one behind the other. */
#pragma once
#include "block/format.h"

struct concat;

/* Takes nothing of `main` but its name: the file that the user has named. Closed with it. */
must_check int concat_new(struct block_node **out, struct bfile *main, bool owns_main,
                          unsigned flags, const struct block_driver *ops, struct err *err);
/* `len` bytes of the part from `skip` on come next; owns it, also on failure. */
must_check int concat_add(struct block_node *n, struct block_node *part, u64 skip, u64 len,
                          struct err *err);
unsigned concat_parts(struct block_node *n);
struct block_node *concat_part(struct block_node *n, unsigned i);
void concat_dispose(struct block_node *n);

extern const struct block_driver concat_driver;
