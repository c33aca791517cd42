/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine that the tests of fw/ describe. */
#pragma once
#include "fw/platform.h"

static inline struct fw_platform test_platform(unsigned ncpus)
{
    return (struct fw_platform){
        .ncpus = ncpus,
        .memory = 64 * MiB,
        .nserial = 2,
        .has_hpet = true,
        .pm_base = 0x600,
        .sci_irq = 9,
        .ioapic_base = 0xfec00000,
        .lapic_base = 0xfee00000,
        .hpet_base = 0xfed00000,
        .cpu_signature = 0x000306a9,
        .cpu_features = 0x0fabfbff,
        .cpu_vendor = "GenuineIntel",
        .cpu_brand = "Test CPU",
        .version = "1.2.3",
    };
}
