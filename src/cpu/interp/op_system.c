/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System instructions: privilege checks here, effects in src/cpu. */
#include "cpu/excp.h"
#include "cpu/far.h"
#include "cpu/interp/arith.h"
#include "cpu/interp/ops.h"
#include "cpu/smm.h"
#include "cpu/system.h"

#include <sched.h>

static void need_cpl0(struct vcpu *c)
{
    if (c->cpl)
        cpu_raise_gp0(c);
}

static void need_protected(struct vcpu *c)
{
    if (!is_protected(c))
        cpu_raise_ud(c);
}

static void need_umip(struct vcpu *c)
{
    if (c->cpl && (c->cr4 & CR4_UMIP))
        cpu_raise_gp0(c);
}

void op_nop(struct vcpu *c, const struct insn *i)
{
}

/* Guest memory is host memory: only a host fence orders it as the guest expects. */
void op_mfence(struct vcpu *c, const struct insn *i)
{
    atomic_thread_fence(memory_order_seq_cst);
}

void op_pause(struct vcpu *c, const struct insn *i)
{
    /* The lock holder that this CPU waits for may have no host core. */
    if (c->vm->ncpus > 1)
        sched_yield();
}

void op_ud(struct vcpu *c, const struct insn *i)
{
    cpu_raise_ud(c);
}

void op_gp(struct vcpu *c, const struct insn *i)
{
    cpu_raise_gp0(c);
}

void op_int(struct vcpu *c, const struct insn *i)
{
    cpu_software_interrupt(c, (u8)i->imm, INT_SOFT);
}

void op_int3(struct vcpu *c, const struct insn *i)
{
    cpu_software_interrupt(c, VEC_BP, INT_SOFT3);
}

void op_into(struct vcpu *c, const struct insn *i)
{
    if (flag_of(&c->lf))
        cpu_software_interrupt(c, VEC_OF, INT_SOFT3);
}

void op_int1(struct vcpu *c, const struct insn *i)
{
    cpu_software_interrupt(c, VEC_DB, INT_ICEBP);
}

void op_bound(struct vcpu *c, const struct insn *i)
{
    gva_t va = insn_linear(c, i, 2u * i->size, false);
    s64 index = (s64)sign_extend(reg_get(c, i->r, i->size), i->size);
    s64 low = (s64)sign_extend(lin_read(c, va, i->size, insn_how(c, i)), i->size);
    s64 high =
        (s64)sign_extend(lin_read(c, lin_add(c, va, i->size), i->size, insn_how(c, i)), i->size);

    if (index < low || index > high)
        cpu_raise(c, VEC_BR);
}

void op_hlt(struct vcpu *c, const struct insn *i)
{
    need_cpl0(c);
    c->activity = ACTIVITY_HLT;
    c->leave = true;
}

/* Privilege is also an #UD matter here (SDM 2B MONITOR, MWAIT). */
void op_monitor(struct vcpu *c, const struct insn *i)
{
    gva_t va;

    if (c->cpl)
        cpu_raise_ud(c);
    if ((u32)c->gpr[RCX])
        cpu_raise_gp0(c);
    va = c->mode == MODE_64 && i->seg != SEG_FS && i->seg != SEG_GS
             ? reg_get(c, RAX * 8, i->asize)
             : seg_linear(c, i->seg, reg_get(c, RAX * 8, i->asize), 1, false);
    lin_read(c, va, 1, c->mmu);
}

/* An MWAIT may end at any time; ours ends at once, after letting other threads run. */
void op_mwait(struct vcpu *c, const struct insn *i)
{
    if (c->cpl)
        cpu_raise_ud(c);
    if (c->gpr[RCX] & ~(u64)1)
        cpu_raise_gp0(c);
    sched_yield();
    c->leave = true;
}

void op_cpuid(struct vcpu *c, const struct insn *i)
{
    struct cpuid_regs r = cpu_cpuid(c, (u32)c->gpr[RAX], (u32)c->gpr[RCX]);

    c->gpr[RAX] = r.eax;
    c->gpr[RBX] = r.ebx;
    c->gpr[RCX] = r.ecx;
    c->gpr[RDX] = r.edx;
}

static void edx_eax(struct vcpu *c, u64 v)
{
    c->gpr[RAX] = (u32)v;
    c->gpr[RDX] = v >> 32;
}

static u64 get_edx_eax(struct vcpu *c)
{
    return c->gpr[RDX] << 32 | (u32)c->gpr[RAX];
}

static void need_tsc(struct vcpu *c)
{
    if (c->cpl && (c->cr4 & CR4_TSD))
        cpu_raise_gp0(c);
}

void op_rdtsc(struct vcpu *c, const struct insn *i)
{
    need_tsc(c);
    edx_eax(c, cpu_tsc(c));
}

void op_rdtscp(struct vcpu *c, const struct insn *i)
{
    need_tsc(c);
    edx_eax(c, cpu_tsc(c));
    c->gpr[RCX] = (u32)c->tsc_aux;
}

void op_rdpid(struct vcpu *c, const struct insn *i)
{
    reg_set(c, i->r, i->flags & INSN_MODE64 ? 8 : 4, (u32)c->tsc_aux);
}

/* No performance counters: every index is out of range. */
void op_rdpmc(struct vcpu *c, const struct insn *i)
{
    cpu_raise_gp0(c);
}

void op_rdmsr(struct vcpu *c, const struct insn *i)
{
    need_cpl0(c);
    edx_eax(c, cpu_rdmsr(c, (u32)c->gpr[RCX]));
}

void op_wrmsr(struct vcpu *c, const struct insn *i)
{
    need_cpl0(c);
    cpu_wrmsr(c, (u32)c->gpr[RCX], get_edx_eax(c));
    c->leave = true;
}

void op_xgetbv(struct vcpu *c, const struct insn *i)
{
    if (!(c->cr4 & CR4_OSXSAVE))
        cpu_raise_ud(c);
    edx_eax(c, cpu_xgetbv(c, (u32)c->gpr[RCX]));
}

void op_xsetbv(struct vcpu *c, const struct insn *i)
{
    if (!(c->cr4 & CR4_OSXSAVE))
        cpu_raise_ud(c);
    need_cpl0(c);
    cpu_xsetbv(c, (u32)c->gpr[RCX], get_edx_eax(c));
}

/* MOV to and from CRn, DRn: always the full register of the mode; the number is in r or m. */
static unsigned cr_size(const struct insn *i)
{
    return i->flags & INSN_MODE64 ? 8 : 4;
}

void op_mov_to_cr(struct vcpu *c, const struct insn *i)
{
    need_cpl0(c);
    cpu_write_cr(c, i->r, reg_get(c, i->m, cr_size(i)));
    c->leave = true;
}

void op_mov_from_cr(struct vcpu *c, const struct insn *i)
{
    need_cpl0(c);
    reg_set(c, i->r, cr_size(i), cpu_read_cr(c, i->m));
}

void op_mov_to_dr(struct vcpu *c, const struct insn *i)
{
    need_cpl0(c);
    cpu_write_dr(c, i->r, reg_get(c, i->m, cr_size(i)));
    c->leave = true;
}

void op_mov_from_dr(struct vcpu *c, const struct insn *i)
{
    need_cpl0(c);
    reg_set(c, i->r, cr_size(i), cpu_read_dr(c, i->m));
}

void op_clts(struct vcpu *c, const struct insn *i)
{
    need_cpl0(c);
    c->cr0 &= ~CR0_TS;
    vcpu_update_mode(c);
}

void op_smsw(struct vcpu *c, const struct insn *i)
{
    need_umip(c);
    if (i->flags & INSN_MEM)
        mem_set(c, i, 2, c->cr0);
    else
        reg_set(c, i->r, i->opsize, c->cr0);
}

void op_lmsw(struct vcpu *c, const struct insn *i)
{
    u16 v;

    need_cpl0(c);
    v = (u16)rm_get(c, i, i->r, 2);
    cpu_lmsw(c, v);
    c->leave = true;
}

void op_invlpg(struct vcpu *c, const struct insn *i)
{
    u64 off = insn_ea(c, i);

    need_cpl0(c);
    if (!(i->flags & INSN_FLAT64))
        off += c->seg[i->seg].base;
    cpu_invlpg(c, i->flags & INSN_MODE64 ? off : (u32)off);
}

void op_invpcid(struct vcpu *c, const struct insn *i)
{
    gva_t va;

    need_cpl0(c);
    va = insn_linear(c, i, 16, false);
    cpu_invpcid(c, reg_get(c, i->r, cr_size(i)), lin_read(c, va, 8, insn_how(c, i)),
                lin_read(c, lin_add(c, va, 8), 8, insn_how(c, i)));
}

/* WBINVD, INVD, WBNOINVD: caches are coherent, there is nothing to do. */
void op_wbinvd(struct vcpu *c, const struct insn *i)
{
    need_cpl0(c);
}

/* CLFLUSH, CLFLUSHOPT, CLWB: only the address is checked. */
void op_clflush(struct vcpu *c, const struct insn *i)
{
    mem_get(c, i, 1);
}

/* CLZERO: the 64-byte line that rAX points into. */
void op_clzero(struct vcpu *c, const struct insn *i)
{
    static const u8 zeros[64];
    u64 off = reg_get(c, RAX * 8, i->asize) & ~(u64)63;
    gva_t va = c->mode == MODE_64 && i->seg != SEG_FS && i->seg != SEG_GS
                   ? off
                   : seg_linear(c, i->seg, off, 64, true);

    lin_write_bytes(c, va, zeros, sizeof(zeros), insn_how(c, i));
}

/* SGDT, SIDT: 16-bit limit, base of 8 bytes in 64-bit mode, else 4 (also with 16-bit operands). */
static void store_dtr(struct vcpu *c, const struct insn *i, const struct dtr *dtr)
{
    unsigned base_size = i->flags & INSN_MODE64 ? 8 : 4;
    gva_t va;

    need_umip(c);
    va = insn_linear(c, i, 2 + base_size, true);
    lin_probe_write(c, va, 2 + base_size, insn_how(c, i));
    lin_write(c, va, 2, dtr->limit, insn_how(c, i));
    lin_write(c, lin_add(c, va, 2), base_size, dtr->base, insn_how(c, i));
}

static void load_dtr(struct vcpu *c, const struct insn *i, struct dtr *dtr)
{
    unsigned base_size = i->flags & INSN_MODE64 ? 8 : 4;
    gva_t va;
    u16 limit;
    u64 base;

    need_cpl0(c);
    va = insn_linear(c, i, 2 + base_size, false);
    limit = (u16)lin_read(c, va, 2, insn_how(c, i));
    base = lin_read(c, lin_add(c, va, 2), base_size, insn_how(c, i));
    if (i->opsize == 2 && base_size == 4)
        base &= 0xffffff;
    if (base_size == 8 && !is_canonical_base(c, base))
        cpu_raise_gp0(c);
    *dtr = (struct dtr){.base = base, .limit = limit};
}

void op_sgdt(struct vcpu *c, const struct insn *i)
{
    store_dtr(c, i, &c->gdtr);
}

void op_sidt(struct vcpu *c, const struct insn *i)
{
    store_dtr(c, i, &c->idtr);
}

void op_lgdt(struct vcpu *c, const struct insn *i)
{
    load_dtr(c, i, &c->gdtr);
}

void op_lidt(struct vcpu *c, const struct insn *i)
{
    load_dtr(c, i, &c->idtr);
}

static void store_selector(struct vcpu *c, const struct insn *i, u16 sel)
{
    need_protected(c);
    need_umip(c);
    if (i->flags & INSN_MEM)
        mem_set(c, i, 2, sel);
    else
        reg_set(c, i->r, i->opsize, sel);
}

void op_sldt(struct vcpu *c, const struct insn *i)
{
    store_selector(c, i, c->ldtr.sel);
}

void op_str(struct vcpu *c, const struct insn *i)
{
    store_selector(c, i, c->tr.sel);
}

void op_lldt(struct vcpu *c, const struct insn *i)
{
    need_protected(c);
    need_cpl0(c);
    cpu_lldt(c, (u16)rm_get(c, i, i->r, 2));
}

void op_ltr(struct vcpu *c, const struct insn *i)
{
    need_protected(c);
    need_cpl0(c);
    cpu_ltr(c, (u16)rm_get(c, i, i->r, 2));
}

static void put_zf(struct vcpu *c, bool zf)
{
    flags_set(&c->lf, (flags_get(&c->lf) & ~(u32)EFLAGS_ZF) | (zf ? EFLAGS_ZF : 0));
}

void op_lar(struct vcpu *c, const struct insn *i)
{
    u32 val;
    bool ok;

    need_protected(c);
    ok = cpu_lar(c, (u16)rm_get(c, i, i->m, 2), &val);
    if (ok)
        reg_set(c, i->r, i->opsize, val);
    put_zf(c, ok);
}

void op_lsl(struct vcpu *c, const struct insn *i)
{
    u32 val;
    bool ok;

    need_protected(c);
    ok = cpu_lsl(c, (u16)rm_get(c, i, i->m, 2), &val);
    if (ok)
        reg_set(c, i->r, i->opsize, val);
    put_zf(c, ok);
}

void op_verr(struct vcpu *c, const struct insn *i)
{
    need_protected(c);
    put_zf(c, cpu_verify(c, (u16)rm_get(c, i, i->r, 2), false));
}

void op_verw(struct vcpu *c, const struct insn *i)
{
    need_protected(c);
    put_zf(c, cpu_verify(c, (u16)rm_get(c, i, i->r, 2), true));
}

/* Memory is written only if the RPL changes. */
void op_arpl(struct vcpu *c, const struct insn *i)
{
    u64 src, dst;
    bool raise;

    need_protected(c);
    src = reg_get(c, i->flags & INSN_MEM ? i->r : i->m, 2);
    dst = rm_get(c, i, i->r, 2);
    raise = (dst & 3) < (src & 3);
    if (raise)
        rm_set(c, i, i->r, 2, (dst & ~(u64)3) | (src & 3));
    put_zf(c, raise);
}

/* SYSCALL and SYSRET trap by the TF that they leave, other instructions by the one they find. */
static void trap_if_tf(struct vcpu *c)
{
    if (c->eflags & EFLAGS_TF)
        c->pending_db |= DR6_BS;
}

void op_syscall(struct vcpu *c, const struct insn *i)
{
    cpu_syscall(c);
    trap_if_tf(c);
    c->leave = true;
}

void op_sysret(struct vcpu *c, const struct insn *i)
{
    cpu_sysret(c, i->opsize);
    trap_if_tf(c);
    c->leave = true;
}

void op_sysenter(struct vcpu *c, const struct insn *i)
{
    cpu_sysenter(c);
    c->leave = true;
}

void op_sysexit(struct vcpu *c, const struct insn *i)
{
    cpu_sysexit(c, i->opsize);
    c->leave = true;
}

void op_swapgs(struct vcpu *c, const struct insn *i)
{
    u64 base = c->seg[SEG_GS].base;

    if (c->mode != MODE_64)
        cpu_raise_ud(c);
    need_cpl0(c);
    c->seg[SEG_GS].base = c->kernel_gs_base;
    c->kernel_gs_base = base;
}

static void need_fsgsbase(struct vcpu *c)
{
    if (c->mode != MODE_64 || !(c->cr4 & CR4_FSGSBASE))
        cpu_raise_ud(c);
}

static void write_base(struct vcpu *c, const struct insn *i, unsigned segreg)
{
    u64 base;

    need_fsgsbase(c);
    base = reg_get(c, i->r, i->size);
    if (!is_canonical_base(c, base))
        cpu_raise_gp0(c);
    c->seg[segreg].base = base;
}

void op_rdfsbase(struct vcpu *c, const struct insn *i)
{
    need_fsgsbase(c);
    reg_set(c, i->r, i->size, c->seg[SEG_FS].base);
}

void op_rdgsbase(struct vcpu *c, const struct insn *i)
{
    need_fsgsbase(c);
    reg_set(c, i->r, i->size, c->seg[SEG_GS].base);
}

void op_wrfsbase(struct vcpu *c, const struct insn *i)
{
    write_base(c, i, SEG_FS);
}

void op_wrgsbase(struct vcpu *c, const struct insn *i)
{
    write_base(c, i, SEG_GS);
}

/* IN, OUT: the port is DX or an immediate. */
static u16 port_of(struct vcpu *c, const struct insn *i)
{
    return i->form == FORM_RR ? (u16)c->gpr[RDX] : (u8)i->imm;
}

void op_in(struct vcpu *c, const struct insn *i)
{
    reg_set(c, RAX * 8, i->size, cpu_in(c, port_of(c, i), i->size));
}

/* The first operand is the port; the data register's size is msize. */
void op_out(struct vcpu *c, const struct insn *i)
{
    cpu_out(c, port_of(c, i), i->msize, (u32)reg_get(c, RAX * 8, i->msize));
    c->leave = true;
}

void op_cli(struct vcpu *c, const struct insn *i)
{
    cpu_cli(c);
}

void op_sti(struct vcpu *c, const struct insn *i)
{
    cpu_sti(c);
    c->leave = true;
}

void op_clac(struct vcpu *c, const struct insn *i)
{
    if (c->cpl || !is_protected(c))
        cpu_raise_ud(c);
    c->eflags &= ~(u32)EFLAGS_AC;
    vcpu_update_mode(c);
    c->leave = false;
}

void op_stac(struct vcpu *c, const struct insn *i)
{
    if (c->cpl || !is_protected(c))
        cpu_raise_ud(c);
    c->eflags |= EFLAGS_AC;
    vcpu_update_mode(c);
    c->leave = false;
}

void op_clc(struct vcpu *c, const struct insn *i)
{
    flags_put_cf(&c->lf, false);
}

void op_stc(struct vcpu *c, const struct insn *i)
{
    flags_put_cf(&c->lf, true);
}

void op_cmc(struct vcpu *c, const struct insn *i)
{
    flags_put_cf(&c->lf, !flag_cf(&c->lf));
}

void op_cld(struct vcpu *c, const struct insn *i)
{
    c->eflags &= ~(u32)EFLAGS_DF;
}

void op_std(struct vcpu *c, const struct insn *i)
{
    c->eflags |= EFLAGS_DF;
}

void op_lahf(struct vcpu *c, const struct insn *i)
{
    GPR8(c, RAX * 8 + 1) = (u8)(flags_get(&c->lf) | EFLAGS_FIXED);
}

void op_sahf(struct vcpu *c, const struct insn *i)
{
    flags_set(&c->lf, (flags_get(&c->lf) & EFLAGS_OF) | GPR8(c, RAX * 8 + 1));
}

void op_salc(struct vcpu *c, const struct insn *i)
{
    GPR8(c, RAX * 8) = flag_cf(&c->lf) ? 0xff : 0;
}

void op_xlat(struct vcpu *c, const struct insn *i)
{
    u64 off = (reg_get(c, RBX * 8, i->asize) + GPR8(c, RAX * 8)) & size_mask(i->asize);
    gva_t va = c->mode == MODE_64 && i->seg != SEG_FS && i->seg != SEG_GS
                   ? off
                   : seg_linear(c, i->seg, off, 1, false);

    GPR8(c, RAX * 8) = lin_ld8(c, va, insn_how(c, i));
}

/* RDRAND and RDSEED: from the VM's seam for entropy; it never runs dry. */
void op_rdrand(struct vcpu *c, const struct insn *i)
{
    reg_set(c, i->r, i->size, vm_random(c->vm));
    flags_set(&c->lf, EFLAGS_CF);
}

void op_rsm(struct vcpu *c, const struct insn *i)
{
    if (!c->smm)
        cpu_raise_ud(c);
    smm_leave(c);
    c->leave = true;
}

/* VMCALL and VMMCALL: number in RAX, arguments in RBX, RCX, RDX, RSI, result in RAX. */
void op_hypercall(struct vcpu *c, const struct insn *i)
{
    unsigned size = i->flags & INSN_MODE64 ? 8 : 4;
    const u64 args[4] = {reg_get(c, RBX * 8, size), reg_get(c, RCX * 8, size),
                         reg_get(c, RDX * 8, size), reg_get(c, RSI * 8, size)};

    reg_set(c, RAX * 8, size, (u64)cpu_hypercall(c, reg_get(c, RAX * 8, size), args));
}
