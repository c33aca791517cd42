/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VHDX: the two headers, of which the newer valid one counts, and the two tables of regions. */
#include "base/crc32c.h"
#include "base/le.h"
#include "block/file.h"
#include "block/formats/vhdx.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define ENTRIES_MAX 2047u

const struct vhdx_guid vhdx_bat_region = {
    0x2dc27766, 0xf623, 0x4200, {0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08}};
const struct vhdx_guid vhdx_meta_region = {
    0x8b7ca206, 0x4790, 0x4b9a, {0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e}};

bool vhdx_is(const u8 *head)
{
    return !memcmp(head, "vhdxfile", 8);
}

void vhdx_new_guid(u8 *guid)
{
    struct timespec now;

    if (getrandom(guid, VHDX_GUID, 0) == VHDX_GUID)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    put_le64(guid, (u64)now.tv_sec);
    put_le64(guid + 8, (u64)now.tv_nsec);
}

void vhdx_put_guid(u8 *p, const struct vhdx_guid *guid)
{
    put_le32(p, guid->a);
    put_le16(p + 4, guid->b);
    put_le16(p + 6, guid->c);
    memcpy(p + 8, guid->d, 8);
}

void vhdx_put_guid_text(const u8 *g, u8 *p)
{
    char text[VHDX_GUID_TEXT / 2 + 1];

    snprintf(text, sizeof(text), "{%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x}", le32(g),
             le16(g + 4), le16(g + 6), g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15]);
    for (unsigned i = 0; i < VHDX_GUID_TEXT / 2; i++)
        put_le16(p + 2 * i, (u8)text[i]);
}

bool vhdx_is_guid(const u8 *p, const struct vhdx_guid *guid)
{
    u8 want[VHDX_GUID];

    vhdx_put_guid(want, guid);
    return !memcmp(p, want, VHDX_GUID);
}

/* Whether the checksum at p + 4 is right; it counts as zeros itself. */
static bool sum_is_right(const u8 *p, u64 len)
{
    static const u8 zeros[4];
    u32 crc = crc32c(crc32c(crc32c(0, p, 4), zeros, 4), p + 8, len - 8);

    return crc == le32(p + 4);
}

static bool take_header(const u8 *p, unsigned place, struct vhdx_header *h)
{
    if (memcmp(p, "head", 4) || !sum_is_right(p, VHDX_HEADER))
        return false;
    h->place = place;
    h->sequence = le64(p + 8);
    memcpy(h->file_write, p + 16, VHDX_GUID);
    memcpy(h->data_write, p + 32, VHDX_GUID);
    memcpy(h->log_guid, p + 48, VHDX_GUID);
    h->log_version = le16(p + 64);
    h->log_len = le32(p + 68);
    h->log_at = le64(p + 72);
    return le16(p + 66) == 1;
}

int vhdx_read_header(struct bfile *f, struct vhdx_header *h, struct err *err)
{
    struct vhdx_header each[2];
    bool valid[2];
    u8 p[VHDX_HEADER];

    for (unsigned i = 0; i < 2; i++) {
        int rc = bfile_read(f, VHDX_HEADER_AT * (i + 1), p, sizeof(p));
        if (rc)
            return err_set(err, -rc, "'%s': %s", bfile_path(f), strerror(-rc));
        valid[i] = take_header(p, i, &each[i]);
    }
    if (!valid[0] && !valid[1])
        return bat_refuse(f, "vhdx", err, "neither of the two headers is valid", VHDX_HEADER_AT);
    *h = each[!valid[0] || (valid[1] && each[1].sequence > each[0].sequence)];
    if (h->log_at % MiB || h->log_len % MiB || !h->log_len || h->log_at < MiB ||
        h->log_at > bfile_size(f) || h->log_len > bfile_size(f) - h->log_at)
        return bat_refuse(f, "vhdx", err, "the log is not where it can be", h->log_at);
    return 0;
}

static void put_sum(u8 *p, u64 len)
{
    put_le32(p + 4, 0);
    put_le32(p + 4, crc32c(0, p, len));
}

void vhdx_put_header(const struct vhdx_header *h, u8 *p)
{
    memset(p, 0, VHDX_HEADER);
    memcpy(p, "head", 4);
    put_le64(p + 8, h->sequence);
    memcpy(p + 16, h->file_write, VHDX_GUID);
    memcpy(p + 32, h->data_write, VHDX_GUID);
    memcpy(p + 48, h->log_guid, VHDX_GUID);
    put_le16(p + 66, 1);
    put_le32(p + 68, h->log_len);
    put_le64(p + 72, h->log_at);
    put_sum(p, VHDX_HEADER);
}

int vhdx_write_header(struct bfile *f, struct vhdx_header *h)
{
    u8 p[VHDX_HEADER];
    int rc;

    h->sequence++;
    h->place = !h->place;
    vhdx_put_header(h, p);
    rc = bfile_write(f, VHDX_HEADER_AT * (h->place + 1), p, sizeof(p));
    return rc ? rc : bfile_flush(f);
}

static int take_regions(struct vhdx *v, const u8 *table, struct err *err)
{
    struct bfile *f = v->bat.file;

    for (u32 i = 0; i < le32(table + 8); i++) {
        const u8 *e = table + 16 + 32 * i;
        u64 at = le64(e + 16), len = le32(e + 24);
        bool is_bat = vhdx_is_guid(e, &vhdx_bat_region);
        if (!is_bat && !vhdx_is_guid(e, &vhdx_meta_region)) {
            if (le32(e + 28) & 1)
                return bat_refuse(f, "vhdx", err, "it needs an unknown region, number", i);
            continue;
        }
        if (at % MiB || at < MiB || len % MiB || !len || at > BIT64(62))
            return bat_refuse(f, "vhdx", err, "a region is not where it can be", at);
        *(is_bat ? &v->regions.bat_at : &v->regions.meta_at) = at;
        *(is_bat ? &v->regions.bat_len : &v->regions.meta_len) = len;
    }
    if (!v->regions.bat_at || !v->regions.meta_at)
        return bat_refuse(f, "vhdx", err, "the regions of blocks or of metadata are missing",
                          VHDX_REGION_AT);
    return 0;
}

int vhdx_read_regions(struct vhdx *v, struct err *err)
{
    u8 *table = malloc(VHDX_TABLE);
    int rc = table ? -EINVAL : err_set(err, ENOMEM, "%s", strerror(ENOMEM));
    bool valid = false;

    for (unsigned i = 0; table && i < 2 && !valid; i++)
        valid = !vhdx_read(v, VHDX_REGION_AT + i * VHDX_TABLE, table, VHDX_TABLE) &&
                !memcmp(table, "regi", 4) && sum_is_right(table, VHDX_TABLE) &&
                le32(table + 8) <= ENTRIES_MAX;
    if (valid)
        rc = take_regions(v, table, err);
    else if (table)
        bat_refuse(v->bat.file, "vhdx", err, "neither of the tables of regions is valid",
                   VHDX_REGION_AT);
    free(table);
    return rc;
}

static void put_region(u8 *e, const struct vhdx_guid *guid, u64 at, u64 len)
{
    vhdx_put_guid(e, guid);
    put_le64(e + 16, at);
    put_le32(e + 24, (u32)len);
    put_le32(e + 28, 1);
}

void vhdx_put_regions(const struct vhdx_regions *r, u8 *table)
{
    memset(table, 0, VHDX_TABLE);
    memcpy(table, "regi", 4);
    put_le32(table + 8, 2);
    put_region(table + 16, &vhdx_bat_region, r->bat_at, r->bat_len);
    put_region(table + 48, &vhdx_meta_region, r->meta_at, r->meta_len);
    put_sum(table, VHDX_TABLE);
}
