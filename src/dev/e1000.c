/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 82540EM (PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual):
 * this file has construction, reset, interrupts with their moderation, and saved state;
 * e1000_regs.c the registers, e1000_tx.c and e1000_rx.c the rings, e1000_phy.c EEPROM, PHY, link.
 *
 * Left out: wake-up, flow control, the manageability unit, the diagnostic view of the packet
 * buffer, 10 and 100 Mb/s, the FCS of received frames (its bytes are counted, not written).
 * Under the machine's lock.
 */
#include "dev/e1000_priv.h"

#include <errno.h>
#include <stdlib.h>

#define MMIO_SIZE    0x20000u
#define IO_SIZE      64u
#define ITR_NS       256u
#define DELAY_NS     1024u
#define CTRL_DEFAULT 0x00140241u
#define PBA_DEFAULT  0x00100030u
#define RAH_AV       BIT(31)
#define LEDCTL_RESET 0x07068302u
#define TIPG_RESET   0x00602008u
#define NO_DEADLINE  UINT64_MAX

bool e1000_armed(struct e1000 *e, enum e1000_timer t)
{
    return timer_pending(e->clk, &e->timer[t]);
}

void e1000_disarm(struct e1000 *e, enum e1000_timer t)
{
    timer_cancel(e->clk, &e->timer[t]);
}

void e1000_delay(struct e1000 *e, enum e1000_timer t, u32 units)
{
    timer_set(e->clk, &e->timer[t], clock_now(e->clk) + (u64)units * DELAY_NS);
}

/* ITR is the least time between two assertions of INTA#. */
void e1000_update_irq(struct e1000 *e)
{
    bool level = e1000_get(e, ICR) & e1000_get(e, IMS);
    u64 now = clock_now(e->clk);

    if (level && !e->level) {
        if (e1000_get(e, ITR) && now < e->next_irq) {
            timer_set(e->clk, &e->timer[TIMER_ITR], e->next_irq);
            return;
        }
        e->next_irq = now + (u64)e1000_get(e, ITR) * ITR_NS;
    }
    e->level = level;
    pci_set_intx(&e->pci, level);
}

void e1000_cause(struct e1000 *e, u32 bits)
{
    *e1000_reg(e, ICR) |= bits;
    e1000_update_irq(e);
}

void e1000_count(struct e1000 *e, u32 off, u32 n)
{
    u32 *reg = e1000_reg(e, off);

    *reg = *reg > ~n ? ~0u : *reg + n;
}

void e1000_count64(struct e1000 *e, u32 low, u32 n)
{
    u64 val = (u64)e1000_get(e, low + 4) << 32 | e1000_get(e, low);

    val = val > ~(u64)n ? ~(u64)0 : val + n;
    *e1000_reg(e, low) = (u32)val;
    *e1000_reg(e, low + 4) = (u32)(val >> 32);
}

static void itr_over(void *opaque)
{
    e1000_update_irq(opaque);
}

static void rx_delay_over(void *opaque)
{
    e1000_rx_flush(opaque);
}

static void tx_delay_over(void *opaque)
{
    e1000_tx_flush(opaque);
}

static void link_over(void *opaque)
{
    e1000_negotiated(opaque);
}

static void tx_again(void *opaque)
{
    e1000_tx_run(opaque);
}

static void link_changed(void *opaque, bool up)
{
    e1000_update_link(opaque);
}

static const struct net_ops net_ops = {
    .receive = e1000_receive, .ready = tx_again, .link_changed = link_changed};

void e1000_mac_reset(struct e1000 *e)
{
    const u16 *word = e->eeprom.word;

    for (unsigned t = 0; t < TIMERS; t++)
        if (t != TIMER_LINK) /* the PHY goes on */
            e1000_disarm(e, t);
    memset(e->reg, 0, sizeof(e->reg));
    memset(&e->tx, 0, offsetof(struct e1000_tx, buf));
    *e1000_reg(e, CTRL) = CTRL_DEFAULT;
    *e1000_reg(e, VET) = FRAME_VLAN_TPI;
    *e1000_reg(e, PBA) = PBA_DEFAULT;
    *e1000_reg(e, LEDCTL) = LEDCTL_RESET;
    *e1000_reg(e, TIPG) = TIPG_RESET;
    *e1000_reg(e, RA) = (u32)word[1] << 16 | word[0];
    *e1000_reg(e, RA + 4) = RAH_AV | word[2];
    eeprom93c46_reset(&e->eeprom);
    e->next_irq = 0;
    e1000_update_irq(e);
    net_ready(&e->end); /* a receiver that is off takes everything */
}

void e1000_reset(struct e1000 *e)
{
    pci_device_reset(&e->pci);
    e1000_mac_reset(e);
    e->ioaddr = 0;
    e1000_phy_reset(e, true);
    *e1000_reg(e, ICR) = 0;
    e1000_update_irq(e);
}

static void mastering(void *opaque)
{
    struct e1000 *e = opaque;

    net_ready(&e->end);
    e1000_tx_run(e);
}

static const struct pci_device_ops pci_ops = {.mastering = mastering};

int e1000_new(struct e1000 **out, struct pci_bus *bus, u8 devfn, struct clock *clk, const u8 mac[6],
              struct mem_window *rom)
{
    static const struct pci_ids ids = {.vendor = 0x8086,
                                       .device = 0x100e,
                                       .subsys_vendor = 0x8086,
                                       .subsys = 0x001e,
                                       .class = 0x0200,
                                       .revision = 2,
                                       .pin = 1};
    static void (*const fired[TIMERS])(void *) = {
        itr_over, rx_delay_over, rx_delay_over, tx_delay_over, tx_delay_over, link_over, tx_again};
    struct e1000 *e = calloc(1, sizeof(*e));
    int rc;

    if (!e)
        return -ENOMEM;
    e->clk = clk;
    net_end_init(&e->end, &net_ops, e);
    for (unsigned t = 0; t < TIMERS; t++)
        timer_init(&e->timer[t], fired[t], e);
    rc = pci_device_init(&e->pci, bus, devfn, &ids, &pci_ops, e);
    if (rc) {
        free(e);
        return rc;
    }
    pci_add_bar_mem(&e->pci, 0, MMIO_SIZE, &e1000_mmio_ops, e, "e1000");
    pci_add_bar_io(&e->pci, 1, IO_SIZE, &e1000_io_ops, e, "e1000");
    if (rom)
        pci_add_rom(&e->pci, rom);
    e1000_eeprom_init(e, mac);
    e1000_reset(e);
    *out = e;
    return 0;
}

void e1000_free(struct e1000 *e)
{
    if (!e)
        return;
    net_unplug(&e->end);
    for (unsigned t = 0; t < TIMERS; t++)
        e1000_disarm(e, t);
    pci_device_dispose(&e->pci);
    free(e);
}

struct net_end *e1000_net_end(struct e1000 *e)
{
    return &e->end;
}

static const struct state_field context_fields[] = {
    STATE_UINT(struct e1000_context, ipcss), STATE_UINT(struct e1000_context, ipcso),
    STATE_UINT(struct e1000_context, tucss), STATE_UINT(struct e1000_context, tucso),
    STATE_UINT(struct e1000_context, cmd),   STATE_UINT(struct e1000_context, hdrlen),
    STATE_UINT(struct e1000_context, ipcse), STATE_UINT(struct e1000_context, tucse),
    STATE_UINT(struct e1000_context, mss),   STATE_END,
};

static const struct state_field tx_fields[] = {
    STATE_STRUCTS(struct e1000_tx, context, 2, context_fields),
    STATE_UINT(struct e1000_tx, len),
    STATE_UINT(struct e1000_tx, at),
    STATE_BOOL(struct e1000_tx, started),
    STATE_BOOL(struct e1000_tx, complete),
    STATE_BOOL(struct e1000_tx, too_long),
    STATE_BOOL(struct e1000_tx, extended),
    STATE_BOOL(struct e1000_tx, segment),
    STATE_BOOL(struct e1000_tx, tag),
    STATE_UINT(struct e1000_tx, popts),
    STATE_UINT(struct e1000_tx, special),
    STATE_UINT(struct e1000_tx, cmd),
    STATE_UINT(struct e1000_tx, cso),
    STATE_UINT(struct e1000_tx, css),
    STATE_UINT(struct e1000_tx, buf), /* bytes, in one go */
    STATE_END,
};

static const struct state_field fields[] = {
    STATE_STRUCTS(struct e1000, pci, 1, pci_device_fields),
    STATE_ARRAY(struct e1000, reg),
    STATE_ARRAY(struct e1000, phy),
    STATE_STRUCTS(struct e1000, eeprom, 1, eeprom93c46_fields),
    STATE_UINT(struct e1000, ioaddr),
    STATE_BOOL(struct e1000, link),
    STATE_BOOL(struct e1000, level),
    STATE_UINT(struct e1000, next_irq),
    STATE_ARRAY(struct e1000, deadline),
    STATE_STRUCTS(struct e1000, tx, 1, tx_fields),
    STATE_END,
};

static void before_save(void *obj)
{
    struct e1000 *e = obj;

    for (unsigned t = 0; t < TIMERS; t++)
        e->deadline[t] = e1000_armed(e, t) ? e->timer[t].deadline : NO_DEADLINE;
}

static int loaded(void *obj)
{
    struct e1000 *e = obj;
    const struct e1000_tx *tx = &e->tx;
    int rc = pci_device_loaded(&e->pci);

    if (!rc)
        rc = eeprom93c46_loaded(&e->eeprom);
    if (rc)
        return rc;
    /* A packet that is complete has something left to send. */
    if (tx->len > sizeof(tx->buf) || (tx->complete && (!tx->len || !tx->started)) ||
        (tx->at && !tx->complete) || (tx->at && tx->at + tx->context[1].hdrlen >= tx->len) ||
        tx->at > tx->len)
        return -EINVAL;
    for (unsigned t = 0; t < TIMERS; t++) {
        if (e->deadline[t] == NO_DEADLINE)
            e1000_disarm(e, t);
        else
            timer_set(e->clk, &e->timer[t], e->deadline[t]);
    }
    return 0;
}

const struct state_table e1000_state = {.name = "e1000",
                                        .version = 1,
                                        .oldest = 1,
                                        .fields = fields,
                                        .before_save = before_save,
                                        .loaded = loaded};
