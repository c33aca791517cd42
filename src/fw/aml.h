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
void aml_end(struct buf *b, size_t mark);

void aml_name(struct buf *b, const char *seg); /* Name (seg, …the next object…) */
void aml_int(struct buf *b, u64 v);            /* in its shortest form */
void aml_string(struct buf *b, const char *text);
void aml_name_int(struct buf *b, const char *seg, u64 v);
void aml_name_string(struct buf *b, const char *seg, const char *text);
void aml_name_eisaid(struct buf *b, const char *seg, const char *id); /* "PNP0501" */

/* Resource descriptors are collected in a buffer of their own … */
void res_io(struct buf *r, u16 port, u8 len);
void res_irq(struct buf *r, u8 irq); /* ISA: edge-triggered, active high */
void res_memory32(struct buf *r, u32 base, u32 len);
/* Windows that a bridge passes on: [first, last]. */
void res_bus_window(struct buf *r, u16 first, u16 last);
void res_io_window(struct buf *r, u16 first, u16 last);
void res_memory_window(struct buf *r, u32 first, u32 last);
/* … and become Name (_CRS, ResourceTemplate () {…}). Disposes of r. */
void aml_crs(struct buf *b, struct buf *r);
