/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Code that changes an instruction ahead of itself, or in a loop, by every kind of store (SDM 3A
 * 8.1.3: the processor itself sees it at once). The changed instruction is MOV R8D, imm32; it comes
 * at once, or some instructions later in the block, behind a jump, on the next page, or across the
 * page boundary; the store goes by the address the code runs at or by another one.
 */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"
#include "xlat.h"

#define CODE_VA (TEST_BASE + 0x40000)
#define OLD     0x11223344u

/* What a form does at the address in its register (plus the number): write AL, EAX, RAX, XMM0 or
   RDX:RAX; or add EAX; or do something of its own to OLD. */
enum { SET1, SET4, SET8, SET16, ADD4, OTHER };
/* clang-format off */
FORM_TABLE(stores, "RBX=3; RSP=4; RDI=7; SET1=0; SET4=1; SET8=2; SET16=3; ADD4=4; OTHER=5\n"
           FORM(RBX, 0, SET1, 0, 0, "movb %al, (%rbx)")
           FORM(RBX, 0, SET4, 0, 0, "movl %eax, (%rbx)")
           FORM(RBX, 0, SET8, 0, 0, "movq %rax, (%rbx)")
           FORM(RBX, 0, SET4, 0, 0, "movntil %eax, (%rbx)")
           FORM(RBX, 0, SET4, 0, 0, "xchgl %eax, (%rbx)")
           FORM(RBX, 0, SET1, 0, 0, "xchgb %al, (%rbx)")
           FORM(RBX, 0, ADD4, 0, 0, "addl %eax, (%rbx)")
           FORM(RBX, 0, ADD4, 0, 0, "lock addl %eax, (%rbx)")
           FORM(RBX, 0, ADD4, 0, 0, "lock xaddl %eax, (%rbx)")
           FORM(RBX, 0, OTHER, 0x11223345, 0, "incl (%rbx)")
           FORM(RBX, 0, OTHER, 0x11223343, 0, "lock decl (%rbx)")
           FORM(RBX, 0, OTHER, 0xeeddccbc, 0, "negl (%rbx)")
           FORM(RBX, 0, OTHER, 0xeeddccbb, 0, "lock notl (%rbx)")
           FORM(RBX, 0, OTHER, 0x22446688, 0, "shll (%rbx)")
           FORM(RBX, 0, OTHER, 0x11223345, 0, "btsl $0, (%rbx)")
           FORM(RBX, 0, OTHER, 0x01223344, 0, "lock btrl $28, (%rbx)")
           FORM(RBX, 0, OTHER, 0x11223300, 0, "setc (%rbx)")
           FORM(RBX, 0, OTHER, 0x112233ff, 0, "orb $0xff, (%rbx)")
           FORM(RBX, 0, SET4, 0, 0, "pushq %rax; popq %r14; movl %r14d, (%rbx)")
           FORM(RBX, 0, SET8, 0, 0, "pushq %rax; popq (%rbx)")
           FORM(RBX, 0, SET4, 0, 0, "movl %eax, %r14d; movl (%rbx), %eax; lock cmpxchgl %r14d, (%rbx)")
           FORM(RBX, -2, SET16, 0, 0, "movups %xmm0, (%rbx)")
           FORM(RBX, -2, SET16, 0, 0, "movdqu %xmm0, (%rbx)")
           FORM(RBX, 0, SET8, 0, 0, "movq %rax, %xmm1; movlps %xmm1, (%rbx)")
           FORM(RBX, 0, SET4, 0, 0, "movd %eax, %xmm1; movss %xmm1, (%rbx)")
           FORM(RBX, 0, SET8, 0, 0, "pushq %rax; fildll (%rsp); fistpll (%rbx); popq %rax")
           FORM(RDI, 0, SET1, 0, 0, "stosb")
           FORM(RDI, 0, SET4, 0, 0, "stosl")
           FORM(RDI, 0, SET8, 0, 0, "stosq")
           FORM(RDI, 0, SET4, 0, 0, "movl %eax, word_from; movl $word_from, %esi; movsl")
           FORM(RDI, 0, SET4, 0, 0, "movl %eax, word_from; movl $word_from, %esi; movl $4, %ecx; rep movsb")
           FORM(RDI, 0, SET8, 0, 0, "movl $1, %ecx; rep stosq")
           FORM(RDI, 0, OTHER, 0x7e7e7e7e, 0, "movl $0x7e, %eax; movl $4, %ecx; rep stosb")
           FORM(RSP, 8, SET8, 0, 0, "pushq %rax")
           FORM(RSP, 8, SET8, 0, 0, "movq %rax, %rbp; enter $0, $0")
           FORM(RSP, 8, SET8, 0, 0, "movq %rax, word_from; pushq word_from")
           FORM(RSP, 2, OTHER, 0x1122beef, 0, "pushw $0xbeef"));
/* clang-format on */
u64 word_from; /* named in the assembly */

static page_aligned u8 page[3][4096];
static u8 *const code = (u8 *)CODE_VA; /* page 2, page 0, page 2 … */

struct place {
    const char *name;
    u32 at;       /* offset of MOV R8D, imm32 */
    u32 distance; /* instructions between */
    u32 jump;     /* bytes jumped over */
};
static const struct place places[] = {
    {"next instruction", 0x800, 0, 0},
    {"3 instructions on", 0x8f9, 3, 0},
    {"60 instructions on", 0x803, 60, 0},
    {"behind a jump", 0x80d, 2, 100},
    {"next page", 0x1000, 1, 0},
    {"next page, behind a jump", 0x1010, 0, 64},
    {"across pages, after 1", 0xfff, 2, 0},
    {"across pages, after 2", 0xffe, 2, 0},
    {"across pages, after 5", 0xffb, 2, 0},
};

struct site {
    const struct form *form;
    u8 *start, *target;
    word write; /* where the store goes */
};

static void put_target(u8 *p, u32 value)
{
    p = EMIT(p, 0x41, 0xb8); /* MOV R8D, imm32 */
    p = emit_le(p, value, 4);
    p = emit_fill(p, 0x90, 10);
    EMIT(p, STOP_BYTES);
}

static void build(struct site *s, const struct place *pl)
{
    memset(page[0], 0xcc, 4096);
    memset(page[2], 0xcc, 4096);
    s->target = code + pl->at;
    put_target(s->target, OLD);
    s->start = s->target - pl->distance * 7 - (pl->jump ? 5 + pl->jump : 0) - s->form->size;
    u8 *p = emit(s->start, s->form->code, s->form->size);
    for (unsigned i = 0; i < pl->distance; i++)
        p = emit_lea(p, R9, 1);
    if (pl->jump)
        emit_rel32(p, 0xe9, s->target);
}

static u32 value_after(const struct form *f, u32 n)
{
    switch (f->arg[2]) {
    case SET1:
        return (OLD & ~0xffu) | (n & 0xff);
    case ADD4:
        return OLD + n;
    case OTHER:
        return f->arg[3];
    }
    return n;
}

static void run(const struct site *s, u32 n)
{
    const struct form *f = s->form;
    u8 line[16];
    struct stop stop;
    struct regs r = {.ip = (word)s->start, .flags = 2};
    static u8 stack[256] __attribute__((aligned(16)));
    memcpy(line, s->target, 16);
    memcpy(line + 2, &n, 4);
    asm volatile("movups %0, %%xmm0" : : "m"(line));
    r.r[RAX] = n;
    if (f->arg[2] == SET8)
        memcpy(&r.r[RAX], line + 2, 8);
    r.r[RSP] = (word)stack + 128;
    r.r[f->arg[0]] = s->write + (word)(long)(int)f->arg[1];
    CHECK_EQ(regs_run(&r, &stop), STOP_VECTOR);
    CHECK_EQ(stop.regs.r[R8], value_after(f, n));
    CHECK_EQ(stop.regs.ip, (word)s->target + 18);
}

static void one_form(const struct form *f, const struct place *pl, bool alias)
{
    struct site s = {.form = f};
    test_case(f->text, pl->name, alias ? "by another address" : "by the same address");
    build(&s, pl);
    s.write = (word)s.target + 2;
    if (alias)
        s.write += 0x10000; /* mapped there once more */
    u32 same = f->arg[2] == ADD4 ? 0 : OLD;
    if (f->arg[2] != OTHER)
        for (u32 i = 0; i < 3; i++)
            run(&s, same);
    for (u32 i = 0; i < 4; i++) {
        put_target(s.target, OLD);
        run(&s, 0x55667788 + i * 0x11111111);
    }
}

/* MOV R8D, imm32; ADD R9, R8; the store; INC EAX; DEC EDX; JNZ */
static void loop(const struct form *f)
{
    u32 what = f->arg[2];
    if ((what != SET4 && what != ADD4) || f->arg[0] == RSP)
        return;
    test_case(f->text, "in a loop that reads the immediate", "each time");
    u8 *p =
        EMIT(code, 0x41, 0xb8, 1, 0, 0, 0, 0x4d, 0x01, 0xc1, 0x41, 0x89, 0xc7); /* MOV R15D, EAX */
    if (f->arg[0] == RDI)
        p = EMIT(p, 0x48, 0x89, 0xdf); /* MOV RDI, RBX */
    p = emit(p, f->code, f->size);
    p = EMIT(p, 0x44, 0x89, 0xf8); /* MOV EAX, R15D */
    p = emit_lea(p, RAX, what == SET4);
    p = EMIT(p, 0xff, 0xca, 0x0f, 0x85); /* DEC EDX; JNZ */
    p = emit_le(p, (word)code - (word)(p + 4), 4);
    EMIT(p, STOP_BYTES);
    struct regs r = {.ip = CODE_VA, .flags = 2};
    struct stop s;
    static u8 stack[256] __attribute__((aligned(16)));
    r.r[RSP] = (word)stack + 128;
    r.r[RAX] = what == SET4 ? 2 : 1;
    r.r[RBX] = CODE_VA + 2;
    r.r[RDX] = 60;
    CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
    CHECK_EQ(s.regs.r[R8], 60);
    CHECK_EQ(s.regs.r[R9], 60 * 61 / 2);
}

GUEST("smc-store")
{
    regs_catch_all();
    set_cr4(get_cr4() | CR4_OSFXSR);
    asm volatile("fninit");
    for (unsigned i = 0; i < 2; i++)
        for (unsigned k = 0; k < 2; k++)
            page_map(CODE_VA + 0x10000 * i + 4096 * k, (word)page[k ? 0 : 2], PTE_P | PTE_W);
    for (const struct form *f = stores; f < stores_end; f++) {
        for (unsigned i = 0; i < ARRAY_SIZE(places); i++)
            for (unsigned alias = 0; alias < 2; alias++)
                one_form(f, &places[i], alias);
        loop(f);
    }
}
