/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ways into a CL-GD5446's display memory: the window at A0000h with its banks, the linear
 * address space of BAR 0 (display memory at 0, blitter data anywhere, also 16 MiB above), the
 * blitter's registers at B8000h or in BAR 1, and write modes 4 and 5.
 *
 * Display memory is plain memory in BAR 0 except while stores mean something else.
 */
#include "dev/cirrus_priv.h"

#include <string.h>

#define BLT_AREA 0x1000000u /* of BAR 0: stores are blitter data, if any is awaited */

#define WINDOW_MMIO     0x18000u
#define MMIO_SIZE       0x100u
#define MMIO_STATUS     0x40u
#define BAR1_BLT        0x100u
#define BAR1_PORTS_SIZE 0x20u

/* Graphics registers behind the blitter's memory-mapped ones; 0 (no such place): none. */
static const u8 blt_reg[MMIO_SIZE] = {
    [0x01] = 0x10, [0x02] = 0x12, [0x03] = 0x14, [0x04] = 0x01, [0x05] = 0x11, [0x06] = 0x13,
    [0x07] = 0x15, [0x08] = 0x20, [0x09] = 0x21, [0x0a] = 0x22, [0x0b] = 0x23, [0x0c] = 0x24,
    [0x0d] = 0x25, [0x0e] = 0x26, [0x0f] = 0x27, [0x10] = 0x28, [0x11] = 0x29, [0x12] = 0x2a,
    [0x14] = 0x2c, [0x15] = 0x2d, [0x16] = 0x2e, [0x17] = 0x2f, [0x18] = 0x30, [0x1a] = 0x32,
    [0x1b] = 0x33, [0x1c] = 0x34, [0x1d] = 0x35, [0x20] = 0x38, [0x21] = 0x39, [0x40] = 0x31,
};

static u8 mmio_read(const struct cirrus *dev, u32 off)
{
    if (off == 0)
        return dev->vga.gfx[GR_BG0];
    return blt_reg[off] ? dev->vga.gfx[blt_reg[off]] : 0xff;
}

static void mmio_write(struct cirrus *dev, u32 off, u8 val)
{
    if (off && !blt_reg[off])
        return;
    cirrus_gfx_write(dev, off ? blt_reg[off] : GR_BG0, val);
    vga_remap(&dev->vga);
}

static u8 extension(const struct cirrus *dev)
{
    return dev->vga.gfx[GR_EXTENSION];
}

/* BY8 and BY16 addressing: one address for 8 or 16 bytes. */
static u32 spread(const struct cirrus *dev, u32 addr)
{
    if ((extension(dev) & GEXT_BY_16) == GEXT_BY_16)
        addr <<= 4;
    else if (extension(dev) & GEXT_BY_8)
        addr <<= 3;
    return addr & (dev->vga.vram_size - 1);
}

/* Write modes 4 and 5: eight pixels by the bits of val, in 8 or 16 bits each; in mode 4 the zeros
   stay. */
static void write_bits(struct cirrus *dev, u32 addr, u8 val, bool both)
{
    const u8 *gfx = dev->vga.gfx;
    u32 bytes = (extension(dev) & GEXT_BY_16) == GEXT_BY_16 ? 2 : 1;

    for (u32 n = 0; n < 8; n++) {
        bool one = val >> (7 - n) & 1;
        for (u32 i = 0; (one || both) && i < bytes; i++) {
            u32 at = (addr + n * bytes + i) & (dev->vga.vram_size - 1);
            dev->vga.vram[at] = gfx[(i ? GR_BG1 : GR_BG0) + one];
            vga_written(&dev->vga, at, 1);
        }
    }
}

static void store(struct cirrus *dev, u32 addr, u8 val)
{
    u8 mode = dev->vga.gfx[GR_MODE] & 7;

    addr = spread(dev, addr);
    if (extension(dev) & GEXT_MODES && (mode == 4 || mode == 5)) {
        write_bits(dev, addr, val, mode == 5);
        return;
    }
    dev->vga.vram[addr] = val;
    vga_written(&dev->vga, addr, 1);
}

static u8 config(const struct cirrus *dev)
{
    return dev->vga.seq[SR_CONFIG] & (CONFIG_MMIO | CONFIG_MMIO_LINEAR);
}

/* The blitter's registers take the last bytes of display memory, if the guest wants that. */
static bool is_linear_mmio(const struct cirrus *dev, u32 addr)
{
    return config(dev) == (CONFIG_MMIO | CONFIG_MMIO_LINEAR) &&
           (addr & (dev->vga.vram_size - 1)) >= dev->vga.vram_size - MMIO_SIZE;
}

static u8 fb_read_byte(struct cirrus *dev, u32 addr)
{
    if (addr >= BLT_AREA)
        return 0xff;
    if (is_linear_mmio(dev, addr))
        return mmio_read(dev, addr % MMIO_SIZE);
    return dev->vga.vram[spread(dev, addr)];
}

static u64 fb_read(void *opaque, u64 off, unsigned size)
{
    u64 val = 0;

    for (unsigned i = 0; i < size; i++)
        val |= (u64)fb_read_byte(opaque, (u32)off + i) << 8 * i;
    return val;
}

static void fb_write(void *opaque, u64 off, unsigned size, u64 val)
{
    struct cirrus *dev = opaque;

    if (is_linear_mmio(dev, (u32)off) && off < BLT_AREA) {
        for (unsigned i = 0; i < size; i++)
            mmio_write(dev, (u32)(off + i) % MMIO_SIZE, (u8)(val >> 8 * i));
    } else if (cirrus_blt_waits(dev)) {
        cirrus_blt_put(dev, val, size);
    } else if (off < BLT_AREA) {
        for (unsigned i = 0; i < size; i++)
            store(dev, (u32)off + i, (u8)(val >> 8 * i));
    }
}

const struct bus_ops cirrus_fb_ops = {.read = fb_read, .write = fb_write, .max_size = 8};

void cirrus_map(struct cirrus *dev)
{
    u64 at = dev->pci.bar[0].at;
    u8 mode = dev->vga.gfx[GR_MODE] & 7;
    bool plain = config(dev) != (CONFIG_MMIO | CONFIG_MMIO_LINEAR) && !cirrus_blt_waits(dev) &&
                 (extension(dev) & GEXT_BY_16) != GEXT_BY_16 && !(extension(dev) & GEXT_BY_8) &&
                 !(extension(dev) & GEXT_MODES && (mode == 4 || mode == 5));

    mem_window_place(dev->vga.window, plain && at != PCI_UNMAPPED ? at : MEM_NOWHERE);
}

static bool is_window_mmio(const struct cirrus *dev, u64 off)
{
    return off >= WINDOW_MMIO && off < WINDOW_MMIO + MMIO_SIZE && config(dev) == CONFIG_MMIO;
}

static bool is_packed(const struct cirrus *dev)
{
    return dev->vga.seq[SR_MODE] & SMODE_PACKED;
}

/* Where a byte of the window lies; false if nowhere. */
static bool banked(const struct cirrus *dev, u64 off, u32 *addr)
{
    u32 limit, base = cirrus_bank(dev, off >> 15 & 1, &limit), in_bank = (u32)off & 0x7fff;

    *addr = base + in_bank;
    return off < 0x10000 && in_bank < limit;
}

static u64 window_read(void *opaque, u64 off, unsigned size)
{
    struct cirrus *dev = opaque;
    u64 val = 0;
    u32 addr;

    if (!is_packed(dev) && !is_window_mmio(dev, off))
        return vga_window_ops.read(&dev->vga, off, size);
    for (unsigned i = 0; i < size; i++) {
        u8 byte = 0xff;
        if (is_window_mmio(dev, off + i))
            byte = mmio_read(dev, (u32)(off + i) % MMIO_SIZE);
        else if (banked(dev, off + i, &addr))
            byte = dev->vga.vram[spread(dev, addr)];
        val |= (u64)byte << 8 * i;
    }
    return val;
}

static void window_write(void *opaque, u64 off, unsigned size, u64 val)
{
    struct cirrus *dev = opaque;
    u32 addr;

    if (!is_window_mmio(dev, off) && cirrus_blt_waits(dev)) {
        cirrus_blt_put(dev, val, size);
        return;
    }
    if (!is_packed(dev) && !is_window_mmio(dev, off)) {
        vga_window_ops.write(&dev->vga, off, size, val);
        return;
    }
    for (unsigned i = 0; i < size; i++) {
        u8 byte = (u8)(val >> 8 * i);
        if (is_window_mmio(dev, off + i))
            mmio_write(dev, (u32)(off + i) % MMIO_SIZE, byte);
        else if (banked(dev, off + i, &addr))
            store(dev, addr, byte);
    }
}

const struct bus_ops cirrus_window_ops = {
    .read = window_read, .write = window_write, .max_size = 8};

static u64 regs_read(void *opaque, u64 off, unsigned size)
{
    struct cirrus *dev = opaque;

    if (off >= BAR1_BLT)
        return off < BAR1_BLT + MMIO_SIZE ? mmio_read(dev, (u32)off - BAR1_BLT) : 0xff;
    return off < BAR1_PORTS_SIZE ? vga_port_read(&dev->vga, (u16)(0x3c0 + off)) : 0xff;
}

static void regs_write(void *opaque, u64 off, unsigned size, u64 val)
{
    struct cirrus *dev = opaque;

    if (off >= BAR1_BLT && off < BAR1_BLT + MMIO_SIZE)
        mmio_write(dev, (u32)off - BAR1_BLT, (u8)val);
    else if (off < BAR1_PORTS_SIZE)
        vga_port_write(&dev->vga, (u16)(0x3c0 + off), (u8)val);
}

const struct bus_ops cirrus_regs_ops = {.read = regs_read, .write = regs_write, .max_size = 1};
