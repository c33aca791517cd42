/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One table of keys; each value has a reader. */
#include "vswitch/config.h"
#include "net/config.h"
#include "net/value.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RATE_MIN    8000u /* bits/s */
#define RATE_MAX    (1000ull * 1000 * 1000 * 1000)
#define STORM_MAX   1000000u
#define PER_PERCENT 10000u

struct key {
    const char *name;
    int (*set)(struct port_config *c, const struct key *key, const char *value, struct err *err);
    size_t at, size;      /* of the field */
    const char *off, *on; /* of a switch: words for false and true */
};

static void *field(struct port_config *c, const struct key *key)
{
    return (char *)c + key->at;
}

int port_name_check(const char *name, struct err *err)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)name[i]) && !strchr("-_.", name[i]))
            n = 0;
    if (!n || n >= PORT_NAME_MAX || *name == '.' || *name == '-')
        return err_set(err, EINVAL,
                       "'%.40s' is no name: 1 to %u letters, digits, '-', '_' and '.', a letter or "
                       "digit first",
                       name, PORT_NAME_MAX - 1);
    return 0;
}

void port_config_init(struct port_config *c, const char *name)
{
    *c = (struct port_config){.vlan.vlan = 1, .macs = PORT_MACS};
    memcpy(c->name, name, strlen(name) + 1);
}

static int set_switch(struct port_config *c, const struct key *key, const char *value,
                      struct err *err)
{
    bool on = !strcmp(value, key->on);

    if (!on && strcmp(value, key->off) != 0)
        return err_set(err, EINVAL, "'%.20s' is neither %s nor %s", value, key->on, key->off);
    *(bool *)field(c, key) = on;
    return 0;
}

static int set_text(struct port_config *c, const struct key *key, const char *value,
                    struct err *err)
{
    if (!*value || strlen(value) >= key->size)
        return err_set(err, EINVAL, "needs 1 to %zu bytes", key->size - 1);
    strcpy(field(c, key), strcmp(value, "none") != 0 ? value : "");
    return 0;
}

static int set_vlan(struct port_config *c, const struct key *key, const char *value,
                    struct err *err)
{
    u32 v = 0;
    int rc = value_number(&v, value, VLAN_FIRST, VLAN_LAST, err);

    if (!rc)
        c->vlan = (struct vlan_port){.vlan = (u16)v};
    return rc;
}

static int set_trunk(struct port_config *c, const struct key *key, const char *value,
                     struct err *err)
{
    struct vlan_port v = {.trunk = true, .vlan = c->vlan.trunk ? c->vlan.vlan : 0};
    int rc = vlan_parse_set(v.allowed, value, err);

    if (!rc)
        c->vlan = v;
    return rc;
}

static int set_native(struct port_config *c, const struct key *key, const char *value,
                      struct err *err)
{
    u32 v = 0;
    int rc = strcmp(value, "none") ? value_number(&v, value, VLAN_FIRST, VLAN_LAST, err) : 0;

    if (!rc && !c->vlan.trunk)
        rc = err_set(err, EINVAL, "goes with trunk= only; vlan= is what you mean");
    if (!rc)
        c->vlan.vlan = (u16)v;
    return rc;
}

typedef int add_fn(struct guard *g, const char *word, struct err *err);

static int add_mac(struct guard *g, const char *word, struct err *err)
{
    if (g->nmacs == GUARD_MACS)
        return err_set(err, EINVAL, "more than %u of them", GUARD_MACS);
    return value_mac(g->mac[g->nmacs++], word, err);
}

static int add_ip(struct guard *g, const char *word, struct err *err)
{
    if (g->nips == GUARD_IPS)
        return err_set(err, EINVAL, "more than %u of them", GUARD_IPS);
    return prefix_parse(&g->ip[g->nips++], word, err);
}

static int add_words(struct guard *g, add_fn *add, const char *value, struct err *err)
{
    char word[PREFIX_TEXT];

    if (!strcmp(value, "any"))
        return 0;
    while (*value) {
        value = value_word(value, 0, word, sizeof(word), err);
        if (!value)
            return -EINVAL;
        int rc = add(g, word, err);
        if (rc)
            return rc;
        value += *value == ',';
    }
    return 0;
}

static int set_macs(struct port_config *c, const struct key *key, const char *value,
                    struct err *err)
{
    struct guard g = c->guard;

    g.nmacs = 0;
    int rc = add_words(&g, add_mac, value, err);
    if (!rc)
        c->guard = g;
    return rc;
}

static int set_ips(struct port_config *c, const struct key *key, const char *value, struct err *err)
{
    struct guard g = c->guard;

    g.nips = 0;
    int rc = add_words(&g, add_ip, value, err);
    if (!rc)
        c->guard = g;
    return rc;
}

static int set_max_macs(struct port_config *c, const struct key *key, const char *value,
                        struct err *err)
{
    return value_number(&c->macs, value, 0, PORT_UPLINK_MACS, err);
}

static int set_storm(struct port_config *c, const struct key *key, const char *value,
                     struct err *err)
{
    return value_number(&c->storm, value, 0, STORM_MAX, err);
}

static int set_rate(struct port_config *c, const struct key *key, const char *value,
                    struct err *err)
{
    char *end;
    u64 v = strtoull(value, &end, 10), unit = 1;

    if (*end == 'k' || *end == 'M' || *end == 'G') {
        unit = *end == 'k' ? 1000 : *end == 'M' ? 1000000 : 1000000000;
        end++;
    }
    if (*value < '0' || *value > '9' || *end || v > RATE_MAX / unit || (v && v * unit < RATE_MIN))
        return err_set(err, EINVAL, "'%.20s' is no rate: 0, or bits/s from 8k to 1000G", value);
    *(u64 *)field(c, key) = v * unit;
    return 0;
}

static int set_loss(struct port_config *c, const struct key *key, const char *value,
                    struct err *err)
{
    char *end;
    double v = strtod(value, &end);

    if (*value < '0' || *value > '9' || *end || !(v >= 0 && v <= 100))
        return err_set(err, EINVAL, "'%.20s' is no percentage", value);
    c->loss = (u32)(v * PER_PERCENT);
    return 0;
}

static int set_uplink(struct port_config *c, const struct key *key, const char *value,
                      struct err *err)
{
    struct net_config parsed;
    int rc = net_parse(&parsed, value, err);

    if (!rc && *parsed.model)
        rc = err_set(err, EINVAL, "model: there is no card here");
    if (!rc)
        rc = set_text(c, key, value, err);
    if (!rc && c->macs == PORT_MACS)
        c->macs = PORT_UPLINK_MACS;
    return rc;
}

#define AT(f) .at = offsetof(struct port_config, f), .size = sizeof(((struct port_config *)0)->f)

static const struct key keys[] = {
    {"link", set_switch, AT(down), .off = "up", .on = "down"},
    {"isolated", set_switch, AT(isolated), .off = "off", .on = "on"},
    {"monitor", set_switch, AT(monitor), .off = "off", .on = "on"},
    {"flood", set_switch, AT(no_flood), .off = "on", .on = "off"},
    {"shared", set_switch, AT(shared), .off = "off", .on = "on"},
    {"vlan", set_vlan, AT(vlan)},
    {"trunk", set_trunk, AT(vlan)},
    {"native", set_native, AT(vlan)},
    {"mac", set_macs, AT(guard)},
    {"ip", set_ips, AT(guard)},
    {"macs", set_max_macs, AT(macs)},
    {"rate-in", set_rate, AT(rate_in)},
    {"rate-out", set_rate, AT(rate_out)},
    {"storm", set_storm, AT(storm)},
    {"loss", set_loss, AT(loss)},
    {"mirror", set_text, AT(mirror)},
    {"pcap", set_text, AT(pcap)},
    {"uplink", set_uplink, AT(uplink)},
};

int port_config_set(struct port_config *c, const char *word, struct err *err)
{
    size_t n = strcspn(word, "=");

    if (!word[n])
        return err_set(err, EINVAL, "'%.40s' is not KEY=VALUE", word);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        int rc;
        if (strlen(keys[i].name) != n || memcmp(keys[i].name, word, n) != 0)
            continue;
        rc = keys[i].set(c, &keys[i], word + n + 1, err);
        if (rc)
            err_prefix(err, "%s", keys[i].name);
        return rc;
    }
    return err_set(err, EINVAL, "no key '%.*s' of ports", (int)min_u64(n, 40), word);
}

int port_config_check(const struct port_config *c, struct err *err)
{
    if (*c->uplink && c->shared)
        return err_set(err, EINVAL, "shared: does not go with uplink");
    if (*c->pcap && c->shared)
        return err_set(err, EINVAL, "pcap: name one of the members' ports");
    if (!strcmp(c->mirror, c->name))
        return err_set(err, EINVAL, "mirror: a port does not mirror itself");
    return 0;
}
