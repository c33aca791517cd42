/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Intel MultiProcessor Specification 1.4 tables: the floating pointer, then what it points to. */
#pragma once
#include "fw/buf.h"
#include "fw/platform.h"

/* Fills `b` for the guest address `base`, a multiple of 16 in F0000h-FFFFFh. -ENOMEM. */
must_check int mptable_build(struct buf *b, const struct fw_platform *plat, u32 base);
