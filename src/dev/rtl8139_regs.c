/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Register accesses, of any width: bytes are stored as far as they can be written, then what
 * they touch takes effect.
 */
#include "dev/rtl8139_priv.h"

#define EEM       0xc0u
#define EEM_LOAD  0x40u
#define EEM_PROG  0x80u
#define EEM_WRITE 0xc0u
#define EECS      0x08u
#define EESK      0x04u
#define EEDI      0x02u
#define EEDO      0x01u

#define MSR_LINKB     0x04u /* inverted */
#define BMCR_RESET    0x8000u
#define BMCR_RESTART  0x0200u
#define BMSR_LINK     0x0004u
#define BMSR_AN_DONE  0x0020u
#define TPPOLL_HIGH   0x80u
#define TPPOLL_NORMAL 0x40u
#define TPPOLL_SW     0x01u

struct range {
    u8 first, last;
};

/* What a write changes; the rest is read-only or not there. */
static const struct range writable[] = {
    {IDR0, IDR0 + 5}, {MAR0, MAR0 + 7},     {TSD0, RBSTART + 3}, {CR, CAPR + 1},
    {IMR, IMR + 1},   {TCR, RCR + 3},       {CR9346, CONFIG1},   {TIMERINT, TIMERINT + 3},
    {MSR, CONFIG4},   {MULINT, MULINT + 1}, {BMCR, BMCR + 1},    {ANAR, ANAR + 1},
    {NWAYTR, 0x7f},   {0x84, CONFIG5},      {CPCR, CPCR + 1},    {RDSAR, ETTHR},
};

static bool is_writable(const struct rtl8139 *r, unsigned off)
{
    /* Configuration registers are locked but in one mode of 9346CR. */
    if ((off >= CONFIG0 && off <= CONFIG1) || (off >= CONFIG3 && off <= CONFIG4))
        return (r->reg[CR9346] & EEM) == EEM_WRITE;
    for (size_t i = 0; i < ARRAY_SIZE(writable); i++)
        if (off >= writable[i].first && off <= writable[i].last)
            return true;
    return false;
}

void rtl8139_update_link(struct rtl8139 *r)
{
    u16 bmsr = rtl_get16(r, BMSR);

    bmsr &= (u16) ~(BMSR_LINK | BMSR_AN_DONE);
    put_le16(r->reg + BMSR, rtl_link(r) ? bmsr | BMSR_LINK | BMSR_AN_DONE : bmsr);
    r->reg[MSR] &= (u8)~MSR_LINKB;
    r->reg[MSR] |= rtl_link(r) ? 0 : MSR_LINKB;
}

/* Own, abort, underrun and OK of the four transmit descriptors. */
static u16 tx_summary(const struct rtl8139 *r)
{
    u16 val = 0;

    for (unsigned i = 0; i < 4; i++) {
        u32 tsd = rtl_get32(r, TSD0 + 4 * i);
        val |= (u16)((tsd >> 13 & 1) << i | (tsd >> 30 & 1) << (4 + i) |
                     (tsd >> 14 & 1) << (8 + i) | (tsd >> 15 & 1) << (12 + i));
    }
    return val;
}

/* Registers that follow from other things, before a read. */
static void refresh(struct rtl8139 *r)
{
    put_le16(r->reg + CBR, (u16)r->rx_write);
    put_le16(r->reg + TSAD, tx_summary(r));
    put_le32(r->reg + TCTR, rtl8139_tctr(r));
    r->reg[CR] &= (u8)~CR_BUFE;
    r->reg[CR] |= r->rx_write == r->rx_read ? CR_BUFE : 0;
    r->reg[CR9346] &= (u8)~EEDO;
    r->reg[CR9346] |= r->eeprom.out ? EEDO : 0;
}

static u64 rtl_read(void *dev, u64 off, unsigned size)
{
    struct rtl8139 *r = dev;
    u64 val = 0;

    refresh(r);
    for (unsigned i = 0; i < size && off + i < REGS; i++)
        val |= (u64)r->reg[off + i] << 8 * i;
    return val;
}

static void write_cr(struct rtl8139 *r, u8 old)
{
    u8 cr = r->reg[CR];

    if (cr & CR_RST) {
        rtl8139_chip_reset(r);
        return;
    }
    if (cr & CR_RE && !(old & CR_RE)) {
        r->rx_at = 0;
        r->rx_read = r->rx_write = 0;
    }
    if (cr & CR_TE && !(old & CR_TE))
        r->tx_at[0] = r->tx_at[1] = 0;
    if (!(cr & CR_RE))
        r->rx_waits = false;
    net_ready(&r->end);
    rtl8139_tx_run(r);
}

static void write_9346(struct rtl8139 *r)
{
    u8 val = r->reg[CR9346];

    if ((val & EEM) == EEM_PROG)
        eeprom93c46_pins(&r->eeprom, val & EECS, val & EESK, val & EEDI);
    if ((val & EEM) != EEM_LOAD)
        return;
    rtl8139_load_eeprom(r);
    r->reg[CR9346] = 0;
}

static void write_tppoll(struct rtl8139 *r, u8 val)
{
    r->polled[0] |= !!(val & TPPOLL_NORMAL);
    r->polled[1] |= !!(val & TPPOLL_HIGH);
    r->reg[TPPOLL] = 0;
    if (val & TPPOLL_SW)
        rtl8139_cause(r, INT_SW);
    rtl8139_tx_run(r);
}

static void write_capr(struct rtl8139 *r)
{
    r->rx_read = (rtl_get16(r, CAPR) + 16u) % rtl8139_ring_size(r);
    net_ready(&r->end);
}

static bool touches(u64 off, unsigned size, unsigned reg, unsigned len)
{
    return off < reg + len && reg < off + size;
}

static void take_effect(struct rtl8139 *r, u64 off, unsigned size, u8 old_cr)
{
    if (touches(off, size, CR, 1))
        write_cr(r, old_cr);
    if (touches(off, size, TSD0, 16))
        rtl8139_tx_run(r);
    if (touches(off, size, TNPDS, 8))
        r->tx_at[0] = 0;
    if (touches(off, size, THPDS, 8))
        r->tx_at[1] = 0;
    if (touches(off, size, RDSAR, 8))
        r->rx_at = 0;
    if (touches(off, size, CAPR, 2))
        write_capr(r);
    if (touches(off, size, RCR, 4) || touches(off, size, CPCR, 2)) {
        r->rx_write %= rtl8139_ring_size(r);
        r->rx_read %= rtl8139_ring_size(r);
        net_ready(&r->end);
    }
    if (touches(off, size, TCTR, 4))
        r->tctr_start = clock_now(r->clk);
    if (touches(off, size, TCTR, 4) || touches(off, size, TIMERINT, 4))
        rtl8139_arm_count(r);
    if (touches(off, size, MPC, 4))
        put_le32(r->reg + MPC, 0);
    if (touches(off, size, CR9346, 1))
        write_9346(r);
    if (touches(off, size, BMCR, 2))
        put_le16(r->reg + BMCR, rtl_get16(r, BMCR) & (u16) ~(BMCR_RESET | BMCR_RESTART));
    if (touches(off, size, MSR, 1))
        rtl8139_update_link(r);
}

static void write_byte(struct rtl8139 *r, unsigned off, u8 val)
{
    if (off == ISR || off == ISR + 1) /* writing 1 clears */
        r->reg[off] &= (u8)~val;
    else if (off == TCR + 3) /* the version and the inter-frame gap */
        r->reg[off] = (u8)((r->reg[off] & 0xfc) | (val & 0x03));
    else if (off == TCR + 2)
        r->reg[off] = (u8)((r->reg[off] & 0xf8) | (val & 0x07));
    else if (is_writable(r, off))
        r->reg[off] = val;
}

/* When a frame waits: with descriptors, a good moment to look for some. Without, drivers leave
   frames in the ring and count on the interrupt of the next one, which cannot come in. */
static void write_interrupts(struct rtl8139 *r)
{
    if (r->rx_waits && !(rtl_get16(r, CPCR) & CPCR_RX))
        put_le16(r->reg + ISR, rtl_get16(r, ISR) | INT_ROK);
    rtl8139_update_irq(r);
    if (r->rx_waits && rtl_get16(r, CPCR) & CPCR_RX) {
        r->rx_waits = false;
        net_ready(&r->end);
    }
}

static void rtl_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct rtl8139 *r = dev;
    u8 old_cr = r->reg[CR];

    for (unsigned i = 0; i < size && off + i < REGS; i++)
        write_byte(r, (unsigned)off + i, (u8)(val >> 8 * i));
    if (touches(off, size, IMR, 4))
        write_interrupts(r);
    take_effect(r, off, size, old_cr);
    if (touches(off, size, TPPOLL, 1))
        write_tppoll(r, (u8)(val >> 8 * (TPPOLL - off)));
}

const struct bus_ops rtl8139_ops = {.read = rtl_read, .write = rtl_write, .max_size = 4};
