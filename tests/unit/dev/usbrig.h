/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A UHCI controller on a PCI bus with memory, and the least of a driver: transfers as chains of
 * descriptors under one queue head that every frame leads to.
 */
#pragma once
#include "base/le.h"
#include "dev/uhci.h"
#include "rig.h"

#define UHCI_IO    0xc000u
#define UHCI_DEVFN PCI_DEVFN(1, 2)

#define SCHED_LIST 0x10000u
#define SCHED_QH   0x20000u
#define SCHED_TD   0x21000u
#define SCHED_DATA 0x40000u
#define SCHED_TDS  1024u

#define LINK_END   1u
#define LINK_QH    2u
#define LINK_DEPTH 4u

#define TD_ACTIVE  BIT(23)
#define TD_STALLED BIT(22)
#define TD_NAKED   BIT(19)
#define TD_IOC     BIT(24)
#define TD_SPD     BIT(29)

#define XFER_STALL (-2)
#define XFER_LATE  (-1)

struct usbrig {
    struct rig rig;
    struct mem *mem;
    struct pci_bus *pci;
    struct uhci *uhci;
    struct wire pirq[PCI_PIRQS];
};

static inline void put32(struct usbrig *r, u32 at, u32 val)
{
    u8 raw[4];

    put_le32(raw, val);
    BUG_ON(mem_write(r->mem, at, raw, 4));
}

static inline u32 get32(struct usbrig *r, u32 at)
{
    u8 raw[4];

    BUG_ON(mem_read(r->mem, at, raw, 4));
    return le32(raw);
}

static inline u16 inw(struct usbrig *r, unsigned reg)
{
    return (u16)bus_read(&r->rig.pio, UHCI_IO + reg, 2);
}

static inline void outw(struct usbrig *r, unsigned reg, unsigned val)
{
    bus_write(&r->rig.pio, UHCI_IO + reg, 2, val);
}

static inline void usbrig_map(struct usbrig *r)
{
    pci_config_write(r->pci, UHCI_DEVFN, 0x20, 4, UHCI_IO);
    pci_config_write(r->pci, UHCI_DEVFN, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_BME);
}

static inline void usbrig_open(struct usbrig *r)
{
    struct pci_bus_config cfg = {0};
    struct err err;

    *r = (struct usbrig){0};
    rig_open(&r->rig);
    BUG_ON(mem_new(&r->mem, 1 * MiB, &r->rig.mmio, &err));
    cfg.pio = &r->rig.pio;
    cfg.mmio = &r->rig.mmio;
    cfg.mem = r->mem;
    for (unsigned i = 0; i < PCI_PIRQS; i++)
        cfg.pirq[i] = (struct irq){.set = wire_set, .opaque = r->pirq, .n = i};
    BUG_ON(pci_bus_new(&r->pci, &cfg));
    BUG_ON(uhci_new(&r->uhci, r->pci, UHCI_DEVFN, r->rig.clk));
    usbrig_map(r);
}

static inline void usbrig_close(struct usbrig *r)
{
    uhci_free(r->uhci);
    BUG_ON(clock_run(r->rig.clk) != UINT64_MAX);
    pci_bus_free(r->pci);
    mem_free(r->mem);
    rig_close(&r->rig);
}

/* Runs the controller with a schedule that does nothing yet. */
static inline void usbrig_start(struct usbrig *r)
{
    for (unsigned i = 0; i < 1024; i++)
        put32(r, SCHED_LIST + 4 * i, SCHED_QH | LINK_QH);
    put32(r, SCHED_QH, LINK_END);
    put32(r, SCHED_QH + 4, LINK_END);
    bus_write(&r->rig.pio, UHCI_IO + 8, 4, SCHED_LIST);
    outw(r, 4, 0x0f);
    outw(r, 0, 0xc1); /* run, configured, 64-byte packets */
}

static inline void usbrig_reset_port(struct usbrig *r, unsigned n)
{
    outw(r, 0x10 + 2 * n, 0x0200);
    clock_advance(r->rig.clk, 50 * MS);
    outw(r, 0x10 + 2 * n, 0);
    outw(r, 0x10 + 2 * n, 0x000e); /* enable; what has changed is seen */
}

static inline u32 td_at(unsigned n)
{
    return SCHED_TD + 32 * n;
}

static inline u32 td_token(unsigned pid, u8 addr, unsigned ep, unsigned toggle, u32 len)
{
    return ((len - 1) & 0x7ff) << 21 | toggle << 19 | ep << 15 | (u32)addr << 8 | pid;
}

static inline void put_td(struct usbrig *r, unsigned n, u32 link, u32 status, u32 token, u32 buffer)
{
    put32(r, td_at(n), link);
    put32(r, td_at(n) + 4, status);
    put32(r, td_at(n) + 8, token);
    put32(r, td_at(n) + 12, buffer);
}

static inline u32 td_length(u32 status)
{
    return (status + 1) & 0x7ff;
}

/* Hands TDs [0, n) to the controller; waits for the queue's end, a stall, or `frames`. Bytes that
   TDs [first, last) moved, or XFER_*. */
static inline int run_tds(struct usbrig *r, unsigned n, unsigned first, unsigned last,
                          unsigned frames)
{
    int sum = 0;
    bool over = false;

    put32(r, SCHED_QH + 4, td_at(0));
    while (frames-- && !over) {
        clock_advance(r->rig.clk, 1 * MS);
        over = get32(r, SCHED_QH + 4) & LINK_END;
        for (unsigned i = 0; i < n; i++) {
            u32 status = get32(r, td_at(i) + 4), token = get32(r, td_at(i) + 8);
            if (status & TD_STALLED) {
                put32(r, SCHED_QH + 4, LINK_END);
                return XFER_STALL;
            }
            if (!(status & TD_ACTIVE) && status & TD_SPD &&
                td_length(status) < td_length(token >> 21))
                over = true;
        }
    }
    put32(r, SCHED_QH + 4, LINK_END);
    if (!over)
        return XFER_LATE;
    for (unsigned i = first; i < last; i++)
        if (!(get32(r, td_at(i) + 4) & TD_ACTIVE))
            sum += (int)td_length(get32(r, td_at(i) + 4));
    return sum;
}

/* A transfer of an endpoint other than 0; `mps` bytes in a packet. */
static inline int transfer(struct usbrig *r, u8 addr, enum usb_pid pid, unsigned ep, u8 *buf,
                           u32 len, u32 mps)
{
    unsigned n = 0;
    int rc;

    if (pid == USB_PID_OUT && len)
        BUG_ON(mem_write(r->mem, SCHED_DATA, buf, len));
    for (u32 at = 0; n == 0 || at < len; n++, at += mps) {
        u32 part = len - at < mps ? len - at : mps;
        bool last = at + part >= len;
        BUG_ON(n == SCHED_TDS);
        put_td(r, n, last ? LINK_END : td_at(n + 1) | LINK_DEPTH,
               TD_ACTIVE | TD_SPD | 3u << 27 | (last ? TD_IOC : 0),
               td_token(pid, addr, ep, n & 1, part), SCHED_DATA + at);
    }
    rc = run_tds(r, n, 0, n, 40);
    if (pid == USB_PID_IN && rc > 0)
        BUG_ON(mem_read(r->mem, SCHED_DATA, buf, (u64)rc));
    return rc;
}

static inline int control(struct usbrig *r, u8 addr, u8 type, u8 request, u16 value, u16 index,
                          u8 *buf, u16 len)
{
    u8 setup[8] = {type, request};
    bool in = type & USB_DIR_IN;
    unsigned n = 1;
    int rc;

    put_le16(setup + 2, value);
    put_le16(setup + 4, index);
    put_le16(setup + 6, len);
    BUG_ON(mem_write(r->mem, SCHED_DATA, setup, 8));
    if (!in && len)
        BUG_ON(mem_write(r->mem, SCHED_DATA + 64, buf, len));
    put_td(r, 0, td_at(1) | LINK_DEPTH, TD_ACTIVE | 3u << 27,
           td_token(USB_PID_SETUP, addr, 0, 0, 8), SCHED_DATA);
    for (u32 at = 0; at < len; at += 64, n++)
        put_td(
            r, n, td_at(n + 1) | LINK_DEPTH, TD_ACTIVE | 3u << 27,
            td_token(in ? USB_PID_IN : USB_PID_OUT, addr, 0, n & 1, len - at < 64 ? len - at : 64),
            SCHED_DATA + 64 + at);
    put_td(r, n, LINK_END, TD_ACTIVE | TD_IOC | 3u << 27,
           td_token(in ? USB_PID_OUT : USB_PID_IN, addr, 0, 1, 0), 0);
    rc = run_tds(r, n + 1, 1, n, 20);
    if (in && rc > 0)
        BUG_ON(mem_read(r->mem, SCHED_DATA + 64, buf, (u64)rc));
    return rc;
}

/* Resets the port, gives address and configuration. */
static inline void enumerate(struct usbrig *r, unsigned port, u8 addr)
{
    usbrig_reset_port(r, port);
    BUG_ON(control(r, 0, 0x00, USB_SET_ADDRESS, addr, 0, NULL, 0));
    BUG_ON(control(r, addr, 0x00, USB_SET_CONFIGURATION, 1, 0, NULL, 0));
}
