/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transfers (xHCI 1.1, sections 3.2.8 to 3.2.11, 4.10, 4.11 and 6.4.1), a packet at a time. A step
 * gathers the TRBs that the next packet goes to or comes from, makes the transaction, and only then
 * moves on in the ring; what a NAK leaves undone is gathered again. So a TD may have any number of
 * TRBs. After a short packet one event tells of it, and Event Data TRBs what came in all.
 */
#include "base/le.h"
#include "dev/xhci_priv.h"

#define ITEMS_MAX      128u /* TRBs that share a packet, or have no data */
#define TRB_LEN_MASK   0x1ffffu
#define EVENT_LEN_MASK 0xffffffu
#define SETUP_LEN      8u
#define IDT_MAX        8u

struct item { /* a TRB, and the part of it that is in the packet */
    struct xhci_trb trb;
    struct xhci_ring after;
    u32 from, len;
};

struct packet {
    enum usb_pid pid;
    bool moves; /* it goes over the wire, be it empty */
    unsigned nitems;
    u32 total;
    struct item item[ITEMS_MAX];
};

void xhci_transfer_event(struct xhci *x, unsigned id, unsigned dci, const struct xhci_trb *trb,
                         u8 code, u32 left)
{
    struct xhci_ep *ep = &x->slot[id].ep[dci];
    bool data = xhci_trb_type(trb) == TRB_EVENT_DATA && code != CC_STOPPED_LENGTH_INVALID;
    struct xhci_event ev = {
        .intr = (u8)min_u64(trb->status >> 22, 255),
        .block = trb->control & TRB_BEI,
        .param = data ? trb->param : trb->at,
        .status = (u32)code << 24 | ((data ? ep->edtla : left) & EVENT_LEN_MASK),
        .control =
            TRB_TYPE(TRB_TRANSFER_EVENT) | (u32)id << 24 | (u32)dci << 16 | (data ? TRB_ED : 0),
    };

    if (data)
        ep->edtla = 0;
    xhci_event(x, &ev);
}

static u32 length_of(const struct xhci_trb *trb)
{
    unsigned type = xhci_trb_type(trb);

    return type == TRB_NORMAL || type == TRB_SETUP || type == TRB_DATA ? trb->status & TRB_LEN_MASK
                                                                       : 0;
}

static bool moves_data(unsigned type)
{
    return type >= TRB_NORMAL && type <= TRB_STATUS;
}

/* The PID of a transaction for a TRB that begins a TD, or goes on with one. */
static enum usb_pid pid_for(struct xhci_ep *ep, unsigned dci, const struct xhci_trb *trb)
{
    unsigned type = xhci_trb_type(trb);

    if (dci != 1)
        return dci & 1 ? USB_PID_IN : USB_PID_OUT;
    if (type == TRB_SETUP)
        return USB_PID_SETUP;
    if (type == TRB_DATA || type == TRB_STATUS)
        ep->dir_in = trb->control & TRB_DIR;
    return ep->dir_in ? USB_PID_IN : USB_PID_OUT;
}

/* May the TRB stand here, and is it well formed? */
static bool is_legal(const struct xhci_trb *trb, unsigned dci, bool first, enum usb_pid pid)
{
    unsigned type = xhci_trb_type(trb);
    u32 len = length_of(trb);

    if (trb->control & TRB_IDT && moves_data(type) && (pid == USB_PID_IN || len > IDT_MAX))
        return false;
    switch (type) {
    case TRB_SETUP:
        return dci == 1 && first && trb->control & TRB_IDT && len == SETUP_LEN;
    case TRB_DATA:
    case TRB_STATUS:
        return dci == 1 && first;
    case TRB_NORMAL:
        return dci != 1 || !first;
    default:
        return type == TRB_EVENT_DATA || type == TRB_NOOP;
    }
}

/* One more item; false if that is all of the packet. */
static bool append(struct packet *p, const struct xhci_ep *ep, const struct xhci_trb *trb, u32 from,
                   const struct xhci_ring *after)
{
    struct item *it = &p->item[p->nitems++];
    u32 len = length_of(trb);

    from = (u32)min_u64(from, len);
    *it = (struct item){.trb = *trb,
                        .after = *after,
                        .from = from,
                        .len = (u32)min_u64(len - from, ep->mps - p->total)};
    p->total += it->len;
    return trb->control & TRB_CH && p->total < ep->mps;
}

/* XHCI_EMPTY also where the guest has not finished the TD. */
static enum xhci_fetched gather(struct xhci *x, struct xhci_ep *ep, unsigned dci, struct packet *p)
{
    struct xhci_ring ring = ep->ring;
    bool more = true, wire = false;
    u32 from = ep->done;

    p->nitems = 0;
    p->total = 0;
    while (more) {
        struct xhci_trb trb;
        enum xhci_fetched got = p->nitems < ITEMS_MAX ? xhci_fetch(x, &ring, &trb) : XHCI_BAD;
        if (got != XHCI_TRB)
            return got;
        if (!p->nitems)
            p->pid = pid_for(ep, dci, &trb);
        if (!is_legal(&trb, dci, !p->nitems && !ep->in_td, p->pid))
            return XHCI_BAD;
        wire |= moves_data(xhci_trb_type(&trb));
        ring.deq += XHCI_TRB_LEN;
        more = append(p, ep, &trb, from, &ring);
        from = 0;
    }
    p->moves = p->total || (wire && !ep->in_td);
    return XHCI_TRB;
}

static bool load(struct xhci *x, const struct packet *p, u8 *buf)
{
    for (unsigned i = 0; i < p->nitems; i++) {
        const struct item *it = &p->item[i];
        u8 inside[IDT_MAX];
        put_le64(inside, it->trb.param);
        if (it->trb.control & TRB_IDT)
            memcpy(buf, inside + it->from, it->len);
        else if (it->len && !xhci_read(x, it->trb.param + it->from, buf, it->len))
            return false;
        buf += it->len;
    }
    return true;
}

static bool store(struct xhci *x, const struct packet *p, const u8 *buf, u32 n)
{
    for (unsigned i = 0; n; i++) {
        const struct item *it = &p->item[i];
        u32 part = (u32)min_u64(n, it->len);
        if (part && !xhci_write(x, it->trb.param + it->from, buf, part))
            return false;
        buf += part;
        n -= part;
    }
    return true;
}

static void advance(struct xhci_ep *ep, const struct item *it)
{
    ep->ring = it->after;
    ep->done = 0;
    ep->in_td = it->trb.control & TRB_CH;
    if (ep->in_td)
        return;
    ep->edtla = 0;
    ep->reported = ep->skipping = false;
}

/* A TRB that is through. */
static void complete(struct xhci *x, unsigned id, unsigned dci, const struct item *it)
{
    if (it->trb.control & TRB_IOC)
        xhci_transfer_event(x, id, dci, &it->trb, CC_SUCCESS, 0);
    advance(&x->slot[id].ep[dci], it);
}

/* The device has ended the TD within this TRB. */
static void cut_short(struct xhci *x, unsigned id, unsigned dci, const struct item *it)
{
    struct xhci_ep *ep = &x->slot[id].ep[dci];
    bool report = it->trb.control & (TRB_ISP | TRB_IOC);

    if (report)
        xhci_transfer_event(x, id, dci, &it->trb, CC_SHORT_PACKET, length_of(&it->trb) - ep->done);
    ep->skipping = true;
    ep->reported = report;
    advance(ep, it);
}

/* Passes over the rest of a TD that ended early. */
static void skip(struct xhci *x, unsigned id, unsigned dci, const struct item *it)
{
    struct xhci_ep *ep = &x->slot[id].ep[dci];
    bool data = xhci_trb_type(&it->trb) == TRB_EVENT_DATA;

    if (it->trb.control & TRB_IOC && (data || !ep->reported)) {
        xhci_transfer_event(x, id, dci, &it->trb, CC_SHORT_PACKET, length_of(&it->trb));
        ep->reported = true;
    }
    advance(ep, it);
}

/* Counts `n` bytes that were moved to TRBs. */
static void consume(struct xhci *x, unsigned id, unsigned dci, const struct packet *p, u32 n)
{
    struct xhci_ep *ep = &x->slot[id].ep[dci];
    bool is_short = n < p->total;

    for (unsigned i = 0; i < p->nitems; i++) {
        const struct item *it = &p->item[i];
        u32 part = (u32)min_u64(n, it->len);
        n -= part;
        ep->edtla += part;
        ep->done = it->from + part;
        if (is_short && part < it->len) {
            cut_short(x, id, dci, it);
            return;
        }
        if (ep->done < length_of(&it->trb))
            return;
        complete(x, id, dci, it);
    }
}

static enum xhci_step fail(struct xhci *x, unsigned id, unsigned dci, const struct xhci_trb *trb,
                           u8 code)
{
    struct xhci_ep *ep = &x->slot[id].ep[dci];
    u32 len = length_of(trb);
    struct xhci_trb plain = *trb; /* errors are told of always, and of the TRB itself */

    plain.control &= ~TRB_BEI;
    if (xhci_trb_type(trb) == TRB_EVENT_DATA)
        plain.control = TRB_TYPE(TRB_NORMAL);
    xhci_transfer_event(x, id, dci, &plain, code, len - (u32)min_u64(ep->done, len));
    xhci_ep_enter(x, id, dci, code == CC_TRB_ERROR ? EP_ERROR : EP_HALTED);
    return STEP_OVER;
}

/* Something is wrong with the TRBs from here. */
static enum xhci_step refuse(struct xhci *x, unsigned id, unsigned dci)
{
    struct xhci_ring ring = x->slot[id].ep[dci].ring;
    struct xhci_trb trb;

    if (xhci_fetch(x, &ring, &trb) != XHCI_TRB)
        trb = (struct xhci_trb){.at = x->slot[id].ep[dci].ring.deq};
    return fail(x, id, dci, &trb, CC_TRB_ERROR);
}

/* The first item that has bytes in the packet is the one that an error is about. */
static const struct xhci_trb *culprit(const struct packet *p)
{
    for (unsigned i = 0; i < p->nitems; i++)
        if (p->item[i].len)
            return &p->item[i].trb;
    return &p->item[0].trb;
}

static enum xhci_step transact(struct xhci *x, unsigned id, unsigned dci, const struct packet *p)
{
    struct usb_device *dev = xhci_device(x, &x->slot[id]);
    u8 buf[USB_PACKET_MAX];
    int n;

    BUG_ON(p->total > sizeof(buf));
    if (!dev)
        return fail(x, id, dci, culprit(p), CC_TRANSACTION_ERROR);
    if (p->pid != USB_PID_IN && !load(x, p, buf))
        return STEP_OVER;
    n = usb_transact(dev, p->pid, dci / 2, buf, p->total);
    BUG_ON(n > (int)p->total);
    switch (n) {
    case USB_NAK:
        return STEP_NAKED;
    case USB_STALL:
        return fail(x, id, dci, culprit(p), CC_STALL);
    case USB_BABBLE:
        return fail(x, id, dci, culprit(p), CC_BABBLE);
    case USB_TIMEOUT:
        return fail(x, id, dci, culprit(p), CC_TRANSACTION_ERROR);
    }
    if (p->pid == USB_PID_IN && !store(x, p, buf, (u32)n))
        return STEP_OVER;
    consume(x, id, dci, p, p->pid == USB_PID_IN ? (u32)n : p->total);
    return STEP_MOVED;
}

enum xhci_step xhci_step(struct xhci *x, unsigned id, unsigned dci)
{
    struct xhci_ep *ep = &x->slot[id].ep[dci];
    struct packet p;

    switch (gather(x, ep, dci, &p)) {
    case XHCI_BAD:
        return refuse(x, id, dci);
    case XHCI_TRB:
        break;
    default:
        ep->active = false;
        return STEP_OVER;
    }
    if (ep->skipping)
        skip(x, id, dci, &p.item[0]);
    else if (p.moves)
        return transact(x, id, dci, &p);
    else
        consume(x, id, dci, &p, 0);
    return STEP_MOVED;
}
