/* SPDX-License-Identifier: GPL-2.0-or-later */
/* img info, map, check. */
#include "img.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NO_ICOUNT (~(u64)0)

static const char *clock_text(u64 ns, char *buf, size_t size)
{
    u64 s = ns / NSEC_PER_SEC;

    snprintf(buf, size, "%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64 ".%03" PRIu64, s / 3600,
             s / 60 % 60, s % 60, ns / 1000000 % 1000);
    return buf;
}

void img_print_snapshots(const struct block_snapshot *s, unsigned n)
{
    printf("Snapshot list:\n%-10s%-17s%8s%20s%13s%11s\n", "ID", "TAG", "VM SIZE", "DATE",
           "VM CLOCK", "ICOUNT");
    for (unsigned i = 0; i < n; i++) {
        char size[32], date[64] = "", clock[64], icount[32] = "";
        time_t t = (time_t)(s[i].date_ns / NSEC_PER_SEC);
        struct tm tm;
        if (localtime_r(&t, &tm))
            strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
        if (s[i].icount != NO_ICOUNT)
            snprintf(icount, sizeof(icount), "%" PRIu64, s[i].icount);
        printf("%-9s %-16s %8s%20s%13s%11s\n", s[i].id, s[i].name,
               img_bytes(s[i].state_size, size, sizeof(size)), date,
               clock_text(s[i].clock_ns, clock, sizeof(clock)), icount);
    }
}

/* Of "encrypt.uuid" the 7 that name the group; 0: it is in none. */
static size_t group_of(const struct block_info_item *item)
{
    const char *dot = strchr(item->name, '.');

    return dot ? (size_t)(dot - item->name) : 0;
}

/* One item; the first of a group says its name. */
static void print_item(const struct block_info_item *item, bool first)
{
    size_t group = group_of(item);
    char name[sizeof(item->name)];

    if (group && first)
        printf("    %.*s:\n", (int)group, item->name);
    snprintf(name, sizeof(name), "%s", item->name + (group ? group + 1 : 0));
    for (char *c = name; *c; c++)
        *c = *c == '-' ? ' ' : *c;
    printf("%s%s: ", group ? "        " : "    ", name);
    if (item->kind == INFO_TEXT)
        printf("%s\n", item->text);
    else if (item->kind == INFO_BOOL)
        printf("%s\n", item->number ? "true" : "false");
    else
        printf("%" PRIu64 "\n", item->number);
}

static void print_items(const struct block_info *info, const struct block_bitmap_info *b,
                        unsigned n)
{
    printf("Format specific information:\n");
    for (unsigned i = 0; i < info->items; i++)
        print_item(&info->item[i], !i || !group_of(&info->item[i - 1]));
    if (n)
        printf("    bitmaps:\n");
    for (unsigned i = 0; i < n; i++) {
        printf("        [%u]:\n            flags:\n", i);
        if (b[i].in_use)
            printf("                [0]: in-use\n");
        if (b[i].enabled)
            printf("                [%d]: auto\n", b[i].in_use);
        printf("            name: %s\n            granularity: %" PRIu64 "\n", b[i].name,
               b[i].granularity);
    }
}

struct facts {
    struct block_info info;
    struct block_snapshot *snap;
    struct block_bitmap_info *bitmap;
    unsigned snaps, bitmaps;
};

static void gather(struct block_node *n, struct facts *f)
{
    *f = (struct facts){0};
    if (n->ops->info)
        n->ops->info(n, &f->info);
    if (n->ops->snapshot_list && n->ops->snapshot_list(n, &f->snap, &f->snaps))
        f->snaps = 0;
    if (n->ops->bitmap_list && n->ops->bitmap_list(n, &f->bitmap, &f->bitmaps))
        f->bitmaps = 0;
}

static void release(struct facts *f)
{
    block_snapshots_free(f->snap, f->snaps);
    block_bitmaps_free(f->bitmap, f->bitmaps);
}

static void print_human(struct block_node *n)
{
    struct facts f;
    char a[32], b[32];

    gather(n, &f);
    printf("image: %s\nfile format: %s\nvirtual size: %s (%" PRIu64 " bytes)\ndisk size: %s\n",
           bfile_path(n->file), n->format->name, img_bytes(n->size, a, sizeof(a)), n->size,
           img_bytes(bfile_allocated(n->file), b, sizeof(b)));
    if (n->encrypted)
        printf("encrypted: yes\n");
    if (f.info.dirty)
        printf("cleanly shut down: no\n");
    if (f.info.cluster)
        printf("cluster_size: %" PRIu64 "\n", f.info.cluster);
    if (n->backing_name) {
        char *full = path_beside(bfile_path(n->file), n->backing_name);
        printf("backing file: %s", n->backing_name);
        if (full && strcmp(full, n->backing_name))
            printf(" (actual path: %s)", full);
        free(full);
        putchar('\n');
        if (n->backing_format)
            printf("backing file format: %s\n", n->backing_format);
    }
    if (f.snaps)
        img_print_snapshots(f.snap, f.snaps);
    if (f.info.items)
        print_items(&f.info, f.bitmap, f.bitmaps);
    release(&f);
}

static json_t *text_of(const char *s)
{
    json_t *t = json_string(s);

    return t ? t : json_string("(not UTF-8)");
}

static json_t *snapshots_json(const struct facts *f)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < f->snaps; i++) {
        const struct block_snapshot *s = &f->snap[i];
        json_t *o = json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:I}", "id", text_of(s->id), "name",
                              text_of(s->name), "vm-state-size", (json_int_t)s->state_size,
                              "date-sec", (json_int_t)(s->date_ns / NSEC_PER_SEC), "date-nsec",
                              (json_int_t)(s->date_ns % NSEC_PER_SEC), "vm-clock-sec",
                              (json_int_t)(s->clock_ns / NSEC_PER_SEC), "vm-clock-nsec",
                              (json_int_t)(s->clock_ns % NSEC_PER_SEC));
        if (s->icount != NO_ICOUNT)
            json_object_set_new(o, "icount", json_integer((json_int_t)s->icount));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *bitmaps_json(const struct facts *f)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < f->bitmaps; i++) {
        json_t *flags = json_array();
        if (f->bitmap[i].in_use)
            json_array_append_new(flags, json_string("in-use"));
        if (f->bitmap[i].enabled)
            json_array_append_new(flags, json_string("auto"));
        json_array_append_new(list, json_pack("{s:o, s:o, s:I}", "flags", flags, "name",
                                              text_of(f->bitmap[i].name), "granularity",
                                              (json_int_t)f->bitmap[i].granularity));
    }
    return list;
}

static void add_item(json_t *data, const struct block_info_item *item)
{
    size_t group = group_of(item);
    const char *name = item->name;

    if (group) {
        if (!json_object_getn(data, name, group))
            json_object_setn_new(data, name, group, json_object());
        data = json_object_getn(data, name, group);
        name += group + 1;
    }
    json_object_set_new(data, name,
                        item->kind == INFO_TEXT   ? text_of(item->text)
                        : item->kind == INFO_BOOL ? json_boolean(item->number)
                                                  : json_integer((json_int_t)item->number));
}

static json_t *specific_json(const struct block_node *n, const struct facts *f)
{
    json_t *data = json_object();

    for (unsigned i = 0; i < f->info.items; i++)
        add_item(data, &f->info.item[i]);
    if (f->bitmaps)
        json_object_set_new(data, "bitmaps", bitmaps_json(f));
    return json_pack("{s:s, s:o}", "type", n->format->name, "data", data);
}

static json_t *node_json(struct block_node *n)
{
    struct facts f;
    json_t *o;

    gather(n, &f);
    o = json_pack("{s:I, s:o, s:s, s:I, s:b}", "virtual-size", (json_int_t)n->size, "filename",
                  text_of(bfile_path(n->file)), "format", n->format->name, "actual-size",
                  (json_int_t)bfile_allocated(n->file), "dirty-flag", (int)f.info.dirty);
    if (n->encrypted)
        json_object_set_new(o, "encrypted", json_true());
    if (f.info.cluster)
        json_object_set_new(o, "cluster-size", json_integer((json_int_t)f.info.cluster));
    if (n->backing_name) {
        char *full = path_beside(bfile_path(n->file), n->backing_name);
        json_object_set_new(o, "backing-filename", text_of(n->backing_name));
        json_object_set_new(o, "full-backing-filename", text_of(full ? full : n->backing_name));
        free(full);
        if (n->backing_format)
            json_object_set_new(o, "backing-filename-format", text_of(n->backing_format));
    }
    if (f.snaps)
        json_object_set_new(o, "snapshots", snapshots_json(&f));
    if (f.info.items)
        json_object_set_new(o, "format-specific", specific_json(n, &f));
    release(&f);
    return o;
}

int img_info(struct img_args *a)
{
    bool chain = a->opt[OPT_CHAIN];
    struct block_node *n;
    json_t *list = json_array();

    if (a->argc != 1) {
        img_complain(a, "give one file");
        json_decref(list);
        return 1;
    }
    if (img_open(a, &n, a->argv[0], a->opt['f'], OPEN_READ_ONLY | (chain ? 0 : OPEN_NO_BACKING))) {
        json_decref(list);
        return 1;
    }
    for (struct block_node *at = n; at; at = at->backing) {
        if (img_json(a))
            json_array_append_new(list, node_json(at));
        else
            print_human(at);
        if (!img_json(a) && at->backing)
            putchar('\n');
    }
    if (img_json(a)) {
        json_dumpf(chain ? list : json_array_get(list, 0), stdout, JSON_INDENT(4));
        putchar('\n');
    }
    json_decref(list);
    node_close(n);
    return 0;
}

/* One line of a map: ranges that continue each other are one. */
struct map_line {
    u64 start, len;
    struct block_extent e;
    const char *path;
    const char *kept; /* how, where it is not as it is in the file */
    unsigned depth;
    bool any;
};

static bool continues(const struct map_line *l, const struct block_extent *e, const char *path,
                      unsigned depth)
{
    return l->any && l->e.flags == e->flags && l->depth == depth && l->path == path &&
           (!(e->flags & EXTENT_OFFSET) || l->e.host + l->len == e->host);
}

static void print_line(const struct img_args *a, const struct map_line *l, bool *first)
{
    bool data = l->e.flags & EXTENT_DATA, zero = l->e.flags & EXTENT_ZERO;

    if (!l->any)
        return;
    if (!img_json(a)) {
        if (data && !zero && !(l->e.flags & EXTENT_OFFSET))
            printf("%#-16" PRIx64 "%#-16" PRIx64 "%-16s%s\n", l->start, l->len, l->kept,
                   l->path ? l->path : "");
        else if (data && !zero)
            printf("%#-16" PRIx64 "%#-16" PRIx64 "%#-16" PRIx64 "%s\n", l->start, l->len, l->e.host,
                   l->path ? l->path : "");
        return;
    }
    printf("%s{ \"start\": %" PRIu64 ", \"length\": %" PRIu64
           ", \"depth\": %u, \"present\": %s, \"zero\": %s, \"data\": %s",
           *first ? "[" : ",\n", l->start, l->len, l->depth,
           l->e.flags & EXTENT_ALLOCATED ? "true" : "false", zero ? "true" : "false",
           data ? "true" : "false");
    if (l->e.flags & EXTENT_OFFSET)
        printf(", \"offset\": %" PRIu64, l->e.host);
    putchar('}');
    *first = false;
}

static const char *how_kept(const struct block_node *in, const struct block_extent *e)
{
    return in && in->encrypted && !(e->flags & EXTENT_COMPRESSED) ? "encrypted" : "compressed";
}

static int map_range(const struct img_args *a, struct block_node *n, u64 off, u64 end)
{
    struct map_line l = {0};
    bool first = true;

    if (!img_json(a))
        printf("%-16s%-16s%-16s%s\n", "Offset", "Length", "Mapped to", "File");
    while (off < end) {
        struct block_extent e;
        struct block_node *in;
        const char *path;
        unsigned depth;
        int rc = node_chain_status(n, NULL, off, end - off, &e, &in, &depth);
        if (rc)
            return rc;
        if (!in)
            depth--; /* of the last one that could have said it */
        path = e.path ? e.path : in ? bfile_path(in->file) : NULL;
        if (!continues(&l, &e, path, depth)) {
            print_line(a, &l, &first);
            l = (struct map_line){off, 0, e, path, how_kept(in, &e), depth, true};
        }
        l.len += e.len;
        off += e.len;
    }
    print_line(a, &l, &first);
    if (img_json(a))
        printf(first ? "[]\n" : "]\n");
    return 0;
}

int img_map(struct img_args *a)
{
    struct block_node *n;
    u64 start = 0, len = UINT64_MAX;
    int rc;

    if (a->argc != 1 || img_number(a, OPT_START, &start) || img_number(a, OPT_LENGTH, &len)) {
        if (a->argc != 1)
            img_complain(a, "give one file");
        return 1;
    }
    if (img_open(a, &n, a->argv[0], a->opt['f'], OPEN_READ_ONLY))
        return 1;
    start = min_u64(start, n->size);
    rc = map_range(a, n, start, start + min_u64(len, n->size - start));
    if (rc)
        img_complain(a, "%s", strerror(-rc));
    node_close(n);
    return rc ? 1 : 0;
}

static void report(void *opaque, const char *line)
{
    if (opaque)
        fprintf(stderr, "%s\n", line);
}

static void print_check_json(const char *path, const struct block_node *n,
                             const struct block_check *r)
{
    json_t *o =
        json_pack("{s:o, s:s, s:I, s:I, s:I}", "filename", text_of(path), "format", n->format->name,
                  "check-errors", (json_int_t)r->failures, "image-end-offset", (json_int_t)r->end,
                  "total-clusters", (json_int_t)r->total);
    const struct {
        const char *name;
        u64 value;
    } more[] = {{"corruptions", r->errors - r->errors_fixed}, {"leaks", r->leaks - r->leaks_fixed},
                {"corruptions-fixed", r->errors_fixed},       {"leaks-fixed", r->leaks_fixed},
                {"allocated-clusters", r->allocated},         {"fragmented-clusters", r->scattered},
                {"compressed-clusters", r->compressed}};

    for (size_t i = 0; i < ARRAY_SIZE(more); i++)
        if (more[i].value)
            json_object_set_new(o, more[i].name, json_integer((json_int_t)more[i].value));
    json_dumpf(o, stdout, JSON_INDENT(4));
    putchar('\n');
    json_decref(o);
}

static void print_check(const struct block_check *r)
{
    u64 errors = r->errors - r->errors_fixed, leaks = r->leaks - r->leaks_fixed;

    if (r->errors_fixed || r->leaks_fixed)
        printf("The following inconsistencies were found and repaired:\n\n    %" PRIu64
               " leaked clusters\n    %" PRIu64 " corruptions\n\n",
               r->leaks_fixed, r->errors_fixed);
    if (!errors && !leaks && !r->failures)
        printf("No errors were found on the image.\n");
    if (errors)
        printf("\n%" PRIu64 " errors were found on the image.\nData may be corrupted, or further "
               "writes to the image may corrupt it.\n",
               errors);
    if (leaks)
        printf("\n%" PRIu64 " leaked clusters were found on the image.\nThis means waste of disk "
               "space, but no harm to data.\n",
               leaks);
    if (r->failures)
        printf("\n%" PRIu64 " internal errors have occurred during the check.\n", r->failures);
    if (r->total && r->allocated)
        printf("%" PRIu64 "/%" PRIu64 " = %.2f%% allocated, %.2f%% fragmented, %.2f%% compressed "
               "clusters\n",
               r->allocated, r->total, (double)r->allocated * 100 / (double)r->total,
               (double)r->scattered * 100 / (double)r->allocated,
               (double)r->compressed * 100 / (double)r->allocated);
    if (r->end)
        printf("Image end offset: %" PRIu64 "\n", r->end);
}

int img_check(struct img_args *a)
{
    struct block_check r = {.report = report, .opaque = a->opt['q'] || img_json(a) ? NULL : a};
    const char *fix = a->opt['r'];
    unsigned how = 0;
    struct block_node *n;
    struct err err;
    int rc;

    if (a->argc != 1 || (fix && strcmp(fix, "leaks") && strcmp(fix, "all"))) {
        img_complain(a, fix ? "-r: there are leaks and all" : "give one file");
        return 1;
    }
    if (fix)
        how = CHECK_FIX_LEAKS | (strcmp(fix, "all") ? 0 : CHECK_FIX_ERRORS);
    if (img_open(a, &n, a->argv[0], a->opt['f'],
                 OPEN_NO_BACKING | (fix ? OPEN_FOR_REPAIR : OPEN_READ_ONLY)))
        return 1;
    if (!n->ops->check) {
        img_complain(a, "format %s has nothing to check", n->format->name);
        node_close(n);
        return 63;
    }
    rc = n->ops->check(n, how, &r, &err);
    if (rc)
        img_error(a, &err);
    else if (img_json(a))
        print_check_json(a->argv[0], n, &r);
    else if (!a->opt['q'])
        print_check(&r);
    node_close(n);
    if (rc || r.failures)
        return 1;
    return r.errors > r.errors_fixed ? 2 : r.leaks > r.leaks_fixed ? 3 : 0;
}
