/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether blocks and tables of an image lie on each other. Blocks are marked in a map of the file,
 * by the largest unit that they all are made of, so that time and memory are bounded by the file.
 */
#include "block/file.h"
#include "block/formats/bat.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNITS_MAX BIT64(33) /* a map of 1 GiB, of which only pages with blocks are touched */

struct claim {
    u64 at, len;
    const char *what;
};

struct bat_claims {
    struct claim *list;
    u64 n, room;
    int rc;
};

typedef void (*on_finding)(void *opaque, const char *text);

struct search {
    struct bat *t;
    u64 base, unit, units; /* the map starts at `base` in the file */
    u8 *map;
    struct bat_claims claims;
    on_finding found;
    void *opaque;
};

void bat_claim(struct bat_claims *c, u64 at, u64 len, const char *what)
{
    if (c->n == c->room) {
        u64 room = c->room ? 2 * c->room : 16;
        struct claim *more = realloc(c->list, room * sizeof(*more));
        if (!more) {
            c->rc = -ENOMEM;
            return;
        }
        c->list = more;
        c->room = room;
    }
    c->list[c->n++] = (struct claim){at, len, what};
}

/* Where a block is, with what is in front of its data; false: not as it is in the file. */
static bool place_of(const struct bat *t, u64 i, u64 *at)
{
    if (t->host[i] <= BAT_ZERO || (t->host[i] & BAT_PACKED))
        return false;
    *at = t->host[i] - t->prefix;
    return true;
}

static u64 gcd(u64 a, u64 b)
{
    while (b) {
        u64 rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Base, unit and size of the map. */
static void measure(struct search *s)
{
    struct bat *t = s->t;
    u64 at, end = 0;

    s->base = UINT64_MAX;
    for (u64 i = 0; i < t->blocks; i++)
        if (place_of(t, i, &at)) {
            s->base = min_u64(s->base, at);
            end = max_u64(end, at);
        }
    s->unit = t->prefix + t->block;
    for (u64 i = 0; i < t->blocks; i++)
        if (place_of(t, i, &at))
            s->unit = gcd(s->unit, at - s->base);
    s->units = end ? (end - s->base + t->prefix + t->block) / s->unit : 0;
}

/* The first unit of [from, to) that has a block, or `to`. */
static u64 first_taken(const struct search *s, u64 from, u64 to)
{
    while (from < to && !(s->map[from / 8] >> from % 8 & 1))
        from++;
    return from;
}

static void mark_blocks(struct search *s)
{
    u64 each = (s->t->prefix + s->t->block) / s->unit, at;
    char text[128];

    for (u64 i = 0; i < s->t->blocks; i++) {
        u64 first, taken;
        if (!place_of(s->t, i, &at))
            continue;
        first = (at - s->base) / s->unit;
        taken = first_taken(s, first, first + each);
        if (taken < first + each) {
            snprintf(text, sizeof(text),
                     "block %" PRIu64 " at %#" PRIx64 " lies on another block, at %#" PRIx64, i, at,
                     s->base + taken * s->unit);
            s->found(s->opaque, text);
            continue; /* so that no unit is marked twice */
        }
        for (u64 u = first; u < first + each; u++)
            s->map[u / 8] |= (u8)BIT(u % 8);
    }
}

static int by_place(const void *a, const void *b)
{
    const struct claim *x = a, *y = b;

    return x->at < y->at ? -1 : x->at > y->at;
}

static void compare_claims(struct search *s)
{
    struct claim *list = s->claims.list;
    u64 end = s->base + s->units * s->unit;
    char text[128];

    if (s->claims.n)
        qsort(list, s->claims.n, sizeof(*list), by_place);
    for (u64 i = 0; i < s->claims.n; i++) {
        u64 from = max_u64(list[i].at, s->base), to = min_u64(list[i].at + list[i].len, end), unit;
        if (i && list[i].at < list[i - 1].at + list[i - 1].len) {
            snprintf(text, sizeof(text), "%s at %#" PRIx64 " lies on %s at %#" PRIx64, list[i].what,
                     list[i].at, list[i - 1].what, list[i - 1].at);
            s->found(s->opaque, text);
        }
        if (!s->units || from >= to)
            continue;
        to = (to - s->base + s->unit - 1) / s->unit;
        unit = first_taken(s, (from - s->base) / s->unit, to);
        if (unit < to) {
            snprintf(text, sizeof(text), "%s at %#" PRIx64 " lies on a block at %#" PRIx64,
                     list[i].what, list[i].at, s->base + unit * s->unit);
            s->found(s->opaque, text);
        }
    }
}

static int search_overlaps(struct bat *t, on_finding found, void *opaque)
{
    struct search s = {.t = t, .found = found, .opaque = opaque};
    int rc;

    measure(&s);
    if (t->bat_ops->claims)
        t->bat_ops->claims(t, &s.claims);
    rc = s.claims.rc;
    if (!rc && s.units > UNITS_MAX)
        rc = -EFBIG;
    if (!rc) {
        s.map = calloc(1, s.units / 8 + 1);
        rc = s.map ? 0 : -ENOMEM;
    }
    if (!rc) {
        mark_blocks(&s);
        compare_claims(&s);
    }
    free(s.map);
    free(s.claims.list);
    return rc;
}

struct first {
    char text[128];
};

static void keep_first(void *opaque, const char *text)
{
    struct first *f = opaque;

    if (!f->text[0])
        snprintf(f->text, sizeof(f->text), "%s", text);
}

static int refuse_overlaps(struct bat *t, struct err *err)
{
    struct first f = {""};
    int rc = search_overlaps(t, keep_first, &f);

    if (rc)
        return err_set(err, -rc, "'%s': whether its blocks overlap cannot be found out: %s",
                       bfile_path(t->file), strerror(-rc));
    if (!f.text[0])
        return 0;
    return err_set(err, EROFS, "'%s' is damaged: %s; it opens only to be read: make a copy",
                   bfile_path(t->file), f.text);
}

/* Where new blocks go on a device, whose end is not that of the image: behind all there is. */
static int find_end(struct bat *t, struct err *err)
{
    struct bat_claims claims = {.n = 0};
    u64 end = 0;

    if (t->bat_ops->claims)
        t->bat_ops->claims(t, &claims);
    for (u64 i = 0; i < claims.n; i++)
        end = max_u64(end, claims.list[i].at + claims.list[i].len);
    for (u64 i = 0; i < t->blocks; i++) {
        u64 host = t->host[i];
        if (host & BAT_PACKED)
            end = max_u64(end, t->bat_ops->packed_end(t, host & ~BAT_PACKED));
        else if (host > BAT_ZERO)
            end = max_u64(end, host + t->block);
    }
    free(claims.list);
    t->end = end;
    return claims.rc ? err_set(err, ENOMEM, "'%s': %s", bfile_path(t->file), strerror(ENOMEM)) : 0;
}

int bat_opened(struct bat *t, int rc, unsigned flags, struct block_node **out, struct err *err)
{
    bool written = !(flags & OPEN_READ_ONLY);

    if (!rc && written && bfile_is_device(t->file) && t->end == bfile_size(t->file))
        rc = find_end(t, err);
    if (!rc && written && !(flags & OPEN_FOR_REPAIR))
        rc = refuse_overlaps(t, err);
    if (rc)
        return bat_fail(t, rc);
    *out = &t->node;
    return 0;
}

static void count_error(void *opaque, const char *text)
{
    struct block_check *r = opaque;
    char line[160];

    if (r->errors++ < 1000) {
        snprintf(line, sizeof(line), "ERROR: %s", text);
        if (r->report)
            r->report(r->opaque, line);
    }
}

static void count_blocks(const struct bat *t, struct block_check *r)
{
    u64 last = 0;

    r->total += t->blocks;
    for (u64 i = 0; i < t->blocks; i++) {
        if (t->host[i] <= BAT_ZERO)
            continue;
        r->allocated++;
        r->compressed += t->host[i] >> 63;
        r->scattered += last && t->host[i] != last + t->prefix + t->block;
        last = t->host[i];
    }
    r->end = max_u64(r->end, t->end);
}

int bat_check(struct block_node *n, unsigned fix, struct block_check *r, struct err *err)
{
    struct bat *t = container_of(n, struct bat, node);
    int rc;

    count_blocks(t, r);
    rc = search_overlaps(t, count_error, r);
    if (rc) {
        r->failures++;
        return err_set(err, -rc, "'%s': the check is not complete: %s", bfile_path(t->file),
                       strerror(-rc));
    }
    if (fix && !r->errors && t->unclosed) {
        t->unclosed = false;
        t->begun = true; /* the end is written by close */
        r->errors_fixed++;
    }
    return 0;
}
