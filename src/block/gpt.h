/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing a GUID partition table, with its protective MBR, to a disk image. UEFI 2.10, section 5.
   Sectors of 512 bytes. Any thread that has the node alone. */
#pragma once
#include "block/driver.h"

#define GPT_ENTRIES 128u
#define GPT_GUID    16u
/* Sectors that the table takes: at the start with the MBR, at the end for its copy. */
#define GPT_HEAD 34u
#define GPT_TAIL 33u

struct gpt_partition {
    const char *type, *id; /* as text: "21686148-6449-6E6F-744E-656564454649" */
    const char *name;      /* ASCII, at most 36 characters */
    u64 first, last;       /* sectors */
};

/* `disk_id` as text, too. `boot`: 512 bytes of which the MBR gets what a boot loader may have (0 to
   439), or NULL. -EINVAL with a message: a GUID that is none; partitions out of order, that overlap
   or leave the disk. */
must_check int gpt_write(struct block_node *disk, const char *disk_id,
                         const struct gpt_partition *list, unsigned n, const u8 *boot,
                         struct err *err);
