/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/rtl8139.h"
#include "../test.h"
#include "net/frame.h"
#include "nicrig.h"

#define RING    0x10000u
#define BUF     0x200000u
#define TX_RING 0x30000u
#define RX_RING 0x40000u
#define RX_BUFS 0x100000u

enum {
    IDR = 0,
    MAR = 8,
    TSD = 0x10,
    TSAD = 0x20,
    RBSTART = 0x30,
    CR = 0x37,
    CAPR = 0x38,
    CBR = 0x3a,
    IMR = 0x3c,
    ISR = 0x3e,
    TCR = 0x40,
    RCR = 0x44,
    TCTR = 0x48,
    CR9346 = 0x50,
    CONFIG1 = 0x52,
    TIMERINT = 0x54,
    MSR = 0x58,
    BMSR = 0x64,
    TPPOLL = 0xd9,
    CPCR = 0xe0,
    RDSAR = 0xe4,
};

static struct nicrig n;
static struct rtl8139 *r;

static void open_nic(void)
{
    nic_open(&n);
    CHECK(!rtl8139_new(&r, n.bus, NIC_DEVFN, n.rig.clk, nic_mac, NULL));
    net_plug(&n.far.end, rtl8139_net_end(r));
    nic_map(&n, 0, 1);
    nic_out(&n, CR, 1, 0x10);
    nic_out(&n, ISR, 2, 0xffff);
}

static void close_nic(void)
{
    rtl8139_free(r);
    CHECK_EQ(clock_run(n.rig.clk), UINT64_MAX);
    nic_close(&n);
}

static void start_c(u32 rcr)
{
    nic_out(&n, RBSTART, 4, RING);
    nic_out(&n, CR, 1, 0x0c);
    nic_out(&n, RCR, 4, rcr);
    nic_out(&n, IMR, 2, 0x7fff);
}

static void wire(u8 lines)
{
    nic_out(&n, CR9346, 1, 0x80 | lines);
}

static u16 eeprom_word(unsigned i, unsigned address_bits)
{
    u32 command = 6u << address_bits | i;
    u16 val = 0;

    wire(0);
    wire(8);
    for (unsigned bit = address_bits + 3; bit-- > 0;) {
        u8 di = (u8)((command >> bit & 1) << 1);
        wire(8 | di);
        wire(12 | di);
    }
    wire(8);
    for (unsigned bit = 0; bit < 16; bit++) {
        wire(12);
        val = (u16)(val << 1 | (nic_in(&n, CR9346, 1) & 1));
        wire(8);
    }
    wire(0);
    return val;
}

static void identity(void)
{
    open_nic();
    CHECK_EQ(eeprom_word(0, 6), 0x8129);
    CHECK(eeprom_word(0, 8) != 0x8129); /* drivers try both sizes */
    CHECK_EQ(eeprom_word(7, 6), 0x5452);
    CHECK_EQ(eeprom_word(9, 6), 0x5634);
    CHECK_EQ(nic_in(&n, IDR, 4), 0x12005452);
    CHECK_EQ(nic_get(&n, IDR + 4) & 0xffff, 0x5634);
    CHECK_EQ(nic_in(&n, TCR, 4) & 0x7cc00000, 0x74800000);
    CHECK_EQ(nic_in(&n, CR, 1), 1);
    CHECK_EQ(nic_in(&n, CAPR, 2), 0xfff0);
    nic_out(&n, CONFIG1, 1, 0xff); /* locked */
    CHECK_EQ(nic_in(&n, CONFIG1, 1), 0x0c);
    nic_out(&n, CR9346, 1, 0xc0);
    nic_out(&n, CONFIG1, 1, 0xff);
    CHECK_EQ(nic_in(&n, CONFIG1, 1), 0xff);
    nic_out(&n, IDR, 4, 0x11111110);
    nic_out(&n, CR9346, 1, 0x40); /* loads from the EEPROM again */
    CHECK_EQ(nic_in(&n, IDR, 4), 0x12005452);
    CHECK_EQ(nic_in(&n, BMSR, 2) & 0x24, 0x24);
    net_set_link(&n.far.end, false);
    CHECK_EQ(nic_in(&n, BMSR, 2) & 0x24, 0);
    CHECK_EQ(nic_in(&n, MSR, 1) & 4, 4);
    CHECK_EQ(nic_in(&n, ISR, 2), 0x20);
    close_nic();
}

static void receives_in_a_ring(void)
{
    u32 at = 0;

    open_nic();
    start_c(0x0a); /* APM, AB, 8 KiB, no WRAP */
    CHECK(nic_send(&n, NULL, 42));
    CHECK(nic_irq(&n));
    CHECK_EQ(nic_in(&n, ISR, 2), 1);
    nic_out(&n, ISR, 2, 1);
    CHECK(!nic_irq(&n));
    CHECK_EQ(nic_in(&n, CR, 1), 0x0c);
    CHECK_EQ(le16(nic_ram(&n, RING)), 0x4001);
    CHECK_EQ(le16(nic_ram(&n, RING + 2)), 64);
    CHECK(!memcmp(nic_ram(&n, RING + 4), nic_frame(NULL, 42), 42));
    CHECK_EQ(nic_in(&n, CBR, 2), 68);
    at = 68;
    for (unsigned i = 0; i < 5; i++) { /* 1,504 each */
        CHECK(nic_send(&n, NULL, 1495));
        at += 1504;
    }
    CHECK_EQ(nic_in(&n, CBR, 2), at);
    CHECK(!nic_send(&n, NULL, 1495)); /* full */
    nic_out(&n, ISR, 2, 0xffff);
    CHECK_EQ(nic_in(&n, ISR, 2), 1); /* a frame waits */
    CHECK(nic_irq(&n));
    n.far.ready = 0;
    nic_out(&n, CAPR, 2, 68 - 16);
    CHECK_EQ(n.far.ready, 1);
    CHECK(!nic_send(&n, NULL, 700));
    nic_out(&n, CAPR, 2, 68 + 1504 - 16);
    CHECK(nic_send(&n, NULL, 1495)); /* over the ring's end */
    CHECK_EQ(nic_in(&n, CBR, 2), at + 1504 - 8192);
    CHECK(!memcmp(nic_ram(&n, RING + at + 4), nic_frame(NULL, 1495), 8192 - at - 4));
    CHECK(!memcmp(nic_ram(&n, RING), nic_frame(NULL, 1495) + 8192 - at - 4, 100));
    nic_out(&n, CAPR, 2, at + 1504 - 8192 - 16);
    CHECK_EQ(nic_in(&n, CR, 1), 0x0d);
    close_nic();
}

static void wrap_bit(void)
{
    open_nic();
    start_c(0x8a);
    for (unsigned i = 0; i < 6; i++) {
        CHECK(nic_send(&n, NULL, 1495));
        nic_out(&n, CAPR, 2, nic_in(&n, CBR, 2) - 16);
    }
    CHECK_EQ(nic_in(&n, CBR, 2), 6 * 1504 - 8192);
    CHECK(!memcmp(nic_ram(&n, RING + 5 * 1504 + 4), nic_frame(NULL, 1495), 1495));
    close_nic();
}

static void filters(void)
{
    static const u8 other[6] = {0x52, 0, 0, 0, 0, 9}, group[6] = {1, 0, 0x5e, 0, 0, 1},
                    all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    open_nic();
    start_c(0x02);
    CHECK(nic_send(&n, other, 60));
    CHECK(nic_send(&n, group, 60));
    CHECK(nic_send(&n, all, 60));
    CHECK_EQ(nic_in(&n, CBR, 2), 0);
    nic_out(&n, RCR, 4, 0x0e);
    CHECK(nic_send(&n, group, 60));
    CHECK_EQ(nic_in(&n, CBR, 2), 0);
    nic_out(&n, MAR, 4, 1u << 0x1f);
    CHECK(nic_send(&n, group, 60));
    CHECK_EQ(le16(nic_ram(&n, RING)), 0x8001);
    CHECK(nic_send(&n, all, 60));
    CHECK_EQ(le16(nic_ram(&n, RING + 68)), 0x2001);
    nic_out(&n, RCR, 4, 0x0f);
    CHECK(nic_send(&n, other, 60));
    CHECK_EQ(le16(nic_ram(&n, RING + 136)), 0x0001);
    nic_out(&n, CR, 1, 4);
    CHECK(nic_send(&n, other, 60)); /* off: gone */
    CHECK_EQ(nic_in(&n, CBR, 2), 204);
    close_nic();
}

static void transmits_by_registers(void)
{
    open_nic();
    start_c(0x0a);
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(nic_in(&n, TSD + 4 * i, 4), 0x2000);
    memcpy(nic_ram(&n, BUF), nic_frame(NULL, 200), 200);
    n.far.room = 1;
    for (unsigned i = 0; i < 3; i++) {
        nic_out(&n, TSAD + 4 * i, 4, BUF);
        nic_out(&n, TSD + 4 * i, 4, 100 + i);
    }
    CHECK_EQ(n.far.n, 1);
    CHECK_EQ(nic_in(&n, TSD, 4), 0xa064);
    CHECK_EQ(nic_in(&n, TSD + 4, 4), 101); /* waits */
    CHECK_EQ(nic_in(&n, 0x60, 2), 0x1009);
    n.far.room = 5;
    net_ready(&n.far.end);
    CHECK_EQ(n.far.n, 3);
    CHECK_EQ(n.far.len[2], 102);
    CHECK_EQ(nic_in(&n, ISR, 2), 4);
    nic_out(&n, TCR, 4, 0x00060000); /* loopback */
    nic_out(&n, TSAD + 12, 4, BUF);
    nic_out(&n, TSD + 12, 4, 200);
    CHECK_EQ(n.far.n, 3);
    CHECK(!memcmp(nic_ram(&n, RING + 4), nic_frame(NULL, 200), 200));
    close_nic();
}

/* What is to be sent or taken waits, and goes on by itself. */
static void no_bus_master(void)
{
    u32 on = PCI_COMMAND_IO | PCI_COMMAND_MEM;

    open_nic();
    start_c(0x0a);
    memcpy(nic_ram(&n, BUF), nic_frame(NULL, 200), 200);
    pci_config_write(n.bus, NIC_DEVFN, PCI_COMMAND, 2, on);
    nic_out(&n, TSAD, 4, BUF);
    nic_out(&n, TSD, 4, 100);
    CHECK(!nic_send(&n, NULL, 100));
    CHECK_EQ(n.far.n, 0);
    pci_config_write(n.bus, NIC_DEVFN, PCI_COMMAND, 2, on | PCI_COMMAND_BME);
    CHECK_EQ(n.far.n, 1);
    CHECK(nic_send(&n, NULL, 100));
    CHECK(!memcmp(nic_ram(&n, RING + 4), nic_frame(NULL, 100), 100));
    close_nic();
}

static void timer_interrupt(void)
{
    open_nic();
    nic_out(&n, IMR, 2, 0x4000);
    nic_out(&n, TCTR, 4, 0);
    nic_out(&n, TIMERINT, 4, 33333); /* 1 ms */
    clock_advance(n.rig.clk, 990 * US);
    CHECK(!nic_irq(&n));
    clock_advance(n.rig.clk, 20 * US);
    CHECK(nic_irq(&n));
    CHECK(nic_in(&n, TCTR, 4) - 33666 < 20);
    nic_out(&n, TIMERINT, 4, 0);
    close_nic();
}

static void put_desc(u32 at, u32 opts1, u32 opts2, u64 addr)
{
    u8 *d = nic_ram(&n, at);

    put_le32(d, opts1);
    put_le32(d + 4, opts2);
    put_le64(d + 8, addr);
}

static void start_plus(unsigned rx)
{
    for (unsigned i = 0; i < rx; i++)
        put_desc(RX_RING + 16 * i, 0x80000000 | (i + 1 == rx ? 0x40000000 : 0) | 1536, 0,
                 RX_BUFS + 2048 * i);
    nic_out(&n, CPCR, 2, 0x63); /* RX, TX, checksums, VLAN */
    nic_out(&n, TSAD, 4, TX_RING);
    nic_out(&n, RDSAR, 4, RX_RING);
    nic_out(&n, CR, 1, 0x0c);
    nic_out(&n, RCR, 4, 0x0e);
    nic_out(&n, IMR, 2, 0x7fff);
}

static size_t make_tcp(u8 *f, size_t payload)
{
    static const u8 head[] = {0x52, 0x54, 0,    0x12, 0x34, 0x56, 0x52, 0x54, 0,    0, 0,  2,
                              8,    0,    0x45, 0,    0,    0,    0,    7,    0x40, 0, 64, 6,
                              0,    0,    10,   0,    2,    15,   10,   0,    2,    2};

    memset(f, 0, 54 + payload);
    memcpy(f, head, sizeof(head));
    put_be16(f + 16, (u16)(40 + payload));
    f[46] = 0x50;
    f[47] = 0x18;
    for (size_t i = 0; i < payload; i++)
        f[54 + i] = (u8)(i >> 4);
    return 54 + payload;
}

static bool sums_ok(const u8 *f, size_t len)
{
    struct frame_layout l;

    return frame_parse(&l, f, len) && frame_l4_sum_ok(&l, f) && frame_ip_sum_ok(&l, f);
}

static void descriptors(void)
{
    size_t len;

    open_nic();
    start_plus(4);
    len = make_tcp(nic_ram(&n, BUF), 400);
    put_desc(TX_RING, 0xa0050000 | 54, 0, BUF); /* OWN, FS, IPCS, TCPCS */
    put_desc(TX_RING + 16, 0xd0050000 | 400, 0x00020000 | 0x0530, BUF + 54); /* LS, EOR, tag */
    nic_out(&n, TPPOLL, 1, 0x40);
    CHECK_EQ(n.far.n, 1);
    CHECK_EQ(n.far.len[0], len + 4);
    CHECK(!memcmp(n.far.data[0] + 12, "\x81\0\x30\x05\x08\0", 6));
    CHECK(sums_ok(n.far.data[0], n.far.len[0]));
    CHECK_EQ(le32(nic_ram(&n, TX_RING)) >> 31, 0);
    CHECK_EQ(nic_in(&n, ISR, 2) & 0x84, 0x84);

    CHECK(net_send(&n.far.end, n.far.data[0], len + 4)); /* comes back without its tag */
    CHECK_EQ(le32(nic_ram(&n, RX_RING)), 0x34020000 + len + 4);
    CHECK_EQ(le32(nic_ram(&n, RX_RING + 4)), 0x10530);
    CHECK(!memcmp(nic_ram(&n, RX_BUFS), n.far.data[0], 12));
    CHECK(!memcmp(nic_ram(&n, RX_BUFS + 12), n.far.data[0] + 16, len - 12));
    CHECK(nic_send(&n, NULL, 3000)); /* over two */
    CHECK_EQ(le32(nic_ram(&n, RX_RING + 16)), 0x24000000 | 1536);
    CHECK_EQ(le32(nic_ram(&n, RX_RING + 32)), 0x14000000 | 3004);
    CHECK(nic_send(&n, NULL, 60));
    nic_out(&n, ISR, 2, 0xffff);
    CHECK(!nic_send(&n, NULL, 61)); /* the ring is full */
    CHECK_EQ(nic_in(&n, ISR, 2), 0x10);
    put_desc(RX_RING, 0x80000000 | 1536, 0, RX_BUFS);
    n.far.ready = 0;
    clock_advance(n.rig.clk, MS); /* found without being told */
    CHECK(n.far.ready > 0);
    CHECK(nic_send(&n, NULL, 61));
    CHECK_EQ(le32(nic_ram(&n, RX_RING)), 0x34000000 | 65);
    nic_out(&n, CR, 1, 0x10);
    close_nic();
}

static void segmentation(void)
{
    open_nic();
    start_plus(4);
    make_tcp(nic_ram(&n, BUF), 4000);
    put_desc(TX_RING, 0xf8000000 | 1460u << 16 | 4054, 0, BUF);
    n.far.room = 1;
    nic_out(&n, TPPOLL, 1, 0x40);
    CHECK_EQ(n.far.n, 1);
    n.far.room = 5;
    net_ready(&n.far.end);
    CHECK_EQ(n.far.n, 3);
    for (unsigned i = 0; i < 3; i++) {
        CHECK(sums_ok(n.far.data[i], n.far.len[i]));
        CHECK_EQ(be32(n.far.data[i] + 38), 1460 * i);
    }
    CHECK_EQ(n.far.len[2], 54 + 1080);
    close_nic();
}

/* Rings that never end, packets without one, no bus master: nothing hangs. */
static void odd_descriptors(void)
{
    open_nic();
    start_plus(4);
    for (unsigned i = 0; i < 64; i++)
        put_desc(TX_RING + 16 * i, 0x80000000 | 0xffff, 0, BUF);
    nic_out(&n, TPPOLL, 1, 0xc0);
    clock_advance(n.rig.clk, 10 * MS);
    CHECK_EQ(n.far.n, 0);
    for (unsigned i = 0; i < 4; i++)
        put_desc(RX_RING + 16 * i, 0x80000000 | (i == 3 ? 0x40000000 : 0), 0, RX_BUFS);
    CHECK(nic_send(&n, NULL, 60)); /* can never fit */
    pci_config_write(n.bus, NIC_DEVFN, PCI_COMMAND, 2, PCI_COMMAND_IO);
    CHECK(!nic_send(&n, NULL, 60));
    nic_out(&n, TPPOLL, 1, 0x40);
    nic_out(&n, CR, 1, 0x10);
    close_nic();
}

static void saved_state(void)
{
    struct state_stream s = {0};
    struct err err;

    open_nic();
    start_plus(4);
    make_tcp(nic_ram(&n, BUF), 4000);
    put_desc(TX_RING, 0xf8000000 | 1460u << 16 | 4054, 0, BUF);
    n.far.room = 1;
    nic_out(&n, TPPOLL, 1, 0x40);
    nic_out(&n, TIMERINT, 4, nic_in(&n, TCTR, 4) + 33333);
    CHECK(!state_save(&s, &rtl8139_state, r));
    rtl8139_free(r);
    CHECK(!rtl8139_new(&r, n.bus, NIC_DEVFN, n.rig.clk, (const u8[6]){2}, NULL));
    net_plug(&n.far.end, rtl8139_net_end(r));
    CHECK(!state_load(&s, &rtl8139_state, r, &err));
    n.far.room = 5;
    net_ready(&n.far.end);
    CHECK_EQ(n.far.n, 3);
    CHECK(sums_ok(n.far.data[2], n.far.len[2]));
    nic_out(&n, ISR, 2, 0xffff);
    clock_advance(n.rig.clk, 1010 * US);
    CHECK_EQ(nic_in(&n, ISR, 2), 0x4000);
    CHECK(nic_irq(&n));
    for (unsigned i = 0; i < 200; i++) {
        s.at = 0;
        s.data[(i * 7919u) % s.len] ^= (u8)(1u << i % 8);
        if (state_load(&s, &rtl8139_state, r, &err))
            rtl8139_reset(r);
    }
    rtl8139_reset(r);
    state_dispose(&s);
    close_nic();
}

int main(void)
{
    TEST_RUN(identity);
    TEST_RUN(receives_in_a_ring);
    TEST_RUN(wrap_bit);
    TEST_RUN(filters);
    TEST_RUN(transmits_by_registers);
    TEST_RUN(no_bus_master);
    TEST_RUN(timer_interrupt);
    TEST_RUN(descriptors);
    TEST_RUN(segmentation);
    TEST_RUN(odd_descriptors);
    TEST_RUN(saved_state);
    return test_result();
}
