/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptors in memory, the same in both modes. */
#include "desc.h"
#include "io.h"

__attribute__((aligned(16))) u64 gdt[GDT_SLOTS];

u64 descriptor(u32 base, u32 limit, u32 ar)
{
    return (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)(ar & 0xff) << 40 |
           (u64)(limit >> 16 & 15) << 48 | (u64)(ar >> 12 & 15) << 52 | (u64)(base >> 24) << 56;
}

void gdt_set(u16 sel, u32 base, u32 limit, u32 ar)
{
    *(volatile u64 *)&gdt[sel >> 3] = descriptor(base, limit, ar);
}

u8 gdt_access(u16 sel)
{
    return (u8)(*(volatile u64 *)&gdt[sel >> 3] >> 40);
}

void gdt_gate(u16 sel, u16 target, u32 offset, u32 ar, u8 params)
{
    *(volatile u64 *)&gdt[sel >> 3] = (offset & 0xffff) | (u64)target << 16 | (u64)params << 32 |
                                      (u64)(ar & 0xff) << 40 | (u64)(offset >> 16) << 48;
}
