/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen's x86/HVM direct boot ABI ("PVH"): docs/misc/pvh and public/arch-x86/hvm/start_info.h of
 * Xen, start info version 1 with the memory map. The initrd is the first module. A descriptor
 * with a relocatable kernel's range (XEN_ELFNOTE_PHYS32_RELOC) is not used: the kernel is loaded
 * where it was linked for.
 */
#include "base/le.h"
#include "fw/elf.h"
#include "fw/loader.h"
#include "x86/regs.h"

#include <errno.h>
#include <string.h>

#define XEN_ELFNOTE_PHYS32_ENTRY 18

#define START_MAGIC   0x336ec578u
#define START_VERSION 1
#define START_LEN     56
#define MODULE_LEN    32
#define MEMMAP_LEN    24

#define INFO_RSDP           32
#define INFO_MEMMAP_ENTRIES 48

bool pvh_match(const struct elf *elf, u32 *entry)
{
    const u8 *desc;
    size_t size;
    u64 at;

    if (!elf_find_note(elf, "Xen", XEN_ELFNOTE_PHYS32_ENTRY, &desc, &size))
        return false;
    if (size != 4 && size != 8)
        return false;
    at = size == 8 ? le64(desc) : le32(desc);
    *entry = (u32)at;
    return at <= UINT32_MAX && elf_covers(elf, at);
}

static int put_memmap(struct loader *ld, gpa_t *at, struct err *err)
{
    u8 table[LATE_ROOM * MEMMAP_LEN] = {0};

    for (unsigned i = 0; i < ld->map.n; i++) {
        put_le64(&table[i * MEMMAP_LEN], ld->map.entry[i].base);
        put_le64(&table[i * MEMMAP_LEN + 8], ld->map.entry[i].size);
        put_le32(&table[i * MEMMAP_LEN + 16], ld->map.entry[i].type);
    }
    return loader_put(ld, table, loader_map_room(ld) * MEMMAP_LEN, 8, "memory map", at, err);
}

static int put_modules(struct loader *ld, const struct loader_modules *mods, gpa_t *at,
                       struct err *err)
{
    u8 list[LOADER_MODULES_MAX * MODULE_LEN] = {0};

    *at = 0;
    if (!mods->n)
        return 0;
    for (unsigned i = 0; i < mods->n; i++) {
        put_le64(&list[i * MODULE_LEN], mods->m[i].base);
        put_le64(&list[i * MODULE_LEN + 8], mods->m[i].size);
        put_le64(&list[i * MODULE_LEN + 16], mods->m[i].text);
    }
    return loader_put(ld, list, mods->n * MODULE_LEN, 8, "module list", at, err);
}

static void note_late(struct loader *ld, gpa_t info, gpa_t memmap)
{
    *ld->late = (struct loader_late){.map = (u32)memmap,
                                     .room = loader_map_room(ld),
                                     .length = (u32)info + INFO_MEMMAP_ENTRIES,
                                     .unit = 1,
                                     .rsdp = (u32)info + INFO_RSDP};
}

static int put_start_info(struct loader *ld, const struct loader_modules *mods, gpa_t *at,
                          struct err *err)
{
    u8 info[START_LEN] = {0};
    gpa_t list, cmdline, memmap;
    int rc = put_modules(ld, mods, &list, err);

    if (!rc)
        rc = loader_put_text(ld, NULL, ld->opt->append, "command line", &cmdline, err);
    if (!rc)
        rc = put_memmap(ld, &memmap, err);
    if (rc)
        return rc;
    put_le32(&info[0], START_MAGIC);
    put_le32(&info[4], START_VERSION);
    put_le32(&info[12], mods->n);
    put_le64(&info[16], list);
    put_le64(&info[24], cmdline);
    put_le64(&info[INFO_RSDP], ld->rsdp);
    put_le64(&info[40], memmap);
    put_le32(&info[INFO_MEMMAP_ENTRIES], ld->map.n);
    rc = loader_put(ld, info, sizeof(info), 8, "start info", at, err);
    if (!rc && ld->late)
        note_late(ld, *at, memmap);
    return rc;
}

int pvh_load(struct loader *ld, const struct elf *elf, u32 entry, struct err *err)
{
    struct loader_modules mods = {.n = 0};
    gpa_t info;
    int rc = elf_load(elf, ld->mem, &ld->place, err);

    if (!rc && ld->opt->initrd)
        rc = loader_module(ld, &mods, ld->opt->initrd, NULL, err);
    if (!rc)
        rc = loader_modules(ld, &mods, err);
    if (!rc)
        rc = put_start_info(ld, &mods, &info, err);
    if (!rc)
        rc = loader_gdt(ld, 32, LOADER_CS_OTHER, err);
    if (rc)
        return rc;
    ld->out->protocol = BOOT_PVH;
    ld->out->rip = entry;
    ld->out->gpr[RBX] = info;
    return 0;
}
