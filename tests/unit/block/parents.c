/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Differencing images of Microsoft's formats: blocks of which sectors are the parent's. */
#include "../test.h"
#include "base/be.h"
#include "base/le.h"
#include "block/file.h"
#include "block/format.h"

#include <fcntl.h>
#include <unistd.h>

#define SIZE  (5 * MiB)
#define BLOCK (2 * MiB)

static char folder[] = "/tmp/domus-parents-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[2][64];
    static unsigned which;

    which = !which;
    snprintf(path[which], sizeof(path[which]), "%s/%s", folder, name);
    return path[which];
}

static struct block_node *open_it(const char *name, const char *format, unsigned flags)
{
    struct block_node *n = NULL;
    struct err err = {""};

    if (block_chain_open(&n, path_of(name), format, NULL, flags, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return n;
}

static void fill(const char *name, const char *format, u64 off, u64 len, u8 value)
{
    struct block_node *n = open_it(name, format, 0);
    u8 *buf = malloc(len);

    memset(buf, value, len);
    CHECK_EQ(n->ops->write(n, off, buf, len), 0);
    node_close(n);
    free(buf);
}

/* A parent of ones, and a child whose first block is of twos. */
static void make_pair(const char *format)
{
    const struct block_format *f = format_find(format);
    struct format_options o = {0};
    struct err err = {""};

    strcpy(folder + sizeof(folder) - 7, "XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    CHECK_EQ(f->create(path_of("base"), SIZE, NULL, NULL, &o, &err), 0);
    fill("base", format, 0, SIZE, 1);
    CHECK_EQ(f->create(path_of("child"), SIZE, "base", format, &o, &err), 0);
    fill("child", format, 0, BLOCK, 2);
}

static void remove_pair(void)
{
    unlink(path_of("base"));
    unlink(path_of("child"));
    rmdir(folder);
}

static void patch(const void *bytes, size_t len, u64 at)
{
    int fd = open(path_of("child"), O_RDWR);

    CHECK_EQ(pwrite(fd, bytes, len, (off_t)at), len);
    close(fd);
}

static u64 be64_at(const void *p)
{
    return be64(p);
}

static u64 le64_at(const void *p)
{
    return le64(p);
}

static u64 get(u64 at, u64 (*decode)(const void *p))
{
    u8 e[8] = {0};
    int fd = open(path_of("child"), O_RDONLY);

    CHECK_EQ(pread(fd, e, sizeof(e), (off_t)at), sizeof(e));
    close(fd);
    return decode(e);
}

/* Of the first block only the sectors of this map, lowest bit first and again and again, are the
   child's: as another program would have left it. */
static void keep_vpc(u8 map)
{
    u8 bits[512], high = 0;
    u64 table = get(512 + 16, be64_at), block = get(table, be64_at) >> 32;

    for (unsigned i = 0; i < 8; i++)
        high |= (u8)((map >> i & 1) << (7 - i));
    memset(bits, high, sizeof(bits));
    patch(bits, sizeof(bits), block * 512);
}

static void keep_vhdx(u8 map)
{
    static const u64 bat = 3 * MiB, ratio = BIT64(23) * 512 / BLOCK, bitmap = 20 * MiB;
    static u8 bits[MiB];
    u8 e[8];

    put_le64(e, (get(bat, le64_at) & ~7ull) | 7);
    patch(e, sizeof(e), bat);
    put_le64(e, bitmap | 6);
    patch(e, sizeof(e), bat + 8 * ratio);
    memset(bits, map, sizeof(bits));
    patch(bits, sizeof(bits), bitmap);
}

static void check_sectors(struct block_node *n, u8 map, u64 from, u64 to)
{
    static u8 back[SIZE];

    CHECK_EQ(n->ops->read(n, 0, back, SIZE), 0);
    for (u64 at = from; at < to; at++)
        if (back[at] != (at < BLOCK && (map >> at / 512 % 8 & 1) ? 2 : 1)) {
            fprintf(stderr, "byte %#llx is %u\n", (unsigned long long)at, back[at]);
            test_failures++;
            return;
        }
}

static void one_has_sectors_of_both(const char *format, void (*keep)(u8 map))
{
    static const u8 map = 0x35;
    struct block_extent e;
    struct block_node *n;

    make_pair(format);
    keep(map);
    n = open_it("child", format, OPEN_READ_ONLY);
    check_sectors(n, map, 0, SIZE);
    CHECK_EQ(node_status(n, 512, BLOCK, &e), 0); /* sector 1 is the parent's, 2 is not */
    CHECK_EQ(e.len, 512);
    CHECK_EQ(e.flags, 0);
    CHECK_EQ(node_status(n, 1024, BLOCK, &e), 0);
    CHECK_EQ(e.len, 512);
    CHECK(e.flags & EXTENT_OFFSET);
    node_close(n);
    fill("child", format, 10000, 100, 9); /* now all of it is the child's */
    for (unsigned again = 0; again < 2; again++) {
        n = open_it("child", format, OPEN_READ_ONLY);
        check_sectors(n, map, 0, 10000);
        check_sectors(n, map, 10100, SIZE);
        if (again) {
            CHECK_EQ(node_status(n, 512, BLOCK, &e), 0);
            CHECK(e.flags & EXTENT_ALLOCATED);
        }
        node_close(n);
    }
    remove_pair();
}

static void a_child_has_sectors_of_both(void)
{
    one_has_sectors_of_both("vpc", keep_vpc);
    one_has_sectors_of_both("vhdx", keep_vhdx);
}

/* VHD has no mark of what was written, only of which image it is. */
static void a_parent_that_has_changed_is_refused(void)
{
    struct format_options o = {0};
    struct block_node *n;
    struct err err = {""};

    make_pair("vhdx");
    fill("base", "vhdx", 0, 512, 3);
    CHECK(block_chain_open(&n, path_of("child"), NULL, NULL, OPEN_READ_ONLY, &err) < 0);
    CHECK(strstr(err.text, "is not the backing file") != NULL);
    remove_pair();
    make_pair("vpc");
    fill("base", "vpc", BLOCK, 512, 1);
    n = open_it("child", NULL, OPEN_READ_ONLY);
    check_sectors(n, 0xff, 0, SIZE);
    node_close(n);
    CHECK_EQ(format_find("vpc")->create(path_of("base"), SIZE, NULL, NULL, &o, &err), 0);
    CHECK(block_chain_open(&n, path_of("child"), NULL, NULL, OPEN_READ_ONLY, &err) < 0);
    CHECK(strstr(err.text, "is not the backing file") != NULL);
    remove_pair();
}

static void a_parent_of_another_format_is_refused(void)
{
    struct format_options o = {0};
    struct err err = {""};

    make_pair("vpc");
    CHECK(format_find("vhdx")->create(path_of("child"), SIZE, "base", "vpc", &o, &err) < 0);
    CHECK(strstr(err.text, "must be of that format") != NULL);
    CHECK(format_find("vhdx")->create(path_of("child"), SIZE, "base", NULL, &o, &err) < 0);
    CHECK(strstr(err.text, "no signature") != NULL);
    remove_pair();
}

/* A footer with the type of a disk that has a parent, and its sum. */
static void put_forged(u8 *f)
{
    u32 sum = 0;

    put_be32(f + 60, 4);
    put_be32(f + 64, 0);
    for (unsigned i = 0; i < 512; i++)
        sum += f[i];
    put_be32(f + 64, ~sum);
}

/* What is at the end of a file that was not closed may be a guest's, and names no parent. */
static void a_footer_at_the_end_makes_no_parent(void)
{
    struct block_node *n;
    u8 footer[512];
    int fd;

    make_pair("vpc");
    fd = open(path_of("base"), O_RDWR);
    CHECK_EQ(pread(fd, footer, 512, 0), 512);
    put_forged(footer);
    CHECK_EQ(pwrite(fd, footer, 512, lseek(fd, 0, SEEK_END)), 512);
    close(fd);
    n = open_it("base", "vpc", OPEN_READ_ONLY | OPEN_NO_BACKING);
    CHECK(!n->backing_name);
    CHECK_EQ(n->size, SIZE);
    node_close(n);
    remove_pair();
}

int main(void)
{
    TEST_RUN(a_child_has_sectors_of_both);
    TEST_RUN(a_parent_that_has_changed_is_refused);
    TEST_RUN(a_parent_of_another_format_is_refused);
    TEST_RUN(a_footer_at_the_end_makes_no_parent);
    return test_result();
}
