/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMware's VMDK: a descriptor, in a sparse extent or a file of its own, and the extents it names:
 * sparse, flat and zero. Left out: ESX' own extents (VMFSSPARSE, SESPARSE, RDM).
 */
#include "block/formats/vmdk.h"
#include "block/file.h"
#include "block/formats/concat.h"
#include "block/formats/formats.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#define EXTENT_2GB (2047 * MiB)
#define NO_PARENT  "ffffffff"

/* The value of key=…, quoted or not, into buf. */
static bool find_key(const char *desc, const char *key, char *buf, size_t size)
{
    size_t n;
    const char *v = vmdk_find_value(desc, key, &n);

    if (!v || n >= size)
        return false;
    memcpy(buf, v, n);
    buf[n] = '\0';
    return true;
}

struct extent_line {
    u64 sectors, skip;
    bool read_only;
    char type[16], name[1024];
};

/* RW 4192256 SPARSE "name" [offset]; false: the line is none. */
static bool parse_extent(const char *line, struct extent_line *e)
{
    char access[16];
    int n = 0;
    const char *open, *close;

    *e = (struct extent_line){0};
    if (sscanf(line, "%15s %" SCNu64 " %15s%n", access, &e->sectors, e->type, &n) < 3)
        return false;
    if (strcasecmp(access, "RW") && strcasecmp(access, "RDONLY"))
        return false;
    e->read_only = !strcasecmp(access, "RDONLY");
    if (!strcasecmp(e->type, "ZERO"))
        return true;
    open = line + n + strspn(line + n, " \t");
    if (*open != '"' || !(close = memchr(open + 1, '"', strcspn(open + 1, "\r\n") + 1)) ||
        (size_t)(close - open) > sizeof(e->name))
        return false;
    memcpy(e->name, open + 1, (size_t)(close - open - 1));
    (void)!sscanf(close + 1, "%" SCNu64, &e->skip);
    return true;
}

static int add_extent(struct block_node *n, struct bfile *f, const struct extent_line *e,
                      unsigned flags, struct err *err)
{
    struct block_node *part;
    struct bfile *own;
    int rc;

    if (!e->sectors || e->sectors > BIT64(42) || e->skip > BIT64(42))
        return bat_refuse(f, "vmdk", err, "an extent's size is not possible", e->sectors);
    if (strcasecmp(e->type, "FLAT") && strcasecmp(e->type, "SPARSE"))
        return err_set(err, ENOTSUP, "'%s': vmdk: extents of type %s are not supported",
                       bfile_path(f), e->type);
    rc = open_beside(&own, f, e->name, "extent", flags, err);
    if (rc)
        return rc;
    rc = strcasecmp(e->type, "FLAT") ? vmdk_sparse_open(&part, own, flags, err)
                                     : block_raw_new(&part, own, false, err);
    return rc ? rc : concat_add(n, part, e->skip * 512, e->sectors * 512, err);
}

static int add_extents(struct block_node *n, struct bfile *f, const char *desc, unsigned flags,
                       struct err *err)
{
    int rc = 0;

    for (const char *at = desc; at && !rc; at = strchr(at, '\n')) {
        struct extent_line e;
        at += *at == '\n';
        if (parse_extent(at, &e))
            rc = add_extent(n, f, &e, flags, err);
    }
    if (!rc && !concat_parts(n))
        rc = bat_refuse(f, "vmdk", err, "the descriptor names no extents", 0);
    return rc;
}

static int read_parent(struct block_node *n, const char *desc, struct err *err)
{
    char text[1024];

    if (desc)
        (void)vmdk_get_id(desc, "CID", n->id);
    if (!desc || !find_key(desc, "parentCID", text, sizeof(text)) || !strcasecmp(text, NO_PARENT))
        return 0;
    if (!find_key(desc, "parentFileNameHint", text, sizeof(text)))
        return bat_refuse(n->file, "vmdk", err, "it has a parent but does not name it", 0);
    (void)vmdk_get_id(desc, "parentCID", n->backing_id);
    n->backing_name = strdup(text);
    n->backing_format = strdup("vmdk");
    return n->backing_name && n->backing_format ? 0 : err_set(err, ENOMEM, "%s", strerror(ENOMEM));
}

/* One file with everything in it. */
static int open_monolithic(struct block_node **out, struct bfile *f, unsigned flags,
                           struct err *err)
{
    char *desc;
    int rc = vmdk_sparse_descriptor(f, &desc, err);

    if (rc) {
        bfile_close(f);
        return rc;
    }
    rc = vmdk_sparse_open(out, f, flags, err);
    if (!rc) {
        rc = read_parent(*out, desc, err);
        if (rc) {
            free((*out)->backing_name);
            free((*out)->backing_format);
            (*out)->ops->close(*out);
        }
    }
    free(desc);
    return rc;
}

static const struct concat_hooks hooks = {.on_change = vmdk_new_cid, .adopt = vmdk_adopt};

static int open_descriptor(struct block_node **out, struct bfile *f, unsigned flags,
                           struct err *err)
{
    u64 bytes = min_u64(bfile_size(f), VMDK_DESC_MAX);
    char *desc = calloc(1, bytes + 1);
    struct block_node *n;
    int rc = desc ? bfile_read(f, 0, desc, bytes) : -ENOMEM;

    if (rc) {
        err_set(err, -rc, "'%s': %s", bfile_path(f), strerror(-rc));
        bfile_close(f);
    } else {
        rc = concat_new(&n, f, true, flags, &hooks, err);
    }
    if (rc) {
        free(desc);
        return rc;
    }
    rc = add_extents(n, f, desc, flags, err);
    if (!rc)
        rc = read_parent(n, desc, err);
    free(desc);
    if (rc) {
        free(n->backing_name);
        free(n->backing_format);
        concat_dispose(n);
        return rc;
    }
    *out = n;
    return 0;
}

static int vmdk_open(struct block_node **out, struct bfile *f, unsigned flags, struct err *err)
{
    u8 head[VMDK_HEADER];
    int rc = bfile_read(f, 0, head, sizeof(head));

    if (!rc && vmdk_is_sparse(head))
        return open_monolithic(out, f, flags, err);
    return open_descriptor(out, f, flags, err);
}

struct making {
    char *desc;
    size_t at;
    bool flat, split, stream, zeroed;
    const char *type;
};

static void add(struct making *m, const char *fmt, ...) printf_like(2, 3);
static void add(struct making *m, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(m->desc + m->at, VMDK_DESC_MAX - m->at, fmt, ap);
    va_end(ap);
    m->at = min_u64(VMDK_DESC_MAX - 1, m->at + (size_t)n);
}

static int read_type(struct making *m, const struct format_options *o, struct err *err)
{
    static const char *const types[] = {"monolithicSparse", "monolithicFlat",
                                        "twoGbMaxExtentSparse", "twoGbMaxExtentFlat",
                                        "streamOptimized"};
    const char *sub = format_option(o, "subformat");

    m->type = types[0];
    for (unsigned i = 0; sub && i < ARRAY_SIZE(types); i++)
        if (!strcasecmp(sub, types[i]))
            m->type = types[i];
    if (sub && strcasecmp(sub, m->type))
        return err_set(err, EINVAL,
                       "subformat=%.30s: there are monolithicSparse, monolithicFlat, "
                       "twoGbMaxExtentSparse, twoGbMaxExtentFlat and streamOptimized",
                       sub);
    m->flat = strstr(m->type, "Flat");
    m->split = !strncmp(m->type, "two", 3);
    m->stream = m->type == types[4];
    return format_bool(o, "zeroed_grain", &m->zeroed, err);
}

static int parent_cid(const char *path, const char *backing, char *cid, struct err *err)
{
    char *where = path_beside(path, backing), *desc = NULL;
    struct bfile *f;
    int rc = where ? bfile_open(&f, where, BFILE_READ_ONLY, err) : -ENOMEM;

    free(where);
    if (rc)
        return rc;
    rc = vmdk_sparse_descriptor(f, &desc, err);
    if (!rc && (!desc || !find_key(desc, "CID", cid, 16)))
        rc = err_set(err, EINVAL, "'%s' is not an image of format vmdk in one file", backing);
    free(desc);
    bfile_close(f);
    return rc;
}

static int make_extent(const struct making *m, const char *path, u64 size, struct err *err)
{
    struct bfile *f;
    int rc = bat_create(&f, path, err);

    if (rc)
        return rc;
    rc = m->flat ? bat_clear(f, size) : vmdk_sparse_create(f, size, false, m->zeroed, NULL);
    return bat_created(f, rc, err);
}

static int make_extents(struct making *m, const char *path, u64 size, struct err *err)
{
    const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    size_t dir = (size_t)(base - path), stem = strlen(base);
    u64 each = m->split ? EXTENT_2GB : size;
    char name[1024], full[4096];
    int rc = 0;

    if (stem > 5 && !strcmp(base + stem - 5, ".vmdk"))
        stem -= 5;
    for (unsigned i = 1; size && !rc; i++) {
        u64 part = min_u64(each, size);
        if (m->split)
            snprintf(name, sizeof(name), "%.*s-%c%03u.vmdk", (int)stem, base, m->flat ? 'f' : 's',
                     i);
        else
            snprintf(name, sizeof(name), "%.*s-flat.vmdk", (int)stem, base);
        if (snprintf(full, sizeof(full), "%.*s%s", (int)dir, path, name) >= (int)sizeof(full))
            return err_set(err, ENAMETOOLONG, "'%s': %s", path, strerror(ENAMETOOLONG));
        rc = make_extent(m, full, part, err);
        add(m, "RW %" PRIu64 " %s \"%s\"%s\n", part / 512, m->flat ? "FLAT" : "SPARSE", name,
            m->flat ? " 0" : "");
        size -= part;
    }
    return rc;
}

static void put_head(struct making *m, const char *cid, const char *backing)
{
    u32 own = 0;

    if (getrandom(&own, sizeof(own), 0) != sizeof(own) || own >= 0xfffffffe)
        own = 0x12345678;
    add(m, "# Disk DescriptorFile\nversion=1\nCID=%08x\nparentCID=%s\ncreateType=\"%s\"\n", own,
        cid, m->type);
    if (backing)
        add(m, "parentFileNameHint=\"%s\"\n", backing);
    add(m, "\n# Extent description\n");
}

static void put_tail(struct making *m, u64 size)
{
    add(m,
        "\n# The Disk Data Base\n#DDB\n\nddb.virtualHWVersion = \"4\"\nddb.geometry.cylinders = "
        "\"%" PRIu64 "\"\nddb.geometry.heads = \"16\"\nddb.geometry.sectors = \"63\"\n"
        "ddb.adapterType = \"ide\"\n",
        min_u64(size / (16 * 63 * 512), 16383));
}

static int make_all(struct making *m, const char *path, u64 size, const char *cid,
                    const char *backing, struct err *err)
{
    const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    bool one = !m->flat && !m->split;
    struct bfile *f;
    int rc;

    put_head(m, cid, backing);
    if (one)
        add(m, "RW %" PRIu64 " SPARSE \"%s\"\n", size / 512, base);
    rc = one ? 0 : make_extents(m, path, size, err);
    put_tail(m, size);
    if (!rc && m->at > (one ? 20 * 512 : VMDK_DESC_MAX - 2))
        rc = err_set(err, ENOSPC, "'%s': the descriptor gets too long", path);
    if (!rc)
        rc = bat_create(&f, path, err);
    if (rc)
        return rc;
    rc = one ? vmdk_sparse_create(f, size, m->stream, m->zeroed, m->desc)
             : bfile_write(f, 0, m->desc, m->at);
    return bat_created(f, rc, err);
}

static int vmdk_create(const char *path, u64 size, const char *backing, const char *backing_format,
                       const struct format_options *options, struct err *err)
{
    struct making m = {0};
    char cid[16] = NO_PARENT;
    int rc = read_type(&m, options, err);

    if (!rc && (!size || size > 62 * KiB * GiB || strchr(path, '"')))
        rc = err_set(err, EINVAL, "format vmdk: from 1 byte to 62T, in a file without quotes");
    if (!rc && backing && (m.flat || strchr(backing, '"')))
        rc = err_set(err, EINVAL, "a flat image has no backing file");
    if (!rc && backing)
        rc = parent_cid(path, backing, cid, err);
    m.desc = calloc(1, VMDK_DESC_MAX);
    if (!rc && !m.desc)
        rc = err_set(err, ENOMEM, "%s", strerror(ENOMEM));
    if (!rc)
        rc = make_all(&m, path, align_up(size, 512), cid, backing, err);
    free(m.desc);
    return rc;
}

static bool probe(const u8 *head, const char *path)
{
    static const char text[] = "# Disk DescriptorFile";

    return vmdk_is_sparse(head) || !strncasecmp((const char *)head, text, sizeof(text) - 1);
}

static const struct format_key keys[] = {
    {"subformat", "monolithicSparse, monolithicFlat, twoGbMaxExtentSparse, twoGbMaxExtentFlat, "
                  "streamOptimized (compressed)"},
    {"zeroed_grain", "grains of zeros are marked: on or off"},
    {NULL, NULL},
};

const struct block_format format_vmdk = {
    .name = "vmdk", .probe = probe, .open = vmdk_open, .create = vmdk_create, .keys = keys};
