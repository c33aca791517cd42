/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers of the 82540EM (PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's
 * Manual, Intel 317453, chapter 13), and what the files e1000*.c share.
 */
#pragma once
#include "base/le.h"
#include "dev/e1000.h"
#include "dev/eeprom93c46.h"
#include "net/frame.h"

#define CTRL    0x0000u
#define STATUS  0x0008u
#define EECD    0x0010u
#define EERD    0x0014u
#define MDIC    0x0020u
#define VET     0x0038u
#define ICR     0x00c0u
#define ITR     0x00c4u
#define ICS     0x00c8u
#define IMS     0x00d0u
#define IMC     0x00d8u
#define RCTL    0x0100u
#define TCTL    0x0400u
#define TIPG    0x0410u
#define LEDCTL  0x0e00u
#define PBA     0x1000u
#define RDBAL   0x2800u
#define RDBAH   0x2804u
#define RDLEN   0x2808u
#define RDH     0x2810u
#define RDT     0x2818u
#define RDTR    0x2820u
#define RADV    0x282cu
#define RSRPD   0x2c00u
#define TDBAL   0x3800u
#define TDBAH   0x3804u
#define TDLEN   0x3808u
#define TDH     0x3810u
#define TDT     0x3818u
#define TIDV    0x3820u
#define TXDCTL  0x3828u
#define TADV    0x382cu
#define STATS   0x4000u
#define RXERRC  0x400cu
#define MPC     0x4010u
#define PRC64   0x405cu
#define GPRC    0x4074u
#define BPRC    0x4078u
#define MPRC    0x407cu
#define GPTC    0x4080u
#define GORCL   0x4088u
#define GORCH   0x408cu
#define GOTCL   0x4090u
#define GOTCH   0x4094u
#define ROC     0x40acu
#define TORL    0x40c0u
#define TORH    0x40c4u
#define TOTL    0x40c8u
#define TOTH    0x40ccu
#define TPR     0x40d0u
#define TPT     0x40d4u
#define PTC64   0x40d8u
#define MPTC    0x40f0u
#define BPTC    0x40f4u
#define TSCTC   0x40f8u
#define STATS_E 0x40fcu /* the last one */
#define RXCSUM  0x5000u
#define MTA     0x5200u
#define RA      0x5400u
#define VFTA    0x5600u
#define REGS    0x6000u /* above are the packet buffer and filters for wake-up, not modelled */

#define CTRL_FD      BIT(0)
#define CTRL_RST     BIT(26)
#define CTRL_VME     BIT(30)
#define CTRL_PHY_RST BIT(31)

#define ICR_TXDW    BIT(0)
#define ICR_TXQE    BIT(1)
#define ICR_LSC     BIT(2)
#define ICR_RXDMT0  BIT(4)
#define ICR_RXT0    BIT(7)
#define ICR_MDAC    BIT(9)
#define ICR_TXD_LOW BIT(15)
#define ICR_SRPD    BIT(16)

#define RCTL_EN    BIT(1)
#define RCTL_UPE   BIT(3)
#define RCTL_MPE   BIT(4)
#define RCTL_LPE   BIT(5)
#define RCTL_BAM   BIT(15)
#define RCTL_VFE   BIT(18)
#define RCTL_BSEX  BIT(25)
#define RCTL_SECRC BIT(26)

#define TCTL_EN  BIT(1)
#define TCTL_PSP BIT(3)

#define DESC_SIZE 16u
#define DESC_DD   BIT(0)

#define BMCR_LOOPBACK 0x4000u

enum e1000_timer {
    TIMER_ITR,  /* the interrupt may be raised again */
    TIMER_RDTR, /* no frame for RDTR */
    TIMER_RADV, /* RADV since the first */
    TIMER_TIDV,
    TIMER_TADV,
    TIMER_LINK, /* auto-negotiation ends */
    TIMER_TX,   /* transmission goes on */
    TIMERS
};

struct e1000_context {
    u8 ipcss, ipcso, tucss, tucso, cmd, hdrlen;
    u16 ipcse, tucse, mss;
};

#define TX_MAX (NET_FRAME_MAX + 256u) /* of one packet before segmentation */

/* The packet that is being put together from descriptors, then sent piece by piece. */
struct e1000_tx {
    struct e1000_context context[2]; /* for one frame; for segmentation */
    u32 len;                         /* bytes in buf */
    u32 at;                          /* payload sent */
    bool started;                    /* its first data descriptor was seen */
    bool complete;                   /* its last one too: it is sent as the cable takes it */
    bool too_long;
    bool extended; /* from data descriptors; else legacy */
    bool segment;  /* TSE */
    bool tag;      /* VLE */
    u8 popts;
    u16 special;
    u8 cmd, cso, css; /* of the last legacy descriptor */
    u8 buf[TX_MAX];
};

struct e1000 {
    struct pci_device pci;
    struct clock *clk;
    struct net_end end;
    u32 reg[REGS / 4];
    u16 phy[32];
    struct eeprom93c46 eeprom;
    u32 ioaddr;
    bool link;    /* the PHY has one */
    bool level;   /* of INTA# */
    u64 next_irq; /* ns: not before */
    struct timer timer[TIMERS];
    u64 deadline[TIMERS]; /* for saved state; UINT64_MAX: not armed */
    struct e1000_tx tx;
    bool tx_runs; /* guards against being called back */
    u8 out[TX_MAX + FRAME_VLAN];
    u8 in[NET_FRAME_MAX];
};

static inline u32 *e1000_reg(struct e1000 *e, u32 off)
{
    return &e->reg[off / 4];
}

static inline u32 e1000_get(const struct e1000 *e, u32 off)
{
    return e->reg[off / 4];
}

/* e1000.c */
void e1000_mac_reset(struct e1000 *e);
void e1000_cause(struct e1000 *e, u32 bits);
void e1000_update_irq(struct e1000 *e);
/* Counts up to the counter's maximum; a pair of registers likewise. */
void e1000_count(struct e1000 *e, u32 off, u32 n);
void e1000_count64(struct e1000 *e, u32 low, u32 n);
/* In units of the delay registers, 1.024 us. */
void e1000_delay(struct e1000 *e, enum e1000_timer t, u32 units);
void e1000_disarm(struct e1000 *e, enum e1000_timer t);
bool e1000_armed(struct e1000 *e, enum e1000_timer t);

/* e1000_regs.c */
extern const struct bus_ops e1000_mmio_ops, e1000_io_ops;

/* e1000_phy.c */
void e1000_eeprom_init(struct e1000 *e, const u8 mac[6]);
void e1000_write_eecd(struct e1000 *e, u32 val);
u32 e1000_read_eecd(const struct e1000 *e);
void e1000_write_eerd(struct e1000 *e, u32 val);
void e1000_write_mdic(struct e1000 *e, u32 val);
u32 e1000_status(const struct e1000 *e);
void e1000_phy_reset(struct e1000 *e, bool at_once);
void e1000_update_link(struct e1000 *e);
void e1000_negotiated(struct e1000 *e);

/* e1000_tx.c */
void e1000_tx_run(struct e1000 *e);
void e1000_tx_flush(struct e1000 *e); /* the delayed interrupt, now */

/* e1000_rx.c */
bool e1000_receive(void *opaque, const u8 *frame, size_t len);
void e1000_rx_flush(struct e1000 *e);
