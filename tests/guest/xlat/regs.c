/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entry to and exit from code of which every register counts. One CPU only. */
#include "desc.h"
#include "flags_model.h"
#include "io.h"
#include "trap.h"

bool (*regs_fix)(struct stop *s);
bool regs_save_sse;
static struct trap_env env;
static struct stop *now;

_Noreturn void regs_enter(const struct regs *r);
asm(".pushsection .text\n"
    "regs_enter: pushq 152(%rdi)\n pushq 32(%rdi)\n pushq 136(%rdi)\n pushq 144(%rdi)\n"
    "pushq 128(%rdi)\n movq (%rdi), %rax\n movq 8(%rdi), %rcx\n movq 16(%rdi), %rdx\n"
    "movq 24(%rdi), %rbx\n movq 40(%rdi), %rbp\n movq 48(%rdi), %rsi\n movq 64(%rdi), %r8\n"
    "movq 72(%rdi), %r9\n movq 80(%rdi), %r10\n movq 88(%rdi), %r11\n movq 96(%rdi), %r12\n"
    "movq 104(%rdi), %r13\n movq 112(%rdi), %r14\n movq 120(%rdi), %r15\n movq 56(%rdi), %rdi\n"
    "iretq\n.popsection");

static void to_regs(struct regs *r, const struct frame *f)
{
    *r = (struct regs){
        .r = {f->ax, f->cx, f->dx, f->bx, f->sp, f->bp, f->si, f->di, f->r8, f->r9, f->r10, f->r11,
              f->r12, f->r13, f->r14, f->r15},
        .ip = f->ip,
        .flags = f->flags,
        .cs = f->cs,
    };
}

static void from_regs(struct frame *f, const struct regs *r)
{
    const word *v = r->r;
    f->ax = v[RAX], f->cx = v[RCX], f->dx = v[RDX], f->bx = v[RBX];
    f->sp = v[RSP], f->bp = v[RBP], f->si = v[RSI], f->di = v[RDI];
    f->r8 = v[R8], f->r9 = v[R9], f->r10 = v[R10], f->r11 = v[R11];
    f->r12 = v[R12], f->r13 = v[R13], f->r14 = v[R14], f->r15 = v[R15];
    f->ip = r->ip, f->flags = r->flags, f->cs = r->cs;
}

static void stop_here(struct frame *f)
{
    struct stop *s = now;
    if (!s)
        guest_fatal("unexpected trap %u(%x) at %lx, cr2 %lx", (u32)f->vector, (u32)f->error,
                    (unsigned long)f->ip, (unsigned long)get_cr2());
    to_regs(&s->regs, f);
    s->vector = (u32)f->vector;
    s->error = (u32)f->error;
    s->cr2 = get_cr2();
    if (regs_save_sse)
        asm volatile("fxsave64 %0" : "=m"(s->fx));
    if (regs_fix && regs_fix(s)) {
        from_regs(f, &s->regs);
        return;
    }
    now = NULL;
    trap_return(&env);
}

void regs_catch(u8 vector)
{
    idt_use_stack(vector);
    trap_handle(vector, stop_here);
}

void regs_catch_all(void)
{
    static const u8 all[] = {DE, DB, BP, UD, NM, SS, GP, PF, XM, STOP_VECTOR};
    for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
        regs_catch(all[i]);
}

void regs_use_smap(bool on)
{
    if (cpuid(7, 0).ebx & BIT(20))
        set_cr4((get_cr4() & ~(word)CR4_SMAP) | (on ? CR4_SMAP : 0));
}

u32 regs_run(const struct regs *in, struct stop *out)
{
    struct regs r = *in;
    if (!r.cs)
        r.cs = KERNEL_CS;
    r.ss = r.cs & 3 ? USER_DS : KERNEL_DS;
    now = out;
    if (!trap_set(&env))
        regs_enter(&r);
    return out->vector;
}

bool check_regs(const struct regs *got, const struct regs *want, u32 except, int line)
{
    static const char *const name[] = {"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
                                       "R8",  "R9",  "R10", "R11", "R12", "R13", "R14", "R15"};
    const word mask = FLAG_ARITH | FLAG_DF;
    word differ = (got->ip ^ want->ip) | ((got->flags ^ want->flags) & mask);
    for (unsigned i = 0; i < 16; i++)
        differ |= except >> i & 1 ? 0 : got->r[i] ^ want->r[i];
    if (!differ)
        return check_true(true, "registers", line);
    for (unsigned i = 0; i < 16; i++)
        if (!(except >> i & 1))
            check_eq(got->r[i], want->r[i], name[i], line);
    check_eq(got->ip, want->ip, "RIP", line);
    return check_eq(got->flags & mask, want->flags & mask, "RFLAGS", line);
}

void regs_pattern(struct regs *r, u64 seed)
{
    u64 state = 0x9e3779b97f4a7c15ull + seed;
    for (unsigned i = 0; i < 16; i++)
        r->r[i] = random64(&state);
}

u8 *emit_lea(u8 *p, unsigned reg, u32 disp)
{
    u8 high = (u8)(reg >> 3), low = (u8)(reg & 7);
    p = EMIT(p, (u8)(0x48 | high << 2 | high));
    return emit_lea32(p, low, disp);
}

u8 *emit_lea32(u8 *p, unsigned reg, u32 disp)
{
    p = EMIT(p, 0x8d, (u8)(0x80 | reg << 3 | reg));
    if (reg == RSP)
        *p++ = 0x24; /* SIB: base alone */
    return emit_le(p, disp, 4);
}

static u8 *lea(const struct block *b, u8 *p, unsigned reg, u32 disp)
{
    return b->legacy ? emit_lea32(p, reg, disp) : emit_lea(p, reg, disp);
}

static u32 change(unsigned reg)
{
    return reg * 0x101 + 3;
}

/* The flags are those of SUB RAX, RDX; CF as it was wanted. */
u8 *block_prefix(struct block *b, u8 *p, bool prefix)
{
    struct flags f = {0};
    unsigned n = b->legacy ? 8 : 16;
    word *r = b->start.r;
    for (unsigned i = n; i < 16; i++)
        b->before.r[i] = 0x1111111111111111ull * i;
    b->start = b->before;
    b->start.ip = (word)p;
    u64 sum = r[RAX] + r[RDX];
    (void)model_alu(SUB, sum, r[RDX], b->legacy ? 4 : 8, &f);
    bool carry = b->before.flags & FLAG_CF;
    b->before.flags = f.set | carry | 2;
    b->start.flags = prefix ? 2 : b->before.flags;
    if (!prefix)
        return p;
    r[RAX] = sum;
    for (unsigned i = 0; i < n; i++) {
        r[i] -= 2 * change(i);
        if (b->legacy)
            r[i] = (u32)r[i];
    }
    for (unsigned i = 0; i < 2 * n; i++)
        p = lea(b, p, i % n, change(i % n));
    if (!b->legacy)
        *p++ = 0x48;
    p = EMIT(p, 0x29, 0xd0);
    return carry ? EMIT(p, 0xf9) : p;
}

u8 *block_suffix(const struct block *b, u8 *p)
{
    unsigned n = b->legacy ? 8 : 16;
    for (unsigned i = 0; i < n + 4; i++)
        p = lea(b, p, i % n, 0x11 * i);
    return p;
}

void test_case(const char *what, const char *how, const char *where)
{
    static char name[160];
    const char *const part[] = {what, ", ", how, ", ", where};
    unsigned n = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(part); i++)
        for (const char *s = part[i]; *s && n < sizeof(name) - 1; s++)
            name[n++] = *s;
    name[n] = 0;
    test(name);
}
