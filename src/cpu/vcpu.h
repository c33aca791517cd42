/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One virtual CPU: the architectural state and what every engine derives from it.
 *
 * Owned by its thread. Other threads touch only what is _Atomic and call vcpu_request/vcpu_kick.
 */
#pragma once
#include "base/base.h"
#include "cpu/dbt_env.h"
#include "cpu/flags.h"
#include "cpu/nap.h"
#include "cpu/tlb.h"
#include "cpu/vm.h"
#include "x86/regs.h"

#include <setjmp.h>
#include <stdatomic.h>

struct lapic;
struct blocks;
struct trial;

/* Visible part and descriptor cache of a segment register, LDTR or TR. */
struct seg {
    u16 sel;
    u16 ar;    /* AR_*; 0 is a null (unusable) segment */
    u32 limit; /* in bytes, granularity applied */
    u64 base;
};

struct dtr {
    u64 base;
    u16 limit;
};

/* What other threads ask of a CPU (vcpu.req). */
enum vcpu_req {
    REQ_INTR = BIT(0), /* local APIC or PIC may have an interrupt: look */
    REQ_NMI = BIT(1),
    REQ_INIT = BIT(2),
    REQ_SIPI = BIT(3), /* vector in vcpu.sipi_vector */
    REQ_SMI = BIT(4),
    REQ_TLB_FLUSH = BIT(5),
    REQ_EXIT = BIT(6),        /* leave run() with VCPU_KICK: pause, reset, quit */
    REQ_EXCLUSIVE = BIT(7),   /* another CPU wants the world to stand still */
    REQ_NMI_LATCHED = BIT(9), /* another NMI behind the one in REQ_NMI: the CPU keeps two */
    REQ_CODE = BIT(8),        /* a page of RAM has become a code page: stop writing to it unseen */
};

enum cpu_mode { /* how code is decoded */
                MODE_16,
                MODE_32,
                MODE_64,
};

enum activity { ACTIVITY_RUN, ACTIVITY_HLT, ACTIVITY_WAIT_SIPI, ACTIVITY_SHUTDOWN };

/* What the next instruction is shielded from: STI from interrupts, MOV SS and POP SS from NMI and
   debug traps as well (SDM 3A 6.8.3). */
#define SHADOW_STI    BIT(0)
#define SHADOW_MOV_SS BIT(1)

struct fpu {
    u8 ymm[16][32]; /* XMM is the low half; VEX.128 writes clear the high half */
    /* From here on as the host's XSAVE and XRSTOR have it (SDM 1 13.4). */
    u16 fcw, fsw;
    u8 ftw; /* abridged: bit n set if physical register n is not empty */
    u8 reserved;
    u16 fop;
    u64 fip, fdp; /* offsets; with fcs, fds outside 64-bit mode */
    u32 mxcsr, mxcsr_mask;
    u8 st[8][16];         /* ST(0)..ST(7): 10 bytes each */
    u16 fcs, fds;         /* where the XMM registers would be, */
    u8 unused[512 - 164]; /* which are not saved here */
    u64 header[8];        /* XSTATE_BV, and zeros; of no meaning to the guest */
} __attribute__((aligned(64)));

/* Machine-check banks as MCG_CAP announces them, and their registers in MSR order; the last is
   AMD's MCi_CTL_MASK. */
enum { MC_BANKS = 5 };
enum { MC_CTL, MC_STATUS, MC_ADDR, MC_MISC, MC_CTL_MASK, MC_REGS };

struct excp { /* an exception on its way (cpu/excp.h) */
    u8 vector;
    bool has_error;
    u32 error;
    u64 cr2; /* #PF only */
    u64 dr6; /* #DB only: bits to set */
};

struct vcpu {
    u8 code_stack[4096]; /* of translated code, which has its stack pointer behind it */
    struct dbt_near near;
    u32 serial; /* of what the jump cache in force holds: no two states of two caches have the same.
                   Translated code reads it together with */
    _Atomic u32 req; /* enum vcpu_req */
    union {
        u64 gpr[18]; /* by enum gpr; [16] is always 0, for absent base and index registers */
        struct {
            u64 gpr_[17];
            u64 rip; /* address of the NEXT instruction while one executes */
        };
    };
    struct dbt_env env;
    u64 ip;          /* address of the instruction that executes: what a fault returns to */
    struct flags lf; /* the arithmetic flags, lazily (cpu/flags.h) */
    u32 eflags;      /* all other flags, with EFLAGS_FIXED; the arithmetic bits here are 0 */
    struct seg seg[6], ldtr, tr;
    struct dtr gdtr, idtr;
    u64 cr0, cr2, cr3, cr4, xcr0; /* CR8 is in the local APIC */
    u64 efer;
    u64 dr[4], dr6, dr7;
    u64 pdpte[4]; /* loaded on a CR3 write with PAE paging */

    u64 sysenter_cs, sysenter_esp, sysenter_eip;
    u64 star, lstar, cstar, sfmask, kernel_gs_base;
    u64 tsc_aux, tsc_offset, tsc_adjust;
    u64 pat, misc_enable, spec_ctrl;
    u64 mtrr_def_type, mtrr_fix[11], mtrr_var[16]; /* base, mask pairs */
    u64 mcg_status, mcg_ctl;
    u64 mc[MC_BANKS][MC_REGS]; /* machine-check banks */
    u64 debugctl;
    u64 syscfg, hwcr;                    /* AMD */
    u64 kvm_system_time, kvm_wall_clock; /* MSRs of the paravirtual clock as the guest wrote them */
    struct fpu fpu;

    /* Derived by vcpu_update_mode from the registers above. */
    u8 cpl;
    u8 mode;          /* enum cpu_mode */
    u8 ss_size;       /* stack address size in bytes: 2, 4 or 8 */
    u8 mmu;           /* enum mmu_index for data accesses of the running code */
    bool long_mode;   /* EFER.LMA */
    bool flat;        /* DS, ES, SS and CS are flat 4 GiB (32-bit code), or this is 64-bit code */
    bool align_check; /* CR0.AM, EFLAGS.AC, CPL 3 */

    u8 shadow;  /* SHADOW_*; ends after the next instruction */
    bool leave; /* the engine must come to an instruction boundary with all state looked at again:
                   set with any change of what it caches (mode, shadow, requests, code) */
    u64 pending_db; /* DR6 bits of a trap-class #DB due after this instruction */
    u8 activity;    /* enum activity */
    bool nmi_blocked;
    bool smm; /* in system management mode (cpu/smm.h) */
    u32 smbase;
    bool look;       /* an interrupt may be there that nothing in `req` tells of: when the CPU next
                        may take one, it looks */
    bool exclusive;  /* between exclusive_begin and exclusive_end */
    u64 monitor_gpa; /* armed by MONITOR; UINT64_MAX when not */

    struct excp excp; /* what cpu_raise threw */
    jmp_buf *unwind;  /* where it lands: set by the engine's run loop and by delivery */

    struct tlb tlb;

    _Atomic u8 sipi_vector;
    u64 insns; /* instructions retired */

    unsigned index; /* 0 … ncpus-1; also the initial APIC ID */
    struct vm *vm;
    struct lapic *lapic;
    struct blocks *blocks; /* decoded instructions: cpu/interp */
    void *memory;          /* what free() wants */
    void *engine_state;
    struct trial *trial; /* of a lockstep run; NULL: none */

    struct nap nap;
    u64 poll_ns;                /* how long vcpu_sleep stays awake at first */
    atomic_bool sleeping;       /* in vcpu_sleep or vcpu_sleep_until */
    pthread_mutex_t sleep_lock; /* for sleep_cond only */
    pthread_cond_t sleep_cond;
};

static inline bool vcpu_has(const struct vcpu *c, enum x86_feature f)
{
    return cpu_model_has(&c->vm->model, f);
}

/* By which vendor's rules the CPU goes: AMD's, or Intel's. */
static inline bool vcpu_is_amd(const struct vcpu *c)
{
    return c->vm->model.vendor[0] == 'A';
}

/* Which map of the first megabyte the CPU sees. */
static inline enum mem_view vcpu_view(const struct vcpu *c)
{
    return c->smm ? MEM_SMM : MEM_NORMAL;
}

/* ANDed to every physical address: A20M# counts for nothing in system management mode. */
static inline u64 vcpu_a20_mask(const struct vcpu *c)
{
    return c->smm ? ~(u64)0 : atomic_load_explicit(&c->vm->a20_mask, memory_order_relaxed);
}

static inline bool is_protected(const struct vcpu *c) /* protected or long mode, not virtual-8086 */
{
    return (c->cr0 & CR0_PE) && !(c->eflags & EFLAGS_VM);
}

static inline bool is_v86(const struct vcpu *c)
{
    return (c->eflags & EFLAGS_VM) != 0;
}

static inline unsigned iopl(const struct vcpu *c)
{
    return c->eflags >> 12 & 3;
}

must_check int vcpu_new(struct vcpu **out, struct vm *vm, unsigned index);
void vcpu_free(struct vcpu *c);
/* State after power-on or RESET (`init` false) or INIT (SDM 3A table 10-1). The bootstrap
   processor runs from F000:FFF0, others wait for SIPI. Own thread, or before it starts. */
void vcpu_reset(struct vcpu *c, bool init);
/* Recomputes the derived fields. Call after any change of CR0, CR4, EFER, EFLAGS.VM/AC, CS, SS,
   DS, ES or CPL. */
void vcpu_update_mode(struct vcpu *c);

/* Any thread, async-signal-safe in effect: sets the bits and wakes the CPU if it sleeps. */
void vcpu_request(struct vcpu *c, u32 req);
/* An NMI arrives. Any thread. */
void vcpu_nmi(struct vcpu *c);
/* Sleeps until vcpu_has_work or a request is pending. Own thread, no lock held. */
void vcpu_sleep(struct vcpu *c);
/* Sleeps until that time of CLOCK_MONOTONIC or any request. Own thread, no lock held. */
struct timespec;
void vcpu_sleep_until(struct vcpu *c, const struct timespec *end);
/* Something that ends HLT is there: an unmasked interrupt, NMI, INIT, SMI, or (waiting) SIPI. */
bool vcpu_has_work(struct vcpu *c);
/* An interrupt is pending that EFLAGS.IF lets in; the same whatever IF says. Own thread. */
bool vcpu_interrupt_pending(const struct vcpu *c);
bool vcpu_interrupt_due(const struct vcpu *c);

/* The whole of RFLAGS, and setting it as a whole (vcpu_update_mode included). */
u32 vcpu_eflags(const struct vcpu *c);
void vcpu_set_eflags(struct vcpu *c, u32 eflags);
