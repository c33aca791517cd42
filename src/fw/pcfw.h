/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What PC firmware (SeaBIOS, OVMF) reads of fw_cfg: memory map, ACPI and SMBIOS tables, boot order;
   see pcfw.c. */
#pragma once
#include "base/err.h"
#include "dev/fwcfg.h"
#include "fw/platform.h"
#include "mem/mem.h"

/* Adds the files. `order` is a text of OpenFirmware paths, a line each, that firmware tries in
   turn; NULL or "": it uses its own order. -errno with err set. */
must_check int pcfw_add(struct fwcfg *f, const struct fw_platform *plat, const struct mem *mem,
                        const char *order, struct err *err);
/* The ACPI tables anew, for a platform of which only addresses have changed. */
void pcfw_update_acpi(struct fwcfg *f, const struct fw_platform *plat);
