/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text that says where a VNC server listens, and the socket for it. */
#pragma once
#include "base/err.h"

#define VNC_PORT         5900u
#define VNC_DISPLAYS     100u
#define VNC_PASSWORD_MAX 8u /* what VNC's authentication looks at */
#define VNC_WHERE_MAX    256u

struct vnc_where {
    bool is_unix;
    char host[VNC_WHERE_MAX]; /* or the path */
    u16 port;
    char password_file[VNC_WHERE_MAX]; /* empty: none */
    char address[VNC_WHERE_MAX + 8];   /* for people */
};

must_check int vnc_where_parse(struct vnc_where *w, const char *text, struct err *err);
/* The listening socket, or -errno with a message that names the address. */
must_check int vnc_listen(const struct vnc_where *w, struct err *err);
/* The first line of the password's file. */
must_check int vnc_read_password(const struct vnc_where *w, char out[VNC_PASSWORD_MAX + 1],
                                 struct err *err);
