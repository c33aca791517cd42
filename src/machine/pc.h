/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts that only the "pc" board has; see pc.c. */
#pragma once
#include "dev/ns16550a.h"
#include "machine/board.h"

struct pc {
    struct mem_window *bios;
    struct piix3 *piix3;
    struct piix4pm *piix4pm;
    struct debugcon *debugcon;
    struct ns16550a_backend debugcon_to;
};
