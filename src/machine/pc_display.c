/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Display adapter and PS/2 input of the "pc" board. Option ROMs are SeaBIOS' VGA BIOSes. */
#include "machine/pc.h"

#include "dev/cirrus.h"
#include "dev/ps2input.h"
#include "dev/stdvga.h"
#include "os/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROM_STD    "/usr/share/seabios/vgabios-stdvga.bin"
#define ROM_CIRRUS "/usr/share/seabios/vgabios-cirrus.bin"
#define ROM_MAX    (256 * KiB)

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

static int init_vga(struct machine *m, struct err *err)
{
    bool cirrus = m->cfg->vga && !strcmp(m->cfg->vga, "cirrus");
    u8 *rom = NULL;
    size_t size = 0;
    int rc;

    if (m->cfg->vga && !strcmp(m->cfg->vga, "none"))
        return 0;
    rc = file_read_all(cirrus ? ROM_CIRRUS : ROM_STD, &rom, &size, ROM_MAX, err);
    if (rc) {
        err_prefix(err, "--vga");
        return rc;
    }
    rc = cirrus ? init_cirrus(m, rom, size) : init_std(m, rom, size);
    free(rom);
    return rc ? err_set(err, -rc, "--vga: %s", strerror(-rc)) : 0;
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
    ps2input_reset(pc->ps2);
}

void pc_display_dispose(struct pc *pc)
{
    ps2input_free(pc->ps2);
    stdvga_free(pc->stdvga);
    cirrus_free(pc->cirrus);
}

struct display *machine_display(struct machine *m)
{
    if (!m->pc)
        return NULL;
    if (m->pc->stdvga)
        return stdvga_display(m->pc->stdvga);
    return m->pc->cirrus ? cirrus_display(m->pc->cirrus) : NULL;
}

struct input *machine_input(struct machine *m)
{
    return m->pc ? &m->pc->input : NULL;
}
