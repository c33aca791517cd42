/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System management interrupts, raised by the local APIC, and a handler for them (smi_entry.S). */
#pragma once
#include "guest.h"

#define SMBASE     0x30000u
#define SMI_ENTRY  0x8000u
#define SMI_BOX    0x9000u
#define ICR_SMI    0x200u
#define SMI_IPI    1u
#define SMI_IRET   2u
#define SAVE(at)   ((u16)(at)) /* an address in the save area, for struct smi.change */
#define SMI_CHANGE 7u

struct smi { /* at SMBASE + SMI_BOX */
    u32 count;
    u32 cr0, cr4, flags, dr7;
    u16 cs, reserved;
    u32 at_101000; /* what the handler reads there */
    u32 count_after;
    u32 change_at; /* 0: changes the save area in each call, else in that one */
    u32 todo;      /* in the next call: sends `ipi` to itself; executes an IRET */
    u32 ipi;       /* for the ICR */
    u32 nmis;      /* handled in the mode, after the IRET */
    u32 pad[4];
    struct {
        u16 at, pad;
        u32 val;
    } change[SMI_CHANGE + 1]; /* dwords of the save area; at 0: the end */
};

extern u8 smi_handler[], smi_handler_end[];
