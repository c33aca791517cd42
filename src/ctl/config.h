/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options of `domus run`, given on the command line or in a JSON document of the same names.
   One const table describes them all. Main thread. */
#pragma once
#include "base/base.h"
#include "base/err.h"
#include "machine/config.h"

#include <stdio.h>

#define CONFIG_FILE_MAX (256 * KiB)

/* What holds where nothing else is said. config_dispose frees what later calls put in. */
void config_init(struct machine_config *cfg);
void config_dispose(struct machine_config *cfg);

enum config_help { CONFIG_NO_HELP, CONFIG_HELP, CONFIG_HELP_CPU, CONFIG_HELP_TRACE };

/* --config files first, then the options, so that the command line wins. argv[0] is skipped.
   -EINVAL with a message that names the option. Where help is asked for, nothing is set but
   *help. */
must_check int config_parse_args(struct machine_config *cfg, int argc, char *const *argv,
                                 enum config_help *help, struct err *err);
/* One JSON document; the message names the key. */
must_check int config_parse_json(struct machine_config *cfg, const char *text, size_t len,
                                 struct err *err);
/* What only the whole can tell. */
must_check int config_check(const struct machine_config *cfg, struct err *err);

void config_print_options(FILE *to);
void config_print_trace_kinds(FILE *to);
