/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PCI adapter: the Bochs display interface, BAR 0 and 2, EDID, ROM, saved state. */
#include "dev/stdvga.h"
#include "../test.h"
#include "base/le.h"
#include "vga_rig.h"

#include <errno.h>

#define DEVFN PCI_DEVFN(2, 0)
#define FB    0xe0000000u
#define REGS  0xf0000000u
#define ROM   0xf1000000u

enum { ID, XRES, YRES, BPP, ENABLE, BANK, VIRT_WIDTH, VIRT_HEIGHT, X_OFFSET, Y_OFFSET, MEMORY };

static struct vga_rig r;
static struct stdvga *dev;
static struct display *display;
static struct surface *s;
static u8 rom[5000] = {0x55, 0xaa, 10};

static struct vga_pci_config config(void)
{
    return (struct vga_pci_config){.clk = r.rig.clk,
                                   .vram = MiB,
                                   .width = 1280,
                                   .height = 800,
                                   .rom = rom,
                                   .rom_size = sizeof(rom)};
}

static void map_bars(void)
{
    pci_config_write(r.pci, DEVFN, PCI_BAR0, 4, FB);
    pci_config_write(r.pci, DEVFN, PCI_BAR0 + 8, 4, REGS);
    pci_config_write(r.pci, DEVFN, PCI_ROM_BAR, 4, ROM | 1);
    pci_config_write(r.pci, DEVFN, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEM);
}

static void open_dev(void)
{
    struct vga_pci_config cfg;

    vga_rig_open(&r);
    cfg = config();
    if (stdvga_new(&dev, r.pci, DEVFN, &cfg))
        exit(1);
    display = stdvga_display(dev);
    s = &display->surface;
    map_bars();
    set_attr(&r.rig, 0, 0); /* the palette on */
}

static void close_dev(void)
{
    stdvga_free(dev);
    vga_rig_close(&r);
}

static u16 get(u16 index)
{
    bus_write(&r.rig.pio, 0x1ce, 2, index);
    return (u16)bus_read(&r.rig.pio, 0x1cf, 2);
}

static void put(u16 index, u16 val)
{
    bus_write(&r.rig.pio, 0x1ce, 2, index);
    bus_write(&r.rig.pio, 0x1cf, 2, val);
}

static void set(u16 x, u16 y, u16 bpp, u16 flags)
{
    put(ENABLE, 0);
    put(XRES, x);
    put(YRES, y);
    put(BPP, bpp);
    put(ENABLE, 1 | flags);
}

static u8 *fb(void)
{
    return mem_ptr(r.mem, FB);
}

static void appears_on_the_bus(void)
{
    open_dev();
    CHECK_EQ(pci_config_read(r.pci, DEVFN, 0, 4), 0x11111234);
    CHECK_EQ(pci_config_read(r.pci, DEVFN, 8, 4), 0x03000002);
    CHECK_EQ(pci_config_read(r.pci, DEVFN, 0x2c, 4), 0x11001af4);
    CHECK(fb());
    CHECK(mem_ptr(r.mem, ROM) && mem_ptr(r.mem, ROM)[0] == 0x55);
    CHECK_EQ(mem_page_for(r.mem, ROM, MEM_NORMAL, MEM_WRITE), MEM_NO_PAGE);
    close_dev();
}

static void refuses_sizes(void)
{
    struct stdvga *other;
    struct vga_pci_config cfg;

    open_dev();
    cfg = config();
    cfg.vram = 3 * MiB;
    CHECK_EQ(-stdvga_new(&other, r.pci, PCI_DEVFN(3, 0), &cfg), EINVAL);
    cfg = config();
    cfg.width = 5000;
    CHECK_EQ(-stdvga_new(&other, r.pci, PCI_DEVFN(3, 0), &cfg), EINVAL);
    cfg = config(); /* the legacy ports are taken */
    CHECK_EQ(-stdvga_new(&other, r.pci, PCI_DEVFN(3, 0), &cfg), EEXIST);
    close_dev();
}

static void display_interface(void)
{
    open_dev();
    CHECK_EQ(get(ID), 0xb0c5);
    put(ID, 0xb0c2);
    CHECK_EQ(get(ID), 0xb0c2);
    put(ID, 0x1234);
    CHECK_EQ(get(ID), 0xb0c2);
    CHECK_EQ(get(MEMORY), 16);
    put(ENABLE, 2);
    CHECK(get(XRES) >= 1600 && get(YRES) >= 1200);
    CHECK_EQ(get(BPP), 32);
    set(640, 480, 16, 0x40);
    CHECK_EQ(get(VIRT_WIDTH), 640);
    CHECK_EQ(get(VIRT_HEIGHT), MiB / 1280);
    put(VIRT_WIDTH, 800);
    CHECK_EQ(get(VIRT_HEIGHT), MiB / 1600);
    put(Y_OFFSET, 100);
    CHECK_EQ(get(Y_OFFSET), 100);
    put(Y_OFFSET, 60000); /* beyond memory */
    CHECK_EQ(get(Y_OFFSET), 0);
    put(BANK, 7);
    CHECK_EQ(get(BANK), 7);
    set(4096, 4096, 32, 0); /* more than there is */
    CHECK_EQ(get(XRES), 4096);
    CHECK_EQ(get(YRES), MiB / (4 * 4096));
    set(13, 0, 77, 0);
    CHECK_EQ(get(XRES), 8);
    CHECK_EQ(get(YRES), 1);
    CHECK_EQ(get(BPP), 8);
    CHECK_EQ(get(99), 0);
    close_dev();
}

static void depths(void)
{
    open_dev();
    set(640, 400, 32, 0x40);
    put_le32(fb() + 4 * (640 * 3 + 2), 0xff123456);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(s->width, 640);
    CHECK_EQ(s->height, 400);
    CHECK_EQ(pixel(s, 2, 3), 0x123456);
    set(640, 400, 24, 0x40);
    CHECK_EQ(fb()[4 * (640 * 3 + 2)], 0); /* cleared */
    memcpy(fb() + 3 * 5, "\x01\x02\x03", 3);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 5, 0), 0x030201);
    set(640, 400, 16, 0x40);
    put_le16(fb() + 2, 0xf81f);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 1, 0), 0xff00ff);
    set(640, 400, 15, 0xc0); /* not cleared */
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 1, 0), 0xf700ff);
    set(640, 400, 8, 0x60);
    fb()[640 * 399] = 9;
    set_dac(&r.rig, 9, 0x80, 0xff, 0x01);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 0, 399), 0x80ff01);
    close_dev();
}

static void scrolls_through_display_memory(void)
{
    open_dev();
    set(320, 200, 32, 0x40);
    put(VIRT_WIDTH, 400);
    put(X_OFFSET, 10);
    put(Y_OFFSET, 20);
    put_le32(fb() + 4 * (400 * 21 + 12), 0x00abcdef);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 2, 1), 0xabcdef);
    close_dev();
}

static void banks_and_planes(void)
{
    open_dev();
    out8(&r.rig, 0x3c2, 0x63);
    set(640, 400, 8, 0);
    put(BANK, 2);
    bus_write(&r.rig.mmio, 0xa0004, 4, 0x01020304);
    CHECK_EQ(le32(fb() + 0x20004), 0x01020304);
    CHECK_EQ(bus_read(&r.rig.mmio, 0xa0005, 1), 3);
    CHECK_EQ(bus_read(&r.rig.mmio, 0xb8000, 1), 0xff);
    set_mode(&r.rig, &mode_12);
    set(800, 600, 4, 0);
    set_indexed(&r.rig, 0x3c4, 2, 0x06);
    bus_write(&r.rig.mmio, 0xa0000 + 100 * 599 + 99, 1, 0x01);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(s->width, 800);
    CHECK_EQ(s->height, 600);
    CHECK_EQ(pixel(s, 799, 599), test_colour(6));
    CHECK_EQ(pixel(s, 798, 599), test_colour(0));
    close_dev();
}

static void registers_in_bar_2(void)
{
    u8 edid[128], sum = 0;

    open_dev();
    for (unsigned i = 0; i < 128; i++) {
        edid[i] = (u8)bus_read(&r.rig.mmio, REGS + i, 1);
        sum = (u8)(sum + edid[i]);
    }
    CHECK_EQ(le64(edid), 0x00ffffffffffff00);
    CHECK_EQ(sum, 0);
    CHECK_EQ(edid[56] | (edid[58] & 0xf0u) << 4, 1280);
    CHECK_EQ(edid[59] | (edid[61] & 0xf0u) << 4, 800);
    CHECK_EQ(bus_read(&r.rig.mmio, REGS + 128, 4), 0);
    CHECK_EQ(bus_read(&r.rig.mmio, REGS + 0x500, 2), 0xb0c5);
    bus_write(&r.rig.mmio, REGS + 0x502, 2, 800);
    CHECK_EQ(get(XRES), 800);
    bus_write(&r.rig.mmio, REGS + 0x408, 1, 5);
    CHECK_EQ(in8(&r.rig, 0x3c8), 5);
    CHECK_EQ(bus_read(&r.rig.mmio, REGS + 0x600, 4), 8);
    CHECK_EQ(bus_read(&r.rig.mmio, REGS + 0x604, 4), 0x1e1e1e1e);
    close_dev();
}

static void state_goes_over(void)
{
    struct state_stream st = {0};
    struct err err;

    open_dev();
    set_mode(&r.rig, &mode_13);
    set(640, 400, 16, 0x40);
    put_le16(fb() + 2, 0xffff);
    CHECK_EQ(state_save(&st, &stdvga_state, dev), 0);
    close_dev(); /* another machine, whose screen showed something else */
    open_dev();
    fb()[0x4000] = 9;
    CHECK_EQ(state_load(&st, &stdvga_state, dev, &err), 0);
    CHECK_EQ(fb()[0x4000], 0);
    CHECK_EQ(get(XRES), 640);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 1, 0), 0xffffff);
    put(ENABLE, 0);
    CHECK_EQ(display_refresh(display), 0);
    CHECK_EQ(pixel(s, 4, 0), test_colour(0xff));
    state_dispose(&st);
    close_dev();
}

static void impossible_state_is_refused(void)
{
    struct state_stream st = {0};
    struct err err;

    open_dev();
    set(640, 400, 16, 0x40);
    CHECK_EQ(state_save(&st, &stdvga_state, dev), 0);
    put_le16(st.data + st.len - 2 * 10, 20000); /* XRES */
    CHECK_EQ(-state_load(&st, &stdvga_state, dev, &err), EINVAL);
    stdvga_reset(dev);
    CHECK_EQ(display_refresh(display), 0);
    state_dispose(&st);
    close_dev();
}

int main(void)
{
    TEST_RUN(appears_on_the_bus);
    TEST_RUN(refuses_sizes);
    TEST_RUN(display_interface);
    TEST_RUN(depths);
    TEST_RUN(scrolls_through_display_memory);
    TEST_RUN(banks_and_planes);
    TEST_RUN(registers_in_bar_2);
    TEST_RUN(state_goes_over);
    TEST_RUN(impossible_state_is_refused);
    return test_result();
}
