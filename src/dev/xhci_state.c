/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The saved state of the xHCI controller. */
#include "dev/xhci_priv.h"

#include <errno.h>

#define MICROFRAME_NS 125000ull
#define MFINDEX_MASK  0x3fffu

static void before_save(void *obj)
{
    struct xhci *x = obj;
    u64 now = clock_now(x->clk);

    if (xhci_running(x))
        x->mfindex = (u16)((now - x->mf_start) / MICROFRAME_NS & MFINDEX_MASK);
    for (unsigned n = 0; n < XHCI_INTRS; n++)
        x->intr[n].quiet_for = x->intr[n].quiet > now ? x->intr[n].quiet - now : 0;
}

static bool ep_is_sane(const struct xhci_ep *ep)
{
    if (ep->state >= EP_STATES || ep->ring.deq & 15 || ep->done > 0x1ffff || ep->interval > 15)
        return false;
    return ep->state == EP_DISABLED ? !ep->active : ep->mps && ep->mps <= USB_PACKET_MAX;
}

static bool slot_is_sane(const struct xhci_slot *slot)
{
    bool sane = slot->state < SLOT_STATES && slot->port <= XHCI_ROOT && !(slot->ctx & 63) &&
                slot->route < BIT(20) && (slot->port || slot->state == SLOT_ENABLED) &&
                (slot->enabled || (!slot->port && slot->state == SLOT_ENABLED)) &&
                (slot->state == SLOT_ENABLED || slot->ep[1].mps >= 8) &&
                slot->ep[0].state == EP_DISABLED;

    for (unsigned dci = 0; dci < XHCI_EPS; dci++)
        sane &= ep_is_sane(&slot->ep[dci]) &&
                (slot->state != SLOT_ENABLED || slot->ep[dci].state == EP_DISABLED);
    return sane;
}

static int loaded(void *obj)
{
    struct xhci *x = obj;
    int rc = pci_device_loaded(&x->pci);
    bool sane = x->config <= XHCI_SLOTS && !x->slot[0].enabled && x->mfindex <= MFINDEX_MASK &&
                !xhci_running(x) == !!(x->sts & XHCI_STS_HCH) && !(x->cr.deq & 15);

    for (unsigned n = 0; n <= XHCI_SLOTS; n++)
        sane &= slot_is_sane(&x->slot[n]);
    if (!rc)
        rc = pci_msix_loaded(&x->pci);
    if (!rc)
        rc = xhci_ports_loaded(x);
    if (!rc)
        rc = xhci_intr_loaded(x);
    if (rc || !sane)
        return -EINVAL;
    for (unsigned id = 1; id <= XHCI_SLOTS; id++)
        for (unsigned dci = 0; dci < XHCI_EPS; dci++)
            x->slot[id].ep[dci].due = x->slot[id].ep[dci].last = 0;
    xhci_resume(x);
    return 0;
}

static const struct state_field ring_fields[] = {STATE_UINT(struct xhci_ring, deq),
                                                 STATE_BOOL(struct xhci_ring, ccs), STATE_END};

static const struct state_field ep_fields[] = {
    STATE_UINT(struct xhci_ep, state),
    STATE_UINT(struct xhci_ep, type),
    STATE_UINT(struct xhci_ep, interval),
    STATE_UINT(struct xhci_ep, mps),
    STATE_STRUCTS(struct xhci_ep, ring, 1, ring_fields),
    STATE_UINT(struct xhci_ep, done),
    STATE_UINT(struct xhci_ep, edtla),
    STATE_BOOL(struct xhci_ep, in_td),
    STATE_BOOL(struct xhci_ep, skipping),
    STATE_BOOL(struct xhci_ep, reported),
    STATE_BOOL(struct xhci_ep, dir_in),
    STATE_BOOL(struct xhci_ep, active),
    STATE_END,
};

static const struct state_field slot_fields[] = {
    STATE_BOOL(struct xhci_slot, enabled),
    STATE_UINT(struct xhci_slot, state),
    STATE_UINT(struct xhci_slot, port),
    STATE_UINT(struct xhci_slot, route),
    STATE_UINT(struct xhci_slot, ctx),
    STATE_STRUCTS(struct xhci_slot, ep, XHCI_EPS, ep_fields),
    STATE_END,
};

static const struct state_field segment_fields[] = {
    STATE_UINT(struct xhci_segment, base), STATE_UINT(struct xhci_segment, trbs), STATE_END};

static const struct state_field intr_fields[] = {
    STATE_UINT(struct xhci_intr, iman),
    STATE_UINT(struct xhci_intr, imod),
    STATE_UINT(struct xhci_intr, erstsz),
    STATE_UINT(struct xhci_intr, erstba),
    STATE_UINT(struct xhci_intr, erdp),
    STATE_STRUCTS(struct xhci_intr, segment, XHCI_SEGMENTS, segment_fields),
    STATE_UINT(struct xhci_intr, nsegments),
    STATE_UINT(struct xhci_intr, seg),
    STATE_UINT(struct xhci_intr, index),
    STATE_BOOL(struct xhci_intr, pcs),
    STATE_BOOL(struct xhci_intr, full),
    STATE_BOOL(struct xhci_intr, pending),
    STATE_UINT(struct xhci_intr, quiet_for),
    STATE_END,
};

static const struct state_field event_fields[] = {
    STATE_UINT(struct xhci_event, intr),    STATE_BOOL(struct xhci_event, block),
    STATE_UINT(struct xhci_event, param),   STATE_UINT(struct xhci_event, status),
    STATE_UINT(struct xhci_event, control), STATE_END,
};

static const struct state_field port_fields[] = {
    STATE_UINT(struct xhci_root_port, portsc),
    STATE_UINT(struct xhci_root_port, pmsc),
    STATE_BOOL(struct xhci_root_port, told),
    STATE_END,
};

static const struct state_field fields[] = {
    STATE_STRUCTS(struct xhci, pci, 1, pci_device_fields),
    STATE_STRUCTS(struct xhci, msix, 1, pci_msix_fields),
    STATE_UINT(struct xhci, cmd),
    STATE_UINT(struct xhci, sts),
    STATE_UINT(struct xhci, dnctrl),
    STATE_UINT(struct xhci, config),
    STATE_UINT(struct xhci, dcbaap),
    STATE_UINT(struct xhci, legsup),
    STATE_UINT(struct xhci, legctl),
    STATE_STRUCTS(struct xhci, cr, 1, ring_fields),
    STATE_BOOL(struct xhci, crr),
    STATE_BOOL(struct xhci, commands),
    STATE_UINT(struct xhci, mfindex),
    STATE_STRUCTS(struct xhci, port, XHCI_ROOT, port_fields),
    STATE_STRUCTS(struct xhci, intr, XHCI_INTRS, intr_fields),
    STATE_STRUCTS(struct xhci, slot, XHCI_SLOTS + 1, slot_fields),
    STATE_STRUCTS(struct xhci, backlog, XHCI_BACKLOG, event_fields),
    STATE_UINT(struct xhci, backlog_head),
    STATE_UINT(struct xhci, backlog_len),
    STATE_END,
};

const struct state_table xhci_state = {.name = "xhci",
                                       .version = 1,
                                       .oldest = 1,
                                       .fields = fields,
                                       .before_save = before_save,
                                       .loaded = loaded};
