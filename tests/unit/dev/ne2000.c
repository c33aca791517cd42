/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Both cards, as drivers of the NE2000 use them. */
#include "dev/ne2000.h"
#include "../test.h"
#include "net/frame.h"
#include "nicrig.h"

enum {
    CR,
    PSTART,
    PSTOP,
    BNRY,
    TPSR,
    TBCR0,
    TBCR1,
    ISR,
    RSAR0,
    RSAR1,
    RBCR0,
    RBCR1,
    RCR,
    TCR,
    DCR,
    IMR
};
#define CURR 7
#define DATA 0x10

static struct nicrig n;
static struct ne2000 *ne;
static struct ne2000_isa *isa;

static u8 get(unsigned reg)
{
    return (u8)nic_in(&n, reg, 1);
}

static void put(unsigned reg, u8 val)
{
    nic_out(&n, reg, 1, val);
}

static void dma(u8 command, u16 at, u16 len)
{
    put(RBCR0, (u8)len);
    put(RBCR1, (u8)(len >> 8));
    put(RSAR0, (u8)at);
    put(RSAR1, (u8)(at >> 8));
    put(CR, command);
}

static void read_mem(u16 at, u8 *to, u16 len)
{
    dma(0x0a, at, len);
    for (u16 i = 0; i < len; i += 2)
        put_le16(to + i, (u16)nic_in(&n, DATA, 2));
    CHECK(get(ISR) & 0x40);
    put(ISR, 0x40);
}

static void start(void)
{
    put(CR, 0x21);
    put(DCR, 0x49);
    put(RCR, 0x04);
    put(PSTART, 0x46);
    put(PSTOP, 0x50); /* ten pages */
    put(BNRY, 0x46);
    put(CR, 0x61);
    for (unsigned i = 0; i < 6; i++)
        put(1 + i, nic_mac[i]);
    put(CURR, 0x47);
    put(CR, 0x22);
    put(ISR, 0xff);
    put(IMR, 0x7f);
}

static void open_nic(void)
{
    nic_open(&n);
    CHECK(!ne2000_new(&ne, n.bus, NIC_DEVFN, n.rig.clk, nic_mac, NULL));
    net_plug(&n.far.end, ne2000_net_end(ne));
    nic_map(&n, 0, -1);
    start();
}

static void close_nic(void)
{
    ne2000_free(ne);
    nic_close(&n);
}

static void probe(void)
{
    u8 prom[32];

    open_nic();
    CHECK_EQ(get(0x1f), 0); /* reset */
    CHECK_EQ(get(ISR), 0x80);
    CHECK_EQ(get(CR), 0x21);
    CHECK_EQ(get(0x0a), 0x50);
    CHECK_EQ(get(0x0b), 0x43);
    put(DCR, 0x48); /* bytes */
    dma(0x0a, 0, 32);
    for (unsigned i = 0; i < 32; i++)
        prom[i] = get(DATA);
    for (unsigned i = 0; i < 6; i++)
        CHECK(prom[2 * i] == nic_mac[i] && prom[2 * i + 1] == nic_mac[i]);
    CHECK_EQ(prom[28], 0x57);
    CHECK_EQ(prom[31], 0x57);
    CHECK(get(ISR) & 0x40);
    CHECK_EQ(get(DATA), 0xff); /* the DMA is over */
    put(CR, 0xa0);
    CHECK_EQ(get(PSTART), 0x46);
    CHECK_EQ(get(DCR), 0xc8);
    close_nic();
}

static void memory_by_all_widths(void)
{
    u8 buf[8];

    open_nic();
    dma(0x12, 0x4000, 7);
    nic_out(&n, DATA, 4, 0x44332211);
    nic_out(&n, DATA, 2, 0x6655);
    CHECK(!(get(ISR) & 0x40));
    nic_out(&n, DATA, 2, 0x8877); /* one byte of it counts */
    CHECK(get(ISR) & 0x40);
    put(ISR, 0x40);
    read_mem(0x4000, buf, 8);
    CHECK(!memcmp(buf, "\x11\x22\x33\x44\x55\x66\x77\0", 8));
    dma(0x0a, 0x4000, 4);
    CHECK_EQ(nic_in(&n, DATA, 4), 0x44332211);
    put(ISR, 0x40);
    dma(0x12, 0x0000, 2); /* the PROM cannot be written */
    nic_out(&n, DATA, 2, 0);
    dma(0x0a, 0, 2);
    CHECK_EQ(nic_in(&n, DATA, 2), 0x5252);
    dma(0x0a, 0x4ffe, 4); /* over the ring's end */
    nic_in(&n, DATA, 4);
    CHECK_EQ(get(RSAR0) | get(RSAR1) << 8, 0x4602);
    dma(0x0a, 0, 0);
    CHECK(get(ISR) & 0x40);
    close_nic();
}

static void receives(void)
{
    u8 buf[1600];

    open_nic();
    CHECK(nic_send(&n, NULL, 42));
    CHECK(nic_irq(&n));
    CHECK_EQ(get(ISR), 0x01);
    put(ISR, 1);
    CHECK(!nic_irq(&n));
    read_mem(0x4700, buf, 68);
    CHECK(!memcmp(buf, "\x01\x48\x40\0", 4));
    CHECK(!memcmp(buf + 4, nic_frame(NULL, 42), 42));
    CHECK(nic_send(&n, NULL, 1514)); /* six pages: 48h to 4Dh */
    CHECK(!nic_send(&n, NULL, 600)); /* three, and CURR may not meet BNRY */
    n.far.ready = 0;
    put(BNRY, 0x48);
    CHECK_EQ(n.far.ready, 1);
    CHECK(nic_send(&n, NULL, 600));
    put(CR, 0x62);
    CHECK_EQ(get(CURR), 0x46 + 1);
    put(CR, 0x22);
    read_mem(0x4e00, buf, 256);
    CHECK(!memcmp(buf, "\x01\x47\x5c\x02", 4));
    read_mem(0x4e00, buf, 604); /* goes over the end as the chip stored it */
    CHECK(!memcmp(buf + 4, nic_frame(NULL, 600), 600));
    close_nic();
}

/* Acknowledged with packets left in the ring, PRX stays while a frame waits; and a chip that is
   told neither to start nor to stop goes on. */
static void interrupt_of_a_frame_that_waits(void)
{
    open_nic();
    CHECK(nic_send(&n, NULL, 1514));
    CHECK(!nic_send(&n, NULL, 1514));
    put(ISR, 0xff);
    CHECK_EQ(get(ISR), 1);
    CHECK(nic_irq(&n));
    put(BNRY, 0x4c);
    put(CR, 0x60); /* page 1 */
    CHECK(nic_send(&n, NULL, 100));
    CHECK_EQ(get(CURR), 0x4e);
    put(CR, 0x20);
    put(ISR, 0xff);
    CHECK_EQ(get(ISR), 0);
    close_nic();
}

static void send_packet_command(void)
{
    open_nic();
    CHECK(nic_send(&n, NULL, 60));
    CHECK(nic_send(&n, NULL, 60));
    put(BNRY, 0x47);
    put(CR, 0x1a);
    CHECK_EQ(nic_in(&n, DATA, 4), 0x00404801);
    for (unsigned i = 0; i < 15; i++)
        nic_in(&n, DATA, 4);
    CHECK_EQ(get(BNRY), 0x48);
    close_nic();
}

static void filters(void)
{
    static const u8 other[6] = {0x52, 0, 0, 0, 0, 9}, group[6] = {1, 0, 0x5e, 0, 0, 1},
                    all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    open_nic();
    CHECK(nic_send(&n, other, 60) && nic_send(&n, group, 60));
    CHECK_EQ(get(ISR), 0);
    CHECK(nic_send(&n, all, 60));
    CHECK_EQ(get(ISR), 1);
    CHECK_EQ(get(0x0c), 0x21);
    put(ISR, 1);
    put(RCR, 0x18);
    CHECK(nic_send(&n, all, 60) && nic_send(&n, group, 60));
    CHECK_EQ(get(ISR), 0);
    CHECK(nic_send(&n, other, 60));
    CHECK_EQ(get(ISR), 1);
    put(ISR, 1);
    put(CR, 0x62);
    put(8 + 3, 0x80);
    put(CR, 0x22);
    CHECK(nic_send(&n, group, 60));
    CHECK_EQ(get(ISR), 1);
    put(ISR, 1);
    put(RCR, 0x20); /* monitor: counts only */
    CHECK(nic_send(&n, NULL, 60));
    CHECK_EQ(get(ISR), 0);
    CHECK_EQ(get(0x0f), 1);
    CHECK_EQ(get(0x0f), 0);
    close_nic();
}

static void transmits(void)
{
    open_nic();
    dma(0x12, 0x4000, 100);
    for (unsigned i = 0; i < 100; i += 2)
        nic_out(&n, DATA, 2, le16(nic_frame(NULL, 100) + i));
    put(ISR, 0x40);
    put(TPSR, 0x40);
    put(TBCR0, 100);
    put(TBCR1, 0);
    n.far.room = 0;
    put(CR, 0x26);
    CHECK_EQ(get(CR), 0x26);
    CHECK_EQ(get(ISR), 0);
    n.far.room = 2;
    net_ready(&n.far.end);
    CHECK_EQ(n.far.n, 1);
    CHECK(!memcmp(n.far.data[0], nic_frame(NULL, 100), 100));
    CHECK_EQ(get(CR), 0x22);
    CHECK_EQ(get(ISR), 2);
    CHECK_EQ(get(TPSR), 1); /* TSR */
    put(TCR, 2);            /* loopback stays inside */
    put(CR, 0x26);
    CHECK_EQ(n.far.n, 1);
    put(TCR, 0);
    put(TPSR, 0xbf); /* beyond the memory, and longer than a frame */
    put(TBCR1, 0xff);
    put(CR, 0x26);
    CHECK_EQ(n.far.n, 1);
    close_nic();
}

static void odd_rings(void)
{
    open_nic();
    put(PSTOP, 0x47);
    CHECK(nic_send(&n, NULL, 60));
    CHECK(get(ISR) & 0x10);
    put(PSTART, 0xff);
    put(PSTOP, 0);
    CHECK(nic_send(&n, NULL, 60));
    put(PSTART, 0xf0);
    put(PSTOP, 0xff);
    put(BNRY, 0);
    CHECK(!nic_send(&n, NULL, 60)); /* CURR is outside */
    put(CR, 0x21);
    CHECK(nic_send(&n, NULL, 60));
    close_nic();
}

static void on_isa(void)
{
    struct wire irq = {0};

    nic_open(&n);
    CHECK(!ne2000_isa_new(&isa, &n.rig.pio, NIC_IO, wire_irq(&irq), nic_mac));
    net_plug(&n.far.end, ne2000_isa_net_end(isa));
    start();
    CHECK_EQ(get(0x0a), 0xff);
    CHECK(nic_send(&n, NULL, 60));
    CHECK(irq.level);
    ne2000_isa_reset(isa);
    CHECK(!irq.level);
    ne2000_isa_free(isa);
    nic_close(&n);
}

static void saved_state(void)
{
    struct state_stream s = {0};
    struct err err;
    u8 buf[64];

    open_nic();
    CHECK(nic_send(&n, NULL, 60));
    dma(0x0a, 0x4700, 64);
    CHECK_EQ(nic_in(&n, DATA, 4), 0x00404801);
    CHECK(!state_save(&s, &ne2000_state, ne));
    ne2000_free(ne);
    CHECK(!ne2000_new(&ne, n.bus, NIC_DEVFN, n.rig.clk, (const u8[6]){2}, NULL));
    net_plug(&n.far.end, ne2000_net_end(ne));
    CHECK(!state_load(&s, &ne2000_state, ne, &err));
    CHECK(nic_irq(&n));
    for (unsigned i = 0; i < 60; i += 4)
        put_le32(buf + i, (u32)nic_in(&n, DATA, 4));
    CHECK(!memcmp(buf, nic_frame(NULL, 60), 60));
    CHECK_EQ(get(ISR), 0x41);
    state_dispose(&s);
    close_nic();
}

int main(void)
{
    TEST_RUN(probe);
    TEST_RUN(memory_by_all_widths);
    TEST_RUN(receives);
    TEST_RUN(interrupt_of_a_frame_that_waits);
    TEST_RUN(send_packet_command);
    TEST_RUN(filters);
    TEST_RUN(transmits);
    TEST_RUN(odd_rings);
    TEST_RUN(on_isa);
    TEST_RUN(saved_state);
    return test_result();
}
