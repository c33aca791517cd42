/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state in which PC firmware leaves interrupt controllers and memory types to a kernel. */
#pragma once
#include "cpu/vm.h"

/* After a reset of all devices and CPUs, before the first instruction; under the machine's lock. */
void fw_init_chipset(struct vm *vm);
