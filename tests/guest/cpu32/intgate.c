/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interrupt and trap gates in 32-bit protected mode: flags, stacks, 16-bit gates, and every check
   with its error code, IDT and EXT bits included (SDM 3A 6.11-6.13). */
#include "desc.h"
#include "io.h"
#include "trap.h"

#define V            0x40 /* the vector of these tests */
#define SPARE        FREE_SEL
#define CODE1        (FREE_SEL + 8)
#define DATA1        (FREE_SEL + 16)
#define CONF         (FREE_SEL + 24)
#define IDT_ERROR(v) ((v)*8 + 2)

static u8 stack1[4096] page_aligned;
u32 saved_flags; /* written by the handler below */
CODE(flags_handler, "pushfl\n popl saved_flags\n iretl");
CODE(stop, "int $0x31");
LOW_CODE(".code32", stop16, "int $0x31");
CODE(user_int, "movl %esp, %esi\n int $0x40\n" EXIT_USER);
CODE(user_ud, "ud2");
CODE(user_int3, "movl %esp, %esi\n int3\n" EXIT_USER);

static u32 flags_in_handler(u32 ar, u32 flags)
{
    idt_set(V, KERNEL_CS, (word)flags_handler, ar, 0);
    u32 before = flags;
    asm volatile("pushl %0\n popfl\n int $0x40\n pushfl\n popl %0\n pushl $2\n popfl"
                 : "+r"(flags)
                 :
                 : "memory", "cc");
    CHECK_EQ(flags & ~FLAG_RF, before | 2);
    return saved_flags;
}

static void flags(void)
{
    test("flags in the handler");
    u32 all = FLAG_IF | FLAG_NT | FLAG_AC | FLAG_ID | FLAG_DF | FLAG_CF | FLAG_IOPL;
    /* NT is clear in the handler: its IRET must not be a task return */
    CHECK_EQ(flags_in_handler(AR_INT32, all) & ~2, all & ~(FLAG_IF | FLAG_NT));
    CHECK_EQ(flags_in_handler(AR_TRAP32, all) & ~2, all & ~FLAG_NT);
    CHECK_EQ(flags_in_handler(AR_TRAP32, 0) & FLAG_IF, 0);
}

static void frames(void)
{
    test("frames");
    idt_set(V, KERNEL_CS, (word)trap_stubs + 16 * V, AR_INT32 | AR_DPL3, 0);
    CHECK_TRAP(V, 0,
               asm volatile("movl %%esp, %%esi\n movl $1f, want_ip\n int $0x40\n1:"
                            :
                            :
                            : "esi", "memory"));
    CHECK_EQ(last_trap.ip, want_ip);
    CHECK_EQ(last_trap.entry_sp, last_trap.si);
    CHECK_USER(V, 0, user_int);
    CHECK_EQ(last_trap.cs, USER_CS32);
    CHECK_EQ(last_trap.ss, USER_DS);
    CHECK_EQ(last_trap.sp, last_trap.si);
    CHECK_EQ(last_trap.entry_sp, trap_stack_top);
    idt_set(V, KERNEL_CS, (word)stop16, AR_INT16, 0);
    CHECK_TRAP(0x31, 0, asm volatile("movl %%esp, %%esi\n int $0x40" : : : "esi", "memory"));
    CHECK_EQ(last_trap.entry_sp, last_trap.si - 6);
    CHECK_EQ(last_trap.stack[0] >> 16, KERNEL_CS);
}

static void frame16_from_user(void)
{
    test("16-bit gate from CPL 3");
    /* The 16-bit frame keeps IP below 64K only: stop in the handler and look. */
    idt_set(0x31, KERNEL_CS, (word)trap_stubs + 16 * 0x31, AR_INT32, 0);
    idt_set(V, KERNEL_CS, (word)stop16, AR_INT16 | AR_DPL3, 0);
    CHECK_USER(0x31, 0, user_int);
    const u16 *h = (const u16 *)last_trap.stack;
    CHECK_EQ(last_trap.entry_sp, trap_stack_top - 10);
    CHECK_EQ(h[0], (u16)((word)user_int_end - 2));
    CHECK_EQ(h[1], USER_CS32);
    CHECK_EQ(h[2] & 0x7002, 2);
    CHECK_EQ(h[3], (u16)last_trap.si);
    CHECK_EQ(h[4], USER_DS);
}

static void gate_checks(void)
{
    test("gate checks");
    idt_set(V, KERNEL_CS, (word)trap_stubs + 16 * V, AR_INT32, 0);
    CHECK_USER(GP, IDT_ERROR(V), user_int); /* DPL 0 from CPL 3 */
    CHECK_USER(GP, IDT_ERROR(3), user_int3);
    CHECK_USER(UD, 0, user_ud); /* exceptions do not look at DPL */
    idt_set(V, KERNEL_CS, (word)trap_stubs + 16 * V, AR_INT32 & 0x7f, 0);
    CHECK_TRAP_AT(NP, IDT_ERROR(V), asm volatile(AT "int $0x40"));
    CHECK_USER(GP, IDT_ERROR(V), user_int); /* DPL before presence */
    static const u8 bad[] = {0x80, 0x81, 0x82, 0x83, 0x84, 0x88, 0x89,
                             0x8a, 0x8b, 0x8c, 0x8d, 0x92, 0x9b};
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        idt_set(V, KERNEL_CS, (word)trap_stubs + 16 * V, bad[i], 0);
        CHECK_TRAP(GP, IDT_ERROR(V), asm volatile("int $0x40"));
    }
    struct dtr d = get_idtr(), small = d;
    small.limit = V * 8 + 6;
    set_idtr(small);
    CHECK_TRAP(GP, IDT_ERROR(V), asm volatile("int $0x40"));
    CHECK_TRAP(GP, IDT_ERROR(0xff), asm volatile("int $0xff"));
    set_idtr(d);
}

static void target_checks(void)
{
    test("checks of the handler's segment");
    static const struct {
        u16 sel;
        u32 ar, vector, error;
    } cases[] = {
        {0, 0x9a, GP, 0},         {3, 0x9a, GP, 0},
        {SPARE, 0x92, GP, SPARE}, {SPARE, 0x1a, NP, SPARE},
        {SPARE, 0xfa, GP, SPARE}, {GDT_SLOTS * 8, 0x9a, GP, GDT_SLOTS * 8},
        {SPARE, 0x89, GP, SPARE}, {4, 0x9a, GP, 4},
        {SPARE | 3, 0x9a, V, 0},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        gdt_set(SPARE, 0, 0xfffff, cases[i].ar | AR_DB | AR_G);
        idt_set(V, cases[i].sel, (word)trap_stubs + 16 * V, AR_INT32, 0);
        CHECK_TRAP(cases[i].vector, cases[i].error, asm volatile("int $0x40"));
    }
    gdt_set(SPARE, 0, 0xff, AR_CODE | AR_DB);
    idt_set(V, SPARE, (word)trap_stubs + 16 * V, AR_INT32, 0);
    CHECK_TRAP(GP, 0, asm volatile("int $0x40")); /* offset past the limit */
}

static void external_bit(void)
{
    test("EXT bit when an exception's gate is bad");
    idt_set(UD, KERNEL_CS, (word)trap_stubs + 16 * UD, AR_INT32 & 0x7f, 0);
    CHECK_TRAP_AT(NP, IDT_ERROR(UD) | 1, asm volatile(AT "ud2"));
    idt_set(UD, 0, (word)trap_stubs + 16 * UD, AR_INT32, 0);
    CHECK_TRAP_AT(GP, 1, asm volatile(AT "ud2"));
    idt_set(UD, KERNEL_DS, (word)trap_stubs + 16 * UD, AR_INT32, 0);
    CHECK_TRAP_AT(GP, KERNEL_DS | 1, asm volatile(AT "ud2"));
    idt_reset(UD);
    idt_set(BP, KERNEL_DS, 0, AR_INT32, 0);
    CHECK_TRAP(GP, KERNEL_DS, asm volatile("int3"));
    idt_reset(BP);
}

static void rings(void)
{
    test("handler in ring 1");
    static const struct {
        u16 ss;
        u32 ar, vector, error;
    } cases[] = {
        {0, 0, TS, 0},
        {DATA1, 0xb2, TS, DATA1},
        {DATA1 | 1, 0x92, TS, DATA1},
        {DATA1 | 1, 0xb0, TS, DATA1},
        {DATA1 | 1, 0x32, SS, DATA1},
        {GDT_SLOTS * 8 | 1, 0xb2, TS, GDT_SLOTS * 8},
    };
    gdt_set(CODE1, 0, 0xfffff, 0xbb | AR_DB | AR_G);
    idt_set(V, CODE1, (word)stop, AR_INT32 | AR_DPL3, 0);
    idt_set(0x31, KERNEL_CS, (word)trap_stubs + 16 * 0x31, AR_INT32 | AR_DPL3, 0);
    task.tss.esp1 = (word)stack1 + sizeof(stack1);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        task.tss.ss1 = cases[i].ss;
        gdt_set(DATA1, 0, 0xfffff, cases[i].ar | AR_DB | AR_G);
        CHECK_USER(cases[i].vector, cases[i].error, user_int);
    }
    gdt_set(DATA1, 0, 0xfffff, 0xb3 | AR_DB | AR_G);
    task.tss.ss1 = DATA1 | 1;
    CHECK_USER(0x31, 0, user_int);
    CHECK_EQ(last_trap.cs, CODE1 | 1);
    CHECK_EQ(last_trap.sp, (word)stack1 + sizeof(stack1) - 20);
    const u32 *s = (const u32 *)last_trap.sp;
    CHECK_EQ(s[1], USER_CS32);
    CHECK_EQ(s[4], USER_DS);
}

static void conforming(void)
{
    test("conforming handler");
    gdt_set(CONF, 0, 0xfffff, 0x9f | AR_DB | AR_G);
    idt_set(V, CONF, (word)stop, AR_INT32 | AR_DPL3, 0);
    CHECK_USER(0x31, 0, user_int);
    CHECK_EQ(last_trap.cs, CONF | 3);
    CHECK_EQ(last_trap.ss, USER_DS);
    CHECK_EQ(last_trap.sp, last_trap.si - 12);
}

static void iret_checks(void)
{
    test("IRET");
    CHECK_TRAP(GP, 0, asm volatile("pushl $2\n pushl $0\n pushl $stop\n iretl"));
    CHECK_TRAP(GP, KERNEL_DS, asm volatile("pushl $2\n pushl $0x10\n pushl $stop\n iretl"));
    CHECK_TRAP(GP, GDT_SLOTS * 8,
               asm volatile("pushl $2\n pushl %0\n pushl $stop\n iretl"
                            :
                            : "i"(GDT_SLOTS * 8)));
    gdt_set(SPARE, 0, 0xfffff, 0x1a | AR_DB | AR_G);
    CHECK_TRAP(NP, SPARE, asm volatile("pushl $2\n pushl %0\n pushl $stop\n iretl" : : "i"(SPARE)));
    CHECK_TRAP(GP, 0,
               asm volatile("pushl $0\n pushl $0x1000\n pushl $2\n pushl $0x1b\n"
                            "pushl $stop\n iretl")); /* null SS */
    CHECK_TRAP(GP, KERNEL_DS,
               asm volatile("pushl $0x10\n pushl $0x1000\n pushl $2\n pushl $0x1b\n"
                            "pushl $stop\n iretl"));
    CHECK_TRAP(GP, KERNEL_DS,
               asm volatile("pushl $0x13\n pushl $0x1000\n pushl $2\n pushl $0x1b\n"
                            "pushl $stop\n iretl"));
}

GUEST("intgate")
{
    trap_copies_stack = true;
    idt_set(0x31, KERNEL_CS, (word)trap_stubs + 16 * 0x31, AR_INT32 | AR_DPL3, 0);
    flags();
    frames();
    frame16_from_user();
    gate_checks();
    target_checks();
    external_bit();
    rings();
    conforming();
    iret_checks();
}
