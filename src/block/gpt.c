/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/gpt.h"

#include "base/le.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define SECTOR        BLOCK_SECTOR
#define ENTRY         128u
#define ENTRY_SECTORS (GPT_ENTRIES * ENTRY / SECTOR)
#define NAME_MAX_LEN  36u
#define HEADER_SIZE   92u
#define REVISION      0x00010000u
#define MBR_CODE      440u
#define MBR_ENTRY     446u
#define MBR_SIGNATURE 0xaa55u
#define PROTECTIVE    0xeeu

/* The first three fields are little-endian, the rest are bytes in order. */
static bool guid_parse(const char *text, u8 *to)
{
    static const u8 place[GPT_GUID] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

    if (strlen(text) != 36)
        return false;
    for (unsigned i = 0; i < GPT_GUID; i++) {
        char digits[3] = {0};
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            if (*text++ != '-')
                return false;
        }
        digits[0] = *text++;
        digits[1] = *text++;
        if (!isxdigit((unsigned char)digits[0]) || !isxdigit((unsigned char)digits[1]))
            return false;
        to[place[i]] = (u8)strtoul(digits, NULL, 16);
    }
    return true;
}

static int make_entries(u8 *entries, const struct gpt_partition *list, unsigned n, u64 sectors,
                        struct err *err)
{
    u64 free_from = GPT_HEAD;

    if (n > GPT_ENTRIES)
        return err_set(err, EINVAL, "%u partitions; there is room for %u", n, GPT_ENTRIES);
    for (unsigned i = 0; i < n; i++) {
        const struct gpt_partition *p = &list[i];
        u8 *e = entries + i * ENTRY;

        if (p->first < free_from || p->last < p->first || p->last >= sectors - GPT_TAIL)
            return err_set(err, EINVAL, "partition %u does not fit: sectors %llu to %llu of %llu",
                           i + 1, (unsigned long long)p->first, (unsigned long long)p->last,
                           (unsigned long long)sectors);
        if (!guid_parse(p->type, e) || !guid_parse(p->id, e + 16))
            return err_set(err, EINVAL, "partition %u: a GUID that is none", i + 1);
        put_le64(e + 32, p->first);
        put_le64(e + 40, p->last);
        for (unsigned c = 0; c < NAME_MAX_LEN && p->name[c]; c++)
            put_le16(e + 56 + 2 * c, (u8)p->name[c]);
        free_from = p->last + 1;
    }
    return 0;
}

static void make_header(u8 *h, u64 own, u64 other, u64 entries_at, u64 sectors, const u8 *disk_id,
                        const u8 *entries)
{
    memset(h, 0, SECTOR);
    memcpy(h, "EFI PART", 8);
    put_le32(h + 8, REVISION);
    put_le32(h + 12, HEADER_SIZE);
    put_le64(h + 24, own);
    put_le64(h + 32, other);
    put_le64(h + 40, GPT_HEAD);
    put_le64(h + 48, sectors - GPT_TAIL - 1);
    memcpy(h + 56, disk_id, GPT_GUID);
    put_le64(h + 72, entries_at);
    put_le32(h + 80, GPT_ENTRIES);
    put_le32(h + 84, ENTRY);
    put_le32(h + 88, (u32)crc32(0, entries, GPT_ENTRIES * ENTRY));
    put_le32(h + 16, (u32)crc32(0, h, HEADER_SIZE));
}

/* One partition over all of the disk, for those who know no GPT. */
static void make_mbr(u8 *mbr, u64 sectors, const u8 *boot)
{
    u8 *e = mbr + MBR_ENTRY;

    if (boot)
        memcpy(mbr, boot, MBR_CODE);
    put_le32(e, 0x00020000); /* not active; starts at cylinder 0, head 0, sector 2 */
    put_le32(e + 4, 0xffffff00 | PROTECTIVE);
    put_le32(e + 8, 1);
    put_le32(e + 12, (u32)min_u64(sectors - 1, UINT32_MAX));
    put_le16(mbr + 510, MBR_SIGNATURE);
}

int gpt_write(struct block_node *disk, const char *disk_id, const struct gpt_partition *list,
              unsigned n, const u8 *boot, struct err *err)
{
    u64 sectors = disk->size / SECTOR, copy_at = sectors - GPT_TAIL;
    u8 *head, *entries, id[GPT_GUID];
    int rc;

    if (sectors < GPT_HEAD + GPT_TAIL)
        return err_set(err, EINVAL, "too small for a partition table");
    if (!guid_parse(disk_id, id))
        return err_set(err, EINVAL, "the disk's GUID is none");
    head = calloc(GPT_HEAD, SECTOR);
    if (!head)
        return err_set(err, ENOMEM, "out of memory");
    entries = head + 2 * SECTOR;
    rc = make_entries(entries, list, n, sectors, err);
    if (!rc) {
        make_mbr(head, sectors, boot);
        make_header(head + SECTOR, 1, sectors - 1, 2, sectors, id, entries);
        rc = disk->ops->write(disk, 0, head, GPT_HEAD * SECTOR);
        if (!rc)
            rc = disk->ops->write(disk, copy_at * SECTOR, entries, ENTRY_SECTORS * SECTOR);
        make_header(head, sectors - 1, 1, copy_at, sectors, id, entries);
        if (!rc)
            rc = disk->ops->write(disk, (sectors - 1) * SECTOR, head, SECTOR);
        if (rc)
            err_set(err, -rc, "cannot write the partition table: %s", strerror(-rc));
    }
    free(head);
    return rc;
}
