/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fw/e820.h"

static void add(struct e820_map *map, u64 base, u64 end, enum e820_type type)
{
    BUG_ON(map->n == E820_MAX);
    if (end > base)
        map->entry[map->n++] = (struct e820_entry){base, end - base, type};
}

void e820_build(struct e820_map *map, const struct mem *mem)
{
    BUG_ON(mem->low < MiB);
    map->n = 0;
    add(map, 0, LOW_EBDA, E820_RAM);
    add(map, LOW_EBDA, LOW_END, E820_RESERVED);
    add(map, TABLES_BASE, MiB, E820_RESERVED);
    add(map, MiB, mem->low, E820_RAM);
    add(map, MEM_HIGH_START, MEM_HIGH_START + (mem->size - mem->low), E820_RAM);
}
