/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "base/base.h"

struct multiboot_header {
    u32 at; /* offset in the file */
    u32 flags;
    u32 header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr; /* with MULTIBOOT_ADDRS */
};

#define MULTIBOOT_PAGE_ALIGN BIT(0)
#define MULTIBOOT_MEMORY     BIT(1)
#define MULTIBOOT_VIDEO      BIT(2)
#define MULTIBOOT_ADDRS      BIT(16)

/* Bits 0-15 are demands: what is not known must be refused. */
static inline bool multiboot_understood(const struct multiboot_header *h)
{
    return !(h->flags & 0xffff & ~(MULTIBOOT_PAGE_ALIGN | MULTIBOOT_MEMORY | MULTIBOOT_VIDEO));
}
