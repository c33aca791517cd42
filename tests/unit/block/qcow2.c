/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qcow2 against an array, with power lost at any operation, with a full disk, and damaged. */
#include "model.h"
#include "power.h"

#include <errno.h>

#define SIZE (512 * KiB)
#define UNIT 512u

static char path[] = "/tmp/domus-qcow2-XXXXXX";

static void make(const char *key, const char *value)
{
    struct format_options o = {0};
    struct err err = {""};

    strcpy(path + sizeof(path) - 7, "XXXXXX");
    close(mkstemp(path));
    if (key)
        CHECK_EQ(format_options_add(&o, key, value, &err), 0);
    CHECK_EQ(format_find("qcow2")->create(path, SIZE, NULL, NULL, &o, &err), 0);
    format_options_free(&o);
}

static struct block_node *open_it(unsigned flags)
{
    struct block_node *n;
    struct err err = {""};

    if (block_chain_open(&n, path, NULL, NULL, flags, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return n;
}

static void say(void *opaque, const char *line)
{
    fprintf(stderr, "%s\n", line);
}

/* leaks: whether they are allowed. */
static void check(struct block_node *n, bool leaks)
{
    struct block_check r = {.report = leaks ? NULL : say};
    struct err err;

    CHECK_EQ(n->ops->check(n, 0, &r, &err), 0);
    CHECK_EQ(r.errors + r.failures, 0);
    CHECK(leaks || !r.leaks);
}

/* Bytes in pieces of odd sizes, some of nothing. */
static unsigned cut(u8 *buf, u64 len, u32 *seed, struct iovec iov[700])
{
    unsigned n = 0;

    for (u64 at = 0; at < len; n++) {
        iov[n] = (struct iovec){buf + at, min_u64(draw(seed) % 5 * 29, len - at)};
        if (n == 698)
            iov[n].iov_len = len - at;
        at += iov[n].iov_len;
    }
    return n;
}

/* One step on the image and the array. */
static void step(struct block_node *n, u8 *model, u32 *seed, u32 i)
{
    static u8 buf[40000];
    static struct iovec iov[700];
    u64 off = draw(seed) % SIZE & ~(u64)(UNIT - 1), len = (draw(seed) % 70 + 1) * UNIT;
    unsigned count;

    len = min_u64(len, SIZE - off);
    memset(buf, (int)(i % 250 + 1), len);
    count = cut(buf, len, seed, iov);
    model_change(n, model, off, iov, count, draw(seed));
}

/* In pieces; and at once, where all that it takes is in memory. */
static void read_a_part(struct block_node *n, const u8 *model, u32 *seed, unsigned *at_once)
{
    static u8 back[40000];
    static struct iovec iov[700];
    u64 off = draw(seed) % SIZE, len = draw(seed) % sizeof(back) + 1;
    unsigned count;

    len = min_u64(len, SIZE - off);
    count = cut(back, len, seed, iov);
    CHECK_EQ(node_readv(n, off, iov, count), 0);
    CHECK(!memcmp(back, model + off, len));
    memset(back, 0xee, len);
    if (n->ops->read_now(n, off, iov, count))
        return;
    ++*at_once;
    CHECK(!memcmp(back, model + off, len));
}

static void like_an_array(const char *key, const char *value, bool snapshots)
{
    static u8 model[SIZE], kept[SIZE], back[SIZE];
    struct block_node *n;
    struct err err;
    u32 seed = 1;
    unsigned at_once = 0;

    memset(model, 0, SIZE);
    make(key, value);
    n = open_it(0);
    for (u32 i = 0; i < 300; i++) {
        step(n, model, &seed, i);
        CHECK_EQ(n->ops->read(n, 0, back, SIZE), 0);
        CHECK(!memcmp(back, model, SIZE));
        read_a_part(n, model, &seed, &at_once);
        if (snapshots && i == 100) {
            CHECK_EQ(n->ops->snapshot_create(n, "a", &err), 0);
            memcpy(kept, model, SIZE);
        }
        if (snapshots && i == 200) {
            CHECK_EQ(n->ops->snapshot_apply(n, "a", &err), 0);
            memcpy(model, kept, SIZE);
            CHECK_EQ(n->ops->snapshot_delete(n, "a", &err), 0);
        }
    }
    CHECK(at_once); /* zeros at least, on any host */
    node_close(n);
    n = open_it(OPEN_READ_ONLY);
    check(n, false);
    CHECK_EQ(n->ops->read(n, 0, back, SIZE), 0);
    CHECK(!memcmp(back, model, SIZE));
    node_close(n);
    unlink(path);
}

static void reads_back_what_was_written(void)
{
    like_an_array(NULL, NULL, true);
    like_an_array("cluster_size", "512", true);
    like_an_array("cluster_size", "4k", true);
    like_an_array("extended_l2", "on", true);
    like_an_array("compat", "0.10", true);
    like_an_array("refcount_bits", "1", false);
    like_an_array("refcount_bits", "64", true);
}

static u64 allocated(const struct block_node *n)
{
    return bfile_allocated(n->file);
}

/* But not what a snapshot still has. */
static void what_is_discarded_goes_back_to_the_host(void)
{
    static u8 buf[SIZE];
    struct block_node *n;
    struct err err;
    u64 before, full;

    memset(buf, 0x5a, SIZE);
    make(NULL, NULL);
    n = open_it(0);
    before = allocated(n);
    CHECK_EQ(n->ops->write(n, 0, buf, SIZE / 2), 0);
    CHECK_EQ(n->ops->snapshot_create(n, "a", &err), 0);
    CHECK_EQ(n->ops->write(n, SIZE / 2, buf, SIZE / 2), 0);
    CHECK_EQ(n->ops->flush(n), 0);
    full = allocated(n);
    CHECK(full >= before + SIZE);
    CHECK_EQ(n->ops->discard(n, 0, SIZE), 0);
    CHECK_EQ(n->ops->flush(n), 0);
    CHECK(allocated(n) <= full - SIZE / 4); /* less a new table */
    CHECK(allocated(n) >= before + SIZE / 2);
    CHECK_EQ(n->ops->snapshot_apply(n, "a", &err), 0);
    CHECK_EQ(n->ops->read(n, 0, buf, SIZE), 0);
    CHECK(buf[0] == 0x5a && buf[SIZE / 2 - 1] == 0x5a && buf[SIZE / 2] == 0);
    check(n, false);
    node_close(n);
    unlink(path);
}

static void losing_power_loses_nothing_flushed(void)
{
    power_is_lost(&(struct power){"qcow2", "cluster_size", "512", SIZE, 120});
    power_is_lost(&(struct power){"qcow2", "cluster_size", "4k", SIZE, 120});
    power_is_lost(&(struct power){"qcow2", "extended_l2", "on", SIZE, 120});
}

static int no_room(void *opaque, enum bfile_op op, u64 off, const u8 *buf, u64 len)
{
    unsigned *left = opaque;

    if (op != BFILE_WRITE && op != BFILE_ZERO)
        return 0;
    return *left ? --*left, 0 : -ENOSPC;
}

static void a_full_disk_is_told_and_harms_nothing(void)
{
    static u8 buf[8192];
    struct block_node *n;

    for (unsigned room = 0; room < 12; room++) {
        unsigned left = room;
        int rc = 0;
        make("cluster_size", "512");
        n = open_it(0);
        bfile_set_hook(n->file, no_room, &left);
        for (unsigned i = 0; i < 20 && !rc; i++) {
            memset(buf, (int)i + 1, sizeof(buf));
            rc = n->ops->write(n, i * 20000ull, buf, sizeof(buf));
            if (!rc)
                rc = n->ops->flush(n);
        }
        CHECK_EQ(-rc, ENOSPC);
        left = 100000;
        CHECK_EQ(n->ops->write(n, 400000, buf, sizeof(buf)), 0);
        CHECK_EQ(n->ops->flush(n), 0);
        node_close(n);
        n = open_it(OPEN_READ_ONLY);
        check(n, true);
        node_close(n);
        unlink(path);
    }
}

static void poke(u64 off, const void *bytes, size_t n)
{
    int fd = open(path, O_RDWR);

    CHECK_EQ(pwrite(fd, bytes, n, (off_t)off), n);
    close(fd);
}

static void refuse(unsigned flags, const char *why)
{
    struct block_node *n;
    struct err err = {""};
    int rc = block_chain_open(&n, path, "qcow2", NULL, flags, &err);

    CHECK(rc < 0);
    if (!rc)
        node_close(n);
    if (!strstr(err.text, why))
        fprintf(stderr, "'%s' lacks '%s'\n", err.text, why), test_failures++;
}

static void damaged_images_are_refused(void)
{
    static const u8 self[8] = {0x80, 0, 0, 0, 0, 3, 0, 0}, beyond[8] = {0x80, 0, 1};
    static const u8 huge[4] = {0x7f, 0xff, 0xff, 0xff}, one = 1, features[8] = {0x80};

    make(NULL, NULL);
    poke(3 * 64 * KiB, self, 8); /* level 1 entry 0: the level 1 table itself */
    refuse(0, "overlaps other metadata");
    poke(3 * 64 * KiB, beyond, 8);
    refuse(0, "level 2 table");
    unlink(path);
    make(NULL, NULL);
    poke(36, huge, 4);
    refuse(OPEN_READ_ONLY, "level 1 table is too large");
    unlink(path);
    make(NULL, NULL);
    poke(56, huge, 4);
    refuse(OPEN_READ_ONLY, "refcount table");
    unlink(path);
    make(NULL, NULL);
    poke(35, &one, 1);
    refuse(OPEN_READ_ONLY, "encrypted");
    unlink(path);
    make(NULL, NULL);
    poke(72, features, 8);
    refuse(OPEN_READ_ONLY, "needs unknown features");
    unlink(path);
}

/* The copied bit of no table says nothing. */
static void an_empty_level_1_entry_may_be_odd(void)
{
    static const u8 entry[8] = {0x80};
    u8 buf[512] = {1}, back[512];
    struct block_node *n;

    make(NULL, NULL);
    poke(3 * 64 * KiB, entry, 8);
    n = open_it(0);
    CHECK_EQ(n->ops->write(n, 0, buf, 512), 0);
    CHECK_EQ(n->ops->read(n, 0, back, 512), 0);
    CHECK(!memcmp(buf, back, 512));
    node_close(n);
    unlink(path);
}

/* An entry that points to the refcount table ends writing, and is named. */
static void metadata_is_not_overwritten(void)
{
    static const u8 entry[8] = {0x80, 0, 0, 0, 0, 1, 0, 0};
    u8 buf[512] = {1};
    struct block_node *n;

    make(NULL, NULL);
    n = open_it(0);
    CHECK_EQ(n->ops->write(n, 0, buf, 512), 0);
    node_close(n);
    poke(5 * 64 * KiB, entry, 8); /* the level 2 table follows the data */
    n = open_it(0);
    CHECK_EQ(-n->ops->write(n, 0, buf, 512), EIO);
    CHECK(strstr(n->fault, "holds metadata"));
    CHECK_EQ(-n->ops->write(n, 128 * KiB, buf, 512), EIO);
    node_close(n);
    unlink(path);
}

/* That bits [from, to) are the ones that are set in a bitmap of 512-byte granularity. */
static void check_bitmap(struct block_node *n, const char *name, u64 from, u64 to)
{
    struct err err = {""};
    u64 g = 0;
    u8 *dirty = NULL;

    CHECK_EQ(n->ops->bitmap_read(n, name, &g, &dirty, &err), 0);
    CHECK_EQ(g, 512);
    for (u64 i = 0; dirty && i < n->size / 512; i++)
        if ((dirty[i / 8] >> i % 8 & 1) != (i >= from && i < to)) {
            fprintf(stderr, "bitmap %s of %llu sectors: bit %llu\n", name,
                    (unsigned long long)n->size / 512, (unsigned long long)i);
            test_failures++;
            break;
        }
    free(dirty);
}

/* Both kinds of bitmaps: "on" follows writes, "off" no more. */
static void bitmaps_get_the_size_of_the_disk(void)
{
    static const u64 sizes[] = {SIZE + 12800, 9 * MiB, 1000 * 512, 64 * 512, SIZE};
    struct err err = {""};
    struct block_node *n;
    u8 buf[4096] = {1};
    u64 to = 908;

    make("cluster_size", "64k");
    n = open_it(0);
    CHECK_EQ(n->ops->bitmap_change(n, BITMAP_ADD, "on", 512, &err), 0);
    CHECK_EQ(n->ops->bitmap_change(n, BITMAP_ADD, "off", 512, &err), 0);
    CHECK_EQ(n->ops->write(n, 900 * 512, buf, sizeof(buf)), 0);
    CHECK_EQ(n->ops->bitmap_change(n, BITMAP_DISABLE, "off", 0, &err), 0);
    node_close(n);
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        n = open_it(0);
        CHECK_EQ(n->ops->resize(n, sizes[i], PREALLOC_OFF, &err), 0);
        if (sizes[i] < 908 * 512)
            to = 0;
        check_bitmap(n, "on", 900, to);
        node_close(n);
        n = open_it(OPEN_READ_ONLY);
        check(n, false);
        CHECK_EQ(n->size, sizes[i]);
        check_bitmap(n, "on", 900, to);
        check_bitmap(n, "off", 900, to);
        node_close(n);
    }
    n = open_it(0); /* and goes on following */
    CHECK_EQ(n->ops->write(n, SIZE - 512, buf, 512), 0);
    check_bitmap(n, "on", SIZE / 512 - 1, SIZE / 512);
    check_bitmap(n, "off", 0, 0);
    node_close(n);
    unlink(path);
}

int main(void)
{
    TEST_RUN(reads_back_what_was_written);
    TEST_RUN(what_is_discarded_goes_back_to_the_host);
    TEST_RUN(losing_power_loses_nothing_flushed);
    TEST_RUN(a_full_disk_is_told_and_harms_nothing);
    TEST_RUN(damaged_images_are_refused);
    TEST_RUN(an_empty_level_1_entry_may_be_odd);
    TEST_RUN(metadata_is_not_overwritten);
    TEST_RUN(bitmaps_get_the_size_of_the_disk);
    return test_result();
}
