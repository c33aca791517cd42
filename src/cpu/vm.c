/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/vm.h"

#include "cpu/vcpu.h"

#include <sys/random.h>

void vm_map_changed(void *opaque)
{
    struct vm *vm = opaque;

    for (unsigned n = 0; n < vm->ncpus; n++)
        if (vm->cpu[n])
            vcpu_request(vm->cpu[n], REQ_TLB_FLUSH);
}

void vm_set_a20(struct vm *vm, bool on)
{
    u64 mask = on ? ~(u64)0 : ~BIT64(20);

    if (atomic_exchange(&vm->a20_mask, mask) != mask)
        vm_map_changed(vm);
}

u64 vm_random(struct vm *vm)
{
    u64 v = 0;

    while (getrandom(&v, sizeof(v), 0) != (ssize_t)sizeof(v))
        ; /* interrupted before the pool was ready */
    return v;
}
