/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ACPI 6.0 tables: RSDP, RSDT, XSDT, FADT (revision 6), FACS, MADT, HPET, and the DSDT of dsdt.c.
 * They describe fixed hardware in the legacy (not hardware-reduced) model: PM1a, PM timer, one
 * general-purpose event block, ACPI mode switched by the SMI command port, reset by CF9h. Left
 * out: S1 and S2, C-states, SRAT and SLIT (one node), MCFG (no memory-mapped configuration).
 *
 * Section numbers are those of ACPI 6.0. Pure functions: any thread.
 */
#include "fw/acpi.h"
#include "dev/acpipm.h"
#include "dev/hpet.h"
#include "dev/pcihost.h"
#include "fw/dsdt.h"

#include <errno.h>
#include <string.h>

#define OEM_ID     "DOMUS"
#define CREATOR_ID "DOMU"

#define FACS_LEN 64
#define FADT_LEN 276

/* A local APIC entry holds 8 bits; 255 is the broadcast ID. */
#define XAPIC_CPUS 255u

#define RTC_CENTURY 0x32 /* CMOS index */

enum gas_space { GAS_MEMORY = 0, GAS_IO = 1 };
enum madt_type {
    MADT_LAPIC = 0,
    MADT_IOAPIC = 1,
    MADT_OVERRIDE = 2,
    MADT_LAPIC_NMI = 4,
    MADT_X2APIC = 9,
    MADT_X2APIC_NMI = 10,
};

#define MADT_PCAT_COMPAT 1u     /* flags: there is also a pair of 8259s */
#define MADT_ENABLED     1u     /* processor flags */
#define MPS_LEVEL_HIGH   0x000d /* polarity 1 (high), trigger mode 3 (level) */
#define MPS_CONFORMS     0x0000
#define MADT_ALL_CPUS    0xff
#define MADT_ALL_X2APIC  UINT32_MAX
#define NMI_LINT         1
#define IOAPIC_ID        0
#define PIT_GSI          2

/* FADT flags (table 5-35) and boot architecture flags (5-36). */
#define FADT_WBINVD         BIT(0)
#define FADT_PROC_C1        BIT(2)
#define FADT_SLP_BUTTON     BIT(5) /* no sleep button among the fixed hardware */
#define FADT_TMR_VAL_EXT    BIT(8)
#define FADT_RESET_REG_SUP  BIT(10)
#define BOOT_LEGACY_DEVICES BIT(0)
#define BOOT_8042           BIT(1)
#define BOOT_NO_VGA         BIT(2)
#define BOOT_NO_ASPM        BIT(4)

static size_t table_begin(struct acpi_tables *t, const char *sig, u8 revision)
{
    struct buf *b = &t->buf;

    buf_align(b, 16);
    BUG_ON(t->n == ACPI_TABLES_MAX);
    t->table[t->n].at = b->len;
    memcpy(t->table[t->n].sig, sig, 5);
    buf_bytes(b, sig, 4);
    buf_u32(b, 0); /* length */
    buf_u8(b, revision);
    buf_u8(b, 0); /* checksum */
    buf_text(b, OEM_ID, 6, ' ');
    buf_text(b, OEM_ID, 8, ' '); /* table ID */
    buf_u32(b, 1);
    buf_bytes(b, CREATOR_ID, 4);
    buf_u32(b, 1);
    return t->table[t->n].at;
}

static void table_end(struct acpi_tables *t)
{
    struct acpi_table *tab = &t->table[t->n++];

    tab->len = t->buf.len - tab->at;
    buf_put32(&t->buf, tab->at + 4, (u32)tab->len);
    buf_checksum(&t->buf, tab->at + 9, tab->at, tab->len);
}

/* Where a table is that was built already. */
static size_t table_at(const struct acpi_tables *t, const char *sig)
{
    for (unsigned i = 0; i < t->n; i++)
        if (!strcmp(t->table[i].sig, sig))
            return t->table[i].at;
    BUG_ON(true);
}

/* Appends the guest address of what lies at `to` in the block. */
static void put_pointer(struct acpi_tables *t, u8 size, size_t to)
{
    u64 addr = t->base + to;

    BUG_ON(t->npointers == ACPI_POINTERS_MAX);
    t->pointer[t->npointers++] = (struct acpi_pointer){t->buf.len, size};
    buf_bytes(&t->buf, &addr, size);
}

/* 5.2.10. Not a table with a header and a checksum; 64-byte aligned. */
static void build_facs(struct acpi_tables *t)
{
    struct acpi_table *tab = &t->table[t->n++];
    struct buf *b = &t->buf;

    buf_align(b, 64);
    *tab = (struct acpi_table){"FACS", b->len, FACS_LEN};
    buf_bytes(b, "FACS", 4);
    buf_u32(b, FACS_LEN);
    buf_zero(b, 24); /* signature, waking vectors, global lock, flags */
    buf_u8(b, 2);    /* version */
    buf_zero(b, 31);
}

static void build_dsdt(struct acpi_tables *t, const struct fw_platform *plat)
{
    table_begin(t, "DSDT", 2); /* 2: integers are 64 bits wide */
    dsdt_emit(&t->buf, plat);
    table_end(t);
}

/* Generic address structure (5.2.3.2); access sizes are 1: byte, 2: word, 3: dword. */
static void put_gas(struct buf *b, enum gas_space space, u8 width, u8 access, u64 addr)
{
    buf_u8(b, (u8)space);
    buf_u8(b, width);
    buf_u8(b, 0); /* bit offset */
    buf_u8(b, access);
    buf_u64(b, addr);
}

/* The 32-bit half, up to the boot flags. */
static void fadt_fixed_hardware(struct buf *b, const struct fw_platform *plat)
{
    buf_u8(b, 0); /* reserved: once the interrupt model */
    buf_u8(b, 0); /* preferred profile: unspecified */
    buf_u16(b, plat->sci_irq);
    buf_u32(b, ACPIPM_SMI_CMD);
    buf_u8(b, ACPIPM_ACPI_ENABLE);
    buf_u8(b, ACPIPM_ACPI_DISABLE);
    buf_u8(b, 0); /* no S4BIOS */
    buf_u8(b, 0); /* no P-state control */
    buf_u32(b, plat->pm_base + ACPIPM_PM1_EVT);
    buf_u32(b, 0);
    buf_u32(b, plat->pm_base + ACPIPM_PM1_CNT);
    buf_u32(b, 0);
    buf_u32(b, 0); /* no PM2 control */
    buf_u32(b, plat->pm_base + ACPIPM_PM_TMR);
    buf_u32(b, plat->pm_base + ACPIPM_GPE0);
    buf_u32(b, 0);
    buf_u8(b, ACPIPM_PM1_EVT_LEN);
    buf_u8(b, ACPIPM_PM1_CNT_LEN);
    buf_u8(b, 0);
    buf_u8(b, ACPIPM_PM_TMR_LEN);
    buf_u8(b, ACPIPM_GPE0_LEN);
    buf_u8(b, 0);
    buf_u8(b, 0);
    buf_u8(b, 0);     /* no C-state change notification */
    buf_u16(b, 101);  /* more than 100 us: no C2 */
    buf_u16(b, 1001); /* more than 1000 us: no C3 */
    buf_zero(b, 4);   /* WBINVD works: no flush size and stride */
    buf_zero(b, 2);   /* no duty cycle */
    buf_zero(b, 2);   /* the RTC's alarm has no day and month */
    buf_u8(b, RTC_CENTURY);
}

/* The addresses again, with their sizes. */
static void fadt_extended(struct buf *b, const struct fw_platform *plat)
{
    put_gas(b, GAS_IO, ACPIPM_PM1_EVT_LEN * 8, 2, plat->pm_base + ACPIPM_PM1_EVT);
    put_gas(b, GAS_MEMORY, 0, 0, 0);
    put_gas(b, GAS_IO, ACPIPM_PM1_CNT_LEN * 8, 2, plat->pm_base + ACPIPM_PM1_CNT);
    put_gas(b, GAS_MEMORY, 0, 0, 0);
    put_gas(b, GAS_MEMORY, 0, 0, 0);
    put_gas(b, GAS_IO, ACPIPM_PM_TMR_LEN * 8, 3, plat->pm_base + ACPIPM_PM_TMR);
    put_gas(b, GAS_IO, ACPIPM_GPE0_LEN * 8, 1, plat->pm_base + ACPIPM_GPE0);
    put_gas(b, GAS_MEMORY, 0, 0, 0);
    put_gas(b, GAS_MEMORY, 0, 0, 0); /* sleep control and status: hardware-reduced only */
    put_gas(b, GAS_MEMORY, 0, 0, 0);
}

/* 5.2.9 */
static void build_fadt(struct acpi_tables *t, const struct fw_platform *plat)
{
    struct buf *b = &t->buf;
    size_t at = table_begin(t, "FACP", 6);

    put_pointer(t, 4, table_at(t, "FACS"));
    put_pointer(t, 4, table_at(t, "DSDT"));
    fadt_fixed_hardware(b, plat);
    buf_u16(b, BOOT_LEGACY_DEVICES | BOOT_8042 | BOOT_NO_ASPM | (plat->has_vga ? 0 : BOOT_NO_VGA));
    buf_u8(b, 0);
    buf_u32(b, FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_RESET_REG_SUP |
                   (ACPIPM_TMR_VAL_EXT ? FADT_TMR_VAL_EXT : 0));
    put_gas(b, GAS_IO, 8, 1, PCIHOST_RESET_PORT);
    buf_u8(b, PCIHOST_RESET_HARD);
    buf_u16(b, 0); /* ARM boot flags */
    buf_u8(b, 0);  /* minor version: 6.0 */
    buf_u64(b, 0); /* the FACS' 32-bit address is used */
    put_pointer(t, 8, table_at(t, "DSDT"));
    fadt_extended(b, plat);
    buf_u64(b, 0); /* hypervisor vendor identity */
    BUG_ON(!b->failed && b->len - at != FADT_LEN);
    table_end(t);
}

static void madt_cpu(struct buf *b, u32 id)
{
    if (id < XAPIC_CPUS) {
        buf_u8(b, MADT_LAPIC);
        buf_u8(b, 8);
        buf_u8(b, (u8)id); /* _UID */
        buf_u8(b, (u8)id); /* APIC ID */
        buf_u32(b, MADT_ENABLED);
    } else {
        buf_u8(b, MADT_X2APIC);
        buf_u8(b, 16);
        buf_u16(b, 0);
        buf_u32(b, id);
        buf_u32(b, MADT_ENABLED);
        buf_u32(b, id);
    }
}

static void madt_override(struct buf *b, u8 irq, u32 gsi, u16 flags)
{
    buf_u8(b, MADT_OVERRIDE);
    buf_u8(b, 10);
    buf_u8(b, 0); /* ISA */
    buf_u8(b, irq);
    buf_u32(b, gsi);
    buf_u16(b, flags);
}

static void madt_nmi(struct buf *b, bool x2apic)
{
    buf_u8(b, x2apic ? MADT_X2APIC_NMI : MADT_LAPIC_NMI);
    buf_u8(b, x2apic ? 12 : 6);
    if (!x2apic)
        buf_u8(b, MADT_ALL_CPUS);
    buf_u16(b, MPS_CONFORMS);
    if (x2apic)
        buf_u32(b, MADT_ALL_X2APIC);
    buf_u8(b, NMI_LINT);
    if (x2apic)
        buf_zero(b, 3);
}

/* 5.2.12. The bootstrap processor is the first entry. */
static void build_madt(struct acpi_tables *t, const struct fw_platform *plat)
{
    struct buf *b = &t->buf;

    table_begin(t, "APIC", 3);
    buf_u32(b, plat->lapic_base);
    buf_u32(b, MADT_PCAT_COMPAT);
    for (u32 id = 0; id < plat->ncpus; id++)
        madt_cpu(b, id);
    buf_u8(b, MADT_IOAPIC);
    buf_u8(b, 12);
    buf_u8(b, IOAPIC_ID);
    buf_u8(b, 0);
    buf_u32(b, plat->ioapic_base);
    buf_u32(b, 0); /* first GSI */
    madt_override(b, 0, PIT_GSI, MPS_CONFORMS);
    for (u8 irq = 0; irq < 16; irq++)
        if (irq == plat->sci_irq || plat->pci_irqs & BIT(irq))
            madt_override(b, irq, irq, MPS_LEVEL_HIGH);
    madt_nmi(b, false);
    if (plat->ncpus > XAPIC_CPUS)
        madt_nmi(b, true);
    table_end(t);
}

/* IA-PC HPET specification 1.0a, section 3.2.4 */
static void build_hpet(struct acpi_tables *t, const struct fw_platform *plat)
{
    struct buf *b = &t->buf;

    table_begin(t, "HPET", 1);
    buf_u32(b, HPET_ID);
    put_gas(b, GAS_MEMORY, 64, 0, plat->hpet_base);
    buf_u8(b, 0); /* HPET number, and its _UID */
    buf_u16(b, HPET_MIN_TICK);
    buf_u8(b, 0); /* the page is not guaranteed to hold nothing else */
    table_end(t);
}

/* 5.2.7, 5.2.8: pointers of 4 or 8 bytes to all that the FADT does not point to. */
static void build_root(struct acpi_tables *t, const char *sig, u8 width)
{
    static const char *const listed[] = {"FACP", "APIC", "HPET"};
    unsigned n = t->n;

    table_begin(t, sig, 1);
    for (unsigned i = 0; i < n; i++)
        for (unsigned k = 0; k < ARRAY_SIZE(listed); k++)
            if (!strcmp(t->table[i].sig, listed[k]))
                put_pointer(t, width, t->table[i].at);
    table_end(t);
}

/* 5.2.5.3 */
static void fill_rsdp(struct acpi_tables *t)
{
    struct buf *b = &t->buf;

    if (b->failed)
        return;
    memcpy(b->data, "RSD PTR ", 8);
    memcpy(b->data + 9, OEM_ID " ", 6);
    buf_put8(b, 15, 2); /* revision */
    buf_put32(b, 16, t->base + (u32)table_at(t, "RSDT"));
    buf_put32(b, 20, ACPI_RSDP_LEN);
    buf_put64(b, 24, t->base + table_at(t, "XSDT"));
    buf_checksum(b, 8, 0, 20);
    buf_checksum(b, 32, 0, ACPI_RSDP_LEN);
}

int acpi_build(struct acpi_tables *t, const struct fw_platform *plat, u32 base, struct err *err)
{
    BUG_ON(base & 63);
    *t = (struct acpi_tables){.base = base};
    if (plat->ncpus > XAPIC_CPUS && !plat->x2apic)
        return err_set(err, EINVAL,
                       "%u CPUs need a CPU model with x2APIC; without it at most %u are possible",
                       plat->ncpus, XAPIC_CPUS);
    buf_zero(&t->buf, ACPI_RSDP_LEN);
    build_facs(t);
    build_dsdt(t, plat);
    build_fadt(t, plat);
    build_madt(t, plat);
    if (plat->has_hpet)
        build_hpet(t, plat);
    build_root(t, "RSDT", 4);
    build_root(t, "XSDT", 8);
    fill_rsdp(t);
    if (!t->buf.failed)
        return 0;
    acpi_dispose(t);
    return err_set(err, ENOSPC, "the ACPI tables of %u CPUs do not fit in %u KiB", plat->ncpus,
                   (unsigned)(BUF_MAX / KiB));
}

void acpi_dispose(struct acpi_tables *t)
{
    buf_dispose(&t->buf);
    t->n = 0;
}
