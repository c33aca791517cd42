/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cpu/excp.c: what faults on the way to a handler become, and what is recorded of debug exceptions
   and NMIs. */
#include "gates.h"

/* A fault on the way to a handler has EXT set, but not on the way of INT n. */
static void ext_bit(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;

    set_idt(g, 11, CODE0, 0x1100, INT32, 0);
    set_idt(g, 13, CODE0, 0x1300, INT32, 0);
    set_idt(g, 0x40, CODE0, 0, SYS_INT_GATE32, 0);
    CHECK(cpu_deliver_event(c, 0x40, INT_EXTERNAL));
    CHECK_EQ(c->rip, 0x1100);
    CHECK_EQ(top(g, 0), 0x40 << 3 | 3);
    to_level0(g);
    RAISES(c, cpu_software_interrupt(c, 1, INT_ICEBP), VEC_GP, 1 << 3 | 3);
    RAISES(c, cpu_software_interrupt(c, 1, INT_SOFT), VEC_GP, 1 << 3 | 2);
    c->excp = (struct excp){.vector = VEC_UD};
    CHECK(cpu_deliver(c));
    CHECK_EQ(c->rip, 0x1300);
    CHECK_EQ(top(g, 0), VEC_UD << 3 | 3);
    guest_free(g);
}

static void double_and_triple_faults(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;

    set_idt(g, 8, CODE0, 0x800, INT32, 0);
    CHECK(fault(c, VEC_GP, 0x10)); /* its gate is empty: #GP + #GP */
    CHECK_EQ(c->rip, 0x800);
    CHECK_EQ(top(g, 0), 0);
    CHECK_EQ(top(g, 1), 0x5000);

    to_level0(g);
    CHECK(fault(c, VEC_PF, 0)); /* #PF + #GP */
    CHECK_EQ(c->rip, 0x800);
    to_level0(g);
    CHECK(cpu_deliver_event(c, 0x40, INT_EXTERNAL)); /* interrupt, #GP, #GP */
    CHECK_EQ(c->rip, 0x800);
    to_level0(g);
    c->excp = (struct excp){.vector = VEC_DE}; /* contributory */
    CHECK(cpu_deliver(c));
    CHECK_EQ(c->rip, 0x800);
    to_level0(g);
    set_idt(g, 13, CODE0, 0x1300, INT32, 0);
    c->excp = (struct excp){.vector = VEC_NM}; /* benign: #GP alone */
    CHECK(cpu_deliver(c));
    CHECK_EQ(c->rip, 0x1300);

    to_level0(g);
    set_idt(g, 8, 0, 0, 0, 0);
    set_idt(g, 13, 0, 0, 0, 0);
    c->activity = ACTIVITY_RUN;
    CHECK(!fault(c, VEC_GP, 0));
    CHECK_EQ(c->activity, ACTIVITY_SHUTDOWN);
    guest_free(g);
}

static void page_faults_on_the_way(void)
{
    struct guest *g = guest_long();
    struct vcpu *c = g->c;

    set_idt(g, 8, CODE0_L, 0x800, INT32, 1);
    set_idt(g, 13, CODE0_L, 0x1300, INT32, 1);
    set_idt(g, 14, CODE0_L, 0x1400, INT32, 1);
    set_idt(g, 17, CODE0_L, 0x1700, INT32, 0);
    set_idt(g, 6, CODE0_L, 0x600, INT32, 0);
    c->gpr[RSP] = 0x40000000; /* not mapped */
    c->excp = (struct excp){.vector = VEC_UD};
    CHECK(cpu_deliver(c));
    CHECK_EQ(c->rip, 0x1400);
    CHECK_EQ(top64(g, 0), PFEC_W);
    CHECK_EQ(c->cr2, 0x3ffffff8);

    set_idt(g, 14, CODE0_L, 0x1400, INT32, 0);
    to_level0(g);
    c->gpr[RSP] = 0x40000000;
    c->excp = (struct excp){.vector = VEC_PF, .has_error = true, .cr2 = 0x123};
    CHECK(cpu_deliver(c)); /* #PF + #PF */
    CHECK_EQ(c->rip, 0x800);
    CHECK_EQ(c->cr2, 0x3ffffff8);

    set_idt(g, 13, CODE0_L, 0x1300, INT32, 0);
    set_idt(g, 14, CODE0_L, 0x1400, INT32, 1);
    to_level0(g);
    c->gpr[RSP] = 0x40000000;
    CHECK(fault(c, VEC_GP, 0)); /* #GP, then #PF: in turn */
    CHECK_EQ(c->rip, 0x1400);

    set_idt(g, 12, CODE0_L, 0x1200, INT32, 1);
    to_level0(g);
    c->gpr[RSP] = 0x800000000000; /* not canonical */
    c->excp = (struct excp){.vector = VEC_UD};
    c->gpr[RSP] += 0x100;
    CHECK(cpu_deliver(c));
    CHECK_EQ(c->rip, 0x1200);
    CHECK_EQ(top64(g, 0), 1);
    guest_free(g);
}

static void debug_exceptions(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;

    set_idt(g, 1, CODE0, 0x100, INT32, 0);
    c->dr6 = DR6_FIXED | DR6_BS | 2;
    c->dr7 = DR7_FIXED | DR7_GD;
    c->excp = (struct excp){.vector = VEC_DB, .dr6 = 1};
    CHECK(cpu_deliver(c));
    CHECK_EQ(c->dr6, DR6_FIXED | DR6_BS | 1);
    CHECK_EQ(c->dr7, DR7_FIXED);
    CHECK_EQ(top(g, 0), 0x5000);
    CHECK_EQ(top(g, 2), EFLAGS_FIXED); /* an instruction breakpoint leaves RF to the handler */

    to_level0(g);
    c->excp = (struct excp){.vector = VEC_DB, .dr6 = DR6_BD};
    CHECK(cpu_deliver(c));
    CHECK_EQ(top(g, 2), EFLAGS_FIXED | EFLAGS_RF);

    to_level0(g);
    c->pending_db = DR6_BS;
    c->dr6 = DR6_FIXED;
    CHECK(cpu_deliver_event(c, VEC_DB, INT_TRAP));
    CHECK_EQ(c->dr6, DR6_FIXED | DR6_BS);
    CHECK_EQ(c->pending_db, 0);
    CHECK_EQ(top(g, 0), 0x5002);

    to_level0(g);
    c->dr6 = DR6_FIXED;
    RUNS(c, cpu_software_interrupt(c, 1, INT_ICEBP));
    CHECK_EQ(c->dr6, DR6_FIXED);
    guest_free(g);
}

static void nmi_is_blocked_until_iret(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;

    set_idt(g, 2, CODE0, 0x200, INT32, 0);
    c->activity = ACTIVITY_HLT;
    CHECK(cpu_deliver_event(c, VEC_NMI, INT_EXTERNAL));
    CHECK(c->nmi_blocked);
    CHECK_EQ(c->activity, ACTIVITY_RUN);
    RUNS(c, cpu_iret(c, 4));
    CHECK(!c->nmi_blocked);
    CHECK_EQ(c->rip, 0x5002);

    c->nmi_blocked = true;
    c->gpr[RSP] = AT_STACK0;
    put(g, AT_STACK0 + 4, 0, 4);
    RAISES(c, cpu_iret(c, 4), VEC_GP, 0); /* even if it faults */
    CHECK(!c->nmi_blocked);
    guest_free(g);
}

/* An alignment fault whose handler runs at level 3 on a misaligned stack meets itself for ever. */
static void serial_faults_end(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;

    set_idt(g, 17, CONF0, 0x100, INT32, 0);
    at_level(g, CODE3, DATA3, AT_STACK3 + 1);
    c->cr0 |= CR0_AM;
    vcpu_set_eflags(c, EFLAGS_AC);
    CHECK(fault(c, VEC_AC, 0));
    CHECK_EQ(c->rip, 0x5000);
    CHECK_EQ(c->gpr[RSP], AT_STACK3 + 1);
    guest_free(g);
}

static void trace_names_what_was_delivered(void)
{
    struct guest *g = guest_protected();
    struct vcpu *c = g->c;
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    g->vm.trace = (struct trace){.kinds = TRACE_EXCEPTION | TRACE_IRQ, .to = f};
    set_idt(g, 1, CODE0, 0x100, INT32, 0);
    set_idt(g, 14, CODE0, 0x1400, INT32, 0);
    set_idt(g, 0x40, CODE0, 0x4000, INT32, 0);
    RAISES(c, cpu_raise_pf(c, 0xdeadbeef, 6), VEC_PF, 6);
    CHECK(cpu_deliver(c));
    CHECK(cpu_deliver_event(c, 0x40, INT_EXTERNAL));
    RAISES(c, cpu_raise_db(c, 2), VEC_DB, 0);
    CHECK(cpu_deliver(c));
    CHECK(cpu_deliver_event(c, VEC_DB, INT_TRAP));
    fclose(f);
    CHECK(strstr(text, "#PF vector 14 error 0x6 at 0008:0000000000005000"));
    CHECK(strstr(text, "cr2 0xdeadbeef"));
    CHECK(strstr(text, "interrupt 0x40 at 0008:0000000000001400"));
    CHECK(strstr(text, "#DB vector 1"));
    CHECK(strstr(text, "trap #DB"));
    free(text);
    guest_free(g);
}

int main(void)
{
    TEST_RUN(ext_bit);
    TEST_RUN(double_and_triple_faults);
    TEST_RUN(page_faults_on_the_way);
    TEST_RUN(debug_exceptions);
    TEST_RUN(nmi_is_blocked_until_iret);
    TEST_RUN(serial_faults_end);
    TEST_RUN(trace_names_what_was_delivered);
    return test_result();
}
