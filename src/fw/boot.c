/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fw/boot.h"
#include "base/le.h"
#include "fw/elf.h"
#include "fw/loader.h"
#include "fw/multiboot.h"
#include "fw/tables.h"
#include "os/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_MIN      (2 * MiB)
#define KERNEL_FILE_MAX (2 * GiB) /* debugging information may make it larger than the guest */

static int load_elf(struct loader *ld, struct err *err)
{
    struct multiboot_header header;
    struct elf elf;
    bool multiboot = multiboot_match(ld->image, &header), pvh;
    u32 entry;
    int rc;

    if (multiboot && (header.flags & MULTIBOOT_ADDRS) && multiboot_understood(&header))
        return multiboot_load(ld, &header, NULL, err);
    rc = elf_open(&elf, ld->image, err);
    if (rc)
        return rc;
    pvh = pvh_match(&elf, &entry);
    if (multiboot && (multiboot_understood(&header) || !pvh))
        return multiboot_load(ld, &header, &elf, err);
    if (pvh)
        return pvh_load(ld, &elf, entry, err);
    return err_set(err, ENOEXEC,
                   "%s: an ELF file with neither a Multiboot 1 header nor a PVH entry point (for "
                   "Linux give the bzImage, /boot/vmlinuz-…, or build with CONFIG_PVH)",
                   ld->image->path);
}

/* Says what a file is that is nearly a kernel. */
static int not_a_kernel(const struct boot_image *image, struct err *err)
{
    static const struct {
        const char magic[7], program[7];
        u8 len;
    } packed[] = {
        {"\x1f\x8b", "gzip", 2},
        {"\xfd"
         "7zXZ",
         "xz", 5},
        {"BZh", "bzip2", 3},
        {"\x28\xb5\x2f\xfd", "zstd", 4},
        {"\x02\x21\x4c\x18", "lz4", 4},
        {"\x89LZO", "lzop", 4},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(packed); i++)
        if (image->size >= packed[i].len && !memcmp(image->data, packed[i].magic, packed[i].len))
            return err_set(err, ENOEXEC, "%s is compressed with %s; unpack it first", image->path,
                           packed[i].program);
    return err_set(err, ENOEXEC,
                   "%s is not a kernel known here: no Linux bzImage, no Multiboot 1 header, no ELF "
                   "file with a PVH entry point",
                   image->path);
}

int loader_load(struct loader *ld, struct err *err)
{
    struct multiboot_header header;

    if (elf_match(ld->image))
        return load_elf(ld, err);
    if (linux_match(ld->image))
        return linux_load(ld, err);
    if (multiboot_match(ld->image, &header))
        return multiboot_load(ld, &header, NULL, err);
    return not_a_kernel(ld->image, err);
}

int boot_load_image(struct boot_state *out, struct mem *mem, const struct boot_options *opt,
                    const struct boot_image *image, const struct fw_platform *plat, struct err *err)
{
    struct loader ld = {.mem = mem, .opt = opt, .image = image, .out = out};
    int rc;

    memset(out, 0, sizeof(*out));
    if (mem->low < MEMORY_MIN)
        return err_set(err, EINVAL,
                       "%llu KiB of guest memory are too little to boot; give at "
                       "least 2 MiB with --memory",
                       (unsigned long long)(mem->low / KiB));
    e820_build(&ld.map, mem);
    place_init(&ld.place, &ld.map);
    rc = tables_write(&ld.rsdp, mem, plat, err);
    return rc ? rc : loader_load(&ld, err);
}

int boot_load(struct boot_state *out, struct mem *mem, const struct boot_options *opt,
              const struct fw_platform *plat, struct err *err)
{
    struct boot_image image = {.path = opt->kernel};
    u8 *data;
    int rc = file_read_all(opt->kernel, &data, &image.size, KERNEL_FILE_MAX, err);

    if (rc)
        return rc;
    image.data = data;
    rc = boot_load_image(out, mem, opt, &image, plat, err);
    free(data);
    return rc;
}
