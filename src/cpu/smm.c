/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/smm.h"

#include "cpu/access.h"
#include "cpu/smm_map.h"
#include "cpu/system.h"

#include <string.h>

#define AR_ENTRY  (AR_P | AR_S | AR_WRITABLE | AR_ACCESSED | AR_G)
#define AR_SAVED  0xf0ffu
#define DB_PENDED (0xfu | DR6_BD | DR6_BS | DR6_BT)
#define DR7_SAVED 0xffff23ffu

/* Copies the save area from or to memory as the mode sees it. Where there is none it reads as ones
   and writes are lost. */
static void copy_area(struct vcpu *c, u8 *area, enum mem_access how)
{
    struct mem *mem = c->vm->mem;
    unsigned len;

    for (unsigned at = 0; at < SMM_AREA_SIZE; at += len) {
        gpa_t gpa = (u32)(c->smbase + SMM_AREA + at);
        u64 page = mem_page_for(mem, gpa, MEM_SMM, how);
        u8 *host = mem_page_host(mem, page == MEM_NO_PAGE ? 0 : page) + (gpa & (PAGE_SIZE - 1));

        len = (unsigned)(PAGE_SIZE - (gpa & (PAGE_SIZE - 1)));
        if (len > SMM_AREA_SIZE - at)
            len = SMM_AREA_SIZE - at;
        if (page == MEM_NO_PAGE) {
            memset(area + at, 0xff, len);
        } else if (how == MEM_READ) {
            host_copy(area + at, host, len);
        } else {
            host_copy(host, area + at, len);
            mem_page_written(mem, page);
        }
    }
}

static void save(struct vcpu *c)
{
    u8 area[SMM_AREA_SIZE];
    struct smm_state s = {
        .rip = c->rip,
        .rflags = vcpu_eflags(c),
        .cr0 = c->cr0,
        .cr3 = c->cr3,
        .cr4 = c->cr4,
        .efer = c->efer,
        .dr6 = c->dr6,
        .dr7 = c->dr7,
        .ldtr = c->ldtr,
        .tr = c->tr,
        .gdtr = c->gdtr,
        .idtr = c->idtr,
        .smbase = c->smbase,
        .halted = c->activity == ACTIVITY_HLT,
        .nmi_blocked = c->nmi_blocked,
        .cpl = c->cpl,
        .pending_db = c->pending_db,
    };

    memcpy(s.gpr, c->gpr, sizeof(s.gpr));
    memcpy(s.seg, c->seg, sizeof(s.seg));
    copy_area(c, area, MEM_READ);
    smm_map_put(area, &s, vcpu_has(c, X86_LM));
    copy_area(c, area, MEM_WRITE);
}

static void trace(const struct vcpu *c, const char *what)
{
    if (trace_on(&c->vm->trace, TRACE_IRQ))
        trace_line(&c->vm->trace, "cpu%u %s at %04x:%016llx smbase %#x", c->index, what,
                   c->seg[SEG_CS].sel, (unsigned long long)c->rip, c->smbase);
}

/* SDM 3C table 32-4. */
static void enter_state(struct vcpu *c)
{
    const struct seg data = {.ar = AR_ENTRY, .limit = UINT32_MAX};

    for (unsigned n = 0; n < ARRAY_SIZE(c->seg); n++)
        c->seg[n] = data;
    c->seg[SEG_CS].sel = (u16)(c->smbase >> 4);
    c->seg[SEG_CS].base = c->smbase;
    c->rip = c->ip = SMM_ENTRY;
    c->cr0 &= ~(u64)(CR0_PE | CR0_EM | CR0_TS | CR0_PG);
    c->cr4 = 0;
    if (vcpu_has(c, X86_LM)) /* the other layout has no place for it */
        c->efer = 0;
    c->dr7 = DR7_FIXED;
    c->cpl = 0;
    c->pending_db = 0;
    c->activity = ACTIVITY_RUN;
    c->nmi_blocked = true;
    c->look = true;
}

void smm_enter(struct vcpu *c)
{
    trace(c, "SMI");
    c->smm = true;
    save(c);
    enter_state(c);
    tlb_flush_all(c);
    vcpu_set_eflags(c, EFLAGS_FIXED);
}

static u64 canonical(const struct vcpu *c, u64 base)
{
    unsigned shift = vcpu_has(c, X86_LA57) ? 7 : 16;

    return (u64)((s64)(base << shift) >> shift);
}

static struct seg usable(const struct vcpu *c, struct seg s, bool system)
{
    s.ar = s.ar & AR_P ? s.ar & AR_SAVED : 0;
    s.base = canonical(c, s.base);
    if (s.ar)
        s.ar = (u16)(system ? s.ar & ~(u32)AR_S : s.ar | AR_S);
    return s;
}

static void restore_segments(struct vcpu *c, const struct smm_state *s)
{
    for (unsigned n = 0; n < ARRAY_SIZE(c->seg); n++) {
        c->seg[n] = usable(c, s->seg[n], false);
        if (n < SEG_FS)
            c->seg[n].base = (u32)c->seg[n].base;
    }
    c->ldtr = usable(c, s->ldtr, true);
    c->tr = usable(c, s->tr, true);
    c->gdtr = (struct dtr){.base = canonical(c, s->gdtr.base), .limit = s->gdtr.limit};
    c->idtr = (struct dtr){.base = canonical(c, s->idtr.base), .limit = s->idtr.limit};
}

/* CPL is the DPL of SS, where SS has one. */
static u8 privilege(const struct vcpu *c, const struct smm_state *s)
{
    if (!(c->cr0 & CR0_PE))
        return 0;
    if (is_v86(c))
        return 3;
    return c->seg[SEG_SS].ar ? AR_DPL(c->seg[SEG_SS].ar) : s->cpl;
}

static void restore(struct vcpu *c, const struct smm_state *s)
{
    u32 eflags = (u32)s->rflags;

    if (!(c->cr0 & CR0_PE) || (c->efer & EFER_LMA))
        eflags &= ~(u32)EFLAGS_VM;
    memcpy(c->gpr, s->gpr, sizeof(s->gpr));
    restore_segments(c, s);
    c->dr6 = (s->dr6 & DB_PENDED) | DR6_FIXED;
    c->dr7 = (s->dr7 & DR7_SAVED) | DR7_FIXED;
    c->smbase = (u32)s->smbase;
    c->nmi_blocked = s->nmi_blocked;
    c->pending_db = s->pending_db & DB_PENDED;
    c->activity = s->halted ? ACTIVITY_HLT : ACTIVITY_RUN;
    c->look = true;
    vcpu_set_eflags(c, eflags);
    c->cpl = privilege(c, s);
    vcpu_update_mode(c);
    c->rip = c->mode == MODE_64 ? s->rip : (u32)s->rip;
}

void smm_leave(struct vcpu *c)
{
    u8 area[SMM_AREA_SIZE];
    struct smm_state s = {.efer = c->efer};

    memcpy(s.gpr, c->gpr, sizeof(s.gpr));
    copy_area(c, area, MEM_READ);
    smm_map_get(area, &s, vcpu_has(c, X86_LM));
    c->smm = false; /* what the CPU now looks up is outside the mode */
    if (!cpu_restore_control(c, s.cr0, s.cr3, s.cr4, s.efer)) {
        c->smm = true;
        c->activity = ACTIVITY_SHUTDOWN;
        return;
    }
    restore(c, &s);
    trace(c, "RSM");
}
