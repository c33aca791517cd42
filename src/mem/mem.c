/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mem/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* All of the first megabyte is RAM until a chipset says otherwise. */
static void map_legacy_ram(struct mem *mem)
{
    for (gpa_t gpa = MEM_LEGACY_START; gpa < MEM_LEGACY_END; gpa += PAGE_SIZE) {
        u64 page = gpa < mem->low ? gpa >> PAGE_SHIFT : MEM_NO_PAGE;
        mem_map_legacy(mem, gpa, MEM_NORMAL, page, page);
        mem_map_legacy(mem, gpa, MEM_SMM, page, page);
    }
}

int mem_new(struct mem **out, u64 size, struct bus *mmio, struct err *err)
{
    struct mem *mem = calloc(1, sizeof(*mem));
    int rc;

    if (!mem)
        return err_set(err, ENOMEM, "no memory for the guest's memory map");
    mem->fd = -1;
    mem->ram = MAP_FAILED;
    mem->size = size;
    mem->low = min_u64(size, MEM_HOLE_START);
    mem->mmio = mmio;
    mem->fd = memfd_create("guest-ram", MFD_CLOEXEC);
    if (mem->fd < 0 || ftruncate(mem->fd, (off_t)(size + MEM_WINDOWS_MAX)) < 0)
        goto fail;
    mem->ram = mmap(NULL, size + MEM_WINDOWS_MAX, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_NORESERVE, mem->fd, 0);
    if (mem->ram == MAP_FAILED)
        goto fail;
    mem->npages = (size + MEM_WINDOWS_MAX) >> PAGE_SHIFT;
    mem->pages = calloc(mem->npages, sizeof(*mem->pages));
    if (!mem->pages)
        goto fail;
    map_legacy_ram(mem);
    *out = mem;
    return 0;
fail:
    rc = err_set(err, errno ? errno : ENOMEM,
                 "cannot get %llu MiB of memory for the guest: %s; ask for less with --memory",
                 (unsigned long long)(size / MiB), strerror(errno));
    mem_free(mem);
    return rc;
}

void mem_free(struct mem *mem)
{
    if (!mem)
        return;
    if (mem->ram != MAP_FAILED)
        munmap(mem->ram, mem->size + MEM_WINDOWS_MAX);
    if (mem->fd >= 0)
        close(mem->fd);
    free(mem->pages);
    free(mem);
}

u64 mem_page_elsewhere(const struct mem *mem, gpa_t gpa, enum mem_view view, enum mem_access how)
{
    if (gpa - MEM_LEGACY_START < MEM_LEGACY_END - MEM_LEGACY_START)
        return atomic_load_explicit(&mem->legacy[view][how][(gpa - MEM_LEGACY_START) >> PAGE_SHIFT],
                                    memory_order_relaxed);
    for (unsigned n = 0; n < mem->nwindows; n++) {
        const struct mem_window *w = &mem->window[n];
        u64 at = atomic_load_explicit(&w->at, memory_order_relaxed);
        if (at != MEM_NOWHERE && gpa >= at && gpa - at < w->size)
            return w->read_only && how == MEM_WRITE ? MEM_NO_PAGE
                                                    : w->page + ((gpa - at) >> PAGE_SHIFT);
    }
    return MEM_NO_PAGE;
}

/* RAM where host and guest addresses run in parallel: below the legacy area, up to the hole, above
   it. */
static bool is_plain(const struct mem *mem, gpa_t gpa, u64 len)
{
    if (gpa < MEM_LEGACY_START)
        return len <= min_u64(mem->low, MEM_LEGACY_START) - min_u64(gpa, mem->low);
    if (gpa < mem->low)
        return gpa >= MEM_LEGACY_END && len <= mem->low - gpa;
    return gpa >= MEM_HIGH_START && gpa - MEM_HIGH_START < mem->size - mem->low &&
           len <= mem->size - mem->low - (gpa - MEM_HIGH_START);
}

/* Bytes from gpa to the end of its page or of the range. */
static u64 piece(gpa_t gpa, u64 left)
{
    return min_u64(left, PAGE_SIZE - (gpa & (PAGE_SIZE - 1)));
}

static bool reachable(const struct mem *mem, gpa_t gpa, u64 len, enum mem_access how)
{
    if (!len || is_plain(mem, gpa, len))
        return true;
    if (gpa + len - 1 < gpa || len > mem->size + MEM_WINDOWS_MAX)
        return false;
    for (u64 n; len; gpa += n, len -= n) {
        if (mem_page_for(mem, gpa, MEM_NORMAL, how) == MEM_NO_PAGE)
            return false;
        n = piece(gpa, len);
    }
    return true;
}

bool mem_is_ram(const struct mem *mem, gpa_t gpa, u64 len)
{
    return reachable(mem, gpa, len, MEM_READ);
}

/* All that is left where RAM is plain, else up to the page's end. */
u8 *mem_stretch(const struct mem *mem, gpa_t gpa, u64 left, enum mem_access how, u64 *n)
{
    u64 page = mem_page_for(mem, gpa, MEM_NORMAL, how);

    *n = is_plain(mem, gpa, left) ? left : piece(gpa, left);
    return page == MEM_NO_PAGE ? NULL : mem_page_host(mem, page) + (gpa & (PAGE_SIZE - 1));
}

__attribute__((no_sanitize("thread"))) int mem_read(struct mem *mem, gpa_t gpa, void *to, u64 len)
{
    u64 n;

    if (!reachable(mem, gpa, len, MEM_READ))
        return -EFAULT;
    for (u64 done = 0; done < len; done += n) {
        const u8 *host = mem_stretch(mem, gpa + done, len - done, MEM_READ, &n);
        if (!host)
            return -EFAULT; /* moved away meanwhile */
        memcpy((u8 *)to + done, host, n);
    }
    return 0;
}

void mem_host_written(struct mem *mem, const u8 *host, u64 len)
{
    u64 first = (u64)(host - mem->ram) >> PAGE_SHIFT;
    u64 last = (u64)(host - mem->ram + len - 1) >> PAGE_SHIFT;

    for (u64 page = first; page <= last; page++)
        mem_page_written(mem, page);
}

void mem_pieces_written(struct mem *mem, const struct iovec *iov, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        mem_host_written(mem, iov[i].iov_base, iov[i].iov_len);
}

/* From `from`, or of `byte` where that is NULL. */
static __attribute__((no_sanitize("thread"))) int put(struct mem *mem, gpa_t gpa, const u8 *from,
                                                      u8 byte, u64 len)
{
    u64 n;

    if (!reachable(mem, gpa, len, MEM_WRITE))
        return -EFAULT;
    for (u64 done = 0; done < len; done += n) {
        u8 *host = mem_stretch(mem, gpa + done, len - done, MEM_WRITE, &n);
        if (!host)
            return -EFAULT; /* moved away meanwhile */
        if (from)
            memcpy(host, from + done, n);
        else
            memset(host, byte, n);
        mem_host_written(mem, host, n);
    }
    return 0;
}

int mem_write(struct mem *mem, gpa_t gpa, const void *from, u64 len)
{
    return put(mem, gpa, from, 0, len);
}

int mem_fill(struct mem *mem, gpa_t gpa, u8 byte, u64 len)
{
    return put(mem, gpa, NULL, byte, len);
}

static int punch(struct mem *mem, u64 from, u64 len)
{
    if (fallocate(mem->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)len) < 0)
        return -errno;
    mem_host_written(mem, mem->ram + from, len);
    return 0;
}

int mem_discard(struct mem *mem, gpa_t gpa)
{
    u64 page = mem_page_for(mem, gpa, MEM_NORMAL, MEM_WRITE);

    if (page == MEM_NO_PAGE || page >= mem->size >> PAGE_SHIFT)
        return -EFAULT;
    return punch(mem, page << PAGE_SHIFT, PAGE_SIZE);
}

void mem_discard_host(struct mem *mem, u64 from, u64 to)
{
    to = min_u64(to, mem->size);
    if (from < to && punch(mem, from, to - from))
        return; /* it stays as it is */
}

int mem_window_new(struct mem_window **out, struct mem *mem, u64 size, bool read_only)
{
    struct mem_window *w = &mem->window[mem->nwindows];
    u64 page = mem->size >> PAGE_SHIFT;

    for (unsigned n = 0; n < mem->nwindows; n++)
        page += mem->window[n].size >> PAGE_SHIFT;
    size = align_up(size, PAGE_SIZE);
    if (mem->nwindows == MEM_WINDOWS || size > mem->size + MEM_WINDOWS_MAX - (page << PAGE_SHIFT))
        return -ENOSPC;
    w->mem = mem;
    w->page = page;
    w->size = size;
    w->read_only = read_only;
    atomic_store(&w->at, MEM_NOWHERE);
    mem->nwindows++;
    *out = w;
    return 0;
}

u8 *mem_window_host(const struct mem_window *w)
{
    return mem_page_host(w->mem, w->page);
}

void mem_window_place(struct mem_window *w, gpa_t gpa)
{
    if (atomic_load(&w->at) == gpa)
        return;
    atomic_store(&w->at, gpa);
    mem_map_changed(w->mem);
}

void mem_window_written(struct mem_window *w, u64 off, u64 len)
{
    if (len)
        mem_host_written(w->mem, mem_window_host(w) + off, len);
}

void mem_map_legacy(struct mem *mem, gpa_t gpa, enum mem_view view, u64 read, u64 write)
{
    u64 n = (gpa - MEM_LEGACY_START) >> PAGE_SHIFT;

    atomic_store_explicit(&mem->legacy[view][MEM_READ][n], read, memory_order_relaxed);
    atomic_store_explicit(&mem->legacy[view][MEM_WRITE][n], write, memory_order_relaxed);
}

void mem_map_changed(struct mem *mem)
{
    if (mem->on_map_changed)
        mem->on_map_changed(mem->on_map_opaque);
}

void mem_code_changed(struct mem *mem, u64 page)
{
    if (mem->on_code_changed)
        mem->on_code_changed(mem->on_code_opaque, page);
    atomic_fetch_add_explicit(&mem->pages[page].code_gen, 1, memory_order_release);
}
