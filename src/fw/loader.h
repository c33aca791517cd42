/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the loaders of the boot protocols share. Internal to fw/. */
#pragma once
#include "fw/boot.h"
#include "fw/e820.h"
#include "fw/place.h"

#define LOADER_MODULES_MAX 64
#define LOADER_TEXT_MAX    (64 * KiB) /* a command line or module string, with its NUL */

/* The code segment's selector in the table that loader_gdt builds; data and TSS follow. Linux calls
   it __BOOT_CS; for other kernels there is no rule, but some leave the registers as they are when
   they load a table of their own, and count on QEMU's. */
#define LOADER_CS_LINUX 0x10
#define LOADER_CS_OTHER 0x08

/*
 * What is known only once firmware has run, which then has it filled in (kernel_rom.c). Addresses
 * in guest memory; 0 for what the protocol does not have.
 */
struct loader_late {
    u32 map;    /* of the first entry's base, length and type, LATE_STRIDE from entry to entry */
    u32 room;   /* for so many entries */
    u32 length; /* of the map's: a u32, … */
    u32 unit;   /* … for which each entry counts as much */
    u32 memory; /* two u32: KiB of base memory, and of what starts at 1 MiB */
    u32 rsdp;   /* a u32, for the low half of the address */
};

#define LATE_STRIDE 24u
#define LATE_ROOM   64u

struct loader {
    struct mem *mem;
    const struct boot_options *opt;
    const struct boot_image *image;
    struct e820_map map;
    struct place place;
    gpa_t rsdp;
    struct boot_state *out;
    struct loader_late *late; /* NULL if all is known now */
};

struct loader_module {
    u64 base, size;
    u64 text; /* address of its string */
};

struct loader_modules {
    struct loader_module m[LOADER_MODULES_MAX];
    unsigned n;
};

/* Copies n bytes to free memory, in base memory if possible, else anywhere below 4 GiB. */
must_check int loader_put(struct loader *ld, const void *data, size_t n, u64 align,
                          const char *what, gpa_t *at, struct err *err);
/* Puts a, b or "a b" there as a string; NULL is an empty part. */
must_check int loader_put_text(struct loader *ld, const char *a, const char *b, const char *what,
                               gpa_t *at, struct err *err);
/* The GDT of a mode, with the out-> fields that go with it. */
must_check int loader_gdt(struct loader *ld, u8 mode, u16 cs, struct err *err);
/* How many entries of the memory map there must be room for; not more than LATE_ROOM. */
unsigned loader_map_room(const struct loader *ld);
/* Page tables that map RAM below 512 GiB to itself, by 2 MiB pages, and out->cr3. */
must_check int loader_identity_map(struct loader *ld, struct err *err);
/* Reads a file and puts it, page-aligned, above what lies below 4 GiB already; `args` may be
   NULL. Its string is "path args". */
must_check int loader_module(struct loader *ld, struct loader_modules *mods, const char *path,
                             const char *args, struct err *err);
/* All of opt->modules. */
must_check int loader_modules(struct loader *ld, struct loader_modules *mods, struct err *err);

/* Recognises ld->image and loads it by its protocol. */
must_check int loader_load(struct loader *ld, struct err *err);

/* The protocols. *_match looks only at the image. */
struct elf;
struct multiboot_header;
bool linux_match(const struct boot_image *image);
must_check int linux_load(struct loader *ld, struct err *err);
bool pvh_match(const struct elf *elf, u32 *entry);
must_check int pvh_load(struct loader *ld, const struct elf *elf, u32 entry, struct err *err);
bool multiboot_match(const struct boot_image *image, struct multiboot_header *header);
must_check int multiboot_load(struct loader *ld, const struct multiboot_header *header,
                              const struct elf *elf, struct err *err);
