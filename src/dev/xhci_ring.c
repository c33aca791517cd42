/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rings that the guest produces (xHCI 1.1, sections 4.9.2 and 4.11.5.1), and how a slot's device is
 * found. A link TRB's interrupt on completion is left out.
 */
#include "base/le.h"
#include "dev/xhci_priv.h"

#define PORTSC_PED BIT(1)
#define PORTSC_PLS (15u << 5)

enum xhci_fetched xhci_fetch(struct xhci *x, struct xhci_ring *ring, struct xhci_trb *trb)
{
    u8 raw[XHCI_TRB_LEN];

    for (unsigned links = 0; links < XHCI_LINKS_MAX; links++) {
        if (!xhci_read(x, ring->deq, raw, sizeof(raw)))
            return XHCI_DEAD;
        *trb = (struct xhci_trb){.at = ring->deq,
                                 .param = le64(raw),
                                 .status = le32(raw + 8),
                                 .control = le32(raw + 12)};
        if (!!(trb->control & TRB_C) != ring->ccs)
            return XHCI_EMPTY;
        if (xhci_trb_type(trb) != TRB_LINK)
            return XHCI_TRB;
        ring->deq = trb->param & ~15ull;
        ring->ccs ^= !!(trb->control & TRB_TC);
    }
    return XHCI_BAD;
}

struct usb_device *xhci_device(struct xhci *x, const struct xhci_slot *slot)
{
    u32 portsc = slot->port ? x->port[slot->port - 1].portsc : 0, route = slot->route;
    struct usb_device *dev = NULL;

    if ((portsc & (PORTSC_PED | PORTSC_PLS)) == PORTSC_PED)
        dev = x->socket[xhci_socket_of(slot->port - 1u)].dev;
    for (; dev && route; route >>= 4)
        dev = dev->ops->below ? dev->ops->below(dev->opaque, route & 15) : NULL;
    return dev;
}
