/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What translated code reaches from its stack pointer besides the registers (cpu/dbt). Both are
   part of struct vcpu. */
#pragma once
#include "base/base.h"

struct tlb_entry;

#define UNIT_VEC BIT(0) /* XMM, YMM, MXCSR */
#define UNIT_X87 BIT(1) /* and MMX */

/* In front of the general registers, so that displacements of one byte reach it. */
struct dbt_near {
    u64 stack_tag;         /* the window: the page of the last access by the stack pointer, */
    u64 stack_page;        /* its host address, */
    u64 stack_room;        /* and how far from its start an access may not begin; 0: none */
    u64 page_va;           /* linear address of the code page that runs */
    struct tlb_entry *row; /* of the TLB: by whose rights the code's data accesses are made */
    u16 flags;             /* guest's arithmetic flags while the host's are used otherwise: AH of
                              LAHF, and OF in AL */
    u8 units_live;         /* UNIT_*: whose registers of the guest are in those of the host */
    u8 units_wanted;       /* … and must be when the helper is done */
};

#define STACK_SPAN 128 /* the longest access, or group of them, that the window serves */

/* What goes with whose rights count. */
struct dbt_side {
    struct tlb_entry *row;
    u8 *jumps; /* the jump cache: struct jump_entry */
    u32 serial;
    u32 key;
};

struct dbt_env {
    u64 host_sp; /* the C stack while translated code runs */
    u64 site;    /* where a helper was called from */
    u64 go;      /* where to go on after a helper */
    u64 t0;      /* T0 when a helper is done: the linear address of an access that is tried again */
    u64 x87_ea;  /* of an x87 instruction's operand, while it is checked */
    u64 held;    /* a value that waits while T0 and T1 look for the next operand */
    u8 *jumps;   /* the jump cache in force: struct jump_entry */
    u32 host_mxcsr;
    u32 key;               /* translation key of the state the CPU is in */
    struct dbt_side other; /* in a kernel under SMAP: with EFLAGS.AC the other way. Else jumps is
                              NULL */
};
