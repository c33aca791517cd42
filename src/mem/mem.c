/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mem/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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
    if (mem->fd < 0 || ftruncate(mem->fd, (off_t)size) < 0)
        goto fail;
    mem->ram = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, mem->fd, 0);
    if (mem->ram == MAP_FAILED)
        goto fail;
    mem->pages = calloc(size >> PAGE_SHIFT, sizeof(*mem->pages));
    if (!mem->pages)
        goto fail;
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
        munmap(mem->ram, mem->size);
    if (mem->fd >= 0)
        close(mem->fd);
    free(mem->pages);
    free(mem);
}

bool mem_is_ram(const struct mem *mem, gpa_t gpa, u64 len)
{
    if (!len)
        return true;
    if (gpa + len - 1 < gpa)
        return false;
    if (gpa < mem->low)
        return len <= mem->low - gpa;
    return mem_page_of(mem, gpa) != UINT64_MAX &&
           len <= mem->size - mem->low - (gpa - MEM_HIGH_START);
}

/* A range that mem_is_ram is contiguous in the host mapping too. */
__attribute__((no_sanitize("thread"))) int mem_read(struct mem *mem, gpa_t gpa, void *to, u64 len)
{
    if (!mem_is_ram(mem, gpa, len))
        return -EFAULT;
    if (len)
        memcpy(to, mem_ptr(mem, gpa), len);
    return 0;
}

__attribute__((no_sanitize("thread"))) int mem_write(struct mem *mem, gpa_t gpa, const void *from,
                                                     u64 len)
{
    if (!mem_is_ram(mem, gpa, len))
        return -EFAULT;
    if (len) {
        memcpy(mem_ptr(mem, gpa), from, len);
        mem_code_written(mem, gpa, len);
    }
    return 0;
}

int mem_fill(struct mem *mem, gpa_t gpa, u8 byte, u64 len)
{
    if (!mem_is_ram(mem, gpa, len))
        return -EFAULT;
    if (len) {
        memset(mem_ptr(mem, gpa), byte, len);
        mem_code_written(mem, gpa, len);
    }
    return 0;
}

void mem_code_written(struct mem *mem, gpa_t gpa, u64 len)
{
    u64 first = mem_page_of(mem, gpa);
    u64 last = first + (((gpa & (PAGE_SIZE - 1)) + len - 1) >> PAGE_SHIFT);

    for (u64 page = first; page <= last; page++)
        if (atomic_load_explicit(&mem->pages[page].has_code, memory_order_relaxed))
            mem_code_changed(mem, page);
}

void mem_code_changed(struct mem *mem, u64 page)
{
    if (mem->on_code_changed)
        mem->on_code_changed(mem->on_code_opaque, page);
    atomic_fetch_add_explicit(&mem->pages[page].code_gen, 1, memory_order_release);
}
