/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A CPU's thunks: their code in a memfd that is mapped twice, writable here and executable there,
 * and their records, found by instruction form. Where the host does not let a memfd be executed,
 * one private mapping that is both. Owner's thread only.
 */
#include "cpu/simd/op.h"

#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ARENA_SIZE ((size_t)(2 * MiB))
#define MAX_OPS    16384u
#define HASH_SIZE  32768u
#define FIRST_USED 64u /* some sanitizers look at the bytes before a function */

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u
#endif

static void *map(size_t size, int prot, int flags, int fd)
{
    void *p = mmap(NULL, size, prot, flags, fd, 0);
    return p == MAP_FAILED ? NULL : p;
}

static int open_memfd(void)
{
    int fd = memfd_create("domus-simd", MFD_CLOEXEC | MFD_EXEC);

    if (fd < 0 && errno == EINVAL) /* Linux before 6.3 does not know MFD_EXEC */
        fd = memfd_create("domus-simd", MFD_CLOEXEC);
    return fd;
}

static bool map_twice(struct simd *s)
{
    int fd = open_memfd();

    if (fd < 0)
        return false;
    if (ftruncate(fd, ARENA_SIZE) == 0) {
        s->rw = map(ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
        s->rx = map(ARENA_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, fd);
    }
    close(fd);
    if (s->rw && s->rx)
        return true;
    if (s->rw)
        munmap(s->rw, ARENA_SIZE);
    if (s->rx)
        munmap(s->rx, ARENA_SIZE);
    s->rw = s->rx = NULL;
    return false;
}

static int map_arena(struct simd *s, struct err *err)
{
    if (map_twice(s))
        return 0;
    s->rw = s->rx =
        map(ARENA_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    if (s->rw)
        return 0;
    return err_set(err, errno,
                   "no executable memory for vector instructions: %s; does a security policy "
                   "(SELinux execmem, vm.memfd_noexec) forbid it?",
                   strerror(errno));
}

int simd_new(struct simd **out, struct err *err)
{
    struct simd *s = aligned_alloc(64, align_up(sizeof(*s), 64));
    int rc = -ENOMEM;

    if (!s)
        return err_set(err, ENOMEM, "no memory for a CPU's vector unit");
    memset(s, 0, sizeof(*s));
    s->ops = calloc(MAX_OPS, sizeof(*s->ops));
    s->hash = calloc(HASH_SIZE, sizeof(*s->hash));
    if (!s->ops || !s->hash) {
        err_set(err, ENOMEM, "no memory for a CPU's vector unit");
        goto out;
    }
    rc = map_arena(s, err);
    if (rc < 0)
        goto out;
    s->used = FIRST_USED;
    s->io.host_mxcsr = MXCSR_RESET;
    *out = s;
    s = NULL;
out:
    simd_free(s);
    return rc;
}

void simd_free(struct simd *s)
{
    if (!s)
        return;
    if (s->rx && s->rx != s->rw)
        munmap(s->rx, ARENA_SIZE);
    if (s->rw)
        munmap(s->rw, ARENA_SIZE);
    free(s->hash);
    free(s->ops);
    free(s);
}

static u32 *bucket(struct simd *s, const struct simd_op *key)
{
    u64 h = key->gpr;

    for (unsigned i = 0; i < key->len; i++)
        h = (h ^ key->bytes[i]) * 0x100000001b3ull;
    return &s->hash[(h ^ h >> 32) % HASH_SIZE];
}

static bool same_key(const struct simd_op *a, const struct simd_op *b)
{
    return a->len == b->len && a->gpr == b->gpr && a->size == b->size &&
           !memcmp(a->bytes, b->bytes, a->len);
}

const struct simd_op *simd_op_find(struct simd *s, const struct simd_op *key)
{
    for (u32 n = *bucket(s, key); n; n = s->ops[n - 1].next)
        if (same_key(&s->ops[n - 1], key))
            return &s->ops[n - 1];
    return NULL;
}

/* Bytes that were executed are about to be rewritten through another linear address: that needs a
   serialising instruction before they are executed again (SDM 3A 8.1.3). */
static void serialise(void)
{
    unsigned a, b, c, d;
    __cpuid(0, a, b, c, d);
}

static void drop_all(struct simd *s)
{
    memset(s->hash, 0, HASH_SIZE * sizeof(*s->hash));
    s->nops = 0;
    s->used = FIRST_USED;
    s->recycled = true;
}

const struct simd_op *simd_op_add(struct simd *s, const struct simd_op *key, const u8 *code,
                                  unsigned len, bool *flushed)
{
    struct simd_op *op;
    u32 *head;
    void *entry;

    if (s->nops == MAX_OPS || s->used + len > ARENA_SIZE) {
        drop_all(s);
        *flushed = true;
    }
    memcpy(s->rw + s->used, code, len);
    if (s->recycled)
        serialise();
    op = &s->ops[s->nops++];
    *op = *key;
    op->simd = s;
    entry = s->rx + s->used;
    memcpy(&op->code, &entry, sizeof(entry)); /* ISO C has no cast from object to function */
    head = bucket(s, key);
    op->next = *head;
    *head = s->nops;
    s->used = align_up(s->used + len, 16);
    return op;
}
