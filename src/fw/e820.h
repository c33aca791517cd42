/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's memory map as its firmware tells it: one list, from which every protocol's is made.
 */
#pragma once
#include "base/base.h"
#include "mem/mem.h"

/* The types of ACPI 6.4 table 15.374; Linux, PVH and Multiboot use the same numbers. */
enum e820_type { E820_RAM = 1, E820_RESERVED = 2, E820_ACPI = 3, E820_NVS = 4 };

#define E820_MAX 16

/* Memory below 1 MiB, as a PC has it. */
#define LOW_EBDA    0x9fc00u /* 1 KiB extended BIOS data area, up to A0000h */
#define LOW_END     0xa0000u
#define TABLES_BASE 0xf0000u /* ACPI, MP and SMBIOS tables */
#define TABLES_END  0xffff0u /* the reset vector's 16 bytes are left alone */

struct e820_entry {
    u64 base, size;
    u32 type;
};

struct e820_map {
    struct e820_entry entry[E820_MAX]; /* ascending, not overlapping */
    unsigned n;
};

/* `mem` has at least 1 MiB. */
void e820_build(struct e820_map *map, const struct mem *mem);
