/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stop-the-world among the CPUs of a VM, for what cannot be made atomic otherwise: locked accesses
 * that cross a page or reach a device. A CPU counts as running between vcpu_guest_enter and
 * vcpu_guest_leave; it must not hold the machine's lock while it waits here.
 */
#pragma once
#include "cpu/vcpu.h"

void vcpu_guest_enter(struct vcpu *c); /* waits while another CPU has the world to itself */
void vcpu_guest_leave(struct vcpu *c);
void vcpu_guest_pause(struct vcpu *c); /* on REQ_EXCLUSIVE: leave and enter again */

/* Between these no other CPU runs guest code. A fault that is raised in between ends it too. */
void exclusive_begin(struct vcpu *c);
void exclusive_end(struct vcpu *c);
