/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's hypercalls (Documentation/virt/kvm/x86/hypercalls.rst in Linux): those of the features that
 * CPUID leaf 40000001h offers. Own thread.
 */
#include "cpu/system.h"
#include "dev/lapic.h"

enum { HC_VAPIC_POLL_IRQ = 1, HC_SEND_IPI = 10 };
enum { HC_EPERM = 1, HC_ENOSYS = 1000 };

#define ICR_VECTOR     0xffu
#define ICR_MODE_SHIFT 8

/* Sends an IPI, fixed or NMI, to each CPU of a bitmap that begins at APIC ID `first`; returns how
   many took it. Outside 64-bit mode a bitmap is two words of 32 bits. */
static s64 send_ipi(struct vcpu *c, const u64 bitmap[2], u32 first, u32 icr)
{
    unsigned width = c->mode == MODE_64 ? 64 : 32;
    struct lapic_msg msg = {
        .vector = (u8)(icr & ICR_VECTOR),
        .delivery_mode = icr >> ICR_MODE_SHIFT & 7,
        .assert = true,
        .x2_dest = true,
    };
    s64 count = 0;

    if (msg.delivery_mode != LAPIC_FIXED && msg.delivery_mode != LAPIC_NMI)
        return -HC_ENOSYS;
    for (unsigned n = 0; n < 2 * width; n++) {
        if (!(bitmap[n / width] >> (n % width) & 1))
            continue;
        msg.dest = first + n;
        if (msg.dest < c->vm->ncpus)
            count += lapic_bus_deliver(lapic_bus_of(c->lapic), &msg);
    }
    return count;
}

s64 cpu_hypercall(struct vcpu *c, u64 nr, const u64 args[4])
{
    if (c->cpl)
        return -HC_EPERM;
    switch (nr) {
    case HC_VAPIC_POLL_IRQ:
        return 0;
    case HC_SEND_IPI:
        return send_ipi(c, args, (u32)args[2], (u32)args[3]);
    default:
        return -HC_ENOSYS;
    }
}
