/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest memory by linear address, as instructions see it. All of these raise the architectural
 * fault (cpu/excp.h: they do not return then) and nothing has been written when they do.
 * A write that crosses a page is checked on both pages before the first byte changes.
 *
 * `how` is an enum mmu_index, possibly with MMU_STACK. Own thread only.
 */
#pragma once
#include "base/base.h"
#include "cpu/vcpu.h"

#define no_tsan __attribute__((no_sanitize("thread")))

/* Whose rights apply to accesses the CPU makes by itself to GDT, LDT, IDT, TSS. */
static inline unsigned mmu_system(const struct vcpu *c)
{
    return c->cr4 & CR4_SMAP ? MMU_SUPER_SMAP : MMU_SUPER;
}

/* The row of the TLB for instruction fetch: SMAP and alignment do not count, but supervisor code
   and data share pages. */
static inline unsigned mmu_fetch(const struct vcpu *c)
{
    return c->mmu == MMU_USER_AC ? MMU_USER : c->mmu;
}

/* The rights of data accesses made at privilege level cpl (stack switches, before CPL changes). */
unsigned mmu_for_cpl(const struct vcpu *c, unsigned cpl);

/* The address `n` bytes on: the linear addresses of code that is not 64-bit wrap at 4 GiB. (In
   compatibility mode the CPU itself uses higher ones.) */
static inline gva_t lin_add(const struct vcpu *c, gva_t va, u64 n)
{
    return c->mode != MODE_64 && !(va >> 32) ? (u32)(va + n) : va + n;
}

u64 lin_read_slow(struct vcpu *c, gva_t va, unsigned size, unsigned how);
void lin_write_slow(struct vcpu *c, gva_t va, unsigned size, u64 val, unsigned how);

/* Host pointer for a plain access of `size` bytes inside one page, or NULL: use the slow path. */
static inline u8 *lin_ptr_read(struct vcpu *c, gva_t va, unsigned size, unsigned mmu)
{
    const struct tlb_entry *e = &c->tlb.row[mmu][tlb_slot(va)];
    u64 off = va - e->rtag;

    if (likely(off <= PAGE_SIZE - size))
        return (u8 *)(uintptr_t)(e->page + off);
    return NULL;
}

static inline u8 *lin_ptr_write(struct vcpu *c, gva_t va, unsigned size, unsigned mmu)
{
    const struct tlb_entry *e = &c->tlb.row[mmu][tlb_slot(va)];
    u64 off = va - e->wtag;

    if (likely(off <= PAGE_SIZE - size))
        return (u8 *)(uintptr_t)(e->page + off);
    return NULL;
}

/* Single loads and stores of the host, at any alignment: atomic where x86 says so. */
#define DEFINE_HOST_ACCESS(bits_)                                                                  \
    typedef u##bits_ host_u##bits_ __attribute__((aligned(1), may_alias));                         \
    static inline no_tsan u##bits_ host_ld##bits_(const u8 *p)                                     \
    {                                                                                              \
        return *(const volatile host_u##bits_ *)p;                                                 \
    }                                                                                              \
    static inline no_tsan void host_st##bits_(u8 *p, u##bits_ v)                                   \
    {                                                                                              \
        *(volatile host_u##bits_ *)p = v;                                                          \
    }                                                                                              \
    static inline u##bits_ lin_ld##bits_(struct vcpu *c, gva_t va, unsigned how)                   \
    {                                                                                              \
        const u8 *p = lin_ptr_read(c, va, bits_ / 8, how & MMU_INDEX_MASK);                        \
        if (likely(p != NULL))                                                                     \
            return host_ld##bits_(p);                                                              \
        return (u##bits_)lin_read_slow(c, va, bits_ / 8, how);                                     \
    }                                                                                              \
    static inline void lin_st##bits_(struct vcpu *c, gva_t va, u##bits_ v, unsigned how)           \
    {                                                                                              \
        u8 *p = lin_ptr_write(c, va, bits_ / 8, how & MMU_INDEX_MASK);                             \
        if (likely(p != NULL))                                                                     \
            host_st##bits_(p, v);                                                                  \
        else                                                                                       \
            lin_write_slow(c, va, bits_ / 8, v, how);                                              \
    }
DEFINE_HOST_ACCESS(8)
DEFINE_HOST_ACCESS(16)
DEFINE_HOST_ACCESS(32)
DEFINE_HOST_ACCESS(64)
#undef DEFINE_HOST_ACCESS

/* memcpy to or from guest RAM, which TSan would look at. */
static inline no_tsan void host_copy(u8 *to, const u8 *from, unsigned len)
{
    for (; len >= 8; len -= 8, to += 8, from += 8)
        host_st64(to, host_ld64(from));
    for (; len; len--, to++, from++)
        host_st8(to, host_ld8(from));
}

/* The same with the size, 1, 2, 4 or 8, as an argument. */
u64 lin_read(struct vcpu *c, gva_t va, unsigned size, unsigned how);
void lin_write(struct vcpu *c, gva_t va, unsigned size, u64 val, unsigned how);

/* Any length up to a page (vector operands, FXSAVE images, descriptors), not atomic as a whole. */
void lin_read_bytes(struct vcpu *c, gva_t va, void *to, unsigned len, unsigned how);
void lin_write_bytes(struct vcpu *c, gva_t va, const void *from, unsigned len, unsigned how);

/* Raises what a write (read) of these bytes would, sets accessed and dirty bits, changes nothing
   else. For instructions that must fault before they change anything. len up to a page. */
void lin_probe_write(struct vcpu *c, gva_t va, unsigned len, unsigned how);
void lin_probe_read(struct vcpu *c, gva_t va, unsigned len, unsigned how);

/*
 * Locked compare-and-exchange, size 1, 2, 4 or 8: if memory equals *old, stores new and returns
 * true; else loads *old. Needs write permission either way. Atomic also across a page or cache
 * line, and against other CPUs' plain accesses there.
 */
must_check bool lin_cmpxchg(struct vcpu *c, gva_t va, unsigned size, u64 *old, u64 new,
                            unsigned how);
/* Whether locked instructions must use these bytes between exclusive_begin and exclusive_end, since
   they cross a page or belong to a device, which may answer each read with something else. Raises
   what a write would. */
must_check bool lin_needs_exclusive(struct vcpu *c, gva_t va, unsigned size, unsigned how);
/* 16 bytes; va is 16-byte aligned (checked by the caller). */
must_check bool lin_cmpxchg16(struct vcpu *c, gva_t va, u64 old[2], const u64 new[2], unsigned how);

/* For bases that are loaded into registers and MSRs: by the widest mode that the CPU has, whatever
   CR4.LA57 says (SDM 3A 3.3.7.1). */
static inline bool is_canonical_base(const struct vcpu *c, u64 va)
{
    unsigned shift = vcpu_has(c, X86_LA57) ? 7 : 16;
    return (u64)((s64)(va << shift) >> shift) == va;
}

static inline bool is_canonical(const struct vcpu *c, u64 va)
{
    unsigned shift = c->cr4 & CR4_LA57 ? 7 : 16;
    return (u64)((s64)(va << shift) >> shift) == va;
}
