/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Register accesses: the memory range, and the I/O range that points into it (section 13.2). */
#include "dev/e1000_priv.h"

#define IOADDR 0u
#define IODATA 4u

#define DELAY_FPD  BIT(31) /* RDTR and TIDV: what is delayed comes now */
#define DELAY_MASK 0xffffu
#define PBA_TOTAL  64u /* KiB of packet buffer */

/* Where plain registers are, and which of their bits a write changes. */
static const struct {
    u32 first, last, mask;
} plain[] = {
    {0x0018, 0x001c, ~0u}, /* CTRL_EXT, FLA */
    {0x0028, 0x0030, ~0u}, /* FCAL, FCAH, FCT */
    {VET, VET, 0xffff},       {ITR, ITR, 0xffff},
    {0x0170, 0x0178, ~0u},                                  /* FCTTV, TXCW */
    {TIPG, TIPG, ~0u},        {0x0448, 0x0458, ~0u},        /* TBT, AIT */
    {LEDCTL, LEDCTL, ~0u},    {0x2160, 0x2168, 0x8000fff8}, /* FCRTL, FCRTH */
    {RDBAL, RDBAL, ~0xfu},    {RDBAH, RDBAH, ~0u},
    {RDLEN, RDLEN, 0xfff80},  {RDH, RDH, 0xffff},
    {0x2828, 0x2828, ~0u}, /* RXDCTL */
    {RADV, RADV, DELAY_MASK}, {RSRPD, RSRPD, 0xfff},
    {0x3000, 0x3000, ~0u}, /* TXDMAC */
    {TDBAL, TDBAL, ~0xfu},    {TDBAH, TDBAH, ~0u},
    {TDLEN, TDLEN, 0xfff80},  {TDH, TDH, 0xffff},
    {TXDCTL, TXDCTL, ~0u},    {TADV, TADV, DELAY_MASK},
    {0x3830, 0x3830, ~0u}, /* TSPMT */
    {RXCSUM, RXCSUM, 0x7ff},  {MTA, MTA + 0x1fc, ~0u},
    {RA, RA + 0x7c, ~0u},     {VFTA, VFTA + 0x1fc, ~0u},
    {0x5800, 0x5810, ~0u}, /* wake-up: taken note of */
    {0x5820, 0x5820, ~0u}, /* MANC */
    {0x5838, 0x5838, ~0u}, /* IPAV */
    {0x5840, 0x588c, ~0u}, /* IP4AT, IP6AT */
};

/* Where the 82542 had them; its successors know both. */
static u32 unalias(u32 off)
{
    static const struct {
        u32 old, new;
    } alias[] = {{0x0040, RA},  {0x0108, RDTR}, {0x0110, RDBAL}, {0x0114, RDBAH}, {0x0118, RDLEN},
                 {0x0120, RDH}, {0x0128, RDT},  {0x0420, TDBAL}, {0x0424, TDBAH}, {0x0428, TDLEN},
                 {0x0430, TDH}, {0x0438, TDT},  {0x0440, TIDV}};

    if (off >= 0x0040 && off < 0x00c0)
        return RA + (off - 0x0040);
    if (off >= 0x0200 && off < 0x0400)
        return MTA + (off - 0x0200);
    if (off >= 0x0600 && off < 0x0800)
        return VFTA + (off - 0x0600);
    for (size_t i = 0; i < ARRAY_SIZE(alias); i++)
        if (off == alias[i].old)
            return alias[i].new;
    return off;
}

/* Counters clear when read; those of 64 bits with their high half. */
static u32 read_stat(struct e1000 *e, u32 off)
{
    u32 val = e1000_get(e, off);

    if (off == GORCL || off == GOTCL || off == TORL || off == TOTL)
        return val;
    *e1000_reg(e, off) = 0;
    if (off == GORCH || off == GOTCH || off == TORH || off == TOTH)
        *e1000_reg(e, off - 4) = 0;
    return val;
}

static u32 read_icr(struct e1000 *e)
{
    u32 val = e1000_get(e, ICR);

    *e1000_reg(e, ICR) = 0;
    e1000_update_irq(e);
    return val;
}

static u32 read_reg(struct e1000 *e, u32 off)
{
    off = unalias(off & ~3u);
    if (off >= REGS)
        return 0;
    if (off >= STATS && off <= STATS_E)
        return read_stat(e, off);
    switch (off) {
    case STATUS:
        return e1000_status(e);
    case EECD:
        return e1000_read_eecd(e);
    case ICR:
        return read_icr(e);
    case ICS:
    case IMC:
        return 0;
    default:
        return e1000_get(e, off);
    }
}

static void write_ctrl(struct e1000 *e, u32 val)
{
    *e1000_reg(e, CTRL) = val & ~(CTRL_RST | CTRL_PHY_RST);
    if (val & CTRL_PHY_RST)
        e1000_phy_reset(e, false);
    if (val & CTRL_RST)
        e1000_mac_reset(e);
}

static void write_interrupts(struct e1000 *e, u32 off, u32 val)
{
    if (off == ICR)
        *e1000_reg(e, ICR) &= ~val;
    else if (off == ICS)
        *e1000_reg(e, ICR) |= val & 0x1ffff;
    else if (off == IMS)
        *e1000_reg(e, IMS) |= val & 0x1ffff;
    else
        *e1000_reg(e, IMS) &= ~val;
    e1000_update_irq(e);
}

static void write_plain(struct e1000 *e, u32 off, u32 val)
{
    for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
        if (off >= plain[i].first && off <= plain[i].last)
            *e1000_reg(e, off) = val & plain[i].mask;
}

static void write_receiver(struct e1000 *e, u32 off, u32 val)
{
    if (off == RDTR) {
        *e1000_reg(e, RDTR) = val & DELAY_MASK;
        if (val & DELAY_FPD && (e1000_armed(e, TIMER_RDTR) || e1000_armed(e, TIMER_RADV)))
            e1000_rx_flush(e);
        return;
    }
    *e1000_reg(e, off) = off == RDT ? val & 0xffff : val;
    net_ready(&e->end);
}

static void write_transmitter(struct e1000 *e, u32 off, u32 val)
{
    if (off == TIDV) {
        *e1000_reg(e, TIDV) = val & DELAY_MASK;
        if (val & DELAY_FPD && (e1000_armed(e, TIMER_TIDV) || e1000_armed(e, TIMER_TADV)))
            e1000_tx_flush(e);
        return;
    }
    *e1000_reg(e, off) = off == TDT ? val & 0xffff : val;
    e1000_tx_run(e);
}

static void write_reg(struct e1000 *e, u32 off, u32 val)
{
    off = unalias(off & ~3u);
    switch (off) {
    case CTRL:
        write_ctrl(e, val);
        break;
    case EECD:
        e1000_write_eecd(e, val);
        break;
    case EERD:
        e1000_write_eerd(e, val);
        break;
    case MDIC:
        e1000_write_mdic(e, val);
        break;
    case ICR:
    case ICS:
    case IMS:
    case IMC:
        write_interrupts(e, off, val);
        break;
    case RCTL:
    case RDT:
    case RDTR:
        write_receiver(e, off, val);
        break;
    case TCTL:
    case TDT:
    case TIDV:
        write_transmitter(e, off, val);
        break;
    case PBA:
        *e1000_reg(e, PBA) = (val & 0xff) | (PBA_TOTAL - (val & 0x3f)) << 16;
        break;
    default:
        write_plain(e, off, val);
    }
}

/* Registers are dwords; a narrower read sees a part of one, a narrower write is ignored. */
static u64 mmio_read(void *dev, u64 off, unsigned size)
{
    return read_reg(dev, (u32)off) >> 8 * (off & 3) & size_mask(size);
}

static void mmio_write(void *dev, u64 off, unsigned size, u64 val)
{
    if (size == 4)
        write_reg(dev, (u32)off, (u32)val);
}

const struct bus_ops e1000_mmio_ops = {.read = mmio_read, .write = mmio_write, .max_size = 4};

static u64 io_read(void *dev, u64 off, unsigned size)
{
    struct e1000 *e = dev;

    if ((off & ~3u) == IOADDR)
        return e->ioaddr >> 8 * (off & 3) & size_mask(size);
    if ((off & ~3u) == IODATA && e->ioaddr < 0x20000)
        return mmio_read(e, e->ioaddr + (off & 3), size);
    return 0;
}

static void io_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct e1000 *e = dev;

    if (size != 4)
        return;
    if (off == IOADDR)
        e->ioaddr = (u32)val;
    else if (off == IODATA && e->ioaddr < 0x20000)
        write_reg(e, e->ioaddr, (u32)val);
}

const struct bus_ops e1000_io_ops = {.read = io_read, .write = io_write, .max_size = 4};
