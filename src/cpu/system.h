/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control, debug and model-specific registers, ports, CPUID: what instructions and engines share.
   Functions raise the architectural fault. They do not check CPL unless it says so. */
#pragma once
#include "base/base.h"
#include "cpu/cpuid.h"
#include "cpu/vcpu.h"

/* MOV CRn; n is 0, 2, 3, 4 or 8 (else #UD). Consequences included: reserved bits, mode changes,
   PDPTE loads, TLB. */
void cpu_write_cr(struct vcpu *c, unsigned n, u64 val);
u64 cpu_read_cr(struct vcpu *c, unsigned n);
/* All at once, as RSM does, with the translations gone; the caller calls vcpu_update_mode. EFER.LMA
   follows from the others. False, with nothing changed but perhaps vcpu.pdpte, if the CPU has no
   such state. */
must_check bool cpu_restore_control(struct vcpu *c, u64 cr0, u64 cr3, u64 cr4, u64 efer);
void cpu_lmsw(struct vcpu *c, u16 val);
void cpu_xsetbv(struct vcpu *c, u32 index, u64 val);
u64 cpu_xgetbv(struct vcpu *c, u32 index);
void cpu_invlpg(struct vcpu *c, gva_t va);
void cpu_invpcid(struct vcpu *c, u64 type, u64 pcid, u64 va);

void cpu_write_dr(struct vcpu *c, unsigned n, u64 val); /* DR7.GD, CR4.DE aliases, checks */
u64 cpu_read_dr(struct vcpu *c, unsigned n);

void cpu_wrmsr(struct vcpu *c, u32 index, u64 val); /* #GP(0) for unknown ones and bad values */
u64 cpu_rdmsr(struct vcpu *c, u32 index);
u64 cpu_efer_offered(const struct vcpu *c); /* the bits of EFER that the model has, but LMA */
u64 cpu_tsc(struct vcpu *c);                /* what RDTSC reads; no checks */
#define TSC_HZ NSEC_PER_SEC                 /* the guest's TSC counts virtual nanoseconds */

/* IN and OUT with the IOPL and TSS bitmap checks of the current mode. size 1, 2 or 4. Data
   breakpoints on ports (DR7, CR4.DE) included. */
u32 cpu_in(struct vcpu *c, u16 port, unsigned size);
void cpu_out(struct vcpu *c, u16 port, unsigned size, u32 val);
/* Only the check, for INS and OUTS: raises #GP(0). */
void cpu_check_port(struct vcpu *c, u16 port, unsigned size);

struct cpuid_regs cpu_cpuid(struct vcpu *c, u32 leaf, u32 subleaf);

/* Debug registers (SDM 3B 17.2). Data: marks the matching breakpoints pending in
   c->pending_db; cpu/access.c calls it for pages that dr_page_watched says so. */
bool dr_page_watched(const struct vcpu *c, gva_t page);
void dr_check_data(struct vcpu *c, gva_t va, unsigned len, bool write);
void dr_check_io(struct vcpu *c, u16 port, unsigned size);
bool dr_exec_armed(const struct vcpu *c);          /* some execution breakpoint is enabled */
u64 dr_match_exec(const struct vcpu *c, gva_t va); /* DR6 bits of those that match */

/* KVM's hypercalls (cpu/hypercall.c): the result, negative KVM error numbers included. */
s64 cpu_hypercall(struct vcpu *c, u64 nr, const u64 args[4]);

/* The paravirtual clock of KVM (Documentation/virt/kvm/x86/msr.rst in Linux): called by wrmsr;
   CPUID leaves 40000000h and 40000001h offer it. */
void kvmclock_write_system_time(struct vcpu *c, u64 val);
void kvmclock_write_wall_clock(struct vcpu *c, u64 val);
/* The guest has moved its TSC: the page with the time is written anew. */
void kvmclock_tsc_changed(struct vcpu *c);

/* The registers of cpu/msr.c that RESET clears and INIT leaves alone. */
void cpu_reset_msrs(struct vcpu *c);
