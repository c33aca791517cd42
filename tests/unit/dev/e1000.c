/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/e1000.h"
#include "../test.h"
#include "net/frame.h"
#include "nicrig.h"

#define RX_RING 0x10000u
#define TX_RING 0x20000u
#define RX_BUFS 0x100000u
#define TX_BUFS 0x200000u
#define N       8u

enum {
    CTRL = 0,
    STATUS = 8,
    EECD = 0x10,
    EERD = 0x14,
    MDIC = 0x20,
    ICR = 0xc0,
    ITR = 0xc4,
    ICS = 0xc8,
    IMS = 0xd0,
    IMC = 0xd8,
    RCTL = 0x100,
    TCTL = 0x400,
    RDBAL = 0x2800,
    RDLEN = 0x2808,
    RDH = 0x2810,
    RDT = 0x2818,
    RDTR = 0x2820,
    RADV = 0x282c,
    TDBAL = 0x3800,
    TDLEN = 0x3808,
    TDH = 0x3810,
    TDT = 0x3818,
    TIDV = 0x3820,
    GPRC = 0x4074,
    GPTC = 0x4080,
    TORL = 0x40c0,
    TORH = 0x40c4,
    RXCSUM = 0x5000,
    MTA = 0x5200,
    RA = 0x5400,
    VFTA = 0x5600,
};

static struct nicrig n;
static struct e1000 *e;

static void fill_rx_ring(void)
{
    for (unsigned i = 0; i < N; i++) {
        memset(nic_ram(&n, RX_RING + 16 * i), 0, 16);
        put_le64(nic_ram(&n, RX_RING + 16 * i), RX_BUFS + 0x4000 * i);
    }
}

static void program(void)
{
    fill_rx_ring();
    nic_put(&n, RDBAL, RX_RING);
    nic_put(&n, RDLEN, N * 16);
    nic_put(&n, RDT, N - 1);
    nic_put(&n, TDBAL, TX_RING);
    nic_put(&n, TDLEN, N * 16);
    nic_put(&n, RCTL, 0x04008002); /* EN, BAM, SECRC */
    nic_put(&n, TCTL, 0x0000000a); /* EN, PSP */
    nic_get(&n, ICR);
}

static void open_nic(void)
{
    nic_open(&n);
    CHECK(!e1000_new(&e, n.bus, NIC_DEVFN, n.rig.clk, nic_mac, NULL));
    net_plug(&n.far.end, e1000_net_end(e));
    nic_map(&n, 1, 0);
    program();
}

static void close_nic(void)
{
    e1000_free(e);
    CHECK_EQ(clock_run(n.rig.clk), UINT64_MAX);
    nic_close(&n);
}

static u8 *rxd(unsigned i)
{
    return nic_ram(&n, RX_RING + 16 * i);
}

static void put_txd(unsigned i, u64 addr, u32 lower, u32 upper)
{
    u8 *d = nic_ram(&n, TX_RING + 16 * i);

    put_le64(d, addr);
    put_le32(d + 8, lower);
    put_le32(d + 12, upper);
}

static u16 eeprom_word(unsigned i)
{
    nic_put(&n, EERD, i << 8 | 1);
    CHECK(nic_get(&n, EERD) & 0x10);
    return (u16)(nic_get(&n, EERD) >> 16);
}

/* As drivers that do not know EERD clock it. */
static void eecd_bit(u32 di)
{
    nic_put(&n, EECD, 0x42 | di << 2);
    nic_put(&n, EECD, 0x43 | di << 2);
    nic_put(&n, EECD, 0x42 | di << 2);
}

static u16 eeprom_word_by_wire(unsigned i)
{
    u32 command = 6u << 6 | i;
    u16 val = 0;

    nic_put(&n, EECD, 0x40);
    CHECK(nic_get(&n, EECD) & 0x80);
    nic_put(&n, EECD, 0x42);
    for (unsigned bit = 9; bit-- > 0;)
        eecd_bit(command >> bit & 1);
    CHECK(!(nic_get(&n, EECD) & 8));
    for (unsigned bit = 0; bit < 16; bit++) {
        nic_put(&n, EECD, 0x43);
        val = (u16)(val << 1 | (nic_get(&n, EECD) >> 3 & 1));
        nic_put(&n, EECD, 0x42);
    }
    nic_put(&n, EECD, 0);
    return val;
}

static void eeprom(void)
{
    u16 sum = 0;

    open_nic();
    for (unsigned i = 0; i < 64; i++) {
        sum = (u16)(sum + eeprom_word(i));
        CHECK_EQ(eeprom_word_by_wire(i), eeprom_word(i));
    }
    CHECK_EQ(sum, 0xbaba);
    CHECK_EQ(eeprom_word(0), 0x5452);
    CHECK_EQ(eeprom_word(13), 0x100e);
    CHECK_EQ(nic_get(&n, RA), 0x12005452);
    CHECK_EQ(nic_get(&n, RA + 4), 0x80005634);
    nic_out(&n, 0, 4, RA); /* the I/O window */
    CHECK_EQ(nic_in(&n, 4, 4), 0x12005452);
    nic_out(&n, 0, 4, VFTA);
    nic_out(&n, 4, 4, 0x1234);
    CHECK_EQ(nic_get(&n, VFTA), 0x1234);
    nic_out(&n, 0, 4, 0xfffffffc);
    CHECK_EQ(nic_in(&n, 4, 4), 0);
    close_nic();
}

static u16 phy_read(unsigned reg)
{
    nic_put(&n, MDIC, 0x08200000 | reg << 16);
    CHECK_EQ(nic_get(&n, MDIC) >> 28, 1);
    return (u16)nic_get(&n, MDIC);
}

static void phy_and_link(void)
{
    open_nic();
    CHECK_EQ(phy_read(2), 0x0141);
    CHECK_EQ(phy_read(3), 0x0c20);
    CHECK_EQ(phy_read(1) & 0x24, 0x24);
    CHECK_EQ(nic_get(&n, STATUS) & 0xc3, 0x83);
    nic_put(&n, MDIC, 0x08400000); /* no PHY at address 2 */
    CHECK(nic_get(&n, MDIC) & 0x40000000);
    nic_put(&n, IMS, 4);
    nic_put(&n, MDIC, 0x04201200); /* restart negotiation */
    CHECK(!(nic_get(&n, STATUS) & 2));
    CHECK_EQ(phy_read(1) & 0x24, 0);
    CHECK(nic_irq(&n));
    CHECK_EQ(nic_get(&n, ICR), 4);
    CHECK(!nic_irq(&n));
    clock_advance(n.rig.clk, 60 * MS);
    CHECK(nic_irq(&n));
    CHECK(nic_get(&n, STATUS) & 2);
    nic_get(&n, ICR);
    net_set_link(&n.far.end, false);
    CHECK_EQ(nic_get(&n, ICR), 4);
    CHECK(!(nic_get(&n, STATUS) & 2));
    CHECK(!(phy_read(17) & 0x400));
    close_nic();
}

static void receives(void)
{
    open_nic();
    nic_put(&n, IMS, 0x80);
    CHECK(nic_send(&n, NULL, 42));
    CHECK(nic_irq(&n));
    CHECK_EQ(le16(rxd(0) + 8), 60);
    CHECK_EQ(rxd(0)[12], 0x07); /* DD, EOP, IXSM */
    CHECK(!memcmp(nic_ram(&n, RX_BUFS), nic_frame(NULL, 42), 42));
    CHECK_EQ(nic_get(&n, ICR), 0x80);
    CHECK(!nic_irq(&n));
    nic_put(&n, RCTL, 0x8002); /* with FCS */
    CHECK(nic_send(&n, NULL, 1514));
    CHECK_EQ(le16(rxd(1) + 8), 1518);
    CHECK(nic_send(&n, NULL, 1519)); /* too long */
    CHECK_EQ(nic_get(&n, RDH), 2);
    nic_put(&n, RCTL, 0x8022); /* LPE: over several descriptors */
    CHECK(nic_send(&n, NULL, 4000));
    CHECK_EQ(nic_get(&n, RDH), 4);
    CHECK_EQ(le16(rxd(2) + 8), 2048);
    CHECK_EQ(rxd(2)[12] & 3, 1);
    CHECK_EQ(le16(rxd(3) + 8), 4004 - 2048);
    CHECK_EQ(rxd(3)[12] & 3, 3);
    CHECK(!memcmp(nic_ram(&n, RX_BUFS + 0xc000), nic_frame(NULL, 4000) + 2048, 1952));
    nic_put(&n, RCTL, 0x02018022); /* 16 KiB buffers */
    CHECK(nic_send(&n, NULL, 9014));
    CHECK_EQ(le16(rxd(4) + 8), 9018);
    CHECK_EQ(nic_get(&n, GPRC), 4);
    CHECK_EQ(nic_get(&n, GPRC), 0);
    CHECK_EQ(nic_get(&n, TORL), 64 + 1518 + 4004 + 9018);
    close_nic();
}

/* A full ring refuses, wraps, and loses nothing. */
static void full_ring(void)
{
    unsigned ready;

    open_nic();
    ready = n.far.ready;
    for (unsigned i = 0; i < N - 1; i++) {
        CHECK(nic_send(&n, NULL, 100 + i));
        CHECK_EQ(!!(nic_get(&n, ICR) & 0x10), i == 2); /* RXDMT0 at half the ring */
    }
    CHECK(!nic_send(&n, NULL, 200));
    CHECK_EQ(n.far.ready, ready);
    fill_rx_ring();
    nic_put(&n, RDT, 2);
    CHECK_EQ(n.far.ready, ready + 1);
    for (unsigned i = 0; i < 3; i++)
        CHECK(nic_send(&n, NULL, 200 + i));
    CHECK(!nic_send(&n, NULL, 300));
    CHECK_EQ(le16(rxd(7) + 8), 200);
    CHECK_EQ(le16(rxd(1) + 8), 202);
    nic_put(&n, RCTL, 0);
    CHECK(nic_send(&n, NULL, 300)); /* off: gone */
    nic_put(&n, RCTL, 0x8022);
    nic_put(&n, RDT, 1);
    CHECK(nic_send(&n, NULL, 16000)); /* more than the ring can ever take */
    close_nic();
}

static void filters(void)
{
    static const u8 other[6] = {0x52, 0, 0, 0, 0, 9}, group[6] = {1, 0, 0x5e, 0, 0, 1},
                    all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    open_nic();
    CHECK(nic_send(&n, other, 60));
    CHECK(nic_send(&n, group, 60));
    CHECK_EQ(nic_get(&n, RDH), 0);
    CHECK(nic_send(&n, all, 60));
    CHECK_EQ(nic_get(&n, RDH), 1);
    nic_put(&n, MTA + 4 * (0x010 >> 5), BIT(0x010 & 31)); /* bits 47-36 of the group's address */
    CHECK(nic_send(&n, group, 60));
    CHECK_EQ(nic_get(&n, RDH), 2);
    CHECK_EQ(rxd(1)[12] & 0x80, 0x80);
    nic_put(&n, RCTL, 0x04000002);
    CHECK(nic_send(&n, all, 60)); /* no BAM */
    CHECK_EQ(nic_get(&n, RDH), 2);
    nic_put(&n, RCTL, 0x0400000a);
    CHECK(nic_send(&n, other, 60)); /* UPE */
    CHECK_EQ(nic_get(&n, RDH), 3);
    nic_put(&n, RCTL, 0x04000002);
    nic_put(&n, RA + 8, 0x00000052);
    nic_put(&n, RA + 12, 0x80000900);
    CHECK(nic_send(&n, other, 60));
    CHECK_EQ(nic_get(&n, RDH), 4);
    close_nic();
}

static void vlan(void)
{
    u8 frame[64];

    open_nic();
    memcpy(frame, nic_frame(NULL, 64), 64);
    memcpy(frame + 12, "\x81\0\x20\x05", 4);
    nic_put(&n, CTRL, nic_get(&n, CTRL) | 0x40000000);
    nic_put(&n, RCTL, 0x04048002); /* VFE */
    CHECK(net_send(&n.far.end, frame, 64));
    CHECK_EQ(nic_get(&n, RDH), 0);
    nic_put(&n, VFTA, BIT(5));
    CHECK(net_send(&n.far.end, frame, 64));
    CHECK_EQ(le16(rxd(0) + 8), 60);
    CHECK_EQ(rxd(0)[12] & 8, 8);
    CHECK_EQ(le16(rxd(0) + 14), 0x2005);
    CHECK(!memcmp(nic_ram(&n, RX_BUFS + 12), frame + 16, 48));

    memcpy(nic_ram(&n, TX_BUFS), nic_frame(NULL, 60), 60);
    put_txd(0, TX_BUFS, 0x4b000000 | 60, 0x30070000);
    nic_put(&n, TDT, 1);
    CHECK_EQ(n.far.n, 1);
    CHECK_EQ(n.far.len[0], 64);
    CHECK(!memcmp(n.far.data[0] + 12, "\x81\0\x30\x07", 4));
    CHECK(!memcmp(n.far.data[0] + 16, nic_frame(NULL, 60) + 12, 48));
    close_nic();
}

static size_t make_tcp(u8 *f, size_t payload)
{
    static const u8 head[] = {0x52, 0x54, 0,    0, 0, 1,  0x52, 0x54, 0,    0x12, 0x34, 0x56,
                              8,    0,    0x45, 0, 0, 0,  0,    7,    0x40, 0,    64,   6,
                              0,    0,    10,   0, 2, 15, 10,   0,    2,    2};

    memset(f, 0, 54 + payload);
    memcpy(f, head, sizeof(head));
    f[46] = 0x50;
    f[47] = 0x18;
    for (size_t i = 0; i < payload; i++)
        f[54 + i] = (u8)(i >> 4);
    return 54 + payload;
}

static bool sums_ok(const u8 *f, size_t len, bool ip)
{
    struct frame_layout l;

    return frame_parse(&l, f, len) && frame_l4_sum_ok(&l, f) && (!ip || frame_ip_sum_ok(&l, f));
}

static u16 pseudo(const u8 *f, u16 len)
{
    return frame_sum_add(frame_sum_add(frame_sum(f + 26, 8), 6), len);
}

static void put_context(unsigned i, bool segment, u32 payload, u16 mss)
{
    u8 *d = nic_ram(&n, TX_RING + 16 * i);

    put_le32(d, 33u << 16 | 24u << 8 | 14);
    put_le32(d + 4, 50u << 8 | 34);
    put_le32(d + 8, payload | (segment ? 0x27u : 0x23u) << 24);
    put_le32(d + 12, (u32)mss << 16 | 54u << 8);
}

static void checksum_offload(void)
{
    u8 *f;
    size_t len;

    open_nic();
    f = nic_ram(&n, TX_BUFS);
    len = make_tcp(f, 500);
    put_be16(f + 16, (u16)(len - 14));
    put_be16(f + 50, pseudo(f, (u16)(len - 34)));
    put_context(0, false, 0, 0);
    put_txd(1, TX_BUFS, 0x20100000 | 54, 0x0300);
    put_txd(2, TX_BUFS + 54, 0x29100000 | 500, 0);
    nic_put(&n, TDT, 3);
    CHECK_EQ(n.far.n, 1);
    CHECK_EQ(n.far.len[0], len);
    CHECK(sums_ok(n.far.data[0], len, true));
    CHECK_EQ(nic_get(&n, TDH), 3);
    CHECK_EQ(nic_ram(&n, TX_RING + 32)[12], 1);
    CHECK_EQ(nic_get(&n, ICR), 3); /* TXDW, TXQE */

    nic_put(&n, RXCSUM, 0x300); /* the receiver checks it */
    put_txd(3, TX_BUFS, 0, 0);
    memcpy(n.far.data[1], n.far.data[0], len);
    memcpy(n.far.data[1], nic_mac, 6);
    CHECK(net_send(&n.far.end, n.far.data[1], len));
    CHECK_EQ(rxd(0)[12], 0x63);
    CHECK_EQ(rxd(0)[13], 0);
    n.far.data[1][100] ^= 1;
    CHECK(net_send(&n.far.end, n.far.data[1], len));
    CHECK_EQ(rxd(1)[12], 0x63);
    CHECK_EQ(rxd(1)[13], 0x20);
    close_nic();
}

static void segmentation(void)
{
    u8 *f, saved[2048];
    size_t len;

    open_nic();
    f = nic_ram(&n, TX_BUFS);
    len = make_tcp(f, 4000);
    put_be16(f + 50, pseudo(f, 0));
    put_be32(f + 38, 0xfffffff0);
    put_context(0, true, 4000, 1460);
    put_txd(1, TX_BUFS, 0x2c100000 | 54, 0x0300);
    put_txd(2, TX_BUFS + 54, 0x2d100000 | 4000, 0);
    n.far.room = 1;
    nic_put(&n, TDT, 3);
    CHECK_EQ(n.far.n, 1); /* the rest waits in the card */
    n.far.room = 10;
    net_ready(&n.far.end);
    CHECK_EQ(n.far.n, 3);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(n.far.len[i], i < 2 ? 1514 : len - 2920);
        CHECK(sums_ok(n.far.data[i], n.far.len[i], true));
        CHECK_EQ(be32(n.far.data[i] + 38), (u32)(0xfffffff0 + 1460 * i));
        CHECK_EQ(be16(n.far.data[i] + 18), 7 + i);
        CHECK_EQ(n.far.data[i][47], i < 2 ? 0x10 : 0x18);
        memcpy(saved, n.far.data[i] + 54, n.far.len[i] - 54);
        CHECK(!memcmp(saved, f + 54 + 1460 * i, n.far.len[i] - 54));
    }
    CHECK_EQ(nic_get(&n, GPTC), 3);
    close_nic();
}

static void send_large(u8 flags)
{
    u8 *f = nic_ram(&n, TX_BUFS);
    unsigned at = nic_get(&n, TDH);

    make_tcp(f, 1900);
    put_be16(f + 50, pseudo(f, 0));
    f[47] |= flags;
    put_context(at, true, 1900, 1000);
    put_txd((at + 1) % N, TX_BUFS, 0x2c100000 | 54, 0x0300);
    put_txd((at + 2) % N, TX_BUFS + 54, 0x2d100000 | 1900, 0);
    nic_put(&n, TDT, (at + 3) % N);
}

/* To another side that cuts them itself. */
static void large_packets_go_whole(void)
{
    u8 *sent = n.far.data[0];

    open_nic();
    net_set_takes(&n.far.end, NET_TAKES_SUM | NET_TAKES_TCP4);
    n.far.room = 0;
    send_large(0);
    CHECK_EQ(n.far.n, 0);
    n.far.room = 10;
    net_ready(&n.far.end);
    CHECK_EQ(n.far.n, 1);
    CHECK_EQ(n.far.len[0], 1954);
    CHECK_EQ(n.far.offload.flags, NET_OFFLOAD_SUM);
    CHECK_EQ(n.far.offload.gso, NET_OFFLOAD_TCP4);
    CHECK_EQ(n.far.offload.header, 54);
    CHECK_EQ(n.far.offload.gso_size, 1000);
    CHECK_EQ(n.far.offload.sum_start, 34);
    CHECK_EQ(n.far.offload.sum_offset, 16);
    CHECK_EQ(be16(sent + 16), 1940);
    CHECK_EQ(frame_sum(sent + 14, 20), 0xffff);
    CHECK_EQ(be16(sent + 50), pseudo(sent, 1920));
    CHECK_EQ(nic_get(&n, GPTC), 2);

    n.far.n = 0;
    net_set_takes(&n.far.end, NET_TAKES_TCP4); /* checksums are to be there */
    send_large(0);
    CHECK_EQ(n.far.n, 1);
    CHECK_EQ(n.far.offload.flags, 0);
    CHECK_EQ(n.far.offload.gso, NET_OFFLOAD_TCP4);
    CHECK(sums_ok(sent, 1954, true));

    n.far.n = 0;
    send_large(0x80); /* CWR */
    CHECK_EQ(n.far.n, 2);
    CHECK_EQ(n.far.len[1], 954);
    net_set_takes(&n.far.end, NET_TAKES_TCP4 | NET_TAKES_ECN);
    n.far.n = 0;
    send_large(0x80);
    CHECK_EQ(n.far.n, 1);
    CHECK_EQ(n.far.offload.gso, NET_OFFLOAD_TCP4 | NET_OFFLOAD_ECN);
    close_nic();
}

/* A packet too long for the chip and rings out of bounds are no harm. */
static void odd_descriptors(void)
{
    open_nic();
    for (unsigned i = 0; i < 7; i++)
        put_txd(i, 0x1000, 0x20100000 | 0xfffff, 0);
    nic_put(&n, TDT, 7);
    CHECK_EQ(nic_get(&n, TDH), 7);
    put_txd(7, 0x1000, 0x29100000 | 60, 0);
    nic_put(&n, TDT, 0);
    CHECK_EQ(n.far.n, 0);
    put_txd(0, 0x1000, 0x09000000 | 60, 0);
    nic_put(&n, TDT, 1);
    CHECK_EQ(n.far.n, 1);
    nic_put(&n, TDT, 99);
    nic_put(&n, RDT, 99);
    CHECK_EQ(nic_get(&n, TDH), 1);
    CHECK(!nic_send(&n, NULL, 60));
    nic_put(&n, RDLEN, 0);
    CHECK(nic_send(&n, NULL, 60));
    close_nic();
}

/* What is to be sent or taken waits, and goes on by itself. */
static void no_bus_master(void)
{
    unsigned ready;

    open_nic();
    pci_config_write(n.bus, NIC_DEVFN, PCI_COMMAND, 2, PCI_COMMAND_MEM);
    put_txd(0, 0x1000, 0x09000000 | 60, 0);
    nic_put(&n, TDT, 1);
    CHECK_EQ(nic_get(&n, TDH), 0);
    CHECK(!nic_send(&n, NULL, 100));
    CHECK_EQ(nic_get(&n, RDH), 0);
    CHECK_EQ(n.far.n, 0);
    ready = n.far.ready;
    pci_config_write(n.bus, NIC_DEVFN, PCI_COMMAND, 2, PCI_COMMAND_MEM | PCI_COMMAND_BME);
    CHECK_EQ(n.far.n, 1);
    CHECK_EQ(nic_get(&n, TDH), 1);
    CHECK_EQ(n.far.ready, ready + 1);
    CHECK(nic_send(&n, NULL, 100));
    CHECK_EQ(nic_get(&n, RDH), 1);
    close_nic();
}

static void moderation(void)
{
    open_nic();
    nic_put(&n, IMS, 0x83);
    nic_put(&n, ITR, 1000); /* 256 us */
    CHECK(nic_send(&n, NULL, 60));
    CHECK(nic_irq(&n));
    nic_get(&n, ICR);
    CHECK(nic_send(&n, NULL, 60));
    CHECK(!nic_irq(&n));
    clock_advance(n.rig.clk, 250 * US);
    CHECK(!nic_irq(&n));
    clock_advance(n.rig.clk, 10 * US);
    CHECK(nic_irq(&n));
    nic_get(&n, ICR);
    nic_put(&n, ITR, 0);

    nic_put(&n, RDTR, 100); /* after silence of 102.4 us, */
    nic_put(&n, RADV, 200); /* at the latest after 204.8 us */
    for (unsigned i = 0; i < 3; i++) {
        CHECK(nic_send(&n, NULL, 60));
        clock_advance(n.rig.clk, 80 * US);
        CHECK_EQ(nic_irq(&n), i == 2);
    }
    nic_get(&n, ICR);
    clock_advance(n.rig.clk, 200 * US);
    CHECK(nic_send(&n, NULL, 60));
    nic_put(&n, RDTR, 0x80000064);
    CHECK(nic_irq(&n));
    nic_get(&n, ICR);

    put_txd(0, TX_BUFS, 0x89000000 | 60, 0); /* IDE */
    nic_put(&n, TIDV, 100);
    nic_put(&n, IMC, 2);
    nic_put(&n, TDT, 1);
    CHECK(!nic_irq(&n));
    clock_advance(n.rig.clk, 103 * US);
    CHECK(nic_irq(&n));
    CHECK_EQ(nic_get(&n, ICR), 3);
    close_nic();
}

static void loopback(void)
{
    open_nic();
    nic_put(&n, MDIC, 0x04204140);
    memcpy(nic_ram(&n, TX_BUFS), nic_frame(NULL, 200), 200);
    put_txd(0, TX_BUFS, 0x0b000000 | 200, 0);
    nic_put(&n, TDT, 1);
    CHECK_EQ(n.far.n, 0);
    CHECK_EQ(nic_get(&n, RDH), 1);
    CHECK(!memcmp(nic_ram(&n, RX_BUFS), nic_frame(NULL, 200), 200));
    close_nic();
}

static void reset_in_the_middle(void)
{
    open_nic();
    put_txd(0, TX_BUFS, 0x29100000 | 60, 0);
    n.far.room = 0;
    nic_put(&n, IMS, ~0u);
    nic_put(&n, TDT, 1);
    CHECK(nic_irq(&n));
    nic_put(&n, CTRL, 0x04000000);
    CHECK(!nic_irq(&n));
    CHECK_EQ(nic_get(&n, TDT), 0);
    CHECK_EQ(nic_get(&n, IMS), 0);
    CHECK_EQ(nic_get(&n, RA + 4), 0x80005634);
    CHECK(nic_get(&n, STATUS) & 2);
    n.far.room = 9;
    net_ready(&n.far.end);
    CHECK_EQ(n.far.n, 0);
    program();
    put_txd(0, TX_BUFS, 0x29100000 | 60, 0);
    nic_put(&n, TDT, 1);
    CHECK_EQ(n.far.n, 1);
    close_nic();
}

/* Saved with two segments still to send and a delayed interrupt, goes on in another card. */
static void saved_state(void)
{
    struct state_stream s = {0};
    struct err err;
    u8 *f;

    open_nic();
    f = nic_ram(&n, TX_BUFS);
    make_tcp(f, 4000);
    put_be16(f + 50, pseudo(f, 0));
    put_context(0, true, 4000, 1460);
    put_txd(1, TX_BUFS, 0x24100000 | 54, 0x0300);
    put_txd(2, TX_BUFS + 54, 0xad100000 | 4000, 0);
    n.far.room = 1;
    nic_put(&n, TIDV, 1000);
    nic_put(&n, IMS, 1);
    nic_put(&n, TDT, 3);
    CHECK_EQ(n.far.n, 1);
    CHECK(!state_save(&s, &e1000_state, e));
    e1000_free(e);
    CHECK(!e1000_new(&e, n.bus, NIC_DEVFN, n.rig.clk, (const u8[6]){2}, NULL));
    net_plug(&n.far.end, e1000_net_end(e));
    CHECK(!state_load(&s, &e1000_state, e, &err));
    CHECK_EQ(nic_get(&n, RA), 0x12005452); /* mapped again, too */
    n.far.room = 10;
    net_ready(&n.far.end);
    CHECK_EQ(n.far.n, 3);
    CHECK(sums_ok(n.far.data[2], n.far.len[2], true));
    CHECK(!nic_irq(&n));
    clock_advance(n.rig.clk, 1100 * US);
    CHECK(nic_irq(&n));
    for (unsigned i = 0; i < 200; i++) { /* a hostile stream is refused or harmless */
        s.at = 0;
        s.data[(i * 7919u) % s.len] ^= (u8)(1u << i % 8);
        if (state_load(&s, &e1000_state, e, &err))
            e1000_reset(e);
    }
    e1000_reset(e);
    state_dispose(&s);
    close_nic();
}

int main(void)
{
    TEST_RUN(eeprom);
    TEST_RUN(phy_and_link);
    TEST_RUN(receives);
    TEST_RUN(full_ring);
    TEST_RUN(filters);
    TEST_RUN(vlan);
    TEST_RUN(checksum_offload);
    TEST_RUN(segmentation);
    TEST_RUN(large_packets_go_whole);
    TEST_RUN(odd_descriptors);
    TEST_RUN(no_bus_master);
    TEST_RUN(moderation);
    TEST_RUN(loopback);
    TEST_RUN(reset_in_the_middle);
    TEST_RUN(saved_state);
    return test_result();
}
