/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest-physical memory: RAM in one memfd (so that other processes can map the same pages), laid
 * out below and above the hole under 4 GiB, and devices' MMIO everywhere else.
 *
 * The layout is fixed at mem_new; accesses may then be made by any thread without a lock. Guest
 * RAM is written by several CPUs at once, as on real hardware; accessors are exempt from TSan.
 */
#pragma once
#include "base/base.h"
#include "base/err.h"
#include "bus/bus.h"

#include <stdatomic.h>

#define MEM_HOLE_START 0xc0000000ull  /* RAM stops here at the latest, and goes on … */
#define MEM_HIGH_START 0x100000000ull /* … here */

struct mem_page {
    /* Counts the changes made to a page that a CPU holds decoded instructions of. */
    _Atomic u32 code_gen;
    /* Set once a CPU has decoded from the page: writers must call mem_code_written. */
    _Atomic u8 has_code;
    /* Code and data that changes often: decoded instructions are compared with the page's bytes
       each time instead, and writers need not tell. */
    _Atomic u8 mixed;
    u8 reserved[2];
};

struct mem {
    u8 *ram;  /* host mapping of all RAM: guest RAM page n is at ram + n * PAGE_SIZE */
    u64 size; /* bytes of RAM */
    u64 low;  /* bytes of it below MEM_HOLE_START */
    int fd;   /* the memfd */
    struct mem_page *pages; /* one for each RAM page */
    struct bus *mmio;       /* not owned */
    /* A page that holds code was written to; any thread, any lock held. May clear its has_code once
       nothing decoded from it is left. */
    void (*on_code_changed)(void *opaque, u64 page);
    void *on_code_opaque;
};

/* `size` is a multiple of 4 KiB. -ENOMEM or -errno with the reason in err. */
must_check int mem_new(struct mem **out, u64 size, struct bus *mmio, struct err *err);
void mem_free(struct mem *mem);

/* The RAM page index of gpa, or UINT64_MAX where there is no RAM. The VGA window and the BIOS
   area below 1 MiB are RAM. */
static inline u64 mem_page_of(const struct mem *mem, gpa_t gpa)
{
    if (likely(gpa < mem->low))
        return gpa >> PAGE_SHIFT;
    if (gpa >= MEM_HIGH_START && gpa - MEM_HIGH_START < mem->size - mem->low)
        return (gpa - MEM_HIGH_START + mem->low) >> PAGE_SHIFT;
    return UINT64_MAX;
}

/* Host address of the RAM byte at gpa, NULL where there is none; valid to the end of the page. */
static inline u8 *mem_ptr(const struct mem *mem, gpa_t gpa)
{
    u64 page = mem_page_of(mem, gpa);
    return likely(page != UINT64_MAX) ? mem->ram + (page << PAGE_SHIFT) + (gpa & (PAGE_SIZE - 1))
                                      : NULL;
}

/* True if [gpa, gpa+len) is RAM throughout. */
bool mem_is_ram(const struct mem *mem, gpa_t gpa, u64 len);

/* Copies between host and guest RAM for loaders and devices; keeps decoded code coherent.
   -EFAULT, with nothing copied, if the range is not RAM throughout. */
must_check int mem_read(struct mem *mem, gpa_t gpa, void *to, u64 len);
must_check int mem_write(struct mem *mem, gpa_t gpa, const void *from, u64 len);
must_check int mem_fill(struct mem *mem, gpa_t gpa, u8 byte, u64 len);

/* Tells whoever decoded from the pages of [gpa, gpa+len) that their bytes change. Called after
   the write. */
void mem_code_written(struct mem *mem, gpa_t gpa, u64 len);
/* The same for one page of RAM, by number, that has_code. */
void mem_code_changed(struct mem *mem, u64 page);
