/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is asked of every format that is written, with power lost at any operation. */
#include "power.h"

static void losing_power_loses_nothing_flushed(void)
{
    power_is_lost(&(struct power){"vdi", NULL, NULL, 4 * MiB, 60});
    power_is_lost(&(struct power){"vpc", NULL, NULL, 6 * MiB, 60});
    power_is_lost(&(struct power){"vmdk", NULL, NULL, 512 * KiB, 120});
    power_is_lost(&(struct power){"parallels", NULL, NULL, 4 * MiB, 60});
    power_is_lost(&(struct power){"qcow", NULL, NULL, 16 * MiB, 60});
    power_is_lost(&(struct power){"vhdx", "block_size", "1M", 4 * MiB, 80});
}

int main(void)
{
    TEST_RUN(losing_power_loses_nothing_flushed);
    return test_result();
}
