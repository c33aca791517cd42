/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hostile frames through a switch: in VLANs of their own, with rules, and a port whose addresses
   are fixed. What must never arrive, does not. */
#include "dev_input.h"
#include "net/frame.h"
#include "vswitch/core.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

struct net_rig {
    struct rig rig;
    struct loop *loop;
    struct vswitch *sw;
    int peer[PORTS];
};

static void open_switch(struct net_rig *r)
{
    struct vswitch_config cfg = {.dir = "/nowhere"};
    struct err err;

    rig_open(&r->rig);
    BUG_ON(loop_new(&r->loop, &err));
    cfg.loop = r->loop;
    cfg.clk = r->rig.clk;
    cfg.lock = &r->rig.lock;
    BUG_ON(vswitch_new(&r->sw, &cfg, &err));
    for (unsigned i = 0; i < PORTS; i++) {
        struct port_config c;
        int fd[2];
        port_config_init(&c, names[i]);
        for (unsigned w = 0; w < 4; w++)
            BUG_ON(port_config_set(&c, port_words[i][w], &err));
        BUG_ON(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd));
        r->peer[i] = fd[1];
        BUG_ON(port_new(&r->sw->port[i], r->sw, i, &c, fd[0], &err));
    }
}

/* Nothing but what the fixed port may send, since nobody else is in its VLAN but the trunk, which
   only listens. */
static void check_twenty(struct net_rig *r)
{
    static const u8 fixed[6] = {0x52, 0x54, 0, 0, 0, 1};
    u8 head[4], frame[2048];

    while (recv(r->peer[1], head, 4, MSG_DONTWAIT) == 4) {
        BUG_ON(be32(head) > sizeof(frame));
        BUG_ON(recv(r->peer[1], frame, be32(head), MSG_DONTWAIT) != (ssize_t)be32(head));
        BUG_ON(memcmp(frame + 6, fixed, 6) != 0);
    }
}

static void put_rule(struct net_rig *r, u8 n)
{
    struct rule rule;
    struct err err;

    BUG_ON(rule_parse(&rule, rules[n % ARRAY_SIZE(rules)], &err));
    if (r->sw->rules.n < 8)
        BUG_ON(rules_add(&r->sw->rules, n >> 4, &rule, &err));
}

static void send_frame(struct net_rig *r, struct port *p, struct input *in)
{
    u8 *frame;
    size_t len = min_u64(input_take(in, 1), 200);

    frame = malloc(len + !len); /* ends where the sanitizer sees it */
    BUG_ON(!frame);
    for (size_t i = 0; i < len; i++)
        frame[i] = (u8)input_take(in, 1);
    pthread_mutex_lock(&r->rig.lock);
    if (len)
        forward_frame(p, frame, len);
    pthread_mutex_unlock(&r->rig.lock);
    free(frame);
}

static void step(struct net_rig *r, struct input *in)
{
    u8 op = (u8)input_take(in, 1);

    if (op < 0xc0)
        send_frame(r, r->sw->port[op % 3], in);
    else if (op < 0xd0)
        put_rule(r, (u8)input_take(in, 1));
    else if (op < 0xe0)
        r->sw->rules.deny = op & 1;
    else if (op < 0xf0)
        input_advance(in, r->rig.clk);
    else
        vswitch_tidy(r->sw);
    check_twenty(r);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct input in = {data, size};
    struct net_rig r;

    open_switch(&r);
    while (input_left(&in))
        step(&r, &in);
    check_twenty(&r);
    BUG_ON(r.sw->port[0]->stats.frames_out); /* alone in its VLAN */
    vswitch_free(r.sw);
    for (unsigned i = 0; i < PORTS; i++)
        close(r.peer[i]);
    loop_free(r.loop);
    rig_close(&r.rig);
    return 0;
}
