/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Page tables of 64-bit guests: 4-level, or 5-level while CR4.LA57 is set. */
#pragma once
#include "guest.h"

#define PTE_P    1ull
#define PTE_W    2ull
#define PTE_U    4ull
#define PTE_PWT  8ull
#define PTE_PCD  16ull
#define PTE_A    32ull
#define PTE_D    64ull
#define PTE_PS   128ull
#define PTE_G    256ull
#define PTE_NX   (1ull << 63)
#define PTE_ADDR 0x000ffffffffff000ull

/* The first GiB again, for everybody (start64.S). */
#define USER_BASE 0x8000000000ull
#define USER(p)   ((word)(p) + USER_BASE)
/* The first 64 MiB for everybody where 32-bit code reaches them, after page_map_user32(). */
#define USER32_BASE 0x40000000u
#define USER32(p)   ((u32)(word)(p) + USER32_BASE)
void page_map_user32(void);
/* Free for tests: nothing is mapped from here to the next 512 GiB. */
#define TEST_BASE 0x10000000000ull

/* Page-fault error code. */
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 16 };

/* A zeroed page of physical memory (its address is the same); fatal when all are used. */
void *page_alloc(void);
/* The entry for va at a level (1: 4 KiB pages, 2: 2 MiB, …), made with the tables above it if
   absent; tables are present, writable, user. */
u64 *page_entry(word va, unsigned level);
/* Maps one page, and forgets what the TLB knew of it. */
volatile u64 *page_map(word va, u64 pa, u64 flags);
u64 *page_root(void);
