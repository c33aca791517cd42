/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Page-table building on the tables in CR3. */
#include "page.h"
#include "io.h"

#define POOL_PAGES 256

static page_aligned u8 pool[POOL_PAGES][4096];
static unsigned used;

void *page_alloc(void)
{
    if (used == POOL_PAGES)
        guest_fatal("out of pages");
    return memset(pool[used++], 0, 4096);
}

u64 *page_root(void)
{
    return (u64 *)(get_cr3() & PTE_ADDR);
}

u64 *page_entry(word va, unsigned level)
{
    u64 *table = page_root();
    for (unsigned l = get_cr4() & CR4_LA57 ? 5 : 4;; l--) {
        u64 *e = &table[va >> (3 + 9 * l) & 511];
        if (l == level)
            return e;
        if (!(*e & PTE_P))
            *e = (word)page_alloc() | PTE_P | PTE_W | PTE_U;
        if (*e & PTE_PS)
            guest_fatal("page_entry: %lx is in a large page", (unsigned long)va);
        table = (u64 *)(*e & PTE_ADDR);
    }
}

volatile u64 *page_map(word va, u64 pa, u64 flags)
{
    volatile u64 *e = page_entry(va, 1);
    *e = pa | flags;
    invlpg((void *)va);
    return e;
}

void page_map_user32(void)
{
    for (u32 i = 0; i < 32; i++)
        *page_entry(USER32_BASE + (i << 21), 2) = i << 21 | PTE_PS | PTE_U | PTE_W | PTE_P;
    set_cr3(get_cr3());
}
