/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What firmware tables say about the machine: filled in by src/machine, which built it so.
   A PCI host bridge (dev/pcihost.h) and an 8042 are always there; without pci_irqs, the PCI
   interrupts A to D are GSIs 16 to 19. */
#pragma once
#include "base/base.h"

struct fw_platform {
    unsigned ncpus;   /* local APIC IDs are 0 … ncpus - 1 */
    unsigned sockets; /* for SMBIOS: packages, with as many of them in each; 0 is 1 */
    u64 memory;       /* bytes of RAM, for SMBIOS; where it lies comes from struct mem */
    unsigned nserial; /* 16550s at the usual four places, 0 … 4 */
    bool has_hpet;    /* at hpet_base */
    bool has_vga;
    bool has_floppy, has_parallel; /* at their usual places */
    u16 pci_irqs; /* ISA interrupts that a PIIX3 (dev/piix3.h) at 00:01.0 may lead PCI's to */
    bool x2apic;  /* CPUs can enter x2APIC mode: needed for more than 255 */
    u32 hotplug;  /* PCI slots (by bit) that dev/pcihotplug.h plugs and unplugs; 0: it is not there
                   */
    bool has_s3;  /* suspend to RAM, and S4 as power-off with another name */
    u16 pm_base;  /* ports of the ACPI power management block (dev/acpipm.h) */
    bool pm_on_pci; /* it is a PIIX4's (dev/piix4pm.h), where the OS finds its place by itself */
    u8 sci_irq;     /* its interrupt */
    /* virtio devices over MMIO: the first one's address, steps, and GSIs in turn from virtio_gsi on
     */
    unsigned nvirtio;
    u32 virtio_base, virtio_step, virtio_gsi, virtio_gsis;
    u32 ioapic_base; /* the I/O APIC has ID 0 and GSI 0 … 23 */
    u32 lapic_base;
    u32 hpet_base;
    u32 cpu_signature;      /* CPUID 1 EAX */
    u32 cpu_features;       /* CPUID 1 EDX; 0: only FPU and APIC are claimed */
    const char *cpu_vendor; /* CPUID 0 and 80000002h, for SMBIOS; NULL: left out */
    const char *cpu_brand;
    const char *version; /* of Domus, for SMBIOS */
};
