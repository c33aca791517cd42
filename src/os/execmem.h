/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory for generated code: one view to write, one to execute; where the host does not let a
   memfd be executed, one private mapping that is both. */
#pragma once
#include "base/base.h"
#include "base/err.h"

struct execmem {
    u8 *rw, *rx; /* may be the same */
    size_t size;
};

/* `what` it is for, in the error's words. -errno. Touched pages only cost memory. */
must_check int execmem_map(struct execmem *m, size_t size, const char *what, struct err *err);
void execmem_unmap(struct execmem *m); /* idempotent */
/* Gives the pages of [from, end) back to the host; they read as zeroes then. */
void execmem_discard(struct execmem *m, size_t from);
