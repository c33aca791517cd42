/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Debug registers (SDM 3B 17.2): execution, data and port breakpoints, DR6, DR7.GD, DR4 and DR5,
   RF, ICEBP, and a data breakpoint under MOV SS. */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"

#define DR6_CLEAR         0xffff0ff0u
#define EXEC              0u
#define WRITE             1u
#define PORT              2u
#define ACCESS            3u
#define LEN1              0u
#define LEN2              1u
#define LEN8              2u
#define LEN4              3u
#define DR7(n, type, len) (BIT(2 * (n) + 1) | (type) << (16 + 4 * (n)) | (len) << (18 + 4 * (n)))
#define DR7_OFF           0x400u
#define HITS              (get_dr6() & 0xe00f)

u8 buf[64] __attribute__((aligned(64)));
u16 stack_selector = KERNEL_DS;

static void watch(u64 dr0, u32 dr7)
{
    set_dr6(DR6_CLEAR);
    set_dr0(dr0);
    set_dr7(DR7_OFF | dr7);
}

static void off(void)
{
    set_dr7(DR7_OFF);
    set_dr6(DR6_CLEAR);
}

static void registers(void)
{
    test("fixed and reserved bits");
    off();
    CHECK_EQ(get_dr6(), DR6_CLEAR);
    set_dr6(0);
    CHECK_EQ(get_dr6() & 0xffff1ff0, DR6_CLEAR & 0xffff1ff0);
    set_dr7(0);
    CHECK_EQ(get_dr7(), DR7_OFF);
    CHECK_TRAP(GP, 0, set_dr6(BIT64(32)));
    CHECK_TRAP(GP, 0, set_dr7(BIT64(32)));
    set_dr3(0xdeadbeefcafef00dull);
    CHECK_EQ(get_dr3(), 0xdeadbeefcafef00dull);
    u64 v;
    set_dr6(DR6_CLEAR | 5);
    CHECK_RUNS(asm volatile("movq %%db4, %0" : "=r"(v)));
    asm volatile("movq %%db4, %0" : "=r"(v));
    CHECK_EQ(v, get_dr6());
    asm volatile("movq %%db5, %0" : "=r"(v));
    CHECK_EQ(v, DR7_OFF);
    set_cr4(get_cr4() | CR4_DE);
    CHECK_TRAP(UD, 0, asm volatile("movq %%db4, %0" : "=r"(v)));
    CHECK_TRAP(UD, 0, asm volatile("movq %0, %%db5" : : "r"(0ull)));
    set_cr4(get_cr4() & ~(word)CR4_DE);
    off();
}

void exec_here(void);
asm(".pushsection .text\n exec_here: nop\n .globl exec_next\n exec_next: nop\n ret\n .popsection");
extern u8 exec_next[];
static unsigned hits;
static u64 hit_ip, hit_dr6;

static void on_exec(struct frame *f)
{
    hits++;
    hit_ip = f->ip;
    hit_dr6 = get_dr6();
    set_dr6(DR6_CLEAR);
    f->flags |= FLAG_RF;
}

static void execution(void)
{
    test("execution");
    watch((word)exec_here, DR7(0, EXEC, LEN1));
    CHECK_TRAP(DB, 0, exec_here());
    CHECK_EQ(last_trap.ip, (word)exec_here);
    CHECK_EQ(HITS, 1);
    trap_handle(DB, on_exec);
    hits = 0;
    set_dr6(DR6_CLEAR);
    exec_here();
    exec_here();
    CHECK_EQ(hits, 2); /* RF let it pass, and only once */
    CHECK_EQ(hit_ip, (word)exec_here);
    CHECK_EQ(hit_dr6 & 0xe00f, 1);
    set_dr2((word)exec_next);
    set_dr7(DR7_OFF | DR7(0, EXEC, LEN1) | DR7(2, EXEC, LEN1));
    hits = 0;
    exec_here();
    CHECK_EQ(hits, 2);
    CHECK_EQ(hit_ip, (word)exec_next);
    CHECK_EQ(hit_dr6 & 0xe00f, 4);
    watch((word)exec_here, 0);
    hits = 0;
    exec_here();
    CHECK_EQ(hits, 0);
    trap_handle(DB, NULL);
    off();
}

/* Runs the statement under a watch; `hit` says whether its trap is wanted. */
#define WATCHED(hit, address, type, len, ...)                                                      \
    do {                                                                                           \
        watch((word)(address), DR7(0, type, len));                                                 \
        (void)TRAP(__VA_ARGS__);                                                                   \
        u64 dr6_ = get_dr6();                                                                      \
        off();                                                                                     \
        check_trap((hit) ? DB : NO_TRAP, 0, #address " " #type " " #len " " #__VA_ARGS__,          \
                   __LINE__);                                                                      \
        if (hit)                                                                                   \
            check_eq(dr6_ & 0xe00f, 1, "DR6", __LINE__);                                           \
    } while (0)

static void data(void)
{
    test("data");
    WATCHED(true, buf, WRITE, LEN1, asm volatile("movb $1, buf" : : : "memory"));
    WATCHED(false, buf, WRITE, LEN1, asm volatile("movb buf, %%al" : : : "eax"));
    WATCHED(true, buf, ACCESS, LEN1, asm volatile("movb buf, %%al" : : : "eax"));
    WATCHED(true, buf, ACCESS, LEN1, asm volatile("movb $1, buf" : : : "memory"));
    WATCHED(false, buf + 1, WRITE, LEN1, asm volatile("movb $1, buf" : : : "memory"));
    WATCHED(true, buf + 1, WRITE, LEN1, asm volatile("movl $1, buf" : : : "memory"));
    WATCHED(false, buf + 4, WRITE, LEN1, asm volatile("movl $1, buf" : : : "memory"));
    WATCHED(true, buf + 4, WRITE, LEN4, asm volatile("movb $1, buf + 7" : : : "memory"));
    WATCHED(false, buf + 4, WRITE, LEN4, asm volatile("movb $1, buf + 8" : : : "memory"));
    WATCHED(true, buf + 8, WRITE, LEN8, asm volatile("movb $1, buf + 15" : : : "memory"));
    WATCHED(true, buf + 8, WRITE, LEN2, asm volatile("movl $1, buf + 6" : : : "memory"));
    WATCHED(true, buf + 11, WRITE, LEN2,
            asm volatile("movb $1, buf + 10"
                         :
                         :
                         : "memory")); /* aligned */
    WATCHED(true, buf, WRITE, LEN4, asm volatile("lock incl buf" : : : "memory", "cc"));
    WATCHED(true, buf, WRITE, LEN4, asm volatile("addl $1, buf" : : : "memory", "cc"));
    WATCHED(true, buf, ACCESS, LEN4, asm volatile("cmpl $1, buf" : : : "cc"));
    WATCHED(false, buf, WRITE, LEN4, asm volatile("cmpl $1, buf" : : : "cc"));
    WATCHED(false, buf, ACCESS, LEN4, asm volatile("leaq buf, %%rax" : : : "rax"));
    WATCHED(true, buf + 8, WRITE, LEN8,
            asm volatile("movq %%rsp, %%rbx\n leaq buf + 16, %%rsp\n"
                         "pushq %%rax\n movq %%rbx, %%rsp"
                         :
                         :
                         : "rbx", "memory"));
}

static void trap_address(void)
{
    test("data breakpoints trap after the instruction");
    put32(buf, 0);
    watch((word)buf, DR7(0, WRITE, LEN4));
    CHECK_TRAP(DB, 0,
               asm volatile("movl $0x55, buf\n.globl after_store\nafter_store: nop"
                            :
                            :
                            : "memory"));
    extern u8 after_store[];
    CHECK_EQ(last_trap.ip, (word)after_store);
    off();
    CHECK_EQ(get32(buf), 0x55); /* the store is done */
    watch((word)buf + 3, DR7(0, WRITE, LEN1));
    CHECK_TRAP(DB, 0, asm volatile("cld\n" AT "rep stosb" : : "D"(buf), "c"(8), "a"(9) : "memory"));
    off();
    CHECK_EQ(last_trap.cx, 4); /* after the iteration that hit */
    CHECK_EQ(last_trap.di, (word)buf + 4);
    CHECK_EQ(last_trap.ip, want_ip);
}

static void under_mov_ss(void)
{
    test("MOV SS holds the trap back for one instruction");
    watch((word)&stack_selector, DR7(0, ACCESS, LEN2));
    CHECK_TRAP(DB, 0,
               asm volatile("movw stack_selector, %%ss\n nop\n"
                            ".globl after_shadow\nafter_shadow: nop"
                            :
                            :
                            : "memory"));
    extern u8 after_shadow[];
    CHECK_EQ(last_trap.ip, (word)after_shadow);
    CHECK_EQ(HITS, 1);
    off();
}

static void ports(void)
{
    test("ports");
    set_cr4(get_cr4() | CR4_DE);
    WATCHED(true, 0x61, PORT, LEN1, (void)inb(0x61));
    WATCHED(true, 0x80, PORT, LEN1, outb(0x80, 0));
    WATCHED(false, 0x81, PORT, LEN1, outb(0x80, 0));
    WATCHED(true, 0x80, PORT, LEN4, outb(0x83, 0));
    set_cr4(get_cr4() & ~(word)CR4_DE);
}

static void general_detect(void)
{
    test("DR7.GD");
    watch(0, BIT(13));
    CHECK_TRAP(DB, 0, asm volatile(AT "movq %%dr0, %%rax" : : : "rax"));
    CHECK_EQ(last_trap.ip, want_ip);
    CHECK_EQ(HITS, BIT(13)); /* the handler could read: GD is cleared on entry */
    CHECK_EQ(get_dr7(), DR7_OFF);
    watch(0, BIT(13));
    CHECK_TRAP(DB, 0, asm volatile(AT "movq %%rax, %%dr6" : : "a"(0)));
    off();
}

static void icebp(void)
{
    test("INT1");
    off();
    CHECK_TRAP(DB, 0, asm volatile("movq $1f, want_ip\n.byte 0xf1\n1:"));
    CHECK_EQ(last_trap.ip, want_ip);
    CHECK_EQ(HITS, 0);
}

static void priority(void)
{
    test("both kinds at once");
    watch((word)buf, DR7(0, WRITE, LEN1));
    CHECK_TRAP(DB, 0,
               asm volatile("pushfq\n orl $0x100, (%%rsp)\n popfq\n movb $1, buf\n nop"
                            :
                            :
                            : "memory"));
    CHECK_EQ(HITS, BIT(14) | 1); /* single step and data in one trap */
    off();
    watch((word)buf, DR7(0, WRITE, LEN1));
    CHECK_TRAP(PF, 0, asm volatile("movb (%0), %%al\n movb $1, buf" : : "r"(TEST_BASE) : "eax"));
    CHECK_EQ(HITS, 0);
    off();
}

GUEST("debugreg")
{
    registers();
    execution();
    data();
    trap_address();
    under_mov_ss();
    ports();
    general_detect();
    icebp();
    priority();
}
