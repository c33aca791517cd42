/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/block.h"
#include "../dev/memdisk.h"
#include "../dev/rig.h"
#include "../test.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <sys/stat.h>
#include <unistd.h>

static struct rig rig;
static char path[] = "/tmp/domus-block-XXXXXX";

/* A file of `size` bytes, each the number of its sector plus one. */
static void make_file(u64 size)
{
    int fd;
    u8 *data = malloc(size);

    rig_open(&rig);
    strcpy(path + sizeof(path) - 7, "XXXXXX");
    fd = mkstemp(path);
    for (u64 i = 0; i < size; i++)
        data[i] = (u8)(i / BLOCK_SECTOR + 1);
    CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
    free(data);
}

static void remove_file(void)
{
    unlink(path);
    rig_close(&rig);
}

static u64 file_size(void)
{
    struct stat st;

    return stat(path, &st) ? 0 : (u64)st.st_size;
}

static u8 file_byte(u64 off)
{
    u8 byte = 0;
    int fd = open(path, O_RDONLY);

    CHECK(fd >= 0 && pread(fd, &byte, 1, (off_t)off) == 1);
    close(fd);
    return byte;
}

static struct block *open_it(bool read_only, bool snapshot)
{
    struct block_config cfg = {.path = path, .read_only = read_only, .snapshot = snapshot};
    struct block *b = NULL;
    struct err err = {""};

    if (block_open(&b, &cfg, &rig.lock, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return b;
}

struct result {
    int rc;
    bool done;
};

static void on_done(struct block_req *req, int rc)
{
    struct result *r = req->opaque;

    r->rc = rc;
    r->done = true;
}

static int run(struct block *b, enum block_op op, u64 off, u8 *buf, u64 len)
{
    struct result r = {0};
    struct block_req req = {
        .op = op, .offset = off, .len = len, .buf = buf, .done = on_done, .opaque = &r};

    pthread_mutex_lock(&rig.lock);
    block_submit(b, &req);
    CHECK(!r.done);
    block_drain(b);
    CHECK(r.done);
    pthread_mutex_unlock(&rig.lock);
    return r.rc;
}

static void reads_and_writes(void)
{
    u8 buf[1024];
    struct block *b;

    make_file(8192);
    b = open_it(false, false);
    CHECK_EQ(block_size(b), 8192);
    CHECK_EQ(run(b, BLOCK_READ, 1000, buf, 100), 0);
    CHECK_EQ(buf[0], 2);
    CHECK_EQ(buf[99], 3);
    memset(buf, 0xaa, sizeof(buf));
    CHECK_EQ(run(b, BLOCK_WRITE, 512, buf, 1024), 0);
    CHECK_EQ(run(b, BLOCK_FLUSH, 0, NULL, 0), 0);
    CHECK_EQ(file_byte(512), 0xaa);
    CHECK_EQ(file_byte(1536), 4);
    CHECK_EQ(run(b, BLOCK_ZERO, 0, NULL, 512), 0);
    CHECK_EQ(file_byte(0), 0);
    CHECK_EQ(run(b, BLOCK_DISCARD, 4096, NULL, 4096), 0);
    CHECK_EQ(run(b, BLOCK_READ, 8000, buf, 193), -EINVAL);
    CHECK_EQ(run(b, BLOCK_READ, UINT64_MAX - 10, buf, 100), -EINVAL);
    CHECK_EQ(file_size(), 8192);
    block_close(b);
    remove_file();
}

static void an_odd_end_reads_as_zeros(void)
{
    u8 buf[512] = {0};
    struct block *b;

    make_file(1000);
    b = open_it(false, false);
    CHECK_EQ(block_size(b), 1024);
    CHECK_EQ(run(b, BLOCK_READ, 512, buf, 512), 0);
    CHECK_EQ(buf[487], 2);
    CHECK_EQ(buf[488], 0);
    CHECK_EQ(run(b, BLOCK_WRITE, 512, buf, 512), 0);
    CHECK_EQ(file_size(), 1000); /* only zeros were written past it */
    CHECK_EQ(run(b, BLOCK_ZERO, 0, NULL, 1024), 0);
    CHECK_EQ(file_size(), 1000);
    buf[511] = 7;
    CHECK_EQ(run(b, BLOCK_WRITE, 512, buf, 512), 0);
    CHECK_EQ(file_size(), 1024);
    block_close(b);
    remove_file();
}

static void read_only_refuses_writes(void)
{
    u8 buf[512] = {0};
    struct block *b;

    make_file(4096);
    b = open_it(true, false);
    CHECK(block_read_only(b));
    CHECK_EQ(run(b, BLOCK_WRITE, 0, buf, 512), -EROFS);
    CHECK_EQ(run(b, BLOCK_ZERO, 0, NULL, 512), -EROFS);
    CHECK_EQ(run(b, BLOCK_DISCARD, 0, NULL, 512), -EROFS);
    CHECK_EQ(run(b, BLOCK_READ, 0, buf, 512), 0);
    CHECK_EQ(buf[0], 1);
    block_close(b);
    remove_file();
}

static void a_snapshot_leaves_the_file_alone(void)
{
    static u8 buf[20000], back[20000];
    struct block *b;

    make_file(20000 - 32); /* 39 sectors, less a bit */
    b = open_it(false, true);
    CHECK(!block_read_only(b));
    CHECK_EQ(block_size(b), 19968);
    memset(buf, 0xee, sizeof(buf));
    CHECK_EQ(run(b, BLOCK_WRITE, 1000, buf, 9000), 0); /* part, whole, part of clusters */
    CHECK_EQ(run(b, BLOCK_WRITE, 19456, buf, 512), 0); /* in the short last one */
    CHECK_EQ(run(b, BLOCK_ZERO, 12288, NULL, 4196), 0);
    CHECK_EQ(run(b, BLOCK_READ, 0, back, 19968), 0);
    CHECK_EQ(back[999], 2);
    CHECK_EQ(back[1000], 0xee);
    CHECK_EQ(back[9999], 0xee);
    CHECK_EQ(back[10000], 10000 / 512 + 1);
    CHECK_EQ(back[12287], 24);
    CHECK_EQ(back[12288], 0);
    CHECK_EQ(back[16483], 0);
    CHECK_EQ(back[16484], 16484 / 512 + 1);
    CHECK_EQ(back[19455], 38);
    CHECK_EQ(back[19456], 0xee);
    CHECK_EQ(file_byte(1000), 2);
    block_close(b);
    CHECK_EQ(file_size(), 20000 - 32);
    remove_file();
}

static u32 next_random(u32 *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* Any mix of writes and zeroes reads back as from an array. */
static void a_snapshot_is_like_a_disk(void)
{
    static u8 model[70000], buf[70000];
    u64 size = 70000 - 70000 % 512;
    u32 seed = 1;
    struct block *b;

    make_file(size);
    b = open_it(false, true);
    for (u64 i = 0; i < size; i++)
        model[i] = (u8)(i / BLOCK_SECTOR + 1);
    for (unsigned n = 0; n < 400; n++) {
        u64 off = next_random(&seed) % size, len = next_random(&seed) % 20000;
        len = min_u64(len, size - off);
        memset(buf, (int)n, len);
        if (n % 4) {
            CHECK_EQ(run(b, BLOCK_WRITE, off, buf, len), 0);
            memset(model + off, (int)n, len);
        } else {
            CHECK_EQ(run(b, BLOCK_ZERO, off, NULL, len), 0);
            memset(model + off, 0, len);
        }
        off = next_random(&seed) % size;
        len = min_u64(next_random(&seed) % 20000, size - off);
        CHECK_EQ(run(b, BLOCK_READ, off, buf, len), 0);
        CHECK(!memcmp(buf, model + off, len));
    }
    block_close(b);
    remove_file();
}

static void refuse(bool read_only, const char *format, int rc, const char *text)
{
    struct block_config cfg = {.path = path, .read_only = read_only, .format = format};
    struct block *b;
    struct err err = {""};

    CHECK_EQ(block_open(&b, &cfg, &rig.lock, &err), rc);
    if (!strstr(err.text, text) || !strstr(err.text, path))
        fprintf(stderr, "'%s' lacks '%s'\n", err.text, text), test_failures++;
}

static void a_file_has_one_writer(void)
{
    struct block *b, *other;

    make_file(512);
    b = open_it(false, false);
    refuse(false, NULL, -EBUSY, "in use");
    refuse(true, NULL, -EBUSY, "in use by a writer");
    block_close(b);
    b = open_it(true, false);
    other = open_it(true, false);
    refuse(false, "raw", -EBUSY, "in use");
    block_close(b);
    block_close(other);
    refuse(false, "qcow9", -EINVAL, "qcow9");
    chmod(path, 0400);
    if (geteuid())
        refuse(false, NULL, -EACCES, "read-only");
    CHECK_EQ(truncate(path, 0), 0);
    refuse(true, NULL, -EINVAL, "empty");
    remove_file();
    rig_open(&rig);
    refuse(true, NULL, -ENOENT, "No such file");
    rig_close(&rig);
}

/* Submits itself again until its count is used up. */
static void again(struct block_req *req, int rc)
{
    struct block **b = req->opaque;

    if (req->offset < 64 * 512) {
        req->offset += 512;
        block_submit(*b, req);
    }
}

static void close_waits_for_all(void)
{
    static u8 buf[16][512];
    struct block_req req[16];
    struct block *b;

    make_file(128 * 512);
    b = open_it(false, false);
    pthread_mutex_lock(&rig.lock);
    for (unsigned i = 0; i < 16; i++) {
        req[i] = (struct block_req){.op = i % 2 ? BLOCK_READ : BLOCK_WRITE,
                                    .offset = 512 * i,
                                    .len = 512,
                                    .buf = buf[i],
                                    .done = again,
                                    .opaque = &b};
        block_submit(b, &req[i]);
    }
    pthread_mutex_unlock(&rig.lock);
    block_close(b);
    for (unsigned i = 0; i < 16; i++)
        CHECK(req[i].offset >= 64 * 512);
    remove_file();
}

static void a_driver_can_fail(void)
{
    u8 buf[512];
    struct memdisk *m = memdisk_new(4096, false);
    struct block *b;

    rig_open(&rig);
    b = memdisk_block(m, &rig.lock);
    m->fail = -EIO;
    m->fail_at = 1024;
    CHECK_EQ(run(b, BLOCK_READ, 0, buf, 512), 0);
    CHECK_EQ(run(b, BLOCK_READ, 1024, buf, 512), -EIO);
    m->fail = -ENOSPC;
    CHECK_EQ(run(b, BLOCK_WRITE, 1024, buf, 512), -ENOSPC);
    block_close(b);
    rig_close(&rig);
}

static struct block_trouble told;
static char told_damage[256];
static unsigned times_told;

static void on_trouble(void *opaque, const struct block_trouble *t)
{
    told = *t;
    snprintf(told_damage, sizeof(told_damage), "%s", t->damage ? t->damage : "");
    times_told++;
}

static void trouble_is_told(void)
{
    u8 buf[512];
    struct memdisk *m = memdisk_new(4096, false);
    struct block_node below = {.ops = m->node.ops, .above = &m->node};
    struct block *b;

    rig_open(&rig);
    b = memdisk_block(m, &rig.lock);
    block_on_trouble(b, on_trouble, NULL);
    m->fail = -EIO;
    m->fail_at = 1024;
    CHECK_EQ(run(b, BLOCK_READ, 0, buf, 512), 0);
    CHECK_EQ(run(b, BLOCK_READ, 8192, buf, 512), -EINVAL); /* the guest's own fault */
    CHECK_EQ(times_told, 0);
    CHECK_EQ(run(b, BLOCK_READ, 1024, buf, 512), -EIO);
    CHECK(times_told == 1 && told.failed && !told.write && told.rc == -EIO && !told.damage);
    m->fail = -ENOSPC;
    CHECK_EQ(run(b, BLOCK_WRITE, 1024, buf, 512), -ENOSPC);
    CHECK(times_told == 2 && told.write && told.rc == -ENOSPC);
    CHECK_EQ(node_fault(&below, "the %s", "backing"), -EIO);
    CHECK_EQ(run(b, BLOCK_READ, 0, buf, 512), 0);
    CHECK(times_told == 3 && !told.failed && !strcmp(told_damage, "the backing"));
    CHECK_EQ(node_fault(&below, "more"), -EIO); /* the first fault is what counts */
    CHECK_EQ(node_fault(&m->node, "itself"), -EIO);
    CHECK_EQ(run(b, BLOCK_READ, 1024, buf, 512), -ENOSPC);
    CHECK(times_told == 4 && told.failed && !strcmp(told_damage, "itself"));
    block_on_trouble(b, NULL, NULL);
    CHECK_EQ(run(b, BLOCK_READ, 1024, buf, 512), -ENOSPC);
    CHECK_EQ(times_told, 4);
    block_close(b);
    rig_close(&rig);
}

static void on_resize(void *opaque)
{
    ++*(unsigned *)opaque;
}

/* Resized under load that never lets the queue run empty. */
static void it_is_resized_while_it_is_used(void)
{
    static u8 buf[16][512];
    struct block_req req[16];
    unsigned told = 0;
    struct err err;
    struct block *b;

    make_file(128 * 512);
    b = open_it(false, false);
    block_on_resize(b, on_resize, &told);
    pthread_mutex_lock(&rig.lock);
    for (unsigned i = 0; i < 16; i++) {
        req[i] = (struct block_req){
            .op = BLOCK_WRITE, .len = 512, .buf = buf[i], .done = again, .opaque = &b};
        block_submit(b, &req[i]);
    }
    pthread_mutex_unlock(&rig.lock);
    for (u64 n = 1; n < 40; n++) {
        CHECK_EQ(block_resize(b, n * 512, &err), 0);
        CHECK_EQ(block_size(b), n * 512);
        CHECK_EQ(file_size(), n * 512);
    }
    CHECK_EQ(told, 39);
    CHECK_EQ(block_resize(b, 0, &err), -EINVAL);
    CHECK_EQ(block_resize(b, 513, &err), -EINVAL);
    CHECK_EQ(run(b, BLOCK_READ, 39 * 512, buf[0], 512), -EINVAL);
    block_close(b);
    b = open_it(true, false);
    CHECK_EQ(block_resize(b, 512, &err), -EROFS);
    block_close(b);
    remove_file();
}

static void a_snapshot_is_resized(void)
{
    static u8 buf[20480];
    struct err err;
    struct block *b;

    make_file(5120);
    b = open_it(false, true);
    CHECK_EQ(block_resize(b, 20480, &err), 0);
    CHECK_EQ(run(b, BLOCK_READ, 0, buf, 20480), 0);
    CHECK_EQ(buf[5119], 10);
    CHECK(is_all_zero(buf + 5120, 15360));
    memset(buf, 0x77, sizeof(buf));
    CHECK_EQ(run(b, BLOCK_WRITE, 20479, buf, 1), 0);
    CHECK_EQ(block_resize(b, 512, &err), 0);
    CHECK_EQ(run(b, BLOCK_READ, 512, buf, 1), -EINVAL);
    CHECK_EQ(block_resize(b, 20480, &err), 0);
    CHECK_EQ(run(b, BLOCK_READ, 0, buf, 20480), 0);
    CHECK_EQ(buf[511], 1);
    CHECK(is_all_zero(buf + 512, 19968)); /* what was cut off does not come back */
    CHECK_EQ(file_size(), 5120);
    block_close(b);
    remove_file();
}

/* Slow enough that a test which waits for it by the clock would not end. */
static void limits_delay_but_not_the_end(void)
{
    static u8 buf[64][512];
    struct block_config cfg = {.path = path, .limits.rate[THROTTLE_OPS] = 1};
    struct block_req req[64];
    struct err err = {""};
    struct result r[64] = {0};
    struct block *b;
    unsigned done = 0;

    make_file(64 * 512);
    CHECK_EQ(block_open(&b, &cfg, &rig.lock, &err), 0);
    pthread_mutex_lock(&rig.lock);
    for (unsigned i = 0; i < 64; i++) {
        req[i] = (struct block_req){.op = BLOCK_READ,
                                    .offset = 512 * i,
                                    .len = 512,
                                    .buf = buf[i],
                                    .done = on_done,
                                    .opaque = &r[i]};
        block_submit(b, &req[i]);
    }
    pthread_mutex_unlock(&rig.lock);
    usleep(10000);
    pthread_mutex_lock(&rig.lock);
    for (unsigned i = 0; i < 64; i++)
        done += r[i].done;
    CHECK(done < 64);
    block_drain(b);
    for (unsigned i = 0; i < 64; i++)
        CHECK(r[i].done && !r[i].rc);
    block_submit(b, &req[0]);
    pthread_mutex_unlock(&rig.lock);
    block_close(b);
    remove_file();
}

#define PIECES 700u
#define PLACES (128 * 1024u)

/* Pieces of a stretch of memory of which some are large, most small and odd, and some empty. */
static unsigned cut(struct iovec iov[PIECES], u8 *buf, u64 len)
{
    static const u64 sizes[] = {300, 20000, 1, 0, 511, 17, 16384, 700, 65, 3000};
    unsigned n = 0;

    for (u64 at = 0, size; at < len; at += size, n++) {
        size = n == PIECES - 1 ? len - at : min_u64(sizes[n % ARRAY_SIZE(sizes)], len - at);
        iov[n] = (struct iovec){buf + at, size};
    }
    return n;
}

static int run_pieces(struct block *b, enum block_op op, u64 off, u8 *buf, u64 len)
{
    struct iovec iov[PIECES];
    struct result r = {0};
    struct block_req req = {.op = op,
                            .offset = off,
                            .len = len,
                            .iov = iov,
                            .niov = cut(iov, buf, len),
                            .done = on_done,
                            .opaque = &r};

    pthread_mutex_lock(&rig.lock);
    block_submit(b, &req);
    block_drain(b);
    pthread_mutex_unlock(&rig.lock);
    CHECK(r.done);
    return r.rc;
}

/* In a snapshot, whose node takes no pieces, and in the file, whose node does; in this one also
   where it has an odd end. */
static void pieces_of_memory_are_moved(void)
{
    static u8 out[PLACES], in[PLACES];
    static const struct {
        u64 size;
        bool snapshot;
    } cases[] = {{PLACES + 8192, false}, {PLACES + 8192, true}, {PLACES + 8200, false}};

    for (unsigned i = 0; i < PLACES; i++)
        out[i] = (u8)(i * 7 + i / 256);
    for (unsigned n = 0; n < ARRAY_SIZE(cases); n++) {
        struct block *b;
        make_file(cases[n].size);
        b = open_it(false, cases[n].snapshot);
        CHECK_EQ(run_pieces(b, BLOCK_READ, 0, in, 8192), 0);
        CHECK(in[0] == 1 && in[511] == 1 && in[512] == 2 && in[8191] == 16);
        CHECK_EQ(run_pieces(b, BLOCK_WRITE, 4608, out, PLACES), 0);
        CHECK_EQ(run_pieces(b, BLOCK_READ, 4608, in, PLACES), 0);
        CHECK(!memcmp(in, out, PLACES));
        memset(in, 0, PLACES);
        CHECK_EQ(run(b, BLOCK_READ, 4608, in, PLACES), 0);
        CHECK(!memcmp(in, out, PLACES));
        CHECK_EQ(run_pieces(b, BLOCK_WRITE, block_size(b) - 511, out, 512), -EINVAL);
        block_close(b);
        remove_file();
    }
}

#define MANY 600u

static void count_done(struct block_req *req, int rc)
{
    ++*(unsigned *)req->opaque;
    CHECK_EQ(rc, 0);
}

/* More than io_uring takes at a time, where the host has it; the file is shorter than it was for
   some of them; and none is lost when the disk is closed. */
static void many_reads_are_under_way(void)
{
    static u8 buf[MANY][1024];
    static struct iovec iov[MANY][2];
    static struct block_req req[MANY];
    unsigned done = 0, n, left = MANY * 3 / 4;
    struct block *b;

    make_file(MANY * 1024);
    b = open_it(false, false);
    CHECK_EQ(truncate(path, left * 1024), 0);
    memset(buf, 0xff, sizeof(buf));
    pthread_mutex_lock(&rig.lock);
    for (n = 0; n < MANY; n++) {
        iov[n][0] = (struct iovec){buf[n], 100};
        iov[n][1] = (struct iovec){buf[n] + 100, 924};
        req[n] = (struct block_req){.op = BLOCK_READ,
                                    .offset = n * 1024,
                                    .len = 1024,
                                    .iov = iov[n],
                                    .niov = 2,
                                    .done = count_done,
                                    .opaque = &done};
        block_submit(b, &req[n]);
    }
    CHECK_EQ(done, 0);
    pthread_mutex_unlock(&rig.lock);
    block_close(b);
    CHECK_EQ(done, MANY);
    for (n = 0; n < MANY; n++) {
        CHECK_EQ(buf[n][0], n < left ? (u8)(2 * n + 1) : 0);
        CHECK_EQ(buf[n][1023], n < left ? (u8)(2 * n + 2) : 0);
    }
    remove_file();
}

static bool read_now(struct block *b, u64 off, u8 *buf, u64 len)
{
    struct iovec iov[] = {{buf, len / 3}, {buf + len / 3, len - len / 3}};
    bool done;

    pthread_mutex_lock(&rig.lock);
    done = block_read_now(
        b, &(struct block_req){
               .op = BLOCK_READ, .offset = off, .len = len, .iov = iov, .niov = ARRAY_SIZE(iov)});
    pthread_mutex_unlock(&rig.lock);
    return done;
}

/* Whether it can is the host's file system's to say; it must not where it may not. */
static void what_the_host_has_in_memory_is_read_at_once(void)
{
    struct block_config limited = {.path = path, .limits.rate[THROTTLE_OPS] = 1000};
    static u8 buf[256 * 1024];
    struct err err = {""};
    struct block *b;

    make_file(sizeof(buf) + 8);
    b = open_it(false, false);
    if (read_now(b, 1000, buf, 100))
        CHECK(buf[0] == 2 && buf[23] == 2 && buf[24] == 3 && buf[99] == 3);
    CHECK(!read_now(b, 0, buf, sizeof(buf)));
    CHECK(!read_now(b, sizeof(buf), buf, 512)); /* the end is no whole sector */
    CHECK(!read_now(b, sizeof(buf) + 512, buf, 512));
    CHECK(!read_now(b, UINT64_MAX - 10, buf, 512));
    block_close(b);
    b = open_it(false, true);
    CHECK(!read_now(b, 0, buf, 512));
    block_close(b);
    CHECK_EQ(block_open(&b, &limited, &rig.lock, &err), 0);
    CHECK(!read_now(b, 0, buf, 512));
    block_close(b);
    remove_file();
}

/* With nobody asking for it. */
static void await_flush(struct memdisk *m, unsigned count)
{
    for (unsigned n = 0; n < 1000 && m->flushes < count; n++)
        usleep(10000);
    CHECK_EQ(m->flushes, count);
}

static void what_is_discarded_is_flushed_in_the_end(void)
{
    u8 buf[512] = {0};
    struct memdisk *m = memdisk_new(4096, false);
    struct block *b;

    rig_open(&rig);
    CHECK_EQ(block_new(&b, &m->node, 2, &rig.lock), 0);
    CHECK_EQ(run(b, BLOCK_DISCARD, 0, NULL, 512), 0);
    await_flush(m, 1);
    m->fail = -EIO;
    m->fail_at = UINT64_MAX;
    CHECK_EQ(run(b, BLOCK_ZERO, 0, NULL, 512), 0);
    await_flush(m, 2);
    m->fail = 0;
    CHECK_EQ(run(b, BLOCK_WRITE, 0, buf, 512), 0);
    CHECK_EQ(run(b, BLOCK_FLUSH, 0, NULL, 0), -EIO); /* the one before, which was not told */
    CHECK_EQ(run(b, BLOCK_FLUSH, 0, NULL, 0), 0);
    CHECK_EQ(m->flushes, 4);
    block_close(b);
    rig_close(&rig);
}

static sem_t gate;

static int read_at_gate(struct block_node *n, u64 off, u8 *buf, u64 len)
{
    sem_wait(&gate);
    return memdisk_read(n, off, buf, len);
}

struct drainer {
    struct block *block;
    bool inside; /* block_drain lets go of the lock first */
};

static void *drain(void *opaque)
{
    struct drainer *d = opaque;

    pthread_mutex_lock(&rig.lock);
    d->inside = true;
    block_drain(d->block);
    pthread_mutex_unlock(&rig.lock);
    return NULL;
}

static void await_drainer(struct drainer *d)
{
    bool inside = false;

    while (!inside) {
        pthread_mutex_lock(&rig.lock);
        inside = d->inside;
        pthread_mutex_unlock(&rig.lock);
        sched_yield();
    }
}

/* A device waits for an image's requests, as in a reset, while the image is closed. */
static void it_is_closed_while_others_wait(void)
{
    static struct block_driver driver;
    u8 buf[512];

    rig_open(&rig);
    sem_init(&gate, 0, 0);
    driver = memdisk_driver;
    driver.readv = NULL;
    driver.read = read_at_gate;
    for (unsigned i = 0; i < 100; i++) {
        struct memdisk *m = memdisk_new(4096, true);
        struct drainer d = {0};
        struct result r = {0};
        struct block_req req = {
            .op = BLOCK_READ, .len = 512, .buf = buf, .done = on_done, .opaque = &r};
        pthread_t thread;
        m->node.ops = &driver;
        CHECK_EQ(block_new(&d.block, &m->node, 1, &rig.lock), 0);
        pthread_mutex_lock(&rig.lock);
        block_submit(d.block, &req);
        pthread_mutex_unlock(&rig.lock);
        CHECK_EQ(pthread_create(&thread, NULL, drain, &d), 0);
        await_drainer(&d);
        sem_post(&gate);
        block_close(d.block);
        CHECK(r.done);
        pthread_join(thread, NULL);
    }
    sem_destroy(&gate);
    rig_close(&rig);
}

int main(void)
{
    TEST_RUN(pieces_of_memory_are_moved);
    TEST_RUN(many_reads_are_under_way);
    TEST_RUN(what_the_host_has_in_memory_is_read_at_once);
    TEST_RUN(reads_and_writes);
    TEST_RUN(an_odd_end_reads_as_zeros);
    TEST_RUN(read_only_refuses_writes);
    TEST_RUN(a_snapshot_leaves_the_file_alone);
    TEST_RUN(a_snapshot_is_like_a_disk);
    TEST_RUN(a_file_has_one_writer);
    TEST_RUN(close_waits_for_all);
    TEST_RUN(a_driver_can_fail);
    TEST_RUN(trouble_is_told);
    TEST_RUN(it_is_resized_while_it_is_used);
    TEST_RUN(a_snapshot_is_resized);
    TEST_RUN(limits_delay_but_not_the_end);
    TEST_RUN(it_is_closed_while_others_wait);
    TEST_RUN(what_is_discarded_is_flushed_in_the_end);
    return test_result();
}
