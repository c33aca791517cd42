/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bars that move, INTx, MSI, bus mastering, saved state, of a function made for the test. */
#include "pci/pci.h"
#include "../dev/rig.h"
#include "../test.h"
#include "base/le.h"

#include <errno.h>

#define DEVFN PCI_DEVFN(3, 0)

static struct rig rig;
static struct mem *mem;
static struct pci_bus *pci;
static struct pci_device dev;
static struct mem_window *window;
static struct wire pirq[PCI_PIRQS];
static u64 msi_addr;
static u32 msi_data;

static u64 bar_read(void *opaque, u64 off, unsigned size)
{
    return 0xa0 + off;
}

static const struct bus_ops bar_ops = {.read = bar_read, .max_size = 1};

static void on_msi(void *opaque, u64 addr, u32 data)
{
    msi_addr = addr;
    msi_data = data;
}

static void make(struct pci_device *d, u8 devfn)
{
    static const struct pci_ids ids = {
        .vendor = 0x1af4, .device = 0x10f0, .class = 0x0280, .revision = 7, .pin = 2};

    CHECK_EQ(pci_device_init(d, pci, devfn, &ids, NULL, NULL), 0);
    pci_add_bar_io(d, 0, 32, &bar_ops, d, "test");
    pci_add_bar_mem(d, 1, 4096, &bar_ops, d, "test");
    pci_add_msi(d);
}

static void open_bus(void)
{
    struct err err;

    rig_open(&rig);
    memset(pirq, 0, sizeof(pirq));
    if (mem_new(&mem, 2 * MiB, &rig.mmio, &err) || mem_window_new(&window, mem, 64 * KiB, false))
        exit(1);
    if (pci_bus_new(&pci, &(struct pci_bus_config){.pio = &rig.pio,
                                                   .mmio = &rig.mmio,
                                                   .mem = mem,
                                                   .pirq = {{wire_set, pirq, 0},
                                                            {wire_set, pirq, 1},
                                                            {wire_set, pirq, 2},
                                                            {wire_set, pirq, 3}},
                                                   .send_msi = on_msi}))
        exit(1);
    make(&dev, DEVFN);
    pci_add_bar_window(&dev, 2, window);
}

static void close_bus(void)
{
    pci_device_dispose(&dev);
    pci_bus_free(pci);
    mem_free(mem);
    rig_close(&rig);
}

static u32 get(unsigned off, unsigned size)
{
    return pci_config_read(pci, DEVFN, off, size);
}

static void set(unsigned off, unsigned size, u32 val)
{
    pci_config_write(pci, DEVFN, off, size, val);
}

static void header(void)
{
    open_bus();
    CHECK_EQ(get(0, 4), 0x10f01af4);
    CHECK_EQ(get(8, 4), 0x02800007);
    CHECK_EQ(get(PCI_INT_PIN, 1), 2);
    set(0, 4, 0);
    CHECK_EQ(get(0, 4), 0x10f01af4);
    CHECK_EQ(pci_config_read(pci, DEVFN + 1, 0, 2), 0xffff);
    CHECK_EQ(pci_device_init(&(struct pci_device){0}, pci, DEVFN, &(struct pci_ids){0}, NULL, NULL),
             -EEXIST);
    close_bus();
}

static void bars_tell_their_size(void)
{
    open_bus();
    for (unsigned n = 0; n < 4; n++)
        set(PCI_BAR0 + 4 * n, 4, 0xffffffff);
    CHECK_EQ(get(PCI_BAR0, 4), 0xffffffe1);
    CHECK_EQ(get(PCI_BAR0 + 4, 4), 0xfffff000);
    CHECK_EQ(get(PCI_BAR0 + 8, 4), 0xffff0008);
    CHECK_EQ(get(PCI_BAR0 + 12, 4), 0);
    close_bus();
}

static void bars_move(void)
{
    open_bus();
    set(PCI_BAR0, 4, 0xc000);
    set(PCI_BAR0 + 4, 4, 0xe0000000);
    CHECK_EQ(in8(&rig, 0xc003), 0xff); /* not decoded yet */
    set(PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEM);
    CHECK_EQ(in8(&rig, 0xc003), 0xa3);
    CHECK_EQ(bus_read(&rig.mmio, 0xe0000010, 1), 0xb0);
    set(PCI_BAR0, 4, 0xd000);
    CHECK_EQ(in8(&rig, 0xc003), 0xff);
    CHECK_EQ(in8(&rig, 0xd003), 0xa3);
    pci_device_reset(&dev);
    CHECK_EQ(in8(&rig, 0xd003), 0xff);
    CHECK_EQ(get(PCI_BAR0, 4), 1);
    close_bus();
}

static void bars_wait_for_room(void)
{
    struct pci_device other = {0};

    open_bus();
    make(&other, PCI_DEVFN(4, 0));
    set(PCI_BAR0, 4, 0xc000);
    set(PCI_COMMAND, 2, PCI_COMMAND_IO);
    pci_config_write(pci, PCI_DEVFN(4, 0), PCI_BAR0, 4, 0xc000);
    pci_config_write(pci, PCI_DEVFN(4, 0), PCI_COMMAND, 2, PCI_COMMAND_IO);
    CHECK_EQ(other.bar[0].at, PCI_UNMAPPED);
    set(PCI_BAR0, 4, 0xc100);
    CHECK_EQ(other.bar[0].at, 0xc000);
    set(PCI_BAR0, 4, 0xfff0); /* would end above 64 KiB if it were so large */
    CHECK_EQ(dev.bar[0].at, 0xffe0);
    set(PCI_BAR0 + 4, 4, 0);
    CHECK_EQ(dev.bar[1].at, PCI_UNMAPPED);
    pci_device_dispose(&other);
    CHECK_EQ(in8(&rig, 0xc000), 0xff);
    close_bus();
}

static void windows_are_memory(void)
{
    u8 byte = 0x5a;

    open_bus();
    set(PCI_COMMAND, 2, PCI_COMMAND_MEM);
    set(PCI_BAR0 + 8, 4, 0xe0010000);
    CHECK_EQ(mem_write(mem, 0xe0010123, &byte, 1), 0);
    CHECK_EQ(mem_window_host(window)[0x123], 0x5a);
    set(PCI_COMMAND, 2, 0);
    CHECK_EQ(mem_write(mem, 0xe0010123, &byte, 1), -EFAULT);
    close_bus();
}

static void intx(void)
{
    struct pci_device other = {0};

    open_bus();
    pci_set_intx(&dev, true); /* slot 3, INTB: line 3 */
    CHECK(pirq[3].level);
    CHECK(get(PCI_STATUS, 2) & PCI_STATUS_INTX);
    make(&other, PCI_DEVFN(7, 0)); /* the same line */
    pci_set_intx(&other, true);
    pci_set_intx(&dev, false);
    CHECK(pirq[3].level);
    CHECK_EQ(pirq[3].rises, 1);
    pci_config_write(pci, PCI_DEVFN(7, 0), PCI_COMMAND, 2, PCI_COMMAND_INTX);
    CHECK(!pirq[3].level);
    pci_config_write(pci, PCI_DEVFN(7, 0), PCI_COMMAND, 2, 0);
    CHECK(pirq[3].level);
    pci_device_dispose(&other);
    CHECK(!pirq[3].level);
    close_bus();
}

static void msi(void)
{
    unsigned at;

    open_bus();
    at = get(PCI_CAP_LIST, 1);
    CHECK(get(PCI_STATUS, 2) & PCI_STATUS_CAP);
    CHECK_EQ(get(at, 2), 0x0005);
    set(at + 4, 4, 0xfee01004);
    set(at + 12, 2, 0x4041);
    pci_send_msi(&dev);
    CHECK_EQ(msi_addr, 0);
    set(at + 2, 2, 1);
    pci_send_msi(&dev); /* no bus master */
    CHECK_EQ(msi_addr, 0);
    set(PCI_COMMAND, 2, PCI_COMMAND_BME);
    pci_send_msi(&dev);
    CHECK_EQ(msi_addr, 0xfee01004);
    CHECK_EQ(msi_data, 0x4041);
    close_bus();
}

#define MSIX_BAR 0xe0020000u

static void msix_entry(unsigned vector, u32 addr, u32 data, u32 masked)
{
    u32 at = MSIX_BAR + 16 * vector;

    bus_write(&rig.mmio, at, 4, addr);
    bus_write(&rig.mmio, at + 4, 4, 0);
    bus_write(&rig.mmio, at + 8, 4, data);
    bus_write(&rig.mmio, at + 12, 4, masked);
}

static void open_msix(struct pci_msix *msix, unsigned *at)
{
    open_bus();
    memset(msix, 0, sizeof(*msix));
    pci_add_msix(&dev, msix, 3, 5);
    msi_addr = 0;
    *at = get(PCI_CAP_LIST, 1);
    set(PCI_BAR0 + 12, 4, MSIX_BAR);
    set(PCI_COMMAND, 2, PCI_COMMAND_MEM | PCI_COMMAND_BME);
}

static void msix_table_and_capability(void)
{
    struct pci_msix msix;
    unsigned at;

    open_msix(&msix, &at);
    CHECK_EQ(get(at, 1), 0x11);
    CHECK_EQ(get(at + 2, 2), 4);
    CHECK_EQ(get(at + 4, 4), 3);
    CHECK_EQ(get(at + 8, 4), 0x803);
    CHECK_EQ(bus_read(&rig.mmio, MSIX_BAR + 12, 4), 1); /* masked after reset */
    msix_entry(1, 0xfee01007, 0x31, 0xffffffff);
    CHECK_EQ(bus_read(&rig.mmio, MSIX_BAR + 16, 8), 0xfee01004);
    CHECK_EQ(bus_read(&rig.mmio, MSIX_BAR + 28, 4), 1);
    bus_write(&rig.mmio, MSIX_BAR + 80, 4, 0xffffffff); /* behind the last */
    CHECK_EQ(bus_read(&rig.mmio, MSIX_BAR + 80, 4), 0);
    set(at + 2, 2, 0xffff);
    CHECK_EQ(get(at + 2, 2), 0xc004);
    CHECK(pci_msix_enabled(&dev));
    pci_device_reset(&dev);
    CHECK(!pci_msix_enabled(&dev));
    close_bus();
}

static void msix_masking(void)
{
    struct pci_msix msix;
    unsigned at;

    open_msix(&msix, &at);
    msix_entry(2, 0xfee02000, 0x42, 1);
    pci_msix_send(&dev, 2); /* not enabled: lost */
    set(at + 2, 2, 0x8000);
    CHECK_EQ(bus_read(&rig.mmio, MSIX_BAR + 0x800, 8), 0);
    pci_msix_send(&dev, 2);
    pci_msix_send(&dev, 5); /* there is none */
    CHECK_EQ(msi_addr, 0);
    CHECK_EQ(bus_read(&rig.mmio, MSIX_BAR + 0x800, 8), 4);
    msix_entry(2, 0xfee02000, 0x42, 0); /* unmasked: what is pending goes */
    CHECK_EQ(msi_addr, 0xfee02000);
    CHECK_EQ(msi_data, 0x42);
    CHECK_EQ(bus_read(&rig.mmio, MSIX_BAR + 0x800, 8), 0);
    msi_addr = 0;
    set(at + 2, 2, 0xc000); /* the function as a whole */
    pci_msix_send(&dev, 2);
    CHECK_EQ(msi_addr, 0);
    set(at + 2, 2, 0x8000);
    CHECK_EQ(msi_addr, 0xfee02000);
    msi_addr = 0;
    set(PCI_COMMAND, 2, PCI_COMMAND_MEM); /* no bus master: it waits */
    pci_msix_send(&dev, 2);
    CHECK_EQ(msi_addr, 0);
    set(PCI_COMMAND, 2, PCI_COMMAND_MEM | PCI_COMMAND_BME);
    CHECK_EQ(msi_addr, 0xfee02000);
    close_bus();
}

static void bus_master(void)
{
    u8 byte = 0x77;

    open_bus();
    CHECK_EQ(pci_dma_write(&dev, 0x1000, &byte, 1), -EACCES);
    set(PCI_COMMAND, 2, PCI_COMMAND_BME);
    CHECK_EQ(pci_dma_write(&dev, 0x1000, &byte, 1), 0);
    byte = 0;
    CHECK_EQ(pci_dma_read(&dev, 0x1000, &byte, 1), 0);
    CHECK_EQ(byte, 0x77);
    CHECK_EQ(pci_dma_read(&dev, 2 * MiB, &byte, 1), -EFAULT);
    close_bus();
}

static const struct state_field fields[] = {
    {.name = "pci",
     .size = sizeof(struct pci_device),
     .count = 1,
     .kind = STATE_KIND_STRUCT,
     .fields = pci_device_fields},
    STATE_END,
};

static int loaded(void *obj)
{
    return pci_device_loaded(obj);
}

static const struct state_table table = {"test", 1, 1, fields, NULL, loaded};

static void is_saved(void)
{
    struct state_stream s = {0};
    struct err err;

    open_bus();
    set(PCI_BAR0, 4, 0xc000);
    set(PCI_COMMAND, 2, PCI_COMMAND_IO);
    pci_set_intx(&dev, true);
    CHECK_EQ(state_save(&s, &table, &dev), 0);
    pci_device_reset(&dev);
    CHECK(!pirq[3].level);
    CHECK_EQ(state_load(&s, &table, &dev, &err), 0);
    CHECK(pirq[3].level);
    CHECK_EQ(in8(&rig, 0xc001), 0xa1);
    pci_device_reset(&dev);
    s.at = 0;
    s.data[1 + 4 + 6] ^= 1; /* another vendor */
    CHECK_EQ(state_load(&s, &table, &dev, &err), -EINVAL);
    pci_device_reset(&dev);
    pci_set_intx(&dev, true);
    s.at = 0;
    s.data[1 + 4 + 6 + PCI_INT_PIN] = 1; /* another pin */
    CHECK_EQ(state_load(&s, &table, &dev, &err), -EINVAL);
    pci_device_reset(&dev);
    CHECK(!pirq[3].level);
    state_dispose(&s);
    close_bus();
}

int main(void)
{
    TEST_RUN(header);
    TEST_RUN(bars_tell_their_size);
    TEST_RUN(bars_move);
    TEST_RUN(bars_wait_for_room);
    TEST_RUN(windows_are_memory);
    TEST_RUN(intx);
    TEST_RUN(msi);
    TEST_RUN(msix_table_and_capability);
    TEST_RUN(msix_masking);
    TEST_RUN(bus_master);
    TEST_RUN(is_saved);
    return test_result();
}
