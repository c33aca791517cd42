/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ACPI fixed hardware: PM1 blocks, PM timer, SMI command port; see acpipm.c. */
#pragma once
#include "base/state.h"
#include "bus/bus.h"
#include "bus/clock.h"
#include "bus/irq.h"

/* What the FADT says. Blocks are offsets from the base port. */
#define ACPIPM_PM1_EVT      0x00u
#define ACPIPM_PM1_EVT_LEN  4u
#define ACPIPM_PM1_CNT      0x04u
#define ACPIPM_PM1_CNT_LEN  2u
#define ACPIPM_PM_TMR       0x08u
#define ACPIPM_PM_TMR_LEN   4u
#define ACPIPM_GPE0         0x0cu
#define ACPIPM_GPE0_LEN     4u
#define ACPIPM_LEN          0x10u
#define ACPIPM_TMR_VAL_EXT  1 /* the timer has 32 bits: set the FADT's TMR_VAL_EXT flag */
#define ACPIPM_SMI_CMD      0xb2u
#define ACPIPM_ACPI_ENABLE  0xf1u
#define ACPIPM_ACPI_DISABLE 0xf0u
/* SLP_TYPa and SLP_TYPb of the DSDT's \_S3, \_S4 and \_S5, as the PIIX4 has them. */
#define ACPIPM_SLP_TYP_S5 0u
#define ACPIPM_SLP_TYP_S3 1u
#define ACPIPM_SLP_TYP_S4 2u
#define ACPIPM_TMR_HZ     3579545u

struct acpipm;

/*
 * `base` is 0 where another device places the block. sci is level-triggered, active high here.
 * poweroff is pulsed on entry to S4 or S5; `wake` when the machine leaves S3. -ENOMEM, -EEXIST.
 */
must_check int acpipm_new(struct acpipm **out, struct bus *pio, u16 base, struct irq sci,
                          struct clock *clk, struct irq poweroff, struct irq wake);
/* The board has S3: `sleep` is pulsed on entry. */
void acpipm_on_sleep(struct acpipm *pm, struct irq sleep);
void acpipm_reset(struct acpipm *pm);
/* After waking from S3, instead of reset: PM1 status and enables have power throughout. */
void acpipm_resume(struct acpipm *pm);
void acpipm_free(struct acpipm *pm);
extern const struct state_table acpipm_state;

/* Moves the block to another port; 0 hides it, as does a place that is taken. */
void acpipm_place(struct acpipm *pm, u16 base);
/* `written` is called after each write to the SMI command port; NULL: nobody is. */
void acpipm_on_command(struct acpipm *pm, void (*written)(void *opaque), void *opaque);
/* Something outside of the chip wakes the machine; nothing while it is awake. */
void acpipm_wake(struct acpipm *pm);
/* Someone pressed the power button: that wakes too. */
void acpipm_power_button(struct acpipm *pm);
/* General-purpose event n (0..15) happened. */
void acpipm_gpe(struct acpipm *pm, unsigned n);
/* The RTC's interrupt line, as struct irq.set: a rising edge sets RTC_STS. */
void acpipm_rtc_irq(void *acpipm, unsigned n, bool level);
/* Without firmware to enable ACPI mode (hardware-reduced boots): SCI_EN on from now on. */
void acpipm_enable(struct acpipm *pm);
