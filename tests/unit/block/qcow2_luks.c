/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Encrypted qcow2 images: like an array, with any options and any pieces; headers that are wrong.
 */
#include "base/be.h"
#include "model.h"
#include "power.h"

#include <errno.h>
#include <pthread.h>

#define SIZE (512 * KiB + 1536)

static char folder[] = "/tmp/domus-q2l-XXXXXX";
static struct err err;

/* Beside all others of this test. */
static char *name_of(const char *file)
{
    static char name[4][64];
    static unsigned which;

    which = (which + 1) % 4;
    snprintf(name[which], sizeof(name[which]), "%s/%s", folder, file);
    return name[which];
}

static void put_file(const char *file, const u8 *data, size_t n)
{
    int fd = open(name_of(file), O_WRONLY | O_CREAT | O_TRUNC, 0600);

    CHECK_EQ(write(fd, data, n), n);
    close(fd);
}

static void start(void)
{
    strcpy(folder + sizeof(folder) - 7, "XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    put_file("key", (const u8 *)"open sesame", 11);
    put_file("other", (const u8 *)"open sesame\n", 12);
}

static void stop(void)
{
    static const char *const files[] = {"key", "other", "image", "backing", "data"};

    for (unsigned i = 0; i < ARRAY_SIZE(files); i++)
        unlink(name_of(files[i]));
    CHECK_EQ(rmdir(folder), 0);
}

/* more: key, value, …, NULL. */
static int try_make(const char *const *more, const char *backing)
{
    struct format_options o = {0};
    int rc;

    CHECK_EQ(format_options_add(&o, "encrypt.format", "luks", &err), 0);
    CHECK_EQ(format_options_add(&o, "encrypt.key-file", name_of("key"), &err), 0);
    CHECK_EQ(format_options_add(&o, "encrypt.iter-time", "1", &err), 0);
    for (; more && *more; more += 2)
        CHECK_EQ(format_options_add(&o, more[0], more[1], &err), 0);
    rc = format_find("qcow2")->create(name_of("image"), SIZE, backing, backing ? "raw" : NULL, &o,
                                      &err);
    format_options_free(&o);
    return rc;
}

static void make(const char *const *more)
{
    if (try_make(more, NULL)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
}

static struct block_node *open_locked(void)
{
    struct block_node *n = NULL;

    if (block_chain_open(&n, name_of("image"), NULL, NULL, 0, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return n;
}

static struct block_node *open_it(void)
{
    struct block_node *n = open_locked();

    CHECK(n->encrypted);
    CHECK_EQ(block_unlock(n, name_of("key"), &err), 0);
    return n;
}

static void say(void *opaque, const char *line)
{
    fprintf(stderr, "%s\n", line);
}

static void check_closed(void)
{
    struct block_check r = {.report = say};
    struct block_node *n = open_locked(); /* a check needs no password */

    CHECK_EQ(n->ops->check(n, 0, &r, &err), 0);
    CHECK_EQ(r.errors + r.failures + r.leaks, 0);
    node_close(n);
}

static void only_by_the_password(void)
{
    struct block_node *n;
    u8 buf[512] = {0};

    start();
    make(NULL);
    n = open_locked();
    CHECK(block_is_encrypted(n));
    CHECK_EQ(n->ops->read(n, 0, buf, 512), (unsigned long long)-EACCES);
    CHECK_EQ(n->ops->write(n, 0, buf, 512), (unsigned long long)-EACCES);
    CHECK_EQ(n->ops->write(n, 3, buf, 5), (unsigned long long)-EACCES);
    CHECK_EQ(n->ops->zero(n, 0, 512), (unsigned long long)-EACCES);
    CHECK_EQ(block_unlock(n, NULL, &err), (unsigned long long)-EACCES);
    CHECK(strstr(err.text, "is encrypted"));
    CHECK_EQ(block_unlock(n, name_of("other"), &err), (unsigned long long)-EACCES);
    CHECK(strstr(err.text, "opens none of its key slots"));
    CHECK_EQ(block_unlock(n, name_of("key"), &err), 0);
    CHECK_EQ(n->ops->write(n, 0, buf, 512), 0);
    CHECK_EQ(n->ops->write_compressed(n, 0, buf, 512), (unsigned long long)-ENOTSUP);
    node_close(n);
    check_closed();
    stop();
}

/* One step on the image and the array, at any bytes. */
static void step(struct block_node *n, u8 *model, u32 *seed, u32 i)
{
    static u8 buf[90000];
    u64 off = draw(seed) % SIZE, len = draw(seed) % (i % 5 ? 3000 : sizeof(buf)) + 1;

    if (i % 3 == 0) {
        off = off / 512 * 512;
        len = align_up(len, 512);
    }
    len = min_u64(min_u64(len, sizeof(buf)), SIZE - off);
    memset(buf, (int)(i % 250 + 1), len);
    model_change(n, model, off, &(struct iovec){buf, len}, 1, draw(seed));
}

static void steps(u8 *model, u32 from, u32 count)
{
    struct block_node *n = open_it();
    u8 *buf = malloc(SIZE);
    u32 seed = from + 1;

    for (u32 i = from; i < from + count; i++)
        step(n, model, &seed, i);
    CHECK_EQ(n->ops->read(n, 0, buf, SIZE), 0);
    CHECK(!memcmp(buf, model, SIZE));
    node_close(n);
    n = open_it();
    for (u64 off = 0; off < SIZE; off += 7777) { /* another way to cut it */
        u64 len = min_u64(7777, SIZE - off);
        CHECK_EQ(n->ops->read(n, off, buf, len), 0);
        CHECK(!memcmp(buf, model + off, len));
    }
    node_close(n);
    free(buf);
    check_closed();
}

static const char *const variants[][5] = {
    {"cluster_size", "512", NULL},
    {"cluster_size", "64k", "encrypt.cipher-alg", "aes-128", NULL},
    {"cluster_size", "16k", "extended_l2", "on", NULL},
    {"compat", "0.10", "cluster_size", "4k", NULL},
    {"data_file", "data", NULL},
    {"cluster_size", "2M", "encrypt.hash-alg", "sha1", NULL},
    {"preallocation", "metadata", "cluster_size", "4k", NULL},
    {"preallocation", "full", NULL},
    {"preallocation", "falloc", "extended_l2", "on", NULL},
};

static void like_an_array(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(variants); i++) {
        u8 *model = calloc(1, SIZE);
        start();
        make(variants[i]);
        steps(model, i * 1000, 400);
        free(model);
        stop();
    }
}

/* Parts of sectors that are behind are fetched, and are not decrypted. */
static void over_a_backing_file(void)
{
    for (unsigned i = 0; i < 4; i++) {
        u8 *model = malloc(SIZE);
        start();
        for (u64 b = 0; b < SIZE; b++)
            model[b] = (u8)(b / 512 + b);
        put_file("backing", model, SIZE);
        CHECK_EQ(try_make(variants[i], "backing"), 0);
        steps(model, i * 1000, 300);
        free(model);
        stop();
    }
}

static void with_snapshots(void)
{
    u8 *model = calloc(1, SIZE), *was = malloc(SIZE);
    struct block_node *n;

    start();
    make(variants[2]);
    steps(model, 10, 200);
    memcpy(was, model, SIZE);
    n = open_locked(); /* nor does a snapshot need a password */
    CHECK_EQ(n->ops->snapshot_create(n, "one", &err), 0);
    node_close(n);
    steps(model, 500, 200);
    n = open_locked();
    CHECK_EQ(n->ops->snapshot_apply(n, "one", &err), 0);
    node_close(n);
    steps(was, 900, 200);
    free(model);
    free(was);
    stop();
}

static void another_size(void)
{
    u8 *model = calloc(1, SIZE), buf[4096];
    struct block_node *n;

    start();
    make(NULL);
    steps(model, 5, 100);
    n = open_locked(); /* the last cluster's rest is to be zeros, and has to be written */
    CHECK_EQ(n->ops->resize(n, 2 * SIZE, PREALLOC_OFF, &err), (unsigned long long)-EACCES);
    node_close(n);
    n = open_it();
    CHECK_EQ(n->ops->resize(n, 2 * SIZE, PREALLOC_METADATA, &err), 0);
    for (u64 off = SIZE; off < 2 * SIZE; off += sizeof(buf)) {
        u64 len = min_u64(sizeof(buf), 2 * SIZE - off);
        CHECK_EQ(n->ops->read(n, off, buf, len), 0);
        CHECK(is_all_zero(buf, len));
    }
    CHECK_EQ(n->ops->resize(n, SIZE, PREALLOC_OFF, &err), 0);
    node_close(n);
    steps(model, 50, 100);
    free(model);
    stop();
}

/* From and into several pieces of memory, which need not end where sectors do. */
static void pieces_of_memory(void)
{
    static const size_t sizes[] = {100, 70000, 412, 1, 65536, 511, 512};
    u8 *from = malloc(SIZE), *to = calloc(1, SIZE);
    struct iovec out[ARRAY_SIZE(sizes)], in[ARRAY_SIZE(sizes)];
    struct block_node *n;
    u64 len = 0;

    start();
    make(variants[0]);
    n = open_it();
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); len += sizes[i++]) {
        out[i] = (struct iovec){from + len, sizes[i]};
        in[i] = (struct iovec){to + len, sizes[i]};
    }
    for (u64 i = 0; i < len; i++)
        from[i] = (u8)(i / 256 + i);
    CHECK_EQ(n->ops->read_now(n, 0, in, 1), (unsigned long long)-EAGAIN);
    CHECK_EQ(n->ops->writev(n, 1234, out, ARRAY_SIZE(out)), 0);
    CHECK_EQ(n->ops->readv(n, 1234, in, ARRAY_SIZE(in)), 0);
    CHECK(!memcmp(from, to, len));
    CHECK_EQ(n->ops->read(n, 1234, to, len), 0);
    CHECK(!memcmp(from, to, len));
    node_close(n);
    check_closed();
    free(from);
    free(to);
    stop();
}

/* Nothing of it is in the file as it is; the same twice is not the same there. */
static void contents_are_not_in_the_file(void)
{
    static const char text[] = "what nobody may read";
    struct block_node *n;
    u8 sector[512] = {0}, *all = calloc(1, 4 * MiB);
    size_t size;
    int fd;

    start();
    make(NULL);
    memcpy(sector + 100, text, sizeof(text));
    n = open_it();
    for (u64 at = 0; at < 65536; at += 512)
        CHECK_EQ(n->ops->write(n, at, sector, 512), 0);
    CHECK_EQ(n->ops->write(n, 70000, (const u8 *)text, sizeof(text)), 0);
    node_close(n);
    fd = open(name_of("image"), O_RDONLY);
    size = (size_t)read(fd, all, 4 * MiB);
    close(fd);
    CHECK(size > 65536 && size < 4 * MiB);
    CHECK(!memmem(all, size, text, sizeof(text)));
    CHECK(memcmp(all + size - 65536, all + size - 65536 + 512, 512));
    free(all);
    stop();
}

#define WRITERS 4u

struct writer {
    struct block_node *n;
    u8 me;
};

/* Every fourth byte of two clusters. */
static void *write_parts(void *opaque)
{
    struct writer *w = opaque;

    for (u64 off = w->me; off < 8192; off += WRITERS)
        CHECK_EQ(w->n->ops->write(w->n, off, &w->me, 1), 0);
    return NULL;
}

static void parts_of_a_sector_by_several_threads(void)
{
    struct writer w[WRITERS];
    pthread_t t[WRITERS];
    u8 buf[8192];

    start();
    make(variants[3]);
    for (unsigned i = 0; i < WRITERS; i++)
        w[i] = (struct writer){i ? w[0].n : open_it(), (u8)i};
    for (unsigned i = 0; i < WRITERS; i++)
        CHECK_EQ(pthread_create(&t[i], NULL, write_parts, &w[i]), 0);
    for (unsigned i = 0; i < WRITERS; i++)
        pthread_join(t[i], NULL);
    CHECK_EQ(w[0].n->ops->read(w[0].n, 0, buf, sizeof(buf)), 0);
    for (u64 i = 0; i < sizeof(buf); i++)
        CHECK_EQ(buf[i], i % WRITERS);
    node_close(w[0].n);
    stop();
}

/* With the layers that a machine may have over it. */
static void opened_for_a_machine(void)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct block_config cfg = {0};
    struct block *b;

    start();
    cfg.path = name_of("image");
    put_file("backing", (const u8 *)"what is behind", 14);
    CHECK_EQ(try_make(NULL, "backing"), 0);
    CHECK_EQ(block_open(&b, &cfg, &lock, &err), (unsigned long long)-EACCES);
    CHECK(strstr(err.text, "key-file="));
    for (unsigned i = 0; i < 3; i++) {
        cfg = (struct block_config){.path = name_of("image"),
                                    .key_file = name_of("key"),
                                    .snapshot = i == 1,
                                    .copy_on_read = i == 2};
        CHECK_EQ(block_open(&b, &cfg, &lock, &err), 0);
        CHECK(block_encrypted(b));
        CHECK_EQ(block_backing_files(b), 1);
        CHECK(!strcmp(block_format(b), "qcow2"));
        block_close(b);
    }
    cfg = (struct block_config){.path = name_of("backing"), .key_file = name_of("key")};
    CHECK_EQ(block_open(&b, &cfg, &lock, &err), (unsigned long long)-EINVAL);
    CHECK(strstr(err.text, "is not encrypted"));
    stop();
}

static void refused_options(void)
{
    static const struct {
        const char *option[5], *says;
    } cases[] = {
        {{"encrypt.format", "aes"}, "there is luks"},
        {{"encrypt.cipher-alg", "serpent"}, "encrypt.cipher-alg=serpent: there are aes-128"},
        {{"encrypt.iter-time", "0"}, "encrypt.iter-time: from 1"},
        {{"encrypt.key-file", "/nowhere"}, "No such file"},
        {{"data_file", "data", "data_file_raw", "on"}, "data_file_raw and encryption"},
        {{"compat", "0.10", "preallocation", "full"}, "needs compat=1.1"},
    };
    struct format_options o = {0};

    start();
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        CHECK(try_make(cases[i].option, NULL) != 0);
        if (!strstr(err.text, cases[i].says)) {
            fprintf(stderr, "'%s', not '%s'\n", err.text, cases[i].says);
            test_failures++;
        }
    }
    CHECK_EQ(format_options_add(&o, "encrypt.key-file", name_of("key"), &err), 0);
    CHECK(format_find("qcow2")->create(name_of("image"), SIZE, NULL, NULL, &o, &err) != 0);
    CHECK(strstr(err.text, "needs encrypt.format=luks"));
    CHECK(access(name_of("image"), F_OK)); /* nothing was made */
    format_options_free(&o);
    stop();
}

/* Where the extension is in a new image of version 3: its length, LUKS' offset and length. */
#define EXT 112u

/* What is put at `at` of the header, or of LUKS' own, and what is said then. */
static const struct {
    unsigned at;
    bool luks;
    const char *bytes;
    unsigned len;
    const char *says;
} damages[] = {
    {32, false, "\0\0\0\1", 4, "old method"},
    {32, false, "\0\0\0\3", 4, "unknown method of encryption"},
    {32, false, "\0\0\0\0", 4, "but is not encrypted"},
    {EXT, false, "\x12\x34\x56\x78", 4, "has no header for that"},
    {EXT + 4, false, "\0\0\0\x0f", 4, "not of 16 bytes"},
    {EXT + 4, false, "\0\xff\0\0", 4, "does not fit"},
    {EXT + 8, false, "\0\0\0\0\0\0\0\0", 8, "not where a cluster starts"},
    {EXT + 8, false, "\0\0\0\0\0\1\2\0", 8, "not where a cluster starts"},
    {EXT + 8, false, "\0\0\0\0\x7f\0\0\0", 8, "is not in the file"},
    {EXT + 8, false, "\xff\xff\xff\xff\xff\xff\0\0", 8, "is not in the file"},
    {EXT + 8, false, "\0\0\0\0\0\1\0\0", 8, "luks: no signature"}, /* the refcount table */
    {EXT + 16, false, "\0\0\0\0\0\0\0\0", 8, "length of the encryption header"},
    {EXT + 16, false, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, "length of the encryption header"},
    {EXT + 16, false, "\0\0\0\0\0\xff\0\0", 8, "is not in the file"},
    {EXT + 16, false, "\0\0\0\0\0\1\0\0", 8, "disk is not in the file"},
    {0, true, "SKUL", 4, "luks: no signature"},
    {104, true, "\x7f\0\0\0", 4, "disk is not in the file"},
    {208 + 40, true, "\xff\xff\xff\xff", 4, "slot's key"},
};

static void try_damage(unsigned i)
{
    u8 luks[8];
    struct block_node *n;
    int fd;

    make(NULL);
    fd = open(name_of("image"), O_RDWR);
    CHECK_EQ(pread(fd, luks, 8, EXT + 8), 8);
    CHECK_EQ(pwrite(fd, damages[i].bytes, damages[i].len,
                    (off_t)(damages[i].at + (damages[i].luks ? be64(luks) : 0))),
             damages[i].len);
    close(fd);
    if (!block_chain_open(&n, name_of("image"), NULL, NULL, OPEN_READ_ONLY, &err)) {
        fprintf(stderr, "%s: opened\n", damages[i].says);
        test_failures++;
        node_close(n);
    } else if (!strstr(err.text, damages[i].says)) {
        fprintf(stderr, "'%s', not '%s'\n", err.text, damages[i].says);
        test_failures++;
    }
}

static void damaged_headers(void)
{
    start();
    for (unsigned i = 0; i < ARRAY_SIZE(damages); i++)
        try_damage(i);
    stop();
}

/* LUKS' header is copied to where the level 1 table is: it may be read, but nothing written. */
static void metadata_that_overlaps(void)
{
    u8 field[8], luks[592];
    struct block_node *n;
    u64 l1;
    int fd;

    start();
    make(NULL);
    fd = open(name_of("image"), O_RDWR);
    CHECK_EQ(pread(fd, field, 8, EXT + 8), 8);
    CHECK_EQ(pread(fd, luks, sizeof(luks), (off_t)be64(field)), sizeof(luks));
    CHECK_EQ(pread(fd, field, 8, 40), 8);
    l1 = be64(field);
    memset(luks + 208, 0, sizeof(luks) - 208); /* no keys: they would not be behind it */
    CHECK_EQ(pwrite(fd, luks, sizeof(luks), (off_t)l1), sizeof(luks));
    CHECK_EQ(pwrite(fd, field, 8, EXT + 8), 8);
    close(fd);
    CHECK(block_chain_open(&n, name_of("image"), NULL, NULL, 0, &err) != 0);
    CHECK(strstr(err.text, "overlaps other metadata"));
    stop();
}

int main(void)
{
    TEST_RUN(only_by_the_password);
    TEST_RUN(like_an_array);
    TEST_RUN(over_a_backing_file);
    TEST_RUN(with_snapshots);
    TEST_RUN(another_size);
    TEST_RUN(pieces_of_memory);
    TEST_RUN(contents_are_not_in_the_file);
    TEST_RUN(parts_of_a_sector_by_several_threads);
    TEST_RUN(opened_for_a_machine);
    TEST_RUN(refused_options);
    TEST_RUN(damaged_headers);
    TEST_RUN(metadata_that_overlaps);
    return test_result();
}
