/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/acpipm.h"
#include "../test.h"
#include "rig.h"

#include <errno.h>

#define BASE 0x600
#define STS  (BASE + ACPIPM_PM1_EVT)
#define EN   (BASE + ACPIPM_PM1_EVT + 2)
#define CNT  (BASE + ACPIPM_PM1_CNT)
#define TMR  (BASE + ACPIPM_PM_TMR)
#define GPE  (BASE + ACPIPM_GPE0)

static struct rig rig;
static struct wire sci, off, asleep, woken;
static struct acpipm *pm;

static void open_pm(void)
{
    rig_open(&rig);
    sci = off = asleep = woken = (struct wire){0};
    if (acpipm_new(&pm, &rig.pio, BASE, wire_irq(&sci), rig.clk, wire_irq(&off), wire_irq(&woken)))
        exit(1);
}

static void close_pm(void)
{
    acpipm_free(pm);
    CHECK_EQ(clock_run(rig.clk), UINT64_MAX);
    rig_close(&rig);
}

static u64 in16(u64 port)
{
    return bus_read(&rig.pio, port, 2);
}

static void out16(u64 port, u64 val)
{
    bus_write(&rig.pio, port, 2, val);
}

static void enters_and_leaves_acpi_mode(void)
{
    open_pm();
    CHECK_EQ(in16(CNT), 0);
    out8(&rig, ACPIPM_SMI_CMD, ACPIPM_ACPI_ENABLE);
    CHECK_EQ(in16(CNT), 1);
    CHECK_EQ(in8(&rig, ACPIPM_SMI_CMD), ACPIPM_ACPI_ENABLE);
    out8(&rig, ACPIPM_SMI_CMD, ACPIPM_ACPI_DISABLE);
    CHECK_EQ(in16(CNT), 0);
    out8(&rig, ACPIPM_SMI_CMD + 1, 0x77);
    CHECK_EQ(in8(&rig, ACPIPM_SMI_CMD + 1), 0x77);
    close_pm();
}

static void power_button(void)
{
    open_pm();
    acpipm_enable(pm);
    acpipm_power_button(pm);
    CHECK_EQ(in16(STS), 0x100);
    CHECK(!sci.level);
    out16(EN, 0x100);
    CHECK(sci.level);
    CHECK_EQ(bus_read(&rig.pio, STS, 4), 0x01000100);
    out8(&rig, STS + 1, 0x01); /* bytes work, too */
    CHECK(!sci.level);
    CHECK_EQ(in16(STS), 0);
    acpipm_power_button(pm);
    CHECK_EQ(sci.rises, 2);
    out8(&rig, ACPIPM_SMI_CMD, ACPIPM_ACPI_DISABLE);
    CHECK(!sci.level);
    close_pm();
}

static void soft_off(void)
{
    open_pm();
    acpipm_enable(pm);
    out16(CNT, 1 | 3 << 10 | 1 << 13); /* another sleep type: nothing */
    CHECK_EQ(off.rises, 0);
    out16(CNT, 1 | ACPIPM_SLP_TYP_S5 << 10);
    CHECK_EQ(off.rises, 0);
    out16(CNT, 1 | ACPIPM_SLP_TYP_S5 << 10 | 1 << 13);
    CHECK_EQ(off.rises, 1);
    CHECK_EQ(in16(CNT), 1 | ACPIPM_SLP_TYP_S5 << 10); /* SLP_EN is write-only */
    close_pm();
}

static void suspend(void)
{
    out16(STS, 0xffff);
    out16(CNT, 1 | ACPIPM_SLP_TYP_S3 << 10 | 1 << 13);
}

static void sleeps_and_wakes(void)
{
    open_pm();
    acpipm_enable(pm);
    suspend();
    CHECK_EQ(asleep.rises, 0); /* a board without S3 */
    acpipm_on_sleep(pm, wire_irq(&asleep));
    suspend();
    CHECK_EQ(asleep.rises, 1);
    acpipm_rtc_irq(pm, 0, true);
    CHECK_EQ(woken.rises, 0); /* not enabled */
    acpipm_rtc_irq(pm, 0, false);
    suspend();
    out16(STS + 2, 0x400);
    acpipm_rtc_irq(pm, 0, true);
    CHECK_EQ(woken.rises, 1);
    CHECK_EQ(in16(STS), 0x8400); /* WAK_STS, RTC_STS */
    acpipm_resume(pm);
    CHECK_EQ(in16(STS), 0x8400);
    CHECK_EQ(in16(STS + 2), 0x400);
    CHECK_EQ(in16(CNT), 0);
    CHECK(!sci.level);
    acpipm_wake(pm); /* awake already */
    CHECK_EQ(woken.rises, 1);
    suspend();
    acpipm_power_button(pm);
    CHECK_EQ(woken.rises, 2);
    suspend();
    acpipm_wake(pm);
    CHECK_EQ(woken.rises, 3);
    suspend();
    acpipm_gpe(pm, 1);
    CHECK_EQ(woken.rises, 3);
    out16(0x60e, 2);
    CHECK_EQ(woken.rises, 4);
    CHECK_EQ(off.rises, 0);
    out16(CNT, 1 | ACPIPM_SLP_TYP_S4 << 10 | 1 << 13); /* is power-off */
    CHECK_EQ(off.rises, 1);
    close_pm();
}

static void keeps_its_sleep(void)
{
    struct state_stream s = {0};
    struct err err;

    open_pm();
    acpipm_on_sleep(pm, wire_irq(&asleep));
    suspend();
    CHECK_EQ(state_save(&s, &acpipm_state, pm), 0);
    acpipm_reset(pm);
    acpipm_power_button(pm);
    CHECK_EQ(woken.rises, 0);
    CHECK_EQ(state_load(&s, &acpipm_state, pm, &err), 0);
    CHECK_EQ(asleep.rises, 2); /* the board is told again */
    acpipm_power_button(pm);
    CHECK_EQ(woken.rises, 1);
    s.at = 0;
    acpipm_on_sleep(pm, (struct irq){.set = NULL});
    CHECK_EQ(state_load(&s, &acpipm_state, pm, &err), -EINVAL); /* a board without S3 */
    state_dispose(&s);
    close_pm();
}

static void timer_counts(void)
{
    open_pm();
    CHECK_EQ(bus_read(&rig.pio, TMR, 4), 0);
    clock_advance(rig.clk, NSEC_PER_SEC);
    CHECK_EQ(bus_read(&rig.pio, TMR, 4), ACPIPM_TMR_HZ);
    CHECK_EQ(in8(&rig, TMR + 1), ACPIPM_TMR_HZ >> 8 & 0xff);
    CHECK_EQ(in16(TMR + 2), ACPIPM_TMR_HZ >> 16);
    CHECK_EQ(clock_run(rig.clk), UINT64_MAX);
    clock_advance(rig.clk, 599 * NSEC_PER_SEC); /* the top bit toggles after 599.9 s */
    CHECK_EQ(in16(STS), 1);
    out16(STS, 1);
    CHECK_EQ(in16(STS), 0);
    acpipm_enable(pm);
    out16(EN, 1);
    CHECK(!sci.level);
    clock_advance(rig.clk, 600 * NSEC_PER_SEC);
    CHECK(sci.level);
    out16(STS, 1);
    CHECK(!sci.level);
    clock_advance(rig.clk, 600 * NSEC_PER_SEC);
    CHECK_EQ(sci.rises, 2);
    acpipm_reset(pm);
    CHECK(!sci.level);
    CHECK_EQ(bus_read(&rig.pio, TMR, 4), 0);
    close_pm();
}

static void other_events(void)
{
    open_pm();
    acpipm_enable(pm);
    out16(EN, 0xffff);
    CHECK_EQ(in16(EN), 0x0721);
    acpipm_rtc_irq(pm, 0, true);
    acpipm_rtc_irq(pm, 0, false);
    CHECK_EQ(in16(STS), 0x400);
    CHECK(sci.level);
    out16(STS, 0xffff);
    CHECK(!sci.level);
    acpipm_gpe(pm, 9);
    CHECK(!sci.level);
    bus_write(&rig.pio, GPE + 3, 1, 0x02);
    CHECK(sci.level);
    CHECK_EQ(bus_read(&rig.pio, GPE, 4), 0x02000200);
    out16(GPE, 0x200);
    CHECK(!sci.level);
    close_pm();
}

int main(void)
{
    TEST_RUN(enters_and_leaves_acpi_mode);
    TEST_RUN(power_button);
    TEST_RUN(soft_off);
    TEST_RUN(sleeps_and_wakes);
    TEST_RUN(keeps_its_sleep);
    TEST_RUN(timer_counts);
    TEST_RUN(other_events);
    return test_result();
}
