/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 64-bit, 32-bit and 16-bit code in turns, thousands of times: the same bytes run in all three
 * modes, far calls from one into the other in a hot loop, interrupts from each; segment bases of
 * compatibility mode, FS and GS changed in the middle of a block, SWAPGS, addresses of 32 bits.
 */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"
#include "xlat.h"

static __attribute__((aligned(64))) u8 stack[1024];
static u64 memory[4][16];

static struct regs start(const void *ip, u16 cs)
{
    struct regs r = {.ip = (word)ip, .flags = 2, .cs = cs};
    r.r[RSP] = (word)stack + 512;
    return r;
}

/* XOR EAX; MOV AX, 1234h (16-bit code: MOV EAX, 90901234h); INC EAX (64-bit: REX); INT */
LOW_CODE(".code32", three, ".byte 0x31, 0xc0, 0x66, 0xb8, 0x34, 0x12, 0x90, 0x90, 0x40\n" STOP);

static void same_bytes(void)
{
    static const u16 cs[] = {KERNEL_CS, CS32_SEL, CS16_SEL};
    static const u32 want[] = {0x1234, 0x1235, 0x90901235};
    test("the same bytes in three modes");
    for (u32 n = 0; n < 3000; n++) {
        struct regs r = start(three, cs[n % 3]);
        struct stop s;
        regs_run(&r, &s);
        if ((u32)s.regs.r[RAX] != want[n % 3] || s.regs.ip != (word)three_end) {
            CHECK_EQ((u32)s.regs.r[RAX], want[n % 3]);
            CHECK_EQ(s.regs.ip, (word)three_end);
            break;
        }
        if (s.regs.cs != cs[n % 3] && !CHECK_EQ(s.regs.cs, cs[n % 3]))
            break;
    }
    CHECK(true);
}

/* 64-bit code calls 32-bit code, which calls 16-bit code; all of them count. */
struct far {
    u32 off;
    u16 sel;
} __attribute__((packed));
extern struct far far32, far16, far64;
LOW_CODE(".code16", in16,
         "incw %cx\n movl %esp, %edx\n addw $3, %bx\n pushl $7\n popl %edi\n lretl");
LOW_CODE(".code32", in32,
         "incl %ecx\n addl $0x10000, %ebx\n lcall *far16\n decl %esi\n incl %esi\n"
         "lcall *far64\n addl $1, %ebx\n lret");
CODE(in64, "incl %ecx\n addq $0x100000, %rbx\n movq $1, %r8\n lretl");
struct far far32 = {0, CS32_SEL}, far16 = {0, CS16_SEL}, far64 = {0, KERNEL_CS};
CODE(mode_loop, "movl $500, %ebp\n1: movl $5, %esi\n lcall *far32\n cmpl $5, %esi\n jne 2f\n"
                "cmpl $7, %edi\n jne 2f\n decl %ebp\n jnz 1b\n2: " STOP);

static void calls(void)
{
    test("far calls between the modes");
    far32.off = (u32)(word)in32, far16.off = (u32)(word)in16, far64.off = (u32)(word)in64;
    for (u32 n = 0; n < 3; n++) {
        struct regs r = start(mode_loop, KERNEL_CS);
        struct stop s;
        CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
        CHECK_EQ(s.regs.r[RBP], 0);
        CHECK_EQ(s.regs.r[RCX], 1500);
        CHECK_EQ(s.regs.r[RBX], (0x110000ull + 1 + 3) * 500);
        CHECK_EQ(s.regs.r[RSP], (word)stack + 512);
    }
}

/* Interrupts from 32-bit and 16-bit code; the handler is 64-bit. */
LOW_CODE(".code32", ints32,
         "movl $200, %ecx\n1: int $0x40\n addl $1, %eax\n decl %ecx\n jnz 1b\n" STOP);
LOW_CODE(".code16", ints16,
         "movw $200, %cx\n1: int $0x40\n addl $1, %eax\n decw %cx\n jnz 1b\n" STOP);
CODE(ints64, "movl $200, %ecx\n1: int $0x40\n addl $1, %eax\n decl %ecx\n jnz 1b\n" STOP);
CODE(int_handler, "addq $0x1000, %rax\n iretq");

static void interrupts(void)
{
    const struct {
        const u8 *text;
        u16 cs;
    } codes[] = {{ints32, CS32_SEL}, {ints16, CS16_SEL}, {ints64, KERNEL_CS}};
    test("interrupts in three modes");
    idt_set(0x40, KERNEL_CS, (word)int_handler, AR_INT32, 0);
    for (u32 n = 0; n < 30; n++) {
        struct regs r = start(codes[n % 3].text, codes[n % 3].cs);
        struct stop s;
        CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
        CHECK_EQ((u32)s.regs.r[RAX], 200 * 0x1001);
    }
}

/* 32-bit code at a base: the return address is an offset; also beyond 4 GiB - base. */
CODE(based, ".code32\n call 1f\n1: popl %eax\n leal 2f-1b(%eax), %ecx\n jmp *%ecx\n nop\n2: movl "
            "%ds:(%ebx), "
            "%edx\n movl %fs:(%ebx), %esi\n" STOP ".code64");

static void bases(void)
{
    test("bases in compatibility mode");
    for (u32 n = 0; n < 200; n++) {
        u32 base = n % 5 * 0x33333333, data = n % 4;
        gdt_set(FREE_SEL, base, 0xfffff, AR_CODE | AR_DB | AR_G);
        gdt_set(FREE_SEL + 8, (u32)(word)memory[data], 255, AR_DATA | AR_DB);
        memory[data][1] = n + 7;
        struct regs r = start((void *)(word)((u32)(word)based - base), FREE_SEL);
        struct stop s;
        r.r[RBX] = 8;
        asm volatile("movl %0, %%ds\n movl %0, %%fs" : : "r"(FREE_SEL + 8));
        u32 vector = regs_run(&r, &s);
        asm volatile("movl %0, %%ds\n movl %0, %%fs" : : "r"(KERNEL_DS));
        CHECK_EQ(vector, STOP_VECTOR);
        CHECK_EQ((u32)s.regs.r[RAX], (u32)(word)based + 5 - base);
        CHECK_EQ((u32)s.regs.r[RDX], n + 7);
        CHECK_EQ((u32)s.regs.r[RSI], n + 7);
        CHECK_EQ(s.regs.ip, (u32)(word)based_end - base);
    }
}

/* RSI, RDI: two bases. */
CODE(fs_msr,
     "movl $0xc0000100, %ecx\n movl %esi, %eax\n xorl %edx, %edx\n wrmsr\n movq %fs:8, %r8\n"
     "movl %edi, %eax\n wrmsr\n movq %fs:8, %r9\n addq $1, %fs:8\n movl %esi, %eax\n wrmsr\n"
     "subq $1, %fs:8\n" STOP);
CODE(fs_base, "wrfsbase %rsi\n movq %fs:8, %r8\n wrfsbase %rdi\n movq %fs:8, %r9\n addq $1, %fs:8\n"
              "wrfsbase %rsi\n subq $1, %fs:8\n" STOP);
CODE(gs_swap,
     "movl $0xc0000101, %ecx\n movl %esi, %eax\n xorl %edx, %edx\n wrmsr\n incl %ecx\n"
     "movl %edi, %eax\n wrmsr\n movq %gs:8, %r8\n swapgs\n movq %gs:8, %r9\n addq $1, %gs:8\n"
     "swapgs\n subq $1, %gs:8\n" STOP);
CODE(fs_load,
     "movl %ebx, %fs\n movq %fs:8, %r8\n movl %ebp, %fs\n movq %fs:8, %r9\n addq $1, %fs:8\n"
     "movl %ebx, %fs\n subq $1, %fs:8\n" STOP);

static void fs_gs(const char *name, const u8 *text)
{
    test_case("FS or GS changed in a block", name, "two bases");
    for (u32 n = 0; n < 100; n++) {
        struct regs r = start(text, KERNEL_CS);
        struct stop s;
        u32 a = n & 3, b = (n + 1 + (n >> 2)) & 3;
        memory[a][1] = 100 + n;
        memory[b][1] = a == b ? 100 + n : 900 + n;
        u64 second = memory[b][1];
        gdt_set(FREE_SEL, (u32)(word)memory[a], 255, AR_DATA | AR_DB);
        gdt_set(FREE_SEL + 8, (u32)(word)memory[b], 255, AR_DATA | AR_DB);
        r.r[RSI] = (word)memory[a], r.r[RDI] = (word)memory[b];
        r.r[RBX] = FREE_SEL, r.r[RBP] = FREE_SEL + 8;
        CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
        CHECK_EQ(s.regs.r[R8], 100 + n);
        CHECK_EQ(s.regs.r[R9], second);
        CHECK_EQ(memory[a][1], a == b ? second : 99 + n);
        if (a != b)
            CHECK_EQ(memory[b][1], second + 1);
    }
}

/* Addresses are cut to 32 bits in 32-bit code, and with a prefix in 64-bit code; RIP-relative too.
 */
CODE(cut64, "movq %rbx, %rcx\n addr32 movl (%ebx,%esi), %eax\n addr32 leaq (%ebx,%esi), %r8\n"
            "addr32 addl $1, -0x10(%ebx,%esi)\n addr32 movl memory_word(%eip), %r9d\n"
            "movabsq $0x5500000003, %rcx\n addr32 rep stosb\n" STOP);
CODE(cut32,
     ".code32\n movl (%ebx,%esi), %eax\n leal (%ebx,%esi), %ecx\n addl $1, -0x10(%ebx,%esi)\n"
     "movl -1(%ebx,%esi,1), %edx\n" STOP ".code64");
u32 memory_word = 0x4711;

static void addresses(void)
{
    for (u32 n = 0; n < 100; n++) {
        struct stop s;
        u64 *m = memory[n & 3];
        u32 at = (u32)(word)&m[4], part = 0x9abcdef0 + n * 0x01234567;
        struct regs r = start(n & 1 ? cut32 : cut64, n & 1 ? CS32_SEL : KERNEL_CS);
        test(n & 1 ? "addresses wrap in 32-bit code" : "addresses of 32 bits in 64-bit code");
        memset(m, 0, 128);
        m[4] = 0x1122334455667788 + n, m[2] = 5;
        r.r[RBX] = (n & 1 ? 0 : 0xabcdull << 32) | part;
        r.r[RSI] = (n & 1 ? 0 : 0x1234ull << 32) | (u32)(at - part);
        r.r[RDI] = (u32)(word)&m[8] | (n & 1 ? 0 : 0x777700000000);
        CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
        CHECK_EQ((u32)s.regs.r[RAX], 0x55667788 + n);
        CHECK_EQ(m[2], 6);
        if (n & 1) {
            CHECK_EQ((u32)s.regs.r[RCX], at);
        } else {
            CHECK_EQ(s.regs.r[R8], at);
            CHECK_EQ(s.regs.r[R9], 0x4711);
            CHECK_EQ(s.regs.r[RDI], (word)&m[8] + 3); /* RDI and RCX lose their upper halves */
            CHECK_EQ(s.regs.r[RCX], 0);
            CHECK_EQ(m[8], (s.regs.r[RAX] & 0xff) * 0x010101);
        }
    }
}

GUEST("modes")
{
    regs_catch_all();
    same_bytes();
    calls();
    interrupts();
    bases();
    fs_gs("WRMSR", fs_msr);
    fs_gs("SWAPGS", gs_swap);
    fs_gs("MOV FS", fs_load);
    if (cpuid(7, 0).ebx & 1) {
        set_cr4(get_cr4() | CR4_FSGSBASE);
        fs_gs("WRFSBASE", fs_base);
    }
    addresses();
}
