/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest that tests/fuzz/insn.c starts each input from: 4 MiB of RAM with GDT, IDTs, TSSs, an
 * LDT, handlers that return or halt, and page tables of each format. RAM is a private mapping of
 * what was built once, between two inaccessible gaps, so that to reset it is to drop its pages.
 *
 * Linear addresses are physical ones. Pages 0-1fh (the tables) and 300h-3ffh are the supervisor's,
 * pages 100h-10bh each have a peculiarity, the others are everybody's. The same 4 MiB appear again
 * in large pages and in the upper half.
 */
#pragma once
#include "base/base.h"
#include "cpu/engine.h"
#include "cpu/vcpu.h"
#include "dev/lapic.h"
#include "x86/regs.h"

#include <string.h>
#include <sys/mman.h>

enum {
    RAM = 4 << 20,
    RAM_GAP = 1 << 20,
    AT_GDT = 0x1000,
    AT_LDT = 0x1800,
    AT_IDT32 = 0x2000,
    AT_IDT64 = 0x3000,
    AT_TSS32 = 0x4000,
    AT_TSS32_OTHER = 0x4800,
    AT_TSS16 = 0x4c00,
    AT_TSS64 = 0x5000,
    AT_HANDLERS16 = 0x6000,
    AT_HANDLERS32 = 0x7000,
    AT_HANDLERS64 = 0x8000,
    AT_PD = 0x10000,
    AT_PT = 0x11000,
    AT_PAE_PDPT = 0x12000,
    AT_PAE_PD = 0x13000,
    AT_PAE_PT = 0x14000, /* two */
    AT_PML4 = 0x16000,
    AT_PDPT = 0x17000,
    AT_PML5 = 0x18000,
    AT_CODE16 = 0x80000, /* within reach of real mode */
    AT_DATA16 = 0x90000,
    AT_ODD = 0x100000, /* the pages with peculiarities */
    AT_CODE = 0x200000,
    AT_DATA = 0x210000,
    AT_STACK3 = 0x220000,
    AT_CODE0 = 0x300000, /* the supervisor's */
    AT_STACK0 = 0x3f0000,
    AT_STACK_TSS = 0x3f8000,
    DEVICE_MMIO = 0xfed00000,
    LAPIC_MMIO = 0xfee00000,
};

enum { /* selectors */
       CODE32_0 = 0x08,
       DATA_0 = 0x10,
       CODE32_3 = 0x18 | 3,
       DATA_3 = 0x20 | 3,
       TSS64 = 0x28,
       TSS32 = 0x38,
       TSS32_OTHER = 0x40,
       TSS16 = 0x48,
       LDT = 0x50,
       CODE64_0 = 0x60,
       CODE64_3 = 0x68 | 3,
       CODE16_0 = 0x70,
       DATA16_0 = 0x78,
       CODE16_3 = 0x80 | 3,
       DATA16_3 = 0x88 | 3,
       CONFORMING = 0x90,
       EXEC_ONLY = 0x98,
       READ_ONLY = 0xa0,
       ABSENT = 0xa8,
       EXPAND_DOWN = 0xb0,
       CALL_GATE32 = 0xb8,
       CALL_GATE16 = 0xc0,
       TASK_GATE = 0xc8,
       CALL_GATE64 = 0xd0,
       SMALL_DATA = 0xe0,
       CODE32_1 = 0xe8 | 1,
       DATA_1 = 0xf0 | 1,
       GDT_LIMIT = 0xff,
};

#define A_CODE   (AR_P | AR_S | AR_CODE | AR_READABLE)
#define A_DATA   (AR_P | AR_S | AR_WRITABLE)
#define A_32     (AR_G | AR_DB)
#define A_DPL(n) ((u32)(n) << AR_DPL_SHIFT)

struct device {
    u8 reg[256];
    u32 reads;
};

struct guest {
    struct vm vm;
    struct vcpu *c;
    struct lapic_bus *lapics;
    struct device pio, mmio;
};

static void put(struct guest *g, gpa_t at, u64 val, unsigned size)
{
    BUG_ON(mem_write(g->vm.mem, at, &val, size) != 0);
}

/* `limit` is the 20-bit field. */
static void put_desc(struct guest *g, u16 sel, u32 base, u32 limit, u32 ar)
{
    put(g, AT_GDT + (sel & ~7u),
        (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)ar << 40 |
            (u64)(limit & 0xf0000) << 32 | (u64)(base & 0xff000000) << 32,
        8);
}

static void put_gate(struct guest *g, gpa_t at, u16 sel, u32 off, u32 ar, unsigned params)
{
    put(g, at,
        (off & 0xffff) | (u64)sel << 16 | (u64)params << 32 | (u64)ar << 40 |
            (u64)(off & 0xffff0000) << 32,
        8);
}

static void put_gdt(struct guest *g)
{
    put_desc(g, CODE32_0, 0, 0xfffff, A_CODE | A_32);
    put_desc(g, DATA_0, 0, 0xfffff, A_DATA | A_32);
    put_desc(g, CODE32_3, 0, 0xfffff, A_CODE | A_32 | A_DPL(3));
    put_desc(g, DATA_3, 0, 0xfffff, A_DATA | A_32 | A_DPL(3));
    put_desc(g, TSS64, AT_TSS64, 0x3ff, AR_P | SYS_TSS32_AVAIL);
    put_desc(g, TSS32, AT_TSS32, 0x3ff, AR_P | SYS_TSS32_AVAIL);
    put_desc(g, TSS32_OTHER, AT_TSS32_OTHER, 0x67, AR_P | SYS_TSS32_AVAIL | A_DPL(3));
    put_desc(g, TSS16, AT_TSS16, 0x2b, AR_P | SYS_TSS16_AVAIL | A_DPL(3));
    put_desc(g, LDT, AT_LDT, 0x3f, AR_P | SYS_LDT);
    put_desc(g, CODE64_0, 0, 0xfffff, A_CODE | AR_L | AR_G);
    put_desc(g, CODE64_3, 0, 0xfffff, A_CODE | AR_L | AR_G | A_DPL(3));
    put_desc(g, CODE16_0, AT_CODE16, 0xffff, A_CODE);
    put_desc(g, DATA16_0, AT_DATA16, 0xffff, A_DATA);
    put_desc(g, CODE16_3, AT_CODE16, 0xffff, A_CODE | A_DPL(3));
    put_desc(g, DATA16_3, AT_DATA16, 0xffff, A_DATA | A_DPL(3));
    put_desc(g, CONFORMING, 0, 0xfffff, A_CODE | A_32 | AR_CONFORMING);
    put_desc(g, EXEC_ONLY, 0, 0xfffff, (A_CODE | A_32 | A_DPL(3)) & ~AR_READABLE);
    put_desc(g, READ_ONLY, 0, 0xfffff, (A_DATA | A_32 | A_DPL(3)) & ~AR_WRITABLE);
    put_desc(g, ABSENT, 0, 0xfffff, (A_DATA | A_32 | A_DPL(3)) & ~AR_P);
    put_desc(g, EXPAND_DOWN, AT_DATA, 0xfff, A_DATA | AR_EXPAND_DOWN | AR_DB | A_DPL(3));
    put_gate(g, AT_GDT + CALL_GATE32, CODE32_0, AT_HANDLERS32, AR_P | SYS_CALL_GATE32 | A_DPL(3),
             3);
    put_gate(g, AT_GDT + CALL_GATE16, CODE16_0, 0x100, AR_P | SYS_CALL_GATE16 | A_DPL(3), 31);
    put_gate(g, AT_GDT + TASK_GATE, TSS32_OTHER, 0, AR_P | SYS_TASK_GATE | A_DPL(3), 0);
    put_gate(g, AT_GDT + CALL_GATE64, CODE64_0, AT_HANDLERS64, AR_P | SYS_CALL_GATE32 | A_DPL(3),
             0);
    put_desc(g, SMALL_DATA, AT_DATA, 0x1f, A_DATA | AR_DB | A_DPL(3));
    put_desc(g, CODE32_1, 0, 0xfffff, A_CODE | A_32 | A_DPL(1));
    put_desc(g, DATA_1, 0, 0xfffff, A_DATA | A_32 | A_DPL(1));
    put(g, AT_LDT + 8, 0x00cffa000000ffff, 8); /* flat code and data of level 3 */
    put(g, AT_LDT + 16, 0x00cff2000000ffff, 8);
}

static void put_bytes(struct guest *g, gpa_t *at, const void *bytes, size_t len)
{
    BUG_ON(mem_write(g->vm.mem, *at, bytes, len) != 0);
    *at += len;
}

#define BYTES(g, at, s) put_bytes(g, at, s, sizeof(s) - 1)

/* Error codes are dropped, and the return is to the byte after, so that a fault does not come
   again. #BP and some others halt. */
static void put_handler(struct guest *g, unsigned v)
{
    const u32 with_error = 0x227d00; /* 8, 10-14, 17, 21 */
    gpa_t at16 = AT_HANDLERS16 + v * 16, at32 = AT_HANDLERS32 + v * 16;
    gpa_t at64 = AT_HANDLERS64 + v * 16;

    put(g, v * 4, at16, 4);
    if (v == VEC_BP || v % 32 == 31) {
        BYTES(g, &at16, "\xf4");
        BYTES(g, &at32, "\xf4");
        BYTES(g, &at64, "\xf4");
    }
    if (v < 32 && (with_error >> v & 1)) {
        BYTES(g, &at32, "\x83\xc4\x04");
        BYTES(g, &at64, "\x48\x83\xc4\x08");
    }
    BYTES(g, &at16, "\x55\x89\xe5\xff\x46\x02\x5d\xcf"); /* … inc word [bp+2] … */
    BYTES(g, &at32, "\xff\x04\x24\xcf");                 /* inc dword [esp]; iretd */
    BYTES(g, &at64, "\x48\xff\x04\x24\x48\xcf");
}

static void put_idts(struct guest *g)
{
    for (unsigned v = 0; v < 256; v++) {
        u32 ar = AR_P | A_DPL(v % 5 ? 3 : 0) | (v % 8 == 5 ? SYS_TRAP_GATE32 : SYS_INT_GATE32);
        gpa_t at32 = AT_IDT32 + v * 8, at64 = AT_IDT64 + v * 16;

        if (v % 64 == 50)
            ar &= ~AR_P;
        put_gate(g, at64, v % 32 == 21 ? CODE32_0 : CODE64_0, AT_HANDLERS64 + v * 16, ar,
                 v % 16 == 2   ? 1
                 : v == VEC_DF ? 2
                               : 0);
        if (v % 32 == 22)
            put_gate(g, at32, TSS32_OTHER, 0, AR_P | SYS_TASK_GATE | A_DPL(3), 0);
        else if (v % 32 == 23)
            put_gate(g, at32, CODE16_0, 0x100, AR_P | SYS_INT_GATE16 | A_DPL(3), 0);
        else
            put_gate(g, at32, v % 32 == 24 ? CONFORMING : CODE32_0, AT_HANDLERS32 + v * 16, ar, 0);
    }
}

static void put_tss32(struct guest *g, gpa_t at, u32 eip, u32 eflags)
{
    const u16 seg[] = {DATA_0, CODE32_0, DATA_0, DATA_0, 0, DATA_3};

    put(g, at, TSS32, 2);
    put(g, at + 4, AT_STACK_TSS, 4);
    put(g, at + 8, DATA_0, 2);
    put(g, at + 12, AT_STACK_TSS - 0x1000, 4);
    put(g, at + 16, DATA_1, 2);
    put(g, at + 0x1c, AT_PD, 4);
    put(g, at + 0x20, eip, 4);
    put(g, at + 0x24, eflags, 4);
    put(g, at + 0x38, AT_STACK_TSS - 0x2000, 4);
    for (unsigned n = 0; n < ARRAY_SIZE(seg); n++)
        put(g, at + 0x48 + n * 4, seg[n], 2);
    put(g, at + 0x60, LDT, 2);
    put(g, at + 0x66, 0x88, 2);
}

static void put_tsss(struct guest *g)
{
    put_tss32(g, AT_TSS32, AT_CODE0, 2);
    put_tss32(g, AT_TSS32_OTHER, AT_HANDLERS32, 2);
    for (unsigned n = 0; n < 0x100; n++) /* interrupt redirection and I/O maps: half and half */
        put(g, AT_TSS32 + 0x68 + n, n % 32 < 8 ? 0 : n % 2 ? 0xff : 0x55, 1);
    put(g, AT_TSS16 + 2, 0xff00, 2);
    put(g, AT_TSS16 + 4, DATA16_0, 2);
    put(g, AT_TSS16 + 0x0e, 0x100, 2);
    put(g, AT_TSS16 + 0x22 + 2, CODE16_0, 2);
    put(g, AT_TSS16 + 0x22 + 4, DATA16_0, 2);
    for (unsigned n = 0; n < 3; n++)
        put(g, AT_TSS64 + 4 + n * 8, AT_STACK_TSS - n * 0x1000, 8);
    put(g, AT_TSS64 + 0x24, AT_STACK_TSS - 0x3000, 8);
    put(g, AT_TSS64 + 0x2c, 0x100008, 8); /* IST 2 is no good */
    put(g, AT_TSS64 + 0x66, 0x68, 2);
}

/* The entry of page n, as far as the format of 4 bytes can say it. */
static u64 pte_of(unsigned n, bool wide)
{
    const u64 all = PTE_P | PTE_W | PTE_U | PTE_A | PTE_D, page = (u64)n << PAGE_SHIFT;

    switch (n) {
    case 0x100:
        return page;
    case 0x101:
        return page | PTE_P | PTE_U | PTE_A;
    case 0x102:
        return page | PTE_P | PTE_W | PTE_A | PTE_D;
    case 0x103:
        return page | all | (wide ? PTE_NX : 0);
    case 0x104:
        return DEVICE_MMIO | all;
    case 0x105:
        return LAPIC_MMIO | all;
    case 0x106:
        return page | all | (wide ? BIT64(51) : 0);
    case 0x107:
        return 0x20000000 | all;
    case 0x108:
        return page | PTE_P | PTE_W | PTE_U;
    case 0x109:
        return page | all | PTE_G;
    case 0x10a:
        return page | PTE_P | PTE_U;
    case 0x10b:
        return page | PTE_P;
    default:
        return page | (n < 0x20 || n >= 0x300 ? all & ~PTE_U : all);
    }
}

static void put_page_tables(struct guest *g)
{
    const u64 all = PTE_P | PTE_W | PTE_U;

    for (unsigned n = 0; n < RAM / PAGE_SIZE; n++) {
        put(g, AT_PT + n * 4, pte_of(n, false), 4);
        put(g, AT_PAE_PT + n * 8, pte_of(n, true), 8);
    }
    put(g, AT_PD, AT_PT | all, 4);
    put(g, AT_PD + 4, all | PTE_PS | PTE_G, 4);
    put(g, AT_PD + 8, all | PTE_PS | BIT(13), 4);
    put(g, AT_PD + 12, all | PTE_PS | BIT(21), 4);
    put(g, AT_PD + 0x300 * 4, (AT_PT | all) & ~PTE_U, 4);
    put(g, AT_PAE_PDPT, AT_PAE_PD | PTE_P, 8);
    put(g, AT_PAE_PDPT + 24, AT_PAE_PD | PTE_P, 8);
    put(g, AT_PAE_PD, AT_PAE_PT | all, 8);
    put(g, AT_PAE_PD + 8, (AT_PAE_PT + PAGE_SIZE) | all, 8);
    put(g, AT_PAE_PD + 16, all | PTE_PS | PTE_G, 8);
    put(g, AT_PAE_PD + 24, all | PTE_PS | BIT(13), 8);
    put(g, AT_PAE_PD + 32, 0x200000 | PTE_P | PTE_PS | PTE_NX, 8);
    put(g, AT_PDPT, AT_PAE_PD | all, 8);
    put(g, AT_PDPT + 8, all | PTE_PS, 8);
    put(g, AT_PDPT + 510 * 8, AT_PAE_PD | all, 8);
    put(g, AT_PDPT + 511 * 8, AT_PAE_PD | all, 8);
    put(g, AT_PML4, AT_PDPT | all, 8);
    put(g, AT_PML4 + 256 * 8, AT_PDPT | PTE_P | PTE_W, 8);
    put(g, AT_PML4 + 511 * 8, AT_PDPT | all, 8);
    put(g, AT_PML5, AT_PML4 | all, 8);
    put(g, AT_PML5 + 511 * 8, AT_PML4 | all, 8);
}

/* A register file; half of it also counts how often it was read. */
static u64 device_read(void *dev, u64 off, unsigned size)
{
    struct device *d = dev;
    u64 val = 0;

    if (off & 0x80)
        return ++d->reads & size_mask(size);
    memcpy(&val, d->reg + (off & 0x78), size);
    return val;
}

static void device_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct device *d = dev;

    memcpy(d->reg + (off & 0x78), &val, size);
}

static const struct bus_ops device_ops = {
    .read = device_read, .write = device_write, .max_size = 4};

static void on_intr(void *cpu)
{
    vcpu_request(cpu, REQ_INTR);
}

static void on_nmi(void *cpu)
{
    vcpu_request(cpu, REQ_NMI);
}

static void on_init(void *cpu)
{
    vcpu_request(cpu, REQ_INIT);
}

static void on_sipi(void *cpu, u8 vector)
{
    atomic_store(&((struct vcpu *)cpu)->sipi_vector, vector);
    vcpu_request(cpu, REQ_SIPI);
}

static void guard_ram(struct mem *mem)
{
    u8 *room = mmap(NULL, RAM + 2 * RAM_GAP, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                    -1, 0);
    u8 *ram;

    BUG_ON(room == MAP_FAILED);
    ram = mmap(room + RAM_GAP, RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, mem->fd, 0);
    BUG_ON(ram == MAP_FAILED);
    munmap(mem->ram, RAM);
    mem->ram = ram;
}

static void guest_build(struct guest *g, const struct engine_ops *engine)
{
    static const struct lapic_ops ops = {on_intr, on_nmi, on_intr, on_init, on_sipi};
    static const gpa_t code[] = {AT_CODE, AT_CODE0, AT_CODE16, AT_CODE16 + 0xf000, AT_ODD};
    pthread_mutexattr_t attr;
    struct err err;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&g->vm.lock, &attr);
    pthread_mutex_init(&g->vm.exclusive_lock, NULL);
    pthread_cond_init(&g->vm.exclusive_cond, NULL);
    bus_init(&g->vm.pio, "pio", &g->vm.lock);
    bus_init(&g->vm.mmio, "mmio", &g->vm.lock);
    g->vm.engine = engine;
    g->vm.ncpus = 1;
    BUG_ON(cpu_model_parse(&g->vm.model, "max", &err) != 0);
    BUG_ON(mem_new(&g->vm.mem, RAM, &g->vm.mmio, &err) != 0);
    BUG_ON(clock_new_manual(&g->vm.clock) || lapic_bus_new(&g->lapics) ||
           vcpu_new(&g->c, &g->vm, 0) ||
           lapic_new(&g->c->lapic, g->lapics, g->vm.clock, 0, true, &ops, g->c));
    BUG_ON(engine->vcpu_attach(g->c, &err) != 0);
    BUG_ON(bus_claim(&g->vm.pio, 0, 0x3ff, &device_ops, &g->pio, "ports") ||
           bus_claim(&g->vm.mmio, DEVICE_MMIO, DEVICE_MMIO + 0xfff, &device_ops, &g->mmio, "mmio"));
    put_gdt(g);
    for (unsigned v = 0; v < 256; v++)
        put_handler(g, v);
    put_idts(g);
    put_tsss(g);
    put_page_tables(g);
    for (unsigned n = 0; n < ARRAY_SIZE(code); n++) /* past the end of an input's code: INT3 */
        BUG_ON(mem_fill(g->vm.mem, code[n], 0xcc, 2 * PAGE_SIZE) != 0);
    guard_ram(g->vm.mem);
}

/* Everything that an input can have changed, but the registers. */
static void guest_reset(struct guest *g)
{
    struct mem *mem = g->vm.mem;

    madvise(mem->ram, RAM, MADV_DONTNEED);
    for (unsigned n = 0; n < RAM / PAGE_SIZE; n++) {
        if (!mem->pages[n].has_code)
            continue;
        mem_code_changed(mem, n);
        mem->pages[n].has_code = 0;
    }
    memset(&g->pio, 0, sizeof(g->pio));
    memset(&g->mmio, 0, sizeof(g->mmio));
    g->vm.a20_mask = ~(u64)0;
    g->vm.power_on = clock_now(g->vm.clock);
    g->c->req = 0;
    g->c->nmi_blocked = false;
    lapic_reset(g->c->lapic, false);
    vcpu_reset(g->c, false);
}
