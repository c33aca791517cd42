/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oracle [--seed N] [--rounds N] [--every N] [--max-failures N] [--only MNEMONIC] [--report]
 *        [--engine interp|dbt]
 * Sweeps over all encodings in 64-bit and 32-bit code and compares with the real CPU.
 */
#include "oracle.h"

#include "cpu/interp/table.h"
#include "x86/regs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    u64 seed, rounds, every;
    unsigned max_failures;
    const char *only;
    bool report;
    const struct engine_ops *engine;
};

static u64 executed[ZYDIS_MNEMONIC_MAX_VALUE + 1];
static u64 failed[ZYDIS_MNEMONIC_MAX_VALUE + 1];

/* Results that the manuals leave undefined. */
static bool result_undefined(const struct test_case *t)
{
    unsigned width = t->zi.operand_width, count;

    switch (t->zi.mnemonic) {
    case ZYDIS_MNEMONIC_SHLD:
    case ZYDIS_MNEMONIC_SHRD:
        count = t->zo[2].type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? (unsigned)t->zo[2].imm.value.u
                                                              : (unsigned)t->in.gpr[RCX];
        return width == 16 && (count & 31) > 16;
    case ZYDIS_MNEMONIC_BSWAP:
        return width == 16;
    default:
        return false;
    }
}

static u32 defined_flags(const struct test_case *t)
{
    return t->zi.cpu_flags ? ~t->zi.cpu_flags->undefined : ~0u;
}

static void show_bytes(const struct test_case *t)
{
    ZydisDisassembledInstruction d;

    ZydisDisassembleIntel(t->code32 ? ZYDIS_MACHINE_MODE_LONG_COMPAT_32
                                    : ZYDIS_MACHINE_MODE_LONG_64,
                          t->in.rip, t->bytes, t->len, &d);
    printf("%s-bit: %s  [", t->code32 ? "32" : "64", d.text);
    for (unsigned n = 0; n < t->len; n++)
        printf("%02x", t->bytes[n]);
    printf("]\n");
}

static bool differs(const char *what, int index, const void *in, const void *native,
                    const void *domus, size_t size, bool quiet)
{
    const u8 *a = native, *b = domus, *c = in;

    if (!memcmp(native, domus, size))
        return false;
    if (quiet)
        return true;
    printf("  %s%d: in ", what, index);
    for (size_t n = size; n--;)
        printf("%02x", c[n]);
    printf("\n    CPU   ");
    for (size_t n = size; n--;)
        printf("%02x", a[n]);
    printf("\n    Domus ");
    for (size_t n = size; n--;)
        printf("%02x", b[n]);
    printf("\n");
    return true;
}

/* Flags beside an unmasked exception that cannot be told from a masked run: PE with overflow and
   underflow, and for dot products those of the steps after the one that failed. */
static void mask_unknowable(const struct test_case *t, u32 *a, u32 *b)
{
    u32 known = ~0x20u;

    if (t->zi.mnemonic == ZYDIS_MNEMONIC_DPPS || t->zi.mnemonic == ZYDIS_MNEMONIC_DPPD ||
        t->zi.mnemonic == ZYDIS_MNEMONIC_VDPPS || t->zi.mnemonic == ZYDIS_MNEMONIC_VDPPD)
        known = ~0x3fu;
    *a &= known;
    *b &= known;
}

static bool compare(const struct test_case *t, const struct outcome *cpu,
                    const struct outcome *domus, bool quiet)
{
    const struct cpu_image *in = &t->in, *a = &cpu->cpu, *b = &domus->cpu;
    u32 flags = defined_flags(t) & (EFLAGS_ARITH | EFLAGS_DF | EFLAGS_AC);
    u32 ma = a->mxcsr, mb = b->mxcsr;
    bool bad = false;
    u32 fa = a->eflags & flags, fb = b->eflags & flags;

    if (cpu->vector != domus->vector || cpu->error != domus->error || cpu->cr2 != domus->cr2) {
        if (!quiet)
            printf("  exception: CPU %d (%x, %llx), Domus %d (%x, %llx)\n", cpu->vector, cpu->error,
                   (unsigned long long)cpu->cr2, domus->vector, domus->error,
                   (unsigned long long)domus->cr2);
        return true;
    }
    if (cpu->vector >= 0)
        flags = 0;
    bad |= differs("rip", 0, &in->rip, &a->rip, &b->rip, 8, quiet);
    for (int n = 0; n < 16; n++)
        bad |= differs("gpr", n, &in->gpr[n], &a->gpr[n], &b->gpr[n], 8, quiet);
    if (flags)
        bad |= differs("eflags", 0, &in->eflags, &fa, &fb, 4, quiet);
    for (int n = 0; n < 16; n++)
        bad |= differs("ymm", n, in->ymm[n], a->ymm[n], b->ymm[n], 32, quiet);
    for (int n = 0; n < 8; n++)
        bad |= differs("st", n, in->st[n], a->st[n], b->st[n], 10, quiet);
    bad |= differs("fcw", 0, &in->fcw, &a->fcw, &b->fcw, 2, quiet);
    bad |= differs("fsw", 0, &in->fsw, &a->fsw, &b->fsw, 2, quiet);
    bad |= differs("ftw", 0, &in->ftw, &a->ftw, &b->ftw, 1, quiet);
    if (cpu->vector == VEC_XM)
        mask_unknowable(t, &ma, &mb);
    bad |= differs("mxcsr", 0, &in->mxcsr, &ma, &mb, 4, quiet);
    for (unsigned n = 0; n < DATA_SIZE; n += 8)
        if (memcmp(cpu->data + n, domus->data + n, 8)) {
            bad |= differs("data+", (int)n, t->data + n, cpu->data + n, domus->data + n, 8, quiet);
            if (quiet)
                break;
        }
    return bad;
}

static bool wanted(const struct options *o, const struct test_case *t)
{
    return !o->only || !strcasecmp(o->only, ZydisMnemonicGetString(t->zi.mnemonic));
}

static u64 sweep(const struct options *o, struct rng *r, bool code32)
{
    static struct test_case t;
    static struct outcome cpu, domus;
    u64 failures = 0;

    for (u64 n = rng_next(r) % o->every; n < gen_count(); n += o->every) {
        if (!gen_case(&t, n, code32, r) || !wanted(o, &t) || result_undefined(&t))
            continue;
        native_run(&t, &cpu);
        guest_run(&t, &domus);
        executed[t.zi.mnemonic]++;
        if (!compare(&t, &cpu, &domus, true))
            continue;
        failures++;
        if (failed[t.zi.mnemonic]++ < o->max_failures) {
            show_bytes(&t);
            (void)compare(&t, &cpu, &domus, false);
        }
    }
    return failures;
}

/* Which instructions the integer unit knows and no test has run. */
static void report(void)
{
    unsigned known = 0, run = 0;

    printf("integer and system instructions that this sweep does not run:");
    for (unsigned m = 1; m <= ZYDIS_MNEMONIC_MAX_VALUE; m++) {
        if (executed[m])
            run++;
        if (insn_desc_for(m)) {
            known++;
            if (!executed[m])
                printf(" %s", ZydisMnemonicGetString((ZydisMnemonic)m));
        }
    }
    printf("\n%u mnemonics run, vector ones included; %u in the integer unit's table\n", run,
           known);
}

static bool parse_engine(struct options *o, const char *name)
{
    static const struct engine_ops *const engines[] = {&engine_interp, &engine_dbt};

    for (unsigned n = 0; n < ARRAY_SIZE(engines); n++)
        if (!strcmp(name, engines[n]->name)) {
            o->engine = engines[n];
            return true;
        }
    return false;
}

static bool parse(int argc, char **argv, struct options *o)
{
    *o = (struct options){
        .seed = 1, .rounds = 1, .every = 1, .max_failures = 3, .engine = &engine_interp};
    for (int n = 1; n < argc; n++) {
        const char *a = argv[n], *v = n + 1 < argc ? argv[n + 1] : "";
        if (!strcmp(a, "--report")) {
            o->report = true;
            continue;
        }
        if (!strcmp(a, "--seed"))
            o->seed = strtoull(v, NULL, 0);
        else if (!strcmp(a, "--rounds"))
            o->rounds = strtoull(v, NULL, 0);
        else if (!strcmp(a, "--every"))
            o->every = strtoull(v, NULL, 0);
        else if (!strcmp(a, "--max-failures"))
            o->max_failures = (unsigned)strtoul(v, NULL, 0);
        else if (!strcmp(a, "--only"))
            o->only = v;
        else if (strcmp(a, "--engine") || !parse_engine(o, v))
            return false;
        n++;
    }
    return o->every > 0;
}

/*
 * Whether the host runs what it is given: where user code does not run straight on a CPU (some
 * paravirtual hosts), a signal handler cannot choose any registers it likes, and even a NOP faults.
 */
static bool host_is_a_cpu(bool code32)
{
    static struct test_case t;
    static struct outcome cpu;
    struct rng r = {.state = 1};
    unsigned ran = 0;

    for (u64 n = 0; n < gen_count() && ran < 50; n++) {
        if (!gen_case(&t, n, code32, &r) || t.zi.mnemonic != ZYDIS_MNEMONIC_NOP)
            continue;
        native_run(&t, &cpu);
        if (cpu.vector >= 0)
            return false;
        ran++;
    }
    return true;
}

#define EXIT_SKIP 77 /* as meson understands it */

int main(int argc, char **argv)
{
    struct options o;
    struct rng r;
    u64 failures = 0, total = 0;

    if (!parse(argc, argv, &o)) {
        fprintf(stderr, "usage: oracle [--seed N] [--rounds N] [--every N] [--max-failures N] "
                        "[--only MNEMONIC] [--report] [--engine interp|dbt]\n");
        return 2;
    }
    if (!native_setup() || !guest_setup(o.engine))
        return 2;
    if (!host_is_a_cpu(false) || !host_is_a_cpu(true)) {
        printf("oracle: on this host a NOP faults, so it cannot say what a CPU does; skipped\n");
        return EXIT_SKIP;
    }
    r.state = o.seed;
    for (u64 round = 0; round < o.rounds; round++) {
        failures += sweep(&o, &r, false);
        failures += sweep(&o, &r, true);
    }
    for (unsigned m = 0; m <= ZYDIS_MNEMONIC_MAX_VALUE; m++) {
        total += executed[m];
        if (failed[m])
            printf("FAILED %s: %llu of %llu\n", ZydisMnemonicGetString((ZydisMnemonic)m),
                   (unsigned long long)failed[m], (unsigned long long)executed[m]);
    }
    if (o.report)
        report();
    printf("oracle: %llu instructions compared, %llu differ\n", (unsigned long long)total,
           (unsigned long long)failures);
    return failures ? 1 : 0;
}
