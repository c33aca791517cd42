/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is common to nodes: chains of them, and what a range of a chain is. */
#include "block/driver.h"
#include "block/file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void node_close(struct block_node *n)
{
    while (n) {
        struct block_node *backing = n->backing;
        char *name = n->backing_name, *format = n->backing_format;
        n->ops->close(n);
        free(name);
        free(format);
        n = backing;
    }
}

int node_read_backing(struct block_node *n, u64 off, u8 *buf, u64 len)
{
    struct block_node *b = n->backing;
    u64 there = b && off < b->size ? min_u64(len, b->size - off) : 0;

    memset(buf + there, 0, len - there);
    return there ? b->ops->read(b, off, buf, there) : 0;
}

int node_status(struct block_node *n, u64 off, u64 len, struct block_extent *out)
{
    *out = (struct block_extent){.len = len, .flags = EXTENT_ALLOCATED | EXTENT_DATA};
    return n->ops->status ? n->ops->status(n, off, len, out) : 0;
}

int node_chain_status(struct block_node *n, struct block_node *stop, u64 off, u64 len,
                      struct block_extent *out, struct block_node **in, unsigned *depth)
{
    *depth = 0;
    for (; n && n != stop; n = n->backing, ++*depth) {
        int rc;
        if (off >= n->size) /* a shorter one: zeros, said by this one */
            break;
        rc = node_status(n, off, min_u64(len, n->size - off), out);
        if (rc)
            return rc;
        *in = n;
        if (out->flags & EXTENT_ALLOCATED)
            return 0;
        /* beyond the end of this one it may be otherwise */
        len = out->len;
    }
    *out = (struct block_extent){.len = len, .flags = n && n == stop ? 0 : EXTENT_ZERO};
    *in = NULL;
    return 0;
}

bool node_is_zero(struct block_node *n, u64 off, u64 len)
{
    while (len) {
        struct block_extent e;
        struct block_node *in;
        unsigned depth;
        if (off >= n->size)
            return true;
        if (node_chain_status(n, NULL, off, min_u64(len, n->size - off), &e, &in, &depth) ||
            !(e.flags & EXTENT_ZERO))
            return false;
        off += min_u64(len, e.len);
        len -= min_u64(len, e.len);
    }
    return true;
}

bool is_all_zero(const u8 *buf, u64 len)
{
    return !len || (!buf[0] && !memcmp(buf, buf + 1, len - 1));
}

int node_fault(struct block_node *n, const char *fmt, ...)
{
    struct block_node *top = n;
    va_list ap;

    if (n->fault[0])
        return -EIO;
    va_start(ap, fmt);
    vsnprintf(n->fault, sizeof(n->fault), fmt, ap);
    va_end(ap);
    fprintf(stderr, "domus: '%s' is damaged: %s\r\n", n->file ? bfile_path(n->file) : n->ops->name,
            n->fault);
    while (top->above)
        top = top->above;
    if (top->on_fault)
        top->on_fault(top->fault_opaque, n->fault);
    return -EIO;
}

static struct block_info_item *add_item(struct block_info *info, const char *name)
{
    struct block_info_item *item = &info->item[info->items];

    BUG_ON(info->items == INFO_ITEMS);
    info->items++;
    snprintf(item->name, sizeof(item->name), "%s", name);
    return item;
}

void info_text(struct block_info *info, const char *name, const char *text)
{
    struct block_info_item *item = add_item(info, name);

    item->kind = INFO_TEXT;
    snprintf(item->text, sizeof(item->text), "%s", text);
}

void info_number(struct block_info *info, const char *name, u64 number)
{
    struct block_info_item *item = add_item(info, name);

    item->kind = INFO_NUMBER;
    item->number = number;
}

void info_bool(struct block_info *info, const char *name, bool value)
{
    struct block_info_item *item = add_item(info, name);

    item->kind = INFO_BOOL;
    item->number = value;
}

void block_snapshots_free(struct block_snapshot *list, unsigned count)
{
    for (unsigned i = 0; list && i < count; i++) {
        free(list[i].id);
        free(list[i].name);
    }
    free(list);
}

void block_bitmaps_free(struct block_bitmap_info *list, unsigned count)
{
    for (unsigned i = 0; list && i < count; i++)
        free(list[i].name);
    free(list);
}
