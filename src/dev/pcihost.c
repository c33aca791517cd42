/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI configuration mechanism 1 (PCI 3.0, section 3.2.2.3.2): the address register at CF8h, which
 * only dword accesses reach, and the data window CFCh-CFFh for any width. The reset control
 * register is the byte at CF9h (82371SB data sheet, section 2.3.4).
 * Left out: other buses than 0 (their functions are absent). All of it runs under the machine's
 * lock.
 */
#include "dev/pcihost.h"

#include <errno.h>
#include <stdlib.h>

#define CONFIG_ADDRESS 0u
#define RESET_CONTROL  1u
#define CONFIG_DATA    4u

#define ADDRESS_ENABLE   0x80000000u
#define ADDRESS_WRITABLE 0x80fffffcu

#define RESET_SYSTEM 0x02u /* a hard reset rather than one of the CPU */
#define RESET_CPU    0x04u /* 0 to 1 resets */
#define RESET_FULL   0x08u /* with a power cycle */

struct pcihost {
    struct bus *pio;
    struct pci_bus *pci;
    struct irq reset;
    u32 address;
    u8 reset_control;
};

static bool selects_bus_0(const struct pcihost *host)
{
    return host->address & ADDRESS_ENABLE && !bits(host->address, 23, 16);
}

static u64 data_read(struct pcihost *host, unsigned off, unsigned size)
{
    if (!selects_bus_0(host))
        return ~0ull;
    return pci_config_read(host->pci, (u8)bits(host->address, 15, 8), (host->address & 0xfc) + off,
                           size);
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

    if (off >= CONFIG_DATA)
        return data_read(host, (unsigned)(off - CONFIG_DATA), size);
    if (off == CONFIG_ADDRESS && size == 4)
        return host->address;
    return off == RESET_CONTROL && size == 1 ? host->reset_control : ~0ull;
}

static void host_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct pcihost *host = dev;

    if (off >= CONFIG_DATA) {
        if (selects_bus_0(host))
            pci_config_write(host->pci, (u8)bits(host->address, 15, 8),
                             (host->address & 0xfc) + (unsigned)(off - CONFIG_DATA), size,
                             (u32)val);
    } else if (off == CONFIG_ADDRESS && size == 4) {
        host->address = (u32)val & ADDRESS_WRITABLE;
    } else if (off == RESET_CONTROL && size == 1) {
        write_reset_control(host, (u8)val);
    }
}

static const struct bus_ops host_ops = {.read = host_read, .write = host_write, .max_size = 4};

void pcihost_reset(struct pcihost *host)
{
    host->address = 0;
    host->reset_control = 0;
}

static const struct state_field fields[] = {
    STATE_UINT(struct pcihost, address),
    STATE_UINT(struct pcihost, reset_control),
    STATE_END,
};

static int loaded(void *obj)
{
    struct pcihost *host = obj;
    bool known = !(host->address & ~ADDRESS_WRITABLE) &&
                 !(host->reset_control & ~(RESET_SYSTEM | RESET_CPU | RESET_FULL));

    return known ? 0 : -EINVAL;
}

const struct state_table pcihost_state = {"pcihost", 1, 1, fields, NULL, loaded};

int pcihost_new(struct pcihost **out, struct bus *pio, struct pci_bus *pci, struct irq reset)
{
    struct pcihost *host = calloc(1, sizeof(*host));
    int rc;

    if (!host)
        return -ENOMEM;
    *host = (struct pcihost){.pio = pio, .pci = pci, .reset = reset};
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
