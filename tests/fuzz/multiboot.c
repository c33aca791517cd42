/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Multiboot kernels with addresses in the header or in ELF, and the --initrd list of modules. */
#include "boot.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    const struct boot_options opt = {.initrd = "/proc/self/cmdline a,/proc/self/cmdline b,,c"};

    fuzz_boot(&opt, data, size);
    return 0;
}
