/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * EFLAGS.TF switched on in code that has run before without, and off again: a trap behind every
 * instruction, whatever it is, and the same outcome. NEXT stands in front of every instruction at
 * which a trap must arrive, in the order in which they are written.
 * Restarted faults have no trap of their own.
 */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"
#include "xlat.h"

#define NEXT "\n881: .pushsection .rodata.next\n .quad 881b\n .popsection\n"
#define STEPPED(name, text)                                                                        \
    extern const u64 name##_want[];                                                                \
    asm(".pushsection .rodata.next, \"a\"\n.balign 8\n" #name "_want:\n.popsection");              \
    CODE(name, text NEXT STOP);                                                                    \
    asm(".pushsection .rodata.next\n .quad 0\n .popsection")

#define ABSENT_VA "0x10000500000" /* TEST_BASE + 5 MiB */
STEPPED(plain,
        "nop\n" NEXT "addq $1, %rax\n" NEXT "movq %rax, (%rbx)\n" NEXT "incq (%rbx)\n" NEXT
        "lock decl (%rbx)\n" NEXT "pushq %rax\n" NEXT "popq %rdx\n" NEXT "xchgq %rax, %rdx\n");
STEPPED(branches,
        "jmp 1f\n nop\n1:" NEXT "cmpl %eax, %eax\n" NEXT "jnz 2f\n" NEXT "jz 2f\n nop\n2:" NEXT
        "leaq 3f(%rip), %rdx\n" NEXT "jmp *%rdx\n nop\n3:" NEXT "xorl %ecx, %ecx\n" NEXT
        "jrcxz 4f\n nop\n4:" NEXT "leaq 5f(%rip), %rdx\n" NEXT "pushq %rdx\n" NEXT "ret\n nop\n"
        "5:" NEXT "movl $1, %ecx\n" NEXT "loop 6f\n6:" NEXT "nop\n");
STEPPED(slow,
        "cpuid\n" NEXT "rdtsc\n" NEXT "inb $0x61, %al\n" NEXT "movq %cr3, %rax\n" NEXT
        "movq %rax, %cr3\n" NEXT "invlpg (%rsp)\n" NEXT "movups (%rsp), %xmm0\n" NEXT
        "addps %xmm0, %xmm0\n" NEXT "fld1\n" NEXT "fstp %st\n" NEXT "pause\n" NEXT "pushfq\n" NEXT
        "popfq\n" NEXT "movl $0x10, %eax\n" NEXT "movl %eax, %ds\n" NEXT "mfence\n");
/* No trap between MOV SS and the instruction behind it. */
STEPPED(shadow, "movl $0x10, %eax\n" NEXT "movl %eax, %ss\n nop\n" NEXT "nop\n" NEXT
                "movl %eax, %ss\n movl $7, %edx\n" NEXT "jmp 1f\n1:" NEXT "nop\n");
STEPPED(strings, "movl $3, %ecx\n" NEXT "leaq 64(%rbx), %rdi\n" NEXT
                 "movq %rbx, %rsi\n" NEXT NEXT NEXT "rep movsb\n" NEXT "lodsb\n" NEXT
                 "movl $2, %ecx\n" NEXT NEXT "rep stosb\n" NEXT "rep stosb\n" NEXT "nop\n");
/* The handler of the fault maps the page; the trap comes behind the instruction. */
STEPPED(fault, "nop\n" NEXT "movabsq $" ABSENT_VA ", %rdx\n" NEXT "movq (%rdx), %rax\n" NEXT
               "addq $1, (%rdx)\n" NEXT "nop\n");
/* INT's handler runs without TF; the trap comes behind the instruction to which it returns. */
STEPPED(by_int, "nop\n" NEXT "int $0x40\n nop\n" NEXT "nop\n");
STEPPED(modifies, "movb $7, 1f + 1(%rip)\n" NEXT "1: movl $1, %eax\n" NEXT
                  "movb $1, 1b + 1(%rip)\n" NEXT "incl %edx\n");
/* A program that switches TF itself: the first trap is behind the instruction after POPF. */
STEPPED(by_popf, "pushfq\n" NEXT "andl $~0x100, (%rsp)\n" NEXT "popfq\n" NEXT
                 "nop\n nop\n pushfq\n orl $0x100, (%rsp)\n popfq\n nop\n" NEXT "nop\n" NEXT
                 "jmp 1f\n1:" NEXT "nop\n");
STEPPED(by_iret, "movq %rsp, %rdx\n" NEXT "pushq $0x10\n" NEXT "pushq %rdx\n" NEXT
                 "pushq $0x302\n" NEXT "andl $~0x200, (%rsp)\n" NEXT "pushq $8\n" NEXT
                 "leaq 1f(%rip), %rax\n" NEXT "pushq %rax\n" NEXT "iretq\n nop\n1:" NEXT "nop\n");

static __attribute__((aligned(64))) u8 memory[256], stack[512];
static page_aligned u8 absent_page[4096], code_page[2][4096];
static u64 seen[8192];
static u32 count, faults;

static bool on_trap(struct stop *s)
{
    if (s->vector == DB) {
        u64 dr6 = get_dr6();
        if ((dr6 & 0xe00f) != BIT(14))
            CHECK_EQ(dr6 & 0xe00f, BIT(14));
        set_dr6(0xffff0ff0);
        if (count < ARRAY_SIZE(seen))
            seen[count] = s->regs.ip;
        count++;
        return true;
    }
    if (s->vector == PF && s->cr2 - TEST_BASE - 0x500000 < 4096) {
        CHECK_EQ(s->regs.flags & FLAG_TF, count ? FLAG_TF : 0);
        page_map(TEST_BASE + 0x500000, (word)absent_page, PTE_P | PTE_W);
        faults++;
        return true;
    }
    return false;
}

static void run(const u8 *start, word flags, struct stop *s)
{
    struct regs r = {.ip = (word)start, .flags = flags | 2};
    r.r[RBX] = (word)memory, r.r[RSP] = (word)stack + 256, r.r[RAX] = 0;
    memset(memory, 5, sizeof(memory));
    *(volatile u64 *)absent_page = 3;
    page_map(TEST_BASE + 0x500000, 0, 0);
    count = faults = 0;
    CHECK_EQ(regs_run(&r, s), STOP_VECTOR);
}

static void check_seen(const u64 *want)
{
    u32 n = 0;
    while (want[n])
        n++;
    CHECK_EQ(count, n);
    for (u32 i = 0; i < n && i < count; i++)
        if (seen[i] != want[i]) {
            print("trap %u: ", i);
            CHECK_EQ(seen[i], want[i]);
            break;
        }
}

/* Hot without TF, then with, then without. by_popf alone turns it on by itself. */
static void stepped(const char *name, const u8 *text, const u64 *want)
{
    struct stop plain_stop, s;
    bool own = text == by_popf || text == by_iret;
    test(name);
    for (u32 round = 0; round < 3; round++) {
        for (u32 i = 0; i < 5 && !own; i++) {
            run(text, 0, &plain_stop);
            CHECK_EQ(count, 0);
        }
        run(text, FLAG_TF, &s);
        check_seen(want);
        if (own)
            continue;
        s.regs.flags &= ~(word)FLAG_TF;
        if (text != slow)
            CHECK_REGS(&s.regs, &plain_stop.regs, 0);
    }
}
#define CHECK_STEPS(name) stepped(#name, name, name##_want)

/* NOPs and longer instructions across the end of a page, and jumps over it. */
static void pages(void)
{
    static const u8 text[][8] = {{1, 0x90},
                                 {2, 0x66, 0x90},
                                 {3, 0x0f, 0x1f, 0x00},
                                 {5, 0x48, 0x8d, 0x44, 0x24, 8},
                                 {7, 0x0f, 0x1f, 0x80, 0, 0, 0, 0}};
    struct stop s;
    for (u32 k = 0; k < ARRAY_SIZE(text); k++)
        for (u32 split = 0; split < text[k][0]; split++) {
            test("across pages");
            u64 want[16] = {0};
            u32 n = 0;
            u8 *start = (u8 *)TEST_BASE + 4096 - split - 3 * text[k][0], *p = start;
            for (u32 i = 0; i < 6; i++) {
                p = emit(p, text[k] + 1, text[k][0]);
                want[n++] = (word)p;
            }
            p = emit_rel32(p, 0xe9, (u8 *)TEST_BASE + 0x300);
            want[n++] = TEST_BASE + 0x300;
            EMIT((u8 *)TEST_BASE + 0x300, STOP_BYTES);
            run(start, 0, &s);
            run(start, FLAG_TF, &s);
            check_seen(want);
            run(start, 0, &s);
            CHECK_EQ(count, 0);
        }
}

CODE(loop_code, "movl $1000, %ecx\n1: addl %ecx, %eax\n decl %ecx\n jnz 1b\n" STOP);

static void loops(void)
{
    struct stop s;
    test("a loop of 1000");
    for (u32 round = 0; round < 2; round++) {
        run(loop_code, 0, &s);
        CHECK_EQ(s.regs.r[RAX], 500500);
        run(loop_code, FLAG_TF, &s);
        CHECK_EQ(s.regs.r[RAX], 500500);
        CHECK_EQ(count, 3001);
        CHECK_EQ(seen[1], (word)loop_code + 7);
        CHECK_EQ(seen[3], (word)loop_code + 5);
        CHECK_EQ(seen[2999], (word)loop_code + 9);
    }
}

CODE(int_handler, "nop\n nop\n iretq");

GUEST("single-step")
{
    regs_catch_all();
    regs_fix = on_trap;
    set_cr4(get_cr4() | CR4_OSFXSR);
    set_dr6(0xffff0ff0);
    asm volatile("fninit");
    idt_set(0x40, KERNEL_CS, (word)int_handler, AR_INT32, 0);
    page_map(TEST_BASE, (word)code_page[1], PTE_P | PTE_W);
    page_map(TEST_BASE + 4096, (word)code_page[0], PTE_P | PTE_W);
    CHECK_STEPS(plain);
    CHECK_STEPS(branches);
    CHECK_STEPS(slow);
    CHECK_STEPS(shadow);
    CHECK_STEPS(strings);
    CHECK_STEPS(fault);
    CHECK_STEPS(by_int);
    CHECK_STEPS(modifies);
    CHECK_STEPS(by_popf);
    CHECK_STEPS(by_iret);
    pages();
    loops();
}
