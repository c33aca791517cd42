/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/crc32c.h"
#include "../test.h"

/* RFC 3720, B.4: 32 bytes of zeros, of ones, rising and falling. */
static void has_the_values_of_the_rfc(void)
{
    u8 buf[32];

    memset(buf, 0, sizeof(buf));
    CHECK_EQ(crc32c(0, buf, 32), 0x8a9136aa);
    memset(buf, 0xff, sizeof(buf));
    CHECK_EQ(crc32c(0, buf, 32), 0x62a8ab43);
    for (u8 i = 0; i < 32; i++)
        buf[i] = i;
    CHECK_EQ(crc32c(0, buf, 32), 0x46dd794e);
    CHECK_EQ(crc32c(crc32c(0, buf, 5), buf + 5, 27), 0x46dd794e);
    for (u8 i = 0; i < 32; i++)
        buf[i] = (u8)(31 - i);
    CHECK_EQ(crc32c(0, buf, 32), 0x113fdb5c);
    CHECK_EQ(crc32c(0, "123456789", 9), 0xe3069283);
}

int main(void)
{
    TEST_RUN(has_the_values_of_the_rfc);
    return test_result();
}
