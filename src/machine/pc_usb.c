/* SPDX-License-Identifier: GPL-2.0-or-later */
/* USB of the "pc" board: the PIIX3's controller, and behind it what the user asked for. More
   devices than it has ports are behind a hub. */
#include "machine/pc.h"

#include "dev/uhci.h"
#include "dev/usb_hid.h"
#include "dev/usb_hub.h"
#include "dev/usb_msd.h"

#include <errno.h>
#include <string.h>

static unsigned count_disks(const struct pc *pc)
{
    unsigned n = 0;

    for (unsigned i = 0; i < pc->ndisks; i++)
        n += pc->disk[i].cfg.bus == DISK_USB;
    return n;
}

static int plug(struct pc *pc, struct usb_device *dev, unsigned n)
{
    return usb_attach(pc->hub ? usb_hub_port(pc->hub, n) : uhci_port(pc->uhci, n), dev);
}

static int add_input(struct machine *m, const char *kind, unsigned n)
{
    struct pc *pc = m->pc;
    int rc;

    if (!strcmp(kind, "keyboard")) {
        rc = usb_kbd_new(&pc->usb_kbd[n], m->vm.clock);
        if (rc)
            return rc;
        input_add(&pc->input, usb_kbd_sink(pc->usb_kbd[n]));
        return plug(pc, usb_kbd_device(pc->usb_kbd[n]), n);
    }
    rc = !strcmp(kind, "mouse") ? usb_mouse_new(&pc->pointer[n], m->vm.clock)
                                : usb_tablet_new(&pc->pointer[n], m->vm.clock);
    if (rc)
        return rc;
    input_add(&pc->input, usb_pointer_sink(pc->pointer[n]));
    return plug(pc, usb_pointer_device(pc->pointer[n]), n);
}

static int add_disks(struct pc *pc, unsigned port)
{
    for (unsigned n = 0; n < pc->ndisks; n++) {
        struct usb_msd_config cfg = {.block = pc->disk[n].block, .removable = true};
        int rc;
        if (pc->disk[n].cfg.bus != DISK_USB)
            continue;
        rc = usb_msd_new(&pc->msd[n], &cfg);
        pc->disk[n].unit = port;
        if (!rc)
            rc = plug(pc, usb_msd_device(pc->msd[n]), port++);
        if (rc)
            return rc;
    }
    return 0;
}

static int make(struct machine *m, unsigned devices)
{
    struct pc *pc = m->pc;
    int rc = uhci_new(&pc->uhci, m->pci, PC_UHCI_DEVFN, m->vm.clock);

    if (!rc && devices > UHCI_PORTS) {
        rc = usb_hub_new(&pc->hub);
        if (!rc)
            rc = usb_attach(uhci_port(pc->uhci, 0), usb_hub_device(pc->hub));
    }
    for (unsigned n = 0; n < m->cfg->nusbs && !rc; n++)
        rc = add_input(m, m->cfg->usb[n], n);
    return rc ? rc : add_disks(pc, m->cfg->nusbs);
}

int pc_usb_init(struct machine *m, struct err *err)
{
    unsigned devices = m->cfg->nusbs + count_disks(m->pc);
    int rc;

    if (!devices)
        return 0;
    if (devices > USB_HUB_PORTS)
        return err_set(err, ENOSPC, "--usb: %u devices; there are %u ports", devices,
                       USB_HUB_PORTS);
    rc = make(m, devices);
    return rc ? err_set(err, -rc, "--usb: %s", strerror(-rc)) : 0;
}

void pc_usb_reset(struct pc *pc)
{
    if (pc->uhci)
        uhci_reset(pc->uhci);
}

void pc_usb_dispose(struct pc *pc)
{
    if (!pc->uhci)
        return;
    for (unsigned n = 0; pc->hub && n < USB_HUB_PORTS; n++)
        usb_detach(usb_hub_port(pc->hub, n));
    for (unsigned n = 0; n < UHCI_PORTS; n++)
        usb_detach(uhci_port(pc->uhci, n));
    for (unsigned n = 0; n < ARRAY_SIZE(pc->msd); n++)
        usb_msd_free(pc->msd[n]);
    for (unsigned n = 0; n < MACHINE_MAX_USB; n++) {
        if (pc->usb_kbd[n])
            input_remove(&pc->input, usb_kbd_sink(pc->usb_kbd[n]));
        usb_kbd_free(pc->usb_kbd[n]);
        if (pc->pointer[n])
            input_remove(&pc->input, usb_pointer_sink(pc->pointer[n]));
        usb_pointer_free(pc->pointer[n]);
    }
    usb_hub_free(pc->hub);
    uhci_free(pc->uhci);
}
