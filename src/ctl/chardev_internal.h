/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What chardev.c (buffers, descriptors) shares with its input side and its openers. */
#pragma once
#include "ctl/chardev.h"

#define CHARDEV_BREAK 0x100u /* in the input queue: a break condition */

enum chardev_kind { CHARDEV_NONE, CHARDEV_STDIO, CHARDEV_FILE, CHARDEV_UNIX };

struct chardev {
    enum chardev_kind kind;
    char *path; /* for messages; of a socket also to remove it */
    struct loop *loop;
    struct chardev_owner owner;

    /* Order of locks: the machine's, then this one, then the owner's and the loop's. */
    pthread_mutex_t lock;
    int in_fd, out_fd; /* -1: closed. The same one for a socket client; lock to write */
    int listener, stall_timer;
    struct loop_fd *in_watch, *out_watch, *listen_watch, *stall_watch; /* lock to write */
    bool started, in_eof;                                              /* lock */
    bool terminal;                                                     /* escapes are looked for */
    bool escape; /* Ctrl-A was seen; loop's thread */

    u8 out[CHARDEV_OUT]; /* ring; lock */
    u32 out_head, out_len;
    bool held;
    u64 lost; /* bytes dropped since the last report */

    u16 in[CHARDEV_IN]; /* ring; lock */
    u32 in_head, in_len;

    struct chardev_sink sink; /* room is NULL: not connected */
    pthread_mutex_t *machine_lock;
};

/* The functions below are called with cd->lock. */
void chardev_update_watches(struct chardev *cd);
void chardev_put(struct chardev *cd, const void *buf, size_t n);
void chardev_put_text(struct chardev *cd, const char *text);

/* The loop's callbacks, without it. */
void chardev_readable(void *cd, unsigned events);
