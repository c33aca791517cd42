/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Socket addresses as options name them. Any thread; names are looked up, which may take long. */
#pragma once
#include "base/err.h"

#include <sys/socket.h>

struct net_addr {
    struct sockaddr_storage sa;
    socklen_t len;
};

/* "unix:PATH", "HOST:PORT", "[V6]:PORT", ":PORT" (to listen: all addresses; else this host). */
must_check int net_addr_parse(struct net_addr *out, const char *text, bool to_listen,
                              struct err *err);
/* IPv4 only, as multicast groups and UDP tunnels are given. */
must_check int net_addr_parse_ipv4(struct net_addr *out, const char *text, struct err *err);
