/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VHD, private to its files. Virtual Hard Disk Image Format Specification, version 1.0. */
#pragma once
#include "block/formats/bat.h"

#define VPC_FOOTER   512u
#define VPC_HEADER   1024u /* of a dynamic disk */
#define VPC_ID       68u   /* in the footer */
#define VPC_LOCATORS 8u
#define VPC_LOCATOR  24u
#define VPC_RELATIVE 0x57327275u /* "W2ru", UTF-16 */
#define VPC_ABSOLUTE 0x57326b75u /* "W2ku" */

/* Types of disks. */
#define VPC_FIXED   2u
#define VPC_DYNAMIC 3u
#define VPC_DIFF    4u

/* Of len bytes, without the four at `at`, where it is kept. */
u32 vpc_checksum(const u8 *p, u32 len, u32 at);
must_check int vpc_create(const char *path, u64 size, const char *backing,
                          const char *backing_format, const struct format_options *options,
                          struct err *err);
extern const struct format_key vpc_keys[];
