/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel lies in fw_cfg as setup code, protected-mode part, initrd and command line, each with
 * the address it is to be brought to. SeaBIOS runs the option ROM of linuxboot.S for that; OVMF
 * reads the same items itself.
 */
#include "fw/linux_rom.h"
#include "base/le.h"
#include "fw/linux.h"
#include "fw/loader.h"
#include "fw/optrom.h"
#include "os/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { /* keys */
       KERNEL_ADDR = 0x07,
       KERNEL_SIZE = 0x08,
       INITRD_ADDR = 0x0a,
       INITRD_SIZE = 0x0b,
       KERNEL_DATA = 0x11,
       INITRD_DATA = 0x12,
       CMDLINE_ADDR = 0x13,
       CMDLINE_SIZE_KEY = 0x14,
       CMDLINE_DATA = 0x15,
       SETUP_ADDR = 0x16,
       SETUP_SIZE = 0x17,
       SETUP_DATA = 0x18,
};

#define SETUP_AT   0x10000u
#define CMDLINE_AT 0x20000u
#define KERNEL_AT  0x100000u
#define HEAP_END   0xfde0u /* of SETUP_AT's segment, less 200h as the protocol has it */
#define FILE_MAX   (2 * GiB)

extern const u8 linuxboot_rom[], linuxboot_rom_end[];

static int add(struct fwcfg *f, u16 addr_key, u32 addr, u16 size_key, u16 data_key,
               const void *data, size_t n)
{
    int rc = fwcfg_add_i32(f, addr_key, addr);

    if (!rc)
        rc = fwcfg_add_i32(f, size_key, (u32)n);
    return rc ? rc : fwcfg_add_bytes(f, data_key, data, n);
}

static int check_cmdline(const struct linux_image *li, const char *append, struct err *err)
{
    size_t len = append ? strlen(append) : 0;

    if (len > li->cmdline_max)
        return err_set(err, E2BIG, "--append: %zu characters; this kernel takes %u at most", len,
                       li->cmdline_max);
    return 0;
}

static int find_initrd(const struct linux_image *li, size_t size, u64 low, const char *path,
                       u32 *addr, struct err *err)
{
    u64 end = min_u64(low > FIRMWARE_ROOM ? low - FIRMWARE_ROOM : 0, li->initrd_addr_max + 1ull);
    u64 kernel_end = max_u64(KERNEL_AT + li->payload_size, li->pref_address + li->init_size);

    if (!size)
        return 0;
    if (end < size || (*addr = (u32)((end - size) & PAGE_MASK)) < kernel_end)
        return err_set(err, ENOMEM, "%s: no room for its %zu bytes; give more with --memory", path,
                       size);
    return 0;
}

/* What a loader fills in of the setup header. */
static void finish_setup(u8 *setup, u16 vid_mode, u32 initrd, size_t initrd_size)
{
    put_le16(setup + VID_MODE, vid_mode);
    setup[TYPE_OF_LOADER] = LOADER_UNREGISTERED;
    setup[LOADFLAGS] |= CAN_USE_HEAP;
    put_le16(setup + HEAP_END_PTR, HEAP_END);
    put_le32(setup + CMD_LINE_PTR, CMDLINE_AT);
    put_le32(setup + RAMDISK_IMAGE, initrd);
    put_le32(setup + RAMDISK_SIZE, (u32)initrd_size);
}

static int add_kernel(struct fwcfg *f, const struct linux_image *li, const char *append,
                      u16 vid_mode, u32 initrd_at, const u8 *initrd, size_t initrd_size)
{
    size_t setup_size = (size_t)(li->payload - li->file->data);
    u8 *setup = malloc(setup_size);
    int rc;

    if (!setup)
        return -ENOMEM;
    memcpy(setup, li->file->data, setup_size);
    finish_setup(setup, vid_mode, initrd_at, initrd_size);
    rc = add(f, SETUP_ADDR, SETUP_AT, SETUP_SIZE, SETUP_DATA, setup, setup_size);
    if (!rc)
        rc =
            add(f, KERNEL_ADDR, KERNEL_AT, KERNEL_SIZE, KERNEL_DATA, li->payload, li->payload_size);
    if (!rc)
        rc = add(f, CMDLINE_ADDR, CMDLINE_AT, CMDLINE_SIZE_KEY, CMDLINE_DATA, append ? append : "",
                 append ? strlen(append) + 1 : 1);
    if (!rc)
        rc = add(f, INITRD_ADDR, initrd_at, INITRD_SIZE, INITRD_DATA, initrd, initrd_size);
    free(setup);
    return rc ? rc : optrom_add(f, linuxboot_rom, linuxboot_rom_end);
}

int linux_rom_add(struct fwcfg *f, const struct boot_options *opt, const struct boot_image *kernel,
                  u64 low, struct err *err)
{
    struct linux_image li;
    u8 *initrd = NULL;
    size_t initrd_size = 0;
    u32 initrd_at = 0;
    u16 vid_mode = 0;
    int rc = linux_parse(&li, kernel, err);

    if (!rc && opt->nmodules)
        rc = err_set(err, EINVAL, "%s: a Linux bzImage takes no modules; use --initrd",
                     kernel->path);
    if (!rc)
        rc = check_cmdline(&li, opt->append, err);
    if (!rc) {
        vid_mode = le16(kernel->data + VID_MODE);
        rc = linux_vid_mode(opt->append, &vid_mode, err);
    }
    if (!rc && opt->initrd)
        rc = file_read_all(opt->initrd, &initrd, &initrd_size, FILE_MAX, err);
    if (!rc)
        rc = find_initrd(&li, initrd_size, low, opt->initrd, &initrd_at, err);
    if (!rc) {
        rc = add_kernel(f, &li, opt->append, vid_mode, initrd_at, initrd, initrd_size);
        rc = rc ? err_set(err, -rc, "fw_cfg: cannot add the kernel: %s", strerror(-rc)) : 0;
    }
    free(initrd);
    return rc;
}
