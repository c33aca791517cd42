/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio/gpu.h"
#include "../test.h"
#include "driver.h"
#include "virtio/vga.h"

#include <errno.h>

#define REQUEST  DRV_DATA
#define RESPONSE (DRV_DATA + 0x8000)
#define FRAME    0x200000u /* in guest memory */
#define MEMORY   (4 * MiB)
#define ALL      (DRV_ALL | BIT64(1))

#define VGA_REGS 0xe9000000u /* BARs 2 and 4 of the adapter as a whole */
#define VGA_MSIX 0xe9100000u

#define OK            0x1100u
#define UNSPEC        0x1200u
#define OUT_OF_MEMORY 0x1201u
#define NO_SCANOUT    0x1202u
#define NO_RESOURCE   0x1203u
#define INVALID       0x1205u

static struct drv d;
static struct virtio_gpu *gpu;
static u32 answered; /* bytes */

static void make(struct display *vga)
{
    struct virtio_gpu_config cfg = {.memory = MEMORY, .vga = vga, .packed = true};

    BUG_ON(virtio_gpu_new(&gpu, d.p.mem, d.p.rig.clk, &cfg));
    drv_attach(&d, virtio_gpu_dev(gpu), false);
}

static void start_with(struct display *vga, u64 features)
{
    drv_open(&d);
    make(vga);
    CHECK(drv_negotiate(&d, features));
    drv_add_queue(&d, 0, 64);
    drv_add_queue(&d, 1, 16);
    drv_start(&d);
}

static void start(void)
{
    start_with(NULL, ALL);
}

static void stop(void)
{
    drv_detach(&d);
    virtio_gpu_free(gpu);
    drv_close(&d);
}

static u8 *at(u32 addr)
{
    return drv_ram(&d, addr);
}

/* The request with its n words after the header, of `len` bytes; the response's type. */
static u32 ask_on(u16 queue, u32 type, const u32 *words, unsigned n, u32 len)
{
    struct drv_seg s[] = {{REQUEST, len, false}, {RESPONSE, 2048, true}};
    u16 id;

    put_le32(at(REQUEST), type);
    for (unsigned i = 0; i < n; i++)
        put_le32(at(REQUEST + 24 + 4 * i), words[i]);
    BUG_ON(mem_fill(d.p.mem, RESPONSE, 0xee, 2048));
    drv_add(&d, queue, s, 2);
    drv_kick(&d, queue);
    answered = 0;
    return drv_used(&d, queue, &id, &answered) ? le32(at(RESPONSE)) : 0;
}

#define ASK(type, ...)                                                                             \
    ask_on((type) >= 0x300, type, (const u32[]){__VA_ARGS__},                                      \
           sizeof((const u32[]){__VA_ARGS__}) / 4, 24 + sizeof((const u32[]){__VA_ARGS__}))

static u32 create(u32 id, u32 format, u32 width, u32 height)
{
    return ASK(0x101, id, format, width, height);
}

static u32 set_scanout(u32 id, u32 x, u32 y, u32 w, u32 h)
{
    return ASK(0x103, x, y, w, h, 0, id);
}

static u32 transfer(u32 id, u32 x, u32 y, u32 w, u32 h, u64 off)
{
    return ASK(0x105, x, y, w, h, (u32)off, (u32)(off >> 32), id, 0);
}

/* Backing in one piece. */
static u32 attach(u32 id, u64 addr, u32 len)
{
    return ASK(0x106, id, 1, (u32)addr, (u32)(addr >> 32), len, 0);
}

static u32 pixel(u32 x, u32 y)
{
    struct display *display = virtio_gpu_display(gpu);

    CHECK_EQ(display_refresh(display), 0);
    return display->surface.pixels[y * display->surface.width + x];
}

/* Resource 1, 64x32 from FRAME, is shown; pixel n is n * 0x10101 there. */
static void show(u32 format)
{
    for (u32 n = 0; n < 64 * 32; n++)
        put_le32(at(FRAME + 4 * n), n * 0x10101);
    CHECK_EQ(create(1, format, 64, 32), OK);
    CHECK_EQ(attach(1, FRAME, 64 * 32 * 4), OK);
    CHECK_EQ(transfer(1, 0, 0, 64, 32, 0), OK);
    CHECK_EQ(set_scanout(1, 0, 0, 64, 32), OK);
}

static void tells_its_display(void)
{
    start();
    CHECK_EQ(drv_get(&d, 0x2008, 4), 1);
    CHECK_EQ(ask_on(0, 0x100, NULL, 0, 24), 0x1101);
    CHECK_EQ(answered, 24 + 16 * 24);
    CHECK(le32(at(RESPONSE + 32)) == 1024 && le32(at(RESPONSE + 36)) == 768);
    CHECK(le32(at(RESPONSE + 40)) == 1 && le32(at(RESPONSE + 64)) == 0);
    CHECK_EQ(ASK(0x10a, 0, 0), 0x1104);
    CHECK_EQ(answered, 24 + 8 + 1024);
    CHECK(le32(at(RESPONSE + 24)) == 128 && le64(at(RESPONSE + 32)) == 0x00ffffffffffff00);
    CHECK_EQ(ASK(0x10a, 1, 0), NO_SCANOUT);
    stop();
    start_with(NULL, DRV_ALL);
    CHECK_EQ(ASK(0x10a, 0, 0), UNSPEC); /* was not negotiated */
    stop();
}

static void shows_a_picture(void)
{
    for (unsigned packed = 0; packed < 2; packed++) {
        start_with(NULL, ALL | (packed ? BIT64(VIRTIO_F_RING_PACKED) : 0));
        CHECK_EQ(pixel(0, 0), 0);
        CHECK_EQ(virtio_gpu_display(gpu)->surface.width, 1024);
        show(2);
        CHECK_EQ(pixel(3, 2), (2 * 64 + 3) * 0x10101);
        CHECK_EQ(virtio_gpu_display(gpu)->surface.width, 64);
        put_le32(at(FRAME), 0xff123456);
        CHECK_EQ(pixel(0, 0), 0); /* not before it is transferred */
        CHECK_EQ(transfer(1, 0, 0, 1, 1, 0), OK);
        CHECK_EQ(ASK(0x104, 0, 0, 1, 1, 1, 0), OK);
        CHECK_EQ(pixel(0, 0), 0x123456);
        CHECK_EQ(set_scanout(1, 2, 1, 10, 20), OK); /* a part of it */
        CHECK_EQ(pixel(1, 1), (2 * 64 + 3) * 0x10101);
        CHECK_EQ(virtio_gpu_display(gpu)->surface.height, 20);
        CHECK_EQ(set_scanout(0, 0, 0, 0, 0), OK);
        CHECK_EQ(pixel(1, 1), 0);
        stop();
    }
}

/* A rectangle comes from `offset`, its lines as far apart as the resource's. */
static void transfers_rectangles(void)
{
    start();
    show(2);
    for (u32 n = 0; n < 64 * 32; n++)
        put_le32(at(FRAME + 4 * n), 0x800000 + n);
    CHECK_EQ(transfer(1, 5, 6, 2, 2, 4 * 100), OK);
    CHECK(pixel(5, 6) == 0x800000 + 100 && pixel(6, 6) == 0x800000 + 101);
    CHECK(pixel(5, 7) == 0x800000 + 164 && pixel(6, 7) == 0x800000 + 165);
    CHECK(pixel(7, 6) == ((6 * 64 + 7) * 0x10101 & 0xffffff));
    stop();
}

static void formats(void)
{
    static const struct {
        u32 format, shown;
    } cases[] = {{1, 0x332211},  {2, 0x332211},  {3, 0x223344},   {4, 0x223344},
                 {67, 0x112233}, {68, 0x443322}, {121, 0x443322}, {134, 0x112233}};

    for (unsigned n = 0; n < ARRAY_SIZE(cases); n++) {
        start();
        show(cases[n].format);
        put_le32(at(FRAME), 0x44332211);
        CHECK_EQ(transfer(1, 0, 0, 1, 1, 0), OK);
        CHECK_EQ(pixel(0, 0), cases[n].shown);
        stop();
    }
    start();
    CHECK_EQ(create(1, 5, 64, 32), INVALID);
    stop();
}

/* Pieces of the backing that cut pixels and lines. */
static void scattered_backing(void)
{
    start();
    for (u32 n = 0; n < 64; n++)
        put_le32(at(FRAME + 4 * n), n + 1);
    memmove(at(FRAME + 0x1000), at(FRAME + 5), 256 - 5);
    CHECK_EQ(create(1, 2, 8, 8), OK);
    CHECK_EQ(ASK(0x106, 1, 3, FRAME, 0, 5, 0, FRAME, 0, 0, 0, FRAME + 0x1000, 0, 251, 0), OK);
    CHECK_EQ(transfer(1, 0, 0, 8, 8, 0), OK);
    CHECK_EQ(set_scanout(1, 0, 0, 8, 8), OK);
    for (u32 n = 0; n < 64; n++)
        CHECK_EQ(pixel(n % 8, n / 8), n + 1);
    stop();
}

static void refuses_what_is_not_there(void)
{
    start();
    CHECK_EQ(create(0, 2, 8, 8), NO_RESOURCE);
    CHECK_EQ(create(1, 2, 0, 8), INVALID);
    CHECK_EQ(create(1, 2, 8, 20000), INVALID);
    CHECK_EQ(create(1, 2, 8, 8), OK);
    CHECK_EQ(create(1, 2, 8, 8), NO_RESOURCE);
    CHECK_EQ(transfer(1, 0, 0, 8, 8, 0), UNSPEC); /* has no backing */
    CHECK_EQ(ASK(0x107, 1, 0), UNSPEC);
    CHECK_EQ(ASK(0x106, 1, 0), INVALID);
    CHECK_EQ(ASK(0x106, 1, 2, FRAME, 0, 256, 0), INVALID); /* the second is missing */
    CHECK_EQ(ASK(0x106, 1, UINT32_MAX, FRAME, 0, 256, 0), INVALID);
    CHECK_EQ(attach(2, FRAME, 256), NO_RESOURCE);
    CHECK_EQ(attach(1, FRAME, 255), OK);
    CHECK_EQ(attach(1, FRAME, 256), UNSPEC);
    CHECK_EQ(transfer(1, 0, 0, 8, 8, 0), INVALID); /* ends too early */
    CHECK_EQ(transfer(1, 0, 0, 8, 8, UINT64_MAX), INVALID);
    CHECK_EQ(transfer(1, 0, 0, 8, 7, 0), OK);
    CHECK_EQ(transfer(1, 1, 0, 8, 1, 0), INVALID);
    CHECK_EQ(transfer(1, 4, 4, UINT32_MAX, UINT32_MAX - 3, 0), INVALID);
    CHECK_EQ(ASK(0x104, 0, 1, 8, 8, 1, 0), INVALID);
    CHECK_EQ(ASK(0x104, 0, 0, 8, 8, 9, 0), NO_RESOURCE);
    CHECK_EQ(set_scanout(1, 0, 0, 9, 8), INVALID);
    CHECK_EQ(set_scanout(1, 0, 0, 0, 8), INVALID);
    CHECK_EQ(set_scanout(7, 0, 0, 8, 8), NO_RESOURCE);
    CHECK_EQ(ASK(0x103, 0, 0, 8, 8, 1, 1), NO_SCANOUT);
    CHECK_EQ(ASK(0x107, 1, 0), OK);
    CHECK_EQ(attach(1, UINT64_MAX - 100, 256), OK);
    CHECK_EQ(transfer(1, 0, 0, 8, 8, 0), INVALID);
    CHECK_EQ(ASK(0x102, 3, 0), NO_RESOURCE);
    CHECK_EQ(ASK(0x102, 1, 0), OK);
    CHECK_EQ(ASK(0x108, 0, 0), UNSPEC); /* 3D's */
    CHECK_EQ(ASK(0x5000, 0, 0), UNSPEC);
    CHECK_EQ(ask_on(0, 0x102, NULL, 0, 31), UNSPEC); /* too short */
    CHECK_EQ(ask_on(0, 0x102, NULL, 0, 3), UNSPEC);
    CHECK_EQ(ask_on(1, 0x100, NULL, 0, 24), UNSPEC); /* not on this queue */
    CHECK(!virtio_gpu_dev(gpu)->broken);
    stop();
}

static void memory_is_bounded(void)
{
    unsigned n = 0;

    start();
    CHECK_EQ(create(1, 2, 16384, 16384), OUT_OF_MEMORY);
    CHECK_EQ(create(1, 2, 512, 512), OK); /* 1 MiB each */
    CHECK_EQ(create(2, 2, 512, 512), OK);
    CHECK_EQ(create(3, 2, 512, 512), OK);
    CHECK_EQ(create(4, 2, 512, 512), OK);
    CHECK_EQ(create(5, 2, 1, 1), OUT_OF_MEMORY);
    CHECK_EQ(attach(4, FRAME, MiB), OUT_OF_MEMORY);
    CHECK_EQ(ASK(0x102, 2, 0), OK);
    CHECK_EQ(create(5, 2, 512, 512), OK);
    drv_set_status(&d, 0); /* frees all */
    stop();
    start();
    while (n < 1000 && create(n + 1, 2, 1, 1) == OK)
        n++;
    CHECK_EQ(n, 256);
    CHECK_EQ(le32(at(RESPONSE)), OUT_OF_MEMORY);
    stop();
}

/* What one resource had is not seen in the next. */
static void memory_is_cleared(void)
{
    start();
    show(2);
    CHECK(pixel(5, 5));
    CHECK_EQ(ASK(0x102, 1, 0), OK);
    CHECK_EQ(pixel(5, 5), 0);
    CHECK_EQ(create(2, 2, 64, 32), OK);
    CHECK_EQ(set_scanout(2, 0, 0, 64, 32), OK);
    CHECK_EQ(pixel(5, 5), 0);
    stop();
}

static void fences(void)
{
    start();
    put_le32(at(REQUEST + 4), 1);
    put_le64(at(REQUEST + 8), 0x1122334455667788);
    put_le32(at(REQUEST + 16), 77);
    CHECK_EQ(create(1, 2, 8, 8), OK);
    CHECK(le32(at(RESPONSE + 4)) == 1 && le64(at(RESPONSE + 8)) == 0x1122334455667788);
    CHECK_EQ(le32(at(RESPONSE + 16)), 77);
    put_le32(at(REQUEST + 4), 0);
    CHECK_EQ(ASK(0x102, 1, 0), OK);
    CHECK(le32(at(RESPONSE + 4)) == 0 && le64(at(RESPONSE + 8)) == 0);
    CHECK_EQ(answered, 24);
    CHECK(drv_isr(&d) & 1);
    stop();
}

static u32 cursor(u32 type, u32 x, u32 y, u32 id)
{
    return ASK(type, 0, x, y, 0, id, 0, 0, 0);
}

static void cursors(void)
{
    start();
    show(2);
    for (u32 n = 0; n < 64 * 64; n++)
        put_le32(at(FRAME + 4 * n), n ? 0x80400000 : 0xff00ff00); /* multiplied by alpha */
    CHECK_EQ(create(2, 1, 64, 64), OK);
    CHECK_EQ(attach(2, FRAME, 64 * 64 * 4), OK);
    CHECK_EQ(transfer(2, 0, 0, 64, 64, 0), OK);
    CHECK_EQ(cursor(0x300, 10, 3, 2), OK);
    CHECK_EQ(pixel(10, 3), 0x00ff00);
    CHECK_EQ(pixel(9, 3), (3 * 64 + 9) * 0x10101);
    CHECK_EQ(pixel(0, 0), 0);
    CHECK_EQ(cursor(0x301, (u32)-1, (u32)-1, 0), OK);
    CHECK_EQ(pixel(0, 0), 0x400000);
    CHECK_EQ(pixel(10, 3) >> 16, 0x40 + ((3 * 64 + 10) * 127 + 127) / 255);
    CHECK_EQ(cursor(0x301, 0x80000000, 0x7fffffff, 0), OK);
    CHECK_EQ(pixel(0, 0), 0);
    CHECK_EQ(cursor(0x300, 0, 0, 1), INVALID); /* its size */
    CHECK_EQ(cursor(0x300, 0, 0, 5), NO_RESOURCE);
    CHECK_EQ(cursor(0x300, 0, 0, 2), OK);
    CHECK_EQ(cursor(0x300, 0, 0, 0), OK); /* none */
    CHECK_EQ(pixel(0, 0), 0);
    stop();
}

static int grey_refresh(void *opaque, struct surface *s)
{
    int rc = surface_resize(s, 720, 400);

    if (!rc)
        surface_fill(s, 0x445566);
    return rc;
}

static void takes_over_from_vga(void)
{
    static const struct display_ops grey_ops = {.refresh = grey_refresh};
    struct display vga = {.ops = &grey_ops};

    start_with(&vga, ALL);
    CHECK_EQ(pixel(5, 5), 0x445566);
    CHECK_EQ(virtio_gpu_display(gpu)->surface.width, 720);
    show(2);
    CHECK_EQ(pixel(1, 0), 0x10101);
    CHECK_EQ(set_scanout(0, 0, 0, 0, 0), OK);
    CHECK_EQ(pixel(5, 5), 0); /* dark, but still the driver's */
    drv_set_status(&d, 0);
    CHECK_EQ(pixel(5, 5), 0x445566);
    CHECK_EQ(virtio_gpu_display(gpu)->surface.width, 720);
    stop();
    surface_dispose(&vga.surface);
}

static u32 reg(u32 off, unsigned size)
{
    return (u32)bus_read(&d.p.rig.mmio, VGA_REGS + off, size);
}

static void set_reg(u32 off, unsigned size, u32 val)
{
    bus_write(&d.p.rig.mmio, VGA_REGS + off, size, val);
}

/* Where a driver finds a part of the modern interface. */
static u32 capability(u8 kind, u8 *bar)
{
    u8 at = (u8)pci_config_read(d.p.pci, DRV_DEVFN, PCI_CAP_LIST, 1);

    for (unsigned n = 0; at && n < 16; n++) {
        if (pci_config_read(d.p.pci, DRV_DEVFN, at, 1) == 9 &&
            pci_config_read(d.p.pci, DRV_DEVFN, at + 3u, 1) == kind) {
            *bar = (u8)pci_config_read(d.p.pci, DRV_DEVFN, at + 4u, 1);
            return pci_config_read(d.p.pci, DRV_DEVFN, at + 8u, 4);
        }
        at = (u8)pci_config_read(d.p.pci, DRV_DEVFN, at + 1u, 1);
    }
    return UINT32_MAX;
}

/* BAR 2: the VGA's in front, where OVMF has no other way to it, then virtio's. */
static void has_registers(struct virtio_vga *v)
{
    u8 bar = 0xff;
    u32 common = capability(1, &bar);

    pci_config_write(d.p.pci, DRV_DEVFN, PCI_BAR0 + 8, 4, VGA_REGS);
    CHECK_EQ(reg(0, 4), 0xffffff00); /* EDID */
    CHECK_EQ(reg(0x500, 2) & 0xfff0, 0xb0c0);
    CHECK_EQ(reg(0x604, 4), 0x1e1e1e1e);
    CHECK_EQ(reg(0x1000, 4), 0);
    set_reg(0x502, 4, 480 << 16 | 640); /* both in one access */
    set_reg(0x506, 2, 32);
    set_reg(0x508, 2, 0x41);
    CHECK_EQ(reg(0x502, 4), 480 << 16 | 640);
    CHECK_EQ(display_refresh(virtio_vga_display(v)), 0);
    CHECK_EQ(virtio_vga_display(v)->surface.width, 640);
    CHECK_EQ(bar, 2);
    CHECK_EQ(common, 0x4000);
    CHECK_EQ(reg(common + 0x12, 2), 2); /* queues */
    set_reg(common + 0x14, 1, 3);
    CHECK_EQ(reg(common + 0x14, 1), 3);
    set_reg(common + 0x14, 1, 0);
    reg(0x7ffc, 4);
    CHECK_EQ(pci_config_read(d.p.pci, DRV_DEVFN, PCI_BAR0 + 4, 4), 0); /* MSI-X is elsewhere */
    pci_config_write(d.p.pci, DRV_DEVFN, PCI_BAR0 + 16, 4, VGA_MSIX);
    CHECK_EQ(bus_read(&d.p.rig.mmio, VGA_MSIX + 12, 4), 1); /* masked */
}

/* The adapter as a whole: a VGA by its ports and BAR 0, with a ROM, and what virtio has. */
static void is_a_vga(void)
{
    static const u8 rom[] = {0x55, 0xaa, 1};
    struct vga_pci_config cfg = {.rom = rom, .rom_size = sizeof(rom)};
    struct virtio_vga *v;

    drv_open(&d);
    cfg.clk = d.p.rig.clk;
    CHECK_EQ(virtio_vga_new(&v, d.p.pci, DRV_DEVFN, &cfg), 0);
    CHECK_EQ(pci_config_read(d.p.pci, DRV_DEVFN, 0, 4), 0x10501af4);
    CHECK_EQ(pci_config_read(d.p.pci, DRV_DEVFN, 8, 4), 0x03000001);
    pci_config_write(d.p.pci, DRV_DEVFN, PCI_BAR0, 4, UINT32_MAX);
    CHECK_EQ(pci_config_read(d.p.pci, DRV_DEVFN, PCI_BAR0, 4) & ~0xfu, -(16 * MiB) & UINT32_MAX);
    pci_config_write(d.p.pci, DRV_DEVFN, PCI_BAR0, 4, 0xe0000000);
    pci_config_write(d.p.pci, DRV_DEVFN, PCI_ROM_BAR, 4, 0xe8000001);
    pci_config_write(d.p.pci, DRV_DEVFN, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEM);
    CHECK(mem_ptr(d.p.mem, 0xe0000000) == v->core.vga.vram);
    CHECK_EQ(le16(drv_ram(&d, 0xe8000000)), 0xaa55);
    bus_write(&d.p.rig.pio, 0x1ce, 2, 0);
    CHECK_EQ(bus_read(&d.p.rig.pio, 0x1cf, 2) & 0xfff0, 0xb0c0);
    CHECK_EQ(display_refresh(virtio_vga_display(v)), 0);
    CHECK_EQ(virtio_vga_display(v)->surface.width, v->core.vga.display.surface.width);
    has_registers(v);
    virtio_vga_reset(v);
    virtio_vga_free(v);
    cfg.rom_size = 0;
    CHECK_EQ(virtio_vga_new(&v, d.p.pci, DRV_DEVFN, &cfg), -EINVAL);
    drv_close(&d);
}

static void reload(struct state_stream *stream, int rc)
{
    struct err err = {""};

    drv_detach(&d);
    virtio_gpu_free(gpu);
    make(NULL);
    stream->at = 0;
    CHECK_EQ(state_load(stream, &virtio_pci_state, d.pci, &err), 0);
    CHECK_EQ(state_load(stream, &virtio_gpu_state, gpu, &err), rc);
}

static void state_moves(void)
{
    struct state_stream stream = {0};

    start();
    show(2);
    CHECK_EQ(create(2, 1, 64, 64), OK);
    CHECK_EQ(state_save(&stream, &virtio_pci_state, d.pci), 0);
    CHECK_EQ(state_save(&stream, &virtio_gpu_state, gpu), 0);
    reload(&stream, 0);
    CHECK_EQ(pixel(3, 2), (2 * 64 + 3) * 0x10101);
    put_le32(at(FRAME), 0x123456);
    CHECK_EQ(transfer(1, 0, 0, 64, 32, 0), OK); /* the backing came along */
    CHECK_EQ(pixel(0, 0), 0x123456);
    CHECK_EQ(create(2, 1, 64, 64), NO_RESOURCE);
    CHECK_EQ(drv_get(&d, 0x2008, 4), 1);
    state_dispose(&stream);
    stop();
}

/* Each byte of the table of resources in turn; what is refused can be reset. */
static void wrong_states(void)
{
    struct state_stream stream = {0};
    u8 *first = NULL;

    start();
    show(2);
    CHECK_EQ(state_save(&stream, &virtio_gpu_state, gpu), 0);
    for (size_t n = 0; n + 52 <= stream.len && !first; n++)
        if (le32(stream.data + n) == 1 && le32(stream.data + n + 4) == 2 &&
            le32(stream.data + n + 8) == 64 && le32(stream.data + n + 12) == 32)
            first = stream.data + n;
    CHECK(first);
    for (unsigned n = 0; first && n < 52; n++) {
        struct err err = {""};
        int rc;
        first[n] ^= 0x80;
        stream.at = 0;
        rc = state_load(&stream, &virtio_gpu_state, gpu, &err);
        CHECK(!rc || rc == -EINVAL);
        if (!rc)
            pixel(3, 2);
        virtio_pci_reset(d.pci);
        first[n] ^= 0x80;
    }
    state_dispose(&stream);
    stop();
}

int main(void)
{
    TEST_RUN(tells_its_display);
    TEST_RUN(shows_a_picture);
    TEST_RUN(transfers_rectangles);
    TEST_RUN(formats);
    TEST_RUN(scattered_backing);
    TEST_RUN(refuses_what_is_not_there);
    TEST_RUN(memory_is_bounded);
    TEST_RUN(memory_is_cleared);
    TEST_RUN(fences);
    TEST_RUN(cursors);
    TEST_RUN(takes_over_from_vga);
    TEST_RUN(is_a_vga);
    TEST_RUN(state_moves);
    TEST_RUN(wrong_states);
    return test_result();
}
