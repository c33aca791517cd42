/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/vga_pci.h"

#include <errno.h>
#include <string.h>

#define ROM_MAX (256 * KiB)

int vga_pci_vram(struct mem_window **out, struct mem *mem, u64 vram, u64 least, u64 most)
{
    if (vram < least || vram > most || vram & (vram - 1))
        return -EINVAL;
    return mem_window_new(out, mem, vram, false);
}

int vga_pci_rom_window(struct mem_window **out, struct mem *mem, const struct vga_pci_config *cfg)
{
    u64 room = PAGE_SIZE;
    int rc;

    *out = NULL;
    if (!cfg->rom)
        return 0;
    if (!cfg->rom_size || cfg->rom_size > ROM_MAX)
        return -EINVAL;
    while (room < cfg->rom_size)
        room *= 2;
    rc = mem_window_new(out, mem, room, true);
    if (!rc)
        memcpy(mem_window_host(*out), cfg->rom, cfg->rom_size);
    return rc;
}

int vga_pci_rom(struct pci_device *pci, const struct vga_pci_config *cfg)
{
    struct mem_window *w;
    int rc = vga_pci_rom_window(&w, pci_bus_mem(pci->bus), cfg);

    if (!rc && w)
        pci_add_rom(pci, w);
    return rc;
}
