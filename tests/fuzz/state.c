/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hostile saved states: sections of a valid stream with bytes changed, or made of the input as it
 * comes, loaded into one device after the other, with accesses, interrupts, host events and time
 * in between.
 */
#include "../unit/dev/board.h"
#include "dev_input.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define MAX_PATCHES 16u
#define MAX_LOADS   32u /* each may ask for some work at once */

static void patch(struct input *in, struct state_stream *s, unsigned n)
{
    while (n-- && input_left(in)) {
        size_t at = input_take(in, 2) % s->len;
        s->data[at] = (u8)input_take(in, 1);
    }
}

/* The body alone is the input's, or bytes all over the section are. */
static void load(struct input *in, struct board *b, u8 op)
{
    unsigned n = op % BOARD_DEVICES;
    const struct state_table *t = b->state[n].table;
    struct state_stream s = {0};
    struct err err = {.text = ""};

    BUG_ON(state_save(&s, t, b->state[n].dev));
    if (op & 0x10) {
        for (size_t at = 1 + s.data[0] + 6u; at < s.len && input_left(in); at++)
            s.data[at] = (u8)input_take(in, 1);
    } else {
        patch(in, &s, (unsigned)input_take(in, 1) % MAX_PATCHES);
    }
    if (state_load(&s, t, b->state[n].dev, &err)) {
        /* fit only to be reset: a good state stands for that here */
        struct state_stream good = {0};
        struct board *fresh = malloc(sizeof(*fresh));
        BUG_ON(!fresh);
        board_open(fresh, clock_now(b->rig.clk));
        BUG_ON(state_save(&good, t, fresh->state[n].dev));
        BUG_ON(state_load(&good, t, b->state[n].dev, &err));
        board_close(fresh);
        free(fresh);
        state_dispose(&good);
    }
    state_dispose(&s);
}

static void access_mmio(struct input *in, struct board *b, u8 op)
{
    if (op & 0x20)
        input_access(in, &b->rig.mmio, op, HPET_BASE, HPET_SIZE);
    else if (op & 0x10)
        input_access(in, &b->rig.mmio, op, IOAPIC_BASE, 0x44);
    else if (op & 1)
        board_apic_write(b, (u32)input_take(in, 1) << 4, (u32)input_take(in, 4));
    else
        board_apic(b, (u32)input_take(in, 1) << 4);
}

static void access_port(struct input *in, struct board *b, u8 op)
{
    static const struct {
        u16 first, span;
    } ports[] = {{0x40, 4}, {0x60, 5},  {0x70, 4},  {0x20, 2},   {0xa0, 2},    {0x92, 1},
                 {0xb2, 2}, {0x3f8, 8}, {0x4d0, 2}, {0x510, 12}, {PM_BASE, 16}};
    unsigned n = (unsigned)input_take(in, 1) % ARRAY_SIZE(ports);

    input_access(in, &b->rig.pio, op, ports[n].first, ports[n].span);
}

static void event(struct input *in, struct board *b, u8 op)
{
    u8 bytes[4] = {(u8)input_take(in, 1), (u8)input_take(in, 1), 0xf0, 0x1c};
    int vector = lapic_pending(b->lapic);

    switch (op & 15) {
    case 0:
        i8042_put_key(b->kbc, bytes, 1 + bytes[0] % 4);
        break;
    case 1:
        i8042_mouse(b->kbc, (s8)bytes[0] * 300, (s8)bytes[1], 1, bytes[1]);
        break;
    case 2:
        ns16550a_receive(b->uart, bytes, bytes[0] % 4);
        break;
    case 3:
        i8259_set(b->pic, bytes[0] % 16, bytes[1] & 1);
        break;
    case 4:
        i8259_ack(b->pic);
        break;
    case 5:
        ioapic_set(b->ioapic, bytes[0] % IOAPIC_PINS, bytes[1] & 1);
        break;
    case 6:
        if (vector >= 0)
            lapic_accept(b->lapic, (u8)vector);
        break;
    case 7:
        lapic_set_lint(b->lapic, bytes[0] & 1, bytes[1] & 1);
        break;
    case 8:
        lapic_set_tsc_deadline(b->lapic, clock_now(b->rig.clk) + bytes[0] * MS, 0);
        break;
    case 9:
        hpet_pit_irq(b->hpet, 0, bytes[0] & 1);
        break;
    default:
        acpipm_rtc_irq(b->pm, 0, bytes[0] & 1);
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct input in = {data, size};
    struct board *b = malloc(sizeof(*b));
    unsigned loads = 0;

    BUG_ON(!b);
    board_open(b, 5 * NSEC_PER_SEC);
    while (input_left(&in)) {
        u8 op = (u8)input_take(&in, 1);
        if (op >= 0xe0 && loads++ < MAX_LOADS)
            load(&in, b, op);
        else if (op & 0x80)
            event(&in, b, op);
        else if (op & 0x40 && op & 0x08)
            input_advance(&in, b->rig.clk);
        else if (op & 0x40)
            access_port(&in, b, op);
        else
            access_mmio(&in, b, op);
    }
    board_close(b);
    free(b);
    return 0;
}
