/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands about one endpoint (xHCI 1.1, sections 4.6.8 to 4.6.10 and 4.8.3). */
#include "base/le.h"
#include "dev/xhci_priv.h"

#define CONTEXT_LEN 32u
#define EP_STATE    7u

void xhci_ep_rewind(struct xhci_ep *ep)
{
    ep->done = ep->edtla = 0;
    ep->in_td = ep->skipping = ep->reported = false;
}

void xhci_ep_enter(struct xhci *x, unsigned id, unsigned dci, u8 state)
{
    struct xhci_ep *ep = &x->slot[id].ep[dci];
    u64 at = x->slot[id].ctx + (u64)CONTEXT_LEN * dci;
    u8 ctx[16];

    ep->state = state;
    if (state != EP_RUNNING)
        ep->active = false;
    if (!xhci_read(x, at, ctx, sizeof(ctx)))
        return;
    ctx[0] = (u8)((ctx[0] & ~EP_STATE) | state);
    put_le64(ctx + 8, ep->ring.deq | ep->ring.ccs);
    if (!xhci_write(x, at, ctx, sizeof(ctx)))
        ep->active = false; /* nothing goes on */
}

/* The endpoint that a command is for; NULL if it is disabled. */
static struct xhci_ep *find(struct xhci *x, unsigned id, const struct xhci_trb *trb, unsigned *dci)
{
    *dci = trb->control >> 16 & 31;
    if (!*dci || x->slot[id].ep[*dci].state == EP_DISABLED)
        return NULL;
    return &x->slot[id].ep[*dci];
}

u8 xhci_reset_endpoint(struct xhci *x, unsigned id, const struct xhci_trb *trb)
{
    unsigned dci;
    struct xhci_ep *ep = find(x, id, trb, &dci);

    if (!ep)
        return CC_ENDPOINT_NOT_ENABLED;
    if (ep->state != EP_HALTED)
        return CC_CONTEXT_STATE_ERROR;
    xhci_ep_enter(x, id, dci, EP_STOPPED);
    return CC_SUCCESS;
}

/* Tells where in its ring the endpoint has stopped, if in the midst of something. */
static void tell_stopped(struct xhci *x, unsigned id, unsigned dci)
{
    struct xhci_ep *ep = &x->slot[id].ep[dci];
    struct xhci_ring ring = ep->ring;
    struct xhci_trb trb;
    u32 len;

    if (!ep->active || xhci_fetch(x, &ring, &trb) != XHCI_TRB)
        return;
    len = trb.status & 0x1ffff;
    if (xhci_trb_type(&trb) >= TRB_LINK || ep->done > len)
        xhci_transfer_event(x, id, dci, &trb, CC_STOPPED_LENGTH_INVALID, 0);
    else
        xhci_transfer_event(x, id, dci, &trb, CC_STOPPED, len - ep->done);
}

u8 xhci_stop_endpoint(struct xhci *x, unsigned id, const struct xhci_trb *trb)
{
    unsigned dci;
    struct xhci_ep *ep = find(x, id, trb, &dci);

    if (!ep)
        return CC_ENDPOINT_NOT_ENABLED;
    if (ep->state != EP_RUNNING)
        return CC_CONTEXT_STATE_ERROR;
    tell_stopped(x, id, dci);
    xhci_ep_enter(x, id, dci, EP_STOPPED);
    return CC_SUCCESS;
}

u8 xhci_set_dequeue(struct xhci *x, unsigned id, const struct xhci_trb *trb)
{
    unsigned dci;
    struct xhci_ep *ep = find(x, id, trb, &dci);

    if (!ep)
        return CC_ENDPOINT_NOT_ENABLED;
    if (ep->state != EP_STOPPED && ep->state != EP_ERROR)
        return CC_CONTEXT_STATE_ERROR;
    if (trb->status >> 16)
        return CC_TRB_ERROR; /* there are no streams */
    ep->ring = (struct xhci_ring){.deq = trb->param & ~15ull, .ccs = trb->param & 1};
    xhci_ep_rewind(ep);
    xhci_ep_enter(x, id, dci, EP_STOPPED);
    return CC_SUCCESS;
}
