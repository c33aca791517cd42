/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System control port B of the PC/AT, port 61h (ICH data sheets, "NMI_SC"): gate of timer 2,
 * speaker data, and the read-only refresh toggle and timer 2 output. No parity or channel check
 * ever happens, so the NMI status bits read 0. Left out: sound.
 * Runs under the machine's lock.
 */
#include "dev/port61.h"

#include <errno.h>
#include <stdlib.h>

#define GATE2         0x01u
#define WRITABLE      0x0fu /* gate, speaker, SERR# and IOCHK# disable */
#define REFRESH       0x10u
#define OUT2          0x20u
#define REFRESH_TICKS 18u /* one memory refresh request in 15.09 us */

struct port61 {
    struct bus *pio;
    struct i8254 *pit;
    struct clock *clk;
    u8 val;
};

static u64 port61_read(void *dev, u64 off, unsigned size)
{
    struct port61 *p = dev;
    u64 refreshes = ns_to_ticks(clock_now(p->clk), I8254_HZ) / REFRESH_TICKS;

    return p->val | (refreshes & 1 ? REFRESH : 0) | (i8254_out(p->pit) ? OUT2 : 0);
}

static void port61_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct port61 *p = dev;

    p->val = val & WRITABLE;
    i8254_set_gate2(p->pit, val & GATE2);
}

static const struct bus_ops port61_ops = {
    .read = port61_read, .write = port61_write, .max_size = 1};

void port61_reset(struct port61 *p)
{
    port61_write(p, 0, 1, 0);
}

static int loaded(void *dev)
{
    struct port61 *p = dev;

    if (p->val & ~WRITABLE)
        return -EINVAL;
    i8254_set_gate2(p->pit, p->val & GATE2);
    return 0;
}

static const struct state_field fields[] = {
    STATE_UINT(struct port61, val),
    STATE_END,
};

const struct state_table port61_state = {
    .name = "port61", .version = 1, .oldest = 1, .fields = fields, .loaded = loaded};

int port61_new(struct port61 **out, struct bus *pio, struct i8254 *pit, struct clock *clk)
{
    struct port61 *p = calloc(1, sizeof(*p));
    int rc;

    if (!p)
        return -ENOMEM;
    *p = (struct port61){.pio = pio, .pit = pit, .clk = clk};
    port61_reset(p);
    rc = bus_claim(pio, 0x61, 0x61, &port61_ops, p, "port61");
    if (rc) {
        port61_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void port61_free(struct port61 *p)
{
    if (!p)
        return;
    bus_release(p->pio, p);
    free(p);
}
