/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupts of tight loops by the local APIC's timer: a loop of any kind must be interrupted, and
 * between two instructions. Every loop counts in R8 and then in R9, so the address of the interrupt
 * says by how much they must differ. Then where a pending interrupt may come in: STI's and MOV SS's
 * shadows, POPF, IRET, HLT, never under CLI. A loop that hangs is the last one named.
 */
#include "apic.h"
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"
#include "xlat.h"

#define TICK    0x50
#define TICKS   12
#define CODE_VA (TEST_BASE + 0x3000)
#define PERIOD  100000 /* of the timer's clock, about 1 GHz */

#define R8_UP "incq %r8\n"
#define R9_UP "incq %r9\n"

CODE(jump_self, "1: jmp 1b");
CODE(one_block, "1: " R8_UP R9_UP "jmp 1b");
CODE(conditional, "1: " R8_UP R9_UP "jnz 1b\n ud2");
CODE(never_taken,
     "1: " R8_UP "testl %eax, %eax\n js 2f\n" R9_UP "testl %eax, %eax\n js 2f\n jmp 1b\n"
     "2: ud2");
CODE(two_blocks, "1: " R8_UP "jmp 2f\n nop\n nop\n2: " R9_UP "jmp 1b");
CODE(far_blocks, "1: " R8_UP "jmp 2f\n .skip 1000, 0xcc\n2: " R9_UP "jmp 1b");
CODE(by_loop, "1: " R8_UP R9_UP "movl $3, %ecx\n2: loop 2b\n jmp 1b");
CODE(just_loop, "1: movl $-1, %ecx\n2: loop 2b\n jmp 1b");
CODE(jrcxz, "xorl %ecx, %ecx\n1: " R8_UP R9_UP "jrcxz 1b\n ud2");
CODE(indirect, "leaq 1f(%rip), %r10\n1: " R8_UP R9_UP "jmp *%r10");
CODE(indirect_two, "leaq 1f(%rip), %r10\n leaq 2f(%rip), %r11\n1: " R8_UP "jmp *%r11\n int3\n"
                   "2: " R9_UP "jmp *%r10");
CODE(by_memory, "leaq 1f(%rip), %r10\n movq %r10, (%rsp)\n1: " R8_UP R9_UP "jmp *(%rsp)");
CODE(ret_only, "leaq 1f(%rip), %r10\n movq %r10, (%rsp)\n leaq 8(%rsp), %rsp\n"
               "1: " R8_UP "leaq -8(%rsp), %rsp\n" R9_UP "ret");
CODE(push_ret, "leaq 1f(%rip), %r10\n1: " R8_UP R9_UP "pushq %r10\n ret");
CODE(calls, "1: call 2f\n jmp 1b\n nop\n2: " R8_UP "nop\n" R9_UP "ret");
CODE(calls_indirect, "leaq 2f(%rip), %r10\n1: call *%r10\n jmp 1b\n2: " R8_UP R9_UP "ret");
CODE(recursion, "1: movl $20, %ecx\n call 2f\n jmp 1b\n"
                "2: decl %ecx\n jz 3f\n call 2b\n3: " R8_UP "nop\n" R9_UP "ret");
CODE(memory_op, "1: " R8_UP "movq %r8, 64(%rsp)\n addq $1, 64(%rsp)\n" R9_UP "jmp 1b");
CODE(locked, "1: " R8_UP "lock incl 64(%rsp)\n xchgl %eax, 72(%rsp)\n" R9_UP "jmp 1b");
CODE(string, "1: " R8_UP "movq %rsp, %rdi\n movl $100, %ecx\n rep stosb\n" R9_UP "jmp 1b");
CODE(with_sse, "1: " R8_UP "paddd %xmm0, %xmm1\n movups %xmm1, 64(%rsp)\n" R9_UP "jmp 1b");
CODE(with_fpu, "1: " R8_UP "fld1\n fstp %st\n" R9_UP "jmp 1b");
CODE(with_pause, "1: " R8_UP "pause\n" R9_UP "jmp 1b");
CODE(with_cpuid, "1: " R8_UP "xorl %eax, %eax\n cpuid\n" R9_UP "jmp 1b");
CODE(with_port, "1: " R8_UP "inb $0x61, %al\n" R9_UP "jmp 1b");
CODE(with_cr3, "movq %cr3, %rax\n1: " R8_UP "movq %rax, %cr3\n" R9_UP "jmp 1b");
CODE(with_invlpg, "1: " R8_UP "invlpg (%rsp)\n invlpg 1b(%rip)\n" R9_UP "jmp 1b");
CODE(with_int, "1: " R8_UP "int $0x40\n" R9_UP "jmp 1b");
CODE(with_fault, "leaq 2f(%rip), %r10\n1: " R8_UP "ud2\n2: " R9_UP "jmp 1b");
CODE(own_code, "1: " R8_UP "movb $7, 2f + 1(%rip)\n2: movl $1, %eax\n" R9_UP "jmp 1b");
CODE(sti_again, "1: " R8_UP "sti\n" R9_UP "jmp 1b");
CODE(sti_cli,
     "1: " R8_UP "cli\n movl $1, %r12d\n nop\n xorl %r12d, %r12d\n sti\n nop\n" R9_UP "jmp 1b");
CODE(popf_cli, "pushfq\n popq %r11\n1: " R8_UP "cli\n movl $1, %r12d\n nop\n xorl %r12d, %r12d\n"
               "pushq %r11\n popfq\n" R9_UP "jmp 1b");
CODE(cr8, "movl $15, %eax\n xorl %edx, %edx\n1: " R8_UP "movq %rax, %cr8\n movl $1, %r12d\n nop\n"
          "xorl %r12d, %r12d\n movq %rdx, %cr8\n nop\n" R9_UP "jmp 1b");
/* Flags live at every address: ZF from the first CMP to the second is 0, and 1 from there on. */
CODE(live_flags, "1: " R8_UP "cmpq %r9, %r8\n movq %r8, 64(%rsp)\n movq %r9, 72(%rsp)\n nop\n" R9_UP
                 "cmpq %r9, %r8\n jz 1b\n ud2");
CODE(mov_ss, "movl $0x10, %eax\n1: " R8_UP "movl %eax, %ss\n nop\n" R9_UP "jmp 1b");

CODE(long_rep, "1: movl $0x1000000, %edi\n movl $0x1000000, %ecx\n rep stosb\n jmp 1b");

static page_aligned u8 pages[2][4096];
static __attribute__((aligned(64))) u8 stack[16384];
static struct {
    const u8 *start, *end, *up8, *up9;
    u32 ticks, in_rep;
    u64 last;
    bool flags, ss;
} now;

static bool on_fault(struct stop *s)
{
    if (s->vector != UD || now.start != with_fault)
        return false;
    s->regs.ip = s->regs.r[R10];
    return true;
}

static void check_tick(const struct stop *s)
{
    const u8 *ip = (const u8 *)s->regs.ip;
    if (ip < now.start || ip >= now.end)
        guest_fatal("interrupted at %lx, not in %lx to %lx", (unsigned long)s->regs.ip,
                    (unsigned long)now.start, (unsigned long)now.end);
    CHECK_EQ(s->regs.flags & FLAG_IF, FLAG_IF);
    CHECK_EQ(s->regs.r[R12], 0); /* set where interrupts are off */
    if (now.up8)
        CHECK_EQ(s->regs.r[R8] - s->regs.r[R9], ip > now.up8 && ip <= now.up9);
    if (now.flags && ip > now.up8 + 3)
        CHECK_EQ(s->regs.flags & FLAG_ZF, ip >= now.up9 + 6 ? FLAG_ZF : 0);
    if (now.ss)
        CHECK(ip != now.up8 + 5); /* the instruction after MOV SS */
    if (now.start == long_rep && ip == long_rep + 10)
        CHECK_EQ(s->regs.r[RDI] + s->regs.r[RCX], 0x2000000);
    now.in_rep += s->regs.r[RCX] != 0;
    CHECK(s->regs.r[R8] >= now.last);
    now.last = s->regs.r[R8];
}

static bool on_trap(struct stop *s)
{
    if (s->vector != TICK)
        return on_fault(s);
    apic_eoi();
    check_tick(s);
    return ++now.ticks < TICKS;
}

static const u8 *find(const u8 *p, const u8 *end, u8 last)
{
    for (; p + 3 <= end; p++)
        if (p[0] == 0x49 && p[1] == 0xff && p[2] == last)
            return p;
    return NULL;
}

static void timer(u32 mode, u32 count)
{
    apic_write(APIC_LVT_TIMER, mode);
    apic_write(APIC_TIMER_INITIAL, count);
}

static void run_at(const char *name, const u8 *start, const u8 *end)
{
    struct regs r = {.ip = (word)start, .flags = FLAG_IF | 2};
    struct stop s;
    test(name);
    print("loop: %s\n", name);
    regs_pattern(&r, 1);
    r.r[R8] = r.r[R9] = r.r[R12] = 0;
    r.r[RSP] = (word)stack + sizeof(stack) / 2;
    r.r[RAX] = 1;
    now.start = start, now.end = end;
    now.up8 = find(start, end, 0xc0), now.up9 = find(start, end, 0xc1);
    now.ticks = now.in_rep = 0, now.last = 0;
    now.flags = start == live_flags, now.ss = start == mov_ss;
    timer(TICK | LVT_PERIODIC, PERIOD);
    CHECK_EQ(regs_run(&r, &s), TICK);
    CHECK_EQ(now.ticks, TICKS);
    timer(LVT_MASKED, 0);
    asm volatile("movq %0, %%cr8" : : "r"(0ull));
}
#define RUN(code) run_at(#code, code, code##_end)

static void plain(void)
{
    RUN(jump_self);
    RUN(one_block);
    RUN(conditional);
    RUN(never_taken);
    RUN(two_blocks);
    RUN(far_blocks);
    RUN(by_loop);
    RUN(just_loop);
    RUN(jrcxz);
    RUN(indirect);
    RUN(indirect_two);
    RUN(by_memory);
    RUN(ret_only);
    RUN(push_ret);
    RUN(calls);
    RUN(calls_indirect);
    RUN(recursion);
}

static void with_things(void)
{
    RUN(memory_op);
    RUN(locked);
    RUN(string);
    RUN(with_sse);
    RUN(with_fpu);
    RUN(with_pause);
    RUN(with_cpuid);
    RUN(with_port);
    RUN(with_cr3);
    RUN(with_invlpg);
    RUN(with_int);
    RUN(with_fault);
    RUN(own_code);
    RUN(sti_again);
    RUN(sti_cli);
    RUN(popf_cli);
    RUN(cr8);
    RUN(live_flags);
    RUN(mov_ss);
}

/* INC R8 at the end of one page, INC R9 in the next; then the same with jumps. */
static void two_pages(void)
{
    u8 *end = (u8 *)CODE_VA + 4096, *p = EMIT(end - 3, 0x49, 0xff, 0xc0);
    p = EMIT(p, 0x49, 0xff, 0xc1);
    p = emit_rel32(p, 0xe9, end - 3);
    run_at("falls into the next page, jumps back", end - 3, p);
    memset((void *)CODE_VA, 0xcc, 8192);
    p = EMIT(end - 2, 0x49, 0xff, 0xc0, 0x49, 0xff, 0xc1);
    p = emit_rel32(p, 0xe9, end - 2);
    run_at("an instruction across the pages", end - 2, p);
    memset((void *)CODE_VA, 0xcc, 8192);
    p = EMIT(end - 100, 0x49, 0xff, 0xc0);
    emit_rel32(p, 0xe9, end + 100);
    p = EMIT(end + 100, 0x49, 0xff, 0xc1);
    p = emit_rel32(p, 0xe9, end - 100);
    run_at("jumps from page to page", end - 100, p);
    memset((void *)CODE_VA, 0xcc, 8192);
    p = emit_rel32(end - 100, 0xe8, end - 3);
    EMIT(p, 0xeb, (u8)-7);
    p = EMIT(end - 3, 0x49, 0xff, 0xc0, 0x49, 0xff, 0xc1, 0xc3);
    run_at("calls a function across the pages", end - 100, p);
}

static void rep(void)
{
    RUN(long_rep); /* 16 MiB */
    CHECK(now.in_rep > 0);
}

#define WHERE(name, text)                                                                          \
    CODE(name, text "\n.globl " #name "_here\n" #name "_here: nop\n nop\n" STOP);                  \
    extern u8 name##_here[]
WHERE(after_sti, "sti\n nop");
WHERE(after_sti_sti, "sti\n sti\n");
WHERE(after_popf, "pushq $0x202\n popfq");
WHERE(after_iret, "movq %rsp, %rax\n pushq $0x10\n pushq %rax\n pushq $0x202\n pushq $8\n"
                  "leaq after_iret_here(%rip), %rax\n pushq %rax\n iretq");
WHERE(after_hlt, "sti\n hlt");
WHERE(after_jump, "sti\n jmp after_jump_here\n ud2");
WHERE(after_call, "sti\n call after_call_here\n ud2");
WHERE(after_sti_cli, "movl $300, %ecx\n1: sti\n cli\n loop 1b\n sti\n nop");
WHERE(after_popf_chain, "movl $100, %ecx\n1: loop 1b\n pushq $0x202\n popfq");
WHERE(after_loop, "movl $1, %ecx\n sti\n loop after_loop");

/* An interrupt that is pending comes exactly at `at`. */
static void where(const char *name, const u8 *start, const u8 *at)
{
    struct stop s;
    struct regs r = {.ip = (word)start, .flags = 2};
    bool (*fix)(struct stop *) = regs_fix;
    test(name);
    regs_fix = NULL;
    for (u32 i = 0; i < 20; i++) {
        r.r[RSP] = (word)stack + 4096;
        apic_write(APIC_ICR2, 0);
        apic_write(APIC_ICR, ICR_SELF | ICR_ASSERT | TICK);
        while (!apic_bit(APIC_IRR, TICK))
            pause_cpu();
        CHECK_EQ(regs_run(&r, &s), TICK);
        CHECK_EQ(s.regs.ip, (word)at);
        apic_eoi();
    }
    regs_fix = fix;
}
#define CHECK_WHERE(code) where(#code, code, code##_here)

static void pending(void)
{
    CHECK_WHERE(after_sti);
    CHECK_WHERE(after_sti_sti);
    CHECK_WHERE(after_popf);
    CHECK_WHERE(after_iret);
    CHECK_WHERE(after_hlt);
    CHECK_WHERE(after_jump);
    CHECK_WHERE(after_call);
    CHECK_WHERE(after_sti_cli);
    CHECK_WHERE(after_popf_chain);
    CHECK_WHERE(after_loop);
}

CODE(int_handler, "iretq");

GUEST("irq")
{
    regs_catch_all();
    regs_catch(TICK);
    regs_fix = on_trap;
    idt_set(0x40, KERNEL_CS, (word)int_handler, AR_INT32, 0);
    set_cr4(get_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT);
    asm volatile("fninit");
    for (u32 i = 0; i < 2; i++)
        page_map(CODE_VA + 4096 * i, (word)pages[1 - i], PTE_P | PTE_W);
    apic_enable();
    apic_write(APIC_TIMER_DIVIDE, 0xb);
    plain();
    with_things();
    two_pages();
    rep();
    pending();
}
