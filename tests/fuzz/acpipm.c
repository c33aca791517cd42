/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PM1, PM timer, GPE and SMI command ports, time, and events from outside. */
#include "dev/acpipm.h"
#include "dev_input.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct input in = {data, size};
    struct rig rig;
    struct wire sci = {0}, off = {0}, sleep = {0}, wake = {0};
    struct acpipm *pm;

    rig_open(&rig);
    BUG_ON(
        acpipm_new(&pm, &rig.pio, 0x600, wire_irq(&sci), rig.clk, wire_irq(&off), wire_irq(&wake)));
    acpipm_on_sleep(pm, wire_irq(&sleep));
    while (input_left(&in)) {
        u8 op = (u8)input_take(&in, 1);
        if ((op & 0xc0) == 0xc0) {
            acpipm_gpe(pm, op & 15);
            acpipm_rtc_irq(pm, 0, op & 0x10);
            acpipm_power_button(pm);
        } else if ((op & 0xc0) == 0x80) {
            clock_advance(rig.clk, input_take(&in, 1) * 100 * NSEC_PER_SEC);
        } else if (op & 0x40) {
            input_access(&in, &rig.pio, op, ACPIPM_SMI_CMD, 2);
        } else {
            input_access(&in, &rig.pio, op, 0x5fe, 20);
        }
        BUG_ON(wake.rises > sleep.rises);
        BUG_ON(sci.level && !(bus_read(&rig.pio, 0x600 + ACPIPM_PM1_CNT, 2) & 1));
    }
    acpipm_reset(pm);
    BUG_ON(sci.level);
    acpipm_free(pm);
    BUG_ON(clock_run(rig.clk) != UINT64_MAX);
    rig_close(&rig);
    return 0;
}
