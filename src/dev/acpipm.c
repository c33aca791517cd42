/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ACPI fixed hardware (ACPI 6.4, section 4.8.3): PM1 event and control blocks, the 32-bit PM
 * timer, a general-purpose event block, and the SMI command port that turns ACPI mode on and
 * off, which no SMM code needs to do here.
 *
 * The PM timer follows from the virtual clock; a host timer waits for its carry only while the
 * interrupt is enabled. S3 is left by the power button, or by an RTC alarm or a general-purpose
 * event that is enabled. Left out: S1 and S2 (SLP_EN with another type does nothing), and the
 * global lock's release to firmware. The reset register is the PCI host's port CF9h.
 * All of it runs under the machine's lock.
 */
#include "dev/acpipm.h"
#include "base/le.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TMR_STS    0x0001u
#define GBL_STS    0x0020u
#define PWRBTN_STS 0x0100u
#define SLPBTN_STS 0x0200u
#define RTC_STS    0x0400u
#define WAK_STS    0x8000u
#define EVENTS     (TMR_STS | GBL_STS | PWRBTN_STS | SLPBTN_STS | RTC_STS) /* status and enable */

#define SCI_EN     0x0001u
#define BM_RLD     0x0002u
#define SLP_TYP    0x1c00u
#define SLP_EN     0x2000u
#define SLP_TYP_AT 10u

#define TMR_BITS 32u

struct acpipm {
    struct bus *pio;
    struct clock *clk;
    struct irq sci, poweroff, wake;
    struct irq sleep;   /* .set is NULL: there is no S3 */
    struct timer timer; /* the next carry */
    u16 base;           /* of the block; 0: nowhere */
    void (*command_written)(void *opaque);
    void *command_opaque;
    u16 status, enable, control;
    u16 gpe_status, gpe_enable;
    u8 apm[2];  /* SMI command and status port */
    u64 start;  /* ns: when the PM timer was 0 */
    u64 halves; /* changes of its top bit that `status` has seen */
    bool level; /* of sci */
    bool rtc_level;
    bool asleep; /* in S3 */
};

static u64 pm_ticks(const struct acpipm *pm)
{
    return ns_to_ticks(clock_now(pm->clk) - pm->start, ACPIPM_TMR_HZ);
}

/* TMR_STS is set whenever the top bit of the timer changes. */
static void update_timer_status(struct acpipm *pm)
{
    u64 halves = pm_ticks(pm) >> (TMR_BITS - 1);

    if (halves != pm->halves)
        pm->status |= TMR_STS;
    pm->halves = halves;
}

void acpipm_wake(struct acpipm *pm)
{
    if (!pm->asleep)
        return;
    pm->asleep = false;
    pm->status |= WAK_STS;
    irq_pulse(&pm->wake);
}

static bool has_wake_event(const struct acpipm *pm)
{
    return pm->status & (PWRBTN_STS | (pm->enable & (SLPBTN_STS | RTC_STS))) ||
           pm->gpe_status & pm->gpe_enable;
}

static void update(struct acpipm *pm)
{
    bool level;

    update_timer_status(pm);
    if (has_wake_event(pm))
        acpipm_wake(pm);
    level = pm->control & SCI_EN &&
            (pm->status & pm->enable & EVENTS || pm->gpe_status & pm->gpe_enable);
    if (pm->level != level)
        irq_set(&pm->sci, level);
    pm->level = level;
    if (pm->control & SCI_EN && pm->enable & ~pm->status & TMR_STS)
        timer_set(pm->clk, &pm->timer,
                  pm->start + ticks_to_ns((pm->halves + 1) << (TMR_BITS - 1), ACPIPM_TMR_HZ));
    else
        timer_cancel(pm->clk, &pm->timer);
}

static void carried(void *opaque)
{
    update(opaque);
}

static void write_control(struct acpipm *pm, u16 val)
{
    pm->control = val & (SCI_EN | BM_RLD | SLP_TYP);
    if (!(val & SLP_EN))
        return;
    switch ((val & SLP_TYP) >> SLP_TYP_AT) {
    case ACPIPM_SLP_TYP_S4:
    case ACPIPM_SLP_TYP_S5:
        irq_pulse(&pm->poweroff);
        break;
    case ACPIPM_SLP_TYP_S3:
        if (!pm->sleep.set)
            break;
        pm->asleep = true;
        irq_pulse(&pm->sleep);
        break;
    }
}

static u64 pm_read(void *dev, u64 off, unsigned size)
{
    struct acpipm *pm = dev;
    u8 regs[ACPIPM_LEN] = {0};
    u64 val = 0;

    update_timer_status(pm);
    put_le16(regs + ACPIPM_PM1_EVT, pm->status);
    put_le16(regs + ACPIPM_PM1_EVT + 2, pm->enable);
    put_le16(regs + ACPIPM_PM1_CNT, pm->control);
    put_le32(regs + ACPIPM_PM_TMR, (u32)pm_ticks(pm));
    put_le16(regs + ACPIPM_GPE0, pm->gpe_status);
    put_le16(regs + ACPIPM_GPE0 + 2, pm->gpe_enable);
    memcpy(&val, regs + off, size);
    return val;
}

/* Writes the bytes of register `reg` that `mask` covers. */
static void write16(struct acpipm *pm, u64 reg, u16 val, u16 mask)
{
    switch (reg) {
    case ACPIPM_PM1_EVT:
        pm->status &= (u16)~val;
        break;
    case ACPIPM_PM1_EVT + 2:
        pm->enable = ((pm->enable & ~mask) | val) & EVENTS;
        break;
    case ACPIPM_PM1_CNT:
        write_control(pm, (u16)((pm->control & ~mask) | val));
        break;
    case ACPIPM_GPE0:
        pm->gpe_status &= (u16)~val;
        break;
    case ACPIPM_GPE0 + 2:
        pm->gpe_enable = (u16)((pm->gpe_enable & ~mask) | val);
        break;
    }
}

static void pm_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct acpipm *pm = dev;
    u8 bytes[ACPIPM_LEN] = {0}, mask[ACPIPM_LEN] = {0};

    update_timer_status(pm);
    memcpy(bytes + off, &val, size);
    memset(mask + off, 0xff, size);
    for (u64 reg = off & ~1ull; reg < off + size; reg += 2)
        write16(pm, reg, le16(bytes + reg), le16(mask + reg));
    update(pm);
}

static u64 apm_read(void *dev, u64 off, unsigned size)
{
    return ((struct acpipm *)dev)->apm[off];
}

static void apm_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct acpipm *pm = dev;

    pm->apm[off] = (u8)val;
    if (off)
        return;
    if (val == ACPIPM_ACPI_ENABLE)
        pm->control |= SCI_EN;
    else if (val == ACPIPM_ACPI_DISABLE)
        pm->control &= (u16)~SCI_EN;
    update(pm);
    if (pm->command_written)
        pm->command_written(pm->command_opaque);
}

static const struct bus_ops pm_ops = {.read = pm_read, .write = pm_write, .max_size = 4};
static const struct bus_ops apm_ops = {.read = apm_read, .write = apm_write, .max_size = 1};

void acpipm_place(struct acpipm *pm, u16 base)
{
    if (pm->base == base)
        return;
    if (pm->base)
        bus_unclaim(pm->pio, pm->base);
    pm->base = base && !bus_claim(pm->pio, base, base + ACPIPM_LEN - 1ull, &pm_ops, pm, "acpipm")
                   ? base
                   : 0;
}

void acpipm_on_command(struct acpipm *pm, void (*written)(void *opaque), void *opaque)
{
    pm->command_written = written;
    pm->command_opaque = opaque;
}

void acpipm_power_button(struct acpipm *pm)
{
    pm->status |= PWRBTN_STS;
    update(pm);
}

void acpipm_gpe(struct acpipm *pm, unsigned n)
{
    BUG_ON(n >= 16);
    pm->gpe_status |= (u16)BIT(n);
    update(pm);
}

void acpipm_rtc_irq(void *acpipm, unsigned n, bool level)
{
    struct acpipm *pm = acpipm;

    if (level && !pm->rtc_level)
        pm->status |= RTC_STS;
    pm->rtc_level = level;
    update(pm);
}

void acpipm_enable(struct acpipm *pm)
{
    pm->control |= SCI_EN;
    update(pm);
}

void acpipm_on_sleep(struct acpipm *pm, struct irq sleep)
{
    pm->sleep = sleep;
}

void acpipm_reset(struct acpipm *pm)
{
    pm->status = pm->enable = 0;
    acpipm_resume(pm);
}

void acpipm_resume(struct acpipm *pm)
{
    pm->control = 0;
    pm->asleep = false;
    pm->gpe_status = pm->gpe_enable = 0;
    pm->apm[0] = pm->apm[1] = 0;
    pm->start = clock_now(pm->clk);
    pm->halves = 0;
    update(pm);
}

static int loaded(void *dev)
{
    struct acpipm *pm = dev;

    if ((pm->status & ~(EVENTS | WAK_STS)) || (pm->enable & ~EVENTS) ||
        (pm->control & ~(SCI_EN | BM_RLD | SLP_TYP)) || pm->start > clock_now(pm->clk) ||
        (pm->asleep && !pm->sleep.set))
        return -EINVAL;
    if (pm->asleep)
        irq_pulse(&pm->sleep);
    update(pm);
    irq_set(&pm->sci, pm->level);
    return 0;
}

static const struct state_field fields[] = {
    STATE_UINT(struct acpipm, status),
    STATE_UINT(struct acpipm, enable),
    STATE_UINT(struct acpipm, control),
    STATE_UINT(struct acpipm, gpe_status),
    STATE_UINT(struct acpipm, gpe_enable),
    STATE_ARRAY(struct acpipm, apm),
    STATE_UINT(struct acpipm, start),
    STATE_UINT(struct acpipm, halves),
    STATE_BOOL(struct acpipm, rtc_level),
    STATE_ELEMENTS(struct acpipm, asleep, 1, STATE_KIND_BOOL, 2),
    STATE_END,
};

const struct state_table acpipm_state = {
    .name = "acpipm", .version = 2, .oldest = 1, .fields = fields, .loaded = loaded};

int acpipm_new(struct acpipm **out, struct bus *pio, u16 base, struct irq sci, struct clock *clk,
               struct irq poweroff, struct irq wake)
{
    struct acpipm *pm = calloc(1, sizeof(*pm));
    int rc;

    if (!pm)
        return -ENOMEM;
    *pm = (struct acpipm){.pio = pio, .clk = clk, .sci = sci, .poweroff = poweroff, .wake = wake};
    timer_init(&pm->timer, carried, pm);
    acpipm_reset(pm);
    rc = bus_claim(pio, ACPIPM_SMI_CMD, ACPIPM_SMI_CMD + 1, &apm_ops, pm, "acpipm");
    if (!rc && base) {
        acpipm_place(pm, base);
        rc = pm->base ? 0 : -EEXIST;
    }
    if (rc) {
        acpipm_free(pm);
        return rc;
    }
    *out = pm;
    return 0;
}

void acpipm_free(struct acpipm *pm)
{
    if (!pm)
        return;
    timer_cancel(pm->clk, &pm->timer);
    bus_release(pm->pio, pm);
    free(pm);
}
