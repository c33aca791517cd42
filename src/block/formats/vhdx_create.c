/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VHDX: new images. The log, the metadata and the BAT follow each other from 1 MiB on. */
#include "base/le.h"
#include "block/file.h"
#include "block/formats/utf16.h"
#include "block/formats/vhdx.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK       BIT64(23)
#define LOG_SIZE    MiB
#define META_SIZE   MiB
#define SECTOR      512u
#define REQUIRED    BIT(2)
#define OF_DISK     BIT(1)
#define LOCATOR_MAX (32 * KiB)
#define VALUES      2u

struct making {
    u64 size, block, log, blocks;
    bool fixed, diff;
    u8 parent[VHDX_GUID];
    const char *backing;
    struct vhdx_regions regions;
};

/* A block for each of about a thousand parts, but a child copies whole blocks and has small ones.
 */
static u64 usual_block(u64 size, bool diff)
{
    if (diff)
        return 2 * MiB;
    return size > 32 * KiB * GiB ? 64 * MiB
           : size > 100 * GiB    ? 32 * MiB
           : size > GiB          ? 16 * MiB
                                 : 8 * MiB;
}

static int read_options(struct making *m, const struct format_options *o, struct err *err)
{
    const char *sub = format_option(o, "subformat");
    int rc;

    m->block = 0;
    m->log = LOG_SIZE;
    m->fixed = sub && !strcmp(sub, "fixed");
    if (sub && !m->fixed && strcmp(sub, "dynamic"))
        return err_set(err, EINVAL, "subformat=%.20s: there are dynamic and fixed", sub);
    rc = format_size(o, "block_size", &m->block, err);
    if (!rc)
        rc = format_size(o, "log_size", &m->log, err);
    if (rc)
        return rc;
    if (!m->block)
        m->block = usual_block(m->size, m->diff);
    if (m->block < MiB || m->block > 256 * MiB || (m->block & (m->block - 1)))
        return err_set(err, EINVAL, "block_size: a power of two from 1M to 256M");
    if (!m->log || m->log % MiB || m->log > VHDX_LOG_MAX)
        return err_set(err, EINVAL, "log_size: a multiple of 1M up to 64M");
    if (m->fixed && m->diff)
        return err_set(err, EINVAL, "a fixed image has no backing file");
    return 0;
}

/* Key and value (NULL: only where it goes) behind what the item has already; the entries' table is
   in front. */
static int put_value(u8 *item, u64 *len, unsigned i, const char *key, const char *value)
{
    u8 *e = item + 20 + 12 * i;
    u64 units;
    int rc = utf16_put(item + *len, (LOCATOR_MAX - *len) / 2, key, UTF16_LE, &units);

    if (rc)
        return rc;
    put_le32(e, (u32)*len);
    put_le16(e + 8, (u16)(2 * units));
    *len += 2 * units;
    put_le32(e + 4, (u32)*len);
    if (!value)
        return 0;
    rc = utf16_put(item + *len, (LOCATOR_MAX - *len) / 2, value, UTF16_LE, &units);
    put_le16(e + 10, (u16)(2 * units));
    *len += 2 * units;
    return rc;
}

static int put_locator(const struct making *m, u8 *item, u64 *len)
{
    char *path = utf16_windows_path(m->backing);
    int rc = path ? 0 : -EINVAL;

    *len = 20 + 12 * VALUES;
    vhdx_put_guid(item, &vhdx_parent_vhdx);
    put_le16(item + 18, VALUES);
    if (!rc)
        rc = put_value(item, len, 0, "parent_linkage", NULL);
    if (!rc) { /* which is not a name */
        vhdx_put_guid_text(m->parent, item + *len);
        put_le16(item + 20 + 10, VHDX_GUID_TEXT);
        *len += VHDX_GUID_TEXT;
    }
    if (!rc)
        rc = put_value(item, len, 1, m->backing[0] == '/' ? "absolute_win32_path" : "relative_path",
                       path);
    free(path);
    return rc;
}

/* The next item of the metadata; its place. */
static u8 *add_item(u8 *meta, u64 *at, const struct vhdx_guid *guid, u64 len, u32 flags)
{
    u32 i = le16(meta + 10);
    u8 *e = meta + 32 + 32 * i, *item = meta + *at;

    vhdx_put_guid(e, guid);
    put_le32(e + 16, (u32)*at);
    put_le32(e + 20, (u32)len);
    put_le32(e + 24, flags);
    put_le16(meta + 10, (u16)(i + 1));
    *at = align_up(*at + len, 8);
    return item;
}

static int make_meta(const struct making *m, u8 *meta)
{
    u64 at = VHDX_TABLE, len;
    u8 *item;
    int rc;

    memcpy(meta, "metadata", 8);
    item = add_item(meta, &at, &vhdx_item_file, 8, REQUIRED);
    put_le32(item, (u32)m->block);
    put_le32(item + 4, (m->fixed ? BIT(0) : 0) | (m->diff ? BIT(1) : 0));
    put_le64(add_item(meta, &at, &vhdx_item_size, 8, OF_DISK | REQUIRED), m->size);
    vhdx_new_guid(add_item(meta, &at, &vhdx_item_id, VHDX_GUID, OF_DISK | REQUIRED));
    put_le32(add_item(meta, &at, &vhdx_item_logical, 4, OF_DISK | REQUIRED), SECTOR);
    put_le32(add_item(meta, &at, &vhdx_item_physical, 4, OF_DISK | REQUIRED), 4096);
    if (!m->diff)
        return 0;
    rc = put_locator(m, meta + at, &len);
    add_item(meta, &at, &vhdx_item_parent, len, REQUIRED);
    return rc;
}

/* All blocks of a fixed image, one behind the other. */
static int write_bat(const struct making *m, struct bfile *f)
{
    u64 ratio = CHUNK * SECTOR / m->block, first = m->regions.bat_at + m->regions.bat_len;
    u8 *bat = calloc(1, m->regions.bat_len);
    int rc = bat ? 0 : -ENOMEM;

    for (u64 i = 0; bat && i < m->blocks; i++)
        put_le64(bat + 8 * (i + i / ratio), (first + i * m->block) | VHDX_FULL);
    if (!rc)
        rc = bfile_write(f, m->regions.bat_at, bat, m->regions.bat_len);
    free(bat);
    return rc;
}

static int write_tables(const struct making *m, struct bfile *f)
{
    u64 bytes = 2 * VHDX_TABLE + LOCATOR_MAX;
    u8 *buf = calloc(1, bytes);
    int rc = buf ? make_meta(m, buf) : -ENOMEM;

    if (!rc)
        rc = bfile_write(f, m->regions.meta_at, buf, bytes);
    if (!rc)
        vhdx_put_regions(&m->regions, buf);
    for (unsigned i = 0; i < 2 && !rc; i++)
        rc = bfile_write(f, VHDX_REGION_AT + i * VHDX_TABLE, buf, VHDX_TABLE);
    free(buf);
    return rc;
}

static int write_all(struct making *m, struct bfile *f)
{
    struct vhdx_header h = {.log_at = MiB, .log_len = (u32)m->log, .place = 1};
    u64 ratio = CHUNK * SECTOR / m->block, units, chunks = (m->blocks + ratio - 1) / ratio;
    u8 head[64] = "vhdxfile";
    u64 end;
    int rc;

    m->regions = (struct vhdx_regions){.meta_at = MiB + m->log, .meta_len = META_SIZE};
    m->regions.bat_at = m->regions.meta_at + META_SIZE;
    m->regions.bat_len = align_up(8 * chunks * (ratio + 1), MiB);
    vhdx_new_guid(h.file_write);
    vhdx_new_guid(h.data_write);
    rc = utf16_put(head + 8, (sizeof(head) - 8) / 2, "Domus", UTF16_LE, &units);
    end = m->regions.bat_at + m->regions.bat_len + (m->fixed ? m->blocks * m->block : 0);
    if (!rc)
        rc = bat_clear(f, end);
    if (!rc)
        rc = bfile_write(f, 0, head, sizeof(head));
    if (!rc)
        rc = write_tables(m, f);
    if (!rc && m->fixed)
        rc = write_bat(m, f);
    for (unsigned i = 0; i < 2 && !rc; i++)
        rc = vhdx_write_header(f, &h);
    return rc;
}

int vhdx_create(const char *path, u64 size, const char *backing, const char *backing_format,
                const struct format_options *options, struct err *err)
{
    struct making m = {.size = align_up(size, SECTOR), .backing = backing, .diff = backing};
    struct bfile *f;
    int rc;

    if (!size || size > VHDX_SIZE_MAX)
        return err_set(err, EINVAL, "format vhdx: from 1 byte to 64T");
    rc = read_options(&m, options, err);
    if (!rc && backing)
        rc = bat_parent_id(path, backing, backing_format, "vhdx", m.parent, err);
    if (!rc)
        rc = bat_create(&f, path, err);
    if (rc)
        return rc;
    m.blocks = (m.size + m.block - 1) / m.block;
    return bat_created(f, write_all(&m, f), err);
}

const struct format_key vhdx_keys[] = {
    {"subformat", "dynamic or fixed"},
    {"block_size", "bytes of a block: a power of two from 1M to 256M"},
    {"log_size", "bytes of the log: a multiple of 1M"},
    {NULL, NULL},
};
