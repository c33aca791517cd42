/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fw_cfg device: named blobs for firmware and guests, ports 510h-51bh; see fwcfg.c. */
#pragma once
#include "base/state.h"
#include "bus/bus.h"
#include "mem/mem.h"

#define FWCFG_SIGNATURE  0x00u
#define FWCFG_ID         0x01u
#define FWCFG_UUID       0x02u
#define FWCFG_RAM_SIZE   0x03u
#define FWCFG_NB_CPUS    0x05u
#define FWCFG_MAX_CPUS   0x0fu
#define FWCFG_FILE_DIR   0x19u
#define FWCFG_FILE_FIRST 0x20u
#define FWCFG_FILE_SLOTS 0x80u
#define FWCFG_NAME_MAX   55u /* without the NUL */

struct fwcfg;

/* `mem` for the DMA interface; NULL leaves that interface out. -ENOMEM, -EEXIST. */
must_check int fwcfg_new(struct fwcfg **out, struct bus *pio, struct mem *mem);
void fwcfg_reset(struct fwcfg *f);
void fwcfg_free(struct fwcfg *f);
extern const struct state_table fwcfg_state;

/* Copies `n` bytes under `key`. -EEXIST, -ENOMEM, -ENOSPC, -EINVAL for a key with bit 14 set,
   -EFBIG for 4 GiB or more. */
must_check int fwcfg_add_bytes(struct fwcfg *f, u16 key, const void *data, size_t n);
must_check int fwcfg_add_i16(struct fwcfg *f, u16 key, u16 val);
must_check int fwcfg_add_i32(struct fwcfg *f, u16 key, u32 val);
must_check int fwcfg_add_i64(struct fwcfg *f, u16 key, u64 val);
/* Copies a file and lists it in the directory. -ENAMETOOLONG, -EEXIST, -ENOSPC, -ENOMEM. */
must_check int fwcfg_add_file(struct fwcfg *f, const char *name, const void *data, size_t n);
/* Other bytes for a file, as many as it has. */
void fwcfg_update_file(struct fwcfg *f, const char *name, const void *data, size_t n);
/* `about_to_read` is called before the guest selects anything but the signature, the first time
   after a reset: files may be updated then. */
void fwcfg_on_read(struct fwcfg *f, void (*about_to_read)(void *opaque), void *opaque);
