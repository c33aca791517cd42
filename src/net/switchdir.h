/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a switch's sockets are: a folder for each switch, "port-NAME" for each port in it, and
 * "control". Any thread.
 */
#pragma once
#include "base/err.h"

#define SWITCH_PATH_MAX 108u /* of sun_path in unix(7) */

/* Of the switch `name`: a folder below $XDG_RUNTIME_DIR/domus, /run/domus for root, or
   /tmp/domus-UID; or `name` itself where it has a slash. -EINVAL, -ENAMETOOLONG. */
must_check int switch_dir(char out[SWITCH_PATH_MAX], const char *name, struct err *err);
/* Makes the folder, and those above it that are Domus', for the user alone. What is there already
   must be the user's and writable for nobody else. */
must_check int switch_dir_make(const char *dir, struct err *err);
must_check int switch_port_path(char out[SWITCH_PATH_MAX], const char *dir, const char *port,
                                struct err *err);
must_check int switch_control_path(char out[SWITCH_PATH_MAX], const char *dir, struct err *err);
