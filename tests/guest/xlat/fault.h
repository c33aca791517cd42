/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page faults of single instructions inside long blocks: every register, RIP, CR2 and memory as
 * before the instruction; and when the handler has mapped the page, the end is the same as without
 * a fault. Each form is in the middle of a block, at its end and alone in one, with its operand in
 * an absent page, and across two pages of which one is absent; a page to be written comes read-only
 * first. The code has run before, so that a translator has it.
 *
 * FORM(base register, value of it less the operand's address, bytes, kind, flags that are undefined
 * afterwards, text). Other pointers (RBX, RSP, RBP, RSI, RDI) are good memory, RCX is 5, RDX 11h,
 * R9 -200, R11 the address of code that stops, as is what is in memory with CODE_ADDRESS; XMM14 is
 * 0, XMM15 all ones.
 */
#pragma once
#include "xlat.h"

enum {
    READ = 1,
    WRITE = 2,
    MODIFY = 3,
    ALIGNED = 4, /* never across pages */
    CODE_ADDRESS = 8,
    IP_RELATIVE = 16, /* the last 4 bytes are to be the displacement */
    ABSOLUTE = 32,    /* 8 bytes from the second on are to be the address */
    WIDE = 64,        /* several accesses: any may be the first to fault, some may have been done */
    EQUAL = 128,      /* RAX is what is in memory */
};
#define FORM_NAMES                                                                                 \
    "RAX=0; RCX=1; RDX=2; RBX=3; RSP=4; RBP=5; RSI=6; RDI=7\n"                                     \
    "READ=1; WRITE=2; MODIFY=3; ALIGNED=4; CODE_ADDRESS=8; IP_RELATIVE=16; ABSOLUTE=32; WIDE=64; " \
    "EQUAL=128\n"                                                                                  \
    "NONE=0; AF=0x10; SHIFT=0x810; MUL=0xd4; DIV=0x8d5; BIT=0x894; BSF=0x895\n"

/* legacy: 32-bit code, in compatibility mode. */
void fault_init(bool legacy);
void fault_all(const struct form *f, const struct form *end);
