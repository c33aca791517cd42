/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --trace xlat: each block as the passes left it. Guest instructions with their template and the
   flags that are live behind them, then the host's instructions. */
#include "cpu/dbt/dbt.h"

#include <Zydis/Zydis.h>

static const char *const kinds[X_KINDS] = {
    [X_OP] = "op",
    [X_OP_END] = "op-end",
    [X_GEN] = "gen",
    [X_LEA] = "lea",
    [X_MOV_IMM] = "mov-imm",
    [X_NOP] = "nop",
    [X_PLAIN] = "plain",
    [X_BSWAP] = "bswap",
    [X_XCHG_ACC] = "xchg",
    [X_BIT_MEM] = "bit-mem",
    [X_DIV] = "div",
    [X_MOFFS] = "moffs",
    [X_PUSH_R] = "push",
    [X_PUSH_I] = "push",
    [X_PUSH_M] = "push",
    [X_POP_R] = "pop",
    [X_LEAVE] = "leave",
    [X_JMP] = "jmp",
    [X_JCC] = "jcc",
    [X_CALL] = "call",
    [X_JMP_IND] = "jmp-ind",
    [X_CALL_IND] = "call-ind",
    [X_RET] = "ret",
    [X_LOOP] = "loop",
    [X_JRCXZ] = "jrcxz",
    [X_EFLAG] = "eflag",
    [X_STI] = "sti",
    [X_SWAPGS] = "swapgs",
    [X_RIGHTS] = "rights",
    [X_PUSHF] = "pushf",
    [X_VEC] = "vec",
    [X_X87] = "x87",
    [X_FLDCW] = "fldcw",
    [X_STRING] = "string",
    [X_MOV_SREG] = "mov-sreg",
};

static const char *flag_names(u32 live, char out[8])
{
    static const struct {
        u32 bit;
        char name;
    } flags[] = {{EFLAGS_OF, 'o'}, {EFLAGS_SF, 's'}, {EFLAGS_ZF, 'z'},
                 {EFLAGS_AF, 'a'}, {EFLAGS_PF, 'p'}, {EFLAGS_CF, 'c'}};
    unsigned n = 0;

    for (unsigned k = 0; k < ARRAY_SIZE(flags); k++)
        if (live & flags[k].bit)
            out[n++] = flags[k].name;
    out[n] = 0;
    return out;
}

static void guest_insn(const struct xblock *b, const struct xinsn *x)
{
    ZydisMachineMode mode =
        (b->key & KEY_MODE) == MODE_64 ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LEGACY_32;
    ZydisDisassembledInstruction d;
    char live[8];

    if (!ZYAN_SUCCESS(ZydisDisassembleIntel(mode, x->off, x->bytes, x->len, &d)))
        strcpy(d.text, "(bad, or in two pages)");
    trace_line(&b->c->vm->trace, "  %03x %-8s %-6s %s", x->off, kinds[x->kind],
               flag_names(x->live, live), d.text);
}

/* Up to where the bytes are no instructions: sites lie between them. */
static void host_code(const struct trace *t, const struct dbt *d, u32 from, u32 to)
{
    while (from < to) {
        ZydisDisassembledInstruction i;
        if (!ZYAN_SUCCESS(ZydisDisassembleIntel(ZYDIS_MACHINE_MODE_LONG_64, from, d->code.rw + from,
                                                to - from, &i)))
            break;
        trace_line(t, "    %06x %s", from, i.text);
        from += i.info.length;
    }
}

void xlat_dump(const struct xblock *b, const struct dbt *d, const struct tb *tb)
{
    trace_line(&b->c->vm->trace, "block page %llx off %03x-%03x key %x%s%s host %x-%x",
               (unsigned long long)b->page, b->off, b->end, b->key, b->checked ? " checked" : "",
               b->flags_in ? " flags-in" : "", tb->entry, tb->end);
    for (unsigned n = 0; n < b->n; n++)
        guest_insn(b, &b->insn[n]);
    host_code(&b->c->vm->trace, d, tb->entry_env, tb->end);
}

void xlat_show(const struct dbt *d, const struct tb *tb, FILE *to)
{
    const struct trace t = {.to = to};

    host_code(&t, d, tb->entry_env, tb->end);
}
