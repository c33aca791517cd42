/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A cable to another VM over a stream socket; see socket.c. */
#pragma once
#include "base/err.h"
#include "bus/clock.h"
#include "net/net.h"
#include "os/loop.h"

struct net_socket;

enum net_socket_mode { NET_SOCKET_LISTEN, NET_SOCKET_CONNECT, NET_SOCKET_FD };

struct net_socket_config {
    enum net_socket_mode mode;
    char addr[300]; /* unix:PATH or HOST:PORT; see net/addr.h */
    u32 reconnect;  /* seconds between tries to connect; 0: one try, which must succeed */
    int fd;         /* NET_SOCKET_FD: a connected stream socket, owned from net_socket_new on */
};

must_check int net_socket_new(struct net_socket **out, const struct net_socket_config *cfg,
                              struct loop *loop, struct clock *clk, pthread_mutex_t *lock,
                              struct err *err);
void net_socket_free(struct net_socket *s);
struct net_end *net_socket_end(struct net_socket *s);
bool net_socket_connected(const struct net_socket *s);
