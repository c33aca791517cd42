/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VGA core that graphics adapters embed: ports 3B0h-3DFh, the window at A0000h-BFFFFh, drawing.
 * An adapter adds registers of its own through struct vga_chip. See vga.c.
 */
#pragma once
#include "base/state.h"
#include "bus/bus.h"
#include "bus/clock.h"
#include "mem/mem.h"
#include "ui/surface.h"

#define VGA_WINDOW      0xa0000u
#define VGA_WINDOW_SIZE 0x20000u

#define VGA_SEQ_REGS  32u
#define VGA_GFX_REGS  64u
#define VGA_CRTC_REGS 64u
#define VGA_ATTR_REGS 21u
#define VGA_STD_SEQ   5u /* what the VGA itself has of them */
#define VGA_STD_GFX   9u
#define VGA_STD_CRTC  25u

/* A picture in packed pixels, as adapters show it beyond the VGA's modes. */
struct vga_linear {
    u32 width, height;
    u32 start; /* byte address of the first pixel */
    u32 pitch; /* bytes from line to line */
    u32 x;     /* first pixel of each line that is shown, for 4 bits a pixel */
    u8 bpp;    /* 4: planes of the VGA; 8, 15, 16, 24, 32 */
    bool double_lines;
};

struct vga_params;
struct vga;

/* What an adapter adds; each may be NULL. Registers beyond the VGA's read as FFh without it. The
   sequencer's index comes as written, the others without what is beyond VGA_*_REGS. */
struct vga_chip {
    u8 (*seq_read)(void *opaque, u8 index);
    void (*seq_write)(void *opaque, u8 index, u8 val);
    u8 (*gfx_read)(void *opaque, u8 index);
    void (*gfx_write)(void *opaque, u8 index, u8 val);
    u8 (*crtc_read)(void *opaque, u8 index);
    void (*crtc_write)(void *opaque, u8 index, u8 val);
    /* Before the VGA answers 3C6h-3C9h; true: the adapter has dealt with it. */
    bool (*dac_read)(void *opaque, u16 port, u8 *val);
    bool (*dac_write)(void *opaque, u16 port, u8 val);
    /* True if the picture is packed pixels now. */
    bool (*linear)(void *opaque, struct vga_linear *out);
    /* The start address and the offset of VGA modes, with the adapter's further bits; true if
       addresses then do not go around at 64 KiB of each plane. */
    bool (*extend)(void *opaque, u32 *start, u32 *offset);
    /* Draws on line y of the picture, a cursor for one; false: nothing there. line NULL only asks.
     */
    bool (*overlay)(void *opaque, u32 y, u32 *line, u32 width);
    /* True while the window at A0000h is packed memory from byte *base on (64 KiB); otherwise
     *base is added to addresses in the planes. */
    bool (*bank)(void *opaque, u32 *base);
};

/* How the CPU's window works just now, by the registers; see vga_mem.c. */
enum vga_path { VGA_PATH_OFF, VGA_PATH_PACKED, VGA_PATH_TEXT, VGA_PATH_PLANAR };

struct vga_shadow { /* what was drawn last, to draw only what changed */
    u8 *bytes;      /* the display memory behind each line */
    size_t size;    /* of bytes */
    u8 *overlaid;   /* lines that the overlay was drawn on */
    u8 *fonts;      /* the two fonts in use, 8 KiB each */
    struct vga_params *params;
    u8 *raw;   /* for one line that is not contiguous in display memory */
    u32 *line; /* for one line of pixels */
};

struct vga {
    struct bus *pio, *mmio;
    struct clock *clk;
    struct mem_window *window;
    u8 *vram;
    u32 vram_size; /* a power of two, 256 KiB at least */
    const struct vga_chip *chip;
    void *opaque;
    struct display display;

    u8 misc, feature;
    u8 seq_index; /* as written */
    u8 gfx_index, crtc_index;
    u8 attr_index; /* with PAS, bit 5 */
    u8 seq[VGA_SEQ_REGS], gfx[VGA_GFX_REGS], crtc[VGA_CRTC_REGS], attr[VGA_ATTR_REGS];
    bool attr_data; /* the flip-flop: 3C0h takes data next */
    u8 dac_mask, dac_read_index, dac_write_index, dac_component, dac_state;
    u8 dac[256 * 3]; /* as written: 6 bits, or 8 with dac_8bit */
    bool dac_8bit;
    u8 latch[4];

    /* Derived from the registers by vga_remap. */
    enum vga_path path;
    u32 base, span; /* of the window within A0000h-BFFFFh */
    u32 bank;       /* byte of display memory at its start */

    struct vga_shadow shadow;
};

struct vga_config {
    struct bus *pio, *mmio;
    struct clock *clk;
    struct mem_window *window; /* display memory */
    const struct vga_chip *chip;
    void *opaque; /* of chip */
    /* The claim of A0000h-BFFFFh; NULL: vga_window_ops on the core. */
    const struct bus_ops *window_ops;
};

/* Claims ports and window. -ENOMEM, -EEXIST. vga is then disposed of by vga_dispose, also if this
   failed. */
must_check int vga_init(struct vga *vga, const struct vga_config *cfg);
void vga_dispose(struct vga *vga);
void vga_reset(struct vga *vga);

/* Ports 3B0h-3DFh, also for adapters that show them elsewhere. */
u8 vga_port_read(struct vga *vga, u16 port);
void vga_port_write(struct vga *vga, u16 port, u8 val);

/* The window, by the offset from A0000h. */
extern const struct bus_ops vga_window_ops;
u8 vga_planar_read(struct vga *vga, u32 addr); /* addr: offset in a plane's 64 KiB or beyond */
void vga_planar_write(struct vga *vga, u32 addr, u8 val);
/* After registers changed that the window depends on. */
void vga_remap(struct vga *vga);
/* After the device has written to display memory itself. */
void vga_written(struct vga *vga, u32 addr, u32 len);

/* For struct display_ops. */
int vga_refresh(void *opaque, struct surface *s);
bool vga_text(void *opaque, struct text_screen *t);
extern const struct display_ops vga_display_ops;

extern const struct state_field vga_fields[];
must_check int vga_loaded(struct vga *vga);
