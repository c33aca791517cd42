/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's packets are made and read here; the host's side are real sockets in a folder. */
#include "virtio/vsock.h"
#include "../test.h"
#include "driver.h"
#include "os/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define CID     3u
#define HOST    2u
#define BUFFERS DRV_DATA /* of 4 KiB for the device to write */
#define PACKET  (DRV_DATA + 0x100000)
#define HEADER  44u
#define ALLOC   0x10000u

enum { REQUEST = 1, RESPONSE, RST, SHUTDOWN, RW, CREDIT_UPDATE, CREDIT_REQUEST };

static struct drv d;
static struct loop *loop;
static struct virtio_vsock *v;
static char folder[64], path[80];
/* What the guest's packets say; `seen` is the device's last one. */
static u32 host_port, guest_port, alloc, fwd;
static struct {
    u32 op, len, src_port, dst_port, flags, alloc, fwd;
    u64 src, dst;
    const u8 *data;
} seen;

static void make(void)
{
    struct virtio_vsock_config cfg = {
        .cid = CID, .path = path, .loop = loop, .lock = &d.p.rig.lock, .packed = true};
    struct err err = {""};

    CHECK_EQ(virtio_vsock_new(&v, d.p.mem, d.p.rig.clk, &cfg, &err), 0);
}

static void give(unsigned n)
{
    while (n--) {
        struct drv_seg s = {BUFFERS + 4096u * d.q[0].next, 4096, true};
        drv_add(&d, 0, &s, 1);
    }
    drv_kick(&d, 0);
}

static void driver(u64 features)
{
    CHECK(drv_negotiate(&d, DRV_ALL | features | 1));
    for (u16 n = 0; n < 3; n++)
        drv_add_queue(&d, n, 128);
    drv_start(&d);
}

static void start_with(u64 features)
{
    struct err err;

    strcpy(folder, "/tmp/domus-vsock-XXXXXX");
    BUG_ON(!mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/s", folder);
    drv_open(&d);
    BUG_ON(loop_new(&loop, &err));
    make();
    drv_attach(&d, virtio_vsock_dev(v), false);
    driver(features);
    alloc = ALLOC;
    fwd = 0;
    guest_port = 1000;
}

static void start(void)
{
    start_with(0);
    give(32);
}

static void stop(void)
{
    drv_detach(&d);
    virtio_vsock_free(v);
    loop_free(loop);
    drv_close(&d);
    CHECK_EQ(rmdir(folder), 0); /* the device's socket is gone */
}

static u64 one_round(void *opaque)
{
    loop_stop(loop);
    return 0;
}

/* Lets the host's side happen. */
static void spin(void)
{
    struct err err;

    for (unsigned n = 0; n < 6; n++) {
        clock_advance(d.p.rig.clk, 0);
        CHECK_EQ(loop_run(loop, one_round, NULL, &err), 0);
    }
}

/* The next packet of the device's: its op, or 0. */
static u32 next(void)
{
    const u8 *p;
    u16 id;
    u32 len;

    if (!drv_used(&d, 0, &id, &len))
        return 0;
    p = drv_ram(&d, BUFFERS + 4096u * id);
    seen.src = le64(p);
    seen.dst = le64(p + 8);
    seen.src_port = le32(p + 16);
    seen.dst_port = le32(p + 20);
    seen.len = le32(p + 24);
    seen.op = le16(p + 30);
    seen.flags = le32(p + 32);
    seen.alloc = le32(p + 36);
    seen.fwd = le32(p + 40);
    seen.data = p + HEADER;
    CHECK_EQ(len, HEADER + seen.len);
    CHECK_EQ(le16(p + 28), 1);
    give(1);
    return seen.op;
}

static void raw_packet(u64 src, u64 dst, u16 type, u32 op, u32 flags, u32 len, u32 buffer)
{
    u8 *p = drv_ram(&d, PACKET);
    struct drv_seg s = {PACKET, buffer, false};
    u16 id;
    u32 used;

    put_le64(p, src);
    put_le64(p + 8, dst);
    put_le32(p + 16, guest_port);
    put_le32(p + 20, host_port);
    put_le32(p + 24, len);
    put_le16(p + 28, type);
    put_le16(p + 30, (u16)op);
    put_le32(p + 32, flags);
    put_le32(p + 36, alloc);
    put_le32(p + 40, fwd);
    drv_add(&d, 1, &s, 1);
    drv_kick(&d, 1);
    while (drv_used(&d, 1, &id, &used))
        CHECK_EQ(used, 0);
}

static void say(u32 op, u32 flags)
{
    raw_packet(CID, HOST, 1, op, flags, 0, HEADER);
}

static void say_data(const void *data, u32 len)
{
    memcpy(drv_ram(&d, PACKET + HEADER), data, len);
    raw_packet(CID, HOST, 1, RW, 0, len, HEADER + len);
}

static void host_says(int fd, const char *text)
{
    CHECK_EQ(send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL), strlen(text));
    spin();
}

/* What the host's socket has: exactly that. */
static bool host_gets(int fd, const char *text)
{
    char buf[64];

    return recv(fd, buf, sizeof(buf), MSG_DONTWAIT) == (ssize_t)strlen(text) &&
           !memcmp(buf, text, strlen(text));
}

/* Also where what it had sent was not read. */
static bool host_ended(int fd)
{
    char c;

    errno = 0;
    spin();
    return recv(fd, &c, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET;
}

static int client(const char *greeting)
{
    int fd = sock_connect_unix(path);

    CHECK(fd >= 0);
    spin();
    host_says(fd, greeting);
    return fd;
}

/* A client of the host, connected to the guest's port. */
static int connected(void)
{
    int fd = client("CONNECT 1000\n");
    char want[32];

    CHECK_EQ(next(), REQUEST);
    CHECK(seen.src == HOST && seen.dst == CID && seen.dst_port == 1000 && seen.alloc);
    host_port = seen.src_port;
    say(RESPONSE, 0);
    snprintf(want, sizeof(want), "OK %u\n", host_port);
    CHECK(host_gets(fd, want));
    return fd;
}

static void host_connects(void)
{
    for (unsigned n = 0; n < 2; n++) {
        int fd;

        start_with(n ? BIT64(VIRTIO_F_RING_PACKED) : 0);
        give(32);
        CHECK_EQ(drv_get(&d, 0x2000, 4), CID);
        CHECK_EQ(drv_get(&d, 0x2004, 4), 0);
        fd = connected();
        host_says(fd, "hello");
        CHECK_EQ(next(), RW);
        CHECK(seen.len == 5 && !memcmp(seen.data, "hello", 5));
        say_data("answer", 6);
        CHECK(host_gets(fd, "answer"));
        say(CREDIT_REQUEST, 0);
        CHECK_EQ(next(), CREDIT_UPDATE);
        CHECK_EQ(seen.fwd, 6);
        say(SHUTDOWN, 2);
        CHECK(host_ended(fd));
        host_says(fd, "more"); /* in this direction it is still open */
        CHECK_EQ(next(), RW);
        say(SHUTDOWN, 1);
        CHECK_EQ(next(), RST);
        CHECK_EQ(next(), 0);
        close(fd);
        stop();
    }
}

/* A machine that is paused: nothing of its memory changes, and nothing is lost. */
static void a_held_device_leaves_the_guest_alone(void)
{
    int fd, other;

    start();
    fd = connected();
    virtio_hold(virtio_vsock_dev(v), true);
    host_says(fd, "hello");
    other = client("CONNECT 1001\n");
    CHECK_EQ(next(), 0);
    spin();
    CHECK_EQ(next(), 0);
    virtio_hold(virtio_vsock_dev(v), false);
    spin();
    CHECK_EQ(next(), REQUEST);
    CHECK_EQ(seen.dst_port, 1001);
    CHECK_EQ(next(), RW);
    CHECK(seen.len == 5 && !memcmp(seen.data, "hello", 5));
    CHECK_EQ(next(), 0);
    close(fd);
    close(other);
    stop();
}

static void guest_connects(void)
{
    char listen_path[96];
    struct err err;
    int listener, fd;

    start();
    host_port = 77;
    say(REQUEST, 0);
    spin();
    CHECK_EQ(next(), RST); /* nobody listens */
    CHECK(seen.src_port == 77 && seen.dst_port == guest_port);
    snprintf(listen_path, sizeof(listen_path), "%s_77", path);
    listener = sock_listen_unix(listen_path, &err);
    say(REQUEST, 0);
    spin();
    CHECK_EQ(next(), RESPONSE);
    fd = sock_accept(listener);
    say_data("hello", 5);
    CHECK(host_gets(fd, "hello"));
    say(REQUEST, 0); /* for a connection that is there */
    CHECK_EQ(next(), RST);
    CHECK(host_ended(fd));
    close(fd);
    close(listener);
    unlink(listen_path);
    stop();
}

/* The guest's room is respected, also where it says nonsense of it. */
static void credit_of_the_guest(void)
{
    int fd;

    start();
    alloc = 10;
    fd = connected();
    host_says(fd, "0123456789abcdefghijklmno");
    CHECK_EQ(next(), RW);
    CHECK_EQ(seen.len, 10);
    CHECK_EQ(next(), CREDIT_REQUEST);
    CHECK_EQ(next(), 0);
    fwd = 8;
    say(CREDIT_UPDATE, 0);
    spin();
    CHECK_EQ(next(), RW);
    CHECK(seen.len == 8 && seen.data[0] == 'a');
    CHECK_EQ(next(), CREDIT_REQUEST);
    fwd = 1000; /* more than was sent */
    say(CREDIT_UPDATE, 0);
    spin();
    CHECK_EQ(next(), 0);
    close(fd); /* what it has sent is not lost */
    spin();
    CHECK_EQ(next(), SHUTDOWN);
    CHECK_EQ(seen.flags, 1);
    alloc = ALLOC;
    fwd = 18;
    say(CREDIT_UPDATE, 0);
    spin();
    CHECK_EQ(next(), RW);
    CHECK(seen.len == 7 && !memcmp(seen.data, "ijklmno", 7));
    CHECK_EQ(next(), SHUTDOWN);
    CHECK_EQ(seen.flags, 3);
    say(RST, 0);
    CHECK_EQ(next(), 0);
    stop();
}

/* A host that does not read: the guest's data are kept up to the room it was told of. */
static void credit_of_the_host(void)
{
    static u8 data[4096], got[4096];
    u32 sent = 0, read = 0, room = 0;
    int fd;

    start();
    fd = connected();
    room = seen.alloc;
    for (; sent - seen.fwd + sizeof(data) <= room; sent += sizeof(data)) {
        memset(data, (int)(sent >> 12), sizeof(data));
        say_data(data, sizeof(data));
        say(CREDIT_REQUEST, 0);
        while (next())
            CHECK_EQ(seen.op, CREDIT_UPDATE);
    }
    CHECK(sent > room); /* the socket has some too */
    for (ssize_t r; (r = recv(fd, got, sizeof(got), MSG_DONTWAIT)) > 0; spin()) {
        CHECK_EQ(r, sizeof(got));
        CHECK_EQ(got[0], (u8)(read >> 12));
        read += (u32)r;
    }
    CHECK_EQ(read, sent);
    CHECK_EQ(next(), CREDIT_UPDATE); /* without being asked */
    CHECK(sent - seen.fwd < room / 2);
    while (next())
        CHECK_EQ(seen.op, CREDIT_UPDATE);
    for (unsigned n = 0; n < 1000 && next() != RST; n++)
        say_data(data, sizeof(data)); /* without regard to it */
    CHECK_EQ(seen.op, RST);
    close(fd);
    stop();
}

/* What was sent before the end arrives after it. */
static void end_with_data(void)
{
    static u8 data[4096];
    u32 sent = 0, read = 0;
    int fd;

    start();
    fd = connected();
    for (; sent - seen.fwd + sizeof(data) <= seen.alloc; sent += sizeof(data)) {
        say_data(data, sizeof(data));
        say(CREDIT_REQUEST, 0);
        while (next())
            ;
    }
    say(SHUTDOWN, 3);
    CHECK_EQ(next(), 0);
    say(RST, 0);
    for (ssize_t r; (r = recv(fd, data, sizeof(data), MSG_DONTWAIT)) > 0; spin())
        read += (u32)r;
    CHECK_EQ(read, sent);
    CHECK(host_ended(fd));
    CHECK_EQ(next(), 0);
    close(fd);
    stop();
}

static void broken_by(u32 len, u32 buffer)
{
    start();
    host_port = 9;
    raw_packet(CID, HOST, 1, RW, 0, len, buffer);
    CHECK(drv_status(&d) & VIRTIO_NEEDS_RESET);
    driver(0); /* which mends it */
    give(32);
    say(RW, 0);
    CHECK_EQ(next(), RST);
    stop();
}

static void hostile_packets(void)
{
    struct drv_seg small = {BUFFERS, HEADER, true};

    broken_by(0, HEADER - 1);
    broken_by(1, HEADER);
    broken_by(0xffffffff, HEADER + 100);
    start();
    host_port = 9;
    for (u32 op = 0; op < 10; op++) {
        raw_packet(CID, HOST, 1, op == REQUEST ? RW : op, 3, 0, HEADER);
        CHECK_EQ(next(), op == RST ? 0 : RST);
    }
    raw_packet(CID, 7, 1, REQUEST, 0, 0, HEADER); /* who is not there */
    CHECK_EQ(next(), RST);
    CHECK_EQ(seen.src, 7);
    raw_packet(CID + 1, HOST, 1, REQUEST, 0, 0, HEADER); /* who it is not */
    spin();
    CHECK_EQ(next(), 0);
    stop();
    start_with(0);
    drv_add(&d, 0, &small, 1);
    drv_kick(&d, 0);
    say(RW, 0);
    CHECK(drv_status(&d) & VIRTIO_NEEDS_RESET);
    stop();
}

static void wrong_turns(void)
{
    static const u32 wrong[] = {0, REQUEST, RESPONSE, 8, 0xffff};

    start();
    for (unsigned n = 0; n < ARRAY_SIZE(wrong); n++) {
        int fd = connected();
        say(wrong[n], 0);
        CHECK_EQ(next(), RST);
        CHECK(host_ended(fd));
        close(fd);
    }
    for (u32 op = 4; op < 8; op++) { /* before it has answered */
        int fd = client("CONNECT 1000\n");
        CHECK_EQ(next(), REQUEST);
        host_port = seen.src_port;
        say(op, 0);
        CHECK_EQ(next(), RST);
        CHECK(host_ended(fd));
        close(fd);
    }
    stop();
}

/* Replies wait for buffers, and at some point the guest's packets for replies. */
static void no_buffers(void)
{
    unsigned n;

    start_with(0);
    host_port = 9;
    for (n = 0; n < 100; n++)
        say(RW, 0);
    give(32);
    for (n = 0; next() == RST; n++)
        clock_advance(d.p.rig.clk, 0);
    CHECK_EQ(n, 100);
    stop();
}

static void greetings(void)
{
    static const char *const wrong[] = {"\n",
                                        "CONNECT\n",
                                        "CONNECT x\n",
                                        "connect 1\n",
                                        "CONNECT 4294967296\n",
                                        "CONNECT 1 2\n",
                                        "CONNECT -1\n",
                                        "CONNECT 000000000000000000000000000001"};
    int fd;

    start();
    for (unsigned n = 0; n < ARRAY_SIZE(wrong); n++) {
        fd = client(wrong[n]);
        CHECK(host_ended(fd));
        close(fd);
    }
    CHECK_EQ(next(), 0);
    fd = client("CONN");
    CHECK(!host_ended(fd));
    host_says(fd, "ECT 1000\nearly");
    CHECK_EQ(next(), REQUEST);
    CHECK_EQ(next(), 0); /* data wait for the answer */
    host_port = seen.src_port;
    say(RESPONSE, 0);
    spin();
    CHECK_EQ(next(), RW);
    CHECK_EQ(seen.len, 5);
    close(fd);
    stop();
}

static void patience(void)
{
    int silent, unanswered;

    start();
    silent = client("");
    unanswered = client("CONNECT 1000\n");
    CHECK_EQ(next(), REQUEST);
    clock_advance(d.p.rig.clk, 2 * NSEC_PER_SEC);
    CHECK(host_ended(unanswered) && !host_ended(silent));
    CHECK_EQ(next(), RST);
    clock_advance(d.p.rig.clk, 3 * NSEC_PER_SEC);
    CHECK(host_ended(silent));
    CHECK_EQ(next(), 0);
    close(silent);
    close(unanswered);
    stop();
}

/* 256 connections; another client waits, another call of the guest's is refused. */
static void many(void)
{
    static int fd[257];
    unsigned n;

    start();
    for (n = 0; n < 257; n++) {
        fd[n] = client("CONNECT 1000\n");
        CHECK_EQ(next(), n < 256 ? REQUEST : 0);
    }
    host_port = 77;
    say(REQUEST, 0);
    spin();
    CHECK_EQ(next(), RST);
    CHECK_EQ(seen.src_port, 77);
    close(fd[3]);
    spin();
    CHECK_EQ(next(), RST);
    CHECK_EQ(next(), REQUEST); /* the one that has waited */
    for (n = 0; n < 257; n++)
        if (n != 3)
            close(fd[n]);
    stop();
}

static void reset_ends_all(void)
{
    int fd;

    start();
    fd = connected();
    drv_set_status(&d, 0);
    CHECK(host_ended(fd));
    close(fd);
    driver(0);
    give(32);
    fd = connected();
    CHECK_EQ(next(), 0);
    close(fd);
    stop();
}

static void saved(void)
{
    struct state_stream s = {0};
    struct drv_seg event = {PACKET + 0x8000, 4, true};
    struct err err;
    u16 id;
    u32 len;
    int fd;

    start();
    fd = connected();
    CHECK_EQ(state_save(&s, &virtio_pci_state, d.pci), 0);
    CHECK_EQ(state_save(&s, &virtio_vsock_state, v), 0);
    put_le32(drv_ram(&d, PACKET + 0x8000), 0xffffffff);
    drv_add(&d, 2, &event, 1);
    drv_detach(&d);
    virtio_vsock_free(v);
    CHECK(host_ended(fd));
    close(fd);
    make();
    drv_attach(&d, virtio_vsock_dev(v), false);
    CHECK_EQ(state_load(&s, &virtio_pci_state, d.pci, &err), 0);
    CHECK_EQ(state_load(&s, &virtio_vsock_state, v, &err), 0);
    spin();
    CHECK(drv_used(&d, 2, &id, &len) && len == 4);
    CHECK_EQ(le32(drv_ram(&d, PACKET + 0x8000)), 0); /* TRANSPORT_RESET */
    say_data("lost", 4);
    CHECK_EQ(next(), RST);
    fd = connected();
    host_says(fd, "again");
    CHECK_EQ(next(), RW);
    close(fd);
    state_dispose(&s);
    stop();
}

int main(void)
{
    TEST_RUN(host_connects);
    TEST_RUN(a_held_device_leaves_the_guest_alone);
    TEST_RUN(guest_connects);
    TEST_RUN(credit_of_the_guest);
    TEST_RUN(credit_of_the_host);
    TEST_RUN(end_with_data);
    TEST_RUN(hostile_packets);
    TEST_RUN(wrong_turns);
    TEST_RUN(no_buffers);
    TEST_RUN(greetings);
    TEST_RUN(patience);
    TEST_RUN(many);
    TEST_RUN(reset_ends_all);
    TEST_RUN(saved);
    return test_result();
}
