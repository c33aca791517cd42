/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A switch's control socket. A request is a JSON array of words on a line, the answer an object on
 * a line:
 * {"return": …} or {"error": {"desc": "…"}}. Who may open the socket may say everything; sizes are
 * bounded all the same. The loop's thread.
 */
#pragma once
#include "vswitch/vswitch.h"

#define CONTROL_CLIENTS 16u
#define CONTROL_REQUEST (64 * KiB)
#define CONTROL_WORDS   64u

struct control;

must_check int control_new(struct control **out, struct vswitch *sw, struct loop *loop,
                           const char *dir, struct err *err);
void control_free(struct control *c); /* NULL is allowed */

/* Carries out the words of a request, a string of JSON; the answer, which never is NULL but for
   want of memory. */
json_t *control_answer(struct vswitch *sw, const char *request, size_t len);
