/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Single step by EFLAGS.TF (SDM 3B 17.3.1.4): after which instruction the trap comes. STEP marks
 * the places where one is due; the first instruction of a text is the first that runs with TF set.
 */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"

#define STEP "\n881: .pushsection .rodata.step\n .quad 881b\n .popsection\n"
#define STEP_CODE(name, text)                                                                      \
    void name(void);                                                                               \
    extern const u64 name##_want[];                                                                \
    asm(".pushsection .rodata.step, \"a\"\n.balign 8\n" #name "_want:\n.popsection\n"              \
        ".pushsection .text\n" #name ":\n pushfq\n orl $0x100, (%rsp)\n popfq\n" text              \
        "pushfq\n" STEP "andl $0xfffffeff, (%rsp)\n" STEP "popfq\n" STEP "ret\n.popsection\n"      \
        ".pushsection .rodata.step\n .quad 0\n .popsection")

#define MAX_SEEN 64
static u64 seen[MAX_SEEN], seen_dr6[MAX_SEEN];
static unsigned nseen;

static void on_step(struct frame *f)
{
    if (nseen < MAX_SEEN) {
        seen[nseen] = f->ip;
        seen_dr6[nseen++] = get_dr6();
    }
    set_dr6(0xffff0ff0);
}

static void run(const char *name, void (*code)(void), const u64 *want)
{
    test(name);
    nseen = 0;
    code();
    unsigned n = 0;
    while (want[n])
        n++;
    CHECK_EQ(nseen, n);
    for (unsigned i = 0; i < n && i < nseen; i++) {
        CHECK_EQ(seen[i] | (u64)i << 56, want[i] | (u64)i << 56);
        CHECK_EQ(seen_dr6[i] & 0xe00f, BIT(14));
    }
}
#define RUN(name, code) run(name, code, code##_want)

u8 from[8], to[8]; /* named in the assembly */

STEP_CODE(plain, "nop\n" STEP "movl $1, %eax\n" STEP "jmp 1f\n nop\n1:" STEP
                 ".pushsection .rodata.step\n .quad 2f, 4f, 3f\n .popsection\n"
                 "call 2f\n4: jmp 3f\n2: ret\n3:\n");
STEP_CODE(string, "movl $3, %ecx\n" STEP "leaq from, %rsi\n" STEP "leaq to, %rdi\n" STEP STEP STEP
                  "rep movsb\n" STEP "nop\n" STEP);
STEP_CODE(string_none, "xorl %ecx, %ecx\n" STEP "rep stosb\n" STEP "repe cmpsb\n" STEP);
STEP_CODE(mov_ss, "movl $0x10, %eax\n" STEP "movl %eax, %ss\n nop\n" STEP "nop\n" STEP);
STEP_CODE(mov_ds, "movl $0x10, %eax\n" STEP "movl %eax, %ds\n" STEP "nop\n" STEP);
STEP_CODE(sti_cli, "sti\n" STEP "nop\n" STEP "cli\n" STEP);
STEP_CODE(cpuid_rdtsc, "pushq %rbx\n" STEP "cpuid\n" STEP "rdtsc\n" STEP "popq %rbx\n" STEP);
/* The handler starts with TF clear; IRET brings it back, so the next trap is one instruction on. */
STEP_CODE(int_n, "nop\n" STEP "int $0x40\n"
                 "nop\n" STEP);
STEP_CODE(port, "inb $0x61, %al\n" STEP "nop\n" STEP);
STEP_CODE(mov_cr, "movq %cr0, %rax\n" STEP "movq %rax, %cr0\n" STEP "movq %cr3, %rax\n" STEP
                  "movq %rax, %cr3\n" STEP);
CODE(just_iret, "iretq");

static void not_before_faults(void)
{
    test("a fault comes before the trap");
    trap_handle(DB, NULL);
    CHECK_TRAP(UD, 0, asm volatile("pushfq\n orl $0x100, (%rsp)\n popfq\n ud2"));
    CHECK_EQ(last_trap.flags & FLAG_TF, FLAG_TF);
    CHECK_TRAP(DB, 0, asm volatile("pushfq\n orl $0x100, (%rsp)\n popfq\n nop"));
    set_dr6(0xffff0ff0);
    CHECK_TRAP(BP, 0, asm volatile("pushfq\n orl $0x100, (%rsp)\n popfq\n int3"));
    trap_handle(DB, on_step);
}

CODE(user_step, "pushfq\n orl $0x100, (%rsp)\n popfq\n nop\n nop");
CODE(user_nops, "nop\n nop\n" EXIT_USER);

static void user(void)
{
    test("at CPL 3");
    trap_handle(DB, NULL);
    CHECK_USER(DB, 0, user_step);
    CHECK_EQ(last_trap.ip, USER(user_step_end) - 1);
    set_dr6(0xffff0ff0);
    CHECK_EQ(user_run(user_nops, FLAG_TF | 2), DB); /* by IRET: after the first instruction there */
    CHECK_EQ(last_trap.ip, USER(user_nops) + 1);
    set_dr6(0xffff0ff0);
    trap_handle(DB, on_step);
}

GUEST("step")
{
    trap_handle(DB, on_step);
    idt_set(0x40, KERNEL_CS, (word)just_iret, AR_INT32, 0);
    set_dr6(0xffff0ff0);
    RUN("plain", plain);
    RUN("REP", string);
    RUN("REP with count 0", string_none);
    RUN("MOV SS", mov_ss);
    RUN("MOV DS", mov_ds);
    RUN("STI and CLI", sti_cli);
    RUN("CPUID and RDTSC", cpuid_rdtsc);
    RUN("IN", port);
    RUN("MOV CR", mov_cr);
    RUN("INT n", int_n);
    not_before_faults();
    user();
}
