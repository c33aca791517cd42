/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts that only the "pc" board has; see pc.c. */
#pragma once
#include "dev/ns16550a.h"
#include "machine/board.h"

struct pc {
    struct mem_window *bios, *vars; /* vars: NULL without UEFI */
    struct pflash *pflash;
    int nvram_fd; /* -1: variables are not kept */
    struct piix3 *piix3;
    struct piix4pm *piix4pm;
    struct debugcon *debugcon;
    struct ns16550a_backend debugcon_to;
};

/* pc_firmware.c */
must_check int pc_firmware_init(struct machine *m, struct err *err);
void pc_firmware_dispose(struct pc *pc);
