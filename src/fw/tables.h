/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "base/err.h"
#include "fw/platform.h"
#include "mem/mem.h"

/* Writes the ACPI, MP and SMBIOS tables to F0000h-FFFEFh and the words of the BIOS data area that
   kernels read. *rsdp is the address of the ACPI root pointer. */
must_check int tables_write(gpa_t *rsdp, struct mem *mem, const struct fw_platform *plat,
                            struct err *err);
