/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An xHCI controller on a PCI bus with memory, and the least of a driver: a command ring, an event
 * ring of interrupter 0, and a transfer ring for each endpoint.
 */
#pragma once
#include "base/le.h"
#include "dev/xhci.h"
#include "rig.h"

#define XHCI_MMIO  0xfe000000u
#define XHCI_MSIX  0xfe010000u
#define XHCI_DEVFN PCI_DEVFN(3, 0)

#define OPER(reg)    (0x40u + (reg))
#define PORTSC(n)    (0x440u + 16 * ((n)-1)) /* from 1; 1 to 4 are USB 3 */
#define INTR(n, reg) (0x1020u + 32 * (n) + (reg))
#define DOORBELL(n)  (0x2000u + 4 * (n))

#define AT_DCBAA   0x1000u
#define AT_CMDS    0x2000u
#define AT_ERST    0x3000u
#define AT_EVENTS  0x4000u
#define AT_INPUT   0x8000u
#define AT_CONTEXT 0x9000u /* 1 KiB for each slot */
#define AT_RINGS   0x20000u
#define AT_DATA    0x100000u
#define RING_LEN   32u /* TRBs, the last one a link */
#define EVENTS_LEN 32u

#define T_CYCLE   BIT(0)
#define T_ISP     BIT(2)
#define T_CHAIN   BIT(4)
#define T_IOC     BIT(5)
#define T_IDT     BIT(6)
#define T_BEI     BIT(9)
#define T_BSR     BIT(9)
#define T_IN      BIT(16)
#define T_TYPE(n) ((u32)(n) << 10)

struct trb {
    u64 param;
    u32 status, control;
};

struct ring { /* its producer */
    u32 at, n;
    bool cycle;
};

struct xhcirig {
    struct rig rig;
    struct mem *mem;
    struct pci_bus *pci;
    struct xhci *xhci;
    struct wire pirq[PCI_PIRQS];
    unsigned messages; /* MSI or MSI-X */
    u64 message_at;
    u32 message;
    struct ring cmds, ep[8][32];
    u32 event; /* the next one to be taken */
    bool event_cycle;
};

static inline void put32(struct xhcirig *r, u64 at, u32 val)
{
    u8 raw[4];

    put_le32(raw, val);
    BUG_ON(mem_write(r->mem, at, raw, 4));
}

static inline u32 get32(struct xhcirig *r, u64 at)
{
    u8 raw[4];

    BUG_ON(mem_read(r->mem, at, raw, 4));
    return le32(raw);
}

static inline u32 inl(struct xhcirig *r, unsigned reg)
{
    return (u32)bus_read(&r->rig.mmio, XHCI_MMIO + reg, 4);
}

static inline void outl(struct xhcirig *r, unsigned reg, u32 val)
{
    bus_write(&r->rig.mmio, XHCI_MMIO + reg, 4, val);
}

static inline void outq(struct xhcirig *r, unsigned reg, u64 val)
{
    bus_write(&r->rig.mmio, XHCI_MMIO + reg, 8, val);
}

static inline void take_message(void *opaque, u64 addr, u32 data)
{
    struct xhcirig *r = opaque;

    r->messages++;
    r->message_at = addr;
    r->message = data;
}

static inline void xhcirig_map(struct xhcirig *r)
{
    pci_config_write(r->pci, XHCI_DEVFN, 0x10, 4, XHCI_MMIO);
    pci_config_write(r->pci, XHCI_DEVFN, 0x18, 4, XHCI_MSIX);
    pci_config_write(r->pci, XHCI_DEVFN, PCI_COMMAND, 2, PCI_COMMAND_MEM | PCI_COMMAND_BME);
}

static inline void xhcirig_open(struct xhcirig *r)
{
    struct pci_bus_config cfg = {.send_msi = take_message, .msi_opaque = r};
    struct err err;

    *r = (struct xhcirig){0};
    rig_open(&r->rig);
    BUG_ON(mem_new(&r->mem, 2 * MiB, &r->rig.mmio, &err));
    cfg.pio = &r->rig.pio;
    cfg.mmio = &r->rig.mmio;
    cfg.mem = r->mem;
    for (unsigned i = 0; i < PCI_PIRQS; i++)
        cfg.pirq[i] = (struct irq){.set = wire_set, .opaque = r->pirq, .n = i};
    BUG_ON(pci_bus_new(&r->pci, &cfg));
    BUG_ON(xhci_new(&r->xhci, r->pci, XHCI_DEVFN, r->rig.clk));
    xhcirig_map(r);
}

static inline void xhcirig_close(struct xhcirig *r)
{
    xhci_free(r->xhci);
    BUG_ON(clock_run(r->rig.clk) != UINT64_MAX);
    pci_bus_free(r->pci);
    mem_free(r->mem);
    rig_close(&r->rig);
}

static inline void put_trb(struct xhcirig *r, u64 at, u64 param, u32 status, u32 control)
{
    put32(r, at, (u32)param);
    put32(r, at + 4, (u32)(param >> 32));
    put32(r, at + 8, status);
    put32(r, at + 12, control);
}

static inline void ring_init(struct xhcirig *r, struct ring *ring, u32 at)
{
    *ring = (struct ring){.at = at, .cycle = true};
    for (u32 i = 0; i < RING_LEN; i++)
        put_trb(r, at + 16 * i, 0, 0, 0);
}

/* Produces a TRB; where it is. */
static inline u32 push(struct xhcirig *r, struct ring *ring, u64 param, u32 status, u32 control)
{
    u32 at = ring->at + 16 * ring->n++;

    put_trb(r, at, param, status, control | (ring->cycle ? T_CYCLE : 0));
    if (ring->n == RING_LEN - 1) { /* the link, which toggles */
        put_trb(r, ring->at + 16 * ring->n, ring->at, 0,
                T_TYPE(6) | 2 | (control & T_CHAIN) | (ring->cycle ? T_CYCLE : 0));
        ring->cycle = !ring->cycle;
        ring->n = 0;
    }
    return at;
}

/* Takes the next event, if there is one, and tells the controller. */
static inline bool next_event(struct xhcirig *r, struct trb *ev)
{
    u32 at = AT_EVENTS + 16 * r->event;

    *ev = (struct trb){(u64)get32(r, at + 4) << 32 | get32(r, at), get32(r, at + 8),
                       get32(r, at + 12)};
    if (!!(ev->control & T_CYCLE) != r->event_cycle)
        return false;
    if (++r->event == EVENTS_LEN) {
        r->event = 0;
        r->event_cycle = !r->event_cycle;
    }
    outq(r, INTR(0, 0x18), (AT_EVENTS + 16 * r->event) | 8);
    return true;
}

/* So many events are looked at in a row: a ring that loops makes them without end. */
#define EVENTS_PATIENCE (4 * EVENTS_LEN)

static inline void drop_events(struct xhcirig *r)
{
    struct trb ev;

    for (unsigned i = 0; i < EVENTS_PATIENCE && next_event(r, &ev); i++)
        continue;
}

static inline unsigned event_type(const struct trb *ev)
{
    return ev->control >> 10 & 63;
}

static inline unsigned event_code(const struct trb *ev)
{
    return ev->status >> 24;
}

static inline void xhcirig_rings(struct xhcirig *r)
{
    ring_init(r, &r->cmds, AT_CMDS);
    for (u32 i = 0; i < EVENTS_LEN; i++)
        put_trb(r, AT_EVENTS + 16 * i, 0, 0, 0);
    put_trb(r, AT_ERST, AT_EVENTS, EVENTS_LEN, 0);
    r->event = 0;
    r->event_cycle = true;
}

/* Runs the controller; what its ports had to say is forgotten. */
static inline void xhcirig_start(struct xhcirig *r)
{
    xhcirig_rings(r);
    outl(r, OPER(0x38), 64);
    outq(r, OPER(0x30), AT_DCBAA);
    outq(r, OPER(0x18), AT_CMDS | 1);
    outl(r, INTR(0, 0x08), 1);
    outq(r, INTR(0, 0x18), AT_EVENTS);
    outq(r, INTR(0, 0x10), AT_ERST);
    outl(r, INTR(0, 0x04), 0);
    outl(r, INTR(0, 0x00), 2);
    outl(r, OPER(0), 5);
    drop_events(r);
}

/* Carries out a command; its completion code, and in *slot its event's slot. 0: no event. */
static inline unsigned command(struct xhcirig *r, u64 param, u32 control, unsigned *slot)
{
    u32 at = push(r, &r->cmds, param, 0, control);
    struct trb ev;

    outl(r, DOORBELL(0), 0);
    for (unsigned i = 0; i < EVENTS_PATIENCE && next_event(r, &ev); i++)
        if (event_type(&ev) == 33 && ev.param == at) {
            if (slot)
                *slot = ev.control >> 24;
            return event_code(&ev);
        }
    return 0;
}

static inline u32 slot_command(unsigned type, unsigned slot, unsigned dci)
{
    return T_TYPE(type) | (u32)slot << 24 | (u32)dci << 16;
}

static inline void put_ep_context(struct xhcirig *r, u64 at, unsigned type, unsigned mps,
                                  unsigned interval, u64 deq)
{
    put32(r, at, interval << 16);
    put32(r, at + 4, mps << 16 | type << 3 | 3 << 1);
    put32(r, at + 8, (u32)deq);
    put32(r, at + 12, (u32)(deq >> 32));
}

/* The input context of a device at a root port, with endpoint 0. */
static inline void put_device(struct xhcirig *r, unsigned slot, unsigned port, u32 route,
                              unsigned mps)
{
    ring_init(r, &r->ep[slot][1], AT_RINGS + 0x200 * (slot * 32 + 1));
    put32(r, AT_INPUT, 0);
    put32(r, AT_INPUT + 4, 3);
    put32(r, AT_INPUT + 0x20, 1u << 27 | 1u << 20 | route);
    put32(r, AT_INPUT + 0x24, port << 16);
    put32(r, AT_INPUT + 0x28, 0);
    put_ep_context(r, AT_INPUT + 0x40, 4, mps, 0, r->ep[slot][1].at | 1);
    put32(r, AT_DCBAA + 8 * slot, AT_CONTEXT + 0x400 * slot);
    put32(r, AT_DCBAA + 8 * slot + 4, 0);
}

/* Adds one endpoint; the command's completion code. */
static inline unsigned add_endpoint(struct xhcirig *r, unsigned slot, unsigned dci, unsigned type,
                                    unsigned mps, unsigned interval)
{
    ring_init(r, &r->ep[slot][dci], AT_RINGS + 0x200 * (slot * 32 + dci));
    put32(r, AT_INPUT, 0);
    put32(r, AT_INPUT + 4, 1 | 1u << dci);
    put32(r, AT_INPUT + 0x20, dci << 27);
    put_ep_context(r, AT_INPUT + 0x20 * (dci + 1), type, mps, interval, r->ep[slot][dci].at | 1);
    return command(r, AT_INPUT, slot_command(12, slot, 0), NULL);
}

/* Resets a root port and gives what is there a slot and an address. */
static inline unsigned enumerate(struct xhcirig *r, unsigned port, u32 route, unsigned mps)
{
    unsigned slot;

    if (!route)
        outl(r, PORTSC(port), 0x210);
    drop_events(r);
    BUG_ON(command(r, 0, T_TYPE(9), &slot) != 1);
    put_device(r, slot, port, route, mps);
    BUG_ON(command(r, AT_INPUT, slot_command(11, slot, 0), NULL) != 1);
    return slot;
}

/* Rings an endpoint and waits up to `ms` for its event; the completion code, 0 if none. */
static inline unsigned wait_transfer(struct xhcirig *r, unsigned slot, unsigned dci, unsigned ms,
                                     struct trb *ev)
{
    outl(r, DOORBELL(slot), dci);
    do {
        for (unsigned i = 0; i < EVENTS_PATIENCE && next_event(r, ev); i++)
            if (event_type(ev) == 32 && ev->control >> 24 == slot &&
                (ev->control >> 16 & 31) == dci)
                return event_code(ev);
        if (ms)
            clock_advance(r->rig.clk, 1 * MS);
    } while (ms--);
    return 0;
}

/* A control transfer: bytes of its data stage, or minus the completion code. */
static inline int control(struct xhcirig *r, unsigned slot, u8 type, u8 request, u16 value,
                          u16 index, u8 *buf, u16 len)
{
    struct ring *ring = &r->ep[slot][1];
    bool in = type & USB_DIR_IN;
    struct trb ev;
    unsigned code;
    int n = len;

    if (!in && len)
        BUG_ON(mem_write(r->mem, AT_DATA, buf, len));
    push(r, ring, type | request << 8 | (u64)value << 16 | (u64)index << 32 | (u64)len << 48, 8,
         T_TYPE(2) | T_IDT);
    if (len)
        push(r, ring, AT_DATA, len, T_TYPE(3) | (in ? T_IN : 0) | T_ISP);
    push(r, ring, 0, 0, T_TYPE(4) | (len && in ? 0 : T_IN) | T_IOC);
    code = wait_transfer(r, slot, 1, 4, &ev);
    if (code == 13) {
        n -= (int)(ev.status & 0xffffff);
        code = wait_transfer(r, slot, 1, 4, &ev);
    }
    if (code != 1)
        return -(int)code;
    if (in && n)
        BUG_ON(mem_read(r->mem, AT_DATA, buf, (u64)n));
    return n;
}
