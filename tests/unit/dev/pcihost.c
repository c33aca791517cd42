/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/pcihost.h"
#include "../test.h"
#include "rig.h"

static struct rig rig;
static struct wire reset;
static struct pcihost *host;

static void open_host(void)
{
    rig_open(&rig);
    reset = (struct wire){0};
    if (pcihost_new(&host, &rig.pio, wire_irq(&reset)))
        exit(1);
}

static void close_host(void)
{
    pcihost_free(host);
    rig_close(&rig);
}

static void point(unsigned bus, unsigned devfn, unsigned reg)
{
    bus_write(&rig.pio, 0xcf8, 4, 0x80000000u | bus << 16 | devfn << 8 | reg);
}

static u64 config(unsigned bus, unsigned devfn, unsigned reg)
{
    point(bus, devfn, reg);
    return bus_read(&rig.pio, 0xcfc, 4);
}

static void finds_the_host_bridge(void)
{
    open_host();
    CHECK_EQ(bus_read(&rig.pio, 0xcfc, 4), 0xffffffff); /* not enabled */
    CHECK_EQ(config(0, 0, 0), 0x12378086);
    CHECK_EQ(bus_read(&rig.pio, 0xcfe, 2), 0x1237);
    CHECK_EQ(in8(&rig, 0xcfd), 0x80);
    CHECK_EQ(config(0, 0, 8), 0x06000002);
    CHECK_EQ(config(0, PCI_DEVFN(1, 0), 0), 0xffffffff);
    CHECK_EQ(config(1, 0, 0), 0xffffffff);
    point(0, 0, 4);
    bus_write(&rig.pio, 0xcfc, 2, 0x0107);
    CHECK_EQ(bus_read(&rig.pio, 0xcfc, 4), 0x02800106);
    pcihost_reset(host);
    CHECK_EQ(config(0, 0, 4), 0x02800006);
    close_host();
}

static void address_takes_dwords_only(void)
{
    open_host();
    bus_write(&rig.pio, 0xcf8, 4, 0xffffffff);
    CHECK_EQ(bus_read(&rig.pio, 0xcf8, 4), 0x80fffffc);
    bus_write(&rig.pio, 0xcf8, 2, 0);
    out8(&rig, 0xcfb, 0);
    CHECK_EQ(bus_read(&rig.pio, 0xcf8, 4), 0x80fffffc);
    CHECK_EQ(bus_read(&rig.pio, 0xcf8, 2), 0xffff);
    close_host();
}

struct probe {
    struct pci_function fn;
    unsigned off, size, reads;
};

static void on_written(void *opaque, unsigned off, unsigned size)
{
    struct probe *p = opaque;
    p->off = off;
    p->size = size;
}

static void on_read(void *opaque, unsigned off, unsigned size)
{
    struct probe *p = opaque;
    p->fn.config[0x40] = (u8)++p->reads;
}

static void adds_functions(void)
{
    static const u8 wmask[256] = {[0x10] = 0, [0x11] = 0xf0, [0x12] = 0xff, [0x13] = 0xff};
    static const u8 w1c[256] = {[0x07] = 0xf9};
    struct probe p = {.fn = {.wmask = wmask,
                             .w1c = w1c,
                             .written = on_written,
                             .before_read = on_read,
                             .opaque = &p}};

    open_host();
    p.fn.config[0] = 0xf4;
    p.fn.config[7] = 0x88;
    CHECK_EQ(pcihost_add(host, PCI_DEVFN(3, 1), &p.fn), 0);
    CHECK(pcihost_add(host, PCI_DEVFN(3, 1), &p.fn) < 0);
    CHECK(pcihost_add(host, 256, &p.fn) < 0);
    point(0, PCI_DEVFN(3, 1), 0x10); /* a BAR says its size */
    bus_write(&rig.pio, 0xcfc, 4, 0xffffffff);
    CHECK_EQ(bus_read(&rig.pio, 0xcfc, 4), 0xfffff000);
    point(0, PCI_DEVFN(3, 1), 4);
    bus_write(&rig.pio, 0xcfe, 2, 0x8000);
    CHECK_EQ(p.off, 6);
    CHECK_EQ(p.size, 2);
    CHECK_EQ(bus_read(&rig.pio, 0xcfc, 4), 0x08000000);
    point(0, PCI_DEVFN(3, 1), 0x40);
    CHECK_EQ(in8(&rig, 0xcfc), p.reads);
    pcihost_remove(host, PCI_DEVFN(3, 1));
    CHECK_EQ(bus_read(&rig.pio, 0xcfc, 4), 0xffffffff);
    close_host();
}

static void resets(void)
{
    open_host();
    out8(&rig, 0xcf9, 0x02);
    CHECK_EQ(reset.rises, 0);
    CHECK_EQ(in8(&rig, 0xcf9), 0x02);
    out8(&rig, 0xcf9, PCIHOST_RESET_HARD);
    CHECK_EQ(reset.rises, 1);
    out8(&rig, 0xcf9, 0x0e); /* the bit was on already */
    CHECK_EQ(reset.rises, 1);
    pcihost_reset(host);
    CHECK_EQ(in8(&rig, 0xcf9), 0);
    close_host();
}

int main(void)
{
    TEST_RUN(finds_the_host_bridge);
    TEST_RUN(address_takes_dwords_only);
    TEST_RUN(adds_functions);
    TEST_RUN(resets);
    return test_result();
}
