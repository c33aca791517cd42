/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For the tests of cpu/simd: a CPU with all features of the host, 4 MiB of memory mapped to itself
 * (the last 2 MiB in small pages, one absent and one read-only), and one instruction at a time.
 */
#pragma once
#include "../test.h"
#include "base/le.h"
#include "cpu/access.h"
#include "cpu/excp.h"
#include "cpu/interp/decode.h"
#include "cpu/simd/simd.h"
#include "dev/lapic.h"

#include <cpuid.h>

enum {
    AT_PML4 = 0x10000,
    AT_PDPT = 0x11000,
    AT_PD = 0x12000,
    AT_PT = 0x13000,
    AT_DATA = 0x100000,
    AT_ABSENT = 0x201000,
    AT_READ_ONLY = 0x203000,
    RAM = 4 << 20,
};

struct env {
    struct vm vm;
    struct vcpu *c;
    struct simd *simd;
    struct decoder dec;
    struct lapic_bus *lbus;
    unsigned mode; /* MODE_64 or MODE_32 */
    unsigned ferr; /* how often FERR# rose */
    bool ferr_level;
};

static inline void env_set_model(struct cpu_model *m)
{
    unsigned a, b, c, d;

    __cpuid(0, a, b, c, d);
    memcpy(m->vendor, (const u32[]){b, d, c}, 12);
    __cpuid(1, a, b, c, d);
    m->word[CPUID_1_EDX] = d;
    m->word[CPUID_1_ECX] = c;
    __cpuid_count(7, 0, a, b, c, d);
    m->word[CPUID_7_EBX] = b;
    m->word[CPUID_7_ECX] = c;
    __cpuid_count(13, 1, a, b, c, d);
    m->word[CPUID_D1_EAX] = a;
    __cpuid(0x80000001, a, b, c, d);
    m->word[CPUID_8000_0001_EDX] = d;
    m->word[CPUID_8000_0001_ECX] = c;
    m->phys_bits = 40;
    m->virt_bits = 48;
}

static inline void env_cpu_request(void *cpu)
{
}

static inline void env_cpu_sipi(void *cpu, u8 vector)
{
}

static inline void env_ferr(void *opaque, unsigned n, bool level)
{
    struct env *e = opaque;

    e->ferr += level && !e->ferr_level;
    e->ferr_level = level;
}

static inline void env_map(struct env *e)
{
    u8 *ram = e->vm.mem->ram;
    u64 rights = PTE_P | PTE_W | PTE_U;

    put_le64(ram + AT_PML4, AT_PDPT | rights);
    put_le64(ram + AT_PDPT, AT_PD | rights);
    put_le64(ram + AT_PD, 0 | rights | PTE_PS);
    put_le64(ram + AT_PD + 8, AT_PT | rights);
    for (u64 n = 0; n < 512; n++)
        put_le64(ram + AT_PT + 8 * n, (0x200000 + n * PAGE_SIZE) | rights);
    put_le64(ram + AT_PT + 8 * (AT_ABSENT >> 12 & 511), 0);
    put_le64(ram + AT_PT + 8 * (AT_READ_ONLY >> 12 & 511), AT_READ_ONLY | PTE_P | PTE_U);
}

/* 64-bit or (compatibility) 32-bit code at CPL 0, everything enabled. */
static inline void env_mode(struct env *e, unsigned mode)
{
    struct vcpu *c = e->c;
    u16 flat = AR_P | AR_S | AR_G | AR_DB | AR_WRITABLE | AR_ACCESSED;

    for (unsigned n = 0; n < 6; n++)
        c->seg[n] = (struct seg){0x10, flat, UINT32_MAX, 0};
    c->seg[SEG_CS] = (struct seg){
        0x8, (u16)(AR_P | AR_S | AR_G | AR_CODE | 2 | (mode == MODE_64 ? AR_L : AR_DB)), UINT32_MAX,
        0};
    c->cr0 = CR0_PE | CR0_PG | CR0_WP | CR0_NE | CR0_MP;
    c->cr3 = AT_PML4;
    c->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;
    c->xcr0 = XCR0_X87 | XCR0_SSE | XCR0_AVX;
    c->efer = EFER_LME | EFER_LMA;
    e->mode = mode;
    vcpu_update_mode(c);
    tlb_flush_all(c);
}

static inline struct env *env_new(void)
{
    static const struct lapic_ops ops = {env_cpu_request, env_cpu_request, env_cpu_request,
                                         env_cpu_request, env_cpu_sipi};
    struct env *e = calloc(1, sizeof(*e));
    struct err err = {.text = ""};

    if (!e)
        abort();
    pthread_mutex_init(&e->vm.lock, NULL);
    bus_init(&e->vm.mmio, "mmio", &e->vm.lock);
    atomic_store(&e->vm.a20_mask, ~(u64)0);
    env_set_model(&e->vm.model);
    if (clock_new_manual(&e->vm.clock) || mem_new(&e->vm.mem, RAM, &e->vm.mmio, &err) ||
        vcpu_new(&e->c, &e->vm, 0) || simd_new(&e->simd, &err) || lapic_bus_new(&e->lbus) ||
        lapic_new(&e->c->lapic, e->lbus, e->vm.clock, 0, true, &ops, e->c)) {
        fprintf(stderr, "cannot build a CPU: %s\n", err.text);
        abort();
    }
    vcpu_reset(e->c, false);
    decoder_init(&e->dec, e->simd);
    env_map(e);
    env_mode(e, MODE_64);
    e->c->fpu.fcw = 0x37f;
    return e;
}

static inline void env_free(struct env *e)
{
    lapic_free(e->c->lapic);
    lapic_bus_free(e->lbus);
    simd_free(e->simd);
    vcpu_free(e->c);
    mem_free(e->vm.mem);
    clock_free(e->vm.clock);
    bus_dispose(&e->vm.mmio);
    pthread_mutex_destroy(&e->vm.lock);
    free(e);
}

#define NO_FAULT 0x100u

/* Executes one instruction, decoded anew. Returns the vector raised, or NO_FAULT. */
static inline unsigned env_exec(struct env *e, const void *bytes, unsigned len)
{
    struct vcpu *c = e->c;
    unsigned volatile vector = NO_FAULT;
    struct insn insn;
    jmp_buf here;

    (void)!insn_decode(&e->dec, c, bytes, len, &insn);
    c->ip = 0x5000;
    c->rip = c->ip + insn.len;
    c->unwind = &here;
    if (setjmp(here) == 0)
        insn.fn(c, &insn);
    else
        vector = c->excp.vector;
    c->unwind = NULL;
    return vector;
}

#define EXEC(e, ...)                                                                               \
    env_exec(e, (const u8[]){__VA_ARGS__}, (unsigned)sizeof((const u8[]){__VA_ARGS__}))

static inline u8 *env_ram(struct env *e, u64 at)
{
    return e->vm.mem->ram + at;
}

static inline u64 env_random(u64 *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * 0x2545f4914f6cdd1dull;
}
