/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers of the Am79C970A (AMD publication 19436), and what the files pcnet*.c share. */
#pragma once
#include "base/le.h"
#include "dev/pcnet.h"
#include "net/frame.h"

#define CSRS 128u
#define BCRS 32u

#define CSR0_INIT 0x0001u
#define CSR0_STRT 0x0002u
#define CSR0_STOP 0x0004u
#define CSR0_TDMD 0x0008u
#define CSR0_TXON 0x0010u
#define CSR0_RXON 0x0020u
#define CSR0_IENA 0x0040u
#define CSR0_INTR 0x0080u
#define CSR0_IDON 0x0100u
#define CSR0_TINT 0x0200u
#define CSR0_RINT 0x0400u
#define CSR0_MERR 0x0800u
#define CSR0_MISS 0x1000u
#define CSR0_BABL 0x4000u
#define CSR0_ERR  0x8000u

#define CSR4_UINTCMD 0x0080u
#define CSR4_UINT    0x0040u
#define CSR4_TXSTRT  0x0008u
#define CSR4_ASTRP   0x0400u
#define CSR4_APAD    0x0800u
#define CSR4_DPOLL   0x1000u
#define CSR4_FLAGS   0x026au /* MFCO, UINT, RCVCCO, TXSTRT, JAB: writing 1 clears */

#define CSR5_SPND    0x0001u
#define CSR5_LTINTEN 0x4000u
#define CSR5_TOKINTD 0x8000u

#define MODE_PROM    0x8000u
#define MODE_DRCVBC  0x4000u
#define MODE_DRCVPA  0x2000u
#define MODE_DXMTFCS 0x0008u
#define MODE_LOOP    0x0004u
#define MODE_DTX     0x0002u
#define MODE_DRX     0x0001u

#define BCR_MC     2u
#define BCR_LNKST  4u
#define BCR_BSBC   18u
#define BCR_SWS    20u
#define BSBC_DWIO  0x0080u
#define SWS_SIZE32 0x0100u

#define TX_MAX 8192u

struct pcnet {
    struct pci_device pci;
    struct clock *clk;
    struct net_end end;
    u8 mac[6];
    u8 aprom[16];
    u16 csr[CSRS], bcr[BCRS];
    u16 rap;
    u32 rx_len, tx_len; /* descriptors, 1..65536 */
    u32 rx_at, tx_at;   /* the current ones */
    bool rx_waits;      /* the cable waits for a descriptor */
    struct timer poll;
    u64 poll_at; /* for saved state; UINT64_MAX: not armed */
    bool tx_runs;
    bool tx_started;      /* STP was seen, not yet ENP */
    bool tx_fcs, tx_long; /* the packet's ADD_FCS; it is longer than tx_buf */
    u32 tx_used;          /* bytes in tx_buf */
    u8 tx_buf[TX_MAX];
    u8 in[NET_FRAME_MAX];
};

/* pcnet.c */
void pcnet_cause(struct pcnet *p, u16 csr0_bits);
void pcnet_poll_in(struct pcnet *p, u64 ns);

/* pcnet_regs.c */
extern const struct bus_ops pcnet_ops;
void pcnet_update_irq(struct pcnet *p);
void pcnet_s_reset(struct pcnet *p);

/* pcnet_ring.c */
bool pcnet_load_init_block(struct pcnet *p);
bool pcnet_receive(void *opaque, const u8 *frame, size_t len);
void pcnet_tx_run(struct pcnet *p);
