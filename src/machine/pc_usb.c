/* SPDX-License-Identifier: GPL-2.0-or-later */
/* USB of the "pc" board: the PIIX3's controller and an xHCI controller, each if the user asked for
   something on it. What finds no port of the controller is behind a hub. */
#include "machine/pc.h"

#include "dev/uhci.h"
#include "dev/usb_hid.h"
#include "dev/usb_hub.h"
#include "dev/usb_msd.h"
#include "dev/xhci.h"
#include "machine/usb_config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A controller while it is being filled. */
struct usb_bus {
    struct pc *pc;
    bool xhci;
    unsigned ports, devices; /* that it has; that go there */
    unsigned used;
    struct usb_hub *hub; /* NULL: none is needed */
    u8 devfn;
};

/* The xHCI's last port is the hub's if there is one; UHCI's two are too few to go by. */
static unsigned direct_ports(const struct usb_bus *bus)
{
    if (!bus->hub)
        return bus->ports;
    return bus->xhci ? bus->ports - 1 : 0;
}

static struct usb_port *root_port(const struct usb_bus *bus, unsigned n)
{
    return bus->xhci ? xhci_socket(bus->pc->xhci, n) : uhci_port(bus->pc->uhci, n);
}

/* The OpenFirmware path of a disk at the n-th place. */
static void name_disk(const struct usb_bus *bus, unsigned n, char *path, size_t size)
{
    unsigned direct = direct_ports(bus);
    char controller[16], hub[16] = "";

    snprintf(controller, sizeof(controller), bus->devfn & 7 ? "%x,%x" : "%x", bus->devfn >> 3,
             bus->devfn & 7);
    if (n >= direct)
        snprintf(hub, sizeof(hub), "/hub@%u", direct + 1);
    snprintf(path, size, "/pci@i0cf8/usb@%s%s/storage@%u/channel@0/disk@0,0", controller, hub,
             n < direct ? n + 1 : n - direct + 1);
}

/* Plugs a device into the next place. */
static int plug(struct usb_bus *bus, struct usb_device *dev)
{
    unsigned n = bus->used++, direct = direct_ports(bus);

    return usb_attach(n < direct ? root_port(bus, n) : usb_hub_port(bus->hub, n - direct), dev);
}

static int add_keyboard(struct machine *m, struct usb_bus *bus, unsigned n)
{
    struct pc *pc = m->pc;
    int rc = usb_kbd_new(&pc->usb_kbd[n], m->vm.clock);

    if (rc)
        return rc;
    input_add(&pc->input, usb_kbd_sink(pc->usb_kbd[n]));
    return plug(bus, usb_kbd_device(pc->usb_kbd[n]));
}

static int add_pointer(struct machine *m, struct usb_bus *bus, unsigned n, enum usb_kind kind)
{
    struct pc *pc = m->pc;
    int rc = kind == USB_MOUSE ? usb_mouse_new(&pc->pointer[n], m->vm.clock)
                               : usb_tablet_new(&pc->pointer[n], m->vm.clock);

    if (rc)
        return rc;
    input_add(&pc->input, usb_pointer_sink(pc->pointer[n]));
    return plug(bus, usb_pointer_device(pc->pointer[n]));
}

static int add_inputs(struct machine *m, struct usb_bus *bus, const struct usb_config *usb)
{
    int rc = 0;

    for (unsigned n = 0; n < m->cfg->nusbs && !rc; n++) {
        if (usb[n].xhci != bus->xhci)
            continue;
        rc = usb[n].kind == USB_KEYBOARD ? add_keyboard(m, bus, n)
                                         : add_pointer(m, bus, n, usb[n].kind);
    }
    return rc;
}

static bool is_on(const struct pc_disk *d, const struct usb_bus *bus)
{
    return d->cfg.bus == (bus->xhci ? DISK_XHCI : DISK_USB);
}

static int add_disks(struct usb_bus *bus)
{
    struct pc *pc = bus->pc;
    int rc = 0;

    for (unsigned n = 0; n < pc->ndisks && !rc; n++) {
        struct pc_disk *d = &pc->disk[n];
        struct usb_msd_config cfg = {.block = d->block, .removable = true};
        if (!is_on(d, bus))
            continue;
        rc = usb_msd_new(&pc->msd[n], &cfg);
        pc_disk_set_place(d, bus->used);
        name_disk(bus, bus->used, d->boot, sizeof(d->boot));
        if (!rc)
            rc = plug(bus, usb_msd_device(pc->msd[n]));
    }
    return rc;
}

static int make_controller(struct machine *m, struct usb_bus *bus)
{
    struct pc *pc = m->pc;
    int rc;

    if (!bus->xhci) {
        bus->devfn = PC_UHCI_DEVFN;
        return uhci_new(&pc->uhci, m->pci, bus->devfn, m->vm.clock);
    }
    rc = pc_take_slot(pc, 0, &bus->devfn);
    return rc ? rc : xhci_new(&pc->xhci, m->pci, bus->devfn, m->vm.clock);
}

/* Fast disks come first, to ports of the controller. */
static int fill(struct machine *m, struct usb_bus *bus, const struct usb_config *usb)
{
    struct usb_hub **hub = bus->xhci ? &m->pc->xhci_hub : &m->pc->hub;
    int rc = make_controller(m, bus);

    if (!rc && bus->devices > bus->ports) {
        rc = usb_hub_new(hub);
        bus->hub = *hub;
        if (!rc)
            rc = usb_attach(root_port(bus, bus->xhci ? bus->ports - 1 : 0), usb_hub_device(*hub));
    }
    if (!rc && bus->xhci)
        rc = add_disks(bus);
    if (!rc)
        rc = add_inputs(m, bus, usb);
    return rc || bus->xhci ? rc : add_disks(bus);
}

static int init_bus(struct machine *m, bool xhci, const struct usb_config *usb, struct err *err)
{
    struct usb_bus bus = {.pc = m->pc, .xhci = xhci, .ports = xhci ? XHCI_SOCKETS : UHCI_PORTS};
    unsigned room = USB_HUB_PORTS + (xhci ? XHCI_SOCKETS - 1 : 0);
    int rc;

    for (unsigned n = 0; n < m->cfg->nusbs; n++)
        bus.devices += usb[n].xhci == xhci;
    for (unsigned n = 0; n < m->pc->ndisks; n++)
        bus.devices += is_on(&m->pc->disk[n], &bus);
    if (!bus.devices)
        return 0;
    if (bus.devices > room)
        return err_set(err, ENOSPC, "--usb: %u devices with bus=%s; there are %u ports",
                       bus.devices, xhci ? "xhci" : "usb", room);
    rc = fill(m, &bus, usb);
    return rc ? err_set(err, -rc, "--usb: %s", strerror(-rc)) : 0;
}

int pc_usb_init(struct machine *m, struct err *err)
{
    struct usb_config usb[MACHINE_MAX_USB];
    int rc = 0;

    for (unsigned n = 0; n < m->cfg->nusbs && !rc; n++)
        rc = usb_parse(&usb[n], m->cfg->usb[n], err);
    if (rc) {
        err_prefix(err, "--usb");
        return rc;
    }
    rc = init_bus(m, false, usb, err);
    return rc ? rc : init_bus(m, true, usb, err);
}

void pc_usb_reset(struct pc *pc)
{
    if (pc->uhci)
        uhci_reset(pc->uhci);
    if (pc->xhci)
        xhci_reset(pc->xhci);
}

static void unplug_all(struct pc *pc)
{
    for (unsigned n = 0; pc->hub && n < USB_HUB_PORTS; n++)
        usb_detach(usb_hub_port(pc->hub, n));
    for (unsigned n = 0; pc->xhci_hub && n < USB_HUB_PORTS; n++)
        usb_detach(usb_hub_port(pc->xhci_hub, n));
    for (unsigned n = 0; pc->uhci && n < UHCI_PORTS; n++)
        usb_detach(uhci_port(pc->uhci, n));
    for (unsigned n = 0; pc->xhci && n < XHCI_SOCKETS; n++)
        usb_detach(xhci_socket(pc->xhci, n));
}

void pc_usb_dispose(struct pc *pc)
{
    unplug_all(pc);
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
    usb_hub_free(pc->xhci_hub);
    uhci_free(pc->uhci);
    xhci_free(pc->xhci);
}
