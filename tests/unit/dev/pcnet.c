/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/pcnet.h"
#include "../test.h"
#include "net/frame.h"
#include "nicrig.h"

#define BLOCK   0x8000u
#define RX_RING 0x10000u
#define TX_RING 0x20000u
#define RX_BUFS 0x100000u
#define TX_BUFS 0x200000u

#define OWN 0x8000u
#define STP 0x0200u
#define ENP 0x0100u

static struct nicrig n;
static struct pcnet *p;
static unsigned style;
static bool dwio;

static u16 port_get(unsigned port)
{
    return (u16)(dwio ? nic_in(&n, 0x10 + 4 * port, 4) : nic_in(&n, 0x10 + 2 * port, 2));
}

static void port_put(unsigned port, u16 val)
{
    if (dwio)
        nic_out(&n, 0x10 + 4 * port, 4, val);
    else
        nic_out(&n, 0x10 + 2 * port, 2, val);
}

static u16 csr(unsigned i)
{
    port_put(1, (u16)i);
    return port_get(0);
}

static void put_csr(unsigned i, u16 val)
{
    port_put(1, (u16)i);
    port_put(0, val);
}

static void put_bcr(unsigned i, u16 val)
{
    port_put(1, (u16)i);
    port_put(3, val);
}

static unsigned desc_size(void)
{
    return style ? 16 : 8;
}

/* A descriptor with a buffer of `len` bytes. */
static void put_desc(u32 ring, unsigned i, u32 addr, u16 status, u16 len)
{
    u8 *d = nic_ram(&n, ring + i * desc_size());
    u16 count = (u16)-len;

    memset(d, 0, desc_size());
    if (style == 0) {
        put_le32(d, addr | (u32)status << 16);
        put_le16(d + 4, count);
        return;
    }
    put_le32(d + (style == 3 ? 8 : 0), addr);
    put_le32(d + 4, (u32)status << 16 | count);
}

static u16 desc_status(u32 ring, unsigned i)
{
    u8 *d = nic_ram(&n, ring + i * desc_size());

    return style ? le16(d + 6) : (u16)(d[3] << 8);
}

static u32 desc_message(u32 ring, unsigned i)
{
    u8 *d = nic_ram(&n, ring + i * desc_size());

    return style == 0 ? le16(d + 6) : le32(d + (style == 3 ? 0 : 8));
}

static void make_block(u16 mode)
{
    u8 *b = nic_ram(&n, BLOCK);

    memset(b, 0, 28);
    put_le16(b, mode);
    memcpy(b + (style ? 4 : 2), nic_mac, 6);
    if (style) {
        b[2] = 2 << 4; /* four descriptors */
        b[3] = 2 << 4;
        put_le32(b + 20, RX_RING);
        put_le32(b + 24, TX_RING);
    } else {
        put_le32(b + 16, RX_RING | 2u << 29);
        put_le32(b + 20, TX_RING | 2u << 29);
    }
}

static void start(u16 mode)
{
    put_bcr(20, (u16)style);
    make_block(mode);
    for (unsigned i = 0; i < 4; i++) {
        put_desc(RX_RING, i, RX_BUFS + 2048 * i, OWN, 1536);
        put_desc(TX_RING, i, 0, 0, 0);
    }
    put_csr(4, 0x1915); /* no polling, padding */
    put_csr(1, (u16)BLOCK);
    put_csr(2, BLOCK >> 16);
    put_csr(0, 0x0001);
    CHECK_EQ(csr(0), 0x0181);
    put_csr(0, 0x0142);
    CHECK_EQ(csr(0), 0x0073);
}

static void open_nic(void)
{
    nic_open(&n);
    CHECK(!pcnet_new(&p, n.bus, NIC_DEVFN, n.rig.clk, nic_mac, NULL));
    net_plug(&n.far.end, pcnet_net_end(p));
    nic_map(&n, 0, 1);
    dwio = false;
}

static void close_nic(void)
{
    pcnet_free(p);
    CHECK_EQ(clock_run(n.rig.clk), UINT64_MAX);
    nic_close(&n);
}

static void identity(void)
{
    u16 sum = 0;

    open_nic();
    nic_in(&n, 0x14, 2); /* reset */
    CHECK_EQ(csr(0), 0x0004);
    port_put(1, 88);
    CHECK_EQ(port_get(1), 88);
    CHECK_EQ(csr(88), 0x1003);
    CHECK_EQ(csr(89), 0x0262);
    CHECK_EQ(csr(12), 0x5452);
    for (unsigned i = 0; i < 16; i++)
        sum = (u16)(sum + (i == 12 || i == 13 ? 0 : nic_in(&n, i, 1)));
    CHECK_EQ(nic_in(&n, 12, 2), sum);
    CHECK_EQ(nic_in(&n, 0, 4), 0x12005452);
    CHECK_EQ(nic_get(&n, 0), 0x12005452);
    port_put(1, 4);
    CHECK_EQ(port_get(3), 0x80c0); /* the link's LED */
    net_set_link(&n.far.end, false);
    CHECK_EQ(port_get(3), 0x00c0);
    nic_out(&n, 0, 1, 0xff); /* the address PROM is not writable … */
    CHECK_EQ(nic_in(&n, 0, 1), 0x52);
    put_bcr(2, 0x0102);
    nic_out(&n, 0, 1, 0x56); /* … without APROMWE */
    CHECK_EQ(nic_in(&n, 0, 1), 0x56);

    nic_out(&n, 0x10, 4, 0); /* dword mode */
    dwio = true;
    CHECK_EQ(csr(0), 0x0004);
    CHECK_EQ(csr(88), 0x1003);
    nic_in(&n, 0x18, 4);
    CHECK_EQ(csr(0), 0x0004); /* still */
    pcnet_reset(p);
    nic_map(&n, 0, 1);
    dwio = false;
    CHECK_EQ(csr(88), 0x1003);
    close_nic();
}

static void both_ways(void)
{
    static const u8 all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    open_nic();
    start(0);
    CHECK(nic_send(&n, NULL, 42));
    CHECK(nic_irq(&n));
    CHECK_EQ(csr(0), 0x04f3);
    put_csr(0, 0x0440);
    CHECK(!nic_irq(&n));
    CHECK_EQ(desc_status(RX_RING, 0), STP | ENP | (style ? 0x40 : 0));
    CHECK_EQ(desc_message(RX_RING, 0), 64);
    CHECK(!memcmp(nic_ram(&n, RX_BUFS), nic_frame(NULL, 42), 42));
    put_desc(RX_RING, 1, RX_BUFS + 2048, OWN, 500);
    CHECK(nic_send(&n, all, 1000)); /* over two */
    CHECK_EQ(desc_status(RX_RING, 1), STP);
    CHECK_EQ(desc_status(RX_RING, 2), ENP | (style ? 0x10 : 0));
    CHECK_EQ(desc_message(RX_RING, 2), 1004);
    CHECK(!memcmp(nic_ram(&n, RX_BUFS + 4096), nic_frame(all, 1000) + 500, 500));
    CHECK_EQ(csr(72), 1);

    memcpy(nic_ram(&n, TX_BUFS), nic_frame(NULL, 100), 100);
    put_desc(TX_RING, 0, TX_BUFS, OWN | STP, 60);
    put_desc(TX_RING, 1, TX_BUFS + 60, OWN | ENP, 40);
    put_desc(TX_RING, 2, TX_BUFS, OWN | STP | ENP, 20);
    n.far.room = 1;
    put_csr(0, 0x0048);
    CHECK_EQ(n.far.n, 1);
    CHECK_EQ(n.far.len[0], 100);
    CHECK(!memcmp(n.far.data[0], nic_frame(NULL, 100), 100));
    CHECK_EQ(desc_status(TX_RING, 0), STP);
    CHECK_EQ(desc_status(TX_RING, 1), ENP);
    CHECK_EQ(desc_status(TX_RING, 2), OWN | STP | ENP); /* waits */
    CHECK(csr(0) & 0x0200);
    n.far.room = 5;
    net_ready(&n.far.end);
    CHECK_EQ(n.far.n, 2);
    CHECK_EQ(n.far.len[1], 60); /* padded */
    CHECK_EQ(csr(74), 1);
    close_nic();
}

static void all_styles(void)
{
    static const unsigned styles[] = {0, 2, 3};

    for (unsigned i = 0; i < 3; i++) {
        style = styles[i];
        both_ways();
    }
}

static void full_ring(void)
{
    style = 2;
    open_nic();
    start(0);
    for (unsigned i = 0; i < 4; i++)
        CHECK(nic_send(&n, NULL, 60));
    CHECK(!nic_send(&n, NULL, 60));
    n.far.ready = 0;
    clock_advance(n.rig.clk, MS);
    CHECK(n.far.ready > 0);
    CHECK(!nic_send(&n, NULL, 60));
    put_desc(RX_RING, 0, RX_BUFS, OWN, 1536);
    n.far.ready = 0;
    put_csr(0, 0x0440); /* found at the driver's next access, too */
    CHECK_EQ(n.far.ready, 1);
    CHECK(nic_send(&n, NULL, 61));
    CHECK_EQ(desc_message(RX_RING, 0), 65);
    for (unsigned i = 0; i < 4; i++)
        put_desc(RX_RING, i, RX_BUFS, OWN, 16);
    CHECK(nic_send(&n, NULL, 1514)); /* can never fit */
    CHECK(csr(0) & 0x1000);
    CHECK_EQ(csr(112), 1);
    close_nic();
}

static void filters(void)
{
    static const u8 other[6] = {0x52, 0, 0, 0, 0, 9}, group[6] = {1, 0, 0x5e, 0, 0, 1},
                    all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    unsigned hash = frame_hash_right(group);

    style = 2;
    open_nic();
    start(0x4000); /* no broadcasts */
    CHECK(nic_send(&n, other, 60) && nic_send(&n, group, 60) && nic_send(&n, all, 60));
    CHECK_EQ(csr(72), 4);
    put_csr(8 + (hash >> 4), (u16)(1u << (hash & 15))); /* not while it runs */
    CHECK(nic_send(&n, group, 60));
    CHECK_EQ(csr(72), 4);
    put_csr(5, 1); /* suspended, it is settable; frames wait */
    CHECK_EQ(csr(5), 1);
    put_csr(8 + (hash >> 4), (u16)(1u << (hash & 15)));
    CHECK(!nic_send(&n, group, 60));
    put_csr(5, 0);
    CHECK(nic_send(&n, group, 60));
    CHECK_EQ(desc_status(RX_RING, 0), STP | ENP | 0x20);
    put_csr(5, 1);
    put_csr(15, 0x8000);
    put_csr(5, 0);
    CHECK(nic_send(&n, other, 60));
    CHECK_EQ(desc_status(RX_RING, 1), STP | ENP);
    close_nic();
}

static void polls_and_loops_back(void)
{
    style = 0;
    open_nic();
    start(0x0004);
    memcpy(nic_ram(&n, TX_BUFS), nic_frame(NULL, 100), 100);
    put_desc(TX_RING, 0, TX_BUFS, OWN | STP | ENP, 100);
    put_csr(4, 0x0915);
    put_csr(0, 0x0048);
    CHECK_EQ(n.far.n, 0);
    CHECK(!memcmp(nic_ram(&n, RX_BUFS), nic_frame(NULL, 100), 100));
    put_desc(TX_RING, 1, TX_BUFS, OWN | STP | ENP, 100);
    clock_advance(n.rig.clk, 3 * MS); /* without TDMD */
    CHECK_EQ(desc_status(TX_RING, 1), STP | ENP);
    put_csr(0, 0x0004);
    CHECK_EQ(csr(0), 0x0004);
    CHECK(!nic_irq(&n));
    CHECK(nic_send(&n, NULL, 60)); /* stopped: gone */
    close_nic();
}

static void odd_descriptors(void)
{
    style = 2;
    open_nic();
    start(0);
    for (unsigned i = 0; i < 4; i++)
        put_desc(TX_RING, i, TX_BUFS, OWN | (i == 0 ? STP : 0) | (i == 3 ? ENP : 0), 0);
    put_csr(0, 0x0048);
    CHECK_EQ(n.far.n, 0);
    CHECK(csr(0) & 0x4000); /* babble: 16 KiB */
    put_csr(0, 4);
    put_csr(76, 0);
    put_csr(78, 0);
    put_csr(72, 0xffff);
    put_csr(30, 0xfff0); /* a ring outside memory */
    put_csr(31, 0xffff);
    put_csr(24, 0xfff0);
    put_csr(25, 0xffff);
    put_csr(0, 0x42);
    CHECK(!nic_send(&n, NULL, 60));
    pci_config_write(n.bus, NIC_DEVFN, PCI_COMMAND, 2, PCI_COMMAND_IO);
    put_csr(0, 4);
    put_csr(0, 1);
    CHECK_EQ(csr(0), 0x8884); /* a master abort */
    close_nic();
}

static void saved_state(void)
{
    struct state_stream s = {0};
    struct err err;

    style = 2;
    open_nic();
    start(0);
    memcpy(nic_ram(&n, TX_BUFS), nic_frame(NULL, 100), 100);
    put_desc(TX_RING, 0, TX_BUFS, OWN | STP, 60);
    put_csr(0, 0x0048);
    put_desc(TX_RING, 1, TX_BUFS + 60, OWN | ENP, 40);
    CHECK(nic_send(&n, NULL, 60));
    CHECK(!state_save(&s, &pcnet_state, p));
    pcnet_free(p);
    CHECK(!pcnet_new(&p, n.bus, NIC_DEVFN, n.rig.clk, (const u8[6]){2}, NULL));
    net_plug(&n.far.end, pcnet_net_end(p));
    CHECK(!state_load(&s, &pcnet_state, p, &err));
    CHECK(nic_irq(&n));
    put_csr(0, 0x0048);
    CHECK_EQ(n.far.n, 1);
    CHECK(!memcmp(n.far.data[0], nic_frame(NULL, 100), 100));
    CHECK(nic_send(&n, NULL, 61));
    CHECK_EQ(desc_message(RX_RING, 1), 65);
    for (unsigned i = 0; i < 200; i++) {
        s.at = 0;
        s.data[(i * 7919u) % s.len] ^= (u8)(1u << i % 8);
        if (state_load(&s, &pcnet_state, p, &err))
            pcnet_reset(p);
    }
    pcnet_reset(p);
    state_dispose(&s);
    close_nic();
}

int main(void)
{
    TEST_RUN(identity);
    TEST_RUN(all_styles);
    TEST_RUN(full_ring);
    TEST_RUN(filters);
    TEST_RUN(polls_and_loops_back);
    TEST_RUN(odd_descriptors);
    TEST_RUN(saved_state);
    return test_result();
}
