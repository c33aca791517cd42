/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * --lockstep interp: each block of translated code is run by the interpreter first, its writes to
 * memory are taken back, and then by itself; registers, flags, vector state, exceptions and what
 * was written must be the same. Blocks are not chained, and end before whatever the interpreter
 * executes anyway. Code that touches devices, writes to code or has a page walk set accessed or
 * dirty bits runs once, by the interpreter.
 *
 * Flags that an instruction of the block leaves undefined are not compared.
 */
#include "cpu/dbt/lockstep.h"

#include "cpu/access.h"
#include "cpu/dbt/dbt.h"
#include "cpu/dbt/run.h"
#include "cpu/dbt/thunk.h"
#include "cpu/exclusive.h"
#include "cpu/excp.h"
#include "cpu/interp/blocks.h"
#include "cpu/lockstep.h"

#include <inttypes.h>
#include <stdlib.h>

#define STATE_FROM offsetof(struct vcpu, gpr)
#define STATE_SIZE (offsetof(struct vcpu, tlb) - STATE_FROM)

struct lockstep {
    struct trial trial;
    u8 before[STATE_SIZE], wanted[STATE_SIZE];
    bool raises; /* the trial ended in an exception: `wanted` holds it */
    u64 blocks;
    struct vcpu
        *other; /* the interpreter's outcome, for comparison: only what a trial saves is set */
};

void trial_note(struct trial *t, u8 *host, unsigned size)
{
    for (; size; size -= size > 8 ? 8 : size, host += 8) {
        struct trial_write *w = &t->write[t->n++];
        *w = (struct trial_write){.host = host, .size = (u8)(size > 8 ? 8 : size)};
        memcpy(&w->old, host, w->size);
        if (t->n == TRIAL_WRITES)
            trial_give_up(t);
    }
}

void trial_give_up(struct trial *t)
{
    longjmp(t->give_up, 1);
}

static void take_back(struct trial *t)
{
    for (unsigned n = t->n; n--;) {
        memcpy(&t->write[n].new, t->write[n].host, t->write[n].size);
        memcpy(t->write[n].host, &t->write[n].old, t->write[n].size);
    }
}

static void save(const struct vcpu *c, u8 *to)
{
    memcpy(to, (const u8 *)c + STATE_FROM, STATE_SIZE);
}

static void restore(struct vcpu *c, const u8 *from)
{
    memcpy((u8 *)c + STATE_FROM, from, STATE_SIZE);
}

static void rows(struct vcpu *c, bool hide)
{
    for (unsigned n = 0; n < MMU_ROWS; n++)
        c->tlb.row[n] = hide ? c->tlb.none.entry : c->tlb.table[n]->entry;
}

static void interpret_some(struct vcpu *c, unsigned n)
{
    while (n-- && !c->pending_db) { /* a data breakpoint ends the block */
        c->ip = c->rip;
        dbt_interpret(c);
    }
}

/* The interpreter's run of `n` instructions. False if they cannot run twice. */
static bool try_interpreter(struct vcpu *c, struct lockstep *l, unsigned n)
{
    jmp_buf raised, *outer = c->unwind;
    volatile bool ok = false;

    l->trial.n = 0;
    l->raises = false;
    c->unwind = &raised;
    rows(c, true);
    if (setjmp(l->trial.give_up) == 0) {
        if (setjmp(raised) == 0) {
            c->trial = &l->trial;
            interpret_some(c, n);
        } else {
            l->raises = true;
        }
        ok = true;
    }
    c->trial = NULL;
    if (c->exclusive) /* given up in the middle of a locked access to a device */
        exclusive_end(c);
    rows(c, false);
    c->unwind = outer;
    take_back(&l->trial);
    save(c, l->wanted);
    restore(c, l->before);
    return ok;
}

static bool is_pushf(ZydisMnemonic m)
{
    return m == ZYDIS_MNEMONIC_PUSHF || m == ZYDIS_MNEMONIC_PUSHFD || m == ZYDIS_MNEMONIC_PUSHFQ;
}

/* Of the instructions of a block, whose bytes are still those that were translated. *stored: they
   may be in memory as well. */
static u32 undefined_flags(const struct vcpu *c, const struct tb *tb, bool *stored)
{
    const u8 *host = c->vm->mem->ram + ((u64)tb->page << PAGE_SHIFT);
    u32 undefined = 0;

    *stored = false;

    for (unsigned k = 0, at = tb->off; k < tb->n && at < PAGE_SIZE; k++) {
        ZydisDecodedInstruction zi;
        ZydisDecodedOperand zo[ZYDIS_MAX_OPERAND_COUNT];
        if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(blocks_zydis(c->blocks, tb->key & KEY_MODE),
                                                 host + at, PAGE_SIZE - at, &zi, zo)))
            return EFLAGS_ARITH; /* the last one, which goes on in the next page */
        if (zi.cpu_flags)
            undefined |= (u32)zi.cpu_flags->undefined & EFLAGS_ARITH;
        *stored |= is_pushf(zi.mnemonic);
        at += zi.length;
    }
    return undefined;
}

/* The accessed and dirty bits of a page table may have been set in one run and not in the other. */
static bool differs(const struct trial_write *w, u32 undefined)
{
    u64 now = 0, mask = w->size >= 4 ? ~(u64)(PTE_A | PTE_D) : ~(u64)0;

    if (w->size >= 2)
        mask &= ~(u64)undefined;
    memcpy(&now, w->host, w->size);
    return (now ^ w->new) & mask;
}

static bool same_memory(const struct trial *t, u32 undefined)
{
    for (unsigned n = 0; n < t->n; n++) { /* the last write to a place counts */
        const struct trial_write *w = &t->write[n];
        bool last = true;
        for (unsigned k = n + 1; k < t->n; k++)
            if (t->write[k].host < w->host + w->size &&
                w->host < t->write[k].host + t->write[k].size)
                last = false;
        if (last && differs(w, undefined))
            return false;
    }
    return true;
}

static bool same_excp(const struct excp *a, const struct excp *b)
{
    return a->vector == b->vector && a->has_error == b->has_error && a->error == b->error &&
           (a->vector != VEC_PF || a->cr2 == b->cr2);
}

static bool same_state(const struct vcpu *a, const struct vcpu *b, u32 flags, bool raises)
{
    return !memcmp(a->gpr, b->gpr, 16 * sizeof(u64)) &&
           (raises ? a->ip == b->ip : a->rip == b->rip) &&
           !((vcpu_eflags(a) ^ vcpu_eflags(b)) & flags) &&
           !memcmp(&a->fpu, &b->fpu, offsetof(struct fpu, header)) &&
           (!raises || same_excp(&a->excp, &b->excp));
}

static void show(const char *who, const struct vcpu *c, bool raises)
{
    static const char *const name[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                       "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

    fprintf(stderr, "%s: rip %#" PRIx64 " eflags %#x mxcsr %#x", who, raises ? c->ip : c->rip,
            vcpu_eflags(c), c->fpu.mxcsr);
    if (raises)
        fprintf(stderr, " exception %u error %#x cr2 %#" PRIx64, c->excp.vector, c->excp.error,
                c->excp.cr2);
    for (unsigned n = 0; n < 16; n++)
        fprintf(stderr, "%s%s %016" PRIx64, n % 4 ? "  " : "\n  ", name[n], c->gpr[n]);
    fprintf(stderr, "\n");
}

static void report(struct vcpu *c, struct lockstep *l, const struct tb *tb, bool raises)
{
    const struct trial *t = &l->trial;

    fprintf(stderr,
            "lockstep: a difference in block %" PRIu64 ", %u instructions at %#" PRIx64 "\n",
            l->blocks, tb->n, c->near.page_va + tb->off);
    memcpy((u8 *)l->other + STATE_FROM, l->before, STATE_SIZE);
    show("before", l->other, false);
    memcpy((u8 *)l->other + STATE_FROM, l->wanted, STATE_SIZE);
    show("interp", l->other, l->raises);
    show("dbt", c, raises);
    for (unsigned n = 0; n < 16; n++)
        if (memcmp(c->fpu.ymm[n], l->other->fpu.ymm[n], 32) != 0)
            fprintf(stderr, "  ymm%u differs\n", n);
    for (unsigned n = 0; n < t->n; n++)
        fprintf(stderr, "  interp wrote %u bytes to RAM at %#zx: %#" PRIx64 "%s\n",
                t->write[n].size, (size_t)(t->write[n].host - c->vm->mem->ram), t->write[n].new,
                memcmp(t->write[n].host, &t->write[n].new, t->write[n].size) ? ", dbt did not"
                                                                             : "");
    xlat_show(state_of(c)->dbt, tb, stderr);
}

/* The block's own run. */
static bool run_translated(struct vcpu *c, u64 code)
{
    jmp_buf raised, *outer = c->unwind;
    volatile bool raises = false;

    c->unwind = &raised;
    if (setjmp(raised) == 0)
        thunk_enter(state_of(c)->dbt, c, code);
    else
        raises = true;
    c->unwind = outer;
    return raises;
}

static bool same(struct vcpu *c, struct lockstep *l, const struct tb *tb, bool raises)
{
    bool stored;
    u32 undefined = undefined_flags(c, tb, &stored);

    memcpy((u8 *)l->other + STATE_FROM, l->wanted, STATE_SIZE);
    if (raises && !l->raises && c->ip == l->other->rip) {
        l->other->ip = c->ip; /* the fetch of what comes next has failed */
        l->other->excp = c->excp;
        l->raises = true;
    }
    return raises == l->raises && same_state(c, l->other, ~undefined, raises) &&
           same_memory(&l->trial, stored ? undefined : 0);
}

static void compare(struct vcpu *c, struct lockstep *l, const struct tb *tb, bool raises)
{
    if (same(c, l, tb, raises))
        return;
    report(c, l, tb, raises);
    c->vm->crash = "lockstep: the engines differ";
    c->activity = ACTIVITY_SHUTDOWN;
    c->leave = true;
}

void lockstep_block(struct vcpu *c, struct lockstep *l, const struct tb *tb, u64 code)
{
    bool raises;

    l->blocks++;
    save(c, l->before);
    if (!tb->n || !try_interpreter(c, l, tb->n)) {
        c->ip = c->rip;
        dbt_interpret(c);
        return;
    }
    dbt_flags_out(c);
    raises = run_translated(c, code);
    if (tb->dead) /* it has found that its bytes are others now, and done nothing */
        return;
    compare(c, l, tb, raises);
    if (raises && !c->vm->crash)
        longjmp(*c->unwind, 1);
}

struct lockstep *lockstep_new(void)
{
    struct lockstep *l = calloc(1, sizeof(*l));

    if (l)
        l->other = calloc(1, sizeof(*l->other));
    if (l && !l->other) {
        free(l);
        l = NULL;
    }
    return l;
}

void lockstep_free(struct lockstep *l)
{
    if (!l)
        return;
    free(l->other);
    free(l);
}
