/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtio socket device, with real sockets of the host on both sides of it; see virtio_input.h. */
#include "os/sock.h"
#include "virtio/vsock.h"
#include "virtio_input.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS 6u

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

struct hosts {
    struct loop *loop;
    char path[64], listen_path[80];
    int listener, client[CLIENTS];
};

static u64 one_round(void *opaque)
{
    loop_stop(opaque);
    return 0;
}

static void spin(struct virtio_target *t)
{
    struct hosts *h = t->opaque;
    struct err err;

    clock_advance(t->d.p.rig.clk, 0);
    BUG_ON(loop_run(h->loop, one_round, h->loop, &err));
}

static void host_sends(int fd, struct input *in)
{
    static u8 zeros[100000];
    u8 bytes[32];
    size_t n = (size_t)input_take(in, 1) % sizeof(bytes);

    for (size_t i = 0; i < n; i++)
        bytes[i] = (u8)input_take(in, 1);
    if (send(fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL) == 31)
        n = (size_t)send(fd, zeros, sizeof(zeros), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* One of the host's programs: connects, sends, reads, shuts, closes. */
static void host(struct virtio_target *t, struct input *in, u8 op)
{
    struct hosts *h = t->opaque;
    static const char greeting[] = "CONNECT 1000\n";
    static u8 buf[4096];
    unsigned n = op % CLIENTS;
    int *fd = &h->client[n];

    if (*fd < 0) {
        *fd = n & 1 ? sock_accept(h->listener) : sock_connect_unix(h->path);
        if (*fd >= 0 && !(n & 1) && op & 8 && send(*fd, greeting, 13, MSG_NOSIGNAL) != 13)
            return;
    } else if (op >> 3 == 0) {
        host_sends(*fd, in);
    } else if (op >> 3 == 1) {
        while (recv(*fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
            ;
    } else if (op >> 3 == 2) {
        shutdown(*fd, SHUT_WR);
    } else {
        close(*fd);
        *fd = -1;
    }
    spin(t);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct hosts h = {.client = {-1, -1, -1, -1, -1, -1}};
    struct virtio_target t = {
        .host = host, .state = &virtio_vsock_state, .queues = 3, .opaque = &h};
    struct virtio_vsock_config cfg = {.cid = 3, .packed = true};
    struct input in = {data, size};
    struct virtio_vsock *v;
    struct err err;

    drv_open(&t.d);
    snprintf(h.path, sizeof(h.path), "/tmp/domus-fuzz-vsock-%d", getpid());
    snprintf(h.listen_path, sizeof(h.listen_path), "%s_80", h.path);
    h.listener = sock_listen_unix(h.listen_path, &err);
    BUG_ON(h.listener < 0 || loop_new(&h.loop, &err));
    cfg.loop = h.loop;
    cfg.path = h.path;
    cfg.lock = &t.d.p.rig.lock;
    BUG_ON(virtio_vsock_new(&v, t.d.p.mem, t.d.p.rig.clk, &cfg, &err));
    t.device = v;
    t.virtio = virtio_vsock_dev(v);
    virtio_target_run(&t, &in);
    virtio_vsock_free(v);
    for (unsigned n = 0; n < CLIENTS; n++)
        if (h.client[n] >= 0)
            close(h.client[n]);
    close(h.listener);
    unlink(h.listen_path);
    loop_free(h.loop);
    drv_close(&t.d);
    return 0;
}
