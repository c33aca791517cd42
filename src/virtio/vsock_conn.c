/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of connections, and what the guest's packets do to them (5.10.6). A guest that breaks
   the rules of one loses that one. */
#include "virtio/vsock_priv.h"

#include <stdlib.h>

#define GREETING_PATIENCE (5 * NSEC_PER_SEC)
#define ANSWER_PATIENCE   (2 * NSEC_PER_SEC)

static struct vsock_conn *find(struct virtio_vsock *v, u32 host_port, u32 guest_port)
{
    for (unsigned n = 0; n < VSOCK_CONNECTIONS; n++) {
        struct vsock_conn *c = &v->conn[n];
        if (c->state >= VSOCK_ASKED && c->state <= VSOCK_OPEN && c->host_port == host_port &&
            c->guest_port == guest_port)
            return c;
    }
    return NULL;
}

static struct vsock_conn *find_free(struct virtio_vsock *v)
{
    for (unsigned n = 0; n < VSOCK_CONNECTIONS; n++)
        if (v->conn[n].state == VSOCK_FREE)
            return &v->conn[n];
    return NULL;
}

bool vsock_conn_room(struct virtio_vsock *v)
{
    return find_free(v) != NULL;
}

struct vsock_conn *vsock_conn_take(struct virtio_vsock *v, enum vsock_state state)
{
    struct vsock_conn *c = find_free(v);

    if (!c)
        return NULL;
    *c = (struct vsock_conn){.v = v, .state = state, .fd = -1};
    if (state == VSOCK_GREETING)
        c->deadline = clock_now(v->clk) + GREETING_PATIENCE;
    vsock_work_soon(v);
    return c;
}

void vsock_conn_release(struct vsock_conn *c)
{
    if (c->state != VSOCK_DEAD || c->fd >= 0 || c->owed)
        return;
    free(c->out);
    *c = (struct vsock_conn){.v = c->v, .fd = -1};
    vsock_work_soon(c->v);
}

void vsock_conn_kill(struct vsock_conn *c, bool tell)
{
    c->state = VSOCK_DEAD;
    c->owed = tell ? BIT(VSOCK_OP_RST) : 0;
    c->deadline = 0;
    c->out_len = 0;
    vsock_work_soon(c->v);
}

static bool port_is_free(const struct virtio_vsock *v, u32 port)
{
    for (unsigned n = 0; n < VSOCK_CONNECTIONS; n++)
        if (v->conn[n].state != VSOCK_FREE && v->conn[n].host_port == port)
            return false;
    return true;
}

void vsock_conn_ask(struct vsock_conn *c, u32 guest_port)
{
    struct virtio_vsock *v = c->v;

    while (!port_is_free(v, v->next_port))
        v->next_port++;
    c->host_port = v->next_port++;
    c->guest_port = guest_port;
    c->state = VSOCK_ASKED;
    c->owed = BIT(VSOCK_OP_REQUEST);
    c->deadline = clock_now(v->clk) + ANSWER_PATIENCE;
    vsock_work_soon(v);
}

void vsock_conn_shut(struct vsock_conn *c, u32 flags)
{
    if ((c->host_shut | flags) == c->host_shut)
        return;
    c->host_shut |= flags;
    c->owed |= BIT(VSOCK_OP_SHUTDOWN);
}

u32 vsock_conn_window(const struct vsock_conn *c)
{
    u32 under_way = c->sent - c->peer_fwd;

    return under_way < c->peer_alloc ? c->peer_alloc - under_way : 0;
}

void vsock_conn_settle(struct vsock_conn *c)
{
    if (c->out_len)
        return;
    if (c->state == VSOCK_DRAINING)
        vsock_conn_kill(c, false);
    else if (c->state == VSOCK_OPEN && c->guest_shut == VSOCK_NEITHER)
        vsock_conn_kill(c, true);
}

/* The guest's REQUEST for a port of the host. */
static void call(struct virtio_vsock *v, const struct vsock_header *h)
{
    struct vsock_conn *c = vsock_conn_take(v, VSOCK_CALLING);

    if (!c) {
        vsock_refuse(v, h);
        return;
    }
    c->host_port = h->dst_port;
    c->guest_port = h->src_port;
    c->peer_alloc = h->buf_alloc;
    c->peer_fwd = h->fwd_cnt;
}

/* Copies the packet's data; false if the guest had no leave to send them. */
static bool take_data(struct vsock_conn *c, u32 len)
{
    const struct virtq_buf *buf = &c->v->buf;
    u32 tail = (c->out_head + c->out_len) % VSOCK_BUF, piece = VSOCK_BUF - tail;

    if (c->guest_shut & VSOCK_NO_SEND || len > VSOCK_BUF - c->out_len)
        return false;
    if (c->host_shut & VSOCK_NO_RECEIVE) { /* crossed our SHUTDOWN */
        c->forwarded += len;
        return true;
    }
    if (!c->out && !(c->out = malloc(VSOCK_BUF)))
        return false;
    piece = piece < len ? piece : len;
    virtq_read(buf, VSOCK_HEADER, c->out + tail, piece);
    virtq_read(buf, VSOCK_HEADER + piece, c->out, len - piece);
    c->out_len += len;
    vsock_host_drain(c);
    return true;
}

static void gone(struct vsock_conn *c)
{
    if (c->state != VSOCK_OPEN || !(c->guest_shut & VSOCK_NO_SEND) || !c->out_len) {
        vsock_conn_kill(c, false);
        return;
    }
    c->state = VSOCK_DRAINING;
    c->owed = 0;
}

static void shut(struct vsock_conn *c, u32 flags)
{
    c->guest_shut |= flags & VSOCK_NEITHER;
    vsock_host_drain(c);
    vsock_conn_settle(c);
}

static void open_packet(struct vsock_conn *c, const struct vsock_header *h)
{
    switch (h->op) {
    case VSOCK_OP_RW:
        if (!take_data(c, h->len))
            vsock_conn_kill(c, true);
        break;
    case VSOCK_OP_SHUTDOWN:
        shut(c, h->flags);
        break;
    case VSOCK_OP_CREDIT_REQUEST:
        c->owed |= BIT(VSOCK_OP_CREDIT_UPDATE);
        break;
    case VSOCK_OP_CREDIT_UPDATE:
        break;
    default:
        vsock_conn_kill(c, true);
    }
    /* After a hang-up no event says that there are data. */
    if (c->state == VSOCK_OPEN && !c->watch)
        vsock_host_pump(c);
}

static void accepted(struct vsock_conn *c)
{
    c->state = VSOCK_OPEN;
    c->deadline = 0;
    vsock_host_accepted(c);
}

void vsock_conn_packet(struct virtio_vsock *v, const struct vsock_header *h)
{
    bool ours = h->dst_cid == VSOCK_HOST_CID && h->type == VSOCK_STREAM;
    struct vsock_conn *c = ours ? find(v, h->dst_port, h->src_port) : NULL;

    if (h->src_cid != v->cid)
        return;
    if (!c) {
        if (ours && h->op == VSOCK_OP_REQUEST)
            call(v, h);
        else if (h->op != VSOCK_OP_RST)
            vsock_refuse(v, h);
        return;
    }
    c->peer_alloc = h->buf_alloc;
    c->peer_fwd = h->fwd_cnt;
    if (h->op == VSOCK_OP_RST)
        gone(c);
    else if (c->state == VSOCK_OPEN)
        open_packet(c, h);
    else if (c->state == VSOCK_ASKED && h->op == VSOCK_OP_RESPONSE)
        accepted(c);
    else
        vsock_conn_kill(c, true);
    vsock_host_want(c);
}
