/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs inside the guest: `vsock OUT IN` connects to the host's port OUT, which echoes, and then
 * echoes what one client of the host sends to port IN. One line for each check that fails, "FAIL
 * …"; "LISTENING" when it waits, "VSOCK n bytes" at the end.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#define BYTES (3u * 1024 * 1024 + 17)
#define PIECE 50000u

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond))                                                                               \
            printf("FAIL vsock: line %d: %s (%s)\n", __LINE__, #cond, strerror(errno));            \
    } while (0)

static unsigned char data[BYTES], buf[PIECE];

static struct sockaddr_vm address(unsigned cid, unsigned port)
{
    return (struct sockaddr_vm){.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port};
}

static int dial(unsigned port)
{
    struct sockaddr_vm to = address(VMADDR_CID_HOST, port);
    int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

    CHECK(fd >= 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
        return fd;
    close(fd);
    return -1;
}

static void write_all(int fd, const unsigned char *from, size_t len)
{
    for (ssize_t r; len; from += r, len -= (size_t)r) {
        r = write(fd, from, len < PIECE ? len : PIECE);
        if (r <= 0) {
            CHECK(!"write");
            return;
        }
    }
}

static void send_data(int fd)
{
    write_all(fd, data, BYTES);
    CHECK(!shutdown(fd, SHUT_WR));
}

/* One process sends, the other reads all of it back. */
static void echoed(unsigned port)
{
    int fd = dial(port);
    size_t at = 0;
    pid_t child;

    CHECK(fd >= 0);
    for (uint32_t i = 0, x = 1; i < BYTES; i++, x = x * 1664525 + 1013904223)
        data[i] = (unsigned char)(x >> 24);
    child = fork();
    if (!child) {
        send_data(fd);
        fflush(stdout);
        _exit(0);
    }
    for (ssize_t r; (r = read(fd, buf, PIECE)) > 0; at += (size_t)r)
        CHECK(at + (size_t)r <= BYTES && !memcmp(data + at, buf, (size_t)r));
    CHECK(at == BYTES);
    waitpid(child, NULL, 0);
    close(fd);
}

static size_t echo_one(unsigned port)
{
    struct sockaddr_vm at = address(VMADDR_CID_ANY, port);
    int listener = socket(AF_VSOCK, SOCK_STREAM, 0), fd;
    size_t sum = 0;

    CHECK(!bind(listener, (struct sockaddr *)&at, sizeof(at)) && !listen(listener, 4));
    printf("LISTENING\n");
    fflush(stdout);
    fd = accept(listener, NULL, NULL);
    CHECK(fd >= 0);
    for (ssize_t r; (r = read(fd, buf, PIECE)) > 0; sum += (size_t)r)
        write_all(fd, buf, (size_t)r);
    close(fd);
    close(listener);
    return sum;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 1;
    CHECK(dial(9) < 0 && errno == ECONNRESET); /* nobody listens */
    echoed((unsigned)atoi(argv[1]));
    printf("VSOCK %zu bytes\n", echo_one((unsigned)atoi(argv[2])));
    return 0;
}
