/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mem/mem.h"
#include "../test.h"

#include <errno.h>

static struct mem *small(void)
{
    struct mem *mem = NULL;
    struct err err;

    if (mem_new(&mem, 64 * KiB, NULL, &err)) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    return mem;
}

static void ram_below_the_hole(void)
{
    struct mem *mem = small();
    u8 buf[4] = {1, 2, 3, 4};

    CHECK_EQ(mem->low, 64 * KiB);
    CHECK_EQ(mem_page_of(mem, 0), 0);
    CHECK_EQ(mem_page_of(mem, 0xffff), 15);
    CHECK_EQ(mem_page_of(mem, 0x10000), UINT64_MAX);
    CHECK_EQ(mem_page_of(mem, MEM_HOLE_START), UINT64_MAX);
    CHECK_EQ(mem_page_of(mem, MEM_HIGH_START), UINT64_MAX);
    CHECK_EQ(mem_page_of(mem, UINT64_MAX), UINT64_MAX);
    CHECK(mem_ptr(mem, 0x1234) == mem->ram + 0x1234);
    CHECK(mem_ptr(mem, 0x10000) == NULL);
    CHECK_EQ(mem_write(mem, 0xfffc, buf, 4), 0);
    CHECK_EQ(mem->ram[0xffff], 4);
    CHECK_EQ(mem_write(mem, 0xfffd, buf, 4), -EFAULT);
    CHECK_EQ(mem->ram[0xfffd], 2);
    mem_free(mem);
}

static void ranges(void)
{
    struct mem *mem = small();

    CHECK(mem_is_ram(mem, 0, 64 * KiB));
    CHECK(!mem_is_ram(mem, 0, 64 * KiB + 1));
    CHECK(!mem_is_ram(mem, 1, 64 * KiB));
    CHECK(mem_is_ram(mem, 0x10000, 0));
    CHECK(mem_is_ram(mem, UINT64_MAX, 0));
    CHECK(!mem_is_ram(mem, 0x10000, 1));
    CHECK(!mem_is_ram(mem, 0, UINT64_MAX));
    CHECK(!mem_is_ram(mem, UINT64_MAX - 3, 8));
    CHECK(!mem_is_ram(mem, UINT64_MAX, 1));
    mem_free(mem);
}

static void a_failed_copy_changes_nothing(void)
{
    struct mem *mem = small();
    u8 buf[8];

    memset(buf, 0xee, sizeof(buf));
    CHECK_EQ(mem_read(mem, 0xfffc, buf, 8), -EFAULT);
    CHECK_EQ(buf[0], 0xee);
    CHECK_EQ(mem_fill(mem, 0xfffc, 0x55, 8), -EFAULT);
    CHECK_EQ(mem->ram[0xfffc], 0);
    CHECK_EQ(mem_fill(mem, 0xfffc, 0x55, 4), 0);
    CHECK_EQ(mem_read(mem, 0xfffa, buf, 6), 0);
    CHECK(buf[1] == 0 && buf[2] == 0x55 && buf[5] == 0x55 && buf[6] == 0xee);
    CHECK_EQ(mem_read(mem, 0x10000, buf, 0), 0);
    CHECK_EQ(mem_write(mem, 0x10000, buf, 0), 0);
    CHECK_EQ(mem_fill(mem, UINT64_MAX, 0, 0), 0);
    mem_free(mem);
}

/* RAM goes on above 4 GiB, and in the host mapping without a gap. */
static void ram_around_the_hole(void)
{
    const u64 high = 1 * MiB;
    struct mem *mem = NULL;
    struct err err;
    u64 v = 0x1122334455667788, got = 0;

    CHECK_EQ(mem_new(&mem, MEM_HOLE_START + high, NULL, &err), 0);
    if (!mem)
        return;
    CHECK_EQ(mem->low, MEM_HOLE_START);
    CHECK(mem_ptr(mem, MEM_HOLE_START - 1) == mem->ram + MEM_HOLE_START - 1);
    CHECK(mem_ptr(mem, MEM_HOLE_START) == NULL);
    CHECK(mem_ptr(mem, MEM_HIGH_START - 1) == NULL);
    CHECK(mem_ptr(mem, MEM_HIGH_START) == mem->ram + MEM_HOLE_START);
    CHECK(mem_ptr(mem, MEM_HIGH_START + high - 1) == mem->ram + MEM_HOLE_START + high - 1);
    CHECK(mem_ptr(mem, MEM_HIGH_START + high) == NULL);
    CHECK_EQ(mem_page_of(mem, MEM_HIGH_START + 0x1fff), (MEM_HOLE_START >> PAGE_SHIFT) + 1);
    CHECK(mem_is_ram(mem, MEM_HIGH_START, high));
    CHECK(!mem_is_ram(mem, MEM_HIGH_START, high + 1));
    CHECK(!mem_is_ram(mem, MEM_HIGH_START - 1, 2));
    CHECK(!mem_is_ram(mem, MEM_HOLE_START - 4, 8));
    CHECK(!mem_is_ram(mem, 0, MEM_HIGH_START + high));
    CHECK_EQ(mem_write(mem, MEM_HOLE_START - 4, &v, 8), -EFAULT);
    CHECK_EQ(mem_write(mem, MEM_HIGH_START + high - 8, &v, 8), 0);
    CHECK_EQ(mem_read(mem, MEM_HIGH_START + high - 8, &got, 8), 0);
    CHECK_EQ(got, v);
    mem_free(mem);
}

static void writers_tell_of_code_pages_only(void)
{
    struct mem *mem = small();
    u8 buf[3 * PAGE_SIZE] = {0};

    atomic_store(&mem->pages[2].has_code, 1);
    atomic_store(&mem->pages[4].has_code, 1);
    CHECK_EQ(mem_write(mem, 0x1fff, buf, 1), 0);
    CHECK_EQ(mem->pages[2].code_gen, 0);
    CHECK_EQ(mem_write(mem, 0x1fff, buf, 2), 0);
    CHECK_EQ(mem->pages[2].code_gen, 1);
    CHECK_EQ(mem_write(mem, 0x2fff, buf, 1), 0);
    CHECK_EQ(mem->pages[2].code_gen, 2);
    CHECK_EQ(mem_write(mem, 0x2000, buf, 2 * PAGE_SIZE), 0);
    CHECK_EQ(mem->pages[2].code_gen, 3);
    CHECK_EQ(mem->pages[4].code_gen, 0);
    CHECK_EQ(mem_write(mem, 0x2fff, buf, PAGE_SIZE + 2), 0);
    CHECK_EQ(mem->pages[2].code_gen, 4);
    CHECK_EQ(mem->pages[3].code_gen, 0);
    CHECK_EQ(mem->pages[4].code_gen, 1);
    CHECK_EQ(mem_fill(mem, 0x4000, 1, 1), 0);
    CHECK_EQ(mem->pages[4].code_gen, 2);
    CHECK_EQ(mem_read(mem, 0x2000, buf, sizeof(buf)), 0);
    CHECK_EQ(mem->pages[2].code_gen, 4);
    mem_page_written(mem, 2);
    CHECK_EQ(mem->pages[2].code_gen, 5);
    mem_free(mem);
}

static void too_much_is_refused_with_advice(void)
{
    struct mem *mem = NULL;
    struct err err = {.text = ""};

    CHECK(mem_new(&mem, 1ull << 62, NULL, &err) < 0);
    CHECK(mem == NULL);
    CHECK(strstr(err.text, "--memory") != NULL);
    mem_free(NULL);
}

int main(void)
{
    TEST_RUN(ram_below_the_hole);
    TEST_RUN(ranges);
    TEST_RUN(a_failed_copy_changes_nothing);
    TEST_RUN(ram_around_the_hole);
    TEST_RUN(writers_tell_of_code_pages_only);
    TEST_RUN(too_much_is_refused_with_advice);
    return test_result();
}
