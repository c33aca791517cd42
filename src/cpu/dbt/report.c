/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --stats: what the translator has made, and what it left to the interpreter. No CPU runs. */
#include "cpu/dbt/dbt.h"
#include "cpu/dbt/run.h"

#include <stdlib.h>

#define MOST_LINES 25

struct line {
    unsigned mnemonic;
    u64 count;
};

static int by_count(const void *a, const void *b)
{
    const struct line *x = a, *y = b;

    return x->count < y->count ? 1 : x->count > y->count ? -1 : 0;
}

static void interpreted(const struct vm *vm, FILE *to)
{
    static const char *const bad = "(no instruction)";
    struct line lines[ZYDIS_MNEMONIC_MAX_VALUE + 1];
    u64 all = 0;

    for (unsigned m = 0; m <= ZYDIS_MNEMONIC_MAX_VALUE; m++) {
        lines[m] = (struct line){.mnemonic = m};
        for (unsigned n = 0; n < vm->ncpus; n++)
            lines[m].count += ((const struct dbt_cpu *)vm->cpu[n]->engine_state)->ops[m];
        all += lines[m].count;
    }
    qsort(lines, ARRAY_SIZE(lines), sizeof(lines[0]), by_count);
    fprintf(to, "dbt: %llu instructions interpreted\n", (unsigned long long)all);
    for (unsigned n = 0; n < MOST_LINES && lines[n].count; n++)
        fprintf(to, "%14llu %s\n", (unsigned long long)lines[n].count,
                lines[n].mnemonic ? ZydisMnemonicGetString((ZydisMnemonic)lines[n].mnemonic) : bad);
}

void dbt_report(const struct vm *vm, FILE *to)
{
    const struct dbt *d = ((const struct dbt_cpu *)vm->cpu[0]->engine_state)->dbt;
    u64 misses = 0, lookups = 0, links = 0;

    for (unsigned n = 0; n < vm->ncpus; n++) {
        const struct dbt_cpu *c = vm->cpu[n]->engine_state;
        misses += c->misses;
        lookups += c->lookups;
        links += c->links;
    }
    fprintf(to,
            "dbt: %llu blocks translated, %llu made void by writes, %llu KiB of code now, %llu "
            "times full\n",
            (unsigned long long)d->translated, (unsigned long long)d->invalidated,
            (unsigned long long)(d->taken / KiB), (unsigned long long)d->flushes);
    fprintf(to, "dbt: %llu TLB misses, %llu jump cache misses, %llu exits linked\n",
            (unsigned long long)misses, (unsigned long long)lookups, (unsigned long long)links);
    interpreted(vm, to);
}
