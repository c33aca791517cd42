/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A CPU's thunks: their code, and their records, found by instruction form. Owner's thread only.
 */
#include "cpu/simd/op.h"

#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_SIZE ((size_t)(2 * MiB))
#define MAX_OPS    16384u
#define HASH_SIZE  32768u
#define FIRST_USED 64u /* some sanitizers look at the bytes before a function */

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
    rc = execmem_map(&s->code, ARENA_SIZE, "vector instructions", err);
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
    execmem_unmap(&s->code);
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
    return a->len == b->len && a->gpr == b->gpr && a->size == b->size && a->fop == b->fop &&
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
    memcpy(s->code.rw + s->used, code, len);
    if (s->recycled)
        serialise();
    op = &s->ops[s->nops++];
    *op = *key;
    op->simd = s;
    entry = s->code.rx + s->used;
    memcpy(&op->code, &entry, sizeof(entry)); /* ISO C has no cast from object to function */
    head = bucket(s, key);
    op->next = *head;
    *head = s->nops;
    s->used = align_up(s->used + len, 16);
    return op;
}
