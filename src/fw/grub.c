/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fields are those of GRUB 2.00 to 2.12, i386-pc: include/grub/i386/pc/boot.h there. core.img
 * starts with diskboot.img, whose last 12 bytes are the first entry of its list of what to load.
 */
#include "fw/grub.h"

#include "base/le.h"

#include <errno.h>

/* boot.img */
#define KERNEL_SECTOR 0x5c /* 8 bytes: where core.img is */
#define BOOT_DRIVE    0x64 /* FFh: the drive that the BIOS says */
#define DRIVE_CHECK   0x66 /* a jump over a correction of that */
#define SIGNATURE     0x1fe

/* core.img */
#define LIST_START   0x1f4 /* 8 bytes: first sector of the rest */
#define LIST_LENGTH  0x1fc /* 2 bytes: sectors of it */
#define LIST_SEGMENT 0x1fe /* 2 bytes: where to */
#define FIRST_LOAD   0x820

size_t grub_core_size(const u8 *core)
{
    u16 sectors = le16(core + LIST_LENGTH);

    return sectors && le16(core + LIST_SEGMENT) == FIRST_LOAD ? (sectors + 1u) * GRUB_SECTOR : 0;
}

int grub_place(u8 *boot, u8 *core, size_t size, u64 core_at, struct err *err)
{
    if (le16(boot + SIGNATURE) != 0xaa55 || boot[BOOT_DRIVE] != 0xff || boot[DRIVE_CHECK] != 0xeb)
        return err_set(err, EINVAL, "GRUB's boot.img is not as version 2 has it");
    if (size < 2 * GRUB_SECTOR || grub_core_size(core) != size)
        return err_set(err, EINVAL, "GRUB's core.img is not as version 2 has it");
    put_le64(boot + KERNEL_SECTOR, core_at);
    /* Hard disks are drive 80h or above: a BIOS that says a floppy's number is corrected. */
    put_le16(boot + DRIVE_CHECK, 0x9090);
    put_le64(core + LIST_START, core_at + 1);
    return 0;
}
