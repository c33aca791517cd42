/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kills a process that writes to an image, at random instants, and looks at what is left: the
 * image must have no errors (leaks are allowed), and what was flushed must be there.
 *
 * Usage: image-kill ROUNDS FOLDER [SEED]; with qemu-img in the PATH, that checks too.
 */
#include "block/format.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNIT    4096u
#define BLOCKS  2048u /* units of the disk */
#define THREADS 3u
#define RUN_MAX 24u

/* Shared by the process that is killed and the one that looks. */
struct journal {
    u32 issued[BLOCKS], done[BLOCKS], flushed[BLOCKS];
};

struct writer {
    struct block_node *n;
    struct journal *j;
    unsigned me;
    u32 from; /* the number of its first write */
    u64 seed;
};

static u32 draw(u64 *seed)
{
    *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
    return (u32)(*seed >> 33);
}

static void stamp(u8 *buf, u32 block, u32 number)
{
    for (u32 i = 0; i < UNIT; i += 8) {
        memcpy(buf + i, &block, 4);
        memcpy(buf + i + 4, &number, 4);
    }
}

/* Units are dealt out in turn, so that threads meet in clusters but never in a unit. */
static void write_one(struct writer *w, u32 number)
{
    u32 b = draw(&w->seed) % (BLOCKS / THREADS) * THREADS + w->me;
    u8 buf[UNIT];

    stamp(buf, b, number);
    __atomic_store_n(&w->j->issued[b], number, __ATOMIC_SEQ_CST);
    if (w->n->ops->write(w->n, (u64)b * UNIT, buf, UNIT))
        abort();
    __atomic_store_n(&w->j->done[b], number, __ATOMIC_SEQ_CST);
}

static void flush(struct writer *w)
{
    static _Thread_local u32 was[BLOCKS];

    for (u32 b = w->me; b < BLOCKS; b += THREADS)
        was[b] = w->j->done[b];
    if (w->n->ops->flush(w->n))
        abort();
    for (u32 b = w->me; b < BLOCKS; b += THREADS)
        w->j->flushed[b] = was[b];
}

static void *writer(void *opaque)
{
    struct writer *w = opaque;

    for (u32 number = w->from;; number++) {
        write_one(w, number);
        if (!(draw(&w->seed) % RUN_MAX))
            flush(w);
    }
    return NULL;
}

static struct block_node *open_image(const char *path, unsigned flags)
{
    struct block_node *n;
    struct err err;

    if (block_chain_open(&n, path, "qcow2", NULL, flags, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return n;
}

static void child(const char *path, struct journal *j, u32 from, u64 seed)
{
    struct block_node *n = open_image(path, 0);
    struct writer w[THREADS];
    pthread_t t;

    for (unsigned i = 0; i < THREADS; i++) {
        w[i] = (struct writer){n, j, i, from, seed * THREADS + i};
        if (pthread_create(&t, NULL, writer, &w[i]))
            abort();
    }
    pause();
    _exit(0);
}

/* What a unit may hold: zeros or what was there first, up to the first flush, then numbers. */
static int check_unit(struct block_node *n, struct journal *j, u32 b)
{
    u8 buf[UNIT], want[UNIT];
    u32 number;

    if (n->ops->read(n, (u64)b * UNIT, buf, UNIT))
        return 1;
    memcpy(&number, buf + 4, 4);
    stamp(want, b, number);
    if (is_all_zero(buf, UNIT))
        number = 0;
    else if (memcmp(buf, want, UNIT))
        number = ~0u;
    if ((number >= j->flushed[b] && number <= j->issued[b]) || (number == 1 && !j->flushed[b])) {
        j->issued[b] = j->done[b] = j->flushed[b] = number; /* where the next round starts */
        return 0;
    }
    fprintf(stderr, "unit %u: has write %u; flushed was %u, issued %u\n", b, number, j->flushed[b],
            j->issued[b]);
    return 1;
}

static void report(void *opaque, const char *line)
{
    if (strncmp(line, "Leaked", 6))
        fprintf(stderr, "%s\n", line);
}

static int check_image(const char *path, struct journal *j)
{
    struct block_check r = {.report = report};
    struct block_node *n = open_image(path, OPEN_READ_ONLY);
    char command[512];
    struct err err;
    int wrong = 0, status;

    if (n->ops->check(n, 0, &r, &err) || r.errors || r.failures) {
        fprintf(stderr, "%llu errors\n", (unsigned long long)r.errors);
        wrong = 1;
    }
    for (u32 b = 0; b < BLOCKS; b++)
        wrong |= check_unit(n, j, b);
    node_close(n);
    snprintf(command, sizeof(command),
             "! command -v qemu-img >/dev/null || qemu-img check -q %s >/dev/null 2>&1", path);
    status = system(command);
    if (!WIFEXITED(status) || (WEXITSTATUS(status) && WEXITSTATUS(status) != 3)) {
        fprintf(stderr, "qemu-img check: status %d\n", status);
        wrong = 1;
    }
    return wrong;
}

/* The kinds of images that take turns. */
static void make(const char *path, unsigned kind)
{
    static const char *const key[] = {"cluster_size", "extended_l2", "refcount_bits", "compat"};
    static const char *const value[][4] = {{"4k", NULL, NULL, NULL},
                                           {"512", NULL, "1", NULL},
                                           {"64k", "on", NULL, NULL},
                                           {"16k", NULL, NULL, "0.10"},
                                           {"4k", NULL, "64", NULL}};
    struct format_options o = {0};
    struct block_node *n;
    struct err err;
    u8 buf[UNIT];

    for (unsigned i = 0; i < 4; i++)
        if (value[kind % 5][i] && format_options_add(&o, key[i], value[kind % 5][i], &err))
            abort();
    if (format_find("qcow2")->create(path, (u64)BLOCKS * UNIT, NULL, NULL, &o, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    format_options_free(&o);
    n = open_image(path, 0);
    for (u32 b = 0; kind % 2 && b < BLOCKS / 2; b++) { /* what a snapshot shares */
        stamp(buf, b, 1);
        if (n->ops->write(n, (u64)b * UNIT, buf, UNIT))
            abort();
    }
    if (kind % 2 && kind % 5 != 1 && n->ops->snapshot_create(n, "before", &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    node_close(n);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 2 ? (unsigned)atoi(argv[1]) : 0, failed = 0;
    u64 seed = argc > 3 ? strtoull(argv[3], NULL, 0) : 1;
    struct journal *j =
        mmap(NULL, sizeof(*j), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char path[256];

    if (!rounds || j == MAP_FAILED)
        return 2;
    snprintf(path, sizeof(path), "%s/kill.qcow2", argv[2]);
    for (unsigned i = 0; i < rounds && !failed; i++) {
        pid_t pid;
        if (!(i % 3)) { /* else it goes on with what was left */
            make(path, i / 3);
            memset(j, 0, sizeof(*j));
        }
        pid = fork();
        if (!pid)
            child(path, j, 2 + i % 3 * BIT(24), seed + i);
        usleep(1000 + draw(&seed) % 150000);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        failed = (unsigned)check_image(path, j);
        if (failed)
            fprintf(stderr, "round %u, image %s\n", i, path);
    }
    printf("%u rounds, %s\n", rounds, failed ? "failed" : "nothing lost");
    if (!failed)
        unlink(path);
    return failed != 0;
}
