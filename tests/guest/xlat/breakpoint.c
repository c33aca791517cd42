/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Breakpoints of the debug registers set on code that has run hot before: at the first, a middle
 * and the last instruction of a block, across pages, in one of two linear addresses of the same
 * code; RF. And on the variable of a hot loop, set and cleared from outside and in the middle of a
 * block, for every kind of access.
 */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"
#include "xlat.h"

#define DR6_CLEAR 0xffff0ff0u
#define DR7_OFF   0x400u
/* Breakpoint n; type: 0 execution, 1 write, 3 access; len: 0: 1, 1: 2, 3: 4, 2: 8 bytes */
#define DR7(n, type, len) (2u << (2 * (n)) | (type) << (16 + 4 * (n)) | (len) << (18 + 4 * (n)))
#define VA                (TEST_BASE + 0x8000)
#define RW                (PTE_P | PTE_W)

static __attribute__((aligned(64))) u8 memory[256], stack[512];
static page_aligned u8 page[2][4096];
static struct {
    u32 hits, without_rf; /* how often the handler leaves RF clear */
    word ip, rcx, rax, flags;
    u64 dr6;
} hit;

static bool on_trap(struct stop *s)
{
    if (s->vector == PF && s->cr2 - VA < 8192) {
        CHECK_EQ(s->regs.flags & FLAG_RF, FLAG_RF);
        page_map(VA + 4096, (word)page[0], RW);
        return true;
    }
    if (s->vector != DB)
        return false;
    hit.hits++;
    hit.ip = s->regs.ip, hit.rcx = s->regs.r[RCX], hit.rax = s->regs.r[RAX];
    hit.flags = s->regs.flags;
    hit.dr6 = get_dr6();
    set_dr6(DR6_CLEAR);
    if (hit.without_rf > 0)
        hit.without_rf--;
    else if (hit.dr6 & 15)
        s->regs.flags |= FLAG_RF;
    return hit.hits < 100000;
}

static void run(const void *start, struct stop *s)
{
    struct regs r = {.ip = (word)start, .flags = 2};
    r.r[RBX] = (word)memory, r.r[RSP] = (word)stack + 256;
    hit.hits = 0;
    CHECK_EQ(regs_run(&r, s), STOP_VECTOR);
}

static void watch(u32 n, const void *at, u32 dr7)
{
    set_dr6(DR6_CLEAR);
    if (n == 0)
        set_dr0((word)at);
    else
        set_dr3((word)at);
    set_dr7(DR7_OFF | dr7);
}

static void off(void)
{
    set_dr7(DR7_OFF);
    set_dr6(DR6_CLEAR);
}

/* Counts in RAX; 40 times through three blocks. */
CODE(hot, "xorl %eax, %eax\n movl $40, %ecx\n"
          "hot_1: addl $1, %eax\n hot_2: addl $2, %eax\n cmpl %eax, %edx\n hot_3: jmp hot_4\n nop\n"
          "hot_4: movq %rax, (%rbx)\n hot_5: addl $3, (%rbx)\n hot_6: call hot_8\n"
          "hot_7: decl %ecx\n jnz hot_1\n" STOP "hot_8: addl $4, %eax\n hot_9: ret\n");
extern u8 hot_1[], hot_2[], hot_3[], hot_4[], hot_5[], hot_6[], hot_7[], hot_8[], hot_9[];

static void execution(void)
{
    static u8 *const at[] = {hot_1, hot_2, hot_3, hot_4, hot_5, hot_6, hot_7, hot_8, hot_9};
    static const u8 gained[] = {0, 1, 3, 3, 3, 3, 7, 3, 7}; /* RAX, since the loop's head */
    struct stop s;
    for (u32 i = 0; i < ARRAY_SIZE(at); i++) {
        test("execution, in hot code");
        off();
        for (u32 k = 0; k < 5; k++)
            run(hot, &s);
        CHECK_EQ(hit.hits, 0);
        CHECK_EQ(s.regs.r[RAX], 280);
        watch(0, at[i], DR7(0, 0, 0));
        run(hot, &s);
        CHECK_EQ(hit.hits, 40);
        CHECK_EQ(hit.ip, (word)at[i]);
        CHECK_EQ(hit.dr6 & 0xe001, 1); /* bits of those that are off may be set, too */
        CHECK_EQ(hit.flags & FLAG_RF, 0);
        CHECK_EQ(hit.rcx, 1);
        CHECK_EQ(hit.rax, 39 * 7 + gained[i]);
        CHECK_EQ(s.regs.r[RAX], 280);
        test("execution, RF left clear three times");
        hit.without_rf = 3;
        run(hot, &s);
        CHECK_EQ(hit.hits, 43);
        CHECK_EQ(s.regs.r[RAX], 280);
        test("execution, cleared again");
        off();
        run(hot, &s);
        CHECK_EQ(hit.hits, 0);
        test("execution, two at once");
        watch(3, hot_5, 0);
        watch(0, at[i], DR7(0, 0, 0) | DR7(3, 0, 0));
        run(hot, &s);
        CHECK_EQ(hit.hits, at[i] == hot_5 ? 40 : 80);
        off();
    }
}

/* Set and cleared by the code itself; some instructions lie between, MOV DR serializes. */
CODE(sets,
     "movq %rbx, %rdx\n leaq 1f(%rip), %rax\n movq %rax, %dr0\n movl $0x402, %eax\n"
     "movq %rax, %dr7\n nop\n nop\n1: addl $5, %edx\n movl $0x400, %eax\n movq %rax, %dr7\n nop\n"
     "jmp 2f\n2: leaq 3f(%rip), %rax\n movq %rax, %dr0\n nop\n3: addl $1, %edx\n" STOP);

static void by_itself(void)
{
    struct stop s;
    test("set and cleared in the block itself");
    for (u32 i = 0; i < 5; i++) {
        off();
        run(sets, &s);
        CHECK_EQ(hit.hits, 1);
        CHECK_EQ(s.regs.r[RDX], (u32)(word)memory + 6);
    }
    off();
}

static void addresses(void)
{
    struct stop s;
    test("one of two addresses of the same code");
    u8 *p = emit_lea(page[1] + 0x10, RAX, 1), *second = (u8 *)VA + (p - page[1]);
    p = emit_lea(p, RAX, 2);
    EMIT(p, STOP_BYTES);
    page_map(VA, (word)page[1], RW);
    page_map(VA + 4096, (word)page[1], RW);
    for (u32 i = 0; i < 10; i++) {
        off();
        run((u8 *)VA + 0x10, &s);
        run((u8 *)VA + 0x1010, &s);
        watch(0, second + (i & 1 ? 4096 : 0), DR7(0, 0, 0));
        run((u8 *)VA + 0x10, &s);
        CHECK_EQ(hit.hits, !(i & 1));
        run((u8 *)VA + 0x1010, &s);
        CHECK_EQ(hit.hits, i & 1);
    }
    off();
}

static void across(void)
{
    struct stop s;
    static const u8 lengths[] = {0, 1, 3, 6};
    for (u32 i = 0; i < ARRAY_SIZE(lengths); i++) {
        test("an instruction across pages, and the one behind it");
        u8 *at = (u8 *)VA + 4096 - lengths[i], *p = at;
        page_map(VA, (word)page[1], RW);
        page_map(VA + 4096, (word)page[0], RW);
        p = emit_lea(p - 7, RDX, 1);
        p = emit_lea(p, RDX, 2);
        u8 *behind = p;
        p = emit_lea(p, RDX, 4);
        EMIT(p, STOP_BYTES);
        for (u32 k = 0; k < 4; k++) {
            off();
            run(at - 7, &s);
            CHECK_EQ(hit.hits, 0);
            watch(0, k & 1 ? behind : at, DR7(0, 0, 0));
            page_map(VA + 4096, 0, 0); /* the fault of the fetch comes first only where it is due */
            run(at - 7, &s);
            CHECK_EQ(hit.hits, 1);
            CHECK_EQ(hit.ip, (word)(k & 1 ? behind : at));
            CHECK_EQ(s.regs.r[RDX], 7);
        }
    }
    off();
}

#define VARIABLE "movl $100, %ecx\n1: "
#define UNTIL    "\n decl %ecx\n jnz 1b\n" STOP
CODE(var_store, VARIABLE "movl %ecx, 64(%rbx)" UNTIL);
CODE(var_add, VARIABLE "addl $1, 64(%rbx)" UNTIL);
CODE(var_load, VARIABLE "addl 64(%rbx), %eax" UNTIL);
CODE(var_lock, VARIABLE "lock incl 64(%rbx)" UNTIL);
CODE(var_xchg, VARIABLE "xchgl %eax, 64(%rbx)" UNTIL);
CODE(var_push, "leaq 72(%rbx), %rsp\n" VARIABLE "pushq %rcx\n leaq 8(%rsp), %rsp" UNTIL);
CODE(var_pop, "leaq 64(%rbx), %rsp\n" VARIABLE "popq %rax\n leaq -8(%rsp), %rsp" UNTIL);
CODE(var_call, "leaq 72(%rbx), %rsp\n" VARIABLE "call 2f\n nop\n2: leaq 8(%rsp), %rsp" UNTIL);
CODE(var_stos, VARIABLE "leaq 64(%rbx), %rdi\n stosb" UNTIL);
CODE(var_sse, VARIABLE "movups %xmm0, 60(%rbx)" UNTIL);
CODE(var_sse_load, VARIABLE "movups 60(%rbx), %xmm0" UNTIL);
CODE(var_set, VARIABLE "setc 67(%rbx)" UNTIL);
CODE(var_cmpxchg, VARIABLE "cmpxchgl %eax, 64(%rbx)" UNTIL);
CODE(var_near, VARIABLE "movl %ecx, 60(%rbx)\n movl %ecx, 68(%rbx)" UNTIL);
static const struct {
    const char *name;
    const u8 *text, *end;
    u32 writes, accesses; /* hits of a watch for writes, and for any access */
} variables[] = {
#define V(name, w, a)                                                                              \
    {                                                                                              \
#name, var_##name, var_##name##_end, w, a                                                  \
    }
    V(store, 100, 100),   V(add, 100, 100),  V(load, 0, 100),     V(lock, 100, 100),
    V(xchg, 100, 100),    V(push, 100, 100), V(pop, 0, 100),      V(call, 100, 100),
    V(stos, 100, 100),    V(sse, 100, 100),  V(sse_load, 0, 100), V(set, 100, 100),
    V(cmpxchg, 100, 100), V(near, 0, 0),
};

static void data(void)
{
    struct stop s;
    for (u32 i = 0; i < ARRAY_SIZE(variables); i++)
        for (u32 round = 0; round < 3; round++) {
            test_case("data, in a hot loop", variables[i].name,
                      round & 1 ? "any access" : "writes");
            off();
            run(variables[i].text, &s);
            run(variables[i].text, &s);
            CHECK_EQ(hit.hits, 0);
            watch(0, memory + 64, DR7(0, round & 1 ? 3u : 1u, 3u));
            run(variables[i].text, &s);
            u32 want = round & 1 ? variables[i].accesses : variables[i].writes;
            CHECK_EQ(hit.hits, want);
            if (want) {
                CHECK_EQ(hit.rcx, 1);
                CHECK_EQ(hit.dr6 & 0xe00f, 1);
                CHECK_IN(hit.ip, variables[i].text + 6, variables[i].end);
            }
            watch(0, memory + 128, DR7(0, 3, 3u));
            run(variables[i].text, &s);
            CHECK_EQ(hit.hits, 0);
        }
    off();
}

CODE(data_sets, "leaq 64(%rbx), %rax\n movq %rax, %dr0\n movl $0xd0402, %eax\n movl $1, 64(%rbx)\n"
                "movq %rax, %dr7\n movl $2, 64(%rbx)\n nop\n movl $0x400, %eax\n movq %rax, %dr7\n"
                "movl $3, 64(%rbx)\n" STOP);

static void data_by_itself(void)
{
    struct stop s;
    test("data, set and cleared in the block itself");
    for (u32 i = 0; i < 5; i++) {
        off();
        run(data_sets, &s);
        CHECK_EQ(hit.hits, 1);
        CHECK_EQ(*(volatile u32 *)(memory + 64), 3);
    }
    off();
}

GUEST("breakpoint")
{
    regs_catch_all();
    regs_fix = on_trap;
    set_cr4(get_cr4() | CR4_OSFXSR);
    execution();
    by_itself();
    addresses();
    across();
    data();
    data_by_itself();
}
