/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What kernelboot.S finds under fw_cfg's key KERNELBOOT_DATA, in C and in assembler: a head; then
 * records, each of an address, a number of bytes and the bytes that go there; then two zeros. All
 * of it is little-endian, of 32 bits if nothing else is said.
 */
#pragma once

#define KERNELBOOT_DATA 0x11

#define HEAD_ENTRY     0
#define HEAD_EAX       4
#define HEAD_EBX       8
#define HEAD_GDT_LIMIT 12 /* 16 bits */
#define HEAD_GDT_BASE  14
#define HEAD_MAP       20 /* these as in struct loader_late */
#define HEAD_ROOM      24
#define HEAD_LENGTH    28
#define HEAD_UNIT      32
#define HEAD_MEMORY    36
#define HEAD_RSDP      40
#define HEAD_LEN       44

#define RECORD_ADDRESS 0
#define RECORD_SIZE    4
#define RECORD_LEN     8
