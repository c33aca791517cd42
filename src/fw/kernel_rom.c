/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A Linux bzImage goes to firmware as it is (linux_rom.c). Other kernels, which are entered in
 * 32-bit mode, are loaded as for a machine without firmware, but into memory that is thrown away:
 * what then lies there is what kernelboot.S brings to the same places of the guest.
 */
#include "fw/kernel_rom.h"
#include "base/le.h"
#include "fw/elf.h"
#include "fw/kernelboot.h"
#include "fw/linux_rom.h"
#include "fw/loader.h"
#include "fw/optrom.h"
#include "os/file.h"
#include "x86/regs.h"

#include <errno.h>
#include <stdlib.h>

#define FILE_MAX (2 * GiB)

extern const u8 kernelboot_rom[], kernelboot_rom_end[];

static void add_ram(struct e820_map *map, u64 base, u64 end)
{
    if (end > base)
        map->entry[map->n++] = (struct e820_entry){base, end - base, E820_RAM};
}

/* Where firmware has nothing when it starts the ROM. */
static void free_memory(struct e820_map *map, u64 low)
{
    map->n = 0;
    add_ram(map, PAGE_SIZE, FIRMWARE_LOW_END);
    add_ram(map, MiB, low > FIRMWARE_ROOM ? low - FIRMWARE_ROOM : 0);
}

static void put_head(u8 *p, const struct boot_state *state, const struct loader_late *late)
{
    put_le32(p + HEAD_ENTRY, (u32)state->rip);
    put_le32(p + HEAD_EAX, (u32)state->gpr[RAX]);
    put_le32(p + HEAD_EBX, (u32)state->gpr[RBX]);
    put_le16(p + HEAD_GDT_LIMIT, state->gdt_limit);
    put_le32(p + HEAD_GDT_BASE, (u32)state->gdt_base);
    put_le32(p + HEAD_MAP, late->map);
    put_le32(p + HEAD_ROOM, late->room);
    put_le32(p + HEAD_LENGTH, late->length);
    put_le32(p + HEAD_UNIT, late->unit);
    put_le32(p + HEAD_MEMORY, late->memory);
    put_le32(p + HEAD_RSDP, late->rsdp);
}

static u64 packed_size(const struct place *place)
{
    u64 size = HEAD_LEN + RECORD_LEN;

    for (unsigned i = 0; i < place->n; i++)
        size += RECORD_LEN + (place->used[i].end - place->used[i].base);
    return size;
}

/* `p` is zeroed and has packed_size bytes: the last record stays 0. */
static void pack(u8 *p, const struct loader *ld)
{
    put_head(p, ld->out, ld->late);
    p += HEAD_LEN;
    for (unsigned i = 0; i < ld->place.n; i++) {
        const struct place_used *u = &ld->place.used[i];
        u64 size = u->end - u->base;

        put_le32(p + RECORD_ADDRESS, (u32)u->base);
        put_le32(p + RECORD_SIZE, (u32)size);
        BUG_ON(mem_read(ld->mem, u->base, p + RECORD_LEN, size));
        p += RECORD_LEN + size;
    }
}

static int add_packed(struct fwcfg *f, const struct loader *ld, struct err *err)
{
    u64 size = packed_size(&ld->place);
    u8 *data = calloc(1, size);
    int rc;

    if (!data)
        return err_set(err, ENOMEM, "%s: not enough memory on the host", ld->image->path);
    pack(data, ld);
    rc = fwcfg_add_bytes(f, KERNELBOOT_DATA, data, size);
    free(data);
    if (!rc)
        rc = optrom_add(f, kernelboot_rom, kernelboot_rom_end);
    return rc ? err_set(err, -rc, "fw_cfg: cannot add the kernel: %s", strerror(-rc)) : 0;
}

static int add_other(struct fwcfg *f, const struct boot_options *opt,
                     const struct boot_image *kernel, u64 low, struct err *err)
{
    struct loader_late late = {0};
    struct boot_state state = {0};
    struct loader ld = {.opt = opt, .image = kernel, .out = &state, .late = &late};
    int rc = mem_new(&ld.mem, low, NULL, err);

    if (rc)
        return rc;
    free_memory(&ld.map, low);
    place_init(&ld.place, &ld.map);
    rc = loader_load(&ld, err);
    if (!rc)
        rc = add_packed(f, &ld, err);
    mem_free(ld.mem);
    return rc;
}

static int add(struct fwcfg *f, const struct boot_options *opt, const struct boot_image *kernel,
               u64 low, bool bios, struct err *err)
{
    if (!elf_match(kernel) && linux_match(kernel))
        return linux_rom_add(f, opt, kernel, low, err);
    if (!bios)
        return err_set(err, ENOEXEC,
                       "%s: no Linux bzImage, which is what UEFI can boot; other kernels need a "
                       "BIOS, without --uefi",
                       kernel->path);
    return add_other(f, opt, kernel, low, err);
}

int kernel_rom_add(struct fwcfg *f, const struct boot_options *opt, u64 low, bool bios,
                   struct err *err)
{
    struct boot_image kernel = {.path = opt->kernel};
    u8 *data = NULL;
    int rc = file_read_all(opt->kernel, &data, &kernel.size, FILE_MAX, err);

    kernel.data = data;
    if (!rc)
        rc = add(f, opt, &kernel, low, bios, err);
    free(data);
    return rc;
}
