/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copying one chain of nodes into another by several threads, and comparing two. */
#include "block/throttle.h"
#include "img.h"
#include "os/time.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK   (2 * MiB)
#define SALVAGE 512u

struct job {
    struct copy *c;
    u64 chunk;
    _Atomic u64 next;
    _Atomic int rc;
    _Atomic u64 failed_at;
    _Atomic bool writing; /* it is the target that failed */
    pthread_mutex_t turn;
    struct throttle throttle; /* turn */
};

static void failed(struct job *j, int rc, u64 at, bool writing)
{
    int none = 0;

    if (__atomic_compare_exchange_n((int *)&j->rc, &none, rc, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST)) {
        j->failed_at = at;
        j->writing = writing;
    }
}

static int write_zeros(struct copy *c, u64 off, u64 len)
{
    return c->dst_zero && !c->stop ? 0 : c->dst->ops->zero(c->dst, c->base + off, len);
}

/* Bytes at the start that are all zeros (in units of `unit`), or all not. */
static u64 run_of(const u8 *buf, u64 len, u64 unit, bool *zero)
{
    u64 at = 0;

    *zero = is_all_zero(buf, min_u64(unit, len));
    while (at < len && is_all_zero(buf + at, min_u64(unit, len - at)) == *zero)
        at += min_u64(unit, len - at);
    return at;
}

static int write_plain(struct copy *c, u64 off, const u8 *buf, u64 len)
{
    int rc = 0;

    while (len && !rc) {
        bool zero = false;
        u64 part = c->sparse ? run_of(buf, len, c->sparse, &zero) : len;
        rc =
            zero ? write_zeros(c, off, part) : c->dst->ops->write(c->dst, c->base + off, buf, part);
        off += part;
        buf += part;
        len -= part;
    }
    return rc;
}

static int write_packed(struct copy *c, u64 off, const u8 *buf, u64 len, u64 cluster)
{
    int rc = 0;

    while (len && !rc) {
        u64 part = min_u64(len, cluster);
        if (is_all_zero(buf, part)) {
            rc = write_zeros(c, off, part);
        } else {
            rc = c->dst->ops->write_compressed(c->dst, c->base + off, buf, part);
            if (rc == -ENOSPC)
                rc = c->dst->ops->write(c->dst, c->base + off, buf, part);
        }
        off += part;
        buf += part;
        len -= part;
    }
    return rc;
}

static int read_source(struct copy *c, u64 off, u8 *buf, u64 len)
{
    int rc = c->src->ops->read(c->src, off, buf, len);

    if (!rc || !c->salvage)
        return rc;
    for (u64 at = 0; at < len; at += SALVAGE)
        if (c->src->ops->read(c->src, off + at, buf + at, min_u64(SALVAGE, len - at)))
            memset(buf + at, 0, min_u64(SALVAGE, len - at));
    return 0;
}

static u64 packed_unit(const struct copy *c)
{
    struct block_info info = {0};

    if (c->dst->format && c->dst->format->compress_cluster)
        return c->dst->format->compress_cluster;
    c->dst->ops->info(c->dst, &info);
    return info.cluster;
}

/* Waits until so much may be copied; who comes next waits behind. */
static void take_turn(struct job *j, u64 bytes)
{
    struct timespec until;
    u64 at;

    if (!j->c->rate)
        return;
    pthread_mutex_lock(&j->turn);
    at = throttle_until(&j->throttle, true, host_ns(CLOCK_MONOTONIC));
    until = host_timespec(at);
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    throttle_take(&j->throttle, true, bytes, max_u64(at, host_ns(CLOCK_MONOTONIC)));
    pthread_mutex_unlock(&j->turn);
}

/* A range of one chunk. With compression always whole units, so that nothing is written twice. */
static void do_range(struct job *j, u64 off, u64 len, u8 *buf, u64 unit)
{
    struct copy *c = j->c;
    u64 end = off + len;

    while (off < end && !j->rc) {
        struct block_extent e = {.len = end - off, .flags = EXTENT_DATA | EXTENT_ALLOCATED};
        struct block_node *in;
        unsigned depth;
        int rc = node_chain_status(c->src, c->stop, off, end - off, &e, &in, &depth);
        if (rc && c->salvage) {
            e = (struct block_extent){.len = end - off, .flags = EXTENT_DATA | EXTENT_ALLOCATED};
            rc = 0;
        }
        if (rc) {
            failed(j, rc, off, false);
            return;
        }
        if (unit && !(e.flags & EXTENT_ZERO))
            e.len = min_u64(align_up(e.len, unit), end - off);
        else if (unit && e.len < end - off)
            e.len = e.len >= unit ? e.len & ~(unit - 1) : min_u64(unit, end - off);
        if (unit && (e.flags & EXTENT_ZERO) && !node_is_zero(c->src, off, e.len))
            e.flags = EXTENT_DATA | EXTENT_ALLOCATED;
        if (e.flags & EXTENT_ZERO) {
            rc = write_zeros(c, off, e.len);
        } else if (e.flags & EXTENT_ALLOCATED) {
            take_turn(j, e.len);
            rc = read_source(c, off, buf, e.len);
            if (rc) {
                failed(j, rc, off, false);
                return;
            }
            rc = unit ? write_packed(c, off, buf, e.len, unit) : write_plain(c, off, buf, e.len);
        }
        if (rc)
            failed(j, rc, off, true);
        progress_add(c->progress, e.len);
        off += e.len;
    }
}

static void *worker(void *opaque)
{
    struct job *j = opaque;
    u64 unit = j->c->compress ? packed_unit(j->c) : 0;
    u8 *buf = malloc(j->chunk);

    if (!buf)
        failed(j, -ENOMEM, 0, false);
    while (!j->rc) {
        u64 at = __atomic_fetch_add((u64 *)&j->next, j->chunk, __ATOMIC_SEQ_CST);
        if (at >= j->c->len)
            break;
        do_range(j, at, min_u64(j->chunk, j->c->len - at), buf, unit);
    }
    free(buf);
    return NULL;
}

int copy_run(struct copy *c, struct err *err)
{
    struct job j = {.c = c,
                    .chunk = CHUNK,
                    .turn = PTHREAD_MUTEX_INITIALIZER,
                    .throttle.limits.rate[THROTTLE_BYTES] = min_u64(c->rate, THROTTLE_RATE_MAX)};
    pthread_t thread[COPY_THREADS];
    unsigned n = 0;

    BUG_ON(c->threads > COPY_THREADS);
    for (; n + 1 < c->threads; n++)
        if (pthread_create(&thread[n], NULL, worker, &j))
            break;
    worker(&j);
    while (n)
        pthread_join(thread[--n], NULL);
    if (j.rc)
        return err_set(err, -j.rc, "%s at offset %llu: %s",
                       j.writing ? "the target cannot be written" : "the source cannot be read",
                       (unsigned long long)j.failed_at, strerror(-j.rc));
    return 0;
}

/* First byte that differs, or len. */
static u64 first_difference(const u8 *a, const u8 *b, u64 len)
{
    u64 at = 0;

    if (!memcmp(a, b, len))
        return len;
    while (a[at] == b[at])
        at++;
    return at;
}

static int read_or_zero(struct block_node *n, u64 off, u8 *buf, u64 len)
{
    u64 there = off < n->size ? min_u64(len, n->size - off) : 0;

    memset(buf + there, 0, len - there);
    return there ? n->ops->read(n, off, buf, there) : 0;
}

static int extent_at(struct block_node *n, u64 off, u64 len, struct block_extent *e)
{
    struct block_node *in;
    unsigned depth;

    *e = (struct block_extent){.len = len, .flags = EXTENT_ZERO};
    return off >= n->size
               ? 0
               : node_chain_status(n, NULL, off, min_u64(len, n->size - off), e, &in, &depth);
}

int compare_nodes(struct block_node *a, struct block_node *b, bool strict, u64 *at,
                  struct progress *progress)
{
    u64 end = max_u64(a->size, b->size), len;
    u8 *buf = malloc(2 * CHUNK);
    int rc = buf ? 0 : -ENOMEM;

    for (*at = 0; *at < end && !rc; *at += len) {
        struct block_extent x, y;
        rc = extent_at(a, *at, min_u64(CHUNK, end - *at), &x);
        if (!rc)
            rc = extent_at(b, *at, x.len, &y);
        if (rc)
            break;
        len = min_u64(x.len, y.len);
        if (strict && (x.flags & EXTENT_ALLOCATED) != (y.flags & EXTENT_ALLOCATED))
            rc = 1;
        if (!rc && !(x.flags & y.flags & EXTENT_ZERO)) {
            u64 same;
            rc = read_or_zero(a, *at, buf, len);
            if (!rc)
                rc = read_or_zero(b, *at, buf + CHUNK, len);
            same = rc ? len : first_difference(buf, buf + CHUNK, len);
            if (same < len) {
                *at += same;
                rc = 1;
            }
        }
        if (rc)
            break;
        progress_add(progress, len);
    }
    free(buf);
    return rc;
}
