/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the option ROMs have in common that boot --kernel on a machine with firmware. */
#pragma once
#include "dev/fwcfg.h"

/* The one that there is, and the firmware's name for it in the boot order. */
#define OPTROM_FILE "genroms/kernel.bin"
#define OPTROM_PATH "/rom@" OPTROM_FILE

/* Bytes at the end of RAM below 4 GiB, and of base memory, that are the firmware's and the ROM's.
 */
#define FIRMWARE_ROOM    (256 * KiB)
#define FIRMWARE_LOW_END 0x90000u

/* Fills in the checksums of what optrom.inc made and adds it. -errno as fwcfg_add_file. */
must_check int optrom_add(struct fwcfg *f, const u8 *rom, const u8 *end);
