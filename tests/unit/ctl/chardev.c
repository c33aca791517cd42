/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Serial back ends on a real loop, socket, file and pseudo-terminal, with a real UART. */
#include "ctl/chardev.h"
#include "../test.h"
#include "bus/clock.h"

#include <fcntl.h>
#include <pty.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#define PORT     0x3f8
#define PATIENCE 400 /* rounds of 5 ms */

struct rig {
    struct loop *loop;
    struct clock *clk;
    pthread_mutex_t lock;
    struct bus pio;
    struct ns16550a *uart;
    struct chardev *cd;
    char path[64], spec[80];
    bool held, quit, broke;
    unsigned holds;
    /* What run_until waits for. */
    bool (*done)(struct rig *r);
    int rounds;
};

static void on_quit(void *opaque)
{
    ((struct rig *)opaque)->quit = true;
}

static void on_hold(void *opaque, bool on)
{
    struct rig *r = opaque;

    CHECK(r->held != on);
    r->held = on;
    r->holds += on;
}

static void rig_init(struct rig *r, const char *kind)
{
    struct chardev_owner owner = {on_quit, on_hold, r};
    struct irq none = {0};
    pthread_mutexattr_t attr;
    struct err err;

    memset(r, 0, sizeof(*r));
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&r->lock, &attr);
    bus_init(&r->pio, "io", &r->lock);
    snprintf(r->path, sizeof(r->path), "/tmp/domus-chardev-%d", (int)getpid());
    snprintf(r->spec, sizeof(r->spec), "%s%s", kind, strchr(kind, ':') ? r->path : "");
    CHECK_EQ(loop_new(&r->loop, &err), 0);
    CHECK_EQ(clock_new_manual(&r->clk), 0);
    CHECK_EQ(chardev_open(&r->cd, r->loop, r->spec, &owner, &err), 0);
    CHECK_EQ(ns16550a_new(&r->uart, &r->pio, PORT, none, r->clk, chardev_backend(r->cd)), 0);
    bus_write(&r->pio, PORT + 2, 1, 1); /* FIFOs on */
    chardev_connect(r->cd, r->uart, &r->lock);
    CHECK_EQ(chardev_start(r->cd, &err), 0);
}

static void rig_dispose(struct rig *r)
{
    ns16550a_free(r->uart);
    chardev_close(r->cd);
    loop_free(r->loop);
    clock_free(r->clk);
    bus_dispose(&r->pio);
    pthread_mutex_destroy(&r->lock);
}

static u64 before(void *opaque)
{
    struct rig *r = opaque;

    if (r->done(r) || ++r->rounds > PATIENCE)
        loop_stop(r->loop);
    return 5000000;
}

/* Runs the loop until `done`; false if it never was. A loop can be stopped once only, so each
   wait runs on the loop's state with a fresh stop. */
static bool run_until(struct rig *r, bool (*done)(struct rig *r))
{
    struct err err;

    r->done = done;
    r->rounds = 0;
    CHECK_EQ(loop_run(r->loop, before, r, &err), 0);
    return done(r);
}

static void guest_writes(struct rig *r, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        bus_write(&r->pio, PORT, 1, (u8)text[i]);
}

/* What the guest has received so far. */
static bool guest_reads(struct rig *r, char *to, size_t size)
{
    size_t n = strlen(to);

    while (n + 1 < size && (bus_read(&r->pio, PORT + 5, 1) & 1)) {
        to[n++] = (char)bus_read(&r->pio, PORT, 1);
        to[n] = '\0';
    }
    return n > 0;
}

static bool never(struct rig *r)
{
    return r->rounds > 10;
}

static void wrong_specs(void)
{
    struct err err;

    CHECK(chardev_check("stdio", &err) == 0 && chardev_check("unix:a", &err) == 0);
    CHECK(chardev_check("", &err) < 0 && chardev_check("unix:", &err) < 0);
    CHECK(chardev_check("stdio:", &err) < 0 && chardev_check("filed:x", &err) < 0);
}

static void to_nowhere(void)
{
    struct rig r;

    rig_init(&r, "none");
    for (int i = 0; i < 20000; i++)
        guest_writes(&r, "0123456789", 10);
    CHECK(!r.held);
    rig_dispose(&r);
}

static void to_a_file(void)
{
    struct rig r;
    char buf[32] = "";
    int fd;

    rig_init(&r, "file:");
    guest_writes(&r, "hello\r\n", 7);
    run_until(&r, never);
    fd = open(r.path, O_RDONLY);
    CHECK(read(fd, buf, sizeof(buf)) == 7 && !memcmp(buf, "hello\r\n", 7));
    close(fd);
    guest_writes(&r, "last", 4);
    rig_dispose(&r); /* what was not written yet is written now */
    fd = open(r.path, O_RDONLY);
    CHECK(read(fd, buf, sizeof(buf)) == 11 && !memcmp(buf, "hello\r\nlast", 11));
    close(fd);
    unlink(r.path);
}

static void file_that_cannot_be_opened(void)
{
    struct chardev_owner owner = {on_quit, on_hold, NULL};
    struct chardev *cd = NULL;
    struct loop *loop;
    struct err err;

    CHECK_EQ(loop_new(&loop, &err), 0);
    CHECK(chardev_open(&cd, loop, "file:/nowhere/at/all", &owner, &err) < 0);
    CHECK(strstr(err.text, "/nowhere/at/all") != NULL);
    CHECK(chardev_open(&cd, loop, "unix:/nowhere/at/all", &owner, &err) < 0);
    CHECK(strstr(err.text, "/nowhere/at/all") != NULL);
    loop_free(loop);
}

static int connect_to(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    CHECK_EQ(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

static char received[4096];

static bool got_ping(struct rig *r)
{
    return guest_reads(r, received, sizeof(received)) && strstr(received, "ping");
}

static bool got_all(struct rig *r)
{
    return guest_reads(r, received, sizeof(received)) && strlen(received) == 1000;
}

static void socket_client(void)
{
    struct rig r;
    struct stat st;
    char buf[64] = "";
    int fd, second;

    rig_init(&r, "unix:");
    CHECK(stat(r.path, &st) == 0 && S_ISSOCK(st.st_mode) && (st.st_mode & 0777) == 0600);
    guest_writes(&r, "nobody hears", 12);
    fd = connect_to(r.path);
    CHECK(write(fd, "ping", 4) == 4);
    received[0] = '\0';
    CHECK(run_until(&r, got_ping));
    guest_writes(&r, "pong", 4);
    run_until(&r, never);
    CHECK(read(fd, buf, sizeof(buf)) == 4 && !memcmp(buf, "pong", 4));

    /* The next client waits until this one has gone. */
    second = connect_to(r.path);
    CHECK(write(second, "ping", 4) == 4);
    received[0] = '\0';
    run_until(&r, never);
    CHECK(!got_ping(&r));
    close(fd);
    CHECK(run_until(&r, got_ping));

    /* More than the FIFO and in one piece: nothing is lost. */
    memset(buf, 'x', sizeof(buf));
    for (int i = 0; i < 20; i++)
        CHECK(write(second, buf, 50) == 50);
    received[0] = '\0';
    CHECK(run_until(&r, got_all));
    rig_dispose(&r);
    close(second);
    CHECK(stat(r.path, &st) < 0);
}

static size_t drained;
static int slow_client;

static bool drain_slowly(struct rig *r)
{
    char buf[65536];
    ssize_t n = read(slow_client, buf, sizeof(buf));

    drained += n > 0 ? (size_t)n : 0;
    return !r->held && drained >= CHARDEV_OUT_HIGH;
}

static void slow_client_holds_the_machine(void)
{
    struct rig r;
    size_t written = 0;
    char line[64];

    memset(line, '-', sizeof(line));
    rig_init(&r, "unix:");
    slow_client = connect_to(r.path);
    run_until(&r, never);
    while (!r.held && written < 16 * MiB) {
        guest_writes(&r, line, sizeof(line));
        written += sizeof(line);
        if (written % 8192 == 0)
            run_until(&r, never);
    }
    CHECK(r.held);
    drained = 0;
    CHECK(run_until(&r, drain_slowly));
    CHECK_EQ(r.holds, 1);
    run_until(&r, never);
    drain_slowly(&r);
    CHECK_EQ(drained, written);
    close(slow_client);
    rig_dispose(&r);
}

static bool got_stuck_client_out(struct rig *r)
{
    return !r->held;
}

static void stuck_client_is_disconnected(void)
{
    struct rig r;
    char line[64];
    size_t written = 0;
    bool released = false;

    memset(line, '-', sizeof(line));
    rig_init(&r, "unix:");
    slow_client = connect_to(r.path);
    run_until(&r, never);
    while (!r.held && written < 16 * MiB) {
        guest_writes(&r, line, sizeof(line));
        written += sizeof(line);
        if (written % 8192 == 0)
            run_until(&r, never);
    }
    CHECK(r.held);
    for (int i = 0; i < 5 && !released; i++)
        released = run_until(&r, got_stuck_client_out);
    CHECK(released);
    close(slow_client);
    rig_dispose(&r);
}

static bool got_quit(struct rig *r)
{
    guest_reads(r, received, sizeof(received));
    return r->quit;
}

/* The terminal is the process's standard input and output for the time of the test. */
static void terminal(void)
{
    struct rig r;
    struct termios cooked, raw;
    char text[4096] = "";
    int saved_in = dup(0), saved_out = dup(1), master, slave;
    ssize_t n;

    CHECK_EQ(openpty(&master, &slave, NULL, NULL, NULL), 0);
    fcntl(master, F_SETFL, O_NONBLOCK);
    fflush(stdout);
    dup2(slave, 0);
    dup2(slave, 1);
    tcgetattr(slave, &cooked);
    rig_init(&r, "stdio");
    CHECK(chardev_is_terminal(r.cd));
    tcgetattr(slave, &raw);
    CHECK((cooked.c_lflag & ICANON) && !(raw.c_lflag & (ICANON | ISIG | ECHO)));

    guest_writes(&r, "login: ", 7);
    CHECK(write(master, "a\003\001a\001\001\001h\001c\001zb\001x", 16) == 16);
    received[0] = '\0';
    CHECK(run_until(&r, got_quit));
    got_quit(&r);
    CHECK(!strcmp(received, "a\003\001\001b"));
    run_until(&r, never);
    n = read(master, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    CHECK(!strncmp(text, "login: ", 7));
    CHECK(strstr(text, "Ctrl-A x") && strstr(text, "no monitor"));

    rig_dispose(&r);
    tcgetattr(slave, &raw);
    CHECK_EQ(raw.c_lflag, cooked.c_lflag);
    dup2(saved_in, 0);
    dup2(saved_out, 1);
    close(saved_in);
    close(saved_out);
    close(master);
    close(slave);
}

static bool got_break(struct rig *r)
{
    r->broke |= (bus_read(&r->pio, PORT + 5, 1) & 0x10) != 0; /* reading clears it */
    return r->broke;
}

static void terminal_break(void)
{
    struct rig r;
    int saved_in = dup(0), saved_out = dup(1), master, slave;

    CHECK_EQ(openpty(&master, &slave, NULL, NULL, NULL), 0);
    fflush(stdout);
    dup2(slave, 0);
    dup2(slave, 1);
    rig_init(&r, "stdio");
    CHECK(write(master, "\001b", 2) == 2);
    CHECK(run_until(&r, got_break));
    rig_dispose(&r);
    dup2(saved_in, 0);
    dup2(saved_out, 1);
    close(saved_in);
    close(saved_out);
    close(master);
    close(slave);
}

/* A pipe is transparent: no escapes, and its end is not the machine's. */
static void piped_input(void)
{
    struct rig r;
    int saved_in = dup(0), fds[2];

    CHECK_EQ(pipe(fds), 0);
    dup2(fds[0], 0);
    close(fds[0]);
    rig_init(&r, "stdio");
    CHECK(!chardev_is_terminal(r.cd));
    CHECK(write(fds[1], "\001xping", 6) == 6);
    close(fds[1]);
    received[0] = '\0';
    CHECK(run_until(&r, got_ping));
    CHECK(!strcmp(received, "\001xping") && !r.quit);
    run_until(&r, never);
    CHECK(r.rounds <= 12); /* the closed pipe does not keep the loop busy */
    rig_dispose(&r);
    dup2(saved_in, 0);
    close(saved_in);
}

int main(void)
{
    TEST_RUN(wrong_specs);
    TEST_RUN(to_nowhere);
    TEST_RUN(to_a_file);
    TEST_RUN(file_that_cannot_be_opened);
    TEST_RUN(socket_client);
    TEST_RUN(slow_client_holds_the_machine);
    TEST_RUN(stuck_client_is_disconnected);
    TEST_RUN(terminal);
    TEST_RUN(terminal_break);
    TEST_RUN(piped_input);
    return test_result();
}
