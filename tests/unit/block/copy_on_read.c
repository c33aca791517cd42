/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is read from behind an image is written into it, whatever else happens at the same time. */
#include "../dev/memdisk.h"
#include "../test.h"
#include "block/file.h"
#include "block/format.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#define SIZE (4 * MiB)

struct rig {
    struct block_node *n, *top;
    struct memdisk *base;
};

/* An image of nothing over a memdisk, and a layer that copies. */
static struct rig make(const char *format, const char *key, const char *value)
{
    char path[] = "/tmp/domus-copying-XXXXXX";
    struct format_options o = {0};
    struct rig r = {0};
    struct err err = {""};

    close(mkstemp(path));
    if (key)
        CHECK_EQ(format_options_add(&o, key, value, &err), 0);
    CHECK_EQ(format_find(format)->create(path, SIZE, NULL, NULL, &o, &err), 0);
    format_options_free(&o);
    CHECK_EQ(block_chain_open(&r.top, path, format, NULL, 0, &err), 0);
    unlink(path);
    r.base = memdisk_new(SIZE - 3 * BLOCK_SECTOR, true); /* shorter than what is over it */
    r.top->backing = &r.base->node;
    CHECK_EQ(block_copy_on_read_open(&r.n, r.top, &err), 0);
    CHECK_EQ(r.n->size, SIZE);
    return r;
}

static u32 sector_of(const u8 *buf)
{
    u32 n;

    memcpy(&n, buf, sizeof(n));
    return n;
}

static bool is_own(struct rig *r, u64 off)
{
    struct block_extent e;

    CHECK_EQ(node_status(r->top, off, BLOCK_SECTOR, &e), 0);
    return e.flags & EXTENT_ALLOCATED;
}

static void copies_all(const char *format, const char *key, const char *value)
{
    struct rig r = make(format, key, value);
    struct block_check check = {0};
    struct err err;
    u8 *buf = malloc(SIZE);

    CHECK(!is_own(&r, 2 * MiB));
    CHECK_EQ(r.n->ops->read(r.n, 2 * MiB + 512, buf, 1024), 0);
    CHECK_EQ(sector_of(buf + 512), 2 * MiB / 512 + 2);
    CHECK(is_own(&r, 2 * MiB + 512));
    memset(buf, 0xee, 1536);
    CHECK_EQ(r.n->ops->write(r.n, 1 * MiB - 512, buf, 1536), 0);
    CHECK_EQ(r.n->ops->read(r.n, 0, buf, SIZE), 0);
    r.base->fail = -EIO; /* nothing is read from there any more */
    r.base->fail_at = 0;
    memset(r.base->data, 0, SIZE - 3 * BLOCK_SECTOR);
    CHECK_EQ(r.n->ops->read(r.n, 0, buf, SIZE), 0);
    for (u32 s = 0; s < SIZE / 512; s++) {
        bool written = s >= MiB / 512 - 1 && s < MiB / 512 + 2;
        CHECK_EQ(sector_of(buf + s * 512), written ? 0xeeeeeeee : s < SIZE / 512 - 3 ? s : 0);
        CHECK(is_own(&r, s * 512ull));
    }
    CHECK_EQ(r.n->ops->flush(r.n), 0);
    if (r.top->ops->check)
        CHECK_EQ(r.top->ops->check(r.top, 0, &check, &err), 0);
    CHECK_EQ(check.errors, 0);
    node_close(r.n);
    free(buf);
}

static void all_is_copied(void)
{
    copies_all("qcow2", NULL, NULL);
    copies_all("qcow2", "extended_l2", "on");
    copies_all("qcow2", "cluster_size", "512");
    copies_all("vmdk", NULL, NULL);
    copies_all("qcow", NULL, NULL);
}

static void what_cannot_be_read_is_not_copied(void)
{
    struct rig r = make("qcow2", NULL, NULL);
    u8 buf[4096];

    r.base->fail = -EIO;
    r.base->fail_at = 70000;
    CHECK_EQ(r.n->ops->read(r.n, 69632, buf, 4096), (unsigned long long)-EIO);
    CHECK(!is_own(&r, 69632));
    r.base->fail = 0;
    CHECK_EQ(r.n->ops->read(r.n, 69632, buf, 4096), 0);
    CHECK_EQ(sector_of(buf), 136);
    CHECK(is_own(&r, 69632));
    node_close(r.n);
}

static int full(void *opaque, enum bfile_op op, u64 off, const u8 *buf, u64 len)
{
    unsigned *writes = opaque;

    *writes += op == BFILE_WRITE;
    return op == BFILE_WRITE ? -ENOSPC : 0;
}

static void a_full_disk_is_read_all_the_same(void)
{
    struct rig r = make("qcow2", NULL, NULL);
    unsigned writes = 0, once;
    u8 buf[4096];

    bfile_set_hook(r.top->file, full, &writes);
    CHECK_EQ(r.n->ops->read(r.n, 8192, buf, 4096), 0);
    CHECK_EQ(sector_of(buf), 16);
    once = writes;
    CHECK(once > 0);
    CHECK_EQ(r.n->ops->read(r.n, MiB, buf, 4096), 0);
    CHECK_EQ(sector_of(buf), MiB / 512);
    CHECK_EQ(writes, once); /* no more is tried */
    bfile_set_hook(r.top->file, NULL, NULL);
    memset(buf, 7, sizeof(buf));
    CHECK_EQ(r.n->ops->write(r.n, 0, buf, sizeof(buf)), 0); /* the guest's go on */
    node_close(r.n);
}

/* A backing file whose reads take until they are let go. */
struct slow {
    struct memdisk *m;
    struct block_driver ops;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool reading, go, wrote;
    struct rig *r;
} slow;

static int slow_read(struct block_node *n, u64 off, u8 *buf, u64 len)
{
    int rc = memdisk_read(n, off, buf, len);

    pthread_mutex_lock(&slow.lock);
    slow.reading = true;
    pthread_cond_broadcast(&slow.moved);
    while (!slow.go)
        pthread_cond_wait(&slow.moved, &slow.lock);
    pthread_mutex_unlock(&slow.lock);
    return rc;
}

static void *reader(void *opaque)
{
    u8 buf[4096];

    CHECK_EQ(slow.r->n->ops->read(slow.r->n, 65536, buf, 4096), 0);
    return NULL;
}

static void *writer(void *opaque)
{
    int (*zero)(struct block_node * n, u64 off, u64 len) = opaque;
    u8 buf[512];

    memset(buf, 0xaa, sizeof(buf));
    if (zero)
        CHECK_EQ(zero(slow.r->n, 65536 + 512, 512), 0);
    else
        CHECK_EQ(slow.r->n->ops->write(slow.r->n, 65536 + 512, buf, 512), 0);
    pthread_mutex_lock(&slow.lock);
    slow.wrote = true;
    pthread_mutex_unlock(&slow.lock);
    return NULL;
}

/* What is written while the same bytes are copied is not lost. */
static void a_change_waits_for_the_copy(bool zero)
{
    struct rig r = make("qcow2", NULL, NULL);
    pthread_t a, b;
    u8 buf[512];

    slow.m = r.base;
    slow.ops = memdisk_driver;
    slow.ops.read = slow_read;
    slow.reading = slow.go = slow.wrote = false;
    slow.r = &r;
    r.base->node.ops = &slow.ops;
    CHECK_EQ(pthread_create(&a, NULL, reader, NULL), 0);
    pthread_mutex_lock(&slow.lock);
    while (!slow.reading)
        pthread_cond_wait(&slow.moved, &slow.lock);
    pthread_mutex_unlock(&slow.lock);
    CHECK_EQ(pthread_create(&b, NULL, writer, zero ? r.n->ops->zero : NULL), 0);
    usleep(20000); /* would be enough to write it too early */
    pthread_mutex_lock(&slow.lock);
    CHECK(!slow.wrote);
    slow.go = true;
    pthread_cond_broadcast(&slow.moved);
    pthread_mutex_unlock(&slow.lock);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    CHECK_EQ(r.n->ops->read(r.n, 65536 + 512, buf, 512), 0);
    CHECK_EQ(sector_of(buf), zero ? 0 : 0xaaaaaaaa);
    CHECK_EQ(r.n->ops->read(r.n, 65536 + 1024, buf, 512), 0);
    CHECK_EQ(sector_of(buf), 130);
    node_close(r.n);
}

static void changes_wait_for_copies(void)
{
    pthread_mutex_init(&slow.lock, NULL);
    pthread_cond_init(&slow.moved, NULL);
    a_change_waits_for_the_copy(false);
    a_change_waits_for_the_copy(true);
    pthread_cond_destroy(&slow.moved);
    pthread_mutex_destroy(&slow.lock);
}

static void without_backing_it_is_the_image(void)
{
    struct memdisk *m = memdisk_new(4096, false);
    struct block_node *n;
    struct err err;

    CHECK_EQ(block_copy_on_read_open(&n, &m->node, &err), 0);
    CHECK(n == &m->node);
    node_close(n);
}

static void its_size_is_the_images(void)
{
    struct rig r = make("qcow2", NULL, NULL);
    struct err err;
    u8 buf[512];

    CHECK_EQ(r.n->ops->resize(r.n, 6 * MiB, PREALLOC_OFF, &err), 0);
    CHECK_EQ(r.n->size, 6 * MiB);
    CHECK_EQ(r.n->ops->read(r.n, 6 * MiB - 512, buf, 512), 0);
    CHECK(is_all_zero(buf, 512));
    node_close(r.n);
}

static void note(void *opaque, const char *text)
{
    snprintf(opaque, 256, "%s", text);
}

/* What is wrong with the image below is told to whoever has the layer. */
static void damage_is_told_above(void)
{
    struct rig r = make("qcow2", NULL, NULL);
    char told[256] = "";

    r.n->on_fault = note;
    r.n->fault_opaque = told;
    CHECK_EQ(node_fault(r.top, "an entry"), (unsigned long long)-EIO);
    CHECK(!strcmp(told, "an entry"));
    node_close(r.n);
}

int main(void)
{
    TEST_RUN(all_is_copied);
    TEST_RUN(what_cannot_be_read_is_not_copied);
    TEST_RUN(a_full_disk_is_read_all_the_same);
    TEST_RUN(changes_wait_for_copies);
    TEST_RUN(without_backing_it_is_the_image);
    TEST_RUN(its_size_is_the_images);
    TEST_RUN(damage_is_told_above);
    return test_result();
}
