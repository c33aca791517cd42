/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hyper-V's VHDX, MS-VHDX 8.0: fixed, dynamic and differencing images. Disks of 4096-byte sectors
 * are offered as what all disks are here, 512-byte ones. Left out: user metadata (kept as it is),
 * and giving blocks back to the file.
 *
 * Entries of the BAT go through the log with each flush. A block that is written for the first
 * time is made whole, so that a child of ours has no sector bitmaps; those of others are read.
 */
#include "block/formats/vhdx.h"
#include "base/le.h"
#include "block/file.h"
#include "block/formats/formats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PER_PAGE  (VHDX_PAGE / 8)
#define CHUNK     BIT64(23) /* sectors for which there is a bitmap */
#define BITMAP    MiB       /* bytes of it */
#define READ_SIZE (64 * KiB)

static struct vhdx *of(struct bat *t)
{
    return container_of(t, struct vhdx, bat);
}

/* Behind the blocks of each chunk is an entry for its bitmap. */
static u64 entry_of(const struct vhdx *v, u64 block)
{
    return block + block / v->ratio;
}

/* Entry k as it is on disk; lock held. */
static u64 make_entry(const struct vhdx *v, u64 k)
{
    const struct bat *t = &v->bat;
    u64 chunk = k / (v->ratio + 1), i = k - chunk;

    if (k % (v->ratio + 1) == v->ratio)
        return v->bitmaps[chunk] ? v->bitmaps[chunk] | VHDX_FULL : 0;
    if (i >= t->blocks || t->host[i] == BAT_NONE)
        return VHDX_NOT_PRESENT;
    if (t->host[i] == BAT_ZERO)
        return VHDX_ZERO;
    return t->host[i] | (t->partial && (t->partial[i / 8] >> i % 8 & 1) ? VHDX_PARTIAL : VHDX_FULL);
}

static int store(struct bat *t, u64 i, u64 host)
{
    struct vhdx *v = of(t);
    u64 page = entry_of(v, i) / PER_PAGE;

    v->pages[page / 8] |= (u8)BIT(page % 8);
    return 0;
}

static void fill_page(const struct vhdx *v, u64 page, struct vhdx_page *p)
{
    p->at = v->regions.bat_at + page * VHDX_PAGE;
    memset(p->data, 0, VHDX_PAGE);
    for (u64 k = page * PER_PAGE; k < v->entries && k < (page + 1) * PER_PAGE; k++)
        put_le64(p->data + 8 * (k % PER_PAGE), make_entry(v, k));
}

static int write_pages(struct vhdx *v, const struct vhdx_page *pages, unsigned n)
{
    int rc = vhdx_log_write(v, pages, n);

    for (unsigned i = 0; i < n && !rc; i++) {
        u64 page = (pages[i].at - v->regions.bat_at) / VHDX_PAGE;
        v->pages[page / 8] &= (u8)~BIT(page % 8);
    }
    return rc;
}

/* All that was stored. */
static int finish(struct bat *t)
{
    struct vhdx *v = of(t);
    struct vhdx_page *pages = calloc(VHDX_LOG_PAGES, sizeof(*pages));
    unsigned n = 0;
    int rc = pages ? 0 : -ENOMEM;

    for (u64 page = 0; page * PER_PAGE < v->entries && !rc; page++) {
        if (!(v->pages[page / 8] >> page % 8 & 1))
            continue;
        fill_page(v, page, &pages[n++]);
        if (n == VHDX_LOG_PAGES) {
            rc = write_pages(v, pages, n);
            n = 0;
        }
    }
    if (!rc && n)
        rc = write_pages(v, pages, n);
    free(pages);
    return rc;
}

static int begin(struct bat *t)
{
    return vhdx_start_log(of(t), true);
}

/* Another identity of the parent, through the log as all metadata. */
static int adopt(struct bat *t, const u8 id[BLOCK_ID])
{
    struct vhdx *v = of(t);
    struct vhdx_page page[2];
    u64 at = v->meta.linkage_at, skip = at % VHDX_PAGE;
    unsigned n = skip + VHDX_GUID_TEXT > VHDX_PAGE ? 2 : 1;
    u8 both[2 * VHDX_PAGE];
    int rc = bfile_read(t->file, at - skip, both, n * VHDX_PAGE);

    vhdx_put_guid_text(id, both + skip);
    for (unsigned i = 0; i < n; i++) {
        page[i].at = at - skip + i * VHDX_PAGE;
        memcpy(page[i].data, both + i * VHDX_PAGE, VHDX_PAGE);
    }
    if (!rc && !t->begun) {
        rc = vhdx_start_log(v, false);
        t->begun = !rc;
    }
    if (!rc)
        rc = vhdx_log_write(v, page, n);
    if (!rc)
        memcpy(t->node.backing_id, id, BLOCK_ID);
    return rc;
}

static int end(struct bat *t)
{
    return vhdx_end_log(of(t));
}

/* A bit for each sector of 512 bytes, though the disk's own may be larger. */
static int read_map(struct bat *t, u64 i, u8 *map)
{
    struct vhdx *v = of(t);
    u64 sectors = t->block / v->meta.sector, first = i % v->ratio * sectors;
    u64 from = first / 8, bytes = (first + sectors + 7) / 8 - from, each = v->meta.sector / 512;
    u8 *own = malloc(bytes);
    int rc = own ? vhdx_read(v, v->bitmaps[i / v->ratio] + from, own, bytes) : -ENOMEM;

    for (u64 s = 0; s < sectors * each && !rc; s++) {
        u64 bit = first + s / each - 8 * from;
        map[s / 8] |= (u8)((own[bit / 8] >> bit % 8 & 1) << s % 8);
    }
    free(own);
    return rc;
}

static void claims(struct bat *t, struct bat_claims *c)
{
    const struct vhdx *v = of(t);
    u64 chunks = (t->blocks + v->ratio - 1) / v->ratio;

    bat_claim(c, 0, MiB, "the header");
    bat_claim(c, v->header.log_at, v->header.log_len, "the log");
    bat_claim(c, v->regions.bat_at, v->regions.bat_len, "the BAT");
    bat_claim(c, v->regions.meta_at, v->regions.meta_len, "the metadata");
    for (u64 i = 0; i < chunks; i++)
        if (v->bitmaps[i])
            bat_claim(c, v->bitmaps[i], BITMAP, "a sector bitmap");
}

static void info(struct bat *t, struct block_info *info)
{
    struct vhdx *v = of(t);

    info->dirty = v->log.replays;
    info_text(info, "subformat",
              v->meta.diff    ? "differencing"
              : v->meta.fixed ? "fixed"
                              : "dynamic");
    info_number(info, "block-size", t->block);
    info_number(info, "log-size", v->header.log_len);
    info_number(info, "logical-sector-size", v->meta.sector);
}

static void dispose(struct bat *t)
{
    struct vhdx *v = of(t);

    vhdx_free_log(v);
    free(v->meta.parent_name);
    free(v->bitmaps);
    free(v->pages);
    free(v);
}

static const struct bat_ops ops = {.store = store,
                                   .finish = finish,
                                   .begin = begin,
                                   .end = end,
                                   .adopt = adopt,
                                   .read_map = read_map,
                                   .info = info,
                                   .claims = claims,
                                   .dispose = dispose};

static int refuse_entry(struct vhdx *v, u64 k, u64 entry, struct err *err)
{
    return err_set(err, EINVAL, "'%s': vhdx: entry %llu of the BAT, %#llx, is not possible",
                   bfile_path(v->bat.file), (unsigned long long)k, (unsigned long long)entry);
}

/* Whether what an entry points at is in the file. */
static bool place_is_right(const struct vhdx *v, u64 at)
{
    return at >= MiB && at < v->log.end;
}

static int take_entry(struct vhdx *v, u64 k, u64 entry, struct err *err)
{
    struct bat *t = &v->bat;
    u64 chunk = k / (v->ratio + 1), i = k - chunk, at = entry >> 20 << 20;
    u32 state = entry & 7;
    bool is_bitmap = k % (v->ratio + 1) == v->ratio;

    if (is_bitmap && (state == VHDX_NOT_PRESENT || !v->meta.diff))
        return 0;
    if (is_bitmap) {
        if (state != VHDX_FULL || !place_is_right(v, at))
            return refuse_entry(v, k, entry, err);
        v->bitmaps[chunk] = at;
        t->end = max_u64(t->end, at + BITMAP);
        return 0;
    }
    if (i >= t->blocks || state == VHDX_NOT_PRESENT)
        return 0;
    if (state == VHDX_UNDEFINED || state == VHDX_ZERO || state == VHDX_UNMAPPED) {
        t->host[i] = BAT_ZERO;
        return 0;
    }
    if ((state != VHDX_FULL && (state != VHDX_PARTIAL || !v->meta.diff)) || !place_is_right(v, at))
        return refuse_entry(v, k, entry, err);
    t->host[i] = at;
    t->end = max_u64(t->end, at + t->block);
    if (state == VHDX_PARTIAL)
        t->partial[i / 8] |= (u8)BIT(i % 8);
    return 0;
}

/* What is partial has a bitmap that says which part. */
static int check_bitmaps(struct vhdx *v, struct err *err)
{
    const struct bat *t = &v->bat;

    for (u64 i = 0; t->partial && i < t->blocks; i++)
        if ((t->partial[i / 8] >> i % 8 & 1) && !v->bitmaps[i / v->ratio])
            return bat_refuse(t->file, "vhdx", err, "a partial block has no sector bitmap", i);
    return 0;
}

static int read_table(struct vhdx *v, struct err *err)
{
    u8 *buf = malloc(READ_SIZE);
    int rc = buf ? 0 : err_set(err, ENOMEM, "%s", strerror(ENOMEM));

    for (u64 k = 0; k < v->entries && !rc; k++) {
        u64 at = 8 * k % READ_SIZE;
        if (!at && vhdx_read(v, v->regions.bat_at + 8 * k, buf,
                             min_u64(READ_SIZE, align_up(8 * (v->entries - k), VHDX_PAGE))))
            rc = bat_refuse(v->bat.file, "vhdx", err, "the BAT is not all in the file",
                            v->regions.bat_at);
        if (!rc)
            rc = take_entry(v, k, le64(buf + at), err);
    }
    free(buf);
    return rc ? rc : check_bitmaps(v, err);
}

/* Where the next block may go: behind all there is. */
static u64 first_free(const struct vhdx *v)
{
    u64 end = v->header.log_at + v->header.log_len;

    end = max_u64(end, v->regions.bat_at + v->regions.bat_len);
    return max_u64(end, v->regions.meta_at + v->regions.meta_len);
}

static int make_table(struct vhdx *v, struct err *err)
{
    struct bat *t = &v->bat;
    u64 chunks = (t->blocks + v->ratio - 1) / v->ratio;

    v->entries = v->meta.diff ? chunks * (v->ratio + 1) : entry_of(v, t->blocks - 1) + 1;
    v->bitmaps = calloc(chunks, sizeof(*v->bitmaps));
    v->pages = calloc(1, v->entries / PER_PAGE / 8 + 1);
    t->end = first_free(v);
    if (!v->bitmaps || !v->pages)
        return err_set(err, ENOMEM, "%s", strerror(ENOMEM));
    if (v->entries * 8 > v->regions.bat_len)
        return bat_refuse(t->file, "vhdx", err, "the BAT is too small for the disk",
                          v->regions.bat_len);
    return read_table(v, err);
}

static int read_parent(struct vhdx *v, struct err *err)
{
    struct block_node *n = &v->bat.node;

    n->backing_name = v->meta.parent_name;
    v->meta.parent_name = NULL;
    n->backing_format = strdup("vhdx");
    memcpy(n->backing_id, v->meta.parent, VHDX_GUID);
    return n->backing_format ? bat_allow_partial(&v->bat, err)
                             : err_set(err, ENOMEM, "%s", strerror(ENOMEM));
}

static int read_all_but_table(struct vhdx *v, struct err *err)
{
    struct bfile *f = v->bat.file;
    u8 head[8];
    int rc = bfile_read(f, 0, head, sizeof(head));

    if (rc)
        return err_set(err, -rc, "'%s': %s", bfile_path(f), strerror(-rc));
    if (!vhdx_is(head))
        return bat_refuse(f, "vhdx", err, "no signature", le32(head));
    rc = vhdx_read_header(f, &v->header, err);
    if (!rc)
        rc = vhdx_replay_log(v, err);
    if (!rc)
        rc = vhdx_read_regions(v, err);
    return rc ? rc : vhdx_read_meta(v, err);
}

static int vhdx_open(struct block_node **out, struct bfile *f, unsigned flags, struct err *err)
{
    struct vhdx *v = calloc(1, sizeof(*v));
    int rc;

    if (!v) {
        bfile_close(f);
        return err_set(err, ENOMEM, "%s", strerror(ENOMEM));
    }
    v->bat.file = f;
    v->bat.align = MiB;
    rc = read_all_but_table(v, err);
    if (rc) {
        bfile_close(f);
        dispose(&v->bat);
        return rc;
    }
    v->ratio = CHUNK * v->meta.sector / v->meta.block;
    rc = bat_init(&v->bat, &ops, f, flags, v->meta.size, v->meta.block, err);
    if (rc)
        return rc;
    memcpy(v->bat.node.id, v->header.data_write, VHDX_GUID);
    if (v->meta.diff)
        rc = read_parent(v, err);
    if (!rc)
        rc = make_table(v, err);
    return bat_opened(&v->bat, rc, flags, out, err);
}

static bool probe(const u8 *head, const char *path)
{
    return vhdx_is(head);
}

const struct block_format format_vhdx = {
    .name = "vhdx", .probe = probe, .open = vhdx_open, .create = vhdx_create, .keys = vhdx_keys};
