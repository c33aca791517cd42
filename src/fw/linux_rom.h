/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A Linux kernel for a machine with firmware, in fw_cfg; see linux_rom.c. */
#pragma once
#include "dev/fwcfg.h"
#include "fw/boot.h"

/* Adds the bzImage `kernel`, opt's initrd and command line, and the option ROM that boots them.
   `low` is the end of RAM below 4 GiB. -errno with a message that names the file. */
must_check int linux_rom_add(struct fwcfg *f, const struct boot_options *opt,
                             const struct boot_image *kernel, u64 low, struct err *err);
