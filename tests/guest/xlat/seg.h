/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 32-bit guests: code at CPL 3 with segments of its own, entered with all registers given. What it
   leaves is in last_trap; it ends by SEG_STOP. At CPL 3, so that traps come on a good stack
   whatever the code's own is. */
#pragma once
#include "desc.h"
#include "guest.h"
#include "io.h"
#include "trap.h"

struct seg_regs {
    u32 ax, cx, dx, bx, sp, bp, si, di;
    u32 ip, flags, cs, ss, ds, es, fs, gs;
};

#define SEG_STOP       "int $0x30\n"
#define SEG_STOP_BYTES 0xcd, 0x30
/* Selectors for tests, n from 0; segments of DPL 3. */
#define SEL(n) (FREE_SEL + 8 * (n) + 3)
#define FLAT   USER_DS

/* limit in bytes; above 1 MiB the low 12 bits are set. */
void seg_set(u32 sel, u32 base, u32 limit, u32 ar);
#define SEG_DATA   (AR_DATA | AR_DPL3 | AR_DB)
#define SEG_DATA16 (AR_DATA | AR_DPL3)
#define SEG_CODE   (AR_CODE | AR_DPL3 | AR_DB)
#define SEG_CODE16 (AR_CODE | AR_DPL3)
#define SEG_DOWN   (0x97 | AR_DPL3 | AR_DB) /* expand-down */

/* Flat segments, a stack, the given code in CS. */
struct seg_regs seg_flat(const void *code);
/* The value is the vector of the trap that ended it. */
u32 seg_run(const struct seg_regs *r);
