/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Socket device (VIRTIO 1.2, section 5.10) with stream sockets. The host's side are unix sockets in
 * the way of Firecracker: a client of PATH writes "CONNECT PORT\n" and after the answer
 * "OK PORT\n" talks to the guest's listener; a guest that connects to CID 2 reaches the listener at
 * PATH_PORT. Left out: SEQPACKET. Connections are not saved: a guest that is loaded is told by the
 * event TRANSPORT_RESET that they are gone. Under the machine's lock.
 */
#include "base/le.h"
#include "virtio/vsock_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUEUE_SIZE            256u
#define F_STREAM              0u
#define CFG_LEN               8u
#define EVENT_TRANSPORT_RESET 0u
#define EVENT_LEN             4u
#define FIRST_PORT            0x40000000u

void vsock_work_soon(struct virtio_vsock *v)
{
    timer_set(v->clk, &v->work, clock_now(v->clk));
}

/* One connection's share; when it has to be looked at again. */
static u64 work_on(struct vsock_conn *c, u64 now)
{
    if (c->deadline && now >= c->deadline)
        vsock_conn_kill(c, c->state == VSOCK_ASKED);
    if (c->state == VSOCK_CALLING)
        vsock_host_call(c);
    if (c->state == VSOCK_OPEN && !c->watch)
        vsock_host_pump(c);
    if (c->state == VSOCK_DEAD) {
        vsock_host_close(c);
        vsock_conn_release(c);
    }
    return c->deadline ? c->deadline : UINT64_MAX;
}

static void work(void *opaque)
{
    struct virtio_vsock *v = opaque;
    u64 now = clock_now(v->clk), next = UINT64_MAX;

    for (unsigned n = 0; n < VSOCK_CONNECTIONS; n++)
        next = min_u64(next, work_on(&v->conn[n], now));
    vsock_flush(v);
    loop_want(v->listen_watch, vsock_conn_room(v) ? LOOP_READ : 0);
    if (next != UINT64_MAX && !timer_pending(v->clk, &v->work))
        timer_set(v->clk, &v->work, next);
}

static void take_packet(struct virtio_vsock *v)
{
    u8 raw[VSOCK_HEADER];
    struct vsock_header h;

    if (virtq_read(&v->buf, 0, raw, sizeof(raw)) != sizeof(raw)) {
        virtio_break(&v->virtio, "a packet is shorter than its header");
        return;
    }
    vsock_header_read(&h, raw);
    if (h.len > v->buf.out_len - sizeof(raw))
        virtio_break(&v->virtio, "a packet's data are longer than its buffer");
    else
        vsock_conn_packet(v, &h);
}

/* Each packet may need a reply: where there is no room for one, it waits. */
static void take_packets(struct virtio_vsock *v, struct virtq *q)
{
    while (v->nreplies < VSOCK_REPLIES && virtq_pop(q, &v->buf)) {
        take_packet(v);
        virtq_push(q, v->buf.head, 0);
    }
    v->tx_waits = v->nreplies == VSOCK_REPLIES;
    virtq_interrupt(q);
    vsock_flush(v);
}

static void new_buffers(struct virtio_vsock *v)
{
    v->rx_full = false;
    vsock_flush(v);
    for (unsigned n = 0; n < VSOCK_CONNECTIONS; n++) {
        struct vsock_conn *c = &v->conn[n];
        if (c->state == VSOCK_OPEN && !c->watch)
            vsock_host_pump(c);
        vsock_host_want(c);
    }
    if (v->tx_waits && v->nreplies < VSOCK_REPLIES)
        virtio_go_on(&v->virtio.queue[VSOCK_TX]);
}

static void tell_reset(struct virtio_vsock *v, struct virtq *q)
{
    u8 event[EVENT_LEN];

    put_le32(event, EVENT_TRANSPORT_RESET);
    if (!v->reset_due || !virtq_pop(q, &v->buf))
        return;
    v->reset_due = false;
    virtq_push(q, v->buf.head, (u32)virtq_write(q, &v->buf, 0, event, sizeof(event)));
    virtq_interrupt(q);
}

static void notify(void *opaque, struct virtq *q)
{
    struct virtio_vsock *v = opaque;

    if (q->index == VSOCK_RX)
        new_buffers(v);
    else if (q->index == VSOCK_TX)
        take_packets(v, q);
    else
        tell_reset(v, q);
}

/* The guest knows nothing of its connections any more. */
static void forget(struct virtio_vsock *v)
{
    for (unsigned n = 0; n < VSOCK_CONNECTIONS; n++)
        if (v->conn[n].state != VSOCK_FREE)
            vsock_conn_kill(&v->conn[n], false);
    v->nreplies = 0;
    v->rx_full = v->tx_waits = v->reset_due = false;
}

static void reset(void *opaque)
{
    forget(opaque);
}

static const struct virtio_ops ops = {.notify = notify, .reset = reset};

static void init(struct virtio_vsock *v, struct mem *mem, const struct virtio_vsock_config *cfg)
{
    struct virtio_init how = {.name = "virtio-vsock",
                              .type = VIRTIO_VSOCK,
                              .class = 0x0780,
                              .ops = &ops,
                              .opaque = v,
                              .mem = mem,
                              .clk = v->clk,
                              .rings = {.packed = cfg->packed},
                              .features = BIT64(F_STREAM) | BIT64(VIRTIO_F_IN_ORDER),
                              .config_len = CFG_LEN};

    v->loop = cfg->loop;
    v->lock = cfg->lock;
    v->cid = cfg->cid;
    v->next_port = FIRST_PORT;
    v->listener = -1;
    strcpy(v->path, cfg->path);
    timer_init(&v->work, work, v);
    for (unsigned n = 0; n < VSOCK_CONNECTIONS; n++)
        v->conn[n] = (struct vsock_conn){.v = v, .fd = -1};
    virtio_init(&v->virtio, &how);
    for (unsigned n = 0; n < VSOCK_QUEUES; n++)
        virtio_add_queue(&v->virtio, QUEUE_SIZE);
    put_le64(v->virtio.config, v->cid);
}

int virtio_vsock_new(struct virtio_vsock **out, struct mem *mem, struct clock *clk,
                     const struct virtio_vsock_config *cfg, struct err *err)
{
    struct virtio_vsock *v = calloc(1, sizeof(*v));
    int rc;

    if (!v)
        return err_set(err, ENOMEM, "out of memory");
    BUG_ON(strlen(cfg->path) > VIRTIO_VSOCK_PATH_MAX);
    v->clk = clk;
    init(v, mem, cfg);
    rc = vsock_host_listen(v, err);
    if (rc) {
        virtio_vsock_free(v);
        return rc;
    }
    *out = v;
    return 0;
}

void virtio_vsock_free(struct virtio_vsock *v)
{
    if (!v)
        return;
    for (unsigned n = 0; n < VSOCK_CONNECTIONS; n++) {
        vsock_host_close(&v->conn[n]);
        free(v->conn[n].out);
    }
    loop_remove(v->listen_watch);
    if (v->listener >= 0) {
        close(v->listener);
        unlink(v->path);
    }
    timer_cancel(v->clk, &v->work);
    virtio_dispose(&v->virtio);
    free(v);
}

struct virtio *virtio_vsock_dev(struct virtio_vsock *v)
{
    return &v->virtio;
}

static const struct state_field fields[] = {
    STATE_STRUCTS(struct virtio_vsock, virtio, 1, virtio_fields),
    STATE_END,
};

static int loaded(void *opaque)
{
    struct virtio_vsock *v = opaque;
    int rc = virtio_loaded(&v->virtio);

    put_le64(v->virtio.config, v->cid);
    if (rc)
        return rc;
    for (unsigned n = 0; n < VSOCK_QUEUES; n++)
        if (v->virtio.queue[n].in_use)
            return -EINVAL;
    forget(v);
    v->reset_due = v->virtio.status & VIRTIO_DRIVER_OK;
    return 0;
}

const struct state_table virtio_vsock_state = {
    .name = "virtio-vsock", .version = 1, .oldest = 1, .fields = fields, .loaded = loaded};
