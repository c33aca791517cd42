/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When endpoints are served. A doorbell has one tried at once; one that NAKs is tried again when
 * its device is ready, and every RETRY_NS besides. An interrupt endpoint moves at most one packet
 * in its interval. A run ends after RUN_STEPS packets and goes on a microframe later.
 */
#include "dev/xhci_priv.h"

#define MICROFRAME_NS 125000ull
#define RETRY_NS      (64 * MICROFRAME_NS)
#define RUN_STEPS     512u
#define TURN_STEPS    32u /* of one endpoint in a row */

static bool is_interrupt(const struct xhci_ep *ep)
{
    return ep->type == EP_INT_IN || ep->type == EP_INT_OUT;
}

/* The earliest time at which it may move something. */
static u64 earliest(const struct xhci_ep *ep)
{
    return is_interrupt(ep) && ep->last ? ep->last + (MICROFRAME_NS << ep->interval) : 0;
}

static u64 retry_ns(const struct xhci_ep *ep)
{
    return is_interrupt(ep) ? max_u64(MICROFRAME_NS << ep->interval, RETRY_NS) : RETRY_NS;
}

/* What has moved at one endpoint may be what another one waits for. */
static void try_siblings(struct xhci_slot *slot)
{
    for (unsigned dci = 1; dci < XHCI_EPS; dci++)
        if (slot->ep[dci].active)
            slot->ep[dci].due = earliest(&slot->ep[dci]);
}

/* Serves one endpoint that is due; packets moved. */
static unsigned serve(struct xhci *x, unsigned id, unsigned dci, u64 now)
{
    struct xhci_slot *slot = &x->slot[id];
    struct xhci_ep *ep = &slot->ep[dci];
    unsigned moved = 0;

    while (moved < TURN_STEPS && ep->active && ep->due <= now && !x->backlog_len &&
           xhci_running(x)) {
        ep->due = now + retry_ns(ep); /* the device may say sooner, even within the step */
        if (xhci_step(x, id, dci) != STEP_MOVED)
            break;
        moved++;
        if (is_interrupt(ep) && !ep->in_td)
            ep->last = now;
        try_siblings(slot);
    }
    return moved;
}

static unsigned serve_all(struct xhci *x, u64 now)
{
    unsigned moved = 0;

    for (unsigned id = 1; id <= XHCI_SLOTS; id++)
        for (unsigned dci = 1; x->slot[id].enabled && dci < XHCI_EPS; dci++)
            moved += serve(x, id, dci, now);
    return moved;
}

/* When something is to be done without a reason from outside. */
static void arm(struct xhci *x, u64 not_before)
{
    u64 due = x->commands ? not_before : UINT64_MAX;

    for (unsigned id = 1; id <= XHCI_SLOTS; id++)
        for (unsigned dci = 1; x->slot[id].enabled && dci < XHCI_EPS; dci++)
            if (x->slot[id].ep[dci].active)
                due = min_u64(due, max_u64(x->slot[id].ep[dci].due, not_before));
    if (due == UINT64_MAX || x->backlog_len || !xhci_running(x))
        timer_cancel(x->clk, &x->run_timer);
    else
        timer_set(x->clk, &x->run_timer, due);
}

void xhci_run(struct xhci *x)
{
    u64 now = clock_now(x->clk);
    unsigned moved, steps = 0;

    if (x->busy || !xhci_running(x) || !pci_is_master(&x->pci)) {
        x->again |= x->busy;
        return;
    }
    x->busy = true;
    do {
        x->again = false;
        xhci_run_commands(x);
        moved = serve_all(x, now);
        steps += moved + 1;
    } while ((moved || x->again) && steps < RUN_STEPS && xhci_running(x));
    x->busy = false;
    arm(x, now + MICROFRAME_NS);
}

void xhci_run_due(void *opaque)
{
    xhci_run(opaque);
}

void xhci_ring_doorbell(struct xhci *x, unsigned id, u32 val)
{
    struct xhci_ep *ep;

    if (!xhci_running(x) || id > XHCI_SLOTS)
        return;
    if (!id) {
        if (val & 0xff)
            return;
        x->crr = x->commands = true;
    } else {
        ep = &x->slot[id].ep[val & 31];
        if (!x->slot[id].enabled || (val & 0xff) >= XHCI_EPS || val >> 16)
            return;
        if (ep->state == EP_STOPPED)
            xhci_ep_enter(x, id, val & 31, EP_RUNNING);
        if (ep->state != EP_RUNNING)
            return;
        ep->active = true;
        ep->due = earliest(ep);
    }
    xhci_run(x);
}

void xhci_device_ready(void *opaque, unsigned socket)
{
    struct xhci *x = opaque;

    xhci_port_wake(x, socket);
    for (unsigned id = 1; id <= XHCI_SLOTS; id++)
        if (x->slot[id].enabled && x->slot[id].port &&
            xhci_socket_of(x->slot[id].port - 1u) == socket)
            try_siblings(&x->slot[id]);
    xhci_run(x);
}
