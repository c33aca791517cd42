/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RSDP, then XSDT or RSDT. */
#include "acpi.h"

u8 acpi_sum(const void *p, u32 len)
{
    const u8 *b = p;
    u8 sum = 0;
    while (len-- > 0)
        sum = (u8)(sum + *b++);
    return sum;
}

static const struct acpi_rsdp *scan(word from, word to)
{
    for (word a = from; a < to; a += 16) {
        const void *p = (const void *)a;
        if (memcmp(p, "RSD PTR ", 8) == 0 && acpi_sum(p, 20) == 0)
            return p;
    }
    return NULL;
}

const struct acpi_rsdp *acpi_find_rsdp(void)
{
    const volatile u16 *bda = (const volatile u16 *)0x40e;
    asm volatile("" : "+r"(bda));
    word ebda = (word)*bda << 4;
    const struct acpi_rsdp *r = NULL;
    if (ebda >= 0x80000 && ebda < 0xa0000)
        r = scan(ebda, ebda + 1024);
    return r ? r : scan(0xe0000, 0x100000);
}

const struct acpi_header *acpi_find(const char *signature)
{
    const struct acpi_rsdp *r = acpi_find_rsdp();
    if (!r)
        return NULL;
    bool wide = r->revision >= 2 && r->xsdt;
    const struct acpi_header *root = (const void *)(word)(wide ? r->xsdt : r->rsdt);
    u32 step = wide ? 8 : 4;
    for (u32 at = sizeof(*root); at + step <= root->length; at += step) {
        word pa = wide ? (word)acpi_u64(root, at) : acpi_u32(root, at);
        const struct acpi_header *h = (const void *)pa;
        if (memcmp(h->signature, signature, 4) == 0)
            return h;
    }
    return NULL;
}
