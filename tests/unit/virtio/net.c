/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio/net.h"
#include "../net/rig.h"
#include "../test.h"
#include "driver.h"
#include "net/frame.h"

#define BUFFER DRV_DATA
#define STEP   0x10000u
#define MRG    BIT64(15)
#define CTRL   (BIT64(17) | BIT64(18) | BIT64(19) | BIT64(20) | BIT64(23))

static struct drv d;
static struct virtio_net *n;
static struct far far;
static const u8 mac[6] = {0x52, 0x54, 0, 1, 2, 3};

static u16 pairs = 1;

static void make(void)
{
    struct virtio_net_config cfg = {.rings.packed = true, .pairs = pairs};

    memcpy(cfg.mac, mac, 6);
    BUG_ON(virtio_net_new(&n, d.p.mem, d.p.rig.clk, &cfg));
    net_plug(&far.end, virtio_net_end(n));
}

static void start(u64 features)
{
    drv_open(&d);
    far_init(&far);
    make();
    drv_attach(&d, virtio_net_dev(n), false);
    CHECK(drv_negotiate(&d, DRV_ALL | features));
    for (u16 q = 0; q < 2 * pairs + 1; q++)
        drv_add_queue(&d, q, 64);
    drv_start(&d);
}

static void stop(void)
{
    drv_detach(&d);
    virtio_net_free(n);
    drv_close(&d);
}

/* A TCP packet over IPv4 with `body` bytes; its length. */
static size_t tcp_frame(u8 *f, size_t body)
{
    memset(f, 0, 54);
    memcpy(f, mac, 6);
    f[12] = 8;
    f[14] = 0x45;
    put_be16(f + 16, (u16)(40 + body));
    f[22] = 64;
    f[23] = 6;
    put_be32(f + 26, 0x0a000001);
    put_be32(f + 30, 0x0a000002);
    put_be32(f + 38, 1000); /* sequence */
    f[46] = 0x50;
    f[47] = 0x18; /* PSH, ACK */
    for (size_t i = 0; i < body; i++)
        f[54 + i] = (u8)(i * 3);
    return 54 + body;
}

static bool transmit(const u8 *header, u32 len)
{
    struct drv_seg s[] = {{BUFFER, 12, false}, {BUFFER + 12, len, false}};
    u16 id = 0;
    u32 used = 0;

    memcpy(drv_ram(&d, BUFFER), header, 12);
    drv_add(&d, 1, s, 2);
    drv_kick(&d, 1);
    return drv_used(&d, 1, &id, &used);
}

static void plain_frames_go_out(void)
{
    for (unsigned packed = 0; packed < 2; packed++) {
        u8 header[12] = {0};
        start(packed ? BIT64(VIRTIO_F_RING_PACKED) : 0);
        memset(drv_ram(&d, BUFFER + 12), 0x42, 100);
        for (unsigned i = 0; i < 100; i++)
            CHECK(transmit(header, 100));
        CHECK_EQ(far.n, 100);
        CHECK_EQ(far.len[0], 100);
        CHECK_EQ(far.data[0][99], 0x42);
        stop();
    }
}

static void checksums_are_filled_in(void)
{
    u8 header[12] = {1};
    struct frame_layout l;
    size_t len;

    start(BIT64(0));
    len = tcp_frame(drv_ram(&d, BUFFER + 12), 100);
    /* The driver leaves the pseudo header's sum: addresses, protocol, length. */
    put_be16(drv_ram(&d, BUFFER + 12 + 50), 0x0a00 + 1 + 0x0a00 + 2 + 6 + 120);
    put_le16(header + 6, 34);
    put_le16(header + 8, 16);
    CHECK(transmit(header, (u32)len));
    CHECK_EQ(far.n, 1);
    CHECK(frame_parse(&l, far.data[0], far.len[0]));
    CHECK(frame_l4_sum_ok(&l, far.data[0]));
    put_le16(header + 6, 0xffff); /* beyond the frame: nothing happens */
    CHECK(transmit(header, (u32)len));
    CHECK_EQ(far.n, 2);
    stop();
}

static void large_packets_are_cut(void)
{
    u8 header[12] = {1, 1};
    size_t len, total = 0;

    start(BIT64(0) | BIT64(11));
    len = tcp_frame(drv_ram(&d, BUFFER + 12), 4000);
    put_le16(header + 4, 1400);
    put_le16(header + 6, 34);
    put_le16(header + 8, 16);
    CHECK(transmit(header, (u32)len));
    CHECK_EQ(far.n, 3);
    for (unsigned i = 0; i < 3; i++) {
        struct frame_layout l;
        CHECK(frame_parse(&l, far.data[i], far.len[i]));
        CHECK(frame_ip_sum_ok(&l, far.data[i]));
        CHECK(frame_l4_sum_ok(&l, far.data[i]));
        CHECK_EQ(be32(far.data[i] + 38), 1000 + total);
        CHECK_EQ(far.data[i][47] & 8, i == 2 ? 8 : 0); /* PSH is the last one's */
        total += far.len[i] - 54;
    }
    CHECK_EQ(total, 4000);
    put_le16(header + 4, 0); /* cannot be cut: dropped, and given back */
    CHECK(transmit(header, (u32)len));
    CHECK_EQ(far.n, 3);
    stop();
}

static void large_packets_pass_where_they_are_taken(void)
{
    static const unsigned takes[] = {NET_TAKES_TCP4, NET_TAKES_TCP4 | NET_TAKES_SUM};
    u8 header[12] = {1, 1};

    put_le16(header + 4, 1400);
    put_le16(header + 6, 34);
    put_le16(header + 8, 16);
    for (unsigned sums = 0; sums < 2; sums++) {
        struct frame_layout l;
        size_t len;
        start(BIT64(0) | BIT64(11));
        net_set_takes(&far.end, takes[sums]);
        len = tcp_frame(drv_ram(&d, BUFFER + 12), 1900);
        CHECK(transmit(header, (u32)len));
        CHECK_EQ(far.n, 1);
        CHECK_EQ(far.len[0], len);
        CHECK_EQ(far.offload.gso, 1);
        CHECK_EQ(far.offload.gso_size, 1400);
        CHECK_EQ(far.offload.flags, sums);
        CHECK(frame_parse(&l, far.data[0], far.len[0]));
        CHECK_EQ(frame_l4_sum_ok(&l, far.data[0]), !sums);
        header[1] = 0x81; /* with ECN: cut */
        CHECK(transmit(header, (u32)len));
        CHECK_EQ(far.n, 3);
        header[1] = 1;
        stop();
    }
}

static void a_full_cable_is_waited_for(void)
{
    u8 header[12] = {1, 1};
    u16 id = 0;
    u32 used = 0;
    size_t len;

    start(BIT64(0) | BIT64(11));
    far.room = 1;
    len = tcp_frame(drv_ram(&d, BUFFER + 12), 4000);
    put_le16(header + 4, 1400);
    CHECK(!transmit(header, (u32)len));
    CHECK_EQ(far.n, 1);
    far.room = 10;
    net_ready(&far.end);
    CHECK_EQ(far.n, 3);
    CHECK(drv_used(&d, 1, &id, &used));
    stop();
}

static void give(u32 len)
{
    struct drv_seg s = {BUFFER + STEP, len, true};

    s.at += (u32)d.q[0].next * 0x800;
    drv_add(&d, 0, &s, 1);
}

static bool arrive(const u8 *to, size_t len)
{
    u8 frame[9000];

    for (size_t i = 0; i < len; i++)
        frame[i] = (u8)(i * 5);
    memcpy(frame, to, 6);
    frame[12] = 0x88;
    return net_send(&far.end, frame, len);
}

static void frames_come_in(void)
{
    u16 id = 0;
    u32 used = 0;

    start(0);
    CHECK(!arrive(mac, 100)); /* no buffer: the other side keeps it */
    give(1526);
    far.ready = 0;
    drv_kick(&d, 0);
    CHECK_EQ(far.ready, 1);
    CHECK(arrive(mac, 100));
    CHECK(drv_used(&d, 0, &id, &used));
    CHECK_EQ(used, 112);
    CHECK_EQ(le16(drv_ram(&d, BUFFER + STEP + 10)), 1);
    CHECK_EQ(*drv_ram(&d, BUFFER + STEP + 12 + 50), (u8)(50 * 5));
    give(64);
    CHECK(arrive(mac, 100)); /* does not fit: dropped */
    CHECK(!drv_used(&d, 0, &id, &used));
    CHECK(arrive(mac, 40));
    CHECK(drv_used(&d, 0, &id, &used));
    stop();
}

static void buffers_are_merged(void)
{
    for (unsigned packed = 0; packed < 2; packed++) {
        u16 id = 0;
        u32 used = 0, total = 0;
        start(MRG | (packed ? BIT64(VIRTIO_F_RING_PACKED) : 0));
        give(1000);
        CHECK(!arrive(mac, 2500));
        CHECK(!drv_used(&d, 0, &id, &used));
        give(1000);
        give(1000);
        CHECK(arrive(mac, 2500));
        for (unsigned i = 0; i < 3; i++) {
            CHECK(drv_used(&d, 0, &id, &used));
            total += used;
        }
        CHECK_EQ(total, 2512);
        CHECK_EQ(le16(drv_ram(&d, BUFFER + STEP + 10)), 3);
        CHECK_EQ(*drv_ram(&d, BUFFER + STEP + 0x800), (u8)(988 * 5));
        stop();
    }
}

static void right_sums_are_told(void)
{
    struct frame_layout l;
    u8 frame[200];
    size_t len = tcp_frame(frame, 60);
    u16 id = 0;
    u32 used = 0;

    start(BIT64(1));
    CHECK(frame_parse(&l, frame, len));
    frame_put_l4_sum(&l, frame);
    give(1526);
    give(1526);
    CHECK(net_send(&far.end, frame, len));
    CHECK_EQ(*drv_ram(&d, BUFFER + STEP), 2);
    frame[60] ^= 1;
    CHECK(net_send(&far.end, frame, len));
    CHECK_EQ(*drv_ram(&d, BUFFER + STEP + 0x800), 0);
    CHECK(drv_used(&d, 0, &id, &used));
    stop();
}

static u16 control_queue = 2;

static u8 control(u8 class, u8 command, const void *data, u32 len)
{
    u32 at = BUFFER + 0x80000;
    struct drv_seg s[] = {{at, 2, false}, {at + 16, len, false}, {at + 0x1000, 1, true}};
    u16 id = 0;
    u32 used = 0;

    *drv_ram(&d, at) = class;
    *drv_ram(&d, at + 1) = command;
    memcpy(drv_ram(&d, at + 16), data, len);
    *drv_ram(&d, at + 0x1000) = 0xff;
    drv_add(&d, control_queue, s, 3);
    drv_kick(&d, control_queue);
    CHECK(drv_used(&d, control_queue, &id, &used));
    CHECK_EQ(used, 1);
    return *drv_ram(&d, at + 0x1000);
}

/* Whether a frame to this address reaches the driver. */
static bool comes(const u8 *to)
{
    u16 id = 0;
    u32 used = 0;

    give(1526);
    CHECK(arrive(to, 100));
    if (drv_used(&d, 0, &id, &used))
        return true;
    CHECK(arrive(mac, 100)); /* uses the buffer up */
    CHECK(drv_used(&d, 0, &id, &used));
    return false;
}

static void large_packets_come_in(void)
{
    struct net_offload o = {.flags = 1, .gso = 1, .gso_size = 1400, .sum_start = 34};
    u8 frame[3054], features[8] = {0};
    size_t len = tcp_frame(frame, 3000);
    u16 id = 0;
    u32 used = 0;

    start(MRG | CTRL | BIT64(1) | BIT64(2) | BIT64(7) | BIT64(9));
    CHECK_EQ(far.peer_takes, NET_TAKES_SUM | NET_TAKES_TCP4 | NET_TAKES_ECN);
    for (unsigned i = 0; i < 3; i++)
        give(1526);
    CHECK(net_send_offload(&far.end, &o, frame, len));
    CHECK(drv_used(&d, 0, &id, &used));
    CHECK_EQ(*drv_ram(&d, BUFFER + STEP), 1);
    CHECK_EQ(*drv_ram(&d, BUFFER + STEP + 1), 1);
    CHECK_EQ(le16(drv_ram(&d, BUFFER + STEP + 4)), 1400);
    CHECK_EQ(le16(drv_ram(&d, BUFFER + STEP + 6)), 34);
    CHECK_EQ(le16(drv_ram(&d, BUFFER + STEP + 10)), 3);
    features[0] = 2;
    CHECK_EQ(control(5, 0, features, 8), 0);
    CHECK_EQ(far.peer_takes, NET_TAKES_SUM);
    features[1] = 1; /* TSO6, which was not negotiated */
    CHECK_EQ(control(5, 0, features, 8), 1);
    CHECK_EQ(far.peer_takes, NET_TAKES_SUM);
    drv_set_status(&d, 0);
    CHECK_EQ(far.peer_takes, 0);
    stop();
}

static void filters(void)
{
    static const u8 other[6] = {2, 9, 9, 9, 9, 9}, group[6] = {1, 0, 0x5e, 1, 2, 3},
                    all[6] = {255, 255, 255, 255, 255, 255};
    u8 on = 1, off = 0, table[20] = {1}, vlan[2] = {5, 0};

    start(CTRL);
    CHECK(comes(other)); /* until the driver says otherwise */
    CHECK_EQ(control(0, 0, &off, 1), 0);
    CHECK(!comes(other));
    CHECK(!comes(group));
    CHECK(comes(all));
    CHECK_EQ(control(0, 1, &on, 1), 0);
    CHECK(comes(group));
    CHECK_EQ(control(0, 1, &off, 1), 0);
    memcpy(table + 4, other, 6);
    table[10] = 1;
    memcpy(table + 14, group, 6);
    CHECK_EQ(control(1, 0, table, 20), 0);
    CHECK(comes(other));
    CHECK(comes(group));
    table[10] = 200; /* longer than the command */
    CHECK_EQ(control(1, 0, table, 20), 1);
    put_le32(table, 0xffffffff);
    CHECK_EQ(control(1, 0, table, 20), 1);
    CHECK_EQ(control(2, 0, vlan, 2), 0);
    vlan[1] = 0x10;
    CHECK_EQ(control(2, 0, vlan, 2), 1);
    CHECK_EQ(control(0, 5, &on, 1), 0);
    CHECK(!comes(all));
    CHECK_EQ(control(9, 0, &on, 1), 1);
    CHECK_EQ(control(1, 1, other, 6), 0);
    CHECK_EQ(drv_get(&d, 0x2000, 1), 2);
    stop();
}

static void link_and_announcement(void)
{
    start(CTRL | BIT64(16) | BIT64(21));
    CHECK_EQ(drv_get(&d, 0x2006, 2), 1);
    net_set_link(&far.end, false);
    CHECK_EQ(drv_isr(&d), 2);
    CHECK_EQ(drv_get(&d, 0x2006, 2), 0);
    net_set_link(&far.end, true);
    virtio_net_announce(n);
    CHECK_EQ(drv_get(&d, 0x2006, 2), 3);
    CHECK_EQ(control(3, 0, "", 0), 0);
    CHECK_EQ(drv_get(&d, 0x2006, 2), 1);
    CHECK_EQ(control(3, 0, "", 0), 1);
    stop();
}

static void is_saved_while_a_packet_waits(void)
{
    struct state_stream stream = {0};
    u8 header[12] = {0}, off = 0;
    struct err err;
    u16 id = 0;
    u32 used = 0;

    start(CTRL);
    CHECK_EQ(control(0, 0, &off, 1), 0);
    far.room = 0;
    CHECK(!transmit(header, 100));
    CHECK_EQ(state_save(&stream, &virtio_pci_state, d.pci), 0);
    CHECK_EQ(state_save(&stream, &virtio_net_state, n), 0);
    drv_detach(&d);
    virtio_net_free(n);
    far.room = 5;
    make();
    drv_attach(&d, virtio_net_dev(n), false);
    CHECK_EQ(state_load(&stream, &virtio_pci_state, d.pci, &err), 0);
    CHECK_EQ(state_load(&stream, &virtio_net_state, n, &err), 0);
    clock_advance(d.p.rig.clk, MS);
    CHECK_EQ(far.n, 1);
    CHECK(drv_used(&d, 1, &id, &used));
    CHECK(!comes((const u8[6]){2, 9, 9, 9, 9, 9}));
    state_dispose(&stream);
    stop();
}

static void give_pair(u16 pair)
{
    struct drv_seg s = {BUFFER + STEP + pair * STEP, 1526, true};

    drv_add(&d, (u16)(2 * pair), &s, 1);
    drv_kick(&d, (u16)(2 * pair));
}

static bool used_by(u16 queue)
{
    u16 id;
    u32 used;

    return drv_used(&d, queue, &id, &used);
}

/* A TCP packet of the flow with that port, by a pair's queue. */
static void transmit_by(u16 pair, u16 port)
{
    u32 at = BUFFER + 0x60000;
    struct drv_seg s = {at, 12 + (u32)tcp_frame(drv_ram(&d, at + 12), 10), false};

    memset(drv_ram(&d, at), 0, 12);
    put_be16(drv_ram(&d, at + 12 + 34), port);
    put_be16(drv_ram(&d, at + 12 + 36), 80);
    drv_add(&d, (u16)(2 * pair + 1), &s, 1);
    drv_kick(&d, (u16)(2 * pair + 1));
}

/* The answer to it. */
static bool answer(u16 port)
{
    u8 frame[128], addr[4];
    size_t len = tcp_frame(frame, 10);

    memcpy(addr, frame + 26, 4);
    memcpy(frame + 26, frame + 30, 4);
    memcpy(frame + 30, addr, 4);
    put_be16(frame + 34, 80);
    put_be16(frame + 36, port);
    return net_send(&far.end, frame, len);
}

static void start_pairs(u64 features)
{
    pairs = 3;
    control_queue = 6;
    start(CTRL | BIT64(22) | features);
}

static void stop_pairs(void)
{
    stop();
    pairs = 1;
    control_queue = 2;
}

static void a_flow_comes_back_by_its_pair(void)
{
    u8 three[2] = {3, 0}, none[2] = {0, 0}, four[2] = {4, 0}, one[2] = {1, 0};

    start_pairs(0);
    CHECK_EQ(drv_get(&d, 0x2008, 2), 3);
    for (u16 p = 0; p < 3; p++)
        give_pair(p);
    transmit_by(2, 1000);
    CHECK(!used_by(5)); /* not in use before the driver says so */
    CHECK_EQ(control(4, 0, none, 2), 1);
    CHECK_EQ(control(4, 0, four, 2), 1);
    CHECK_EQ(control(4, 0, three, 1), 1);
    CHECK_EQ(control(4, 1, three, 2), 1);
    CHECK_EQ(control(4, 0, three, 2), 0);
    clock_advance(d.p.rig.clk, MS);
    CHECK(used_by(5)); /* what was there before */
    transmit_by(1, 1001);
    CHECK(used_by(3));
    CHECK(answer(1000));
    CHECK(used_by(4) && !used_by(2) && !used_by(0));
    CHECK(answer(1001));
    CHECK(used_by(2) && !used_by(0));
    give_pair(1);
    transmit_by(1, 1000); /* it moves */
    CHECK(answer(1000));
    CHECK(used_by(2));
    CHECK(arrive(mac, 100)); /* no flow: the first */
    CHECK(used_by(0));
    CHECK_EQ(control(4, 0, one, 2), 0);
    give_pair(0);
    CHECK(answer(1000));
    CHECK(used_by(0));
    stop_pairs();
}

/* Then the control queue is the third, as of a card with one pair. */
static void a_driver_that_knows_one_pair(void)
{
    u8 two[2] = {2, 0}, off = 0;

    pairs = 3;
    start(CTRL);
    CHECK_EQ(control(0, 0, &off, 1), 0);
    CHECK_EQ(control(4, 0, two, 2), 1);
    CHECK(comes(mac));
    stop_pairs();
}

static void pairs_wait_in_turn_and_are_saved(void)
{
    struct state_stream stream = {0};
    u8 three[2] = {3, 0};
    struct err err;

    start_pairs(BIT64(VIRTIO_F_RING_PACKED));
    CHECK_EQ(control(4, 0, three, 2), 0);
    far.room = 0;
    transmit_by(2, 1000);
    transmit_by(1, 1000);
    transmit_by(0, 1000);
    CHECK(!far.n && !used_by(1) && !used_by(3) && !used_by(5));
    CHECK_EQ(state_save(&stream, &virtio_pci_state, d.pci), 0);
    CHECK_EQ(state_save(&stream, &virtio_net_state, n), 0);
    drv_detach(&d);
    virtio_net_free(n);
    far.room = 5;
    make();
    drv_attach(&d, virtio_net_dev(n), false);
    CHECK_EQ(state_load(&stream, &virtio_pci_state, d.pci, &err), 0);
    CHECK_EQ(state_load(&stream, &virtio_net_state, n, &err), 0);
    clock_advance(d.p.rig.clk, MS);
    CHECK_EQ(far.n, 3);
    CHECK(used_by(1) && used_by(3) && used_by(5));
    give_pair(2);
    transmit_by(2, 1000); /* the pairs are still in use */
    CHECK(used_by(5));
    CHECK(answer(1000));
    CHECK(used_by(4));
    state_dispose(&stream);
    stop_pairs();
}

int main(void)
{
    TEST_RUN(a_flow_comes_back_by_its_pair);
    TEST_RUN(a_driver_that_knows_one_pair);
    TEST_RUN(pairs_wait_in_turn_and_are_saved);
    TEST_RUN(plain_frames_go_out);
    TEST_RUN(checksums_are_filled_in);
    TEST_RUN(large_packets_are_cut);
    TEST_RUN(large_packets_pass_where_they_are_taken);
    TEST_RUN(large_packets_come_in);
    TEST_RUN(a_full_cable_is_waited_for);
    TEST_RUN(frames_come_in);
    TEST_RUN(buffers_are_merged);
    TEST_RUN(right_sums_are_told);
    TEST_RUN(filters);
    TEST_RUN(link_and_announcement);
    TEST_RUN(is_saved_while_a_packet_waits);
    return test_result();
}
