/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPU models by name, feature switches, and what CPUID answers. SDM 2A CPUID, APM 3 E. */
#pragma once
#include "base/base.h"
#include "base/err.h"
#include "x86/features.h"

struct cpu_model {
    char name[24];
    char vendor[13]; /* "GenuineIntel" or "AuthenticAMD" */
    char brand[49];  /* leaves 80000002h-80000004h; empty: none */
    u32 signature;   /* leaf 1 EAX */
    u32 max_leaf, max_ext_leaf;
    u32 word[CPUID_WORDS];
    u8 phys_bits, virt_bits;
};

struct cpuid_regs {
    u32 eax, ebx, ecx, edx;
};

static inline bool cpu_model_has(const struct cpu_model *m, enum x86_feature f)
{
    return f == X86_ALWAYS || (m->word[f / 32] >> (f % 32) & 1);
}

/*
 * Parses `MODEL[,+feature,-feature…]`; NULL or "" is the default. Features that the host cannot
 * execute (vector and other instructions that run on the host's own units) are refused with a
 * message, or left out where the model is "max". -EINVAL with err set.
 */
must_check int cpu_model_parse(struct cpu_model *m, const char *text, struct err *err);
/* For help texts: the n-th model's name, NULL past the end. */
const char *cpu_model_name(size_t n);
