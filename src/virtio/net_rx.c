/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames for the driver (5.1.6.4). One that finds no room is kept by the other side. */
#include "base/le.h"
#include "virtio/net_priv.h"

#define PARTS_MAX 64u /* buffers of one frame */

/* Says that TCP's or UDP's checksum is right where it is: the driver need not look. */
static bool sum_is_right(const u8 *frame, size_t len)
{
    struct frame_layout l;

    return frame_parse(&l, frame, len) && l.proto != FRAME_L4_NONE && l.end <= len &&
           frame_l4_sum_ok(&l, frame);
}

static void give_back(struct virtq *q, const struct virtq_head *heads, unsigned n)
{
    while (n)
        virtq_unpop(q, heads[--n]);
}

/* Puts [at, …) of header and frame into one buffer; how many bytes fit. */
static u32 put(struct virtq *q, const struct virtq_buf *buf, const u8 *header, u32 hdr_len,
               const u8 *frame, size_t len, size_t at)
{
    u64 n = 0;

    if (at < hdr_len)
        n = virtq_write(q, buf, 0, header + at, hdr_len - at);
    if (at + n >= hdr_len)
        n += virtq_write(q, buf, n, frame + (at + n - hdr_len), len - (at + n - hdr_len));
    return (u32)n;
}

/* Not enough: the frame waits for buffers, unless it would wait for ever. */
static bool refuse(struct virtq *q, const struct virtq_head *heads, unsigned count, bool drop)
{
    give_back(q, heads, count);
    return drop || !virtio_live(q->dev);
}

static void make_header(const struct virtio_net *n, const struct net_offload *o, const u8 *frame,
                        size_t len, u8 header[NET_HDR])
{
    struct net_offload told = *o;
    bool checks = n->offloads & BIT64(NET_F_GUEST_CSUM);

    if (checks && !o->flags && !o->gso && sum_is_right(frame, len))
        told.flags = NET_OFFLOAD_VALID;
    else if (!checks)
        told.flags = 0;
    net_offload_write(&told, header);
    put_le16(header + NET_OFFLOAD_LEN, 1);
}

bool virtio_net_receive_offload(void *opaque, const struct net_offload *o, const u8 *frame,
                                size_t len)
{
    struct virtio_net *n = opaque;
    struct virtq *q = virtio_net_receiver(n, frame, len);
    bool merge = virtio_has(&n->virtio, NET_F_MRG_RXBUF);
    struct virtq_head heads[PARTS_MAX];
    u32 written[PARTS_MAX], hdr_len = net_hdr_len(n);
    u8 header[NET_HDR], count_field[2];
    size_t at = 0;
    unsigned count = 0;

    if (!virtio_live(&n->virtio) || !q->ready || !virtio_net_wants(n, frame, len))
        return true;
    make_header(n, o, frame, len, header);
    while (at < hdr_len + len) {
        struct virtq_buf *buf = count ? &n->buf : &n->first;
        if (count == PARTS_MAX || (count && !merge))
            return refuse(q, heads, count, true);
        if (!virtq_pop(q, buf))
            return refuse(q, heads, count, q->in_use == q->size);
        heads[count] = buf->head;
        written[count] = put(q, buf, header, hdr_len, frame, len, at);
        at += written[count++];
    }
    put_le16(count_field, (u16)count);
    if (hdr_len == NET_HDR)
        virtq_write(q, &n->first, 10, count_field, 2);
    virtq_push_all(q, heads, written, count);
    virtq_interrupt(q);
    return true;
}

bool virtio_net_receive(void *opaque, const u8 *frame, size_t len)
{
    return virtio_net_receive_offload(opaque, &(struct net_offload){.flags = 0}, frame, len);
}
