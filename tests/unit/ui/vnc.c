/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VNC server with a small RFB client over a Unix socket, and what addresses it takes. */
#include "ui/vnc.h"
#include "../test.h"
#include "ui/vnc_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock;
static u32 width, height, colour;
static unsigned refreshes;
static u16 keys[16];
static unsigned nkeys;
static u16 at_x, at_y;
static unsigned at_buttons;
static int wheel_sum;

static int draw(void *opaque, struct surface *s)
{
    u32 dot = colour;
    int rc = surface_resize(s, width, height);

    refreshes++;
    if (!rc)
        surface_put(s, 5, 7, &dot, 1);
    return rc;
}

static bool on_key(void *opaque, u16 code, bool down)
{
    if (nkeys < ARRAY_SIZE(keys))
        keys[nkeys++] = code | (down ? 0 : 0x8000);
    return true;
}

static void on_point(void *opaque, u16 x, u16 y, int wheel, unsigned buttons)
{
    at_x = x;
    at_y = y;
    wheel_sum += wheel;
    at_buttons = buttons;
}

static const struct display_ops display_ops = {.refresh = draw};
static const struct input_ops input_ops = {.key = on_key, .point = on_point};
static struct display display;
static struct input input;
static struct input_sink sink = {.ops = &input_ops, .active = true};
static char path[64];
static struct vnc *vnc;

static void open_vnc(const char *options, const char *keyboard)
{
    pthread_mutexattr_t attr;
    char where[128];
    struct err err = {""};

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&lock, &attr);
    display = (struct display){.ops = &display_ops};
    input = (struct input){0};
    input_add(&input, &sink);
    width = 400;
    height = 300;
    colour = 0x112233;
    refreshes = nkeys = 0;
    wheel_sum = 0;
    snprintf(path, sizeof(path), "/tmp/domus-vnc-%d", getpid());
    snprintf(where, sizeof(where), "unix:%s%s", path, options);
    if (vnc_new(&vnc,
                &(struct vnc_config){.where = where,
                                     .keyboard = keyboard,
                                     .name = "a test",
                                     .display = &display,
                                     .input = &input,
                                     .lock = &lock},
                &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
}

static void close_vnc(void)
{
    vnc_free(vnc);
    CHECK(access(path, F_OK) == -1);
    surface_dispose(&display.surface);
    pthread_mutex_destroy(&lock);
}

static int dial(void)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = 10};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    memcpy(sa.sun_path, path, strlen(path));
    if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
        exit(1);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fd;
}

static bool take(int fd, void *to, size_t n)
{
    u8 *p = to;

    while (n) {
        ssize_t r = read(fd, p, n);
        if (r <= 0)
            return false;
        p += r;
        n -= (size_t)r;
    }
    return true;
}

/* That the server has closed is seen by the next read. */
static void give(int fd, const void *from, size_t n)
{
    if (write(fd, from, n) != (ssize_t)n && errno != EPIPE && errno != ECONNRESET)
        exit(1);
}

/* Up to ServerInit; the size in w and h. */
static bool handshake(int fd, u16 *w, u16 *h)
{
    u8 buf[256], n;
    u32 len;

    if (!take(fd, buf, 12) || memcmp(buf, "RFB 003.", 8))
        return false;
    give(fd, "RFB 003.008\n", 12);
    if (!take(fd, &n, 1) || !take(fd, buf, n) || !memchr(buf, 1, n))
        return false;
    give(fd, "\1", 1);
    if (!take(fd, buf, 4) || memcmp(buf, "\0\0\0\0", 4))
        return false;
    give(fd, "\1", 1);
    if (!take(fd, buf, 24))
        return false;
    *w = (u16)(buf[0] << 8 | buf[1]);
    *h = (u16)(buf[2] << 8 | buf[3]);
    CHECK_EQ(buf[4], 32);
    CHECK_EQ(buf[14], 16); /* red shift */
    len = (u32)buf[20] << 24 | (u32)buf[21] << 16 | (u32)buf[22] << 8 | buf[23];
    return len < sizeof(buf) && take(fd, buf, len);
}

static void set_encodings(int fd)
{
    /* raw, NewFBSize, QEMU's keys */
    static const u8 msg[] = {2,    0,    0,    3,    0,    0,    0,    0,
                             0xff, 0xff, 0xff, 0x21, 0xff, 0xff, 0xfe, 0xfe};
    give(fd, msg, sizeof(msg));
}

static void ask(int fd, bool incremental, u16 w, u16 h)
{
    u8 msg[10] = {3, incremental, 0, 0, 0, 0, (u8)(w >> 8), (u8)w, (u8)(h >> 8), (u8)h};
    give(fd, msg, sizeof(msg));
}

static u32 screen[2000 * 1000];

struct seen {
    u16 w, h; /* of a NewFBSize */
    bool keys;
    unsigned raw;
};

/* One message of updates, drawn into `screen` with lines of 2000. */
static bool update(int fd, struct seen *seen)
{
    u8 head[12];
    unsigned n;

    *seen = (struct seen){0};
    if (!take(fd, head, 4) || head[0])
        return false;
    for (n = head[2] * 256u + head[3]; n; n--) {
        unsigned x, y, w, h, enc;
        if (!take(fd, head, 12))
            return false;
        x = head[0] * 256u + head[1], y = head[2] * 256u + head[3];
        w = head[4] * 256u + head[5], h = head[6] * 256u + head[7];
        enc = (unsigned)head[8] << 24 | head[9] * 65536u | head[10] * 256u | head[11];
        if (enc == 0xffffff21) {
            seen->w = (u16)w, seen->h = (u16)h;
        } else if (enc == 0xfffffefe) {
            seen->keys = true;
        } else {
            if (enc || x + w > 2000 || y + h > 1000)
                return false;
            seen->raw += w * h;
            for (unsigned i = 0; i < h; i++)
                if (!take(fd, screen + (y + i) * 2000 + x, w * 4))
                    return false;
        }
    }
    return true;
}

static void set_colour(u32 c, u32 w, u32 h)
{
    pthread_mutex_lock(&lock);
    colour = c;
    width = w;
    height = h;
    pthread_mutex_unlock(&lock);
}

/* Asks until the pixel is there. */
static bool wait_pixel(int fd, u32 c, bool all, struct seen *total)
{
    struct seen seen;

    *total = (struct seen){0};
    for (unsigned i = 0; i < 20; i++) {
        ask(fd, i || !all, 2000, 1000);
        if (!update(fd, &seen))
            return false;
        total->raw += seen.raw;
        total->keys |= seen.keys;
        if (seen.w)
            total->w = seen.w, total->h = seen.h;
        if (screen[7 * 2000 + 5] == c)
            return true;
    }
    return false;
}

static void shows_the_display(void)
{
    struct seen seen;
    u16 w, h;
    int fd;

    open_vnc("", NULL);
    usleep(100000);
    CHECK_EQ(refreshes, 0); /* nobody looks */
    fd = dial();
    CHECK(handshake(fd, &w, &h));
    set_encodings(fd);
    CHECK(wait_pixel(fd, 0x112233, true, &seen));
    CHECK(seen.w == 400 && seen.h == 300);
    CHECK(seen.keys);
    /* Only the tile that changed comes. */
    set_colour(0x445566, 400, 300);
    CHECK(wait_pixel(fd, 0x445566, false, &seen));
    CHECK(seen.raw >= SURFACE_TILE_W * SURFACE_TILE_H && seen.raw < 64 * 64);
    set_colour(0x778899, 800, 600);
    CHECK(wait_pixel(fd, 0x778899, true, &seen));
    CHECK(seen.w == 800 && seen.h == 600);
    close(fd);
    close_vnc();
}

static void drops_a_client_that_cannot_change_size(void)
{
    static const u8 raw_only[] = {2, 0, 0, 1, 0, 0, 0, 0};
    struct seen seen;
    u16 w, h;
    int fd;

    open_vnc("", NULL);
    fd = dial();
    CHECK(handshake(fd, &w, &h));
    give(fd, raw_only, sizeof(raw_only));
    ask(fd, false, w, h);
    while (update(fd, &seen))
        ask(fd, true, w, h);
    close(fd);
    fd = dial(); /* which knows the new size from the start */
    CHECK(handshake(fd, &w, &h));
    CHECK(w == 400 && h == 300);
    give(fd, raw_only, sizeof(raw_only));
    CHECK(wait_pixel(fd, 0x112233, true, &seen));
    close(fd);
    close_vnc();
}

static bool wait_for(const unsigned *what, unsigned want)
{
    for (unsigned i = 0; i < 500; i++) {
        bool there;
        pthread_mutex_lock(&lock);
        there = *what == want;
        pthread_mutex_unlock(&lock);
        if (there)
            return true;
        usleep(10000);
    }
    return false;
}

static void takes_keys_and_pointers(void)
{
    static const u8 key_z[] = {4, 1, 0, 0, 0, 0, 0, 'z'};
    static const u8 ext_up[] = {255, 0, 0, 1, 0, 0, 0xff, 0x52, 0, 0, 0, 0xc8};
    static const u8 pointer[] = {5, 0x11, 1, 0x8f, 0, 0};
    u16 w, h;
    int fd;

    open_vnc("", "de");
    fd = dial();
    CHECK(handshake(fd, &w, &h));
    set_encodings(fd);
    give(fd, key_z, sizeof(key_z));
    give(fd, ext_up, sizeof(ext_up));
    CHECK(wait_for(&nkeys, 2));
    CHECK_EQ(keys[0], 21); /* where a German keyboard has its z */
    CHECK_EQ(keys[1], 103);
    give(fd, pointer, sizeof(pointer));
    CHECK(wait_for(&at_buttons, INPUT_LEFT));
    CHECK(at_x > 0x3000 && at_y == 0);
    CHECK_EQ(wheel_sum, 1);
    close(fd);
    CHECK(wait_for(&nkeys, 4)); /* nothing stays pressed */
    CHECK_EQ(keys[2], 21 | 0x8000);
    close_vnc();
}

static unsigned drawn(void)
{
    unsigned n;

    pthread_mutex_lock(&lock);
    n = refreshes;
    pthread_mutex_unlock(&lock);
    return n;
}

/* What was changed before has been seen by the server. */
static bool drawn_twice(void)
{
    unsigned before = drawn();

    for (unsigned i = 0; i < 500; i++) {
        if (drawn() - before >= 2)
            return true;
        usleep(10000);
    }
    return false;
}

/* Takes what the server sends unasked, for requests that it answered with a size alone. */
static bool quieten(int fd)
{
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    struct seen seen;

    for (u32 n = 0; n < 10; n++) {
        set_colour(n, 400, 300);
        if (poll(&pfd, 1, 500) == 0)
            return true;
        if (!update(fd, &seen))
            return false;
    }
    return false;
}

/* A client that has not asked again points at the picture that it has. */
static void points_at_the_size_that_it_knows(void)
{
    static const u8 corner[] = {5, 1, 1, 0x8f, 1, 0x2b}, up[] = {5, 0, 1, 0x8f, 1, 0x2b};
    struct seen seen;
    u16 w, h;
    int fd;

    at_buttons = 0;
    open_vnc("", NULL);
    fd = dial();
    CHECK(handshake(fd, &w, &h));
    set_encodings(fd);
    CHECK(wait_pixel(fd, 0x112233, true, &seen));
    CHECK(quieten(fd));
    set_colour(0x445566, 800, 600);
    CHECK(drawn_twice());
    give(fd, corner, sizeof(corner));
    CHECK(wait_for(&at_buttons, INPUT_LEFT));
    CHECK(at_x == INPUT_ABS_MAX && at_y == INPUT_ABS_MAX);
    CHECK(wait_pixel(fd, 0x445566, true, &seen));
    give(fd, up, sizeof(up));
    CHECK(wait_for(&at_buttons, 0));
    CHECK(at_x == 399u * INPUT_ABS_MAX / 799 && at_y == 299u * INPUT_ABS_MAX / 599);
    close(fd);
    close_vnc();
}

static void asks_for_a_password(void)
{
    char file[] = "/tmp/domus-vnc-pw-XXXXXX", options[64];
    u8 buf[64], n;
    int pw = mkstemp(file), fd;

    give(pw, "secret\n", 7);
    close(pw);
    snprintf(options, sizeof(options), ",password=%s", file);
    open_vnc(options, NULL);
    fd = dial();
    CHECK(take(fd, buf, 12));
    give(fd, "RFB 003.008\n", 12);
    CHECK(take(fd, &n, 1) && take(fd, buf, n));
    CHECK(!memchr(buf, 1, n) && memchr(buf, 2, n));
    give(fd, "\2", 1);
    CHECK(take(fd, buf, 16));
    give(fd, buf, 16); /* wrong */
    CHECK(take(fd, buf, 4) && buf[3]);
    close(fd);
    close_vnc();
    unlink(file);
}

static void survives_nonsense(void)
{
    static const u8 junk[64] = {255, 7, 6, 6, 6, 255};
    u16 w, h;
    int fd[20];

    open_vnc("", NULL);
    for (unsigned i = 0; i < 20; i++) /* more than are let in */
        fd[i] = dial();
    for (unsigned i = 0; i < 20; i++)
        close(fd[i]);
    fd[0] = dial();
    give(fd[0], "GET / HTTP/1.0\r\n\r\n", 18);
    close(fd[0]);
    fd[0] = dial();
    CHECK(handshake(fd[0], &w, &h));
    give(fd[0], junk, sizeof(junk));
    fd[1] = dial();
    CHECK(handshake(fd[1], &w, &h));
    close(fd[0]);
    close(fd[1]);
    close_vnc();
}

static void addresses(void)
{
    struct vnc_where w;
    struct err err;

    CHECK(!vnc_where_parse(&w, ":1", &err) && !strcmp(w.address, "127.0.0.1:5901"));
    CHECK(!vnc_where_parse(&w, "0.0.0.0", &err) && !strcmp(w.address, "0.0.0.0:5900"));
    CHECK(!vnc_where_parse(&w, "[::1]:7000", &err) && !strcmp(w.address, "[::1]:7000"));
    CHECK(!vnc_where_parse(&w, "unix:/x,password=/y", &err) && w.is_unix);
    CHECK(!strcmp(w.host, "/x") && !strcmp(w.password_file, "/y"));
    CHECK(!vnc_where_parse(&w, "", &err) && w.port == 5900);
    CHECK(vnc_where_parse(&w, "h:", &err) && strstr(err.text, "vnc=h:"));
    CHECK(vnc_where_parse(&w, ":99999", &err));
    CHECK(vnc_where_parse(&w, ":1,tls=yes", &err));
    CHECK(vnc_where_parse(&w, "[::1", &err));
    CHECK(vnc_where_parse(&w, "unix:", &err));
}

static void errors_name_what_is_wrong(void)
{
    struct vnc_config cfg = {
        .where = "192.0.2.1:5", .display = &display, .input = &input, .lock = &lock};
    struct vnc *v;
    struct err err;

    CHECK(vnc_new(&v, &cfg, &err) && strstr(err.text, "192.0.2.1:5905"));
    cfg.keyboard = "xx";
    CHECK(vnc_new(&v, &cfg, &err) && strstr(err.text, "xx"));
    cfg.keyboard = NULL;
    cfg.where = ":1,password=/nowhere";
    CHECK(vnc_new(&v, &cfg, &err) && strstr(err.text, "/nowhere"));
}

/* libvncserver 0.9.14 does not free its record of an extension for a client it drops. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:rfbEnableExtension";
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* servers close sockets that are written to */
    TEST_RUN(addresses);
    TEST_RUN(errors_name_what_is_wrong);
    TEST_RUN(shows_the_display);
    TEST_RUN(drops_a_client_that_cannot_change_size);
    TEST_RUN(takes_keys_and_pointers);
    TEST_RUN(points_at_the_size_that_it_knows);
    TEST_RUN(asks_for_a_password);
    TEST_RUN(survives_nonsense);
    return test_result();
}
