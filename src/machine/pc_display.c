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

#define ROM_MAX (256 * KiB)

/* One row for each adapter: constructors differ by the type of what they make, and nothing else. */
struct pc_adapter {
    const char *name, *rom;
    int (*make)(void **out, struct pci_bus *bus, u8 devfn, const struct vga_pci_config *cfg);
    void (*reset)(void *vga);
    void (*free)(void *vga);
    struct display *(*display)(void *vga);
};

#define ADAPTER(type)                                                                              \
    static int type##_make(void **out, struct pci_bus *bus, u8 devfn,                              \
                           const struct vga_pci_config *cfg)                                       \
    {                                                                                              \
        struct type *vga = NULL;                                                                   \
        int rc = type##_new(&vga, bus, devfn, cfg);                                                \
                                                                                                   \
        *out = vga;                                                                                \
        return rc;                                                                                 \
    }                                                                                              \
    static void type##_reset_adapter(void *vga)                                                    \
    {                                                                                              \
        type##_reset(vga);                                                                         \
    }                                                                                              \
    static void type##_free_adapter(void *vga)                                                     \
    {                                                                                              \
        type##_free(vga);                                                                          \
    }                                                                                              \
    static struct display *type##_adapter_display(void *vga)                                       \
    {                                                                                              \
        return type##_display(vga);                                                                \
    }

ADAPTER(stdvga)
ADAPTER(cirrus)
ADAPTER(virtio_vga)

#define ROM_DIR "/usr/share/seabios/vgabios-"

static const struct pc_adapter adapters[] = {
    {"std", ROM_DIR "stdvga.bin", stdvga_make, stdvga_reset_adapter, stdvga_free_adapter,
     stdvga_adapter_display},
    {"cirrus", ROM_DIR "cirrus.bin", cirrus_make, cirrus_reset_adapter, cirrus_free_adapter,
     cirrus_adapter_display},
    {"virtio", ROM_DIR "virtio.bin", virtio_vga_make, virtio_vga_reset_adapter,
     virtio_vga_free_adapter, virtio_vga_adapter_display},
};

/* NULL of "none". */
static const struct pc_adapter *find_adapter(const char *name)
{
    for (unsigned n = 0; n < ARRAY_SIZE(adapters); n++)
        if (!strcmp(name, adapters[n].name))
            return &adapters[n];
    return NULL;
}

static int init_vga(struct machine *m, struct err *err)
{
    const struct pc_adapter *a = find_adapter(m->cfg->vga ? m->cfg->vga : "std");
    struct vga_pci_config cfg = {.clk = m->vm.clock};
    u8 *rom = NULL;
    int rc;

    if (!a)
        return 0;
    rc = file_read_all(a->rom, &rom, &cfg.rom_size, ROM_MAX, err);
    if (rc) {
        err_prefix(err, "--vga");
        return rc;
    }
    cfg.rom = rom;
    m->pc->adapter = a;
    rc = a->make(&m->pc->vga, m->pci, PC_VGA_DEVFN, &cfg);
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
    if (pc->vga)
        pc->adapter->reset(pc->vga);
    ps2input_reset(pc->ps2);
}

void pc_display_dispose(struct pc *pc)
{
    ps2input_free(pc->ps2);
    if (pc->vga)
        pc->adapter->free(pc->vga);
}

struct display *machine_display(struct machine *m)
{
    return m->pc && m->pc->vga ? m->pc->adapter->display(m->pc->vga) : NULL;
}

struct input *machine_input(struct machine *m)
{
    return m->pc ? &m->pc->input : NULL;
}
