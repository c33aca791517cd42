/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "p9/p9.h"
#include "../test.h"
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT 1u
#define NEW  2u

static struct client c;
static char top[64], path[128];

static const char *in_share(const char *name)
{
    snprintf(path, sizeof(path), "%s/share/%s", top, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");

    BUG_ON(!f);
    fputs(text, f);
    fclose(f);
}

/* A folder to share, and beside it a secret. */
static void start(bool read_only)
{
    struct p9_config cfg = {.path = path, .read_only = read_only};
    struct err err = {""};

    strcpy(top, "/tmp/domus-p9-XXXXXX");
    BUG_ON(!mkdtemp(top));
    snprintf(path, sizeof(path), "%s/secret", top);
    write_file(path, "secret");
    BUG_ON(mkdir(in_share(""), 0755));
    BUG_ON(mkdir(in_share("dir"), 0755));
    write_file(in_share("file"), "content");
    BUG_ON(symlink("..", in_share("up")) || symlink("../secret", in_share("leak")));
    in_share("");
    CHECK_EQ(p9_new(&c.p9, &cfg, &err), 0);
    CHECK_EQ(version(&c, 8192), 0);
    CHECK_EQ(attach(&c, ROOT), 0);
}

static void stop(void)
{
    char command[128];

    p9_free(c.p9);
    snprintf(command, sizeof(command), "rm -rf %s", top);
    BUG_ON(system(command) != 0);
}

static void reads_and_writes(void)
{
    struct stat st;

    start(false);
    CHECK_EQ(walk(&c, ROOT, NEW, "file"), 0);
    CHECK_EQ(get(&c, 2), 1);
    CHECK_EQ(open_fid(&c, NEW, O_RDWR), 0);
    CHECK_EQ(read_fid(&c, NEW, 3, 100), 0);
    CHECK_EQ(get(&c, 4), 4);
    CHECK(!memcmp(c.answer + c.at, "tent", 4));
    CHECK_EQ(read_fid(&c, NEW, 100, 100), 0);
    CHECK_EQ(get(&c, 4), 0);
    CHECK_EQ(write_fid(&c, NEW, 7, " more"), 0);
    CHECK_EQ(get(&c, 4), 5);
    CHECK_EQ(read_fid(&c, NEW, 0, UINT32_MAX), 0); /* as much as a message has room for */
    CHECK_EQ(get(&c, 4), 12);
    CHECK_EQ(clunk(&c, NEW), 0);
    CHECK_EQ(clunk(&c, NEW), EBADF);
    CHECK_EQ(walk(&c, ROOT, 3, "dir"), 0);
    CHECK_EQ(create(&c, 3, "new", O_RDWR | O_EXCL, 06755), 0);
    CHECK_EQ(write_fid(&c, 3, 0, "x"), 0);
    CHECK(!stat(in_share("dir/new"), &st) && st.st_size == 1);
    CHECK_EQ(st.st_mode & 07777, 0755); /* no set-user-ID */
    stop();
}

/* Each of these would leave the folder. */
static void nothing_outside(void)
{
    static const char *const names[] = {"../secret", "dir/../../secret", "/etc/passwd", "a/b"};

    start(false);
    for (unsigned n = 0; n < ARRAY_SIZE(names); n++) {
        CHECK_EQ(walk(&c, ROOT, NEW, names[n]), EINVAL);
        CHECK_EQ(walk(&c, ROOT, NEW, ""), 0);
        CHECK_EQ(create(&c, NEW, names[n], O_RDWR, 0600), EINVAL);
        CHECK_EQ(clunk(&c, NEW), 0);
    }
    CHECK_EQ(walk(&c, ROOT, NEW, "..|..|secret"), 0); /* the top is its own parent */
    CHECK_EQ(get(&c, 2), 2);
    CHECK_EQ(clunk(&c, NEW), EBADF); /* a walk that is not complete makes no fid */
    CHECK_EQ(walk(&c, ROOT, NEW, "up"), 0);
    CHECK_EQ(walk(&c, NEW, 3, "secret"), ELOOP);
    CHECK_EQ(open_fid(&c, NEW, O_RDONLY), ELOOP);
    CHECK_EQ(create(&c, NEW, "made", O_RDWR, 0600), ENOTDIR);
    CHECK_EQ(clunk(&c, NEW), 0);
    CHECK_EQ(walk(&c, ROOT, NEW, "leak"), 0);
    CHECK_EQ(open_fid(&c, NEW, O_RDONLY), ELOOP);
    CHECK_EQ(clunk(&c, NEW), 0);
    CHECK_EQ(walk(&c, ROOT, NEW, ""), 0);
    CHECK_EQ(create(&c, NEW, "leak", O_RDWR | O_TRUNC, 0600), ENXIO);
    stop();
}

/* The host's side exchanges a folder for a link under the client's feet. */
static void races_do_not_help(void)
{
    start(false);
    CHECK_EQ(walk(&c, ROOT, NEW, "dir"), 0);
    BUG_ON(rmdir(in_share("dir")) || symlink("..", in_share("dir")));
    CHECK_EQ(walk(&c, NEW, 3, "secret"), ELOOP);
    CHECK_EQ(create(&c, NEW, "made", O_RDWR, 0600), ENOTDIR);
    begin(&c, 76); /* unlinkat */
    put(&c, 4, NEW);
    put_text(&c, "secret");
    put(&c, 4, 0);
    CHECK_EQ(call(&c), ENOTDIR);
    snprintf(path, sizeof(path), "%s/secret", top);
    CHECK(!access(path, F_OK));
    stop();
}

static u32 make_node(const char *name, u32 mode)
{
    begin(&c, 18);
    put(&c, 4, ROOT);
    put_text(&c, name);
    put(&c, 4, mode);
    put(&c, 4, 1);
    put(&c, 4, 3);
    put(&c, 4, 0);
    return call(&c);
}

static void special_files(void)
{
    start(false);
    CHECK_EQ(make_node("null", S_IFCHR | 0666), EPERM);
    CHECK_EQ(make_node("disk", S_IFBLK | 0666), EPERM);
    CHECK_EQ(make_node("pipe", S_IFIFO | 0666), 0);
    CHECK_EQ(walk(&c, ROOT, NEW, "pipe"), 0);
    CHECK_EQ(open_fid(&c, NEW, O_RDONLY), ENXIO); /* and does not wait for a writer */
    CHECK_EQ(clunk(&c, NEW), 0);
    CHECK_EQ(walk(&c, ROOT, NEW, ""), 0);
    CHECK_EQ(create(&c, NEW, "pipe", O_RDWR, 0600), ENXIO);
    stop();
}

static void read_only_is(void)
{
    start(true);
    CHECK_EQ(walk(&c, ROOT, NEW, "file"), 0);
    CHECK_EQ(open_fid(&c, NEW, O_RDWR), EROFS);
    CHECK_EQ(open_fid(&c, NEW, O_RDONLY | O_TRUNC), EROFS);
    CHECK_EQ(open_fid(&c, NEW, O_RDONLY), 0);
    CHECK_EQ(write_fid(&c, NEW, 0, "x"), EROFS);
    CHECK_EQ(create(&c, ROOT, "x", O_RDONLY, 0600), EROFS);
    CHECK_EQ(make_node("pipe", S_IFIFO | 0666), EROFS);
    stop();
}

static void bounds(void)
{
    u32 n, rc = 0;

    start(false);
    for (n = 0; n < 1000 && !rc; n++) {
        CHECK_EQ(walk(&c, ROOT, 100 + n, "file"), 0);
        rc = open_fid(&c, 100 + n, O_RDONLY);
    }
    CHECK_EQ(rc, EMFILE);
    CHECK_EQ(version(&c, 8192), 0); /* closes all */
    CHECK_EQ(attach(&c, ROOT), 0);
    for (n = rc = 0; n < 1000000 && !rc; n++)
        rc = walk(&c, ROOT, 100 + n, "dir|..|dir");
    CHECK_EQ(rc, ENFILE);
    CHECK_EQ(clunk(&c, 100), 0);
    CHECK_EQ(walk(&c, ROOT, 100, "dir"), 0);
    stop();
}

static void messages_that_are_none(void)
{
    u8 small[8];

    start(false);
    CHECK_EQ(p9_serve(c.p9, c.message, 6, c.answer, 100), 0);
    begin(&c, 110);
    CHECK_EQ(p9_serve(c.p9, c.message, c.len, small, sizeof(small)), 0);
    CHECK_EQ(call(&c), EINVAL); /* no arguments */
    begin(&c, 99);
    CHECK_EQ(call(&c), EOPNOTSUPP);
    begin(&c, 30); /* extended attributes */
    CHECK_EQ(call(&c), EOPNOTSUPP);
    begin(&c, 14);
    put(&c, 4, ROOT);
    put(&c, 2, 60000); /* a name beyond the end */
    put(&c, 4, 0);
    CHECK_EQ(call(&c), EINVAL);
    CHECK_EQ(walk(&c, ROOT, ROOT + 1, "a|b|c|d|e|f|g|h|i|j|k|l|m|n|o|p|q"), EINVAL);
    CHECK_EQ(version(&c, 100), EINVAL);
    begin(&c, 100);
    put(&c, 4, 8192);
    put_text(&c, "9P2000.u");
    CHECK_EQ(call(&c), 0);
    CHECK(!memcmp(c.answer + 11, "\7\0unknown", 9));
    CHECK_EQ(attach(&c, ROOT), EOPNOTSUPP); /* no session */
    stop();
}

static u32 lock(u32 fid, u8 type, u64 from, u64 len, u32 owner)
{
    begin(&c, 52);
    put(&c, 4, fid);
    put(&c, 1, type);
    put(&c, 4, 0);
    put(&c, 8, from);
    put(&c, 8, len);
    put(&c, 4, owner);
    put_text(&c, "guest");
    CHECK_EQ(call(&c), 0);
    return (u32)get(&c, 1);
}

static void locks(void)
{
    start(false);
    CHECK_EQ(walk(&c, ROOT, 2, "file"), 0);
    CHECK_EQ(walk(&c, ROOT, 3, "file"), 0);
    CHECK_EQ(lock(2, 1, 0, 0, 10), 0); /* to the end */
    CHECK_EQ(lock(3, 0, 5, 1, 11), 1);
    CHECK_EQ(lock(2, 2, 5, 5, 10), 0); /* a hole */
    CHECK_EQ(lock(3, 0, 5, 5, 11), 0);
    CHECK_EQ(lock(3, 0, 4, 1, 11), 1);
    CHECK_EQ(lock(3, 0, 10, 1, 11), 1);
    CHECK_EQ(lock(2, 0, 5, 5, 10), 0); /* two readers */
    CHECK_EQ(lock(2, 1, 5, 5, 10), 1);
    begin(&c, 54);
    put(&c, 4, 3);
    put(&c, 1, 1);
    put(&c, 8, 2);
    put(&c, 8, 1);
    put(&c, 4, 11);
    put_text(&c, "guest");
    CHECK_EQ(call(&c), 0);
    CHECK_EQ(get(&c, 1), 1);
    CHECK_EQ(get(&c, 8), 0);
    CHECK_EQ(get(&c, 8), 5);
    CHECK_EQ(clunk(&c, 2), 0); /* gives them up */
    CHECK_EQ(lock(3, 1, 0, 0, 11), 0);
    stop();
}

static void renamed_with_what_is_in_it(void)
{
    start(false);
    CHECK_EQ(walk(&c, ROOT, NEW, "dir"), 0);
    CHECK_EQ(create(&c, NEW, "f", O_RDWR, 0600), 0);
    CHECK_EQ(walk(&c, ROOT, 3, "dir|f"), 0);
    begin(&c, 74);
    put(&c, 4, ROOT);
    put_text(&c, "dir");
    put(&c, 4, ROOT);
    put_text(&c, "other");
    CHECK_EQ(call(&c), 0);
    CHECK_EQ(open_fid(&c, 3, O_RDONLY), 0);
    begin(&c, 20); /* rename by fid */
    put(&c, 4, 3);
    put(&c, 4, ROOT);
    put_text(&c, "g");
    CHECK_EQ(call(&c), 0);
    CHECK(!access(in_share("g"), F_OK));
    begin(&c, 122); /* remove: by its name of now */
    put(&c, 4, NEW);
    CHECK_EQ(call(&c), 0);
    CHECK(access(in_share("g"), F_OK));
    begin(&c, 20);
    put(&c, 4, ROOT);
    put(&c, 4, ROOT);
    put_text(&c, "top");
    CHECK_EQ(call(&c), EBUSY);
    stop();
}

static void state_moves(void)
{
    static u8 packed[P9_STATE_LEN];

    start(false);
    CHECK_EQ(walk(&c, ROOT, NEW, "file"), 0);
    CHECK_EQ(open_fid(&c, NEW, O_RDWR | O_TRUNC), 0);
    CHECK_EQ(write_fid(&c, NEW, 0, "saved"), 0);
    CHECK_EQ(walk(&c, ROOT, 3, "dir"), 0);
    CHECK_EQ(create(&c, 3, "gone", O_RDWR, 0600), 0);
    p9_pack(c.p9, packed);
    p9_reset(c.p9);
    CHECK_EQ(read_fid(&c, NEW, 0, 100), EOPNOTSUPP);
    BUG_ON(unlink(in_share("dir/gone")));
    CHECK_EQ(p9_unpack(c.p9, packed), 0);
    CHECK_EQ(read_fid(&c, NEW, 0, 100), 0); /* opened again, not emptied again */
    CHECK_EQ(get(&c, 4), 5);
    CHECK_EQ(read_fid(&c, 3, 0, 100), ESTALE);
    p9_pack(c.p9, packed);
    for (u8 *at = packed; at < packed + 200; at++) /* a hostile state */
        if (!memcmp(at, "file", 4))
            memcpy(at, "../x", 4);
    CHECK_EQ(p9_unpack(c.p9, packed), -EINVAL);
    put_le32(packed, 1);
    CHECK_EQ(p9_unpack(c.p9, packed), -EINVAL);
    stop();
}

int main(void)
{
    TEST_RUN(reads_and_writes);
    TEST_RUN(nothing_outside);
    TEST_RUN(races_do_not_help);
    TEST_RUN(special_files);
    TEST_RUN(read_only_is);
    TEST_RUN(bounds);
    TEST_RUN(messages_that_are_none);
    TEST_RUN(locks);
    TEST_RUN(renamed_with_what_is_in_it);
    TEST_RUN(state_moves);
    return test_result();
}
