/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reception: into one ring of bytes, or in C+ mode by descriptors. What finds no room is refused:
 * until CAPR moves, or, since drivers give C+ descriptors back without telling, until a timer or
 * an access to the interrupt registers finds one.
 */
#include "dev/rtl8139_priv.h"

#define HEADER     4u
#define RX_LARGEST 8184u /* with FCS: what the smallest ring and a length field can hold */
#define LOOK_NS    500000u

#define RSR_ROK 0x0001u
#define RSR_BAR 0x2000u
#define RSR_PAM 0x4000u
#define RSR_MAR 0x8000u

#define RXD_SIZE 0x1fffu
#define RXD_PID  17u
#define RXD_IPF  BIT(16)
#define RXD_UDPF BIT(15)
#define RXD_TCPF BIT(14)
#define RXD_TAVA BIT(16)

u32 rtl8139_ring_size(const struct rtl8139 *r)
{
    return 8192u << (rtl_get32(r, RCR) >> 11 & 3);
}

/* RSR bits of a frame that passes, or 0. */
static u32 filter(const struct rtl8139 *r, const u8 *frame)
{
    u32 rcr = rtl_get32(r, RCR);

    if (frame_is_broadcast(frame))
        return rcr & RCR_AB ? RSR_BAR | RSR_ROK : 0;
    if (frame_is_multicast(frame)) {
        unsigned hash = frame_hash_left(frame);
        bool in = r->reg[MAR0 + (hash >> 3)] >> (hash & 7) & 1;
        return rcr & RCR_AM && in ? RSR_MAR | RSR_ROK : 0;
    }
    if (!memcmp(frame, r->reg + IDR0, 6))
        return rcr & (RCR_APM | RCR_AAP) ? RSR_PAM | RSR_ROK : 0;
    return rcr & RCR_AAP ? RSR_ROK : 0;
}

/* Writes to the ring from `at` on; past its end with WRAP, else from its start again. */
static void ring_write(struct rtl8139 *r, u32 at, const u8 *data, u32 len)
{
    u32 size = rtl8139_ring_size(r), start = rtl_get32(r, RBSTART);
    bool wraps = !(rtl_get32(r, RCR) & RCR_WRAP) || size == 65536;
    u32 first = wraps ? (u32)min_u64(len, size - at) : len;

    if (pci_dma_write(&r->pci, start + at, data, first))
        return; /* a master abort */
    if (first < len && pci_dma_write(&r->pci, start, data + first, len - first))
        return;
}

/* The FCS is counted and its place left as it is. */
static bool receive_bytes(struct rtl8139 *r, const u8 *frame, u32 len, u32 rsr)
{
    u32 size = rtl8139_ring_size(r), need = (u32)align_up(HEADER + len + FRAME_FCS, 4);
    u32 at = r->rx_write % size, room = (size + r->rx_read % size - at) % size;
    u8 head[HEADER];

    if (room && need >= room)
        return false;
    put_le16(head, (u16)rsr);
    put_le16(head + 2, (u16)(len + FRAME_FCS));
    ring_write(r, at, head, HEADER);
    ring_write(r, (at + HEADER) % size, frame, len);
    r->rx_write = (at + need) % size;
    return true;
}

struct slot {
    gpa_t desc;
    u32 size, flags; /* flags: EOR as the guest has it */
    u64 buffer;
    u8 next;
};

/* The descriptor with that index, if the chip owns it. */
static bool take_slot(struct rtl8139 *r, u8 index, struct slot *s)
{
    u8 d[DESC_SIZE];
    u64 ring = le64(r->reg + RDSAR) & ~(u64)255;

    s->desc = ring + index * DESC_SIZE;
    if (pci_dma_read(&r->pci, s->desc, d, sizeof(d)) || !(le32(d) & DESC_OWN))
        return false;
    s->flags = le32(d) & DESC_EOR;
    s->size = le32(d) & RXD_SIZE;
    s->buffer = le64(d + 8);
    s->next = s->flags || index + 1u == DESCS ? 0 : (u8)(index + 1);
    return true;
}

/* Enough descriptors for `total` bytes? -1 if the ring can never have them. */
static int ring_fits(struct rtl8139 *r, u32 total)
{
    u8 index = r->rx_at;
    struct slot s;

    for (unsigned n = 0; n < DESCS && total; n++) {
        if (!take_slot(r, index, &s))
            return 0;
        total -= (u32)min_u64(total, s.size);
        index = s.next;
        if (index == r->rx_at)
            break;
    }
    return total ? -1 : 1;
}

static u32 sum_flags(const struct rtl8139 *r, const u8 *frame, u32 len)
{
    struct frame_layout l;
    u32 flags;

    if (!(rtl_get16(r, CPCR) & CPCR_SUMS) || !frame_parse(&l, frame, len) || l.v6)
        return 0;
    flags = frame_ip_sum_ok(&l, frame) ? 0 : RXD_IPF;
    if (l.proto == FRAME_L4_NONE)
        return flags | 3u << RXD_PID;
    if (l.proto == FRAME_L4_TCP)
        return flags | 1u << RXD_PID | (frame_l4_sum_ok(&l, frame) ? 0 : RXD_TCPF);
    return flags | 2u << RXD_PID | (frame_l4_sum_ok(&l, frame) ? 0 : RXD_UDPF);
}

static void fill_slot(struct rtl8139 *r, const struct slot *s, const u8 *data, u32 len, u32 opts1,
                      u32 opts2)
{
    u8 d[8];

    put_le32(d, opts1 | s->flags);
    put_le32(d + 4, opts2);
    if (len && pci_dma_write(&r->pci, s->buffer, data, len))
        return; /* a master abort: the driver gets no frame */
    if (pci_dma_write(&r->pci, s->desc + 4, d + 4, 4) || pci_dma_write(&r->pci, s->desc, d, 4))
        return;
}

static bool receive_descriptors(struct rtl8139 *r, const u8 *frame, u32 len, u32 rsr)
{
    u32 opts1 = (rsr & (RSR_BAR | RSR_PAM | RSR_MAR)), opts2 = 0, total, at = 0;
    int fits;
    struct slot s;

    /* BAR, PAM, MAR are bits 13 to 15 in the status, 25 to 27, mirrored, here. */
    opts1 = (opts1 & RSR_BAR ? BIT(25) : 0) | (opts1 & RSR_PAM ? BIT(26) : 0) |
            (opts1 & RSR_MAR ? BIT(27) : 0) | sum_flags(r, frame, len);
    if (rtl_get16(r, CPCR) & CPCR_VLAN && len >= 64 - FRAME_FCS && be16(frame + 12) == 0x8100) {
        opts2 = RXD_TAVA | le16(frame + 14);
        memmove(r->in, frame, 12);
        memmove(r->in + 12, frame + 16, len - 16);
        frame = r->in;
        len -= FRAME_VLAN;
    }
    total = len + FRAME_FCS;
    fits = ring_fits(r, total);
    if (fits <= 0)
        return fits;
    for (bool first = true; at < total; first = false) {
        u32 part, told;
        if (!take_slot(r, r->rx_at, &s) || !s.size)
            return true; /* the guest has changed it meanwhile */
        told = (u32)min_u64(s.size, total - at);
        part = at < len ? (u32)min_u64(told, len - at) : 0;
        fill_slot(r, &s, frame + at, part,
                  (first ? opts1 | DESC_FS : 0) |
                      (at + told == total ? opts1 | DESC_LS | total : told),
                  opts2);
        at += told;
        r->rx_at = s.next;
    }
    return true;
}

bool rtl8139_receive(void *opaque, const u8 *frame, size_t len)
{
    struct rtl8139 *r = opaque;
    bool plus = rtl_get16(r, CPCR) & CPCR_RX, taken;
    u32 rsr;

    if (!(r->reg[CR] & CR_RE) || len < FRAME_HEADER || len + FRAME_FCS > RX_LARGEST)
        return true;
    rsr = filter(r, frame);
    if (!rsr)
        return true;
    if (!pci_is_master(&r->pci))
        return false;
    if (len < FRAME_MIN) {
        memmove(r->in, frame, len);
        memset(r->in + len, 0, FRAME_MIN - len);
        frame = r->in;
        len = FRAME_MIN;
    }
    taken = plus ? receive_descriptors(r, frame, (u32)len, rsr)
                 : receive_bytes(r, frame, (u32)len, rsr);
    if (!plus)
        r->rx_waits = !taken;
    if (taken || !plus) { /* when the ring is full, there is something to take out */
        rtl8139_cause(r, INT_ROK);
        return taken;
    }
    if (!r->rx_waits)
        rtl8139_cause(r, INT_RDU);
    r->rx_waits = true;
    rtl8139_look_again(r, LOOK_NS);
    return false;
}
