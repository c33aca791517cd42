/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VNC server: one thread runs libvncserver's protocol for all clients. It takes the machine's
 * lock to copy what changed of the display, about 30 times a second while some client waits for an
 * update, and to hand over keys and pointer events. Encoding and the network are without the lock,
 * so a client holds up other clients at most (for CLIENT_WAIT_MS, then it is dropped).
 *
 * Keys come as keysyms, or as places from clients that have QEMU's extended key events. Clients
 * that cannot change their size are dropped when the guest changes the display's. Left out: TLS,
 * the clipboard, sound.
 */
#include "ui/vnc.h"
#include "ui/vnc_priv.h"

#include "os/time.h"

#include <errno.h>
#include <poll.h>
#include <rfb/rfbregion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <unistd.h>

#define FRAME_US       33000
#define CLIENT_WAIT_MS 5000
#define MIN_WIDTH      320u /* smaller pictures are shown in a corner */
#define MIN_HEIGHT     200u
#define MAX_WIDTH      8160u /* libvncserver's buffer holds one line of this */

static const rfbPixelFormat pixel_format = {.bitsPerPixel = 32,
                                            .depth = 24,
                                            .trueColour = TRUE,
                                            .redMax = 255,
                                            .greenMax = 255,
                                            .blueMax = 255,
                                            .redShift = 16,
                                            .greenShift = 8,
                                            .blueShift = 0};

static u64 now_us(void)
{
    return host_ns(CLOCK_MONOTONIC) / 1000;
}

/* Calls fn for each client; fn may close it. */
static void for_each_client(struct vnc *vnc, void (*fn)(struct vnc *vnc, rfbClientPtr cl))
{
    rfbClientIteratorPtr it = rfbGetClientIterator(vnc->screen);
    rfbClientPtr cl;

    while ((cl = rfbClientIteratorNext(it)))
        fn(vnc, cl);
    rfbReleaseClientIterator(it);
}

/* The library answers a request for the whole screen as it reads it, so that none is ever seen to
   wait here: the picture is kept up to date from a client's first request on. */
static void look_for_viewer(struct vnc *vnc, rfbClientPtr cl)
{
    const struct vnc_client *c = cl->clientData;

    vnc->viewed |= cl->state == RFB_NORMAL && c->asked;
}

static void follow_size(struct vnc *vnc, rfbClientPtr cl)
{
    const struct vnc_client *c = cl->clientData;

    vnc->screen->setTranslateFunction(cl);
    if (c->asked && !cl->useNewFBSize)
        rfbCloseClient(cl);
}

/* A frame buffer of the display's size now. */
static void resize(struct vnc *vnc, u32 width, u32 height)
{
    u32 *old = vnc->pixels, *pixels = calloc((size_t)width * height, sizeof(*pixels));

    if (!pixels)
        return; /* the picture stays as it was */
    for_each_client(vnc, vnc_input_keep_size);
    vnc->pixels = pixels;
    vnc->width = width;
    vnc->height = height;
    vnc->seen = 0;
    rfbNewFramebuffer(vnc->screen, (char *)pixels, (int)width, (int)height, 8, 3, 4);
    vnc->screen->serverFormat = pixel_format;
    free(old);
    for_each_client(vnc, follow_size);
}

static void copy_rect(struct vnc *vnc, const struct surface *s, struct surface_rect r)
{
    if (r.x >= vnc->width || r.y >= vnc->height)
        return;
    r.w = (u32)min_u64(r.w, vnc->width - r.x);
    r.h = (u32)min_u64(r.h, vnc->height - r.y);
    for (u32 y = r.y; y < r.y + r.h; y++)
        memcpy(vnc->pixels + (size_t)y * vnc->width + r.x, s->pixels + (size_t)y * s->width + r.x,
               r.w * sizeof(u32));
    rfbMarkRectAsModified(vnc->screen, (int)r.x, (int)r.y, (int)(r.x + r.w), (int)(r.y + r.h));
}

/* The size that clients see of a display of that size. */
static bool size_differs(const struct vnc *vnc, const struct surface *s, u32 *width, u32 *height)
{
    *width = (u32)min_u64(max_u64(s->width, MIN_WIDTH), MAX_WIDTH);
    *height = (u32)max_u64(s->height, MIN_HEIGHT);
    return *width != vnc->width || *height != vnc->height;
}

static void refresh(struct vnc *vnc)
{
    const struct surface *s = &vnc->cfg.display->surface;
    struct surface_rect r;
    u32 width, height;

    pthread_mutex_lock(vnc->cfg.lock);
    if (display_refresh(vnc->cfg.display) || !s->pixels) {
        pthread_mutex_unlock(vnc->cfg.lock);
        return; /* the guest asks for what cannot be shown */
    }
    if (size_differs(vnc, s, &width, &height)) {
        pthread_mutex_unlock(vnc->cfg.lock);
        resize(vnc, width, height);
        pthread_mutex_lock(vnc->cfg.lock);
    }
    if (s->pixels && s->width <= vnc->width && s->height <= vnc->height) {
        for (u32 at = 0; surface_next_changed(s, vnc->seen, &at, &r);)
            copy_rect(vnc, s, r);
        vnc->seen = s->serial;
    }
    pthread_mutex_unlock(vnc->cfg.lock);
}

static void accept_clients(struct vnc *vnc)
{
    unsigned n = 0;
    rfbClientPtr cl;
    int fd;

    for (cl = vnc->screen->clientHead; cl; cl = cl->next)
        n++;
    while ((fd = accept4(vnc->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        if (n >= VNC_MAX_CLIENTS || fd >= FD_SETSIZE) /* it waits by select() */
            close(fd);
        else if (rfbNewClient(vnc->screen, fd))
            n++;
    }
}

/* The thread. Signals are the main thread's; a write to a closed socket is an error to it. */
static void *serve(void *opaque)
{
    struct vnc *vnc = opaque;
    struct pollfd fds[2] = {{.fd = vnc->listener, .events = POLLIN},
                            {.fd = vnc->wake, .events = POLLIN}};
    u64 next = 0;

    while (!atomic_load(&vnc->stop)) {
        bool idle = !vnc->screen->clientHead;
        if (poll(fds, 2, idle ? -1 : 0) < 0 && errno != EINTR)
            break;
        if (fds[0].revents)
            accept_clients(vnc);
        if (!vnc->screen->clientHead)
            continue;
        vnc->viewed = false;
        for_each_client(vnc, look_for_viewer);
        if (vnc->viewed && now_us() >= next) {
            refresh(vnc);
            next = now_us() + FRAME_US;
        }
        rfbProcessEvents(vnc->screen,
                         vnc->viewed && now_us() < next ? (long)(next - now_us()) : FRAME_US);
    }
    return NULL;
}

static int start_thread(struct vnc *vnc, struct err *err)
{
    sigset_t all, old;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&vnc->thread, NULL, serve, vnc);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    vnc->running = !rc;
    return rc ? err_set(err, rc, "vnc=%s: cannot start a thread: %s", vnc->where.address,
                        strerror(rc))
              : 0;
}

static int make_screen(struct vnc *vnc, struct err *err)
{
    rfbScreenInfoPtr screen;

    rfbLogEnable(FALSE);
    vnc->width = MIN_WIDTH * 2;
    vnc->height = MIN_HEIGHT * 2;
    vnc->pixels = calloc((size_t)vnc->width * vnc->height, sizeof(*vnc->pixels));
    screen = rfbGetScreen(NULL, NULL, (int)vnc->width, (int)vnc->height, 8, 3, 4);
    vnc->screen = screen;
    if (!screen || !vnc->pixels)
        return err_set(err, ENOMEM, "vnc=%s: out of memory", vnc->where.address);
    screen->screenData = vnc;
    screen->frameBuffer = (char *)vnc->pixels;
    screen->serverFormat = pixel_format;
    screen->desktopName = vnc->name;
    screen->port = screen->ipv6port = 0; /* the sockets are ours */
    screen->alwaysShared = TRUE;
    screen->cursor = NULL;
    screen->deferUpdateTime = 0;
    screen->maxClientWait = CLIENT_WAIT_MS;
    screen->handleEventsEagerly = TRUE;
    screen->ignoreSIGPIPE = FALSE;
    vnc_input_init(vnc);
    if (vnc->where.password_file[0]) {
        int rc = vnc_read_password(&vnc->where, vnc->password, err);
        if (rc)
            return rc;
        vnc->passwords[0] = vnc->password;
        screen->authPasswdData = vnc->passwords;
        screen->passwordCheck = rfbCheckPasswordByList;
    }
    rfbInitServer(screen);
    return 0;
}

static int build(struct vnc *vnc, struct err *err)
{
    const char *keyboard = vnc->cfg.keyboard ? vnc->cfg.keyboard : "us";
    int rc = vnc_where_parse(&vnc->where, vnc->cfg.where, err);

    if (rc)
        return rc;
    vnc->map = keymap_find(keyboard);
    if (!vnc->map)
        return err_set(err, EINVAL, "keyboard=%s: there is no such layout", keyboard);
    snprintf(vnc->name, sizeof(vnc->name), "%s", vnc->cfg.name ? vnc->cfg.name : "domus");
    rc = make_screen(vnc, err);
    if (rc)
        return rc;
    vnc->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (vnc->wake < 0)
        return err_set(err, errno, "vnc: cannot make an eventfd: %s", strerror(errno));
    vnc->listener = vnc_listen(&vnc->where, err);
    if (vnc->listener < 0)
        return vnc->listener;
    return start_thread(vnc, err);
}

int vnc_new(struct vnc **out, const struct vnc_config *cfg, struct err *err)
{
    struct vnc *vnc = calloc(1, sizeof(*vnc));
    int rc;

    if (!vnc)
        return err_set(err, ENOMEM, "vnc: out of memory");
    vnc->cfg = *cfg;
    vnc->listener = vnc->wake = -1;
    pthread_mutex_init(&vnc->peers_lock, NULL);
    rc = build(vnc, err);
    if (rc) {
        vnc_free(vnc);
        return rc;
    }
    *out = vnc;
    return 0;
}

void vnc_free(struct vnc *vnc)
{
    if (!vnc)
        return;
    if (vnc->running) {
        atomic_store(&vnc->stop, true);
        eventfd_write(vnc->wake, 1);
        pthread_join(vnc->thread, NULL);
    }
    if (vnc->screen) {
        rfbShutdownServer(vnc->screen, TRUE);
        vnc->screen->frameBuffer = NULL;
        rfbScreenCleanup(vnc->screen);
    }
    vnc_input_dispose(vnc);
    if (vnc->listener >= 0)
        close(vnc->listener);
    if (vnc->listener >= 0 && vnc->where.is_unix)
        unlink(vnc->where.host);
    if (vnc->wake >= 0)
        close(vnc->wake);
    free(vnc->pixels);
    pthread_mutex_destroy(&vnc->peers_lock);
    explicit_bzero(vnc->password, sizeof(vnc->password));
    free(vnc);
}

const char *vnc_address(const struct vnc *vnc)
{
    return vnc->where.address;
}
