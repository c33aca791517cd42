/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A whole switch with members on its sockets: who gets what, limits, hostile members, commands. */
#include "vswitch/vswitch.h"
#include "../test.h"
#include "frames.h"
#include "net/net.h"
#include "net/switchdir.h"
#include "vswitch/control.h"

#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static pthread_mutex_t lock;
static struct clock *clk;
static struct loop *loop;
static struct vswitch *sw;
static char dir[64];
static struct err err;

static u64 before(void *opaque)
{
    unsigned *left = opaque;

    vswitch_tidy(sw);
    if (!(*left)--)
        loop_stop(loop);
    return 0;
}

static void run(void)
{
    unsigned rounds = 12;

    CHECK(!loop_run(loop, before, &rounds, &err));
}

/* Gives `ns` to the switch, with what is due on the way. */
static void pass_time(u64 ns)
{
    pthread_mutex_lock(&lock);
    clock_advance(clk, ns);
    pthread_mutex_unlock(&lock);
    run();
}

static void open_rig(void)
{
    pthread_mutexattr_t attr;
    struct vswitch_config cfg = {.dir = dir, .lock = &lock};

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&lock, &attr);
    snprintf(dir, sizeof(dir), "/tmp/unit-vswitch-%d", (int)getpid());
    CHECK(!switch_dir_make(dir, &err));
    CHECK(!clock_new_manual(&clk));
    CHECK(!loop_new(&loop, &err));
    cfg.loop = loop;
    cfg.clk = clk;
    CHECK(!vswitch_new(&sw, &cfg, &err));
}

static void close_rig(void)
{
    vswitch_free(sw);
    CHECK_EQ(clock_run(clk), UINT64_MAX);
    loop_free(loop);
    clock_free(clk);
    pthread_mutex_destroy(&lock);
    CHECK(!rmdir(dir)); /* no socket is left */
}

/* Words with blanks between them. NULL if it fails. */
static json_t *execute(const char *line)
{
    char copy[256], *rest = NULL;
    const char *words[32];
    size_t n = 0;

    snprintf(copy, sizeof(copy), "%s", line);
    for (char *w = strtok_r(copy, " ", &rest); w; w = strtok_r(NULL, " ", &rest))
        words[n++] = w;
    return vswitch_execute(sw, words, n, &err);
}

static void command(const char *line)
{
    json_t *val = execute(line);

    if (!val)
        fprintf(stderr, "%s: %s\n", line, err.text);
    CHECK(val);
    json_decref(val);
}

static void refused(const char *line, const char *message)
{
    json_t *val = execute(line);

    CHECK(!val);
    if (!strstr(err.text, message))
        fprintf(stderr, "%s: %s\n", line, err.text);
    CHECK(strstr(err.text, message));
    json_decref(val);
}

/* The number at a path of keys, up to NULL, in what `line` answers. */
static long long ask(const char *line, ...)
{
    json_t *val = execute(line), *at = val;
    const char *key;
    long long n;
    va_list ap;

    va_start(ap, line);
    while ((key = va_arg(ap, const char *)))
        at = json_object_get(at, key);
    va_end(ap);
    CHECK(at);
    n = json_is_integer(at) ? json_integer_value(at) : (long long)json_array_size(at);
    json_decref(val);
    return n;
}

static int join(const char *port)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    CHECK(!switch_port_path(addr.sun_path, dir, port, &err));
    CHECK(!connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
    run();
    return fd;
}

static void leave(int fd)
{
    close(fd);
    run();
}

static void put(int fd, const struct test_frame *f)
{
    u8 buf[4 + sizeof(f->data)];

    put_be32(buf, (u32)f->len);
    memcpy(buf + 4, f->data, f->len);
    CHECK_EQ(send(fd, buf, 4 + f->len, MSG_NOSIGNAL), 4 + f->len);
    run();
}

/* The next frame that has come, or one of length 0. */
static struct test_frame get(int fd)
{
    struct test_frame f = {.len = 0};
    u8 head[4];

    if (recv(fd, head, 4, MSG_DONTWAIT) != 4)
        return f;
    f.len = be32(head);
    CHECK(f.len <= sizeof(f.data));
    CHECK_EQ(recv(fd, f.data, f.len, MSG_DONTWAIT), f.len);
    return f;
}

static bool gets(int fd, const struct test_frame *f)
{
    struct test_frame got = get(fd);

    return got.len == f->len && !memcmp(got.data, f->data, f->len);
}

static bool gets_nothing(int fd)
{
    return get(fd).len == 0;
}

static void learns(void)
{
    struct test_frame hello = make_arp(1, 2), to_1 = make_tcp(2, 1, 1, 2, 2),
                      to_9 = make_tcp(2, 9, 1, 2, 2), group = make_arp(0xff, 1),
                      bridges = make_frame(1, 2, 0x88cc);
    int a, b, c;

    open_rig();
    command("port a");
    command("port b");
    command("port c flood=off");
    a = join("a");
    b = join("b");
    c = join("c");
    put(a, &hello);
    CHECK(gets(b, &hello) && gets(c, &hello) && gets_nothing(a));
    put(b, &to_1);
    CHECK(gets(a, &to_1) && gets_nothing(c));
    put(b, &to_9);
    CHECK(gets(a, &to_9) && gets_nothing(c));
    put(b, &group); /* a group is no source */
    memcpy(bridges.data, (u8[]){1, 0x80, 0xc2, 0, 0, 0x0e}, 6);
    put(b, &bridges);
    CHECK(gets_nothing(a) && gets_nothing(c));
    CHECK_EQ(ask("port b", "dropped", "form", NULL), 2);
    CHECK_EQ(ask("stats", "stations", NULL), 2);
    /* The station goes with its port, and may come back elsewhere. */
    leave(a);
    CHECK_EQ(ask("stats", "stations", NULL), 1);
    put(c, &hello);
    CHECK(gets(b, &hello));
    put(b, &to_1);
    CHECK(gets(c, &to_1));
    put(b, &hello); /* as long as it is fresh there, it is nobody else's */
    CHECK(gets_nothing(c));
    CHECK_EQ(ask("port b", "dropped", "moved", NULL), 1);
    command("set moves=on aging=20");
    put(b, &hello);
    CHECK(gets(c, &hello));
    pass_time(31 * NSEC_PER_SEC);
    CHECK_EQ(ask("stats", "stations", NULL), 0);
    close(b);
    close(c);
    close_rig();
}

static void vlans(void)
{
    struct test_frame plain = make_arp(1, 2), ten = with_tag(&plain, 10),
                      twenty = with_tag(&plain, 20);
    int a, b, t;

    open_rig();
    command("port a vlan=10");
    command("port b vlan=20");
    command("port t trunk=10,20");
    a = join("a");
    b = join("b");
    t = join("t");
    put(a, &plain);
    CHECK(gets(t, &ten) && gets_nothing(b));
    put(t, &twenty);
    CHECK(gets(b, &plain) && gets_nothing(a));
    put(t, &plain); /* of no VLAN */
    put(a, &twenty);
    CHECK(gets_nothing(a) && gets_nothing(b) && gets_nothing(t));
    CHECK_EQ(ask("port a", "dropped", "vlan", NULL), 1);
    command("port t native=20");
    put(t, &plain);
    CHECK(gets(b, &plain));
    close(a);
    close(b);
    close(t);
    close_rig();
}

static void isolation_and_rules(void)
{
    struct test_frame ssh = make_tcp(1, 0xff, 1000, 22, 2), web = make_tcp(1, 0xff, 1000, 80, 2);
    int a, b, up;

    open_rig();
    command("port any shared=on isolated=on");
    command("port up");
    a = join("any");
    b = join("any");
    up = join("up");
    put(a, &web);
    CHECK(gets_nothing(b) && gets(up, &web));
    command("port any shared=on isolated=off"); /* the members that there are, too */
    put(a, &web);
    CHECK(gets(b, &web) && gets(up, &web));
    command("rule add deny,from=any,to=any.2,proto=tcp,dport=22");
    put(a, &ssh);
    put(a, &web);
    CHECK(gets(b, &web) && gets_nothing(b) && gets(up, &ssh) && gets(up, &web));
    CHECK_EQ(ask("port any.1", "dropped", "rule", NULL), 1);
    command("policy deny");
    command("rule add at=1 allow,to=any,src=10.0.0.1");
    put(a, &ssh);
    CHECK(gets(b, &ssh) && gets_nothing(up));
    CHECK_EQ(ask("rules", "rules", NULL), 2);
    command("rule remove 1");
    put(a, &web);
    CHECK(gets_nothing(b) && gets_nothing(up));
    command("remove any");
    CHECK_EQ(recv(a, &(u8){0}, 1, 0), 0);
    CHECK_EQ(ask("stats", "ports", NULL), 1);
    close(a);
    close(b);
    close(up);
    close_rig();
}

static void spoofing(void)
{
    struct test_frame mine = make_arp(1, 2), lie = make_arp(2, 1), early = make_arp(3, 1);
    int a, b;

    open_rig();
    command("port a mac=52:54:00:00:00:01 ip=10.0.0.1");
    command("port b");
    command("port c mac=52:54:00:00:00:03");
    a = join("a");
    b = join("b");
    put(a, &mine);
    put(a, &lie);
    CHECK(gets(b, &mine) && gets_nothing(b));
    CHECK_EQ(ask("port a", "dropped", "guard", NULL), 1);
    put(b, &early); /* the address is a port's that has not even begun */
    CHECK(gets_nothing(a));
    CHECK_EQ(ask("port b", "dropped", "moved", NULL), 1);
    close(a);
    close(b);
    close_rig();
}

static void watching(void)
{
    struct test_frame to = make_arp(1, 2), back = make_tcp(2, 1, 3, 4, 2);
    struct stat st;
    char line[128];
    int a, b, m;

    open_rig();
    command("port a");
    command("port b");
    command("port m monitor=on");
    snprintf(line, sizeof(line), "port a mirror=m pcap=%s/pcap", dir);
    command(line);
    a = join("a");
    b = join("b");
    m = join("m");
    put(a, &to);
    put(b, &back);
    CHECK(gets(m, &to) && gets(m, &back) && gets_nothing(m));
    CHECK(gets(b, &to) && gets(a, &back));
    put(m, &back); /* only listens */
    CHECK(gets_nothing(a) && gets_nothing(b));
    command("port a mirror=none pcap=none");
    put(a, &to);
    CHECK(gets_nothing(m));
    snprintf(line, sizeof(line), "%s/pcap", dir);
    CHECK(!stat(line, &st));
    CHECK_EQ(st.st_size, 24 + 16 + to.len + 16 + back.len);
    unlink(line);
    close(a);
    close(b);
    close(m);
    close_rig();
}

static void limits(void)
{
    struct test_frame f = make_udp(1, 0xff, 1, 2);
    unsigned got = 0;
    int a, b;

    open_rig();
    command("port a rate-in=80k storm=0");
    command("port b");
    a = join("a");
    b = join("b");
    for (unsigned i = 0; i < 100; i++) /* 50 bytes each, 10 ms of which pass at once */
        put(a, &f);
    while (gets(b, &f))
        got++;
    CHECK(got >= 2 && got <= 4);
    for (unsigned ms = 0; ms < 100; ms += 5) /* they have waited */
        pass_time(5 * NSEC_PER_SEC / 1000);
    while (gets(b, &f))
        got++;
    CHECK(got >= 20 && got <= 26);
    for (unsigned ms = 0; ms < 400; ms += 5)
        pass_time(5 * NSEC_PER_SEC / 1000);
    while (gets(b, &f))
        got++;
    CHECK_EQ(got, 100);
    CHECK_EQ(ask("port b", "dropped", "queue", NULL), 0);

    command("port a rate-in=0 storm=10");
    for (got = 0; got < 100; got++)
        put(a, &f);
    for (got = 0; gets(b, &f);)
        got++;
    CHECK(got >= 10 && got <= 12);
    CHECK_EQ(ask("port a", "dropped", "storm", NULL), 100 - got);

    command("port a storm=0 loss=50");
    for (unsigned i = 0; i < 400; i++)
        put(a, &f);
    for (got = 0; gets(b, &f);)
        got++;
    CHECK(got > 120 && got < 280);
    CHECK_EQ(ask("port a", "dropped", "loss", NULL), 400 - got);

    command("port a loss=0");
    command("port b rate-out=80k");
    for (unsigned i = 0; i < 100; i++)
        put(a, &f);
    for (got = 0; gets(b, &f);)
        got++;
    CHECK(got >= 2 && got <= 4);
    command("port b rate-out=0"); /* what waits, goes */
    run();
    while (gets(b, &f))
        got++;
    CHECK_EQ(got, 100);
    close(a);
    close(b);
    close_rig();
}

/* One does not read, one breaks the protocol, one floods: the others notice nothing. */
static void hostile_members(void)
{
    struct test_frame f = make_arp(1, 2), noise = make_udp(7, 0xff, 1, 2);
    static const u8 wrong[] = {0xff, 0xff, 0xff, 0xff, 1, 2, 3};
    unsigned got = 0;
    int a, b, deaf, bad;

    open_rig();
    command("port any shared=on");
    a = join("any");
    b = join("any");
    deaf = join("any");
    bad = join("any");
    CHECK_EQ(send(bad, wrong, sizeof(wrong), 0), sizeof(wrong));
    run();
    CHECK_EQ(recv(bad, &(u8){0}, 1, 0), 0);
    CHECK_EQ(ask("stats", "ports", NULL), 4);
    for (unsigned i = 0; i < 20000; i++) {
        u8 buf[64];
        put_be32(buf, (u32)noise.len);
        memcpy(buf + 4, noise.data, noise.len);
        CHECK(send(a, buf, 4 + noise.len, MSG_NOSIGNAL) == (ssize_t)(4 + noise.len));
        if (i % 100 == 99)
            run();
        while (gets(b, &noise))
            got++;
    }
    CHECK_EQ(got, 20000);
    CHECK(ask("port any.3", "dropped", "queue", NULL) > 1000);
    put(b, &f);
    CHECK(gets(a, &f));
    close(a);
    close(deaf);
    close(bad);
    leave(b);
    CHECK_EQ(ask("stats", "ports", NULL), 1);
    for (unsigned i = 0; i < 70; i++) /* as many as there is room for */
        leave(join("any"));
    CHECK_EQ(ask("stats", "ports", NULL), 1);
    close_rig();
}

static void commands(void)
{
    char many[32];

    open_rig();
    refused("", "no command");
    refused("dance", "no command 'dance'");
    refused("port", "takes NAME");
    refused("port ../x", "no name");
    refused("port a vlan=0", "vlan");
    refused("port a vlan=4095", "vlan");
    refused("port a native=3", "trunk=");
    refused("port a colour=red", "no key 'colour'");
    refused("port a rate-in=1", "no rate");
    refused("port a mac=01:00:5e:00:00:01", "multicast");
    refused("port a uplink=user,model=e1000", "model");
    refused("port a uplink=nonsense", "nonsense");
    refused("port a mirror=a", "itself");
    refused("port a pcap=/nowhere/x", "/nowhere/x");
    CHECK_EQ(ask("stats", "ports", NULL), 0);
    command("port a");
    refused("port a shared=on", "remove");
    refused("remove b", "no port 'b'");
    refused("flush b", "no port 'b'");
    refused("rule add deny,foo=1", "foo");
    refused("rule remove 1", "0 rules");
    refused("rule dance 1", "rule add");
    refused("rule add at=0 deny", "from 1 to 1024");
    refused("policy maybe", "neither");
    refused("set aging=0", "from 1 to");
    refused("set colour=red", "colour");
    for (unsigned i = 1; i < 64; i++) {
        snprintf(many, sizeof(many), "port p%u", i);
        command(many);
    }
    refused("port last", "64 ports");
    command("help");
    CHECK(!vswitch_stopped(sw));
    command("stop");
    CHECK(vswitch_stopped(sw));
    close_rig();
}

static bool answers(int fd, const char *request, const char *part)
{
    char buf[4096] = "";
    ssize_t r;

    CHECK_EQ(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    run();
    r = recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT);
    return r > 0 && strstr(buf, part);
}

static void control_socket(void)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct control *c, *again;
    int fd;

    open_rig();
    CHECK(!control_new(&c, sw, loop, dir, &err));
    CHECK(control_new(&again, sw, loop, dir, &err));
    CHECK(strstr(err.text, "runs already"));
    CHECK(!switch_control_path(addr.sun_path, dir, &err));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(!connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
    run();
    CHECK(answers(fd, "[\"port\",\"a\",\"vlan=7\"]\n[\"po", "{\"return\""));
    CHECK(answers(fd, "rts\"]\n", "\"vlan\":\"7\""));
    CHECK(answers(fd, "[]\n", "error"));
    CHECK(answers(fd, "{}\n", "error"));
    CHECK(answers(fd, "[1]\n", "error"));
    CHECK(answers(fd, "\xff\n", "error"));
    CHECK(answers(fd, "[\"dance\"]\n", "no command"));
    for (unsigned i = 0; i < CONTROL_REQUEST / 4096 + 1; i++) {
        static char x[4096];
        memset(x, ' ', sizeof(x));
        if (send(fd, x, sizeof(x), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            break;
        run();
    }
    CHECK_EQ(recv(fd, &(u8){0}, 1, MSG_DONTWAIT), 0); /* a line without an end */
    close(fd);
    control_free(c);
    close_rig();
}

int main(void)
{
    TEST_RUN(learns);
    TEST_RUN(vlans);
    TEST_RUN(isolation_and_rules);
    TEST_RUN(spoofing);
    TEST_RUN(watching);
    TEST_RUN(limits);
    TEST_RUN(hostile_members);
    TEST_RUN(commands);
    TEST_RUN(control_socket);
    return test_result();
}
