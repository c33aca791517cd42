/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers by the names of the IBM VGA, and what the files of the core share. */
#pragma once
#include "dev/vga.h"

#define MISC_COLOUR     0x01u
#define MISC_RAM_ENABLE 0x02u
#define MISC_CLOCK_28   0x04u

#define SEQ_RESET      0u
#define SEQ_CLOCKING   1u
#define SEQ_MAP_MASK   2u
#define SEQ_CHAR_MAP   3u
#define SEQ_MEMORY     4u
#define CLOCKING_8DOT  0x01u
#define CLOCKING_HALF  0x08u
#define CLOCKING_OFF   0x20u
#define MEMORY_NOT_ODD 0x04u
#define MEMORY_CHAIN4  0x08u

#define GFX_SET_RESET        0u
#define GFX_ENABLE_SET_RESET 1u
#define GFX_COMPARE          2u
#define GFX_ROTATE           3u
#define GFX_READ_MAP         4u
#define GFX_MODE             5u
#define GFX_MISC             6u
#define GFX_DONT_CARE        7u
#define GFX_BIT_MASK         8u
#define MODE_READ            0x08u
#define MODE_ODD_EVEN        0x10u
#define MODE_SHIFT           0x20u
#define MODE_256             0x40u
#define GMISC_GRAPHICS       0x01u

#define CRTC_HTOTAL       0x00u
#define CRTC_HDISP_END    0x01u
#define CRTC_HRETRACE     0x04u
#define CRTC_VTOTAL       0x06u
#define CRTC_OVERFLOW     0x07u
#define CRTC_PRESET       0x08u
#define CRTC_MAX_SCAN     0x09u
#define CRTC_CURSOR_START 0x0au
#define CRTC_CURSOR_END   0x0bu
#define CRTC_START_HI     0x0cu
#define CRTC_START_LO     0x0du
#define CRTC_CURSOR_HI    0x0eu
#define CRTC_CURSOR_LO    0x0fu
#define CRTC_VRETRACE     0x10u
#define CRTC_VRETRACE_END 0x11u
#define CRTC_VDISP_END    0x12u
#define CRTC_OFFSET       0x13u
#define CRTC_UNDERLINE    0x14u
#define CRTC_MODE         0x17u
#define CRTC_COMPARE      0x18u
#define CRTC_PROTECT      0x80u

#define ATTR_MODE       0x10u
#define ATTR_OVERSCAN   0x11u
#define ATTR_PLANES     0x12u
#define ATTR_PANNING    0x13u
#define ATTR_SELECT     0x14u
#define ATTR_PAS        0x20u
#define AMODE_LINE      0x04u
#define AMODE_BLINK     0x08u
#define AMODE_PAN_SPLIT 0x20u
#define AMODE_256       0x40u
#define AMODE_SELECT    0x80u

#define VGA_FONT_SIZE 8192u

enum vga_kind { VGA_BLANK, VGA_TEXT, VGA_PLANAR, VGA_CGA, VGA_256, VGA_PACKED };

/* All that the look of the picture depends on, but for the display memory itself. */
struct vga_params {
    u32 kind;
    u32 width, height;     /* of the picture */
    struct vga_linear lin; /* of VGA_PACKED; the rest of the VGA's modes */
    u32 chars;             /* characters (words of the four planes) in a line */
    u32 dots, scale;       /* of a character; pixels for each dot */
    u32 start, pitch;      /* in characters */
    u32 counter_mask;      /* of addresses in characters */
    u32 compare;           /* the line after which the picture starts over at address 0 */
    u32 cursor;            /* its character */
    u8 cell_height, double_scan, preset, pan;
    u8 step;                                  /* characters for each count */
    u8 crtc_mode, underline, chain4, compact; /* registers that the addresses depend on */
    u8 attr_mode, planes, fonts;
    u8 cursor_on, blink_off, cursor_start, cursor_end;
    u32 ega[16]; /* the colours of 4-bit pixels and text */
    u32 palette[256];
};

void vga_params_read(struct vga *vga, struct vga_params *p);

/* Where line y of the picture comes from. */
struct vga_line {
    u32 counter;  /* of its first character */
    u32 row_scan; /* in the character row */
    u32 pan;      /* dots that are left out */
};
struct vga_line vga_line_at(const struct vga_params *p, u32 y);
/* The byte of display memory where plane 0 of a character lies. */
u32 vga_char_addr(const struct vga_params *p, u32 counter, u32 row_scan);
/* Where a font of 256 characters of 32 bytes starts in plane 2; n: 0 for attributes with bit 3
   clear, 1 with it set. */
u32 vga_font_at(const struct vga_params *p, unsigned n);

/* Draws chars + 1 words of the four planes. */
void vga_render_text(const struct vga_params *p, const u8 *fonts, const u32 *raw,
                     const struct vga_line *l, u32 *out);
void vga_render_planar(const struct vga_params *p, const u32 *raw, u32 *out);
void vga_render_cga(const struct vga_params *p, const u32 *raw, u32 *out);
void vga_render_256(const struct vga_params *p, const u32 *raw, u32 *out);
/* Draws one line of packed pixels. */
void vga_render_packed(const struct vga_params *p, const u8 *raw, u32 *out);
