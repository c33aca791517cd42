/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Power is lost while an image is written: every change of its file is noted, and the file is made
 * anew as the disk may have it at any instant. All up to the last flush is there; of what came
 * later each write is there, or not, or its first sectors are.
 */
#pragma once
#include "../test.h"
#include "block/file.h"
#include "block/format.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

struct power {
    const char *format, *key, *value;
    u64 size;
    unsigned steps;
};

struct power_event {
    enum bfile_op op;
    u64 off, len;
    u8 *data;
};

struct power_log {
    const struct power *p;
    int start; /* the file as it was first */
    struct power_event *e;
    unsigned n, room;
    u8 *flushed, *back; /* what the guest has flushed; what is read */
};

static inline u32 draw(u32 *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static inline int power_note(void *opaque, enum bfile_op op, u64 off, const u8 *buf, u64 len)
{
    struct power_log *log = opaque;

    if (op == BFILE_READ)
        return 0;
    if (log->n == log->room) {
        log->room = log->room * 2 + 64;
        log->e = realloc(log->e, log->room * sizeof(*log->e));
        BUG_ON(!log->e);
    }
    log->e[log->n] = (struct power_event){op, off, len, buf ? malloc(len + 1) : NULL};
    if (buf)
        memcpy(log->e[log->n].data, buf, len);
    log->n++;
    return 0;
}

static inline void power_apply(int fd, const struct power_event *e, u64 len)
{
    if (e->op == BFILE_WRITE)
        CHECK_EQ(pwrite(fd, e->data, len, (off_t)e->off), len);
    else if (e->op == BFILE_TRUNCATE)
        CHECK_EQ(ftruncate(fd, (off_t)e->off), 0);
    else if (e->op == BFILE_ZERO || e->op == BFILE_DISCARD)
        CHECK_EQ(
            fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)e->off, (off_t)e->len),
            0);
}

/* A copy of a file, holes and all. */
static inline int power_copy(int from)
{
    static u8 buf[64 * KiB];
    int fd = memfd_create("image", MFD_CLOEXEC);
    off_t end = lseek(from, 0, SEEK_END), at = 0;

    CHECK_EQ(ftruncate(fd, end), 0);
    while (at < end && (at = lseek(from, at, SEEK_DATA)) >= 0) {
        ssize_t r = pread(from, buf, sizeof(buf), at);
        CHECK_EQ(pwrite(fd, buf, (size_t)r, at), r);
        at += r;
    }
    return fd;
}

static inline void power_check(struct power_log *log, struct block_node *n, unsigned last)
{
    struct block_check r = {.report = NULL};
    struct err err;

    if (n->ops->check) {
        CHECK_EQ(n->ops->check(n, 0, &r, &err), 0);
        CHECK_EQ(r.errors + r.failures, 0);
    }
    CHECK_EQ(n->ops->read(n, 0, log->back, n->size), 0);
    for (u64 at = 0; at < n->size; at++)
        if (log->back[at] < log->flushed[at]) {
            fprintf(stderr, "%s, event %u: byte %#llx is %u, flushed was %u\n", log->p->format,
                    last, (unsigned long long)at, log->back[at], log->flushed[at]);
            test_failures++;
            return;
        }
}

/* The file after power was lost behind event `last`: no error, and what was flushed by then. */
static inline void lose_power(struct power_log *log, unsigned last, u32 *seed)
{
    int fd = power_copy(log->start);
    unsigned synced = last;
    struct block_node *n;
    struct bfile *f;
    struct err err = {""};

    while (synced && log->e[synced - 1].op != BFILE_FLUSH)
        synced--;
    for (unsigned i = 0; i < last; i++) {
        const struct power_event *e = &log->e[i];
        u32 luck = draw(seed) % 8;
        if (i < synced || e->op == BFILE_TRUNCATE || luck < 4)
            power_apply(fd, e, e->len);
        else if (luck == 4 && e->op == BFILE_WRITE)
            power_apply(fd, e, draw(seed) % (u32)(e->len + 1) & ~511u);
    }
    CHECK_EQ(bfile_from_fd(&f, fd, "image", true, &err), 0);
    if (block_node_open(&n, f, log->p->format, OPEN_READ_ONLY, &err)) {
        fprintf(stderr, "%s, event %u: %s\n", log->p->format, last, err.text);
        test_failures++;
        return;
    }
    power_check(log, n, last);
    node_close(n);
}

static inline struct block_node *power_start(struct power_log *log)
{
    char path[] = "/tmp/domus-power-XXXXXX";
    const struct power *p = log->p;
    struct format_options o = {0};
    struct block_node *n = NULL;
    struct err err = {""};
    int fd;

    close(mkstemp(path));
    if (p->key)
        CHECK_EQ(format_options_add(&o, p->key, p->value, &err), 0);
    CHECK_EQ(format_find(p->format)->create(path, p->size, NULL, NULL, &o, &err), 0);
    format_options_free(&o);
    fd = open(path, O_RDONLY);
    log->start = power_copy(fd);
    close(fd);
    CHECK_EQ(block_chain_open(&n, path, p->format, NULL, 0, &err), 0);
    unlink(path);
    bfile_set_hook(n->file, power_note, log);
    return n;
}

static inline void power_is_lost(const struct power *p)
{
    static u8 buf[20000];
    struct power_log log = {.p = p};
    u8 *model = calloc(1, p->size);
    struct block_node *n;
    u32 seed = 5, power = 9;

    log.flushed = calloc(1, p->size);
    log.back = malloc(p->size);
    n = power_start(&log);
    for (u32 i = 1; i < p->steps; i++) {
        u64 off = draw(&seed) % (p->size - sizeof(buf)), len = draw(&seed) % sizeof(buf) + 1;
        unsigned from = log.n;
        bool flush = i % 5 == 0;
        if (flush) {
            CHECK_EQ(n->ops->flush(n), 0);
        } else {
            memset(buf, (int)i * 2, len); /* each write has a higher number */
            CHECK_EQ(n->ops->write(n, off, buf, len), 0);
            memset(model + off, (int)i * 2, len);
        }
        for (unsigned at = from; at <= log.n; at += 1 + draw(&power) % 3)
            lose_power(&log, at, &power);
        if (flush) {
            memcpy(log.flushed, model, p->size);
            lose_power(&log, log.n, &power);
        }
    }
    node_close(n);
    for (unsigned i = 0; i < log.n; i++)
        free(log.e[i].data);
    free(log.e);
    free(log.flushed);
    free(log.back);
    free(model);
    close(log.start);
}
