/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets to the guest: replies and announcements, which wait for buffers in the table of
   connections and a short list, and data, which wait on the host. */
#include "base/le.h"
#include "virtio/vsock_priv.h"

#include <string.h>

void vsock_header_read(struct vsock_header *h, const u8 raw[VSOCK_HEADER])
{
    *h = (struct vsock_header){.src_cid = le64(raw),
                               .dst_cid = le64(raw + 8),
                               .src_port = le32(raw + 16),
                               .dst_port = le32(raw + 20),
                               .len = le32(raw + 24),
                               .type = le16(raw + 28),
                               .op = le16(raw + 30),
                               .flags = le32(raw + 32),
                               .buf_alloc = le32(raw + 36),
                               .fwd_cnt = le32(raw + 40)};
}

static void header_write(u8 raw[VSOCK_HEADER], const struct vsock_header *h)
{
    put_le64(raw, h->src_cid);
    put_le64(raw + 8, h->dst_cid);
    put_le32(raw + 16, h->src_port);
    put_le32(raw + 20, h->dst_port);
    put_le32(raw + 24, h->len);
    put_le16(raw + 28, h->type);
    put_le16(raw + 30, h->op);
    put_le32(raw + 32, h->flags);
    put_le32(raw + 36, h->buf_alloc);
    put_le32(raw + 40, h->fwd_cnt);
}

void vsock_refuse(struct virtio_vsock *v, const struct vsock_header *h)
{
    BUG_ON(v->nreplies == VSOCK_REPLIES);
    v->reply[v->nreplies++] = (struct vsock_header){.src_cid = h->dst_cid,
                                                    .dst_cid = h->src_cid,
                                                    .src_port = h->dst_port,
                                                    .dst_port = h->src_port,
                                                    .type = h->type,
                                                    .op = VSOCK_OP_RST};
}

/* A buffer for a packet with room for data, which each one must have. */
static bool take_buffer(struct virtio_vsock *v)
{
    if (!virtq_pop(&v->virtio.queue[VSOCK_RX], &v->in)) {
        v->rx_full = true;
        return false;
    }
    if (v->in.in_len > VSOCK_HEADER)
        return true;
    virtio_break(&v->virtio, "a buffer has no room for a packet");
    virtq_unpop(&v->virtio.queue[VSOCK_RX], v->in.head);
    return false;
}

static void give_buffer(struct virtio_vsock *v, const struct vsock_header *h, const u8 *data)
{
    struct virtq *q = &v->virtio.queue[VSOCK_RX];
    u8 raw[VSOCK_HEADER];

    header_write(raw, h);
    virtq_write(q, &v->in, 0, raw, sizeof(raw));
    virtq_write(q, &v->in, sizeof(raw), data, h->len);
    virtq_push(q, v->in.head, VSOCK_HEADER + h->len);
}

static struct vsock_header header_of(struct vsock_conn *c, u32 op, u32 len)
{
    c->told = c->forwarded;
    return (struct vsock_header){.src_cid = VSOCK_HOST_CID,
                                 .dst_cid = c->v->cid,
                                 .src_port = c->host_port,
                                 .dst_port = c->guest_port,
                                 .len = len,
                                 .type = VSOCK_STREAM,
                                 .op = (u16)op,
                                 .flags = op == VSOCK_OP_SHUTDOWN ? c->host_shut : 0,
                                 .buf_alloc = VSOCK_BUF,
                                 .fwd_cnt = c->forwarded};
}

static void flush_conn(struct vsock_conn *c)
{
    static const u8 order[] = {VSOCK_OP_REQUEST,        VSOCK_OP_RESPONSE, VSOCK_OP_CREDIT_UPDATE,
                               VSOCK_OP_CREDIT_REQUEST, VSOCK_OP_SHUTDOWN, VSOCK_OP_RST};

    for (unsigned n = 0; n < ARRAY_SIZE(order) && c->owed; n++) {
        struct vsock_header h;
        if (!vsock_is_due(c, order[n]))
            continue;
        if (!take_buffer(c->v))
            return;
        c->owed &= ~BIT(order[n]);
        h = header_of(c, order[n], 0);
        give_buffer(c->v, &h, NULL);
    }
    vsock_conn_release(c);
}

void vsock_flush(struct virtio_vsock *v)
{
    unsigned n = 0, first = v->turn;

    while (n < v->nreplies && take_buffer(v))
        give_buffer(v, &v->reply[n++], NULL);
    v->nreplies -= n;
    memmove(v->reply, v->reply + n, v->nreplies * sizeof(*v->reply));
    for (n = 0; n < VSOCK_CONNECTIONS && !v->nreplies && !v->rx_full; n++) {
        v->turn = (first + n) % VSOCK_CONNECTIONS;
        if (v->conn[v->turn].owed)
            flush_conn(&v->conn[v->turn]);
    }
    virtq_interrupt(&v->virtio.queue[VSOCK_RX]);
}

u32 vsock_data_room(struct vsock_conn *c)
{
    u32 window = vsock_conn_window(c);

    if (c->owed)
        flush_conn(c);
    if (c->owed || !window || !take_buffer(c->v))
        return 0;
    return (u32)min_u64(min_u64(window, VSOCK_CHUNK), c->v->in.in_len - VSOCK_HEADER);
}

void vsock_data_send(struct vsock_conn *c, const u8 *data, u32 len)
{
    struct vsock_header h = header_of(c, VSOCK_OP_RW, len);

    give_buffer(c->v, &h, data);
    c->sent += len;
    if (!vsock_conn_window(c))
        c->owed |= BIT(VSOCK_OP_CREDIT_REQUEST);
}

void vsock_data_none(struct vsock_conn *c)
{
    virtq_unpop(&c->v->virtio.queue[VSOCK_RX], c->v->in.head);
}
