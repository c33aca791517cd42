/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/state.h"
#include "base/le.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_LEN 63u

static bool grow(struct state_stream *s, size_t n)
{
    size_t cap = s->cap ? s->cap : 256;
    u8 *p;

    while (cap - s->len < n)
        cap *= 2;
    if (cap == s->cap)
        return true;
    p = realloc(s->data, cap);
    if (!p)
        return false;
    s->data = p;
    s->cap = cap;
    return true;
}

static bool put(struct state_stream *s, const void *data, size_t n)
{
    if (!grow(s, n))
        return false;
    memcpy(s->data + s->len, data, n);
    s->len += n;
    return true;
}

static bool is_zero(const u8 *page)
{
    return !page[0] && !memcmp(page, page + 1, PAGE_SIZE - 1);
}

/* The number of each page that is not zero, plus one, and its bytes; then 0. */
static bool save_pages(struct state_stream *s, const struct state_field *f, u8 *obj)
{
    u8 number[4] = {0};
    u64 len;
    const u8 *pages = f->pages(obj, &len);

    for (u32 n = 0; n < len / PAGE_SIZE; n++) {
        const u8 *page = pages + (size_t)n * PAGE_SIZE;
        if (is_zero(page))
            continue;
        put_le32(number, n + 1);
        if (!put(s, number, sizeof(number)) || !put(s, page, PAGE_SIZE))
            return false;
    }
    put_le32(number, 0);
    return put(s, number, sizeof(number));
}

static bool save_fields(struct state_stream *s, const struct state_field *f, u8 *obj)
{
    for (; f->name; f++) {
        u8 *p = obj + f->offset;
        bool ok = true;
        if (f->kind == STATE_KIND_PAGES)
            ok = save_pages(s, f, obj);
        else if (f->kind != STATE_KIND_STRUCT)
            ok = put(s, p, (size_t)f->size * f->count);
        for (u32 n = 0; n < f->count && ok && f->kind == STATE_KIND_STRUCT; n++)
            ok = save_fields(s, f->fields, p + (size_t)n * f->size);
        if (!ok)
            return false;
    }
    return true;
}

int state_save(struct state_stream *s, const struct state_table *t, void *obj)
{
    u8 name_len = (u8)strlen(t->name), head[6] = {0};
    size_t head_at;

    BUG_ON(name_len > NAME_MAX_LEN);
    if (t->before_save)
        t->before_save(obj);
    put_le16(head, t->version);
    if (!put(s, &name_len, 1) || !put(s, t->name, name_len) || !put(s, head, sizeof(head)))
        return -ENOMEM;
    head_at = s->len;
    if (!save_fields(s, t->fields, obj))
        return -ENOMEM;
    put_le32(s->data + head_at - 4, (u32)(s->len - head_at));
    return 0;
}

static const u8 *take(struct state_stream *s, size_t n)
{
    const u8 *p = s->data + s->at;

    if (n > s->len - s->at)
        return NULL;
    s->at += n;
    return p;
}

/* Pages come in ascending order; those that do not come are zero. */
static int load_pages(struct state_stream *s, const struct state_field *f, u8 *obj, struct err *err)
{
    u64 len;
    u8 *pages = f->pages(obj, &len);

    for (u64 next = 0;;) {
        const u8 *head = take(s, 4), *from = NULL;
        u64 n = head ? le32(head) : 0;

        if (n)
            from = take(s, PAGE_SIZE);
        if (!head || (n && !from))
            return err_set(err, EINVAL, "%s: the section is too short", f->name);
        if (n && (n <= next || n > len / PAGE_SIZE))
            return err_set(err, EINVAL, "%s: there is no page %llu", f->name,
                           (unsigned long long)n - 1);
        for (u64 i = next; i < (n ? n - 1 : len / PAGE_SIZE); i++)
            if (!is_zero(pages + i * PAGE_SIZE))
                memset(pages + i * PAGE_SIZE, 0, PAGE_SIZE);
        if (!n)
            return 0;
        memcpy(pages + (n - 1) * PAGE_SIZE, from, PAGE_SIZE);
        next = n;
    }
}

static int load_elements(struct state_stream *s, const struct state_field *f, u8 *obj,
                         struct err *err)
{
    size_t len = (size_t)f->size * f->count;
    const u8 *p = take(s, len);

    if (!p)
        return err_set(err, EINVAL, "%s: the section is too short", f->name);
    for (u32 n = 0; n < f->count && f->kind == STATE_KIND_BOOL; n++)
        if (p[n] > 1)
            return err_set(err, EINVAL, "%s: %u is neither 0 nor 1", f->name, p[n]);
    memcpy(obj + f->offset, p, len);
    return 0;
}

static int load_fields(struct state_stream *s, const struct state_field *f, u16 version, u8 *obj,
                       struct err *err)
{
    int rc = 0;

    for (; f->name && !rc; f++) {
        if (f->since > version)
            continue;
        if (f->kind == STATE_KIND_PAGES)
            rc = load_pages(s, f, obj, err);
        else if (f->kind != STATE_KIND_STRUCT)
            rc = load_elements(s, f, obj, err);
        for (u32 n = 0; n < f->count && !rc && f->kind == STATE_KIND_STRUCT; n++)
            rc = load_fields(s, f->fields, version, obj + f->offset + (size_t)n * f->size, err);
    }
    return rc;
}

static int load_section(struct state_stream *s, const struct state_table *t, void *obj,
                        struct err *err)
{
    const u8 *len = take(s, 1), *name = len ? take(s, *len) : NULL;
    const u8 *head = name ? take(s, 6) : NULL;
    struct state_stream body;
    u16 version;
    int rc;

    if (!head || le32(head + 2) > s->len - s->at)
        return err_set(err, EINVAL, "the stream ends within the section");
    if (*len != strlen(t->name) || memcmp(name, t->name, *len))
        return err_set(err, EINVAL, "a section '%.*s' is here instead", *len, (const char *)name);
    version = le16(head);
    if (version < t->oldest || version > t->version)
        return err_set(err, EINVAL, "version %u; this build reads %u to %u", version, t->oldest,
                       t->version);
    body = (struct state_stream){.data = s->data + s->at, .len = le32(head + 2)};
    s->at += body.len;
    rc = load_fields(&body, t->fields, version, obj, err);
    if (!rc && body.at != body.len)
        rc = err_set(err, EINVAL, "the section is %zu bytes too long", body.len - body.at);
    if (!rc && t->loaded && t->loaded(obj))
        rc = err_set(err, EINVAL, "no such device can be in that state");
    return rc;
}

int state_load(struct state_stream *s, const struct state_table *t, void *obj, struct err *err)
{
    int rc = load_section(s, t, obj, err);

    if (rc)
        err_prefix(err, "saved state of %s", t->name);
    return rc;
}

void state_dispose(struct state_stream *s)
{
    free(s->data);
    *s = (struct state_stream){0};
}
