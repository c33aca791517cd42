/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VHDX's metadata, 2.6: what the disk is, and the locator of its parent. */
#include "base/le.h"
#include "block/file.h"
#include "block/formats/utf16.h"
#include "block/formats/vhdx.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX 2047u
#define LOCATOR_MAX (1 * MiB)
#define REQUIRED    BIT(2)

const struct vhdx_guid vhdx_item_file = {
    0xcaa16737, 0xfa36, 0x4d43, {0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b}};
const struct vhdx_guid vhdx_item_size = {
    0x2fa54224, 0xcd1b, 0x4876, {0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8}};
const struct vhdx_guid vhdx_item_id = {
    0xbeca12ab, 0xb2e6, 0x4523, {0x93, 0xef, 0xc3, 0x09, 0xe0, 0x00, 0xc7, 0x46}};
const struct vhdx_guid vhdx_item_logical = {
    0x8141bf1d, 0xa96f, 0x4709, {0xba, 0x47, 0xf2, 0x33, 0xa8, 0xfa, 0xab, 0x5f}};
const struct vhdx_guid vhdx_item_physical = {
    0xcda348c7, 0x445d, 0x4471, {0x9c, 0xc9, 0xe9, 0x88, 0x52, 0x51, 0xc5, 0x56}};
const struct vhdx_guid vhdx_item_parent = {
    0xa8d35f2d, 0xb30b, 0x454d, {0xab, 0xf7, 0xd3, 0xd8, 0x48, 0x34, 0xab, 0x0c}};
const struct vhdx_guid vhdx_parent_vhdx = {
    0xb04aefb7, 0xd19e, 0x4a81, {0xb7, 0x89, 0x25, 0xb8, 0xe9, 0x44, 0x59, 0x13}};

struct locator {
    const u8 *item;
    u32 len;
};

/* The value of a key, freed by the caller, and where in the item it is; NULL: there is none. */
static char *value_of(const struct locator *l, const char *key, u32 *where)
{
    for (u32 i = 0; i < le16(l->item + 18) && 20 + 12 * (i + 1) <= l->len; i++) {
        const u8 *e = l->item + 20 + 12 * i;
        u32 at = le32(e), value = le32(e + 4), len = le16(e + 8), value_len = le16(e + 10);
        char *name;
        bool found;
        if (at > l->len || len > l->len - at || value > l->len || value_len > l->len - value)
            continue;
        name = utf16_text(l->item + at, len / 2, UTF16_LE);
        found = name && !strcmp(name, key);
        free(name);
        *where = value;
        if (found)
            return utf16_text(l->item + value, value_len / 2, UTF16_LE);
    }
    return NULL;
}

/* "{xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx}" */
static bool parse_guid(const char *text, u8 *guid)
{
    static const u8 order[VHDX_GUID] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    unsigned n = 0;

    for (const char *c = text; *c && n < 2 * VHDX_GUID; c++) {
        const char *digits = "0123456789abcdef", *at = strchr(digits, *c | 0x20);
        u8 *to = &guid[order[n / 2]];
        if (*c == '{' || *c == '-')
            continue;
        if (!at || !*at)
            return false;
        *to = (u8)(*to << 4 | (at - digits));
        n++;
    }
    return n == 2 * VHDX_GUID;
}

/* The item is at item_at in the file. */
static int take_locator(struct vhdx *v, const struct locator *l, u64 item_at, struct err *err)
{
    static const char *const keys[] = {"relative_path", "absolute_win32_path", "volume_path"};
    struct vhdx_meta *m = &v->meta;
    char *linkage;
    u32 at;
    bool ok;

    if (l->len < 20 || !vhdx_is_guid(l->item, &vhdx_parent_vhdx))
        return bat_refuse(v->bat.file, "vhdx", err, "its parent is not an image of format vhdx",
                          l->len);
    for (unsigned i = 0; i < ARRAY_SIZE(keys) && !(m->parent_name && *m->parent_name); i++) {
        free(m->parent_name);
        m->parent_name = value_of(l, keys[i], &at);
        if (m->parent_name)
            utf16_local_path(m->parent_name);
    }
    linkage = value_of(l, "parent_linkage", &at);
    m->linkage_at = item_at + at;
    ok = linkage && parse_guid(linkage, m->parent);
    free(linkage);
    if (!m->parent_name || !*m->parent_name || !ok)
        return bat_refuse(v->bat.file, "vhdx", err, "it does not name its parent", l->len);
    return 0;
}

static int read_locator(struct vhdx *v, u64 at, u32 len, struct err *err)
{
    u8 *item = malloc(len + 1u);
    int rc = item ? vhdx_read(v, at, item, len) : -ENOMEM;

    rc = rc ? err_set(err, -rc, "'%s': vhdx: the parent's locator: %s", bfile_path(v->bat.file),
                      strerror(-rc))
            : take_locator(v, &(struct locator){item, len}, at, err);
    free(item);
    return rc;
}

struct found {
    u64 file, size, logical, parent; /* offsets in the file; 0: is not there */
    u32 parent_len;
};

static int find_items(struct vhdx *v, const u8 *table, struct found *at, struct err *err)
{
    const struct {
        const struct vhdx_guid *guid;
        u32 len;
        u64 *to;
    } known[] = {{&vhdx_item_file, 8, &at->file},
                 {&vhdx_item_size, 8, &at->size},
                 {&vhdx_item_logical, 4, &at->logical},
                 {&vhdx_item_parent, 20, &at->parent},
                 {&vhdx_item_id, 16, NULL},
                 {&vhdx_item_physical, 4, NULL}};

    for (u32 i = 0; i < le16(table + 10); i++) {
        const u8 *e = table + 32 + 32 * i;
        u32 off = le32(e + 16), len = le32(e + 20);
        unsigned k = 0;
        while (k < ARRAY_SIZE(known) && !vhdx_is_guid(e, known[k].guid))
            k++;
        if (k == ARRAY_SIZE(known) && (le32(e + 24) & REQUIRED))
            return bat_refuse(v->bat.file, "vhdx", err, "it needs unknown metadata, number", i);
        if (k == ARRAY_SIZE(known) || !known[k].to)
            continue;
        if (len < known[k].len || len > LOCATOR_MAX || off < VHDX_TABLE ||
            off > v->regions.meta_len || len > v->regions.meta_len - off)
            return bat_refuse(v->bat.file, "vhdx", err, "metadata is outside of its region", off);
        *known[k].to = v->regions.meta_at + off;
        if (known[k].to == &at->parent)
            at->parent_len = len;
    }
    if (!at->file || !at->size || !at->logical)
        return bat_refuse(v->bat.file, "vhdx", err, "metadata that must be there is missing",
                          v->regions.meta_at);
    return 0;
}

static int take_items(struct vhdx *v, const struct found *at, struct err *err)
{
    struct vhdx_meta *m = &v->meta;
    struct bfile *f = v->bat.file;
    u8 file[8], size[8], logical[4];
    int rc = vhdx_read(v, at->file, file, sizeof(file));

    if (!rc)
        rc = vhdx_read(v, at->size, size, sizeof(size));
    if (!rc)
        rc = vhdx_read(v, at->logical, logical, sizeof(logical));
    if (rc)
        return bat_refuse(f, "vhdx", err, "metadata cannot be read", v->regions.meta_at);
    m->block = le32(file);
    m->fixed = le32(file + 4) & BIT(0);
    m->diff = le32(file + 4) & BIT(1);
    m->size = le64(size);
    m->size_at = at->size;
    m->sector = le32(logical);
    if (m->block < MiB || m->block > 256 * MiB || (m->block & (m->block - 1)))
        return bat_refuse(f, "vhdx", err, "the size of blocks is not possible", m->block);
    if (m->sector != 512 && m->sector != 4096)
        return bat_refuse(f, "vhdx", err, "the size of sectors is not possible", m->sector);
    if (!m->size || m->size % 512 || m->size > VHDX_SIZE_MAX)
        return bat_refuse(f, "vhdx", err, "the disk's size is not possible", m->size);
    if (m->diff && !at->parent)
        return bat_refuse(f, "vhdx", err, "it has a parent but does not name it", at->file);
    return m->diff ? read_locator(v, at->parent, at->parent_len, err) : 0;
}

int vhdx_read_meta(struct vhdx *v, struct err *err)
{
    u8 *table = malloc(VHDX_TABLE);
    struct found at = {0};
    int rc = table ? vhdx_read(v, v->regions.meta_at, table, VHDX_TABLE)
                   : err_set(err, ENOMEM, "%s", strerror(ENOMEM));

    if (table && (rc || memcmp(table, "metadata", 8) || le16(table + 10) > ENTRIES_MAX))
        rc = bat_refuse(v->bat.file, "vhdx", err, "the table of metadata is not valid",
                        v->regions.meta_at);
    if (!rc)
        rc = find_items(v, table, &at, err);
    if (!rc)
        rc = take_items(v, &at, err);
    free(table);
    return rc;
}
