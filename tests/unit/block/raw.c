/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Raw images: one whose format was guessed does not become one of another format; flushes. */
#include "../test.h"
#include "base/be.h"
#include "block/driver.h"
#include "block/file.h"
#include "block/format.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define SIZE  (64 * KiB)
#define LONG  (128 * MiB)
#define MAGIC 0x514649fbu /* of qcow2 */

static struct block_node *open_new(const char *format, unsigned flags)
{
    char path[] = "/tmp/domus-raw-XXXXXX";
    struct block_node *n = NULL;
    struct err err;
    int fd = mkstemp(path);

    CHECK(fd >= 0 && !ftruncate(fd, SIZE));
    close(fd);
    CHECK_EQ(block_chain_open(&n, path, format, NULL, flags, &err), 0);
    unlink(path);
    return n;
}

static struct block_node *open_guessed(const char *format)
{
    return open_new(format, 0);
}

static void put_magic(u8 *buf)
{
    put_be32(buf, MAGIC);
    put_be32(buf + 4, 3);
}

static void it_keeps_its_format(void)
{
    struct block_node *n = open_guessed(NULL);
    u8 buf[2048] = {0};
    struct iovec iov[] = {{buf, 512}, {buf + 512, 1536}};

    put_magic(buf);
    CHECK_EQ(n->ops->write(n, 0, buf, sizeof(buf)), -EPERM);
    CHECK_EQ(node_writev(n, 0, iov, 2), -EPERM);
    CHECK_EQ(n->ops->write(n, 0, buf, 3), 0); /* and the rest */
    CHECK_EQ(n->ops->write(n, 3, buf + 3, 5), -EPERM);
    CHECK_EQ(n->ops->write(n, BLOCK_SECTOR, buf, sizeof(buf)), 0);
    node_close(n);

    n = open_guessed("raw");
    CHECK_EQ(n->ops->write(n, 0, buf, sizeof(buf)), 0);
    node_close(n);
}

/* The guest changes its memory between a look at it and the write. */
static int change(void *opaque, enum bfile_op op, u64 off, const u8 *buf, u64 len)
{
    if (op == BFILE_WRITE)
        put_magic(opaque);
    return 0;
}

static void what_was_looked_at_is_written(void)
{
    struct block_node *n = open_guessed(NULL);
    u8 memory[32 * KiB] = {0}, buf[BLOCK_SECTOR];
    struct iovec whole = {memory, sizeof(memory)};

    bfile_set_hook(n->file, change, memory);
    CHECK_EQ(n->ops->write(n, 0, memory, sizeof(memory)), 0);
    memset(memory, 0, 8);
    CHECK_EQ(node_writev(n, 0, &whole, 1), 0);
    bfile_set_hook(n->file, NULL, NULL);
    CHECK_EQ(n->ops->read(n, 0, buf, sizeof(buf)), 0);
    CHECK(is_all_zero(buf, sizeof(buf)));
    node_close(n);
}

static unsigned syncs;

/* In place of the C library's. */
int fdatasync(int fd)
{
    syncs++;
    return fcntl(fd, F_GETFD) < 0 ? -1 : 0;
}

static u64 put_end;

int sync_file_range(int fd, off_t off, off_t len, unsigned flags)
{
    CHECK_EQ(flags, SYNC_FILE_RANGE_WRITE);
    CHECK_EQ(off, put_end);
    put_end = (u64)(off + len);
    return 0;
}

static void write_in_a_row(struct block_node *n, u64 step)
{
    static u8 buf[MiB];

    for (u64 at = 0; at < LONG; at += step)
        CHECK_EQ(n->ops->write(n, at, buf, step), 0);
}

static void long_writes_are_put_to_the_disk_meanwhile(void)
{
    struct block_node *n = open_new("raw", 0);

    CHECK_EQ(n->ops->resize(n, LONG, PREALLOC_OFF, &(struct err){0}), 0);
    write_in_a_row(n, 4 * KiB);
    CHECK_EQ(put_end, 0);
    write_in_a_row(n, MiB);
    CHECK_EQ(put_end, LONG - 64 * MiB);
    node_close(n);

    put_end = 0;
    n = open_new("raw", OPEN_UNSYNCED);
    CHECK_EQ(n->ops->resize(n, LONG, PREALLOC_OFF, &(struct err){0}), 0);
    write_in_a_row(n, MiB);
    CHECK_EQ(put_end, 0);
    node_close(n);
}

static void flushes_reach_the_host(void)
{
    struct block_node *n = open_new("raw", 0);

    CHECK_EQ(n->ops->flush(n), 0);
    CHECK_EQ(syncs, 1);
    node_close(n);

    syncs = 0;
    n = open_new("raw", OPEN_UNSYNCED);
    CHECK_EQ(n->ops->write(n, 0, (const u8 *)"text", 4), 0);
    CHECK_EQ(n->ops->flush(n), 0);
    node_close(n);
    CHECK_EQ(syncs, 0);
}

int main(void)
{
    TEST_RUN(it_keeps_its_format);
    TEST_RUN(what_was_looked_at_is_written);
    TEST_RUN(flushes_reach_the_host);
    TEST_RUN(long_writes_are_put_to_the_disk_meanwhile);
    return test_result();
}
