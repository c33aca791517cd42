/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Segments in real mode: base = selector * 16, the 64 KiB limit (#GP, or #SS for SS), and where
 * 16-bit addresses, SP, SI and DI wrap. FS is 2000h for the tests; the compiler does not use it.
 */
#include "io.h"
#include "real.h"

#define FAR 0x2000

static void set_fs(u16 sel)
{
    asm volatile("movw %0, %%fs" : : "r"(sel));
}

static u8 fs_read8(u32 off)
{
    u8 v;
    asm volatile("addr32 movb %%fs:(%1), %0" : "=q"(v) : "r"(off));
    return v;
}

static void fs_write8(u32 off, u8 v)
{
    asm volatile("addr32 movb %1, %%fs:(%0)" : : "r"(off), "q"(v) : "memory");
}

static void limits(void)
{
    test("limit");
    set_fs(FAR);
    CHECK_TRAP_AT(GP, 0, asm volatile(AT "movw %%fs:(%%bx), %%ax" : : "b"(0xffff) : "eax"));
    set_fs(FAR);
    CHECK_TRAP_AT(GP, 0, asm volatile(AT "movl %%fs:(%%bx), %%eax" : : "b"(0xfffd) : "eax"));
    set_fs(FAR);
    CHECK_TRAP_AT(GP, 0, asm volatile(AT "movl %%eax, %%fs:(%%bx)" : : "b"(0xfffd) : "memory"));
    set_fs(FAR);
    CHECK_RUNS(asm volatile("movl %%fs:(%%bx), %%eax" : : "b"(0xfffc) : "eax"));
    CHECK_RUNS(asm volatile("movb %%fs:(%%bx), %%al" : : "b"(0xffff) : "eax"));
    CHECK_TRAP_AT(GP, 0,
                  asm volatile(AT "addr32 movb %%fs:(%%ebx), %%al"
                               :
                               : "b"(0x10000)
                               : "eax"));
    CHECK_TRAP_AT(GP, 0, asm volatile(AT "addr32 movb (%%ebx), %%al" : : "b"(0x80000000) : "eax"));
    CHECK_TRAP_AT(SS, 0, asm volatile(AT "movw %%ss:(%%bx), %%ax" : : "b"(0xffff) : "eax"));
    CHECK_TRAP_AT(SS, 0,
                  asm volatile("movl %%ebp, %%ecx\n movl $0xffff, %%ebp\n" AT
                               "movw (%%bp), %%ax\n movl %%ecx, %%ebp"
                               :
                               :
                               : "eax", "ecx"));
}

static void addresses(void)
{
    test("addresses");
    set_fs(FAR);
    fs_write8(1, 0x5a);
    fs_write8(0xffff, 0xa5);
    u8 v;
    asm volatile("movb %%fs:(%%bx,%%si), %0" : "=q"(v) : "b"(0xffff), "S"(2));
    CHECK_EQ(v, 0x5a);
    asm volatile("movb %%fs:2(%%bx), %0" : "=q"(v) : "b"(0xfffd));
    CHECK_EQ(v, 0xa5);
    set_fs(FAR + 1);
    CHECK_EQ(fs_read8(0xffef), 0xa5); /* 2001:FFEF is 2000:FFFF */
    set_fs(0xf00);
    fs_write8(0x8000, 1);
    set_fs(FAR);
}

static void strings(void)
{
    test("strings");
    static u8 buf[8];
    u32 si = 0xfffe, di = (u32)buf, cx = 4;
    set_fs(FAR);
    fs_write8(0xfffe, 1);
    fs_write8(0xffff, 2);
    fs_write8(0, 3);
    fs_write8(1, 4);
    asm volatile("cld\n rep movsb %%fs:(%%si), %%es:(%%di)"
                 : "+S"(si), "+D"(di), "+c"(cx)
                 :
                 : "memory");
    CHECK_EQ(buf[0] | buf[1] << 8 | buf[2] << 16 | buf[3] << 24, 0x04030201);
    CHECK_EQ(si, 2);
    CHECK_EQ(cx, 0);
    si = 0x12340000, cx = 0xabcd0002; /* only the low words count */
    asm volatile("std\n rep lodsb %%fs:(%%si), %%al\n cld"
                 : "+S"(si), "+c"(cx)
                 :
                 : "eax", "memory");
    CHECK_EQ(si, 0x1234fffe);
    CHECK_EQ(cx, 0xabcd0000);
    CHECK_TRAP_AT(GP, 0, asm volatile(AT "lodsw %%fs:(%%si), %%ax" : : "S"(0xffff) : "eax"));
    CHECK_EQ(last_trap.si, 0xffff);
    set_fs(FAR);
    CHECK_TRAP_AT(GP, 0,
                  asm volatile("cld\n" AT "addr32 rep lodsb %%fs:(%%esi), %%al"
                               :
                               : "S"(0xfffe), "c"(5)
                               : "eax", "memory"));
    CHECK_EQ(last_trap.si, 0x10000);
    CHECK_EQ(last_trap.cx, 3);
}

static void stack(void)
{
    test("stack");
    static volatile u32 sp;
    asm volatile("movl %%esp, %%ebx\n movl $0x55550000, %%esp\n pushw $0x1234\n movl %%esp, %0\n"
                 "movl %%ebx, %%esp"
                 : "=m"(sp)
                 :
                 : "ebx", "memory");
    CHECK_EQ(sp, 0x5555fffe);
    u16 v;
    asm volatile("movw %%ds:(%1), %0" : "=r"(v) : "b"(0xfffe));
    CHECK_EQ(v, 0x1234);
    asm volatile("movl %%esp, %%ebx\n movl $0xfffe, %%esp\n popw %%ax\n movl %%esp, %0\n"
                 "movl %%ebx, %%esp"
                 : "=m"(sp)
                 :
                 : "eax", "ebx", "memory");
    CHECK_EQ(sp, 0);
    CHECK_TRAP_AT(SS, 0,
                  asm volatile("movl %%esp, %%ebx\n movl $0xffff, %%esp\n" AT
                               "popw %%ax\n movl %%ebx, %%esp"
                               :
                               :
                               : "eax", "ebx", "memory"));
}

static void transfers(void)
{
    test("far transfers");
    static volatile u16 cs;
    asm volatile("lcallw $0x10, $(1f - 0x100)\n jmp 2f\n1: movw %%cs, %0\n lretw\n2:" : "=m"(cs));
    CHECK_EQ(cs, 0x10);
    asm volatile("lcalll $0x20, $(1f - 0x200)\n jmp 2f\n1: movw %%cs, %0\n lretl\n2:" : "=m"(cs));
    CHECK_EQ(cs, 0x20);
    static struct {
        u32 off;
        u16 sel;
    } __attribute__((packed)) target;
    target.sel = 0x30;
    asm volatile("movl $(1f - 0x300), %1\n ljmpl *%1\n1: movw %%cs, %0\n ljmpw $0, $2f\n2:"
                 : "=m"(cs)
                 : "m"(target)
                 : "memory");
    CHECK_EQ(cs, 0x30);
    CHECK_TRAP_AT(GP, 0, asm volatile(AT "jmpl *%%eax" : : "a"(0x10000)));
    CHECK_TRAP_AT(GP, 0, asm volatile(AT "ljmpl $0x10, $0x10000"));
    CHECK_TRAP_AT(GP, 0, asm volatile(AT ".byte 0x66, 0xe9, 0, 0, 1, 0")); /* JMP rel32 */
}

static void pointers(void)
{
    test("LFS and others");
    static const struct {
        u32 off;
        u16 sel;
    } __attribute__((packed)) p = {0x12345678, 0x2222};
    u32 off = 0, sel;
    asm volatile("lfsl %2, %0\n movl %%fs, %1" : "=r"(off), "=r"(sel) : "m"(p));
    CHECK_EQ(off, 0x12345678);
    CHECK_EQ(sel, 0x2222);
    static const u16 p16[2] = {0x4321, 0x3333};
    off = 0xffffffff;
    asm volatile("lgsw %2, %w0\n movl %%gs, %1" : "+r"(off), "=r"(sel) : "m"(p16));
    CHECK_EQ(off, 0xffff4321);
    CHECK_EQ(sel, 0x3333);
    asm volatile("ldsw %2, %w0\n movl %%ds, %1\n pushw %%ss\n popw %%ds"
                 : "+r"(off), "=r"(sel)
                 : "m"(p16));
    CHECK_EQ(sel, 0x3333);
    CHECK_TRAP_AT(UD, 0, asm volatile(AT ".byte 0xc5, 0xc0")); /* LDS from a register */
    CHECK_TRAP_AT(UD, 0, asm volatile(AT ".byte 0x8e, 0xc8")); /* MOV CS, AX */
    CHECK_TRAP_AT(UD, 0, asm volatile(AT ".byte 0x8e, 0xf0")); /* segment register 6 */
}

static void loops(void)
{
    test("LOOP and JCXZ");
    u32 cx = 0x10001, n = 0;
    asm volatile("1: incl %1\n loop 1b" : "+c"(cx), "+r"(n));
    CHECK_EQ(n, 1);
    CHECK_EQ(cx, 0x10000);
    n = 0, cx = 0x10000;
    asm volatile("jcxz 1f\n incl %1\n1:" : "+c"(cx), "+r"(n));
    CHECK_EQ(n, 0);
    asm volatile("jecxz 1f\n incl %1\n1:" : "+c"(cx), "+r"(n));
    CHECK_EQ(n, 1);
    cx = 0x10002, n = 0;
    asm volatile("1: incl %1\n addr32 loop 1b" : "+c"(cx), "+r"(n));
    CHECK_EQ(n, 0x10002);
}

GUEST("real-seg")
{
    limits();
    addresses();
    strings();
    stack();
    transfers();
    pointers();
    loops();
    set_fs(0);
    asm volatile("movw %0, %%gs" : : "r"((u16)0));
}
