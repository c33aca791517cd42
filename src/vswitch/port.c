/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between a port's cable and the switch: sockets of members, rates, the queue. */
#include "net/switchdir.h"
#include "os/sock.h"
#include "vswitch/core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RATE_BURST  (10 * NSEC_PER_SEC / 1000)
#define STORM_BURST NSEC_PER_SEC
#define ACCEPTS     8u /* in a round */

static u64 now(const struct port *p)
{
    return clock_now(p->sw->cfg.clk);
}

static bool port_receive(void *opaque, const u8 *frame, size_t len)
{
    struct port *p = opaque;
    u64 t = now(p), wait = pace_wait(&p->in, t);

    if (wait) {
        p->waiting = true;
        timer_set(p->sw->cfg.clk, &p->in_timer, t + wait);
        return false;
    }
    pace_use(&p->in, t, 8 * len);
    forward_frame(p, frame, len);
    return true;
}

static void in_due(void *opaque)
{
    struct port *p = opaque;

    p->waiting = false;
    net_ready(&p->end);
}

static void out_due(void *opaque)
{
    port_send(opaque);
}

void port_send(struct port *p)
{
    struct queue_frame *f;

    if (p->sending) /* further up, which goes on */
        return;
    p->sending = true;
    while ((f = p->queue.head)) {
        u64 t = now(p), wait = pace_wait(&p->out, t);
        if (wait) {
            timer_set(p->sw->cfg.clk, &p->out_timer, t + wait);
            break;
        }
        if (!net_send(&p->end, f->data, f->len))
            break;
        pace_use(&p->out, t, 8 * f->len);
        p->stats.frames_out++;
        p->stats.bytes_out += f->len;
        queue_pop(&p->queue);
    }
    p->sending = false;
}

static void port_ready(void *opaque)
{
    port_send(opaque);
}

static const struct net_ops port_ops = {.receive = port_receive, .ready = port_ready};

bool port_is_connected(const struct port *p)
{
    return p->uplink || (p->member && net_socket_connected(p->member));
}

static void member_arrived(void *opaque, unsigned events)
{
    struct port *p = opaque;

    for (unsigned i = 0; i < ACCEPTS; i++) {
        int fd = sock_accept(p->listener);
        if (fd < 0)
            break;
        vswitch_join(p, fd);
    }
}

static int open_shared(struct port *p, const char *path, struct err *err)
{
    p->listener = sock_listen_unix(path, err);
    if (p->listener < 0)
        return p->listener;
    return loop_add(p->sw->cfg.loop, &p->watch, p->listener, LOOP_READ, member_arrived, p, err);
}

static int open_uplink(struct port *p, struct err *err)
{
    struct vswitch_config *s = &p->sw->cfg;
    struct net_config net;
    int rc = net_parse(&net, p->cfg.uplink, err);

    return rc ? rc : net_open(&p->uplink, &net, s->loop, s->clk, s->lock, err);
}

static int open_member(struct port *p, const char *path, int fd, struct err *err)
{
    struct vswitch_config *s = &p->sw->cfg;
    struct net_socket_config cfg = {.mode = fd < 0 ? NET_SOCKET_LISTEN : NET_SOCKET_FD, .fd = fd};

    snprintf(cfg.addr, sizeof(cfg.addr), "unix:%s", path);
    return net_socket_new(&p->member, &cfg, s->loop, s->clk, s->lock, err);
}

static struct net_end *far_end(const struct port *p)
{
    if (p->uplink)
        return net_backend_end(p->uplink);
    return p->member ? net_socket_end(p->member) : NULL;
}

static int open_cable(struct port *p, int fd, struct err *err)
{
    char path[SWITCH_PATH_MAX] = "";
    int rc = 0;

    if (*p->cfg.uplink)
        rc = open_uplink(p, err);
    else if (fd < 0)
        rc = switch_port_path(path, p->sw->cfg.dir, p->cfg.name, err);
    if (!rc && p->cfg.shared)
        rc = open_shared(p, path, err);
    else if (!rc && !*p->cfg.uplink)
        rc = open_member(p, path, fd, err);
    if (rc || !far_end(p))
        return rc;
    pthread_mutex_lock(p->sw->cfg.lock);
    net_plug(&p->end, far_end(p));
    pthread_mutex_unlock(p->sw->cfg.lock);
    return 0;
}

int port_new(struct port **out, struct vswitch *sw, unsigned index, const struct port_config *cfg,
             int fd, struct err *err)
{
    struct port *p = calloc(1, sizeof(*p));
    int rc;

    if (!p) {
        if (fd >= 0)
            close(fd);
        return err_set(err, ENOMEM, "port %s: out of memory", cfg->name);
    }
    p->sw = sw;
    p->index = index;
    p->listener = -1;
    port_config_init(&p->cfg, cfg->name);
    p->cfg.shared = cfg->shared;
    memcpy(p->cfg.uplink, cfg->uplink, sizeof(p->cfg.uplink));
    queue_init(&p->queue);
    net_end_init(&p->end, &port_ops, p);
    timer_init(&p->in_timer, in_due, p);
    timer_init(&p->out_timer, out_due, p);
    rc = port_configure(p, cfg, err);
    if (!rc)
        rc = open_cable(p, fd, err);
    if (rc) {
        err_prefix(err, "port %s", cfg->name);
        port_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void port_free(struct port *p)
{
    char path[SWITCH_PATH_MAX];
    struct err ignored;

    pthread_mutex_lock(p->sw->cfg.lock);
    net_unplug(&p->end);
    timer_cancel(p->sw->cfg.clk, &p->in_timer);
    timer_cancel(p->sw->cfg.clk, &p->out_timer);
    pthread_mutex_unlock(p->sw->cfg.lock);
    net_close(p->uplink);
    net_socket_free(p->member);
    loop_remove(p->watch);
    if (p->listener >= 0) {
        close(p->listener);
        if (!switch_port_path(path, p->sw->cfg.dir, p->cfg.name, &ignored))
            unlink(path);
    }
    capture_close(&p->capture);
    queue_clear(&p->queue);
    free(p);
}

static bool forwards_otherwise(const struct port_config *a, const struct port_config *b)
{
    return memcmp(&a->vlan, &b->vlan, sizeof(a->vlan)) != 0 ||
           memcmp(&a->guard, &b->guard, sizeof(a->guard)) != 0 || a->macs != b->macs ||
           a->down != b->down;
}

int port_configure(struct port *p, const struct port_config *cfg, struct err *err)
{
    struct vswitch *sw = p->sw;
    bool recorded_elsewhere = strcmp(p->cfg.pcap, cfg->pcap) != 0;
    struct capture capture = {0};
    int rc = port_config_check(cfg, err);

    if (!rc && (p->cfg.shared != cfg->shared || strcmp(p->cfg.uplink, cfg->uplink) != 0))
        rc = err_set(err, EBUSY, "uplink and shared cannot change; remove the port first");
    if (!rc && recorded_elsewhere && *cfg->pcap)
        rc = capture_open(&capture, cfg->pcap, 0, err);
    if (rc)
        return rc;
    pthread_mutex_lock(sw->cfg.lock);
    if (recorded_elsewhere) {
        capture_close(&p->capture);
        p->capture = capture;
    }
    if (forwards_otherwise(&p->cfg, cfg))
        fdb_flush(sw->fdb, -1);
    p->cfg = *cfg;
    p->in = (struct pace){.rate = cfg->rate_in, .burst = RATE_BURST};
    p->out = (struct pace){.rate = cfg->rate_out, .burst = RATE_BURST};
    p->storm = (struct pace){.rate = cfg->storm, .burst = STORM_BURST};
    port_send(p); /* a limit may be gone */
    pthread_mutex_unlock(sw->cfg.lock);
    return 0;
}
