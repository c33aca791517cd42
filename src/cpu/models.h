/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What cpu_model_parse is made of; for its tests, which bring hosts of their own. */
#pragma once
#include "cpu/cpuid.h"

/* Features whose instructions run on the host's own units, and of them those that this host has. */
bool cpu_feature_needs_host(enum x86_feature f);
void cpu_host_features(u32 words[CPUID_WORDS]);

/* cpu_model_parse for a host that has `host` of the features that need one. */
must_check int cpu_model_parse_on(struct cpu_model *m, const char *text,
                                  const u32 host[CPUID_WORDS], struct err *err);
