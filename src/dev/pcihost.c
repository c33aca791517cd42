/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI bus 0 behind configuration mechanism 1 (PCI 3.0, section 3.2.2.3.2): the address register at
 * CF8h, which only dword accesses reach, the data window CFCh-CFFh for any width, and a host
 * bridge that identifies as Intel 82441FX. The reset control register is the byte at CF9h (82371SB
 * data sheet, section 2.3.4).
 * Left out: bridges and other buses (absent functions read ones), and the 82441FX's DRAM and
 * shadow RAM registers, which read 0. All of it runs under the machine's lock.
 */
#include "dev/pcihost.h"
#include "base/le.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_ADDRESS 0u
#define RESET_CONTROL  1u
#define CONFIG_DATA    4u

#define ADDRESS_ENABLE   0x80000000u
#define ADDRESS_WRITABLE 0x80fffffcu

#define RESET_SYSTEM 0x02u /* a hard reset rather than one of the CPU */
#define RESET_CPU    0x04u /* 0 to 1 resets */
#define RESET_FULL   0x08u /* with a power cycle */

#define PCI_VENDOR_ID   0x00u
#define PCI_DEVICE_ID   0x02u
#define PCI_COMMAND     0x04u
#define PCI_STATUS      0x06u
#define PCI_REVISION    0x08u
#define PCI_CLASS       0x0au
#define PCI_COMMAND_MEM 0x0002u
#define PCI_COMMAND_BME 0x0004u
#define PCI_STATUS_FBB  0x0280u /* fast back-to-back, medium DEVSEL# */

struct pcihost {
    struct bus *pio;
    struct irq reset;
    u32 address;
    u8 reset_control;
    struct pci_function *functions[256];
    struct pci_function bridge;
};

/* The 82441FX's PERRE and SERRE, and its latency timer. */
static const u8 bridge_wmask[256] = {[PCI_COMMAND] = 0x40, [PCI_COMMAND + 1] = 0x01, [0x0d] = 0xf8};

static struct pci_function *selected(const struct pcihost *host)
{
    if (!(host->address & ADDRESS_ENABLE) || bits(host->address, 23, 16))
        return NULL;
    return host->functions[bits(host->address, 15, 8)];
}

static u64 config_read(struct pci_function *fn, unsigned off, unsigned size)
{
    u64 val = 0;

    if (fn->before_read)
        fn->before_read(fn->opaque, off, size);
    memcpy(&val, fn->config + off, size);
    return val;
}

static void config_write(struct pci_function *fn, unsigned off, unsigned size, u64 val)
{
    for (unsigned i = 0; i < size; i++) {
        u8 *reg = &fn->config[off + i], byte = (u8)(val >> 8 * i);
        u8 mask = fn->wmask ? fn->wmask[off + i] : 0;
        u8 clear = fn->w1c ? fn->w1c[off + i] & byte : 0;
        *reg = (u8)(((*reg & ~mask) | (byte & mask)) & ~clear);
    }
    if (fn->written)
        fn->written(fn->opaque, off, size);
}

static void write_reset_control(struct pcihost *host, u8 val)
{
    bool resets = val & ~host->reset_control & RESET_CPU;

    host->reset_control = val & (RESET_SYSTEM | RESET_CPU | RESET_FULL);
    if (resets)
        irq_pulse(&host->reset);
}

static u64 host_read(void *dev, u64 off, unsigned size)
{
    struct pcihost *host = dev;
    struct pci_function *fn;

    if (off >= CONFIG_DATA) {
        fn = selected(host);
        return fn ? config_read(fn, (host->address & 0xfc) + (unsigned)(off - CONFIG_DATA), size)
                  : ~0ull;
    }
    if (off == CONFIG_ADDRESS && size == 4)
        return host->address;
    return off == RESET_CONTROL && size == 1 ? host->reset_control : ~0ull;
}

static void host_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct pcihost *host = dev;
    struct pci_function *fn;

    if (off >= CONFIG_DATA) {
        fn = selected(host);
        if (fn)
            config_write(fn, (host->address & 0xfc) + (unsigned)(off - CONFIG_DATA), size, val);
    } else if (off == CONFIG_ADDRESS && size == 4) {
        host->address = (u32)val & ADDRESS_WRITABLE;
    } else if (off == RESET_CONTROL && size == 1) {
        write_reset_control(host, (u8)val);
    }
}

static const struct bus_ops host_ops = {.read = host_read, .write = host_write, .max_size = 4};

/* Functions of devices are theirs to reset. */
void pcihost_reset(struct pcihost *host)
{
    struct pci_function *b = &host->bridge;

    host->address = 0;
    host->reset_control = 0;
    memset(b->config, 0, sizeof(b->config));
    put_le16(b->config + PCI_VENDOR_ID, 0x8086);
    put_le16(b->config + PCI_DEVICE_ID, 0x1237);
    put_le16(b->config + PCI_COMMAND, PCI_COMMAND_MEM | PCI_COMMAND_BME);
    put_le16(b->config + PCI_STATUS, PCI_STATUS_FBB);
    b->config[PCI_REVISION] = 0x02;
    put_le16(b->config + PCI_CLASS, 0x0600);
    b->wmask = bridge_wmask;
}

int pcihost_add(struct pcihost *host, unsigned devfn, struct pci_function *fn)
{
    if (devfn >= ARRAY_SIZE(host->functions))
        return -EINVAL;
    if (host->functions[devfn])
        return -EEXIST;
    host->functions[devfn] = fn;
    return 0;
}

void pcihost_remove(struct pcihost *host, unsigned devfn)
{
    if (devfn < ARRAY_SIZE(host->functions))
        host->functions[devfn] = NULL;
}

int pcihost_new(struct pcihost **out, struct bus *pio, struct irq reset)
{
    struct pcihost *host = calloc(1, sizeof(*host));
    int rc;

    if (!host)
        return -ENOMEM;
    host->pio = pio;
    host->reset = reset;
    pcihost_reset(host);
    rc = pcihost_add(host, PCI_DEVFN(0, 0), &host->bridge);
    if (!rc)
        rc = bus_claim(pio, 0xcf8, 0xcff, &host_ops, host, "pcihost");
    if (rc) {
        pcihost_free(host);
        return rc;
    }
    *out = host;
    return 0;
}

void pcihost_free(struct pcihost *host)
{
    if (!host)
        return;
    bus_release(host->pio, host);
    free(host);
}
