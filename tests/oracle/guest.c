/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs an instruction in Domus: a CPU in long mode at CPL 3 with the same two regions mapped. The
   interpreter makes a single step; other engines run on into an INT3, and every exception halts. */
#include "oracle.h"

#include "cpu/engine.h"
#include "cpu/interp/interp.h"
#include "cpu/vcpu.h"
#include "dev/lapic.h"

#include <stdio.h>
#include <string.h>

static struct vm vm;
static struct vcpu *cpu;

/* Guest-physical layout: page tables low, code and data above. */
#define CODE_PA 0x100000ull
#define DATA_PA 0x200000ull
/* The supervisor's, mapped at SYSTEM_VA: IDT, TSS and GDT, handlers of 16 bytes, stack. */
#define SYSTEM_PA 0x300000ull
#define SYSTEM_VA 0x3fc00000ull
#define IDT       0x0000u
#define TABLES    0x1000u
#define HANDLERS  0x2000u
#define STACK_TOP 0x4000u

static void put(gpa_t gpa, u64 v)
{
    if (mem_write(vm.mem, gpa, &v, 8))
        bug_at(__FILE__, __LINE__, "test memory");
}

/* One 2-level branch per region, both in the first GiB. */
static void map(gva_t va, gpa_t pa, unsigned pages, gpa_t table)
{
    put(0x3000 + (va >> 21 & 511) * 8, table | 7);
    for (unsigned n = 0; n < pages; n++)
        put(table + ((va >> 12 & 511) + n) * 8, (pa + n * PAGE_SIZE) | 0x67);
}

/* A 64-bit interrupt gate for each exception to a HLT, on the stack of the TSS. */
static void make_handlers(void)
{
    map(SYSTEM_VA, SYSTEM_PA, 4, 0x6000);
    for (unsigned v = 0; v < 32; v++) {
        u64 to = SYSTEM_VA + HANDLERS + 16 * v;
        put(SYSTEM_PA + IDT + 16 * v,
            (to & 0xffff) | 0x08u << 16 | 0xee00ull << 32 | (to & 0xffff0000) << 32);
        put(SYSTEM_PA + HANDLERS + 16 * v, 0xf4);
    }
    put(SYSTEM_PA + TABLES + 8, 0x00209b0000000000); /* GDT: 64-bit code of level 0 */
    put(SYSTEM_PA + TABLES + 0x104, SYSTEM_VA + STACK_TOP);
    put(SYSTEM_PA + TABLES + 0x160, 0x68ull << 48); /* no I/O permission bitmap */
    cpu->idtr = (struct dtr){.base = SYSTEM_VA + IDT, .limit = 32 * 16 - 1};
    cpu->gdtr = (struct dtr){.base = SYSTEM_VA + TABLES, .limit = 15};
    cpu->tr.base = SYSTEM_VA + TABLES + 0x100;
    cpu->tr.ar = AR_P | SYS_TSS32_BUSY;
    cpu->tr.limit = 0x67;
}

static void no_intr(void *opaque)
{
}

static void no_sipi(void *opaque, u8 vector)
{
}

bool guest_setup(const struct engine_ops *engine)
{
    static const struct lapic_ops ops = {no_intr, no_intr, no_intr, no_intr, no_sipi};
    struct lapic_bus *bus;
    struct err err;

    pthread_mutex_init(&vm.lock, NULL);
    pthread_mutex_init(&vm.exclusive_lock, NULL);
    pthread_cond_init(&vm.exclusive_cond, NULL);
    bus_init(&vm.pio, "pio", &vm.lock);
    bus_init(&vm.mmio, "mmio", &vm.lock);
    vm.a20_mask = ~(u64)0;
    vm.engine = engine;
    vm.ncpus = 1;
    if (cpu_model_parse(&vm.model, "max", &err) || mem_new(&vm.mem, 4 * MiB, &vm.mmio, &err) ||
        clock_new(&vm.clock) || lapic_bus_new(&bus) || vcpu_new(&cpu, &vm, 0) ||
        lapic_new(&cpu->lapic, bus, vm.clock, 0, true, &ops, cpu) ||
        engine->vcpu_attach(cpu, &err)) {
        fprintf(stderr, "cannot set the test CPU up: %s\n", err.text);
        return false;
    }
    vcpu_reset(cpu, false);
    put(0x1000, 0x2000 | 7);
    put(0x2000, 0x3000 | 7);
    map(CODE_VA, CODE_PA, 1, 0x4000);
    map(DATA_VA, DATA_PA, DATA_SIZE / PAGE_SIZE, 0x5000);
    cpu->cr0 = CR0_PE | CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP;
    cpu->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_FSGSBASE | CR4_OSXSAVE;
    cpu->cr3 = 0x1000;
    cpu->efer = EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE;
    cpu->xcr0 = XCR0_X87 | XCR0_SSE | XCR0_AVX;
    make_handlers(); /* no I/O bitmap: ports are not for user code */
    return true;
}

static void set_segments(bool code32)
{
    u16 data_ar = AR_P | AR_S | AR_WRITABLE | AR_ACCESSED | 3u << AR_DPL_SHIFT | AR_DB | AR_G;
    struct seg data = {.sel = 0x2b, .ar = data_ar, .limit = UINT32_MAX};

    for (unsigned s = 0; s < 6; s++)
        cpu->seg[s] = data;
    cpu->seg[SEG_FS] = cpu->seg[SEG_GS] = (struct seg){0};
    cpu->seg[SEG_CS].sel = code32 ? 0x23 : 0x33;
    cpu->seg[SEG_CS].ar = (u16)(AR_P | AR_S | AR_CODE | AR_READABLE | AR_ACCESSED |
                                3u << AR_DPL_SHIFT | AR_G | (code32 ? AR_DB : AR_L));
    cpu->cpl = 3;
}

static void run_step(struct outcome *out)
{
    bool ok = interp_step(cpu);

    memcpy(out->cpu.gpr, cpu->gpr, sizeof(out->cpu.gpr));
    out->cpu.rip = ok ? cpu->rip : cpu->ip;
    out->cpu.eflags = vcpu_eflags(cpu);
    out->vector = ok ? -1 : cpu->excp.vector;
    out->error = ok || !cpu->excp.has_error ? 0 : cpu->excp.error;
}

static u64 frame(unsigned n)
{
    u64 v = 0;

    if (mem_read(vm.mem, SYSTEM_PA + STACK_TOP - 8 * n, &v, 8))
        bug_at(__FILE__, __LINE__, "test memory");
    return v;
}

/* What the exception has pushed is the state that counts. */
static void run_engine(const struct test_case *t, struct outcome *out)
{
    enum vcpu_exit exit;

    cpu->activity = ACTIVITY_RUN;
    exit = vm.engine->run(cpu);
    if (exit != VCPU_HALT || cpu->cpl)
        bug_at(__FILE__, __LINE__, "no exception");
    memcpy(out->cpu.gpr, cpu->gpr, sizeof(out->cpu.gpr));
    out->cpu.gpr[RSP] = frame(2);
    out->cpu.eflags = (u32)frame(3);
    out->cpu.rip = frame(5);
    out->vector = (int)(cpu->rip - SYSTEM_VA - HANDLERS) / 16;
    if (cpu->gpr[RSP] == SYSTEM_VA + STACK_TOP - 48)
        out->error = (u32)frame(6);
    if (out->vector == VEC_BP && out->cpu.rip == t->in.rip + t->len + 1) {
        out->vector = -1;
        out->cpu.rip--;
    } else {
        out->cpu.eflags &= ~EFLAGS_RF;
    }
}

void guest_run(const struct test_case *t, struct outcome *out)
{
    const struct cpu_image *in = &t->in;
    struct fpu *fpu = &cpu->fpu;

    if (mem_write(vm.mem, CODE_PA + (in->rip - CODE_VA), t->bytes, t->len) ||
        mem_fill(vm.mem, CODE_PA + (in->rip - CODE_VA) + t->len, 0xcc, 2) ||
        mem_write(vm.mem, DATA_PA, t->data, DATA_SIZE))
        bug_at(__FILE__, __LINE__, "test memory");
    set_segments(t->code32);
    memcpy(cpu->gpr, in->gpr, sizeof(in->gpr));
    cpu->rip = in->rip;
    memcpy(fpu->ymm, in->ymm, sizeof(in->ymm));
    memcpy(fpu->st, in->st, sizeof(in->st));
    fpu->fcw = in->fcw;
    fpu->fsw = in->fsw;
    fpu->ftw = in->ftw;
    fpu->mxcsr = in->mxcsr;
    cpu->shadow = 0;
    cpu->pending_db = 0;
    cpu->excp.cr2 = 0;
    vcpu_set_eflags(cpu, in->eflags);
    memset(out, 0, sizeof(*out));
    if (vm.engine == &engine_interp)
        run_step(out);
    else
        run_engine(t, out);
    memcpy(out->cpu.ymm, fpu->ymm, sizeof(in->ymm));
    for (unsigned n = 0; n < 8; n++)
        memcpy(out->cpu.st[n], fpu->st[n], 10);
    out->cpu.fcw = fpu->fcw;
    out->cpu.fsw = fpu->fsw;
    out->cpu.ftw = fpu->ftw;
    out->cpu.mxcsr = fpu->mxcsr;
    out->cr2 = out->vector == VEC_PF ? cpu->excp.cr2 : 0;
    if (mem_read(vm.mem, DATA_PA, out->data, DATA_SIZE))
        bug_at(__FILE__, __LINE__, "test memory");
}
