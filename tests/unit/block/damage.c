/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Images with one thing wrong: each is refused with a message that says what and where, to be read
 * or only to be written, or is read all the same. Nothing of it takes long.
 */
#include "../test.h"
#include "block/file.h"
#include "block/format.h"

#include <fcntl.h>
#include <unistd.h>

#define SIZE (4 * MiB)

static char path[] = "/tmp/domus-damage-XXXXXX";

/* How a file is damaged. */
struct damage {
    const char *format;
    u64 at;
    const char *bytes; /* that are put there, in hex; NULL: the file ends there */
    u64 from;          /* or: len bytes from there, if not 0 */
    unsigned len;
    const char *read, *write; /* what is said when it is opened so; NULL: it opens */
};

#define VHDX_BAT (3 * MiB)

static const struct damage damages[] = {
    {"vdi", 0x40, "00000000", .read = "no signature"},
    {"vdi", 0x44, "00000200", .read = "unknown version"},
    {"vdi", 0x170, "ffffffffffffff7f", .read = "disk's size is not possible"},
    {"vdi", 0x180, "ffffff07", .read = "map and data are not where they can be"},
    {"vdi", 512, "f0ffff7f", .read = "block 0 is at"},
    {"vdi", 512 + 4, .from = 512, .len = 4, .write = "block 1 at 0x400 lies on another block"},
    {"vdi", 600, .read = "is not in the file"},
    {"vdi", 520, .read = "block map cannot be read"},
    {"vpc", 512 + 44, "01", .read = "dynamic header's checksum is wrong"},
    {"vpc", 1536, "00ffffff", .read = "block 0 is at"},
    {"vpc", 1540, .from = 1536, .len = 4, .write = "block 1 at 0x800 lies on another block"},
    {"vpc", 400, .read = "no valid footer"},
    {"parallels", 28, "00000000", .read = "size of clusters"},
    {"parallels", 36, "ffffffffffffffff", .read = "disk's size is not possible"},
    {"parallels", 44, "596e6f74", .write = "was not closed properly"},
    {"parallels", 64, "ffffffff", .read = "block 0 is at"},
    {"parallels", 68, .from = 64, .len = 4, .write = "block 1 at"},
    {"vmdk", 4, "09", .read = "unknown version"},
    {"vmdk", 12, "ffffffffffffff7f", .read = "extent's size is not possible"},
    {"vmdk", 20, "0300", .read = "size of grains is not possible"},
    {"vmdk", 56, "ffffffffffff", .read = "grain directory is not in the file"},
    {"vmdk", 13312, "ffffff7f", .read = "grain table is not in the file (0xfffffffe00)"},
    {"vmdk", 10752, .from = 13312, .len = 4,
     .write = "a grain table at 0x3600 lies on a grain table"},
    {"vmdk", 13824, "ffffff7f", .read = "block 0 is at"},
    {"vmdk", 13828, .from = 13824, .len = 4, .write = "block 1 at 0x10000 lies on another block"},
    {"vmdk", 300, .read = "is not in the file"},
    {"qcow", 32, "05", .read = "cluster or table sizes"},
    {"qcow", 24, "7fffffffffffffff", .read = "disk's size is not possible"},
    {"qcow", 48, "00ffffffffffffff", .read = "level 2 table 0"},
    {"qcow", 48, "0000000000000000", .read = NULL},
    {"qcow", 56, .from = 48, .len = 8, .write = "block 512 at 0x1000 lies on another block"},
    {"qcow", 60, .read = "level 1 table is not in the file"},
    {"qcow2", 60, "ffffffff", .read = "snapshot"},
    {"qcow2", 36, "7fffffff", .read = "level 1 table is too large"},
    {"qcow2", 20, "05", .read = "cluster"},
    {"qcow2", 90, .read = "header"},
    {"vhdx", 0, "00", .read = "no signature"},
    {"vhdx", 64 * KiB + 40, "01", .read = NULL}, /* the other one is there */
    {"vhdx", 192 * KiB + 40, "01", .read = NULL},
    {"vhdx", 2 * MiB, "00", .read = "table of metadata is not valid"},
    {"vhdx", 2 * MiB + 32 + 16, "ffffffff", .read = "metadata is outside of its region"},
    {"vhdx", 2 * MiB + 64 * KiB, "00001200", .read = "size of blocks is not possible (0x120000)"},
    {"vhdx", 2 * MiB + 64 * KiB + 8, "0000000000800000", .read = "disk's size is not possible"},
    {"vhdx", 2 * MiB + 64 * KiB + 8, "0000000000200000", .read = "BAT is too small"},
    {"vhdx", VHDX_BAT, "0600000000000080", .read = "entry 0 of the BAT, 0x8000000000000006"},
    {"vhdx", VHDX_BAT, "04", .read = "entry 0 of the BAT"},
    {"vhdx", VHDX_BAT, "07", .read = "entry 0 of the BAT"},
    {"vhdx", VHDX_BAT, "0600100000000000", .write = "the log at 0x100000 lies on a block"},
    {"vhdx", VHDX_BAT, "0600300000000000", .write = "the BAT at 0x300000 lies on a block"},
    {"vhdx", VHDX_BAT + 8, .from = VHDX_BAT, .len = 8, .write = "block 1 at 0x400000 lies on"},
    {"vhdx", 64 * KiB, .read = "neither of the two headers"},
    {"vhdx", 192 * KiB, .read = "is not where it can be"},
};

/* Blocks 0 and 3 (of 1 MiB) have something in them. */
static void make(const char *format)
{
    const struct block_format *f = format_find(format);
    struct format_options o = {0};
    struct block_node *n = NULL;
    struct err err = {""};
    u8 buf[512] = {1};

    strcpy(path + sizeof(path) - 7, "XXXXXX");
    close(mkstemp(path));
    if (!strcmp(format, "vhdx"))
        CHECK_EQ(format_options_add(&o, "block_size", "1M", &err), 0);
    CHECK_EQ(f->create(path, SIZE, NULL, NULL, &o, &err), 0);
    format_options_free(&o);
    CHECK_EQ(block_chain_open(&n, path, format, NULL, 0, &err), 0);
    CHECK_EQ(n->ops->write(n, 0, buf, sizeof(buf)), 0);
    CHECK_EQ(n->ops->flush(n), 0); /* it is the first one in the file, too */
    CHECK_EQ(n->ops->write(n, 3 * MiB, buf, sizeof(buf)), 0);
    node_close(n);
}

static void apply(const struct damage *d)
{
    u8 bytes[64];
    size_t n = d->len;
    int fd = open(path, O_RDWR);

    if (d->from) {
        CHECK_EQ(pread(fd, bytes, n, (off_t)d->from), n);
    } else {
        n = d->bytes ? strlen(d->bytes) / 2 : 0;
        for (size_t i = 0; i < n; i++)
            CHECK_EQ(sscanf(d->bytes + 2 * i, "%2hhx", &bytes[i]), 1);
    }
    if (n)
        CHECK_EQ(pwrite(fd, bytes, n, (off_t)d->at), n);
    else
        CHECK_EQ(ftruncate(fd, (off_t)d->at), 0);
    close(fd);
}

static void look(const struct damage *d, unsigned flags, const char *want)
{
    struct block_node *n;
    struct err err = {""};
    u8 buf[512];

    if (!block_chain_open(&n, path, d->format, NULL, flags, &err)) {
        CHECK_EQ(n->ops->read(n, 0, buf, sizeof(buf)), 0);
        node_close(n);
        if (!want)
            return;
        fprintf(stderr, "%s, damaged at %#llx, opens; it should say: %s\n", d->format,
                (unsigned long long)d->at, want);
        test_failures++;
    } else if (!want || !strstr(err.text, want) || !strstr(err.text, path)) {
        fprintf(stderr, "%s, damaged at %#llx: \"%s\"; it should say: %s\n", d->format,
                (unsigned long long)d->at, err.text, want ? want : "nothing");
        test_failures++;
    }
}

static void each_damage_is_named(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
        const struct damage *d = &damages[i];
        make(d->format);
        apply(d);
        look(d, OPEN_READ_ONLY, d->read);
        look(d, 0, d->read ? d->read : d->write);
        unlink(path);
    }
}

struct counted {
    unsigned lines;
    char last[256];
};

static void count(void *opaque, const char *line)
{
    struct counted *c = opaque;

    c->lines++;
    snprintf(c->last, sizeof(c->last), "%s", line);
}

/* Two blocks at one place are an error that cannot be mended; a file that was left open can. */
static void a_check_says_what_opening_says(void)
{
    static const struct damage two = {"parallels", 68, .from = 64, .len = 4};
    static const struct damage left = {"parallels", 44, "596e6f74", .read = NULL};
    struct counted c = {0};
    struct block_check r = {.report = count, .opaque = &c};
    struct block_node *n = NULL;
    struct err err = {""};

    make("parallels");
    apply(&two);
    CHECK_EQ(block_chain_open(&n, path, "parallels", NULL, OPEN_FOR_REPAIR, &err), 0);
    CHECK_EQ(n->ops->check(n, CHECK_FIX_ERRORS, &r, &err), 0);
    CHECK_EQ(r.errors, 1);
    CHECK_EQ(r.errors_fixed, 0);
    CHECK_EQ(c.lines, 1);
    CHECK(strstr(c.last, "lies on another block") != NULL);
    node_close(n);
    unlink(path);
    make("parallels");
    apply(&left);
    CHECK_EQ(block_chain_open(&n, path, "parallels", NULL, OPEN_FOR_REPAIR, &err), 0);
    r = (struct block_check){.report = count, .opaque = &c};
    CHECK_EQ(n->ops->check(n, CHECK_FIX_ERRORS, &r, &err), 0);
    CHECK_EQ(r.errors_fixed, 1);
    node_close(n);
    look(&left, 0, NULL);
    unlink(path);
}

int main(void)
{
    TEST_RUN(each_damage_is_named);
    TEST_RUN(a_check_says_what_opening_says);
    return test_result();
}
