/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/iov.h"
#include "../test.h"

static u8 mem[100];
static const struct iovec whole[] = {{mem, 10}, {mem + 50, 0}, {mem + 20, 30}, {mem + 90, 5}};

static void parts_are_found(void)
{
    struct iovec out[3];
    u64 bytes;

    CHECK_EQ(iov_bytes(whole, 4), 45);
    CHECK_EQ(iov_part(whole, 0, 45, out, 3, &bytes), 3);
    CHECK(bytes == 45 && out[1].iov_base == mem + 20 && out[2].iov_len == 5);
    CHECK_EQ(iov_part(whole, 10, 12, out, 3, &bytes), 1);
    CHECK(bytes == 12 && out[0].iov_base == mem + 20 && out[0].iov_len == 12);
    CHECK_EQ(iov_part(whole, 9, 36, out, 2, &bytes), 2); /* no room for the last */
    CHECK(bytes == 31 && out[0].iov_base == mem + 9 && out[1].iov_len == 30);
    CHECK_EQ(iov_part(whole, 44, 1, out, 1, &bytes), 1);
    CHECK(bytes == 1 && out[0].iov_base == mem + 94);
}

static void they_are_filled_and_collected(void)
{
    u8 flat[45], back[45];

    for (u8 i = 0; i < 45; i++)
        flat[i] = i;
    memset(mem, 0xee, sizeof(mem));
    iov_scatter(whole, 4, flat);
    CHECK(mem[9] == 9 && mem[10] == 0xee && mem[20] == 10 && mem[94] == 44 && mem[95] == 0xee);
    iov_gather(back, whole, 4);
    CHECK(!memcmp(back, flat, 45));
    iov_zero(whole, 4);
    CHECK(!mem[0] && !mem[49] && mem[50] == 0xee && !mem[94] && mem[95] == 0xee);
}

int main(void)
{
    TEST_RUN(parts_are_found);
    TEST_RUN(they_are_filled_and_collected);
    return test_result();
}
