/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Trap entries of 32-bit and 64-bit guests. */
#pragma once
#include "guest.h"

#ifdef __x86_64__
struct frame {
    word r15, r14, r13, r12, r11, r10, r9, r8, di, si, bp, bx, dx, cx, ax;
    word vector, error, ip, cs, flags, sp, ss;
};
#else
struct frame {
    word gs, fs, es, ds, di, si, bp, sp_unused, bx, dx, cx, ax;
    word vector, error, ip, cs, flags;
    word sp, ss;                         /* only from an outer ring */
    word v86_es, v86_ds, v86_fs, v86_gs; /* only from virtual-8086 mode */
};
#endif

/* A function called in place of the usual recording; it may change the frame and returns by IRET.
   NULL: recording again. */
void trap_handle(u8 vector, void (*handler)(struct frame *));
/* A handler that counts, and sends an EOI to the local APIC. */
void trap_count(u8 vector);
extern volatile u32 trap_counts[256];

/* Whether excp.stack is filled in: for tests of the stack itself. */
extern bool trap_copies_stack;

extern u8 trap_stubs[]; /* 16 bytes each */

/* Goes to CPL 3 at ip. It comes back by a trap; vector USER_EXIT is free for that (gate DPL 3). */
_Noreturn void user_enter(word ip, word sp, word flags);
#define USER_EXIT 0x30
/* Runs assembly (of CODE) at CPL 3 with all registers 0 and a stack of its own, until it traps; the
   value is the vector. It must not need its own absolute address: 64-bit guests run it at USER().
 */
u32 user_run(const void *code, word flags);
#define CHECK_USER(vec, err, code)                                                                 \
    (user_run(code, 2), check_trap(vec, err, "user code " #code, __LINE__))
/* The same, ended by its own INT USER_EXIT. */
#define CHECK_USER_EXITS(code) CHECK_USER(USER_EXIT, 0, code)
#define EXIT_USER              "int $0x30"
