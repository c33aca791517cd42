/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a bzImage says of itself: the setup header (Documentation/x86/boot.rst). */
#pragma once
#include "fw/boot.h"

#define SECTOR 512u

/* Fields of the setup header, by their place in both the file and boot_params. */
enum {
    SETUP_SECTS = 0x1f1,
    SYSSIZE = 0x1f4,
    VID_MODE = 0x1fa,
    BOOT_FLAG = 0x1fe,
    JUMP = 0x200,
    HEADER = 0x202,
    VERSION = 0x206,
    TYPE_OF_LOADER = 0x210,
    LOADFLAGS = 0x211,
    CODE32_START = 0x214,
    RAMDISK_IMAGE = 0x218,
    RAMDISK_SIZE = 0x21c,
    HEAP_END_PTR = 0x224,
    CMD_LINE_PTR = 0x228,
    INITRD_ADDR_MAX = 0x22c,
    KERNEL_ALIGNMENT = 0x230,
    RELOCATABLE_KERNEL = 0x234,
    MIN_ALIGNMENT = 0x235,
    XLOADFLAGS = 0x236,
    CMDLINE_SIZE = 0x238,
    PREF_ADDRESS = 0x258,
    INIT_SIZE = 0x260,
    HEADER_END = 0x290,
};

#define LOADED_HIGH         BIT(0) /* loadflags */
#define CAN_USE_HEAP        BIT(7)
#define LOADER_UNREGISTERED 0xff

/* What the setup header says, after validation. */
struct linux_image {
    const struct boot_image *file;
    u16 version, xloadflags;
    const u8 *payload; /* the protected-mode part */
    u64 payload_size;
    u64 init_size; /* memory the kernel uses from where it runs, before it reads the map */
    u64 pref_address;
    u32 code32_start, initrd_addr_max, cmdline_max;
    u64 alignment, min_alignment; /* powers of two */
    bool relocatable;
};

/* The video mode that the last "vga=" of a command line asks for (normal, ext, ask or a number),
   for VID_MODE; *mode is kept if none does. -EINVAL with a message. */
must_check int linux_vid_mode(const char *cmdline, u16 *mode, struct err *err);
/* -ENOEXEC or -ENOTSUP with a message that names the file, which linux_match has seen. */
must_check int linux_parse(struct linux_image *li, const struct boot_image *file, struct err *err);
