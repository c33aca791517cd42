/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/interp/trace_insn.h"

static const ZydisMachineMode machine_mode[] = {
    [MODE_16] = ZYDIS_MACHINE_MODE_LEGACY_16,
    [MODE_32] = ZYDIS_MACHINE_MODE_LEGACY_32,
    [MODE_64] = ZYDIS_MACHINE_MODE_LONG_64,
};

void trace_insn(struct vcpu *c, const struct block *b)
{
    bool has_raw = b->straddles || !b->host;
    ZydisDisassembledInstruction d;
    u8 bytes[INSN_MAX_BYTES] = {0};
    const char *text = "(bad)";

    for (unsigned n = 0; n < b->insn[0].len; n++)
        bytes[n] = has_raw ? b->raw[n] : host_ld8(b->host + n);
    if (ZYAN_SUCCESS(
            ZydisDisassembleIntel(machine_mode[c->mode], c->rip, bytes, b->insn[0].len, &d)))
        text = d.text;
    trace_line(&c->vm->trace,
               "cpu%u %04x:%016llx %-40s ax=%llx cx=%llx dx=%llx bx=%llx sp=%llx bp=%llx si=%llx "
               "di=%llx fl=%06x",
               c->index, c->seg[SEG_CS].sel, (unsigned long long)c->rip, text,
               (unsigned long long)c->gpr[RAX], (unsigned long long)c->gpr[RCX],
               (unsigned long long)c->gpr[RDX], (unsigned long long)c->gpr[RBX],
               (unsigned long long)c->gpr[RSP], (unsigned long long)c->gpr[RBP],
               (unsigned long long)c->gpr[RSI], (unsigned long long)c->gpr[RDI], vcpu_eflags(c));
}
