/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The CL-GD5446: registers, banks, depths, cursor, blits, saved state. */
#include "dev/cirrus.h"
#include "../test.h"
#include "base/le.h"
#include "vga_rig.h"

#include <errno.h>

#define DEVFN PCI_DEVFN(2, 0)
#define FB    0xe0000000u
#define REGS  0xf0000000u

static struct vga_rig r;
static struct cirrus *dev;
static struct display *display;
static struct surface *s;
static u8 *vram;

static void seq(u8 index, u8 val)
{
    set_indexed(&r.rig, 0x3c4, index, val);
}

static void gfx(u8 index, u8 val)
{
    set_indexed(&r.rig, 0x3ce, index, val);
}

static void crtc(u8 index, u8 val)
{
    set_indexed(&r.rig, 0x3d4, index, val);
}

static void open_dev(void)
{
    vga_rig_open(&r);
    if (cirrus_new(&dev, r.pci, DEVFN, &(struct vga_pci_config){.clk = r.rig.clk}))
        exit(1);
    display = cirrus_display(dev);
    s = &display->surface;
    pci_config_write(r.pci, DEVFN, PCI_BAR0, 4, FB);
    pci_config_write(r.pci, DEVFN, PCI_BAR0 + 4, 4, REGS);
    pci_config_write(r.pci, DEVFN, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEM);
    vram = mem_ptr(r.mem, FB);
    if (!vram)
        exit(1);
    set_mode(&r.rig, &mode_12);
    seq(6, 0x12);
}

static void close_dev(void)
{
    cirrus_free(dev);
    vga_rig_close(&r);
}

static void hidden_dac(u8 val)
{
    in8(&r.rig, 0x3c8);
    for (unsigned i = 0; i < 4; i++)
        in8(&r.rig, 0x3c6);
    out8(&r.rig, 0x3c6, val);
}

/* 640x480 in lines of `pitch` bytes. */
static void set_packed(u8 sr7, u8 dac, u32 pitch)
{
    seq(7, sr7);
    hidden_dac(dac);
    crtc(0x11, 0);
    crtc(0x13, (u8)(pitch / 8));
    crtc(0x1b, 0x22 | (pitch / 8 >> 4 & 0x10));
}

static void appears_on_the_bus(void)
{
    open_dev();
    CHECK_EQ(pci_config_read(r.pci, DEVFN, 0, 4), 0x00b81013);
    CHECK_EQ(pci_config_read(r.pci, DEVFN, 8, 4) >> 16, 0x0300);
    pci_config_write(r.pci, DEVFN, PCI_BAR0, 4, 0xffffffff);
    CHECK_EQ(pci_config_read(r.pci, DEVFN, PCI_BAR0, 4), 0xfe000008);
    CHECK_EQ(mem_page_of(r.mem, FB), MEM_NO_PAGE);
    pci_config_write(r.pci, DEVFN, PCI_BAR0, 4, FB + 0x8000000);
    CHECK(mem_ptr(r.mem, FB + 0x8000000) == vram);
    CHECK_EQ(get_indexed(&r.rig, 0x3d4, 0x27), 0xb8);
    CHECK_EQ(get_indexed(&r.rig, 0x3c4, 6), 0x12);
    seq(6, 0);
    CHECK_EQ(get_indexed(&r.rig, 0x3c4, 6), 0x0f);
    CHECK_EQ(get_indexed(&r.rig, 0x3c4, 0x0f), 0x98);
    CHECK_EQ(get_indexed(&r.rig, 0x3c4, 0x17), 0x20);
    CHECK_EQ(bus_read(&r.rig.mmio, REGS + 0x0c, 1), in8(&r.rig, 0x3cc));
    close_dev();
}

static void hidden_register_opens_after_four_reads(void)
{
    open_dev();
    hidden_dac(0xc1);
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(in8(&r.rig, 0x3c6), 0xff);
    CHECK_EQ(in8(&r.rig, 0x3c6), 0xc1);
    CHECK_EQ(in8(&r.rig, 0x3c6), 0xff);
    out8(&r.rig, 0x3c6, 0x0f); /* the mask */
    CHECK_EQ(in8(&r.rig, 0x3c6), 0x0f);
    close_dev();
}

static void depths(void)
{
    open_dev();
    set_packed(0x01, 0, 640);
    vram[640 * 3 + 5] = 0x2a;
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(s->width, 640);
    CHECK_EQ(s->height, 480);
    CHECK_EQ(pixel(s, 5, 3), test_colour(0x2a));
    seq(1, 0x21); /* as SeaBIOS leaves it */
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 5, 3), test_colour(0x2a));
    set_packed(0x07, 0xc1, 1280);
    put_le16(vram + 1280 + 4, 0x07e0);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 2, 1), 0x00ff00);
    set_packed(0x07, 0xc0, 1280);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 2, 1), 0x08ff00);
    set_packed(0x05, 0xc5, 1920);
    memcpy(vram + 3, "\x11\x22\x33", 3);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 1, 0), 0x332211);
    set_packed(0x09, 0xc5, 2560);
    put_le32(vram + 2560 * 479 + 639 * 4, 0xffabcdef);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 639, 479), 0xabcdef);
    /* Scrolled by the start address, in words of four bytes. */
    crtc(0x0d, 0x80);
    crtc(0x0c, 0x02);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 639, 478), 0xabcdef);
    close_dev();
}

static void banks(void)
{
    open_dev();
    set_packed(0x01, 0, 640);
    gfx(0x0b, 0x20);
    gfx(0x09, 3);
    bus_write(&r.rig.mmio, 0xa0002, 2, 0x1234);
    CHECK_EQ(le16(vram + 3 * 16384 + 2), 0x1234);
    bus_write(&r.rig.mmio, 0xa8002, 1, 0x77);
    CHECK_EQ(vram[3 * 16384 + 0x8002], 0x77);
    gfx(0x0b, 0x01);
    gfx(0x0a, 0x10);
    bus_write(&r.rig.mmio, 0xa8002, 1, 0x78);
    CHECK_EQ(vram[0x10002], 0x78);
    CHECK_EQ(bus_read(&r.rig.mmio, 0xa8002, 1), 0x78);
    gfx(0x0b, 0x20); /* beyond display memory */
    gfx(0x09, 0xff);
    CHECK_EQ(bus_read(&r.rig.mmio, 0xa8000, 1), 0xff);
    close_dev();
}

static void extended_write_modes(void)
{
    open_dev();
    set_packed(0x01, 0, 640);
    gfx(0x0b, 0x04);
    gfx(0, 0x5a);
    gfx(1, 0xa5);
    gfx(5, 4);
    CHECK_EQ(mem_page_of(r.mem, FB), MEM_NO_PAGE);
    vram[0] = 1;
    bus_write(&r.rig.mmio, FB, 1, 0x41);
    CHECK(vram[0] == 1 && vram[1] == 0xa5 && vram[2] == 0 && vram[7] == 0xa5);
    gfx(5, 5);
    bus_write(&r.rig.mmio, 0xa0010, 1, 0x80);
    CHECK(vram[16] == 0xa5 && vram[17] == 0x5a && vram[23] == 0x5a);
    gfx(5, 0);
    CHECK(mem_ptr(r.mem, FB) == vram);
    close_dev();
}

static void cursor(void)
{
    u8 *pattern;

    open_dev();
    set_packed(0x01, 0, 640);
    set_dac(&r.rig, 0, 0, 0, 0);
    pattern = vram + 4 * MiB - 16384;
    seq(0x12, 0x02); /* its palette */
    set_dac(&r.rig, 0, 0x3f, 0, 0);
    set_dac(&r.rig, 15, 0, 0x3f, 0);
    seq(0x12, 0x05);
    pattern[0] = 0xc0; /* plane 0: inverted and foreground, … */
    pattern[8] = 0x60; /* … plane 1: foreground and background */
    seq(0x10 | 5 << 5, 1);
    seq(0x11 | 2 << 5, 0);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 12, 2), 0);
    CHECK_EQ(pixel(s, 13, 2), 0xffffff);
    CHECK_EQ(pixel(s, 14, 2), 0x00ff00);
    CHECK_EQ(pixel(s, 15, 2), 0xff0000);
    CHECK_EQ(pixel(s, 16, 2), 0);
    seq(0x11, 10); /* moves away, and the picture comes back */
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 13, 2), 0);
    CHECK_EQ(pixel(s, 13, 80), 0xffffff);
    seq(0x12, 0x01);
    seq(0x13, 1);
    pattern[256] = pattern[256 + 128] = 0x80;
    seq(0x10, 255);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 13, 80), 0);
    close_dev();
}

struct blt {
    u32 width, height, dst_pitch, src_pitch, dst, src;
    u8 mode, rop, ext, skip;
};

static void blt(struct blt b)
{
    u32 w = b.width - 1, h = b.height - 1;

    gfx(0x20, (u8)w), gfx(0x21, (u8)(w >> 8));
    gfx(0x22, (u8)h), gfx(0x23, (u8)(h >> 8));
    gfx(0x24, (u8)b.dst_pitch), gfx(0x25, (u8)(b.dst_pitch >> 8));
    gfx(0x26, (u8)b.src_pitch), gfx(0x27, (u8)(b.src_pitch >> 8));
    gfx(0x28, (u8)b.dst), gfx(0x29, (u8)(b.dst >> 8)), gfx(0x2a, (u8)(b.dst >> 16));
    gfx(0x2c, (u8)b.src), gfx(0x2d, (u8)(b.src >> 8)), gfx(0x2e, (u8)(b.src >> 16));
    gfx(0x2f, b.skip);
    gfx(0x30, b.mode);
    gfx(0x32, b.rop);
    gfx(0x33, b.ext);
    gfx(0x31, 0x00);
    gfx(0x31, 0x02);
}

static void colours(u32 fg, u32 bg)
{
    gfx(1, (u8)fg), gfx(0x11, (u8)(fg >> 8)), gfx(0x13, (u8)(fg >> 16)), gfx(0x15, (u8)(fg >> 24));
    gfx(0, (u8)bg), gfx(0x10, (u8)(bg >> 8)), gfx(0x12, (u8)(bg >> 16)), gfx(0x14, (u8)(bg >> 24));
}

static bool idle(void)
{
    return !(get_indexed(&r.rig, 0x3ce, 0x31) & 0x1b);
}

static void raster_operations(void)
{
    static const u8 op[16][2] = {{0x00, 0x00}, {0x05, 0x88}, {0x06, 0xaa}, {0x09, 0x44},
                                 {0x0b, 0x55}, {0x0d, 0xcc}, {0x0e, 0xff}, {0x50, 0x22},
                                 {0x59, 0x66}, {0x6d, 0xee}, {0x90, 0x11}, {0x95, 0x99},
                                 {0xad, 0xdd}, {0xd0, 0x33}, {0xd6, 0xbb}, {0xda, 0x77}};

    open_dev();
    for (unsigned i = 0; i < 16; i++) {
        vram[0] = 0xcc;
        vram[100] = 0xaa;
        blt((struct blt){1, 1, 0, 0, 100, 0, 0, op[i][0], 0, 0});
        CHECK_EQ(vram[100], op[i][1]);
    }
    vram[100] = 0x5a;
    blt((struct blt){1, 1, 0, 0, 100, 0, 0, 0x42, 0, 0}); /* no operation of the chip's */
    CHECK_EQ(vram[100], 0x5a);
    CHECK(idle());
    close_dev();
}

static void copies_both_ways(void)
{
    open_dev();
    for (u32 i = 0; i < 64; i++)
        vram[i] = (u8)i;
    for (u32 i = 0; i < 64; i++)
        vram[i] = (u8)i;
    /* Down by a line, from the last byte backwards. */
    blt((struct blt){8, 3, 16, 16, 3 * 16 + 7, 2 * 16 + 7, 0x01, 0x0d, 0, 0});
    CHECK_EQ(vram[16], 0);
    CHECK_EQ(vram[3 * 16 + 7], 2 * 16 + 7);
    CHECK_EQ(vram[3 * 16 + 8], 3 * 16 + 8);
    /* Around display memory's end. */
    vram[4 * MiB - 1] = 0x77;
    vram[0] = 0x78;
    blt((struct blt){2, 1, 0, 0, 0x1000, 4 * MiB - 1, 0, 0x0d, 0, 0});
    CHECK_EQ(le16(vram + 0x1000), 0x7877);
    blt((struct blt){2, 1, 0, 0, 4 * MiB - 1, 0x1000, 0, 0xd0, 0, 0});
    CHECK_EQ(vram[4 * MiB - 1], 0x88);
    CHECK_EQ(vram[0], 0x87);
    /* The largest that there is. */
    blt((struct blt){8192, 2048, 8191, 8191, 0x3fffff, 5, 0, 0x59, 0, 0});
    CHECK(idle());
    close_dev();
}

static void transparent_copy(void)
{
    open_dev();
    memcpy(vram, "\1\2\3\2", 4);
    memset(vram + 64, 9, 4);
    gfx(0x34, 2), gfx(0x35, 2);
    blt((struct blt){4, 1, 0, 0, 64, 0, 0x08, 0x0d, 0, 0});
    CHECK(!memcmp(vram + 64, "\1\x09\3\x09", 4));
    put_le16(vram, 0x0202);
    put_le16(vram + 2, 0x0203);
    memset(vram + 64, 9, 4);
    blt((struct blt){4, 1, 0, 0, 64, 0, 0x18, 0x0d, 0, 0});
    CHECK(!memcmp(vram + 64, "\x09\x09\3\2", 4));
    close_dev();
}

static void fills_and_patterns(void)
{
    open_dev();
    colours(0x44332211, 0xdeadbeef);
    blt((struct blt){6, 2, 100, 0, 1000, 0, 0xd0, 0x0d, 0x04, 0}); /* solid, 16 bits */
    CHECK(!memcmp(vram + 1000, "\x11\x22\x11\x22\x11\x22\0", 7));
    CHECK(!memcmp(vram + 1100, "\x11\x22\x11\x22\x11\x22\0", 7));
    for (u32 i = 0; i < 64; i++)
        vram[0x2000 + i] = (u8)(0x80 + i);
    blt((struct blt){10, 2, 100, 0, 2000, 0x2006, 0x40, 0x0d, 0, 0}); /* from row 6 */
    CHECK_EQ(vram[2000], 0x80 + 48);
    CHECK_EQ(vram[2009], 0x80 + 49);
    CHECK_EQ(vram[2100], 0x80 + 56);
    vram[0x3000] = 0x81; /* bits, two colours of 32 bits */
    blt((struct blt){40, 1, 0, 0, 0x4000, 0x3000, 0xf0, 0x0d, 0, 0});
    CHECK_EQ(le32(vram + 0x4000), 0x44332211);
    CHECK_EQ(le32(vram + 0x4004), 0xdeadbeef);
    CHECK_EQ(le32(vram + 0x401c), 0x44332211);
    CHECK_EQ(le32(vram + 0x4020), 0x44332211);
    /* 24-bit pixels, transparent, with the first one left out. */
    memset(vram + 0x5000, 0, 32);
    blt((struct blt){27, 1, 0, 0, 0x5000, 0x3000, 0xe8, 0x0d, 0, 3});
    CHECK(!memcmp(vram + 0x5000, "\0\0\0\0\0\0", 6));
    CHECK(!memcmp(vram + 0x5000 + 21, "\x11\x22\x33\x11\x22\x33\0", 7));
    close_dev();
}

static void expansion_from_display_memory(void)
{
    open_dev();
    colours(0xf0, 0x0f);
    vram[0] = 0xa0;
    vram[1] = 0x80; /* the second line */
    memset(vram + 64, 1, 32);
    blt((struct blt){3, 2, 16, 0, 64, 0, 0x80, 0x0d, 0, 0});
    CHECK(!memcmp(vram + 64, "\xf0\x0f\xf0\1", 4));
    CHECK(!memcmp(vram + 80, "\xf0\x0f\x0f\1", 4));
    memset(vram + 64, 1, 32);
    blt((struct blt){3, 1, 16, 0, 64, 0, 0x88, 0x0d, 0, 0});
    CHECK(!memcmp(vram + 64, "\xf0\1\xf0\1", 4));
    memset(vram + 64, 1, 32);
    blt((struct blt){3, 1, 16, 0, 64, 0, 0x88, 0x0d, 0x02, 0}); /* the zeros, in background */
    CHECK(!memcmp(vram + 64, "\1\x0f\1\1", 4));
    close_dev();
}

static void data_from_the_cpu(void)
{
    open_dev();
    set_packed(0x01, 0, 640);
    blt((struct blt){5, 2, 16, 0, 64, 0, 0x04, 0x0d, 0, 0}); /* lines of 8 bytes */
    CHECK(!idle());
    CHECK_EQ(mem_page_of(r.mem, FB), MEM_NO_PAGE);
    bus_write(&r.rig.mmio, FB + 0x1234, 4, 0x04030201);
    CHECK_EQ(vram[64], 0);
    bus_write(&r.rig.mmio, FB + 0x1000000, 4, 0x99999905);
    CHECK(!memcmp(vram + 64, "\1\2\3\4\5\0", 6));
    bus_write(&r.rig.mmio, 0xa0000, 8, 0x0c0b0a0908070605);
    CHECK(!memcmp(vram + 80, "\5\6\7\x08\x09\0", 6));
    CHECK(idle());
    CHECK(mem_ptr(r.mem, FB) == vram);
    /* Bits for two lines of 9 pixels, in bytes; then what resets it half-way. */
    colours(7, 8);
    blt((struct blt){9, 2, 16, 0, 128, 0, 0x84, 0x0d, 0, 0});
    bus_write(&r.rig.mmio, FB, 4, 0x00008080);
    CHECK(!memcmp(vram + 128, "\7\x08\x08\x08\x08\x08\x08\x08\7", 9));
    CHECK(idle());
    blt((struct blt){9, 2, 16, 0, 128, 0, 0x84, 0x0d, 0, 0});
    gfx(0x31, 0x04);
    gfx(0x31, 0x00);
    CHECK(idle());
    CHECK(mem_ptr(r.mem, FB) == vram);
    close_dev();
}

static void registers_in_memory(void)
{
    open_dev();
    set_packed(0x01, 0, 640);
    seq(0x17, 0x04);
    vram[3] = 0x33;
    bus_write(&r.rig.mmio, 0xb8008, 4, 0);          /* 1 x 1 */
    bus_write(&r.rig.mmio, 0xb8010, 4, 500);        /* to */
    bus_write(&r.rig.mmio, 0xb8014, 4, 3);          /* from */
    bus_write(&r.rig.mmio, 0xb8018, 4, 0x000d0000); /* mode, operation, extension */
    bus_write(&r.rig.mmio, 0xb8040, 1, 0x02);
    CHECK_EQ(vram[500], 0x33);
    CHECK_EQ(bus_read(&r.rig.mmio, 0xb8040, 1) & 1, 0);
    /* In BAR 1, with a start by the destination's last byte. */
    bus_write(&r.rig.mmio, REGS + 0x140, 1, 0x80);
    bus_write(&r.rig.mmio, REGS + 0x110, 4, 600);
    CHECK_EQ(vram[600], 0x33);
    /* At display memory's end. */
    seq(0x17, 0x44);
    CHECK_EQ(bus_read(&r.rig.mmio, FB + 4 * MiB - 256 + 0x10, 2), 600);
    CHECK_EQ(bus_read(&r.rig.mmio, 0xb8010, 2), 0xffff);
    bus_write(&r.rig.mmio, FB + 4 * MiB - 256 + 0x10, 4, 700);
    CHECK_EQ(vram[700], 0x33);
    close_dev();
}

static void state_goes_over_in_a_blit(void)
{
    struct state_stream st = {0};
    struct err err;

    open_dev();
    set_packed(0x01, 0, 640);
    blt((struct blt){4, 2, 16, 0, 64, 0, 0x04, 0x0d, 0, 0});
    bus_write(&r.rig.mmio, FB, 2, 0x0201);
    CHECK_EQ(state_save(&st, &cirrus_state, dev), 0);
    cirrus_reset(dev);
    memset(vram, 0x77, 128);
    CHECK_EQ(state_load(&st, &cirrus_state, dev, &err), 0);
    CHECK_EQ(vram[0], 0);
    bus_write(&r.rig.mmio, FB, 2, 0x0403);
    CHECK(!memcmp(vram + 64, "\1\2\3\4", 4));
    bus_write(&r.rig.mmio, FB, 4, 0x08070605);
    CHECK(idle());
    CHECK(mem_ptr(r.mem, FB) == vram);
    st.at = 0; /* more bytes than the buffer has */
    put_le32(st.data + st.len - (8192 + 4) - 4, 9000);
    put_le32(st.data + st.len - (8192 + 4) - 8, 8999);
    CHECK_EQ(-state_load(&st, &cirrus_state, dev, &err), EINVAL);
    cirrus_reset(dev);
    CHECK_EQ(display_refresh(display), 0);
    state_dispose(&st);
    close_dev();
}

int main(void)
{
    TEST_RUN(appears_on_the_bus);
    TEST_RUN(hidden_register_opens_after_four_reads);
    TEST_RUN(depths);
    TEST_RUN(banks);
    TEST_RUN(extended_write_modes);
    TEST_RUN(cursor);
    TEST_RUN(raster_operations);
    TEST_RUN(copies_both_ways);
    TEST_RUN(transparent_copy);
    TEST_RUN(fills_and_patterns);
    TEST_RUN(expansion_from_display_memory);
    TEST_RUN(data_from_the_cpu);
    TEST_RUN(registers_in_memory);
    TEST_RUN(state_goes_over_in_a_blit);
    return test_result();
}
