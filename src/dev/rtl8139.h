/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Realtek RTL8139C+ Fast Ethernet controller; see rtl8139.c. */
#pragma once
#include "base/state.h"
#include "bus/clock.h"
#include "net/net.h"
#include "pci/pci.h"

struct rtl8139;

extern const struct state_table rtl8139_state;

/* rom: a boot ROM, or NULL. -ENOMEM, -EEXIST. */
must_check int rtl8139_new(struct rtl8139 **out, struct pci_bus *bus, u8 devfn, struct clock *clk,
                           const u8 mac[6], struct mem_window *rom);
void rtl8139_reset(struct rtl8139 *r);
void rtl8139_free(struct rtl8139 *r);
struct net_end *rtl8139_net_end(struct rtl8139 *r);
