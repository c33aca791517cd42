/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The switch from within: port.c has what is between a port's cable and the switch, forward.c the
 * way of a frame from one port to others, vswitch.c the ports there are, command.c what can be said
 * to it. Under the switch's lock but where it says otherwise.
 */
#pragma once
#include "net/backend.h"
#include "net/capture.h"
#include "vswitch/config.h"
#include "vswitch/fdb.h"
#include "vswitch/pace.h"
#include "vswitch/queue.h"
#include "vswitch/vswitch.h"

#define VSWITCH_PORTS 64u /* as bits in a word */

/* Why a frame goes no further. */
enum drop {
    DROP_LINK,  /* the port is down, or one that only monitors */
    DROP_FORM,  /* no frame, a source that is none, or one for bridges themselves */
    DROP_VLAN,  /* not the port's */
    DROP_GUARD, /* not its addresses */
    DROP_MOVED, /* the source is another port's */
    DROP_RULE,
    DROP_STORM,
    DROP_LOSS,  /* as wanted */
    DROP_QUEUE, /* counted where it was to go */
    DROP_REASONS,
    DROP_NOT,
};

struct port_stats {
    u64 frames_in, bytes_in, frames_out, bytes_out;
    u64 drops[DROP_REASONS];
};

struct port {
    struct vswitch *sw;
    unsigned index;
    struct port_config cfg;
    struct port *origin; /* the shared port that it is a member of, or NULL */
    struct net_end end;
    struct net_backend *uplink;
    struct net_socket *member;
    int listener; /* of a shared port; -1: none */
    struct loop_fd *watch;
    bool connected; /* as of the last round */
    bool waiting;   /* what comes in, for rate_in */
    bool sending;   /* port_send runs */
    struct queue queue;
    struct pace in, out, storm;
    struct timer in_timer, out_timer;
    struct capture capture;
    struct port_stats stats;
};

struct vswitch {
    struct vswitch_config cfg;
    u64 epoch; /* ns since 1970 at time 0 of the clock */
    struct port *port[VSWITCH_PORTS];
    struct fdb *fdb;
    u64 aging; /* ns */
    bool moves;
    struct rule_table rules;
    struct timer sweep;
    u64 pending; /* ports with frames that port_send has not looked at */
    u64 random;  /* for losses */
    bool stopped;
    u8 untagged[NET_FRAME_MAX]; /* of the frame that is being forwarded */
};

/* port.c; without the lock, by the loop's thread: */
/* A port of the switch's, not in sw->port yet. fd: a member's, given away, or -1. */
must_check int port_new(struct port **out, struct vswitch *sw, unsigned index,
                        const struct port_config *cfg, int fd, struct err *err);
void port_free(struct port *p); /* not in sw->port any more */
must_check int port_configure(struct port *p, const struct port_config *cfg, struct err *err);
/* With the lock: */
bool port_is_connected(const struct port *p);
/* As much as the other side takes. */
void port_send(struct port *p);

/* forward.c: a frame has come in. It is in queues when this returns; see port_send. */
void forward_frame(struct port *from, const u8 *frame, size_t len);

/* vswitch.c; without the lock, by the loop's thread: */
struct port *vswitch_find(const struct vswitch *sw, const char *name);
must_check int vswitch_set_port(struct vswitch *sw, const char *name, const char *const *words,
                                size_t n, struct err *err);
must_check int vswitch_remove_port(struct vswitch *sw, const char *name, struct err *err);
/* A member of a shared port has come; `fd` is given away. */
void vswitch_join(struct port *origin, int fd);
