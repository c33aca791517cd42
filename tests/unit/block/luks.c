/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Encrypted images: only by the right password, any piece of them, and headers that are wrong. */
#include "../test.h"
#include "block/file.h"
#include "block/format.h"
#include "block/key_file.h"
#include "block/luks/crypt.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#define SIZE (1 * MiB)

static char path[] = "/tmp/domus-luks-XXXXXX", key[] = "/tmp/domus-key-XXXXXX",
            other[] = "/tmp/domus-key-XXXXXX";
static struct err err;

static void put_file(char *name, const char *text)
{
    int fd;

    strcpy(name + strlen(name) - 6, "XXXXXX");
    fd = mkstemp(name);
    CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void make(const char *cipher)
{
    struct format_options o = {0};

    put_file(path, "");
    put_file(key, "open sesame\n");
    put_file(other, "open sesame");
    CHECK_EQ(format_options_add(&o, "key-file", key, &err), 0);
    CHECK_EQ(format_options_add(&o, "iter-time", "1", &err), 0);
    CHECK_EQ(format_options_add(&o, "cipher-alg", cipher, &err), 0);
    CHECK_EQ(format_find("luks")->create(path, SIZE, NULL, NULL, &o, &err), 0);
    format_options_free(&o);
}

static void drop(void)
{
    unlink(path);
    unlink(key);
    unlink(other);
}

static struct block_node *open_it(void)
{
    struct block_node *n = NULL;

    if (block_chain_open(&n, path, "luks", NULL, 0, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    CHECK_EQ(n->size, SIZE);
    return n;
}

static void only_by_the_password(void)
{
    struct block_node *n;
    u8 buf[512] = {0};

    make("aes-256");
    n = open_it();
    CHECK(block_is_encrypted(n));
    CHECK_EQ(n->ops->read(n, 0, buf, 512), (unsigned long long)-EACCES);
    CHECK_EQ(n->ops->write(n, 0, buf, 512), (unsigned long long)-EACCES);
    CHECK_EQ(n->ops->write(n, 3, buf, 5), (unsigned long long)-EACCES);
    CHECK_EQ(n->ops->zero(n, 0, 512), (unsigned long long)-EACCES);
    CHECK_EQ(block_unlock(n, NULL, &err), (unsigned long long)-EACCES);
    CHECK(strstr(err.text, "is encrypted"));
    CHECK_EQ(block_unlock(n, other, &err), (unsigned long long)-EACCES); /* all bytes count */
    CHECK(strstr(err.text, "opens none of its key slots"));
    CHECK_EQ(n->ops->read(n, 0, buf, 512), (unsigned long long)-EACCES);
    CHECK_EQ(block_unlock(n, "/nowhere", &err), (unsigned long long)-ENOENT);
    CHECK_EQ(block_unlock(n, "/dev/null", &err), (unsigned long long)-EINVAL);
    CHECK_EQ(block_unlock(n, "/dev/zero", &err), (unsigned long long)-EINVAL);
    CHECK_EQ(block_unlock(n, key, &err), 0);
    CHECK_EQ(n->ops->write(n, 0, buf, 512), 0);
    node_close(n);
    drop();
}

/* Any mix of writes and zeros, at any alignment, reads back as from an array, also later. */
static void it_is_like_a_disk(const char *cipher)
{
    u8 *model = calloc(1, SIZE), *buf = malloc(SIZE);
    struct block_node *n;
    u32 seed = 11;

    make(cipher);
    n = open_it();
    CHECK_EQ(block_unlock(n, key, &err), 0);
    CHECK_EQ(n->ops->zero(n, 0, SIZE), 0);
    for (unsigned i = 0; i < 300; i++) {
        u64 off, len;
        seed = seed * 1664525 + 1013904223;
        off = (seed >> 3) % SIZE;
        len = min_u64(1 + (seed >> 11) % (i % 10 ? 5000 : 400000), SIZE - off);
        memset(buf, (int)i, len);
        memset(model + off, i % 7 ? (int)i : 0, len);
        CHECK_EQ(i % 7 ? n->ops->write(n, off, buf, len) : n->ops->zero(n, off, len), 0);
        CHECK_EQ(n->ops->read(n, off / 3, buf, len), 0);
        CHECK(!memcmp(buf, model + off / 3, len));
    }
    node_close(n);
    n = open_it();
    CHECK_EQ(block_unlock(n, key, &err), 0);
    CHECK_EQ(n->ops->read(n, 0, buf, SIZE), 0);
    CHECK(!memcmp(buf, model, SIZE));
    node_close(n);
    free(model);
    free(buf);
    drop();
}

static void both_ciphers(void)
{
    it_is_like_a_disk("aes-256");
    it_is_like_a_disk("aes-128");
}

/* Nothing of it is in the file as it is. */
static void contents_are_not_in_the_file(void)
{
    static const char text[] = "what nobody may read";
    struct block_node *n;
    u8 sector[512], *all;
    int fd;

    make("aes-256");
    n = open_it();
    CHECK_EQ(block_unlock(n, key, &err), 0);
    memset(sector, 0, sizeof(sector));
    memcpy(sector + 100, text, sizeof(text));
    for (u64 at = 0; at < 8192; at += 512)
        CHECK_EQ(n->ops->write(n, at, sector, 512), 0);
    node_close(n);
    fd = open(path, O_RDONLY);
    all = malloc(4 * MiB);
    CHECK(memmem(all, (size_t)read(fd, all, 4 * MiB), text, sizeof(text)) == NULL);
    CHECK(memcmp(all + 4040 * 512, all + 4041 * 512, 512)); /* the same twice is not */
    free(all);
    close(fd);
    drop();
}

static void resize(void)
{
    struct block_node *n;
    u8 buf[512];

    make("aes-256");
    n = open_it();
    CHECK_EQ(block_unlock(n, key, &err), 0);
    CHECK_EQ(n->ops->resize(n, 2 * SIZE, PREALLOC_OFF, &err), 0);
    CHECK_EQ(n->ops->read(n, 2 * SIZE - 512, buf, 512), 0);
    CHECK(is_all_zero(buf, 512));
    CHECK_EQ(n->ops->resize(n, SIZE, PREALLOC_OFF, &err), 0);
    node_close(n);
    n = open_it(); /* locked: what is new could not be made zeros */
    CHECK_EQ(n->ops->resize(n, 2 * SIZE, PREALLOC_OFF, &err), (unsigned long long)-EACCES);
    node_close(n);
    n = open_it();
    node_close(n);
    drop();
}

/* What is put at `at` of the header, and what is said then. */
static const struct {
    unsigned at;
    const char *bytes;
    unsigned len;
    const char *says;
} damages[] = {
    {0, "L", 2, "no signature"},
    {6, "\0\2", 2, "version 2"},
    {8, "twofish", 8, "only aes-xts-plain64"},
    {40, "cbc-plain", 10, "only aes-xts-plain64"},
    {39, "x", 1, "only aes-xts-plain64"},
    {72, "md5", 4, "only sha1"},
    {104, "\0\0\0\1", 4, "disk is not in the file"},
    {104, "\x7f\0\0\0", 4, "disk is not in the file"},
    {108, "\0\0\0\x30", 4, "size of the key"},
    {164, "\xff\xff\xff\xff", 4, "number of iterations"},
    {164, "\0\0\0\0", 4, "number of iterations"},
    {208 + 4, "\xff\xff\xff\xff", 4, "slot's iterations"},
    {208 + 40, "\0\0\0\0", 4, "slot's key"},
    {208 + 40, "\xff\xff\xff\xff", 4, "slot's key"},
    {208 + 44, "\xff\xff\xff\xff", 4, "slot's stripes"},
};

static void damaged_headers(void)
{
    struct block_node *n;

    for (unsigned i = 0; i < ARRAY_SIZE(damages); i++) {
        int fd;
        make("aes-256");
        fd = open(path, O_RDWR);
        CHECK_EQ(pwrite(fd, damages[i].bytes, damages[i].len, damages[i].at), damages[i].len);
        close(fd);
        if (!block_chain_open(&n, path, "luks", NULL, 0, &err)) {
            fprintf(stderr, "%s: opened\n", damages[i].says);
            test_failures++;
            node_close(n);
        } else if (!strstr(err.text, damages[i].says)) {
            fprintf(stderr, "'%s', not '%s'\n", err.text, damages[i].says);
            test_failures++;
        }
        drop();
    }
}

/* A guest's own encryption is none of the host's affair. */
static void it_is_never_guessed(void)
{
    struct block_node *n;

    make("aes-256");
    CHECK_EQ(block_chain_open(&n, path, NULL, NULL, 0, &err), 0);
    CHECK(n->format == format_find("raw"));
    node_close(n);
    drop();
}

static void nothing(int signal)
{
}

static void *write_slowly(void *opaque)
{
    int fd = *(int *)opaque;

    usleep(20000); /* the reader waits, and a signal comes */
    CHECK_EQ(write(fd, "open ", 5), 5);
    usleep(20000);
    CHECK_EQ(write(fd, "sesame", 6), 6);
    close(fd);
    return NULL;
}

/* A password that comes in pieces through a pipe is whole, whatever else happens. */
static void signals_cut_no_password_short(void)
{
    const struct itimerval often = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
    struct sigaction act = {.sa_handler = nothing}; /* calls are not begun again */
    char name[32];
    sigset_t alarm;
    pthread_t t;
    size_t n = 0;
    u8 *pass;
    int fd[2];

    CHECK_EQ(pipe(fd), 0);
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm, NULL); /* it is for the reader alone */
    CHECK_EQ(pthread_create(&t, NULL, write_slowly, &fd[1]), 0);
    pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
    sigaction(SIGALRM, &act, NULL);
    snprintf(name, sizeof(name), "/dev/fd/%d", fd[0]);
    setitimer(ITIMER_REAL, &often, NULL);
    CHECK_EQ(key_file_read(name, &pass, &n, &err), 0);
    setitimer(ITIMER_REAL, &never, NULL);
    pthread_join(t, NULL);
    CHECK(n == 11 && !memcmp(pass, "open sesame", 11));
    crypt_secret_free(pass, KEY_FILE_MAX);
    close(fd[0]);
}

/* The flags of the mapping that has the address: "dd" keeps it out of core dumps. */
static bool is_kept_from_dumps(const void *p)
{
    FILE *f = fopen("/proc/self/smaps", "r");
    unsigned long from = 0, to = 0;
    char line[512];
    bool kept = false;

    while (f && fgets(line, sizeof(line), f)) {
        unsigned long a, b;
        if (sscanf(line, "%lx-%lx ", &a, &b) == 2) {
            from = a;
            to = b;
        } else if (!strncmp(line, "VmFlags:", 8) && from <= (unsigned long)p &&
                   (unsigned long)p < to) {
            kept = strstr(line, " dd");
        }
    }
    if (f)
        fclose(f);
    return kept;
}

static void secrets_are_kept_from_dumps(void)
{
    u8 *p = crypt_secret_new(100);

    CHECK(is_kept_from_dumps(p));
    CHECK(!is_kept_from_dumps(damages));
    crypt_secret_free(p, 100);
}

int main(void)
{
    TEST_RUN(only_by_the_password);
    TEST_RUN(both_ciphers);
    TEST_RUN(contents_are_not_in_the_file);
    TEST_RUN(resize);
    TEST_RUN(damaged_headers);
    TEST_RUN(it_is_never_guessed);
    TEST_RUN(secrets_are_kept_from_dumps);
    TEST_RUN(signals_cut_no_password_short);
    return test_result();
}
