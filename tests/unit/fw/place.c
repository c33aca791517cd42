/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fw/place.h"
#include "../test.h"

#include <errno.h>

static void build(struct e820_map *map, u64 size)
{
    struct mem mem = {.size = size, .low = min_u64(size, MEM_HOLE_START)};

    e820_build(map, &mem);
}

static void check_map_is_sane(const struct e820_map *map, u64 size)
{
    u64 ram = 0, last = 0;

    for (unsigned i = 0; i < map->n; i++) {
        const struct e820_entry *e = &map->entry[i];
        CHECK(e->base >= last && e->size);
        last = e->base + e->size;
        CHECK(last <= MEM_HOLE_START || e->base >= MEM_HIGH_START);
        if (e->type == E820_RAM)
            ram += e->size;
    }
    /* All but the EBDA, the VGA window and the BIOS area. */
    CHECK_EQ(ram, size - (MiB - LOW_EBDA));
}

static void test_e820(void)
{
    struct e820_map map;

    build(&map, 64 * MiB);
    check_map_is_sane(&map, 64 * MiB);
    CHECK_EQ(map.n, 4);
    CHECK_EQ(map.entry[3].base, MiB);
    CHECK_EQ(map.entry[3].size, 63 * MiB);
    build(&map, 5 * GiB);
    check_map_is_sane(&map, 5 * GiB);
    CHECK_EQ(map.n, 5);
    CHECK_EQ(map.entry[4].base, 4 * GiB);
    CHECK_EQ(map.entry[4].size, 2 * GiB);
    build(&map, MiB);
    CHECK_EQ(map.n, 3);
}

static void test_lowest(void)
{
    struct e820_map map;
    struct place p;

    build(&map, 64 * MiB);
    place_init(&p, &map);
    CHECK(place_try(&p, 0x3000, 0x1000, "x"));
    CHECK_EQ(place_lowest(&p, 0x2000, 0x1000, 0x1000, MiB, "a"), 0x1000);
    CHECK_EQ(place_lowest(&p, 0x1000, 0x1000, 0x1000, MiB, "b"), 0x4000);
    CHECK_EQ(place_lowest(&p, 1, 1, 0x1000, MiB, "c"), 0x5000);
    CHECK_EQ(place_lowest(&p, 16, 16, 0x1000, MiB, "d"), 0x5010);
    /* What does not fit in base memory goes above 1 MiB, never in between. */
    CHECK_EQ(place_lowest(&p, 0xa0000, 1, 0, UINT64_MAX, "e"), MiB);
    CHECK_EQ(place_lowest(&p, 0xa0000, 1, 0, MiB, "f"), PLACE_NONE);
    CHECK_EQ(place_lowest(&p, 63 * MiB - 0xa0000 + 1, 1, 0, UINT64_MAX, "g"), PLACE_NONE);
    CHECK_EQ(place_top(&p), MiB + 0xa0000);
}

static void test_highest(void)
{
    struct e820_map map;
    struct place p;

    build(&map, 5 * GiB);
    place_init(&p, &map);
    CHECK_EQ(place_highest(&p, 0x1800, 0x1000, MiB, 4 * GiB, "a"), 3 * GiB - 0x2000);
    CHECK_EQ(place_highest(&p, 0x800, 0x1000, MiB, 4 * GiB, "b"), 3 * GiB - 0x3000);
    CHECK_EQ(place_highest(&p, 0x800, 0x800, MiB, 4 * GiB, "b"), 3 * GiB - 0x800);
    CHECK_EQ(place_highest(&p, 0x1000, 0x1000, MiB, 0x38000000, "c"), 0x37fff000);
    CHECK_EQ(place_highest(&p, GiB, 0x1000, 4 * GiB, UINT64_MAX, "d"), 5 * GiB);
    CHECK_EQ(place_highest(&p, 0x1000, 0x1000, 0x200000, 0x200fff, "e"), PLACE_NONE);
    CHECK_EQ(place_highest(&p, 3 * GiB, 0x1000, 0, UINT64_MAX, "f"), PLACE_NONE);
}

static void test_take(void)
{
    struct e820_map map;
    struct place p;
    struct err err;

    build(&map, 16 * MiB);
    place_init(&p, &map);
    CHECK_EQ(place_take(&p, MiB, MiB, "first", &err), 0);
    CHECK_EQ(-place_take(&p, 2 * MiB - 1, 1, "second", &err), EEXIST);
    CHECK(strstr(err.text, "second") && strstr(err.text, "overlaps first"));
    CHECK_EQ(-place_take(&p, 15 * MiB, MiB + 1, "third", &err), ENOMEM);
    CHECK_EQ(-place_take(&p, 0xf0000, 16, "tables", &err), ENOMEM);
    CHECK_EQ(-place_take(&p, 0x9f000, 0x1000, "ebda", &err), ENOMEM);
    CHECK_EQ(-place_take(&p, UINT64_MAX - 10, 20, "wrap", &err), ENOMEM);
    CHECK_EQ(-place_take(&p, 3 * MiB, UINT64_MAX - MiB, "wrap", &err), ENOMEM);
    CHECK(!place_try(&p, 4 * MiB, 0, "nothing"));
}

static void test_table_is_bounded(void)
{
    struct e820_map map;
    struct place p;
    struct err err;

    build(&map, 16 * MiB);
    place_init(&p, &map);
    for (unsigned i = 0; i < PLACE_MAX; i++)
        CHECK(place_lowest(&p, 1, 2, MiB, 16 * MiB, "x") != PLACE_NONE);
    CHECK_EQ(place_lowest(&p, 1, 2, MiB, 16 * MiB, "x"), PLACE_NONE);
    CHECK_EQ(-place_take(&p, 8 * MiB, 1, "one more", &err), E2BIG);
}

int main(void)
{
    TEST_RUN(test_e820);
    TEST_RUN(test_lowest);
    TEST_RUN(test_highest);
    TEST_RUN(test_take);
    TEST_RUN(test_table_is_bounded);
    return test_result();
}
