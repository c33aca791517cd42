/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A triple fault: shutdown, which a PC answers by a reset. */
#include "desc.h"
#include "io.h"

GUEST("triple")
{
    guest_ready();
    struct dtr none = {0, 0};
    set_idtr(none);
    asm volatile("int3");
    guest_fatal("still here after a triple fault");
}
