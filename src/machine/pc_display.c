/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Display adapter and PS/2 input of the "pc" board. Option ROMs are SeaBIOS' VGA BIOSes. */
#include "machine/pc.h"

#include "dev/cirrus.h"
#include "dev/ps2input.h"
#include "dev/stdvga.h"
#include "os/file.h"
#include "virtio/vga.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROM_STD    "/usr/share/seabios/vgabios-stdvga.bin"
#define ROM_CIRRUS "/usr/share/seabios/vgabios-cirrus.bin"
#define ROM_VIRTIO "/usr/share/seabios/vgabios-virtio.bin"
#define ROM_MAX    (256 * KiB)

struct adapter {
    const char *name;
    const char *rom;
    int (*init)(struct machine *m, const void *rom, size_t rom_size);
};

static int init_std(struct machine *m, const void *rom, size_t rom_size)
{
    struct stdvga_config cfg = {
        .pio = &m->vm.pio,
        .mmio = &m->vm.mmio,
        .mem = m->vm.mem,
        .clk = m->vm.clock,
        .rom = rom,
        .rom_size = rom_size,
    };

    return stdvga_new(&m->pc->stdvga, m->pci, PC_VGA_DEVFN, &cfg);
}

static int init_cirrus(struct machine *m, const void *rom, size_t rom_size)
{
    struct cirrus_config cfg = {
        .pio = &m->vm.pio,
        .mmio = &m->vm.mmio,
        .mem = m->vm.mem,
        .clk = m->vm.clock,
        .rom = rom,
        .rom_size = rom_size,
    };

    return cirrus_new(&m->pc->cirrus, m->pci, PC_VGA_DEVFN, &cfg);
}

static int init_virtio(struct machine *m, const void *rom, size_t rom_size)
{
    struct virtio_vga_config cfg = {
        .pio = &m->vm.pio,
        .mmio = &m->vm.mmio,
        .mem = m->vm.mem,
        .clk = m->vm.clock,
        .rom = rom,
        .rom_size = rom_size,
    };

    return virtio_vga_new(&m->pc->virtio_vga, m->pci, PC_VGA_DEVFN, &cfg);
}

static const struct adapter adapters[] = {
    {"std", ROM_STD, init_std},
    {"cirrus", ROM_CIRRUS, init_cirrus},
    {"virtio", ROM_VIRTIO, init_virtio},
};

static int init_adapter(struct machine *m, const struct adapter *a, struct err *err)
{
    u8 *rom = NULL;
    size_t size = 0;
    int rc = file_read_all(a->rom, &rom, &size, ROM_MAX, err);

    if (rc) {
        err_prefix(err, "--vga");
        return rc;
    }
    rc = a->init(m, rom, size);
    free(rom);
    return rc ? err_set(err, -rc, "--vga: %s", strerror(-rc)) : 0;
}

/* "none" is no adapter. */
static int init_vga(struct machine *m, struct err *err)
{
    const char *name = m->cfg->vga ? m->cfg->vga : "std";

    for (unsigned n = 0; n < ARRAY_SIZE(adapters); n++)
        if (!strcmp(name, adapters[n].name))
            return init_adapter(m, &adapters[n], err);
    return 0;
}

int pc_display_init(struct machine *m, struct err *err)
{
    int rc = init_vga(m, err);

    if (rc)
        return rc;
    i8042_set_clock(m->kbc, m->vm.clock);
    rc = ps2input_new(&m->pc->ps2, m->kbc, &m->pc->input, m->vm.clock);
    return rc ? err_set(err, -rc, "machine: out of memory") : 0;
}

void pc_display_reset(struct pc *pc)
{
    if (pc->stdvga)
        stdvga_reset(pc->stdvga);
    if (pc->cirrus)
        cirrus_reset(pc->cirrus);
    if (pc->virtio_vga)
        virtio_vga_reset(pc->virtio_vga);
    ps2input_reset(pc->ps2);
}

void pc_display_dispose(struct pc *pc)
{
    ps2input_free(pc->ps2);
    stdvga_free(pc->stdvga);
    cirrus_free(pc->cirrus);
    virtio_vga_free(pc->virtio_vga);
}

struct display *machine_display(struct machine *m)
{
    if (!m->pc)
        return NULL;
    if (m->pc->stdvga)
        return stdvga_display(m->pc->stdvga);
    if (m->pc->cirrus)
        return cirrus_display(m->pc->cirrus);
    return m->pc->virtio_vga ? virtio_vga_display(m->pc->virtio_vga) : NULL;
}

struct input *machine_input(struct machine *m)
{
    return m->pc ? &m->pc->input : NULL;
}
