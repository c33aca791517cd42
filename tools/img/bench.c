/* SPDX-License-Identifier: GPL-2.0-or-later */
/* img bench: the same requests in a row, several at once. */
#include "img.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEPTH_MAX 64u

struct bench {
    struct block_node *n;
    u64 count, size, step, start, flush;
    int pattern;
    bool write;
    _Atomic u64 next;
    _Atomic int rc;
};

static void *worker(void *opaque)
{
    struct bench *b = opaque;
    u8 *buf = malloc(b->size);

    if (!buf)
        b->rc = -ENOMEM;
    else
        memset(buf, b->pattern, b->size);
    while (!b->rc) {
        u64 i = b->next++, off;
        int rc;
        if (i >= b->count)
            break;
        off = (b->start + i * b->step) % (b->n->size - b->size + 1);
        rc = b->write ? b->n->ops->write(b->n, off, buf, b->size)
                      : b->n->ops->read(b->n, off, buf, b->size);
        if (!rc && b->flush && i % b->flush == b->flush - 1)
            rc = b->n->ops->flush(b->n);
        if (rc)
            b->rc = rc;
    }
    free(buf);
    return NULL;
}

static double run(struct bench *b, unsigned depth)
{
    pthread_t thread[DEPTH_MAX];
    struct timespec from, to;
    unsigned n = 0;

    clock_gettime(CLOCK_MONOTONIC, &from);
    for (; n + 1 < depth; n++)
        if (pthread_create(&thread[n], NULL, worker, b))
            break;
    worker(b);
    while (n)
        pthread_join(thread[--n], NULL);
    clock_gettime(CLOCK_MONOTONIC, &to);
    return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

int img_bench(struct img_args *a)
{
    struct bench b = {.count = 75000, .size = 4096, .write = a->opt['w']};
    u64 depth = 64, pattern = 0;
    double seconds;

    if (a->argc != 1 || img_number(a, 'c', &b.count) || img_number(a, 'd', &depth) ||
        img_number(a, 's', &b.size) || img_number(a, 'o', &b.start) ||
        img_number(a, OPT_FLUSH, &b.flush) || img_number(a, OPT_PATTERN, &pattern))
        return 1;
    b.step = b.size;
    if (img_number(a, 'S', &b.step))
        return 1;
    b.pattern = (int)(pattern & 0xff);
    depth = max_u64(1, min_u64(depth, DEPTH_MAX));
    if (img_open(a, &b.n, a->argv[0], a->opt['f'],
                 b.write ? img_target_flags(a, "writeback") : OPEN_READ_ONLY))
        return 1;
    if (!b.size || b.size > b.n->size || b.size > GiB) {
        img_complain(a, "-s: from 1 to the image's size and 1G");
        b.rc = -EINVAL;
    } else {
        if (!a->opt['q'])
            printf("Sending %llu %s requests, %llu bytes each, %llu in parallel (starting at "
                   "offset %llu, step size %llu)\n",
                   (unsigned long long)b.count, b.write ? "write" : "read",
                   (unsigned long long)b.size, (unsigned long long)depth,
                   (unsigned long long)b.start, (unsigned long long)b.step);
        seconds = run(&b, (unsigned)depth);
        if (b.rc)
            img_complain(a, "%s", strerror(-b.rc));
        else if (!a->opt['q'])
            printf("Run completed in %.3f seconds.\n", seconds);
    }
    node_close(b.n);
    return b.rc ? 1 : 0;
}
