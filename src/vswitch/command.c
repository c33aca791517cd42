/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be said to a switch, and what it answers. One table. */
#include "net/value.h"
#include "vswitch/core.h"

#include <errno.h>
#include <string.h>

#define AGING_MAX 1000000u /* s: the standard's */

typedef json_t *(*command_fn)(struct vswitch *sw, const char *const *args, size_t n,
                              struct err *err);

struct command {
    const char *name;
    unsigned min, max; /* arguments */
    command_fn fn;
    const char *args, *help;
};

static const char *const drop_names[DROP_REASONS] = {
    [DROP_LINK] = "link",   [DROP_FORM] = "form",   [DROP_VLAN] = "vlan",
    [DROP_GUARD] = "guard", [DROP_MOVED] = "moved", [DROP_RULE] = "rule",
    [DROP_STORM] = "storm", [DROP_LOSS] = "loss",   [DROP_QUEUE] = "queue",
};

static json_t *done(int rc)
{
    return rc ? NULL : json_object();
}

static json_t *number(u64 v)
{
    return json_integer((json_int_t)v);
}

static const char *kind_of(const struct port *p)
{
    return *p->cfg.uplink ? "uplink" : p->cfg.shared ? "shared" : "member";
}

static void print_vlan(const struct port *p, char *text, size_t size)
{
    size_t n;

    if (!p->cfg.vlan.trunk) {
        snprintf(text, size, "%u", p->cfg.vlan.vlan);
        return;
    }
    vlan_print_set(p->cfg.vlan.allowed, text, size);
    n = strlen(text);
    if (p->cfg.vlan.vlan)
        snprintf(text + n, size - n, " native %u", p->cfg.vlan.vlan);
}

static u64 dropped(const struct port *p)
{
    u64 n = 0;

    for (unsigned i = 0; i < DROP_REASONS; i++)
        n += p->stats.drops[i];
    return n;
}

static json_t *port_summary(const struct port *p)
{
    char vlan[256];

    print_vlan(p, vlan, sizeof(vlan));
    return json_pack("{ssssssssso so so so so}", "name", p->cfg.name, "kind", kind_of(p), "link",
                     p->cfg.down            ? "down"
                     : port_is_connected(p) ? "connected"
                                            : "waiting",
                     "vlan", vlan, "frames-in", number(p->stats.frames_in), "bytes-in",
                     number(p->stats.bytes_in), "frames-out", number(p->stats.frames_out),
                     "bytes-out", number(p->stats.bytes_out), "dropped", number(dropped(p)));
}

static json_t *drops_of(const struct port_stats *s)
{
    json_t *drops = json_object();

    for (unsigned i = 0; i < DROP_REASONS; i++)
        json_object_set_new(drops, drop_names[i], number(s->drops[i]));
    return drops;
}

static json_t *list_macs(const struct guard *g)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < g->nmacs; i++) {
        const u8 *m = g->mac[i];
        json_array_append_new(list, json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2],
                                                 m[3], m[4], m[5]));
    }
    return list;
}

static json_t *list_ips(const struct guard *g)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < g->nips; i++) {
        char text[PREFIX_TEXT];
        prefix_print(&g->ip[i], text);
        json_array_append_new(list, json_string(text));
    }
    return list;
}

static json_t *port_whole(const struct port *p)
{
    const struct port_config *c = &p->cfg;
    json_t *val = port_summary(p), *more;

    more = json_pack("{sb sb sb ss ss ss so so si so so si sf}", "isolated", c->isolated, "monitor",
                     c->monitor, "flood", !c->no_flood, "mirror", c->mirror, "pcap", c->pcap,
                     "uplink", c->uplink, "mac", list_macs(&c->guard), "ip", list_ips(&c->guard),
                     "macs", (int)c->macs, "rate-in", number(c->rate_in), "rate-out",
                     number(c->rate_out), "storm", (int)c->storm, "loss", c->loss / 10000.0);
    json_object_update(val, more);
    json_decref(more);
    json_object_set_new(val, "dropped", drops_of(&p->stats));
    return val;
}

static json_t *cmd_port(struct vswitch *sw, const char *const *args, size_t n, struct err *err)
{
    const struct port *p = vswitch_find(sw, args[0]);
    json_t *val;

    if (n > 1 || !p)
        return done(vswitch_set_port(sw, args[0], args + 1, n - 1, err));
    pthread_mutex_lock(sw->cfg.lock);
    val = port_whole(p);
    pthread_mutex_unlock(sw->cfg.lock);
    return val;
}

static json_t *cmd_remove(struct vswitch *sw, const char *const *args, size_t n, struct err *err)
{
    return done(vswitch_remove_port(sw, args[0], err));
}

static json_t *cmd_ports(struct vswitch *sw, const char *const *args, size_t n, struct err *err)
{
    json_t *list = json_array();

    pthread_mutex_lock(sw->cfg.lock);
    for (unsigned i = 0; i < VSWITCH_PORTS; i++)
        if (sw->port[i])
            json_array_append_new(list, port_summary(sw->port[i]));
    pthread_mutex_unlock(sw->cfg.lock);
    return list;
}

static json_t *cmd_table(struct vswitch *sw, const char *const *args, size_t n, struct err *err)
{
    json_t *list = json_array();
    struct fdb_entry e;
    unsigned at = 0;
    u64 now;

    pthread_mutex_lock(sw->cfg.lock);
    now = clock_now(sw->cfg.clk);
    fdb_age(sw->fdb, now);
    while (fdb_next(sw->fdb, &at, &e))
        json_array_append_new(
            list, json_pack("{so si ss si}", "mac",
                            json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", e.mac[0], e.mac[1],
                                         e.mac[2], e.mac[3], e.mac[4], e.mac[5]),
                            "vlan", (int)e.vlan, "port", sw->port[e.port]->cfg.name, "age",
                            (int)((now - e.seen) / NSEC_PER_SEC)));
    pthread_mutex_unlock(sw->cfg.lock);
    return list;
}

static json_t *cmd_flush(struct vswitch *sw, const char *const *args, size_t n, struct err *err)
{
    const struct port *p = n ? vswitch_find(sw, args[0]) : NULL;

    if (n && !p) {
        err_set(err, ENOENT, "there is no port '%.40s'", args[0]);
        return NULL;
    }
    pthread_mutex_lock(sw->cfg.lock);
    fdb_flush(sw->fdb, p ? (int)p->index : -1);
    pthread_mutex_unlock(sw->cfg.lock);
    return json_object();
}

static json_t *cmd_rules(struct vswitch *sw, const char *const *args, size_t n, struct err *err)
{
    json_t *list = json_array();

    pthread_mutex_lock(sw->cfg.lock);
    for (unsigned i = 0; i < sw->rules.n; i++) {
        const struct rule *r = &sw->rules.rule[i];
        json_array_append_new(list,
                              json_pack("{si ss so so}", "number", (int)i + 1, "rule", r->text,
                                        "frames", number(r->frames), "bytes", number(r->bytes)));
    }
    pthread_mutex_unlock(sw->cfg.lock);
    return json_pack("{ss so}", "policy", sw->rules.deny ? "deny" : "allow", "rules", list);
}

/* "at=N", counted from 1, or the end. Returns whether it is one. */
static bool read_place(unsigned *at, const char *word, int *rc, struct err *err)
{
    u32 v = RULES_MAX + 1;

    *rc = 0;
    if (strncmp(word, "at=", 3) != 0)
        return false;
    *rc = value_number(&v, word + 3, 1, RULES_MAX, err);
    *at = v - 1;
    return true;
}

static json_t *add_rule(struct vswitch *sw, const char *const *args, size_t n, struct err *err)
{
    unsigned at = RULES_MAX;
    struct rule r;
    int rc;

    if (read_place(&at, args[0], &rc, err)) {
        args++;
        n--;
    }
    if (!rc && n != 1)
        rc = err_set(err, EINVAL, "rule add takes [at=N] RULE, with commas in the rule");
    if (!rc)
        rc = rule_parse(&r, args[0], err);
    if (rc)
        return NULL;
    pthread_mutex_lock(sw->cfg.lock);
    rc = rules_add(&sw->rules, at, &r, err);
    pthread_mutex_unlock(sw->cfg.lock);
    return done(rc);
}

static json_t *cmd_rule(struct vswitch *sw, const char *const *args, size_t n, struct err *err)
{
    u32 at;

    if (!strcmp(args[0], "add"))
        return add_rule(sw, args + 1, n - 1, err);
    if (strcmp(args[0], "remove") != 0 || n != 2) {
        err_set(err, EINVAL, "there are rule add [at=N] RULE and rule remove N");
        return NULL;
    }
    if (value_number(&at, args[1], 1, RULES_MAX, err))
        return NULL;
    if (at > sw->rules.n) {
        err_set(err, ENOENT, "there are %u rules", sw->rules.n);
        return NULL;
    }
    pthread_mutex_lock(sw->cfg.lock);
    rules_remove(&sw->rules, at - 1);
    pthread_mutex_unlock(sw->cfg.lock);
    return json_object();
}

static json_t *cmd_policy(struct vswitch *sw, const char *const *args, size_t n, struct err *err)
{
    bool deny = !strcmp(args[0], "deny");

    if (!deny && strcmp(args[0], "allow") != 0) {
        err_set(err, EINVAL, "'%.40s' is neither allow nor deny", args[0]);
        return NULL;
    }
    pthread_mutex_lock(sw->cfg.lock);
    sw->rules.deny = deny;
    pthread_mutex_unlock(sw->cfg.lock);
    return json_object();
}

static int set_one(struct vswitch *sw, const char *word, struct err *err)
{
    bool is_aging = !strncmp(word, "aging=", 6), moves = sw->moves;
    u32 aging = (u32)(sw->aging / NSEC_PER_SEC);
    int rc;

    if (is_aging)
        rc = value_number(&aging, word + 6, 1, AGING_MAX, err);
    else if (!strncmp(word, "moves=", 6))
        rc = value_switch(&moves, word + 6, err);
    else
        rc = err_set(err, EINVAL, "'%.40s' is neither aging=SECONDS nor moves=on|off", word);
    if (rc)
        return rc;
    pthread_mutex_lock(sw->cfg.lock);
    fdb_set_aging(sw->fdb, sw->aging = aging * NSEC_PER_SEC);
    fdb_set_moves(sw->fdb, sw->moves = moves);
    pthread_mutex_unlock(sw->cfg.lock);
    return 0;
}

static json_t *cmd_set(struct vswitch *sw, const char *const *args, size_t n, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < n && !rc; i++)
        rc = set_one(sw, args[i], err);
    return done(rc);
}

static json_t *cmd_stats(struct vswitch *sw, const char *const *args, size_t n, struct err *err)
{
    struct port_stats sum = {0};
    unsigned ports = 0, stations = 0, at = 0;
    struct fdb_entry e;
    json_t *val;

    pthread_mutex_lock(sw->cfg.lock);
    for (unsigned i = 0; i < VSWITCH_PORTS; i++) {
        const struct port_stats *s = sw->port[i] ? &sw->port[i]->stats : &(struct port_stats){0};
        ports += sw->port[i] != NULL;
        sum.frames_in += s->frames_in;
        sum.bytes_in += s->bytes_in;
        sum.frames_out += s->frames_out;
        sum.bytes_out += s->bytes_out;
        for (unsigned d = 0; d < DROP_REASONS; d++)
            sum.drops[d] += s->drops[d];
    }
    while (fdb_next(sw->fdb, &at, &e))
        stations++;
    val =
        json_pack("{si si so so so so si sb so}", "ports", (int)ports, "stations", (int)stations,
                  "frames-in", number(sum.frames_in), "bytes-in", number(sum.bytes_in),
                  "frames-out", number(sum.frames_out), "bytes-out", number(sum.bytes_out), "aging",
                  (int)(sw->aging / NSEC_PER_SEC), "moves", sw->moves, "dropped", drops_of(&sum));
    pthread_mutex_unlock(sw->cfg.lock);
    return val;
}

static json_t *cmd_stop(struct vswitch *sw, const char *const *args, size_t n, struct err *err)
{
    sw->stopped = true;
    loop_stop(sw->cfg.loop);
    return json_object();
}

static json_t *cmd_help(struct vswitch *sw, const char *const *args, size_t n, struct err *err);

static const struct command commands[] = {
    {"port", 1, 32, cmd_port, "NAME [KEY=VALUE…]", "shows, makes or changes a port"},
    {"remove", 1, 1, cmd_remove, "PORT", "takes a port away"},
    {"ports", 0, 0, cmd_ports, "", "lists the ports"},
    {"table", 0, 0, cmd_table, "", "lists which station is where"},
    {"flush", 0, 1, cmd_flush, "[PORT]", "forgets stations"},
    {"rules", 0, 0, cmd_rules, "", "lists the rules"},
    {"rule", 2, 3, cmd_rule, "add [at=N] RULE | remove N", "changes the rules"},
    {"policy", 1, 1, cmd_policy, "allow|deny", "what happens where no rule says it"},
    {"set", 1, 2, cmd_set, "aging=SECONDS|moves=on|off", "how stations are learned"},
    {"stats", 0, 0, cmd_stats, "", "counts of the whole switch"},
    {"stop", 0, 0, cmd_stop, "", "ends the switch"},
    {"help", 0, 0, cmd_help, "", "this list"},
};

static json_t *cmd_help(struct vswitch *sw, const char *const *args, size_t n, struct err *err)
{
    json_t *list = json_array();

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        json_array_append_new(list,
                              json_pack("{ss ss ss}", "command", commands[i].name, "arguments",
                                        commands[i].args, "does", commands[i].help));
    return list;
}

json_t *vswitch_execute(struct vswitch *sw, const char *const *words, size_t n, struct err *err)
{
    json_t *val;

    for (size_t i = 0; i < ARRAY_SIZE(commands) && n; i++) {
        const struct command *c = &commands[i];
        if (strcmp(c->name, words[0]) != 0)
            continue;
        if (n - 1 < c->min || n - 1 > c->max) {
            err_set(err, EINVAL, "%s takes %s", c->name, *c->args ? c->args : "no arguments");
            return NULL;
        }
        val = c->fn(sw, words + 1, n - 1, err);
        if (!val)
            err_prefix(err, "%s", c->name);
        return val;
    }
    err_set(err, EINVAL, "no command '%.40s' of switches; help lists them", n ? words[0] : "");
    return NULL;
}
