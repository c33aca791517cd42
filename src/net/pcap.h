/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A recorder that sits in a cable and writes what passes, in both directions, to a file that
 * tcpdump and Wireshark read (classic pcap with microseconds, link type Ethernet). Frames count
 * when the receiver has taken them. When the file cannot be written, recording stops; the cable
 * goes on. Under the machine's lock.
 */
#pragma once
#include "base/err.h"
#include "bus/clock.h"
#include "net/net.h"

struct net_pcap;

/* The file is made anew, for the user only. Times are the wall clock's at the start plus the VM's
   clock. `snaplen` bytes of each frame are kept, 0: all. */
must_check int net_pcap_new(struct net_pcap **out, const char *path, u32 snaplen, struct clock *clk,
                            struct err *err);
void net_pcap_free(struct net_pcap *p);
/* Its two ends: one for the card, one for what is behind it. */
struct net_end *net_pcap_card_end(struct net_pcap *p);
struct net_end *net_pcap_far_end(struct net_pcap *p);
