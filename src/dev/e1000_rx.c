/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reception (chapter 3.2, sections 13.4.22 on): filters, checks of checksums, the descriptor ring.
 * A frame for which there are not enough descriptors is refused until RDT moves.
 */
#include "dev/e1000_priv.h"

#define FRAME_USUAL   1522u  /* with FCS; longer ones need LPE */
#define FRAME_LARGEST 16384u /* with FCS */
#define RAH_AV        BIT(31)
#define RA_ENTRIES    16u

#define RXCSUM_PCSS 0xffu
#define RXCSUM_IP   BIT(8)
#define RXCSUM_L4   BIT(9)

#define RXD_EOP   0x02u
#define RXD_IXSM  0x04u
#define RXD_VP    0x08u
#define RXD_TCPCS 0x20u
#define RXD_IPCS  0x40u
#define RXD_PIF   0x80u
#define RXE_TCPE  0x20u
#define RXE_IPE   0x40u

struct verdict {
    bool pass, inexact;
};

static bool in_receive_addresses(const struct e1000 *e, const u8 *frame)
{
    for (unsigned i = 0; i < RA_ENTRIES; i++) {
        u32 low = e1000_get(e, RA + 8 * i), high = e1000_get(e, RA + 8 * i + 4);
        if (high & RAH_AV && le32(frame) == low && le16(frame + 4) == (u16)high)
            return true;
    }
    return false;
}

/* Twelve bits of the address choose one of 4096. */
static bool in_multicast_table(const struct e1000 *e, const u8 *frame)
{
    static const u8 shift[4] = {4, 3, 2, 0};
    unsigned index = (unsigned)le16(frame + 4) >> shift[e1000_get(e, RCTL) >> 12 & 3] & 0xfff;

    return e1000_get(e, MTA + 4 * (index >> 5)) >> (index & 31) & 1;
}

static bool vlan_passes(const struct e1000 *e, const u8 *frame)
{
    unsigned id = be16(frame + FRAME_HEADER) & 0xfff;

    return e1000_get(e, VFTA + 4 * (id >> 5)) >> (id & 31) & 1;
}

static struct verdict filter(const struct e1000 *e, const u8 *frame, bool tagged)
{
    u32 rctl = e1000_get(e, RCTL);

    if (tagged && rctl & RCTL_VFE && !vlan_passes(e, frame))
        return (struct verdict){0};
    if (in_receive_addresses(e, frame))
        return (struct verdict){.pass = true};
    if (frame_is_broadcast(frame))
        return (struct verdict){.pass = rctl & (RCTL_BAM | RCTL_MPE)};
    if (!frame_is_multicast(frame))
        return (struct verdict){.pass = rctl & RCTL_UPE, .inexact = true};
    return (struct verdict){.pass = rctl & RCTL_MPE || in_multicast_table(e, frame),
                            .inexact = true};
}

static u32 buffer_size(const struct e1000 *e)
{
    u32 rctl = e1000_get(e, RCTL);
    unsigned code = rctl >> 16 & 3;

    return rctl & RCTL_BSEX && code ? 32768u >> code : 2048u >> code;
}

/* Descriptors that the chip may use. */
static u32 ring_free(const struct e1000 *e, u32 n)
{
    u32 head = e1000_get(e, RDH), tail = e1000_get(e, RDT);

    if (head >= n || tail >= n)
        return 0;
    return tail >= head ? tail - head : n - head + tail;
}

static void count_frame(struct e1000 *e, const u8 *frame, u32 len)
{
    static const u16 limit[] = {64, 127, 255, 511, 1023, 65535};
    unsigned size = 0;

    while (len > limit[size])
        size++;
    e1000_count(e, PRC64 + 4 * size, 1);
    e1000_count(e, GPRC, 1);
    e1000_count(e, TPR, 1);
    if (frame_is_broadcast(frame))
        e1000_count(e, BPRC, 1);
    else if (frame_is_multicast(frame))
        e1000_count(e, MPRC, 1);
    e1000_count64(e, GORCL, len);
    e1000_count64(e, TORL, len);
}

/* Status in bits 7-0, errors in 15-8. */
static u16 check_sums(const struct e1000 *e, const u8 *frame, size_t len)
{
    u32 rxcsum = e1000_get(e, RXCSUM);
    struct frame_layout l;
    u16 result = 0;

    if (!(rxcsum & (RXCSUM_IP | RXCSUM_L4)) || !frame_parse(&l, frame, len))
        return RXD_IXSM;
    if (rxcsum & RXCSUM_IP && !l.v6)
        result |= frame_ip_sum_ok(&l, frame) ? RXD_IPCS : RXD_IPCS | RXE_IPE << 8;
    if (rxcsum & RXCSUM_L4 && l.proto != FRAME_L4_NONE)
        result |= frame_l4_sum_ok(&l, frame) ? RXD_TCPCS : RXD_TCPCS | RXE_TCPE << 8;
    return result ? result : RXD_IXSM;
}

struct reception {
    const u8 *frame;
    u32 len;   /* bytes of it */
    u32 total; /* as the guest is told, with FCS unless that is stripped */
    u16 status, special, sum;
};

/* Fills one buffer and writes its descriptor back. The FCS is counted, but nobody looks at it:
   those bytes stay as they are. */
static void fill_buffer(struct e1000 *e, const struct reception *r, u32 at, u32 size, u32 head)
{
    gpa_t desc = (u64)e1000_get(e, RDBAH) << 32 | e1000_get(e, RDBAL);
    u32 told = (u32)min_u64(size, r->total - at);
    u8 d[DESC_SIZE];

    desc += (u64)head * DESC_SIZE;
    if (pci_dma_read(&e->pci, desc, d, sizeof(d)))
        return; /* a master abort; the guest's driver will find nothing there */
    if (at < r->len && le64(d) &&
        pci_dma_write(&e->pci, le64(d), r->frame + at, min_u64(told, r->len - at)))
        e1000_count(e, RXERRC, 1); /* a master abort */
    put_le16(d + 8, (u16)told);
    put_le16(d + 10, r->sum);
    put_le16(d + 12, DESC_DD);
    put_le16(d + 14, 0);
    if (at + told == r->total) {
        put_le16(d + 12, (u16)(r->status | DESC_DD | RXD_EOP));
        put_le16(d + 14, r->special);
    }
    if (pci_dma_write(&e->pci, desc + 8, d + 8, 8))
        return;
}

void e1000_rx_flush(struct e1000 *e)
{
    e1000_disarm(e, TIMER_RDTR);
    e1000_disarm(e, TIMER_RADV);
    e1000_cause(e, ICR_RXT0);
}

static void raise(struct e1000 *e, u32 before, u32 after, u32 n, u32 len)
{
    u32 threshold = n >> (1 + (e1000_get(e, RCTL) >> 8 & 3)), causes = 0;

    if (before > threshold && after <= threshold)
        causes |= ICR_RXDMT0;
    if (len <= (e1000_get(e, RSRPD) & 0xfff))
        causes |= ICR_SRPD;
    if (!e1000_get(e, RDTR)) {
        causes |= ICR_RXT0;
    } else {
        e1000_delay(e, TIMER_RDTR, e1000_get(e, RDTR));
        if (e1000_get(e, RADV) && !e1000_armed(e, TIMER_RADV))
            e1000_delay(e, TIMER_RADV, e1000_get(e, RADV));
    }
    if (causes)
        e1000_cause(e, causes);
}

static void strip_tag(struct e1000 *e, struct reception *r)
{
    r->special = be16(r->frame + FRAME_HEADER);
    r->status |= RXD_VP;
    memmove(e->in, r->frame, 12);
    memmove(e->in + 12, r->frame + 16, r->len - 16);
    r->frame = e->in;
    r->len -= FRAME_VLAN;
    r->total -= FRAME_VLAN;
}

static void describe(struct e1000 *e, struct reception *r, bool tagged, bool inexact)
{
    u32 pcss = e1000_get(e, RXCSUM) & RXCSUM_PCSS;

    if (r->len < FRAME_MIN) {
        memmove(e->in, r->frame, r->len);
        memset(e->in + r->len, 0, FRAME_MIN - r->len);
        r->frame = e->in;
        r->len = FRAME_MIN;
    }
    r->total = r->len + FRAME_FCS;
    r->status = check_sums(e, r->frame, r->len);
    if (inexact)
        r->status |= RXD_PIF;
    if (tagged && e1000_get(e, CTRL) & CTRL_VME)
        strip_tag(e, r);
    if (e1000_get(e, RCTL) & RCTL_SECRC)
        r->total -= FRAME_FCS;
    r->sum = pcss < r->len ? frame_sum(r->frame + pcss, r->len - pcss) : 0;
    r->sum = (u16)(r->sum << 8 | r->sum >> 8);
}

bool e1000_receive(void *opaque, const u8 *frame, size_t len)
{
    struct e1000 *e = opaque;
    u32 rctl = e1000_get(e, RCTL), n = e1000_get(e, RDLEN) / DESC_SIZE, size = buffer_size(e);
    u32 need, has = ring_free(e, n), head = e1000_get(e, RDH);
    bool tagged = len >= FRAME_HEADER + FRAME_VLAN && be16(frame + 12) == e1000_get(e, VET);
    struct reception r = {.frame = frame, .len = (u32)len};
    struct verdict v;

    if (!(rctl & RCTL_EN) || !e->link || len < FRAME_HEADER)
        return true;
    v = filter(e, frame, tagged);
    if (!v.pass)
        return true;
    if (len + FRAME_FCS > (rctl & RCTL_LPE ? FRAME_LARGEST : FRAME_USUAL)) {
        e1000_count(e, ROC, 1);
        return true;
    }
    /* As upper bound, before the work is done. */
    need = (u32)((max_u64(len, FRAME_MIN) + FRAME_FCS + size - 1) / size);
    if (need >= n) {
        e1000_count(e, MPC, 1);
        return true;
    }
    if (need > has || !pci_is_master(&e->pci))
        return false;
    describe(e, &r, tagged, v.inexact);
    count_frame(e, r.frame, (u32)max_u64(len, FRAME_MIN) + FRAME_FCS);
    need = 0;
    for (u32 at = 0; at < r.total; at += size, need++) {
        fill_buffer(e, &r, at, size, head);
        head = (head + 1) % n;
        *e1000_reg(e, RDH) = head;
    }
    raise(e, has, has - need, n, r.len);
    return true;
}
