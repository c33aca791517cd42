/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/access.h"

#include "cpu/exclusive.h"
#include "cpu/excp.h"
#include "cpu/fill.h"
#include "cpu/lockstep.h"
#include "cpu/system.h"
#include "dev/lapic.h"

#include <string.h>

unsigned mmu_for_cpl(const struct vcpu *c, unsigned cpl)
{
    if (cpl == 3)
        return (c->cr0 & CR0_AM) && (c->eflags & EFLAGS_AC) ? MMU_USER_AC : MMU_USER;
    return (c->cr4 & CR4_SMAP) && !(c->eflags & EFLAGS_AC) ? MMU_SUPER_SMAP : MMU_SUPER;
}

static u64 device_read(struct vcpu *c, gpa_t gpa, unsigned size)
{
    if (unlikely(c->trial != NULL))
        trial_give_up(c->trial);
    if (is_lapic_page(c, gpa))
        return lapic_mmio_read(c->lapic, gpa & (PAGE_SIZE - 1), size);
    return bus_read(&c->vm->mmio, gpa, size);
}

static void device_write(struct vcpu *c, gpa_t gpa, unsigned size, u64 val)
{
    if (unlikely(c->trial != NULL))
        trial_give_up(c->trial);
    if (is_lapic_page(c, gpa)) {
        lapic_mmio_write(c->lapic, gpa & (PAGE_SIZE - 1), size, (u32)val);
        c->look = c->leave = true; /* an EOI or TPR write may unmask an interrupt */
    } else {
        bus_write(&c->vm->mmio, gpa, size, val);
    }
}

static void check_alignment(struct vcpu *c, gva_t va, unsigned size, unsigned how)
{
    if ((how & MMU_INDEX_MASK) == MMU_USER_AC && size <= 8 && (va & (size - 1)))
        cpu_raise_err(c, VEC_AC, 0);
}

/* A part of an access that lies in one page. */
static no_tsan u64 read_place(struct vcpu *c, const struct place *p, unsigned size)
{
    u64 val = 0;

    if (!p->host)
        return device_read(c, p->gpa, size);
    switch (size) {
    case 1:
        return host_ld8(p->host);
    case 2:
        return host_ld16(p->host);
    case 4:
        return host_ld32(p->host);
    case 8:
        return host_ld64(p->host);
    default:
        for (unsigned n = 0; n < size; n++)
            val |= (u64)host_ld8(p->host + n) << (8 * n);
        return val;
    }
}

static void note_write(struct vcpu *c, u8 *host, u64 page, unsigned size)
{
    if (atomic_load(&c->vm->mem->pages[page].has_code))
        trial_give_up(c->trial);
    trial_note(c->trial, host, size);
}

static no_tsan void write_place(struct vcpu *c, const struct place *p, unsigned size, u64 val)
{
    if (!p->host) {
        device_write(c, p->gpa, size, val);
        return;
    }
    if (unlikely(c->trial != NULL))
        note_write(c, p->host, p->page, size);
    switch (size) {
    case 1:
        host_st8(p->host, (u8)val);
        break;
    case 2:
        host_st16(p->host, (u16)val);
        break;
    case 4:
        host_st32(p->host, (u32)val);
        break;
    case 8:
        host_st64(p->host, val);
        break;
    default:
        for (unsigned n = 0; n < size; n++)
            host_st8(p->host + n, (u8)(val >> (8 * n)));
    }
    if (atomic_load(&c->vm->mem->pages[p->page].has_code)) {
        mem_code_changed(c->vm->mem, p->page);
        c->leave = true;
    }
}

/* An operand that begins below the canonical hole and ends in it is refused as a whole. */
static void check_canonical_end(struct vcpu *c, gva_t va, unsigned size, unsigned how)
{
    if (c->long_mode && !is_canonical(c, va + size - 1))
        cpu_raise_err(c, how & MMU_STACK ? VEC_SS : VEC_GP, 0);
}

static unsigned bytes_to_page_end(gva_t va)
{
    return PAGE_SIZE - (unsigned)(va & (PAGE_SIZE - 1));
}

u64 lin_read_slow(struct vcpu *c, gva_t va, unsigned size, unsigned how)
{
    unsigned first = bytes_to_page_end(va);
    struct place p, q;
    u64 val;

    check_alignment(c, va, size, how);
    check_canonical_end(c, va, size, how);
    p = tlb_fill(c, va, 0, how);
    if (likely(first >= size)) {
        val = read_place(c, &p, size);
    } else {
        q = tlb_fill(c, lin_add(c, va, first), 0, how);
        val = read_place(c, &p, first) | read_place(c, &q, size - first) << (8 * first);
    }
    if (unlikely(c->dr7 & 0xff))
        dr_check_data(c, va, size, false);
    return val;
}

void lin_write_slow(struct vcpu *c, gva_t va, unsigned size, u64 val, unsigned how)
{
    unsigned first = bytes_to_page_end(va);
    struct place p, q;

    check_alignment(c, va, size, how);
    check_canonical_end(c, va, size, how);
    p = tlb_fill(c, va, PFEC_W, how);
    if (likely(first >= size)) {
        write_place(c, &p, size, val);
    } else {
        q = tlb_fill(c, lin_add(c, va, first), PFEC_W, how);
        write_place(c, &p, first, val);
        write_place(c, &q, size - first, val >> (8 * first));
    }
    if (unlikely(c->dr7 & 0xff))
        dr_check_data(c, va, size, true);
}

u64 lin_read(struct vcpu *c, gva_t va, unsigned size, unsigned how)
{
    switch (size) {
    case 1:
        return lin_ld8(c, va, how);
    case 2:
        return lin_ld16(c, va, how);
    case 4:
        return lin_ld32(c, va, how);
    default:
        return lin_ld64(c, va, how);
    }
}

void lin_write(struct vcpu *c, gva_t va, unsigned size, u64 val, unsigned how)
{
    switch (size) {
    case 1:
        lin_st8(c, va, (u8)val, how);
        break;
    case 2:
        lin_st16(c, va, (u16)val, how);
        break;
    case 4:
        lin_st32(c, va, (u32)val, how);
        break;
    default:
        lin_st64(c, va, val, how);
    }
}

/* The widest naturally aligned piece of what is left: keeps device and atomicity rules. */
static unsigned piece(gva_t va, unsigned left)
{
    unsigned n = 8;

    while (n > left || (va & (n - 1)))
        n /= 2;
    return n;
}

/* Bytes are not subject to alignment checks: the caller has made those of its operand. */
static unsigned without_ac(unsigned how)
{
    return (how & MMU_INDEX_MASK) == MMU_USER_AC ? (how & ~(unsigned)MMU_INDEX_MASK) | MMU_USER
                                                 : how;
}

void lin_read_bytes(struct vcpu *c, gva_t va, void *to, unsigned len, unsigned how)
{
    const u8 *p = lin_ptr_read(c, va, len, how & MMU_INDEX_MASK);
    u8 *out = to;

    if (likely(p != NULL)) {
        host_copy(to, p, len);
        return;
    }
    how = without_ac(how);
    lin_probe_read(c, va, len, how);
    while (len) {
        unsigned n = piece(va, len);
        u64 val = lin_read(c, va, n, how);
        memcpy(out, &val, n);
        out += n;
        va = lin_add(c, va, n);
        len -= n;
    }
}

void lin_write_bytes(struct vcpu *c, gva_t va, const void *from, unsigned len, unsigned how)
{
    u8 *p = lin_ptr_write(c, va, len, how & MMU_INDEX_MASK);
    const u8 *in = from;

    if (likely(p != NULL)) {
        host_copy(p, from, len);
        return;
    }
    how = without_ac(how);
    lin_probe_write(c, va, len, how);
    while (len) {
        unsigned n = piece(va, len);
        u64 val = 0;
        memcpy(&val, in, n);
        lin_write(c, va, n, val, how);
        in += n;
        va = lin_add(c, va, n);
        len -= n;
    }
}

static void probe(struct vcpu *c, gva_t va, unsigned len, u32 access, unsigned how)
{
    unsigned first = bytes_to_page_end(va);

    check_alignment(c, va, len, how);
    check_canonical_end(c, va, len, how);
    (void)tlb_fill(c, va, access, how);
    if (first < len)
        (void)tlb_fill(c, lin_add(c, va, first), access, how);
}

void lin_probe_write(struct vcpu *c, gva_t va, unsigned len, unsigned how)
{
    if (!lin_ptr_write(c, va, len, how & MMU_INDEX_MASK))
        probe(c, va, len, PFEC_W, how);
}

void lin_probe_read(struct vcpu *c, gva_t va, unsigned len, unsigned how)
{
    if (!lin_ptr_read(c, va, len, how & MMU_INDEX_MASK))
        probe(c, va, len, 0, how);
}

/* LOCK CMPXCHG of the host: atomic at any alignment, whatever the host's C library makes of it. */
#define HOST_CMPXCHG(type, suffix, reg)                                                            \
    static no_tsan bool host_cmpxchg_##suffix(u8 *p, u64 *old, u64 new)                            \
    {                                                                                              \
        type expect = (type)*old;                                                                  \
        bool ok;                                                                                   \
        __asm__ volatile("lock cmpxchg %[new], %[mem]"                                             \
                         : "=@ccz"(ok), "+a"(expect), [mem] "+m"(*(host_##type *)p)                \
                         : [new] reg((type) new)                                                   \
                         : "memory");                                                              \
        *old = expect;                                                                             \
        return ok;                                                                                 \
    }
HOST_CMPXCHG(u8, 1, "q")
HOST_CMPXCHG(u16, 2, "r")
HOST_CMPXCHG(u32, 4, "r")
HOST_CMPXCHG(u64, 8, "r")
#undef HOST_CMPXCHG

static bool host_cmpxchg(u8 *p, unsigned size, u64 *old, u64 new)
{
    switch (size) {
    case 1:
        return host_cmpxchg_1(p, old, new);
    case 2:
        return host_cmpxchg_2(p, old, new);
    case 4:
        return host_cmpxchg_4(p, old, new);
    default:
        return host_cmpxchg_8(p, old, new);
    }
}

bool lin_needs_exclusive(struct vcpu *c, gva_t va, unsigned size, unsigned how)
{
    if (likely(lin_ptr_write(c, va, size, how & MMU_INDEX_MASK) != NULL))
        return false;
    lin_probe_write(c, va, size, how);
    return bytes_to_page_end(va) < size || !tlb_fill(c, va, PFEC_W, how).host;
}

/* Without a host instruction that does it: alone in the world. */
static bool cmpxchg_exclusive(struct vcpu *c, gva_t va, unsigned size, u64 *old, u64 new,
                              unsigned how)
{
    u64 now;
    bool ok;

    lin_probe_write(c, va, size, how);
    exclusive_begin(c);
    now = lin_read(c, va, size, how);
    ok = now == (*old & size_mask(size));
    if (ok)
        lin_write(c, va, size, new, how);
    exclusive_end(c);
    *old = now;
    return ok;
}

bool lin_cmpxchg(struct vcpu *c, gva_t va, unsigned size, u64 *old, u64 new, unsigned how)
{
    u8 *host = lin_ptr_write(c, va, size, how & MMU_INDEX_MASK);
    struct place p;
    bool ok;

    if (likely(host != NULL))
        return host_cmpxchg(host, size, old, new);
    if (bytes_to_page_end(va) < size)
        return cmpxchg_exclusive(c, va, size, old, new, how);
    check_alignment(c, va, size, how);
    p = tlb_fill(c, va, PFEC_W, how);
    if (!p.host)
        return cmpxchg_exclusive(c, va, size, old, new, how);
    if (unlikely(c->trial != NULL))
        note_write(c, p.host, p.page, size);
    ok = host_cmpxchg(p.host, size, old, new);
    mem_page_written(c->vm->mem, p.page);
    c->leave = true;
    if (unlikely(c->dr7 & 0xff))
        dr_check_data(c, va, size, true);
    return ok;
}

/* A 16-byte aligned operand never crosses a page. */
no_tsan bool lin_cmpxchg16(struct vcpu *c, gva_t va, u64 old[2], const u64 new[2], unsigned how)
{
    struct place p = tlb_fill(c, va, PFEC_W, how);
    bool ok;

    if (!p.host) { /* a device: two plain accesses, alone */
        u64 now[2];
        exclusive_begin(c);
        now[0] = device_read(c, p.gpa, 8);
        now[1] = device_read(c, p.gpa + 8, 8);
        ok = now[0] == old[0] && now[1] == old[1];
        if (ok) {
            device_write(c, p.gpa, 8, new[0]);
            device_write(c, p.gpa + 8, 8, new[1]);
        }
        exclusive_end(c);
        memcpy(old, now, sizeof(now));
        return ok;
    }
    if (unlikely(c->trial != NULL))
        note_write(c, p.host, p.page, 16);
    __asm__ volatile("lock cmpxchg16b %[mem]"
                     : "=@ccz"(ok), "+a"(old[0]),
                       "+d"(old[1]), [mem] "+m"(*(unsigned __int128 *)(void *)p.host)
                     : "b"(new[0]), "c"(new[1])
                     : "memory");
    mem_page_written(c->vm->mem, p.page);
    c->leave = true;
    if (unlikely(c->dr7 & 0xff))
        dr_check_data(c, va, 16, true);
    return ok;
}
