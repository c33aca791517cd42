/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/debugcon.h"
#include "../test.h"
#include "rig.h"

#include <errno.h>

struct text {
    u8 byte[8];
    unsigned n;
};

static void put(void *opaque, u8 byte)
{
    struct text *t = opaque;

    t->byte[t->n++ % sizeof(t->byte)] = byte;
}

static void passes_bytes_on(void)
{
    struct rig rig;
    struct text text = {0};
    struct debugcon *d = NULL, *second = NULL;

    rig_open(&rig);
    CHECK_EQ(debugcon_new(&d, &rig.pio, 0x402, put, &text), 0);
    CHECK_EQ(debugcon_new(&second, &rig.pio, 0x402, put, &text), -EEXIST);
    CHECK_EQ(in8(&rig, 0x402), 0xe9);
    out8(&rig, 0x402, 'h');
    out8(&rig, 0x402, 'i');
    debugcon_reset(d);
    CHECK_EQ(text.n, 2);
    CHECK(!memcmp(text.byte, "hi", 2));
    debugcon_free(d);
    CHECK_EQ(in8(&rig, 0x402), 0xff);
    rig_close(&rig);
}

int main(void)
{
    TEST_RUN(passes_bytes_on);
    return test_result();
}
