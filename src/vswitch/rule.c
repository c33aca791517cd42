/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One table of keys; each value has a reader. */
#include "vswitch/rule.h"
#include "net/value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct word {
    const char *name;
    u16 value;
};

struct key {
    const char *name;
    int (*set)(struct rule *r, const struct key *key, const char *value, struct err *err);
    size_t at, has;           /* of the field, and the one that says that it counts */
    u32 max;                  /* of a number */
    const struct word *words; /* that stand for numbers */
};

static const struct word types[] = {
    {"arp", TYPE_ARP}, {"ipv4", TYPE_IPV4}, {"ipv6", TYPE_IPV6}, {NULL, 0}};
static const struct word protos[] = {{"icmp", PROTO_ICMP},
                                     {"tcp", PROTO_TCP},
                                     {"udp", PROTO_UDP},
                                     {"icmpv6", PROTO_ICMPV6},
                                     {NULL, 0}};

static void *field(struct rule *r, size_t at)
{
    return (char *)r + at;
}

static int set_port(struct rule *r, const struct key *key, const char *value, struct err *err)
{
    if (!*value || strlen(value) >= PORT_NAME_MAX)
        return err_set(err, EINVAL, "needs 1 to %u bytes", PORT_NAME_MAX - 1);
    strcpy(field(r, key->at), value);
    return 0;
}

/* Also 0xNNNN. */
static int read_number(u32 *out, const struct key *key, const char *value, struct err *err)
{
    char *end;
    unsigned long v;

    for (const struct word *w = key->words; w && w->name; w++)
        if (!strcmp(w->name, value)) {
            *out = w->value;
            return 0;
        }
    if (strncmp(value, "0x", 2) != 0 || !value[2])
        return value_number(out, value, 0, key->max, err);
    v = strtoul(value, &end, 16);
    if (*end || v > key->max)
        return err_set(err, EINVAL, "'%.20s' is not a number up to 0x%x", value, key->max);
    *out = (u32)v;
    return 0;
}

static int set_u8(struct rule *r, const struct key *key, const char *value, struct err *err)
{
    u32 v = 0;
    int rc = read_number(&v, key, value, err);

    *(u8 *)field(r, key->at) = (u8)v;
    *(bool *)field(r, key->has) = true;
    return rc;
}

static int set_type(struct rule *r, const struct key *key, const char *value, struct err *err)
{
    u32 v = 0;
    int rc = read_number(&v, key, value, err);

    r->type = (u16)v;
    r->has_type = true;
    return rc;
}

static int set_vlan(struct rule *r, const struct key *key, const char *value, struct err *err)
{
    return value_number(&r->vlan, value, 1, key->max, err);
}

static int set_mac(struct rule *r, const struct key *key, const char *value, struct err *err)
{
    *(bool *)field(r, key->has) = true;
    return value_mac_any(field(r, key->at), value, err);
}

static int set_prefix(struct rule *r, const struct key *key, const char *value, struct err *err)
{
    return prefix_parse(field(r, key->at), value, err);
}

static int set_range(struct rule *r, const struct key *key, const char *value, struct err *err)
{
    struct rule_range *range = field(r, key->at);
    const char *dash = strchr(value, '-');
    char first[8];
    u32 lo = 0, hi = 0;
    int rc;

    if ((dash ? (size_t)(dash - value) : strlen(value)) >= sizeof(first))
        return err_set(err, EINVAL, "'%.20s' is neither N nor N-M", value);
    snprintf(first, sizeof(first), "%.*s", dash ? (int)(dash - value) : 7, value);
    rc = value_number(&lo, first, 1, key->max, err);
    hi = lo;
    if (!rc && dash)
        rc = value_number(&hi, dash + 1, lo, key->max, err);
    *range = (struct rule_range){(u16)lo, (u16)hi};
    return rc;
}

static int set_fragment(struct rule *r, const struct key *key, const char *value, struct err *err)
{
    r->has_fragment = true;
    return value_switch(&r->fragment, value, err);
}

static int set_tcp(struct rule *r, const struct key *key, const char *value, struct err *err)
{
    r->has_tcp = true;
    r->tcp_new = !strcmp(value, "new");
    if (!r->tcp_new && strcmp(value, "established") != 0)
        return err_set(err, EINVAL, "'%.20s' is neither new nor established", value);
    return 0;
}

#define AT(f)     .at = offsetof(struct rule, f)
#define AT_HAS(f) AT(f), .has = offsetof(struct rule, has_##f)

static const struct key keys[] = {
    {"from", set_port, AT(from)},
    {"to", set_port, AT(to)},
    {"vlan", set_vlan, AT(vlan), .max = 4094},
    {"type", set_type, AT_HAS(type), .max = 65535, .words = types},
    {"smac", set_mac, AT_HAS(smac)},
    {"dmac", set_mac, AT_HAS(dmac)},
    {"src", set_prefix, AT(src)},
    {"dst", set_prefix, AT(dst)},
    {"proto", set_u8, AT_HAS(proto), .max = 255, .words = protos},
    {"icmp", set_u8, AT_HAS(icmp), .max = 255},
    {"sport", set_range, AT(sport), .max = 65535},
    {"dport", set_range, AT(dport), .max = 65535},
    {"fragment", set_fragment, AT_HAS(fragment)},
    {"tcp", set_tcp, .has = offsetof(struct rule, has_tcp)},
};

static int set_key(struct rule *r, const char *name, const char *value, struct err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        int rc;
        if (strcmp(keys[i].name, name) != 0)
            continue;
        rc = keys[i].set(r, &keys[i], value, err);
        if (rc)
            err_prefix(err, "%s", name);
        return rc;
    }
    return err_set(err, EINVAL, "no key '%s' of rules", name);
}

static int check_whole(const struct rule *r, struct err *err)
{
    bool ports = r->sport.last || r->dport.last;

    if (r->src.family && r->dst.family && r->src.family != r->dst.family)
        return err_set(err, EINVAL, "src and dst: one is IPv4, the other IPv6");
    if (ports && (!r->has_proto || (r->proto != PROTO_TCP && r->proto != PROTO_UDP)))
        return err_set(err, EINVAL, "sport and dport: need proto=tcp or proto=udp");
    if (r->has_tcp && (!r->has_proto || r->proto != PROTO_TCP))
        return err_set(err, EINVAL, "tcp: needs proto=tcp");
    if (r->has_icmp && (!r->has_proto || (r->proto != PROTO_ICMP && r->proto != PROTO_ICMPV6)))
        return err_set(err, EINVAL, "icmp: needs proto=icmp or proto=icmpv6");
    return 0;
}

int rule_parse(struct rule *out, const char *text, struct err *err)
{
    char name[16], value[64];
    const char *p = value_word(text, 0, name, sizeof(name), err);
    int rc = 0;

    *out = (struct rule){.allow = p && !strcmp(name, "allow")};
    if (!p || (!out->allow && strcmp(name, "deny") != 0))
        return err_set(err, EINVAL, "'%.40s': a rule begins with allow or deny", text);
    if (strlen(text) >= sizeof(out->text))
        return err_set(err, EINVAL, "a rule has at most %u bytes", RULE_TEXT_MAX - 1);
    strcpy(out->text, text);
    while (*p && !rc) {
        p = value_word(p + 1, '=', name, sizeof(name), err);
        if (!p)
            return -EINVAL;
        if (*p != '=')
            return err_set(err, EINVAL, "'%s' needs a value: %s=…", name, name);
        p = value_word(p + 1, 0, value, sizeof(value), err);
        if (!p)
            return -EINVAL;
        rc = set_key(out, name, value, err);
    }
    return rc ? rc : check_whole(out, err);
}

static bool is_port(const char *wanted, const char *name, const char *group)
{
    return !*wanted || !strcmp(wanted, name) || (group && !strcmp(wanted, group));
}

static bool in_range(const struct rule_range *r, u16 port)
{
    return !r->last || (port >= r->first && port <= r->last);
}

static bool l4_matches(const struct rule *r, const struct packet *p)
{
    if (r->has_fragment && r->fragment != p->fragment)
        return false;
    if ((r->sport.last || r->dport.last) &&
        (!p->has_ports || !in_range(&r->sport, p->sport) || !in_range(&r->dport, p->dport)))
        return false;
    if (r->has_tcp && (!p->tcp || r->tcp_new != p->tcp_new))
        return false;
    return !r->has_icmp || p->icmp == r->icmp;
}

static bool l3_matches(const struct rule *r, const struct packet *p)
{
    bool ip = p->family != PACKET_OTHER && !p->arp_sender;

    if (!prefix_has(&r->src, p->family, p->from) || !prefix_has(&r->dst, p->family, p->to))
        return false;
    if ((r->has_proto || r->has_fragment) && !ip)
        return false;
    return (!r->has_proto || r->proto == p->proto) && l4_matches(r, p);
}

bool rule_matches(const struct rule *r, const struct rule_way *way)
{
    const struct packet *p = way->packet;

    return !p->malformed && is_port(r->from, way->from, way->from_group) &&
           is_port(r->to, way->to, way->to_group) && (!r->vlan || r->vlan == way->vlan) &&
           (!r->has_type || r->type == p->type) && (!r->has_smac || !memcmp(r->smac, p->src, 6)) &&
           (!r->has_dmac || !memcmp(r->dmac, p->dst, 6)) && l3_matches(r, p);
}

int rules_add(struct rule_table *t, unsigned at, const struct rule *r, struct err *err)
{
    struct rule *more;

    if (t->n == RULES_MAX)
        return err_set(err, ENOSPC, "there are %u rules already", RULES_MAX);
    more = realloc(t->rule, (t->n + 1) * sizeof(*more));
    if (!more)
        return err_set(err, ENOMEM, "out of memory");
    t->rule = more;
    at = (unsigned)min_u64(at, t->n);
    memmove(more + at + 1, more + at, (t->n - at) * sizeof(*more));
    more[at] = *r;
    t->n++;
    return 0;
}

void rules_remove(struct rule_table *t, unsigned at)
{
    t->n--;
    memmove(t->rule + at, t->rule + at + 1, (t->n - at) * sizeof(*t->rule));
}

void rules_free(struct rule_table *t)
{
    free(t->rule);
    *t = (struct rule_table){.deny = t->deny};
}

bool rules_allow(struct rule_table *t, const struct rule_way *way, size_t len)
{
    if (way->packet->malformed)
        return !t->n && !t->deny;
    for (unsigned i = 0; i < t->n; i++) {
        struct rule *r = &t->rule[i];
        if (!rule_matches(r, way))
            continue;
        r->frames++;
        r->bytes += len;
        return r->allow;
    }
    return !t->deny;
}
