/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The formats there are, for the table in format.c. */
#pragma once
#include "block/format.h"

extern const struct block_format format_raw, format_qcow2, format_vdi, format_parallels, format_vpc,
    format_qcow1, format_vhdx, format_vmdk, format_bochs, format_luks, format_cloop, format_cow,
    format_dmg;
