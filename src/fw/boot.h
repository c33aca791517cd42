/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Direct boot: puts a kernel and what its boot protocol asks for into guest memory, with the ACPI,
 * MP and SMBIOS tables, and says how the bootstrap CPU starts. The kernel is recognised by its
 * content, in this order:
 *
 *   bzImage     "HdrS" at 202h: Linux boot protocol 2.02 or later, 32-bit entry point; the 64-bit
 *               one only if the kernel or its initrd has to lie above 4 GiB
 *   Multiboot   a version 1 header with a right checksum in the first 8 KiB, in an ELF file or
 *               with load addresses of its own
 *   PVH         an ELF file with a XEN_ELFNOTE_PHYS32_ENTRY note
 *
 * An ELF file that offers both is booted by Multiboot (as QEMU does), unless its header demands
 * a feature that is not known here. Called before the CPUs run, or while they are all stopped.
 */
#pragma once
#include "base/base.h"
#include "base/err.h"
#include "fw/platform.h"
#include "mem/mem.h"

struct vcpu;

struct boot_module {
    const char *path;
    const char *args; /* follows the path in the module's string; may be NULL */
};

struct boot_options {
    const char *kernel;
    const char *initrd; /* may be NULL; Multiboot: a list of modules, "file args,file args" */
    const char *append; /* the kernel's command line; may be NULL */
    const struct boot_module *modules; /* Multiboot and PVH only, after initrd */
    size_t nmodules;
};

enum boot_protocol { BOOT_LINUX, BOOT_PVH, BOOT_MULTIBOOT };

/* What the bootstrap CPU looks like when it starts. */
struct boot_state {
    enum boot_protocol protocol;
    u8 mode; /* 32: protected mode without paging; 64: long mode with identity mapping */
    u64 rip, rsp;
    u64 gpr[16];    /* by enum gpr; RSP here is not used */
    u64 cr3;        /* mode 64: page tables in guest memory that map all RAM below 512 GiB */
    u16 cs, ds, tr; /* selectors in the table at gdt_base; ES, FS, GS and SS are as DS */
    u64 gdt_base;   /* in guest memory */
    u16 gdt_limit;
    u64 idt_base; /* an empty table: the kernel brings its own before it can take an exception */
    u16 idt_limit;
};

/* A kernel that was read already; `path` is for messages. */
struct boot_image {
    const char *path;
    const u8 *data;
    size_t size;
};

/* -errno with a message in err that names the file. Guest memory may then be partly written. */
must_check int boot_load(struct boot_state *out, struct mem *mem, const struct boot_options *opt,
                         const struct fw_platform *plat, struct err *err);
/* The same with the kernel from `image` in place of opt->kernel. */
must_check int boot_load_image(struct boot_state *out, struct mem *mem,
                               const struct boot_options *opt, const struct boot_image *image,
                               const struct fw_platform *plat, struct err *err);

/* Sets the registers of a CPU that was just reset. Its own thread, or before it runs. */
void boot_apply(const struct boot_state *state, struct vcpu *bsp);
