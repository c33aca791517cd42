/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest-physical memory: RAM in one memfd (so that other processes can map the same pages), laid
 * out below and above the hole under 4 GiB, and devices' MMIO everywhere else.
 *
 * Two things move: windows of memory that is not RAM (ROM, display memory), and what lies between
 * A0000h and FFFFFh, page by page, for reads and writes, and apart for CPUs in system management
 * mode. They change under the machine's lock; on_map_changed then has every CPU forget what it has
 * looked up. Accesses are made by any thread without a lock. Guest RAM is written by several CPUs
 * at once, as on real hardware; accessors are exempt from TSan.
 */
#pragma once
#include "base/base.h"
#include "base/err.h"
#include "bus/bus.h"

#include <stdatomic.h>
#include <sys/uio.h>

#define MEM_HOLE_START 0xc0000000ull  /* RAM stops here at the latest, and goes on … */
#define MEM_HIGH_START 0x100000000ull /* … here */

#define MEM_LEGACY_START 0xa0000ull
#define MEM_LEGACY_END   0x100000ull
#define MEM_LEGACY_PAGES ((MEM_LEGACY_END - MEM_LEGACY_START) / PAGE_SIZE)

#define MEM_NO_PAGE     UINT64_MAX /* no memory there: a device's, or nobody's */
#define MEM_NOWHERE     UINT64_MAX /* of a window that is not in the guest's address space */
#define MEM_WINDOWS     16u
#define MEM_WINDOWS_MAX (128 * MiB) /* of all windows together */

enum mem_access { MEM_READ, MEM_WRITE };
enum mem_view { MEM_NORMAL, MEM_SMM };

struct mem_page {
    /* Counts the changes made to a page that a CPU holds decoded instructions of. */
    _Atomic u32 code_gen;
    /* Set once a CPU has decoded from the page: writers must call mem_page_written. */
    _Atomic u8 has_code;
    /* Code and data that changes often: decoded instructions are compared with the page's bytes
       each time instead, and writers need not tell. */
    _Atomic u8 mixed;
    u8 reserved[2];
};

/* Memory that is not RAM, a contiguous range of pages. */
struct mem_window {
    struct mem *mem;
    u64 page, size; /* the first one; bytes, a multiple of PAGE_SIZE */
    bool read_only; /* to the guest */
    _Atomic u64 at; /* where the guest sees it, or MEM_NOWHERE */
};

struct mem {
    u8 *ram;    /* host mapping of all pages, RAM first: page n is at ram + n * PAGE_SIZE */
    u64 size;   /* bytes of RAM */
    u64 low;    /* bytes of it below MEM_HOLE_START */
    int fd;     /* the memfd */
    u64 npages; /* of RAM and all windows that there may be */
    struct mem_page *pages;
    struct bus *mmio; /* not owned */
    struct mem_window window[MEM_WINDOWS];
    unsigned nwindows;
    _Atomic u64 legacy[2][2][MEM_LEGACY_PAGES]; /* pages by enum mem_view and mem_access */
    /* The map is no longer what it was; under the machine's lock. */
    void (*on_map_changed)(void *opaque);
    void *on_map_opaque;
    /* A page that holds code was written to; any thread, any lock held. May clear its has_code once
       nothing decoded from it is left. */
    void (*on_code_changed)(void *opaque, u64 page);
    void *on_code_opaque;
};

/* `size` is a multiple of 4 KiB. -ENOMEM or -errno with the reason in err. */
must_check int mem_new(struct mem **out, u64 size, struct bus *mmio, struct err *err);
void mem_free(struct mem *mem);

/* The page that an access to gpa reaches, or MEM_NO_PAGE. */
u64 mem_page_elsewhere(const struct mem *mem, gpa_t gpa, enum mem_view view, enum mem_access how);
static inline u64 mem_page_for(const struct mem *mem, gpa_t gpa, enum mem_view view,
                               enum mem_access how)
{
    if (likely(gpa < mem->low && gpa - MEM_LEGACY_START >= MEM_LEGACY_END - MEM_LEGACY_START))
        return gpa >> PAGE_SHIFT;
    if (gpa >= MEM_HIGH_START && gpa - MEM_HIGH_START < mem->size - mem->low)
        return (gpa - MEM_HIGH_START + mem->low) >> PAGE_SHIFT;
    return mem_page_elsewhere(mem, gpa, view, how);
}

/* As a device sees it, for reading. */
static inline u64 mem_page_of(const struct mem *mem, gpa_t gpa)
{
    return mem_page_for(mem, gpa, MEM_NORMAL, MEM_READ);
}

/* Host address of a page. */
static inline u8 *mem_page_host(const struct mem *mem, u64 page)
{
    return mem->ram + (page << PAGE_SHIFT);
}

/* Host address of the byte that a device reads at gpa, NULL where there is no memory; valid to the
   end of the page. */
static inline u8 *mem_ptr(const struct mem *mem, gpa_t gpa)
{
    u64 page = mem_page_of(mem, gpa);
    return likely(page != MEM_NO_PAGE) ? mem_page_host(mem, page) + (gpa & (PAGE_SIZE - 1)) : NULL;
}

/* True if [gpa, gpa+len) is memory throughout. */
bool mem_is_ram(const struct mem *mem, gpa_t gpa, u64 len);

/* Copies between host and guest memory for loaders and devices; keeps decoded code coherent.
   -EFAULT, with nothing copied, if the range is not memory throughout, for writing where it is
   written. */
must_check int mem_read(struct mem *mem, gpa_t gpa, void *to, u64 len);
must_check int mem_write(struct mem *mem, gpa_t gpa, const void *from, u64 len);
must_check int mem_fill(struct mem *mem, gpa_t gpa, u8 byte, u64 len);

/* For access without a copy: the host address of gpa, and in *n how many of the `len` bytes (at
   least 1) are contiguous there; NULL where there is no memory to be accessed so. It stays valid as
   long as mem. What is written by it is told with mem_host_written. */
u8 *mem_stretch(const struct mem *mem, gpa_t gpa, u64 len, enum mem_access how, u64 *n);
void mem_host_written(struct mem *mem, const u8 *host, u64 len);
void mem_pieces_written(struct mem *mem, const struct iovec *iov, unsigned n); /* of several */
/* Gives a page of RAM back to the host: it reads as zeros from then on. -errno as the host says,
   -EFAULT where there is no RAM. */
must_check int mem_discard(struct mem *mem, gpa_t gpa);
/* The same for whole pages at offsets [from, to) of `ram`, a hint: what is not RAM stays. */
void mem_discard_host(struct mem *mem, u64 from, u64 to);

/* A window of `size` bytes, rounded up to pages and zero-filled, nowhere yet. Before any CPU runs;
   freed with mem. -ENOSPC when MEM_WINDOWS or MEM_WINDOWS_MAX are used up. */
must_check int mem_window_new(struct mem_window **out, struct mem *mem, u64 size, bool read_only);
u8 *mem_window_host(const struct mem_window *w);
/* Shows it at gpa, a multiple of PAGE_SIZE, or MEM_NOWHERE. It is seen where there is no RAM; of
   windows that overlap, the one made first. */
void mem_window_place(struct mem_window *w, gpa_t gpa);
/* After the host has written to [off, off + len) of it. */
void mem_window_written(struct mem_window *w, u64 off, u64 len);

/* What accesses to one page between A0000h and FFFFFh reach: a page or MEM_NO_PAGE. */
void mem_map_legacy(struct mem *mem, gpa_t gpa, enum mem_view view, u64 read, u64 write);
/* Ends a series of mem_map_legacy. */
void mem_map_changed(struct mem *mem);

/* A page that has_code was written to: whoever decoded from it is told. */
void mem_code_changed(struct mem *mem, u64 page);

/* After each write to a page. */
static inline void mem_page_written(struct mem *mem, u64 page)
{
    if (unlikely(atomic_load_explicit(&mem->pages[page].has_code, memory_order_relaxed)))
        mem_code_changed(mem, page);
}
