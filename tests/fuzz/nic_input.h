/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fuzz targets of network cards share: an operation is an access to a register, a write
 * to guest memory (descriptors are there), a frame from the cable, the cable taking more or less,
 * time, bus mastering, a reset, or a saved state with bytes changed.
 */
#pragma once
#include "../unit/dev/nicrig.h"
#include "dev_input.h"

struct nic_target {
    const struct state_table *state;
    void *dev;
    void (*reset)(void *dev);
    u32 io_span, mmio_span; /* 0: no such bar */
    int io_bar, mmio_bar;
};

#define NIC_INPUT_RAM (1 * MiB + 64 * KiB)

/* One memory for all inputs, since making it costs more than a run. */
static inline void nic_input_open(struct nicrig *n)
{
    static struct mem *mem;
    static struct bus mmio; /* nobody is on it: what is not RAM fails */
    struct err err;

    if (!mem)
        BUG_ON(mem_new(&mem, NIC_INPUT_RAM, &mmio, &err));
    BUG_ON(mem_fill(mem, 0, 0, NIC_INPUT_RAM));
    nic_open_with(n, mem);
}

static inline void nic_input_memory(struct input *in, struct nicrig *n)
{
    u32 at = (u32)input_take(in, 2) * 16, len = (u32)input_take(in, 1) % 64;

    for (u32 i = 0; i < len; i++) {
        u8 byte = (u8)input_take(in, 1);
        BUG_ON(mem_write(n->mem, at + i, &byte, 1));
    }
}

/* A frame whose first bytes are the input's, so that filters and parsers are reached. */
static inline void nic_input_frame(struct input *in, struct nicrig *n, u8 op)
{
    u8 frame[4096];
    size_t len = 1 + input_take(in, 2) % sizeof(frame), given = input_take(in, 1) % 80;

    memcpy(frame, nic_frame(NULL, len), len);
    for (size_t i = 0; i < given && i < len; i++)
        frame[i] = (u8)input_take(in, 1);
    if (op & 1 && len >= 6)
        memcpy(frame, nic_mac, 6);
    if (op & 2)
        net_send(&n->far.end, frame, len);
    else
        for (unsigned i = 0; i < 40 && net_send(&n->far.end, frame, len); i++)
            ;
}

static inline void nic_input_state(struct input *in, struct nic_target *t)
{
    struct state_stream s = {0};
    struct err err;
    unsigned changes = (unsigned)input_take(in, 1) % 8;

    BUG_ON(state_save(&s, t->state, t->dev));
    for (unsigned i = 0; i < changes; i++)
        s.data[input_take(in, 3) % s.len] = (u8)input_take(in, 1);
    if (state_load(&s, t->state, t->dev, &err))
        t->reset(t->dev);
    state_dispose(&s);
}

static inline void nic_input_map(struct nicrig *n, const struct nic_target *t)
{
    nic_map(n, t->io_bar, t->mmio_bar);
}

static inline void nic_input_step(struct input *in, struct nicrig *n, struct nic_target *t)
{
    u8 op = (u8)input_take(in, 1);

    if (op < 0x50 && t->mmio_span) {
        input_access(in, &n->rig.mmio, op, NIC_MMIO, t->mmio_span);
    } else if (op < 0xa0 && t->io_span) {
        input_access(in, &n->rig.pio, op, NIC_IO, t->io_span);
    } else if (op < 0xc0) {
        nic_input_memory(in, n);
    } else if (op < 0xd8) {
        nic_input_frame(in, n, op);
    } else if (op < 0xe0) {
        n->far.room = op == 0xd8 ? ~0u : op & 7;
        net_ready(&n->far.end);
    } else if (op < 0xf0) {
        input_advance(in, n->rig.clk);
    } else if (op < 0xf4) {
        pci_config_write(n->bus, NIC_DEVFN, PCI_COMMAND, 2, (op & 3) | PCI_COMMAND_IO | (op & 4));
    } else if (op < 0xf8) {
        nic_input_state(in, t);
    } else if (op < 0xfc) {
        net_set_link(&n->far.end, op & 1);
    } else if (op == 0xfc) {
        net_set_takes(&n->far.end, (unsigned)input_take(in, 1) % 16);
    } else if (op == 0xfe) {
        t->reset(t->dev);
    } else {
        nic_input_map(n, t);
    }
}

/* Saved state of another bus position may have moved bars: back where accesses go. */
static inline void nic_input_run(const u8 *data, size_t size, struct nicrig *n,
                                 struct nic_target *t)
{
    struct input in = {data, size};

    nic_input_map(n, t);
    for (unsigned steps = 0; input_left(&in) && steps < 3000; steps++)
        nic_input_step(&in, n, t);
    t->reset(t->dev);
    for (unsigned i = 0; i < PCI_PIRQS; i++)
        BUG_ON(n->intx[i].level);
}
