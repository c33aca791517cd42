/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers of the CL-GD5446 by the Technical Reference Manual's names, and what its files share.
 */
#pragma once
#include "dev/cirrus.h"
#include "dev/vga_priv.h"

#define SR_UNLOCK      0x06u
#define SR_MODE        0x07u
#define SR_DDC         0x08u
#define SR_DRAM        0x0fu
#define SR_CURSOR_X    0x10u
#define SR_CURSOR_Y    0x11u
#define SR_CURSOR      0x12u
#define SR_PATTERN     0x13u
#define SR_MEMORY_SIZE 0x15u
#define SR_CONFIG      0x17u
#define SR_MCLK        0x1fu

#define SMODE_PACKED       0x01u
#define SMODE_DEPTH        0x0eu
#define CURSOR_ON          0x01u
#define CURSOR_PALETTE     0x02u
#define CURSOR_64          0x04u
#define CONFIG_MMIO        0x04u
#define CONFIG_MMIO_LINEAR 0x40u /* in the last 256 bytes of display memory, not at B8000h */

#define GR_BG0       0x00u
#define GR_FG0       0x01u
#define GR_MODE      0x05u
#define GR_OFFSET0   0x09u
#define GR_OFFSET1   0x0au
#define GR_EXTENSION 0x0bu
#define GR_BG1       0x10u
#define GR_FG1       0x11u

#define GEXT_DUAL      0x01u
#define GEXT_BY_8      0x02u
#define GEXT_MODES     0x04u /* write modes 4 and 5 */
#define GEXT_BY_16     0x14u
#define GEXT_UNITS_16K 0x20u

#define GR_BLT_WIDTH     0x20u
#define GR_BLT_HEIGHT    0x22u
#define GR_BLT_DST_PITCH 0x24u
#define GR_BLT_SRC_PITCH 0x26u
#define GR_BLT_DST       0x28u
#define GR_BLT_DST_HIGH  0x2au
#define GR_BLT_SRC       0x2cu
#define GR_BLT_SKIP      0x2fu
#define GR_BLT_MODE      0x30u
#define GR_BLT_STATUS    0x31u
#define GR_BLT_ROP       0x32u
#define GR_BLT_EXTENSION 0x33u
#define GR_BLT_KEY       0x34u
#define GR_BLT_KEY_MASK  0x38u

#define BLT_BACKWARD    0x01u
#define BLT_TO_SYSTEM   0x02u
#define BLT_FROM_SYSTEM 0x04u
#define BLT_TRANSPARENT 0x08u
#define BLT_PIXEL       0x30u
#define BLT_PATTERN     0x40u
#define BLT_EXPAND      0x80u

#define BEXT_DWORDS 0x01u
#define BEXT_INVERT 0x02u
#define BEXT_SOLID  0x04u

#define BSTAT_BUSY  0x01u
#define BSTAT_START 0x02u
#define BSTAT_RESET 0x04u
#define BSTAT_FIFO  0x10u
#define BSTAT_AUTO  0x80u

#define CR_MISC        0x1au
#define CR_EXTENDED    0x1bu
#define CR_OVERLAY     0x1du
#define CR_ATTR_TOGGLE 0x24u
#define CR_ATTR_INDEX  0x26u
#define CR_ID          0x27u
#define CRID_GD5446    0xb8u

#define BLT_MAX_WIDTH  8192u /* bytes */
#define BLT_MAX_HEIGHT 2048u

/* A transfer, latched when it starts. Addresses are display memory's, of the line that comes. */
struct cirrus_blt {
    u32 width, height; /* bytes; lines left. 0: none in progress */
    u32 dst, src, dst_pitch, src_pitch;
    u32 fg, bg;
    u16 key, key_mask;
    u8 mode, rop, extension, skip;
    u8 row; /* of the pattern */
    /* From the system: bytes of the line (or of the whole pattern) that have come, of how many. */
    u32 got, want;
    u8 in[BLT_MAX_WIDTH + 4];
};

struct cirrus {
    struct pci_device pci;
    struct vga vga;
    u8 hidden_dac, hidden_count; /* reads of 3C6h in a row */
    u8 cursor_dac[16 * 3];
    u8 cursor_index, cursor_component;
    u16 cursor_x, cursor_y;
    struct cirrus_blt blt;
};

extern const struct vga_chip cirrus_chip;
extern const struct bus_ops cirrus_window_ops; /* A0000h */
extern const struct bus_ops cirrus_fb_ops;     /* BAR 0 */
extern const struct bus_ops cirrus_regs_ops;   /* BAR 1 */

/* Registers. */
void cirrus_gfx_write(void *opaque, u8 index, u8 val);
void cirrus_regs_reset(struct cirrus *dev);
/* Where 32 KiB half `n` of the window at A0000h lies, and how many bytes of it there are. */
u32 cirrus_bank(const struct cirrus *dev, unsigned n, u32 *limit);

/* Shows display memory as plain memory where BAR 0 is, unless stores to it mean something else. */
void cirrus_map(struct cirrus *dev);

/* Picture. */
bool cirrus_linear(void *opaque, struct vga_linear *out);
bool cirrus_overlay(void *opaque, u32 y, u32 *line, u32 width);

/* Blitter. */
void cirrus_blt_status(struct cirrus *dev, u8 val);
void cirrus_blt_start(struct cirrus *dev);
/* It waits for bytes from the system, which any store to display memory brings. */
static inline bool cirrus_blt_waits(const struct cirrus *dev)
{
    return dev->blt.height && dev->blt.want;
}
void cirrus_blt_put(struct cirrus *dev, u64 val, unsigned size);
extern const struct state_field cirrus_blt_fields[];
must_check int cirrus_blt_loaded(struct cirrus *dev);
