/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starting four CPUs: INIT and SIPI (SDM 3A 8.4, 10.4.7), each CPU's identity and state, INIT of a
   CPU that runs, SIPI ignored outside wait-for-SIPI, the state after INIT. */
#include "smp.h"
#include "apic.h"
#include "desc.h"
#include "io.h"
#include "time.h"
#include "trap.h"

#define CPUS 4

static volatile u32 ids[CPUS], versions[CPUS], bsp[CPUS], leaf[CPUS];
static volatile u64 tsc[CPUS];

static void identify(word cpu)
{
    ids[cpu] = apic_read(APIC_ID) >> 24;
    versions[cpu] = apic_read(APIC_VERSION);
    bsp[cpu] = (u32)rdmsr(MSR_APIC_BASE) >> 8 & 1;
    leaf[cpu] = cpuid(1, 0).ebx >> 24;
    tsc[cpu] = rdtsc();
}

static void identities(void)
{
    test("identities");
    smp_all(CPUS, identify);
    for (u32 i = 0; i < CPUS; i++) {
        CHECK_EQ(ids[i], i);
        CHECK_EQ(leaf[i], i);
        CHECK_EQ(versions[i], versions[0]);
        CHECK_EQ(bsp[i], i == 0);
    }
    u64 ms = tsc_of_us(1000);
    for (u32 i = 1; i < CPUS; i++) /* one clock: no CPU is seconds away from another */
        CHECK(tsc[i] - tsc[0] + 5000 * ms < 10000 * ms);
}

/* A CPU started here writes what it finds to ap_state and halts. 16-bit code at a page's start. */
struct ap_state {
    u32 done;
    u32 cs, ip_ok, cr0, cr4, efer, flags, dx;
} __attribute__((packed));
extern volatile struct ap_state ap_state;
LOW_CODE(".balign 4096\n.code16", ap_probe,
         "cli\n pushw $0\n" /* a stack at 0:0 */
         "xorw %ax, %ax\n movw %ax, %ds\n"
         "movl $0, %ebx\n movw %cs, %bx\n movl %ebx, ap_state + 4\n"
         "movl %cr0, %eax\n movl %eax, ap_state + 12\n"
         "movl %cr4, %eax\n movl %eax, ap_state + 16\n"
         "movl $0xc0000080, %ecx\n rdmsr\n movl %eax, ap_state + 20\n"
         "call 1f\n1: popw %ax\n subw $1b - ap_probe, %ax\n movzwl %ax, %eax\n"
         "movl %eax, ap_state + 8\n"
         "movl $1, ap_state\n 2: cli\n hlt\n jmp 2b\n.balign 16\n"
         ".globl ap_state\n ap_state: .fill 32, 1, 0\n");

static void raw_start(u32 cpu)
{
    apic_ipi(cpu, ICR_INIT | ICR_ASSERT);
    delay_us(10000);
    apic_ipi(cpu, ICR_SIPI | ICR_ASSERT | (u32)((word)ap_probe >> 12));
}

static void state(void)
{
    test("state of a CPU after INIT and SIPI");
    ap_state.done = 0;
    raw_start(1);
    CHECK(WAIT_FOR(ap_state.done, 1000));
    CHECK_EQ(ap_state.cs, (word)ap_probe >> 4);
    CHECK_EQ(ap_state.ip_ok, 0); /* starts at offset 0 of that segment */
    CHECK_EQ(ap_state.cr0 & 0x9fffffff, 0x10);
    CHECK_EQ(ap_state.cr4, 0);
    CHECK_EQ(ap_state.efer, 0);
    test("SIPI without INIT is ignored");
    ap_state.done = 0;
    apic_ipi(1, ICR_SIPI | ICR_ASSERT | (u32)((word)ap_probe >> 12));
    delay_us(20000);
    CHECK_EQ(ap_state.done, 0);
    test("INIT alone stops it");
    apic_ipi(1, ICR_INIT | ICR_ASSERT);
    delay_us(20000);
    CHECK_EQ(ap_state.done, 0);
    apic_ipi(1, ICR_SIPI | ICR_ASSERT | (u32)((word)ap_probe >> 12));
    CHECK(WAIT_FOR(ap_state.done, 1000));
}

static volatile u32 turns;

static void take_turns(word cpu)
{
    for (u32 i = 0; i < 200; i++) {
        while (turns % CPUS != cpu)
            pause_cpu();
        turns = turns + 1;
    }
}

static void token(void)
{
    test("a token goes around");
    turns = 0;
    smp_all(CPUS, take_turns);
    CHECK_EQ(turns, 200 * CPUS);
}

GUEST("smp")
{
    smp_start(CPUS);
    CHECK_EQ(smp_up, CPUS - 1);
    identities();
    token();
    state();
}
