/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A CPU that counts what its local APIC tells it. */
#pragma once
#include "dev/lapic.h"

#include <stdatomic.h>

struct cpu {
    struct lapic *l;
    _Atomic unsigned intr, nmi, smi, init, sipi;
    _Atomic u8 sipi_vector;
};

static inline void on_intr(void *cpu)
{
    ((struct cpu *)cpu)->intr++;
}

static inline void on_nmi(void *cpu)
{
    ((struct cpu *)cpu)->nmi++;
}

static inline void on_smi(void *cpu)
{
    ((struct cpu *)cpu)->smi++;
}

static inline void on_init(void *cpu)
{
    ((struct cpu *)cpu)->init++;
}

static inline void on_sipi(void *cpu, u8 vector)
{
    ((struct cpu *)cpu)->sipi++;
    ((struct cpu *)cpu)->sipi_vector = vector;
}

static const struct lapic_ops lapic_cpu_ops = {on_intr, on_nmi, on_smi, on_init, on_sipi};
