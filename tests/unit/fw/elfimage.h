/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A small ELF kernel: two segments to load, at 1 MiB and 2 MiB, and a PVH note. */
#pragma once
#include "guest.h"

#define TEXT_AT    0x400 /* in the file */
#define TEXT_LEN   0x600
#define TEXT_PADDR 0x100000u
#define DATA_AT    0xa00
#define DATA_LEN   0x100
#define DATA_MEM   0x3000
#define DATA_PADDR 0x200000u
#define NOTE_AT    0x300
#define MB_AT      0x480 /* room for a Multiboot header, in the text */
#define ENTRY      0x40  /* into the text */

struct elf_image {
    u8 data[DATA_AT + DATA_LEN];
    bool is64;
};

static inline u8 *phdr_of(struct elf_image *img, unsigned i)
{
    return img->data + (img->is64 ? 64 + i * 56 : 52 + i * 32);
}

static inline void put_phdr(struct elf_image *img, unsigned i, u32 type, u64 offset, u64 vaddr,
                            u64 paddr, u64 filesz, u64 memsz)
{
    const u64 field[] = {offset, vaddr, paddr, filesz, memsz};
    u8 *p = phdr_of(img, i);

    put_le32(p, type);
    for (unsigned k = 0; k < ARRAY_SIZE(field); k++) {
        if (img->is64)
            put_le64(p + 8 + k * 8, field[k]);
        else
            put_le32(p + 4 + k * 4, (u32)field[k]);
    }
    if (img->is64)
        put_le64(p + 48, 4);
    else
        put_le32(p + 28, 4);
}

/* `virt` is added to virtual addresses and to the entry point. */
static inline void make_elf(struct elf_image *img, bool is64, u64 virt)
{
    u8 *e = img->data;

    memset(img, 0, sizeof(*img));
    img->is64 = is64;
    memcpy(e, "\177ELF", 4);
    e[4] = is64 ? 2 : 1;
    e[5] = e[6] = 1;
    put_le16(e + 16, 2);
    put_le16(e + 18, is64 ? 62 : 3);
    put_le32(e + 20, 1);
    put_le64(e + 24, is64 ? virt + TEXT_PADDR + ENTRY : (virt + TEXT_PADDR + ENTRY) & UINT32_MAX);
    if (is64)
        put_le64(e + 32, 64);
    else
        put_le32(e + 28, 52);
    put_le16(e + (is64 ? 54 : 42), is64 ? 56 : 32);
    put_le16(e + (is64 ? 56 : 44), 3);
    put_phdr(img, 0, 1, TEXT_AT, virt + TEXT_PADDR, TEXT_PADDR, TEXT_LEN, TEXT_LEN);
    put_phdr(img, 1, 1, DATA_AT, virt + DATA_PADDR, DATA_PADDR, DATA_LEN, DATA_MEM);
    put_phdr(img, 2, 4, NOTE_AT, 0, 0, 0, 0);
    memset(e + TEXT_AT, 0x90, TEXT_LEN);
    memset(e + DATA_AT, 0xda, DATA_LEN);
}

/* The PVH note after another one, with a descriptor of 4 or 8 bytes. */
static inline void add_pvh_note(struct elf_image *img, u64 entry, u32 size)
{
    u8 *n = img->data + NOTE_AT;

    put_le32(n, 5);
    put_le32(n + 4, 3);
    put_le32(n + 8, 18);
    memcpy(n + 12, "Linux", 5);
    n += 12 + 8 + 4;
    put_le32(n, 4);
    put_le32(n + 4, size);
    put_le32(n + 8, 18);
    memcpy(n + 12, "Xen", 4);
    put_le64(n + 16, entry);
    put_phdr(img, 2, 4, NOTE_AT, 0, 0, 24 + 16 + size, 24 + 16 + size);
}

static inline void add_multiboot(struct elf_image *img, u32 flags)
{
    u8 *h = img->data + MB_AT;

    put_le32(h, 0x1badb002);
    put_le32(h + 4, flags);
    put_le32(h + 8, -(0x1badb002u + flags));
}

static inline int boot_elf(struct guest *g, const struct boot_options *opt,
                           const struct elf_image *img)
{
    int rc = guest_boot(g, opt, img->data, sizeof(img->data));

    if (rc)
        fprintf(stderr, "%s\n", g->err.text);
    CHECK_EQ(rc, 0);
    return rc;
}
