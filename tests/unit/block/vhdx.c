/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VHDX' log: what a process leaves that dies between the log and the place it is for. */
#include "../test.h"
#include "base/crc32c.h"
#include "base/le.h"
#include "block/file.h"
#include "block/format.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define SIZE    (3 * MiB)
#define LOG     MiB
#define BAT     (3 * MiB)
#define HEADERS (64 * KiB)

static char path[] = "/tmp/domus-vhdx-XXXXXX";

static struct block_node *open_it(unsigned flags)
{
    struct block_node *n = NULL;
    struct err err = {""};

    if (block_chain_open(&n, path, "vhdx", NULL, flags, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return n;
}

static void refused(unsigned flags, const char *want)
{
    struct block_node *n = NULL;
    struct err err = {""};

    if (!block_chain_open(&n, path, "vhdx", NULL, flags, &err))
        node_close(n);
    if (!strstr(err.text, want)) {
        fprintf(stderr, "\"%s\"; it should say: %s\n", err.text, want);
        test_failures++;
    }
}

static void file_io(bool write, u64 at, void *buf, size_t len)
{
    int fd = open(path, O_RDWR);

    CHECK_EQ(write ? pwrite(fd, buf, len, (off_t)at) : pread(fd, buf, len, (off_t)at), len);
    close(fd);
}

static u64 get(u64 at)
{
    u8 e[8];

    file_io(false, at, e, sizeof(e));
    return le64(e);
}

/* From the BAT's first write on nothing reaches the file. */
static int die_at_bat(void *opaque, enum bfile_op op, u64 off, const u8 *buf, u64 len)
{
    bool *dead = opaque;

    if (op == BFILE_WRITE && off == BAT)
        *dead = true;
    return *dead && op != BFILE_READ ? -EIO : 0;
}

/* Block 1 is written and in the log; its entry in the BAT is not. */
static void leave_log(void)
{
    struct format_options o = {0};
    struct err err = {""};
    struct block_node *n;
    bool dead = false;
    u8 buf[4096];

    strcpy(path + sizeof(path) - 7, "XXXXXX");
    close(mkstemp(path));
    CHECK_EQ(format_options_add(&o, "block_size", "1M", &err), 0);
    CHECK_EQ(format_find("vhdx")->create(path, SIZE, NULL, NULL, &o, &err), 0);
    format_options_free(&o);
    n = open_it(0);
    bfile_set_hook(n->file, die_at_bat, &dead);
    memset(buf, 7, sizeof(buf));
    CHECK_EQ(n->ops->write(n, MiB, buf, sizeof(buf)), 0);
    CHECK_EQ(-n->ops->flush(n), EIO);
    node_close(n);
    CHECK_EQ(get(BAT + 8), 0);
}

static void check_contents(unsigned flags)
{
    struct block_node *n = open_it(flags);
    struct block_info info = {0};
    u8 buf[4096];

    n->ops->info(n, &info);
    CHECK_EQ(info.dirty, flags & OPEN_READ_ONLY);
    CHECK_EQ(n->ops->read(n, MiB, buf, sizeof(buf)), 0);
    CHECK(buf[0] == 7 && buf[4095] == 7);
    CHECK_EQ(n->ops->read(n, 0, buf, sizeof(buf)), 0);
    CHECK(is_all_zero(buf, sizeof(buf)));
    node_close(n);
}

static void a_log_is_replayed(void)
{
    static u8 before[5 * MiB], after[5 * MiB];

    leave_log();
    file_io(false, 0, before, sizeof(before));
    check_contents(OPEN_READ_ONLY); /* and the file stays as it is */
    file_io(false, 0, after, sizeof(after));
    CHECK(!memcmp(before, after, sizeof(after)));
    check_contents(0);
    CHECK_EQ(get(BAT + 8) & 7, 6);
    for (unsigned i = 1; i < 3; i++) {
        CHECK_EQ(get(i * HEADERS + 48), 0); /* the log is empty in both headers */
        CHECK_EQ(get(i * HEADERS + 56), 0);
    }
    unlink(path);
}

/* An entry that is not whole was never written; if none is, the log is lost. */
static void a_torn_entry_does_not_count(void)
{
    struct block_node *n;
    u8 buf[512], bad = 0x55;

    leave_log();
    CHECK_EQ(get(LOG + 4096) & 0xffffffff, 0x65676f6c); /* "loge" */
    file_io(true, LOG + 3 * 4096 - 100, &bad, 1);
    n = open_it(OPEN_READ_ONLY);
    CHECK_EQ(n->ops->read(n, MiB, buf, sizeof(buf)), 0);
    CHECK(is_all_zero(buf, sizeof(buf)));
    node_close(n);
    file_io(true, LOG + 60, &bad, 1);
    refused(OPEN_READ_ONLY, "no entry of the log is valid");
    refused(0, "no entry of the log is valid");
    unlink(path);
}

static void fix_sum(u64 at, u32 len)
{
    u8 e[8192];

    BUG_ON(len > sizeof(e));
    file_io(false, at, e, len);
    put_le32(e + 4, 0);
    put_le32(e + 4, crc32c(0, e, len));
    file_io(true, at, e, len);
}

static void hostile_logs_are_refused(void)
{
    static const struct {
        u64 at;
        u64 value;
        const char *want;
    } fields[] = {
        {48, 64 * MiB, "it is cut short"},           /* FlushedFileOffset */
        {56, BIT64(60), "too long"},                 /* LastFileOffset */
        {12, 8192, "lost its start"},                /* Tail */
        {64 + 16, 4096, "writes where it must not"}, /* a descriptor's FileOffset: the headers */
        {64 + 16, LOG, "writes where it must not"},
        {64 + 16, BIT64(50), "writes where it must not"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        u8 e[8];
        leave_log();
        put_le64(e, fields[i].value);
        file_io(true, LOG + 4096 + fields[i].at, e, fields[i].at == 12 ? 4 : 8);
        fix_sum(LOG + 4096, 8192);
        refused(OPEN_READ_ONLY, fields[i].want);
        refused(0, fields[i].want);
        unlink(path);
    }
}

int main(void)
{
    TEST_RUN(a_log_is_replayed);
    TEST_RUN(a_torn_entry_does_not_count);
    TEST_RUN(hostile_logs_are_refused);
    return test_result();
}
