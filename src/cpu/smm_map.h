/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state save area of system management mode, 512 bytes at SMBASE + FE00h, in its two layouts:
 * APM 2 table 10-1 for CPUs with long mode (revision 20064h), SDM 3C table 32-1 for others (20000h;
 * what the manual does not place lies where the P6 has it). No I/O restart is announced.
 *
 * Only moves fields: what they hold may be anything when it comes back (cpu/smm.c).
 */
#pragma once
#include "cpu/vcpu.h"

#define SMM_AREA      0xfe00u /* from SMBASE */
#define SMM_AREA_SIZE 0x200u

struct smm_state {
    u64 gpr[16];
    u64 rip, rflags;
    u64 cr0, cr3, cr4, efer, dr6, dr7;
    struct seg seg[6], ldtr, tr;
    struct dtr gdtr, idtr;
    u64 smbase;  /* 32 bits */
    bool halted; /* auto-HALT restart */
    /* In bytes that the 32-bit layout reserves: */
    bool nmi_blocked; /* NMI mask */
    u8 cpl;           /* counts where SS is null */
    u64 pending_db;   /* vcpu.pending_db; reserved in both */
};

/* area: SMM_AREA_SIZE bytes. Those that belong to no field stay as they are. */
void smm_map_put(u8 *area, const struct smm_state *s, bool layout64);
/* The 32-bit layout leaves r8-r15 and EFER alone. */
void smm_map_get(const u8 *area, struct smm_state *s, bool layout64);
