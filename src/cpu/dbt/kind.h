/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which template an instruction has, by mnemonic and form. */
#pragma once
#include "cpu/dbt/dbt.h"

#include <Zydis/Zydis.h>

/* Sets x->kind, x->end and what the template needs; false if there is none. Operands are set. */
must_check bool xkind_integer(struct xinsn *x, const struct vcpu *c, u32 key,
                              const ZydisDecodedInstruction *zi);
/* x87 instructions that have a template: sets x->kind. */
bool xkind_x87(struct xinsn *x, const ZydisDecodedInstruction *zi);
/* The vector unit's instructions that can run as they are. */
bool xkind_vector_ok(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo);
/* MOVSD and CMPSD name a string instruction and a vector one. */
bool xkind_is_vector_twin(const ZydisDecodedInstruction *zi);
/* Those of the interpreter's functions that need all flags, and those behind which the CPU's state
   must be looked at again. */
bool xkind_reads_all_flags(unsigned mnemonic);
bool xkind_vector_ends(unsigned mnemonic);
bool xkind_op_ends(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *zo);
