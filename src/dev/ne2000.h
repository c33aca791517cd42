/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NE2000 cards: Realtek RTL8029AS on PCI, and the Novell original on ISA; see ne2000.c. */
#pragma once
#include "base/state.h"
#include "bus/bus.h"
#include "bus/clock.h"
#include "bus/irq.h"
#include "net/net.h"
#include "pci/pci.h"

struct ne2000;
struct ne2000_isa;

extern const struct state_table ne2000_state, ne2000_isa_state;

/* rom: a boot ROM, or NULL. -ENOMEM, -EEXIST. */
must_check int ne2000_new(struct ne2000 **out, struct pci_bus *bus, u8 devfn, struct clock *clk,
                          const u8 mac[6], struct mem_window *rom);
void ne2000_reset(struct ne2000 *n);
void ne2000_free(struct ne2000 *n);
struct net_end *ne2000_net_end(struct ne2000 *n);

/* Claims port..port+31: usually 300h, IRQ 9. -ENOMEM, -EEXIST. */
must_check int ne2000_isa_new(struct ne2000_isa **out, struct bus *pio, u16 port, struct irq irq,
                              const u8 mac[6]);
void ne2000_isa_reset(struct ne2000_isa *n);
void ne2000_isa_free(struct ne2000_isa *n);
struct net_end *ne2000_isa_net_end(struct ne2000_isa *n);
