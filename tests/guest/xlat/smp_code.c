/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Code that other CPUs run while one changes it. A page of code exchanged under INVLPG by
 * interrupt: once every CPU has answered, none may run the old page. A CALL patched as Linux does
 * it (INT3, the rest, the first byte, with a serializing interrupt behind each step), inside a page
 * and across two. Interrupts to CPUs in loops that leave only by them.
 */
#include "apic.h"
#include "desc.h"
#include "io.h"
#include "page.h"
#include "smp.h"
#include "time.h"
#include "trap.h"
#include "xlat.h"

#define CPUS  3u
#define FLUSH 0x71
#define SYNC  0x72
#define LEAVE 0x73
#define VA    (TEST_BASE + 0x123000)
#define SITE  (TEST_BASE + 0x200000)

static page_aligned u8 version_page[2][4096], site_page[2][4096];
static volatile u32 phase, answers, rounds[CPUS];
static volatile bool stop;
static volatile struct {
    u32 seen, low, high;
} bad[CPUS]; /* the first value that must not be, and what it should have been */

static u32 me(void)
{
    return cpuid(1, 0).ebx >> 24;
}

static u32 call(word at)
{
    u32 v;
    asm volatile("call *%1" : "=a"(v) : "r"(at) : "memory", "cc");
    return v;
}

static void answer(void)
{
    __atomic_fetch_add(&answers, 1, __ATOMIC_SEQ_CST);
    apic_eoi();
}

static void on_flush(struct frame *f)
{
    (void)f;
    invlpg((void *)VA);
    answer();
}

static void on_sync(struct frame *f)
{
    (void)f;
    (void)cpuid(0, 0);
    answer();
}

/* All others run the handler of that vector, and have finished it. */
static void everywhere(u8 vector)
{
    answers = 0;
    apic_ipi(0, ICR_OTHERS | ICR_ASSERT | vector);
    while (answers != CPUS - 1)
        pause_cpu();
}

static void report(word cpu, u32 seen, u32 low, u32 high)
{
    if (bad[cpu].high)
        return;
    bad[cpu].seen = seen, bad[cpu].low = low, bad[cpu].high = high;
}

static void check_bad(void)
{
    for (u32 i = 1; i < CPUS; i++)
        if (bad[i].high) {
            print("CPU %u: ", i);
            CHECK_IN(bad[i].seen, bad[i].low, bad[i].high);
            bad[i].high = 0;
        }
    CHECK(true);
}

/* Calls the function of the page that is exchanged: of this version or the next, never back. */
static void version_runner(word cpu)
{
    u32 last = 0;
    sti();
    while (!stop) {
        u32 at_least = phase, v = call(VA), at_most = phase + 1;
        if (v < at_least || v > at_most || v < last)
            report(cpu, v, at_least > last ? at_least : last, at_most);
        last = v;
        rounds[cpu]++;
    }
    cli();
}

static void begin(void (*runner)(word))
{
    stop = false;
    for (u32 i = 1; i < CPUS; i++)
        rounds[i] = 0, smp_run(i, runner, i);
}

static void end(void)
{
    stop = true;
    for (u32 i = 1; i < CPUS; i++)
        smp_wait(i);
    check_bad();
}

/* Until each has come by at least once more. */
static void let_run(void)
{
    u32 before[CPUS];
    for (u32 i = 1; i < CPUS; i++)
        before[i] = rounds[i];
    for (u32 i = 1; i < CPUS; i++)
        while (rounds[i] == before[i])
            pause_cpu();
}

static void put_version(u32 which, u32 v)
{
    u8 *p = version_page[which];
    p = EMIT(p, 0x90, 0xb8);
    p = emit_le(p, v, 4);
    EMIT(p, 0xc3);
}

static void remap(void)
{
    test("a page of code exchanged under CPUs that run it");
    phase = 1;
    put_version(1, 1);
    volatile u64 *pte = page_map(VA, (word)version_page[1], PTE_P | PTE_W);
    begin(version_runner);
    for (u32 v = 2; v < 40; v++) {
        put_version(v & 1, v);
        *pte = (word)version_page[v & 1] | PTE_P | PTE_W;
        invlpg((void *)VA);
        everywhere(FLUSH);
        phase = v;
        if (v % 4 == 0)
            let_run();
    }
    end();
}

/* The call site: at SITE + offset. Handler of INT3: goes on behind it, as if it were no call. */
static word site;

static void on_int3(struct frame *f)
{
    if (f->ip != site + 1)
        guest_fatal("INT3 at %lx", (unsigned long)f->ip);
    f->ip = site + 5;
}

static void site_runner(word cpu)
{
    sti();
    while (!stop) {
        u32 at = phase, v;
        asm volatile("xorl %%eax, %%eax\n call *%1" : "=&a"(v) : "r"(site - 16) : "memory", "cc");
        u32 now = phase;
        /* phase 2n: target n & 1 is in place; 2n + 1: it is being changed to the other. */
        bool steady = at == now && !(at & 1);
        if (steady && v != 100 + (at >> 1 & 1))
            report(cpu, v, 100 + (at >> 1 & 1), 100 + (at >> 1 & 1));
        if (v != 0 && v != 100 && v != 101)
            report(cpu, v, 100, 101);
        rounds[cpu]++;
    }
    cli();
}

static u8 *site_byte(word va)
{
    return va < SITE + 4096 ? &site_page[1][va - SITE] : &site_page[0][va - SITE - 4096];
}

static void poke(word target)
{
    u8 rel[4];
    emit_le(rel, target - (site + 5), 4);
    put8(site_byte(site), 0xcc);
    everywhere(SYNC);
    for (u32 i = 0; i < 4; i++)
        put8(site_byte(site + 1 + i), rel[i]);
    everywhere(SYNC);
    put8(site_byte(site), 0xe8);
    everywhere(SYNC);
}

static void patching(const char *name, u32 offset)
{
    word target[2] = {SITE + 0x80, SITE + 0x1200};
    test(name);
    site = SITE + offset;
    page_map(SITE, (word)site_page[1], PTE_P | PTE_W);
    page_map(SITE + 4096, (word)site_page[0], PTE_P | PTE_W);
    memset((void *)(site - 16), 0x90, 16);
    emit_rel32((u8 *)site, 0xe8, (void *)target[0]);
    EMIT((u8 *)site + 5, 0xc3);
    for (u32 i = 0; i < 2; i++) {
        u8 *p = EMIT((u8 *)target[i], 0xb8);
        p = emit_le(p, 100 + i, 4);
        EMIT(p, 0xc3);
    }
    phase = 0;
    trap_handle(BP, on_int3);
    begin(site_runner);
    for (u32 n = 1; n < 16; n++) {
        phase = 2 * n - 1;
        poke(target[n & 1]);
        phase = 2 * n;
        if (n % 4 == 0)
            let_run();
    }
    end();
}

/* Loops that the handler of LEAVE ends, by R12: where to go. */
CODE(loop_self, "leaq 2f(%rip), %r12\n sti\n1: jmp 1b\n2: cli\n ret");
CODE(loop_two,
     "leaq 2f(%rip), %r12\n sti\n1: incl %eax\n jmp 3f\n nop\n3: incl %ecx\n jmp 1b\n2: cli\n ret");
CODE(loop_indirect, "leaq 2f(%rip), %r12\n leaq 1f(%rip), %rcx\n sti\n1: jmp *%rcx\n2: cli\n ret");
CODE(loop_ret,
     "leaq 2f(%rip), %r12\n leaq 1f(%rip), %rcx\n movq %rsp, %rdx\n sti\n1: pushq %rcx\n ret\n"
     "2: cli\n ret");
CODE(loop_hlt, "leaq 2f(%rip), %r12\n sti\n1: hlt\n jmp 1b\n2: cli\n ret");
static const u8 *const leave_loops[] = {loop_self, loop_two, loop_indirect, loop_ret, loop_hlt};

static void on_leave(struct frame *f)
{
    f->ip = f->r12;
    answer();
}

static void loop_runner(word which)
{
    rounds[me()]++;
    asm volatile("call *%0"
                 :
                 : "r"(leave_loops[which])
                 : "rax", "rcx", "rdx", "r12", "memory", "cc");
}

static void loops(void)
{
    for (u32 which = 0; which < ARRAY_SIZE(leave_loops); which++)
        for (u32 n = 0; n < 3; n++) {
            test("interrupts to CPUs in endless loops");
            answers = 0;
            for (u32 i = 1; i < CPUS; i++) {
                rounds[i] = 0;
                smp_run(i, loop_runner, which);
                while (!rounds[i])
                    pause_cpu();
            }
            delay_us(200);
            apic_ipi(0, ICR_OTHERS | ICR_ASSERT | LEAVE);
            if (!WAIT_FOR(answers == CPUS - 1, 3000))
                guest_fatal("loop %u: %u CPUs answer, not all", which, answers);
            for (u32 i = 1; i < CPUS; i++)
                smp_wait(i);
        }
    CHECK(true);
}

GUEST("smp-code")
{
    trap_handle(FLUSH, on_flush);
    trap_handle(SYNC, on_sync);
    trap_handle(LEAVE, on_leave);
    smp_start(CPUS);
    remap();
    patching("a call patched in steps", 0x40);
    patching("a call patched in steps, across pages", 0xffe);
    loops();
}
