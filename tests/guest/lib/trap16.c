/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Real mode: the interrupt vector table, and what a trap left. */
#include "guest.h"
#include "real.h"

struct real_frame {
    u16 es, ds;
    u32 di, si, bp, sp, bx, dx, cx, ax;
    u16 vector, ip, cs, flags;
} __attribute__((packed));

extern u8 real_stubs[];
extern struct real_frame real_frame;
extern u32 real_frame_sp;
extern u16 real_frame_ss;

void ivt_init(void);
_Noreturn void trap16(void);

static struct cpu only_cpu;

struct cpu *this_cpu(void)
{
    return &only_cpu;
}

void ivt_set(u8 vector, u16 segment, const void *offset)
{
    volatile u16 *entry = (volatile u16 *)(vector * 4u);
    asm volatile("" : "+r"(entry)); /* address 0 is an object here */
    entry[0] = (u16)(u32)offset;
    entry[1] = segment;
}

void ivt_reset(u8 vector)
{
    ivt_set(vector, 0, real_stubs + 8 * vector);
}

void ivt_init(void)
{
    for (unsigned v = 0; v < 256; v++)
        ivt_reset((u8)v);
}

void trap16(void)
{
    const struct real_frame *f = &real_frame;
    struct cpu *cpu = &only_cpu;
    cpu->last = (struct excp){
        .vector = f->vector,
        .ip = f->ip,
        .cs = f->cs,
        .flags = f->flags,
        .ax = f->ax,
        .cx = f->cx,
        .dx = f->dx,
        .bx = f->bx,
        .bp = f->bp,
        .si = f->si,
        .di = f->di,
        .es = f->es,
        .ds = f->ds,
        .entry_sp = (u16)(real_frame_sp + 38),
        .entry_ss = real_frame_ss,
    };
    if (!cpu->armed)
        guest_fatal("unexpected trap %u at %04x:%04x", f->vector, f->cs, f->ip);
    cpu->armed = false;
    trap_return(&cpu->env);
}
