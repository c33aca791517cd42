/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptor tables and task-state segments of 32-bit and 64-bit guests. */
#pragma once
#include "guest.h"

/* Selectors both kinds have (64-bit guests: KERNEL_CS is 64-bit code). */
#define KERNEL_CS 0x08
#define KERNEL_DS 0x10
#define USER_CS32 0x1b
#define USER_DS   0x23
#define USER_CS64 0x2b /* 64-bit guests */
#define TSS_SEL   0x30 /* 16 bytes in 64-bit guests */
#define CS32_SEL  0x40 /* 32-bit code of CPL 0, in 64-bit guests compatibility mode */
#define CS16_SEL  0x48
#define DS16_SEL  0x50 /* base 0, limit FFFFh, 16-bit */
#define FREE_SEL  0x60 /* from here on for the tests, to the end of the table */
#define GDT_SLOTS 64

/* Access rights: bits 0-7 type, S, DPL, P; bits 12-15 AVL, L, D/B, G. */
enum {
    AR_CODE = 0x9b,
    AR_DATA = 0x93,
    AR_TSS32 = 0x89,
    AR_TSS16 = 0x81,
    AR_LDT = 0x82,
    AR_CALL32 = 0x8c,
    AR_CALL16 = 0x84,
    AR_TASK = 0x85,
    AR_INT32 = 0x8e,
    AR_TRAP32 = 0x8f,
    AR_INT16 = 0x86,
    AR_TRAP16 = 0x87,
    AR_DPL3 = 0x60,
    AR_L = 0x2000,
    AR_DB = 0x4000,
    AR_G = 0x8000,
};

extern u64 gdt[GDT_SLOTS];

/* limit in units of the granularity that ar has. */
void gdt_set(u16 sel, u32 base, u32 limit, u32 ar);
u64 descriptor(u32 base, u32 limit, u32 ar);
/* The access byte (bits 40-47) of a descriptor. */
u8 gdt_access(u16 sel);
/* A call gate or task gate of 8 bytes; params: words or doublewords to copy. */
void gdt_gate(u16 sel, u16 target, u32 offset, u32 ar, u8 params);

void desc_init(void);
/* The TSS of this library once more, made available first. */
void tss_load(void);
/* GDTR and IDTR of a further CPU (64-bit guests). */
void desc_load(void);
/* ist: 64-bit guests only. */
void idt_set(u8 vector, u16 sel, word offset, u32 ar, u8 ist);
void idt_reset(u8 vector);
/* 64-bit guests: the usual handler on trap_stack, by IST 1, whatever RSP is. */
void idt_use_stack(u8 vector);

struct tss32 {
    u16 link, r0;
    u32 esp0;
    u16 ss0, r1;
    u32 esp1;
    u16 ss1, r2;
    u32 esp2;
    u16 ss2, r3;
    u32 cr3, eip, eflags, eax, ecx, edx, ebx, esp, ebp, esi, edi;
    u16 es, r4, cs, r5, ss, r6, ds, r7, fs, r8, gs, r9, ldt, r10;
    u16 trap, iomap;
} __attribute__((packed));

struct tss16 {
    u16 link, sp0, ss0, sp1, ss1, sp2, ss2, ip, flags, ax, cx, dx, bx, sp, bp, si, di;
    u16 es, cs, ss, ds, ldt;
} __attribute__((packed));

struct tss64 {
    u32 r0;
    u64 rsp[3];
    u64 r1;
    u64 ist[7];
    u64 r2;
    u16 r3, iomap;
} __attribute__((packed));

/* What TR points to. As set up: no I/O bitmap, ring 0 stack at trap_stack_top. */
struct task {
#ifdef __x86_64__
    struct tss64 tss;
#else
    struct tss32 tss;
#endif
    u8 redirect[32]; /* interrupt redirection bitmap (virtual-8086 mode extensions) */
    u8 io[8193];
} __attribute__((packed));
extern struct task task;
#define TSS_IOMAP ((u16)offsetof(struct task, io))
#define TSS_LIMIT ((u32)sizeof(struct task) - 1)

#define STACK_SIZE 16384
extern u8 trap_stack[STACK_SIZE], user_stack[STACK_SIZE];
#define trap_stack_top ((word)(trap_stack + STACK_SIZE))
#define user_stack_top ((word)(user_stack + STACK_SIZE))
