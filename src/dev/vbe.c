/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Bochs display interface, version B0C5h (Bochs' VBE extension, "VBE DISPI"): packed pixels of
 * any size behind an index and a data register. What a driver asks for is cut down to what there
 * is: sizes to the limits and to display memory, widths to multiples of 8, unknown depths to 8.
 * Under the machine's lock.
 */
#include "dev/vbe.h"

#include <errno.h>
#include <string.h>

enum {
    VBE_ID,
    VBE_XRES,
    VBE_YRES,
    VBE_BPP,
    VBE_ENABLE,
    VBE_BANK,
    VBE_VIRT_WIDTH,
    VBE_VIRT_HEIGHT,
    VBE_X_OFFSET,
    VBE_Y_OFFSET,
    VBE_MEMORY, /* in 64 KiB */
};

#define VBE_ID_FIRST 0xb0c0u
#define VBE_ID_LAST  0xb0c5u

#define ENABLE_ON       0x01u
#define ENABLE_GETCAPS  0x02u
#define ENABLE_8BIT_DAC 0x20u
#define ENABLE_LINEAR   0x40u
#define ENABLE_NO_CLEAR 0x80u
#define ENABLE_WRITABLE (ENABLE_ON | ENABLE_GETCAPS | ENABLE_8BIT_DAC | ENABLE_LINEAR | 0x80u)

#define MAX_XRES 16000u
#define MAX_YRES 12000u
#define MAX_BPP  32u

#define PORT_INDEX 0u /* at 1CEh; the data register answers at the next two ports */

static bool is_on(const struct vbe *vbe)
{
    return vbe->reg[VBE_ENABLE] & ENABLE_ON;
}

static u32 bits_per_pixel(const struct vbe *vbe)
{
    return vbe->reg[VBE_BPP] == 15 ? 16 : vbe->reg[VBE_BPP];
}

static u32 pitch(const struct vbe *vbe)
{
    return vbe->reg[VBE_VIRT_WIDTH] * bits_per_pixel(vbe) / 8;
}

/* Bytes before the first pixel shown, by whole groups of eight pixels in planes. */
static u64 start(const struct vbe *vbe)
{
    u32 x = vbe->reg[VBE_X_OFFSET];

    if (vbe->reg[VBE_BPP] == 4)
        x &= ~7u;
    return (u64)vbe->reg[VBE_Y_OFFSET] * pitch(vbe) + x * bits_per_pixel(vbe) / 8;
}

static u16 at_most(u16 val, u64 most)
{
    return val < most ? val : (u16)most;
}

static bool depth_is_known(u16 bpp)
{
    return bpp == 4 || bpp == 8 || bpp == 15 || bpp == 16 || bpp == 24 || bpp == 32;
}

static bool fits(const struct vbe *vbe)
{
    return start(vbe) + (u64)vbe->reg[VBE_YRES] * pitch(vbe) <= vbe->vga->vram_size;
}

/* Makes the registers a picture that lies within display memory. */
static void cut_down(struct vbe *vbe)
{
    u16 *r = vbe->reg;
    u32 bytes = vbe->vga->vram_size;

    if (!depth_is_known(r[VBE_BPP]))
        r[VBE_BPP] = 8;
    r[VBE_XRES] = at_most(r[VBE_XRES] & 0xfff8, MAX_XRES);
    if (!r[VBE_XRES])
        r[VBE_XRES] = 8;
    r[VBE_VIRT_WIDTH] = at_most(r[VBE_VIRT_WIDTH] & 0xfff8, MAX_XRES);
    if (r[VBE_VIRT_WIDTH] < r[VBE_XRES])
        r[VBE_VIRT_WIDTH] = r[VBE_XRES];
    r[VBE_YRES] = at_most(r[VBE_YRES], min_u64(MAX_YRES, bytes / pitch(vbe)));
    if (!r[VBE_YRES])
        r[VBE_YRES] = 1;
    r[VBE_VIRT_HEIGHT] = (u16)min_u64(0xffff, bytes / pitch(vbe));
    if (!fits(vbe))
        r[VBE_Y_OFFSET] = 0;
    if (!fits(vbe))
        r[VBE_X_OFFSET] = 0;
}

static void write_enable(struct vbe *vbe, u16 val)
{
    bool turns_on = val & ENABLE_ON && !is_on(vbe);

    vbe->reg[VBE_ENABLE] = val & ENABLE_WRITABLE;
    vbe->reg[VBE_BANK] = 0;
    vbe->vga->dac_8bit = val & ENABLE_8BIT_DAC;
    if (!turns_on)
        return;
    vbe->reg[VBE_VIRT_WIDTH] = vbe->reg[VBE_X_OFFSET] = vbe->reg[VBE_Y_OFFSET] = 0;
    cut_down(vbe);
    if (!(val & ENABLE_NO_CLEAR)) {
        u32 n = vbe->reg[VBE_YRES] * pitch(vbe);
        memset(vbe->vga->vram, 0, n);
        vga_written(vbe->vga, 0, n);
    }
}

void vbe_write(struct vbe *vbe, u16 index, u16 val)
{
    switch (index) {
    case VBE_ID:
        if (val >= VBE_ID_FIRST && val <= VBE_ID_LAST)
            vbe->reg[VBE_ID] = val;
        return;
    case VBE_ENABLE:
        write_enable(vbe, val);
        break;
    case VBE_BANK:
        vbe->reg[VBE_BANK] = val & (u16)((vbe->vga->vram_size >> 16) - 1);
        break;
    case VBE_XRES:
    case VBE_YRES:
    case VBE_BPP:
    case VBE_VIRT_WIDTH:
    case VBE_X_OFFSET:
    case VBE_Y_OFFSET:
        vbe->reg[index] = val;
        if (is_on(vbe))
            cut_down(vbe);
        break;
    default:
        return; /* read-only, or not there */
    }
    vga_remap(vbe->vga);
}

u16 vbe_read(struct vbe *vbe, u16 index)
{
    if (index >= VBE_REGS)
        return 0;
    if (vbe->reg[VBE_ENABLE] & ENABLE_GETCAPS) {
        if (index == VBE_XRES)
            return MAX_XRES;
        if (index == VBE_YRES)
            return MAX_YRES;
        if (index == VBE_BPP)
            return MAX_BPP;
    }
    return vbe->reg[index];
}

static u64 port_read(void *dev, u64 off, unsigned size)
{
    struct vbe *vbe = dev;

    return off == PORT_INDEX ? vbe->index : vbe_read(vbe, vbe->index);
}

static void port_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct vbe *vbe = dev;

    if (off == PORT_INDEX)
        vbe->index = (u16)val;
    else
        vbe_write(vbe, vbe->index, (u16)val);
}

const struct bus_ops vbe_port_ops = {.read = port_read, .write = port_write, .max_size = 2};

bool vbe_linear(const struct vbe *vbe, struct vga_linear *out)
{
    if (!is_on(vbe))
        return false;
    *out = (struct vga_linear){.width = vbe->reg[VBE_XRES],
                               .height = vbe->reg[VBE_YRES],
                               .start = (u32)start(vbe),
                               .pitch = pitch(vbe),
                               .x = vbe->reg[VBE_X_OFFSET],
                               .bpp = (u8)vbe->reg[VBE_BPP]};
    return true;
}

/* In four bits a pixel the window stays the VGA's planes, a bank of 64 KiB of each. */
bool vbe_bank(const struct vbe *vbe, u32 *base)
{
    if (!is_on(vbe))
        return false;
    *base = (u32)vbe->reg[VBE_BANK] << 16;
    return vbe->reg[VBE_BPP] != 4;
}

void vbe_reset(struct vbe *vbe)
{
    memset(vbe->reg, 0, sizeof(vbe->reg));
    vbe->index = 0;
    vbe->reg[VBE_ID] = VBE_ID_LAST;
    vbe->reg[VBE_MEMORY] = (u16)(vbe->vga->vram_size >> 16);
}

void vbe_init(struct vbe *vbe, struct vga *vga)
{
    vbe->vga = vga;
    vbe_reset(vbe);
}

const struct state_field vbe_fields[] = {
    STATE_UINT(struct vbe, index),
    STATE_ARRAY(struct vbe, reg),
    STATE_END,
};

int vbe_loaded(struct vbe *vbe)
{
    struct vbe cut = *vbe;

    if (vbe->reg[VBE_MEMORY] != vbe->vga->vram_size >> 16 ||
        vbe->reg[VBE_BANK] > (vbe->vga->vram_size >> 16) - 1 ||
        vbe->reg[VBE_ENABLE] & ~ENABLE_WRITABLE)
        return -EINVAL;
    if (is_on(vbe))
        cut_down(&cut);
    return memcmp(&cut, vbe, sizeof(cut)) ? -EINVAL : 0;
}
