/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * National DP8390D network controller with the memory, address PROM and data port of an NE2000
 * around it; see dp8390.c. A part of an ISA or PCI card, which embeds it.
 */
#pragma once
#include "base/state.h"
#include "bus/irq.h"
#include "net/net.h"

#define DP8390_PORTS     32u
#define DP8390_RAM_START 0x4000u
#define DP8390_RAM_SIZE  0x8000u
#define DP8390_PROM_SIZE 32u

struct dp8390 {
    struct net_end end;
    struct irq irq;
    bool rtl8029; /* has its ID and its page 3 */
    u8 prom[DP8390_PROM_SIZE];

    u8 cr, isr, imr, dcr, tcr, rcr, tsr, rsr;
    u8 pstart, pstop, bnry, curr, tpsr;
    u16 tbcr, rsar, rbcr; /* rsar, rbcr: remote DMA, as it goes on */
    u8 par[6], mar[8], cntr[3];
    u8 page3[16];
    bool rx_waits;     /* the cable waits for room in the ring */
    bool sends_packet; /* the remote DMA is the "send packet" command */
    u8 send_next;      /* its packet's successor */
    u8 ram[DP8390_RAM_SIZE];
};

extern const struct state_field dp8390_fields[];

void dp8390_init(struct dp8390 *d, struct irq irq, const u8 mac[6], bool rtl8029);
void dp8390_reset(struct dp8390 *d);
/* Offsets 0..31, size 1, 2 or 4. */
u64 dp8390_read(struct dp8390 *d, u64 off, unsigned size);
void dp8390_write(struct dp8390 *d, u64 off, unsigned size, u64 val);
/* After its fields were loaded: drives the line. */
void dp8390_loaded(struct dp8390 *d);
