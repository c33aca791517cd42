/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One stack used at CPL 0 and CPL 3 in turns, RSP unchanged from one to the other by SYSCALL,
 * SYSRET and IRET, with nothing invalidated between: the right to its page must be looked at again.
 * SMAP: the same when AC is set and cleared by STAC, CLAC, POPF and SYSCALL, and when CR4.SMAP is
 * set. And stacks at the same address in many address spaces, switched by code that runs on them.
 */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "trap.h"
#include "xlat.h"

#define STACK_VA (TEST_BASE + 0x7000)
#define SPACE_VA (TEST_BASE + 0x40000000)
#define USER_VA  (SPACE_VA + 0x2000)
#define START    0x800     /* RSP, in its page */
#define FRESH    0x1000000 /* memory that was no code before */
#define NOFLUSH  BIT64(63)
#define SPACES   12u
#define HOPS     500u
#define RW       (PTE_P | PTE_W)
#define RWU      (PTE_P | PTE_W | PTE_U)

enum { READS, WRITES, ROW };
/* clang-format off */
/* What is done at last. FORM(kind, offset of the access from RSP, 0, 0, 0, text) */
FORM_TABLE(forms, "READS=0; WRITES=1; ROW=2\n"
           FORM(WRITES, -8, 0, 0, 0, "pushq %rax")
           FORM(WRITES, -8, 0, 0, 0, "pushq $3")
           FORM(WRITES, -8, 0, 0, 0, "call 1f; 1: nop")
           FORM(READS, 0, 0, 0, 0, "popq %rbp")
           FORM(READS, 8, 0, 0, 0, "movq 8(%rsp), %rbp")
           FORM(WRITES, 8, 0, 0, 0, "movl %ebp, 8(%rsp)")
           FORM(WRITES, -8, 0, 0, 0, "pushq %rax; pushq %rbp; popq %rdi; popq %rsi")
           FORM(ROW, 0, 0, 0, 0, "popq %rsi; popq %rdi; pushq %rax; pushq %rbp"));
/* Ways to it, at RBX: they use the stack, and RSP is what it was. */
FORM_TABLE(ways,
           FORM(0, 0, 0, 0, 0, "pushq %rax; popq %rax; movq %rbx, %rcx; sysretq")
           FORM(0, 0, 0, 0, 0, "movq %rsp, %rdx; pushq $0x23; pushq %rdx; pushq %r11; pushq $0x2b; pushq %rbx; iretq")
           FORM(0, 0, 0, 0, 0, "pushq %rax; popq %rax; syscall")
           FORM(0, 0, 0, 0, 0, "pushq %rax; popq %rax; jmp *%rbx")
           FORM(0, 0, 0, 0, 0, "stac; pushq %rax; popq %rax; clac; jmp *%rbx")
           FORM(0, 0, 0, 0, 0, "stac; pushq %rax; popq %rax; pushq $2; popfq; jmp *%rbx")
           FORM(0, 0, 0, 0, 0, "pushq %rax; popq %rax; movq %r12, %cr4; jmp *%rbx")
           FORM(0, 0, 0, 0, 0, "clac; stac; pushq %rax; popq %rax; jmp *%rbx"));
/* clang-format on */
enum { BY_SYSRET, BY_IRET, BY_SYSCALL, BY_JMP, BY_CLAC, BY_POPF, BY_CR4, BY_STAC };

static const struct scene {
    const char *name;
    u32 way;
    bool starts_user, ends_user;
    bool smap, no_wp;  /* CR4, CR0 */
    bool ac, drops_ac; /* RFLAGS at the start; SFMASK */
    u64 rights;        /* of the stack's page */
    bool read, write;  /* allowed at last */
} scenes[] = {
    {"SYSRET, its page", BY_SYSRET, .ends_user = true, .rights = RWU, .read = true, .write = true},
    {"SYSRET", BY_SYSRET, .ends_user = true, .rights = RW},
    {"SYSRET under SMAP", BY_SYSRET, .ends_user = true, .smap = true, .rights = RW},
    {"SYSRET under SMAP, its page", BY_SYSRET, .ends_user = true, .smap = true, .ac = true,
     .rights = RWU, .read = true, .write = true},
    {"SYSRET, read-only without WP", BY_SYSRET, .ends_user = true, .no_wp = true,
     .rights = PTE_P | PTE_U, .read = true},
    {"IRET, its page", BY_IRET, .ends_user = true, .rights = RWU, .read = true, .write = true},
    {"IRET", BY_IRET, .ends_user = true, .rights = RW},
    {"SYSCALL", BY_SYSCALL, .starts_user = true, .rights = RWU, .read = true, .write = true},
    {"SYSCALL under SMAP", BY_SYSCALL, .starts_user = true, .smap = true, .drops_ac = true,
     .rights = RWU},
    {"SYSCALL under SMAP, AC dropped", BY_SYSCALL, .starts_user = true, .smap = true, .ac = true,
     .drops_ac = true, .rights = RWU},
    {"SYSCALL under SMAP, AC kept", BY_SYSCALL, .starts_user = true, .smap = true, .ac = true,
     .rights = RWU, .read = true, .write = true},
    {"JMP under SMAP", BY_JMP, .smap = true, .rights = RW, .read = true, .write = true},
    {"CLAC", BY_CLAC, .smap = true, .rights = RWU},
    {"POPF", BY_POPF, .smap = true, .rights = RWU},
    {"CR4.SMAP", BY_CR4, .rights = RWU},
    {"STAC", BY_STAC, .smap = true, .rights = RWU, .read = true, .write = true},
    {"CLAC, its own page", BY_CLAC, .smap = true, .rights = RW, .read = true, .write = true},
};

static page_aligned u8 frame[SPACES][4096], user_frame[SPACES][4096];
static u8 *fresh = (u8 *)FRESH;
static const struct form *f;
static struct regs before; /* the form */
static u64 wanted[512];
static u32 faults, error_wanted;

static void fill(void)
{
    u64 state = 3;
    for (u32 i = 0; i < 512; i++)
        ((u64 *)frame[0])[i] = random64(&state);
}

static bool memory_is(const u64 *want)
{
    u64 differs = 0;
    for (u32 i = 0; i < 512; i++)
        differs |= ((u64 *)frame[0])[i] ^ want[i];
    return !differs;
}

/* All is allowed, or what the scene says. */
static void set_state(const struct scene *sc)
{
    word cr4 = get_cr4() & ~(word)CR4_SMAP;
    page_map(STACK_VA, (word)frame[0], sc ? sc->rights : RWU);
    set_cr4(cr4 | (sc && sc->smap ? CR4_SMAP : 0));
    set_cr0((get_cr0() | CR0_WP) & ~(word)(sc && sc->no_wp ? CR0_WP : 0));
}

static bool on_trap(struct stop *s)
{
    if (s->vector != PF || faults++)
        return false;
    struct regs got = s->regs;
    got.flags = before.flags; /* nobody reads them */
    CHECK_EQ(s->cr2, before.r[RSP] + (word)(long)(int)f->arg[1]);
    CHECK_EQ(s->error, error_wanted);
    CHECK_EQ(got.cs & 3, before.cs & 3);
    CHECK_REGS(&got, &before, 0);
    set_state(NULL);
    return true;
}

static struct regs registers(const struct scene *sc, const u8 *way, const u8 *to)
{
    struct regs r = {.flags = 2, .cs = sc->starts_user ? USER_CS64 : KERNEL_CS};
    regs_pattern(&r, 55);
    r.ip = sc->starts_user ? USER(way) : (word)way;
    r.flags |= sc->ac ? FLAG_AC : 0;
    r.r[RBX] = sc->ends_user ? USER(to) : (word)to;
    r.r[RSP] = STACK_VA + START;
    r.r[R11] = 2;
    r.r[R12] = get_cr4() | (sc->way == BY_CR4 ? CR4_SMAP : 0);
    wrmsr(MSR_LSTAR, (word)to);
    wrmsr(MSR_SFMASK, sc->drops_ac ? FLAG_AC : 0);
    return r;
}

static struct stop run(const struct scene *sc, const u8 *way, const u8 *to, bool restricted)
{
    struct stop s;
    fill();
    set_state(NULL);
    struct regs r = registers(sc, way, to);
    if (!restricted)
        r.r[R12] &= ~(word)CR4_SMAP;
    else
        set_state(sc);
    CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
    set_state(NULL);
    return s;
}

/* The registers in front of the form: those at a STOP in its place. */
static void learn_before(const struct scene *sc, const u8 *way, const u8 *stop, const u8 *to)
{
    word there = sc->ends_user ? USER(to) : (word)to;
    before = run(sc, way, stop, false).regs;
    for (u32 i = 0; i < 16; i++)
        if (before.r[i] == (sc->ends_user ? USER(stop) : (word)stop))
            before.r[i] = there;
    before.ip = there;
    before.r[R12] |= sc->way == BY_CR4 ? CR4_SMAP : 0;
}

static void one_form(const struct scene *sc)
{
    u8 *way = fresh, *to = emit(way, ways[sc->way].code, ways[sc->way].size);
    u8 *stop = emit(to, f->code, f->size);
    fresh = EMIT(stop, STOP_BYTES);
    learn_before(sc, way, stop, to);
    struct stop should = run(sc, way, to, false), s;
    should.regs.r[R12] = before.r[R12];
    for (u32 i = 0; i < 512; i++)
        wanted[i] = ((u64 *)frame[0])[i];
    bool writes = f->arg[0] == WRITES, may = writes ? sc->write : sc->read;
    error_wanted = PF_P | (writes ? PF_W : 0) | (sc->ends_user ? PF_U : 0);
    for (u32 i = 0; i < 3; i++) {
        faults = 0;
        s = run(sc, way, to, true);
        CHECK_EQ(faults, !may);
        CHECK_REGS(&s.regs, &should.regs, 0);
        CHECK(memory_is(wanted));
    }
}

static void levels(void)
{
    bool has_smap = cpuid(7, 0).ebx & BIT(20);
    wrmsr(MSR_STAR, (u64)(USER_CS64 - 16) << 48 | (u64)KERNEL_CS << 32);
    for (u32 i = 0; i < ARRAY_SIZE(scenes); i++) {
        if (!has_smap && (scenes[i].smap || scenes[i].way >= BY_CLAC))
            continue;
        for (f = forms; f < forms_end; f++) {
            /* In a row, what may not be done comes second. */
            if (f->arg[0] == ROW && scenes[i].read && !scenes[i].write)
                continue;
            test_case(f->text, "after", scenes[i].name);
            one_form(&scenes[i]);
        }
    }
}

/* What one pushes, the other pops. RBX: the user's side. */
CODE(kernel_side, "pushq %rdi\n movq %rbx, %rcx\n movl $2, %r11d\n sysretq");
CODE(user_side, "popq %rax\n leaq 3(%rax), %rdi\n decl %edx\n jz 1f\n pushq %rdi\n popq %rbp\n"
                "syscall\n1: " STOP);

static void in_turns(void)
{
    struct stop s;
    test("a stack in turns");
    set_state(NULL);
    wrmsr(MSR_LSTAR, (word)kernel_side);
    wrmsr(MSR_SFMASK, 0);
    for (u32 n = 1; n < 1000; n *= 3) {
        struct regs r = {.ip = (word)kernel_side, .flags = 2};
        r.r[RBX] = USER(user_side);
        r.r[RDX] = n;
        r.r[RSP] = STACK_VA + START;
        CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
        CHECK_EQ(s.regs.r[RDI], 3 * n);
        CHECK_EQ(s.regs.r[RSP], STACK_VA + START);
    }
}

/* R13 and R14 are words for the supervisor and for all: each is counted up by the code of RBX, by
   code in another page and by a stack in its page, with AC as it must be. The flags stay. */
CODE(ac_count,
     "1: movq %r13, %rdi\n leaq -64(%rdi), %rsp\n call *%rbx\n call ac_far\n pushq %rcx\n popq "
     "%rdx\n"
     "stc\n stac\n adcq $0, %rax\n"
     "movq %r14, %rdi\n leaq -64(%rdi), %rsp\n call *%rbx\n call ac_far\n pushq %rdx\n popq %rsi\n"
     "leaq 2f(%rip), %rsi\n jmp *%rsi\n nop\n2: cmpl %ecx, %ecx\n clac\n setz %bpl\n"
     "movzbl %bpl, %ebp\n addq %rbp, %r15\n decl %ecx\n jnz 1b\n" STOP "nop\n"
     "ac_near: incq (%rdi)\n movq (%rsp), %rdx\n ret\n .skip 4096\n"
     "ac_far: addq $3, (%rdi)\n movq %rcx, -32(%rsp)\n ret");
extern u8 ac_near[];

static void ac_changes(void)
{
    struct stop s;
    test("STAC and CLAC in a loop");
    if (!(cpuid(7, 0).ebx & BIT(20)))
        return;
    for (u32 smap = 0; smap < 2; smap++)
        for (u32 n = 1; n < 1000; n *= 3) {
            struct regs r = {.ip = (word)ac_count, .flags = 2};
            memset(frame, 0, 2 * sizeof(frame[0]));
            page_map(STACK_VA, (word)frame[0], RW);
            page_map(STACK_VA + 4096, (word)frame[1], RWU);
            regs_use_smap(smap);
            r.r[RBX] = (word)ac_near;
            r.r[RCX] = n;
            r.r[R13] = STACK_VA + START;
            r.r[R14] = STACK_VA + 4096 + START;
            CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
            CHECK_EQ(*(u64 *)(frame[0] + START), 4 * n);
            CHECK_EQ(*(u64 *)(frame[1] + START), 4 * n);
            CHECK_EQ(s.regs.r[RAX], n);
            CHECK_EQ(s.regs.r[R15], n);
        }
    regs_use_smap(false);
}

/* Address spaces. */

static word root[SPACES], list[HOPS];

/* Its own tables above SPACE_VA. */
static void build_space(u32 n)
{
    word first = get_cr3();
    u64 *pml4 = page_alloc(), *pdpt = page_alloc();
    const u64 *old = (u64 *)(page_root()[SPACE_VA >> 39 & 511] & PTE_ADDR);
    memcpy(pml4, page_root(), 4096);
    memcpy(pdpt, old, 4096);
    pdpt[SPACE_VA >> 30 & 511] = 0;
    pml4[SPACE_VA >> 39 & 511] = (word)pdpt | RWU;
    root[n] = (word)pml4;
    set_cr3(root[n]);
    page_map(SPACE_VA, (word)frame[n], RW);
    page_map(USER_VA, (word)user_frame[n], RWU);
    set_cr3(first);
}

/* By the list at RSI, of RCX entries, from one space into the next; each time the stack is used. */
CODE(hops, "1: movq (%rsi), %rax\n movq %rax, %cr3\n pushq %rcx\n popq %rdx\n addq %rdx, (%rsp)\n"
           "incq 8(%rsp)\n call 2f\n leaq 8(%rsi), %rsi\n decl %ecx\n jnz 1b\n" STOP
           "2: movq %rsi, -0x100(%rsp)\n ret");
/* The same, and with AC set also a stack in the user's page, at R8; the function in another page.
 */
CODE(hops_ac,
     "1: stac\n movq (%rsi), %rax\n movq %rax, %cr3\n xchgq %r8, %rsp\n addq %rcx, (%rsp)\n"
     "incq 8(%rsp)\n call 2f\n xchgq %r8, %rsp\n clac\n"
     "pushq %rcx\n popq %rdx\n addq %rdx, (%rsp)\n incq 8(%rsp)\n call 2f\n"
     "leaq 8(%rsi), %rsi\n decl %ecx\n jnz 1b\n" STOP ".skip 4096\n"
     "2: movq %rsi, -0x100(%rsp)\n ret");

static struct {
    u64 sum, count, last;
} model[SPACES];

static void check_stack(u32 k, const u8 *page)
{
    const u64 *top = (u64 *)(page + START);
    CHECK_EQ(top[0], model[k].sum);
    CHECK_EQ(top[1], model[k].count);
    CHECK_EQ(top[-1 - 0x100 / 8], model[k].last);
}

static void run_hops(const u8 *text, u32 n)
{
    word home = get_cr3();
    struct stop s;
    struct regs r = {.ip = (word)text, .flags = 2};
    memset(frame, 0, sizeof(frame));
    memset(user_frame, 0, sizeof(user_frame));
    r.r[RSI] = (word)list;
    r.r[RCX] = HOPS;
    r.r[RSP] = SPACE_VA + START;
    r.r[R8] = USER_VA + START;
    CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
    set_cr3(home);
    for (u32 k = 0; k < n; k++) {
        check_stack(k, frame[k]);
        if (text == hops_ac)
            check_stack(k, user_frame[k]);
    }
}

static void hop(const char *name, u32 n, bool pcid, u32 flush_one_in)
{
    u64 chance = n + flush_one_in;
    memset(model, 0, sizeof(model));
    for (u32 i = 0; i < HOPS; i++) {
        u64 v = random64(&chance) >> 20;
        u32 k = (u32)v % n;
        bool keep = pcid && (flush_one_in == 0 || (v >> 20) % flush_one_in);
        list[i] = root[k] | (pcid ? k + 1 : 0) | (keep ? NOFLUSH : 0);
        model[k].sum += HOPS - i;
        model[k].count++;
        model[k].last = (word)&list[i];
    }
    test(name);
    run_hops(hops, n);
    if (get_cr4() & CR4_SMAP) {
        test_case(name, "under SMAP", "with AC changed");
        run_hops(hops_ac, n);
    }
}

static void all_hops(void)
{
    hop("two address spaces", 2, false, 0);
    hop("many address spaces", SPACES, false, 0);
    if (!(cpuid(1, 0).ecx & BIT(17)))
        return;
    set_cr4(get_cr4() | CR4_PCIDE);
    hop("two address spaces with PCIDs", 2, true, 1);
    hop("two address spaces with PCIDs, kept", 2, true, 0);
    hop("five address spaces with PCIDs, some kept", 5, true, 3);
    hop("many address spaces with PCIDs, kept", SPACES, true, 0);
    hop("many address spaces with PCIDs, some kept", SPACES, true, 3);
    set_cr4(get_cr4() & ~(word)CR4_PCIDE);
}

static void spaces(void)
{
    for (u32 n = 0; n < SPACES; n++)
        build_space(n);
    all_hops();
    regs_use_smap(true);
    all_hops();
}

GUEST("window-levels")
{
    regs_catch_all();
    regs_fix = on_trap;
    levels();
    regs_fix = NULL;
    in_turns();
    ac_changes();
    spaces();
}
