/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VNC server (RFC 6143) for one display, by libvncserver; see vnc.c.
 *
 * vnc_new and vnc_free are called without the machine's lock, vnc_free before the display goes.
 */
#pragma once
#include "base/err.h"
#include "ui/input.h"
#include "ui/surface.h"

#include <pthread.h>

struct vnc;

struct vnc_config {
    /* Where to listen: [HOST][:N], N a display number below 100 or a port, or unix:PATH; then
       options: ",password=FILE". HOST is 127.0.0.1 unless given, N is 0; IPv6 in brackets. */
    const char *where;
    const char *keyboard; /* the guest's layout, ui/keymap.h; NULL: "us" */
    const char *name;     /* of the desktop */
    struct display *display;
    struct input *input;
    pthread_mutex_t *lock; /* the machine's */
};

/* Starts serving. -errno with a message that names address, file or layout. */
must_check int vnc_new(struct vnc **out, const struct vnc_config *cfg, struct err *err);
void vnc_free(struct vnc *vnc);
#define VNC_MAX_CLIENTS 16u
struct vnc_peer {
    char host[64], service[32]; /* numbers; both "" of one that came by a file */
    bool ipv6;
};
/* Who is connected now. Any thread. */
unsigned vnc_peers(struct vnc *vnc, struct vnc_peer peers[VNC_MAX_CLIENTS]);
/* Where it listens, for people, such as "127.0.0.1:5900". */
const char *vnc_address(const struct vnc *vnc);
