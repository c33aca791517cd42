/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Intel 82801AA AC'97 audio; see ac97.c. */
#pragma once
#include "bus/clock.h"
#include "pci/pci.h"
#include "ui/sound.h"

struct ac97;

/* Uses INTA#. -ENOMEM, -EEXIST. */
must_check int ac97_new(struct ac97 **out, struct pci_bus *bus, u8 devfn, struct clock *clk,
                        struct sound_out sound);
void ac97_reset(struct ac97 *a);
void ac97_free(struct ac97 *a);

extern const struct state_table ac97_state;
