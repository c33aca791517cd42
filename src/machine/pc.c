/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The "pc" board: 82441FX and PIIX chips as QEMU's machine "pc" has them, since firmware and guests
 * know that, and a BIOS that boots. PCI interrupts reach the 8259s and the I/O APIC by the ISA
 * interrupts that the firmware chooses with the PIIX3's PIRQRC registers.
 *
 *   00.0 82441FX   01.0 PIIX3   01.1 IDE   01.2 USB   01.3 PIIX4 power management   02.0 VGA
 */
#include "machine/pc.h"

#include "cpu/vcpu.h"
#include "dev/debugcon.h"
#include "dev/fwcfg.h"
#include "dev/i440fx.h"
#include "dev/pflash.h"
#include "dev/piix3.h"
#include "dev/piix4pm.h"
#include "fw/linux_rom.h"
#include "fw/pcfw.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PCI_IRQS (BIT(5) | BIT(10) | BIT(11)) /* that _PRS offers, and SeaBIOS takes */

#define DEBUGCON_PORT 0x402u

#define PIIX3_DEVFN   PCI_DEVFN(1, 0)
#define PIIX4PM_DEVFN PCI_DEVFN(1, 3)

/* Port B2h: one SMI for all CPUs, as the chipset's SMI# pin is wired. */
static void raise_smi(void *opaque, unsigned n, bool level)
{
    struct machine *m = opaque;

    for (unsigned i = 0; level && i < m->vm.ncpus; i++)
        vcpu_request(m->vm.cpu[i], REQ_SMI);
}

static int init_chipset(struct machine *m)
{
    struct pc *pc = m->pc;
    struct irq isa[16];
    struct irq reset = {machine_on_reset, m, 0};
    struct irq poweroff = {machine_on_poweroff, m, 0};
    int rc = i440fx_new(&m->i440fx, m->pci, pc->bios);

    for (unsigned n = 0; n < ARRAY_SIZE(isa); n++)
        isa[n] = board_gsi(m, n);
    if (!rc)
        rc = piix3_new(&pc->piix3, m->pci, PIIX3_DEVFN, isa);
    if (rc)
        return rc;
    for (unsigned n = 0; n < PCI_PIRQS; n++)
        m->pirq[n] = (struct irq){piix3_set_pirq, pc->piix3, n};
    rc = acpipm_new(&m->pm, &m->vm.pio, 0, board_gsi(m, BOARD_SCI_IRQ), m->vm.clock, poweroff,
                    reset);
    if (!rc)
        rc = piix4pm_new(&pc->piix4pm, m->pci, PIIX4PM_DEVFN, m->pm, (struct irq){raise_smi, m, 0});
    return rc;
}

static void debugcon_put(void *opaque, u8 byte)
{
    const struct pc *pc = opaque;

    pc->debugcon_to.write(pc->debugcon_to.opaque, &byte, 1);
}

/* Firmware looks for the port by reading it, and is faster without. */
static int init_debugcon(struct machine *m, const struct machine_host *host)
{
    struct pc *pc = m->pc;

    if (!host->debugcon.write)
        return 0;
    pc->debugcon_to = host->debugcon;
    return debugcon_new(&pc->debugcon, &m->vm.pio, DEBUGCON_PORT, debugcon_put, pc);
}

static struct fw_platform platform(const struct machine *m)
{
    struct fw_platform plat = board_platform(m);
    u16 base = piix4pm_base(m->pc->piix4pm);

    plat.pm_base = base ? base : BOARD_PM_BASE;
    plat.pci_irqs = PCI_IRQS;
    return plat;
}

/* By then the firmware has placed the power management block. */
static void update_tables(void *opaque)
{
    struct machine *m = opaque;
    struct fw_platform plat = platform(m);

    pcfw_update_acpi(m->fwcfg, &plat);
}

static int init_firmware(struct machine *m, struct err *err)
{
    struct fw_platform plat = platform(m);

    struct boot_options opt = {
        .kernel = m->cfg->kernel, .initrd = m->cfg->initrd, .append = m->cfg->append};
    int rc;

    fwcfg_on_read(m->fwcfg, update_tables, m);
    rc = pcfw_add(m->fwcfg, &plat, m->vm.mem, opt.kernel ? LINUX_ROM_PATH "\n" : NULL, err);
    if (!rc && opt.kernel)
        rc = linux_rom_add(m->fwcfg, &opt, m->vm.mem->low, err);
    return rc;
}

static int pc_init(struct machine *m, const struct machine_host *host, struct err *err)
{
    int rc;

    m->pc = calloc(1, sizeof(*m->pc));
    if (!m->pc)
        return err_set(err, ENOMEM, "machine: out of memory");
    rc = pc_firmware_init(m, err);
    if (rc)
        return rc;
    rc = init_chipset(m);
    if (!rc)
        rc = init_debugcon(m, host);
    if (rc)
        return err_set(err, -rc, "machine: cannot make its devices: %s", strerror(-rc));
    return init_firmware(m, err);
}

static void pc_dispose(struct machine *m)
{
    struct pc *pc = m->pc;

    if (!pc)
        return;
    debugcon_free(pc->debugcon);
    piix4pm_free(pc->piix4pm);
    acpipm_free(m->pm);
    piix3_free(pc->piix3);
    i440fx_free(m->i440fx);
    pc_firmware_dispose(pc);
    free(pc);
}

static void pc_reset(struct machine *m)
{
    struct pc *pc = m->pc;

    if (pc->pflash)
        pflash_reset(pc->pflash);
    i440fx_reset(m->i440fx);
    piix3_reset(pc->piix3);
    piix4pm_reset(pc->piix4pm);
    acpipm_reset(m->pm);
}

static int pc_boot(struct machine *m, struct err *err)
{
    board_fill_cmos(m);
    board_enable_a20(m);
    return 0;
}

const struct board board_pc = {
    .name = "pc",
    .init = pc_init,
    .dispose = pc_dispose,
    .reset = pc_reset,
    .boot = pc_boot,
};
