/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The "micro" board: no firmware. PCI interrupts A to D are GSIs 16 to 19; the ACPI block is where
 * the tables say from the start, and enabled. virtio
 * devices are there by MMIO, and in the DSDT.
 */
#include "machine/board.h"

#include "dev/acpipm.h"
#include "dev/i440fx.h"
#include "fw/chipset.h"
#include "machine/board_virtio.h"
#include "machine/micro_virtio.h"

#include <string.h>

#define PIRQ_GSI 16u

static int make_devices(struct machine *m)
{
    struct irq reset = {machine_on_reset, m, 0};
    struct irq poweroff = {machine_on_poweroff, m, 0};
    int rc = i440fx_new(&m->i440fx, m->pci, NULL);

    for (unsigned n = 0; n < PCI_PIRQS; n++)
        m->pirq[n] = board_gsi(m, PIRQ_GSI + n);
    if (!rc)
        rc = acpipm_new(&m->pm, &m->vm.pio, BOARD_PM_BASE, board_gsi(m, BOARD_SCI_IRQ), m->vm.clock,
                        poweroff, reset);
    return rc;
}

static int micro_init(struct machine *m, const struct machine_host *host, struct err *err)
{
    int rc = make_devices(m);

    if (rc)
        return err_set(err, -rc, "machine: cannot make its devices: %s", strerror(-rc));
    return micro_virtio_init(m, host, err);
}

static void micro_dispose(struct machine *m)
{
    micro_virtio_close(m);
    pthread_mutex_lock(&m->vm.lock);
    micro_virtio_dispose(m);
    acpipm_free(m->pm);
    m->pm = NULL; /* the RTC knows it */
    i440fx_free(m->i440fx);
    pthread_mutex_unlock(&m->vm.lock);
}

static void micro_reset(struct machine *m)
{
    board_virtio_reset(m);
    i440fx_reset(m->i440fx);
    acpipm_reset(m->pm);
}

static int micro_boot(struct machine *m, struct err *err)
{
    board_fill_cmos(m);
    board_enable_a20(m);
    fw_init_chipset(&m->vm);
    return board_load_kernel(m, err);
}

const struct board board_micro = {
    .name = "micro",
    .init = micro_init,
    .dispose = micro_dispose,
    .reset = micro_reset,
    .boot = micro_boot,
};
