/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fw/place.h"

#include <errno.h>

void place_init(struct place *p, const struct e820_map *map)
{
    p->map = map;
    p->n = 0;
}

static bool is_ram(const struct place *p, u64 base, u64 len)
{
    for (unsigned i = 0; i < p->map->n; i++) {
        const struct e820_entry *e = &p->map->entry[i];
        if (e->type == E820_RAM && base >= e->base && base - e->base < e->size &&
            len <= e->size - (base - e->base))
            return true;
    }
    return false;
}

/* What lies in [base, base + len), which does not wrap; NULL if it is free. */
static const struct place_used *overlap(const struct place *p, u64 base, u64 len)
{
    for (unsigned i = 0; i < p->n; i++)
        if (base < p->used[i].end && p->used[i].base < base + len)
            return &p->used[i];
    return NULL;
}

bool place_try(struct place *p, u64 base, u64 len, const char *what)
{
    if (!len || p->n == PLACE_MAX || !is_ram(p, base, len) || overlap(p, base, len))
        return false;
    p->used[p->n++] = (struct place_used){base, base + len, what};
    return true;
}

int place_take(struct place *p, u64 base, u64 len, const char *what, struct err *err)
{
    const struct place_used *other;

    if (place_try(p, base, len, what))
        return 0;
    if (!is_ram(p, base, len))
        return err_set(err, ENOMEM,
                       "%s needs %#llx bytes at %#llx, where the guest has no memory to use; "
                       "more --memory may help",
                       what, (unsigned long long)len, (unsigned long long)base);
    other = overlap(p, base, len);
    if (!other)
        return err_set(err, E2BIG, "%s: more than %u parts", what, PLACE_MAX);
    return err_set(err, EEXIST, "%s at %#llx (%#llx bytes) overlaps %s at %#llx", what,
                   (unsigned long long)base, (unsigned long long)len, other->what,
                   (unsigned long long)other->base);
}

static u64 take(struct place *p, u64 base, u64 len, const char *what)
{
    return place_try(p, base, len, what) ? base : PLACE_NONE;
}

u64 place_lowest(struct place *p, u64 len, u64 align, u64 min, u64 max, const char *what)
{
    for (unsigned i = 0; i < p->map->n; i++) {
        const struct e820_entry *e = &p->map->entry[i];
        u64 base = align_up(max_u64(e->base, min), align);
        u64 end = min_u64(e->base + e->size, max);
        const struct place_used *other;

        if (e->type != E820_RAM)
            continue;
        /* Each step leaves one used range behind. */
        while (base < end && len <= end - base && (other = overlap(p, base, len)))
            base = align_up(other->end, align);
        if (base < end && len <= end - base)
            return take(p, base, len, what);
    }
    return PLACE_NONE;
}

u64 place_highest(struct place *p, u64 len, u64 align, u64 min, u64 max, const char *what)
{
    for (unsigned i = p->map->n; i-- > 0;) {
        const struct e820_entry *e = &p->map->entry[i];
        u64 low = max_u64(e->base, min);
        u64 end = min_u64(e->base + e->size, max);

        if (e->type != E820_RAM)
            continue;
        while (end > low && len <= end - low) {
            u64 base = (end - len) & ~(align - 1);
            const struct place_used *other;
            if (base < low)
                break;
            other = overlap(p, base, len);
            if (!other)
                return take(p, base, len, what);
            end = other->base;
        }
    }
    return PLACE_NONE;
}

u64 place_top(const struct place *p)
{
    u64 top = MiB;

    for (unsigned i = 0; i < p->n; i++)
        if (p->used[i].end <= MEM_HIGH_START)
            top = max_u64(top, p->used[i].end);
    return top;
}
