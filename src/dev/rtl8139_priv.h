/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers of the RTL8139C+ (data sheet 1.6, chapter 6) and what the files rtl8139*.c share. */
#pragma once
#include "base/le.h"
#include "dev/eeprom93c46.h"
#include "dev/rtl8139.h"
#include "net/frame.h"

#define IDR0     0x00u
#define MAR0     0x08u
#define TSD0     0x10u
#define TSAD0    0x20u /* C+: TNPDS, THPDS */
#define TNPDS    0x20u
#define THPDS    0x28u
#define RBSTART  0x30u
#define ERBCR    0x34u
#define CR       0x37u
#define CAPR     0x38u
#define CBR      0x3au
#define IMR      0x3cu
#define ISR      0x3eu
#define TCR      0x40u
#define RCR      0x44u
#define TCTR     0x48u
#define MPC      0x4cu
#define CR9346   0x50u
#define CONFIG0  0x51u
#define CONFIG1  0x52u
#define TIMERINT 0x54u
#define MSR      0x58u
#define CONFIG3  0x59u
#define CONFIG4  0x5au
#define MULINT   0x5cu
#define RERID    0x5eu
#define TSAD     0x60u
#define BMCR     0x62u
#define BMSR     0x64u
#define ANAR     0x66u
#define ANLPAR   0x68u
#define ANER     0x6au
#define NWAYTR   0x70u
#define CSCR     0x74u
#define CONFIG5  0xd8u
#define TPPOLL   0xd9u
#define CPCR     0xe0u
#define RDSAR    0xe4u
#define ETTHR    0xecu
#define REGS     256u

#define CR_BUFE 0x01u
#define CR_TE   0x04u
#define CR_RE   0x08u
#define CR_RST  0x10u

#define INT_ROK     0x0001u
#define INT_TOK     0x0004u
#define INT_RDU     0x0010u /* C: receive buffer overflow; C+: no descriptor */
#define INT_LINK    0x0020u
#define INT_TDU     0x0080u
#define INT_SW      0x0100u
#define INT_TIMEOUT 0x4000u

#define TSD_SIZE 0x00001fffu
#define TSD_OWN  0x00002000u
#define TSD_TUN  0x00004000u
#define TSD_TOK  0x00008000u

#define TCR_LOOPBACK 0x00060000u
#define RCR_AAP      0x0001u
#define RCR_APM      0x0002u
#define RCR_AM       0x0004u
#define RCR_AB       0x0008u
#define RCR_WRAP     0x0080u

#define CPCR_TX   0x0001u
#define CPCR_RX   0x0002u
#define CPCR_DAC  0x0010u
#define CPCR_SUMS 0x0020u
#define CPCR_VLAN 0x0040u

#define DESC_SIZE 16u
#define DESCS     64u /* at most, in each ring */
#define DESC_OWN  BIT(31)
#define DESC_EOR  BIT(30)
#define DESC_FS   BIT(29)
#define DESC_LS   BIT(28)

#define TX_MAX (NET_FRAME_MAX + 256u)

/* C+: the packet that is being put together. */
struct rtl8139_tx {
    u32 len, at;
    u32 first;     /* dword 0 of the first descriptor */
    u32 tag;       /* dword 1 of the last */
    bool complete; /* goes out as the cable takes it */
    bool too_long;
    u8 buf[TX_MAX];
};

struct rtl8139 {
    struct pci_device pci;
    struct clock *clk;
    struct net_end end;
    struct eeprom93c46 eeprom;
    u8 reg[REGS];
    u32 rx_write, rx_read; /* C: offsets in the ring */
    u8 tx_next;            /* C: the descriptor that is sent next */
    u8 rx_at, tx_at[2];    /* C+: indices in the rings; normal, high priority */
    bool polled[2];        /* C+: TPPoll asked for the ring */
    u64 tctr_start;        /* ns: when TCTR was 0 */
    bool rx_waits;         /* C+: the cable waits for a descriptor */
    struct timer count;    /* TCTR reaches TimerInt */
    struct timer again;    /* looks at the rings again */
    u64 again_at;          /* for saved state; UINT64_MAX: not armed */
    struct rtl8139_tx tx;
    bool tx_runs;
    u8 out[TX_MAX + FRAME_VLAN];
    u8 in[NET_FRAME_MAX];
};

static inline u16 rtl_get16(const struct rtl8139 *r, unsigned off)
{
    return le16(r->reg + off);
}

static inline u32 rtl_get32(const struct rtl8139 *r, unsigned off)
{
    return le32(r->reg + off);
}

static inline bool rtl_link(const struct rtl8139 *r)
{
    return r->end.peer && r->end.link_up;
}

/* rtl8139.c */
void rtl8139_chip_reset(struct rtl8139 *r);
void rtl8139_load_eeprom(struct rtl8139 *r);
void rtl8139_update_irq(struct rtl8139 *r);
void rtl8139_cause(struct rtl8139 *r, u16 bits);
u32 rtl8139_tctr(struct rtl8139 *r);
void rtl8139_arm_count(struct rtl8139 *r);
void rtl8139_look_again(struct rtl8139 *r, u64 ns);

/* rtl8139_regs.c */
extern const struct bus_ops rtl8139_ops;
void rtl8139_update_link(struct rtl8139 *r);

/* rtl8139_tx.c */
void rtl8139_tx_run(struct rtl8139 *r);

/* rtl8139_rx.c */
bool rtl8139_receive(void *opaque, const u8 *frame, size_t len);
u32 rtl8139_ring_size(const struct rtl8139 *r);
