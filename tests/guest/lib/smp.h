/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Further CPUs of 64-bit guests, by INIT and SIPI. APIC IDs are 0, 1, 2, … */
#pragma once
#include "guest.h"

#define SMP_MAX 8

/* Starts CPUs 1 … n-1 and waits until they idle (interrupts off); fatal if one does not come. */
void smp_start(unsigned n);
/* Has an idle CPU call fn(arg). */
void smp_run(unsigned cpu, void (*fn)(word), word arg);
/* Until its function has returned; fatal after some seconds. */
void smp_wait(unsigned cpu);
/* Both of them: on all of n CPUs at once, this one (0) included; the argument is the CPU's number.
 */
void smp_all(unsigned n, void (*fn)(word));
extern volatile u32 smp_up; /* CPUs that came, this one not counted */
