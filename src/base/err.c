/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, int errnum, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    return -errnum;
}

void err_prefix(struct err *err, const char *fmt, ...)
{
    char old[sizeof(err->text)], head[128];
    va_list ap;

    memcpy(old, err->text, sizeof(old));
    va_start(ap, fmt);
    vsnprintf(head, sizeof(head), fmt, ap);
    va_end(ap);
    snprintf(err->text, sizeof(err->text), "%s: %.*s", head, (int)(sizeof(old) - sizeof(head) - 3),
             old);
}
