/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the trap stubs of 32-bit and 64-bit guests end. */
#include "trap.h"
#include "apic.h"
#include "io.h"

void trap(struct frame *f);

static struct cpu cpus[16];
static void (*handlers[256])(struct frame *);
volatile u32 trap_counts[256];
bool trap_copies_stack;

/* By the initial APIC ID: nothing that a test may have changed is needed. */
struct cpu *this_cpu(void)
{
    return &cpus[cpuid(1, 0).ebx >> 24 & 15];
}

void trap_handle(u8 vector, void (*handler)(struct frame *))
{
    handlers[vector] = handler;
}

static void count(struct frame *f)
{
    __atomic_fetch_add(&trap_counts[f->vector], 1, __ATOMIC_SEQ_CST);
    apic_eoi();
}

void trap_count(u8 vector)
{
    trap_counts[vector] = 0;
    handlers[vector] = count;
}

#ifdef __x86_64__
static void record(struct excp *e, const struct frame *f)
{
    *e = (struct excp){
        .vector = (u32)f->vector,
        .error = (u32)f->error,
        .ip = f->ip,
        .cs = f->cs,
        .flags = f->flags,
        .sp = f->sp,
        .ss = f->ss,
        .cr2 = get_cr2(),
        .entry_sp = (word)(f + 1),
        .ax = f->ax,
        .cx = f->cx,
        .dx = f->dx,
        .bx = f->bx,
        .bp = f->bp,
        .si = f->si,
        .di = f->di,
        .r8 = f->r8,
        .r9 = f->r9,
    };
    asm volatile("mov %%ss, %0" : "=r"(e->entry_ss));
}
#else
static void record(struct excp *e, const struct frame *f)
{
    bool v86 = f->flags & FLAG_VM, outer = v86 || (f->cs & 3);
    *e = (struct excp){
        .vector = f->vector,
        .error = f->error,
        .ip = f->ip,
        .cs = f->cs,
        .flags = f->flags,
        .cr2 = get_cr2(),
        .ax = f->ax,
        .cx = f->cx,
        .dx = f->dx,
        .bx = f->bx,
        .bp = f->bp,
        .si = f->si,
        .di = f->di,
        .es = f->es,
        .ds = f->ds,
        .fs = f->fs,
        .gs = f->gs,
        .entry_sp = (word)&f->sp,
    };
    if (outer) {
        e->sp = f->sp;
        e->ss = f->ss;
        e->entry_sp = (word)&f->v86_es;
    }
    if (v86) {
        e->es = f->v86_es;
        e->ds = f->v86_ds;
        e->fs = f->v86_fs;
        e->gs = f->v86_gs;
        e->entry_sp = (word)(f + 1);
    }
    asm volatile("mov %%ss, %0" : "=r"(e->entry_ss));
}
#endif

void trap(struct frame *f)
{
    struct cpu *cpu = this_cpu();
    if (handlers[f->vector]) {
        handlers[f->vector](f);
        return;
    }
    record(&cpu->last, f);
    if (trap_copies_stack)
        memcpy(cpu->last.stack, (const void *)cpu->last.entry_sp, sizeof(cpu->last.stack));
    if (!cpu->armed)
        guest_fatal("unexpected trap %u(%x) at %04x:%lx, flags %lx, cr2 %lx", (u32)f->vector,
                    (u32)f->error, (u32)f->cs, (unsigned long)f->ip, (unsigned long)f->flags,
                    (unsigned long)get_cr2());
    cpu->armed = false;
    trap_return(&cpu->env);
}
