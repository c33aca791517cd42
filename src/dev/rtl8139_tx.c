/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transmission: four descriptors in registers, used in turn, or in C+ mode two rings of
 * descriptors in memory with checksums, segmentation and VLAN tags. A frame that the cable does
 * not take waits in its descriptor (C) or in the chip (C+).
 */
#include "dev/rtl8139_priv.h"

#define BUDGET    256u
#define C_LARGEST 1792u

#define TXD_LGSEN BIT(27)
#define TXD_MSS   16u
#define TXD_IPCS  BIT(18)
#define TXD_UDPCS BIT(17)
#define TXD_TCPCS BIT(16)
#define TXD_SIZE  0xffffu
#define TXD_TAGC  BIT(17)

enum { NORMAL, HIGH };

/* False: not now. */
static bool send_out(struct rtl8139 *r, size_t len)
{
    if ((rtl_get32(r, TCR) & TCR_LOOPBACK) == TCR_LOOPBACK) {
        rtl8139_receive(r, r->out, len); /* what finds no room is lost */
        return true;
    }
    return net_send(&r->end, r->out, len);
}

/* The next of the four registers. False if it is not the chip's, or cannot go now. */
static bool send_register(struct rtl8139 *r)
{
    u8 *tsd = r->reg + TSD0 + 4u * r->tx_next;
    u32 val = le32(tsd), len = val & TSD_SIZE;

    if (val & TSD_OWN)
        return false;
    if (len && len <= C_LARGEST) {
        if (pci_dma_read(&r->pci, rtl_get32(r, TSAD0 + 4u * r->tx_next), r->out, len))
            return false;
        if (!send_out(r, len))
            return false;
    }
    put_le32(tsd, val | TSD_OWN | TSD_TOK);
    r->tx_next = (r->tx_next + 1) & 3;
    rtl8139_cause(r, INT_TOK);
    return true;
}

/* A packet with its checksums, or one of its segments. Returns the length in `out`. */
static size_t make_frame(struct rtl8139 *r, bool *last)
{
    struct rtl8139_tx *tx = &r->tx;
    u32 mss = tx->first >> TXD_MSS & 0x7ff;
    bool large = tx->first & TXD_LGSEN;
    struct frame_layout l;
    size_t len = tx->len;

    *last = true;
    if (!frame_parse(&l, tx->buf, len)) {
        memcpy(r->out, tx->buf, len);
        return len;
    }
    if (large && mss && l.proto == FRAME_L4_TCP) {
        size_t header = l.l4 + 4u * (tx->buf[l.l4 + 12] >> 4);
        struct frame_large p = {.data = tx->buf,
                                .len = l.end,
                                .header = header,
                                .mss = mss,
                                .l3 = l.l3,
                                .l4 = l.l4,
                                .ip = true,
                                .v6 = l.v6,
                                .tcp = true};
        if (header < l.end && header + tx->at < l.end) {
            len = frame_segment(&p, tx->at, r->out);
            *last = header + tx->at + mss >= l.end;
            if (frame_parse(&l, r->out, len)) {
                frame_put_ip_sum(&l, r->out);
                frame_put_l4_sum(&l, r->out);
            }
            return len;
        }
    }
    memcpy(r->out, tx->buf, len);
    if (large)
        return len;
    if (tx->first & TXD_IPCS)
        frame_put_ip_sum(&l, r->out);
    if ((tx->first & TXD_TCPCS && l.proto == FRAME_L4_TCP) ||
        (tx->first & TXD_UDPCS && l.proto == FRAME_L4_UDP))
        frame_put_l4_sum(&l, r->out);
    return len;
}

static void forget(struct rtl8139_tx *tx)
{
    tx->len = tx->at = 0;
    tx->complete = tx->too_long = false;
}

static bool send_some(struct rtl8139 *r)
{
    struct rtl8139_tx *tx = &r->tx;
    bool last;
    size_t len = make_frame(r, &last);

    if (tx->tag & TXD_TAGC && len >= FRAME_HEADER) {
        memmove(r->out + 16, r->out + 12, len - 12);
        put_be16(r->out + 12, FRAME_VLAN_TPI);
        put_le16(r->out + 14, (u16)tx->tag);
        len += FRAME_VLAN;
    }
    if (len <= NET_FRAME_MAX && !send_out(r, len))
        return false;
    if (last) {
        forget(tx);
        rtl8139_cause(r, INT_TOK);
    } else {
        tx->at += tx->first >> TXD_MSS & 0x7ff;
    }
    return true;
}

static void take_data(struct rtl8139 *r, const u8 *d)
{
    struct rtl8139_tx *tx = &r->tx;
    u32 opts = le32(d), len = opts & TXD_SIZE;

    if (opts & DESC_FS) {
        forget(tx);
        tx->first = opts;
    }
    if (len > sizeof(tx->buf) - tx->len ||
        pci_dma_read(&r->pci, le64(d + 8), tx->buf + tx->len, len))
        tx->too_long = true;
    else
        tx->len += len;
    if (!(opts & DESC_LS))
        return;
    tx->tag = le32(d + 4);
    if (tx->too_long || !tx->len)
        forget(tx);
    else
        tx->complete = true;
}

/* The next descriptor of the ring. False if the ring is done. */
static bool take_descriptor(struct rtl8139 *r, unsigned ring)
{
    gpa_t desc =
        (le64(r->reg + (ring == HIGH ? THPDS : TNPDS)) & ~(u64)255) + r->tx_at[ring] * DESC_SIZE;
    u8 d[DESC_SIZE];

    if (pci_dma_read(&r->pci, desc, d, sizeof(d)) || !(le32(d) & DESC_OWN)) {
        r->polled[ring] = false;
        rtl8139_cause(r, INT_TDU);
        return false;
    }
    take_data(r, d);
    put_le32(d, le32(d) & ~DESC_OWN);
    r->tx_at[ring] =
        le32(d) & DESC_EOR || r->tx_at[ring] + 1u == DESCS ? 0 : (u8)(r->tx_at[ring] + 1);
    return !pci_dma_write(&r->pci, desc, d, 4);
}

static bool step(struct rtl8139 *r)
{
    if (r->tx.complete)
        return send_some(r);
    if (!(r->reg[CR] & CR_TE))
        return false;
    if (!(rtl_get16(r, CPCR) & CPCR_TX))
        return send_register(r);
    if (r->polled[HIGH])
        return take_descriptor(r, HIGH) || r->polled[NORMAL];
    return r->polled[NORMAL] && take_descriptor(r, NORMAL);
}

void rtl8139_tx_run(struct rtl8139 *r)
{
    unsigned budget = BUDGET;
    bool more = true;

    if (r->tx_runs || !pci_is_master(&r->pci))
        return;
    r->tx_runs = true;
    while (more && budget--)
        more = step(r);
    r->tx_runs = false;
    if (more)
        rtl8139_look_again(r, 0);
}
