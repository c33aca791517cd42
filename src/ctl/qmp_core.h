/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From one request of QMP to its answer, apart from the socket: qmp_core.c checks the request's
 * form, qmp_cmd.c has the table of commands, other files the commands by what they are about. The
 * loop's thread, without the machine's lock.
 */
#pragma once
#include "base/base.h"
#include "base/err.h"
#include "ctl/qmp.h"
#include "ui/input.h"

#include <jansson.h>

#define QMP_KEYS 256u /* that wait to be pressed and released */

struct loop_fd;

/* send-key: keys go down at once and are released after a while, one command after the other. */
struct qmp_keys {
    struct {
        u16 code; /* 0: a pause of `ms` */
        u16 ms;
        bool down;
    } queue[QMP_KEYS]; /* ring */
    unsigned head, len;
    int timer;
    struct loop_fd *watch;
};

/* One client's, filled by it but for `ready`. */
struct qmp_session {
    void (*send)(void *opaque,
                 json_t *message); /* takes over the reference; NULL: drops the client */
    void *opaque;
    bool ready; /* capabilities are negotiated: it gets events */
};

struct qmp_core {
    struct qmp_config cfg;
    struct qmp_session *session[QMP_CLIENTS]; /* NULL: none */
    bool quitting;
    unsigned buttons; /* of input-send-event, INPUT_* */
    struct qmp_keys keys;
};

must_check int qmp_core_init(struct qmp_core *q, const struct qmp_config *cfg, struct err *err);
void qmp_core_dispose(struct qmp_core *q);
/* A client has come, one of at most QMP_CLIENTS, and is greeted; or has gone. */
void qmp_join(struct qmp_core *q, struct qmp_session *s);
void qmp_leave(struct qmp_core *q, struct qmp_session *s);
/* One message; sends its answer. */
void qmp_execute(struct qmp_core *q, struct qmp_session *s, const char *text, size_t len);
/* An answer to what is no message. */
void qmp_refuse(struct qmp_session *s, const char *why);
/* To all. Takes over the reference to data, which may be NULL. */
void qmp_event(struct qmp_core *q, const char *name, json_t *data);

/* Why a command fails. */
struct qmp_error {
    const char *class; /* NULL: GenericError */
    struct err err;
};

/* One command; args is an object that has the arguments of the table in their types. Returns what
   is answered, NULL with *e filled on failure. */
typedef json_t *(*qmp_fn)(struct qmp_core *q, const json_t *args, struct qmp_error *e);

struct qmp_command {
    const char *name;
    qmp_fn fn;
    /* "name:type" with blanks between; type is s(tring), i(nteger), b(oolean), a(rray), o(bject);
       "?" before what may be missing, "*" at the end for whatever else. */
    const char *args;
};

/* NULL past the last. */
const struct qmp_command *qmp_command_at(size_t n);

json_t *qmp_fail(struct qmp_error *e, const char *fmt, ...) printf_like(2, 3);
json_t *qmp_no_device(struct qmp_error *e, const char *name);
/* What is answered where there is nothing to say. */
json_t *qmp_done(void);
/* Domus' version, as the greeting and query-version tell it. */
json_t *qmp_version(void);
/* paused, suspended, running */
const char *qmp_run_state(const struct qmp_core *q);
/* Of a message, which may have been cut within a character and is then no UTF-8. */
json_t *qmp_text(const char *text);
/* NULL if it was not given. */
const char *qmp_string(const json_t *args, const char *name);
bool qmp_flag(const json_t *args, const char *name);

/* qmp_block.c */
json_t *qmp_query_block(struct qmp_core *q, const json_t *args, struct qmp_error *e);
json_t *qmp_eject(struct qmp_core *q, const json_t *args, struct qmp_error *e);
json_t *qmp_change_medium(struct qmp_core *q, const json_t *args, struct qmp_error *e);
json_t *qmp_block_resize(struct qmp_core *q, const json_t *args, struct qmp_error *e);
json_t *qmp_open_tray(struct qmp_core *q, const json_t *args, struct qmp_error *e);
json_t *qmp_close_tray(struct qmp_core *q, const json_t *args, struct qmp_error *e);
void qmp_tray_moved(struct qmp_core *q, unsigned drive);
void qmp_trouble(struct qmp_core *q, unsigned drive);
/* False, with the formats that there are told: it is none of them. */
bool qmp_format_known(const char *format, struct qmp_error *e);
/* qmp_input.c */
json_t *qmp_send_key(struct qmp_core *q, const json_t *args, struct qmp_error *e);
json_t *qmp_send_event(struct qmp_core *q, const json_t *args, struct qmp_error *e);
must_check int qmp_keys_init(struct qmp_core *q, struct err *err);
void qmp_keys_dispose(struct qmp_core *q);
/* qmp_screen.c */
json_t *qmp_screendump(struct qmp_core *q, const json_t *args, struct qmp_error *e);
json_t *qmp_query_vnc(struct qmp_core *q, const json_t *args, struct qmp_error *e);
/* qmp_plug.c */
json_t *qmp_netdev_add(struct qmp_core *q, const json_t *args, struct qmp_error *e);
json_t *qmp_netdev_del(struct qmp_core *q, const json_t *args, struct qmp_error *e);
json_t *qmp_blockdev_add(struct qmp_core *q, const json_t *args, struct qmp_error *e);
json_t *qmp_blockdev_del(struct qmp_core *q, const json_t *args, struct qmp_error *e);
json_t *qmp_device_add(struct qmp_core *q, const json_t *args, struct qmp_error *e);
json_t *qmp_device_del(struct qmp_core *q, const json_t *args, struct qmp_error *e);
void qmp_unplugged(struct qmp_core *q, unsigned device);
/* qmp_balloon.c */
json_t *qmp_balloon(struct qmp_core *q, const json_t *args, struct qmp_error *e);
json_t *qmp_query_balloon(struct qmp_core *q, const json_t *args, struct qmp_error *e);
void qmp_balloon_moved(struct qmp_core *q);
/* qmp_hmp.c */
json_t *qmp_human(struct qmp_core *q, const json_t *args, struct qmp_error *e);
