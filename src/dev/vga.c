/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VGA core (IBM Video Subsystem, PS/2 Hardware Interface Technical Reference, 1992): ports
 * 3B0h-3DFh, and this object's life. The window at A0000h is vga_mem.c's; the picture is
 * vga_draw.c's, vga_params.c's and vga_render.c's.
 *
 * The status registers follow the virtual clock and the CRTC's timings; there is no interrupt at
 * retrace. Left out: the light pen, the sense of the monitor's switches (always one).
 * Under the machine's lock.
 */
#include "dev/vga_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DAC_READING 0u /* the two states that 3C7h reads */
#define DAC_WRITING 3u

#define ISR_SENSE    0x10u
#define ISR_DISABLED 0x01u
#define ISR_RETRACE  0x08u

/* What each register keeps. */
static const u8 seq_mask[VGA_STD_SEQ] = {0x03, 0x3d, 0x0f, 0x3f, 0x0e};
static const u8 gfx_mask[VGA_STD_GFX] = {0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff};
static const u8 attr_mask[VGA_ATTR_REGS] = {0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f,
                                            0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f,
                                            0x3f, 0x3f, 0xef, 0xff, 0x3f, 0x0f, 0x0f};

static u8 seq_read(struct vga *vga)
{
    u8 index = vga->seq_index;

    if (vga->chip && vga->chip->seq_read)
        return vga->chip->seq_read(vga->opaque, index);
    return index < VGA_STD_SEQ ? vga->seq[index] : 0xff;
}

static void seq_write(struct vga *vga, u8 val)
{
    u8 index = vga->seq_index;

    if (index < VGA_STD_SEQ)
        vga->seq[index] = val & seq_mask[index];
    else if (vga->chip && vga->chip->seq_write)
        vga->chip->seq_write(vga->opaque, index, val);
    vga_remap(vga);
}

static u8 gfx_read(struct vga *vga)
{
    u8 index = vga->gfx_index;

    if (vga->chip && vga->chip->gfx_read)
        return vga->chip->gfx_read(vga->opaque, index);
    return index < VGA_STD_GFX ? vga->gfx[index] : 0xff;
}

static void gfx_write(struct vga *vga, u8 val)
{
    u8 index = vga->gfx_index;

    if (index < VGA_STD_GFX)
        vga->gfx[index] = val & gfx_mask[index];
    if (vga->chip && vga->chip->gfx_write)
        vga->chip->gfx_write(vga->opaque, index, val);
    vga_remap(vga);
}

static u8 crtc_read(struct vga *vga)
{
    u8 index = vga->crtc_index;

    if (index >= VGA_STD_CRTC && vga->chip && vga->chip->crtc_read)
        return vga->chip->crtc_read(vga->opaque, index);
    return index < VGA_STD_CRTC ? vga->crtc[index] : 0xff;
}

/* Of the registers that are protected, only bit 8 of the line compare stays writable. */
static void crtc_write(struct vga *vga, u8 val)
{
    u8 index = vga->crtc_index;

    if (index >= VGA_STD_CRTC) {
        if (vga->chip && vga->chip->crtc_write)
            vga->chip->crtc_write(vga->opaque, index, val);
        return;
    }
    if (index <= CRTC_OVERFLOW && vga->crtc[CRTC_VRETRACE_END] & CRTC_PROTECT) {
        if (index == CRTC_OVERFLOW)
            vga->crtc[index] = (u8)((vga->crtc[index] & ~0x10) | (val & 0x10));
        return;
    }
    vga->crtc[index] = val;
}

static void attr_write(struct vga *vga, u8 val)
{
    u8 index = vga->attr_index & 0x1f;

    if (vga->attr_data) {
        if (index < VGA_ATTR_REGS)
            vga->attr[index] = val & attr_mask[index];
    } else {
        vga->attr_index = val & 0x3f;
    }
    vga->attr_data = !vga->attr_data;
}

static u8 attr_read(struct vga *vga)
{
    u8 index = vga->attr_index & 0x1f;

    return index < VGA_ATTR_REGS ? vga->attr[index] : 0;
}

static u8 dac_data_read(struct vga *vga)
{
    u8 val = vga->dac[vga->dac_read_index * 3 + vga->dac_component];

    if (++vga->dac_component == 3) {
        vga->dac_component = 0;
        vga->dac_read_index++;
    }
    return val;
}

static void dac_data_write(struct vga *vga, u8 val)
{
    vga->dac[vga->dac_write_index * 3 + vga->dac_component] = vga->dac_8bit ? val : val & 0x3f;
    if (++vga->dac_component == 3) {
        vga->dac_component = 0;
        vga->dac_write_index++;
    }
}

static u8 dac_read(struct vga *vga, u16 port)
{
    u8 val;

    if (vga->chip && vga->chip->dac_read && vga->chip->dac_read(vga->opaque, port, &val))
        return val;
    switch (port) {
    case 0x3c6:
        return vga->dac_mask;
    case 0x3c7:
        return vga->dac_state;
    case 0x3c8:
        return vga->dac_write_index;
    default:
        return dac_data_read(vga);
    }
}

static void dac_write(struct vga *vga, u16 port, u8 val)
{
    if (vga->chip && vga->chip->dac_write && vga->chip->dac_write(vga->opaque, port, val))
        return;
    switch (port) {
    case 0x3c6:
        vga->dac_mask = val;
        break;
    case 0x3c7:
        vga->dac_read_index = val;
        vga->dac_component = 0;
        vga->dac_state = DAC_WRITING;
        break;
    case 0x3c8:
        vga->dac_write_index = val;
        vga->dac_component = 0;
        vga->dac_state = DAC_READING;
        break;
    default:
        dac_data_write(vga, val);
    }
}

/* The vertical numbers have their ninth and tenth bits in the overflow register. */
static u32 vertical(const struct vga *vga, unsigned reg, unsigned bit8, unsigned bit9)
{
    u8 over = vga->crtc[CRTC_OVERFLOW];

    return vga->crtc[reg] | (over >> bit8 & 1u) << 8 | (over >> bit9 & 1u) << 9;
}

/* Display enable and vertical retrace at this moment. */
static u8 beam(const struct vga *vga)
{
    u64 hz = vga->misc & MISC_CLOCK_28 ? 28322000 : 25175000;
    u32 dots = vga->seq[SEQ_CLOCKING] & CLOCKING_8DOT ? 8 : 9;
    u32 htotal = vga->crtc[CRTC_HTOTAL] + 5u, vtotal = vertical(vga, CRTC_VTOTAL, 0, 5) + 2;
    u32 hend = vga->crtc[CRTC_HDISP_END] + 1u, vend = vertical(vga, CRTC_VDISP_END, 1, 6) + 1;
    u32 vr = vertical(vga, CRTC_VRETRACE, 2, 7);
    u32 vlen = (vga->crtc[CRTC_VRETRACE_END] - vr) & 15;
    u64 line_ns, t;
    u32 line, column;

    if (vga->seq[SEQ_CLOCKING] & CLOCKING_HALF)
        hz /= 2;
    if (vend + 3 > vtotal || vr >= vtotal) { /* not a picture that a monitor would show */
        vend = 400, vr = 412, vlen = 2, vtotal = 449, htotal = 100, hend = 80;
    }
    line_ns = (u64)htotal * dots * NSEC_PER_SEC / hz;
    t = clock_now(vga->clk) % (line_ns * vtotal);
    line = (u32)(t / line_ns);
    column = (u32)(t % line_ns * htotal / line_ns);
    return (u8)((line - vr < (vlen ? vlen : 16) ? ISR_RETRACE : 0) |
                (line >= vend || column >= hend ? ISR_DISABLED : 0));
}

static u8 status_read(struct vga *vga)
{
    vga->attr_data = false;
    return beam(vga);
}

/* The CRTC and its neighbours answer at 3Bxh or 3Dxh. */
static bool is_elsewhere(const struct vga *vga, u16 port)
{
    u16 block = port & 0xff0;

    return block != 0x3c0 && (block == 0x3d0) != (vga->misc & MISC_COLOUR);
}

u8 vga_port_read(struct vga *vga, u16 port)
{
    if (is_elsewhere(vga, port))
        return 0xff;
    switch (port >= 0x3d0 ? port - 0x20 : port) {
    case 0x3b4:
        return vga->crtc_index;
    case 0x3b5:
        return crtc_read(vga);
    case 0x3ba:
        return status_read(vga);
    case 0x3c0:
        return vga->attr_index;
    case 0x3c1:
        return attr_read(vga);
    case 0x3c2:
        return ISR_SENSE;
    case 0x3c3:
        return 1; /* enabled */
    case 0x3c4:
        return vga->seq_index;
    case 0x3c5:
        return seq_read(vga);
    case 0x3c6:
    case 0x3c7:
    case 0x3c8:
    case 0x3c9:
        return dac_read(vga, port);
    case 0x3ca:
        return vga->feature;
    case 0x3cc:
        return vga->misc;
    case 0x3ce:
        return vga->gfx_index;
    case 0x3cf:
        return gfx_read(vga);
    default:
        return 0xff;
    }
}

void vga_port_write(struct vga *vga, u16 port, u8 val)
{
    if (is_elsewhere(vga, port))
        return;
    switch (port >= 0x3d0 ? port - 0x20 : port) {
    case 0x3b4:
        vga->crtc_index = val & (VGA_CRTC_REGS - 1);
        break;
    case 0x3b5:
        crtc_write(vga, val);
        break;
    case 0x3ba:
        vga->feature = val & 0x10;
        break;
    case 0x3c0:
        attr_write(vga, val);
        break;
    case 0x3c2:
        vga->misc = val & 0xef;
        vga_remap(vga);
        break;
    case 0x3c4:
        vga->seq_index = val;
        break;
    case 0x3c5:
        seq_write(vga, val);
        break;
    case 0x3c6:
    case 0x3c7:
    case 0x3c8:
    case 0x3c9:
        dac_write(vga, port, val);
        break;
    case 0x3ce:
        vga->gfx_index = val & (VGA_GFX_REGS - 1);
        break;
    case 0x3cf:
        gfx_write(vga, val);
        break;
    default:
        break;
    }
}

static u64 mono_read(void *dev, u64 off, unsigned size)
{
    return vga_port_read(dev, (u16)(0x3b0 + off));
}

static void mono_write(void *dev, u64 off, unsigned size, u64 val)
{
    vga_port_write(dev, (u16)(0x3b0 + off), (u8)val);
}

static u64 colour_read(void *dev, u64 off, unsigned size)
{
    return vga_port_read(dev, (u16)(0x3c0 + off));
}

static void colour_write(void *dev, u64 off, unsigned size, u64 val)
{
    vga_port_write(dev, (u16)(0x3c0 + off), (u8)val);
}

static const struct bus_ops mono_ops = {.read = mono_read, .write = mono_write, .max_size = 1};
static const struct bus_ops colour_ops = {
    .read = colour_read, .write = colour_write, .max_size = 1};

/* The registers have no defined state at power-on: zero but for the palette mask; the BIOS sets
   them all. */
void vga_reset(struct vga *vga)
{
    memset(&vga->misc, 0, offsetof(struct vga, path) - offsetof(struct vga, misc));
    vga->misc = MISC_COLOUR | MISC_RAM_ENABLE;
    vga->dac_mask = 0xff;
    vga_remap(vga);
}

int vga_init(struct vga *vga, const struct vga_config *cfg)
{
    struct vga_shadow *sh = &vga->shadow;
    int rc;

    *vga = (struct vga){.pio = cfg->pio,
                        .mmio = cfg->mmio,
                        .clk = cfg->clk,
                        .window = cfg->window,
                        .vram = mem_window_host(cfg->window),
                        .vram_size = (u32)cfg->window->size,
                        .chip = cfg->chip,
                        .opaque = cfg->opaque,
                        .display = {.ops = &vga_display_ops, .opaque = vga}};
    BUG_ON(vga->vram_size < 256 * KiB || vga->vram_size & (vga->vram_size - 1));
    sh->line = calloc(SURFACE_MAX + 64, sizeof(*sh->line));
    sh->raw = calloc(SURFACE_MAX + 64, 4);
    sh->params = calloc(1, sizeof(*sh->params));
    sh->fonts = calloc(2, VGA_FONT_SIZE);
    sh->overlaid = calloc(SURFACE_MAX, 1);
    if (!sh->line || !sh->raw || !sh->params || !sh->fonts || !sh->overlaid)
        return -ENOMEM;
    vga_reset(vga);
    rc = bus_claim(vga->pio, 0x3b0, 0x3bb, &mono_ops, vga, "vga"); /* 3BCh is a printer port */
    if (!rc)
        rc = bus_claim(vga->pio, 0x3c0, 0x3df, &colour_ops, vga, "vga");
    if (!rc)
        rc = bus_claim(vga->mmio, VGA_WINDOW, VGA_WINDOW + VGA_WINDOW_SIZE - 1,
                       cfg->window_ops ? cfg->window_ops : &vga_window_ops,
                       cfg->window_ops ? cfg->opaque : vga, "vga");
    return rc;
}

void vga_dispose(struct vga *vga)
{
    if (!vga->pio)
        return;
    bus_release(vga->pio, vga);
    bus_release(vga->mmio, vga);
    bus_release(vga->mmio, vga->opaque);
    surface_dispose(&vga->display.surface);
    free(vga->shadow.bytes);
    free(vga->shadow.line);
    free(vga->shadow.raw);
    free(vga->shadow.overlaid);
    free(vga->shadow.params);
    free(vga->shadow.fonts);
}

static u8 *saved_memory(void *obj, u64 *len)
{
    const struct vga *vga = obj;

    *len = vga->vram_size;
    return vga->vram;
}

const struct state_field vga_fields[] = {
    STATE_UINT(struct vga, misc),
    STATE_UINT(struct vga, feature),
    STATE_UINT(struct vga, seq_index),
    STATE_UINT(struct vga, gfx_index),
    STATE_UINT(struct vga, crtc_index),
    STATE_UINT(struct vga, attr_index),
    STATE_ARRAY(struct vga, seq),
    STATE_ARRAY(struct vga, gfx),
    STATE_ARRAY(struct vga, crtc),
    STATE_ARRAY(struct vga, attr),
    STATE_BOOL(struct vga, attr_data),
    STATE_UINT(struct vga, dac_mask),
    STATE_UINT(struct vga, dac_read_index),
    STATE_UINT(struct vga, dac_write_index),
    STATE_UINT(struct vga, dac_component),
    STATE_UINT(struct vga, dac_state),
    STATE_ARRAY(struct vga, dac),
    STATE_BOOL(struct vga, dac_8bit),
    STATE_ARRAY(struct vga, latch),
    STATE_PAGES("vram", saved_memory, 2),
    STATE_END,
};

int vga_loaded(struct vga *vga)
{
    if (vga->gfx_index >= VGA_GFX_REGS || vga->crtc_index >= VGA_CRTC_REGS ||
        vga->dac_component > 2)
        return -EINVAL;
    vga->shadow.params->kind = UINT32_MAX; /* draw all of it */
    mem_window_written(vga->window, 0, vga->vram_size);
    vga_remap(vga);
    return 0;
}
