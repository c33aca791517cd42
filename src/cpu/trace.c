/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Trace lines. Each is put together first and handed to stdio in one piece, so that the lines of
   several threads do not mix. Any thread. */
#include "cpu/trace.h"

#include <stdarg.h>
#include <string.h>

#define LINE_MAX_CHARS 1024

static const struct {
    const char *name;
    u32 kind;
} kinds[] = {
    {"insn", TRACE_INSN}, {"exception", TRACE_EXCEPTION},
    {"io", TRACE_IO},     {"mmio", TRACE_MMIO},
    {"irq", TRACE_IRQ},   {"msr", TRACE_MSR},
    {"xlat", TRACE_XLAT},
};

void trace_line(const struct trace *t, const char *fmt, ...)
{
    char line[LINE_MAX_CHARS];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
    va_end(ap);
    if (n < 0 || !t->to)
        return;
    if (n > LINE_MAX_CHARS - 2) /* cut off */
        n = LINE_MAX_CHARS - 2;
    line[n++] = '\n';
    fwrite(line, 1, (size_t)n, t->to);
}

u32 trace_kind_by_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (!strcmp(kinds[i].name, name))
            return kinds[i].kind;
    return 0;
}
