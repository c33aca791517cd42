/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One table of keys; each value has a reader. */
#include "net/config.h"
#include "net/value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX  1024u /* of one value, with its 0 */
#define KEY_MAX   32u
#define RETRY_MAX 3600u
#define MTU_MIN   576u
#define MTU_MAX   65500u

#define OF_USER   BIT(NET_USER)
#define OF_TAP    BIT(NET_TAP)
#define OF_BRIDGE BIT(NET_BRIDGE)
#define OF_ROUTED BIT(NET_ROUTED)
#define OF_SOCKET BIT(NET_SOCKET)
#define OF_SWITCH BIT(NET_SWITCH)
#define OF_ANY    (BIT(NET_NONE) | OF_USER | OF_TAP | OF_BRIDGE | OF_ROUTED | OF_SOCKET | OF_SWITCH)

struct key {
    const char *name;
    unsigned kinds;
    int (*set)(struct net_config *cfg, const struct key *key, const char *value, struct err *err);
    size_t at, size; /* of a text field, or where a number or address goes */
    u32 min, max;    /* of a number; 1, 0 for a switch that is off when its field is true */
};

static int set_text(struct net_config *cfg, const struct key *key, const char *value,
                    struct err *err)
{
    size_t len = strlen(value);

    if (!len || len >= key->size)
        return err_set(err, EINVAL, "needs 1 to %zu bytes, not %zu", key->size - 1, len);
    memcpy((char *)cfg + key->at, value, len + 1);
    return 0;
}

static int set_u32(struct net_config *cfg, const struct key *key, const char *value,
                   struct err *err)
{
    return value_number((u32 *)(void *)((char *)cfg + key->at), value, key->min, key->max, err);
}

static int set_mtu(struct net_config *cfg, const struct key *key, const char *value,
                   struct err *err)
{
    u32 v = 0;
    int rc = value_number(&v, value, MTU_MIN, MTU_MAX, err);

    if (!rc)
        cfg->user.mtu = (u16)v;
    return rc;
}

static int set_switch(struct net_config *cfg, const struct key *key, const char *value,
                      struct err *err)
{
    bool *field = (bool *)(void *)((char *)cfg + key->at), on;
    int rc = value_switch(&on, value, err);

    if (!rc)
        *field = key->min ? !on : on;
    return rc;
}

static int set_ipv4(struct net_config *cfg, const struct key *key, const char *value,
                    struct err *err)
{
    return value_ipv4((u32 *)(void *)((char *)cfg + key->at), value, err);
}

static int set_ipv6(struct net_config *cfg, const struct key *key, const char *value,
                    struct err *err)
{
    if (inet_pton(AF_INET6, value, (char *)cfg + key->at) != 1)
        return err_set(err, EINVAL, "'%s' is not an IPv6 address", value);
    return 0;
}

/* Cuts ADDR/BITS; returns the bits. */
static int split_prefix(char *addr, size_t size, const char *value, u32 max, u32 *prefix,
                        struct err *err)
{
    const char *slash = strchr(value, '/');

    if (!slash || (size_t)(slash - value) >= size)
        return err_set(err, EINVAL, "'%s' is not ADDRESS/BITS", value);
    memcpy(addr, value, (size_t)(slash - value));
    addr[slash - value] = 0;
    return value_number(prefix, slash + 1, 1, max, err);
}

static int set_net(struct net_config *cfg, const struct key *key, const char *value,
                   struct err *err)
{
    char addr[INET_ADDRSTRLEN];
    u32 prefix = 0;
    int rc = split_prefix(addr, sizeof(addr), value, 29, &prefix, err);

    if (!rc)
        rc = value_ipv4(&cfg->user.net, addr, err);
    if (!rc)
        cfg->user.mask = ~0u << (32 - prefix);
    return rc;
}

static int set_net6(struct net_config *cfg, const struct key *key, const char *value,
                    struct err *err)
{
    char addr[INET6_ADDRSTRLEN];
    u32 prefix = 0;
    int rc = split_prefix(addr, sizeof(addr), value, 126, &prefix, err);

    if (rc)
        return rc;
    if (inet_pton(AF_INET6, addr, &cfg->user.net6) != 1)
        return err_set(err, EINVAL, "'%s' is not an IPv6 address", addr);
    cfg->user.prefix6 = (u8)prefix;
    return 0;
}

static int set_search(struct net_config *cfg, const struct key *key, const char *value,
                      struct err *err)
{
    struct net_user_config *u = &cfg->user;
    size_t len = strlen(value);

    if (u->nsearch == NET_USER_SEARCH)
        return err_set(err, EINVAL, "more than %u of them", NET_USER_SEARCH);
    if (!len || len >= sizeof(u->search[0]))
        return err_set(err, EINVAL, "needs 1 to %zu bytes, not %zu", sizeof(u->search[0]) - 1, len);
    memcpy(u->search[u->nsearch++], value, len + 1);
    return 0;
}

/* "[ADDR]:PORT" up to `end`. */
static int parse_port_of(u32 *addr, u16 *port, const char *text, const char *end, struct err *err)
{
    char copy[64], *colon;
    u32 number = 0;
    int rc = 0;

    if ((size_t)(end - text) >= sizeof(copy))
        return err_set(err, EINVAL, "'%s' is too long", text);
    memcpy(copy, text, (size_t)(end - text));
    copy[end - text] = 0;
    colon = strrchr(copy, ':');
    if (!colon)
        return err_set(err, EINVAL, "'%s' is not [ADDRESS]:PORT", copy);
    *colon = 0;
    if (*copy && strcmp(copy, "0.0.0.0"))
        rc = value_ipv4(addr, copy, err);
    if (!rc)
        rc = value_number(&number, colon + 1, 1, 65535, err);
    if (!rc)
        *port = (u16)number;
    return rc;
}

static int set_forward(struct net_config *cfg, const struct key *key, const char *value,
                       struct err *err)
{
    struct net_forward f = {.udp = !strncmp(value, "udp:", 4)};
    const char *dash = strchr(value, '-'), *host = value;
    int rc;

    if (cfg->user.nforwards == NET_USER_FORWARDS)
        return err_set(err, EINVAL, "more than %u of them", NET_USER_FORWARDS);
    if (f.udp || !strncmp(value, "tcp:", 4))
        host += 4;
    else if (*value == ':')
        host += 1; /* tcp is understood */
    else
        dash = NULL;
    if (!dash)
        return err_set(err, EINVAL, "'%s' is not (tcp|udp):[HOST]:PORT-[GUEST]:PORT", value);
    rc = parse_port_of(&f.host_addr, &f.host_port, host, dash, err);
    if (!rc)
        rc = parse_port_of(&f.guest_addr, &f.guest_port, dash + 1, value + strlen(value), err);
    if (!rc)
        cfg->user.forward[cfg->user.nforwards++] = f;
    return rc;
}

static int set_no(struct net_config *cfg, const struct key *key, const char *value, struct err *err)
{
    return strcmp(value, "no")
               ? err_set(err, EINVAL, "only 'no' is supported; set the interface up beforehand")
               : 0;
}

static int set_tap_fd(struct net_config *cfg, const struct key *key, const char *value,
                      struct err *err)
{
    u32 fd = 0;
    int rc = value_number(&fd, value, 0, INT32_MAX, err);

    if (rc)
        return rc;
    cfg->tap.has_fd = true;
    cfg->tap.fd = (int)fd;
    return 0;
}

static bool has_peer(const struct net_config *cfg)
{
    return *cfg->socket.addr || cfg->socket.mode == NET_SOCKET_FD || *cfg->dgram.mcast ||
           *cfg->dgram.udp;
}

static int set_peer(struct net_config *cfg, const struct key *key, const char *value,
                    struct err *err)
{
    if (has_peer(cfg))
        return err_set(err, EINVAL, "one of listen, connect, mcast, udp and fd is enough");
    if (key->min == NET_SOCKET_FD) {
        u32 fd = 0;
        int rc = value_number(&fd, value, 0, INT32_MAX, err);
        cfg->socket.mode = NET_SOCKET_FD;
        cfg->socket.fd = rc ? -1 : (int)fd;
        return rc;
    }
    cfg->socket.mode = key->min;
    return set_text(cfg, key, value, err);
}

static int set_mac(struct net_config *cfg, const struct key *key, const char *value,
                   struct err *err)
{
    cfg->has_mac = true;
    return value_mac(cfg->mac, value, err);
}

#define FIELD(f) offsetof(struct net_config, f), sizeof(((struct net_config *)0)->f)

static const struct key keys[] = {
    {"model", OF_ANY, set_text, FIELD(model), 0, 0},
    {"mac", OF_ANY, set_mac, 0, 0, 0, 0},
    {"pcap", OF_ANY, set_text, FIELD(pcap), 0, 0},
    {"snaplen", OF_ANY, set_u32, FIELD(snaplen), 14, NET_FRAME_MAX},
    {"packed", OF_ANY, set_switch, FIELD(packed), 0, 0},
    {"event_idx", OF_ANY, set_switch, FIELD(no_event_idx), 1, 0},
    {"indirect_desc", OF_ANY, set_switch, FIELD(no_indirect), 1, 0},
    {"queues", OF_ANY, set_u32, FIELD(queues), 1, NET_QUEUES},
    {"net", OF_USER, set_net, 0, 0, 0, 0},
    {"host", OF_USER, set_ipv4, FIELD(user.host), 0, 0},
    {"dns", OF_USER, set_ipv4, FIELD(user.dns), 0, 0},
    {"dhcpstart", OF_USER, set_ipv4, FIELD(user.dhcp_start), 0, 0},
    {"hostname", OF_USER, set_text, FIELD(user.hostname), 0, 0},
    {"domain", OF_USER, set_text, FIELD(user.domain), 0, 0},
    {"domainname", OF_USER, set_text, FIELD(user.domain), 0, 0},
    {"dnssearch", OF_USER, set_search, 0, 0, 0, 0},
    {"tftp", OF_USER, set_text, FIELD(user.tftp), 0, 0},
    {"tftp-server-name", OF_USER, set_text, FIELD(user.tftp_server), 0, 0},
    {"bootfile", OF_USER, set_text, FIELD(user.bootfile), 0, 0},
    {"hostfwd", OF_USER, set_forward, 0, 0, 0, 0},
    {"restrict", OF_USER, set_switch, FIELD(user.restricted), 0, 0},
    {"ipv4", OF_USER, set_switch, FIELD(user.no_ipv4), 1, 0},
    {"ipv6", OF_USER, set_switch, FIELD(user.no_ipv6), 1, 0},
    {"ipv6-net", OF_USER, set_net6, 0, 0, 0, 0},
    {"ipv6-host", OF_USER, set_ipv6, FIELD(user.host6), 0, 0},
    {"ipv6-dns", OF_USER, set_ipv6, FIELD(user.dns6), 0, 0},
    {"mtu", OF_USER, set_mtu, 0, 0, 0, 0},
    {"ifname", OF_TAP, set_text, FIELD(tap.ifname), 0, 0},
    {"fd", OF_TAP, set_tap_fd, 0, 0, 0, 0},
    {"script", OF_TAP, set_no, 0, 0, 0, 0},
    {"downscript", OF_TAP, set_no, 0, 0, 0, 0},
    {"br", OF_BRIDGE, set_text, FIELD(bridge.bridge), 0, 0},
    {"ifname", OF_BRIDGE, set_text, FIELD(bridge.ifname), 0, 0},
    {"helper", OF_BRIDGE, set_text, FIELD(bridge.helper), 0, 0},
    {"guest", OF_ROUTED, set_ipv4, FIELD(routed.guest), 0, 0},
    {"host", OF_ROUTED, set_ipv4, FIELD(routed.host), 0, 0},
    {"prefix", OF_ROUTED, set_u32, FIELD(routed.prefix), 8, 32},
    {"via", OF_ROUTED, set_text, FIELD(routed.via), 0, 0},
    {"ifname", OF_ROUTED, set_text, FIELD(routed.ifname), 0, 0},
    {"listen", OF_SOCKET, set_peer, FIELD(socket.addr), NET_SOCKET_LISTEN, 0},
    {"connect", OF_SOCKET, set_peer, FIELD(socket.addr), NET_SOCKET_CONNECT, 0},
    {"fd", OF_SOCKET, set_peer, 0, 0, NET_SOCKET_FD, 0},
    {"mcast", OF_SOCKET, set_peer, FIELD(dgram.mcast), 0, 0},
    {"udp", OF_SOCKET, set_peer, FIELD(dgram.udp), 0, 0},
    {"localaddr", OF_SOCKET, set_text, FIELD(dgram.local), 0, 0},
    {"reconnect", OF_SOCKET, set_u32, FIELD(socket.reconnect), 0, RETRY_MAX},
    {"name", OF_SWITCH, set_text, FIELD(sw.name), 0, 0},
    {"port", OF_SWITCH, set_text, FIELD(sw.port), 0, 0},
};

/* KIND=VALUE gives the value of `key`. */
static const struct kind {
    const char *name, *key;
} kinds[] = {
    [NET_NONE] = {"none", NULL},       [NET_USER] = {"user", NULL},
    [NET_TAP] = {"tap", NULL},         [NET_BRIDGE] = {"bridge", "br"},
    [NET_ROUTED] = {"routed", NULL},   [NET_SOCKET] = {"socket", NULL},
    [NET_SWITCH] = {"switch", "name"},
};

static const struct key *find_key(const char *name, enum net_kind kind, bool *of_other)
{
    *of_other = false;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        if (strcmp(keys[i].name, name))
            continue;
        if (keys[i].kinds & BIT(kind))
            return &keys[i];
        *of_other = true;
    }
    return NULL;
}

static int set_key(struct net_config *cfg, const char *name, const char *value, struct err *err)
{
    const struct key *key;
    bool of_other;
    int rc;

    key = find_key(name, cfg->kind, &of_other);
    if (!key)
        return err_set(err, EINVAL, of_other ? "'%s' does not go with '%s'" : "no key '%s' of '%s'",
                       name, kinds[cfg->kind].name);
    rc = key->set(cfg, key, value, err);
    if (rc)
        err_prefix(err, "%s", name);
    return rc;
}

/* The value at *p, up to a comma. */
static int set_value(struct net_config *cfg, const char *name, const char **p, struct err *err)
{
    char value[TEXT_MAX];

    *p = value_word(*p, 0, value, sizeof(value), err);
    if (*p)
        return set_key(cfg, name, value, err);
    err_prefix(err, "%s", name);
    return -EINVAL;
}

static int set_one(struct net_config *cfg, const char **p, struct err *err)
{
    char name[KEY_MAX];
    const char *at = value_word(*p, '=', name, sizeof(name), err);

    if (!at)
        return -EINVAL;
    if (*at != '=')
        return err_set(err, EINVAL, "'%s' needs a value: %s=…", name, name);
    *p = at + 1;
    return set_value(cfg, name, p, err);
}

static int check_socket(struct net_config *cfg, struct err *err)
{
    if (!has_peer(cfg))
        return err_set(err, EINVAL, "needs one of listen=, connect=, mcast=, udp= and fd=");
    if (*cfg->dgram.mcast || *cfg->dgram.udp)
        cfg->kind = NET_DGRAM;
    if (*cfg->dgram.udp && !*cfg->dgram.local)
        return err_set(err, EINVAL, "udp: needs localaddr=[ADDRESS]:PORT too");
    if (*cfg->dgram.local && cfg->kind == NET_SOCKET)
        return err_set(err, EINVAL, "localaddr: goes with mcast and udp only");
    if (cfg->socket.reconnect && (cfg->kind == NET_DGRAM || cfg->socket.mode != NET_SOCKET_CONNECT))
        return err_set(err, EINVAL, "reconnect: goes with connect only");
    return 0;
}

static int check_whole(struct net_config *cfg, struct err *err)
{
    if (cfg->kind == NET_TAP && cfg->tap.has_fd && *cfg->tap.ifname)
        return err_set(err, EINVAL, "ifname: does not go with fd");
    if (cfg->kind == NET_BRIDGE && !*cfg->bridge.bridge)
        return err_set(err, EINVAL, "needs a bridge: bridge=NAME");
    if (cfg->kind == NET_ROUTED && !cfg->routed.guest)
        return err_set(err, EINVAL, "needs the guest's address: guest=ADDRESS");
    if (cfg->kind == NET_SWITCH && !*cfg->sw.name)
        return err_set(err, EINVAL, "needs a name: switch=NAME");
    return cfg->kind == NET_SOCKET ? check_socket(cfg, err) : 0;
}

static bool is_kind(const struct kind *k, const char *text, size_t len)
{
    return strlen(k->name) == len && !strncmp(k->name, text, len);
}

int net_parse(struct net_config *out, const char *text, struct err *err)
{
    size_t len = strcspn(text, ",="), kind = 0;
    const char *p = text + len;
    int rc = 0;

    *out = (struct net_config){0};
    while (kind < ARRAY_SIZE(kinds) && !is_kind(&kinds[kind], text, len))
        kind++;
    if (kind == ARRAY_SIZE(kinds))
        return err_set(err, EINVAL,
                       "'%.*s' is none of user, tap, bridge, routed, socket, switch and none",
                       (int)min_u64(len, 40), text);
    out->kind = (enum net_kind)kind;
    if (*p == '=' && !kinds[kind].key)
        return err_set(err, EINVAL, "'%s' takes no value, but keys: %s,KEY=VALUE", kinds[kind].name,
                       kinds[kind].name);
    if (*p == '=') {
        p++;
        rc = set_value(out, kinds[kind].key, &p, err);
    }
    while (!rc && *p) {
        p++;
        rc = set_one(out, &p, err);
    }
    return rc ? rc : check_whole(out, err);
}
