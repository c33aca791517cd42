/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs one instruction on the host itself, written without anything of cpu/simd: all general,
 * vector and x87 registers are loaded from struct native, and stored there afterwards.
 */
#pragma once
#include "base/base.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#undef REG_RIP /* cpu/interp/insn.h has one of its own */

struct native_state { /* the assembly below knows the offsets */
    u64 gpr[16];      /* RSP is not loaded */
    u64 rflags;
    void *code;
    u64 old_rsp;
    u32 mxcsr;
    u32 has_avx;
    u8 fx[512] __attribute__((aligned(64)));
    u8 ymm[16][32];
};
_Static_assert(offsetof(struct native_state, fx) == 192, "known to native_run");

struct native {
    u8 stack[1024]; /* RSP points to its end while the instruction executes */
    struct native_state s;
    u8 *code;
    sigjmp_buf fault;
    u32 fault_mxcsr;
};

void native_run(struct native_state *s);
extern const u8 native_back[];

__asm__(".pushsection .text\n"
        ".globl native_run, native_back\n"
        "native_run:\n"
        "  push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
        "  mov %rsp, 144(%rdi)\n"
        "  mov %rdi, %rsp\n"
        "  fxrstor64 192(%rsp)\n"
        "  .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
        "  movups 704+32*\\n(%rsp), %xmm\\n\n"
        "  .endr\n"
        "  cmpl $0, 156(%rsp)\n"
        "  je 1f\n"
        "  .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
        "  vmovups 704+32*\\n(%rsp), %ymm\\n\n"
        "  .endr\n"
        "1: ldmxcsr 152(%rsp)\n"
        "  push 128(%rsp)\n"
        "  popf\n"
        "  mov 0(%rsp), %rax; mov 8(%rsp), %rcx; mov 16(%rsp), %rdx; mov 24(%rsp), %rbx\n"
        "  mov 40(%rsp), %rbp; mov 48(%rsp), %rsi; mov 56(%rsp), %rdi; mov 64(%rsp), %r8\n"
        "  mov 72(%rsp), %r9; mov 80(%rsp), %r10; mov 88(%rsp), %r11; mov 96(%rsp), %r12\n"
        "  mov 104(%rsp), %r13; mov 112(%rsp), %r14; mov 120(%rsp), %r15\n"
        "  jmp *136(%rsp)\n"
        "native_back:\n"
        "  mov %rax, 0(%rsp); mov %rcx, 8(%rsp); mov %rdx, 16(%rsp); mov %rbx, 24(%rsp)\n"
        "  mov %rbp, 40(%rsp); mov %rsi, 48(%rsp); mov %rdi, 56(%rsp); mov %r8, 64(%rsp)\n"
        "  mov %r9, 72(%rsp); mov %r10, 80(%rsp); mov %r11, 88(%rsp); mov %r12, 96(%rsp)\n"
        "  mov %r13, 104(%rsp); mov %r14, 112(%rsp); mov %r15, 120(%rsp)\n"
        "  pushf\n"
        "  pop 128(%rsp)\n"
        "  stmxcsr 152(%rsp)\n"
        "  fxsave64 192(%rsp)\n"
        "  cmpl $0, 156(%rsp)\n"
        "  je 2f\n"
        "  .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
        "  vmovups %ymm\\n, 704+32*\\n(%rsp)\n"
        "  .endr\n"
        "  vzeroupper\n"
        "  jmp 3f\n"
        "2: .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
        "  movups %xmm\\n, 704+32*\\n(%rsp)\n"
        "  .endr\n"
        "3: fninit\n"
        "  movl $0x1f80, 152-160(%rsp)\n" /* below the state: the red zone of nobody */
        "  ldmxcsr 152-160(%rsp)\n"
        "  mov 144(%rsp), %rsp\n"
        "  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
        "  ret\n"
        ".popsection\n");

static inline struct native *native_new(void)
{
    struct native *n = aligned_alloc(64, align_up(sizeof(*n), 64));

    if (!n)
        abort();
    memset(n, 0, sizeof(*n));
    n->code = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
                   -1, 0);
    if (n->code == MAP_FAILED)
        abort();
    n->s.has_avx = __builtin_cpu_supports("avx") ? 1 : 0;
    n->s.code = n->code;
    return n;
}

static inline void native_free(struct native *n)
{
    munmap(n->code, PAGE_SIZE);
    free(n);
}

static inline void native_set(struct native *n, const u8 *bytes, unsigned len)
{
    static const u8 jmp[6] = {0xff, 0x25, 0, 0, 0, 0}; /* JMP [RIP + 0] */
    const u8 *back = native_back;

    memcpy(n->code, bytes, len);
    memcpy(n->code + len, jmp, sizeof(jmp));
    memcpy(n->code + len + sizeof(jmp), &back, sizeof(back));
}
