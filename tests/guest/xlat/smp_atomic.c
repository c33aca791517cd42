/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every locked instruction in loops on four CPUs at once (smp/lock.c has the usual ones): what one
 * does must not be lost by another's. Plain instructions on neighbouring bytes do not disturb each
 * other. Message passing by stores of several kinds, and the store buffer with each kind of fence.
 */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "smp.h"

#define CPUS   4u
#define ROUNDS 3000u /* even */

static __attribute__((aligned(64))) u64 shared[64];
static volatile u64 tickets[CPUS];
static volatile u32 wrong;

/* RDI: the memory, ECX: rounds, EDX: the CPU, ESI: 1 << CPU */
#define LOOP(name, text) CODE(name, "1:\n" text "\n decl %ecx\n jnz 1b\n ret")
LOOP(add8, "lock addb $1, (%rdi)");
LOOP(add64, "lock addq $1, (%rdi)");
LOOP(inc16, "lock incw (%rdi)");
LOOP(dec32, "lock decl (%rdi)");
LOOP(sub64, "lock subq $1, (%rdi)");
LOOP(adc32, "stc\n lock adcl $0, (%rdi)");
LOOP(sbb64, "stc\n lock sbbq $0, (%rdi)");
LOOP(xadd8, "movb $1, %al\n lock xaddb %al, (%rdi)");
LOOP(not64, "lock notq (%rdi)");
LOOP(neg32, "lock negl (%rdi)");
LOOP(xor32, "lock xorl %esi, (%rdi)");
LOOP(xor8, "lock xorb %sil, (%rdi)");
LOOP(btc16, "lock btcw %dx, (%rdi)");
LOOP(btc_far, "lock btcq %rdx, (%rdi)");
LOOP(cas8,
     "movb (%rdi), %al\n2: movl %eax, %r8d\n incl %r8d\n lock cmpxchgb %r8b, (%rdi)\n jnz 2b");
LOOP(cas16, "movw (%rdi), %ax\n2: leal 1(%rax), %r8d\n lock cmpxchgw %r8w, (%rdi)\n jnz 2b");
LOOP(cas32, "movl (%rdi), %eax\n2: leal 1(%rax), %r8d\n lock cmpxchgl %r8d, (%rdi)\n jnz 2b");
/* Set the own bit, see it; clear it, see it. */
LOOP(or_and, "lock orl %esi, (%rdi)\n testl %esi, (%rdi)\n jz 3f\n movl %esi, %eax\n notl %eax\n"
             "lock andl %eax, (%rdi)\n testl %esi, (%rdi)\n jz 4f\n3: incl wrong(%rip)\n4:");
LOOP(bts_btr,
     "lock btsq %rdx, (%rdi)\n jc 3f\n lock btrq %rdx, (%rdi)\n jc 4f\n3: incl wrong(%rip)\n4:");
CODE(cas64, "pushq %rbx\n movl %ecx, %esi\n1: movl (%rdi), %eax\n movl 4(%rdi), %edx\n"
            "2: movl %eax, %ebx\n movl %edx, %ecx\n addl $1, %ebx\n adcl $0, %ecx\n"
            "lock cmpxchg8b (%rdi)\n jnz 2b\n decl %esi\n jnz 1b\n popq %rbx\n ret");
/* Plain, each on bytes of its own: byte, or word, or doubleword EDX of the memory. */
LOOP(
    own_byte,
    "incb (%rdi,%rdx)\n addb $2, 8(%rdi,%rdx)\n movb %cl, 16(%rdi,%rdx)\n cmpb %cl, 16(%rdi,%rdx)\n"
    "je 4f\n incl wrong(%rip)\n4:");
LOOP(own_word, "incw (%rdi,%rdx,2)\n addw $2, 8(%rdi,%rdx,2)\n rolw $1, 16(%rdi,%rdx,2)");
LOOP(own_dword, "incl (%rdi,%rdx,4)\n addl $2, 16(%rdi,%rdx,4)\n notl 32(%rdi,%rdx,4)");

static const u8 *volatile running;
static volatile u64 *place;

static void run_loop(word cpu)
{
    u64 rdi = (word)place, rcx = ROUNDS, rdx = cpu, rsi = BIT64(cpu);
    asm volatile("call *%4"
                 : "+D"(rdi), "+c"(rcx), "+d"(rdx), "+S"(rsi)
                 : "r"(running)
                 : "rax", "r8", "memory", "cc");
}

static u64 run(const u8 *loop, u64 initial, u32 width)
{
    *place = initial;
    running = loop;
    smp_all(CPUS, run_loop);
    return *place & (~0ull >> (64 - width));
}
#define RUN(name, initial, width, want)                                                            \
    (test(#name), CHECK_EQ(run(name, initial, width), (u64)(want) & (~0ull >> (64 - (width)))))

static void all_forms(void)
{
    const u64 n = CPUS * ROUNDS;
    RUN(add8, 7, 8, 7 + n);
    RUN(add64, 0xfffffff0, 64, 0xfffffff0 + n);
    RUN(inc16, 5, 16, 5 + n);
    RUN(dec32, 5, 32, 5 - n);
    RUN(sub64, 0x100000000, 64, 0x100000000 - n);
    RUN(adc32, 5, 32, 5 + n);
    RUN(sbb64, 5, 64, 5 - n);
    RUN(xadd8, 5, 8, 5 + n);
    RUN(not64, 0x123456789abcdef, 64, 0x123456789abcdef);
    RUN(neg32, 0x12345678, 32, 0x12345678);
    RUN(xor32, 0x12345678, 32, 0x12345678);
    RUN(xor8, 0x78, 8, 0x78);
    RUN(btc16, 0x1234, 16, 0x1234);
    RUN(btc_far, 0x1234, 64, 0x1234);
    RUN(cas8, 5, 8, 5 + n);
    RUN(cas16, 5, 16, 5 + n);
    RUN(cas32, 5, 32, 5 + n);
    RUN(cas64, 0xffffff00, 64, 0xffffff00 + n);
    RUN(or_and, 0xf0, 8, 0xf0);
    RUN(bts_btr, 0xf0, 8, 0xf0);
    CHECK_EQ(wrong, 0);
}

static void neighbours(void)
{
    test("plain instructions on neighbouring bytes");
    memset(shared, 0, sizeof(shared));
    (void)run(own_byte, 0, 64);
    for (u32 i = 0; i < CPUS; i++) {
        CHECK_EQ(((u8 *)place)[i], (u8)ROUNDS);
        CHECK_EQ(((u8 *)place)[8 + i], (u8)(2 * ROUNDS));
    }
    memset(shared, 0, sizeof(shared));
    for (u32 i = 0; i < CPUS; i++)
        ((u16 *)place)[8 + i] = (u16)(0x1234 + i);
    (void)run(own_word, 0, 64);
    for (u32 i = 0; i < CPUS; i++) {
        CHECK_EQ(((u16 *)place)[i], ROUNDS);
        CHECK_EQ(((u16 *)place)[4 + i], 2 * ROUNDS);
        u16 v = (u16)(0x1234 + i);
        CHECK_EQ(((u16 *)place)[8 + i], (u16)(v << ROUNDS % 16 | v >> (16 - ROUNDS % 16)));
    }
    memset(shared, 0, sizeof(shared));
    (void)run(own_dword, 0, 64);
    for (u32 i = 0; i < CPUS; i++) {
        CHECK_EQ(((u32 *)place)[i], ROUNDS);
        CHECK_EQ(((u32 *)place)[4 + i], 2 * ROUNDS);
        CHECK_EQ(((u32 *)place)[8 + i], 0);
    }
    CHECK_EQ(wrong, 0);
}

/* XCHG moves values about and loses none; XADD gives each number once. */
static void exchange(word cpu)
{
    u64 v = 1000 + cpu, sum = 0;
    for (u32 i = 0; i < ROUNDS; i++)
        asm volatile("xchgq %0, (%1)" : "+r"(v) : "r"(place) : "memory");
    tickets[cpu] = v;
    for (u32 i = 0; i < ROUNDS; i++) {
        u32 t = 1;
        asm volatile("lock xaddl %0, 8(%1)" : "+r"(t) : "r"(place) : "memory", "cc");
        sum += t;
    }
    __atomic_fetch_add((u64 *)place + 2, sum, __ATOMIC_SEQ_CST);
}

static void values(void)
{
    test("XCHG and XADD lose nothing");
    const u64 n = CPUS * ROUNDS;
    memset(shared, 0, sizeof(shared));
    place[0] = 999;
    smp_all(CPUS, exchange);
    u64 sum = place[0];
    for (u32 i = 0; i < CPUS; i++)
        sum += tickets[i];
    CHECK_EQ(sum, 999 + 1000 + 1001 + 1002 + 1003);
    CHECK_EQ(place[1], n);
    CHECK_EQ(place[2], n * (n - 1) / 2);
}

/* Two CPUs, a pair of words for each round: no round needs them to meet. */
#define SLOTS 4000u
static volatile u32 x[SLOTS][2], r[SLOTS][2];
static volatile u32 ready;
static u32 fence;

static void both_ready(void)
{
    __atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
    while (ready < 2)
        pause_cpu();
}

static void store_buffer(word cpu)
{
    if (cpu > 1)
        return;
    both_ready();
    for (u32 i = 0; i < SLOTS; i++) {
        x[i][cpu] = 1;
        if (fence == 0)
            asm volatile("mfence" : : : "memory");
        else if (fence == 1)
            asm volatile("lock addl $0, (%%rsp)" : : : "memory", "cc");
        else if (fence == 2)
            asm volatile("xchgl %%eax, -8(%%rsp)" : : : "eax", "memory");
        else
            (void)cpuid(0, 0);
        r[i][cpu] = x[i][1 - cpu];
    }
}

static void fences(void)
{
    static const char *const name[] = {
        "MFENCE between store and load", "LOCK ADD between store and load",
        "XCHG between store and load", "CPUID between store and load"};
    for (fence = 0; fence < 4; fence++) {
        test(name[fence]);
        memset((void *)x, 0, sizeof(x));
        ready = 0;
        smp_all(CPUS, store_buffer);
        u32 both_old = 0;
        for (u32 i = 0; i < SLOTS; i++)
            both_old += !r[i][0] && !r[i][1];
        CHECK_EQ(both_old, 0);
    }
}

/* Data, then a flag, by stores of several kinds; the reader looks at the flag first. */
static void message(word cpu)
{
    if (cpu > 1)
        return;
    both_ready();
    for (u32 i = 0; i < SLOTS; i++) {
        volatile u32 *data = x[i], *flag = r[SLOTS - 1 - i];
        if (cpu == 1) {
            u32 f = flag[0], d = data[0];
            if (f && !d)
                wrong++;
        } else if (i % 3 == 0) {
            data[0] = 1, flag[0] = 1;
        } else if (i % 3 == 1) {
            void *to = (void *)data;
            asm volatile("stosl\n incl (%1)" : "+D"(to) : "r"(flag), "a"(1) : "memory", "cc");
        } else {
            asm volatile("pushq $1\n popq %%rax\n movntil %%eax, (%0)\n sfence\n xchgl %%eax, (%1)"
                         :
                         : "r"(data), "r"(flag)
                         : "rax", "memory");
        }
    }
}

GUEST("smp-atomic")
{
    smp_start(CPUS);
    place = shared;
    all_forms();
    neighbours();
    values();
    fences();
    test("data before its flag");
    memset((void *)x, 0, sizeof(x));
    memset((void *)r, 0, sizeof(r));
    ready = 0;
    smp_all(CPUS, message);
    CHECK_EQ(wrong, 0);
}
