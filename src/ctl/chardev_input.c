/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Input of a serial port: read, look for the escape key, queue, hand over as the UART has room. */
#include "ctl/chardev_internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define CTRL_A     0x01
#define READ_CHUNK 1024u

static const char help_text[] = "\r\n"
                                "Ctrl-A h  this text\r\n"
                                "Ctrl-A x  end the machine at once\r\n"
                                "Ctrl-A b  send a break\r\n"
                                "Ctrl-A a  send Ctrl-A\r\n"
                                "Ctrl-A c  reserved for the monitor\r\n";

static void queue(struct chardev *cd, u16 what)
{
    if (cd->in_len == CHARDEV_IN) {
        chardev_put_text(cd, "\a"); /* only a terminal comes here: more typed than fits */
        return;
    }
    cd->in[(cd->in_head + cd->in_len++) % CHARDEV_IN] = what;
}

/* The key after Ctrl-A. True if the user wants to leave. */
static bool escape_key(struct chardev *cd, u8 key)
{
    switch (key) {
    case 'x':
        return true;
    case 'h':
    case '?':
        chardev_put_text(cd, help_text);
        break;
    case 'b':
        queue(cd, CHARDEV_BREAK);
        break;
    case 'a':
    case CTRL_A:
        queue(cd, CTRL_A);
        break;
    case 'c':
        chardev_put_text(cd, "\r\ndomus: there is no monitor yet\r\n");
        break;
    default:
        break;
    }
    return false;
}

static bool take(struct chardev *cd, const u8 *buf, size_t n)
{
    bool quit = false;

    for (size_t i = 0; i < n; i++) {
        if (cd->escape) {
            cd->escape = false;
            quit |= escape_key(cd, buf[i]);
        } else if (cd->terminal && buf[i] == CTRL_A) {
            cd->escape = true;
        } else {
            queue(cd, buf[i]);
        }
    }
    return quit;
}

static void end_of_input(struct chardev *cd)
{
    cd->in_eof = true;
    if (cd->in_watch == cd->out_watch)
        return; /* a client that may still want the output */
    loop_remove(cd->in_watch);
    cd->in_watch = NULL;
}

void chardev_readable(void *opaque, unsigned events)
{
    struct chardev *cd = opaque;
    u8 buf[READ_CHUNK];
    size_t want = sizeof(buf);
    bool quit = false;
    ssize_t r;

    pthread_mutex_lock(&cd->lock);
    if (!cd->terminal)
        want = min_u64(want, CHARDEV_IN - cd->in_len);
    r = want && cd->in_fd >= 0 ? read(cd->in_fd, buf, want) : -1;
    if (r > 0)
        quit = take(cd, buf, (size_t)r);
    else if (r == 0 || (want && errno != EAGAIN && errno != EINTR))
        end_of_input(cd);
    chardev_update_watches(cd);
    pthread_mutex_unlock(&cd->lock);

    if (cd->sink.room) {
        pthread_mutex_lock(cd->machine_lock);
        chardev_deliver(cd);
        pthread_mutex_unlock(cd->machine_lock);
    }
    if (quit)
        cd->owner.quit(cd->owner.opaque);
}

/* Takes up to `room` bytes off the queue, or one break (which is not mixed with bytes). */
static size_t unqueue(struct chardev *cd, u8 *buf, size_t room, bool *is_break)
{
    size_t n = 0;

    pthread_mutex_lock(&cd->lock);
    while (n < room && cd->in_len && !*is_break) {
        u16 what = cd->in[cd->in_head];
        if (what == CHARDEV_BREAK && n)
            break;
        *is_break = what == CHARDEV_BREAK;
        buf[n++] = (u8)what;
        cd->in_head = (cd->in_head + 1) % CHARDEV_IN;
        cd->in_len--;
    }
    if (n)
        chardev_update_watches(cd);
    pthread_mutex_unlock(&cd->lock);
    return n;
}

void chardev_deliver(void *opaque)
{
    struct chardev *cd = opaque;
    u8 buf[64];
    size_t room, n;

    if (!cd->sink.room)
        return;
    while ((room = cd->sink.room(cd->sink.opaque))) {
        bool is_break = false;
        n = unqueue(cd, buf, min_u64(room, sizeof(buf)), &is_break);
        if (!n)
            break;
        if (!is_break)
            cd->sink.receive(cd->sink.opaque, buf, n);
        else if (cd->sink.receive_break)
            cd->sink.receive_break(cd->sink.opaque);
    }
}
