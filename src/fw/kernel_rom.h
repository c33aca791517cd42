/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --kernel on a machine with firmware; see kernel_rom.c. */
#pragma once
#include "dev/fwcfg.h"
#include "fw/boot.h"

/* Adds opt's kernel, all that goes with it, and the option ROM that boots it. `low` is the end of
   RAM below 4 GiB; with `bios` the firmware runs option ROMs. -errno with a message that names the
   file. */
must_check int kernel_rom_add(struct fwcfg *f, const struct boot_options *opt, u64 low, bool bios,
                              struct err *err);
