/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Segmentation: SDM 3A chapters 3 and 5. Functions raise the architectural fault. */
#pragma once
#include "base/base.h"
#include "cpu/vcpu.h"

struct desc {       /* a descriptor as it stands in a table, unpacked */
    struct seg seg; /* sel not set */
    u64 raw;
    gva_t addr; /* where its 8 bytes are */
};

/* Checks an access of `size` bytes (0 < size, up to a page) at `off` in a segment and returns its
   linear address: rights and limit outside 64-bit mode; base only inside (canonicality is checked
   by the access itself). #SS(0) for SS, else #GP(0). */
gva_t seg_linear(struct vcpu *c, unsigned segreg, u64 off, unsigned size, bool write);

/* MOV Sreg, POP Sreg, LDS and friends (any segment register but CS), in every mode. */
void seg_load(struct vcpu *c, unsigned segreg, u16 sel);
/* Real mode and virtual-8086: base = sel * 16; limit and rights as those modes leave them. */
void seg_load_real(struct vcpu *c, unsigned segreg, u16 sel);

/* Reads the descriptor of a selector from GDT or LDT. False if outside the table or a null
   selector; page faults raise. */
must_check bool desc_read(struct vcpu *c, u16 sel, struct desc *d);
/* The base of a 16-byte system descriptor (long mode): second half read too. */
void desc_read_high(struct vcpu *c, u16 sel, struct desc *d);
/* Atomically sets bits in the descriptor's type byte (accessed, busy) / clears busy. */
void desc_set_accessed(struct vcpu *c, struct desc *d);
void desc_set_busy(struct vcpu *c, u16 sel, bool busy);

void cpu_lldt(struct vcpu *c, u16 sel);
void cpu_ltr(struct vcpu *c, u16 sel);
/* LAR, LSL: false (ZF clear) if the descriptor is not visible. */
must_check bool cpu_lar(struct vcpu *c, u16 sel, u32 *out);
must_check bool cpu_lsl(struct vcpu *c, u16 sel, u32 *out);
must_check bool cpu_verify(struct vcpu *c, u16 sel, bool write); /* VERR, VERW */

/* A near branch target: #GP(0) if outside CS' limit or not canonical; else sets c->rip. `opsize`
   truncates (2: IP, 4: EIP, 8: RIP). */
void cpu_near_branch(struct vcpu *c, u64 target, unsigned opsize);
