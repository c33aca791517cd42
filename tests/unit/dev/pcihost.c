/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/pcihost.h"
#include "../test.h"
#include "rig.h"

static struct rig rig;
static struct wire reset;
static struct pci_bus *pci;
static struct pci_device bridge;
static struct pcihost *host;

static void open_host(void)
{
    static const struct pci_ids ids = {.vendor = 0x8086, .device = 0x1237, .class = 0x0600};
    struct pci_bus_config cfg = {.pio = &rig.pio, .mmio = &rig.mmio};

    rig_open(&rig);
    reset = (struct wire){0};
    if (pci_bus_new(&pci, &cfg) || pci_device_init(&bridge, pci, 0, &ids, NULL, NULL) ||
        pcihost_new(&host, &rig.pio, pci, wire_irq(&reset)))
        exit(1);
}

static void close_host(void)
{
    pcihost_free(host);
    pci_device_dispose(&bridge);
    pci_bus_free(pci);
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
    CHECK_EQ(config(0, 0, 8), 0x06000000);
    CHECK_EQ(config(0, PCI_DEVFN(1, 0), 0), 0xffffffff);
    CHECK_EQ(config(1, 0, 0), 0xffffffff);
    point(0, 0, 4);
    bus_write(&rig.pio, 0xcfc, 2, 0x0107);
    CHECK_EQ(bus_read(&rig.pio, 0xcfc, 4), 0x7);
    point(1, 0, 4);
    bus_write(&rig.pio, 0xcfc, 2, 0); /* another bus */
    CHECK_EQ(config(0, 0, 4), 0x7);
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
    TEST_RUN(resets);
    return test_result();
}
