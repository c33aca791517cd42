/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --trace: a list of what to log. */
#include "cpu/trace.h"
#include "ctl/option_set.h"

#include <errno.h>
#include <string.h>

static const struct {
    const char *name, *help;
} trace_kinds[] = {
    {"insn", "each instruction that the interpreter executes"},
    {"exception", "exceptions and interrupts as the CPU delivers them"},
    {"io", "accesses to I/O ports"},
    {"mmio", "accesses to devices in memory"},
    {"irq", "interrupt requests of devices"},
    {"msr", "RDMSR and WRMSR"},
    {"xlat", "blocks that the translator has made, and their host code"},
};

static const char *trace_names(size_t n)
{
    return n < ARRAY_SIZE(trace_kinds) ? trace_kinds[n].name : NULL;
}

void config_print_trace_kinds(FILE *to)
{
    for (size_t i = 0; i < ARRAY_SIZE(trace_kinds); i++)
        fprintf(to, "%-10s  %s\n", trace_kinds[i].name, trace_kinds[i].help);
}

int option_set_trace(struct machine_config *cfg, const struct option_def *def, const char *value,
                     struct err *err)
{
    u32 kinds = 0;

    for (const char *p = value;; p++) {
        char word[33] = "";
        size_t len = strcspn(p, ",");

        memcpy(word, p, min_u64(len, sizeof(word) - 1));
        if (!len || !trace_kind_by_name(word)) {
            err_set(err, EINVAL, "no kind of trace '%s'; --trace help lists them", word);
            return option_hint(err, word, trace_names, "");
        }
        kinds |= trace_kind_by_name(word);
        p += len;
        if (!*p)
            break;
    }
    cfg->trace = kinds;
    return 0;
}
