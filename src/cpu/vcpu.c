/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/vcpu.h"

#include "cpu/access.h"
#include "cpu/smm.h"
#include "cpu/system.h"
#include "dev/lapic.h"
#include "os/time.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VCPU_ALIGN 64u
#define POLL_MIN   (10 * NSEC_PER_SEC / 1000000)
#define POLL_MAX   (100 * NSEC_PER_SEC / 1000000)

int vcpu_new(struct vcpu **out, struct vm *vm, unsigned index)
{
    u8 *memory = calloc(1, sizeof(struct vcpu) + VCPU_ALIGN); /* most of it stays untouched */
    struct vcpu *c;

    BUG_ON(index >= VM_MAX_CPUS || vm->cpu[index]);
    if (!memory)
        return -ENOMEM;
    c = (struct vcpu *)(void *)(memory + (-(uintptr_t)memory & (VCPU_ALIGN - 1)));
    c->memory = memory;
    c->vm = vm;
    c->index = index;
    tlb_init(c);
    pthread_mutex_init(&c->sleep_lock, NULL);
    pthread_cond_init(&c->sleep_cond, NULL);
    vm->cpu[index] = c;
    *out = c;
    return 0;
}

void vcpu_free(struct vcpu *c)
{
    if (!c)
        return;
    c->vm->cpu[c->index] = NULL;
    pthread_cond_destroy(&c->sleep_cond);
    pthread_mutex_destroy(&c->sleep_lock);
    free(c->memory);
}

/* What RESET changes and INIT leaves alone (SDM 3A table 10-1). */
static void reset_power_on_only(struct vcpu *c)
{
    memset(&c->fpu, 0, sizeof(c->fpu));
    c->fpu.fcw = 0x40;
    c->fpu.mxcsr = 0x1f80;
    c->xcr0 = XCR0_X87;
    c->smbase = SMBASE_RESET;
    c->cr0 = CR0_CD | CR0_NW | CR0_ET;
    c->tsc_offset = (u64)0 - c->vm->power_on; /* one instant for all CPUs: their TSCs agree */
    c->tsc_adjust = 0;
    c->tsc_aux = 0;
    c->pat = 0x0007040600070406ull;
    c->misc_enable = 1;
    c->spec_ctrl = 0;
    c->mtrr_def_type = 0;
    memset(c->mtrr_fix, 0, sizeof(c->mtrr_fix));
    memset(c->mtrr_var, 0, sizeof(c->mtrr_var));
    c->mcg_status = 0;
    c->kvm_system_time = c->kvm_wall_clock = 0;
    c->sysenter_cs = c->sysenter_esp = c->sysenter_eip = 0;
    c->star = c->lstar = c->cstar = c->sfmask = c->kernel_gs_base = 0;
    cpu_reset_msrs(c);
}

void vcpu_reset(struct vcpu *c, bool init)
{
    const struct seg data = {.sel = 0, .ar = AR_P | AR_S | 3, .limit = 0xffff, .base = 0};

    if (!init)
        reset_power_on_only(c);
    memset(c->gpr, 0, sizeof(c->gpr));
    c->gpr[RDX] = c->vm->model.signature;
    c->rip = c->ip = 0xfff0;
    c->eflags = EFLAGS_FIXED;
    flags_set(&c->lf, 0);
    for (unsigned s = 0; s < ARRAY_SIZE(c->seg); s++)
        c->seg[s] = data;
    c->seg[SEG_CS] = (struct seg){0xf000, AR_P | AR_S | AR_CODE | 3, 0xffff, 0xffff0000};
    c->ldtr = (struct seg){.ar = AR_P | SYS_LDT, .limit = 0xffff};
    c->tr = (struct seg){.ar = AR_P | SYS_TSS32_BUSY, .limit = 0xffff};
    c->gdtr = c->idtr = (struct dtr){.base = 0, .limit = 0xffff};
    c->cr0 = (c->cr0 & (CR0_CD | CR0_NW)) | CR0_ET;
    c->cr2 = c->cr3 = c->cr4 = c->efer = 0;
    memset(c->dr, 0, sizeof(c->dr));
    memset(c->pdpte, 0, sizeof(c->pdpte));
    c->dr6 = DR6_FIXED;
    c->dr7 = DR7_FIXED;
    c->cpl = 0;
    c->shadow = 0;
    c->pending_db = 0;
    c->nmi_blocked = false;
    c->smm = false;
    c->monitor_gpa = UINT64_MAX;
    c->activity = c->index ? ACTIVITY_WAIT_SIPI : ACTIVITY_RUN;
    tlb_flush_all(c);
    vcpu_update_mode(c);
}

static bool is_flat(const struct seg *s)
{
    return s->base == 0 && s->limit == UINT32_MAX && (s->ar & AR_P);
}

void vcpu_update_mode(struct vcpu *c)
{
    const struct seg *cs = &c->seg[SEG_CS];
    bool v86 = is_v86(c);

    c->long_mode = (c->efer & EFER_LMA) != 0;
    if (c->long_mode && (cs->ar & AR_L))
        c->mode = MODE_64;
    else
        c->mode = !v86 && (cs->ar & AR_DB) ? MODE_32 : MODE_16;
    if (c->mode == MODE_64)
        c->ss_size = 8;
    else
        c->ss_size = !v86 && (c->seg[SEG_SS].ar & AR_DB) ? 4 : 2;
    c->flat = c->mode == MODE_64 || (is_flat(cs) && is_flat(&c->seg[SEG_DS]) &&
                                     is_flat(&c->seg[SEG_ES]) && is_flat(&c->seg[SEG_SS]));
    c->align_check = (c->cr0 & CR0_AM) && (c->eflags & EFLAGS_AC) && c->cpl == 3;
    c->mmu = (u8)mmu_for_cpl(c, c->cpl);
    c->leave = true;
}

u32 vcpu_eflags(const struct vcpu *c)
{
    return c->eflags | flags_get(&c->lf);
}

void vcpu_set_eflags(struct vcpu *c, u32 eflags)
{
    flags_set(&c->lf, eflags);
    c->eflags = (eflags & ~(u32)EFLAGS_ARITH & 0x3f7fd5) | EFLAGS_FIXED;
    vcpu_update_mode(c);
}

void vcpu_request(struct vcpu *c, u32 req)
{
    atomic_fetch_or(&c->req, req);
    if (atomic_load(&c->sleeping)) {
        pthread_mutex_lock(&c->sleep_lock); /* it may be about to wait */
        pthread_mutex_unlock(&c->sleep_lock);
        pthread_cond_signal(&c->sleep_cond);
    }
}

void vcpu_nmi(struct vcpu *c)
{
    u32 old = atomic_fetch_or(&c->req, REQ_NMI);

    vcpu_request(c, old & REQ_NMI ? REQ_NMI_LATCHED : 0);
}

bool vcpu_interrupt_pending(const struct vcpu *c)
{
    return lapic_pending(c->lapic) >= 0 || lapic_extint_pending(c->lapic);
}

bool vcpu_interrupt_due(const struct vcpu *c)
{
    return (c->eflags & EFLAGS_IF) && vcpu_interrupt_pending(c);
}

bool vcpu_has_work(struct vcpu *c)
{
    u32 req = atomic_load(&c->req);

    if (req & REQ_EXIT)
        return true;
    if ((req & (REQ_INIT | REQ_SIPI)) &&
        !c->smm) /* a SIPI that nobody waits for is to be dropped */
        return true;
    switch (c->activity) {
    case ACTIVITY_WAIT_SIPI:
        return false;
    case ACTIVITY_SHUTDOWN:
        return (req & (REQ_NMI | REQ_NMI_LATCHED)) != 0;
    default:
        break;
    }
    if ((req & (REQ_NMI | REQ_NMI_LATCHED)) && !c->nmi_blocked)
        return true;
    if ((req & REQ_SMI) && !c->smm)
        return true;
    return vcpu_interrupt_due(c);
}

void vcpu_sleep_until(struct vcpu *c, const struct timespec *end)
{
    int r = 0;

    pthread_mutex_lock(&c->sleep_lock);
    atomic_store(&c->sleeping, true);
    while (!r && !atomic_load(&c->req))
        r = pthread_cond_clockwait(&c->sleep_cond, &c->sleep_lock, CLOCK_MONOTONIC, end);
    atomic_store(&c->sleeping, false);
    pthread_mutex_unlock(&c->sleep_lock);
}

static void sleep_for_work(struct vcpu *c)
{
    pthread_mutex_lock(&c->sleep_lock);
    atomic_store(&c->sleeping, true);
    while (!vcpu_has_work(c))
        pthread_cond_wait(&c->sleep_cond, &c->sleep_lock);
    atomic_store(&c->sleeping, false);
    pthread_mutex_unlock(&c->sleep_lock);
}

/* A device that answers within microseconds does so before the host has put a thread to sleep and
   woken it: while halts turn out to be that short, they begin with a look around. */
void vcpu_sleep(struct vcpu *c)
{
    u64 from = host_ns(CLOCK_MONOTONIC), now = from;

    while (!vcpu_has_work(c) && now - from < c->poll_ns) {
        sched_yield(); /* whoever wants the core has it */
        now = host_ns(CLOCK_MONOTONIC);
    }
    if (!vcpu_has_work(c))
        sleep_for_work(c);
    if (host_ns(CLOCK_MONOTONIC) - from > POLL_MAX)
        c->poll_ns = 0;
    else
        c->poll_ns = min_u64(max_u64(2 * c->poll_ns, POLL_MIN), POLL_MAX);
}
