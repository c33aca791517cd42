/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "base/base.h"

/* CRC-32C (Castagnoli) of what came before, `crc` (0 at first), and these bytes. */
u32 crc32c(u32 crc, const void *buf, u64 len);
