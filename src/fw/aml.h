/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Emits ACPI Machine Language (ACPI 6.4 chapter 20) and resource templates (6.4). A construct
 * that has a length is opened by aml_*, which returns a mark, and closed by aml_end(mark):
 *
 *     size_t dev = aml_device(b, "COM1");
 *     aml_name_eisaid(b, "_HID", "PNP0501");
 *     aml_end(b, dev);
 *
 * Name segments have exactly four characters.
 */
#pragma once
#include "fw/buf.h"

size_t aml_scope(struct buf *b, const char *path); /* "\\_SB_" or "\\_SB_.PCI0" */
size_t aml_device(struct buf *b, const char *seg);
size_t aml_package(struct buf *b, u8 elements);
size_t aml_method(struct buf *b, const char *seg, u8 args); /* serialized */
size_t aml_if(struct buf *b); /* … its predicate, then what it guards */
void aml_end(struct buf *b, size_t mark);

void aml_name(struct buf *b, const char *seg); /* Name (seg, …the next object…) */
void aml_path(struct buf *b, const char *path);
void aml_int(struct buf *b, u64 v); /* in its shortest form */
void aml_string(struct buf *b, const char *text);
void aml_name_int(struct buf *b, const char *seg, u64 v);
void aml_name_string(struct buf *b, const char *seg, const char *text);
void aml_name_eisaid(struct buf *b, const char *seg, const char *id); /* "PNP0501" */

/* Fields of one byte each over [off, off + n) of the device's PCI configuration space. */
void aml_pci_bytes(struct buf *b, const char *region, u8 off, u8 n, const char *const *segs);
/* Fields of a dword each over n dwords of I/O ports from `port`. */
void aml_io_dwords(struct buf *b, const char *region, u16 port, u8 n, const char *const *segs);
/* Operators of two operands and, for what stores, a target; operands follow the call. */
enum aml_operator { AML_STORE = 0x70, AML_AND = 0x7b, AML_OR = 0x7d, AML_LNOT = 0x92 };
enum aml_variable { AML_NO_TARGET = 0x00, AML_LOCAL0 = 0x60, AML_ARG0 = 0x68, AML_ARG1 = 0x69 };
void aml_op(struct buf *b, enum aml_operator op);
void aml_var(struct buf *b, enum aml_variable v);
void aml_return(struct buf *b);                     /* … the value */
void aml_notify(struct buf *b, const char *device); /* … the value */
/* CreateDWordField (var, at, seg) */
void aml_dword_field(struct buf *b, enum aml_variable var, u8 at, const char *seg);

/* Resource descriptors are collected in a buffer of their own … */
void res_io(struct buf *r, u16 port, u8 len);
void res_irq(struct buf *r, u8 irq);     /* ISA: edge-triggered, active high */
void res_dma(struct buf *r, u8 channel); /* 8-bit, not a bus master */
/* PCI: level-triggered, active high, shared; one of those in the mask. */
void res_interrupts(struct buf *r, u16 mask);
/* The same for one global system interrupt. */
void res_gsi(struct buf *r, u32 gsi);
void res_memory32(struct buf *r, u32 base, u32 len);
/* Windows that a bridge passes on: [first, last]. */
void res_bus_window(struct buf *r, u16 first, u16 last);
void res_io_window(struct buf *r, u16 first, u16 last);
void res_memory_window(struct buf *r, u32 first, u32 last);
/* … and become Name (_CRS, ResourceTemplate () {…}). Disposes of r. */
void aml_crs(struct buf *b, struct buf *r);
void aml_prs(struct buf *b, struct buf *r);
/* … or just a buffer. */
void aml_resources(struct buf *b, struct buf *r);
