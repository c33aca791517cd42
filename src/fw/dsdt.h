/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "fw/buf.h"
#include "fw/platform.h"

/* Appends the definition block that follows the DSDT's header. */
void dsdt_emit(struct buf *b, const struct fw_platform *plat);
