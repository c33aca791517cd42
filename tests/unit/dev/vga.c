/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VGA core, in a stdvga: registers, the window's write modes, each kind of picture. */
#include "../test.h"
#include "dev/stdvga.h"
#include "vga_rig.h"

static struct vga_rig r;
static struct stdvga *dev;
static struct display *display;
static struct surface *s;

static void open_vga(const struct vga_mode *m)
{
    vga_rig_open(&r);
    if (stdvga_new(&dev, r.pci, PCI_DEVFN(2, 0),
                   &(struct vga_pci_config){.clk = r.rig.clk, .vram = MiB}))
        exit(1);
    display = stdvga_display(dev);
    s = &display->surface;
    if (m)
        set_mode(&r.rig, m);
}

static void close_vga(void)
{
    stdvga_free(dev);
    vga_rig_close(&r);
}

static void poke(u32 addr, u8 val)
{
    bus_write(&r.rig.mmio, addr, 1, val);
}

static u8 peek(u32 addr)
{
    return (u8)bus_read(&r.rig.mmio, addr, 1);
}

static void gfx(u8 index, u8 val)
{
    set_indexed(&r.rig, 0x3ce, index, val);
}

static void seq(u8 index, u8 val)
{
    set_indexed(&r.rig, 0x3c4, index, val);
}

static void crtc(u8 index, u8 val)
{
    set_indexed(&r.rig, 0x3d4, index, val);
}

/* The four planes at addr. */
static u32 planes(u32 addr)
{
    u32 val = 0;

    gfx(5, 0);
    for (u8 p = 0; p < 4; p++) {
        gfx(4, p);
        val |= (u32)peek(addr) << 8 * p;
    }
    gfx(4, 0);
    return val;
}

static void registers_keep_what_exists(void)
{
    open_vga(&mode_03);
    CHECK_EQ(in8(&r.rig, 0x3cc), 0x67);
    CHECK_EQ(get_indexed(&r.rig, 0x3c4, 2), 3);
    seq(2, 0xff);
    CHECK_EQ(get_indexed(&r.rig, 0x3c4, 2), 0x0f);
    gfx(5, 0xff);
    CHECK_EQ(get_indexed(&r.rig, 0x3ce, 5), 0x7b);
    CHECK_EQ(get_indexed(&r.rig, 0x3ce, 20), 0xff);
    out8(&r.rig, 0x3d4, 0x0e);
    CHECK_EQ(in8(&r.rig, 0x3d4), 0x0e);
    /* The first eight of the CRTC are protected, but for the line compare's bit. */
    crtc(0, 0x11);
    CHECK_EQ(get_indexed(&r.rig, 0x3d4, 0), 0x5f);
    crtc(7, 0x00);
    CHECK_EQ(get_indexed(&r.rig, 0x3d4, 7), 0x0f);
    crtc(0x11, 0);
    crtc(0, 0x11);
    CHECK_EQ(get_indexed(&r.rig, 0x3d4, 0), 0x11);
    /* At 3B4h only in monochrome. */
    CHECK_EQ(in8(&r.rig, 0x3b4), 0xff);
    out8(&r.rig, 0x3c2, 0x66);
    CHECK_EQ(in8(&r.rig, 0x3d4), 0xff);
    CHECK_EQ(get_indexed(&r.rig, 0x3b4, 0), 0x11);
    close_vga();
}

static void attribute_flip_flop(void)
{
    open_vga(&mode_03);
    in8(&r.rig, 0x3da);
    out8(&r.rig, 0x3c0, 0x05);
    CHECK_EQ(in8(&r.rig, 0x3c1), 5);
    out8(&r.rig, 0x3c0, 0xff);
    CHECK_EQ(in8(&r.rig, 0x3c1), 0x3f);
    CHECK_EQ(in8(&r.rig, 0x3c0), 0x05);
    out8(&r.rig, 0x3c0, 0x20);
    CHECK_EQ(in8(&r.rig, 0x3c0), 0x20);
    close_vga();
}

static void palette(void)
{
    open_vga(NULL);
    set_dac(&r.rig, 7, 0xff, 0x20, 0x01);
    CHECK_EQ(in8(&r.rig, 0x3c8), 8);
    out8(&r.rig, 0x3c7, 7);
    CHECK_EQ(in8(&r.rig, 0x3c7), 3);
    CHECK_EQ(in8(&r.rig, 0x3c9), 0x3f);
    CHECK_EQ(in8(&r.rig, 0x3c9), 0x20);
    CHECK_EQ(in8(&r.rig, 0x3c9), 0x01);
    CHECK_EQ(in8(&r.rig, 0x3c9), 0x00);
    close_vga();
}

static void retrace_follows_time(void)
{
    unsigned retraces = 0, disabled = 0;
    u8 before = 0;

    open_vga(&mode_03);
    for (unsigned i = 0; i < 100000; i++) { /* a second */
        u8 st = in8(&r.rig, 0x3da);
        retraces += st & 8 && !(before & 8);
        disabled += st & 1;
        before = st;
        clock_advance(r.rig.clk, 10 * US);
    }
    CHECK(retraces == 70 || retraces == 71); /* Hz */
    CHECK(disabled > 25000 && disabled < 35000);
    close_vga();
}

static void write_modes(void)
{
    open_vga(&mode_12);
    /* 0: rotated data, some planes set/reset, bit mask, map mask */
    poke(0xa0010, 0x0f);
    CHECK_EQ(planes(0xa0010), 0x0f0f0f0f);
    gfx(3, 0x04);
    poke(0xa0010, 0x1f);
    CHECK_EQ(planes(0xa0010), 0xf1f1f1f1);
    gfx(3, 0);
    gfx(0, 0x05);
    gfx(1, 0x03);
    poke(0xa0010, 0x33);
    CHECK_EQ(planes(0xa0010), 0x333300ff);
    gfx(1, 0);
    gfx(8, 0xf0);
    peek(0xa0010);
    poke(0xa0010, 0xaa);
    CHECK_EQ(planes(0xa0010), 0xa3a3a0af);
    seq(2, 0x04);
    gfx(8, 0xff);
    poke(0xa0010, 0x77);
    CHECK_EQ(planes(0xa0010), 0xa377a0af);
    seq(2, 0x0f);
    /* 1: the latches */
    gfx(5, 1);
    peek(0xa0010);
    poke(0xa0020, 0x99);
    CHECK_EQ(planes(0xa0020), 0xa377a0af);
    /* 2: a colour under the bit mask */
    gfx(5, 2);
    gfx(8, 0x80);
    peek(0xa0020);
    poke(0xa0020, 0x0a);
    CHECK_EQ(planes(0xa0020), 0xa377a02f);
    /* 3: set/reset under data and bit mask */
    gfx(5, 3);
    gfx(8, 0x0f);
    gfx(0, 0x09);
    peek(0xa0020);
    poke(0xa0020, 0x3c);
    CHECK_EQ(planes(0xa0020), 0xaf73a02f);
    close_vga();
}

static void logical_functions(void)
{
    static const u8 want[4] = {0x3c, 0x0c, 0x3f, 0x33};

    open_vga(&mode_12);
    for (u8 fn = 0; fn < 4; fn++) {
        gfx(3, 0);
        poke(0xa0000, 0x0f);
        peek(0xa0000);
        gfx(3, (u8)(fn << 3));
        poke(0xa0000, 0x3c);
        CHECK_EQ(peek(0xa0000), want[fn]);
    }
    close_vga();
}

static void read_mode_1_compares(void)
{
    open_vga(&mode_12);
    seq(2, 0x01);
    poke(0xa0000, 0xf0);
    seq(2, 0x02);
    poke(0xa0000, 0xcc);
    gfx(5, 0x08);
    gfx(2, 0x03);
    gfx(7, 0x0f);
    CHECK_EQ(peek(0xa0000), 0xc0);
    gfx(7, 0x01);
    CHECK_EQ(peek(0xa0000), 0xf0);
    gfx(7, 0);
    CHECK_EQ(peek(0xa0000), 0xff);
    close_vga();
}

static void window_moves_by_the_memory_map(void)
{
    open_vga(&mode_03);
    poke(0xb8000, 'A');
    CHECK_EQ(peek(0xb8000), 'A');
    CHECK_EQ(peek(0xa0000), 0xff);
    CHECK_EQ(peek(0xb0000), 0xff);
    gfx(6, 0x0a);
    CHECK_EQ(peek(0xb0000), 'A');
    CHECK_EQ(peek(0xb8000), 0xff);
    gfx(6, 0x06);
    CHECK_EQ(peek(0xa0000), 'A');
    out8(&r.rig, 0x3c2, 0x65); /* memory off */
    CHECK_EQ(peek(0xa0000), 0xff);
    close_vga();
}

/* An 'A' of an upper left dot and a left column, in font 0. */
static void load_font(void)
{
    seq(2, 0x04);
    seq(4, 0x06);
    gfx(5, 0);
    gfx(6, 0x04);
    for (u32 y = 0; y < 16; y++) {
        poke(0xa0000 + 'A' * 32 + y, y ? 0x80 : 0xff);
        poke(0xa0000 + 0xc4 * 32 + y, y == 8 ? 0xff : 0);
        poke(0xa4000 + 'A' * 32 + y, 0x01);
    }
    seq(2, 0x03);
    seq(4, 0x02);
    gfx(5, 0x10);
    gfx(6, 0x0e);
}

static void text_picture(void)
{
    static struct text_screen t;
    u64 serial;

    open_vga(&mode_03);
    load_font();
    bus_write(&r.rig.mmio, 0xb8000 + 2 * 81, 2, 'A' | 0x1e00);
    bus_write(&r.rig.mmio, 0xb8000 + 2 * 82, 4, 0x07c4u | 0x0741u << 16);
    crtc(0x0f, 2);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(s->width, 720);
    CHECK_EQ(s->height, 400);
    CHECK_EQ(pixel(s, 9, 16), test_colour(14));
    CHECK_EQ(pixel(s, 16, 16), test_colour(14));
    CHECK_EQ(pixel(s, 17, 16), test_colour(1));
    CHECK_EQ(pixel(s, 9, 17), test_colour(14));
    CHECK_EQ(pixel(s, 10, 17), test_colour(1));
    CHECK_EQ(pixel(s, 26, 24), test_colour(7)); /* the ninth dot of a line's character */
    CHECK_EQ(pixel(s, 26, 25), test_colour(0));
    CHECK_EQ(pixel(s, 18, 13), test_colour(0)); /* the cursor on attribute 0 */
    CHECK(display_text(display, &t));
    CHECK_EQ(t.cols, 80);
    CHECK_EQ(t.rows, 25);
    CHECK_EQ(t.cell[81].ch, 'A');
    CHECK_EQ(t.cell[81].attr, 0x1e);
    CHECK_EQ(t.palette[14], test_colour(14));
    CHECK(t.cursor && t.cursor_x == 2 && t.cursor_y == 0);
    /* Only the tile of a character that changes is told. */
    serial = s->serial;
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(changed_tiles(s, serial), 0);
    poke(0xb8000 + 2 * (24 * 80 + 79) + 1, 0x70);
    serial = s->serial;
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(changed_tiles(s, serial), 1);
    CHECK_EQ(pixel(s, 719, 399), test_colour(7));
    close_vga();
}

static void text_of_two_fonts_blinks(void)
{
    open_vga(&mode_03);
    load_font();
    seq(3, 0x04); /* attribute bit 3: the second font */
    bus_write(&r.rig.mmio, 0xb8000, 2, 'A' | 0x8f00);
    crtc(0x0a, 0x20);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 0, 1), test_colour(0));
    CHECK_EQ(pixel(s, 7, 1), test_colour(15));
    clock_advance(r.rig.clk, 300 * MS);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 7, 1), test_colour(0));
    set_attr(&r.rig, 0x10, 0x04); /* no blinking: sixteen backgrounds */
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 7, 1), test_colour(15));
    CHECK_EQ(pixel(s, 0, 1), test_colour(8));
    /* Underlined, of 8 dots. */
    seq(1, 0x01);
    crtc(0x14, 0x0c);
    set_attr(&r.rig, 0x13, 0);
    bus_write(&r.rig.mmio, 0xb8000, 2, ' ' | 0x0100);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(s->width, 640);
    CHECK_EQ(pixel(s, 3, 12), test_colour(1));
    CHECK_EQ(pixel(s, 3, 11), test_colour(0));
    close_vga();
}

static void cursor_blinks(void)
{
    open_vga(&mode_03);
    load_font();
    bus_write(&r.rig.mmio, 0xb8000, 2, ' ' | 0x0700);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 0, 12), test_colour(0));
    CHECK_EQ(pixel(s, 0, 13), test_colour(7));
    CHECK_EQ(pixel(s, 0, 14), test_colour(7));
    CHECK_EQ(pixel(s, 0, 15), test_colour(0));
    clock_advance(r.rig.clk, 150 * MS);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 0, 13), test_colour(0));
    close_vga();
}

static void cga_pictures(void)
{
    open_vga(&mode_04);
    poke(0xb8000, 0x1b);          /* line 0: 0 1 2 3 */
    poke(0xb8000 + 0x2000, 0xc0); /* line 1: 3 */
    poke(0xb8001, 0x40);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(s->width, 640);
    CHECK_EQ(s->height, 400);
    CHECK_EQ(pixel(s, 0, 0), test_colour(0));
    CHECK_EQ(pixel(s, 2, 0), test_colour(1));
    CHECK_EQ(pixel(s, 4, 1), test_colour(2));
    CHECK_EQ(pixel(s, 7, 1), test_colour(3));
    CHECK_EQ(pixel(s, 8, 0), test_colour(1));
    CHECK_EQ(pixel(s, 0, 2), test_colour(3));
    close_vga();
    open_vga(&mode_06);
    poke(0xb8000 + 0x2000 + 80, 0x81); /* line 3 */
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 0, 6), test_colour(1));
    CHECK_EQ(pixel(s, 1, 6), test_colour(0));
    CHECK_EQ(pixel(s, 7, 7), test_colour(1));
    CHECK_EQ(pixel(s, 7, 5), test_colour(0));
    close_vga();
}

static void planar_picture_splits_and_pans(void)
{
    open_vga(&mode_12);
    seq(2, 0x05);
    poke(0xa0000 + 80 * 10 + 1, 0x80);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(s->width, 640);
    CHECK_EQ(s->height, 480);
    CHECK_EQ(pixel(s, 8, 10), test_colour(5));
    CHECK_EQ(pixel(s, 9, 10), test_colour(0));
    set_attr(&r.rig, 0x13, 3);
    crtc(0x0d, 80);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 5, 9), test_colour(5));
    /* From line 201 on the picture is that at address 0, panned or not. */
    crtc(0x18, 200);
    crtc(0x11, 0);
    crtc(7, 0x2e);
    crtc(9, 0);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 5, 9), test_colour(5));
    CHECK_EQ(pixel(s, 5, 211), test_colour(5));
    set_attr(&r.rig, 0x10, 0x21);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 8, 211), test_colour(5));
    close_vga();
}

static void picture_of_256_colours(void)
{
    open_vga(&mode_13);
    bus_write(&r.rig.mmio, 0xa0000 + 320 * 199 + 316, 4, 0x44332211);
    CHECK_EQ(bus_read(&r.rig.mmio, 0xa0000 + 320 * 199 + 317, 2), 0x3322);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(s->width, 640);
    CHECK_EQ(s->height, 400);
    CHECK_EQ(pixel(s, 632, 398), test_colour(0x11));
    CHECK_EQ(pixel(s, 633, 399), test_colour(0x11));
    CHECK_EQ(pixel(s, 639, 399), test_colour(0x44));
    /* Unchained: one byte for four pixels, and 240 lines that still scan twice. */
    seq(4, 0x06);
    crtc(0x14, 0);
    crtc(0x17, 0xe3);
    seq(2, 0x02);
    poke(0xa0000 + 80 * 3 + 2, 0x2a);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 18, 6), test_colour(0x2a));
    CHECK_EQ(pixel(s, 17, 6), test_colour(0));
    /* With a narrower map mask chain-4 still goes where its planes are. */
    seq(4, 0x0e);
    poke(0xa0004, 0x55);
    poke(0xa0005, 0x55);
    CHECK_EQ(peek(0xa0004), 0);
    CHECK_EQ(peek(0xa0005), 0x55);
    close_vga();
}

static void blanking(void)
{
    open_vga(&mode_13);
    poke(0xa0000, 1);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 0, 0), test_colour(1));
    seq(1, 0x21);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 0, 0), 0);
    seq(1, 0x01);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 0, 0), test_colour(1));
    in8(&r.rig, 0x3da);
    out8(&r.rig, 0x3c0, 0);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 0, 0), 0);
    CHECK(!display_text(display, NULL));
    close_vga();
}

int main(void)
{
    TEST_RUN(registers_keep_what_exists);
    TEST_RUN(attribute_flip_flop);
    TEST_RUN(palette);
    TEST_RUN(retrace_follows_time);
    TEST_RUN(write_modes);
    TEST_RUN(logical_functions);
    TEST_RUN(read_mode_1_compares);
    TEST_RUN(window_moves_by_the_memory_map);
    TEST_RUN(text_picture);
    TEST_RUN(text_of_two_fonts_blinks);
    TEST_RUN(cursor_blinks);
    TEST_RUN(cga_pictures);
    TEST_RUN(planar_picture_splits_and_pans);
    TEST_RUN(picture_of_256_colours);
    TEST_RUN(blanking);
    return test_result();
}
