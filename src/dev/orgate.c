/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/orgate.h"

#include <errno.h>
#include <stdlib.h>

static void set_input(void *opaque, unsigned n, bool level)
{
    struct orgate *g = opaque;
    u32 old = g->levels;

    g->levels = level ? old | BIT(n) : old & ~BIT(n);
    if (!old != !g->levels)
        irq_set(&g->out, g->levels != 0);
}

void orgate_init(struct orgate *g, struct irq out)
{
    *g = (struct orgate){.out = out};
}

int orgate_new(struct orgate **out, struct irq output)
{
    struct orgate *g = malloc(sizeof(*g));

    if (!g)
        return -ENOMEM;
    orgate_init(g, output);
    *out = g;
    return 0;
}

void orgate_free(struct orgate *g)
{
    free(g);
}

void orgate_reset(struct orgate *g)
{
    g->levels = 0;
    irq_set(&g->out, false);
}

struct irq orgate_input(struct orgate *g, unsigned n)
{
    BUG_ON(n >= ORGATE_INPUTS);
    return (struct irq){.set = set_input, .opaque = g, .n = n};
}

static int loaded(void *gate)
{
    const struct orgate *g = gate;

    irq_set(&g->out, g->levels != 0);
    return 0;
}

static const struct state_field fields[] = {
    STATE_UINT(struct orgate, levels),
    STATE_END,
};

const struct state_table orgate_state = {
    .name = "orgate", .version = 1, .oldest = 1, .fields = fields, .loaded = loaded};
