/* SPDX-License-Identifier: GPL-2.0-or-later */
/* AMD Am79C970A (PCnet-PCI II) Ethernet controller; see pcnet.c. */
#pragma once
#include "base/state.h"
#include "bus/clock.h"
#include "net/net.h"
#include "pci/pci.h"

struct pcnet;

extern const struct state_table pcnet_state;

/* rom: a boot ROM, or NULL. -ENOMEM, -EEXIST. */
must_check int pcnet_new(struct pcnet **out, struct pci_bus *bus, u8 devfn, struct clock *clk,
                         const u8 mac[6], struct mem_window *rom);
void pcnet_reset(struct pcnet *p);
void pcnet_free(struct pcnet *p);
struct net_end *pcnet_net_end(struct pcnet *p);
