/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/vm.h"

#include "cpu/vcpu.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/random.h>

void vm_crash(struct vm *vm, const char *fmt, ...)
{
    va_list ap;

    if (atomic_flag_test_and_set(&vm->crashed))
        return;
    va_start(ap, fmt);
    vsnprintf(vm->crash_text, sizeof(vm->crash_text), fmt, ap);
    va_end(ap);
    if (vm->event)
        vm->event(vm->event_opaque, VM_EVENT_CRASH);
}

void vm_set_a20(struct vm *vm, bool on)
{
    u64 mask = on ? ~(u64)0 : ~BIT64(20);

    if (atomic_exchange(&vm->a20_mask, mask) == mask)
        return;
    for (unsigned n = 0; n < vm->ncpus; n++)
        if (vm->cpu[n])
            vcpu_request(vm->cpu[n], REQ_TLB_FLUSH);
}

u64 vm_random(struct vm *vm)
{
    u64 v = 0;

    while (getrandom(&v, sizeof(v), 0) != (ssize_t)sizeof(v))
        ; /* interrupted before the pool was ready */
    return v;
}
