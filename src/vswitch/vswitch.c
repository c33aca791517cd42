/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ports there are, and who comes and goes. */
#include "vswitch/core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define SWEEP_NS (10 * NSEC_PER_SEC)
#define AGING_NS (300 * NSEC_PER_SEC) /* IEEE 802.1Q-2018, table 8-7 */

static void lock(struct vswitch *sw)
{
    pthread_mutex_lock(sw->cfg.lock);
}

static void unlock(struct vswitch *sw)
{
    pthread_mutex_unlock(sw->cfg.lock);
}

static void sweep(void *opaque)
{
    struct vswitch *sw = opaque;
    u64 t = clock_now(sw->cfg.clk);

    fdb_age(sw->fdb, t);
    timer_set(sw->cfg.clk, &sw->sweep, t + SWEEP_NS);
}

int vswitch_new(struct vswitch **out, const struct vswitch_config *cfg, struct err *err)
{
    struct vswitch *sw = calloc(1, sizeof(*sw));

    if (!sw || fdb_new(&sw->fdb)) {
        free(sw);
        return err_set(err, ENOMEM, "out of memory");
    }
    sw->cfg = *cfg;
    sw->epoch = clock_wall(cfg->clk) - clock_now(cfg->clk);
    if (getrandom(&sw->random, sizeof(sw->random), 0) != (ssize_t)sizeof(sw->random) || !sw->random)
        sw->random = 1;
    fdb_set_aging(sw->fdb, sw->aging = AGING_NS);
    timer_init(&sw->sweep, sweep, sw);
    timer_set(cfg->clk, &sw->sweep, clock_now(cfg->clk) + SWEEP_NS);
    *out = sw;
    return 0;
}

struct port *vswitch_find(const struct vswitch *sw, const char *name)
{
    for (unsigned i = 0; i < VSWITCH_PORTS; i++)
        if (sw->port[i] && !strcmp(sw->port[i]->cfg.name, name))
            return sw->port[i];
    return NULL;
}

static int free_index(const struct vswitch *sw)
{
    for (unsigned i = 0; i < VSWITCH_PORTS; i++)
        if (!sw->port[i])
            return (int)i;
    return -1;
}

static void put_in(struct vswitch *sw, struct port *p)
{
    lock(sw);
    sw->port[p->index] = p;
    unlock(sw);
}

/* An uplink may send at any time until it is unplugged. Frames that the port has sent and that wait
   elsewhere stay on their way: its index may be another's before they leave, which costs that one
   a share of a queue for a moment. */
static void take_out(struct vswitch *sw, struct port *p)
{
    lock(sw);
    net_unplug(&p->end);
    fdb_flush(sw->fdb, (int)p->index);
    sw->port[p->index] = NULL;
    unlock(sw);
    port_free(p);
}

/* With its members, which point to it. */
static void take_out_whole(struct vswitch *sw, struct port *p)
{
    for (unsigned i = 0; i < VSWITCH_PORTS; i++)
        if (sw->port[i] && sw->port[i]->origin == p)
            take_out(sw, sw->port[i]);
    take_out(sw, p);
}

void vswitch_free(struct vswitch *sw)
{
    if (!sw)
        return;
    for (unsigned i = 0; i < VSWITCH_PORTS; i++)
        if (sw->port[i] && !sw->port[i]->origin)
            take_out_whole(sw, sw->port[i]);
    lock(sw);
    timer_cancel(sw->cfg.clk, &sw->sweep);
    unlock(sw);
    rules_free(&sw->rules);
    fdb_free(sw->fdb);
    free(sw);
}

void vswitch_tidy(struct vswitch *sw)
{
    for (unsigned i = 0; i < VSWITCH_PORTS; i++) {
        struct port *p = sw->port[i];
        bool was, is;
        if (!p)
            continue;
        lock(sw);
        was = p->connected;
        is = p->connected = port_is_connected(p);
        if (was && !is) {
            fdb_flush(sw->fdb, (int)i);
            queue_clear(&p->queue);
        }
        unlock(sw);
        if (!is && p->origin)
            take_out(sw, p);
    }
}

bool vswitch_stopped(const struct vswitch *sw)
{
    return sw->stopped;
}

static int apply(struct port_config *cfg, const char *const *words, size_t n, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < n && !rc; i++)
        rc = port_config_set(cfg, words[i], err);
    return rc;
}

static int add_port(struct vswitch *sw, const char *name, const char *const *words, size_t n,
                    struct err *err)
{
    struct port_config cfg;
    struct port *p;
    int index = free_index(sw), rc = port_name_check(name, err);

    if (rc)
        return rc;
    if (index < 0)
        return err_set(err, ENOSPC, "there are %u ports already", VSWITCH_PORTS);
    port_config_init(&cfg, name);
    rc = apply(&cfg, words, n, err);
    if (!rc)
        rc = port_new(&p, sw, (unsigned)index, &cfg, -1, err);
    if (!rc)
        put_in(sw, p);
    return rc;
}

/* A shared port's members are set likewise. */
static int change_port(struct port *p, const char *const *words, size_t n, struct err *err)
{
    struct vswitch *sw = p->sw;
    struct port_config cfg = p->cfg;
    int rc = apply(&cfg, words, n, err);

    if (p->origin)
        cfg.shared = false;
    if (!rc)
        rc = port_configure(p, &cfg, err);
    for (unsigned i = 0; i < VSWITCH_PORTS && !rc && p->cfg.shared; i++)
        if (sw->port[i] && sw->port[i]->origin == p)
            rc = change_port(sw->port[i], words, n, err);
    return rc;
}

int vswitch_set_port(struct vswitch *sw, const char *name, const char *const *words, size_t n,
                     struct err *err)
{
    struct port *p = vswitch_find(sw, name);

    return p ? change_port(p, words, n, err) : add_port(sw, name, words, n, err);
}

int vswitch_remove_port(struct vswitch *sw, const char *name, struct err *err)
{
    struct port *p = vswitch_find(sw, name);

    if (!p)
        return err_set(err, ENOENT, "there is no port '%.40s'", name);
    take_out_whole(sw, p);
    return 0;
}

/* NAME.1 and so on, the first that is free. */
static void name_member(struct port_config *cfg, const struct port *origin)
{
    struct vswitch *sw = origin->sw;

    for (unsigned i = 1; i <= VSWITCH_PORTS; i++) {
        snprintf(cfg->name, sizeof(cfg->name), "%.28s.%u", origin->cfg.name, i);
        if (!vswitch_find(sw, cfg->name))
            return;
    }
}

void vswitch_join(struct port *origin, int fd)
{
    struct vswitch *sw = origin->sw;
    struct port_config cfg = origin->cfg;
    int index = free_index(sw);
    struct err ignored; /* the member sees that it is not wanted */
    struct port *p;

    cfg.shared = false;
    name_member(&cfg, origin);
    if (index < 0) {
        close(fd);
        return;
    }
    if (port_new(&p, sw, (unsigned)index, &cfg, fd, &ignored))
        return;
    p->origin = origin;
    put_in(sw, p);
}
