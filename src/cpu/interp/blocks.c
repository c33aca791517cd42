/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/interp/blocks.h"

#include "cpu/excp.h"
#include "cpu/fill.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ARENA_SIZE (64 * MiB) /* address space; pages are touched as code is decoded */
#define BUCKETS    65536u
#define MAX_INSNS  64u
#define JUMPS      16384u

/* Linear address to block, valid for one address space, mode and TLB content. */
struct jump {
    gva_t va;
    u64 key;
    const struct block *block;
};

struct blocks {
    struct decoder decoder;
    u8 *arena;
    size_t used;
    u32 epoch;
    struct block *bucket[BUCKETS];
    struct jump jump[JUMPS];
    struct block *scratch;   /* one instruction fetched from a device */
    _Atomic u32 scratch_gen; /* never equal to a block's: scratch is not kept */
};

int blocks_new(struct blocks **out, struct err *err)
{
    struct blocks *b = calloc(1, sizeof(*b));
    struct simd *simd = NULL;
    int rc;

    if (!b)
        return err_set(err, ENOMEM, "no memory for the instruction cache");
    b->arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    b->scratch = malloc(sizeof(struct block) + sizeof(struct insn));
    if (b->arena == MAP_FAILED || !b->scratch) {
        rc = err_set(err, ENOMEM, "no memory for the instruction cache");
        goto fail;
    }
    rc = simd_new(&simd, err);
    if (rc)
        goto fail;
    decoder_init(&b->decoder, simd);
    *out = b;
    return 0;
fail:
    blocks_free(b);
    return rc;
}

void blocks_free(struct blocks *b)
{
    if (!b)
        return;
    if (b->decoder.simd)
        simd_free(b->decoder.simd);
    if (b->arena && b->arena != MAP_FAILED)
        munmap(b->arena, ARENA_SIZE);
    free(b->scratch);
    free(b);
}

static void forget_all(struct blocks *b)
{
    b->used = 0;
    b->epoch++;
    memset(b->bucket, 0, sizeof(b->bucket));
    memset(b->jump, 0, sizeof(b->jump));
}

u32 blocks_epoch(const struct blocks *b)
{
    return b->epoch;
}

const ZydisDecoder *blocks_zydis(const struct blocks *b, enum cpu_mode mode)
{
    return &b->decoder.mode[mode];
}

bool blocks_decode_one(struct vcpu *c, const u8 *bytes, unsigned avail, struct insn *out)
{
    struct blocks *b = c->blocks;
    enum decode_result r = insn_decode(&b->decoder, c, bytes, avail, out);

    if (r == DECODE_SIMD_FULL)
        forget_all(b);
    return r != DECODE_MORE;
}

static struct block **bucket_of(struct blocks *b, const u8 *host, u8 mode)
{
    u64 h = (uintptr_t)host * 0x9e3779b97f4a7c15ull;

    return &b->bucket[(h >> 40 ^ mode) & (BUCKETS - 1)];
}

static gva_t code_linear(const struct vcpu *c, u64 rip)
{
    if (c->mode == MODE_64)
        return rip;
    return (u32)(c->seg[SEG_CS].base + rip);
}

/* Bytes of the instruction at va that lie past the end of its page; raises their faults. */
static void fetch_tail(struct vcpu *c, gva_t va, unsigned first, u8 *to)
{
    struct place p = fetch_place(c, lin_add(c, va, first));

    for (unsigned n = first; n < INSN_MAX_BYTES; n++)
        to[n] = p.host ? host_ld8(p.host + (n - first))
                       : (u8)bus_read(&c->vm->mmio, p.gpa + (n - first), 1);
}

static bool straddle_matches(struct vcpu *c, const struct block *blk, gva_t va)
{
    unsigned first = PAGE_SIZE - (unsigned)(va & (PAGE_SIZE - 1));
    unsigned end = blk->insn[0].len > first ? blk->insn[0].len : INSN_MAX_BYTES; /* or is none */
    u8 now[INSN_MAX_BYTES];

    fetch_tail(c, va, first, now);
    return !memcmp(now + first, blk->raw + first, end - first);
}

static struct block *arena_block(struct blocks *b)
{
    size_t most = sizeof(struct block) + MAX_INSNS * sizeof(struct insn);

    if (b->used + most > ARENA_SIZE)
        forget_all(b);
    return (struct block *)(void *)(b->arena + b->used);
}

static void arena_commit(struct blocks *b, const struct block *blk)
{
    b->used += align_up(sizeof(*blk) + blk->n * sizeof(struct insn), 16);
}

/* The single instruction that starts in this page and ends in the next. */
static enum decode_result decode_straddling(struct blocks *b, struct vcpu *c, gva_t va,
                                            struct block *blk, unsigned first)
{
    host_copy(blk->raw, blk->host, first);
    fetch_tail(c, va, first, blk->raw);
    blk->n = 1;
    blk->straddles = true;
    return insn_decode(&b->decoder, c, blk->raw, INSN_MAX_BYTES, &blk->insn[0]);
}

/*
 * Decodes from blk->host to a branch or the page's end. False if it must be done again, since the
 * thunks of earlier instructions have gone.
 */
static bool decode_run(struct blocks *b, struct vcpu *c, gva_t va, struct block *blk)
{
    unsigned left = PAGE_SIZE - (unsigned)(va & (PAGE_SIZE - 1)), at = 0;

    blk->n = 0;
    blk->straddles = false;
    while (blk->n < MAX_INSNS && at < left) {
        unsigned avail = (unsigned)min_u64(left - at, INSN_MAX_BYTES);
        u8 bytes[INSN_MAX_BYTES];
        enum decode_result r;

        for (unsigned n = 0; n < avail; n++)
            bytes[n] = host_ld8(blk->host + at + n);
        r = insn_decode(&b->decoder, c, bytes, avail, &blk->insn[blk->n]);
        if (r == DECODE_SIMD_FULL)
            return false;
        if (r == DECODE_MORE) {
            if (blk->n == 0 && decode_straddling(b, c, va, blk, left) == DECODE_SIMD_FULL)
                return false;
            break;
        }
        at += blk->insn[blk->n++].len;
        if (r == DECODE_END)
            break;
    }
    blk->bytes = (u16)(blk->straddles ? blk->insn[0].len : at);
    return true;
}

static struct block *decode_block(struct blocks *b, struct vcpu *c, gva_t va, const struct place *p)
{
    struct mem_page *page = &c->vm->mem->pages[p->page];
    struct block **bucket;
    struct block *blk;

    for (;;) {
        blk = arena_block(b);
        blk->host = p->host;
        blk->mode = c->mode;
        blk->page_gen = &page->code_gen;
        blk->gen = atomic_load_explicit(&page->code_gen, memory_order_acquire);
        if (!atomic_load(&page->has_code)) /* written to since fetch_place */
            blk->gen--;
        if (decode_run(b, c, va, blk))
            break;
        forget_all(b);
    }
    arena_commit(b, blk);
    bucket = bucket_of(b, p->host, c->mode);
    blk->next = *bucket;
    *bucket = blk;
    return blk;
}

/* Code in a device or where nothing is, or in a page whose writers do not tell: decoded afresh each
   time. */
static const struct block *decode_afresh(struct blocks *b, struct vcpu *c, gva_t va,
                                         const struct place *p)
{
    unsigned avail = (unsigned)min_u64(PAGE_SIZE - (va & (PAGE_SIZE - 1)), INSN_MAX_BYTES);
    struct block *blk = b->scratch;
    enum decode_result r;

    *blk = (struct block){.page_gen = &b->scratch_gen, .gen = 1, .n = 1, .mode = c->mode};
    for (unsigned n = 0; n < avail; n++)
        blk->raw[n] = p->host ? host_ld8(p->host + n) : (u8)bus_read(&c->vm->mmio, p->gpa + n, 1);
    r = insn_decode(&b->decoder, c, blk->raw, avail, &blk->insn[0]);
    if (r == DECODE_MORE) {
        fetch_tail(c, va, avail, blk->raw);
        r = insn_decode(&b->decoder, c, blk->raw, INSN_MAX_BYTES, &blk->insn[0]);
    }
    if (r == DECODE_SIMD_FULL)
        forget_all(b);
    blk->bytes = blk->insn[0].len;
    return blk;
}

static u64 jump_key(const struct vcpu *c)
{
    return c->tlb.table[mmu_fetch(c)]->gen | (u64)(c->tlb.epoch & 0x3fffffff) << 32 |
           (u64)c->mode << 62;
}

const struct block *blocks_at(struct blocks *b, struct vcpu *c)
{
    gva_t va = code_linear(c, c->rip);
    u64 key = jump_key(c);
    struct jump *j = &b->jump[(va ^ va >> 12) & (JUMPS - 1)];
    struct block **link, *blk;
    struct place p;

    if (likely(j->va == va && j->key == key) && likely(block_valid(j->block)))
        return j->block;
    p = fetch_place(c, va);
    if (!p.host || atomic_load_explicit(&c->vm->mem->pages[p.page].mixed, memory_order_relaxed))
        return decode_afresh(b, c, va, &p);
    for (link = bucket_of(b, p.host, c->mode); (blk = *link);) {
        if (!block_valid(blk)) {
            *link = blk->next;
        } else if (blk->host == p.host && blk->mode == c->mode) {
            break;
        } else {
            link = &blk->next;
        }
    }
    if (blk && blk->straddles && !straddle_matches(c, blk, va)) {
        *link = blk->next;
        blk = NULL;
    }
    if (!blk)
        blk = decode_block(b, c, va, &p);
    /* fetch_place may have marked the page and renewed the key; straddling blocks are compared at
       each use and so never enter. */
    if (!blk->straddles)
        *j = (struct jump){va, jump_key(c), blk};
    return blk;
}
