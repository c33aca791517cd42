/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands about a slot as a whole (xHCI 1.1, sections 4.5, 4.6 and 6.2). An input context is
 * copied and checked whole before anything changes. Contexts have 32 bytes. Left out: streams and
 * isochronous endpoints, which are refused (Resource Error).
 */
#include "base/le.h"
#include "dev/xhci_priv.h"

#define CONTEXT_LEN 32u
#define ADD_SLOT    BIT(0)
#define ADD_EP0     BIT(1)

#define SLOT_ROUTE       0x000fffffu
#define SLOT_HUB         BIT(26)
#define SLOT_ENTRIES     (31u << 27) /* of dword 0 */
#define SLOT_LATENCY     0x0000ffffu /* of dword 1 */
#define SLOT_HUB_PORTS   0xff000000u
#define SLOT_THINK       0x00030000u /* of dword 2 */
#define SLOT_INTERRUPTER 0xffc00000u
#define SLOT_STATE_SHIFT 27
#define EP_STREAMS       (31u << 10)
#define EP_STATE         7u
#define EP_DEQUEUE       (~15ull)
#define MPS_MAX          1024u
#define INTERVAL_MAX     15u

struct input_context {
    u32 drop, add;
    u8 slot[CONTEXT_LEN];
    u8 ep[XHCI_EPS][CONTEXT_LEN]; /* by device context index; those that are added */
};

/* CC_NONE: memory does not answer. */
static u8 read_input(struct xhci *x, u64 at, struct input_context *in)
{
    u8 control[CONTEXT_LEN];

    *in = (struct input_context){0};
    if (at & 15)
        return CC_TRB_ERROR;
    if (!xhci_read(x, at, control, sizeof(control)))
        return CC_NONE;
    in->drop = le32(control);
    in->add = le32(control + 4);
    if (in->add & ADD_SLOT && !xhci_read(x, at + CONTEXT_LEN, in->slot, CONTEXT_LEN))
        return CC_NONE;
    for (unsigned dci = 1; dci < XHCI_EPS; dci++)
        if (in->add & BIT(dci) &&
            !xhci_read(x, at + (u64)CONTEXT_LEN * (dci + 1), in->ep[dci], CONTEXT_LEN))
            return CC_NONE;
    return CC_SUCCESS;
}

static u8 check_ep(const u8 *ctx, unsigned dci)
{
    unsigned type = ctx[4] >> 3 & 7, interval = ctx[2], mps = le16(ctx + 6);

    if (type == 1 || type == 5 || le32(ctx) & EP_STREAMS)
        return CC_RESOURCE_ERROR;
    if (!mps || mps > MPS_MAX || interval > INTERVAL_MAX)
        return CC_PARAMETER_ERROR;
    if (dci == 1)
        return type == EP_CONTROL && mps >= 8 ? CC_SUCCESS : CC_PARAMETER_ERROR;
    if (type == 0 || type == EP_CONTROL || !!(type & 4) != (dci & 1))
        return CC_PARAMETER_ERROR;
    return CC_SUCCESS;
}

static u8 check_eps(const struct input_context *in)
{
    for (unsigned dci = 1; dci < XHCI_EPS; dci++) {
        u8 code = in->add & BIT(dci) ? check_ep(in->ep[dci], dci) : CC_SUCCESS;
        if (code != CC_SUCCESS)
            return code;
    }
    return CC_SUCCESS;
}

static bool put_ep(struct xhci *x, const struct xhci_slot *slot, unsigned dci, const u8 *ctx)
{
    return xhci_write(x, slot->ctx + (u64)CONTEXT_LEN * dci, ctx, CONTEXT_LEN);
}

/* From a checked context. */
static bool add_ep(struct xhci *x, struct xhci_slot *slot, unsigned dci, const u8 *ctx)
{
    u64 deq = le64(ctx + 8);
    u8 out[CONTEXT_LEN];

    slot->ep[dci] = (struct xhci_ep){
        .state = EP_RUNNING,
        .type = ctx[4] >> 3 & 7,
        .interval = ctx[2],
        .mps = le16(ctx + 6),
        .ring = {.deq = deq & EP_DEQUEUE, .ccs = deq & 1},
    };
    memcpy(out, ctx, CONTEXT_LEN);
    out[0] = (u8)((out[0] & ~EP_STATE) | EP_RUNNING);
    return put_ep(x, slot, dci, out);
}

static bool drop_ep(struct xhci *x, struct xhci_slot *slot, unsigned dci)
{
    static const u8 nothing[CONTEXT_LEN];

    if (slot->ep[dci].state == EP_DISABLED)
        return true;
    slot->ep[dci] = (struct xhci_ep){0};
    return put_ep(x, slot, dci, nothing);
}

static bool enter(struct xhci *x, struct xhci_slot *slot, u8 *ctx, u8 state, u8 addr)
{
    slot->state = state;
    put_le32(ctx + 12, (u32)state << SLOT_STATE_SHIFT | addr);
    return xhci_write(x, slot->ctx, ctx, CONTEXT_LEN);
}

/* Gives the device its address. */
static bool set_address(struct usb_device *dev, u8 addr)
{
    u8 setup[8] = {0, USB_SET_ADDRESS, addr};

    return usb_transact(dev, USB_PID_SETUP, 0, setup, sizeof(setup)) == sizeof(setup) &&
           usb_transact(dev, USB_PID_IN, 0, setup, 0) == 0;
}

static bool is_taken(const struct xhci *x, const struct xhci_slot *slot, u8 port, u32 route)
{
    for (unsigned n = 1; n <= XHCI_SLOTS; n++) {
        const struct xhci_slot *other = &x->slot[n];
        if (other != slot && other->enabled && other->port == port && other->route == route)
            return true;
    }
    return false;
}

u8 xhci_address_device(struct xhci *x, unsigned id, const struct xhci_trb *trb)
{
    struct xhci_slot *slot = &x->slot[id], where = {0};
    bool only_default = trb->control & TRB_BSR;
    struct input_context in;
    struct usb_device *dev;
    u8 raw[8], code = read_input(x, trb->param, &in);
    u8 port = in.slot[6];
    u32 route = le32(in.slot) & SLOT_ROUTE;

    if (code != CC_SUCCESS)
        return code;
    if (slot->state > (only_default ? SLOT_ENABLED : SLOT_DEFAULT))
        return CC_CONTEXT_STATE_ERROR;
    if (in.drop || in.add != (ADD_SLOT | ADD_EP0) || !port || port > XHCI_ROOT)
        return CC_PARAMETER_ERROR;
    code = check_eps(&in);
    if (code != CC_SUCCESS)
        return code;
    if (is_taken(x, slot, port, route))
        return CC_TRB_ERROR;
    if (!xhci_read(x, x->dcbaap + 8ull * id, raw, sizeof(raw)))
        return CC_NONE;
    where.port = port;
    where.route = route;
    dev = xhci_device(x, &where);
    if (!dev || (!only_default && !set_address(dev, (u8)id)))
        return CC_TRANSACTION_ERROR;
    slot->ctx = le64(raw) & ~63ull;
    slot->port = port;
    slot->route = route;
    if (!add_ep(x, slot, 1, in.ep[1]) ||
        !enter(x, slot, in.slot, only_default ? SLOT_DEFAULT : SLOT_ADDRESSED,
               only_default ? 0 : (u8)id))
        return CC_NONE;
    return CC_SUCCESS;
}

static bool has_endpoints(const struct xhci_slot *slot)
{
    for (unsigned dci = 2; dci < XHCI_EPS; dci++)
        if (slot->ep[dci].state != EP_DISABLED)
            return true;
    return false;
}

/* Bits of a dword of the device context that come from the input context. */
static void take_bits(u8 *to, const u8 *from, u32 mask)
{
    put_le32(to, (le32(to) & ~mask) | (le32(from) & mask));
}

static u8 apply_configuration(struct xhci *x, struct xhci_slot *slot, unsigned id,
                              const struct input_context *in)
{
    u8 ctx[CONTEXT_LEN];

    if (!xhci_read(x, slot->ctx, ctx, sizeof(ctx)))
        return CC_NONE;
    for (unsigned dci = 2; dci < XHCI_EPS; dci++) {
        if (in->drop & BIT(dci) && !drop_ep(x, slot, dci))
            return CC_NONE;
        if (in->add & BIT(dci) && !add_ep(x, slot, dci, in->ep[dci]))
            return CC_NONE;
    }
    if (in->add & ADD_SLOT) {
        take_bits(ctx, in->slot, SLOT_ENTRIES | SLOT_HUB);
        take_bits(ctx + 4, in->slot + 4, SLOT_HUB_PORTS);
        take_bits(ctx + 8, in->slot + 8, SLOT_THINK);
    }
    return enter(x, slot, ctx, has_endpoints(slot) ? SLOT_CONFIGURED : SLOT_ADDRESSED, (u8)id)
               ? CC_SUCCESS
               : CC_NONE;
}

u8 xhci_configure_endpoint(struct xhci *x, unsigned id, const struct xhci_trb *trb)
{
    struct xhci_slot *slot = &x->slot[id];
    struct input_context in;
    u8 code;

    if (slot->state < SLOT_ADDRESSED)
        return CC_CONTEXT_STATE_ERROR;
    if (trb->control & TRB_DC) {
        in = (struct input_context){.drop = ~(ADD_SLOT | ADD_EP0)};
        return apply_configuration(x, slot, id, &in);
    }
    code = read_input(x, trb->param, &in);
    if (code != CC_SUCCESS)
        return code;
    if ((in.drop & (ADD_SLOT | ADD_EP0)) || in.add & ADD_EP0)
        return CC_PARAMETER_ERROR;
    code = check_eps(&in);
    return code == CC_SUCCESS ? apply_configuration(x, slot, id, &in) : code;
}

u8 xhci_evaluate_context(struct xhci *x, unsigned id, const struct xhci_trb *trb)
{
    struct xhci_slot *slot = &x->slot[id];
    struct input_context in;
    u8 ctx[2 * CONTEXT_LEN], *ep0 = ctx + CONTEXT_LEN;
    u8 code = read_input(x, trb->param, &in);
    u16 mps;

    if (code != CC_SUCCESS)
        return code;
    if (slot->state < SLOT_DEFAULT)
        return CC_CONTEXT_STATE_ERROR;
    mps = le16(in.ep[1] +
               6); /* of endpoint 0, this is all that is evaluated, and of others nothing */
    if (in.drop || !in.add || (in.add & ADD_EP0 && (mps < 8 || mps > MPS_MAX)))
        return CC_PARAMETER_ERROR;
    if (!xhci_read(x, slot->ctx, ctx, sizeof(ctx)))
        return CC_NONE;
    if (in.add & ADD_SLOT) {
        take_bits(ctx + 4, in.slot + 4, SLOT_LATENCY);
        take_bits(ctx + 8, in.slot + 8, SLOT_INTERRUPTER);
    }
    if (in.add & ADD_EP0) {
        slot->ep[1].mps = mps;
        take_bits(ep0 + 4, in.ep[1] + 4, 0xffff0000);
    }
    return xhci_write(x, slot->ctx, ctx, sizeof(ctx)) ? CC_SUCCESS : CC_NONE;
}

u8 xhci_reset_device(struct xhci *x, unsigned id)
{
    struct xhci_slot *slot = &x->slot[id];
    u8 ctx[CONTEXT_LEN];

    if (slot->state < SLOT_ADDRESSED)
        return CC_CONTEXT_STATE_ERROR;
    if (!xhci_read(x, slot->ctx, ctx, sizeof(ctx)))
        return CC_NONE;
    for (unsigned dci = 2; dci < XHCI_EPS; dci++)
        if (!drop_ep(x, slot, dci))
            return CC_NONE;
    put_le32(ctx, (le32(ctx) & ~SLOT_ENTRIES) | 1u << 27);
    return enter(x, slot, ctx, SLOT_DEFAULT, 0) ? CC_SUCCESS : CC_NONE;
}

void xhci_disable_slot(struct xhci *x, unsigned id)
{
    struct xhci_slot *slot = &x->slot[id];
    u8 word[4] = {0};

    if (slot->state >= SLOT_DEFAULT && !xhci_write(x, slot->ctx + 12, word, sizeof(word)))
        return;
    *slot = (struct xhci_slot){0};
}
