/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hostile frames through a switch: in VLANs of their own, with rules, and a port whose addresses
   are fixed. What must never arrive, does not. */
#include "dev_input.h"
#include "net/frame.h"
#include "vswitch/core.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define PORTS 4u
static const char *const port_words[PORTS][4] = {
    {"vlan=10", "mirror=trunk", "loss=1", "storm=100"},
    {"vlan=20", "flood=on", "macs=4", "isolated=off"},
    {"vlan=20", "mac=52:54:00:00:00:01", "ip=10.0.0.0/30,2001:db8::/126", "rate-out=100k"},
    {"trunk=10-20", "native=20", "storm=1000", "link=up"},
};
static const char *const names[PORTS] = {"ten", "twenty", "fixed", "trunk"};
static const char *const rules[] = {
    "deny,from=twenty,proto=tcp,dport=1-1023,tcp=new",
    "allow,src=10.0.0.0/8,dst=10.0.0.0/8",
    "deny,type=ipv6,proto=icmpv6,icmp=134",
    "deny,fragment=yes,proto=udp",
};

struct member {
    struct net_end end;
    unsigned room; /* frames that it takes before it says "not now" */
};

struct net_rig {
    struct rig rig;
    struct vswitch *sw;
    struct member member[PORTS];
};

static bool member_receive(void *opaque, const u8 *frame, size_t len)
{
    struct member *m = opaque;

    BUG_ON(len > 204);
    m->room -= m->room > 0;
    return m->room;
}

/* Nothing but what the fixed port may send, since nobody else is in its VLAN but the trunk, which
   only listens. */
static bool twenty_receive(void *opaque, const u8 *frame, size_t len)
{
    static const u8 fixed[6] = {0x52, 0x54, 0, 0, 0, 1};

    BUG_ON(memcmp(frame + 6, fixed, 6) != 0);
    return member_receive(opaque, frame, len);
}

/* Alone in its VLAN. */
static bool ten_receive(void *opaque, const u8 *frame, size_t len)
{
    BUG_ON(true);
}

static const struct net_ops member_ops[PORTS] = {
    {.receive = ten_receive},
    {.receive = twenty_receive},
    {.receive = member_receive},
    {.receive = member_receive},
};

static void open_port(struct net_rig *r, unsigned i)
{
    struct port_config c;
    struct err err;

    port_config_init(&c, names[i]);
    for (unsigned w = 0; w < 4; w++)
        BUG_ON(port_config_set(&c, port_words[i][w], &err));
    strcpy(c.uplink, "none"); /* so that the cable's other end is ours */
    BUG_ON(port_new(&r->sw->port[i], r->sw, i, &c, -1, &err));
    net_end_init(&r->member[i].end, &member_ops[i], &r->member[i]);
    r->member[i].room = 4;
    net_plug(&r->member[i].end, &r->sw->port[i]->end);
}

static void open_switch(struct net_rig *r)
{
    struct vswitch_config cfg = {.dir = "/nowhere"};
    struct err err;

    rig_open(&r->rig);
    cfg.clk = r->rig.clk;
    cfg.lock = &r->rig.lock;
    BUG_ON(vswitch_new(&r->sw, &cfg, &err));
    for (unsigned i = 0; i < PORTS; i++)
        open_port(r, i);
}

static void put_rule(struct net_rig *r, u8 n)
{
    struct rule rule;
    struct err err;

    BUG_ON(rule_parse(&rule, rules[n % ARRAY_SIZE(rules)], &err));
    if (r->sw->rules.n < 8)
        BUG_ON(rules_add(&r->sw->rules, n >> 4, &rule, &err));
}

static void send_frame(struct net_rig *r, unsigned from, struct input *in)
{
    u8 *frame;
    size_t len = min_u64(input_take(in, 1), 200);

    frame = malloc(len + !len); /* ends where the sanitizer sees it */
    BUG_ON(!frame);
    for (size_t i = 0; i < len; i++)
        frame[i] = (u8)input_take(in, 1);
    if (len)
        net_send(&r->member[from].end, frame, len);
    free(frame);
}

static void step(struct net_rig *r, struct input *in)
{
    u8 op = (u8)input_take(in, 1);

    pthread_mutex_lock(&r->rig.lock);
    if (op < 0xc0) {
        send_frame(r, op % 3, in);
    } else if (op < 0xd0) {
        put_rule(r, (u8)input_take(in, 1));
    } else if (op < 0xd8) {
        r->sw->rules.deny = op & 1;
    } else if (op < 0xe0) {
        struct member *m = &r->member[op % PORTS];
        m->room = (u8)input_take(in, 1);
        net_ready(&m->end);
    } else if (op < 0xf0) {
        input_advance(in, r->rig.clk);
    } else {
        vswitch_tidy(r->sw);
    }
    pthread_mutex_unlock(&r->rig.lock);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct input in = {data, size};
    struct net_rig r = {.sw = NULL};

    open_switch(&r);
    while (input_left(&in))
        step(&r, &in);
    BUG_ON(r.sw->port[0]->stats.frames_out);
    vswitch_free(r.sw);
    rig_close(&r.rig);
    return 0;
}
