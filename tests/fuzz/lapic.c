/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Three local APICs under 8-byte commands: what, whose, a 16-bit offset, a 32-bit value. After each
 * command the APIC obeys its own rules, and time advances without end only in bounded steps.
 */
#include "dev/lapic.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define CPUS         3
#define MAX_COMMANDS 512

struct input {
    u8 what, who;
    u16 off;
    u32 val;
};

struct machine {
    struct clock *clk;
    struct lapic_bus *bus;
    struct lapic *l[CPUS];
};

static void on_event(void *cpu)
{
}

static void on_sipi(void *cpu, u8 vector)
{
}

static void on_eoi(void *opaque, u8 vector)
{
    BUG_ON(vector < 16);
}

static const struct lapic_ops ops = {on_event, on_event, on_event, on_event, on_sipi};

static bool setup(struct machine *m)
{
    if (clock_new_manual(&m->clk) || lapic_bus_new(&m->bus))
        return false;
    for (unsigned i = 0; i < CPUS; i++) {
        if (lapic_new(&m->l[i], m->bus, m->clk, i * 17, i == 0, &ops, NULL))
            return false;
        lapic_mmio_write(m->l[i], 0xf0, 4, 0x1ff);
    }
    lapic_bus_on_eoi(m->bus, on_eoi, m);
    return true;
}

static void teardown(struct machine *m)
{
    for (unsigned i = 0; i < CPUS; i++)
        lapic_free(m->l[i]);
    lapic_bus_free(m->bus);
    clock_free(m->clk);
}

static void send(struct machine *m, const struct input *in)
{
    struct lapic_msg msg = {
        .vector = (u8)in->off,
        .delivery_mode = in->off >> 8 & 7,
        .level_triggered = in->off & BIT(11),
        .assert = in->off & BIT(12),
        .logical = in->off & BIT(13),
        .x2_dest = in->off & BIT(14),
        .dest = in->off & BIT(14) ? in->val : in->val & 0xff,
    };

    lapic_bus_send(m->bus, &msg);
}

static void set_base(struct lapic *l, const struct input *in)
{
    u64 val = (lapic_base(l) ^ ((u64)in->off & 0xf00)) ^ (u64)in->val << 12;

    if (!lapic_set_base(l, val, !(in->off & 1), BIT64(36) - 1))
        BUG_ON(lapic_base(l) == val && (in->off & 0xf00 || in->val));
}

static void command(struct machine *m, const struct input *in)
{
    struct lapic *l = m->l[in->who % CPUS];
    u64 val;

    switch (in->what % 12) {
    case 0:
    case 1:
        lapic_mmio_write(l, in->off & 0xff0, 4, in->val);
        break;
    case 2:
        lapic_mmio_write(l, in->off & 0xfff, 1u << (in->val & 3), in->val);
        break;
    case 3:
        lapic_mmio_read(l, in->off & 0xfff, 1u << (in->val & 3));
        break;
    case 4:
        BUG_ON(lapic_msr_write(l, 0x800 + (in->off & 0xff), in->val) &&
               !(lapic_base(l) & LAPIC_BASE_EXTD));
        break;
    case 5:
        if (lapic_msr_write(l, 0x830, (u64)in->val << 32 | in->off))
            BUG_ON(!lapic_msr_read(l, 0x830, &val));
        break;
    case 6:
        BUG_ON(lapic_msr_read(l, 0x800 + (in->off & 0xff), &val) &&
               !(lapic_base(l) & LAPIC_BASE_EXTD));
        break;
    case 7:
        clock_advance(m->clk, in->val & 0xffffff);
        break;
    case 8:
        send(m, in);
        break;
    case 9:
        lapic_bus_msi(m->bus, 0xfee00000 | (in->val & 0xfffff), in->off);
        break;
    case 10:
        lapic_set_lint(l, in->off & 1, in->off & 2);
        lapic_set_tsc_deadline(l, in->val, (s32)in->val);
        lapic_tsc_deadline(l);
        break;
    default:
        if (in->off & 0x8000)
            lapic_reset(l, in->off & 1);
        else if (in->off & 0x4000)
            lapic_set_tpr(l, (u8)in->val);
        else
            set_base(l, in);
    }
}

/* What a CPU does with interrupts, and what must then hold. */
static void serve(struct lapic *l, bool take, bool end)
{
    int vector = lapic_pending(l);

    BUG_ON(vector >= 0 && (vector < 16 || vector >> 4 <= lapic_tpr(l) >> 4));
    BUG_ON(vector >= 0 && !lapic_svr_enabled(l));
    if (vector >= 0 && take) {
        lapic_accept(l, (u8)vector);
        BUG_ON(lapic_pending(l) >= 0 && lapic_pending(l) >> 4 <= vector >> 4);
    }
    if (end && !lapic_msr_write(l, 0x80b, 0))
        lapic_mmio_write(l, 0xb0, 4, 0);
    BUG_ON((lapic_base(l) & LAPIC_BASE_EXTD) && !(lapic_base(l) & LAPIC_BASE_EN));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct machine m = {0};
    struct input in;

    if (setup(&m)) {
        for (size_t i = 0; i + sizeof(in) <= size && i < MAX_COMMANDS * sizeof(in);
             i += sizeof(in)) {
            memcpy(&in, data + i, sizeof(in));
            command(&m, &in);
            serve(m.l[in.who % CPUS], !(in.who & 0x80), in.who & 0x40);
        }
    }
    teardown(&m);
    return 0;
}
