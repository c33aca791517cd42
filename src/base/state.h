/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Saved state: what a device keeps of its modelled registers, as a const table of fields. Each
 * object becomes one section of a stream: name, version, length, then the fields in the table's
 * order, little-endian and packed; of large memory only the pages that are not zero. A stream is
 * hostile input.
 *
 * Under the machine's lock, with no CPU running.
 */
#pragma once
#include "base/base.h"
#include "base/err.h"

enum state_kind { STATE_KIND_UINT, STATE_KIND_BOOL, STATE_KIND_STRUCT, STATE_KIND_PAGES };

struct state_table;
struct state_field {
    const char *name; /* NULL ends the table */
    u32 offset, size; /* of one element in the object, in bytes */
    u32 count;        /* elements */
    u16 since;        /* the first version that has the field; before, it keeps its reset value */
    u8 kind;
    const struct state_field *fields; /* of a struct */
    /* Of STATE_KIND_PAGES: the memory that obj has, *len bytes, a multiple of PAGE_SIZE. */
    u8 *(*pages)(void *obj, u64 *len);
};

struct state_table {
    const char *name;
    u16 version, oldest; /* what is written; the oldest that is read */
    const struct state_field *fields;
    void (*before_save)(void *obj); /* brings fields up to date; may be NULL */
    /* After all fields are read: checks them as a whole (every index and length that the device
       later trusts), drives its lines, arms its timers. -EINVAL where no device can be in such a
       state. May be NULL. */
    int (*loaded)(void *obj);
};

/* Fields of any unsigned or signed integer type, of an array of them, and of bool. */
#define STATE_ELEMENTS(type, field, n, what, from)                                                 \
    {                                                                                              \
        .name = #field, .offset = offsetof(type, field), .size = sizeof(((type *)0)->field) / (n), \
        .count = (n), .since = (from), .kind = (what)                                              \
    }
#define STATE_UINT(type, field) STATE_ELEMENTS(type, field, 1, STATE_KIND_UINT, 0)
#define STATE_ARRAY(type, field)                                                                   \
    STATE_ELEMENTS(type, field, ARRAY_SIZE(((type *)0)->field), STATE_KIND_UINT, 0)
#define STATE_BOOL(type, field) STATE_ELEMENTS(type, field, 1, STATE_KIND_BOOL, 0)
#define STATE_STRUCTS(type, field, n, sub)                                                         \
    {                                                                                              \
        .name = #field, .offset = offsetof(type, field), .size = sizeof(((type *)0)->field) / (n), \
        .count = (n), .kind = STATE_KIND_STRUCT, .fields = (sub)                                   \
    }
/* Memory of the device's, which it has in that size wherever it is loaded; where memory is
   translated, `loaded` says that it was written. */
#define STATE_PAGES(what, get, from)                                                               \
    {                                                                                              \
        .name = (what), .since = (from), .kind = STATE_KIND_PAGES, .pages = (get)                  \
    }
#define STATE_END                                                                                  \
    {                                                                                              \
        .name = NULL                                                                               \
    }

/* A growing stream to write, or a given one to read. */
struct state_stream {
    u8 *data;
    size_t len, cap;
    size_t at; /* of the next read */
};

/* Appends one section. -ENOMEM. `data` is then freed with state_dispose. */
must_check int state_save(struct state_stream *s, const struct state_table *t, void *obj);
/* Reads the next section into obj, which was made as the saved one was and then reset. -EINVAL
   with a message that names section and field; obj is then fit only to be reset or freed. */
must_check int state_load(struct state_stream *s, const struct state_table *t, void *obj,
                          struct err *err);
void state_dispose(struct state_stream *s);
