/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socket, and who is connected. */
#include "ctl/qmp.h"

#include "ctl/qmp_client.h"
#include "os/loop.h"
#include "os/sock.h"
#include "os/time.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DRAIN_TIME NSEC_PER_SEC /* for the last answers and events of all */

struct qmp {
    struct qmp_core core;
    const char *path;
    int listener; /* -1: none */
    struct loop_fd *watch;
    struct qmp_client *client[QMP_CLIENTS];
};

int qmp_check(const char *where, struct err *err)
{
    if (strncmp(where, "unix:", 5) != 0 || !where[5])
        return err_set(err, EINVAL, "'%.60s' is not unix:PATH", where);
    return 0;
}

static struct qmp_client **find(struct qmp *q, const struct qmp_client *c)
{
    for (unsigned n = 0; n < QMP_CLIENTS; n++)
        if (q->client[n] == c)
            return &q->client[n];
    return NULL;
}

static void client_gone(void *opaque, struct qmp_client *c)
{
    struct qmp *q = opaque;

    *find(q, c) = NULL;
    qmp_client_free(c);
    loop_want(q->watch, LOOP_READ);
}

static void client_arrived(void *opaque, unsigned events)
{
    struct qmp *q = opaque;
    struct qmp_client **place = find(q, NULL);
    int fd = place ? sock_accept(q->listener) : -EAGAIN;

    if (fd >= 0 && qmp_client_new(place, &q->core, fd, client_gone, q))
        return; /* the client sees that it is not wanted */
    loop_want(q->watch, find(q, NULL) ? LOOP_READ : 0);
}

int qmp_new(struct qmp **out, const struct qmp_config *cfg, struct err *err)
{
    struct qmp *q = calloc(1, sizeof(*q));
    int rc = qmp_check(cfg->where, err);

    if (!q)
        return err_set(err, ENOMEM, "out of memory");
    q->listener = q->core.keys.timer = -1;
    if (!rc)
        rc = qmp_core_init(&q->core, cfg, err);
    if (!rc) {
        q->path = cfg->where + 5;
        q->listener = sock_listen_unix(q->path, err);
        rc = q->listener < 0 ? q->listener : 0;
    }
    if (!rc)
        rc = loop_add(cfg->loop, &q->watch, q->listener, LOOP_READ, client_arrived, q, err);
    if (rc) {
        qmp_free(q);
        return rc;
    }
    *out = q;
    return 0;
}

void qmp_free(struct qmp *q)
{
    u64 deadline = host_ns(CLOCK_MONOTONIC) + DRAIN_TIME;

    if (!q)
        return;
    for (unsigned n = 0; n < QMP_CLIENTS; n++) {
        qmp_client_drain(q->client[n], deadline);
        qmp_client_free(q->client[n]);
    }
    qmp_core_dispose(&q->core);
    loop_remove(q->watch);
    if (q->listener >= 0) {
        close(q->listener);
        unlink(q->path);
    }
    free(q);
}
