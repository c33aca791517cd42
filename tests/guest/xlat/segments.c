/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 32-bit code with segments that are not flat, hot, with the segments changed between two runs of
 * the same code and in the middle of a block: bases, limits that cut an operand or an instruction,
 * expand-down, addresses that wrap at 4 GiB, stacks of 16 and of 32 bits, null selectors, types.
 */
#include "seg.h"

static __attribute__((aligned(64))) u32 memory[4][64];
static u8 copy[256] __attribute__((aligned(64)));

static void fill(void)
{
    for (u32 i = 0; i < 4; i++)
        for (u32 k = 0; k < 64; k++)
            memory[i][k] = 0x1000 * (i + 1) + k;
}

CODE(bases_code,
     "movl (%ebx), %eax\n addl $1, (%ebx)\n movl %es:4(%ebx), %ecx\n addl $3, %fs:8(%ebx)\n"
     "xorl %gs:12(%ebx), %edx\n jmp 1f\n nop\n1: movl %edx, 16(%ebx)\n" SEG_STOP);

static void bases(void)
{
    test("bases of DS, ES, FS and GS");
    fill();
    for (u32 i = 0; i < 4; i++)
        seg_set(SEL(i), (u32)memory[i], 255, SEG_DATA);
    for (u32 n = 0; n < 300; n++) {
        struct seg_regs r = seg_flat(bases_code);
        u32 ds = n & 3, es = n * 3 & 3, fs = (n >> 2) & 3, gs = n >> 4 & 3, bx = 20 * (n & 7);
        r.ds = SEL(ds), r.es = SEL(es), r.fs = SEL(fs), r.gs = SEL(gs), r.bx = bx, r.dx = n;
        u32 k = bx / 4, a = memory[ds][k], f = memory[fs][k + 2];
        CHECK_EQ(seg_run(&r), USER_EXIT);
        CHECK_EQ(last_trap.ax, a);
        CHECK_EQ(memory[ds][k], a + 1);
        CHECK_EQ(memory[fs][k + 2], f + 3);
        CHECK_EQ(last_trap.dx, memory[gs][k + 3] ^ n);
        CHECK_EQ(memory[ds][k + 4], memory[gs][k + 3] ^ n);
        memory[ds][k + 4] = 7;
    }
}

CODE(change_code, "movl %esi, %ds\n movl (%ebx), %eax\n movl %edi, %ds\n movl (%ebx), %ecx\n"
                  "movl %eax, 8(%ebx)\n pushl %esi\n popl %ds\n addl %ecx, 8(%ebx)\n"
                  "lesl %fs:(%edx), %ebp\n movl %es:(%ebx), %edx\n" SEG_STOP);
/* FS is flat: changes the base of a descriptor, which counts from the next load on. */
CODE(hidden_code,
     "movl %esi, %ds\n movl (%ebx), %eax\n movl %edx, %fs:2(%edi)\n movl (%ebx), %ecx\n"
     "movl %esi, %ds\n movl (%ebx), %edx\n" SEG_STOP);

static void changes(void)
{
    static struct {
        u32 off;
        u16 sel;
    } __attribute__((packed)) far = {0x1234, 0};
    test("DS and ES changed in a block");
    fill();
    for (u32 n = 0; n < 200; n++) {
        struct seg_regs r = seg_flat(change_code);
        u32 s = n & 3, d = (n + 1 + n / 4) & 3, e = n / 8 & 3;
        far.sel = (u16)SEL(e);
        r.si = SEL(s), r.di = SEL(d), r.bx = 4 * (n & 15) + 64, r.dx = (u32)&far;
        u32 k = r.bx / 4, before = memory[s][k + 2];
        memory[s][k] = 100 + n, memory[d][k] += s != d;
        u32 a = memory[s][k], c = memory[d][k];
        CHECK_EQ(seg_run(&r), USER_EXIT);
        CHECK_EQ(last_trap.ax, a);
        CHECK_EQ(last_trap.cx, c);
        CHECK_EQ(memory[d][k + 2], s == d ? a + c : a);
        if (s != d)
            CHECK_EQ(memory[s][k + 2], before + c);
        CHECK_EQ(last_trap.bp, 0x1234);
        CHECK_EQ(last_trap.dx, memory[e][k]);
    }
    test("a descriptor changed without a load");
    fill();
    for (u32 n = 0; n < 50; n++) {
        struct seg_regs r = seg_flat(hidden_code);
        u32 from = n & 3, to = (n + 1) & 3;
        seg_set(SEL(5), (u32)memory[from], 255, SEG_DATA);
        r.si = SEL(5), r.di = (u32)&gdt[SEL(5) >> 3];
        r.dx = (u32)memory[to] | (u32)(SEG_DATA & 0xff)
                                     << 24; /* bits 16 to 47: base and access byte */
        CHECK_EQ(seg_run(&r), USER_EXIT);
        CHECK_EQ(last_trap.ax, memory[from][0]);
        CHECK_EQ(last_trap.cx, memory[from][0]);
        CHECK_EQ(last_trap.dx, memory[to][0]);
    }
}

#define AT_BX(name, text)                                                                          \
    CODE(l_##name, "leal 1(%ecx), %ecx\n movl $5, %edx\n" text "\n leal 1(%ecx), %ecx\n" SEG_STOP)
AT_BX(load1, "movb (%ebx), %al");
AT_BX(load2, "movw (%ebx), %ax");
AT_BX(load4, "movl (%ebx), %eax");
AT_BX(store4, "movl %eax, (%ebx)");
AT_BX(store2, "movw $0x1234, (%ebx)");
AT_BX(add4, "addl %eax, (%ebx)");
AT_BX(lock4, "lock incl (%ebx)");
AT_BX(xchg2, "xchgw %ax, (%ebx)");
AT_BX(push4, "pushl (%ebx)");
AT_BX(pop4, "pushl $7\n popl (%ebx)");
AT_BX(sse16, "movups (%ebx), %xmm0");
AT_BX(sse_store8, "movlps %xmm0, (%ebx)");
AT_BX(fpu8, "fldl (%ebx)\n fstp %st");
AT_BX(fpu_store10, "fldz\n fstpt (%ebx)");
AT_BX(bit4, "btsl $3, (%ebx)");
AT_BX(stack4, "movl %ebx, %ebp\n movl (%ebp), %eax");
AT_BX(stack_store4, "movl %ebx, %ebp\n incl (%ebp)");
static const struct {
    const char *name;
    const u8 *code, *end;
    u32 size, vector;
    bool before; /* there is an instruction between */
} limited[] = {
#define L(name, size, vector, before)                                                              \
    {                                                                                              \
#name, l_##name, l_##name##_end, size, vector, before                                      \
    }
    L(load1, 1, GP, 0),  L(load2, 2, GP, 0),        L(load4, 4, GP, 0),
    L(store4, 4, GP, 0), L(store2, 2, GP, 0),       L(add4, 4, GP, 0),
    L(lock4, 4, GP, 0),  L(xchg2, 2, GP, 0),        L(push4, 4, GP, 0),
    L(pop4, 4, GP, 1),   L(sse16, 16, GP, 0),       L(sse_store8, 8, GP, 0),
    L(fpu8, 8, GP, 0),   L(fpu_store10, 10, GP, 1), L(bit4, 4, GP, 0),
    L(stack4, 4, SS, 1), L(stack_store4, 4, SS, 1),
};

/* One access at offset bx, which must trap or not. */
static void access(u32 which, u32 sel, u32 bx, bool good)
{
    struct seg_regs r = seg_flat(limited[which].code);
    bool in_stack = limited[which].vector == SS;
    if (in_stack)
        r.ss = sel, r.sp = 0xf0;
    else
        r.ds = sel;
    r.bx = bx, r.cx = 10, r.ax = 0x77;
    memcpy(copy, memory[1], sizeof(copy));
    CHECK_EQ(seg_run(&r), good ? USER_EXIT : limited[which].vector);
    if (good) {
        CHECK_EQ(last_trap.cx, 12);
        CHECK_EQ(last_trap.ip, (u32)limited[which].end);
        return;
    }
    CHECK_EQ(last_trap.error, 0);
    CHECK_EQ(last_trap.cx, 11);
    CHECK_EQ(last_trap.dx, 5);
    CHECK_EQ(last_trap.ax, 0x77);
    if (!limited[which].before)
        CHECK_EQ(last_trap.ip, (u32)limited[which].code + 8);
    CHECK(!memcmp(copy, memory[1], sizeof(copy)));
}

static void limits(void)
{
    fill();
    for (u32 i = 0; i < ARRAY_SIZE(limited); i++) {
        test(limited[i].name);
        for (u32 n = 0; n < 24; n++) {
            u32 limit = 0xc0 + n % 5, cut = n * 7 % (limited[i].size + 2);
            seg_set(SEL(0), (u32)memory[1], limit, SEG_DATA);
            access(i, SEL(0), limit + 1 - limited[i].size + cut, cut == 0);
            access(i, SEL(0), 0x40, true);
        }
        /* Expand-down: above the limit, to 64 KiB or 4 GiB. */
        for (u32 n = 0; n < 8; n++) {
            u32 wide = n & 1 ? AR_DB : 0;
            seg_set(SEL(0), (u32)memory[1], 0x4f, (SEG_DOWN & ~(u32)AR_DB) | wide);
            access(i, SEL(0), 0x50, true);
            access(i, SEL(0), 0x4f, false);
            access(i, SEL(0), 0x51 - limited[i].size - 1, false);
            if (!wide && limited[i].size > 1)
                access(i, SEL(0), 0x10001 - limited[i].size, false);
            access(i, SEL(0), 0x60, true);
        }
    }
}

CODE(wrapped_code, "call 1f\n1: popl %eax\n pushl %ebx\n leal 2f-1b(%eax), %ecx\n jmp *%ecx\n nop\n"
                   "2: popl %edx\n" SEG_STOP);

static void wraps(void)
{
    test("bases beyond the offset: addresses wrap at 4 GiB");
    fill();
    for (u32 n = 0; n < 100; n++) {
        struct seg_regs r = seg_flat(bases_code);
        u32 i = n & 3, gap = n & 4 ? 0x100000 : 0x7fff0000;
        seg_set(SEL(6), (u32)memory[i] - gap, 0xffffffff, SEG_DATA);
        r.ds = r.es = r.fs = r.gs = SEL(6), r.bx = gap + 4 * (n & 7), r.dx = 0;
        u32 a = memory[i][n & 7];
        CHECK_EQ(seg_run(&r), USER_EXIT);
        CHECK_EQ(last_trap.ax, a);
        CHECK_EQ(memory[i][n & 7], a + 1);
    }
    test("code and stack at bases beyond the offset");
    for (u32 n = 0; n < 100; n++) {
        struct seg_regs r = seg_flat(wrapped_code);
        u32 gap = n % 3 * 0x12345670;
        seg_set(SEL(7), 0 - gap, 0xffffffff, SEG_CODE);
        seg_set(SEL(8), 0 - gap * 2, 0xffffffff, SEG_DATA);
        r.cs = SEL(7), r.ip += gap, r.ss = SEL(8), r.sp += gap * 2, r.bx = n;
        CHECK_EQ(seg_run(&r), USER_EXIT);
        CHECK_EQ(last_trap.ax, (u32)wrapped_code + 5 + gap);
        CHECK_EQ(last_trap.dx, n);
        CHECK_EQ(last_trap.ip, (u32)wrapped_code_end + gap);
        CHECK_EQ(last_trap.sp, r.sp);
    }
}

CODE(cut_code,
     "incl %eax\n incl %eax\n movl $0x12345678, %ecx\n incl %eax\n jmp 1f\n nop\n1: incl %eax\n"
     "addl $0x11111111, %ecx\n incl %eax\n" SEG_STOP);

static void code_limit(void)
{
    static const u8 ends[] = {1, 2, 7, 8, 10, 12, 18, 19, 21}; /* of the instructions */
    static const u8 sums[] = {0, 1, 2, 2, 3, 3, 4, 4, 5};      /* EAX when one is not reached */
    test("the limit of CS cuts a block that has run");
    for (u32 n = 0; n < 60; n++) {
        struct seg_regs r = seg_flat(NULL);
        u32 limit = n % 3 == 2 ? 200 : n * 7 % 21;
        seg_set(SEL(9), (u32)cut_code, limit, SEG_CODE);
        r.cs = SEL(9), r.ip = 0;
        u32 k = 0, at = 0;
        while (k < ARRAY_SIZE(ends) && ends[k] <= limit + 1) {
            at = k == 4 ? 11 : ends[k];
            k++;
        }
        u32 vector = seg_run(&r);
        CHECK_EQ(vector, k == ARRAY_SIZE(ends) ? USER_EXIT : GP);
        CHECK_EQ(last_trap.ip, at);
        CHECK_EQ(last_trap.ax, k == ARRAY_SIZE(ends) ? 5 : sums[k]);
    }
}

CODE(stack_code, "pushl %eax\n pushw %bx\n call 1f\n1: popl %ecx\n popw %dx\n"
                 "popl %edi\n enter $16, $0\n movl %ebp, %eax\n leave\n" SEG_STOP);

static void stacks(void)
{
    static u8 area[0x10000 + 64] __attribute__((aligned(64)));
    test("the same code with stacks of 16 and of 32 bits");
    for (u32 n = 0; n < 60; n++) {
        struct seg_regs r = seg_flat(stack_code);
        bool wide = n & 1;
        u32 sp = 0x8000 + 16 * (n & 15), high = 0x77770000;
        seg_set(SEL(10), (u32)area - (wide ? high : 0), wide ? 0xffffffff : 0xffff,
                wide ? SEG_DATA : SEG_DATA16);
        r.ss = SEL(10), r.sp = high | sp, r.ax = 0x01020304 + n, r.bx = 0x5566, r.bp = 0x33339999;
        memset(area + sp - 32, 0, 32);
        CHECK_EQ(seg_run(&r), USER_EXIT);
        CHECK_EQ(last_trap.di, r.ax);
        CHECK_EQ(last_trap.dx, 0x5566);
        CHECK_EQ(last_trap.cx, (u32)stack_code + 8);
        /* IRET to a stack of 16 bits loads SP alone. */
        CHECK_EQ(wide ? last_trap.sp : last_trap.sp & 0xffff, wide ? r.sp : sp);
        CHECK_EQ(last_trap.bp, r.bp);
        CHECK_EQ(last_trap.ax & 0xffff, sp - 4);
        CHECK_EQ(*(u32 *)(area + sp - 4), r.bp);
    }
}

static void null(void)
{
    test("null selectors and types, in code that has run");
    fill();
    seg_set(SEL(11), (u32)memory[0], 255, 0x91 | AR_DPL3 | AR_DB); /* read-only */
    for (u32 n = 0; n < 40; n++) {
        struct seg_regs r = seg_flat(bases_code);
        r.ds = r.es = r.fs = r.gs = SEL(0);
        seg_set(SEL(0), (u32)memory[2], 255, SEG_DATA);
        CHECK_EQ(seg_run(&r), USER_EXIT);
        r.ds = n & 1 ? 0 : SEL(11);
        u32 before = memory[0][0];
        CHECK_EQ(seg_run(&r), GP);
        CHECK_EQ(last_trap.ip, (u32)bases_code + (n & 1 ? 0 : 2));
        CHECK_EQ(memory[0][0], before);
        r.ds = SEL(0), r.fs = n & 1 ? 3 : SEL(11);
        CHECK_EQ(seg_run(&r), GP);
        CHECK_EQ(last_trap.ip, (u32)bases_code + 9);
    }
}

CODE(short_code, "addr16 movl 4(%bx,%si), %eax\n addr16 movl %eax, -4(%bx,%di)\n addr16 lodsb\n"
                 "addr16 rep stosb\n addr16 leal 1(%bx,%si), %edx\n" SEG_STOP);

static void short_addresses(void)
{
    static u8 area[0x10000 + 64] __attribute__((aligned(64)));
    test("16-bit addresses in 32-bit code wrap");
    seg_set(SEL(12), (u32)area, 0xffffffff, SEG_DATA);
    for (u32 n = 0; n < 30; n++) {
        struct seg_regs r = seg_flat(short_code);
        r.ds = r.es = SEL(12);
        r.bx = 0xabcdff00, r.si = 0x11110110 + n, r.di = 0x22220200 + n, r.cx = 0x33330003;
        *(u32 *)(area + 0x14 + n) = 0x1000 + n;
        area[0x110 + n] = (u8)(n + 1);
        CHECK_EQ(seg_run(&r), USER_EXIT);
        CHECK_EQ(*(u32 *)(area + 0xfc + n), 0x1000 + n);
        CHECK_EQ(last_trap.ax, 0x1000 + (n + 1));
        CHECK_EQ(last_trap.si, r.si + 1);
        CHECK_EQ(last_trap.di, r.di + 3);
        CHECK_EQ(last_trap.cx, 0x33330000);
        CHECK_EQ(area[0x202 + n], n + 1);
        CHECK_EQ(last_trap.dx, (0xff00 + 0x0111 + n + 1) & 0xffff);
    }
}

GUEST("segments")
{
    set_cr4(get_cr4() | CR4_OSFXSR);
    set_cr0(get_cr0() & ~(word)(CR0_EM | CR0_TS));
    asm volatile("fninit");
    bases();
    changes();
    limits();
    wraps();
    code_limit();
    stacks();
    null();
    short_addresses();
}
