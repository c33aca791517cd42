/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fw/aml.h"

#include <string.h>

enum aml_op { /* ACPI 6.4 section 20.3 */
              OP_ZERO = 0x00,
              OP_ONE = 0x01,
              OP_NAME = 0x08,
              OP_BYTE = 0x0a,
              OP_WORD = 0x0b,
              OP_DWORD = 0x0c,
              OP_STRING = 0x0d,
              OP_QWORD = 0x0e,
              OP_SCOPE = 0x10,
              OP_BUFFER = 0x11,
              OP_PACKAGE = 0x12,
              OP_METHOD = 0x14,
              OP_DUAL_NAME = 0x2e,
              OP_MULTI_NAME = 0x2f,
              OP_EXT = 0x5b,
              OP_NOTIFY = 0x86,
              OP_DWORD_FIELD = 0x8a,
              OP_IF = 0xa0,
              OP_RETURN = 0xa4,
              OP_EXT_REGION = 0x80,
              OP_EXT_FIELD = 0x81,
              OP_EXT_DEVICE = 0x82,
};

/* PkgLength counts itself too: one byte up to 63, else 4 bits and one to three more bytes. */
void aml_end(struct buf *b, size_t mark)
{
    u8 enc[4];
    size_t total = b->len - mark + 1;
    unsigned n = 1;

    if (total < 0x40) {
        enc[0] = (u8)total;
    } else {
        total++;
        for (n = 2; total >> (4 + 8 * (n - 1)); n++)
            total++;
        BUG_ON(n > ARRAY_SIZE(enc));
        enc[0] = (u8)((n - 1) << 6 | (total & 15));
        for (unsigned i = 1; i < n; i++)
            enc[i] = (u8)(total >> (4 + 8 * (i - 1)));
    }
    buf_insert(b, mark, enc, n);
}

static void name_seg(struct buf *b, const char *seg)
{
    BUG_ON(strlen(seg) < 4);
    buf_bytes(b, seg, 4);
}

/* NameString: an optional root, then segments with dots between. */
void aml_path(struct buf *b, const char *path)
{
    size_t n;

    if (*path == '\\')
        buf_u8(b, (u8)*path++);
    n = (strlen(path) + 1) / 5;
    if (n == 2)
        buf_u8(b, OP_DUAL_NAME);
    if (n > 2) {
        buf_u8(b, OP_MULTI_NAME);
        buf_u8(b, (u8)n);
    }
    for (size_t i = 0; i < n; i++)
        name_seg(b, path + 5 * i);
}

size_t aml_scope(struct buf *b, const char *path)
{
    size_t mark;

    buf_u8(b, OP_SCOPE);
    mark = b->len;
    aml_path(b, path);
    return mark;
}

size_t aml_device(struct buf *b, const char *seg)
{
    size_t mark;

    buf_u8(b, OP_EXT);
    buf_u8(b, OP_EXT_DEVICE);
    mark = b->len;
    name_seg(b, seg);
    return mark;
}

size_t aml_package(struct buf *b, u8 elements)
{
    size_t mark;

    buf_u8(b, OP_PACKAGE);
    mark = b->len;
    buf_u8(b, elements);
    return mark;
}

size_t aml_method(struct buf *b, const char *seg, u8 args)
{
    size_t mark;

    buf_u8(b, OP_METHOD);
    mark = b->len;
    name_seg(b, seg);
    buf_u8(b, (u8)(args | BIT(3)));
    return mark;
}

size_t aml_if(struct buf *b)
{
    buf_u8(b, OP_IF);
    return b->len;
}

void aml_op(struct buf *b, enum aml_operator op)
{
    buf_u8(b, (u8)op);
}

void aml_var(struct buf *b, enum aml_variable v)
{
    buf_u8(b, (u8)v);
}

void aml_return(struct buf *b)
{
    buf_u8(b, OP_RETURN);
}

void aml_dword_field(struct buf *b, enum aml_variable var, u8 at, const char *seg)
{
    buf_u8(b, OP_DWORD_FIELD);
    buf_u8(b, (u8)var);
    aml_int(b, at);
    name_seg(b, seg);
}

enum region_space { SPACE_IO = 1, SPACE_PCI_CONFIG = 2 };
enum field_access { ACCESS_BYTE = 1, ACCESS_DWORD = 3 };

static void open_region(struct buf *b, const char *region, enum region_space space, u32 first,
                        u32 len)
{
    buf_u8(b, OP_EXT);
    buf_u8(b, OP_EXT_REGION);
    name_seg(b, region);
    buf_u8(b, (u8)space);
    aml_int(b, first);
    aml_int(b, len);
}

static size_t open_fields(struct buf *b, const char *region, enum field_access access)
{
    size_t mark;

    buf_u8(b, OP_EXT);
    buf_u8(b, OP_EXT_FIELD);
    mark = b->len;
    name_seg(b, region);
    buf_u8(b, (u8)access);
    return mark;
}

void aml_pci_bytes(struct buf *b, const char *region, u8 off, u8 n, const char *const *segs)
{
    size_t mark;

    open_region(b, region, SPACE_PCI_CONFIG, off, n);
    mark = open_fields(b, region, ACCESS_BYTE);
    for (u8 i = 0; i < n; i++) {
        name_seg(b, segs[i]);
        buf_u8(b, 8); /* bits */
    }
    aml_end(b, mark);
}

void aml_io_dwords(struct buf *b, const char *region, u16 port, u8 n, const char *const *segs)
{
    size_t mark;

    open_region(b, region, SPACE_IO, port, 4u * n);
    mark = open_fields(b, region, ACCESS_DWORD);
    for (u8 i = 0; i < n; i++) {
        name_seg(b, segs[i]);
        buf_u8(b, 32);
    }
    aml_end(b, mark);
}

void aml_notify(struct buf *b, const char *device)
{
    buf_u8(b, OP_NOTIFY);
    aml_path(b, device);
}

void aml_name(struct buf *b, const char *seg)
{
    buf_u8(b, OP_NAME);
    name_seg(b, seg);
}

void aml_int(struct buf *b, u64 v)
{
    if (v <= 1) {
        buf_u8(b, v ? OP_ONE : OP_ZERO);
    } else if (v <= UINT8_MAX) {
        buf_u8(b, OP_BYTE);
        buf_u8(b, (u8)v);
    } else if (v <= UINT16_MAX) {
        buf_u8(b, OP_WORD);
        buf_u16(b, (u16)v);
    } else if (v <= UINT32_MAX) {
        buf_u8(b, OP_DWORD);
        buf_u32(b, (u32)v);
    } else {
        buf_u8(b, OP_QWORD);
        buf_u64(b, v);
    }
}

void aml_string(struct buf *b, const char *text)
{
    buf_u8(b, OP_STRING);
    buf_bytes(b, text, strlen(text) + 1);
}

void aml_name_int(struct buf *b, const char *seg, u64 v)
{
    aml_name(b, seg);
    aml_int(b, v);
}

void aml_name_string(struct buf *b, const char *seg, const char *text)
{
    aml_name(b, seg);
    aml_string(b, text);
}

static u32 hex_digit(char c)
{
    return (u32)(c >= 'A' ? c - 'A' + 10 : c - '0');
}

/* Three 5-bit letters and four hex digits, most significant first, in big-endian byte order. */
void aml_name_eisaid(struct buf *b, const char *seg, const char *id)
{
    u32 v = 0;

    BUG_ON(strlen(id) != 7);
    for (unsigned i = 0; i < 3; i++)
        v = v << 5 | (u32)(id[i] - '@');
    for (unsigned i = 3; i < 7; i++)
        v = v << 4 | hex_digit(id[i]);
    aml_name_int(b, seg, __builtin_bswap32(v));
}

void res_io(struct buf *r, u16 port, u8 len)
{
    buf_u8(r, 0x47); /* small, type 8, 7 bytes */
    buf_u8(r, 1);    /* decodes 16 bits */
    buf_u16(r, port);
    buf_u16(r, port);
    buf_u8(r, 1); /* alignment */
    buf_u8(r, len);
}

void res_irq(struct buf *r, u8 irq)
{
    buf_u8(r, 0x22); /* small, type 4, 2 bytes: no flags */
    buf_u16(r, (u16)BIT(irq));
}

void res_dma(struct buf *r, u8 channel)
{
    buf_u8(r, 0x2a); /* small, type 5, 2 bytes */
    buf_u8(r, (u8)BIT(channel));
    buf_u8(r, 0);
}

void res_interrupts(struct buf *r, u16 mask)
{
    unsigned n = (unsigned)__builtin_popcount(mask);

    buf_u8(r, 0x89); /* large, extended interrupt */
    buf_u16(r, (u16)(2 + 4 * n));
    buf_u8(r, 0x09); /* consumer, level-triggered, active high, shared */
    buf_u8(r, (u8)n);
    for (u32 irq = 0; irq < 16; irq++)
        if (mask & BIT(irq))
            buf_u32(r, irq);
}

void res_gsi(struct buf *r, u32 gsi)
{
    buf_u8(r, 0x89);
    buf_u16(r, 6);
    buf_u8(r, 0x09);
    buf_u8(r, 1);
    buf_u32(r, gsi);
}

void res_memory32(struct buf *r, u32 base, u32 len)
{
    buf_u8(r, 0x86); /* large, fixed 32-bit memory */
    buf_u16(r, 9);
    buf_u8(r, 1); /* writable */
    buf_u32(r, base);
    buf_u32(r, len);
}

/* Word address space descriptor (6.4.3.5.3): a window whose ends are fixed. */
static void word_window(struct buf *r, u8 type, u8 type_flags, u16 first, u16 last)
{
    buf_u8(r, 0x88);
    buf_u16(r, 13);
    buf_u8(r, type);
    buf_u8(r, 0x0c); /* producer, positive decode, minimum and maximum fixed */
    buf_u8(r, type_flags);
    buf_u16(r, 0); /* granularity */
    buf_u16(r, first);
    buf_u16(r, last);
    buf_u16(r, 0); /* translation */
    buf_u16(r, (u16)(last - first + 1));
}

void res_bus_window(struct buf *r, u16 first, u16 last)
{
    word_window(r, 2, 0, first, last);
}

void res_io_window(struct buf *r, u16 first, u16 last)
{
    word_window(r, 1, 3, first, last); /* ISA and non-ISA ranges */
}

void res_memory_window(struct buf *r, u32 first, u32 last)
{
    buf_u8(r, 0x87);
    buf_u16(r, 23);
    buf_u8(r, 0); /* memory */
    buf_u8(r, 0x0c);
    buf_u8(r, 1); /* writable, not cacheable */
    buf_u32(r, 0);
    buf_u32(r, first);
    buf_u32(r, last);
    buf_u32(r, 0);
    buf_u32(r, last - first + 1);
}

void aml_resources(struct buf *b, struct buf *r)
{
    size_t mark;

    buf_u8(r, 0x79); /* end tag; a checksum of 0 is always right */
    buf_u8(r, 0);
    buf_u8(b, OP_BUFFER);
    mark = b->len;
    aml_int(b, r->len);
    buf_bytes(b, r->data, r->len);
    aml_end(b, mark);
    b->failed |= r->failed;
    buf_dispose(r);
}

void aml_crs(struct buf *b, struct buf *r)
{
    aml_name(b, "_CRS");
    aml_resources(b, r);
}

void aml_prs(struct buf *b, struct buf *r)
{
    aml_name(b, "_PRS");
    aml_resources(b, r);
}
