/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMDK, private to its files. Specification: VMware's "Virtual Disk Format" 5.0. */
#pragma once
#include "block/formats/bat.h"

#define VMDK_HEADER     512u
#define VMDK_COMPRESSED BIT(16)
#define VMDK_MARKERS    BIT(17)
#define VMDK_ZEROED     BIT(2)
#define VMDK_REDUNDANT  BIT(1)
#define VMDK_GTES       512u
#define VMDK_NO_PARENT  0xffffffffu
#define VMDK_DESC_MAX   (64 * KiB)

/* A hosted sparse extent ("KDMV"). Owns the file, also on failure. */
must_check int vmdk_sparse_open(struct block_node **out, struct bfile *f, unsigned flags,
                                struct err *err);
bool vmdk_is_sparse(const u8 *head);
/* The descriptor in a sparse extent; freed by the caller. *out NULL: it has none. */
must_check int vmdk_sparse_descriptor(struct bfile *f, char **out, struct err *err);
/* Makes one of `size` bytes; desc goes into it unless NULL. */
must_check int vmdk_sparse_create(struct bfile *f, u64 size, bool stream, bool zeroed,
                                  const char *desc);

/* Where the value of key=… starts, without quotes; NULL: it is not there. */
const char *vmdk_find_value(const char *desc, const char *key, size_t *len);
/* What a CID is as an identity; false: there is none. */
bool vmdk_get_id(const char *desc, const char *key, u8 id[BLOCK_ID]);
/* Another CID, since the disk is about to be written. */
must_check int vmdk_new_cid(struct block_node *n);
/* driver.h: adopt */
must_check int vmdk_adopt(struct block_node *n, const u8 id[BLOCK_ID]);
