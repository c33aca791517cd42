/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Realtek RTL8139C+ (data sheet 1.6), which is also an RTL8139C to drivers that do not know its
 * descriptor rings. This file has construction, reset, interrupts, the timer and saved state;
 * rtl8139_regs.c the registers, rtl8139_tx.c and rtl8139_rx.c both modes.
 *
 * Left out: wake-up, early receive and transmit, 10 Mb/s, the boot ROM's flash interface, the
 * statistics dump, the FCS of received frames (its bytes are counted, not written).
 * Under the machine's lock.
 */
#include "dev/rtl8139_priv.h"

#include <errno.h>
#include <stdlib.h>

#define PCI_CLOCK   33333333u
#define TCR_RESET   0x77800000u /* RTL8139C+, standard gap */
#define NO_DEADLINE UINT64_MAX

void rtl8139_update_irq(struct rtl8139 *r)
{
    pci_set_intx(&r->pci, rtl_get16(r, ISR) & rtl_get16(r, IMR));
}

void rtl8139_cause(struct rtl8139 *r, u16 bits)
{
    put_le16(r->reg + ISR, rtl_get16(r, ISR) | bits);
    rtl8139_update_irq(r);
}

u32 rtl8139_tctr(struct rtl8139 *r)
{
    return (u32)ns_to_ticks(clock_now(r->clk) - r->tctr_start, PCI_CLOCK);
}

void rtl8139_arm_count(struct rtl8139 *r)
{
    u32 at = rtl_get32(r, TIMERINT);
    u64 left = (u32)(at - rtl8139_tctr(r));

    if (!at) {
        timer_cancel(r->clk, &r->count);
        return;
    }
    timer_set(r->clk, &r->count,
              clock_now(r->clk) + ticks_to_ns(left ? left : BIT64(32), PCI_CLOCK));
}

void rtl8139_look_again(struct rtl8139 *r, u64 ns)
{
    u64 at = clock_now(r->clk) + ns;

    if (!timer_pending(r->clk, &r->again) || r->again.deadline > at)
        timer_set(r->clk, &r->again, at);
}

static void count_reached(void *opaque)
{
    struct rtl8139 *r = opaque;

    rtl8139_cause(r, INT_TIMEOUT);
    rtl8139_arm_count(r);
}

static void look_again(void *opaque)
{
    struct rtl8139 *r = opaque;

    if (r->rx_waits)
        net_ready(&r->end);
    rtl8139_tx_run(r);
}

static void can_send(void *opaque)
{
    rtl8139_tx_run(opaque);
}

static void link_changed(void *opaque, bool up)
{
    struct rtl8139 *r = opaque;

    rtl8139_update_link(r);
    rtl8139_cause(r, INT_LINK);
}

static const struct net_ops net_ops = {
    .receive = rtl8139_receive, .ready = can_send, .link_changed = link_changed};

void rtl8139_load_eeprom(struct rtl8139 *r)
{
    for (unsigned i = 0; i < 3; i++)
        put_le16(r->reg + IDR0 + 2 * i, r->eeprom.word[7 + i]);
    r->reg[CONFIG0] = 0x00;
    r->reg[CONFIG1] = 0x0c; /* both register windows */
    r->reg[CONFIG3] = 0x01;
    r->reg[CONFIG4] = r->reg[CONFIG5] = 0;
}

/* CR.RST: what drivers do first. The address filters and configuration stay. */
void rtl8139_chip_reset(struct rtl8139 *r)
{
    timer_cancel(r->clk, &r->count);
    timer_cancel(r->clk, &r->again);
    for (unsigned i = 0; i < 4; i++)
        put_le32(r->reg + TSD0 + 4 * i, TSD_OWN);
    memset(r->reg + TSAD0, 0, CR - TSAD0);
    r->reg[CR] = 0;
    put_le16(r->reg + CAPR, 0xfff0);
    memset(r->reg + IMR, 0, 4);
    put_le32(r->reg + TCR, TCR_RESET);
    put_le32(r->reg + RCR, 0);
    put_le32(r->reg + TIMERINT, 0);
    memset(r->reg + CPCR, 0, ETTHR + 1 - CPCR);
    r->rx_write = r->rx_read = 0;
    r->tx_next = r->rx_at = r->tx_at[0] = r->tx_at[1] = 0;
    r->polled[0] = r->polled[1] = r->rx_waits = false;
    memset(&r->tx, 0, offsetof(struct rtl8139_tx, buf));
    rtl8139_update_irq(r);
    net_ready(&r->end); /* a receiver that is off takes everything */
}

void rtl8139_reset(struct rtl8139 *r)
{
    pci_device_reset(&r->pci);
    memset(r->reg, 0, sizeof(r->reg));
    eeprom93c46_reset(&r->eeprom);
    rtl8139_load_eeprom(r);
    put_le16(r->reg + BMCR, 0x3100); /* 100 Mb/s, negotiation, full duplex */
    put_le16(r->reg + BMSR, 0x7809);
    put_le16(r->reg + ANAR, 0x05e1);
    put_le16(r->reg + ANLPAR, 0x45e1);
    put_le16(r->reg + ANER, 0x0001);
    put_le16(r->reg + CSCR, 0x04c0 | 0x0008);
    r->tctr_start = clock_now(r->clk);
    rtl8139_chip_reset(r);
    rtl8139_update_link(r);
}

static void fill_eeprom(struct rtl8139 *r, const u8 mac[6])
{
    static const u16 words[] = {0x8129, 0x10ec, 0x8139, 0x10ec, 0x8139, 0x4020, 0xe512};

    memcpy(r->eeprom.word, words, sizeof(words));
    for (unsigned i = 0; i < 3; i++)
        r->eeprom.word[7 + i] = le16(mac + 2 * i);
}

static void mastering(void *opaque)
{
    struct rtl8139 *r = opaque;

    net_ready(&r->end);
    rtl8139_tx_run(r);
}

static const struct pci_device_ops pci_ops = {.mastering = mastering};

int rtl8139_new(struct rtl8139 **out, struct pci_bus *bus, u8 devfn, struct clock *clk,
                const u8 mac[6], struct mem_window *rom)
{
    static const struct pci_ids ids = {.vendor = 0x10ec,
                                       .device = 0x8139,
                                       .subsys_vendor = 0x10ec,
                                       .subsys = 0x8139,
                                       .class = 0x0200,
                                       .revision = 0x20,
                                       .pin = 1};
    struct rtl8139 *r = calloc(1, sizeof(*r));
    int rc;

    if (!r)
        return -ENOMEM;
    r->clk = clk;
    net_end_init(&r->end, &net_ops, r);
    timer_init(&r->count, count_reached, r);
    timer_init(&r->again, look_again, r);
    rc = pci_device_init(&r->pci, bus, devfn, &ids, &pci_ops, r);
    if (rc) {
        free(r);
        return rc;
    }
    r->pci.config[0x3e] = 0x20; /* MIN_GNT, MAX_LAT */
    r->pci.config[0x3f] = 0x40;
    pci_add_bar_io(&r->pci, 0, REGS, &rtl8139_ops, r, "rtl8139");
    pci_add_bar_mem(&r->pci, 1, REGS, &rtl8139_ops, r, "rtl8139");
    if (rom)
        pci_add_rom(&r->pci, rom);
    fill_eeprom(r, mac);
    rtl8139_reset(r);
    *out = r;
    return 0;
}

void rtl8139_free(struct rtl8139 *r)
{
    if (!r)
        return;
    net_unplug(&r->end);
    timer_cancel(r->clk, &r->count);
    timer_cancel(r->clk, &r->again);
    pci_device_dispose(&r->pci);
    free(r);
}

struct net_end *rtl8139_net_end(struct rtl8139 *r)
{
    return &r->end;
}

static const struct state_field tx_fields[] = {
    STATE_UINT(struct rtl8139_tx, len),      STATE_UINT(struct rtl8139_tx, at),
    STATE_UINT(struct rtl8139_tx, first),    STATE_UINT(struct rtl8139_tx, tag),
    STATE_BOOL(struct rtl8139_tx, complete), STATE_BOOL(struct rtl8139_tx, too_long),
    STATE_UINT(struct rtl8139_tx, buf),      /* bytes, in one go */ STATE_END,
};

static const struct state_field fields[] = {
    STATE_STRUCTS(struct rtl8139, pci, 1, pci_device_fields),
    STATE_STRUCTS(struct rtl8139, eeprom, 1, eeprom93c46_fields),
    STATE_ARRAY(struct rtl8139, reg),
    STATE_UINT(struct rtl8139, rx_write),
    STATE_UINT(struct rtl8139, rx_read),
    STATE_UINT(struct rtl8139, tx_next),
    STATE_UINT(struct rtl8139, rx_at),
    STATE_ARRAY(struct rtl8139, tx_at),
    STATE_ELEMENTS(struct rtl8139, polled, 2, STATE_KIND_BOOL, 0),
    STATE_UINT(struct rtl8139, tctr_start),
    STATE_BOOL(struct rtl8139, rx_waits),
    STATE_UINT(struct rtl8139, again_at),
    STATE_STRUCTS(struct rtl8139, tx, 1, tx_fields),
    STATE_END,
};

static void before_save(void *obj)
{
    struct rtl8139 *r = obj;

    r->again_at = timer_pending(r->clk, &r->again) ? r->again.deadline : NO_DEADLINE;
}

static int loaded(void *obj)
{
    struct rtl8139 *r = obj;
    u32 size = rtl8139_ring_size(r);
    int rc = pci_device_loaded(&r->pci);

    if (!rc)
        rc = eeprom93c46_loaded(&r->eeprom);
    if (rc)
        return rc;
    if (r->rx_write >= size || r->rx_read >= size || r->tx_next > 3 || r->rx_at >= DESCS ||
        r->tx_at[0] >= DESCS || r->tx_at[1] >= DESCS || r->tctr_start > clock_now(r->clk) ||
        r->tx.len > sizeof(r->tx.buf) || (r->tx.complete && !r->tx.len) || r->tx.at > r->tx.len)
        return -EINVAL;
    if (r->again_at == NO_DEADLINE)
        timer_cancel(r->clk, &r->again);
    else
        timer_set(r->clk, &r->again, r->again_at);
    rtl8139_arm_count(r);
    return 0;
}

const struct state_table rtl8139_state = {.name = "rtl8139",
                                          .version = 1,
                                          .oldest = 1,
                                          .fields = fields,
                                          .before_save = before_save,
                                          .loaded = loaded};
