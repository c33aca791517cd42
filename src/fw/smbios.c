/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DMTF DSP0134 (SMBIOS) 2.8.0: BIOS, system, chassis, a processor for each package with its CPUs as
 * cores, the memory array, its one device and address ranges, boot status. Caches, slots and ports
 * are left out, as is a UUID (all zeros: not present).
 */
#include "fw/smbios.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NO_HANDLE   0xffff
#define NO_ERROR    0xfffe /* error information is not provided */
#define VENDOR      "Domus"
#define PRODUCT     "Domus Virtual Machine"
#define RELEASE     "01/01/2025" /* fixed, so that equal machines have equal tables */
#define MAX_STRINGS 4

/* Handles: the type's number times 100h, with the structure's index. */
#define HANDLE_ARRAY 0x1000

/* The structure that is being built. */
struct build {
    struct buf *b;
    const char *string[MAX_STRINGS];
    unsigned nstrings, nstructs;
    size_t at, largest;
};

static void begin(struct build *s, u8 type, u8 len, u16 handle)
{
    s->at = s->b->len;
    s->nstrings = 0;
    buf_u8(s->b, type);
    buf_u8(s->b, len);
    buf_u16(s->b, handle);
}

/* A string field: its number, or 0 for none. */
static void string(struct build *s, const char *text)
{
    if (!text || !*text) {
        buf_u8(s->b, 0);
        return;
    }
    BUG_ON(s->nstrings == MAX_STRINGS);
    s->string[s->nstrings++] = text;
    buf_u8(s->b, (u8)s->nstrings);
}

/* The string set follows the formatted area and ends with an empty string. */
static void end(struct build *s)
{
    struct buf *b = s->b;

    BUG_ON(!b->failed && b->len - s->at != b->data[s->at + 1]);
    for (unsigned i = 0; i < s->nstrings; i++)
        buf_bytes(b, s->string[i], strlen(s->string[i]) + 1);
    buf_zero(b, s->nstrings ? 1 : 2);
    s->nstructs++;
    if (b->len - s->at > s->largest)
        s->largest = b->len - s->at;
}

static void bios(struct build *s, const struct fw_platform *plat) /* 7.1 */
{
    begin(s, 0, 0x18, 0x0000);
    string(s, VENDOR);
    string(s, plat->version);
    buf_u16(s->b, 0xf000); /* segment of the tables */
    string(s, RELEASE);
    buf_u8(s->b, 0);       /* 64 KiB */
    buf_u64(s->b, 0x08);   /* characteristics are not supported */
    buf_u8(s->b, 0x01);    /* ACPI */
    buf_u8(s->b, 0x10);    /* this is a virtual machine */
    buf_u16(s->b, 0xffff); /* release as numbers: not supported */
    buf_u16(s->b, 0xffff);
    end(s);
}

static void system_info(struct build *s, const struct fw_platform *plat) /* 7.2 */
{
    begin(s, 1, 0x1b, 0x0100);
    string(s, VENDOR);
    string(s, PRODUCT);
    string(s, plat->version);
    string(s, NULL);
    buf_zero(s->b, 16);
    buf_u8(s->b, 6); /* woken by the power switch */
    string(s, NULL);
    string(s, NULL);
    end(s);
}

static void chassis(struct build *s, const struct fw_platform *plat) /* 7.4 */
{
    begin(s, 3, 0x16, 0x0300);
    string(s, VENDOR);
    buf_u8(s->b, 1); /* other */
    string(s, plat->version);
    string(s, NULL);
    string(s, NULL);
    buf_u8(s->b, 3); /* boot-up, power supply and thermal state: safe */
    buf_u8(s->b, 3);
    buf_u8(s->b, 3);
    buf_u8(s->b, 2); /* security: unknown */
    buf_u32(s->b, 0);
    buf_zero(s->b, 4); /* height, power cords, contained elements */
    string(s, NULL);
    end(s);
}

static void processor(struct build *s, const struct fw_platform *plat, unsigned n,
                      unsigned ncores) /* 7.5 */
{
    u8 cores = (u8)min_u64(ncores, 255);
    char name[16];

    snprintf(name, sizeof(name), "CPU %u", n);
    begin(s, 4, 0x2a, (u16)(0x0400 + n));
    string(s, name);
    buf_u8(s->b, 3); /* central processor */
    buf_u8(s->b, 1); /* family: other */
    string(s, plat->cpu_vendor);
    buf_u32(s->b, plat->cpu_signature);
    buf_u32(s->b, plat->cpu_features);
    string(s, plat->cpu_brand);
    buf_zero(s->b, 7);  /* voltage, clock, maximum and current speed: unknown */
    buf_u8(s->b, 0x41); /* populated and enabled */
    buf_u8(s->b, 1);    /* upgrade: other */
    for (unsigned level = 1; level <= 3; level++)
        buf_u16(s->b, NO_HANDLE);
    string(s, NULL);
    string(s, NULL);
    string(s, NULL);
    buf_u8(s->b, cores);
    buf_u8(s->b, cores);
    buf_u8(s->b, cores);
    buf_u16(s->b, ncores > 1 ? 0x0c : 0x04); /* 64-bit capable, multi-core */
    buf_u16(s->b, 1);
    end(s);
}

static void processors(struct build *s, const struct fw_platform *plat)
{
    unsigned sockets = plat->sockets ? plat->sockets : 1;

    for (unsigned n = 0; n < sockets; n++)
        processor(s, plat, n, plat->ncpus / sockets);
}

static void memory_array(struct build *s, u64 bytes) /* 7.17 */
{
    bool large = bytes / KiB >= 0x80000000u;

    begin(s, 16, 0x17, HANDLE_ARRAY);
    buf_u8(s->b, 3); /* on the system board */
    buf_u8(s->b, 3); /* system memory */
    buf_u8(s->b, 3); /* no error correction */
    buf_u32(s->b, large ? 0x80000000u : (u32)(bytes / KiB));
    buf_u16(s->b, NO_ERROR);
    buf_u16(s->b, 1);
    buf_u64(s->b, large ? bytes : 0);
    end(s);
}

static void memory_device(struct build *s, u64 bytes) /* 7.18 */
{
    u64 mib = (bytes + MiB - 1) / MiB;

    begin(s, 17, 0x28, 0x1100);
    buf_u16(s->b, HANDLE_ARRAY);
    buf_u16(s->b, NO_ERROR);
    buf_u16(s->b, 0xffff); /* widths: unknown */
    buf_u16(s->b, 0xffff);
    buf_u16(s->b, mib < 0x7fff ? (u16)mib : 0x7fff); /* 7fffh: see the extended size */
    buf_u8(s->b, 9);                                 /* DIMM */
    buf_u8(s->b, 0);
    string(s, "DIMM 0");
    string(s, NULL);
    buf_u8(s->b, 7);  /* RAM */
    buf_u16(s->b, 2); /* other */
    buf_u16(s->b, 0); /* speed: unknown */
    string(s, VENDOR);
    string(s, NULL);
    string(s, NULL);
    string(s, NULL);
    buf_u8(s->b, 0); /* rank: unknown */
    buf_u32(s->b, mib < 0x7fff ? 0 : (u32)mib);
    buf_zero(s->b, 8); /* configured speed, voltages: unknown */
    end(s);
}

static void memory_range(struct build *s, u16 index, u64 base, u64 bytes) /* 7.20 */
{
    u64 first = base / KiB, last = (base + bytes) / KiB - 1;
    bool large = last >= UINT32_MAX;

    begin(s, 19, 0x1f, (u16)(0x1300 + index));
    buf_u32(s->b, large ? UINT32_MAX : (u32)first);
    buf_u32(s->b, large ? UINT32_MAX : (u32)last);
    buf_u16(s->b, HANDLE_ARRAY);
    buf_u8(s->b, 1);
    buf_u64(s->b, large ? base : 0);
    buf_u64(s->b, large ? base + bytes - 1 : 0);
    end(s);
}

static void trailer(struct build *s)
{
    begin(s, 32, 0x0b, 0x2000); /* 7.33: no errors detected */
    buf_zero(s->b, 7);
    end(s);
    begin(s, 127, 4, 0x7f00);
    end(s);
}

/* 5.2.1 */
static void fill_entry(struct build *s, u32 base)
{
    struct buf *b = s->b;
    size_t first = SMBIOS_TABLES_AT;

    if (b->failed)
        return;
    memcpy(b->data, "_SM_", 4);
    b->data[5] = SMBIOS_ENTRY_LEN;
    b->data[6] = 2;
    b->data[7] = 8;
    buf_put16(b, 8, (u16)s->largest);
    memcpy(b->data + 16, "_DMI_", 5);
    buf_put16(b, 22, (u16)(b->len - first));
    buf_put32(b, 24, base + (u32)first);
    buf_put16(b, 28, (u16)s->nstructs);
    b->data[30] = 0x28;
    buf_checksum(b, 21, 16, 15);
    buf_checksum(b, 4, 0, SMBIOS_ENTRY_LEN);
}

int smbios_build(struct buf *b, const struct fw_platform *plat, const struct mem *mem, u32 base)
{
    struct build s = {.b = b};

    buf_zero(b, SMBIOS_TABLES_AT);
    bios(&s, plat);
    system_info(&s, plat);
    chassis(&s, plat);
    processors(&s, plat);
    memory_array(&s, plat->memory);
    memory_device(&s, plat->memory);
    memory_range(&s, 0, 0, mem->low);
    if (mem->size > mem->low)
        memory_range(&s, 1, MEM_HIGH_START, mem->size - mem->low);
    trailer(&s);
    fill_entry(&s, base);
    return b->failed ? -ENOMEM : 0;
}
