/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Linux bzImage files. A file of this program's own stands in for the initrd. */
#include "boot.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    const struct boot_options opt = {.initrd = "/proc/self/cmdline", .append = "console=ttyS0"};

    fuzz_boot(&opt, data, size);
    return 0;
}
