/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "os/file.h"
#include "../test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static int memory_file(const void *data, size_t n, char path[64])
{
    int fd = memfd_create("test", 0);

    if (fd < 0 || write(fd, data, n) != (ssize_t)n)
        exit(99);
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

static void check_fails(const char *path, u64 max, int want, const char *text)
{
    struct err err = {""};
    u8 *data = (u8 *)1;
    size_t size = 1;
    int rc = file_read_all(path, &data, &size, max, &err);

    CHECK_EQ(-rc, want);
    CHECK(!data && !size);
    CHECK(strstr(err.text, path));
    if (!strstr(err.text, text))
        fprintf(stderr, "message: %s\n", err.text);
    CHECK(strstr(err.text, text));
}

static void test_reads(void)
{
    char path[64];
    int fd = memory_file("hello", 5, path);
    struct err err;
    u8 *data;
    size_t size;

    CHECK_EQ(file_read_all(path, &data, &size, 5, &err), 0);
    CHECK_EQ(size, 5);
    CHECK(data && !memcmp(data, "hello", 5));
    free(data);
    check_fails(path, 4, EFBIG, "larger than");
    close(fd);
}

/* A pipe does not tell its size: more than one chunk, and the bound. */
static void test_pipe(void)
{
    enum { N = 200 * 1024 };
    u8 *pattern = malloc(N), *data;
    char path[64];
    struct err err;
    size_t size;
    int p[2];

    for (size_t i = 0; i < N; i++)
        pattern[i] = (u8)(i * 7 >> 3);
    for (unsigned pass = 0; pass < 2; pass++) {
        if (pipe(p) || fcntl(p[1], F_SETPIPE_SZ, 256 * 1024) < 0 || write(p[1], pattern, N) != N)
            exit(99);
        close(p[1]);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", p[0]);
        if (pass) {
            check_fails(path, N - 1, EFBIG, "larger than");
        } else {
            CHECK_EQ(file_read_all(path, &data, &size, N, &err), 0);
            CHECK_EQ(size, N);
            CHECK(data && !memcmp(data, pattern, N));
            free(data);
        }
        close(p[0]);
    }
    free(pattern);
}

static void test_refuses(void)
{
    char path[64];
    int fd = memory_file("", 0, path);

    check_fails("/nonexistent/kernel", MiB, ENOENT, "No such file");
    check_fails("/", MiB, EISDIR, "is a directory");
    check_fails(path, MiB, ENODATA, "empty");
    check_fails("/dev/zero", 300 * KiB, EFBIG, "larger than the 300 KiB");
    close(fd);
}

int main(void)
{
    TEST_RUN(test_reads);
    TEST_RUN(test_pipe);
    TEST_RUN(test_refuses);
    return test_result();
}
