/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What vsock.c (device and queues), vsock_packet.c (what the guest gets), vsock_conn.c (connections
 * and what the guest says of them) and vsock_host.c (unix sockets) share. All of it is under the
 * machine's lock. Descriptors are made, watched and closed by the loop's thread alone: others set a
 * state, and vsock_work_soon.
 */
#pragma once
#include "virtio/vsock.h"

#define VSOCK_CONNECTIONS 256u
#define VSOCK_REPLIES     64u          /* RSTs without a connection */
#define VSOCK_BUF         (128u * KiB) /* from the guest, of a connection */
#define VSOCK_CHUNK       (64u * KiB)  /* of a packet to the guest */
#define VSOCK_HOST_CID    2u
#define VSOCK_STREAM      1u
#define VSOCK_HEADER      44u

/* Queues, 5.10.2. */
enum { VSOCK_RX, VSOCK_TX, VSOCK_EVENT, VSOCK_QUEUES };

/* Operations, 5.10.6. */
#define VSOCK_OP_REQUEST        1u
#define VSOCK_OP_RESPONSE       2u
#define VSOCK_OP_RST            3u
#define VSOCK_OP_SHUTDOWN       4u
#define VSOCK_OP_RW             5u
#define VSOCK_OP_CREDIT_UPDATE  6u
#define VSOCK_OP_CREDIT_REQUEST 7u

/* Flags of SHUTDOWN: whoever says it will … any more. */
#define VSOCK_NO_RECEIVE 1u
#define VSOCK_NO_SEND    2u
#define VSOCK_NEITHER    3u

struct vsock_header {
    u64 src_cid, dst_cid;
    u32 src_port, dst_port;
    u32 len; /* bytes of data that follow */
    u16 type, op;
    u32 flags;
    u32 buf_alloc, fwd_cnt; /* the sender's room for a connection, and bytes that have left it */
};

enum vsock_state {
    VSOCK_FREE,
    VSOCK_GREETING, /* a client of the host has to say CONNECT */
    VSOCK_ASKED,    /* the guest has to answer its REQUEST */
    VSOCK_CALLING,  /* the guest's REQUEST: the loop's thread connects to a socket of the host */
    VSOCK_OPEN,
    VSOCK_DRAINING, /* over for the guest; the host gets what is left */
    VSOCK_DEAD,     /* the loop's thread closes it; the guest may have to be told */
};

struct vsock_conn {
    struct virtio_vsock *v;
    enum vsock_state state;
    u32 host_port, guest_port; /* 0, 0 while GREETING */
    int fd;                    /* -1: none */
    struct loop_fd *watch;     /* NULL: none, or the host's side has hung up */
    char line[32];             /* what a client has said so far */
    u32 line_len;
    u64 deadline;              /* of GREETING and ASKED; else 0 */
    u32 owed;                  /* BIT(op): packets without data that the guest has to get */
    u32 host_shut, guest_shut; /* flags of SHUTDOWN */
    bool eof;                  /* the host sends nothing any more … */
    bool write_shut;           /* … and knows that the guest does not */
    u32 sent, peer_alloc, peer_fwd;
    u8 *out; /* ring of VSOCK_BUF bytes on their way to the host; NULL: none was needed yet */
    u32 out_head, out_len;
    u32 forwarded, told; /* bytes that have left it, and what the guest knows of that */
};

struct virtio_vsock {
    struct virtio virtio;
    struct clock *clk;
    struct loop *loop;
    pthread_mutex_t *lock;
    u32 cid;
    char path[VIRTIO_VSOCK_PATH_MAX + 1];
    int listener;
    struct loop_fd *listen_watch;
    struct timer work;
    u32 next_port;  /* of the host's clients */
    bool rx_full;   /* the guest has no buffers … */
    bool tx_waits;  /* … so that its packets have to wait too */
    bool reset_due; /* event TRANSPORT_RESET */
    struct vsock_header reply[VSOCK_REPLIES];
    unsigned nreplies;
    struct vsock_conn conn[VSOCK_CONNECTIONS];
    unsigned turn; /* whose packets come first */
    u8 chunk[VSOCK_CHUNK];
    struct virtq_buf buf, in;
};

static inline bool vsock_is_due(const struct vsock_conn *c, u32 op)
{
    return c->owed & BIT(op);
}

/* vsock.c: the loop's thread is to look at all connections. */
void vsock_work_soon(struct virtio_vsock *v);

/* vsock_packet.c */
void vsock_header_read(struct vsock_header *h, const u8 raw[VSOCK_HEADER]);
/* Answers a packet that belongs to no connection; there is room (v->nreplies). */
void vsock_refuse(struct virtio_vsock *v, const struct vsock_header *h);
/* Gives the guest what it has to get, as far as it has buffers. */
void vsock_flush(struct virtio_vsock *v);
/* How much data a packet may have now; 0: none, see v->rx_full. Then the data, or vsock_data_none.
 */
u32 vsock_data_room(struct vsock_conn *c);
void vsock_data_send(struct vsock_conn *c, const u8 *data, u32 len);
void vsock_data_none(struct vsock_conn *c);

/* vsock_conn.c */
/* NULL: there are too many. */
struct vsock_conn *vsock_conn_take(struct virtio_vsock *v, enum vsock_state state);
bool vsock_conn_room(struct virtio_vsock *v);
/* Gives the slot back if nothing is left of the connection. */
void vsock_conn_release(struct vsock_conn *c);
/* Ends it; `tell`: the guest, by RST. */
void vsock_conn_kill(struct vsock_conn *c, bool tell);
/* Asks the guest for a connection to its port. */
void vsock_conn_ask(struct vsock_conn *c, u32 guest_port);
/* The host's side will not do `flags` any more. */
void vsock_conn_shut(struct vsock_conn *c, u32 flags);
/* Bytes the guest may be sent. */
u32 vsock_conn_window(const struct vsock_conn *c);
/* What follows from what the guest has shut and what has left the buffer. */
void vsock_conn_settle(struct vsock_conn *c);
/* A packet of the guest's, whose data are in v->buf. */
void vsock_conn_packet(struct virtio_vsock *v, const struct vsock_header *h);

/* vsock_host.c */
must_check int vsock_host_listen(struct virtio_vsock *v, struct err *err);
/* What the host's side of it is to be waited for. Any thread, as the next two. */
void vsock_host_want(struct vsock_conn *c);
/* Moves what goes without waiting. */
void vsock_host_drain(struct vsock_conn *c);
void vsock_host_pump(struct vsock_conn *c);
/* Tells a client that the guest has accepted. */
void vsock_host_accepted(struct vsock_conn *c);
/* By the loop's thread alone. */
void vsock_host_call(struct vsock_conn *c);
void vsock_host_close(struct vsock_conn *c);
