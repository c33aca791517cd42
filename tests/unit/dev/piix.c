/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pc's chipset: what the first megabyte shows, where PCI interrupts go, where the ACPI block
   and the SMBus controller are, when port B2h raises an SMI. */
#include "../test.h"
#include "base/le.h"
#include "dev/i440fx.h"
#include "dev/piix3.h"
#include "dev/piix4pm.h"
#include "rig.h"

#define BRIDGE PCI_DEVFN(0, 0)
#define ISA    PCI_DEVFN(1, 0)
#define PM     PCI_DEVFN(1, 3)

static struct rig rig;
static struct mem *mem;
static struct mem_window *bios;
static struct pci_bus *pci;
static struct i440fx *bridge;
static struct piix3 *piix3;
static struct acpipm *acpi;
static struct piix4pm *pm;
static struct wire isa[16], smi;

static void open_chips(void)
{
    struct irq lines[16];
    struct err err;

    rig_open(&rig);
    memset(isa, 0, sizeof(isa));
    smi = (struct wire){0};
    for (unsigned n = 0; n < 16; n++)
        lines[n] = (struct irq){wire_set, isa, n};
    if (mem_new(&mem, 4 * MiB, &rig.mmio, &err) || mem_window_new(&bios, mem, 256 * KiB, true) ||
        pci_bus_new(&pci,
                    &(struct pci_bus_config){.pio = &rig.pio, .mmio = &rig.mmio, .mem = mem}) ||
        i440fx_new(&bridge, pci, bios) || piix3_new(&piix3, pci, ISA, lines) ||
        acpipm_new(&acpi, &rig.pio, 0, (struct irq){0}, rig.clk, (struct irq){0},
                   (struct irq){0}) ||
        piix4pm_new(&pm, pci, PM, acpi, wire_irq(&smi)))
        exit(1);
}

static void close_chips(void)
{
    piix4pm_free(pm);
    acpipm_free(acpi);
    piix3_free(piix3);
    i440fx_free(bridge);
    pci_bus_free(pci);
    mem_free(mem);
    rig_close(&rig);
}

static u8 read_byte(gpa_t gpa)
{
    u8 byte = 0xee;

    return mem_read(mem, gpa, &byte, 1) ? 0xff : byte;
}

static bool write_byte(gpa_t gpa, u8 byte)
{
    return mem_write(mem, gpa, &byte, 1) == 0;
}

static void pam(void)
{
    open_chips();
    mem_window_host(bios)[256 * KiB - 0x10000] = 0xb1;
    mem_window_host(bios)[128 * KiB] = 0xb2;
    CHECK_EQ(read_byte(0xf0000), 0xb1);
    CHECK_EQ(read_byte(0xe0000), 0xb2);
    CHECK_EQ(read_byte(0xd0000), 0xff);
    CHECK(!write_byte(0xf0000, 1));
    pci_config_write(pci, BRIDGE, 0x59, 1, 0x20); /* reads firmware, writes RAM */
    CHECK(write_byte(0xf0000, 0x11));
    CHECK_EQ(read_byte(0xf0000), 0xb1);
    pci_config_write(pci, BRIDGE, 0x59, 1, 0x10); /* the other way round */
    CHECK_EQ(read_byte(0xf0000), 0x11);
    CHECK(!write_byte(0xf0000, 0x22));
    pci_config_write(pci, BRIDGE, 0x5a, 1, 0x30); /* C4000h-C7FFFh alone */
    CHECK(write_byte(0xc4000, 0x33));
    CHECK_EQ(read_byte(0xc4000), 0x33);
    CHECK_EQ(read_byte(0xc3fff), 0xff);
    CHECK_EQ(read_byte(0xc8000), 0xff);
    i440fx_reset(bridge);
    CHECK_EQ(read_byte(0xf0000), 0xb1);
    close_chips();
}

static u64 page(enum mem_view view)
{
    return mem_page_for(mem, 0xa8000, view, MEM_READ);
}

static void smram(void)
{
    open_chips();
    CHECK_EQ(page(MEM_NORMAL), MEM_NO_PAGE);
    CHECK_EQ(page(MEM_SMM), MEM_NO_PAGE);
    pci_config_write(pci, BRIDGE, 0x72, 1, 0x0a);
    CHECK_EQ(page(MEM_NORMAL), MEM_NO_PAGE);
    CHECK_EQ(page(MEM_SMM), 0xa8);
    pci_config_write(pci, BRIDGE, 0x72, 1, 0x4a); /* open */
    CHECK_EQ(page(MEM_NORMAL), 0xa8);
    pci_config_write(pci, BRIDGE, 0x72, 1, 0x5a); /* locked: closed for good */
    CHECK_EQ(page(MEM_NORMAL), MEM_NO_PAGE);
    CHECK_EQ(page(MEM_SMM), 0xa8);
    pci_config_write(pci, BRIDGE, 0x72, 1, 0x4a);
    CHECK_EQ(page(MEM_NORMAL), MEM_NO_PAGE);
    CHECK_EQ(pci_config_read(pci, BRIDGE, 0x72, 1), 0x1a);
    i440fx_reset(bridge);
    CHECK_EQ(pci_config_read(pci, BRIDGE, 0x72, 1), 0x02);
    close_chips();
}

static void pirqs(void)
{
    open_chips();
    piix3_set_pirq(piix3, 0, true);
    CHECK_EQ(isa[0].rises + isa[10].rises, 0);
    pci_config_write(pci, ISA, 0x60, 1, 10);
    CHECK(isa[10].level);
    pci_config_write(pci, ISA, 0x61, 1, 10);
    piix3_set_pirq(piix3, 1, true);
    piix3_set_pirq(piix3, 0, false);
    CHECK(isa[10].level);
    CHECK_EQ(isa[10].rises, 1);
    pci_config_write(pci, ISA, 0x61, 1, 8); /* not PCI's to have */
    CHECK(!isa[10].level && !isa[8].level);
    pci_config_write(pci, ISA, 0x61, 1, 11);
    CHECK(isa[11].level);
    piix3_reset(piix3);
    CHECK(!isa[11].level);
    close_chips();
}

static void places_the_acpi_block(void)
{
    open_chips();
    CHECK_EQ(piix4pm_base(pm), 0);
    pci_config_write(pci, PM, 0x40, 4, 0x601);
    CHECK_EQ(bus_read(&rig.pio, 0x604, 2), 0xffff);
    pci_config_write(pci, PM, 0x80, 1, 1);
    CHECK_EQ(piix4pm_base(pm), 0x600);
    CHECK_EQ(bus_read(&rig.pio, 0x604, 2), 0);
    pci_config_write(pci, PM, 0x40, 4, 0xb001);
    CHECK_EQ(bus_read(&rig.pio, 0x604, 2), 0xffff);
    CHECK_EQ(bus_read(&rig.pio, 0xb004, 2), 0);
    piix4pm_reset(pm);
    CHECK_EQ(bus_read(&rig.pio, 0xb004, 2), 0xffff);
    close_chips();
}

static void raises_smis(void)
{
    open_chips();
    out8(&rig, ACPIPM_SMI_CMD, 0x33);
    CHECK_EQ(smi.rises, 0);
    pci_config_write(pci, PM, 0x58, 4, 1u << 25);
    out8(&rig, ACPIPM_SMI_CMD, 0x33);
    CHECK_EQ(smi.rises, 1);
    out8(&rig, ACPIPM_SMI_CMD + 1, 0x33);
    CHECK_EQ(smi.rises, 1);
    close_chips();
}

static void smbus_is_empty(void)
{
    open_chips();
    pci_config_write(pci, PM, 0x90, 4, 0x701);
    pci_config_write(pci, PM, 0xd2, 1, 1);
    CHECK_EQ(in8(&rig, 0x700), 0);
    out8(&rig, 0x702, 0x48);
    CHECK_EQ(in8(&rig, 0x700), 0x04);
    CHECK_EQ(in8(&rig, 0x702), 0x08);
    out8(&rig, 0x700, 0x04);
    CHECK_EQ(in8(&rig, 0x700), 0);
    pci_config_write(pci, PM, 0xd2, 1, 0);
    CHECK_EQ(in8(&rig, 0x700), 0xff);
    close_chips();
}

int main(void)
{
    TEST_RUN(pam);
    TEST_RUN(smram);
    TEST_RUN(pirqs);
    TEST_RUN(places_the_acpi_block);
    TEST_RUN(raises_smis);
    TEST_RUN(smbus_is_empty);
    return test_result();
}
