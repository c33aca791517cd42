/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A folder as a disk: files as they are, and what becomes of those that change meanwhile. */
#include "../test.h"
#include "base/le.h"
#include "block/block.h"
#include "block/file.h"
#include "block/format.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/domus-fat-XXXXXX";
static struct err err;

static const char *path_of(const char *name)
{
    static char path[2][512];
    static unsigned which;

    which = !which;
    snprintf(path[which], sizeof(path[which]), "%s/%s", folder, name);
    return path[which];
}

static void start(void)
{
    strcpy(folder + sizeof(folder) - 7, "XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
}

static void stop(void)
{
    char command[64];

    snprintf(command, sizeof(command), "rm -rf %s", folder);
    CHECK_EQ(system(command), 0);
}

/* A file of `size` bytes, each the number of its sector. */
static void put(const char *name, u64 size)
{
    int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    u8 *data = malloc(size + 1);

    for (u64 i = 0; i < size; i++)
        data[i] = (u8)(i / 512 + 1);
    CHECK_EQ(write(fd, data, size), size);
    close(fd);
    free(data);
}

static int try_open(struct bfile **f, const char *how)
{
    char name[128];

    snprintf(name, sizeof(name), "fat:%s%s", how, folder);
    return bfile_open(f, name, 0, &err);
}

static struct bfile *open_it(const char *how)
{
    struct bfile *f = NULL;

    if (try_open(&f, how)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return f;
}

/* Where the data of the root's only file is: of a disk with partitions and FAT16. */
static u64 data_of(struct bfile *f, const char *name)
{
    u8 sector[512], root[512];
    u64 volume, at;

    CHECK_EQ(bfile_read(f, 0, sector, 512), 0);
    volume = le32(sector + 446 + 8);
    CHECK_EQ(volume, 63);
    CHECK_EQ(bfile_read(f, volume * 512, sector, 512), 0);
    at = volume + le16(sector + 14) + 2 * le16(sector + 22);
    CHECK_EQ(bfile_read(f, at * 512, root, 512), 0);
    at += le16(sector + 17) * 32 / 512;
    for (unsigned e = 0; e < 512; e += 32)
        if (!memcmp(root + e, name, 11))
            return (at + (le16(root + e + 26) - 2) * sector[13]) * 512;
    CHECK(!"the file is in the root");
    return 0;
}

static void a_file_is_read_through(void)
{
    struct bfile *f;
    u8 buf[8192];
    u64 at;

    start();
    put("DATA.BIN", 5000);
    f = open_it("");
    CHECK(bfile_read_only(f));
    CHECK_EQ(bfile_size(f), 1024 * 16 * 63 * 512);
    at = data_of(f, "DATA    BIN");
    CHECK_EQ(bfile_read(f, at, buf, 8192), 0);
    CHECK(buf[0] == 1 && buf[4999] == 10);
    CHECK(is_all_zero(buf + 5000, 8192 - 5000));
    CHECK_EQ(bfile_write(f, at, buf, 512), (unsigned long long)-EROFS);
    bfile_close(f);
    stop();
}

/* Any piece reads as it does in the whole. */
static void pieces_are_as_the_whole(void)
{
    static const char *const how[] = {"floppy:", "12:floppy:", "16:floppy:", "12:", "32:"};
    u8 *whole = malloc(3 * MiB), *buf = malloc(MiB);
    u32 seed = 7;

    start();
    put("DATA.BIN", 100000);
    put("a long name.text", 777);
    CHECK_EQ(mkdir(path_of("sub"), 0755), 0);
    put("sub/UPPER", 600000);
    for (unsigned i = 0; i < ARRAY_SIZE(how); i++) {
        struct bfile *f = open_it(how[i]);
        u64 size = min_u64(bfile_size(f), 3 * MiB);
        CHECK_EQ(bfile_read(f, 0, whole, size), 0);
        for (unsigned n = 0; n < 300; n++) {
            u64 off, len;
            seed = seed * 1664525 + 1013904223;
            off = (seed >> 4) % size;
            len = min_u64(1 + (seed >> 9) % 70000, size - off);
            CHECK_EQ(bfile_read(f, off, buf, len), 0);
            CHECK(!memcmp(buf, whole + off, len));
        }
        bfile_close(f);
    }
    free(whole);
    free(buf);
    stop();
}

/* What has happened to the file when it is read. */
static void check_change(const char *what, void (*change)(void))
{
    struct bfile *f;
    u8 buf[512];
    u64 at;

    start();
    put("DATA.BIN", 5000);
    f = open_it("");
    at = data_of(f, "DATA    BIN");
    change();
    if (!bfile_read(f, at, buf, 512)) {
        fprintf(stderr, "%s: no error\n", what);
        test_failures++;
    }
    CHECK_EQ(bfile_read(f, 0, buf, 512), 0); /* the rest is there */
    bfile_close(f);
    stop();
}

static void vanish(void)
{
    unlink(path_of("DATA.BIN"));
}

static void shrink(void)
{
    CHECK_EQ(truncate(path_of("DATA.BIN"), 100), 0);
}

static void replace(void)
{
    put("other", 5000);
    CHECK_EQ(rename(path_of("other"), path_of("DATA.BIN")), 0);
}

static void become_link(void)
{
    put("other", 5000);
    vanish();
    CHECK_EQ(symlink("other", path_of("DATA.BIN")), 0);
}

static void become_pipe(void)
{
    vanish();
    CHECK_EQ(mkfifo(path_of("DATA.BIN"), 0644), 0);
}

static void what_has_changed_is_an_error(void)
{
    check_change("vanished", vanish);
    check_change("shrunk", shrink);
    check_change("replaced", replace);
    check_change("a link now", become_link);
    check_change("a pipe now", become_pipe);
}

static void links_are_left_out(void)
{
    struct bfile *f;
    u8 root[512];

    start();
    CHECK_EQ(symlink("/etc", path_of("LINK")), 0);
    CHECK_EQ(mkfifo(path_of("PIPE"), 0644), 0);
    f = open_it("floppy:");
    CHECK_EQ(bfile_read(f, (1 + 2 * 9) * 512, root, 512), 0);
    CHECK(!memcmp(root, "DOMUS VVFAT\x08", 12));
    CHECK(is_all_zero(root + 32, 512 - 32));
    bfile_close(f);
    stop();
}

static void refuse(const char *how, const char *says)
{
    struct bfile *f;

    if (!try_open(&f, how)) {
        bfile_close(f);
        fprintf(stderr, "%s: opened\n", how);
        test_failures++;
    } else if (!strstr(err.text, says)) {
        fprintf(stderr, "%s: %s\n", how, err.text);
        test_failures++;
    }
}

static void refusals(void)
{
    struct bfile *f;

    start();
    refuse("rw:", "--share");
    refuse("floppy:rw:", "--share");
    refuse("32:floppy:", "no floppy disks with FAT32");
    refuse("no", "No such file");
    put("large", 0);
    CHECK_EQ(truncate(path_of("large"), 5000000000), 0);
    refuse("", "larger than 4 GiB");
    CHECK_EQ(truncate(path_of("large"), 4000000000), 0);
    refuse("16:", "does not fit");
    CHECK_EQ(try_open(&f, ""), 0); /* FAT32, as large as it takes */
    CHECK(bfile_size(f) > 4000000000);
    bfile_close(f);
    stop();
}

/* Names that differ in what FAT does not keep are all there, by short names of their own. */
static void names_are_told_apart(void)
{
    u8 root[16 * 1024];
    struct bfile *f;
    unsigned found = 0;
    char name[64];

    start();
    for (unsigned i = 0; i < 60; i++) {
        snprintf(name, sizeof(name), "the same start %u.text", i);
        put(name, 1);
    }
    f = open_it("floppy:");
    CHECK_EQ(bfile_read(f, (1 + 2 * 9) * 512, root, 240 * 32), 0);
    for (unsigned a = 0; a < 240 * 32; a += 32) {
        if (root[a + 11] != 0x20)
            continue;
        found++;
        for (unsigned b = 0; b < a; b += 32)
            CHECK(root[b + 11] != 0x20 || memcmp(root + a, root + b, 11));
    }
    CHECK_EQ(found, 60);
    bfile_close(f);
    stop();
}

/* The short names in the root of a floppy disk, and whether there is a long one ahead of each. */
static void check_names(const char *const *want, unsigned count)
{
    u8 root[240 * 32];
    struct bfile *f = open_it("floppy:");
    unsigned n = 0;

    CHECK_EQ(bfile_read(f, (1 + 2 * 9) * 512, root, sizeof(root)), 0);
    for (unsigned at = 32; at < sizeof(root) && root[at]; at += 32) {
        char got[13];
        if (root[at + 11] == 0x0f)
            continue;
        snprintf(got, sizeof(got), "%.11s%c", (const char *)root + at,
                 root[at - 21] == 0x0f ? '+' : ' ');
        CHECK(n < count && !strcmp(got, want[n]));
        if (n < count && strcmp(got, want[n]))
            fprintf(stderr, "'%s', not '%s'\n", got, want[n]);
        n++;
    }
    CHECK_EQ(n, count);
    bfile_close(f);
}

static void short_names(void)
{
    static const char *const want[] = {
        "_AB_    TXT+", "BASHRC~1   +", "CASE        ", "FOOBAR~1TXT+", "PLAIN   TXT ",
        "CASE~1      ", "FOOBAR~2TXT ", "LOWER   TXT+", "N_~1    X   ", "SPACE~1 XY +",
    };

    start();
    put(".bashrc", 1);
    put("CASE", 1);
    put("Foobarbaz.txt", 1);
    put("PLAIN.TXT", 1);
    put("\x01"
        "ab?.txt",
        1);
    put("case", 1);         /* only the short name tells it from the other */
    put("foobar~1.txt", 1); /* the name of another one by now */
    put("lower.txt", 1);
    put("n\xc3.x", 1); /* no UTF-8 */
    put("sp ace.x y", 1);
    check_names(want, ARRAY_SIZE(want));
    stop();
}

/* An image's backing file is never a folder. */
static void no_image_leads_to_a_folder(void)
{
    struct format_options o = {0};
    struct block_node *n;
    char backing[128];

    start();
    snprintf(backing, sizeof(backing), "fat:%s", folder);
    CHECK_EQ(format_find("qcow2")->create(path_of("image"), MiB, backing, "raw", &o, &err), 0);
    CHECK(block_chain_open(&n, path_of("image"), "qcow2", NULL, OPEN_ANY_BACKING, &err) != 0);
    CHECK(strstr(err.text, "not a file's name"));
    stop();
}

int main(void)
{
    TEST_RUN(a_file_is_read_through);
    TEST_RUN(pieces_are_as_the_whole);
    TEST_RUN(what_has_changed_is_an_error);
    TEST_RUN(links_are_left_out);
    TEST_RUN(refusals);
    TEST_RUN(names_are_told_apart);
    TEST_RUN(short_names);
    TEST_RUN(no_image_leads_to_a_folder);
    return test_result();
}
