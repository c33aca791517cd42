/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Power-off by ACPI: S5's sleep type from the DSDT's \_S5 package, written to PM1a_CNT with SLP_EN.
 */
#include "acpi.h"
#include "desc.h"
#include "io.h"
#include "time.h"

/* The first number of the package _S5_ (ACPI 19.6.101, 20.2): name, PackageOp, PkgLength, count. */
static int sleep_type(const struct acpi_header *dsdt)
{
    const u8 *p = (const u8 *)dsdt;
    for (u32 at = 36; at + 12 < dsdt->length; at++) {
        if (memcmp(p + at, "_S5_", 4) || p[at + 4] != 0x12)
            continue;
        at += 5;
        at += (p[at] >> 6) + 1u; /* PkgLength */
        at++;                    /* number of elements */
        if (p[at] == 0x0a)
            return p[at + 1];
        return p[at] <= 1 ? p[at] : -1; /* ZeroOp, OneOp */
    }
    return -1;
}

GUEST("poweroff")
{
    const struct acpi_header *f = acpi_find("FACP");
    test("S5");
    if (!f)
        guest_fatal("no FADT");
    int type = sleep_type((const void *)(word)acpi_u32(f, FADT_DSDT));
    CHECK_IN(type, 0, 7);
    u16 cnt = (u16)acpi_u32(f, FADT_PM1A_CNT);
    guest_ready();
    outw(cnt, (u16)(type << 10 | BIT(13)));
    delay_us(1000000);
    guest_fatal("still on after S5");
}
