/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A tap with a route to the guest's one address. With prefix 32 the guest may have any mask and
 * gateway: the host answers ARP for all that it has a route to elsewhere, and on the interface
 * `via` for the guest, so the guest can have an address of the host's own network. With a shorter
 * prefix the tap is a network of its own, with the host's address in it as gateway. Frames from
 * other addresses than those are dropped (rp_filter). IPv4 only: IPv6 is off on the tap.
 *
 * Address, route and settings go with the interface, however the process ends; the entry on `via`
 * only when it ends well, and is taken over by the next start.
 */
#include "net/routed.h"
#include "net/hostif.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct net_routed {
    struct net_tap *tap;
    struct net_routed_config cfg; /* with defaults filled in */
    bool proxied;                 /* on cfg.via */
};

static u32 mask_of(u32 prefix)
{
    return ~0u << (32 - prefix);
}

static bool is_host_number(u32 addr, u32 mask)
{
    return !~mask || ~mask == 1 || ((addr & ~mask) && (addr | mask) != ~0u);
}

static int fill_defaults(struct net_routed_config *c, struct err *err)
{
    u32 mask;

    c->prefix = c->prefix ? c->prefix : 32;
    mask = mask_of(c->prefix);
    if (!is_host_number(c->guest, mask))
        return err_set(err, EINVAL, "routed: guest= is no address of a host with prefix=%u",
                       c->prefix);
    if (!c->host && c->prefix == 31)
        c->host = c->guest ^ 1;
    else if (!c->host && c->prefix < 31)
        c->host = (c->guest & mask) + ((c->guest & ~mask) == 1 ? 2 : 1);
    if (c->host == c->guest ||
        (c->prefix < 32 && ((c->host ^ c->guest) & mask || !is_host_number(c->host, mask))))
        return err_set(err, EINVAL, "routed: host= is no other address of guest='s network");
    return 0;
}

static int set_up_tap(const char *tap, const struct net_routed_config *c, struct err *err)
{
    struct err ignored; /* a host without IPv6 */
    int rc;

    if (hostif_set(tap, "ipv6/conf", "disable_ipv6", 1, &ignored))
        ignored.text[0] = 0;
    rc = c->host ? hostif_add_address(tap, c->host, c->prefix, err) : 0;
    if (!rc)
        rc = hostif_up(tap, err);
    if (!rc && c->prefix == 32)
        rc = hostif_add_route(tap, c->guest, err);
    if (!rc && c->prefix == 32)
        rc = hostif_set(tap, "ipv4/conf", "proxy_arp", 1, err);
    if (!rc && c->prefix == 32) /* else answers wait for up to a second */
        rc = hostif_set(tap, "ipv4/neigh", "proxy_delay", 0, err);
    if (!rc)
        rc = hostif_set(tap, "ipv4/conf", "forwarding", 1, err);
    if (!rc)
        rc = hostif_set(tap, "ipv4/conf", "rp_filter", 1, err);
    return rc;
}

static int set_up_via(struct net_routed *r, struct err *err)
{
    const char *via = r->cfg.via;
    int rc;

    if (!*via)
        return 0;
    if (!hostif_exists(via))
        return err_set(err, ENODEV, "via=%s: no such interface", via);
    if (hostif_get(via, "ipv4/conf", "forwarding") != 1)
        return err_set(err, EINVAL,
                       "via=%s: does not forward; allow it: sysctl -w "
                       "net.ipv4.conf.%s.forwarding=1",
                       via, via);
    rc = hostif_proxy(via, r->cfg.guest, true, err);
    r->proxied = !rc;
    return rc;
}

static int set_up(struct net_routed *r, struct loop *loop, struct clock *clk, pthread_mutex_t *lock,
                  struct err *err)
{
    struct net_tap_config tap = {.has_fd = false};
    int rc = fill_defaults(&r->cfg, err);

    if (rc)
        return rc;
    memcpy(tap.ifname, r->cfg.ifname, sizeof(tap.ifname));
    rc = net_tap_new(&r->tap, &tap, loop, clk, lock, err);
    if (!rc)
        rc = set_up_tap(net_tap_ifname(r->tap), &r->cfg, err);
    if (!rc)
        rc = set_up_via(r, err);
    if (rc)
        err_prefix(err, rc == -EPERM ? "routed: needs root" : "routed");
    return rc;
}

int net_routed_new(struct net_routed **out, const struct net_routed_config *cfg, struct loop *loop,
                   struct clock *clk, pthread_mutex_t *lock, struct err *err)
{
    struct net_routed *r = calloc(1, sizeof(*r));
    int rc;

    if (!r)
        return err_set(err, ENOMEM, "routed: out of memory");
    r->cfg = *cfg;
    rc = set_up(r, loop, clk, lock, err);
    if (rc) {
        net_routed_free(r);
        return rc;
    }
    *out = r;
    return 0;
}

void net_routed_free(struct net_routed *r)
{
    struct err ignored; /* the interface may have gone */

    if (!r)
        return;
    net_tap_free(r->tap);
    if (r->proxied && hostif_proxy(r->cfg.via, r->cfg.guest, false, &ignored))
        ignored.text[0] = 0;
    free(r);
}

struct net_end *net_routed_end(struct net_routed *r)
{
    return net_tap_end(r->tap);
}
