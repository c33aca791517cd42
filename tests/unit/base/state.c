/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/state.h"
#include "../test.h"
#include "base/le.h"

#include <errno.h>

struct part {
    u8 a;
    s16 b;
};

struct thing {
    u32 id;
    u8 bytes[3];
    u16 pad; /* not saved */
    bool on;
    struct part part[2];
    u64 late; /* since version 2 */
    int saves, loads, verdict;
};

static void before_save(void *obj)
{
    ((struct thing *)obj)->saves++;
}

static int loaded(void *obj)
{
    ((struct thing *)obj)->loads++;
    return ((struct thing *)obj)->verdict;
}

static const struct state_field part_fields[] = {
    STATE_UINT(struct part, a),
    STATE_UINT(struct part, b),
    STATE_END,
};

#define FIELDS_1                                                                                   \
    STATE_UINT(struct thing, id), STATE_ARRAY(struct thing, bytes), STATE_BOOL(struct thing, on),  \
        STATE_STRUCTS(struct thing, part, 2, part_fields)

static const struct state_field fields1[] = {FIELDS_1, STATE_END};
static const struct state_field fields2[] = {
    FIELDS_1, STATE_ELEMENTS(struct thing, late, 1, STATE_KIND_UINT, 2), STATE_END};

static const struct state_table v1 = {"thing", 1, 1, fields1, before_save, loaded};
static const struct state_table v2 = {"thing", 2, 1, fields2, before_save, loaded};
static const struct state_table v3 = {"thing", 3, 2, fields2, before_save, loaded};
static const struct state_table other = {"other", 1, 1, fields1, NULL, NULL};

enum { HEAD = 1 + 5 + 6, BODY = 4 + 3 + 1 + 2 * 3, ON_AT = HEAD + 7 };

static struct thing a_thing(void)
{
    return (struct thing){.id = 0x12345678,
                          .bytes = {1, 2, 3},
                          .pad = 77,
                          .on = true,
                          .part = {{4, -5}, {6, 7}},
                          .late = 8};
}

static void save(struct state_stream *s, const struct state_table *t)
{
    struct thing thing = a_thing();

    *s = (struct state_stream){0};
    CHECK_EQ(state_save(s, t, &thing), 0);
    CHECK_EQ(thing.saves, t->before_save != NULL);
}

static int load(struct state_stream *s, const struct state_table *t, struct thing *to)
{
    struct err err = {.text = ""};
    int rc = state_load(s, t, to, &err);

    CHECK_EQ(rc != 0, err.text[0] != 0);
    CHECK(!rc || rc == -EINVAL);
    CHECK(!rc || strstr(err.text, t->name));
    return rc;
}

static void comes_back(void)
{
    struct state_stream s;
    struct thing t = {.pad = 5};

    save(&s, &v1);
    CHECK_EQ(s.len, HEAD + BODY);
    CHECK_EQ(s.data[0], 5);
    CHECK_EQ(memcmp(s.data + 1, "thing", 5), 0);
    CHECK_EQ(le16(s.data + 6), 1);
    CHECK_EQ(le32(s.data + 8), BODY);
    CHECK_EQ(load(&s, &v1, &t), 0);
    CHECK_EQ(s.at, s.len);
    CHECK_EQ(t.id, 0x12345678);
    CHECK_EQ(t.bytes[2], 3);
    CHECK(t.on);
    CHECK_EQ(t.part[0].b, -5);
    CHECK_EQ(t.part[1].a, 6);
    CHECK_EQ(t.pad, 5);
    CHECK_EQ(t.late, 0);
    CHECK_EQ(t.loads, 1);
    state_dispose(&s);
    CHECK(!s.data && !s.len);
}

static void sections_follow_each_other(void)
{
    struct state_stream s = {0};
    struct thing one = a_thing(), two = a_thing(), back = {0};

    two.id = 2;
    for (unsigned n = 0; n < 100; n++) {
        CHECK_EQ(state_save(&s, &v1, &one), 0);
        CHECK_EQ(state_save(&s, &other, &two), 0);
    }
    for (unsigned n = 0; n < 100; n++) {
        CHECK_EQ(load(&s, &v1, &back), 0);
        CHECK_EQ(back.id, one.id);
        CHECK_EQ(load(&s, &other, &back), 0);
        CHECK_EQ(back.id, 2);
    }
    CHECK_EQ(load(&s, &v1, &back), -EINVAL); /* nothing is left */
    state_dispose(&s);
}

static void versions(void)
{
    struct state_stream s;
    struct thing t = {.late = 99};

    save(&s, &v1); /* an old stream: the field keeps its value */
    CHECK_EQ(load(&s, &v2, &t), 0);
    CHECK_EQ(t.late, 99);
    CHECK(t.on);
    s.at = 0;
    CHECK_EQ(load(&s, &v3, &t), -EINVAL); /* too old */
    state_dispose(&s);
    save(&s, &v2);
    CHECK_EQ(load(&s, &v2, &t), 0);
    CHECK_EQ(t.late, 8);
    s.at = 0;
    CHECK_EQ(load(&s, &v3, &t), 0);
    s.at = 0;
    CHECK_EQ(load(&s, &v1, &t), -EINVAL); /* from the future */
    state_dispose(&s);
}

static void wrong_name(void)
{
    struct state_stream s;
    struct thing t = {0};

    save(&s, &other);
    CHECK_EQ(load(&s, &v1, &t), -EINVAL);
    s.at = 0;
    s.data[0] = 3; /* a name of another length */
    CHECK_EQ(load(&s, &v1, &t), -EINVAL);
    CHECK_EQ(t.id, 0);
    CHECK_EQ(t.loads, 0);
    state_dispose(&s);
}

static void wrong_bool(void)
{
    struct state_stream s;
    struct thing t = {0};

    save(&s, &v1);
    for (unsigned v = 0; v < 256; v++) {
        s.at = 0;
        s.data[ON_AT] = (u8)v;
        CHECK_EQ(load(&s, &v1, &t), v < 2 ? 0 : -EINVAL);
    }
    state_dispose(&s);
}

static void cut_off(void)
{
    struct state_stream s;
    struct thing t = {0};
    size_t len;

    save(&s, &v1);
    len = s.len;
    for (s.len = 0; s.len < len; s.len++) {
        u8 *copy = malloc(s.len + 1); /* so that a sanitizer sees reads past the end */
        struct state_stream part = {.data = copy, .len = s.len};
        if (!copy)
            abort();
        memcpy(copy, s.data, s.len);
        CHECK_EQ(load(&part, &v1, &t), -EINVAL);
        free(copy);
    }
    CHECK_EQ(t.loads, 0);
    state_dispose(&s);
}

static void wrong_length(void)
{
    static const u32 wrong[] = {0, BODY - 1, BODY + 1, BODY + 2, 0x7fffffff, UINT32_MAX};
    struct state_stream s;
    struct thing t = {0};

    for (unsigned n = 0; n < ARRAY_SIZE(wrong); n++) {
        save(&s, &v1);
        CHECK_EQ(state_save(&s, &v1, &t), 0); /* so that a longer section would be there */
        put_le32(s.data + HEAD - 4, wrong[n]);
        CHECK_EQ(load(&s, &v1, &t), -EINVAL);
        CHECK_EQ(t.loads, 0);
        state_dispose(&s);
    }
}

static void refused(void)
{
    struct state_stream s;
    struct thing t = {.verdict = -EINVAL};

    save(&s, &v1);
    CHECK_EQ(load(&s, &v1, &t), -EINVAL);
    CHECK_EQ(t.loads, 1);
    state_dispose(&s);
}

#define PAGES 5

struct memory {
    u8 before, *pages, after;
};

static u8 *memory_pages(void *obj, u64 *len)
{
    *len = PAGES * PAGE_SIZE;
    return ((struct memory *)obj)->pages;
}

static const struct state_field memory_fields[] = {STATE_UINT(struct memory, before),
                                                   STATE_PAGES("pages", memory_pages, 0),
                                                   STATE_UINT(struct memory, after), STATE_END};
static const struct state_table memory_table = {"memory", 1, 1, memory_fields, NULL, NULL};

static struct memory some_memory(u8 fill)
{
    struct memory m = {1, malloc(PAGES * PAGE_SIZE), 2};

    if (!m.pages)
        abort();
    memset(m.pages, fill, PAGES * PAGE_SIZE);
    return m;
}

/* In the stream: the number of the first page that is there. */
enum { FIRST_PAGE = 1 + 6 + 6 + 1 };

static void memory_is_sparse(void)
{
    struct memory from = some_memory(0), to = some_memory(0x55);
    struct state_stream s = {0};
    struct err err;

    from.pages[PAGE_SIZE + 7] = 1;
    from.pages[4 * PAGE_SIZE + PAGE_SIZE - 1] = 2;
    CHECK_EQ(state_save(&s, &memory_table, &from), 0);
    CHECK_EQ(s.len, FIRST_PAGE + 2 * (4 + PAGE_SIZE) + 4 + 1);
    to.before = to.after = 9;
    CHECK_EQ(state_load(&s, &memory_table, &to, &err), 0);
    CHECK(!memcmp(from.pages, to.pages, PAGES * PAGE_SIZE));
    CHECK_EQ(to.before, 1);
    CHECK_EQ(to.after, 2);
    state_dispose(&s);
    free(from.pages);
    free(to.pages);
}

static void memory_of_another_size(void)
{
    static const u32 wrong[] = {0, 1, 3, PAGES + 1, UINT32_MAX}; /* instead of pages 2 and 3 */
    struct memory m = some_memory(0);
    struct err err;

    m.pages[PAGE_SIZE] = m.pages[2 * PAGE_SIZE] = 1;
    for (unsigned n = 0; n < 2 * ARRAY_SIZE(wrong); n++) {
        struct state_stream s = {0};
        u32 number = wrong[n / 2];
        size_t at = FIRST_PAGE + (n & 1) * (4 + PAGE_SIZE);

        CHECK_EQ(state_save(&s, &memory_table, &m), 0);
        put_le32(s.data + at, number);
        if (number == 3 && n & 1)
            CHECK_EQ(state_load(&s, &memory_table, &m, &err), 0);
        else if (!(number == 1 && !(n & 1)))
            CHECK_EQ(state_load(&s, &memory_table, &m, &err), -EINVAL);
        state_dispose(&s);
        memset(m.pages, 0, PAGES * PAGE_SIZE);
        m.pages[PAGE_SIZE] = m.pages[2 * PAGE_SIZE] = 1;
    }
    free(m.pages);
}

int main(void)
{
    TEST_RUN(memory_is_sparse);
    TEST_RUN(memory_of_another_size);
    TEST_RUN(comes_back);
    TEST_RUN(sections_follow_each_other);
    TEST_RUN(versions);
    TEST_RUN(wrong_name);
    TEST_RUN(wrong_bool);
    TEST_RUN(cut_off);
    TEST_RUN(wrong_length);
    TEST_RUN(refused);
    return test_result();
}
