/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Intel 82441FX: the host bridge, and what the first megabyte shows; see i440fx.c. */
#pragma once
#include "pci/pci.h"

struct i440fx;
extern const struct state_table i440fx_state;

/* At 00:00.0. With `bios`, the firmware that is shown below 1 MiB until the guest copies it to
   RAM; its last 128 KiB (or less) end at FFFFFh. Without, all of the first megabyte is RAM, as
   a machine without firmware has it, and PAM and SMRAM do nothing. -ENOMEM, -EEXIST. */
must_check int i440fx_new(struct i440fx **out, struct pci_bus *pci, struct mem_window *bios);
void i440fx_reset(struct i440fx *d);
void i440fx_free(struct i440fx *d);
