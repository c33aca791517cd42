/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ACPI tables: RSDP, every table with its checksum and length, the FADT's ports and what is behind
   them, the DSDT, the MADT's CPUs; the ACPI timer. Run with four CPUs. */
#include "acpi.h"
#include "desc.h"
#include "io.h"
#include "time.h"

#define CPUS 4

static void tables(void)
{
    test("RSDP");
    const struct acpi_rsdp *r = acpi_find_rsdp();
    if (!r)
        guest_fatal("no RSDP in the BIOS areas");
    CHECK_EQ(acpi_sum(r, 20), 0);
    if (r->revision >= 2)
        CHECK_EQ(acpi_sum(r, r->length), 0);
    test("root table");
    bool wide = r->revision >= 2 && r->xsdt;
    const struct acpi_header *root = (const void *)(word)(wide ? r->xsdt : r->rsdt);
    CHECK_EQ(memcmp(root->signature, wide ? "XSDT" : "RSDT", 4), 0);
    CHECK_EQ(acpi_sum(root, root->length), 0);
    u32 step = wide ? 8 : 4;
    CHECK_EQ((root->length - 36) % step, 0);
    for (u32 at = 36; at + step <= root->length; at += step) {
        word pa = wide ? (word)acpi_u64(root, at) : acpi_u32(root, at);
        const struct acpi_header *h = (const void *)pa;
        CHECK(pa != 0);
        CHECK_IN(h->length, 36, 0x100000);
        CHECK_EQ(acpi_sum(h, h->length), 0);
    }
}

static void fadt(void)
{
    test("FADT");
    const struct acpi_header *f = acpi_find("FACP");
    if (!f)
        guest_fatal("no FADT");
    CHECK(f->length >= 116);
    const struct acpi_header *dsdt = (const void *)(word)acpi_u32(f, FADT_DSDT);
    if (!dsdt && f->length >= 148)
        dsdt = (const void *)(word)acpi_u64(f, 140);
    CHECK(dsdt != NULL);
    CHECK_EQ(memcmp(dsdt->signature, "DSDT", 4), 0);
    CHECK_EQ(acpi_sum(dsdt, dsdt->length), 0);
    u16 evt = (u16)acpi_u32(f, FADT_PM1A_EVT), cnt = (u16)acpi_u32(f, FADT_PM1A_CNT);
    CHECK(evt != 0 && cnt != 0);
    CHECK_EQ(inw(cnt) & 1, 1); /* SCI_EN: ACPI mode, or no SMI command to get there */
    test("PM1 event registers");
    outw((u16)(evt + 2), 0x0120);
    CHECK_EQ(inw((u16)(evt + 2)) & 0x0120, 0x0120);
    outw((u16)(evt + 2), 0);
    outw(evt, 0xffff); /* write 1 to clear */
    CHECK_EQ(inw(evt) & 0x0700, 0);
}

static void enter_acpi_mode(void)
{
    const struct acpi_header *f = acpi_find("FACP");
    u16 cnt = f ? (u16)acpi_u32(f, FADT_PM1A_CNT) : 0, smi = f ? (u16)acpi_u32(f, 48) : 0;
    if (f && smi && !(inw(cnt) & 1)) {
        outb(smi, ((const u8 *)f)[52]);
        (void)WAIT_FOR(inw(cnt) & 1, 1000);
    }
}

static void timer(void)
{
    const struct acpi_header *f = acpi_find("FACP");
    test("ACPI timer");
    u16 port = (u16)acpi_u32(f, FADT_PM_TMR);
    u32 mask = acpi_u32(f, FADT_FLAGS) & BIT(8) ? ~0u : 0xffffff;
    u32 a = inl(port);
    CHECK_EQ(a & ~mask, 0);
    delay_us(10000);
    CHECK_IN((inl(port) - a) & mask, 35795, 35795 * 100); /* longer on a busy host */
    u32 last = inl(port);
    for (int i = 0; i < 1000; i++) {
        u32 now = inl(port);
        CHECK(((now - last) & mask) < 0x100000);
        last = now;
    }
}

static void cpus(void)
{
    test("MADT");
    const struct acpi_header *m = acpi_find("APIC");
    if (!m)
        guest_fatal("no MADT");
    const u8 *p = (const u8 *)m;
    u32 enabled = 0, seen = 0, ioapics = 0;
    for (u32 at = 44; at < m->length; at += p[at + 1]) {
        if (p[at + 1] < 2 || at + p[at + 1] > m->length)
            guest_fatal("bad MADT entry at %u", at);
        if (p[at] == 0 && (p[at + 4] & 1)) {
            enabled++;
            seen |= BIT(p[at + 3] & 31);
        }
        ioapics += p[at] == 1;
    }
    CHECK_EQ(enabled, CPUS);
    CHECK_EQ(seen, BIT(CPUS) - 1);
    CHECK_EQ(ioapics, 1);
}

GUEST("acpi")
{
    tables();
    enter_acpi_mode();
    fadt();
    timer();
    cpus();
}
