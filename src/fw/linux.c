/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Linux/x86 boot protocol, Documentation/x86/boot.rst and zero-page.rst, versions 2.02 to
 * 2.15, for bzImage: the 32-bit entry point, or the 64-bit one for a kernel or initrd that finds
 * room only above 4 GiB. The real-mode part is not run: memory map and ACPI root pointer are
 * handed over in boot_params. screen_info stays zero (no text screen). Left out: zImage, EFI
 * handover, setup_data.
 */
#include "fw/linux.h"
#include "base/le.h"
#include "fw/loader.h"
#include "os/file.h"
#include "x86/regs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Other fields of boot_params. */
enum {
    ACPI_RSDP_ADDR = 0x070,
    EXT_RAMDISK_IMAGE = 0x0c0,
    EXT_RAMDISK_SIZE = 0x0c4,
    E820_ENTRIES = 0x1e8,
    E820_TABLE = 0x2d0,
    E820_ENTRY_LEN = 20,
    BOOT_PARAMS_LEN = 4096,
};

#define XLF_KERNEL_64           BIT(0) /* xloadflags */
#define XLF_CAN_BE_LOADED_ABOVE BIT(1)
#define VID_MODE_NORMAL         0xffff
#define ENTRY64                 0x200 /* the 64-bit entry point, from the load address */
#define DEFAULT_LOAD            0x100000u
#define INITRD_MAX_BEFORE_2_03  0x37ffffffu
#define CMDLINE_MAX_BEFORE_2_06 255u

bool linux_match(const struct boot_image *image)
{
    return image->size >= SECTOR * 2 && le16(image->data + BOOT_FLAG) == 0xaa55 &&
           !memcmp(image->data + HEADER, "HdrS", 4);
}

static int find_payload(struct linux_image *li, struct err *err)
{
    const u8 *h = li->file->data;
    u64 setup = (h[SETUP_SECTS] ? h[SETUP_SECTS] + 1u : 5u) * SECTOR;
    u64 want = (u64)le32(h + SYSSIZE) * 16;
    u64 have = li->file->size > setup ? li->file->size - setup : 0;

    if (li->version < 0x204) /* the upper half of syssize has no meaning yet */
        want = have;
    /* syssize is rounded up to paragraphs. What follows it is a signature. */
    if (!have || !want || want >= have + 16)
        return err_set(err, ENOEXEC,
                       "%s: cut off: the setup header announces %llu bytes, the file "
                       "has %zu",
                       li->file->path, (unsigned long long)(setup + want), li->file->size);
    li->payload = h + setup;
    li->payload_size = min_u64(want, have);
    return 0;
}

static int check_alignment(struct linux_image *li, struct err *err)
{
    const u8 *h = li->file->data;
    u8 min_shift = li->version >= 0x20a ? h[MIN_ALIGNMENT] : 0;

    li->alignment = le32(h + KERNEL_ALIGNMENT);
    if (!li->alignment || (li->alignment & (li->alignment - 1)) || min_shift > 31)
        return err_set(err, ENOEXEC,
                       "%s: damaged setup header: kernel alignment %#llx, minimum 2^%u",
                       li->file->path, (unsigned long long)li->alignment, min_shift);
    li->min_alignment = min_shift >= PAGE_SHIFT ? BIT64(min_shift) : li->alignment;
    return 0;
}

/* The kernel's own setup code reads the field; the word on the command line is for loaders. */
int linux_vid_mode(const char *cmdline, u16 *mode, struct err *err)
{
    static const struct {
        const char *name;
        u16 mode;
    } names[] = {{"normal", 0xffff}, {"ext", 0xfffe}, {"ask", 0xfffd}};
    const char *word = NULL;
    unsigned long val;
    char *end;
    size_t len;

    for (const char *p = cmdline; p && (p = strstr(p, "vga=")); p += 4)
        if (p == cmdline || p[-1] == ' ')
            word = p + 4;
    if (!word)
        return 0;
    len = strcspn(word, " ");
    for (size_t n = 0; n < ARRAY_SIZE(names); n++)
        if (strlen(names[n].name) == len && !memcmp(word, names[n].name, len)) {
            *mode = names[n].mode;
            return 0;
        }
    val = strtoul(word, &end, 0);
    if (!len || *word == '-' || end != word + len || val > UINT16_MAX)
        return err_set(err, EINVAL,
                       "--append: vga=%.*s is no video mode: normal, ext, ask or a number",
                       (int)min_u64(len, 20), word);
    *mode = (u16)val;
    return 0;
}

int linux_parse(struct linux_image *li, const struct boot_image *file, struct err *err)
{
    const u8 *h = file->data;

    *li = (struct linux_image){.file = file, .version = le16(h + VERSION)};
    if (li->version < 0x202)
        return err_set(err, ENOTSUP,
                       "%s: Linux boot protocol %u.%02u is too old; 2.02 (Linux 2.4) "
                       "or later is needed",
                       file->path, li->version >> 8, li->version & 0xff);
    if (!(h[LOADFLAGS] & LOADED_HIGH))
        return err_set(err, ENOTSUP, "%s: a zImage; only bzImage kernels can be booted",
                       file->path);
    li->code32_start = le32(h + CODE32_START);
    li->initrd_addr_max = li->version >= 0x203 ? le32(h + INITRD_ADDR_MAX) : INITRD_MAX_BEFORE_2_03;
    li->relocatable = li->version >= 0x205 && h[RELOCATABLE_KERNEL];
    li->cmdline_max = li->version >= 0x206 ? le32(h + CMDLINE_SIZE) : CMDLINE_MAX_BEFORE_2_06;
    li->xloadflags = li->version >= 0x20c ? le16(h + XLOADFLAGS) : 0;
    if (li->version >= 0x20a) {
        li->pref_address = le64(h + PREF_ADDRESS);
        li->init_size = le32(h + INIT_SIZE);
    }
    if (li->relocatable) {
        int rc = check_alignment(li, err);
        if (rc)
            return rc;
    }
    return find_payload(li, err);
}

/* The kernel moves itself to pref_address: both places must be free. */
static int place_fixed(struct loader *ld, const struct linux_image *li, u64 *load, struct err *err)
{
    u64 run = li->pref_address ? li->pref_address : DEFAULT_LOAD;
    u64 end = DEFAULT_LOAD + li->payload_size, run_end = run + li->init_size;
    int rc;

    *load = DEFAULT_LOAD;
    if (run < DEFAULT_LOAD || run_end < run || li->code32_start != DEFAULT_LOAD)
        return err_set(err, ENOEXEC, "%s: damaged setup header: start %#x, preferred address %#llx",
                       li->file->path, li->code32_start, (unsigned long long)li->pref_address);
    rc = place_take(&ld->place, *load, max_u64(end, run_end) - *load, "the kernel", err);
    if (rc)
        err_prefix(err, "%s", li->file->path);
    return rc;
}

/* The preferred address, else the lowest one that the alignment allows, else above 4 GiB. */
static int place_relocatable(struct loader *ld, const struct linux_image *li, u64 *load,
                             struct err *err)
{
    struct place *p = &ld->place;
    u64 need = max_u64(li->init_size, li->payload_size);
    u64 pref = li->pref_address;

    *load = pref;
    if (pref >= MiB && pref < MEM_HIGH_START && !(pref & (li->alignment - 1)) &&
        place_try(p, pref, need, "the kernel"))
        return 0;
    *load = place_lowest(p, need, li->alignment, MiB, MEM_HIGH_START, "the kernel");
    if (*load == PLACE_NONE)
        *load = place_lowest(p, need, li->min_alignment, MiB, MEM_HIGH_START, "the kernel");
    if (*load == PLACE_NONE && (li->xloadflags & XLF_KERNEL_64) &&
        (li->xloadflags & XLF_CAN_BE_LOADED_ABOVE))
        *load = place_lowest(p, need, li->alignment, MEM_HIGH_START, UINT64_MAX, "the kernel");
    if (*load == PLACE_NONE)
        return err_set(err, ENOMEM, "%s: needs %llu MiB of guest memory to start; raise --memory",
                       li->file->path, (unsigned long long)(need / MiB + 2));
    return 0;
}

/* As high as the kernel allows, where it is out of the way of the kernel's own growth. */
static int place_initrd(struct loader *ld, const struct linux_image *li, size_t size, u64 *base,
                        struct err *err)
{
    u64 max = min_u64((u64)li->initrd_addr_max + 1, MEM_HIGH_START);

    *base = place_highest(&ld->place, size, PAGE_SIZE, MiB, max, "the initrd");
    if (*base == PLACE_NONE && (li->xloadflags & XLF_KERNEL_64) &&
        (li->xloadflags & XLF_CAN_BE_LOADED_ABOVE))
        *base =
            place_highest(&ld->place, size, PAGE_SIZE, MEM_HIGH_START, UINT64_MAX, "the initrd");
    if (*base == PLACE_NONE)
        return err_set(err, ENOMEM,
                       "%s (%zu KiB) does not fit in the guest's memory below %#llx beside the "
                       "kernel; raise --memory",
                       ld->opt->initrd, size / 1024, (unsigned long long)max);
    return 0;
}

static int load_initrd(struct loader *ld, const struct linux_image *li, u8 *bp, u64 *base,
                       struct err *err)
{
    u8 *data;
    size_t size;
    int rc;

    *base = 0;
    if (!ld->opt->initrd)
        return 0;
    rc = file_read_all(ld->opt->initrd, &data, &size, ld->mem->size, err);
    if (rc)
        return rc;
    rc = place_initrd(ld, li, size, base, err);
    if (!rc) {
        BUG_ON(mem_write(ld->mem, *base, data, size));
        put_le32(bp + RAMDISK_IMAGE, (u32)*base);
        put_le32(bp + RAMDISK_SIZE, (u32)size);
        put_le32(bp + EXT_RAMDISK_IMAGE, (u32)(*base >> 32));
        put_le32(bp + EXT_RAMDISK_SIZE, (u32)((u64)size >> 32));
    }
    free(data);
    return rc;
}

static int load_cmdline(struct loader *ld, const struct linux_image *li, u8 *bp, struct err *err)
{
    size_t n = ld->opt->append ? strlen(ld->opt->append) : 0;
    gpa_t at;
    int rc;

    if (n > li->cmdline_max)
        return err_set(err, E2BIG, "the command line has %zu bytes; %s takes at most %u", n,
                       li->file->path, li->cmdline_max);
    rc = loader_put_text(ld, NULL, ld->opt->append, "command line", &at, err);
    if (!rc)
        put_le32(bp + CMD_LINE_PTR, (u32)at);
    return rc;
}

/* boot_params starts as zeros with the setup header; its end is where the jump at 200h leads. */
static void init_boot_params(const struct loader *ld, const struct linux_image *li, u8 *bp)
{
    const u8 *h = li->file->data;
    size_t end = min_u64(HEADER + h[JUMP + 1], HEADER_END);

    memset(bp, 0, BOOT_PARAMS_LEN);
    memcpy(bp + SETUP_SECTS, h + SETUP_SECTS, end - SETUP_SECTS);
    bp[TYPE_OF_LOADER] = LOADER_UNREGISTERED;
    put_le16(bp + VID_MODE, VID_MODE_NORMAL);
    put_le64(bp + ACPI_RSDP_ADDR, ld->rsdp);
    bp[E820_ENTRIES] = (u8)ld->map.n;
    for (unsigned i = 0; i < ld->map.n; i++) {
        u8 *e = bp + E820_TABLE + i * E820_ENTRY_LEN;
        put_le64(e, ld->map.entry[i].base);
        put_le64(e + 8, ld->map.entry[i].size);
        put_le32(e + 16, ld->map.entry[i].type);
    }
}

static int enter32(struct loader *ld, u64 load, gpa_t params, struct err *err)
{
    int rc = loader_gdt(ld, 32, LOADER_CS_LINUX, err);

    ld->out->rip = load;
    ld->out->gpr[RSI] = params; /* EBP, EDI and EBX are 0 */
    return rc;
}

static int enter64(struct loader *ld, u64 load, gpa_t params, struct err *err)
{
    int rc = loader_gdt(ld, 64, LOADER_CS_LINUX, err);

    if (!rc)
        rc = loader_identity_map(ld, err);
    ld->out->rip = load + ENTRY64;
    ld->out->gpr[RSI] = params;
    return rc;
}

static int load_parts(struct loader *ld, const struct linux_image *li, u64 load, struct err *err)
{
    u8 bp[BOOT_PARAMS_LEN];
    gpa_t params;
    u64 initrd;
    bool high;
    int rc;

    init_boot_params(ld, li, bp);
    put_le32(bp + CODE32_START, (u32)load);
    rc = load_initrd(ld, li, bp, &initrd, err);
    if (!rc)
        rc = load_cmdline(ld, li, bp, err);
    if (!rc)
        rc = loader_put(ld, bp, sizeof(bp), PAGE_SIZE, "boot parameters", &params, err);
    if (rc)
        return rc;
    high = load >= MEM_HIGH_START || initrd >= MEM_HIGH_START;
    return high ? enter64(ld, load, params, err) : enter32(ld, load, params, err);
}

int linux_load(struct loader *ld, struct err *err)
{
    struct linux_image li;
    u64 load;
    int rc = linux_parse(&li, ld->image, err);

    if (rc)
        return rc;
    if (ld->opt->nmodules)
        return err_set(err, EINVAL, "%s: a Linux bzImage takes no modules; use --initrd",
                       ld->image->path);
    rc = li.relocatable ? place_relocatable(ld, &li, &load, err) : place_fixed(ld, &li, &load, err);
    if (rc)
        return rc;
    BUG_ON(mem_write(ld->mem, load, li.payload, li.payload_size));
    ld->out->protocol = BOOT_LINUX;
    return load_parts(ld, &li, load, err);
}
