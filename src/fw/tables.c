/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a PC's firmware leaves its tables: all in the F segment, on 16-byte boundaries where
 * kernels search for them. The BIOS data area gets what is true without a BIOS: where the
 * serial ports, the EBDA and the end of base memory are.
 */
#include "fw/tables.h"
#include "base/le.h"
#include "fw/acpi.h"
#include "fw/e820.h"
#include "fw/mptable.h"
#include "fw/smbios.h"

#include <errno.h>

#define BDA_BASE      0x400u
#define BDA_SIZE      0x100u
#define BDA_COM       0x00u /* four words: port bases */
#define BDA_EBDA      0x0eu /* word: segment */
#define BDA_EQUIPMENT 0x10u
#define BDA_MEMORY    0x13u /* word: KiB of base memory */

struct writer {
    struct mem *mem;
    u32 at;
};

static int append(struct writer *w, const struct buf *b, struct err *err)
{
    if (b->len > TABLES_END - w->at)
        return err_set(err, ENOSPC,
                       "the firmware tables do not fit in the 64 KiB below 1 MiB; use fewer CPUs");
    if (mem_write(w->mem, w->at, b->data, b->len))
        return err_set(err, EFAULT, "the guest has no memory at %#x", w->at);
    w->at = (u32)align_up(w->at + b->len, 64);
    return 0;
}

static int write_bda(struct mem *mem, const struct fw_platform *plat, struct err *err)
{
    static const u16 com[4] = {0x3f8, 0x2f8, 0x3e8, 0x2e8};
    unsigned nserial = (unsigned)min_u64(plat->nserial, ARRAY_SIZE(com));
    u8 bda[BDA_SIZE] = {0};
    u8 ebda_kib = 1;

    for (unsigned i = 0; i < nserial; i++)
        put_le16(&bda[BDA_COM + 2 * i], com[i]);
    put_le16(&bda[BDA_EBDA], LOW_EBDA >> 4);
    put_le16(&bda[BDA_EQUIPMENT], (u16)(nserial << 9 | BIT(2) | BIT(1))); /* mouse, FPU */
    put_le16(&bda[BDA_MEMORY], LOW_EBDA / 1024);
    if (mem_write(mem, BDA_BASE, bda, sizeof(bda)) || mem_write(mem, LOW_EBDA, &ebda_kib, 1))
        return err_set(err, EFAULT, "the guest has no memory at its start");
    return 0;
}

static int write_acpi(struct writer *w, const struct fw_platform *plat, struct err *err)
{
    struct acpi_tables acpi;
    int rc = acpi_build(&acpi, plat, w->at, err);

    if (!rc)
        rc = append(w, &acpi.buf, err);
    acpi_dispose(&acpi);
    return rc;
}

static int write_mptable(struct writer *w, const struct fw_platform *plat, struct err *err)
{
    struct buf b = {0};
    int rc = mptable_build(&b, plat, w->at);

    rc = rc ? err_set(err, -rc, "no memory for the MP table") : append(w, &b, err);
    buf_dispose(&b);
    return rc;
}

static int write_smbios(struct writer *w, const struct fw_platform *plat, struct err *err)
{
    struct buf b = {0};
    int rc = smbios_build(&b, plat, w->mem, w->at);

    rc = rc ? err_set(err, -rc, "no memory for the SMBIOS tables") : append(w, &b, err);
    buf_dispose(&b);
    return rc;
}

int tables_write(gpa_t *rsdp, struct mem *mem, const struct fw_platform *plat, struct err *err)
{
    struct writer w = {mem, TABLES_BASE};
    int rc;

    *rsdp = TABLES_BASE;
    rc = write_bda(mem, plat, err);
    if (!rc)
        rc = write_acpi(&w, plat, err);
    if (!rc)
        rc = write_mptable(&w, plat, err);
    if (!rc)
        rc = write_smbios(&w, plat, err);
    return rc;
}
