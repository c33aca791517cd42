/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Initialization block and descriptor rings, in 16-bit form (software style 0) and the two 32-bit
 * forms (2, also as 1, and 3). A frame that finds no descriptor is refused and the ring polled, as
 * the chip does; one that the cable does not take keeps its last descriptor.
 */
#include "dev/pcnet_priv.h"

#define BUDGET     128u
#define POLL_NS    2000000u
#define LOOK_NS    500000u
#define RX_LARGEST 4091u /* MCNT has 12 bits, FCS included */

#define ST_OWN   0x8000u
#define ST_ERR   0x4000u
#define ST_FCS   0x2000u /* transmit: ADD_FCS */
#define ST_LTINT 0x1000u
#define ST_STP   0x0200u
#define ST_ENP   0x0100u
#define ST_PAM   0x0040u /* 32-bit styles, receive */
#define ST_LAFM  0x0020u
#define ST_BAM   0x0010u

struct desc {
    gpa_t at;
    u32 buffer;
    u16 status; /* as bits 31-16 of RMD1 and TMD1 */
    u32 size;   /* bytes of the buffer */
    u8 raw[16];
};

static bool is_32bit(const struct pcnet *p)
{
    return p->bcr[BCR_SWS] & SWS_SIZE32;
}

static bool style3(const struct pcnet *p)
{
    return (p->bcr[BCR_SWS] & 0xff) == 3;
}

/* With 24-bit structures the upper byte comes from CSR2. */
static u32 upper(const struct pcnet *p)
{
    return is_32bit(p) ? 0 : (u32)(p->csr[2] & 0xff00) << 16;
}

static bool read_desc(struct pcnet *p, unsigned base_csr, u32 index, struct desc *d)
{
    unsigned size = is_32bit(p) ? 16 : 8;
    u32 base = (u32)p->csr[base_csr + 1] << 16 | p->csr[base_csr], count;

    d->at = (u32)(upper(p) | base) + (u64)index * size;
    if (pci_dma_read(&p->pci, d->at, d->raw, size))
        return false;
    if (is_32bit(p)) {
        d->buffer = le32(d->raw + (style3(p) ? 8 : 0));
        d->status = le16(d->raw + 6);
        count = le16(d->raw + 4);
    } else {
        d->buffer = (le32(d->raw) & 0xffffff) | upper(p);
        d->status = (u16)(d->raw[3] << 8);
        count = le16(d->raw + 4);
    }
    d->size = ((count - 1) & 0xfff) ^ 0xfff; /* a negative number of 12 bits, 0: 4096 */
    d->size = d->size ? d->size : 4096;
    return true;
}

/* Gives it back with a new status and the message word; the word with OWN last. */
static void write_desc(struct pcnet *p, struct desc *d, u16 status, u32 message)
{
    if (is_32bit(p)) {
        unsigned at = style3(p) ? 0 : 8;
        put_le32(d->raw + at, message);
        put_le16(d->raw + 6, status);
        if (pci_dma_write(&p->pci, d->at + at, d->raw + at, 4) ||
            pci_dma_write(&p->pci, d->at + 6, d->raw + 6, 2))
            pcnet_cause(p, CSR0_MERR);
    } else {
        put_le16(d->raw + 6, (u16)message);
        d->raw[3] = (u8)(status >> 8);
        if (pci_dma_write(&p->pci, d->at + 6, d->raw + 6, 2) ||
            pci_dma_write(&p->pci, d->at + 3, d->raw + 3, 1))
            pcnet_cause(p, CSR0_MERR);
    }
}

static void set_ring(struct pcnet *p, unsigned base_csr, unsigned len_csr, u32 base, u32 len)
{
    p->csr[base_csr] = (u16)base;
    p->csr[base_csr + 1] = (u16)(base >> 16);
    p->csr[len_csr] = (u16)-len;
}

static u32 ring_len(unsigned code)
{
    return 1u << (code > 9 ? 9 : code);
}

static void take_block(struct pcnet *p, const u8 *b, const u8 *padr, const u8 *ladrf)
{
    p->csr[15] = le16(b);
    for (unsigned i = 0; i < 3; i++)
        p->csr[12 + i] = le16(padr + 2 * i);
    for (unsigned i = 0; i < 4; i++)
        p->csr[8 + i] = le16(ladrf + 2 * i);
}

bool pcnet_load_init_block(struct pcnet *p)
{
    gpa_t at = (u32)p->csr[2] << 16 | p->csr[1];
    u8 b[28];

    if (pci_dma_read(&p->pci, at, b, is_32bit(p) ? 28 : 24))
        return false;
    if (is_32bit(p)) {
        take_block(p, b, b + 4, b + 12);
        p->rx_len = ring_len(b[2] >> 4);
        p->tx_len = ring_len(b[3] >> 4);
        set_ring(p, 24, 76, le32(b + 20), p->rx_len);
        set_ring(p, 30, 78, le32(b + 24), p->tx_len);
    } else {
        take_block(p, b, b + 2, b + 8);
        p->rx_len = ring_len(b[19] >> 5);
        p->tx_len = ring_len(b[23] >> 5);
        set_ring(p, 24, 76, le32(b + 16) & 0xffffff, p->rx_len);
        set_ring(p, 30, 78, le32(b + 20) & 0xffffff, p->tx_len);
    }
    p->rx_at = p->tx_at = 0;
    return true;
}

/* ST_PAM, ST_LAFM or ST_BAM; 1 for what only passes as promiscuous; 0. */
static u16 filter(const struct pcnet *p, const u8 *frame)
{
    u16 mode = p->csr[15], promiscuous = mode & MODE_PROM ? 1 : 0;
    unsigned hash;

    if (frame_is_broadcast(frame))
        return mode & MODE_DRCVBC ? promiscuous : ST_BAM;
    if (frame_is_multicast(frame)) {
        hash = frame_hash_right(frame);
        return p->csr[8 + (hash >> 4)] >> (hash & 15) & 1 ? ST_LAFM : promiscuous;
    }
    for (unsigned i = 0; i < 3; i++)
        if (le16(frame + 2 * i) != p->csr[12 + i])
            return promiscuous;
    return mode & MODE_DRCVPA ? promiscuous : ST_PAM;
}

static u32 next(u32 index, u32 len)
{
    return index + 1 >= len ? 0 : index + 1;
}

/* 1: there are buffers for `total` bytes; 0: not yet; -1: never. */
static int ring_fits(struct pcnet *p, u32 total)
{
    u32 index = p->rx_at;
    struct desc d;

    for (u32 n = 0; n < p->rx_len && total; n++) {
        if (!read_desc(p, 24, index, &d) || !(d.status & ST_OWN))
            return 0;
        total -= (u32)min_u64(total, d.size);
        index = next(index, p->rx_len);
    }
    return total ? -1 : 1;
}

/* The FCS is counted, and its place left as it is. */
static void store(struct pcnet *p, const u8 *frame, u32 len, u32 total, u16 match)
{
    u16 status = ST_STP;

    for (u32 at = 0; at < total;) {
        struct desc d;
        u32 part, told;
        if (!read_desc(p, 24, p->rx_at, &d))
            return;
        told = (u32)min_u64(d.size, total - at);
        part = at < len ? (u32)min_u64(told, len - at) : 0;
        if (part && pci_dma_write(&p->pci, d.buffer, frame + at, part))
            pcnet_cause(p, CSR0_MERR);
        at += told;
        status |= at == total ? ST_ENP | match : 0;
        write_desc(p, &d, status, at == total ? total : 0);
        status = 0;
        p->rx_at = next(p->rx_at, p->rx_len);
    }
}

static void wait_for_descriptors(struct pcnet *p)
{
    p->rx_waits = true;
    pcnet_poll_in(p, LOOK_NS);
}

static void miss(struct pcnet *p)
{
    p->csr[112]++;
    pcnet_cause(p, CSR0_MISS);
}

/* What the guest is told of a frame: without padding and FCS if it asked for that. */
static u32 told_len(const struct pcnet *p, const u8 *frame, u32 len)
{
    u32 type = be16(frame + 12);

    if (p->csr[4] & CSR4_ASTRP && type < FRAME_MIN - FRAME_HEADER && type + FRAME_HEADER <= len)
        return type + FRAME_HEADER;
    return len + FRAME_FCS;
}

bool pcnet_receive(void *opaque, const u8 *frame, size_t len)
{
    struct pcnet *p = opaque;
    u16 match;
    u32 total;
    int fits;

    if (!(p->csr[0] & CSR0_RXON) || len < FRAME_HEADER || len > RX_LARGEST)
        return true;
    match = filter(p, frame);
    if (!match)
        return true;
    if (p->csr[5] & CSR5_SPND)
        return false;
    if (len < FRAME_MIN) {
        memmove(p->in, frame, len);
        memset(p->in + len, 0, FRAME_MIN - len);
        frame = p->in;
        len = FRAME_MIN;
    }
    total = told_len(p, frame, (u32)len);
    fits = ring_fits(p, total);
    if (!fits) {
        wait_for_descriptors(p);
        return false;
    }
    if (fits < 0) {
        miss(p);
        return true;
    }
    store(p, frame, (u32)len, total, match & (ST_PAM | ST_LAFM | ST_BAM));
    p->rx_waits = false;
    pcnet_cause(p, CSR0_RINT);
    return true;
}

/* False: not now. */
static bool send_packet(struct pcnet *p, u32 len)
{
    if (p->csr[15] & MODE_DXMTFCS && !p->tx_fcs && len > FRAME_FCS)
        len -= FRAME_FCS; /* the driver has put one */
    if (len < FRAME_MIN && p->csr[4] & CSR4_APAD) {
        memset(p->tx_buf + len, 0, FRAME_MIN - len);
        len = FRAME_MIN;
    }
    p->csr[4] |= CSR4_TXSTRT;
    if (!(p->csr[15] & MODE_LOOP))
        return net_send(&p->end, p->tx_buf, len);
    pcnet_receive(p, p->tx_buf, len); /* what finds no room is lost */
    return true;
}

static u16 tx_interrupt(const struct pcnet *p, u16 status)
{
    if (p->csr[5] & CSR5_LTINTEN && !(status & ST_LTINT))
        return 0;
    return p->csr[5] & CSR5_TOKINTD ? 0 : CSR0_TINT;
}

static void add_fragment(struct pcnet *p, const struct desc *d)
{
    if (d->status & ST_STP) {
        p->tx_used = 0;
        p->tx_started = true;
        p->tx_long = false;
        p->tx_fcs = d->status & ST_FCS;
    }
    if (d->size > sizeof(p->tx_buf) - p->tx_used) {
        p->tx_long = true;
    } else if (pci_dma_read(&p->pci, d->buffer, p->tx_buf + p->tx_used, d->size)) {
        p->tx_long = true;
        pcnet_cause(p, CSR0_MERR);
    }
}

/* The current descriptor. False if it is not the chip's, or its packet cannot go now. */
static bool take_descriptor(struct pcnet *p)
{
    struct desc d;
    u16 causes = 0;

    if (!read_desc(p, 30, p->tx_at, &d) || !(d.status & ST_OWN))
        return false;
    if (d.status & ST_STP || p->tx_started) {
        add_fragment(p, &d);
        if (d.status & ST_ENP && !p->tx_long && !send_packet(p, p->tx_used + d.size))
            return false;
        p->tx_used += p->tx_long ? 0 : d.size;
    }
    if (d.status & ST_ENP) {
        causes = tx_interrupt(p, d.status);
        if (p->tx_long)
            causes |= CSR0_BABL;
        p->tx_started = p->tx_long = false;
        p->tx_used = 0;
    }
    write_desc(p, &d, d.status & (u16) ~(ST_OWN | ST_ERR), 0);
    p->tx_at = next(p->tx_at, p->tx_len);
    pcnet_cause(p, causes);
    return true;
}

void pcnet_tx_run(struct pcnet *p)
{
    unsigned budget = BUDGET;
    bool more = true;

    if (p->tx_runs || !(p->csr[0] & CSR0_TXON) || p->csr[5] & CSR5_SPND)
        return;
    p->tx_runs = true;
    while (more && budget--)
        more = take_descriptor(p);
    p->tx_runs = false;
    if (more)
        pcnet_poll_in(p, 0);
    else if (!(p->csr[4] & CSR4_DPOLL))
        pcnet_poll_in(p, POLL_NS);
}
