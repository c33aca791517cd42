/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files of fw_cfg that firmware looks for by name. ACPI tables come as one file of bytes, the RSDP
 * as another, and a third, "etc/table-loader", that says how to place them: allocate, add a file's
 * address to a pointer, make a checksum (QEMU's hw/acpi/bios-linker-loader interface, which SeaBIOS
 * and OVMF follow; 128 bytes a command). So firmware chooses where the tables lie.
 */
#include "fw/pcfw.h"
#include "base/le.h"
#include "dev/acpipm.h"
#include "fw/acpi.h"
#include "fw/smbios.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RSDP_FILE   "etc/acpi/rsdp"
#define TABLES_FILE "etc/acpi/tables"
#define LOADER_FILE "etc/table-loader"

#define COMMAND_LEN 128u
#define NAME_LEN    56u
#define TABLES_AT   64u /* of the block that acpi_build makes: behind the RSDP */

#define TABLE_CHECKSUM 9u /* offsets; the RSDP's first is of its first 20 bytes */
#define RSDP_CHECKSUM  8u
#define RSDP_CHECKSUM2 32u

#define ZONE_HIGH 1u
#define ZONE_FSEG 2u

enum loader_command { LOADER_ALLOCATE = 1, LOADER_ADD_POINTER = 2, LOADER_ADD_CHECKSUM = 3 };

static void allocate(struct buf *b, const char *file, u32 align, u8 zone)
{
    size_t at = b->len;

    buf_u32(b, LOADER_ALLOCATE);
    buf_text(b, file, NAME_LEN, 0);
    buf_u32(b, align);
    buf_u8(b, zone);
    buf_zero(b, at + COMMAND_LEN - b->len);
}

/* The pointer at `at` in `file` is an offset in TABLES_FILE: its address is to be added. */
static void add_pointer(struct buf *b, const char *file, u32 at, u8 size)
{
    size_t begin = b->len;

    buf_u32(b, LOADER_ADD_POINTER);
    buf_text(b, file, NAME_LEN, 0);
    buf_text(b, TABLES_FILE, NAME_LEN, 0);
    buf_u32(b, at);
    buf_u8(b, size);
    buf_zero(b, begin + COMMAND_LEN - b->len);
}

static void add_checksum(struct buf *b, const char *file, u32 at, u32 first, u32 len)
{
    size_t begin = b->len;

    buf_u32(b, LOADER_ADD_CHECKSUM);
    buf_text(b, file, NAME_LEN, 0);
    buf_u32(b, at);
    buf_u32(b, first);
    buf_u32(b, len);
    buf_zero(b, begin + COMMAND_LEN - b->len);
}

static bool has_checksum(const struct acpi_table *t)
{
    return strcmp(t->sig, "FACS") != 0;
}

static void build_loader(struct buf *b, const struct acpi_tables *t)
{
    allocate(b, RSDP_FILE, 16, ZONE_FSEG);
    allocate(b, TABLES_FILE, 64, ZONE_HIGH);
    for (unsigned n = 0; n < t->npointers; n++)
        add_pointer(b, TABLES_FILE, (u32)(t->pointer[n].at - TABLES_AT), t->pointer[n].size);
    for (unsigned n = 0; n < t->n; n++) {
        u32 at = (u32)(t->table[n].at - TABLES_AT);
        if (has_checksum(&t->table[n]))
            add_checksum(b, TABLES_FILE, at + TABLE_CHECKSUM, at, (u32)t->table[n].len);
    }
    add_pointer(b, RSDP_FILE, 16, 4);
    add_pointer(b, RSDP_FILE, 24, 8);
    add_checksum(b, RSDP_FILE, RSDP_CHECKSUM, 0, 20);
    add_checksum(b, RSDP_FILE, RSDP_CHECKSUM2, 0, ACPI_RSDP_LEN);
}

/*
 * Pointers as offsets in TABLES_FILE. Checksums as zeros: OVMF sums up the byte itself with the
 * table, and puts the result in its place.
 */
static void make_relative(struct acpi_tables *t)
{
    for (unsigned n = 0; n < t->npointers; n++) {
        u8 *p = t->buf.data + t->pointer[n].at;
        put_le32(p, le32(p) - TABLES_AT);
    }
    for (unsigned n = 0; n < t->n; n++)
        if (has_checksum(&t->table[n]))
            t->buf.data[t->table[n].at + TABLE_CHECKSUM] = 0;
    t->buf.data[RSDP_CHECKSUM] = t->buf.data[RSDP_CHECKSUM2] = 0;
    put_le32(t->buf.data + 16, le32(t->buf.data + 16) - TABLES_AT);
    put_le32(t->buf.data + 24, le32(t->buf.data + 24) - TABLES_AT);
}

static int build(struct acpi_tables *t, const struct fw_platform *plat, struct err *err)
{
    int rc = acpi_build(t, plat, 0, err);

    if (!rc)
        make_relative(t);
    return rc;
}

static int add_file(struct fwcfg *f, const char *name, const void *data, size_t n, struct err *err)
{
    int rc = fwcfg_add_file(f, name, data, n);

    return rc ? err_set(err, -rc, "fw_cfg: cannot add %s: %s", name, strerror(-rc)) : 0;
}

static int add_acpi(struct fwcfg *f, const struct fw_platform *plat, struct err *err)
{
    struct buf loader = {0};
    struct acpi_tables t;
    int rc = build(&t, plat, err);

    if (rc)
        return rc;
    build_loader(&loader, &t);
    if (loader.failed)
        rc = err_set(err, ENOMEM, "fw_cfg: out of memory");
    if (!rc)
        rc = add_file(f, RSDP_FILE, t.buf.data, ACPI_RSDP_LEN, err);
    if (!rc)
        rc = add_file(f, TABLES_FILE, t.buf.data + TABLES_AT, t.buf.len - TABLES_AT, err);
    if (!rc)
        rc = add_file(f, LOADER_FILE, loader.data, loader.len, err);
    buf_dispose(&loader);
    acpi_dispose(&t);
    return rc;
}

void pcfw_update_acpi(struct fwcfg *f, const struct fw_platform *plat)
{
    struct acpi_tables t;
    struct err err;

    if (build(&t, plat, &err))
        return; /* out of memory: the guest sees the tables of before */
    fwcfg_update_file(f, RSDP_FILE, t.buf.data, ACPI_RSDP_LEN);
    fwcfg_update_file(f, TABLES_FILE, t.buf.data + TABLES_AT, t.buf.len - TABLES_AT);
    acpi_dispose(&t);
}

static int add_smbios(struct fwcfg *f, const struct fw_platform *plat, const struct mem *mem,
                      struct err *err)
{
    struct buf b = {0};
    int rc = smbios_build(&b, plat, mem, 0);

    if (rc)
        rc = err_set(err, -rc, "fw_cfg: no memory for the SMBIOS tables");
    if (!rc)
        rc = add_file(f, "etc/smbios/smbios-anchor", b.data, SMBIOS_ENTRY_LEN, err);
    if (!rc)
        rc = add_file(f, "etc/smbios/smbios-tables", b.data + SMBIOS_TABLES_AT,
                      b.len - SMBIOS_TABLES_AT, err);
    buf_dispose(&b);
    return rc;
}

/* RAM, as entries of address, length and type: only firmware knows what it takes of it. */
static int add_e820(struct fwcfg *f, const struct mem *mem, struct err *err)
{
    struct buf b = {0};
    int rc;

    buf_u64(&b, 0);
    buf_u64(&b, mem->low);
    buf_u32(&b, 1);
    if (mem->size > mem->low) {
        buf_u64(&b, MEM_HIGH_START);
        buf_u64(&b, mem->size - mem->low);
        buf_u32(&b, 1);
    }
    rc = b.failed ? err_set(err, ENOMEM, "fw_cfg: out of memory")
                  : add_file(f, "etc/e820", b.data, b.len, err);
    buf_dispose(&b);
    return rc;
}

/* For S0 to S5: bit 7, the machine has it; below, its SLP_TYP. */
static int add_sleep_states(struct fwcfg *f, const struct fw_platform *plat, struct err *err)
{
    u8 states[6] = {0x80, 0, 0, ACPIPM_SLP_TYP_S3, ACPIPM_SLP_TYP_S4, ACPIPM_SLP_TYP_S5 | 0x80};

    if (plat->has_s3) {
        states[3] |= 0x80;
        states[4] |= 0x80;
    }
    return add_file(f, "etc/system-states", states, sizeof(states), err);
}

int pcfw_add(struct fwcfg *f, const struct fw_platform *plat, const struct mem *mem,
             const char *order, struct err *err)
{
    int rc = add_e820(f, mem, err);

    if (!rc)
        rc = add_acpi(f, plat, err);
    if (!rc)
        rc = add_smbios(f, plat, mem, err);
    if (!rc)
        rc = add_sleep_states(f, plat, err);
    if (!rc && order && *order)
        rc = add_file(f, "bootorder", order, strlen(order) + 1, err);
    return rc;
}
