/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Debug registers: SDM 3B 17.2. Once a breakpoint that is enabled matches, DR6 shows all that
 * match, enabled or not (17.2.3). Length and alignment count for data and ports; an execution
 * breakpoint is one byte, the first of the instruction. LE, GE: always exact. Own thread.
 */
#include "cpu/excp.h"
#include "cpu/system.h"

#define DR6_WRITABLE (0xfu | DR6_BD | DR6_BS | DR6_BT)
#define DR7_WRITABLE 0xffff23ffu /* not bits 10, which is 1, and 11, 12, 14, 15, which are 0 */
#define DR7_ENABLES  0xffu

enum bp_type { BP_EXEC, BP_WRITE, BP_IO, BP_ACCESS };

static bool enabled(const struct vcpu *c, unsigned n)
{
    return c->dr7 >> 2 * n & 3;
}

static enum bp_type type_of(const struct vcpu *c, unsigned n)
{
    return (enum bp_type)(c->dr7 >> (16 + 4 * n) & 3);
}

static unsigned len_of(const struct vcpu *c, unsigned n)
{
    static const u8 len[] = {1, 2, 8, 4};

    return len[c->dr7 >> (18 + 4 * n) & 3];
}

/* The breakpoint's first byte: its low address bits do not count. */
static u64 start_of(const struct vcpu *c, unsigned n)
{
    return c->dr[n] & ~(u64)(len_of(c, n) - 1);
}

/* [a, a + alen) and [b, b + blen) share a byte; neither range is longer than the space. */
static bool overlap(u64 a, u64 alen, u64 b, u64 blen)
{
    return b - a < alen || a - b < blen;
}

static bool is_data(enum bp_type type)
{
    return type == BP_WRITE || type == BP_ACCESS;
}

/* Reports the bits of `hits` if one of them is of an enabled breakpoint. */
static u64 reported(const struct vcpu *c, u64 hits)
{
    for (unsigned n = 0; n < 4; n++)
        if ((hits >> n & 1) && enabled(c, n))
            return hits;
    return 0;
}

static bool watches_data(const struct vcpu *c)
{
    for (unsigned n = 0; n < 4; n++)
        if (enabled(c, n) && is_data(type_of(c, n)))
            return true;
    return false;
}

/* DR4 and DR5 are DR6 and DR7 unless CR4.DE says that they are not there. */
static unsigned resolve(struct vcpu *c, unsigned n)
{
    if (n > 7 || ((n == 4 || n == 5) && (c->cr4 & CR4_DE)))
        cpu_raise_ud(c);
    if (c->dr7 & DR7_GD)
        cpu_raise_db(c, DR6_BD);
    return n == 4 || n == 5 ? n + 2 : n;
}

u64 cpu_read_dr(struct vcpu *c, unsigned n)
{
    n = resolve(c, n);
    return n < 4 ? c->dr[n] : n == 6 ? c->dr6 : c->dr7;
}

void cpu_write_dr(struct vcpu *c, unsigned n, u64 val)
{
    n = resolve(c, n);
    if (n >= 6 && val >> 32)
        cpu_raise_gp0(c);
    if (n == 6) {
        c->dr6 = (val & DR6_WRITABLE) | DR6_FIXED;
        return;
    }
    if (n == 7)
        c->dr7 = (val & DR7_WRITABLE) | DR7_FIXED;
    else
        c->dr[n] = val;
    if (watches_data(c))
        tlb_flush_all(c); /* the watched pages must leave the TLB */
    c->leave = true;
}

bool dr_page_watched(const struct vcpu *c, gva_t page)
{
    if (likely(!(c->dr7 & DR7_ENABLES)))
        return false;
    for (unsigned n = 0; n < 4; n++)
        if (enabled(c, n) && is_data(type_of(c, n)) &&
            overlap(page, PAGE_SIZE, start_of(c, n), len_of(c, n)))
            return true;
    return false;
}

void dr_check_data(struct vcpu *c, gva_t va, unsigned len, bool write)
{
    u64 hits = 0;

    for (unsigned n = 0; n < 4; n++) {
        enum bp_type type = type_of(c, n);
        if ((type == BP_ACCESS || (write && type == BP_WRITE)) &&
            overlap(va, len, start_of(c, n), len_of(c, n)))
            hits |= BIT64(n);
    }
    c->pending_db |= reported(c, hits);
    c->leave |= hits != 0;
}

void dr_check_io(struct vcpu *c, u16 port, unsigned size)
{
    u64 hits = 0;

    if (likely(!(c->dr7 & DR7_ENABLES)) || !(c->cr4 & CR4_DE))
        return;
    for (unsigned n = 0; n < 4; n++)
        if (type_of(c, n) == BP_IO && overlap(port, size, start_of(c, n), len_of(c, n)))
            hits |= BIT64(n);
    c->pending_db |= reported(c, hits);
    c->leave |= hits != 0;
}

bool dr_exec_armed(const struct vcpu *c)
{
    if (likely(!(c->dr7 & DR7_ENABLES)))
        return false;
    for (unsigned n = 0; n < 4; n++)
        if (enabled(c, n) && type_of(c, n) == BP_EXEC)
            return true;
    return false;
}

u64 dr_match_exec(const struct vcpu *c, gva_t va)
{
    u64 hits = 0;

    for (unsigned n = 0; n < 4; n++)
        if (type_of(c, n) == BP_EXEC && c->dr[n] == va)
            hits |= BIT64(n);
    return reported(c, hits);
}
