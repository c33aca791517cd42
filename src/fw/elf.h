/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ELF executables for x86, of 32 and 64 bits, read from memory. Nothing in the file is trusted. */
#pragma once
#include "base/err.h"
#include "fw/boot.h"
#include "fw/place.h"

/* Kernels have a handful; the bounds are ours. */
#define ELF_PHDRS_MAX 128
#define ELF_LOADS_MAX 64

enum elf_phdr_type { ELF_PT_LOAD = 1, ELF_PT_NOTE = 4 };

struct elf {
    const struct boot_image *image;
    bool is64;
    unsigned nphdrs;
    u64 phoff, phentsize;
    u64 entry; /* as the file has it: may be virtual */
};

struct elf_phdr {
    u32 type;
    u64 offset, vaddr, paddr, filesz, memsz, align;
};

bool elf_match(const struct boot_image *image);
/* Checks the file header and that each program header's bytes are inside the file. */
must_check int elf_open(struct elf *elf, const struct boot_image *image, struct err *err);
/* i < elf->nphdrs, after elf_open. */
struct elf_phdr elf_phdr(const struct elf *elf, unsigned i);

/* Takes the places of all PT_LOAD segments, by physical address, and copies them. */
must_check int elf_load(const struct elf *elf, struct mem *mem, struct place *place,
                        struct err *err);
/* The entry point as a physical address: -ENOEXEC if it is not in a segment below 4 GiB. */
must_check int elf_entry32(const struct elf *elf, u32 *entry, struct err *err);
/* True if the physical address is in what elf_load filled. */
bool elf_covers(const struct elf *elf, u64 paddr);
/* Looks for a note by owner and type; its descriptor is inside the file. */
bool elf_find_note(const struct elf *elf, const char *owner, u32 type, const u8 **desc,
                   size_t *size);
