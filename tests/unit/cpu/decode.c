/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/interp/decode.h"
#include "cpu/interp/ops.h"
#include "guest.h"

static struct decoder decoder;

/* A CPU that has everything; only its model and mode matter. */
static struct guest *open_guest(void)
{
    struct guest *g = guest_new();
    struct simd *simd = NULL;
    struct err err = {.text = ""};

    if (cpu_model_parse(&g->vm.model, "max", &err) || simd_new(&simd, &err)) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    decoder_init(&decoder, simd);
    return g;
}

static void close_guest(struct guest *g)
{
    simd_free(decoder.simd);
    guest_free(g);
}

static enum decode_result decode(struct guest *g, enum cpu_mode mode, struct insn *i,
                                 const char *bytes, unsigned len)
{
    u8 *exact = malloc(len ? len : 1); /* ASan sees a read past the end */
    enum decode_result r;

    if (!exact)
        abort();
    memcpy(exact, bytes, len);
    g->c->mode = (u8)mode;
    r = insn_decode(&decoder, g->c, exact, len, i);
    free(exact);
    return r;
}

/* Of a string literal. */
#define DECODE(g, mode, i, s) decode(g, mode, i, s, sizeof(s) - 1)

static void registers(void)
{
    struct guest *g = open_guest();
    struct insn i;

    CHECK_EQ(DECODE(g, MODE_32, &i, "\x88\xe1"), DECODE_OK); /* mov cl, ah */
    CHECK(i.form == FORM_RR && i.size == 1 && i.len == 2);
    CHECK(i.r == RCX * 8 && i.m == RAX * 8 + 1);
    CHECK_EQ(DECODE(g, MODE_64, &i, "\x40\x88\xe1"), DECODE_OK); /* mov cl, spl */
    CHECK(i.r == RCX * 8 && i.m == RSP * 8);
    CHECK_EQ(DECODE(g, MODE_64, &i, "\x4d\x89\xfa"), DECODE_OK); /* mov r10, r15 */
    CHECK(i.size == 8 && i.r == R10 * 8 && i.m == R15 * 8);
    CHECK_EQ(DECODE(g, MODE_64, &i, "\x66\x89\xc3"), DECODE_OK); /* mov bx, ax */
    CHECK(i.size == 2 && i.opsize == 2 && i.r == RBX * 8);
    CHECK_EQ(DECODE(g, MODE_16, &i, "\x89\xc3"), DECODE_OK);
    CHECK(i.size == 2 && (i.flags & INSN_MODE16));
    CHECK_EQ(DECODE(g, MODE_16, &i, "\x66\x89\xc3"), DECODE_OK);
    CHECK(i.size == 4);
    close_guest(g);
}

static void memory_of_64_bit_code(void)
{
    struct guest *g = open_guest();
    struct insn i;

    CHECK_EQ(DECODE(g, MODE_64, &i, "\x8b\x44\x8b\x10"), DECODE_OK); /* mov eax, [rbx+rcx*4+10h] */
    CHECK(i.form == FORM_RM && i.size == 4 && i.msize == 4 && i.asize == 8);
    CHECK(i.base == RBX * 8 && i.index == RCX * 8 && i.scale == 2 && i.disp == 0x10);
    CHECK((i.flags & (INSN_MEM | INSN_FLAT64 | INSN_MODE64)) ==
          (INSN_MEM | INSN_FLAT64 | INSN_MODE64));
    CHECK_EQ(DECODE(g, MODE_64, &i, "\x8b\x05\xfc\xff\xff\xff"), DECODE_OK); /* [rip-4] */
    CHECK(i.base == REG_RIP && i.index == REG_ZERO && i.disp == -4 && i.len == 6);
    CHECK_EQ(DECODE(g, MODE_64, &i, "\x8b\x04\x25\x00\x00\x00\x80"), DECODE_OK); /* absolute */
    CHECK(i.base == REG_ZERO && i.index == REG_ZERO && i.disp == -0x80000000ll);
    CHECK_EQ(DECODE(g, MODE_64, &i, "\x64\x8b\x00"), DECODE_OK);
    CHECK(i.seg == SEG_FS && !(i.flags & INSN_FLAT64));
    CHECK_EQ(DECODE(g, MODE_64, &i, "\x2e\x8b\x45\x00"), DECODE_OK); /* CS: and SS count not */
    CHECK(i.flags & INSN_FLAT64);
    CHECK_EQ(DECODE(g, MODE_64, &i, "\x67\x8b\x00"), DECODE_OK);
    CHECK(i.asize == 4 && !(i.flags & INSN_FLAT64));
    CHECK_EQ(DECODE(g, MODE_64, &i, "\x4b\x8d\x04\x64"), DECODE_OK); /* lea rax, [r12+r12*2] */
    CHECK(i.base == R12 * 8 && i.index == R12 * 8 && i.scale == 1);
    CHECK_EQ(DECODE(g, MODE_64, &i, "\x48\xa1\x88\x77\x66\x55\x44\x33\x22\x11"), DECODE_OK);
    CHECK(i.disp == 0x1122334455667788 && i.base == REG_ZERO && i.size == 8);
    close_guest(g);
}

static void memory_of_older_code(void)
{
    struct guest *g = open_guest();
    struct insn i;

    CHECK_EQ(DECODE(g, MODE_16, &i, "\x8b\x40\xf0"), DECODE_OK); /* mov ax, [bx+si-10h] */
    CHECK(i.base == RBX * 8 && i.index == RSI * 8 && i.disp == -0x10 && i.asize == 2);
    CHECK(i.seg == SEG_DS && !(i.flags & INSN_FLAT64));
    CHECK_EQ(DECODE(g, MODE_16, &i, "\x8b\x46\x04"), DECODE_OK); /* [bp+4] */
    CHECK(i.base == RBP * 8 && i.seg == SEG_SS);
    CHECK_EQ(DECODE(g, MODE_16, &i, "\x26\x8b\x46\x04"), DECODE_OK);
    CHECK_EQ(i.seg, SEG_ES);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\x8b\x04\x24"), DECODE_OK); /* [esp] */
    CHECK(i.base == RSP * 8 && i.seg == SEG_SS && i.asize == 4);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\x67\x8b\x07"), DECODE_OK); /* [bx] */
    CHECK(i.base == RBX * 8 && i.asize == 2);
    CHECK_EQ(DECODE(g, MODE_16, &i, "\x67\x8b\x04\xc5\x44\x33\x22\x11"), DECODE_OK);
    CHECK(i.index == RAX * 8 && i.scale == 3 && i.disp == 0x11223344 && i.asize == 4);
    close_guest(g);
}

static void immediates(void)
{
    struct guest *g = open_guest();
    struct insn i;

    CHECK_EQ(DECODE(g, MODE_32, &i, "\x83\xc0\xff"), DECODE_OK); /* add eax, -1 */
    CHECK(i.form == FORM_RI && i.imm == ~0ull && (i.flags & INSN_IMM));
    CHECK_EQ(DECODE(g, MODE_64, &i, "\x48\x05\x00\x00\x00\x80"), DECODE_OK);
    CHECK_EQ(i.imm, 0xffffffff80000000);
    CHECK_EQ(DECODE(g, MODE_64, &i, "\x48\xb8\x88\x77\x66\x55\x44\x33\x22\x11"), DECODE_OK);
    CHECK_EQ(i.imm, 0x1122334455667788);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\xc6\x00\x12"), DECODE_OK); /* mov byte [eax], 12h */
    CHECK(i.form == FORM_MI && i.size == 1 && i.imm == 0x12);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\xc8\x10\x00\x05"), DECODE_OK); /* enter 10h, 5 */
    CHECK(i.imm == 0x10 && i.imm2 == 5);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\xea\x78\x56\x34\x12\xcd\xab"), DECODE_END);
    CHECK(i.imm == 0x12345678 && i.imm2 == 0xabcd && i.fn == op_jmp_far);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\xd3\xe0"), DECODE_OK); /* shl eax, cl */
    CHECK(i.flags & INSN_CL);
    CHECK_EQ(DECODE(g, MODE_64, &i, "\x68\xff\xff\xff\xff"), DECODE_OK); /* push -1 */
    CHECK(i.imm == ~0ull && i.opsize == 8);
    close_guest(g);
}

static void two_sizes(void)
{
    struct guest *g = open_guest();
    struct insn i;

    CHECK_EQ(DECODE(g, MODE_32, &i, "\x0f\xb6\xc4"), DECODE_OK); /* movzx eax, ah */
    CHECK(i.size == 4 && i.msize == 1 && i.m == RAX * 8 + 1);
    CHECK_EQ(DECODE(g, MODE_64, &i, "\x48\x0f\xbf\x01"), DECODE_OK); /* movsx rax, word [rcx] */
    CHECK(i.size == 8 && i.msize == 2);
    CHECK_EQ(DECODE(g, MODE_64, &i, "\x48\x63\xc1"), DECODE_OK); /* movsxd rax, ecx */
    CHECK(i.size == 8 && i.msize == 4);
    CHECK_EQ(DECODE(g, MODE_64, &i, "\x50"), DECODE_OK);
    CHECK_EQ(i.opsize, 8);
    CHECK_EQ(DECODE(g, MODE_64, &i, "\x66\x50"), DECODE_OK);
    CHECK_EQ(i.opsize, 2);
    CHECK_EQ(DECODE(g, MODE_64, &i, "\x67\xe3\x00"), DECODE_END); /* jecxz */
    CHECK_EQ(i.asize, 4);
    CHECK_EQ(DECODE(g, MODE_64, &i, "\x0f\x22\xd8"), DECODE_END); /* mov cr3, rax */
    CHECK(i.r == 3 && i.m == RAX * 8 && i.fn == op_mov_to_cr);
    CHECK_EQ(DECODE(g, MODE_64, &i, "\x44\x0f\x20\xc0"), DECODE_OK); /* mov rax, cr8 */
    CHECK(i.m == 8 && i.fn == op_mov_from_cr);
    close_guest(g);
}

static void prefixes(void)
{
    struct guest *g = open_guest();
    struct insn i;

    CHECK_EQ(DECODE(g, MODE_32, &i, "\xf0\x01\x03"), DECODE_OK);
    CHECK(i.flags & INSN_LOCK);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\xf0\x01\xd8"), DECODE_END); /* LOCK without memory */
    CHECK(i.fn == op_ud);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\xf3\xa4"), DECODE_OK);
    CHECK((i.flags & INSN_REP) && i.size == 1 && i.fn == op_movs);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\xf2\xa7"), DECODE_OK);
    CHECK((i.flags & INSN_REPNE) && i.size == 4 && i.fn == op_cmps);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\xf2\xf3\xa6"), DECODE_OK); /* the last one counts */
    CHECK((i.flags & (INSN_REP | INSN_REPNE)) == INSN_REP);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\x65\x2e\x64\xac"), DECODE_OK);
    CHECK_EQ(i.seg, SEG_FS);
    CHECK_EQ(DECODE(g, MODE_64, &i, "\x48\xa5"), DECODE_OK);
    CHECK(i.size == 8 && i.fn == op_movs);
    CHECK_EQ(DECODE(g, MODE_64, &i, "\x48\x66\x89\xc8"), DECODE_OK); /* a REX that is not last */
    CHECK_EQ(i.size, 2);
    close_guest(g);
}

static void the_end_of_a_block(void)
{
    struct guest *g = open_guest();
    struct insn i;

    CHECK_EQ(DECODE(g, MODE_32, &i, "\xe9\xfb\xff\xff\xff"), DECODE_END);
    CHECK(i.fn == op_jmp && i.form == FORM_I && i.imm == (u64)-5);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\x75\xfe"), DECODE_END);
    CHECK(i.cond == 5 && i.fn == jcc_by_cond[5]);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\x0f\x94\xc0"), DECODE_OK); /* setz al */
    CHECK_EQ(i.cond, 4);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\xc3"), DECODE_END);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\xcd\x80"), DECODE_END);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\xf4"), DECODE_END);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\x0f\xa2"), DECODE_END);
    close_guest(g);
}

static void incomplete_and_too_long(void)
{
    static const char prefixed[] = "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90";
    static const char long_mov[] = "\x81\x84\x88\x11\x22\x33\x44\x55\x66\x77\x88"; /* 11 bytes */
    struct guest *g = open_guest();
    struct insn i;

    CHECK_EQ(decode(g, MODE_32, &i, long_mov, 0), DECODE_MORE);
    for (unsigned n = 1; n < 11; n++)
        CHECK_EQ(decode(g, MODE_32, &i, long_mov, n), DECODE_MORE);
    CHECK_EQ(decode(g, MODE_32, &i, long_mov, 11), DECODE_OK);
    CHECK_EQ(i.len, 11);
    CHECK_EQ(DECODE(g, MODE_32, &i, prefixed), DECODE_OK);
    CHECK_EQ(i.len, 15);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66"),
             DECODE_END);
    CHECK(i.fn == op_gp);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\x66\x66\x66\x66\x66\x81\x84\x88\x11\x22\x33\x44\x55\x66\x77"),
             DECODE_OK);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\x2e\x2e\x2e\x2e\x2e\x81\x84\x88\x11\x22\x33\x44\x55\x66\x77"),
             DECODE_END); /* would be 16 bytes */
    CHECK(i.fn == op_gp);
    close_guest(g);
}

static void what_is_no_instruction(void)
{
    struct guest *g = open_guest();
    struct insn i;

    CHECK_EQ(DECODE(g, MODE_64, &i, "\x06"), DECODE_END); /* push es */
    CHECK(i.fn == op_ud && i.len == 1);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\x06"), DECODE_OK);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\x0f\x0b"), DECODE_END);
    CHECK(i.fn == op_ud);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\x0f\x04\x00"), DECODE_END);
    CHECK(i.fn == op_ud);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\x8d\xc0"), DECODE_END); /* lea of a register */
    CHECK(i.fn == op_ud);
    CHECK_EQ(DECODE(g, MODE_64, &i, "\x62\xf1\x7c\x48\x58\xc1"), DECODE_END); /* AVX-512 */
    CHECK(i.fn == op_ud);
    close_guest(g);
}

static void the_model_decides(void)
{
    struct guest *g = open_guest();
    struct err err;
    struct insn i;

    CHECK_EQ(DECODE(g, MODE_32, &i, "\xf3\x0f\xbd\xc1"), DECODE_OK);
    CHECK(i.fn == op_lzcnt);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\x0f\x44\xc1"), DECODE_OK);
    CHECK_EQ(cpu_model_parse(&g->vm.model, "486", &err), 0);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\xf3\x0f\xbd\xc1"), DECODE_OK);
    CHECK(i.fn == op_bsr);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\xf3\x0f\xbc\xc1"), DECODE_OK);
    CHECK(i.fn == op_bsf);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\x0f\x44\xc1"), DECODE_END); /* cmovz */
    CHECK(i.fn == op_ud);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\x0f\x58\xc1"), DECODE_END); /* addps */
    CHECK(i.fn == op_ud);
    close_guest(g);
}

static void mnemonics_with_two_meanings(void)
{
    struct guest *g = open_guest();
    struct insn i;

    CHECK_EQ(DECODE(g, MODE_64, &i, "\xa5"), DECODE_OK);
    CHECK(i.fn == op_movs);
    CHECK_EQ(DECODE(g, MODE_64, &i, "\xf2\x0f\x10\xc1"), DECODE_OK);
    CHECK(i.fn != op_movs && i.fn != op_ud);
    CHECK_EQ(DECODE(g, MODE_64, &i, "\xf3\x90"), DECODE_OK);
    CHECK(i.fn == op_pause);
    CHECK_EQ(DECODE(g, MODE_64, &i, "\xf3\x41\x90"), DECODE_OK);
    CHECK(i.fn == op_xchg && i.size == 4 && i.r == RAX * 8 && i.m == R8 * 8);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\x8e\xd8"), DECODE_OK); /* mov ds, ax */
    CHECK(i.fn == op_mov_to_sreg && i.r == SEG_DS);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\x8c\xd8"), DECODE_OK);
    CHECK(i.fn == op_mov_from_sreg && i.m == SEG_DS);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\x0f\xb2\x03"), DECODE_OK); /* lss eax, [ebx] */
    CHECK(i.fn == op_load_far && i.imm2 == SEG_SS);
    CHECK_EQ(DECODE(g, MODE_32, &i, "\xff\x1b"), DECODE_END); /* call far [ebx] */
    CHECK(i.fn == op_call_far);
    close_guest(g);
}

int main(void)
{
    TEST_RUN(registers);
    TEST_RUN(memory_of_64_bit_code);
    TEST_RUN(memory_of_older_code);
    TEST_RUN(immediates);
    TEST_RUN(two_sizes);
    TEST_RUN(prefixes);
    TEST_RUN(the_end_of_a_block);
    TEST_RUN(incomplete_and_too_long);
    TEST_RUN(what_is_no_instruction);
    TEST_RUN(the_model_decides);
    TEST_RUN(mnemonics_with_two_meanings);
    return test_result();
}
