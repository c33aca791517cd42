/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine `dbt`: translated code; what cannot be translated (16-bit code, segments that are not
 * flat, code in devices) is the interpreter's. The loop around it, with requests, interrupts and
 * single steps, is shared (cpu/interp/interp.h).
 */
#include "cpu/engine.h"
#include "cpu/dbt/dbt.h"
#include "cpu/dbt/jumps.h"
#include "cpu/dbt/lockstep.h"
#include "cpu/dbt/run.h"
#include "cpu/dbt/thunk.h"
#include "cpu/interp/interp.h"
#include "cpu/simd/op.h"

#include <errno.h>
#include <stdlib.h>

#define CPU_BYTES align_up(sizeof(struct dbt_cpu), 64)

static void run_code(struct vcpu *c)
{
    u64 code;

    c->leave = false;
    c->ip = c->rip;
    if (!dbt_resync(c)) {
        interp_blocks(c);
        return;
    }
    dbt_flags_out(c);
    code = dbt_code_at(c, !state_of(c)->lockstep);
    if (c->leave) { /* code in a device */
        interp_blocks(c);
        return;
    }
    if (state_of(c)->lockstep)
        lockstep_block(c, state_of(c)->lockstep, dbt_block_at(c), code);
    else
        thunk_enter(state_of(c)->dbt, c, code);
}

static enum vcpu_exit dbt_run(struct vcpu *c)
{
    return interp_loop(c, run_code);
}

static int shared_dbt(struct dbt **out, struct vm *vm, struct err *err)
{
    for (unsigned n = 0; n < vm->ncpus; n++)
        if (vm->cpu[n] && vm->cpu[n]->engine_state) {
            *out = state_of(vm->cpu[n])->dbt;
            return 0;
        }
    return dbt_new(out, vm, vm->code_cache ? vm->code_cache : CACHE_DEFAULT, err);
}

static int attach_lockstep(struct vcpu *c, struct dbt_cpu *d, struct err *err)
{
    if (c->vm->ncpus > 1)
        return err_set(err, EINVAL, "--lockstep needs a machine with one CPU, not %u",
                       c->vm->ncpus);
    d->lockstep = lockstep_new();
    return d->lockstep ? 0 : err_set(err, ENOMEM, "no memory for --lockstep");
}

static int dbt_attach(struct vcpu *c, struct err *err)
{
    struct dbt_cpu *d = calloc(1, CPU_BYTES + jumps_bytes());
    int rc;

    if (!d)
        return err_set(err, ENOMEM, "no memory for a CPU's translator");
    rc = shared_dbt(&d->dbt, c->vm, err);
    if (!rc && c->vm->lockstep)
        rc = attach_lockstep(c, d, err);
    if (!rc)
        rc = interp_attach(c, err);
    if (rc) {
        lockstep_free(d->lockstep);
        if (d->dbt && !d->dbt->users)
            dbt_free(d->dbt);
        free(d);
        return rc;
    }
    d->dbt->users++;
    c->env.host_mxcsr = MXCSR_RESET;
    c->engine_state = d;
    jumps_place(c, (u8 *)d + CPU_BYTES);
    return 0;
}

static void dbt_detach(struct vcpu *c)
{
    struct dbt_cpu *d = state_of(c);

    lockstep_free(d->lockstep);
    if (--d->dbt->users == 0)
        dbt_free(d->dbt);
    free(d);
    c->engine_state = NULL;
    interp_detach(c);
}

const struct engine_ops engine_dbt = {
    .name = "dbt",
    .vcpu_attach = dbt_attach,
    .vcpu_detach = dbt_detach,
    .run = dbt_run,
    .report = dbt_report,
};
