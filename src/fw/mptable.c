/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MultiProcessor Specification 1.4, chapter 4: processors, a PCI and an ISA bus, one I/O APIC and
 * its interrupt assignment, for kernels that do not read ACPI. Virtual wire mode (no IMCR): the
 * 8259s reach the CPUs through LINT0. CPUs with APIC IDs above 254 cannot be described.
 */
#include "fw/mptable.h"

#include <errno.h>
#include <string.h>

#define POINTER_LEN    16
#define MAX_CPUS       255u
#define LAPIC_VERSION  0x14
#define IOAPIC_VERSION 0x11
#define IOAPIC_ID      0
#define BUS_PCI        0
#define BUS_ISA        1
#define ALL_LAPICS     0xff
#define FLAGS_CONFORM  0
#define FLAGS_PCI      0x0f /* active low, level */
#define FLAGS_SCI      0x0d /* active high, level */
#define CPU_ENABLED    1
#define CPU_BOOTSTRAP  2
#define FEATURES_MIN   0x201 /* FPU, APIC */

enum entry_type { CPU = 0, BUS = 1, IOAPIC = 2, IO_INTERRUPT = 3, LOCAL_INTERRUPT = 4 };
enum int_type { INT = 0, NMI = 1, EXTINT = 3 };

static void put_cpu(struct buf *b, const struct fw_platform *plat, u8 id)
{
    buf_u8(b, CPU);
    buf_u8(b, id);
    buf_u8(b, LAPIC_VERSION);
    buf_u8(b, CPU_ENABLED | (id ? 0 : CPU_BOOTSTRAP));
    buf_u32(b, plat->cpu_signature);
    buf_u32(b, plat->cpu_features ? plat->cpu_features : FEATURES_MIN);
    buf_zero(b, 8);
}

static void put_bus(struct buf *b, u8 id, const char *name)
{
    buf_u8(b, BUS);
    buf_u8(b, id);
    buf_text(b, name, 6, ' ');
}

static void put_interrupt(struct buf *b, enum entry_type entry, enum int_type type, u16 flags,
                          u8 bus, u8 irq, u8 apic, u8 pin)
{
    buf_u8(b, (u8)entry);
    buf_u8(b, (u8)type);
    buf_u16(b, flags);
    buf_u8(b, bus);
    buf_u8(b, irq);
    buf_u8(b, apic);
    buf_u8(b, pin);
}

/* ISA: IRQ n on input n, but for the timer, which is on input 2. Returns the number of entries. */
static unsigned put_isa_interrupts(struct buf *b, const struct fw_platform *plat)
{
    unsigned n = 0;

    for (u8 irq = 0; irq < 16; irq++) {
        u16 flags = irq == plat->sci_irq ? FLAGS_SCI : FLAGS_CONFORM;
        if (irq == 2)
            continue;
        put_interrupt(b, IO_INTERRUPT, INT, flags, BUS_ISA, irq, IOAPIC_ID, irq ? irq : 2);
        n++;
    }
    return n;
}

/* PCI: the source is slot << 2 | pin; the same routing as the DSDT's _PRT. */
static unsigned put_pci_interrupts(struct buf *b)
{
    unsigned n = 0;

    for (u8 slot = 0; slot < 32; slot++)
        for (u8 pin = 0; pin < 4; pin++, n++)
            put_interrupt(b, IO_INTERRUPT, INT, FLAGS_PCI, BUS_PCI, (u8)(slot << 2 | pin),
                          IOAPIC_ID, (u8)(16 + (slot + pin + 3) % 4));
    return n;
}

static unsigned put_entries(struct buf *b, const struct fw_platform *plat)
{
    unsigned ncpus = (unsigned)min_u64(plat->ncpus, MAX_CPUS);
    unsigned n = ncpus + 3; /* with two buses and the I/O APIC */

    for (unsigned i = 0; i < ncpus; i++)
        put_cpu(b, plat, (u8)i);
    put_bus(b, BUS_PCI, "PCI");
    put_bus(b, BUS_ISA, "ISA");
    buf_u8(b, IOAPIC);
    buf_u8(b, IOAPIC_ID);
    buf_u8(b, IOAPIC_VERSION);
    buf_u8(b, 1); /* usable */
    buf_u32(b, plat->ioapic_base);
    n += put_isa_interrupts(b, plat);
    n += put_pci_interrupts(b);
    put_interrupt(b, LOCAL_INTERRUPT, EXTINT, FLAGS_CONFORM, BUS_ISA, 0, ALL_LAPICS, 0);
    put_interrupt(b, LOCAL_INTERRUPT, NMI, FLAGS_CONFORM, BUS_ISA, 0, ALL_LAPICS, 1);
    return n + 2;
}

static void put_pointer(struct buf *b, u32 base) /* 4.1 */
{
    buf_bytes(b, "_MP_", 4);
    buf_u32(b, base + POINTER_LEN);
    buf_u8(b, POINTER_LEN / 16);
    buf_u8(b, 4);   /* specification 1.4 */
    buf_u8(b, 0);   /* checksum */
    buf_zero(b, 5); /* a table follows; no IMCR */
    buf_checksum(b, 10, 0, POINTER_LEN);
}

static void put_header(struct buf *b, const struct fw_platform *plat) /* 4.2 */
{
    buf_bytes(b, "PCMP", 4);
    buf_u16(b, 0); /* length */
    buf_u8(b, 4);
    buf_u8(b, 0); /* checksum */
    buf_text(b, "DOMUS", 8, ' ');
    buf_text(b, "VIRTUAL PC", 12, ' ');
    buf_zero(b, 6); /* no OEM table */
    buf_u16(b, 0);  /* entries */
    buf_u32(b, plat->lapic_base);
    buf_zero(b, 4); /* no extended table */
}

int mptable_build(struct buf *b, const struct fw_platform *plat, u32 base)
{
    unsigned n;

    put_pointer(b, base);
    put_header(b, plat);
    n = put_entries(b, plat);
    if (b->failed)
        return -ENOMEM;
    buf_put16(b, POINTER_LEN + 4, (u16)(b->len - POINTER_LEN));
    buf_put16(b, POINTER_LEN + 34, (u16)n);
    buf_checksum(b, POINTER_LEN + 7, POINTER_LEN, b->len - POINTER_LEN);
    return 0;
}
