/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The differentiated system description: sleep states, the processors, the PCI root bridge and,
 * behind it, the devices of the ISA bus. The power button is fixed hardware and has no device here.
 * INTA…INTD of a slot are rotated by the slot number; then they go to the I/O APIC's inputs 16…19
 * or, with a PIIX3, to link devices, whose methods read and write its PIRQRC registers.
 */
#include "fw/dsdt.h"
#include "dev/acpipm.h"
#include "dev/hpet.h"
#include "dev/pcihotplug.h"
#include "dev/piix3.h"
#include "fw/aml.h"
#include "mem/mem.h"

#include <stdio.h>

#define PCI_SLOTS    32
#define PCI_PINS     4
#define PCI_GSI_BASE 16
#define ELCR_PORT    0x4d0

static void emit_sleep_state(struct buf *b, const char *name, u8 type)
{
    size_t pkg;

    aml_name(b, name);
    pkg = aml_package(b, 4);
    aml_int(b, type);
    aml_int(b, type);
    aml_int(b, 0);
    aml_int(b, 0);
    aml_end(b, pkg);
}

static void emit_sleep_states(struct buf *b, const struct fw_platform *plat)
{
    if (plat->has_s3) {
        emit_sleep_state(b, "_S3_", ACPIPM_SLP_TYP_S3);
        emit_sleep_state(b, "_S4_", ACPIPM_SLP_TYP_S4);
    }
    emit_sleep_state(b, "_S5_", ACPIPM_SLP_TYP_S5);
}

/* _UID is what ties a processor to its entry in the MADT. */
static void emit_processors(struct buf *b, unsigned ncpus)
{
    for (unsigned i = 0; i < ncpus; i++) {
        char seg[8];
        size_t dev;

        snprintf(seg, sizeof(seg), "C%03X", i & 0xfff);
        dev = aml_device(b, seg);
        aml_name_string(b, "_HID", "ACPI0007");
        aml_name_int(b, "_UID", i);
        aml_end(b, dev);
    }
}

/* The line of pin p of a slot, as dev/piix3.h and pci/pci.h have it. */
static const char *const links[PCI_PINS] = {"LNKA", "LNKB", "LNKC", "LNKD"};
static const char *const pirqrc[PCI_PINS] = {"PRQA", "PRQB", "PRQC", "PRQD"};

/* Package {slot << 16 | any function, pin, link device or 0, GSI} for every pin of every slot. */
static void emit_prt(struct buf *b, const struct fw_platform *plat)
{
    size_t prt;

    aml_name(b, "_PRT");
    prt = aml_package(b, PCI_SLOTS * PCI_PINS);
    for (unsigned i = 0; i < PCI_SLOTS * PCI_PINS; i++) {
        unsigned slot = i / PCI_PINS, pin = i % PCI_PINS;
        size_t pkg = aml_package(b, 4);
        aml_int(b, slot << 16 | 0xffff);
        aml_int(b, pin);
        if (plat->pci_irqs) {
            aml_path(b, links[(slot + pin + PCI_PINS - 1) % PCI_PINS]);
            aml_int(b, 0);
        } else {
            aml_int(b, 0);
            aml_int(b, PCI_GSI_BASE + (slot + pin + PCI_PINS - 1) % PCI_PINS);
        }
        aml_end(b, pkg);
    }
    aml_end(b, prt);
}

/* And (PRQx, mask) */
static void masked_route(struct buf *b, const char *reg, u8 mask)
{
    aml_op(b, AML_AND);
    aml_path(b, reg);
    aml_int(b, mask);
    aml_var(b, AML_NO_TARGET);
}

static void emit_link_status(struct buf *b, const char *reg)
{
    size_t method = aml_method(b, "_STA", 0), off = aml_if(b);

    masked_route(b, reg, 0x80);
    aml_return(b);
    aml_int(b, 0x09); /* there, but off */
    aml_end(b, off);
    aml_return(b);
    aml_int(b, 0x0b);
    aml_end(b, method);
}

static void emit_link_current(struct buf *b, const char *reg)
{
    struct buf r = {0};
    size_t method = aml_method(b, "_CRS", 0), on;

    res_interrupts(&r, BIT(0));
    aml_op(b, AML_STORE);
    aml_resources(b, &r);
    aml_var(b, AML_LOCAL0);
    aml_dword_field(b, AML_LOCAL0, 5, "IRQ_");
    on = aml_if(b);
    aml_op(b, AML_LNOT);
    masked_route(b, reg, 0x80);
    aml_op(b, AML_STORE);
    masked_route(b, reg, 0x0f);
    aml_path(b, "IRQ_");
    aml_end(b, on);
    aml_return(b);
    aml_var(b, AML_LOCAL0);
    aml_end(b, method);
}

static void emit_link_set(struct buf *b, const char *reg)
{
    size_t method = aml_method(b, "_DIS", 0);

    aml_op(b, AML_OR);
    aml_path(b, reg);
    aml_int(b, 0x80);
    aml_path(b, reg);
    aml_end(b, method);
    method = aml_method(b, "_SRS", 1);
    aml_dword_field(b, AML_ARG0, 5, "IRQ_");
    aml_op(b, AML_STORE);
    aml_path(b, "IRQ_");
    aml_path(b, reg);
    aml_end(b, method);
}

static void emit_links(struct buf *b, const struct fw_platform *plat)
{
    for (unsigned i = 0; i < PCI_PINS; i++) {
        size_t dev = aml_device(b, links[i]);
        struct buf r = {0};
        char reg[32];

        snprintf(reg, sizeof(reg), "\\_SB_.PCI0.ISA_.%s", pirqrc[i]);
        aml_name_eisaid(b, "_HID", "PNP0C0F");
        aml_name_int(b, "_UID", i + 1);
        res_interrupts(&r, plat->pci_irqs);
        aml_prs(b, &r);
        emit_link_status(b, reg);
        emit_link_current(b, reg);
        emit_link_set(b, reg);
        aml_end(b, dev);
    }
}

static void emit_pci_windows(struct buf *b, const struct fw_platform *plat)
{
    struct buf r = {0};

    res_bus_window(&r, 0, 0xff);
    res_io(&r, 0xcf8, 8);
    res_io_window(&r, 0, 0xcf7);
    res_io_window(&r, 0xd00, 0xffff);
    res_memory_window(&r, MEM_HOLE_START, plat->ioapic_base - 1);
    aml_crs(b, &r);
}

struct isa_device {
    const char seg[5], hid[8];
    u8 uid;
    struct {
        u16 port;
        u8 len;
    } io[2];
    s8 irq; /* -1: none */
    s8 dma; /* 0: none */
};

static const struct isa_device isa_devices[] = {
    {"PIC_", "PNP0000", 0, {{0x20, 2}, {0xa0, 2}}, .irq = 2},
    {"TIMR", "PNP0100", 0, {{0x40, 4}}, .irq = 0},
    {"RTC_", "PNP0B00", 0, {{0x70, 4}}, .irq = 8},
    {"KBD_", "PNP0303", 0, {{0x60, 1}, {0x64, 1}}, .irq = 1},
    {"MOU_", "PNP0F13", 0, {{0, 0}}, .irq = 12},
    {"SPKR", "PNP0800", 0, {{0x61, 1}}, .irq = -1},
};

static const struct isa_device floppy = {"FDC0",   "PNP0700", 0, {{0x3f2, 4}, {0x3f7, 1}},
                                         .irq = 6, .dma = 2};
static const struct isa_device parallel = {"LPT_", "PNP0400", 0, {{0x378, 8}}, .irq = 7};

static const struct isa_device serial_ports[] = {
    {"COM1", "PNP0501", 1, {{0x3f8, 8}}, .irq = 4},
    {"COM2", "PNP0501", 2, {{0x2f8, 8}}, .irq = 3},
    {"COM3", "PNP0501", 3, {{0x3e8, 8}}, .irq = 4},
    {"COM4", "PNP0501", 4, {{0x2e8, 8}}, .irq = 3},
};

static void emit_isa_device(struct buf *b, const struct isa_device *d)
{
    struct buf r = {0};
    size_t dev = aml_device(b, d->seg);

    aml_name_eisaid(b, "_HID", d->hid);
    if (d->uid)
        aml_name_int(b, "_UID", d->uid);
    for (unsigned i = 0; i < ARRAY_SIZE(d->io); i++)
        if (d->io[i].len)
            res_io(&r, d->io[i].port, d->io[i].len);
    if (d->irq >= 0)
        res_irq(&r, (u8)d->irq);
    if (d->dma)
        res_dma(&r, (u8)d->dma);
    aml_crs(b, &r);
    aml_end(b, dev);
}

static void emit_hpet(struct buf *b, const struct fw_platform *plat)
{
    struct buf r = {0};
    size_t dev = aml_device(b, "HPET");

    aml_name_eisaid(b, "_HID", "PNP0103");
    aml_name_int(b, "_UID", 0);
    res_memory32(&r, plat->hpet_base, HPET_SIZE);
    aml_crs(b, &r);
    aml_end(b, dev);
}

/* virtio over MMIO: LNRO0005 is what drivers look for. */
static void emit_virtio(struct buf *b, const struct fw_platform *plat)
{
    for (unsigned i = 0; i < plat->nvirtio; i++) {
        struct buf r = {0};
        char seg[8];
        size_t dev;

        snprintf(seg, sizeof(seg), "VR%02X", i & 0xff);
        dev = aml_device(b, seg);
        aml_name_string(b, "_HID", "LNRO0005");
        aml_name_int(b, "_UID", i);
        aml_name_int(b, "_CCA", 1);
        res_memory32(&r, plat->virtio_base + i * plat->virtio_step, plat->virtio_step);
        res_gsi(&r, plat->virtio_gsi + i % plat->virtio_gsis);
        aml_crs(b, &r);
        aml_end(b, dev);
    }
}

/* What the board uses itself: nothing else may be put there. */
static void emit_motherboard(struct buf *b, const struct fw_platform *plat)
{
    struct buf r = {0};
    size_t dev = aml_device(b, "MBRD");

    aml_name_eisaid(b, "_HID", "PNP0C02");
    if (!plat->pm_on_pci)
        res_io(&r, plat->pm_base, ACPIPM_LEN);
    res_io(&r, ACPIPM_SMI_CMD, 2);
    if (plat->hotplug)
        res_io(&r, PCIHOTPLUG_PORT, PCIHOTPLUG_LEN);
    res_io(&r, 0x92, 1); /* fast A20 and reset */
    res_io(&r, ELCR_PORT, 2);
    aml_crs(b, &r);
    aml_end(b, dev);
}

static void emit_isa_bus(struct buf *b, const struct fw_platform *plat)
{
    size_t isa = aml_device(b, "ISA_");

    aml_name_int(b, "_ADR", 0x00010000); /* device 1, function 0 */
    if (plat->pci_irqs)
        aml_pci_bytes(b, "PIRQ", PIIX3_PIRQRC, PCI_PINS, pirqrc);
    for (unsigned i = 0; i < ARRAY_SIZE(isa_devices); i++)
        emit_isa_device(b, &isa_devices[i]);
    for (unsigned i = 0; i < plat->nserial && i < ARRAY_SIZE(serial_ports); i++)
        emit_isa_device(b, &serial_ports[i]);
    if (plat->has_floppy)
        emit_isa_device(b, &floppy);
    if (plat->has_parallel)
        emit_isa_device(b, &parallel);
    emit_motherboard(b, plat);
    aml_end(b, isa);
}

void dsdt_emit(struct buf *b, const struct fw_platform *plat)
{
    size_t sb, pci;

    emit_sleep_states(b, plat);
    sb = aml_scope(b, "\\_SB_");
    emit_processors(b, plat->ncpus);
    if (plat->has_hpet)
        emit_hpet(b, plat);
    emit_virtio(b, plat);
    pci = aml_device(b, "PCI0");
    aml_name_eisaid(b, "_HID", "PNP0A03");
    aml_name_int(b, "_UID", 0);
    aml_name_int(b, "_BBN", 0);
    emit_pci_windows(b, plat);
    emit_prt(b, plat);
    emit_isa_bus(b, plat);
    if (plat->pci_irqs)
        emit_links(b, plat);
    if (plat->hotplug)
        dsdt_emit_hotplug(b, plat->hotplug);
    aml_end(b, pci);
    aml_end(b, sb);
    if (plat->hotplug)
        dsdt_emit_hotplug_event(b);
}
