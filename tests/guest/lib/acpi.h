/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding ACPI tables from the BIOS areas (ACPI 6.5, 5.2). */
#pragma once
#include "guest.h"

struct acpi_header {
    char signature[4];
    u32 length;
    u8 revision, checksum;
    char oem[6], oem_table[8];
    u32 oem_revision, creator, creator_revision;
} __attribute__((packed));

struct acpi_rsdp {
    char signature[8];
    u8 checksum;
    char oem[6];
    u8 revision;
    u32 rsdt, length;
    u64 xsdt;
    u8 checksum2, reserved[3];
} __attribute__((packed));

u8 acpi_sum(const void *p, u32 len);
const struct acpi_rsdp *acpi_find_rsdp(void);
/* By the XSDT, else the RSDT. NULL if there is none. */
const struct acpi_header *acpi_find(const char *signature);

static inline u32 acpi_u32(const void *table, u32 offset)
{
    u32 v;
    memcpy(&v, (const u8 *)table + offset, 4);
    return v;
}

static inline u64 acpi_u64(const void *table, u32 offset)
{
    return acpi_u32(table, offset) | (u64)acpi_u32(table, offset + 4) << 32;
}
/* FADT offsets (table 5.9). */
enum {
    FADT_DSDT = 40,
    FADT_SCI = 46,
    FADT_PM1A_EVT = 56,
    FADT_PM1A_CNT = 64,
    FADT_PM_TMR = 76,
    FADT_FLAGS = 112
};
