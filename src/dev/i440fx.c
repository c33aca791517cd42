/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 82441FX PCI and memory controller (order number 290549), function 00:00.0: the Programmable
 * Attribute Map (PAM, 59h-5Fh: which of C0000h-FFFFFh read and write RAM, and which the firmware
 * behind), and SMRAM (72h: RAM at A0000h-BFFFFh, for system management mode or, while open, for
 * all). A write to firmware goes nowhere. Left out: DRAM timing and size registers, which keep
 * what is written; extended SMRAM (the chip has none). Under the machine's lock.
 */
#include "dev/i440fx.h"
#include "base/le.h"

#include <errno.h>
#include <stdlib.h>

#define PAM0       0x59u
#define PAM_COUNT  7u
#define PAM_READ   0x1u
#define PAM_WRITE  0x2u
#define SMRAM      0x72u
#define SMRAM_OPEN 0x40u
#define SMRAM_CLS  0x20u
#define SMRAM_LCK  0x10u
#define SMRAM_ON   0x08u
#define SMRAM_BASE 0x02u /* A0000h: the only choice */

#define SMRAM_START 0xa0000u
#define PAM_START   0xc0000u
#define PAM_PIECE   0x4000u
#define BIOS_START  0xf0000u

struct i440fx {
    struct pci_device pci;
    struct mem *mem;
    struct mem_window *bios;
};

/* The page of firmware that shows at gpa. */
static u64 bios_page(const struct i440fx *d, gpa_t gpa)
{
    u64 from_end = MEM_LEGACY_END - gpa;

    if (from_end > min_u64(d->bios->size, 128 * KiB))
        return MEM_NO_PAGE;
    return d->bios->page + ((d->bios->size - from_end) >> PAGE_SHIFT);
}

/* The attributes of the 16 KiB at gpa: PAM0's high half is F0000h-FFFFFh, then two pieces each. */
static u8 attributes(const struct i440fx *d, gpa_t gpa)
{
    unsigned piece = (unsigned)(gpa - PAM_START) / PAM_PIECE;

    if (gpa >= BIOS_START)
        return d->pci.config[PAM0] >> 4;
    return (u8)(d->pci.config[PAM0 + 1 + piece / 2] >> (piece % 2 ? 4 : 0));
}

static void map_pam(struct i440fx *d)
{
    for (gpa_t gpa = PAM_START; gpa < MEM_LEGACY_END; gpa += PAGE_SIZE) {
        u64 ram = gpa < d->mem->low ? gpa >> PAGE_SHIFT : MEM_NO_PAGE;
        u8 attr = attributes(d, gpa);
        u64 read = attr & PAM_READ ? ram : bios_page(d, gpa);
        u64 write = attr & PAM_WRITE ? ram : MEM_NO_PAGE;
        mem_map_legacy(d->mem, gpa, MEM_NORMAL, read, write);
        mem_map_legacy(d->mem, gpa, MEM_SMM, read, write);
    }
}

static void map_smram(struct i440fx *d)
{
    u8 smram = d->pci.config[SMRAM];
    bool in_smm = smram & SMRAM_ON && !(smram & SMRAM_CLS);
    bool for_all = in_smm && smram & SMRAM_OPEN;

    for (gpa_t gpa = SMRAM_START; gpa < PAM_START; gpa += PAGE_SIZE) {
        u64 ram = gpa < d->mem->low ? gpa >> PAGE_SHIFT : MEM_NO_PAGE;
        u64 normal = for_all ? ram : MEM_NO_PAGE, smm = in_smm ? ram : MEM_NO_PAGE;
        mem_map_legacy(d->mem, gpa, MEM_NORMAL, normal, normal);
        mem_map_legacy(d->mem, gpa, MEM_SMM, smm, smm);
    }
}

static void map(struct i440fx *d)
{
    if (!d->bios)
        return;
    map_pam(d);
    map_smram(d);
    mem_map_changed(d->mem);
}

/* D_LCK closes D_OPEN and stays until reset, with all that is written here. */
static void lock_smram(struct i440fx *d)
{
    if (!(d->pci.config[SMRAM] & SMRAM_LCK))
        return;
    d->pci.config[SMRAM] &= (u8)~SMRAM_OPEN;
    d->pci.wmask[SMRAM] = SMRAM_CLS;
}

static void config_written(void *opaque, unsigned off, unsigned size)
{
    struct i440fx *d = opaque;

    if (off < PAM0 + PAM_COUNT && off + size > PAM0)
        map(d);
    if (off <= SMRAM && off + size > SMRAM) {
        lock_smram(d);
        map(d);
    }
}

static const struct pci_device_ops ops = {.config_written = config_written};

void i440fx_reset(struct i440fx *d)
{
    d->pci.wmask[SMRAM] = SMRAM_OPEN | SMRAM_CLS | SMRAM_LCK | SMRAM_ON;
    pci_device_reset(&d->pci);
    map(d);
}

static const struct state_field fields[] = {
    STATE_STRUCTS(struct i440fx, pci, 1, pci_device_fields),
    STATE_END,
};

static int loaded(void *obj)
{
    struct i440fx *d = obj;
    int rc = pci_device_loaded(&d->pci);

    if (rc)
        return rc;
    lock_smram(d);
    map(d);
    return 0;
}

const struct state_table i440fx_state = {"i440fx", 1, 1, fields, NULL, loaded};

static void fill_config(struct i440fx *d)
{
    u8 *config = d->pci.config, *wmask = d->pci.wmask;

    put_le16(config + PCI_COMMAND, PCI_COMMAND_MEM | PCI_COMMAND_BME);
    put_le16(config + PCI_STATUS, 0x0280); /* fast back-to-back, medium DEVSEL# */
    put_le16(wmask + PCI_COMMAND, 0x0140); /* PERRE and SERRE */
    wmask[PCI_CACHE_LINE] = 0;
    wmask[PCI_LATENCY] = 0xf8;
    for (unsigned off = 0x50; off < PAM0; off++)
        wmask[off] = 0xff;
    wmask[PAM0] = 0x30;
    for (unsigned off = PAM0 + 1; off < PAM0 + PAM_COUNT; off++)
        wmask[off] = 0x33;
    for (unsigned off = 0x60; off < 0x72; off++)
        wmask[off] = 0xff;
    config[SMRAM] = SMRAM_BASE;
    pci_device_settled(&d->pci);
}

int i440fx_new(struct i440fx **out, struct pci_bus *pci, struct mem_window *bios)
{
    static const struct pci_ids ids = {
        .vendor = 0x8086, .device = 0x1237, .class = 0x0600, .revision = 0x02};
    struct i440fx *d = calloc(1, sizeof(*d));
    int rc;

    if (!d)
        return -ENOMEM;
    d->bios = bios;
    d->mem = bios ? bios->mem : NULL;
    rc = pci_device_init(&d->pci, pci, PCI_DEVFN(0, 0), &ids, &ops, d);
    if (rc) {
        i440fx_free(d);
        return rc;
    }
    fill_config(d);
    i440fx_reset(d);
    *out = d;
    return 0;
}

void i440fx_free(struct i440fx *d)
{
    if (!d)
        return;
    pci_device_dispose(&d->pci);
    free(d);
}
