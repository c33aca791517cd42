/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kills a process that writes to an image, at random instants, and looks at what is left: the
 * image must have no errors (leaks are allowed), and what was flushed must be there. Every format
 * that is written takes its turn.
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
#define KEY     "/proc/version" /* a password: some text that stays what it is */

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
    bool reads;
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

/* Some units that others may be writing. */
static void read_some(struct writer *w)
{
    u8 buf[4 * UNIT];
    u64 b = draw(&w->seed) % (BLOCKS - 3);

    if (w->n->ops->read(w->n, b * UNIT, buf, sizeof(buf)))
        abort();
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
        if (w->reads)
            read_some(w);
        if (!(draw(&w->seed) % RUN_MAX))
            flush(w);
    }
    return NULL;
}

/* The kinds of images that take turns. */
static const struct kind {
    const char *format, *options[8]; /* key, value, … */
    const char *key;                 /* file with the password; NULL: not encrypted */
    const char *check;               /* what qemu-img is to say of it; NULL: it cannot */
    bool begun, snapshot;            /* half of it is written before; … and shared */
    bool repair;                     /* before it can be written again */
    bool copies;                     /* what is behind it is copied when it is read */
} kinds[] = {
    {"qcow2", {"cluster_size", "4k"}, .check = "check -q"},
    {"vhdx", {"block_size", "1M"}, .check = "check -q -r all", .begun = true},
    {"qcow2", {"cluster_size", "512", "refcount_bits", "1"}, .check = "check -q", .begun = true},
    {"vdi", {NULL}, .check = "check -q"},
    {"qcow2", {"cluster_size", "64k", "extended_l2", "on"}, .check = "check -q"},
    {"vpc", {NULL}, .check = "info", .begun = true},
    {"qcow2",
     {"cluster_size", "16k", "compat", "0.10"},
     .check = "check -q",
     .begun = true,
     .snapshot = true},
    {"vmdk", {NULL}, .check = "check -q"},
    {"qcow2", {"cluster_size", "4k", "refcount_bits", "64"}, .check = "check -q"},
    {"parallels", {NULL}, .check = "check -q -r all", .repair = true},
    {"qcow2", {"cluster_size", "4k"}, .check = "check -q", .begun = true, .snapshot = true},
    {"qcow", {NULL}, .check = "info", .begun = true},
    {"qcow2", {"cluster_size", "8k"}, .check = "check -q", .begun = true, .copies = true},
    {"qcow2",
     {"cluster_size", "8k", "encrypt.format", "luks", "encrypt.iter-time", "1", "encrypt.key-file",
      KEY},
     .key = KEY,
     .check =
         "check -q --object secret,id=key,file=" KEY " --image-opts encrypt.key-secret=key,driver=",
     .begun = true,
     .snapshot = true},
};

static struct block_node *open_image(const char *path, const struct kind *kind, unsigned flags)
{
    struct block_node *n;
    struct err err;

    if (block_chain_open(&n, path, kind->format, NULL, flags, &err) ||
        block_unlock(n, kind->key, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return n;
}

static void child(const char *path, const struct kind *kind, struct journal *j, u32 from, u64 seed)
{
    struct block_node *n = open_image(path, kind, 0);
    struct writer w[THREADS];
    struct err err;
    pthread_t t;

    if (kind->copies && block_copy_on_read_open(&n, n, &err))
        abort();
    for (unsigned i = 0; i < THREADS; i++) {
        w[i] = (struct writer){n, j, i, from, seed * THREADS + i, kind->copies};
        if (pthread_create(&t, NULL, writer, &w[i]))
            abort();
    }
    pause();
    _exit(0);
}

/* What a sector may hold: zeros or what was there first, up to the first flush, then numbers. */
static bool take_sector(const struct journal *j, u32 b, const u8 *sector, u32 *number)
{
    u8 want[UNIT];

    memcpy(number, sector + 4, 4);
    stamp(want, b, *number);
    if (is_all_zero(sector, BLOCK_SECTOR))
        *number = 0;
    else if (memcmp(sector, want, BLOCK_SECTOR))
        *number = ~0u;
    return (*number >= j->flushed[b] && *number <= j->issued[b]) ||
           (*number == 1 && !j->flushed[b]);
}

/* A write that was under way may have reached some sectors only. */
static int check_unit(struct block_node *n, struct journal *j, u32 b)
{
    u32 least = ~0u, most = 0, number;
    u8 buf[UNIT];

    if (n->ops->read(n, (u64)b * UNIT, buf, UNIT))
        return 1;
    for (u32 at = 0; at < UNIT; at += BLOCK_SECTOR) {
        if (!take_sector(j, b, buf + at, &number)) {
            fprintf(stderr, "unit %u, byte %u: has write %u; flushed was %u, issued %u\n", b, at,
                    number, j->flushed[b], j->issued[b]);
            return 1;
        }
        least = (u32)min_u64(least, number);
        most = (u32)max_u64(most, number);
    }
    j->issued[b] = most; /* where the next round starts */
    j->done[b] = j->flushed[b] = least;
    return 0;
}

static void report(void *opaque, const char *line)
{
    if (strncmp(line, "Leaked", 6))
        fprintf(stderr, "%s\n", line);
}

/* What qemu-img says of a copy, which it may repair by what the log has. */
static int ask_qemu(const char *path, const struct kind *kind)
{
    char command[2048];
    int status;

    snprintf(command, sizeof(command),
             "! command -v qemu-img >/dev/null || { cp --sparse=always %s %s.copy && "
             "qemu-img %s%s%s%s%s.copy >/dev/null 2>&1; r=$?; rm -f %s.copy; exit $r; }",
             path, path, kind->check, kind->key ? "" : " -f ", kind->format,
             kind->key ? ",file.filename=" : " ", path, path);
    status = system(command);
    if (WIFEXITED(status) && (!WEXITSTATUS(status) || WEXITSTATUS(status) == 3))
        return 0;
    fprintf(stderr, "qemu-img %s: status %d\n", kind->check, status);
    return 1;
}

/* As `domus img check -r all` does. */
static int repair(const char *path, const struct kind *kind)
{
    struct block_check r = {.report = report};
    struct block_node *n = open_image(path, kind, OPEN_FOR_REPAIR);
    struct err err;
    int rc = n->ops->check(n, CHECK_FIX_LEAKS | CHECK_FIX_ERRORS, &r, &err);

    node_close(n);
    return rc != 0;
}

static int check_image(const char *path, const struct kind *kind, struct journal *j)
{
    struct block_check r = {.report = report};
    struct block_node *n = open_image(path, kind, OPEN_READ_ONLY);
    struct err err;
    int wrong = 0;

    if (n->ops->check(n, 0, &r, &err) || r.errors || r.failures) {
        fprintf(stderr, "%llu errors\n", (unsigned long long)r.errors);
        wrong = 1;
    }
    for (u32 b = 0; b < BLOCKS; b++)
        wrong |= check_unit(n, j, b);
    node_close(n);
    wrong |= ask_qemu(path, kind);
    return wrong || !kind->repair ? wrong : repair(path, kind);
}

static void create(const char *path, const struct kind *kind, const char *backing)
{
    struct format_options o = {0};
    struct err err;

    for (unsigned i = 0; i < ARRAY_SIZE(kind->options) && kind->options[i]; i += 2)
        if (format_options_add(&o, kind->options[i], kind->options[i + 1], &err))
            abort();
    if (format_find(kind->format)
            ->create(path, (u64)BLOCKS * UNIT, backing, backing ? kind->format : NULL, &o, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    format_options_free(&o);
}

static void make(const char *path, const char *base, const struct kind *kind)
{
    struct block_node *n;
    struct err err;
    u8 buf[UNIT];

    create(path, kind, NULL);
    n = open_image(path, kind, 0);
    for (u32 b = 0; kind->begun && b < BLOCKS / 2; b++) {
        stamp(buf, b, 1);
        if (n->ops->write(n, (u64)b * UNIT, buf, UNIT))
            abort();
    }
    if (kind->snapshot && n->ops->snapshot_create(n, "before", &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    node_close(n);
    if (kind->copies) { /* that was the one behind it */
        if (rename(path, base))
            abort();
        create(path, kind, base);
    }
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 2 ? (unsigned)atoi(argv[1]) : 0, failed = 0;
    u64 seed = argc > 3 ? strtoull(argv[3], NULL, 0) : 1;
    struct journal *j =
        mmap(NULL, sizeof(*j), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char path[256], base[256];

    if (!rounds || j == MAP_FAILED)
        return 2;
    snprintf(path, sizeof(path), "%s/kill.image", argv[2]);
    snprintf(base, sizeof(base), "%s/kill.base", argv[2]);
    for (unsigned i = 0; i < rounds && !failed; i++) {
        const struct kind *kind = &kinds[i / 3 % ARRAY_SIZE(kinds)];
        pid_t pid;
        int status;
        if (!(i % 3)) { /* else it goes on with what was left */
            make(path, base, kind);
            memset(j, 0, sizeof(*j));
        }
        pid = fork();
        if (!pid)
            child(path, kind, j, 2 + i % 3 * BIT(24), seed + i);
        usleep(1000 + draw(&seed) % 150000);
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        failed = !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL || check_image(path, kind, j);
        if (failed)
            fprintf(stderr, "round %u, %s image %s\n", i, kind->format, path);
    }
    printf("%u rounds, %s\n", rounds, failed ? "failed" : "nothing lost");
    if (!failed) {
        unlink(path);
        unlink(base);
    }
    return failed != 0;
}
