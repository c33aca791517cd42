/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DP8390D/NS32490D (National data sheet, July 1995): ring buffer of pages, filters, remote DMA
 * through the NE2000's data port, transmission. 32 KiB of memory at 4000h; the NE2000 had 16.
 *
 * When the ring is full, frames are refused until BNRY moves, so OVW comes only for a frame that
 * the ring can never take. Left out: loopback to the FIFO, collisions, big-endian words; the FCS
 * in the ring is counted, not written. Under the machine's lock.
 */
#include "dev/dp8390.h"
#include "net/frame.h"

#include <string.h>

#define CR_STP   0x01u
#define CR_STA   0x02u
#define CR_TXP   0x04u
#define CR_RD    0x38u
#define CR_READ  0x08u
#define CR_WRITE 0x10u
#define CR_SEND  0x18u
#define CR_ABORT 0x20u
#define CR_PAGE  6u /* shift */

#define ISR_PRX 0x01u
#define ISR_PTX 0x02u
#define ISR_OVW 0x10u
#define ISR_CNT 0x20u
#define ISR_RDC 0x40u
#define ISR_RST 0x80u

#define RCR_AB  0x04u
#define RCR_AM  0x08u
#define RCR_PRO 0x10u
#define RCR_MON 0x20u

#define TCR_LB  0x06u
#define TSR_PTX 0x01u
#define RSR_PRX 0x01u
#define RSR_PHY 0x20u
#define DCR_WTS 0x01u

#define HEADER     4u
#define PAGE       256u
#define RX_LARGEST 1518u /* without FCS: with a VLAN tag */
#define TX_LARGEST 1518u
#define RAM_END    (DP8390_RAM_START + DP8390_RAM_SIZE)

#define PORT_DATA  0x10u
#define PORT_RESET 0x18u

const struct state_field dp8390_fields[] = {
    STATE_UINT(struct dp8390, cr),
    STATE_UINT(struct dp8390, isr),
    STATE_UINT(struct dp8390, imr),
    STATE_UINT(struct dp8390, dcr),
    STATE_UINT(struct dp8390, tcr),
    STATE_UINT(struct dp8390, rcr),
    STATE_UINT(struct dp8390, tsr),
    STATE_UINT(struct dp8390, rsr),
    STATE_UINT(struct dp8390, pstart),
    STATE_UINT(struct dp8390, pstop),
    STATE_UINT(struct dp8390, bnry),
    STATE_UINT(struct dp8390, curr),
    STATE_UINT(struct dp8390, tpsr),
    STATE_UINT(struct dp8390, tbcr),
    STATE_UINT(struct dp8390, rsar),
    STATE_UINT(struct dp8390, rbcr),
    STATE_ARRAY(struct dp8390, par),
    STATE_ARRAY(struct dp8390, mar),
    STATE_ARRAY(struct dp8390, cntr),
    STATE_ARRAY(struct dp8390, page3),
    STATE_BOOL(struct dp8390, rx_waits),
    STATE_BOOL(struct dp8390, sends_packet),
    STATE_UINT(struct dp8390, send_next),
    STATE_ARRAY(struct dp8390, prom),
    STATE_UINT(struct dp8390, ram), /* bytes, in one go */
    STATE_END,
};

static void update_irq(struct dp8390 *d)
{
    irq_set(&d->irq, d->isr & d->imr & 0x7f);
}

static void cause(struct dp8390 *d, u8 bits)
{
    d->isr |= bits;
    update_irq(d);
}

/* The PROM is seen below the RAM; nothing is elsewhere. */
static u8 mem_get(const struct dp8390 *d, u16 at)
{
    if (at < DP8390_PROM_SIZE)
        return d->prom[at];
    return at >= DP8390_RAM_START && at < RAM_END ? d->ram[at - DP8390_RAM_START] : 0xff;
}

static void mem_put(struct dp8390 *d, u16 at, u8 val)
{
    if (at >= DP8390_RAM_START && at < RAM_END)
        d->ram[at - DP8390_RAM_START] = val;
}

static bool passes(const struct dp8390 *d, const u8 *frame)
{
    if (frame_is_broadcast(frame))
        return d->rcr & RCR_AB;
    if (frame_is_multicast(frame)) {
        unsigned hash = frame_hash_left(frame);
        return d->rcr & RCR_AM && d->mar[hash >> 3] >> (hash & 7) & 1;
    }
    return d->rcr & RCR_PRO || !memcmp(frame, d->par, 6);
}

static u8 next_page(const struct dp8390 *d, u8 page)
{
    return page + 1u == d->pstop ? d->pstart : (u8)(page + 1);
}

/* Pages from CURR up to BNRY; all if they are the same. */
static unsigned free_pages(const struct dp8390 *d)
{
    unsigned ring = d->pstop > d->pstart ? (unsigned)(d->pstop - d->pstart) : 0u;

    if (d->curr < d->pstart || d->curr >= d->pstop)
        return 0;
    return d->bnry > d->curr ? (unsigned)(d->bnry - d->curr) : ring - (unsigned)(d->curr - d->bnry);
}

static void store(struct dp8390 *d, const u8 *frame, size_t len, size_t stored)
{
    u8 page = d->curr, first = d->curr;
    u16 at = (u16)(page * PAGE + HEADER);

    for (size_t i = 0; i < stored; i++, at++) {
        if (i && !(at & (PAGE - 1))) {
            page = next_page(d, page);
            at = (u16)(page * PAGE);
        }
        mem_put(d, at, i < len ? frame[i] : 0);
    }
    d->curr = next_page(d, page);
    d->rsr = RSR_PRX | (frame_is_multicast(frame) ? RSR_PHY : 0);
    mem_put(d, (u16)(first * PAGE), d->rsr);
    mem_put(d, (u16)(first * PAGE + 1), d->curr);
    mem_put(d, (u16)(first * PAGE + 2), (u8)stored);
    mem_put(d, (u16)(first * PAGE + 3), (u8)(stored >> 8));
    cause(d, ISR_PRX);
}

static bool receive(void *opaque, const u8 *frame, size_t len)
{
    struct dp8390 *d = opaque;
    size_t stored = max_u64(len, FRAME_MIN) + FRAME_FCS;
    unsigned need = (unsigned)((HEADER + stored + PAGE - 1) / PAGE);

    if (!(d->cr & CR_STA) || d->cr & CR_STP || d->tcr & TCR_LB || len < FRAME_HEADER ||
        len > RX_LARGEST || !passes(d, frame))
        return true;
    if (d->rcr & RCR_MON) {
        d->cntr[2] = (u8)min_u64(d->cntr[2] + 1u, 0xc0);
        if (d->cntr[2] >= 0x80)
            cause(d, ISR_CNT);
        return true;
    }
    if (d->pstop <= d->pstart || need >= (unsigned)(d->pstop - d->pstart)) {
        cause(d, ISR_OVW);
        return true;
    }
    d->rx_waits = need >= free_pages(d);
    if (d->rx_waits) {
        cause(d, ISR_PRX); /* there is something to take out */
        return false;
    }
    store(d, frame, len, stored);
    return true;
}

/* Sends what TPSR and TBCR tell; TXP stays set while the cable does not take it. */
static void transmit(struct dp8390 *d)
{
    u8 frame[TX_LARGEST];
    size_t len = d->tbcr;

    if (!(d->cr & CR_TXP))
        return;
    if (len && len <= TX_LARGEST && !(d->tcr & TCR_LB)) {
        for (size_t i = 0; i < len; i++)
            frame[i] = mem_get(d, (u16)(d->tpsr * PAGE + i));
        if (!net_send(&d->end, frame, len))
            return;
    }
    d->cr &= (u8)~CR_TXP;
    d->tsr = TSR_PTX;
    cause(d, ISR_PTX);
}

static void can_send(void *opaque)
{
    transmit(opaque);
}

static const struct net_ops net_ops = {.receive = receive, .ready = can_send};

/* Remote DMA of a packet at BNRY, which then moves on. */
static void begin_send_packet(struct dp8390 *d)
{
    d->rsar = (u16)(d->bnry * PAGE);
    d->send_next = mem_get(d, (u16)(d->rsar + 1));
    d->rbcr = (u16)(mem_get(d, (u16)(d->rsar + 2)) | mem_get(d, (u16)(d->rsar + 3)) << 8);
    d->sends_packet = true;
}

static void write_cr(struct dp8390 *d, u8 val)
{
    u8 old = d->cr;

    /* Without STP and STA the chip goes on as it was: drivers write so to change the page. TXP
       cannot be cleared by hand, but STP ends what waits. */
    if (!(val & (CR_STP | CR_STA)))
        val |= old & (CR_STP | CR_STA);
    d->cr = val | (val & CR_STP ? 0 : old & CR_TXP);
    if (val & CR_STP) {
        d->cr &= (u8)~CR_TXP;
        d->isr |= ISR_RST;
        d->rx_waits = false;
    } else if (val & CR_STA) {
        d->isr &= (u8)~ISR_RST;
    }
    d->sends_packet = false;
    if ((val & CR_RD) == CR_SEND)
        begin_send_packet(d);
    if (!(val & CR_ABORT) && val & CR_RD && !d->rbcr)
        cause(d, ISR_RDC);
    update_irq(d);
    transmit(d);
    if ((old ^ d->cr) & (CR_STP | CR_STA))
        net_ready(&d->end);
}

static void dma_done(struct dp8390 *d)
{
    if (d->sends_packet) {
        d->bnry = d->send_next;
        d->sends_packet = false;
        net_ready(&d->end);
    }
    cause(d, ISR_RDC);
}

/* One byte of the data port, or none if no DMA in that direction is on. */
static u16 dma_step(struct dp8390 *d)
{
    u16 at = d->rsar++;

    if (d->rsar == d->pstop * PAGE)
        d->rsar = (u16)(d->pstart * PAGE);
    d->rbcr--;
    return at;
}

/* In word mode the chip moves whole words. */
static unsigned dma_bytes(const struct dp8390 *d, unsigned size)
{
    return d->dcr & DCR_WTS && size == 1 ? 2 : size;
}

static u32 data_read(struct dp8390 *d, unsigned size)
{
    unsigned rd = d->cr & CR_RD;
    bool active = d->rbcr && (rd == CR_READ || d->sends_packet);
    u32 val = active ? 0 : ~0u;

    for (unsigned i = 0; i < dma_bytes(d, size) && active && d->rbcr; i++)
        val |= (u32)mem_get(d, dma_step(d)) << 8 * i;
    if (active && !d->rbcr)
        dma_done(d);
    return val & (u32)size_mask(size);
}

static void data_write(struct dp8390 *d, unsigned size, u32 val)
{
    bool active = d->rbcr && (d->cr & CR_RD) == CR_WRITE;

    for (unsigned i = 0; i < dma_bytes(d, size) && active && d->rbcr; i++)
        mem_put(d, dma_step(d), (u8)(val >> 8 * i));
    if (active && !d->rbcr)
        dma_done(d);
}

static u8 read_page0(struct dp8390 *d, unsigned off)
{
    u8 val = 0xff;

    switch (off) {
    case 0x1: /* CLDA0 */
        return 0;
    case 0x2:
        return d->curr;
    case 0x3:
        return d->bnry;
    case 0x4:
        return d->tsr;
    case 0x5: /* NCR */
    case 0x6: /* FIFO */
        return 0;
    case 0x7:
        return d->isr;
    case 0x8:
        return (u8)d->rsar;
    case 0x9:
        return (u8)(d->rsar >> 8);
    case 0xa:
        return d->rtl8029 ? 0x50 : 0xff;
    case 0xb:
        return d->rtl8029 ? 0x43 : 0xff;
    case 0xc:
        return d->rsr;
    case 0xd:
    case 0xe:
    case 0xf: /* cleared by reading */
        val = d->cntr[off - 0xd];
        d->cntr[off - 0xd] = 0;
    }
    return val;
}

static u8 read_page1(const struct dp8390 *d, unsigned off)
{
    if (off <= 6)
        return d->par[off - 1];
    return off == 7 ? d->curr : d->mar[off - 8];
}

static u8 read_page2(const struct dp8390 *d, unsigned off)
{
    const u8 regs[16] = {
        [0x1] = d->pstart,     [0x2] = d->pstop,      [0x4] = d->tpsr,      [0xc] = 0xc0 | d->rcr,
        [0xd] = 0xe0 | d->tcr, [0xe] = 0x80 | d->dcr, [0xf] = 0x80 | d->imr};

    return regs[off];
}

static u8 reg_read(struct dp8390 *d, unsigned off)
{
    if (off == 0)
        return d->cr;
    switch (d->cr >> CR_PAGE) {
    case 0:
        return read_page0(d, off);
    case 1:
        return read_page1(d, off);
    case 2:
        return read_page2(d, off);
    default:
        return d->rtl8029 ? d->page3[off] : 0xff;
    }
}

static void put_low(u16 *reg, u8 val)
{
    *reg = (u16)((*reg & 0xff00) | val);
}

static void put_high(u16 *reg, u8 val)
{
    *reg = (u16)((*reg & 0xff) | val << 8);
}

static void write_page0(struct dp8390 *d, unsigned off, u8 val)
{
    switch (off) {
    case 0x1:
        d->pstart = val;
        break;
    case 0x2:
        d->pstop = val;
        break;
    case 0x3:
        d->bnry = val;
        net_ready(&d->end);
        break;
    case 0x4:
        d->tpsr = val;
        break;
    case 0x5:
        put_low(&d->tbcr, val);
        break;
    case 0x6:
        put_high(&d->tbcr, val);
        break;
    case 0x7: /* RST follows the state of the chip */
        d->isr &= (u8) ~(val & 0x7f);
        /* Drivers leave packets in the ring and count on the interrupt of the next one, which
           waits for room. */
        d->isr |= d->rx_waits ? ISR_PRX : 0;
        update_irq(d);
        break;
    case 0x8:
        put_low(&d->rsar, val);
        break;
    case 0x9:
        put_high(&d->rsar, val);
        break;
    case 0xa:
        put_low(&d->rbcr, val);
        break;
    case 0xb:
        put_high(&d->rbcr, val);
        break;
    case 0xc:
        d->rcr = val & 0x3f;
        net_ready(&d->end);
        break;
    case 0xd:
        d->tcr = val & 0x1f;
        net_ready(&d->end);
        break;
    case 0xe:
        d->dcr = val & 0x7f;
        break;
    case 0xf:
        d->imr = val & 0x7f;
        update_irq(d);
        break;
    }
}

static void write_page1(struct dp8390 *d, unsigned off, u8 val)
{
    if (off <= 6) {
        d->par[off - 1] = val;
    } else if (off == 7) {
        d->curr = val;
        net_ready(&d->end);
    } else {
        d->mar[off - 8] = val;
    }
}

static void reg_write(struct dp8390 *d, unsigned off, u8 val)
{
    if (off == 0)
        write_cr(d, val);
    else if (d->cr >> CR_PAGE == 0)
        write_page0(d, off, val);
    else if (d->cr >> CR_PAGE == 1)
        write_page1(d, off, val);
    else if (d->cr >> CR_PAGE == 3 && d->rtl8029 && (off == 1 || off == 5 || off == 6))
        d->page3[off] = val;
}

/* What the reset port does. The memory stays. */
static void chip_reset(struct dp8390 *d)
{
    d->cr = CR_STP | CR_ABORT;
    d->isr = ISR_RST;
    d->imr = d->tcr = 0;
    d->dcr &= (u8)~DCR_WTS;
    d->sends_packet = d->rx_waits = false;
    update_irq(d);
    net_ready(&d->end); /* a receiver that is off takes everything */
}

u64 dp8390_read(struct dp8390 *d, u64 off, unsigned size)
{
    u64 val = 0;

    if (off >= PORT_RESET) {
        chip_reset(d);
        return 0;
    }
    if (off >= PORT_DATA)
        return data_read(d, size);
    for (unsigned i = 0; i < size && off + i < PORT_DATA; i++)
        val |= (u64)reg_read(d, (unsigned)off + i) << 8 * i;
    return val;
}

void dp8390_write(struct dp8390 *d, u64 off, unsigned size, u64 val)
{
    if (off >= PORT_RESET)
        return;
    if (off >= PORT_DATA) {
        data_write(d, size, (u32)val);
        return;
    }
    for (unsigned i = 0; i < size && off + i < PORT_DATA; i++)
        reg_write(d, (unsigned)off + i, (u8)(val >> 8 * i));
}

void dp8390_reset(struct dp8390 *d)
{
    d->cr = CR_STP | CR_ABORT;
    d->isr = ISR_RST;
    d->imr = d->dcr = d->tcr = d->rcr = d->tsr = d->rsr = 0;
    d->pstart = d->pstop = d->bnry = d->curr = d->tpsr = 0;
    d->tbcr = d->rsar = d->rbcr = 0;
    memset(d->par, 0, sizeof(d->par));
    memset(d->mar, 0, sizeof(d->mar));
    memset(d->cntr, 0, sizeof(d->cntr));
    memset(d->page3, 0, sizeof(d->page3));
    memset(d->ram, 0, sizeof(d->ram));
    d->sends_packet = d->rx_waits = false;
    d->send_next = 0;
    update_irq(d);
    net_ready(&d->end);
}

void dp8390_init(struct dp8390 *d, struct irq irq, const u8 mac[6], bool rtl8029)
{
    memset(d, 0, sizeof(*d));
    net_end_init(&d->end, &net_ops, d);
    d->irq = irq;
    d->rtl8029 = rtl8029;
    for (unsigned i = 0; i < DP8390_PROM_SIZE; i++) /* each byte twice, as the word bus sees it */
        d->prom[i] = i < 12 ? mac[i / 2] : i >= 28 ? 0x57 : 0;
    dp8390_reset(d);
}

void dp8390_loaded(struct dp8390 *d)
{
    d->isr &= (u8)(0x7f | (d->cr & CR_STP ? ISR_RST : 0));
    update_irq(d);
}
