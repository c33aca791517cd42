/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An error for a person: one line that says what failed, on which file or option, why, and what
 * to do. Functions that can fail for reasons outside Domus return a negative errno and fill one.
 */
#pragma once
#include "base/base.h"

struct err {
    char text[512];
};

/* Sets the text, returns -errnum, so that `return err_set(err, EINVAL, …)` reads well. */
int err_set(struct err *err, int errnum, const char *fmt, ...) printf_like(3, 4);
/* Puts "context: " before the text that is there. */
void err_prefix(struct err *err, const char *fmt, ...) printf_like(2, 3);
