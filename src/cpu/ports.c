/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IN and OUT: SDM 1 19.5 (IOPL and the I/O permission bitmap of the TSS), SDM 3B 17.2.4 (port
 * breakpoints). Own thread; the bus takes its lock.
 */
#include "cpu/access.h"
#include "cpu/excp.h"
#include "cpu/nap.h"
#include "cpu/system.h"

#define TSS_MIN_LIMIT 0x67u /* of a 32-bit or 64-bit TSS */
#define TSS_IO_BASE   0x66u

static u64 tss_read16(struct vcpu *c, u32 off)
{
    gva_t va = c->tr.base + off;

    return lin_ld16(c, c->long_mode ? va : (u32)va, mmu_system(c));
}

/* Two bytes of the bitmap are read whatever the port, and both must be within the limit. */
static bool bitmap_allows(struct vcpu *c, u16 port, unsigned size)
{
    unsigned type = c->tr.ar & (AR_TYPE | AR_S | AR_P);
    u32 at;

    if ((type != (AR_P | SYS_TSS32_BUSY) && type != (AR_P | SYS_TSS32_AVAIL)) ||
        c->tr.limit < TSS_MIN_LIMIT)
        return false;
    at = (u32)tss_read16(c, TSS_IO_BASE) + port / 8u;
    if (at + 1 > c->tr.limit)
        return false;
    return !(tss_read16(c, at) >> (port & 7) & ((1u << size) - 1));
}

void cpu_check_port(struct vcpu *c, u16 port, unsigned size)
{
    if (!(c->cr0 & CR0_PE) || (!is_v86(c) && c->cpl <= iopl(c)))
        return;
    if (!bitmap_allows(c, port, size))
        cpu_raise_gp0(c);
}

u32 cpu_in(struct vcpu *c, u16 port, unsigned size)
{
    u32 val;

    cpu_check_port(c, port, size);
    nap_before_in(c, port);
    val = (u32)bus_read(&c->vm->pio, port, size);
    dr_check_io(c, port, size);
    return val;
}

void cpu_out(struct vcpu *c, u16 port, unsigned size, u32 val)
{
    cpu_check_port(c, port, size);
    nap_before_out(c, port);
    bus_write(&c->vm->pio, port, size, val);
    dr_check_io(c, port, size);
}
