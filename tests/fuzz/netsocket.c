/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A hostile peer: its stream arrives in pieces, and the card takes frames or not. */
#include "../unit/net/rig.h"
#include "dev_input.h"
#include "net/socket.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static u64 next_round(void *opaque)
{
    struct loop *loop = opaque;

    loop_stop(loop);
    return 0;
}

struct stream {
    struct rig rig;
    struct loop *loop;
    struct far card;
    struct net_socket *s;
    int peer;
};

static void run(struct stream *st)
{
    struct err err;

    /* The loop stops before it waits: one more turn for what is ready. */
    BUG_ON(loop_run(st->loop, next_round, st->loop, &err));
}

static void step(struct stream *st, struct input *in)
{
    u8 op = (u8)input_take(in, 1), buf[256];
    size_t n = op & 0x3f;

    if (op < 0x80) {
        for (size_t i = 0; i < n; i++)
            buf[i] = (u8)input_take(in, 1);
        if (send(st->peer, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            return;
    } else if (op < 0xa0) {
        st->card.room = op & 7;
        net_ready(&st->card.end);
    } else if (op < 0xc0) {
        memset(buf, op, sizeof(buf));
        net_send(&st->card.end, buf, 1 + n);
    } else if (op < 0xe0) {
        if (recv(st->peer, buf, sizeof(buf), MSG_DONTWAIT) < 0)
            return;
    } else {
        run(st);
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct input in = {data, size};
    struct net_socket_config cfg = {.mode = NET_SOCKET_FD};
    struct stream st;
    struct err err;
    int fd[2];

    rig_open(&st.rig);
    BUG_ON(loop_new(&st.loop, &err));
    BUG_ON(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd));
    cfg.fd = fd[0];
    st.peer = fd[1];
    BUG_ON(net_socket_new(&st.s, &cfg, st.loop, st.rig.clk, &st.rig.lock, &err));
    far_init(&st.card);
    net_plug(&st.card.end, net_socket_end(st.s));
    while (input_left(&in))
        step(&st, &in);
    run(&st);
    net_socket_free(st.s);
    close(st.peer);
    loop_free(st.loop);
    rig_close(&st.rig);
    return 0;
}
