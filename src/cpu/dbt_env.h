/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What translated code reaches from its stack pointer besides the registers (cpu/dbt). It is part
   of struct vcpu, behind the general registers. */
#pragma once
#include "base/base.h"

struct dbt_env {
    u64 page_va; /* linear address of the code page that runs */
    u64 host_sp; /* the C stack while translated code runs */
    u64 site;    /* where a helper was called from */
    u64 go;      /* where to go on after a helper */
    u64 t0;      /* T0 when a helper is done: the linear address of an access that is tried again */
    u64 target;  /* of an indirect call, while the return address is pushed */
    u8 *jumps;   /* the jump cache in force: struct jump_entry */
    u16 flags;   /* guest's arithmetic flags while the host's are used otherwise: AH of LAHF, and
                    OF in AL */
    u8 vec_live; /* the vector registers of the guest are in those of the host */
    u8 vec_wanted; /* … and must be when the helper is done */
    u32 serial; /* of what the jump cache in force holds: no two states of two caches have the same
                 */
    u32 host_mxcsr;
    u32 key; /* translation key of the state the CPU is in */
};
