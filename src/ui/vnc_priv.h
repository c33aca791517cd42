/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What vnc.c and vnc_input.c share. */
#pragma once
#include "ui/keyboard.h"
#include "ui/vnc.h"
#include "ui/vnc_listen.h"

#include <rfb/rfb.h>
#include <stdatomic.h>

struct vnc {
    struct vnc_config cfg;
    struct vnc_where where;
    const struct keymap *map;
    char name[64];
    char password[VNC_PASSWORD_MAX + 1];
    char *passwords[2];
    int listener, wake; /* descriptors */
    pthread_t thread;
    bool running;
    atomic_bool stop;
    pthread_mutex_t peers_lock;      /* guards what follows; nothing is called with it held */
    struct vnc_client *clients;      /* all there are */
    rfbProtocolExtension *extension; /* QEMU's extended key events */

    /* Of the thread: */
    rfbScreenInfoPtr screen;
    u32 *pixels; /* the frame buffer that is encoded, XRGB8888 */
    u32 width, height;
    u64 seen;    /* the surface's serial that it shows */
    bool viewed; /* some client has asked for the picture */
};

struct vnc_client { /* clientData of libvncserver's */
    struct vnc_client *next;
    struct vnc_peer peer;
    struct keyboard keyboard;
    int buttons;
    bool asked;        /* for an update, so it is told the size */
    u32 width, height; /* that it was told last; 0: none yet */
    bool extended;     /* was told that extended key events are understood */
};

/* Before the size changes: until a client is told, it points at the old picture. */
void vnc_input_keep_size(struct vnc *vnc, rfbClientPtr cl);
/* The hooks for clients, keys and pointers. */
void vnc_input_init(struct vnc *vnc);
void vnc_input_dispose(struct vnc *vnc);
