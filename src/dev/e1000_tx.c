/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transmission (chapter 3.3): a packet is put together from legacy or data descriptors as if in the
 * chip's FIFO, then sent whole or in segments, with checksums and a VLAN tag inserted. What the
 * cable does not take stays there. One call does at most BUDGET steps; the rest follows by timer.
 */
#include "dev/e1000_priv.h"

#define BUDGET 256u

#define CMD_EOP  0x01u
#define CMD_IC   0x04u /* legacy */
#define CMD_TSE  0x04u
#define CMD_RS   0x08u
#define CMD_RPS  0x10u
#define CMD_DEXT 0x20u
#define CMD_VLE  0x40u
#define CMD_IDE  0x80u

#define TUCMD_TCP 0x01u
#define TUCMD_IP  0x02u

#define POPTS_IXSM 0x01u
#define POPTS_TXSM 0x02u

#define DTYP_CONTEXT 0u
#define DTYP_DATA    1u

static void tx_forget(struct e1000_tx *tx)
{
    tx->len = tx->at = 0;
    tx->started = tx->complete = tx->too_long = false;
    tx->extended = tx->segment = tx->tag = false;
    tx->popts = 0;
}

/* The sum of [css, cse] goes to cso; what is there counts, such as the pseudo header's sum. */
static void insert_sum(u8 *p, size_t len, u32 css, u32 cso, u32 cse, bool zero_is_none)
{
    size_t end = cse && cse + 1 < len ? cse + 1 : len;
    u16 sum;

    if (css >= end || cso + 2 > len)
        return;
    sum = (u16)~frame_sum(p + css, end - css);
    put_be16(p + cso, !sum && zero_is_none ? 0xffff : sum);
}

/* l4: that of TCP or UDP, too. */
static void insert_sums(const struct e1000_tx *tx, u8 *p, size_t len, bool l4)
{
    const struct e1000_context *c = &tx->context[tx->segment];

    if (!tx->extended) {
        if (tx->cmd & CMD_IC)
            insert_sum(p, len, tx->css, tx->cso, 0, false);
        return;
    }
    /* The driver's pseudo header lacks the length where there are segments. */
    if (tx->segment && tx->popts & POPTS_TXSM && c->tucso + 2u <= len && c->tucss < len)
        put_be16(p + c->tucso, frame_sum_add(be16(p + c->tucso), (u16)(len - c->tucss)));
    if (l4 && tx->popts & POPTS_TXSM)
        insert_sum(p, len, c->tucss, c->tucso, c->tucse, !(c->cmd & TUCMD_TCP));
    if (tx->popts & POPTS_IXSM)
        insert_sum(p, len, c->ipcss, c->ipcso, c->ipcse, false);
}

/* `len` with FCS. */
static void count_frames(struct e1000 *e, const u8 *frame, u32 len, u32 n)
{
    static const u16 limit[] = {64, 127, 255, 511, 1023};
    unsigned size = 0;

    while (size < ARRAY_SIZE(limit) && len > limit[size])
        size++;
    e1000_count(e, PTC64 + 4 * size, n);
    e1000_count(e, GPTC, n);
    e1000_count(e, TPT, n);
    if (frame_is_broadcast(frame))
        e1000_count(e, BPTC, n);
    else if (frame_is_multicast(frame))
        e1000_count(e, MPTC, n);
    e1000_count64(e, GOTCL, len * n);
    e1000_count64(e, TOTL, len * n);
}

static size_t insert_tag(struct e1000 *e, size_t len)
{
    memmove(e->out + 16, e->out + 12, len - 12);
    put_be16(e->out + 12, (u16)e1000_get(e, VET));
    put_be16(e->out + 14, e->tx.special);
    return len + FRAME_VLAN;
}

static bool loops_back(const struct e1000 *e)
{
    return e1000_get(e, RCTL) >> 6 & 3 || e->phy[0] & BMCR_LOOPBACK;
}

/* False: not now. */
static bool send_frame(struct e1000 *e, size_t len)
{
    bool taken = true;

    if (len < FRAME_HEADER)
        return true;
    if (e->tx.tag && e1000_get(e, CTRL) & CTRL_VME)
        len = insert_tag(e, len);
    if (len < FRAME_MIN && e1000_get(e, TCTL) & TCTL_PSP) {
        memset(e->out + len, 0, FRAME_MIN - len);
        len = FRAME_MIN;
    }
    if (len > NET_FRAME_MAX)
        return true;
    if (loops_back(e))
        e1000_receive(e, e->out, len); /* what finds no room is lost, as in the chip */
    else if (e->link)
        taken = net_send(&e->end, e->out, len);
    if (taken)
        count_frames(e, e->out, (u32)len + FRAME_FCS, 1);
    return taken;
}

static size_t next_segment(struct e1000 *e, size_t header, size_t mss)
{
    struct e1000_tx *tx = &e->tx;
    const struct e1000_context *c = &tx->context[1];
    struct frame_large large = {.data = tx->buf,
                                .len = tx->len,
                                .header = header,
                                .mss = mss,
                                .l3 = c->ipcss,
                                .l4 = c->tucss,
                                .ip = true,
                                .v6 = !(c->cmd & TUCMD_IP),
                                .tcp = c->cmd & TUCMD_TCP};

    return frame_segment(&large, tx->at, e->out);
}

/* Whether the other side cuts the packet itself, and how it is told of it. */
static bool may_go_whole(const struct e1000 *e, struct net_offload *o)
{
    const struct e1000_tx *tx = &e->tx;
    const struct e1000_context *c = &tx->context[1];
    u8 kind = c->cmd & TUCMD_IP ? NET_OFFLOAD_TCP4 : NET_OFFLOAD_TCP6;
    u8 sums = c->cmd & TUCMD_IP ? POPTS_TXSM | POPTS_IXSM : POPTS_TXSM;

    if (tx->at || tx->tag || tx->len > NET_FRAME_MAX || !e->link || loops_back(e))
        return false;
    if (!(c->cmd & TUCMD_TCP) || (tx->popts & sums) != sums || c->ipcss != FRAME_HEADER ||
        c->tucss + TCP_MIN > c->hdrlen || c->tucso != c->tucss + TCP_SUM || c->tucse)
        return false;
    *o = (struct net_offload){.flags = NET_OFFLOAD_SUM,
                              .gso = kind,
                              .header = c->hdrlen,
                              .gso_size = c->mss,
                              .sum_start = c->tucss,
                              .sum_offset = TCP_SUM};
    if (tx->buf[c->tucss + TCP_FLAGS] & TCP_CWR)
        o->gso |= NET_OFFLOAD_ECN;
    return net_may_offload(net_peer_takes(&e->end), o);
}

/* False: not now. Counts what it is cut into. */
static bool send_whole(struct e1000 *e, struct net_offload *o)
{
    struct e1000_tx *tx = &e->tx;
    u32 header = o->header, body = tx->len - header, full = body / o->gso_size;
    size_t len = next_segment(e, header, body);

    insert_sums(tx, e->out, len, false);
    if (!net_pass(&e->end, o, e->out, len))
        return false;
    count_frames(e, e->out, header + o->gso_size + FRAME_FCS, full);
    if (body % o->gso_size)
        count_frames(e, e->out, header + body % o->gso_size + FRAME_FCS, 1);
    e1000_count(e, TSCTC, 1);
    tx_forget(tx);
    return true;
}

/* One frame of the packet that is complete. False: not now. */
static bool send_some(struct e1000 *e)
{
    struct e1000_tx *tx = &e->tx;
    const struct e1000_context *c = &tx->context[1];
    size_t header = c->hdrlen, len = tx->len;
    bool cut = tx->segment && c->mss && header < len;
    struct net_offload o;

    if (cut && may_go_whole(e, &o))
        return send_whole(e, &o);
    if (cut)
        len = next_segment(e, header, c->mss);
    else
        memcpy(e->out, tx->buf, len);
    insert_sums(tx, e->out, len, true);
    if (!send_frame(e, len))
        return false;
    tx->at += cut ? (u32)(len - header) : (u32)len;
    if (!cut || header + tx->at >= tx->len) {
        if (cut)
            e1000_count(e, TSCTC, 1);
        tx_forget(tx);
    }
    return true;
}

static void append(struct e1000 *e, gpa_t from, u32 len)
{
    struct e1000_tx *tx = &e->tx;

    if (len > sizeof(tx->buf) - tx->len)
        tx->too_long = true;
    if (tx->too_long || !len)
        return;
    if (pci_dma_read(&e->pci, from, tx->buf + tx->len, len))
        tx->too_long = true; /* a master abort: the packet is not sent */
    else
        tx->len += len;
}

static void take_context(struct e1000_tx *tx, const u8 *d)
{
    u8 cmd = d[11];

    tx->context[!!(cmd & CMD_TSE)] = (struct e1000_context){.ipcss = d[0],
                                                            .ipcso = d[1],
                                                            .ipcse = le16(d + 2),
                                                            .tucss = d[4],
                                                            .tucso = d[5],
                                                            .tucse = le16(d + 6),
                                                            .cmd = cmd,
                                                            .hdrlen = d[13],
                                                            .mss = le16(d + 14)};
}

static void take_data(struct e1000 *e, const u8 *d)
{
    struct e1000_tx *tx = &e->tx;
    u32 lower = le32(d + 8);
    u8 cmd = d[11];

    if (!tx->started) {
        tx->started = true;
        tx->extended = cmd & CMD_DEXT;
        tx->segment = tx->extended && cmd & CMD_TSE;
        tx->popts = tx->extended ? d[13] : 0;
    }
    append(e, le64(d), tx->extended ? lower & 0xfffff : lower & 0xffff);
    tx->tag |= !!(cmd & CMD_VLE);
    tx->special = le16(d + 14);
    if (!(cmd & CMD_EOP))
        return;
    tx->cmd = cmd;
    tx->cso = d[10];
    tx->css = d[13];
    if (tx->too_long || !tx->len)
        tx_forget(tx);
    else
        tx->complete = true;
}

void e1000_tx_flush(struct e1000 *e)
{
    e1000_disarm(e, TIMER_TIDV);
    e1000_disarm(e, TIMER_TADV);
    e1000_cause(e, ICR_TXDW);
}

static void report(struct e1000 *e, gpa_t desc, u8 *d)
{
    d[12] |= DESC_DD;
    if (pci_dma_write(&e->pci, desc + 12, d + 12, 1))
        return;
    if (!(d[11] & CMD_IDE) || !e1000_get(e, TIDV)) {
        e1000_cause(e, ICR_TXDW);
        return;
    }
    e1000_delay(e, TIMER_TIDV, e1000_get(e, TIDV));
    if (e1000_get(e, TADV) && !e1000_armed(e, TIMER_TADV))
        e1000_delay(e, TIMER_TADV, e1000_get(e, TADV));
}

static void after_descriptor(struct e1000 *e, u32 n, u32 head, u32 tail)
{
    u32 left = tail >= head ? tail - head : n - head + tail, low = e1000_get(e, TXDCTL) >> 25;

    if (low && left == low * 8 - 1)
        e1000_cause(e, ICR_TXD_LOW);
    if (!left)
        e1000_cause(e, ICR_TXQE);
}

/* False if there is none that can be taken. */
static bool take_descriptor(struct e1000 *e)
{
    u32 n = e1000_get(e, TDLEN) / DESC_SIZE, head = e1000_get(e, TDH), tail = e1000_get(e, TDT);
    gpa_t desc = ((u64)e1000_get(e, TDBAH) << 32 | e1000_get(e, TDBAL)) + (u64)head * DESC_SIZE;
    u8 d[DESC_SIZE], dtyp;

    if (!(e1000_get(e, TCTL) & TCTL_EN) || head == tail || head >= n || tail >= n)
        return false;
    if (pci_dma_read(&e->pci, desc, d, sizeof(d)))
        return false;
    dtyp = d[10] >> 4;
    if (!(d[11] & CMD_DEXT) || dtyp == DTYP_DATA)
        take_data(e, d);
    else if (dtyp == DTYP_CONTEXT)
        take_context(&e->tx, d);
    head = (head + 1) % n;
    *e1000_reg(e, TDH) = head;
    if (d[11] & (CMD_RS | CMD_RPS))
        report(e, desc, d);
    after_descriptor(e, n, head, tail);
    return true;
}

void e1000_tx_run(struct e1000 *e)
{
    unsigned budget = BUDGET;
    bool more = true;

    if (e->tx_runs)
        return;
    e->tx_runs = true;
    while (more && budget--)
        more = e->tx.complete ? send_some(e) : take_descriptor(e);
    e->tx_runs = false;
    if (more)
        timer_set(e->clk, &e->timer[TIMER_TX], clock_now(e->clk));
}
