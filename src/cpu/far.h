/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Far transfers, task switches, fast system calls, and the instructions that change IF and IOPL.
   They raise the architectural fault, or commit CS:RIP, stack, CPL and flags as a whole. */
#pragma once
#include "base/base.h"
#include "cpu/vcpu.h"

/* opsize 2, 4 or 8: the operand size of the instruction. */
void cpu_far_jmp(struct vcpu *c, u16 sel, u64 off, unsigned opsize);
void cpu_far_call(struct vcpu *c, u16 sel, u64 off, unsigned opsize);
void cpu_far_ret(struct vcpu *c, unsigned opsize, u16 pop_bytes);

enum task_source { TASK_JMP, TASK_CALL, TASK_IRET, TASK_GATE };
/* Hardware task switch to the TSS of `sel` (SDM 3A chapter 7). For TASK_GATE from an exception with
   an error code, the caller pushes it afterwards (task_push_error). */
void cpu_task_switch(struct vcpu *c, u16 sel, enum task_source source);

void cpu_syscall(struct vcpu *c);
void cpu_sysret(struct vcpu *c, unsigned opsize);
void cpu_sysenter(struct vcpu *c);
void cpu_sysexit(struct vcpu *c, unsigned opsize);

/* With IOPL, virtual-8086, VME and PVI rules. popf takes the popped image. */
u32 cpu_pushf_image(struct vcpu *c, unsigned opsize); /* raises #GP(0) in v86 where IOPL demands */
void cpu_popf(struct vcpu *c, u32 image, unsigned opsize);
void cpu_cli(struct vcpu *c);
void cpu_sti(struct vcpu *c); /* sets c->shadow where IF goes from 0 to 1 */

/* The stack in use: pushes and pops at c->gpr[RSP] with SS' size. cpu_pop reads without moving
   RSP: the instruction commits with cpu_stack_add when nothing can fault any more. */
void cpu_push(struct vcpu *c, u64 val, unsigned size);
u64 cpu_peek(struct vcpu *c, u64 depth, unsigned size); /* the value `depth` bytes above the top */
void cpu_stack_add(struct vcpu *c, s64 bytes);
