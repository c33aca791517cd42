/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AMD Am79C970A, PCnet-PCI II (publication 19436): this file has construction, reset, polling and
 * saved state; pcnet_regs.c the registers, pcnet_ring.c the rings and both directions.
 *
 * Left out: the EEPROM interface, full duplex control, look-ahead packet processing, the real
 * registers of current and next buffers, the FCS of received frames (its bytes are counted, not
 * written). Under the machine's lock.
 */
#include "dev/pcnet_priv.h"

#include <errno.h>
#include <stdlib.h>

#define PORTS       32u
#define NO_DEADLINE UINT64_MAX
#define RING_MAX    65536u

void pcnet_cause(struct pcnet *p, u16 csr0_bits)
{
    p->csr[0] |= csr0_bits;
    pcnet_update_irq(p);
}

void pcnet_poll_in(struct pcnet *p, u64 ns)
{
    u64 at = clock_now(p->clk) + ns;

    if (!timer_pending(p->clk, &p->poll) || p->poll.deadline > at)
        timer_set(p->clk, &p->poll, at);
}

static void poll_rings(void *opaque)
{
    struct pcnet *p = opaque;

    if (p->rx_waits) {
        p->rx_waits = false;
        net_ready(&p->end);
    }
    pcnet_tx_run(p);
}

static void can_send(void *opaque)
{
    pcnet_tx_run(opaque);
}

static const struct net_ops net_ops = {.receive = pcnet_receive, .ready = can_send};

static void fill_aprom(struct pcnet *p)
{
    u16 sum = 0;

    memset(p->aprom, 0, sizeof(p->aprom));
    memcpy(p->aprom, p->mac, sizeof(p->mac));
    p->aprom[9] = 0x11; /* hardware ID */
    p->aprom[14] = p->aprom[15] = 0x57;
    for (unsigned i = 0; i < sizeof(p->aprom); i++)
        sum = (u16)(sum + p->aprom[i]);
    put_le16(p->aprom + 12, sum);
}

void pcnet_reset(struct pcnet *p)
{
    static const u16 bcr[BCRS] = {
        [0] = 5,      [1] = 5,       [2] = 0x0002,  [4] = 0x00c0,  [5] = 0x0084, [6] = 0x0088,
        [7] = 0x0090, [18] = 0x9001, [19] = 0x0002, [20] = 0x0200, [22] = 0xff06};

    pci_device_reset(&p->pci);
    fill_aprom(p);
    memcpy(p->bcr, bcr, sizeof(bcr));
    p->csr[15] = 0;
    pcnet_s_reset(p);
}

int pcnet_new(struct pcnet **out, struct pci_bus *bus, u8 devfn, struct clock *clk, const u8 mac[6],
              struct mem_window *rom)
{
    static const struct pci_ids ids = {
        .vendor = 0x1022, .device = 0x2000, .class = 0x0200, .revision = 0x16, .pin = 1};
    struct pcnet *p = calloc(1, sizeof(*p));
    int rc;

    if (!p)
        return -ENOMEM;
    p->clk = clk;
    memcpy(p->mac, mac, sizeof(p->mac));
    net_end_init(&p->end, &net_ops, p);
    timer_init(&p->poll, poll_rings, p);
    rc = pci_device_init(&p->pci, bus, devfn, &ids, NULL, p);
    if (rc) {
        free(p);
        return rc;
    }
    p->pci.config[0x3e] = 0x06; /* MIN_GNT, MAX_LAT */
    p->pci.config[0x3f] = 0xff;
    pci_add_bar_io(&p->pci, 0, PORTS, &pcnet_ops, p, "pcnet");
    pci_add_bar_mem(&p->pci, 1, PORTS, &pcnet_ops, p, "pcnet");
    if (rom)
        pci_add_rom(&p->pci, rom);
    pcnet_reset(p);
    *out = p;
    return 0;
}

void pcnet_free(struct pcnet *p)
{
    if (!p)
        return;
    net_unplug(&p->end);
    timer_cancel(p->clk, &p->poll);
    pci_device_dispose(&p->pci);
    free(p);
}

struct net_end *pcnet_net_end(struct pcnet *p)
{
    return &p->end;
}

static const struct state_field fields[] = {
    STATE_STRUCTS(struct pcnet, pci, 1, pci_device_fields),
    STATE_ARRAY(struct pcnet, aprom),
    STATE_ARRAY(struct pcnet, csr),
    STATE_ARRAY(struct pcnet, bcr),
    STATE_UINT(struct pcnet, rap),
    STATE_UINT(struct pcnet, rx_len),
    STATE_UINT(struct pcnet, tx_len),
    STATE_UINT(struct pcnet, rx_at),
    STATE_UINT(struct pcnet, tx_at),
    STATE_BOOL(struct pcnet, rx_waits),
    STATE_UINT(struct pcnet, poll_at),
    STATE_BOOL(struct pcnet, tx_started),
    STATE_BOOL(struct pcnet, tx_fcs),
    STATE_BOOL(struct pcnet, tx_long),
    STATE_UINT(struct pcnet, tx_used),
    STATE_UINT(struct pcnet, tx_buf), /* bytes, in one go */
    STATE_END,
};

static void before_save(void *obj)
{
    struct pcnet *p = obj;

    p->poll_at = timer_pending(p->clk, &p->poll) ? p->poll.deadline : NO_DEADLINE;
}

static int loaded(void *obj)
{
    struct pcnet *p = obj;
    int rc = pci_device_loaded(&p->pci);

    if (rc)
        return rc;
    if (!p->rx_len || !p->tx_len || p->rx_len > RING_MAX || p->tx_len > RING_MAX ||
        p->rx_at >= p->rx_len || p->tx_at >= p->tx_len || p->tx_used > sizeof(p->tx_buf) ||
        p->rap >= CSRS)
        return -EINVAL;
    if (p->poll_at == NO_DEADLINE)
        timer_cancel(p->clk, &p->poll);
    else
        timer_set(p->clk, &p->poll, p->poll_at);
    return 0;
}

const struct state_table pcnet_state = {.name = "pcnet",
                                        .version = 1,
                                        .oldest = 1,
                                        .fields = fields,
                                        .before_save = before_save,
                                        .loaded = loaded};
