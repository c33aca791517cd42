/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Boots an image that may be anything, and checks what is promised about the outcome. */
#pragma once
#include "fw/boot.h"
#include "fw/e820.h"

#include <stdlib.h>
#include <string.h>

#define FUZZ_MEMORY (32 * MiB)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static inline void fuzz_check_started(const struct mem *mem, const struct boot_state *s)
{
    BUG_ON(s->mode != 32 && s->mode != 64);
    BUG_ON(!mem_is_ram(mem, s->rip & PAGE_MASK, 1));
    BUG_ON(s->mode == 32 && s->rip > UINT32_MAX);
    BUG_ON(!mem_is_ram(mem, s->gdt_base, (u64)s->gdt_limit + 1));
    BUG_ON(s->mode == 64 && !mem_is_ram(mem, s->cr3, PAGE_SIZE));
    /* The firmware's tables are still there: nothing was loaded over them. */
    BUG_ON(memcmp(mem_ptr(mem, TABLES_BASE), "RSD PTR ", 8) != 0);
}

static inline void fuzz_boot(const struct boot_options *opt, const u8 *data, size_t size)
{
    static struct mem *mem; /* one for all runs: it is only ever written */
    const struct fw_platform plat = {
        .ncpus = 1,
        .memory = FUZZ_MEMORY,
        .pm_base = 0x600,
        .sci_irq = 9,
        .ioapic_base = 0xfec00000,
        .lapic_base = 0xfee00000,
    };
    const struct boot_image image = {"fuzz-input", data, size};
    struct boot_state state;
    struct err err = {""};

    if (!mem && mem_new(&mem, FUZZ_MEMORY, NULL, &err))
        abort();
    if (boot_load_image(&state, mem, opt, &image, &plat, &err))
        BUG_ON(!err.text[0]);
    else
        fuzz_check_started(mem, &state);
}
