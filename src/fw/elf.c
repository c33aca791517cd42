/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System V ABI, ELF header, program headers and notes, for EM_386 and EM_X86_64 in little-endian
 * order. Section headers are not looked at.
 */
#include "fw/elf.h"
#include "base/le.h"

#include <errno.h>
#include <string.h>

#define EHDR32_LEN 52
#define EHDR64_LEN 64
#define PHDR32_LEN 32
#define PHDR64_LEN 56
#define NOTE_LEN   12

enum { EI_CLASS = 4, EI_DATA = 5, EI_VERSION = 6 };
enum { ELFCLASS32 = 1, ELFCLASS64 = 2, ELFDATA2LSB = 1, EV_CURRENT = 1 };
enum { ET_EXEC = 2, ET_DYN = 3 };
enum { EM_386 = 3, EM_X86_64 = 62 };

bool elf_match(const struct boot_image *image)
{
    return image->size >= 4 && !memcmp(image->data, "\177ELF", 4);
}

static int check_ident(const struct boot_image *image, struct err *err)
{
    const u8 *e = image->data;
    u16 machine;

    if (image->size < EHDR32_LEN || (e[EI_CLASS] == ELFCLASS64 && image->size < EHDR64_LEN))
        return err_set(err, ENOEXEC, "%s: the ELF header is cut off", image->path);
    if ((e[EI_CLASS] != ELFCLASS32 && e[EI_CLASS] != ELFCLASS64) || e[EI_DATA] != ELFDATA2LSB ||
        e[EI_VERSION] != EV_CURRENT)
        return err_set(err, ENOEXEC, "%s: not a little-endian ELF file of 32 or 64 bits",
                       image->path);
    machine = le16(e + 18);
    if (machine != EM_386 && machine != EM_X86_64)
        return err_set(err, ENOEXEC, "%s: made for another processor (ELF machine %u), not x86",
                       image->path, machine);
    if (le16(e + 16) != ET_EXEC && le16(e + 16) != ET_DYN)
        return err_set(err, ENOEXEC, "%s: an ELF file, but not an executable (type %u)",
                       image->path, le16(e + 16));
    return 0;
}

struct elf_phdr elf_phdr(const struct elf *elf, unsigned i)
{
    const u8 *p = elf->image->data + elf->phoff + i * elf->phentsize;

    BUG_ON(i >= elf->nphdrs);
    if (elf->is64)
        return (struct elf_phdr){.type = le32(p),
                                 .offset = le64(p + 8),
                                 .vaddr = le64(p + 16),
                                 .paddr = le64(p + 24),
                                 .filesz = le64(p + 32),
                                 .memsz = le64(p + 40),
                                 .align = le64(p + 48)};
    return (struct elf_phdr){.type = le32(p),
                             .offset = le32(p + 4),
                             .vaddr = le32(p + 8),
                             .paddr = le32(p + 12),
                             .filesz = le32(p + 16),
                             .memsz = le32(p + 20),
                             .align = le32(p + 28)};
}

static int check_phdrs(const struct elf *elf, struct err *err)
{
    const char *path = elf->image->path;
    u64 size = elf->image->size;
    unsigned loads = 0;

    for (unsigned i = 0; i < elf->nphdrs; i++) {
        struct elf_phdr p = elf_phdr(elf, i);
        if (p.type != ELF_PT_LOAD && p.type != ELF_PT_NOTE)
            continue;
        if (p.offset > size || p.filesz > size - p.offset)
            return err_set(err, ENOEXEC, "%s: segment %u reaches past the end of the file: cut off",
                           path, i);
        if (p.type != ELF_PT_LOAD)
            continue;
        if (p.filesz > p.memsz || p.paddr + p.memsz < p.paddr)
            return err_set(err, ENOEXEC, "%s: segment %u has an impossible size", path, i);
        if (++loads > ELF_LOADS_MAX)
            return err_set(err, ENOEXEC, "%s: more than %u segments to load", path, ELF_LOADS_MAX);
    }
    return loads ? 0 : err_set(err, ENOEXEC, "%s: has no segments to load", path);
}

int elf_open(struct elf *elf, const struct boot_image *image, struct err *err)
{
    const u8 *e = image->data;
    int rc = check_ident(image, err);

    if (rc)
        return rc;
    elf->image = image;
    elf->is64 = e[EI_CLASS] == ELFCLASS64;
    elf->entry = elf->is64 ? le64(e + 24) : le32(e + 24);
    elf->phoff = elf->is64 ? le64(e + 32) : le32(e + 28);
    elf->phentsize = le16(e + (elf->is64 ? 54 : 42));
    elf->nphdrs = le16(e + (elf->is64 ? 56 : 44));
    if (elf->phentsize < (elf->is64 ? PHDR64_LEN : PHDR32_LEN) || elf->nphdrs > ELF_PHDRS_MAX)
        return err_set(err, ENOEXEC, "%s: %u program headers of %u bytes are not what kernels have",
                       image->path, elf->nphdrs, (unsigned)elf->phentsize);
    if (elf->phoff > image->size || elf->nphdrs * elf->phentsize > image->size - elf->phoff)
        return err_set(err, ENOEXEC, "%s: the program headers are cut off", image->path);
    return check_phdrs(elf, err);
}

static int load_segment(const struct elf *elf, const struct elf_phdr *p, struct mem *mem,
                        struct place *place, struct err *err)
{
    int rc = place_take(place, p->paddr, p->memsz, "a segment of the kernel", err);

    if (rc) {
        err_prefix(err, "%s", elf->image->path);
        return rc;
    }
    BUG_ON(mem_write(mem, p->paddr, elf->image->data + p->offset, p->filesz));
    BUG_ON(mem_fill(mem, p->paddr + p->filesz, 0, p->memsz - p->filesz));
    return 0;
}

int elf_load(const struct elf *elf, struct mem *mem, struct place *place, struct err *err)
{
    for (unsigned i = 0; i < elf->nphdrs; i++) {
        struct elf_phdr p = elf_phdr(elf, i);
        int rc;
        if (p.type != ELF_PT_LOAD || !p.memsz)
            continue;
        rc = load_segment(elf, &p, mem, place, err);
        if (rc)
            return rc;
    }
    return 0;
}

bool elf_covers(const struct elf *elf, u64 paddr)
{
    for (unsigned i = 0; i < elf->nphdrs; i++) {
        struct elf_phdr p = elf_phdr(elf, i);
        if (p.type == ELF_PT_LOAD && paddr >= p.paddr && paddr - p.paddr < p.memsz)
            return true;
    }
    return false;
}

/* Linkers put the virtual address in e_entry; some kernels' scripts put the physical one. */
int elf_entry32(const struct elf *elf, u32 *entry, struct err *err)
{
    u64 at = elf->entry;

    for (unsigned i = 0; i < elf->nphdrs; i++) {
        struct elf_phdr p = elf_phdr(elf, i);
        if (p.type == ELF_PT_LOAD && elf->entry >= p.vaddr && elf->entry - p.vaddr < p.memsz) {
            at = elf->entry - p.vaddr + p.paddr;
            break;
        }
    }
    if (at > UINT32_MAX || !elf_covers(elf, at))
        return err_set(err, ENOEXEC, "%s: the entry point %#llx is in no segment below 4 GiB",
                       elf->image->path, (unsigned long long)elf->entry);
    *entry = (u32)at;
    return 0;
}

/* Names and descriptors are padded to 4 bytes in both classes; binutils knows also 8, by the
   segment's alignment. Each step consumes at least the note's header. */
static bool scan_notes(const u8 *p, size_t left, size_t align, const char *owner, u32 type,
                       const u8 **desc, size_t *size)
{
    while (left >= NOTE_LEN) {
        u64 namesz = le32(p), descsz = le32(p + 4);
        u64 desc_at = align_up(NOTE_LEN + namesz, align);
        u64 next = align_up(desc_at + descsz, align);

        if (desc_at + descsz > left)
            return false;
        if (le32(p + 8) == type && namesz == strlen(owner) + 1 &&
            !memcmp(p + NOTE_LEN, owner, namesz)) {
            *desc = p + desc_at;
            *size = descsz;
            return true;
        }
        if (next > left)
            return false;
        p += next;
        left -= next;
    }
    return false;
}

bool elf_find_note(const struct elf *elf, const char *owner, u32 type, const u8 **desc,
                   size_t *size)
{
    for (unsigned i = 0; i < elf->nphdrs; i++) {
        struct elf_phdr p = elf_phdr(elf, i);
        if (p.type == ELF_PT_NOTE && scan_notes(elf->image->data + p.offset, p.filesz,
                                                p.align == 8 ? 8 : 4, owner, type, desc, size))
            return true;
    }
    return false;
}
