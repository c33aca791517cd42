/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guest memory that is made once and as new for each input: a memfd with its mapping, and the
   pages' descriptions, cost more than a run. */
#pragma once
#include "mem/mem.h"

#include <string.h>

/* `ram` is the same each time; lent. The rig that gets it connects its bus. */
static inline struct mem *guest_memory(u64 ram)
{
    static struct mem *mem;
    static struct mem as_new;
    struct err err;
    u64 used = ram;

    if (!mem) {
        BUG_ON(mem_new(&mem, ram, NULL, &err));
        as_new = *mem;
    }
    for (unsigned n = 0; n < mem->nwindows; n++)
        used += mem->window[n].size;
    BUG_ON(as_new.size != ram || used > as_new.npages << PAGE_SHIFT);
    memset(mem->ram, 0, used);
    memset(mem->pages, 0, (used >> PAGE_SHIFT) * sizeof(*mem->pages));
    *mem = as_new;
    return mem;
}
