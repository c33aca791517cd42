/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be set of a port, as words KEY=VALUE. Main thread. */
#pragma once
#include "base/err.h"
#include "vswitch/guard.h"
#include "vswitch/rule.h"
#include "vswitch/vlan.h"

#define PORT_MACS        64u /* addresses learned; of an uplink: */
#define PORT_UPLINK_MACS 4096u

struct port_config {
    char name[PORT_NAME_MAX];
    char uplink[1024]; /* as net_parse takes it; "": a socket for members */
    char pcap[1024];   /* "": no recording */
    char mirror[PORT_NAME_MAX];
    bool shared;   /* each member gets a port of its own, made like this one */
    bool down;     /* nothing passes */
    bool isolated; /* from other isolated ports */
    bool monitor;  /* gets what is mirrored, and nothing else; is not listened to */
    bool no_flood; /* frames to unknown stations do not go here */
    struct vlan_port vlan;
    struct guard guard;
    u32 macs;              /* that are learned at most */
    u64 rate_in, rate_out; /* bits/s; 0: no limit */
    u32 storm;             /* frames/s to many or unknown stations; 0: no limit */
    u32 loss;              /* of a million frames that come in, for tests */
};

/* Letters, digits, '-', '_' and '.', no '.' in front. -EINVAL. */
must_check int port_name_check(const char *name, struct err *err);
void port_config_init(struct port_config *c, const char *name);
/*
 * link=up|down, isolated, monitor, flood, shared=on|off, vlan=N, trunk=N-M,…, native=N|none,
 * mac=ADDRESS,…|any, ip=PREFIX,…|any, macs=N, rate-in=, rate-out=BITS[k|M|G], storm=N,
 * loss=PERCENT, mirror=PORT|none, pcap=FILE|none, uplink=NET. -EINVAL with a message.
 */
must_check int port_config_set(struct port_config *c, const char *word, struct err *err);
/* What only the whole can tell. */
must_check int port_config_check(const struct port_config *c, struct err *err);
