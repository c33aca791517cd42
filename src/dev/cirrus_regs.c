/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CL-GD5446's own registers among the sequencer's, the graphics controller's and the CRTC's,
 * the hidden register of its palette DAC, the bits it adds to VGA modes. The clock synthesizer,
 * the EEPROM and DDC pins are registers without effect.
 */
#include "dev/cirrus_priv.h"

#include <string.h>

#define KEY           0x12u /* opens the extended registers; they are open to reads anyway */
#define KEY_BITS      0x17u
#define LOCKED        0x0fu
#define DDC_IDLE      0x84u /* SDA and SCL read as high */
#define CONFIG_PCI    0x20u
#define CONFIG_FIXED  0x38u
#define DRAM_DEFAULT  0x18u /* 64 bits wide */
#define DRAM_TWO      0x80u /* … and two banks: 4 MiB */
#define HIDDEN_UNLOCK 4u    /* reads of 3C6h before it shows */

static u8 seq_read(void *opaque, u8 raw)
{
    struct cirrus *dev = opaque;
    u8 index = raw & 0x1f;

    switch (index) {
    case SR_DDC:
        return (u8)(dev->vga.seq[index] | DDC_IDLE);
    case SR_CURSOR_X:
        return (u8)(dev->cursor_x >> 3);
    case SR_CURSOR_Y:
        return (u8)(dev->cursor_y >> 3);
    default:
        return dev->vga.seq[index];
    }
}

static void seq_write(void *opaque, u8 raw, u8 val)
{
    struct cirrus *dev = opaque;
    u8 index = raw & 0x1f, *seq = dev->vga.seq;

    switch (index) {
    case SR_UNLOCK:
        seq[index] = (val & KEY_BITS) == KEY ? KEY : LOCKED;
        break;
    case SR_CURSOR_X: /* the low bits are in the index that was written */
        dev->cursor_x = (u16)(val << 3 | raw >> 5);
        break;
    case SR_CURSOR_Y:
        dev->cursor_y = (u16)(val << 3 | raw >> 5);
        break;
    case SR_CONFIG:
        seq[index] = (u8)((seq[index] & CONFIG_FIXED) | (val & ~CONFIG_FIXED));
        break;
    default:
        seq[index] = val; /* the VGA's own do not come here */
    }
    cirrus_map(dev);
}

static u8 gfx_read(void *opaque, u8 index)
{
    struct cirrus *dev = opaque;

    return index < 0x3a ? dev->vga.gfx[index] : 0xff;
}

static bool is_blt_address_high(u8 index)
{
    return index == GR_BLT_DST_HIGH || index == GR_BLT_SRC + 2;
}

/* After the VGA has taken what it knows of it. Bits that the blitter does not have read as 0. */
void cirrus_gfx_write(void *opaque, u8 index, u8 val)
{
    struct cirrus *dev = opaque;
    u8 *gfx = dev->vga.gfx;

    switch (index) {
    case GR_BG0:
    case GR_FG0: /* eight bits in write modes 4 and 5; the VGA looks at four */
        gfx[index] = val;
        break;
    case GR_MODE:
        gfx[index] = val & 0x7f;
        break;
    case GR_BLT_WIDTH + 1:
    case GR_BLT_DST_PITCH + 1:
    case GR_BLT_SRC_PITCH + 1:
        gfx[index] = val & 0x1f;
        break;
    case GR_BLT_HEIGHT + 1:
        gfx[index] = val & 0x07;
        break;
    case GR_BLT_STATUS:
        cirrus_blt_status(dev, val);
        break;
    default:
        if (index >= VGA_STD_GFX)
            gfx[index] = is_blt_address_high(index) ? val & 0x3f : val;
    }
    if (index == GR_BLT_DST_HIGH && gfx[GR_BLT_STATUS] & BSTAT_AUTO && !dev->blt.height)
        cirrus_blt_start(dev);
    cirrus_map(dev);
}

static u8 crtc_read(void *opaque, u8 index)
{
    struct cirrus *dev = opaque;

    switch (index) {
    case CR_ATTR_TOGGLE:
        return dev->vga.attr_data ? 0x80 : 0;
    case CR_ATTR_INDEX:
        return dev->vga.attr_index;
    case CR_ID:
        return CRID_GD5446;
    default:
        return index < 0x20 ? dev->vga.crtc[index] : 0xff;
    }
}

static void crtc_write(void *opaque, u8 index, u8 val)
{
    struct cirrus *dev = opaque;

    if (index < 0x20)
        dev->vga.crtc[index] = val;
}

/* The four reads of 3C6h that open the hidden register see the mask. */
static bool mask_read(struct cirrus *dev, u8 *val)
{
    if (dev->hidden_count < HIDDEN_UNLOCK) {
        dev->hidden_count++;
        return false;
    }
    dev->hidden_count = 0;
    *val = dev->hidden_dac;
    return true;
}

/* The cursor's palette takes the place of the DAC's while SR12 says so. */
static u8 *cursor_component(struct cirrus *dev)
{
    u8 *c = &dev->cursor_dac[dev->cursor_index * 3 + dev->cursor_component];

    if (++dev->cursor_component == 3) {
        dev->cursor_component = 0;
        dev->cursor_index = (dev->cursor_index + 1) & 15;
    }
    return c;
}

static bool uses_cursor_palette(const struct cirrus *dev)
{
    return dev->vga.seq[SR_CURSOR] & CURSOR_PALETTE;
}

static bool dac_read(void *opaque, u16 port, u8 *val)
{
    struct cirrus *dev = opaque;

    if (port == 0x3c6)
        return mask_read(dev, val);
    dev->hidden_count = 0;
    if (port != 0x3c9 || !uses_cursor_palette(dev))
        return false;
    *val = *cursor_component(dev);
    return true;
}

static bool dac_write(void *opaque, u16 port, u8 val)
{
    struct cirrus *dev = opaque;
    bool hidden = dev->hidden_count == HIDDEN_UNLOCK;

    dev->hidden_count = 0;
    if (port == 0x3c6 && hidden) {
        dev->hidden_dac = val;
        return true;
    }
    if (port == 0x3c7 || port == 0x3c8) {
        dev->cursor_index = val & 15;
        dev->cursor_component = 0;
    }
    if (port != 0x3c9 || !uses_cursor_palette(dev))
        return false;
    *cursor_component(dev) = val & 0x3f;
    return true;
}

u32 cirrus_bank(const struct cirrus *dev, unsigned n, u32 *limit)
{
    const u8 *gfx = dev->vga.gfx;
    bool dual = gfx[GR_EXTENSION] & GEXT_DUAL;
    u32 offset = gfx[dual && n ? GR_OFFSET1 : GR_OFFSET0];

    offset <<= gfx[GR_EXTENSION] & GEXT_UNITS_16K ? 14 : 12;
    if (!dual && n)
        offset += 0x8000;
    *limit = offset < dev->vga.vram_size ? dev->vga.vram_size - offset : 0;
    return offset;
}

/* Packed pixels have handlers of their own; the planes are banked by the first offset. */
static bool bank(void *opaque, u32 *base)
{
    u32 limit;

    *base = cirrus_bank(opaque, 0, &limit);
    return false;
}

static bool extend(void *opaque, u32 *start, u32 *offset)
{
    const struct cirrus *dev = opaque;
    u8 ext = dev->vga.crtc[CR_EXTENDED];

    *start |= (ext & 0x01u) << 16 | (ext & 0x0cu) << 15 | (dev->vga.crtc[CR_OVERLAY] & 0x80u) << 12;
    *offset += (ext & 0x10u) << 5;
    return ext & 0x02;
}

const struct vga_chip cirrus_chip = {
    .seq_read = seq_read,
    .seq_write = seq_write,
    .gfx_read = gfx_read,
    .gfx_write = cirrus_gfx_write,
    .crtc_read = crtc_read,
    .crtc_write = crtc_write,
    .dac_read = dac_read,
    .dac_write = dac_write,
    .linear = cirrus_linear,
    .extend = extend,
    .overlay = cirrus_overlay,
    .bank = bank,
};

void cirrus_regs_reset(struct cirrus *dev)
{
    u8 *seq = dev->vga.seq;

    dev->hidden_dac = dev->hidden_count = 0;
    memset(dev->cursor_dac, 0, sizeof(dev->cursor_dac));
    dev->cursor_index = dev->cursor_component = 0;
    dev->cursor_x = dev->cursor_y = 0;
    memset(&dev->blt, 0, sizeof(dev->blt));
    seq[SR_UNLOCK] = LOCKED;
    seq[SR_DRAM] = DRAM_DEFAULT | (dev->vga.vram_size == 4 * MiB ? DRAM_TWO : 0);
    seq[SR_MEMORY_SIZE] = dev->vga.vram_size == 4 * MiB ? 4 : dev->vga.vram_size == 2 * MiB ? 3 : 2;
    seq[SR_CONFIG] = CONFIG_PCI;
    seq[SR_MCLK] = 0x22;
}
