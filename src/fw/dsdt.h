/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "fw/buf.h"
#include "fw/platform.h"

/* Appends the definition block that follows the DSDT's header. */
void dsdt_emit(struct buf *b, const struct fw_platform *plat);
/* dsdt_hotplug.c: within the PCI root bridge; and after it, outside of any scope. */
void dsdt_emit_hotplug(struct buf *b, u32 slots);
void dsdt_emit_hotplug_event(struct buf *b);
