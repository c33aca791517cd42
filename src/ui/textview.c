/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text console on the terminal that Domus runs in: one thread looks at the guest's text mode
 * about 30 times a second and writes what changed; the terminal's keys go to the guest's keyboard.
 * In graphics modes one line says what size the picture has. Ctrl-A x ends the machine, Ctrl-A h
 * lists the other keys.
 *
 * The machine's lock is held to copy the characters and to hand over keys, never while the
 * terminal is written to. Colours are the terminal's sixteen, whatever palette the guest loads.
 */
#include "ui/textview.h"
#include "os/term.h"
#include "ui/textkeys.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FRAME_MS       33
#define NOTE_FRAMES    30u  /* between two looks at a picture's size, which draw it */
#define HELP_FRAMES    150u /* or until a key */
#define NOTE_MAX       128u
#define DEFAULT_WIDTH  80u
#define DEFAULT_HEIGHT 25u

static const char enter[] = "\033[?1049h\033[0m\033[2J\033[H";
static const char leave[] = "\033[0m\033[?25h\033[?1049l";
static const char help[] = "Ctrl-A: x ends the machine, d Ctrl-Alt-Del, a Ctrl-A, r redraws";

struct textview {
    struct textview_config cfg;
    pthread_t thread;
    bool running;
    atomic_bool stop;
    int wake;

    /* Of the thread: */
    struct textkeys keys;
    struct text_screen now, shown; /* shown.cols is 0 when the terminal must be drawn anew */
    unsigned width, height;        /* of the terminal */
    char note[NOTE_MAX];           /* that it shows instead of the screen */
    unsigned frame, help_until;    /* frames */
};

/* False when the terminal has gone. */
static bool write_all(const struct textview *tv, const char *text, size_t n)
{
    while (n && !atomic_load(&tv->stop)) {
        ssize_t r = write(tv->cfg.out, text, n);
        if (r < 0 && errno != EINTR && errno != EAGAIN)
            return false;
        if (r < 0) { /* full: no longer than until the next look at `stop` */
            struct pollfd fd = {.fd = tv->cfg.out, .events = POLLOUT};
            poll(&fd, 1, FRAME_MS);
            continue;
        }
        text += r;
        n -= (size_t)r;
    }
    return true;
}

/* The terminal's size; another one than before: draw all. */
static void look_at_size(struct textview *tv)
{
    struct winsize ws;
    unsigned width = DEFAULT_WIDTH, height = DEFAULT_HEIGHT;

    if (!ioctl(tv->cfg.out, TIOCGWINSZ, &ws) && ws.ws_col && ws.ws_row) {
        width = ws.ws_col;
        height = ws.ws_row;
    }
    if (width == tv->width && height == tv->height)
        return;
    tv->width = width;
    tv->height = height;
    tv->shown.cols = 0;
    tv->note[0] = '\0';
}

/* One line at the top of an empty screen, unless it is there. */
static bool show_note(struct textview *tv, const char *note)
{
    char text[NOTE_MAX + 32];

    if (!strcmp(note, tv->note))
        return true;
    snprintf(tv->note, sizeof(tv->note), "%s", note);
    tv->shown.cols = 0;
    snprintf(text, sizeof(text), "\033[0m\033[2J\033[H%s\033[?25l", tv->note);
    return write_all(tv, text, strlen(text));
}

static bool show_graphics(struct textview *tv)
{
    char note[NOTE_MAX];
    u32 width, height;

    if (tv->note[0] && tv->frame % NOTE_FRAMES)
        return true;
    pthread_mutex_lock(tv->cfg.lock);
    if (display_refresh(tv->cfg.display))
        width = height = 0;
    else
        width = tv->cfg.display->surface.width, height = tv->cfg.display->surface.height;
    pthread_mutex_unlock(tv->cfg.lock);
    snprintf(note, sizeof(note), "[the guest shows graphics, %ux%u; use --display vnc to see it]",
             width, height);
    return show_note(tv, note);
}

static bool show(struct textview *tv)
{
    bool text, ok;
    char *update;

    look_at_size(tv);
    tv->frame++;
    if (tv->help_until > tv->frame)
        return true;
    pthread_mutex_lock(tv->cfg.lock);
    text = display_text(tv->cfg.display, &tv->now);
    pthread_mutex_unlock(tv->cfg.lock);
    if (!text)
        return show_graphics(tv);
    tv->note[0] = '\0';
    update = textview_update(&tv->shown, &tv->now, tv->width, tv->height);
    if (!update)
        return true; /* with the next frame, perhaps */
    ok = write_all(tv, update, strlen(update));
    free(update);
    return ok;
}

/* False when it is to end. */
static bool read_keys(struct textview *tv)
{
    u8 buf[TEXTKEYS_MAX];
    ssize_t r = read(tv->cfg.in, buf, sizeof(buf));
    enum textkeys_wish wish;

    if (r <= 0)
        return r < 0 && (errno == EINTR || errno == EAGAIN);
    pthread_mutex_lock(tv->cfg.lock);
    wish = textkeys_feed(&tv->keys, buf, (size_t)r);
    pthread_mutex_unlock(tv->cfg.lock);
    if (wish == TEXTKEYS_REDRAW)
        tv->shown.cols = 0, tv->note[0] = '\0';
    if (wish == TEXTKEYS_HELP) {
        tv->help_until = tv->frame + HELP_FRAMES;
        return show_note(tv, help);
    }
    tv->help_until = 0;
    return wish != TEXTKEYS_QUIT;
}

static void *view(void *opaque)
{
    struct textview *tv = opaque;
    struct pollfd fds[2] = {{.fd = tv->cfg.in, .events = POLLIN},
                            {.fd = tv->wake, .events = POLLIN}};
    bool alive = true;

    while (alive && !atomic_load(&tv->stop)) {
        alive = show(tv);
        if (alive && poll(fds, 2, FRAME_MS) > 0 && fds[0].revents)
            alive = read_keys(tv);
    }
    if (!alive)
        tv->cfg.quit(tv->cfg.quit_opaque);
    return NULL;
}

static int start(struct textview *tv, struct err *err)
{
    const char *keyboard = tv->cfg.keyboard ? tv->cfg.keyboard : "us";
    const struct keymap *map = keymap_find(keyboard);
    sigset_t all, old;
    int rc;

    if (!map)
        return err_set(err, EINVAL, "keyboard=%s: there is no such layout", keyboard);
    if (!isatty(tv->cfg.in) || !isatty(tv->cfg.out))
        return err_set(err, ENOTTY, "--display text: standard input and output are no terminal");
    textkeys_init(&tv->keys, tv->cfg.input, map);
    tv->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (tv->wake < 0)
        return err_set(err, errno, "--display text: cannot make an eventfd: %s", strerror(errno));
    rc = term_raw(tv->cfg.in, err);
    if (rc)
        return rc;
    write_all(tv, enter, strlen(enter));
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&tv->thread, NULL, view, tv);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    tv->running = !rc;
    return rc ? err_set(err, rc, "--display text: cannot start a thread: %s", strerror(rc)) : 0;
}

int textview_new(struct textview **out, const struct textview_config *cfg, struct err *err)
{
    struct textview *tv = calloc(1, sizeof(*tv));
    int rc;

    if (!tv)
        return err_set(err, ENOMEM, "--display text: out of memory");
    tv->cfg = *cfg;
    tv->wake = -1;
    rc = start(tv, err);
    if (rc) {
        textview_free(tv);
        return rc;
    }
    *out = tv;
    return 0;
}

void textview_free(struct textview *tv)
{
    if (!tv)
        return;
    if (tv->running) {
        atomic_store(&tv->stop, true);
        eventfd_write(tv->wake, 1);
        pthread_join(tv->thread, NULL);
        atomic_store(&tv->stop, false);
        write_all(tv, leave, strlen(leave));
        term_restore();
    }
    if (tv->wake >= 0)
        close(tv->wake);
    free(tv);
}
