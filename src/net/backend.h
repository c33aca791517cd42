/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is behind a card, whichever it is, with a recorder before it if one is wanted. */
#pragma once
#include "net/config.h"

struct net_backend;

/* `lock` is the cable's. -errno with a message. The loop's thread, or before it runs. */
must_check int net_open(struct net_backend **out, const struct net_config *cfg, struct loop *loop,
                        struct clock *clk, pthread_mutex_t *lock, struct err *err);
/* The loop's thread, and not under the machine's lock (see net_user_free). NULL is allowed. */
void net_close(struct net_backend *b);
/* For the card; NULL for "none". */
struct net_end *net_backend_end(struct net_backend *b);
/* NULL unless the kind is user: for forwards made later. */
struct net_user *net_backend_user(struct net_backend *b);
