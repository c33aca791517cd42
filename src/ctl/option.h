/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one table of options: what config.c reads from command lines and files. Any thread. */
#pragma once
#include "base/base.h"
#include "ctl/config.h"

struct option_def {
    const char *name;
    const char *arg; /* NULL for a switch */
    const char *help;
    /* NULL for --config, which config.c does itself. */
    int (*set)(struct machine_config *cfg, const struct option_def *def, const char *value,
               struct err *err);
    size_t offset;              /* of the field */
    size_t count, max;          /* lists: offset of the number of items; how many at most */
    bool owns_string;           /* the field is a char * to be freed */
    enum config_help help_word; /* what the value "help" asks for */
};

/* NULL past the last. */
const struct option_def *option_at(size_t n);
const struct option_def *option_find(const char *name, size_t len);
/* As suggest_nearest wants it. */
const char *option_name(size_t n);

/* Frees what the option holds, so that it can be set anew. */
void option_clear(struct machine_config *cfg, const struct option_def *def);
/* Puts "; did you mean …?" behind the message if a candidate is near. -EINVAL. */
int option_hint(struct err *err, const char *word, const char *(*name)(size_t n),
                const char *dashes);
