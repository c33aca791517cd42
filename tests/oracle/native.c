/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs an instruction on the host: a signal handler replaces the interrupted context by the test's,
 * the instruction is followed by INT3, and the handler of whatever signal comes next takes the
 * result and puts the first context back.
 */
#include "oracle.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define XSTATE_YMM_OFFSET 576
#define XSTATE_BV_OFFSET  512
#define XSTATE_WANTED     7ull /* x87, SSE, AVX */

static struct {
    const struct test_case *test;
    struct outcome *out;
    gregset_t home;
    u8 home_fp[4096];
    u32 fp_size;
    bool has_ymm;
} run;

static const int greg_of[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                REG_R12, REG_R13, REG_R14, REG_R15};

static void load_fpu(u8 *fx, const struct cpu_image *in)
{
    memcpy(fx, &in->fcw, 2);
    memcpy(fx + 2, &in->fsw, 2);
    fx[4] = in->ftw;
    memcpy(fx + 24, &in->mxcsr, 4);
    for (unsigned n = 0; n < 8; n++)
        memcpy(fx + 32 + 16 * n, in->st[n], 10);
    for (unsigned n = 0; n < 16; n++) {
        memcpy(fx + 160 + 16 * n, in->ymm[n], 16);
        if (run.has_ymm)
            memcpy(fx + XSTATE_YMM_OFFSET + 16 * n, in->ymm[n] + 16, 16);
    }
    if (run.has_ymm) {
        u64 bv;
        memcpy(&bv, fx + XSTATE_BV_OFFSET, 8);
        bv |= XSTATE_WANTED;
        memcpy(fx + XSTATE_BV_OFFSET, &bv, 8);
    }
}

static void save_fpu(const u8 *fx, struct cpu_image *out)
{
    u64 bv = XSTATE_WANTED;

    if (run.has_ymm)
        memcpy(&bv, fx + XSTATE_BV_OFFSET, 8);
    memset(out->ymm, 0, sizeof(out->ymm));
    memset(out->st, 0, sizeof(out->st));
    memcpy(&out->mxcsr, fx + 24, 4);
    if (bv & 1) {
        memcpy(&out->fcw, fx, 2);
        memcpy(&out->fsw, fx + 2, 2);
        out->ftw = fx[4];
        for (unsigned n = 0; n < 8; n++)
            memcpy(out->st[n], fx + 32 + 16 * n, 10);
    } else {
        out->fcw = 0x37f;
        out->fsw = 0;
        out->ftw = 0;
    }
    for (unsigned n = 0; n < 16; n++) {
        if (bv & 2)
            memcpy(out->ymm[n], fx + 160 + 16 * n, 16);
        if (run.has_ymm && (bv & 4))
            memcpy(out->ymm[n] + 16, fx + XSTATE_YMM_OFFSET + 16 * n, 16);
    }
}

static u32 frame_fp_size(const u8 *fx)
{
    const struct _fpx_sw_bytes {
        u32 magic1, extended_size;
    } *sw = (const void *)(fx + 464);

    return sw->magic1 == 0x46505853u ? sw->extended_size : 512;
}

static void on_start(int sig, siginfo_t *info, void *ctx)
{
    ucontext_t *uc = ctx;
    u8 *fx = (u8 *)uc->uc_mcontext.fpregs;
    const struct cpu_image *in = &run.test->in;
    greg_t *g = uc->uc_mcontext.gregs;

    memcpy(run.home, g, sizeof(run.home));
    run.fp_size = frame_fp_size(fx);
    run.has_ymm = run.fp_size >= XSTATE_YMM_OFFSET + 256;
    if (run.fp_size > sizeof(run.home_fp))
        abort();
    memcpy(run.home_fp, fx, run.fp_size);
    for (unsigned n = 0; n < 16; n++)
        g[greg_of[n]] = (greg_t)in->gpr[n];
    g[REG_RIP] = (greg_t)in->rip;
    g[REG_EFL] = in->eflags;
    if (run.test->code32)
        g[REG_CSGSFS] = (g[REG_CSGSFS] & ~0xffffll) | 0x23;
    load_fpu(fx, in);
}

static void on_result(int sig, siginfo_t *info, void *ctx)
{
    ucontext_t *uc = ctx;
    greg_t *g = uc->uc_mcontext.gregs;
    struct cpu_image *out = &run.out->cpu;
    u8 *fx = (u8 *)uc->uc_mcontext.fpregs;

    for (unsigned n = 0; n < 16; n++)
        out->gpr[n] = (u64)g[greg_of[n]];
    out->rip = (u64)g[REG_RIP];
    out->eflags = (u32)g[REG_EFL];
    save_fpu(fx, out);
    run.out->vector = (int)g[REG_TRAPNO];
    run.out->error = (u32)g[REG_ERR];
    /* The kernel reports every fault in its half as a protection fault, to hide its layout. */
    if (run.out->vector == 14 && g[REG_CR2] < 0)
        run.out->error &= ~1u;
    run.out->cr2 = run.out->vector == 14 ? (u64)g[REG_CR2] : 0;
    if (run.out->vector == 3 && out->rip == run.test->in.rip + run.test->len + 1) {
        run.out->vector = -1; /* our INT3 */
        out->rip--;
    }
    memcpy(g, run.home, sizeof(run.home));
    memcpy(fx, run.home_fp, run.fp_size);
}

bool native_setup(void)
{
    static u8 altstack[65536];
    const stack_t ss = {.ss_sp = altstack, .ss_size = sizeof(altstack)};
    const int signals[] = {SIGTRAP, SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    struct sigaction sa = {.sa_sigaction = on_result, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    void *code, *data;

    sigaltstack(&ss, NULL);
    for (unsigned n = 0; n < ARRAY_SIZE(signals); n++)
        sigaction(signals[n], &sa, NULL);
    sa.sa_sigaction = on_start;
    sigaction(SIGUSR1, &sa, NULL);
    code = mmap((void *)CODE_VA, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    data = mmap((void *)DATA_VA, DATA_SIZE, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (code != (void *)CODE_VA || data != (void *)DATA_VA)
        return false;
    /* Flat data segments, which 32-bit code needs and 64-bit code ignores. */
    __asm__ volatile("mov %0, %%ds; mov %0, %%es" : : "r"(0x2b));
    return true;
}

void native_run(const struct test_case *t, struct outcome *out)
{
    u8 *code = (u8 *)(uintptr_t)t->in.rip;

    memcpy(code, t->bytes, t->len);
    memset(code + t->len, 0xcc, 2);
    memcpy((void *)DATA_VA, t->data, DATA_SIZE);
    run.test = t;
    run.out = out;
    raise(SIGUSR1);
    memcpy(out->data, (const void *)DATA_VA, DATA_SIZE);
}
