/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cables, the recorder in one, and what cards do with frames. */
#include "net/net.h"
#include "../test.h"
#include "base/le.h"
#include "bus/clock.h"
#include "net/frame.h"
#include "net/pcap.h"
#include "rig.h"

#include <unistd.h>

static struct far a, b;

static void cable(void)
{
    far_init(&a);
    far_init(&b);
    CHECK(net_send(&a.end, (const u8 *)"nobody there", 12));
    net_plug(&a.end, &b.end);
    CHECK_EQ(a.links, 1);
    CHECK_EQ(b.links, 1);
    CHECK(net_send(&a.end, (const u8 *)"hello", 5));
    CHECK_EQ(b.n, 1);
    CHECK(!memcmp(b.data[0], "hello", 5));
    b.room = 0;
    CHECK(!net_send(&a.end, (const u8 *)"wait", 4));
    b.room = 9;
    net_ready(&b.end);
    CHECK_EQ(a.ready, 1);
    net_set_link(&b.end, false);
    net_set_link(&a.end, false); /* no change */
    CHECK(!a.end.link_up && !b.end.link_up);
    CHECK_EQ(a.links, 2);
    CHECK(net_send(&a.end, (const u8 *)"gone", 4));
    CHECK_EQ(b.n, 1);
    net_set_link(&a.end, true);
    net_hold(&a.end, true);
    CHECK(!net_send(&a.end, (const u8 *)"held", 4));
    CHECK(!net_send(&b.end, (const u8 *)"held", 4));
    b.ready = a.ready = 0;
    net_hold(&b.end, false);
    CHECK_EQ(a.ready, 1);
    CHECK_EQ(b.ready, 1);
    CHECK(net_send(&b.end, (const u8 *)"back", 4));
    CHECK_EQ(a.n, 1);
    net_unplug(&b.end);
    net_unplug(&b.end);
    CHECK(!a.end.peer && !a.end.link_up);
    CHECK_EQ(a.links, 4);
}

static void recorder(void)
{
    char path[] = "/tmp/unit-net-pcap-XXXXXX";
    u8 file[256], frame[100];
    int fd = mkstemp(path);
    struct net_pcap *p;
    struct clock *clk;
    struct err err;
    u64 wall;

    far_init(&a);
    far_init(&b);
    memset(frame, 0x55, sizeof(frame));
    CHECK(!clock_new_manual(&clk));
    clock_advance(clk, 5);
    wall = clock_wall(clk) - clock_now(clk);
    CHECK(!net_pcap_new(&p, path, 64, clk, &err));
    net_plug(&b.end, net_pcap_far_end(p));
    net_plug(&a.end, net_pcap_card_end(p));
    clock_advance(clk, 2 * NSEC_PER_SEC);
    CHECK(net_send(&a.end, frame, 20));
    b.room = 0;
    CHECK(!net_send(&a.end, frame, 30));
    net_ready(&b.end);
    CHECK_EQ(a.ready, 1);
    CHECK(net_send(&b.end, frame, sizeof(frame)));
    CHECK_EQ(a.n, 1);
    CHECK_EQ(a.len[0], 100);
    net_set_link(&b.end, false);
    CHECK(!a.end.link_up);
    net_set_link(&a.end, true);
    CHECK(b.end.link_up);
    net_pcap_free(p);
    CHECK(!a.end.peer && !b.end.peer);

    CHECK_EQ(read(fd, file, sizeof(file)), 24 + 16 + 20 + 16 + 64);
    CHECK_EQ(le32(file), 0xa1b2c3d4);
    CHECK_EQ(le16(file + 4), 2);
    CHECK_EQ(le16(file + 6), 4);
    CHECK_EQ(le32(file + 16), 64);
    CHECK_EQ(le32(file + 20), 1);
    CHECK(le32(file + 24) - (wall + 2 * NSEC_PER_SEC) / NSEC_PER_SEC < 3);
    CHECK_EQ(le32(file + 32), 20);
    CHECK_EQ(le32(file + 36), 20);
    CHECK(!memcmp(file + 40, frame, 20));
    CHECK_EQ(le32(file + 60 + 8), 64);
    CHECK_EQ(le32(file + 60 + 12), 100);
    close(fd);
    unlink(path);
    CHECK(net_pcap_new(&p, "/nonexistent/file", 0, clk, &err));
    CHECK(strstr(err.text, "/nonexistent/file"));
    clock_free(clk);
}

/* 01:00:5e:00:00:01 and the buckets that drivers compute for it. */
static void hashes(void)
{
    static const u8 all_hosts[6] = {0x01, 0x00, 0x5e, 0x00, 0x00, 0x01};

    CHECK_EQ(~frame_crc((const u8 *)"123456789", 9), 0xcbf43926);
    CHECK_EQ(frame_hash_left(all_hosts), 0x1f);
    CHECK_EQ(frame_hash_right(all_hosts), frame_crc(all_hosts, 6) >> 26);
}

static void make_tcp(u8 *f, size_t payload)
{
    static const u8 head[] = {0x52, 0x54, 0,    0, 0, 1,  0x52, 0x54, 0,    0, 0,  2,
                              8,    0,    0x45, 0, 0, 0,  0,    7,    0x40, 0, 64, 6,
                              0,    0,    10,   0, 2, 15, 10,   0,    2,    2};

    memset(f, 0, 54 + payload);
    memcpy(f, head, sizeof(head));
    put_be16(f + 16, (u16)(40 + payload));
    put_be32(f + 38, 1000);
    f[46] = 0x50;
    f[47] = 0x19; /* ACK, PSH, FIN */
    for (size_t i = 0; i < payload; i++)
        f[54 + i] = (u8)i;
}

static void checksums(void)
{
    u8 f[200];
    struct frame_layout l;

    CHECK_EQ(frame_sum((const u8 *)"\x00\x01\xf2\x03\xf4\xf5\xf6\xf7", 8), 0xddf2);
    CHECK_EQ(frame_sum((const u8 *)"\xff\xff\xff", 3), 0xff00);
    make_tcp(f, 101);
    CHECK(frame_parse(&l, f, 155));
    CHECK_EQ(l.l3, 14);
    CHECK_EQ(l.l4, 34);
    CHECK_EQ(l.end, 155);
    CHECK_EQ(l.proto, FRAME_L4_TCP);
    CHECK(!frame_ip_sum_ok(&l, f));
    CHECK(!frame_l4_sum_ok(&l, f));
    frame_put_ip_sum(&l, f);
    frame_put_l4_sum(&l, f);
    CHECK(frame_ip_sum_ok(&l, f));
    CHECK(frame_l4_sum_ok(&l, f));
    f[100] ^= 4;
    CHECK(!frame_l4_sum_ok(&l, f));
    CHECK(!frame_parse(&l, f, 154)); /* cut off */
    f[20] = 0x20;                    /* more fragments follow */
    CHECK(frame_parse(&l, f, 155) && l.proto == FRAME_L4_NONE);
    f[14] = 0x44;
    CHECK(!frame_parse(&l, f, 155));
    CHECK(!frame_parse(&l, f, 13));
}

static void segments(void)
{
    static u8 f[3100], out[3100];
    struct frame_layout l;
    struct frame_large p = {
        .data = f, .len = 3054, .header = 54, .mss = 1460, .l3 = 14, .l4 = 34, .ip = 1, .tcp = 1};

    make_tcp(f, 3000);
    CHECK_EQ(frame_segment(&p, 0, out), 1514);
    CHECK(frame_parse(&l, out, 1514));
    CHECK_EQ(be16(out + 18), 7);
    CHECK_EQ(be32(out + 38), 1000);
    CHECK_EQ(out[47], 0x10);
    CHECK_EQ(frame_segment(&p, 2920, out), 54 + 80);
    CHECK(frame_parse(&l, out, 134) && l.end == 134);
    CHECK_EQ(be16(out + 18), 9);
    CHECK_EQ(be32(out + 38), 3920);
    CHECK_EQ(out[47], 0x19);
    CHECK(!memcmp(out + 54, f + 54 + 2920, 80));
}

int main(void)
{
    TEST_RUN(cable);
    TEST_RUN(recorder);
    TEST_RUN(hashes);
    TEST_RUN(checksums);
    TEST_RUN(segments);
    return test_result();
}
