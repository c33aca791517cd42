/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ACPI tables of a machine, as one block of memory for a given guest address. */
#pragma once
#include "base/err.h"
#include "fw/buf.h"
#include "fw/platform.h"

#define ACPI_RSDP_LEN     36 /* at the start of the block */
#define ACPI_TABLES_MAX   12
#define ACPI_POINTERS_MAX 24

struct acpi_tables {
    struct buf buf; /* the RSDP is at its start */
    struct acpi_table {
        char sig[5];
        size_t at, len;       /* in buf */
    } table[ACPI_TABLES_MAX]; /* in order of address; the RSDP is not among them */
    unsigned n;
    struct acpi_pointer {
        size_t at; /* in buf: the guest address of something else in it */
        u8 size;   /* 4 or 8 */
    } pointer[ACPI_POINTERS_MAX];
    unsigned npointers;
    u32 base; /* guest address of the block */
};

/* `base` is a multiple of 64, below 4 GiB. -EINVAL, -ENOSPC, -ENOMEM with err set. */
must_check int acpi_build(struct acpi_tables *t, const struct fw_platform *plat, u32 base,
                          struct err *err);
void acpi_dispose(struct acpi_tables *t);
