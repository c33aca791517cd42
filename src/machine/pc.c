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
#include "dev/fwcfg.h"
#include "dev/i440fx.h"
#include "dev/mc146818.h"
#include "dev/pcihotplug.h"
#include "dev/piix3.h"
#include "dev/piix4pm.h"
#include "dev/rtcbase.h"
#include "fw/kernel_rom.h"
#include "fw/pcfw.h"
#include "machine/board_virtio.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PCI_IRQS (BIT(5) | BIT(10) | BIT(11)) /* that _PRS offers, and SeaBIOS takes */

/* Port B2h: SMI# of the bootstrap processor alone. SeaBIOS prepares no other for it, as QEMU's
   machine needs none. */
static void raise_smi(void *opaque, unsigned n, bool level)
{
    struct machine *m = opaque;

    if (level)
        vcpu_request(m->vm.cpu[0], REQ_SMI);
}

static void hotplug_event(void *opaque, unsigned n, bool level)
{
    struct machine *m = opaque;

    if (level)
        acpipm_gpe(m->pm, PCIHOTPLUG_GPE);
}

static int init_hotplug(struct machine *m)
{
    struct pcihotplug_config cfg = {
        .pio = &m->vm.pio, .event = {hotplug_event, m, 0}, .eject = pc_plug_eject, .opaque = m};

    return pcihotplug_new(&m->pc->hotplug, &cfg);
}

static void fall_asleep(void *opaque, unsigned n, bool level)
{
    struct machine *m = opaque;

    m->pc->sleeper.active = true;
    machine_on_sleep(m, n, level);
}

static bool wake_by_key(void *opaque, u16 code, bool down)
{
    struct machine *m = opaque;

    if (down)
        acpipm_wake(m->pm);
    return true;
}

static void init_sleep(struct machine *m)
{
    static const struct input_ops ops = {.key = wake_by_key};

    m->pc->sleeper = (struct input_sink){.ops = &ops, .opaque = m};
    input_add(&m->pc->input, &m->pc->sleeper);
    acpipm_on_sleep(m->pm, (struct irq){fall_asleep, m, 0});
}

static int init_chipset(struct machine *m)
{
    struct pc *pc = m->pc;
    struct irq isa[16];
    struct irq wake = {machine_on_wake, m, 0};
    struct irq poweroff = {machine_on_poweroff, m, 0};
    int rc = i440fx_new(&m->i440fx, m->pci, pc->bios);

    for (unsigned n = 0; n < ARRAY_SIZE(isa); n++)
        isa[n] = board_gsi(m, n);
    if (!rc)
        rc = piix3_new(&pc->piix3, m->pci, PC_PIIX3_DEVFN, isa);
    if (rc)
        return rc;
    for (unsigned n = 0; n < PCI_PIRQS; n++)
        m->pirq[n] = (struct irq){piix3_set_pirq, pc->piix3, n};
    rc =
        acpipm_new(&m->pm, &m->vm.pio, 0, board_gsi(m, BOARD_SCI_IRQ), m->vm.clock, poweroff, wake);
    if (!rc)
        rc = piix4pm_new(&pc->piix4pm, m->pci, PC_PIIX4PM_DEVFN, m->pm,
                         (struct irq){raise_smi, m, 0});
    return rc ? rc : init_hotplug(m);
}

static struct fw_platform platform(const struct machine *m)
{
    struct fw_platform plat = board_platform(m);
    u16 base = piix4pm_base(m->pc->piix4pm);

    plat.pm_base = base ? base : BOARD_PM_BASE;
    plat.pm_on_pci = true;
    plat.pci_irqs = PCI_IRQS;
    plat.has_s3 = true;
    plat.hotplug = pc_hotplug_slots(m->pc);
    plat.has_vga = machine_display((struct machine *)m) != NULL;
    plat.has_floppy = true;
    plat.has_parallel = m->pc->parallel != NULL;
    return plat;
}

/* By then the firmware has placed the power management block. */
static void update_tables(void *opaque)
{
    struct machine *m = opaque;
    struct fw_platform plat = platform(m);

    pcfw_update_acpi(m->fwcfg, &plat);
}

static int add_kernel(struct machine *m, struct err *err)
{
    struct board_kernel k;
    int rc = board_kernel_init(&k, m->cfg, err);

    if (rc)
        return rc;
    rc = kernel_rom_add(m->fwcfg, &k.opt, m->vm.mem->low, !m->cfg->uefi, err);
    board_kernel_dispose(&k);
    return rc;
}

static int init_fwcfg(struct machine *m, struct err *err)
{
    struct fw_platform plat = platform(m);
    char *order = pc_boot_order(m);
    int rc;

    if (!order)
        return err_set(err, ENOMEM, "machine: out of memory");
    fwcfg_on_read(m->fwcfg, update_tables, m);
    rc = pcfw_add(m->fwcfg, &plat, m->vm.mem, order, err);
    if (!rc && m->cfg->kernel)
        rc = add_kernel(m, err);
    free(order);
    return rc;
}

static int init_rtc(struct machine *m, struct err *err)
{
    s64 offset;
    int rc;

    if (!m->cfg->rtc)
        return 0;
    rc = rtcbase_parse(m->cfg->rtc, clock_wall(m->vm.clock), &offset, err);
    if (rc)
        err_prefix(err, "--rtc");
    else
        mc146818_set_offset(m->rtc, offset);
    return rc;
}

int pc_take_slot(struct pc *pc, unsigned slot, u8 *devfn)
{
    if (slot && (slot < PC_FIRST_SLOT || slot >= PC_SLOTS || pc->slots & BIT(slot)))
        return -EBUSY;
    for (unsigned n = PC_FIRST_SLOT; n < PC_SLOTS && !slot; n++)
        if (!(pc->slots & BIT(n)))
            slot = n;
    if (!slot)
        return -ENOSPC;
    pc->slots |= BIT(slot);
    *devfn = PCI_DEVFN(slot, 0);
    return 0;
}

void pc_free_slot(struct pc *pc, u8 devfn)
{
    pc->slots &= ~BIT(devfn >> 3);
}

u32 pc_hotplug_slots(const struct pc *pc)
{
    u32 slots = ~pc->slots & ~(BIT(PC_FIRST_SLOT) - 1);

    for (unsigned n = 0; n < ARRAY_SIZE(pc->nic); n++)
        slots |= pc->nic[n].card ? BIT(pc->nic[n].devfn >> 3) : 0;
    for (unsigned n = 0; n < pc->ndisks; n++)
        slots |= pc->disk[n].virtio ? BIT(pc->disk[n].virtio->devfn >> 3) : 0;
    return slots;
}

static int pc_init(struct machine *m, const struct machine_host *host, struct err *err)
{
    int rc;

    m->pc = calloc(1, sizeof(*m->pc));
    if (!m->pc)
        return err_set(err, ENOMEM, "machine: out of memory");
    pthread_mutex_init(&m->pc->trouble_lock, NULL);
    rc = pc_firmware_init(m, err);
    if (rc)
        return rc;
    rc = init_chipset(m);
    if (rc)
        return err_set(err, -rc, "machine: cannot make its devices: %s", strerror(-rc));
    rc = init_rtc(m, err);
    if (!rc)
        rc = pc_display_init(m, err);
    if (!rc)
        rc = pc_nics_init(m, err);
    if (!rc)
        rc = pc_disks_init(m, err);
    if (!rc)
        rc = pc_usb_init(m, err);
    if (!rc)
        rc = pc_virtio_init(m, host, err);
    if (!rc)
        rc = pc_misc_init(m, host, err);
    if (rc)
        return rc;
    init_sleep(m);
    pcihotplug_set_removable(m->pc->hotplug, pc_hotplug_slots(m->pc));
    return init_fwcfg(m, err);
}

/* Images and networks end first: they wait for threads that take the lock. */
static void pc_dispose(struct machine *m)
{
    struct pc *pc = m->pc;

    if (!pc)
        return;
    pc_disks_close(pc);
    pc_nics_close(pc);
    pc_plug_close(pc);
    pthread_mutex_lock(&m->vm.lock);
    pc_misc_dispose(pc);
    board_virtio_dispose(m);
    pc_usb_dispose(pc);
    pc_disks_dispose(pc);
    pc_nics_dispose(pc);
    pc_display_dispose(pc);
    pcihotplug_free(pc->hotplug);
    piix4pm_free(pc->piix4pm);
    acpipm_free(m->pm);
    m->pm = NULL; /* the RTC knows it */
    piix3_free(pc->piix3);
    i440fx_free(m->i440fx);
    pc_firmware_dispose(pc);
    pthread_mutex_unlock(&m->vm.lock);
    pc_misc_close(pc);
    pthread_mutex_destroy(&pc->trouble_lock);
    free(pc);
}

static void pc_reset(struct machine *m)
{
    struct pc *pc = m->pc;

    pcihotplug_reset(pc->hotplug);
    pc_misc_reset(pc);
    board_virtio_reset(m);
    pc_usb_reset(pc);
    pc_disks_reset(pc);
    pc_nics_reset(pc);
    pc_display_reset(pc);
    piix3_reset(pc->piix3);
    piix4pm_reset(pc->piix4pm);
    pc->sleeper.active = false;
    if (m->waking) { /* the firmware's shadow in RAM stays mapped: it is what resumes */
        acpipm_resume(m->pm);
    } else {
        i440fx_reset(m->i440fx);
        acpipm_reset(m->pm);
    }
    pc_firmware_reset(pc);
}

static int pc_boot(struct machine *m, struct err *err)
{
    board_fill_cmos(m);
    pc_disks_fill_cmos(m);
    board_enable_a20(m);
    return 0;
}

const struct board board_pc = {
    .name = "pc",
    .init = pc_init,
    .dispose = pc_dispose,
    .reset = pc_reset,
    .boot = pc_boot,
    .work = pc_plug_work,
};
