/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of domus switch. They return an exit status and write messages to standard error. */
#pragma once
#include <jansson.h>

/* switch_serve.c: is the switch until it is stopped. The n texts are commands, or @FILE with one on
   each line. A byte goes to `ready` (-1: none) when members can come. */
int switch_serve(const char *name, int n, char **texts, int ready);
/* The same in the background; returns when members can come. */
int switch_start(const char *name, int n, char **texts);

/* switch_show.c: an answer for people: objects as lines, lists of objects as tables. */
int switch_show(const json_t *val);
