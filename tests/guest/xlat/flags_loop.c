/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arithmetic flags in code that runs hot: carries through memory over many pages, counts of shifts
 * that only the run knows (0 keeps all flags), a block entered with flags of several makers, flags
 * as a trap saves them when they were made some blocks before, string compares of no bytes.
 */
#include "desc.h"
#include "flags_model.h"
#include "page.h"
#include "trap.h"

#define WORDS   4096
#define A_VA    (TEST_BASE + 0x400000)
#define B_VA    (TEST_BASE + 0x500000)
#define CODE_VA (TEST_BASE + 0x5000)

static page_aligned u64 a[WORDS], b[WORDS], sum[WORDS];
static page_aligned u8 code_pages[2][4096];
static u32 faults;

static bool on_trap(struct stop *s)
{
    word page = s->cr2 & ~4095ull;
    bool in_a = page >= A_VA && page < A_VA + sizeof(a),
         in_b = page >= B_VA && page < B_VA + sizeof(b);
    if (s->vector != PF || !(in_a || in_b))
        return false;
    faults++;
    page_map(page, in_a ? (word)a + page - A_VA : (word)b + page - B_VA, PTE_P | PTE_W);
    return true;
}

static void unmap(void)
{
    for (word at = 0; at < sizeof(a); at += 4096) {
        page_map(A_VA + at, 0, 0);
        page_map(B_VA + at, 0, 0);
    }
}

/* RDI: a, RSI: b, ECX: words; the carry lives through the whole loop. */
#define CHAIN(name, what, count)                                                                   \
    CODE(name, "clc\n1: movq (%rsi), %rax\n " what                                                 \
               "\n leaq 8(%rsi), %rsi\n leaq 8(%rdi), %rdi\n" count " 1b\n setc %dl\n" STOP)
CHAIN(add_to_memory, "adcq %rax, (%rdi)", "decl %ecx\n jnz");
CHAIN(add_by_register, "adcq (%rdi), %rax\n movq %rax, (%rdi)", "loop");
CHAIN(add_two_blocks, "jmp 2f\n nop\n2: adcq %rax, (%rdi)",
      "leal -1(%rcx), %ecx\n jecxz 3f\n jmp 1b\n3:\n#");
CHAIN(add_invlpg, "invlpg (%rdi)\n adcq %rax, (%rdi)", "decl %ecx\n jnz");
CHAIN(add_called, "call 5f\n jmp 6f\n5: adcq %rax, (%rdi)\n ret\n6:", "decl %ecx\n jnz");
CHAIN(sub_from_memory, "sbbq %rax, (%rdi)", "decl %ecx\n jnz");
CHAIN(sub_pieces,
      "sbbw %ax, (%rdi)\n movw 2(%rsi), %ax\n sbbw %ax, 2(%rdi)\n movl 4(%rsi), %eax\n"
      "sbbb %al, 4(%rdi)\n sbbb %ah, 5(%rdi)\n movw 6(%rsi), %ax\n sbbw %ax, 6(%rdi)",
      "decl %ecx\n jnz");

static u32 reference(bool sub)
{
    u64 carry = 0;
    for (u32 i = 0; i < WORDS; i++) {
        u64 x = a[i], y = b[i], r = sub ? x - y - carry : x + y + carry;
        carry = sub ? x < y || (carry && x == y) : r < x || (carry && r == x);
        sum[i] = r;
    }
    return (u32)carry;
}

static void chain(const char *name, const u8 *text, bool sub)
{
    struct stop s;
    struct regs r = {.ip = (word)text, .flags = 2};
    static u8 stack[256] __attribute__((aligned(16)));
    u64 chance = 77;
    test(name);
    for (u32 i = 0; i < WORDS; i++) { /* runs of ones carry far */
        a[i] = i & 16 ? ~0ull : random64(&chance);
        b[i] = i & 16 ? i == 31 : random64(&chance);
        if (sub)
            a[i] = i & 16 ? 0 : a[i];
    }
    u32 carry = reference(sub);
    unmap();
    faults = 0;
    r.r[RSP] = (word)stack + 128;
    r.r[RDI] = A_VA, r.r[RSI] = B_VA, r.r[RCX] = WORDS;
    CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
    CHECK_EQ(faults, 2 * sizeof(a) / 4096);
    CHECK_EQ(s.regs.r[RDX] & 1, carry);
    for (u32 i = 0; i < WORDS; i++)
        if (a[i] != sum[i]) {
            print("word %u: ", i);
            CHECK_EQ(a[i], sum[i]);
            break;
        }
}
#define CHAINED(name, sub) chain(#name, name, sub)

static void chains(void)
{
    CHAINED(add_to_memory, false);
    CHAINED(add_by_register, false);
    CHAINED(add_two_blocks, false);
    CHAINED(add_invlpg, false);
    CHAINED(add_called, false);
    CHAINED(sub_from_memory, true);
    CHAINED(sub_pieces, true);
}

/* ADD R8, R9; MOV CL, [RSI]; shift R10, CL; PUSHFQ; POP [RDI]; for all counts. */
static void shift_counts(u32 op, u32 width, bool inverted)
{
    static u8 counts[8];
    static u64 flags[16]; /* and the results behind them */
    static u8 stack[128] __attribute__((aligned(16)));
    u8 rex = (u8)(width == 8 ? 0x49 : 0x41), bits = (u8)(8 * width), n = 8;
    u8 *p = EMIT(code_pages[0], 0x4d, 0x89, 0xc5, 0x4d, 0x01, 0xcd); /* MOV R13, R8; ADD R13, R9 */
    p = EMIT(p, 0x4d, 0x89, 0xda, 0x8a, 0x0e); /* MOV R10, R11; MOV CL, [RSI] */
    if (inverted)
        p = EMIT(p, 0xf5); /* CMC */
    if (width == 2)
        p = EMIT(p, 0x66);
    p = EMIT(p, rex, (u8)(0xd2 | (width != 1)), (u8)(0xc2 | op << 3), 0x9c, 0x8f, 0x07);
    p = EMIT(p, 0x4c, 0x89, 0x57, 0x40, 0x48, 0xff, 0xc6);    /* MOV [RDI + 64], R10; INC RSI */
    p = EMIT(p, 0x48, 0x83, 0xc7, 8, 0x48, 0xff, 0xca, 0x75); /* ADD RDI, 8; DEC RDX; JNZ */
    *p = (u8)(code_pages[0] - (p + 1)), p++;
    EMIT(p, STOP_BYTES);
    for (u32 i = 0; i < 8; i++)
        counts[i] = (u8)(i * 5 % 4 == 0 ? 0 : i * 7 % bits) | (u8)(i & 1 && bits >= 32 ? bits : 0);
    struct regs r = {.ip = (word)code_pages[0], .flags = 2};
    struct stop s;
    r.r[RSP] = (word)stack + 64, r.r[RSI] = (word)counts, r.r[RDI] = (word)flags, r.r[RDX] = n;
    r.r[R8] = 0x7fffffffffffff17ull, r.r[R9] = 0x00000000000000f1ull + ((u64)op << 60);
    r.r[R11] = 0x9234567892f4a6b1ull & width_mask(width);
    CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
    for (u32 i = 0; i < n; i++) {
        struct flags f = {0};
        (void)model_alu(ADD, r.r[R8], r.r[R9], 8, &f);
        if (inverted)
            f.set ^= FLAG_CF;
        u64 v = model_shift(op, r.r[R11], counts[i] & (bits > 32 ? 63 : 31), width, &f);
        CHECK_EQ(flags[i] & FLAG_ARITH & ~f.undefined, f.set & ~f.undefined);
        CHECK_EQ(flags[i + 8] & width_mask(width), v);
        flags[i] = 0;
    }
}

static void shifts(void)
{
    static const char *const name[] = {"ROL", "ROR", "RCL", "RCR", "SHL", "SHR", "", "SAR"};
    static const char *const width_name[] = {"", "byte", "word", "", "dword", "", "", "", "qword"};
    for (u32 op = ROL; op <= SAR; op++)
        for (u32 width = 1; op != 6 && width <= 8; width *= 2)
            for (u32 inverted = 0; inverted < 2; inverted++) {
                test_case(name[op], width_name[width], inverted ? "behind CMC" : "behind ADD");
                shift_counts(op, width, inverted);
            }
}

/* RCX chooses the block that makes flags; all of them go to the same user of flags. */
CODE(merge, "leaq 9f(%rip), %r10\n movslq (%r10,%rcx,4), %rcx\n addq %r10, %rcx\n"
            "movq %r8, %rax\n stc\n jmp *%rcx\n"
            "1: addq %r9, %rax\n jmp 8f\n2: subl %r9d, %eax\n jmp 8f\n3: andw %r9w, %ax\n jmp 8f\n"
            "4: incb %al\n jmp 8f\n5: shrq $1, %rax\n jmp 8f\n6: negl %eax\n jmp 8f\n"
            "7: sbbq %r9, %rax\n"
            "8: setc (%rdi)\n setz 1(%rdi)\n sets 2(%rdi)\n seto 3(%rdi)\n setp 4(%rdi)\n"
            "setbe 5(%rdi)\n setl 6(%rdi)\n setle 7(%rdi)\n adcq %r9, %rax\n ret\n .balign 4\n"
            "9: .long 1b - 9b, 2b - 9b, 3b - 9b, 4b - 9b, 5b - 9b, 6b - 9b, 7b - 9b");

static u64 maker(u32 which, u64 x, u64 y, struct flags *f)
{
    flag_put(f, FLAG_CF, true);
    switch (which) {
    case 0:
        return model_alu(ADD, x, y, 8, f);
    case 1:
        return merged(x, model_alu(SUB, x, y, 4, f), 4);
    case 2:
        return merged(x, model_alu(AND, x, y, 2, f), 2);
    case 3:
        return merged(x, model_incdec(false, x, 1, f), 1);
    case 4:
        return model_shift(SHR, x, 1, 8, f);
    case 5:
        return merged(x, model_neg(x, 4, f), 4);
    }
    return model_alu(SBB, x, y, 8, f);
}

static void merges(void)
{
    static const u8 cc[] = {2, 4, 8, 0, 10, 6, 12, 14};
    u64 chance = 5;
    test("one user of flags behind several makers");
    for (u32 i = 0; i < 1500; i++) {
        u64 x = random64(&chance), y = i % 5 ? random64(&chance) : x;
        u32 which = (u32)(random64(&chance) >> 8) % 7;
        u8 out[8];
        u64 r;
        register u64 r8 asm("r8") = x;
        register u64 r9 asm("r9") = y;
        u64 rcx = which;
        asm volatile("call merge"
                     : "=a"(r), "+c"(rcx)
                     : "r"(r8), "r"(r9), "D"(out)
                     : "r10", "memory", "cc");
        struct flags f = {0};
        u64 v = maker(which, x, y, &f);
        bool ok = r == model_alu(ADC, v, y, 8, &(struct flags){f.set, 0});
        for (u32 k = 0; k < 8; k++)
            ok = ok && out[k] == model_condition(cc[k], f.set);
        if (!ok) {
            print("maker %u, %llx, %llx: ", which, (unsigned long long)x, (unsigned long long)y);
            CHECK(ok);
        }
    }
    CHECK(true);
}

/* Flags as traps push them, made two blocks before. */
#define TRAPS(name, text)                                                                          \
    CODE(name,                                                                                     \
         "addq %r9, %r8\n jmp 1f\n nop\n1: leaq 2f(%rip), %r10\n jmp *%r10\n nop\n2: nop\n" text   \
         "\n nop\n")
TRAPS(by_ud, "ud2");
TRAPS(by_int, "int $0x30");
TRAPS(by_fault, "movq (%rcx), %rax");
TRAPS(by_store, "movq %rax, (%rcx)");
TRAPS(by_call, "call *(%rcx)");
TRAPS(by_de, "xchgq %rdx, %rcx\n divl %r11d");
TRAPS(by_gp, "movq (%rbx), %rax");
TRAPS(by_bp, "int3");

static void saved(const char *name, const u8 *text, u32 vector)
{
    struct stop s;
    struct regs r = {.ip = (word)text, .flags = 2};
    static u8 stack[256] __attribute__((aligned(16)));
    static const u64 values[] = {0, 1, 0x7fffffffffffffff, 0x8000000000000000, ~0ull, 0x0f};
    test_case("flags saved by a trap", name, "two blocks on");
    for (u32 i = 0; i < 36; i++) {
        struct flags f = {0};
        r.r[R8] = values[i / 6], r.r[R9] = values[i % 6];
        r.r[RCX] = TEST_BASE + 0x900000, r.r[RBX] = BIT64(63), r.r[R11] = 0;
        r.r[RSP] = (word)stack + 128;
        (void)model_alu(ADD, r.r[R8], r.r[R9], 8, &f);
        CHECK_EQ(regs_run(&r, &s), vector);
        CHECK_EQ(s.regs.flags & FLAG_ARITH, f.set);
        CHECK_EQ(s.regs.r[R8], r.r[R8] + r.r[R9]);
    }
}
#define SAVED(text, vector) saved(#text, text, vector)

CODE(no_bytes, "xorl %ecx, %ecx\n movq %rdi, %rsi\n cmpq %r9, %r8\n repe cmpsb\n repne scasw\n"
               "rep stosq\n rep lodsb\n pushfq\n popq %rax\n" STOP);

static void empty_strings(void)
{
    struct stop s;
    struct regs r = {.ip = (word)no_bytes, .flags = 2};
    static u8 stack[256] __attribute__((aligned(16)));
    test("string compares of no bytes keep flags");
    for (u32 i = 0; i < 9; i++) {
        struct flags f = {0};
        r.r[R8] = i / 3 * 5, r.r[R9] = i % 3 * 5, r.r[RSP] = (word)stack + 128;
        r.r[RDI] = A_VA + 0x800000; /* not looked at */
        (void)model_alu(SUB, r.r[R8], r.r[R9], 8, &f);
        CHECK_EQ(regs_run(&r, &s), STOP_VECTOR);
        CHECK_EQ(s.regs.r[RAX] & FLAG_ARITH, f.set);
    }
}

GUEST("flags-loop")
{
    regs_catch_all();
    regs_fix = on_trap;
    chains();
    shifts();
    merges();
    SAVED(by_ud, UD);
    SAVED(by_int, STOP_VECTOR);
    SAVED(by_fault, PF);
    SAVED(by_store, PF);
    SAVED(by_call, PF);
    SAVED(by_de, DE);
    SAVED(by_gp, GP);
    SAVED(by_bp, BP);
    empty_strings();
}
