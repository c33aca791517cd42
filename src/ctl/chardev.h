/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a serial port's bytes go on the host: stdio, none, file:PATH or unix:PATH.
 *
 * Output is buffered (CHARDEV_OUT bytes) and written by the loop's thread, so that no CPU waits
 * for the host inside a device. A buffer that fills up asks the owner to hold the machine until
 * the host has taken it: nothing is lost, and the guest sees no time pass. A socket client that
 * takes nothing for CHARDEV_STALL_S seconds is disconnected; without a client, or after an error
 * that was reported, output is dropped.
 *
 * Input waits in a queue until the UART has room. On a terminal Ctrl-A is the escape key.
 */
#pragma once
#include "base/base.h"
#include "base/err.h"
#include "dev/ns16550a.h"
#include "os/loop.h"

#include <pthread.h>

#define CHARDEV_OUT      65536u
#define CHARDEV_OUT_HIGH 49152u /* the machine is held from here … */
#define CHARDEV_OUT_LOW  16384u /* … down to here */
#define CHARDEV_IN       16384u
#define CHARDEV_STALL_S  5

struct chardev;

struct chardev_owner {
    void (*quit)(void *opaque);          /* Ctrl-A x; loop's thread */
    void (*hold)(void *opaque, bool on); /* any thread; calls with true and false alternate */
    void *opaque;
};

/* 0 if `spec` is well-formed, else -EINVAL. */
must_check int chardev_check(const char *spec, struct err *err);
/* -errno with a message that names the file. */
must_check int chardev_open(struct chardev **out, struct loop *loop, const char *spec,
                            const struct chardev_owner *owner, struct err *err);
/* Writes out what it can within a second, restores the terminal. The machine is gone by then. */
void chardev_close(struct chardev *cd);

/* For ns16550a_new. */
struct ns16550a_backend chardev_backend(struct chardev *cd);
/* What else gets the input, under the machine's lock. It calls chardev_deliver when it has room
   again. */
struct chardev_sink {
    size_t (*room)(void *opaque); /* bytes that it can take */
    void (*receive)(void *opaque, const u8 *buf, size_t n);
    void (*receive_break)(void *opaque); /* NULL: knows none */
    void *opaque;
};
void chardev_connect_sink(struct chardev *cd, const struct chardev_sink *sink,
                          pthread_mutex_t *lock);
/* Gives the sink what waits. Under the machine's lock. */
void chardev_deliver(void *cd);
/* The UART that gets the input; `lock` is the machine's. */
void chardev_connect(struct chardev *cd, struct ns16550a *uart, pthread_mutex_t *lock);
/* From now on input is taken, and a terminal is in raw mode. */
must_check int chardev_start(struct chardev *cd, struct err *err);
/* Whether the user types at a terminal here, so that Ctrl-C is the guest's. */
bool chardev_is_terminal(const struct chardev *cd);
