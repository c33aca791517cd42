/* SPDX-License-Identifier: GPL-2.0-or-later */
/* GRUB 2 for BIOS, on a disk: what grub-bios-setup writes into the two images that load GRUB, so
   that the first finds the second. For who makes a disk and is not on it. */
#pragma once
#include "base/base.h"
#include "base/err.h"

#define GRUB_SECTOR 512u

/* `boot`: boot.img, a sector; `core`: core.img of `size` bytes, which shall be on the disk from
   sector `core_at` on in one piece. Changes both accordingly. -EINVAL with a message if they are
   not GRUB's. */
must_check int grub_place(u8 *boot, u8 *core, size_t size, u64 core_at, struct err *err);
/* Bytes of the core.img that starts with this sector, rounded up to sectors; 0: it is none. */
size_t grub_core_size(const u8 *core);
