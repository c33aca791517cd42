/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An ordered table of rules: the first one that matches a frame on its way from one port to another
 * says whether it goes there; where none does, the policy says it. Rules know no connections. Under
 * the switch's lock.
 */
#pragma once
#include "base/err.h"
#include "vswitch/prefix.h"

#define RULES_MAX     1024u
#define RULE_TEXT_MAX 256u
#define PORT_NAME_MAX 32u

struct rule_range {
    u16 first, last; /* last 0: any */
};

struct rule {
    char text[RULE_TEXT_MAX]; /* as it was given */
    u64 frames, bytes;        /* that it decided on */
    bool allow;
    char from[PORT_NAME_MAX], to[PORT_NAME_MAX]; /* "": any port */
    u32 vlan;                                    /* 0: any */
    bool has_type, has_smac, has_dmac, has_proto, has_icmp, has_fragment, has_tcp;
    u16 type;
    u8 smac[6], dmac[6];
    struct prefix src, dst;
    u8 proto, icmp;
    struct rule_range sport, dport;
    bool fragment, tcp_new;
};

/* What a frame is on the way from and to. */
struct rule_way {
    const char *from, *from_group, *to, *to_group; /* names of the ports; groups or NULL */
    u16 vlan;
    const struct packet *packet;
};

/*
 * "allow" or "deny", then ",KEY=VALUE"s: from, to (names of ports), vlan, type (arp, ipv4, ipv6 or
 * a number), smac, dmac, src, dst (IP addresses, also of ARP, with /BITS or not), proto (tcp, udp,
 * icmp, icmpv6 or a number), sport, dport (N or N-M), icmp (a type), tcp (new, established),
 * fragment (yes, no: any but the first). -EINVAL with a message that names the key.
 */
must_check int rule_parse(struct rule *out, const char *text, struct err *err);
/* Never what is malformed, nor ports that are not there. */
bool rule_matches(const struct rule *r, const struct rule_way *way);

struct rule_table {
    struct rule *rule;
    unsigned n;
    bool deny; /* the policy */
};

/* Before number `at`; past the end: last. -ENOSPC or -ENOMEM with a message. */
must_check int rules_add(struct rule_table *t, unsigned at, const struct rule *r, struct err *err);
void rules_remove(struct rule_table *t, unsigned at); /* at < n */
void rules_free(struct rule_table *t);
/* Counts in the rule that decides. What is malformed passes only where there are no rules. */
bool rules_allow(struct rule_table *t, const struct rule_way *way, size_t len);
