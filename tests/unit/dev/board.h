/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One of each device with a saved state, for tests of that: not wired to one another but for port
   61h, wires that remember, a manual clock. */
#pragma once
#include "dev/acpipm.h"
#include "dev/fwcfg.h"
#include "dev/hpet.h"
#include "dev/i8042.h"
#include "dev/i8254.h"
#include "dev/i8259.h"
#include "dev/ioapic.h"
#include "dev/lapic.h"
#include "dev/mc146818.h"
#include "dev/ns16550a.h"
#include "dev/orgate.h"
#include "dev/port61.h"
#include "dev/port92.h"
#include "rig.h"

#include <string.h>

#define PM_BASE     0x600u
#define UART_BASE   0x3f8u
#define IOAPIC_BASE 0xfec00000ull

enum {
    W_PIT,
    W_PIC,
    W_RTC,
    W_UART,
    W_KBD,
    W_AUX,
    W_A20,
    W_A20_FAST,
    W_RESET,
    W_SCI,
    W_POWER,
    W_GATE,
    W_HPET, /* to W_HPET + 23 */
    WIRES = W_HPET + 24,
};
enum { CPU_INTR, CPU_NMI, CPU_SMI, CPU_INIT, CPU_SIPI, CPU_MSI, CPU_EVENTS };

#define BOARD_DEVICES 13u

struct board {
    struct rig rig;
    struct wire wire[WIRES];
    unsigned cpu[CPU_EVENTS];
    struct mem *mem;
    struct lapic_bus *lapics;
    struct i8254 *pit;
    struct i8259 *pic;
    struct port61 *port61;
    struct port92 *port92;
    struct mc146818 *rtc;
    struct ns16550a *uart;
    struct i8042 *kbc;
    struct acpipm *pm;
    struct hpet *hpet;
    struct fwcfg *fwcfg;
    struct lapic *lapic;
    struct ioapic *ioapic;
    struct orgate gate;
    struct {
        const struct state_table *table;
        void *dev;
    } state[BOARD_DEVICES];
};

static inline struct irq board_wire(struct board *b, unsigned n)
{
    return (struct irq){.set = wire_set, .opaque = b->wire, .n = n};
}

static inline void board_intr(void *board)
{
    ((struct board *)board)->cpu[CPU_INTR]++;
}

static inline void board_nmi(void *board)
{
    ((struct board *)board)->cpu[CPU_NMI]++;
}

static inline void board_smi(void *board)
{
    ((struct board *)board)->cpu[CPU_SMI]++;
}

static inline void board_init(void *board)
{
    ((struct board *)board)->cpu[CPU_INIT]++;
}

static inline void board_sipi(void *board, u8 vector)
{
    ((struct board *)board)->cpu[CPU_SIPI]++;
}

static inline void board_msi(void *board, u64 addr, u32 data)
{
    ((struct board *)board)->cpu[CPU_MSI] += data & 0xff;
}

static inline void board_timers(struct board *b)
{
    struct rig *rig = &b->rig;
    struct irq lines[24];

    for (unsigned n = 0; n < 24; n++)
        lines[n] = board_wire(b, W_HPET + n);
    BUG_ON(i8254_new(&b->pit, &rig->pio, board_wire(b, W_PIT), rig->clk));
    BUG_ON(port61_new(&b->port61, &rig->pio, b->pit, rig->clk));
    BUG_ON(mc146818_new(&b->rtc, &rig->pio, board_wire(b, W_RTC), rig->clk));
    BUG_ON(hpet_new(&b->hpet, &rig->mmio, HPET_BASE, rig->clk, lines, board_msi, b));
    BUG_ON(acpipm_new(&b->pm, &rig->pio, PM_BASE, board_wire(b, W_SCI), rig->clk,
                      board_wire(b, W_POWER), board_wire(b, W_RESET)));
}

static inline void board_list(struct board *b)
{
    const struct board list = {.state = {
                                   {&i8259_state, b->pic},
                                   {&lapic_state, b->lapic},
                                   {&ioapic_state, b->ioapic},
                                   {&i8254_state, b->pit},
                                   {&port61_state, b->port61},
                                   {&port92_state, b->port92},
                                   {&mc146818_state, b->rtc},
                                   {&ns16550a_state, b->uart},
                                   {&i8042_state, b->kbc},
                                   {&acpipm_state, b->pm},
                                   {&hpet_state, b->hpet},
                                   {&fwcfg_state, b->fwcfg},
                                   {&orgate_state, &b->gate},
                               }};

    memcpy(b->state, list.state, sizeof(b->state));
}

/* With the clock at `now`. */
static inline void board_open(struct board *b, u64 now)
{
    static const struct lapic_ops ops = {board_intr, board_nmi, board_smi, board_init, board_sipi};
    struct rig *rig = &b->rig;
    struct err err = {.text = ""};

    memset(b, 0, sizeof(*b));
    rig_open(rig);
    clock_advance(rig->clk, now);
    BUG_ON(mem_new(&b->mem, 1 << 20, &rig->mmio, &err));
    board_timers(b);
    BUG_ON(i8259_new(&b->pic, &rig->pio, board_wire(b, W_PIC)));
    BUG_ON(port92_new(&b->port92, &rig->pio, board_wire(b, W_A20_FAST), board_wire(b, W_RESET)));
    BUG_ON(ns16550a_new(&b->uart, &rig->pio, UART_BASE, board_wire(b, W_UART), rig->clk,
                        (struct ns16550a_backend){.write = NULL}));
    BUG_ON(i8042_new(&b->kbc, &rig->pio, board_wire(b, W_KBD), board_wire(b, W_AUX),
                     board_wire(b, W_A20), board_wire(b, W_RESET)));
    i8042_set_clock(b->kbc, rig->clk);
    BUG_ON(fwcfg_new(&b->fwcfg, &rig->pio, b->mem));
    BUG_ON(fwcfg_add_file(b->fwcfg, "etc/some", "0123456789abcdef", 16));
    BUG_ON(lapic_bus_new(&b->lapics));
    BUG_ON(lapic_new(&b->lapic, b->lapics, rig->clk, 0, true, &ops, b));
    BUG_ON(ioapic_new(&b->ioapic, &rig->mmio, IOAPIC_BASE, b->lapics));
    orgate_init(&b->gate, board_wire(b, W_GATE));
    board_list(b);
}

static inline void board_close(struct board *b)
{
    ioapic_free(b->ioapic);
    lapic_free(b->lapic);
    lapic_bus_free(b->lapics);
    fwcfg_free(b->fwcfg);
    i8042_free(b->kbc);
    ns16550a_free(b->uart);
    port92_free(b->port92);
    i8259_free(b->pic);
    acpipm_free(b->pm);
    hpet_free(b->hpet);
    mc146818_free(b->rtc);
    port61_free(b->port61);
    i8254_free(b->pit);
    BUG_ON(clock_run(b->rig.clk) != UINT64_MAX); /* no timer stays behind */
    mem_free(b->mem);
    rig_close(&b->rig);
}

static inline u32 board_apic(struct board *b, u32 reg)
{
    return lapic_mmio_read(b->lapic, reg, 4);
}

static inline void board_apic_write(struct board *b, u32 reg, u32 val)
{
    lapic_mmio_write(b->lapic, reg, 4, val);
}

static inline u32 board_ioapic(struct board *b, u32 reg)
{
    bus_write(&b->rig.mmio, IOAPIC_BASE, 4, reg);
    return (u32)bus_read(&b->rig.mmio, IOAPIC_BASE + 0x10, 4);
}

static inline void board_ioapic_write(struct board *b, u32 reg, u32 val)
{
    bus_write(&b->rig.mmio, IOAPIC_BASE, 4, reg);
    bus_write(&b->rig.mmio, IOAPIC_BASE + 0x10, 4, val);
}
