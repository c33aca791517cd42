/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SMBIOS 2.8: the entry point and, right after it, the structures it points to. */
#pragma once
#include "fw/buf.h"
#include "fw/platform.h"
#include "mem/mem.h"

#define SMBIOS_ENTRY_LEN 31u
#define SMBIOS_TABLES_AT 32u /* in the buffer */

/* Fills `b` for the guest address `base`, a multiple of 16 in F0000h-FFFFFh (or 0, for firmware to
   relocate). -ENOMEM. */
must_check int smbios_build(struct buf *b, const struct fw_platform *plat, const struct mem *mem,
                            u32 base);
