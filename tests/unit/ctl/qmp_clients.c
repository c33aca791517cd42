/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control socket: several clients, whose answers and events go where they belong, and who is
   dropped. */
#include "../test.h"
#include "ctl/qmp.h"
#include "os/sock.h"
#include "qmp_rig.h"

#include <errno.h>
#include <poll.h>

#define NEGOTIATE "{\"execute\": \"qmp_capabilities\", \"id\": \"n\"}\n"

static struct qmp_rig r;
static struct qmp *q;
static char where[64];

struct client {
    int fd; /* -1: has gone */
    char got[4096];
    size_t len;
};

static void open_socket(void)
{
    struct qmp_config cfg;
    struct err err;

    qmp_rig_open(&r);
    snprintf(where, sizeof(where), "unix:%s/qmp", r.dir);
    cfg = (struct qmp_config){.loop = r.loop, .machine = r.machine, .where = where};
    BUG_ON(qmp_new(&q, &cfg, &err));
}

static void close_socket(void)
{
    qmp_free(q);
    qmp_rig_close(&r);
}

static u64 once(void *opaque)
{
    loop_stop(r.loop);
    return 0;
}

/* What is due now. */
static void go_round(void)
{
    struct err err;

    for (unsigned n = 0; n < 4; n++)
        CHECK_EQ(loop_run(r.loop, once, NULL, &err), 0);
}

static void arrive(struct client *c)
{
    *c = (struct client){.fd = sock_connect_unix(where + 5)};
    BUG_ON(c->fd < 0);
    go_round();
}

static void leave(struct client *c)
{
    close(c->fd);
    go_round();
}

static void say(struct client *c, const char *text)
{
    CHECK_EQ(write(c->fd, text, strlen(text)), strlen(text));
    go_round();
}

/* Whether the words are in what came since the last call. */
static bool hears(struct client *c, const char *words)
{
    ssize_t n = read(c->fd, c->got, sizeof(c->got) - 1);

    c->got[n > 0 ? n : 0] = '\0';
    if (!n)
        c->fd = -1;
    return strstr(c->got, words);
}

static bool hears_nothing(struct client *c)
{
    return read(c->fd, c->got, sizeof(c->got)) == -1 && errno == EAGAIN;
}

static void answers_and_events(void)
{
    struct client a, b;

    open_socket();
    arrive(&a);
    arrive(&b);
    CHECK(hears(&a, "QMP") && hears(&b, "QMP"));
    say(&a, NEGOTIATE);
    CHECK(hears(&a, "\"return\": {}") || strstr(a.got, "\"return\":{}"));
    CHECK(hears_nothing(&b));
    say(&b, "{\"execute\": \"stop\"}");
    CHECK(hears(&b, "Expecting capabilities"));
    say(&a, "{\"execute\": \"stop\", \"id\": 7}");
    CHECK(hears(&a, "STOP") && strstr(a.got, "\"id\":7"));
    CHECK(hears_nothing(&b)); /* it has not negotiated */
    say(&b, NEGOTIATE);
    CHECK(hears(&b, "\"id\":\"n\""));
    CHECK(hears_nothing(&a));
    say(&b, "{\"execute\": \"co"); /* each has a message of its own under way */
    say(&a, "{\"execute\": \"query-status\", \"id\": 8}");
    CHECK(hears(&a, "paused"));
    say(&b, "nt\", \"id\": 9}");
    CHECK(hears(&b, "RESUME") && strstr(b.got, "\"id\":9"));
    CHECK(hears(&a, "RESUME") && !strstr(a.got, "return"));
    leave(&a);
    say(&b, "{\"execute\": \"stop\"}");
    CHECK(hears(&b, "STOP"));
    leave(&b);
    close_socket();
}

static void one_too_many_waits(void)
{
    struct client c[QMP_CLIENTS], late;

    open_socket();
    for (unsigned n = 0; n < QMP_CLIENTS; n++) {
        arrive(&c[n]);
        CHECK(hears(&c[n], "QMP"));
    }
    arrive(&late);
    CHECK(hears_nothing(&late));
    leave(&c[3]);
    CHECK(hears(&late, "QMP"));
    say(&late, NEGOTIATE);
    CHECK(hears(&late, "return"));
    leave(&late);
    for (unsigned n = 0; n < QMP_CLIENTS; n++)
        if (n != 3)
            leave(&c[n]);
    close_socket();
}

/* Events for who reads none pile up to a limit; others go on, and its place is another's. */
static void who_does_not_read_is_dropped(void)
{
    struct client deaf, other, next;
    size_t kept = 0;
    unsigned n;

    open_socket();
    arrive(&deaf);
    say(&deaf, NEGOTIATE);
    arrive(&other);
    CHECK(hears(&other, "QMP"));
    say(&other, NEGOTIATE);
    CHECK(hears(&other, "return"));
    for (n = 0; n < 40000; n++) {
        machine_pause(r.machine, n % 2 == 0);
        CHECK(hears(&other, n % 2 ? "RESUME" : "STOP"));
    }
    go_round();
    for (ssize_t got; (got = read(deaf.fd, deaf.got, sizeof(deaf.got))) > 0;)
        kept += (size_t)got;
    CHECK_EQ(read(deaf.fd, deaf.got, 1), 0); /* what the kernel had, and the end */
    CHECK(kept < 2 * QMP_OUT_MAX);
    arrive(&next);
    CHECK(hears(&next, "QMP"));
    say(&other, "{\"execute\": \"query-status\"}");
    CHECK(hears(&other, "running"));
    leave(&deaf);
    leave(&other);
    leave(&next);
    close_socket();
}

/* The last events reach all when the machine ends. */
static void the_end(void)
{
    struct client a, b;

    open_socket();
    arrive(&a);
    arrive(&b);
    say(&a, NEGOTIATE);
    say(&b, NEGOTIATE);
    machine_pause(r.machine, true);
    close_socket();
    CHECK(hears(&a, "STOP") && hears(&b, "STOP"));
    CHECK_EQ(read(a.fd, a.got, 1), 0);
    close(a.fd);
    close(b.fd);
}

int main(void)
{
    TEST_RUN(answers_and_events);
    TEST_RUN(one_too_many_waits);
    TEST_RUN(who_does_not_read_is_dropped);
    TEST_RUN(the_end);
    return test_result();
}
