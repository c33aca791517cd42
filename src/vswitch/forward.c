/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way of a frame (IEEE 802.1Q-2018, 8.6): may it come in, whom is it for, may it go there. All
 * copies are in queues before the first is sent, since what is behind a port may answer while it is
 * sent to.
 */
#include "net/frame.h"
#include "vswitch/core.h"

#include <stdlib.h>
#include <string.h>

static bool is_reserved(const u8 *dst)
{
    return be32(dst) == 0x0180c200 && dst[4] == 0 && dst[5] <= 0x0f;
}

static bool is_form_wrong(const u8 *frame, size_t len)
{
    static const u8 none[6];

    return len < FRAME_HEADER || frame_is_multicast(frame + 6) || !memcmp(frame + 6, none, 6) ||
           is_reserved(frame);
}

static bool is_lost(struct port *p)
{
    u64 x = p->sw->random;

    if (!p->cfg.loss)
        return false;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    p->sw->random = x;
    return (x >> 20) % 1000000 < p->cfg.loss;
}

/* Another port has it as its own, and may not have sent yet. */
static bool is_others(const struct port *p, const u8 *mac)
{
    if (guard_has_mac(&p->cfg.guard, mac))
        return false;
    for (unsigned i = 0; i < VSWITCH_PORTS; i++) {
        const struct port *q = p->sw->port[i];
        if (q && q != p && guard_has_mac(&q->cfg.guard, mac))
            return true;
    }
    return false;
}

static bool learn(struct port *p, const u8 *mac, u16 vlan, u64 t)
{
    struct fdb *fdb = p->sw->fdb;

    if (fdb_find(fdb, mac, vlan, t) != (int)p->index && is_others(p, mac))
        return false;
    return fdb_learn(fdb, mac, vlan, p->index, p->cfg.macs, t) != FDB_TAKEN;
}

static enum drop admit(struct port *p, const u8 *frame, size_t len, struct vlan_frame *f,
                       struct packet *packet, u64 t)
{
    if (p->cfg.down || p->cfg.monitor)
        return DROP_LINK;
    if (is_form_wrong(frame, len))
        return DROP_FORM;
    if (is_lost(p))
        return DROP_LOSS;
    if (!vlan_enter(f, &p->cfg.vlan, frame, len, p->sw->untagged))
        return DROP_VLAN;
    packet_parse(packet, f->data, f->len);
    if (!guard_allows(&p->cfg.guard, packet))
        return DROP_GUARD;
    return learn(p, packet->src, f->vlan, t) ? DROP_NOT : DROP_MOVED;
}

/* A copy of what passes at `p`, in either direction, in the form that it has there. */
static void observe(struct port *p, const u8 *frame, size_t len, u64 t)
{
    struct port *to = *p->cfg.mirror ? vswitch_find(p->sw, p->cfg.mirror) : NULL;
    struct queue_frame *copy;

    capture_frame(&p->capture, p->sw->epoch + t, frame, len);
    if (!to || to->cfg.down || !port_is_connected(to))
        return;
    copy = queue_room(&to->queue, p->index, len);
    if (!copy) {
        to->stats.drops[DROP_QUEUE]++;
        return;
    }
    memcpy(copy->data, frame, len);
    copy->len = len;
    queue_push(&to->queue, copy);
    p->sw->pending |= BIT64(to->index);
}

static bool is_allowed(const struct port *from, const struct port *to, const struct vlan_frame *f,
                       const struct packet *packet)
{
    struct rule_way way = {
        .from = from->cfg.name,
        .from_group = from->origin ? from->origin->cfg.name : NULL,
        .to = to->cfg.name,
        .to_group = to->origin ? to->origin->cfg.name : NULL,
        .vlan = f->vlan,
        .packet = packet,
    };

    return rules_allow(&from->sw->rules, &way, f->len);
}

static void deliver(struct port *from, struct port *to, const struct vlan_frame *f,
                    const struct packet *packet, u64 t)
{
    struct queue_frame *copy;

    if (to == from || to->cfg.down || to->cfg.monitor || !port_is_connected(to) ||
        (from->cfg.isolated && to->cfg.isolated) || !vlan_carries(&to->cfg.vlan, f->vlan))
        return;
    if (!is_allowed(from, to, f, packet)) {
        from->stats.drops[DROP_RULE]++;
        return;
    }
    if (f->len + VLAN_TAG > NET_FRAME_MAX)
        return;
    copy = queue_room(&to->queue, from->index, f->len + VLAN_TAG);
    if (!copy) {
        to->stats.drops[DROP_QUEUE]++;
        return;
    }
    copy->len = vlan_leave(&to->cfg.vlan, f, copy->data);
    if (!copy->len) {
        free(copy);
        return;
    }
    observe(to, copy->data, copy->len, t);
    queue_push(&to->queue, copy);
    from->sw->pending |= BIT64(to->index);
}

static void flood(struct port *from, const struct vlan_frame *f, const struct packet *packet, u64 t)
{
    bool known_to_many = frame_is_multicast(f->data);

    if (pace_wait(&from->storm, t)) {
        from->stats.drops[DROP_STORM]++;
        return;
    }
    pace_use(&from->storm, t, 1);
    for (unsigned i = 0; i < VSWITCH_PORTS; i++) {
        struct port *to = from->sw->port[i];
        if (to && (known_to_many || !to->cfg.no_flood))
            deliver(from, to, f, packet, t);
    }
}

static void send_pending(struct vswitch *sw)
{
    while (sw->pending) {
        unsigned i = (unsigned)__builtin_ctzll(sw->pending);
        sw->pending &= ~BIT64(i);
        if (sw->port[i])
            port_send(sw->port[i]);
    }
}

void forward_frame(struct port *from, const u8 *frame, size_t len)
{
    struct vswitch *sw = from->sw;
    u64 t = clock_now(sw->cfg.clk);
    struct vlan_frame f;
    struct packet packet;
    enum drop why;
    int to;

    from->stats.frames_in++;
    from->stats.bytes_in += len;
    observe(from, frame, len, t);
    why = admit(from, frame, len, &f, &packet, t);
    if (why != DROP_NOT) {
        from->stats.drops[why]++;
    } else {
        to = frame_is_multicast(f.data) ? -1 : fdb_find(sw->fdb, f.data, f.vlan, t);
        if (to >= 0 && sw->port[to])
            deliver(from, sw->port[to], &f, &packet, t);
        else
            flood(from, &f, &packet, t);
    }
    send_pending(sw);
}
