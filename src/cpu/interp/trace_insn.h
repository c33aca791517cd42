/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "cpu/interp/blocks.h"

/* --trace insn: one line for the first instruction of the block, which is about to run. */
void trace_insn(struct vcpu *c, const struct block *b);
