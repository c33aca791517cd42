/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the text view writes to a terminal, and what its keys become. */
#include "ui/textview.h"
#include "../test.h"
#include "ui/cp437.h"
#include "ui/textkeys.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <unistd.h>

static struct text_screen shown, now;

static bool draws(const char *want)
{
    char *got = textview_update(&shown, &now, 80, 25);
    bool same = got && !strcmp(got, want);

    if (!same)
        for (const char *p = got; p && *p; p++)
            fprintf(stderr, *p == 27 ? "<ESC>" : "%c", *p);
    free(got);
    return same;
}

static void only_changes_are_drawn(void)
{
    shown.cols = 0;
    now = (struct text_screen){.cols = 3, .rows = 2, .blink = true, .cursor = true};
    for (unsigned i = 0; i < 6; i++)
        now.cell[i].ch = ' ', now.cell[i].attr = 7;
    CHECK(draws("\033[0m\033[2J\033[1;1H\033[0;37;40m   \033[2;1H   \033[1;1H\033[?25h"));
    CHECK(draws(""));
    now.cell[4].ch = 0xc4;
    now.cell[4].attr = 0x9e; /* blinking yellow on blue */
    CHECK(draws("\033[2;2H\033[0;93;44;5m\xe2\x94\x80\033[1;1H\033[?25h"));
    now.cursor = false;
    CHECK(draws("\033[?25l"));
    now.cursor_x = 2;
    CHECK(draws("\033[?25l"));
}

static void small_terminals_show_a_part(void)
{
    char *got;

    shown.cols = 0;
    now = (struct text_screen){.cols = 80, .rows = 25, .cursor = true, .cursor_y = 24};
    memset(now.cell, 'x', sizeof(now.cell));
    got = textview_update(&shown, &now, 10, 2);
    CHECK(got && !strstr(got, "\033[3;") && strstr(got, "\033[2;1H") && strstr(got, "\033[?25l"));
    free(got);
}

static void code_page(void)
{
    CHECK(!strcmp(cp437_utf8('A'), "A"));
    CHECK(!strcmp(cp437_utf8(0), " "));
    CHECK(!strcmp(cp437_utf8(0x84), "\xc3\xa4"));
    CHECK(!strcmp(cp437_utf8(0xdb), "\xe2\x96\x88"));
    for (unsigned i = 0; i < 256; i++)
        CHECK(*cp437_utf8((u8)i) && (u8)*cp437_utf8((u8)i) >= 0x20);
}

static u16 got[64];
static unsigned ngot;

static bool on_key(void *opaque, u16 code, bool down)
{
    if (ngot < ARRAY_SIZE(got) && down)
        got[ngot++] = code;
    return true;
}

static const struct input_ops ops = {.key = on_key};
static struct input_sink sink = {.ops = &ops, .active = true};
static struct input input;
static struct textkeys keys;

static enum textkeys_wish feed(const char *text, size_t n)
{
    ngot = 0;
    return textkeys_feed(&keys, (const u8 *)text, n);
}

static bool gives(const char *text, size_t n, unsigned want_n, const u16 *want)
{
    feed(text, n);
    return ngot == want_n && !memcmp(got, want, want_n * sizeof(*want));
}
#define GIVES(text, ...)                                                                           \
    gives(text, sizeof(text) - 1, sizeof((const u16[]){__VA_ARGS__}) / sizeof(u16),                \
          (const u16[]){__VA_ARGS__})

static void terminal_keys(void)
{
    input = (struct input){0};
    input_add(&input, &sink);
    textkeys_init(&keys, &input, keymap_find("us"));
    CHECK(GIVES("a", 30));
    CHECK(GIVES("A", 42, 30));
    CHECK(GIVES("\r", 28));
    CHECK(GIVES("\177", 14));
    CHECK(GIVES("\003", 29, 46));
    CHECK(GIVES("\033", 1));
    CHECK(GIVES("\033x", 56, 45));
    CHECK(GIVES("\033[A", 103));
    CHECK(GIVES("\033OA", 103));
    CHECK(GIVES("\033[1;5C", 29, 106));
    CHECK(GIVES("\033[3~", 111));
    CHECK(GIVES("\033OP", 59));
    CHECK(GIVES("\033[[B", 60));
    CHECK(GIVES("\033[24~x", 88, 45));
    CHECK(GIVES("\033[15;2~", 42, 63));
    CHECK(GIVES("\033[Z", 42, 15));
    CHECK(GIVES("\033[99~a", 30));
    CHECK(GIVES("\033\033", 1, 1));
    textkeys_init(&keys, &input, keymap_find("de"));
    CHECK(GIVES("z", 21));
    CHECK(GIVES("\xc3\xa4", 40));
    feed("\xc3", 1); /* the other half comes later */
    CHECK(GIVES("\xa4", 40));
    CHECK(GIVES("\xff\xff\xff\xff\x80", 0) || ngot == 0);
}

static void ctrl_a(void)
{
    textkeys_init(&keys, &input, keymap_find("us"));
    CHECK_EQ(feed("\001x", 2), TEXTKEYS_QUIT);
    CHECK_EQ(feed("\001", 1), TEXTKEYS_NOTHING);
    CHECK_EQ(feed("h", 1), TEXTKEYS_HELP);
    CHECK_EQ(ngot, 0);
    CHECK(GIVES("\001a", 29, 30));
    CHECK(GIVES("\001d", 29, 56, 111));
}

/* Bytes of any kind, whole and in halves, end and leave no key pressed. */
static void nonsense(void)
{
    u8 buf[TEXTKEYS_MAX];
    u32 x = 1;

    for (unsigned round = 0; round < 20000; round++) {
        size_t n = x % sizeof(buf);
        for (size_t i = 0; i < n; i++) {
            x = x * 1664525 + 1013904223;
            buf[i] = x >> 24 & 3 ? (u8)("\033[O;1~A\300"[x >> 26 & 7]) : (u8)(x >> 16);
        }
        textkeys_feed(&keys, buf, n);
        CHECK(keys.nheld < 4);
        for (unsigned i = 0; i < sizeof(keys.keyboard.down); i++)
            CHECK_EQ(keys.keyboard.down[i], 0);
    }
}

static bool text_ops(void *opaque, struct text_screen *t)
{
    *t = now;
    return true;
}

static atomic_bool has_quit;

static void on_quit(void *opaque)
{
    atomic_store(&has_quit, true);
}

static bool read_until(int fd, const char *want)
{
    char buf[16384];
    size_t n = 0;

    while (n < sizeof(buf) - 1) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t r;
        if (poll(&p, 1, 5000) <= 0 || (r = read(fd, buf + n, sizeof(buf) - 1 - n)) <= 0)
            return false;
        n += (size_t)r;
        buf[n] = '\0';
        if (strstr(buf, want))
            return true;
    }
    return false;
}

static void on_a_terminal(void)
{
    static const struct display_ops display_ops = {.text = text_ops};
    struct display display = {.ops = &display_ops};
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct textview_config cfg = {
        .display = &display, .input = &input, .lock = &lock, .quit = on_quit};
    struct textview *tv;
    struct err err;
    int master = posix_openpt(O_RDWR | O_NOCTTY), terminal;

    if (master < 0 || grantpt(master) || unlockpt(master))
        return;
    terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    cfg.in = cfg.out = open("/dev/null", O_RDWR);
    CHECK_EQ(-textview_new(&tv, &cfg, &err), ENOTTY);
    close(cfg.in);
    cfg.in = cfg.out = terminal;
    CHECK_EQ(textview_new(&tv, &cfg, &err), 0);
    CHECK(read_until(master, "xxxxxxxxxx"));
    CHECK(write(master, "\001x", 2) == 2);
    for (unsigned i = 0; i < 500 && !atomic_load(&has_quit); i++)
        usleep(10000);
    CHECK(atomic_load(&has_quit));
    textview_free(tv);
    CHECK(read_until(master, "\033[?1049l"));
    close(terminal);
    close(master);
}

int main(void)
{
    TEST_RUN(only_changes_are_drawn);
    TEST_RUN(small_terminals_show_a_part);
    TEST_RUN(code_page);
    TEST_RUN(terminal_keys);
    TEST_RUN(ctrl_a);
    TEST_RUN(nonsense);
    TEST_RUN(on_a_terminal);
    return test_result();
}
