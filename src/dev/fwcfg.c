/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fw_cfg device (QEMU's docs/specs/fw_cfg): a 16-bit selector at port 510h, a data port at
 * 511h that gives the selected item's bytes in turn, and a DMA interface at 514h-51bh. Items are
 * read-only to the guest, as the data port's have been since 2.4; writes by DMA fail.
 *
 * Items are added at start, before a CPU runs. All of it runs under the machine's lock; a DMA
 * transfer is done before the port write returns, and is bounded by guest RAM.
 */
#include "dev/fwcfg.h"
#include "base/le.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PORT_SELECT 0x510u
#define PORT_DATA   0x511u
#define PORT_DMA    0x514u
#define DMA_PORTS   8u

#define KEY_WRITE 0x4000u /* an old way to ask for a writable item; ignored */

#define ID_TRADITIONAL 1u
#define ID_DMA         2u
#define DMA_SIGNATURE  0x51454d5520434647ull /* "QEMU CFG", first letter at the lowest port */

#define DMA_ERROR  0x01u
#define DMA_READ   0x02u
#define DMA_SKIP   0x04u
#define DMA_SELECT 0x08u
#define DMA_WRITE  0x10u

#define DIR_ENTRY 64u /* size, key, reserved, name */
#define DIR_NAME  8u
#define ITEMS     (FWCFG_FILE_SLOTS + 64u)

struct item {
    u16 key;
    u8 *data;
    size_t size;
};

struct fwcfg {
    struct bus *pio;
    struct mem *mem;
    struct item items[ITEMS];
    size_t nitems;
    u8 dir[4 + FWCFG_FILE_SLOTS * DIR_ENTRY];
    unsigned nfiles;
    struct item dir_item;       /* `dir` so far */
    u16 key;                    /* selected */
    const struct item *current; /* NULL if there is no such item */
    u64 offset;                 /* in current; may be past its end */
    u64 dma_addr;
    void (*about_to_read)(void *opaque);
    void *read_opaque;
    bool told; /* about_to_read was called */
};

static const struct item *find(const struct fwcfg *f, u16 key)
{
    if (key == FWCFG_FILE_DIR)
        return &f->dir_item;
    for (size_t i = 0; i < f->nitems; i++)
        if (f->items[i].key == key)
            return &f->items[i];
    return NULL;
}

static void select_item(struct fwcfg *f, u16 key)
{
    if (key > FWCFG_ID && f->about_to_read && !f->told) {
        f->told = true;
        f->about_to_read(f->read_opaque);
    }
    f->key = key & (u16)~KEY_WRITE;
    f->current = find(f, f->key);
    f->offset = 0;
}

/* Bytes of the current item that are left. */
static u64 left(const struct fwcfg *f)
{
    return f->current && f->offset < f->current->size ? f->current->size - f->offset : 0;
}

static u64 port_read(void *dev, u64 off, unsigned size)
{
    struct fwcfg *f = dev;

    if (off != PORT_DATA - PORT_SELECT)
        return ~0ull; /* the selector is write-only */
    return left(f) ? f->current->data[f->offset++] : 0;
}

static void port_write(void *dev, u64 off, unsigned size, u64 val)
{
    if (size == 2)
        select_item(dev, (u16)val);
}

/* Copies the next `length` bytes to the guest, zeros from the item's end on. */
static bool dma_read(struct fwcfg *f, gpa_t to, u64 length)
{
    u64 n = min_u64(length, left(f));

    if (!mem_is_ram(f->mem, to, length))
        return false;
    if (n && mem_write(f->mem, to, f->current->data + f->offset, n))
        return false;
    f->offset += length;
    return mem_fill(f->mem, to + n, 0, length - n) == 0;
}

/* One operation as the guest's descriptor says: control, length and address, big-endian. */
static void dma(struct fwcfg *f, gpa_t at)
{
    u8 desc[16];
    u32 control, length, result = 0;
    u64 addr;

    if (mem_read(f->mem, at, desc, sizeof(desc)))
        return;
    control = be32toh(le32(desc));
    length = be32toh(le32(desc + 4));
    addr = be64toh(le64(desc + 8));
    if (control & DMA_SELECT)
        select_item(f, (u16)(control >> 16));
    if (control & DMA_READ)
        result = dma_read(f, addr, length) ? 0 : DMA_ERROR;
    else if (control & DMA_WRITE)
        result = DMA_ERROR;
    else if (control & DMA_SKIP)
        f->offset += length;
    put_le32(desc, htobe32(result));
    if (mem_write(f->mem, at, desc, sizeof(result)))
        return;
}

/* The ports are big-endian: a dword at 514h is the address's high half. */
static u64 dma_port_read(void *dev, u64 off, unsigned size)
{
    u64 val = 0, signature = htobe64(DMA_SIGNATURE);

    memcpy(&val, (u8 *)&signature + off, size);
    return val;
}

static void dma_port_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct fwcfg *f = dev;
    u64 addr;

    if (size == 8 && off == 0) {
        f->dma_addr = be64toh(val);
    } else if (size == 4 && off == 0) {
        f->dma_addr = (u64)be32toh((u32)val) << 32;
        return;
    } else if (size == 4 && off == 4) {
        f->dma_addr = (f->dma_addr & ~(u64)UINT32_MAX) | be32toh((u32)val);
    } else {
        return;
    }
    addr = f->dma_addr;
    f->dma_addr = 0;
    dma(f, addr);
}

static const struct bus_ops port_ops = {.read = port_read, .write = port_write, .max_size = 2};
static const struct bus_ops dma_ops = {
    .read = dma_port_read, .write = dma_port_write, .max_size = 8};

int fwcfg_add_bytes(struct fwcfg *f, u16 key, const void *data, size_t n)
{
    u8 *copy;

    if (key & KEY_WRITE)
        return -EINVAL;
    if (n > UINT32_MAX)
        return -EFBIG;
    if (find(f, key))
        return -EEXIST;
    if (f->nitems == ITEMS)
        return -ENOSPC;
    copy = malloc(n ? n : 1);
    if (!copy)
        return -ENOMEM;
    if (n)
        memcpy(copy, data, n);
    f->items[f->nitems++] = (struct item){.key = key, .data = copy, .size = n};
    return 0;
}

int fwcfg_add_i16(struct fwcfg *f, u16 key, u16 val)
{
    u8 buf[sizeof(val)];

    put_le16(buf, val);
    return fwcfg_add_bytes(f, key, buf, sizeof(buf));
}

int fwcfg_add_i32(struct fwcfg *f, u16 key, u32 val)
{
    u8 buf[sizeof(val)];

    put_le32(buf, val);
    return fwcfg_add_bytes(f, key, buf, sizeof(buf));
}

int fwcfg_add_i64(struct fwcfg *f, u16 key, u64 val)
{
    u8 buf[sizeof(val)];

    put_le64(buf, val);
    return fwcfg_add_bytes(f, key, buf, sizeof(buf));
}

int fwcfg_add_file(struct fwcfg *f, const char *name, const void *data, size_t n)
{
    u8 *entry = f->dir + 4 + f->nfiles * DIR_ENTRY;
    u16 key = (u16)(FWCFG_FILE_FIRST + f->nfiles);
    int rc;

    if (strlen(name) > FWCFG_NAME_MAX)
        return -ENAMETOOLONG;
    if (f->nfiles == FWCFG_FILE_SLOTS)
        return -ENOSPC;
    for (unsigned i = 0; i < f->nfiles; i++)
        if (!strcmp((const char *)f->dir + 4 + i * DIR_ENTRY + DIR_NAME, name))
            return -EEXIST;
    rc = fwcfg_add_bytes(f, key, data, n);
    if (rc)
        return rc;
    put_le32(entry, htobe32((u32)n));
    put_le16(entry + 4, htobe16(key));
    memcpy(entry + DIR_NAME, name, strlen(name));
    f->nfiles++;
    put_le32(f->dir, htobe32(f->nfiles));
    f->dir_item.size = 4 + f->nfiles * DIR_ENTRY;
    return 0;
}

void fwcfg_update_file(struct fwcfg *f, const char *name, const void *data, size_t n)
{
    for (unsigned i = 0; i < f->nfiles; i++) {
        const u8 *entry = f->dir + 4 + i * DIR_ENTRY;
        const struct item *item = find(f, be16toh(le16(entry + 4)));
        if (strcmp((const char *)entry + DIR_NAME, name) != 0)
            continue;
        BUG_ON(item->size != n);
        memcpy(item->data, data, n);
    }
}

void fwcfg_on_read(struct fwcfg *f, void (*about_to_read)(void *opaque), void *opaque)
{
    f->about_to_read = about_to_read;
    f->read_opaque = opaque;
}

void fwcfg_reset(struct fwcfg *f)
{
    f->told = false;
    f->dma_addr = 0;
    select_item(f, FWCFG_SIGNATURE);
}

/* The items come from the machine's configuration. */
static int loaded(void *dev)
{
    struct fwcfg *f = dev;

    f->current = find(f, f->key);
    return 0;
}

static const struct state_field fields[] = {
    STATE_UINT(struct fwcfg, key),
    STATE_UINT(struct fwcfg, offset),
    STATE_UINT(struct fwcfg, dma_addr),
    STATE_BOOL(struct fwcfg, told),
    STATE_END,
};

const struct state_table fwcfg_state = {
    .name = "fwcfg", .version = 1, .oldest = 1, .fields = fields, .loaded = loaded};

static int claim_and_fill(struct fwcfg *f)
{
    int rc = bus_claim(f->pio, PORT_SELECT, PORT_DATA, &port_ops, f, "fwcfg");

    if (!rc && f->mem)
        rc = bus_claim(f->pio, PORT_DMA, PORT_DMA + DMA_PORTS - 1, &dma_ops, f, "fwcfg");
    if (!rc)
        rc = fwcfg_add_bytes(f, FWCFG_SIGNATURE, "QEMU", 4);
    if (!rc)
        rc = fwcfg_add_i32(f, FWCFG_ID, ID_TRADITIONAL | (f->mem ? ID_DMA : 0));
    return rc;
}

int fwcfg_new(struct fwcfg **out, struct bus *pio, struct mem *mem)
{
    struct fwcfg *f = calloc(1, sizeof(*f));
    int rc;

    if (!f)
        return -ENOMEM;
    f->pio = pio;
    f->mem = mem;
    f->dir_item = (struct item){.key = FWCFG_FILE_DIR, .data = f->dir, .size = 4};
    rc = claim_and_fill(f);
    if (rc) {
        fwcfg_free(f);
        return rc;
    }
    fwcfg_reset(f);
    *out = f;
    return 0;
}

void fwcfg_free(struct fwcfg *f)
{
    if (!f)
        return;
    bus_release(f->pio, f);
    for (size_t i = 0; i < f->nitems; i++)
        free(f->items[i].data);
    free(f);
}
