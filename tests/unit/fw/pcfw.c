/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loader's commands, carried out as OVMF does: what comes out are ACPI tables in their places.
 */
#include "fw/pcfw.h"
#include "../dev/rig.h"
#include "../test.h"
#include "base/le.h"
#include "testplatform.h"

#include <endian.h>

#define RSDP_AT   0xf5a40u /* where the "firmware" puts the files */
#define TABLES_AT 0x3fe0000u
#define COMMAND   128u

struct blob {
    u8 *data;
    size_t size;
    u32 base;
};

static struct rig rig;
static struct mem *mem;
static struct fwcfg *f;

static u8 sum(const u8 *p, size_t n)
{
    u8 s = 0;

    while (n--)
        s = (u8)(s + *p++);
    return s;
}

static void select_key(u16 key)
{
    bus_write(&rig.pio, 0x510, 2, key);
}

static void take(void *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((u8 *)to)[i] = (u8)bus_read(&rig.pio, 0x511, 1);
}

/* A file, found in the directory. */
static struct blob file(const char *name, u32 base)
{
    u8 entry[64];
    u32 count;

    select_key(FWCFG_FILE_DIR);
    take(&count, 4);
    for (u32 n = 0; n < be32toh(count); n++) {
        struct blob b = {.base = base};
        take(entry, sizeof(entry));
        if (strcmp((char *)entry + 8, name) != 0)
            continue;
        b.size = be32toh(le32(entry));
        b.data = malloc(b.size);
        select_key(be16toh(le16(entry + 4)));
        take(b.data, b.size);
        return b;
    }
    fprintf(stderr, "no file %s\n", name);
    exit(1);
}

static bool is_rsdp(const u8 *name)
{
    return !strcmp((const char *)name, "etc/acpi/rsdp");
}

static void add_pointer(const u8 *c, struct blob *at, const struct blob *to)
{
    u32 off = le32(c + 116);
    u8 size = c[120];
    u64 val = 0;

    CHECK(size == 4 || size == 8);
    CHECK(off + size <= at->size);
    memcpy(&val, at->data + off, size);
    CHECK(val < to->size);
    val += to->base;
    memcpy(at->data + off, &val, size);
}

static void add_checksum(const u8 *c, struct blob *b)
{
    u32 at = le32(c + 60), first = le32(c + 64), len = le32(c + 68);

    CHECK(at < b->size && first + len <= b->size);
    b->data[at] = (u8)-sum(b->data + first, len);
}

static void carry_out(const struct blob *loader, struct blob *rsdp, struct blob *tables)
{
    CHECK_EQ(loader->size % COMMAND, 0);
    for (size_t at = 0; at < loader->size; at += COMMAND) {
        const u8 *c = loader->data + at;
        struct blob *b = is_rsdp(c + 4) ? rsdp : tables;
        switch (le32(c)) {
        case 1:
            break; /* allocate */
        case 2:
            add_pointer(c, b, is_rsdp(c + 60) ? rsdp : tables);
            break;
        case 3:
            add_checksum(c, b);
            break;
        default:
            CHECK(!"a command there is not");
        }
    }
}

static void open_files(const struct fw_platform *plat)
{
    struct err err;

    rig_open(&rig);
    if (mem_new(&mem, 64 * MiB, &rig.mmio, &err) || fwcfg_new(&f, &rig.pio, NULL) ||
        pcfw_add(f, plat, mem, NULL, &err))
        exit(1);
}

static void close_files(void)
{
    fwcfg_free(f);
    mem_free(mem);
    rig_close(&rig);
}

/* The table at a guest address; its checksum is looked at. */
static const u8 *table(const struct blob *tables, u64 addr)
{
    const u8 *t = tables->data + (addr - TABLES_AT);

    CHECK(addr >= TABLES_AT && addr + 36 <= TABLES_AT + tables->size);
    CHECK(addr + le32(t + 4) <= TABLES_AT + tables->size);
    CHECK_EQ(sum(t, le32(t + 4)), 0);
    return t;
}

/* PM1a_CNT_BLK. */
static u32 check_tables(const struct blob *rsdp, const struct blob *tables)
{
    const u8 *xsdt = table(tables, le64(rsdp->data + 24)), *fadt = NULL;

    CHECK_EQ(sum(rsdp->data, 20), 0);
    CHECK_EQ(sum(rsdp->data, 36), 0);
    CHECK(!memcmp(table(tables, le32(rsdp->data + 16)), "RSDT", 4));
    CHECK(!memcmp(xsdt, "XSDT", 4));
    for (u32 off = 36; off < le32(xsdt + 4); off += 8) {
        const u8 *t = table(tables, le64(xsdt + off));
        if (!memcmp(t, "FACP", 4))
            fadt = t;
    }
    CHECK(fadt != NULL);
    if (!fadt)
        return 0;
    CHECK(!memcmp(tables->data + (le32(fadt + 36) - TABLES_AT), "FACS", 4));
    CHECK(!memcmp(table(tables, le32(fadt + 40)), "DSDT", 4));
    CHECK(!memcmp(table(tables, le64(fadt + 140)), "DSDT", 4));
    return le32(fadt + 64);
}

static u32 placed(void)
{
    struct blob loader = file("etc/table-loader", 0), rsdp = file("etc/acpi/rsdp", RSDP_AT),
                tables = file("etc/acpi/tables", TABLES_AT);
    u32 control;

    carry_out(&loader, &rsdp, &tables);
    control = check_tables(&rsdp, &tables);
    free(loader.data);
    free(rsdp.data);
    free(tables.data);
    return control;
}

static void tables_are_placed(void)
{
    struct fw_platform plat = test_platform(3);

    open_files(&plat);
    CHECK_EQ(placed(), 0x604);
    plat.pm_base = 0xb000;
    pcfw_update_acpi(f, &plat);
    CHECK_EQ(placed(), 0xb004);
    close_files();
}

int main(void)
{
    TEST_RUN(tables_are_placed);
    return test_result();
}
