/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Multiboot Specification 0.6.96 (version 1 headers): ELF files of 32 and 64 bits (both entered
 * in 32-bit mode) and files with load addresses in the header, which win over ELF's. Modules are
 * always page-aligned, memory information is always given. Left out: symbol tables, drives,
 * the configuration table, APM. A wish for a video mode is accepted and answered with no mode
 * information.
 */
#include "fw/multiboot.h"
#include "base/le.h"
#include "fw/elf.h"
#include "fw/loader.h"
#include "x86/regs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_MAGIC 0x1badb002u
#define LOADER_MAGIC 0x2badb002u
#define SEARCH       8192u
#define HEADER_LEN   12u /* magic, flags, checksum */
#define HEADER_ADDRS 32u /* with the addresses */
#define INFO_LEN     116
#define MODULE_LEN   16
#define MMAP_LEN     24 /* its own size field included */

#define INFO_MEM_LOWER 4 /* and mem_upper */
#define INFO_MMAP_LEN  44

#define INFO_MEMORY  BIT(0)
#define INFO_CMDLINE BIT(2)
#define INFO_MODULES BIT(3)
#define INFO_MMAP    BIT(6)
#define INFO_NAME    BIT(9)

bool multiboot_match(const struct boot_image *image, struct multiboot_header *h)
{
    size_t end = min_u64(image->size, SEARCH);

    for (size_t at = 0; at + HEADER_LEN <= end; at += 4) {
        const u8 *p = image->data + at;
        u32 flags = le32(p + 4);
        if (le32(p) != HEADER_MAGIC || HEADER_MAGIC + flags + le32(p + 8))
            continue;
        if ((flags & MULTIBOOT_ADDRS) && at + HEADER_ADDRS > end)
            continue;
        *h = (struct multiboot_header){.at = (u32)at, .flags = flags};
        if (flags & MULTIBOOT_ADDRS) {
            h->header_addr = le32(p + 12);
            h->load_addr = le32(p + 16);
            h->load_end_addr = le32(p + 20);
            h->bss_end_addr = le32(p + 24);
            h->entry_addr = le32(p + 28);
        }
        return true;
    }
    return false;
}

/* The "a.out kludge": one piece of the file, its place and the zeros after it. */
static int load_by_header(struct loader *ld, const struct multiboot_header *h, struct err *err)
{
    const struct boot_image *image = ld->image;
    u32 before = h->header_addr - h->load_addr; /* bytes of the piece before the header */
    u64 offset, filesz, memsz;
    int rc;

    if (h->header_addr < h->load_addr || before > h->at)
        return err_set(err, ENOEXEC, "%s: Multiboot load address %#x does not fit the header's %#x",
                       image->path, h->load_addr, h->header_addr);
    offset = h->at - before;
    filesz = h->load_end_addr ? (u64)h->load_end_addr - h->load_addr : image->size - offset;
    memsz = h->bss_end_addr ? (u64)h->bss_end_addr - h->load_addr : filesz;
    if (h->load_end_addr && (h->load_end_addr < h->load_addr || filesz > image->size - offset))
        return err_set(err, ENOEXEC, "%s: Multiboot load end %#x is not in the file: cut off",
                       image->path, h->load_end_addr);
    if (h->bss_end_addr && (h->bss_end_addr < h->load_addr || memsz < filesz))
        return err_set(err, ENOEXEC, "%s: Multiboot bss end %#x is before the load end",
                       image->path, h->bss_end_addr);
    if (h->entry_addr < h->load_addr || h->entry_addr - h->load_addr >= memsz)
        return err_set(err, ENOEXEC, "%s: the entry point %#x is not in what is loaded",
                       image->path, h->entry_addr);
    rc = place_take(&ld->place, h->load_addr, memsz, "the kernel", err);
    if (rc) {
        err_prefix(err, "%s", image->path);
        return rc;
    }
    BUG_ON(mem_write(ld->mem, h->load_addr, image->data + offset, filesz));
    BUG_ON(mem_fill(ld->mem, h->load_addr + filesz, 0, memsz - filesz));
    ld->out->rip = h->entry_addr;
    return 0;
}

static int load_kernel(struct loader *ld, const struct multiboot_header *h, const struct elf *elf,
                       struct err *err)
{
    u32 entry;
    int rc;

    if (!multiboot_understood(h))
        return err_set(err, ENOTSUP, "%s: its Multiboot header demands features %#x, unknown here",
                       ld->image->path, h->flags & 0xffff);
    if (h->flags & MULTIBOOT_ADDRS)
        return load_by_header(ld, h, err);
    if (!elf)
        return err_set(err, ENOEXEC,
                       "%s: has a Multiboot header, but is no ELF file and gives no addresses",
                       ld->image->path);
    rc = elf_load(elf, ld->mem, &ld->place, err);
    if (!rc)
        rc = elf_entry32(elf, &entry, err);
    if (!rc)
        ld->out->rip = entry;
    return rc;
}

/* One element of the --initrd list: "path args". */
static int load_list_element(struct loader *ld, struct loader_modules *mods, char *element,
                             struct err *err)
{
    char *args;

    element += strspn(element, " ");
    args = strchr(element, ' ');
    if (args)
        *args++ = 0;
    if (!*element)
        return err_set(err, EINVAL, "--initrd %s: a module without a file name", ld->opt->initrd);
    return loader_module(ld, mods, element, args, err);
}

/* The list is split at commas; two of them stand for one in a name. */
static int load_initrd_list(struct loader *ld, struct loader_modules *mods, struct err *err)
{
    const char *from = ld->opt->initrd;
    char *element = malloc(strlen(from) + 1);
    int rc = 0;

    if (!element)
        return err_set(err, ENOMEM, "not enough memory on the host for the list of modules");
    for (bool more = true; more && !rc;) {
        size_t n = 0;
        for (; *from && (*from != ',' || from[1] == ','); from++) {
            from += *from == ',';
            element[n++] = *from;
        }
        element[n] = 0;
        more = *from++ == ',';
        rc = load_list_element(ld, mods, element, err);
    }
    free(element);
    return rc;
}

static int put_modules(struct loader *ld, const struct loader_modules *mods, gpa_t *at,
                       struct err *err)
{
    u8 list[LOADER_MODULES_MAX * MODULE_LEN] = {0};

    *at = 0;
    if (!mods->n)
        return 0;
    for (unsigned i = 0; i < mods->n; i++) {
        put_le32(&list[i * MODULE_LEN], (u32)mods->m[i].base);
        put_le32(&list[i * MODULE_LEN + 4], (u32)(mods->m[i].base + mods->m[i].size));
        put_le32(&list[i * MODULE_LEN + 8], (u32)mods->m[i].text);
    }
    return loader_put(ld, list, mods->n * MODULE_LEN, 16, "module list", at, err);
}

static int put_mmap(struct loader *ld, gpa_t *at, struct err *err)
{
    u8 table[LATE_ROOM * MMAP_LEN] = {0};
    unsigned room = loader_map_room(ld);

    for (unsigned i = 0; i < room; i++)
        put_le32(&table[i * MMAP_LEN], MMAP_LEN - 4);
    for (unsigned i = 0; i < ld->map.n; i++) {
        put_le64(&table[i * MMAP_LEN + 4], ld->map.entry[i].base);
        put_le64(&table[i * MMAP_LEN + 12], ld->map.entry[i].size);
        put_le32(&table[i * MMAP_LEN + 20], ld->map.entry[i].type);
    }
    return loader_put(ld, table, room * MMAP_LEN, 8, "memory map", at, err);
}

static void note_late(struct loader *ld, gpa_t info, gpa_t mmap)
{
    *ld->late = (struct loader_late){.map = (u32)mmap + 4,
                                     .room = loader_map_room(ld),
                                     .length = (u32)info + INFO_MMAP_LEN,
                                     .unit = MMAP_LEN,
                                     .memory = (u32)info + INFO_MEM_LOWER};
}

static int put_info(struct loader *ld, const struct loader_modules *mods, gpa_t *at,
                    struct err *err)
{
    u8 info[INFO_LEN] = {0};
    gpa_t cmdline, list, mmap, name;
    int rc = loader_put_text(ld, ld->image->path, ld->opt->append, "command line", &cmdline, err);

    if (!rc)
        rc = put_modules(ld, mods, &list, err);
    if (!rc)
        rc = put_mmap(ld, &mmap, err);
    if (!rc)
        rc = loader_put_text(ld, "Domus", NULL, "boot loader name", &name, err);
    if (rc)
        return rc;
    put_le32(&info[0], INFO_MEMORY | INFO_CMDLINE | INFO_MODULES | INFO_MMAP | INFO_NAME);
    put_le32(&info[INFO_MEM_LOWER], LOW_EBDA / 1024);
    put_le32(&info[INFO_MEM_LOWER + 4], (u32)((ld->mem->low - MiB) / KiB));
    put_le32(&info[16], (u32)cmdline);
    put_le32(&info[20], mods->n);
    put_le32(&info[24], (u32)list);
    put_le32(&info[INFO_MMAP_LEN], ld->map.n * MMAP_LEN);
    put_le32(&info[48], (u32)mmap);
    put_le32(&info[64], (u32)name);
    rc = loader_put(ld, info, sizeof(info), 16, "boot information", at, err);
    if (!rc && ld->late)
        note_late(ld, *at, mmap);
    return rc;
}

int multiboot_load(struct loader *ld, const struct multiboot_header *h, const struct elf *elf,
                   struct err *err)
{
    struct loader_modules mods = {.n = 0};
    gpa_t info;
    int rc = load_kernel(ld, h, elf, err);

    if (!rc && ld->opt->initrd)
        rc = load_initrd_list(ld, &mods, err);
    if (!rc)
        rc = loader_modules(ld, &mods, err);
    if (!rc)
        rc = put_info(ld, &mods, &info, err);
    if (!rc)
        rc = loader_gdt(ld, 32, LOADER_CS_OTHER, err);
    if (rc)
        return rc;
    ld->out->protocol = BOOT_MULTIBOOT;
    ld->out->gpr[RAX] = LOADER_MAGIC;
    ld->out->gpr[RBX] = info;
    return 0;
}
