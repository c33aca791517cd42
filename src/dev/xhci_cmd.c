/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command ring (xHCI 1.1, sections 4.6 and 6.4.3). Commands are carried out one by one as they
 * are found, so none is ever under way when the ring is stopped or aborted. Virtualization,
 * bandwidth negotiation, latency tolerance and header commands are left out: TRB Error.
 */
#include "base/le.h"
#include "dev/xhci_priv.h"

#define COMMANDS_MAX 64u /* at once */
#define SPEEDS       4u

static void command_event(struct xhci *x, u64 at, u8 code, unsigned id)
{
    struct xhci_event ev = {.param = at,
                            .status = (u32)code << 24,
                            .control = TRB_TYPE(TRB_COMMAND_EVENT) | (u32)id << 24};

    xhci_event(x, &ev);
}

static u8 enable_slot(struct xhci *x, unsigned *id)
{
    for (unsigned n = 1; n <= (x->config & 0xff) && n <= XHCI_SLOTS; n++)
        if (!x->slot[n].enabled) {
            x->slot[n] = (struct xhci_slot){.enabled = true};
            *id = n;
            return CC_SUCCESS;
        }
    return CC_NO_SLOTS;
}

/* Percent of the time that is left for a new periodic endpoint: nothing is ever reserved. */
static u8 port_bandwidth(struct xhci *x, const struct xhci_trb *trb)
{
    static const u8 left[SPEEDS + 1] = {0, 90, 90, 80, 90}; /* by speed ID */
    unsigned speed = trb->control >> 16 & 15;
    u8 raw[XHCI_ROOT + 1] = {0};

    if (!speed || speed > SPEEDS || trb->param & 15)
        return CC_TRB_ERROR;
    for (unsigned n = 0; n < XHCI_ROOT; n++)
        if (xhci_port_is_usb3(n) == (speed == SPEEDS))
            raw[n + 1] = left[speed];
    return xhci_write(x, trb->param, raw, sizeof(raw)) ? CC_SUCCESS : CC_NONE;
}

static u8 slot_command(struct xhci *x, unsigned id, const struct xhci_trb *trb)
{
    if (!id || id > (x->config & 0xff) || id > XHCI_SLOTS)
        return CC_TRB_ERROR;
    if (!x->slot[id].enabled)
        return CC_SLOT_NOT_ENABLED;
    switch (xhci_trb_type(trb)) {
    case TRB_DISABLE_SLOT:
        xhci_disable_slot(x, id);
        return CC_SUCCESS;
    case TRB_ADDRESS_DEVICE:
        return xhci_address_device(x, id, trb);
    case TRB_CONFIGURE_ENDPOINT:
        return xhci_configure_endpoint(x, id, trb);
    case TRB_EVALUATE_CONTEXT:
        return xhci_evaluate_context(x, id, trb);
    case TRB_RESET_ENDPOINT:
        return xhci_reset_endpoint(x, id, trb);
    case TRB_STOP_ENDPOINT:
        return xhci_stop_endpoint(x, id, trb);
    case TRB_SET_DEQUEUE:
        return xhci_set_dequeue(x, id, trb);
    default:
        return xhci_reset_device(x, id);
    }
}

static u8 carry_out(struct xhci *x, const struct xhci_trb *trb, unsigned *id)
{
    unsigned type = xhci_trb_type(trb);

    *id = 0;
    switch (type) {
    case TRB_NOOP_COMMAND:
        return CC_SUCCESS;
    case TRB_ENABLE_SLOT:
        return enable_slot(x, id);
    case TRB_PORT_BANDWIDTH:
        return port_bandwidth(x, trb);
    default:
        if (type < TRB_DISABLE_SLOT || type > TRB_RESET_DEVICE)
            return CC_TRB_ERROR;
        *id = trb->control >> 24;
        return slot_command(x, *id, trb);
    }
}

void xhci_run_commands(struct xhci *x)
{
    struct xhci_trb trb;

    for (unsigned i = 0; i < COMMANDS_MAX && x->commands && !x->backlog_len; i++) {
        enum xhci_fetched got = xhci_fetch(x, &x->cr, &trb);
        unsigned id;
        u8 code;
        if (got == XHCI_BAD)
            xhci_die(x, XHCI_STS_HCE);
        if (got != XHCI_TRB) {
            x->commands = false;
            return;
        }
        x->cr.deq += XHCI_TRB_LEN;
        code = carry_out(x, &trb, &id);
        if (xhci_running(x))
            command_event(x, trb.at, code, id);
    }
}

void xhci_stop_commands(struct xhci *x)
{
    if (!x->crr)
        return;
    x->crr = x->commands = false;
    command_event(x, x->cr.deq, CC_COMMAND_RING_STOPPED, 0);
}
