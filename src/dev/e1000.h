/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Intel 82540EM Gigabit Ethernet controller (PRO/1000 MT Desktop); see e1000.c. */
#pragma once
#include "base/state.h"
#include "bus/clock.h"
#include "net/net.h"
#include "pci/pci.h"

struct e1000;

extern const struct state_table e1000_state;

/* rom: a boot ROM, or NULL. -ENOMEM, -EEXIST. */
must_check int e1000_new(struct e1000 **out, struct pci_bus *bus, u8 devfn, struct clock *clk,
                         const u8 mac[6], struct mem_window *rom);
void e1000_reset(struct e1000 *e);
void e1000_free(struct e1000 *e);
struct net_end *e1000_net_end(struct e1000 *e);
