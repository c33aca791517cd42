/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fw/loader.h"
#include "base/le.h"
#include "os/file.h"
#include "x86/regs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Below, kernels make tables of their own before they have read what they were given; other boot
   loaders keep it free as well. */
#define LOW_FIRST 0x10000u

int loader_put(struct loader *ld, const void *data, size_t n, u64 align, const char *what,
               gpa_t *at, struct err *err)
{
    u64 base = place_lowest(&ld->place, n, align, LOW_FIRST, MiB, what);

    if (base == PLACE_NONE)
        base = place_lowest(&ld->place, n, align, MiB, MEM_HIGH_START, what);
    if (base == PLACE_NONE)
        return err_set(err, ENOMEM,
                       "no room in guest memory for the %s (%zu bytes); raise --memory", what, n);
    BUG_ON(mem_write(ld->mem, base, data, n)); /* place_lowest gives RAM */
    *at = base;
    return 0;
}

int loader_put_text(struct loader *ld, const char *a, const char *b, const char *what, gpa_t *at,
                    struct err *err)
{
    size_t na = a ? strlen(a) : 0, nb = b ? strlen(b) : 0;
    bool both = a && nb;
    size_t n = na + both + nb + 1;
    char *text;
    int rc;

    if (n > LOADER_TEXT_MAX)
        return err_set(err, E2BIG, "the %s has %zu bytes; at most %u are possible", what, n - 1,
                       (unsigned)LOADER_TEXT_MAX - 1);
    text = calloc(1, n);
    if (!text)
        return err_set(err, ENOMEM, "not enough memory on the host for the %s", what);
    if (na)
        memcpy(text, a, na);
    if (both)
        text[na] = ' ';
    if (nb)
        memcpy(text + na + both, b, nb);
    rc = loader_put(ld, text, n, 1, what, at, err);
    free(text);
    return rc;
}

int loader_gdt(struct loader *ld, u8 mode, u16 cs, struct err *err)
{
    /* The TSS of 64-bit mode has two entries. */
    u64 gdt[6] = {0}, *code = &gdt[cs / 8];
    gpa_t at;
    int rc;

    BUG_ON(cs > LOADER_CS_LINUX);
    /* Accessed and busy already, as the registers say. */
    code[0] = mode == 64 ? 0x00af9b000000ffff : 0x00cf9b000000ffff;
    code[1] = 0x00cf93000000ffff;
    code[2] = 0x00008b0000000067;
    rc = loader_put(ld, gdt, sizeof(gdt), 16, "GDT", &at, err);
    if (rc)
        return rc;
    ld->out->mode = mode;
    ld->out->cs = cs;
    ld->out->ds = cs + 8;
    ld->out->tr = cs + 16;
    ld->out->gdt_base = at;
    ld->out->gdt_limit = sizeof(gdt) - 1;
    return 0;
}

unsigned loader_map_room(const struct loader *ld)
{
    return ld->late ? LATE_ROOM : ld->map.n;
}

#define ENTRIES      512u /* in a table of 64-bit paging */
#define LARGE_PAGE   (2 * MiB)
#define PTE_TABLE    (PTE_P | PTE_W)
#define PTE_LARGE    (PTE_P | PTE_W | PTE_PS)
#define MAPPABLE_GIB ENTRIES /* by one page directory pointer table */

/* A PML4, one page directory pointer table, then one page directory for each GiB. */
static void fill_tables(u64 *table, gpa_t at, unsigned gib)
{
    table[0] = (at + PAGE_SIZE) | PTE_TABLE;
    for (unsigned i = 0; i < gib; i++)
        table[ENTRIES + i] = (at + (2 + i) * PAGE_SIZE) | PTE_TABLE;
    for (unsigned i = 0; i < gib * ENTRIES; i++)
        table[2 * ENTRIES + i] = i * LARGE_PAGE | PTE_LARGE;
}

int loader_identity_map(struct loader *ld, struct err *err)
{
    const struct e820_entry *last = &ld->map.entry[ld->map.n - 1];
    u64 gib = min_u64((last->base + last->size + GiB - 1) / GiB, MAPPABLE_GIB);
    size_t size = (2 + gib) * PAGE_SIZE;
    u64 at = place_lowest(&ld->place, size, PAGE_SIZE, MiB, MEM_HIGH_START, "page tables");
    u64 *table;

    if (at == PLACE_NONE)
        return err_set(err, ENOMEM, "no room in guest memory for the first page tables");
    table = calloc(1, size);
    if (!table)
        return err_set(err, ENOMEM, "not enough memory on the host for the first page tables");
    fill_tables(table, at, (unsigned)gib);
    BUG_ON(mem_write(ld->mem, at, table, size));
    free(table);
    ld->out->cr3 = at;
    return 0;
}

static int put_module(struct loader *ld, struct loader_module *m, const char *path, const u8 *data,
                      size_t size, struct err *err)
{
    u64 min = align_up(place_top(&ld->place), PAGE_SIZE);

    m->size = size;
    m->base = place_lowest(&ld->place, align_up(size, PAGE_SIZE), PAGE_SIZE, min, MEM_HIGH_START,
                           "a module");
    if (m->base == PLACE_NONE)
        return err_set(err, ENOMEM,
                       "%s (%zu KiB) does not fit in the guest's memory below 4 GiB, after the "
                       "kernel; raise --memory",
                       path, size / 1024);
    BUG_ON(mem_write(ld->mem, m->base, data, size));
    return 0;
}

int loader_module(struct loader *ld, struct loader_modules *mods, const char *path,
                  const char *args, struct err *err)
{
    struct loader_module *m = &mods->m[mods->n];
    u8 *data;
    size_t size;
    int rc;

    if (mods->n == LOADER_MODULES_MAX)
        return err_set(err, E2BIG, "%s: a kernel can get at most %u modules", path,
                       LOADER_MODULES_MAX);
    rc = file_read_all(path, &data, &size, ld->mem->size, err);
    if (rc)
        return rc;
    rc = put_module(ld, m, path, data, size, err);
    free(data);
    if (!rc)
        rc = loader_put_text(ld, path, args, "module string", &m->text, err);
    if (!rc)
        mods->n++;
    return rc;
}

int loader_modules(struct loader *ld, struct loader_modules *mods, struct err *err)
{
    for (size_t i = 0; i < ld->opt->nmodules; i++) {
        const struct boot_module *m = &ld->opt->modules[i];
        int rc = loader_module(ld, mods, m->path, m->args, err);
        if (rc)
            return rc;
    }
    return 0;
}
