/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ELF files: the reader alone, then a boot by PVH or Multiboot. */
#include "fw/elf.h"
#include "boot.h"

static void read_all(const struct elf *elf)
{
    const u8 *desc;
    size_t size;
    u32 entry;
    struct err err;

    for (unsigned i = 0; i < elf->nphdrs; i++)
        (void)elf_phdr(elf, i);
    if (!elf_entry32(elf, &entry, &err))
        BUG_ON(!elf_covers(elf, entry));
    if (elf_find_note(elf, "Xen", 18, &desc, &size))
        BUG_ON(desc < elf->image->data || size > elf->image->size ||
               desc + size > elf->image->data + elf->image->size);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    const struct boot_module module = {"/proc/self/cmdline", "arg"};
    const struct boot_options opt = {.modules = &module, .nmodules = 1, .append = "quiet"};
    const struct boot_image image = {"fuzz-input", data, size};
    struct elf elf;
    struct err err;

    if (elf_match(&image) && !elf_open(&elf, &image, &err))
        read_all(&elf);
    fuzz_boot(&opt, data, size);
    return 0;
}
