/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "os/execmem.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u
#endif

static void *map(size_t size, int prot, int flags, int fd)
{
    void *p = mmap(NULL, size, prot, flags | MAP_NORESERVE, fd, 0);
    return p == MAP_FAILED ? NULL : p;
}

static int open_memfd(void)
{
    int fd = memfd_create("domus-code", MFD_CLOEXEC | MFD_EXEC);

    if (fd < 0 && errno == EINVAL) /* Linux before 6.3 does not know MFD_EXEC */
        fd = memfd_create("domus-code", MFD_CLOEXEC);
    return fd;
}

static bool map_twice(struct execmem *m)
{
    int fd = open_memfd();

    if (fd < 0)
        return false;
    if (ftruncate(fd, (off_t)m->size) == 0) {
        m->rw = map(m->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
        m->rx = map(m->size, PROT_READ | PROT_EXEC, MAP_SHARED, fd);
    }
    close(fd);
    if (m->rw && m->rx)
        return true;
    execmem_unmap(m);
    return false;
}

int execmem_map(struct execmem *m, size_t size, const char *what, struct err *err)
{
    *m = (struct execmem){.size = size};
    if (map_twice(m))
        return 0;
    m->size = size;
    m->rw = m->rx = map(size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    if (m->rw)
        return 0;
    return err_set(err, errno,
                   "no executable memory for %s: %s; does a security policy (SELinux execmem, "
                   "vm.memfd_noexec) forbid it?",
                   what, strerror(errno));
}

void execmem_unmap(struct execmem *m)
{
    if (m->rx && m->rx != m->rw)
        munmap(m->rx, m->size);
    if (m->rw)
        munmap(m->rw, m->size);
    m->rw = m->rx = NULL;
}

void execmem_discard(struct execmem *m, size_t from)
{
    from = align_up(from, PAGE_SIZE);
    if (from < m->size)
        (void)madvise(m->rw + from, m->size - from, m->rw == m->rx ? MADV_DONTNEED : MADV_REMOVE);
}
