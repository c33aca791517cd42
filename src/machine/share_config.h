/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a user says about a shared folder, as text and read. Any thread. */
#pragma once
#include "base/err.h"

struct share_config {
    char path[1024];
    char tag[32]; /* that the guest mounts */
    bool read_only;
};

/* "FOLDER[,tag=NAME][,ro]"; a comma in FOLDER is written twice, the tag is "share" if none is
   given. -EINVAL with a message that names what is wrong. */
must_check int share_parse(struct share_config *out, const char *text, struct err *err);
