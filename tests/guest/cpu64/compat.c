/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compatibility mode, 32 and 16 bits, at CPL 0 and CPL 3: limits count again, legacy instructions
   are back, handlers are 64-bit; far transfers between the modes, call gates, no task switches. */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"

#define GATE  FREE_SEL /* two slots */
#define SPARE (FREE_SEL + 16)
#define CONF  (FREE_SEL + 24)

struct far {
    u32 off;
    u16 sel;
} __attribute__((packed));
struct far far_to; /* named in the assembly */
u32 limited[4] __attribute__((aligned(4096)));

#define CODE32(name, text) CODE(name, ".code32\n" text "\n.code64")
CODE32(c_stop, "int $0x31");
CODE32(c_return, "incl %eax\n decl %eax\n pushl $7\n popl %ecx\n lret"); /* 40h-4Fh are INC, DEC */
CODE32(c_legacy, "movl %esp, %esi\n pushal\n popal\n movl $0x9a, %eax\n daa\n movl %eax, %edi\n"
                 "pushl %ds\n popl %ds\n int $0x31");
CODE32(c_wide, "movl $0xffffffff, %eax\n addl $1, %eax\n movl $0x80000000, %ebx\n"
               "leal (%ebx,%ebx), %ecx\n int $0x31");
CODE32(c_limit, "movb %fs:3, %al\n movb %fs:4, %al\n");
CODE32(c_null, "movb %fs:0, %al");
CODE32(c_expand, "movb %fs:0x1000, %al\n movb %fs:0xfff, %al");
CODE32(c_r64, ".byte 0x48, 0x89, 0xc8\n int $0x31"); /* DEC EAX; MOV EAX, ECX */
CODE32(c_ja, "ljmp $0x08, $long_back");
CODE(long_back, "int $0x31");
CODE32(c_task, "ljmp $0x30, $0");
CODE32(c_gate, "lcall $0x60, $0");
CODE32(c_iret, "pushfl\n pushl $0x40\n pushl $c_stop\n iretl");
LOW_CODE(".code16", c16, "movw $0xffff, %ax\n incw %ax\n movl %esp, %esi\n pushw $1\n int $0x31");
CODE(gate_target, "int $0x31");

#define RUN32(code)                                                                                \
    ({                                                                                             \
        far_to = (struct far){(u32)(word)(code), CS32_SEL};                                        \
        TRAP(asm volatile("lcall *far_to" : : : "rax", "rbx", "rcx", "rsi", "rdi", "memory"));     \
    })
#define CHECK32(vec, err, code) (RUN32(code), check_trap(vec, err, "32-bit code " #code, __LINE__))

static void basics(void)
{
    test("32-bit code at CPL 0");
    CHECK32(0x31, 0, c_stop);
    CHECK_EQ(last_trap.cs, CS32_SEL);
    CHECK_EQ(last_trap.ip, (word)c_stop_end);
    CHECK_EQ(last_trap.ss, KERNEL_DS);
    far_to = (struct far){(u32)(word)c_return, CS32_SEL};
    u64 a = 0x1234567811112222ull, c;
    asm volatile("lcall *far_to" : "+a"(a), "=c"(c) : : "memory");
    CHECK_EQ((u32)a, 0x11112222);
    CHECK_EQ(c, 7);
    CHECK32(0x31, 0, c_legacy);
    CHECK_EQ((u8)last_trap.di, 0);
    CHECK_EQ(last_trap.sp, last_trap.si);
    CHECK32(0x31, 0, c_wide);
    CHECK_EQ(last_trap.ax, 0);
    CHECK_EQ((u32)last_trap.cx, 0);
    CHECK32(0x31, 0, c_ja);
    CHECK_EQ(last_trap.cs, KERNEL_CS);
    CHECK_EQ(last_trap.ip, (word)long_back_end);
    CHECK32(0x31, 0, c_iret);
}

static void segments(void)
{
    test("segments in compatibility mode");
    gdt_set(SPARE, (u32)(word)limited, 3, AR_DATA | AR_DB);
    asm volatile("movl %0, %%fs" : : "r"(SPARE));
    CHECK_RUNS(asm volatile("movb %%fs:4, %%al" : : : "eax")); /* 64-bit code has no limits */
    CHECK32(GP, 0, c_limit);
    CHECK_EQ(last_trap.ip, (word)c_limit + 6);
    asm volatile("movl %0, %%fs" : : "r"(0));
    CHECK32(GP, 0, c_null);
    gdt_set(SPARE, (u32)(word)limited, 0xfff, 0x96 | AR_DB);
    asm volatile("movl %0, %%fs" : : "r"(SPARE));
    CHECK32(GP, 0, c_expand);
    CHECK_EQ(last_trap.ip, (word)c_expand + 6);
    asm volatile("movl %0, %%fs" : : "r"(0));
}

static void code16(void)
{
    test("16-bit code");
    far_to = (struct far){(u32)(word)c16, CS16_SEL};
    CHECK_TRAP(0x31, 0, asm volatile("lcall *far_to" : : : "rax", "rsi", "memory"));
    CHECK_EQ((u16)last_trap.ax, 0);
    CHECK_EQ(last_trap.sp, last_trap.si - 2);
    CHECK_EQ(last_trap.cs, CS16_SEL);
}

static void gate(u16 sel, word to, u32 ar)
{
    gdt_gate(GATE, sel, (u32)to, ar, 0);
    gdt[(GATE >> 3) + 1] = to >> 32;
}

static void gates(void)
{
    test("64-bit call gates");
    gate(KERNEL_CS, (word)gate_target, AR_CALL32);
    CHECK32(0x31, 0, c_gate);
    CHECK_EQ(last_trap.cs, KERNEL_CS);
    CHECK_EQ(last_trap.ip, (word)gate_target_end);
    far_to = (struct far){0x9999, GATE};
    CHECK_TRAP(0x31, 0, asm volatile("movq %%rsp, %%rsi\n lcall *far_to" : : : "rsi", "memory"));
    CHECK_EQ(last_trap.sp, last_trap.si - 16);
    gate(KERNEL_CS, BIT64(47), AR_CALL32);
    CHECK_TRAP(GP, 0, asm volatile("lcall *far_to"));
    gate(CS32_SEL, (word)gate_target, AR_CALL32); /* must be 64-bit code */
    CHECK_TRAP(GP, CS32_SEL, asm volatile("lcall *far_to"));
    gate(KERNEL_CS, (word)gate_target, AR_CALL32);
    gdt[(GATE >> 3) + 1] = 0x00000c0000000000ull; /* the upper half has a type: must be 0 */
    CHECK_TRAP(GP, GATE, asm volatile("lcall *far_to"));
    gate(KERNEL_CS, (word)gate_target, AR_CALL32 & 0x7f);
    CHECK_TRAP(NP, GATE, asm volatile("lcall *far_to"));
    gate(KERNEL_CS, (word)gate_target, AR_CALL16);
    CHECK_TRAP(GP, GATE, asm volatile("lcall *far_to")); /* no 16-bit gates */
}

CODE(user_gate, "movq %rsp, %rsi\n leaq 1f(%rip), %rax\n lcall *(%rax)\n" EXIT_USER
                "\n1: .long 0\n .word 0x63");
CODE(gate_return, "lretq");

static void gates_from_user(void)
{
    test("64-bit call gates from CPL 3");
    gate(KERNEL_CS, (word)gate_target, AR_CALL32 | AR_DPL3);
    CHECK_USER(0x31, 0, user_gate);
    CHECK_EQ(last_trap.cs, KERNEL_CS);
    CHECK_EQ(last_trap.ss, 0); /* null */
    CHECK_EQ(last_trap.sp, trap_stack_top - 32);
    gate(KERNEL_CS, (word)gate_return, AR_CALL32 | AR_DPL3);
    CHECK_USER_EXITS(user_gate);
    CHECK_EQ(last_trap.cs, USER_CS64);
    CHECK_EQ(last_trap.ss, USER_DS);
    CHECK_EQ(last_trap.sp, last_trap.si);
    gate(KERNEL_CS, (word)gate_target, AR_CALL32);
    CHECK_USER(GP, GATE, user_gate);
    task.tss.rsp[0] = BIT64(47) + 4096;
    gate(KERNEL_CS, (word)gate_target, AR_CALL32 | AR_DPL3);
    idt_use_stack(SS);
    CHECK_USER(SS, 0, user_gate);
    task.tss.rsp[0] = trap_stack_top;
}

static void no_tasks(void)
{
    test("no task switches");
    far_to = (struct far){0, TSS_SEL};
    CHECK_TRAP(GP, TSS_SEL, asm volatile("ljmp *far_to"));
    CHECK32(GP, TSS_SEL, c_task);
    gate(TSS_SEL, 0, AR_TASK);
    far_to = (struct far){0, GATE};
    CHECK_TRAP(GP, GATE, asm volatile("ljmp *far_to"));
}

static u32 user32(const void *code)
{
    return TRAP(asm volatile("movl %0, %%ds\n pushq %q0\n pushq %1\n pushq $2\n pushq %2\n"
                             "pushq %3\n iretq"
                             :
                             : "r"(USER_DS), "r"((word)USER32(user_stack_top)), "i"(USER_CS32),
                               "r"((word)USER32(code))
                             : "memory"));
}

CODE32(u_exit, "movl %esp, %esi\n pushl $5\n popl %ecx\n int $0x30");
CODE32(u_priv, "cli");
CODE32(u_high, "movl $0xfffff000, %ebx\n movb (%ebx), %al");

static void user(void)
{
    test("32-bit code at CPL 3");
    page_map_user32();
    CHECK_EQ(user32(u_exit), USER_EXIT);
    CHECK_EQ(last_trap.cs, USER_CS32);
    CHECK_EQ(last_trap.ss, USER_DS);
    CHECK_EQ(last_trap.cx, 5);
    CHECK_EQ(last_trap.sp, last_trap.si);
    CHECK_EQ(last_trap.entry_sp, trap_stack_top);
    CHECK_EQ(user32(u_priv), GP);
    CHECK_EQ(user32(u_high), PF);
    CHECK_EQ(last_trap.cr2, 0xfffff000);
    CHECK_EQ(last_trap.error, 5);
}

GUEST("compat")
{
    idt_use_stack(0x31);
    basics();
    segments();
    code16();
    gates();
    gates_from_user();
    no_tasks();
    user();
    CHECK32(0x31, 0, c_r64);
}
