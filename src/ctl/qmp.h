/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A control socket that speaks QMP, the QEMU Machine Protocol: JSON objects, a greeting first, then
 * commands with ids and answers, and events in between. Up to QMP_CLIENTS clients at a time, each
 * of which negotiates for itself and gets its own answers and all events; the next one waits.
 *
 * Clients are not trusted with the process: messages are at most QMP_MESSAGE_MAX bytes and
 * QMP_DEPTH_MAX deep, and who does not read is dropped when QMP_OUT_MAX bytes wait for it. They
 * may name any file that the process may open. The loop's thread, or before it runs.
 */
#pragma once
#include "base/err.h"

#define QMP_MESSAGE_MAX (64 * KiB)
#define QMP_DEPTH_MAX   32u
#define QMP_CLIENTS     16u
#define QMP_OUT_HIGH    (64 * KiB) /* no more commands are read from here on */
#define QMP_OUT_MAX     MiB

struct loop;
struct machine;
struct qmp;
struct vnc;

struct qmp_config {
    struct loop *loop;
    struct machine *machine;
    const char *where; /* unix:PATH */
    const char *name;  /* of the machine; NULL: none */
    struct vnc *vnc;   /* for query-vnc; NULL: there is none */
    bool vnc_password;
};

/* 0 if `where` is well-formed, else -EINVAL. */
must_check int qmp_check(const char *where, struct err *err);
/* -errno with a message. Freed before the machine. */
must_check int qmp_new(struct qmp **out, const struct qmp_config *cfg, struct err *err);
/* Writes out what it can within a second. NULL is allowed. */
void qmp_free(struct qmp *q);
