/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operations on a graphics adapter at DEVFN: ports, window, bars, configuration, pictures, and
   state that was saved and then spoiled. */
#pragma once
#include "../unit/dev/vga_rig.h"
#include "base/state.h"
#include "dev_input.h"
#include "guest_memory.h"

#include <string.h>

#define FUZZ_DEVFN PCI_DEVFN(2, 0)
#define FUZZ_BAR0  0xe0000000u
#define FUZZ_REGS  0xf0000000u

struct vga_target {
    struct vga_rig rig;
    struct display *display;
    const struct state_table *table;
    void *dev;
    void (*reset)(void *dev);
    u64 vram;
    u8 regs_bar;
    unsigned drawn;
};

#define FUZZ_DRAWS 3u /* of an input: one can take as long as a thousand other operations */

static inline void fuzz_map_bars(struct vga_target *t)
{
    pci_config_write(t->rig.pci, FUZZ_DEVFN, PCI_BAR0, 4, FUZZ_BAR0);
    pci_config_write(t->rig.pci, FUZZ_DEVFN, PCI_BAR0 + 4u * t->regs_bar, 4, FUZZ_REGS);
    pci_config_write(t->rig.pci, FUZZ_DEVFN, PCI_COMMAND, 2, 7);
}

/* A store through whatever is there, as a CPU does it. */
static inline void fuzz_store(struct vga_target *t, gpa_t gpa, u64 val)
{
    u8 *host = mem_ptr(t->rig.mem, gpa);

    if (host && (gpa & 4095) <= 4088)
        memcpy(host, &val, 8);
    else
        bus_write(&t->rig.rig.mmio, gpa, 8, val);
}

static inline void fuzz_draw(struct vga_target *t)
{
    static struct text_screen text;
    const struct surface *s = &t->display->surface;
    struct surface_rect rect;
    u64 before = s->serial;

    if (display_refresh(t->display))
        BUG_ON(s->pixels);
    for (u32 at = 0; surface_next_changed(s, before, &at, &rect);)
        BUG_ON(!rect.w || !rect.h || rect.x + rect.w > s->width || rect.y + rect.h > s->height);
    if (display_text(t->display, &text))
        BUG_ON(text.cols * text.rows > TEXT_CELLS ||
               (text.cursor && (text.cursor_x >= text.cols || text.cursor_y >= text.rows)));
}

/* Bytes of a saved state changed, then loaded: it is refused, or the device must stand it. */
static inline void fuzz_state(struct vga_target *t, struct input *in)
{
    struct state_stream st = {0};
    struct err err;

    BUG_ON(state_save(&st, t->table, t->dev));
    for (u64 n = input_take(in, 1) & 7; n; n--)
        st.data[input_take(in, 2) % st.len] = (u8)input_take(in, 1);
    if (state_load(&st, t->table, t->dev, &err)) {
        t->reset(t->dev);
        fuzz_map_bars(t);
    }
    state_dispose(&st);
}

static inline void fuzz_one(struct vga_target *t, struct input *in)
{
    struct rig *rig = &t->rig.rig;
    u8 op = (u8)input_take(in, 1);

    switch (op >> 4) {
    case 0:
    case 1:
    case 2: /* an indexed register */
        set_indexed(rig, (const u16[]){0x3c4, 0x3ce, 0x3d4}[op >> 4], (u8)input_take(in, 1),
                    (u8)input_take(in, 1));
        break;
    case 3:
        input_access(in, &rig->pio, op, 0x3b0, 0x30);
        break;
    case 4:
        set_attr(rig, op & 15 ? (u8)input_take(in, 1) & 31 : 0x10, (u8)input_take(in, 1));
        break;
    case 5:
    case 6:
        input_access(in, &rig->mmio, op, 0xa0000, 0x20000);
        break;
    case 7:
        input_access(in, &rig->mmio, op, FUZZ_REGS, 0x800);
        break;
    case 8:
        fuzz_store(t, FUZZ_BAR0 + input_take(in, 3) % t->vram, input_take(in, 8));
        break;
    case 9:
        fuzz_store(t, FUZZ_BAR0 + (input_take(in, 4) & 0x1ffffff), input_take(in, 8));
        break;
    case 10:
        input_access(in, &rig->pio, op, 0x1ce, 3);
        break;
    case 11:
        bus_write(&rig->pio, 0x1ce, 2, op & 15);
        bus_write(&rig->pio, 0x1cf, 2, input_take(in, 2));
        break;
    case 12:
        input_advance(in, rig->clk);
        break;
    case 13:
        fuzz_state(t, in);
        break;
    case 14:
        if (op & 8)
            set_mode(rig, (const struct vga_mode *[]){&mode_03, &mode_04, &mode_06, &mode_12,
                                                      &mode_13}[(op & 7) % 5]);
        else
            pci_config_write(t->rig.pci, FUZZ_DEVFN, (u8)input_take(in, 1) & 0xfc, 4,
                             (u32)input_take(in, 4));
        break;
    default:
        if (t->drawn++ < FUZZ_DRAWS)
            fuzz_draw(t);
    }
}
