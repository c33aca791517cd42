/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fw/grub.h"
#include "../test.h"
#include "base/le.h"

#include <errno.h>

#define SECTORS 55u /* of core.img */

static u8 boot[GRUB_SECTOR], core[SECTORS * GRUB_SECTOR];
static struct err err;

/* What of GRUB's images is looked at. */
static void make_images(void)
{
    memset(boot, 0x11, sizeof(boot));
    memset(core, 0x22, sizeof(core));
    boot[0x64] = 0xff;
    put_le16(boot + 0x66, 0x05eb);
    put_le16(boot + 0x1fe, 0xaa55);
    put_le16(core + 0x1fc, SECTORS - 1);
    put_le16(core + 0x1fe, 0x820);
}

static void placed(void)
{
    make_images();
    CHECK_EQ(grub_core_size(core), sizeof(core));
    CHECK_EQ(grub_place(boot, core, sizeof(core), 2048, &err), 0);
    CHECK_EQ(le64(boot + 0x5c), 2048);
    CHECK_EQ(le16(boot + 0x66), 0x9090);
    CHECK_EQ(le64(core + 0x1f4), 2049);
    CHECK(boot[0x5b] == 0x11 && boot[0x68] == 0x11 && core[0x1f3] == 0x22 && core[0x200] == 0x22);
    /* Not what came out of it, again. */
    CHECK_EQ(grub_place(boot, core, sizeof(core), 2048, &err), -EINVAL);
}

static void not_grub(void)
{
    make_images();
    put_le16(core + 0x1fc, SECTORS);
    CHECK_EQ(grub_place(boot, core, sizeof(core), 2048, &err), -EINVAL);
    make_images();
    put_le16(core + 0x1fe, 0x800);
    CHECK_EQ(grub_core_size(core), 0);
    CHECK_EQ(grub_place(boot, core, sizeof(core), 2048, &err), -EINVAL);
    make_images();
    boot[0x64] = 0x80;
    CHECK_EQ(grub_place(boot, core, sizeof(core), 2048, &err), -EINVAL);
    make_images();
    put_le16(core + 0x1fc, 0);
    CHECK_EQ(grub_place(boot, core, GRUB_SECTOR, 2048, &err), -EINVAL);
}

int main(void)
{
    TEST_RUN(placed);
    TEST_RUN(not_grub);
    return test_result();
}
