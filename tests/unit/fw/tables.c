/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The firmware tables as a kernel finds them: by searching memory, then following pointers. */
#include "fw/tables.h"
#include "dev/acpipm.h"
#include "dev/hpet.h"
#include "fw/acpi.h"
#include "guest.h"

static u8 sum(const u8 *p, size_t n)
{
    u8 s = 0;

    while (n--)
        s = (u8)(s + *p++);
    return s;
}

/* The 16-byte aligned place of a signature in the F segment. */
static gpa_t find(struct guest *g, const char *sig)
{
    for (gpa_t at = 0xf0000; at < MiB; at += 16)
        if (guest_has(g, at, sig, strlen(sig)))
            return at;
    fprintf(stderr, "no %s in the F segment\n", sig);
    test_failures++;
    return 0xf0000;
}

static struct guest with_tables(u64 size, const struct fw_platform *plat, gpa_t *rsdp)
{
    struct guest g = guest_new(size);

    if (tables_write(rsdp, g.mem, plat, &g.err)) {
        fprintf(stderr, "%s\n", g.err.text);
        test_failures++;
    }
    return g;
}

static gpa_t acpi_table(struct guest *g, gpa_t root, unsigned width, const char *sig)
{
    u32 len = guest_u32(g, root + 4);

    for (u32 off = 36; off < len; off += width) {
        gpa_t at = width == 8 ? guest_u64(g, root + off) : guest_u32(g, root + off);
        if (guest_has(g, at, sig, 4)) {
            CHECK_EQ(sum(mem_ptr(g->mem, at), guest_u32(g, at + 4)), 0);
            return at;
        }
    }
    return 0;
}

static void test_acpi_pointers(void)
{
    struct fw_platform plat = test_platform(4);
    gpa_t rsdp, rsdt, xsdt, fadt, dsdt;
    struct guest g = with_tables(64 * MiB, &plat, &rsdp);

    CHECK_EQ(rsdp, find(&g, "RSD PTR "));
    CHECK_EQ(sum(mem_ptr(g.mem, rsdp), 20), 0);
    CHECK_EQ(sum(mem_ptr(g.mem, rsdp), 36), 0);
    rsdt = guest_u32(&g, rsdp + 16);
    xsdt = guest_u64(&g, rsdp + 24);
    CHECK(guest_has(&g, rsdt, "RSDT", 4) && guest_has(&g, xsdt, "XSDT", 4));
    CHECK_EQ(sum(mem_ptr(g.mem, rsdt), guest_u32(&g, rsdt + 4)), 0);
    CHECK_EQ(sum(mem_ptr(g.mem, xsdt), guest_u32(&g, xsdt + 4)), 0);
    for (unsigned width = 4; width <= 8; width += 4) {
        gpa_t root = width == 4 ? rsdt : xsdt;
        CHECK(acpi_table(&g, root, width, "FACP"));
        CHECK(acpi_table(&g, root, width, "APIC"));
        CHECK(acpi_table(&g, root, width, "HPET"));
    }
    fadt = acpi_table(&g, rsdt, 4, "FACP");
    dsdt = guest_u32(&g, fadt + 40);
    CHECK_EQ(guest_u64(&g, fadt + 140), dsdt);
    CHECK(guest_has(&g, dsdt, "DSDT", 4));
    CHECK_EQ(sum(mem_ptr(g.mem, dsdt), guest_u32(&g, dsdt + 4)), 0);
    CHECK(guest_has(&g, guest_u32(&g, fadt + 36), "FACS", 4));
    CHECK_EQ(guest_u32(&g, fadt + 36) & 63, 0);
    guest_free(&g);
}

static void test_fadt(void)
{
    struct fw_platform plat = test_platform(1);
    gpa_t rsdp, fadt;
    struct guest g = with_tables(64 * MiB, &plat, &rsdp);

    fadt = acpi_table(&g, guest_u32(&g, rsdp + 16), 4, "FACP");
    CHECK_EQ(guest_u32(&g, fadt + 4), 276);
    CHECK_EQ(*mem_ptr(g.mem, fadt + 8), 6);
    CHECK_EQ(guest_u32(&g, fadt + 46) & 0xffff, 9);
    CHECK_EQ(guest_u32(&g, fadt + 48), 0xb2);
    CHECK_EQ(guest_u32(&g, fadt + 56), 0x600);
    CHECK_EQ(guest_u32(&g, fadt + 64), 0x600 + ACPIPM_PM1_CNT);
    CHECK_EQ(guest_u32(&g, fadt + 76), 0x600 + ACPIPM_PM_TMR);
    CHECK_EQ(guest_u64(&g, fadt + 120), 0xcf9);
    CHECK_EQ(*mem_ptr(g.mem, fadt + 128), 6);
    CHECK(guest_u32(&g, fadt + 112) & BIT(10));
    CHECK_EQ(guest_u64(&g, fadt + 152), 0x600);
    guest_free(&g);
}

struct madt_count {
    unsigned type[16];
    bool sci_is_level;
};

static struct madt_count count_madt(const struct fw_platform *plat)
{
    struct acpi_tables t;
    struct err err;
    struct madt_count count = {0};
    const u8 *p = NULL, *end = NULL;

    CHECK_EQ(acpi_build(&t, plat, TABLES_BASE, &err), 0);
    for (unsigned i = 0; i < t.n; i++)
        if (!strcmp(t.table[i].sig, "APIC")) {
            p = t.buf.data + t.table[i].at + 44;
            end = t.buf.data + t.table[i].at + t.table[i].len;
        }
    for (; p && p < end; p += p[1]) {
        CHECK(p[0] < 16 && p[1] >= 6);
        count.type[p[0] & 15]++;
        if (p[0] == 2 && p[3] == 9)
            count.sci_is_level = le32(p + 4) == 9 && le16(p + 8) == 0xd;
    }
    CHECK(p == end);
    acpi_dispose(&t);
    return count;
}

static void test_madt(void)
{
    struct fw_platform plat = test_platform(4);
    struct madt_count count = count_madt(&plat);

    CHECK_EQ(count.type[0], 4);
    CHECK_EQ(count.type[1], 1);
    CHECK_EQ(count.type[2], 2);
    CHECK_EQ(count.type[4], 1);
    CHECK_EQ(count.type[9], 0);
    CHECK(count.sci_is_level);
    plat.ncpus = 300;
    plat.x2apic = true;
    count = count_madt(&plat);
    CHECK_EQ(count.type[0], 255);
    CHECK_EQ(count.type[9], 45);
    CHECK_EQ(count.type[10], 1);
}

static void test_too_many_cpus(void)
{
    struct fw_platform plat = test_platform(256);
    struct guest g = guest_new(2 * MiB);
    gpa_t rsdp;

    CHECK_EQ(-tables_write(&rsdp, g.mem, &plat, &g.err), EINVAL);
    CHECK(strstr(g.err.text, "x2APIC"));
    plat.x2apic = true;
    CHECK_EQ(tables_write(&rsdp, g.mem, &plat, &g.err), 0);
    plat.ncpus = 4000;
    CHECK_EQ(-tables_write(&rsdp, g.mem, &plat, &g.err), ENOSPC);
    CHECK(strstr(g.err.text, "4000 CPUs"));
    guest_free(&g);
}

static void test_hpet(void)
{
    struct fw_platform plat = test_platform(1);
    gpa_t rsdp, hpet;
    struct guest g = with_tables(64 * MiB, &plat, &rsdp);

    hpet = acpi_table(&g, guest_u32(&g, rsdp + 16), 4, "HPET");
    CHECK_EQ(guest_u32(&g, hpet + 4), 56);
    CHECK_EQ(guest_u32(&g, hpet + 36), HPET_ID);
    CHECK_EQ(guest_u64(&g, hpet + 44), 0xfed00000);
    guest_free(&g);
    plat.has_hpet = false;
    g = with_tables(64 * MiB, &plat, &rsdp);
    CHECK_EQ(acpi_table(&g, guest_u32(&g, rsdp + 16), 4, "HPET"), 0);
    guest_free(&g);
}

static void test_mptable(void)
{
    static const u8 entry_len[] = {20, 8, 8, 8, 8};
    struct fw_platform plat = test_platform(3);
    unsigned count[5] = {0}, total = 0, bootstrap = 0;
    gpa_t rsdp, mp, table, at;
    struct guest g = with_tables(64 * MiB, &plat, &rsdp);
    u32 len;

    mp = find(&g, "_MP_");
    CHECK_EQ(sum(mem_ptr(g.mem, mp), 16), 0);
    table = guest_u32(&g, mp + 4);
    CHECK(guest_has(&g, table, "PCMP", 4));
    len = guest_u32(&g, table + 4) & 0xffff;
    CHECK_EQ(sum(mem_ptr(g.mem, table), len), 0);
    CHECK_EQ(guest_u32(&g, table + 36), 0xfee00000);
    for (at = table + 44; at < table + len; total++) {
        u8 type = *mem_ptr(g.mem, at);
        if (type > 4)
            break;
        if (!type)
            bootstrap += *mem_ptr(g.mem, at + 3) >> 1 & 1;
        count[type]++;
        at += entry_len[type];
    }
    CHECK_EQ(at, table + len);
    CHECK_EQ(total, guest_u32(&g, table + 34) & 0xffff);
    CHECK_EQ(count[0], 3);
    CHECK_EQ(bootstrap, 1);
    CHECK_EQ(count[1], 2);
    CHECK_EQ(count[2], 1);
    CHECK_EQ(count[3], 15 + 128);
    CHECK_EQ(count[4], 2);
    guest_free(&g);
}

/* Walks the structures; the string sets must end where the length says. */
static unsigned walk_smbios(struct guest *g, gpa_t entry, unsigned seen[128], unsigned *largest)
{
    gpa_t at = guest_u32(g, entry + 24), end = at + (guest_u32(g, entry + 22) & 0xffff);
    unsigned n = 0;

    while (at < end) {
        const u8 *p = mem_ptr(g->mem, at);
        size_t len = p[1];
        CHECK(p[0] < 128 && len >= 4);
        while (at + len + 2 <= end && (p[len] || p[len + 1]))
            len++;
        seen[p[0] & 127]++;
        *largest = (unsigned)max_u64(*largest, len + 2);
        at += len + 2;
        n++;
    }
    CHECK_EQ(at, end);
    return n;
}

static void check_smbios(u64 size, unsigned ranges, unsigned sockets)
{
    static const u8 want[] = {0, 1, 3, 16, 17, 32, 127};
    struct fw_platform plat = test_platform(2);
    unsigned seen[128] = {0}, largest = 0;
    gpa_t rsdp, entry;
    struct guest g;

    plat.memory = size;
    plat.sockets = sockets;
    g = with_tables(size, &plat, &rsdp);
    entry = find(&g, "_SM_");
    CHECK_EQ(sum(mem_ptr(g.mem, entry), 0x1f), 0);
    CHECK(guest_has(&g, entry + 16, "_DMI_", 5));
    CHECK_EQ(sum(mem_ptr(g.mem, entry + 16), 15), 0);
    CHECK_EQ(walk_smbios(&g, entry, seen, &largest), guest_u32(&g, entry + 28) & 0xffff);
    CHECK_EQ(guest_u32(&g, entry + 8) & 0xffff, largest);
    for (unsigned i = 0; i < sizeof(want); i++)
        CHECK_EQ(seen[want[i]], 1);
    CHECK_EQ(seen[4], sockets ? sockets : 1);
    CHECK_EQ(seen[19], ranges);
    guest_free(&g);
}

static void test_smbios(void)
{
    check_smbios(64 * MiB, 1, 0);
    check_smbios(5 * GiB, 2, 2);
}

static void test_bios_data_area(void)
{
    struct fw_platform plat = test_platform(1);
    gpa_t rsdp;
    struct guest g = with_tables(4 * MiB, &plat, &rsdp);

    CHECK_EQ(guest_u32(&g, 0x400), 0x02f803f8);
    CHECK_EQ(guest_u32(&g, 0x404), 0);
    CHECK_EQ(guest_u32(&g, 0x40e) & 0xffff, 0x9fc0);
    CHECK_EQ(guest_u32(&g, 0x413) & 0xffff, 639);
    guest_free(&g);
}

int main(void)
{
    TEST_RUN(test_acpi_pointers);
    TEST_RUN(test_fadt);
    TEST_RUN(test_madt);
    TEST_RUN(test_too_many_cpus);
    TEST_RUN(test_hpet);
    TEST_RUN(test_mptable);
    TEST_RUN(test_smbios);
    TEST_RUN(test_bios_data_area);
    return test_result();
}
