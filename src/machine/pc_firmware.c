/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Firmware of the "pc" board: an image that ends at 4 GiB, and for UEFI a flash chip with its
 * variables right below. Without a file of their own (--nvram), changes of the variables end with
 * the process.
 */
#include "machine/pc.h"

#include "dev/pflash.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEABIOS   "/usr/share/seabios/bios-256k.bin"
#define OVMF_CODE "/usr/share/OVMF/OVMF_CODE_4M.fd"
#define OVMF_VARS "/usr/share/OVMF/OVMF_VARS_4M.fd"
#define IMAGE_MAX (16 * MiB)

/* A window with the file's contents. */
static int load(struct mem_window **out, struct mem *mem, const char *path, u64 multiple,
                struct err *err)
{
    u8 *data = NULL;
    size_t size = 0;
    int rc = file_read_all(path, &data, &size, IMAGE_MAX, err);

    if (!rc && (!size || size % multiple))
        rc = err_set(err, EINVAL, "%s: %zu bytes are no multiple of %llu, as firmware has", path,
                     size, (unsigned long long)multiple);
    if (!rc && mem_window_new(out, mem, size, true))
        rc = err_set(err, ENOSPC, "%s: no room for its %zu bytes", path, size);
    if (!rc)
        memcpy(mem_window_host(*out), data, size);
    free(data);
    return rc;
}

/* A fresh file of variables, from those that firmware comes with. */
static int create_nvram(const char *path, struct err *err)
{
    u8 *data = NULL;
    size_t size = 0;
    int fd, rc = file_read_all(OVMF_VARS, &data, &size, IMAGE_MAX, err);

    if (rc)
        return rc;
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        rc = err_set(err, errno, "cannot create %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(data);
    return rc;
}

static int open_nvram(struct machine *m, struct err *err)
{
    const char *path = m->cfg->nvram;
    int rc = 0;

    if (m->cfg->uefi && access(path, F_OK) < 0)
        rc = create_nvram(path, err);
    if (rc)
        return rc;
    m->pc->nvram_fd = open(path, O_RDWR | O_CLOEXEC);
    if (m->pc->nvram_fd < 0)
        return err_set(err, errno, "cannot open %s for writing: %s", path, strerror(errno));
    return 0;
}

/* A failure leaves the variables right until the process ends. */
static void write_nvram(void *opaque, u64 off, u64 len)
{
    const struct machine *m = opaque;
    const u8 *data = mem_window_host(m->pc->vars) + off;

    if (m->pc->nvram_fd >= 0 && pwrite(m->pc->nvram_fd, data, len, (off_t)off) != (ssize_t)len)
        fprintf(stderr, "domus: %s: cannot save a variable of the firmware: %s\r\n", m->cfg->nvram,
                strerror(errno));
}

static int init_vars(struct machine *m, struct err *err)
{
    struct pc *pc = m->pc;
    int rc = m->cfg->nvram ? open_nvram(m, err) : 0;

    if (!rc)
        rc = load(&pc->vars, m->vm.mem, m->cfg->nvram ? m->cfg->nvram : OVMF_VARS, PFLASH_BLOCK,
                  err);
    if (rc) {
        err_prefix(err, m->cfg->nvram ? "--nvram" : "--uefi");
        return rc;
    }
    rc = pflash_new(&pc->pflash, pc->vars, BIT64(32) - pc->bios->size - pc->vars->size, write_nvram,
                    m);
    return rc ? err_set(err, -rc, "--nvram: %s", strerror(-rc)) : 0;
}

int pc_firmware_init(struct machine *m, struct err *err)
{
    const char *path = m->cfg->bios ? m->cfg->bios : m->cfg->uefi ? OVMF_CODE : SEABIOS;
    int rc = load(&m->pc->bios, m->vm.mem, path, PAGE_SIZE, err);

    m->pc->nvram_fd = -1;
    if (rc) {
        err_prefix(err, m->cfg->uefi ? "--uefi" : "--bios");
        return rc;
    }
    mem_window_place(m->pc->bios, BIT64(32) - m->pc->bios->size);
    return m->cfg->uefi || m->cfg->nvram ? init_vars(m, err) : 0;
}

void pc_firmware_reset(struct pc *pc)
{
    if (pc->pflash)
        pflash_reset(pc->pflash);
}

void pc_firmware_dispose(struct pc *pc)
{
    pflash_free(pc->pflash);
    if (pc->nvram_fd >= 0)
        close(pc->nvram_fd);
}
