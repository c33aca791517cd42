/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Setters of the table in option.c. Each checks the value, which is text as a command line has it,
 * and puts it into cfg where def says; -EINVAL or -ENOMEM with a message that the caller completes
 * with the option's name. Main thread.
 */
#pragma once
#include "ctl/option.h"

/* The field that def->offset or def->count means. */
void *option_field(struct machine_config *cfg, size_t offset);

#define OPTION_SETTER(name)                                                                        \
    int option_set_##name(struct machine_config *cfg, const struct option_def *def,                \
                          const char *value, struct err *err)

/* option_set.c; a text may be empty, a choice is one of the words of def->arg. */
OPTION_SETTER(string);
OPTION_SETTER(text);
OPTION_SETTER(list);
OPTION_SETTER(choice);
OPTION_SETTER(switch);

/* option_size.c */
OPTION_SETTER(memory);
OPTION_SETTER(cpus);
OPTION_SETTER(balloon);
OPTION_SETTER(console);
OPTION_SETTER(code_cache);

/* option_machine.c */
OPTION_SETTER(board);
OPTION_SETTER(serial);
OPTION_SETTER(port);
OPTION_SETTER(disk);
OPTION_SETTER(cdrom);
OPTION_SETTER(floppy);
OPTION_SETTER(net);
OPTION_SETTER(share);
OPTION_SETTER(vsock);
OPTION_SETTER(input);
OPTION_SETTER(usb);
OPTION_SETTER(boot);
OPTION_SETTER(keyboard);
OPTION_SETTER(display);
OPTION_SETTER(sound);
OPTION_SETTER(rtc);
OPTION_SETTER(qmp);
OPTION_SETTER(engine);
OPTION_SETTER(lockstep);

/* option_trace.c */
OPTION_SETTER(trace);

#undef OPTION_SETTER
