/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's paravirtual clock (Documentation/virt/kvm/x86/msr.rst in Linux). The guest names a place
 * in its memory; Domus writes there how to make nanoseconds from the TSC. The TSC counts virtual
 * nanoseconds itself, so what is written stays true until the guest moves its TSC.
 *
 * A reader takes the version, the data, and the version again, and starts over if the two differ
 * or are odd: so the version is odd while the data changes. An address that is not RAM is the
 * guest's mistake and is ignored. Own thread.
 */
#include "base/le.h"
#include "cpu/system.h"

#define TIME_ENABLE BIT64(0)
#define TIME_STABLE BIT(0) /* flags: the clocks of all CPUs agree */

enum { /* struct pvclock_vcpu_time_info */
       TIME_TSC = 8,
       TIME_SYSTEM = 16,
       TIME_MUL = 24,
       TIME_SHIFT = 28,
       TIME_FLAGS = 29,
       TIME_SIZE = 32,
};
enum { /* struct pvclock_wall_clock */
       WALL_SEC = 4,
       WALL_NSEC = 8,
       WALL_SIZE = 12,
};

/* Writes a structure that begins with its version. */
static void publish(struct vcpu *c, gpa_t at, u8 *image, unsigned size)
{
    u32 version;

    if (!mem_is_ram(c->vm->mem, at, size) ||
        mem_read(c->vm->mem, at, &version, sizeof(version)) < 0)
        return;
    version |= 1;
    put_le32(image, version);
    if (mem_write(c->vm->mem, at, &version, sizeof(version)) < 0)
        return;
    atomic_thread_fence(memory_order_seq_cst);
    if (mem_write(c->vm->mem, at, image, size) < 0)
        return;
    atomic_thread_fence(memory_order_seq_cst);
    version++;
    if (mem_write(c->vm->mem, at, &version, sizeof(version)) < 0)
        return;
}

/* ns = system_time + (((tsc - tsc_timestamp) << shift) * mul >> 32): 1:1 for 2^31 and shift 1. */
static void write_time(struct vcpu *c)
{
    u64 now = clock_now(c->vm->clock);
    u8 image[TIME_SIZE] = {0};

    put_le64(image + TIME_TSC, now + c->tsc_offset);
    put_le64(image + TIME_SYSTEM, now);
    put_le32(image + TIME_MUL, BIT(31));
    image[TIME_SHIFT] = 1;
    image[TIME_FLAGS] = TIME_STABLE;
    publish(c, c->kvm_system_time & ~TIME_ENABLE, image, sizeof(image));
}

void kvmclock_write_system_time(struct vcpu *c, u64 val)
{
    c->kvm_system_time = val;
    if (val & TIME_ENABLE)
        write_time(c);
}

void kvmclock_tsc_changed(struct vcpu *c)
{
    if (c->kvm_system_time & TIME_ENABLE)
        write_time(c);
}

/* The time of day at which the system time was 0. */
void kvmclock_write_wall_clock(struct vcpu *c, u64 val)
{
    u64 boot = clock_wall(c->vm->clock) - clock_now(c->vm->clock);
    u8 image[WALL_SIZE] = {0};

    c->kvm_wall_clock = val;
    if (!val)
        return;
    put_le32(image + WALL_SEC, (u32)(boot / NSEC_PER_SEC));
    put_le32(image + WALL_NSEC, (u32)(boot % NSEC_PER_SEC));
    publish(c, val, image, sizeof(image));
}
