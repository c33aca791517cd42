/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every way of running a CPU offers: enter the guest, run until the monitor is needed. */
#pragma once
#include "base/base.h"
#include "base/err.h"

#include <stdio.h>

struct vm;
struct vcpu;

enum vcpu_exit {
    VCPU_HALT,     /* HLT, MWAIT or wait-for-SIPI: sleep until vcpu_has_work */
    VCPU_KICK,     /* a request is pending that the thread loop must see */
    VCPU_SHUTDOWN, /* triple fault, or vm.crash says why */
};

struct engine_ops {
    const char *name;
    must_check int (*vcpu_attach)(struct vcpu *c, struct err *err); /* may set c->engine_state */
    void (*vcpu_detach)(struct vcpu *c);
    enum vcpu_exit (*run)(struct vcpu *c);         /* the vCPU's own thread */
    void (*report)(const struct vm *vm, FILE *to); /* what it has done; no CPU runs. May be NULL */
};

extern const struct engine_ops engine_interp, engine_dbt;
