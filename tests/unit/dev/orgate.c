/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/orgate.h"
#include "../test.h"
#include "rig.h"

static void is_high_while_any_input_is(void)
{
    struct wire w = {0};
    struct orgate *g = NULL;
    struct irq a, b;

    CHECK_EQ(orgate_new(&g, wire_irq(&w)), 0);
    a = orgate_input(g, 0);
    b = orgate_input(g, ORGATE_INPUTS - 1);
    irq_set(&a, true);
    irq_set(&b, true);
    irq_set(&a, false);
    CHECK(w.level);
    irq_set(&b, false);
    CHECK(!w.level);
    CHECK_EQ(w.rises, 1);
    CHECK_EQ(w.falls, 1);
    irq_set(&b, true);
    orgate_reset(g);
    CHECK(!w.level);
    irq_pulse(&a);
    CHECK_EQ(w.rises, 3);
    orgate_free(g);
}

int main(void)
{
    TEST_RUN(is_high_while_any_input_is);
    return test_result();
}
