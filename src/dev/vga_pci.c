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

int vga_pci_rom_window(struct mem_window **out, struct mem *mem, const void *rom, size_t size)
{
    u64 room = PAGE_SIZE;
    int rc;

    if (!size || size > ROM_MAX)
        return -EINVAL;
    while (room < size)
        room *= 2;
    rc = mem_window_new(out, mem, room, true);
    if (!rc)
        memcpy(mem_window_host(*out), rom, size);
    return rc;
}

int vga_pci_rom(struct pci_device *pci, struct mem *mem, const void *rom, size_t size)
{
    struct mem_window *w;
    int rc = rom ? vga_pci_rom_window(&w, mem, rom, size) : 0;

    if (rom && !rc)
        pci_add_rom(pci, w);
    return rc;
}
